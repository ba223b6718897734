//! What is wrong on a road, each fault alone, and what it does to the exit code.

use std::sync::Arc;

use podnet::analyze::answer::Answer;
use podnet::analyze::bridge::bridge;
use podnet::analyze::finding::{Code, Weight};
use podnet::analyze::identity::PodQuery;
use podnet::analyze::pods::{LinksState, PodsQuestion, pods};
use podnet::analyze::trace::{StepKind, Trace, trace};
use podnet::analyze::veth::veth;
use podnet::model::ids::{IfIndex, TableId};
use podnet::model::link::{LinkKind, OperState, PortState};
use podnet::model::route::{Family, RouteKind, RuleAction};
use podnet::model::sandbox::SandboxState;
use podnet::model::view::NodeView;

use crate::support::built::{HOST, Node, link, rule};

fn healthy() -> Node {
    let mut node = Node::new("worker-0");
    node.bridge(20, "cnio0", "10.200.0.1/24");
    node.bridged_pod("default/a", 2, 102);
    node
}

fn road(node: Node) -> Answer<Trace> {
    let node = node.done();
    trace(&[&node as &dyn NodeView], &PodQuery::new("a")).unwrap()
}

fn findings(answer: &Answer<Trace>) -> Vec<(Weight, Code, String)> {
    let all = answer.data.steps.iter().flat_map(|step| &step.findings);
    all.filter(|finding| finding.code != Code::Hairpin)
        .map(|finding| (finding.weight, finding.code, finding.text.clone()))
        .collect()
}

/// The fault is the one finding, and the headline says it.
fn is_bad(node: Node, code: Code, words: &str) {
    let answer = road(node);
    assert_eq!(findings(&answer), [(Weight::Bad, code, words.to_owned())]);
    assert_eq!(answer.data.headline, format!("default/a does not reach the wire: {words}"));
    assert_eq!(answer.exit_code(), 1);
}

fn is_odd(node: Node, code: Code, words: &str) {
    let answer = road(node);
    assert_eq!(findings(&answer), [(Weight::Odd, code, words.to_owned())]);
    assert_eq!(
        answer.data.headline,
        "default/a reaches the wire through cnio0 and eth0 of worker-0 (looked up for 198.41.0.4)"
    );
    assert_eq!(answer.exit_code(), 0);
}

