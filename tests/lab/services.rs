//! The lab's services, in each of kube-proxy's modes: packets that are really sent to them.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::process::ExitStatusExt as _;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{
    Lab, PATIENCE, Said, ask_tcp, ask_udp, pod, processes_of, stderr, stdout, succeeded, traces, wait_until, within,
    worker,
};

pub const PROXIES: [&str; 3] = ["iptables", "iptables-legacy", "nftables"];

pub const NGINX: &str = "default/nginx-65899c769f-wxdx6";
pub const FAR: &str = "default/busybox0-g6pww";

/// How long a packet that is dropped may go unanswered before that is believed.
pub const SILENCE: Duration = Duration::from_millis(400);

impl Lab {
    #[track_caller]
    pub fn with_proxy(proxy: &str) -> Self {
        Self::up(&["--proxy", proxy, "--pods", "6"])
    }

    #[track_caller]
    pub fn service(&self, command: &str, rest: &[&str]) -> String {
        stdout(&succeeded(self.try_service(command, rest)))
    }

    pub fn try_service(&self, command: &str, rest: &[&str]) -> std::process::Output {
        let mut arguments = vec!["lab", "service", command, "--name", &self.name];
        arguments.extend(rest);
        crate::harness::podnet(&arguments)
    }

    fn services(&self) -> Value {
        serde_json::from_str(&self.service("list", &["-o", "json"])).expect("JSON")
    }
}

pub fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

#[track_caller]
pub fn asked(lab: &Lab, from: &str, ask: fn(SocketAddr) -> (SocketAddr, Said), to: &str) -> (String, String) {
    let to = address(to);
    let (_, said) = within(&netns(lab, from), move || ask(to));
    (said.name, said.client.ip().to_string())
}

/// Where a machine's or pod's namespace is bound.
pub fn netns(lab: &Lab, of: &str) -> String {
    let state = lab.state();
    if of == "outside" {
        state.outside.netns
    } else if of.starts_with("worker") {
        worker(&state, of).netns.clone()
    } else {
        pod(&state, of).netns.clone()
    }
}

/// How a connection fails.
#[track_caller]
pub fn failure(lab: &Lab, from: &str, to: &str) -> ErrorKind {
    let to = address(to);
    within(&netns(lab, from), move || TcpStream::connect_timeout(&to, SILENCE).expect_err("nobody answers").kind())
}

#[track_caller]
pub fn assert_refused(lab: &Lab, from: &str, to: &str) {
    assert_eq!(failure(lab, from, to), ErrorKind::ConnectionRefused, "{from} to {to}");
}

#[track_caller]
pub fn assert_dropped(lab: &Lab, from: &str, to: &str) {
    assert_eq!(failure(lab, from, to), ErrorKind::TimedOut, "{from} to {to}");
}

pub fn owned(name: &str, client: &str) -> (String, String) {
    (name.to_owned(), client.to_owned())
}

#[test]
fn a_cluster_ip_leads_to_a_pod_of_this_worker_and_of_another() {
    for proxy in PROXIES {
        let lab = Lab::with_proxy(proxy);
        for (service, endpoint) in [("near", "10.200.0.4:7"), ("far", "10.200.1.2:7")] {
            let ip = if service == "near" { "10.32.0.60" } else { "10.32.0.61" };
            for protocol in ["tcp", "udp"] {
                let name = format!("{service}:{protocol}");
                let port = ["--port", "1007", "--protocol", protocol, "--endpoint", endpoint, "--cluster-ip", ip];
                lab.service("add", &[&[name.as_str()], port.as_slice()].concat());
            }
        }
        let busybox = "busybox0-rw89s";
        for ask in [ask_tcp as fn(SocketAddr) -> (SocketAddr, Said), ask_udp] {
            assert_eq!(asked(&lab, busybox, ask, "10.32.0.60:1007"), owned(NGINX, "10.200.0.3"), "{proxy}");
            assert_eq!(asked(&lab, busybox, ask, "10.32.0.61:1007"), owned(FAR, "10.240.0.20"), "{proxy}");
            // The node itself is masqueraded to the address of the bridge.
            assert_eq!(asked(&lab, "worker-0", ask, "10.32.0.60:1007"), owned(NGINX, "10.200.0.1"), "{proxy}");
        }
        // Those that every lab has.
        let (_, said) = within(&netns(&lab, busybox), || crate::harness::ask_http(address("10.32.0.53:80")));
        assert_eq!(said.name, NGINX);
        let answer = within(&netns(&lab, "nginx"), || {
            let socket = UdpSocket::bind(("0.0.0.0", 0)).expect("binds");
            socket.set_read_timeout(Some(PATIENCE)).expect("timeout");
            let asked = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x00\x00\x01\x00\x01";
            socket.send_to(asked, "10.32.0.10:53").expect("sends");
            let mut bytes = [0; 512];
            let (length, from) = socket.recv_from(&mut bytes).expect("answers");
            assert_eq!(from, address("10.32.0.10:53"));
            bytes[..length].to_vec()
        });
        assert!(answer.ends_with(&[10, 32, 0, 1]), "{proxy}");
    }
}

