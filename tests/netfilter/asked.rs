//! `nat` and `rules` on rules that the programs wrote and the kernel holds, live and from a snapshot.

use podnet::analyze::identity::PodQuery;
use podnet::analyze::nat::nat;
use podnet::analyze::rules::{RulesQuery, rules};
use podnet::model::netfilter::chain::Hook;
use podnet::model::snapshot::{NetfilterSections, Snapshot};
use podnet::model::view::NodeView;
use podnet::render;
use podnet::render::style::Style;

use crate::built::{HOST, Node};
use crate::restored::{feed, live};
use crate::testbed::Netns;

/// A worker with these rules and pods at 10.200.0.30 and .31.
pub fn worker(netns: &Netns) -> Snapshot {
    let live = live(netns);
    let taken = NetfilterSections::take(live.netfilter(), live.node().host_netns);
    let mut node = Node::new("worker-0");
    node.bridge(20, "cnio0", "10.200.0.1/24");
    node.bridged_pod("default/p", 30, 130);
    node.bridged_pod("default/q", 31, 131);
    node.sections(HOST).netfilter = Some(taken);
    node.done()
}

#[test]
fn the_nftables_of_the_plugins_are_told_as_their_iptables_are() {
    let netns = Netns::new();
    feed(&netns, &["nft", "-f", "-"], include_str!("../../fixtures/rules/nft/cni.nft"));
    let node = worker(&netns);
    let answer = nat(&[&node as &dyn NodeView], &PodQuery::new("default/p")).unwrap();
    let says = |rules: &[podnet::analyze::nat::NatRule]| rules.iter().map(|rule| rule.says.clone()).collect::<Vec<_>>();
    let end = "takes the address of the interface it leaves by";
    let leaving = [
        format!("what this node routes on to 10.200.0.30 {end}"),
        format!("what this node routes on to outside 10.200.0.0/24, and is not multicast, {end}"),
    ];
    assert_eq!(says(&answer.data.leaving), leaving);
    let ports = [
        "what reaches this node to 192.168.0.2, and is tcp, and goes to port 8083, goes to 10.200.0.30:80",
        "what reaches this node, and is tcp, and goes to port 8080, goes to 10.200.0.30:80",
        "what this node itself sends to 192.168.0.2, and is tcp, and goes to port 8083, goes to 10.200.0.30:80",
        "what this node itself sends to the node's own address, and is tcp, and goes to port 8080, goes to 10.200.0.30:80",
    ];
    assert_eq!(says(&answer.data.host_ports), ports);
    assert_eq!(
        says(&answer.data.arriving),
        [format!("what this node sends on to the pod, and comes from 127.0.0.1, {end}")]
    );
    assert_eq!(answer.exit_code(), 0, "{:?}", answer.issues);
}

#[test]
fn a_table_is_listed_as_the_programs_list_it() {
    let netns = Netns::new();
    feed(&netns, &["nft", "-f", "-"], include_str!("../../fixtures/rules/nft/cni.nft"));
    feed(
        &netns,
        &["iptables-nft-restore"],
        "*nat\n:PREROUTING ACCEPT\n:INPUT ACCEPT\n:OUTPUT ACCEPT\n:POSTROUTING ACCEPT\n:X -\n-A POSTROUTING -s 10.0.0.0/8 -j X\n-A X -j MASQUERADE\nCOMMIT\n",
    );
    feed(&netns, &["iptables-legacy-restore"], "*nat\n-A POSTROUTING -s 10.0.0.0/8 -j MASQUERADE\nCOMMIT\n");
    let node = worker(&netns);
    let listed = |words: &[&str]| {
        let words: Vec<_> = words.iter().map(|word| (*word).into()).collect();
        let query = RulesQuery::of_words(&words, None, None).unwrap();
        let mut out = Vec::new();
        let answer = rules(&[&node as &dyn NodeView], &query).unwrap();
        assert!(answer.issues.iter().any(|issue| issue.what == "rules of both back ends are hooked in"));
        render::rules::write(&answer, Style::PLAIN, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    // iptables writes no handles, and comments with the time.
    let without_remarks =
        |text: &str| text.lines().filter(|line| !line.starts_with('#')).map(ToOwned::to_owned).collect::<Vec<_>>();
    for (program, words) in [("iptables-nft-save", "ip nat"), ("iptables-legacy-save", "legacy ip nat")] {
        let words: Vec<_> = words.split(' ').collect();
        let words: Vec<&str> = if words.len() == 2 { [&["nft"], words.as_slice()].concat() } else { words };
        assert_eq!(
            without_remarks(&listed(&words)),
            without_remarks(&feed(&netns, &[program, "-c", "-t", "nat"], "")),
            "{program}"
        );
    }
    let ambiguous = RulesQuery::of_words(&["nat".into()], None, None).unwrap();
    let error = rules(&[&node as &dyn NodeView], &ambiguous).unwrap_err().to_string();
    assert_eq!(error, "\"nat\" is ambiguous: podnet rules nft ip nat, podnet rules legacy ip nat");
    // All words of each line, for tabs and the table's own line differ by version.
    let words_of = |text: &str| {
        let lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
        lines
            .filter(|line| !line.is_empty() && !line.starts_with("table ") && !line.starts_with("comment "))
            .collect::<Vec<_>>()
    };
    let theirs = feed(&netns, &["nft", "-nn", "-a", "list", "table", "ip", "cni_hostport"], "");
    let mut theirs = words_of(&theirs);
    let mut ours = words_of(&listed(&["ip", "cni_hostport"]));
    theirs.sort();
    ours.sort();
    assert_eq!(ours, theirs);
}

#[test]
fn at_a_hook_all_back_ends_stand_in_the_order_of_their_priorities() {
    let netns = Netns::new();
    feed(
        &netns,
        &["iptables-legacy-restore"],
        "*nat\n-A POSTROUTING -j MASQUERADE\nCOMMIT\n*mangle\n-A POSTROUTING -j ACCEPT\nCOMMIT\n",
    );
    let script = "table inet a {\n chain x { type nat hook postrouting priority -5; }\n chain y { type filter hook postrouting priority 150; policy drop; }\n}
                  table ip b { flags dormant\n chain z { type filter hook postrouting priority 0; }\n}\n";
    feed(&netns, &["nft", "-f", "-"], script);
    let node = live(&netns);
    let query = RulesQuery { hook: Some(Hook::Postrouting), ..RulesQuery::default() };
    let answer = rules(&[&node as &dyn NodeView], &query).unwrap();
    let first = &answer.data.hooks[0];
    let places: Vec<_> = first
        .places
        .iter()
        .map(|place| {
            let chains = place.chains.iter().map(|found| {
                format!("{} {}{}", found.table.name, found.chain.name, if found.dormant { " dormant" } else { "" })
            });
            (place.priority, place.order_known, chains.collect::<Vec<_>>())
        })
        .collect();
    let expected = [
        (-150, true, vec!["mangle POSTROUTING".to_owned()]),
        (0, true, vec!["b z dormant".to_owned()]),
        // nat's own place, whatever priority its chains have.
        (100, true, vec!["a x".to_owned(), "nat POSTROUTING".to_owned()]),
        (150, true, vec!["a y".to_owned()]),
    ];
    assert_eq!(places, expected);
}
