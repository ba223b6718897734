//! Who asks for link-layer addresses sends frames of its own, which rules may stop: a solicitation of IPv6 there, an
//! advertisement back; a question of ARP, and its answer.
//!
//! May import model and analyze's siblings only.

use std::net::{IpAddr, Ipv6Addr};

use super::flow::Tracking;
use super::frame::{Arp, Frame, HOST};
use super::packet::{ICMPV6, Packet, Tuple};
use super::segment::{Hearer, Through};
use super::types::Stop;
use super::walk::{Crossing, Walk};
use super::world::{Link, Place};
use crate::analyze::naming::LinkRef;
use crate::model::ids::MacAddr;
use crate::model::netfilter::chain::Hook;

const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;
/// The only one that neighbour discovery takes.
const HOP_LIMIT: u8 = 255;

impl Walk<'_, '_> {
    /// Whether rules let the question through, and the answer back. ARP crosses none of IP's hooks.
    pub fn question_passes(
        &mut self,
        (here, asker): (Place, &Link),
        heard: &Hearer,
        target: IpAddr,
        sender: Option<IpAddr>,
    ) -> Result<bool, Stop> {
        let Hearer { place: there, link: hearer, through, by, .. } = heard;
        let there = *there;
        let back: Vec<Through> = through
            .iter()
            .rev()
            .map(|one| match &one.to {
                Some(to) => Through { from: to.clone(), to: Some(one.from.clone()), ..one.clone() },
                None => one.clone(),
            })
            .collect();
        // An answer of the bridge itself leaves it by a port, and goes through none of IP's hooks there.
        let answers_by = through.last().filter(|last| last.to.is_none()).map(|last| last.from.clone());
        let mut back: Vec<Through> = back.into_iter().filter(|one| one.to.is_some()).collect();
        // And one to the bridge itself comes in by a port, through those of prerouting.
        if let Some(port) = by {
            back.push(Through { place: here, bridge: asker.clone(), from: port.clone(), to: None });
        }
        let (asks, answers) = match target {
            IpAddr::V4(target) => {
                let sender = match sender {
                    Some(IpAddr::V4(sender)) => sender,
                    _ => std::net::Ipv4Addr::UNSPECIFIED,
                };
                let nobody = MacAddr(vec![0; 6]);
                let own = (asker.mac.clone(), sender);
                let asks = Arp { operation: 1, sender: own.clone(), target: (nobody, target) };
                let answers = Arp { operation: 2, sender: (hearer.mac.clone(), target), target: own };
                let stands_for = packet(target.into(), target.into(), 0);
                ((stands_for.clone(), Some(asks)), (stands_for, Some(answers)))
            }
            IpAddr::V6(target) => {
                let sender = match sender {
                    Some(sender) => sender,
                    None => self.link_local(here, asker)?.unwrap_or(Ipv6Addr::UNSPECIFIED.into()),
                };
                let asks = packet(sender, solicited_node(target).into(), SOLICITATION);
                ((asks, None), (packet(target.into(), sender, ADVERTISEMENT), None))
            }
        };
        let to_all = match target {
            IpAddr::V4(_) => MacAddr(vec![0xff; 6]),
            IpAddr::V6(target) => {
                let [.., a, b, c] = target.octets();
                MacAddr(vec![0x33, 0x33, 0xff, a, b, c])
            }
        };
        Ok(self.passes(asks, to_all, (here, asker, by.clone()), (there, hearer), through)?
            && self.passes(answers, asker.mac.clone(), (there, hearer, answers_by), (here, asker), &back)?)
    }

    fn link_local(&self, place: Place, link: &Link) -> Result<Option<IpAddr>, Stop> {
        let addresses = self.world.addresses(place)?;
        let own = addresses.value.iter().filter(|held| held.ifindex == link.ifindex).map(|held| held.address.addr());
        Ok(own.into_iter().find(|own| matches!(own, IpAddr::V6(own) if own.is_unicast_link_local())))
    }

