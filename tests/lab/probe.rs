//! `trace --probe`: predicted, sent, watched, equal; and nothing of it left, whenever it is killed.
//!
//! Oracles: the kernel's own answer to the packet, `nft`, `iptables-save`, `ip`, `sysctl` before and after.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::UdpSocket;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use podnet::analyze::answer::Answer;
use podnet::analyze::path::probe::{Limits, Outcome, Probe, Way, compare, plan};
use podnet::analyze::path::{Asked, ask};
use podnet::collect::live::{LabOptions, LiveNode};
use podnet::model::probe::Heard;
use podnet::model::view::NodeView;
use podnet::probe::{Opened, Phase, Shot};
use podnet::sys::sender::Wanted;
use serde_json::Value;

use crate::harness::{Lab, pod, podnet, processes_of, stderr, stdout, succeeded, wait_until, within};

const CLIENT: &str = "busybox0-rw89s";

fn add(lab: &Lab, service: &str, rest: &[&str]) {
    let mut words = vec!["lab", "service", "add", "--name", &lab.name, service];
    words.extend(rest);
    succeeded(podnet(&words));
}

/// Probes by the command line; the exit code and the answer.
fn probed(lab: &Lab, from: &str, to: &str, rest: &[&str]) -> (Option<i32>, Value) {
    let nodes = format!("--lab={}/", lab.name);
    let mut words = vec!["trace", from, to, "--probe", &nodes, "-o", "json"];
    words.extend(rest);
    let output = podnet(&words);
    let answer = serde_json::from_str(&stdout(&output)).unwrap_or_else(|_| panic!("{}", stderr(&output)));
    (output.status.code(), answer)
}

#[track_caller]
fn assert_as_predicted(lab: &Lab, from: &str, to: &str, rest: &[&str], code: i32, heard: &str) {
    let (status, answer) = probed(lab, from, to, rest);
    let data = &answer["data"];
    let told = || format!("{from} to {to}: {}\n{}\n{}", data["difference"], answer["issues"], data["observed"]);
    assert_eq!(data["outcome"]["is"], "as_predicted", "{}", told());
    assert_eq!((status, data["observed"]["heard"]["is"].as_str()), (Some(code), Some(heard)), "{}", told());
    // Every step there is was seen, but for those that nothing shows behind the last that was.
    let marks = |way: &str| data[way].as_array().unwrap().clone();
    for marked in marks("there").iter().chain(&marks("back")) {
        assert_eq!(marked["mark"], "seen", "{}", told());
    }
}

/// The cases of the walkthrough that move a packet.
fn all_cases(lab: &Lab) {
    add(lab, "far", &["--port", "7", "--endpoint", "10.200.1.2:7"]);
    add(lab, "self", &["--port", "7", "--endpoint", "10.200.0.3:7"]);
    add(lab, "open", &["--port", "7", "--endpoint", "10.200.1.2:7", "--node-port", "30077"]);
    add(lab, "none", &["--port", "80"]);
    assert_as_predicted(lab, CLIENT, "10.200.0.4:7", &[], 0, "answer");
    assert_as_predicted(lab, CLIENT, "10.200.1.2", &[], 0, "answer");
    assert_as_predicted(lab, CLIENT, "10.200.1.2:7", &["--protocol", "udp"], 0, "answer");
    assert_as_predicted(lab, CLIENT, "svc:nginx", &[], 0, "answer");
    assert_as_predicted(lab, CLIENT, "10.32.0.10:53", &["--protocol", "udp"], 0, "answer");
    assert_as_predicted(lab, CLIENT, "svc:far", &[], 0, "answer");
    assert_as_predicted(lab, CLIENT, "10.240.0.21:30077", &[], 0, "answer");
    assert_as_predicted(lab, "worker-0", "svc:far", &[], 0, "answer");
    assert_as_predicted(lab, CLIENT, "svc:none", &[], 1, "error");
    let drop = |how: &str| {
        let rule = ["iptables", how, "FORWARD", "-d", "10.200.0.4", "-p", "tcp", "--dport", "80", "-j", "DROP"];
        lab.exec("worker-0", &rule);
    };
    drop("-I");
    assert_as_predicted(lab, CLIENT, "svc:nginx", &["--wait", "300ms"], 1, "nothing");
    drop("-D");
}

#[test]
fn iptables_mode_is_predicted_probed_equal() {
    let lab = Lab::up(&["--proxy", "iptables"]);
    all_cases(&lab);
    // Without hairpin a pod does not reach itself through its service.
    assert_as_predicted(&lab, CLIENT, "svc:self", &["--wait", "300ms"], 1, "nothing");
}

