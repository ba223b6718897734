//! What `conntrack --watch` tells, line by line.
//!
//! May import model and its siblings only.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::answer::OfNode;
use super::state::StateWord;
use super::types::FlowRow;
use crate::model::flow::event::Happened;
use crate::model::issue::Issue;
use crate::model::node::NodeInfo;

/// The first line of the stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct WatchHead {
    /// `podnet/conntrack-watch/v1`: a field is never renamed or removed within a version.
    pub schema: String,
    /// The nodes whose flows are watched.
    pub nodes: Vec<NodeInfo>,
    /// What could not be read or told as the watch began, sorted.
    pub issues: Vec<Issue>,
}

/// A line of the stream.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum WatchLine {
    /// The first one.
    Head(WatchHead),
    /// Something happened to a flow.
    Flow(Box<FlowLine>),
    /// Something about the watch itself.
    Note(NoteLine),
}

/// Something happened to a flow.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct FlowLine {
    /// What.
    pub event: Happened,
    /// When podnet heard of it.
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// No event told it: it was seen by a comparison with a fresh dump, and happened at some time since the last one.
    pub resynced: bool,
    /// How the flow stood before; null where that is not known.
    pub before: Option<StateWord>,
    /// The flow. Of one that ended unseen only parties, zone, id, status and the state that it was last seen in are known.
    pub flow: FlowRow,
}

/// Something about the watch itself.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct NoteLine {
    /// What.
    #[serde(flatten)]
    pub note: WatchNote,
    /// When.
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// The node; only where several are watched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
}

/// Something about the watch itself.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum WatchNote {
    /// The kernel dropped events, for podnet did not read them fast enough. A comparison follows.
    Overrun {
        /// How many; null where the kernel does not count them.
        lost: Option<u64>,
    },
    /// What was known was compared with a fresh dump; the differences stand before this line, marked as resynced.
    Compared {
        /// Why.
        why: CompareReason,
        /// Flows that began unseen.
        began: u64,
        /// Flows that changed unseen.
        changed: u64,
        /// Flows that ended unseen.
        ended: u64,
        /// Flows beyond what podnet remembers: if they end without an event, it is not told.
        not_remembered: u64,
    },
    /// What the rows since the last such line refer to.
    Refers {
        /// A row a node.
        of_nodes: Vec<OfNode>,
    },
    /// Something could not be read or told meanwhile.
    Issue {
        /// What.
        issue: Issue,
    },
    /// The watch has ended.
    Ended {
        /// What it told.
        totals: WatchTotals,
    },
}

/// Why a comparison was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CompareReason {
    /// Events were lost.
    Overrun,
    /// It was time: flows that are older than the first listener end without an event.
    Refresh,
}

/// What a watch told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct WatchTotals {
    /// Flows that began, resynced ones included.
    pub new: u64,
    /// Changes.
    pub updated: u64,
    /// Flows that ended.
    pub destroyed: u64,
    /// How many of all these no event told.
    pub resynced: u64,
    /// Events that the kernel dropped; null where it dropped some and does not count them.
    pub lost: Option<u64>,
    /// How often events were lost.
    pub overruns: u64,
    /// Events that podnet could not read.
    pub malformed: u64,
}

impl Default for WatchTotals {
    fn default() -> Self {
        Self { new: 0, updated: 0, destroyed: 0, resynced: 0, lost: Some(0), overruns: 0, malformed: 0 }
    }
}

impl WatchTotals {
    /// Counts one line.
    pub fn count(&mut self, happened: Happened, resynced: bool) {
        match happened {
            Happened::Exists => return,
            Happened::New => self.new += 1,
            Happened::Updated => self.updated += 1,
            Happened::Destroyed => self.destroyed += 1,
        }
        self.resynced += u64::from(resynced);
    }

    /// Counts an overrun, with how many events it cost where that is known.
    pub fn overrun(&mut self, lost: Option<u64>) {
        self.overruns += 1;
        self.lost = self.lost.zip(lost).map(|(all, more)| all + more);
    }
}
