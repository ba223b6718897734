//! Who has the next hop's address on a link: what the namespace knows already, else who would answer
//! when it asks.
//!
//! May import model and analyze's siblings only.

use std::net::IpAddr;

use super::refusal::Refusal;
use super::segment::{Hearer, Segment, Sought};
use super::types::{StepKind, Stop};
use super::walk::Walk;
use super::world::{Link, Place, World};
use crate::analyze::fib::{self, Outcome};
use crate::model::ids::{IfIndex, MacAddr};
use crate::model::route::{Family, RouteQuery};

/// What the packet's way taught a neighbour table.
pub(super) struct Learned {
    pub place: Place,
    pub link: IfIndex,
    pub address: IpAddr,
    pub mac: MacAddr,
}

impl Walk<'_, '_> {
    /// The link-layer address that a packet is sent to; `None` where the link has none.
    pub fn neighbour(&mut self, place: Place, link: &Link, address: IpAddr) -> Result<Option<MacAddr>, Stop> {
        let has_no_arp = |flag: &String| matches!(flag.as_str(), "noarp" | "pointopoint" | "loopback");
        if link.flags.iter().any(has_no_arp) {
            return Ok(None);
        }
        let known = self.known(place, link, address)?;
        self.waited = known.is_none();
        let (mac, how) = match known {
            Some(found) => found,
            None => self.asked(place, link, address)?,
        };
        self.step(place, StepKind::Neighbour { address, mac: mac.clone(), how }, None);
        Ok(Some(mac))
    }

    fn known(&self, place: Place, link: &Link, address: IpAddr) -> Result<Option<(MacAddr, String)>, Stop> {
        let learned = self
            .learned
            .iter()
            .rev()
            .find(|known| (known.place, known.link, known.address) == (place, link.ifindex, address));
        if let Some(known) = learned {
            return Ok(Some((known.mac.clone(), "it was asked, or asked itself, on the way".to_owned())));
        }
        let neighbours = World::whole(self.world.view(place)?.neighbours(place.netns))?;
        let entry = neighbours.value.iter().find(|entry| {
            entry.ifindex == link.ifindex
                && entry.address == address
                && !entry.flags.iter().any(|flag| flag == "proxy")
                && entry.states.iter().any(|state| {
                    matches!(state.as_str(), "permanent" | "noarp" | "reachable" | "probe" | "stale" | "delay")
                })
        });
        Ok(entry.and_then(|entry| {
            let mac = entry.mac.clone()?;
            Some((mac, format!("the neighbour table has it ({})", entry.states.join(", "))))
        }))
    }

    fn asked(&mut self, place: Place, link: &Link, address: IpAddr) -> Result<(MacAddr, String), Stop> {
        let sought = Sought::Neighbour(Family::of(address));
        let segment = self.segment(place, link, &sought)?;
        if let Some(found) = self.asked_of(place, link, address, &segment)? {
            return Ok(found);
        }
        // Nobody else: then those who lie on links that the question comes to.
        let segment = self.whole_segment(place, link, &sought)?;
        let beyond = segment.beyond.clone();
        match (self.asked_of(place, link, address, &segment)?, beyond) {
            (Some(found), _) => Ok(found),
            (None, Some(beyond)) => Err(Stop::unknown(format!("who answers for {address} beyond {beyond}"))),
            (None, None) => Err(Stop::rejected(
                "host unreachable",
                Refusal::no_neighbour(Family::of(address)),
                format!("nobody on {} answers for {address}", link.name),
            )),
        }
    }

    /// Who of those who hear the question answers it.
    fn asked_of(
        &mut self,
        place: Place,
        link: &Link,
        address: IpAddr,
        segment: &Segment,
    ) -> Result<Option<(MacAddr, String)>, Stop> {
        let sender = self.arp_source(place, link, address)?;
        let mut found: Vec<(MacAddr, String)> = Vec::new();
        let mut learned = Vec::new();
        for heard in &segment.hearers {
            let Hearer { place: there, link: hearer, .. } = heard;
            let answers = hearer.mac != MacAddr::default() && self.answers(*there, hearer, address, sender)?;
            // Tunnels learn from a question wherever it comes.
            let returns = self.returns(&heard.tunnels, &link.mac, &hearer.mac, address.is_ipv6(), answers);
            if answers && returns && self.question_passes((place, link), heard, address, sender)? {
                let how = format!("{} of {} answers for it", hearer.name, self.world.name(*there));
                // Who answers keeps who asked.
                if let Some(sender) = sender {
                    let (mac, link) = (link.mac.clone(), hearer.ifindex);
                    learned.push(Learned { place: *there, link, address: sender, mac });
                }
                if !found.iter().any(|(mac, _)| *mac == hearer.mac) {
                    found.push((hearer.mac.clone(), how));
                }
            }
        }
        for (there, proxy) in &segment.proxies {
            if let Some(mac) = self.answered_by_proxy(*there, proxy, address)? {
                found.push((mac, format!("{} of {} answers for it (proxy)", proxy.name, self.world.name(*there))));
            }
        }
        self.learned.extend(learned);
        match found.len() {
            0 => Ok(None),
            1 => {
                let (mac, how) = found.swap_remove(0);
                self.learned.push(Learned { place, link: link.ifindex, address, mac: mac.clone() });
                Ok(Some((mac, how)))
            }
            _ => {
                let words: Vec<_> = found.iter().map(|(mac, how)| (format!("{mac}: {how}"), None)).collect();
                let taken = self.chance.fork(&format!("several answer for {address}"), &words);
                Ok(Some(found.swap_remove(taken.min(found.len() - 1))))
            }
        }
    }

