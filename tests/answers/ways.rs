//! The look-up behind `veth` and `trace`: rules, tables, prefixes; and that it is that of `routes`.

use podnet::analyze::answer::Gathered;
use podnet::analyze::identity::PodQuery;
use podnet::analyze::routes::{Subject, routes};
use podnet::analyze::trace::uplink::{Way, way};
use podnet::analyze::trace::{StepKind, trace};
use podnet::model::ids::{IfIndex, Mark, TableId};
use podnet::model::link::LinkKind;
use podnet::model::route::{Family, RouteKind, RouteQuery, RuleAction};
use podnet::model::view::NodeView;

use crate::support::built::{HOST, Node, id, link, rule};

/// Tables 10, 20 and 30 with default routes by eth10, eth20 and eth30.
fn node() -> Node {
    let mut node = Node::new("worker-0");
    for number in [10, 20, 30] {
        node.add(HOST, link(number, &format!("eth{number}"), LinkKind::Physical));
        node.route(HOST, TableId(number), "0.0.0.0/0", Some("192.0.2.1"), number);
    }
    node
}

/// Where a packet to the world, or to `dst`, goes; `iif` by number.
fn leads(node: Node, dst: Option<&str>, src: Option<&str>, iif: Option<u32>) -> String {
    let node = node.done();
    let query = RouteQuery {
        src: src.map(|src| src.parse().unwrap()),
        iif: iif.map(IfIndex),
        ..RouteQuery::to(dst.unwrap_or("198.41.0.4").parse().unwrap())
    };
    match way(&node, id(HOST), &query, &mut Gathered::default()) {
        Way::Route(chosen) => format!("{} by rule {}", chosen.links[0].name, chosen.rule.priority),
        Way::Refused { rule } => format!("refused by rule {}", rule.priority),
        Way::Rejected { why, .. } | Way::Unknown { why } => why,
        Way::None => "none".to_owned(),
    }
}

#[test]
fn rules_are_asked_by_priority_and_pass_on_what_does_not_meet_them() {
    let ruled = || {
        let mut node = node();
        let mut by_source = rule(Family::Ipv4, 100, TableId(10));
        by_source.src = Some("10.9.0.0/16".parse().unwrap());
        let mut by_link = rule(Family::Ipv4, 200, TableId(20));
        by_link.iif = Some("cnio0".into());
        let mut marked = rule(Family::Ipv4, 50, TableId(30));
        marked.mark = Some(Mark { value: 1, mask: 1 });
        node.rules(HOST).extend([by_source, by_link, marked]);
        for (number, name) in [(40, "cnio0"), (41, "other")] {
            node.add(HOST, link(number, name, LinkKind::Physical));
        }
        node
    };
    assert_eq!(leads(ruled(), None, Some("10.9.1.1"), Some(40)), "eth10 by rule 100");
    assert_eq!(leads(ruled(), None, Some("10.8.1.1"), Some(40)), "eth20 by rule 200");
    assert_eq!(leads(ruled(), None, Some("10.8.1.1"), Some(41)), "eth0 by rule 32766");
    assert_eq!(leads(ruled(), None, None, None), "eth0 by rule 32766");
}

#[test]
fn goto_leaves_rules_out() {
    let mut node = node();
    let mut jump = rule(Family::Ipv4, 100, TableId(0));
    jump.action = RuleAction::Goto { priority: 300 };
    node.rules(HOST).extend([jump, rule(Family::Ipv4, 200, TableId(10)), rule(Family::Ipv4, 300, TableId(20))]);
    assert_eq!(leads(node, None, None, None), "eth20 by rule 300");
}

#[test]
fn a_suppressed_prefix_and_throw_go_on_with_the_next_rule() {
    let mut node = node();
    let mut suppressed = rule(Family::Ipv4, 100, TableId(10));
    suppressed.suppress_prefix_length = Some(0);
    node.rules(HOST).extend([suppressed, rule(Family::Ipv4, 200, TableId(20)), rule(Family::Ipv4, 300, TableId(30))]);
    for route in node.routes(HOST).iter_mut().filter(|route| route.table == TableId(20)) {
        route.kind = RouteKind::Throw;
    }
    assert_eq!(leads(node, None, None, None), "eth30 by rule 300");
}

#[test]
fn an_inverted_rule_meets_what_it_does_not_name() {
    let mut node = node();
    let mut inverted = rule(Family::Ipv4, 100, TableId(10));
    inverted.src = Some("10.9.0.0/16".parse().unwrap());
    inverted.invert = true;
    node.rules(HOST).push(inverted);
    assert_eq!(leads(node, None, Some("10.8.0.1"), Some(20)), "eth10 by rule 100");
}

#[test]
fn the_longest_prefix_wins_then_the_metric() {
    let mut node = node();
    node.route(HOST, TableId::MAIN, "10.9.0.0/16", None, 10).metric = 5;
    node.route(HOST, TableId::MAIN, "10.9.0.0/24", None, 20).metric = 50;
    node.route(HOST, TableId::MAIN, "10.9.0.0/24", None, 30).metric = 10;
    assert_eq!(leads(node, Some("10.9.0.7"), None, None), "eth30 by rule 32766");
}

