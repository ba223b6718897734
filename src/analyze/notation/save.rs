//! xtables rules as `iptables-save -c` writes them, byte for byte.
//!
//! May import model only.

mod matches;
mod targets;

use crate::model::netfilter::table::Family;
use crate::model::netfilter::xt::XtMatch;

/// A match's name and arguments: `-m tcp --dport 80`.
pub fn matching(found: &XtMatch, family: Family) -> String {
    let mut out = String::new();
    matches::write(&mut out, family, found);
    out.trim_start().to_owned()
}
