//! Removes the lab's files, and never goes anywhere else: neither over a link nor into a mount.
//!
//! Must not import anything from the crate.

use std::ffi::{CStr, CString};
use std::fs::OpenOptions;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use nix::NixPath;
use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use nix::unistd::{UnlinkatFlags, unlinkat};

/// Removes `path`, a folder somewhere in the lab's own `folder`, with all that is in it; fine when it is gone.
///
/// Where something is mounted in it, nothing at all is removed.
pub fn remove(folder: &Path, path: &Path) -> io::Result<()> {
    let flags = libc::O_DIRECTORY | libc::O_NOFOLLOW;
    let top = match OpenOptions::new().read(true).custom_flags(flags).open(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        top => top?,
    };
    let (Ok(inner), Some(name)) = (path.strip_prefix(folder), path.file_name()) else {
        return Err(io::Error::other("it is not in the lab's folder"));
    };
    let parent = inner.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let parent = match enter(&top, parent) {
        Err(Errno::ENOENT) => return Ok(()),
        parent => parent.map_err(refused)?,
    };
    let opened = match enter(&parent, name) {
        Err(Errno::ENOENT) => return Ok(()),
        opened => opened.map_err(refused)?,
    };
    walk(&opened, false)?;
    walk(&opened, true)?;
    Ok(unlinkat(&parent, name, UnlinkatFlags::RemoveDir)?)
}

/// Goes through a folder, and removes what is in it where `removing`.
fn walk(folder: &OwnedFd, removing: bool) -> io::Result<()> {
    for name in names(folder)? {
        let flags = match enter(folder, name.as_c_str()) {
            Ok(inner) => {
                walk(&inner, removing)?;
                UnlinkatFlags::RemoveDir
            }
            // A file, or a link, which is removed itself.
            Err(Errno::ENOTDIR | Errno::ELOOP) => UnlinkatFlags::NoRemoveDir,
            Err(Errno::ENOENT) => continue,
            Err(error) => return Err(refused_at(&name, error)),
        };
        if removing {
            unlinkat(folder, name.as_c_str(), flags)?;
        }
    }
    Ok(())
}

/// Opens a folder in another one without leaving its mount or following any link.
fn enter<P: ?Sized + NixPath>(folder: impl AsFd, path: &P) -> Result<OwnedFd, Errno> {
    let how = OpenHow::new()
        .flags(OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC)
        .resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_XDEV | ResolveFlag::RESOLVE_NO_SYMLINKS);
    openat2(folder, path, how)
}

fn names(folder: &OwnedFd) -> io::Result<Vec<CString>> {
    let mut names = Vec::new();
    // Opened anew: a copy of the descriptor would go on reading where the walk before ended.
    for entry in Dir::from_fd(enter(folder, ".")?)? {
        let name = entry?.file_name().to_owned();
        if !matches!(name.as_bytes(), b"." | b"..") {
            names.push(name);
        }
    }
    Ok(names)
}

fn refused(error: Errno) -> io::Error {
    match error {
        Errno::EXDEV => io::Error::other("something is mounted in it; unmount that first"),
        Errno::ELOOP | Errno::ENOTDIR => io::Error::other("a link or a file stands where the lab made a folder"),
        error => error.into(),
    }
}

fn refused_at(name: &CStr, error: Errno) -> io::Error {
    io::Error::other(format!("{}: {}", name.to_string_lossy(), refused(error)))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_are_removed_and_what_they_lead_to_is_not() {
        let (lab, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(other.path().join("kept"), b"").unwrap();
        let root = lab.path().join("worker-0");
        fs::create_dir_all(root.join("var/lib")).unwrap();
        fs::write(root.join("var/file"), b"").unwrap();
        symlink(other.path(), root.join("var/lib/cni")).unwrap();
        // The path itself is a link, or leads over one.
        assert!(remove(lab.path(), &root.join("var/lib/cni")).is_err());
        assert!(remove(lab.path(), &root.join("var/lib/cni/deeper")).is_err());
        assert!(remove(lab.path(), other.path()).is_err());
        remove(lab.path(), &root).unwrap();
        assert!(!root.exists());
        assert!(other.path().join("kept").exists());
        // Gone already.
        remove(lab.path(), &root.join("var/lib")).unwrap();
        remove(&root, &root.join("var")).unwrap();
    }
}
