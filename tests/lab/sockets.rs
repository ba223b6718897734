//! Sockets that wait, and those that are missing: `services` and `trace` against connections that are really tried.

use std::io::ErrorKind;
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::harness::{Lab, podnet, within};
use crate::services::{SILENCE, address, netns};

const POD: &str = "busybox0-rw89s";

fn told(arguments: &[&str]) -> (Option<i32>, Value) {
    let output = podnet(arguments);
    (output.status.code(), serde_json::from_slice(&output.stdout).expect("JSON"))
}

#[test]
fn a_port_on_which_nobody_listens_is_told_and_refused() {
    let lab = Lab::with_proxy("iptables");
    let add = |name: &str, endpoint: &str, ip: &str| {
        lab.service("add", &[name, "--port", "7", "--endpoint", endpoint, "--cluster-ip", ip]);
    };
    add("deaf", "10.200.0.4:4242", "10.32.0.61");
    add("far", "10.200.1.2:7", "10.32.0.62");
    add("well", "10.200.0.4:7", "10.32.0.63");
    let here = format!("--lab={}/worker-0", lab.name);
    let listening = |name: &str| {
        let (_, answer) = told(&[&here, "services", name, "-o", "json"]);
        answer["data"]["services"][0]["endpoints"][0]["listening"].clone()
    };
    assert_eq!(listening("deaf"), json!({"is": "no", "elsewhere": null}));
    assert_eq!(listening("far"), json!({"is": "not_here"}));
    assert_eq!(listening("well")["is"], "yes");

    let verdict = |to: &str| {
        let (code, answer) = told(&[&here, "trace", POD, to, "-o", "json"]);
        (code, answer["data"]["verdict"].clone())
    };
    let connect = |to: &str| {
        let to = address(to);
        within(&netns(&lab, POD), move || {
            TcpStream::connect_timeout(&to, 4 * SILENCE).map_err(|error| error.kind()).map(drop)
        })
    };
    assert_eq!(connect("10.32.0.61:7"), Err(ErrorKind::ConnectionRefused));
    let (code, refused) = verdict("10.32.0.61:7");
    assert_eq!((code, &refused["is"], &refused["with"]), (Some(1), &json!("rejected"), &json!("connection refused")));
    assert_eq!(connect("10.32.0.63:7"), Ok(()));
    assert_eq!(verdict("10.32.0.63:7"), (Some(0), json!({"is": "answered"})));
}
