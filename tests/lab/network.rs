//! The network that the lab makes: packets, links, routes and settings.

use std::net::{IpAddr, SocketAddr};

use serde_json::{Value, json};

use crate::harness::{Lab, Said, ask_http, ask_tcp, ask_udp, pod, succeeded, wait_until, within, worker};

const ECHO: u16 = 7;
const HTTP: u16 = 80;

type Ask = fn(SocketAddr) -> (SocketAddr, Said);

/// Asks from one namespace by each protocol; each server must be `name` on `node`, seeing `client`.
#[track_caller]
fn assert_sees(from: &str, to: &str, name: &str, node: &str, client: &str) {
    let to: IpAddr = to.parse().expect("an address");
    let client: IpAddr = client.parse().expect("an address");
    for (protocol, ask, port) in [("tcp", ask_tcp as Ask, ECHO), ("udp", ask_udp, ECHO), ("http", ask_http, HTTP)] {
        let (_, said) = within(from, move || ask(SocketAddr::new(to, port)));
        assert_eq!(
            (said.name.as_str(), said.node.as_str(), said.client.ip()),
            (name, node, client),
            "{protocol} to {to}"
        );
    }
}

#[test]
fn pods_talk_on_one_worker_across_workers_and_to_the_outside_with_masquerade() {
    let lab = Lab::up(&[]);
    let state = lab.state();
    let busybox = pod(&state, "busybox0-rw89s");
    let nginx = "default/nginx-65899c769f-wxdx6";
    // One worker: bridged, the pod's own address.
    assert_sees(&busybox.netns, "10.200.0.4", nginx, "worker-0", "10.200.0.3");
    // Across workers, as in the walkthrough: the far pod sees the node.
    assert_sees(&busybox.netns, "10.200.1.2", "default/busybox0-g6pww", "worker-1", "10.240.0.20");
    assert_sees(&pod(&state, "busybox0-g6pww").netns, "10.200.0.4", nginx, "worker-0", "10.240.0.21");
    // Beyond the gateway.
    assert_sees(&busybox.netns, "198.51.100.10", "outside", "outside", "10.240.0.20");
    // From the outside, and from the workers themselves, nothing is masqueraded.
    assert_sees(&state.outside.netns, "10.200.0.4", nginx, "worker-0", "198.51.100.10");
    assert_sees(&worker(&state, "worker-0").netns, "10.200.0.4", nginx, "worker-0", "10.200.0.1");
    assert_sees(&worker(&state, "worker-1").netns, "10.200.0.4", nginx, "worker-0", "10.240.0.21");
    let redirects = lab.exec("gateway", &["nstat", "-asz", "--json", "IcmpOutRedirects"]);
    let redirects: Value = serde_json::from_str(&redirects).expect("JSON");
    assert_eq!(redirects["kernel"]["IcmpOutRedirects"], 0, "the fabric sends no redirects");
}

#[test]
fn the_fabric_does_not_lower_the_ttl() {
    let lab = Lab::up(&[]);
    let ttl = |to: &str| {
        let said = lab.exec("busybox0-rw89s", &["ping", "-n", "-c", "1", "-W", "5", to]);
        let ttl = said.split("ttl=").nth(1).and_then(|rest| rest.split(' ').next());
        ttl.unwrap_or_else(|| panic!("no ttl in {said:?}")).parse::<u8>().expect("a number")
    };
    // The walkthrough's 62: two workers, and a fabric that does not count.
    assert_eq!((ttl("10.200.0.4"), ttl("10.200.1.2"), ttl("198.51.100.10")), (64, 62, 63));
}

#[test]
fn the_flow_of_a_call_across_workers_is_the_walkthroughs_on_both_of_them() {
    let lab = Lab::up(&[]);
    let state = lab.state();
    let (client, _) =
        within(&pod(&state, "busybox0-rw89s").netns, || ask_tcp(SocketAddr::from(([10, 200, 1, 2], ECHO))));
    let flows = |worker: &str| lab.exec(worker, &["conntrack", "-L", "-p", "tcp", "--dport", "7"]);
    let port = client.port();
    let first = flows("worker-0");
    assert!(first.contains(&format!("src=10.200.0.3 dst=10.200.1.2 sport={port} dport=7 ")), "{first}");
    assert!(first.contains(" src=10.200.1.2 dst=10.240.0.20 sport=7 "), "{first}");
    let second = flows("worker-1");
    assert!(second.contains(" src=10.240.0.20 dst=10.200.1.2 "), "{second}");
    assert!(second.contains(" src=10.200.1.2 dst=10.240.0.20 sport=7 "), "{second}");
}

