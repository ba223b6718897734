//! What a bridge does with a frame: which port it leaves by, or up; with bridge-nf IP's hooks on the way.
//!
//! May import model and analyze's siblings only.

use std::net::IpAddr;
use std::rc::Rc;

use super::frame::{HOST, OTHERHOST};
use super::segment::Sought;
use super::types::{StepKind, Stop};
use super::walk::{Crossing, Now, Walk};
use super::world::{Link, Place, World};
use crate::analyze::fib::Outcome;
use crate::analyze::naming::LinkRef;
use crate::model::ids::MacAddr;
use crate::model::link::{LinkKind, PortState};
use crate::model::netfilter::chain::{Chain, Hook};
use crate::model::route::{Family, RouteKind, RuleAction};

/// `EXDEV`
const EXDEV: i32 = 18;
/// `EINVAL`
const EINVAL: i32 = 22;

/// Where a bridge sends a frame.
enum Exit {
    Up(String),
    Port(Link, String),
}

impl Walk<'_, '_> {
    /// A frame is with a bridge: from a port, or from the namespace itself.
    pub fn bridge(
        &mut self,
        place: Place,
        bridge: &Link,
        from: Option<&Link>,
        mac: Option<MacAddr>,
    ) -> Result<Now, Stop> {
        let Some(mac) = mac else {
            return Err(Stop::unknown(format!("a frame without an address in the bridge {}", bridge.name)));
        };
        if !bridge.up {
            return Err(Stop::dropped(format!("the bridge {} is down", bridge.name)));
        }
        if bridge.filters_vlans() {
            return Err(Stop::unknown(format!("{} filters VLANs, which is not followed (unproven)", bridge.name)));
        }
        if let Some(port) = from {
            match port.port.as_ref().map(|port| port.state) {
                Some(PortState::Forwarding) => {}
                Some(state) => {
                    let state = format!("{state:?}").to_lowercase();
                    return Err(Stop::dropped(format!("the port {} of {} is {state}", port.name, bridge.name)));
                }
                None => return Err(Stop::unknown(format!("the state of the port {} could not be read", port.name))),
            }
        }
        let filtered = from.is_some() && self.hands_to_ip(place, bridge)?;
        self.frame.to = Some(mac.clone());
        let mut mac = mac;
        if let Some(port) = from {
            if mac == bridge.mac {
                self.frame.kind = HOST;
            }
            mac = self.prerouting(place, bridge, port, filtered)?;
        }
        match self.exit(place, bridge, from, &mac)? {
            Exit::Up(how) => {
                self.told_bridge(place, bridge, from, None, how);
                self.goes_up(place, bridge, from)?;
                let crossed = from.filter(|_| filtered).map(|port| LinkRef::of(port));
                Ok(Now::Up { place, link: bridge.clone(), crossed })
            }
            Exit::Port(port, how) => {
                check_port(bridge, from, &port)?;
                self.told_bridge(place, bridge, from, Some(&port), how);
                self.goes_out(place, bridge, from, &port, filtered)?;
                self.fits_port(place, &port, filtered)?;
                let mac = self.frame.to.clone();
                self.transmit(place, &port, mac)
            }
        }
    }

    /// Prerouting of a bridge, and the address that its frame has then.
    pub fn prerouting(&mut self, place: Place, bridge: &Link, port: &Link, filtered: bool) -> Result<MacAddr, Stop> {
        let ends = (Some(port), None);
        let around = self.bridge_chains(place, Hook::Prerouting, filtered.then_some(0..=0))?;
        self.ask_bridge(place, bridge, Hook::Prerouting, ends, &around.before)?;
        if filtered && self.frame.arp.is_none() {
            self.prerouting_in_bridge(place, bridge, port, &around.behind)?;
        } else {
            self.ask_bridge(place, bridge, Hook::Prerouting, ends, &around.behind)?;
        }
        self.frame.to.clone().ok_or_else(|| Stop::unknown("a frame whose address nothing tells"))
    }

    /// Input of a bridge, and in by the bridge itself. Mirrors `br_pass_frame_up`.
    pub fn goes_up(&mut self, place: Place, bridge: &Link, from: Option<&Link>) -> Result<(), Stop> {
        let chains = self.bridge_chains(place, Hook::Input, None)?.before;
        self.ask_bridge(place, bridge, Hook::Input, (from.or(Some(bridge)), None), &chains)?;
        let tuple = self.shown();
        self.step(place, StepKind::In { link: LinkRef::of(bridge), tuple }, None);
        self.ingress(place, bridge)?;
        if self.frame.kind == OTHERHOST {
            return Err(Stop::dropped(format!(
                "the frame is for somebody else than {}, whose IP takes none",
                bridge.name
            )));
        }
        Ok(())
    }

