//! Neighbours and forwarding entries (`RTM_NEWNEIGH`).
//!
//! Must not import anything from the crate but model and sibling wire files.

use crate::model::ids::{IfIndex, MacAddr};
use crate::model::neigh::{FdbEntry, Neighbour};
use crate::wire::netlink::attr::{AttrError, attrs};

use super::{AF_BRIDGE, AF_INET, AF_INET6, Known, fill, fixed, names, put, walk};

const NDA_DST: u16 = 1;
const NDA_LLADDR: u16 = 2;
const NDA_VLAN: u16 = 5;
const NDA_PORT: u16 = 6;
const NDA_VNI: u16 = 7;
const NDA_IFINDEX: u16 = 8;
const NDA_MASTER: u16 = 9;
const NDA_NH_ID: u16 = 13;
const NDA_FLAGS_EXT: u16 = 15;

/// `NTF_PROXY`: in a request, asks for the proxied addresses, which no other dump shows.
pub const NTF_PROXY: u8 = 1 << 3;

/// Reads one neighbour of either IP family.
pub fn neighbour(message: &[u8], errors: &mut Vec<AttrError>) -> Option<Neighbour> {
    let raw = raw(message, errors)?;
    if raw.family != AF_INET && raw.family != AF_INET6 {
        return None;
    }
    let Some(address) = raw.dst else {
        errors.push(AttrError::Missing { name: "NDA_DST" });
        return None;
    };
    Some(Neighbour { ifindex: raw.ifindex, address, mac: raw.mac, states: raw.states, flags: raw.flags })
}

/// Reads one forwarding entry.
pub fn fdb(message: &[u8], errors: &mut Vec<AttrError>) -> Option<FdbEntry> {
    let raw = raw(message, errors)?;
    if raw.family != AF_BRIDGE {
        return None;
    }
    let Some(mac) = raw.mac else {
        errors.push(AttrError::Missing { name: "NDA_LLADDR" });
        return None;
    };
    Some(FdbEntry {
        ifindex: raw.ifindex,
        bridge: raw.controller,
        mac,
        vlan: raw.vlan,
        remote: raw.dst,
        vni: raw.vni,
        port: raw.port,
        via: raw.via,
        nexthop: raw.nexthop,
        states: raw.states,
        flags: raw.flags,
    })
}

struct Raw {
    family: u8,
    ifindex: IfIndex,
    states: Vec<String>,
    flags: Vec<String>,
    dst: Option<std::net::IpAddr>,
    mac: Option<MacAddr>,
    controller: Option<IfIndex>,
    vlan: Option<u16>,
    vni: Option<u32>,
    port: Option<u16>,
    via: Option<IfIndex>,
    nexthop: Option<u32>,
}

fn raw(message: &[u8], errors: &mut Vec<AttrError>) -> Option<Raw> {
    let (&[family, _, _, _, i0, i1, i2, i3, s0, s1, flags, _], rest) = fixed::<12>(message, errors)?;
    let mut raw = Raw {
        family,
        ifindex: IfIndex(u32::from_ne_bytes([i0, i1, i2, i3])),
        states: names::bits(u32::from(u16::from_ne_bytes([s0, s1])), names::NEIGHBOUR_STATES),
        flags: Vec::new(),
        dst: None,
        mac: None,
        controller: None,
        vlan: None,
        vni: None,
        port: None,
        via: None,
        nexthop: None,
    };
    let mut more_flags = 0;
    walk(attrs(rest), errors, |attr, errors| {
        match attr.kind {
            NDA_DST => fill(&mut raw.dst, attr.address(), errors),
            NDA_LLADDR => raw.mac = Some(MacAddr(attr.payload.to_vec())),
            NDA_VLAN => fill(&mut raw.vlan, attr.u16(), errors),
            NDA_PORT => fill(&mut raw.port, attr.be16(), errors),
            NDA_VNI => fill(&mut raw.vni, attr.u32(), errors),
            NDA_IFINDEX => fill(&mut raw.via, attr.u32().map(IfIndex), errors),
            NDA_NH_ID => fill(&mut raw.nexthop, attr.u32(), errors),
            NDA_MASTER => fill(&mut raw.controller, attr.u32().map(IfIndex), errors),
            NDA_FLAGS_EXT => put(&mut more_flags, attr.u32(), errors),
            _ => {}
        }
        Known::Yes
    });
    raw.flags = names::bits(u32::from(flags) | (more_flags << 8), names::NEIGHBOUR_FLAGS);
    Some(raw)
}
