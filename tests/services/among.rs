//! Chains and rules of others within kube-proxy's own tables, and filters behind its translation: each case is put
//! in force, a datagram is really sent to each address of a service, and what `services` says must not claim more
//! than what arrived.

use std::collections::BTreeSet;
use std::fs::File;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

use podnet::analyze::answer::Answer;
use podnet::analyze::finding::Code;
use podnet::analyze::services::types::Services;
use podnet::analyze::services::{ServicesQuery, services};
use podnet::lab::proxy::{Endpoint, Node, ServicePort, iptables, nftables};
use podnet::model::issue::Level;
use podnet::model::kube_proxy::{
    ChainRole, HashForm, Protocol, ServicePortName, iptables_chain, iptables_endpoint_chain, nftables_base,
};
use podnet::model::lab_service::TrafficPolicy;

use crate::line::Line;
use crate::restored::{feed, live};
use crate::testbed::Netns;

const MODES: [&str; 3] = ["iptables-nft", "iptables-legacy", "nftables"];

impl Line {
    fn with_service(mode: &'static str) -> Self {
        let line = Self::new();
        let node = &line.node;
        let place = Node {
            pods: "10.200.0.0/16".parse().unwrap(),
            services: "10.32.0.0/24".parse().unwrap(),
            addresses: vec!["192.0.2.254".parse().unwrap()],
            accounting: false,
        };
        let port = ServicePort {
            name: ServicePortName::parse("default/limited").unwrap(),
            protocol: Protocol::Udp,
            cluster_ip: "10.32.0.95".parse().unwrap(),
            port: 7777,
            node_port: Some(30777),
            external_ips: Vec::new(),
            load_balancer_ips: vec!["198.51.100.7".parse().unwrap()],
            source_ranges: vec!["192.0.2.1/32".parse().unwrap()],
            health_check_node_port: None,
            internal: TrafficPolicy::Cluster,
            external: TrafficPolicy::Cluster,
            affinity: None,
            endpoints: vec![Endpoint { address: "10.200.0.34:7777".parse().unwrap(), local: true }],
        };
        if mode == "nftables" {
            feed(node, &["nft", "-f", "-"], &nftables::rules(&place, &[port], &nftables::Existing::default()));
        } else {
            let text = iptables::rules(&place, &[port], &iptables::Existing::default());
            feed(node, &[&format!("{mode}-restore"), "--noflush"], &text);
        }
        line
    }

    /// Which of the packets to the service arrive, as `FROM to TO`.
    fn arrive(&self) -> BTreeSet<String> {
        let waiting = within(&self.endpoint, || UdpSocket::bind("10.200.0.34:7777").unwrap());
        for (number, (from, to)) in (0_u8..).zip(PACKETS) {
            within(&self.client, move || {
                let socket = UdpSocket::bind((from, 0)).unwrap();
                socket.send_to(&[number], to).unwrap();
            });
        }
        let deadline = Instant::now() + Duration::from_millis(400);
        let mut arrived = BTreeSet::new();
        while arrived.len() < ALLOWED.len() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            waiting.set_read_timeout(Some(left)).unwrap();
            let mut bytes = [0; 8];
            let Ok(1) = waiting.recv(&mut bytes) else { continue };
            let (from, to) = PACKETS[usize::from(bytes[0])];
            arrived.insert(format!("{from} to {to}"));
        }
        arrived
    }

    fn told(&self) -> Option<Answer<Services>> {
        let query = ServicesQuery { text: Some("default/limited".to_owned()), ..ServicesQuery::default() };
        services(&[&live(&self.node)], &query).ok()
    }

    fn told_of_all(&self) -> Answer<Services> {
        services(&[&live(&self.node)], &ServicesQuery::default()).unwrap()
    }
}

fn within<T: Send + 'static>(netns: &Netns, work: impl FnOnce() -> T + Send + 'static) -> T {
    let file = File::open(netns.path()).unwrap();
    std::thread::spawn(move || {
        podnet::sys::netns::enter(file.as_fd()).unwrap();
        work()
    })
    .join()
    .unwrap()
}

