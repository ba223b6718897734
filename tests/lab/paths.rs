//! The way of a packet as podnet works it out on the lab's nodes, against connections that are really made.
//!
//! Oracles: the servers of the lab, which say who they are and whom they saw; the client's own error; `ping`.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;

use serde_json::{Value, json};

use crate::harness::{Lab, PATIENCE, Said, ask_tcp, ask_udp, podnet, stderr, stdout, succeeded, within};
use crate::services::{FAR, NGINX, PROXIES, SILENCE, address, netns};

const POD: &str = "busybox0-rw89s";
const OUTSIDE: &str = "198.51.100.10";

/// What podnet says of a packet: its data, and the exit code.
#[track_caller]
fn traced(nodes: &[String], from: &str, to: &str, more: &[&str]) -> (Value, i32) {
    let from = if from == "outside" { OUTSIDE } else { from };
    let mut words: Vec<&str> = nodes.iter().map(String::as_str).collect();
    words.extend(["-o", "json", "trace", from, to]);
    words.extend(more);
    let output = podnet(&words);
    let code = output.status.code().expect("a code");
    let text = stdout(&output);
    let answer: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{words:?}: {}", stderr(&output)));
    (answer["data"].clone(), code)
}

fn live(lab: &Lab) -> Vec<String> {
    vec![format!("--lab={}/", lab.name)]
}

/// How a connection ends, in both worlds' words.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Ends {
    /// By whom it was answered, and whom that saw.
    Answered(String, String),
    Refused,
    Lost,
    Unknown,
}

/// All ends that podnet predicts.
fn predicted(data: &Value) -> BTreeSet<Ends> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let courses = data["courses"].as_array().expect("courses");
    let end = |course: &Value| match course["verdict"]["is"].as_str().expect("a verdict") {
        "answered" => {
            let arrived = &course["arrived"];
            let at = usize::try_from(arrived["place"].as_u64().expect("a place")).expect("small");
            Ends::Answered(text(&data["places"][at]["name"]), text(&arrived["seen_as"]["source"]))
        }
        "rejected" => Ends::Refused,
        "unknown" => Ends::Unknown,
        _ => Ends::Lost,
    };
    courses.iter().map(end).collect()
}

/// Connects for real.
fn tried(lab: &Lab, from: &str, to: &str) -> Ends {
    let to = address(to);
    let ends = within(&netns(lab, from), move || match TcpStream::connect_timeout(&to, SILENCE) {
        Ok(_) => None,
        Err(error) => Some(error.kind()),
    });
    match ends {
        None => {
            let (_, said): (SocketAddr, Said) = within(&netns(lab, from), move || ask_tcp(to));
            Ends::Answered(said.name, said.client.ip().to_string())
        }
        Some(ErrorKind::TimedOut | ErrorKind::WouldBlock) => Ends::Lost,
        Some(_) => Ends::Refused,
    }
}

fn add(lab: &Lab, name: &str, ip: &str, more: &[&str]) {
    lab.service("add", &[&[name, "--port", "7", "--cluster-ip", ip], more].concat());
}

/// Predicts and then does it: one end there is, and it is that.
#[track_caller]
fn agree(lab: &Lab, context: &str, from: &str, to: &str) -> Ends {
    let (data, code) = traced(&live(lab), from, to, &[]);
    let ends = predicted(&data);
    let real = tried(lab, from, to);
    assert_eq!(ends, BTreeSet::from([real.clone()]), "{context}: {from} to {to}: {:#}", data["verdict"]);
    assert_eq!(code, i32::from(!matches!(real, Ends::Answered(..))), "{context}: {from} to {to}");
    real
}

