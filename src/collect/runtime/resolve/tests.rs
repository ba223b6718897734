use std::path::Path;

use super::*;
use crate::collect::runtime::tests::{FakePod, id, own_netns};
use crate::model::issue::Level;
use crate::sys;
use crate::wire::cri::container::ContainerMetadata;
use crate::wire::cri::sandbox::SandboxMetadata;

fn root() -> HostRoot {
    HostRoot::open(Path::new("/proc")).unwrap()
}

fn record(id: &str, pod: &FakePod, netns_path: Option<&str>, task: Task) -> SandboxRecord {
    let metadata = SandboxMetadata {
        pod: pod.name("default", "nginx"),
        host_network: netns_path.is_none(),
        netns_path: netns_path.map(str::to_owned),
        ..Default::default()
    };
    SandboxRecord {
        id: id.to_owned(),
        created_at: None,
        metadata: Ok(metadata),
        labels: BTreeMap::new(),
        task,
        has_container: true,
        by_runc: true,
        bound: None,
    }
}

fn one(record: SandboxRecord, containers: Vec<ContainerRecord>) -> Sandbox {
    let mut listing = Listing {
        sandboxes: [(record.id.clone(), record)].into(),
        containers: containers.into_iter().map(|container| (container.id.clone(), container)).collect(),
        failed: Vec::new(),
    };
    listing.look_up_namespaces(&root());
    let mut read = sandboxes(&root(), "/run/c.sock", listing);
    assert_eq!((read.value.len(), read.issues.len()), (1, 0));
    read.value.remove(0)
}

fn issues(sandbox: &Sandbox) -> Vec<(Level, &str, &str)> {
    sandbox.issues.iter().map(|issue| (issue.level, issue.what.as_str(), issue.why.detail())).collect()
}

#[test]
fn a_pid_in_the_sandboxs_cgroup_is_believed() {
    let mut pod = FakePod::new(20);
    let pause = pod.run(&id('a'), "pause", &[]);
    let web = pod.run(&id('b'), "web", &[]);
    let container = ContainerRecord {
        id: id('b'),
        metadata: ContainerMetadata { sandbox: Some(id('a')), name: Some("web".to_owned()) },
        image: String::new(),
        task: Task::Running(web.0),
        by_runc: true,
    };
    let sandbox = one(record(&id('a'), &pod, None, Task::Running(pause.0)), vec![container]);
    assert_eq!(
        (sandbox.pid, sandbox.netns, sandbox.state, sandbox.cgroup.as_deref()),
        (Some(pause), Some(own_netns()), SandboxState::Ready, Some(format!("{}/{}", pod.cgroup(), id('a')).as_str()))
    );
    let expected = Container { id: ContainerId(id('b')), name: Some("web".to_owned()), pid: Some(web), image: None };
    assert_eq!(sandbox.containers, Some(vec![expected]));
    assert_eq!(issues(&sandbox), []);
}

#[test]
fn a_number_that_another_process_has_here_is_not_believed() {
    let pod = FakePod::new(21);
    let own = std::process::id();
    let sandbox = one(record(&id('c'), &pod, None, Task::Running(own)), Vec::new());
    assert_eq!((sandbox.pid, sandbox.netns, sandbox.state), (None, None, SandboxState::Unknown));
    let what = format!("process {own} of default/nginx, as containerd numbers it");
    let detail = "that process is neither in its cgroup nor in its network namespace";
    assert_eq!(issues(&sandbox), [(Level::Incomplete, what.as_str(), detail)]);
}

#[test]
fn a_number_of_a_nested_pid_namespace_is_translated() {
    let mut pod = FakePod::new(22);
    let pause = pod.run(&id('d'), "pause", &["unshare", "--net", "--pid", "--fork", "--kill-child"]);
    // In its own pid namespace the process is 1; here 1 is init.
    assert_eq!(status(&root(), pause).unwrap().numbers, [pause, Pid(1)]);
    let sandbox = one(record(&id('d'), &pod, None, Task::Running(1)), Vec::new());
    assert_eq!((sandbox.pid, sandbox.netns), (Some(pause), netns_id_of(&root(), pause).ok()));
}

