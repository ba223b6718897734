//! One node: namespaces, an uplink, containerd. Must not use podnet's own code.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use super::cni::CniConf;
use super::cri::Cri;
use super::image::{IMAGE, built};
use super::pod::{Pod, PodSpec};
use super::process::{command, eventually, stdout};

/// Where containerd listens, as the worker sees it.
pub const SOCKET: &str = "/run/containerd/containerd.sock";

/// What process 1 of a worker does before it is `init`: a node's file system, of which only the
/// programs are shared with the machine. The machine's cgroup mounts are kept, for runc needs them.
const SET_UP: &str = r#"
set -e
mount --make-rprivate /
mount -t proc proc /proc
mount -t tmpfs tmpfs /run
mkdir /run/sys /run/etc /run/etc/upper /run/etc/work
mount -t sysfs sysfs /run/sys
mount --rbind /sys/fs/cgroup /run/sys/fs/cgroup
mount --move /run/sys /sys
mount -t overlay -o lowerdir=/etc,upperdir=/run/etc/upper,workdir=/run/etc/work overlay /etc
mount -t tmpfs tmpfs /var/lib
mount -t tmpfs tmpfs /var/log
rm -rf /etc/cni /etc/containerd /etc/crictl.yaml
mkdir -p /etc/cni/net.d /etc/containerd /run/netns /run/containerd /var/log/pods
ip link set lo up
hostname "$1"
exec "$2"
"#;

const CONTAINERD: &str = r#"version = 2
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "IMAGE"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "/etc/cni/net.d"
"#;

/// A worker that runs. Dropping it removes it, also when the test panics; if the test is killed,
/// the kernel removes it all the same, for its process 1 waits on a pipe of ours.
#[derive(Debug)]
pub struct Worker {
    name: String,
    init: Node,
    /// The network beyond the uplink.
    fabric: Node,
    cri: Mutex<Option<Cri>>,
    containerd: Mutex<Option<u32>>,
}

/// A process 1 with the program that holds it.
#[derive(Debug)]
struct Node {
    holder: Child,
    /// As the test's own `/proc` numbers it.
    pid: u32,
}

impl Worker {
    /// Makes the node and starts containerd on it; panics, with containerd's log, when that fails.
    pub fn start(cni: &CniConf) -> Self {
        let worker = Self::without_runtime();
        worker.write(&format!("/etc/cni/net.d/{}", cni.file()), &cni.text());
        worker.write("/etc/containerd/config.toml", &CONTAINERD.replace("IMAGE", IMAGE));
        worker.start_containerd();
        worker.ctr(&["images", "import", built().archive.to_str().expect("a plain path")]);
        let mut cri = worker.connect();
        eventually("the imported image", || cri.has_image(IMAGE));
        *worker.cri.lock().expect("the connection") = Some(cri);
        worker
    }

    /// The node alone: namespaces and the uplink `eth0` 10.240.0.20/24.
    pub fn without_runtime() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        remove_stale();
        let name = format!("pnt-testbed-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let init = Node::start(&["--mount", "--pid", "--net", "--uts"], "worker-0");
        let fabric = Node::start(&["--mount", "--pid", "--net", "--uts"], "fabric");
        let worker = Self { name, init, fabric, cri: Mutex::new(None), containerd: Mutex::new(None) };
        // The namespace of a veth's other end is named by pid as this process sees it.
        let peer = worker.fabric.pid.to_string();
        stdout(
            command(&["nsenter", "--net", "--target", &worker.init.pid.to_string(), "ip", "link", "add", "eth0"])
                .args(["type", "veth", "peer", "name", "worker-0", "netns", &peer]),
        );
        worker.fabric.ip("addr add 10.240.0.1/24 dev worker-0");
        worker.fabric.ip("link set worker-0 up");
        worker.init.ip("addr add 10.240.0.20/24 dev eth0");
        worker.init.ip("link set eth0 up");
        worker.init.ip("route add default via 10.240.0.1");
        worker.settle();
        worker
    }

    /// Its name on this machine: of its cgroups, for one.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Process 1 as this process's `/proc` numbers it.
    pub fn init_pid(&self) -> u32 {
        self.init.pid
    }

