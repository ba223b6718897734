//! `podnet trace POD`.
//!
//! May import analyze and render.

use clap::Args;

use super::args::Global;
use super::error::Failure;
use super::run;
use crate::analyze::trace::trace;
use crate::render;

/// Arguments of `trace`.
#[derive(Debug, Args)]
pub struct TraceArgs {
    /// Which pod: see `podnet --help`
    pod: String,
    /// Its older sandboxes too
    #[arg(long)]
    all: bool,
}

/// The whole road of a pod, from its containers to the wire.
pub fn run(global: &Global, args: &TraceArgs) -> Result<u8, Failure> {
    let query = run::pod(global, &args.pod, args.all);
    run::answer_pod(global, "trace", |nodes| trace(nodes, &query), render::trace::write)
}
