//! The cgroup hierarchies: the processes of a pod without a sweep of all processes.
//!
//! May import model, wire and sys.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use nix::dir::{Dir, Type};
use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::{Mode, fstat};
use nix::sys::statfs::{CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC, statfs};

use super::file_of;
use crate::collect::mounts;
use crate::collect::root::HostRoot;
use crate::model::ids::Pid;
use crate::model::issue::{Issue, Read, Why};
use crate::model::netns::PodCgroup;
use crate::wire::proc::{cgroup, mountinfo};

const FOLDER: OFlag = OFlag::O_RDONLY.union(OFlag::O_DIRECTORY).union(OFlag::O_CLOEXEC).union(OFlag::O_NOFOLLOW);
/// Deeper than any runtime nests; a hostile container may nest its own.
const DEPTH: usize = 24;
/// So many are on no node; a container that may make its own could make any number.
const MOST: usize = 32_768;

/// The processes of one cgroup and of all below it, ascending. `path` is as `/proc/PID/cgroup` has it.
///
/// Empty when it is gone; an issue when no hierarchy is mounted where it can be seen.
pub fn in_cgroup(root: &HostRoot, path: &str) -> Read<Vec<Pid>> {
    let (host, hierarchies) = match hierarchies(root) {
        Ok(found) => found,
        Err(issues) => return Read { value: Vec::new(), issues },
    };
    for hierarchy in &hierarchies {
        let Some(folder) = hierarchy.folder(path) else { continue };
        let Ok(opened) = host.file(&folder) else { continue };
        let mut pids = BTreeSet::new();
        let mut visit = |_: &str, folder: &OwnedFd| pids.extend(members(folder));
        let mut walk = Walk::new(&mut visit);
        let walked = walk.down(OwnedFd::from(opened), path, 0);
        let issue = walk.issue();
        if walked.is_ok() && !pids.is_empty() {
            return Read { value: pids.into_iter().collect(), issues: issue.into_iter().collect() };
        }
    }
    Read::ok(Vec::new())
}

/// One cgroup of a container with the processes that are directly in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ContainerCgroup {
    /// What its path tells; `container` is always there.
    pub(crate) pod: PodCgroup,
    /// Ascending.
    pub(crate) pids: Vec<Pid>,
}

/// Every cgroup that a container's id can be read from and that has processes, in the hierarchy
/// that knows any. Costs a few system calls a cgroup, whatever the number of processes.
pub(crate) fn containers(root: &HostRoot) -> Read<Vec<ContainerCgroup>> {
    let (host, hierarchies) = match hierarchies(root) {
        Ok(found) => found,
        Err(issues) => return Read { value: Vec::new(), issues },
    };
    let mut found = Vec::new();
    let mut issues = Vec::new();
    for hierarchy in &hierarchies {
        let Ok(opened) = host.file(&hierarchy.mount_point) else { continue };
        let mut visit = |path: &str, folder: &OwnedFd| {
            let Some(pod) = cgroup::pod_cgroup(path).filter(|pod| pod.container.is_some()) else { return };
            let pids = members(folder);
            if !pids.is_empty() {
                found.push(ContainerCgroup { pod, pids });
            }
        };
        let mut walk = Walk::new(&mut visit);
        let _ = walk.down(OwnedFd::from(opened), hierarchy.top(), 0);
        issues.extend(walk.issue());
        if found.iter().any(|container: &ContainerCgroup| container.pod.pod_uid.is_some()) {
            break;
        }
    }
    found.sort_by(|a, b| a.pod.cmp(&b.pod));
    found.dedup_by(|a, b| a.pod == b.pod);
    Read { value: found, issues }
}

/// A mounted hierarchy.
#[derive(Debug, PartialEq, Eq)]
struct Hierarchy {
    mount_point: PathBuf,
    /// What of the hierarchy is mounted, `/` in most cases.
    root: String,
    version_2: bool,
}

impl Hierarchy {
    /// Where a cgroup's folder is; `None` when it lies outside what is mounted, or outside the
    /// reader's cgroup namespace (`/../…`).
    fn folder(&self, path: &str) -> Option<PathBuf> {
        if path.split('/').any(|component| component == "..") {
            return None;
        }
        let below = path.strip_prefix(self.top())?;
        (below.is_empty() || below.starts_with('/')).then(|| self.mount_point.join(below.trim_start_matches('/')))
    }