#[test]
fn nothing_is_wrong_on_a_healthy_road() {
    let answer = road(healthy());
    assert_eq!(findings(&answer), []);
    assert_eq!(
        answer.data.headline,
        "default/a reaches the wire through cnio0 and eth0 of worker-0 (looked up for 198.41.0.4)"
    );
    assert_eq!(answer.exit_code(), 0);
    let kinds: Vec<_> = answer
        .data
        .steps
        .iter()
        .map(|step| serde_json::to_value(step).unwrap()["step"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(kinds, ["pod", "interface", "veth", "bridge", "host", "nat", "wire"]);
}

#[test]
fn the_pods_interface_is_down() {
    let mut node = healthy();
    node.link(2002, 3).up = false;
    is_bad(node, Code::LinkDown, "eth0 is down");
}

#[test]
fn the_hosts_end_has_no_carrier() {
    let mut node = healthy();
    node.link(HOST, 102).oper_state = OperState::LowerLayerDown;
    is_bad(node, Code::NoCarrier, "veth2, the other end, is up but has no carrier");
}

#[test]
fn the_bridge_is_down() {
    let mut node = healthy();
    node.link(HOST, 20).up = false;
    is_bad(node, Code::BridgeDown, "the bridge cnio0 is down");
}

#[test]
fn the_port_blocks() {
    let mut node = healthy();
    node.link(HOST, 102).port.as_mut().unwrap().state = PortState::Blocking;
    is_bad(node, Code::PortNotForwarding, "port veth2 of cnio0 is blocking, not forwarding");
}

#[test]
fn the_uplink_is_down() {
    let mut node = healthy();
    node.link(HOST, 2).up = false;
    is_bad(node, Code::LinkDown, "eth0, the node's uplink, is down");
}

#[test]
fn the_node_does_not_forward() {
    let mut node = healthy();
    node.sysctl("ipv4.ip_forward", Some("0"));
    node.sysctl("ipv4.conf.cnio0.forwarding", Some("0"));
    is_bad(node, Code::ForwardingOff, "net.ipv4.ip_forward is 0: the node does not forward the pod's packets");
}

#[test]
fn forwarding_is_off_for_the_bridge_alone() {
    let mut node = healthy();
    node.sysctl("ipv4.conf.cnio0.forwarding", Some("0"));
    is_bad(node, Code::ForwardingOff, "forwarding is off for cnio0: the node does not forward the pod's packets");
}

#[test]
fn the_pod_has_no_default_route() {
    let mut node = healthy();
    node.routes(2002).retain(|route| route.dst.prefix_len() > 0);
    is_bad(node, Code::NoDefaultRoute, "the pod has no IPv4 default route");
}

#[test]
fn the_node_has_no_default_route() {
    let mut node = healthy();
    node.routes(HOST).retain(|route| route.dst.prefix_len() > 0);
    is_bad(node, Code::NoDefaultRoute, "the node has no IPv4 default route");
}

#[test]
fn the_nodes_default_route_is_a_blackhole() {
    let mut node = healthy();
    for route in node.routes(HOST).iter_mut().filter(|route| route.dst.prefix_len() == 0) {
        route.kind = RouteKind::Blackhole;
        route.nexthops.clear();
    }
    is_bad(node, Code::RouteDrops, "the node's IPv4 default route drops");
}

#[test]
fn a_rule_on_the_bridge_refuses() {
    let mut node = healthy();
    let mut refuse = rule(Family::Ipv4, 100, TableId(0));
    refuse.iif = Some("cnio0".into());
    refuse.action = RuleAction::Prohibit;
    node.rules(HOST).push(refuse);
    is_bad(node, Code::RouteDrops, "the node's IPv4 default route drops");
}

#[test]
fn a_rule_with_an_unknown_selector_makes_the_way_unknown() {
    let mut node = healthy();
    let mut strange = rule(Family::Ipv4, 100, TableId::MAIN);
    strange.unknown.push(podnet::model::link::RawAttr { kind: 99, hex: "00".into() });
    node.rules(HOST).push(strange);
    let answer = road(node);
    assert_eq!(answer.data.headline, "default/a reaches cnio0 of worker-0; its way on is unknown");
    assert_eq!(answer.exit_code(), 3);
    assert_eq!(
        answer.issues.iter().map(|issue| issue.what.as_str()).collect::<Vec<_>>(),
        ["telling the node's IPv4 default route"]
    );
}

#[test]
fn the_ends_have_different_mtus() {
    let mut node = healthy();
    node.link(2002, 3).mtu = 9000;
    is_odd(node, Code::MtuMismatch, "eth0 has mtu 9000, its other end veth2 has 1500");
}

#[test]
fn another_machine_answers_for_the_gateway() {
    let mut node = healthy();
    node.sections(2002).neighbours = Arc::default();
    node.neighbour(2002, 3, "10.200.0.1", Some("02:00:00:00:00:99"), "reachable");
    let words = "the pod has 10.200.0.1 at 02:00:00:00:00:99, but cnio0 of this node has 02:00:00:00:00:14";
    is_odd(node, Code::Gateway, words);
}

#[test]
fn the_way_back_leads_elsewhere() {
    let elsewhere = || {
        let mut node = healthy();
        node.add(HOST, link(9, "tun0", LinkKind::Physical));
        node.route(HOST, TableId::MAIN, "10.200.0.2/32", None, 9);
        node
    };
    is_odd(elsewhere(), Code::ReturnElsewhere, "the node's way back to 10.200.0.2 does not lead to cnio0");
    let mut strict = elsewhere();
    strict.sysctl("ipv4.conf.all.rp_filter", Some("1"));
    is_bad(
        strict,
        Code::ReversePath,
        "the node's way back to 10.200.0.2 does not lead to cnio0, and rp_filter 1 (strict) drops what comes in by it",
    );
}

#[test]
fn the_node_does_not_believe_the_source() {
    let mut node = healthy();
    node.route(HOST, TableId::MAIN, "10.200.0.2/32", None, 20).kind = RouteKind::Unreachable;
    node.sysctl("ipv4.conf.all.rp_filter", Some("2"));
    let words =
        "the node refuses the pod's IPv4 packets: rp_filter is 2 on cnio0, and no route leads back to 10.200.0.2";
    let answer = road(node);
    assert_eq!(findings(&answer)[0], (Weight::Bad, Code::RouteDrops, words.to_owned()));
    assert_eq!(answer.data.headline, format!("default/a does not reach the wire: {words}"));
    assert_eq!(answer.exit_code(), 1);
}

#[test]
fn the_sandbox_is_not_ready() {
    let mut node = healthy();
    node.sandbox_named("default/a").state = SandboxState::NotReady;
    is_bad(node, Code::NotReady, "the sandbox is not ready: the pod does not run");
}

#[test]
fn a_pod_without_an_interface() {
    let mut node = Node::new("worker-0");
    node.netns(2002, None);
    node.sandbox("default/a", 2, 2002, &[]);
    is_bad(node, Code::NoInterface, "the pod has no interface but loopback");
}

#[test]
fn a_gateway_that_nobody_here_knows_makes_the_way_on_unknown() {
    let mut node = healthy();
    node.sections(2002).neighbours = Arc::default();
    node.sections(HOST).addresses = Arc::default();
    node.address(HOST, 2, "10.240.0.20/24");
    let answer = road(node);
    assert_eq!(answer.data.headline, "default/a reaches cnio0 of worker-0; its way on is unknown");
    assert_eq!(answer.exit_code(), 3);
}

/// The four settings of bridge-nf and hairpin, with what the real kernel did in each (TRAPS).
#[test]
fn hairpin_and_bridge_nf_together_decide_a_call_to_itself() {
    let found = |sysctl: Option<&str>, own: bool, hairpin: bool| {
        let mut node = healthy();
        node.sysctl("bridge.bridge-nf-call-iptables", sysctl);
        let LinkKind::Bridge(info) = &mut node.link(HOST, 20).kind else { panic!("a bridge") };
        info.nf_call_iptables = own;
        node.link(HOST, 102).port.as_mut().unwrap().hairpin = hairpin;
        let answer = road(node);
        let bridge = answer.data.steps.iter().find(|step| matches!(step.what, StepKind::Bridge(_))).unwrap();
        bridge.findings.iter().map(|finding| finding.code).collect::<Vec<_>>()
    };
    assert_eq!(found(Some("1"), false, false), [Code::Hairpin]);
    assert_eq!(found(Some("0"), true, false), [Code::Hairpin]);
    assert_eq!(found(Some("1"), false, true), []);
    assert_eq!(found(Some("0"), false, false), [Code::BridgeNetfilter]);
    // No such sysctl: the module is not loaded, and the bridge's own switch does nothing.
    assert_eq!(found(None, true, false), [Code::BridgeNetfilter]);
}

#[test]
fn veth_is_bad_for_the_same_faults_of_the_pair() {
    let mut node = healthy();
    node.link(HOST, 102).up = false;
    let node = node.done();
    let answer = veth(&[&node as &dyn NodeView], &PodQuery::new("a")).unwrap();
    let texts: Vec<_> = answer.data.findings.iter().map(|finding| finding.text.as_str()).collect();
    assert_eq!(texts, ["veth2, the other end, is down"]);
    assert_eq!(answer.exit_code(), 1);
}

/// Makes one thing wrong.
type Break<'a> = &'a dyn Fn(&mut Node);

/// `pods` tells each of them in its last column, and ends as `veth` does.
#[test]
fn pods_is_bad_for_the_same_faults_as_veth() {
    let detached = |node: &mut Node| {
        node.link(HOST, 102).controller = None;
        node.link(HOST, 102).port = None;
    };
    let cases: [(&str, Break<'_>, u8); 10] = [
        ("ok", &|_| {}, 0),
        ("eth0 down", &|node| node.link(2002, 3).up = false, 1),
        ("veth2 down", &|node| node.link(HOST, 102).up = false, 1),
        ("eth0 no carrier", &|node| node.link(2002, 3).lower_up = false, 1),
        ("cnio0 down", &|node| node.link(HOST, 20).up = false, 1),
        ("veth2 blocking", &|node| node.link(HOST, 102).port.as_mut().unwrap().state = PortState::Blocking, 1),
        ("no route to 10.200.0.2 leads to veth2", &detached, 1),
        (
            "ok",
            &|node| {
                detached(node);
                node.route(HOST, TableId::MAIN, "10.200.0.2/32", None, 102);
            },
            0,
        ),
        (
            "no route to fd00::2 leads to veth2",
            &|node| {
                detached(node);
                node.route(HOST, TableId::MAIN, "10.200.0.2/32", None, 102);
                node.address(2002, 3, "fd00::2/64");
            },
            1,
        ),
        (
            "ok",
            &|node| {
                detached(node);
                node.program(HOST, 102, "tcx/ingress", "redirect", 7);
            },
            0,
        ),
    ];
    for (expected, fault, code) in cases {
        let mut node = healthy();
        fault(&mut node);
        let node = node.done();
        let nodes = [&node as &dyn NodeView];
        let answer = pods(&nodes, &PodsQuestion::default());
        let state = match &answer.data.pods[0].interfaces.as_ref().unwrap()[0].state {
            LinksState::Ok => "ok".to_owned(),
            LinksState::Bad { why } => why.clone(),
            LinksState::Unknown { why } => format!("? {why}"),
        };
        assert_eq!((state.as_str(), answer.exit_code()), (expected, code), "{:?}", answer.issues);
        let veth = veth(&nodes, &PodQuery::new("a")).unwrap();
        assert_eq!(veth.exit_code(), code, "veth where pods says {expected}: {:?}", veth.data.findings);
    }
}

#[test]
fn pods_is_bad_where_a_pod_has_no_interface_and_not_where_it_does_not_run() {
    let code = |state: SandboxState| {
        let mut node = Node::new("worker-0");
        node.netns(2002, None);
        node.sandbox("default/a", 2, 2002, &[]).state = state;
        pods(&[&node.done() as &dyn NodeView], &PodsQuestion::default()).exit_code()
    };
    assert_eq!((code(SandboxState::Ready), code(SandboxState::NotReady)), (1, 0));
}

#[test]
fn a_bridge_that_is_down_is_bad_only_where_it_has_ports() {
    let found = |node: Node| {
        let answer = bridge(&[&node.done() as &dyn NodeView], None).unwrap();
        let findings: Vec<_> =
            answer.data.findings.iter().map(|finding| (finding.weight, finding.text.clone())).collect();
        (findings, answer.exit_code())
    };
    let mut idle = Node::new("worker-0");
    idle.bridge(20, "cnio0", "10.200.0.1/24");
    idle.link(HOST, 20).up = false;
    assert_eq!(found(idle), (vec![(Weight::Note, "cnio0 is down and has no ports".to_owned())], 0));
    let mut used = healthy();
    used.link(HOST, 20).up = false;
    assert_eq!(found(used), (vec![(Weight::Bad, "cnio0 is down".to_owned())], 1));
}

#[test]
fn a_controller_that_is_no_bridge_is_told_by_its_kind() {
    let mut node = healthy();
    node.add(HOST, link(40, "vrf-red", LinkKind::Vrf { table: TableId(10) }));
    let end = node.link(HOST, 102);
    end.controller = Some(IfIndex(40));
    end.port = None;
    let node = node.done();
    let answer = trace(&[&node as &dyn NodeView], &PodQuery::new("a")).unwrap();
    let kind = answer.data.steps.iter().find_map(|step| match &step.what {
        StepKind::Controller { controller_kind, .. } => Some(controller_kind.as_str()),
        _ => None,
    });
    assert_eq!(kind, Some("vrf"));
}
