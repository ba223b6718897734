//! Who sends: a pod, a node, or an address outside.
//!
//! May import model and analyze's siblings only.

use std::net::IpAddr;

use super::{AskError, Asked, address_of};
use crate::analyze::answer::Gathered;
use crate::analyze::fib::{self, Outcome};
use crate::analyze::identity::{FindError, PodQuery, find_pod};
use crate::analyze::path::world::Place;
use crate::model::address::Scope;
use crate::model::ids::IfIndex;
use crate::model::route::RouteQuery;
use crate::model::view::NodeView;

/// Who sends a packet.
pub(super) struct Sender {
    /// The namespace that sends it, or that it comes into.
    pub place: Place,
    /// The source address that the words fix.
    pub source: Option<IpAddr>,
    /// The link that it comes in by from outside.
    pub enters: Option<IfIndex>,
    /// What that rests on.
    pub assumed: Option<String>,
}

impl Sender {
    fn at(place: Place) -> Self {
        Self { place, source: None, enters: None, assumed: None }
    }
}

pub(super) fn sender(
    nodes: &[&dyn NodeView],
    asked: &Asked,
    to: IpAddr,
    gathered: &mut Gathered,
) -> Result<Sender, AskError> {
    if let Some(at) = node_named(nodes, &asked.from)? {
        return inside(asked, Sender::at(at));
    }
    let address = address_of(&asked.from);
    let query = PodQuery { text: asked.from.clone(), namespace: asked.namespace.clone(), all: false };
    // Whom an address outside belongs to is not looked for in vain.
    let mut own = Gathered::default();
    match (find_pod(nodes, &query, &mut own), address) {
        (Ok(found), _) => {
            gathered.issues.append(&mut own.issues);
            let info = found.node.node();
            let node = nodes.iter().position(|view| view.node() == info).unwrap_or(0);
            match found.sandbox.netns {
                Some(netns) => inside(asked, Sender::at(Place { node, netns })),
                None if found.sandbox.host_network => inside(asked, Sender::at(Place { node, netns: info.host_netns })),
                None => Err(AskError::Wrong(format!("{} has no network namespace (any more)", found.sandbox.pod))),
            }
        }
        (Err(FindError::NotFound { .. }), Some(address)) => of_address(nodes, asked, address, to),
        (Err(error), _) => {
            gathered.issues.append(&mut own.issues);
            Err(error.into())
        }
    }
}

fn inside(asked: &Asked, sender: Sender) -> Result<Sender, AskError> {
    match &asked.enters {
        None => Ok(sender),
        Some(_) => Err(AskError::Wrong(format!(
            "--in is for packets that come from outside, and {:?} is not: give an outside address as the source",
            asked.from
        ))),
    }
}

/// The host namespace of the node that is called so; `host` means the only one.
pub(super) fn node_named(nodes: &[&dyn NodeView], name: &str) -> Result<Option<Place>, AskError> {
    let host = |node: usize, view: &&dyn NodeView| Place { node, netns: view.node().host_netns };
    if name == "host" {
        if let [one] = nodes {
            return Ok(Some(host(0, one)));
        }
        let names: Vec<_> = nodes.iter().map(|node| node.node().name).collect();
        let names = names.join(", ");
        return Err(AskError::Wrong(format!("host means one node, and several are asked: name one of {names}")));
    }
    Ok(nodes.iter().enumerate().find(|(_, view)| view.node().name == name).map(|(at, view)| host(at, view)))
}

/// An address that is no pod's: a node's own, or one outside.
fn of_address(nodes: &[&dyn NodeView], asked: &Asked, address: IpAddr, to: IpAddr) -> Result<Sender, AskError> {
    if address.is_ipv6() != to.is_ipv6() {
        return Err(AskError::Wrong("source and destination are of different families".to_owned()));
    }
    if address.is_unspecified() || address.is_multicast() || address.is_loopback() {
        return Err(AskError::Wrong(format!("{address} is no single host's address: no packet comes from there")));
    }
    for (node, view) in nodes.iter().enumerate() {
        let netns = view.node().host_netns;
        if view.addresses(netns).value.iter().any(|held| held.address.addr() == address) {
            return inside(asked, Sender { source: Some(address), ..Sender::at(Place { node, netns }) });
        }
    }
    let (place, enters, how) = entrance(nodes, asked, address, to)?;
    Ok(Sender { place, source: Some(address), enters: Some(enters), assumed: Some(how) })
}

