//! The questions.
//!
//! May import model only.

use std::net::IpAddr;

use super::{EXPECTATION_GET, GET, IPV4, IPV6, STATISTICS, STATISTICS_CPU, part, top};
use crate::model::flow::filter::{FlowFilter, TupleFilter};
use crate::model::flow::tuple::{Key, Tuple};
use crate::wire::netlink::request::Request;

/// `NLA_F_NESTED`
const NESTED: u16 = 0x8000;
const TCP: u8 = 6;
const UDP: u8 = 17;

/// `CTA_FILTER_ORIG_FLAGS` and `CTA_FILTER_REPLY_FLAGS`
const ORIG_FLAGS: u16 = 1;
const REPLY_FLAGS: u16 = 2;

/// The bits of them, which no header of the kernel's shows to programs (`CTA_FILTER_F_CTA_*`).
mod bit {
    pub const IP_SRC: u32 = 1;
    pub const IP_DST: u32 = 1 << 1;
    pub const PROTO_NUM: u32 = 1 << 3;
    pub const PROTO_SRC_PORT: u32 = 1 << 4;
    pub const PROTO_DST_PORT: u32 = 1 << 5;
}

/// As much of a filter as the kernel is asked to check; it accepts all that the filter accepts, and more.
///
/// - IPv6 addresses are left out: kernels compare them the wrong way round and hand out all the *others*.
/// - Ports are compared for TCP and UDP alone, and only along with the protocol.
/// - Tuples are compared only where the family is given: an address gives it.
/// - Zone 0 meant "any" to the first kernels that knew zones here, and leaves out flows with a zone on one side.
pub fn kernel_part(filter: &FlowFilter) -> FlowFilter {
    let tuples = [&filter.original, &filter.reply];
    let addresses = || tuples.into_iter().flat_map(|tuple| [tuple.src, tuple.dst]).flatten();
    let ipv6 = filter.ipv6.or_else(|| addresses().next().map(|address| address.is_ipv6()));
    let ported = filter.protocol.is_some_and(|protocol| matches!(protocol, TCP | UDP));
    let reduced = |tuple: &TupleFilter| {
        let v4 = |address: Option<IpAddr>| address.filter(|address| ipv6 == Some(false) && address.is_ipv4());
        let port = |port: Option<u16>| port.filter(|_| ported && ipv6.is_some());
        TupleFilter {
            src: v4(tuple.src),
            dst: v4(tuple.dst),
            src_port: port(tuple.src_port),
            dst_port: port(tuple.dst_port),
        }
    };
    let masked = |(value, mask): (u32, u32)| (mask != 0).then_some((value & mask, mask));
    FlowFilter {
        ipv6,
        protocol: filter.protocol.filter(|_| ipv6.is_some()),
        original: reduced(&filter.original),
        reply: reduced(&filter.reply),
        mark: filter.mark.and_then(masked),
        zone: filter.zone.filter(|zone| *zone != 0),
        status: filter.status.and_then(masked),
    }
}

/// The flows that a filter accepts, which [`kernel_part`] gave. Kernels before 5.8 hand out more.
pub fn flows(filter: &FlowFilter) -> Request {
    let mut request = Request::dump(GET, &general(filter.ipv6));
    let protocol = filter.protocol;
    let mut flags = Vec::new();
    for (kind, flag_kind, tuple, protocol) in [
        (top::TUPLE_ORIG, ORIG_FLAGS, &filter.original, protocol),
        // One of them is enough to name the protocol, unless ports are asked for.
        (top::TUPLE_REPLY, REPLY_FLAGS, &filter.reply, protocol.filter(|_| has_port(&filter.reply))),
    ] {
        let (bits, body) = tuple_part(tuple, protocol);
        if bits != 0 {
            request = request.attr(kind | NESTED, &body);
            put(&mut flags, flag_kind, &bits.to_ne_bytes());
        }
    }
    if !flags.is_empty() {
        request = request.attr(top::FILTER | NESTED, &flags);
    }
    if let Some((value, mask)) = filter.mark {
        request = request.attr(top::MARK, &value.to_be_bytes()).attr(top::MARK_MASK, &mask.to_be_bytes());
    }
    if let Some((value, mask)) = filter.status {
        request = request.attr(top::STATUS, &value.to_be_bytes()).attr(top::STATUS_MASK, &mask.to_be_bytes());
    }
    if let Some(zone) = filter.zone {
        request = request.attr(top::ZONE, &zone.to_be_bytes());
    }
    request
}

