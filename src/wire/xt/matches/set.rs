//! `-m set`: sets by their number.
//!
//! May import model only.

use super::super::blob::{Blob, only};
use crate::model::netfilter::xt::Test;
use crate::model::netfilter::xt::matches::{CounterTest, Match, SetName, SetTest};

/// `IPSET_DIM_MAX`
const DIMENSIONS: u8 = 6;
/// `IPSET_RETURN_NOMATCH`, which is `IPSET_FLAG_RETURN_NOMATCH` too.
const RETURN_NOMATCH: u32 = 1 << 7;
/// `IPSET_FLAG_SKIP_COUNTER_UPDATE`
const KEEP_COUNTERS: u32 = 1 << 3;
/// `IPSET_FLAG_SKIP_SUBCOUNTER_UPDATE`
const KEEP_SUBCOUNTERS: u32 = 1 << 4;

/// `struct xt_set_info_match_v0` and its successors.
pub(super) fn set(revision: u8, data: &[u8]) -> Option<Match> {
    match revision {
        0 => set0(data),
        1 | 2 => {
            let blob = Blob::sized(data, 4)?;
            let flags = u32::from(blob.u8(3)?);
            let nomatch = flags & RETURN_NOMATCH;
            only(nomatch, if revision == 2 { RETURN_NOMATCH } else { 0 })?;
            info(blob, flags & !RETURN_NOMATCH, nomatch, None, None)
        }
        _ => {
            let blob = Blob::sized(data, 44)?;
            // The operator stood before the value in revision 3.
            let counter = |at: usize| {
                let (op, value) = if revision == 3 { (at, at + 8) } else { (at + 8, at) };
                let (op, value) = (blob.u8(op)?, blob.u64(value)?);
                (op <= 4).then_some((op != 0).then_some(CounterTest { op, value }))
            };
            info(blob, blob.u8(3)?.into(), blob.u32(40)?, counter(8)?, counter(24)?)
        }
    }
}

/// `struct xt_set_info`, and the command's flags.
fn info(
    blob: Blob<'_>,
    flags: u32,
    command: u32,
    packets: Option<CounterTest>,
    bytes: Option<CounterTest>,
) -> Option<Match> {
    let dimensions = blob.u8(2)?;
    if dimensions > DIMENSIONS {
        return None;
    }
    only(flags, (2 << dimensions) - 1)?;
    only(command, RETURN_NOMATCH | KEEP_COUNTERS | KEEP_SUBCOUNTERS)?;
    let value = SetTest {
        set: SetName::Index(blob.u16(0)?),
        from_source: (1..=dimensions).map(|place| flags & (1 << place) != 0).collect(),
        return_nomatch: command & RETURN_NOMATCH != 0,
        keep_counters: command & KEEP_COUNTERS != 0,
        keep_subcounters: command & KEEP_SUBCOUNTERS != 0,
        packets,
        bytes,
    };
    Some(Match::Set(Box::new(Test { not: flags & 1 != 0, value })))
}

/// `struct xt_set_info_v0`: a word for each dimension, 1 source, 2 destination, and 4 in the first for `!`.
/// The last word is the kernel's own.
fn set0(data: &[u8]) -> Option<Match> {
    let blob = Blob::sized(data, 32)?;
    let words = (0..usize::from(DIMENSIONS)).map(|place| blob.u32(4 + 4 * place)).collect::<Option<Vec<_>>>()?;
    let not = words.first()? & 4 != 0;
    let mut from_source = Vec::new();
    for (place, word) in words.iter().take_while(|word| **word != 0).enumerate() {
        match if place == 0 { word & !4 } else { *word } {
            1 => from_source.push(true),
            2 => from_source.push(false),
            _ => return None,
        }
    }
    let value = SetTest {
        set: SetName::Index(blob.u16(0)?),
        from_source,
        return_nomatch: false,
        keep_counters: false,
        keep_subcounters: false,
        packets: None,
        bytes: None,
    };
    Some(Match::Set(Box::new(Test { not, value })))
}
