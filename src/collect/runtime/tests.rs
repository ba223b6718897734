use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use super::*;
use crate::model::sandbox::{PodName, SandboxSource};

/// Processes in cgroups of a pod's shape, without any runtime. Everything is gone when it is dropped.
pub(super) struct FakePod {
    children: Vec<Child>,
    cgroups: Vec<PathBuf>,
    pub(super) uid: String,
    folder: tempfile::TempDir,
}

/// Where this machine's cgroups can be written: a v1 hierarchy, or the unified one.
fn hierarchy() -> PathBuf {
    let v1 = PathBuf::from("/sys/fs/cgroup/pids");
    if v1.is_dir() { v1 } else { PathBuf::from("/sys/fs/cgroup") }
}

pub(super) fn id(letter: char) -> String {
    format!("{:08x}", std::process::id()) + &letter.to_string().repeat(56)
}

impl FakePod {
    /// A pod without processes. `number` keeps the pods of different tests apart.
    pub(super) fn new(number: u32) -> Self {
        let uid = format!("{:08x}-0000-4000-8000-{number:012x}", std::process::id());
        let mut path = hierarchy();
        let mut cgroups = Vec::new();
        for part in
            [&format!("pnt-runtime-{}-{number}", std::process::id()), "kubepods", "besteffort", &format!("pod{uid}")]
        {
            path.push(part);
            fs::create_dir(&path).unwrap();
            cgroups.push(path.clone());
        }
        Self { children: Vec::new(), cgroups, uid, folder: tempfile::tempdir().unwrap() }
    }

    /// The path of the pod's cgroup within its hierarchy.
    pub(super) fn cgroup(&self) -> String {
        format!("/{}", self.cgroups[3].strip_prefix(hierarchy()).unwrap().display())
    }

    /// Starts a program called `comm` in a container's cgroup, under `wrapper` (`unshare --net`, `nsenter …`, or nothing).
    pub(super) fn run(&mut self, id: &str, comm: &str, wrapper: &[&str]) -> Pid {
        let program = self.folder.path().join(comm);
        if !program.exists() {
            fs::copy("/bin/sleep", &program).unwrap();
        }
        let cgroup = self.cgroups[3].join(id);
        fs::create_dir(&cgroup).unwrap();
        self.cgroups.push(cgroup.clone());
        // The shell puts itself into the cgroup, so that no process of the container is ever outside it.
        let script = format!("echo $$ > {}/cgroup.procs; exec \"$@\"", cgroup.display());
        let mut command = Command::new("sh");
        command.args(["-c", &script, "sh"]).args(wrapper).arg(&program).arg("600");
        self.children.push(command.stdin(Stdio::null()).spawn().unwrap());
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let pids = fs::read_to_string(cgroup.join("cgroup.procs")).unwrap();
            let started = pids.lines().find(|pid| {
                fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|found| found.trim_end() == comm)
            });
            if let Some(pid) = started {
                return Pid(pid.parse().unwrap());
            }
            assert!(Instant::now() < deadline, "{comm} did not start");
            thread::yield_now();
        }
    }

    pub(super) fn name(&self, namespace: &str, name: &str) -> PodName {
        PodName { namespace: Some(namespace.to_owned()), name: Some(name.to_owned()), uid: Some(self.uid.clone()) }
    }
}

