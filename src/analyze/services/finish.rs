//! From where a service port begins to all that its chains say.
//!
//! May import model and its siblings only.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;

use super::affinity;
use super::chains::{Goal, Onward, Pin, Reader, Said, Who, about};
use super::evidence::{Words, of_element};
use super::index::{Does, Entry, Group, IndexedSet, Key, Place};
use super::interval::hairpin_key;
use super::pods::Pods;
use super::share::Share;
use super::source::Source;
use super::types::{
    Behind, Endpoint, Evidence, Front, FrontKind, HealthCheck, KnownBy, Listening, Masquerade, Masqueraded,
    MasqueradedTo, NodePort, Policy, Refusal, RefusalReason, RefusalVerdict, RuleSet, ServiceChain, ServicePort,
    SourceRange,
};
use crate::model::issue::{Issue, Why};
use crate::model::kube_proxy::{ChainName, ChainRole, Protocol, ServicePortName};
use crate::model::netfilter::chain::ChainRef;
use crate::model::netfilter::table::Family;
use crate::model::text::ByteText;

/// How much is told of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Detail {
    pub(super) words: Words,
    /// Whether only what was asked for was looked up.
    pub(super) partial: bool,
}

/// A service port in the making.
pub(super) struct Draft {
    port: ServicePort,
    chains: BTreeMap<Arc<ChainRef>, ChainRole>,
    endpoints: Vec<Endpoint>,
    /// Where each endpoint stands.
    known: BTreeMap<SocketAddr, usize>,
    /// Where each address stands: hostile rules may have 100,000 of one service.
    fronts: BTreeMap<(std::net::IpAddr, u16), usize>,
    pins: Vec<affinity::Bound>,
    words: Words,
}

impl Draft {
    pub(super) fn new(group: &Group, detail: Detail) -> Self {
        let (title, name, protocol) = match &group.key {
            Key::Named(name, protocol) => (name.to_string(), Some((**name).clone()), *protocol),
            Key::Hash(hash) => (hash.clone(), None, None),
        };
        let known_by = if name.is_some() { KnownBy::Comment } else { KnownBy::Chain };
        let port = ServicePort {
            node: None,
            title,
            name,
            known_by,
            protocol,
            mode: group.set.mode,
            addresses: Vec::new(),
            node_port: None,
            partial: detail.partial,
            whole: true,
            internal_policy: None,
            external_policy: None,
            source_ranges: Vec::new(),
            affinity: None,
            endpoints: Vec::new(),
            masquerades: Vec::new(),
            health_check_node_port: None,
            chains: Vec::new(),
        };
        Self {
            port,
            chains: BTreeMap::new(),
            endpoints: Vec::new(),
            known: BTreeMap::new(),
            fronts: BTreeMap::new(),
            pins: Vec::new(),
            words: detail.words,
        }
    }

    /// Adds what begins in one set of rules, and what its chains say.
    pub(super) fn add(&mut self, set: &IndexedSet<'_>, entries: &[&Entry]) {
        let mut starts = BTreeSet::new();
        self.port.addresses.reserve_exact(entries.len());
        for entry in entries {
            self.port.protocol = self.port.protocol.or(entry.protocol);
            let evidence = if self.words == Words::Told { set.evidence(entry) } else { None };
            if let Does::LeadsTo(chain) = &entry.does {
                starts.insert(chain.clone());
            }
            match entry.place {
                Place::Address(kind, address, port) => self.front(kind, address, port, &entry.does, evidence),
                Place::NodePort(port) => self.node_port(set, port, &entry.does, evidence),
                Place::HealthCheck(port) => {
                    let check = HealthCheck { port, evidence: Vec::new() };
                    self.port.health_check_node_port.get_or_insert(check).evidence.extend(evidence);
                }
            }
        }
        self.walk(set.source.nat(), starts);
        let own =
            self.port.addresses.iter().any(|front| {
                front.kind == FrontKind::ClusterIp && front.leads_to.is_some() && is_of_family(front, set)
            });
        if own {
            for (who, evidence) in &set.begun.cluster_ips {
                let evidence = (self.words == Words::Told).then(|| evidence.clone());
                self.masquerade(who.clone(), MasqueradedTo::ClusterIp, evidence);
            }
        }
        self.hairpins(set);
    }

