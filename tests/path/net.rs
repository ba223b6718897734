//! Namespaces of one random network, and what is run within them.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use nix::sched::{CloneFlags, setns};
use podnet::collect::live::{LiveNode, LiveOptions};

/// xorshift64*: the same networks for the same seed, everywhere.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        let mut random = Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        for _ in 0..4 {
            random.next();
        }
        random
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    pub fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(limit).unwrap()).unwrap()
    }

    /// True `percent` times in a hundred.
    pub fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

static COUNT: AtomicU32 = AtomicU32::new(0);

/// The hosts of a network: one namespace each, gone when this is dropped.
pub struct Net {
    pub hosts: Vec<String>,
}

impl Net {
    pub fn new(count: usize) -> Self {
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let hosts: Vec<String> =
            (0..count).map(|host| format!("pnt-path-{}-{number}-h{host}", std::process::id())).collect();
        let net = Self { hosts };
        let lines: String = net.hosts.iter().fold(String::new(), |lines, name| lines + "netns add " + name + "\n");
        feed(Command::new("ip").args(["-batch", "-"]), &lines, true).unwrap();
        net
    }

    pub fn path(&self, host: usize) -> String {
        format!("/run/netns/{}", self.hosts[host])
    }

    /// The node as podnet reads it, the first host its own namespace.
    pub fn live(&self) -> LiveNode {
        LiveNode::open(&LiveOptions {
            proc_root: "/proc".into(),
            host_netns: Some(self.path(0).into()),
            endpoint: None,
            env_endpoint: None,
            timeout: Duration::from_secs(1),
            now: "2026-01-01T00:00:00Z".parse().unwrap(),
        })
        .unwrap()
    }

    /// Whether all that comes of making links is done: the kernel tells bridges and IPv6 some time afterwards that a
    /// link is up, and until then a port takes no frame and an address answers nobody.
    pub fn is_at_rest(&self, host: usize) -> bool {
        let asked = |arguments: &[&str]| -> Vec<serde_json::Value> {
            let output = Command::new("ip").args(["-n", &self.hosts[host], "-j"]).args(arguments).output().unwrap();
            serde_json::from_slice(&output.stdout).unwrap_or_default()
        };
        let links = asked(&["link"]);
        let has_carrier =
            |link: &&serde_json::Value| link["flags"].as_array().is_some_and(|all| all.contains(&"LOWER_UP".into()));
        let up: Vec<&serde_json::Value> = links.iter().filter(has_carrier).collect();
        let tentative = asked(&["-6", "address", "show", "tentative"]);
        !links.is_empty()
            && up.iter().all(|link| link["operstate"] == "UP" || link["operstate"] == "UNKNOWN")
            && !up.iter().any(|link| tentative.iter().any(|other| other["ifname"] == link["ifname"]))
    }

    /// Runs something within a host's namespace, in a thread of its own.
    pub fn within<T: Send>(&self, host: usize, run: impl FnOnce() -> T + Send) -> T {
        let path = self.path(host);
        thread::scope(|scope| {
            let ran = scope.spawn(move || {
                setns(File::open(path).unwrap(), CloneFlags::CLONE_NEWNET).unwrap();
                run()
            });
            ran.join().unwrap()
        })
    }

    /// Lines of `ip`; those that the kernel refuses are left out, but a rule never is. A batch takes no family within
    /// it: lines that begin with one are fed after all others.
    pub fn ip(&self, host: usize, lines: &str) {
        let rules = if lines.contains("rule add ") { self.rules(host) } else { [0; 2] };
        for family in [None, Some("-4"), Some("-6")] {
            let of_family = lines.lines().filter_map(|line| match (family, line.split_once(' ')) {
                (Some(family), Some((first, rest))) => (first == family).then_some(rest),
                (None, Some(("-4" | "-6", _))) | (Some(_), None) => None,
                (None, _) => Some(line),
            });
            let lines: String = of_family.map(|line| line.to_owned() + "\n").collect();
            if lines.is_empty() {
                continue;
            }
            let mut command = Command::new("ip");
            let command = command.args(family).args(["-n", &self.hosts[host], "-force", "-batch", "-"]);
            let _ = feed(command, &lines, false);
        }
        self.took_rules(host, lines, &rules);
    }

    /// How many rules a host has, of IPv4 and IPv6.
    fn rules(&self, host: usize) -> [usize; 2] {
        ["-4", "-6"].map(|family| {
            let output = Command::new("ip").args(["-n", &self.hosts[host], family, "rule"]).output().unwrap();
            assert!(output.status.success(), "{output:?}");
            String::from_utf8(output.stdout).unwrap().lines().count()
        })
    }

    /// Each family has as many rules more as the lines add: a network without its rules would be compared as if it had
    /// been planned without them.
    fn took_rules(&self, host: usize, lines: &str, before: &[usize; 2]) {
        let planned: BTreeSet<&str> = lines.lines().filter(|line| line.contains("rule add ")).collect();
        if planned.is_empty() {
            return;
        }
        // A line of IPv6's addresses that names no family would be taken for one of IPv4.
        let six = planned.iter().filter(|line| line.starts_with("-6") || line.contains(':')).count();
        let wanted = [before[0] + planned.len() - six, before[1] + six];
        assert_eq!(self.rules(host), wanted, "rules of {}, planned:\n{lines}", self.hosts[host]);
    }

    /// `ipv4/ip_forward=1` and its like, below `/proc/sys/net`; what this kernel does not have is left out.
    pub fn sysctls(&self, host: usize, settings: &str) {
        self.within(host, || {
            for setting in settings.lines() {
                let Some((name, value)) = setting.split_once('=') else { continue };
                let _ = fs::write(format!("/proc/sys/net/{name}"), value);
            }
        });
    }

    /// Feeds a program of the namespace.
    pub fn feed(&self, host: usize, program: &[&str], text: &str) -> Result<(), String> {
        self.within(host, || feed(Command::new(program[0]).args(&program[1..]), text, false))
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        let lines: String = self.hosts.iter().fold(String::new(), |lines, name| lines + "netns del " + name + "\n");
        let _ = feed(Command::new("ip").args(["-force", "-batch", "-"]), &lines, false);
    }
}

fn feed(command: &mut Command, text: &str, must: bool) -> Result<(), String> {
    let child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
    let mut child = child.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let fine = output.status.success();
    if !fine && std::env::var_os("PODNET_PATH_REFUSED").is_some() {
        let told = format!("refused {command:?}: {}\n{text}\n", String::from_utf8_lossy(&output.stderr));
        std::io::stderr().write_all(told.as_bytes()).unwrap();
    }
    assert!(fine || !must, "{command:?}: {}\n{text}", String::from_utf8_lossy(&output.stderr));
    if fine { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}
