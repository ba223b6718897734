//! The node's part of the road: whether it forwards, by which route, and back.
//!
//! May import model and its siblings only.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::Serialize;

use super::uplink::{Far, Way, way};
use super::{Step, StepKind};
use crate::analyze::answer::Gathered;
use crate::analyze::finding::{Code, Finding, Weight};
use crate::analyze::naming::LinkRef;
use crate::analyze::veth::plugged::{BridgeNetfilter, WayToPod};
use crate::analyze::veth::{judge, programs};
use crate::model::address::Address;
use crate::model::bpf::BpfAttachment;
use crate::model::ids::NetnsId;
use crate::model::issue::{Issue, Why};
use crate::model::link::Link;
use crate::model::neigh::Neighbour;
use crate::model::route::{Family, RouteQuery};
use crate::model::sysctl;
use crate::model::view::NodeView;

/// The node between the pod and the wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct HostStep {
    /// The link that the pod's packets come in by; `None` for a hostNetwork pod, whose packets are the node's own.
    pub comes_in_by: Option<LinkRef>,
    /// The sysctls that this rests on, by name; without a value where this kernel has no such file.
    pub sysctls: Vec<Sysctl>,
    /// Reverse path filtering where the packets come in: the larger of the link's and `all`'s
    /// value; 0 off, 1 strict, 2 loose; `None` when unknown or of no account.
    pub rp_filter: Option<u8>,
    /// Whether the bridge hands IPv4 frames to netfilter; `None` where there is no bridge.
    pub bridge_netfilter: Option<BridgeNetfilter>,
    /// The way to the world for each of the pod's families, as its packets meet the node's rules.
    pub routes: Vec<WayOut>,
    /// The node's way back to each of the pod's addresses.
    pub back: Vec<WayToPod>,
}

/// A sysctl and its value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct Sysctl {
    /// Its name below `net.`.
    pub name: String,
    /// Its value; `None` when this kernel has no such file, or it could not be read.
    pub value: Option<String>,
}

/// The way to the world in one family: the default route, unless a route names more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct WayOut {
    /// Which family.
    pub family: Family,
    /// The public address that was looked up, standing for all that no route names: what is told is
    /// true of it.
    pub destination: IpAddr,
    /// The rule and route.
    pub way: Way,
}

/// A link that packets leave the node by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct WireStep {
    /// The link, with its counters.
    pub link: Link,
    /// Its addresses, in the kernel's order.
    pub addresses: Vec<Address>,
    /// The programs attached to it.
    pub programs: Vec<BpfAttachment>,
    /// The gateways that the routes name, as the node has resolved them, by address.
    pub gateways: Vec<Neighbour>,
}

/// A family's name.
pub(super) fn family(family: Family) -> &'static str {
    match family {
        Family::Ipv4 => "IPv4",
        Family::Ipv6 => "IPv6",
    }
}

/// The step, and what is to be said of it. `addresses` are the pod's, of global scope.
pub(super) fn step(
    node: &dyn NodeView,
    into: Option<&LinkRef>,
    addresses: &[Address],
    far: &[Far],
    bridge_netfilter: Option<BridgeNetfilter>,
    gathered: &mut Gathered,
) -> (HostStep, Vec<Finding>) {
    let host = node.node().host_netns;
    let mut sysctls = Sysctls { node, host, read: Vec::new(), gathered: &mut *gathered };
    let mut findings = Vec::new();
    let mut rp_filter = None;
    if let Some(into) = into {
        if far.iter().any(|far| far.family == Family::Ipv4) {
            findings.extend(forwarding_v4(&mut sysctls, into));
            rp_filter = sysctls.rp_filter(into);
        }
        if far.iter().any(|far| far.family == Family::Ipv6) {
            findings.extend(forwarding_v6(&mut sysctls));
        }
    }
    let sysctls = sysctls.read;
    let routes: Vec<WayOut> = far
        .iter()
        .map(|Far { family, destination }| {
            let src = addresses.iter().map(|address| address.address.addr()).find(|src| Family::of(*src) == *family);
            let query = RouteQuery { src, iif: into.map(|into| into.ifindex), ..RouteQuery::to(*destination) };
            WayOut { family: *family, destination: *destination, way: way(node, host, &query, gathered) }
        })
        .collect();
    let back = into.map_or_else(Vec::new, |into| back(node, host, into, addresses, gathered));
    let step = HostStep { comes_in_by: into.cloned(), sysctls, rp_filter, bridge_netfilter, routes, back };
    judge(&step, &mut findings, gathered);
    (step, findings)
}

