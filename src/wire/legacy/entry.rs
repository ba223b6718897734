//! One entry of a table: where its parts are. `struct ipt_entry`, `struct ip6t_entry`.
//!
//! May import model only.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Malformed, text, u16_at, u32_at, u64_at};
use crate::model::netfilter::table::{Counters, Family};
use crate::model::netfilter::xt::{Header, MaskedAddress, Test};
use crate::model::text::{ByteText, Bytes};

/// `sizeof(struct xt_entry_match)`, and `struct xt_entry_target` likewise: size, name, revision.
const PART: usize = 32;
/// `IFNAMSIZ`
const IFNAMSIZ: usize = 16;

// Bits of `invflags`.
const NOT_IN: u8 = 0x01;
const NOT_OUT: u8 = 0x02;
const NOT_SOURCE: u8 = 0x08;
const NOT_DESTINATION: u8 = 0x10;
const NOT_FRAGMENT: u8 = 0x20;
const NOT_PROTOCOL: u8 = 0x40;

/// Where the parts of an entry are, which differs by family.
#[derive(Debug, Clone, Copy)]
struct Layout {
    /// Of one address.
    address: usize,
    /// Where the interface names begin.
    interfaces: usize,
    protocol: usize,
    flags: usize,
    target_offset: usize,
    counters: usize,
    /// Of the entry without its matches and target.
    length: usize,
}

const IP: Layout =
    Layout { address: 4, interfaces: 16, protocol: 80, flags: 82, target_offset: 88, counters: 96, length: 112 };
const IP6: Layout =
    Layout { address: 16, interfaces: 64, protocol: 128, flags: 131, target_offset: 140, counters: 152, length: 168 };

fn layout(family: Family) -> Layout {
    if family == Family::Ip6 { IP6 } else { IP }
}

/// A match or a target as it stands in an entry.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part<'a> {
    pub name: &'a [u8],
    pub revision: u8,
    pub data: &'a [u8],
}

impl<'a> Part<'a> {
    /// Reads one, and what follows it.
    fn split(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let size = usize::from(u16_at(bytes, 0)?);
        let (own, rest) = bytes.split_at_checked(size)?;
        let (head, data) = own.split_at_checked(PART)?;
        let (revision, head) = head.split_last()?;
        Some((Self { name: text(head.get(2..)?), revision: *revision, data }, rest))
    }
}

/// One entry.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry<'a> {
    /// Where it begins.
    pub at: usize,
    /// All of it.
    bytes: &'a [u8],
    layout: Layout,
    target_offset: usize,
}

impl<'a> Entry<'a> {
    /// The entry at `at`.
    pub fn at(family: Family, table: &'a [u8], at: usize) -> Result<Self, Malformed> {
        let layout = layout(family);
        let wrong = |detail| Malformed { at, detail };
        let rest = table.get(at..).ok_or(wrong("an entry"))?;
        let offset = |place| u16_at(rest, place).map(usize::from).ok_or(wrong("the head of an entry"));
        let (target_offset, next_offset) = (offset(layout.target_offset)?, offset(layout.target_offset + 2)?);
        if target_offset < layout.length || next_offset < target_offset + PART {
            return Err(wrong("offsets of target and next entry that leave room for both"));
        }
        let bytes = rest.get(..next_offset).ok_or(wrong("an entry that ends within the table"))?;
        Ok(Self { at, bytes, layout, target_offset })
    }

    /// Whether what stands at `at` looks like the entry before a chain: nothing asked, and a target of that length,
    /// called ERROR. It may be no entry at all.
    pub fn heads_chain(family: Family, table: &'a [u8], at: usize, length: usize) -> bool {
        let layout = layout(family);
        let offsets = [layout.length, layout.length + length].map(|offset| u16::try_from(offset).ok());
        let told = [layout.target_offset, layout.target_offset + 2].map(|place| u16_at(table, at + place));
        offsets == told
            && Self::at(family, table, at)
                .and_then(|entry| entry.target())
                .is_ok_and(|target| target.name == b"ERROR" && target.data.len() + PART == length)
    }

    /// Where the next one begins.
    pub fn end(&self) -> usize {
        self.at + self.bytes.len()
    }

