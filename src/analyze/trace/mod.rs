//! `trace POD`: a pod's whole road to the wire, step by step, each with its evidence.
//!
//! May import model and its siblings only. Looks at the pod's and the host's namespace (and at a
//! third one where a link leads there), never at all processes or all namespaces.

mod flows;
mod gateway;
mod headline;
mod host;
mod masquerade;
mod pod;
pub mod uplink;

use schemars::JsonSchema;
use serde::Serialize;

use super::answer::{Answer, Gathered};
use super::finding::{Code, Finding, Weight};
use super::identity::{FindError, Found, PodQuery, find_pod};
use super::naming::{LinkRef, NetnsNames, NetnsRef, NetnsRole, PodHead};
use super::peer::{Agreement, Lost};
use super::veth::plugged::{BridgePlug, Plugged, RoutedPlug};
use super::veth::{self, End, Interface, ParentEnd};
use crate::model::address::{Address, Scope};
use crate::model::bpf::BpfAttachment;
use crate::model::ids::{NetnsId, Nsid};
use crate::model::issue::{Issue, Why};
use crate::model::link::Link;
use crate::model::route::{Family, RouteQuery};
use crate::model::view::NodeView;
pub use flows::FlowsStep;
pub use gateway::{Gateway, Owner, OwnerKind};
pub use host::{HostStep, WayOut, WireStep};
pub use masquerade::NatStep;
pub use pod::{OtherProcess, PodStep};
use uplink::Far;

/// The road of one pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Trace {
    /// Which pod.
    pub pod: PodHead,
    /// The answer in one sentence. Names in it are as the node has them, not escaped.
    pub headline: String,
    /// From the pod's containers outwards.
    pub steps: Vec<Step>,
}

/// One step of the road.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Step {
    /// What it is.
    #[serde(flatten)]
    pub what: StepKind,
    /// What was found here, sorted by weight.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
}

/// The kinds of steps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum StepKind {
    /// The pod: sandbox, pause process, other processes.
    Pod(Box<PodStep>),
    /// An interface of the pod, and the default routes that use it.
    Interface(Box<InterfaceStep>),
    /// A pair: the interface's other end.
    Veth(Box<VethStep>),
    /// The link below a stacked interface.
    Parent(Box<ParentEnd>),
    /// The interface is a device of the machine.
    Device {
        /// `bus/device`, where the kernel tells.
        device: Option<String>,
    },
    /// There is another end, but it cannot be told which.
    Lost(Lost),
    /// A bridge that the other end is a port of.
    Bridge(Box<BridgeStep>),
    /// The other end is a port of no bridge: the host routes.
    Routed(Box<RoutedPlug>),
    /// The other end is under another controller.
    Controller {
        /// Which; `None` when it could not be read.
        controller: Option<LinkRef>,
        /// Its kind.
        controller_kind: String,
    },
    /// The node: whether it forwards, by which route, and its way back to the pod.
    Host(Box<HostStep>),
    /// What the node does to the source address of what it routes on for the pod.
    Nat(Box<NatStep>),
    /// The link that the packet leaves the node by.
    Wire(Box<WireStep>),
    /// The pod's flows, by kind; left out where a snapshot holds none.
    Flows(FlowsStep),
}

/// An interface of the pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct InterfaceStep {
    /// The link, with its counters.
    pub link: Link,
    /// Its addresses, in the kernel's order.
    pub addresses: Vec<Address>,
    /// The programs attached to it.
    pub programs: Vec<BpfAttachment>,
    /// The pod's default routes that leave by it, IPv4 first.
    pub routes: Vec<WayOut>,
    /// Their gateways.
    pub gateways: Vec<Gateway>,
}

/// The other end of a pair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct VethStep {
    /// The pod's end.
    pub near: LinkRef,
    /// The other end, with its counters.
    pub far: Link,
    /// The namespace that one is in.
    pub netns: NetnsRef,
    /// The number the pod's namespace uses for it; `None` when both ends are in one.
    pub nsid: Option<Nsid>,
    /// Whether both ends name each other.
    pub agreement: Agreement,
    /// The programs attached to the other end.
    pub programs: Vec<BpfAttachment>,
}

