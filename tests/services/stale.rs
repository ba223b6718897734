//! `conntrack --stale` on the recorded cluster's rules, in each mode: which flows they would not send where those
//! go, and the reason and command of each. The flows are made up; the rules are real.

use std::net::SocketAddr;

use podnet::analyze::answer::Answer;
use podnet::analyze::flows::stale::types::{Stale, StaleFlow, StaleKind};
use podnet::analyze::flows::stale::{StaleQuery, stale};
use podnet::analyze::identity::PodQuery;
use podnet::model::cni::{CniFile, CniNetwork, CniPlugin, CniState};
use podnet::model::flow::Flow;
use podnet::model::flow::protocol::{ProtocolState, TcpState};
use podnet::model::flow::status::Status;
use podnet::model::flow::tuple::{Key, Tuple, Zone, ZoneDirection};
use podnet::model::issue::{Issue, Level, Read, Why};
use podnet::model::snapshot::{FlowSections, Snapshot};
use podnet::model::view::NodeView;
use podnet::render::conntrack_stale;
use podnet::render::style::Style;

use crate::built::HOST;
use crate::world::{NFTABLES, Rules, TODAY, iptables, worker};

const TCP: u8 = 6;
const UDP: u8 = 17;
const SCTP: u8 = 132;
const CLIENT: &str = "10.200.0.32:40000";

/// Client, what it asked for, where it went, as whom it is seen there.
fn flow(protocol: u8, client: &str, asked: &str, went: &str) -> Flow {
    let [client, asked, went] = [client, asked, went].map(|end| end.parse::<SocketAddr>().expect(end));
    let tuple = |src: SocketAddr, dst: SocketAddr| Tuple {
        src: src.ip(),
        dst: dst.ip(),
        protocol,
        key: Key::Ports { src: src.port(), dst: dst.port() },
    };
    let nat = if asked == went { 0 } else { Status::DST_NAT };
    let state = (protocol == TCP).then_some(ProtocolState::Tcp {
        state: TcpState::Established,
        window_scale: None,
        flags: None,
    });
    Flow {
        original: tuple(client, asked),
        reply: tuple(went, client),
        zone: Zone::default(),
        status: Status(Status::SEEN_REPLY | Status::ASSURED | Status::CONFIRMED | nat),
        timeout_s: Some(100),
        mark: None,
        id: u32::from(client.port()),
        uses: None,
        state,
        counters: None,
        timestamps: None,
        more: None,
    }
}

/// The host-local range that the recorded worker gave its pods.
fn with_range(mut node: Snapshot) -> Snapshot {
    let config = serde_json::json!({
        "type": "bridge", "bridge": "cnio0",
        "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.200.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}
    });
    let network = CniNetwork {
        name: "bridge".to_owned(),
        cni_version: Some("1.0.0".to_owned()),
        plugins: vec![CniPlugin { kind: "bridge".to_owned(), config }],
    };
    let file = CniFile {
        path: "/etc/cni/net.d/10-bridge.conf".to_owned(),
        network: Some(network),
        error: None,
        unread: false,
    };
    node.cni = Read::ok(CniState { files: vec![file], ..CniState::default() }).section();
    node
}

fn with_flows(node: Snapshot, flows: Vec<Flow>) -> Snapshot {
    let mut node = with_range(node);
    let host = node.node.host_netns;
    let sections = node.netns.iter_mut().find(|sections| sections.id == host).unwrap();
    sections.flows = Some(FlowSections { flows: Read::ok(flows).section(), ..FlowSections::default() });
    node
}

fn ask(node: &Snapshot) -> Answer<Stale> {
    stale(&[node], &StaleQuery::default()).unwrap()
}

fn kinds(flows: &[StaleFlow]) -> Vec<(StaleKind, u16)> {
    flows.iter().map(|flow| (flow.kind, flow.client.port.unwrap())).collect()
}

