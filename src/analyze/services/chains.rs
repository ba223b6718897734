//! What the chains of a service say: endpoints and how likely each is, who is masqueraded, where else
//! packets go.
//!
//! All chains are read alike, whatever version wrote them: a chain is its rules, and its name only tells
//! whose it is. May import model and its siblings only.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use super::evidence::{Words, of_rule};
use super::share::Share;
use super::source::{Held, Source};
use super::step::{Step, Then, When, endpoint};
use super::types::{Evidence, Masqueraded, MasqueradedTo};
use crate::model::issue::{Issue, Why};
use crate::model::kube_proxy::{ChainName, ChainRole};
use crate::model::netfilter::expr::{Data, Verdict};
use crate::model::text::ByteText;

/// What a chain of a service says.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub(super) drawn: Vec<Drawn>,
    /// Lists that bind a client to an endpoint's chain, with their timeout where the rule tells it.
    pub(super) pins: Vec<Pin>,
    pub(super) masqueraded: Vec<(Masqueraded, Option<Evidence>)>,
    pub(super) onward: Vec<Onward>,
    /// Rules that refuse packets, with the sources that they spare.
    pub(super) refusals: Vec<(bool, Vec<IpNet>, Option<Evidence>)>,
    /// Whether every rule could be read.
    pub(super) whole: bool,
}

/// An endpoint that may be drawn.
#[derive(Debug)]
pub(super) struct Drawn {
    pub(super) to: Goal,
    /// `None` where a rule before it is not read.
    pub(super) share: Option<Share>,
    pub(super) evidence: Option<Evidence>,
}

/// Where a draw leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Goal {
    Chain(ByteText),
    Address(IpAddr, Option<u16>),
}

/// A list of bound clients.
#[derive(Debug)]
pub(super) struct Pin {
    pub(super) to: ByteText,
    pub(super) list: ByteText,
    /// `None` where the set tells it.
    pub(super) seconds: Option<u32>,
    pub(super) evidence: Option<Evidence>,
}

/// Another chain of the service that packets are sent on to.
#[derive(Debug)]
pub(super) struct Onward {
    pub(super) to: ByteText,
    pub(super) role: ChainRole,
    pub(super) who: Who,
    pub(super) evidence: Option<Evidence>,
}

/// Whose packets are sent on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Who {
    Everybody,
    From(IpNet),
    ThisNode,
    Others,
}

/// Reads chains of a table.
pub(super) struct Reader<'s, 'a> {
    pub(super) source: &'s Source<'a>,
    pub(super) words: Words,
}

impl Reader<'_, '_> {
    /// What is said of a rule rests on it; `None` where that is not told.
    fn evidence(&self, held: &Held, step: &Step<'_>) -> Option<Evidence> {
        (self.words == Words::Told).then(|| of_rule(&held.id, step.rule, self.source))
    }

    /// Whose packets a rule marks.
    fn masqueraded(&self, held: &Held, step: &Step<'_>) -> Masqueraded {
        masqueraded(step, || condition(&of_rule(&held.id, step.rule, self.source)))
    }

    /// Reads a chain of any role.
    pub(super) fn read(&self, held: &Held) -> Said {
        let mut said = Said { whole: true, ..Said::default() };
        let own = held.id.name.as_str().and_then(ChainName::parse);
        let is_firewall = own.as_ref().is_some_and(|own| own.role == ChainRole::Firewall);
        // `None` once a rule was met that is not read: how much comes past it is not known.
        let mut left = Some(Share::ONE);
        for step in held.steps() {
            let evidence = self.evidence(held, &step);
            match &step.then {
                Then::Nothing => {}
                Then::Mark => said.masqueraded.push((self.masqueraded(held, &step), evidence)),
                Then::To(chain) => Self::to(&step, (own.as_ref(), chain), &mut left, &mut said, evidence),
                Then::Dnat(address, port) => match chance(&step) {
                    Some(share) => draw(Goal::Address(*address, *port), share, &mut left, &mut said, evidence),
                    None => said.whole = false,
                },
                Then::Draw { modulus, offset, map } => {
                    if !step.asks_protocol_alone() {
                        said.whole = false;
                    }
                    self.drawn(*modulus, *offset, map, &mut left, &mut said, evidence.as_ref());
                }
                // Only a load balancer's chain of clients refuses any.
                Then::Reject | Then::Drop => match self.spared(&step).filter(|_| is_firewall) {
                    Some(spared) => said.refusals.push((step.then == Then::Reject, spared, evidence)),
                    None => said.whole = false,
                },
                Then::Leave | Then::Masquerade | Then::Map { .. } | Then::Other => said.whole = false,
            }
            if !said.whole {
                left = None;
            }
        }
        let is_service = own.is_some_and(|own| !matches!(own.role, ChainRole::Firewall | ChainRole::External));
        if let Some(left) = left.filter(|left| is_service && !said.drawn.is_empty() && left.decimal > 1e-6) {
            let detail = format!(
                "{:.6} of the packets get to its end and to no endpoint by it: what becomes of them is unknown",
                left.decimal
            );
            super::doubt::unsure(self.source, held, detail);
        }
        if !said.whole {
            let what = format!("{} of table {} {}", held.id.name, held.id.table.family, held.id.table.name);
            let detail = "it has a rule that podnet does not read: what is told of it may not be the whole truth";
            self.source.issue(Issue::incomplete(what, Why::Unsupported { detail: detail.to_owned() }));
        }
        said
    }

