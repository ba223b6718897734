//! `pods`: one row a pod, from its names to the port its packets come out of.
//!
//! May import model and its siblings only. Of each pod's namespace only links and addresses are
//! read, of the host's the links once, the routes only where a pod is under no bridge, and programs
//! only where no route leads to it either. What is bad is what `veth` calls bad.

use std::collections::BTreeMap;
use std::net::IpAddr;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::answer::{Answer, Gathered, node_label};
use super::identity::{newest, pod_key};
use super::naming::{LinkRef, NetnsNames};
use super::peer::{self, Agreement, OtherEnd};
use super::selector::Selector;
use super::trace::uplink::{Chosen, far_away, way};
use super::veth::programs;
use crate::model::address::{Address, Scope};
use crate::model::ids::{MacAddr, NetnsId, Pid, SandboxId};
use crate::model::issue::{Issue, Level, Why};
use crate::model::link::{Link, LinkKind, OperState, PortState};
use crate::model::route::{Family, RouteQuery};
use crate::model::sandbox::{Container, PodName, RuntimeInfo, Sandbox, SandboxFilter, SandboxState};
use crate::model::text::ByteText;
use crate::model::view::NodeView;

/// Which pods are asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PodsQuestion {
    /// Only those of this Kubernetes namespace; `None` for all.
    pub namespace: Option<String>,
    /// Only those whose labels it accepts.
    pub selector: Option<Selector>,
    /// Every attempt, not the ready (else newest) one of each pod alone.
    pub all: bool,
    /// Whether the processes of each pod are listed, which costs a look at each pod's cgroups.
    pub pids: bool,
}

/// The pods of the nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Pods {
    /// Sorted by node, namespace, name, attempt (newest first), sandbox.
    pub pods: Vec<PodRow>,
    /// Who told of the pods, node by node.
    pub runtimes: Vec<NodeRuntime>,
    /// The pods that the selector could not be asked of, for their labels are unknown.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub undecided: Vec<PodName>,
}

/// The runtime of one node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct NodeRuntime {
    /// The node.
    pub node: String,
    /// Its runtime; without a name where `/proc` alone was read.
    #[serde(flatten)]
    pub runtime: RuntimeInfo,
}

/// One pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PodRow {
    /// Its node; only where several were asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Namespace, name and uid.
    #[serde(flatten)]
    pub pod: PodName,
    /// Its sandbox.
    pub sandbox: SandboxId,
    /// How often a sandbox was made for it before.
    pub attempt: u32,
    /// Whether it runs.
    pub state: SandboxState,
    /// When the sandbox was made; `None` where unknown.
    #[schemars(with = "Option<String>")]
    pub created_at: Option<Timestamp>,
    /// Its pause process.
    pub pause_pid: Option<Pid>,
    /// Its processes, ascending, the pause process among them; only where asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pids: Option<Vec<Pid>>,
    /// Its network namespace: the host's for a hostNetwork pod; `None` when gone or unknown.
    pub netns: Option<NetnsId>,
    /// The first name that namespace is bound to.
    pub netns_name: Option<ByteText>,
    /// Whether it uses the node's own namespace.
    pub host_network: bool,
    /// The addresses the runtime remembers; `None` where only it would know.
    pub ips: Option<Vec<IpAddr>>,
    /// The node's addresses, which a hostNetwork pod shares: those of global scope of the links
    /// that its default routes leave by, IPv4 first; empty for other pods.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub node_addresses: Vec<IpAddr>,
    /// Its interfaces without loopback, by ifindex; empty for a hostNetwork pod; `None` when they could not be read.
    pub interfaces: Option<Vec<PodInterface>>,
    /// Its labels; `None` where only the runtime would know.
    pub labels: Option<BTreeMap<String, String>>,
    /// Its containers, by name then id; `None` where unknown.
    pub containers: Option<Vec<Container>>,
}

/// An interface of a pod, and where it comes out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PodInterface {
    /// Its name and number in the pod.
    #[serde(flatten)]
    pub link: LinkRef,
    /// What it is, as `ip -d link` names it.
    pub kind: String,
    /// Its link-layer address.
    pub mac: MacAddr,
    /// Its addresses of global scope, in the kernel's order.
    pub addresses: Vec<IpAddr>,
    /// The link it is paired with or stacked on; `None` when there is none or it cannot be told.
    pub host_link: Option<LinkRef>,
    /// The namespace of `host_link`; the host's, as a rule.
    pub host_link_netns: Option<NetnsId>,
    /// What `host_link` is plugged into.
    pub plugged: Outlet,
    /// Whether the link and its other end are up and have a carrier.
    pub state: LinksState,
}

