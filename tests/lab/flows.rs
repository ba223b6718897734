//! Real traffic, and the flows that it leaves on each worker, as podnet reads them: for each of kube-proxy's modes.
//!
//! Oracles: the servers of the lab, which say whom they saw, and the clients' own ports.

use std::net::{SocketAddr, UdpSocket};

use serde_json::{Value, json};

use crate::harness::{
    Lab, PATIENCE, ask_http, ask_tcp, ask_udp, pod, podnet, stderr, stdout, succeeded, within, worker,
};

const PROXIES: [&str; 3] = ["iptables", "iptables-legacy", "nftables"];

const BUSYBOX: &str = "busybox0-rw89s";
const NGINX: &str = "nginx-65899c769f-wxdx6";
const FAR: &str = "busybox0-g6pww";

type Ask = fn(SocketAddr) -> SocketAddr;

fn tcp(to: SocketAddr) -> SocketAddr {
    ask_tcp(to).0
}

fn udp(to: SocketAddr) -> SocketAddr {
    ask_udp(to).0
}

fn http(to: SocketAddr) -> SocketAddr {
    ask_http(to).0
}

/// Asks kube-dns as a resolver does.
fn dns(to: SocketAddr) -> SocketAddr {
    let socket = UdpSocket::bind(("0.0.0.0", 0)).expect("binds");
    socket.set_read_timeout(Some(PATIENCE)).expect("timeout");
    let asked = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x00\x00\x01\x00\x01";
    socket.send_to(asked, to).expect("sends");
    let (_, from) = socket.recv_from(&mut [0; 512]).expect("answers");
    assert_eq!(from, to);
    socket.local_addr().expect("bound")
}

/// Sends from a machine or pod; gives the client's own port.
#[track_caller]
fn send(lab: &Lab, from: &str, ask: Ask, to: &str) -> u16 {
    let to: SocketAddr = to.parse().expect("an address");
    within(&netns(lab, from), move || ask(to)).port()
}

fn netns(lab: &Lab, of: &str) -> String {
    let state = lab.state();
    match of {
        "outside" => state.outside.netns,
        _ if of.starts_with("worker") => worker(&state, of).netns.clone(),
        _ => pod(&state, of).netns.clone(),
    }
}

/// The flows that podnet tells of a worker, or of all with an empty one.
#[track_caller]
fn rows(lab: &Lab, on: &str, arguments: &[&str]) -> Vec<Value> {
    let node = format!("--lab={}/{on}", lab.name);
    let mut words = vec![node.as_str(), "-o", "json", "conntrack"];
    words.extend(arguments);
    let output = podnet(&words);
    assert!(matches!(output.status.code(), Some(0 | 3)), "{}", stderr(&output));
    let answer: Value = serde_json::from_str(&stdout(&output)).expect("JSON");
    assert_eq!(answer["issues"], json!([]), "{arguments:?} on {on}");
    answer["data"]["flows"].as_array().expect("a list").clone()
}

/// The one flow of a worker whose client or seen port is this.
#[track_caller]
fn row(lab: &Lab, on: &str, port: u16) -> Value {
    let rows = rows(lab, on, &[]);
    let mut found = rows.iter().filter(|row| row["client"]["port"] == port || row["seen_as"]["port"] == port);
    let row = found.next().unwrap_or_else(|| panic!("no flow of port {port} on {on}: {rows:#?}")).clone();
    assert_eq!(found.next(), None, "one flow");
    row
}

/// `ADDRESS` or `ADDRESS:PORT` of a party, and whose it is.
fn party(party: &Value) -> String {
    let address = party["address"].as_str().expect("an address");
    let who = &party["who"];
    let name = match who["kind"].as_str().expect("a kind") {
        "pod" => format!("{}/{}", who["namespace"].as_str().expect("one"), who["name"].as_str().expect("one")),
        other => other.to_owned(),
    };
    format!("{name} {address}")
}

/// What podnet says of a flow: client, what it asked for, who served it, whom that saw, what was translated.
#[derive(Debug, PartialEq, Eq)]
struct Read {
    protocol: String,
    client: String,
    service: Option<String>,
    front: Option<String>,
    served_by: String,
    port: Option<u64>,
    seen_as: String,
    nat: String,
}

fn read(row: &Value) -> Read {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    Read {
        protocol: text(&row["protocol"]).expect("one"),
        client: party(&row["client"]),
        service: text(&row["asked_for"]["service"]),
        front: text(&row["asked_for"]["front"]),
        served_by: party(&row["served_by"]),
        port: row["served_by"]["port"].as_u64(),
        seen_as: party(&row["seen_as"]),
        nat: text(&row["nat"]).expect("one"),
    }
}

