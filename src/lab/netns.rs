//! The lab's own network namespaces, told from others that stand under the same names.
//!
//! May import model and sys.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use nix::sys::statfs::{NSFS_MAGIC, fstatfs};

use crate::model::lab::{LabNetns, LabState};
use crate::sys::netns;

/// What stands at a path where the lab binds a namespace.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing.
    Nothing,
    /// The empty file of a namespace of the lab that is not bound yet, or not any more.
    Unbound,
    /// The namespace that the lab made.
    Own(LabNetns),
    /// Anything else.
    Other,
}

/// Makes a namespace, bound nowhere yet, and gives what tells it from every other.
pub fn create() -> io::Result<(File, LabNetns)> {
    let (file, cookie) = netns::create()?;
    let (dev, ino) = netns::identity(&file)?;
    Ok((file, LabNetns { dev, ino, cookie }))
}

/// Looks what stands at `path`.
pub fn look(state: &LabState, path: &str) -> io::Result<Found> {
    let named = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
        named => named?,
    };
    // It is on disk before anything is at its path: what is not recorded is not the lab's.
    let Some(recorded) = state.namespaces.get(path) else { return Ok(Found::Other) };
    if !named.is_file() {
        return Ok(Found::Other);
    }
    let folder = Path::new(path).parent().unwrap_or(Path::new("/"));
    if named.dev() == fs::metadata(folder)?.dev() {
        return Ok(if named.len() == 0 { Found::Unbound } else { Found::Other });
    }
    // Neither a link nor a FIFO may have come in between.
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path)?;
    let same = fstatfs(&file)?.filesystem_type() == NSFS_MAGIC
        && netns::identity(&file)? == (recorded.dev, recorded.ino)
        && match recorded.cookie {
            Some(cookie) => netns::cookie_of(&file)? == cookie,
            None => true,
        };
    Ok(if same { Found::Own(*recorded) } else { Found::Other })
}

/// Removes the lab's namespace at `path`; fine when it is gone, an error when another's is there.
pub fn remove(state: &LabState, path: &str) -> io::Result<()> {
    match look(state, path)? {
        Found::Nothing => Ok(()),
        Found::Unbound | Found::Own(_) => netns::remove_bound(Path::new(path)),
        Found::Other => Err(io::Error::other("it is not the lab's any more and was left alone")),
    }
}
