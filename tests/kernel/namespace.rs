//! What is not a list: names of any bytes, nsids, cookies, sysctls, look-ups, and a namespace that changes while it is read.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;

use podnet::collect::kernel::Kernel;
use podnet::model::ids::Nsid;
use podnet::model::issue::Why;
use podnet::model::route::{RouteQuery, RouteWitness};

use crate::oracle;
use crate::testbed::{Netns, run};
use crate::topology::Topology;

const ODD_NAME: &[u8] = b"v\xff\x1b[31m";

#[test]
fn a_link_name_of_any_bytes_is_kept() {
    let netns = Netns::new();
    netns.ip("link add plain type veth peer name other\n");
    let name = OsStr::from_bytes(ODD_NAME);
    run(Command::new("ip").args(["-n", &netns.name, "link", "set", "plain", "name"]).arg(name));
    run(Command::new("ip").args(["-n", &netns.name, "addr", "add", "10.0.0.1/24", "dev"]).arg(name));
    run(Command::new("ip")
        .args(["-n", &netns.name, "rule", "add", "pref", "5", "iif"])
        .arg(name)
        .args(["lookup", "9"]));
    let namespace = Kernel::new().unwrap().open(&netns.handle());
    let links = namespace.links();
    assert_eq!(links.issues, []);
    assert_eq!(links.value.len(), 3);
    let link = links.value.iter().find(|link| link.name.as_bytes() == ODD_NAME).unwrap();
    let addresses = namespace.addresses();
    assert_eq!(addresses.issues, []);
    let address = addresses.value.iter().find(|address| address.ifindex == link.ifindex).unwrap();
    assert_eq!(address.label.as_ref().unwrap().as_bytes(), ODD_NAME);
    let rules = namespace.rules();
    assert_eq!(rules.issues, []);
    assert_eq!(rules.value.iter().find(|rule| rule.priority == 5).unwrap().iif.as_ref().unwrap().as_bytes(), ODD_NAME);
}

#[test]
fn a_veth_and_its_nsid_lead_to_the_same_namespace() {
    let (host, pod, stranger) = (Netns::new(), Netns::new(), Netns::new());
    host.ip(&format!("link add h0 type veth peer name eth0 netns {}\n", pod.name));
    let kernel = Kernel::new().unwrap();
    let namespace = kernel.open(&host.handle());
    let link = namespace.links().value.into_iter().find(|link| link.name == *"h0").unwrap();
    assert_eq!(namespace.nsid_of(&pod.handle()).unwrap(), link.link_nsid);
    assert!(link.link_nsid.is_some());
    assert_eq!(namespace.nsid_of(&stranger.handle()).unwrap(), None, "asking assigns no number");
    let listed = host.json("ip", "netns list-id");
    let names: Vec<(i64, &str)> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| (entry["nsid"].as_i64().unwrap(), entry["name"].as_str().unwrap_or_default()))
        .collect();
    assert_eq!(names, [(i64::from(link.link_nsid.unwrap().0), pod.name.as_str())]);

    // The far end, seen from there, leads back.
    let far = kernel.open(&pod.handle());
    let eth0 = far.links().value.into_iter().find(|link| link.name == *"eth0").unwrap();
    assert_eq!((eth0.link, link.link), (Some(link.ifindex), Some(eth0.ifindex)));
    assert_eq!(far.nsid_of(&host.handle()).unwrap(), eth0.link_nsid);
    run(Command::new("ip").args(["-n", &host.name, "netns", "set", &stranger.name, "77"]));
    assert_eq!(namespace.nsid_of(&stranger.handle()).unwrap(), Some(Nsid(77)));
}

#[test]
fn equal_indexes_at_both_ends_are_no_link_to_itself() {
    let (host, pod) = (Netns::new(), Netns::new());
    host.ip(&format!("link add name h0 index 40 type veth peer name eth0 index 40 netns {}\n", pod.name));
    let namespace = Kernel::new().unwrap().open(&host.handle());
    let link = namespace.links().value.into_iter().find(|link| link.name == *"h0").unwrap();
    assert_eq!((link.ifindex.0, link.link.map(|index| index.0)), (40, Some(40)));
    assert!(link.link_nsid.is_some());
}

#[test]
fn cookies_tell_namespaces_apart() {
    let (one, other) = (Netns::new(), Netns::new());
    let kernel = Kernel::new().unwrap();
    let cookie = |netns: &Netns| kernel.open(&netns.handle()).cookie().unwrap();
    assert_eq!(cookie(&one), cookie(&one));
    assert_ne!(cookie(&one), cookie(&other));
}

