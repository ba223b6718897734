//! Keys of kube-proxy's sets and maps: addresses, intervals of them, protocol and port.
//!
//! May import model only.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Subnets, Ipv6Subnets};

use super::step::address;
use crate::model::kube_proxy::Protocol;
use crate::model::netfilter::set::Element;
use crate::model::netfilter::table::Family;
use crate::model::text::Bytes;

/// The networks that make up a set of addresses, sorted.
pub(super) fn networks(family: Family, elements: &[Element]) -> Vec<IpNet> {
    let mut nets = Vec::new();
    if !elements.iter().any(|element| element.interval_end || element.key_end.is_some()) {
        nets.extend(addresses(family, elements).into_iter().flat_map(|address| match address {
            // 0.0.0.0/0 has a beginning and no end.
            address if address.is_unspecified() => between(address, last(address)),
            address => vec![IpNet::from(address)],
        }));
        return nets;
    }
    let mut open: Option<IpAddr> = None;
    let mut sorted: Vec<&Element> = elements.iter().collect();
    // Of equal keys the one that closes an interval comes first.
    sorted.sort_by_key(|element| (&element.key, !element.interval_end));
    for element in sorted {
        let Some(first) = address(family, &element.key.0) else { continue };
        if let Some(start) = open.take() {
            nets.extend(before(first).into_iter().flat_map(|end| between(start, end)));
        }
        match &element.key_end {
            _ if element.interval_end => {}
            Some(end) => nets.extend(address(family, &end.0).into_iter().flat_map(|end| between(first, end))),
            None => open = Some(first),
        }
    }
    // An interval without an end goes up to the last address.
    nets.extend(open.into_iter().flat_map(|start| between(start, last(start))));
    nets.sort();
    nets
}

/// The addresses of a set that has no intervals, sorted.
pub(super) fn addresses(family: Family, elements: &[Element]) -> Vec<IpAddr> {
    let mut all: Vec<IpAddr> = elements.iter().filter_map(|element| address(family, &element.key.0)).collect();
    all.sort();
    all
}

fn between(first: IpAddr, end: IpAddr) -> Vec<IpNet> {
    match (first, end) {
        (IpAddr::V4(first), IpAddr::V4(end)) => Ipv4Subnets::new(first, end, 0).map(IpNet::V4).collect(),
        (IpAddr::V6(first), IpAddr::V6(end)) => Ipv6Subnets::new(first, end, 0).map(IpNet::V6).collect(),
        _ => Vec::new(),
    }
}

fn before(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(address) => Some(Ipv4Addr::from(u32::from(address).checked_sub(1)?).into()),
        IpAddr::V6(address) => Some(Ipv6Addr::from(u128::from(address).checked_sub(1)?).into()),
    }
}

fn last(like: IpAddr) -> IpAddr {
    match like {
        IpAddr::V4(_) => Ipv4Addr::BROADCAST.into(),
        IpAddr::V6(_) => Ipv6Addr::from(u128::MAX).into(),
    }
}

/// An address in the bytes of a packet.
fn bytes(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

/// The key of an address alone.
pub(super) fn address_key(address: IpAddr) -> Bytes {
    Bytes(bytes(address))
}

/// The key of a protocol and a port.
pub(super) fn port_key(protocol: Protocol, port: u16) -> Bytes {
    let [high, low] = port.to_be_bytes();
    Bytes(vec![protocol.number(), 0, 0, 0, high, low, 0, 0])
}

/// The key of an address, a protocol and a port.
pub(super) fn service_key(address: IpAddr, protocol: Protocol, port: u16) -> Bytes {
    let mut key = bytes(address);
    key.extend(port_key(protocol, port).0);
    Bytes(key)
}

/// The key of a connection from an address to itself.
pub(super) fn hairpin_key(address: IpAddr, protocol: Protocol, port: u16) -> Bytes {
    let mut key = bytes(address);
    key.extend(service_key(address, protocol, port).0);
    Bytes(key)
}

/// Reads what [`service_key`] writes.
pub(super) fn read_service_key(family: Family, key: &Bytes) -> Option<(IpAddr, Protocol, u16)> {
    let length = if family == Family::Ip6 { 16 } else { 4 };
    let (protocol, port) = read_port_key(&Bytes(key.0.get(length..)?.to_vec()))?;
    Some((address(family, key.0.get(..length)?)?, protocol, port))
}

/// Reads what [`port_key`] writes.
pub(super) fn read_port_key(key: &Bytes) -> Option<(Protocol, u16)> {
    let protocol = Protocol::numbered(*key.0.first()?)?;
    Some((protocol, u16::from_be_bytes([*key.0.get(4)?, *key.0.get(5)?])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_that_nothing_ends_goes_up_to_the_last_address() {
        let element = |first: [u8; 4], ends: bool| Element {
            key: Bytes(first.to_vec()),
            interval_end: ends,
            ..serde_json::from_str(r#"{"key": ""}"#).unwrap()
        };
        let all = [element([240, 0, 0, 0], false), element([10, 1, 0, 0], true), element([10, 0, 0, 0], false)];
        let nets: Vec<String> = networks(Family::Ip, &all).iter().map(ToString::to_string).collect();
        assert_eq!(nets, ["10.0.0.0/16", "240.0.0.0/4"]);
    }
}
