//! Which flows are meant.
//!
//! Must not import anything from the crate but its sibling model types.

use std::net::IpAddr;

use super::Flow;
use super::tuple::{Tuple, ZoneDirection};

/// What must hold of a flow. Everything that is `None` holds of all. The kernel filters by as much of it as it
/// can; what it hands out is checked again, for older kernels ignore what they do not know.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct FlowFilter {
    /// True for IPv6 alone, false for IPv4 alone.
    pub ipv6: Option<bool>,
    /// The IP protocol's number.
    pub protocol: Option<u8>,
    /// What must hold of the original tuple.
    pub original: TupleFilter,
    /// What must hold of the reply tuple.
    pub reply: TupleFilter,
    /// Value and mask of the mark.
    pub mark: Option<(u32, u32)>,
    /// The zone, in either direction.
    pub zone: Option<u16>,
    /// Value and mask of the status bits.
    pub status: Option<(u32, u32)>,
}

/// What must hold of one tuple.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TupleFilter {
    /// Its source address.
    pub src: Option<IpAddr>,
    /// Its destination address.
    pub dst: Option<IpAddr>,
    /// Its source port.
    pub src_port: Option<u16>,
    /// Its destination port.
    pub dst_port: Option<u16>,
}

impl FlowFilter {
    /// The four places in which an address can stand: source and destination of both tuples, in this order.
    pub fn places_of(address: IpAddr) -> [Self; 4] {
        let at = |original: TupleFilter, reply: TupleFilter| Self {
            ipv6: Some(address.is_ipv6()),
            original,
            reply,
            ..Self::default()
        };
        let (src, dst) = (
            TupleFilter { src: Some(address), ..TupleFilter::default() },
            TupleFilter { dst: Some(address), ..TupleFilter::default() },
        );
        let any = TupleFilter::default();
        [at(src, any), at(dst, any), at(any, src), at(any, dst)]
    }

    /// Whether it holds of a flow.
    pub fn accepts(&self, flow: &Flow) -> bool {
        let zone_of = |direction| flow.zone.of(direction);
        self.ipv6.is_none_or(|ipv6| flow.original.src.is_ipv6() == ipv6)
            && self.protocol.is_none_or(|protocol| flow.original.protocol == protocol)
            && self.original.accepts(&flow.original)
            && self.reply.accepts(&flow.reply)
            && self.mark.is_none_or(|(value, mask)| flow.mark.unwrap_or(0) & mask == value & mask)
            && self
                .zone
                .is_none_or(|zone| zone_of(ZoneDirection::Original) == zone || zone_of(ZoneDirection::Reply) == zone)
            && self.status.is_none_or(|(value, mask)| flow.status.0 & mask == value & mask)
    }
}

impl TupleFilter {
    /// Whether it asks for nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether it holds of a tuple.
    pub fn accepts(&self, tuple: &Tuple) -> bool {
        self.src.is_none_or(|src| tuple.src == src)
            && self.dst.is_none_or(|dst| tuple.dst == dst)
            && self.src_port.is_none_or(|port| tuple.src_port() == Some(port))
            && self.dst_port.is_none_or(|port| tuple.dst_port() == Some(port))
    }
}
