//! Where services begin: each rule or element that names an address or a port of one, by service port.
//!
//! May import model and its siblings only.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::ops::Deref;
use std::sync::Arc;

use super::evidence::of_rule;
use super::mode::RuleSource;
use super::source::{Held, Source};
use super::types::{Evidence, FrontKind, Masqueraded, NodePortOn, RefusalReason, RefusalVerdict, RuleSet};
use crate::model::keyed::Keyed;
use crate::model::kube_proxy::{ChainName, HashForm, Protocol, ServicePortName, service_hash};
use crate::model::netfilter::table::Family;
use crate::model::text::ByteText;

/// What stands for a service port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    /// Its name, and its protocol where the rules tell it.
    Named(Arc<ServicePortName>, Option<Protocol>),
    /// The hash in its chains' names.
    Hash(String),
}

/// One rule or element that is about a service port. There are as many as addresses: what few have is boxed.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) place: Place,
    pub(super) name: Option<Arc<ServicePortName>>,
    pub(super) protocol: Option<Protocol>,
    pub(super) does: Does,
    pub(super) found: Found,
}

/// What a packet is sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Address(FrontKind, IpAddr, u16),
    NodePort(u16),
    HealthCheck(u16),
}

/// What becomes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Does {
    LeadsTo(ByteText),
    Masquerade(Box<Masqueraded>),
    Refuse(RefusalVerdict, RefusalReason),
    LetIn,
}

/// Where that stands: evidence is written for the services that are told alone.
#[derive(Debug, Clone)]
pub(super) enum Found {
    /// The rule at that place of one of the set's chains.
    Rule {
        chain: usize,
        at: usize,
        filter: bool,
    },
    Element(Box<Evidence>),
}

/// The entries of one set of rules.
#[derive(Default)]
pub(super) struct Begun {
    pub(super) entries: Vec<Entry>,
    /// The chains that entries refer to.
    pub(super) chains: Vec<Held>,
    /// On which addresses node ports answer; `None` where they are not asked for or no rule leads to them.
    pub(super) node_ports_on: Option<NodePortOn>,
    /// Masquerades that concern every cluster IP (nftables mode since 1.33).
    pub(super) cluster_ips: Vec<(Masqueraded, Evidence)>,
    /// The set of connections from an endpoint to itself (the same).
    pub(super) hairpins: Option<(ByteText, Evidence)>,
}

/// One set of rules with what begins in it.
pub(super) struct IndexedSet<'a> {
    pub(super) set: RuleSet,
    pub(super) source: RuleSource<'a>,
    pub(super) begun: Begun,
}

impl IndexedSet<'_> {
    /// What an entry rests on.
    pub(super) fn evidence(&self, entry: &Entry) -> Option<Evidence> {
        match &entry.found {
            Found::Element(evidence) => Some((**evidence).clone()),
            Found::Rule { chain, at, filter } => {
                let held = self.begun.chains.get(*chain)?;
                let source: &Source<'_> = if *filter { self.source.filter() } else { self.source.nat() };
                held.rule(*at).map(|rule| of_rule(&held.id, rule, source))
            }
        }
    }
}

/// Service ports, each with the places of its entries: which set, and where in it.
#[derive(Debug, Default)]
pub(super) struct Grouped {
    groups: Vec<Group>,
    /// Those of each service port behind those of the one before: there are as many as rules, most of them alone.
    places: Vec<(usize, usize)>,
    /// Where those of each end.
    ends: Vec<usize>,
}

impl Deref for Grouped {
    type Target = [Group];

    fn deref(&self) -> &[Group] {
        &self.groups
    }
}

impl Grouped {
    /// The places of a service port's entries, in the order of sets and rules.
    pub(super) fn places(&self, group: usize) -> &[(usize, usize)] {
        let begin = if group == 0 { 0 } else { self.ends[group - 1] };
        &self.places[begin..self.ends[group]]
    }
}

