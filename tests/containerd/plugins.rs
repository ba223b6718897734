//! Each CNI plugin's pods, whole: identity, both ends, port, routes.

use serde_json::json;

use crate::check::{assert_identity, assert_links, assert_pod, row};
use crate::support::{CniConf, PodSpec, Worker};

#[test]
fn bridge_pods_are_what_ctr_ip_and_bridge_say() {
    let worker = Worker::start(&CniConf::bridge());
    let web = worker.run_pod(&PodSpec::new("default", "web-0").label("app", "web").container("nginx", 2));
    let by_hand = worker.run_pod(&PodSpec::new("kube-system", "by-hand").by_hand());
    for pod in [&web, &by_hand] {
        assert_pod(&worker, pod);
    }
}

#[test]
fn ptp_pods_have_a_host_route_and_no_bridge() {
    let worker = Worker::start(&CniConf::ptp());
    let pods = worker.run_pods(&[PodSpec::new("default", "a"), PodSpec::new("default", "b")], 1);
    for pod in &pods {
        assert_pod(&worker, pod);
    }
}

#[test]
fn macvlan_pods_name_their_parent() {
    let worker = Worker::start(&CniConf::macvlan());
    let pod = worker.run_pod(&PodSpec::new("default", "a"));
    assert_pod(&worker, &pod);
    let answer = worker.podnet_json(&["veth", "a"]);
    let end = &answer.data(&[0])["interfaces"][0]["other_end"];
    assert_eq!((&end["kind"], &end["link"]["name"]), (&json!("parent"), &json!("eth0")));
}

#[test]
fn a_pod_with_two_interfaces_has_both() {
    let worker = Worker::start(&CniConf::bridge());
    let pod = worker.run_pod(&PodSpec::new("default", "two"));
    worker.attach(&pod, worker.pause_pid(&pod), &CniConf::second_bridge(), "net1");
    assert_pod(&worker, &pod);
    let answer = worker.podnet_json(&["veth", "two"]);
    let bridges: Vec<_> = answer.data(&[0])["interfaces"]
        .as_array()
        .expect("interfaces")
        .iter()
        .map(|interface| (&interface["link"]["name"], &interface["other_end"]["plugged"]["bridge"]["name"]))
        .collect();
    assert_eq!(bridges, [(&json!("eth0"), &json!("cnio0")), (&json!("net1"), &json!("cnio1"))]);
}

#[test]
fn a_host_network_pod_is_in_the_nodes_own_namespace() {
    let worker = Worker::start(&CniConf::bridge());
    let pod = worker.run_pod(&PodSpec::new("default", "hostnet").host_network());
    let neighbour = worker.run_pod(&PodSpec::new("default", "beside"));
    let answer = worker.podnet_json(&["pods"]);
    let own = row(answer.data(&[0]), &pod);
    assert_identity(&worker, own, &pod);
    assert_eq!(own["host_network"], true);
    assert_links(&worker, &neighbour);
    let answer = worker.podnet_json(&["veth", "hostnet"]);
    let names: Vec<_> = answer.data(&[0])["interfaces"]
        .as_array()
        .expect("interfaces")
        .iter()
        .map(|interface| interface["link"]["name"].clone())
        .collect();
    assert_eq!(names, ["eth0", "cnio0"]);
}

#[test]
fn the_containers_of_a_pod_are_told_with_their_processes() {
    let worker = Worker::start(&CniConf::bridge());
    let pod = worker.run_pod(&PodSpec::new("default", "web-0").container("nginx", 2).container("sidecar", 0));
    let answer = worker.podnet_json(&["trace", "web-0"]);
    let text = answer.data(&[0]).to_string();
    for (name, id) in &pod.containers {
        assert!(text.contains(id) && text.contains(&format!("\"{name}\"")), "{name} {id} in {text}");
    }
    let beside = worker.podnet_beside(&["pods"]);
    assert_identity(&worker, row(beside.data(&[0]), &pod), &pod);
}
