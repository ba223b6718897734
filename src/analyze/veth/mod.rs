//! `veth POD`: each interface of a pod to its other end, and what that is plugged into.
//!
//! May import model and its siblings only. Looks at the pod's namespace and at those its links
//! lead to, never at all namespaces.

pub mod judge;
pub mod plugged;

use schemars::JsonSchema;
use serde::Serialize;

use super::answer::{Answer, Gathered};
use super::finding::{Code, Finding, Weight};
use super::identity::{FindError, Found, PodQuery, find_pod};
use super::naming::{LinkRef, NetnsNames, NetnsRef, NetnsRole, PodHead};
use super::peer::{self, Agreement, Lost};
use crate::model::address::{Address, Scope};
use crate::model::bpf::BpfAttachment;
use crate::model::ids::{NetnsId, Nsid};
use crate::model::issue::Level;
use crate::model::link::{Link, LinkKind};
use crate::model::view::NodeView;
use plugged::Plugged;

/// The interfaces of one pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Veth {
    /// Which pod.
    pub pod: PodHead,
    /// Its interfaces without loopback, by ifindex; for a hostNetwork pod the host's own ones,
    /// without the host ends of other pods.
    pub interfaces: Vec<Interface>,
    /// The host ends of other pods that were left out, for a hostNetwork pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left_out: Option<usize>,
    /// What was found, sorted by weight.
    pub findings: Vec<Finding>,
}

/// One interface of a pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Interface {
    /// The link, with its counters.
    pub link: Link,
    /// Its addresses, in the kernel's order.
    pub addresses: Vec<Address>,
    /// The programs attached to it.
    pub programs: Vec<BpfAttachment>,
    /// Where it leads.
    pub other_end: End,
}

/// Where an interface leads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum End {
    /// A pair: its other end.
    Peer(Box<PeerEnd>),
    /// Stacked on another link.
    Parent(Box<ParentEnd>),
    /// A device of the machine that was moved here (physical, virtio, SR-IOV function).
    Device {
        /// `bus/device`, where the kernel tells.
        device: Option<String>,
    },
    /// To no other link.
    Nowhere,
    /// There is another end, but it cannot be told which.
    Lost(Lost),
}

/// The other end of a pair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PeerEnd {
    /// The namespace it is in.
    pub netns: NetnsRef,
    /// The number the pod's namespace uses for that one; `None` when both ends are in one.
    pub nsid: Option<Nsid>,
    /// The link there.
    pub link: Link,
    /// Whether both ends name each other.
    pub agreement: Agreement,
    /// The programs attached to it.
    pub programs: Vec<BpfAttachment>,
    /// Whether more programs may be attached than are listed: some could not be asked for.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub programs_incomplete: bool,
    /// What it is plugged into; `None` where both ends are in the pod's namespace and under no controller.
    pub plugged: Option<Plugged>,
}

/// The link below a stacked one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ParentEnd {
    /// The namespace it is in.
    pub netns: NetnsRef,
    /// The number the pod's namespace uses for that one; `None` when it is the same.
    pub nsid: Option<Nsid>,
    /// The link there.
    pub link: Link,
    /// The programs attached to it.
    pub programs: Vec<BpfAttachment>,
    /// Its own controller (a bond, a bridge).
    pub controller: Option<LinkRef>,
}

/// Answers `veth POD`.
pub fn veth(nodes: &[&dyn NodeView], query: &PodQuery) -> Result<Answer<Veth>, FindError> {
    let mut gathered = Gathered::default();
    let found = find_pod(nodes, query, &mut gathered)?;
    let names = NetnsNames::read(found.node, &mut gathered);
    let pod = PodHead::of(nodes, &found, &names, &mut gathered);
    let (interfaces, left_out) = interfaces(&found, &names, &mut gathered);
    let mut findings = Vec::new();
    if !pod.host_network {
        // The host's own links may be down for good reasons.
        findings.extend(interfaces.iter().flat_map(judge::interface));
    }
    if pod.netns.is_none() && !pod.host_network {
        findings.push(Finding::odd(Code::NetnsGone, "the pod has no network namespace (any more)"));
    } else if interfaces.is_empty() && !pod.host_network {
        findings.push(Finding::bad(Code::NoInterface, "the pod has no interface but loopback"));
    }
    findings.sort();
    gathered.bad |= findings.iter().any(|finding| finding.weight == Weight::Bad);
    Ok(Answer::new(nodes, Veth { pod, interfaces, left_out, findings }, gathered))
}

