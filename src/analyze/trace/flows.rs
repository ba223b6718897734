//! What the pod is talking to, in numbers: its flows as the node tracks them, by kind.
//!
//! May import model and its siblings only.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::ControlFlow;

use schemars::JsonSchema;
use serde::Serialize;

use crate::analyze::answer::Gathered;
use crate::analyze::flows::answer::Counts;
use crate::analyze::flows::state::StateWord;
use crate::analyze::flows::types::NatKind;
use crate::analyze::identity::Found;
use crate::analyze::nat;
use crate::model::flow::filter::FlowFilter;
use crate::model::issue::{Issue, Why};

/// The pod's flows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FlowsStep {
    /// By what was translated.
    pub kinds: Counts,
    /// By how they stand.
    pub states: BTreeMap<StateWord, u64>,
    /// Whether these are the flows of the whole node, whose addresses a hostNetwork pod shares.
    pub of_node: bool,
}

/// Says that the flows are going to be counted: the kernel walks over its whole table for that, and may do so while
/// the road is walked.
pub(super) fn expect(found: &Found<'_>, gathered: &mut Gathered) -> Vec<FlowFilter> {
    let addresses: Vec<IpAddr> = nat::addresses(found, gathered);
    let filters: Vec<FlowFilter> = addresses.into_iter().flat_map(FlowFilter::places_of).collect();
    if !filters.is_empty() {
        found.node.conntrack().expect_flows(found.node.node().host_netns, &filters);
    }
    filters
}

/// Counts the flows that were expected; `None` where the pod has no address, and where a snapshot holds no flows.
pub(super) fn step(found: &Found<'_>, filters: &[FlowFilter], gathered: &mut Gathered) -> Option<FlowsStep> {
    if filters.is_empty() {
        return None;
    }
    let host = found.node.node().host_netns;
    let mut step = FlowsStep { kinds: Counts::default(), states: BTreeMap::new(), of_node: found.sandbox.host_network };
    let read = found.node.conntrack().flows(host, filters, &mut |flow| {
        step.kinds.add(NatKind::of(flow));
        *step.states.entry(StateWord::of(flow)).or_default() += 1;
        ControlFlow::Continue(())
    });
    let is_not_recorded = |issue: &Issue| matches!(issue.why, Why::NotRecorded { .. });
    if !read.issues.is_empty() && read.issues.iter().all(is_not_recorded) {
        return None;
    }
    gathered.issues.extend(read.issues);
    if let Some(left_out) = found.node.conntrack().flows_left_out(host) {
        let detail = format!("{left_out} flows were left out when it was written (--flows)");
        gathered.issue(Issue::incomplete("flows of the snapshot", Why::NotRecorded { detail }));
    }
    Some(step)
}
