//! What a probe sends and watches: worked out from the prediction, and told before anything is sent.
//!
//! May import model and analyze's siblings only.

use std::collections::BTreeSet;
use std::net::IpAddr;

use schemars::JsonSchema;
use serde::Serialize;

use crate::analyze::path::packet::Tuple;
use crate::analyze::path::types::{Path, Step, StepKind};
use crate::analyze::services::{ServicesQuery, services};
use crate::model::ids::NetnsId;
use crate::model::probe::Pattern;
use crate::model::view::NodeView;

/// How many patterns one namespace is watched for; a service of more endpoints is seen by its frames all the same.
const MOST_PATTERNS: usize = 96;

/// What a probe may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// How long an answer is waited for, milliseconds.
    pub wait_ms: u64,
    /// The name of the table that is added.
    pub table: String,
}

/// What is sent and watched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Plan {
    /// The packet as it is sent, with the source address that was predicted.
    pub sends: Tuple,
    /// The namespace that sends it.
    pub from: NetnsId,
    /// The namespaces that are watched.
    pub watched: Vec<Watched>,
    /// The nf_tables table (family inet) that is added to each of them, and goes with the probe.
    pub table: String,
    /// How long an answer is waited for, milliseconds.
    pub wait_ms: u64,
}

/// A namespace that is watched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Watched {
    /// The node.
    pub node: String,
    /// The namespace.
    pub netns: NetnsId,
    /// What it is called.
    pub name: String,
    /// Packets that come in and are traced.
    pub prerouting: Vec<Pattern>,
    /// Packets that are sent and are traced.
    pub output: Vec<Pattern>,
    /// Flows that are followed, by their original direction.
    pub flows: Vec<Pattern>,
    /// What answers may look like here: by it the packet sockets take them.
    pub answers: Vec<Pattern>,
}

#[derive(Default)]
struct Patterns {
    prerouting: BTreeSet<Pattern>,
    output: BTreeSet<Pattern>,
    flows: BTreeSet<Pattern>,
    answers: BTreeSet<Pattern>,
}

/// What to watch for a prediction; `None` where it does not even say what is sent.
pub fn plan(nodes: &[&dyn NodeView], path: &Path, limits: Limits) -> Option<Plan> {
    let sends = path.courses.iter().flat_map(|course| &course.there).find_map(|step| match &step.what {
        StepKind::Sent { tuple, .. } => Some(*tuple),
        _ => None,
    })?;
    let from = path.places.first()?.netns;
    let mut places: Vec<(String, NetnsId, String)> =
        path.places.iter().map(|place| (place.node.clone(), place.netns, place.name.clone())).collect();
    // Where it goes astray it is seen on the nodes all the same.
    for node in nodes.iter().map(|node| node.node()) {
        if !places.iter().any(|(_, netns, _)| *netns == node.host_netns) {
            places.push((node.name.clone(), node.host_netns, node.name));
        }
    }
    let watched = places.into_iter().map(|(node, netns, name)| {
        let index = path.places.iter().position(|place| place.netns == netns);
        let mut found = Patterns::default();
        found.own(sends, netns == from);
        for course in &path.courses {
            for (steps, is_back) in [(&course.there, false), (&course.back, true)] {
                // A tunnel's outer packets are not the probe's alone.
                for step in steps.iter().filter(|step| Some(step.place) == index && !step.is_outer) {
                    found.step(step, is_back);
                }
            }
        }
        let some = |patterns: BTreeSet<Pattern>| patterns.into_iter().take(MOST_PATTERNS).collect();
        Watched {
            node,
            netns,
            name,
            prerouting: some(found.prerouting),
            output: some(found.output),
            flows: some(found.flows),
            answers: some(found.answers),
        }
    });
    let watched = watched.collect();
    Some(Plan { sends, from, watched, table: limits.table, wait_ms: limits.wait_ms })
}

impl Patterns {
    /// The probe's own address and port, in both directions: the port is the probe's alone.
    fn own(&mut self, sends: Tuple, is_sender: bool) {
        let whole = pattern(sends);
        let toward = Pattern { source: None, source_port: None, ..pattern(sends.inverted()) };
        let toward = if sends.is_echo() { Pattern { source_port: toward.destination_port, ..toward } } else { toward };
        self.answers.insert(toward);
        self.prerouting.insert(toward);
        self.flows.insert(whole);
        if is_sender {
            self.output.insert(whole);
        } else {
            self.prerouting.insert(whole);
        }
    }

    fn step(&mut self, step: &Step, is_back: bool) {
        match &step.what {
            StepKind::Sent { tuple, .. } => {
                self.output.insert(pattern(*tuple));
                self.tuple(*tuple, is_back);
            }
            StepKind::In { tuple, .. } => {
                self.prerouting.insert(pattern(*tuple));
                self.tuple(*tuple, is_back);
            }
            StepKind::Out { tuple, .. } => self.tuple(*tuple, is_back),
            _ => {}
        }
    }

    fn tuple(&mut self, tuple: Tuple, is_back: bool) {
        if is_back {
            self.answers.insert(pattern(tuple));
        } else {
            self.answers.insert(pattern(tuple.inverted()));
            self.flows.insert(pattern(tuple));
        }
    }
}

fn pattern(tuple: Tuple) -> Pattern {
    let known = |address: IpAddr| (!address.is_unspecified()).then_some(address);
    Pattern {
        source: known(tuple.source),
        destination: known(tuple.destination),
        ipv6: tuple.destination.is_ipv6(),
        protocol: tuple.protocol,
        source_port: tuple.source_port,
        destination_port: tuple.destination_port,
    }
}

/// The service with session affinity that a packet is for, by name: it would pin its client.
pub fn affinity(nodes: &[&dyn NodeView], path: &Path) -> Option<String> {
    let to = path.packet.tuple;
    let port = to.destination_port.filter(|_| to.has_ports())?;
    let text = match to.destination {
        IpAddr::V4(address) => format!("{address}:{port}"),
        IpAddr::V6(address) => format!("[{address}]:{port}"),
    };
    // A node port is asked for by its number alone.
    [text, port.to_string()].into_iter().find_map(|text| {
        let is_port = !text.contains(':');
        let query = ServicesQuery { text: Some(text), namespace: None, endpoints_only: false, brief: false };
        let found = services(nodes, &query).ok()?.data.services;
        let local = || {
            let held = |node: &&dyn NodeView| {
                node.addresses(node.node().host_netns).value.iter().any(|one| one.address.addr() == to.destination)
            };
            nodes.iter().any(held)
        };
        let pins = |port: &crate::analyze::services::types::ServicePort| port.affinity.is_some();
        found.iter().find(|port| pins(port) && (!is_port || local())).map(|port| port.title.clone())
    })
}
