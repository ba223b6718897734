//! `podnet veth POD`.
//!
//! May import analyze and render.

use clap::Args;

use super::args::Global;
use super::error::Failure;
use super::run;
use crate::analyze::veth::veth;
use crate::render;

/// Arguments of `veth`.
#[derive(Debug, Args)]
pub struct VethArgs {
    /// Which pod: see `podnet --help`
    pod: String,
    /// Its older sandboxes too
    #[arg(long)]
    all: bool,
}

/// Each interface of a pod, to its other end and what that is plugged into.
pub fn run(global: &Global, args: &VethArgs) -> Result<u8, Failure> {
    let query = run::pod(global, &args.pod, args.all);
    run::answer_pod(global, "veth", |nodes| veth(nodes, &query), render::veth::write)
}
