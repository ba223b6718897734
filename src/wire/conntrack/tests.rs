use std::net::IpAddr;

use proptest::prelude::*;

use super::request::{flows, kernel_part};
use super::*;
use crate::model::flow::expectation::Expectation;
use crate::model::flow::filter::{FlowFilter, TupleFilter};
use crate::model::flow::protocol::{DccpState, ProtocolState, SctpState, TcpFlags, TcpState};
use crate::model::flow::statistics::Statistics;
use crate::model::flow::status::Status;
use crate::model::flow::tuple::{Key, Tuple, Zone, ZoneDirection};
use crate::model::flow::{
    BothWays, Counted, Flow, Helper, More, SequenceAdjustment, Synproxy, Timestamps, UnknownAttribute,
};
use crate::model::text::Bytes;
use crate::wire::netlink::attr::{AttrError, attribute as attr};

const NESTED: u16 = 0x8000;

fn nest(kind: u16, inner: &[Vec<u8>]) -> Vec<u8> {
    attr(kind | NESTED, &inner.concat())
}

fn v4_tuple(kind: u16, src: [u8; 4], dst: [u8; 4], rest: &[Vec<u8>]) -> Vec<u8> {
    let proto = nest(2, &[attr(1, &[6]), attr(2, &80_u16.to_be_bytes()), attr(3, &443_u16.to_be_bytes())]);
    nest(kind, &[&[nest(1, &[attr(1, &src), attr(2, &dst)]), proto], rest].concat())
}

fn tuple(src: [u8; 4], dst: [u8; 4]) -> Tuple {
    Tuple { src: IpAddr::from(src), dst: IpAddr::from(dst), protocol: 6, key: Key::Ports { src: 80, dst: 443 } }
}

const ONE: [u8; 4] = [10, 0, 0, 1];
const TWO: [u8; 4] = [10, 0, 0, 2];

/// A message with what every flow has, and more.
fn message(more: &[Vec<u8>]) -> Vec<u8> {
    let all = [
        vec![2, 0, 0, 0],
        v4_tuple(1, ONE, TWO, &[]),
        v4_tuple(2, TWO, ONE, &[]),
        attr(3, &0x018e_u32.to_be_bytes()),
        attr(12, &0xdead_beef_u32.to_be_bytes()),
    ];
    [&all[..], more].concat().concat()
}

fn plain() -> Flow {
    Flow {
        original: tuple(ONE, TWO),
        reply: tuple(TWO, ONE),
        zone: Zone::default(),
        status: Status(0x018e),
        timeout_s: None,
        mark: None,
        id: 0xdead_beef,
        uses: None,
        state: None,
        counters: None,
        timestamps: None,
        more: None,
    }
}

fn read(payload: &[u8]) -> Flow {
    let mut errors = Vec::new();
    let flow = flow(payload, &mut errors);
    assert_eq!(errors, []);
    flow.unwrap()
}

