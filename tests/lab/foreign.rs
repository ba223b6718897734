//! What others' rules do to packets on their way to a service: podnet's word against packets that are really sent.

use std::net::TcpStream;

use serde_json::Value;

use crate::harness::{Lab, Said, podnet};
use crate::services::{FAR, NGINX, PROXIES, SILENCE, address, netns};

/// Who answers at `10.32.0.60:7`; the service's one endpoint is the nginx pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answers {
    Endpoint,
    /// The pod to which somebody translated.
    Elsewhere,
    Nobody,
}

const TO: &str = "10.32.0.60:7";
const POD: &str = "busybox0-rw89s";

fn answers(lab: &Lab, from: &str) -> Answers {
    let to = address(TO);
    let name = crate::harness::within(&netns(lab, from), move || {
        TcpStream::connect_timeout(&to, SILENCE).ok().map(|_| crate::harness::ask_tcp(to).1)
    });
    match name.map(|said: Said| said.name) {
        None => Answers::Nobody,
        Some(name) if name == NGINX => Answers::Endpoint,
        Some(name) => {
            assert_eq!(name, FAR);
            Answers::Elsewhere
        }
    }
}

/// What podnet says of the service on worker-0, and its exit code.
fn told(lab: &Lab) -> (Value, i32) {
    let of = format!("--lab={}/worker-0", lab.name);
    let output = podnet(&[of.as_str(), "services", TO, "-o", "json"]);
    let code = output.status.code().expect("ended");
    (serde_json::from_slice(&output.stdout).unwrap_or_default(), code)
}

/// The effects with their hook and whether they are certain.
fn effects(answer: &Value) -> Vec<(String, String, bool)> {
    let all = answer["data"]["foreign"].as_array().cloned().unwrap_or_default();
    let word = |value: &Value| value.as_str().expect("a word").to_owned();
    all.iter().map(|one| (word(&one["hook"]), word(&one["effect"]), one["certain"].as_bool().expect("told"))).collect()
}

fn doubts(answer: &Value) -> Vec<String> {
    let all = answer["issues"].as_array().cloned().unwrap_or_default();
    all.iter().map(ToString::to_string).collect()
}

fn with_service(proxy: &str) -> Lab {
    let lab = Lab::with_proxy(proxy);
    lab.service("add", &["web", "--port", "7", "--cluster-ip", "10.32.0.60", "--endpoint", "10.200.0.4:7"]);
    assert_eq!(answers(&lab, POD), Answers::Endpoint, "{proxy}");
    assert_eq!(answers(&lab, "worker-0"), Answers::Endpoint, "{proxy}");
    let (answer, code) = told(&lab);
    assert_eq!((effects(&answer), code), (Vec::new(), 0), "{proxy}: {answer}");
    lab
}

/// The rule; who answers a pod and the node itself; the hook, effect and whether it is certain; the exit code.
type OtherTable = (&'static str, Answers, Answers, &'static [(&'static str, &'static str, bool)], i32);