/// Where the host's end of an interface leads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "into", rename_all = "snake_case")]
pub enum Outlet {
    /// A port of this bridge, or under this controller.
    Controller {
        /// It.
        controller: LinkRef,
        /// Its kind.
        controller_kind: String,
    },
    /// The host's route to the pod's first address leads to it.
    Route(Box<Chosen>),
    /// The interface shares this link: macvlan, ipvlan, vlan.
    Shares,
    /// A device of its own.
    Device,
    /// Nothing that podnet can see.
    Nothing,
    /// It cannot be told.
    Unknown,
}

/// Whether the links of an interface pass packets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "links", rename_all = "snake_case")]
pub enum LinksState {
    /// All are up.
    Ok,
    /// One is not.
    Bad {
        /// Which, and how.
        why: String,
    },
    /// It cannot be told.
    Unknown {
        /// Why not.
        why: String,
    },
}

/// Answers `pods`.
pub fn pods(nodes: &[&dyn NodeView], question: &PodsQuestion) -> Answer<Pods> {
    let mut gathered = Gathered::default();
    let mut answer = Pods { pods: Vec::new(), runtimes: Vec::new(), undecided: Vec::new() };
    for node in nodes {
        node.expect_all_pods();
        let runtime = node.runtime();
        answer.runtimes.push(NodeRuntime { node: node.node().name, runtime: gathered.take(&runtime).clone() });
        let chosen = choose(*node, question, &mut answer.undecided, &mut gathered);
        let names = NetnsNames::read(*node, &mut gathered);
        let label = node_label(nodes, *node);
        for sandbox in &chosen {
            if let Some(mut row) = row(*node, sandbox, question, &names, &mut gathered) {
                row.node.clone_from(&label);
                answer.pods.push(row);
            }
        }
    }
    if !answer.undecided.is_empty() {
        let names: Vec<_> = answer.undecided.iter().map(ToString::to_string).collect();
        let detail = format!("labels unknown of {}", names.join(", "));
        gathered.issue(
            Issue::incomplete("selecting by labels", Why::NotRecorded { detail })
                .hint("only the container runtime knows labels"),
        );
    }
    Answer::new(nodes, answer, gathered)
}

/// The sandboxes that are asked for, in their order: of each pod the ready one, else the newest.
fn choose(
    node: &dyn NodeView,
    question: &PodsQuestion,
    undecided: &mut Vec<PodName>,
    gathered: &mut Gathered,
) -> Vec<Sandbox> {
    let section = node.sandboxes(&SandboxFilter::All);
    let mut chosen: Vec<Sandbox> = gathered
        .take(&section)
        .iter()
        .filter(|sandbox| question.namespace.is_none() || sandbox.pod.namespace == question.namespace)
        .cloned()
        .collect();
    if !question.all {
        let rank = |sandbox: &Sandbox| sandbox.state == SandboxState::Ready;
        let mut best: BTreeMap<String, (bool, Sandbox)> = BTreeMap::new();
        for sandbox in &chosen {
            let entry = best.entry(pod_key(sandbox)).or_insert_with(|| (rank(sandbox), sandbox.clone()));
            if (rank(sandbox), newest(sandbox)) > (entry.0, newest(&entry.1)) {
                *entry = (rank(sandbox), sandbox.clone());
            }
        }
        chosen.retain(|sandbox| best.get(&pod_key(sandbox)).is_some_and(|(_, kept)| kept.id == sandbox.id));
    }
    if let Some(selector) = &question.selector {
        undecided.extend(chosen.iter().filter(|sandbox| sandbox.labels.is_none()).map(|sandbox| sandbox.pod.clone()));
        chosen.retain(|sandbox| sandbox.labels.as_ref().is_some_and(|labels| selector.accepts(labels)));
    }
    chosen
}

