//! Adding to and removing from ipsets: SET.
//!
//! May import model only.

use super::Fields;
use crate::model::netfilter::xt::matches::SetName;
use crate::model::netfilter::xt::targets::{SetChange, SetKey, Target};

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
    let mut fields = Fields::of(
        data,
        match revision {
            0 => 64,
            1 => 8,
            2 => 16,
            _ => 20,
        },
    )?;
    let read = if revision == 0 { oldest_key } else { key };
    let mut change = SetChange { add: read(&mut fields)?, delete: read(&mut fields)?, ..SetChange::default() };
    if revision >= 3 {
        change.map = read(&mut fields)?;
    }
    if revision >= 2 {
        let (flags, timeout) = (fields.u32()?, fields.u32()?);
        let known = if revision == 2 { EXIST } else { EXIST | MAP_MARK | MAP_PRIORITY | MAP_QUEUE };
        if flags & !known != 0 {
            return None;
        }
        change.exist = flags & EXIST != 0;
        change.map_mark = flags & MAP_MARK != 0;
        change.map_priority = flags & MAP_PRIORITY != 0;
        change.map_queue = flags & MAP_QUEUE != 0;
        change.timeout = Some(timeout).filter(|timeout| *timeout != u32::MAX);
    }
    Some(Target::Set(change))
}

/// `struct xt_set_info`; the outer `None` where it is none.
fn key(fields: &mut Fields<'_>) -> Option<Option<SetKey>> {
    let (index, dimensions, flags) = (fields.u16()?, fields.u8()?, fields.u8()?);
    if index == NO_SET {
        return Some(None);
    }
    if dimensions > DIMENSIONS {
        return None;
    }
    let from_source = (1..=dimensions).map(|dimension| flags & (1 << dimension) != 0).collect();
    Some(Some(SetKey { set: SetName::Index(index), from_source }))
}

/// `struct xt_set_info_v0`: a number for each dimension, 0 behind the last.
fn oldest_key(fields: &mut Fields<'_>) -> Option<Option<SetKey>> {
    let index = fields.u16()?;
    fields.skip(2)?;
    let mut from_source = Vec::new();
    let mut ended = false;
    for _ in 0..DIMENSIONS {
        let flags = fields.u32()?;
        ended |= flags == 0;
        if !ended {
            from_source.push(flags & SOURCE != 0);
        }
    }
    fields.skip(4)?;
    Some((index != NO_SET).then_some(SetKey { set: SetName::Index(index), from_source }))
}
