//! `conntrack --watch`, as a program that runs on: events, overruns and what mends them, and how it ends.
//!
//! Oracles: `conntrack -E` and `conntrack -L`, and how many flows the test itself made.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use podnet::model::flow::filter::{FlowFilter, TupleFilter};
use podnet::sys::events::{EventSocket, Heard};
use podnet::sys::netlink::NETFILTER;
use podnet::wire::{conntrack, event_filter};
use serde_json::{Value, json};

use crate::harness::{Lab, ask_tcp, pod, podnet, succeeded, wait_until, within};
use crate::watching::{Bare, Told, Watching, id};

/// What happened to each flow, in order.
type Story = BTreeMap<u64, Vec<String>>;

fn story(events: &[Value]) -> Story {
    let mut story = Story::new();
    for event in events.iter().filter(|event| event["flow"].is_object()) {
        let id = event["flow"]["id"].as_u64().expect("an id");
        story.entry(id).or_default().push(event["event"].as_str().expect("a word").to_owned());
    }
    story
}

fn of_conntrack(lines: &[String]) -> Story {
    let mut story = Story::new();
    for line in lines {
        let Some(id) = id(line) else { continue };
        let word = match line.trim_start() {
            line if line.starts_with("[NEW]") => "new",
            line if line.starts_with("[UPDATE]") => "updated",
            line if line.starts_with("[DESTROY]") => "destroyed",
            line => panic!("{line}"),
        };
        story.entry(id).or_default().push(word.to_owned());
    }
    story
}

fn notes<'e>(events: &'e [Value], kind: &str) -> Vec<&'e Value> {
    events.iter().filter(|event| event["event"] == kind).collect()
}

/// TCP, UDP and ICMP over both families, a changed mark, deleted flows.
fn some_of_everything(bare: &Bare) {
    within(&bare.path(), || {
        for address in ["127.0.0.2:0", "[2001:db8::1]:0"] {
            let address: SocketAddr = address.parse().expect("an address");
            let server = std::net::TcpListener::bind(address).expect("binds");
            let client = std::net::TcpStream::connect(server.local_addr().expect("bound")).expect("connects");
            drop(server.accept().expect("a client"));
            drop(client);
            let one = UdpSocket::bind(address).expect("binds");
            let two = UdpSocket::bind(address).expect("binds");
            one.send_to(b"?", two.local_addr().expect("bound")).expect("sends");
            two.send_to(b"!", one.local_addr().expect("bound")).expect("sends");
        }
    });
    bare.run("ping -n -q -c 1 127.0.0.3");
    bare.run("ping -n -q -c 1 2001:db8::1");
    bare.run("conntrack -U -d 127.0.0.3 --mark 7");
    bare.run("conntrack -D -p udp");
    bare.run("conntrack -D -p icmp");
}

#[test]
fn what_is_told_is_what_conntrack_tells() {
    let bare = Bare::new();
    let watching = bare.watch(&["-o", "json"]).listening();
    let oracle = {
        let path = bare.path();
        let mut command = Command::new("nsenter");
        command.args([&format!("--net={path}"), "conntrack", "-E", "-o", "id"]);
        Watching::start(command)
    };
    // It has joined as soon as it hears of something.
    let mut number = 0;
    wait_until("the oracle", || {
        number += 1;
        bare.flows(60_000 + number, 1, 1);
        oracle.out().any(|line| line.contains("[NEW]"))
    });
    some_of_everything(&bare);
    bare.flows(1, 1, 1);
    let last = "dst=127.1.0.1 ";
    wait_until("the last flow", || oracle.out().any(|line| line.contains(last)));
    wait_until("the last flow", || watching.out().any(|line| line.contains("\"127.1.0.1\"")));
    let events = watching.stop_json();
    oracle.signal(Signal::SIGINT);
    let mut oracle = oracle;
    oracle.ended();
    let mut expected = of_conntrack(&oracle.out.take().expect("runs").finish());
    // It may have missed how some of them began.
    expected.retain(|_, events| events.first().is_some_and(|first| *first == "new"));
    let mut told = story(&events);
    // The oracle may have missed the flows that were to wake it.
    told.retain(|id, _| expected.contains_key(id));
    assert_eq!(told, expected);
    // Two of each kind, one that woke the oracle, and the last one.
    assert!(expected.len() >= 8, "{expected:#?}");
    assert!(events.iter().all(|event| event["resynced"] != true));
    let totals = &notes(&events, "ended")[0]["totals"];
    assert_eq!((&totals["lost"], &totals["overruns"], &totals["malformed"]), (&json!(0), &json!(0), &json!(0)));
    let count = |kind: &str| u64::try_from(notes(&events, kind).len()).expect("few");
    let counted = ["new", "updated", "destroyed"].map(|kind| totals[kind].as_u64().expect("a number"));
    assert_eq!(counted, [count("new"), count("updated"), count("destroyed")]);
}