    fn to(
        step: &Step<'_>,
        (own, chain): (Option<&ChainName>, &ByteText),
        left: &mut Option<Share>,
        said: &mut Said,
        evidence: Option<Evidence>,
    ) {
        let name = chain.as_str().and_then(ChainName::parse);
        // To another service's chains none of kube-proxy's rules leads.
        let is_own = |name: &ChainName| own.is_none_or(|own| own.hash == name.hash);
        let role = name.filter(|name| name.role == ChainRole::Endpoint || is_own(name)).map(|name| name.role);
        match role {
            Some(ChainRole::Endpoint) => {
                if let Some(pin) = pinned(step, chain, evidence.as_ref()) {
                    said.pins.push(pin);
                } else if let Some(share) = chance(step) {
                    draw(Goal::Chain(chain.clone()), share, left, said, evidence);
                } else {
                    said.whole = false;
                }
            }
            // From all endpoints, or this node's, kube-proxy leads nowhere else: it would be a circle.
            Some(_) if own.is_some_and(|own| matches!(own.role, ChainRole::Cluster | ChainRole::Local)) => {
                said.whole = false;
            }
            Some(role) => said.onward.push(Onward { to: chain.clone(), role, who: who(step), evidence }),
            None => said.whole = false,
        }
    }

    /// The numbers that may be drawn, each with what the map says for it.
    fn drawn(
        &self,
        modulus: u32,
        offset: u32,
        map: &ByteText,
        left: &mut Option<Share>,
        said: &mut Said,
        evidence: Option<&Evidence>,
    ) {
        let elements = self.source.elements(&self.source.set(map));
        let mut goals: Vec<(Goal, u32)> = Vec::new();
        let mut numbers = 0;
        for element in elements.iter() {
            let number = super::step::host_number(&element.key.0);
            let Some(_) = number.filter(|number| (offset..offset.saturating_add(modulus)).contains(number)) else {
                said.whole = false;
                continue;
            };
            let goal = match &element.data {
                Some(Data::Value(value)) => super::step::address_and_port(self.source.table.family, &value.0)
                    .map(|(address, port)| Goal::Address(address, Some(port))),
                Some(Data::Verdict(Verdict::Jump(chain) | Verdict::Goto(chain))) => Some(Goal::Chain(chain.clone())),
                _ => None,
            };
            let Some(goal) = goal else {
                said.whole = false;
                continue;
            };
            numbers += 1;
            match goals.iter_mut().find(|(known, _)| *known == goal) {
                Some((_, times)) => *times += 1,
                None => goals.push((goal, 1)),
            }
        }
        let before = *left;
        for (to, times) in goals {
            let share = before.map(|before| before.and(Share::of(times, modulus)));
            said.drawn.push(Drawn { to, share, evidence: evidence.cloned() });
        }
        *left = before.map(|before| before.and(Share::of(numbers, modulus).complement()));
    }

    /// The sources that a refusing rule spares; `None` where it asks something else.
    fn spared(&self, step: &Step<'_>) -> Option<Vec<IpNet>> {
        match alone(step.beyond_service()) {
            Asked::Nothing => Some(Vec::new()),
            Asked::One(When::Source { net, not: true }) => Some(vec![*net]),
            Asked::One(When::SourceSet { set, not: true }) => {
                let elements = self.source.elements(&self.source.set(set));
                Some(super::interval::networks(self.source.table.family, &elements))
            }
            _ => None,
        }
    }

