//! Who a pod's gateway is.
//!
//! May import model and its siblings only.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::Serialize;

use super::WayOut;
use crate::analyze::answer::Gathered;
use crate::analyze::finding::{Code, Finding};
use crate::analyze::naming::{LinkRef, NetnsRole};
use crate::analyze::veth::plugged::Plugged;
use crate::analyze::veth::{End, Interface};
use crate::model::address::Address;
use crate::model::ids::{MacAddr, NetnsId};
use crate::model::link::Link;
use crate::model::neigh::{FdbEntry, Neighbour};
use crate::model::view::NodeView;

/// A gateway of a default route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Gateway {
    /// Its address.
    pub address: IpAddr,
    /// What the pod has resolved it to; `None` when it has not asked, or the entry was dropped.
    pub neighbour: Option<Neighbour>,
    /// Who it is on this node; `None` when it is none of this node's links.
    pub owner: Option<Owner>,
}

/// The link of the host that is a gateway, or that leads to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Owner {
    /// How it is known.
    pub kind: OwnerKind,
    /// The link.
    pub link: LinkRef,
    /// Its link-layer address.
    pub mac: MacAddr,
}

/// How a gateway's owner is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OwnerKind {
    /// The link has the gateway's address.
    Address,
    /// The link has the link-layer address that the pod resolved the gateway to (it answers for it).
    Mac,
    /// The bridge learned that link-layer address on this port: the gateway is beyond it.
    LearnedOnPort,
}

/// The gateways of the default routes that leave by an interface.
pub(super) fn gateways(
    node: &dyn NodeView,
    netns: NetnsId,
    interface: &Interface,
    routes: &[WayOut],
    gathered: &mut Gathered,
) -> Vec<Gateway> {
    let mut addresses: Vec<IpAddr> = Vec::new();
    for out in routes {
        let hops = out.way.route().map(|chosen| chosen.route.nexthops.as_slice()).unwrap_or_default();
        for hop in hops.iter().filter(|hop| hop.ifindex == Some(interface.link.ifindex)) {
            addresses.extend(hop.gateway.filter(|gateway| !addresses.contains(gateway)));
        }
    }
    if addresses.is_empty() {
        return Vec::new();
    }
    let neighbours = node.neighbours(netns);
    let neighbours: &Vec<Neighbour> = gathered.take(&neighbours);
    addresses
        .into_iter()
        .map(|address| {
            let neighbour = neighbours
                .iter()
                .find(|known| known.ifindex == interface.link.ifindex && known.address == address)
                .cloned();
            let mac = neighbour.as_ref().and_then(|neighbour| neighbour.mac.clone());
            Gateway { address, neighbour, owner: owner(node, interface, address, mac.as_ref(), gathered) }
        })
        .collect()
}

fn owner(
    node: &dyn NodeView,
    interface: &Interface,
    address: IpAddr,
    mac: Option<&MacAddr>,
    gathered: &mut Gathered,
) -> Option<Owner> {
    let End::Peer(peer) = &interface.other_end else { return None };
    if peer.netns.role != NetnsRole::Host {
        return None;
    }
    let host = peer.netns.id;
    let (links, addresses) = (node.links(host), node.addresses(host));
    let links: &Vec<Link> = gathered.take(&links);
    let addresses: &Vec<Address> = gathered.take(&addresses);
    let owner = |kind, link: &Link| Owner { kind, link: LinkRef::of(link), mac: link.mac.clone() };
    // A link-local address may stand on many links: the one the pod is plugged into counts first.
    let plug = match &peer.plugged {
        Some(Plugged::Bridge(plug)) => plug.bridge.ifindex,
        _ => peer.link.ifindex,
    };
    let mut holders: Vec<_> = addresses.iter().filter(|held| held.address.addr() == address).collect();
    holders.sort_by_key(|held| held.ifindex != plug);
    if let Some(link) = holders.first().and_then(|held| links.iter().find(|link| link.ifindex == held.ifindex)) {
        return Some(owner(OwnerKind::Address, link));
    }
    let mac = mac?;
    // Many links may share a made-up address (ee:ee:ee:ee:ee:ee): only the near ones count.
    let near =
        links.iter().find(|link| link.mac == *mac && (link.ifindex == plug || link.ifindex == peer.link.ifindex));
    if let Some(link) = near {
        return Some(owner(OwnerKind::Mac, link));
    }
    let fdb = node.fdb(host);
    let fdb: &Vec<FdbEntry> = gathered.take(&fdb);
    let port = fdb.iter().find(|entry| entry.bridge == Some(plug) && entry.mac == *mac && entry.ifindex != plug)?;
    let link = links.iter().find(|link| link.ifindex == port.ifindex)?;
    Some(owner(OwnerKind::LearnedOnPort, link))
}

/// What is to be said of a gateway.
pub(super) fn judge(gateway: &Gateway) -> Option<Finding> {
    let neighbour = gateway.neighbour.as_ref()?;
    let address = gateway.address;
    let failed = neighbour.states.iter().any(|state| state == "failed" || state == "incomplete");
    match &gateway.owner {
        Some(owner) if failed => Some(Finding::odd(
            Code::Gateway,
            format!("the pod got no answer from its gateway {address}, though {} has that address", owner.link.name),
        )),
        None if failed => Some(Finding::bad(Code::Gateway, format!("the gateway {address} does not answer"))),
        Some(owner)
            if owner.kind == OwnerKind::Address && neighbour.mac.as_ref().is_some_and(|mac| *mac != owner.mac) =>
        {
            let mac = neighbour.mac.as_ref().map(ToString::to_string).unwrap_or_default();
            let text =
                format!("the pod has {address} at {mac}, but {} of this node has {}", owner.link.name, owner.mac);
            Some(Finding::odd(Code::Gateway, text))
        }
        _ => None,
    }
}
