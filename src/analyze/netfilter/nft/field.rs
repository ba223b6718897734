//! What a register holds: a part of the packet, a constant, or what cannot be followed.
//!
//! May import model and its siblings only.

use std::net::IpAddr;
use std::rc::Rc;

use super::branch::Branch;
use crate::analyze::netfilter::facts::Packet;
use crate::analyze::netfilter::read::number;
use crate::model::netfilter::expr::{Direction, PayloadBase};
use crate::model::netfilter::words::key;
use crate::model::route::Family;

/// What can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// Packet bytes from an offset.
    Payload(PayloadBase, u32),
    /// `NFT_META_*`
    Meta(u32),
    /// `NFT_CT_*`
    Ct(u32, Option<Direction>),
    /// Result and flags.
    Fib(u32, u32),
    /// `NFT_RT_*`
    Rt(u32),
    /// Something else, by name and number.
    Named(&'static str, u32),
}

/// A field of the packet after bits of it were masked and turned over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Of what.
    pub field: Field,
    /// `(value & mask) ^ xor`; as long as the field.
    pub mask: Vec<u8>,
    /// Likewise.
    pub xor: Vec<u8>,
}

/// What a register holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Held {
    /// These bytes.
    Constant(Vec<u8>),
    /// A part of the packet.
    Field(Part),
    /// What one of a map's elements says: which of them is not known.
    Chosen {
        /// How many bytes.
        length: usize,
        /// What must hold for each, and its bytes.
        branches: Rc<[Branch<Vec<u8>>]>,
        /// What it is.
        why: String,
    },
    /// What cannot be followed.
    Blurred {
        /// How many bytes.
        length: usize,
        /// What it is.
        why: String,
    },
}

/// The longest field that is looked at, bytes.
const LONGEST: usize = 64;

impl Held {
    /// A field as it is.
    pub fn of(field: Field, length: u32) -> Self {
        let length = usize::try_from(length).unwrap_or(LONGEST).min(LONGEST);
        Self::Field(Part { field, mask: vec![0xff; length], xor: vec![0; length] })
    }

    /// A register that nothing was loaded into.
    pub fn nothing() -> Self {
        Self::Blurred { length: 4, why: "a register that nothing filled".to_owned() }
    }

    /// How many bytes it takes.
    pub fn length(&self) -> usize {
        match self {
            Self::Constant(value) => value.len(),
            Self::Field(part) => part.mask.len(),
            Self::Chosen { length, .. } | Self::Blurred { length, .. } => *length,
        }
    }

    /// `(this & mask) ^ xor`
    pub fn masked(self, mask: &[u8], xor: &[u8]) -> Self {
        let apply = |value: &[u8]| -> Vec<u8> {
            value.iter().zip(mask.iter().zip(xor)).map(|(value, (mask, xor))| (value & mask) ^ xor).collect()
        };
        match self {
            Self::Constant(value) => Self::Constant(apply(&value)),
            Self::Field(part) => Self::Field(Part {
                field: part.field,
                mask: part.mask.iter().zip(mask).map(|(old, new)| old & new).collect(),
                xor: apply(&part.xor),
            }),
            Self::Chosen { length, branches, why } => {
                let branches = branches.iter().map(|(when, value)| (when.clone(), apply(value))).collect();
                Self::Chosen { length, branches, why }
            }
            blurred @ Self::Blurred { .. } => blurred,
        }
    }

    /// The same after something that is not followed.
    pub fn blurred(self, length: u32, how: &str) -> Self {
        let length = usize::try_from(length).unwrap_or(LONGEST).min(LONGEST);
        match self {
            Self::Blurred { why, .. } | Self::Chosen { why, .. } => Self::Blurred { length, why },
            held => Self::Blurred { length, why: format!("{} {how}", held.words(Family::Ipv4)) },
        }
    }

    /// Its bytes from one on.
    pub fn from(&self, at: usize) -> Self {
        let rest = |value: &Vec<u8>| value.get(at..).unwrap_or_default().to_vec();
        match self {
            Self::Constant(value) => Self::Constant(rest(value)),
            Self::Chosen { length, branches, why } => Self::Chosen {
                length: length.saturating_sub(at),
                branches: branches.iter().map(|(when, value)| (when.clone(), rest(value))).collect(),
                why: why.clone(),
            },
            Self::Field(_) | Self::Blurred { .. } => Self::nothing(),
        }
    }

