//! Nodes that are not as kube-proxy of today leaves them: no comments, leftovers, older shapes, two back ends, others
//! at work.

use podnet::analyze::services::types::{
    Behind, FrontKind, KnownBy, Masqueraded, MasqueradedTo, Mode, Policy, Services,
};
use podnet::analyze::services::{ServicesQuery, services};
use podnet::model::issue::{Level, Read};
use podnet::model::link::LinkKind;
use podnet::model::netfilter::recent::{RecentEntry, RecentList};
use podnet::model::snapshot::Snapshot;
use podnet::model::view::NodeView;

use crate::built::{HOST, Node, link};
use crate::oracle::{expected, share, told};
use crate::world::{Rules, TODAY, feed, iptables, worker};

fn ask(node: &Snapshot, text: Option<&str>) -> podnet::analyze::answer::Answer<Services> {
    let query = ServicesQuery { text: text.map(str::to_owned), ..ServicesQuery::default() };
    services(&[node as &dyn NodeView], &query).unwrap()
}

/// Without `-m comment --comment …`.
fn uncommented(text: &str) -> String {
    let mut lines = Vec::new();
    for line in text.lines() {
        let mut line = line.to_owned();
        while let Some(start) = line.find(" -m comment --comment \"") {
            let text = start + " -m comment --comment \"".len();
            let mut end = text;
            while !line[end..].starts_with('"') || line[..end].ends_with('\\') {
                end += 1;
            }
            line.replace_range(start..=end, "");
        }
        lines.push(line);
    }
    lines.join("\n") + "\n"
}

#[test]
fn without_comments_a_service_is_found_by_the_hash_of_its_name() {
    let (four, six) = (uncommented(TODAY[0]), uncommented(TODAY[1]));
    let node = worker(&|netns| iptables(netns, "nft", [&four, &six]));
    let all = ask(&node, None).data;
    // All that have a chain, by its hash; and those that only filter knows, by their address.
    let nameless = all.services.iter().filter(|port| port.name.is_none() && port.known_by == KnownBy::Chain).count();
    assert_eq!(nameless, all.services.len());
    assert!(all.services.iter().any(|port| port.title == "CDGGSHYLG3RE2FKL"));
    assert!(all.services.iter().any(|port| port.title == "10.32.0.186:80"));
    assert!(all.findings.iter().any(|finding| finding.text.contains("the chain's hash stands for the service")));
    let wanted = expected(Rules::Iptables);
    for name in ["default/web:http", "default/dual:http", "default/int-local:http", "kube-system/kube-dns:dns"] {
        let found = ask(&node, Some(name)).data.services;
        let found: Vec<_> = found.iter().map(told).collect();
        let wanted = wanted.iter().find(|port| port["name"] == name).unwrap();
        assert_eq!(found, std::slice::from_ref(wanted), "{name}");
    }
}

#[test]
fn chains_to_which_no_rule_leads_are_leftovers() {
    let left = TODAY[0].replace(
        ":KUBE-SERVICES - [0:0]\n:KUBE-SVC-32JSL5SCJBKBRVFW",
        ":KUBE-SERVICES - [0:0]\n:KUBE-SVC-AAAAAAAAAAAAAAAA - [0:0]\n:KUBE-SEP-BBBBBBBBBBBBBBBB - [0:0]\n:KUBE-SVC-32JSL5SCJBKBRVFW",
    );
    let rules = "-A KUBE-SVC-AAAAAAAAAAAAAAAA -m comment --comment \"default/gone:http -> 10.200.0.9:80\" -j KUBE-SEP-BBBBBBBBBBBBBBBB\n";
    let at = left.rfind("COMMIT").unwrap();
    let left = format!("{}{rules}{}", &left[..at], &left[at..]);
    assert_ne!(left.len(), TODAY[0].len());
    let node = worker(&|netns| iptables(netns, "nft", [&left, TODAY[1]]));
    let data = ask(&node, None).data;
    let found: Vec<_> = data
        .leftovers
        .iter()
        .map(|left| (left.chain.name.to_string(), left.name.as_ref().map(ToString::to_string), left.rules))
        .collect();
    let chain = |name: &str, service: Option<&str>, rules| (name.to_owned(), service.map(str::to_owned), rules);
    assert_eq!(
        found,
        [chain("KUBE-SEP-BBBBBBBBBBBBBBBB", None, 0), chain("KUBE-SVC-AAAAAAAAAAAAAAAA", Some("default/gone:http"), 1)]
    );
    assert_eq!(data.services.len(), expected(Rules::Iptables).len());
}

