//! The answer to `conntrack`: rows that are handed on as they come, and what is told after them.
//!
//! May import model and its siblings only.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::net::IpAddr;
use std::ops::ControlFlow;

use schemars::JsonSchema;
use serde::Serialize;

use super::join::Joined;
use super::query::{FlowsError, FlowsQuery, SortKey, Wanted, WhoAsked};
use super::reader::Reader;
use super::types::{FlowRow, NatKind, Who};
use crate::analyze::answer::{Answer, Gathered, node_label};
use crate::analyze::finding::{Code, Finding};
use crate::analyze::naming::{NetnsNames, PodHead};
use crate::analyze::nat::NatRule;
use crate::analyze::services::lookup;
use crate::analyze::services::types::ServicePort;
use crate::model::flow::Flow;
use crate::model::flow::filter::FlowFilter;
use crate::model::flow::tuple::{Tuple, Zone};
use crate::model::ids::NetnsId;
use crate::model::issue::{Issue, Level, Why};
use crate::model::sandbox::PodName;
use crate::model::view::NodeView;

/// How many flows are kept where they are sorted and no limit is given.
pub const SORTED: usize = 1000;

/// How many flows of an address wait to be told together, so that the chains of their services are read together.
const TOGETHER: usize = 256;
/// How many addresses a sentence names.
const FEW: usize = 4;

/// Flows with their NAT undone.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Flows {
    /// In the kernel's order, which is none; with `--sort` by its key; over several nodes, flows of one
    /// conversation together. This is the one list that is not sorted, for it is written while it is read.
    pub flows: Vec<FlowRow>,
    /// What follows them.
    #[serde(flatten)]
    pub rest: Rest,
}

/// What is told after the flows.
#[derive(Debug, Clone, PartialEq, Default, Serialize, JsonSchema)]
pub struct Rest {
    /// The pod that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod: Option<PodHead>,
    /// Its addresses: flows are found by them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<IpAddr>,
    /// The source that was asked about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub who: Option<WhoAsked>,
    /// How many flows were told, by what was translated.
    pub told: Counts,
    /// Whether a limit ended the list: there may be more.
    pub limited: bool,
    /// What rows refer to, a row a node.
    pub of_nodes: Vec<OfNode>,
    /// What was found, sorted by weight.
    pub findings: Vec<Finding>,
}

/// What rows of one node refer to.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct OfNode {
    /// The node; only where several were asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// The namespace whose flows these are.
    pub netns: NetnsId,
    /// The services that flows asked for, by title.
    pub services: Vec<ServicePort>,
    /// The rules that would translate such flows now; rows name them by their place, from 0.
    pub rules: Vec<NatRule>,
    /// The node's hostNetwork pods, which no address tells from the node itself.
    pub host_network_pods: Vec<PodName>,
}

/// How many flows there are of each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, JsonSchema)]
pub struct Counts {
    /// All of them.
    pub all: u64,
    /// Those of which nothing was translated.
    pub none: u64,
    /// The source alone.
    pub snat: u64,
    /// The destination alone.
    pub dnat: u64,
    /// Both.
    pub snat_and_dnat: u64,
    /// The destination, back to the client.
    pub hairpin: u64,
}

impl Counts {
    /// Counts one.
    pub fn add(&mut self, kind: NatKind) {
        self.all += 1;
        *match kind {
            NatKind::None => &mut self.none,
            NatKind::Snat => &mut self.snat,
            NatKind::Dnat => &mut self.dnat,
            NatKind::SnatAndDnat => &mut self.snat_and_dnat,
            NatKind::Hairpin => &mut self.hairpin,
        } += 1;
    }
}

/// Takes the rows as they come; ends the reading with a break.
pub type Each<'e> = &'e mut dyn FnMut(&FlowRow) -> ControlFlow<()>;

