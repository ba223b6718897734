//! What can go wrong with a lab, sorted by what the caller can do about it.
//!
//! Must not import anything from the crate but model.

use std::io;
use std::path::PathBuf;

use crate::model::lab::LabStateError;

/// Why a lab could not be made, told or removed.
///
/// Each message is whole; none has a source, so that nothing is said twice.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// Ask for something else.
    #[error("{0}")]
    Usage(String),
    /// A lab of that name is there; remove it or take another name.
    #[error(
        "the lab {name:?} is already {how}; `podnet lab down{option}` removes it, `--name` makes another beside it"
    )]
    Exists {
        /// Its name.
        name: String,
        /// `up`, or `half made`.
        how: &'static str,
        /// ` --name NAME` where the name is not the default.
        option: String,
    },
    /// Another podnet is at work on the same lab.
    #[error("another podnet is making or removing the lab {0:?} right now")]
    Busy(String),
    /// There is no such lab.
    #[error("no lab {name:?} is up; `podnet lab up{option}` makes it")]
    Absent {
        /// Its name.
        name: String,
        /// ` --name NAME` where the name is not the default.
        option: String,
    },
    /// Something that is not the lab's has a name that the lab needs.
    #[error("{0} exists already and is not this lab's; remove it, or take another `--name`")]
    Taken(PathBuf),
    /// Install it.
    #[error(
        "the program {program} is not installed; Debian and Ubuntu have it in the package {package}: apt-get install {package}"
    )]
    Missing {
        /// The program.
        program: &'static str,
        /// Debian's package.
        package: &'static str,
    },
    /// The state file cannot be used.
    #[error("{path}: {why}")]
    State {
        /// The file.
        path: PathBuf,
        /// Why.
        why: LabStateError,
    },
    /// A program that was run failed.
    #[error("{program} failed: {output}")]
    Program {
        /// The program.
        program: String,
        /// What it said.
        output: String,
    },
    /// The kernel refused a request over netlink.
    #[error("{what}: {why}")]
    Kernel {
        /// What was asked of it.
        what: String,
        /// errno.
        why: io::Error,
    },
    /// A file could not be opened, read or written.
    #[error("{what}: {why}{hint}", hint = hint(why))]
    Io {
        /// The operation and the path.
        what: String,
        /// errno.
        why: io::Error,
    },
    /// A step failed; what was made before it has been removed again.
    #[error("step {number} of {of} ({step}) failed: {why}{left}")]
    Step {
        /// Which, from 1.
        number: usize,
        /// How many there are.
        of: usize,
        /// What it makes.
        step: String,
        /// Why.
        why: Box<LabError>,
        /// What could not be removed again, if anything; begins with `; `.
        left: String,
    },
    /// Some of the lab could not be removed; the state file is kept, so `lab down` can be repeated.
    #[error("not all of the lab {name:?} could be removed, `podnet lab down` can be repeated: {}", left.join("; "))]
    Left {
        /// Its name.
        name: String,
        /// What is left, and why.
        left: Vec<String>,
    },
}

fn hint(why: &io::Error) -> &'static str {
    match why.kind() {
        io::ErrorKind::PermissionDenied => "; the lab needs root (CAP_SYS_ADMIN and CAP_NET_ADMIN)",
        io::ErrorKind::ReadOnlyFilesystem => "; in a container the lab needs --privileged",
        _ => "",
    }
}

/// Names the operation of an IO error.
pub trait Context<T> {
    /// The same, with what was done.
    fn context(self, what: impl FnOnce() -> String) -> Result<T, LabError>;
}

impl<T, E: Into<io::Error>> Context<T> for Result<T, E> {
    fn context(self, what: impl FnOnce() -> String) -> Result<T, LabError> {
        self.map_err(|error| LabError::Io { what: what(), why: error.into() })
    }
}

/// ` --name NAME` for a command to type, or nothing for the default lab.
pub fn name_option(name: &str) -> String {
    if name == crate::model::lab::DEFAULT_NAME { String::new() } else { format!(" --name {name}") }
}
