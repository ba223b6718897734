//! `podnet trace POD DST --probe`.
//!
//! May import every layer: it opens the nodes, has the packet's way predicted, has it sent and watched, and has both
//! compared.
#![allow(clippy::doc_markdown)] // doc comments here are the help text, which has no markup

use std::time::Duration;

use clap::Args;

use super::args::{Global, duration};
use super::error::{self, Failure};
use super::run::{self, Node};
use super::{output, trace};
use crate::analyze::answer::Answer;
use crate::analyze::path::probe::{Limits, Plan, affinity, compare, plan};
use crate::analyze::path::{Asked, Path, ask};
use crate::model::ids::NetnsId;
use crate::model::netfilter::table::BackEnd;
use crate::model::probe::{Counted, Observed};
use crate::model::view::NodeView;
use crate::probe::{Opened, Phase, ProbeError, Shot};
use crate::render;
use crate::sys::sender::Wanted;

/// Arguments of `trace --probe`.
#[derive(Debug, Args)]
pub struct ProbeArgs {
    /// Send the packet for real from the pod's namespace, watch it on every link, and mark each step: seen, not seen
    /// or different. While it lasts an nf_tables table of its own (owned by the process: it goes with it) has the
    /// kernel trace it. Exit code 0: answered as predicted; 1: not answered, or not as predicted; 3: unknown
    #[arg(long, requires = "destination", help_heading = "Probe")]
    pub probe: bool,
    /// With --probe: probe a service with session affinity too, although that pins the client to an endpoint
    #[arg(long, requires = "probe", help_heading = "Probe")]
    accept_affinity: bool,
    /// With --probe: how long to wait for an answer
    #[arg(
        long, requires = "probe", value_name = "TIME", default_value = "2s", value_parser = duration,
        help_heading = "Probe"
    )]
    wait: Duration,
}

/// Predicts, says what it is going to do, sends, watches, compares.
pub fn run(global: &Global, args: &ProbeArgs, asked: Asked) -> Result<u8, Failure> {
    if !global.from.is_empty() || !global.rules.is_empty() {
        return Err(Failure::new("a file cannot be probed: --probe sends a packet from a live node")
            .hint("leave --from and --rules away, or --probe"));
    }
    let nodes = run::open(global)?;
    let answer = probe(&nodes, args, asked, &mut |plan, _| {
        for line in render::probe::announce(plan) {
            error::say(&line);
        }
    })?;
    let answer = counted(global, answer)?;
    output::write(global, "probe", &answer, render::probe::write)
}

type Found = (Plan, Answer<Path>, Observed);

fn probe(
    nodes: &[Node],
    args: &ProbeArgs,
    mut asked: Asked,
    announce: &mut dyn FnMut(&Plan, &Path),
) -> Result<Found, Failure> {
    let views: Vec<&dyn NodeView> = nodes.iter().map(Node::view).collect();
    // Once without a port: it tells who sends, and to where.
    let first = ask(&views, &asked).map_err(|error| trace::failure(error, &views))?.data;
    if let Some(service) = affinity(&views, &first).filter(|_| !args.accept_affinity) {
        return Err(Failure::new(format!(
            "{service} has session affinity: the probe would pin its client to an endpoint"
        ))
        .hint("--accept-affinity does it all the same"));
    }
    let Some(from) = first.places.first() else { return Err(Failure::new("nothing tells who sends")) };
    let tuple = first.packet.tuple;
    if asked.length.is_some() && matches!(tuple.protocol, 6 | 132) {
        return Err(Failure::new("--length cannot be chosen with --probe for what opens a connection"));
    }
    let wanted = Wanted {
        protocol: tuple.protocol,
        ipv6: tuple.destination.is_ipv6(),
        source: asked.source,
        port: asked.source_port,
        mark: asked.mark,
        tos: asked.tos,
    };
    let file = opened(nodes, from.netns).file.map_err(Failure::new)?;
    let shot = Shot::open(from.netns, &file, wanted).map_err(|error| unsent(error, tuple.protocol))?;
    asked.source_port = Some(shot.port());
    let predicted = ask(&views, &asked).map_err(|error| trace::failure(error, &views))?;
    let limits = Limits {
        wait_ms: u64::try_from(args.wait.as_millis()).unwrap_or(u64::MAX),
        table: format!("podnet-probe-{}", std::process::id()),
    };
    let Some(plan) = plan(&views, &predicted.data, limits) else {
        let because = predicted.issues.iter().map(|issue| issue.why.detail().to_owned()).next();
        return Err(Failure::new(format!(
            "it is not known what would be sent: {}",
            because.unwrap_or_else(|| "the prediction ends before it".to_owned())
        )));
    };
    announce(&plan, &predicted.data);
    let watched: Vec<Opened> = plan.watched.iter().map(|one| opened(nodes, one.netns)).collect();
    let observed =
        shot.fire(&plan, &watched, asked.length, &mut |_: Phase| {}).map_err(|error| unsent(error, tuple.protocol))?;
    Ok((plan, predicted, observed))
}

