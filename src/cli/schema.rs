//! `podnet schema COMMAND`.
//!
//! May import analyze's answer types and render.

use clap::Args;

use super::error::Failure;
use super::output;
use crate::analyze::bridge::Bridges;
use crate::analyze::cni::CniAnswer;
use crate::analyze::flows::answer::Flows;
use crate::analyze::flows::expected::Expectations;
use crate::analyze::flows::stale::types::Stale;
use crate::analyze::flows::stats::FlowStats;
use crate::analyze::flows::watch::WatchLine;
use crate::analyze::nat::Nat;
use crate::analyze::netns::Namespaces;
use crate::analyze::path::Path;
use crate::analyze::path::probe::Probe;
use crate::analyze::pods::Pods;
use crate::analyze::routes::Routes;
use crate::analyze::rules::Rules;
use crate::analyze::services::types::Services;
use crate::analyze::trace::Trace;
use crate::analyze::veth::Veth;
use crate::model::lab_service::LabServices;
use crate::model::lab_status::LabStatus;
use crate::render::schema;

/// Arguments of `schema`.
#[derive(Debug, Args)]
pub struct SchemaArgs {
    /// The command whose JSON output is described; snapshot for the file format
    command: String,
}

/// Prints the schema.
pub fn run(args: &SchemaArgs) -> Result<u8, Failure> {
    let all = schemas();
    if let Some((_, schema)) = all.iter().find(|(command, _)| *command == args.command) {
        return output::text(schema);
    }
    let known = all.iter().map(|(command, _)| *command).collect::<Vec<_>>().join(", ");
    Err(Failure::new(format!("{:?} has no JSON output", args.command)).hint(format!("these have: {known}")))
}

/// Each command that writes JSON, with the schema of its envelope, sorted.
pub fn schemas() -> Vec<(&'static str, String)> {
    let mut all = vec![
        ("conntrack", schema::of_answer::<Flows>("conntrack")),
        ("conntrack-expectations", schema::of_answer::<Expectations>("conntrack-expectations")),
        ("conntrack-watch", schema::of_lines::<WatchLine>("conntrack-watch")),
        ("cni", schema::of_answer::<CniAnswer>("cni")),
        ("conntrack-stale", schema::of_answer::<Stale>("conntrack-stale")),
        ("conntrack-stats", schema::of_answer::<FlowStats>("conntrack-stats")),
        ("routes", schema::of_answer::<Routes>("routes")),
        ("bridge", schema::of_answer::<Bridges>("bridge")),
        ("nat", schema::of_answer::<Nat>("nat")),
        ("netns", schema::of_answer::<Namespaces>("netns")),
        ("rules", schema::of_answer::<Rules>("rules")),
        ("path", schema::of_answer::<Path>("path")),
        ("probe", schema::of_answer::<Probe>("probe")),
        ("trace", schema::of_answer::<Trace>("trace")),
        ("lab-status", schema::of_answer::<LabStatus>("lab-status")),
        ("services", schema::of_answer::<Services>("services")),
        ("lab-services", schema::of_answer::<LabServices>("lab-services")),
        ("pods", schema::of_answer::<Pods>("pods")),
        ("snapshot", schema::of_snapshot()),
        ("veth", schema::of_answer::<Veth>("veth")),
    ];
    all.sort();
    all
}
