//! The plain look-up behind `veth` and `trace`: rules, tables, prefixes.

use podnet::analyze::answer::Gathered;
use podnet::analyze::trace::uplink::{Lookup, Way, way};
use podnet::model::ids::{Mark, TableId};
use podnet::model::link::LinkKind;
use podnet::model::route::{Family, RouteKind, RuleAction};

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

fn leads(node: Node, dst: Option<&str>, src: Option<&str>, iif: Option<&str>) -> String {
    let node = node.done();
    let iif = iif.map(Into::into);
    let lookup = Lookup {
        dst: dst.map(|dst| dst.parse().unwrap()),
        family: Family::Ipv4,
        src: src.map(|src| src.parse().unwrap()),
        iif: iif.as_ref(),
    };
    match way(&node, id(HOST), &lookup, &mut Gathered::default()) {
        Way::Route(chosen) => format!("{} by rule {}", chosen.links[0].name, chosen.rule.priority),
        Way::Refused { rule } => format!("refused by rule {}", rule.priority),
        Way::None => "none".to_owned(),
        Way::Unknown { why } => why,
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
        node
    };
    assert_eq!(leads(ruled(), None, Some("10.9.1.1"), Some("cnio0")), "eth10 by rule 100");
    assert_eq!(leads(ruled(), None, Some("10.8.1.1"), Some("cnio0")), "eth20 by rule 200");
    assert_eq!(leads(ruled(), None, Some("10.8.1.1"), Some("other")), "eth0 by rule 32766");
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
    assert_eq!(leads(node, None, Some("10.8.0.1"), None), "eth10 by rule 100");
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
