//! Which flows are asked for: the words of a question, and what the kernel and this side filter by.
//!
//! May import model and its siblings only.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use thiserror::Error;

use super::reader::{destination_changed, source_changed};
use super::state::{KERNEL_NAMES, StateWord, kernel_name};
use super::types::{FlowRow, L4, NatKind, ServiceHere};
use crate::analyze::answer::Gathered;
use crate::analyze::identity::{FindError, Found, PodQuery, find_pod};
use crate::analyze::nat::addresses;
use crate::analyze::services::{ServicesError, ServicesQuery, services};
use crate::model::flow::Flow;
use crate::model::flow::filter::{FlowFilter, TupleFilter};
use crate::model::kube_proxy::Protocol;
use crate::model::view::NodeView;

/// The question.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FlowsQuery {
    /// Only flows of this pod.
    pub pod: Option<PodQuery>,
    /// As the pod's own namespace tracks them.
    pub own_netns: bool,
    /// Only flows to this address, `ADDR:PORT` or pod.
    pub to: Option<String>,
    /// Only flows from this one.
    pub from: Option<String>,
    /// Only flows that asked for this service.
    pub service: Option<String>,
    /// Names of pods and services count in this Kubernetes namespace only.
    pub namespace: Option<String>,
    /// Only flows in this state.
    pub state: Option<StateWanted>,
    /// Only flows of this protocol.
    pub protocol: Option<L4>,
    /// Only flows with this mark: value and mask.
    pub mark: Option<(u32, u32)>,
    /// Only flows that were translated so.
    pub nat: Option<NatWanted>,
    /// Only flows of this zone.
    pub zone: Option<u16>,
    /// The most first.
    pub sort: Option<SortKey>,
    /// At most so many flows.
    pub limit: Option<usize>,
    /// Only flows of whoever a server sees as this.
    pub who: Option<WhoAsked>,
}

/// An address and port that a server sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct WhoAsked {
    /// The address.
    pub address: IpAddr,
    /// The port.
    pub port: u16,
    /// The protocol; `None`: any.
    pub protocol: Option<L4>,
}

/// What flows are sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SortKey {
    /// Bytes both ways.
    Bytes,
    /// Packets both ways.
    Packets,
    /// What is left of the timeout.
    Timeout,
    /// How long ago it began.
    Age,
}

/// A kind of translation that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NatWanted {
    /// Nothing was translated.
    None,
    /// The source was.
    Snat,
    /// The destination was.
    Dnat,
    /// The destination was, back to the client.
    Hairpin,
}

impl NatWanted {
    /// Whether a flow was translated so.
    pub fn accepts(self, flow: &Flow) -> bool {
        match self {
            Self::None => NatKind::of(flow) == NatKind::None,
            Self::Snat => source_changed(flow),
            Self::Dnat => destination_changed(flow),
            Self::Hairpin => NatKind::of(flow) == NatKind::Hairpin,
        }
    }
}

/// A state that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StateWanted {
    /// By podnet's word.
    Word(StateWord),
    /// By the kernel's name.
    Kernel(&'static str),
}

impl StateWanted {
    /// Whether a flow is in it.
    pub fn accepts(&self, flow: &Flow) -> bool {
        match self {
            Self::Word(word) => StateWord::of(flow) == *word,
            Self::Kernel(name) => flow.state.is_some_and(|state| kernel_name(state) == *name),
        }
    }
}

impl FromStr for StateWanted {
    type Err = FlowsError;

    fn from_str(text: &str) -> Result<Self, FlowsError> {
        let plain = text.trim().to_lowercase().replace(['_', ' '], "-");
        if let Some(word) = StateWord::ALL.into_iter().find(|word| word.words().replace(' ', "-") == plain) {
            return Ok(Self::Word(word));
        }
        let kernel = plain.replace('-', "_").to_uppercase();
        KERNEL_NAMES.into_iter().find(|name| **name == kernel).map(Self::Kernel).ok_or_else(|| {
            let words: Vec<String> = StateWord::ALL.into_iter().map(|word| word.words().replace(' ', "-")).collect();
            let expected = format!("one of {}, nor one of the kernel's, as SYN_SENT", words.join(", "));
            FlowsError::Malformed { asked: text.to_owned(), expected }
        })
    }
}