    /// Output or forward, and postrouting, of a bridge. Mirrors `__br_forward` and `br_nf_ops`.
    pub fn goes_out(
        &mut self,
        place: Place,
        bridge: &Link,
        from: Option<&Link>,
        to: &Link,
        filtered: bool,
    ) -> Result<(), Stop> {
        let hook = if from.is_some() { Hook::Forward } else { Hook::Output };
        let hands = from.filter(|_| filtered && self.frame.arp.is_none());
        let ends = (from, Some(to));
        // Before Linux 6.8 IP's hooks of forward run at -1, and ARP's at 0.
        let around = self.bridge_chains(place, hook, hands.map(|_| -1..=0))?;
        self.ask_bridge(place, bridge, hook, ends, &around.before)?;
        if let Some(from) = hands {
            self.forward_in_bridge(place, bridge, from, to)?;
        }
        self.ask_bridge(place, bridge, hook, ends, &around.behind)?;
        let last = hands.map(|_| i32::MAX..=i32::MAX);
        let around = self.bridge_chains(place, Hook::Postrouting, last)?;
        self.ask_bridge(place, bridge, Hook::Postrouting, (None, Some(to)), &around.before)?;
        if let Some(from) = hands {
            self.postrouting_in_bridge(place, bridge, from, to)?;
        }
        self.ask_bridge(place, bridge, Hook::Postrouting, (None, Some(to)), &around.behind)
    }

    fn told_bridge(&mut self, place: Place, bridge: &Link, from: Option<&Link>, to: Option<&Link>, how: String) {
        let what = StepKind::Bridged {
            bridge: LinkRef::of(bridge),
            from: from.map(|port| LinkRef::of(port)),
            to: to.map(|port| LinkRef::of(port)),
            how,
        };
        self.step(place, what, None);
    }

    /// Whether frames of this bridge go through IP's hooks.
    pub fn hands_to_ip(&self, place: Place, bridge: &Link) -> Result<bool, Stop> {
        let LinkKind::Bridge(info) = &bridge.kind else { return Ok(false) };
        let (own, name) = match self.packet.family() {
            Family::Ipv4 => (info.nf_call_iptables, "bridge.bridge-nf-call-iptables"),
            Family::Ipv6 => (info.nf_call_ip6tables, "bridge.bridge-nf-call-ip6tables"),
        };
        Ok(own || self.world.sysctl(place, name)? != 0)
    }

    /// IP's prerouting within the bridge; a changed destination is routed at once. The bridge's own chains behind it
    /// see the frame before the new neighbour's address is in it. Mirrors `br_nf_pre_routing_finish`.
    fn prerouting_in_bridge(
        &mut self,
        place: Place,
        bridge: &Link,
        port: &Link,
        behind: &[Rc<Chain>],
    ) -> Result<(), Stop> {
        let before = self.packet.tuple.destination;
        self.cross(&mut Crossing {
            place,
            hook: Hook::Prerouting,
            input: Some(bridge.clone()),
            output: None,
            port_in: Some(LinkRef::of(port)),
            port_out: None,
            in_bridge: true,
        })?;
        let neighbour = if self.packet.tuple.destination == before { None } else { self.next_on(place, bridge)? };
        self.ask_bridge(place, bridge, Hook::Prerouting, (Some(port), None), behind)?;
        if let Some(next_hop) = neighbour {
            let mac = self.neighbour(place, bridge, next_hop)?;
            self.frame.to = Some(mac.ok_or_else(|| Stop::unknown(format!("{} has no addresses", bridge.name)))?);
        }
        Ok(())
    }

    /// Where a destination that was changed in the bridge leads: to whom on the bridge again; else up to be routed.
    fn next_on(&mut self, place: Place, bridge: &Link) -> Result<Option<IpAddr>, Stop> {
        let found = self.world.route(place, &self.route_query(Some(bridge.ifindex), None))?;
        match &found.outcome {
            Outcome::Sent => {
                let egress = self.egress(place, &found)?;
                if egress.link.ifindex == bridge.ifindex && egress.next_hop.is_some() {
                    return Ok(egress.next_hop);
                }
            }
            Outcome::Delivered => {}
            Outcome::Refused { errno, why, .. } => {
                let is_blackhole = found.kind == Some(RouteKind::Blackhole)
                    || found.rule.as_ref().is_some_and(|rule| rule.action == RuleAction::Blackhole);
                match *errno {
                    _ if self.packet.family() == Family::Ipv6 => return Err(Stop::dropped(why)),
                    // Who has no route for it says so above; only a source or destination that cannot be ends it here.
                    EINVAL | EXDEV if !is_blackhole => return Err(Stop::dropped(why)),
                    _ => {}
                }
            }
            Outcome::Unknown { why } => return Err(Stop::unknown(why.clone())),
        }
        self.frame.to = Some(bridge.mac.clone());
        self.frame.kind = HOST;
        Ok(None)
    }

