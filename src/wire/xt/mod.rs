//! The blobs of xtables matches and targets: those of legacy tables and those of iptables-nft's
//! compat expressions are the same.
//!
//! May import model only.

mod blob;
pub mod lift;
mod matches;
mod targets;

use crate::model::netfilter::table::Family;
use crate::model::netfilter::xt::{XtMatch, XtTarget};

/// Reads a match. What is not known, or has another size than it should, is kept as it came.
pub fn xt_match(family: Family, name: &[u8], revision: u8, data: &[u8]) -> XtMatch {
    let is = matches::decode(family, name, revision, data);
    XtMatch { name: name.into(), revision, is }
}

/// Reads a target that has a name; verdicts and jumps of legacy rules have none and are read with the rule.
pub fn xt_target(family: Family, name: &[u8], revision: u8, data: &[u8]) -> XtTarget {
    let does = targets::decode(family, name, revision, data);
    XtTarget { name: name.into(), revision, does }
}