#[test]
fn a_node_port_leads_in_from_outside_at_every_worker() {
    for proxy in PROXIES {
        let lab = Lab::with_proxy(proxy);
        lab.service("add", &["in", "--port", "7", "--node-port", "30007", "--endpoint", "10.200.0.4:7"]);
        let ask = |to: &str| asked(&lab, "outside", ask_tcp, to);
        assert_eq!(ask("10.240.0.20:30007"), owned(NGINX, "10.200.0.1"), "{proxy}");
        assert_eq!(ask("10.240.0.21:30007"), owned(NGINX, "10.240.0.21"), "{proxy}");
        // Only the worker that has the endpoint answers then, and it sees who asks.
        let local = ["--external-traffic-policy", "Local"];
        let own = ["own", "--port", "7", "--node-port", "30008", "--endpoint", "10.200.0.4:7"];
        lab.service("add", &[own.as_slice(), &local].concat());
        assert_eq!(ask("10.240.0.20:30008"), owned(NGINX, "198.51.100.10"), "{proxy}");
        assert_dropped(&lab, "outside", "10.240.0.21:30008");
        // Pods and the node itself are led to all endpoints all the same.
        assert_eq!(asked(&lab, "worker-1", ask_tcp, "10.240.0.21:30008").0, NGINX, "{proxy}");
        // The first mode answers at 127.0.0.1 as well.
        if proxy == "nftables" {
            assert_refused(&lab, "worker-0", "127.0.0.1:30007");
        } else {
            assert_eq!(asked(&lab, "worker-0", ask_tcp, "127.0.0.1:30007").0, NGINX, "{proxy}");
        }
    }
}

#[test]
fn an_external_ip_leads_in_where_it_is_routed_to_a_worker() {
    for proxy in PROXIES {
        let lab = Lab::with_proxy(proxy);
        lab.service("add", &["ext", "--port", "7", "--external-ip", "192.0.2.50", "--endpoint", "10.200.1.2:7"]);
        lab.exec("gateway", &["ip", "route", "add", "192.0.2.50", "via", "10.240.0.20"]);
        assert_eq!(asked(&lab, "outside", ask_tcp, "192.0.2.50:7"), owned(FAR, "10.240.0.20"), "{proxy}");
    }
}

#[test]
fn a_client_is_spread_over_the_endpoints_or_stays_with_one() {
    for proxy in PROXIES {
        let lab = Lab::with_proxy(proxy);
        let endpoints = ["--port", "7", "--endpoint", "10.200.0.4:7", "--endpoint", "10.200.1.2:7"];
        let add = |service: &[&str]| lab.service("add", &[service, endpoints.as_slice()].concat());
        add(&["spread", "--cluster-ip", "10.32.0.60"]);
        add(&["stays", "--cluster-ip", "10.32.0.61", "--session-affinity", "600"]);
        let names = |to: &str, times: usize| -> std::collections::BTreeSet<String> {
            (0..times).map(|_| asked(&lab, "busybox0-rw89s", ask_tcp, to).0).collect()
        };
        // One of 2^40 runs sees one alone.
        assert_eq!(names("10.32.0.60:7", 41).len(), 2, "{proxy}");
        let chosen = names("10.32.0.61:7", 20);
        assert_eq!(chosen.len(), 1, "{proxy}");
        // Nor does it move when other services come.
        lab.service("add", &["other", "--port", "7"]);
        assert_eq!(names("10.32.0.61:7", 20), chosen, "{proxy}");
    }
}

