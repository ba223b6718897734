//! Any bytes as a datagram of rtnetlink messages: each decoder gives a value or a complaint.
#![no_main]

use libfuzzer_sys::fuzz_target;
use podnet::wire::netlink::frame;
use podnet::wire::rtnetlink::filter::{self, Direction};
use podnet::wire::rtnetlink::{address, link, neigh, nexthop, nsid, route, rule, vlan};

fuzz_target!(|datagram: &[u8]| {
    for message in frame::messages(datagram).flatten() {
        let errors = &mut Vec::new();
        let _ = link::link(message.payload, errors);
        let _ = address::address(message.payload, errors);
        let _ = neigh::neighbour(message.payload, errors);
        let _ = neigh::fdb(message.payload, errors);
        let _ = rule::rule(message.payload, errors);
        let _ = route::route(message.payload, errors);
        let _ = nexthop::nexthop(message.payload, errors);
        let _ = nsid::nsid(message.payload, errors);
        let _ = filter::programs(message.payload, Direction::Ingress, errors);
        let _ = vlan::vlans(message.payload, errors);
    }
});