/// A bridge on the road.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct BridgeStep {
    /// The port's link: the pair's other end.
    pub port_link: LinkRef,
    /// The bridge and the port's settings.
    #[serde(flatten)]
    pub plug: BridgePlug,
}

/// Answers `trace POD` without a destination.
pub fn trace(nodes: &[&dyn NodeView], query: &PodQuery) -> Result<Answer<Trace>, FindError> {
    let mut gathered = Gathered::default();
    let found = find_pod(nodes, query, &mut gathered)?;
    let flows = flows::expect(&found, &mut gathered);
    let names = NetnsNames::read(found.node, &mut gathered);
    let head = PodHead::of(nodes, &found, &names, &mut gathered);
    let mut road = Road { found: &found, names: &names, gathered: &mut gathered, steps: Vec::new() };
    road.walk();
    if let Some(step) = flows::step(&found, &flows, road.gathered) {
        road.push(StepKind::Flows(step), Vec::new());
    }
    let steps = road.steps;
    let headline = headline::headline(&head, &found.node.node().name, &steps);
    let bad = |step: &Step| step.findings.iter().any(|finding| finding.weight == Weight::Bad);
    gathered.bad |= steps.iter().any(bad);
    Ok(Answer::new(nodes, Trace { pod: head, headline, steps }, gathered))
}

/// The walk from the pod outwards.
struct Road<'r, 'a> {
    found: &'r Found<'a>,
    names: &'r NetnsNames,
    gathered: &'r mut Gathered,
    steps: Vec<Step>,
}

impl Road<'_, '_> {
    fn push(&mut self, what: StepKind, mut findings: Vec<Finding>) {
        findings.sort();
        self.steps.push(Step { what, findings });
    }

    fn walk(&mut self) {
        let node = self.found.node;
        let sandbox = &self.found.sandbox;
        let (step, findings) = pod::step(self.found, self.names, self.gathered);
        self.push(StepKind::Pod(Box::new(step)), findings);
        if sandbox.host_network {
            let host = node.node().host_netns;
            let addresses = node.addresses(host);
            let addresses: &Vec<Address> = self.gathered.take(&addresses);
            let families = families(addresses);
            let far = self.far_away(&[host], &families);
            return self.host(None, &[], &far, None);
        }
        let Some(netns) = sandbox.netns else { return };
        let (interfaces, _) = veth::interfaces(self.found, self.names, self.gathered);
        let all: Vec<Address> = interfaces.iter().flat_map(|interface| interface.addresses.clone()).collect();
        let families = families(&all);
        let far = self.far_away(&[netns, node.node().host_netns], &families);
        let routes = ways_out(node, netns, &far, self.gathered);
        if let Some(step) = self.steps.last_mut() {
            step.findings.extend(judge_routes(&routes, interfaces.is_empty()));
            step.findings.sort();
        }
        for interface in interfaces {
            self.interface(netns, interface, &routes);
        }
    }

    fn far_away(&self, namespaces: &[NetnsId], families: &[Family]) -> Vec<Far> {
        families.iter().map(|family| uplink::far_away(self.found.node, namespaces, *family)).collect()
    }

