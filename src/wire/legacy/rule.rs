//! One rule out of an entry.
//!
//! May import model, and wire's own matches and targets.

use super::entry::{Entry, verdict};
use super::{LegacyTable, Malformed};
use crate::model::netfilter::table::Family;
use crate::model::netfilter::xt::targets::Target;
use crate::model::netfilter::xt::{XtRule, XtTarget};
use crate::model::text::{ByteText, Bytes};
use crate::wire::xt::{xt_match, xt_target};

// Verdicts of standard targets: `-NF_… - 1`; what is not below 0 is an offset.
pub(super) const DROP: i32 = -1;
pub(super) const ACCEPT: i32 = -2;
const QUEUE: i32 = -4;
pub(super) const RETURN: i32 = -5;

/// Reads an entry as a rule.
pub(super) fn decode(table: &LegacyTable, family: Family, entry: &Entry<'_>) -> Result<XtRule, Malformed> {
    let target = entry.target()?;
    // A list that grows makes room for four, and most rules have a match or two.
    let mut matches = Vec::with_capacity(2);
    for one in entry.matches() {
        let one = one?;
        matches.push(xt_match(family, one.name, one.revision, one.data));
    }
    matches.shrink_to_fit();
    Ok(XtRule {
        header: entry.header(),
        matches,
        target: if target.name.is_empty() {
            XtTarget { name: ByteText::default(), revision: 0, does: standard(table, entry, target.data) }
        } else {
            xt_target(family, target.name, target.revision, target.data)
        },
        counters: Some(entry.counters()),
    })
}

fn standard(table: &LegacyTable, entry: &Entry<'_>, data: &[u8]) -> Target {
    let unknown = || Target::Unknown(Bytes::from(data));
    let Some(verdict) = verdict(data) else { return unknown() };
    match verdict {
        DROP => Target::Drop,
        ACCEPT => Target::Accept,
        QUEUE => Target::Queue,
        RETURN => Target::Return,
        _ => {
            let Ok(to) = usize::try_from(verdict) else { return unknown() };
            if to == entry.end() {
                return Target::Nothing;
            }
            match table.chain_at(to) {
                Some(chain) if entry.is_goto() => Target::Goto(chain.clone()),
                Some(chain) => Target::Jump(chain.clone()),
                None => unknown(),
            }
        }
    }
}
