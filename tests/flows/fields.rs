//! Fields that `conntrack` does not tell in its lines: by its crate, and by messages whose bytes are known.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use conntrack::model as theirs;
use podnet::model::flow::filter::FlowFilter;
use podnet::model::flow::protocol::{ProtocolState, SctpState, TcpFlags, TcpState};
use podnet::model::flow::tuple::{Key, Tuple, ZoneDirection};
use podnet::model::flow::{BothWays, Flow, SequenceAdjustment};
use podnet::sys::netns;
use serde_json::{Value, json};

use crate::oracle::put;
use crate::random::{Random, flows};
use crate::raw::{CONFIRMED, attr, be32, create, nest, tuples};
use crate::table::{open, read};
use crate::testbed::Netns;

/// What the crate dumps in a namespace.
pub fn dumped(netns: &Netns) -> Vec<theirs::Flow> {
    let file = netns.handle().file;
    std::thread::spawn(move || {
        netns::enter(std::os::fd::AsFd::as_fd(&*file)).unwrap();
        conntrack::Conntrack::connect().unwrap().dump().unwrap()
    })
    .join()
    .unwrap()
}

/// What both tell of a flow, without what moves by itself.
pub fn told_by_them(flow: &theirs::Flow) -> Value {
    let tuple = |tuple: &theirs::IpTuple| {
        let proto = tuple.proto.as_ref().unwrap();
        json!({
            "src": tuple.src,
            "dst": tuple.dst,
            "protocol": u8::from(proto.number.unwrap()),
            "ports": [proto.src_port, proto.dst_port],
            "icmp": [
                proto.icmp_type.or(proto.icmpv6_type).map(u16::from),
                proto.icmp_code.or(proto.icmpv6_code).map(u16::from),
                proto.icmp_id.or(proto.icmpv6_id),
            ],
            "zone": tuple.zone,
        })
    };
    let info = flow.proto_info.as_ref();
    let tcp = info.and_then(|info| info.tcp.as_ref());
    let sctp = info.and_then(|info| info.sctp.as_ref());
    let adjusted = |way: &Option<theirs::SeqAdj>| {
        way.as_ref().map(|way| json!([way.correction_pos, way.offset_before, way.offset_after]))
    };
    json!({
        "id": flow.id,
        "original": tuple(flow.origin.as_ref().unwrap()),
        "reply": tuple(flow.reply.as_ref().unwrap()),
        "zone": flow.zone,
        "mark": flow.mark,
        "use": flow.entry_use,
        "status": flow.status.as_ref().map(|names| {
            let mut names: Vec<_> = names.iter().filter(|name| !name.ends_with("Mask")).collect();
            names.sort();
            names
        }),
        "tcp": tcp.map(|tcp| json!([u8::from(tcp.state.unwrap()), tcp.wscale_orig, tcp.wscale_repl])),
        "sctp": sctp.map(|sctp| json!([u8::from(sctp.state.unwrap()), sctp.vtag_original, sctp.vtag_reply])),
        "start": flow.timestamp.as_ref().and_then(|times| times.start?.timestamp_nanos_opt()),
        "helper": flow.helper.as_ref().and_then(|helper| Some(helper.name.as_ref()?.trim_end_matches(char::from(0)).to_owned())),
        "adjusted": [adjusted(&flow.seq_adj_orig), adjusted(&flow.seq_adj_repl)],
    })
}

/// The crate's names of the status bits.
const STATUS: [&str; 15] = [
    "StatusExpected",
    "StatusSeenReply",
    "StatusAssured",
    "StatusConfirmed",
    "StatusSrcNAT",
    "StatusDstNAT",
    "StatusSeqAdjust",
    "StatusSrcNATDone",
    "StatusDstNATDone",
    "StatusDying",
    "StatusFixedTimeout",
    "StatusTemplate",
    "StatusUntracked",
    "StatusHelper",
    "StatusOffload",
];

pub fn told_by_us(flow: &Flow) -> Value {
    let zone = |direction| (flow.zone.id != 0 && flow.zone.direction == direction).then_some(flow.zone.id);
    let tuple = |tuple: &Tuple, direction| {
        let (ports, icmp) = match tuple.key {
            Key::Ports { src, dst } => ([Some(src), Some(dst)], [None; 3]),
            Key::Icmp { kind, code, id } => ([None; 2], [Some(u16::from(kind)), Some(u16::from(code)), Some(id)]),
            Key::None => ([None; 2], [None; 3]),
        };
        json!({
            "src": tuple.src,
            "dst": tuple.dst,
            "protocol": tuple.protocol,
            "ports": ports,
            "icmp": icmp,
            "zone": zone(direction),
        })
    };
    let mut status: Vec<&str> =
        STATUS.iter().enumerate().filter(|(bit, _)| flow.status.0 & (1 << bit) != 0).map(|(_, name)| *name).collect();
    status.sort_unstable();
    let (mut tcp, mut sctp) = (None, None);
    match &flow.state {
        Some(ProtocolState::Tcp { state, window_scale, .. }) => {
            let scale = window_scale.unwrap();
            tcp = Some(json!([tcp_number(*state), scale.original, scale.reply]));
        }
        Some(ProtocolState::Sctp { state, verification_tag }) => {
            let tag = verification_tag.unwrap();
            sctp = Some(json!([sctp_number(*state), tag.original, tag.reply]));
        }
        _ => {}
    }
    let more = flow.more.as_deref();
    let adjustment = more.and_then(|more| more.sequence_adjustment);
    let adjusted = |way: Option<SequenceAdjustment>| {
        way.map(|way| json!([way.position, way.before.cast_unsigned(), way.after.cast_unsigned()]))
    };
    json!({
        "id": flow.id,
        "original": tuple(&flow.original, ZoneDirection::Original),
        "reply": tuple(&flow.reply, ZoneDirection::Reply),
        "zone": zone(ZoneDirection::Both),
        "mark": flow.mark,
        "use": flow.uses,
        "status": status,
        "tcp": tcp,
        "sctp": sctp,
        "start": flow.timestamps.map(|times| times.start_ns),
        "helper": more.and_then(|more| more.helper.as_ref()).map(|helper| helper.name.to_string()),
        "adjusted": [
            adjusted(adjustment.and_then(|both| both.original)),
            adjusted(adjustment.and_then(|both| both.reply)),
        ],
    })
}

