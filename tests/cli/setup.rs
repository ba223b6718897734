//! `scripts/setup` where it cannot do its work: a clear word, and nothing is changed.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

/// Runs the set-up with these programs in front of the usual ones, and no other cargo.
fn setup(programs: &[(&str, &str)]) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    // What is missing is not to be installed by a test.
    for (name, script) in programs.iter().chain(&[("apt-get", "exit 100")]) {
        let path = folder.path().join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let output = Command::new("/bin/bash")
        .args([concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/setup"), "build"])
        .env_clear()
        .env("HOME", folder.path())
        .env("PATH", format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", folder.path().display()))
        .output()
        .unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_rust_that_is_too_old_is_named_with_the_one_that_is_needed() {
    let old = "echo rustc 1.70.0";
    let needed = env!("CARGO_PKG_RUST_VERSION");
    let words = format!("setup: rustc is 1.70.0, podnet needs {needed} or newer: ");
    let by_hand = setup(&[("cargo", old), ("rustc", old)]);
    assert_eq!(by_hand, (Some(1), format!("{words}install it from https://rustup.rs\n")));
    let by_rustup = setup(&[("cargo", old), ("rustc", old), ("rustup", old)]);
    assert_eq!(by_rustup, (Some(1), format!("{words}rustup update stable\n")));
    let new = format!("echo rustc {needed}.0");
    assert_eq!(setup(&[("cargo", &new), ("rustc", &new)]), (Some(0), String::new()));
}
