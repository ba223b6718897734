//! Links that lie on another one (macvlan): which frames stay among those on one link, what leaves by it, and to whom
//! a frame is handed that comes in by it.
//!
//! May import model and analyze's siblings only. A frame between a link and what lies on it crosses none of IP's hooks
//! of the namespace that the lower link is in.

use std::rc::Rc;

use super::types::{StepKind, Stop};
use super::walk::{Now, Walk};
use super::world::{Link, Place, World};
use crate::analyze::naming::LinkRef;
use crate::model::ids::{IfIndex, MacAddr};
use crate::model::link::{self, LinkKind};

/// A link of a namespace.
type At = (Place, Link);

/// The links that lie on another one.
pub(super) type Children = Rc<Vec<(Place, Link)>>;

impl World<'_> {
    /// The macvlans on a link, in whatever namespaces of its node they are.
    pub fn children(&self, place: Place, lower: IfIndex) -> Result<Children, Stop> {
        let key = (place, lower);
        if let Some(known) = self.memory.children.borrow().get(&key) {
            return Ok(Rc::clone(known));
        }
        let mut found = Vec::new();
        for netns in &Self::whole(self.view(place)?.namespaces())?.value {
            let there = Place { netns: netns.id, ..place };
            let is_on = |link: &link::Link| mode(link).is_some() && link.link == Some(lower);
            let Ok(links) = self.links_that(there, is_on) else { continue };
            for link in links {
                if self.below(there, &link).is_ok_and(|(under, _)| under == place) {
                    found.push((there, link));
                }
            }
        }
        let found = Rc::new(found);
        self.memory.children.borrow_mut().insert(key, Rc::clone(&found));
        Ok(found)
    }
}

/// The mode of a macvlan or macvtap.
fn mode(link: &link::Link) -> Option<&str> {
    match &link.kind {
        LinkKind::Macvlan { mode } | LinkKind::Macvtap { mode } => Some(mode),
        _ => None,
    }
}

fn is_bridged(link: &Link) -> bool {
    mode(link) == Some("bridge")
}

impl Walk<'_, '_> {
    /// A frame leaves by a macvlan. Mirrors `macvlan_queue_xmit`.
    pub fn out_of_macvlan(&mut self, place: Place, link: &Link, mac: Option<MacAddr>) -> Result<Now, Stop> {
        let (under, lower) = self.world.below(place, link)?;
        if let (true, Some(mac)) = (is_bridged(link), &mac)
            && let Some((there, sibling)) = self.sibling(place, link, mac)?
        {
            if !lower.up {
                return Err(Stop::dropped(format!("{}, below {}, is down", lower.name, link.name)));
            }
            self.fits_below(&lower)?;
            // It comes in by the link below, for whoever looks there.
            self.scrub(place, under);
            self.no_programs(under, &lower)?;
            let tuple = self.packet.tuple;
            self.step(under, StepKind::In { link: LinkRef::of(&lower), tuple }, None);
            return handed(there, sibling, Some(mac.clone()));
        }
        self.transmit(under, &lower, mac)
    }

    /// The other macvlan on the same link that a frame of one in bridge mode is for.
    fn sibling(&self, place: Place, link: &Link, mac: &MacAddr) -> Result<Option<(Place, Link)>, Stop> {
        let (under, lower) = self.world.below(place, link)?;
        let all = self.world.children(under, lower.ifindex)?;
        // Those that are down are not looked for.
        Ok(all.iter().find(|(_, other)| other.up && is_bridged(other) && other.mac == *mac).cloned())
    }

    /// Whether a link is on one that leads to where nothing can be seen, and a next hop is not beside it: that link
    /// then.
    pub fn leads_out_below(
        &self,
        place: Place,
        link: &Link,
        next_hop: std::net::IpAddr,
    ) -> Result<Option<(Place, Link)>, Stop> {
        if mode(link).is_none() {
            return Ok(None);
        }
        let (under, lower) = self.world.below(place, link)?;
        if !self.leads_out(under, &lower)? {
            return Ok(None);
        }
        if is_bridged(link) {
            for (there, sibling) in self.world.children(under, lower.ifindex)?.iter() {
                let addresses = self.world.addresses(*there)?;
                let holds = addresses
                    .value
                    .iter()
                    .any(|held| held.ifindex == sibling.ifindex && held.address.addr() == next_hop);
                if holds && sibling.up && is_bridged(sibling) {
                    return Ok(None);
                }
            }
        }
        Ok(Some((under, lower)))
    }