#[test]
fn the_walkthroughs_rules_of_1_10_are_read() {
    let node = Rules::Walkthrough.node();
    let data = ask(&node, None).data;
    let told: Vec<_> = data
        .services
        .iter()
        .map(|port| {
            let fronts: Vec<String> =
                port.addresses.iter().map(|front| format!("{}:{}", front.address, front.port)).collect();
            let endpoints: Vec<String> = port
                .endpoints
                .iter()
                .map(|one| format!("{} {}:{}", share(one.cluster).unwrap(), one.address, one.port))
                .collect();
            let node_port = port.node_port.as_ref().map(|node_port| node_port.port);
            (port.title.as_str(), port.known_by, fronts.join(" "), node_port, endpoints.join(" "))
        })
        .collect();
    let row = |title, known_by, fronts: &str, node_port, endpoints: &str| {
        (title, known_by, fronts.to_owned(), node_port, endpoints.to_owned())
    };
    assert_eq!(
        told,
        [
            row("default/empty", KnownBy::Comment, "10.32.0.99:80", None, ""),
            row("default/nginx", KnownBy::Hash, "10.32.0.53:80", Some(31088), "1/1 10.200.1.18:80"),
            row("kube-system/kube-dns:dns", KnownBy::Hash, "10.32.0.10:53", None, "1/1 10.200.0.27:53"),
            row("kube-system/kube-dns:dns-tcp", KnownBy::Hash, "10.32.0.10:53", None, "1/1 10.200.0.27:53"),
        ]
    );
    let nginx = &data.services[1];
    assert_eq!((nginx.internal_policy, nginx.external_policy), (Some(Policy::Cluster), Some(Policy::Cluster)));
    let masqueraded: Vec<_> = nginx.masquerades.iter().map(|found| (&found.who, found.to)).collect();
    assert_eq!(
        masqueraded,
        [
            (&Masqueraded::All, MasqueradedTo::External),
            (&Masqueraded::OutsideOf { range: "10.200.0.0/16".parse().unwrap() }, MasqueradedTo::ClusterIp),
            (&Masqueraded::Hairpin { endpoint: "10.200.1.18".parse().unwrap() }, MasqueradedTo::Endpoint),
        ]
    );
    assert_eq!(ask(&node, Some("default/nginx:")).data.services.len(), 1);
}

#[test]
fn rules_of_1_20_with_a_limited_load_balancer_and_policy_local_are_read() {
    let node = worker(&|netns| {
        feed(netns, &["iptables-nft-restore"], include_str!("../../fixtures/services/kube-proxy-1.20.save"));
    });
    let data = ask(&node, None).data;
    assert_eq!(data.services.len(), 1);
    let port = &data.services[0];
    assert_eq!((port.title.as_str(), port.known_by), ("default/lb:http", KnownBy::Hash));
    assert_eq!((port.internal_policy, port.external_policy), (Some(Policy::Cluster), Some(Policy::Local)));
    let ranges: Vec<String> = port.source_ranges.iter().map(|range| range.range.to_string()).collect();
    assert_eq!(ranges, ["203.0.113.0/24"]);
    let kinds: Vec<_> = port.addresses.iter().map(|front| (front.kind, front.address.to_string())).collect();
    assert_eq!(
        kinds,
        [(FrontKind::ClusterIp, "10.32.0.60".to_owned()), (FrontKind::LoadBalancerIp, "203.0.113.60".to_owned())]
    );
    let shares: Vec<_> = port
        .endpoints
        .iter()
        .map(|one| (one.address.to_string(), share(one.cluster), share(one.local), one.behind == Behind::NotHere))
        .collect();
    let half = Some("1/2".to_owned());
    assert_eq!(
        shares,
        [
            ("10.200.0.33".to_owned(), half.clone(), Some("1/1".to_owned()), false),
            ("10.200.1.25".to_owned(), half, None, true)
        ]
    );
}