/// Fields that no program can set and few kernels send; layouts as `nf_conntrack_netlink.c` writes them.
fn rare() -> (Vec<u8>, Flow) {
    let be32 = |kind: u16, value: u32| attr(kind, &value.to_be_bytes());
    let be64 = |kind: u16, value: u64| attr(kind, &value.to_be_bytes());
    let adjusted = |kind, position, before: i32, after: i32| {
        nest(kind, &[be32(1, position), be32(2, before.cast_unsigned()), be32(3, after.cast_unsigned())])
    };
    let payload = message(&[
        be32(7, 431_999),
        be32(8, 0x4000),
        be32(11, 2),
        nest(9, &[be64(1, 3), be64(2, u64::MAX), attr(5, &[])]),
        nest(10, &[be64(1, 4), be64(2, 5)]),
        nest(20, &[be64(1, 1_700_000_000_000_000_001), be64(2, 1_700_000_000_000_000_002), attr(3, &[])]),
        attr(22, &[0x80; 16]),
        nest(5, &[attr(1, b"ftp\0"), attr(2, &[1, 2, 3])]),
        adjusted(15, 7, -3, 12),
        adjusted(16, 8, 0, -12),
        nest(24, &[be32(1, 11), be32(2, 12), be32(3, 13)]),
        v4_tuple(14, [1, 1, 1, 1], [2, 2, 2, 2], &[]),
        nest(19, &[attr(1, b"system_u:object_r:http\0")]),
        attr(99, &[1, 2, 3, 4, 5]),
    ]);
    let flow = Flow {
        timeout_s: Some(431_999),
        mark: Some(0x4000),
        uses: Some(2),
        counters: Some(BothWays {
            original: Counted { packets: 3, bytes: u64::MAX },
            reply: Counted { packets: 4, bytes: 5 },
        }),
        timestamps: Some(Timestamps { start_ns: 1_700_000_000_000_000_001, stop_ns: Some(1_700_000_000_000_000_002) }),
        more: Some(Box::new(More {
            labels: Some(Bytes(vec![0x80; 16])),
            helper: Some(Helper { name: "ftp".into(), info: Some(Bytes(vec![1, 2, 3])) }),
            sequence_adjustment: Some(BothWays {
                original: Some(SequenceAdjustment { position: 7, before: -3, after: 12 }),
                reply: Some(SequenceAdjustment { position: 8, before: 0, after: -12 }),
            }),
            synproxy: Some(Synproxy { isn: 11, its: 12, timestamp_offset: 13 }),
            master: Some(tuple([1, 1, 1, 1], [2, 2, 2, 2])),
            security_context: Some("system_u:object_r:http".into()),
            unknown: vec![UnknownAttribute { path: vec![99], bytes: Bytes(vec![1, 2, 3, 4, 5]) }],
        })),
        ..plain()
    };
    (payload, flow)
}

#[test]
fn fields_that_few_flows_have() {
    assert_eq!(read(&message(&[])), plain());
    let (payload, flow) = rare();
    assert_eq!(read(&payload), flow);
}

#[test]
fn a_zone_may_be_that_of_one_direction() {
    let zone = |kind: u16| attr(kind, &7_u16.to_be_bytes());
    let with = |original: &[Vec<u8>], reply: &[Vec<u8>], more: &[Vec<u8>]| {
        let head = [vec![2, 0, 0, 0], v4_tuple(1, ONE, TWO, original), v4_tuple(2, TWO, ONE, reply)];
        let tail = [attr(3, &[0; 4]), attr(12, &[0; 4])];
        read(&[&head[..], &tail, more].concat().concat()).zone
    };
    assert_eq!(with(&[], &[], &[zone(18)]), Zone { id: 7, direction: ZoneDirection::Both });
    assert_eq!(with(&[zone(3)], &[], &[]), Zone { id: 7, direction: ZoneDirection::Original });
    assert_eq!(with(&[], &[zone(3)], &[]), Zone { id: 7, direction: ZoneDirection::Reply });
}

#[test]
fn protocols_states() {
    let state = |inner: &[Vec<u8>]| read(&message(&[nest(4, inner)])).state.unwrap();
    let tcp = [attr(1, &[3]), attr(2, &[7]), attr(3, &[9]), attr(4, &[0x2b, 0xff]), attr(5, &[0x23, 0])];
    assert_eq!(
        state(&[nest(1, &tcp)]),
        ProtocolState::Tcp {
            state: TcpState::Established,
            window_scale: Some(BothWays { original: 7, reply: 9 }),
            flags: Some(BothWays {
                original: TcpFlags { flags: 0x2b, mask: 0xff },
                reply: TcpFlags { flags: 0x23, mask: 0 }
            }),
        }
    );
    // As events that tell of an end have it.
    assert_eq!(
        state(&[nest(1, &[attr(1, &[77])])]),
        ProtocolState::Tcp { state: TcpState::Other(77), window_scale: None, flags: None }
    );
    // `conntrack` crashes where it is to put a flow of this state in.
    let sctp = [attr(1, &[8]), attr(2, &1_u32.to_be_bytes()), attr(3, &u32::MAX.to_be_bytes())];
    assert_eq!(
        state(&[nest(3, &sctp)]),
        ProtocolState::Sctp {
            state: SctpState::HeartbeatSent,
            verification_tag: Some(BothWays { original: 1, reply: u32::MAX })
        }
    );
    // Kernels before 6.16 track it.
    let dccp = [attr(1, &[4]), attr(2, &[1]), attr(3, &0x0000_ffff_0000_0001_u64.to_be_bytes()), attr(4, &[])];
    assert_eq!(
        state(&[nest(2, &dccp)]),
        ProtocolState::Dccp { state: DccpState::Open, role: Some(1), handshake_sequence: Some(0x0000_ffff_0000_0001) }
    );
}

