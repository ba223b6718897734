//! `nat` and the masquerade step of `trace`, on rules that real programs wrote and on small ones.

use std::fmt::Write as _;

use insta::assert_snapshot;
use podnet::analyze::answer::Answer;
use podnet::analyze::identity::PodQuery;
use podnet::analyze::nat::{Nat, nat};
use podnet::analyze::trace::trace;
use podnet::model::issue::Read;
use podnet::model::netfilter::table::{Family, Table};
use podnet::model::snapshot::{NetfilterSections, Snapshot, TableSections};
use podnet::model::view::NodeView;
use podnet::render;
use podnet::render::style::Style;
use podnet::wire::xt_save;

use crate::support::built::{HOST, Node};
use crate::support::told::text;

macro_rules! recorded {
    ($name:literal) => {
        include_str!(concat!("../../fixtures/rules/ground-truth/", $name))
    };
}

/// The tables of what `iptables-save` wrote.
pub fn saved(text: &str) -> Vec<TableSections> {
    let read = xt_save::parse(text.as_bytes(), Some(Family::Ip));
    assert_eq!(read.issues, []);
    read.value
}

/// What a namespace with these tables would tell.
pub fn sections(mut contents: Vec<TableSections>) -> NetfilterSections {
    contents.sort_by(|one, other| one.table.cmp(&other.table));
    let chains = contents.iter().flat_map(|table| &table.chains.value).map(|rules| rules.chain.clone());
    let mut bases: Vec<_> = chains.filter(|chain| chain.base.is_some()).collect();
    bases.sort_by_key(|chain| {
        let base = chain.base.clone().unwrap();
        (chain.id.table.family, base.hook, base.priority, chain.id.clone())
    });
    let table = |table: &TableSections| Table {
        id: table.table.clone(),
        handle: None,
        dormant: false,
        owner: None,
        flags: 0,
        objects: None,
        comment: None,
        user_data: podnet::model::text::Bytes::default(),
    };
    NetfilterSections {
        tables: Read::ok(contents.iter().map(table).collect()).section(),
        base_chains: Read::ok(bases).section(),
        contents,
        ..NetfilterSections::default()
    }
}

/// A worker with one bridged pod, default/p2 at 10.200.0.2, and these rules.
fn worker(rules: &str) -> Snapshot {
    let mut node = Node::new("worker-0");
    node.bridge(20, "cnio0", "10.200.0.1/24");
    node.bridged_pod("default/p", 2, 102);
    node.sections(HOST).netfilter = Some(sections(saved(rules)));
    node.done()
}

fn asked(node: &Snapshot, pod: &str) -> Answer<Nat> {
    nat(&[node as &dyn NodeView], &PodQuery::new(pod)).unwrap()
}

/// What the bridge plugin writes, for 10.200.0.2.
const BRIDGE: &str = "*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:CNI-22ce3717d4e9910d49afcda5 - [0:0]
[38:2355] -A POSTROUTING -s 10.200.0.2/32 -m comment --comment \"name: \\\"bridge\\\" id: \\\"f5d1ac9c\\\"\" -j CNI-22ce3717d4e9910d49afcda5
[31:1920] -A CNI-22ce3717d4e9910d49afcda5 -d 10.200.0.0/24 -m comment --comment \"name: \\\"bridge\\\" id: \\\"f5d1ac9c\\\"\" -j ACCEPT
[7:435] -A CNI-22ce3717d4e9910d49afcda5 ! -d 224.0.0.0/4 -m comment --comment \"name: \\\"bridge\\\" id: \\\"f5d1ac9c\\\"\" -j MASQUERADE
COMMIT
";

fn says(rules: &[podnet::analyze::nat::NatRule]) -> Vec<&str> {
    rules.iter().map(|rule| rule.says.as_str()).collect()
}

const OUTSIDE: &str = "what this node routes on to outside 10.200.0.0/24, and is not multicast, takes the address of the \
                       interface it leaves by";

/// Rules of table nat, after the usual base chains and these chains.
fn nat_rules(chains: &[&str], rules: &str) -> String {
    let mut text = "*nat\n".to_owned();
    for chain in ["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"] {
        writeln!(text, ":{chain} ACCEPT [0:0]").expect("a text takes all");
    }
    for chain in chains {
        writeln!(text, ":{chain} - [0:0]").expect("a text takes all");
    }
    format!("{text}{rules}\nCOMMIT\n")
}

#[test]
fn the_bridge_plugins_masquerade_is_told_in_words() {
    let node = worker(BRIDGE);
    let answer = asked(&node, "default/p");
    assert_eq!((says(&answer.data.leaving), answer.exit_code()), (vec![OUTSIDE], 0));
    assert_snapshot!("bridge_nat", text(&answer, render::nat::write, Style::PLAIN));
    let road = trace(&[&node as &dyn NodeView], &PodQuery::new("default/p")).unwrap();
    assert_snapshot!("bridge_trace", text(&road, render::trace::write, Style::PLAIN));
}

