//! What a person reads, and that the evidence is what the rules' own tools say.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use podnet::analyze::services::types::Evidence;
use podnet::analyze::services::{ServicesQuery, services};
use podnet::model::view::NodeView;
use podnet::render;
use podnet::render::style::Style;

use crate::testbed::Netns;
use crate::world::{NFTABLES, Rules, TODAY, feed};

fn table(rules: Rules, text: Option<&str>, wide: bool) -> String {
    let node = rules.node();
    let query = ServicesQuery { text: text.map(str::to_owned), brief: text.is_none(), ..ServicesQuery::default() };
    let answer = services(&[&node as &dyn NodeView], &query).unwrap();
    let mut out = Vec::new();
    let write = if text.is_some() { render::services::write } else { render::services::list };
    write(&answer, Style { color: false, wide }, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn a_service_is_told_with_its_endpoints() {
    let expected = "\
default/web:http  tcp  10.32.0.205:80  →  3 endpoints    kube-proxy, iptables (nf_tables)
  1/3  10.200.0.33:80  default/web-0  this node  listens?  KUBE-SEP-LLI7U4YSKAEI2E6M  5 first packets
  1/3  10.200.0.34:80  default/web-1  this node  listens?  KUBE-SEP-7CRWI2PNIAMPTSVK  6
  1/3  10.200.1.25:80  (not on this node)                  KUBE-SEP-JPXNTR7XZ56M76IZ  3
  whether a socket waits is unknown: reading sockets of net:[2006]: the snapshot does not hold it (and 1 reason more)
  masqueraded: clients outside 10.200.0.0/16; a pod that reaches itself
  chain KUBE-SERVICES rule 10 → KUBE-SVC-CDGGSHYLG3RE2FKL; no node port, no affinity
";
    assert_eq!(table(Rules::Iptables, Some("web"), false), expected);
    let expected = "\
default/lb-local:http  tcp  10.32.0.185:80  →  3 endpoints    kube-proxy, iptables (legacy)
  1/3 (Local 1/2)  10.200.0.33:80  default/web-0  this node  listens?  KUBE-SEP-7FLZWUB3DUN3OBU5  0 first packets
  1/3 (Local 1/2)  10.200.0.34:80  default/web-1  this node  listens?  KUBE-SEP-ZAVEYRBPMSWET3NX  3
  1/3              10.200.1.25:80  (not on this node)                  KUBE-SEP-FYTA2RTF3QR65MSK  0
  whether a socket waits is unknown: reading sockets of net:[2006]: the snapshot does not hold it (and 1 reason more)
  load balancer 203.0.113.10:80
  node port 31090 on every local IPv4 address (127.0.0.1 too)
  health check on node port 30504
  external traffic policy Local: from outside to this node's endpoints alone; pods and the node itself reach all
  masqueraded: clients outside 10.200.0.0/16; this node itself to external addresses; a pod that reaches itself
  chain KUBE-SERVICES rule 19 → KUBE-SVC-36SRL3I7JZKMDG5Q; no affinity
";
    assert_eq!(table(Rules::IptablesLegacy, Some("lb-local"), false), expected);
    let expected = "\
default/web:http  tcp  10.32.0.205:80  →  3 endpoints    kube-proxy, nftables
  1/3  10.200.0.33:80  default/web-0  this node  listens?
  1/3  10.200.0.34:80  default/web-1  this node  listens?
  1/3  10.200.1.25:80  (not on this node)
  whether a socket waits is unknown: reading sockets of net:[2006]: the snapshot does not hold it (and 1 reason more)
  masqueraded: clients outside 10.200.0.0/16; a pod that reaches itself
  map service-ips → service-SUSTUHLJ-default/web/tcp/http; only what was asked for was looked up
note: kube-proxy's rules in nftables mode count nothing: there are no counters to tell
";
    assert_eq!(table(Rules::Nftables, Some("10.32.0.205:80"), false), expected);
}

#[test]
fn a_service_without_endpoints_is_told_with_what_becomes_of_packets() {
    let expected = "\
default/empty-np:http  tcp  10.32.0.28:80  →  no endpoints    kube-proxy, iptables (nf_tables)
  cluster IP 10.32.0.28:80  no endpoints: rejected (KUBE-SERVICES rule 1)
  node port 31093 on every local IPv4 address (127.0.0.1 too)  no endpoints: rejected (KUBE-EXTERNAL-SERVICES rule 1)
  no chain; no affinity
odd: default/empty-np:http: no endpoints: rejected
";
    assert_eq!(table(Rules::Iptables, Some("empty-np"), false), expected);
}

#[test]
fn all_services_are_a_table() {
    let expected = "\
SERVICE                       PROTOCOL  CLUSTER IP     EXTERNAL  NODE PORT  ENDPOINTS   POLICY           STATE
default/empty                 tcp       10.32.0.99:80  –         –          0           –/–              no endpoints: rejected
default/nginx                 tcp       10.32.0.53:80  –         31088      1 (0 here)  Cluster/Cluster  ok
kube-system/kube-dns:dns      udp       10.32.0.10:53  –         –          1 (0 here)  Cluster/–        ok
kube-system/kube-dns:dns-tcp  tcp       10.32.0.10:53  –         –          1 (0 here)  Cluster/–        ok
4 service ports (kube-proxy, iptables (nf_tables))
";
    assert_eq!(table(Rules::Walkthrough, None, false), expected);
}

#[test]
fn the_services_of_a_pod_are_told_with_its_share() {
    let expected = "\
default/nginx  10.200.0.32: 3 services have it as an endpoint, as this node sees it
SERVICE                 PROTOCOL  CLUSTER IP      EXTERNAL         NODE PORT  ENDPOINTS  POLICY           STATE
default/ext-ip:http     tcp       10.32.0.81:80   192.0.2.50:80    –          1 of 1     Cluster/Cluster  ok
default/lb-ranges:http  tcp       10.32.0.249:80  203.0.113.12:80  31092      1 of 1     Cluster/Cluster  ok
default/nginx:http      tcp       10.32.0.119:80  –                31088      1 of 1     Cluster/Cluster  ok
3 service ports (kube-proxy, iptables (nf_tables))
note: as this node's rules see it: selectors, headless and ExternalName services, and endpoints that are not ready leave nothing in the kernel
";
    assert_eq!(table(Rules::Iptables, Some("pod:nginx"), false), expected);
}

/// Every piece of evidence of all services, anywhere in the answer.
fn evidence(rules: Rules) -> BTreeSet<Evidence> {
    let node = rules.node();
    let query = ServicesQuery::default();
    let data = services(&[&node as &dyn NodeView], &query).unwrap().data;
    let mut all: BTreeSet<Evidence> = data.proxies.iter().flat_map(|proxy| proxy.masquerading.clone()).collect();
    for port in &data.services {
        let fronts = port
            .addresses
            .iter()
            .flat_map(|front| front.evidence.iter().chain(front.refusals.iter().flat_map(|refusal| &refusal.evidence)));
        let node_port = port.node_port.iter().flat_map(|node_port| {
            node_port.evidence.iter().chain(node_port.refusals.iter().flat_map(|refusal| &refusal.evidence))
        });
        all.extend(fronts.chain(node_port).cloned());
        all.extend(port.source_ranges.iter().flat_map(|range| range.evidence.clone()));
        all.extend(port.masquerades.iter().flat_map(|found| found.evidence.clone()));
        all.extend(port.health_check_node_port.iter().flat_map(|check| check.evidence.clone()));
        for endpoint in &port.endpoints {
            assert!(!endpoint.evidence.is_empty(), "{}", port.title);
            all.extend(endpoint.evidence.iter().cloned());
        }
    }
    all
}

#[test]
fn the_evidence_of_iptables_mode_is_every_rule_of_every_service_as_it_was_saved() {
    // By table and chain: the rules in their order, with what they counted.
    let mut saved: BTreeMap<(String, String), Vec<&str>> = BTreeMap::new();
    let mut name = "";
    for line in TODAY[0].lines() {
        if let Some(table) = line.strip_prefix('*') {
            name = table;
        } else if let Some((_, rule)) = line.split_once("] -A ") {
            let chain = rule.split(' ').next().unwrap();
            saved.entry((name.to_owned(), chain.to_owned())).or_default().push(line);
        }
    }
    let mut told: BTreeSet<&str> = BTreeSet::new();
    let all = evidence(Rules::Iptables);
    for piece in &all {
        let Evidence::Rule { chain, number, counters: Some(counters), text, .. } = piece else {
            panic!("{piece:?}");
        };
        if chain.table.family.name() == "ip6" {
            continue;
        }
        let line = format!("[{}:{}] {text}", counters.packets, counters.bytes);
        let key = (chain.table.name.to_string(), chain.name.to_string());
        let theirs = saved[&key][usize::try_from(*number).unwrap() - 1];
        assert_eq!(line, theirs);
        told.insert(theirs);
    }
    // Nothing about a service is left untold, but where it ends, and onward jumps within its chains.
    let untold: BTreeSet<&str> = saved
        .iter()
        .filter(|((_, chain), _)| ["KUBE-SVC-", "KUBE-SVL-", "KUBE-SEP-"].iter().any(|role| chain.starts_with(role)))
        .flat_map(|(_, lines)| lines.iter().copied())
        .filter(|line| !told.contains(line))
        .collect();
    assert_eq!(untold, BTreeSet::new());
}

#[test]
fn the_evidence_of_nftables_mode_is_what_nft_lists() {
    let netns = Netns::new();
    feed(&netns, &["nft", "-f", "-"], NFTABLES);
    let listed = |arguments: &[&str]| -> BTreeSet<String> {
        let output = Command::new("ip").args(["netns", "exec", &netns.name, "nft"]).args(arguments).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(|line| line.trim().to_owned()).collect()
    };
    let rules = listed(&["-nn", "list", "ruleset"]);
    let whole: String = listed(&["list", "ruleset"]).into_iter().collect::<Vec<_>>().join("\n");
    for piece in evidence(Rules::Nftables) {
        match piece {
            Evidence::Rule { counters, text, .. } => {
                assert_eq!(counters, None);
                assert!(rules.contains(&text), "{text}");
            }
            Evidence::Element { key, value, .. } => {
                // An element may have a comment between the two.
                let found = whole.match_indices(&key).any(|(at, _)| {
                    let rest = &whole[at + key.len()..];
                    value.as_ref().is_none_or(|value| {
                        let rest = rest.split_once(" : ").filter(|(between, _)| between.len() < 60);
                        rest.is_some_and(|(_, rest)| rest.starts_with(value))
                    })
                });
                assert!(found, "{key} : {value:?}");
            }
        }
    }
}
