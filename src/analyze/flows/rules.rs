//! Which rule would translate such a flow now. A flow does not remember its rule, nor SNAT from MASQUERADE.
//!
//! May import model and its siblings only.

use std::net::IpAddr;
use std::sync::Arc;

use super::out_link::OutLinks;
use super::types::{AskedFront, ServiceHere, Who, WouldMatch};
use crate::analyze::answer::Gathered;
use crate::analyze::nat::{self, NatRule};
use crate::analyze::netfilter::condition::{Ask, Clause, Condition};
use crate::analyze::netfilter::facts::{KnownMark, Packet};
use crate::analyze::services::types::{Masqueraded, MasqueradedTo, ServicePort};
use crate::model::flow::Flow;
use crate::model::issue::Issue;
use crate::model::keyed::Keyed;
use crate::model::route::Family;
use crate::model::view::NodeView;

/// `1 << RTN_UNICAST`
const UNICAST: u16 = 1 << 1;
/// `1 << RTN_LOCAL`
const LOCAL: u16 = 1 << 2;

/// Whose sources a list of rules is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Whose {
    /// A pod's of this node.
    Pod(IpAddr),
    /// This node's.
    Node(IpAddr),
    /// Anybody else's.
    Others(Family),
    /// Of hostPorts that lead there.
    HostPorts(IpAddr),
}

/// Rules with their places among those that rows refer to, or why there are none.
type Known = Result<Vec<(NatRule, Option<usize>)>, Arc<str>>;

/// The rules, as they are asked for.
pub struct Rules<'a> {
    node: &'a dyn NodeView,
    known: Keyed<Whose, Known>,
    out_links: OutLinks<'a>,
    /// Those that rows refer to.
    pub referred: Vec<NatRule>,
    issues: Vec<Issue>,
}

/// What a rule is asked about.
pub struct Asking<'f> {
    /// The flow.
    pub flow: &'f Flow,
    /// Whose its client's address is.
    pub client: &'f Who,
    /// Whose the address is that it went to.
    pub served_by: &'f Who,
    /// The service that it asked for.
    pub service: &'f ServiceHere,
    /// Whether its destination was translated.
    pub translated: bool,
}

impl<'a> Rules<'a> {
    /// Those of a node.
    pub fn new(node: &'a dyn NodeView) -> Self {
        Self { node, known: Keyed::default(), out_links: OutLinks::new(node), referred: Vec::new(), issues: Vec::new() }
    }

    /// Hands over what could not be read.
    pub fn finish(self, gathered: &mut Gathered) -> Vec<NatRule> {
        gathered.issues.extend(self.issues);
        self.referred
    }

    /// What would rewrite the source of such a flow.
    pub fn source(&mut self, asking: &Asking<'_>) -> WouldMatch {
        let address = asking.flow.original.src;
        let whose = match asking.client {
            Who::Pod { on: None, .. } => Whose::Pod(address),
            Who::Node { on: None } => Whose::Node(address),
            _ => Whose::Others(Family::of(address)),
        };
        let mut packet = after_routing(asking);
        let is_marked = marked(asking);
        let applies = |rule: &NatRule, packet: &mut Packet| {
            if let Some(mask) = kube_proxys_mark(rule) {
                packet.mark = known_mark(mask, is_marked);
            } else if is_of_host_ports(rule) && !asking.translated {
                // Only packets that a hostPort's rules send on are marked.
                packet.mark = KnownMark { known: u32::MAX, value: 0 };
            } else {
                packet.mark = KnownMark::default();
            }
            holds(rule, packet)
        };
        let told = self.first(whose, |rule| applies(rule, &mut packet));
        if !matches!(told, WouldMatch::Unknown(_)) || !self.ask_for_out_link(whose) {
            return told;
        }
        let Some(link) = self.out_links.of(asking.flow.reply.src) else { return told };
        packet.out_link = Some(Some(link));
        self.first(whose, |rule| applies(rule, &mut packet))
    }

    /// Whether one of the rules that were read asks by which link a packet leaves.
    fn ask_for_out_link(&self, whose: Whose) -> bool {
        let Some(Ok(rules)) = self.known.get(&whose) else { return false };
        rules.iter().any(|(rule, _)| asks_for_out_link(&rule.when))
    }

    /// The hostPort's rule that would send such a flow where it went; `None` where there is none.
    pub fn host_port(&mut self, asking: &Asking<'_>) -> WouldMatch {
        let flow = asking.flow;
        let mut packet = Packet::of(Family::of(flow.original.dst));
        packet.source = Some(flow.original.src);
        packet.destination = Some(flow.original.dst);
        packet.protocol = Some(flow.original.protocol);
        packet.source_port = flow.original.src_port();
        packet.destination_port = flow.original.dst_port();
        packet.destination_kind = Some(LOCAL);
        packet.is_first = Some(true);
        packet.translated = Some(false);
        self.first(Whose::HostPorts(flow.reply.src), |rule| holds(rule, &packet))
    }

    /// The first rule that applies.
    fn first(&mut self, whose: Whose, mut applies: impl FnMut(&NatRule) -> Option<bool>) -> WouldMatch {
        if !self.known.contains(&whose) {
            let read = self.read(whose);
            self.known.insert(whose, read);
        }
        let rules = match self.known.get_mut(&whose) {
            Some(Ok(rules)) => rules,
            Some(Err(why)) => return WouldMatch::Unknown(Arc::clone(why)),
            None => return WouldMatch::None,
        };
        for (rule, place) in rules {
            match applies(rule) {
                Some(false) => {}
                None => {
                    let why = rule.unknown.clone().unwrap_or_else(|| format!("whether it applies: {}", rule.says));
                    return WouldMatch::Unknown(why.into());
                }
                Some(true) => {
                    let at = *place.get_or_insert_with(|| {
                        self.referred.push(rule.clone());
                        self.referred.len() - 1
                    });
                    return WouldMatch::Rule(at);
                }
            }
        }
        WouldMatch::None
    }

