//! IP sets over nfnetlink: headers and members, in the words of `ipset save`, and the questions.
//!
//! May import model only. Numbers bear a flag that tells their byte order; a member's parts are what
//! its set's type names (`hash:ip,port`).

mod header;
mod member;
mod parts;
pub mod request;

use crate::model::netfilter::ipset::{IpSet, IpSetMember};
use crate::model::text::ByteText;
use crate::wire::netlink::attr::{Attr, AttrError, Attrs, attrs};

/// `NFNL_SUBSYS_IPSET`, in the upper half of a message's type.
const SUBSYSTEM: u16 = 6 << 8;
/// `IPSET_CMD_LIST`
pub const LIST: u16 = SUBSYSTEM | 0x7;
/// `IPSET_CMD_TEST`
pub const TEST: u16 = SUBSYSTEM | 0xb;
/// `IPSET_CMD_HEADER`
pub const HEADER: u16 = SUBSYSTEM | 0xc;
/// Length of `struct nfgenmsg`.
const FIXED: usize = 4;

/// `IPSET_ERR_PROTOCOL`: the kernel speaks another version.
pub const ERR_PROTOCOL: i32 = 4097;
/// `IPSET_ERR_EXIST`: to a test, no.
pub const ERR_EXIST: i32 = 4103;

/// `IPSET_ATTR_*` of a message.
mod top {
    pub const PROTOCOL: u16 = 1;
    pub const SETNAME: u16 = 2;
    pub const TYPENAME: u16 = 3;
    pub const REVISION: u16 = 4;
    pub const FAMILY: u16 = 5;
    pub const FLAGS: u16 = 6;
    pub const DATA: u16 = 7;
    pub const ADT: u16 = 8;
    pub const INDEX: u16 = 11;
}

/// `IPSET_ATTR_*` within data, those of headers and those of members.
mod data {
    pub const IP: u16 = 1;
    pub const IP_TO: u16 = 2;
    pub const CIDR: u16 = 3;
    pub const PORT: u16 = 4;
    pub const PORT_TO: u16 = 5;
    pub const TIMEOUT: u16 = 6;
    pub const PROTO: u16 = 7;
    pub const FLAGS: u16 = 8;
    pub const MARK: u16 = 10;
    pub const MARKMASK: u16 = 11;
    pub const BITMASK: u16 = 12;
    // Headers alone.
    pub const INITVAL: u16 = 17;
    pub const HASHSIZE: u16 = 18;
    pub const MAXELEM: u16 = 19;
    pub const NETMASK: u16 = 20;
    pub const BUCKETSIZE: u16 = 21;
    pub const SIZE: u16 = 23;
    pub const ELEMENTS: u16 = 24;
    pub const REFERENCES: u16 = 25;
    // Members alone.
    pub const ETHER: u16 = 17;
    pub const NAME: u16 = 18;
    pub const IP2: u16 = 20;
    pub const CIDR2: u16 = 21;
    pub const IFACE: u16 = 23;
    pub const BYTES: u16 = 24;
    pub const PACKETS: u16 = 25;
    pub const COMMENT: u16 = 26;
    pub const SKBMARK: u16 = 27;
    pub const SKBPRIO: u16 = 28;
    pub const SKBQUEUE: u16 = 29;
}

/// `IPSET_FLAG_*` of data.
mod flag {
    pub const PHYSDEV: u32 = 1 << 1;
    pub const NOMATCH: u32 = 1 << 2;
    pub const WITH_COUNTERS: u32 = 1 << 3;
    pub const WITH_COMMENT: u32 = 1 << 4;
    pub const WITH_FORCEADD: u32 = 1 << 5;
    pub const WITH_SKBINFO: u32 = 1 << 6;
    pub const IFACE_WILDCARD: u32 = 1 << 7;
}

/// A set with its members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The set.
    pub set: IpSet,
    /// Its members, in the kernel's order.
    pub members: Vec<IpSetMember>,
}

/// The attributes behind the fixed part.
fn body<'a>(payload: &'a [u8], errors: &mut Vec<AttrError>) -> Attrs<'a> {
    if payload.len() < FIXED {
        errors.push(AttrError::Fixed { length: payload.len(), wanted: FIXED });
    }
    attrs(payload.get(FIXED..).unwrap_or_default())
}

/// Takes a message of a listing: the first of a set has its header, those after it only more members.
pub fn listed(payload: &[u8], into: &mut Vec<Listed>, errors: &mut Vec<AttrError>) {
    let (mut name, mut members) = (None, None);
    for attr in body(payload, errors) {
        match attr {
            Ok(attr) if attr.kind == top::SETNAME => name = Some(ByteText::from(attr.text())),
            Ok(attr) if attr.kind == top::ADT => members = Some(attr),
            Ok(_) => {}
            Err(error) => errors.push(error),
        }
    }
    let Some(name) = name else { return errors.push(AttrError::Missing { name: "IPSET_ATTR_SETNAME" }) };
    if into.last().is_none_or(|last| last.set.name != name) {
        let Some(set) = header::header(payload, errors) else { return };
        into.push(Listed { set, members: Vec::new() });
    }
    let Some(last) = into.last_mut() else { return };
    for attr in members.iter().flat_map(Attr::nested) {
        match attr {
            Ok(attr) if attr.kind == top::DATA => last.members.extend(member::member(&attr, &last.set, errors)),
            Ok(_) => {}
            Err(error) => errors.push(error),
        }
    }
}

/// The answer to [`request::header`]: a set's name, type, revision and family.
pub fn header(payload: &[u8], errors: &mut Vec<AttrError>) -> Option<IpSet> {
    header::header(payload, errors)
}

/// `NLA_F_NET_BYTEORDER`
const NETWORK_ORDER: u16 = 0x4000;

fn is_network_order(attr: &Attr<'_>) -> bool {
    attr.raw
        .get(2..4)
        .and_then(|kind| kind.try_into().ok())
        .is_some_and(|kind| u16::from_ne_bytes(kind) & NETWORK_ORDER != 0)
}

/// Two bytes, in the order that the attribute bears.
fn number16(attr: &Attr<'_>) -> Result<u16, AttrError> {
    if is_network_order(attr) { attr.be16() } else { attr.u16() }
}

/// Four bytes, in the order that the attribute bears.
fn number32(attr: &Attr<'_>) -> Result<u32, AttrError> {
    let value = attr.u32()?;
    Ok(if is_network_order(attr) { u32::from_be(value) } else { value })
}

/// Eight bytes, in the order that the attribute bears.
fn number64(attr: &Attr<'_>) -> Result<u64, AttrError> {
    if is_network_order(attr) { attr.be64() } else { attr.u64() }
}

/// An address: a nest that holds one of either family.
fn address(attr: &Attr<'_>) -> Result<std::net::IpAddr, AttrError> {
    match attr.nested().next() {
        Some(inner) => inner?.address(),
        None => Err(AttrError::Missing { name: "IPSET_ATTR_IPADDR_IPV4 or IPSET_ATTR_IPADDR_IPV6" }),
    }
}

#[cfg(test)]
mod tests;
