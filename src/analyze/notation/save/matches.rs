//! The arguments of matches.
//!
//! May import model only.

use crate::model::netfilter::table::Family;
use crate::model::netfilter::xt::XtMatch;

/// Writes ` -m NAME ARGUMENTS`, as the match's own extension does.
pub(super) fn write(_out: &mut String, _family: Family, _found: &XtMatch) {}
