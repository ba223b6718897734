//! IPv6 asks for link-layer addresses by packets of its own, which rules may stop: a solicitation there,
//! an advertisement back.
//!
//! May import model and analyze's siblings only.

use std::net::{IpAddr, Ipv6Addr};

use super::flow::Tracking;
use super::packet::{ICMPV6, Packet, Tuple};
use super::segment::{Hearer, Through};
use super::types::Stop;
use super::walk::{Crossing, Walk};
use super::world::Place;
use crate::analyze::naming::LinkRef;
use crate::model::link::Link;
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
        let IpAddr::V6(target) = target else { return Ok(true) };
        let Hearer { place: there, link: hearer, through, by } = heard;
        let there = *there;
        let sender = match sender {
            Some(sender) => sender,
            None => self.link_local(here, asker)?.unwrap_or(Ipv6Addr::UNSPECIFIED.into()),
        };
        let asked = packet(sender, solicited_node(target).into(), SOLICITATION);
        let answer = packet(target.into(), sender, ADVERTISEMENT);
        let back: Vec<Through> = through
            .iter()
            .rev()
            .map(|one| match &one.to {
                Some(to) => Through { from: to.clone(), to: Some(one.from.clone()), ..one.clone() },
                None => one.clone(),
            })
            .collect();
        // An answer of the bridge itself leaves it by a port, and goes through none of its hooks there.
        let mut back: Vec<Through> = back.into_iter().filter(|one| one.to.is_some()).collect();
        // And one to the bridge itself comes in by a port, through those of prerouting.
        if let Some(port) = by {
            back.push(Through { place: here, bridge: asker.clone(), from: port.clone(), to: None });
        }
        Ok(self.passes(asked, (here, asker), (there, hearer), through)?
            && self.passes(answer, (there, hearer), (here, asker), &back)?)
    }

    fn link_local(&self, place: Place, link: &Link) -> Result<Option<IpAddr>, Stop> {
        let addresses = self.world.addresses(place)?;
        let own = addresses.value.iter().filter(|held| held.ifindex == link.ifindex).map(|held| held.address.addr());
        Ok(own.into_iter().find(|own| matches!(own, IpAddr::V6(own) if own.is_unicast_link_local())))
    }

    /// Whether a packet of the kernel's own gets from one link to another.
    fn passes(
        &mut self,
        packet: Packet,
        (here, sender): (Place, &Link),
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
        let passed = self.crossings(here, sender, there, receiver, through);
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
        match passed {
            Ok(()) => Ok(true),
            Err(Stop::Unknown { because }) => Err(Stop::unknown(because)),
            Err(_) => Ok(false),
        }
    }

    fn crossings(
        &mut self,
        here: Place,
        sender: &Link,
        there: Place,
        receiver: &Link,
        through: &[Through],
    ) -> Result<(), Stop> {
        let at = |place, hook, input: Option<&Link>, output: Option<&Link>| Crossing {
            place,
            hook,
            input: input.cloned(),
            output: output.cloned(),
            port_in: None,
            port_out: None,
            in_bridge: false,
        };
        self.cross(&mut at(here, Hook::Output, None, Some(sender)))?;
        // What the kernel's own neighbour discovery sends is of its link from the start, and that is what postrouting
        // takes for the link that it came in by (`ndisc_alloc_skb`, `ip6_output`).
        self.cross(&mut at(here, Hook::Postrouting, Some(sender), Some(sender)))?;
        self.scrub(here, there);
        let mut crossed = None;
        for Through { place, bridge, from, to } in through {
            if !self.hands_to_ip(*place, bridge)? {
                continue;
            }
            self.tracking = Tracking::Not;
            let (port_in, port_out) = (Some(LinkRef::of(from)), to.as_ref().map(LinkRef::of));
            let within = |hook, input: Option<&Link>, output: Option<&Link>, port_out| Crossing {
                port_in: port_in.clone(),
                port_out,
                in_bridge: true,
                ..at(*place, hook, input, output)
            };
            self.cross(&mut within(Hook::Prerouting, Some(bridge), None, None))?;
            crossed = port_in.clone().filter(|_| to.is_none());
            if to.is_some() {
                self.cross(&mut within(Hook::Forward, Some(bridge), Some(bridge), port_out.clone()))?;
                self.cross(&mut within(Hook::Postrouting, None, Some(bridge), port_out))?;
                self.scrub(*place, there);
            }
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
