//! Where an ifindex, a number or a name misleads, and links that are no plain pair.

use std::sync::Arc;

use insta::assert_snapshot;
use podnet::analyze::bridge::bridge;
use podnet::analyze::identity::PodQuery;
use podnet::analyze::naming::NetnsRole;
use podnet::analyze::pods::{PodsQuestion, pods};
use podnet::analyze::trace::trace;
use podnet::analyze::veth::{End, veth};
use podnet::model::ids::{IfIndex, Nsid, TableId};
use podnet::model::link::LinkKind;
use podnet::model::snapshot::Snapshot;
use podnet::model::view::NodeView;
use podnet::render;
use podnet::render::style::Style;

use crate::support::built::{HOST, Node, id, link, rule};
use crate::support::told::text;

fn told_veth(node: &Snapshot, pod: &str) -> String {
    text(&veth(&[node as &dyn NodeView], &PodQuery::new(pod)).unwrap(), render::veth::write, Style::PLAIN)
}

fn told_trace(node: &Snapshot, pod: &str) -> String {
    text(&trace(&[node as &dyn NodeView], &PodQuery::new(pod)).unwrap(), render::trace::write, Style::PLAIN)
}

fn told_pods(node: &Snapshot) -> String {
    text(&pods(&[node as &dyn NodeView], &PodsQuestion::default()), render::pods::write, Style::PLAIN)
}

/// `eth0` has ifindex 3 in each pod, and ifindex 3 of the host is a link of no pod at all; the
/// host's ends have the numbers that lo and eth0 have in the pods' namespaces of other nodes.
#[test]
fn equal_ifindexes_in_many_namespaces_lead_to_the_right_ends() {
    let mut node = Node::new("worker-0");
    node.add(HOST, link(3, "unrelated", LinkKind::Physical));
    node.bridge(20, "cnio0", "10.200.0.1/24");
    for number in 2..52 {
        node.bridged_pod(&format!("default/pod-{number:02}"), number, 100 + number);
    }
    let node = node.done();
    let answer = pods(&[&node as &dyn NodeView], &PodsQuestion::default());
    let found: Vec<_> = answer
        .data
        .pods
        .iter()
        .map(|row| {
            let [interface] = row.interfaces.as_deref().unwrap() else { panic!("one interface") };
            let host = interface.host_link.as_ref().unwrap();
            (row.pod.to_string(), interface.link.ifindex.0, host.ifindex.0, host.name.to_string())
        })
        .collect();
    let expected: Vec<_> =
        (2..52).map(|number| (format!("default/pod-{number:02}"), 3, 100 + number, format!("veth{number}"))).collect();
    assert_eq!(found, expected);
    assert_eq!(answer.exit_code(), 0);
    let ports = bridge(&[&node as &dyn NodeView], None).unwrap();
    assert_eq!(ports.data.bridges[0].ports.len(), 50);
}

#[test]
fn the_other_end_is_in_a_third_namespace() {
    let mut node = Node::new("worker-0");
    node.netns(3000, Some("router"));
    node.netns(2002, Some("cni-0002"));
    // The host has links of both numbers, of which neither has to do with this pair.
    node.add(HOST, link(3, "decoy", LinkKind::Veth));
    node.add(HOST, link(7, "lure", LinkKind::Physical));
    node.pair(&LinkKind::Veth, (2002, 3, "eth0", 4), (3000, 7, "to-pod", 9));
    node.address(2002, 3, "10.9.0.2/24");
    node.route(3000, TableId::MAIN, "10.9.0.0/24", None, 7);
    node.sandbox("default/moved", 2, 2002, &["10.9.0.2"]);
    let mut node = node.done();
    node.netns[1].sysctls = node.netns[0].sysctls.clone();
    for setting in ["proxy_arp"] {
        let off = node.netns[0].sysctls["ipv4.conf.eth0.proxy_arp"].clone();
        for sections in &mut node.netns {
            sections.sysctls.insert(format!("ipv4.conf.to-pod.{setting}"), off.clone());
        }
    }
    assert_snapshot!("third_veth", told_veth(&node, "moved"));
    assert_snapshot!("third_pods", told_pods(&node));
    assert_snapshot!("third_trace", told_trace(&node, "moved"));
}

#[test]
fn both_ends_are_in_one_namespace() {
    let mut node = Node::new("worker-0");
    node.netns(2002, Some("cni-0002"));
    node.add(HOST, link(4, "decoy", LinkKind::Veth));
    node.pair(&LinkKind::Veth, (2002, 3, "eth0", 0), (2002, 4, "eth1", 0));
    node.address(2002, 3, "10.9.0.2/24");
    node.sandbox("default/looped", 2, 2002, &["10.9.0.2"]);
    let node = node.done();
    assert_snapshot!("one_netns_veth", told_veth(&node, "looped"));
    assert_snapshot!("one_netns_trace", told_trace(&node, "looped"));
}

