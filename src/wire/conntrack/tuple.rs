//! One direction of a flow.
//!
//! May import model only.

use std::net::{IpAddr, Ipv4Addr};

use super::nest::Notes;
use super::part;
use crate::model::flow::tuple::{Key, Tuple};
use crate::wire::netlink::attr::{Attr, AttrError};

/// What a tuple may hold.
#[derive(Default)]
struct Parts {
    src: Option<IpAddr>,
    dst: Option<IpAddr>,
    protocol: Option<u8>,
    ports: (Option<u16>, Option<u16>),
    icmp: (Option<u8>, Option<u8>, Option<u16>),
    zone: Option<u16>,
}

/// Reads a tuple, and the zone that it alone has.
pub(super) fn tuple(attr: &Attr<'_>, notes: &mut Notes<'_>) -> Option<(Tuple, Option<u16>)> {
    let mut parts = Parts::default();
    notes.nest(attr, |notes, inner| match inner.kind {
        part::IP => addresses(attr.kind, inner, &mut parts, notes),
        part::PROTO => protocol(attr.kind, inner, &mut parts, notes),
        part::ZONE => parts.zone = notes.take(inner.be16()),
        _ => notes.keep(&[attr.kind], inner),
    });
    let src = notes.need(parts.src, "CTA_IP_V4_SRC or CTA_IP_V6_SRC")?;
    let dst = notes.need(parts.dst, "CTA_IP_V4_DST or CTA_IP_V6_DST")?;
    let protocol = notes.need(parts.protocol, "CTA_PROTO_NUM")?;
    let key = match (parts.ports, parts.icmp) {
        ((Some(src), Some(dst)), _) => Key::Ports { src, dst },
        (_, (Some(kind), Some(code), Some(id))) => Key::Icmp { kind, code, id },
        ((None, None), (None, None, None)) => Key::None,
        _ => return notes.need(None, "a part of CTA_TUPLE_PROTO"),
    };
    Some((Tuple { src, dst, protocol, key }, parts.zone))
}

fn v4(attr: &Attr<'_>) -> Result<IpAddr, AttrError> {
    attr.be32().map(|bits| IpAddr::V4(Ipv4Addr::from(bits)))
}

fn v6(attr: &Attr<'_>) -> Result<IpAddr, AttrError> {
    attr.address().and_then(|address| match address {
        IpAddr::V6(_) => Ok(address),
        IpAddr::V4(_) => Err(AttrError::Length { kind: attr.kind, length: attr.payload.len(), wanted: "16" }),
    })
}

fn addresses(above: u16, nest: &Attr<'_>, parts: &mut Parts, notes: &mut Notes<'_>) {
    notes.nest(nest, |notes, attr| match attr.kind {
        part::V4_SRC => parts.src = notes.take(v4(attr)),
        part::V4_DST => parts.dst = notes.take(v4(attr)),
        part::V6_SRC => parts.src = notes.take(v6(attr)),
        part::V6_DST => parts.dst = notes.take(v6(attr)),
        _ => notes.keep(&[above, nest.kind], attr),
    });
}

fn protocol(above: u16, nest: &Attr<'_>, parts: &mut Parts, notes: &mut Notes<'_>) {
    notes.nest(nest, |notes, attr| match attr.kind {
        part::NUM => parts.protocol = notes.take(attr.u8()),
        part::SRC_PORT => parts.ports.0 = notes.take(attr.be16()),
        part::DST_PORT => parts.ports.1 = notes.take(attr.be16()),
        part::ICMP_TYPE | part::ICMPV6_TYPE => parts.icmp.0 = notes.take(attr.u8()),
        part::ICMP_CODE | part::ICMPV6_CODE => parts.icmp.1 = notes.take(attr.u8()),
        part::ICMP_ID | part::ICMPV6_ID => parts.icmp.2 = notes.take(attr.be16()),
        _ => notes.keep(&[above, nest.kind], attr),
    });
}