#[test]
fn clients_that_are_bound_are_told_as_long_as_they_are() {
    let mut node = Rules::Iptables.node();
    let sections = node.netns.iter_mut().find(|sections| sections.id.ino == HOST).unwrap();
    let netfilter = sections.netfilter.as_mut().unwrap();
    let entry = |address: &str, age_ms| RecentEntry {
        address: address.parse().unwrap(),
        ttl: 64,
        age_ms,
        last_seen_jiffies: 4_295_511_497,
        stamps: 9,
    };
    let entries =
        vec![entry("10.200.0.30", Some(8_000)), entry("10.200.0.31", Some(600_000)), entry("10.200.0.99", None)];
    let name = "KUBE-SEP-J35HASIHPTI2XFHW";
    netfilter.recent.retain(|(list, _)| *list != name);
    netfilter.recent.push((name.into(), Read::ok(Some(RecentList { entries })).section()));
    let port = ask(&node, Some("web-affinity")).data.services.remove(0);
    let affinity = port.affinity.unwrap();
    let clients: Vec<_> =
        affinity.clients.iter().map(|one| (one.client.to_string(), one.endpoint.to_string(), one.expires_ms)).collect();
    let bound = |client: &str, left| (client.to_owned(), "10.200.0.33:80".to_owned(), left);
    // What is over is over, listed or not.
    assert_eq!(clients, [bound("10.200.0.30", Some(592_000)), bound("10.200.0.99", None)]);
    assert_eq!((affinity.timeout_s, affinity.complete), (Some(600), false));
}

#[test]
fn both_back_ends_are_told_with_who_owns_what() {
    let node = worker(&|netns| {
        iptables(netns, "legacy", TODAY);
        feed(netns, &["iptables-nft-restore"], include_str!("../../fixtures/services/kube-proxy-1.10.save"));
    });
    let answer = ask(&node, None);
    assert_eq!(answer.data.proxies[0].mode, Mode::Mixed);
    let said: Vec<_> = answer.issues.iter().filter(|issue| issue.what.contains("both back ends")).collect();
    assert_eq!(said.len(), 1);
    assert_eq!(said[0].level, Level::Note);
    assert_eq!(
        said[0].why.detail(),
        "nf_tables has chains of kube-proxy, the kubelet; legacy tables have chains of kube-proxy, the bridge plugin, \
         the kubelet; a packet meets both"
    );
    // Each back end has its own kube-dns.
    let dns = answer.data.services.iter().filter(|port| port.title == "kube-system/kube-dns:dns").count();
    assert_eq!(dns, 2);
}

#[test]
fn ipvs_and_bpf_are_unknown_and_said_to_be() {
    let mut node = Node::new("worker-0");
    node.add(HOST, link(9, "kube-ipvs0", LinkKind::Physical));
    let answer = ask(&node.done(), Some("web"));
    assert_eq!((answer.data.proxies[0].mode, answer.data.services.len()), (Mode::Ipvs, 0));
    assert_eq!(answer.exit_code(), 3);
    assert!(answer.issues[0].why.detail().contains("kube-ipvs0"), "{:?}", answer.issues);

    let mut node = Node::new("worker-0");
    node.program(HOST, 2, "tc_ingress", "cil_from_netdev", 7);
    let answer = ask(&node.done(), None);
    assert_eq!((answer.data.proxies[0].mode, answer.exit_code()), (Mode::Bpf, 3));
    assert!(answer.issues[0].why.detail().starts_with("cil_from_netdev at eth0 tc_ingress"), "{:?}", answer.issues);
}

#[test]
fn a_rule_that_is_not_read_makes_the_answer_incomplete() {
    let rule = "-A KUBE-SVC-CDGGSHYLG3RE2FKL -m ttl --ttl-eq 3 -j KUBE-SEP-LLI7U4YSKAEI2E6M\n";
    let at = TODAY[0].find("[1:60] -A KUBE-SVC-CDGGSHYLG3RE2FKL").unwrap();
    let text = format!("{}{rule}{}", &TODAY[0][..at], &TODAY[0][at..]);
    let node = worker(&|netns| iptables(netns, "nft", [&text, TODAY[1]]));
    let answer = ask(&node, Some("web"));
    assert_eq!(answer.exit_code(), 3);
    assert!(
        answer.issues.iter().any(|issue| issue.what == "KUBE-SVC-CDGGSHYLG3RE2FKL of table ip nat"),
        "{:?}",
        answer.issues
    );
    assert_eq!(ask(&node, Some("nginx")).exit_code(), 0);
}
