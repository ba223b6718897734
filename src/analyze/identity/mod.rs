//! From what a user typed to one pod of one node.
//!
//! May import model and its siblings only. Asks cheap things first: a name is looked up by that
//! name before all sandboxes are listed, a pid through its process.

mod form;
mod search;

use thiserror::Error;

use super::answer::Gathered;
use crate::model::sandbox::Sandbox;
use crate::model::view::NodeView;
use form::Form;
use search::Search;
pub(crate) use search::{newest, pod_key};

/// What a user asks for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PodQuery {
    /// A name, `namespace/name`, a unique prefix, a pod IP, a sandbox or container id (prefix), a
    /// pid, a namespace's name or inode; forced by `pod:`, `ip:`, `id:`, `pid:`, `netns:`.
    pub text: String,
    /// Names count in this Kubernetes namespace only. A namespace within `text` goes before it.
    pub namespace: Option<String>,
    /// Whether the pod's older attempts are wanted too.
    pub all: bool,
}

impl PodQuery {
    /// A question for that text in all namespaces.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }
}

/// A pod that was found.
#[derive(Clone)]
pub struct Found<'a> {
    /// The node it is on.
    pub node: &'a dyn NodeView,
    /// The sandbox: the one that was named by id, else the ready one, else the newest.
    pub sandbox: Sandbox,
    /// The same pod's other sandboxes, newest first; empty unless asked for.
    pub older: Vec<Sandbox>,
}

/// Why no pod was found.
///
/// The text bears names of pods as the node has them: escape it before a terminal sees it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FindError {
    /// The text itself is wrong; say it in another way.
    #[error("{asked:?} is not {expected}")]
    Malformed {
        /// What was typed.
        asked: String,
        /// What it should have been.
        expected: &'static str,
    },
    /// Several pods answer to it; name one of them.
    #[error("{asked:?} is ambiguous: {}", candidates.join(", "))]
    Ambiguous {
        /// What was typed.
        asked: String,
        /// The pods, sorted; with node or sandbox where the name alone does not tell them apart.
        candidates: Vec<String>,
    },
    /// No pod answers to it. Where something could not be read, the issues of the search say so.
    #[error("{asked:?} names no pod on {nodes}{because}")]
    NotFound {
        /// What was typed.
        asked: String,
        /// The nodes that were searched.
        nodes: String,
        /// What it is instead, in words that follow on; may be empty.
        because: String,
    },
}

/// Finds the pod that `query` names among all nodes.
///
/// The issues of every section that was looked at go to `gathered`, also when the search fails.
pub fn find_pod<'a>(
    nodes: &[&'a dyn NodeView],
    query: &PodQuery,
    gathered: &mut Gathered,
) -> Result<Found<'a>, FindError> {
    let form = Form::parse(query)?;
    Search::new(nodes, query, gathered).run(&form)
}