/// Answers `conntrack`: hands each row to `each`, then gives what is told after them.
pub fn flows(nodes: &[&dyn NodeView], query: &FlowsQuery, each: Each<'_>) -> Result<Answer<Rest>, FlowsError> {
    let mut gathered = Gathered::default();
    // Nearly all flows on a node with services make this be asked for, and it takes as long as finding a pod's flows.
    for node in nodes {
        lookup::expect(*node);
    }
    let wanted = Wanted::of(nodes, query, &mut gathered)?;
    let places = places(nodes, query, &wanted)?;
    let is_expected = places.len() == 1 && wanted.filters != [FlowFilter::default()];
    if let ([(at, netns)], true) = (places.as_slice(), is_expected) {
        nodes[*at].conntrack().expect_flows(*netns, &wanted.filters);
    }
    let mut telling = Telling {
        each,
        told: Counts::default(),
        counted: false,
        dated: false,
        refers_to_rules: false,
        neighbours: BTreeSet::new(),
    };
    let mut readers: Vec<Reader<'_>> =
        places.iter().map(|(at, netns)| Reader::new(nodes, *at, *netns, &mut gathered)).collect();
    if wanted.filters == [FlowFilter::default()] && query.sort.is_none() && query.limit.is_none() {
        readers.iter_mut().for_each(Reader::of_all_flows);
    }
    if let ([reader], true) = (readers.as_mut_slice(), is_expected) {
        reader.expect_services();
    }
    let limited = if let ([(at, netns)], [reader]) = (places.as_slice(), readers.as_mut_slice()) {
        let one = One { node: nodes[*at], netns: *netns, wanted: &wanted, query };
        match query.sort {
            None => one.stream(reader, &mut telling, &mut gathered),
            Some(key) => one.sorted(key, reader, &mut telling, &mut gathered),
        }
    } else {
        let mut joined = Joined::read(nodes, &places, &wanted, &mut gathered);
        joined.read_others(nodes, &places, &readers, &mut gathered);
        joined.tell(&mut readers, query, &wanted, &mut |row| telling.tell(row))
    };
    if let Some(who) = query.who
        && telling.told.all == 0
        && !gathered.issues.iter().any(|issue| issue.level == Level::Incomplete)
    {
        let at = std::net::SocketAddr::new(who.address, who.port);
        let asked = who.protocol.map_or_else(|| at.to_string(), |protocol| format!("{at}/{protocol}"));
        let nodes: Vec<String> = nodes.iter().map(|node| node.node().name).collect();
        return Err(FlowsError::Nobody { asked, nodes: nodes.join(", ") });
    }
    let mut rest = Rest { told: telling.told, limited, who: query.who, ..Rest::default() };
    rest.findings = telling.findings(query, limited, &wanted, &mut gathered);
    for ((at, netns), reader) in places.iter().zip(readers) {
        let node = nodes[*at];
        if let Some(left_out) = node.conntrack().flows_left_out(*netns) {
            let detail = format!("{left_out} flows were left out when it was written (--flows)");
            gathered.issue(Issue::incomplete("flows of the snapshot", Why::NotRecorded { detail }));
        }
        let host_network_pods = reader.world.host_network_pods.clone();
        let referred = reader.referred(&mut gathered);
        let (services, rules) = (referred.services, referred.rules);
        rest.of_nodes.push(OfNode { node: node_label(nodes, node), netns: *netns, services, rules, host_network_pods });
    }
    if let Some(found) = &wanted.pod {
        let names = NetnsNames::read(found.node, &mut gathered);
        rest.pod = Some(PodHead::of(nodes, found, &names, &mut gathered));
        rest.addresses.clone_from(&wanted.addresses);
    }
    Ok(Answer::new(nodes, rest, gathered))
}

/// The namespaces whose flows are asked for, each with its node's place.
pub fn places(
    nodes: &[&dyn NodeView],
    query: &FlowsQuery,
    wanted: &Wanted<'_>,
) -> Result<Vec<(usize, NetnsId)>, FlowsError> {
    let Some(found) = wanted.pod.as_ref().filter(|_| query.own_netns) else {
        return Ok(nodes.iter().enumerate().map(|(at, node)| (at, node.node().host_netns)).collect());
    };
    let netns = if found.sandbox.host_network { Some(found.node.node().host_netns) } else { found.sandbox.netns };
    let Some(netns) = netns else {
        let asked = found.sandbox.pod.to_string();
        return Err(FlowsError::Nowhere { asked, what: "network namespace" });
    };
    let name = found.node.node();
    let at = nodes.iter().position(|node| node.node() == name).unwrap_or(0);
    Ok(vec![(at, netns)])
}

