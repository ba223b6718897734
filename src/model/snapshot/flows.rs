//! Flows in a snapshot.
//!
//! Must not import anything from the crate but its sibling model types.

use std::ops::ControlFlow;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Snapshot, not_recorded};
use crate::model::flow::Flow;
use crate::model::flow::expectation::Expectation;
use crate::model::flow::filter::FlowFilter;
use crate::model::flow::statistics::Statistics;
use crate::model::flow::view::FlowView;
use crate::model::ids::NetnsId;
use crate::model::issue::{Read, Section};

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
        Read { value: (), issues: sections.flows.issues.clone() }
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