    /// The worker's own network namespace.
    pub fn netns_path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/ns/net", self.init.pid))
    }

    /// The worker's `/proc`, for a reader outside.
    pub fn proc_root(&self) -> PathBuf {
        self.path("/proc")
    }

    /// Containerd's socket, for a client outside.
    pub fn socket(&self) -> PathBuf {
        self.path(SOCKET)
    }

    /// A file of the worker, for a reader outside.
    pub fn path(&self, inside: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{inside}", self.init.pid))
    }

    /// Writes a file of the worker.
    pub fn write(&self, inside: &str, text: &str) {
        let path = self.path(inside);
        fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }

    /// A program to be run on the worker, in all its namespaces.
    pub fn command<A: AsRef<OsStr>>(&self, argv: &[A]) -> Command {
        self.init.command(argv)
    }

    /// Runs it; gives what it wrote.
    pub fn exec<A: AsRef<OsStr>>(&self, argv: &[A]) -> String {
        stdout(&mut self.command(argv))
    }

    /// Runs a program in the network namespace of one of the worker's processes.
    pub fn exec_in(&self, pid: u32, argv: &[&str]) -> String {
        let mut whole = vec!["nsenter", "--net", "--target"];
        let pid = pid.to_string();
        whole.push(&pid);
        whole.extend(argv);
        self.exec(&whole)
    }

    /// Asks the witness program of containerd, in the namespace of Kubernetes.
    pub fn ctr(&self, arguments: &[&str]) -> String {
        let mut argv = vec!["ctr", "--address", SOCKET, "--namespace", "k8s.io"];
        argv.extend(arguments);
        self.exec(&argv)
    }

    /// Sends a signal (`STOP`, `CONT`, `KILL`, …) to one process of the worker.
    pub fn signal(&self, signal: &str, pid: u32) {
        self.exec(&["sh", "-c", "kill -s \"$0\" \"$1\"", signal, &pid.to_string()]);
    }

    /// Makes a pod.
    pub fn run_pod(&self, spec: &PodSpec) -> Pod {
        let pod = self.with_cri(|cri| self.make(cri, spec));
        self.settle();
        pod
    }

    /// Makes many pods, `parallel` at a time, in the order asked for.
    pub fn run_pods(&self, specs: &[PodSpec], parallel: usize) -> Vec<Pod> {
        let mut shares: Vec<Vec<(usize, Pod)>> = Vec::new();
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..parallel)
                .map(|thread| {
                    scope.spawn(move || {
                        let mut cri = self.connect();
                        let share = specs.iter().enumerate().skip(thread).step_by(parallel);
                        share.map(|(index, spec)| (index, self.make(&mut cri, spec))).collect()
                    })
                })
                .collect();
            shares.extend(threads.into_iter().map(|thread| thread.join().expect("pods")));
        });
        let mut pods: Vec<_> = shares.into_iter().flatten().collect();
        self.settle();
        pods.sort_by_key(|(index, _)| *index);
        pods.into_iter().map(|(_, pod)| pod).collect()
    }

    /// Ends a pod; it stays listed as not ready.
    pub fn stop_pod(&self, pod: &Pod) {
        self.with_cri(|cri| cri.stop_sandbox(&pod.sandbox)).expect("a stopped pod");
    }

    /// Ends and removes a pod.
    pub fn remove_pod(&self, pod: &Pod) {
        self.stop_pod(pod);
        self.with_cri(|cri| cri.remove_sandbox(&pod.sandbox)).expect("a removed pod");
    }

    /// Attaches a pod's namespace to one more network, as a meta plugin such as multus does.
    pub fn attach(&self, pod: &Pod, pid: u32, network: &CniConf, interface: &str) {
        let file = format!("/run/{}-{interface}", pod.sandbox);
        self.write(&file, &network.text());
        let run = "CNI_COMMAND=ADD CNI_CONTAINERID=$0 CNI_NETNS=/proc/$1/ns/net CNI_IFNAME=$2 CNI_PATH=/usr/lib/cni \
                   exec /usr/lib/cni/$3 < $4";
        self.exec(&["sh", "-c", run, &pod.sandbox, &pid.to_string(), interface, network.plugin(), &file]);
    }

    /// A new connection to the runtime.
    pub fn connect(&self) -> Cri {
        Cri::connect(&self.socket()).expect("a connection to containerd")
    }

    /// Containerd's pid on the worker.
    pub fn containerd_pid(&self) -> u32 {
        self.containerd.lock().expect("containerd").expect("a worker with a runtime")
    }

    fn make(&self, cri: &mut Cri, spec: &PodSpec) -> Pod {
        fs::create_dir_all(self.path(&spec.log_directory())).expect("the pod's log folder");
        spec.run(cri, &format!("/{}", self.name)).unwrap_or_else(|why| panic!("{spec:?}: {why}\n{}", self.log()))
    }

    /// Waits until every end of a pod's or the uplink's pair has a carrier: the kernel tells the links'
    /// operational state a moment after they were set up.
    fn settle(&self) {
        self.await_lines("links with a carrier", "ip -o link", |line| {
            line.contains("@if") && line.contains(" state ") && !line.contains(" state UP ")
        });
    }

    /// Waits until no address is being checked for duplicates, which changes routes when it ends.
    pub fn await_addresses(&self) {
        self.await_lines("addresses that are no longer tentative", "ip -o -6 addr", |line| line.contains("tentative"));
    }

    /// Runs a program in the worker's namespace and in those of its pods until no line is unfit.
    fn await_lines(&self, what: &str, program: &str, unfit: impl Fn(&str) -> bool) {
        let everywhere =
            format!("{program}; for n in /run/netns/*; do nsenter --net=$n {program} 2>/dev/null; done; :");
        eventually(what, || {
            let text = self.exec(&["sh", "-c", &everywhere]);
            text.lines().find(|line| unfit(line)).map_or(Ok(()), |line| Err(line.to_owned()))
        });
    }

    fn with_cri<T>(&self, act: impl FnOnce(&mut Cri) -> T) -> T {
        let mut cri = self.cri.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        act(cri.as_mut().expect("a worker with a runtime"))
    }

    /// Starts it as a child of the worker's process 1, not of ours: the kernel takes the worker down
    /// only when each of its processes was waited for, and ours may be stopped, or dead.
    fn start_containerd(&self) {
        let start = "containerd >/var/log/containerd.log 2>&1 </dev/null & echo $!";
        let pid = self.exec(&["sh", "-c", start]);
        let pid: u32 = pid.trim().parse().expect("containerd's pid");
        *self.containerd.lock().expect("containerd") = Some(pid);
        eventually("containerd", || {
            assert!(self.path(&format!("/proc/{pid}")).exists(), "containerd ended: {}", self.log());
            Cri::connect(&self.socket())?.ready()
        });
    }

    fn log(&self) -> String {
        let text = fs::read_to_string(self.path("/var/log/containerd.log")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.init.end();
        self.fabric.end();
        remove_cgroups(&self.name);
    }
}

