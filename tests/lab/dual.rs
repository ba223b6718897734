//! Services at addresses of both families, and load balancers that only some may use, in each of kube-proxy's modes:
//! packets that are really sent, and what `podnet services` and `podnet trace` say of them.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};

use serde_json::{Value, json};

use crate::harness::{Lab, PATIENCE, Said, ask_http, ask_tcp, ask_udp, podnet, stdout, succeeded, within};
use crate::services::{FAR, NGINX, PROXIES, asked, assert_dropped, assert_refused, netns, owned};

const POD: &str = "busybox0-rw89s";

impl Lab {
    #[track_caller]
    fn dual_stack(proxy: &str) -> Self {
        Self::up(&["--proxy", proxy, "--dual-stack"])
    }

    /// The one service port that is asked for.
    #[track_caller]
    fn told(&self, worker: &str, what: &str) -> Value {
        let output = podnet(&[&format!("--lab={}/{worker}", self.name), "services", what, "-o", "json"]);
        let answer: Value = serde_json::from_str(&stdout(&succeeded(output))).expect("JSON");
        let ports = answer["data"]["services"].as_array().expect("a list");
        assert_eq!(ports.len(), 1, "{what}: {answer}");
        ports[0].clone()
    }

    /// What `trace` says becomes of a connection: 0 it is answered, 1 it is not.
    fn traced(&self, from: &str, to: &str) -> Option<i32> {
        podnet(&[&format!("--lab={}/", self.name), "trace", from, to]).status.code()
    }

    /// Leads what is sent to these addresses to worker-0, as a cloud's load balancer does.
    fn routed(&self, addresses: &[&str]) {
        for address in addresses {
            let (family, way) = if address.contains(':') { ("-6", "fd00:240::20") } else { ("-4", "10.240.0.20") };
            self.exec("gateway", &["ip", family, "route", "add", address, "via", way]);
        }
    }
}

/// An element of a list of objects by one of its fields.
#[track_caller]
fn with<'a>(list: &'a Value, key: &str, value: &str) -> &'a Value {
    let found = list.as_array().expect("a list").iter().find(|one| one[key] == value);
    found.unwrap_or_else(|| panic!("no {key} {value} in {list}"))
}

fn texts(list: &Value, key: &str) -> Vec<String> {
    let all = list.as_array().expect("a list");
    all.iter().map(|one| one[key].as_str().expect("a text").to_owned()).collect()
}

/// How a connection fails, if it may take a second SYN: a refusal that comes so fast that the first is still being
/// sent is not heard (`LockDroppedIcmps`).
fn failure_at_last(lab: &Lab, from: &str, to: &str) -> ErrorKind {
    let to: SocketAddr = to.parse().expect("an address");
    let connect = move || TcpStream::connect_timeout(&to, PATIENCE).expect_err("nobody answers").kind();
    within(&netns(lab, from), connect)
}

#[test]
fn a_service_of_both_families_leads_to_pods_of_each_and_is_told_so() {
    for proxy in PROXIES {
        let lab = Lab::dual_stack(proxy);
        for (service, four, six) in
            [("near", "10.200.0.4:7", "[fd00:200::4]:7"), ("far", "10.200.1.2:7", "[fd00:200:0:1::2]:7")]
        {
            let last = if service == "near" { "60" } else { "61" };
            let ips = [format!("10.32.0.{last}"), format!("fd00:32::{last}")];
            for protocol in ["tcp", "udp"] {
                let name = format!("{service}:{protocol}");
                let rest = ["--port", "1007", "--protocol", protocol, "--endpoint", four, "--endpoint", six];
                let at = ["--cluster-ip", &ips[0], "--cluster-ip", &ips[1]];
                lab.service("add", &[&[name.as_str()], &rest[..], &at[..]].concat());
            }
        }
        for ask in [ask_tcp as fn(SocketAddr) -> (SocketAddr, Said), ask_udp] {
            assert_eq!(asked(&lab, POD, ask, "[fd00:32::60]:1007"), owned(NGINX, "fd00:200::3"), "{proxy}");
            assert_eq!(asked(&lab, POD, ask, "[fd00:32::61]:1007"), owned(FAR, "fd00:240::20"), "{proxy}");
            assert_eq!(asked(&lab, "worker-0", ask, "[fd00:32::60]:1007"), owned(NGINX, "fd00:200::1"), "{proxy}");
            assert_eq!(asked(&lab, POD, ask, "10.32.0.61:1007"), owned(FAR, "10.240.0.20"), "{proxy}");
        }
        // Those that every lab has.
        assert_eq!(asked(&lab, "busybox0-g6pww", ask_http, "[fd00:32::53]:80"), owned(NGINX, "fd00:240::21"));
        for (what, endpoint) in [("default/near:tcp", "fd00:200::4"), ("default/far:udp", "fd00:200:0:1::2")] {
            let port = lab.told("worker-0", what);
            assert!(texts(&port["endpoints"], "address").contains(&endpoint.to_owned()), "{proxy} {what}: {port}");
            // Each family draws among its own.
            for one in port["endpoints"].as_array().expect("a list") {
                assert_eq!(one["cluster"]["decimal"], json!(1.0), "{proxy} {what}: {port}");
            }
            let here = with(&port["endpoints"], "address", endpoint);
            let pod = if endpoint == "fd00:200::4" { json!(NGINX.rsplit('/').next()) } else { Value::Null };
            assert_eq!(here["behind"]["name"], pod, "{proxy} {what}");
        }
        assert_eq!(lab.traced(POD, "[fd00:32::60]:1007"), Some(0), "{proxy}");
        assert_eq!(lab.traced(POD, "[fd00:32::61]:1007"), Some(0), "{proxy}");
    }
}