#[test]
fn nftables_mode_is_predicted_probed_equal() {
    let lab = Lab::up(&["--proxy", "nftables", "--hairpin"]);
    all_cases(&lab);
    assert_as_predicted(&lab, CLIENT, "svc:self", &[], 0, "answer");
}

#[test]
fn legacy_mode_is_predicted_probed_equal_by_its_counters() {
    let lab = Lab::up(&["--proxy", "iptables-legacy"]);
    all_cases(&lab);
    let (_, answer) = probed(&lab, CLIENT, "svc:nginx", &[]);
    let counted = answer["data"]["observed"]["counters"].as_array().unwrap();
    let moved = |one: &&Value| one["after"].as_u64() > one["before"].as_u64();
    assert!(counted.iter().filter(moved).count() >= 3, "{counted:?}");
}

#[test]
fn what_pins_a_client_is_probed_only_when_that_is_accepted() {
    let lab = Lab::up(&[]);
    add(&lab, "stick", &["--port", "7", "--endpoint", "10.200.0.4:7", "--session-affinity", "600"]);
    let nodes = format!("--lab={}/", lab.name);
    let words = ["trace", CLIENT, "svc:stick", "--probe", &nodes];
    let output = podnet(&words);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("default/stick has session affinity"), "{}", stderr(&output));
    assert_as_predicted(&lab, CLIENT, "svc:stick", &["--accept-affinity"], 0, "answer");
    // What it is going to do is told before.
    let output = podnet(&["trace", CLIENT, "10.200.0.4:7", "--probe", &nodes]);
    for words in ["sends a TCP SYN", "nf_tables table inet podnet-probe-", "watches frames, rules and flows"] {
        assert!(stderr(&output).contains(words), "{}", stderr(&output));
    }
}

/// Whether the table of a probe is in any namespace of a node.
fn has_probe(node: &LiveNode) -> bool {
    node.namespaces().value.iter().any(|netns| {
        let tables = node.netfilter().tables(netns.id);
        tables.value.iter().any(|table| table.id.name.as_bytes().starts_with(b"podnet-probe-"))
    })
}

/// A probe by the library, with something done between the prediction and the packet.
fn shot(
    lab: &str,
    to: &str,
    protocol: Option<u8>,
    between: impl FnOnce(),
    pause: &mut dyn FnMut(Phase),
) -> Answer<Probe> {
    let options = LabOptions { lab: lab.to_owned(), worker: None, now: "2026-01-01T00:00:00Z".parse().unwrap() };
    // The kernel takes a probe's table away as its socket is closed, which it may do a little after the probe is over:
    // a chain that was listed is not there then when its rules are asked for.
    let mut nodes = Vec::new();
    wait_until("the table of the probe before is gone", || {
        nodes = LiveNode::open_lab(&options).unwrap();
        !nodes.iter().any(has_probe)
    });
    let views: Vec<&dyn NodeView> = nodes.iter().map(|node| node as &dyn NodeView).collect();
    let mut asked = Asked { from: CLIENT.to_owned(), to: to.to_owned(), protocol, ..Asked::default() };
    let first = ask(&views, &asked).unwrap().data;
    let from = first.places[0].netns;
    let open = |netns| nodes.iter().find_map(|node| node.open_netns(netns).ok()).unwrap().file;
    let wanted =
        Wanted { protocol: first.packet.tuple.protocol, ipv6: false, source: None, port: None, mark: 0, tos: 0 };
    let ready = Shot::open(from, &open(from), wanted).unwrap();
    asked.source_port = Some(ready.port());
    let predicted = ask(&views, &asked).unwrap();
    between();
    let limits = Limits { wait_ms: 2000, table: format!("podnet-probe-{}", std::process::id()) };
    let plan = plan(&views, &predicted.data, limits).unwrap();
    let opened: Vec<Opened> =
        plan.watched.iter().map(|one| Opened { netns: one.netns, file: Ok(open(one.netns)) }).collect();
    let observed = ready.fire(&plan, &opened, None, pause).unwrap();
    compare(&views, plan, predicted.data, predicted.issues, observed)
}