#[test]
fn without_endpoints_a_client_is_refused_and_without_local_ones_it_is_dropped() {
    for proxy in PROXIES {
        let lab = Lab::with_proxy(proxy);
        lab.service("add", &["none", "--port", "7", "--cluster-ip", "10.32.0.60", "--node-port", "30007"]);
        lab.service("add", &["none-udp", "--port", "7", "--cluster-ip", "10.32.0.62", "--protocol", "udp"]);
        let local = ["here", "--port", "7", "--cluster-ip", "10.32.0.61", "--internal-traffic-policy", "Local"];
        lab.service("add", &[local.as_slice(), &["--endpoint", "10.200.1.2:7"]].concat());
        for from in ["busybox0-rw89s", "worker-0"] {
            assert_refused(&lab, from, "10.32.0.60:7");
            assert_dropped(&lab, from, "10.32.0.61:7");
        }
        assert_refused(&lab, "outside", "10.240.0.21:30007");
        let kind = within(&netns(&lab, "busybox0-rw89s"), || {
            let socket = UdpSocket::bind(("0.0.0.0", 0)).expect("binds");
            socket.set_read_timeout(Some(PATIENCE)).expect("timeout");
            socket.connect("10.32.0.62:7").expect("connects");
            socket.send(b"?").expect("sends");
            socket.recv(&mut [0; 64]).expect_err("nobody answers").kind()
        });
        assert_eq!(kind, ErrorKind::ConnectionRefused, "{proxy}");
        // The worker that has the endpoint leads there.
        let neighbour = lab.state().workers[1].pods[1].name.clone();
        assert_eq!(asked(&lab, &neighbour, ask_tcp, "10.32.0.61:7").0, FAR, "{proxy}");
    }
}

#[test]
fn a_selector_chooses_pods_and_a_removed_service_answers_no_more() {
    for proxy in PROXIES {
        let lab = Lab::with_proxy(proxy);
        lab.service("add", &["web:a", "--port", "7", "--selector", "app=web", "--cluster-ip", "10.32.0.60"]);
        lab.service("add", &["web:b", "--port", "8", "--target-port", "7"]);
        let behind = lab.services()["data"]["services"][1]["behind"].clone();
        let ends = json!([
            {"address": "10.200.1.3:7", "worker": "worker-1", "pod": format!("default/{}", lab.state().workers[1].pods[1].name)},
            {"address": "10.200.1.4:7", "worker": "worker-1", "pod": format!("default/{}", lab.state().workers[1].pods[2].name)},
        ]);
        assert_eq!(behind, json!([ends, ends]), "{proxy}");
        for port in [7, 8] {
            let (name, _) = asked(&lab, "busybox0-rw89s", ask_tcp, &format!("10.32.0.60:{port}"));
            assert!(name.starts_with("default/web-"), "{proxy}: {name}");
        }
        assert_eq!(lab.service("remove", &["web:a"]), "service default/web:a is removed\n");
        assert!(asked(&lab, "busybox0-rw89s", ask_tcp, "10.32.0.60:8").0.starts_with("default/web-"), "{proxy}");
        failure(&lab, "busybox0-rw89s", "10.32.0.60:7");
        lab.service("remove", &["web"]);
        failure(&lab, "busybox0-rw89s", "10.32.0.60:8");
        for worker in ["worker-0", "worker-1"] {
            for program in ["iptables-nft-save", "iptables-legacy-save"] {
                assert!(!lab.exec(worker, &[program]).contains("default/web"), "{proxy}");
            }
            assert!(!lab.exec(worker, &["nft", "list", "ruleset"]).contains("default/web"), "{proxy}");
        }
    }
}

