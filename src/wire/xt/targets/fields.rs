//! The fields of a target's data, one after the other.
//!
//! May import model only.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::model::netfilter::table::Family;
use crate::model::text::ByteText;

/// What blobs are padded to: `XT_ALIGN`.
const ALIGN: usize = 8;

/// What is left to be read.
pub(super) struct Fields<'a> {
    left: &'a [u8],
}

impl<'a> Fields<'a> {
    /// Data that should have `size` bytes and may be padded; `None` where their length is another.
    pub fn of(data: &'a [u8], size: usize) -> Option<Self> {
        let fits = data.len() >= size && data.len() <= size.next_multiple_of(ALIGN);
        fits.then_some(Self { left: data })
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (own, left) = self.left.split_first_chunk()?;
        self.left = left;
        Some(*own)
    }

    pub fn skip(&mut self, count: usize) -> Option<()> {
        self.left = self.left.get(count..)?;
        Some(())
    }

    pub fn u8(&mut self) -> Option<u8> {
        self.take().map(u8::from_ne_bytes)
    }

    pub fn u16(&mut self) -> Option<u16> {
        self.take().map(u16::from_ne_bytes)
    }

    pub fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_ne_bytes)
    }

    /// A number in network byte order.
    pub fn be16(&mut self) -> Option<u16> {
        self.take().map(u16::from_be_bytes)
    }

    pub fn ip4(&mut self) -> Option<IpAddr> {
        self.take::<4>().map(|octets| Ipv4Addr::from(octets).into())
    }

    /// `union nf_inet_addr`: 16 bytes, of which IPv4 uses the first four.
    pub fn address(&mut self, family: Family) -> Option<IpAddr> {
        let octets: [u8; 16] = self.take()?;
        if family == Family::Ip6 {
            return Some(Ipv6Addr::from(octets).into());
        }
        octets.first_chunk::<4>().map(|octets| Ipv4Addr::from(*octets).into())
    }

    /// Text in `count` bytes, up to its first NUL.
    pub fn text(&mut self, count: usize) -> Option<ByteText> {
        let (own, left) = self.left.split_at_checked(count)?;
        self.left = left;
        own.split(|byte| *byte == 0).next().map(ByteText::from)
    }
}
