//! Whether the rules, as they are now, would send such a flow where it goes.
//!
//! May import model and its siblings only.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::types::StaleKind;
use crate::analyze::answer::Gathered;
use crate::analyze::flows::types::Who;
use crate::analyze::flows::world::World;
use crate::analyze::netfilter::deed::TranslationKind;
use crate::analyze::netfilter::hooks::nat_chains;
use crate::analyze::netfilter::owners::is_of_services;
use crate::analyze::netfilter::walk::{End, Question, Walk};
use crate::analyze::netfilter::{Deed, Packet, Translation};
use crate::analyze::services::lookup::{Beginnings, Endpoints};
use crate::analyze::services::types::FrontKind;
use crate::model::flow::Flow;
use crate::model::issue::Level;
use crate::model::keyed::Keyed;
use crate::model::netfilter::chain::Hook;
use crate::model::route::Family;
use crate::model::view::NodeView;

const TCP: u8 = 6;
const UDP: u8 = 17;
const SCTP: u8 = 132;

/// How many addresses and ports that no service has are held against the other rules.
const MOST_WALKS: usize = 4096;

/// `1 << RTN_UNICAST`
const UNICAST: u16 = 1 << 1;
/// `1 << RTN_LOCAL`
const LOCAL: u16 = 1 << 2;

/// What was asked for and where it went: all flows that agree in it are judged as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Road {
    pub(super) protocol: u8,
    pub(super) asked: SocketAddr,
    pub(super) went: SocketAddr,
}

impl Road {
    /// Of a flow of a protocol that services have.
    pub(super) fn of(flow: &Flow) -> Option<Self> {
        let (original, reply) = (&flow.original, &flow.reply);
        matches!(original.protocol, TCP | UDP | SCTP).then_some(())?;
        Some(Self {
            protocol: original.protocol,
            asked: SocketAddr::new(original.dst, original.dst_port()?),
            went: SocketAddr::new(reply.src, reply.src_port()?),
        })
    }

    /// Whether its protocol keeps a connection, which another endpoint could not go on with.
    pub(super) fn is_connection(&self) -> bool {
        matches!(self.protocol, TCP | SCTP)
    }
}

/// What the rules say of a road.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// They would send it there, or what they do is no service's matter.
    Fine,
    /// They would not, and it matters.
    Stale(StaleKind, Arc<str>),
    /// They would not send new connections there; this one lives on.
    Draining(Arc<str>),
    /// It is not known, because of this.
    Unknown(Arc<str>),
}

impl Verdict {
    /// Where two sets of rules have the same address and port: either may send it.
    fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Fine, _) | (_, Self::Fine) => Self::Fine,
            (unknown @ Self::Unknown(_), _) | (_, unknown @ Self::Unknown(_)) => unknown,
            (first, _) => first,
        }
    }
}

/// Judges roads.
pub(super) struct Judge<'a> {
    node: &'a dyn NodeView,
    beginnings: Beginnings<'a>,
    judged: Keyed<Road, Verdict>,
    /// What other rules do with a packet to there.
    others: Keyed<(u8, SocketAddr), Result<bool, Arc<str>>>,
}

impl<'a> Judge<'a> {
    /// Reads the rules as far as these roads need them, and judges all of them.
    pub(super) fn new(
        node: &'a dyn NodeView,
        roads: impl IntoIterator<Item = Road>,
        world: &World,
        gathered: &mut Gathered,
    ) -> Self {
        let mut judge = Self {
            node,
            beginnings: Beginnings::read(node, gathered),
            judged: Keyed::default(),
            others: Keyed::default(),
        };
        let mut roads: Vec<Road> = roads.into_iter().collect();
        roads.sort_unstable();
        let fronts: Vec<Vec<usize>> = roads.iter().map(|road| judge.fronts(road, world)).collect();
        let wanted: BTreeSet<usize> = fronts.iter().flatten().copied().collect();
        let wanted: Vec<usize> = wanted.into_iter().collect();
        let endpoints = judge.beginnings.endpoints(&wanted, gathered);
        let endpoints: BTreeMap<usize, Endpoints> = wanted.into_iter().zip(endpoints).collect();
        for (road, fronts) in roads.into_iter().zip(fronts) {
            let verdicts = fronts.iter().filter_map(|at| endpoints.get(at)).map(|at| of_service(&road, at, world));
            let verdict = match verdicts.reduce(Verdict::or) {
                Some(verdict) => verdict,
                None => judge.without_service(&road, world, gathered),
            };
            judge.judged.insert(road, verdict);
        }
        judge
    }

    /// What was said of a road; `None` where it was not among those.
    pub(super) fn of(&self, road: &Road) -> Option<&Verdict> {
        self.judged.get(road)
    }

    /// The service whose cluster IP and port a flow asked for.
    pub(super) fn cluster_ip(&self, road: &Road) -> Option<String> {
        let (at, kind) = self.beginnings.at(road.asked.ip(), road.asked.port(), road.protocol)?;
        (kind == FrontKind::ClusterIp).then(|| self.beginnings.title(at))
    }

    fn fronts(&self, road: &Road, world: &World) -> Vec<usize> {
        let (address, port) = (road.asked.ip(), road.asked.port());
        self.beginnings.all_at(address, port, road.protocol, is_nodes(world, address))
    }