#[test]
fn a_node_port_of_both_families_leads_in_from_outside() {
    for proxy in PROXIES {
        let lab = Lab::dual_stack(proxy);
        let rest = ["--port", "7", "--endpoint", "10.200.0.4:7", "--endpoint", "[fd00:200::4]:7"];
        lab.service("add", &[&["in", "--node-port", "30007"], &rest[..]].concat());
        let local = ["own", "--node-port", "30008", "--external-traffic-policy", "Local"];
        lab.service("add", &[&local[..], &rest[..]].concat());
        let ask = |to: &str| asked(&lab, "outside", ask_tcp, to);
        assert_eq!(ask("[fd00:240::20]:30007"), owned(NGINX, "fd00:200::1"), "{proxy}");
        assert_eq!(ask("[fd00:240::21]:30007"), owned(NGINX, "fd00:240::21"), "{proxy}");
        assert_eq!(ask("[fd00:240::20]:30008"), owned(NGINX, "2001:db8:100::10"), "{proxy}");
        assert_eq!(ask("10.240.0.20:30008"), owned(NGINX, "198.51.100.10"), "{proxy}");
        assert_dropped(&lab, "outside", "[fd00:240::21]:30008");
        // At the bridge's address as well, but in nftables mode; at ::1 in none.
        let on = &lab.told("worker-0", "30007")["node_port"]["on"].clone();
        let six = with(on, "family", "ip6");
        if proxy == "nftables" {
            assert_eq!(six["only"], json!(["fd00:240::20/128"]), "{on}");
            assert_refused(&lab, "outside", "[fd00:200::1]:30007");
        } else {
            assert_eq!((&six["any_local"], &six["except"]), (&json!(true), &json!(["::1/128"])), "{proxy}: {on}");
            assert_eq!(ask("[fd00:200::1]:30007").0, NGINX, "{proxy}");
        }
        assert_refused(&lab, "worker-0", "[::1]:30007");
        let refusals = &lab.told("worker-1", "30008")["node_port"]["refusals"];
        let why: Vec<_> = texts(refusals, "why");
        assert_eq!(why, ["no_local_endpoints", "no_local_endpoints"], "{proxy}: {refusals}");
    }
}

#[test]
fn a_family_without_endpoints_refuses_while_the_other_serves() {
    for proxy in PROXIES {
        let lab = Lab::dual_stack(proxy);
        let at = ["--cluster-ip", "10.32.0.60", "--cluster-ip", "fd00:32::60"];
        lab.service("add", &[&["half", "--port", "7", "--endpoint", "10.200.0.4:7"], &at[..]].concat());
        assert_eq!(asked(&lab, POD, ask_tcp, "10.32.0.60:7"), owned(NGINX, "10.200.0.3"), "{proxy}");
        assert_eq!(failure_at_last(&lab, POD, "[fd00:32::60]:7"), ErrorKind::ConnectionRefused, "{proxy}");
        let port = lab.told("worker-0", "default/half");
        let refusals = |ip| with(&port["addresses"], "address", ip)["refusals"].clone();
        assert_eq!(refusals("10.32.0.60"), json!([]), "{proxy}");
        let refused = refusals("fd00:32::60");
        assert_eq!(
            (&refused[0]["verdict"], &refused[0]["why"]),
            (&json!("reject"), &json!("no_endpoints")),
            "{proxy}: {port}"
        );
        assert_eq!(lab.traced(POD, "10.32.0.60:7"), Some(0), "{proxy}");
        assert_eq!(lab.traced(POD, "[fd00:32::60]:7"), Some(1), "{proxy}");
    }
}