#[test]
fn what_is_predicted_of_services_is_what_connections_meet_in_every_mode() {
    let far = ["--endpoint", "10.200.1.2:7"];
    let near = ["--endpoint", "10.200.0.4:7"];
    for proxy in PROXIES {
        let lab = Lab::with_proxy(proxy);
        add(&lab, "near", "10.32.0.60", &[&near[..], &["--node-port", "30007"]].concat());
        add(&lab, "far", "10.32.0.61", &[&far[..], &["--node-port", "30009"]].concat());
        add(&lab, "none", "10.32.0.62", &["--node-port", "30010"]);
        let local = ["--external-traffic-policy", "Local", "--node-port", "30008"];
        add(&lab, "own", "10.32.0.63", &[&near[..], &local].concat());
        add(&lab, "here", "10.32.0.64", &[&far[..], &["--internal-traffic-policy", "Local"]].concat());
        add(&lab, "self", "10.32.0.65", &["--endpoint", "10.200.0.3:7"]);
        add(&lab, "nobody", "10.32.0.66", &["--endpoint", "10.200.1.99:7"]);
        for from in [POD, "worker-0", "worker-1", "busybox0-g6pww"] {
            for host in 60..=65 {
                agree(&lab, proxy, from, &format!("10.32.0.{host}:7"));
            }
            // Pods, directly: on this worker and on the other.
            agree(&lab, proxy, from, "10.200.0.4:7");
            agree(&lab, proxy, from, "10.200.1.2:7");
        }
        for from in ["outside", POD, "worker-0", "worker-1"] {
            for port in [30007, 30008, 30009, 30010] {
                for node in ["10.240.0.20", "10.240.0.21"] {
                    agree(&lab, proxy, from, &format!("{node}:{port}"));
                }
            }
        }
        // What the client of a node port is seen as hangs on the policy.
        let seen = agree(&lab, proxy, "outside", "10.240.0.20:30008");
        assert_eq!(seen, Ends::Answered(NGINX.to_owned(), OUTSIDE.to_owned()), "{proxy}");
        let (data, code) = traced(&live(&lab), POD, "10.32.0.66:7", &[]);
        assert_eq!((data["verdict"]["is"].as_str(), code), (Some("rejected"), 1), "{proxy}: {data:#}");
    }
}

#[test]
fn a_choice_is_predicted_with_its_odds_and_affinity_by_the_clients_own_entry() {
    for proxy in PROXIES {
        let lab = Lab::with_proxy(proxy);
        let both = ["--endpoint", "10.200.0.4:7", "--endpoint", "10.200.1.2:7"];
        add(&lab, "spread", "10.32.0.60", &both);
        add(&lab, "stays", "10.32.0.61", &[&both[..], &["--session-affinity", "600"]].concat());
        add(&lab, "loop", "10.32.0.62", &["--endpoint", "10.200.0.3:7", "--endpoint", "10.200.1.2:7"]);
        let (data, code) = traced(&live(&lab), POD, "10.32.0.60:7", &[]);
        let ends = predicted(&data);
        let real: BTreeSet<Ends> = (0..24).map(|_| tried(&lab, POD, "10.32.0.60:7")).collect();
        assert_eq!((&ends, code), (&real, 0), "{proxy}");
        let odds: Vec<_> =
            data["courses"].as_array().expect("two").iter().map(|one| one["probability"].clone()).collect();
        assert_eq!(odds, [json!(0.5), json!(0.5)], "{proxy}: {:#}", data["courses"][0]["choices"]);
        // One of them alone.
        for (endpoint, name) in [("10.200.1.2", FAR), ("10.200.0.4:7", NGINX), ("nginx", NGINX)] {
            let (data, code) = traced(&live(&lab), POD, "10.32.0.60:7", &["--endpoint", endpoint]);
            let places = predicted(&data);
            assert!(matches!(places.first(), Some(Ends::Answered(who, _)) if who == name), "{proxy}: {places:?}");
            assert_eq!((places.len(), code, &data["endpoint"]["probability"]), (1, 0, &json!(0.5)), "{proxy}");
        }
        let nodes = live(&lab);
        let absent = podnet(&[nodes[0].as_str(), "trace", POD, "10.32.0.60:7", "--endpoint", "10.200.0.9"]);
        assert_eq!(absent.status.code(), Some(2));
        assert!(stderr(&absent).contains("they lead to 10.200.0.4:7, 10.200.1.2:7"), "{}", stderr(&absent));
        // Before its first connection a client may be led to either, afterwards to that one.
        let (data, _) = traced(&nodes, POD, "10.32.0.61:7", &[]);
        assert_eq!(predicted(&data).len(), 2, "{proxy}");
        let first = tried(&lab, POD, "10.32.0.61:7");
        let (data, code) = traced(&nodes, POD, "10.32.0.61:7", &[]);
        assert_eq!((predicted(&data), code), (BTreeSet::from([first.clone()]), 0), "{proxy}: {:#}", data["verdict"]);
        assert_eq!(tried(&lab, POD, "10.32.0.61:7"), first, "{proxy}");
        let (data, _) = traced(&nodes, "busybox0-g6pww", "10.32.0.61:7", &[]);
        assert_eq!(predicted(&data).len(), 2, "another worker has lists of its own");
        // A client that draws itself is dropped by its bridge before the flow is kept, and draws again.
        let (data, code) = traced(&nodes, POD, "10.32.0.62:7", &[]);
        assert_eq!(code, 1, "{proxy}");
        assert_eq!(data["verdict"]["is"], "varies", "{proxy}: {:#}", data["verdict"]);
        assert_eq!(data["verdict"]["tries"], json!([0.5, 0.25, 0.125, 0.0625]), "{proxy}");
        let slow = within(&netns(&lab, POD), || {
            // Each SYN draws anew, one a second: that 15 of them draw the dead one is one chance in 32,768.
            let settings = Path::new("/proc/sys/net/ipv4");
            std::fs::write(settings.join("tcp_syn_retries"), "14").expect("a setting of the pod's");
            // Older kernels double the time between them.
            let _ = std::fs::write(settings.join("tcp_syn_linear_timeouts"), "14");
            (0..6)
                .map(|_| TcpStream::connect_timeout(&address("10.32.0.62:7"), 2 * PATIENCE).is_ok())
                .collect::<Vec<_>>()
        });
        assert_eq!(slow, [true; 6], "{proxy}: slow, not broken");
    }
}

