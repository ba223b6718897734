//! Nodes without a runtime, pods that go, namespaces that leak, several nodes, hostile names.

use std::collections::BTreeMap;

use insta::assert_snapshot;
use podnet::analyze::bridge::bridge;
use podnet::analyze::identity::PodQuery;
use podnet::analyze::netns::{Mark, netns};
use podnet::analyze::pods::{PodsQuestion, pods};
use podnet::analyze::trace::trace;
use podnet::analyze::veth::veth;
use podnet::model::ids::NetnsId;
use podnet::model::issue::{Issue, Why};
use podnet::model::link::{LinkKind, VlanRange};
use podnet::model::sandbox::SandboxState;
use podnet::model::text::ByteText;
use podnet::model::view::NodeView;
use podnet::render;
use podnet::render::style::Style;

use crate::support::built::{HOST, Node, link};
use crate::support::told::{WIDE, json, text};

fn no_runtime() -> Issue {
    Issue::incomplete(
        "containerd at /run/containerd/containerd.sock",
        Why::Timeout { detail: "no answer within 2 s; pods are read from /proc alone".to_owned() },
    )
}

/// Two pods with names, one of which only the UTS name is known, and one hostNetwork pod without any.
fn proc_node() -> Node {
    let mut node = Node::new("worker-0");
    node.bridge(20, "cnio0", "10.200.0.1/24");
    node.bridged_pod("default/a", 2, 102);
    node.bridged_pod("default/b", 3, 103);
    node.sandbox("default/h", 4, HOST, &[]);
    node.without_a_runtime(no_runtime());
    node.sandbox_named("default/b").pod.namespace = None;
    node.sandbox_named("default/h").pod.name = None;
    node
}

#[test]
fn without_a_runtime_all_is_told_but_what_only_it_knows() {
    let node = proc_node().done();
    let nodes: [&dyn NodeView; 1] = [&node];
    let answer = pods(&nodes, &PodsQuestion { pids: true, ..PodsQuestion::default() });
    assert_snapshot!("proc_pods", text(&answer, render::pods::write, Style::PLAIN));
    assert_snapshot!("proc_pods_wide", text(&answer, render::pods::write, WIDE));
    let road = trace(&nodes, &PodQuery::new("default/a")).unwrap();
    assert_snapshot!("proc_trace", text(&road, render::trace::write, Style::PLAIN));
    // No address is remembered: the pod's namespace holds it.
    let by_ip = veth(&nodes, &PodQuery::new("10.200.0.3")).unwrap();
    assert_eq!(by_ip.data.pod.pod.to_string(), "?/b");
}

#[test]
fn a_selector_on_unknown_labels_is_undecided_and_never_no_match() {
    let node = proc_node().done();
    let nodes: [&dyn NodeView; 1] = [&node];
    let question = PodsQuestion { selector: Some("app=a".parse().unwrap()), ..PodsQuestion::default() };
    let answer = pods(&nodes, &question);
    assert_eq!(answer.data.pods, []);
    assert_snapshot!("undecided_pods", text(&answer, render::pods::write, Style::PLAIN));
}

#[test]
fn a_pod_that_goes_while_it_is_read_is_left_out_with_its_issues() {
    let mut node = Node::new("worker-0");
    node.bridge(20, "cnio0", "10.200.0.1/24");
    node.bridged_pod("default/stays", 2, 102);
    node.bridged_pod("default/went", 3, 103);
    let gone = Issue::incomplete("entering net:[2003]", Why::Gone { detail: "No such process".to_owned() });
    node.gone(2003, &gone);
    node.sandbox_named("default/went").issues.push(gone);
    let node = node.done();
    let nodes: [&dyn NodeView; 1] = [&node];
    let answer = pods(&nodes, &PodsQuestion::default());
    assert_snapshot!("gone_pods", text(&answer, render::pods::write, Style::PLAIN));
    let ports = bridge(&nodes, None).unwrap();
    assert_snapshot!("gone_bridge", text(&ports, render::bridge::write, Style::PLAIN));
}

