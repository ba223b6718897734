//! The questions.
//!
//! May import model only.

use std::net::IpAddr;

use super::parts::{self, Part};
use super::{FIXED, HEADER, LIST, NETWORK_ORDER, TEST, data, flag, top};
use crate::model::ids::MacAddr;
use crate::model::netfilter::ipset::IpSet;
use crate::model::text::ByteText;
use crate::wire::netlink::frame::{FLAG_ACK, FLAG_REQUEST};
use crate::wire::netlink::request::Request;

/// The newest version of the protocol, and the one that kernels before 4.20 speak.
pub const PROTOCOLS: [u8; 2] = [7, 6];
/// `IPSET_FLAG_LIST_HEADER`: headers without members.
const LIST_HEADER: u32 = 1 << 2;
/// `NLA_F_NESTED`
const NESTED: u16 = 0x8000;
/// `IPSET_MAXNAMELEN`, with the NUL.
const NAME_LENGTH: usize = 32;

/// `struct nfgenmsg`, of IPv4: sets have families of their own.
const GENERAL: [u8; FIXED] = [2, 0, 0, 0];

fn text(bytes: &[u8]) -> Vec<u8> {
    [bytes, &[0]].concat()
}

/// The headers of all sets.
pub fn headers(protocol: u8) -> Request {
    Request::dump(LIST, &GENERAL)
        .attr(top::PROTOCOL, &[protocol])
        .attr(top::FLAGS | NETWORK_ORDER, &LIST_HEADER.to_be_bytes())
}

/// One set with its members.
pub fn list(protocol: u8, set: &ByteText) -> Request {
    Request::dump(LIST, &GENERAL).attr(top::PROTOCOL, &[protocol]).attr(top::SETNAME, &text(set.as_bytes()))
}

/// A set's type, revision and family.
pub fn header(protocol: u8, set: &ByteText) -> Request {
    Request::get(HEADER, &GENERAL).attr(top::PROTOCOL, &[protocol]).attr(top::SETNAME, &text(set.as_bytes()))
}

/// Whether a name can be that of a set: the kernel refuses longer ones, and none ends within.
pub fn is_name(name: &ByteText) -> bool {
    let bytes = name.as_bytes();
    !bytes.is_empty() && bytes.len() < NAME_LENGTH && !bytes.contains(&0)
}

/// Whether a set has a member, written as `ipset test` takes it; `None` for words that are no member of a
/// set of this type and family. The kernel acknowledges for yes.
pub fn test(protocol: u8, set: &IpSet, member: &str) -> Option<Request> {
    let data = member_data(set, member)?;
    Some(
        Request::with_flags(TEST, FLAG_REQUEST | FLAG_ACK, &GENERAL)
            .attr(top::PROTOCOL, &[protocol])
            .attr(top::SETNAME, &text(set.name.as_bytes()))
            .attr(top::DATA | NESTED, &data),
    )
}

fn member_data(set: &IpSet, member: &str) -> Option<Vec<u8>> {
    let parts = parts::of(set.type_name.as_bytes())?;
    let is_bitmap = set.type_name.as_bytes().starts_with(b"bitmap:");
    let mut bytes = Vec::new();
    let mut put = |kind: u16, payload: &[u8]| {
        let length = u16::try_from(payload.len() + 4).unwrap_or(u16::MAX);
        bytes.extend_from_slice(&length.to_ne_bytes());
        bytes.extend_from_slice(&kind.to_ne_bytes());
        bytes.extend_from_slice(payload);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    };
    let mut words = member.split(',');
    let mut addresses = [(data::IP, data::CIDR), (data::IP2, data::CIDR2)].into_iter();
    for part in parts {
        let word = match words.next() {
            Some(word) => word,
            // The second part of bitmap:ip,mac may be left out.
            None if part == Part::Mac && is_bitmap => break,
            None => return None,
        };
        match part {
            Part::Ip | Part::Net => {
                let (kind, prefix_kind) = addresses.next()?;
                let (address, prefix) = net(word, set.family)?;
                put(kind | NESTED, &address_data(address));
                if part == Part::Net {
                    if let Some(prefix) = prefix {
                        put(prefix_kind, &[prefix]);
                    }
                } else if prefix.is_some() {
                    return None;
                }
            }
            Part::Mac => {
                let mac: MacAddr = word.parse().ok()?;
                put(data::ETHER, &<[u8; 6]>::try_from(mac.0).ok()?);
            }
            Part::Port { protocol: true } => {
                let (protocol, port) = parts::parse_port(word)?;
                put(data::PORT | NETWORK_ORDER, &port.to_be_bytes());
                put(data::PROTO, &[protocol]);
            }
            Part::Port { protocol: false } => {
                put(data::PORT | NETWORK_ORDER, &word.parse::<u16>().ok()?.to_be_bytes());
            }
            Part::Mark => put(data::MARK | NETWORK_ORDER, &mark(word)?.to_be_bytes()),
            Part::Iface => {
                let (word, wildcard) = match word.strip_suffix(" wildcard") {
                    Some(word) => (word, flag::IFACE_WILDCARD),
                    None => (word, 0),
                };
                let (name, physdev) = match word.strip_prefix("physdev:") {
                    Some(name) => (name, flag::PHYSDEV),
                    None => (word, 0),
                };
                // IFNAMSIZ
                if name.is_empty() || name.len() > 15 {
                    return None;
                }
                put(data::IFACE, &text(name.as_bytes()));
                put(data::FLAGS | NETWORK_ORDER, &(physdev | wildcard).to_be_bytes());
            }
            Part::Set => {
                let name = ByteText::from(word);
                if !is_name(&name) {
                    return None;
                }
                put(data::NAME, &text(name.as_bytes()));
            }
        }
    }
    if words.next().is_some() { None } else { Some(bytes) }
}

fn mark(word: &str) -> Option<u32> {
    match word.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => word.parse().ok(),
    }
}

/// An address of the set's family, and its prefix where one is written.
fn net(word: &str, family: u8) -> Option<(IpAddr, Option<u8>)> {
    let (address, prefix) = match word.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix.parse::<u8>().ok()?)),
        None => (word, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let (of, whole) = if address.is_ipv6() { (10, 128) } else { (2, 32) };
    (family == of && prefix.is_none_or(|prefix| prefix <= whole)).then_some((address, prefix))
}

/// `IPSET_ATTR_IPADDR_IPV4` or `IPSET_ATTR_IPADDR_IPV6`, as a nest holds it.
fn address_data(address: IpAddr) -> Vec<u8> {
    let (kind, bytes): (u16, Vec<u8>) = match address {
        IpAddr::V4(address) => (1, address.octets().to_vec()),
        IpAddr::V6(address) => (2, address.octets().to_vec()),
    };
    let length = u16::try_from(bytes.len() + 4).unwrap_or(u16::MAX);
    [&length.to_ne_bytes()[..], &(kind | NETWORK_ORDER).to_ne_bytes(), &bytes].concat()
}