#[test]
fn ends_that_name_other_links_disagree() {
    let mut node = Node::new("worker-0");
    node.bridge(20, "cnio0", "10.200.0.1/24");
    node.bridged_pod("default/a", 2, 102);
    node.bridged_pod("default/b", 3, 103);
    // a's eth0 names b's host end, which names b.
    node.link(2002, 3).link = Some(IfIndex(103));
    let node = node.done();
    let answer = veth(&[&node as &dyn NodeView], &PodQuery::new("a")).unwrap();
    assert_eq!(answer.exit_code(), 1);
    assert_snapshot!("disagree_veth", told_veth(&node, "a"));
    assert_snapshot!("disagree_pods", told_pods(&node));
    assert_snapshot!("disagree_trace", told_trace(&node, "a"));
}

#[test]
fn a_number_the_kernel_has_not_given_is_made_up_for_from_the_hosts_side() {
    let mut node = Node::new("worker-0");
    node.bridge(20, "cnio0", "10.200.0.1/24");
    node.bridged_pod("default/a", 2, 102);
    node.bridged_pod("default/b", 3, 103);
    node.link(2002, 3).link_nsid = Some(Nsid(-1));
    let node = node.done();
    assert_snapshot!("not_assigned_veth", told_veth(&node, "a"));
}

#[test]
fn a_number_that_leads_nowhere_is_unknown_and_never_guessed_by_ifindex() {
    let mut node = Node::new("worker-0");
    node.bridge(20, "cnio0", "10.200.0.1/24");
    node.bridged_pod("default/a", 2, 102);
    node.nsid(2002, 0, None);
    // The host has a link of the very ifindex, but it is another pod's end.
    node.bridged_pod("default/b", 3, 103);
    node.link(2002, 3).link = Some(IfIndex(103));
    let node = node.done();
    assert_snapshot!("unseen_veth", told_veth(&node, "a"));
    assert_snapshot!("unseen_pods", told_pods(&node));
}

#[test]
fn an_end_that_went_while_it_was_read_is_unknown() {
    let mut node = Node::new("worker-0");
    node.bridge(20, "cnio0", "10.200.0.1/24");
    node.bridged_pod("default/a", 2, 102);
    node.link(2002, 3).link = Some(IfIndex(999));
    let node = node.done();
    assert_snapshot!("no_such_link_pods", told_pods(&node));
    assert_snapshot!("no_such_link_veth", told_veth(&node, "a"));
}

#[test]
fn macvlan_ipvlan_vlan_and_a_moved_device_are_told_for_what_they_are() {
    let mut node = Node::new("worker-0");
    node.netns(2002, Some("cni-0002"));
    let stacked = [
        (3, "eth0", LinkKind::Macvlan { mode: "bridge".into() }),
        (4, "net1", LinkKind::Ipvlan { mode: "l2".into(), flags: "bridge".into() }),
        (5, "net2", LinkKind::Vlan { id: 5, protocol: "802.1Q".into() }),
    ];
    for (ifindex, name, kind) in stacked {
        let mut above = link(ifindex, name, kind);
        above.link = Some(IfIndex(2));
        above.link_nsid = Some(Nsid(0));
        node.add(2002, above);
        node.address(2002, ifindex, &format!("10.240.0.{}/24", 50 + ifindex));
    }
    let mut device = link(6, "net3", LinkKind::Physical);
    device.device = Some("pci/0000:03:10.1".to_owned());
    node.add(2002, device);
    node.address(2002, 6, "10.77.0.6/24");
    node.nsid(2002, 0, Some(HOST));
    node.route(2002, TableId::MAIN, "0.0.0.0/0", Some("10.240.0.1"), 3);
    node.sandbox("default/stacked", 2, 2002, &["10.240.0.53"]);
    let node = node.done();
    assert_snapshot!("stacked_veth", told_veth(&node, "stacked"));
    assert_snapshot!("stacked_pods", told_pods(&node));
    assert_snapshot!("stacked_trace", told_trace(&node, "stacked"));
}

/// As Calico does it: no bridge, a made-up gateway, proxy ARP on the host's end, a /32 route.
fn routed(node: &mut Node) {
    node.netns(2002, Some("cni-0002"));
    node.pair(&LinkKind::Veth, (2002, 3, "eth0", 0), (HOST, 8, "cali1234", 5));
    node.link(HOST, 8).mac = "ee:ee:ee:ee:ee:ee".parse().unwrap();
    node.address(2002, 3, "10.200.7.7/32");
    node.route(2002, TableId::MAIN, "169.254.1.1/32", None, 3);
    node.route(2002, TableId::MAIN, "0.0.0.0/0", Some("169.254.1.1"), 3);
    node.neighbour(2002, 3, "169.254.1.1", Some("ee:ee:ee:ee:ee:ee"), "stale");
    node.sysctl("ipv4.conf.cali1234.proxy_arp", Some("1"));
    node.sandbox("default/routed", 2, 2002, &["10.200.7.7"]);
}