#[test]
fn each_mode_leaves_the_others_place_alone() {
    for proxy in PROXIES {
        let lab = Lab::with_proxy(proxy);
        let has = |program: &[&str], what: &str| lab.exec("worker-0", program).contains(what);
        let found = (
            has(&["iptables-nft-save"], "KUBE-SVC-"),
            has(&["iptables-legacy-save"], "KUBE-SVC-"),
            has(&["nft", "list", "tables"], "table ip kube-proxy"),
        );
        assert_eq!(found, (proxy == "iptables", proxy == "iptables-legacy", proxy == "nftables"));
        // The kubelet's and the bridge plugin's are iptables' in any mode; KUBE-POSTROUTING comes before the latter.
        let save = if proxy == "iptables-legacy" { "iptables-legacy-save" } else { "iptables-nft-save" };
        let nat = lab.exec("worker-0", &[save]);
        assert!(nat.contains(":KUBE-FIREWALL") && nat.contains("-j CNI-"), "{proxy}");
        let first = nat.lines().find(|line| line.starts_with("-A POSTROUTING")).expect("a rule");
        assert_eq!(first.ends_with("-j KUBE-POSTROUTING"), proxy != "nftables", "{first}");
        let localnet = lab.exec("worker-0", &["sysctl", "-n", "net.ipv4.conf.all.route_localnet"]);
        assert_eq!(localnet.trim(), if proxy == "nftables" { "0" } else { "1" });
        assert_eq!(lab.state().notes, Vec::<String>::new(), "this machine has all that the rules want");
    }
}

#[test]
fn killed_between_workers_it_says_so_and_the_same_again_makes_it_whole() {
    for proxy in PROXIES {
        let lab = Lab::up(&["--proxy", proxy]);
        let add = ["web", "--port", "7", "--cluster-ip", "10.32.0.60", "--endpoint", "10.200.0.4:7"];
        for step in ["0", "1", "2"] {
            let killed = lab.try_service("add", &[add.as_slice(), &["--stop-after-step", step]].concat());
            assert_eq!(killed.status.signal(), Some(9), "{}", stderr(&killed));
            let status = lab.run("status", &[]);
            assert_eq!(status.status.code(), Some(1));
            assert!(stdout(&status).contains("not every worker has their rules"), "{}", stdout(&status));
            lab.service("add", &add);
            succeeded(lab.run("status", &[]));
            assert_eq!(asked(&lab, "busybox0-g6pww", ask_tcp, "10.32.0.60:7").0, NGINX, "{proxy} after {step}");
            let killed = lab.try_service("remove", &["web", "--stop-after-step", step]);
            assert_eq!(killed.status.signal(), Some(9), "{}", stderr(&killed));
            assert_eq!(lab.services()["data"]["services"].as_array().map(Vec::len), Some(2));
            lab.service("add", &["other", "--port", "9"]);
            failure(&lab, "busybox0-g6pww", "10.32.0.60:7");
            lab.service("remove", &["other"]);
        }
        // Killed for good: what is left is undone as ever.
        lab.try_service("add", &[add.as_slice(), &["--stop-after-step", "1"]].concat());
        let state = lab.state();
        succeeded(lab.run("down", &[]));
        assert_eq!(traces(&state), Vec::<String>::new());
        wait_until("the end of every process", || processes_of(&lab.name).is_empty());
    }
}

#[test]
fn a_program_that_fails_changes_no_services() {
    let folder = tempfile::tempdir().expect("a folder");
    symlink("/bin/false", folder.path().join("nft")).expect("links");
    let lab = Lab::up(&["--proxy", "nftables", "--workers", "1"]);
    let before = lab.services();
    let failed = Command::new(env!("CARGO_BIN_EXE_podnet"))
        .args(["lab", "service", "add", "web", "--port", "7", "--name", &lab.name])
        .env("PATH", format!("{}:/usr/sbin:/usr/bin", folder.path().display()))
        .output()
        .expect("podnet starts");
    assert_eq!(failed.status.code(), Some(2));
    assert!(stderr(&failed).contains("/nft in "), "{}", stderr(&failed));
    assert_eq!(lab.services(), before);
    lab.service("add", &["web", "--port", "7"]);
    succeeded(lab.run("status", &[]));
}

/// Takes all rules but those that count.
const WITHOUT_NFACCT: &str = r#"#!/bin/sh
text=$(cat)
case $text in *nfacct*) echo "no match nfacct" >&2; exit 2 ;; esac
printf '%s\n' "$text" | /usr/sbin/iptables-restore "$@"
"#;

