//! `bridge [NAME]`: the ports of the host's bridges, and the pod behind each.
//!
//! May import model and its siblings only.

use schemars::JsonSchema;
use serde::Serialize;
use thiserror::Error;

use super::answer::{Answer, Gathered, node_label};
use super::finding::{Code, Finding, Weight};
use super::naming::LinkRef;
use super::peer::{self, Agreement, Lost, LostReason, OtherEnd};
use super::veth::plugged::{BridgeNetfilter, LearnedMac, bridge_netfilter, learned};
use crate::model::address::Address;
use crate::model::ids::{MacAddr, NetnsId};
use crate::model::issue::{Level, Why};
use crate::model::link::{BridgeInfo, BridgePort, Link, LinkKind, PortState, VlanRange};
use crate::model::neigh::FdbEntry;
use crate::model::sandbox::{PodName, Sandbox, SandboxFilter, SandboxState};
use crate::model::text::ByteText;
use crate::model::view::NodeView;

/// The bridges of the nodes' host namespaces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Bridges {
    /// By node, then ifindex.
    pub bridges: Vec<BridgeRow>,
    /// What was found, sorted by weight.
    pub findings: Vec<Finding>,
}

/// One bridge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct BridgeRow {
    /// Its node; only where several were asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Its name and number.
    #[serde(flatten)]
    pub link: LinkRef,
    /// Its link-layer address.
    pub mac: MacAddr,
    /// Largest packet, in bytes.
    pub mtu: u32,
    /// Whether it is set up.
    pub up: bool,
    /// Whether it has a carrier: a port that is up.
    pub lower_up: bool,
    /// Its own addresses, in the kernel's order.
    pub addresses: Vec<Address>,
    /// Its settings.
    pub settings: BridgeInfo,
    /// Whether it hands IPv4 frames to iptables and nftables.
    pub netfilter: BridgeNetfilter,
    /// The VLANs that it is in itself; only where it filters them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vlans: Option<Vec<VlanRange>>,
    /// Its ports, by ifindex.
    pub ports: Vec<PortRow>,
}

/// One port of a bridge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PortRow {
    /// Its name and number in the host namespace.
    #[serde(flatten)]
    pub link: LinkRef,
    /// What it is, as `ip -d link` names it.
    pub kind: String,
    /// Whether it is set up.
    pub up: bool,
    /// Whether it has a carrier.
    pub lower_up: bool,
    /// Its settings; `None` where the kernel did not tell them.
    pub port: Option<BridgePort>,
    /// The VLANs that it is in; only where the bridge filters them and they could be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vlans: Option<Vec<VlanRange>>,
    /// What is behind it.
    pub behind: Behind,
    /// The addresses learned on it, by MAC and vlan.
    pub learned: Vec<LearnedMac>,
}

/// What is behind a port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Behind {
    /// An interface of a pod.
    Pod {
        /// The pod.
        #[serde(flatten)]
        pod: PodName,
        /// Its interface.
        interface: LinkRef,
        /// Its namespace.
        netns: NetnsId,
    },
    /// A link of a namespace that belongs to no pod.
    Netns {
        /// The link.
        interface: LinkRef,
        /// The namespace.
        netns: NetnsId,
    },
    /// No other end: a physical device, a tunnel, or a link stacked on another.
    Link,
    /// There is another end, but it cannot be told which.
    Lost(Lost),
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{asked:?} is no bridge of {nodes}; there is {there}")]
pub struct BridgeError {
    /// What was typed.
    pub asked: String,
    /// The nodes that were searched.
    pub nodes: String,
    /// The bridges there are, or `none`.
    pub there: String,
}

/// Answers `bridge [NAME]`.
pub fn bridge(nodes: &[&dyn NodeView], name: Option<&ByteText>) -> Result<Answer<Bridges>, BridgeError> {
    let mut gathered = Gathered::default();
    let mut answer = Bridges { bridges: Vec::new(), findings: Vec::new() };
    let mut there = Vec::new();
    for node in nodes {
        let host = node.node().host_netns;
        let links = node.links(host);
        let links: &Vec<Link> = gathered.take(&links);
        for link in links {
            let LinkKind::Bridge(settings) = &link.kind else { continue };
            there.push(link.name.to_string());
            if name.is_none_or(|name| {
                link.name.is_called(name) || link.alt_names.iter().any(|other| other.is_called(name))
            }) {
                let mut row = row(*node, link, settings, links, &mut gathered);
                row.node = node_label(nodes, *node);
                judge(&row, &mut answer.findings);
                answer.bridges.push(row);
            }
        }
    }
    if let Some(asked) = name.filter(|_| answer.bridges.is_empty()) {
        there.sort();
        there.dedup();
        return Err(BridgeError {
            asked: asked.to_string(),
            nodes: nodes.iter().map(|node| node.node().name).collect::<Vec<_>>().join(", "),
            there: if there.is_empty() { "none".to_owned() } else { there.join(", ") },
        });
    }
    answer.findings.sort();
    gathered.bad |= answer.findings.iter().any(|finding| finding.weight == Weight::Bad);
    Ok(Answer::new(nodes, answer, gathered))
}

