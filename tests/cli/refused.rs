//! What podnet is not allowed to do, or is not there: a clear word, and exit code 2.

use std::fs;
use std::os::unix::net::UnixListener;
use std::process::Command;

use super::{alone, assert_refused, is_root, podnet, program_for_all, run};

#[test]
fn without_rights_it_says_which_are_missing() {
    if !is_root() {
        return;
    }
    let (_folder, program) = program_for_all();
    let nobody = ["setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups", "--inh-caps=-all", "--"];
    for arguments in [&["pods"][..], &["--host-netns", "/proc/self/ns/net", "pods"], &["lab", "up"]] {
        let ran = alone(&[&nobody[..], &[program.as_str()], arguments].concat());
        let err = &ran.err;
        // 3 where the node could be opened, and hardly anything of it read.
        assert!(matches!(ran.code, 2 | 3), "{arguments:?}: {err}");
        assert!(err.lines().count() < 20, "{arguments:?} tells each of 40 processes on its own: {err}");
        assert!(err.starts_with("podnet: ") && err.contains("root"), "{arguments:?}: {err}");
        assert!(err.contains("ermission denied") || err.contains("not permitted"), "{arguments:?}: {err}");
        assert!(!err.contains("panicked"), "{arguments:?}: {err}");
    }
    // What needs no rights works without them.
    let output = Command::new("setpriv")
        .args(["--reuid", "nobody", "--regid", "nogroup", "--clear-groups", "--"])
        .arg(&program)
        .args(["--from", "-", "pods"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn without_a_proc_it_names_the_option() {
    let empty = tempfile::tempdir().unwrap();
    let empty = empty.path().to_str().unwrap();
    for arguments in [&["--proc-root", empty, "pods"][..], &["--proc-root", "/nonexistent", "trace", "x"]] {
        assert_refused(arguments, "--proc-root must name the node's /proc");
    }
}

#[test]
fn a_socket_that_was_named_has_to_be_one() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let file = file.to_str().unwrap();
    assert_refused(
        &["--runtime-endpoint", "unix:///nonexistent.sock", "--host-netns", "/proc/self/ns/net", "pods"],
        "/nonexistent.sock",
    );
    assert_refused(&["--runtime-endpoint", file, "--host-netns", "/proc/self/ns/net", "pods"], file);
    assert_refused(
        &["--runtime-endpoint", "tcp://1.2.3.4:5", "--host-netns", "/proc/self/ns/net", "pods"],
        "only unix:///PATH",
    );
}

#[test]
fn a_socket_that_nobody_answers_at_costs_its_deadline_and_no_more() {
    if !is_root() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("runtime.sock");
    let _listener = UnixListener::bind(&path).unwrap();
    let silent = ["--runtime-endpoint", path.to_str().unwrap(), "--timeout", "300ms"];
    let begun = std::time::Instant::now();
    let ran = alone(&[&[env!("CARGO_BIN_EXE_podnet")], &silent[..], &["pods"]].concat());
    assert!(begun.elapsed().as_secs() < 10, "{:?}", begun.elapsed());
    assert_eq!(ran.code, 3, "{}{}", ran.out, ran.err);
    assert!(ran.err.contains("did not answer within 0.3 s"), "{}", ran.err);
}

#[test]
fn a_host_namespace_that_is_none_is_refused() {
    for path in ["/nonexistent", "/etc/passwd", "/"] {
        assert_refused(&["--host-netns", path, "pods"], path);
    }
}

#[test]
fn a_lab_that_is_not_there_is_said() {
    assert_refused(&["--lab=no-such-lab/", "pods"], "`podnet lab up` makes one");
}

#[test]
fn files_of_rules_have_to_be_some_and_go_with_no_other_node() {
    let folder = tempfile::tempdir().unwrap();
    let words = folder.path().join("words");
    fs::write(&words, "hello\n").unwrap();
    let words = words.to_str().unwrap();
    assert_refused(&["--rules", words, "services"], "neither text of iptables-save nor JSON of nft");
    assert_refused(&["--rules", "/nonexistent", "services"], "/nonexistent");
    assert_refused(&["--rules", words, "--from", words, "services"], "cannot be used with");
    assert_refused(&["--rules", words, "services", "--lab"], "cannot be used with");
    assert_refused(&["--rules", words, "pods"], "cannot be used with 'pods'");
}

#[test]
fn a_bundle_of_rules_answers_what_its_services_do() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/rules/save/worker-0");
    let files = ["iptables-nft-save-c.txt", "ip6tables-nft-save-c.txt"].map(|name| format!("{folder}/{name}"));
    let ran = run(&mut podnet(&["--rules", &files[0], "--rules", &files[1], "-o", "json", "services"]));
    // The pods of the machine are not known.
    assert_eq!(ran.code, 3, "{}", ran.err);
    let answer: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(answer["nodes"][0]["name"], "iptables-nft-save-c");
    let text = answer.to_string();
    for service in ["kube-dns", "nginx", "web-affinity", "dual", "empty-np"] {
        assert!(text.contains(service), "{service} is missing");
    }
}
