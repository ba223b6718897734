//! Services at the edge of what kube-proxy writes: podnet's word against packets that are really sent.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::harness::{Lab, Said, ask_tcp, ask_udp, podnet, stdout, wait_until};
use crate::services::{FAR, NGINX, PROXIES, asked, assert_dropped};

const POD: &str = "busybox0-rw89s";

fn told(lab: &Lab, worker: &str, what: &str) -> Value {
    let output = podnet(&[&format!("--lab={}/{worker}", lab.name), "services", what, "-o", "json"]);
    serde_json::from_str(&stdout(&output)).expect("JSON")
}

/// Protocols and endpoints of the service ports that a question gives.
fn endpoints(answer: &Value) -> Vec<(Value, Vec<String>)> {
    let ports = answer["data"]["services"].as_array().cloned().unwrap_or_default();
    let of = |port: &Value| {
        let all = port["endpoints"].as_array().cloned().unwrap_or_default();
        all.iter().map(|one| format!("{}:{}", one["address"].as_str().unwrap_or("?"), one["port"])).collect()
    };
    ports.iter().map(|port| (port["protocol"].clone(), of(port))).collect()
}

#[test]
fn three_protocols_on_one_port_are_three_service_ports() {
    for proxy in PROXIES {
        let lab = Lab::with_proxy(proxy);
        for (protocol, endpoint) in [("tcp", "10.200.0.4:7"), ("udp", "10.200.1.2:7"), ("sctp", "10.200.0.2:7")] {
            let name = format!("three:{protocol}");
            let rest = ["--port", "7", "--protocol", protocol, "--endpoint", endpoint, "--cluster-ip", "10.32.0.60"];
            lab.service("add", &[&[name.as_str(), "--node-port", "30007"], rest.as_slice()].concat());
        }
        let answers: [(fn(SocketAddr) -> (SocketAddr, Said), &str); 2] = [(ask_tcp, NGINX), (ask_udp, FAR)];
        for (ask, name) in answers {
            assert_eq!(asked(&lab, POD, ask, "10.32.0.60:7").0, name, "{proxy}");
            assert_eq!(asked(&lab, "outside", ask, "10.240.0.20:30007").0, name, "{proxy}");
        }
        let expected = [
            (json!("tcp"), vec!["10.200.0.4:7".to_owned()]),
            (json!("udp"), vec!["10.200.1.2:7".to_owned()]),
            (json!("sctp"), vec!["10.200.0.2:7".to_owned()]),
        ];
        for what in ["10.32.0.60:7", "30007", "default/three"] {
            let mut found = endpoints(&told(&lab, "worker-0", what));
            found.sort_by_key(|(protocol, _)| ["tcp", "udp", "sctp"].iter().position(|one| protocol == one));
            assert_eq!(found, expected, "{proxy} {what}");
        }
    }
}

#[test]
fn policy_local_without_local_endpoints_drops_outsiders_alone() {
    for proxy in PROXIES {
        let lab = Lab::with_proxy(proxy);
        let local = ["own", "--port", "7", "--node-port", "30008", "--external-traffic-policy", "Local"];
        lab.service("add", &[&local[..], &["--cluster-ip", "10.32.0.60", "--endpoint", "10.200.0.4:7"]].concat());
        assert_dropped(&lab, "outside", "10.240.0.21:30008");
        assert_eq!(asked(&lab, "worker-1", ask_tcp, "10.240.0.21:30008").0, NGINX, "{proxy}");
        let answer = told(&lab, "worker-1", "default/own");
        let port = &answer["data"]["services"][0];
        let refusal = &port["node_port"]["refusals"][0];
        assert_eq!(
            (&refusal["verdict"], &refusal["why"], &port["external_policy"]),
            (&json!("drop"), &json!("no_local_endpoints"), &json!("local")),
            "{proxy}: {port}"
        );
        assert_eq!(endpoints(&answer)[0].1, ["10.200.0.4:7"], "{proxy}: pods and the node reach it all the same");
        let here = &told(&lab, "worker-0", "default/own")["data"]["services"][0]["node_port"]["refusals"];
        assert_eq!(here, &json!([]), "{proxy}: the worker that has it refuses nobody");
    }
}

