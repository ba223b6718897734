//! `make bench`, the second half: what services do, out of the rules of 10,000 of them.
//!
//! For each mode of kube-proxy a node of its own (namespaces, no runtime) holds 10,000 services of three
//! endpoints. Both sides answer the same question on the same node, in turns; a ratio is the median over the
//! pairs. For legacy rules one side is the bare read that any answer needs; for growth it is podnet itself on
//! a node with a tenth of the services.
//!
//! `PODNET` names the binary to measure; without it, it is the one cargo built. `SERVICES` and `PAIRS` make
//! a smaller node or fewer runs, `ONLY=nft|legacy|nftables` one mode alone; `HOLD=1` asks nothing and keeps
//! the node until stdin ends.

#[path = "../node/inside.rs"]
mod inside;
mod shape;
#[allow(unused_imports, reason = "this bench starts no runtime")]
#[path = "../../tests/support/mod.rs"]
mod support;

use std::io::{Write, stdout};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use inside::{Duel, Outcome};
use podnet::sys::xtables::XtSocket;
use podnet::wire::legacy::Info;
use shape::Service;
use support::Worker;

const MIB: i64 = 1024;
const PEAK_KIB: i64 = 128 * MIB;
/// One read of a legacy table has the table whole.
const LEGACY_PEAK_KIB: i64 = 192 * MIB;
/// Where the node with a tenth of the services is, beside the other.
const SMALL: &str = "/run/netns/small";

/// What has to come of a duel.
#[derive(Debug, Clone, Copy)]
enum Wanted {
    /// Podnet is so many times faster.
    Faster(f64),
    /// Podnet takes at most so many times as long.
    Within(f64),
    /// Podnet takes at most so many milliseconds.
    Below(f64),
}

/// What is asked.
struct Question {
    name: String,
    other: Vec<String>,
    podnet: Vec<String>,
    pairs: usize,
    wanted: Wanted,
    peak_kib: i64,
}

/// A mode's name, and what runs it; false where a figure is not what is wanted.
type Mode = (&'static str, fn(&Bench) -> bool);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [_, "--inside", duel] => {
            let outcome = inside::run(&serde_json::from_str(duel).expect("a duel"));
            say(&serde_json::to_string(&outcome).expect("an outcome"));
            return ExitCode::SUCCESS;
        }
        [_, "--bare-read"] => {
            bare_read();
            return ExitCode::SUCCESS;
        }
        // `cargo test --all-targets` starts benches too, without this.
        arguments if !arguments.contains(&"--bench") => return ExitCode::SUCCESS,
        _ => {}
    }
    let binary = std::env::var("PODNET").unwrap_or_else(|_| env!("CARGO_BIN_EXE_podnet").to_owned());
    let bench = Bench { binary, services: setting("SERVICES", 10_000) };
    let only = std::env::var("ONLY").ok();
    let modes: [Mode; 3] =
        [("nft", Bench::iptables_nft), ("legacy", Bench::iptables_legacy), ("nftables", Bench::nftables)];
    let mut good = true;
    for (name, run) in modes {
        if only.as_ref().is_none_or(|only| only == name) {
            good &= run(&bench);
        }
    }
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Reads table nat of `ip_tables` once, and does nothing with it.
fn bare_read() {
    let socket = XtSocket::open(false).expect("a raw socket");
    let info = Info::parse(&socket.info(b"nat").expect("the table's size")).expect("the table's size");
    let bytes = socket.entries(b"nat", info.size).expect("the table");
    say(&bytes.len().to_string());
}

struct Bench {
    binary: String,
    services: usize,
}

impl Bench {
    fn iptables_nft(&self) -> bool {
        let worker = self.node("iptables-nft", &["iptables-nft-restore"], &shape::iptables(self.services));
        let service = self.service();
        let (name, ip) = (service.name.to_string(), service.address.to_string());
        let svc = format!("ns-{}/{}", self.services / 2 % 100, service.name.name);
        let save = |what: &str| sh(&format!("iptables-nft-save | grep -F '{what}'"));
        let list = sh(&format!("nft list ruleset | grep -F '{ip}'"));
        let all = |name: &str, other, arguments: &[&str], pairs, wanted| Question {
            name: name.to_owned(),
            other,
            podnet: self.podnet(arguments),
            pairs: setting("PAIRS", pairs).min(pairs),
            wanted,
            peak_kib: PEAK_KIB,
        };
        ask_all(
            &worker,
            vec![
                all(
                    "services NAME : iptables-nft-save | grep",
                    save(&svc),
                    &["services", &svc],
                    7,
                    Wanted::Faster(10.0),
                ),
                all("services IP : iptables-nft-save | grep", save(&ip), &["services", &ip], 7, Wanted::Faster(10.0)),
                all(
                    "services NAME : nft list ruleset | grep",
                    list.clone(),
                    &["services", &svc],
                    1,
                    Wanted::Faster(50.0),
                ),
                all("services IP : nft list ruleset | grep", list, &["services", &ip], 1, Wanted::Faster(50.0)),
                all(
                    "services NS/NAME:PORT --endpoints",
                    sh("echo"),
                    &["services", &name, "--endpoints"],
                    21,
                    Wanted::Below(10.0),
                ),
                all("services : iptables-nft-save", sh("iptables-nft-save"), &["services"], 5, Wanted::Faster(1.0)),
            ],
        )
    }

