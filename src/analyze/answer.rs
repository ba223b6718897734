//! What every answer has in common.
//!
//! May import model only.

use schemars::JsonSchema;
use serde::Serialize;

use crate::model::issue::{Issue, Level, Read};
use crate::model::node::NodeInfo;
use crate::model::view::NodeView;

/// An answer to one question over one or several nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Answer<T> {
    /// The nodes that were asked.
    pub nodes: Vec<NodeInfo>,
    /// What was asked for.
    pub data: T,
    /// What could not be read or told, sorted, each once.
    pub issues: Vec<Issue>,
    /// Whether what was found is bad (a veth whose ends disagree, a packet that is dropped).
    #[serde(skip)]
    pub bad: bool,
}

impl<T> Answer<T> {
    /// Puts an answer together; sorts the issues and drops repeated ones.
    pub fn new(nodes: &[&dyn NodeView], data: T, gathered: Gathered) -> Self {
        let mut issues = gathered.issues;
        issues.sort();
        issues.dedup();
        Self { nodes: nodes.iter().map(|node| node.node()).collect(), data, issues, bad: gathered.bad }
    }

    /// 0 answered, 1 answered and bad, 3 incomplete; 1 beats 3.
    pub fn exit_code(&self) -> u8 {
        if self.bad {
            1
        } else if self.issues.iter().any(|issue| issue.level == Level::Incomplete) {
            3
        } else {
            0
        }
    }
}

/// Collects the issues of the sections that an answer rests on, while it is worked out.
#[derive(Debug, Default)]
pub struct Gathered {
    /// So far, unsorted.
    pub issues: Vec<Issue>,
    /// Whether something bad was found.
    pub bad: bool,
}

impl Gathered {
    /// The value of a section that the answer rests on; its issues become the answer's.
    pub fn take<'a, T>(&mut self, section: &'a Read<T>) -> &'a T {
        self.issues.extend(section.issues.iter().cloned());
        &section.value
    }

    /// Adds one issue of the analysis itself.
    pub fn issue(&mut self, issue: Issue) {
        self.issues.push(issue);
    }
}

/// A row's node: its name where the answer spans several nodes, else nothing.
pub fn node_label(nodes: &[&dyn NodeView], node: &dyn NodeView) -> Option<String> {
    (nodes.len() > 1).then(|| node.node().name)
}