const PACKETS: [(&str, &str); 4] = [
    ("192.0.2.1", "10.32.0.95:7777"),
    ("192.0.2.1", "198.51.100.7:7777"),
    ("192.0.2.2", "192.0.2.254:30777"),
    ("192.0.2.2", "198.51.100.7:7777"),
];

/// Those of them that the service is for: the last one is of no client that the load balancer lets in.
const ALLOWED: [(&str, &str); 3] = [PACKETS[0], PACKETS[1], PACKETS[2]];

/// What an answer says that it is unsure of, and what it found.
fn said(answer: &Answer<Services>) -> Vec<String> {
    let is_of_pods = |what: &str| what == "container runtime" || what.starts_with("names of ");
    let unsure = answer.issues.iter().filter(|issue| issue.level == Level::Incomplete && !is_of_pods(&issue.what));
    let unsure = unsure.map(|issue| format!("{}: {}", issue.what, issue.why.detail()));
    let behind = answer.data.findings.iter().filter(|finding| finding.code == Code::FiltersBehind);
    let behind = behind.map(|finding| finding.text.clone());
    unsure.chain(answer.data.foreign.iter().map(|one| one.says.clone())).chain(behind).collect()
}

/// A change, for `iptables` with its arguments, or for `nft`.
type Change<'c> = &'c str;

#[track_caller]
fn check(mode: &'static str, name: &str, changes: &[Change<'_>], harmless: bool) -> Vec<String> {
    let line = Line::with_service(mode);
    for change in changes {
        match change.strip_prefix("iptables ") {
            Some(arguments) => {
                let program = if mode == "iptables-legacy" { "iptables-legacy" } else { "iptables-nft" };
                let words: Vec<&str> = std::iter::once(program).chain(arguments.split(' ')).collect();
                drop(feed(&line.node, &words, ""));
            }
            None => drop(feed(&line.node, &["nft", "-f", "-"], change)),
        }
    }
    let arrived = line.arrive();
    let expected: BTreeSet<String> = ALLOWED.iter().map(|(from, to)| format!("{from} to {to}")).collect();
    let works = arrived == expected;
    let mut wrong = Vec::new();
    let by_name = line.told();
    let by_all = line.told_of_all();
    for (how, answer) in [("by name", by_name.as_ref()), ("all", Some(&by_all))] {
        let said = answer.map(said).unwrap_or_default();
        let is_clean = answer.is_some_and(|answer| answer.exit_code() != 1 && said.is_empty());
        if answer.is_none() {
            wrong.push(format!("{mode}, {name}: {how} it says that there is no such service"));
        } else if !works && is_clean {
            wrong.push(format!("{mode}, {name}: {how} it says that all is well, and only {arrived:?} arrive"));
        } else if works && harmless && !is_clean {
            wrong.push(format!("{mode}, {name}: {how} it doubts what works: {said:?}"));
        }
    }
    if works != harmless {
        wrong.push(format!("{mode}, {name}: the case is not what it is taken for: {arrived:?}"));
    }
    wrong
}

#[test]
fn without_anything_foreign_all_is_as_it_is_told() {
    let wrong: Vec<String> = MODES.iter().flat_map(|mode| check(mode, "nothing", &[], true)).collect();
    assert_eq!(wrong, Vec::<String>::new());
}

