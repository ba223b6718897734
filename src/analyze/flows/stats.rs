//! `conntrack --stats`: how full the table of flows is, who fills it, what the kernel counted about it, and how
//! many ports of a masquerade address are taken.
//!
//! May import model and its siblings only. Flows are counted as they pass and none is kept.

pub mod counters;
mod findings;
mod ports;
mod tally;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::ControlFlow;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use self::counters::{Counter, counters};
use self::ports::{IDENTIFIERS, Ports, UNPRIVILEGED};
use self::tally::{Holders, Tally};
use super::types::{L4, Who};
use crate::analyze::answer::{Answer, Gathered, node_label};
use crate::analyze::finding::{Finding, Weight};
use crate::analyze::identity::{FindError, PodQuery, find_pod};
use crate::analyze::services::pods::Pods;
use crate::model::flow::filter::FlowFilter;
use crate::model::ids::NetnsId;
use crate::model::issue::{Issue, Why};
use crate::model::sandbox::PodName;
use crate::model::view::NodeView;

/// How many destinations are told whose ports are taken.
const MOST_DESTINATIONS: usize = 20;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StatsQuery {
    /// Only what concerns this pod.
    pub pod: Option<PodQuery>,
    /// The table of the pod's own namespace, not the node's.
    pub own: bool,
}

/// The tables of flows, a node each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FlowStats {
    /// In the order in which the nodes were named.
    pub tables: Vec<TableStats>,
}

/// The table of flows of one namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct TableStats {
    /// The node; only where several were asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// The namespace.
    pub netns: NetnsId,
    /// The pod whose namespace it is; left out for the node's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod: Option<PodName>,
    /// Flows that the kernel counts in the table, those included that no packet has confirmed yet.
    pub entries: Option<u64>,
    /// The most that it takes, as the kernel's `nf_conntrack_max`; 0 is no limit.
    pub limit: Option<u64>,
    /// How full it is, in thousandths of the limit; `None` where there is none or it is not known.
    pub full_per_mille: Option<u64>,
    /// Hash buckets, which all namespaces share.
    pub buckets: Option<u64>,
    /// Flows that helpers expect; `None` where they could not be read.
    pub expectations: Option<u64>,
    /// The most of them.
    pub expectations_limit: Option<u64>,
    /// What the kernel counted since the namespace began.
    pub counters: Vec<Counter>,
    /// Flows that were listed: less than `entries` where some are not confirmed yet, or left out of a snapshot.
    pub listed: u64,
    /// Flows that a snapshot left out; they are in no figure below.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left_out: Option<u64>,
    /// Listed flows by protocol, the most first.
    pub protocols: Vec<ProtocolFlows>,
    /// Who fills the table, the most first. A flow between two of them counts for both.
    pub holders: Vec<HolderFlows>,
    /// Ports that are taken, the fullest first; the first 20.
    pub ports: Vec<PortsTaken>,
    /// How many other destinations are masqueraded to, with fewer ports taken each.
    pub destinations_not_told: u64,
    /// What was found, sorted by weight.
    pub findings: Vec<Finding>,
}

/// Flows of one protocol.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ProtocolFlows {
    /// Which.
    pub protocol: L4,
    /// All of them.
    pub flows: u64,
    /// Those that were answered by no packet yet.
    pub unanswered: u64,
    /// Those that are not thrown away when the table is full.
    pub assured: u64,
}

/// Flows of one pod, or of the node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct HolderFlows {
    /// Whose; elsewhere: neither end is a pod of this node or the node itself.
    pub who: Who,
    /// Flows that it takes part in.
    pub flows: u64,
    /// Those that it began; `None` where nobody of this node takes part.
    pub begun: Option<u64>,
    /// Those that it serves.
    pub served: Option<u64>,
    /// Its flows in thousandths of the table's limit; `None` where there is none or it is not known.
    pub of_limit_per_mille: Option<u64>,
}

