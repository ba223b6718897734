//! How often each endpoint of a service gets a new flow: podnet's probabilities against thousands of real flows.

use std::collections::BTreeMap;
use std::net::{IpAddr, UdpSocket};

use podnet::analyze::path::Tuple;
use podnet::model::ids::NetnsId;

use crate::compare::predict;
use crate::net::Net;
use crate::script::Script;
use crate::wire::Shot;

const FLOWS: u16 = 6000;
/// How many flows are sent before those that arrived are counted: fewer than a socket holds.
const AT_ONCE: u16 = 50;
const FIRST_PORT: u16 = 20_000;
/// What each share is allowed to be off, in flows. By Hoeffding's inequality a share that is right is off by so much
/// with a probability below `2 * exp(-2 * t² / n)`, which is 2.2e-8: over all shares of all ways below 1e-6.
const MOST_OFF: f64 = 235.0;

/// One client, and one host that has the addresses of all endpoints.
const NET: &str = "\
hosts 2
@h0 ip
link add v1a type veth peer name v1b netns @h1
link set v1a up
addr add 10.1.0.1/24 dev v1a
route add 10.96.0.0/16 via 10.1.0.2
@h1 ip
link set v1b up
addr add 10.1.0.2/24 dev v1b
addr add 10.1.0.3/24 dev v1b
addr add 10.1.0.4/24 dev v1b
addr add 10.1.0.5/24 dev v1b
@h0 sysctl
ipv4/ip_forward=1
";

const STATISTIC: &str = "\
*nat
:svc - [0:0]
-A OUTPUT -d 10.96.0.1/32 -p udp -m udp --dport 80 -j svc
-A svc -p udp -m statistic --mode random --probability 0.25000000000 -j DNAT --to-destination 10.1.0.2:80
-A svc -p udp -m statistic --mode random --probability 0.33333333349 -j DNAT --to-destination 10.1.0.3:80
-A svc -p udp -m statistic --mode random --probability 0.50000000000 -j DNAT --to-destination 10.1.0.4:80
-A svc -p udp -j DNAT --to-destination 10.1.0.5:80
COMMIT
";

/// How endpoints are chosen, in the words of a program that writes rules.
const WAYS: [(&str, &str); 6] = [
    ("iptables-legacy-restore", STATISTIC),
    ("iptables-nft-restore", STATISTIC),
    (
        "iptables-nft-restore",
        "*nat\n-A OUTPUT -d 10.96.0.1/32 -p udp -m statistic --mode random --probability 0.1 -j DNAT --to-destination 10.1.0.2\n-A OUTPUT -d 10.96.0.1/32 -p udp -m statistic --mode nth --every 3 --packet 0 -j DNAT --to-destination 10.1.0.3\n-A OUTPUT -d 10.96.0.1/32 -p udp -j DNAT --to-destination 10.1.0.4\nCOMMIT\n",
    ),
    (
        "nft -f -",
        "table ip t {\n  chain e0 {\n    meta l4proto udp dnat to 10.1.0.2:80\n  }\n  chain e1 {\n    meta l4proto udp dnat to 10.1.0.3:80\n  }\n  chain e2 {\n    meta l4proto udp dnat to 10.1.0.4:80\n  }\n  chain o {\n    type nat hook output priority -100; policy accept;\n    ip daddr 10.96.0.1 udp dport 80 numgen random mod 3 vmap { 0 : goto e0, 1 : goto e1, 2 : goto e2 }\n  }\n}\n",
    ),
    (
        "nft -f -",
        "table ip t {\n  chain o {\n    type nat hook output priority -100; policy accept;\n    ip daddr 10.96.0.1 dnat to numgen random mod 8 map { 0 : 10.1.0.2, 1 : 10.1.0.3, 2 : 10.1.0.3, 3 : 10.1.0.4, 4 : 10.1.0.4, 5 : 10.1.0.4, 6 : 10.1.0.4, 7 : 10.1.0.5 }\n  }\n}\n",
    ),
    (
        "nft -f -",
        "table ip t {\n  chain o {\n    type nat hook output priority -100; policy accept;\n    ip daddr 10.96.0.1 numgen inc mod 3 0 dnat to 10.1.0.2\n    ip daddr 10.96.0.1 numgen random mod 4 < 1 dnat to 10.1.0.3\n    ip daddr 10.96.0.1 dnat to 10.1.0.4\n  }\n}\n",
    ),
];

