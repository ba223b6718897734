//! Stale flows, made by real traffic and real changes of services, in each of kube-proxy's modes; and the commands
//! that are told for them, each run on the worker to see that it removes that flow and no other.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::Path;

use podnet::model::lab::LabState;
use serde_json::Value;

use crate::harness::{Lab, PATIENCE, ask_udp, pod, podnet, stdout, succeeded, wait_until, within, worker};

const MODES: [&str; 3] = ["iptables", "iptables-legacy", "nftables"];

fn service(lab: &Lab, command: &str, rest: &[&str]) {
    let mut arguments = vec!["lab", "service", command, "--name", &lab.name];
    arguments.extend(rest);
    succeeded(podnet(&arguments));
}

fn to(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

/// A connection that stays open, and is known to lead to somebody.
fn held(netns: &Path, to: SocketAddr) -> TcpStream {
    within(&netns.to_string_lossy(), move || {
        let mut stream = TcpStream::connect_timeout(&to, PATIENCE).expect("connects");
        stream.set_read_timeout(Some(PATIENCE)).expect("timeout");
        stream.write_all(b"x").expect("sends");
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("answers");
        stream
    })
}

/// What `conntrack` lists, without what changes by itself.
fn listed(lab: &Lab) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for family in ["ipv4", "ipv6"] {
        for line in lab.exec("worker-0", &["conntrack", "-L", "-f", family, "-o", "id"]).lines() {
            let words = line.split_whitespace();
            let keeps = |word: &&str| {
                ["src=", "dst=", "sport=", "dport=", "zone", "type=", "code=", "id="]
                    .iter()
                    .any(|key| word.starts_with(key))
            };
            all.insert(words.clone().take(1).chain(words.filter(keeps)).collect::<Vec<_>>().join(" "));
        }
    }
    all
}

fn stale(lab: &Lab) -> (Option<i32>, Value) {
    let output = podnet(&["conntrack", "--stale", "-o", "json", &format!("--lab={}/worker-0", lab.name)]);
    let code = output.status.code();
    (code, serde_json::from_str(&stdout(&output)).expect("JSON"))
}

fn kinds(answer: &Value, list: &str) -> Vec<(String, String)> {
    let flows = answer["data"][list].as_array().expect("a list");
    let end = |party: &Value| format!("{}:{}", party["address"].as_str().unwrap(), party["port"]);
    flows
        .iter()
        .map(|flow| {
            let road = format!(
                "{} {} {}",
                flow["protocol"].as_str().unwrap(),
                end(&flow["asked_for"]),
                end(&flow["served_by"])
            );
            (flow["kind"].as_str().unwrap().to_owned(), road)
        })
        .collect()
}