/// Ports of a masquerade address that are taken towards one destination.
///
/// Two flows may have one port as long as their destinations differ, so each destination has a limit of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PortsTaken {
    /// The protocol.
    pub protocol: L4,
    /// The address that the destination sees.
    pub address: IpAddr,
    /// The destination, after any DNAT.
    pub destination: IpAddr,
    /// Its port; `None` for echoes, whose identifiers are counted instead.
    pub destination_port: Option<u16>,
    /// Taken from 1024 on: by masqueraded flows, and by the node's own.
    pub taken: u64,
    /// Those of them that are the node's own flows, which keep their source.
    pub node_itself: u64,
    /// How many there are: 64,512 ports from 1024 on, or 65,536 identifiers. A rule with `--to-ports` has fewer.
    pub limit: u64,
    /// Ports below 1024, which have limits of their own: a source port below 1024 keeps below it.
    pub below_1024: u64,
    /// Masqueraded flows by who began them, the most first.
    pub shares: Vec<PortShare>,
}

/// The ports that one takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PortShare {
    /// Who began the flows.
    pub who: Who,
    /// How many.
    pub taken: u64,
}

/// Answers `conntrack --stats`.
pub fn stats(nodes: &[&dyn NodeView], query: &StatsQuery) -> Result<Answer<FlowStats>, FindError> {
    let mut gathered = Gathered::default();
    let mut tables = Vec::new();
    if let Some(asked) = &query.pod {
        let found = find_pod(nodes, asked, &mut gathered)?;
        let label = node_label(nodes, found.node);
        let pod = found.sandbox.pod.clone();
        if query.own && !found.sandbox.host_network {
            if let Some(netns) = found.sandbox.netns {
                tables.push(table(found.node, netns, Some(pod), label, &mut gathered));
            } else {
                let detail = format!("the network namespace of {pod} is gone or cannot be read");
                gathered.issue(Issue::incomplete("reading the pod's own flows", Why::Gone { detail }));
            }
        } else {
            let host = found.node.node().host_netns;
            let mut table = table(found.node, host, None, label, &mut gathered);
            let is_its = |who: &Who| match who {
                Who::Node { .. } => found.sandbox.host_network,
                Who::Pod { pod: its, .. } => **its == pod,
                _ => false,
            };
            table.holders.retain(|holder| is_its(&holder.who));
            table.ports.retain(|ports| {
                ports.shares.iter().any(|share| is_its(&share.who))
                    || (found.sandbox.host_network && ports.node_itself > 0)
            });
            table.destinations_not_told = 0;
            if found.sandbox.host_network {
                table.findings.push(findings::host_network());
                table.findings.sort();
            }
            tables.push(table);
        }
    } else {
        for node in nodes {
            let host = node.node().host_netns;
            tables.push(table(*node, host, None, node_label(nodes, *node), &mut gathered));
        }
    }
    gathered.bad |= tables.iter().flat_map(|table| &table.findings).any(|finding| finding.weight == Weight::Bad);
    Ok(Answer::new(nodes, FlowStats { tables }, gathered))
}

