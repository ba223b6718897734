//! The packet that is followed: all that the kernel looks at to decide its way.
//!
//! May import model only.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use schemars::JsonSchema;
use serde::Serialize;

use crate::model::route::Family;

/// `IPPROTO_ICMP`
pub const ICMP: u8 = 1;
/// `IPPROTO_TCP`
pub const TCP: u8 = 6;
/// `IPPROTO_UDP`
pub const UDP: u8 = 17;
/// `IPPROTO_ICMPV6`
pub const ICMPV6: u8 = 58;
/// `IPPROTO_SCTP`
pub const SCTP: u8 = 132;

/// Addresses and ports of one direction of a flow, as conntrack keeps them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
pub struct Tuple {
    /// Where it comes from.
    pub source: IpAddr,
    /// Where it goes.
    pub destination: IpAddr,
    /// `IPPROTO_*`
    pub protocol: u8,
    /// The source port, or the id of an echo; `None` where it is drawn as the packet passes, or where there is none.
    pub source_port: Option<u16>,
    /// The destination port, or the id of an echo again.
    pub destination_port: Option<u16>,
}

impl Tuple {
    /// The tuple of the answer to it.
    #[must_use]
    pub fn inverted(self) -> Self {
        Self {
            source: self.destination,
            destination: self.source,
            protocol: self.protocol,
            source_port: self.destination_port,
            destination_port: self.source_port,
        }
    }

    /// Whether its protocol has ports.
    pub fn has_ports(self) -> bool {
        matches!(self.protocol, TCP | UDP | SCTP)
    }

    /// Whether it is an echo, which has an id in place of ports.
    pub fn is_echo(self) -> bool {
        matches!(self.protocol, ICMP | ICMPV6)
    }
}

impl fmt::Display for Tuple {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = |out: &mut fmt::Formatter<'_>, address: IpAddr, port: Option<u16>| match (self.has_ports(), port) {
            (false, _) => write!(out, "{address}"),
            (true, Some(port)) => write!(out, "{}", SocketAddr::new(address, port)),
            (true, None) if address.is_ipv6() => write!(out, "[{address}]:*"),
            (true, None) => write!(out, "{address}:*"),
        };
        end(out, self.source, self.source_port)?;
        out.write_str(" → ")?;
        end(out, self.destination, self.destination_port)
    }
}

/// A packet at one point of its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Packet {
    /// Addresses and ports.
    #[serde(flatten)]
    pub tuple: Tuple,
    /// Whether it is an answer: the SYN-ACK of a SYN, an echo's reply.
    pub is_answer: bool,
    /// Its ICMP type; `None` of other protocols.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub icmp: Option<u8>,
    /// The packet's mark.
    pub mark: u32,
    /// The type of service byte.
    pub tos: u8,
    /// TTL or hop limit.
    pub ttl: u8,
    /// Bytes with the IP header.
    pub length: u32,
    /// The user id of the socket that sends it, while it is within the sender's namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
}

impl Packet {
    /// Its family.
    pub fn family(&self) -> Family {
        Family::of(self.tuple.destination)
    }

    /// The flags of its TCP header: of a SYN, or of the SYN-ACK that answers one.
    pub fn tcp_flags(&self) -> Option<u8> {
        (self.tuple.protocol == TCP).then_some(if self.is_answer { 0x12 } else { 0x02 })
    }

    /// The bytes of its network header.
    pub fn header_length(&self) -> u32 {
        match self.family() {
            Family::Ipv4 => 20,
            Family::Ipv6 => 40,
        }
    }
}

/// The ICMP type that answers an echo's request, or that a reply answers.
pub(super) fn inverse(icmp: Option<u8>) -> Option<u8> {
    match icmp? {
        8 => Some(0),
        0 => Some(8),
        128 => Some(129),
        129 => Some(128),
        _ => None,
    }
}

/// The ICMP type of an echo's request or reply; `None` of other protocols.
pub fn echo(protocol: u8, is_answer: bool) -> Option<u8> {
    match (protocol, is_answer) {
        (ICMP, false) => Some(8),
        (ICMP, true) => Some(0),
        (ICMPV6, false) => Some(128),
        (ICMPV6, true) => Some(129),
        _ => None,
    }
}
