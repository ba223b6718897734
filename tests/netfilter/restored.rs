//! A namespace whose rules programs wrote, and which is asked.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use podnet::collect::live::{LiveNode, LiveOptions};

use crate::testbed::Netns;

/// Runs a program within, gives it text, and gives what it printed.
pub fn feed(netns: &Netns, program: &[&str], input: &str) -> String {
    let mut child = Command::new("ip")
        .args(["netns", "exec", &netns.name])
        .args(program)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{program:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The namespace as a node to ask.
pub fn live(netns: &Netns) -> LiveNode {
    let options = LiveOptions {
        proc_root: "/proc".into(),
        host_netns: Some(netns.path()),
        endpoint: None,
        env_endpoint: None,
        timeout: Duration::from_secs(1),
        now: "2026-11-22T23:40:00Z".parse().unwrap(),
    };
    LiveNode::open(&options).unwrap()
}
