//! One direction of a flow.
//!
//! Must not import anything from the crate.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Addresses, protocol and what tells conversations of the protocol apart. `CTA_TUPLE_*`
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Tuple {
    /// `CTA_IP_V4_SRC`, `CTA_IP_V6_SRC`
    pub src: IpAddr,
    /// `CTA_IP_V4_DST`, `CTA_IP_V6_DST`
    pub dst: IpAddr,
    /// The IP protocol's number. `CTA_PROTO_NUM`
    pub protocol: u8,
    /// What the protocol adds.
    pub key: Key,
}

/// What tells conversations of one protocol between two addresses apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Key {
    /// tcp, udp, udplite, sctp and dccp; of gre its keys. `CTA_PROTO_SRC_PORT`, `CTA_PROTO_DST_PORT`
    Ports {
        /// The source port.
        src: u16,
        /// The destination port.
        dst: u16,
    },
    /// icmp and icmpv6. `CTA_PROTO_ICMP_*`, `CTA_PROTO_ICMPV6_*`
    Icmp {
        /// The message's type.
        kind: u8,
        /// Its code.
        code: u8,
        /// The identifier of an echo.
        id: u16,
    },
    /// Protocols of which the kernel tells nothing more.
    None,
}

impl Tuple {
    /// The source port, where the protocol has ports.
    pub fn src_port(&self) -> Option<u16> {
        match self.key {
            Key::Ports { src, .. } => Some(src),
            _ => None,
        }
    }

    /// The destination port, where the protocol has ports.
    pub fn dst_port(&self) -> Option<u16> {
        match self.key {
            Key::Ports { dst, .. } => Some(dst),
            _ => None,
        }
    }
}

/// The zones of a flow: equal tuples in different zones are different flows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema)]
pub struct Zone {
    /// The number; 0 is the default zone.
    pub id: u16,
    /// Which tuples have it; the other is in zone 0.
    pub direction: ZoneDirection,
}

impl Zone {
    /// Zone 0, in both directions.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// The zone that the tuple of one direction is looked up in.
    pub fn of(&self, direction: ZoneDirection) -> u16 {
        if self.direction == ZoneDirection::Both || self.direction == direction { self.id } else { 0 }
    }
}

/// Which tuples of a flow have its zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ZoneDirection {
    /// Both. `CTA_ZONE`
    #[default]
    Both,
    /// The original tuple alone. `CTA_TUPLE_ZONE` in `CTA_TUPLE_ORIG`
    Original,
    /// The reply tuple alone. `CTA_TUPLE_ZONE` in `CTA_TUPLE_REPLY`
    Reply,
}
