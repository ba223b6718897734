//! `podnet conntrack [POD]`.
//!
//! May import analyze and render.
#![allow(clippy::doc_markdown)] // doc comments here are the help text, which has no markup

use std::io::{self, BufWriter, Write};
use std::mem::ManuallyDrop;
use std::ops::ControlFlow;

use clap::{Args, ValueEnum};

use super::args::{Global, Output};
use super::conntrack_stats;
use super::conntrack_watch::{self, WatchArgs};
use super::error::{self, Failure};
use super::output;
use super::progress::Progress;
use super::run::{self, Node};
use crate::analyze::answer::Answer;
use crate::analyze::flows::answer::{Rest, flows};
use crate::analyze::flows::expected::expectations;
use crate::analyze::flows::query::{self, FlowsError, FlowsQuery, NatWanted, SortKey};
use crate::analyze::flows::types::L4;
use crate::model::node::NodeInfo;
use crate::model::view::NodeView;
use crate::render;
use crate::render::conntrack::Rows;
use crate::render::json::Stream;

/// Arguments of `conntrack`.
#[derive(Debug, Args)]
#[allow(clippy::struct_excessive_bools)] // switches of a command line
#[command(group = clap::ArgGroup::new("question").args(["who", "stale", "stats", "watch", "expectations"]))]
pub struct ConntrackArgs {
    /// Only flows of this pod: see `podnet --help`; without one, all flows of the node
    #[arg(conflicts_with = "who")]
    pub pod: Option<String>,

    /// Who is behind an address and port that a server sees: 10.240.0.20:56732, `[fd00::1]:53/udp`
    #[arg(long, value_name = "ADDR:PORT[/PROTO]", help_heading = "Other questions")]
    pub who: Option<String>,
    /// Flows that go where nothing is any more, with the commands that would remove them; exit code 1 where there are any
    #[arg(long, help_heading = "Other questions")]
    pub stale: bool,
    /// How full the table is, who fills it, and what the kernel counted
    #[arg(long, help_heading = "Other questions")]
    pub stats: bool,
    /// Flows as they begin, change and end, until Ctrl-C
    #[arg(long, help_heading = "Other questions")]
    pub watch: bool,
    /// The flows that helpers expect
    #[arg(long, help_heading = "Other questions")]
    pub expectations: bool,

    /// Only flows to this address, ADDR:PORT or pod: as it was asked for, or where it went
    #[arg(long, value_name = "X", help_heading = "Filters")]
    pub to: Option<String>,
    /// Only flows from this address, ADDR:PORT or pod: the client's own, or the one that the server saw
    #[arg(long, value_name = "X", help_heading = "Filters")]
    pub from_addr: Option<String>,
    /// Only flows that asked for this service: NAME, NAMESPACE/NAME, NAMESPACE/NAME:PORT, IP:PORT or a node port
    #[arg(long, value_name = "SERVICE", help_heading = "Filters")]
    pub service: Option<String>,
    /// Only flows in this state: half-open, no-answer, answered, assured, established, closing, closed, offloaded,
    /// dying, or one of the kernel's (SYN_SENT, TIME_WAIT, …)
    #[arg(long, value_name = "STATE", help_heading = "Filters")]
    pub state: Option<String>,
    /// Only flows of this protocol, by name or number
    #[arg(long, value_name = "PROTOCOL", help_heading = "Filters")]
    pub protocol: Option<String>,
    /// Only flows with this mark: 0x4000, 0x4000/0x4000
    #[arg(long, value_name = "MARK[/MASK]", help_heading = "Filters")]
    pub mark: Option<String>,
    /// Only flows that were translated so; snat and dnat include those that were both
    #[arg(long, value_enum, value_name = "KIND", help_heading = "Filters")]
    pub nat: Option<NatArg>,
    /// Only flows of this zone
    #[arg(long, value_name = "ZONE", help_heading = "Filters")]
    pub zone: Option<u16>,

    /// Sort by this, the most first; without it flows stand as the kernel tells them
    #[arg(long, value_enum, value_name = "KEY", help_heading = "Order")]
    pub sort: Option<SortArg>,
    /// At most so many flows
    #[arg(long, value_name = "N", help_heading = "Order")]
    pub limit: Option<usize>,

    /// The pod's own flows, as its namespace tracks them, not the node's
    #[arg(long, value_enum, value_name = "WHOSE", requires = "pod")]
    pub netns: Option<NetnsArg>,

    /// What goes with --watch.
    #[command(flatten)]
    pub watching: WatchArgs,
}

/// What was translated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum NatArg {
    /// Nothing
    None,
    /// The source
    Snat,
    /// The destination
    Dnat,
    /// The destination, back to the client
    Hairpin,
}

/// What flows are sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SortArg {
    /// Bytes both ways, where they are recorded
    Bytes,
    /// Packets both ways, where they are recorded
    Packets,
    /// How long until it is forgotten
    Timeout,
    /// How long ago it began, where that is recorded
    Age,
}