#[test]
fn only_what_is_asked_for_is_told() {
    let bare = Bare::new();
    let path = bare.path();
    let all = bare.watch(&["-o", "json"]).listening();
    let filtered = [
        &["--protocol", "icmp"][..],
        &["--to", "127.0.0.3"],
        &["--from-addr", "127.0.0.2"],
        &["--from-addr", "2001:db8::1", "--protocol", "tcp"],
        &["--mark", "7"],
        &["--state", "established"],
        &["--to", "127.1.0.1:9"],
        &["--zone", "3"],
    ]
    .map(|words| (words, bare.watch(&[&["-o", "json"], words].concat()).listening()));
    some_of_everything(&bare);
    bare.flows(1, 1, 1);
    wait_until("the last flow", || all.out().any(|line| line.contains("\"127.1.0.1\"")));
    let all = all.stop_json();
    let told = |event: &Value, words: &[&str]| {
        let flow = &event["flow"];
        let client = flow["client"]["address"].as_str();
        match words[..] {
            ["--protocol", protocol] => flow["protocol"] == protocol,
            ["--to", "127.1.0.1:9"] => flow["asked_for"]["address"] == "127.1.0.1",
            ["--to", to] => flow["asked_for"]["address"] == to,
            ["--from-addr", from] => client == Some(from),
            ["--from-addr", from, _, protocol] => client == Some(from) && flow["protocol"] == protocol,
            // As it ends a flow still bears its mark.
            ["--mark", _] => flow["mark"] == 7,
            ["--state", state] => flow["state"] == state || (event["event"] == "destroyed" && event["before"] == state),
            ["--zone", _] => false,
            _ => panic!("{words:?}"),
        }
    };
    for (words, watching) in filtered {
        let events = watching.stop_json();
        let expected: Vec<_> = all.iter().filter(|event| event["flow"].is_object() && told(event, words)).collect();
        let mut found = story(&events);
        let expected = story(&expected.into_iter().cloned().collect::<Vec<_>>());
        if words[0] == "--mark" {
            // It is heard of first as its mark changes.
            found.retain(|_, events| !events.is_empty());
        }
        assert_eq!(found, expected, "{words:?} in {path}");
        assert_eq!(expected.is_empty(), words[0] == "--zone", "{words:?} is a test of something");
    }
}

/// All that a socket hears, by type and id.
fn heard(mut socket: EventSocket) -> Vec<(u16, podnet::model::flow::Flow)> {
    let mut heard = Vec::new();
    loop {
        let outcome = socket.read(&mut |datagram| {
            for message in podnet::wire::netlink::frame::messages(datagram) {
                let message = message.expect("a message");
                let mut complaints = Vec::new();
                let flow = conntrack::flow(message.payload, &mut complaints).expect("a flow");
                assert_eq!(complaints, []);
                heard.push((message.kind, flow));
            }
        });
        match outcome.expect("reads") {
            Heard::Some(_) => {}
            Heard::Nothing => return heard,
            Heard::Overrun => panic!("the queue is large enough"),
        }
    }
}