#[test]
fn sysctls_come_from_the_namespace_that_was_asked() {
    let (one, other) = (Netns::new(), Netns::new());
    one.ip("link add name a.5 type veth peer name b\n");
    one.exec("sysctl", &["-qw", "net.ipv4.ip_forward=1"]);
    other.exec("sysctl", &["-qw", "net.ipv4.ip_forward=0"]);
    one.exec("sh", &["-c", "echo 2 > /proc/sys/net/ipv4/conf/a.5/rp_filter"]);
    let kernel = Kernel::new().unwrap();
    let (one_says, other_says) = (kernel.open(&one.handle()), kernel.open(&other.handle()));
    let value = |text: &str| Some(text.to_owned());
    assert_eq!(one_says.sysctl("ipv4.ip_forward").value, value("1"));
    assert_eq!(other_says.sysctl("ipv4.ip_forward").value, value("0"));
    assert_eq!(one_says.sysctl("ipv4/conf/a.5/rp_filter").value, value("2"));
    let none = one_says.sysctl("ipv4.conf.nolink.rp_filter");
    assert_eq!((none.value, none.issues), (None, vec![]));
    let names: Vec<String> = podnet::model::sysctl::GLOBAL.iter().map(|name| (*name).to_owned()).collect();
    let values = one_says.sysctls(&names);
    assert_eq!(values.len(), names.len());
    for (name, ours) in names.iter().zip(values) {
        assert_eq!(ours.issues, [], "{name}");
        let path = format!("/proc/sys/net/{}", name.replace('.', "/"));
        let output = Command::new("ip").args(["netns", "exec", &one.name, "cat", &path]).output().unwrap();
        let theirs = output.status.success().then(|| String::from_utf8(output.stdout).unwrap());
        assert_eq!(ours.value, theirs.map(|text| text.trim_end_matches('\n').to_owned()), "{name}");
    }
    for bad in ["../kernel/hostname", "/etc/hostname", "ipv4/../../kernel/hostname", ""] {
        let read = one_says.sysctl(bad);
        assert_eq!(read.value, None);
        assert!(matches!(read.issues[0].why, Why::Malformed { .. }), "{bad}");
    }
}

#[test]
fn the_witness_says_what_ip_route_get_says() {
    let topology = Topology::build();
    let host = &topology.host;
    let names = oracle::names(&Kernel::new().unwrap().open(&host.handle()).links().value);
    for (dst, extra) in [
        ("10.50.1.1", ""),
        ("10.51.1.1", "tos 0x10"),
        ("10.200.0.9", ""),
        ("10.200.0.1", ""),
        ("10.62.3.4", ""),
        ("10.64.3.4", ""),
        ("10.50.1.1", "mark 5"),
        ("fd00:50::7", ""),
        ("fd00:200::1", ""),
        ("2001:db8::1", ""),
        ("fd00:60::7", ""),
    ] {
        let mut query = RouteQuery::to(dst.parse().unwrap());
        match extra {
            "tos 0x10" => query.tos = 0x10,
            "mark 5" => query.mark = 5,
            _ => {}
        }
        let theirs = host.json("ip", &format!("route get {dst} {extra}"));
        let matching = host.json("ip", &format!("route get fibmatch {dst} {extra}"));
        let read = Kernel::new().unwrap().open(&host.handle()).route_witness(&query);
        assert_eq!(read.issues, []);
        let Some(RouteWitness::Found { resolved, matched }) = read.value else { panic!("{dst}: no route") };
        let (resolved, matched) = (*resolved, *matched.unwrap());
        assert_eq!(resolved.dst.to_string(), format!("{dst}/{}", resolved.dst.max_prefix_len()));
        assert_eq!(resolved.source.map(|source| source.to_string()).as_deref(), theirs[0]["prefsrc"].as_str(), "{dst}");
        assert_eq!(oracle::route::routes(std::slice::from_ref(&resolved), &names)[0]["dev"], theirs[0]["dev"], "{dst}");
        if resolved.nexthops[0].gateway.is_some_and(|gateway| gateway.is_ipv4() == query.dst.is_ipv4()) {
            let gateway = resolved.nexthops[0].gateway.unwrap().to_string();
            assert_eq!(Some(gateway.as_str()), theirs[0]["gateway"].as_str(), "{dst}");
        }
        let ours = oracle::route::routes(&[matched], &names);
        let matching = if query.dst.is_ipv4() {
            oracle::route::ip_routes(&matching, &serde_json::json!([]))
        } else {
            oracle::route::ip_routes(&serde_json::json!([]), &matching)
        };
        assert_eq!(ours, matching, "{dst} {extra}");
    }
}

#[test]
fn a_refusal_is_told_by_its_number() {
    let topology = Topology::build();
    let namespace = Kernel::new().unwrap().open(&topology.host.handle());
    let refused = |dst: &str, set: &dyn Fn(&mut RouteQuery)| {
        let mut query = RouteQuery::to(dst.parse().unwrap());
        set(&mut query);
        match namespace.route_witness(&query).value {
            Some(RouteWitness::Refused { errno }) => errno,
            other => panic!("{dst}: {other:?}"),
        }
    };
    let plain = |_: &mut RouteQuery| {};
    assert_eq!(refused("192.0.2.1", &plain), libc::ENETUNREACH);
    assert_eq!(refused("10.54.1.1", &plain), libc::EINVAL, "blackhole");
    assert_eq!(refused("fd00:55::1", &plain), libc::EACCES, "prohibit");
    assert_eq!(
        refused("10.50.1.1", &|query| {
            query.protocol = Some(17);
            query.destination_port = Some(53);
        }),
        libc::EINVAL,
        "the rule for DNS is a blackhole"
    );
}

#[test]
fn routes_of_nexthop_objects_have_their_ways_without_compat_mode() {
    let topology = Topology::build();
    let namespace = Kernel::new().unwrap().open(&topology.host.handle());
    let with = namespace.routes();
    topology.host.exec("sysctl", &["-qw", "net.ipv4.nexthop_compat_mode=0"]);
    let without = namespace.routes();
    assert_eq!(without.issues, []);
    let ways = |read: &podnet::model::issue::Read<Vec<podnet::model::route::Route>>| {
        let of_objects = read.value.iter().filter(|route| route.nexthop_id.is_some_and(|id| id != 3));
        of_objects.map(|route| (route.dst, route.nexthops.clone())).collect::<Vec<_>>()
    };
    assert_eq!(ways(&without), ways(&with));
    assert_eq!(ways(&with).len(), 3);
}
