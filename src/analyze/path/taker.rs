//! Which vxlan takes an outer packet that has arrived, and whether it does.
//!
//! May import model and analyze's siblings only.

use std::net::IpAddr;

use super::packet::{Packet, Tuple, UDP};
use super::tunnel::{plain, settings, speaks6};
use super::types::Stop;
use super::walk::Walk;
use super::world::{Link, Place, World};
use crate::analyze::sockets::{Sought, best};
use crate::model::ids::MacAddr;
use crate::model::link::{LinkKind, VxlanInfo};
use crate::model::neigh::FdbEntry;

impl Walk<'_, '_> {
    /// The vxlan that takes an outer packet that arrived. Mirrors `vxlan_rcv`.
    pub fn taker(
        &self,
        there: Place,
        outer: &Packet,
        vni: u32,
        source: Option<&MacAddr>,
        sender: &VxlanInfo,
    ) -> Result<(Place, Link), Stop> {
        let tuple = outer.tuple;
        let Some(port) = tuple.destination_port.filter(|_| tuple.protocol == UDP) else {
            return Err(Stop::unknown("to which port it came"));
        };
        self.is_kernels(there, tuple, port)?;
        let six = tuple.destination.is_ipv6();
        let mut open = Vec::new();
        for (place, link) in self.vxlans_of(there)? {
            let info = settings(&link)?;
            let has_socket = info.external || speaks6(info) == six;
            if link.up && info.port == port && has_socket {
                if info.external {
                    return Err(Stop::unknown(format!(
                        "{} takes all frames with their metadata (external), which is not followed",
                        link.name
                    )));
                }
                plain(&link, info)?;
                open.push((place, link));
            }
        }
        if open.is_empty() {
            return Err(Stop::dropped(format!("no vxlan of {} takes UDP port {port}", self.world.name(there))));
        }
        open.retain(|(_, link)| settings(link).is_ok_and(|info| info.vni == vni));
        let (place, link) = match open.as_slice() {
            [one] => one.clone(),
            [] => {
                let name = self.world.name(there);
                return Err(Stop::dropped(format!("no vxlan of {name} on UDP port {port} has the VNI {vni}")));
            }
            _ => return Err(Stop::unknown(format!("which of several vxlans has the VNI {vni}"))),
        };
        let info = settings(&link)?;
        if six && sender.zero_checksum6_tx && !info.zero_checksum6_rx {
            return Err(Stop::dropped(format!("it has no checksum, which {} does not take", link.name)));
        }
        if source.is_some_and(|source| *source == link.mac) {
            return Err(Stop::dropped(format!("the frame comes from the address of {} itself", link.name)));
        }
        if let (true, Some(source)) = (info.learning, source) {
            self.may_learn(place, &link, source, tuple.source)?;
        }
        Ok((place, link))
    }

    /// A program's socket may be nearer to the packet than the vxlan's.
    fn is_kernels(&self, there: Place, tuple: Tuple, port: u16) -> Result<(), Stop> {
        let Ok(sockets) = World::whole(self.world.view(there)?.sockets(there.netns)) else { return Ok(()) };
        let source = tuple.source_port.map(|port| (tuple.source, port));
        let sought = Sought { protocol: UDP, destination: tuple.destination, port, source, by: None };
        match best(&sockets.value, &sought).first() {
            // The vxlan's own is at all addresses, and no other can be there too.
            Some(socket) if !socket.address.is_unspecified() || socket.peer.is_some() || socket.link.is_some() => {
                Err(Stop::dropped(format!("a program of {} has UDP port {port} of its own", self.world.name(there))))
            }
            _ => Ok(()),
        }
    }

    /// What stands in a forwarding table for good is not unlearned: frames that come another way are dropped.
    /// Mirrors `vxlan_snoop`.
    fn may_learn(&self, place: Place, link: &Link, mac: &MacAddr, from: IpAddr) -> Result<(), Stop> {
        let fdb = World::whole(self.world.view(place)?.fdb(place.netns))?;
        let held = |entry: &&FdbEntry| entry.ifindex == link.ifindex && entry.bridge.is_none() && entry.mac == *mac;
        let Some(entry) = fdb.value.iter().find(held) else { return Ok(()) };
        let is_static = entry.states.iter().any(|state| matches!(state.as_str(), "permanent" | "noarp"));
        if is_static && (entry.remote != Some(from) || entry.via.is_some()) {
            return Err(Stop::dropped(format!(
                "{} has a fixed forwarding entry for {mac}, learns, and does not take its frames from {from}",
                link.name
            )));
        }
        Ok(())
    }

    /// All vxlans whose outer packets come to a namespace.
    fn vxlans_of(&self, there: Place) -> Result<Vec<(Place, Link)>, Stop> {
        let vxlans = |place: Place, is_sent_elsewhere: bool| {
            self.world.links_that(place, |link| {
                matches!(link.kind, LinkKind::Vxlan(_)) && link.link_nsid.is_some() == is_sent_elsewhere
            })
        };
        let mut found: Vec<(Place, Link)> = vxlans(there, false)?.into_iter().map(|link| (there, link)).collect();
        let view = self.world.view(there)?;
        for other in &World::whole(view.namespaces())?.value {
            let place = Place { netns: other.id, ..there };
            if place == there {
                continue;
            }
            let Ok(links) = vxlans(place, true) else { continue };
            for link in links {
                if self.sent_from(place, &link).is_ok_and(|under| under == there) {
                    found.push((place, link));
                }
            }
        }
        Ok(found)
    }
}
