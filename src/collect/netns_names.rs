//! The files that network namespaces are bound to: their names.
//!
//! May import model, wire and sys.

mod stray;

use std::collections::BTreeMap;
use std::collections::hash_map::{Entry, HashMap};
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::fcntl::AtFlags;
use nix::sys::stat::fstatat;
use nix::sys::statfs::{NSFS_MAGIC, fstatfs};

use crate::collect::mounts;
use crate::collect::root::HostRoot;
use crate::model::ids::NetnsId;
use crate::model::issue::{Issue, Read, Why};
use crate::model::netns::NetnsName;
use crate::model::text::ByteText;

use stray::Stray;

/// The folders of `ip netns` (and CNI), and of docker; where `/var/run` is a link they are one.
const FOLDERS: [&str; 4] = ["/run/netns", "/var/run/netns", "/run/docker/netns", "/var/run/docker/netns"];

/// The names in those folders, sorted by path, without a look at the mount table: one system call a name.
///
/// What is no namespace is left out; [`all`] tells of it. What is bound may be another
/// kind of namespace, whose inode is no network namespace's: a name is good for naming, not for listing.
pub fn names(root: &HostRoot) -> Read<Vec<NetnsName>> {
    let mut read = Read::ok(Vec::new());
    let mut seen = Vec::new();
    let Ok(nsfs) = std::fs::metadata("/proc/thread-self/ns/net").map(|meta| meta.dev()) else { return all(root) };
    for folder in FOLDERS.map(Path::new) {
        let Ok(opened) = root.handle(folder) else { continue };
        let Ok(identity) = opened.metadata().map(|meta| (meta.dev(), meta.ino())) else { continue };
        if seen.contains(&identity) {
            continue;
        }
        seen.push(identity);
        let names = match root.names(folder) {
            Ok(names) => names,
            Err(error) => {
                read.issues.push(Issue::incomplete(format!("reading {}", folder.display()), Why::from_io(&error)));
                continue;
            }
        };
        for name in names {
            let path = folder.join(&name);
            let Ok(found) = fstatat(&opened, name.as_os_str(), AtFlags::AT_SYMLINK_NOFOLLOW) else { continue };
            if found.st_dev == nsfs {
                read.value.push(named(NetnsId { dev: found.st_dev, ino: found.st_ino }, &path));
            } else if found.st_mode & libc::S_IFMT == libc::S_IFLNK
                && let Ok(Some(id)) = namespace_at(root, &path)
            {
                read.value.push(named(id, &path));
            }
        }
    }
    read.value.sort_by(|a, b| a.path.cmp(&b.path));
    read
}

/// Every name, sorted by path: the files of those folders, and whatever else mountinfo says a network
/// namespace is bound to below the node's root.
///
/// Whatever else lies in those folders (a file left over from a namespace that is gone, a FIFO) is a
/// note that says what it is. Symbolic links are followed below the node's root, and not out of it.
pub fn all(root: &HostRoot) -> Read<Vec<NetnsName>> {
    let Read { value: mounts, mut issues } = mounts::of_types(root, &["nsfs"]);
    let mut found: BTreeMap<PathBuf, NetnsId> = BTreeMap::new();
    // nsfs holds other kinds of namespaces too; only mountinfo tells which kind a bound file is.
    let mut kinds: HashMap<u64, &str> = HashMap::new();
    for mount in &mounts {
        let Some((kind, inode)) = mount.namespace() else { continue };
        match kinds.entry(inode) {
            Entry::Vacant(entry) => {
                entry.insert(kind);
            }
            Entry::Occupied(_) => {}
        }
        let path = Path::new(OsStr::from_bytes(mount.mount_point.as_bytes()));
        if kind == "net"
            && let Ok(Some(id)) = namespace_at(root, path)
            && id.ino == inode
        {
            found.insert(path.to_owned(), id);
        }
    }
    let mut strays = Vec::new();
    let mut seen = Vec::new();
    for folder in FOLDERS.map(Path::new) {
        let Ok(identity) =
            root.handle(folder).and_then(|opened| opened.metadata()).map(|meta| (meta.dev(), meta.ino()))
        else {
            continue;
        };
        if seen.contains(&identity) {
            continue;
        }
        seen.push(identity);
        let names = match root.names(folder) {
            Ok(names) => names,
            Err(error) => {
                issues.push(Issue::incomplete(format!("reading {}", folder.display()), Why::from_io(&error)));
                continue;
            }
        };
        for name in names {
            let path = folder.join(name);
            // Most are mounts, and resolved already.
            if found.contains_key(&path) {
                continue;
            }
            let followed = match namespace_at(root, &path) {
                Ok(Some(id)) => {
                    match kinds.get(&id.ino).filter(|kind| **kind != "net") {
                        Some(kind) => strays.push(Stray::namespace(path, kind)),
                        None => {
                            found.insert(path, id);
                        }
                    }
                    continue;
                }
                Ok(None) => None,
                Err(error) => Some(error),
            };
            match Stray::look(root, path.clone(), followed.as_ref()) {
                None => {}
                Some(Ok(stray)) => strays.push(stray),
                Some(Err(error)) => {
                    issues.push(Issue::incomplete(format!("reading {}", path.display()), Why::from_io(&error)));
                }
            }
        }
    }
    issues.extend(stray::issues(&strays));
    let value = found.into_iter().map(|(path, id)| named(id, &path)).collect();
    Read { value, issues }
}

fn named(id: NetnsId, path: &Path) -> NetnsName {
    let name = path.file_name().unwrap_or(path.as_os_str());
    NetnsName { id, name: ByteText::new(name.as_bytes()), path: ByteText::new(path.as_os_str().as_bytes()) }
}

/// The namespace that a path of the node leads to; `None` when it is no namespace file.
pub(crate) fn namespace_at(root: &HostRoot, path: &Path) -> io::Result<Option<NetnsId>> {
    let file = root.handle(path)?;
    if fstatfs(&file)?.filesystem_type() != NSFS_MAGIC {
        return Ok(None);
    }
    let found = file.metadata()?;
    Ok(Some(NetnsId { dev: found.dev(), ino: found.ino() }))
}

#[cfg(test)]
mod tests;