impl Node {
    fn start(namespaces: &[&str], hostname: &str) -> Self {
        let mut holder = Command::new("unshare")
            .args(namespaces)
            .args(["--fork", "--kill-child", "sh", "-c", SET_UP, "sh", hostname])
            .arg(&built().init)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("unshare");
        let mut line = String::new();
        let said = BufReader::new(holder.stdout.take().expect("its stdout")).read_line(&mut line);
        assert!(said.is_ok() && line == "ready\n", "the node {hostname} was not set up; the tests need root");
        let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", holder.id())).expect("its child");
        let pid = children.trim().parse().expect("one child");
        Self { holder, pid }
    }

    fn command<A: AsRef<OsStr>>(&self, argv: &[A]) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--mount", "--pid", "--net", "--uts", "--target", &self.pid.to_string(), "--"]).args(argv);
        command
    }

    fn ip(&self, arguments: &str) {
        let mut command = self.command(&["ip"]);
        stdout(command.args(arguments.split(' ')));
    }

    /// Ends process 1, and with it, by the kernel, all processes of the node; waits until they are gone.
    fn end(&mut self) {
        drop(self.holder.stdin.take());
        let _ = self.holder.wait();
    }
}

/// Removes a worker's cgroups in every hierarchy; they are empty once its processes are gone.
fn remove_cgroups(name: &str) {
    let top = Path::new("/sys/fs/cgroup");
    let mut hierarchies = vec![top.to_owned()];
    hierarchies.extend(folders(top));
    for hierarchy in hierarchies {
        let tree = hierarchy.join(name);
        if tree.is_dir() {
            remove_tree(&tree);
        }
    }
}

fn remove_tree(folder: &Path) {
    for child in folders(folder) {
        remove_tree(&child);
    }
    // The last process leaves its cgroup a moment after it can be waited for.
    for _ in 0..200 {
        match fs::remove_dir(folder) {
            Err(error) if error.kind() == std::io::ErrorKind::ResourceBusy => {
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
            _ => return,
        }
    }
}

fn folders(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path()).collect()
}

/// Removes the cgroups of test processes that were killed.
fn remove_stale() {
    for hierarchy in folders(Path::new("/sys/fs/cgroup")) {
        for folder in folders(&hierarchy) {
            let name = folder.file_name().and_then(OsStr::to_str).unwrap_or_default();
            let owner = name.strip_prefix("pnt-testbed-").and_then(|rest| rest.split('-').next());
            if owner.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
                remove_cgroups(name);
            }
        }
    }
}
