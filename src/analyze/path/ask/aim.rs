//! To where: an address, a node, a pod, a service.
//!
//! May import model and analyze's siblings only.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use super::sender::node_named;
use super::{AskError, Asked, Target, address_of};
use crate::analyze::answer::Gathered;
use crate::analyze::identity::{FindError, PodQuery, find_pod};
use crate::analyze::path::packet::{SCTP, TCP, UDP};
use crate::analyze::services::types::{FrontKind, ServicePort};
use crate::analyze::services::{ServicesError, ServicesQuery, services};
use crate::model::address::Scope;
use crate::model::kube_proxy::Protocol;
use crate::model::route::Family;
use crate::model::view::NodeView;

/// What a destination's words mean.
pub fn target(nodes: &[&dyn NodeView], asked: &Asked, gathered: &mut Gathered) -> Result<Target, AskError> {
    aim(nodes, asked, &asked.to, gathered)
}

/// The same for words beside the destination's.
pub(super) fn aim(
    nodes: &[&dyn NodeView],
    asked: &Asked,
    text: &str,
    gathered: &mut Gathered,
) -> Result<Target, AskError> {
    if let Ok(both) = text.parse::<SocketAddr>() {
        return Ok(Target { address: both.ip(), port: Some(both.port()), protocol: None });
    }
    if let Some(address) = address_of(text) {
        return Ok(Target { address, port: None, protocol: None });
    }
    if text.starts_with("svc:") {
        return of_service(nodes, text, asked);
    }
    if text.parse::<u16>().is_ok_and(|port| port >= 1024) && asked.from != text {
        return Err(AskError::Wrong(format!(
            "{text} is a port alone: whose? write NODE:{text} or ADDRESS:{text} for a node port"
        )));
    }
    let (name, port) = match text.rsplit_once(':') {
        Some((name, port)) => match port.parse::<u16>() {
            Ok(port) => (name, Some(port)),
            Err(_) => (text, None),
        },
        None => (text, None),
    };
    if let Some(place) = node_named(nodes, name)?
        && let Some(view) = nodes.get(place.node)
    {
        return Ok(Target { address: main_address(*view, asked)?, port, protocol: None });
    }
    let query = PodQuery { text: name.to_owned(), namespace: asked.namespace.clone(), all: false };
    match find_pod(nodes, &query, gathered) {
        Ok(found) => {
            let ips = found.sandbox.ips.clone().unwrap_or_default();
            let fits = |ip: &&IpAddr| asked.six.is_none_or(|six| ip.is_ipv6() == six);
            let address = ips.iter().find(fits).copied().ok_or_else(|| {
                AskError::Wrong(format!("{} has no address of that family that is known", found.sandbox.pod))
            })?;
            Ok(Target { address, port, protocol: None })
        }
        Err(FindError::NotFound { .. }) => match of_service(nodes, &format!("svc:{text}"), asked) {
            Err(AskError::Service(ServicesError::NotFound { .. })) => Err(AskError::Wrong(format!(
                "{text:?} is no address, and names neither a node nor a pod nor a service that was asked"
            ))),
            other => other,
        },
        Err(other) => Err(other.into()),
    }
}

/// The address that a node is known by: that of the link of its default route.
fn main_address(view: &dyn NodeView, asked: &Asked) -> Result<IpAddr, AskError> {
    let info = view.node();
    let (routes, addresses) = (view.routes(info.host_netns), view.addresses(info.host_netns));
    let family = if asked.six == Some(true) { Family::Ipv6 } else { Family::Ipv4 };
    let defaults = routes.value.iter().filter(|route| route.family == family && route.dst.prefix_len() == 0);
    let links = defaults.flat_map(|route| route.nexthops.iter().filter_map(|hop| hop.ifindex));
    let own = |link| {
        let held = addresses.value.iter().find(|held| {
            held.ifindex == link && Family::of(held.address.addr()) == family && held.scope == Scope::Universe
        });
        held.map(|held| held.address.addr())
    };
    links.into_iter().find_map(own).ok_or_else(|| {
        let name = info.name;
        AskError::Wrong(format!(
            "which address of {name}? it has no default route whose link has one: write the address"
        ))
    })
}

fn of_service(nodes: &[&dyn NodeView], text: &str, asked: &Asked) -> Result<Target, AskError> {
    let query = ServicesQuery {
        text: Some(text.to_owned()),
        namespace: asked.namespace.clone(),
        endpoints_only: false,
        brief: false,
    };
    let found = services(nodes, &query)?.data.services;
    let fits =
        |port: &&ServicePort| asked.protocol.is_none_or(|wanted| port.protocol.is_none_or(|its| number(its) == wanted));
    let mut fronts = BTreeSet::new();
    for port in found.iter().filter(fits) {
        let cluster = |kind: FrontKind| kind == FrontKind::ClusterIp;
        let held = port.addresses.iter().filter(|front| asked.six.is_none_or(|six| front.address.is_ipv6() == six));
        let best = held.min_by_key(|front| (!cluster(front.kind), front.address.is_ipv6()));
        fronts.extend(best.map(|front| (port.title.clone(), front.address, front.port, port.protocol.map(number))));
    }
    let fronts: Vec<_> = fronts.into_iter().collect();
    match fronts.as_slice() {
        [(_, address, port, protocol)] => Ok(Target { address: *address, port: Some(*port), protocol: *protocol }),
        [] => Err(AskError::Wrong(format!("{text:?} has no address that is known here"))),
        several => {
            let words = |(title, address, port, _): &(String, IpAddr, u16, _)| format!("{title} ({address}:{port})");
            let names: Vec<String> = several.iter().map(words).collect();
            Err(AskError::Wrong(format!("{text:?} has several ports, name one: {}", names.join(", "))))
        }
    }
}

fn number(protocol: Protocol) -> u8 {
    match protocol {
        Protocol::Tcp => TCP,
        Protocol::Udp => UDP,
        Protocol::Sctp => SCTP,
    }
}
