//! Watching the flows of a live node.
//!
//! May import model, wire and sys.

use super::LiveNode;
use crate::collect::flows::watch::{FlowWatch, WatchOptions};
use crate::model::flow::filter::FlowFilter;
use crate::model::ids::NetnsId;
use crate::model::issue::Issue;

impl LiveNode {
    /// Begins to listen to the flows of a namespace that any of the filters accepts; without filters, to all of
    /// them. What is heard does not depend on this node afterwards: it may be opened anew.
    pub fn watch_flows(
        &self,
        netns: NetnsId,
        filters: Vec<FlowFilter>,
        options: WatchOptions,
    ) -> Result<FlowWatch, Box<Issue>> {
        FlowWatch::open(&self.kernel, &self.find(netns)?, filters, options)
    }
}