/// Puts entries of all sets together by service port. `known` are names that may explain a hash. In no order: most
/// questions are about one of them.
pub(super) fn grouped(sets: &[IndexedSet<'_>], known: &[ServicePortName]) -> Grouped {
    let names = explained(sets, known);
    let families: Vec<RuleSet> = sets.iter().map(|set| RuleSet { family: Family::Ip, ..set.set.clone() }).collect();
    let count = sets.iter().map(|set| set.begun.entries.len()).sum();
    let mut groups_of: Keyed<(usize, KeyOf<'_>), usize> = Keyed::with_room(count);
    let mut grouped = Grouped::default();
    let mut found: Vec<(usize, (usize, usize))> = Vec::with_capacity(count);
    for (at, (set, family)) in sets.iter().zip(&families).enumerate() {
        // The first set of which this one is the other family.
        let of = families.iter().position(|one| one == family).unwrap_or(at);
        for (place, entry) in set.begun.entries.iter().enumerate() {
            let key = entry.key(&names);
            let group = *groups_of.get_or_insert_with((of, key.clone()), || {
                grouped.groups.push(Group { set: family.clone(), key: key.owned() });
                grouped.groups.len() - 1
            });
            found.push((group, (at, place)));
        }
    }
    // Most of them stand in this order already.
    found.sort_by_key(|(group, _)| *group);
    grouped.ends = (0..grouped.groups.len()).map(|group| found.partition_point(|(its, _)| *its <= group)).collect();
    grouped.places = found.into_iter().map(|(_, place)| place).collect();
    grouped
}

/// Names for the hashes of entries that bear none.
fn explained(sets: &[IndexedSet<'_>], known: &[ServicePortName]) -> Names {
    let entries = || sets.iter().flat_map(|set| &set.begun.entries);
    let mut nameless: BTreeSet<String> =
        entries().filter(|entry| entry.name.is_none()).filter_map(Entry::hash).collect();
    let mut names = Names::new();
    if nameless.is_empty() {
        return names;
    }
    for entry in entries() {
        if let (Some(name), Some(hash)) = (&entry.name, entry.hash()) {
            names.entry(hash).or_insert_with(|| (Arc::clone(name), entry.protocol));
        }
    }
    nameless.retain(|hash| !names.contains_key(hash));
    let said: BTreeSet<&ServicePortName> = entries().filter_map(|entry| entry.name.as_deref()).chain(known).collect();
    for name in said.into_iter().filter(|_| !nameless.is_empty()) {
        for (protocol, form) in Protocol::ALL.into_iter().flat_map(|one| HashForm::ALL.map(|form| (one, form))) {
            let hash = service_hash(name, protocol, form);
            if nameless.contains(&hash) {
                names.insert(hash, (Arc::new(name.clone()), Some(protocol)));
            }
        }
    }
    names
}

/// Service ports by the hash in their chains' names.
type Names = BTreeMap<String, (Arc<ServicePortName>, Option<Protocol>)>;

/// A key whose name stands elsewhere: there are as many as rules.
#[derive(Clone, PartialEq, Eq, Hash)]
enum KeyOf<'e> {
    Named(&'e Arc<ServicePortName>, Option<Protocol>),
    Hash(String),
}

impl KeyOf<'_> {
    fn owned(&self) -> Key {
        match self {
            Self::Named(name, protocol) => Key::Named(Arc::clone(name), *protocol),
            Self::Hash(hash) => Key::Hash(hash.clone()),
        }
    }
}

/// A service port as one set of rules has it, both families together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Group {
    pub(super) key: Key,
    pub(super) set: RuleSet,
}

impl Entry {
    /// What stands for its service port.
    fn key<'e>(&'e self, names: &'e Names) -> KeyOf<'e> {
        if let Some(name) = &self.name {
            return KeyOf::Named(name, self.protocol);
        }
        match self.hash() {
            Some(hash) => match names.get(&hash) {
                Some((name, protocol)) => KeyOf::Named(name, *protocol),
                None => KeyOf::Hash(hash),
            },
            // A rule that names no service and leads to no chain of one: whose it is cannot be told.
            None => KeyOf::Hash(self.place.title()),
        }
    }

    /// The 16 characters of the chain that it leads to. In nftables mode chains spell their names out.
    fn hash(&self) -> Option<String> {
        match &self.does {
            Does::LeadsTo(chain) => chain.as_str().and_then(ChainName::parse).map(|name| name.hash),
            _ => None,
        }
    }
}

impl Place {
    fn title(self) -> String {
        match self {
            Self::Address(_, address, port) => std::net::SocketAddr::new(address, port).to_string(),
            Self::NodePort(port) => format!("node port {port}"),
            Self::HealthCheck(port) => format!("health check node port {port}"),
        }
    }
}
