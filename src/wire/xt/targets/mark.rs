//! What changes marks: MARK, CONNMARK, and TPROXY on the way.
//!
//! May import model only.

use super::Fields;
use crate::model::netfilter::table::Family;
use crate::model::netfilter::xt::targets::{Connmark, SetMark, Target, Tproxy};

/// `struct xt_mark_tginfo2`
pub(super) fn mark(mut fields: Fields<'_>) -> Option<Target> {
    Some(Target::Mark(SetMark { value: fields.u32()?, clear: fields.u32()? }))
}

/// `struct xt_connmark_tginfo1`, `struct xt_connmark_tginfo2`
pub(super) fn connmark(revision: u8, mut fields: Fields<'_>) -> Option<Target> {
    let (flow_mark, flow_mask, packet_mask) = (fields.u32()?, fields.u32()?, fields.u32()?);
    let (direction, shift) = if revision == 2 { (fields.u8()?, fields.u8()?) } else { (0, 0) };
    let op = fields.u8()?;
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

/// `struct xt_tproxy_target_info`, `struct xt_tproxy_target_info_v1`: the first has an IPv4 address
/// of four bytes, and so has a shorter tail.
pub(super) fn tproxy(revision: u8, family: Family, mut fields: Fields<'_>) -> Option<Target> {
    let (clear, value) = (fields.u32()?, fields.u32()?);
    let address = if revision == 0 { fields.ip4()? } else { fields.address(family)? };
    Some(Target::Tproxy(Tproxy { address, port: fields.be16()?, mark: SetMark { value, clear } }))
}