/// One flow of each kind and one that is as it should be beside each, told apart by the client's port.
fn one_of_each() -> Vec<Flow> {
    let from = |port: u16| format!("10.200.0.32:{port}");
    let mut over = flow(TCP, &from(60), "10.32.0.205:80", "10.200.0.99:80");
    over.state = Some(ProtocolState::Tcp { state: TcpState::TimeWait, window_scale: None, flags: None });
    let mut dying = flow(UDP, &from(61), "10.32.0.10:53", "10.200.0.99:53");
    dying.status.0 |= Status::DYING;
    vec![
        // UDP to an endpoint that the service has, on this node and on another, and to one that it has not.
        flow(UDP, &from(1), "10.32.0.10:53", "10.200.0.35:53"),
        flow(UDP, &from(2), "10.32.0.10:53", "10.200.1.22:53"),
        flow(UDP, &from(10), "10.32.0.10:53", "10.200.1.99:53"),
        // The right address and the wrong port is another endpoint.
        flow(UDP, &from(11), "10.32.0.10:53", "10.200.0.35:5353"),
        // A service that is gone altogether, and one that was never a service's.
        flow(UDP, &from(12), "10.32.0.250:53", "10.200.0.35:53"),
        flow(UDP, &from(3), "198.51.100.1:53", "198.51.100.1:53"),
        // TCP: to endpoints; to one that is gone but lives; to one of which it is not known; to one that nobody is.
        flow(TCP, &from(4), "10.32.0.205:80", "10.200.0.33:80"),
        flow(TCP, &from(20), "10.32.0.205:80", "10.200.0.35:80"),
        flow(TCP, &from(21), "10.32.0.205:80", "10.200.1.99:80"),
        flow(TCP, &from(22), "10.32.0.250:80", "10.200.1.99:80"),
        flow(TCP, &from(30), "10.32.0.205:80", "10.200.0.99:80"),
        flow(TCP, &from(31), "10.200.0.98:80", "10.200.0.98:80"),
        flow(TCP, &from(5), "10.200.1.98:80", "10.200.1.98:80"),
        // To cluster IPs as they are: a service's port, and one that none has, where the rules would do the same.
        flow(TCP, &from(40), "10.32.0.205:80", "10.32.0.205:80"),
        flow(UDP, &from(41), "10.32.0.10:53", "10.32.0.10:53"),
        flow(TCP, &from(6), "10.32.0.205:81", "10.32.0.205:81"),
        flow(UDP, &from(7), "10.32.0.205:80", "10.32.0.205:80"),
        // Ports that services had.
        flow(TCP, &from(50), "10.32.0.205:81", "10.200.0.33:80"),
        flow(UDP, &from(51), "10.32.0.10:5353", "10.200.0.35:53"),
        flow(TCP, "198.51.100.7:52", "10.240.0.20:32000", "10.200.0.33:80"),
        flow(TCP, "198.51.100.7:8", "10.240.0.20:31091", "10.200.0.33:80"),
        flow(SCTP, &from(9), "10.32.0.95:7777", "10.200.0.34:7777"),
        flow(SCTP, &from(23), "10.32.0.95:7777", "10.200.1.98:7777"),
        over,
        dying,
    ]
}

#[test]
fn each_kind_is_found_and_nothing_else_whatever_wrote_the_rules() {
    for rules in Rules::RECORDED {
        let answer = ask(&with_flows(rules.node(), one_of_each()));
        let expected = [
            (StaleKind::EndpointGone, 11),
            (StaleKind::EndpointGone, 10),
            (StaleKind::ServiceGone, 12),
            (StaleKind::AddressGone, 30),
            (StaleKind::AddressGone, 31),
            (StaleKind::NotTranslated, 40),
            (StaleKind::NotTranslated, 41),
            (StaleKind::OldPort, 50),
            (StaleKind::OldPort, 51),
            (StaleKind::OldNodePort, 52),
        ];
        assert_eq!(kinds(&answer.data.flows), expected, "{rules:?}");
        let draining = [
            (StaleKind::Draining, 20),
            (StaleKind::Draining, 21),
            (StaleKind::Draining, 22),
            (StaleKind::Draining, 23),
        ];
        assert_eq!(kinds(&answer.data.draining), draining, "{rules:?}");
        assert!(answer.data.draining.iter().all(|flow| flow.command.is_none()), "{rules:?}");
        let Stale { over, judged, newer, unknown, not_told, .. } = answer.data;
        assert_eq!((over, judged, newer, unknown, not_told), (1, 24, 0, 0, 0), "{rules:?}");
        assert_eq!(answer.exit_code(), 1, "{rules:?}");
        let incomplete: Vec<&Issue> = answer.issues.iter().filter(|issue| issue.level == Level::Incomplete).collect();
        assert_eq!(incomplete, Vec::<&Issue>::new(), "{rules:?}");
    }
}

#[test]
fn the_story_tells_reason_and_command_of_each() {
    let answer = ask(&with_flows(Rules::Iptables.node(), one_of_each()));
    let mut out = Vec::new();
    conntrack_stale::write(&answer, Style::PLAIN, &mut out).unwrap();
    insta::assert_snapshot!("stale_story", String::from_utf8(out).unwrap());
}

