use proptest::prelude::*;

use super::*;
use crate::model::socket::{SCTP, TCP};
use crate::wire::netlink::attr::attribute as attr;

/// `struct inet_diag_msg` as `inet_diag_msg_common_fill` writes it.
fn message(family: u8, ports: [u16; 2], addresses: [&[u8]; 2], link: u32, more: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = vec![family, 10, 0, 0];
    bytes.extend(ports.into_iter().flat_map(u16::to_be_bytes));
    for address in addresses {
        let mut sixteen = address.to_vec();
        sixteen.resize(16, 0);
        bytes.extend(sixteen);
    }
    let numbers: [u32; 8] = [link, 0x0102, 0x03, 0, 2, 128, 1000, 777];
    bytes.extend(numbers.into_iter().flat_map(u32::to_ne_bytes));
    bytes.extend(more.concat());
    bytes
}

fn plain() -> Socket {
    Socket {
        protocol: TCP,
        port: 80,
        address: [10, 0, 0, 1].into(),
        link: None,
        peer: None,
        v6only: None,
        queue: Some(Queue { waiting: 2, limit: 128 }),
        uid: 1000,
        inode: 777,
        cgroup: None,
        mark: None,
        cookie: 0x03_0000_0102,
        addresses: Vec::new(),
        unknown: Vec::new(),
    }
}

fn read(payload: &[u8], protocol: u8) -> Socket {
    let mut errors = Vec::new();
    let found = socket(payload, protocol, &mut errors);
    assert_eq!(errors, []);
    found.unwrap()
}

/// One with every attribute, and what it means.
fn rich() -> (Vec<u8>, Socket) {
    let mapped: Ipv6Addr = "::ffff:10.0.0.1".parse().unwrap();
    let peer: Ipv6Addr = "::ffff:10.0.0.2".parse().unwrap();
    let storage = |family: u16, head: &[u8], address: &[u8]| {
        let mut row = family.to_ne_bytes().to_vec();
        row.extend([0, 80]);
        row.extend(head);
        row.extend(address);
        row.resize(128, 0);
        row
    };
    let own: Ipv6Addr = "fd00::1".parse().unwrap();
    let locals = [storage(2, &[], &[10, 0, 0, 9]), storage(10, &[0; 4], &own.octets())].concat();
    let payload = message(
        IPV6,
        [53, 4000],
        [&mapped.octets(), &peer.octets()],
        7,
        &[
            attr(8, &[0]),
            attr(11, &[1]),
            attr(15, &0x4000_u32.to_ne_bytes()),
            attr(12, &locals),
            attr(21, &99_u64.to_ne_bytes()),
            attr(22, &[1, 2]),
            attr(60, &[5, 6, 7]),
        ],
    );
    let socket = Socket {
        protocol: UDP,
        port: 53,
        address: mapped.into(),
        link: Some(IfIndex(7)),
        peer: Some(Peer { address: peer.into(), port: 4000 }),
        v6only: Some(true),
        queue: None,
        cgroup: Some(99),
        mark: Some(0x4000),
        addresses: vec![[10, 0, 0, 9].into(), own.into()],
        unknown: vec![UnknownAttribute { path: vec![60], bytes: Bytes(vec![5, 6, 7]) }],
        ..plain()
    };
    (payload, socket)
}

#[test]
fn a_socket_has_all_its_fields() {
    assert_eq!(read(&message(IPV4, [80, 0], [&[10, 0, 0, 1], &[]], 0, &[]), TCP), plain());
    assert_eq!(read(&message(IPV4, [80, 0], [&[10, 0, 0, 1], &[]], 0, &[]), SCTP).protocol, SCTP);
    let (payload, socket) = rich();
    assert_eq!(read(&payload, UDP), socket);
}

#[test]
fn what_is_broken_is_told() {
    let complaints = |payload: &[u8]| {
        let mut errors = Vec::new();
        (socket(payload, TCP, &mut errors).is_some(), errors)
    };
    assert_eq!(complaints(&[2, 0]), (false, vec![AttrError::Fixed { length: 2, wanted: 72 }]));
    let detail = "a socket of the address family 1".to_owned();
    assert_eq!(complaints(&[1; 72]), (false, vec![AttrError::Value { kind: 0, detail }]));
    let with = |more: &[Vec<u8>]| complaints(&message(IPV4, [80, 0], [&[], &[]], 0, more));
    assert_eq!(with(&[attr(11, &[])]), (true, vec![AttrError::Length { kind: 11, length: 0, wanted: "1" }]));
    assert_eq!(
        with(&[attr(12, &[0; 100])]),
        (true, vec![AttrError::Length { kind: 12, length: 100, wanted: "a multiple of 128" }])
    );
    let detail = "an address of another family".to_owned();
    assert_eq!(with(&[attr(12, &[0; 128])]), (true, vec![AttrError::Value { kind: 12, detail }]));
}

#[test]
fn the_kernel_is_asked_for_those_that_wait_alone() {
    let asked = |protocol: u8, states: u32| {
        let mut body = vec![IPV6, protocol, 0, 0];
        body.extend(states.to_ne_bytes());
        body.resize(56, 0);
        assert_eq!(request(IPV6, protocol).bytes(0, 0)[16..], body);
        assert!(request(IPV6, protocol).is_dump());
    };
    asked(TCP, 0x400);
    asked(SCTP, 0x400);
    asked(UDP, 0x82);
}

/// Every cut and every flipped bit of a message that has all there is: a value or a complaint.
#[test]
fn truncations_and_flips() {
    let whole = rich().0;
    let mut errors = Vec::new();
    for length in 0..whole.len() {
        let _ = socket(&whole[..length], UDP, &mut errors);
    }
    for at in 0..whole.len() {
        for bit in 0..8 {
            let mut flipped = whole.clone();
            flipped[at] ^= 1 << bit;
            let _ = socket(&flipped, UDP, &mut errors);
        }
    }
}

proptest! {
    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = socket(&bytes, TCP, &mut Vec::new());
    }
}
