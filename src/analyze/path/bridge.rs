//! What a bridge does with a frame: which port it leaves by, or up; with bridge-nf IP's hooks on the way.
//!
//! May import model and analyze's siblings only.

use std::net::IpAddr;

use super::types::{StepKind, Stop};
use super::walk::{Crossing, Now, Walk};
use super::world::{Place, World};
use crate::analyze::fib::Outcome;
use crate::analyze::naming::LinkRef;
use crate::model::ids::MacAddr;
use crate::model::link::{Link, LinkKind, PortState};
use crate::model::netfilter::chain::Hook;
use crate::model::route::{Family, RouteKind, RuleAction};

/// `EXDEV`
const EXDEV: i32 = 18;
/// `EINVAL`
const EINVAL: i32 = 22;

/// Where a bridge sends a frame.
enum Exit {
    Up(String),
    Port(Box<Link>, String),
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
        self.no_bridge_chains(place)?;
        let filtered = from.is_some() && self.hands_to_ip(place, bridge)?;
        let mut mac = mac;
        if let (true, Some(port)) = (filtered, from) {
            mac = self.prerouting_in_bridge(place, bridge, port, mac)?;
        }
        match self.exit(place, bridge, from, &mac)? {
            Exit::Up(how) => {
                self.told_bridge(place, bridge, from, None, how);
                let tuple = self.packet.tuple;
                self.step(place, StepKind::In { link: LinkRef::of(bridge), tuple }, None);
                let crossed = from.filter(|_| filtered).map(LinkRef::of);
                Ok(Now::Up { place, link: bridge.clone(), crossed })
            }
            Exit::Port(port, how) => {
                check_port(bridge, from, &port)?;
                self.told_bridge(place, bridge, from, Some(&port), how);
                if let (true, Some(from)) = (filtered, from) {
                    self.cross_in_bridge(place, bridge, from, &port)?;
                }
                self.fits_port(place, &port, filtered)?;
                self.transmit(place, &port, Some(mac))
            }
        }
    }

    fn told_bridge(&mut self, place: Place, bridge: &Link, from: Option<&Link>, to: Option<&Link>, how: String) {
        let what = StepKind::Bridged {
            bridge: LinkRef::of(bridge),
            from: from.map(LinkRef::of),
            to: to.map(LinkRef::of),
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

    /// Prerouting within the bridge; a changed destination is routed at once. Mirrors `br_nf_pre_routing_finish`.
    fn prerouting_in_bridge(
        &mut self,
        place: Place,
        bridge: &Link,
        port: &Link,
        mac: MacAddr,
    ) -> Result<MacAddr, Stop> {
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
        if self.packet.tuple.destination == before {
            return Ok(mac);
        }
        let found = self.world.route(place, &self.route_query(Some(bridge.ifindex), None))?;
        match &found.outcome {
            Outcome::Sent => {
                let egress = self.egress(place, &found)?;
                self.neighbour_or_up(place, bridge, &egress.link, egress.next_hop)
            }
            Outcome::Delivered => Ok(bridge.mac.clone()),
            Outcome::Refused { errno, why, .. } => {
                let is_blackhole = found.kind == Some(RouteKind::Blackhole)
                    || found.rule.as_ref().is_some_and(|rule| rule.action == RuleAction::Blackhole);
                match *errno {
                    _ if self.packet.family() == Family::Ipv6 => Err(Stop::dropped(why)),
                    // Who has no route for it says so above; only a source or destination that cannot be ends it here.
                    EINVAL | EXDEV if !is_blackhole => Err(Stop::dropped(why)),
                    _ => Ok(bridge.mac.clone()),
                }
            }
            Outcome::Unknown { why } => Err(Stop::unknown(why.clone())),
        }
    }

    /// Where the new destination is on the bridge again, the frame is for it; else it goes up to be routed.
    fn neighbour_or_up(
        &mut self,
        place: Place,
        bridge: &Link,
        out: &Link,
        next_hop: Option<IpAddr>,
    ) -> Result<MacAddr, Stop> {
        if out.ifindex != bridge.ifindex {
            return Ok(bridge.mac.clone());
        }
        let Some(next_hop) = next_hop else { return Ok(bridge.mac.clone()) };
        let mac = self.neighbour(place, bridge, next_hop)?;
        mac.ok_or_else(|| Stop::unknown(format!("{} has no addresses", bridge.name)))
    }

    /// Forward and postrouting within the bridge.
    fn cross_in_bridge(&mut self, place: Place, bridge: &Link, from: &Link, to: &Link) -> Result<(), Stop> {
        self.cross(&mut Crossing {
            place,
            hook: Hook::Forward,
            input: Some(bridge.clone()),
            output: Some(bridge.clone()),
            port_in: Some(LinkRef::of(from)),
            port_out: Some(LinkRef::of(to)),
            in_bridge: true,
        })?;
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
    fn exit(&self, place: Place, bridge: &Link, from: Option<&Link>, mac: &MacAddr) -> Result<Exit, Stop> {
        if bridge.mac == *mac {
            return Ok(Exit::Up("the frame is for the bridge itself".to_owned()));
        }
        let links = self.world.links(place)?;
        let ports: Vec<&Link> = links.value.iter().filter(|link| link.controller == Some(bridge.ifindex)).collect();
        if let Some(own) = ports.iter().find(|port| port.mac == *mac) {
            return Ok(Exit::Up(format!("{mac} is the address of {}, a port", own.name)));
        }
        let fdb = World::whole(self.world.view(place)?.fdb(place.netns))?;
        let learned = fdb.value.iter().find(|entry| {
            entry.mac == *mac
                && entry.bridge == Some(bridge.ifindex)
                && ports.iter().any(|port| port.ifindex == entry.ifindex)
        });
        let port_of = |ifindex| ports.iter().find(|port| port.ifindex == ifindex).map(|port| (**port).clone());
        if let Some(port) = learned.and_then(|entry| port_of(entry.ifindex)) {
            return Ok(Exit::Port(Box::new(port), format!("{mac} was learned there")));
        }
        self.flooded(place, bridge, &ports, from, mac)
    }

    /// Nobody has learned the address: the frame goes out by all ports, and one of them leads to its owner.
    fn flooded(
        &self,
        place: Place,
        bridge: &Link,
        ports: &[&Link],
        from: Option<&Link>,
        mac: &MacAddr,
    ) -> Result<Exit, Stop> {
        let mut beyond = None;
        let mut found = Vec::new();
        for port in ports {
            let segment = self.segment(place, port)?;
            if segment.hearers.iter().any(|hearer| hearer.link.mac == *mac) {
                found.push((*port).clone());
            }
            beyond = beyond.or(segment.beyond);
        }
        // A port that floods nothing gets nothing; back where it came from only by hairpin, which is checked later.
        let open = |port: &Link| {
            port.port.as_ref().is_some_and(|port| port.flood) || from.is_some_and(|from| from.ifindex == port.ifindex)
        };
        match found.as_slice() {
            [port] if open(port) => {
                Ok(Exit::Port(Box::new(port.clone()), format!("{mac} is beyond that port, and is not learned yet")))
            }
            [port] => Err(Stop::dropped(format!("{mac} is not learned, and {} floods nothing", port.name))),
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
