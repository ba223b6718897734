//! Flows in a snapshot.
//!
//! Must not import anything from the crate but its sibling model types.

use std::ops::ControlFlow;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Snapshot, drop_hints, not_recorded};
use crate::model::flow::Flow;
use crate::model::flow::expectation::Expectation;
use crate::model::flow::filter::FlowFilter;
use crate::model::flow::statistics::Statistics;
use crate::model::flow::tuple::{Tuple, ZoneDirection};
use crate::model::flow::view::FlowView;
use crate::model::ids::NetnsId;
use crate::model::issue::{Issue, Read, Section, Why};

/// How many flows of a node a snapshot holds where nobody says how many.
pub const FLOWS: usize = 10_000;

/// The flows of one namespace.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct FlowSections {
    /// The flows, in the kernel's order.
    pub flows: Section<Vec<Flow>>,
    /// How many more there were (`--flows N`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_out: Option<u64>,
    /// What helpers expect.
    pub expectations: Section<Vec<Expectation>>,
    /// How full the table was.
    pub statistics: Section<Statistics>,
}

impl FlowSections {
    /// Reads those of a namespace, `limit` of them, the first that the node tells.
    pub(super) fn take(node: &dyn FlowView, netns: NetnsId, limit: usize) -> Self {
        let (mut flows, mut more) = (Vec::new(), 0);
        let read = if limit == 0 {
            Read::ok(())
        } else {
            node.flows(netns, &[FlowFilter::default()], &mut |flow| {
                if flows.len() < limit {
                    flows.push(flow.clone());
                } else {
                    more += 1;
                }
                ControlFlow::Continue(())
            })
        };
        let statistics = node.flow_statistics(netns);
        if limit == 0 {
            // Nobody looked; the table says how many there are.
            more = statistics.value.entries.unwrap_or(0);
        }
        let more = more + node.flows_left_out(netns).unwrap_or(0);
        // What a snapshot says of its own cut is said again by whoever reads the new one.
        let issues = read.issues.into_iter().filter(|issue| !is_cut(issue)).collect();
        Self {
            flows: Read { value: flows, issues }.section(),
            left_out: (more > 0).then_some(more),
            expectations: node.expectations(netns),
            statistics,
        }
    }

    /// Why there may have been flows that are not here.
    fn missing(&self, netns: NetnsId) -> Vec<Issue> {
        let mut issues = self.flows.issues.clone();
        if let Some(more) = self.left_out {
            let detail = format!("it holds {} of them and left out {more} (--flows)", self.flows.value.len());
            issues.push(Issue::incomplete(format!("{CUT} of {netns}"), Why::NotRecorded { detail }));
        }
        issues
    }

    /// The issues of all sections, in no order.
    pub(super) fn issues(&self) -> impl Iterator<Item = &Issue> {
        [&self.flows.issues, &self.expectations.issues, &self.statistics.issues].into_iter().flatten()
    }

    /// Drops the hints of all sections.
    pub(super) fn drop_hints(&mut self) {
        drop_hints(&mut self.flows);
        drop_hints(&mut self.expectations);
        drop_hints(&mut self.statistics);
    }
}

/// The beginning of the words with which a snapshot tells that it was cut.
const CUT: &str = "reading the flows that the snapshot left out";

fn is_cut(issue: &Issue) -> bool {
    issue.what.starts_with(CUT)
}

impl Snapshot {
    fn flow_sections(&self, netns: NetnsId) -> Option<&FlowSections> {
        self.netns.iter().find(|sections| sections.id == netns)?.flows.as_ref()
    }
}

impl FlowView for Snapshot {
    fn flows(
        &self,
        netns: NetnsId,
        filters: &[FlowFilter],
        each: &mut dyn FnMut(&Flow) -> ControlFlow<()>,
    ) -> Read<()> {
        let Some(sections) = self.flow_sections(netns) else {
            return Read { value: (), issues: not_recorded::<()>("flows").issues.clone() };
        };
        for flow in &sections.flows.value {
            if filters.iter().any(|filter| filter.accepts(flow)) && each(flow).is_break() {
                break;
            }
        }
        Read { value: (), issues: sections.missing(netns) }
    }

    fn flow_of(&self, netns: NetnsId, tuple: &Tuple, zone: u16) -> Read<Option<Flow>> {
        let Some(sections) = self.flow_sections(netns) else {
            return Read { value: None, issues: not_recorded::<()>("flows").issues.clone() };
        };
        let is_it = |flow: &&Flow| {
            (flow.original == *tuple && flow.zone.of(ZoneDirection::Original) == zone)
                || (flow.reply == *tuple && flow.zone.of(ZoneDirection::Reply) == zone)
        };
        match sections.flows.value.iter().find(is_it) {
            Some(flow) => Read::ok(Some(flow.clone())),
            None => Read { value: None, issues: sections.missing(netns) },
        }
    }

    fn flows_left_out(&self, netns: NetnsId) -> Option<u64> {
        self.flow_sections(netns)?.left_out
    }

    fn expectations(&self, netns: NetnsId) -> Section<Vec<Expectation>> {
        self.flow_sections(netns).map_or_else(|| not_recorded("expectations"), |flows| Arc::clone(&flows.expectations))
    }

    fn flow_statistics(&self, netns: NetnsId) -> Section<Statistics> {
        self.flow_sections(netns)
            .map_or_else(|| not_recorded("statistics of flows"), |flows| Arc::clone(&flows.statistics))
    }
}