/// How likely each endpoint is.
fn predicted(net: &Net) -> BTreeMap<IpAddr, f64> {
    let id = |host| podnet::collect::handle::NetnsHandle::open(net.path(host).as_ref()).unwrap().id;
    let ids: [NetnsId; 2] = [id(0), id(1)];
    let tuple = Tuple {
        source: "0.0.0.0".parse().unwrap(),
        destination: "10.96.0.1".parse().unwrap(),
        protocol: 17,
        source_port: Some(FIRST_PORT),
        destination_port: Some(80),
    };
    let found = predict(net, &Shot { from: 0, tuple, mark: 0, tos: 0, uid: 0, more: 0 }, &ids).unwrap();
    let mut shares = BTreeMap::new();
    for course in &found.courses {
        let arrived = course.arrived.as_ref().expect("every course arrives");
        *shares.entry(arrived.seen_as.destination).or_default() += course.probability.expect("known");
    }
    shares
}

/// A socket on each endpoint's address.
fn servers(net: &Net) -> Vec<(IpAddr, UdpSocket)> {
    net.within(1, || {
        let server = |last: u8| {
            let address: IpAddr = [10, 1, 0, last].into();
            let socket = UdpSocket::bind((address, 80)).unwrap();
            socket.set_nonblocking(true).unwrap();
            (address, socket)
        };
        (2..=5).map(server).collect()
    })
}

/// How many of the flows each endpoint got.
fn counted(net: &Net, servers: &[(IpAddr, UdpSocket)]) -> BTreeMap<IpAddr, u32> {
    let mut counts = BTreeMap::new();
    let taken = |counts: &mut BTreeMap<IpAddr, u32>| {
        for (address, socket) in servers {
            while socket.recv(&mut [0; 8]).is_ok() {
                *counts.entry(*address).or_default() += 1;
            }
        }
    };
    net.within(0, || {
        for number in 0..FLOWS {
            // A flow of its own each: no port is used twice. What is sent is there when the call is over, or soon.
            let client = UdpSocket::bind(("10.1.0.1", FIRST_PORT + number)).unwrap();
            client.send_to(b"?", "10.96.0.1:80").unwrap();
            if number % AT_ONCE == 0 {
                taken(&mut counts);
            }
        }
    });
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while counts.values().sum::<u32>() < u32::from(FLOWS) && std::time::Instant::now() < deadline {
        taken(&mut counts);
    }
    counts
}

#[test]
fn endpoints_get_the_shares_that_are_told() {
    for (program, rules) in WAYS {
        let (mut script, _) = Script::parse(NET);
        script.add(0, program, rules);
        let net = script.build();
        let servers = servers(&net);
        let shares = predicted(&net);
        let counts = counted(&net, &servers);
        assert!((shares.values().sum::<f64>() - 1.0).abs() < 1e-6, "{rules}: {shares:?}");
        assert_eq!(counts.values().sum::<u32>(), u32::from(FLOWS), "{rules}: {counts:?}");
        assert_eq!(shares.keys().collect::<Vec<_>>(), counts.keys().collect::<Vec<_>>(), "{rules}");
        for (address, share) in &shares {
            let off = f64::from(counts[address]) - share * f64::from(FLOWS);
            assert!(off.abs() <= MOST_OFF, "{rules}\n{address}: {counts:?}, {shares:?} told");
        }
    }
}
