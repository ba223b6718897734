//! What acts on a live node: `enter` and `snapshot`, in a lab of the test's own.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command as Process;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{alone, is_root, podnet, program_for_all, run};

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

    the_program_gets_the_limits_that_podnet_was_given(&lab);
    what_is_read_is_told_in_plain_words(&lab);
    a_snapshot_is_private_and_answers_like_the_node(&lab);
    host_is_one_node(&lab);
    without_rights_the_lab_needs_root(&lab);
    of_several_labs_one_has_to_be_named(&lab);
}

fn the_program_gets_the_limits_that_podnet_was_given(lab: &Lab) {
    let output = Process::new("prlimit")
        .args(["--nofile=512:4096", env!("CARGO_BIN_EXE_podnet"), &format!("--lab={}/", lab.0)])
        .args(["enter", "nginx", "--", "sh", "-c", "ulimit -Sn; ulimit -Hn"])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "512\n4096\n", "{}", String::from_utf8_lossy(&output.stderr));
}

fn what_is_read_is_told_in_plain_words(lab: &Lab) {
    let told = lab.ask("worker-0", &["-v", "routes", "nginx"]);
    assert_eq!(told.code, 0, "{}", told.err);
    assert!(told.err.contains("reading routes of "), "{}", told.err);
    assert!(!told.err.contains("::"), "{}", told.err);
    let more = lab.ask("worker-0", &["-vv", "routes", "nginx"]);
    assert!(more.err.contains("TRACE") && more.err.contains("asking the kernel for routes of "), "{}", more.err);
}

/// A runtime's answers come over HTTP/2, whose library tells of every frame.
#[test]
fn only_podnet_itself_is_told_of() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("runtime.sock");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let socket = socket.to_str().unwrap();
    let near = ["--host-netns", "/proc/self/ns/net", "--timeout", "300ms", "--runtime-endpoint", socket];
    let told = run(podnet(&near).args(["-vv", "netns"]));
    let lines: Vec<&str> = told.err.lines().filter(|line| !line.starts_with("podnet: ")).collect();
    assert!(!lines.is_empty(), "{}", told.err);
    for line in lines {
        let words = line.trim_start().trim_start_matches("DEBUG ").trim_start_matches("TRACE ");
        assert!(
            words.starts_with("reading ") || words.starts_with("dumping ") || words.starts_with("asking "),
            "{line}"
        );
    }
}

fn without_rights_the_lab_needs_root(lab: &Lab) {
    let (_folder, program) = program_for_all();
    for option in ["--lab".to_owned(), format!("--lab={}/", lab.0)] {
        let output = Process::new("setpriv")
            .args(["--reuid", "nobody", "--regid", "nogroup", "--clear-groups", "--"])
            .arg(&program)
            .args([&option, "pods"])
            .output()
            .unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{option}: {err}");
        assert!(err.contains("ermission denied") && err.contains("root"), "{option}: {err}");
        assert!(!err.contains("lab up"), "{option}: {err}");
    }
}

fn of_several_labs_one_has_to_be_named(lab: &Lab) {
    let other = Lab(format!("{}-b", lab.0));
    let up = run(&mut podnet(&["lab", "up", "--name", &other.0, "--workers", "1"]));
    assert_eq!(up.code, 0, "{}", up.err);
    assert!(up.out.contains(&format!("--lab={}/ ", other.0)), "{}", up.out);
    assert!(up.out.contains(&format!("--lab={}/worker-0 ", other.0)), "{}", up.out);
    for option in ["--lab", "--lab=worker-0"] {
        let ran = run(&mut podnet(&[option, "pods"]));
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{option}: {}", ran.err);
        for expected in ["several labs are up: ", &lab.0, &other.0, "--lab=LAB/WORKER", "--lab=LAB/ for all"] {
            assert!(ran.err.contains(expected), "{option}: {}", ran.err);
        }
    }
}

#[test]
fn a_bridge_whose_name_is_no_text_can_be_asked_for() {
    if !is_root() {
        return;
    }
    // Oracle: ip, which made it, in a namespace that ends with the shell.
    let script = r#"
        name=$(printf 'br\377')
        ip link add name "$name" type bridge && ip link add other0 type bridge || exit 99
        for asked in "$name" 'br\xff'; do
            "$1" --host-netns /proc/self/ns/net bridge "$asked" || [ $? != 2 ] || exit 98
            "$1" --host-netns /proc/self/ns/net routes host 127.0.0.1 --oif "$asked" || [ $? != 2 ] || exit 97
        done
    "#;
    let output = Process::new("unshare")
        .args(["--net", "sh", "-c", script, "sh", env!("CARGO_BIN_EXE_podnet")])
        .output()
        .unwrap();
    let out = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{out}{}", String::from_utf8_lossy(&output.stderr));
    assert!(out.contains(r"br\xff") && !out.contains("other0  "), "{out}");
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
    // Whoever has fewer rights than process 1 may not look at it. Who has as many may.
    let fewer = ["setpriv", "--inh-caps=-sys_ptrace,-net_raw", "--bounding-set=-sys_ptrace,-net_raw", "--"];
    for (rights, expected) in [(&fewer[..], 1), (&[], 0)] {
        for question in ["netns", "pods"] {
            let ran = alone(&[rights, &[env!("CARGO_BIN_EXE_podnet"), question]].concat());
            let told: Vec<_> = ran.err.lines().filter(|line| line.contains("/proc/1/ns/net")).collect();
            assert_eq!(told.len(), expected, "{question}: {}{}", ran.out, ran.err);
        }
    }
}
