//! The lab's rules for the services of a recorded cluster, held against what the real kube-proxy and kubelet wrote there.

use std::fs;
use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::process::{Command, Stdio};

use podnet::lab::nfacct;
use podnet::lab::proxy::{Endpoint, Node, ServicePort, iptables, nftables};
use podnet::model::kube_proxy::{Protocol, ServicePortName};
use podnet::model::lab_service::TrafficPolicy;
use podnet::sys::netns::NsThread;
use serde_json::Value;

use crate::harness::{stdout, unused_name};

/// A namespace that is removed again.
struct Netns(String);

impl Netns {
    fn new() -> Self {
        let netns = Self(format!("/run/netns/{}", unused_name()));
        podnet::sys::netns::create_bound(Path::new(&netns.0)).expect("made");
        netns
    }

    /// What a program prints there.
    #[track_caller]
    fn run(&self, command: &[&str], input: &str) -> String {
        let mut child = Command::new("nsenter")
            .arg(format!("--net={}", self.0))
            .args(command)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("nsenter starts");
        child.stdin.take().expect("piped").write_all(input.as_bytes()).expect("writes");
        let output = child.wait_with_output().expect("ends");
        assert!(output.status.success(), "{command:?} of {input}");
        stdout(&output)
    }
}

impl Drop for Netns {
    fn drop(&mut self) {
        podnet::sys::netns::remove_bound(Path::new(&self.0)).expect("removed");
    }
}

fn recorded(file: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/lab").join(file)).expect("a fixture")
}

fn items(file: &str) -> Vec<Value> {
    serde_json::from_str(&recorded(file)).expect("JSON")
}

fn texts(value: &Value) -> Vec<&str> {
    value.as_array().map(|list| list.iter().filter_map(Value::as_str).collect()).unwrap_or_default()
}

fn number(value: &Value) -> Option<u16> {
    value.as_u64().and_then(|number| u16::try_from(number).ok()).filter(|number| *number > 0)
}

/// The service ports of one address family as worker-0 saw them.
fn services(v6: bool) -> Vec<ServicePort> {
    let slices = items("endpointslices.json");
    let fits = |ip: &IpAddr| ip.is_ipv6() == v6;
    let mut found = Vec::new();
    for service in items("services.json") {
        let (meta, spec) = (&service["metadata"], &service["spec"]);
        let ips = |value: &Value| -> Vec<IpAddr> {
            texts(value).iter().filter_map(|text| text.parse().ok()).filter(fits).collect()
        };
        let Some(cluster_ip) = ips(&spec["clusterIPs"]).first().copied() else { continue };
        let policy = |key: &str| match spec[key].as_str() {
            Some("Local") => TrafficPolicy::Local,
            _ => TrafficPolicy::Cluster,
        };
        let ingress = service["status"]["loadBalancer"]["ingress"].as_array().cloned().unwrap_or_default();
        let vips: Value = ingress.iter().map(|entry| entry["ip"].clone()).collect();
        for port in spec["ports"].as_array().expect("ports") {
            let mut endpoints = Vec::new();
            for slice in &slices {
                let its = &slice["metadata"];
                if its["labels"]["kubernetes.io/service-name"] != meta["name"] || its["namespace"] != meta["namespace"]
                {
                    continue;
                }
                for target in slice["ports"].as_array().into_iter().flatten() {
                    if target["name"] != port["name"] {
                        continue;
                    }
                    for endpoint in slice["endpoints"].as_array().expect("a list") {
                        let address: IpAddr = texts(&endpoint["addresses"])[0].parse().expect("an address");
                        if fits(&address) {
                            endpoints.push(Endpoint {
                                address: SocketAddr::new(address, number(&target["port"]).expect("a port")),
                                local: endpoint["nodeName"] == "worker-0",
                            });
                        }
                    }
                }
            }
            endpoints.sort_by_key(|endpoint| endpoint.address.to_string());
            let text = |value: &Value| value.as_str().map(str::to_owned);
            found.push(ServicePort {
                name: ServicePortName {
                    namespace: text(&meta["namespace"]).expect("a namespace"),
                    name: text(&meta["name"]).expect("a name"),
                    port: text(&port["name"]),
                },
                protocol: Protocol::named(&port["protocol"].as_str().expect("a protocol").to_lowercase())
                    .expect("a protocol"),
                cluster_ip,
                port: number(&port["port"]).expect("a port"),
                node_port: number(&port["nodePort"]),
                external_ips: ips(&spec["externalIPs"]),
                load_balancer_ips: ips(&vips),
                source_ranges: texts(&spec["loadBalancerSourceRanges"])
                    .iter()
                    .map(|range| range.parse().expect("a range"))
                    .collect(),
                health_check_node_port: number(&spec["healthCheckNodePort"]),
                internal: policy("internalTrafficPolicy"),
                external: policy("externalTrafficPolicy"),
                affinity: spec["sessionAffinityConfig"]["clientIP"]["timeoutSeconds"]
                    .as_u64()
                    .and_then(|seconds| u32::try_from(seconds).ok()),
                endpoints,
            });
        }
    }
    found
}

