//! What podnet is not allowed to do, or is not there: a clear word, and exit code 2.

use std::fs;
use std::os::unix::net::UnixListener;
use std::process::Command;

use super::{alone, assert_refused, is_root, program_for_all};

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
