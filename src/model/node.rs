//! Which node an answer speaks of.
//!
//! Must not import anything from the crate but its sibling model types.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ids::NetnsId;

/// A node at one time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NodeInfo {
    /// The node's name: its UTS name, or the lab worker's.
    pub name: String,
    /// `live`, `lab NAME`, or the snapshot's file name.
    pub source: String,
    /// When it was read; for a live node when the command began.
    #[schemars(with = "String")]
    pub taken_at: Timestamp,
    /// The node's own network namespace.
    pub host_netns: NetnsId,
}