/// The rows on their way out, and what they had.
struct Telling<'e> {
    each: Each<'e>,
    told: Counts,
    counted: bool,
    dated: bool,
    refers_to_rules: bool,
    /// Clients that are other machines beside this node, the first few.
    neighbours: BTreeSet<IpAddr>,
}

impl Telling<'_> {
    fn tell(&mut self, row: &FlowRow) -> ControlFlow<()> {
        self.told.add(row.nat);
        self.counted |= row.counted.is_some();
        self.dated |= row.began_at.is_some();
        self.refers_to_rules |= row.source_rule.is_some();
        if matches!(row.client.who, Who::Elsewhere { neighbour: true })
            && row.client.behind.is_none()
            && self.neighbours.len() <= FEW
        {
            self.neighbours.insert(row.client.address);
        }
        (self.each)(row)
    }

    /// What is worth saying of them.
    fn findings(
        &self,
        query: &FlowsQuery,
        limited: bool,
        wanted: &Wanted<'_>,
        gathered: &mut Gathered,
    ) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut note = |code, text: String| findings.push(Finding::note(code, text));
        if self.told.all > 0 {
            let text = "a listing of flows is not one instant: the table changes while the kernel tells it";
            note(Code::NotOneInstant, text.to_owned());
        }
        if self.refers_to_rules {
            let text =
                "rules are those that would match now: a flow does not remember its rule, nor SNAT from MASQUERADE";
            note(Code::WouldMatchNow, text.to_owned());
        }
        if self.told.all > 0 && !self.counted {
            let text = "bytes and packets are not recorded: nf_conntrack_acct was 0 when these flows began";
            note(Code::NotRecorded, text.to_owned());
        }
        if !self.neighbours.is_empty() {
            let mut names: Vec<String> = self.neighbours.iter().take(FEW).map(ToString::to_string).collect();
            if self.neighbours.len() > FEW {
                names.push("others".to_owned());
            }
            let text = format!(
                "{} {} beside this node, not its own: a pod may be behind another node's address, which this node cannot see; \
                 give that node too (--from, --lab)",
                names.join(", "),
                if names.len() == 1 { "is an address" } else { "are addresses" }
            );
            note(Code::BehindOtherNode, text);
        }
        if limited {
            let text = match query.limit {
                Some(limit) => format!("only {limit} flows are told (--limit): there are more"),
                None => format!("only the first {SORTED} flows are told: --limit N sorts more"),
            };
            note(Code::Limited, text);
        }
        if let Some(found) = wanted.pod.as_ref().filter(|found| found.sandbox.host_network) {
            let text = format!(
                "{} uses its node's network: these are the flows of the node's addresses, and which are the pod's \
                 cannot be told",
                found.sandbox.pod
            );
            note(Code::HostNetworkFlows, text);
        }
        let missing = match query.sort {
            Some(SortKey::Bytes) if !self.counted => Some(("bytes", "nf_conntrack_acct")),
            Some(SortKey::Packets) if !self.counted => Some(("packets", "nf_conntrack_acct")),
            Some(SortKey::Age) if !self.dated => Some(("when flows began", "nf_conntrack_timestamp")),
            _ => None,
        };
        if let Some((what, sysctl)) = missing.filter(|_| self.told.all > 0) {
            let detail = format!("not recorded, for {sysctl} was 0 when they began: these flows are in no order");
            gathered.issue(Issue::incomplete(format!("sorting flows by {what}"), Why::Unsupported { detail }));
        }
        findings.sort();
        findings
    }
}

/// One namespace's flows.
struct One<'q, 'a> {
    node: &'q dyn NodeView,
    netns: NetnsId,
    wanted: &'q Wanted<'a>,
    query: &'q FlowsQuery,
}