struct Sysctls<'s> {
    node: &'s dyn NodeView,
    host: NetnsId,
    read: Vec<Sysctl>,
    gathered: &'s mut Gathered,
}

impl Sysctls<'_> {
    fn get(&mut self, name: &str) -> Option<String> {
        let section = self.node.sysctl(self.host, name);
        let value = self.gathered.take(&section).as_ref().map(|value| value.trim().to_owned());
        self.read.push(Sysctl { name: name.to_owned(), value: value.clone() });
        value
    }

    fn of_link(&mut self, link: &LinkRef, setting: &str) -> Option<String> {
        self.get(&sysctl::of_link("ipv4", &link.name, setting)?)
    }

    /// `IN_DEV_RPFILTER`: the larger of the two.
    fn rp_filter(&mut self, link: &LinkRef) -> Option<u8> {
        let all: u8 = self.get("ipv4.conf.all.rp_filter")?.parse().ok()?;
        let own: u8 = self.of_link(link, "rp_filter")?.parse().ok()?;
        Some(all.max(own))
    }
}

/// The kernel looks at the switch of the link a packet comes in by (`IN_DEV_FORWARD`);
/// `ip_forward` sets that of every link when it is written.
fn forwarding_v4(sysctls: &mut Sysctls<'_>, into: &LinkRef) -> Option<Finding> {
    let global = sysctls.get("ipv4.ip_forward");
    let own = sysctls.of_link(into, "forwarding");
    match (global.as_deref(), own.as_deref()) {
        (Some("0"), Some("0") | None) => Some(Finding::bad(
            Code::ForwardingOff,
            "net.ipv4.ip_forward is 0: the node does not forward the pod's packets",
        )),
        (_, Some("0")) => Some(Finding::bad(
            Code::ForwardingOff,
            format!("forwarding is off for {}: the node does not forward the pod's packets", into.name),
        )),
        (Some("0"), _) => Some(Finding::odd(
            Code::ForwardingOff,
            format!("net.ipv4.ip_forward is 0, though forwarding is on for {}", into.name),
        )),
        _ => None,
    }
}

/// For IPv6 the switch of `all` decides (`ip6_forward`).
fn forwarding_v6(sysctls: &mut Sysctls<'_>) -> Option<Finding> {
    let off = sysctls.get("ipv6.conf.all.forwarding").as_deref() == Some("0");
    let text = "net.ipv6.conf.all.forwarding is 0: the node does not forward the pod's IPv6 packets";
    off.then(|| Finding::bad(Code::ForwardingOff, text))
}

fn back(
    node: &dyn NodeView,
    host: NetnsId,
    into: &LinkRef,
    addresses: &[Address],
    gathered: &mut Gathered,
) -> Vec<WayToPod> {
    addresses
        .iter()
        .map(|address| {
            let address = address.address.addr();
            WayToPod::by(way(node, host, &RouteQuery::to(address), gathered), address, into.ifindex)
        })
        .collect()
}

fn judge(step: &HostStep, findings: &mut Vec<Finding>, gathered: &mut Gathered) {
    let mut rejected = Vec::new();
    for out in &step.routes {
        let family = family(out.family);
        match &out.way {
            Way::None => {
                findings.push(Finding::bad(Code::NoDefaultRoute, format!("the node has no {family} default route")));
            }
            Way::Rejected { why, .. } => rejected.push(format!("the node refuses the pod's {family} packets: {why}")),
            way if way.drops() => {
                findings.push(Finding::bad(Code::RouteDrops, format!("the node's {family} default route drops")));
            }
            Way::Unknown { why } => gathered.issue(Issue::incomplete(
                format!("telling the node's {family} default route"),
                Why::Unsupported { detail: why.clone() },
            )),
            _ => {}
        }
    }
    if let Some(into) = &step.comes_in_by {
        judge_back(step, into, findings);
    }
    // Where it is known already why the node refuses them, that is said once.
    let known = |finding: &Finding| matches!(finding.code, Code::ForwardingOff | Code::ReversePath);
    if !findings.iter().any(|finding| finding.weight == Weight::Bad && known(finding)) {
        findings.extend(rejected.into_iter().map(|text| Finding::bad(Code::RouteDrops, text)));
    }
}

