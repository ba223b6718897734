//! How flows are tracked: CT.
//!
//! May import model only.

use crate::model::netfilter::xt::targets::{Ct, Target};
use crate::model::text::ByteText;
use crate::wire::xt::blob::{Blob, only};

/// `XT_CT_NOTRACK`, `XT_CT_NOTRACK_ALIAS`
const NOTRACK_BY_NAME: u16 = 3;
/// `XT_CT_MASK`
const KNOWN: u16 = 0x1f;

/// `struct xt_ct_target_info`, `struct xt_ct_target_info_v1`. What was written `-j NOTRACK` comes
/// with a bit of its own.
pub(super) fn ct(revision: u8, data: &[u8]) -> Option<Target> {
    let blob = Blob::sized(data, if revision == 0 { 40 } else { 72 })?;
    let flags = blob.u16(0)?;
    // The second brought timeouts, the third zones by direction and by mark.
    let known = if revision < 2 { 1 } else { KNOWN };
    only(flags.into(), known.into())?;
    let ct = Ct {
        flags,
        zone: blob.u16(2)?,
        events: blob.u32(4)?,
        expectation_events: blob.u32(8)?,
        helper: blob.text(12, 16)?,
        timeout: if revision == 0 { ByteText::default() } else { blob.text(28, 32)? },
    };
    if flags == NOTRACK_BY_NAME && ct == (Ct { flags, ..Ct::default() }) {
        return Some(Target::Notrack);
    }
    Some(Target::Ct(Box::new(ct)))
}