#[test]
fn each_kind_is_found_and_its_command_removes_it_alone() {
    for mode in MODES {
        let lab = Lab::up(&["--proxy", mode]);
        let state: LabState = lab.state();
        let busybox =
            worker(&state, "worker-0").pods.iter().find(|pod| pod.name.starts_with("busybox0")).expect("a pod");
        let client = Path::new(&busybox.netns).to_owned();
        let outside = Path::new(&state.outside.netns).to_owned();
        let server = pod(&state, "nginx").address.addr().to_string();
        let [here, there] = [format!("{server}:7"), "10.200.1.2:7".to_owned()];
        let add = |rest: &[&str]| service(&lab, "add", rest);
        let again = |name: &str, rest: &[&str]| {
            service(&lab, "remove", &[name]);
            service(&lab, "add", rest);
        };
        let udp = |name: &'static str, ip: &'static str| ["--port", "7", "--protocol", "udp", "--cluster-ip", ip, name];
        let tcp = |name: &'static str, ip: &'static str| ["--cluster-ip", ip, name];
        let (dns, moved, renumbered, ported) =
            (udp("u", "10.32.0.60"), tcp("t", "10.32.0.61"), tcp("p", "10.32.0.62"), tcp("n", "10.32.0.63"));

        // As it should be: nothing is stale.
        add(&[&dns[..], &["--endpoint", &there]].concat());
        add(&[&moved[..], &["--port", "7", "--endpoint", &here]].concat());
        add(&[&renumbered[..], &["--port", "70", "--endpoint", &here]].concat());
        add(&[&ported[..], &["--port", "7", "--node-port", "30007", "--endpoint", &here]].concat());
        let fine = within(&client.to_string_lossy(), || ask_udp(to("10.32.0.60:7")).0);
        let one = held(&client, to("10.32.0.61:7"));
        let other = held(&client, to("10.32.0.62:70"));
        let third = held(&outside, to("10.240.0.20:30007"));
        let tool = |line: String| {
            lab.exec("worker-0", &line.split(' ').collect::<Vec<_>>());
        };
        // To an address that will be a service's. In nftables mode kube-proxy rejects what goes to none.
        if mode == "nftables" {
            tool(format!("conntrack -I -p udp -s {} -d 10.32.0.64 --sport 64 --dport 7 -t 600", fine.ip()));
        } else {
            within(&client.to_string_lossy(), || {
                let socket = UdpSocket::bind(("0.0.0.0", 0)).expect("binds");
                socket.send_to(b"?", "10.32.0.64:7").expect("sends");
            });
            wait_until("the packet", || listed(&lab).iter().any(|line| line.contains("dst=10.32.0.64 ")));
        }
        let (code, answer) = stale(&lab);
        assert_eq!((kinds(&answer, "flows"), kinds(&answer, "draining")), (Vec::new(), Vec::new()), "{mode}");
        assert_eq!(code, Some(0), "{mode}: {}", answer["issues"]);

        // Endpoints and ports change; an address gets a service.
        again("u", &[&dns[..], &["--endpoint", &here]].concat());
        again("t", &[&moved[..], &["--port", "7", "--endpoint", &there]].concat());
        again("p", &[&renumbered[..], &["--port", "71", "--endpoint", &here]].concat());
        again("n", &[&ported[..], &["--port", "7", "--endpoint", &here]].concat());
        add(&[&udp("late", "10.32.0.64")[..], &["--endpoint", &here]].concat());
        // The lab removes stale UDP flows after a change, as kube-proxy does: they come back as if it had not.
        tool(format!("conntrack -I -p udp -s {} -d 10.32.0.64 --sport 64 --dport 7 -t 600", fine.ip()));
        // A pod that is gone, and the same conversations in other zones and over IPv6.
        tool(
            "conntrack -I -p tcp -s 10.200.0.3 -d 10.200.0.99 --sport 999 --dport 80 --state ESTABLISHED -t 600"
                .to_owned(),
        );
        for zone in ["-w 0", "-w 5", "-w 6"] {
            tool(format!(
                "conntrack -I -p udp -s {} -d 10.32.0.60 --sport {} --dport 7 --dst-nat 10.200.1.2:7 -t 600 {zone}",
                fine.ip(),
                fine.port()
            ));
        }
        tool("conntrack -I -p udp -s fd00::1 -d fd00::60 --sport 5 --dport 7 --dst-nat fd00::2 -t 600".to_owned());
        tool("conntrack -I -p udp -s fd00::1 -d fd00::2 --sport 6 --dport 7 -t 600".to_owned());

        let (code, answer) = stale(&lab);
        let found = |kind: &str, road: &str| (kind.to_owned(), road.to_owned());
        let expected = [
            found("endpoint_gone", "udp 10.32.0.60:7 10.200.1.2:7"),
            found("endpoint_gone", "udp 10.32.0.60:7 10.200.1.2:7"),
            found("endpoint_gone", "udp 10.32.0.60:7 10.200.1.2:7"),
            found("service_gone", "udp fd00::60:7 fd00::2:7"),
            found("address_gone", "tcp 10.200.0.99:80 10.200.0.99:80"),
            found("not_translated", "udp 10.32.0.64:7 10.32.0.64:7"),
            found("old_port", &format!("tcp 10.32.0.62:70 {here}")),
            found("old_node_port", &format!("tcp 10.240.0.20:30007 {here}")),
        ];
        assert_eq!(kinds(&answer, "flows"), expected, "{mode}: {}", answer["issues"]);
        assert_eq!(kinds(&answer, "draining"), [found("draining", &format!("tcp 10.32.0.61:7 {here}"))], "{mode}");
        assert_eq!(code, Some(1), "{mode}");

        // Each command removes one flow, and what is left is all the others.
        for flow in answer["data"]["flows"].as_array().expect("a list") {
            let command = flow["command"].as_str().expect("a command");
            let before = listed(&lab);
            lab.exec("worker-0", &command.split(' ').collect::<Vec<_>>());
            let after = listed(&lab);
            let gone: Vec<&String> = before.difference(&after).collect();
            let [gone] = gone.as_slice() else { panic!("{mode}: {command}\nremoved {gone:?}") };
            assert!(gone.ends_with(&format!(" id={}", flow["id"])), "{mode}: {command}\nremoved {gone}");
            assert_eq!(after.difference(&before).collect::<Vec<_>>(), Vec::<&String>::new(), "{mode}: {command}");
        }
        let (code, answer) = stale(&lab);
        assert_eq!(kinds(&answer, "flows"), Vec::new(), "{mode}");
        assert_eq!(kinds(&answer, "draining").len(), 1, "{mode}");
        assert_eq!(code, Some(0), "{mode}: {}", answer["issues"]);
        drop((one, other, third));
    }
}
