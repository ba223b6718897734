//! The part of the seam that tells a namespace's flows.
//!
//! Must not import anything from the crate but its sibling model types.

use std::ops::ControlFlow;

use super::Flow;
use super::expectation::Expectation;
use super::filter::FlowFilter;
use super::statistics::Statistics;
use super::tuple::Tuple;
use crate::model::ids::NetnsId;
use crate::model::issue::{Read, Section};

/// The flows of one node's namespaces.
pub trait FlowView {
    /// Hands every flow that one of the filters accepts to `each`, one by one as the kernel tells them, until it
    /// breaks. None is handed on twice, and none is kept but for a fingerprint of the last million: memory has a bound.
    ///
    /// A dump of flows is never one instant, and the kernel marks none as disturbed. Where it overran the socket
    /// or cut a message, the reading is done again, and only the flows that were not yet handed on follow.
    fn flows(&self, netns: NetnsId, filters: &[FlowFilter], each: &mut dyn FnMut(&Flow) -> ControlFlow<()>)
    -> Read<()>;

    /// Says that [`Self::flows`] is going to be asked so after what is asked now. A live node may begin to read them
    /// meanwhile; it changes no answer.
    fn expect_flows(&self, _netns: NetnsId, _filters: &[FlowFilter]) {}

    /// The flow that a packet with this tuple belongs to in a zone, in either direction: one look-up, as conntrack
    /// itself does it for a packet, however many flows there are.
    fn flow_of(&self, netns: NetnsId, tuple: &Tuple, zone: u16) -> Read<Option<Flow>>;

    /// How many flows a snapshot left out (`--flows N`); `None` where none was.
    fn flows_left_out(&self, netns: NetnsId) -> Option<u64>;

    /// What helpers expect, by master, tuple and id.
    fn expectations(&self, netns: NetnsId) -> Section<Vec<Expectation>>;

    /// How full the table is, and what was counted about it.
    fn flow_statistics(&self, netns: NetnsId) -> Section<Statistics>;
}
