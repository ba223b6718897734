//! Cgroups shaped as the kubelet's, so that the pods' processes are told apart as on a real node.
//!
//! May import model.

use std::fs;
use std::io;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::statfs::{CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC, statfs};

use crate::model::lab::LabCgroup;

/// How long cgroups whose last processes have just ended may stay busy.
pub const BUSY: Duration = Duration::from_secs(2);

/// Where this machine takes cgroups: the unified hierarchy, else systemd's of version 1, else any.
///
/// `Err` says in words why there is no place.
pub fn place(mountinfo: &str, lab: &str) -> Result<LabCgroup, String> {
    let mounts: Vec<Mount> = mountinfo.lines().filter_map(Mount::parse).collect();
    let best = mounts
        .iter()
        .find(|mount| mount.kind == "cgroup2")
        .or_else(|| mounts.iter().find(|mount| mount.options.split(',').any(|option| option == "name=systemd")))
        .or_else(|| mounts.first())
        .ok_or("no cgroup hierarchy is mounted")?;
    if best.read_only {
        return Err(format!("{} is mounted read-only", best.point));
    }
    Ok(LabCgroup {
        mount: best.point.to_owned(),
        prefix: best.root.trim_end_matches('/').to_owned(),
        subtree: format!("podnet-lab-{lab}"),
    })
}

/// A cgroup mount of `/proc/self/mountinfo`.
struct Mount<'a> {
    root: &'a str,
    point: &'a str,
    read_only: bool,
    kind: &'a str,
    options: &'a str,
}

impl<'a> Mount<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (left, right) = line.split_once(" - ")?;
        let mut left = left.split(' ').skip(3);
        let (root, point, flags) = (left.next()?, left.next()?, left.next()?);
        let mut right = right.split(' ');
        let (kind, _source, options) = (right.next()?, right.next()?, right.next()?);
        matches!(kind, "cgroup" | "cgroup2").then(|| Self {
            root,
            point,
            read_only: flags.split(',').chain(options.split(',')).any(|flag| flag == "ro"),
            kind,
            options,
        })
    }
}

/// Makes cgroups in order.
pub fn make(paths: &[String]) -> io::Result<()> {
    for path in paths {
        match fs::create_dir(path) {
            // The subtree itself is each worker's first.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            other => other?,
        }
    }
    Ok(())
}

/// Puts a process into a cgroup.
pub fn join(path: &Path, pid: u32) -> io::Result<()> {
    fs::write(path.join("cgroup.procs"), pid.to_string())
}

/// Whether cgroups are mounted there: nothing else is removed as one. Fine when nothing is there.
pub fn check_mount(path: &Path) -> io::Result<()> {
    match statfs(path) {
        Err(nix::errno::Errno::ENOENT) => Ok(()),
        Ok(found) if matches!(found.filesystem_type(), CGROUP_SUPER_MAGIC | CGROUP2_SUPER_MAGIC) => Ok(()),
        Ok(_) => Err(io::Error::other("it is no cgroup file system; nothing was removed there")),
        Err(error) => Err(error.into()),
    }
}

/// Removes a cgroup; fine when it is gone. Waits until `deadline` while it is busy.
pub fn remove(path: &Path, deadline: Instant) -> io::Result<()> {
    loop {
        match fs::remove_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            // EBUSY: the process has ended, but the kernel has not yet taken it out.
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy && Instant::now() < deadline => {
                thread::sleep(Duration::from_millis(2));
            }
            other => return other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &str = "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
";

    #[test]
    fn the_unified_hierarchy_comes_first_then_systemds_then_any() {
        let mount = |mountinfo: &str| place(mountinfo, "a").expect("found").mount;
        assert_eq!(mount(HYBRID), "/sys/fs/cgroup/unified");
        let first = |count| HYBRID.lines().take(count).collect::<Vec<_>>().join("\n");
        assert_eq!(mount(&first(3)), "/sys/fs/cgroup/systemd");
        assert_eq!(mount(&first(2)), "/sys/fs/cgroup/cpu");
    }

    #[test]
    fn only_a_cgroup_file_system_is_touched() {
        let folder = tempfile::tempdir().unwrap();
        assert!(check_mount(folder.path()).is_err());
        assert!(check_mount(&folder.path().join("absent")).is_ok());
    }

    #[test]
    fn a_container_without_writable_cgroups_is_told_so() {
        assert_eq!(
            place("41 31 0:38 /docker/x /sys/fs/cgroup ro,nosuid - cgroup2 cgroup rw\n", "a").expect_err("read-only"),
            "/sys/fs/cgroup is mounted read-only"
        );
        assert_eq!(place("", "a").expect_err("none"), "no cgroup hierarchy is mounted");
    }
}
