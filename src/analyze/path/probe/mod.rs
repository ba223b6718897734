//! The proof: a prediction beside what the kernel showed of a packet that was really sent.
//!
//! [`plan`] says beforehand what is sent and watched, [`compare`] marks each step of the prediction by what was
//! seen. Both are pure; the sending and watching is elsewhere. May import model and analyze's siblings only.

mod compare;
mod hooks;
mod plan;
mod seen;
#[cfg(test)]
mod tests;
mod words;

pub use compare::compare;
pub use plan::{Limits, Plan, Watched, affinity, plan};

use schemars::JsonSchema;
use serde::Serialize;

use super::types::Path;
use crate::model::probe::Observed;

/// A packet's way as predicted, and as the kernel showed it.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Probe {
    /// What was sent and watched.
    pub plan: Plan,
    /// Whether both agree.
    pub outcome: Outcome,
    /// Where they part first; `None` where they do not.
    pub difference: Option<Difference>,
    /// The course that the kernel took, as an index into the prediction's; where none fits, that which fits longest.
    pub course: usize,
    /// The marks of its way there, one a step.
    pub there: Vec<Marked>,
    /// The marks of its way back.
    pub back: Vec<Marked>,
    /// The mark of its end.
    pub end: Marked,
    /// The prediction.
    pub path: Path,
    /// What was seen.
    pub observed: Observed,
}

/// Whether prediction and kernel agree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Outcome {
    /// All that was watched is as predicted.
    AsPredicted,
    /// Something is not.
    Differs,
    /// Nothing was predicted for a part of the way.
    Unknown {
        /// Why not.
        because: String,
    },
}

/// What the kernel showed of one step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Marked {
    /// The mark.
    pub mark: Mark,
    /// What it showed instead, or why it was not watched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shown: Option<String>,
}

/// How a step compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// It was seen, or what comes behind it was, which cannot be without it.
    Seen,
    /// It was watched and not seen.
    NotSeen,
    /// Something else was seen there.
    Differs,
    /// Nothing shows it.
    NotWatched,
}

/// The first place where prediction and kernel part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Difference {
    /// Which way.
    pub way: Way,
    /// The step there; `None` for the end.
    pub step: Option<usize>,
    /// Its namespace's name.
    pub place: String,
    /// What was predicted.
    pub predicted: String,
    /// What the kernel showed.
    pub shown: String,
}

/// Which way of a course.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// Of the packet.
    There,
    /// Of its answer.
    Back,
    /// How it ends.
    End,
}

impl Marked {
    fn seen() -> Self {
        Self { mark: Mark::Seen, shown: None }
    }

    fn not_seen() -> Self {
        Self { mark: Mark::NotSeen, shown: None }
    }

    fn differs(shown: impl Into<String>) -> Self {
        Self { mark: Mark::Differs, shown: Some(shown.into()) }
    }

    fn not_watched(why: Option<String>) -> Self {
        Self { mark: Mark::NotWatched, shown: why }
    }
}