impl One<'_, '_> {
    /// Hands them on as the kernel tells them. Gives whether a limit ended it.
    fn stream(&self, reader: &mut Reader<'_>, telling: &mut Telling<'_>, gathered: &mut Gathered) -> bool {
        let mut limited = false;
        // Of all flows each is handed on at once; those of few addresses ask for few services.
        let together = if self.wanted.filters == [FlowFilter::default()] { 1 } else { TOGETHER };
        let mut waiting: Vec<Flow> = Vec::new();
        let mut end = ControlFlow::Continue(());
        let read = self.node.conntrack().flows(self.netns, &self.wanted.filters, &mut |flow| {
            if !self.wanted.accepts(flow) {
                return ControlFlow::Continue(());
            }
            if together == 1 {
                return self.tell(flow, reader, telling, &mut limited);
            }
            waiting.push(flow.clone());
            if waiting.len() == together {
                end = self.tell_all(&mut waiting, reader, telling, &mut limited);
            }
            end
        });
        gathered.issues.extend(read.issues);
        if end.is_continue() {
            // Nothing comes after these.
            let _ = self.tell_all(&mut waiting, reader, telling, &mut limited);
        }
        limited
    }

    fn tell_all(
        &self,
        waiting: &mut Vec<Flow>,
        reader: &mut Reader<'_>,
        telling: &mut Telling<'_>,
        limited: &mut bool,
    ) -> ControlFlow<()> {
        reader.prepare(waiting);
        waiting.drain(..).try_for_each(|flow| self.tell(&flow, reader, telling, limited))
    }

    fn tell(
        &self,
        flow: &Flow,
        reader: &mut Reader<'_>,
        telling: &mut Telling<'_>,
        limited: &mut bool,
    ) -> ControlFlow<()> {
        let row = reader.read(flow);
        if !self.wanted.accepts_row(&row) {
            return ControlFlow::Continue(());
        }
        if self.query.limit.is_some_and(|limit| telling.told.all >= limit as u64) {
            *limited = true;
            return ControlFlow::Break(());
        }
        telling.tell(&row)
    }

    /// Keeps as many as the limit allows, and hands those on.
    fn sorted(
        &self,
        key: SortKey,
        reader: &mut Reader<'_>,
        telling: &mut Telling<'_>,
        gathered: &mut Gathered,
    ) -> bool {
        let limit = self.query.limit.unwrap_or(SORTED);
        let mut kept: BinaryHeap<Kept> = BinaryHeap::new();
        let mut limited = false;
        let by_service = self.query.service.is_some();
        let read = self.node.conntrack().flows(self.netns, &self.wanted.filters, &mut |flow| {
            if !self.wanted.accepts(flow) || (by_service && !self.wanted.accepts_row(&reader.read(flow))) {
                return ControlFlow::Continue(());
            }
            let order = Order::of(flow, key);
            if kept.len() < limit {
                kept.push(Kept { order, flow: flow.clone() });
            } else {
                limited = true;
                if let Some(mut last) = kept.peek_mut()
                    && order < last.order
                {
                    *last = Kept { order, flow: flow.clone() };
                }
            }
            ControlFlow::Continue(())
        });
        gathered.issues.extend(read.issues);
        for Kept { flow, .. } in kept.into_sorted_vec() {
            if telling.tell(&reader.read(&flow)).is_break() {
                break;
            }
        }
        limited
    }
}

/// A flow's place: the most first, what is not recorded last, then by tuple, so that it is the same each time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Order(Reverse<Option<u64>>, Tuple, Zone, u32);

impl Order {
    pub(super) fn of(flow: &Flow, key: SortKey) -> Self {
        let both = |counted: fn(&crate::model::flow::Counted) -> u64| {
            flow.counters.as_ref().map(|both| counted(&both.original).saturating_add(counted(&both.reply)))
        };
        let key = match key {
            SortKey::Bytes => both(|counted| counted.bytes),
            SortKey::Packets => both(|counted| counted.packets),
            SortKey::Timeout => flow.timeout_s.map(u64::from),
            // The oldest began first.
            SortKey::Age => flow.timestamps.map(|timestamps| u64::MAX - timestamps.start_ns),
        };
        Self(Reverse(key), flow.original, flow.zone, flow.id)
    }
}

struct Kept {
    order: Order,
    flow: Flow,
}

impl PartialEq for Kept {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}

impl Eq for Kept {}

impl PartialOrd for Kept {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Kept {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.order.cmp(&other.order)
    }
}
