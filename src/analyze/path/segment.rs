//! Who hears what a link broadcasts: over pairs and through bridges.
//!
//! May import model and analyze's siblings only.

use std::collections::BTreeSet;

use super::types::Stop;
use super::walk::Walk;
use super::world::Place;
use crate::model::ids::IfIndex;
use crate::model::link::{Link, LinkKind, PortState};

/// How many links one broadcast is followed over.
const MOST_LINKS: usize = 4096;

/// All who hear a broadcast.
#[derive(Default)]
pub(super) struct Segment {
    /// The links whose IP stack gets it.
    pub hearers: Vec<Hearer>,
    /// Where it goes on to what nobody can see from here.
    pub beyond: Option<String>,
}

/// A link whose IP stack gets a broadcast.
pub(super) struct Hearer {
    pub place: Place,
    pub link: Link,
    /// The bridges on the way.
    pub through: Vec<Through>,
    /// Where it is a bridge that broadcasts: its port that leads there.
    pub by: Option<Link>,
}

/// A bridge that a frame goes through.
#[derive(Clone)]
pub(super) struct Through {
    pub place: Place,
    pub bridge: Link,
    pub from: Link,
    /// `None`: up.
    pub to: Option<Link>,
}

/// A link that a broadcast leaves by.
#[derive(Clone)]
struct Leaving {
    place: Place,
    link: Link,
    through: Vec<Through>,
    by: Option<Link>,
}

impl Walk<'_, '_> {
    /// Follows what a link broadcasts.
    pub fn segment(&self, place: Place, link: &Link) -> Result<Segment, Stop> {
        let mut segment = Segment::default();
        let mut left = vec![Leaving { place, link: link.clone(), through: Vec::new(), by: None }];
        let mut seen: BTreeSet<(Place, IfIndex)> = BTreeSet::new();
        while let Some(leaving) = left.pop() {
            let Leaving { place, link, .. } = leaving.clone();
            if !seen.insert((place, link.ifindex)) || seen.len() > MOST_LINKS {
                continue;
            }
            match &link.kind {
                LinkKind::Loopback => {}
                LinkKind::Veth => match self.world.peer(place, &link) {
                    Ok((there, peer)) if peer.up && link.up => {
                        self.heard(there, peer, &leaving, &mut segment, &mut left)?;
                    }
                    Ok(_) => {}
                    Err(Stop::Unknown { because }) => segment.beyond = Some(because),
                    Err(other) => return Err(other),
                },
                LinkKind::Bridge(_) => {
                    for port in self.open_ports(place, link.ifindex)? {
                        left.push(Leaving { by: Some(port.clone()), link: port, ..leaving.clone() });
                    }
                }
                _ => segment.beyond = Some(format!("{} ({})", link.name, link.kind.name())),
            }
        }
        segment.hearers.sort_by_key(|hearer| (hearer.place, hearer.link.ifindex));
        Ok(segment)
    }

    fn heard(
        &self,
        place: Place,
        link: Link,
        leaving: &Leaving,
        segment: &mut Segment,
        left: &mut Vec<Leaving>,
    ) -> Result<(), Stop> {
        let (through, by) = (&leaving.through, leaving.by.clone());
        let Some(bridge) = self.bridge_of(place, &link)? else {
            segment.hearers.push(Hearer { place, link, through: through.clone(), by });
            return Ok(());
        };
        let Some(port) = link.port.as_ref().filter(|port| port.state == PortState::Forwarding) else { return Ok(()) };
        if port.proxy_arp || port.neigh_suppress {
            segment.beyond = Some(format!("{}, a bridge port that answers for others", link.name));
        }
        let isolated = port.isolated;
        let with = |to: Option<Link>| {
            let mut through = through.clone();
            through.push(Through { place, bridge: bridge.clone(), from: link.clone(), to });
            through
        };
        for other in self.open_ports(place, bridge.ifindex)? {
            let apart = isolated && other.port.as_ref().is_some_and(|port| port.isolated);
            if other.ifindex != link.ifindex && !apart {
                let through = with(Some(other.clone()));
                left.push(Leaving { place, link: other, through, by: by.clone() });
            }
        }
        if bridge.up {
            segment.hearers.push(Hearer { place, link: bridge.clone(), through: with(None), by });
        }
        Ok(())
    }

    /// The bridge that a link is a port of.
    pub fn bridge_of(&self, place: Place, link: &Link) -> Result<Option<Link>, Stop> {
        let Some(controller) = link.controller else { return Ok(None) };
        let controller = self.world.link(place, controller)?;
        Ok(matches!(controller.kind, LinkKind::Bridge(_)).then_some(controller))
    }

    /// The ports of a bridge that frames go out by.
    pub fn open_ports(&self, place: Place, bridge: IfIndex) -> Result<Vec<Link>, Stop> {
        let links = self.world.links(place)?;
        let is_open = |link: &&Link| {
            link.controller == Some(bridge)
                && link.up
                && link.port.as_ref().is_some_and(|port| port.state == PortState::Forwarding)
        };
        Ok(links.value.iter().filter(is_open).cloned().collect())
    }
}
