//! Frames: out by a link, over a pair, into a namespace or a bridge.
//!
//! May import model and analyze's siblings only.

use super::frame::{HOST, OTHERHOST};
use super::types::{StepKind, Stop};
use super::walk::{Egress, LOOPBACK, Now, Walk};
use super::world::{Link, Place, World};
use crate::analyze::naming::LinkRef;
use crate::model::ids::MacAddr;
use crate::model::link::LinkKind;

impl Walk<'_, '_> {
    /// IP hands the packet to a link.
    pub fn leave(&mut self, place: Place, egress: Egress) -> Result<Now, Stop> {
        let Egress { link, next_hop, .. } = egress;
        if let Some(next_hop) = next_hop
            && self.leads_out(place, &link)?
        {
            self.mac = Some(link.mac.clone());
            return self.cross_to_node(place, &link, next_hop);
        }
        if let Some(next_hop) = next_hop
            && let Some((under, lower)) = self.leads_out_below(place, &link, next_hop)?
        {
            self.count_link()?;
            if !link.up {
                return Err(Stop::dropped(format!("{} is down", link.name)));
            }
            self.no_programs(place, &link)?;
            let tuple = self.packet.tuple;
            self.step(place, StepKind::Out { link: LinkRef::of(&link), tuple }, None);
            self.mac = Some(link.mac.clone());
            return self.cross_to_node(under, &lower, next_hop);
        }
        let mac = match next_hop {
            Some(next_hop) => self.neighbour(place, &link, next_hop)?,
            None => None,
        };
        self.mac = Some(link.mac.clone());
        self.frame.kind = HOST;
        self.transmit(place, &link, mac)
    }

    /// A frame leaves by a link.
    pub fn transmit(&mut self, place: Place, link: &Link, mac: Option<MacAddr>) -> Result<Now, Stop> {
        self.count_link()?;
        self.joined = false;
        if !link.up {
            return Err(Stop::dropped(format!("{} is down", link.name)));
        }
        // Where the link has no addresses it is sent to none.
        self.frame.to = Some(mac.clone().unwrap_or_else(|| link.mac.clone()));
        self.egress_of(place, link)?;
        let mac = mac.and_then(|_| self.frame.to.clone());
        self.no_programs(place, link)?;
        let tuple = self.shown();
        self.step(place, StepKind::Out { link: LinkRef::of(link), tuple }, None);
        match &link.kind {
            LinkKind::Loopback => {
                self.step(place, StepKind::In { link: LinkRef::of(link), tuple }, None);
                self.frame.kind = HOST;
                self.ingress(place, link)?;
                Ok(Now::Up { place, link: link.clone(), crossed: None })
            }
            LinkKind::Veth => {
                let (there, peer) = self.world.peer(place, link)?;
                if !peer.up {
                    return Err(Stop::dropped(format!("{}, the other end of {}, is down", peer.name, link.name)));
                }
                self.fits_pair(&peer)?;
                self.scrub(place, there);
                Ok(Now::Frame { place: there, link: peer, mac })
            }
            LinkKind::Bridge(_) => self.bridge(place, link, None, mac),
            LinkKind::Vxlan(_) => self.enter_tunnel(place, link, mac),
            LinkKind::Macvlan { .. } => self.out_of_macvlan(place, link, mac),
            LinkKind::Ipvlan { mode, flags } => Err(Stop::unknown(format!(
                "it leaves by {}, an ipvlan (mode {mode}, {flags}), which is not followed (unproven)",
                link.name
            ))),
            kind => Err(Stop::unknown(format!(
                "it leaves by {} ({}), beyond which nothing is known here",
                link.name,
                kind.name()
            ))),
        }
    }

    /// Programs on a link may do anything.
    pub fn no_programs(&self, place: Place, link: &Link) -> Result<(), Stop> {
        if link.ifindex == LOOPBACK && link.xdp.is_empty() {
            return Ok(());
        }
        let programs = World::whole(self.world.view(place)?.link_bpf(place.netns, link.ifindex))?;
        match programs.value.first() {
            None => Ok(()),
            Some(_) => Err(Stop::unknown(format!("a BPF program on {} may do anything", link.name))),
        }
    }

    /// A frame comes in by a link.
    pub fn frame(&mut self, place: Place, link: Link, mac: Option<MacAddr>) -> Result<Now, Stop> {
        self.no_programs(place, &link)?;
        let tuple = self.shown();
        self.step(place, StepKind::In { link: LinkRef::of(&link), tuple }, None);
        self.frame.to.clone_from(&mac);
        self.arrives_at(&link);
        self.ingress(place, &link)?;
        let mac = mac.and_then(|_| self.frame.to.clone());
        if let Some(controller) = link.controller {
            let controller = self.world.link(place, controller)?;
            return match &controller.kind {
                LinkKind::Bridge(_) => self.bridge(place, &controller, Some(&link), mac),
                kind => {
                    Err(Stop::unknown(format!("{} is a port of a {}, which is not followed", link.name, kind.name())))
                }
            };
        }
        if let Some(mac) = &mac
            && let Some(handed) = self.handed_up(place, &link, mac)?
        {
            return Ok(handed);
        }
        match mac {
            Some(mac) if self.frame.kind == OTHERHOST => {
                Err(Stop::dropped(format!("the frame is for {mac}, and {} is {}", link.name, link.mac)))
            }
            _ => Ok(Now::Up { place, link, crossed: None }),
        }
    }
}