    /// An interface, and on from it as far as it leads; the host only where a default route uses it.
    fn interface(&mut self, netns: NetnsId, interface: Interface, routes: &[WayOut]) {
        let node = self.found.node;
        let here: Vec<WayOut> = routes
            .iter()
            .filter(|out| out.way.route().is_some_and(|chosen| chosen.leads_to(interface.link.ifindex)))
            .cloned()
            .collect();
        let gateways = gateway::gateways(node, netns, &interface, &here, self.gathered);
        let mut findings = veth::judge::near(&interface);
        findings.extend(gateways.iter().filter_map(gateway::judge));
        let beyond: Vec<Finding> = veth::judge::far(&interface);
        let Interface { link, addresses, programs, other_end } = interface;
        let near = LinkRef::of(&link);
        let global: Vec<Address> =
            addresses.iter().filter(|address| address.scope == Scope::Universe).cloned().collect();
        let world: Vec<Far> = here.iter().map(|out| Far { family: out.family, destination: out.destination }).collect();
        let on_a_port = gateways.iter().find_map(|gateway| match &gateway.owner {
            Some(Owner { kind: OwnerKind::LearnedOnPort, link, .. }) => Some(link.clone()),
            _ => None,
        });
        let stranger = gateways.iter().find(|gateway| gateway.owner.is_none()).map(|gateway| gateway.address);
        let step = InterfaceStep { link, addresses, programs, routes: here, gateways };
        self.push(StepKind::Interface(Box::new(step)), findings);
        match other_end {
            End::Peer(peer) => {
                let veth::PeerEnd { netns: place, nsid, link: far, agreement, programs, plugged, .. } = *peer;
                let role = place.role;
                let port = LinkRef::of(&far);
                let (at_veth, at_plug) = beyond.into_iter().partition(|finding| !about_the_plug(finding.code));
                let step = VethStep { near, far: far.clone(), netns: place, nsid, agreement, programs };
                let agrees = !matches!(step.agreement, Agreement::Disagree { .. });
                self.push(StepKind::Veth(Box::new(step)), at_veth);
                if role == NetnsRole::Pod || !agrees {
                    return;
                }
                let Some(plugged) = plugged else { return };
                let bridged = matches!(plugged, Plugged::Bridge(_));
                let into = self.plugged(port, plugged, at_plug);
                if role != NetnsRole::Host || world.is_empty() {
                    return;
                }
                if let Some(port) = on_a_port {
                    // The gateway is beyond the bridge: the host forwards frames, not packets.
                    return self.wire_by(&port);
                }
                if let Some(address) = stranger.filter(|_| bridged) {
                    let detail = format!("the gateway {address} is none of this node's addresses, and not known to it");
                    let what = "telling the way on from the bridge";
                    return self.gathered.issue(Issue::incomplete(what, Why::Unsupported { detail }));
                }
                let into = into.unwrap_or_else(|| LinkRef::of(&far));
                self.host(Some(&into), &global, &world, self.bridge_netfilter());
            }
            End::Parent(parent) => {
                let is_host = parent.netns.role == NetnsRole::Host;
                let link = LinkRef::of(&parent.link);
                self.push(StepKind::Parent(parent), beyond);
                if is_host && !world.is_empty() {
                    self.wire_by(&link);
                }
            }
            End::Device { device } => self.push(StepKind::Device { device }, beyond),
            End::Lost(lost) => self.push(StepKind::Lost(lost), beyond),
            End::Nowhere => {}
        }
    }

    /// What the other end is plugged into; gives the bridge, where it is one.
    fn plugged(&mut self, port: LinkRef, plugged: Plugged, mut findings: Vec<Finding>) -> Option<LinkRef> {
        match plugged {
            Plugged::Bridge(plug) => {
                let bridge = plug.bridge.clone();
                findings.extend(judge_bridge(&plug));
                self.push(StepKind::Bridge(Box::new(BridgeStep { port_link: port, plug: *plug })), findings);
                Some(bridge)
            }
            Plugged::Routed(plug) => {
                self.push(StepKind::Routed(plug), findings);
                None
            }
            Plugged::Controller { controller, controller_kind } => {
                let above = controller.clone();
                self.push(StepKind::Controller { controller, controller_kind }, findings);
                above
            }
        }
    }

    fn bridge_netfilter(&self) -> Option<veth::plugged::BridgeNetfilter> {
        match &self.steps.last()?.what {
            StepKind::Bridge(step) => Some(step.plug.netfilter.clone()),
            _ => None,
        }
    }

