//! What lies in the folders of namespaces and is none: told for what it is.
//!
//! May import model, wire and sys. Nothing here is opened for reading, so nothing can block.

use std::fs::Metadata;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

use crate::collect::root::HostRoot;
use crate::model::issue::{Issue, Why};
use crate::model::text::ByteText;

/// More of them than this are told as a number.
const TOLD: usize = 16;

/// A name that leads to no network namespace.
#[derive(Debug)]
pub(super) struct Stray {
    path: PathBuf,
    what: What,
}

#[derive(Debug)]
enum What {
    /// What a namespace was bound to until the machine started again, or it was unmounted.
    LeftOver,
    /// A namespace of another kind.
    OtherNamespace(String),
    /// What it is, in words.
    Else(String),
}

impl Stray {
    /// A namespace of that kind (`mnt`, `uts`).
    pub(super) fn namespace(path: PathBuf, kind: &str) -> Self {
        Self { path, what: What::OtherNamespace(kind.to_owned()) }
    }

    /// What the name is itself; `followed` is what came of following it, below the node's root.
    /// `None` when it went meanwhile.
    pub(super) fn look(root: &HostRoot, path: PathBuf, followed: Option<&io::Error>) -> Option<io::Result<Self>> {
        let found = match root.entry(&path) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => return Some(Err(error)),
        };
        let what = if found.is_symlink() {
            What::Else(link(root, &path, followed))
        } else if let Some(error) = followed {
            return Some(Err(io::Error::new(error.kind(), error.to_string())));
        } else {
            of(&found)
        };
        Some(Ok(Self { path, what }))
    }

    fn issue(&self) -> Issue {
        let place = self.path.display().to_string();
        let other = |words: &str| Why::Unsupported { detail: format!("{words}, no network namespace") };
        match &self.what {
            What::LeftOver => {
                let detail = "a file to which no namespace is bound any more".to_owned();
                Issue::note(place, Why::Gone { detail }).hint("left over; `ip netns delete` removes it")
            }
            What::OtherNamespace(kind) => Issue::note(place, other(&format!("a namespace of kind {kind}"))),
            What::Else(words) => Issue::note(place, other(words)),
        }
    }
}

fn of(found: &Metadata) -> What {
    let kind = found.file_type();
    let words = if kind.is_file() && found.len() == 0 {
        return What::LeftOver;
    } else if kind.is_file() {
        return What::Else(format!("a file of {} bytes", found.len()));
    } else if kind.is_dir() {
        "a folder"
    } else if kind.is_fifo() {
        "a FIFO"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    };
    What::Else(words.to_owned())
}

/// Where a symbolic link says it leads, and what came of it.
fn link(root: &HostRoot, path: &Path, followed: Option<&io::Error>) -> String {
    let target = root.link(path).map_or_else(|_| "?".to_owned(), |target| ByteText::new(target.as_bytes()).to_string());
    match followed {
        None => format!("a symbolic link to {target}"),
        Some(error) if error.kind() == io::ErrorKind::NotFound => {
            format!("a symbolic link to {target}, which is not there")
        }
        Some(error) => format!("a symbolic link to {target}, which is not followed ({error})"),
    }
}

/// A note for each, the last of them as a number.
pub(super) fn issues(strays: &[Stray]) -> Vec<Issue> {
    let mut issues: Vec<_> = strays.iter().take(TOLD).map(Stray::issue).collect();
    if let Some(more) = strays.len().checked_sub(TOLD).filter(|more| *more > 0) {
        let why = Why::Unsupported { detail: "no network namespaces".to_owned() };
        issues.push(Issue::note(format!("{more} more names like these"), why));
    }
    issues
}
