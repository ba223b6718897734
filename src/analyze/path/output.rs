//! What a namespace itself sends: source and route, output, postrouting.
//!
//! May import model and analyze's siblings only.

use std::net::{IpAddr, Ipv6Addr};

use super::error::Here;
use super::flow::Tracking;
use super::mtu::SMALLEST;
use super::packet::ICMPV6;
use super::refusal::Refusal;
use super::types::{StepKind, Stop};
use super::walk::{Crossing, Egress, LOOPBACK, Now, Walk};
use super::world::{Link, Place};
use crate::analyze::fib::{self, Lookup, Outcome, Source};
use crate::analyze::naming::LinkRef;
use crate::model::ids::IfIndex;
use crate::model::netfilter::chain::Hook;
use crate::model::route::{RouteKind, RouteQuery, RouteWitness};

/// `1 << RTAX_MTU`
const LOCKED_MTU: u32 = 1 << 2;

impl Walk<'_, '_> {
    /// The question that the routes are asked for the packet as it is.
    pub fn route_query(&self, iif: Option<IfIndex>, oif: Option<IfIndex>) -> RouteQuery {
        let tuple = self.packet.tuple;
        let port = |port: Option<u16>| port.filter(|_| tuple.has_ports());
        RouteQuery {
            src: Some(tuple.source).filter(|source| !source.is_unspecified()),
            iif,
            oif,
            mark: self.packet.mark,
            tos: self.packet.tos,
            protocol: Some(tuple.protocol),
            source_port: port(tuple.source_port),
            destination_port: port(tuple.destination_port),
            uid: self.packet.uid,
            ..RouteQuery::to(tuple.destination)
        }
    }

    /// A program of the namespace sends the packet: it gets its source, where it has none yet.
    pub fn send(&mut self, place: Place, oif: Option<IfIndex>) -> Result<Now, Stop> {
        self.tracking = Tracking::Not;
        self.zone = 0;
        // Echos are answered by the kernel, whose sockets belong to nobody.
        self.is_own = !(self.packet.is_answer && self.packet.tuple.is_echo());
        let mut why = if self.packet.is_answer { "it was sent there" } else { "it was asked for" }.to_owned();
        self.own_source(place)?;
        let mut found = self.world.route(place, &self.sending_query(oif))?;
        if self.packet.tuple.source.is_unspecified() {
            let (address, reason, is_kept) = match self.packet.tuple.destination {
                IpAddr::V6(to) => self.source6(place, oif, to, &found)?,
                // A socket that connects asks again with the source that it was given. Mirrors `ip_route_connect`.
                IpAddr::V4(_) => {
                    refused(&found)?;
                    let (address, reason) = self.chosen_source(&found)?;
                    (address, reason, false)
                }
            };
            why = reason;
            self.packet.tuple.source = address;
            if !is_kept {
                found = self.world.route(place, &self.sending_query(oif))?;
            }
        }
        refused(&found)?;
        let tuple = self.packet.tuple;
        self.sent.get_or_insert(tuple);
        self.step(place, StepKind::Sent { tuple, source: why }, None);
        self.send_by(place, &found)
    }

    /// The question as a sender asks it. The kernel answers an IPv6 echo with the echo's traffic class, but asks for the
    /// way without. Mirrors `icmpv6_echo_reply`.
    fn sending_query(&self, oif: Option<IfIndex>) -> RouteQuery {
        let query = self.route_query(None, oif);
        let is_echo_reply = self.packet.is_answer && self.packet.tuple.protocol == ICMPV6;
        RouteQuery { tos: if is_echo_reply { 0 } else { query.tos }, ..query }
    }

