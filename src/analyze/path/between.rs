//! From one node to another, over a network that none of them tells of.
//!
//! May import model and analyze's siblings only. A node knows its next hop and no more. Where the next
//! hop is another node that is asked, the packet is with that one; where it is a router that belongs to
//! none, the network between is taken to do what it is for: to hand the packet to the one node that has
//! its destination. That is said among what was assumed.

use std::net::IpAddr;

use super::types::{StepKind, Stop};
use super::walk::{Now, Walk};
use super::world::{Link, Place};
use crate::analyze::fib::Outcome;
use crate::analyze::naming::LinkRef;
use crate::model::ids::IfIndex;
use crate::model::link::LinkKind;
use crate::model::route::RouteQuery;

impl Walk<'_, '_> {
    /// Whether a link leads to where nothing can be seen.
    pub fn leads_out(&self, place: Place, link: &Link) -> Result<bool, Stop> {
        match link.kind {
            LinkKind::Physical => Ok(true),
            LinkKind::Veth => match self.world.peer(place, link) {
                Ok(_) => Ok(false),
                Err(Stop::Unknown { .. }) => Ok(place.netns == self.world.view(place)?.node().host_netns),
                Err(other) => Err(other),
            },
            _ => Ok(false),
        }
    }

    /// The packet leaves a node: to which other one, and by which of its links?
    pub fn cross_to_node(&mut self, place: Place, link: &Link, next_hop: IpAddr) -> Result<Now, Stop> {
        self.count_link()?;
        if !link.up {
            return Err(Stop::dropped(format!("{} is down", link.name)));
        }
        self.mac = Some(link.mac.clone());
        self.frame.to = None;
        self.egress_of(place, link)?;
        self.no_programs(place, link)?;
        let tuple = self.packet.tuple;
        self.step(place, StepKind::Out { link: LinkRef::of(link), tuple }, None);
        let destination = self.packet.tuple.destination;
        let others: Vec<Place> = self.world.hosts().into_iter().filter(|other| other.node != place.node).collect();
        let mut found = Vec::new();
        for other in &others {
            if let Some(entry) = self.holder(*other, next_hop)? {
                found.push((*other, entry, true));
            }
        }
        if found.is_empty() {
            for other in &others {
                if self.has_behind_it(*other, destination)?
                    && let Some(entry) = self.uplink(place, link, *other)?
                {
                    found.push((*other, entry, false));
                }
            }
        }
        match found.as_slice() {
            [(other, entry, is_next_hop)] => {
                let (other, entry, is_next_hop) = (*other, entry.clone(), *is_next_hop);
                let name = self.world.view(other)?.node().name;
                let how = if is_next_hop {
                    format!("the next hop {next_hop} is {name}")
                } else {
                    let how = format!("the network beyond {next_hop} hands packets to {destination} to {name}");
                    self.assume(how.clone());
                    format!("taken for granted: {how}")
                };
                self.scrub(place, other);
                self.step(other, StepKind::Crossed { how }, None);
                self.step(other, StepKind::In { link: LinkRef::of(&entry), tuple }, None);
                self.enters_by(other, &entry)?;
                Ok(Now::Up { place: other, link: entry, crossed: None })
            }
            [] => Ok(self.leave_for_outside(place, link)),
            _ => Err(Stop::unknown(format!("several nodes have {destination}"))),
        }
    }

    /// The link of a node's own namespace that has an address.
    fn holder(&self, place: Place, address: IpAddr) -> Result<Option<Link>, Stop> {
        let addresses = self.world.addresses(place)?;
        let held = addresses.value.iter().find(|held| held.address.addr() == address).map(|held| held.ifindex);
        held.filter(|link| *link != IfIndex(1)).map(|link| self.world.link(place, link)).transpose()
    }

    /// Whether a destination is a node's own, or on one of its links that lead to its pods.
    fn has_behind_it(&self, place: Place, destination: IpAddr) -> Result<bool, Stop> {
        let found = self.world.route(place, &RouteQuery::to(destination))?;
        match &found.outcome {
            Outcome::Delivered => Ok(true),
            Outcome::Sent => {
                let Some(way) = found.way().filter(|way| way.gateway.is_none()) else { return Ok(false) };
                let Some(ifindex) = way.ifindex else { return Ok(false) };
                let link = self.world.link(place, ifindex)?;
                Ok(!self.leads_out(place, &link)?)
            }
            _ => Ok(false),
        }
    }

    /// The link of another node that is on the same network as one of ours.
    fn uplink(&self, place: Place, link: &Link, other: Place) -> Result<Option<Link>, Stop> {
        let own = self.world.addresses(place)?;
        let nets: Vec<_> = own
            .value
            .iter()
            .filter(|held| held.ifindex == link.ifindex)
            .map(|held| held.address.trunc())
            .filter(|net| net.addr().is_ipv4() == self.packet.tuple.destination.is_ipv4())
            .collect();
        let theirs = self.world.addresses(other)?;
        let entry = theirs.value.iter().find(|held| nets.contains(&held.address.trunc()));
        entry.map(|held| self.world.link(other, held.ifindex)).transpose()
    }
}