#[test]
fn the_issue_of_a_pod_that_is_not_in_the_answer_is_not_the_answers() {
    let mut node = Node::new("worker-0");
    node.bridge(20, "cnio0", "10.200.0.1/24");
    node.bridged_pod("default/asked", 2, 102);
    node.bridged_pod("other/hung", 3, 103);
    let hung = Issue::incomplete("the task of other/hung", Why::Timeout { detail: "2 s".to_owned() });
    node.sandbox_named("other/hung").issues.push(hung.clone());
    let node = node.done();
    let nodes: [&dyn NodeView; 1] = [&node];
    let question = |namespace: &str| PodsQuestion { namespace: Some(namespace.into()), ..PodsQuestion::default() };
    assert_eq!(pods(&nodes, &question("default")).issues, []);
    assert_eq!(pods(&nodes, &question("other")).issues, std::slice::from_ref(&hung));
    assert_eq!(veth(&nodes, &PodQuery::new("asked")).unwrap().issues, []);
    assert_eq!(veth(&nodes, &PodQuery::new("hung")).unwrap().issues, [hung]);
}

#[test]
fn without_a_runtime_an_empty_namespace_need_not_be_leaked() {
    let node = || {
        let mut node = Node::new("worker-0");
        node.netns(3001, Some("cni-empty"));
        node.netns(2002, Some("cni-used"));
        node.sandbox("default/a", 2, 2002, &[]);
        node
    };
    let refused = || Why::Permission { detail: "Permission denied".to_owned() };
    let asked = |node: Node| {
        let answer = netns(&[&node.done() as &dyn NodeView], None).unwrap();
        let shown = text(&answer, render::netns::write, Style::PLAIN);
        let row = answer.data.namespaces.into_iter().find(|row| row.id.ino == 3001).unwrap();
        (row.marks, row.leak_unknown, shown)
    };
    let (marks, why, _) = asked(node());
    assert_eq!((marks, why), (vec![Mark::Leaked], None));

    let mut from_proc = node();
    from_proc.without_a_runtime(Issue::incomplete("container runtime", refused()));
    let (marks, why, shown) = asked(from_proc);
    assert_eq!((marks, why.as_deref()), (vec![Mark::LeakUnknown], Some("not all sandboxes are known")));
    assert!(shown.contains("no process; leaked or not is unknown because not all sandboxes are known"), "{shown}");
    assert!(shown.contains("\n3 namespaces, 1 perhaps leaked\n"), "{shown}");

    let mut astray = node();
    let sandbox = astray.sandbox("default/hidden", 7, 4001, &[]);
    (sandbox.netns, sandbox.netns_path) = (None, None);
    sandbox.issues.push(Issue::incomplete("reading /proc/70/ns/net", refused()));
    let (marks, why, _) = asked(astray);
    assert_eq!((marks, why.as_deref()), (vec![Mark::LeakUnknown], Some("not every sandbox's namespace could be read")));
}

#[test]
fn leaked_nameless_and_gone_namespaces_are_marked() {
    let mut node = Node::new("worker-0");
    node.bridge(20, "cnio0", "10.200.0.1/24");
    node.bridged_pod("default/a", 2, 102);
    node.netns(3001, Some("cni-leaked"));
    node.netns(3002, None);
    node.process(777, "dockerd", 3002);
    node.netns(3003, Some("used"));
    node.process(778, "ip", 3003);
    for (name, number, state) in
        [("default/lost", 5, SandboxState::Ready), ("default/finished", 6, SandboxState::NotReady)]
    {
        let sandbox = node.sandbox(name, number, 4000, &[]);
        sandbox.state = state;
        sandbox.netns = (state == SandboxState::Ready).then_some(NetnsId { dev: 4, ino: 4000 });
        sandbox.netns_path = Some(format!("/var/run/netns/cni-gone-{number}"));
    }
    // Its namespace could not be read: that is unknown, not gone.
    let hidden = node.sandbox("default/hidden", 7, 4001, &[]);
    hidden.netns = None;
    hidden.netns_path = Some("/var/run/netns/cni-hidden".to_owned());
    let denied = Why::Permission { detail: "Permission denied".to_owned() };
    hidden.issues.push(Issue::incomplete("reading /proc/70/ns/net", denied));
    let node = node.done();
    let nodes: [&dyn NodeView; 1] = [&node];
    let answer = netns(&nodes, None).unwrap();
    assert_snapshot!("marked_netns", text(&answer, render::netns::write, Style::PLAIN));
    assert_snapshot!("marked_netns_wide", text(&answer, render::netns::write, WIDE));
    assert_snapshot!("marked_pods", text(&pods(&nodes, &PodsQuestion::default()), render::pods::write, Style::PLAIN));
    let road = trace(&nodes, &PodQuery::new("finished")).unwrap();
    assert_snapshot!("finished_trace", text(&road, render::trace::write, Style::PLAIN));
}

