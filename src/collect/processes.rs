//! Processes: which network namespace and which pod each is in.
//!
//! May import model, wire and sys. The sweep of all processes makes two system calls a process and
//! no object; whoever wants more of a process asks for that one.

pub mod cgroups;

use std::collections::{BTreeMap, HashMap};
use std::ffi::CStr;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat, readlinkat};
use nix::sys::stat::{Mode, fstatat};

use crate::collect::handle::NetnsHandle;
use crate::collect::root::HostRoot;
use crate::model::ids::{NetnsId, Pid};
use crate::model::issue::{Issue, Read, Why};
use crate::model::netns::Process;
use crate::wire::proc::status::{self, Status};
use crate::wire::proc::{cgroup, stat};

pub use cgroups::in_cgroup;

/// A process's files are short; its cgroup file has one line a hierarchy.
const FILE_LIMIT: u64 = 256 * 1024;

/// Every process by its network namespace, ascending by pid. Zombies are in none.
///
/// Processes that end meanwhile are left out. Those that may not be looked at are one issue: a note
/// where it is pid 1 alone, for its namespace is the host's by definition, otherwise an incomplete sweep.
pub fn sweep(root: &HostRoot) -> Read<BTreeMap<NetnsId, Vec<Pid>>> {
    match try_sweep(root) {
        Ok(read) => read,
        Err(error) => Read::failed(
            Issue::incomplete(format!("reading {}", root.proc().display()), Why::from_io(&error))
                .hint("is /proc mounted there?"),
        ),
    }
}

fn try_sweep(root: &HostRoot) -> io::Result<Read<BTreeMap<NetnsId, Vec<Pid>>>> {
    let mut folder = open_proc(root)?;
    let proc = folder.as_fd().try_clone_to_owned()?;
    let mut by_inode: HashMap<u64, Vec<Pid>> = HashMap::new();
    let mut device = None;
    let mut denied = Vec::new();
    let mut path = Vec::with_capacity(32);
    for entry in folder.iter() {
        let entry = entry?;
        let Some(pid) = pid_of(entry.file_name()) else { continue };
        path.clear();
        path.extend_from_slice(entry.file_name().to_bytes());
        path.extend_from_slice(b"/ns/net\0");
        let Ok(link) = CStr::from_bytes_with_nul(&path) else { continue };
        match readlinkat(&proc, link) {
            Ok(target) => {
                let Some(inode) = inode_of(target.as_encoded_bytes()) else { continue };
                if device.is_none() {
                    device = fstatat(&proc, link, AtFlags::empty()).ok().map(|found| found.st_dev);
                }
                by_inode.entry(inode).or_default().push(pid);
            }
            Err(Errno::EACCES | Errno::EPERM) => denied.push(pid),
            Err(_) => {}
        }
    }
    let dev = device.unwrap_or_default();
    let mut read = Read::ok(BTreeMap::new());
    for (ino, mut pids) in by_inode {
        pids.sort_unstable();
        read.value.insert(NetnsId { dev, ino }, pids);
    }
    read.issues.extend(denied_issue(root, &denied));
    Ok(read)
}

fn denied_issue(root: &HostRoot, denied: &[Pid]) -> Option<Issue> {
    let proc = root.proc().display();
    let why = Why::Permission { detail: "permission denied".to_owned() };
    match denied {
        [] => None,
        [Pid(1)] => Some(Issue::note(format!("reading {proc}/1/ns/net"), why)),
        [one] => Some(Issue::incomplete(format!("reading {proc}/{one}/ns/net"), why)),
        [first, ..] => {
            Some(Issue::incomplete(format!("reading the namespaces of {} processes ({first}, …)", denied.len()), why))
        }
    }
    .map(|issue| issue.hint("run as root, or with CAP_SYS_PTRACE, CAP_SYS_ADMIN and CAP_NET_ADMIN"))
}

