//! The ruleset's generation: it grows with each change, whoever makes it.
//!
//! Must not import anything from the crate but the message framing.

use super::{fields::Fields, nfta, split_any};
use crate::wire::netlink::attr::AttrError;

/// `NFTA_GEN_ID`
pub fn generation(message: &[u8], errors: &mut Vec<AttrError>) -> Option<u32> {
    let attrs = split_any(message, errors)?;
    Fields::of(attrs, nfta::GEN_PROC_NAME, errors).u32(nfta::GEN_ID)
}