#[test]
fn a_load_balancer_lets_in_whom_its_ranges_name_and_drops_others() {
    for proxy in PROXIES {
        let lab = Lab::dual_stack(proxy);
        let ends = ["--port", "7", "--endpoint", "10.200.0.4:7", "--endpoint", "[fd00:200::4]:7"];
        let balanced = |name: &str, last: &str, ranges: &[&str]| {
            let (four, six) = (format!("203.0.113.{last}"), format!("2001:db8:77::{last}"));
            let mut arguments = vec![name, "--load-balancer-ip", &four, "--load-balancer-ip", &six];
            arguments.extend(ends);
            arguments.extend(ranges.iter().flat_map(|range| ["--source-range", range]));
            lab.service("add", &arguments);
            lab.routed(&[&four, &six]);
        };
        balanced("open", "1", &[]);
        balanced("ours", "2", &["198.51.100.0/24", "2001:db8:100::/64"]);
        balanced("others", "3", &["192.0.2.0/24", "2001:db8:1::/64"]);
        // Ranges of one family leave the other open, as with kube-proxy.
        balanced("half", "4", &["192.0.2.0/24"]);
        lab.service("add", &["others-in", "--node-port", "30007", "--port", "7", "--endpoint", "10.200.0.4:7"]);
        let bridge = [("203.0.113", "10.200.0.1"), ("2001:db8:77:", "fd00:200::1")];
        for (net, seen) in bridge {
            let at =
                |last: &str| if net.contains(':') { format!("[{net}:{last}]:7") } else { format!("{net}.{last}:7") };
            for last in ["1", "2"] {
                assert_eq!(asked(&lab, "outside", ask_tcp, &at(last)), owned(NGINX, seen), "{proxy} {net} {last}");
            }
            assert_dropped(&lab, "outside", &at("3"));
            // A pod is no client of the range either.
            assert_dropped(&lab, POD, &at("3"));
            assert_eq!(lab.traced(POD, &at("3")), Some(1), "{proxy} {net}");
            assert_eq!(lab.traced(POD, &at("1")), Some(0), "{proxy} {net}");
        }
        assert_dropped(&lab, "outside", "203.0.113.4:7");
        assert_eq!(asked(&lab, "outside", ask_tcp, "[2001:db8:77::4]:7"), owned(NGINX, "fd00:200::1"), "{proxy}");
        for (name, ranges, guarded) in [
            ("open", &[][..], [false, false]),
            ("others", &["192.0.2.0/24", "2001:db8:1::/64"], [true, true]),
            ("half", &["192.0.2.0/24"], [true, false]),
        ] {
            let port = lab.told("worker-0", &format!("default/{name}"));
            assert_eq!(texts(&port["source_ranges"], "range"), ranges, "{proxy} {name}");
            let balancers: Vec<&Value> = port["addresses"]
                .as_array()
                .expect("a list")
                .iter()
                .filter(|one| one["kind"] != "cluster_ip")
                .collect();
            assert_eq!(balancers.len(), 2, "{proxy} {name}: {port}");
            for (balancer, guarded) in balancers.into_iter().zip(guarded) {
                let whys = texts(&balancer["refusals"], "why");
                let expected = if guarded { vec!["source_ranges"] } else { vec![] };
                assert_eq!(whys, expected, "{proxy} {name}: {balancer}");
            }
            // What is beside it is told as what it is: for some, or for all.
            let told =
                stdout(&podnet(&[&format!("--lab={}/worker-0", lab.name), "services", &format!("default/{name}")]));
            assert_eq!(told.contains("other sources: dropped"), guarded.contains(&true), "{proxy} {told}");
            assert_eq!(told.contains("for clients of "), !ranges.is_empty(), "{proxy} {told}");
        }
        // Which names a service by any of its addresses.
        assert_eq!(lab.told("worker-0", "[2001:db8:77::2]:7")["title"], "default/ours", "{proxy}");
        assert_eq!(lab.told("worker-0", "203.0.113.2")["title"], "default/ours", "{proxy}");
    }
}

#[test]
fn without_ipv6_in_the_lab_no_service_has_any() {
    let lab = Lab::up(&["--workers", "1"]);
    for arguments in [
        &["web", "--port", "7", "--cluster-ip", "fd00:32::60"][..],
        &["web", "--port", "7", "--load-balancer-ip", "2001:db8:77::1"],
        &["web", "--port", "7", "--endpoint", "[fd00:200::4]:7"],
    ] {
        let refused = lab.try_service("add", arguments);
        assert_eq!(refused.status.code(), Some(2), "{arguments:?}");
        let said = String::from_utf8_lossy(&refused.stderr);
        assert!(said.contains("`podnet lab up --dual-stack` makes one"), "{arguments:?}: {said}");
    }
    let twice =
        lab.try_service("add", &["web", "--port", "7", "--cluster-ip", "10.32.0.60", "--cluster-ip", "10.32.0.61"]);
    assert!(String::from_utf8_lossy(&twice.stderr).contains("one cluster IP of each family"));
    let ranges = lab.try_service("add", &["web", "--port", "7", "--source-range", "192.0.2.0/24"]);
    assert_eq!(ranges.status.code(), Some(2));
}