/// One process; `None` when there is none. All that is told of it was read of the same process, even
/// where its number is given away meanwhile.
pub fn process(root: &HostRoot, pid: Pid) -> Read<Option<Process>> {
    let what = || format!("reading {}/{pid}", root.proc().display());
    let folder = match open(root, pid) {
        Ok(folder) => folder,
        Err(Errno::ENOENT | Errno::ESRCH) => return Read::ok(None),
        Err(error) => return Read::failed(Issue::incomplete(what(), Why::from_io(&error.into()))),
    };
    let stat = match file_of(&folder, c"stat") {
        Ok(bytes) => bytes,
        Err(error) if gone(&error) => return Read::ok(None),
        Err(error) => return Read::failed(Issue::incomplete(what() + "/stat", Why::from_io(&error))),
    };
    let stat = match stat::parse(&stat) {
        Ok(stat) => stat,
        Err(error) => {
            return Read::failed(Issue::incomplete(what() + "/stat", Why::Malformed { detail: error.to_string() }));
        }
    };
    let mut issues = Vec::new();
    let netns = match netns_in(&folder) {
        Ok(netns) => Some(netns),
        Err(Errno::ENOENT | Errno::ESRCH) => None,
        Err(error) => {
            let why = Why::from_io(&error.into());
            issues.push(
                Issue::incomplete(what() + "/ns/net", why)
                    .hint("run as root, or with CAP_SYS_PTRACE, CAP_SYS_ADMIN and CAP_NET_ADMIN"),
            );
            None
        }
    };
    let pod = match file_of(&folder, c"cgroup") {
        Ok(bytes) => cgroup::pod_of(&cgroup::parse(&bytes)),
        Err(error) if gone(&error) => return Read::ok(None),
        Err(error) => {
            issues.push(Issue::incomplete(what() + "/cgroup", Why::from_io(&error)));
            None
        }
    };
    let process = Process { pid, start_ticks: stat.start_ticks, comm: stat.comm, netns, pod };
    Read { value: Some(process), issues }
}

/// Clock ticks from boot to the process's start, and nothing else of it; `None` when there is none.
pub(crate) fn started(root: &HostRoot, pid: Pid) -> Option<u64> {
    let file = File::open(root.proc().join(pid.to_string()).join("stat")).ok()?;
    let mut bytes = Vec::with_capacity(1024);
    file.take(FILE_LIMIT).read_to_end(&mut bytes).ok()?;
    stat::parse(&bytes).ok().map(|stat| stat.start_ticks)
}

/// The number of a process in a file that holds nothing else, as runtimes write it.
pub(crate) fn pid_in(folder: impl AsFd, file: &Path) -> Option<Pid> {
    let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    let file = File::from(openat(folder, file, flags, Mode::empty()).ok()?);
    let mut text = String::with_capacity(64);
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim_ascii().parse().ok().map(Pid)
}

/// The process's name, its parent, and its numbers in nested pid namespaces from the reader's inwards.
pub(crate) fn status(root: &HostRoot, pid: Pid) -> io::Result<Status> {
    Ok(status::parse(&file_of(&open(root, pid)?, c"status")?))
}

/// The namespace a process is in, opened.
pub fn netns_of(root: &HostRoot, pid: Pid) -> io::Result<NetnsHandle> {
    NetnsHandle::open(&root.proc().join(pid.to_string()).join("ns/net"))
}

/// The namespace a process is in, by its link alone: no file of it is opened.
pub(crate) fn netns_id_of(root: &HostRoot, pid: Pid) -> io::Result<NetnsId> {
    let found = nix::sys::stat::stat(&root.proc().join(pid.to_string()).join("ns/net"))?;
    Ok(NetnsId { dev: found.st_dev, ino: found.st_ino })
}

const FOLDER: OFlag = OFlag::O_RDONLY.union(OFlag::O_DIRECTORY).union(OFlag::O_CLOEXEC);

fn open_proc(root: &HostRoot) -> io::Result<Dir> {
    Ok(Dir::open(root.proc(), FOLDER, Mode::empty())?)
}

/// The folder of one process: what is read below it is of that process, and no other, even where its
/// number is given away meanwhile.
fn open(root: &HostRoot, pid: Pid) -> Result<OwnedFd, Errno> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    nix::fcntl::open(&root.proc().join(pid.to_string()), flags, Mode::empty())
}

fn netns_in(folder: &OwnedFd) -> Result<NetnsId, Errno> {
    let found = fstatat(folder, c"ns/net", AtFlags::empty())?;
    Ok(NetnsId { dev: found.st_dev, ino: found.st_ino })
}

fn file_of(folder: &OwnedFd, name: &CStr) -> io::Result<Vec<u8>> {
    let file = File::from(openat(folder, name, OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())?);
    // Room for most of them at once: a read that grows its buffer costs seven system calls, not two.
    let mut bytes = Vec::with_capacity(4096);
    file.take(FILE_LIMIT).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// ENOENT: no such process; ESRCH: it ended after its folder was opened.
pub(crate) fn gone(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ESRCH))
}

fn pid_of(name: &CStr) -> Option<Pid> {
    let name = name.to_bytes();
    name.first().filter(|byte| byte.is_ascii_digit())?;
    std::str::from_utf8(name).ok()?.parse().ok().map(Pid)
}

/// The number of `net:[4026531833]`.
fn inode_of(link: &[u8]) -> Option<u64> {
    let number = link.strip_prefix(b"net:[")?.strip_suffix(b"]")?;
    std::str::from_utf8(number).ok()?.parse().ok()
}

#[cfg(test)]
mod tests;
