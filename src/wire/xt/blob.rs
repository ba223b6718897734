//! The data of a match or target: a C structure of the machine that podnet runs on.
//!
//! May import model only. Every read is checked: `None` where the data end.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::model::netfilter::table::Family;
use crate::model::netfilter::xt::MaskedAddress;
use crate::model::text::ByteText;

/// A structure's bytes; fields are read by their offset.
#[derive(Clone, Copy)]
pub(super) struct Blob<'a> {
    bytes: &'a [u8],
}

impl<'a> Blob<'a> {
    /// The bytes, where they are as long as the structure, or as the structure and what pads it
    /// to the eight bytes that xtables aligns to (`XT_ALIGN`).
    pub fn sized(bytes: &'a [u8], size: usize) -> Option<Self> {
        (size..=size.next_multiple_of(8)).contains(&bytes.len()).then_some(Self { bytes })
    }

    /// Bytes at an offset.
    pub fn array<const N: usize>(self, at: usize) -> Option<[u8; N]> {
        self.bytes.get(at..)?.first_chunk().copied()
    }

    pub fn u8(self, at: usize) -> Option<u8> {
        self.bytes.get(at).copied()
    }

    pub fn u16(self, at: usize) -> Option<u16> {
        self.array(at).map(u16::from_ne_bytes)
    }

    /// In network order.
    pub fn be16(self, at: usize) -> Option<u16> {
        self.array(at).map(u16::from_be_bytes)
    }

    pub fn u32(self, at: usize) -> Option<u32> {
        self.array(at).map(u32::from_ne_bytes)
    }

    pub fn u64(self, at: usize) -> Option<u64> {
        self.array(at).map(u64::from_ne_bytes)
    }

    /// A byte that is 0 or 1: the kernel XORs with most of them, so that nothing else has a plain meaning.
    pub fn flag(self, at: usize) -> Option<bool> {
        yes_or_no(self.u8(at)?.into())
    }

    /// The same, four bytes wide.
    pub fn wide_flag(self, at: usize) -> Option<bool> {
        yes_or_no(self.u32(at)?)
    }

    /// Text in `length` bytes, up to its first NUL.
    pub fn text(self, at: usize, length: usize) -> Option<ByteText> {
        let bytes = self.bytes.get(at..at.checked_add(length)?)?;
        let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
        Some(ByteText::from(text))
    }

    /// `union nf_inet_addr`: 16 bytes, of which IPv4 uses the first four. `None` for a family without addresses.
    pub fn inet(self, at: usize, family: Family) -> Option<IpAddr> {
        match family {
            Family::Ip => self.ipv4(at),
            Family::Ip6 => self.array::<16>(at).map(|octets| Ipv6Addr::from(octets).into()),
            _ => None,
        }
    }

    /// `__be32`
    pub fn ipv4(self, at: usize) -> Option<IpAddr> {
        self.array::<4>(at).map(|octets| Ipv4Addr::from(octets).into())
    }

    /// An address and, 16 bytes further on, its mask.
    pub fn masked(self, at: usize, family: Family) -> Option<MaskedAddress> {
        Some(MaskedAddress { address: self.inet(at, family)?, mask: self.inet(at + 16, family)? })
    }
}

fn yes_or_no(value: u32) -> Option<bool> {
    match value {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

/// Whether `bits` has no bit but those that are known.
pub(super) fn only(bits: u32, known: u32) -> Option<()> {
    (bits & !known == 0).then_some(())
}