#[test]
fn a_rule_can_refuse_and_no_rules_at_all_are_unknown() {
    let mut refused = node();
    let mut refuse = rule(Family::Ipv4, 10, TableId(0));
    refuse.action = RuleAction::Unreachable;
    refused.rules(HOST).push(refuse);
    assert_eq!(leads(refused, None, None, None), "refused by rule 10");
    let mut none = node();
    none.rules(HOST).clear();
    assert_eq!(leads(none, None, None, None), "no rules of that family were read");
}

#[test]
fn where_the_kernel_takes_no_such_packet_it_is_said_why() {
    let mut silent = node();
    silent.sysctl("ipv4.conf.eth20.forwarding", Some("0"));
    assert_eq!(
        leads(silent, None, Some("10.8.0.1"), Some(20)),
        "it is not for this namespace, and eth20 does not forward (ipv4.conf.eth20.forwarding is 0)"
    );
    let mut strict = node();
    strict.sysctl("ipv4.conf.eth20.rp_filter", Some("1"));
    assert_eq!(
        leads(strict, None, Some("10.8.0.1"), Some(20)),
        "rp_filter is 1 on eth20, which has no address, and the way back to 10.8.0.1 is another"
    );
}

/// A VRF's packets ask the VRF's table (rule 1000 of the kernel), in `trace` as in `routes`.
#[test]
fn a_pod_behind_a_vrf_leaves_by_the_vrfs_table() {
    let mut node = Node::new("worker-0");
    node.bridge(20, "cnio0", "10.200.0.1/24");
    node.bridged_pod("default/a", 2, 102);
    node.add(HOST, link(40, "vrf-red", LinkKind::Vrf { table: TableId(10) }));
    node.add(HOST, link(41, "red0", LinkKind::Physical));
    for port in [20, 41] {
        node.link(HOST, port).controller = Some(IfIndex(40));
    }
    node.route(HOST, TableId(10), "0.0.0.0/0", Some("192.0.2.1"), 41);
    let mut by_vrf = rule(Family::Ipv4, 1000, TableId(0));
    by_vrf.l3mdev = true;
    node.rules(HOST).push(by_vrf);
    agrees_with_routes(
        node,
        "default/a reaches the wire through cnio0 and red0 of worker-0 (looked up for 198.41.0.4)",
    );
}

/// A tunnel that takes the world in two halves wins over the default route, which is not asked for alone.
#[test]
fn two_halves_of_the_world_win_over_the_default_route() {
    let mut node = Node::new("worker-0");
    node.bridge(20, "cnio0", "10.200.0.1/24");
    node.bridged_pod("default/a", 2, 102);
    node.add(HOST, link(41, "tun0", LinkKind::Physical));
    for half in ["0.0.0.0/1", "128.0.0.0/1"] {
        node.route(HOST, TableId::MAIN, half, None, 41);
    }
    agrees_with_routes(
        node,
        "default/a reaches the wire through cnio0 and tun0 of worker-0 (looked up for 198.41.0.4)",
    );
}

/// A route to the network of a destination is none to the world: another destination is asked for.
#[test]
fn a_destination_that_routes_name_does_not_stand_for_the_world() {
    let mut node = Node::new("worker-0");
    node.bridge(20, "cnio0", "10.200.0.1/24");
    node.bridged_pod("default/a", 2, 102);
    node.add(HOST, link(41, "tun0", LinkKind::Physical));
    node.route(HOST, TableId::MAIN, "198.41.0.0/24", None, 41);
    let mut by_rule = rule(Family::Ipv4, 100, TableId(10));
    by_rule.dst = Some("192.33.4.0/24".parse().unwrap());
    node.rules(HOST).push(by_rule);
    agrees_with_routes(
        node,
        "default/a reaches the wire through cnio0 and eth0 of worker-0 (looked up for 199.7.91.13)",
    );
}

/// What `trace` says of the node's way is what `routes host` says of that packet.
fn agrees_with_routes(node: Node, headline: &str) {
    let node = node.done();
    let traced = trace(&[&node as &dyn NodeView], &PodQuery::new("a")).unwrap().data;
    assert_eq!(traced.headline, headline);
    let host = traced.steps.iter().find_map(|step| match &step.what {
        StepKind::Host(host) => Some(host),
        _ => None,
    });
    let [out] = &host.unwrap().routes[..] else { panic!("one family") };
    let subject = Subject { node: &node, netns: id(HOST), title: "host".to_owned() };
    let query = RouteQuery {
        src: Some("10.200.0.2".parse().unwrap()),
        iif: host.unwrap().comes_in_by.as_ref().map(|link| link.ifindex),
        ..RouteQuery::to(out.destination)
    };
    let lookup = routes(&subject, Some(&query)).data.lookup.unwrap();
    let chosen = out.way.route().unwrap();
    assert_eq!((Some(&chosen.route), Some(&chosen.rule)), (lookup.route.as_ref(), lookup.rule.as_ref()));
    assert_eq!(chosen.leaves_by, lookup.usable().filter_map(|way| way.ifindex).collect::<Vec<_>>());
}
