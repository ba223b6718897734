//! The node's files, opened below its root and never outside it.
//!
//! May import model, wire and sys. Follows no path out of the root: the kernel resolves every path
//! with `RESOLVE_IN_ROOT`.

use std::ffi::OsString;
use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use nix::dir::Dir;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2, readlinkat};

use crate::model::issue::Read;
use crate::wire::proc::mountinfo::Mount;

/// Where a node's `/proc` and its root folder are.
#[derive(Debug)]
pub struct HostRoot {
    proc: PathBuf,
    root: OwnedFd,
    mounts: OnceLock<Read<Vec<Mount>>>,
}

impl HostRoot {
    /// With the usual `/proc` the root is `/`; with another one, `<proc>/1/root`.
    pub fn open(proc: &Path) -> io::Result<Self> {
        let root = if proc == Path::new("/proc") { PathBuf::from("/") } else { proc.join("1/root") };
        Self::at(proc, &root)
    }

    /// With a root of its own (a lab worker's folder, a test's).
    pub fn at(proc: &Path, root: &Path) -> io::Result<Self> {
        let root = File::open(root)?;
        Ok(Self { proc: proc.to_owned(), root: root.into(), mounts: OnceLock::new() })
    }

    /// The folder of processes.
    pub fn proc(&self) -> &Path {
        &self.proc
    }

    /// What `read` found of the mount table, the first time it was asked for.
    pub(super) fn mounts(&self, read: impl FnOnce(&Self) -> Read<Vec<Mount>>) -> &Read<Vec<Mount>> {
        self.mounts.get_or_init(|| read(self))
    }

    /// Opens a file of the node for reading; never blocks on a FIFO.
    pub fn file(&self, path: &Path) -> io::Result<File> {
        Ok(File::from(self.resolve(path, OFlag::O_RDONLY | OFlag::O_NONBLOCK)?))
    }

    /// Opens a path of the node without any access, to learn what it is.
    pub fn handle(&self, path: &Path) -> io::Result<File> {
        Ok(File::from(self.resolve(path, OFlag::O_PATH)?))
    }

    /// What a name is itself, even where it is a symbolic link.
    pub fn entry(&self, path: &Path) -> io::Result<Metadata> {
        File::from(self.resolve(path, OFlag::O_PATH | OFlag::O_NOFOLLOW)?).metadata()
    }

    /// Where a symbolic link says it leads, without going there.
    pub fn link(&self, path: &Path) -> io::Result<OsString> {
        let link = self.resolve(path, OFlag::O_PATH | OFlag::O_NOFOLLOW)?;
        readlinkat(&link, "").map_err(io::Error::from)
    }

    /// A regular file's bytes; more than `limit` is an error, not a cut.
    pub fn read(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
        let file = self.file(path)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        let mut bytes = Vec::new();
        file.take(limit + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > limit {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("larger than {limit} bytes")));
        }
        Ok(bytes)
    }

    /// The names in a folder, sorted.
    pub fn names(&self, folder: &Path) -> io::Result<Vec<OsString>> {
        let opened = self.resolve(folder, OFlag::O_RDONLY | OFlag::O_DIRECTORY)?;
        let mut names = Vec::new();
        for entry in Dir::from_fd(opened)? {
            let name = entry?.file_name().to_bytes().to_vec();
            if name != b"." && name != b".." {
                names.push(OsString::from_vec(name));
            }
        }
        names.sort();
        Ok(names)
    }

    fn resolve(&self, path: &Path, flags: OFlag) -> io::Result<OwnedFd> {
        let how = OpenHow::new().flags(flags | OFlag::O_CLOEXEC).resolve(ResolveFlag::RESOLVE_IN_ROOT);
        openat2(&self.root, path, how).map_err(io::Error::from)
    }
}
