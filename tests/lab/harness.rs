//! A lab with a name of its own that is removed when the test ends, and looks for what may be left.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use podnet::collect::live::{LabOptions, LiveNode};
use podnet::model::address::Address;
use podnet::model::ids::IfIndex;
use podnet::model::lab::{LabPod, LabState, LabWorker, STATE_FILE, STATE_ROOT};
use podnet::model::sandbox::SandboxFilter;
use podnet::model::view::NodeView;
use serde_json::Value;

/// How long anything may take.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// The program under test.
pub fn podnet<S: AsRef<OsStr>>(arguments: &[S]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_podnet")).args(arguments).output().expect("podnet starts")
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

#[track_caller]
pub fn succeeded(output: Output) -> Output {
    assert_eq!(output.status.code(), Some(0), "stdout: {}\nstderr: {}", stdout(&output), stderr(&output));
    output
}

/// A name that no other test has.
pub fn unused_name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("pnt-l{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A lab, or the name for one; removed when dropped.
pub struct Lab {
    pub name: String,
}

impl Lab {
    /// Only the name.
    pub fn unmade() -> Self {
        Self { name: unused_name() }
    }

    #[track_caller]
    pub fn up(options: &[&str]) -> Self {
        let lab = Self::unmade();
        succeeded(lab.run("up", options));
        lab
    }

    /// `podnet lab COMMAND --name NAME …`.
    pub fn run(&self, command: &str, rest: &[&str]) -> Output {
        let mut arguments = vec!["lab", command, "--name", &self.name];
        arguments.extend(rest);
        podnet(&arguments)
    }

    /// What a program prints in a machine or pod.
    #[track_caller]
    pub fn exec(&self, target: &str, command: &[&str]) -> String {
        let mut rest = vec![target, "--"];
        rest.extend(command);
        stdout(&succeeded(self.run("exec", &rest)))
    }

    /// The JSON that a program prints there.
    #[track_caller]
    pub fn exec_json(&self, target: &str, command: &[&str]) -> Value {
        serde_json::from_str(&self.exec(target, command)).expect("JSON")
    }

    /// Waits until the kernel has given each link its own IPv6 address and probes none of them any more.
    pub fn settle(&self) {
        let options = LabOptions { lab: self.name.clone(), worker: None, now: Timestamp::UNIX_EPOCH };
        wait_until("no address is tentative", || {
            LiveNode::open_lab(&options).expect("the lab opens").iter().all(is_settled)
        });
    }

    pub fn folder(&self) -> PathBuf {
        Path::new(STATE_ROOT).join(&self.name)
    }

    pub fn state_path(&self) -> PathBuf {
        self.folder().join(STATE_FILE)
    }

    #[track_caller]
    pub fn state(&self) -> LabState {
        let text = fs::read(self.state_path()).expect("the state file");
        LabState::parse(&text, &self.folder().to_string_lossy()).expect("parses")
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let output = self.run("down", &[]);
        if !thread::panicking() {
            succeeded(output);
        }
    }
}

/// Runs `work` in the namespace of a machine or pod, on a thread of its own.
pub fn within<T: Send + 'static>(netns: &str, work: impl FnOnce() -> T + Send + 'static) -> T {
    let file = File::open(netns).expect("the namespace");
    let thread = thread::spawn(move || {
        podnet::sys::netns::enter(file.as_fd()).expect("enters");
        work()
    });
    thread.join().expect("no panic")
}

#[track_caller]
pub fn worker<'a>(state: &'a LabState, name: &str) -> &'a LabWorker {
    state.worker(name).expect("the worker")
}

/// The pod whose name begins so.
#[track_caller]
pub fn pod<'a>(state: &'a LabState, prefix: &str) -> &'a LabPod {
    let mut found = state.workers.iter().flat_map(|worker| &worker.pods).filter(|pod| pod.name.starts_with(prefix));
    let pod = found.next().expect("the pod");
    assert!(found.next().is_none(), "{prefix} is ambiguous");
    pod
}

/// What a server of the lab said: who it is, and whom it saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    pub name: String,
    pub node: String,
    pub client: SocketAddr,
}

