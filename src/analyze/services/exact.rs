//! `services NAMESPACE/NAME:PORT --endpoints`: the chains are worked out from the name, and read alone.
//!
//! May import model and its siblings only.

use std::collections::BTreeSet;

use super::evidence::Words;
use super::finish::{Detail, Draft, asked_group};
use super::mode::{mixed, of_rules, rule_sets};
use super::query::NameForm;
use super::types::{Mode, Proxy, RuleSet, ServicePort, Services};
use crate::analyze::answer::{Gathered, node_label};
use crate::model::kube_proxy::{ChainRole, HashForm, Protocol, ServicePortName, iptables_chain, nftables_chain};
use crate::model::text::ByteText;
use crate::model::view::NodeView;

/// The chains that hold endpoints.
const ROLES: [ChainRole; 3] = [ChainRole::Cluster, ChainRole::Local, ChainRole::ExternalLocal];

/// The endpoints of a service port that is named in full; `None` where it is not, or where no such chain is
/// there (which does not mean that there is no such service).
pub(super) fn services(nodes: &[&dyn NodeView], form: &NameForm, gathered: &mut Gathered) -> Option<Services> {
    let name = ServicePortName {
        namespace: form.namespace.clone()?,
        name: form.name.clone(),
        port: form.port.clone().filter(|port| !port.is_empty()),
    };
    let mut own = Gathered::default();
    let mut data = Services::default();
    for node in nodes {
        let sets = rule_sets(*node, &mut own);
        let mode = of_rules(sets.iter().map(|(set, _)| set));
        mixed(sets.iter().map(|(set, _)| set), &mut own);
        let mut ports: Vec<(RuleSet, Draft)> = Vec::new();
        for (set, source) in &sets {
            // A service port's name belongs to one protocol.
            let found = Protocol::ALL.into_iter().find_map(|protocol| {
                let there: BTreeSet<ByteText> = chains(set.mode, &name, protocol)
                    .map(ByteText::from)
                    .filter(|chain| source.nat().chain(chain).is_some())
                    .collect();
                (!there.is_empty()).then_some((protocol, there))
            });
            if let Some((protocol, starts)) = found {
                let group = asked_group(&name, protocol, set);
                let at = ports.iter().position(|(known, _)| *known == group.set).unwrap_or_else(|| {
                    let detail = Detail { words: Words::Told, partial: true };
                    ports.push((group.set.clone(), Draft::new(&group, detail)));
                    ports.len() - 1
                });
                ports[at].1.walk(source.nat(), starts);
            }
            source.issues(&mut own);
        }
        let label = node_label(nodes, *node);
        data.services.extend(ports.into_iter().map(|(_, draft)| {
            let port = draft.done(None);
            ServicePort { node: label.clone(), ..port }
        }));
        let rules = sets.into_iter().map(|(set, _)| set).collect();
        data.proxies.push(Proxy { node: label, mode, rules, masquerading: Vec::new() });
    }
    if data.services.is_empty() {
        return None;
    }
    gathered.issues.append(&mut own.issues);
    Some(data)
}

fn chains(mode: Mode, name: &ServicePortName, protocol: Protocol) -> impl Iterator<Item = String> {
    ROLES.into_iter().flat_map(move |role| {
        let both = HashForm::ALL.map(|form| iptables_chain(role, name, protocol, form));
        match mode {
            Mode::Nftables => nftables_chain(role, name, protocol).into_iter().collect::<Vec<_>>(),
            _ if name.port.is_some() => both.into_iter().take(1).collect(),
            _ => both.into_iter().collect(),
        }
    })
}