#[test]
fn what_is_unknown_is_kept_with_its_place_and_what_is_broken_is_told() {
    let flow = read(&message(&[nest(4, &[nest(1, &[attr(1, &[3]), attr(9, &[5])]), attr(7, &[6])]), attr(6, &[1])]));
    let kept = |path: &[u16], byte: u8| UnknownAttribute { path: path.to_vec(), bytes: Bytes(vec![byte]) };
    assert_eq!(flow.more.unwrap().unknown, [kept(&[4, 1, 9], 5), kept(&[4, 7], 6), kept(&[6], 1)]);

    let complaints = |payload: &[u8]| {
        let mut errors = Vec::new();
        (super::flow(payload, &mut errors).is_some(), errors)
    };
    assert_eq!(
        complaints(&message(&[attr(7, &[1, 2])])),
        (true, vec![AttrError::Length { kind: 7, length: 2, wanted: "4" }])
    );
    assert_eq!(complaints(&[2, 0, 0]).1[0], AttrError::Fixed { length: 3, wanted: 4 });
    assert_eq!(complaints(&[2, 0, 0, 0]), (false, vec![AttrError::Missing { name: "CTA_TUPLE_ORIG" }]));
    // One port without the other is no tuple.
    let half = nest(1, &[nest(1, &[attr(1, &ONE), attr(2, &TWO)]), nest(2, &[attr(1, &[6]), attr(2, &[0, 80])])]);
    let (found, errors) = complaints(&[vec![2, 0, 0, 0], half].concat());
    assert!(!found && errors.contains(&AttrError::Missing { name: "a part of CTA_TUPLE_PROTO" }), "{errors:?}");
}

fn expectation_message() -> Vec<u8> {
    let be32 = |kind: u16, value: u32| attr(kind, &value.to_be_bytes());
    [
        vec![2, 0, 0, 0],
        v4_tuple(1, ONE, TWO, &[]),
        v4_tuple(2, TWO, ONE, &[]),
        v4_tuple(3, [255; 4], [255; 4], &[]),
        be32(4, 300),
        be32(5, 9),
        attr(6, b"ftp\0"),
        attr(7, &3_u16.to_be_bytes()),
        be32(8, 1),
        be32(9, 2),
        nest(10, &[be32(1, 1), v4_tuple(2, ONE, TWO, &[])]),
        attr(11, b"nat-follow-master\0"),
        attr(12, &[9]),
    ]
    .concat()
}

#[test]
fn an_expectation_has_all_its_fields() {
    let mut errors = Vec::new();
    let found = expectation(&expectation_message(), &mut errors).unwrap();
    assert_eq!(errors, []);
    assert_eq!(
        found,
        Expectation {
            master: tuple(ONE, TWO),
            tuple: tuple(TWO, ONE),
            mask: tuple([255; 4], [255; 4]),
            timeout_s: 300,
            id: 9,
            zone: 3,
            helper: Some("ftp".into()),
            flags: 1,
            class: 2,
            function: Some("nat-follow-master".into()),
            nat: Some((1, tuple(ONE, TWO))),
            unknown: vec![UnknownAttribute { path: vec![12], bytes: Bytes(vec![9]) }],
        }
    );
}

