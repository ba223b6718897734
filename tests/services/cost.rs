//! The cost of an answer follows the question: which chains, sets and elements each one reads.

use std::sync::Arc;

use podnet::analyze::services::{ServicesQuery, services};
use podnet::model::view::NodeView;

use crate::watched::Watched;
use crate::world::Rules;

/// What a question asks of IPv4's tables, without what every question asks: whether the rules are hooked in,
/// and what comes before them.
fn asked(rules: Rules, text: Option<&str>, endpoints_only: bool) -> Vec<String> {
    let node = Watched::of_rules(rules.node());
    let query = ServicesQuery { text: text.map(str::to_owned), endpoints_only, ..ServicesQuery::default() };
    services(&[&node as &dyn NodeView], &query).unwrap();
    let all = node.asked();
    assert!(all.contains(&"tables".to_owned()));
    let hooked = [
        "ip nat PREROUTING",
        "ip nat OUTPUT",
        "ip kube-proxy nat-prerouting",
        "ip kube-proxy nat-output",
        "tables",
        // What others may have put before them.
        "ip mangle PREROUTING",
        "ip mangle OUTPUT",
        "ip raw PREROUTING",
        "ip raw OUTPUT",
        "ip prerouting hook",
        "ip output hook",
        // Tables that hold little are looked through for base chains of other names.
        "base chains",
        // What is dropped behind the translation.
        "ip filter FORWARD",
        "ip filter INPUT",
        "ip filter KUBE-FIREWALL",
        "ip filter KUBE-FORWARD",
        "ip mangle FORWARD",
        "ip mangle INPUT",
        "ip mangle POSTROUTING",
        "routes",
    ];
    all.into_iter().filter(|what| !what.starts_with("ip6 ") && !hooked.contains(&what.as_str())).collect()
}

/// What is looked at beside the rules: who else may serve, and whose address it is.
const BESIDE: [&str; 6] = ["addresses", "cgroup programs", "ipvs", "links", "programs of a link", "sandboxes"];

fn and_beside(rules: &[&str]) -> Vec<String> {
    let mut all: Vec<String> = rules.iter().chain(&BESIDE).map(ToString::to_string).collect();
    all.sort();
    all
}

#[test]
fn endpoints_of_a_whole_name_read_its_own_chains_alone() {
    assert_eq!(
        asked(Rules::Iptables, Some("default/web:http"), true),
        [
            "ip nat KUBE-SEP-7CRWI2PNIAMPTSVK",
            "ip nat KUBE-SEP-JPXNTR7XZ56M76IZ",
            "ip nat KUBE-SEP-LLI7U4YSKAEI2E6M",
            "ip nat KUBE-SVC-CDGGSHYLG3RE2FKL",
            "ip nat KUBE-SVL-CDGGSHYLG3RE2FKL",
            "ip nat KUBE-XLB-CDGGSHYLG3RE2FKL",
        ]
    );
    assert_eq!(
        asked(Rules::Nftables, Some("default/web:http"), true),
        [
            "ip kube-proxy elements of anonymous",
            "ip kube-proxy local-SUSTUHLJ-default/web/tcp/http",
            "ip kube-proxy service-SUSTUHLJ-default/web/tcp/http",
            // Whether it is there, for another base chain than iptables' own to lead to it.
            "ip nat KUBE-SERVICES",
        ]
    );
}

#[test]
fn by_name_in_iptables_mode_the_chains_where_services_begin_are_read_and_its_own() {
    let expected = and_beside(&[
        "ip filter KUBE-EXTERNAL-SERVICES",
        "ip filter KUBE-NODEPORTS",
        "ip filter KUBE-PROXY-FIREWALL",
        "ip filter KUBE-SERVICES",
        "ip nat KUBE-NODEPORTS",
        "ip nat KUBE-POSTROUTING",
        "ip nat KUBE-SEP-7CRWI2PNIAMPTSVK",
        "ip nat KUBE-SEP-JPXNTR7XZ56M76IZ",
        "ip nat KUBE-SEP-LLI7U4YSKAEI2E6M",
        "ip nat KUBE-SERVICES",
        "ip nat KUBE-SVC-CDGGSHYLG3RE2FKL",
        "sockets",
        "sysctl ipv4.conf.all.route_localnet",
    ]);
    for rules in [Rules::Iptables, Rules::IptablesLegacy] {
        for text in ["web", "default/web", "default/web:http", "10.32.0.205", "10.32.0.205:80"] {
            assert_eq!(asked(rules, Some(text), false), expected, "{rules:?} {text}");
        }
    }
}

