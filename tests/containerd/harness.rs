//! The testbed itself: that a worker is what the other tests take it for, and leaves nothing behind.

use std::path::Path;

use crate::support::oracle::find;
use crate::support::{CniConf, PodSpec, Worker};

#[test]
fn a_worker_runs_a_pod_on_its_bridge_and_leaves_nothing() {
    let worker = Worker::start(&CniConf::bridge());
    let pod = worker.run_pod(&PodSpec::new("default", "web-0").container("nginx", 1));
    let pid = worker.pause_pid(&pod);
    assert_ne!(worker.netns_of(pid), worker.netns_of(1));
    let inside = worker.ip_in(pid, "-d addr show dev eth0");
    assert_eq!(inside[0]["addr_info"][0]["local"], "10.200.0.2");
    let ports = worker.bridge("link show");
    let port = ports.as_array().expect("ports").iter().find(|port| port["master"] == "cnio0").expect("a port");
    let veth = worker.ip(&format!("-d link show dev {}", port["ifname"].as_str().expect("a name")));
    assert_eq!(veth[0]["ifindex"], inside[0]["link_index"]);
    assert_eq!(worker.exec_in(pid, &["ip", "-o", "link"]).lines().count(), 2);
    assert_eq!(worker.task_pid(&pod.containers[0].1), find_app(&worker));

    let name = worker.name().to_owned();
    let init = worker.init_pid();
    assert!(
        Path::new("/sys/fs/cgroup/memory").join(&name).exists() || Path::new("/sys/fs/cgroup").join(&name).exists()
    );
    drop(worker);
    assert!(!Path::new("/proc").join(init.to_string()).exists());
    let left: Vec<_> = walk_cgroups(&name);
    assert_eq!(left, Vec::<String>::new());
}

#[test]
fn workers_do_not_see_each_other() {
    let one = Worker::without_runtime();
    let two = Worker::without_runtime();
    one.write("/run/netns/mark", "");
    assert!(!two.path("/run/netns/mark").exists());
    assert!(!Path::new("/run/netns/mark").exists());
    assert_ne!(one.netns_of(1), two.netns_of(1));
    let eth0 = one.ip("-d link show");
    assert_eq!(find(&eth0, "ifname", "eth0")["ifindex"], 2);
}

fn find_app(worker: &Worker) -> u32 {
    let pids = worker.exec(&["pidof", "app"]);
    pids.split_whitespace().map(|pid| pid.parse().expect("a pid")).min().expect("an app")
}

fn walk_cgroups(name: &str) -> Vec<String> {
    let found = crate::support::process::stdout(&mut crate::support::process::command(&[
        "find",
        "/sys/fs/cgroup",
        "-maxdepth",
        "2",
        "-name",
        name,
    ]));
    found.lines().map(str::to_owned).collect()
}
