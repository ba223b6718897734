//! `nat` and the masquerade step of `trace`, on rules that real programs wrote and on small ones.

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
fn saved(text: &str) -> Vec<TableSections> {
    let read = xt_save::parse(text.as_bytes(), Some(Family::Ip));
    assert_eq!(read.issues, []);
    read.value
}

/// What a namespace with these tables would tell.
fn sections(mut contents: Vec<TableSections>) -> NetfilterSections {
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

#[test]
fn the_bridge_plugins_masquerade_is_told_in_words() {
    let node = worker(BRIDGE);
    let answer = asked(&node, "default/p");
    println!("{}", text(&answer, render::nat::write, Style::PLAIN));
    let road = trace(&[&node as &dyn NodeView], &PodQuery::new("default/p")).unwrap();
    println!("{}", text(&road, render::trace::write, Style::PLAIN));
    println!("{:?} {:?}", answer.issues, road.issues);
    let said: Vec<_> = answer.data.leaving.iter().map(|rule| rule.says.as_str()).collect();
    assert_eq!(
        said,
        [
            "what this node routes on to outside 10.200.0.0/24, and is not multicast, takes the address of the interface it leaves by"
        ]
    );
}

#[test]
fn recorded() {
    let mut node = Node::new("worker-0");
    node.bridge(20, "cnio0", "10.200.0.1/24");
    node.bridged_pod("default/p", 30, 130);
    node.sections(HOST).netfilter = Some(sections(saved(recorded!("worker-0-iptables-nft.iptables-save-c.txt"))));
    let node = node.done();
    let answer = asked(&node, "default/p");
    println!("{}", text(&answer, render::nat::write, Style::PLAIN));
    println!("{:?}", answer.issues);
}