    /// Adds what chains say that the question itself names.
    pub(super) fn walk(&mut self, source: &Source<'_>, starts: BTreeSet<ByteText>) {
        let reader = Reader { source, words: self.words };
        let mut waiting: Vec<ByteText> = starts.into_iter().rev().collect();
        let mut seen: BTreeSet<ByteText> = BTreeSet::new();
        while let Some(name) = waiting.pop() {
            if !seen.insert(name.clone()) {
                continue;
            }
            let known = name.as_str().and_then(ChainName::parse);
            let (Some(held), Some(known)) = (source.chain(&name), known) else {
                unread::<()>(source, &name);
                self.port.whole = false;
                continue;
            };
            self.is_named_by(&known);
            self.chains.insert(Arc::clone(&held.id), known.role);
            let said = reader.read(&held);
            self.port.whole &= said.whole;
            waiting.extend(said.onward.iter().map(|onward| onward.to.clone()));
            self.said(&reader, known.role, said);
        }
    }

    /// A chain whose hash is that of the service port proves its name.
    fn is_named_by(&mut self, chain: &ChainName) {
        if self.port.known_by == KnownBy::Hash {
            return;
        }
        let (Some(name), Some(protocol)) = (&self.port.name, self.port.protocol) else { return };
        if chain.is_of(name, protocol, None) {
            self.port.known_by = KnownBy::Hash;
        }
    }

    fn front(
        &mut self,
        kind: FrontKind,
        address: std::net::IpAddr,
        port: u16,
        does: &Does,
        evidence: Option<Evidence>,
    ) {
        let at = *self.fronts.entry((address, port)).or_insert_with(|| {
            let front = Front { kind, address, port, leads_to: None, refusals: Vec::new(), evidence: Vec::new() };
            self.port.addresses.push(front);
            self.port.addresses.len() - 1
        });
        let front = &mut self.port.addresses[at];
        // The least is the most definite.
        front.kind = front.kind.min(kind);
        match does {
            // A firewall chain of nftables mode leads nowhere: it only refuses.
            Does::LeadsTo(chain) if chain.as_bytes().starts_with(b"firewall-") => {
                let refusal = refused(RefusalVerdict::Drop, RefusalReason::SourceRanges, evidence);
                front.refusals.push(refusal);
            }
            Does::LeadsTo(chain) => {
                front.leads_to = Some(chain.clone());
                front.evidence.extend(evidence);
            }
            Does::Refuse(verdict, why) => {
                front.refusals.push(refused(*verdict, *why, evidence));
                if kind == FrontKind::ClusterIp && *why == RefusalReason::NoLocalEndpoints {
                    self.port.internal_policy = Some(Policy::Local);
                } else if *why == RefusalReason::NoLocalEndpoints {
                    self.port.external_policy = Some(Policy::Local);
                }
            }
            Does::Masquerade(who) => {
                let to = match kind {
                    FrontKind::ClusterIp => MasqueradedTo::ClusterIp,
                    _ => MasqueradedTo::External,
                };
                self.masquerade((**who).clone(), to, evidence);
            }
            Does::LetIn => {}
        }
        if let Does::LeadsTo(chain) = does {
            self.policy_of(kind, chain);
        }
    }

    /// What the chain that an address leads to says about the policy.
    fn policy_of(&mut self, kind: FrontKind, chain: &ByteText) {
        let role = chain.as_str().and_then(ChainName::parse).map(|name| name.role);
        let policy = match role {
            Some(ChainRole::Cluster) => Policy::Cluster,
            Some(ChainRole::Local | ChainRole::ExternalLocal) => Policy::Local,
            // They say it themselves.
            _ => return,
        };
        if kind == FrontKind::ClusterIp {
            self.port.internal_policy = Some(policy);
        } else {
            self.port.external_policy = Some(policy);
        }
    }

    fn node_port(&mut self, set: &IndexedSet<'_>, port: u16, does: &Does, evidence: Option<Evidence>) {
        let node_port = self.port.node_port.get_or_insert_with(|| NodePort {
            port,
            on: Vec::new(),
            refusals: Vec::new(),
            evidence: Vec::new(),
        });
        if let Some(on) = set.begun.node_ports_on.as_ref().filter(|on| !node_port.on.contains(on)) {
            node_port.on.push(on.clone());
        }
        match does {
            Does::LeadsTo(chain) => {
                node_port.evidence.extend(evidence);
                self.policy_of(FrontKind::Unknown, chain);
            }
            Does::Refuse(verdict, why) => {
                node_port.refusals.push(refused(*verdict, *why, evidence));
                if *why == RefusalReason::NoLocalEndpoints {
                    self.port.external_policy = Some(Policy::Local);
                }
            }
            Does::Masquerade(who) => self.masquerade((**who).clone(), MasqueradedTo::External, evidence),
            Does::LetIn => {}
        }
    }