#[test]
fn without_masquerade_every_server_sees_the_pod_itself() {
    let lab = Lab::up(&["--no-masquerade"]);
    let state = lab.state();
    let busybox = &pod(&state, "busybox0-rw89s").netns;
    assert_sees(busybox, "10.200.1.2", "default/busybox0-g6pww", "worker-1", "10.200.0.3");
    assert_sees(busybox, "198.51.100.10", "outside", "outside", "10.200.0.3");
    assert!(!lab.exec("worker-0", &["iptables-save"]).contains("CNI-"));
}

#[test]
fn kube_dns_answers_names_over_udp_and_tcp() {
    let lab = Lab::up(&[]);
    let asked = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x0akubernetes\x00\x00\x01\x00\x01";
    let answer = within(&pod(&lab.state(), "nginx").netns, || {
        let socket = std::net::UdpSocket::bind(("0.0.0.0", 0)).expect("binds");
        socket.set_read_timeout(Some(crate::harness::PATIENCE)).expect("timeout");
        socket.send_to(asked, ("10.200.0.2", 53)).expect("sends");
        let mut bytes = [0; 512];
        let (length, _) = socket.recv_from(&mut bytes).expect("answers");
        bytes[..length].to_vec()
    });
    assert_eq!((&answer[..4], &answer[answer.len() - 4..]), (&b"\x12\x34\x81\x80"[..], &[10, 32, 0, 1][..]));
}

/// The links of a machine or pod by name, as `ip` has them.
fn links(lab: &Lab, target: &str) -> Vec<Value> {
    lab.exec_json(target, &["ip", "-d", "-j", "link"]).as_array().expect("a list").clone()
}

fn link(links: &[Value], name: &str) -> Value {
    links.iter().find(|link| link["ifname"] == name).unwrap_or_else(|| panic!("no {name}")).clone()
}

#[test]
fn links_and_routes_are_those_of_the_real_plugin() {
    let lab = Lab::up(&[]);
    let state = lab.state();
    let nginx = pod(&state, "nginx");
    let inside = links(&lab, "nginx");
    let host = links(&lab, "worker-0");
    let (eth0, outer, bridge) = (link(&inside, "eth0"), link(&host, &nginx.host_link), link(&host, "cnio0"));
    assert_eq!(inside.len(), 2, "lo and eth0");
    assert_eq!(
        json!([eth0["ifindex"], eth0["mtu"], eth0["linkinfo"]["info_kind"], eth0["link_netnsid"], eth0["link_index"]]),
        json!([2, 1500, "veth", 0, outer["ifindex"]])
    );
    assert_eq!(
        json!([outer["link_index"], outer["master"], outer["linkinfo"]["info_slave_data"]["hairpin"]]),
        json!([2, "cnio0", false])
    );
    // The bridge keeps its own address, whatever ports it gets.
    assert!(host.iter().all(|link| link["ifname"] == "cnio0" || link["address"] != bridge["address"]));
    let macs: Vec<String> =
        nginx.interfaces.iter().map(|interface| interface.mac.as_ref().expect("a MAC").to_string()).collect();
    assert_eq!(json!(macs), json!([bridge["address"], outer["address"], eth0["address"]]));
    wait_until("forwarding", || {
        let ports = lab.exec_json("worker-0", &["bridge", "-j", "link"]);
        let ports = ports.as_array().expect("a list");
        ports.len() == 3 && ports.iter().all(|port| port["state"] == "forwarding" && port["master"] == "cnio0")
    });
    let routes = |target: &str| lab.exec_json(target, &["ip", "-j", "route"]);
    assert_eq!(
        routes("nginx"),
        json!([
            {"dst": "default", "gateway": "10.200.0.1", "dev": "eth0", "flags": []},
            {"dst": "10.200.0.0/24", "dev": "eth0", "protocol": "kernel", "scope": "link", "prefsrc": "10.200.0.4", "flags": []},
        ])
    );
    assert_eq!(
        routes("worker-1"),
        json!([
            {"dst": "default", "gateway": "10.240.0.1", "dev": "eth0", "flags": []},
            {"dst": "10.200.1.0/24", "dev": "cnio0", "protocol": "kernel", "scope": "link", "prefsrc": "10.200.1.1", "flags": []},
            {"dst": "10.240.0.0/24", "dev": "eth0", "protocol": "kernel", "scope": "link", "prefsrc": "10.240.0.21", "flags": []},
        ])
    );
    assert_eq!(
        routes("gateway"),
        json!([
            {"dst": "10.200.0.0/24", "gateway": "10.240.0.20", "dev": "vpc0", "flags": []},
            {"dst": "10.200.1.0/24", "gateway": "10.240.0.21", "dev": "vpc0", "flags": []},
            {"dst": "10.240.0.0/24", "dev": "vpc0", "protocol": "kernel", "scope": "link", "prefsrc": "10.240.0.1", "flags": []},
            {"dst": "198.51.100.0/24", "dev": "outside0", "protocol": "kernel", "scope": "link", "prefsrc": "198.51.100.1", "flags": []},
        ])
    );
    let addresses = lab.exec_json("nginx", &["ip", "-j", "-4", "addr", "show", "eth0"]);
    assert_eq!(
        json!([addresses[0]["addr_info"][0]["local"], addresses[0]["addr_info"][0]["broadcast"]]),
        json!(["10.200.0.4", "10.200.0.255"])
    );
}

