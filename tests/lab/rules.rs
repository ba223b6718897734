//! The masquerade chains: the same, rule by rule, as the real plugin's on a recorded node.

use std::os::unix::fs::symlink;
use std::process::Command;

use crate::harness::{Lab, pod, stderr, succeeded, traces, worker};

/// One pod's rules as `iptables-nft-save` printed them on a recorded worker-0 (containerd 1.6.20, bridge
/// plugin 1.1.1, iptables 1.8.9, Linux 6.18), counters left out.
const RECORDED: &str = r#"
:CNI-22ce3717d4e9910d49afcda5 - [0:0]
-A POSTROUTING -s 10.200.0.30/32 -m comment --comment "name: \"bridge\" id: \"f5d1ac9c30581dabe598f3233bdb0fc2374b21ddb8777904a3370a49059dbfdb\"" -j CNI-22ce3717d4e9910d49afcda5
-A CNI-22ce3717d4e9910d49afcda5 -d 10.200.0.0/24 -m comment --comment "name: \"bridge\" id: \"f5d1ac9c30581dabe598f3233bdb0fc2374b21ddb8777904a3370a49059dbfdb\"" -j ACCEPT
-A CNI-22ce3717d4e9910d49afcda5 ! -d 224.0.0.0/4 -m comment --comment "name: \"bridge\" id: \"f5d1ac9c30581dabe598f3233bdb0fc2374b21ddb8777904a3370a49059dbfdb\"" -j MASQUERADE
"#;

/// The first 24 hex digits of `sha512sum`.
fn chain_by_sha512sum(text: &str) -> String {
    use std::io::Write as _;
    let mut child = Command::new("sha512sum")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("sha512sum starts");
    child.stdin.take().expect("piped").write_all(text.as_bytes()).expect("writes");
    let output = child.wait_with_output().expect("ends");
    format!("CNI-{}", &String::from_utf8(output.stdout).expect("hex")[..24])
}

/// The rules of the nat table that are the plugin's, sorted: the order of chains is the program's own.
fn saved(lab: &Lab, worker: &str, program: &str) -> Vec<String> {
    let text = lab.exec(worker, &[program, "-t", "nat"]);
    let mut lines: Vec<String> = text
        .lines()
        .filter(|line| line.contains("CNI-"))
        .map(|line| line.split_once(" [").map_or(line, |(chain, _)| chain).to_owned())
        .collect();
    lines.sort();
    lines
}

fn expected(lab: &Lab, worker_name: &str) -> Vec<String> {
    let state = lab.state();
    let mut lines = Vec::new();
    for pod in &worker(&state, worker_name).pods {
        let chain = chain_by_sha512sum(&format!("bridge{}", pod.sandbox));
        let cidr = worker(&state, worker_name).pod_cidr.to_string();
        for line in RECORDED.trim().lines() {
            let line = line
                .replace("CNI-22ce3717d4e9910d49afcda5", &chain)
                .replace("f5d1ac9c30581dabe598f3233bdb0fc2374b21ddb8777904a3370a49059dbfdb", &pod.sandbox.0)
                .replace("10.200.0.30", &pod.address.addr().to_string())
                .replace("10.200.0.0/24", &cidr);
            lines.push(line.split_once(" [").map_or(line.as_str(), |(chain, _)| chain).to_owned());
        }
    }
    lines.sort();
    lines
}

#[test]
fn every_pods_chain_is_as_the_real_plugin_writes_it() {
    let lab = Lab::up(&["--pods", "6"]);
    for worker in ["worker-0", "worker-1"] {
        assert_eq!(saved(&lab, worker, "iptables-save"), expected(&lab, worker), "{worker}");
    }
    let chain = chain_by_sha512sum(&format!("bridge{}", pod(&lab.state(), "nginx").sandbox));
    let text = lab.exec("worker-0", &["iptables", "-t", "nat", "-S", &chain]);
    let targets: Vec<&str> =
        text.lines().filter_map(|line| line.rsplit_once("-j ")).map(|(_, target)| target).collect();
    assert_eq!(targets, ["ACCEPT", "MASQUERADE"], "in this order");
}

/// `podnet lab up` with a folder before the others on the PATH.
fn up_with_path(lab: &Lab, folder: &std::path::Path) -> std::process::Output {
    let path = format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", folder.display());
    Command::new(env!("CARGO_BIN_EXE_podnet"))
        .args(["lab", "up", "--name", &lab.name])
        .env("PATH", path)
        .output()
        .expect("podnet starts")
}

#[test]
fn the_legacy_back_end_does_as_well_and_its_lock_stays_in_the_labs_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    symlink("/usr/sbin/xtables-legacy-multi", folder.path().join("iptables-restore")).expect("links");
    let lab = Lab::unmade();
    succeeded(up_with_path(&lab, folder.path()));
    assert_eq!(saved(&lab, "worker-0", "iptables-legacy-save"), expected(&lab, "worker-0"));
    assert!(lab.folder().join("xtables.lock").exists());
    let state = lab.state();
    succeeded(lab.run("down", &[]));
    assert_eq!(traces(&state), Vec::<String>::new());
}

#[test]
fn a_step_that_fails_is_told_and_everything_before_it_is_removed() {
    let folder = tempfile::tempdir().expect("a folder");
    symlink("/bin/false", folder.path().join("iptables-restore")).expect("links");
    let lab = Lab::unmade();
    let output = up_with_path(&lab, folder.path());
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("netfilter rules of gateway") && said.contains("exit status: 1"), "{said}");
    assert!(!lab.folder().exists());
    let left = std::fs::read_dir("/run/netns").expect("a folder").filter_map(Result::ok);
    assert_eq!(left.filter(|entry| entry.file_name().to_string_lossy().starts_with(&lab.name)).count(), 0);
}