    /// IP's forward within the bridge.
    fn forward_in_bridge(&mut self, place: Place, bridge: &Link, from: &Link, to: &Link) -> Result<(), Stop> {
        self.cross(&mut Crossing {
            place,
            hook: Hook::Forward,
            input: Some(bridge.clone()),
            output: Some(bridge.clone()),
            port_in: Some(LinkRef::of(from)),
            port_out: Some(LinkRef::of(to)),
            in_bridge: true,
        })?;
        Ok(())
    }

    /// IP's postrouting within the bridge.
    fn postrouting_in_bridge(&mut self, place: Place, bridge: &Link, from: &Link, to: &Link) -> Result<(), Stop> {
        self.cross(&mut Crossing {
            place,
            hook: Hook::Postrouting,
            input: None,
            output: Some(bridge.clone()),
            port_in: Some(LinkRef::of(from)),
            port_out: Some(LinkRef::of(to)),
            in_bridge: true,
        })?;
        Ok(())
    }

    /// Up, or to which port. Mirrors `br_handle_frame_finish`.
    fn exit(&mut self, place: Place, bridge: &Link, from: Option<&Link>, mac: &MacAddr) -> Result<Exit, Stop> {
        if bridge.mac == *mac {
            return Ok(Exit::Up("the frame is for the bridge itself".to_owned()));
        }
        let ports = self.world.links_that(place, |link| link.controller == Some(bridge.ifindex))?;
        if let Some(own) = ports.iter().find(|port| port.mac == *mac) {
            return Ok(Exit::Up(format!("{mac} is the address of {}, a port", own.name)));
        }
        let fdb = World::whole(self.world.view(place)?.fdb(place.netns))?;
        let learned = fdb.value.iter().find(|entry| {
            entry.mac == *mac
                && entry.bridge == Some(bridge.ifindex)
                && ports.iter().any(|port| port.ifindex == entry.ifindex)
        });
        let port_of = |ifindex| ports.iter().find(|port| port.ifindex == ifindex).cloned();
        if let Some(port) = learned.and_then(|entry| port_of(entry.ifindex)) {
            return Ok(Exit::Port(port, format!("{mac} was learned there")));
        }
        self.flooded(place, bridge, &ports, from, mac)
    }

    /// Nobody has learned the address: the frame goes out by all ports, and one of them leads to its owner.
    fn flooded(
        &mut self,
        place: Place,
        bridge: &Link,
        ports: &[Link],
        from: Option<&Link>,
        mac: &MacAddr,
    ) -> Result<Exit, Stop> {
        let mut beyond = None;
        let mut found = Vec::new();
        for port in ports {
            let segment = self.segment(place, port, &Sought::Frame(mac.clone()))?;
            if segment.hearers.iter().any(|hearer| hearer.link.mac == *mac) {
                found.push(port.clone());
            }
            beyond = beyond.or(segment.beyond);
        }
        // A port that floods nothing gets nothing; back where it came from only by hairpin, which is checked later.
        let open = |port: &Link| {
            port.port.as_ref().is_some_and(|port| port.flood) || from.is_some_and(|from| from.ifindex == port.ifindex)
        };
        match found.as_slice() {
            [port] if open(port) => {
                Ok(Exit::Port(port.clone(), format!("{mac} is beyond that port, and is not learned yet")))
            }
            [port] => Err(Stop::dropped(format!("{mac} is not learned, and {} floods nothing", port.name))),
            [] if !self.world.children(place, bridge.ifindex)?.is_empty() => {
                Err(Stop::unknown(format!("whether {mac} is on {}, which is not followed (macvlan)", bridge.name)))
            }
            [] => match beyond {
                Some(beyond) => Err(Stop::unknown(format!("whether {mac} is beyond {beyond}"))),
                None => Err(Stop::dropped(format!("nobody beyond the ports of {} has the address {mac}", bridge.name))),
            },
            _ => Err(Stop::unknown(format!("several ports of {} lead to {mac}", bridge.name))),
        }
    }
}

/// Mirrors `should_deliver`.
fn check_port(bridge: &Link, from: Option<&Link>, to: &Link) -> Result<(), Stop> {
    let Some(port) = &to.port else {
        return Err(Stop::unknown(format!("the state of the port {} could not be read", to.name)));
    };
    if port.state != PortState::Forwarding {
        let state = format!("{:?}", port.state).to_lowercase();
        return Err(Stop::dropped(format!("the port {} of {} is {state}", to.name, bridge.name)));
    }
    let Some(from) = from else { return Ok(()) };
    if from.ifindex == to.ifindex && !port.hairpin {
        return Err(Stop::dropped(format!(
            "it would leave {} by the port that it came in by, {}, whose hairpin mode is off",
            bridge.name, to.name
        )));
    }
    if port.isolated && from.port.as_ref().is_some_and(|port| port.isolated) {
        return Err(Stop::dropped(format!(
            "both ports of {}, {} and {}, are isolated",
            bridge.name, from.name, to.name
        )));
    }
    Ok(())
}
