//! `conntrack --stats`: how full the table is, who fills it, and which ports are taken.

use std::net::SocketAddr;

use insta::assert_snapshot;
use podnet::analyze::answer::Answer;
use podnet::analyze::finding::{Code, Weight};
use podnet::analyze::flows::stats::{FlowStats, StatsQuery, stats};
use podnet::analyze::identity::PodQuery;
use podnet::model::flow::Flow;
use podnet::model::flow::statistics::{CpuStatistics, Statistics};
use podnet::model::flow::status::Status;
use podnet::model::flow::tuple::{Key, Tuple, Zone};
use podnet::model::issue::Read;
use podnet::model::snapshot::{FlowSections, Snapshot};
use podnet::render::conntrack_stats::write;
use podnet::render::style::Style;

use crate::support::built::{HOST, Node};
use crate::support::told::{WIDE, json, text};

const OUTSIDE: &str = "198.51.100.10:443";
const DNS: &str = "10.32.0.10:53";

/// Client, what it asked for, where it went, as whom it was seen.
fn flow(protocol: u8, ends: [&str; 4], answered: bool) -> Flow {
    let [client, asked, went, seen] = ends.map(|end| end.parse::<SocketAddr>().expect(end));
    let tuple = |src: SocketAddr, dst: SocketAddr| Tuple {
        src: src.ip(),
        dst: dst.ip(),
        protocol,
        key: Key::Ports { src: src.port(), dst: dst.port() },
    };
    let snat = if client == seen { 0 } else { Status::SRC_NAT };
    let dnat = if asked == went { 0 } else { Status::DST_NAT };
    let answered = if answered { Status::SEEN_REPLY | Status::ASSURED } else { 0 };
    Flow {
        original: tuple(client, asked),
        reply: tuple(went, seen),
        zone: Zone::default(),
        status: Status(Status::CONFIRMED | snat | dnat | answered),
        timeout_s: Some(60),
        mark: None,
        id: 1,
        uses: None,
        state: None,
        counters: None,
        timestamps: None,
        more: None,
    }
}

fn masqueraded(count: u16, pod: &str, port: u16) -> impl Iterator<Item = Flow> {
    (0..count).map(move |at| {
        let client = format!("{pod}:{}", port + at);
        flow(6, [&client, OUTSIDE, OUTSIDE, &format!("10.240.0.20:{}", port + at)], true)
    })
}

/// Two bridged pods and one of the node's own network.
fn node() -> Node {
    let mut node = Node::new("worker-0");
    node.bridge(20, "cnio0", "10.200.0.1/24");
    node.bridged_pod("default/a", 2, 102);
    node.bridged_pod("default/b", 3, 103);
    node.sandbox("kube-system/h", 4, HOST, &["10.240.0.20"]);
    node
}

fn with(node: Node, ino: u64, flows: Vec<Flow>, statistics: Statistics) -> Snapshot {
    let mut node = node;
    node.sections(ino).flows = Some(FlowSections {
        flows: Read::ok(flows).section(),
        left_out: None,
        expectations: Read::ok(Vec::new()).section(),
        statistics: Read::ok(statistics).section(),
    });
    node.done()
}

fn statistics(entries: u64, limit: u64) -> Statistics {
    let cpu = |cpu, found, lost| CpuStatistics {
        cpu,
        found,
        insert: Some(0),
        insert_failed: lost,
        clash_resolve: Some(2),
        chain_too_long: Some(0),
        ..CpuStatistics::default()
    };
    Statistics {
        entries: Some(entries),
        limit: Some(limit),
        buckets: Some(65_536),
        expectations_limit: Some(4096),
        cpus: vec![cpu(0, 40, 0), cpu(1, 2, 3)],
    }
}

fn ask(node: &Snapshot) -> Answer<FlowStats> {
    stats(&[node], &StatsQuery::default()).unwrap()
}