struct Expected<'a> {
    protocol: &'a str,
    client: &'a str,
    service: Option<(&'a str, &'a str)>,
    served_by: &'a str,
    port: u64,
    seen_as: &'a str,
    nat: &'a str,
}

#[track_caller]
fn assert_row(row: &Value, expected: &Expected<'_>, context: &str) {
    let expected = Read {
        protocol: expected.protocol.to_owned(),
        client: expected.client.to_owned(),
        service: expected.service.map(|(title, _)| title.to_owned()),
        front: expected.service.map(|(_, front)| front.to_owned()),
        served_by: expected.served_by.to_owned(),
        port: Some(expected.port),
        seen_as: expected.seen_as.to_owned(),
        nat: expected.nat.to_owned(),
    };
    assert_eq!(read(row), expected, "{context}: {row:#}");
}

fn service(lab: &Lab, arguments: &[&str]) {
    let mut words = vec!["lab", "service", "add", "--name", &lab.name];
    words.extend(arguments);
    succeeded(podnet(&words));
}

const FROM_BUSYBOX: &str = "default/busybox0-rw89s 10.200.0.3";
const AT_NGINX: &str = "default/nginx-65899c769f-wxdx6 10.200.0.4";
const AT_FAR: &str = "default/busybox0-g6pww 10.200.1.2";
const OUTSIDE: &str = "elsewhere 198.51.100.10";

#[test]
fn a_call_through_a_cluster_ip_is_told_as_it_went() {
    for proxy in PROXIES {
        let lab = Lab::up(&["--proxy", proxy, "--hairpin"]);
        for (name, ip, endpoint) in [("near", "10.32.0.60", "10.200.0.4:7"), ("far", "10.32.0.61", "10.200.1.2:7")] {
            for protocol in ["tcp", "udp"] {
                let port = ["--port", "1007", "--protocol", protocol, "--endpoint", endpoint, "--cluster-ip", ip];
                service(&lab, &[&[format!("{name}:{protocol}").as_str()], port.as_slice()].concat());
            }
        }
        for (protocol, ask) in [("tcp", tcp as Ask), ("udp", udp)] {
            let near = format!("default/near:{protocol}");
            let far = format!("default/far:{protocol}");
            // On the same worker: the source is kept.
            let port = send(&lab, BUSYBOX, ask, "10.32.0.60:1007");
            let expected = Expected {
                protocol,
                client: FROM_BUSYBOX,
                service: Some((&near, "cluster_ip")),
                served_by: AT_NGINX,
                port: 7,
                seen_as: FROM_BUSYBOX,
                nat: "dnat",
            };
            assert_row(&row(&lab, "worker-0", port), &expected, proxy);
            // To itself.
            let port = send(&lab, NGINX, ask, "10.32.0.60:1007");
            let itself = Expected { client: AT_NGINX, seen_as: "node 10.200.0.1", nat: "hairpin", ..expected };
            assert_row(&row(&lab, "worker-0", port), &itself, proxy);
            // To the other worker, which sees the node.
            let port = send(&lab, BUSYBOX, ask, "10.32.0.61:1007");
            let first = row(&lab, "worker-0", port);
            let there = Expected {
                protocol,
                client: FROM_BUSYBOX,
                service: Some((&far, "cluster_ip")),
                served_by: "elsewhere 10.200.1.2",
                port: 7,
                seen_as: "node 10.240.0.20",
                nat: "snat_and_dnat",
            };
            assert_row(&first, &there, proxy);
            let goes_on = Expected {
                protocol,
                client: "elsewhere 10.240.0.20",
                service: None,
                served_by: AT_FAR,
                port: 7,
                seen_as: "elsewhere 10.240.0.20",
                nat: "none",
            };
            let seen = u16::try_from(first["seen_as"]["port"].as_u64().expect("one")).expect("a port");
            assert_row(&row(&lab, "worker-1", seen), &goes_on, proxy);
        }
        // DNS, as every pod asks it.
        let port = send(&lab, BUSYBOX, dns, "10.32.0.10:53");
        let expected = Expected {
            protocol: "udp",
            client: FROM_BUSYBOX,
            service: Some(("kube-system/kube-dns:dns", "cluster_ip")),
            served_by: "kube-system/kube-dns-598d7bf7d4-t95cl 10.200.0.2",
            port: 53,
            seen_as: FROM_BUSYBOX,
            nat: "dnat",
        };
        assert_row(&row(&lab, "worker-0", port), &expected, proxy);
    }
}