    fn iptables_legacy(&self) -> bool {
        // The lock file lies in /run, which the node has for itself.
        let worker = self.node("iptables-legacy", &["iptables-legacy-restore"], &shape::iptables(self.services));
        let service = self.service();
        let (name, ip) = (service.name.to_string(), service.address.to_string());
        let bare = vec![this(), "--bare-read".to_owned()];
        let save = sh(&format!("iptables-legacy-save | grep -F '{name}'"));
        let all = |name: &str, other, arguments: &[&str], pairs, wanted| Question {
            name: name.to_owned(),
            other,
            podnet: self.podnet(arguments),
            pairs: setting("PAIRS", pairs).min(pairs),
            wanted,
            peak_kib: LEGACY_PEAK_KIB,
        };
        ask_all(
            &worker,
            vec![
                all("services NAME : one bare read", bare.clone(), &["services", &name], 15, Wanted::Within(1.5)),
                all("services IP : one bare read", bare, &["services", &ip], 15, Wanted::Within(1.5)),
                all("services NAME : iptables-legacy-save | grep", save, &["services", &name], 11, Wanted::Faster(1.7)),
                all(
                    "services : iptables-legacy-save",
                    sh("iptables-legacy-save"),
                    &["services"],
                    7,
                    Wanted::Faster(1.0),
                ),
            ],
        )
    }

    fn nftables(&self) -> bool {
        let worker = self.node("nftables", &["nft", "-f", "-"], &shape::nftables(self.services));
        worker.exec(&["ip", "netns", "add", "small"]);
        worker.exec(&["ip", "-n", "small", "link", "set", "lo", "up"]);
        feed(&worker, &["ip", "netns", "exec", "small", "nft", "-f", "-"], &shape::nftables(self.services / 10));
        let service = self.service();
        let (name, ip) = (service.name.to_string(), service.address.to_string());
        let (at, port) = (format!("{ip}:80"), service.node_port.expect("a node port").to_string());
        let list = |what: &str| sh(&format!("nft list table ip kube-proxy | grep -F '{what}'"));
        let all = |name: &str, other, arguments: &[&str], pairs, wanted| Question {
            name: name.to_owned(),
            other,
            podnet: self.podnet(arguments),
            pairs: setting("PAIRS", pairs).min(pairs),
            wanted,
            peak_kib: PEAK_KIB,
        };
        // A service that both have.
        let shared = Service::numbered(self.services / 20 / 10 * 10);
        let (shared_at, shared_port) =
            (format!("{}:80", shared.address), shared.node_port.expect("a node port").to_string());
        let small = |what: &str| {
            let mut podnet = self.podnet(&["services", what]);
            podnet.extend(["--host-netns".to_owned(), SMALL.to_owned()]);
            podnet
        };
        ask_all(
            &worker,
            vec![
                all("services IP:PORT : nft list table | grep", list(&ip), &["services", &at], 5, Wanted::Faster(50.0)),
                all(
                    "services NODEPORT : nft list table | grep",
                    list(&format!("tcp . {port} ")),
                    &["services", &port],
                    5,
                    Wanted::Faster(50.0),
                ),
                all(
                    "services NAME : nft list table | grep",
                    list(&name.replace(":http", "/tcp/http")),
                    &["services", &name],
                    5,
                    Wanted::Faster(15.0),
                ),
                all(
                    "services IP:PORT : a tenth of the services",
                    small(&shared_at),
                    &["services", &shared_at],
                    41,
                    Wanted::Within(1.2),
                ),
                all(
                    "services NODEPORT : a tenth of the services",
                    small(&shared_port),
                    &["services", &shared_port],
                    41,
                    Wanted::Within(1.2),
                ),
                all(
                    "services : nft list table",
                    sh("nft list table ip kube-proxy"),
                    &["services"],
                    5,
                    Wanted::Faster(1.0),
                ),
            ],
        )
    }

