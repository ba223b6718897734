//! Chains of services to which no rule leads any more.
//!
//! May import model and its siblings only.

use super::index::IndexedSet;
use super::iptables::comment_name;
use super::types::Leftover;
use crate::model::kube_proxy::ChainName;
use crate::model::text::ByteText;

/// The chains of tables that were read whole which are in no service.
pub(super) fn of(sets: &[IndexedSet<'_>], node: Option<&String>) -> Vec<Leftover> {
    let mut leftovers = Vec::new();
    for source in sets.iter().map(|set| set.source.nat()) {
        for chain in source.unreached() {
            let Some(name) = chain.as_str().and_then(ChainName::parse) else { continue };
            let Some(held) = source.chain(chain) else { continue };
            let mut said = held.steps().filter_map(|step| step.rule.comment().and_then(ByteText::as_str));
            let service = name.service.map(|(service, _)| service).or_else(|| said.find_map(comment_name));
            drop(said);
            let rules = held.length();
            leftovers.push(Leftover { node: node.cloned(), chain: held.id, name: service, rules });
        }
    }
    leftovers
}