fn tcp_number(state: TcpState) -> u8 {
    use TcpState::*;
    match state {
        Other(number) => number,
        named => {
            let order = [None, SynSent, SynRecv, Established, FinWait, CloseWait, LastAck, TimeWait, Close, SynSent2];
            u8::try_from(order.iter().position(|one| *one == named).unwrap()).unwrap()
        }
    }
}

fn sctp_number(state: SctpState) -> u8 {
    use SctpState::*;
    match state {
        Other(number) => number,
        named => {
            let order = [
                None,
                Closed,
                CookieWait,
                CookieEchoed,
                Established,
                ShutdownSent,
                ShutdownReceived,
                ShutdownAckSent,
                HeartbeatSent,
                HeartbeatAcked,
            ];
            u8::try_from(order.iter().position(|one| *one == named).unwrap()).unwrap()
        }
    }
}

/// All that the crate decodes, by id and tuples.
pub fn compare(netns: &Netns) -> Vec<Flow> {
    let key = |value: &Value| serde_json::to_string(&[&value["id"], &value["original"], &value["zone"]]).unwrap();
    let ours = read(&open(netns), &[FlowFilter::default()]);
    let by_key = |all: Vec<Value>| all.into_iter().map(|value| (key(&value), value)).collect::<BTreeMap<_, _>>();
    // Protocols that the crate has no name for make it fail to tell a number.
    let told = by_key(dumped(netns).iter().map(told_by_them).collect());
    let own = by_key(ours.iter().map(told_by_us).collect());
    assert_eq!(own.len(), ours.len());
    for (key, own) in &own {
        assert_eq!(Some(own), told.get(key));
    }
    assert_eq!(own.len(), told.len());
    ours
}

#[test]
fn the_crate_tells_the_same_of_random_flows() {
    let netns = Netns::new();
    put(&netns, &flows(5_000, &mut Random(0x1234_5678_9abc_def1)));
    assert_eq!(compare(&netns).len(), 5_000);
}

#[test]
fn what_no_program_sets_is_read_as_it_was_put_in() {
    let netns = Netns::new();
    // Labels are kept only where a rule speaks of them.
    netns.exec("nft", &["add table inet t; add chain inet t c; add rule inet t c ct label set 5"]);
    let at = |last: u8, port: u16| (Ipv4Addr::new(10, 0, 0, last), port);
    let adjusted = |kind, position, before: i32, after: i32| {
        nest(kind, &[be32(1, position), be32(2, before.cast_unsigned()), be32(3, after.cast_unsigned())])
    };
    let tcp = [attr(1, &[3]), attr(2, &[7]), attr(3, &[14]), attr(4, &[0x2b, 0xff]), attr(5, &[0x0f, 0x0b])];
    let labels: Vec<u8> = (1..=16).collect();
    create(
        &netns,
        &[
            tuples(at(1, 1000), at(2, 80)),
            be32(7, 600),
            be32(3, CONFIRMED),
            nest(4, &[nest(1, &tcp)]),
            attr(22, &labels),
            adjusted(15, 7, -3, 12),
            adjusted(16, 0xffff_0000, 0, -12),
        ],
    );
    let flows = read(&open(&netns), &[FlowFilter::default()]);
    let [flow] = flows.as_slice() else { panic!("{flows:?}") };
    let flags = |flags| TcpFlags { flags, mask: 0 };
    assert_eq!(
        flow.state,
        Some(ProtocolState::Tcp {
            state: TcpState::Established,
            window_scale: Some(BothWays { original: 7, reply: 14 }),
            flags: Some(BothWays { original: flags(0x2b), reply: flags(0x0b) }),
        })
    );
    let more = flow.more.as_ref().unwrap();
    assert_eq!(more.labels.as_ref().unwrap().0, labels);
    assert_eq!(
        more.sequence_adjustment,
        Some(BothWays {
            original: Some(SequenceAdjustment { position: 7, before: -3, after: 12 }),
            reply: Some(SequenceAdjustment { position: 0xffff_0000, before: 0, after: -12 }),
        })
    );
    assert_eq!((flow.counters, flow.timestamps), (None, None), "not recorded is not zero");
    compare(&netns);
}