#[test]
fn a_call_to_a_node_port_is_told_with_whom_the_endpoint_saw() {
    for proxy in PROXIES {
        let lab = Lab::up(&["--proxy", proxy]);
        let local = ["own", "--port", "7", "--node-port", "30008", "--endpoint", "10.200.0.4:7"];
        service(&lab, &[local.as_slice(), &["--external-traffic-policy", "Local"]].concat());
        // Row 18: in at the worker that has no endpoint.
        let port = send(&lab, "outside", http, "10.240.0.21:31088");
        let first = row(&lab, "worker-1", port);
        let expected = Expected {
            protocol: "tcp",
            client: OUTSIDE,
            service: Some(("default/nginx", "node_port")),
            served_by: "elsewhere 10.200.0.4",
            port: 80,
            seen_as: "node 10.240.0.21",
            nat: "snat_and_dnat",
        };
        assert_row(&first, &expected, proxy);
        let goes_on = Expected {
            protocol: "tcp",
            client: "elsewhere 10.240.0.21",
            service: None,
            served_by: AT_NGINX,
            port: 80,
            seen_as: "elsewhere 10.240.0.21",
            nat: "none",
        };
        let seen = u16::try_from(first["seen_as"]["port"].as_u64().expect("one")).expect("a port");
        assert_row(&row(&lab, "worker-0", seen), &goes_on, proxy);
        // In at the worker that has it: the bridge's address is what a masquerade takes there.
        let port = send(&lab, "outside", http, "10.240.0.20:31088");
        let here = Expected { served_by: AT_NGINX, seen_as: "node 10.200.0.1", ..expected };
        assert_row(&row(&lab, "worker-0", port), &here, proxy);
        // The endpoint sees who asks.
        let port = send(&lab, "outside", tcp, "10.240.0.20:30008");
        let kept = Expected {
            protocol: "tcp",
            client: OUTSIDE,
            service: Some(("default/own", "node_port")),
            served_by: AT_NGINX,
            port: 7,
            seen_as: OUTSIDE,
            nat: "dnat",
        };
        assert_row(&row(&lab, "worker-0", port), &kept, proxy);
    }
}

#[test]
fn a_call_to_the_outside_is_masqueraded_or_not() {
    for masquerade in [true, false] {
        let lab = if masquerade { Lab::up(&[]) } else { Lab::up(&["--no-masquerade"]) };
        let (seen_as, nat) = if masquerade { ("node 10.240.0.20", "snat") } else { (FROM_BUSYBOX, "none") };
        for (protocol, ask) in [("tcp", tcp as Ask), ("udp", udp)] {
            for (to, served_by) in [("198.51.100.10:7", OUTSIDE), ("10.200.1.2:7", "elsewhere 10.200.1.2")] {
                let port = send(&lab, BUSYBOX, ask, to);
                let expected =
                    Expected { protocol, client: FROM_BUSYBOX, service: None, served_by, port: 7, seen_as, nat };
                assert_row(&row(&lab, "worker-0", port), &expected, to);
            }
        }
    }
}

/// Rows 14 and 16: a ping to a pod of the other worker, on both of them.
#[test]
fn a_ping_across_workers_is_told_as_the_walkthrough_shows_it() {
    for masquerade in [true, false] {
        let lab = if masquerade { Lab::up(&[]) } else { Lab::up(&["--no-masquerade"]) };
        lab.exec(BUSYBOX, &["ping", "-n", "-c", "1", "-W", "5", "10.200.1.2"]);
        let echo = |on: &str| {
            let mut found = rows(&lab, on, &["--protocol", "icmp"]);
            assert_eq!(found.len(), 1, "{found:#?}");
            found.remove(0)
        };
        let (first, second) = (echo("worker-0"), echo("worker-1"));
        let parties = |row: &Value| {
            let told = read(row);
            assert_eq!((told.protocol.as_str(), told.service, told.port), ("icmp", None, None));
            assert_eq!(row["icmp"]["type"], 8);
            [told.client, told.served_by, told.seen_as, told.nat]
        };
        let (seen, nat, other) = if masquerade {
            ("node 10.240.0.20", "snat", "elsewhere 10.240.0.20")
        } else {
            (FROM_BUSYBOX, "none", "elsewhere 10.200.0.3")
        };
        assert_eq!(parties(&first), [FROM_BUSYBOX, "elsewhere 10.200.1.2", seen, nat]);
        assert_eq!(parties(&second), [other, AT_FAR, other, "none"]);
        assert_eq!(first["icmp"]["seen_id"], second["icmp"]["id"]);
    }
}

