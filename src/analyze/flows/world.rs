//! What addresses mean on the nodes that were asked.
//!
//! May import model and its siblings only.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::types::Who;
use crate::analyze::answer::{Gathered, node_label};
use crate::model::ids::IfIndex;
use crate::model::issue::Level;
use crate::model::link::{Link, LinkKind};
use crate::model::sandbox::{PodName, SandboxFilter, SandboxState};
use crate::model::view::NodeView;

/// The addresses of all nodes and pods that were asked, as one node sees them.
#[derive(Debug)]
pub struct World {
    owners: BTreeMap<IpAddr, Who>,
    /// The networks in which other machines may be.
    neighbours: Vec<IpNet>,
    /// The node's hostNetwork pods, sorted.
    pub host_network_pods: Vec<PodName>,
    complete: bool,
}

impl World {
    /// Reads pods and addresses of all nodes; those of `nodes[at]` go before the others'.
    pub fn read(nodes: &[&dyn NodeView], at: usize, gathered: &mut Gathered) -> Self {
        let mut world =
            Self { owners: BTreeMap::new(), neighbours: Vec::new(), host_network_pods: Vec::new(), complete: true };
        let others = (0..nodes.len()).filter(|other| *other != at);
        for place in std::iter::once(at).chain(others) {
            world.add(nodes, place, place == at, gathered);
        }
        world.host_network_pods.sort();
        world.host_network_pods.dedup();
        world
    }

    fn add(&mut self, nodes: &[&dyn NodeView], place: usize, is_own: bool, gathered: &mut Gathered) {
        let node = nodes[place];
        let on: Option<Arc<str>> = if is_own { None } else { node_label(nodes, node).map(Arc::from) };
        let host = node.node().host_netns;
        let sandboxes = node.sandboxes(&SandboxFilter::All);
        gathered.take(&sandboxes);
        self.complete &= !sandboxes.issues.iter().any(|issue| issue.level == Level::Incomplete);
        let mut pods: Vec<(IpAddr, Arc<PodName>)> = Vec::new();
        // A stopped sandbox's address may be another pod's by now.
        for sandbox in sandboxes.value.iter().filter(|sandbox| sandbox.state != SandboxState::NotReady) {
            if sandbox.host_network {
                if is_own {
                    self.host_network_pods.push(sandbox.pod.clone());
                }
                continue;
            }
            let name = Arc::new(sandbox.pod.clone());
            match (&sandbox.ips, sandbox.netns) {
                (Some(ips), _) if !ips.is_empty() => pods.extend(ips.iter().map(|ip| (*ip, Arc::clone(&name)))),
                // Only the runtime remembers; without it the pod's own namespace knows.
                (_, Some(netns)) => {
                    let held = node.addresses(netns);
                    let held = gathered.take(&held).iter().map(|address| address.address.addr());
                    let held = held.filter(|address| !is_local_only(*address));
                    pods.extend(held.map(|address| (address, Arc::clone(&name))));
                }
                (_, None) => self.complete = false,
            }
        }
        for (address, pod) in pods {
            self.owners.entry(address).or_insert_with(|| Who::Pod { on: on.clone(), pod });
        }
        let addresses = node.addresses(host);
        let addresses = gathered.take(&addresses);
        for address in addresses.iter().map(|held| held.address.addr()) {
            if is_own || !is_local_only(address) {
                self.owners.entry(address).or_insert_with(|| Who::Node { on: on.clone() });
            }
        }
        if is_own {
            let links = node.links(host);
            let links: &Vec<Link> = gathered.take(&links);
            let is_wire = |ifindex: IfIndex| {
                links.iter().any(|link| link.ifindex == ifindex && !matches!(link.kind, LinkKind::Bridge { .. }))
            };
            let nets = addresses.iter().filter(|held| is_wire(held.ifindex)).map(|held| held.address.trunc());
            let nets = nets.filter(|net| !is_local_only(net.addr()) && net.prefix_len() < net.max_prefix_len());
            self.neighbours.extend(nets);
        }
    }

    /// Whose an address is.
    pub fn who(&self, address: IpAddr) -> Who {
        if let Some(who) = self.owners.get(&address) {
            return who.clone();
        }
        if matches!(address, IpAddr::V4(v4) if v4.is_loopback()) {
            return Who::Node { on: None };
        }
        if !self.complete {
            return Who::Unknown;
        }
        Who::Elsewhere { neighbour: self.neighbours.iter().any(|net| net.contains(&address)) }
    }

    /// The node's own addresses, sorted.
    pub fn addresses_of_node(&self) -> Vec<IpAddr> {
        let own = self.owners.iter().filter(|(_, who)| matches!(who, Who::Node { on: None }));
        let mut all: Vec<IpAddr> = own.map(|(address, _)| *address).collect();
        all.sort_unstable();
        all
    }

    /// The addresses of a pod, sorted.
    pub fn addresses_of(&self, wanted: &PodName) -> Vec<IpAddr> {
        let is_its = |who: &Who| matches!(who, Who::Pod { pod, .. } if **pod == *wanted);
        let mut all: Vec<IpAddr> =
            self.owners.iter().filter(|(_, who)| is_its(who)).map(|(address, _)| *address).collect();
        all.sort_unstable();
        all
    }
}

/// Loopback and link-local addresses: every namespace has the same ones.
fn is_local_only(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unicast_link_local(),
    }
}
