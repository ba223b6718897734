//! The packet that is looked up.
//!
//! May import model only.

use std::net::{IpAddr, Ipv4Addr};

use crate::model::address::Scope;
use crate::model::ids::IfIndex;
use crate::model::route::{Family, RouteQuery};

use super::facts::{Facts, LOOPBACK};

/// What rules and tables look at: the kernel's `struct flowi`.
#[derive(Debug, Clone)]
pub(super) struct Flow {
    pub family: Family,
    pub dst: IpAddr,
    /// IPv4 writes 0.0.0.0 where there is none.
    pub src: Option<IpAddr>,
    /// Loopback for what this namespace sends itself.
    pub iif: IfIndex,
    pub oif: Option<IfIndex>,
    /// The VRF whose rules apply.
    pub l3mdev: Option<IfIndex>,
    pub mark: u32,
    /// Without its two lowest bits.
    pub tos: u8,
    /// Of the protocol and the ports 0 is none, which no rule's range holds; `None` are those that were not told.
    pub protocol: Option<u8>,
    pub source_port: Option<u16>,
    pub destination_port: Option<u16>,
    pub uid: u32,
    /// Whether the source may be nobody's here.
    pub any_source: bool,
    /// Routes of a wider scope do not count.
    pub scope: Scope,
    /// Whether a link without carrier counts all the same (the second look of the reverse path filter).
    pub any_link_state: bool,
}

impl Flow {
    pub fn of(query: &RouteQuery) -> Self {
        let family = Family::of(query.dst);
        let portless = query.protocol.is_some_and(|protocol| !has_ports(protocol));
        let port = |port: Option<u16>| if portless { Some(0) } else { port };
        let unset = (family == Family::Ipv4).then_some(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        Self {
            family,
            dst: query.dst,
            src: query.src.filter(|src| !src.is_unspecified()).or(unset),
            iif: query.iif.unwrap_or(LOOPBACK),
            oif: query.oif,
            l3mdev: None,
            mark: query.mark,
            tos: query.tos & 0xfc,
            protocol: query.protocol,
            source_port: port(query.source_port),
            destination_port: port(query.destination_port),
            // A packet that comes in belongs to nobody: the kernel takes root.
            uid: query.uid.filter(|_| query.iif.is_none()).unwrap_or(0),
            any_source: query.any_source,
            scope: Scope::Universe,
            any_link_state: false,
        }
    }

    /// The flow as rules see it when a VRF is involved. Mirrors `l3mdev_update_flow`.
    pub fn with_l3mdev(&self, facts: &Facts<'_>) -> Self {
        let mut flow = self.clone();
        if let Some(oif) = flow.oif.filter(|oif| facts.link(*oif).is_some()) {
            flow.l3mdev = flow.l3mdev.or_else(|| facts.l3_master(oif));
            if facts.vrf_table(oif).is_some() {
                flow.oif = None;
            }
        } else if flow.iif.0 > LOOPBACK.0 && flow.l3mdev.is_none() {
            flow.l3mdev = facts.l3_master(flow.iif);
        }
        flow
    }

    /// Whether the packet has a source address.
    pub fn has_source(&self) -> bool {
        self.src.is_some_and(|src| !src.is_unspecified())
    }
}

/// TCP, UDP, DCCP, SCTP, UDP-Lite: what the kernel reads ports of.
fn has_ports(protocol: u8) -> bool {
    matches!(protocol, 6 | 17 | 33 | 132 | 136)
}