#[test]
fn without_any_the_answer_is_good() {
    let flows = vec![flow(UDP, CLIENT, "10.32.0.10:53", "10.200.0.35:53")];
    let answer = ask(&with_flows(Rules::Nftables.node(), flows));
    assert_eq!((answer.data.flows.len(), answer.exit_code()), (0, 0), "{:?}", answer.issues);
}

#[test]
fn a_connection_to_an_address_of_the_range_is_fine_where_any_namespace_has_it() {
    // Nobody calls it a pod, but there is a namespace with the address.
    let flows = vec![flow(TCP, CLIENT, "10.200.0.99:80", "10.200.0.99:80")];
    let mut node = with_flows(Rules::Nftables.node(), flows);
    assert_eq!(kinds(&ask(&node).data.flows), [(StaleKind::AddressGone, 40000)]);
    let held = node.netns.iter().find(|sections| sections.id.ino == HOST).unwrap().addresses.clone();
    let mut held = held.value.clone();
    held.truncate(1);
    held[0].address = "10.200.0.99/24".parse().unwrap();
    let other = node.netns.iter_mut().find(|sections| sections.id.ino != HOST).unwrap();
    other.addresses = Read::ok(held).section();
    let answer = ask(&node);
    assert_eq!((kinds(&answer.data.flows), answer.exit_code()), (Vec::new(), 0));
    // Where one namespace could not be read it is not known.
    let other = node.netns.iter_mut().find(|sections| sections.id.ino != HOST).unwrap();
    let why = Why::Permission { detail: "Operation not permitted".to_owned() };
    other.addresses = Read::failed(Issue::incomplete("reading addresses", why)).section();
    let answer = ask(&node);
    assert_eq!((kinds(&answer.data.flows), answer.data.unknown, answer.exit_code()), (Vec::new(), 1, 3));
}

#[test]
fn the_default_zone_is_named_where_there_are_others() {
    let stale = || flow(UDP, CLIENT, "10.32.0.10:53", "10.200.1.99:53");
    let mut zoned = stale();
    zoned.zone = Zone { id: 7, direction: ZoneDirection::Both };
    let command = |flows| {
        let answer = ask(&with_flows(Rules::Nftables.node(), flows));
        answer.data.flows.into_iter().filter_map(|flow| flow.command).collect::<Vec<_>>()
    };
    let plain = "conntrack -D -p udp --orig-src 10.200.0.32 --orig-dst 10.32.0.10 --reply-src 10.200.1.99 --reply-dst \
                 10.200.0.32 --orig-port-src 40000 --orig-port-dst 53 --reply-port-src 53 --reply-port-dst 40000";
    assert_eq!(command(vec![stale()]), [plain]);
    assert_eq!(command(vec![zoned, stale()]), [format!("{plain} -w 0"), format!("{plain} -w 7")]);
}

#[test]
fn rules_that_cannot_be_judged_make_it_unknown_and_no_finding() {
    let flows = || vec![flow(UDP, CLIENT, "10.32.0.10:53", "10.200.1.99:53")];
    // IPVS: no rule of it is in the tables.
    let mut node = with_flows(worker(&|_| {}), flows());
    let sections = node.netns.iter_mut().find(|sections| sections.id.ino == HOST).unwrap();
    let mut links = sections.links.value.clone();
    let mut ipvs = links[0].clone();
    ipvs.name = "kube-ipvs0".into();
    ipvs.ifindex.0 = 99;
    sections.link_bpf.insert(ipvs.ifindex, Read::ok(Vec::new()).section());
    links.push(ipvs);
    sections.links = Read::ok(links).section();
    let answer = ask(&node);
    assert_eq!((kinds(&answer.data.flows), answer.data.unknown, answer.exit_code()), (Vec::new(), 1, 3));
    // No rules at all: what translated it is gone.
    let answer = ask(&with_flows(worker(&|_| {}), flows()));
    assert_eq!(kinds(&answer.data.flows), [(StaleKind::ServiceGone, 40000)], "{:?}", answer.issues);
    // A rule of somebody else's sends it on.
    let rule = "table ip mine {\nchain p {\ntype nat hook prerouting priority -101\n\
                ip daddr 10.32.0.10 udp dport 53 dnat to 10.200.1.99\n}\n}\n";
    let node = worker(&|netns| crate::world::feed(netns, &["nft", "-f", "-"], rule));
    let answer = ask(&with_flows(node, flows()));
    assert_eq!((kinds(&answer.data.flows), answer.exit_code()), (Vec::new(), 0), "{:?}", answer.issues);
    // Flows that were not recorded.
    let answer = ask(&with_range(Rules::Nftables.node()));
    assert_eq!((answer.data.judged, answer.exit_code()), (0, 3));
}

