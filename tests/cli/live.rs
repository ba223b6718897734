//! What acts on a live node: `enter` and `snapshot`, in a lab of the test's own.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command as Process;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{is_root, podnet, run};

/// A lab that is removed whatever happens.
struct Lab(String);

impl Lab {
    fn up() -> Self {
        let lab = Self(format!("pnt-cli-{}", std::process::id()));
        let ran = run(&mut podnet(&["lab", "up", "--name", &lab.0, "--workers", "2"]));
        assert_eq!(ran.code, 0, "{}", ran.err);
        lab
    }

    fn ask(&self, worker: &str, arguments: &[&str]) -> super::Ran {
        run(podnet(&[&format!("--lab={}/{worker}", self.0)]).args(arguments))
    }

    fn json(&self, worker: &str, arguments: &[&str]) -> Value {
        let ran = self.ask(worker, &[&["-o", "json"], arguments].concat());
        assert_eq!(ran.code, 0, "{arguments:?}: {}", ran.err);
        serde_json::from_str(&ran.out).unwrap()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        run(&mut podnet(&["lab", "down", "--name", &self.0]));
    }
}

#[test]
fn a_program_runs_in_the_pods_namespace_and_its_exit_code_is_passed_on() {
    if !is_root() {
        return;
    }
    let lab = Lab::up();
    let pods = lab.json("", &["pods"]);
    let pods = pods["data"]["pods"].as_array().unwrap();
    assert_eq!(pods.len(), 4);
    for pod in pods {
        let name = format!("{}/{}", pod["namespace"].as_str().unwrap(), pod["name"].as_str().unwrap());
        // Oracle: ip, started in that namespace, and the inode that the program itself sees.
        let inside = lab.ask("", &["enter", &name, "--", "ip", "-j", "addr", "show", "dev", "eth0"]);
        assert_eq!(inside.code, 0, "{name}: {}", inside.err);
        let inside: Value = serde_json::from_str(&inside.out).unwrap();
        assert_eq!(inside[0]["addr_info"][0]["local"], pod["ips"][0], "{name}");
        assert_eq!(inside[0]["address"], pod["interfaces"][0]["mac"], "{name}");
        assert_eq!(inside[0]["link_index"], pod["interfaces"][0]["host_link"]["ifindex"], "{name}");
        let netns = lab.ask("", &["enter", &name, "--", "readlink", "/proc/self/ns/net"]);
        assert_eq!(netns.out, format!("net:[{}]\n", pod["netns"]["ino"]), "{name}");
    }
    let nginx = |command: &[&str]| lab.ask("", &[&["enter", "nginx", "--"], command].concat());
    assert_eq!(nginx(&["sh", "-c", "exit 7"]).code, 7);
    assert_eq!(nginx(&["sh", "-c", "echo to stderr >&2; exit 0"]).err, "to stderr\n");
    // No shell in between: nothing is expanded.
    assert_eq!(nginx(&["echo", "$HOME", "*"]).out, "$HOME *\n");
    let missing = nginx(&["no-such-program"]);
    assert_eq!(missing.code, 2);
    assert!(missing.err.starts_with("podnet: starting no-such-program: No such file"), "{}", missing.err);
    let killed = nginx(&["sh", "-c", "kill -TERM $$"]);
    assert_eq!(killed.code, -1, "ended by a signal, as the program was");

    a_snapshot_is_private_and_answers_like_the_node(&lab);
    host_is_one_node(&lab);
}

/// Until no address waits to be found unique: the kernel adds routes when that is settled.
fn wait_until_quiet(lab: &Lab) {
    let tentative = ["ip", "-6", "addr", "show", "tentative"];
    let places = ["worker-0", "nginx"];
    let ask = |place: &&str| {
        run(podnet(&["lab", "exec", "--name", &lab.0, place, "--"]).args(tentative)).out.contains("inet6")
    };
    let deadline = Instant::now() + Duration::from_secs(20);
    while places.iter().any(ask) {
        assert!(Instant::now() < deadline, "addresses are still tentative");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn a_snapshot_is_private_and_answers_like_the_node(lab: &Lab) {
    wait_until_quiet(lab);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("worker-0.json.gz");
    let path = file.to_str().unwrap();
    let wrote = lab.ask("worker-0", &["snapshot", path]);
    assert_eq!((wrote.code, wrote.out.as_str()), (0, ""), "{}", wrote.err);
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o7777, 0o600);
    assert!(Process::new("gzip").arg("--test").arg(&file).status().unwrap().success());
    // What does not change while nobody sends: counters, neighbours and address states may.
    for question in [&["pods"][..], &["netns"], &["cni"], &["routes", "nginx"]] {
        let live = lab.json("worker-0", question);
        let filed = run(podnet(&["--from", path, "-o", "json"]).args(question));
        let filed: Value = serde_json::from_str(&filed.out).unwrap();
        assert_eq!(live["data"], filed["data"], "{question:?}");
        assert_eq!(live["issues"], filed["issues"], "{question:?}");
    }
}

fn host_is_one_node(lab: &Lab) {
    let both = lab.ask("", &["routes", "host"]);
    assert_eq!(both.code, 2);
    assert!(both.err.contains("host means one node"), "{}", both.err);
    assert_eq!(lab.ask("worker-1", &["routes", "host"]).code, 0);
    let none = lab.ask("worker-9", &["pods"]);
    assert_eq!(none.code, 2);
    assert!(none.err.contains("it has worker-0, worker-1"), "{}", none.err);
}

/// Where process 1 may not be looked at, that is one note: what podnet then took for the host.
#[test]
fn what_process_1_hides_is_told_once() {
    if !is_root() {
        return;
    }
    for question in ["netns", "pods"] {
        let ran = run(&mut podnet(&[question]));
        let told: Vec<_> = ran.err.lines().filter(|line| line.contains("/proc/1/ns/net")).collect();
        assert!(told.len() <= 1, "{question}: {told:?}");
    }
}