/// In the order in which the recorded kube-proxy came to them: it is random, and other at each start.
fn in_order_of(recorded: &str, mark: impl Fn(&ServicePort) -> String, v6: bool) -> Vec<ServicePort> {
    let mut services = services(v6);
    services.sort_by_key(|service| recorded.find(&mark(service)).unwrap_or(usize::MAX));
    services
}

fn node(v6: bool) -> Node {
    let text = |four: &str, six: &str| if v6 { six.to_owned() } else { four.to_owned() };
    Node {
        pods: text("10.200.0.0/16", "fd00:200::/48").parse().expect("a net"),
        services: text("10.32.0.0/24", "fd00:32::/112").parse().expect("a net"),
        addresses: vec![text("10.240.0.20", "fd00:240::20").parse().expect("an address")],
        accounting: true,
    }
}

/// What `iptables-save` prints, without comments and counters.
fn plain(saved: &str) -> String {
    let mut lines: Vec<&str> = Vec::new();
    for line in saved.lines().filter(|line| !line.starts_with('#')) {
        lines.push(if line.starts_with(':') { line.split(" [").next().unwrap_or(line) } else { line });
    }
    lines.join("\n") + "\n"
}

/// Compares line by line, and shows the first that differs.
#[track_caller]
fn assert_same(found: &str, wanted: &str) {
    for (at, (one, other)) in found.lines().zip(wanted.lines()).enumerate() {
        assert_eq!(one, other, "line {}", at + 1);
    }
    assert_eq!(found.lines().count(), wanted.lines().count());
    assert_eq!(found, wanted);
}

fn program(back_end: &str, v6: bool, what: &str) -> String {
    format!("{}-{back_end}-{what}", if v6 { "ip6tables" } else { "iptables" })
}

/// The recorded text of a program's: the legacy back end has its own order of tables and chains, so lines are sorted by both.
fn blocks(saved: &str) -> String {
    let mut lines = Vec::new();
    let mut table = "";
    let mut places = std::collections::BTreeMap::new();
    for line in saved.lines() {
        if line.starts_with('*') {
            table = line;
        } else if let Some(chain) = line.strip_prefix("-A ").and_then(|rest| rest.split(' ').next()) {
            let place = places.entry((table, chain)).or_insert(0_u32);
            *place += 1;
            lines.push(format!("{table} {chain} {place:04} {line}"));
        } else if line.starts_with(':') {
            lines.push(format!("{table} {line}"));
        }
    }
    lines.sort();
    lines.join("\n")
}

