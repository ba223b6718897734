//! Flows of several nodes, joined into conversations: what leaves one node as this is what the next one was asked.
//!
//! May import model and its siblings only.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::answer::Order;
use super::query::{FlowsQuery, Wanted};
use super::reader::Reader;
use super::types::{Behind, FlowRow, Party, Who};
use crate::analyze::answer::Gathered;
use crate::model::flow::Flow;
use crate::model::flow::filter::{FlowFilter, TupleFilter};
use crate::model::flow::tuple::{Key, Tuple};
use crate::model::ids::NetnsId;
use crate::model::issue::{Issue, Why};
use crate::model::keyed::Keyed;
use crate::model::view::NodeView;

/// How many flows are held to be joined.
const MOST: usize = 100_000;

/// The flows of several nodes.
pub(super) struct Joined {
    /// Each with the place of its node.
    flows: Vec<(usize, Flow)>,
    /// How many of them were asked for; the rest only tell who is behind those.
    asked: usize,
}

impl Joined {
    /// Reads what was asked for on all nodes.
    pub(super) fn read(
        nodes: &[&dyn NodeView],
        places: &[(usize, NetnsId)],
        wanted: &Wanted<'_>,
        gathered: &mut Gathered,
    ) -> Self {
        let mut flows = Vec::new();
        for (place, (at, netns)) in places.iter().enumerate() {
            let mut cut = false;
            let read = nodes[*at].conntrack().flows(*netns, &wanted.filters, &mut |flow| {
                if flows.len() >= MOST {
                    cut = true;
                    return ControlFlow::Break(());
                }
                if wanted.accepts(flow) {
                    flows.push((place, flow.clone()));
                }
                ControlFlow::Continue(())
            });
            gathered.issues.extend(read.issues);
            if cut {
                let detail =
                    format!("over several nodes no more than {MOST} are joined; ask for fewer, or for one node");
                let what = format!("flows of {}", nodes[*at].node().name);
                gathered.issue(Issue::incomplete(what, Why::Unsupported { detail }));
            }
        }
        let asked = flows.len();
        Self { flows, asked }
    }

