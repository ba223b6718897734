//! Processes: which network namespace and which pod each is in.
//!
//! May import model, wire and sys. The sweep of all processes makes two system calls a process and
//! no object; whoever wants more of a process asks for that one.

pub mod cgroups;

use std::collections::{BTreeMap, HashMap};
use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

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
/// Processes that end meanwhile are left out, and so are those that may not be looked at and end soon after: while a
/// program that gives its rights up starts, for one, it may be looked at by nobody. The others that may not be looked
/// at are one issue: a note where it is pid 1 alone, for its namespace is the host's by definition, otherwise an
/// incomplete sweep.
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
    let mut swept = Swept { proc, by_inode: HashMap::new(), device: None };
    let mut denied = Vec::new();
    for entry in folder.iter() {
        let entry = entry?;
        let Some(pid) = pid_of(entry.file_name()) else { continue };
        if swept.look(pid, entry.file_name()) == Look::Denied {
            denied.push(pid);
        }
    }
    swept.look_again(&mut denied);
    let dev = swept.device.unwrap_or_default();
    let mut read = Read::ok(BTreeMap::new());
    for (ino, mut pids) in swept.by_inode {
        pids.sort_unstable();
        read.value.insert(NetnsId { dev, ino }, pids);
    }
    read.issues.extend(denied_issue(root, &denied));
    Ok(read)
}

/// How long a process that may not be looked at is waited for: a program that starts needs less.
const PATIENCE: Duration = Duration::from_millis(50);

/// What one look at a process led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    /// It is in a namespace, or there is none.
    Done,
    /// Nobody may look.
    Denied,
}

/// Processes by the inode of their namespace; all are on one device.
struct Swept {
    proc: OwnedFd,
    by_inode: HashMap<u64, Vec<Pid>>,
    device: Option<u64>,
}

impl Swept {
    fn look(&mut self, pid: Pid, name: &CStr) -> Look {
        let mut path = [0; 32];
        let Some(link) = ns_net_of(name, &mut path) else { return Look::Done };
        match readlinkat(&self.proc, link) {
            Ok(target) => {
                let Some(inode) = inode_of(target.as_encoded_bytes()) else { return Look::Done };
                if self.device.is_none() {
                    self.device = fstatat(&self.proc, link, AtFlags::empty()).ok().map(|found| found.st_dev);
                }
                self.by_inode.entry(inode).or_default().push(pid);
                Look::Done
            }
            Err(Errno::EACCES | Errno::EPERM) => Look::Denied,
            Err(_) => Look::Done,
        }
    }

    /// Looks at the denied ones until they are gone or may be looked at, for a short while. Pid 1 stays what it is.
    fn look_again(&mut self, denied: &mut Vec<Pid>) {
        let deadline = Instant::now() + PATIENCE;
        let mut pause = Duration::from_micros(500);
        while denied.iter().any(|pid| *pid != Pid(1)) && Instant::now() < deadline {
            std::thread::sleep(pause);
            pause *= 2;
            denied.retain(|pid| {
                let name = CString::new(pid.to_string()).unwrap_or_default();
                *pid == Pid(1) || self.look(*pid, &name) == Look::Denied
            });
        }
    }
}

/// `PID/ns/net` in room that is given, for there may be a hundred thousand of them.
fn ns_net_of<'p>(pid: &CStr, room: &'p mut [u8; 32]) -> Option<&'p CStr> {
    let (pid, rest) = (pid.to_bytes(), b"/ns/net\0");
    let length = pid.len() + rest.len();
    let path = room.get_mut(..length)?;
    let (start, end) = path.split_at_mut_checked(pid.len())?;
    start.copy_from_slice(pid);
    end.copy_from_slice(rest);
    CStr::from_bytes_with_nul(path).ok()
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