    /// Its target.
    pub fn target(&self) -> Result<Part<'a>, Malformed> {
        let wrong = Malformed { at: self.at + self.target_offset, detail: "a target that fits into its entry" };
        self.bytes.get(self.target_offset..).and_then(Part::split).map(|(target, _)| target).ok_or(wrong)
    }

    /// The same, where it has room for so many bytes: the others are not looked at. A table of 100,000 entries
    /// is longer than any cache, and the head of each is elsewhere than its target.
    pub fn target_that_is_long(&self, length: usize) -> Result<Option<Part<'a>>, Malformed> {
        if self.bytes.len() - self.target_offset < length { Ok(None) } else { self.target().map(Some) }
    }

    /// Its matches.
    pub fn matches(&self) -> impl Iterator<Item = Result<Part<'a>, Malformed>> {
        let mut rest = self.bytes.get(self.layout.length..self.target_offset).unwrap_or_default();
        let end = self.at + self.target_offset;
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let at = end - rest.len();
            let split = Part::split(rest);
            rest = split.map(|(_, others)| others).unwrap_or_default();
            Some(split.map(|(one, _)| one).ok_or(Malformed { at, detail: "a match that fits into its entry" }))
        })
    }

    /// Whether it asks nothing.
    pub fn asks_nothing(&self) -> bool {
        let end = self.layout.target_offset - 4;
        self.target_offset == self.layout.length
            && self.bytes.get(..end).is_some_and(|head| head.iter().all(|byte| *byte == 0))
    }

    /// What it counted.
    pub fn counters(&self) -> Counters {
        let number = |place| u64_at(self.bytes, place).unwrap_or_default();
        Counters { packets: number(self.layout.counters), bytes: number(self.layout.counters + 8) }
    }

    fn flags(&self) -> (u8, u8) {
        let at = |place: usize| self.bytes.get(place).copied().unwrap_or_default();
        (at(self.layout.flags), at(self.layout.flags + 1))
    }

    /// `IPT_F_GOTO`, `IP6T_F_GOTO`
    pub fn is_goto(&self) -> bool {
        self.flags().0 & if self.layout.address == 4 { 0x02 } else { 0x04 } != 0
    }

    /// What its head asks.
    pub fn header(&self) -> Header {
        let (flags, not) = self.flags();
        let is_ip = self.layout.address == 4;
        let mut header = Header {
            source: self.address(0, not & NOT_SOURCE != 0),
            destination: self.address(1, not & NOT_DESTINATION != 0),
            ..Header::default()
        };
        let protocol = u16_at(self.bytes, self.layout.protocol).unwrap_or_default();
        // The bits that are understood here, of flags and inversions.
        let (mut known, mut known_not) = (if is_ip { 0x03 } else { 0x05 }, NOT_SOURCE | NOT_DESTINATION);
        if protocol != 0 {
            header.protocol = Some(Test { not: not & NOT_PROTOCOL != 0, value: protocol });
            known_not |= NOT_PROTOCOL;
        }
        if is_ip && flags & 0x01 != 0 {
            header.fragment = Some(Test { not: not & NOT_FRAGMENT != 0, value: () });
            known_not |= NOT_FRAGMENT;
        }
        let tos = !is_ip && flags & 0x02 != 0;
        let mut unknown = tos;
        for (index, bit) in [(0, NOT_IN), (1, NOT_OUT)] {
            match self.interface(index) {
                Interface::Any => {}
                Interface::Named(name) => {
                    let test = Some(Test { not: not & bit != 0, value: name });
                    if index == 0 {
                        header.in_interface = test;
                    } else {
                        header.out_interface = test;
                    }
                    known_not |= bit;
                }
                Interface::Unknown => unknown = true,
            }
        }
        if tos {
            known |= 0x02;
        }
        if unknown {
            // What is odd may be anywhere in it.
            header.unknown = Bytes::from(self.bytes.get(..self.layout.flags + 2).unwrap_or_default());
        } else if flags & !known != 0 || not & !known_not != 0 {
            header.unknown = Bytes(vec![flags & !known, not & !known_not]);
        }
        header
    }

    /// Source (0) or destination (1); `None` where nothing is asked.
    fn address(&self, index: usize, not: bool) -> Option<Test<MaskedAddress>> {
        let read = |place: usize| {
            let bytes = self.bytes.get(place * self.layout.address..)?;
            if self.layout.address == 4 {
                bytes.first_chunk::<4>().map(|octets| IpAddr::from(Ipv4Addr::from(*octets)))
            } else {
                bytes.first_chunk::<16>().map(|octets| IpAddr::from(Ipv6Addr::from(*octets)))
            }
        };
        let value = MaskedAddress { address: read(index)?, mask: read(2 + index)? };
        (not || !value.mask.is_unspecified() || !value.address.is_unspecified()).then_some(Test { not, value })
    }

    /// The link a packet comes in by (0) or leaves by (1).
    fn interface(&self, index: usize) -> Interface {
        let read = |place: usize| {
            let from = self.layout.interfaces + place * IFNAMSIZ;
            self.bytes.get(from..from + IFNAMSIZ).unwrap_or_default()
        };
        let (name, mask) = (text(read(index)), read(2 + index));
        let compared = mask.iter().take_while(|byte| **byte == 0xff).count();
        if mask.iter().skip(compared).any(|byte| *byte != 0) {
            return Interface::Unknown;
        }
        match compared {
            0 => Interface::Any,
            // The NUL is compared too: the whole name.
            _ if compared > name.len() => Interface::Named(ByteText::from(name)),
            _ => {
                let mut prefix = name.get(..compared).unwrap_or_default().to_vec();
                prefix.push(b'+');
                Interface::Named(ByteText::new(prefix))
            }
        }
    }
}

enum Interface {
    Any,
    Named(ByteText),
    /// Bits of a name are compared that make no beginning of it.
    Unknown,
}

/// What a standard target does, by number. `xt_standard_target`
pub(super) fn verdict(data: &[u8]) -> Option<i32> {
    u32_at(data, 0).map(u32::cast_signed)
}