/// Rows 13, 14, 16 and 18 of the walk by hand.
#[test]
fn the_steps_of_the_walk_by_hand() {
    for masquerade in [true, false] {
        let lab = Lab::up(if masquerade { &[] } else { &["--no-masquerade"] });
        let (data, code) = traced(&live(&lab), POD, "10.200.1.2", &[]);
        assert_eq!((data["verdict"]["is"].as_str(), code), (Some("answered"), 0), "{:#}", data["verdict"]);
        let told = lab.exec(POD, &["ping", "-c", "1", "-W", "5", "10.200.1.2"]);
        assert!(told.contains("ttl=62"), "{told}");
        let course = &data["courses"][0];
        let ttl = |way: &str| {
            let steps = course[way].as_array().expect("steps");
            steps.iter().rev().find_map(|step| step["ttl"].as_u64())
        };
        assert_eq!((ttl("there"), ttl("back")), (Some(62), Some(62)));
        let seen = if masquerade { "10.240.0.20" } else { "10.200.0.3" };
        assert_eq!(course["arrived"]["seen_as"]["source"], seen);
        let real = agree(&lab, "tcp", POD, "10.200.1.2:7");
        assert_eq!(real, Ends::Answered(FAR.to_owned(), seen.to_owned()));
        // kube-dns over both protocols, and nginx by its node port at the worker that has no endpoint.
        for (to, protocol) in [("svc:kube-system/kube-dns:dns", "udp"), ("10.32.0.10:53", "tcp")] {
            let (data, code) = traced(&live(&lab), POD, to, &["--protocol", protocol]);
            assert_eq!((data["verdict"]["is"].as_str(), code), (Some("answered"), 0), "{to}: {:#}", data["verdict"]);
        }
        for to in ["10.240.0.21:31088", "worker-1:31088"] {
            let (data, code) = traced(&live(&lab), "outside", to, &[]);
            assert_eq!((data["verdict"]["is"].as_str(), code), (Some("answered"), 0), "{to}: {:#}", data["verdict"]);
            let nodes: BTreeSet<&str> =
                data["places"].as_array().expect("places").iter().filter_map(|place| place["node"].as_str()).collect();
            assert_eq!(nodes, BTreeSet::from(["worker-0", "worker-1"]));
        }
        // Beyond the node nobody was asked: not known, and how it leaves.
        let one = vec![format!("--lab={}/worker-0", lab.name)];
        let (data, code) = traced(&one, POD, "198.51.100.10:80", &[]);
        assert_eq!((data["verdict"]["is"].as_str(), code), (Some("unknown"), 3));
        let because = data["verdict"]["because"].as_str().expect("words");
        assert!(because.contains("as far as this node goes it is right"), "{because}");
        assert_eq!(data["courses"][0]["leaves"]["seen_as"]["source"], seen);
        // Where the answer is lost on this node, what is beyond does not matter.
        lab.exec("worker-0", &["iptables", "-w", "-t", "raw", "-I", "PREROUTING", "-s", OUTSIDE, "-j", "DROP"]);
        let (data, code) = traced(&one, POD, "198.51.100.10:80", &[]);
        assert_eq!((data["verdict"]["is"].as_str(), code), (Some("unanswered"), 1), "{:#}", data["verdict"]);
    }
}