    /// The service that is asked for: of the middle, with a node port.
    fn service(&self) -> Service {
        Service::numbered(self.services / 20 * 10)
    }

    fn podnet(&self, arguments: &[&str]) -> Vec<String> {
        let mut argv = vec![self.binary.clone()];
        argv.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        argv
    }

    /// A node with rules that a program reads from stdin.
    fn node(&self, mode: &str, restore: &[&str], rules: &str) -> Worker {
        let start = Instant::now();
        let worker = Worker::without_runtime();
        feed(&worker, restore, rules);
        let took = start.elapsed().as_secs_f64();
        say(&format!("\n{mode}: {} services of 3 endpoints, built in {took:.0} s", self.services));
        if setting("HOLD", 0) == 1 {
            say(&format!("enter    nsenter -m -p -n -u -t {}", worker.init_pid()));
            std::io::copy(&mut std::io::stdin(), &mut std::io::sink()).expect("stdin");
        }
        say("question                                         other ms   podnet ms   ratio   wanted   peak MiB");
        worker
    }
}

fn feed(worker: &Worker, argv: &[&str], text: &str) {
    let mut child = worker.command(argv).stdin(Stdio::piped()).spawn().expect("a program that reads rules");
    child.stdin.take().expect("its stdin").write_all(text.as_bytes()).expect("its stdin");
    assert!(child.wait().expect("its end").success(), "{argv:?}");
}

fn ask_all(worker: &Worker, questions: Vec<Question>) -> bool {
    // Every question is asked, whatever came of those before.
    questions.into_iter().map(|question| ask(worker, question)).fold(true, |all, one| all & one)
}

/// Lets both sides answer on the worker, tells how it went; `false` when a target is missed.
fn ask(worker: &Worker, question: Question) -> bool {
    let Question { name, other, podnet, pairs, wanted, peak_kib } = question;
    // 3: without a runtime, what is behind an address is unknown.
    let good = vec![0, 3];
    let shell_good = if other.first() == podnet.first() { good.clone() } else { vec![0] };
    let duel = Duel { shell: other, podnet, good, shell_good, pairs };
    let duel = serde_json::to_string(&duel).expect("a duel");
    let mut command: Command = worker.command(&[this().as_str(), "--inside", &duel]);
    let output = command.stderr(Stdio::inherit()).output().expect("the half on the worker");
    let Ok(outcome) = serde_json::from_slice::<Outcome>(&output.stdout) else {
        say(&format!("{name:<47}  failed"));
        return false;
    };
    let Outcome { shell_ms, podnet_ms, podnet_peak_kib } = outcome;
    let ratios = |way: fn(f64, f64) -> f64| {
        median(shell_ms.iter().zip(&podnet_ms).map(|(other, podnet)| way(*other, *podnet)).collect())
    };
    let own = median(podnet_ms.clone());
    let (ratio, asked, fast) = match wanted {
        Wanted::Faster(least) => {
            let ratio = ratios(|other, podnet| other / podnet);
            (format!("{ratio:.1}"), format!(">={least}"), ratio >= least)
        }
        Wanted::Within(most) => {
            let ratio = ratios(|other, podnet| podnet / other);
            (format!("{ratio:.2}"), format!("<={most}"), ratio <= most)
        }
        Wanted::Below(most) => ("-".to_owned(), format!("<{most}ms"), own < most),
    };
    let other = if matches!(wanted, Wanted::Below(_)) { "-".to_owned() } else { format!("{:.1}", median(shell_ms)) };
    let small = podnet_peak_kib < peak_kib;
    say(&format!(
        "{name:<47}  {other:>8}   {own:>9.1}   {ratio:>5}   {asked:>6}   {:>8}{}",
        (podnet_peak_kib + MIB - 1) / MIB,
        if fast && small { "" } else { "   MISSED" },
    ));
    fast && small
}

/// The middle one, or the mean of the two in the middle.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { f64::midpoint(values[middle - 1], values[middle]) }
}

fn sh(script: &str) -> Vec<String> {
    ["sh", "-c", script].map(str::to_owned).to_vec()
}

fn this() -> String {
    std::env::current_exe().expect("this program").to_str().expect("a path in UTF-8").to_owned()
}

fn setting(name: &str, usual: usize) -> usize {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(usual)
}

fn say(line: &str) {
    writeln!(stdout(), "{line}").expect("stdout");
}
