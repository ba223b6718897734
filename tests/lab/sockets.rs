//! Sockets that wait, and those that are missing: `services` and `trace` against connections that are really tried.

use std::io::ErrorKind;
use std::net::TcpStream;
use std::os::fd::AsRawFd as _;

use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrStorage, bind, listen, setsockopt, socket, sockopt,
};
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
    add("bound", "10.200.0.4:98", "10.32.0.64");
    add("well", "10.200.0.4:7", "10.32.0.63");
    let here = format!("--lab={}/worker-0", lab.name);
    let listening = |name: &str| {
        let (_, answer) = told(&[&here, "services", name, "-o", "json"]);
        answer["data"]["services"][0]["endpoints"][0]["listening"].clone()
    };
    assert_eq!(listening("deaf"), json!({"is": "no", "elsewhere": null}));
    assert_eq!(listening("far"), json!({"is": "not_here"}));
    // What listens for another link alone gets nothing that comes by this one.
    let bound = within(&netns(&lab, "nginx"), || {
        let opened = std::net::TcpListener::bind("0.0.0.0:98").expect("binds");
        setsockopt(&opened, sockopt::BindToDevice, &"lo".into()).expect("is bound to lo");
        opened
    });
    assert_eq!(listening("bound")["is"], "no");
    drop(bound);
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

/// The kernel takes one more connection than a listener lets wait, and drops what comes then.
#[test]
fn a_listener_whose_queue_is_full_is_told_when_it_is() {
    let lab = Lab::up(&["--workers", "1"]);
    let listener = within(&netns(&lab, "nginx"), || {
        let opened = socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).expect("a socket");
        let any: SockaddrStorage = address("0.0.0.0:99").into();
        bind(opened.as_raw_fd(), &any).expect("binds");
        listen(&opened, Backlog::new(1).expect("one")).expect("listens");
        opened
    });
    let here = format!("--lab={}/worker-0", lab.name);
    let verdict = || {
        let (code, answer) = told(&[&here, "trace", POD, "10.200.0.4:99", "-o", "json"]);
        (code, answer["data"]["verdict"]["is"].clone())
    };
    let connect = || {
        within(&netns(&lab, POD), || {
            TcpStream::connect_timeout(&address("10.200.0.4:99"), 2 * SILENCE).map_err(|error| error.kind())
        })
    };
    let mut waiting = Vec::new();
    for waits in 0..2 {
        assert_eq!(verdict(), (Some(0), json!("answered")), "{waits} wait");
        waiting.push(connect().expect("taken"));
    }
    assert_eq!(verdict(), (Some(1), json!("dropped")));
    assert_eq!(connect().map(drop), Err(ErrorKind::TimedOut));
    drop((waiting, listener));
}
