//! Whatever becomes of `lab up`, `lab down` leaves nothing.

use std::os::unix::process::ExitStatusExt as _;

use crate::harness::{Lab, own_links, processes_of, stderr, stdout, succeeded, traces, wait_until};

#[test]
fn killed_after_any_step_it_leaves_nothing_once_it_is_taken_down() {
    let before = own_links();
    let mut number = 0;
    loop {
        let lab = Lab::unmade();
        let output = lab.run("up", &["--stop-after-step", &number.to_string()]);
        if output.status.success() {
            assert!(number > 30, "there are that many steps");
            break;
        }
        assert_eq!(output.status.signal(), Some(9), "after step {number}: {}", stderr(&output));
        let state = lab.state();
        assert_ne!(traces(&state), Vec::<String>::new(), "something was there to remove");
        let again = lab.run("up", &[]);
        assert_eq!(again.status.code(), Some(2));
        assert!(stderr(&again).contains("half made"), "{}", stderr(&again));
        let status = lab.run("status", &[]);
        assert_eq!((status.status.code(), stdout(&status).contains("half made")), (Some(1), true));
        succeeded(lab.run("down", &[]));
        assert_eq!(traces(&state), Vec::<String>::new(), "after step {number}");
        // Those that were still waiting for their orders end by themselves.
        wait_until("the end of every process", || processes_of(&lab.name).is_empty());
        number += 1;
    }
    assert_eq!(own_links(), before, "the links of the machine itself");
}

#[test]
fn killed_at_any_moment_it_leaves_nothing_either() {
    // Not between steps but wherever it happens to be: the whole takes some 100 ms.
    for delay in [1, 3, 7, 13, 19, 26, 34, 41, 48, 57, 66, 78, 95] {
        let lab = Lab::unmade();
        let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_podnet"))
            .args(["lab", "up", "--name", &lab.name])
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .expect("podnet starts");
        std::thread::sleep(std::time::Duration::from_millis(delay));
        child.kill().expect("it can be killed");
        child.wait().expect("it ends");
        let state = lab.state_path().exists().then(|| lab.state());
        succeeded(lab.run("down", &[]));
        if let Some(state) = state {
            assert_eq!(traces(&state), Vec::<String>::new(), "after {delay} ms");
        }
        assert!(!lab.folder().exists(), "after {delay} ms");
        wait_until("the end of every process", || processes_of(&lab.name).is_empty());
    }
}

#[test]
fn up_twice_is_an_error_that_says_so_and_down_twice_is_fine() {
    let lab = Lab::up(&[]);
    let again = lab.run("up", &[]);
    assert_eq!(again.status.code(), Some(2));
    assert_eq!(
        stderr(&again),
        format!(
            "podnet: the lab \"{0}\" is already up; `podnet lab down --name {0}` removes it, `--name` makes another beside it\n",
            lab.name
        )
    );
    succeeded(lab.run("status", &[]));
    let state = lab.state();
    assert_eq!(processes_of(&lab.name).len(), 9, "two a pod, one outside");
    succeeded(lab.run("down", &[]));
    assert_eq!(traces(&state), Vec::<String>::new());
    assert_eq!(processes_of(&lab.name), Vec::<u32>::new());
    assert_eq!(stdout(&succeeded(lab.run("down", &[]))), format!("no lab {} is there\n", lab.name));
}

#[test]
fn a_pod_whose_process_ended_is_told_and_removed_all_the_same() {
    let lab = Lab::up(&[]);
    let state = lab.state();
    let pause = crate::harness::pod(&state, "nginx").pause.expect("started");
    podnet::sys::pidfd::PidFd::open(pause.pid.0).expect("it lives").kill().expect("it can be ended");
    wait_until("that the status tells", || lab.run("status", &[]).status.code() == Some(1));
    let said = stdout(&lab.run("status", &[]));
    assert!(said.contains("broken: the pause process of default/nginx-65899c769f-wxdx6 has ended"), "{said}");
    let json: serde_json::Value = serde_json::from_slice(&lab.run("status", &["-o", "json"]).stdout).expect("JSON");
    assert_eq!(json["schema"], "podnet/lab-status/v1");
    assert_eq!(json["data"]["labs"][0]["workers"][0]["pods"][2]["pause"], serde_json::Value::Null);
    succeeded(lab.run("down", &[]));
    assert_eq!(traces(&state), Vec::<String>::new());
}

#[test]
fn a_namespace_that_another_made_is_neither_used_nor_removed() {
    let lab = Lab::unmade();
    let path = format!("/run/netns/{}-worker-1", lab.name);
    podnet::sys::netns::create_bound(std::path::Path::new(&path)).expect("made");
    let output = lab.run("up", &[]);
    let (said, there) = (stderr(&output), std::path::Path::new(&path).exists());
    podnet::sys::netns::remove_bound(std::path::Path::new(&path)).expect("removed");
    assert_eq!((output.status.code(), there), (Some(2), true));
    assert!(said.contains(&format!("{path} exists already and is not this lab's")), "{said}");
    assert!(!lab.folder().exists());
}
