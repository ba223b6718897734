//! An open network namespace with its identity.
//!
//! May import model, wire and sys.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;

use crate::model::ids::NetnsId;
use crate::sys;

/// An open nsfs file: while it is held, the namespace lives and its inode is not used again.
#[derive(Debug, Clone)]
pub struct NetnsHandle {
    /// Which namespace.
    pub id: NetnsId,
    /// The open file.
    pub file: Arc<File>,
}

impl NetnsHandle {
    /// Opens `/run/netns/NAME`, `/proc/PID/ns/net` or any other path to an nsfs file.
    pub fn open(path: &Path) -> io::Result<Self> {
        // Where a FIFO took its place, this must not wait for a writer.
        Self::from_file(OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?)
    }

    /// Takes an open nsfs file; any other kind of file is an error.
    pub fn from_file(file: File) -> io::Result<Self> {
        let magic = nix::sys::statfs::fstatfs(&file).map_err(io::Error::from)?.filesystem_type();
        if magic != nix::sys::statfs::NSFS_MAGIC {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a namespace file"));
        }
        let (dev, ino) = sys::netns::identity(&file)?;
        Ok(Self { id: NetnsId { dev, ino }, file: Arc::new(file) })
    }
}
