//! From the words of a command line to a packet: who sends it, and to where.
//!
//! May import model and analyze's siblings only.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use thiserror::Error;

use super::packet::{ICMP, ICMPV6, Packet, SCTP, TCP, Tuple, UDP, echo};
use super::types::{Path, Verdict};
use super::world::Place;
use super::{Question, path};
use crate::analyze::answer::{Answer, Gathered};
use crate::analyze::identity::{FindError, PodQuery, find_pod};
use crate::analyze::services::types::{FrontKind, ServicePort};
use crate::analyze::services::{ServicesError, ServicesQuery, services};
use crate::model::issue::{Issue, Why};
use crate::model::kube_proxy::Protocol;
use crate::model::sandbox::SandboxFilter;
use crate::model::view::NodeView;

/// A question in words.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// Who sends: a pod, `host`, or the name of a node.
    pub from: String,
    /// To where: an address, `ADDRESS:PORT`, a pod, `POD:PORT`, or a service (`svc:` forces one).
    pub to: String,
    /// Names count in this Kubernetes namespace only.
    pub namespace: Option<String>,
    /// `IPPROTO_*`; `None`: the service's own, TCP where there is a port, else an echo.
    pub protocol: Option<u8>,
    /// The source address; `None`: the kernel chooses.
    pub source: Option<IpAddr>,
    /// The source port; `None`: any of those that the kernel draws.
    pub source_port: Option<u16>,
    /// The mark that the sending socket gives its packets.
    pub mark: u32,
    /// The type of service byte.
    pub tos: u8,
    /// Bytes with the IP header; `None`: those of a first packet without data.
    pub length: Option<u32>,
    /// Only IPv6 (true) or only IPv4 (false).
    pub six: Option<bool>,
}

/// Why a question cannot be asked.
///
/// The text bears names as the node has them: escape it before a terminal sees it.
#[derive(Debug, Error)]
pub enum AskError {
    /// No such pod.
    #[error(transparent)]
    Pod(#[from] FindError),
    /// No such service.
    #[error(transparent)]
    Service(#[from] ServicesError),
    /// Something else to be said in another way.
    #[error("{0}")]
    Wrong(String),
}

/// A destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its address.
    pub address: IpAddr,
    /// Its port.
    pub port: Option<u16>,
    /// The protocol that a service has there.
    pub protocol: Option<u8>,
}

/// Answers `trace SRC DST`.
pub fn ask(nodes: &[&dyn NodeView], asked: &Asked) -> Result<Answer<Path>, AskError> {
    let mut gathered = Gathered::default();
    let from = sender(nodes, asked, &mut gathered)?;
    let to = target(nodes, asked, &mut gathered)?;
    let packet = packet(asked, &to)?;
    let (mut data, issues) = path(nodes, &Question::new(from, packet));
    name_places(nodes, &mut data);
    // Whom it is about was found; what else of the node could not be read is told where it mattered.
    let mut gathered = Gathered { issues, bad: false };
    match &data.verdict {
        Verdict::Answered => {}
        Verdict::Unknown { because } => {
            gathered.issue(Issue::incomplete("following the packet", Why::Unsupported { detail: because.clone() }));
        }
        _ => gathered.bad = true,
    }
    Ok(Answer::new(nodes, data, gathered))
}

fn sender(nodes: &[&dyn NodeView], asked: &Asked, gathered: &mut Gathered) -> Result<Place, AskError> {
    let host = |node: usize, view: &&dyn NodeView| Place { node, netns: view.node().host_netns };
    if asked.from == "host" {
        if let [one] = nodes {
            return Ok(host(0, one));
        }
        let names: Vec<_> = nodes.iter().map(|node| node.node().name).collect();
        let names = names.join(", ");
        return Err(AskError::Wrong(format!("host means one node, and several are asked: name one of {names}")));
    }
    if let Some((at, view)) = nodes.iter().enumerate().find(|(_, view)| view.node().name == asked.from) {
        return Ok(host(at, view));
    }
    let query = PodQuery { text: asked.from.clone(), namespace: asked.namespace.clone(), all: false };
    let found = find_pod(nodes, &query, gathered)?;
    let own = found.node.node();
    let node = nodes.iter().position(|view| view.node() == own).unwrap_or(0);
    match found.sandbox.netns {
        Some(netns) => Ok(Place { node, netns }),
        None if found.sandbox.host_network => Ok(Place { node, netns: own.host_netns }),
        None => Err(AskError::Wrong(format!("{} has no network namespace (any more)", found.sandbox.pod))),
    }
}

/// What a destination's words mean.
pub fn target(nodes: &[&dyn NodeView], asked: &Asked, gathered: &mut Gathered) -> Result<Target, AskError> {
    let text = asked.to.as_str();
    if let Ok(both) = text.parse::<SocketAddr>() {
        return Ok(Target { address: both.ip(), port: Some(both.port()), protocol: None });
    }
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    if let Ok(address) = bare.parse() {
        return Ok(Target { address, port: None, protocol: None });
    }
    if text.starts_with("svc:") {
        return of_service(nodes, text, asked);
    }
    let (name, port) = match text.rsplit_once(':') {
        Some((name, port)) => match port.parse::<u16>() {
            Ok(port) => (name, Some(port)),
            Err(_) => (text, None),
        },
        None => (text, None),
    };
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
                "{text:?} is no address, and names neither a pod nor a service that was asked"
            ))),
            other => other,
        },
        Err(other) => Err(other.into()),
    }
}