#[test]
fn the_kernel_queues_only_what_a_filter_may_accept() {
    let bare = Bare::new();
    let address = |text: &str| Some(text.parse::<IpAddr>().expect("an address"));
    let tuple = |src, dst, src_port, dst_port| TupleFilter { src, dst, src_port, dst_port };
    let none = FlowFilter::default();
    let lists: Vec<Vec<FlowFilter>> = vec![
        vec![FlowFilter { ipv6: Some(true), ..none.clone() }],
        vec![FlowFilter { ipv6: Some(false), protocol: Some(17), ..none.clone() }],
        vec![FlowFilter { protocol: Some(58), ..none.clone() }],
        vec![FlowFilter { original: tuple(None, address("127.0.0.3"), None, None), ..none.clone() }],
        vec![FlowFilter { reply: tuple(address("127.1.0.1"), None, Some(9), None), ..none.clone() }],
        vec![FlowFilter { original: tuple(None, None, None, Some(9)), ..none.clone() }],
        vec![FlowFilter {
            original: tuple(address("2001:db8::1"), address("2001:db8::1"), None, None),
            ..none.clone()
        }],
        vec![FlowFilter { original: tuple(address("2001:db8::2"), None, None, None), ..none.clone() }],
        FlowFilter::places_of("127.0.0.2".parse().expect("an address")).to_vec(),
        [
            FlowFilter::places_of("127.0.0.3".parse().expect("an address")).as_slice(),
            &[FlowFilter { protocol: Some(6), ..none.clone() }],
        ]
        .concat(),
    ];
    let open = |filters: &[FlowFilter]| {
        let program = event_filter::program(filters);
        within(&bare.path(), move || {
            EventSocket::open(NETFILTER, &[1, 2, 3], 1 << 20, program.as_deref()).expect("opens")
        })
    };
    let everything = open(&[]);
    let sockets: Vec<_> = lists.iter().map(|list| open(list)).collect();
    some_of_everything(&bare);
    bare.flows(1, 3, 1);
    let everything = heard(everything);
    assert!(everything.len() > 20);
    let mut sizes = BTreeSet::new();
    for (list, socket) in lists.iter().zip(sockets) {
        let expected: Vec<_> =
            everything.iter().filter(|(_, flow)| list.iter().any(|filter| filter.accepts(flow))).cloned().collect();
        sizes.insert(expected.len());
        let found = heard(socket);
        // Two processors may queue in another order for each socket.
        let sorted = |mut list: Vec<(u16, podnet::model::flow::Flow)>| {
            list.sort_by_key(|(kind, flow)| (flow.id, *kind, flow.status, flow.timeout_s));
            list
        };
        assert_eq!(sorted(found), sorted(expected), "{list:?}");
    }
    assert!(sizes.len() > 4, "the filters differ: {sizes:?}");
}