#[test]
fn where_the_rules_changed_behind_the_prediction_they_part_at_the_right_step() {
    let lab = Lab::up(&[]);
    let rule = |how: &'static str, what: &'static [&'static str]| {
        let words = [&["iptables", how, "FORWARD", "-d", "10.200.0.4"][..], what].concat();
        lab.exec("worker-0", &words);
    };
    let drop = &["-p", "tcp", "--dport", "80", "-j", "DROP"];
    let answer = shot(&lab.name, "svc:nginx", None, || rule("-I", drop), &mut |_| {});
    let probe = &answer.data;
    let found = probe.difference.as_ref().expect("they part");
    assert_eq!((found.way, found.place.as_str(), &probe.outcome), (Way::There, "worker-0", &Outcome::Differs));
    assert!(found.predicted.starts_with("crosses forward"), "{found:?}");
    assert!(found.shown.contains("in FORWARD of ip filter drops it"), "{found:?}");
    assert_eq!((&probe.observed.heard, answer.exit_code()), (&Heard::Nothing, 1));
    // The other way round: a drop that is gone by then.
    let answer = shot(&lab.name, "svc:nginx", None, || rule("-D", drop), &mut |_| {});
    let found = answer.data.difference.as_ref().expect("they part");
    assert_eq!(answer.data.observed.heard, Heard::Answer);
    assert!(found.predicted.starts_with("crosses forward: rule 1 of FORWARD (drops it)"), "{found:?}");
    // A route that is there only by then.
    let route = || drop_of(lab.exec("worker-0", &["ip", "route", "add", "blackhole", "10.200.1.2"]));
    let answer = shot(&lab.name, "10.200.1.2:7", Some(17), route, &mut |_| {});
    let found = answer.data.difference.as_ref().expect("they part");
    assert_eq!((found.way, found.place.as_str()), (Way::There, "worker-0"), "{found:?}");
    assert_eq!(answer.data.observed.heard, Heard::Nothing);
}

fn drop_of<T>(_: T) {}

