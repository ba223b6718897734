//! What IP does with a packet that comes in: prerouting, whose it is, input or forward.
//!
//! May import model and analyze's siblings only.

use super::error::Here;
use super::output::single;
use super::packet::TCP;
use super::refusal::Refusal;
use super::types::{StepKind, Stop};
use super::walk::{Crossing, LOOPBACK, Now, Walk};
use super::world::{Link, Place};
use crate::analyze::fib::{Lookup, Outcome};
use crate::analyze::naming::LinkRef;
use crate::model::netfilter::chain::Hook;
use crate::model::route::Family;

impl Walk<'_, '_> {
    /// The packet goes up to IP from a link.
    pub fn receive(&mut self, place: Place, link: Link, crossed: Option<LinkRef>) -> Result<Now, Stop> {
        let port = crossed.as_ref().map(|port| port.ifindex);
        self.here = Some(Here { place, hook: None, input: Some(link.ifindex), port, is_local: false });
        if crossed.is_none() {
            self.cross(&mut Crossing::new(place, Hook::Prerouting, Some(&link), None))?;
        }
        // What a namespace sends to itself keeps the route that it was sent by.
        if link.ifindex == LOOPBACK {
            return self.deliver(place, link, crossed);
        }
        let found = self.world.route(place, &self.route_query(Some(link.ifindex), None))?;
        single(&found)?;
        match &found.outcome {
            Outcome::Delivered => {
                let egress = self.egress(place, &found)?;
                self.told_route(place, &found, &egress);
                self.deliver(place, link, crossed)
            }
            Outcome::Sent => self.forward(place, &link, crossed, &found),
            Outcome::Refused { errno, why, .. } => Err(self.not_routed(place, &link, *errno, why)?),
            Outcome::Unknown { why } => Err(Stop::unknown(why.clone())),
        }
    }

    fn forwards(&self, place: Place, link: &Link) -> Result<bool, Stop> {
        match self.packet.family() {
            Family::Ipv4 => Ok(self.world.link_sysctl(place, "ipv4", link, "forwarding")? != 0),
            Family::Ipv6 => Ok(self.world.sysctl(place, "ipv6.conf.all.forwarding")? != 0
                || self.world.link_sysctl(place, "ipv6", link, "force_forwarding")? != 0),
        }
    }

    /// What the sender hears of a packet that no route takes. Mirrors `ip_error` and `ip6_pkt_discard`.
    fn not_routed(&mut self, place: Place, link: &Link, errno: i32, why: &str) -> Result<Stop, Stop> {
        let family = self.packet.family();
        let Some((by, told)) = Refusal::of_route(family, errno) else { return Ok(Stop::dropped(why)) };
        let tells = family == Family::Ipv6 || self.forwards(place, link)?;
        if tells && family == Family::Ipv4 {
            self.assume("no route refused more than a few packets of its sender of late (error_burst)".to_owned());
        }
        Ok(if tells { Stop::rejected(told, by, why) } else { Stop::dropped(why) })
    }

    fn deliver(&mut self, place: Place, link: Link, crossed: Option<LinkRef>) -> Result<Now, Stop> {
        if let Some(here) = &mut self.here {
            here.is_local = true;
        }
        // Its pieces are put together before rules of input see them; IPv6's are behind these (`ipv6_frag_rcv`).
        if self.packet.family() == Family::Ipv4 {
            self.arrives_whole()?;
        }
        self.cross(&mut Crossing { port_in: crossed, ..Crossing::new(place, Hook::Input, Some(&link), None) })?;
        self.arrives_whole()?;
        if self.outer > 0 {
            return Ok(Now::Arrived(place));
        }
        let listener = self.hand_to_socket(place, &link)?.map(Box::new);
        // The SYN-ACK is the listener's own; of UDP a program may answer by another socket.
        self.answerer = listener.as_ref().filter(|_| self.packet.tuple.protocol == TCP).and_then(|found| found.user());
        let tuple = self.packet.tuple;
        self.step(place, StepKind::Delivered { tuple, listener }, None);
        self.came_by = Some(link);
        Ok(Now::Arrived(place))
    }

    fn forward(&mut self, place: Place, link: &Link, crossed: Option<LinkRef>, found: &Lookup) -> Result<Now, Stop> {
        if !self.forwards(place, link)? {
            return Err(Stop::dropped(format!(
                "it is not for this namespace, and {} does not forward",
                if self.packet.family() == Family::Ipv4 { link.name.to_string() } else { "IPv6 here".to_owned() }
            )));
        }
        let egress = self.egress(place, found)?;
        self.told_route(place, found, &egress);
        if self.packet.ttl <= 1 {
            let by = Refusal::time_exceeded(self.packet.family());
            return Err(Stop::rejected("time exceeded", by, "its TTL is used up"));
        }
        self.fits_on(place, &egress)?;
        self.no_circle(place, link.ifindex)?;
        self.packet.ttl -= 1;
        let ttl = self.packet.ttl;
        self.step(place, StepKind::Forwarded { ttl }, None);
        self.cross(&mut Crossing {
            port_in: crossed,
            ..Crossing::new(place, Hook::Forward, Some(link), Some(&egress.link))
        })?;
        self.postrouting(place, egress, Some(link))
    }
}
