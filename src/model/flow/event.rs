//! What happens to flows while they are watched.
//!
//! Must not import anything from the crate but its sibling model types.

use schemars::JsonSchema;
use serde::Serialize;

use super::Flow;
use super::protocol::ProtocolState;
use super::status::Status;

/// One thing that happened to one flow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowEvent {
    /// What.
    pub happened: Happened,
    /// The flow. As it ends the kernel tells less of it, and of one that ended unseen only tuples, zone, id, status
    /// and the state that it was last seen in are known.
    pub flow: Flow,
    /// No event told it: a fresh dump did, compared with what was known.
    pub resynced: bool,
    /// How the flow stood before; `None` where it was not known.
    pub before: Option<Stood>,
}

/// What happens to a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Happened {
    /// Nothing: it was there as the watch began.
    Exists,
    /// It began. `NFNLGRP_CONNTRACK_NEW`
    New,
    /// Its status, state, mark or labels changed. `NFNLGRP_CONNTRACK_UPDATE`
    Updated,
    /// It ended. `NFNLGRP_CONNTRACK_DESTROY`
    Destroyed,
}

/// How a flow stood at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stood {
    /// What conntrack had seen and done.
    pub status: Status,
    /// Where its protocol stood, without what else the kernel tells of it.
    pub state: Option<ProtocolState>,
}