/// The node and the link that a packet from outside comes in by.
fn entrance(
    nodes: &[&dyn NodeView],
    asked: &Asked,
    from: IpAddr,
    to: IpAddr,
) -> Result<(Place, IfIndex, String), AskError> {
    let (node_name, link_name) = match asked.enters.as_deref().map(|text| (text.split_once('/'), text)) {
        None => (None, None),
        Some((Some((node, link)), _)) => (Some(node), Some(link)),
        Some((None, link)) => (None, Some(link)),
    };
    let place = match node_name {
        Some(name) => node_named(nodes, name)?
            .ok_or_else(|| AskError::Wrong(format!("--in names the node {name:?}, which is not asked")))?,
        None => node_for(nodes, to)?,
    };
    let Some(view) = nodes.get(place.node) else { return Err(AskError::Wrong("no node is asked".to_owned())) };
    let name = view.node().name;
    if let Some(wanted) = link_name {
        let links = view.links(place.netns);
        let link = links.value.iter().find(|link| link.name.as_bytes() == wanted.as_bytes());
        let link = link.ok_or_else(|| AskError::Wrong(format!("{name} has no link {wanted:?} (--in)")))?;
        return Ok((place, link.ifindex, format!("it comes in by {wanted} of {name}, as --in says")));
    }
    let found = fib::lookup(*view, place.netns, &RouteQuery::to(from), &mut Gathered::default());
    let links: Vec<IfIndex> = found.usable().filter_map(|way| way.ifindex).collect();
    match (&found.outcome, links.as_slice()) {
        (Outcome::Sent, [link]) => {
            let links = view.links(place.netns);
            let words = links.value.iter().find(|one| one.ifindex == *link);
            let words = words.map_or_else(|| link.to_string(), |link| link.name.to_string());
            let how =
                format!("it comes in by {words} of {name}, by which {name} routes to {from} (--in names another)");
            Ok((place, *link, how))
        }
        _ => Err(AskError::Wrong(format!(
            "which link of {name} does a packet of {from} come in by? {name} has no one route back to it: name the link with --in"
        ))),
    }
}

/// The node that a packet from outside for this destination comes to.
fn node_for(nodes: &[&dyn NodeView], to: IpAddr) -> Result<Place, AskError> {
    let host = |node: usize, view: &&dyn NodeView| Place { node, netns: view.node().host_netns };
    if let [one] = nodes {
        return Ok(host(0, one));
    }
    let has = |view: &&dyn NodeView| {
        let netns = view.node().host_netns;
        let found = fib::lookup(*view, netns, &RouteQuery::to(to), &mut Gathered::default());
        match found.outcome {
            Outcome::Delivered => true,
            Outcome::Sent => found.way().is_some_and(|way| {
                let links = view.links(netns);
                way.gateway.is_none()
                    && links.value.iter().any(|link| {
                        Some(link.ifindex) == way.ifindex
                            && !matches!(link.kind, crate::model::link::LinkKind::Physical)
                            && !view.addresses(netns).value.iter().any(|held| {
                                held.ifindex == link.ifindex
                                    && held.address.addr().is_ipv6() == to.is_ipv6()
                                    && held.scope == Scope::Universe
                                    && nodes_share(nodes, held.address.trunc(), netns)
                            })
                    })
            }),
            _ => false,
        }
    };
    let found: Vec<Place> =
        nodes.iter().enumerate().filter(|(_, view)| has(view)).map(|(node, view)| host(node, view)).collect();
    if let [one] = found.as_slice() {
        return Ok(*one);
    }
    let names: Vec<_> = nodes.iter().map(|node| node.node().name).collect();
    Err(AskError::Wrong(format!(
        "which node does a packet from outside to {to} come to? name its link, as in --in {}/eth0 (asked are {})",
        names.first().map_or("NODE", String::as_str),
        names.join(", ")
    )))
}

/// Whether another node is on the same network: what is between nodes leads to no pod.
fn nodes_share(nodes: &[&dyn NodeView], net: ipnet::IpNet, own: crate::model::ids::NetnsId) -> bool {
    nodes.iter().any(|view| {
        let netns = view.node().host_netns;
        netns != own && view.addresses(netns).value.iter().any(|held| held.address.trunc() == net)
    })
}
