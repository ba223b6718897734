//! What a rule asks, held against what is known of a packet, and told in words.
//!
//! May import model and its siblings only.

use std::net::IpAddr;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::Serialize;

use super::facts::Packet;
use crate::model::netfilter::xt::MaskedAddress;
use crate::model::netfilter::xt::matches::Range;
use crate::model::text::ByteText;

/// One thing that a rule asks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct Condition {
    /// Holds where the rest does *not*.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub not: bool,
    /// What.
    #[serde(flatten)]
    pub ask: Ask,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(tag = "asks", rename_all = "snake_case")]
pub enum Ask {
    /// Nothing: it holds.
    Always,
    /// The source is one of these.
    Source {
        /// Which.
        addresses: Addresses,
    },
    /// The destination is one of these.
    Destination {
        /// Which.
        addresses: Addresses,
    },
    /// The protocol.
    Protocol {
        /// `IPPROTO_*`
        number: u8,
    },
    /// A port is one of these.
    Ports {
        /// Which port.
        which: WhichPort,
        /// These.
        ranges: Vec<Range>,
    },
    /// It came in by this link; an end of `*` stands for any rest.
    InLink {
        /// Its name.
        name: ByteText,
    },
    /// It leaves by this link, likewise.
    OutLink {
        /// Its name.
        name: ByteText,
    },
    /// The bits of its mark.
    Mark {
        /// What they are.
        value: u32,
        /// Which.
        mask: u32,
    },
    /// The flow's state is one of these: bits of `XT_CONNTRACK_STATE_*`.
    State {
        /// The bits.
        bits: u32,
    },
    /// The flow's destination was translated.
    Translated,
    /// The source is of such a kind: bits of `1 << RTN_*`.
    SourceKind {
        /// The bits.
        kinds: u16,
    },
    /// The destination is, likewise.
    DestinationKind {
        /// The bits.
        kinds: u16,
    },
    /// Something else of the packet, in the words of its tool.
    Other {
        /// The words.
        text: String,
    },
    /// This podnet does not decode it: nobody knows.
    Undecoded {
        /// What.
        why: String,
    },
}

/// Which port is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WhichPort {
    /// The source's.
    Source,
    /// The destination's.
    Destination,
    /// One of both.
    Either,
}

/// Some addresses.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Addresses {
    /// A network.
    Net(#[schemars(with = "String")] IpNet),
    /// Those that agree in the bits of a mask that is no prefix.
    Masked(MaskedAddress),
    /// From the first to the last.
    Range {
        /// The first.
        min: IpAddr,
        /// The last.
        max: IpAddr,
    },
    /// Any of several.
    OneOf(Vec<Addresses>),
}

impl Addresses {
    /// Whether an address is among them.
    pub fn contain(&self, address: IpAddr) -> bool {
        match (self, address) {
            (Self::Net(net), _) => net.contains(&address),
            (Self::Range { min, max }, _) => min.is_ipv4() == address.is_ipv4() && *min <= address && address <= *max,
            (Self::Masked(MaskedAddress { address: IpAddr::V4(held), mask: IpAddr::V4(mask) }), IpAddr::V4(asked)) => {
                held.to_bits() & mask.to_bits() == asked.to_bits() & mask.to_bits()
            }
            (Self::Masked(MaskedAddress { address: IpAddr::V6(held), mask: IpAddr::V6(mask) }), IpAddr::V6(asked)) => {
                held.to_bits() & mask.to_bits() == asked.to_bits() & mask.to_bits()
            }
            (Self::Masked(_), _) => false,
            (Self::OneOf(all), _) => all.iter().any(|some| some.contain(address)),
        }
    }

    /// Whether they are the multicast addresses of a family.
    pub fn are_multicast(&self) -> bool {
        matches!(self, Self::Net(net) if matches!(net.to_string().as_str(), "224.0.0.0/4" | "ff00::/8"))
    }

    /// `10.0.0.0/8`, `10.0.0.1`, `10.0.0.1 to 10.0.0.9`.
    pub fn words(&self) -> String {
        match self {
            Self::Net(net) if net.prefix_len() == net.max_prefix_len() => net.addr().to_string(),
            Self::Net(net) => net.to_string(),
            Self::Masked(masked) => format!("{}/{}", masked.address, masked.mask),
            Self::Range { min, max } => format!("{min} to {max}"),
            Self::OneOf(all) => all.iter().map(Self::words).collect::<Vec<_>>().join(", "),
        }
    }
}