/// What the kernel keeps of a client is longer there than it counts.
#[test]
fn an_expired_affinity_binds_nobody_and_the_kernel_agrees() {
    for proxy in PROXIES {
        let lab = Lab::with_proxy(proxy);
        let rest = ["--port", "7", "--cluster-ip", "10.32.0.61", "--session-affinity", "2"];
        lab.service(
            "add",
            &[&["stays"], &rest[..], &["--endpoint", "10.200.0.4:7", "--endpoint", "10.200.1.2:7"]].concat(),
        );
        let clients = || {
            let answer = told(&lab, "worker-0", "default/stays");
            let all = answer["data"]["services"][0]["affinity"]["clients"].as_array().cloned().expect("a list");
            all.iter().map(|one| (one["client"].clone(), one["endpoint"].clone())).collect::<Vec<_>>()
        };
        assert_eq!(clients(), [], "{proxy}");
        let name = asked(&lab, POD, ask_tcp, "10.32.0.61:7").0;
        let endpoint = if name == NGINX { "10.200.0.4:7" } else { "10.200.1.2:7" };
        assert_eq!(clients(), [(json!("10.200.0.3"), json!(endpoint))], "{proxy}");
        wait_until("the end of the binding", || clients().is_empty());
        // xt_recent lists it still; only its rule asks how old it is. A set of nf_tables drops it.
        let listed = lab.exec("worker-0", &["sh", "-c", "cat /proc/thread-self/net/xt_recent/* 2>/dev/null; true"]);
        assert_eq!(listed.contains("src=10.200.0.3"), proxy != "nftables", "{proxy}: {listed}");
        // The kernel draws anew: of many new draws, each after its binding ended, one goes elsewhere. Here, that
        // a client whose binding was told as ended can be bound to the other again.
        let reached: Vec<String> = (0..24)
            .map(|_| {
                if proxy == "nftables" {
                    let sets = lab.exec("worker-0", &["nft", "list", "sets", "ip"]);
                    for line in sets.lines().filter_map(|line| line.trim().strip_prefix("set affinity-")) {
                        let set = format!("affinity-{}", line.trim_end_matches(" {"));
                        lab.exec("worker-0", &["nft", "flush", "set", "ip", "kube-proxy", &set]);
                    }
                } else {
                    let clear = "for f in /proc/thread-self/net/xt_recent/*; do echo / > $f; done";
                    lab.exec("worker-0", &["bash", "-c", clear]);
                }
                assert_eq!(clients(), [], "{proxy}");
                asked(&lab, POD, ask_tcp, "10.32.0.61:7").0
            })
            .collect();
        assert!(reached.iter().any(|name| *name == NGINX) && reached.iter().any(|name| *name == FAR), "{proxy}");
    }
}

/// As kube-proxy does: a UDP client that talked to an endpoint that is gone is led to one that is there.
#[test]
fn a_udp_flow_to_an_endpoint_that_is_gone_does_not_stay() {
    for proxy in PROXIES {
        let lab = Lab::with_proxy(proxy);
        let add = |name: &str, endpoint: &str| {
            let rest = ["--port", "7", "--protocol", "udp", "--cluster-ip", "10.32.0.60", "--endpoint", endpoint];
            lab.service("add", &[&[name], rest.as_slice()].concat());
        };
        add("moves", "10.200.0.4:7");
        // One socket, so one flow.
        let (told, heard) = std::sync::mpsc::channel::<String>();
        let (go, next) = std::sync::mpsc::channel::<()>();
        let path = crate::services::netns(&lab, POD);
        let client = std::thread::spawn(move || {
            crate::harness::within(&path, move || {
                let socket = std::net::UdpSocket::bind(("0.0.0.0", 0)).expect("binds");
                socket.set_read_timeout(Some(crate::harness::PATIENCE)).expect("timeout");
                while next.recv().is_ok() {
                    socket.send_to(b"?", "10.32.0.60:7").expect("sends");
                    let mut bytes = [0; 2048];
                    let (length, _) = socket.recv_from(&mut bytes).expect("answers");
                    told.send(String::from_utf8_lossy(&bytes[..length]).into_owned()).expect("heard");
                }
            });
        });
        let ask = || {
            go.send(()).expect("it waits");
            heard.recv_timeout(crate::harness::PATIENCE).expect("an answer")
        };
        assert!(ask().contains(NGINX), "{proxy}");
        lab.service("remove", &["moves"]);
        add("moves", "10.200.1.2:7");
        assert!(ask().contains(FAR), "{proxy}: the flow to the endpoint that is gone was deleted");
        drop(go);
        client.join().expect("no panic");
    }
}
