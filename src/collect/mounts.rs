//! The node's mounts, of the file system types that are asked for.
//!
//! May import model, wire and sys.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use super::root::HostRoot;
use crate::model::issue::{Issue, Read, Why};
use crate::wire::proc::mountinfo::{self, Mount};

/// The table of a node with thousands of overlay mounts is some megabytes.
const LIMIT: u64 = 64 * 1024 * 1024;

/// The types that readers ask for.
const FS_TYPES: [&str; 3] = ["nsfs", "cgroup", "cgroup2"];

/// Mounts of these types (of [`FS_TYPES`]), in the kernel's order: of the reader's own mount
/// namespace, or of that of pid 1 where another `/proc` is read.
///
/// The table is read once for the life of the root: with 250 pods the kernel takes longer to write
/// it than all other answers of a trace together.
pub(crate) fn of_types(root: &HostRoot, fs_types: &[&str]) -> Read<Vec<Mount>> {
    let all = root.mounts(read);
    let value =
        all.value.iter().filter(|mount| fs_types.iter().any(|wanted| mount.fs_type == **wanted)).cloned().collect();
    Read { value, issues: all.issues.clone() }
}

fn read(root: &HostRoot) -> Read<Vec<Mount>> {
    let table = if root.proc() == Path::new("/proc") { "self/mountinfo" } else { "1/mountinfo" };
    let table = root.proc().join(table);
    let what = || format!("reading {}", table.display());
    let mut bytes = Vec::with_capacity(256 * 1024);
    if let Err(error) = File::open(&table).and_then(|file| file.take(LIMIT).read_to_end(&mut bytes)) {
        return Read::failed(Issue::incomplete(what(), Why::from_io(&error)));
    }
    let (value, errors) = mountinfo::parse(&bytes, &FS_TYPES);
    // One tells enough: a kernel that writes one line in a new way writes them all so.
    let first = errors.first().map(|error| Issue::incomplete(what(), Why::Malformed { detail: error.to_string() }));
    Read { value, issues: first.into_iter().collect() }
}