    /// The path of the mount's top within the hierarchy, without the slash at its end.
    fn top(&self) -> &str {
        self.root.trim_end_matches('/')
    }
}

/// The hierarchies that hold processes, v1's first: where both versions are mounted, v1 is the one
/// that has the containers.
///
/// They belong to the machine, not to the node's files: a lab worker's root folder has none.
fn hierarchies(root: &HostRoot) -> Result<(HostRoot, Vec<Hierarchy>), Vec<Issue>> {
    let host = HostRoot::open(root.proc()).map_err(|error| {
        vec![Issue::incomplete(format!("opening the root of {}", root.proc().display()), Why::from_io(&error))]
    })?;
    if let Some(usual) = usual(root.proc()) {
        return Ok((host, usual));
    }
    let mounts = mounts::of_types(root, &["cgroup", "cgroup2"]);
    let wanted = ["pids", "memory", "cpu", "name=systemd"];
    let rank = |mount: &mountinfo::Mount| {
        if mount.fs_type == *"cgroup2" {
            Some(wanted.len())
        } else {
            wanted.iter().position(|controller| mount.has_option(controller))
        }
    };
    let mut ranked: Vec<_> = mounts
        .value
        .iter()
        .filter_map(|mount| {
            let mount_point = PathBuf::from(mount.mount_point.as_str()?);
            let version_2 = mount.fs_type == *"cgroup2";
            Some((rank(mount)?, Hierarchy { mount_point, root: mount.root.as_str()?.to_owned(), version_2 }))
        })
        .collect();
    if ranked.is_empty() {
        let why = Why::Unsupported { detail: "no cgroup hierarchy is mounted".to_owned() };
        let none = Issue::incomplete("the cgroups of pods", why);
        return Err(if mounts.issues.is_empty() { vec![none] } else { mounts.issues });
    }
    ranked.sort_by_key(|(rank, _)| *rank);
    Ok((host, ranked.into_iter().map(|(_, hierarchy)| hierarchy).collect()))
}

/// The hierarchies where nearly every machine mounts them, proved by podnet's own process: it is in
/// the cgroup of that path. `None` where that does not hold, or version 2 is not among them; the
/// mount table then tells, which costs a node of hundreds of pods some milliseconds.
fn usual(proc: &Path) -> Option<Vec<Hierarchy>> {
    if proc != Path::new("/proc") {
        return None;
    }
    let own = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let own_path = |controller: &str| {
        own.lines().find_map(|line| {
            let mut fields = line.splitn(3, ':').skip(1);
            let controllers = fields.next()?;
            let path = fields.next()?;
            controllers.split(',').any(|found| found == controller).then_some(path)
        })
    };
    let places = [("pids", "pids"), ("memory", "memory"), ("cpu", "cpu"), ("systemd", "name=systemd"), ("unified", "")];
    let top = Path::new("/sys/fs/cgroup");
    let candidates = match statfs(top).ok()?.filesystem_type() {
        CGROUP2_SUPER_MAGIC => vec![(top.to_owned(), "")],
        _ => places.into_iter().map(|(folder, controller)| (top.join(folder), controller)).collect(),
    };
    let mut found = Vec::new();
    for (mount_point, controller) in candidates {
        let version_2 = controller.is_empty();
        let magic = if version_2 { CGROUP2_SUPER_MAGIC } else { CGROUP_SUPER_MAGIC };
        if !statfs(&mount_point).is_ok_and(|found| found.filesystem_type() == magic) {
            continue;
        }
        let hierarchy = Hierarchy { mount_point, root: "/".to_owned(), version_2 };
        let folder = hierarchy.folder(own_path(controller)?)?;
        let members = nix::fcntl::open(&folder, FOLDER, Mode::empty()).map(|folder| members(&folder)).ok()?;
        if !members.contains(&Pid(std::process::id())) {
            return None;
        }
        found.push(hierarchy);
    }
    found.iter().any(|hierarchy| hierarchy.version_2).then_some(found)
}

