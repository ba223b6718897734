//! Equal ifindexes in different namespaces are normal, and must never be taken for one another.

use std::collections::BTreeSet;

use serde_json::json;

use crate::check::{assert_identity, assert_links, netns_id, row};
use crate::shape::{ip_links, podnet_link};
use crate::support::{CniConf, PodSpec, Worker};

#[test]
fn many_pods_share_one_ifindex_with_an_unrelated_link_of_the_host() {
    let worker = Worker::start(&CniConf::bridge());
    let specs: Vec<_> = (0..8).map(|i| PodSpec::new("default", &format!("web-{i}"))).collect();
    let pods = worker.run_pods(&specs, 2);
    // The trap is set: each pod's eth0 has the ifindex of the worker's own uplink.
    let uplink = worker.ip("link show dev eth0")[0]["ifindex"].clone();
    for pod in &pods {
        let eth0 = worker.ip_in(worker.pause_pid(pod), "link show dev eth0");
        assert_eq!(eth0[0]["ifindex"], uplink);
    }
    let answer = worker.podnet_json(&["pods"]);
    let mut ends = BTreeSet::new();
    for pod in &pods {
        assert_identity(&worker, row(answer.data(&[0]), pod), pod);
        assert_links(&worker, pod);
        let veth = worker.podnet_json(&["veth", &pod.full_name()]);
        ends.insert(veth.data(&[0])["interfaces"][0]["other_end"]["link"]["name"].to_string());
    }
    assert_eq!(ends.len(), pods.len(), "each pod has an end of its own: {ends:?}");
    assert!(!ends.contains("\"eth0\""));
}

#[test]
fn a_veth_whose_other_end_was_moved_to_a_third_namespace_is_found_there() {
    let worker = Worker::start(&CniConf::bridge());
    let pod = worker.run_pod(&PodSpec::new("default", "moved"));
    let third = worker.run_pod(&PodSpec::new("default", "third"));
    let (pid, third_pid) = (worker.pause_pid(&pod), worker.pause_pid(&third));
    let index = &worker.ip_in(pid, "link show dev eth0")[0]["link_index"];
    let host = worker.ip("link");
    let end = host.as_array().expect("links").iter().find(|link| link["ifindex"] == *index).expect("the other end");
    let end = end["ifname"].as_str().expect("a name");
    worker.exec(&["ip", "link", "set", end, "netns", &third_pid.to_string(), "name", "moved0"]);
    worker.exec_in(third_pid, &["ip", "link", "set", "moved0", "up"]);

    let answer = worker.podnet_json(&["veth", "default/moved"]);
    let interface = &answer.data(&[0, 1])["interfaces"][0];
    let there = ip_links(&worker.ip_in(third_pid, "-d link"));
    let moved = there.iter().find(|link| link["name"] == "moved0").expect("the moved end");
    let told = &interface["other_end"];
    assert_eq!(podnet_link(&told["link"]), *moved);
    assert_eq!(told["netns"]["id"], netns_id(&worker, third_pid));
    assert_eq!(told["netns"]["role"], "third");
    assert_eq!(told["agreement"], json!({ "state": "both" }));
    assert_eq!(told["link"]["link"], interface["link"]["ifindex"]);
}

#[test]
fn both_ends_of_a_veth_in_the_pods_own_namespace() {
    let worker = Worker::start(&CniConf::bridge());
    let pod = worker.run_pod(&PodSpec::new("default", "inner"));
    let pid = worker.pause_pid(&pod);
    worker.exec_in(pid, &["ip", "link", "add", "in0", "type", "veth", "peer", "name", "in1"]);
    worker.exec_in(pid, &["ip", "link", "set", "in0", "up"]);
    worker.exec_in(pid, &["ip", "link", "set", "in1", "up"]);

    let answer = worker.podnet_json(&["veth", "default/inner"]);
    let interfaces = answer.data(&[0, 1])["interfaces"].as_array().expect("interfaces").clone();
    let links = ip_links(&worker.ip_in(pid, "-d link"));
    let told: Vec<_> = interfaces.iter().map(|interface| podnet_link(&interface["link"])).collect();
    assert_eq!(told, links[1..]);
    let ends: Vec<_> = interfaces
        .iter()
        .map(|interface| {
            let end = &interface["other_end"];
            (interface["link"]["name"].clone(), end["link"]["name"].clone(), end["netns"]["role"].clone())
        })
        .collect();
    let eth0_end = ends[0].1.clone();
    assert_eq!(
        ends,
        [
            (json!("eth0"), eth0_end, json!("host")),
            // The second of a pair is made first.
            (json!("in1"), json!("in0"), json!("pod")),
            (json!("in0"), json!("in1"), json!("pod")),
        ]
    );
}