    /// The source of an IPv6 socket that has none, and whether it keeps the route that it found without one. A look-up
    /// that fails is forgotten: it asks again, with a source that no route chose. Mirrors `ip6_dst_lookup_tail`.
    pub(super) fn source6(
        &mut self,
        place: Place,
        oif: Option<IfIndex>,
        to: Ipv6Addr,
        found: &Lookup,
    ) -> Result<(IpAddr, String, bool), Stop> {
        single(found)?;
        match &found.outcome {
            Outcome::Sent | Outcome::Delivered => {
                let (address, why) = self.chosen_source(found)?;
                Ok((address, why, true))
            }
            Outcome::Unknown { why } => Err(Stop::unknown(why.clone())),
            Outcome::Refused { .. } => {
                let chosen = fib::source_without_route(self.world.view(place)?, place.netns, oif, to);
                if let Source::None { why } = chosen {
                    return Err(Stop::rejected("EADDRNOTAVAIL", Refusal::Errno, why));
                }
                let (address, why) = self.one_source(&chosen)?;
                Ok((address, why, false))
            }
        }
    }

    /// A program can send in the name of its own namespace only.
    fn own_source(&self, place: Place) -> Result<(), Stop> {
        let source = self.packet.tuple.source;
        if self.packet.is_answer || source.is_unspecified() || source.is_ipv4() || source.is_loopback() {
            return Ok(());
        }
        let addresses = self.world.addresses(place)?;
        if addresses.value.iter().any(|held| held.address.addr() == source) {
            return Ok(());
        }
        Err(Stop::rejected("EADDRNOTAVAIL", Refusal::Errno, format!("{source} is no address of this namespace")))
    }

    /// The same for an answer, which has its source.
    pub fn send_by(&mut self, place: Place, found: &Lookup) -> Result<Now, Stop> {
        let mut egress = self.egress(place, found)?;
        self.told_route(place, found, &egress);
        self.sends_from(place, &egress)?;
        let mut at = Crossing::new(place, Hook::Output, None, Some(&egress.link));
        if let Some(rerouted) = self.cross(&mut at)? {
            egress = rerouted;
            if let Some(here) = &mut self.here {
                here.is_local = egress.next_hop.is_none();
            }
        }
        self.postrouting(place, egress, None)
    }

    /// Postrouting, and away.
    pub fn postrouting(&mut self, place: Place, egress: Egress, input: Option<&Link>) -> Result<Now, Stop> {
        let is_forwarded = input.is_some();
        let mut at = Crossing::new(place, Hook::Postrouting, input, Some(&egress.link));
        self.next_hop = egress.next_hop;
        self.cross(&mut at)?;
        self.next_hop = None;
        self.split_for(place, &egress, is_forwarded)?;
        Ok(Now::Leaving { place, egress })
    }

    /// It is at its sender now, and may be split on its way or not.
    fn sends_from(&mut self, place: Place, egress: &Egress) -> Result<(), Stop> {
        let is_local = egress.next_hop.is_none();
        self.here = Some(Here { place, hook: None, input: None, port: None, is_local });
        self.piece = None;
        self.lost = None;
        self.whole = self.packet.length <= SMALLEST || self.keeps_whole(place, egress)?;
        Ok(())
    }

    pub fn chosen_source(&mut self, found: &Lookup) -> Result<(IpAddr, String), Stop> {
        let ways: Vec<&Source> = found.usable().map(|way| &way.source).collect();
        match ways.as_slice() {
            [one] => self.one_source(one),
            _ => match found.source() {
                Some(address) => Ok((address, "all ways give this one".to_owned())),
                None => Err(Stop::unknown("the source address hangs on which of several ways is taken")),
            },
        }
    }

    fn one_source(&mut self, source: &Source) -> Result<(IpAddr, String), Stop> {
        match source {
            Source::Chosen { address, why } => Ok((*address, why.clone())),
            Source::OneOf { addresses, why } => {
                let words: Vec<_> = addresses.iter().map(|address| (address.to_string(), None)).collect();
                let taken = self.chance.fork(&format!("the source address: {why}"), &words);
                let address = addresses.get(taken).copied();
                address.map(|address| (address, why.clone())).ok_or_else(|| Stop::unknown(why.clone()))
            }
            Source::Unknown { why } => Err(Stop::unknown(format!("the source address: {why}"))),
            Source::None { why } => Err(Stop::unknown(format!("it would have no source address: {why}"))),
            Source::Given { address } => Ok((*address, "it was asked for".to_owned())),
        }
    }

