//! What is known of a packet.
//!
//! May import model only.

use std::net::IpAddr;

use crate::model::netfilter::table;
use crate::model::route::Family;
use crate::model::text::ByteText;

/// A packet, as far as it is known: `None` may be anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// Its family.
    pub family: Family,
    /// Where it comes from.
    pub source: Option<IpAddr>,
    /// Where it goes.
    pub destination: Option<IpAddr>,
    /// `IPPROTO_*`
    pub protocol: Option<u8>,
    /// Its source port.
    pub source_port: Option<u16>,
    /// Its destination port.
    pub destination_port: Option<u16>,
    /// Its mark.
    pub mark: KnownMark,
    /// The link it came in by; the inner `None`: none, this namespace sends it.
    pub in_link: Option<Option<ByteText>>,
    /// The link it leaves by, likewise.
    pub out_link: Option<Option<ByteText>>,
    /// Bits of `1 << RTN_*`: what the routes say that its source is.
    pub source_kind: Option<u16>,
    /// The same of its destination.
    pub destination_kind: Option<u16>,
    /// Whether it is the first packet of its flow: nat chains see no other.
    pub is_first: Option<bool>,
    /// Whether its flow's destination was translated.
    pub translated: Option<bool>,
}

impl Packet {
    /// A packet of which no more than its family is known.
    pub fn of(family: Family) -> Self {
        Self {
            family,
            source: None,
            destination: None,
            protocol: None,
            source_port: None,
            destination_port: None,
            mark: KnownMark::default(),
            in_link: None,
            out_link: None,
            source_kind: None,
            destination_kind: None,
            is_first: None,
            translated: None,
        }
    }

    /// Whether chains of a table of that family see it on its way through IP.
    pub fn is_seen_by(&self, family: table::Family) -> bool {
        match self.family {
            Family::Ipv4 => matches!(family, table::Family::Ip | table::Family::Inet),
            Family::Ipv6 => matches!(family, table::Family::Ip6 | table::Family::Inet),
        }
    }
}

/// A mark of which some bits are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KnownMark {
    /// Which bits are known.
    pub known: u32,
    /// What they are; 0 where they are not known.
    pub value: u32,
}

impl KnownMark {
    /// Whether the bits of a mask have a value.
    pub fn is(self, value: u32, mask: u32) -> Option<bool> {
        // A bit outside the mask that is asked for is never there.
        if value & !mask != 0 {
            return Some(false);
        }
        let known = self.known & mask;
        if (self.value ^ value) & known != 0 { Some(false) } else { (known == mask).then_some(true) }
    }

    /// The mark of a packet that no one has marked.
    pub const NONE: Self = Self { known: u32::MAX, value: 0 };

    /// The same where these bits may be anything.
    #[must_use]
    pub fn without(self, bits: u32) -> Self {
        Self { known: self.known & !bits, value: self.value & !bits }
    }

    /// `(mark & keep) ^ xor`
    #[must_use]
    pub fn changed(self, keep: u32, xor: u32) -> Self {
        let known = self.known | !keep;
        Self { known, value: ((self.value & keep) ^ xor) & known }
    }

    /// What is known of a mark that is one or the other.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        let known = self.known & other.known & !(self.value ^ other.value);
        Self { known, value: self.value & known }
    }
}
