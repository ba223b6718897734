//! `conntrack` on flows that a real node told, and on small ones for what it did not show.

use std::ops::ControlFlow;
use std::sync::Arc;

use insta::assert_snapshot;
use podnet::analyze::answer::Answer;
use podnet::analyze::flows::answer::{Flows, Rest, flows};
use podnet::analyze::flows::query::{FlowsError, FlowsQuery, NatWanted, SortKey};
use podnet::analyze::flows::types::{FlowRow, L4, NatKind, ServiceHere, Who, WouldMatch};
use podnet::analyze::identity::PodQuery;
use podnet::analyze::trace::trace;
use podnet::model::flow::{BothWays, Counted, Flow};
use podnet::model::issue::Read;
use podnet::model::netfilter::table::Family;
use podnet::model::snapshot::{FlowSections, Snapshot};
use podnet::model::view::NodeView;
use podnet::render::conntrack::{Rows, who};
use podnet::render::json::Stream;
use podnet::render::style::Style;
use podnet::wire::xt_save;
use serde_json::Value;

use crate::nat::{saved, sections};
use crate::support::built::{HOST, Node, id};
use crate::support::flows::{listed, one};
use crate::support::told::WIDE;

const RULES: &str = include_str!("../../fixtures/rules/ground-truth/worker-0-iptables-nft.iptables-save-c.txt");
const RULES6: &str = include_str!("../../fixtures/rules/ground-truth/worker-0-iptables-nft.ip6tables-save-c.txt");
const FLOWS: &str = include_str!("../../fixtures/rules/ground-truth/worker-0-iptables-nft.conntrack-L-extended-id.txt");

const TIMEOUTS: [(&str, &str); 9] = [
    ("generic_timeout", "600"),
    ("udp_timeout", "30"),
    ("udp_timeout_stream", "120"),
    ("icmp_timeout", "30"),
    ("tcp_timeout_established", "86400"),
    ("tcp_timeout_time_wait", "30"),
    ("tcp_timeout_syn_sent", "120"),
    ("tcp_timeout_max_retrans", "300"),
    ("tcp_timeout_unacknowledged", "300"),
];

/// The recorded worker's pods, rules and addresses, with these flows.
fn worker_0(flows: Vec<Flow>) -> Snapshot {
    let mut node = Node::new("worker-0");
    node.bridge(20, "cnio0", "10.200.0.1/24");
    node.address(HOST, 2, "fd00:240::20/64");
    let pods = [
        ("default/client", 30),
        ("default/nginx", 32),
        ("default/web-0", 33),
        ("default/web-1", 34),
        ("kube-system/coredns-a", 35),
    ];
    for (name, number) in pods {
        node.bridged_pod(name, number, 100 + number);
    }
    node.sandbox("default/hostnet", 7, HOST, &["10.240.0.20"]);
    for (name, value) in TIMEOUTS {
        node.sysctl(&format!("netfilter.nf_conntrack_{name}"), Some(value));
    }
    let mut tables = saved(RULES);
    tables.extend(xt_save::parse(RULES6.as_bytes(), Some(Family::Ip6)).value);
    node.sections(HOST).netfilter = Some(sections(tables));
    node.sections(HOST).flows = Some(FlowSections { flows: Read::ok(flows).section(), ..FlowSections::default() });
    node.done()
}

/// The other worker, of which only a pod and its flows are known.
fn worker_1(flows: Vec<Flow>) -> Snapshot {
    let mut node = Node::new("worker-1");
    let addresses = &mut Arc::make_mut(&mut node.sections(HOST).addresses).value;
    addresses.retain(|address| address.address.addr().is_loopback());
    node.address(HOST, 2, "10.240.0.21/24");
    node.netns(3025, None);
    node.sandbox("default/web-2", 25, 3025, &["10.200.1.25"]);
    for (name, value) in TIMEOUTS {
        node.sysctl(&format!("netfilter.nf_conntrack_{name}"), Some(value));
    }
    node.sections(HOST).netfilter = Some(sections(saved("*nat\n:POSTROUTING ACCEPT [0:0]\nCOMMIT\n")));
    node.sections(HOST).flows = Some(FlowSections { flows: Read::ok(flows).section(), ..FlowSections::default() });
    node.done()
}

