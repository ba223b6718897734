//! What the readers make of a lab: its state as a runtime, its files as a worker's.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use podnet::collect::root::HostRoot;
use podnet::collect::runtime::lab as reader;
use podnet::model::issue::Why;
use podnet::model::sandbox::{SandboxSource, SandboxState};
use serde_json::{Value, json};

use crate::harness::{Lab, pod, worker};

#[test]
fn a_workers_sandboxes_are_its_own_and_each_pid_is_in_the_namespace_that_is_bound() {
    let lab = Lab::up(&["--pods", "9"]);
    let state = reader::load(&lab.name).expect("reads");
    assert_eq!(state, lab.state());
    let mut seen = BTreeSet::new();
    for worker in &state.workers {
        let told = reader::sandboxes(&state, &worker.name);
        assert_eq!(told.issues, []);
        assert_eq!(told.value.len(), worker.pods.len());
        let names: Vec<String> = told.value.iter().map(|sandbox| sandbox.pod.to_string()).collect();
        let mut sorted = names.clone();
        sorted.sort();
        assert_eq!(names, sorted);
        for sandbox in &told.value {
            let netns = fs::metadata(sandbox.netns_path.as_deref().expect("bound")).expect("there");
            let pid = sandbox.pid.expect("runs");
            let entered = fs::metadata(format!("/proc/{pid}/ns/net")).expect("there");
            assert_eq!((netns.dev(), netns.ino()), (entered.dev(), entered.ino()));
            assert_eq!(sandbox.netns.map(|netns| (netns.dev, netns.ino)), Some((netns.dev(), netns.ino())));
            let cgroups = fs::read_to_string(format!("/proc/{pid}/cgroup")).expect("there");
            let cgroup = sandbox.cgroup.as_deref().expect("there are cgroups here");
            assert!(cgroups.lines().any(|line| line.splitn(3, ':').nth(2) == Some(cgroup)), "{cgroups}");
            assert_eq!((sandbox.state, sandbox.source), (SandboxState::Ready, SandboxSource::Lab));
            assert!(seen.insert(sandbox.id.clone()), "one worker's alone");
        }
        let paths = reader::netns_paths(&state, &worker.name);
        assert_eq!(paths[0], PathBuf::from(&worker.netns));
        assert_eq!(paths.len(), worker.pods.len() + 1);
    }
    assert_eq!(seen.len(), 9);
    assert_eq!(reader::runtime(&state).name.as_deref(), Some("lab"));
    let none = reader::sandboxes(&state, "worker-7");
    assert_eq!((none.value.len(), none.issues[0].hint.as_deref()), (0, Some("it has worker-0, worker-1")));
}

#[test]
fn a_lab_that_is_not_there_is_told_with_what_to_do() {
    let issue = reader::load("pnt-absent").expect_err("not there");
    assert!(matches!(issue.why, Why::Gone { .. }));
    assert_eq!(issue.hint.as_deref(), Some("no such lab is up; `podnet lab up` makes it"));
}

#[test]
fn the_cni_files_of_a_worker_are_where_and_what_the_real_programs_leave() {
    let lab = Lab::up(&["--hairpin", "--no-masquerade"]);
    let state = lab.state();
    let (host, nginx) = (worker(&state, "worker-0"), pod(&state, "nginx"));
    let root = HostRoot::at(Path::new("/proc"), Path::new(&host.root)).expect("opens");
    let read = |path: &str| root.read(Path::new(path), 1 << 20).unwrap_or_else(|error| panic!("{path}: {error}"));
    let names = |path: &str| -> Vec<String> {
        let names = root.names(Path::new(path)).expect("a folder");
        names.into_iter().map(|name| name.into_string().expect("UTF-8")).collect()
    };
    let configuration: Value = serde_json::from_slice(&read("/etc/cni/net.d/10-bridge.conf")).expect("JSON");
    assert_eq!(
        configuration,
        json!({
            "cniVersion": "0.3.1", "name": "bridge", "type": "bridge", "bridge": "cnio0", "isGateway": true,
            "ipMasq": false, "hairpinMode": true,
            "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.200.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]},
        })
    );
    assert_eq!(names("/etc/cni/net.d"), ["10-bridge.conf", "99-loopback.conf"]);
    assert_eq!(
        names("/var/lib/cni/networks/bridge"),
        ["10.200.0.2", "10.200.0.3", "10.200.0.4", "last_reserved_ip.0", "lock"]
    );
    assert_eq!(read("/var/lib/cni/networks/bridge/10.200.0.4"), format!("{}\r\neth0", nginx.sandbox).into_bytes());
    assert_eq!(read("/var/lib/cni/networks/bridge/last_reserved_ip.0"), b"10.200.0.4");
    assert_eq!(names("/var/lib/cni/results").len(), 6);
    let cached: Value =
        serde_json::from_slice(&read(&format!("/var/lib/cni/results/bridge-{}-eth0", nginx.sandbox))).expect("JSON");
    let links = lab.exec_json("nginx", &["ip", "-j", "link", "show", "eth0"]);
    assert_eq!(cached["kind"], "cniCacheV1");
    assert_eq!(cached["containerId"], json!(nginx.sandbox));
    assert_eq!(cached["cniArgs"][3], json!(["K8S_POD_NAME", nginx.name]));
    assert_eq!(cached["result"]["interfaces"][1]["name"], json!(nginx.host_link));
    assert_eq!(
        cached["result"]["interfaces"][2],
        json!({"mac": links[0]["address"], "name": "eth0", "sandbox": nginx.netns.replacen("/run/", "/var/run/", 1)})
    );
    assert_eq!(
        cached["result"]["ips"],
        json!([{"address": "10.200.0.4/24", "gateway": "10.200.0.1", "interface": 2, "version": "4"}])
    );
    assert_eq!(names("/var/log/pods"), {
        let mut names: Vec<String> =
            host.pods.iter().map(|pod| format!("{}_{}_{}", pod.namespace, pod.name, pod.uid)).collect();
        names.sort();
        names
    });
}
