//! `conntrack --stale`: flows that keep packets from where the rules would send them now, with the command that
//! would remove each. Nothing is removed here.
//!
//! The rules may change while flows are read, so what is judged is bounded by time on both sides: the roads that
//! translated flows take are listed first, then the rules are read, then the flows themselves. A flow on a road
//! that was seen before the rules were is not newer than they are. May import model and its siblings only.

mod command;
mod judge;
mod range;
pub mod types;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::ops::ControlFlow;
use std::sync::Arc;

use self::judge::{Judge, Road, Verdict};
use self::range::{Owned, Range};
use self::types::{AskedFor, Stale, StaleFlow, StaleKind};
use super::reader::destination_changed;
use super::state::StateWord;
use super::types::{L4, Party, Who};
use super::world::World;
use crate::analyze::answer::{Answer, Gathered, node_label};
use crate::analyze::identity::{FindError, PodQuery, find_pod};
use crate::model::flow::Flow;
use crate::model::flow::filter::FlowFilter;
use crate::model::flow::status::Status;
use crate::model::flow::tuple::{Tuple, Zone};
use crate::model::issue::{Issue, Why};
use crate::model::view::NodeView;

/// How many roads are judged; flows of one service and endpoint share one.
const MOST_ROADS: usize = 100_000;
/// How many flows of each list are held, on each node.
const MOST_HELD: usize = 10_000;
/// How many reasons for not knowing are told apart.
const MOST_REASONS: usize = 20;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StaleQuery {
    /// Only flows of this pod.
    pub pod: Option<PodQuery>,
    /// At most so many of each list.
    pub limit: Option<usize>,
}

/// Answers `conntrack --stale`.
pub fn stale(nodes: &[&dyn NodeView], query: &StaleQuery) -> Result<Answer<Stale>, FindError> {
    let mut gathered = Gathered::default();
    let mut data = Stale::default();
    match &query.pod {
        None => {
            for at in 0..nodes.len() {
                Search::new(nodes, at, &mut gathered).run(None, &mut data, &mut gathered);
            }
        }
        Some(asked) => {
            let found = find_pod(nodes, asked, &mut gathered)?;
            let own = found.node.node();
            let at = nodes.iter().position(|node| node.node() == own).unwrap_or(0);
            let search = Search::new(nodes, at, &mut gathered);
            let addresses = if found.sandbox.host_network {
                search.world.addresses_of_node()
            } else {
                search.world.addresses_of(&found.sandbox.pod)
            };
            search.run(Some(&addresses), &mut data, &mut gathered);
        }
    }
    data.flows.sort_by(|one, other| order(one).cmp(&order(other)));
    data.draining.sort_by(|one, other| order(one).cmp(&order(other)));
    gathered.bad |= !data.flows.is_empty();
    let most = query.limit.unwrap_or(usize::MAX);
    data.not_told += cut(&mut data.flows, most);
    data.draining_not_told += cut(&mut data.draining, most);
    Ok(Answer::new(nodes, data, gathered))
}

/// Keeps the first so many, and says how many that leaves out.
fn cut(flows: &mut Vec<StaleFlow>, most: usize) -> u64 {
    let left_out = flows.len().saturating_sub(most);
    flows.truncate(most);
    left_out as u64
}

type Order<'f> =
    (&'f Option<String>, StaleKind, L4, (IpAddr, Option<u16>), (IpAddr, Option<u16>), (IpAddr, Option<u16>), Zone, u32);

fn order(flow: &StaleFlow) -> Order<'_> {
    let of = |party: &Party| (party.address, party.port);
    let asked = (flow.asked_for.address, flow.asked_for.port);
    (&flow.node, flow.kind, flow.protocol, asked, of(&flow.served_by), of(&flow.client), flow.zone, flow.id)
}

/// A flow that will be told, unless somebody turns out to have the address that it goes to.
struct Candidate {
    original: Tuple,
    reply: Tuple,
    zone: Zone,
    id: u32,
    state: StateWord,
    timeout_s: Option<u32>,
    /// What the rules say of it; `None`: nothing is the matter with it.
    said: Option<(StaleKind, Arc<str>)>,
    /// The range that its endpoint's address is of, where no pod is known to have it.
    ownerless: Option<Range>,
}

/// The search on one node.
struct Search<'a> {
    nodes: &'a [&'a dyn NodeView],
    node: &'a dyn NodeView,
    world: World,
}

