use super::*;
use crate::model::socket::{Peer, TCP};

fn socket(protocol: u8, address: &str, cookie: u64) -> Socket {
    Socket {
        protocol,
        port: 80,
        address: address.parse().unwrap(),
        link: None,
        peer: None,
        v6only: address.contains(':').then_some(false),
        queue: None,
        uid: 0,
        inode: 0,
        cgroup: None,
        mark: None,
        cookie,
        addresses: Vec::new(),
        unknown: Vec::new(),
    }
}

fn chosen(sockets: &[Socket], protocol: u8, destination: &str) -> Vec<u64> {
    let destination: IpAddr = destination.parse().unwrap();
    let source = if destination.is_ipv4() { "10.0.0.9" } else { "fd00::9" };
    let source = Some((source.parse().unwrap(), 4000));
    let sought = Sought { protocol, destination, port: 80, source, by: Some(IfIndex(2)) };
    best(sockets, &sought).iter().map(|socket| socket.cookie).collect()
}

#[test]
fn an_address_comes_before_all_addresses_and_a_link_before_none() {
    let on = |link: u32, socket: Socket| Socket { link: Some(IfIndex(link)), ..socket };
    for protocol in [TCP, UDP] {
        let all = [
            socket(protocol, "0.0.0.0", 1),
            socket(protocol, "10.0.0.1", 2),
            on(2, socket(protocol, "0.0.0.0", 3)),
            on(3, socket(protocol, "10.0.0.1", 4)),
            socket(if protocol == TCP { UDP } else { TCP }, "10.0.0.1", 5),
            socket(protocol, "::", 6),
        ];
        assert_eq!(chosen(&all, protocol, "10.0.0.1"), [2]);
        assert_eq!(chosen(&all, protocol, "10.0.0.2"), [3]);
        assert_eq!(chosen(&all[..1], protocol, "10.0.0.2"), [1]);
        assert_eq!(chosen(&all, protocol, "fd00::1"), [6]);
        assert_eq!(chosen(&all[1..2], protocol, "10.0.0.2"), [0; 0]);
        assert_eq!(chosen(&[all[0].clone(), all[0].clone()], protocol, "10.0.0.2"), [1, 1]);
    }
}

#[test]
fn a_socket_of_ipv6_may_take_ipv4() {
    let only = Socket { v6only: Some(true), ..socket(TCP, "::", 2) };
    let mapped = socket(TCP, "::ffff:10.0.0.1", 3);
    assert_eq!(chosen(&[socket(TCP, "::", 1)], TCP, "10.0.0.1"), [1]);
    assert_eq!(chosen(std::slice::from_ref(&only), TCP, "10.0.0.1"), [0; 0]);
    assert_eq!(chosen(&[only], TCP, "fd00::1"), [2]);
    assert_eq!(chosen(&[socket(TCP, "::", 1), socket(TCP, "0.0.0.0", 4)], TCP, "10.0.0.1"), [4]);
    assert_eq!(chosen(&[mapped.clone(), socket(TCP, "0.0.0.0", 4)], TCP, "10.0.0.1"), [3]);
    assert_eq!(chosen(&[mapped], TCP, "fd00::1"), [0; 0]);
}

#[test]
fn a_connected_socket_hears_its_peer_alone() {
    let connected = |address: &str, port: u16| Socket {
        peer: Some(Peer { address: address.parse().unwrap(), port }),
        ..socket(UDP, "10.0.0.1", 1)
    };
    let plain = socket(UDP, "10.0.0.1", 2);
    assert_eq!(chosen(&[connected("10.0.0.9", 4000), plain.clone()], UDP, "10.0.0.1"), [1]);
    assert_eq!(chosen(&[connected("10.0.0.9", 4001), plain.clone()], UDP, "10.0.0.1"), [2]);
    assert_eq!(chosen(&[connected("10.0.0.8", 4000)], UDP, "10.0.0.1"), [0; 0]);
}
