//! Evidence: the rule or element that a statement rests on, in its own tool's words.
//!
//! May import model and its siblings only.

use std::sync::Arc;

use super::source::Source;
use super::step::Step;
use super::types::Evidence;
use crate::analyze::notation::save;
use crate::model::netfilter::chain::ChainRef;
use crate::model::netfilter::rule::{Body, Rule};
use crate::model::netfilter::set::SetRef;

/// Whether rules are told in words, which a table of all services does not show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Words {
    Told,
    Left,
}

/// A rule as evidence.
pub(super) fn of_rule(chain: &Arc<ChainRef>, step: &Step<'_>, words: Words, source: &Source<'_>) -> Evidence {
    Evidence::Rule {
        chain: Arc::clone(chain),
        number: step.rule.number,
        handle: step.rule.handle,
        counters: step.counters,
        text: (words == Words::Told).then(|| text(chain, step.rule, source)).flatten(),
    }
}

/// An element as evidence.
pub(super) fn of_element(set: &Arc<SetRef>, key: String, value: Option<String>) -> Evidence {
    Evidence::Element { set: Arc::clone(set), key, value }
}

/// The rule as `iptables-save` or `nft` writes it.
pub(super) fn text(chain: &ChainRef, rule: &Rule, _source: &Source<'_>) -> Option<String> {
    match &rule.body {
        Body::Xt(xt) => {
            let words = save::rule(xt, chain.table.family);
            Some(if words.is_empty() { format!("-A {}", chain.name) } else { format!("-A {} {words}", chain.name) })
        }
        Body::Nft(_) => None,
    }
}