fn row(
    node: &dyn NodeView,
    bridge: &Link,
    settings: &BridgeInfo,
    links: &[Link],
    gathered: &mut Gathered,
) -> BridgeRow {
    let host = node.node().host_netns;
    let (addresses, fdb, sandboxes) = (node.addresses(host), node.fdb(host), node.sandboxes(&SandboxFilter::All));
    let addresses: &Vec<Address> = gathered.take(&addresses);
    let fdb: &Vec<FdbEntry> = gathered.take(&fdb);
    let sandboxes: &Vec<Sandbox> = gathered.take(&sandboxes);
    BridgeRow {
        node: None,
        link: LinkRef::of(bridge),
        mac: bridge.mac.clone(),
        mtu: bridge.mtu,
        up: bridge.up,
        lower_up: bridge.lower_up,
        addresses: addresses.iter().filter(|address| address.ifindex == bridge.ifindex).cloned().collect(),
        settings: settings.clone(),
        netfilter: bridge_netfilter(node, host, settings, gathered),
        vlans: bridge.vlans.clone(),
        ports: links
            .iter()
            .filter(|link| link.controller == Some(bridge.ifindex))
            .map(|link| PortRow {
                link: LinkRef::of(link),
                kind: link.kind.name().to_owned(),
                up: link.up,
                lower_up: link.lower_up,
                port: link.port.clone(),
                vlans: link.vlans.clone(),
                behind: behind(node, host, link, sandboxes, gathered),
                learned: learned(fdb, link),
            })
            .collect(),
    }
}

/// What is behind a port: only an end that names this port in turn counts.
fn behind(node: &dyn NodeView, host: NetnsId, port: &Link, sandboxes: &[Sandbox], gathered: &mut Gathered) -> Behind {
    // The namespace behind may go while it is read; then nothing is behind it any more.
    let mut own = Gathered::default();
    let end = peer::other_end(node, host, port, &mut own);
    let gone = own.issues.iter().any(|issue| matches!(issue.why, Why::Gone { .. }));
    if !gone {
        gathered.issues.append(&mut own.issues);
    }
    match end {
        OtherEnd::Peer { netns, link, agreement } => {
            let interface = LinkRef::of(&link);
            if let Agreement::Disagree { .. } = agreement {
                let reason = LostReason::NoSuchLink;
                return Behind::Lost(Lost { reason, ifindex: port.link, nsid: port.link_nsid, netns: Some(netns) });
            }
            let mut here = sandboxes.iter().filter(|sandbox| !sandbox.host_network && sandbox.netns == Some(netns));
            let ready = here.clone().find(|sandbox| sandbox.state == SandboxState::Ready);
            match ready.or_else(|| here.next()) {
                Some(sandbox) => Behind::Pod { pod: sandbox.pod.clone(), interface, netns },
                None => Behind::Netns { interface, netns },
            }
        }
        OtherEnd::Lost(lost) => {
            let mut issue = lost.issue(port, host);
            if gone {
                issue.level = Level::Note;
            }
            gathered.issue(issue);
            Behind::Lost(lost)
        }
        OtherEnd::Parent { .. } | OtherEnd::Device | OtherEnd::Nowhere => Behind::Link,
    }
}

fn judge(row: &BridgeRow, findings: &mut Vec<Finding>) {
    let name = &row.link.name;
    if !row.up {
        findings.push(if row.ports.is_empty() {
            // Nothing passes it, up or down: a bridge that nobody uses (yet).
            Finding::note(Code::LinkDown, format!("{name} is down and has no ports"))
        } else {
            Finding::bad(Code::LinkDown, format!("{name} is down"))
        });
    }
    for port in &row.ports {
        let Behind::Pod { pod, .. } = &port.behind else { continue };
        let port_name = &port.link.name;
        if !port.up {
            findings.push(Finding::bad(Code::LinkDown, format!("port {port_name} of {pod} is down")));
        } else if !port.lower_up {
            findings.push(Finding::bad(Code::NoCarrier, format!("port {port_name} of {pod} has no carrier")));
        } else if let Some(settings) = port.port.as_ref().filter(|port| port.state != PortState::Forwarding) {
            let state = format!("{:?}", settings.state).to_lowercase();
            let text = format!("port {port_name} of {pod} is {state}, not forwarding");
            findings.push(Finding::bad(Code::PortNotForwarding, text));
        }
    }
}
