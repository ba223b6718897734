//! Comparisons of what a register holds, as conditions.
//!
//! May import model and its siblings only.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::field::{Field, Held, Part};
use crate::analyze::netfilter::condition::{Addresses, Ask, Condition, WhichPort};
use crate::analyze::netfilter::facts::Packet;
use crate::analyze::netfilter::xt::DST_NAT;
use crate::model::netfilter::expr::{Compare, PayloadBase};
use crate::model::netfilter::set::{Element, Set};
use crate::model::netfilter::words::key;
use crate::model::netfilter::xt::MaskedAddress;
use crate::model::netfilter::xt::matches::Range;
use crate::model::route::Family;
use crate::model::text::{ByteText, Bytes, hex};

/// `NFT_META_IIFNAME`
const META_IIFNAME: u32 = 6;
/// `NFT_META_OIFNAME`
const META_OIFNAME: u32 = 7;
/// `NFT_CT_STATE`
const CT_STATE: u32 = 0;
/// `NFT_CT_STATUS`
const CT_STATUS: u32 = 2;
/// `NFT_FIB_RESULT_ADDRTYPE`
const FIB_TYPE: u32 = 3;

fn decided(holds: bool) -> Condition {
    Condition { not: !holds, ask: Ask::Always }
}

/// `cmp`: all of what it gives must hold.
pub fn cmp(held: &Held, op: Compare, value: &Bytes, packet: &Packet) -> Vec<Condition> {
    let other = |held: &Held| {
        let words = held.words(packet.family);
        let sign = match op {
            Compare::Eq => "==",
            Compare::Neq => "!=",
            Compare::Lt => "<",
            Compare::Lte => "<=",
            Compare::Gt => ">",
            Compare::Gte => ">=",
        };
        vec![Condition::is(Ask::Other { text: format!("{words} {sign} 0x{}", hex(&value.0)) })]
    };
    let value_length = value.0.len();
    if let Some(known) = held.value(packet) {
        let asked = known.get(..value_length.min(known.len())).unwrap_or_default();
        let ordering = asked.cmp(value.0.as_slice());
        return vec![decided(match op {
            Compare::Eq => ordering.is_eq(),
            Compare::Neq => ordering.is_ne(),
            Compare::Lt => ordering.is_lt(),
            Compare::Lte => ordering.is_le(),
            Compare::Gt => ordering.is_gt(),
            Compare::Gte => ordering.is_ge(),
        })];
    }
    let Held::Field(part) = held else { return other(held) };
    match op {
        Compare::Eq | Compare::Neq => {
            let not = op == Compare::Neq;
            // One bit that is known and differs decides.
            let differs =
                part.image(packet).iter().zip(&value.0).any(|((is, unknown), asked)| (is ^ asked) & !unknown != 0);
            if differs {
                return vec![decided(not)];
            }
            match (equal(part, &value.0, packet), not) {
                (Some(conditions), false) => conditions,
                (Some(conditions), true) if conditions.len() == 1 => {
                    conditions.into_iter().map(Condition::turned).map(single_bit).collect()
                }
                _ => other(held),
            }
        }
        Compare::Lt | Compare::Lte | Compare::Gt | Compare::Gte => {
            match (port_of(part), <[u8; 2]>::try_from(&value.0[..])) {
                (Some(which), Ok(bytes)) => {
                    let port = u16::from_be_bytes(bytes);
                    let range = match op {
                        Compare::Lt => (0, port.checked_sub(1)),
                        Compare::Lte => (0, Some(port)),
                        Compare::Gt => (port.saturating_add(1), Some(u16::MAX)),
                        _ => (port, Some(u16::MAX)),
                    };
                    match range {
                        (min, Some(max)) if min <= max => {
                            vec![Condition::is(Ask::Ports { which, ranges: vec![Range { min, max }] })]
                        }
                        _ => vec![decided(false)],
                    }
                }
                _ => other(held),
            }
        }
    }
}

/// Of one bit, that it is not 0 is that it is 1.
fn single_bit(condition: Condition) -> Condition {
    match condition {
        Condition { not: true, ask: Ask::Mark { value: 0, mask } } if mask.is_power_of_two() => {
            Condition::is(Ask::Mark { value: mask, mask })
        }
        condition => condition,
    }
}