    fn read(&mut self, whose: Whose) -> Known {
        // What a rule does not tell is said where a flow meets it.
        let mut gathered = Gathered::default();
        let read = match whose {
            Whose::Pod(address) => nat::sources(self.node, Family::of(address), Some(address), false, &mut gathered),
            Whose::Node(address) => nat::sources(self.node, Family::of(address), Some(address), true, &mut gathered),
            Whose::Others(family) => nat::sources(self.node, family, None, false, &mut gathered),
            Whose::HostPorts(address) => nat::host_ports(self.node, address, &mut gathered),
        };
        match read {
            Ok(rules) => Ok(rules.into_iter().map(|rule| (rule, None)).collect()),
            Err(issue) => {
                let why = issue.why.detail().into();
                if !self.issues.contains(&issue) {
                    self.issues.push(issue);
                }
                Err(why)
            }
        }
    }
}

/// The flow's first packet as postrouting sees it.
fn after_routing(asking: &Asking<'_>) -> Packet {
    let Asking { flow, client, served_by, translated, .. } = asking;
    let mut packet = Packet::of(Family::of(flow.original.src));
    let is_own = |who: &Who| matches!(who, Who::Node { on: None });
    let kind = |who: &Who| Some(if is_own(who) { LOCAL } else { UNICAST });
    packet.source = Some(flow.original.src);
    packet.destination = Some(flow.reply.src);
    packet.protocol = Some(flow.original.protocol);
    packet.source_port = flow.original.src_port();
    packet.destination_port = flow.reply.src_port();
    packet.source_kind = kind(client);
    packet.destination_kind = kind(served_by);
    packet.is_first = Some(true);
    packet.translated = Some(*translated);
    if is_own(client) {
        packet.in_link = Some(None);
    }
    packet
}

fn asks_for_out_link(clauses: &[Clause]) -> bool {
    clauses.iter().any(|clause| match clause {
        Clause::Is(condition) => matches!(condition.ask, Ask::OutLink { .. }),
        Clause::Unless(inner) => asks_for_out_link(inner),
    })
}

/// Whether all that a rule asks holds.
fn holds(rule: &NatRule, packet: &Packet) -> Option<bool> {
    let all = all_hold(&rule.when, packet);
    if rule.unknown.is_some() && all != Some(false) { None } else { all }
}

fn all_hold(clauses: &[Clause], packet: &Packet) -> Option<bool> {
    let mut all = Some(true);
    for clause in clauses {
        let one = match clause {
            Clause::Is(condition) => condition.holds(packet),
            Clause::Unless(inner) => all_hold(inner, packet).map(|hold| !hold),
        };
        match one {
            Some(true) => {}
            Some(false) => return Some(false),
            None => all = None,
        }
    }
    all
}

/// The bits that kube-proxy's masquerade asks for; `None` for other rules.
fn kube_proxys_mark(rule: &NatRule) -> Option<u32> {
    let chain = &rule.rules.last()?.chain;
    if !(chain.name == *"KUBE-POSTROUTING" || (chain.table.name == *"kube-proxy" && chain.name == *"masquerading")) {
        return None;
    }
    rule.when.iter().find_map(|clause| match clause {
        Clause::Is(Condition { ask: Ask::Mark { mask, .. }, .. }) => Some(*mask),
        _ => None,
    })
}

fn is_of_host_ports(rule: &NatRule) -> bool {
    rule.rules.iter().any(|rule| rule.chain.name == *"CNI-HOSTPORT-MASQ")
}

fn known_mark(mask: u32, is_marked: Option<bool>) -> KnownMark {
    match is_marked {
        Some(true) => KnownMark { known: mask, value: mask },
        Some(false) => KnownMark { known: mask, value: 0 },
        None => KnownMark::default(),
    }
}

/// Whether kube-proxy's rules would mark it for masquerade; `None` where that is not known.
fn marked(asking: &Asking<'_>) -> Option<bool> {
    match asking.service {
        // Its rules mark what they send on to endpoints alone.
        ServiceHere::None | ServiceHere::HostPort(_) => Some(false),
        ServiceHere::Unknown(_) => None,
        ServiceHere::Some { service, front, .. } => masquerades(service.port.as_ref()?, *front, asking),
    }
}

fn masquerades(port: &ServicePort, front: AskedFront, asking: &Asking<'_>) -> Option<bool> {
    let client = asking.flow.original.src;
    let mut all = if port.whole && !port.partial { Some(false) } else { None };
    for masquerade in &port.masquerades {
        let concerns = match masquerade.to {
            MasqueradedTo::ClusterIp => front == AskedFront::ClusterIp,
            MasqueradedTo::External => front != AskedFront::ClusterIp,
            MasqueradedTo::Endpoint => true,
        };
        if !concerns {
            continue;
        }
        let holds = match &masquerade.who {
            Masqueraded::All => Some(true),
            Masqueraded::OutsideOf { range } if range.addr().is_ipv4() == client.is_ipv4() => {
                Some(!range.contains(&client))
            }
            Masqueraded::OutsideOf { .. } => Some(false),
            Masqueraded::ThisNode => Some(matches!(asking.client, Who::Node { on: None })),
            Masqueraded::Hairpin { endpoint } => Some(client == *endpoint && asking.flow.reply.src == *endpoint),
            Masqueraded::Where { .. } => None,
        };
        match holds {
            Some(true) => return Some(true),
            Some(false) => {}
            None => all = None,
        }
    }
    all
}