#[test]
fn what_other_tables_do_before_kube_proxy_is_what_packets_meet() {
    use Answers::{Elsewhere, Endpoint, Nobody};
    let cases: [OtherTable; 13] = [
        (
            "type nat hook prerouting priority -110; ip daddr 10.32.0.60 tcp dport 7 dnat to 10.200.1.2",
            Elsewhere,
            Endpoint,
            &[("prerouting", "translates", true)],
            1,
        ),
        (
            "type nat hook output priority -110; ip daddr 10.32.0.60 dnat to 10.200.1.2",
            Endpoint,
            Elsewhere,
            &[("output", "translates", true)],
            1,
        ),
        (
            "type nat hook prerouting priority -110; ip saddr 10.99.0.0/16 ip daddr 10.32.0.60 dnat to 10.200.1.2",
            Endpoint,
            Endpoint,
            &[("prerouting", "translates", false)],
            0,
        ),
        (
            "type nat hook prerouting priority -110; ip saddr 10.200.0.3 dnat to ip daddr map { 10.32.0.60 : 10.200.1.2 }",
            Elsewhere,
            Endpoint,
            &[("prerouting", "translates", false)],
            0,
        ),
        (
            "type nat hook prerouting priority -110; ip daddr 10.32.0.60 tcp dport 8 dnat to 10.200.1.2",
            Endpoint,
            Endpoint,
            &[],
            0,
        ),
        ("type nat hook prerouting priority -110; ip daddr 10.32.0.60 accept", Endpoint, Endpoint, &[], 0),
        ("type nat hook prerouting priority -90; ip daddr 10.32.0.60 dnat to 10.200.1.2", Endpoint, Endpoint, &[], 0),
        (
            "type filter hook prerouting priority -110; ip daddr 10.32.0.60 drop",
            Nobody,
            Endpoint,
            &[("prerouting", "drops", true)],
            1,
        ),
        ("type filter hook prerouting priority -90; ip daddr 10.32.0.60 drop", Endpoint, Endpoint, &[], 0),
        (
            "type filter hook prerouting priority -300; ip daddr 10.32.0.60 notrack",
            Nobody,
            Endpoint,
            &[("prerouting", "untracks", true)],
            0,
        ),
        (
            "type filter hook output priority -300; ip daddr 10.32.0.60 notrack",
            Endpoint,
            Nobody,
            &[("output", "untracks", true)],
            0,
        ),
        (
            "type filter hook output priority -150; ip daddr 10.32.0.0/24 reject",
            Endpoint,
            Nobody,
            &[("output", "drops", true)],
            1,
        ),
        ("type filter hook prerouting priority -150; ip daddr 10.32.0.60 ip dscp set cs1", Endpoint, Endpoint, &[], 0),
    ];
    for proxy in PROXIES {
        let lab = with_service(proxy);
        for (rule, pod, node, expected, exit) in cases {
            for family in ["ip", "inet"] {
                // An address needs its family there.
                let rule = if family == "inet" { rule.replace("dnat to", "dnat ip to") } else { rule.to_owned() };
                let script = format!("table {family} foreign {{ chain c {{ {rule}; }}; }}");
                lab.exec("worker-0", &["nft", &script]);
                let met = (answers(&lab, POD), answers(&lab, "worker-0"));
                let (answer, code) = told(&lab);
                let said = effects(&answer);
                let said: Vec<_> =
                    said.iter().map(|(hook, effect, sure)| (hook.as_str(), effect.as_str(), *sure)).collect();
                lab.exec("worker-0", &["nft", "delete", "table", family, "foreign"]);
                assert_eq!((met, said.as_slice(), code), ((pod, node), expected, exit), "{proxy} {script}: {answer}");
            }
        }
    }
}

/// At a link, before the hooks of IP: of packets that come in by it alone.
#[test]
fn what_a_links_own_chain_drops_never_gets_to_a_service() {
    for proxy in PROXIES {
        let lab = with_service(proxy);
        let rule = "type filter hook ingress device eth0 priority 0; ip daddr 10.32.0.60 drop;";
        lab.exec("worker-0", &["nft", &format!("table netdev foreign {{ chain c {{ {rule} }}; }}")]);
        lab.exec("gateway", &["ip", "route", "add", "10.32.0.60", "via", "10.240.0.20"]);
        assert_eq!((answers(&lab, POD), answers(&lab, "outside")), (Answers::Endpoint, Answers::Nobody), "{proxy}");
        let (answer, code) = told(&lab);
        assert_eq!(effects(&answer), [("ingress".to_owned(), "drops".to_owned(), false)], "{proxy}: {answer}");
        assert_eq!(
            (&answer["data"]["foreign"][0]["says"], code),
            (&Value::from("what reaches this node, and came in by eth0, is dropped or rejected"), 0)
        );
        lab.exec("worker-0", &["nft", "delete", "table", "netdev", "foreign"]);
        assert_eq!(answers(&lab, "outside"), Answers::Endpoint, "{proxy}");
    }
}

/// At kube-proxy's own priority nobody knows who comes first, and podnet says so.
#[test]
fn at_the_same_priority_it_is_unknown() {
    for proxy in PROXIES {
        let lab = with_service(proxy);
        let rule = "type nat hook prerouting priority -100; ip daddr 10.32.0.60 dnat to 10.200.1.2;";
        lab.exec("worker-0", &["nft", &format!("table ip foreign {{ chain c {{ {rule} }}; }}")]);
        assert_ne!(answers(&lab, POD), Answers::Nobody);
        let (answer, code) = told(&lab);
        assert_eq!(code, 3, "{proxy}: {answer}");
        assert!(doubts(&answer).iter().any(|doubt| doubt.contains("which of the two runs first is not known")));
    }
}

/// Chain, rule; who answers a pod; the effect, or a doubt's words; the exit code.
type OwnTable = (&'static str, Vec<&'static str>, Answers, Result<&'static str, &'static str>, i32);