    fn said(&mut self, reader: &Reader<'_, '_>, role: ChainRole, said: Said) {
        for (who, evidence) in said.masqueraded {
            self.masquerade(who, about(role), evidence);
        }
        match role {
            ChainRole::External => self.external(&said.onward),
            ChainRole::ExternalLocal => self.port.external_policy = Some(Policy::Local),
            ChainRole::Firewall => self.firewall(said.onward, said.refusals),
            _ => {}
        }
        self.endpoints.reserve_exact(said.drawn.len());
        for drawn in said.drawn {
            let told = self.endpoint(reader, &drawn.to);
            let Some(endpoint) = told else {
                self.port.whole = false;
                continue;
            };
            let share = match role {
                ChainRole::Local | ChainRole::ExternalLocal => &mut endpoint.local,
                _ => &mut endpoint.cluster,
            };
            *share = drawn.share.map(|drawn| share.map_or(drawn, |before: Share| before.or(drawn)));
            if let Some(evidence) = drawn.evidence.filter(|evidence| !endpoint.evidence.contains(evidence)) {
                // The draw stands before what it leads to.
                endpoint.evidence.insert(endpoint.evidence.len().saturating_sub(1), evidence);
            }
        }
        for pin in said.pins {
            self.pin(reader, pin);
        }
    }

    /// Which endpoints are used from outside: where everybody else is sent in the end.
    fn external(&mut self, onward: &[Onward]) {
        let last = onward.iter().rev().find(|onward| onward.who == Who::Everybody);
        self.port.external_policy = Some(match last.map(|onward| onward.role) {
            Some(ChainRole::Cluster) => Policy::Cluster,
            // To this node's, or, where there are none, nowhere.
            _ => Policy::Local,
        });
    }

    fn firewall(&mut self, onward: Vec<Onward>, refusals: Vec<(bool, Vec<ipnet::IpNet>, Option<Evidence>)>) {
        for onward in onward {
            match onward.who {
                Who::From(range) => self.source_range(range, onward.evidence),
                // Up to 1.23 each load balancer's address had such a chain, limited or not.
                Who::Everybody => match onward.role {
                    ChainRole::Cluster => self.port.external_policy = Some(Policy::Cluster),
                    ChainRole::ExternalLocal | ChainRole::Local => self.port.external_policy = Some(Policy::Local),
                    _ => {}
                },
                Who::ThisNode | Who::Others => {}
            }
        }
        for (_, spared, evidence) in refusals {
            for range in spared {
                self.source_range(range, evidence.clone());
            }
        }
    }

    fn source_range(&mut self, range: ipnet::IpNet, evidence: Option<Evidence>) {
        let evidence = evidence.into_iter();
        match self.port.source_ranges.iter_mut().find(|known| known.range == range) {
            Some(known) => known.evidence.extend(evidence),
            None => self.port.source_ranges.push(SourceRange { range, evidence: evidence.collect() }),
        }
    }

    /// The endpoint that a draw leads to; `None` where its chain translates nothing.
    fn endpoint(&mut self, reader: &Reader<'_, '_>, to: &Goal) -> Option<&mut Endpoint> {
        let service_port = self.port.addresses.first().map(|front| front.port);
        let (at, chain, first_packets, evidence) = match to {
            Goal::Address(address, port) => (super::step::endpoint(*address, *port, service_port)?, None, None, None),
            Goal::Chain(chain) => {
                let held = reader.source.chain(chain).or_else(|| unread(reader.source, chain))?;
                let said = reader.endpoint(&held, service_port);
                let at = said.to.or_else(|| unread(reader.source, chain))?;
                if !self.known.contains_key(&at) {
                    if self.words == Words::Told {
                        self.chains.insert(Arc::clone(&held.id), ChainRole::Endpoint);
                    }
                    for (who, evidence) in said.masqueraded {
                        self.masquerade(who, MasqueradedTo::Endpoint, evidence);
                    }
                }
                (at, Some(chain.clone()), said.first_packets, said.evidence)
            }
        };
        let place = *self.known.entry(at).or_insert_with(|| {
            self.endpoints.push(Endpoint {
                address: at.ip(),
                port: at.port(),
                behind: Behind::NotAsked,
                listening: Listening::NotAsked,
                cluster: None,
                local: None,
                chain,
                first_packets,
                evidence: evidence.into_iter().collect(),
            });
            self.endpoints.len() - 1
        });
        self.endpoints.get_mut(place)
    }