    /// Whether a frame of the kernel's own gets from one link to another.
    fn passes(
        &mut self,
        (packet, arp): (Packet, Option<Arp>),
        to: MacAddr,
        (here, sender, by): (Place, &Link, Option<Link>),
        (there, receiver): (Place, &Link),
        through: &[Through],
    ) -> Result<bool, Stop> {
        let packet = std::mem::replace(&mut self.packet, packet);
        let tracking = std::mem::replace(&mut self.tracking, Tracking::Not);
        let steps = std::mem::take(&mut self.steps);
        let acted = std::mem::take(&mut self.acted);
        let counted = std::mem::take(&mut self.counted);
        let tried = std::mem::take(&mut self.tried);
        let zone = std::mem::take(&mut self.zone);
        let (error, attached, stood) = (self.error.take(), self.attached, self.here);
        let piece = self.piece.take();
        let is_own = std::mem::replace(&mut self.is_own, false);
        let mac = self.mac.replace(sender.mac.clone());
        let frame = Frame { to: Some(to.clone()), kind: HOST, arp, ..Frame::default() };
        let frame = std::mem::replace(&mut self.frame, frame);
        let mut passed = self.crossings((here, sender, by.as_ref()), there, receiver, through);
        if passed.is_ok() && (self.frame.to != Some(to) || self.mac.as_ref() != Some(&sender.mac)) {
            passed = Err(Stop::unknown("a rule changes the addresses of frames that ask for neighbours"));
        }
        self.packet = packet;
        self.tracking = tracking;
        self.steps = steps;
        self.acted = acted;
        self.counted = counted;
        self.tried = tried;
        self.zone = zone;
        (self.error, self.attached, self.here) = (error, attached, stood);
        self.piece = piece;
        self.is_own = is_own;
        self.mac = mac;
        self.frame = frame;
        match passed {
            Ok(()) => Ok(true),
            Err(Stop::Unknown { because }) => Err(Stop::unknown(because)),
            Err(_) => Ok(false),
        }
    }

    fn crossings(
        &mut self,
        (here, sender, by): (Place, &Link, Option<&Link>),
        there: Place,
        receiver: &Link,
        through: &[Through],
    ) -> Result<(), Stop> {
        let is_ip = self.frame.arp.is_none();
        let at = Crossing::new;
        if is_ip {
            self.cross(&mut at(here, Hook::Output, None, Some(sender)))?;
            // What the kernel's own neighbour discovery sends is of its link from the start, and that is what
            // postrouting takes for the link that it came in by (`ndisc_alloc_skb`, `ip6_output`).
            self.cross(&mut at(here, Hook::Postrouting, Some(sender), Some(sender)))?;
        }
        if !is_ip {
            self.no_arp_chains(here, Hook::Output)?;
        }
        self.egress_of(here, sender)?;
        if let Some(port) = by {
            self.goes_out(here, sender, None, port, false)?;
            self.egress_of(here, port)?;
        }
        self.scrub(here, there);
        let mut crossed = None;
        for Through { place, bridge, from, to } in through {
            let filtered = self.hands_to_ip(*place, bridge)?;
            self.tracking = Tracking::Not;
            self.arrives_at(from);
            self.ingress(*place, from)?;
            if self.frame.to.as_ref() == Some(&bridge.mac) {
                self.frame.kind = HOST;
            }
            self.prerouting(*place, bridge, from, filtered)?;
            match to {
                None => {
                    crossed = Some(LinkRef::of(from)).filter(|_| filtered);
                    self.goes_up(*place, bridge, Some(from))?;
                }
                Some(to) => {
                    if !is_ip {
                        self.no_arp_chains(*place, Hook::Forward)?;
                    }
                    self.goes_out(*place, bridge, Some(from), to, filtered)?;
                    self.egress_of(*place, to)?;
                    self.scrub(*place, there);
                }
            }
        }
        if through.last().is_none_or(|last| last.to.is_some()) {
            self.arrives_at(receiver);
            self.ingress(there, receiver)?;
        }
        if !is_ip {
            return self.no_arp_chains(there, Hook::Input);
        }
        if crossed.is_none() {
            self.cross(&mut at(there, Hook::Prerouting, Some(receiver), None))?;
        }
        self.cross(&mut Crossing { port_in: crossed, ..at(there, Hook::Input, Some(receiver), None) })?;
        // What has crossed a router, or looks so, is not believed.
        if self.packet.ttl != HOP_LIMIT {
            return Err(Stop::dropped("its hop limit is not 255"));
        }
        Ok(())
    }
}

fn packet(source: IpAddr, destination: IpAddr, kind: u8) -> Packet {
    let tuple = Tuple { source, destination, protocol: ICMPV6, source_port: None, destination_port: None };
    // Its header, and the link-layer address as an option.
    let length = 40 + 32;
    Packet { tuple, is_answer: false, icmp: Some(kind), mark: 0, tos: 0, ttl: HOP_LIMIT, length, uid: None }
}

/// `ff02::1:ff00:0/104` and the last three bytes of the address.
fn solicited_node(target: Ipv6Addr) -> Ipv6Addr {
    let [.., a, b, c] = target.octets();
    Ipv6Addr::from([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, a, b, c])
}