impl FromStr for WhoAsked {
    type Err = FlowsError;

    fn from_str(text: &str) -> Result<Self, FlowsError> {
        let wrong =
            || FlowsError::Malformed { asked: text.to_owned(), expected: "ADDR:PORT or ADDR:PORT/PROTOCOL".to_owned() };
        let (at, protocol) = match text.split_once('/') {
            Some((at, protocol)) => (at, Some(L4::named(protocol.trim()).ok_or_else(wrong)?)),
            None => (text, None),
        };
        let at: SocketAddr = at.trim().parse().map_err(|_| wrong())?;
        Ok(Self { address: at.ip(), port: at.port(), protocol })
    }
}

/// Reads a mark: `0x4000`, `16384/0xff00`.
pub fn mark(text: &str) -> Result<(u32, u32), FlowsError> {
    let number = |text: &str| match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    };
    let (value, mask) = text.split_once('/').map_or((text, None), |(value, mask)| (value, Some(mask)));
    number(value.trim())
        .zip(mask.map_or(Some(u32::MAX), |mask| number(mask.trim())))
        .ok_or_else(|| FlowsError::Malformed { asked: text.to_owned(), expected: "MARK or MARK/MASK".to_owned() })
}

/// Why there is no answer.
///
/// The text bears names as the node has them: escape it before a terminal sees it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FlowsError {
    /// A word of the question is wrong.
    #[error("{asked:?} is not {expected}")]
    Malformed {
        /// What was typed.
        asked: String,
        /// What it should have been.
        expected: String,
    },
    /// The pod that was asked for cannot be told.
    #[error(transparent)]
    Pod(#[from] FindError),
    /// The service that was asked for cannot be told.
    #[error(transparent)]
    Service(#[from] ServicesError),
    /// Nobody is behind the address and port.
    #[error("no flow on {nodes} has {asked} as its source: it ended, or it never passed here")]
    Nobody {
        /// What was typed.
        asked: String,
        /// The nodes that were asked.
        nodes: String,
    },
    /// The pod has no address or namespace of its own to ask by.
    #[error("{asked} has no {what} that is known: its flows cannot be told")]
    Nowhere {
        /// The pod.
        asked: String,
        /// What it lacks.
        what: &'static str,
    },
}

/// One side of a flow that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Side {
    addresses: Vec<IpAddr>,
    port: Option<u16>,
}

impl Side {
    fn read(
        nodes: &[&dyn NodeView],
        text: &str,
        namespace: Option<&String>,
        gathered: &mut Gathered,
    ) -> Result<Self, FlowsError> {
        if let Ok(both) = text.parse::<SocketAddr>() {
            return Ok(Self { addresses: vec![both.ip()], port: Some(both.port()) });
        }
        let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
        if let Ok(address) = bare.parse() {
            return Ok(Self { addresses: vec![address], port: None });
        }
        let query = PodQuery { text: text.to_owned(), namespace: namespace.cloned(), all: false };
        let found = find_pod(nodes, &query, gathered)?;
        Ok(Self { addresses: known_addresses(&found, gathered)?, port: None })
    }

    fn has(&self, address: IpAddr, port: Option<u16>) -> bool {
        self.addresses.contains(&address) && self.port.is_none_or(|wanted| port == Some(wanted))
    }
}

/// The addresses of a pod, of which there must be one.
fn known_addresses(found: &Found<'_>, gathered: &mut Gathered) -> Result<Vec<IpAddr>, FlowsError> {
    let all = addresses(found, gathered);
    if all.is_empty() {
        return Err(FlowsError::Nowhere { asked: found.sandbox.pod.to_string(), what: "address" });
    }
    Ok(all)
}

/// What the question comes to on the nodes that were asked.
pub struct Wanted<'a> {
    /// The pod that was asked for.
    pub pod: Option<Found<'a>>,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// What the kernel is asked for: flows that one of these accepts.
    pub filters: Vec<FlowFilter>,
    to: Option<Side>,
    from: Option<Side>,
    state: Option<StateWanted>,
    nat: Option<NatWanted>,
    services: Option<BTreeSet<String>>,
}