/// What must hold for a part to be equal to a value.
fn equal(part: &Part, value: &[u8], packet: &Packet) -> Option<Vec<Condition>> {
    let is = |ask| Some(vec![Condition::is(ask)]);
    let number = |bytes: &[u8]| <[u8; 4]>::try_from(bytes).ok().map(u32::from_ne_bytes);
    match part.field {
        Field::Payload(PayloadBase::Network, offset) => network(part, offset, value, packet.family),
        Field::Payload(PayloadBase::Transport, offset) => transport(part, offset, value),
        Field::Meta(key::META_MARK) => {
            let (mask, xor, value) = (number(&part.mask)?, number(&part.xor)?, number(value)?);
            is(Ask::Mark { value: value ^ xor, mask })
        }
        Field::Meta(key::META_L4PROTO) if part.is_whole() => is(Ask::Protocol { number: *value.first()? }),
        Field::Meta(which @ (META_IIFNAME | META_OIFNAME)) if part.is_whole() => {
            let name = name(value);
            is(if which == META_IIFNAME { Ask::InLink { name } } else { Ask::OutLink { name } })
        }
        Field::Ct(CT_STATE, _) if value.iter().all(|byte| *byte == 0) => {
            // No bit of the mask: the opposite of one of them.
            let bits = states(number(&part.mask)?);
            Some(vec![Condition { not: true, ask: Ask::State { bits } }])
        }
        Field::Ct(CT_STATE, _) if part.is_whole() => is(Ask::State { bits: states(number(value)?) }),
        Field::Ct(CT_STATUS, _) if number(&part.mask)? == DST_NAT => match number(value)? {
            0 => Some(vec![Condition { not: true, ask: Ask::Translated }]),
            DST_NAT => is(Ask::Translated),
            _ => None,
        },
        Field::Fib(FIB_TYPE, flags @ (1 | 2)) if part.is_whole() => {
            let kinds = 1u16.checked_shl(number(value)?)?;
            is(if flags == 1 { Ask::SourceKind { kinds } } else { Ask::DestinationKind { kinds } })
        }
        _ => None,
    }
}

/// `NF_CT_STATE_*` of nf_tables as the bits of xtables: only UNTRACKED differs.
fn states(bits: u32) -> u32 {
    const UNTRACKED: u32 = 1 << 6;
    (bits & 0xf) | if bits & UNTRACKED == 0 { 0 } else { 1 << 8 }
}

/// A link's name: up to its end, or where the value is shorter than a name, a beginning.
fn name(value: &[u8]) -> ByteText {
    match value.iter().position(|byte| *byte == 0) {
        Some(end) => ByteText::from(value.get(..end).unwrap_or_default()),
        None => ByteText::new([value, b"*"].concat()),
    }
}

/// Conditions on the network header. nft reads only as many bytes as a prefix has, and joins fields
/// that stand side by side.
fn network(part: &Part, offset: u32, value: &[u8], family: Family) -> Option<Vec<Condition>> {
    let (protocol, source, destination, width) = match family {
        Family::Ipv4 => (9, 12, 16, 4),
        Family::Ipv6 => (6, 8, 24, 16),
    };
    let length = value.len();
    if offset == protocol && length == 1 && part.is_whole() {
        return Some(vec![Condition::is(Ask::Protocol { number: *value.first()? })]);
    }
    let value: Vec<u8> = value.iter().zip(&part.xor).map(|(value, xor)| value ^ xor).collect();
    let address = |from: usize, to: usize| addresses(value.get(from..to)?, part.mask.get(from..to)?, width);
    if offset == source && length <= width {
        return Some(vec![Condition::is(Ask::Source { addresses: address(0, length)? })]);
    }
    if offset == destination && length <= width {
        return Some(vec![Condition::is(Ask::Destination { addresses: address(0, length)? })]);
    }
    if offset == source && length <= 2 * width {
        let source = Condition::is(Ask::Source { addresses: address(0, width)? });
        return Some(vec![source, Condition::is(Ask::Destination { addresses: address(width, length)? })]);
    }
    None
}

/// The beginning of an address, and which bits of it count.
fn addresses(value: &[u8], mask: &[u8], width: usize) -> Option<Addresses> {
    let whole = |bytes: &[u8]| -> Option<IpAddr> {
        let mut padded = bytes.to_vec();
        padded.resize(width, 0);
        match width {
            4 => <[u8; 4]>::try_from(padded).ok().map(|bytes| Ipv4Addr::from(bytes).into()),
            _ => <[u8; 16]>::try_from(padded).ok().map(|bytes| Ipv6Addr::from(bytes).into()),
        }
    };
    Some(MaskedAddress { address: whole(value)?, mask: whole(mask)? }.into())
}

fn port_of(part: &Part) -> Option<WhichPort> {
    match part.field {
        Field::Payload(PayloadBase::Transport, 0) if part.mask.len() == 2 && part.is_whole() => Some(WhichPort::Source),
        Field::Payload(PayloadBase::Transport, 2) if part.mask.len() == 2 && part.is_whole() => {
            Some(WhichPort::Destination)
        }
        _ => None,
    }
}

fn transport(part: &Part, offset: u32, value: &[u8]) -> Option<Vec<Condition>> {
    let port = |which, at: usize| {
        let port = u16::from_be_bytes([*value.get(at)?, *value.get(at + 1)?]);
        Some(Condition::is(Ask::Ports { which, ranges: vec![Range { min: port, max: port }] }))
    };
    match (offset, value.len(), part.is_whole()) {
        (0, 2, true) => Some(vec![port(WhichPort::Source, 0)?]),
        (2, 2, true) => Some(vec![port(WhichPort::Destination, 0)?]),
        (0, 4, true) => Some(vec![port(WhichPort::Source, 0)?, port(WhichPort::Destination, 2)?]),
        _ => None,
    }
}

