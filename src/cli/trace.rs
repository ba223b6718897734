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
use crate::analyze::path::{AskError, Asked, ask};
use crate::analyze::trace::{trace, trace_with_flows};
use crate::model::view::NodeView;
use crate::render;

/// Arguments of `trace`.
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own on the command line")]
#[derive(Debug, Args)]
pub struct TraceArgs {
    /// Which pod (see `podnet --help`); with DST also host, or the name of a node
    #[arg(value_name = "POD|host")]
    pod: String,
    /// Where a packet goes: ADDRESS, ADDRESS:PORT, a pod, POD:PORT, or a service (svc: in front forces one). Without
    /// it: the pod's whole road to the wire
    #[arg(value_name = "DST", conflicts_with = "all")]
    destination: Option<String>,
    /// Its older sandboxes too
    #[arg(long)]
    all: bool,
    /// Count its flows by kind in a last step: the kernel walks its whole table for that
    #[arg(long, conflicts_with = "destination")]
    flows: bool,
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
    /// Only IPv4
    #[arg(short = '4', long, requires = "destination", conflicts_with = "ipv6", help_heading = "Packet")]
    ipv4: bool,
    /// Only IPv6
    #[arg(short = '6', long, requires = "destination", help_heading = "Packet")]
    ipv6: bool,
    #[command(flatten)]
    probe: ProbeArgs,
}

/// The whole road of a pod, from its containers to the wire; or the way of one packet, and of its answer.
pub fn run(global: &Global, args: &TraceArgs) -> Result<u8, Failure> {
    if let Some(destination) = &args.destination {
        return packet(global, args, destination);
    }
    let query = run::pod(global, &args.pod, args.all);
    let ask = |nodes: &[&dyn NodeView]| if args.flows { trace_with_flows(nodes, &query) } else { trace(nodes, &query) };
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
