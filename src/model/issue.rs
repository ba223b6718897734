//! What could not be read, and why: a reader gives what it could read plus issues, and never fails whole.
//!
//! Must not import anything from the crate.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Something that could not be read or told.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Issue {
    /// Whether a cell of the answer is missing or only worth a word.
    pub level: Level,
    /// What was being read or told: "reading /proc/25570/ns/net", "containerd at /run/…".
    pub what: String,
    /// The reason, sorted by what the reader of the answer can do about it.
    pub why: Why,
    /// What to do about it at the node itself; `None` where nothing sensible can be said, and in an
    /// opened snapshot: its reader cannot read the node again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// How much an issue weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// A cell of this answer is incomplete or unknown because of it: exit code 3.
    Incomplete,
    /// The answer is complete; this is worth knowing all the same: exit code 0.
    Note,
}

/// Why something could not be read or told.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Why {
    /// The kernel or the daemon refused: run with more rights.
    Permission {
        /// The error as the system words it.
        detail: String,
    },
    /// It ended while it was read; nothing is wrong.
    Gone {
        /// What is gone.
        detail: String,
    },
    /// This kernel or daemon does not offer it.
    Unsupported {
        /// What is missing.
        detail: String,
    },
    /// The bytes are not what they should be.
    Malformed {
        /// Offset or line, item, and what was expected.
        detail: String,
    },
    /// It changed while it was read, and did so again each time the read was repeated.
    Interrupted {
        /// How often it was tried.
        detail: String,
    },
    /// No answer within the deadline.
    Timeout {
        /// The deadline.
        detail: String,
    },
    /// The snapshot does not hold it.
    NotRecorded {
        /// Which section.
        detail: String,
    },
    /// Two sources contradict each other; both are named.
    Disagreement {
        /// Both statements.
        detail: String,
    },
    /// Any other failure of the system.
    Io {
        /// The error as the system words it.
        detail: String,
    },
}

impl Why {
    /// The words behind the kind.
    pub fn detail(&self) -> &str {
        match self {
            Self::Permission { detail }
            | Self::Gone { detail }
            | Self::Unsupported { detail }
            | Self::Malformed { detail }
            | Self::Interrupted { detail }
            | Self::Timeout { detail }
            | Self::NotRecorded { detail }
            | Self::Disagreement { detail }
            | Self::Io { detail } => detail,
        }
    }

    /// The same with more words: what follows from it.
    #[must_use]
    pub fn and(mut self, more: &str) -> Self {
        match &mut self {
            Self::Permission { detail }
            | Self::Gone { detail }
            | Self::Unsupported { detail }
            | Self::Malformed { detail }
            | Self::Interrupted { detail }
            | Self::Timeout { detail }
            | Self::NotRecorded { detail }
            | Self::Disagreement { detail }
            | Self::Io { detail } => {
                detail.push_str("; ");
                detail.push_str(more);
            }
        }
        self
    }

    /// Sorts an OS error by what can be done about it.
    pub fn from_io(error: &std::io::Error) -> Self {
        let detail = error.to_string();
        match error.raw_os_error() {
            // EPERM, EACCES
            Some(1 | 13) => Self::Permission { detail },
            // ENOENT, ESRCH, ENODEV, ENXIO
            Some(2 | 3 | 19 | 6) => Self::Gone { detail },
            // EOPNOTSUPP, ENOSYS, EPROTONOSUPPORT, EAFNOSUPPORT
            Some(95 | 38 | 93 | 97) => Self::Unsupported { detail },
            // ETIMEDOUT
            Some(110) => Self::Timeout { detail },
            _ => Self::Io { detail },
        }
    }
}

impl Issue {
    /// An issue that leaves a cell of the answer incomplete.
    pub fn incomplete(what: impl Into<String>, why: Why) -> Self {
        Self { level: Level::Incomplete, what: what.into(), why, hint: None }
    }

    /// An issue that is worth a word but leaves the answer complete.
    pub fn note(what: impl Into<String>, why: Why) -> Self {
        Self { level: Level::Note, what: what.into(), why, hint: None }
    }

    /// The same with a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// What a reader could read, and what it could not.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Read<T> {
    /// What was read; empty where nothing could be.
    pub value: T,
    /// What was not, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub issues: Vec<Issue>,
}

/// One section of a node, shared between the cache of a live node, a snapshot and an answer.
pub type Section<T> = Arc<Read<T>>;

impl<T> Read<T> {
    /// A read without issues.
    pub fn ok(value: T) -> Self {
        Self { value, issues: Vec::new() }
    }

    /// A read that gave something and one issue.
    pub fn with(value: T, issue: Issue) -> Self {
        Self { value, issues: vec![issue] }
    }

    /// The same, ready to be shared.
    pub fn section(self) -> Section<T> {
        Arc::new(self)
    }
}

impl<T: Default> Read<T> {
    /// A read that gave nothing but an issue.
    pub fn failed(issue: Issue) -> Self {
        Self { value: T::default(), issues: vec![issue] }
    }
}
