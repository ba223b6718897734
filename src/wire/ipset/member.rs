//! A member of a set, in the words of `ipset save`.
//!
//! May import model only.

use std::net::IpAddr;

use super::parts::{self, Part};
use super::{address, data, flag, number16, number32, number64};
use crate::model::ids::MacAddr;
use crate::model::netfilter::ipset::{IpSet, IpSetMember};
use crate::model::netfilter::table::Counters;
use crate::model::text::{ByteText, Bytes};
use crate::wire::netlink::attr::{Attr, AttrError};

/// What a member's data say.
#[derive(Default)]
struct Data {
    addresses: [Option<IpAddr>; 2],
    prefixes: [Option<u8>; 2],
    port: Option<u16>,
    protocol: Option<u8>,
    mac: Option<MacAddr>,
    mark: Option<u32>,
    iface: Option<ByteText>,
    name: Option<ByteText>,
    flags: u32,
    timeout: Option<u32>,
    packets: Option<u64>,
    bytes: Option<u64>,
    comment: Option<ByteText>,
    skb: (Option<u64>, Option<u32>, Option<u16>),
}

/// Reads a member of a set.
pub(super) fn member(attr: &Attr<'_>, set: &IpSet, errors: &mut Vec<AttrError>) -> Option<IpSetMember> {
    let mut data = Data::default();
    for attr in attr.nested() {
        if let Err(error) = attr.and_then(|attr| read(&attr, &mut data)) {
            errors.push(error);
        }
    }
    let Some(parts) = parts::of(set.type_name.as_bytes()) else {
        let detail = format!("members of a set of type {} are not known", set.type_name);
        errors.push(AttrError::Value { kind: attr.kind, detail });
        return None;
    };
    let Some(entry) = entry(&data, &parts) else {
        errors.push(AttrError::Missing { name: "a part of the member" });
        return None;
    };
    let counters = match (data.packets, data.bytes) {
        (Some(packets), Some(bytes)) => Some(Counters { packets, bytes }),
        _ => None,
    };
    Some(IpSetMember {
        entry,
        nomatch: data.flags & flag::NOMATCH != 0,
        timeout_ms: data.timeout.filter(|seconds| *seconds > 0).map(|seconds| u64::from(seconds) * 1000),
        counters,
        comment: data.comment,
        skb: skb(data.skb),
    })
}

fn read(attr: &Attr<'_>, data: &mut Data) -> Result<(), AttrError> {
    let [first, second] = &mut data.addresses;
    let [first_prefix, second_prefix] = &mut data.prefixes;
    match attr.kind {
        data::IP => *first = Some(address(attr)?),
        data::IP2 => *second = Some(address(attr)?),
        data::CIDR => *first_prefix = Some(attr.u8()?),
        data::CIDR2 => *second_prefix = Some(attr.u8()?),
        data::PORT => data.port = Some(number16(attr)?),
        data::PROTO => data.protocol = Some(attr.u8()?),
        data::ETHER => data.mac = Some(MacAddr(attr.payload.to_vec())),
        data::MARK => data.mark = Some(number32(attr)?),
        data::IFACE => data.iface = Some(attr.text().into()),
        data::NAME => data.name = Some(attr.text().into()),
        data::FLAGS => data.flags = number32(attr)?,
        data::TIMEOUT => data.timeout = Some(number32(attr)?),
        data::PACKETS => data.packets = Some(number64(attr)?),
        data::BYTES => data.bytes = Some(number64(attr)?),
        data::COMMENT => data.comment = Some(attr.text().into()),
        data::SKBMARK => data.skb.0 = Some(number64(attr)?),
        data::SKBPRIO => data.skb.1 = Some(number32(attr)?),
        data::SKBQUEUE => data.skb.2 = Some(number16(attr)?),
        _ => {}
    }
    Ok(())
}

/// `10.0.0.1,tcp:80`; `None` where a part is missing that must be there.
fn entry(data: &Data, parts: &[Part]) -> Option<String> {
    let mut addresses = data.addresses.iter().zip(data.prefixes);
    let mut words = Vec::new();
    for part in parts {
        words.push(match part {
            Part::Ip => addresses.next()?.0.as_ref()?.to_string(),
            Part::Net => {
                let (address, prefix) = addresses.next()?;
                net(address.as_ref().copied()?, prefix)
            }
            // A bitmap's member may wait for its address's first packet.
            Part::Mac => match &data.mac {
                Some(mac) => mac.to_string().to_ascii_uppercase(),
                None if parts.len() > 1 => continue,
                None => return None,
            },
            Part::Port { protocol: true } => parts::port(data.protocol?, data.port?),
            Part::Port { protocol: false } => data.port?.to_string(),
            Part::Mark => format!("0x{:08x}", data.mark?),
            Part::Iface => {
                let physdev = if data.flags & flag::PHYSDEV != 0 { "physdev:" } else { "" };
                let wildcard = if data.flags & flag::IFACE_WILDCARD != 0 { " wildcard" } else { "" };
                format!("{physdev}{}{wildcard}", data.iface.as_ref()?)
            }
            Part::Set => data.name.as_ref()?.to_string(),
        });
    }
    Some(words.join(","))
}

/// `10.0.0.0/8`; an address alone where all bits count.
fn net(address: IpAddr, prefix: Option<u8>) -> String {
    let whole = if address.is_ipv6() { 128 } else { 32 };
    match prefix.filter(|prefix| *prefix != whole) {
        Some(prefix) => format!("{address}/{prefix}"),
        None => address.to_string(),
    }
}

/// Mark and mask, priority and queue, 14 bytes; none where nothing is set.
fn skb((mark, priority, queue): (Option<u64>, Option<u32>, Option<u16>)) -> Bytes {
    if mark.is_none() && priority.is_none() && queue.is_none() {
        return Bytes::default();
    }
    let mut bytes = mark.unwrap_or_default().to_be_bytes().to_vec();
    bytes.extend(priority.unwrap_or_default().to_be_bytes());
    bytes.extend(queue.unwrap_or_default().to_be_bytes());
    Bytes(bytes)
}
