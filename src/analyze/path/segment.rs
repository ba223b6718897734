//! Who hears what a link broadcasts: over pairs, through bridges and tunnels.
//!
//! May import model and analyze's siblings only.

use std::collections::BTreeSet;

use super::tunnel::Passed;
use super::types::Stop;
use super::walk::Walk;
use super::world::{Link, Place};
use crate::model::ids::{IfIndex, MacAddr};
use crate::model::link::{LinkKind, PortState};
use crate::model::route::Family;

/// How many links one broadcast is followed over.
const MOST_LINKS: usize = 4096;

/// All who hear a broadcast.
#[derive(Default)]
pub(super) struct Segment {
    /// The links whose IP stack gets it.
    pub hearers: Vec<Hearer>,
    /// Where it goes on to what nobody can see from here.
    pub beyond: Option<String>,
    /// Vxlans that answer questions in the name of others, and let none through.
    pub proxies: Vec<(Place, Link)>,
}

/// What is broadcast.
#[derive(Clone)]
pub(super) enum Sought {
    /// A question for a neighbour.
    Neighbour(Family),
    /// A frame to an address that nobody has learned.
    Frame(MacAddr),
}

/// A link whose IP stack gets a broadcast.
pub(super) struct Hearer {
    pub place: Place,
    pub link: Link,
    /// The bridges on the way.
    pub through: Vec<Through>,
    /// Where it is a bridge that broadcasts: its port that leads there.
    pub by: Option<Link>,
    /// The tunnels on the way.
    pub tunnels: Vec<Passed>,
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

/// How a broadcast is followed.
#[derive(Clone)]
struct How {
    /// Who sends it.
    from: (Place, Link),
    /// Whether those are followed who lie on links.
    on_links: bool,
}

/// A link that a broadcast leaves by.
#[derive(Clone)]
struct Leaving {
    place: Place,
    link: Link,
    through: Vec<Through>,
    by: Option<Link>,
    tunnels: Vec<Passed>,
}

impl Walk<'_, '_> {
    /// Follows what a link broadcasts.
    pub fn segment(&mut self, place: Place, link: &Link, sought: &Sought) -> Result<Segment, Stop> {
        let leaving =
            || vec![Leaving { place, link: link.clone(), through: Vec::new(), by: None, tunnels: Vec::new() }];
        let how = How { from: (place, link.clone()), on_links: matches!(link.kind, LinkKind::Macvlan { .. }) };
        let segment = self.follow(&how, leaving(), Segment::default(), sought)?;
        // Who lies on links is looked for only where nobody else is who is sought: that takes all namespaces.
        let is_found = match sought {
            Sought::Neighbour(_) => true,
            Sought::Frame(mac) => segment.hearers.iter().any(|hearer| hearer.link.mac == *mac),
        };
        if how.on_links || is_found {
            return Ok(segment);
        }
        self.follow(&How { on_links: true, ..how }, leaving(), Segment::default(), sought)
    }

    /// The same, with those who lie on links that hear it.
    pub fn whole_segment(&mut self, place: Place, link: &Link, sought: &Sought) -> Result<Segment, Stop> {
        let left = vec![Leaving { place, link: link.clone(), through: Vec::new(), by: None, tunnels: Vec::new() }];
        self.follow(&How { from: (place, link.clone()), on_links: true }, left, Segment::default(), sought)
    }

    /// The same of a frame that comes in by a link.
    pub fn segment_from(&mut self, place: Place, link: Link, mac: &MacAddr) -> Result<Segment, Stop> {
        let (mut segment, mut left) = (Segment::default(), Vec::new());
        let leaving = Leaving { place, link: link.clone(), through: Vec::new(), by: None, tunnels: Vec::new() };
        let how = How { from: (place, link.clone()), on_links: true };
        self.heard(&how, place, link, &leaving, &mut segment, &mut left)?;
        self.follow(&how, left, segment, &Sought::Frame(mac.clone()))
    }

    fn follow(
        &mut self,
        how: &How,
        mut left: Vec<Leaving>,
        mut segment: Segment,
        sought: &Sought,
    ) -> Result<Segment, Stop> {
        let (from, asker) = (how.from.0, &how.from.1);
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
                        self.heard(how, there, peer, &leaving, &mut segment, &mut left)?;
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
                LinkKind::Macvlan { .. } => match self.hearing_beside(place, &link) {
                    Ok((beside, (under, lower))) => {
                        for (there, sibling) in beside {
                            self.heard(how, there, sibling, &leaving, &mut segment, &mut left)?;
                        }
                        left.push(Leaving { place: under, link: lower, ..leaving.clone() });
                    }
                    Err(Stop::Unknown { because }) => segment.beyond = Some(because),
                    Err(other) => return Err(other),
                },
                LinkKind::Vxlan(info) => {
                    let (source, packet, mac) = match sought {
                        Sought::Neighbour(_) if info.proxy => {
                            segment.proxies.push((place, link.clone()));
                            continue;
                        }
                        Sought::Neighbour(family) => {
                            let packet = self.question(*family == Family::Ipv6);
                            (Some(&asker.mac), Some(packet), MacAddr(vec![0xff; 6]))
                        }
                        Sought::Frame(mac) => (None, None, mac.clone()),
                    };
                    let (carried, beyond) = self.tunnelled(place, &link, source, packet, &mac);
                    segment.beyond = segment.beyond.or(beyond);
                    for far in carried {
                        let mut leaving = leaving.clone();
                        let (there, came) = (far.place, far.link.clone());
                        if (there, came.ifindex) == (from, asker.ifindex) {
                            continue;
                        }
                        leaving.tunnels.push(Passed { near: (place, link.clone()), far });
                        self.heard(how, there, came, &leaving, &mut segment, &mut left)?;
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
        how: &How,
        place: Place,
        link: Link,
        leaving: &Leaving,
        segment: &mut Segment,
        left: &mut Vec<Leaving>,
    ) -> Result<(), Stop> {
        let (through, by, tunnels) = (&leaving.through, leaving.by.clone(), leaving.tunnels.clone());
        let Some(bridge) = self.bridge_of(place, &link)? else {
            if how.on_links {
                let asker = (how.from.0, how.from.1.ifindex);
                let Some(hearing) = self.hearing_on(place, &link, asker)? else { return Ok(()) };
                for (there, child) in hearing {
                    self.heard(how, there, child, leaving, segment, left)?;
                }
            }
            segment.hearers.push(Hearer { place, link, through: through.clone(), by, tunnels });
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
            if (other.ifindex != link.ifindex || port.hairpin) && !apart {
                let through = with(Some(other.clone()));
                left.push(Leaving { place, link: other, through, by: by.clone(), tunnels: tunnels.clone() });
            }
        }
        if how.on_links && !self.world.children(place, bridge.ifindex)?.is_empty() {
            segment.beyond = Some(format!("{}, on which macvlans lie", bridge.name));
        }
        if bridge.up {
            segment.hearers.push(Hearer { place, link: bridge.clone(), through: with(None), by, tunnels });
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
        self.world.links_that(place, |link| {
            link.controller == Some(bridge)
                && link.up
                && link.port.as_ref().is_some_and(|port| port.state == PortState::Forwarding)
        })
    }
}