/// The row of a sandbox; `None` when it ended while it was read.
fn row(
    node: &dyn NodeView,
    sandbox: &Sandbox,
    question: &PodsQuestion,
    names: &NetnsNames,
    gathered: &mut Gathered,
) -> Option<PodRow> {
    // A scope of its own: if the pod turns out to be gone, so are the issues of reading it.
    let mut own = Gathered::default();
    let gone = |issue: &Issue| matches!(issue.why, Why::Gone { .. });
    if sandbox.netns.is_none() && sandbox.state == SandboxState::Ready && sandbox.issues.iter().any(gone) {
        return None;
    }
    own.issues.extend(sandbox.issues.iter().cloned());
    let host = node.node().host_netns;
    let interfaces = match sandbox.netns.filter(|_| !sandbox.host_network) {
        Some(netns) => interfaces(node, netns, &mut own)?,
        None => sandbox.host_network.then(Vec::new),
    };
    let netns = if sandbox.host_network { Some(host) } else { sandbox.netns };
    let pids = question.pids.then(|| {
        let section = node.pod_processes(sandbox);
        own.take(&section).iter().map(|process| process.pid).collect()
    });
    let row = PodRow {
        node: None,
        pod: sandbox.pod.clone(),
        sandbox: sandbox.id.clone(),
        attempt: sandbox.attempt,
        state: sandbox.state,
        created_at: sandbox.created_at,
        pause_pid: sandbox.pid,
        pids,
        netns,
        netns_name: netns.filter(|_| !sandbox.host_network).and_then(|id| names.of(id)),
        host_network: sandbox.host_network,
        ips: sandbox.ips.clone(),
        node_addresses: if sandbox.host_network { node_addresses(node, &mut own) } else { Vec::new() },
        interfaces,
        labels: sandbox.labels.clone(),
        containers: sandbox.containers.clone(),
    };
    gathered.issues.append(&mut own.issues);
    gathered.bad |= is_bad(&row);
    Some(row)
}

/// Whether packets of a pod that runs do not pass.
fn is_bad(row: &PodRow) -> bool {
    let faulty = |interfaces: &Vec<PodInterface>| {
        interfaces.is_empty() || interfaces.iter().any(|one| matches!(one.state, LinksState::Bad { .. }))
    };
    row.state == SandboxState::Ready && !row.host_network && row.interfaces.as_ref().is_some_and(faulty)
}

/// The addresses by which others reach the node itself.
fn node_addresses(node: &dyn NodeView, own: &mut Gathered) -> Vec<IpAddr> {
    let host = node.node().host_netns;
    let held = node.addresses(host);
    let held: &Vec<Address> = own.take(&held);
    let mut found: Vec<IpAddr> = Vec::new();
    for family in Family::ALL {
        // Which route it is decides no cell but this one: what is unknown of it is left out.
        let way =
            way(node, host, &RouteQuery::to(far_away(node, &[host], family).destination), &mut Gathered::default());
        found.extend(
            held.iter()
                .filter(|address| address.scope == Scope::Universe && !address.has_flag("deprecated"))
                .filter(|address| way.route().is_some_and(|chosen| chosen.leads_to(address.ifindex)))
                .map(|address| address.address.addr())
                .filter(|address| Family::of(*address) == family),
        );
    }
    found
}

/// The interfaces of a pod's namespace: `None` when the namespace went while it was read,
/// `Some(None)` when it could not be read.
#[allow(clippy::option_option)] // the two are told apart where it is called
fn interfaces(node: &dyn NodeView, netns: NetnsId, own: &mut Gathered) -> Option<Option<Vec<PodInterface>>> {
    let (links, addresses) = (node.links(netns), node.addresses(netns));
    let gone = |issues: &[Issue]| issues.iter().any(|issue| matches!(issue.why, Why::Gone { .. }));
    if gone(&links.issues) || gone(&addresses.issues) {
        return None;
    }
    let links = own.take(&links);
    let addresses = own.take(&addresses);
    if links.is_empty() {
        return Some(None);
    }
    let global = |link: &Link| {
        addresses
            .iter()
            .filter(|address| address.ifindex == link.ifindex && address.scope == Scope::Universe)
            .map(|address| address.address.addr())
            .collect::<Vec<_>>()
    };
    let own_links = links.iter().filter(|link| link.kind != LinkKind::Loopback);
    Some(Some(own_links.map(|link| interface(node, netns, link, global(link), own)).collect()))
}