fn in_iptables_mode(back_end: &str) {
    for v6 in [false, true] {
        let wanted = recorded(&format!("iptables.{}-save.txt", if v6 { "ip6tables" } else { "iptables" }));
        let mark = |service: &ServicePort| format!("\"{} ", service.name);
        // Table filter holds those without endpoints, nat the others.
        let nat = wanted.split_once("*nat").expect("a table").1.split_once("\n-A KUBE-SERVICES").expect("rules").1;
        let mut services = in_order_of(nat, mark, v6);
        let filter = wanted.split_once("*nat").expect("a table").0;
        services.sort_by_key(|service| {
            let silent = service.endpoints.is_empty() || !nat.contains(&format!("\"{} cluster IP\"", service.name));
            if silent { filter.find(&mark(service)).unwrap_or(0) } else { usize::MAX }
        });
        let netns = Netns::new();
        let (thread, file) = (NsThread::spawn().expect("a thread"), fs::File::open(&netns.0).expect("the namespace"));
        nfacct::make(&thread, &file, &iptables::ACCOUNTS).expect("the kernel has nfacct");
        let restore = program(back_end, v6, "restore");
        let load = |text: &str| netns.run(&[&restore, "--noflush"], text);
        let (kubelet, proxy) =
            (iptables::kubelet(&node(v6)), iptables::rules(&node(v6), &services, &iptables::Existing::default()));
        // Who came last stands first.
        for text in if v6 { [&proxy, &kubelet] } else { [&kubelet, &proxy] } {
            load(text);
        }
        let save = program(back_end, v6, "save");
        let saved = plain(&netns.run(&[&save], ""));
        if back_end == "nft" {
            assert_same(&saved, &wanted);
        }
        assert_same(&blocks(&saved), &blocks(&wanted));
        // Written again over itself nothing changes; without services nothing of theirs is left.
        let again = |services: &[ServicePort]| {
            load(&iptables::rules(&node(v6), services, &iptables::Existing::parse(&netns.run(&[&save], ""))));
            plain(&netns.run(&[&save], ""))
        };
        assert_same(&again(&services), &saved);
        let fewer = again(&services[1..]);
        assert!(fewer.len() < saved.len());
        let none = again(&[]);
        assert!(!["KUBE-SVC-", "KUBE-SVL-", "KUBE-SEP-", "KUBE-EXT-", "KUBE-FW-"].iter().any(|own| none.contains(own)));
        assert_same(&again(&services), &saved);
    }
}

#[test]
fn the_rules_of_mode_iptables_are_line_by_line_the_real_ones() {
    in_iptables_mode("nft");
}

#[test]
fn the_legacy_back_end_gets_the_same_rules() {
    in_iptables_mode("legacy");
}

#[test]
fn the_kubelets_rules_are_all_that_mode_nftables_leaves_to_iptables() {
    for v6 in [false, true] {
        let netns = Netns::new();
        netns.run(&[&program("nft", v6, "restore"), "--noflush"], &iptables::kubelet(&node(v6)));
        let wanted = recorded(&format!("nftables.{}-save.txt", if v6 { "ip6tables" } else { "iptables" }));
        assert_eq!(plain(&netns.run(&[&program("nft", v6, "save")], "")), wanted);
    }
}

#[test]
fn the_table_of_mode_nftables_is_line_by_line_the_real_one() {
    for v6 in [false, true] {
        let family = if v6 { "ip6" } else { "ip" };
        let wanted = recorded(&format!("nftables.{family}.nft"));
        let mark = |service: &ServicePort| {
            let base = podnet::model::kube_proxy::nftables_base(&service.name, service.protocol);
            let first = if service.internal == TrafficPolicy::Local { "local" } else { "service" };
            format!("\n\tchain {first}-{base} {{")
        };
        let services = in_order_of(&wanted, mark, v6);
        let netns = Netns::new();
        let list = || netns.run(&["nft", "list", "table", family, nftables::TABLE], "");
        let load = |text: &str| netns.run(&["nft", "-f", "-"], text);
        load(&nftables::rules(&node(v6), &services, &nftables::Existing::default()));
        assert_same(&list(), &wanted);
        let again = |services: &[ServicePort]| {
            load(&nftables::rules(&node(v6), services, &nftables::Existing::parse(&list())));
            list()
        };
        assert_same(&again(&services), &wanted);
        let none = again(&[]);
        assert!(!none.contains("default/") && !none.contains("kube-dns"), "{none}");
        again(&services);
    }
}

#[test]
fn clients_stay_pinned_while_other_services_come_and_go() {
    let services = services(false);
    let netns = Netns::new();
    let list = || netns.run(&["nft", "list", "table", "ip", nftables::TABLE], "");
    let load = |text: &str| netns.run(&["nft", "-f", "-"], text);
    load(&nftables::rules(&node(false), &services, &nftables::Existing::default()));
    let set = list();
    let set =
        set.lines().find_map(|line| line.trim().strip_prefix("set affinity-")?.strip_suffix(" {")).expect("a set");
    load(&format!("add element ip kube-proxy affinity-{set} {{ 10.200.0.30 }}\n"));
    let others: Vec<ServicePort> = services.into_iter().filter(|service| service.name.name != "multi").collect();
    load(&nftables::rules(&node(false), &others, &nftables::Existing::parse(&list())));
    let left = list();
    assert!(left.contains("10.200.0.30 expires") && !left.contains("multi"), "{left}");
}
