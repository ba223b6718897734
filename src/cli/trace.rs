//! `podnet trace POD [DST]`.
//!
//! May import analyze and render.
#![allow(clippy::doc_markdown)] // doc comments here are the help text, which has no markup

use std::net::IpAddr;

use clap::Args;

use super::args::Global;
use super::error::Failure;
use super::probe::{self, ProbeArgs};
use super::routes::{byte, mark, protocol};
use super::run;
use crate::analyze::identity::FindError;
use crate::analyze::path::{AskError, Asked, AskedCt, Ct, ask};
use crate::analyze::trace::trace;
use crate::model::view::NodeView;
use crate::render;

/// Arguments of `trace`.
#[derive(Debug, Args)]
pub struct TraceArgs {
    /// Which pod (see `podnet --help`); with DST also host, the name of a node, or an address outside
    #[arg(value_name = "POD|host|ADDRESS")]
    pod: String,
    /// Where a packet goes: ADDRESS, ADDRESS:PORT, a node or a pod or NODE:PORT or POD:PORT, or a service (svc: in front
    /// forces one); NODE:PORT is how a node port is reached. Without it: the pod's whole road to the wire
    #[arg(value_name = "DST", conflicts_with = "all")]
    destination: Option<String>,
    /// Its older sandboxes too
    #[arg(long)]
    all: bool,
    /// tcp, udp, sctp or icmp; the service's own, else tcp where there is a port, else icmp (an echo)
    #[arg(long, value_name = "PROTOCOL", value_parser = protocol, requires = "destination", help_heading = "Packet")]
    protocol: Option<u8>,
    /// The source address; without one, the kernel chooses
    #[arg(long, value_name = "ADDRESS", requires = "destination", help_heading = "Packet")]
    source: Option<IpAddr>,
    /// The source port; without one, any that the kernel may draw
    #[arg(long, value_name = "PORT", requires = "destination", help_heading = "Packet")]
    sport: Option<u16>,
    /// The mark that the sending socket gives its packets, in decimal or as 0x4000
    #[arg(long, value_name = "MARK", value_parser = mark, requires = "destination", help_heading = "Packet")]
    mark: Option<u32>,
    /// The type of service byte
    #[arg(long, value_name = "TOS", value_parser = byte, requires = "destination", help_heading = "Packet")]
    tos: Option<u8>,
    /// Its length with the IP header, bytes
    #[arg(long, value_name = "BYTES", requires = "destination", value_parser = clap::value_parser!(u32).range(20..=65_535), help_heading = "Packet")]
    length: Option<u32>,
    /// new: it begins a connection, no table of flows is read. established: it belongs to one that was answered. FLOW:
    /// it is one of the flow with that id. Default: with --sport, what the tables of flows say of it; else new
    #[arg(long, value_name = "new|established|FLOW", value_parser = ct, requires = "destination", help_heading = "Packet")]
    ct: Option<AskedCt>,
    /// Of a service's choice only what leads to this endpoint: ADDRESS, ADDRESS:PORT or a pod
    #[arg(long, value_name = "ENDPOINT", requires = "destination", help_heading = "Packet")]
    endpoint: Option<String>,
    /// The link that a packet of an outside address comes in by, with NODE/ in front where several nodes are asked;
    /// without it the one by which the node routes back to that address
    #[arg(long = "in", value_name = "LINK", requires = "destination", help_heading = "Packet")]
    enters: Option<String>,
    /// Only IPv4
    #[arg(short = '4', long, requires = "destination", conflicts_with = "ipv6", help_heading = "Packet")]
    ipv4: bool,
    /// Only IPv6
    #[arg(short = '6', long, requires = "destination", help_heading = "Packet")]
    ipv6: bool,
    #[command(flatten)]
    probe: ProbeArgs,
}

/// Reads what is asked of the tables of flows.
fn ct(text: &str) -> Result<AskedCt, String> {
    match text {
        "new" => Ok(AskedCt::Of(Ct::New)),
        "established" => Ok(AskedCt::Of(Ct::Established)),
        _ => text
            .parse()
            .map(AskedCt::Flow)
            .map_err(|_| format!("{text:?} is neither new nor established nor a flow's id")),
    }
}

/// The whole road of a pod, from its containers to the wire; or the way of one packet, and of its answer.
pub fn run(global: &Global, args: &TraceArgs) -> Result<u8, Failure> {
    if let Some(destination) = &args.destination {
        return packet(global, args, destination);
    }
    let query = run::pod(global, &args.pod, args.all);
    let ask = |nodes: &[&dyn NodeView]| trace(nodes, &query);
    run::answer_pod(global, "trace", ask, render::trace::write)
}

fn packet(global: &Global, args: &TraceArgs, destination: &str) -> Result<u8, Failure> {
    let asked = Asked {
        from: args.pod.clone(),
        to: destination.to_owned(),
        namespace: global.namespace.clone(),
        // One word for echos of both families.
        protocol: args.protocol.filter(|number| !matches!(number, 1 | 58)),
        source: args.source,
        source_port: args.sport,
        mark: args.mark.unwrap_or(0),
        tos: args.tos.unwrap_or(0),
        length: args.length,
        ct: args.ct.unwrap_or_default(),
        endpoint: args.endpoint.clone(),
        enters: args.enters.clone(),
        tells_rules: matches!(global.output, super::args::Output::Wide),
        six: match (args.ipv4, args.ipv6) {
            (true, _) => Some(false),
            (_, true) => Some(true),
            _ => None,
        },
    };
    if args.probe.probe {
        return probe::run(global, &args.probe, asked);
    }
    let ask = |nodes: &[&dyn NodeView]| ask(nodes, &asked).map_err(|error| failure(error, nodes));
    run::answer(global, "path", ask, render::path::write)
}

/// Why a question cannot be asked.
pub(super) fn failure(error: AskError, nodes: &[&dyn NodeView]) -> Failure {
    match error {
        AskError::Pod(error @ FindError::NotFound { .. }) => run::not_found(error, nodes),
        AskError::Pod(error) => Failure::from(error),
        AskError::Service(error) => Failure::from(error),
        AskError::Wrong(words) => Failure::new(words),
    }
}