impl<'a> Search<'a> {
    fn new(nodes: &'a [&'a dyn NodeView], at: usize, gathered: &mut Gathered) -> Self {
        Self { nodes, node: nodes[at], world: World::read(nodes, at, gathered) }
    }

    /// Looks at all flows, or at those of some addresses.
    fn run(self, of: Option<&[IpAddr]>, data: &mut Stale, gathered: &mut Gathered) {
        let host = self.node.node().host_netns;
        let view = self.node.conntrack();
        let filters: Vec<FlowFilter> = match of {
            None => vec![FlowFilter::default()],
            Some(addresses) => addresses.iter().flat_map(|address| FlowFilter::places_of(*address)).collect(),
        };
        let translated: Vec<FlowFilter> = filters
            .iter()
            .map(|filter| FlowFilter { status: Some((Status::DST_NAT, Status::DST_NAT)), ..filter.clone() })
            .collect();
        let mut roads: BTreeSet<Road> = BTreeSet::new();
        let mut is_full = false;
        let read = view.flows(host, &translated, &mut |flow| {
            if let Some(road) = Road::of(flow) {
                if roads.len() < MOST_ROADS {
                    roads.insert(road);
                } else {
                    is_full |= !roads.contains(&road);
                }
            }
            ControlFlow::Continue(())
        });
        gathered.take(&read);
        if is_full {
            let detail = format!(
                "there are more than {MOST_ROADS} pairs of an address that was asked for and an endpoint: flows of the others are not judged"
            );
            gathered.issue(Issue::incomplete("judging flows", Why::Unsupported { detail }));
        }
        let judge = Judge::new(self.node, roads, &self.world, gathered);
        let ranges = range::of_pods(self.node, gathered);
        let mut looking = Looking {
            judge: &judge,
            world: &self.world,
            ranges: &ranges,
            candidates: Vec::new(),
            draining: Vec::new(),
            zones: false,
            unknown: BTreeMap::new(),
            data,
        };
        let read = view.flows(host, &filters, &mut |flow| {
            looking.look(flow);
            ControlFlow::Continue(())
        });
        gathered.take(&read);
        let Looking { candidates, draining, zones, unknown, .. } = looking;
        self.left_out(gathered);
        not_known(unknown, data, gathered);
        self.tell(candidates, draining, zones, data, gathered);
    }

    /// A cut snapshot may have left out what is asked for.
    fn left_out(&self, gathered: &mut Gathered) {
        if let Some(left_out) = self.node.conntrack().flows_left_out(self.node.node().host_netns) {
            let detail = format!("{left_out} flows are not in it: whether they are stale is not known");
            gathered.issue(Issue::incomplete("flows of the snapshot", Why::NotRecorded { detail }));
        }
    }

    fn tell(
        &self,
        candidates: Vec<Candidate>,
        draining: Vec<Candidate>,
        zones: bool,
        data: &mut Stale,
        gathered: &mut Gathered,
    ) {
        let is_ownerless = |candidate: &&Candidate| candidate.ownerless.is_some();
        let owned = candidates.iter().find(is_ownerless).map(|_| Owned::read(self.node, gathered));
        let mut unsure = 0_u64;
        for candidate in candidates {
            let address = candidate.reply.src;
            let nobody = match (&owned, candidate.ownerless) {
                (Some(owned), Some(range)) => owned.nobody_has(address).map(|nobody| nobody.then_some(range)),
                _ => Some(None),
            };
            match (nobody, &candidate.said) {
                (Some(Some(range)), _) => {
                    let reason = format!(
                        "no namespace of this node has {address}, which is of its pod range {}: no packet gets there",
                        range.subnet
                    );
                    data.flows.push(self.row(&candidate, StaleKind::AddressGone, reason, zones));
                }
                (None, None | Some((StaleKind::Draining, _))) => unsure += 1,
                (_, Some((StaleKind::Draining, reason))) => {
                    data.draining.push(self.row(&candidate, StaleKind::Draining, reason.to_string(), zones));
                }
                (_, Some((kind, reason))) => data.flows.push(self.row(&candidate, *kind, reason.to_string(), zones)),
                (Some(None), None) => {}
            }
        }
        for candidate in draining {
            let reason = candidate.said.as_ref().map_or_else(String::new, |(_, reason)| reason.to_string());
            data.draining.push(self.row(&candidate, StaleKind::Draining, reason, zones));
        }
        if data.flows.is_empty() && data.not_told > 0 {
            let detail = format!("whose addresses more than {MOST_HELD} of them go to was not looked up");
            gathered.issue(Issue::incomplete("judging connections", Why::Unsupported { detail }));
        }
        if unsure > 0 {
            data.unknown += unsure;
            let detail = "not every namespace's addresses could be read: whether a pod has the address that they go to is \
                          not known";
            let what = format!("judging {unsure} connections");
            gathered.issue(Issue::incomplete(what, Why::Unsupported { detail: detail.to_owned() }));
        }
    }

    fn row(&self, candidate: &Candidate, kind: StaleKind, reason: String, zones: bool) -> StaleFlow {
        let Candidate { original, reply, zone, id, state, timeout_s, .. } = candidate;
        let party =
            |address: IpAddr, port: Option<u16>| Party { address, port, who: self.world.who(address), behind: None };
        let removes = kind != StaleKind::Draining;
        let command = removes.then(|| command::delete(original, reply, *zone, zones)).flatten();
        StaleFlow {
            node: node_label(self.nodes, self.node),
            kind,
            protocol: L4(original.protocol),
            client: party(original.src, original.src_port()),
            asked_for: AskedFor { address: original.dst, port: original.dst_port() },
            served_by: party(reply.src, reply.src_port()),
            seen_as: party(reply.dst, reply.dst_port()),
            state: *state,
            left_ms: timeout_s.map(|seconds| u64::from(seconds) * 1000),
            zone: *zone,
            id: *id,
            reason,
            command,
        }
    }
}

