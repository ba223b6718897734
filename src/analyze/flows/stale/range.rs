//! The addresses that this node gives to its pods, and whether anybody has one.
//!
//! May import model and its siblings only.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::Value;

use crate::analyze::answer::Gathered;
use crate::model::address::Scope;
use crate::model::issue::{Issue, Level, Why};
use crate::model::link::{Link, LinkKind};
use crate::model::netns::Netns;
use crate::model::sandbox::{Sandbox, SandboxFilter, SandboxState};
use crate::model::view::NodeView;

/// Addresses that this node alone gives out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Range {
    /// The network that they are of.
    pub(super) subnet: IpNet,
    first: IpAddr,
    last: IpAddr,
}

impl Range {
    fn whole(subnet: IpNet) -> Self {
        let subnet = subnet.trunc();
        Self { subnet, first: subnet.network(), last: subnet.broadcast() }
    }

    /// Of `host-local`, which keeps its list on the node: what it gives out is given out nowhere else.
    fn configured(range: &Value) -> Option<Self> {
        let text = |key: &str| range.get(key).and_then(Value::as_str);
        let mut own = Self::whole(text("subnet")?.parse().ok()?);
        if let Some(first) = text("rangeStart") {
            own.first = first.parse().ok()?;
        }
        if let Some(last) = text("rangeEnd") {
            own.last = last.parse().ok()?;
        }
        Some(own)
    }

    /// Whether an address is of them.
    pub(super) fn contains(&self, address: IpAddr) -> bool {
        self.subnet.contains(&address) && self.first <= address && address <= self.last
    }
}

/// The node's pod ranges, sorted: those that CNI is configured to give out here, else the networks of bridges
/// that lead to veths alone. A network that reaches other machines too tells nothing: what nobody has here may
/// live there.
pub(super) fn of_pods(node: &dyn NodeView, gathered: &mut Gathered) -> Vec<Range> {
    let mut ranges: BTreeSet<Range> = BTreeSet::new();
    // What of it could not be read is another command's matter: the links tell it too.
    let cni = node.cni();
    for plugin in cni.value.files.iter().filter_map(|file| file.network.as_ref()).flat_map(|network| &network.plugins) {
        configured(&plugin.config, &mut ranges);
    }
    if ranges.is_empty() {
        bridged(node, &mut ranges, gathered);
    }
    if ranges.is_empty() {
        let sandboxes = node.sandboxes(&SandboxFilter::All);
        let has_own = |sandbox: &Sandbox| !sandbox.host_network && sandbox.state != SandboxState::NotReady;
        if gathered.take(&sandboxes).iter().any(has_own) {
            let detail = "neither CNI's configuration nor a bridge tells which addresses this node alone gives to pods: \
                          flows to a pod that is gone cannot be told from others";
            gathered.issue(Issue::incomplete("this node's pod range", Why::Unsupported { detail: detail.to_owned() }));
        }
    }
    ranges.into_iter().collect()
}

/// `ipam.subnet` and `ipam.ranges` of a plugin, or of the one that it hands on to.
fn configured(config: &Value, ranges: &mut BTreeSet<Range>) {
    let plugins = [Some(config), config.get("delegate")].into_iter().flatten();
    for ipam in plugins.filter_map(|plugin| plugin.get("ipam")) {
        if ipam.get("type").and_then(Value::as_str) != Some("host-local") {
            continue;
        }
        let listed =
            ipam.get("ranges").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_array).flatten();
        ranges.extend(listed.chain(std::iter::once(ipam)).filter_map(Range::configured));
    }
}

/// The networks of bridges that have ports, all of them veths.
fn bridged(node: &dyn NodeView, ranges: &mut BTreeSet<Range>, gathered: &mut Gathered) {
    let host = node.node().host_netns;
    let links = node.links(host);
    let links: &Vec<Link> = gathered.take(&links);
    let ports = |bridge: &Link| links.iter().filter(|link| link.controller == Some(bridge.ifindex)).collect::<Vec<_>>();
    let is_inner = |bridge: &&Link| {
        let ports = ports(bridge);
        !ports.is_empty() && ports.iter().all(|port| matches!(port.kind, LinkKind::Veth))
    };
    let bridges = links.iter().filter(|link| matches!(link.kind, LinkKind::Bridge { .. })).filter(is_inner);
    let bridges: BTreeSet<_> = bridges.map(|link| link.ifindex).collect();
    let held = node.addresses(host);
    let held = gathered.take(&held).iter().filter(|held| bridges.contains(&held.ifindex));
    let nets = held.filter(|held| held.scope == Scope::Universe).map(|held| held.address);
    ranges.extend(nets.filter(|net| net.prefix_len() < net.max_prefix_len()).map(Range::whole));
}

/// Whether any namespace of the node has an address; `None` where not all could be read.
#[derive(Debug)]
pub(super) struct Owned {
    addresses: BTreeSet<IpAddr>,
    complete: bool,
}

impl Owned {
    /// Reads the addresses of every namespace: the one question here that sweeps the processes.
    pub(super) fn read(node: &dyn NodeView, gathered: &mut Gathered) -> Self {
        let namespaces = node.namespaces();
        let mut owned = Self { addresses: BTreeSet::new(), complete: true };
        let mut unread: BTreeMap<String, (Issue, usize)> = BTreeMap::new();
        let is_unread = |issue: &&Issue| issue.level == Level::Incomplete;
        let all: &Vec<Netns> = &namespaces.value;
        let sections = all.iter().map(|netns| node.addresses(netns.id)).collect::<Vec<_>>();
        for section in &sections {
            owned.addresses.extend(section.value.iter().map(|held| held.address.addr()));
        }
        let issues = sections.iter().flat_map(|section| &section.issues).chain(&namespaces.issues);
        for issue in issues.filter(is_unread) {
            owned.complete = false;
            unread.entry(issue.why.detail().to_owned()).or_insert_with(|| (issue.clone(), 0)).1 += 1;
        }
        gathered.issues.extend(unread.into_values().map(|(issue, _)| issue));
        owned
    }

    /// Whether nobody has it.
    pub(super) fn nobody_has(&self, address: IpAddr) -> Option<bool> {
        if self.addresses.contains(&address) {
            return Some(false);
        }
        self.complete.then_some(true)
    }
}
