//! [`FlowView`] for the live node: flows stream through, nothing of them is kept.
//!
//! May import model, wire and sys. Judges nothing.

use std::ops::ControlFlow;

use super::LiveNode;
use super::flows_ahead::FlowsAhead;
use super::memo::Memo;
use crate::collect::kernel::Namespace;
use crate::model::flow::Flow;
use crate::model::flow::expectation::Expectation;
use crate::model::flow::filter::FlowFilter;
use crate::model::flow::statistics::Statistics;
use crate::model::flow::tuple::Tuple;
use crate::model::flow::view::FlowView;
use crate::model::ids::NetnsId;
use crate::model::issue::{Read, Section};

/// What was read of the node's flows, but for the flows.
#[derive(Debug, Default)]
pub(super) struct FlowMemory {
    expectations: Memo<NetnsId, Vec<Expectation>>,
    statistics: Memo<NetnsId, Statistics>,
    ahead: FlowsAhead,
}

impl FlowView for LiveNode {
    fn flows(
        &self,
        netns: NetnsId,
        filters: &[FlowFilter],
        each: &mut dyn FnMut(&Flow) -> ControlFlow<()>,
    ) -> Read<()> {
        let begun = self.memory.flows.ahead.take(netns, filters);
        if let Some(read) = begun.and_then(|begun| begun.tell(each)) {
            return read;
        }
        self.within(netns, "flows", |namespace| namespace.flows(filters, each))
    }

    fn expect_flows(&self, netns: NetnsId, filters: &[FlowFilter]) {
        if let Some(namespace) = self.namespace(netns).value {
            self.memory.flows.ahead.begin(namespace, filters);
        }
    }

    fn flow_of(&self, netns: NetnsId, tuple: &Tuple, zone: u16) -> Read<Option<Flow>> {
        self.within(netns, "a flow", |namespace| namespace.flow_of(tuple, zone))
    }

    fn flows_left_out(&self, _netns: NetnsId) -> Option<u64> {
        None
    }

    fn expectations(&self, netns: NetnsId) -> Section<Vec<Expectation>> {
        self.memory.flows.expectations.get(netns, || self.within(netns, "expectations", Namespace::expectations))
    }

    fn flow_statistics(&self, netns: NetnsId) -> Section<Statistics> {
        let read = || self.within(netns, "statistics of flows", Namespace::flow_statistics);
        self.memory.flows.statistics.get(netns, read)
    }
}
