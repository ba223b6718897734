use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Child, Command};

use super::*;
use crate::model::issue::Level;
use crate::sys;

struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn root() -> HostRoot {
    HostRoot::open(Path::new("/proc")).unwrap()
}

/// A process in a namespace of its own, and that namespace.
fn sleeper() -> (Ended, NetnsId) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ns");
    let file = sys::netns::create_bound(&path).unwrap();
    let (dev, ino) = sys::netns::identity(&file).unwrap();
    let child =
        Command::new("nsenter").arg(format!("--net={}", path.display())).args(["sleep", "600"]).spawn().unwrap();
    let child = Ended(child);
    let pid = child.0.id();
    let deadline = Instant::now() + Duration::from_secs(10);
    while std::fs::metadata(format!("/proc/{pid}/ns/net")).is_ok_and(|found| found.ino() != ino)
        || std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap().trim() != "sleep"
    {
        assert!(Instant::now() < deadline, "nsenter did not start sleep");
        std::thread::yield_now();
    }
    sys::netns::remove_bound(&path).unwrap();
    (child, NetnsId { dev, ino })
}

#[test]
fn a_process_is_found_in_its_namespace() {
    let (child, netns) = sleeper();
    let pid = Pid(child.0.id());
    let swept = sweep(&root()).value;
    assert_eq!(swept.get(&netns), Some(&vec![pid]));
    let own = std::fs::metadata("/proc/self/ns/net").unwrap();
    let own = NetnsId { dev: own.dev(), ino: own.ino() };
    assert!(swept[&own].contains(&Pid(std::process::id())));

    let read = process(&root(), pid);
    assert_eq!(read.issues, []);
    let found = read.value.unwrap();
    assert_eq!((found.pid, found.comm, found.netns), (pid, "sleep".into(), Some(netns)));
    assert_eq!(netns_of(&root(), pid).unwrap().id, netns);
    assert_eq!(netns_id_of(&root(), pid).unwrap(), netns);
    let told = status(&root(), pid).unwrap();
    let own = Some(Pid(std::process::id()));
    assert_eq!((told.name.as_slice(), told.parent, told.numbers.first()), (&b"sleep"[..], own, Some(&pid)));
}

#[test]
fn the_sweep_agrees_with_lsns() {
    let (_child, netns) = sleeper();
    let out = Command::new("lsns").args(["-t", "net", "-n", "-r", "-o", "NS,NPROCS"]).output().unwrap();
    let text = String::from_utf8(out.stdout).unwrap();
    assert!(text.lines().any(|line| line == format!("{} 1", netns.ino)), "{text}");
}

#[test]
fn a_process_that_ended_is_none_and_no_issue() {
    let (child, _) = sleeper();
    let pid = Pid(child.0.id());
    drop(child);
    assert_eq!(process(&root(), pid), Read::ok(None));
    assert!(gone(&netns_of(&root(), pid).unwrap_err()));
}

#[test]
fn no_proc_is_an_issue_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let root = HostRoot::at(&folder.path().join("proc"), folder.path()).unwrap();
    let read = sweep(&root);
    assert!(read.value.is_empty());
    assert_eq!(read.issues[0].what, format!("reading {}/proc", folder.path().display()));
}

#[test]
fn processes_that_may_not_be_looked_at_are_one_issue() {
    let what = |denied: &[u32]| {
        let denied: Vec<_> = denied.iter().copied().map(Pid).collect();
        denied_issue(&root(), &denied).map(|issue| (issue.level, issue.what))
    };
    assert_eq!(what(&[]), None);
    assert_eq!(what(&[1]), Some((Level::Note, "reading /proc/1/ns/net".to_owned())));
    assert_eq!(what(&[7]), Some((Level::Incomplete, "reading /proc/7/ns/net".to_owned())));
    assert_eq!(what(&[1, 7, 9]), Some((Level::Incomplete, "reading the namespaces of 3 processes (1, …)".to_owned())));
}

#[test]
fn this_machines_cgroups_hold_this_process() {
    let text = std::fs::read("/proc/self/cgroup").unwrap();
    let lines = cgroup::parse(&text);
    let own = Pid(std::process::id());
    let path = &lines
        .iter()
        .find(|line| line.controllers.iter().any(|name| name == "pids") || line.controllers.is_empty())
        .unwrap()
        .path;
    assert!(in_cgroup(&root(), path).value.contains(&own), "{path}");
    assert_eq!(in_cgroup(&root(), "/no/such/cgroup"), Read::ok(vec![]));
}