fn table(
    node: &dyn NodeView,
    netns: NetnsId,
    pod: Option<PodName>,
    label: Option<String>,
    gathered: &mut Gathered,
) -> TableStats {
    let view = node.conntrack();
    let section = view.flow_statistics(netns);
    let statistics = gathered.take(&section).clone();
    let expected = view.expectations(netns);
    let expectations = expected.issues.is_empty().then_some(expected.value.len() as u64);
    let names = Names::read(node, pod.as_ref(), gathered);
    let mut tally = Tally::new(&names.holders);
    let read = view.flows(netns, &[FlowFilter::default()], &mut |flow| {
        tally.count(flow);
        ControlFlow::Continue(())
    });
    gathered.take(&read);
    let left_out = view.flows_left_out(netns);
    let Tally { flows: listed, protocols, parts, ports, .. } = tally;
    let short_by = ports.short_by;
    let limit = statistics.limit.filter(|limit| *limit > 0);
    let per_mille = |flows: u64| limit.map(|limit| flows.saturating_mul(1000) / limit);
    let mut protocols: Vec<ProtocolFlows> = protocols
        .into_iter()
        .map(|(protocol, of)| ProtocolFlows {
            protocol: L4(protocol),
            flows: of.flows,
            unanswered: of.unanswered,
            assured: of.assured,
        })
        .collect();
    protocols.sort_by_key(|of| (std::cmp::Reverse(of.flows), of.protocol));
    let mut holders: Vec<HolderFlows> = parts
        .into_iter()
        .map(|(holder, part)| HolderFlows {
            who: names.who(holder),
            flows: part.flows,
            begun: holder.map(|_| part.begun),
            served: holder.map(|_| part.served),
            of_limit_per_mille: per_mille(part.flows),
        })
        .collect();
    holders.sort_by(|one, other| other.flows.cmp(&one.flows).then_with(|| one.who.cmp(&other.who)));
    let (ports, destinations_not_told) = taken(ports, &names);
    let mut table = TableStats {
        node: label,
        netns,
        pod,
        entries: statistics.entries,
        limit: statistics.limit,
        full_per_mille: statistics.entries.and_then(per_mille),
        buckets: statistics.buckets,
        expectations,
        expectations_limit: statistics.expectations_limit,
        counters: counters(&statistics),
        listed,
        left_out,
        protocols,
        holders,
        ports,
        destinations_not_told,
        findings: Vec::new(),
    };
    table.findings = findings::of(&table, short_by);
    table
}

fn taken(ports: Ports, names: &Names) -> (Vec<PortsTaken>, u64) {
    let all = ports.done();
    let not_told = all.len().saturating_sub(MOST_DESTINATIONS) as u64;
    let told = all.into_iter().take(MOST_DESTINATIONS).map(|(towards, of)| {
        let mut shares: Vec<PortShare> =
            of.shares.iter().map(|(who, taken)| PortShare { who: names.who(*who), taken: u64::from(*taken) }).collect();
        shares.sort_by(|one, other| other.taken.cmp(&one.taken).then_with(|| one.who.cmp(&other.who)));
        PortsTaken {
            protocol: L4(towards.protocol),
            address: towards.address,
            destination: towards.destination,
            destination_port: towards.port,
            taken: u64::from(of.masqueraded) + u64::from(of.own),
            node_itself: u64::from(of.own),
            limit: if towards.port.is_some() { UNPRIVILEGED } else { IDENTIFIERS },
            below_1024: u64::from(of.privileged),
            shares,
        }
    });
    (told.collect(), not_told)
}

/// Who the numbers of [`Holders`] stand for.
struct Names {
    holders: Holders,
    whose: Vec<Who>,
    /// What is said of an address that is nobody's here.
    else_where: Who,
}

impl Names {
    /// The pods and the node; for a pod's own namespace, that pod alone.
    fn read(node: &dyn NodeView, own: Option<&PodName>, gathered: &mut Gathered) -> Self {
        let pods = Pods::read(node, gathered);
        let mut names = Self {
            holders: Holders::default(),
            whose: vec![Who::Node { on: None }],
            else_where: if pods.is_complete() { Who::Elsewhere { neighbour: false } } else { Who::Unknown },
        };
        match own {
            None => {
                names.holders.node.extend(pods.of_node().map(|address| (address, 0)));
                names.holders.loopback = Some(0);
            }
            Some(_) => names.holders.loopback = Some(1),
        }
        let mut known: BTreeMap<&PodName, u32> = BTreeMap::new();
        for (address, pod) in pods.by_address().filter(|(_, pod)| own.is_none_or(|own| own == *pod)) {
            let next = u32::try_from(names.whose.len()).unwrap_or(u32::MAX);
            let number = *known.entry(pod).or_insert(next);
            if number == next {
                names.whose.push(Who::Pod { on: None, pod: Arc::new(pod.clone()) });
            }
            names.holders.pods.insert(address, number);
        }
        names
    }

    fn who(&self, holder: Option<u32>) -> Who {
        holder.and_then(|number| self.whose.get(number as usize)).unwrap_or(&self.else_where).clone()
    }
}

#[cfg(test)]
mod tests;
