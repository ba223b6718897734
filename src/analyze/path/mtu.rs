//! How long a packet may be: the MTU of routes and links, and what becomes of one that is longer.
//!
//! May import model and analyze's siblings only. A packet in pieces is followed as one: rules see it whole where
//! conntrack puts it together again, and so does its receiver; elsewhere they see each piece (`rules::pieces`).

use super::packet::{ICMP, TCP};
use super::refusal::Refusal;
use super::types::{StepKind, Stop};
use super::walk::{Egress, Walk};
use super::world::{Link, Place, World};
use crate::model::route::{Family, Route};

/// The shortest MTU that IPv4 allows: what is no longer is never split.
pub(super) const SMALLEST: u32 = 68;
/// `IPV6_MIN_MTU`
const SMALLEST6: u32 = 1280;
/// What a route with a locked MTU and a gateway takes for granted where it names none (`ip_dst_mtu_maybe_forward`).
const LOCKED_WITHOUT: u32 = 576;
/// How much longer than its MTU a frame may be that comes in by a pair or leaves a bridge: `VLAN_HLEN`.
const LEEWAY: u32 = 4;

fn shortest(family: Family) -> u32 {
    match family {
        Family::Ipv4 => SMALLEST,
        Family::Ipv6 => SMALLEST6,
    }
}

impl Walk<'_, '_> {
    /// The MTU of a way for what is sent on (`forwarded`), or sent from here. Mirrors `ip_dst_mtu_maybe_forward` and
    /// `ip6_dst_mtu_maybe_forward`.
    pub fn mtu_of(&mut self, place: Place, egress: &Egress, forwarded: bool) -> Result<u32, Stop> {
        let family = self.packet.family();
        let own = self.packet.tuple.destination;
        // Every way takes what is so short.
        if self.packet.length <= shortest(family) {
            return Ok(egress.mtu.unwrap_or(egress.link.mtu).max(shortest(family)));
        }
        let asks_learned = family == Family::Ipv6
            || !forwarded
            || egress.locked
            || self.setting(place, "ipv4.ip_forward_use_pmtu", 0) != 0;
        if asks_learned && let Some(learned) = self.learned_mtu(place, egress)? {
            return Ok(learned);
        }
        let link = &egress.link;
        Ok(match family {
            Family::Ipv4 => {
                let has_gateway = egress.next_hop.is_some_and(|hop| hop != own);
                let without = if egress.locked && has_gateway { link.mtu.min(LOCKED_WITHOUT) } else { link.mtu };
                egress.mtu.unwrap_or(without)
            }
            Family::Ipv6 => {
                let mtu = match egress.mtu {
                    Some(mtu) => mtu,
                    None => self.mtu6(place, link),
                };
                if forwarded { mtu.max(SMALLEST6) } else { mtu }
            }
        })
    }

    /// What a path's MTU has been learned to be, by an error that came before.
    fn learned_mtu(&mut self, place: Place, egress: &Egress) -> Result<Option<u32>, Stop> {
        let own = self.packet.tuple.destination;
        if let Some(told) = egress.learned {
            return Ok(Some(told));
        }
        let learned = match World::whole(self.world.view(place)?.learned_routes(place.netns)) {
            Ok(learned) => learned,
            Err(Stop::Unknown { because }) => {
                self.assume(format!("no MTU of its path has been learned ({because})"));
                return Ok(None);
            }
            Err(other) => return Err(other),
        };
        let is_its = |route: &&Route| {
            route.dst.addr() == own
                && route.nexthops.first().is_some_and(|hop| hop.ifindex == Some(egress.link.ifindex))
        };
        Ok(learned.value.iter().filter(is_its).find_map(|route| route.mtu))
    }

    /// IPv6 has an MTU of its own for each link.
    fn mtu6(&mut self, place: Place, link: &Link) -> u32 {
        let name = crate::model::sysctl::of_link("ipv6", &link.name, "mtu");
        let own = name.map_or(0, |name| self.setting(place, &name, 0));
        u32::try_from(own).ok().filter(|own| *own > 0).unwrap_or(link.mtu).min(link.mtu)
    }

    /// Whether what a program of the namespace sends may be split on the way. Mirrors `ip_dont_fragment`.
    pub fn keeps_whole(&mut self, place: Place, egress: &Egress) -> Result<bool, Stop> {
        if self.packet.family() == Family::Ipv6 {
            return Ok(true);
        }
        // The kernel's own answers and errors may be.
        let is_kernels = self.packet.tuple.protocol == ICMP && self.packet.is_answer;
        if is_kernels || self.setting(place, "ipv4.ip_no_pmtu_disc", 0) != 0 || egress.locked {
            return Ok(false);
        }
        Ok(egress.next_hop.is_none() || self.packet.length <= self.mtu_of(place, egress, false)?)
    }

    /// A packet that is sent on is too long for its way: it is split, or an error goes to its sender. Mirrors
    /// `ip_forward` and `ip6_forward`.
    pub fn fits_on(&mut self, place: Place, egress: &Egress) -> Result<(), Stop> {
        let mtu = self.mtu_of(place, egress, true)?;
        if mtu == 0 || self.frame_length() <= mtu {
            return Ok(());
        }
        let family = self.packet.family();
        if self.may_split() {
            return Ok(());
        }
        let told = match family {
            Family::Ipv4 => "fragmentation needed",
            Family::Ipv6 => "packet too big",
        };
        let not_split = match family {
            Family::Ipv4 => " and may not be split (DF)",
            Family::Ipv6 => ", which no router splits",
        };
        self.assume_whole();
        let (link, length) = (&egress.link.name, self.frame_length());
        Err(Stop::Rejected {
            with: format!("{told}, MTU {mtu}"),
            why: format!("the way by {link} takes {mtu} bytes, and the packet has {length}{not_split}"),
            by: Refusal::too_big(family, mtu),
        })
    }

