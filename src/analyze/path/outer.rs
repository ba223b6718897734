//! The outer packet of a tunnel: what it is made of, its own way, and what becomes of a frame that is too long for it.
//!
//! May import model and analyze's siblings only.

use std::net::IpAddr;

use super::error::{Here, Tells};
use super::flow::Tracking;
use super::frame::Frame;
use super::output::single;
use super::packet::{ICMP, ICMPV6, Packet, Tuple, UDP};
use super::refusal::Refusal;
use super::rules::Part;
use super::tunnel::{Bounced, Vtep};
use super::types::{StepKind, Stop};
use super::walk::{Crossing, End, Forwarded, Now, Walk};
use super::world::{Link, Place};
use crate::analyze::fib::Outcome;
use crate::analyze::naming::LinkRef;
use crate::model::ids::MacAddr;
use crate::model::link::{VxlanDf, VxlanInfo};
use crate::model::netfilter::chain::Hook;
use crate::model::route::{Family, RouteQuery};

/// The headers of IPv4 or IPv6, UDP, vxlan, and the inner frame's own.
const OVERHEAD: u32 = 50;
const OVERHEAD6: u32 = 70;
/// The bits of congestion notification in a TOS byte, all set: congestion experienced.
pub(super) const ECN: u8 = 3;

/// What is walked on while the outer packet takes the walk's place.
pub(super) struct Inner {
    pub packet: Packet,
    tracking: Tracking,
    zone: u16,
    mac: Option<MacAddr>,
    frame: Frame,
    next_hop: Option<IpAddr>,
    is_own: bool,
    error: Option<Tells>,
    attached: bool,
    here: Option<Here>,
    whole: bool,
    piece: Option<u32>,
    pieces: Pieces,
    forwarded: Vec<Forwarded>,
}

/// What is known of its pieces.
struct Pieces {
    joined: bool,
    missing: Vec<u32>,
    lost: Option<String>,
    part: Option<Part>,
}

impl Walk<'_, '_> {
    pub fn set_aside(&mut self) -> Inner {
        Inner {
            packet: self.packet.clone(),
            tracking: std::mem::replace(&mut self.tracking, Tracking::Not),
            zone: std::mem::take(&mut self.zone),
            mac: self.mac.take(),
            frame: std::mem::take(&mut self.frame),
            next_hop: self.next_hop.take(),
            is_own: self.is_own,
            error: self.error.take(),
            attached: std::mem::take(&mut self.attached),
            here: self.here,
            whole: self.whole,
            piece: self.piece.take(),
            pieces: Pieces {
                joined: std::mem::take(&mut self.joined),
                missing: std::mem::take(&mut self.missing),
                lost: self.lost.take(),
                part: self.part.take(),
            },
            forwarded: std::mem::take(&mut self.forwarded),
        }
    }

    pub fn take_up(&mut self, inner: Inner) {
        self.packet = inner.packet;
        self.tracking = inner.tracking;
        self.zone = inner.zone;
        self.mac = inner.mac;
        self.frame = inner.frame;
        self.next_hop = inner.next_hop;
        self.is_own = inner.is_own;
        self.error = inner.error;
        self.attached = inner.attached;
        self.here = inner.here;
        self.whole = inner.whole;
        self.piece = inner.piece;
        self.joined = inner.pieces.joined;
        self.missing = inner.pieces.missing;
        self.lost = inner.pieces.lost;
        self.part = inner.pieces.part;
        self.forwarded = inner.forwarded;
    }

