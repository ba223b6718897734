//! The runtime hangs, is gone, or one of its shims is stopped: the rest is answered all the same.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::check::{netns_id, row, rows};
use crate::support::{CniConf, Pod, PodSpec, Worker};

fn worker_with_pods() -> (Worker, Vec<Pod>) {
    let worker = Worker::start(&CniConf::bridge());
    let specs = [
        PodSpec::new("default", "web-0").container("nginx", 1),
        PodSpec::new("kube-system", "dns"),
        PodSpec::new("default", "hostnet").host_network(),
    ];
    let pods = worker.run_pods(&specs, 1);
    (worker, pods)
}

/// What each pod was while the runtime could still be asked.
fn truth(worker: &Worker, pods: &[Pod]) -> Vec<(u32, Value)> {
    pods.iter().map(|pod| worker.pause_pid(pod)).map(|pid| (pid, netns_id(worker, pid))).collect()
}

fn assert_from_proc(data: &Value, pods: &[Pod], truth: &[(u32, Value)]) {
    for (pod, (pid, netns)) in pods.iter().zip(truth) {
        let own = row(data, pod);
        assert_eq!((&own["pause_pid"], &own["netns"]), (&Value::from(*pid), netns), "{own:#}");
        assert_eq!(own["uid"], pod.uid.as_str());
    }
    assert_eq!(rows(data).len(), pods.len(), "{data:#}");
}

#[test]
fn a_hung_runtime_leaves_the_pods_from_proc_and_exit_code_3() {
    let (worker, pods) = worker_with_pods();
    let truth = truth(&worker, &pods);
    worker.signal("STOP", worker.containerd_pid());
    let start = Instant::now();
    let answer = worker.podnet_json(&["pods"]);
    assert_from_proc(answer.data(&[3]), &pods, &truth);
    assert!(answer.issues().contains("/run/containerd/containerd.sock"), "{}", answer.issues());
    assert!(start.elapsed() < Duration::from_secs(8), "the deadlines hold: {:?}", start.elapsed());
    let trace = worker.podnet_json(&["trace", "web-0"]);
    trace.expect(&[3]);
}

#[test]
fn a_runtime_that_is_gone_leaves_the_pods_from_proc_and_exit_code_3() {
    let (worker, pods) = worker_with_pods();
    let truth = truth(&worker, &pods);
    worker.signal("KILL", worker.containerd_pid());
    let answer = worker.podnet_json(&["pods"]);
    assert_from_proc(answer.data(&[3]), &pods, &truth);
    assert!(answer.issues().contains("containerd"), "{}", answer.issues());
    worker.podnet_json(&["trace", "web-0"]).expect(&[3]);
    worker.podnet_json(&["veth", "kube-system/dns"]).expect(&[3]);
}

#[test]
fn one_stopped_shim_is_one_pods_issue() {
    let (worker, pods) = worker_with_pods();
    let truth = truth(&worker, &pods);
    let shim = worker.exec(&["pgrep", "--full", &format!("containerd-shim.*{}", pods[0].sandbox)]);
    worker.signal("STOP", shim.trim().parse().expect("one shim"));
    let answer = worker.podnet_json(&["pods"]);
    assert_from_proc(answer.data(&[0, 3]), &pods, &truth);
    // The others are untouched by it.
    let other = worker.podnet_json(&["trace", "kube-system/dns"]);
    other.expect(&[0]);
    assert!(!other.issues().contains("web-0"), "{}", other.issues());
}
