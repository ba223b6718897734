//! What the other end of a pod's interface is plugged into.
//!
//! May import model and its siblings only.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::Serialize;

use crate::analyze::answer::Gathered;
use crate::analyze::naming::LinkRef;
use crate::analyze::trace::uplink::{Way, way};
use crate::model::address::{Address, Scope};
use crate::model::ids::{IfIndex, MacAddr, NetnsId};
use crate::model::link::{BridgeInfo, BridgePort, Link, LinkKind};
use crate::model::neigh::FdbEntry;
use crate::model::route::RouteQuery;
use crate::model::sysctl;
use crate::model::text::ByteText;
use crate::model::view::NodeView;

/// What a link is plugged into.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "into", rename_all = "snake_case")]
pub enum Plugged {
    /// A port of a bridge.
    Bridge(Box<BridgePlug>),
    /// Under another controller (a bond, a VRF).
    Controller {
        /// Which; `None` when it could not be read.
        controller: Option<LinkRef>,
        /// Its kind, as `ip -d link` names it.
        controller_kind: String,
    },
    /// Under none: the namespace routes.
    Routed(Box<RoutedPlug>),
}

/// A link as a port of a bridge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct BridgePlug {
    /// The bridge.
    pub bridge: LinkRef,
    /// Whether the bridge is up.
    pub bridge_up: bool,
    /// The port's settings; `None` where the kernel did not tell them.
    pub port: Option<BridgePort>,
    /// How many other ports the bridge has.
    pub other_ports: usize,
    /// The addresses learned on this port, by MAC and vlan.
    pub learned: Vec<LearnedMac>,
    /// Whether the bridge hands IPv4 frames to iptables and nftables.
    pub netfilter: BridgeNetfilter,
}

/// An address that a bridge learned on a port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct LearnedMac {
    /// The address.
    pub mac: MacAddr,
    /// The vlan it was learned in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vlan: Option<u16>,
    /// `NUD_*` by lower-case name.
    pub states: Vec<String>,
}

/// Whether the bridge hands IPv4 frames to netfilter's IP hooks: if the namespace's sysctl **or**
/// the bridge's own switch is on, and the module is loaded at all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct BridgeNetfilter {
    /// What follows from the two below; `None` when the sysctl could not be read.
    pub effective: Option<bool>,
    /// `net.bridge.bridge-nf-call-iptables`; `None` when there is no such file (then the module
    /// is not loaded, which is the same as off) or it could not be read.
    pub sysctl: Option<String>,
    /// The bridge's own `nf_call_iptables`.
    pub bridge: bool,
}

/// A link under no controller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RoutedPlug {
    /// The way to each of the pod's addresses of global scope, in the pod's order.
    pub ways: Vec<WayToPod>,
    /// Whether the link answers ARP for others (`proxy_arp` of the link or of `all`); `None` when unknown.
    pub proxy_arp: Option<bool>,
}

/// How the host routes to one address of the pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct WayToPod {
    /// The pod's address.
    pub address: IpAddr,
    /// The rule and route that win there.
    pub way: Way,
    /// Whether they lead to this link; `None` when unknown.
    pub leads_here: Option<bool>,
}

impl WayToPod {
    /// The way to an address, and whether it leads to that link.
    pub fn by(way: Way, address: IpAddr, link: IfIndex) -> Self {
        let leads_here = match &way {
            Way::Route(chosen) => Some(chosen.leads_to(link)),
            Way::Refused { .. } | Way::Rejected { .. } | Way::None => Some(false),
            Way::Unknown { .. } => None,
        };
        Self { address, way, leads_here }
    }
}