#[test]
fn older_attempts_are_told_when_asked_for() {
    let mut node = Node::new("worker-0");
    node.bridge(20, "cnio0", "10.200.0.1/24");
    node.bridged_pod("default/a", 2, 102);
    node.sandbox_named("default/a").attempt = 1;
    let older = node.sandbox("default/a", 9, 4000, &[]);
    older.state = SandboxState::NotReady;
    older.netns = None;
    older.netns_path = None;
    let node = node.done();
    let nodes: [&dyn NodeView; 1] = [&node];
    assert_eq!(pods(&nodes, &PodsQuestion::default()).data.pods.len(), 1);
    let all = pods(&nodes, &PodsQuestion { all: true, ..PodsQuestion::default() });
    assert_snapshot!("attempts_pods", text(&all, render::pods::write, WIDE));
    let query = PodQuery { text: "a".into(), namespace: None, all: true };
    assert_snapshot!("attempts_trace", text(&trace(&nodes, &query).unwrap(), render::trace::write, Style::PLAIN));
}

#[test]
fn several_nodes_have_their_names_in_the_rows() {
    let mut first = Node::new("worker-0");
    first.bridge(20, "cnio0", "10.200.0.1/24");
    first.bridged_pod("default/a", 2, 102);
    let mut second = Node::new("worker-1");
    second.bridge(20, "cnio0", "10.200.1.1/24");
    second.bridged_pod("default/b", 3, 102);
    let (first, second) = (first.done(), second.done());
    let nodes: [&dyn NodeView; 2] = [&first, &second];
    assert_snapshot!(
        "two_nodes_pods",
        text(&pods(&nodes, &PodsQuestion::default()), render::pods::write, Style::PLAIN)
    );
    assert_snapshot!("two_nodes_netns", text(&netns(&nodes, None).unwrap(), render::netns::write, Style::PLAIN));
    assert_snapshot!("two_nodes_bridge", text(&bridge(&nodes, None).unwrap(), render::bridge::write, Style::PLAIN));
    let ends = veth(&nodes, &PodQuery::new("b")).unwrap();
    assert_snapshot!("two_nodes_veth", text(&ends, render::veth::write, Style::PLAIN));
}