    /// Reads the other halves of what was found: flows that other nodes hold under an address of a node alone.
    pub(super) fn read_others(
        &mut self,
        nodes: &[&dyn NodeView],
        places: &[(usize, NetnsId)],
        readers: &[Reader<'_>],
        gathered: &mut Gathered,
    ) {
        let known: Keyed<(usize, Tuple), ()> = self.flows.iter().map(|(place, flow)| (*place, flow.original)).collect();
        let mut onward: BTreeSet<Tuple> = BTreeSet::new();
        let mut before: BTreeSet<Tuple> = BTreeSet::new();
        for (place, flow) in &self.flows {
            let exit = exit(flow);
            if exit != flow.original {
                onward.insert(exit);
            }
            // The client is another node: who is behind it, that one knows.
            if matches!(readers[*place].world.who(flow.original.src), Who::Node { on: Some(_) }) {
                before.insert(flow.original);
            }
        }
        if onward.is_empty() && before.is_empty() {
            return;
        }
        let mut filters: Vec<FlowFilter> = Vec::new();
        for address in addresses(&onward) {
            let original = TupleFilter { src: Some(address), ..TupleFilter::default() };
            filters.push(FlowFilter { ipv6: Some(address.is_ipv6()), original, ..FlowFilter::default() });
        }
        for address in addresses(&before) {
            let reply = TupleFilter { dst: Some(address), ..TupleFilter::default() };
            filters.push(FlowFilter { ipv6: Some(address.is_ipv6()), reply, ..FlowFilter::default() });
        }
        for (place, (at, netns)) in places.iter().enumerate() {
            let flows = &mut self.flows;
            let read = nodes[*at].conntrack().flows(*netns, &filters, &mut |flow| {
                let is_other = onward.contains(&flow.original) || before.contains(&exit(flow));
                if is_other && !known.contains(&(place, flow.original)) {
                    flows.push((place, flow.clone()));
                }
                ControlFlow::Continue(())
            });
            gathered.issues.extend(read.issues);
        }
    }

    /// Hands on the rows, those of a conversation together. Gives whether a limit ended it.
    pub(super) fn tell(
        &self,
        readers: &mut [Reader<'_>],
        query: &FlowsQuery,
        wanted: &Wanted<'_>,
        each: &mut dyn FnMut(&FlowRow) -> ControlFlow<()>,
    ) -> bool {
        let mut chains = self.chains(readers);
        if let Some(key) = query.sort {
            chains.sort_by_cached_key(|chain| chain.iter().map(|at| Order::of(&self.flows[*at].1, key)).min());
        }
        let mut told = 0;
        let mut number = 0;
        for chain in chains {
            if !chain.iter().any(|at| *at < self.asked) {
                continue;
            }
            let mut rows: Vec<FlowRow> = chain
                .iter()
                .map(|at| {
                    let (place, flow) = &self.flows[*at];
                    readers[*place].read(flow)
                })
                .collect();
            if !rows.iter().any(|row| wanted.accepts_row(row)) {
                continue;
            }
            if rows.len() > 1 {
                number += 1;
                for row in &mut rows {
                    row.conversation = Some(number);
                }
                connect(&mut rows, readers, &chain.iter().map(|at| self.flows[*at].0).collect::<Vec<_>>());
            }
            for row in &rows {
                if query.limit.is_some_and(|limit| told >= limit) {
                    return true;
                }
                told += 1;
                if each(row).is_break() {
                    return false;
                }
            }
        }
        false
    }

    /// The flows in conversations, each from its client's side on, in the order in which they were read first.
    fn chains(&self, readers: &[Reader<'_>]) -> Vec<Vec<usize>> {
        let mut begins: Keyed<Tuple, Vec<usize>> = Keyed::default();
        for (at, (_, flow)) in self.flows.iter().enumerate() {
            begins.get_or_insert_with(flow.original, Vec::new).push(at);
        }
        let mut next: Vec<Option<usize>> = vec![None; self.flows.len()];
        let mut has_before = vec![false; self.flows.len()];
        // Where nothing is translated both nodes hold the same tuples: the client's own node comes first.
        let rank = |at: usize| {
            let (place, flow) = &self.flows[at];
            let client = readers[*place].world.who(flow.original.src);
            let is_own = matches!(client, Who::Pod { on: None, .. } | Who::Node { on: None });
            (!is_own, *place)
        };
        for (at, (place, flow)) in self.flows.iter().enumerate() {
            let exit = exit(flow);
            let Some(candidates) = begins.get(&exit) else { continue };
            let found = candidates.iter().find(|other| {
                let (its, _) = &self.flows[**other];
                its != place && !has_before[**other] && (exit != flow.original || rank(at) < rank(**other))
            });
            if let Some(other) = found {
                next[at] = Some(*other);
                has_before[*other] = true;
            }
        }
        let mut seen = vec![false; self.flows.len()];
        let mut chains: Vec<Vec<usize>> = Vec::new();
        let firsts = (0..self.flows.len()).filter(|at| !has_before[*at]).chain(0..self.flows.len());
        for first in firsts {
            let mut chain = Vec::new();
            let mut at = Some(first);
            while let Some(here) = at.filter(|here| !seen[*here]) {
                seen[here] = true;
                chain.push(here);
                at = next[here];
            }
            if !chain.is_empty() {
                chains.push(chain);
            }
        }
        chains.sort_by_key(|chain| chain.iter().min().copied());
        chains
    }
}

/// Tells each flow's client by what the node before knows, and each flow's server by what the next one knows.
fn connect(rows: &mut [FlowRow], readers: &[Reader<'_>], places: &[usize]) {
    for at in 1..rows.len() {
        let (before, from) = (&rows[at - 1], &readers[places[at - 1]]);
        let party = before.client.clone();
        if party.address != rows[at].client.address || party.port != rows[at].client.port {
            let node = from.name();
            rows[at].client.behind = Some(Box::new(Behind { node, party }));
        }
    }
    for at in (1..rows.len()).rev() {
        let (after, from): (Party, Arc<str>) = (rows[at].served_by.clone(), readers[places[at]].name());
        let row = &mut rows[at - 1];
        if after.address != row.served_by.address || after.port != row.served_by.port {
            row.served_by.behind = Some(Box::new(Behind { node: from, party: after }));
        }
    }
}

/// The original tuple that the next node sees.
fn exit(flow: &Flow) -> Tuple {
    let key = match (flow.original.key, flow.reply.key) {
        (Key::Icmp { kind, code, .. }, Key::Icmp { id, .. }) => Key::Icmp { kind, code, id },
        (_, Key::Ports { src, dst }) => Key::Ports { src: dst, dst: src },
        (key, _) => key,
    };
    Tuple { src: flow.reply.dst, dst: flow.reply.src, protocol: flow.original.protocol, key }
}

fn addresses(tuples: &BTreeSet<Tuple>) -> Vec<IpAddr> {
    let mut all: Vec<IpAddr> = tuples.iter().map(|tuple| tuple.src).collect();
    all.sort_unstable();
    all.dedup();
    all
}