/// What `link` of `netns` is plugged into; `addresses` are those of the pod's own end.
pub fn plugged(
    node: &dyn NodeView,
    netns: NetnsId,
    link: &Link,
    addresses: &[Address],
    gathered: &mut Gathered,
) -> Plugged {
    let Some(controller) = link.controller else {
        return Plugged::Routed(Box::new(routed(node, netns, link, addresses, gathered)));
    };
    let links = node.links(netns);
    let links = gathered.take(&links);
    let Some(above) = links.iter().find(|other| other.ifindex == controller) else {
        let kind = link.port_kind.clone().unwrap_or_else(|| "unknown".to_owned());
        return Plugged::Controller { controller: None, controller_kind: kind };
    };
    let LinkKind::Bridge(info) = &above.kind else {
        return Plugged::Controller {
            controller: Some(LinkRef::of(above)),
            controller_kind: above.kind.name().to_owned(),
        };
    };
    let other_ports =
        links.iter().filter(|other| other.controller == Some(controller) && other.ifindex != link.ifindex).count();
    let fdb = node.fdb(netns);
    let entries: &Vec<FdbEntry> = gathered.take(&fdb);
    Plugged::Bridge(Box::new(BridgePlug {
        bridge: LinkRef::of(above),
        bridge_up: above.up,
        port: link.port.clone(),
        other_ports,
        learned: learned(entries, link),
        netfilter: bridge_netfilter(node, netns, info, gathered),
    }))
}

/// The addresses that the bridge learned on a port, without those that are its own.
pub fn learned(fdb: &[FdbEntry], port: &Link) -> Vec<LearnedMac> {
    let mut learned: Vec<LearnedMac> = fdb
        .iter()
        .filter(|entry| entry.ifindex == port.ifindex && entry.bridge == port.controller && entry.bridge.is_some())
        .filter(|entry| !entry.states.iter().any(|state| state == "permanent"))
        .map(|entry| LearnedMac { mac: entry.mac.clone(), vlan: entry.vlan, states: entry.states.clone() })
        .collect();
    learned.sort();
    learned.dedup();
    learned
}

/// Whether IPv4 frames of a bridge cross the IP hooks.
pub fn bridge_netfilter(
    node: &dyn NodeView,
    netns: NetnsId,
    info: &BridgeInfo,
    gathered: &mut Gathered,
) -> BridgeNetfilter {
    let section = node.sysctl(netns, "bridge.bridge-nf-call-iptables");
    let unreadable = !section.issues.is_empty() && section.value.is_none();
    let sysctl = gathered.take(&section).clone();
    let effective = match &sysctl {
        Some(value) => Some(value.trim() != "0" || info.nf_call_iptables),
        None if unreadable => None,
        None => Some(false),
    };
    BridgeNetfilter { effective, sysctl, bridge: info.nf_call_iptables }
}

fn routed(
    node: &dyn NodeView,
    netns: NetnsId,
    link: &Link,
    addresses: &[Address],
    gathered: &mut Gathered,
) -> RoutedPlug {
    let ways = addresses
        .iter()
        .filter(|address| address.scope == Scope::Universe)
        .map(|address| {
            let address = address.address.addr();
            WayToPod::by(way(node, netns, &RouteQuery::to(address), gathered), address, link.ifindex)
        })
        .collect();
    RoutedPlug { ways, proxy_arp: link_switch(node, netns, &link.name, "proxy_arp", gathered) }
}

/// An IPv4 switch of a link that counts when it is on for the link or for `all`.
pub fn link_switch(
    node: &dyn NodeView,
    netns: NetnsId,
    link: &ByteText,
    setting: &str,
    gathered: &mut Gathered,
) -> Option<bool> {
    let mut read = |name: &str| {
        let section = node.sysctl(netns, name);
        gathered.take(&section).as_deref().map(|value| value.trim() != "0")
    };
    let own = read(&sysctl::of_link("ipv4", link, setting)?);
    let all = read(&format!("ipv4.conf.all.{setting}"));
    match (own, all) {
        (Some(true), _) | (_, Some(true)) => Some(true),
        (Some(false), Some(false)) => Some(false),
        _ => None,
    }
}
