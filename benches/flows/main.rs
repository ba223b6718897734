//! `make bench`, the third part: a node's flows.
//!
//! The node is real: containerd with sandboxes on its bridge, kube-proxy's rules for 10,000 services, and
//! 200,000 flows that `conntrack -R` put in: most from pods to services, some masqueraded, some to nowhere. Last, the
//! path of a packet is asked for there.
//! Both sides answer the same question on the same node, in turns; a ratio is the median over the pairs.
//!
//! `PODNET` names the binary to measure; without it, it is the one cargo built. `FLOWS`, `PODS`, `SERVICES`
//! `PAIRS` and `SECONDS` (of `--watch`) make a smaller node or shorter runs; `HOLD=1` asks nothing and keeps the node until stdin ends.

mod bare;
#[path = "../node/inside.rs"]
mod inside;
#[allow(dead_code, reason = "what benches/rules needs of it and this one does not")]
#[path = "../rules/shape.rs"]
mod shape;
#[allow(unused_imports, reason = "each bench uses a part of it")]
#[path = "../../tests/support/mod.rs"]
mod support;
mod trace;
mod watch;

use std::fmt::Write as _;
use std::io::{Write as _, stdout};
use std::process::{ExitCode, Stdio};
use std::time::Instant;

use inside::{Duel, Outcome};
use support::{CniConf, PodSpec, Worker};

/// A full dump may not take more.
const PEAK_KIB: i64 = 32 * 1024;
/// An answer for one pod reads its services, too.
const PEAK_OF_POD_KIB: i64 = 128 * 1024;

/// What is asked.
struct Question {
    name: &'static str,
    shell: String,
    podnet: Vec<String>,
    pairs: usize,
    at_least: f64,
    peak_kib: i64,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, flag, duel] = arguments.as_slice()
        && flag == "--inside"
    {
        let outcome = inside::run(&serde_json::from_str(duel).expect("a duel"));
        say(&serde_json::to_string(&outcome).expect("an outcome"));
        return ExitCode::SUCCESS;
    }
    if let [_, flag, binary, load] = arguments.as_slice()
        && flag == "--watch"
    {
        return watch::inside(binary, load);
    }
    if let [_, flag, address] = arguments.as_slice()
        && flag == "--bare"
    {
        bare::dump(address.parse().expect("an address"));
        // As the shell's side does: who counts lines finds one.
        say("");
        return ExitCode::SUCCESS;
    }
    // `cargo test --all-targets` starts benches too, without this.
    if !arguments.iter().any(|argument| argument == "--bench") {
        return ExitCode::SUCCESS;
    }
    let binary = std::env::var("PODNET").unwrap_or_else(|_| env!("CARGO_BIN_EXE_podnet").to_owned());
    if bench(&binary) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn bench(binary: &str) -> bool {
    let (flows, pods, services) = (setting("FLOWS", 200_000), setting("PODS", 20), setting("SERVICES", 10_000));
    let start = Instant::now();
    let worker = Worker::start(&CniConf::bridge_over("10.200.0.0/16"));
    let specs: Vec<_> = (0..pods).map(|i| PodSpec::new("default", &format!("web-{i}"))).collect();
    let made = worker.run_pods(&specs, 3);
    feed(&worker, &["iptables-nft-restore", "--noflush"], &shape::iptables(services));
    let addresses: Vec<String> = made
        .iter()
        .map(|pod| {
            let told = worker.ip_in(worker.pause_pid(pod), "-4 addr show dev eth0");
            told[0]["addr_info"][0]["local"].as_str().expect("a pod's address").to_owned()
        })
        .collect();
    feed(&worker, &["conntrack", "-R", "-"], &lines(flows, services, &addresses));
    let there = worker.exec(&["conntrack", "-C"]);
    say(&format!(
        "node     {pods} pods, {services} services, {} flows, built in {:.0} s",
        there.trim(),
        start.elapsed().as_secs_f64()
    ));
    if setting("HOLD", 0) == 1 {
        say(&format!("enter    nsenter -m -p -n -u -t {}", worker.init_pid()));
        return std::io::copy(&mut std::io::stdin(), &mut std::io::sink()).is_ok();
    }
    say("question                                   shell ms   podnet ms   ratio   least   peak MiB");
    let ip = &addresses[pods / 2];
    let pod = format!("default/web-{}", pods / 2);
    // Nobody reads what is written: neither side waits for a pipe.
    let quiet = |arguments: &str| {
        let script = format!("{binary} {arguments} >/dev/null; code=$?; echo; test $code = 0 -o $code = 3");
        vec!["sh".to_owned(), "-c".to_owned(), script]
    };
    let this = std::env::current_exe().expect("this program");
    let listing = "conntrack -L >/dev/null 2>&1; echo".to_owned();
    let questions = [
        Question {
            name: "conntrack POD : conntrack -L | grep IP",
            shell: format!("conntrack -L 2>/dev/null | grep -F ={ip}' '"),
            podnet: vec![binary.to_owned(), "conntrack".to_owned(), pod.clone()],
            pairs: setting("PAIRS", 11),
            at_least: 5.0,
            peak_kib: PEAK_OF_POD_KIB,
        },
        // No target: what podnet would take if joins, names and the program itself cost nothing.
        Question {
            name: "conntrack POD : its four dumps alone",
            shell: format!("{} --bare {ip}", this.to_str().expect("a path in UTF-8")),
            podnet: vec![binary.to_owned(), "conntrack".to_owned(), pod.clone()],
            pairs: setting("PAIRS", 11),
            at_least: 0.0,
            peak_kib: PEAK_OF_POD_KIB,
        },
        Question {
            name: "conntrack POD -o json : the same",
            shell: format!("conntrack -L 2>/dev/null | grep -F ={ip}' '"),
            podnet: [binary, "conntrack", &pod, "-o", "json"].map(str::to_owned).to_vec(),
            pairs: setting("PAIRS", 11),
            at_least: 5.0,
            peak_kib: PEAK_OF_POD_KIB,
        },
        Question {
            name: "conntrack -o json : conntrack -L",
            shell: listing.clone(),
            podnet: quiet("conntrack -o json"),
            pairs: setting("PAIRS", 7),
            at_least: 1.0,
            peak_kib: PEAK_KIB,
        },
        Question {
            name: "conntrack --stats : conntrack -L",
            shell: listing,
            podnet: quiet("conntrack --stats"),
            pairs: setting("PAIRS", 5).min(5),
            at_least: 1.0,
            peak_kib: PEAK_OF_POD_KIB,
        },
    ];
    let good = questions.iter().map(|question| ask(&worker, question)).fold(true, |all, one| all & one);
    let good = good & watch::ask(&worker, binary, services);
    good & trace::ask(&worker, binary, &pod, services, &addresses)
}