#[test]
fn ten_thousand_like_frames_a_second_beside_it_change_nothing() {
    let lab = Lab::up(&[]);
    let state = lab.state();
    let stop = Arc::new(AtomicBool::new(false));
    let sent = Arc::new(AtomicU64::new(0));
    let (ending, counting) = (Arc::clone(&stop), Arc::clone(&sent));
    let netns = pod(&state, CLIENT).netns.clone();
    let flood = thread::spawn(move || {
        within(&netns, move || {
            let sockets: Vec<UdpSocket> = (0..64).map(|_| UdpSocket::bind(("0.0.0.0", 0)).unwrap()).collect();
            let began = Instant::now();
            while !ending.load(Ordering::Relaxed) {
                for socket in &sockets {
                    // What a probe begins with, but for the part that is by chance.
                    let _ = socket.send_to(b"podnABCDEFGH podnet trace --probe\n", ("10.200.0.4", 7));
                    counting.fetch_add(1, Ordering::Relaxed);
                }
                let due = Duration::from_micros(100 * counting.load(Ordering::Relaxed));
                if let Some(early) = due.checked_sub(began.elapsed()) {
                    thread::sleep(early);
                }
            }
        });
    });
    let began = Instant::now();
    for _ in 0..5 {
        for protocol in ["udp", "tcp"] {
            let (code, answer) = probed(&lab, CLIENT, "10.200.0.4:7", &["--protocol", protocol]);
            let data = &answer["data"];
            assert_eq!(
                (code, data["outcome"]["is"].as_str()),
                (Some(0), Some("as_predicted")),
                "{}",
                data["difference"]
            );
            assert_eq!(data["observed"]["unwatched"].as_array().map(Vec::len), Some(0));
            let frames = data["observed"]["frames"].as_array().unwrap();
            assert!(frames.len() < 20, "{} frames are not the probe's", frames.len());
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    stop.store(true, Ordering::Relaxed);
    flood.join().unwrap();
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    let rate = sent.load(Ordering::Relaxed) as f64 / seconds;
    assert!(rate > 2_000.0, "the flood was a trickle: {rate:.0} a second");
}

/// What tells the child which lab to probe, and at which phase to wait to be killed.
const CHILD: &str = "PODNET_PROBE_CHILD";

/// The process that is killed: this test again, with a word in its environment.
#[test]
fn child() {
    let Ok(words) = std::env::var(CHILD) else { return };
    let (lab, at) = words.split_once(' ').unwrap();
    let at: usize = at.parse().unwrap();
    let mut passed = 0;
    let mut pause = |phase: Phase| {
        if passed == at {
            println!("\nwaiting at {phase:?}");
            loop {
                thread::park();
            }
        }
        passed += 1;
    };
    let _ = shot(lab, "svc:nginx", None, || {}, &mut pause);
    println!("\nwaiting at nothing");
}

/// A child that waits, which must not outlive a test that fails: it has the test's own stderr.
struct Waiting(Child);

impl Drop for Waiting {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn started(lab: &str, at: usize) -> (Waiting, String) {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["probe::child", "--exact", "--nocapture", "--test-threads=1"])
        .env(CHILD, format!("{lab} {at}"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut child = Waiting(child);
    let mut lines = BufReader::new(child.0.stdout.take().unwrap());
    let mut line = String::new();
    while !line.starts_with("waiting at ") {
        line.clear();
        assert!(lines.read_line(&mut line).unwrap() > 0, "the child said nothing");
    }
    thread::spawn(move || lines.read_to_end(&mut Vec::new()));
    (child, line.trim().trim_start_matches("waiting at ").to_owned())
}

/// Without what runs on by itself: counters of rules, a bridge's timers, dates, the number of flows.
fn steady(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.contains("nf_conntrack_count"));
    let line = |line: &str| {
        let mut words: Vec<&str> =
            line.split(" [").next().unwrap().split(' ').filter(|word| !word.is_empty()).collect();
        while let Some(at) = words.iter().position(|word| word.ends_with("_timer")) {
            words.drain(at..(at + 2).min(words.len()));
        }
        words.join(" ")
    };
    lines.map(line).collect::<Vec<_>>().join("\n")
}

/// All that a probe might leave, in each namespace of the lab and beside them.
fn left(lab: &Lab) -> Vec<(String, String)> {
    let state = lab.state();
    let pods = state.workers.iter().flat_map(|worker| worker.pods.iter().map(|pod| pod.name.clone()));
    let places: Vec<String> = state.workers.iter().map(|worker| worker.name.clone()).chain(pods).collect();
    let mut found = Vec::new();
    for place in &places {
        for command in [
            &["nft", "-s", "list", "ruleset"][..],
            &["iptables-save"],
            &["ip6tables-save"],
            &["ip", "-d", "link"],
            &["ip", "route", "show", "table", "all"],
            &["sysctl", "-e", "net"],
        ] {
            let text = lab.exec(place, command);
            found.push((format!("{place}: {}", command.join(" ")), steady(&text)));
        }
    }
    let mut names: Vec<String> = std::fs::read_dir("/run/netns")
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| name.contains(&lab.name))
        .collect();
    names.sort();
    found.push(("namespaces".to_owned(), names.join(" ")));
    found.push(("processes".to_owned(), format!("{:?}", processes_of(&lab.name))));
    found
}

#[test]
fn whenever_it_is_killed_nothing_of_it_stays() {
    let lab = Lab::up(&[]);
    lab.settle();
    // What the first look of any kind makes for good, such as an nsid, is there before.
    drop_of(shot(&lab.name, "svc:nginx", None, || {}, &mut |_| {}));
    let before = left(&lab);
    let mut phases = Vec::new();
    for at in 0.. {
        let (mut child, phase) = started(&lab.name, at);
        let tables = lab.exec("worker-0", &["nft", "list", "tables"]);
        let own = format!("table inet podnet-probe-{}", child.0.id());
        let is_over = phase == "nothing";
        // The first namespace that it watches is the pod's; when it is over, the kernel may have removed the table.
        if !is_over && phase != "Over" && phases.len() > 1 {
            assert!(tables.contains(&own), "at {phase} its table is there: {tables}");
        }
        child.0.kill().unwrap();
        child.0.wait().unwrap();
        for ((what, before), (_, after)) in before.iter().zip(left(&lab)) {
            assert_eq!(*before, after, "{what}, killed at {phase}");
        }
        if is_over {
            break;
        }
        phases.push(phase);
    }
    let whole: Vec<&str> = phases.iter().map(String::as_str).collect();
    assert_eq!(whole, ["Watching", "Watching", "Watching", "Watching", "Watched", "Sent", "Over"]);
    // And at any time between.
    let nodes = format!("--lab={}/", lab.name);
    for step in 0..25u64 {
        let mut child = Command::new(env!("CARGO_BIN_EXE_podnet"))
            .args(["trace", CLIENT, "svc:nginx", "--probe", &nodes])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        thread::sleep(Duration::from_millis(4 * step));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    for ((what, before), (_, after)) in before.iter().zip(left(&lab)) {
        assert_eq!(*before, after, "{what}, killed at some time");
    }
}

#[test]
fn a_file_is_not_probed() {
    let output = podnet(&["trace", "a", "10.0.0.1", "--probe", "--from", "/nowhere"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("a file cannot be probed"), "{}", stderr(&output));
}