fn unsent(error: ProbeError, protocol: u8) -> Failure {
    match &error {
        ProbeError::Socket { source, .. }
            if source.raw_os_error() == Some(libc::EPROTONOSUPPORT) && protocol == 132 =>
        {
            Failure::new("this kernel has no SCTP, so none can be sent")
        }
        ProbeError::Socket { source, .. } if source.kind() == std::io::ErrorKind::PermissionDenied => {
            Failure::from(error).hint("run as root, or with CAP_SYS_ADMIN, CAP_NET_ADMIN and CAP_NET_RAW")
        }
        _ => Failure::from(error),
    }
}

/// A namespace, opened by the first node that knows the way.
fn opened(nodes: &[Node], netns: NetnsId) -> Opened {
    let mut why = "its node is not live".to_owned();
    for node in nodes {
        let Node::Live(node) = node else { continue };
        match node.open_netns(netns) {
            Ok(handle) => return Opened { netns, file: Ok(handle.file) },
            Err(issue) => why = format!("{}: {}", issue.what, issue.why.detail()),
        }
    }
    Opened { netns, file: Err(why) }
}

/// Reads the counters of rules that the kernel traces nothing of once more, and compares.
fn counted(global: &Global, found: Found) -> Result<Answer<crate::analyze::path::probe::Probe>, Failure> {
    let (plan, predicted, mut observed) = found;
    let path = predicted.data;
    let rules = path.courses.iter().flat_map(|course| course.there.iter().chain(&course.back));
    let rules = rules.filter_map(|step| match &step.what {
        crate::analyze::path::StepKind::Hooked { rules, .. } => Some((step.place, rules)),
        _ => None,
    });
    let mut legacy: Vec<Counted> = Vec::new();
    for (place, acted) in rules.flat_map(|(place, rules)| rules.iter().map(move |acted| (place, acted))) {
        let (Some(rule), Some(place)) = (&acted.rule, path.places.get(place)) else { continue };
        if let (BackEnd::Legacy, Some(counters)) = (rule.chain.table.back_end, rule.counters) {
            let (chain, number, before) = (rule.chain.clone(), rule.number, counters.packets);
            legacy.push(Counted { netns: place.netns, chain, number, before, after: before });
        }
    }
    legacy.sort();
    legacy.dedup();
    let nodes = run::open(global)?;
    let views: Vec<&dyn NodeView> = nodes.iter().map(Node::view).collect();
    for one in &mut legacy {
        let node = path.places.iter().find(|place| place.netns == one.netns).map(|place| place.node.as_str());
        let Some(view) = views.iter().find(|view| Some(view.node().name.as_str()) == node) else { continue };
        let rules = view.netfilter().chain(one.netns, &one.chain);
        let rule = rules.value.as_ref().and_then(|rules| rules.rules.iter().find(|rule| rule.number == one.number));
        one.after = rule.and_then(crate::analyze::netfilter::text::counters).map_or(one.before, |now| now.packets);
    }
    observed.counters = legacy;
    Ok(compare(&views, plan, path, predicted.issues, observed))
}
