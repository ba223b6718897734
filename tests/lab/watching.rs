//! A program that watches and runs on, and a namespace that is nothing but a table of flows.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read};
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::harness::{PATIENCE, wait_until, within};

/// A namespace without a name that tracks what is sent in it; it ends with the test.
pub struct Bare {
    netns: File,
}

impl Bare {
    pub fn new() -> Self {
        let (netns, _) = podnet::sys::netns::create().expect("a namespace");
        let bare = Self { netns };
        bare.run("ip link set lo up");
        bare.run("ip address add 2001:db8::1/128 dev lo nodad");
        bare.run("nft add table inet pnt");
        bare.run("nft add chain inet pnt out { type filter hook output priority 0 ; }");
        bare.run("nft add rule inet pnt out ct state new counter");
        // No ICMP errors for what nobody hears: by then the flow is confirmed.
        bare.run("nft add chain inet pnt in { type filter hook input priority 0 ; }");
        bare.run("nft add rule inet pnt in udp dport 9 drop");
        bare
    }

    pub fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.netns.as_raw_fd())
    }

    #[track_caller]
    pub fn run(&self, command: &str) -> String {
        let words: Vec<String> = command.split(' ').map(str::to_owned).collect();
        let output = within(&self.path(), move || Command::new(&words[0]).args(&words[1..]).output().expect("starts"));
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    /// Makes so many UDP flows, each to an address of its own from `first` on, a batch each millisecond.
    pub fn flows(&self, first: u32, count: u32, batch: u32) {
        within(&self.path(), move || {
            let socket = UdpSocket::bind("127.0.0.1:0").expect("binds");
            let begun = Instant::now();
            for number in 0..count {
                let to = Ipv4Addr::from_bits(0x7f01_0000 + first + number);
                socket.send_to(b"?", (to, 9)).expect("sends");
                let due = Duration::from_millis(u64::from(number / batch));
                thread::sleep(due.saturating_sub(begun.elapsed()));
            }
        });
    }

    /// The ids of the flows that there are.
    pub fn ids(&self) -> BTreeSet<u64> {
        self.run("conntrack -L -o id").lines().filter_map(id).collect()
    }

    pub fn watch(&self, arguments: &[&str]) -> Watching {
        let mut command = Command::new(env!("CARGO_BIN_EXE_podnet"));
        command.args(["--host-netns", &self.path(), "conntrack", "--watch"]).args(arguments);
        Watching::start(command)
    }
}

/// The id in a line of `conntrack -o id`: the last one, for an echo has an identifier too.
pub fn id(line: &str) -> Option<u64> {
    line.rsplit(' ').find_map(|word| word.strip_prefix("id=")?.parse().ok())
}

/// Text that comes line by line.
pub struct Lines {
    pub lines: Arc<Mutex<Vec<String>>>,
    reader: JoinHandle<()>,
}

impl Lines {
    fn of(from: impl Read + Send + 'static) -> Self {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let own = Arc::clone(&lines);
        let reader = thread::spawn(move || {
            for line in BufReader::new(from).lines() {
                own.lock().expect("no panic").push(line.expect("UTF-8"));
            }
        });
        Self { lines, reader }
    }

    pub fn any(&self, what: impl Fn(&str) -> bool) -> bool {
        self.lines.lock().expect("no panic").iter().any(|line| what(line))
    }

    pub fn finish(self) -> Vec<String> {
        self.reader.join().expect("no panic");
        Arc::into_inner(self.lines).expect("the only one").into_inner().expect("no panic")
    }
}

/// What a watch has told of flows.
#[derive(Debug, Default)]
pub struct Told {
    /// How many began.
    pub began: usize,
    /// The ids of those that did not end.
    pub alive: BTreeSet<u64>,
}

impl Told {
    pub fn of(events: &[Value]) -> Self {
        let mut told = Self::default();
        for event in events {
            told.take(event);
        }
        told
    }

    fn take(&mut self, event: &Value) {
        let Some(id) = event["flow"]["id"].as_u64() else { return };
        self.began += usize::from(event["event"] == "new");
        if event["event"] == "destroyed" {
            self.alive.remove(&id);
        } else {
            self.alive.insert(id);
        }
    }
}

/// A program that runs until it is told to end.
pub struct Watching {
    pub child: Child,
    pub out: Option<Lines>,
    pub err: Option<Lines>,
}

impl Watching {
    pub fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
        let out = child.stdout.take().map(Lines::of);
        let err = child.stderr.take().map(Lines::of);
        Self { child, out, err }
    }

    pub fn out(&self) -> &Lines {
        self.out.as_ref().expect("runs")
    }

    /// Waits until it listens.
    #[track_caller]
    pub fn listening(self) -> Self {
        wait_until("the first words", || {
            self.out().any(|line| line.contains("podnet/conntrack-watch/"))
                || self.err.as_ref().expect("runs").any(|line| line.contains("nf_conntrack_events"))
        });
        self
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().try_into().expect("a pid")), signal).expect("it runs");
    }

    /// Waits until what it has told so far, as JSON lines, is what is wanted. It may be told while all else is slow.
    #[track_caller]
    pub fn until(&self, what: &str, mut done: impl FnMut(&Told) -> bool) {
        const LONG: Duration = Duration::from_secs(60);
        let deadline = Instant::now() + LONG;
        let mut told = Told::default();
        let mut read = 0;
        loop {
            {
                let lines = self.out().lines.lock().expect("no panic");
                lines[read..].iter().for_each(|line| told.take(&serde_json::from_str(line).expect("JSON")));
                read = lines.len();
            }
            if done(&told) {
                return;
            }
            assert!(Instant::now() < deadline, "{what} did not happen within {LONG:?}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// The processor time that it took.
    pub fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).expect("it runs");
        let fields: Vec<&str> = stat.rsplit_once(") ").expect("a name").1.split(' ').collect();
        let ticks: u64 = fields[11..13].iter().map(|ticks| ticks.parse::<u64>().expect("a number")).sum();
        // USER_HZ is 100 on every architecture that Linux runs pods on.
        Duration::from_millis(ticks * 10)
    }

    /// Stops it, and waits until it is.
    pub fn freeze(&self) {
        self.signal(Signal::SIGSTOP);
        let stat = format!("/proc/{}/stat", self.child.id());
        wait_until("the stop", || std::fs::read_to_string(&stat).expect("it runs").contains(") T "));
    }

    #[track_caller]
    pub fn ended(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("its own child") {
                return status;
            }
            assert!(Instant::now() < deadline, "it does not end");
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Ends it by Ctrl-C, and gives what it wrote.
    #[track_caller]
    pub fn stop(mut self) -> (Vec<String>, Vec<String>) {
        self.signal(Signal::SIGINT);
        let status = self.ended();
        let (out, err) = (self.out.take().expect("runs").finish(), self.err.take().expect("runs").finish());
        // In a namespace without pods, what pods are is not all known.
        assert!(matches!(status.code(), Some(0 | 3)), "{err:#?}");
        (out, err)
    }

    /// The same, its lines as JSON without the first.
    #[track_caller]
    pub fn stop_json(self) -> Vec<Value> {
        let (out, err) = self.stop();
        assert_eq!(err, Vec::<String>::new());
        let mut lines = out.iter().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        assert_eq!(lines.next().expect("a head")["schema"], "podnet/conntrack-watch/v1");
        lines.collect()
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        // Only where a test failed: it has not been waited for.
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
