//! `conntrack --expectations`: the flows that helpers expect.
//!
//! May import model and its siblings only.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::Serialize;

use super::answer::places;
use super::query::{FlowsError, FlowsQuery, Wanted};
use crate::analyze::answer::{Answer, Gathered, node_label};
use crate::model::flow::expectation::Expectation;
use crate::model::view::NodeView;

/// What helpers expect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Expectations {
    /// By node, master, tuple and id.
    pub expectations: Vec<Expected>,
}

/// One expectation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Expected {
    /// The node; only where several were asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// What is expected.
    #[serde(flatten)]
    pub expectation: Expectation,
}

/// Answers `conntrack --expectations`: of the pod, protocol and zone that were asked for.
pub fn expectations(nodes: &[&dyn NodeView], query: &FlowsQuery) -> Result<Answer<Expectations>, FlowsError> {
    let mut gathered = Gathered::default();
    let wanted = Wanted::of(nodes, query, &mut gathered)?;
    let mut all = Vec::new();
    for (at, netns) in places(nodes, query, &wanted)? {
        let node = nodes[at];
        let section = node.conntrack().expectations(netns);
        let has = |address: IpAddr| wanted.addresses.contains(&address);
        let of_pod = |expected: &&Expectation| {
            let (master, tuple) = (&expected.master, &expected.tuple);
            query.own_netns
                || wanted.pod.is_none()
                || [master.src, master.dst, tuple.src, tuple.dst].into_iter().any(has)
        };
        let found = gathered
            .take(&section)
            .iter()
            .filter(of_pod)
            .filter(|expected| query.protocol.is_none_or(|protocol| expected.tuple.protocol == protocol.0))
            .filter(|expected| query.zone.is_none_or(|zone| expected.zone == zone));
        let label = node_label(nodes, node);
        all.extend(found.map(|expected| Expected { node: label.clone(), expectation: expected.clone() }));
    }
    Ok(Answer::new(nodes, Expectations { expectations: all }, gathered))
}