/// Whose table of flows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum NetnsArg {
    /// The node's
    Host,
    /// The pod's own
    Pod,
}

/// Flows with their NAT undone.
pub fn run(global: &Global, args: &ConntrackArgs) -> Result<u8, Failure> {
    if args.stats {
        return conntrack_stats::stats_of(global, args);
    }
    if args.stale {
        return conntrack_stats::stale_of(global, args);
    }
    let query = query(global, args)?;
    if args.watch {
        return conntrack_watch::run(global, &args.watching, &query);
    }
    if args.expectations {
        let ask = |nodes: &[&dyn NodeView]| expectations(nodes, &query).map_err(|error| failure(error, nodes));
        return run::answer(global, "conntrack-expectations", ask, render::conntrack::expectations);
    }
    let mut progress = run::progress(global, "reading flows");
    // Not taken apart: the process ends.
    let nodes = ManuallyDrop::new(run::open(global)?);
    let nodes: Vec<&dyn NodeView> = nodes.iter().map(Node::view).collect();
    let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());

    let answer = match (query.who, global.output) {
        (_, Output::Json) => as_json(&nodes, &query, &mut progress, &mut out)?,
        (Some(who), _) => {
            let mut rows = Vec::new();
            let answer = flows(&nodes, &query, &mut |row| {
                rows.push(row.clone());
                ControlFlow::Continue(())
            });
            drop(progress.take());
            let answer = answer.map_err(|error| failure(error, &nodes))?;
            render::conntrack::who(who, &rows, &answer, output::style(global), &mut out)?;
            answer
        }
        (None, _) => as_table(global, &nodes, &query, &mut progress, &mut out)?,
    };
    out.flush()?;
    drop(out);
    if global.output != Output::Json {
        error::tell_issues(&answer.issues);
    }
    Ok(answer.exit_code())
}

/// The words of the command line as a question.
pub fn query(global: &Global, args: &ConntrackArgs) -> Result<FlowsQuery, Failure> {
    let protocol = args.protocol.as_ref().map(|text| {
        L4::named(text).ok_or_else(|| Failure::new(format!("{text:?} is no protocol: tcp, udp, icmp, 47, …")))
    });
    Ok(FlowsQuery {
        pod: args.pod.as_ref().map(|pod| run::pod(global, pod, false)),
        own_netns: args.netns == Some(NetnsArg::Pod),
        to: args.to.clone(),
        from: args.from_addr.clone(),
        service: args.service.clone(),
        namespace: global.namespace.clone(),
        state: args.state.as_deref().map(str::parse).transpose()?,
        protocol: protocol.transpose()?,
        mark: args.mark.as_deref().map(query::mark).transpose()?,
        nat: args.nat.map(|nat| match nat {
            NatArg::None => NatWanted::None,
            NatArg::Snat => NatWanted::Snat,
            NatArg::Dnat => NatWanted::Dnat,
            NatArg::Hairpin => NatWanted::Hairpin,
        }),
        zone: args.zone,
        sort: args.sort.map(|sort| match sort {
            SortArg::Bytes => SortKey::Bytes,
            SortArg::Packets => SortKey::Packets,
            SortArg::Timeout => SortKey::Timeout,
            SortArg::Age => SortKey::Age,
        }),
        limit: args.limit,
        who: args.who.as_deref().map(str::parse).transpose()?,
    })
}

/// A question that has no answer.
pub fn failure(error: FlowsError, nodes: &[&dyn NodeView]) -> Failure {
    match error {
        FlowsError::Pod(error) => run::not_found(error, nodes),
        FlowsError::Service(error) => Failure::from(error),
        error => Failure::from(error),
    }
}

fn as_json(
    nodes: &[&dyn NodeView],
    query: &FlowsQuery,
    progress: &mut Option<Progress>,
    out: &mut dyn Write,
) -> Result<Answer<Rest>, Failure> {
    let infos: Vec<NodeInfo> = nodes.iter().map(|node| node.node()).collect();
    let mut stream = Stream::new("conntrack", &infos, "flows", out)?;
    let mut failed = Ok(());
    let answer = flows(nodes, query, &mut |row| {
        drop(progress.take());
        failed = stream.element(row);
        if failed.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    drop(progress.take());
    let answer = answer.map_err(|error| failure(error, nodes))?;
    failed?;
    stream.end(&answer.data, &answer.issues)?;
    Ok(answer)
}

fn as_table(
    global: &Global,
    nodes: &[&dyn NodeView],
    query: &FlowsQuery,
    progress: &mut Option<Progress>,
    out: &mut dyn Write,
) -> Result<Answer<Rest>, Failure> {
    let mut rows = Rows::new(output::style(global), nodes.len() > 1, out);
    let mut failed = Ok(());
    let answer = flows(nodes, query, &mut |row| {
        drop(progress.take());
        failed = rows.row(row);
        if failed.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    drop(progress.take());
    let answer = answer.map_err(|error| failure(error, nodes))?;
    failed?;
    rows.end(&answer)?;
    Ok(answer)
}