/// `range`: one condition.
pub fn range(held: &Held, not: bool, min: &Bytes, max: &Bytes, packet: &Packet) -> Condition {
    if let Some(known) = held.value(packet) {
        let asked = known.get(..min.0.len().min(known.len())).unwrap_or_default();
        return decided((min.0.as_slice() <= asked && asked <= max.0.as_slice()) != not);
    }
    let ask = match held {
        Held::Field(part) => between(part, &min.0, &max.0),
        _ => None,
    };
    let text = || {
        let words = held.words(Family::Ipv4);
        Ask::Other { text: format!("{words} is within 0x{}-0x{}", hex(&min.0), hex(&max.0)) }
    };
    Condition { not, ask: ask.unwrap_or_else(text) }
}

fn between(part: &Part, min: &[u8], max: &[u8]) -> Option<Ask> {
    if let Some(which) = port_of(part) {
        let number = |bytes: &[u8]| <[u8; 2]>::try_from(bytes).ok().map(u16::from_be_bytes);
        return Some(Ask::Ports { which, ranges: vec![Range { min: number(min)?, max: number(max)? }] });
    }
    let (offset, is_whole) = match part.field {
        Field::Payload(PayloadBase::Network, offset) => (offset, part.is_whole()),
        _ => return None,
    };
    let addresses = Addresses::Range { min: address(min)?, max: address(max)? };
    match (offset, min.len(), is_whole) {
        (12, 4, true) | (8, 16, true) => Some(Ask::Source { addresses }),
        (16, 4, true) | (24, 16, true) => Some(Ask::Destination { addresses }),
        _ => None,
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(|bytes| Ipv4Addr::from(bytes).into()),
        16 => <[u8; 16]>::try_from(bytes).ok().map(|bytes| Ipv6Addr::from(bytes).into()),
        _ => None,
    }
}

/// A part among the elements of a set: of addresses and ports.
pub fn one_of(part: &Held, set: &Set, elements: &[Element], packet: &Packet) -> Option<Ask> {
    let Held::Field(part) = part else { return None };
    let mut asks = Vec::new();
    if set.is(Set::INTERVAL) {
        let mut rest = elements.iter().peekable();
        while let Some(element) = rest.next() {
            if element.interval_end || element.catch_all {
                continue;
            }
            let end = rest.peek().filter(|next| next.interval_end);
            let last = match end {
                Some(end) => before(&end.key.0)?,
                None => vec![0xff; element.key.0.len()],
            };
            asks.push(between(part, &element.key.0, &last)?);
        }
    } else {
        for element in elements {
            match equal(part, &element.key.0, packet)?.as_slice() {
                [one] => asks.push(one.ask.clone()),
                _ => return None,
            }
        }
    }
    joined(asks)
}

/// The number before one.
fn before(key: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = key.to_vec();
    for byte in bytes.iter_mut().rev() {
        let (less, borrow) = byte.overflowing_sub(1);
        *byte = less;
        if !borrow {
            return Some(bytes);
        }
    }
    None
}

/// Several asks of one kind as one.
fn joined(asks: Vec<Ask>) -> Option<Ask> {
    let mut sources = Vec::new();
    let mut destinations = Vec::new();
    let mut ports: Vec<(WhichPort, Range)> = Vec::new();
    let count = asks.len();
    for ask in asks {
        match ask {
            Ask::Source { addresses } => sources.push(as_net(addresses)),
            Ask::Destination { addresses } => destinations.push(as_net(addresses)),
            Ask::Ports { which, ranges } => ports.extend(ranges.into_iter().map(|range| (which, range))),
            _ => return None,
        }
    }
    let one = |mut all: Vec<Addresses>| if all.len() == 1 { all.remove(0) } else { Addresses::OneOf(all) };
    match (sources.len(), destinations.len(), ports.first()) {
        (n, _, _) if n == count && n > 0 => Some(Ask::Source { addresses: one(sources) }),
        (_, n, _) if n == count && n > 0 => Some(Ask::Destination { addresses: one(destinations) }),
        (0, 0, Some((which, _))) => {
            let which = *which;
            Some(Ask::Ports { which, ranges: ports.into_iter().map(|(_, range)| range).collect() })
        }
        _ => None,
    }
}

/// A range that is a network, as one.
fn as_net(addresses: Addresses) -> Addresses {
    let Addresses::Range { min, max } = addresses else { return addresses };
    let bits = |address| match address {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits(),
    };
    let width: u32 = if min.is_ipv4() { 32 } else { 128 };
    let free = (bits(min) ^ bits(max)).checked_ilog2().map_or(0, |top| top + 1);
    let prefix = u8::try_from(width.saturating_sub(free)).unwrap_or(0);
    match IpNet::new(min, prefix) {
        Ok(net) if net.network() == min && net.broadcast() == max => Addresses::Net(net),
        _ => Addresses::Range { min, max },
    }
}