    /// The node's part, and the links that packets leave it by.
    fn host(
        &mut self,
        into: Option<&LinkRef>,
        addresses: &[Address],
        far: &[Far],
        netfilter: Option<veth::plugged::BridgeNetfilter>,
    ) {
        let node = self.found.node;
        let (step, findings) = host::step(node, into, addresses, far, netfilter, self.gathered);
        let links = host::out_links(&step);
        let masquerade = (!addresses.is_empty()).then(|| masquerade::step(self.found, addresses, &step, self.gathered));
        self.push(StepKind::Host(Box::new(step)), findings);
        if let Some(masquerade) = masquerade {
            self.push(StepKind::Nat(Box::new(masquerade)), Vec::new());
        }
        for link in links {
            self.wire_by(&link);
        }
    }

    fn wire_by(&mut self, link: &LinkRef) {
        let (step, findings) = host::wire(self.found.node, link, &self.steps, self.gathered);
        if let Some(step) = step {
            self.push(StepKind::Wire(Box::new(step)), findings);
        }
    }
}

/// The families of which there is an address of global scope, IPv4 first.
fn families(addresses: &[Address]) -> Vec<Family> {
    let of = |family: &Family| {
        let mut global = addresses.iter().filter(|address| address.scope == Scope::Universe);
        global.any(|address| Family::of(address.address.addr()) == *family)
    };
    Family::ALL.into_iter().filter(of).collect()
}

/// The way to the world in each family within the pod.
fn ways_out(node: &dyn NodeView, netns: NetnsId, far: &[Far], gathered: &mut Gathered) -> Vec<WayOut> {
    let mut look = |Far { family, destination }: &Far| {
        let way = uplink::way(node, netns, &RouteQuery::to(*destination), gathered);
        if let uplink::Way::Unknown { why } = &way {
            let what = format!("telling the pod's {} default route", host::family(*family));
            gathered.issue(Issue::incomplete(what, Why::Unsupported { detail: why.clone() }));
        }
        WayOut { family: *family, destination: *destination, way }
    };
    far.iter().map(&mut look).collect()
}

/// What is to be said of the pod's default routes.
fn judge_routes(routes: &[WayOut], no_interface: bool) -> Vec<Finding> {
    if no_interface {
        return vec![Finding::bad(Code::NoInterface, "the pod has no interface but loopback")];
    }
    if routes.is_empty() {
        return vec![Finding::bad(Code::NoAddress, "no interface of the pod has an address of global scope")];
    }
    let one_leads = routes.iter().any(|out| out.way.route().is_some() && !out.way.drops());
    routes
        .iter()
        .filter_map(|out| {
            let family = host::family(out.family);
            match &out.way {
                uplink::Way::None => {
                    let text = format!("the pod has no {family} default route");
                    Some(if one_leads {
                        Finding::odd(Code::NoDefaultRoute, text)
                    } else {
                        Finding::bad(Code::NoDefaultRoute, text)
                    })
                }
                way if way.drops() => {
                    Some(Finding::bad(Code::RouteDrops, format!("the pod's {family} default route drops")))
                }
                _ => None,
            }
        })
        .collect()
}

/// Whether a finding speaks of the bridge or route beyond the pair.
fn about_the_plug(code: Code) -> bool {
    matches!(code, Code::PortNotForwarding | Code::NotPlugged | Code::BridgeDown)
}

/// What a bridge does to a pod's call to itself, and to answers within the bridge.
fn judge_bridge(plug: &BridgePlug) -> Option<Finding> {
    let hairpin = plug.port.as_ref()?.hairpin;
    match plug.netfilter.effective? {
        true if !hairpin => Some(Finding::note(
            Code::Hairpin,
            "hairpin off and bridge-nf on: a call to itself through its own service is dropped here",
        )),
        true => None,
        false => Some(Finding::odd(
            Code::BridgeNetfilter,
            "bridge-nf off: answers between two pods of this bridge bypass the node's NAT, so a call through a service \
             to a pod of the same bridge may hang",
        )),
    }
}