    fn without_service(&mut self, road: &Road, world: &World, gathered: &mut Gathered) -> Verdict {
        if let Some(doubt) = self.beginnings.doubt() {
            return Verdict::Unknown(doubt.into());
        }
        match self.sent_on(road, world, gathered) {
            Ok(true) => return Verdict::Fine,
            Ok(false) => {}
            Err(why) => return Verdict::Unknown(why),
        }
        let Road { protocol, asked, .. } = road;
        let name = crate::analyze::flows::types::L4(*protocol);
        if is_nodes(world, asked.ip()) {
            let reason = format!(
                "no service has the node port {}/{name} any more, and no other rule sends it on{}",
                asked.port(),
                and_the_connection(road)
            );
            return Verdict::Stale(StaleKind::OldNodePort, reason.into());
        }
        let titles = self.beginnings.titles_at(asked.ip());
        if !titles.is_empty() {
            let reason = format!(
                "no service has port {}/{name} of {} any more, an address of {}{}",
                asked.port(),
                asked.ip(),
                some_of(&titles),
                and_the_connection(road)
            );
            return Verdict::Stale(StaleKind::OldPort, reason.into());
        }
        let reason = format!("no rule sends {asked}/{name} on to anywhere any more: its service is gone");
        if road.is_connection() {
            Verdict::Draining(format!("{reason}; the connection goes on").into())
        } else {
            Verdict::Stale(StaleKind::ServiceGone, format!("{reason}, and the flow still goes there").into())
        }
    }

    /// Whether rules that are none of kube-proxy's may translate the destination of such a packet.
    fn sent_on(&mut self, road: &Road, world: &World, gathered: &mut Gathered) -> Result<bool, Arc<str>> {
        let key = (road.protocol, road.asked);
        if let Some(known) = self.others.get(&key) {
            return known.clone();
        }
        if self.others.len() >= MOST_WALKS {
            let why = format!("more than {MOST_WALKS} addresses and ports were asked for that no service has");
            return Err(why.into());
        }
        let host = self.node.node().host_netns;
        let view = self.node.netfilter();
        let mut packet = Packet::of(Family::of(road.asked.ip()));
        packet.destination = Some(road.asked.ip());
        packet.destination_port = Some(road.asked.port());
        packet.protocol = Some(road.protocol);
        packet.destination_kind = Some(if is_nodes(world, road.asked.ip()) { LOCAL } else { UNICAST });
        packet.is_first = Some(true);
        packet.translated = Some(false);
        let mut told = Ok(false);
        for hook in [Hook::Prerouting, Hook::Output] {
            let chains = nat_chains(view, host, hook, &packet, gathered);
            let question = Question { tells: &changes_destination, enters: &|chain| !is_of_services(chain) };
            let mut walk = Walk::new(view, host, question);
            let mut packet = packet.clone();
            for chain in &chains {
                if walk.base_chain(&chain.id, &mut packet) == End::Translated {
                    break;
                }
            }
            for touch in &walk.touches {
                match &touch.deed {
                    Deed::Translate(_) => told = Ok(true),
                    Deed::Undecoded(why) if told == Ok(false) => told = Err(why.as_str().into()),
                    _ => {}
                }
            }
            let unread = walk.issues.iter().find(|issue| issue.level == Level::Incomplete);
            if let (Some(issue), Ok(false)) = (unread, &told) {
                told = Err(issue.why.detail().into());
            }
            gathered.issues.append(&mut walk.issues);
        }
        self.others.insert(key, told.clone());
        told
    }
}

fn changes_destination(deed: &Deed) -> bool {
    match deed {
        Deed::Translate(Translation { kind, .. }) => {
            matches!(kind, TranslationKind::Dnat | TranslationKind::Redirect | TranslationKind::Netmap)
        }
        Deed::Undecoded(_) | Deed::Queue => true,
        _ => false,
    }
}

fn is_nodes(world: &World, address: IpAddr) -> bool {
    matches!(world.who(address), Who::Node { on: None })
}

/// A service is there: its endpoints decide.
fn of_service(road: &Road, service: &Endpoints, world: &World) -> Verdict {
    let Endpoints { title, to, whole } = service;
    if to.contains(&road.went) {
        return Verdict::Fine;
    }
    if !whole {
        return Verdict::Unknown(format!("the rules of {title} could not be read to their ends").into());
    }
    let went = road.went;
    let who = match world.who(went.ip()) {
        Who::Pod { pod, .. } => Some(pod.to_string()),
        Who::Node { on: None } => Some("this node".to_owned()),
        Who::Node { on: Some(node) } => Some(node.to_string()),
        _ => None,
    };
    let gone = format!("{title} has no endpoint {went} any more");
    if road.is_connection() {
        let rest = match who {
            Some(who) => format!("; {who} still has the address, and new connections go elsewhere"),
            None => "; whether it lives is not known here, and new connections go elsewhere".to_owned(),
        };
        return Verdict::Draining((gone + &rest).into());
    }
    let mut reason = gone;
    if to.is_empty() {
        reason.push_str(", nor any other: kube-proxy leaves such flows until it has one");
    } else {
        reason.push_str(", and the flow still goes there: kube-proxy should have removed it");
    }
    if let Some(who) = who {
        let spared = format!(
            " ({who} still has the address: where it is ending and still serves, kube-proxy spares it, which the rules do \
             not tell)"
        );
        reason.push_str(&spared);
    }
    Verdict::Stale(StaleKind::EndpointGone, reason.into())
}

/// What becomes of a connection when its flow is removed.
fn and_the_connection(road: &Road) -> &'static str {
    if road.is_connection() { "; the connection itself may still work, and the command would end it" } else { "" }
}

/// The first few of a list of names.
fn some_of(titles: &[String]) -> String {
    const FEW: usize = 3;
    let first = titles.iter().take(FEW).map(String::as_str).collect::<Vec<_>>().join(", ");
    match titles.len().checked_sub(FEW) {
        Some(more @ 1..) => format!("{first} and {more} more"),
        _ => first,
    }
}