/// Rows 14 and 18 over both workers: the node's address on one of them is the pod on the other.
#[test]
fn over_both_workers_the_flows_of_one_call_are_one_conversation() {
    let lab = Lab::up(&[]);
    let port = send(&lab, BUSYBOX, tcp, "10.200.1.2:7");
    let rows = rows(&lab, "", &["--to", "10.200.1.2:7"]);
    let on = |node: &str| rows.iter().find(|row| row["node"] == node).expect("a row of each").clone();
    let (first, second) = (on("worker-0"), on("worker-1"));
    assert_eq!(rows.len(), 2, "{rows:#?}");
    assert_eq!(first["client"]["port"], port);
    assert_eq!(read(&first).served_by, AT_FAR, "the other worker tells its name");
    assert!(first["conversation"].is_u64(), "{first:#}");
    assert_eq!(first["conversation"], second["conversation"]);
    let behind = &second["client"]["behind"];
    assert_eq!(behind["node"], "worker-0", "{second:#}");
    assert_eq!(behind["port"], port);
    assert_eq!(party(behind), FROM_BUSYBOX);
}

#[test]
fn a_call_over_ipv6_is_told_like_any_other() {
    let lab = Lab::up(&[]);
    for (at, commands) in [
        (
            "worker-0",
            &[
                "ip -6 address add fd00:240::20/64 dev eth0 nodad",
                "ip -6 address add fd00:200::1/64 dev cnio0 nodad",
                "ip -6 route add fd00:200:1::/64 via fd00:240::21",
                "sysctl -q -w net.ipv6.conf.all.forwarding=1",
                "nft add table ip6 pnt",
                "nft add chain ip6 pnt post { type nat hook postrouting priority 100 ; }",
                "nft add rule ip6 pnt post ip6 saddr fd00:200::/64 oifname eth0 masquerade",
            ][..],
        ),
        (
            "worker-1",
            &[
                "ip -6 address add fd00:240::21/64 dev eth0 nodad",
                "ip -6 address add fd00:200:1::1/64 dev cnio0 nodad",
                "sysctl -q -w net.ipv6.conf.all.forwarding=1",
                "nft add table ip6 pnt",
                "nft add chain ip6 pnt passing { type filter hook forward priority 0 ; }",
                "nft add rule ip6 pnt passing ct state new counter",
            ],
        ),
        (BUSYBOX, &["ip -6 address add fd00:200::3/64 dev eth0 nodad", "ip -6 route add default via fd00:200::1"]),
        (FAR, &["ip -6 address add fd00:200:1::2/64 dev eth0 nodad", "ip -6 route add default via fd00:200:1::1"]),
    ] {
        for command in commands {
            lab.exec(at, &command.split(' ').collect::<Vec<_>>());
        }
    }
    // The lab's own servers answer over IPv4 alone.
    let server = within(&netns(&lab, FAR), || UdpSocket::bind("[fd00:200:1::2]:1007").expect("binds"));
    let client = within(&netns(&lab, BUSYBOX), || UdpSocket::bind("[fd00:200::3]:0").expect("binds"));
    for socket in [&server, &client] {
        socket.set_read_timeout(Some(PATIENCE)).expect("timeout");
    }
    client.send_to(b"?", "[fd00:200:1::2]:1007").expect("sends");
    let (_, seen) = server.recv_from(&mut [0; 8]).expect("is asked");
    assert_eq!(seen.ip().to_string(), "fd00:240::20");
    server.send_to(b"!", seen).expect("sends");
    client.recv_from(&mut [0; 8]).expect("is answered");
    let port = client.local_addr().expect("bound").port();
    let expected = Expected {
        protocol: "udp",
        // Pods are known by the addresses that the runtime tells, and the lab's tells no IPv6.
        client: "elsewhere fd00:200::3",
        service: None,
        served_by: "elsewhere fd00:200:1::2",
        port: 1007,
        seen_as: "node fd00:240::20",
        nat: "snat",
    };
    assert_row(&row(&lab, "worker-0", port), &expected, "ipv6");
    let other = "elsewhere fd00:240::20";
    let goes_on =
        Expected { client: other, served_by: "elsewhere fd00:200:1::2", seen_as: other, nat: "none", ..expected };
    assert_row(&row(&lab, "worker-1", seen.port()), &goes_on, "ipv6");
}

