//! Chains of services to which no rule leads any more.
//!
//! May import model and its siblings only.

use super::index::IndexedSet;
use super::iptables::comment_name;
use super::types::{Leftover, ServicePort};
use crate::model::keyed::Keyed;
use crate::model::kube_proxy::ChainName;
use crate::model::text::ByteText;

/// The chains of tables that were read whole which are in no service.
pub(super) fn of(sets: &[IndexedSet<'_>], ports: &[ServicePort], node: Option<&String>) -> Vec<Leftover> {
    let mut leftovers = Vec::new();
    for source in sets.iter().map(|set| set.source.nat()) {
        let used: Keyed<&ByteText, ()> = ports
            .iter()
            .flat_map(|port| &port.chains)
            .filter(|used| used.chain.table == source.table)
            .map(|used| &used.chain.name)
            .collect();
        for chain in source.all_names().filter(|chain| !used.contains(*chain)) {
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