#[test]
fn where_rules_cannot_count_the_services_work_without_and_the_lab_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let program = folder.path().join("iptables-restore");
    std::fs::write(&program, WITHOUT_NFACCT).expect("written");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("executable");
    let lab = Lab::unmade();
    let up = Command::new(env!("CARGO_BIN_EXE_podnet"))
        .args(["lab", "up", "--name", &lab.name])
        .env("PATH", format!("{}:/usr/sbin:/usr/bin:/bin", folder.path().display()))
        .output()
        .expect("podnet starts");
    let said = stderr(&succeeded(up));
    assert_eq!(said.matches("count with no nfacct objects").count(), 1, "{said}");
    assert!(said.contains("no match nfacct"), "{said}");
    let saved = lab.exec("worker-0", &["iptables-save"]);
    assert!(saved.contains("KUBE-SVC-") && !saved.contains("nfacct"), "{saved}");
    let (_, said) = within(&netns(&lab, "outside"), || crate::harness::ask_http(address("10.240.0.21:31088")));
    assert_eq!(said.name, NGINX);
}

#[test]
fn a_namespace_that_took_a_workers_place_gets_no_rules() {
    let lab = Lab::up(&["--workers", "1"]);
    let path = netns(&lab, "worker-0");
    podnet::sys::netns::remove_bound(std::path::Path::new(&path)).expect("removed");
    podnet::sys::netns::create_bound(std::path::Path::new(&path)).expect("made");
    let refused = lab.try_service("add", &["web", "--port", "7"]);
    let rules = Command::new("nsenter").args([&format!("--net={path}"), "nft", "list", "ruleset"]).output();
    podnet::sys::netns::remove_bound(std::path::Path::new(&path)).expect("removed");
    assert_eq!(refused.status.code(), Some(2));
    assert!(stderr(&refused).contains("is not the lab's namespace any more"), "{}", stderr(&refused));
    assert_eq!(stdout(&rules.expect("nft starts")), "");
}

#[test]
fn what_cannot_be_a_service_is_refused_in_words() {
    let lab = Lab::up(&["--workers", "1"]);
    for (arguments, said) in [
        (&["Web", "--port", "7"][..], "the service's name \"Web\" is not 1 to 63 of a-z"),
        (&["web", "--port", "0"], "a port is 1 to 65535"),
        (&["web", "--port", "7", "--cluster-ip", "10.200.0.4"], "the cluster IP 10.200.0.4 is not within 10.32.0.0/24"),
        (&["web", "--port", "7", "--cluster-ip", "10.32.0.10"], "the cluster IP 10.32.0.10 is"),
        (&["web", "--port", "7", "--node-port", "31088"], "the node port 31088/tcp is default/nginx's"),
        (&["web", "--port", "7", "--node-port", "80"], "a node port is 30000 to 32767"),
        (&["web", "--port", "7", "--endpoint", "127.0.0.1:7"], "127.0.0.1:7 cannot be an endpoint"),
        (&["web", "--port", "7", "--selector", "app in (web)"], "a service's selector is key=value"),
        (&["web", "--port", "7", "--endpoint", "10.200.0.4:7", "-l", "app=web"], "give one of them"),
        (&["nginx", "--port", "81"], "the service has another port default/nginx"),
        (&["nginx:b", "--port", "81"], "each of several ports needs a name"),
        (&["kube-dns:b", "--port", "53", "-n", "kube-system"], "the service has the port 53/tcp already"),
        (
            &["kube-dns:b", "--port", "54", "-n", "kube-system", "--session-affinity", "9"],
            "with another session affinity",
        ),
    ] {
        let refused = lab.try_service("add", arguments);
        assert_eq!(refused.status.code(), Some(2), "{arguments:?}");
        assert!(stderr(&refused).contains(said), "{arguments:?}: {}", stderr(&refused));
    }
    let absent = lab.try_service("remove", &["kube-dns"]);
    assert_eq!(absent.status.code(), Some(2));
    assert!(
        stderr(&absent).contains("has no service default/kube-dns; there are: default/nginx, kube-system/kube-dns")
    );
    let listed = lab.services();
    assert_eq!(listed["schema"], "podnet/lab-services/v1");
    assert_eq!(listed["data"]["services"][0]["behind"][0][0]["address"], "10.200.0.4:80");
    succeeded(lab.run("status", &[]));
}