    /// Reads the chain of an endpoint: its address, who is masqueraded, and the rule that translates.
    pub(super) fn endpoint(&self, held: &Held, port: Option<u16>) -> EndpointSaid {
        let mut said = EndpointSaid::default();
        for step in held.steps() {
            let evidence = self.evidence(held, &step);
            if let Some(list) = &step.notes {
                said.notes = Some(list.clone());
            }
            match &step.then {
                Then::Nothing => {}
                Then::Mark => said.masqueraded.push((self.masqueraded(held, &step), evidence)),
                Then::Dnat(address, own) if said.to.is_none() && step.asks_protocol_alone() => {
                    said.to = endpoint(*address, *own, port);
                    said.first_packets = step.counters.map(|counters| counters.packets);
                    said.evidence = evidence;
                }
                _ => said.odd = true,
            }
        }
        if said.odd {
            let what = format!("{} of table {} {}", held.id.name, held.id.table.family, held.id.table.name);
            let detail = "it has a rule that podnet does not read: what is told of it may not be the whole truth";
            self.source.issue(Issue::incomplete(what, Why::Unsupported { detail: detail.to_owned() }));
        }
        said
    }
}

/// What the chain of an endpoint says.
#[derive(Debug, Default)]
pub(super) struct EndpointSaid {
    pub(super) to: Option<SocketAddr>,
    pub(super) masqueraded: Vec<(Masqueraded, Option<Evidence>)>,
    pub(super) notes: Option<ByteText>,
    pub(super) first_packets: Option<u64>,
    pub(super) evidence: Option<Evidence>,
    odd: bool,
}

/// Whose packets a rule marks.
pub(super) fn masqueraded(step: &Step<'_>, condition: impl FnOnce() -> String) -> Masqueraded {
    match alone(step.beyond_service()) {
        Asked::Nothing => Masqueraded::All,
        Asked::One(When::Source { net, not: true }) => Masqueraded::OutsideOf { range: *net },
        Asked::One(When::Source { net, not: false }) if is_host(net) => Masqueraded::Hairpin { endpoint: net.addr() },
        Asked::One(When::SourceLocal { not: false }) => Masqueraded::ThisNode,
        _ => Masqueraded::Where { condition: condition() },
    }
}

/// What a rule asks, where it is no more than one thing.
enum Asked<'s> {
    Nothing,
    One(&'s When),
    More,
}

fn alone<'s>(mut asked: impl Iterator<Item = &'s When>) -> Asked<'s> {
    match (asked.next(), asked.next()) {
        (None, _) => Asked::Nothing,
        (Some(one), None) => Asked::One(one),
        (Some(_), Some(_)) => Asked::More,
    }
}

/// The words of a condition that has no better name.
pub(super) fn condition(evidence: &Evidence) -> String {
    match evidence {
        Evidence::Rule { text, .. } => text.clone(),
        Evidence::Element { key, .. } => key.clone(),
    }
}

/// What a masquerade in a chain of that role is about.
pub(super) fn about(role: ChainRole) -> MasqueradedTo {
    match role {
        ChainRole::Cluster | ChainRole::Local => MasqueradedTo::ClusterIp,
        ChainRole::External | ChainRole::ExternalLocal | ChainRole::Firewall => MasqueradedTo::External,
        ChainRole::Endpoint => MasqueradedTo::Endpoint,
    }
}

fn is_host(net: &IpNet) -> bool {
    net.prefix_len() == net.max_prefix_len()
}

fn draw(to: Goal, share: Share, left: &mut Option<Share>, said: &mut Said, evidence: Option<Evidence>) {
    said.drawn.push(Drawn { to, share: left.map(|left| left.and(share)), evidence });
    *left = left.map(|left| left.and(share.complement()));
}

/// How likely a rule holds, where chance is all that it asks.
fn chance(step: &Step<'_>) -> Option<Share> {
    match alone(step.when.iter().filter(|when| !matches!(when, When::Protocol(_) | When::New))) {
        Asked::Nothing => Some(Share::ONE),
        Asked::One(When::Chance(n)) => Some(Share::chance(*n)),
        _ => None,
    }
}

/// A rule that sends a client back to its endpoint.
fn pinned(step: &Step<'_>, to: &ByteText, evidence: Option<&Evidence>) -> Option<Pin> {
    let (list, seconds) = match alone(step.beyond_service()) {
        Asked::One(When::Lately { list, seconds }) => (list, Some(*seconds)),
        Asked::One(When::SourceSet { set, not: false }) => (set, None),
        _ => return None,
    };
    Some(Pin { to: to.clone(), list: list.clone(), seconds, evidence: evidence.cloned() })
}

fn who(step: &Step<'_>) -> Who {
    match alone(step.beyond_service()) {
        Asked::Nothing => Who::Everybody,
        Asked::One(When::Source { net, not: false }) => Who::From(*net),
        Asked::One(When::SourceLocal { not: false }) => Who::ThisNode,
        _ => Who::Others,
    }
}