impl Said {
    #[track_caller]
    fn parse(text: &str) -> Self {
        let line = |key: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(": "));
            line.unwrap_or_else(|| panic!("no {key} in {text:?}")).to_owned()
        };
        Self { name: line("name"), node: line("node"), client: line("client").parse().expect("an address") }
    }
}

/// Asks over TCP and gives the client's own address as well; the connection is closed.
pub fn ask_tcp(to: SocketAddr) -> (SocketAddr, Said) {
    let mut stream = TcpStream::connect_timeout(&to, PATIENCE).expect("connects");
    stream.set_read_timeout(Some(PATIENCE)).expect("timeout");
    stream.write_all(b"and the echo").expect("sends");
    stream.shutdown(std::net::Shutdown::Write).expect("shuts down");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("answers");
    assert!(text.ends_with("and the echo"), "{text:?}");
    (stream.local_addr().expect("bound"), Said::parse(&text))
}

/// Asks over UDP from an unconnected socket, so that an answer from elsewhere would show.
pub fn ask_udp(to: SocketAddr) -> (SocketAddr, Said) {
    let any = if to.is_ipv6() { "::" } else { "0.0.0.0" };
    let socket = UdpSocket::bind((any, 0)).expect("binds");
    socket.set_read_timeout(Some(PATIENCE)).expect("timeout");
    socket.send_to(b"?", to).expect("sends");
    let mut bytes = [0; 2048];
    let (length, from) = socket.recv_from(&mut bytes).expect("answers");
    assert_eq!(from, to, "the answer comes from where it was asked");
    (socket.local_addr().expect("bound"), Said::parse(std::str::from_utf8(&bytes[..length]).expect("UTF-8")))
}

/// Asks over HTTP.
pub fn ask_http(to: SocketAddr) -> (SocketAddr, Said) {
    let mut stream = TcpStream::connect_timeout(&to, PATIENCE).expect("connects");
    stream.set_read_timeout(Some(PATIENCE)).expect("timeout");
    stream.write_all(b"GET / HTTP/1.1\r\nHost: pod\r\n\r\n").expect("sends");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("answers");
    let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head:?}");
    (stream.local_addr().expect("bound"), Said::parse(body))
}

/// Waits until `done` holds.
#[track_caller]
pub fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "{what} did not happen within {PATIENCE:?}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// The processes that bear a lab's name in their environment and still run.
pub fn processes_of(lab: &str) -> Vec<u32> {
    let marker = format!("PODNET_LAB_NAME={lab}");
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").expect("/proc").filter_map(Result::ok) {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
        if environment.split(|byte| *byte == 0).any(|variable| variable == marker.as_bytes()) {
            found.push(pid);
        }
    }
    found
}

/// All that a state names and that is there: namespaces, mounts, cgroups, folders, processes.
pub fn traces(state: &LabState) -> Vec<String> {
    let mut found = Vec::new();
    let mounts = fs::read_to_string("/proc/self/mountinfo").expect("mountinfo");
    for made in state.steps.iter().flat_map(|step| &step.makes).filter(|made| made.starts_with('/')) {
        if Path::new(made).symlink_metadata().is_ok() {
            found.push(made.clone());
        }
        if mounts.lines().any(|line| line.split(' ').nth(4) == Some(made)) {
            found.push(format!("a mount at {made}"));
        }
    }
    if Path::new(&state.folder).exists() {
        found.push(state.folder.clone());
    }
    found
}

/// The links of this namespace, which no lab may touch.
pub fn own_links() -> Value {
    let output = Command::new("ip").args(["-j", "link"]).output().expect("ip starts");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// Each link has its own IPv6 address, and none is probed any more.
fn is_settled(node: &LiveNode) -> bool {
    let sandboxes = &node.sandboxes(&SandboxFilter::All).value;
    let places = sandboxes.iter().filter_map(|sandbox| sandbox.netns).chain([node.node().host_netns]);
    places.into_iter().all(|netns| {
        let addresses = &node.addresses(netns).value;
        let has_own = |link: IfIndex| {
            let six = |address: &Address| address.ifindex == link && address.address.addr().is_ipv6();
            addresses.iter().any(six)
        };
        node.links(netns).value.iter().all(|link| has_own(link.ifindex))
            && !addresses.iter().any(|address| address.has_flag("tentative"))
    })
}