#[test]
fn rules_among_kube_proxys_own_do_what_podnet_says_or_leave_it_in_doubt() {
    use Answers::{Elsewhere, Endpoint, Nobody};
    let far = ["-j", "DNAT", "--to-destination", "10.200.1.2"];
    let to = ["-p", "tcp", "-d", "10.32.0.60"];
    let cases: [OwnTable; 7] = [
        ("PREROUTING", [&to[2..], &["-j", "ACCEPT"]].concat(), Nobody, Ok("leads_past"), 1),
        ("PREROUTING", [&to[2..], &["-j", "RETURN"]].concat(), Nobody, Ok("leads_past"), 1),
        ("PREROUTING", [&to[..], &far].concat(), Elsewhere, Ok("translates"), 1),
        ("PREROUTING", vec!["-d", "10.32.0.61", "-j", "ACCEPT"], Endpoint, Ok(""), 0),
        ("KUBE-SERVICES", [&to[2..], &["-j", "RETURN"]].concat(), Nobody, Err("not of a shape"), 3),
        ("KUBE-SERVICES", [&to[..], &far].concat(), Elsewhere, Err("not of a shape"), 3),
        ("KUBE-SERVICES", [&to[2..], &["-j", "ACCEPT"]].concat(), Nobody, Err("not of a shape"), 3),
    ];
    for (proxy, program) in [("iptables", "iptables-nft"), ("iptables-legacy", "iptables-legacy")] {
        let lab = with_service(proxy);
        let change = |what: &str, chain: &str, rule: &[&str]| {
            lab.exec("worker-0", &[&[program, "-w", "-t", "nat", what, chain], rule].concat());
        };
        for (chain, rule, who, expected, exit) in &cases {
            change("-I", chain, rule);
            let met = answers(&lab, POD);
            let (answer, code) = told(&lab);
            change("-D", chain, rule);
            assert_eq!((met, code), (*who, *exit), "{proxy} {chain} {rule:?}: {answer}");
            match expected {
                Ok("") => assert_eq!(effects(&answer), Vec::new(), "{proxy} {rule:?}"),
                Ok(effect) => {
                    let said = [("prerouting".to_owned(), (*effect).to_owned(), true)];
                    assert_eq!(effects(&answer), said, "{proxy} {rule:?}");
                }
                Err(words) => {
                    let doubts = doubts(&answer);
                    assert!(doubts.iter().any(|doubt| doubt.contains(words)), "{proxy} {rule:?}: {doubts:?}");
                }
            }
        }
        // kube-proxy's chains are asked of packets of another link alone.
        let save = lab.exec("worker-0", &[&format!("{program}-save"), "-t", "nat"]);
        let jump = save.lines().find(|line| line.starts_with("-A PREROUTING")).expect("the jump").to_owned();
        lab.exec("worker-0", &["sh", "-c", &format!("{program} -w -t nat {}", jump.replacen("-A", "-D", 1))]);
        change("-A", "PREROUTING", &["-i", "eth9", "-j", "KUBE-SERVICES"]);
        assert_eq!(answers(&lab, POD), Nobody, "{proxy}");
        let (answer, code) = told(&lab);
        assert!(doubts(&answer).iter().any(|doubt| doubt.contains("under a condition")), "{answer}");
        assert_eq!(code, 3);
        // They are not asked of packets of others at all.
        change("-D", "PREROUTING", &["-i", "eth9", "-j", "KUBE-SERVICES"]);
        assert_eq!((answers(&lab, POD), answers(&lab, "worker-0")), (Nobody, Endpoint), "{proxy}");
        let (answer, code) = told(&lab);
        assert!(
            doubts(&answer).iter().any(|doubt| doubt.contains("others' packets get to no service by it")),
            "{answer}"
        );
        assert_eq!(code, 3);
    }
}

/// An endpoint's chain that lost its rules, a verdict of its own, an element that decides otherwise.
#[test]
fn chains_and_elements_that_are_not_as_kube_proxy_leaves_them_are_no_endpoints() {
    for (proxy, program) in [("iptables", "iptables-nft"), ("iptables-legacy", "iptables-legacy")] {
        let lab = with_service(proxy);
        let save = lab.exec("worker-0", &[&format!("{program}-save"), "-t", "nat"]);
        let line = save.lines().find(|line| line.contains("-j DNAT --to-destination 10.200.0.4:7")).expect("its rule");
        let chain = line.split(' ').nth(1).expect("a chain").to_owned();
        lab.exec("worker-0", &[program, "-w", "-t", "nat", "-F", &chain]);
        assert_eq!(answers(&lab, POD), Answers::Nobody, "{proxy}");
        let (answer, code) = told(&lab);
        assert_eq!(answer["data"]["services"][0]["endpoints"], serde_json::json!([]), "{proxy}: {answer}");
        assert_eq!((code, doubts(&answer).len()), (3, 1), "{proxy}: {answer}");
    }
    let lab = with_service("nftables");
    let element = "{ 10.32.0.60 . tcp . 7 }";
    let change = format!(
        "delete element ip kube-proxy service-ips {element}; add element ip kube-proxy service-ips {{ 10.32.0.60 . tcp . 7 : accept }}"
    );
    lab.exec("worker-0", &["nft", &change]);
    assert_eq!(answers(&lab, POD), Answers::Nobody);
    let (answer, code) = told(&lab);
    assert_eq!(code, 3, "{answer}");
    assert!(doubts(&answer).iter().any(|doubt| doubt.contains("an element that podnet does not read")), "{answer}");
}
