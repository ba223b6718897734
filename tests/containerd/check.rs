//! Holds what podnet says of a pod against what `ctr`, `stat`, `ip` and `bridge` say of it.
//!
//! The names of podnet's fields are here and in `shape` alone.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::shape::{ip_links, ip_routes, podnet_link, podnet_routes};
use crate::support::{Pod, Worker};

/// The row of `pods` that is this pod's; there is exactly one.
pub fn row<'a>(pods: &'a Value, pod: &Pod) -> &'a Value {
    let rows = rows(pods);
    let mut own =
        rows.iter().filter(|row| row["namespace"] == pod.namespace.as_str() && row["name"] == pod.name.as_str());
    let first = own.next().unwrap_or_else(|| panic!("no row of {} in {pods:#}", pod.full_name()));
    assert!(own.next().is_none(), "two rows of {} in {pods:#}", pod.full_name());
    first
}

/// The rows of `pods`.
pub fn rows(pods: &Value) -> &Vec<Value> {
    pods["pods"].as_array().unwrap_or_else(|| panic!("no rows in {pods:#}"))
}

/// Pause process, sandbox and namespace of a row.
pub fn assert_identity(worker: &Worker, row: &Value, pod: &Pod) {
    let pid = worker.pause_pid(pod);
    let (dev, ino) = worker.netns_of(pid);
    assert_eq!(
        (&row["sandbox"], &row["pause_pid"], &row["netns"], &row["uid"]),
        (&json!(pod.sandbox), &json!(pid), &json!({ "dev": dev, "ino": ino }), &json!(pod.uid)),
        "{row:#}"
    );
}

/// All of a pod that has a namespace of its own: identity, both ends of each veth, ports, routes.
pub fn assert_pod(worker: &Worker, pod: &Pod) {
    let pods = worker.podnet_json(&["pods"]);
    let row = row(pods.data(&[0]), pod);
    assert_identity(worker, row, pod);
    assert_row_links(worker, row, pod);
    assert_links(worker, pod);
    assert_routes(worker, pod);
    assert_trace(worker, pod);
}

/// The steps of `trace`, each against what is typed for it by hand.
fn assert_trace(worker: &Worker, pod: &Pod) {
    let pid = worker.pause_pid(pod);
    let answer = worker.podnet_json(&["trace", &pod.full_name()]);
    let steps = answer.data(&[0])["steps"].as_array().expect("steps").clone();
    let of_kind = |kind: &'static str| steps.iter().filter(move |step| step["step"] == kind);
    let only = |kind: &'static str| {
        let found: Vec<&Value> = of_kind(kind).collect();
        assert_eq!(found.len(), 1, "one step {kind}: {steps:#?}");
        found[0]
    };

    let step = only("pod");
    assert_eq!((&step["sandbox"], &step["pause_pid"]), (&json!(pod.sandbox), &json!(pid)));
    assert_eq!(step["netns"]["id"], netns_id(worker, pid));
    let others = step["others"].as_array().expect("processes").iter().map(|other| other["pid"].as_u64());
    let mut pids: Vec<u32> =
        others.map(|pid| u32::try_from(pid.expect("a pid")).expect("a pid")).chain([pid]).collect();
    pids.sort_unstable();
    assert_eq!(pids, worker.netns_members(pid));

    let inside = without_loopback(ip_links(&worker.ip_in(pid, "-d link")));
    assert_eq!(of_kind("interface").map(|step| podnet_link(&step["link"])).collect::<Vec<_>>(), inside);
    let gateways: Vec<&Value> = of_kind("interface")
        .flat_map(|step| step["gateways"].as_array().expect("gateways"))
        .map(|g| &g["address"])
        .collect();
    let default = worker.ip_in(pid, "route show default");
    assert_eq!(gateways, default.as_array().expect("routes").iter().map(|route| &route["gateway"]).collect::<Vec<_>>());

    let host = ip_links(&worker.ip("-d link"));
    let ends: Vec<Value> = of_kind("veth").map(|step| podnet_link(&step["far"])).collect();
    let paired = inside.iter().filter(|link| link["kind"] == "veth");
    let expected: Vec<&Value> =
        paired.map(|link| host.iter().find(|other| other["ifindex"] == link["link"]).expect("the other end")).collect();
    assert_eq!(ends.iter().collect::<Vec<_>>(), expected);
    let name_of = |index: &Value| host.iter().find(|link| link["ifindex"] == *index).map(|link| link["name"].clone());
    let bridges: Vec<_> = of_kind("bridge").map(|step| Some(step["bridge"]["name"].clone())).collect();
    let expected: Vec<_> =
        ends.iter().filter(|end| !end["controller"].is_null()).map(|end| name_of(&end["controller"])).collect();
    assert_eq!(bridges, expected);

    // A macvlan's frames bypass the host's routes, but leave by its link all the same.
    let uplink = &worker.ip("route show default")[0]["dev"];
    for step in of_kind("wire") {
        assert_eq!(step["link"]["name"], *uplink);
    }
    assert_eq!(of_kind("wire").count(), 1, "{steps:#?}");
}

