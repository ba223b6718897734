//! `make bench`: podnet against the shell on a full node.
//!
//! The node is real: containerd with 250 sandboxes on its bridge, each with a container, and 10,000
//! sleeping processes: a pause process and 36 of a program in each pod's namespaces and cgroup, the
//! rest beside the pods on the node. Both sides do the same work on the same node, in turns, and the
//! ratio is the median over the pairs. Services and flows are not part of it yet.
//!
//! `PODNET` names the binary to measure; without it, it is the one cargo built. `PODS`, `PROCESSES`
//! and `PAIRS` make a smaller node or fewer runs, for trying things out; `HOLD=1` asks nothing and
//! keeps the node, for looking around in it, until stdin ends.

#[path = "../../tests/support/mod.rs"]
mod support;

mod inside;

use std::io::{Write, stdout};
use std::path::Path;
use std::process::{ExitCode, Stdio};
use std::time::Instant;

use inside::{Duel, Outcome};
use support::image::built;
use support::{CniConf, PodSpec, Worker};

/// What is asked for, and how much faster than the shell it has to be.
struct Question {
    name: &'static str,
    script: &'static str,
    arguments: Vec<String>,
    podnet: Vec<String>,
    /// Exit codes that are an answer.
    good: Vec<i32>,
    pairs: usize,
    /// `None`: told, not judged.
    at_least: Option<f64>,
}

/// Above this a run fails the bench.
const PEAK_KIB: i64 = 64 * 1024;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, flag, duel] = arguments.as_slice()
        && flag == "--inside"
    {
        let outcome = inside::run(&serde_json::from_str(duel).expect("a duel"));
        say(&serde_json::to_string(&outcome).expect("an outcome"));
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
    let pods = setting("PODS", 250);
    let processes = setting("PROCESSES", 10_000);
    say(&machine());
    let start = Instant::now();
    let worker = node(pods, processes);
    let there = worker.exec(&["sh", "-c", "ls -d /proc/[1-9]* | wc -l"]);
    say(&format!("node     {pods} pods, {} processes, built in {:.0} s", there.trim(), start.elapsed().as_secs_f64()));
    if setting("HOLD", 0) == 1 {
        say(&format!("enter    nsenter -m -p -n -u -t {}", worker.init_pid()));
        return std::io::copy(&mut std::io::stdin(), &mut std::io::sink()).is_ok();
    }
    say("");
    say("question                shell ms   podnet ms   ratio (median of pairs)   least   peak MiB");
    let mut good = true;
    for question in with_runtime(binary, pods) {
        good &= ask(&worker, &question);
    }
    worker.signal("KILL", worker.containerd_pid());
    for question in without_runtime(binary, pods) {
        good &= ask(&worker, &question);
    }
    good
}

/// The node of the design's speed table, without services and flows.
fn node(pods: usize, processes: usize) -> Worker {
    let worker = Worker::start(&CniConf::bridge_over("10.200.0.0/22"));
    let in_each = (processes * 37 / 40 / pods.max(1)).max(2);
    let children = u32::try_from(in_each - 2).expect("a number of children");
    let specs: Vec<_> =
        (0..pods).map(|i| PodSpec::new("default", &format!("web-{i}")).container("app", children)).collect();
    worker.run_pods(&specs, 3);
    let beside = processes.saturating_sub(in_each * pods).max(2);
    // Reparented to the node's own process 1, which ends with the node.
    worker.exec(&[
        "sh",
        "-c",
        "\"$0\" \"$1\" </dev/null >/dev/null 2>&1 &",
        &text(&built().app),
        &(beside - 1).to_string(),
    ]);
    worker
}

fn with_runtime(binary: &str, pods: usize) -> Vec<Question> {
    let pod = format!("web-{}", pods / 2);
    let trace = vec![binary.to_owned(), "trace".to_owned(), format!("default/{pod}")];
    vec![
        Question {
            name: "trace POD",
            script: "shell-trace.sh",
            arguments: vec!["default".to_owned(), pod],
            podnet: trace,
            good: vec![0],
            pairs: setting("PAIRS", 11),
            at_least: Some(10.0),
        },
        Question {
            name: "pods",
            script: "shell-pods.sh",
            arguments: Vec::new(),
            podnet: vec![binary.to_owned(), "pods".to_owned()],
            good: vec![0],
            pairs: setting("PAIRS", 3).min(3),
            at_least: Some(50.0),
        },
        Question {
            name: "netns",
            script: "shell-netns.sh",
            arguments: Vec::new(),
            podnet: vec![binary.to_owned(), "netns".to_owned()],
            good: vec![0],
            pairs: setting("PAIRS", 11),
            at_least: None,
        },
    ]
}

fn without_runtime(binary: &str, pods: usize) -> Vec<Question> {
    let pod = format!("web-{}", pods / 2);
    vec![Question {
        name: "trace POD, no runtime",
        script: "shell-trace-proc.sh",
        arguments: vec!["default".to_owned(), pod.clone()],
        podnet: vec![binary.to_owned(), "trace".to_owned(), format!("default/{pod}")],
        // 3: what only the runtime knows is missing.
        good: vec![0, 3],
        pairs: setting("PAIRS", 11),
        at_least: Some(3.0),
    }]
}

/// Lets both sides answer on the worker, tells how it went; `false` when a target is missed.
fn ask(worker: &Worker, question: &Question) -> bool {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/node").join(question.script);
    let mut shell = vec!["sh".to_owned(), text(&script)];
    shell.extend(question.arguments.clone());
    let (podnet, good) = (question.podnet.clone(), question.good.clone());
    let duel = Duel { shell, podnet, good, shell_good: vec![0], pairs: question.pairs };
    let duel = serde_json::to_string(&duel).expect("a duel");
    let this = std::env::current_exe().expect("this program");
    let output = worker
        .command(&[text(&this).as_str(), "--inside", &duel])
        .stderr(Stdio::inherit())
        .output()
        .expect("the half on the worker");
    let Ok(outcome) = serde_json::from_slice::<Outcome>(&output.stdout) else {
        say(&format!("{:<22}  failed", question.name));
        return false;
    };
    let ratios = outcome.shell_ms.iter().zip(&outcome.podnet_ms).map(|(shell, podnet)| shell / podnet).collect();
    let ratio = median(ratios);
    let fast = question.at_least.is_none_or(|least| ratio >= least);
    let small = outcome.podnet_peak_kib < PEAK_KIB;
    say(&format!(
        "{:<22} {:>9.1}   {:>9.1}   {ratio:>23.1}   {:>5}   {:>8}{}",
        question.name,
        median(outcome.shell_ms),
        median(outcome.podnet_ms),
        question.at_least.map_or_else(|| "–".to_owned(), |least| format!("{least:.0}")),
        (outcome.podnet_peak_kib + 1023) / 1024,
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

/// What the figures were measured on.
fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpus = std::thread::available_parallelism().map_or(0, usize::from);
    let info = read("/proc/cpuinfo");
    let model =
        info.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("").trim_matches([' ', '\t', ':']);
    let memory = read("/proc/meminfo");
    let kib = memory.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0);
    format!(
        "machine  {cpus} CPUs ({model}), {} GiB, Linux {}",
        kib / 1024 / 1024,
        read("/proc/sys/kernel/osrelease").trim()
    )
}

fn setting(name: &str, usual: usize) -> usize {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(usual)
}

fn text(path: &Path) -> String {
    path.to_str().expect("a path in UTF-8").to_owned()
}

fn say(line: &str) {
    writeln!(stdout(), "{line}").expect("stdout");
}