fn asked(nodes: &[&Snapshot], query: &FlowsQuery) -> Result<(Vec<FlowRow>, Answer<Rest>), FlowsError> {
    let nodes: Vec<&dyn NodeView> = nodes.iter().map(|node| *node as &dyn NodeView).collect();
    let mut rows = Vec::new();
    let answer = flows(&nodes, query, &mut |row| {
        rows.push(row.clone());
        ControlFlow::Continue(())
    })?;
    Ok((rows, answer))
}

fn table(nodes: &[&Snapshot], query: &FlowsQuery, style: Style) -> String {
    let (rows, answer) = asked(nodes, query).unwrap();
    let mut out = Vec::new();
    let mut table = Rows::new(style, nodes.len() > 1, &mut out);
    for row in &rows {
        table.row(row).unwrap();
    }
    table.end(&answer).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(text.lines().all(|line| line.trim_end() == line), "blanks at the end of a line");
    format!("{text}exit {}\n{:?}\n", answer.exit_code(), answer.issues)
}

#[test]
fn every_flow_of_a_real_node_is_read_as_its_rules_made_it() {
    let recorded = listed(FLOWS);
    let node = worker_0(recorded.clone());
    let (rows, answer) = asked(&[&node], &FlowsQuery::default()).unwrap();
    assert_eq!((rows.len(), answer.issues.clone(), answer.exit_code()), (49, vec![], 0));
    for (row, flow) in rows.iter().zip(&recorded) {
        // The four parties are the two tuples.
        assert_eq!((row.client.address, row.client.port), (flow.original.src, flow.original.src_port()));
        assert_eq!((row.asked_for.address, row.asked_for.port), (flow.original.dst, flow.original.dst_port()));
        assert_eq!((row.served_by.address, row.served_by.port), (flow.reply.src, flow.reply.src_port()));
        assert_eq!((row.seen_as.address, row.seen_as.port), (flow.reply.dst, flow.reply.dst_port()));
        // The rules were read when the flows were: each would be made again.
        if matches!(row.nat, NatKind::Dnat | NatKind::SnatAndDnat | NatKind::Hairpin) {
            let ServiceHere::Some { endpoint, .. } = &row.asked_for.service else { panic!("no service: {row:?}") };
            assert_eq!(*endpoint, Some(true), "{row:?}");
        }
        let source_changed = flow.original.src != flow.reply.dst || flow.original.src_port() != flow.reply.dst_port();
        let source_rule = row.source_rule.clone();
        assert_eq!(source_changed, matches!(source_rule, Some(WouldMatch::Rule(_))), "{row:?}");
        if let Some(WouldMatch::Rule(at)) = source_rule {
            let rule = answer.data.of_nodes[0].rules[at].rules.last().unwrap();
            // What goes to the other worker is the bridge plugin's to rewrite; what came by a service from outside,
            // and the node's own, kube-proxy's.
            let own = row.served_by.address.to_string().starts_with("10.200.1.");
            assert_eq!(rule.chain.name.to_string().starts_with("CNI-"), own, "{row:?}");
        }
    }
    assert_snapshot!("recorded_flows", table(&[&node], &FlowsQuery::default(), WIDE));
}

#[test]
fn a_pods_flows_are_those_of_its_addresses_and_trace_counts_them() {
    let node = worker_0(listed(FLOWS));
    let query = FlowsQuery { pod: Some(PodQuery::new("default/nginx")), ..FlowsQuery::default() };
    assert_snapshot!("nginx_flows", table(&[&node], &query, Style::PLAIN));
    let (rows, answer) = asked(&[&node], &query).unwrap();
    let road = trace(&[&node as &dyn NodeView], &PodQuery::new("default/nginx")).unwrap();
    let json = serde_json::to_value(&road.data).unwrap();
    let last = json["steps"].as_array().unwrap().last().unwrap().clone();
    assert_eq!((last["step"].as_str(), last["kinds"]["all"].as_u64()), (Some("flows"), Some(rows.len() as u64)));
    assert_eq!(last["kinds"], serde_json::to_value(answer.data.told).unwrap());
}