    /// Its bits moved by some places, as the kernel moves a word of a register.
    pub fn shifted(self, by: u32, left: bool, packet: &Packet) -> Self {
        let length = self.length();
        let word = self.value(packet).and_then(|value| <[u8; 4]>::try_from(value).ok()).map(u32::from_ne_bytes);
        match word {
            Some(word) => {
                let moved = if left { word.checked_shl(by) } else { word.checked_shr(by) };
                Self::Constant(moved.unwrap_or(0).to_ne_bytes().to_vec())
            }
            None => self.blurred(u32::try_from(length).unwrap_or(0), "shifted"),
        }
    }

    /// Its numbers between the host's order and the network's.
    pub fn swapped(self, size: u32, length: u32, packet: &Packet) -> Self {
        let size = usize::try_from(size).unwrap_or(0);
        match self.value(packet) {
            Some(value) if size > 0 && cfg!(target_endian = "little") => {
                Self::Constant(value.chunks(size).flat_map(|number| number.iter().rev().copied()).collect())
            }
            Some(value) if size > 0 => Self::Constant(value),
            _ => self.blurred(length, "byteorder"),
        }
    }

    /// Its bytes, where the packet's facts tell all of them.
    pub fn value(&self, packet: &Packet) -> Option<Vec<u8>> {
        match self {
            Self::Constant(value) => Some(value.clone()),
            Self::Field(part) => {
                let image = part.image(packet);
                image.iter().all(|(_, unknown)| *unknown == 0).then(|| image.iter().map(|(value, _)| *value).collect())
            }
            Self::Chosen { .. } | Self::Blurred { .. } => None,
        }
    }

    /// What it is, as nft calls it.
    pub fn words(&self, family: Family) -> String {
        match self {
            Self::Constant(value) => format!("0x{}", crate::model::text::hex(value)),
            Self::Field(part) => part.field.words(family),
            Self::Chosen { why, .. } | Self::Blurred { why, .. } => why.clone(),
        }
    }
}

impl Part {
    /// Each byte's value, and which of its bits are not known.
    pub fn image(&self, packet: &Packet) -> Vec<(u8, u8)> {
        let known = self.field.known(packet, self.mask.len());
        let masks = self.mask.iter().zip(&self.xor);
        masks
            .enumerate()
            .map(|(at, (mask, xor))| {
                let (value, known) = known.get(at).copied().unwrap_or((0, 0));
                ((value & known & mask) ^ (xor & (known | !mask)), mask & !known)
            })
            .collect()
    }

    /// Whether all of its bits count.
    pub fn is_whole(&self) -> bool {
        self.mask.iter().all(|byte| *byte == 0xff) && self.xor.iter().all(|byte| *byte == 0)
    }
}

impl Field {
    /// Bytes with the bits of them that are known.
    fn known(self, packet: &Packet, length: usize) -> Vec<(u8, u8)> {
        let mut bytes = vec![(0, 0); length];
        let mut put = |at: usize, value: &[u8]| {
            for (slot, byte) in bytes.iter_mut().skip(at).zip(value) {
                *slot = (*byte, 0xff);
            }
        };
        match self {
            Self::Payload(PayloadBase::Network, offset) => {
                let offset = usize::try_from(offset).unwrap_or(usize::MAX);
                return whole_header(packet)
                    .into_iter()
                    .skip(offset)
                    .chain(std::iter::repeat((0, 0)))
                    .take(length)
                    .collect();
            }
            Self::Payload(PayloadBase::Transport, offset) => {
                let offset = usize::try_from(offset).unwrap_or(usize::MAX);
                let mut header = [(0, 0); 4];
                for (at, port) in [(0, packet.source_port), (2, packet.destination_port)] {
                    for (slot, byte) in header.iter_mut().skip(at).zip(port.iter().flat_map(|port| port.to_be_bytes()))
                    {
                        *slot = (byte, 0xff);
                    }
                }
                return header.into_iter().skip(offset).chain(std::iter::repeat((0, 0))).take(length).collect();
            }
            Self::Meta(key::META_PROTOCOL) => put(
                0,
                match packet.family {
                    Family::Ipv4 => &[0x08, 0x00],
                    Family::Ipv6 => &[0x86, 0xdd],
                },
            ),
            Self::Meta(key::META_NFPROTO) => put(0, &[number(packet.family)]),
            Self::Meta(key::META_L4PROTO) => {
                if let Some(protocol) = packet.protocol {
                    put(0, &[protocol]);
                }
            }
            Self::Meta(key::META_MARK) => {
                let mark = packet.mark;
                let pairs = mark.value.to_ne_bytes().into_iter().zip(mark.known.to_ne_bytes());
                return pairs.chain(std::iter::repeat((0, 0))).take(length).collect();
            }
            _ => {}
        }
        bytes
    }

