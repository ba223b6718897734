//! Address translation: DNAT, SNAT, MASQUERADE, REDIRECT, NETMAP.
//!
//! May import model only.

use std::net::IpAddr;

use crate::model::netfilter::table::Family;
use crate::model::netfilter::xt::targets::NatRange;
use crate::wire::xt::blob::Blob;

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
        1 => range(family, Blob::sized(data, 40)?, false),
        2 => range(family, Blob::sized(data, 44)?, true),
        _ => None,
    }
}

/// Targets that have one revision, with another layout in each family.
pub(super) fn first(family: Family, data: &[u8]) -> Option<NatRange> {
    if family == Family::Ip6 { range(family, Blob::sized(data, 40)?, false) } else { multi_range(data) }
}

/// `struct nf_nat_ipv4_multi_range_compat`
fn multi_range(data: &[u8]) -> Option<NatRange> {
    let blob = Blob::sized(data, 20)?;
    // `rangesize`: more than one has not been for long.
    if blob.u32(0)? != 1 {
        return None;
    }
    told(blob.u32(4)?, (blob.ipv4(8)?, blob.ipv4(12)?), (blob.be16(16)?, blob.be16(18)?), None)
}

/// `struct nf_nat_range`, and `struct nf_nat_range2` with a base port.
fn range(family: Family, blob: Blob<'_>, with_base: bool) -> Option<NatRange> {
    let base = if with_base { Some(blob.be16(40)?) } else { None };
    told(blob.u32(0)?, (blob.inet(4, family)?, blob.inet(20, family)?), (blob.be16(36)?, blob.be16(38)?), base)
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
