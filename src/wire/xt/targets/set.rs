//! Adding to and removing from ipsets: SET.
//!
//! May import model only.

use crate::model::netfilter::xt::matches::SetName;
use crate::model::netfilter::xt::targets::{SetChange, SetKey, Target};
use crate::wire::xt::blob::{Blob, only};

/// `IPSET_INVALID_ID`: no set.
const NO_SET: u16 = 0xffff;
/// `IPSET_DIM_MAX`
const DIMENSIONS: u8 = 6;
/// `IPSET_SRC` of the oldest revision.
const SOURCE: u32 = 1;
// `IPSET_FLAG_*`
const EXIST: u32 = 1;
const MAP_MARK: u32 = 1 << 8;
const MAP_PRIORITY: u32 = 1 << 9;
const MAP_QUEUE: u32 = 1 << 10;

/// `struct xt_set_info_target_v0` to `…_v3`.
pub(super) fn change(revision: u8, data: &[u8]) -> Option<Target> {
    let size = match revision {
        0 => 64,
        1 => 8,
        2 => 16,
        _ => 20,
    };
    let blob = Blob::sized(data, size)?;
    if revision == 0 {
        let (add, delete) = (oldest_key(blob, 0)?, oldest_key(blob, 32)?);
        let change = SetChange { add: set(add), delete: set(delete), ..SetChange::default() };
        return Some(Target::Set(Box::new(change)));
    }
    let mut change = SetChange { add: set(key(blob, 0)?), delete: set(key(blob, 4)?), ..SetChange::default() };
    let mut flags_at = 8;
    if revision >= 3 {
        change.map = set(key(blob, 8)?);
        flags_at = 12;
    }
    if revision >= 2 {
        let (flags, timeout) = (blob.u32(flags_at)?, blob.u32(flags_at + 4)?);
        only(flags, if revision == 2 { EXIST } else { EXIST | MAP_MARK | MAP_PRIORITY | MAP_QUEUE })?;
        change.exist = flags & EXIST != 0;
        change.map_mark = flags & MAP_MARK != 0;
        change.map_priority = flags & MAP_PRIORITY != 0;
        change.map_queue = flags & MAP_QUEUE != 0;
        change.timeout = Some(timeout).filter(|timeout| *timeout != u32::MAX);
    }
    Some(Target::Set(Box::new(change)))
}

/// The key, unless its number is that of no set.
fn set(key: SetKey) -> Option<SetKey> {
    Some(key).filter(|key| key.set != SetName::Index(NO_SET))
}

/// `struct xt_set_info`
fn key(blob: Blob<'_>, at: usize) -> Option<SetKey> {
    let (index, dimensions, flags) = (blob.u16(at)?, blob.u8(at + 2)?, blob.u8(at + 3)?);
    if dimensions > DIMENSIONS {
        return None;
    }
    let from_source = (1..=dimensions).map(|dimension| flags & (1 << dimension) != 0).collect();
    Some(SetKey { set: SetName::Index(index), from_source })
}

/// `struct xt_set_info_v0`: a number for each dimension, 0 behind the last.
fn oldest_key(blob: Blob<'_>, at: usize) -> Option<SetKey> {
    let index = blob.u16(at)?;
    let mut from_source = Vec::new();
    for dimension in 0..DIMENSIONS {
        let flags = blob.u32(at + 4 + 4 * usize::from(dimension))?;
        if flags == 0 {
            break;
        }
        from_source.push(flags & SOURCE != 0);
    }
    Some(SetKey { set: SetName::Index(index), from_source })
}