    /// A vxlan that answers for others does so from the neighbours of its own link. Mirrors `arp_reduce` and
    /// `neigh_reduce`.
    fn answered_by_proxy(&self, place: Place, link: &Link, address: IpAddr) -> Result<Option<MacAddr>, Stop> {
        let neighbours = World::whole(self.world.view(place)?.neighbours(place.netns))?;
        let is_connected = |state: &String| matches!(state.as_str(), "permanent" | "noarp" | "reachable");
        let entry = neighbours.value.iter().find(|entry| {
            entry.ifindex == link.ifindex && entry.address == address && entry.states.iter().any(is_connected)
        });
        Ok(entry.and_then(|entry| entry.mac.clone()))
    }

    /// In whose name the question is asked. Mirrors `arp_solicit` and `ndisc_solicit`.
    fn arp_source(&self, place: Place, link: &Link, address: IpAddr) -> Result<Option<IpAddr>, Stop> {
        let own = self.packet.tuple.source;
        let IpAddr::V4(target) = address else {
            let addresses = self.world.addresses(place)?;
            let on_link = |address: IpAddr| {
                addresses.value.iter().any(|held| held.ifindex == link.ifindex && held.address.addr() == address)
            };
            return Ok(Some(own).filter(|own| on_link(*own)));
        };
        let announce = self.world.larger(place, "ipv4", link, "arp_announce")?;
        if announce == 0 {
            let addresses = self.world.addresses(place)?;
            if addresses.value.iter().any(|held| held.address.addr() == own) {
                return Ok(Some(own));
            }
        } else if announce == 1 {
            return Err(Stop::unknown(format!("arp_announce is {announce} on {}, which is not followed", link.name)));
        }
        let found = fib::source_near(self.world.view(place)?, place.netns, link.ifindex, target);
        Ok(found.address())
    }

    /// Whether a link answers for an address. Mirrors `arp_process` and `ndisc_recv_ns`.
    fn answers(&self, place: Place, link: &Link, target: IpAddr, sender: Option<IpAddr>) -> Result<bool, Stop> {
        if !link.up {
            return Ok(false);
        }
        match Family::of(target) {
            Family::Ipv6 => {
                let addresses = self.world.addresses(place)?;
                let own = addresses.value.iter().any(|held| {
                    held.ifindex == link.ifindex
                        && held.address.addr() == target
                        && !held.has_flag("tentative")
                        && !held.has_flag("dadfailed")
                });
                Ok(own || self.answers_by_proxy6(place, link, target)?)
            }
            Family::Ipv4 => self.answers_arp(place, link, target, sender),
        }
    }

    fn answers_by_proxy6(&self, place: Place, link: &Link, target: IpAddr) -> Result<bool, Stop> {
        if self.world.sysctl(place, "ipv6.conf.all.forwarding")? == 0
            || self.world.larger(place, "ipv6", link, "proxy_ndp")? == 0
        {
            return Ok(false);
        }
        self.is_published(place, link, target)
    }

    fn is_published(&self, place: Place, link: &Link, target: IpAddr) -> Result<bool, Stop> {
        let neighbours = World::whole(self.world.view(place)?.neighbours(place.netns))?;
        Ok(neighbours.value.iter().any(|entry| {
            entry.ifindex == link.ifindex && entry.address == target && entry.flags.iter().any(|flag| flag == "proxy")
        }))
    }

    fn answers_arp(&self, place: Place, link: &Link, target: IpAddr, sender: Option<IpAddr>) -> Result<bool, Stop> {
        // Most of those who hear a question have no route to themselves for it, and whatever else theirs say, they
        // keep silent: of the pods of a whole node one answers.
        if sender.is_some()
            && !self.world.has_local_route(place, target)?
            && self.world.link_sysctl(place, "ipv4", link, "forwarding")? == 0
        {
            return Ok(false);
        }
        let ignore = self.world.larger(place, "ipv4", link, "arp_ignore")?;
        let own_here = || -> Result<bool, Stop> {
            let addresses = self.world.addresses(place)?;
            Ok(addresses.value.iter().any(|held| held.ifindex == link.ifindex && held.address.addr() == target))
        };
        let Some(sender) = sender else {
            let addresses = self.world.addresses(place)?;
            return Ok(addresses.value.iter().any(|held| held.address.addr() == target) && ignore == 0);
        };
        // The kernel looks a question's target up as a packet that names no protocol.
        let query =
            RouteQuery { src: Some(sender), iif: Some(link.ifindex), protocol: Some(0), ..RouteQuery::to(target) };
        let found = self.world.route(place, &query)?;
        match &found.outcome {
            Outcome::Delivered => {
                if self.world.larger(place, "ipv4", link, "arp_filter")? != 0 {
                    return Err(Stop::unknown(format!("arp_filter is on for {}, which is not followed", link.name)));
                }
                match ignore {
                    0 => Ok(true),
                    1 => own_here(),
                    8 => Ok(false),
                    other => {
                        Err(Stop::unknown(format!("arp_ignore is {other} on {}, which is not followed", link.name)))
                    }
                }
            }
            Outcome::Sent if self.world.link_sysctl(place, "ipv4", link, "forwarding")? != 0 => {
                let elsewhere = found.way().is_some_and(|way| way.ifindex != Some(link.ifindex));
                Ok(elsewhere
                    && (self.world.larger(place, "ipv4", link, "proxy_arp")? != 0
                        || self.is_published(place, link, target)?))
            }
            Outcome::Sent | Outcome::Refused { .. } => Ok(false),
            Outcome::Unknown { why } => Err(Stop::unknown(why.clone())),
        }
    }
}
