//! `-m hashlimit`.
//!
//! May import model only.

use super::super::blob::{Blob, only};
use crate::model::netfilter::xt::matches::{Hashlimit, Match};

/// `XT_HASHLIMIT_INVERT`
const ABOVE: u32 = 1 << 4;

/// `struct xt_hashlimit_mtinfo1`, `…2` and `…3`; the pointer at their end is the kernel's own.
pub(super) fn hashlimit(revision: u8, data: &[u8]) -> Option<Match> {
    let found = match revision {
        1 => oldest(Blob::sized(data, 56)?)?,
        2 => wide(Blob::sized(data, 304)?, None)?,
        _ => wide(Blob::sized(data, 312)?, Some(292))?,
    };
    // `XT_HASHLIMIT_RATE_MATCH`, bit 6, came with revision 3.
    only(found.mode, if revision == 3 { 0x7f } else { 0x3f })?;
    Some(Match::Hashlimit(Box::new(found)))
}

/// `struct hashlimit_cfg1` behind a name of 16 bytes.
fn oldest(blob: Blob<'_>) -> Option<Hashlimit> {
    let mode = blob.u32(16)?;
    Some(Hashlimit {
        name: blob.text(0, 16)?,
        above: mode & ABOVE != 0,
        mode,
        average: blob.u32(20)?.into(),
        burst: blob.u32(24)?.into(),
        scale: 10_000,
        size: blob.u32(28)?,
        max: blob.u32(32)?,
        gc_interval_ms: blob.u32(36)?,
        expire_ms: blob.u32(40)?,
        interval: 0,
        source_prefix: blob.u8(44)?,
        destination_prefix: blob.u8(45)?,
    })
}

/// `struct hashlimit_cfg2`, or `…3`, which has an interval before its masks, behind a name of 255 bytes.
fn wide(blob: Blob<'_>, interval: Option<usize>) -> Option<Hashlimit> {
    let mode = blob.u32(272)?;
    let masks = interval.map_or(292, |at| at + 4);
    Some(Hashlimit {
        name: blob.text(0, 255)?,
        above: mode & ABOVE != 0,
        mode,
        average: blob.u64(256)?,
        burst: blob.u64(264)?,
        scale: 1_000_000,
        size: blob.u32(276)?,
        max: blob.u32(280)?,
        gc_interval_ms: blob.u32(284)?,
        expire_ms: blob.u32(288)?,
        interval: interval.map_or(Some(0), |at| blob.u32(at))?,
        source_prefix: blob.u8(masks)?,
        destination_prefix: blob.u8(masks + 1)?,
    })
}
