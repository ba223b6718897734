//! `nat` and what packets meet: marks that are set before nat is asked, and maps that choose an address.

use serde_json::Value;

use crate::harness::{Lab, ask_tcp, podnet, stdout};
use crate::services::{FAR, NGINX, asked};

const POD: &str = "busybox0-rw89s";

fn told(lab: &Lab, pod: &str, part: &str) -> Vec<Value> {
    let output = podnet(&[&format!("--lab={}/worker-0", lab.name), "nat", pod, "-o", "json"]);
    let answer: Value = serde_json::from_str(&stdout(&output)).expect("JSON");
    answer["data"][part].as_array().expect("a list").clone()
}

/// A mark that one rule sets and another asks for, with what podnet then says of who is masqueraded.
#[test]
fn a_mark_is_followed_from_the_rule_that_sets_it_to_the_one_that_asks_for_it() {
    let lab = Lab::up(&["--no-masquerade", "--proxy", "nftables"]);
    // kube-proxy's own: which services' packets it marks is not followed, who marks is.
    let own = told(&lab, POD, "leaving");
    let marked =
        own.iter().find(|rule| rule["says"].as_str().is_some_and(|says| says.contains("bears the mark 0x4000/0x4000")));
    assert_eq!(marked.map(|rule| &rule["marked_by"][0]["chain"]["name"]), Some(&Value::from("services")), "{own:#?}");
    // The rule of mangle, the mark that is asked for, whether the pod is masqueraded, and whether podnet is sure.
    let cases: [(&[&str], &str, bool, Option<bool>); 7] = [
        (&["-s", "10.200.0.3", "-j", "MARK", "--set-mark", "7"], "7", true, Some(true)),
        (&["-s", "10.200.0.3", "-j", "MARK", "--set-mark", "7"], "8", false, None),
        (&["-s", "10.200.0.2", "-j", "MARK", "--set-mark", "7"], "7", false, None),
        (&["-j", "MARK", "--or-mark", "0x10"], "0x10/0x10", true, Some(true)),
        (&["-p", "tcp", "-j", "MARK", "--set-mark", "7"], "7", true, Some(false)),
        (&["-p", "udp", "-j", "MARK", "--set-mark", "7"], "7", false, Some(false)),
        (&["-j", "CONNMARK", "--restore-mark"], "7", false, Some(false)),
    ];
    for (mangle, mark, masqueraded, expected) in cases {
        for hook in ["PREROUTING", "FORWARD"] {
            let change = |what: &str| {
                lab.exec("worker-0", &[&["iptables-nft", "-w", "-t", "mangle", what, hook], mangle].concat());
                let ask = ["-m", "mark", "--mark", mark, "-j", "MASQUERADE"];
                lab.exec("worker-0", &[&["iptables-nft", "-w", "-t", "nat", what, "POSTROUTING"][..], &ask].concat());
            };
            change("-I");
            let (name, client) = asked(&lab, POD, ask_tcp, "10.200.1.2:7");
            let all = told(&lab, POD, "leaving");
            change("-D");
            let seen = if masqueraded { "10.240.0.20" } else { "10.200.0.3" };
            assert_eq!((name.as_str(), client.as_str()), (FAR, seen), "{hook} {mangle:?} {mark}");
            let own: Vec<&Value> = all.iter().filter(|rule| rule.to_string().contains("--mark")).collect();
            let sure: Vec<bool> = own.iter().map(|rule| rule["when"] == serde_json::json!([])).collect();
            assert_eq!(sure, Vec::from_iter(expected), "{hook} {mangle:?} {mark}: {all:#?}");
            // Where it is not sure it names who may set it.
            for rule in own.iter().filter(|_| expected == Some(false)) {
                let setter = rule["marked_by"][0]["chain"]["name"].as_str();
                assert_eq!(setter, Some(hook), "{hook} {mangle:?}: {rule:#?}");
            }
        }
    }
}

/// The port of a pod behind a map, as the kernel translates it.
#[test]
fn a_map_that_chooses_an_address_is_told_as_what_packets_meet() {
    let lab = Lab::up(&[]);
    let script = "table ip maps {
        map ports { type inet_proto . inet_service : ipv4_addr . inet_service; elements = { tcp . 9090 : 10.200.0.4 . 7 }; }
        map wide { type inet_service : ipv4_addr; flags interval; elements = { 7000-7010 : 10.200.0.4 }; }
        map verdicts { type inet_service : verdict; elements = { 9191 : jump one, 9192 : drop }; }
        chain one { meta l4proto tcp dnat to 10.200.0.4:7; }
        chain pre {
            type nat hook prerouting priority -100
            dnat ip to meta l4proto . th dport map @ports
            tcp dport 9001 dnat to ip daddr map { 10.240.0.20 : 10.200.0.4, 10.240.0.21 : 10.200.0.3 }
            ip protocol tcp dnat to tcp dport map @wide
            tcp dport vmap @verdicts
        }
    }";
    lab.exec("worker-0", &["nft", &script]);
    for port in ["9090", "9191"] {
        assert_eq!(asked(&lab, "outside", ask_tcp, &format!("10.240.0.20:{port}")).0, NGINX, "{port}");
    }
    let says: Vec<String> =
        told(&lab, "nginx", "host_ports").iter().map(|rule| rule["says"].as_str().expect("words").to_owned()).collect();
    assert_eq!(
        says,
        [
            "what reaches this node, and is tcp, and goes to port 9090, goes to 10.200.0.4:7",
            "what reaches this node to 10.240.0.20, and is tcp, and goes to port 9001, goes to 10.200.0.4",
            "what reaches this node, and is tcp, and goes to ports 7000 to 7010, goes to 10.200.0.4",
            "what reaches this node, and is tcp, and goes to port 9191, goes to 10.200.0.4:7",
        ]
    );
    let other: Vec<Value> = told(&lab, POD, "host_ports");
    assert_eq!(other.len(), 1, "what goes to the other worker's address: {other:#?}");
}
