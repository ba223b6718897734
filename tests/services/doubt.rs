//! Rules of somebody else's among kube-proxy's: what they may do is not guessed, and the answer says that it is unsure.

use podnet::analyze::answer::Answer;
use podnet::analyze::services::types::Services;
use podnet::analyze::services::{ServicesError, ServicesQuery, services};
use podnet::model::issue::Level;
use podnet::model::snapshot::Snapshot;
use podnet::model::view::NodeView;

use crate::world::{NFTABLES, TODAY, feed, iptables, worker};

fn ask(node: &Snapshot, text: &str) -> Result<Answer<Services>, ServicesError> {
    let query = ServicesQuery { text: Some(text.to_owned()), ..ServicesQuery::default() };
    services(&[node as &dyn NodeView], &query)
}

/// Why an answer is unsure, one line each.
fn doubts(answer: &Answer<Services>) -> Vec<String> {
    let unsure = answer.issues.iter().filter(|issue| issue.level == Level::Incomplete);
    unsure.map(|issue| format!("{}: {}", issue.what, issue.why.detail())).collect()
}

/// The recorded rules, with one more before the line that has some words.
fn before(words: &str, rule: &str) -> String {
    let at = TODAY[0].find(words).unwrap();
    let line = TODAY[0][..at].rfind('\n').unwrap() + 1;
    format!("{}[0:0] {rule}\n{}", &TODAY[0][..line], &TODAY[0][line..])
}

/// The recorded rules, with more said in the line that has some words.
fn and(words: &str, more: &str) -> String {
    assert!(TODAY[0].contains(words));
    TODAY[0].replacen(words, &format!("{words}{more} "), 1)
}

/// `default/web:http`, whose rules were changed, and the doubt that it leaves.
#[test]
fn in_iptables_mode_each_foreign_rule_leaves_its_doubt() {
    const JUMP: &str = "-A PREROUTING ";
    const SERVICE: &str = "-A KUBE-SERVICES -d 10.32.0.205/32 -p tcp ";
    const FIRST: &str = "-A KUBE-SVC-CDGGSHYLG3RE2FKL -m comment --comment \"default/web:http -> 10.200.0.33:80\" ";
    const LAST: &str = "-A KUBE-SVC-CDGGSHYLG3RE2FKL -m comment --comment \"default/web:http -> 10.200.1.25:80\" ";
    let translates = "-A KUBE-SERVICES -d 10.32.0.0/16 -p tcp -j DNAT --to-destination 192.0.2.9";
    let same = "-A KUBE-SERVICES -d 10.32.0.205/32 -p tcp -m tcp --dport 80 -j KUBE-SVC-FWEJ5PXIIDWNU55J";
    let cases = [
        (and(JUMP, "-i eth9"), "rule 1 of PREROUTING leads to KUBE-SERVICES under a condition"),
        (before(SERVICE, translates), "is not of a shape that kube-proxy writes"),
        (before(SERVICE, "-A KUBE-SERVICES -s 192.0.2.1/32 -j RETURN"), "is not of a shape that kube-proxy writes"),
        (and(SERVICE, "-s 192.0.2.1/32"), "is not of a shape that kube-proxy writes"),
        (and(LAST, "-m statistic --mode random --probability 0.5"), "0.166667 of the packets get to its end"),
        (and(FIRST, "-s 192.0.2.1/32"), "it has a rule that podnet does not read"),
        (before(SERVICE, same), "two rules are for the same address and port"),
    ];
    for (text, expected) in &cases {
        let node = worker(&|netns| iptables(netns, "nft", [text, TODAY[1]]));
        let doubts = doubts(&ask(&node, "10.32.0.205:80").unwrap());
        assert!(doubts.iter().any(|doubt| doubt.contains(expected)), "{expected}: {doubts:#?}");
    }
    // A rule that only counts, or sends other packets round and back, changes nothing.
    let node = worker(&|netns| {
        let text = before(JUMP, "-A PREROUTING -j KUBE-POSTROUTING-OTHERS");
        let text = text.replacen(":KUBE-SERVICES", ":KUBE-POSTROUTING-OTHERS - [0:0]\n:KUBE-SERVICES", 2);
        iptables(netns, "nft", [&text, TODAY[1]]);
    });
    assert_eq!(doubts(&ask(&node, "10.32.0.205:80").unwrap()), Vec::<String>::new());
}