fn of_service(nodes: &[&dyn NodeView], text: &str, asked: &Asked) -> Result<Target, AskError> {
    let query = ServicesQuery {
        text: Some(text.to_owned()),
        namespace: asked.namespace.clone(),
        endpoints_only: false,
        words: false,
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

fn packet(asked: &Asked, to: &Target) -> Result<Packet, AskError> {
    let six = to.address.is_ipv6();
    let wrong = |words: &str| Err(AskError::Wrong(words.to_owned()));
    if asked.six.is_some_and(|wanted| wanted != six) {
        return wrong("the destination is of the other family");
    }
    if to.address.is_multicast() || to.address.is_unspecified() || to.address == Ipv4Addr::BROADCAST {
        return Err(AskError::Wrong(format!(
            "{} is no single host's address, and podnet follows no others",
            to.address
        )));
    }
    let own_echo = if six { ICMPV6 } else { ICMP };
    let protocol = asked.protocol.or(to.protocol).unwrap_or(if to.port.is_some() { TCP } else { own_echo });
    let has_ports = matches!(protocol, TCP | UDP | SCTP);
    match (has_ports, to.port) {
        (true, None) => return wrong("which port? write it behind the destination, as in 10.32.0.10:53"),
        (false, Some(_)) => return wrong("that protocol has no ports"),
        _ => {}
    }
    if !has_ports && protocol != own_echo {
        return wrong("podnet follows TCP, UDP and SCTP, and echos of the destination's own family");
    }
    if asked.source.is_some_and(|source| source.is_ipv6() != six) {
        return wrong("source and destination are of different families");
    }
    let unspecified: IpAddr = if six { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
    let tuple = Tuple {
        source: asked.source.unwrap_or(unspecified),
        destination: to.address,
        protocol,
        source_port: asked.source_port,
        destination_port: if has_ports { to.port } else { asked.source_port },
    };
    let header = if six { 40 } else { 20 };
    let body = match protocol {
        TCP => 40,
        UDP => 8,
        SCTP => 32,
        _ => 64,
    };
    Ok(Packet {
        tuple,
        is_answer: false,
        icmp: echo(protocol, false),
        mark: asked.mark,
        tos: asked.tos,
        ttl: 64,
        length: asked.length.unwrap_or(header + body),
        uid: Some(0),
    })
}

/// Namespaces of pods are called by the pod.
fn name_places(nodes: &[&dyn NodeView], path: &mut Path) {
    for place in &mut path.places {
        let Some(node) = nodes.iter().find(|node| node.node().name == place.node) else { continue };
        if node.node().host_netns == place.netns {
            continue;
        }
        let sandboxes = node.sandboxes(&SandboxFilter::All);
        if let Some(pod) = sandboxes.value.iter().find(|sandbox| sandbox.netns == Some(place.netns)) {
            place.name = pod.pod.to_string();
        }
    }
}