    /// The outer packet's way, and where it arrives.
    pub fn outer_way(
        &mut self,
        (place, link): (Place, &Link),
        info: &VxlanInfo,
        under: Place,
        vtep: &Vtep,
        inner: &Inner,
        how: String,
    ) -> Result<Place, Stop> {
        let six = vtep.address.is_ipv6();
        let overhead = if six { OVERHEAD6 } else { OVERHEAD };
        let length = inner.piece.unwrap_or(inner.packet.length) + overhead;
        let is_here = under == place;
        let mark = if is_here { inner.packet.mark } else { 0 };
        let tos = if info.tos == 1 { inner.packet.tos } else { info.tos };
        let source_port = match info.source_ports {
            Some((low, high)) if low.checked_add(1) == Some(high) => Some(low),
            _ => None,
        };
        let query = RouteQuery {
            src: info.local,
            oif: vtep.via,
            mark,
            tos: tos & !ECN,
            protocol: Some(UDP),
            source_port,
            destination_port: Some(vtep.port),
            uid: Some(0),
            ..RouteQuery::to(vtep.address)
        };
        let found = self.world.route(under, &query)?;
        single(&found)?;
        match &found.outcome {
            Outcome::Sent => {}
            Outcome::Delivered => {
                return Err(Stop::unknown(format!(
                    "its VTEP {} is in its own namespace, which is not followed",
                    vtep.address
                )));
            }
            Outcome::Refused { why, .. } => return Err(Stop::dropped(format!("no route takes it: {why}"))),
            Outcome::Unknown { why } => return Err(Stop::unknown(why.clone())),
        }
        let source = match info.local {
            Some(local) => local,
            None => self.chosen_source(&found)?.0,
        };
        let ttl = match (info.ttl_inherit, info.ttl) {
            (true, _) => inner.packet.ttl,
            (false, ttl) => ttl,
        };
        let tuple =
            Tuple { source, destination: vtep.address, protocol: UDP, source_port, destination_port: Some(vtep.port) };
        self.packet = Packet {
            tuple,
            is_answer: false,
            icmp: None,
            mark,
            tos: (tos & !ECN) | if inner.packet.tos & ECN == ECN { 2 } else { inner.packet.tos & ECN },
            ttl: if ttl == 0 { self.default_ttl(under, vtep.address) } else { ttl },
            length,
            uid: inner.packet.uid.filter(|_| is_here),
        };
        self.is_own &= is_here;
        self.whole = six
            || match info.df {
                VxlanDf::Unset => false,
                VxlanDf::Set => true,
                VxlanDf::Inherit => inner.packet.family() == Family::Ipv6 || (inner.whole && inner.piece.is_none()),
            };
        let mut egress = self.egress(under, &found)?;
        if is_here && egress.link.ifindex == link.ifindex {
            return Err(Stop::dropped(format!("the route to its VTEP leads into {} itself", link.name)));
        }
        let mtu = self.mtu_of(under, &egress, false)?;
        if length > mtu && link.controller.is_some() {
            self.bounces(place, link, inner, mtu.saturating_sub(overhead))?;
        }
        let what = StepKind::Encapsulated { link: LinkRef::of(link), vni: vtep.vni, tuple, length, how };
        self.step(under, what, None);
        self.told_route(under, &found, &egress);
        self.here = Some(Here { place: under, hook: None, input: None, port: None, is_local: false });
        let mut at = Crossing::new(under, Hook::Output, None, Some(&egress.link));
        if let Some(rerouted) = self.cross(&mut at)? {
            egress = rerouted;
        }
        let now = self.postrouting(under, egress, None)?;
        match self.carry(now)? {
            End::Arrived(there) => Ok(there),
            End::Outside { link, .. } => Err(Stop::unknown(format!(
                "it leaves by {} for {}, and what is beyond was not asked",
                link.name, self.packet.tuple.destination
            ))),
        }
    }

    /// A vxlan that is a port of a bridge sends an error back to whose packet is too long for its tunnel and may not be
    /// split. Mirrors `skb_tunnel_check_pmtu`.
    fn bounces(&mut self, place: Place, link: &Link, inner: &Inner, mtu: u32) -> Result<(), Stop> {
        let family = inner.packet.family();
        let least = match family {
            Family::Ipv4 => 576,
            Family::Ipv6 => 1280,
        };
        let is_told = match family {
            Family::Ipv4 => inner.whole && inner.piece.is_none(),
            Family::Ipv6 => true,
        };
        if mtu < least || !is_told || matches!(inner.error, Some(Tells::Icmp { .. })) {
            return Ok(());
        }
        if family == Family::Ipv4 {
            self.assume("its program leaves the discovery of the path's MTU as it is (IP_MTU_DISCOVER)".to_owned());
        }
        if !matches!(inner.tracking, Tracking::Not) {
            return Err(Stop::unknown(format!(
                "{} sends an error back that conntrack takes for the packet itself, which is not followed",
                link.name
            )));
        }
        self.bounced = Some(Bounced { place, link: link.clone(), sender: None });
        Err(Stop::Rejected {
            with: format!("too long for the tunnel, MTU {mtu}"),
            why: format!(
                "the tunnel of {} takes {mtu} bytes, and the packet has {}",
                link.name,
                inner.piece.unwrap_or(inner.packet.length)
            ),
            by: Refusal::too_big(family, mtu),
        })
    }

    /// The error comes in by the vxlan, in the name of whom the packet was for. Mirrors `iptunnel_pmtud_build_icmp` and
    /// `iptunnel_pmtud_build_icmpv6`.
    pub fn bounce(&mut self, bounced: Bounced, kind: u8, code: u8) -> Now {
        let about = self.packet.clone();
        let Bounced { place, link, sender } = bounced;
        let (protocol, longest, head) = match about.family() {
            Family::Ipv4 => (ICMP, 576, 28),
            Family::Ipv6 => (ICMPV6, 1280, 48),
        };
        let tuple = Tuple { protocol, source_port: None, destination_port: None, ..about.tuple.inverted() };
        let length = about.length.saturating_add(head).min(longest);
        let packet = Packet { tuple, is_answer: true, icmp: Some(kind), tos: 0, length, uid: None, ..about.clone() };
        self.begin(Tells::Icmp { about: about.tuple, echo: about.icmp, code }, packet);
        self.told_sent(
            place,
            format!("an ICMP error (type {kind}, code {code}) of {} about {}", link.name, about.tuple),
        );
        self.mac = None;
        Now::Frame { place, link, mac: sender }
    }
}