#[test]
fn without_a_bridge_the_hosts_route_to_the_pod_is_told() {
    let mut node = Node::new("worker-0");
    routed(&mut node);
    node.route(HOST, TableId::MAIN, "10.200.7.7/32", None, 8);
    let node = node.done();
    assert_snapshot!("routed_veth", told_veth(&node, "routed"));
    assert_snapshot!("routed_pods", told_pods(&node));
    assert_snapshot!("routed_trace", told_trace(&node, "routed"));
}

/// As the AWS plugin does it: the way there by a rule, the way out by a rule on the source.
#[test]
fn without_a_bridge_the_rule_and_table_are_told() {
    let mut node = Node::new("worker-0");
    routed(&mut node);
    let table = TableId(2);
    node.add(HOST, link(9, "eth1", LinkKind::Physical));
    node.address(HOST, 9, "10.240.1.20/24");
    node.route(HOST, TableId(7), "10.200.7.7/32", None, 8);
    node.route(HOST, table, "0.0.0.0/0", Some("10.240.1.1"), 9);
    let family = podnet::model::route::Family::Ipv4;
    let mut to_pod = rule(family, 512, TableId(7));
    to_pod.dst = Some("10.200.7.7/32".parse().unwrap());
    let mut from_pod = rule(family, 1536, table);
    from_pod.src = Some("10.200.7.7/32".parse().unwrap());
    node.rules(HOST).extend([to_pod, from_pod]);
    let node = node.done();
    assert_snapshot!("by_rule_veth", told_veth(&node, "routed"));
    assert_snapshot!("by_rule_trace", told_trace(&node, "routed"));
}

#[test]
fn without_a_bridge_and_a_route_a_program_may_still_do_it() {
    let mut node = Node::new("worker-0");
    routed(&mut node);
    let without = node.done();
    assert_snapshot!("no_route_veth", told_veth(&without, "routed"));
    let mut node = Node::new("worker-0");
    routed(&mut node);
    node.program(HOST, 8, "tcx_ingress", "cil_from_contai", 812);
    let with = node.done();
    assert_snapshot!("program_veth", told_veth(&with, "routed"));
}

#[test]
fn a_netkit_pair_is_a_pair() {
    let mut node = Node::new("worker-0");
    node.netns(2002, Some("cni-0002"));
    let kind = LinkKind::Netkit { mode: "l3".into(), policy: "forward".into(), primary: false };
    node.pair(&kind, (2002, 3, "eth0", 0), (HOST, 8, "lxc12", 5));
    node.link(HOST, 8).kind = LinkKind::Netkit { mode: "l3".into(), policy: "forward".into(), primary: true };
    node.program(HOST, 8, "netkit_peer", "cil_from_contai", 9);
    node.address(2002, 3, "10.200.7.7/32");
    node.route(HOST, TableId::MAIN, "10.200.7.7/32", None, 8);
    node.sandbox("default/kit", 2, 2002, &["10.200.7.7"]);
    assert_snapshot!("netkit_veth", told_veth(&node.done(), "kit"));
}

#[test]
fn a_gateway_beyond_a_port_of_the_bridge_is_reached_without_the_hosts_routes() {
    let mut node = Node::new("worker-0");
    node.bridge(20, "br0", "10.200.0.9/24");
    node.add(HOST, link(5, "eth1", LinkKind::Physical));
    node.plug(5, 20);
    node.learned(20, 5, "02:00:00:00:00:77", Some(7));
    node.bridged_pod("default/flat", 2, 102);
    let neighbours = &mut node.sections(2002).neighbours;
    *neighbours = Arc::default();
    node.neighbour(2002, 3, "10.200.0.1", Some("02:00:00:00:00:77"), "reachable");
    let node = node.done();
    assert_snapshot!("flat_trace", told_trace(&node, "flat"));
    let ports = bridge(&[&node as &dyn NodeView], Some(&"br0".into())).unwrap();
    assert_snapshot!("flat_bridge", text(&ports, render::bridge::write, Style::PLAIN));
}

#[test]
fn a_pod_with_two_interfaces_has_both_told() {
    let mut node = Node::new("worker-0");
    node.bridge(20, "cnio0", "10.200.0.1/24");
    let ino = node.bridged_pod("default/two", 2, 102);
    node.pair(&LinkKind::Veth, (ino, 4, "net1", 0), (HOST, 104, "vethnet1", 2));
    node.plug(104, 20);
    node.address(ino, 4, "192.0.2.4/24");
    node.address(ino, 4, "2001:db8::4/64");
    let node = node.done();
    let answer = veth(&[&node as &dyn NodeView], &PodQuery::new("192.0.2.4")).unwrap();
    let names: Vec<_> = answer.data.interfaces.iter().map(|interface| interface.link.name.to_string()).collect();
    assert_eq!(names, ["eth0", "net1"]);
    for interface in &answer.data.interfaces {
        let End::Peer(peer) = &interface.other_end else { panic!("a pair") };
        assert_eq!((peer.netns.role, peer.netns.id), (NetnsRole::Host, id(HOST)));
    }
    assert_snapshot!("two_interfaces_pods", told_pods(&node));
    assert_snapshot!("two_interfaces_trace", told_trace(&node, "two"));
}
