//! Reads flows: a value made once per namespace, which remembers what an address means.
//!
//! May import model and its siblings only.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use jiff::Timestamp;

use super::rules::{Asking, Rules};
use super::state::StateWord;
use super::timeouts::Timeouts;
use super::types::{Asked, AskedFront, Echo, FlowRow, L4, NatKind, Party, Served, ServiceHere, StatusBits, Who};
use super::world::World;
use crate::analyze::answer::{Gathered, node_label};
use crate::analyze::nat::NatRule;
use crate::analyze::services::lookup::Beginnings;
use crate::analyze::services::types::ServicePort;
use crate::model::flow::Flow;
use crate::model::flow::tuple::Key;
use crate::model::ids::NetnsId;
use crate::model::issue::{Issue, Why};
use crate::model::view::NodeView;

/// Of how many services the chains are read.
const CHAINS_OF: usize = 256;

/// The same where all flows of a node are asked for: each service costs as much as hundreds of flows.
const CHAINS_OF_ALL: usize = 32;

/// What is needed to read the flows of one namespace of one node: pods by address (those of all nodes that were
/// asked), node addresses, and services and rules, which are read when the first flow needs them.
pub struct Reader<'a> {
    node: &'a dyn NodeView,
    label: Option<Arc<str>>,
    is_host: bool,
    taken_ms: i64,
    /// What addresses mean.
    pub world: World,
    timeouts: Timeouts<'a>,
    rules: Rules<'a>,
    beginnings: Option<Beginnings<'a>>,
    /// What could not be read of them, which is told if a flow asks for a service.
    of_beginnings: Gathered,
    asked_for_services: bool,
    served: Vec<Option<Arc<Served>>>,
    /// The places in `served` that rows refer to, in the order in which they did first.
    referred: Vec<usize>,
    chains_of: usize,
    own: Gathered,
}

/// Where a service begins: its place, and which of its addresses was asked for.
enum Begins {
    At(usize, AskedFront),
    Nowhere,
    Unknown(&'static str),
}

/// What the rows refer to.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Referred {
    /// The services, by title.
    pub services: Vec<ServicePort>,
    /// Rules that rewrite sources or lead hostPorts, in the order in which rows first referred to them.
    pub rules: Vec<NatRule>,
}

impl<'a> Reader<'a> {
    /// For the flows of a namespace of `nodes[at]`.
    pub fn new(nodes: &[&'a dyn NodeView], at: usize, netns: NetnsId, gathered: &mut Gathered) -> Self {
        let node = nodes[at];
        let info = node.node();
        Self {
            node,
            label: node_label(nodes, node).map(Arc::from),
            is_host: info.host_netns == netns,
            taken_ms: info.taken_at.as_millisecond(),
            world: World::read(nodes, at, gathered),
            timeouts: Timeouts::new(node, netns),
            rules: Rules::new(node),
            beginnings: None,
            of_beginnings: Gathered::default(),
            asked_for_services: false,
            served: Vec::new(),
            referred: Vec::new(),
            chains_of: CHAINS_OF,
            own: Gathered::default(),
        }
    }

    /// Reads where services begin before a flow asks for one: while flows are still being read, that takes no time.
    pub fn expect_services(&mut self) {
        self.beginnings();
    }

    fn beginnings(&mut self) -> &mut Beginnings<'a> {
        self.beginnings.get_or_insert_with(|| Beginnings::read(self.node, &mut self.of_beginnings))
    }

    /// Reads the chains of few services only, for all flows are asked for.
    pub fn of_all_flows(&mut self) {
        self.chains_of = CHAINS_OF_ALL;
    }

    /// The node's name.
    pub fn name(&self) -> Arc<str> {
        self.label.clone().unwrap_or_else(|| self.node.node().name.into())
    }