#[test]
fn what_was_lost_is_counted_and_mended() {
    let bare = Bare::new();
    // Flows that are older than the watch have events as well then, whoever listens elsewhere.
    bare.run("sysctl -q -w net.netfilter.nf_conntrack_events=1");
    bare.flows(0, 50, 50);
    let before = bare.ids();
    let watching = bare.watch(&["-o", "json", "--queue", "1", "--existing"]).listening();
    wait_until("the first dump", || watching.out().any(|line| line.contains("\"127.1.0.49\"")));
    watching.freeze();
    bare.flows(50, 4000, 4000);
    bare.run("conntrack -D -d 127.1.0.7");
    watching.signal(Signal::SIGCONT);
    wait_until("a comparison", || watching.out().any(|line| line.contains("\"compared\"")));
    let mended = bare.ids();
    assert_eq!(mended.len(), 50 + 4000 - 1);
    // From then on it hears again.
    bare.flows(10_000, 1, 1);
    wait_until("the next flow", || watching.out().any(|line| line.contains("\"127.1.39.16\"")));
    // And once more, with all of them gone.
    watching.freeze();
    bare.run("conntrack -F");
    watching.signal(Signal::SIGCONT);
    wait_until("the next comparison", || {
        watching.out().lines.lock().expect("no panic").iter().filter(|line| line.contains("\"compared\"")).count() == 2
    });
    let events = watching.stop_json();
    assert_eq!(story(&events).len(), 50 + 4000 + 1, "each flow was told of");
    assert_eq!(Told::of(&events).alive, BTreeSet::new());
    let exists: BTreeSet<u64> =
        notes(&events, "exists").iter().map(|event| event["flow"]["id"].as_u64().expect("an id")).collect();
    assert_eq!(exists, before);
    for (kind, made) in [("new", 4001), ("destroyed", 4051)] {
        let resynced = notes(&events, kind).iter().filter(|event| event["resynced"] == true).count();
        assert_eq!(notes(&events, kind).len(), made, "{kind}, each once");
        assert!(resynced > 2000, "{resynced} of {kind}");
    }
    let overruns = notes(&events, "overrun");
    assert_eq!(overruns.len(), 2);
    // Each that was sent was either told as an event or counted as lost.
    let lost: u64 = overruns.iter().map(|note| note["lost"].as_u64().expect("counted")).sum();
    let told = events.iter().filter(|event| event["resynced"] == false && event["event"] != "exists").count();
    assert_eq!(lost + u64::try_from(told).expect("few"), 4001 + 4051);
    let totals = &notes(&events, "ended")[0]["totals"];
    assert_eq!((&totals["overruns"], &totals["lost"]), (&json!(2), &json!(lost)));
}

/// An overrun is told of at once and mended a second after the last one; what is lost between the two counts too.
#[test]
fn what_is_lost_before_an_overrun_is_mended_is_counted() {
    const FLOOD: u32 = 4000;
    let bare = Bare::new();
    let watching = bare.watch(&["-o", "json", "--queue", "1"]).listening();
    let seen =
        |what: &str| watching.out().lines.lock().expect("no panic").iter().filter(|line| line.contains(what)).count();
    let flood = |number: u32| {
        watching.freeze();
        bare.flows(number * FLOOD, FLOOD, FLOOD);
        watching.signal(Signal::SIGCONT);
    };
    flood(0);
    wait_until("a comparison", || seen("\"event\":\"compared\"") > 0);
    flood(1);
    wait_until("another overrun", || seen("\"event\":\"overrun\"") > 1);
    flood(2);
    watching.until("a comparison that shows the last", |told| told.began == 3 * FLOOD as usize);
    let events = watching.stop_json();
    let lost: u64 = notes(&events, "overrun").iter().map(|note| note["lost"].as_u64().expect("counted")).sum();
    let told = notes(&events, "new").iter().filter(|event| event["resynced"] == false).count();
    assert_eq!(lost + u64::try_from(told).expect("few"), u64::from(3 * FLOOD));
    assert_eq!(notes(&events, "ended")[0]["totals"]["lost"], json!(lost));
}

#[test]
fn a_flow_that_ends_without_an_event_is_told_by_the_next_comparison() {
    let bare = Bare::new();
    bare.run("sysctl -q -w net.netfilter.nf_conntrack_events=0");
    bare.flows(0, 2, 2);
    bare.run("sysctl -q -w net.netfilter.nf_conntrack_events=2");
    let watching = bare.watch(&["--refresh", "300ms"]).listening();
    // It heard of neither; the one that ends before the first dump has ended is nobody's.
    bare.flows(2, 1, 1);
    wait_until("the next flow", || watching.out().any(|line| line.contains("127.1.0.2:9")));
    bare.run("conntrack -D -d 127.1.0.0");
    bare.run("conntrack -U -d 127.1.0.1 --status ASSURED");
    wait_until("its end", || watching.out().any(|line| line.contains("destroyed") && line.contains("[resynced]")));
    wait_until("the change", || watching.out().any(|line| line.contains("updated") && line.contains("[resynced]")));
    let (out, err) = watching.stop();
    let told: Vec<&str> = out.iter().map(|line| line.split_once("  ").expect("a time").1).collect();
    let end = told.iter().find(|line| line.starts_with("destroyed")).expect("told");
    assert!(end.starts_with("destroyed  no answer    udp    this node 127.0.0.1:"), "{end}");
    assert!(end.contains(" → this node 127.1.0.0:9") && end.ends_with("  [resynced]"), "{end}");
    assert_eq!(told.iter().filter(|line| line.contains("[resynced]")).count(), 2, "{told:#?}");
    assert!(err.iter().any(|line| line.contains("nf_conntrack_events is 2")), "{err:#?}");
    assert!(err.last().expect("a summary").starts_with("podnet: 1 new, 1 updated, 1 destroyed (2 of them resynced)"));
}

