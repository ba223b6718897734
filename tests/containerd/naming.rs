//! A pod is found by each of its names, numbers and addresses; several attempts are one pod.

use serde_json::Value;

use crate::check::{netns_id, row, rows};
use crate::support::{CniConf, PodSpec, Worker};

#[test]
fn every_way_to_name_a_pod_finds_the_same_sandbox() {
    let worker = Worker::start(&CniConf::bridge());
    let pod = worker.run_pod(&PodSpec::new("default", "nginx-65899c769f-wxdx6").container("nginx", 1));
    let other = worker.run_pod(&PodSpec::new("kube-system", "nginx-canary"));
    let pid = worker.pause_pid(&pod);
    let app = worker.task_pid(&pod.containers[0].1);
    let address =
        worker.ip_in(pid, "addr show dev eth0")[0]["addr_info"][0]["local"].as_str().expect("an address").to_owned();
    let (_, inode) = worker.netns_of(pid);
    let names = worker.exec(&["ls", "/run/netns"]);
    let bound =
        names.lines().find(|name| worker.stat(&format!("/run/netns/{name}")).1 == inode).expect("its bound name");

    let ways = [
        pod.name.clone(),
        pod.full_name(),
        "nginx-6".to_owned(),
        "default/nginx".to_owned(),
        "pod:nginx-65899c769f-wxdx6".to_owned(),
        address.clone(),
        format!("ip:{address}"),
        pod.sandbox.clone(),
        pod.sandbox[..12].to_owned(),
        format!("id:{}", &pod.sandbox[..12]),
        pod.containers[0].1[..12].to_owned(),
        pid.to_string(),
        format!("pid:{app}"),
        bound.to_owned(),
        format!("netns:{bound}"),
        inode.to_string(),
        format!("netns:{inode}"),
    ];
    for way in &ways {
        let answer = worker.podnet_json(&["veth", way]);
        assert_eq!(answer.data(&[0])["pod"]["sandbox"], pod.sandbox.as_str(), "{way}");
    }
    let in_namespace = worker.podnet_json(&["-n", "kube-system", "veth", "nginx"]);
    assert_eq!(in_namespace.data(&[0])["pod"]["sandbox"], other.sandbox.as_str());

    let ambiguous = worker.podnet(&["veth", "nginx"]);
    ambiguous.expect(&[2]);
    for candidate in [pod.full_name(), other.full_name()] {
        assert!(ambiguous.stderr.contains(&candidate), "{}", ambiguous.stderr);
    }
    assert!(ambiguous.stdout.is_empty());
    worker.podnet(&["veth", "no-such-pod"]).expect(&[2]);
}

#[test]
fn of_several_sandboxes_of_a_pod_the_ready_one_is_told() {
    let worker = Worker::start(&CniConf::bridge());
    let first = PodSpec::new("default", "web-0");
    let old = worker.run_pod(&first);
    worker.stop_pod(&old);
    let new = worker.run_pod(&first.clone().attempt(1));
    let answer = worker.podnet_json(&["pods"]);
    assert_eq!(row(answer.data(&[0]), &new)["sandbox"], new.sandbox.as_str());
    let all = worker.podnet_json(&["pods", "--all"]);
    let told: Vec<_> = rows(all.data(&[0])).iter().map(|row| (row["sandbox"].clone(), row["state"].clone())).collect();
    assert_eq!(told, [(new.sandbox.into(), "ready".into()), (old.sandbox.into(), Value::from("not_ready"))]);
}

/// As with a node in a container whose pid namespace podnet is not in: the runtime's numbers name
/// other processes here, and must not be believed.
#[test]
fn pids_that_count_in_another_pid_namespace_are_not_believed() {
    let worker = Worker::start(&CniConf::bridge());
    let pod = worker.run_pod(&PodSpec::new("default", "web-0"));
    let truth = netns_id(&worker, worker.pause_pid(&pod));
    let netns = worker.netns_path();
    let endpoint = format!("unix://{}", worker.socket().display());
    let answer = Worker::podnet_outside(&[
        "--host-netns",
        netns.to_str().expect("a path"),
        "--runtime-endpoint",
        &endpoint,
        "pods",
    ]);
    let row = row(answer.data(&[0, 3]), &pod);
    assert!(row["netns"].is_null() || row["netns"] == truth, "{row:#}");
    if let Some(pid) = row["pause_pid"].as_u64() {
        let link = std::fs::read_link(format!("/proc/{pid}/ns/net")).expect("its namespace");
        assert_eq!(link.to_str(), Some(format!("net:[{}]", truth["ino"]).as_str()), "{row:#}");
    }
}
