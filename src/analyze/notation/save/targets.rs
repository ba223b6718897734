//! The arguments of targets.
//!
//! May import model only.

use std::fmt::Write as _;

use crate::model::netfilter::table::Family;
use crate::model::netfilter::xt::XtTarget;
use crate::model::netfilter::xt::targets::Target;

/// Writes ` -j NAME ARGUMENTS`, as the target's own extension does; nothing where there is no target.
pub(super) fn write(out: &mut String, _family: Family, target: &XtTarget) {
    let verdict = match &target.does {
        Target::Nothing => return,
        Target::Accept => "ACCEPT",
        Target::Drop => "DROP",
        Target::Return => "RETURN",
        Target::Queue => "QUEUE",
        Target::Jump(chain) => {
            let _ = write!(out, " -j {chain}");
            return;
        }
        Target::Goto(chain) => {
            let _ = write!(out, " -g {chain}");
            return;
        }
        _ => {
            let _ = write!(out, " -j {}", target.name);
            return;
        }
    };
    let _ = write!(out, " -j {verdict}");
}