/// Base chains of any name in the tables that are kube-proxy's or that it shares.
#[test]
fn base_chains_with_odd_names_are_found() {
    const SHARED: [(&str, &str, bool); 5] = [
        (
            "odd nat in nat",
            "table ip nat { chain odd { type nat hook prerouting priority -110; udp dport 7777 dnat to 10.200.0.99; }\n }",
            false,
        ),
        (
            "odd nat behind in nat",
            "table ip nat { chain odd { type nat hook prerouting priority -90; udp dport 7777 dnat to 10.200.0.99; }\n }",
            true,
        ),
        (
            "odd filter in nat",
            "table ip nat { chain odd.one { type filter hook prerouting priority -200; ip daddr 10.32.0.95 drop; }\n }",
            false,
        ),
        (
            "odd raw in raw",
            "table ip raw { chain Pre { type filter hook prerouting priority -300; udp dport 30777 notrack; }\n }",
            false,
        ),
        (
            "odd in inet",
            "table inet mine { chain PREROUTING { type filter hook prerouting priority -300; udp dport 30777 drop; }\n }",
            false,
        ),
    ];
    let own = [
        (
            "odd nat in kube-proxy",
            "table ip kube-proxy { chain odd { type nat hook prerouting priority -110; udp dport 7777 dnat to 10.200.0.99; }\n }",
            false,
        ),
        (
            "odd filter in kube-proxy",
            "table ip kube-proxy { chain nat-prerouting2 { type filter hook prerouting priority -150; udp dport 30777 drop; }\n }",
            false,
        ),
        (
            "odd counter in kube-proxy",
            "table ip kube-proxy { chain odd { type filter hook prerouting priority -150; counter; }\n }",
            true,
        ),
        (
            "foreign rule in its firewall's base chain",
            "insert rule ip kube-proxy filter-prerouting-pre-dnat udp dport 30777 drop",
            false,
        ),
    ];
    let mut wrong = Vec::new();
    for mode in MODES {
        for (name, change, harmless) in SHARED {
            wrong.extend(check(mode, name, &[change], harmless));
        }
    }
    for (name, change, harmless) in own {
        wrong.extend(check("nftables", name, &[change], harmless));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// kube-proxy's chains, led to from a base chain of another name.
#[test]
fn services_behind_a_base_chain_of_another_name_are_not_missing() {
    let mut wrong = check(
        "iptables-nft",
        "moved",
        &[
            "table ip nat { chain PRE { type nat hook prerouting priority -100; jump KUBE-SERVICES; }\n chain OUT { type nat hook output priority -100; jump KUBE-SERVICES; }\n }\n\
             flush chain ip nat PREROUTING\nflush chain ip nat OUTPUT",
        ],
        false,
    );
    wrong.extend(check(
        "nftables",
        "moved",
        &[
            "table ip kube-proxy { chain pre { type nat hook prerouting priority -100; jump services; }\n chain out { type nat hook output priority -100; jump services; }\n }\n\
             flush chain ip kube-proxy nat-prerouting\nflush chain ip kube-proxy nat-output",
        ],
        false,
    ));
    // The services work: that is the one thing that is not what it is taken for.
    wrong.retain(|line| !line.contains("the case is not what it is taken for"));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Rules of others in each of kube-proxy's own chains.
#[test]
fn rules_of_others_in_its_chains_are_never_passed_over() {
    let iptables: [(&str, &str, bool); 14] = [
        ("drop-like return first in PREROUTING", "-t nat -I PREROUTING -d 10.32.0.95 -j RETURN", false),
        ("accept in KUBE-SERVICES", "-t nat -I KUBE-SERVICES -d 10.32.0.95 -j ACCEPT", false),
        (
            "dnat in KUBE-SERVICES",
            "-t nat -I KUBE-SERVICES -p udp --dport 7777 -j DNAT --to-destination 10.200.0.99",
            false,
        ),
        ("accept in KUBE-NODEPORTS", "-t nat -I KUBE-NODEPORTS -p udp --dport 30777 -j ACCEPT", false),
        ("accept in KUBE-SVC", "-t nat -I KUBE-SVC-HASH -j ACCEPT", false),
        ("return in KUBE-SVC", "-t nat -I KUBE-SVC-HASH -s 192.0.2.0/24 -j RETURN", false),
        ("redirect in KUBE-EXT", "-t nat -I KUBE-EXT-HASH -j RETURN", false),
        ("accept in KUBE-FW", "-t nat -I KUBE-FW-HASH -s 192.0.2.1 -j ACCEPT", false),
        ("accept in KUBE-SEP", "-t nat -I KUBE-SEP-ENDPOINT -j ACCEPT", false),
        (
            "another target in KUBE-SEP",
            "-t nat -I KUBE-SEP-ENDPOINT -p udp -j DNAT --to-destination 10.200.0.99:7777",
            false,
        ),
        ("drop in KUBE-PROXY-FIREWALL", "-I KUBE-PROXY-FIREWALL -p udp -d 10.200.0.34 -j DROP", false),
        ("counter in KUBE-SVC", "-t nat -I KUBE-SVC-HASH -m comment --comment mine", true),
        ("mark in KUBE-SERVICES", "-t nat -I KUBE-SERVICES -j MARK --set-xmark 0x1/0x1", true),
        ("log in KUBE-SEP", "-t nat -I KUBE-SEP-ENDPOINT -m comment --comment mine", true),
    ];
    let name = ServicePortName::parse("default/limited").unwrap();
    let chain = iptables_chain(ChainRole::Cluster, &name, Protocol::Udp, HashForm::Plain);
    let endpoint = iptables_endpoint_chain(
        &name,
        Protocol::Udp,
        SocketAddr::new(IpAddr::from([10, 200, 0, 34]), 7777),
        HashForm::Plain,
    );
    let mut wrong = Vec::new();
    for mode in ["iptables-nft", "iptables-legacy"] {
        for (what, rule, harmless) in iptables {
            let rule =
                rule.replace("HASH", chain.strip_prefix("KUBE-SVC-").unwrap()).replace("KUBE-SEP-ENDPOINT", &endpoint);
            wrong.extend(check(mode, what, &[&format!("iptables {rule}")], harmless));
        }
    }
    let base = nftables_base(&name, Protocol::Udp);
    let nft: [(&str, &str, bool); 9] = [
        ("accept in nat-prerouting", "insert rule ip kube-proxy nat-prerouting ip daddr 10.32.0.95 accept", false),
        ("return in services", "insert rule ip kube-proxy services udp dport 30777 return", false),
        ("dnat in services", "insert rule ip kube-proxy services udp dport 7777 dnat to 10.200.0.99", false),
        ("drop in the service's chain", "insert rule ip kube-proxy service-BASE drop", false),
        ("accept in the service's chain", "insert rule ip kube-proxy service-BASE ip saddr 192.0.2.0/24 accept", false),
        ("return in the external chain", "insert rule ip kube-proxy external-BASE return", false),
        ("drop in firewall-check", "insert rule ip kube-proxy firewall-check udp dport 7777 drop", false),
        ("drop in the firewall chain", "insert rule ip kube-proxy firewall-BASE ip saddr 192.0.2.1 drop", false),
        ("counter in the service's chain", "insert rule ip kube-proxy service-BASE counter", true),
    ];
    for (what, rule, harmless) in nft {
        wrong.extend(check("nftables", what, &[&rule.replace("BASE", &base)], harmless));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What comes after the translation is not kube-proxy's, and decides all the same.
#[test]
fn filters_behind_the_translation_are_not_claimed_to_let_it_pass() {
    let cases: [(&str, &str); 4] = [
        (
            "forward drop of the endpoint",
            "table inet mine { chain f { type filter hook forward priority 0; ip daddr 10.200.0.34 drop; }\n }",
        ),
        ("forward policy drop", "table ip mine { chain f { type filter hook forward priority 10; policy drop; }\n }"),
        (
            "mangle forward",
            "table ip mangle { chain FORWARD { type filter hook forward priority -150; udp dport 7777 drop; }\n }",
        ),
        (
            "postrouting",
            "table ip mine { chain f { type filter hook postrouting priority 0; udp dport 7777 drop; }\n }",
        ),
    ];
    let mut wrong = Vec::new();
    for mode in MODES {
        for (name, change) in cases {
            wrong.extend(check(mode, name, &[change], false));
        }
    }
    wrong.extend(check("iptables-nft", "FORWARD rule", &["iptables -I FORWARD -d 10.200.0.34 -j DROP"], false));
    wrong.extend(check("iptables-legacy", "FORWARD rule", &["iptables -I FORWARD -d 10.200.0.34 -j REJECT"], false));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What drops all that is sent to the endpoint is said for certain, and the answer is a bad one.
#[test]
fn a_filter_that_lets_nothing_pass_makes_the_answer_bad() {
    for mode in ["iptables-nft", "nftables"] {
        let line = Line::with_service(mode);
        let rules = "table inet mine { chain f { type filter hook forward priority 0; ip daddr 10.200.0.34 drop; }\n }";
        drop(feed(&line.node, &["nft", "-f", "-"], rules));
        assert_eq!(line.arrive(), BTreeSet::new(), "{mode}");
        assert_eq!(line.told().expect("the service").exit_code(), 1, "{mode}");
    }
}
