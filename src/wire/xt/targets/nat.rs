//! Address translation: DNAT, SNAT, MASQUERADE, REDIRECT, NETMAP.
//!
//! May import model only.

use std::net::IpAddr;

use super::Fields;
use crate::model::netfilter::table::Family;
use crate::model::netfilter::xt::targets::NatRange;

// `NF_NAT_RANGE_*`
const MAP_IPS: u32 = 1;
const PROTO_SPECIFIED: u32 = 2;
const RANDOM: u32 = 4;
const PERSISTENT: u32 = 8;
const RANDOM_FULLY: u32 = 16;
const PROTO_OFFSET: u32 = 32;
const KNOWN: u32 = MAP_IPS | PROTO_SPECIFIED | RANDOM | PERSISTENT | RANDOM_FULLY | PROTO_OFFSET;

/// DNAT and SNAT: the first revision knows IPv4 alone.
pub(super) fn translation(family: Family, revision: u8, data: &[u8]) -> Option<NatRange> {
    match revision {
        0 if family == Family::Ip => multi_range(data),
        1 => range(family, Fields::of(data, 40)?, false),
        2 => range(family, Fields::of(data, 44)?, true),
        _ => None,
    }
}

/// Targets that have one revision, with another layout in each family.
pub(super) fn first(family: Family, data: &[u8]) -> Option<NatRange> {
    if family == Family::Ip6 { range(family, Fields::of(data, 40)?, false) } else { multi_range(data) }
}

/// `struct nf_nat_ipv4_multi_range_compat`
fn multi_range(data: &[u8]) -> Option<NatRange> {
    let mut fields = Fields::of(data, 20)?;
    // `rangesize`: more than one has not been for long.
    if fields.u32()? != 1 {
        return None;
    }
    let flags = fields.u32()?;
    let addresses = (fields.ip4()?, fields.ip4()?);
    told(flags, addresses, (fields.be16()?, fields.be16()?), None)
}

/// `struct nf_nat_range`, and `struct nf_nat_range2` with a base port.
fn range(family: Family, mut fields: Fields<'_>, with_base: bool) -> Option<NatRange> {
    let flags = fields.u32()?;
    let addresses = (fields.address(family)?, fields.address(family)?);
    let ports = (fields.be16()?, fields.be16()?);
    told(flags, addresses, ports, if with_base { Some(fields.be16()?) } else { None })
}

fn told(flags: u32, addresses: (IpAddr, IpAddr), ports: (u16, u16), base: Option<u16>) -> Option<NatRange> {
    let has = |flag| flags & flag != 0;
    if has(!KNOWN) || (has(PROTO_OFFSET) && base.is_none()) {
        return None;
    }
    Some(NatRange {
        addresses: has(MAP_IPS).then_some(addresses),
        ports: has(PROTO_SPECIFIED).then_some(ports),
        base_port: base.filter(|_| has(PROTO_OFFSET)),
        random: has(RANDOM),
        random_fully: has(RANDOM_FULLY),
        persistent: has(PERSISTENT),
    })
}
