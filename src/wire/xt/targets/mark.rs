//! What changes marks: MARK, CONNMARK, and TPROXY on the way.
//!
//! May import model only.

use crate::model::netfilter::table::Family;
use crate::model::netfilter::xt::targets::{Connmark, SetMark, Target, Tproxy};
use crate::wire::xt::blob::Blob;

/// `struct xt_mark_tginfo2`
pub(super) fn mark(blob: Blob<'_>) -> Option<Target> {
    Some(Target::Mark(SetMark { value: blob.u32(0)?, clear: blob.u32(4)? }))
}

/// `struct xt_connmark_tginfo1`, `struct xt_connmark_tginfo2`
pub(super) fn connmark(revision: u8, blob: Blob<'_>) -> Option<Target> {
    let (flow_mark, flow_mask, packet_mask) = (blob.u32(0)?, blob.u32(4)?, blob.u32(8)?);
    let (direction, shift, op) =
        if revision == 2 { (blob.u8(12)?, blob.u8(13)?, blob.u8(14)?) } else { (0, 0, blob.u8(12)?) };
    // `XT_CONNMARK_*`, and `D_SHIFT_*`.
    (op <= 2 && direction <= 1).then_some(Target::Connmark(Connmark {
        op,
        flow_mark,
        flow_mask,
        packet_mask,
        shift_right: direction == 1,
        shift,
    }))
}

/// `struct xt_tproxy_target_info`, `struct xt_tproxy_target_info_v1`: the first has four bytes for an
/// IPv4 address.
pub(super) fn tproxy(revision: u8, family: Family, blob: Blob<'_>) -> Option<Target> {
    let mark = SetMark { clear: blob.u32(0)?, value: blob.u32(4)? };
    let (address, port) =
        if revision == 0 { (blob.ipv4(8)?, blob.be16(12)?) } else { (blob.inet(8, family)?, blob.be16(24)?) };
    Some(Target::Tproxy(Tproxy { address, port, mark }))
}
