//! How many packets are simulated in a second on one core, over a snapshot that is loaded once: 10,000 services in
//! nftables mode, 10 in iptables mode.
//!
//! A node of its own (namespaces, no runtime) gets kube-proxy's rules, a bridge with a client and with the endpoints
//! of some services; podnet writes a snapshot of it, and the walk runs over that. `SERVICES` makes a smaller node.

#[path = "../rules/shape.rs"]
mod shape;
#[allow(unused_imports, reason = "this bench starts no runtime")]
#[path = "../../tests/support/mod.rs"]
mod support;

use std::io::{self, BufRead as _, BufReader, Write as _, stdout};
use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::process::Stdio;

use criterion::{Criterion, Throughput};
use podnet::analyze::path::{Course, Packet, Place, Question, Simulator, Tuple, Verdict};
use podnet::model::snapshot::Snapshot;
use podnet::model::view::NodeView;
use shape::Service;
use support::Worker;

/// How many services have their endpoints on the bridge; the first has none, for the bridge's address is among them.
const SERVED: usize = 64;
/// Packets of one round.
const ROUND: usize = 512;
const CLIENT: &str = "10.200.250.1";

fn main() {
    if std::env::args().any(|argument| argument == "--listen") {
        return listen();
    }
    // `cargo test --all-targets` starts benches too, without this.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let mut criterion = Criterion::default().configure_from_args();
    let services = std::env::var("SERVICES").ok().and_then(|value| value.parse().ok()).unwrap_or(10_000);
    one(&mut criterion, "nftables", &["nft", "-f", "-"], &shape::nftables(services));
    one(&mut criterion, "iptables-nft", &["iptables-nft-restore"], &shape::iptables(10));
    criterion.final_summary();
}

fn one(criterion: &mut Criterion, mode: &str, restore: &[&str], rules: &str) {
    let snapshot = snapshot(restore, rules);
    let nodes: [&dyn NodeView; 1] = [&snapshot];
    let names = snapshot.netns_names().value.clone();
    let client = names.iter().find(|name| name.name == "client").expect("the client's namespace").id;
    let from = Place { node: 0, netns: client };
    let served = if mode == "nftables" { SERVED } else { 9 };
    let questions: Vec<Question> = (0..ROUND).map(|number| question(from, 1 + number % served, number)).collect();
    let simulator = Simulator::new(&nodes);
    // Each comes back, over all courses.
    let all: Vec<Course> = questions.iter().flat_map(|question| simulator.ask(question)).collect();
    let other = all.iter().find(|course| course.verdict != Verdict::Answered);
    assert!(other.is_none(), "{mode}: {:?}", other.map(|course| &course.verdict));
    // A course is a packet with its answer.
    let packets = u64::try_from(all.len()).expect("a number");
    let mut group = criterion.benchmark_group("simulate");
    group.throughput(Throughput::Elements(packets));
    group.bench_function(mode, |bencher| {
        bencher.iter(|| questions.iter().map(|question| simulator.ask(question).len()).sum::<usize>());
    });
    group.finish();
}

fn question(from: Place, service: usize, number: usize) -> Question {
    let tuple = Tuple {
        source: CLIENT.parse().expect("an address"),
        destination: IpAddr::V4(Service::numbered(service).address),
        protocol: 6,
        source_port: Some(20_000 + u16::try_from(number).expect("a port")),
        destination_port: Some(80),
    };
    let packet = Packet { tuple, is_answer: false, icmp: None, mark: 0, tos: 0, ttl: 64, length: 60, uid: Some(0) };
    Question::new(from, packet)
}

/// What the endpoints are: a socket that listens in the server's namespace until stdin ends.
fn listen() {
    let _socket = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 8080)).expect("a socket");
    writeln!(stdout(), "listening").expect("stdout");
    io::copy(&mut io::stdin(), &mut io::sink()).expect("stdin");
}

/// A node with rules that a program reads from stdin, written down.
fn snapshot(restore: &[&str], rules: &str) -> Snapshot {
    let worker = Worker::without_runtime();
    let endpoints = (3..3 * (SERVED + 1)).fold(String::new(), |lines, at| {
        let number = u32::try_from(at).expect("a number");
        let address = Ipv4Addr::from_bits(Ipv4Addr::new(10, 200, 0, 0).to_bits() + number);
        lines + &format!("addr add {address}/16 dev eth0\n")
    });
    let script = format!(
        "set -e
sysctl -qw net.ipv4.ip_forward=1 net.bridge.bridge-nf-call-iptables=1
ip link add cnio0 type bridge && ip link set cnio0 up && ip addr add 10.200.0.1/16 dev cnio0
for pod in client server; do
  ip netns add $pod
  ip link add v$pod type veth peer name eth0 netns $pod
  ip link set v$pod master cnio0 up
  ip -n $pod link set lo up
  ip -n $pod link set eth0 up
done
ip -n client addr add {CLIENT}/16 dev eth0
ip -n client route add default via 10.200.0.1
ip -n server -batch - <<END
{endpoints}route add default via 10.200.0.1
END
{} > /dev/null
",
        restore.join(" ")
    );
    let mut child = worker.command(&["sh", "-c", &script]).stdin(Stdio::piped()).spawn().expect("a shell");
    child.stdin.take().expect("its stdin").write_all(rules.as_bytes()).expect("its stdin");
    assert!(child.wait().expect("its end").success(), "{restore:?}");
    let this = std::env::current_exe().expect("this program");
    let mut command =
        worker.command(&["ip", "netns", "exec", "server", this.to_str().expect("a path in UTF-8"), "--listen"]);
    let mut server = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a server");
    let mut said = String::new();
    BufReader::new(server.stdout.as_mut().expect("its stdout")).read_line(&mut said).expect("its first line");
    let binary = std::env::var("PODNET").unwrap_or_else(|_| env!("CARGO_BIN_EXE_podnet").to_owned());
    let mut command = worker.command(&[binary.as_str(), "snapshot", "-"]);
    let written = command.stderr(Stdio::null()).output().expect("podnet");
    drop(server.stdin.take());
    assert!(server.wait().expect("its end").success());
    serde_json::from_slice(&written.stdout).expect("a snapshot")
}