impl Drop for FakePod {
    fn drop(&mut self) {
        for cgroup in self.cgroups.iter().rev() {
            let deadline = Instant::now() + Duration::from_secs(10);
            while fs::remove_dir(cgroup).is_err() && Instant::now() < deadline {
                // What unshare forked is no child of ours; only what is in our own cgroup is ended.
                for pid in fs::read_to_string(cgroup.join("cgroup.procs")).unwrap_or_default().lines() {
                    let _ = Command::new("kill").args(["-9", pid]).stderr(Stdio::null()).status();
                }
            }
        }
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

pub(super) fn own_netns() -> NetnsId {
    processes::netns_id_of(&HostRoot::open(Path::new("/proc")).unwrap(), Pid(std::process::id())).unwrap()
}

fn options(endpoint: Option<&str>) -> RuntimeOptions {
    RuntimeOptions {
        endpoint: endpoint.map(str::to_owned),
        env_endpoint: None,
        timeout: Duration::from_millis(200),
        host_netns: Some(own_netns()),
    }
}

fn node() -> (tempfile::TempDir, HostRoot) {
    let folder = tempfile::tempdir().unwrap();
    let root = HostRoot::at(Path::new("/proc"), folder.path()).unwrap();
    (folder, root)
}

#[test]
fn a_hung_runtime_is_an_issue_within_its_deadline_whoever_named_it() {
    let (folder, root) = node();
    fs::create_dir_all(folder.path().join("run/containerd")).unwrap();
    let _listener = UnixListener::bind(folder.path().join("run/containerd/containerd.sock")).unwrap();
    for endpoint in [None, Some("unix:///run/containerd/containerd.sock")] {
        let started = Instant::now();
        let runtime = Runtime::connect(&options(endpoint), &root).unwrap();
        assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
        let expected = Issue::incomplete(
            "containerd at /run/containerd/containerd.sock",
            Why::Timeout { detail: "did not answer within 0.2 s".to_owned() }.and(FROM_PROC),
        );
        let info = runtime.info();
        assert_eq!(info.issues, std::slice::from_ref(&expected));
        assert_eq!(info.value.endpoint.as_deref(), Some("/run/containerd/containerd.sock"));
        assert!(runtime.sandboxes(&root, &SandboxFilter::All).issues.contains(&expected));
    }
}

#[test]
fn nothing_that_listens_is_an_error_where_the_user_named_it_and_an_issue_where_not() {
    let (folder, root) = node();
    fs::create_dir_all(folder.path().join("run/containerd")).unwrap();
    drop(UnixListener::bind(folder.path().join("run/containerd/containerd.sock")).unwrap());
    let error = Runtime::connect(&options(Some("/run/containerd/containerd.sock")), &root).unwrap_err();
    assert_eq!(
        error.to_string(),
        "--runtime-endpoint /run/containerd/containerd.sock: Connection refused (os error 111)"
    );
    let runtime = Runtime::connect(&options(None), &root).unwrap();
    assert_eq!(
        runtime.info().issues[0].why,
        Why::Io { detail: "Connection refused (os error 111)".to_owned() }.and(FROM_PROC)
    );
}

#[test]
fn something_else_that_answers_is_no_containerd() {
    let (folder, root) = node();
    let listener = UnixListener::bind(folder.path().join("web.sock")).unwrap();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        // Until the client closes: it is to see the answer, not a reset.
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let error = Runtime::connect(&options(Some("/web.sock")), &root).unwrap_err();
    let _ = server.join();
    assert!(matches!(error, EndpointError::NotContainerd { .. }), "{error}");
}

#[test]
fn no_runtime_at_all_says_where_it_was_looked_for() {
    let (_folder, root) = node();
    let runtime = Runtime::connect(&options(None), &root).unwrap();
    let info = runtime.info();
    assert_eq!(info.value, RuntimeInfo::default());
    assert!(
        info.issues[0].why.detail().starts_with("none of its known sockets is here: /run/containerd/containerd.sock, ")
    );
}

#[test]
fn a_pods_processes_are_those_of_its_cgroup() {
    let (_folder, root) = node();
    let mut pod = FakePod::new(1);
    let pause = pod.run(&id('a'), "pause", &[]);
    let web = pod.run(&id('b'), "web", &[]);
    let sandbox = Sandbox {
        id: crate::model::ids::SandboxId(id('a')),
        pod: pod.name("default", "x"),
        attempt: 0,
        state: SandboxState::Ready,
        created_at: None,
        labels: None,
        pid: Some(pause),
        netns: Some(own_netns()),
        netns_path: None,
        host_network: true,
        ips: None,
        cni_interfaces: Vec::new(),
        containers: None,
        cgroup: Some(format!("{}/{}", pod.cgroup(), id('a'))),
        source: SandboxSource::Runtime,
        issues: Vec::new(),
    };
    let seen = |read: Read<Vec<Process>>| -> Vec<_> {
        assert_eq!(read.issues, []);
        read.value.into_iter().map(|process| (process.pid, process.comm.to_string())).collect()
    };
    let mut both = vec![(pause, "pause".to_owned()), (web, "web".to_owned())];
    both.sort();
    assert_eq!(seen(pod_processes(&root, &sandbox)), both);
    let stopped = Sandbox { state: SandboxState::NotReady, pid: None, ..sandbox };
    assert_eq!(seen(pod_processes(&root, &stopped)), []);
}
