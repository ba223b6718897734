//! From the words of a command line to a packet: who sends it, and to where.
//!
//! May import model and analyze's siblings only.

mod aim;
mod sender;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::ControlFlow;

use thiserror::Error;

use super::packet::{ICMP, ICMPV6, Packet, SCTP, TCP, Tuple, UDP, echo};
use super::table::Ct;
use super::types::{Endpoint, Path, StepKind, Verdict};
use super::{Question, path};
use crate::analyze::answer::{Answer, Gathered};
use crate::analyze::identity::FindError;
use crate::analyze::services::ServicesError;
use crate::model::flow::filter::{FlowFilter, TupleFilter};
use crate::model::flow::tuple::Key;
use crate::model::issue::{Issue, Why};
use crate::model::sandbox::SandboxFilter;
use crate::model::view::NodeView;

pub use aim::target;
use sender::Sender;

/// A question in words.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// Who sends: a pod, `host`, the name of a node, or an address outside.
    pub from: String,
    /// To where: an address, `ADDRESS:PORT`, a node or `NODE:PORT`, a pod, `POD:PORT`, or a service (`svc:` forces one).
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
    /// What is asked of the tables of flows.
    pub ct: AskedCt,
    /// Only the courses that lead there: an address, `ADDRESS:PORT` or a pod.
    pub endpoint: Option<String>,
    /// The link that a packet from outside comes in by, with the node's name and `/` in front where that is needed.
    pub enters: Option<String>,
    /// Whether each rule that is asked is told, and not those alone that act.
    pub tells_rules: bool,
}

/// What is asked of the tables of flows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AskedCt {
    /// As [`Ct`] says.
    Of(Ct),
    /// The packet is one of the flow with this id.
    Flow(u32),
}

impl Default for AskedCt {
    fn default() -> Self {
        Self::Of(Ct::default())
    }
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
    // Every way crosses the node's own hooks: which there are can be read while the runtime is asked about pods.
    for node in nodes {
        node.netfilter().expect_base_chains(node.node().host_netns);
        // Places are told by their pods' names, so all pods are needed: asked first, they answer who is meant, too.
        let _ = node.sandboxes(&SandboxFilter::All);
    }
    let to = target(nodes, asked, &mut gathered)?;
    let from = sender::sender(nodes, asked, to.address, &mut gathered)?;
    let endpoint = endpoint(nodes, asked, &mut gathered)?;
    let mut packet = packet(asked, &to, &from)?;
    let mut ct = Ct::Table;
    match asked.ct {
        AskedCt::Of(of) => ct = of,
        AskedCt::Flow(id) => of_flow(nodes, &from, id, &mut packet)?,
    }
    let question = Question {
        enters: from.enters,
        ct,
        endpoint,
        tells_rules: asked.tells_rules,
        ..Question::new(from.place, packet)
    };
    let (mut data, issues) = path(nodes, &question);
    if let Some(endpoint) = &data.endpoint
        && data.courses.is_empty()
    {
        return Err(AskError::Wrong(elsewhere(endpoint)));
    }
    if let AskedCt::Flow(id) = asked.ct {
        meets(&data, id)?;
    }
    data.assumed.splice(0..0, from.assumed);
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

/// An address, in brackets or not.
fn address_of(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok()
}

fn endpoint(
    nodes: &[&dyn NodeView],
    asked: &Asked,
    gathered: &mut Gathered,
) -> Result<Option<(IpAddr, Option<u16>)>, AskError> {
    let Some(text) = &asked.endpoint else { return Ok(None) };
    let found = aim::aim(nodes, asked, text, gathered)?;
    Ok(Some((found.address, found.port)))
}

fn elsewhere(endpoint: &Endpoint) -> String {
    let wanted = super::types::end(endpoint.address, endpoint.port);
    match endpoint.others.as_slice() {
        [] => format!("no course of this packet leads to {wanted}"),
        others => format!("no course of this packet leads to {wanted}; they lead to {}", others.join(", ")),
    }
}

/// The packet gets the source that a flow of the sender's, or of its node's, has.
fn of_flow(nodes: &[&dyn NodeView], from: &Sender, id: u32, packet: &mut Packet) -> Result<(), AskError> {
    let Some(view) = nodes.get(from.place.node) else { return Ok(()) };
    let tuple = packet.tuple;
    let fixed = |port: Option<u16>| port.filter(|_| tuple.has_ports());
    let filter = FlowFilter {
        ipv6: Some(tuple.destination.is_ipv6()),
        protocol: Some(tuple.protocol),
        original: TupleFilter {
            src: Some(tuple.source).filter(|source| !source.is_unspecified()),
            dst: Some(tuple.destination),
            src_port: fixed(tuple.source_port),
            dst_port: fixed(tuple.destination_port),
        },
        ..FlowFilter::default()
    };
    let host = view.node().host_netns;
    let mut tables = vec![host];
    tables.extend(Some(from.place.netns).filter(|own| *own != host));
    let mut found = None;
    for netns in tables {
        let _ = view.conntrack().flows(netns, std::slice::from_ref(&filter), &mut |flow| {
            if flow.id != id {
                return ControlFlow::Continue(());
            }
            found = Some(flow.original);
            ControlFlow::Break(())
        });
        if found.is_some() {
            break;
        }
    }
    let Some(original) = found else {
        return Err(AskError::Wrong(format!(
            "{} has no flow {id} from there to {} (`podnet conntrack -o json` tells ids)",
            view.node().name,
            super::types::end(tuple.destination, fixed(tuple.destination_port)),
        )));
    };
    packet.tuple.source = original.src;
    match original.key {
        Key::Ports { src, .. } => packet.tuple.source_port = Some(src),
        Key::Icmp { id, .. } => {
            packet.tuple.source_port = Some(id);
            packet.tuple.destination_port = Some(id);
        }
        Key::None => {}
    }
    Ok(())
}

/// A packet that is said to be a flow's has to meet it.
fn meets(path: &Path, id: u32) -> Result<(), AskError> {
    let mut steps = path.courses.iter().flat_map(|course| course.there.iter().chain(&course.back));
    let is_it = |kind: &StepKind| matches!(kind, StepKind::Tracked { flow, .. } if flow.id == id);
    if steps.any(|step| is_it(&step.what)) {
        return Ok(());
    }
    Err(AskError::Wrong(format!("a packet from there does not meet the flow {id} on its way")))
}

fn packet(asked: &Asked, to: &Target, from: &Sender) -> Result<Packet, AskError> {
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
    if from.source.is_some() && asked.source.is_some_and(|source| Some(source) != from.source) {
        return wrong("--source is another address than the sender's own");
    }
    let source = asked.source.or(from.source);
    if source.is_some_and(|source| source.is_ipv6() != six) {
        return wrong("source and destination are of different families");
    }
    let unspecified: IpAddr = if six { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
    let tuple = Tuple {
        source: source.unwrap_or(unspecified),
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
        uid: from.enters.is_none().then_some(0),
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