#[test]
fn what_is_streamed_is_the_document_that_the_schema_tells() {
    let node = worker_0(listed(FLOWS));
    let (rows, answer) = asked(&[&node], &FlowsQuery::default()).unwrap();
    for rows in [rows, Vec::new()] {
        let mut out = Vec::new();
        let mut stream = Stream::new("conntrack", &answer.nodes, "flows", &mut out).unwrap();
        for row in &rows {
            stream.element(row).unwrap();
        }
        stream.end(&answer.data, &answer.issues).unwrap();
        let streamed: Value = serde_json::from_slice(&out).unwrap();
        let whole = Flows { flows: rows, rest: answer.data.clone() };
        assert_eq!(streamed["data"], serde_json::to_value(&whole).unwrap());
        assert_eq!(streamed["schema"], "podnet/conntrack/v1");
        assert_eq!(streamed["nodes"], serde_json::to_value(&answer.nodes).unwrap());
        assert_eq!(streamed["issues"], serde_json::to_value(&answer.issues).unwrap());
        assert_eq!(out.last(), Some(&b'\n'));
    }
}

/// Row 14: a pod's question to a service, answered on the other worker; and row 18: a node port on this one,
/// answered there.
fn both_workers() -> (Snapshot, Snapshot) {
    let asked_here = [
        "ipv4 2 tcp 6 20 TIME_WAIT src=10.200.0.30 dst=10.32.0.205 sport=34396 dport=80 src=10.200.1.25 dst=10.240.0.20 sport=80 dport=34396 [ASSURED] mark=0 use=1 id=1",
        "ipv4 2 tcp 6 23 TIME_WAIT src=198.51.100.10 dst=10.240.0.20 sport=40000 dport=31088 src=10.200.1.25 dst=10.240.0.20 sport=80 dport=12345 [ASSURED] mark=0 use=1 id=2",
        "ipv4 2 icmp 1 28 src=10.200.0.30 dst=10.200.1.25 type=8 code=0 id=7 src=10.200.1.25 dst=10.240.0.20 type=0 code=0 id=9 mark=0 use=1 id=3",
    ];
    let arrived_there = [
        "ipv4 2 tcp 6 20 TIME_WAIT src=10.240.0.20 dst=10.200.1.25 sport=34396 dport=80 src=10.200.1.25 dst=10.240.0.20 sport=80 dport=34396 [ASSURED] mark=0 use=1 id=4",
        "ipv4 2 tcp 6 23 TIME_WAIT src=10.240.0.20 dst=10.200.1.25 sport=12345 dport=80 src=10.200.1.25 dst=10.240.0.20 sport=80 dport=12345 [ASSURED] mark=0 use=1 id=5",
        "ipv4 2 icmp 1 28 src=10.240.0.20 dst=10.200.1.25 type=8 code=0 id=9 src=10.200.1.25 dst=10.240.0.20 type=0 code=0 id=9 mark=0 use=1 id=6",
        "ipv4 2 tcp 6 20 TIME_WAIT src=10.240.0.1 dst=10.200.1.25 sport=34396 dport=80 src=10.200.1.25 dst=10.240.0.1 sport=80 dport=34396 [ASSURED] mark=0 use=1 id=8",
    ];
    (worker_0(asked_here.map(one).to_vec()), worker_1(arrived_there.map(one).to_vec()))
}

#[test]
fn flows_of_two_workers_are_joined_into_conversations() {
    let (here, there) = both_workers();
    assert_snapshot!("joined_flows", table(&[&here, &there], &FlowsQuery::default(), Style::PLAIN));
    // The client's address stands nowhere on the other worker, and its half is found all the same.
    let query = FlowsQuery { pod: Some(PodQuery::new("default/client")), ..FlowsQuery::default() };
    let (rows, _) = asked(&[&here, &there], &query).unwrap();
    let told: Vec<_> = rows.iter().map(|row| (row.conversation, row.node.clone().unwrap(), row.id)).collect();
    let expected = [(1, "worker-0", 1), (1, "worker-1", 4), (2, "worker-0", 3), (2, "worker-1", 6)];
    assert_eq!(told, expected.map(|(number, node, id)| (Some(number), node.into(), id)));
    let behind = rows[1].client.behind.clone().unwrap();
    assert_eq!((&*behind.node, behind.party), ("worker-0", rows[0].client.clone()));
    // The order of the files does not matter to who is whose client.
    let (rows, _) = asked(&[&there, &here], &query).unwrap();
    assert_eq!(rows.iter().map(|row| row.id).collect::<Vec<_>>(), [1, 4, 3, 6]);
}