#[test]
fn the_kernel_is_asked_for_no_more_than_it_gets_right() {
    let v4 = "10.0.0.1".parse().unwrap();
    let v6 = "fd00::1".parse().unwrap();
    let all = |address: IpAddr| FlowFilter {
        protocol: Some(6),
        original: TupleFilter { src: Some(address), src_port: Some(1), dst_port: Some(2), ..TupleFilter::default() },
        reply: TupleFilter { dst: Some(address), ..TupleFilter::default() },
        mark: Some((0xff, 0x0f)),
        zone: Some(3),
        status: Some((1, 0)),
        ipv6: None,
    };
    let asked = FlowFilter { ipv6: Some(false), mark: Some((0x0f, 0x0f)), status: None, ..all(v4) };
    assert_eq!(kernel_part(&all(v4)), asked);
    let ports = TupleFilter { src_port: Some(1), dst_port: Some(2), ..TupleFilter::default() };
    let without = FlowFilter { ipv6: Some(true), original: ports, reply: TupleFilter::default(), ..asked.clone() };
    assert_eq!(kernel_part(&all(v6)), without);
    // Ports of what the kernel does not compare, and zone 0.
    let odd = FlowFilter { protocol: Some(132), zone: Some(0), ..all(v4) };
    let part = kernel_part(&odd);
    assert_eq!((part.original.src_port, part.zone, part.protocol), (None, None, Some(132)));
    // Without a family no tuple.
    let port = FlowFilter { original: ports, protocol: Some(6), ..FlowFilter::default() };
    assert_eq!(kernel_part(&port), FlowFilter::default());

    let (src, reply) = (nest(1, &[attr(1, &ONE)]), nest(1, &[attr(2, &ONE)]));
    let proto = nest(2, &[attr(1, &[6]), attr(2, &1_u16.to_be_bytes()), attr(3, &2_u16.to_be_bytes())]);
    let flags = nest(25, &[attr(1, &0x39_u32.to_ne_bytes()), attr(2, &2_u32.to_ne_bytes())]);
    let body = [
        vec![2, 0, 0, 0],
        nest(1, &[src, proto]),
        nest(2, &[reply]),
        flags,
        attr(8, &0x0f_u32.to_be_bytes()),
        attr(21, &0x0f_u32.to_be_bytes()),
        attr(18, &3_u16.to_be_bytes()),
    ]
    .concat();
    assert_eq!(flows(&asked).bytes(0, 0)[16..], body);
}

#[test]
fn counters_of_one_processor() {
    let be32 = |kind: u16, value: u32| attr(kind, &value.to_be_bytes());
    let all: Vec<u8> = (1..=16_u16).flat_map(|kind| be32(kind, u32::from(kind) * 100)).collect();
    let mut errors = Vec::new();
    let found = cpu_statistics(&[vec![0, 0, 0x01, 0x02], all].concat(), &mut errors).unwrap();
    assert_eq!(errors, []);
    assert_eq!((found.cpu, found.found, found.invalid, found.insert), (0x0102, 200, 400, Some(800)));
    assert_eq!((found.insert_failed, found.drop, found.early_drop, found.error), (900, 1000, 1100, 1200));
    assert_eq!((found.search_restart, found.clash_resolve, found.chain_too_long), (1300, Some(1400), Some(1500)));
    let other: Vec<u16> = found.other.keys().copied().collect();
    assert_eq!(other, [1, 3, 5, 6, 7, 16]);
    assert_eq!(cpu_statistics(&[0, 0, 0, 1], &mut errors), None);
}

fn decode_all(payload: &[u8]) {
    let mut errors = Vec::new();
    let _ = flow(payload, &mut errors);
    let _ = expectation(payload, &mut errors);
    let _ = cpu_statistics(payload, &mut errors);
    fill_totals(payload, &mut Statistics::default(), &mut errors);
}

/// Every cut and every flipped bit of a message that has all there is: a value or a complaint.
#[test]
fn truncations_and_flips() {
    for whole in [rare().0, expectation_message()] {
        for length in 0..whole.len() {
            decode_all(&whole[..length]);
        }
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut flipped = whole.clone();
                flipped[at] ^= 1 << bit;
                decode_all(&flipped);
            }
        }
    }
}

proptest! {
    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        decode_all(&bytes);
    }
}
