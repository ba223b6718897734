//! Frames that go through a vxlan: to which VTEP, the outer packet's own way there, and the vxlan that takes it.
//!
//! May import model and analyze's siblings only. The outer packet is walked as any packet of its namespace is, in
//! place of the one that it carries; nobody tells the inner packet's sender what becomes of it.

use std::net::IpAddr;

use super::flow::Tracking;
use super::outer::ECN;
use super::packet::Packet;
use super::types::{StepKind, Stop};
use super::walk::{Now, Walk};
use super::world::{Link, Place, World};
use crate::analyze::naming::LinkRef;
use crate::model::ids::{IfIndex, MacAddr, Nsid};
use crate::model::link::{LinkKind, VxlanInfo};
use crate::model::neigh::FdbEntry;

/// How many tunnels may be within each other.
const MOST_TUNNELS: u8 = 3;
/// Where a vxlan sends a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Vtep {
    pub address: IpAddr,
    pub port: u16,
    pub vni: u32,
    pub via: Option<IfIndex>,
}

/// What the way taught a vxlan.
pub(super) struct LearnedVtep {
    place: Place,
    link: IfIndex,
    mac: MacAddr,
    vtep: IpAddr,
}

/// A port of a bridge that is a vxlan, at which a frame was too long for its tunnel: an error comes in there.
pub(super) struct Bounced {
    pub place: Place,
    pub link: Link,
    /// Whose the frame was.
    pub sender: Option<MacAddr>,
}

/// A frame that has come out of a tunnel.
#[derive(Debug, Clone)]
pub(super) struct Carried {
    pub place: Place,
    pub link: Link,
    /// The VTEP that it came from, as it is seen there.
    from: IpAddr,
}

/// A tunnel that a question went through.
#[derive(Debug, Clone)]
pub(super) struct Passed {
    pub near: (Place, Link),
    pub far: Carried,
}

impl Walk<'_, '_> {
    /// A frame leaves by a vxlan. Mirrors `vxlan_xmit`.
    pub fn enter_tunnel(&mut self, place: Place, link: &Link, mac: Option<MacAddr>) -> Result<Now, Stop> {
        let Some(mac) = mac else {
            return Err(Stop::unknown(format!("a frame without an address in the vxlan {}", link.name)));
        };
        let (mut vteps, mut how) = self.vteps_of(place, link, &mac)?;
        if vteps.len() > 1 {
            let at = self.leading_to(place, link, &vteps, &mac)?;
            let chosen = vteps.remove(at);
            let all: Vec<String> = vteps.iter().map(|vtep| vtep.address.to_string()).collect();
            how = format!("{how}; copies go to {}, where nobody has the address", all.join(", "));
            for copy in &vteps {
                self.copied(place, link, copy);
            }
            vteps = vec![chosen];
        }
        let Some(vtep) = vteps.first() else { return Err(Stop::dropped("no VTEP")) };
        let carried = self.carried(place, link, vtep, how)?;
        if let Some(source) = self.mac.clone() {
            self.learn_vtep(&carried, source);
        }
        Ok(Now::Frame { place: carried.place, link: carried.link, mac: Some(mac) })
    }

    /// Where a frame to an address goes, and how that is known. Mirrors `vxlan_find_mac`.
    fn vteps_of(&self, place: Place, link: &Link, mac: &MacAddr) -> Result<(Vec<Vtep>, String), Stop> {
        let info = settings(link)?;
        if info.external {
            return Err(Stop::unknown(format!(
                "{} sends frames where their metadata says (external), which is not followed",
                link.name
            )));
        }
        plain(link, info)?;
        let to = |address| Vtep { address, port: info.port, vni: info.vni, via: None };
        let learned = self.vteps.iter().rev().find(|one| (one.place, one.link, &one.mac) == (place, link.ifindex, mac));
        if let Some(learned) = learned {
            return Ok((vec![to(learned.vtep)], format!("{mac} was learned on the way")));
        }
        let fdb = World::whole(self.world.view(place)?.fdb(place.netns))?;
        let of = |mac: &MacAddr| -> Vec<&FdbEntry> {
            let own = |entry: &&FdbEntry| entry.ifindex == link.ifindex && entry.bridge.is_none() && entry.mac == *mac;
            fdb.value.iter().filter(own).collect()
        };
        let mut how = format!("{} has a forwarding entry for {mac}", link.name);
        let mut entries = of(mac);
        if entries.is_empty() {
            entries = of(&MacAddr(vec![0; 6]));
            how = format!("{} knows nothing of {mac}, and sends it by its default entry", link.name);
        }
        if entries.is_empty() {
            return Err(Stop::dropped(format!("{} has no forwarding entry for {mac}, and no default one", link.name)));
        }
        let mut vteps = Vec::new();
        for entry in entries {
            if entry.nexthop.is_some() {
                return Err(Stop::unknown(format!("{how} that names a nexthop object, which is not followed")));
            }
            if info.rsc && entry.flags.iter().any(|flag| flag == "router") {
                return Err(Stop::unknown(format!("{} routes by itself (rsc), which is not followed", link.name)));
            }
            let Some(address) = entry.remote.filter(|remote| !remote.is_unspecified()) else {
                return Err(Stop::dropped(format!("{how} without a VTEP")));
            };
            if address.is_multicast() {
                return Err(Stop::unknown(format!(
                    "{how}, to all VTEPs of the group {address}, and who is in it nothing tells"
                )));
            }
            vteps.push(Vtep {
                port: entry.port.unwrap_or(info.port),
                vni: entry.vni.unwrap_or(info.vni),
                via: entry.via,
                ..to(address)
            });
        }
        Ok((vteps, how))
    }

