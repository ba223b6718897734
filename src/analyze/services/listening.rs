//! Whether a socket waits at an endpoint on this node.
//!
//! May import model and analyze's siblings only. Every service has an answer where its endpoint's namespace can
//! be read; what rules within a pod do with the packet (a mesh's redirect) is not asked here.

use std::collections::BTreeSet;

use super::pods::Pods;
use super::types::{Endpoint, Listening, ServicePort};
use crate::analyze::answer::Gathered;
use crate::analyze::sockets::{Sought, best, elsewhere};
use crate::model::issue::{Level, Why};
use crate::model::kube_proxy::Protocol;
use crate::model::view::NodeView;

/// Looks for the sockets of a service's endpoints on this node.
pub(super) fn look(node: &dyn NodeView, pods: &Pods, port: &mut ServicePort, gathered: &mut Gathered) {
    let Some(protocol) = port.protocol.map(Protocol::number) else { return };
    for endpoint in &mut port.endpoints {
        endpoint.listening = at(node, pods, endpoint, protocol, gathered);
    }
}

fn at(node: &dyn NodeView, pods: &Pods, endpoint: &Endpoint, protocol: u8, gathered: &mut Gathered) -> Listening {
    let held = match pods.netns_of(endpoint.address) {
        Ok(Some(netns)) => netns,
        Ok(None) => return Listening::NotHere,
        Err(because) => return Listening::Unknown { because },
    };
    let section = node.sockets(held);
    if let Some(issue) = section.issues.iter().find(|issue| issue.level == Level::Incomplete) {
        if !matches!(issue.why, Why::NotRecorded { .. }) {
            gathered.take(&section);
        }
        return Listening::Unknown { because: format!("{}: {}", issue.what, issue.why.detail()) };
    }
    let addresses = node.addresses(held);
    let by: BTreeSet<_> = addresses
        .value
        .iter()
        .filter(|held| held.address.addr() == endpoint.address)
        .map(|held| held.ifindex)
        .collect();
    let mut sought = Sought { protocol, destination: endpoint.address, port: endpoint.port, source: None, by: None };
    let anywhere = best(&section.value, &sought);
    sought.by = by.first().copied();
    let fitting = best(&section.value, &sought);
    match (fitting.first(), anywhere.is_empty()) {
        (None, _) => Listening::No { elsewhere: Some(elsewhere(&section.value, &sought)).filter(|at| !at.is_empty()) },
        // Others may come by another link: which one nobody asked.
        (Some(bound), true) if pods.is_node(endpoint.address) => Listening::Unknown {
            because: format!("it listens for what comes by link {} alone", bound.link.map_or(0, |link| link.0)),
        },
        (Some(socket), _) => Listening::Yes { inode: socket.inode, uid: socket.uid, sockets: fitting.len() },
    }
}