/// A connection that is there decides: its translation is kept, whatever the rules would do now.
#[test]
fn a_flow_of_the_table_decides() {
    for proxy in PROXIES {
        let lab = Lab::with_proxy(proxy);
        add(&lab, "spread", "10.32.0.60", &["--endpoint", "10.200.0.4:7", "--endpoint", "10.200.1.2:7"]);
        let (port, kept) = within(&netns(&lab, POD), || {
            let stream = TcpStream::connect_timeout(&address("10.32.0.60:7"), PATIENCE).expect("connects");
            (stream.local_addr().expect("bound").port().to_string(), stream)
        });
        let nodes = live(&lab);
        let (data, code) = traced(&nodes, POD, "10.32.0.60:7", &["--sport", &port]);
        assert_eq!((data["verdict"]["is"].as_str(), code), (Some("answered"), 0), "{proxy}: {:#}", data["verdict"]);
        assert_eq!(data["courses"].as_array().map(Vec::len), Some(1), "{proxy}: nothing is drawn");
        let steps = data["courses"][0]["there"].as_array().expect("steps");
        let flow = steps.iter().find(|step| step["step"] == "tracked").expect("the flow");
        let id = flow["flow"]["id"].as_u64().expect("an id").to_string();
        let listed = lab.exec("worker-0", &["conntrack", "-L", "-o", "id", "-p", "tcp", "--orig-port-src", &port]);
        assert!(listed.contains(&format!("id={id}")), "{proxy}: {id} in {listed}");
        let served = flow["flow"]["reply"]["source"].as_str().expect("an address").to_owned();
        assert_eq!(data["courses"][0]["arrived"]["seen_as"]["destination"], served.as_str(), "{proxy}");
        let (by_id, _) = traced(&nodes, POD, "10.32.0.60:7", &["--ct", &id]);
        assert_eq!(by_id["courses"][0]["arrived"], data["courses"][0]["arrived"], "{proxy}");
        // Rules that let only new ones in, or only begun ones, are held against what it is.
        for (state, established, new) in [("NEW", "answered", "dropped"), ("ESTABLISHED", "dropped", "answered")] {
            let rule = [
                "-w",
                "-t",
                "mangle",
                "-I",
                "FORWARD",
                "-i",
                "cnio0",
                "-m",
                "conntrack",
                "--ctstate",
                state,
                "-j",
                "DROP",
            ];
            lab.exec("worker-0", &[&["iptables-nft"][..], &rule].concat());
            let is = |more: &[&str]| {
                let (data, _) = traced(&nodes, POD, "10.200.1.2:7", more);
                data["verdict"]["is"].as_str().expect("one").to_owned()
            };
            let of_flow = traced(&nodes, POD, "10.32.0.60:7", &["--sport", &port]).0["verdict"]["is"].clone();
            // The answer of a pod behind the same bridge is an established packet that comes from there as well.
            if served == "10.200.1.2" {
                assert_eq!(of_flow, established, "{proxy} {state}");
            }
            assert_eq!(is(&["--ct", "new"]), new, "{proxy} {state}");
            assert_eq!(
                is(&["--ct", "established"]),
                if state == "NEW" { "dropped" } else { established },
                "{proxy} {state}"
            );
            lab.exec("worker-0", &["iptables-nft", "-w", "-t", "mangle", "-D", "FORWARD", "1"]);
        }
        drop(kept);
        let (_, said) = within(&netns(&lab, POD), || ask_udp(address("10.200.1.2:7")));
        assert_eq!(said.name, FAR);
    }
}