    /// As nft calls it.
    pub fn words(self, family: Family) -> String {
        let named = |tool: &str, found: Option<&'static key::Key>, number: u32| match found {
            Some(key) => format!("{tool} {}", key.name),
            None => format!("{tool} key {number}"),
        };
        match self {
            Self::Payload(base, offset) => match (base, offset, family) {
                (PayloadBase::Network, 12, Family::Ipv4) => "ip saddr".to_owned(),
                (PayloadBase::Network, 16, Family::Ipv4) => "ip daddr".to_owned(),
                (PayloadBase::Network, 9, Family::Ipv4) => "ip protocol".to_owned(),
                (PayloadBase::Network, 8, Family::Ipv6) => "ip6 saddr".to_owned(),
                (PayloadBase::Network, 24, Family::Ipv6) => "ip6 daddr".to_owned(),
                (PayloadBase::Network, 6, Family::Ipv6) => "ip6 nexthdr".to_owned(),
                (PayloadBase::Transport, 0, _) => "th sport".to_owned(),
                (PayloadBase::Transport, 2, _) => "th dport".to_owned(),
                (base, offset, _) => format!("byte {offset} of the {} header", format!("{base:?}").to_lowercase()),
            },
            Self::Meta(number) => named("meta", key::meta(number), number),
            Self::Ct(number, _) => named("ct", key::ct(number), number),
            Self::Rt(number) => named("rt", key::rt(number), number),
            Self::Fib(result, flags) => {
                let words = key::FIB_FLAGS.iter().filter(|(bit, _)| flags & bit != 0).map(|(_, name)| *name);
                let words: Vec<&str> = words.collect();
                let result = key::FIB_RESULTS.iter().find(|(number, ..)| *number == result).map_or("?", |row| row.1);
                format!("fib {} {result}", words.join(" . "))
            }
            Self::Named(name, _) => name.to_owned(),
        }
    }
}

/// The network header as far as it is known.
fn whole_header(packet: &Packet) -> Vec<(u8, u8)> {
    let (length, protocol, source, destination) = match packet.family {
        Family::Ipv4 => (20, 9, 12, 16),
        Family::Ipv6 => (40, 6, 8, 24),
    };
    let mut header = vec![(0, 0); length];
    let mut put = |at: usize, value: &[u8]| {
        for (slot, byte) in header.iter_mut().skip(at).zip(value) {
            *slot = (*byte, 0xff);
        }
    };
    if let Some(number) = packet.protocol {
        put(protocol, &[number]);
    }
    for (at, address) in [(source, packet.source), (destination, packet.destination)] {
        match address {
            Some(IpAddr::V4(address)) => put(at, &address.octets()),
            Some(IpAddr::V6(address)) => put(at, &address.octets()),
            None => {}
        }
    }
    header
}

/// Whether bytes of a packet are beside its addresses, protocol and ports: its DSCP or TTL.
pub fn is_of_no_flow(base: PayloadBase, offset: u32, length: u32, family: Family) -> bool {
    let telling: &[(u32, u32)] = match (base, family) {
        (PayloadBase::Network, Family::Ipv4) => &[(9, 10), (12, 20)],
        (PayloadBase::Network, Family::Ipv6) => &[(6, 7), (8, 40)],
        (PayloadBase::Transport, _) => &[(0, 4)],
        _ => return false,
    };
    let end = offset.saturating_add(length);
    let header = if base == PayloadBase::Network { whole_length(family) } else { u32::MAX };
    end <= header && telling.iter().all(|(first, behind)| end <= *first || *behind <= offset)
}

/// The network header's length without options.
fn whole_length(family: Family) -> u32 {
    match family {
        Family::Ipv4 => 20,
        Family::Ipv6 => 40,
    }
}

/// How many bytes a key of `meta` fills.
pub fn meta_length(number: u32) -> u32 {
    key::meta(number).map_or(4, |key| key.bits.div_ceil(8))
}

/// How many bytes a key of `ct` fills.
pub fn ct_length(number: u32, family: Family) -> u32 {
    match (key::ct(number).map_or(32, |key| key.bits), family) {
        (0, Family::Ipv4) => 4,
        (0, Family::Ipv6) => 16,
        (bits, _) => bits.div_ceil(8),
    }
}

/// How many bytes a key of `rt` fills.
pub fn rt_length(number: u32) -> u32 {
    key::rt(number).map_or(4, |key| key.bits.div_ceil(8))
}