/// The interfaces in a row of `pods`: names, numbers, addresses and where they come out.
fn assert_row_links(worker: &Worker, row: &Value, pod: &Pod) {
    let inside = worker.ip_in(worker.pause_pid(pod), "-d addr");
    let host = worker.ip("-d link");
    let links = inside.as_array().expect("links").iter().filter(|link| link["link_type"] != "loopback");
    let expected: Vec<Value> = links
        .map(|link| {
            let addresses = link["addr_info"].as_array().expect("addresses").iter();
            let global: Vec<_> =
                addresses.filter(|address| address["scope"] == "global").map(|a| &a["local"]).collect();
            let other = host.as_array().expect("links").iter().find(|other| other["ifindex"] == link["link_index"]);
            let other = other.expect("the other end");
            json!([
                link["ifname"],
                link["ifindex"],
                link["linkinfo"]["info_kind"],
                link["address"],
                global,
                other["ifname"],
                other["ifindex"],
                other.get("master")
            ])
        })
        .collect();
    let told = row["interfaces"].as_array().expect("interfaces").iter();
    let told: Vec<Value> = told
        .map(|link| {
            assert_eq!(link["state"], json!({ "links": "ok" }), "{link:#}");
            assert_eq!(link["host_link_netns"], netns_id(worker, 1));
            let other = &link["host_link"];
            json!([
                link["name"],
                link["ifindex"],
                link["kind"],
                link["mac"],
                link["addresses"],
                other["name"],
                other["ifindex"],
                link["plugged"]["controller"].get("name")
            ])
        })
        .collect();
    assert_eq!(told, expected);
}

/// Both ends of each interface, and the port behind it.
pub fn assert_links(worker: &Worker, pod: &Pod) {
    let pid = worker.pause_pid(pod);
    let answer = worker.podnet_json(&["veth", &pod.full_name()]);
    let data = answer.data(&[0]);
    let interfaces = data["interfaces"].as_array().expect("interfaces");
    let told: Vec<Value> = interfaces.iter().map(|interface| podnet_link(&interface["link"])).collect();
    let inside: Vec<Value> = without_loopback(ip_links(&worker.ip_in(pid, "-d link")));
    assert_eq!(told, inside, "the pod's own links");

    let host = ip_links(&worker.ip("-d link"));
    let ports = worker.bridge("-d link");
    for interface in interfaces {
        let end = &interface["other_end"];
        let other = podnet_link(&end["link"]);
        let by_index = host.iter().find(|link| link["ifindex"] == interface["link"]["link"]).expect("the other end");
        assert_eq!(other, *by_index, "the other end as the host's own ip tells it");
        assert_eq!(end["netns"]["id"], netns_id(worker, 1));
        if interface["link"]["kind"]["type"] == "veth" {
            assert_eq!(end["kind"], "peer");
            assert_eq!(other["link"], interface["link"]["ifindex"], "the other end names this one");
            assert_eq!(end["agreement"], json!({ "state": "both" }));
            assert_port(&end["plugged"], &other, &ports);
        } else {
            assert_eq!(end["kind"], "parent");
        }
    }
}

/// A veth's plug against `bridge -j link`, which lists ports and nothing else.
fn assert_port(plugged: &Value, link: &Value, ports: &Value) {
    let ports = ports.as_array().expect("ports");
    if let Some(port) = ports.iter().find(|port| port["ifname"] == link["name"]) {
        let told =
            (&plugged["into"], &plugged["bridge"]["name"], &plugged["port"]["state"], &plugged["port"]["hairpin"]);
        assert_eq!(told, (&json!("bridge"), &port["master"], &port["state"], &port["hairpin"]));
        let others = ports.iter().filter(|other| other["master"] == port["master"]).count() - 1;
        assert_eq!(plugged["other_ports"], json!(others));
    } else {
        assert_eq!(plugged["into"], "routed");
        let ways = plugged["ways"].as_array().expect("ways");
        assert!(!ways.is_empty() && ways.iter().all(|way| way["leads_here"] == true), "{plugged:#}");
    }
}

/// All routes of all tables, of the pod and of the host.
pub fn assert_routes(worker: &Worker, pod: &Pod) {
    let pid = worker.pause_pid(pod);
    let everything = "-d route show table all";
    settled(|| {
        let told = worker.podnet_json(&["routes", &pod.full_name()]);
        (podnet_routes(told.data(&[0])), ip_routes(&worker.ip_in(pid, everything), &worker.ip_in(pid, "link")))
    });
    settled(|| {
        let told = worker.podnet_json(&["routes", "host"]);
        (podnet_routes(told.data(&[0])), ip_routes(&worker.ip(everything), &worker.ip("link")))
    });
}

/// Two looks at one thing that are the same, once the kernel has done: an IPv6 address that has just
/// been made gets its routes a second later.
fn settled<T: PartialEq + std::fmt::Debug>(look: impl Fn() -> (T, T)) {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let (told, oracle) = look();
        if told == oracle || Instant::now() > deadline {
            assert_eq!(told, oracle);
            return;
        }
    }
}

/// A namespace as podnet writes it, from `stat -L`.
pub fn netns_id(worker: &Worker, pid: u32) -> Value {
    let (dev, ino) = worker.netns_of(pid);
    json!({ "dev": dev, "ino": ino })
}

/// The links but `lo`.
pub fn without_loopback(links: Vec<Value>) -> Vec<Value> {
    links.into_iter().filter(|link| link["kind"] != "loopback").collect()
}