#[test]
fn a_rule_that_is_not_read_makes_its_service_unknown_and_no_other() {
    // kube-dns:dns gets a rule that is not kube-proxy's shape in its own chain.
    let chain = "-A KUBE-SVC-TCOU7JCQXEZGVUNU ";
    let first = TODAY[0].lines().find(|line| line.contains(chain)).unwrap();
    let text = TODAY[0].replacen(first, &format!("[0:0] {chain}-s 10.200.0.9/32 -j ACCEPT\n{first}"), 1);
    let node = worker(&|netns| iptables(netns, "nft", [&text, TODAY[1]]));
    let flows = vec![
        flow(UDP, "10.200.0.32:1", "10.32.0.10:53", "10.200.0.35:53"),
        flow(UDP, "10.200.0.32:2", "10.32.0.10:53", "10.200.1.99:53"),
        flow(UDP, "10.200.0.32:3", "10.32.0.95:9999", "10.200.1.99:9999"),
    ];
    let answer = ask(&with_flows(node, flows));
    assert_eq!((kinds(&answer.data.flows), answer.data.unknown), (vec![(StaleKind::EndpointGone, 3)], 1));
    let told = |issue: &Issue| format!("{}: {}", issue.what, issue.why.detail());
    let issues: Vec<String> = answer.issues.iter().map(told).collect();
    let expected = "judging 1 flow: the rules of kube-system/kube-dns:dns could not be read to their ends";
    assert!(issues.iter().any(|issue| issue == expected), "{issues:#?}");
}

#[test]
fn where_two_sets_of_rules_are_in_force_an_endpoint_of_either_is_one() {
    // nftables mode beside legacy iptables, in which the service has another endpoint.
    let text = TODAY[0].replace("10.200.0.35:53", "10.200.0.36:53");
    let node = worker(&|netns| {
        iptables(netns, "legacy", [&text, TODAY[1]]);
        crate::world::feed(netns, &["nft", "-f", "-"], NFTABLES);
    });
    let flows = vec![
        flow(UDP, "10.200.0.32:1", "10.32.0.10:53", "10.200.0.35:53"),
        flow(UDP, "10.200.0.32:2", "10.32.0.10:53", "10.200.0.36:53"),
        flow(UDP, "10.200.0.32:3", "10.32.0.10:53", "10.200.0.37:53"),
    ];
    let answer = ask(&with_flows(node, flows));
    assert_eq!(kinds(&answer.data.flows), [(StaleKind::EndpointGone, 3)]);
}

#[test]
fn a_pods_own_are_asked_for_by_its_addresses_and_a_limit_says_what_it_leaves_out() {
    let node = with_flows(Rules::Iptables.node(), one_of_each());
    let pod = |text: &str| PodQuery { text: text.to_owned(), namespace: None, all: false };
    let of = |query: &StaleQuery| stale(&[&node as &dyn NodeView], query).unwrap();
    let answer = of(&StaleQuery { pod: Some(pod("ip:10.200.0.33")), limit: None });
    assert_eq!(kinds(&answer.data.flows), [(StaleKind::OldPort, 50), (StaleKind::OldNodePort, 52)]);
    let answer = of(&StaleQuery { pod: None, limit: Some(3) });
    assert_eq!((answer.data.flows.len(), answer.data.not_told), (3, 7));
    assert_eq!((answer.data.draining.len(), answer.data.draining_not_told), (3, 1));
}

#[test]
fn two_nodes_are_judged_by_their_own_rules() {
    let flows = || vec![flow(UDP, CLIENT, "10.32.0.10:53", "10.200.0.35:53")];
    let one = with_flows(Rules::Iptables.node(), flows());
    let mut other = with_flows(worker(&|_| {}), flows());
    other.node.name = "worker-1".to_owned();
    let answer = stale(&[&one, &other], &StaleQuery::default()).unwrap();
    let told: Vec<_> = answer.data.flows.iter().map(|flow| (flow.node.as_deref(), flow.kind)).collect();
    assert_eq!(told, [(Some("worker-1"), StaleKind::ServiceGone)]);
}