impl<'a> Wanted<'a> {
    /// Works the question out.
    pub fn of(nodes: &[&'a dyn NodeView], query: &FlowsQuery, gathered: &mut Gathered) -> Result<Self, FlowsError> {
        let pod = query.pod.as_ref().map(|pod| find_pod(nodes, pod, gathered)).transpose()?;
        let addresses = match &pod {
            Some(found) => known_addresses(found, gathered)?,
            None => Vec::new(),
        };
        let namespace = query.namespace.as_ref();
        let mut side =
            |text: &Option<String>| text.as_ref().map(|text| Side::read(nodes, text, namespace, gathered)).transpose();
        let (to, from) = (side(&query.to)?, side(&query.from)?);
        let mut filters = vec![FlowFilter::default()];
        let mut services = None;
        if let Some(who) = query.who {
            filters = of_who(who);
        } else if !addresses.is_empty() && !query.own_netns {
            filters = addresses.iter().copied().flat_map(FlowFilter::places_of).collect();
        } else if let Some(text) = &query.service {
            let (titles, places) = of_service(nodes, text, namespace, gathered)?;
            services = Some(titles);
            filters = places;
        } else if to.is_some() || from.is_some() {
            filters = of_sides(from.as_ref(), to.as_ref());
        }
        if let (Some(text), None) = (&query.service, &services) {
            services = Some(of_service(nodes, text, namespace, gathered)?.0);
        }
        for filter in &mut filters {
            filter.protocol = filter.protocol.or(query.protocol.map(|protocol| protocol.0));
            filter.mark = query.mark;
            filter.zone = query.zone;
        }
        Ok(Self { pod, addresses, filters, to, from, state: query.state.clone(), nat: query.nat, services })
    }

    /// Whether a flow that the filters accept is asked for, as far as the flow itself tells.
    pub fn accepts(&self, flow: &Flow) -> bool {
        let (original, reply) = (&flow.original, &flow.reply);
        self.to
            .as_ref()
            .is_none_or(|side| side.has(original.dst, original.dst_port()) || side.has(reply.src, reply.src_port()))
            && self
                .from
                .as_ref()
                .is_none_or(|side| side.has(original.src, original.src_port()) || side.has(reply.dst, reply.dst_port()))
            && self.nat.is_none_or(|nat| nat.accepts(flow))
            && self.state.as_ref().is_none_or(|state| state.accepts(flow))
    }

    /// Whether it is, once it has been read.
    pub fn accepts_row(&self, row: &FlowRow) -> bool {
        let Some(wanted) = &self.services else { return true };
        match &row.asked_for.service {
            ServiceHere::Some { service, .. } => wanted.contains(&*service.title),
            _ => false,
        }
    }
}

/// A source that a server sees, or a client's own.
fn of_who(who: WhoAsked) -> Vec<FlowFilter> {
    let ipv6 = Some(who.address.is_ipv6());
    let protocol = who.protocol.map(|protocol| protocol.0);
    let seen = TupleFilter { dst: Some(who.address), dst_port: Some(who.port), ..TupleFilter::default() };
    let own = TupleFilter { src: Some(who.address), src_port: Some(who.port), ..TupleFilter::default() };
    vec![
        FlowFilter { ipv6, protocol, reply: seen, ..FlowFilter::default() },
        FlowFilter { ipv6, protocol, original: own, ..FlowFilter::default() },
    ]
}

/// Where both sides can stand: what a client asked for or where it went, its own address or the one that was seen.
fn of_sides(from: Option<&Side>, to: Option<&Side>) -> Vec<FlowFilter> {
    let mut filters = Vec::new();
    let ends = |side: Option<&Side>| -> Vec<Option<(IpAddr, Option<u16>)>> {
        side.map_or(vec![None], |side| side.addresses.iter().map(|address| Some((*address, side.port))).collect())
    };
    for from in ends(from) {
        for to in ends(to) {
            let ipv6 = from.or(to).map(|(address, _)| address.is_ipv6());
            for (from_original, to_original) in [(true, true), (true, false), (false, true), (false, false)] {
                let mut filter = FlowFilter { ipv6, ..FlowFilter::default() };
                if let Some((address, port)) = from {
                    if from_original {
                        (filter.original.src, filter.original.src_port) = (Some(address), port);
                    } else {
                        (filter.reply.dst, filter.reply.dst_port) = (Some(address), port);
                    }
                }
                if let Some((address, port)) = to {
                    if to_original {
                        (filter.original.dst, filter.original.dst_port) = (Some(address), port);
                    } else {
                        (filter.reply.src, filter.reply.src_port) = (Some(address), port);
                    }
                }
                if !filters.contains(&filter) {
                    filters.push(filter);
                }
            }
        }
    }
    filters
}

/// The titles of a service's ports, and where flows that ask for them begin.
fn of_service(
    nodes: &[&dyn NodeView],
    text: &str,
    namespace: Option<&String>,
    gathered: &mut Gathered,
) -> Result<(BTreeSet<String>, Vec<FlowFilter>), FlowsError> {
    let query =
        ServicesQuery { text: Some(text.to_owned()), namespace: namespace.cloned(), ..ServicesQuery::default() };
    let answer = services(nodes, &query)?;
    gathered.issues.extend(answer.issues);
    let mut titles = BTreeSet::new();
    let mut filters = Vec::new();
    for port in &answer.data.services {
        titles.insert(port.title.clone());
        let protocol = port.protocol.map(Protocol::number);
        let mut add = |dst: Option<IpAddr>, dst_port: u16| {
            let original = TupleFilter { dst, dst_port: Some(dst_port), ..TupleFilter::default() };
            let ipv6 = dst.map(|address| address.is_ipv6());
            let filter = FlowFilter { ipv6, protocol, original, ..FlowFilter::default() };
            if !filters.contains(&filter) {
                filters.push(filter);
            }
        };
        port.addresses.iter().for_each(|front| add(Some(front.address), front.port));
        if let Some(node_port) = &port.node_port {
            add(None, node_port.port);
        }
    }
    Ok((titles, filters))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_read_with_and_without_a_mask() {
        assert_eq!(mark("0x4000"), Ok((0x4000, u32::MAX)));
        assert_eq!(mark("16/0xff"), Ok((16, 0xff)));
        for wrong in ["", "x", "0x", "1/", "/1", "-1", "4294967296", "1/2/3"] {
            assert!(mark(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn states_are_podnets_words_or_the_kernels_names() {
        let word = |text: &str| text.parse::<StateWanted>();
        assert_eq!(word("half-open"), Ok(StateWanted::Word(StateWord::HalfOpen)));
        assert_eq!(word("No Answer"), Ok(StateWanted::Word(StateWord::NoAnswer)));
        assert_eq!(word("syn_sent"), Ok(StateWanted::Kernel("SYN_SENT")));
        assert_eq!(word("TIME-WAIT"), Ok(StateWanted::Kernel("TIME_WAIT")));
        let wrong = word("gone").unwrap_err().to_string();
        assert!(wrong.starts_with("\"gone\" is not one of half-open, no-answer,"), "{wrong}");
    }

    #[test]
    fn a_source_has_a_port_and_may_have_a_protocol() {
        let asked = |text: &str| text.parse::<WhoAsked>();
        let four: IpAddr = "10.240.0.20".parse().unwrap();
        assert_eq!(asked("10.240.0.20:56732"), Ok(WhoAsked { address: four, port: 56732, protocol: None }));
        let six: IpAddr = "fd00::1".parse().unwrap();
        assert_eq!(asked("[fd00::1]:53/UDP"), Ok(WhoAsked { address: six, port: 53, protocol: Some(L4(17)) }));
        for wrong in ["10.240.0.20", ":1", "fd00::1:53", "10.240.0.20:99999", "10.240.0.20:1/none", "1.2.3.4:1/"] {
            assert!(asked(wrong).is_err(), "{wrong:?}");
        }
    }
}