#[test]
fn of_a_recorded_node_the_pods_own_chain_and_kube_proxys_mark_are_told() {
    let mut node = Node::new("worker-0");
    node.bridge(20, "cnio0", "10.200.0.1/24");
    node.bridged_pod("default/p", 30, 130);
    let recorded = recorded!("worker-0-iptables-nft.iptables-save-c.txt");
    node.sections(HOST).netfilter = Some(sections(saved(recorded)));
    let answer = asked(&node.done(), "default/p");
    assert_snapshot!("recorded_nat", text(&answer, render::nat::write, Style::PLAIN));
}

#[test]
fn the_portmap_plugins_host_ports_are_told_from_outside_and_from_the_node() {
    let rules = nat_rules(
        &["CNI-HOSTPORT-DNAT", "CNI-HOSTPORT-MASQ", "CNI-HOSTPORT-SETMARK", "CNI-DN-0123", "CNI-DN-other"],
        r#"-A PREROUTING -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT
-A OUTPUT -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT
-A POSTROUTING -m comment --comment "CNI portfwd requiring masquerade" -j CNI-HOSTPORT-MASQ
-A CNI-HOSTPORT-DNAT -p tcp -m multiport --dports 9090 -j CNI-DN-other
-A CNI-HOSTPORT-DNAT -p tcp -m comment --comment "dnat name" -m multiport --dports 8080 -j CNI-DN-0123
-A CNI-HOSTPORT-MASQ -m mark --mark 0x2000/0x2000 -j MASQUERADE
-A CNI-HOSTPORT-SETMARK -j MARK --set-xmark 0x2000/0x2000
-A CNI-DN-0123 -s 10.200.0.0/24 -p tcp -m tcp --dport 8080 -j CNI-HOSTPORT-SETMARK
-A CNI-DN-0123 -s 127.0.0.1/32 -p tcp -m tcp --dport 8080 -j CNI-HOSTPORT-SETMARK
-A CNI-DN-0123 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 10.200.0.2:80
-A CNI-DN-other -p tcp -m tcp --dport 9090 -j DNAT --to-destination 10.200.0.9:80"#,
    );
    let answer = asked(&worker(&rules), "default/p");
    let expected = [
        "what reaches this node to the node's own address, and is tcp, and goes to port 8080, goes to 10.200.0.2:80",
        "what this node itself sends to the node's own address, and is tcp, and goes to port 8080, goes to 10.200.0.2:80",
    ];
    assert_eq!((says(&answer.data.host_ports), answer.exit_code()), (expected.to_vec(), 0));
    let marked = "what this node sends on to the pod, and bears the mark 0x2000/0x2000, takes the address of the interface it leaves by";
    assert_eq!(says(&answer.data.arriving), [marked]);
}

#[test]
fn what_a_rule_asks_of_the_source_is_decided_and_the_rest_is_told() {
    let masquerade = " takes the address of the interface it leaves by";
    let cases: [(&str, Vec<String>); 9] = [
        ("-A POSTROUTING -s 10.200.0.0/16 -j MASQUERADE", vec![format!("what this node routes on{masquerade}")]),
        ("-A POSTROUTING -s 10.201.0.0/16 -j MASQUERADE", vec![]),
        ("-A POSTROUTING ! -s 10.200.0.0/24 -j MASQUERADE", vec![]),
        (
            "-A POSTROUTING -s 10.200.0.0/24 ! -o docker0 -j MASQUERADE",
            vec![format!("what this node routes on, and does not leave by docker0,{masquerade}")],
        ),
        (
            "-A POSTROUTING -m iprange --src-range 10.200.0.1-10.200.0.9 -p udp -j SNAT --to-source 192.0.2.1",
            vec!["what this node routes on, and is udp, takes 192.0.2.1".to_owned()],
        ),
        ("-A POSTROUTING -m addrtype --src-type LOCAL -j MASQUERADE", vec![]),
        ("-A POSTROUTING -m conntrack --ctstate ESTABLISHED -j MASQUERADE", vec![]),
        // What comes after a rule that takes all is never asked.
        ("-A POSTROUTING -j ACCEPT\n-A POSTROUTING -j MASQUERADE", vec![]),
        (
            "-A POSTROUTING -p tcp -d 192.0.2.0/24 -j RETURN\n-A POSTROUTING -j MASQUERADE",
            vec![format!("what this node routes on, unless it goes to 192.0.2.0/24 and is tcp,{masquerade}")],
        ),
    ];
    for (rules, expected) in cases {
        let answer = asked(&worker(&nat_rules(&[], rules)), "default/p");
        assert_eq!(
            (says(&answer.data.leaving), answer.exit_code()),
            (expected.iter().map(String::as_str).collect(), 0),
            "{rules}"
        );
    }
}