/// Flows from pods, as `conntrack -R` takes them: most of them to a service's endpoint.
fn lines(count: usize, services: usize, pods: &[String]) -> String {
    let mut lines = String::with_capacity(count * 120);
    for number in 0..count {
        // Each hundredth is one of a pod's that is there.
        let client = match number % 100 {
            0 => pods[number / 100 % pods.len()].clone(),
            _ => format!("10.200.{}.{}", 100 + number % 100, number / 100 % 250 + 2),
        };
        let (source, service) = (1024 + number / 25_000 * 8_000 + number % 8_000, number * 7 % services);
        let [_, _, third, fourth] = u32::try_from(service + 1).expect("an address").to_be_bytes();
        let [_, _, high, low] = u32::try_from(service * 3 + number % 3).expect("an address").to_be_bytes();
        let status = "-t 86000 -u SEEN_REPLY,ASSURED";
        let _ = match number % 10 {
            0..7 => writeln!(
                lines,
                "-A {status} -s {client} -d 10.32.{third}.{fourth} -p tcp --sport {source} --dport 80 --state ESTABLISHED -g 10.200.{high}.{low}:8080"
            ),
            7 => writeln!(
                lines,
                "-A {status} -s {client} -d 198.51.{third}.{fourth} -p tcp --sport {source} --dport 443 --state TIME_WAIT -n 10.240.0.20"
            ),
            8 => writeln!(lines, "-A {status} -s {client} -d 10.240.0.9 -p udp --sport {source} --dport 53"),
            _ => writeln!(
                lines,
                "-A -t 86000 -u UNSET -s {client} -d 10.99.{third}.{fourth} -p udp --sport {source} --dport 9"
            ),
        };
    }
    lines
}

fn feed(worker: &Worker, argv: &[&str], text: &str) {
    let mut child = worker.command(argv).stdin(Stdio::piped()).spawn().expect("a program that reads");
    child.stdin.take().expect("its stdin").write_all(text.as_bytes()).expect("its stdin");
    assert!(child.wait().expect("its end").success(), "{argv:?}");
}

/// Lets both sides answer on the worker, tells how it went; `false` when a target is missed.
fn ask(worker: &Worker, question: &Question) -> bool {
    let Question { name, shell, podnet, pairs, at_least, peak_kib } = question;
    let duel = Duel {
        shell: ["sh", "-c", shell].map(str::to_owned).to_vec(),
        podnet: podnet.clone(),
        // 1: the table of statistics is nearly full; 3: what is behind some address is unknown.
        good: vec![0, 1, 3],
        shell_good: vec![0],
        pairs: *pairs,
    };
    let Some(outcome) = self::duel(worker, &duel) else {
        say(&format!("{name:<42}  failed"));
        return false;
    };
    let ratio = median(outcome.shell_ms.iter().zip(&outcome.podnet_ms).map(|(other, own)| other / own).collect());
    let good = ratio >= *at_least && outcome.podnet_peak_kib < *peak_kib;
    say(&format!(
        "{name:<42} {:>9.1} {:>11.1}   {ratio:>5.1}   {at_least:>5.1}   {:>8}{}",
        median(outcome.shell_ms),
        median(outcome.podnet_ms),
        (outcome.podnet_peak_kib + 1023) / 1024,
        if good { "" } else { "   MISSED" },
    ));
    good
}

/// Has it fought out on the worker; `None` where a side failed, which is told on stderr.
fn duel(worker: &Worker, duel: &Duel) -> Option<Outcome> {
    let this = std::env::current_exe().expect("this program");
    let duel = serde_json::to_string(duel).expect("a duel");
    let mut command = worker.command(&[this.to_str().expect("a path in UTF-8"), "--inside", &duel]);
    let output = command.stderr(Stdio::inherit()).output().expect("the half on the worker");
    serde_json::from_slice(&output.stdout).ok()
}

/// The middle one, or the mean of the two in the middle.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { f64::midpoint(values[middle - 1], values[middle]) }
}

fn setting(name: &str, usual: usize) -> usize {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(usual)
}

fn say(line: &str) {
    writeln!(stdout(), "{line}").expect("stdout");
}
