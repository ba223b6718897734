//! How flows are tracked: CT.
//!
//! May import model only.

use super::Fields;
use crate::model::netfilter::xt::targets::{Ct, Target};

/// `XT_CT_NOTRACK`, `XT_CT_NOTRACK_ALIAS`
const NOTRACK_BY_NAME: u16 = 3;
/// `XT_CT_MASK`
const KNOWN: u16 = 0x1f;

/// `struct xt_ct_target_info`, `struct xt_ct_target_info_v1`. What was written `-j NOTRACK` comes
/// with a bit of its own.
pub(super) fn ct(revision: u8, data: &[u8]) -> Option<Target> {
    let mut fields = Fields::of(data, if revision == 0 { 40 } else { 72 })?;
    let (flags, zone) = (fields.u16()?, fields.u16()?);
    let (events, expectation_events) = (fields.u32()?, fields.u32()?);
    let helper = fields.text(16)?;
    let timeout = if revision == 0 { super::ByteText::default() } else { fields.text(32)? };
    // Revision 0 has notrack alone, 1 the alias too, 2 zones by direction and by mark.
    let known = match revision {
        0 => 1,
        1 => NOTRACK_BY_NAME,
        _ => KNOWN,
    };
    if flags & !known != 0 {
        return None;
    }
    let ct = Ct { flags, zone, events, expectation_events, helper, timeout };
    if flags == NOTRACK_BY_NAME && ct == (Ct { flags, ..Ct::default() }) {
        return Some(Target::Notrack);
    }
    Some(Target::Ct(Box::new(ct)))
}
