//! A namespace that changes while it is read: each answer is whole, or says that it is not.

use std::io::Write as _;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;

use podnet::collect::kernel::{Kernel, Namespace};
use podnet::model::issue::{Read, Why};

use crate::testbed::Netns;

/// Feeds the same lines to `ip` again and again until it is dropped.
struct Churn {
    program: Child,
    feeder: Option<JoinHandle<()>>,
}

impl Churn {
    fn start(netns: &Netns, lines: &str) -> Self {
        let mut program =
            Command::new("ip").args(["-n", &netns.name, "-batch", "-"]).stdin(Stdio::piped()).spawn().unwrap();
        let mut input = program.stdin.take().unwrap();
        let lines = lines.repeat(20);
        // Ends when the program does.
        let feeder = std::thread::spawn(move || while input.write_all(lines.as_bytes()).is_ok() {});
        Self { program, feeder: Some(feeder) }
    }
}

impl Drop for Churn {
    fn drop(&mut self) {
        let early = self.program.try_wait().unwrap();
        self.program.kill().unwrap();
        self.program.wait().unwrap();
        self.feeder.take().unwrap().join().unwrap();
        assert!(early.is_none() || std::thread::panicking(), "a line of the churn failed");
    }
}

/// Reads again and again while the namespace changes, and checks what did not change.
fn whole_or_marked<T>(
    netns: &Netns,
    churn: &str,
    stable: usize,
    rounds: usize,
    read: impl Fn(&Namespace) -> Read<Vec<T>>,
    is_stable: impl Fn(&T) -> bool,
) {
    let namespace = Kernel::new().unwrap().open(&netns.handle());
    let churning = Churn::start(netns, churn);
    for _ in 0..rounds {
        let read = read(&namespace);
        match read.issues.as_slice() {
            [] => {
                let found = read.value.iter().filter(|object| is_stable(object)).count();
                assert_eq!(found, stable, "an answer without an issue has all that did not change");
            }
            [issue] => {
                assert!(matches!(issue.why, Why::Interrupted { .. }), "{issue:?}");
            }
            more => panic!("{more:?}"),
        }
    }
    drop(churning);
    let calm = read(&namespace);
    assert_eq!(calm.issues, []);
    assert_eq!(calm.value.iter().filter(|object| is_stable(object)).count(), stable);
}

#[test]
fn routes_that_change_while_they_are_dumped() {
    let netns = Netns::new();
    netns.ip("link add d0 type veth peer name d1\nlink set d0 up\naddr add 10.0.0.1/24 dev d0\n");
    // Enough for several datagrams.
    let fixed = |at: usize| format!("route add 10.{}.{}.0/24 dev d0\n", 100 + at / 250, at % 250);
    netns.ip(&(0..2000).map(fixed).collect::<String>());
    let churn = "route add 10.101.7.0/25 dev d0\nroute del 10.101.7.0/25 dev d0\n";
    let is_stable =
        |route: &podnet::model::route::Route| route.dst.to_string().starts_with("10.1") && route.dst.prefix_len() == 24;
    whole_or_marked(&netns, churn, 2000, 60, Namespace::routes, is_stable);
}

#[test]
fn addresses_that_change_while_they_are_dumped() {
    let netns = Netns::new();
    netns.ip("link add d0 type veth peer name d1\nlink set d0 up\n");
    let fixed = |at: usize| format!("addr add 10.{}.{}.1/32 dev d0\n", 100 + at / 250, at % 250);
    netns.ip(&(0..1000).map(fixed).collect::<String>());
    let churn = "addr add 10.200.0.1/24 dev d1\naddr del 10.200.0.1/24 dev d1\n";
    let is_stable = |address: &podnet::model::address::Address| {
        address.address.prefix_len() == 32 && address.address.addr().is_ipv4()
    };
    whole_or_marked(&netns, churn, 1000, 60, Namespace::addresses, is_stable);
}

#[test]
fn links_that_come_and_go_while_they_are_dumped() {
    let netns = Netns::new();
    let fixed = |at: usize| format!("link add s{at} type veth peer name t{at}\n");
    netns.ip(&(0..60).map(fixed).collect::<String>());
    let churn = "link add c0 type bridge\nlink del c0\n";
    let is_stable = |link: &podnet::model::link::Link| link.kind.name() == "veth";
    whole_or_marked(&netns, churn, 120, 8, Namespace::links, is_stable);
}