    /// Which of several VTEPs leads to the owner of an address.
    fn leading_to(&mut self, place: Place, link: &Link, vteps: &[Vtep], mac: &MacAddr) -> Result<usize, Stop> {
        let mut beyond = None;
        let mut found = Vec::new();
        for (at, vtep) in vteps.iter().enumerate() {
            match self.quietly(|walk| walk.carried(place, link, vtep, String::new())) {
                Ok(carried) => {
                    let segment = self.segment_from(carried.place, carried.link, mac)?;
                    if segment.hearers.iter().any(|hearer| hearer.link.mac == *mac) {
                        found.push(at);
                    }
                    beyond = beyond.or(segment.beyond);
                }
                Err(Stop::Unknown { because }) => beyond = Some(because),
                Err(_) => {}
            }
        }
        match (found.as_slice(), beyond) {
            ([at], _) => Ok(*at),
            ([], Some(beyond)) => Err(Stop::unknown(format!("whether {mac} is beyond {beyond}"))),
            ([], None) => Err(Stop::dropped(format!(
                "nobody beyond the {} VTEPs that {} sends it to has the address {mac}",
                vteps.len(),
                link.name
            ))),
            _ => Err(Stop::unknown(format!("several VTEPs of {} lead to {mac}", link.name))),
        }
    }

    /// A copy that leads nowhere counts in rules all the same.
    fn copied(&mut self, place: Place, link: &Link, vtep: &Vtep) {
        let steps = std::mem::take(&mut self.steps);
        // What becomes of it does not matter.
        let _ = self.carried(place, link, vtep, String::new());
        self.steps = steps;
    }

    /// Something that is only looked at: it leaves nothing behind.
    fn quietly<T>(&mut self, does: impl FnOnce(&mut Self) -> T) -> T {
        let steps = std::mem::take(&mut self.steps);
        let counted = std::mem::take(&mut self.counted);
        let flows = self.flows.clone();
        let links = self.links;
        let done = does(self);
        self.bounced = None;
        self.steps = steps;
        self.counted = counted;
        self.flows = flows;
        self.links = links;
        done
    }

    /// Whom a broadcast (or, where an address is given, a frame to it) gets to by a vxlan; what is beyond that nobody
    /// can see.
    pub fn tunnelled(
        &mut self,
        place: Place,
        link: &Link,
        source: Option<&MacAddr>,
        packet: Option<Packet>,
        mac: &MacAddr,
    ) -> (Vec<Carried>, Option<String>) {
        let vteps = match self.vteps_of(place, link, mac) {
            Ok((vteps, _)) => vteps,
            Err(Stop::Unknown { because }) => return (Vec::new(), Some(because)),
            Err(_) => return (Vec::new(), None),
        };
        let packet = packet.unwrap_or_else(|| self.packet.clone());
        let packet = std::mem::replace(&mut self.packet, packet);
        let piece = self.piece.take();
        let before = self.mac.clone();
        self.mac = source.cloned().or(self.mac.take());
        let (mut all, mut beyond) = (Vec::new(), None);
        for vtep in &vteps {
            match self.quietly(|walk| walk.carried(place, link, vtep, String::new())) {
                Ok(carried) => all.push(carried),
                Err(Stop::Unknown { because }) => beyond = Some(because),
                Err(_) => {}
            }
        }
        self.packet = packet;
        self.piece = piece;
        self.mac = before;
        (all, beyond)
    }

    /// Whether an answer gets back through the tunnels that its question came by; they learn from both.
    pub fn returns(
        &mut self,
        passed: &[Passed],
        asker: &MacAddr,
        answerer: &MacAddr,
        six: bool,
        answers: bool,
    ) -> bool {
        for Passed { far, .. } in passed {
            self.learn_vtep(far, asker.clone());
        }
        if !answers {
            return false;
        }
        for Passed { near, far } in passed.iter().rev() {
            let (back, _) = self.tunnelled(far.place, &far.link, Some(answerer), Some(self.question(six)), asker);
            let home = back.into_iter().find(|one| (one.place, one.link.ifindex) == (near.0, near.1.ifindex));
            let Some(home) = home else { return false };
            self.learn_vtep(&home, answerer.clone());
        }
        true
    }