    /// To whom a frame is handed that comes in by a link on which others lie. Mirrors `macvlan_handle_frame`.
    pub fn handed_up(&self, place: Place, lower: &Link, mac: &MacAddr) -> Result<Option<Now>, Stop> {
        // One that takes all frames has the lower link's own address, and has that one listen to all.
        let is_own = lower.mac == *mac && lower.promiscuity == 0;
        if is_own && !self.takes_all_here(place, lower)? {
            return Ok(None);
        }
        let children = self.world.children(place, lower.ifindex)?;
        let open = || children.iter().filter(|(_, link)| link.up);
        no_copies(&children)?;
        let found = children
            .iter()
            .find(|(_, link)| mode(link) == Some("passthru"))
            .or_else(|| open().find(|(_, link)| link.mac == *mac));
        let Some((there, child)) = found else { return Ok(None) };
        if !child.up {
            return Err(Stop::dropped(format!("{}, which takes all frames of {}, is down", child.name, lower.name)));
        }
        handed(*there, child.clone(), Some(mac.clone())).map(Some)
    }

    /// Whether one that takes all frames, and is down, lies on a link in its own namespace.
    fn takes_all_here(&self, place: Place, lower: &Link) -> Result<bool, Stop> {
        let links = self.world.links(place)?;
        Ok(links
            .value
            .iter()
            .any(|link| mode(link) == Some("passthru") && link.link == Some(lower.ifindex) && link.link_nsid.is_none()))
    }

    /// Those on a link who hear a broadcast that comes in by it; `None` where not even the link does, because it is
    /// the own one of somebody on it. Mirrors `macvlan_handle_frame`.
    pub fn hearing_on(
        &self,
        place: Place,
        lower: &Link,
        asker: (Place, IfIndex),
    ) -> Result<Option<Vec<(Place, Link)>>, Stop> {
        let children = self.world.children(place, lower.ifindex)?;
        let own = children.iter().find(|(there, link)| (*there, link.ifindex) == asker);
        if own.is_some_and(|(_, own)| !matches!(mode(own), Some("vepa" | "bridge"))) {
            return Ok(None);
        }
        no_copies(&children)?;
        let hears = |link: &Link| match (own.and_then(|(_, own)| mode(own)), mode(link)) {
            (None, _) => true,
            (Some("vepa"), Some(mode)) => matches!(mode, "vepa" | "bridge"),
            (Some("bridge"), Some(mode)) => mode == "vepa",
            _ => false,
        };
        let others = children.iter().filter(|(there, link)| (*there, link.ifindex) != asker);
        Ok(Some(others.filter(|(_, link)| link.up && hears(link)).cloned().collect()))
    }

    /// Those beside a macvlan who hear what it broadcasts, and the link that it leaves by.
    pub fn hearing_beside(&self, place: Place, link: &Link) -> Result<(Vec<At>, At), Stop> {
        let (under, lower) = self.world.below(place, link)?;
        let children = self.world.children(under, lower.ifindex)?;
        let is_other = |(there, other): &&(Place, Link)| (*there, other.ifindex) != (place, link.ifindex);
        let hears = |(_, other): &&(Place, Link)| is_bridged(link) && is_bridged(other) && other.up;
        Ok((children.iter().filter(is_other).filter(hears).cloned().collect(), (under, lower)))
    }
}

/// Who takes frames by their senders may take any.
fn no_copies(children: &[(Place, Link)]) -> Result<(), Stop> {
    match children.iter().find(|(_, link)| link.up && mode(link) == Some("source")) {
        None => Ok(()),
        Some((_, link)) => Err(Stop::unknown(format!(
            "{} takes frames of some senders (mode source), which is not followed",
            link.name
        ))),
    }
}

/// The frame is a macvlan's, whatever its address.
fn handed(place: Place, link: Link, mac: Option<MacAddr>) -> Result<Now, Stop> {
    if matches!(link.kind, LinkKind::Macvtap { .. }) {
        return Err(Stop::unknown(format!("{} hands frames to a program (macvtap)", link.name)));
    }
    let mac = mac.filter(|_| link.controller.is_some());
    Ok(Now::Frame { place, link, mac })
}
