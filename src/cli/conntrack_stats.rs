//! `podnet conntrack --stats` and `--stale`.
//!
//! May import analyze and render.

use super::args::Global;
use super::conntrack::{ConntrackArgs, NetnsArg};
use super::error::Failure;
use super::run;
use crate::analyze::flows::stale::{StaleQuery, stale};
use crate::analyze::flows::stats::{StatsQuery, stats};
use crate::render;

/// How full the table is, who fills it, and what was counted.
pub fn stats_of(global: &Global, args: &ConntrackArgs) -> Result<u8, Failure> {
    let pod = args.pod.as_ref().map(|pod| run::pod(global, pod, false));
    unused(args, "--stats", &[("--limit", args.limit.is_some())])?;
    let query = StatsQuery { pod, own: args.netns == Some(NetnsArg::Pod) };
    run::answer_pod(global, "conntrack-stats", |nodes| stats(nodes, &query), render::conntrack_stats::write)
}

/// Flows that go where nothing is any more.
pub fn stale_of(global: &Global, args: &ConntrackArgs) -> Result<u8, Failure> {
    let pod = args.pod.as_ref().map(|pod| run::pod(global, pod, false));
    unused(args, "--stale", &[("--netns pod", args.netns == Some(NetnsArg::Pod))])?;
    let query = StaleQuery { pod, limit: args.limit };
    run::answer_pod(global, "conntrack-stale", |nodes| stale(nodes, &query), render::conntrack_stale::write)
}

/// Refuses what the question has no use for: the answer would look as if it had been heeded.
fn unused(args: &ConntrackArgs, question: &str, more: &[(&str, bool)]) -> Result<(), Failure> {
    let filters = [
        ("--to", args.to.is_some()),
        ("--from-addr", args.from_addr.is_some()),
        ("--service", args.service.is_some()),
        ("--state", args.state.is_some()),
        ("--protocol", args.protocol.is_some()),
        ("--mark", args.mark.is_some()),
        ("--nat", args.nat.is_some()),
        ("--zone", args.zone.is_some()),
        ("--sort", args.sort.is_some()),
    ];
    match filters.iter().chain(more).find(|(_, given)| *given) {
        Some((option, _)) => Err(Failure::new(format!("the argument '{option}' cannot be used with '{question}'"))),
        None => Ok(()),
    }
}
