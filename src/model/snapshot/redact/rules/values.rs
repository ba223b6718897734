//! Values in bytes, by what they are.
//!
//! Must not import anything from the crate but its sibling model types.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::RuleMasks;
use crate::model::ids::MacAddr;
use crate::model::netfilter::words::kind::Kind;
use crate::model::text::ByteText;

/// What a register or a part of a key holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// A value of this kind.
    Kind(Kind),
    /// An address of either family, told by its length.
    Address,
    /// A number that names nobody.
    Plain,
    /// What cannot be told: it becomes zeros.
    Opaque,
}

impl RuleMasks<'_, '_> {
    /// The masked value, of the same length.
    pub(super) fn value(&mut self, what: What, bytes: &[u8]) -> Vec<u8> {
        let kind = match what {
            What::Plain => return bytes.to_vec(),
            What::Opaque => return vec![0; bytes.len()],
            What::Address => match bytes.len() {
                4 => Kind::Ipv4,
                16 => Kind::Ipv6,
                // The kernel keeps both in a field of 16 bytes.
                length => return vec![0; length],
            },
            What::Kind(kind) => kind,
        };
        match kind {
            Kind::Ipv4 => self.addresses(bytes, 4),
            Kind::Ipv6 => self.addresses(bytes, 16),
            Kind::Ether | Kind::LinkAddress => self.masks.mac(&MacAddr(bytes.to_vec())).0,
            Kind::LinkName => self.link_bytes(bytes),
            Kind::String => vec![0; bytes.len()],
            // A number of its own, or a field of a packet that has no name: only small ones name nobody.
            Kind::Integer | Kind::Bitmask if !is_small(bytes) => vec![0; bytes.len()],
            _ => bytes.to_vec(),
        }
    }

    /// One address or several, or the beginning of one: rules on a prefix of whole bytes look at no more.
    fn addresses(&mut self, bytes: &[u8], width: usize) -> Vec<u8> {
        let each = bytes.chunks(width).flat_map(|part| {
            let mut whole = part.to_vec();
            whole.resize(width, 0);
            let address = address(&whole);
            let masked = match (address, u8::try_from(part.len() * 8)) {
                (Some(address), Ok(bits)) if part.len() < width => {
                    IpNet::new(address, bits).ok().map(|net| self.masks.net(net.trunc()).addr())
                }
                (Some(address), _) => Some(self.masks.address(address)),
                _ => None,
            };
            let mut bytes = masked.map_or_else(|| vec![0; width], octets);
            bytes.truncate(part.len());
            bytes
        });
        each.collect()
    }

    /// A link's name, padded with NULs; without them the beginning of names.
    fn link_bytes(&mut self, bytes: &[u8]) -> Vec<u8> {
        let length = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
        let (name, rest) = bytes.split_at(length);
        if rest.iter().any(|byte| *byte != 0) {
            return vec![0; bytes.len()];
        }
        let mut name = ByteText::from(name);
        self.link_name(&mut name);
        let mut masked = name.as_bytes().to_vec();
        if !rest.is_empty() {
            masked.resize(bytes.len(), 0);
        }
        masked
    }

    /// A block of addresses, ends included: a whole prefix stays one, other ranges keep their length.
    pub(super) fn range(&mut self, min: IpAddr, max: IpAddr) -> (IpAddr, IpAddr) {
        if min == max {
            let masked = self.masks.address(min);
            return (masked, masked);
        }
        let (low, high) = (number(min), number(max));
        let is_v6 = min.is_ipv6();
        if is_v6 != max.is_ipv6() || high < low {
            return (self.masks.address(min), self.masks.address(max));
        }
        let whole: u8 = if is_v6 { 128 } else { 32 };
        let size = high - low;
        let bits = whole.saturating_sub(u8::try_from((u128::BITS - size.leading_zeros()).min(128)).unwrap_or(128));
        let net = IpNet::new(min, bits).ok().filter(|net| net.network() == min && net.broadcast() == max);
        if let Some(net) = net {
            let masked = self.masks.net(net);
            return (masked.network(), masked.broadcast());
        }
        let first = self.masks.address(min);
        let limit = if is_v6 { u128::MAX } else { u128::from(u32::MAX) };
        let last = number(first).saturating_add(size).min(limit);
        (first, from_number(last, is_v6))
    }
}

/// Whether all but two bytes at one end are zero.
fn is_small(bytes: &[u8]) -> bool {
    let zero = |bytes: &[u8]| bytes.iter().all(|byte| *byte == 0);
    bytes.len() <= 2 || zero(&bytes[2..]) || zero(&bytes[..bytes.len() - 2])
}

/// Four or sixteen bytes as an address.
pub(super) fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(|bytes| Ipv4Addr::from(bytes).into()),
        16 => <[u8; 16]>::try_from(bytes).ok().map(|bytes| Ipv6Addr::from(bytes).into()),
        _ => None,
    }
}

pub(super) fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

pub(super) fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u32::from(address).into(),
        IpAddr::V6(address) => address.into(),
    }
}

pub(super) fn from_number(number: u128, is_v6: bool) -> IpAddr {
    if is_v6 { Ipv6Addr::from(number).into() } else { Ipv4Addr::from(u32::try_from(number).unwrap_or(u32::MAX)).into() }
}