/// Visits a cgroup and all below it. What vanishes meanwhile is left out.
struct Walk<'a> {
    visit: &'a mut dyn FnMut(&str, &OwnedFd),
    /// How many more may be visited.
    left: usize,
}

impl<'a> Walk<'a> {
    fn new(visit: &'a mut dyn FnMut(&str, &OwnedFd)) -> Self {
        Self { visit, left: MOST }
    }

    fn down(&mut self, folder: OwnedFd, path: &str, depth: usize) -> io::Result<()> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(()) };
        self.left = left;
        (self.visit)(path, &folder);
        // Most have none below: the count of links tells, and no folder need be listed.
        if depth == DEPTH || fstat(&folder).is_ok_and(|found| found.st_nlink == 2) {
            return Ok(());
        }
        let mut folder = Dir::from_fd(folder)?;
        let below: Vec<_> = folder
            .iter()
            .filter_map(Result::ok)
            .filter(|entry| entry.file_type() == Some(Type::Directory))
            .map(|entry| entry.file_name().to_owned())
            .filter(|name| !matches!(name.to_bytes(), b"." | b".."))
            .collect();
        for name in below {
            let Ok(text) = name.to_str() else { continue };
            match openat(&folder, name.as_c_str(), FOLDER, Mode::empty()) {
                Ok(opened) => self.down(opened, &format!("{path}/{text}"), depth + 1)?,
                Err(Errno::ENOENT | Errno::ENODEV | Errno::EACCES) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Told when it may have ended too early.
    fn issue(&self) -> Option<Issue> {
        let detail = format!("there are {MOST} or more; the rest was not looked at");
        (self.left == 0).then(|| Issue::incomplete("the cgroups of pods", Why::Unsupported { detail }))
    }
}

/// The processes directly in a cgroup. A 0 is a process outside the reader's pid namespace; a threaded
/// cgroup refuses, its processes stand in the one above.
fn members(folder: &OwnedFd) -> Vec<Pid> {
    let bytes = file_of(folder, c"cgroup.procs").unwrap_or_default();
    let numbers = bytes.split(u8::is_ascii_whitespace).filter_map(|number| std::str::from_utf8(number).ok());
    let mut pids: Vec<_> = numbers.filter_map(|number| number.parse().ok()).filter(|pid| *pid != 0).map(Pid).collect();
    pids.sort_unstable();
    pids.dedup();
    pids
}

/// The folders of a process's cgroup of version 2 and of all above it, the hierarchy's top first,
/// each with its path; none where version 2 is not mounted. Programs for sockets hang on these.
pub(crate) fn above(root: &HostRoot, pid: Pid) -> Read<Vec<(String, File)>> {
    let (host, hierarchies) = match hierarchies(root) {
        Ok(found) => found,
        Err(issues) => return Read { value: Vec::new(), issues },
    };
    let Some(hierarchy) = hierarchies.iter().find(|hierarchy| hierarchy.version_2) else { return Read::ok(Vec::new()) };
    let what = format!("reading the cgroup of process {pid}");
    let table = match std::fs::read_to_string(root.proc().join(pid.to_string()).join("cgroup")) {
        Ok(table) => table,
        // It ended: its cgroup says nothing any more.
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ESRCH)) => return Read::ok(Vec::new()),
        Err(error) => return Read::failed(Issue::incomplete(what, Why::from_io(&error))),
    };
    let Some(path) = table.lines().find_map(|line| line.strip_prefix("0::")) else { return Read::ok(Vec::new()) };
    let ends = path.match_indices('/').skip(1).map(|(at, _)| at).chain([path.len()]);
    let paths = std::iter::once("/").chain(ends.filter_map(|end| path.get(..end)).filter(|path| *path != "/"));
    let mut read = Read::ok(Vec::new());
    for path in paths {
        let Some(folder) = hierarchy.folder(path) else { continue };
        match host.file(&folder) {
            Ok(opened) => read.value.push((path.to_owned(), opened)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => read.issues.push(Issue::incomplete(format!("opening cgroup {path}"), Why::from_io(&error))),
        }
    }
    read
}
