//! `-m recent`.
//!
//! May import model only.

use super::super::blob::{Blob, only};
use crate::model::netfilter::table::Family;
use crate::model::netfilter::xt::Test;
use crate::model::netfilter::xt::matches::{Match, Recent, RecentOp};

/// `XT_RECENT_TTL`
const TTL: u8 = 1 << 4;
/// `XT_RECENT_REAP`
const REAP: u8 = 1 << 5;

/// `struct xt_recent_mtinfo` and, with a mask, `…_v1`.
pub(super) fn recent(family: Family, revision: u8, data: &[u8]) -> Option<Match> {
    let blob = Blob::sized(data, if revision == 0 { 212 } else { 228 })?;
    let check = blob.u8(8)?;
    only(check.into(), 0x3f)?;
    let op = match check & 0x0f {
        1 => RecentOp::Check,
        2 => RecentOp::Set,
        4 => RecentOp::Update,
        8 => RecentOp::Remove,
        _ => return None,
    };
    let mask = match revision {
        0 => None,
        _ => Some(blob.inet(212, family)?),
    };
    let value = Recent {
        name: blob.text(10, 200)?,
        op,
        seconds: blob.u32(0)?,
        hitcount: blob.u32(4)?,
        reap: check & REAP != 0,
        ttl: check & TTL != 0,
        destination: blob.flag(210)?,
        mask,
    };
    Some(Match::Recent(Test { not: blob.flag(9)?, value }))
}