    fn pin(&mut self, reader: &Reader<'_, '_>, pin: Pin) {
        let at = self.endpoint(reader, &Goal::Chain(pin.to.clone())).map(|endpoint| {
            if let Some(evidence) = pin.evidence.filter(|evidence| !endpoint.evidence.contains(evidence)) {
                endpoint.evidence.insert(0, evidence);
            }
            SocketAddr::new(endpoint.address, endpoint.port)
        });
        if let Some(endpoint) = at
            && !self.pins.iter().any(|known| known.list == pin.list)
        {
            self.pins.push(affinity::bound(reader.source, endpoint, pin.list, pin.seconds));
        }
    }

    fn masquerade(&mut self, who: Masqueraded, to: MasqueradedTo, evidence: Option<Evidence>) {
        match self.port.masquerades.iter_mut().find(|known| (&known.who, known.to) == (&who, to)) {
            Some(known) => {
                let evidence = evidence.filter(|evidence| !known.evidence.contains(evidence));
                known.evidence.extend(evidence);
            }
            None => self.port.masquerades.push(Masquerade { who, to, evidence: evidence.into_iter().collect() }),
        }
    }

    /// nftables mode since 1.33 keeps connections from an endpoint to itself in one set.
    fn hairpins(&mut self, set: &IndexedSet<'_>) {
        let (Some((name, rule)), Some(protocol)) = (&set.begun.hairpins, self.port.protocol) else { return };
        let source = set.source.nat();
        let held = source.set(name);
        let mut found = Vec::new();
        for at in self.known.keys() {
            let family = source.table.family;
            if at.is_ipv6() == (family == Family::Ip6)
                && source.element(&held, &hairpin_key(at.ip(), protocol, at.port())).is_some()
            {
                let key = || format!("{0} . {0} . {protocol} . {1}", at.ip(), at.port());
                let evidence = (self.words == Words::Told).then(|| (of_element(&held, key(), None), rule.clone()));
                found.push((at.ip(), evidence.unzip()));
            }
        }
        for (endpoint, (element, rule)) in found {
            self.masquerade(Masqueraded::Hairpin { endpoint }, MasqueradedTo::Endpoint, element);
            self.masquerade(Masqueraded::Hairpin { endpoint }, MasqueradedTo::Endpoint, rule);
        }
    }

    /// Sorts it and joins it with the pods of the node.
    pub(super) fn done(mut self, pods: Option<&Pods>) -> ServicePort {
        let mut port = self.port;
        port.addresses.sort();
        port.source_ranges.sort();
        port.masquerades.sort();
        if let Some(node_port) = &mut port.node_port {
            node_port.on.sort();
        }
        if let Some(pods) = pods {
            for endpoint in &mut self.endpoints {
                endpoint.behind = pods.behind(endpoint.address);
            }
        }
        self.endpoints.sort_by_key(|endpoint| SocketAddr::new(endpoint.address, endpoint.port));
        port.affinity = affinity::of(self.pins);
        port.endpoints = self.endpoints;
        port.chains = self.chains.into_iter().map(|(chain, role)| ServiceChain { chain, role }).collect();
        port
    }
}

/// Says that where a chain leads is unknown.
fn unread<T>(source: &Source<'_>, chain: &ByteText) -> Option<T> {
    let what = format!("{chain} of table {} {}", source.table.family, source.table.name);
    let detail = "rules lead there, and where it sends packets is unknown: it is not there, or not of a shape that \
                  kube-proxy writes";
    source.issue(Issue::incomplete(what, Why::Unsupported { detail: detail.to_owned() }));
    None
}

fn refused(verdict: RefusalVerdict, why: RefusalReason, evidence: Option<Evidence>) -> Refusal {
    Refusal { verdict, why, evidence: evidence.into_iter().collect() }
}

fn is_of_family(front: &Front, set: &IndexedSet<'_>) -> bool {
    front.address.is_ipv6() == (set.set.family == Family::Ip6)
}

/// The group of a service port that the question names itself.
pub(super) fn asked_group(name: &ServicePortName, protocol: Protocol, set: &RuleSet) -> Group {
    let set = RuleSet { family: Family::Ip, ..set.clone() };
    Group { key: Key::Named(Arc::new(name.clone()), Some(protocol)), set }
}