#[test]
fn a_goto_ends_the_chain_that_it_stands_in() {
    let rules = "-A POSTROUTING -j A\n-A POSTROUTING -d 192.0.2.1/32 -j MASQUERADE\n-A A -p tcp -g B\n-A A -d 192.0.2.2/32 -j MASQUERADE\n\
                 -A A -g B\n-A A -j MASQUERADE\n-A B -d 192.0.2.3/32 -j MASQUERADE";
    let answer = asked(&worker(&nat_rules(&["A", "B"], rules)), "default/p");
    let end = "takes the address of the interface it leaves by";
    let expected = [
        format!("what this node routes on to 192.0.2.3, and is tcp, {end}"),
        format!("what this node routes on to 192.0.2.2, and is not tcp, {end}"),
        format!("what this node routes on to 192.0.2.3, and is not tcp, {end}"),
        format!("what this node routes on to 192.0.2.1 {end}"),
    ];
    assert_eq!(says(&answer.data.leaving), expected);
}

#[test]
fn what_is_not_decoded_makes_the_rule_unknown() {
    let rules = nat_rules(&[], "-A POSTROUTING -m nosuch --what 1 -j MASQUERADE");
    let mut contents = xt_save::parse(rules.as_bytes(), Some(Family::Ip)).value;
    contents.sort_by(|one, other| one.table.cmp(&other.table));
    let mut node = Node::new("worker-0");
    node.bridge(20, "cnio0", "10.200.0.1/24");
    node.bridged_pod("default/p", 2, 102);
    node.sections(HOST).netfilter = Some(sections(contents));
    let node = node.done();
    let answer = asked(&node, "default/p");
    let [rule] = answer.data.leaving.as_slice() else { panic!("{:?}", answer.data.leaving) };
    assert_eq!(rule.unknown.as_deref(), Some("the match nosuch (revision 0) is not decoded"));
    assert_eq!(answer.exit_code(), 3);
    let road = trace(&[&node as &dyn NodeView], &PodQuery::new("default/p")).unwrap();
    assert!(!road.data.headline.contains("takes"), "{}", road.data.headline);
}

#[test]
fn a_snapshot_without_rules_says_so_once() {
    let mut node = Node::new("worker-0");
    node.bridge(20, "cnio0", "10.200.0.1/24");
    node.bridged_pod("default/p", 2, 102);
    node.sections(HOST).netfilter = None;
    let node = node.done();
    let road = trace(&[&node as &dyn NodeView], &PodQuery::new("default/p")).unwrap();
    assert_eq!((road.issues.len(), road.exit_code()), (1, 3), "{:?}", road.issues);
    let answer = asked(&node, "default/p");
    assert_eq!(answer.issues, road.issues);
}

#[test]
fn loops_depths_and_lengths_have_an_end() {
    // A chain that jumps to itself through another.
    let rules = "-A POSTROUTING -j A\n-A A -j B\n-A B -j A\n-A B -j MASQUERADE";
    let answer = asked(&worker(&nat_rules(&["A", "B"], rules)), "default/p");
    assert_eq!((answer.data.leaving.len(), answer.exit_code()), (1, 3));
    // A thousand chains, each of which jumps to the next.
    let names: Vec<String> = (0..1000).map(|number| format!("C{number}")).collect();
    let mut rules = "-A POSTROUTING -j C0\n".to_owned();
    for number in 1..1000 {
        writeln!(rules, "-A C{} -p tcp -j C{number}", number - 1).expect("a text takes all");
    }
    rules.push_str("-A C999 -j MASQUERADE");
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let answer = asked(&worker(&nat_rules(&names, &rules)), "default/p");
    assert_eq!((answer.data.leaving[0].rules.len(), answer.exit_code()), (1001, 0));
    // Twenty chains, each of which jumps to the next twice: a million ways.
    let names: Vec<String> = (0..24).map(|number| format!("C{number}")).collect();
    let mut rules = "-A POSTROUTING -j C0\n".to_owned();
    for number in 1..24 {
        writeln!(rules, "-A C{0} -p tcp -j C{number}\n-A C{0} -p udp -j C{number}", number - 1)
            .expect("a text takes all");
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let answer = asked(&worker(&nat_rules(&names, &rules)), "default/p");
    assert_eq!(answer.exit_code(), 3);
    // A long chain.
    let mut rules = String::new();
    for number in 0..100_000u32 {
        writeln!(
            rules,
            "-A POSTROUTING -s 10.{}.{}.{}/32 -j ACCEPT",
            32 + (number >> 16),
            (number >> 8) & 255,
            number & 255
        )
        .expect("a text takes all");
    }
    rules.push_str("-A POSTROUTING -j MASQUERADE");
    let answer = asked(&worker(&nat_rules(&[], &rules)), "default/p");
    assert_eq!(answer.data.leaving[0].rules[0].number, 100_001);
}