    /// The way that a look-up leads to.
    pub fn egress(&mut self, place: Place, found: &Lookup) -> Result<Egress, Stop> {
        let mtu = found.route.as_ref().and_then(|route| route.mtu);
        if matches!(found.outcome, Outcome::Delivered) {
            let link = self.world.link(place, LOOPBACK)?;
            return Ok(Egress { link, next_hop: None, mtu: None, locked: false, learned: None });
        }
        let ways: Vec<_> = found.usable().collect();
        let way = match ways.as_slice() {
            [] => return Err(Stop::dropped("no next hop of the route can be used")),
            [one] => one,
            several => {
                let sum: f64 = several.iter().map(|way| f64::from(way.weight)).sum();
                let words: Vec<_> = several
                    .iter()
                    .map(|way| {
                        let link = way.link.as_ref().map_or_else(|| "?".to_owned(), ToString::to_string);
                        let words = way.gateway.map_or_else(|| link.clone(), |gateway| format!("{gateway} by {link}"));
                        (words, Some(f64::from(way.weight) / sum))
                    })
                    .collect();
                let taken = self.chance.fork("a hash of the flow picks the next hop", &words);
                several.get(taken).ok_or_else(|| Stop::unknown("several next hops"))?
            }
        };
        if let Some(encap) = &way.encap {
            return Err(Stop::unknown(format!("the route's encapsulation {} is not followed", encap.kind)));
        }
        let ifindex = way.ifindex.ok_or_else(|| Stop::unknown("the route names no link"))?;
        let link = self.world.link(place, ifindex)?;
        let next_hop = Some(way.gateway.unwrap_or(self.packet.tuple.destination));
        let locked = found
            .route
            .as_ref()
            .is_some_and(|route| route.metrics.iter().any(|(name, bits)| name == "lock" && bits & LOCKED_MTU != 0));
        // Asked for one destination, the kernel tells what it has learned of it, and for how long that holds.
        let learned = match found.witness.as_ref().and_then(|witness| witness.answer.as_ref()) {
            Some(RouteWitness::Found { resolved, .. }) => resolved.mtu.filter(|_| resolved.expires_s.is_some()),
            _ => None,
        };
        Ok(Egress { link, next_hop, mtu, locked, learned })
    }

    pub fn told_route(&mut self, place: Place, found: &Lookup, egress: &Egress) {
        let gateway = egress.next_hop.filter(|hop| *hop != self.packet.tuple.destination);
        let what = StepKind::Routed {
            route: found.route.clone().map(Box::new),
            table: found.table,
            rule: found.rule.as_ref().map(|rule| rule.priority),
            link: egress.next_hop.map(|_| LinkRef::of(&egress.link)),
            gateway,
        };
        self.step(place, what, None);
    }

    /// Rules of output changed what the route hangs on: it is looked up again. Mirrors `ip_route_me_harder`.
    pub fn reroute(&mut self, place: Place) -> Result<Egress, Stop> {
        let query = RouteQuery { any_source: true, ..self.route_query(None, None) };
        let found = self.world.route(place, &query)?;
        if let Outcome::Refused { name, why, .. } = &found.outcome {
            let why = format!("after it was changed no route takes it ({name}): {why}");
            return Err(Stop::rejected(name.clone(), Refusal::Errno, why));
        }
        refused(&found)?;
        let egress = self.egress(place, &found)?;
        self.told_route(place, &found, &egress);
        Ok(egress)
    }
}

/// The sender is told at once.
pub(super) fn refused(found: &Lookup) -> Result<(), Stop> {
    single(found)?;
    match &found.outcome {
        Outcome::Sent | Outcome::Delivered => Ok(()),
        Outcome::Refused { name, why, .. } => Err(Stop::rejected(name.clone(), Refusal::Errno, why.clone())),
        Outcome::Unknown { why } => Err(Stop::unknown(why.clone())),
    }
}

/// Only what goes to one host is followed.
pub(super) fn single(found: &Lookup) -> Result<(), Stop> {
    match found.kind {
        Some(kind @ (RouteKind::Broadcast | RouteKind::Multicast)) => {
            Err(Stop::unknown(format!("{} is a {kind} address, which is not followed", found.query.dst)))
        }
        _ => Ok(()),
    }
}