/// The interfaces of a pod that was found, and how many links of the host were left out.
pub fn interfaces(found: &Found<'_>, names: &NetnsNames, gathered: &mut Gathered) -> (Vec<Interface>, Option<usize>) {
    let node = found.node;
    let host = node.node().host_netns;
    let netns = if found.sandbox.host_network { Some(host) } else { found.sandbox.netns };
    let Some(netns) = netns else { return (Vec::new(), None) };
    let (links, addresses) = (node.links(netns), node.addresses(netns));
    let (links, addresses) = (gathered.take(&links), gathered.take(&addresses));
    let mut left_out = 0;
    let mut interfaces = Vec::new();
    for link in links.iter().filter(|link| link.kind != LinkKind::Loopback) {
        let own: Vec<Address> = addresses.iter().filter(|address| address.ifindex == link.ifindex).cloned().collect();
        if found.sandbox.host_network && is_a_pods_end(link, &own) {
            left_out += 1;
            continue;
        }
        interfaces.push(interface(node, netns, link, own, names, gathered));
    }
    (interfaces, found.sandbox.host_network.then_some(left_out))
}

/// Of the host's links, the ends of pairs without an address of their own: the pods' ends.
pub fn is_a_pods_end(link: &Link, own: &[Address]) -> bool {
    peer::is_pair(link) && !own.iter().any(|address| address.scope == Scope::Universe)
}

fn interface(
    node: &dyn NodeView,
    netns: NetnsId,
    link: &Link,
    addresses: Vec<Address>,
    names: &NetnsNames,
    gathered: &mut Gathered,
) -> Interface {
    let host = node.node().host_netns;
    let at = |id: NetnsId| NetnsRef {
        id,
        role: match id {
            id if id == host => NetnsRole::Host,
            id if id == netns => NetnsRole::Pod,
            _ => NetnsRole::Third,
        },
        name: names.of(id),
    };
    let programs = programs(node, netns, link, gathered);
    let other_end = match peer::other_end(node, netns, link, gathered) {
        peer::OtherEnd::Peer { netns: within, link: other, agreement } => {
            let here = within == netns && other.controller.is_none();
            let plugged = (!here).then(|| plugged::plugged(node, within, &other, &addresses, gathered));
            let listed = node.link_bpf(within, other.ifindex);
            End::Peer(Box::new(PeerEnd {
                netns: at(within),
                nsid: link.link_nsid,
                programs: self::programs(node, within, &other, gathered),
                programs_incomplete: listed.issues.iter().any(|issue| issue.level == Level::Incomplete),
                link: *other,
                agreement,
                plugged,
            }))
        }
        peer::OtherEnd::Parent { netns: within, link: below } => {
            let links = node.links(within);
            let controller =
                gathered.take(&links).iter().find(|link| Some(link.ifindex) == below.controller).map(LinkRef::of);
            End::Parent(Box::new(ParentEnd {
                netns: at(within),
                nsid: link.link_nsid,
                programs: self::programs(node, within, &below, gathered),
                link: *below,
                controller,
            }))
        }
        peer::OtherEnd::Device => End::Device { device: link.device.clone() },
        peer::OtherEnd::Nowhere => End::Nowhere,
        peer::OtherEnd::Lost(lost) => {
            // The host's own uplink may well be a pair whose other end is none of the node's business.
            if netns != host {
                let mut issue = lost.issue(link, netns);
                issue.level = Level::Incomplete;
                gathered.issue(issue);
            }
            End::Lost(lost)
        }
    };
    Interface { link: link.clone(), addresses, programs, other_end }
}

/// The programs on a link: those rtnetlink tells and those asked for apart.
pub fn programs(node: &dyn NodeView, netns: NetnsId, link: &Link, gathered: &mut Gathered) -> Vec<BpfAttachment> {
    let section = node.link_bpf(netns, link.ifindex);
    let mut programs = gathered.take(&section).clone();
    for xdp in &link.xdp {
        if !programs.iter().any(|known| known.hook == xdp.hook && (known.id == xdp.id || xdp.id.is_none())) {
            programs.push(xdp.clone());
        }
    }
    programs.sort();
    programs
}
