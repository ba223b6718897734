//! The four filtered dumps that an answer about one pod needs, and nothing else: what the kernel alone takes for
//! them, two at a time.

use std::net::IpAddr;
use std::thread;

use podnet::model::flow::filter::FlowFilter;
use podnet::sys::netlink::{NETFILTER, NetlinkSocket};
use podnet::wire::conntrack::request;

/// How many threads share them.
const THREADS: usize = 2;

/// Makes them in the namespace that it runs in, and forgets what they tell.
pub fn dump(address: IpAddr) {
    let places = FlowFilter::places_of(address);
    thread::scope(|scope| {
        for share in places.chunks(places.len().div_ceil(THREADS)) {
            scope.spawn(move || {
                let mut socket = NetlinkSocket::open(NETFILTER).expect("a socket");
                for place in share {
                    socket.dump(&request::flows(place), &mut |_| ()).expect("a dump");
                }
            });
        }
    });
}