/// What others named: a label, an interface, a pod, a process, a program, a namespace.
#[test]
fn escape_sequences_of_others_are_escaped_in_text_and_kept_in_json() {
    let evil = "\u{1b}[31mred\u{202e}\n";
    let mut node = Node::new("worker-0");
    node.bridge(20, "cnio0", "10.200.0.1/24");
    node.bridged_pod("default/a", 2, 102);
    node.link(2002, 3).name = ByteText::new(b"v\xff\x1b[31m");
    node.link(HOST, 102).name = ByteText::from(evil);
    node.program(HOST, 102, "tc_ingress", evil, 1);
    node.netns(3001, Some(evil));
    node.process(777, evil, 3001);
    let mut odd = link(30, evil, LinkKind::Other { name: evil.to_owned(), hex: String::new() });
    odd.controller = Some(podnet::model::ids::IfIndex(20));
    node.add(HOST, odd);
    let sandbox = node.sandbox_named("default/a");
    sandbox.labels = Some(BTreeMap::from([(evil.to_owned(), evil.to_owned())]));
    sandbox.pod.name = Some(evil.to_owned());
    for container in sandbox.containers.iter_mut().flatten() {
        container.name = Some(evil.to_owned());
    }
    let node = node.done();
    let nodes: [&dyn NodeView; 1] = [&node];
    // `text` itself refuses control characters; here the whole of it is looked at once more.
    let listed = pods(&nodes, &PodsQuestion { pids: true, ..PodsQuestion::default() });
    assert_snapshot!("hostile_pods", text(&listed, render::pods::write, WIDE));
    let query = PodQuery::new("id:0002");
    let ends = veth(&nodes, &query).unwrap();
    assert_snapshot!("hostile_veth", text(&ends, render::veth::write, WIDE));
    let road = trace(&nodes, &query).unwrap();
    assert_snapshot!("hostile_trace", text(&road, render::trace::write, WIDE));
    let one = netns(&nodes, Some("777")).unwrap();
    assert_snapshot!("hostile_netns", text(&one, render::netns::write, WIDE));
    let ports = bridge(&nodes, None).unwrap();
    assert_snapshot!("hostile_bridge", text(&ports, render::bridge::write, WIDE));

    let kept = serde_json::to_string(evil).unwrap();
    for document in [json(&listed), json(&ends), json(&road), json(&one), json(&ports)] {
        assert!(document.contains(&kept), "{document}");
    }
    assert!(json(&listed).contains(r#""hex": "76ff1b5b33316d""#));
}

/// Where a bridge filters VLANs, the wide form tells each port's; elsewhere nothing is told of them.
#[test]
fn the_vlans_of_ports_are_told_where_the_bridge_filters_them() {
    let range = |first, last, pvid, untagged| VlanRange { first, last, pvid, untagged };
    let node = |filters: bool| {
        let mut node = Node::new("worker-0");
        node.bridge(20, "cnio0", "10.200.0.1/24");
        for number in [2, 3, 4] {
            node.bridged_pod(&format!("default/pod-{number}"), number, 100 + number);
        }
        if filters {
            let LinkKind::Bridge(info) = &mut node.link(HOST, 20).kind else { panic!("a bridge") };
            (info.vlan_filtering, info.default_pvid) = (true, Some(1));
            node.link(HOST, 20).vlans = Some(vec![range(1, 1, true, true)]);
            node.link(HOST, 102).vlans = Some(vec![range(7, 7, true, true), range(10, 20, false, false)]);
            node.link(HOST, 103).vlans = Some(Vec::new());
        }
        node.done()
    };
    let (plain, filtering) = (node(false), node(true));
    let answer = |node| bridge(&[node as &dyn NodeView], None).unwrap();
    assert!(!json(&answer(&plain)).contains("vlans"));
    assert!(!text(&answer(&plain), render::bridge::write, WIDE).to_lowercase().contains("vlans"));
    assert!(!text(&answer(&filtering), render::bridge::write, Style::PLAIN).to_lowercase().contains("vlans"));
    assert_snapshot!("vlans_bridge_wide", text(&answer(&filtering), render::bridge::write, WIDE));
    let told: serde_json::Value = serde_json::from_str(&json(&answer(&filtering))).unwrap();
    let bridge = &told["bridges"][0];
    assert_eq!(bridge["vlans"], serde_json::json!([{"first": 1, "last": 1, "pvid": true, "untagged": true}]));
    let ports: Vec<_> = bridge["ports"].as_array().unwrap().iter().map(|port| port.get("vlans").cloned()).collect();
    let first = serde_json::json!([
        {"first": 7, "last": 7, "pvid": true, "untagged": true},
        {"first": 10, "last": 20, "pvid": false, "untagged": false},
    ]);
    assert_eq!(ports, [Some(first), Some(serde_json::json!([])), None]);
}
