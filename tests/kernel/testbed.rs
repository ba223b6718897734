//! Namespaces made with `ip` and removed again, and the programs that build and tell them.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use podnet::collect::handle::NetnsHandle;
use podnet::collect::kernel::{Kernel, Namespace};
use serde_json::Value;

/// A namespace of this test run; gone when dropped.
pub struct Netns {
    pub name: String,
}

static COUNT: AtomicU32 = AtomicU32::new(0);

impl Netns {
    pub fn new() -> Self {
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("pnt-kernel-{}-{number}", std::process::id());
        run(Command::new("ip").args(["netns", "add", &name]));
        let netns = Self { name };
        netns.ip("link set lo up");
        netns
    }

    pub fn path(&self) -> PathBuf {
        PathBuf::from("/run/netns").join(&self.name)
    }

    pub fn handle(&self) -> NetnsHandle {
        NetnsHandle::open(&self.path()).unwrap()
    }

    /// Runs a script of `ip` lines within.
    pub fn ip(&self, script: &str) {
        self.feed(&["ip"], script);
    }

    /// The same for IPv6 where the line alone does not tell.
    pub fn ip6(&self, script: &str) {
        self.feed(&["ip", "-6"], script);
    }

    /// Runs a script of lines for `bridge` or `tc` within.
    pub fn batch(&self, program: &str, script: &str) {
        self.feed(&[program], script);
    }

    fn feed(&self, program: &[&str], script: &str) {
        let mut command = Command::new(program[0]);
        command
            .args(&program[1..])
            .args(["-n", &self.name, "-batch", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{program:?}: {}\n{script}", String::from_utf8_lossy(&output.stderr));
    }

    /// Runs a program within.
    pub fn exec<S: AsRef<OsStr>>(&self, program: &str, args: &[S]) {
        run(Command::new("ip").args(["netns", "exec", &self.name, program]).args(args));
    }

    /// What `ip -j -d` (or `bridge -j -d`) says.
    pub fn json(&self, program: &str, args: &str) -> Value {
        let output =
            Command::new(program).args(["-n", &self.name, "-j", "-d"]).args(args.split_whitespace()).output().unwrap();
        assert!(output.status.success(), "{program} {args}: {}", String::from_utf8_lossy(&output.stderr));
        if output.stdout.is_empty() {
            return Value::Array(Vec::new());
        }
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// What podnet reads and what the oracle says of the same state: the oracle is asked before
    /// and after until it says the same twice.
    pub fn both<T>(&self, read: impl Fn(&Namespace) -> T, oracle: impl Fn(&Self) -> Value) -> (T, Value) {
        let kernel = Kernel::new().unwrap();
        let namespace = kernel.open(&self.handle());
        let deadline = Instant::now() + Duration::from_secs(20);
        let mut before = oracle(self);
        loop {
            let ours = read(&namespace);
            let after = oracle(self);
            if before == after {
                return (ours, after);
            }
            assert!(Instant::now() < deadline, "the namespace does not come to rest");
            before = after;
        }
    }
}

impl Drop for Netns {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.name]).stderr(Stdio::null()).status();
    }
}

pub fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Compares element by element first, so that a difference is told where it is.
pub fn same(ours: &[Value], theirs: &[Value]) {
    for (one, other) in ours.iter().zip(theirs) {
        assert_eq!(one, other);
    }
    assert_eq!(ours.len(), theirs.len());
    assert!(!ours.is_empty());
}