fn judge_back(step: &HostStep, into: &LinkRef, findings: &mut Vec<Finding>) {
    let believed = |address: IpAddr| {
        let asked = |out: &&WayOut| out.way.route().is_some() && Family::of(address) == out.family;
        step.back.first().is_some_and(|first| first.address == address) && step.routes.iter().any(|out| asked(&out))
    };
    for way in step.back.iter().filter(|way| way.leads_here == Some(false)) {
        let address = way.address;
        let text = format!("the node's way back to {address} does not lead to {}", into.name);
        findings.push(match step.rp_filter {
            Some(1) if address.is_ipv4() && !believed(address) => {
                Finding::bad(Code::ReversePath, format!("{text}, and rp_filter 1 (strict) drops what comes in by it"))
            }
            _ => Finding::odd(Code::ReturnElsewhere, text),
        });
    }
}

/// The links that the node's default routes lead to, each once.
pub(super) fn out_links(step: &HostStep) -> Vec<LinkRef> {
    let mut links: Vec<LinkRef> = Vec::new();
    for chosen in step.routes.iter().filter(|out| !out.way.drops()).filter_map(|out| out.way.route()) {
        for link in &chosen.links {
            if chosen.leads_to(link.ifindex) && !links.contains(link) {
                links.push(link.clone());
            }
        }
    }
    links
}

/// A link that packets leave by, unless an earlier step told of it already.
pub(super) fn wire(
    node: &dyn NodeView,
    link: &LinkRef,
    steps: &[Step],
    gathered: &mut Gathered,
) -> (Option<WireStep>, Vec<Finding>) {
    let told = |step: &Step| matches!(&step.what, StepKind::Wire(wire) if wire.link.ifindex == link.ifindex);
    if steps.iter().any(told) {
        return (None, Vec::new());
    }
    let host = node.node().host_netns;
    let (links, addresses, neighbours) = (node.links(host), node.addresses(host), node.neighbours(host));
    let links: &Vec<Link> = gathered.take(&links);
    let Some(link) = links.iter().find(|other| other.ifindex == link.ifindex) else { return (None, Vec::new()) };
    let addresses: &Vec<Address> = gathered.take(&addresses);
    let named: Vec<_> = steps
        .iter()
        .filter_map(|step| match &step.what {
            StepKind::Host(host) => Some(&host.routes),
            _ => None,
        })
        .flatten()
        .filter_map(|out| out.way.route())
        .flat_map(|chosen| &chosen.route.nexthops)
        .filter(|hop| hop.ifindex == Some(link.ifindex))
        .filter_map(|hop| hop.gateway)
        .collect();
    let neighbours: &Vec<Neighbour> = gathered.take(&neighbours);
    let gateways: Vec<Neighbour> = neighbours
        .iter()
        .filter(|known| known.ifindex == link.ifindex && named.contains(&known.address))
        .cloned()
        .collect();
    let mut findings: Vec<Finding> = judge::link_state(link, ", the node's uplink,").into_iter().collect();
    for gateway in gateways.iter().filter(|gateway| gateway.states.iter().any(|state| state == "failed")) {
        let text = format!("the node's gateway {} does not answer", gateway.address);
        findings.push(Finding::bad(Code::Gateway, text));
    }
    let step = WireStep {
        link: link.clone(),
        addresses: addresses.iter().filter(|address| address.ifindex == link.ifindex).cloned().collect(),
        programs: programs(node, host, link, gathered),
        gateways,
    };
    (Some(step), findings)
}
