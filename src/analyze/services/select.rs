//! From the words of a question to service ports.
//!
//! May import model and its siblings only.

use std::collections::BTreeSet;

use super::index::{Entry, Group, Grouped, IndexedSet, Key, Place};
use super::nftables;
use super::query::{Asked, NameForm, ServicesError, ServicesQuery};
use super::types::Mode;
use crate::model::kube_proxy::ServicePortName;
use crate::model::view::NodeView;

/// One node with what begins in its rules.
pub(super) struct Indexed<'a> {
    pub(super) node: &'a dyn NodeView,
    pub(super) mode: Mode,
    pub(super) sets: Vec<IndexedSet<'a>>,
    /// The service ports.
    pub(super) groups: Grouped,
}

impl Indexed<'_> {
    /// The entries of a group, by its place, each with the place of its set.
    pub(super) fn entries(&self, group: usize) -> impl Iterator<Item = (usize, &Entry)> {
        self.groups.places(group).iter().map(|(set, at)| (*set, &self.sets[*set].begun.entries[*at]))
    }
}

/// The groups of all nodes that a question means, each by its node's place and its own, in the order of groups.
pub(super) fn select(
    nodes: &[Indexed<'_>],
    asked: &Asked,
    query: &ServicesQuery,
) -> Result<Vec<(usize, usize)>, ServicesError> {
    let in_namespace = |group: &Group| match (&query.namespace, &group.key) {
        (None, _) => true,
        (Some(wanted), Key::Named(name, _)) => name.namespace == *wanted,
        (Some(_), Key::Hash(_)) => false,
    };
    let all = || nodes.iter().enumerate().flat_map(|(at, node)| (0..node.groups.len()).map(move |group| (at, group)));
    let group = |(at, group): (usize, usize)| &nodes[at].groups[group];
    let has = |place: &dyn Fn(Place) -> bool| -> Vec<(usize, usize)> {
        all().filter(|(at, group)| nodes[*at].entries(*group).any(|(_, entry)| place(entry.place))).collect()
    };
    let mut found: Vec<(usize, usize)> = match asked {
        Asked::All | Asked::Pod(_) => all().filter(|at| in_namespace(group(*at))).collect(),
        Asked::Address(wanted, port) => has(&|place| match place {
            Place::Address(_, address, at) => address == *wanted && port.is_none_or(|port| port == at),
            _ => false,
        }),
        Asked::NodePort(port) => {
            let found = has(&|place| place == Place::NodePort(*port));
            if found.is_empty() { has(&|place| place == Place::HealthCheck(*port)) } else { found }
        }
        Asked::Name(form) => by_name(nodes, all().map(|at| (at, group(at))), form, query)?,
    };
    if found.is_empty() && matches!(asked, Asked::Address(..) | Asked::NodePort(_)) {
        return Err(not_found(nodes, asked, query));
    }
    found.sort_by(|one, other| (one.0, group(*one)).cmp(&(other.0, group(*other))));
    Ok(found)
}

fn by_name<'g>(
    nodes: &[Indexed<'_>],
    all: impl Iterator<Item = ((usize, usize), &'g Group)>,
    form: &NameForm,
    query: &ServicesQuery,
) -> Result<Vec<(usize, usize)>, ServicesError> {
    let asked = query.text.clone().unwrap_or_default();
    let named: Vec<((usize, usize), &ServicePortName)> = all
        .filter_map(|(at, group)| match &group.key {
            Key::Named(name, _) => Some((at, &**name)),
            Key::Hash(_) => None,
        })
        .filter(|(_, name)| form.namespace.as_ref().is_none_or(|wanted| name.namespace == *wanted))
        .filter(|(_, name)| {
            let port = name.port.as_deref().unwrap_or_default();
            form.port.as_ref().is_none_or(|wanted| port == wanted)
        })
        .collect();
    let tiers: [&dyn Fn(&ServicePortName) -> bool; 2] =
        [&|name| name.name == form.name, &|name| name.name.starts_with(&form.name)];
    for tier in tiers {
        let found: Vec<_> = named.iter().filter(|(_, name)| tier(name)).collect();
        let services: BTreeSet<String> =
            found.iter().map(|(_, name)| format!("{}/{}", name.namespace, name.name)).collect();
        match services.len() {
            0 => {}
            1 => return Ok(found.into_iter().map(|(at, _)| *at).collect()),
            _ => return Err(ServicesError::Ambiguous { asked, candidates: services.into_iter().collect() }),
        }
    }
    Err(not_found(nodes, &Asked::Name(form.clone()), query))
}

/// Says what may explain that nothing answers.
fn not_found(nodes: &[Indexed<'_>], asked: &Asked, query: &ServicesQuery) -> ServicesError {
    let mut because: BTreeSet<String> = BTreeSet::new();
    for node in nodes {
        if node.sets.is_empty() {
            because.insert("no rules of kube-proxy's are hooked in".to_owned());
        }
        if let Asked::Address(address, Some(port)) = asked {
            because.extend(wrong_port(node, *address, *port));
        }
    }
    if matches!(asked, Asked::Name(_)) && because.is_empty() {
        because.insert("headless and ExternalName services leave nothing in the kernel".to_owned());
    }
    let because = because.into_iter().fold(String::new(), |text, words| text + "; " + &words);
    ServicesError::NotFound {
        asked: query.text.clone().unwrap_or_default(),
        nodes: nodes.iter().map(|node| node.node.node().name).collect::<Vec<_>>().join(", "),
        because,
    }
}

/// A service's address on a port that it has not.
fn wrong_port(node: &Indexed<'_>, address: std::net::IpAddr, port: u16) -> Vec<String> {
    let mut words = Vec::new();
    for set in &node.sets {
        if set.set.mode == Mode::Nftables {
            if let Some((reject, _)) = nftables::wrong_port(set.source.nat(), address) {
                let what = if reject { "rejected" } else { "dropped" };
                words.push(format!(
                    "a packet to {address} on a port that no service has is {what} (chain cluster-ips-check)"
                ));
            }
            continue;
        }
        let ports: BTreeSet<(u16, String)> = set
            .begun
            .entries
            .iter()
            .filter_map(|entry| match entry.place {
                Place::Address(_, its, at) if its == address => {
                    let name = entry.name.as_ref().map_or_else(|| "a service".to_owned(), ToString::to_string);
                    Some((at, name))
                }
                _ => None,
            })
            .collect();
        if !ports.is_empty() {
            let list: Vec<String> = ports.iter().map(|(port, name)| format!("{port} ({name})")).collect();
            words.push(format!(
                "{address} has {}; no rule is about port {port}, so in iptables mode such a packet is routed on as it \
                 is, usually by the default route",
                list.join(", ")
            ));
        }
    }
    words
}