    /// Reads one flow. Costs about a microsecond once the services and rules in it are known.
    pub fn read(&mut self, flow: &Flow) -> FlowRow {
        let nat = NatKind::of(flow);
        let (original, reply) = (&flow.original, &flow.reply);
        let party = |address: IpAddr, port: Option<u16>, who: Who| Party { address, port, who, behind: None };
        let client = self.world.who(original.src);
        let asked_for = self.world.who(original.dst);
        let served_by = if reply.src == original.dst { asked_for.clone() } else { self.world.who(reply.src) };
        let seen_as = if reply.dst == original.src { client.clone() } else { self.world.who(reply.dst) };
        let translated = nat.has_dnat();
        let mut service = self.service(flow, &asked_for, translated);
        let mut source_rule = None;
        if self.is_host {
            if translated && service == ServiceHere::None && matches!(asked_for, Who::Node { on: None }) {
                let asking = Asking { flow, client: &client, served_by: &served_by, service: &service, translated };
                service = ServiceHere::HostPort(self.rules.host_port(&asking));
            }
            if source_changed(flow) {
                let asking = Asking { flow, client: &client, served_by: &served_by, service: &service, translated };
                source_rule = Some(self.rules.source(&asking));
            }
        }
        let icmp = match (original.key, reply.key) {
            (Key::Icmp { kind, code, id }, Key::Icmp { id: seen_id, .. }) => Some(Echo { kind, code, id, seen_id }),
            _ => None,
        };
        let began_ns = flow.timestamps.map(|timestamps| timestamps.start_ns);
        let began_at = began_ns.and_then(|ns| Timestamp::from_nanosecond(ns.into()).ok());
        let age_ms =
            began_at.map(|began| u64::try_from(self.taken_ms.saturating_sub(began.as_millisecond())).unwrap_or(0));
        FlowRow {
            node: self.label.clone(),
            conversation: None,
            protocol: L4(original.protocol),
            client: party(original.src, original.src_port(), client),
            asked_for: Asked { address: original.dst, port: original.dst_port(), who: asked_for, service },
            served_by: party(reply.src, reply.src_port(), served_by),
            seen_as: party(reply.dst, reply.dst_port(), seen_as),
            nat,
            icmp,
            state: StateWord::of(flow),
            protocol_state: flow.state,
            status: StatusBits(flow.status),
            left_ms: flow.timeout_s.map(|seconds| u64::from(seconds) * 1000),
            last_packet_ms: self.timeouts.since_last_packet(flow),
            counted: flow.counters,
            began_at,
            age_ms,
            mark: flow.mark,
            zone: flow.zone,
            id: flow.id,
            source_rule,
            more: flow.more.clone(),
        }
    }

    /// Reads the chains of the services that flows ask for together: those of one after the other take longer.
    pub fn prepare(&mut self, flows: &[Flow]) {
        let mut wanted: Vec<usize> = Vec::new();
        for flow in flows {
            let asked_for = self.world.who(flow.original.dst);
            let Begins::At(at, _) = self.begins(flow, &asked_for, NatKind::of(flow).has_dnat()) else { continue };
            if self.served.get(at).is_none_or(Option::is_none) && !wanted.contains(&at) {
                wanted.push(at);
            }
        }
        wanted.truncate(self.chains_of.saturating_sub(self.referred.len()));
        if let Some(beginnings) = self.beginnings.as_ref().filter(|_| !wanted.is_empty()) {
            beginnings.prepare(&wanted);
        }
    }

    /// Where the service begins that a flow asked for.
    fn begins(&mut self, flow: &Flow, asked_for: &Who, translated: bool) -> Begins {
        let (address, protocol) = (flow.original.dst, flow.original.protocol);
        let Some(port) = flow.original.dst_port().filter(|_| matches!(protocol, 6 | 17 | 132)) else {
            return Begins::Nowhere;
        };
        let is_node = match asked_for {
            Who::Pod { .. } => return Begins::Nowhere,
            Who::Node { on: None } => true,
            _ => false,
        };
        // What the node itself serves is no service's.
        if is_node && !translated {
            return Begins::Nowhere;
        }
        self.asked_for_services = true;
        let beginnings = self.beginnings();
        let by_address = beginnings.at(address, port, protocol).map(|(at, kind)| (at, AskedFront::of(kind)));
        let found = by_address.or_else(|| {
            let at = beginnings.at_node_port(address, port, protocol).filter(|_| is_node)?;
            Some((at, AskedFront::NodePort))
        });
        match (found, beginnings.doubt()) {
            (Some((at, front)), _) => Begins::At(at, front),
            (None, Some(why)) if translated => Begins::Unknown(why),
            (None, _) => Begins::Nowhere,
        }
    }

    /// The service that a flow asked for.
    fn service(&mut self, flow: &Flow, asked_for: &Who, translated: bool) -> ServiceHere {
        let (at, front) = match self.begins(flow, asked_for, translated) {
            Begins::At(at, front) => (at, front),
            Begins::Unknown(why) => return ServiceHere::Unknown(why.into()),
            Begins::Nowhere => return ServiceHere::None,
        };
        let service = self.served(at);
        let endpoint = service.port.as_deref().and_then(|port| would_go_there(port, flow));
        ServiceHere::Some { service, front, endpoint }
    }