/// The flow that a packet with this tuple belongs to in a zone, in either direction.
pub fn flow_of(tuple: &Tuple, zone: u16) -> Request {
    let mut request = Request::get(GET, &general(Some(tuple.src.is_ipv6())));
    request = request.attr(top::TUPLE_ORIG | NESTED, &whole(tuple));
    if zone != 0 {
        request = request.attr(top::ZONE, &zone.to_be_bytes());
    }
    request
}

/// All flows, of one family or of both.
pub fn all_flows(ipv6: Option<bool>) -> Request {
    Request::dump(GET, &general(ipv6))
}

/// What each CPU counted.
pub fn cpu_statistics() -> Request {
    Request::dump(STATISTICS_CPU, &general(None))
}

/// How many flows there are, and how many there may be.
pub fn statistics() -> Request {
    Request::get(STATISTICS, &general(None))
}

/// What helpers expect.
pub fn expectations() -> Request {
    Request::dump(EXPECTATION_GET, &general(None))
}

/// `struct nfgenmsg`
fn general(ipv6: Option<bool>) -> [u8; 4] {
    [ipv6.map_or(0, |ipv6| if ipv6 { IPV6 } else { IPV4 }), 0, 0, 0]
}

fn has_port(tuple: &TupleFilter) -> bool {
    tuple.src_port.is_some() || tuple.dst_port.is_some()
}

/// A tuple with what is asked of it, and the bits that tell what that is.
fn tuple_part(tuple: &TupleFilter, protocol: Option<u8>) -> (u32, Vec<u8>) {
    let (mut bits, mut addresses, mut ports, mut body) = (0, Vec::new(), Vec::new(), Vec::new());
    for (bit, kind, address) in [(bit::IP_SRC, part::V4_SRC, tuple.src), (bit::IP_DST, part::V4_DST, tuple.dst)] {
        if let Some(IpAddr::V4(address)) = address {
            bits |= bit;
            put(&mut addresses, kind, &address.octets());
        }
    }
    if let Some(protocol) = protocol {
        bits |= bit::PROTO_NUM;
        put(&mut ports, part::NUM, &[protocol]);
        for (bit, kind, port) in [
            (bit::PROTO_SRC_PORT, part::SRC_PORT, tuple.src_port),
            (bit::PROTO_DST_PORT, part::DST_PORT, tuple.dst_port),
        ] {
            if let Some(port) = port {
                bits |= bit;
                put(&mut ports, kind, &port.to_be_bytes());
            }
        }
    }
    for (kind, nest) in [(part::IP, addresses), (part::PROTO, ports)] {
        if !nest.is_empty() {
            put(&mut body, kind | NESTED, &nest);
        }
    }
    (bits, body)
}

/// All of a tuple.
fn whole(tuple: &Tuple) -> Vec<u8> {
    let (mut addresses, mut protocol, mut body) = (Vec::new(), Vec::new(), Vec::new());
    for (v4, v6, address) in [(part::V4_SRC, part::V6_SRC, tuple.src), (part::V4_DST, part::V6_DST, tuple.dst)] {
        match address {
            IpAddr::V4(address) => put(&mut addresses, v4, &address.octets()),
            IpAddr::V6(address) => put(&mut addresses, v6, &address.octets()),
        }
    }
    put(&mut protocol, part::NUM, &[tuple.protocol]);
    match tuple.key {
        Key::Ports { src, dst } => {
            put(&mut protocol, part::SRC_PORT, &src.to_be_bytes());
            put(&mut protocol, part::DST_PORT, &dst.to_be_bytes());
        }
        Key::Icmp { kind, code, id } => {
            let is_v6 = tuple.src.is_ipv6();
            let own = |v4: u16, v6: u16| if is_v6 { v6 } else { v4 };
            put(&mut protocol, own(part::ICMP_ID, part::ICMPV6_ID), &id.to_be_bytes());
            put(&mut protocol, own(part::ICMP_TYPE, part::ICMPV6_TYPE), &[kind]);
            put(&mut protocol, own(part::ICMP_CODE, part::ICMPV6_CODE), &[code]);
        }
        Key::None => {}
    }
    put(&mut body, part::IP | NESTED, &addresses);
    put(&mut body, part::PROTO | NESTED, &protocol);
    body
}

/// Adds an attribute, padded. What is put here is short.
fn put(bytes: &mut Vec<u8>, kind: u16, payload: &[u8]) {
    let length = u16::try_from(payload.len() + 4).unwrap_or(u16::MAX);
    bytes.extend_from_slice(&length.to_ne_bytes());
    bytes.extend_from_slice(&kind.to_ne_bytes());
    bytes.extend_from_slice(payload);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}