#[test]
fn who_is_behind_a_masqueraded_source_is_told_by_the_node_that_masqueraded() {
    let (here, there) = both_workers();
    let ask = |nodes: &[&Snapshot], text: &str| {
        let asked_for = text.parse().unwrap();
        let query = FlowsQuery { who: Some(asked_for), ..FlowsQuery::default() };
        asked(nodes, &query).map(|(rows, answer)| {
            let mut out = Vec::new();
            who(asked_for, &rows, &answer, Style::PLAIN, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        })
    };
    let told: String = [
        ask(&[&there], "10.240.0.20:34396"),
        ask(&[&here], "10.240.0.20:34396/tcp"),
        ask(&[&here, &there], "10.240.0.20:34396"),
        ask(&[&here, &there], "10.240.0.20:12345"),
    ]
    .map(|answer| answer.unwrap() + "--\n")
    .concat();
    assert_snapshot!("who_is_behind", told);
    assert!(matches!(ask(&[&here, &there], "10.240.0.20:34396/udp"), Err(FlowsError::Nobody { .. })));
}

#[test]
fn without_masquerade_the_server_sees_the_pod_itself() {
    // Row 16.
    let flow = one(
        "ipv4 2 udp 17 25 src=10.200.0.30 dst=10.200.1.22 sport=5 dport=53 src=10.200.1.22 dst=10.200.0.30 sport=53 dport=5 mark=0 use=1 id=1",
    );
    let (rows, answer) = asked(&[&worker_0(vec![flow])], &FlowsQuery::default()).unwrap();
    let [row] = rows.as_slice() else { panic!("{rows:?}") };
    assert_eq!((row.nat, &row.source_rule, row.seen_as == row.client), (NatKind::None, &None, true));
    assert_eq!((row.last_packet_ms, row.left_ms, answer.data.told.none), (Some(5000), Some(25_000), 1));
}

#[test]
fn what_is_not_recorded_is_not_nothing_and_sorting_by_it_says_so() {
    let node = worker_0(listed(FLOWS));
    let query = FlowsQuery { sort: Some(SortKey::Bytes), limit: Some(3), ..FlowsQuery::default() };
    let (rows, answer) = asked(&[&node], &query).unwrap();
    assert_eq!((rows.len(), answer.data.limited, answer.exit_code()), (3, true, 3));
    assert!(rows.iter().all(|row| row.counted.is_none() && row.age_ms.is_none()));
    let mut counted = listed(FLOWS);
    for (bytes, flow) in counted.iter_mut().enumerate().skip(2) {
        let way = Counted { packets: 1, bytes: bytes as u64 };
        flow.counters = Some(BothWays { original: way, reply: way });
    }
    let (rows, answer) = asked(&[&worker_0(counted)], &FlowsQuery { limit: Some(48), ..query }).unwrap();
    let bytes: Vec<_> = rows.iter().map(|row| row.counted.map(|both| both.reply.bytes)).collect();
    let expected: Vec<_> = (2..49).rev().map(Some).chain([None]).collect();
    assert_eq!((bytes, answer.exit_code()), (expected, 0));
}

#[test]
fn each_filter_lets_pass_what_it_names() {
    let node = worker_0(listed(FLOWS));
    let count = |query: FlowsQuery| asked(&[&node], &query).unwrap().0.len();
    let none = FlowsQuery::default;
    let text = |text: &str| Some(text.to_owned());
    // Counted with grep in the recording.
    let grep = |wanted: &dyn Fn(&str) -> bool| FLOWS.lines().filter(|line| wanted(line)).count();
    assert_eq!(
        count(FlowsQuery { to: text("10.32.0.205"), ..none() }),
        grep(&|line| line.contains("dst=10.32.0.205 "))
    );
    assert_eq!(
        count(FlowsQuery { to: text("10.200.1.25:80"), ..none() }),
        grep(&|line| line.contains("src=10.200.1.25 "))
    );
    assert_eq!(
        count(FlowsQuery { from: text("default/client"), to: text("coredns-a"), ..none() }),
        grep(&|line| line.contains(" src=10.200.0.30 ") && line.contains(" src=10.200.0.35 "))
    );
    assert_eq!(
        count(FlowsQuery { from: text("10.200.0.1"), ..none() }),
        grep(&|line| line.contains("dst=10.200.0.1 ") || line.contains(" 37 src=10.200.0.1 "))
    );
    assert_eq!(
        count(FlowsQuery { service: text("default/web"), ..none() }),
        grep(&|line| line.contains("dst=10.32.0.205 "))
    );
    assert_eq!(
        count(FlowsQuery { service: text("31088"), ..none() }),
        grep(&|line| line.contains("dport=31088") || line.contains("dst=10.32.0.119 "))
    );
    assert_eq!(count(FlowsQuery { protocol: L4::named("igmp"), ..none() }), grep(&|line| line.contains("unknown")));
    assert_eq!(
        count(FlowsQuery { state: "TIME_WAIT".parse().ok(), ..none() }),
        grep(&|line| line.contains("TIME_WAIT"))
    );
    assert_eq!(
        count(FlowsQuery { state: "no-answer".parse().ok(), ..none() }),
        grep(&|line| line.contains("UNREPLIED"))
    );
    assert_eq!(count(FlowsQuery { nat: Some(NatWanted::Hairpin), ..none() }), 0);
    assert_eq!(count(FlowsQuery { mark: Some((1, 1)), ..none() }), 0);
    assert_eq!(count(FlowsQuery { zone: Some(0), ..none() }), 49);
    let kinds = [NatWanted::Snat, NatWanted::Dnat, NatWanted::None];
    let [snat, dnat, plain] = kinds.map(|nat| count(FlowsQuery { nat: Some(nat), ..none() }));
    let told = asked(&[&node], &none()).unwrap().1.data.told;
    assert_eq!(
        (snat, dnat, plain),
        [told.snat + told.snat_and_dnat, told.dnat + told.snat_and_dnat, told.none]
            .map(|count| usize::try_from(count).unwrap())
            .into()
    );
}

#[test]
fn a_host_network_pods_flows_are_said_to_be_the_nodes() {
    let node = worker_0(listed(FLOWS));
    let query = FlowsQuery { pod: Some(PodQuery::new("default/hostnet")), ..FlowsQuery::default() };
    let (rows, answer) = asked(&[&node], &query).unwrap();
    let texts: Vec<_> = answer.data.findings.iter().map(|finding| finding.text.as_str()).collect();
    assert!(texts.iter().any(|text| text.starts_with("default/hostnet uses its node's network")), "{texts:?}");
    assert!(rows.iter().all(|row| {
        [&row.client.who, &row.asked_for.who, &row.served_by.who, &row.seen_as.who].contains(&&Who::Node { on: None })
    }));
    assert_eq!(answer.data.of_nodes[0].host_network_pods.len(), 1);
}

#[test]
fn what_cannot_be_read_is_unknown_and_not_outside() {
    let mut node = worker_0(listed(FLOWS));
    let issue = podnet::model::issue::Issue::incomplete("x", podnet::model::issue::Why::Io { detail: "y".to_owned() });
    Arc::make_mut(&mut node.sandboxes).issues.push(issue);
    let (rows, answer) = asked(&[&node], &FlowsQuery::default()).unwrap();
    assert!(rows.iter().all(|row| !matches!(row.client.who, Who::Elsewhere { .. })));
    assert_eq!(answer.exit_code(), 3);
    // A node without flows says so, and so does one of which some were left out.
    let mut node = worker_0(Vec::new());
    let host = |node: &mut Snapshot| node.netns.iter_mut().position(|sections| sections.id == id(HOST)).unwrap();
    let at = host(&mut node);
    node.netns[at].flows.as_mut().unwrap().left_out = Some(7);
    assert_eq!(asked(&[&node], &FlowsQuery::default()).unwrap().1.exit_code(), 3);
    node.netns[at].flows = None;
    assert_eq!(asked(&[&node], &FlowsQuery::default()).unwrap().1.exit_code(), 3);
}
