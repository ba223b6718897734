//! What is behind an endpoint's address, as far as this node knows.
//!
//! May import model and its siblings only.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::types::Behind;
use crate::analyze::answer::Gathered;
use crate::model::ids::NetnsId;
use crate::model::issue::Level;
use crate::model::sandbox::{PodName, SandboxFilter, SandboxState};
use crate::model::view::NodeView;

/// The pods of a node, by address.
pub(in crate::analyze) struct Pods {
    by_address: BTreeMap<IpAddr, PodName>,
    netns: BTreeMap<PodName, NetnsId>,
    host: NetnsId,
    host_network: BTreeSet<PodName>,
    node: BTreeSet<IpAddr>,
    complete: bool,
}

impl Pods {
    /// Reads the node's addresses and pods.
    pub(in crate::analyze) fn read(node: &dyn NodeView, gathered: &mut Gathered) -> Self {
        let host = node.node().host_netns;
        let addresses = node.addresses(host);
        let node_addresses = gathered.take(&addresses).iter().map(|address| address.address.addr());
        let sandboxes = node.sandboxes(&SandboxFilter::All);
        gathered.take(&sandboxes);
        let mut pods = Self {
            by_address: BTreeMap::new(),
            netns: BTreeMap::new(),
            host,
            host_network: BTreeSet::new(),
            node: node_addresses.collect(),
            complete: !sandboxes.issues.iter().any(|issue| issue.level == Level::Incomplete),
        };
        // A stopped sandbox's address may be another pod's by now.
        for sandbox in sandboxes.value.iter().filter(|sandbox| sandbox.state != SandboxState::NotReady) {
            if sandbox.host_network {
                pods.host_network.insert(sandbox.pod.clone());
                continue;
            }
            pods.netns.extend(sandbox.netns.map(|netns| (sandbox.pod.clone(), netns)));
            match (&sandbox.ips, sandbox.netns) {
                (Some(ips), _) if !ips.is_empty() => {
                    pods.by_address.extend(ips.iter().map(|ip| (*ip, sandbox.pod.clone())));
                }
                // Only the runtime remembers; without it the pod's own namespace knows.
                (_, Some(netns)) => {
                    let held = node.addresses(netns);
                    let held = gathered.take(&held).iter().map(|address| address.address.addr());
                    let held = held.filter(|address| !address.is_loopback());
                    pods.by_address.extend(held.map(|address| (address, sandbox.pod.clone())));
                }
                (_, None) => pods.complete = false,
            }
        }
        pods
    }

    /// The pods' addresses.
    pub(in crate::analyze) fn by_address(&self) -> impl Iterator<Item = (IpAddr, &PodName)> {
        self.by_address.iter().map(|(address, pod)| (*address, pod))
    }

    /// The node's own addresses.
    pub(in crate::analyze) fn of_node(&self) -> impl Iterator<Item = IpAddr> {
        self.node.iter().copied()
    }

    /// Whether all pods could be read.
    pub(in crate::analyze) fn is_complete(&self) -> bool {
        self.complete
    }

    /// The namespace whose sockets answer at an address; `None` where that is not on this node.
    pub(super) fn netns_of(&self, address: IpAddr) -> Result<Option<NetnsId>, String> {
        if let Some(pod) = self.by_address.get(&address) {
            let known = self.netns.get(pod).copied();
            return known.map(Some).ok_or_else(|| format!("the network namespace of {pod} is not known"));
        }
        if self.is_node(address) {
            return Ok(Some(self.host));
        }
        if self.complete { Ok(None) } else { Err("the pods of this node are not all known".to_owned()) }
    }

    /// Whether an address is the node's own.
    pub(super) fn is_node(&self, address: IpAddr) -> bool {
        self.node.contains(&address)
    }

    /// What answers at an address.
    pub(super) fn behind(&self, address: IpAddr) -> Behind {
        if let Some(pod) = self.by_address.get(&address) {
            return Behind::Pod { pod: pod.clone() };
        }
        if self.node.contains(&address) {
            return Behind::Node { host_network_pods: self.host_network.iter().cloned().collect() };
        }
        if self.complete { Behind::NotHere } else { Behind::Unknown }
    }
}