#[test]
fn it_ends_by_either_signal_by_a_limit_and_when_nobody_reads() {
    let bare = Bare::new();
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let mut watching = bare.watch(&[]).listening();
        watching.signal(signal);
        assert!(matches!(watching.ended().code(), Some(0 | 3)));
        let err = watching.err.take().expect("runs").finish();
        assert_eq!(err.last().expect("a summary"), "podnet: 0 new, 0 updated, 0 destroyed; no event was lost");
    }
    let mut watching = bare.watch(&["--limit", "3"]).listening();
    bare.flows(0, 10, 10);
    assert!(matches!(watching.ended().code(), Some(0 | 3)));
    assert_eq!(watching.out.take().expect("runs").finish().len(), 3);
    // Nothing happens, and nothing is written: that the reader went away is seen all the same.
    let path = bare.path();
    let mut command = Command::new(env!("CARGO_BIN_EXE_podnet"));
    command.args(["--host-netns", &path, "conntrack", "--watch", "-o", "json"]).stdout(Stdio::piped());
    let mut child = command.spawn().expect("starts");
    let mut head = String::new();
    BufReader::new(child.stdout.take().expect("piped")).read_line(&mut head).expect("a line");
    assert!(head.contains("podnet/conntrack-watch/v1"));
    let mut closed = Watching { child, out: None, err: None };
    assert_eq!(closed.ended().code(), Some(0));
}

