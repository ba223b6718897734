//! A state file that is not what this podnet wrote: told, and nothing is touched.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use podnet::model::ids::Pid;
use podnet::model::lab::LabProcess;

use crate::harness::{Lab, stderr, succeeded};

/// `lab down` and `lab status` must fail with these words and leave the lab alone.
#[track_caller]
fn assert_refused(lab: &Lab, text: &[u8], words: &str) {
    let good = fs::read(lab.state_path()).expect("the state");
    let netns = lab.state().gateway.netns;
    fs::write(lab.state_path(), text).expect("writes");
    for command in ["down", "status"] {
        let output = lab.run(command, &[]);
        assert_eq!(output.status.code(), Some(2), "{command}: {}", stderr(&output));
        assert!(stderr(&output).contains(words), "{command}: {}", stderr(&output));
    }
    assert!(fs::metadata(netns).is_ok(), "nothing was removed");
    fs::write(lab.state_path(), good).expect("writes");
}

#[test]
fn a_state_that_is_foreign_cut_or_names_what_is_not_the_labs_is_refused() {
    let lab = Lab::up(&["--workers", "1"]);
    let good = String::from_utf8(fs::read(lab.state_path()).expect("the state")).expect("UTF-8");
    assert_eq!(fs::metadata(lab.state_path()).expect("there").permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(lab.folder()).expect("there").permissions().mode() & 0o777, 0o700);
    let later = good.replace("podnet-lab/1", "podnet-lab/9");
    assert_refused(&lab, later.as_bytes(), "it is in the format \"podnet-lab/9\"");
    assert_refused(&lab, &good.as_bytes()[..good.len() / 2], "it is not a lab's state");
    assert_refused(&lab, b"", "it is not a lab's state");
    assert_refused(&lab, "[".repeat(100_000).as_bytes(), "it is not a lab's state");
    assert_refused(&lab, b"{\"format\": \"podnet-lab/1\"}", "missing field");
    let gateway = format!("/run/netns/{}-gateway", lab.name);
    for elsewhere in ["/etc/passwd", "/run/netns/../../etc/x", "/run/netns/other-gateway"] {
        let moved = good.replace(&gateway, elsewhere);
        assert_refused(&lab, moved.as_bytes(), "which this lab would never make; nothing was touched");
    }
    let moved = good.replace(&format!("{}/worker-0", lab.folder().display()), "/etc");
    assert_refused(&lab, moved.as_bytes(), "which this lab would never make; nothing was touched");
    let moved = good.replace(&format!("podnet-lab-{}", lab.name), "system.slice");
    assert_refused(&lab, moved.as_bytes(), "which this lab would never make; nothing was touched");
}

#[test]
fn a_state_that_others_can_write_is_not_used() {
    let lab = Lab::up(&["--workers", "1"]);
    fs::set_permissions(lab.state_path(), fs::Permissions::from_mode(0o666)).expect("sets");
    let output = lab.run("down", &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("not a regular file that only this user can write"), "{}", stderr(&output));
    fs::set_permissions(lab.state_path(), fs::Permissions::from_mode(0o600)).expect("sets");
}

#[test]
fn a_process_that_has_the_number_but_not_the_start_time_is_left_alone() {
    let lab = Lab::up(&["--workers", "1"]);
    let mut state = lab.state();
    let mut sleep = Command::new("sleep");
    sleep.arg("1000").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut other = sleep.spawn().expect("sleep starts");
    let pod = &mut state.workers[0].pods[0];
    let (real, claimed) = (pod.pause.expect("started"), LabProcess { pid: Pid(other.id()), start_ticks: 1 });
    pod.pause = Some(claimed);
    fs::write(lab.state_path(), serde_json::to_vec(&state).expect("writes")).expect("writes");
    let told = podnet::collect::runtime::lab::sandboxes(&state, "worker-0");
    assert!(told.value.iter().all(|sandbox| sandbox.pid != Some(claimed.pid)));
    // The one that the state no longer names holds its cgroup: `lab down` says so, and can be repeated.
    let busy = lab.run("down", &[]);
    podnet::sys::pidfd::PidFd::open(real.pid.0).expect("it lives").kill().expect("it can be ended");
    let again = lab.run("down", &[]);
    let lives = other.try_wait().expect("asks").is_none();
    other.kill().expect("ours");
    other.wait().expect("ends");
    assert!(lives, "it is not the lab's");
    assert_eq!(busy.status.code(), Some(2));
    assert!(stderr(&busy).contains("`podnet lab down` can be repeated"), "{}", stderr(&busy));
    succeeded(again);
}