/// Masquerade rules that ask by which link a packet leaves: the one that the kernel counted is the one that is told.
#[test]
fn a_masquerade_that_asks_for_the_link_is_told_where_the_route_leads_by_it() {
    for proxy in PROXIES {
        let lab = Lab::up(&["--proxy", proxy, "--no-masquerade"]);
        let iptables = if proxy == "iptables-legacy" { "iptables-legacy" } else { "iptables" };
        for rule in [
            "-s 10.200.0.0/24 -o cnio0 -j MASQUERADE",
            "-s 10.200.0.0/24 ! -o cnio0 -d 10.240.0.0/24 -j MASQUERADE",
            "-s 10.200.0.0/24 -o eth+ -j MASQUERADE",
            "-s 10.200.0.0/24 -j MASQUERADE",
        ] {
            let words = [iptables, "-t", "nat", "-A", "POSTROUTING"].into_iter().chain(rule.split(' '));
            lab.exec("worker-0", &words.collect::<Vec<_>>());
        }
        for (to, expected) in [("198.51.100.10:7", "-o eth+ "), ("10.240.0.21:31088", "! -o cnio0 ")] {
            let port = send(&lab, BUSYBOX, tcp_or_http(to), to);
            let answer = told(&lab, "worker-0", &[BUSYBOX]);
            let rows = answer["data"]["flows"].as_array().expect("a list");
            let row = rows.iter().find(|row| row["client"]["port"] == port).expect("the flow");
            let place = row["source_rule"]["rule"].as_u64().and_then(|place| usize::try_from(place).ok());
            let place = place.unwrap_or_else(|| panic!("{proxy} {to}: {row:#}"));
            let rules = answer["data"]["of_nodes"][0]["rules"][place]["rules"].as_array().expect("a list");
            let text = rules.last().expect("a rule")["text"].as_str().expect("a text");
            assert!(text.contains(expected), "{proxy} {to}: {text}");
            // The kernel counted that one and no other of them.
            let saved = lab.exec("worker-0", &[&format!("{iptables}-save"), "-c", "-t", "nat"]);
            let counted: Vec<&str> = saved
                .lines()
                .filter(|line| line.contains("-s 10.200.0.0/24") && !line.starts_with("[0:0]"))
                .filter(|line| line.contains(expected))
                .collect();
            assert_eq!(counted.len(), 1, "{proxy} {to}: {saved}");
        }
    }
}

fn tcp_or_http(to: &str) -> Ask {
    if to.ends_with(":7") { tcp } else { http }
}

/// The whole answer of a worker.
#[track_caller]
fn told(lab: &Lab, on: &str, arguments: &[&str]) -> Value {
    let node = format!("--lab={}/{on}", lab.name);
    let mut words = vec![node.as_str(), "-o", "json", "conntrack"];
    words.extend(arguments);
    serde_json::from_str(&stdout(&podnet(&words))).expect("JSON")
}

/// Of so many services that their chains are not all read, those that were not are told without what their rules
/// say, never wrongly, and the answer says so; asked for alone each is told whole.
#[test]
fn of_many_services_what_was_not_read_is_said_and_not_guessed() {
    const MANY: usize = 36;
    let lab = Lab::up(&["--workers", "1"]);
    for number in 0..MANY {
        let (name, ip) = (format!("s{number:02}"), format!("10.32.0.{}", 150 + number));
        service(&lab, &[&name, "--port", "7", "--cluster-ip", &ip, "--endpoint", "10.200.0.4:7"]);
    }
    let ports: Vec<u16> =
        (0..MANY).map(|number| send(&lab, BUSYBOX, tcp, &format!("10.32.0.{}:7", 150 + number))).collect();
    let all = told(&lab, "worker-0", &[]);
    let issues = all["issues"].as_array().expect("a list");
    let said = issues.iter().filter(|issue| issue.to_string().contains("the chains were not read"));
    assert_eq!(said.count(), 1, "{issues:#?}");
    let rows = all["data"]["flows"].as_array().expect("a list");
    let mut untold = 0;
    for (number, port) in ports.iter().enumerate() {
        let row = rows.iter().find(|row| row["client"]["port"] == *port).expect("the flow");
        let title = format!("default/s{number:02}");
        assert_eq!(row["asked_for"]["service"], title.as_str());
        let would = &row["asked_for"]["would_go_there"];
        if would.is_null() {
            untold += 1;
            let alone = told(&lab, "worker-0", &["--service", &title]);
            let row = &alone["data"]["flows"][0];
            assert_eq!((&row["client"]["port"], &row["asked_for"]["would_go_there"]), (&json!(port), &json!(true)));
        } else {
            assert_eq!(*would, json!(true), "{title}");
        }
    }
    assert!((1..MANY).contains(&untold), "{untold} of {MANY}");
}