    /// A packet as a question for a neighbour is, as far as tunnels go.
    pub fn question(&self, six: bool) -> Packet {
        // ARP has no TTL that a tunnel could take over.
        let (length, ttl) = if six { (72, 255) } else { (28, 0) };
        Packet { mark: 0, tos: 0, ttl, length, uid: None, ..self.packet.clone() }
    }

    fn learn_vtep(&mut self, carried: &Carried, mac: MacAddr) {
        let learns = settings(&carried.link).is_ok_and(|info| info.learning);
        if learns {
            let (place, link) = (carried.place, carried.link.ifindex);
            self.vteps.push(LearnedVtep { place, link, mac, vtep: carried.from });
        }
    }

    /// The frame is carried to a VTEP. Mirrors `vxlan_xmit_one` and `vxlan_rcv`.
    fn carried(&mut self, place: Place, link: &Link, vtep: &Vtep, how: String) -> Result<Carried, Stop> {
        if self.outer >= MOST_TUNNELS {
            return Err(Stop::unknown(format!("{MOST_TUNNELS} tunnels within each other, and one more")));
        }
        let info = settings(link)?;
        let under = self.sent_from(place, link)?;
        let source = self.mac.clone();
        let inner = self.set_aside();
        self.outer += 1;
        let arrived = self.outer_way((place, link), info, under, vtep, &inner, how);
        let outer = self.packet.clone();
        self.outer -= 1;
        self.take_up(inner);
        let lost = |why: String| Stop::dropped(format!("the outer packet of {} is lost: {why}", link.name));
        let there = match arrived {
            Ok(there) => there,
            Err(stop @ Stop::Rejected { .. }) if self.bounced.is_some() => {
                if let Some(bounced) = &mut self.bounced {
                    bounced.sender = source;
                }
                return Err(stop);
            }
            Err(Stop::Dropped { why } | Stop::Rejected { why, .. }) => return Err(lost(why)),
            Err(Stop::Unknown { because }) => {
                return Err(Stop::unknown(format!("the outer packet of {}: {because}", link.name)));
            }
        };
        let (far_place, far) =
            self.taker(there, &outer, vtep.vni, source.as_ref(), info).map_err(|stop| match stop {
                Stop::Dropped { why } => lost(why),
                other => other,
            })?;
        // What rules noted on the outer packet stays on what it carries, within one namespace.
        self.packet.mark = if far_place == there { outer.mark } else { 0 };
        self.decongested(&outer)?;
        self.tracking = Tracking::Not;
        self.attached = false;
        self.zone = 0;
        self.packet.uid = None;
        self.is_own = false;
        let what = StepKind::Decapsulated { link: LinkRef::of(&far), vni: vtep.vni };
        self.step(far_place, what, None);
        Ok(Carried { place: far_place, link: far, from: outer.tuple.source })
    }

    /// Congestion that the outer packet met is told to the inner one. Mirrors `INET_ECN_decapsulate`.
    fn decongested(&mut self, outer: &Packet) -> Result<(), Stop> {
        if outer.tos & ECN == ECN {
            if self.packet.tos & ECN == 0 {
                return Err(Stop::dropped("the outer packet met congestion, which the inner one cannot be told (ECN)"));
            }
            self.packet.tos |= ECN;
        }
        Ok(())
    }

    /// The namespace that a vxlan's outer packets are of: that in which it was made.
    pub fn sent_from(&self, place: Place, link: &Link) -> Result<Place, Stop> {
        let lost = || Stop::unknown(format!("in which namespace the outer packets of {} are sent", link.name));
        match link.link_nsid {
            None => Ok(place),
            Some(Nsid(..=-1)) => Err(lost()),
            Some(nsid) => {
                let found = World::whole(self.world.view(place)?.resolve_nsid(place.netns, nsid))?;
                found.value.map(|netns| Place { netns, ..place }).ok_or_else(lost)
            }
        }
    }
}

pub(super) fn settings(link: &Link) -> Result<&VxlanInfo, Stop> {
    match &link.kind {
        LinkKind::Vxlan(info) => Ok(info),
        kind => Err(Stop::unknown(format!("{} is no vxlan, but a {}", link.name, kind.name()))),
    }
}

/// Whether its outer packets are of IPv6.
pub(super) fn speaks6(info: &VxlanInfo) -> bool {
    [info.local, info.remote].into_iter().flatten().any(|address| address.is_ipv6())
}

pub(super) fn plain(link: &Link, info: &VxlanInfo) -> Result<(), Stop> {
    match info.extensions.first() {
        None => Ok(()),
        Some(one) => Err(Stop::unknown(format!("{} speaks an extension ({one}), which is not followed", link.name))),
    }
}