/// Where one of the two base chains alone leads to them, whose packets get there is said.
#[test]
fn where_only_one_base_chain_leads_to_services_it_is_said() {
    for (base, said) in [
        ("-A OUTPUT ", "OUTPUT does not lead to KUBE-SERVICES: this node's own packets get to no service by it"),
        ("-A PREROUTING ", "PREROUTING does not lead to KUBE-SERVICES: others' packets get to no service by it"),
    ] {
        let is_jump = |line: &&str| line.contains(base) && line.ends_with("-j KUBE-SERVICES") && !line.contains("NEW");
        let text: String = TODAY[0].lines().filter(|line| !is_jump(line)).flat_map(|line| [line, "\n"]).collect();
        let node = worker(&|netns| iptables(netns, "nft", [&text, TODAY[1]]));
        let doubts = doubts(&ask(&node, "10.32.0.205:80").unwrap());
        assert_eq!(doubts, [format!("table ip nat: {said}")]);
    }
}

/// A draw behind a rule that is not read has no chance that could be told.
#[test]
fn behind_a_rule_that_is_not_read_chances_are_unknown() {
    let first = TODAY[0].lines().find(|line| line.contains("-A KUBE-SVC-CDGGSHYLG3RE2FKL -m comment")).unwrap();
    let rule = "[0:0] -A KUBE-SVC-CDGGSHYLG3RE2FKL -s 10.200.0.9/32 -j ACCEPT";
    let text = TODAY[0].replacen(first, &format!("{rule}\n{first}"), 1);
    let node = worker(&|netns| iptables(netns, "nft", [&text, TODAY[1]]));
    let answer = ask(&node, "10.32.0.205:80").unwrap();
    let shares: Vec<_> = answer.data.services[0].endpoints.iter().map(|endpoint| endpoint.cluster).collect();
    assert_eq!(shares, [None; 3]);
}

#[test]
fn in_nftables_mode_a_foreign_verdict_is_no_missing_service_and_a_dormant_table_has_none() {
    let node = worker(&|netns| {
        feed(netns, &["nft", "-f", "-"], NFTABLES);
        let change = "delete element ip kube-proxy service-ips { 10.32.0.205 . tcp . 80 }\n\
                      add element ip kube-proxy service-ips { 10.32.0.205 . tcp . 80 : accept }\n";
        feed(netns, &["nft", "-f", "-"], change);
    });
    let answer = ask(&node, "10.32.0.205:80").unwrap();
    assert!(answer.data.services.is_empty());
    assert!(doubts(&answer).iter().any(|doubt| doubt.contains("it has an element that podnet does not read")));
    // Another address is not touched by it.
    assert_eq!(doubts(&ask(&node, "10.32.0.10:53").unwrap()), Vec::<String>::new());

    let dormant = NFTABLES.replacen("table ip kube-proxy {", "table ip kube-proxy {\n\tflags dormant", 1);
    assert_ne!(dormant, NFTABLES);
    let node = worker(&|netns| feed(netns, &["nft", "-f", "-"], &dormant));
    assert!(matches!(ask(&node, "10.32.0.205:80"), Err(ServicesError::NotFound { .. })));
}

/// A way to choose that is not read hides endpoints: that is not to have none.
#[test]
fn endpoints_behind_a_rule_that_is_not_read_are_not_missing() {
    let node = worker(&|netns| {
        feed(netns, &["nft", "-f", "-"], NFTABLES);
        let chain = "ip kube-proxy service-SUSTUHLJ-default/web/tcp/http";
        let draw = "numgen inc mod 2 map { 0 : 10.1.1.1 . 80, 1 : 10.1.1.2 . 80 }";
        let change = format!("flush chain {chain}\nadd rule {chain} meta l4proto tcp dnat ip to {draw}\n");
        feed(netns, &["nft", "-f", "-"], &change);
    });
    let answer = ask(&node, "10.32.0.205:80").unwrap();
    let [port] = answer.data.services.as_slice() else { panic!("{:?}", answer.data.services) };
    assert!(port.endpoints.is_empty() && !port.whole);
    assert!(answer.data.findings.iter().all(|finding| !finding.text.contains("no endpoints")));
}

#[test]
fn where_two_modes_are_hooked_in_which_of_them_decides_is_unknown() {
    let node = worker(&|netns| {
        iptables(netns, "nft", TODAY);
        feed(netns, &["nft", "-f", "-"], NFTABLES);
    });
    let doubts = doubts(&ask(&node, "10.32.0.205:80").unwrap());
    assert!(doubts.iter().any(|doubt| doubt.contains("several sets of kube-proxy's rules")), "{doubts:#?}");
}