impl From<MaskedAddress> for Addresses {
    fn from(masked: MaskedAddress) -> Self {
        match IpNet::with_netmask(masked.address, masked.mask) {
            Ok(net) => Self::Net(net.trunc()),
            Err(_) => Self::Masked(masked),
        }
    }
}

impl Condition {
    /// It holds where the ask does.
    pub fn is(ask: Ask) -> Self {
        Self { not: false, ask }
    }

    /// The opposite.
    #[must_use]
    pub fn turned(mut self) -> Self {
        self.not = !self.not;
        self
    }

    /// Whether it holds for a packet; `None` where what is known of the packet does not tell.
    pub fn holds(&self, packet: &Packet) -> Option<bool> {
        self.ask.holds(packet).map(|holds| holds != self.not)
    }
}

impl Ask {
    fn holds(&self, packet: &Packet) -> Option<bool> {
        match self {
            Self::Always => Some(true),
            Self::Source { addresses } => packet.source.map(|address| addresses.contain(address)),
            Self::Destination { addresses } => packet.destination.map(|address| addresses.contain(address)),
            Self::Protocol { number } => packet.protocol.map(|known| known == *number),
            Self::Ports { which, ranges } => {
                let within = |port: Option<u16>| {
                    port.map(|port| ranges.iter().any(|range| range.min <= port && port <= range.max))
                };
                let (source, destination) = (within(packet.source_port), within(packet.destination_port));
                match which {
                    WhichPort::Source => source,
                    WhichPort::Destination => destination,
                    WhichPort::Either => match (source, destination) {
                        (Some(true), _) | (_, Some(true)) => Some(true),
                        (Some(false), Some(false)) => Some(false),
                        _ => None,
                    },
                }
            }
            Self::InLink { name } => packet.in_link.as_ref().map(|link| is_called(link.as_ref(), name)),
            Self::OutLink { name } => packet.out_link.as_ref().map(|link| is_called(link.as_ref(), name)),
            Self::Mark { value, mask } => packet.mark.is(*value, *mask),
            Self::State { bits } => {
                const NEW: u32 = 1 << 3;
                const RELATED: u32 = 1 << 2;
                const SNAT: u32 = 1 << 6;
                const DNAT: u32 = 1 << 7;
                match packet.is_first {
                    _ if *bits == DNAT => packet.translated,
                    Some(true) if bits & NEW != 0 => Some(true),
                    // The first packet of a flow may be one that another flow led to.
                    Some(true) if bits & (RELATED | SNAT | DNAT) == 0 => Some(false),
                    _ => None,
                }
            }
            Self::Translated => packet.translated,
            Self::SourceKind { kinds } => packet.source_kind.map(|kind| kind & kinds != 0),
            Self::DestinationKind { kinds } => packet.destination_kind.map(|kind| kind & kinds != 0),
            Self::Other { .. } | Self::Undecoded { .. } => None,
        }
    }
}

/// Whether a link has a name, or a name that begins so.
fn is_called(link: Option<&ByteText>, name: &ByteText) -> bool {
    let Some(link) = link else { return false };
    match name.as_bytes().split_last() {
        Some((b'*', beginning)) => link.as_bytes().starts_with(beginning),
        _ => link == name,
    }
}

/// A part of what must hold for a rule to be reached and to apply.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Clause {
    /// This holds.
    Is(Condition),
    /// Not all of these hold: where they do, a rule before it has taken the packet away.
    Unless(Vec<Clause>),
}

impl Clause {
    /// That not all of these hold, as simply as it can be said.
    pub fn unless(mut all: Vec<Self>) -> Self {
        match (all.pop(), all.is_empty()) {
            (Some(Self::Is(one)), true) => Self::Is(one.turned()),
            (Some(last), _) => {
                all.push(last);
                Self::Unless(all)
            }
            (None, _) => Self::Is(Condition::is(Ask::Always).turned()),
        }
    }

    /// Whether it holds for a packet; `None` where what is known of the packet does not tell.
    pub fn holds(&self, packet: &Packet) -> Option<bool> {
        match self {
            Self::Is(condition) => condition.holds(packet),
            Self::Unless(all) => {
                let mut is_known = true;
                for one in all {
                    match one.holds(packet) {
                        Some(false) => return Some(true),
                        Some(true) => {}
                        None => is_known = false,
                    }
                }
                is_known.then_some(false)
            }
        }
    }

    /// What is not decoded in it.
    pub fn undecoded(&self) -> Option<&str> {
        match self {
            Self::Is(Condition { ask: Ask::Undecoded { why }, .. }) => Some(why),
            Self::Is(_) => None,
            Self::Unless(all) => all.iter().find_map(Self::undecoded),
        }
    }
}