#[test]
fn what_cannot_be_watched_is_said() {
    for (arguments, said) in [
        (&["--sort", "bytes"][..], "--sort cannot be used with --watch"),
        (&["--from", "/dev/null"], "a snapshot has no events to watch"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_podnet"))
            .args(["conntrack", "--watch"])
            .args(arguments)
            .output()
            .expect("starts");
        assert_eq!(output.status.code(), Some(2));
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(err.contains(said), "{err}");
    }
}

#[test]
fn events_bear_the_names_of_pods_and_of_services_that_came_later() {
    let lab = Lab::up(&[]);
    let state = lab.state();
    let busybox = pod(&state, "busybox0-rw89s").netns.clone();
    let ask = |to: &str| {
        let to: SocketAddr = to.parse().expect("an address");
        within(&busybox, move || ask_tcp(to)).0.port()
    };
    let mut command = Command::new(env!("CARGO_BIN_EXE_podnet"));
    command.args([&format!("--lab={}/", lab.name), "conntrack", "--watch", "nginx-65899c769f-wxdx6"]);
    let mut watching = Watching::start(command).listening();
    // Not the pod's.
    ask("10.200.1.2:7");
    let port = ask("10.200.0.4:7");
    let told = format!(
        "worker-0  new        half open    tcp    default/busybox0-rw89s 10.200.0.3:{port} → \
         default/nginx-65899c769f-wxdx6 10.200.0.4:7"
    );
    wait_until("the pod's flow", || watching.out().any(|line| line.ends_with(&told)));
    let add = ["lab", "service", "add", "late", "--port", "1007", "--endpoint", "10.200.0.4:7", "--cluster-ip"];
    succeeded(podnet(&[add.as_slice(), &["10.32.0.60", "--name", &lab.name]].concat()));
    wait_until("the service's name", || {
        let port = ask("10.32.0.60:1007");
        let told = format!("10.200.0.3:{port} → default/late 10.32.0.60:1007 → default/nginx");
        thread::sleep(Duration::from_millis(100));
        watching.out().any(|line| line.contains(&told))
    });
    watching.signal(Signal::SIGINT);
    assert_eq!(watching.ended().code(), Some(0), "all is known there");
    let out = watching.out.take().expect("runs").finish();
    assert!(!out.iter().any(|line| line.contains("10.200.1.2")), "{out:#?}");
    let err = watching.err.take().expect("runs").finish();
    assert_eq!(err.len(), 2, "what events tell, on both workers alike, and the last words: {err:#?}");
}

/// Flows that come and go as fast as they can be made, for a watch with a short queue.
#[test]
fn in_a_storm_it_says_what_it_lost_and_is_right_in_the_end() {
    let bare = Bare::new();
    let file = tempfile::NamedTempFile::new().expect("a file");
    let mut text = String::new();
    for number in 0..20_000u32 {
        let (high, low) = (number / 250, number % 250 + 1);
        let (zone, timeout) = (number % 3, 100 + number % 50);
        let _ = writeln!(
            text,
            "-A -t {timeout} -u SEEN_REPLY -s 10.{zone}.{high}.{low} -d 10.9.9.9 -r 10.9.9.9 -q 10.{zone}.{high}.{low} -p \
             udp --sport 1 --dport 2 --reply-port-src 2 --reply-port-dst 1 -w {zone}"
        );
    }
    std::fs::write(file.path(), text).expect("written");
    let path = file.path().to_str().expect("UTF-8");
    // The last flow must not end while a slow machine catches up.
    bare.run("sysctl -q -w net.netfilter.nf_conntrack_udp_timeout=300");
    let watching = bare.watch(&["-o", "json", "--queue", "1"]).listening();
    let until = Instant::now() + Duration::from_secs(3);
    while Instant::now() < until {
        bare.run(&format!("conntrack -R {path}"));
        bare.run("conntrack -F");
    }
    bare.run(&format!("conntrack -R {path}"));
    bare.flows(0, 1, 1);
    let actual = bare.ids();
    // It catches up, and then what was told of the table is the table.
    watching.until("what is told being what there is", |told| told.alive == actual);
    let memory = std::fs::read_to_string(format!("/proc/{}/status", watching.child.id())).expect("it runs");
    let most = memory.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("told").trim().to_owned();
    let events = watching.stop_json();
    assert_eq!(actual.len(), 20_001);
    assert_eq!(Told::of(&events).alive, actual, "and it stays so");
    let kilobytes: u64 = most.split(' ').next().expect("a number").parse().expect("a number");
    assert!(kilobytes < 160 * 1024, "peak {most}");
}

/// 20,000 events a second, for a watch that has one processor to itself, or half of one.
#[test]
fn of_many_events_each_is_told_or_counted_as_lost() {
    const FLOWS: u32 = 40_000;
    let bare = Bare::new();
    let mut command = Command::new("taskset");
    command.args(["-c", "0", env!("CARGO_BIN_EXE_podnet"), "--host-netns", &bare.path()]);
    command.args(["conntrack", "--watch", "-o", "json"]);
    let watching = Watching::start(command).listening();
    let begun = Instant::now();
    bare.flows(0, FLOWS, 20);
    let took = begun.elapsed();
    watching.until("each flow", |told| told.began >= FLOWS as usize);
    let cpu = watching.cpu();
    let events = watching.stop_json();
    let new = notes(&events, "new");
    assert_eq!(new.len(), usize::try_from(FLOWS).expect("small"), "each flow once");
    let told = new.iter().filter(|event| event["resynced"] == false).count();
    let lost: u64 = notes(&events, "overrun").iter().map(|note| note["lost"].as_u64().expect("counted")).sum();
    assert_eq!(u64::try_from(told).expect("few") + lost, u64::from(FLOWS));
    println!("{FLOWS} flows in {took:?}: {lost} lost; the watch took {cpu:?} of its processor");
}