#[test]
fn a_pause_process_that_is_elsewhere_than_the_bound_namespace_is_an_issue() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cni-x");
    let (dev, ino) = sys::netns::identity(&sys::netns::create_bound(&path).unwrap()).unwrap();
    let mut pod = FakePod::new(23);
    let pause = pod.run(&id('e'), "pause", &[]);
    let text = path.to_str().unwrap();
    let sandbox = one(record(&id('e'), &pod, Some(text), Task::Running(pause.0)), Vec::new());
    let stopped = one(record(&id('e'), &pod, Some(text), Task::Stopped), Vec::new());
    sys::netns::remove_bound(&path).unwrap();
    assert_eq!((sandbox.pid, sandbox.netns), (Some(pause), Some(own_netns())));
    let detail = format!("pause process {pause} is in {}, {text} leads to net:[{ino}]", own_netns());
    let what = "network namespace of default/nginx";
    assert_eq!(issues(&sandbox), [(Level::Incomplete, what, detail.as_str())]);
    // Without a pause process the bound file alone tells.
    assert_eq!((stopped.pid, stopped.netns, stopped.state), (None, Some(NetnsId { dev, ino }), SandboxState::NotReady));
    assert_eq!(issues(&stopped), []);
}

#[test]
fn a_stopped_shim_is_the_issue_of_its_pod_and_its_pid_is_from_proc() {
    let mut pod = FakePod::new(24);
    let pause = pod.run(&id('f'), "pause", &[]);
    let why = Why::Timeout { detail: "did not answer within 2 s".to_owned() };
    let sandbox = one(record(&id('f'), &pod, None, Task::Unanswered(why)), Vec::new());
    assert_eq!((sandbox.pid, sandbox.state), (Some(pause), SandboxState::Ready));
    let what = "containerd's task of default/nginx";
    assert_eq!(issues(&sandbox), [(Level::Incomplete, what, "did not answer within 2 s; its pid is from /proc")]);
}

#[test]
fn metadata_that_cannot_be_read_leaves_the_labels() {
    let pod = FakePod::new(25);
    let labels = [
        ("io.cri-containerd.kind", "sandbox"),
        ("io.kubernetes.pod.name", "nginx"),
        ("io.kubernetes.pod.namespace", "default"),
    ];
    let record = SandboxRecord {
        metadata: Err("it is broken".to_owned()),
        labels: labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
        ..record(&id('0'), &pod, None, Task::None)
    };
    let sandbox = one(record, Vec::new());
    assert_eq!(sandbox.pod.to_string(), "default/nginx");
    assert_eq!(sandbox.labels.as_ref().map(BTreeMap::len), Some(2));
    assert_eq!((sandbox.ips.as_ref(), sandbox.state), (None, SandboxState::NotReady));
    assert_eq!(issues(&sandbox), [(Level::Incomplete, format!("sandbox {}", id('0')).as_str(), "it is broken")]);
}

#[test]
fn sandboxes_come_by_namespace_name_and_newest_attempt() {
    let pod = FakePod::new(26);
    let make = |letter: char, name: &str, attempt: u32| {
        let mut record = record(&id(letter), &pod, None, Task::None);
        let metadata = record.metadata.as_mut().unwrap();
        metadata.pod.name = Some(name.to_owned());
        metadata.attempt = attempt;
        (record.id.clone(), record)
    };
    let listing =
        Listing { sandboxes: [make('1', "b", 0), make('2', "a", 0), make('3', "a", 2)].into(), ..Default::default() };
    let read = sandboxes(&root(), "/run/c.sock", listing);
    let seen: Vec<_> =
        read.value.iter().map(|sandbox| (sandbox.pod.name.as_deref().unwrap(), sandbox.attempt)).collect();
    assert_eq!(seen, [("a", 2), ("a", 0), ("b", 0)]);
}