#[test]
fn settings_are_each_workers_own_and_follow_the_options() {
    let lab = Lab::up(&["--bridge-nf", "0", "--hairpin", "--workers", "1"]);
    let sysctl = |target: &str, name: &str| lab.exec(target, &["sysctl", "-n", name]).trim().to_owned();
    for (target, name, value) in [
        ("worker-0", "net.bridge.bridge-nf-call-iptables", "0"),
        ("worker-0", "net.ipv4.ip_forward", "1"),
        ("worker-0", "net.ipv4.icmp_ratelimit", "0"),
        ("worker-0", "net.ipv4.conf.eth0.rp_filter", "0"),
        ("gateway", "net.ipv4.ip_forward", "1"),
        ("gateway", "net.ipv4.conf.all.send_redirects", "0"),
        ("gateway", "net.ipv4.conf.vpc0.send_redirects", "0"),
        ("gateway", "net.bridge.bridge-nf-call-iptables", "0"),
    ] {
        assert_eq!(sysctl(target, name), value, "{name} of {target}");
    }
    for port in lab.exec_json("worker-0", &["bridge", "-d", "-j", "link"]).as_array().expect("a list") {
        assert_eq!(port["hairpin"], true, "{port}");
    }
    let other = Lab::up(&["--workers", "1"]);
    assert_eq!(other.exec("worker-0", &["sysctl", "-n", "net.bridge.bridge-nf-call-iptables"]).trim(), "1");
}

#[test]
fn two_labs_stand_side_by_side_with_the_same_addresses() {
    let (one, two) = (Lab::up(&[]), Lab::up(&["--no-masquerade", "--workers", "3", "--pods", "7"]));
    let (first, second) = (one.state(), two.state());
    assert_sees(&pod(&first, "busybox0-rw89s").netns, "198.51.100.10", "outside", "outside", "10.240.0.20");
    assert_sees(&pod(&second, "busybox0-rw89s").netns, "198.51.100.10", "outside", "outside", "10.200.0.3");
    succeeded(one.run("down", &[]));
    succeeded(two.run("status", &[]));
    assert_sees(
        &pod(&second, "busybox0-rw89s").netns,
        "10.200.1.2",
        "default/busybox0-g6pww",
        "worker-1",
        "10.200.0.3",
    );
    assert_eq!(second.workers.iter().map(|worker| worker.pods.len()).sum::<usize>(), 7);
}

#[test]
fn the_processes_of_a_pod_are_told_apart_as_on_a_node() {
    let lab = Lab::up(&[]);
    let state = lab.state();
    let nginx = pod(&state, "nginx");
    let (pause, app) = (nginx.pause.expect("started").pid, nginx.container.process.expect("started").pid);
    let read = |pid, file: &str| std::fs::read_to_string(format!("/proc/{pid}/{file}")).expect("readable");
    assert_eq!((read(pause, "comm").trim_end(), read(app, "comm").trim_end()), ("pause", "nginx"));
    let space = |pid: u32, kind: &str| std::fs::read_link(format!("/proc/{pid}/ns/{kind}")).expect("readable");
    for kind in ["net", "uts", "ipc"] {
        assert_eq!(space(pause.0, kind), space(app.0, kind), "{kind} is the pod's");
        assert_ne!(space(pause.0, kind), space(std::process::id(), kind), "{kind} is not the node's");
    }
    assert_eq!(lab.exec("nginx", &["hostname"]).trim_end(), nginx.name);
    assert_eq!(lab.exec("worker-1", &["hostname"]).trim_end(), "worker-1");
    let Some(cgroup) = &state.cgroup else { panic!("this machine has cgroups") };
    for (pid, id) in [(pause, &nginx.sandbox.0), (app, &nginx.container.id.0)] {
        let path = format!(":/{}/worker-0/kubepods/besteffort/pod{}/{id}\n", cgroup.subtree, nginx.uid);
        assert!(read(pid, "cgroup").contains(&path), "{}", read(pid, "cgroup"));
    }
}