    /// A service port, read when it is first asked for.
    fn served(&mut self, at: usize) -> Arc<Served> {
        if let Some(Some(served)) = self.served.get(at) {
            return Arc::clone(served);
        }
        let is_read = self.referred.len() < self.chains_of;
        let beginnings = self.beginnings.get_or_insert_with(|| Beginnings::read(self.node, &mut self.of_beginnings));
        let title = beginnings.title(at).into();
        let port = is_read.then(|| {
            let node = self.label.as_deref().map(str::to_owned);
            Box::new(ServicePort { node, ..beginnings.service(at, &mut self.own) })
        });
        // Of a node with many services that is the most that is held.
        if self.referred.len() + 1 == self.chains_of {
            beginnings.let_go();
        }
        let served = Arc::new(Served { title, port });
        if self.served.len() <= at {
            self.served.resize(at + 1, None);
        }
        self.served[at] = Some(Arc::clone(&served));
        self.referred.push(at);
        served
    }

    /// What the rows that were read refer to, and what could not be read meanwhile.
    pub fn referred(self, gathered: &mut Gathered) -> Referred {
        let Self {
            mut own,
            beginnings,
            mut of_beginnings,
            asked_for_services,
            timeouts,
            rules,
            served,
            referred,
            chains_of,
            ..
        } = self;
        timeouts.issues(gathered);
        if let Some(beginnings) = beginnings.filter(|_| asked_for_services) {
            own.issues.append(&mut of_beginnings.issues);
            beginnings.issues(&mut own);
        }
        gathered.issues.append(&mut own.issues);
        if referred.len() > chains_of {
            let detail = format!(
                "the flows ask for {} services: of those after the first {chains_of}, the chains were not read, and \
                 whether their flows would go the same way is not told; ask for fewer flows (a pod, --service)",
                referred.len()
            );
            gathered.issue(Issue::note("reading the services of all flows", Why::Unsupported { detail }));
        }
        let rules = rules.finish(gathered);
        let mut services: Vec<ServicePort> = referred
            .iter()
            .filter_map(|at| served.get(*at)?.as_ref())
            .filter_map(|served| served.port.as_deref().cloned())
            .collect();
        services.sort_by(|one, other| (&one.title, one.protocol).cmp(&(&other.title, other.protocol)));
        Referred { services, rules }
    }
}

/// Whether the rules would still send new flows to where this one went; `None` where that is not known.
fn would_go_there(port: &ServicePort, flow: &Flow) -> Option<bool> {
    if port.partial {
        return None;
    }
    let went = SocketAddr::new(flow.reply.src, flow.reply.src_port()?);
    let found =
        port.endpoints.binary_search_by(|endpoint| SocketAddr::new(endpoint.address, endpoint.port).cmp(&went)).is_ok();
    match found {
        true => Some(true),
        false if port.whole => Some(false),
        false => None,
    }
}

/// Whether the server saw another source than the client's.
pub fn source_changed(flow: &Flow) -> bool {
    flow.original.src != flow.reply.dst
        || match (flow.original.key, flow.reply.key) {
            (Key::Ports { src, .. }, Key::Ports { dst, .. }) => src != dst,
            (Key::Icmp { id, .. }, Key::Icmp { id: seen, .. }) => id != seen,
            _ => false,
        }
}

/// Whether it went elsewhere than the client asked for.
pub fn destination_changed(flow: &Flow) -> bool {
    flow.original.dst != flow.reply.src
        || match (flow.original.key, flow.reply.key) {
            (Key::Ports { dst, .. }, Key::Ports { src, .. }) => dst != src,
            _ => false,
        }
}

impl NatKind {
    /// Of a flow: what its reply tuple has that is not its original tuple turned round.
    pub fn of(flow: &Flow) -> Self {
        match (source_changed(flow), destination_changed(flow)) {
            (_, true) if flow.original.src == flow.reply.src => Self::Hairpin,
            (true, true) => Self::SnatAndDnat,
            (true, false) => Self::Snat,
            (false, true) => Self::Dnat,
            (false, false) => Self::None,
        }
    }

    /// Whether the destination was translated.
    pub fn has_dnat(self) -> bool {
        matches!(self, Self::Dnat | Self::SnatAndDnat | Self::Hairpin)
    }
}
