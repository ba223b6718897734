//! What `lab up` and `lab exec` take, and what they say to the rest.

use std::path::Path;

use crate::harness::{Lab, podnet, stderr};

#[test]
fn names_and_numbers_out_of_bounds_are_refused_before_anything_is_made() {
    for (arguments, words) in [
        (vec!["lab", "up", "--name", "../x"], "a lab's name is 1 to 20 of a-z, 0-9 and -"),
        (vec!["lab", "up", "--name", "pnt-a-name-that-is-too-long"], "a lab's name is 1 to 20"),
        (vec!["lab", "up", "--name", "pnt-bounds", "--workers", "11"], "1 to 10 workers, not 11"),
        (vec!["lab", "up", "--name", "pnt-bounds", "--pods", "501"], "4 to 500 pods, not 501"),
        (vec!["lab", "up", "--name", "pnt-bounds", "--bridge-nf", "2"], "it is 0 or 1"),
        (vec!["lab", "down", "--name", "a/b"], "a lab's name is 1 to 20"),
        (vec!["lab", "exec", "--name", "pnt-absent", "worker-0", "--", "true"], "no lab \"pnt-absent\" is up"),
        (vec!["lab", "status", "--name", "pnt-absent"], "no lab \"pnt-absent\" is up"),
    ] {
        let output = podnet(&arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(stderr(&output).contains(words), "{arguments:?}: {}", stderr(&output));
    }
    assert!(!Path::new("/run/podnet-lab/pnt-bounds").exists());
}

#[test]
fn exec_finds_machines_and_pods_passes_arguments_and_the_exit_code_and_uses_no_shell() {
    let lab = Lab::up(&[]);
    let address = |target: &str| {
        let links = lab.exec_json(target, &["ip", "-j", "-4", "addr", "show", "scope", "global"]);
        links.as_array().expect("a list").iter().map(|link| link["addr_info"][0]["local"].clone()).collect::<Vec<_>>()
    };
    for (target, addresses) in [
        ("worker-0", vec!["10.240.0.20", "10.200.0.1"]),
        ("worker-1", vec!["10.240.0.21", "10.200.1.1"]),
        ("gateway", vec!["10.240.0.1", "198.51.100.1"]),
        ("outside", vec!["198.51.100.10"]),
        ("nginx", vec!["10.200.0.4"]),
        ("default/nginx-65899c769f-wxdx6", vec!["10.200.0.4"]),
        ("kube-system/kube-dns", vec!["10.200.0.2"]),
        ("busybox0-g", vec!["10.200.1.2"]),
    ] {
        assert_eq!(address(target), addresses, "{target}");
    }
    assert_eq!(lab.run("exec", &["nginx", "--", "sh", "-c", "exit 42"]).status.code(), Some(42));
    assert_eq!(lab.exec("nginx", &["printf", "%s|", "a b", "$HOME", "*", "-o", "--name"]), "a b|$HOME|*|-o|--name|");
    for (target, words) in [
        ("busybox0", "\"busybox0\" is ambiguous: default/busybox0-rw89s, default/busybox0-g6pww"),
        ("worker-2", "has no \"worker-2\"; there are worker-0, worker-1, gateway, outside"),
    ] {
        let output = lab.run("exec", &[target, "--", "true"]);
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains(words), "{}", stderr(&output));
    }
    let output = lab.run("exec", &["nginx", "--", "pnt-no-such-program"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("running pnt-no-such-program"), "{}", stderr(&output));
}