fn flows() -> Vec<Flow> {
    let mut flows: Vec<Flow> = masqueraded(3, "10.200.0.2", 3000).chain(masqueraded(1, "10.200.0.3", 5000)).collect();
    // Through a service to the other pod; from outside; the node's own to where pods are masqueraded to; passing through.
    flows.push(flow(17, ["10.200.0.2:9000", DNS, "10.200.0.3:53", "10.200.0.2:9000"], false));
    flows.push(flow(6, ["203.0.113.5:1", "10.200.0.3:80", "10.200.0.3:80", "203.0.113.5:1"], true));
    flows.push(flow(6, ["10.240.0.20:6000", OUTSIDE, OUTSIDE, "10.240.0.20:6000"], true));
    flows.push(flow(6, ["203.0.113.5:1", "203.0.113.9:80", "203.0.113.9:80", "203.0.113.5:1"], true));
    flows
}

#[test]
fn a_table_with_room() {
    let answer = ask(&with(node(), HOST, flows(), statistics(9, 1000)));
    assert_snapshot!("stats", text(&answer, write, Style::PLAIN));
    assert_snapshot!("stats_wide", text(&answer, write, WIDE));
    assert_snapshot!("stats_json", json(&answer));
}

#[test]
fn full_tables_and_taken_ports_are_bad_and_say_whose_they_are() {
    let flows: Vec<Flow> =
        masqueraded(60_000, "10.200.0.2", 1024).chain(masqueraded(3_500, "10.200.0.3", 61_500)).collect();
    let answer = ask(&with(node(), HOST, flows, statistics(64_000, 65_000)));
    let found: Vec<_> = answer.data.tables[0]
        .findings
        .iter()
        .map(|finding| (finding.weight, finding.code, finding.text.as_str()))
        .collect();
    assert_eq!(
        found[..2],
        [
            (
                Weight::Bad,
                Code::TableFull,
                "the table is full, 64000 of 65000: first packets are dropped, or flows that are not assured are thrown \
                 away; default/a takes part in 60000 of them"
            ),
            (
                Weight::Bad,
                Code::PortsTaken,
                "63500 of 64512 tcp ports of 10.240.0.20 towards 198.51.100.10 port 443 are taken: new flows there fail"
            ),
        ]
    );
    assert_eq!(answer.exit_code(), 1);
    // Without a limit nothing is full.
    let answer = ask(&with(node(), HOST, Vec::new(), statistics(64_000, 0)));
    assert_eq!((answer.data.tables[0].full_per_mille, answer.exit_code()), (None, 0));
}

#[test]
fn one_pod_has_its_part_or_its_own_table() {
    let asked =
        |pod: &str, own| StatsQuery { pod: Some(PodQuery { text: pod.to_owned(), namespace: None, all: false }), own };
    let snapshot = with(node(), HOST, flows(), statistics(9, 1000));
    let answer = stats(&[&snapshot], &asked("b", false)).unwrap();
    let table = &answer.data.tables[0];
    let part: Vec<_> = table.holders.iter().map(|of| (of.flows, of.begun, of.served)).collect();
    assert_eq!((part, table.ports.len()), (vec![(3, Some(1), Some(2))], 1));
    let loopback = flow(6, ["127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:2", "127.0.0.1:1"], true);
    let mut both = node();
    both.sections(HOST).flows = Some(FlowSections::default());
    let snapshot = with(both, 2002, vec![loopback], statistics(1, 1000));
    let answer = stats(&[&snapshot], &asked("a", true)).unwrap();
    assert_snapshot!("stats_own", text(&answer, write, Style::PLAIN));
}

#[test]
fn what_was_not_recorded_is_not_zero() {
    let answer = ask(&node().done());
    assert_eq!(answer.exit_code(), 3);
    let table = &answer.data.tables[0];
    assert_eq!((table.entries, table.limit, table.expectations), (None, None, None));
    assert!(table.counters.iter().all(|counter| counter.total.is_none()));
}