/// Without what hangs on the moment: how fresh a neighbour is.
fn at_rest(mut data: Value) -> Value {
    for course in data["courses"].as_array_mut().expect("courses") {
        for way in ["there", "back"] {
            for step in course[way].as_array_mut().expect("steps") {
                if step["step"] == "neighbour" {
                    step["how"] = Value::Null;
                }
            }
        }
    }
    data
}

#[test]
fn two_snapshots_tell_the_same_story_as_the_live_nodes() {
    for proxy in PROXIES {
        let lab = Lab::with_proxy(proxy);
        lab.settle();
        let folder = tempfile::tempdir().expect("a folder");
        let both = ["--endpoint", "10.200.0.4:7", "--endpoint", "10.200.1.2:7"];
        add(&lab, "spread", "10.32.0.60", &[&both[..], &["--node-port", "30007"]].concat());
        let mut files = Vec::new();
        for worker in ["worker-0", "worker-1"] {
            let file = folder.path().join(worker).to_str().expect("UTF-8").to_owned();
            succeeded(podnet(&[&format!("--lab={}/{worker}", lab.name), "snapshot", &file]));
            files.push(format!("--from={file}"));
        }
        for (from, to) in [
            (POD, "10.32.0.60:7"),
            (POD, "10.200.1.2"),
            ("worker-1", "10.32.0.53:80"),
            ("outside", "10.240.0.20:30007"),
            ("outside", "10.240.0.21:31088"),
            (POD, "203.0.113.7:443"),
        ] {
            // With a port of the client's the tables of flows are asked, which a snapshot has too.
            for more in [&[][..], &["--sport", "40000"]] {
                let (now, code) = traced(&live(&lab), from, to, more);
                let (then, old_code) = traced(&files, from, to, more);
                assert_eq!(at_rest(then), at_rest(now), "{proxy}: {from} to {to}");
                assert_eq!(code, old_code, "{proxy}: {from} to {to}");
            }
        }
    }
}

#[test]
fn what_hangs_on_a_rate_is_unknown_with_both_ways_shown() {
    let lab = Lab::up(&[]);
    lab.exec("worker-0", &["nft", "add table ip own; add chain ip own f { type filter hook forward priority 5; }"]);
    let undo = |of: &str| match of {
        "nft" => drop(lab.exec("worker-0", &["nft", "flush", "chain", "ip", "own", "f"])),
        _ => drop(lab.exec("worker-0", &["iptables-nft", "-w", "-D", "FORWARD", "1"])),
    };
    for (of, words) in [
        ("nft", "limit rate over 5/second drop"),
        ("nft", "quota over 10 mbytes drop"),
        ("iptables", "-m limit --limit 1/s -j DROP"),
        ("iptables", "-m hashlimit --hashlimit-upto 1/s --hashlimit-name own -j DROP"),
        ("iptables", "-m connlimit --connlimit-above 3 -j DROP"),
        ("iptables", "-m quota --quota 100000 -j DROP"),
    ] {
        let mut rule = match of {
            "nft" => vec!["nft", "add", "rule", "ip", "own", "f"],
            _ => vec!["iptables-nft", "-w", "-I", "FORWARD"],
        };
        rule.extend(words.split(' '));
        lab.exec("worker-0", &rule);
        let (data, code) = traced(&live(&lab), POD, "10.200.1.2:7", &[]);
        let ways: BTreeSet<&str> = data["courses"]
            .as_array()
            .expect("courses")
            .iter()
            .filter_map(|one| one["verdict"]["is"].as_str())
            .collect();
        // The answer crosses the rule as well.
        assert!(ways.is_superset(&BTreeSet::from(["answered", "dropped"])), "{words}: {ways:?}");
        assert_eq!((data["verdict"]["is"].as_str(), code), (Some("unknown"), 3), "{words}");
        undo(of);
    }
    let whole = podnet(&[&live(&lab)[0], "trace", POD, "10.200.1.2:7", "-o", "wide"]);
    assert_eq!(whole.status.code(), Some(0), "{}", stderr(&whole));
    let told = stdout(&whole);
    // A verdict first; then each rule that is asked, those that do nothing among them.
    assert!(told.lines().next().is_some_and(|line| line.ends_with("arrives, and its answer comes back")), "{told}");
    assert!(told.lines().any(|line| line.trim_start().starts_with("rule") && line.contains(" no: ")), "{told}");
}
