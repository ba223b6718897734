//! The cost of an answer follows the question: what each one asks of a node of many pods.

use podnet::analyze::identity::PodQuery;
use podnet::analyze::pods::{PodsQuestion, pods};
use podnet::analyze::trace::trace;
use podnet::analyze::veth::veth;
use podnet::model::view::NodeView;

use crate::support::built::Node;
use crate::support::watched::Watched;

fn node() -> Watched {
    let mut node = Node::new("worker-0");
    node.bridge(20, "cnio0", "10.200.0.1/24");
    for number in 2..12 {
        node.bridged_pod(&format!("default/pod-{number:02}"), number, 100 + number);
    }
    Watched::new(node.done())
}

#[test]
fn trace_by_name_looks_at_the_pods_and_the_hosts_namespace_alone() {
    let node = node();
    trace(&[&node as &dyn NodeView], &PodQuery::new("default/pod-05")).unwrap();
    assert_eq!(
        node.asked(),
        [
            "1000 addresses",
            "1000 fdb",
            "1000 links",
            "1000 neighbours",
            "1000 nsid 5",
            "1000 programs of 105",
            "1000 programs of 2",
            "1000 routes",
            "1000 rules",
            "1000 sysctl bridge.bridge-nf-call-iptables",
            "1000 sysctl ipv4.conf.all.accept_local",
            "1000 sysctl ipv4.conf.all.route_localnet",
            "1000 sysctl ipv4.conf.all.rp_filter",
            "1000 sysctl ipv4.conf.all.src_valid_mark",
            "1000 sysctl ipv4.conf.cnio0.accept_local",
            "1000 sysctl ipv4.conf.cnio0.forwarding",
            "1000 sysctl ipv4.conf.cnio0.route_localnet",
            "1000 sysctl ipv4.conf.cnio0.rp_filter",
            "1000 sysctl ipv4.conf.cnio0.src_valid_mark",
            "1000 sysctl ipv4.ip_forward",
            "1000 witness",
            "2005 addresses",
            "2005 links",
            "2005 neighbours",
            "2005 nsid 0",
            "2005 programs of 3",
            "2005 routes",
            "2005 rules",
            "2005 sysctl ipv4.conf.all.route_localnet",
            "2005 sysctl ipv4.conf.eth0.route_localnet",
            "2005 witness",
            "conntrack",
            "netfilter",
            "netns names",
            "processes of default/pod-05",
            "runtime",
            "sandboxes PodName(\"pod-05\")",
        ]
    );
}

#[test]
fn veth_by_name_reads_no_routes_of_a_bridged_pod() {
    let node = node();
    veth(&[&node as &dyn NodeView], &PodQuery::new("pod-05")).unwrap();
    assert_eq!(
        node.asked(),
        [
            "1000 fdb",
            "1000 links",
            "1000 nsid 5",
            "1000 programs of 105",
            "1000 sysctl bridge.bridge-nf-call-iptables",
            "2005 addresses",
            "2005 links",
            "2005 nsid 0",
            "2005 programs of 3",
            "netns names",
            "sandboxes PodName(\"pod-05\")",
        ]
    );
}

#[test]
fn pods_reads_links_and_addresses_of_each_pod_and_the_hosts_links_once() {
    let node = node();
    pods(&[&node as &dyn NodeView], &PodsQuestion::default());
    let mut expected = vec!["1000 links".to_owned(), "netns names".to_owned(), "runtime".to_owned()];
    expected.push("sandboxes All".to_owned());
    for number in 2..12 {
        expected.push(format!("1000 nsid {number}"));
        for section in ["addresses", "links", "nsid 0"] {
            expected.push(format!("{} {section}", 2000 + number));
        }
    }
    expected.sort();
    assert_eq!(node.asked(), expected);
}

#[test]
fn pods_that_are_not_asked_for_are_not_read() {
    let node = node();
    let question = PodsQuestion { selector: Some("app=pod-05".parse().unwrap()), ..PodsQuestion::default() };
    pods(&[&node as &dyn NodeView], &question);
    assert!(!node.asked().iter().any(|asked| asked.starts_with("2006")));
}

#[test]
fn a_pid_is_asked_for_and_not_searched() {
    let node = node();
    trace(&[&node as &dyn NodeView], &PodQuery::new("51")).unwrap();
    let asked = node.asked();
    assert!(asked.contains(&"process 51".to_owned()) && !asked.contains(&"all namespaces".to_owned()), "{asked:?}");
}
