//! Every section of a namespace that holds nearly everything, against `ip -j -d` and `bridge -j -d`.

use podnet::collect::kernel::Namespace;
use serde_json::json;

use crate::oracle;
use crate::testbed::{Netns, same};
use crate::topology::Topology;

#[test]
fn every_section_says_what_ip_and_bridge_say() {
    let topology = Topology::build();
    let host = &topology.host;
    let (ours, theirs) = host.both(Namespace::links, |host| host.json("ip", "-s addr"));
    assert_eq!(ours.issues, []);
    let names = oracle::names(&ours.value);
    same(&oracle::link::links(&ours.value, &names), &oracle::link::ip_links(&theirs));

    // This kernel may filter no VLANs, but it takes the request: a bridge and its ports are told of.
    let (ours, _) = host.both(Namespace::vlans, |_| json!(null));
    assert_eq!(ours.issues, []);
    assert!(!ours.value.is_empty());

    let (ours, theirs) = host.both(Namespace::addresses, |host| host.json("ip", "addr"));
    assert_eq!(ours.issues, []);
    same(&oracle::link::addresses(&ours.value), &oracle::link::ip_addresses(&theirs));

    let list = |host: &Netns| json!([host.json("ip", "neigh show nud all"), host.json("ip", "neigh show proxy")]);
    let (ours, theirs) = host.both(Namespace::neighbours, list);
    assert_eq!(ours.issues, []);
    assert!(ours.value.is_sorted());
    same(&oracle::neigh::neighbours(&ours.value, &names), &oracle::neigh::ip_neighbours(&theirs[0], &theirs[1]));

    let (ours, theirs) = host.both(Namespace::fdb, |host| host.json("bridge", "fdb show"));
    assert_eq!(ours.issues, []);
    assert!(ours.value.is_sorted_by_key(|entry| (entry.bridge, entry.ifindex, entry.mac.clone())));
    same(&oracle::neigh::fdb(&ours.value, &names), &oracle::neigh::bridge_fdb(&theirs));

    let (ours, theirs) =
        host.both(Namespace::rules, |host| json!([host.json("ip", "rule"), host.json("ip", "-6 rule")]));
    assert_eq!(ours.issues, []);
    same(&oracle::rule::rules(&ours.value), &oracle::rule::ip_rules(&theirs[0], &theirs[1]));

    let list =
        |host: &Netns| json!([host.json("ip", "-4 route show table all"), host.json("ip", "-6 route show table all")]);
    let (ours, theirs) = host.both(Namespace::routes, list);
    assert_eq!(ours.issues, []);
    same(&oracle::route::routes(&ours.value, &names), &oracle::route::ip_routes(&theirs[0], &theirs[1]));

    let (ours, theirs) = host.both(Namespace::nexthops, |host| host.json("ip", "nexthop"));
    assert_eq!(ours.issues, []);
    same(&oracle::route::nexthops(&ours.value, &names), &oracle::route::ip_nexthops(&theirs));
}