/// Says of how many flows it is not known, and why.
fn not_known(unknown: BTreeMap<Arc<str>, u64>, data: &mut Stale, gathered: &mut Gathered) {
    for (why, flows) in unknown {
        data.unknown += flows;
        let noun = if flows == 1 { "flow" } else { "flows" };
        gathered
            .issue(Issue::incomplete(format!("judging {flows} {noun}"), Why::Unsupported { detail: why.to_string() }));
    }
}

/// What is known while flows pass.
struct Looking<'l> {
    judge: &'l Judge<'l>,
    world: &'l World,
    ranges: &'l [Range],
    candidates: Vec<Candidate>,
    /// Those that are told whoever has their address: none of theirs is of this node's ranges.
    draining: Vec<Candidate>,
    /// Whether a flow of another zone than the default one was seen.
    zones: bool,
    unknown: BTreeMap<Arc<str>, u64>,
    data: &'l mut Stale,
}

impl Looking<'_> {
    fn look(&mut self, flow: &Flow) {
        self.zones |= !flow.zone.is_default();
        let Some(road) = Road::of(flow).filter(|_| !flow.status.has(Status::DYING)) else { return };
        self.data.judged += 1;
        let said = self.said(flow, &road);
        let ownerless = self.ownerless(&road);
        let state = StateWord::of(flow);
        if said.is_none() && ownerless.is_none() {
            return;
        }
        if road.is_connection() && state == StateWord::Closed {
            self.data.over += 1;
            return;
        }
        let is_draining = matches!(said, Some((StaleKind::Draining, _))) && ownerless.is_none();
        let (list, more) = if is_draining {
            (&mut self.draining, &mut self.data.draining_not_told)
        } else {
            (&mut self.candidates, &mut self.data.not_told)
        };
        if list.len() >= MOST_HELD {
            *more += 1;
            return;
        }
        list.push(Candidate {
            original: flow.original,
            reply: flow.reply,
            zone: flow.zone,
            id: flow.id,
            state,
            timeout_s: flow.timeout_s,
            said,
            ownerless,
        });
    }

    /// What the rules say of it.
    fn said(&mut self, flow: &Flow, road: &Road) -> Option<(StaleKind, Arc<str>)> {
        if !flow.status.has(Status::DST_NAT) {
            if destination_changed(flow) {
                return None;
            }
            let title = self.judge.cluster_ip(road)?;
            let reason = format!(
                "{} is {title}'s, and the flow goes there as it is: it began before the rules were there, and they are \
                 not asked again",
                road.asked
            );
            return Some((StaleKind::NotTranslated, reason.into()));
        }
        match self.judge.of(road) {
            None => {
                self.data.newer += 1;
                None
            }
            Some(Verdict::Fine) => None,
            Some(Verdict::Stale(kind, reason)) => Some((*kind, Arc::clone(reason))),
            Some(Verdict::Draining(reason)) => Some((StaleKind::Draining, Arc::clone(reason))),
            Some(Verdict::Unknown(why)) => {
                let many = self.unknown.len() >= MOST_REASONS && !self.unknown.contains_key(why);
                let why = if many { "other rules could not be read either".into() } else { Arc::clone(why) };
                *self.unknown.entry(why).or_default() += 1;
                None
            }
        }
    }

    /// The range of a connection's endpoint, where no pod and not the node itself is known to have the address.
    fn ownerless(&self, road: &Road) -> Option<Range> {
        let address = road.went.ip();
        let range = *self.ranges.iter().find(|range| range.contains(address))?;
        let is_here = matches!(self.world.who(address), Who::Pod { on: None, .. } | Who::Node { on: None });
        (road.is_connection() && !is_here).then_some(range)
    }
}