#[test]
fn by_address_and_port_in_nftables_mode_one_element_of_each_map_is_looked_up() {
    let web = "0a2000cd060000000050000000";
    let key = |protocol: &str| web.replacen("06", protocol, 1)[..24].to_owned();
    let mut expected = vec![
        "ip kube-proxy element 0a2000cd of cluster-ips".to_owned(),
        "ip kube-proxy elements of anonymous".to_owned(),
        "ip kube-proxy elements of nodeport-ips".to_owned(),
        "ip kube-proxy filter-output-pre-dnat".to_owned(),
        "ip kube-proxy filter-prerouting-pre-dnat".to_owned(),
        "ip kube-proxy firewall-check".to_owned(),
        "ip kube-proxy masquerading".to_owned(),
        "ip kube-proxy service-SUSTUHLJ-default/web/tcp/http".to_owned(),
        "ip kube-proxy services".to_owned(),
        "ip nat KUBE-SERVICES".to_owned(),
        "sockets".to_owned(),
        "sysctl ipv4.conf.all.route_localnet".to_owned(),
    ];
    for map in ["firewall-ips", "no-endpoint-services", "service-ips"] {
        expected.extend(["06", "11", "84"].map(|protocol| format!("ip kube-proxy element {} of {map}", key(protocol))));
    }
    for address in ["0ac80021", "0ac80022", "0ac80119"] {
        expected.push(format!("ip kube-proxy element {address}{address}0600000000500000 of hairpin-connections"));
    }
    let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    assert_eq!(asked(Rules::Nftables, Some("10.32.0.205:80"), false), and_beside(&expected));
}

#[test]
fn by_node_port_in_nftables_mode_one_element_of_each_map_is_looked_up() {
    let found = asked(Rules::Nftables, Some("31088"), false);
    let maps: Vec<&String> = found.iter().filter(|what| what.contains("element")).collect();
    // 0x7970, by TCP, UDP and SCTP.
    let mut expected: Vec<String> = Vec::new();
    for map in ["no-endpoint-nodeports", "service-nodeports"] {
        expected
            .extend(["06", "11", "84"].map(|number| format!("ip kube-proxy element {number}00000079700000 of {map}")));
    }
    expected.push("ip kube-proxy element 0ac800200ac800200600000000500000 of hairpin-connections".to_owned());
    expected.extend(["anonymous", "nodeport-ips"].map(|set| format!("ip kube-proxy elements of {set}")));
    expected.sort();
    assert_eq!(maps, expected.iter().collect::<Vec<_>>());
}

/// Where the tables are full, as with 10,000 services, base chains are read by the names that they bear.
#[test]
fn tables_that_are_full_are_not_looked_through_for_one_service_and_the_answer_says_so() {
    for rules in [Rules::Iptables, Rules::Nftables] {
        let mut snapshot = rules.node();
        for rules in snapshot.netns.iter_mut().filter_map(|netns| netns.netfilter.as_mut()) {
            for table in &mut Arc::make_mut(&mut rules.tables).value {
                table.objects = Some(40_000);
            }
        }
        let node = Watched::of_rules(snapshot);
        let query = ServicesQuery { text: Some("10.32.0.205:80".to_owned()), ..ServicesQuery::default() };
        let answer = services(&[&node as &dyn NodeView], &query).unwrap();
        assert!(!node.asked().contains(&"base chains".to_owned()), "{rules:?}");
        let said = answer.data.findings.iter().filter(|finding| finding.text.contains("unusual names"));
        assert_eq!(said.count(), 1, "{rules:?}: {:?}", answer.data.findings);
    }
}

#[test]
fn only_a_list_of_all_and_the_services_of_a_pod_read_whole_tables() {
    for (text, whole) in [(None, true), (Some("pod:web-0"), true), (Some("web"), false), (Some("10.32.0.205"), false)] {
        for rules in Rules::RECORDED {
            let found = asked(rules, text, false);
            assert_eq!(found.iter().any(|what| what.ends_with("all chains")), whole, "{rules:?} {text:?}");
            assert!(!found.iter().any(|what| what.ends_with("ALL RULES")), "{rules:?} {text:?}");
        }
    }
}