    /// It leaves IP: where it is longer than its way takes, in pieces. Mirrors `ip_finish_output` and
    /// `ip6_finish_output`.
    pub fn split_for(&mut self, place: Place, egress: &Egress, forwarded: bool) -> Result<(), Stop> {
        if egress.next_hop.is_none() {
            return Ok(());
        }
        let mtu = self.mtu_of(place, egress, forwarded)?;
        if mtu == 0 || self.frame_length() <= mtu {
            return Ok(());
        }
        if !forwarded && self.outer > 0 && self.whole {
            return Err(Stop::dropped(format!(
                "the way by {} takes {mtu} bytes, the outer packet has {}, and may not be split",
                egress.link.name, self.packet.length
            )));
        }
        if !forwarded && self.packet.tuple.protocol == TCP {
            return Err(Stop::unknown(format!(
                "TCP sends no packet of {} bytes by {}: it cuts what it has to the MTU of {mtu}; ask with --length {mtu}",
                self.packet.length, egress.link.name
            )));
        }
        self.split(place, mtu);
        Ok(())
    }

    fn split(&mut self, place: Place, mtu: u32) {
        // A fragment's header of IPv6 has eight bytes.
        let header = match self.packet.family() {
            Family::Ipv4 => self.packet.header_length(),
            Family::Ipv6 => self.packet.header_length() + 8,
        };
        let room = (mtu.saturating_sub(header) / 8 * 8).max(8);
        let payload = self.packet.length.saturating_sub(self.packet.header_length());
        let pieces = payload.div_ceil(room);
        self.piece = Some(room + header);
        self.joined = false;
        self.missing.clear();
        self.step(place, StepKind::Split { mtu, pieces }, None);
    }

    /// How long the longest frame of it is.
    pub fn frame_length(&self) -> u32 {
        self.piece.unwrap_or(self.packet.length)
    }

    /// Whether a router may split it.
    fn may_split(&self) -> bool {
        self.packet.family() == Family::Ipv4 && !self.whole
    }

    /// That it may not be split is what sockets do unless they are told otherwise.
    fn assume_whole(&mut self) {
        if self.packet.family() == Family::Ipv4 {
            self.assume("its program leaves the discovery of the path's MTU as it is (IP_MTU_DISCOVER)".to_owned());
        }
    }

    /// Its pieces are put together. IPv6 keeps in mind how long they were.
    pub fn join(&mut self) -> Result<(), Stop> {
        match self.packet.family() {
            Family::Ipv4 => self.arrives_whole(),
            Family::Ipv6 => {
                self.joined = true;
                self.lost.take().map_or(Ok(()), |why| Err(Stop::dropped(why)))
            }
        }
    }

    /// Whoever puts its pieces together has them all.
    pub fn arrives_whole(&mut self) -> Result<(), Stop> {
        self.piece = None;
        self.lost.take().map_or(Ok(()), |why| Err(Stop::dropped(why)))
    }

    /// The other end of a pair takes frames a little longer than its MTU, and tells nobody of others. Mirrors
    /// `__is_skb_forwardable`.
    pub fn fits_pair(&self, peer: &Link) -> Result<(), Stop> {
        if peer.mtu == 0 || self.frame_length() <= peer.mtu.saturating_add(LEEWAY) {
            return Ok(());
        }
        Err(Stop::dropped(format!(
            "{}, the other end of the pair, takes {} bytes, the packet has {}, and a pair tells nobody",
            peer.name,
            peer.mtu,
            self.frame_length()
        )))
    }

    /// The same of the link that a macvlan lies on, by which its frames come to those beside it (`dev_forward_skb`).
    pub fn fits_below(&self, lower: &Link) -> Result<(), Stop> {
        if lower.mtu == 0 || self.frame_length() <= lower.mtu.saturating_add(LEEWAY) {
            return Ok(());
        }
        Err(Stop::dropped(format!(
            "{}, the link below, takes {} bytes, the packet has {}, and nobody is told",
            lower.name,
            lower.mtu,
            self.frame_length()
        )))
    }

    /// The same of a bridge's port; where its frames go through IP's hooks it splits what may be split
    /// (`br_nf_dev_queue_xmit`).
    pub fn fits_port(&mut self, place: Place, port: &Link, filtered: bool) -> Result<(), Stop> {
        let length = self.frame_length();
        let most = if filtered { port.mtu } else { port.mtu.saturating_add(LEEWAY) };
        if port.mtu == 0 || length <= most {
            return Ok(());
        }
        if filtered && self.packet.family() == Family::Ipv6 {
            return Err(Stop::unknown(format!(
                "{} takes {} bytes, the packet has {length}, and who is told of that by a bridge is not followed",
                port.name, port.mtu
            )));
        }
        if filtered && self.may_split() {
            self.split(place, port.mtu);
            return Ok(());
        }
        self.assume_whole();
        Err(Stop::dropped(format!(
            "{} takes {} bytes, the packet has {length}, and a bridge tells nobody",
            port.name, port.mtu
        )))
    }
}
