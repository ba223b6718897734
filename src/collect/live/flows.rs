//! [`FlowView`] for the live node: flows stream through, nothing of them is kept.
//!
//! May import model, wire and sys. Judges nothing.

use std::ops::ControlFlow;

use super::LiveNode;
use crate::model::flow::Flow;
use crate::model::flow::expectation::Expectation;
use crate::model::flow::filter::FlowFilter;
use crate::model::flow::statistics::Statistics;
use crate::model::flow::view::FlowView;
use crate::model::ids::NetnsId;
use crate::model::issue::{Issue, Read, Section, Why};

fn unread<T: Default>() -> Read<T> {
    Read::failed(Issue::incomplete("reading flows", Why::Unsupported { detail: "this podnet reads none".to_owned() }))
}

impl FlowView for LiveNode {
    fn flows(
        &self,
        _netns: NetnsId,
        _filters: &[FlowFilter],
        _each: &mut dyn FnMut(&Flow) -> ControlFlow<()>,
    ) -> Read<()> {
        unread()
    }

    fn flows_left_out(&self, _netns: NetnsId) -> Option<u64> {
        None
    }

    fn expectations(&self, _netns: NetnsId) -> Section<Vec<Expectation>> {
        unread().section()
    }

    fn flow_statistics(&self, _netns: NetnsId) -> Section<Statistics> {
        unread().section()
    }
}