fn interface(
    node: &dyn NodeView,
    netns: NetnsId,
    link: &Link,
    addresses: Vec<IpAddr>,
    own: &mut Gathered,
) -> PodInterface {
    let mut row = PodInterface {
        link: LinkRef::of(link),
        kind: link.kind.name().to_owned(),
        mac: link.mac.clone(),
        addresses,
        host_link: None,
        host_link_netns: None,
        plugged: Outlet::Nothing,
        state: state_of(&[link]),
    };
    match peer::other_end(node, netns, link, own) {
        OtherEnd::Peer { netns: within, link: other, agreement } => {
            if let Agreement::Disagree { why } = agreement {
                // Ends of a real pair always agree: one of the two was read before it changed. The
                // row then says what it knows and shows nothing of the other's.
                let detail = format!("it changed while it was read: {why}");
                own.issue(Issue::note(format!("pairing {} of {netns}", link.name), Why::Disagreement { detail }));
                row.plugged = Outlet::Unknown;
                row.state = LinksState::Unknown { why: "ends disagree".to_owned() };
                return row;
            }
            row.state = state_of(&[link, &other]);
            if within == netns && other.controller.is_none() {
                // A pair within the pod: it leads nowhere, and is meant to.
                row.plugged = Outlet::Nothing;
            } else {
                let (plugged, fault) = outlet(node, within, &other, &row.addresses, own);
                row.plugged = plugged;
                if let Some(fault) = fault.filter(|_| row.state == LinksState::Ok && within != netns) {
                    row.state = match fault {
                        Fault::Unrouted(address) => unrouted(node, (netns, link), (within, &other), address, own),
                        Fault::Port(why) => LinksState::Bad { why },
                    };
                }
            }
            row.host_link = Some(LinkRef::of(&other));
            row.host_link_netns = Some(within);
        }
        OtherEnd::Parent { netns: within, link: below } => {
            row.state = state_of(&[link, &below]);
            row.plugged = Outlet::Shares;
            row.host_link = Some(LinkRef::of(&below));
            row.host_link_netns = Some(within);
        }
        OtherEnd::Device => row.plugged = Outlet::Device,
        OtherEnd::Nowhere => {}
        OtherEnd::Lost(lost) => {
            own.issue(lost.issue(link, netns));
            row.plugged = Outlet::Unknown;
            if row.state == LinksState::Ok {
                row.state = LinksState::Unknown { why: "other end unknown".to_owned() };
            }
        }
    }
    row
}

/// What is wrong with what an interface is plugged into.
enum Fault {
    /// It is a port, and frames do not pass it.
    Port(String),
    /// It is no port, and no route to this address of the pod leads to it.
    Unrouted(IpAddr),
}

/// What the host's end is plugged into, and what is wrong with that.
fn outlet(
    node: &dyn NodeView,
    netns: NetnsId,
    link: &Link,
    addresses: &[IpAddr],
    own: &mut Gathered,
) -> (Outlet, Option<Fault>) {
    if let Some(controller) = link.controller {
        let links = node.links(netns);
        return match own.take(&links).iter().find(|other| other.ifindex == controller) {
            Some(above) => {
                let outlet = Outlet::Controller {
                    controller: LinkRef::of(above),
                    controller_kind: above.kind.name().to_owned(),
                };
                (outlet, port_fault(link, above).map(Fault::Port))
            }
            None => (Outlet::Unknown, None),
        };
    }
    let mut outlet = Outlet::Nothing;
    let mut fault = None;
    for (at, address) in addresses.iter().copied().enumerate() {
        let leads_to = match way(node, netns, &RouteQuery::to(address), own) {
            super::trace::uplink::Way::Route(chosen) if chosen.leads_to(link.ifindex) => Outlet::Route(chosen),
            super::trace::uplink::Way::Unknown { .. } => Outlet::Unknown,
            _ => Outlet::Nothing,
        };
        if leads_to == Outlet::Nothing {
            fault.get_or_insert(Fault::Unrouted(address));
        }
        if at == 0 {
            outlet = leads_to;
        }
    }
    (outlet, fault)
}

/// Why frames do not pass a bridge's port, if they do not.
fn port_fault(port: &Link, bridge: &Link) -> Option<String> {
    if !matches!(bridge.kind, LinkKind::Bridge(_)) {
        return None;
    }
    if !bridge.up {
        return Some(format!("{} down", bridge.name));
    }
    let state = port.port.as_ref()?.state;
    (state != PortState::Forwarding).then(|| format!("{} {}", port.name, format!("{state:?}").to_lowercase()))
}

/// The state of a pair that no route leads to: bad, unless a program may do without one.
fn unrouted(
    node: &dyn NodeView,
    (netns, link): (NetnsId, &Link),
    (within, other): (NetnsId, &Link),
    address: IpAddr,
    own: &mut Gathered,
) -> LinksState {
    let here = programs(node, netns, link, own);
    let there = programs(node, within, other, own);
    if !here.is_empty() || !there.is_empty() {
        return LinksState::Ok;
    }
    let why = format!("no route to {address} leads to {}", other.name);
    let listed = node.link_bpf(within, other.ifindex);
    if listed.issues.iter().any(|issue| issue.level == Level::Incomplete) {
        return LinksState::Unknown { why: format!("{why}, unless a program does") };
    }
    LinksState::Bad { why }
}

/// The state of links in a row, the pod's own first.
fn state_of(links: &[&Link]) -> LinksState {
    for link in links {
        let dead = matches!(link.oper_state, OperState::Down | OperState::LowerLayerDown | OperState::NotPresent);
        if !link.up {
            return LinksState::Bad { why: format!("{} down", link.name) };
        }
        if !link.lower_up || dead {
            return LinksState::Bad { why: format!("{} no carrier", link.name) };
        }
    }
    LinksState::Ok
}
