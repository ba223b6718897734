//! `podnet nat POD`.
//!
//! May import analyze and render.

use clap::Args;

use super::args::Global;
use super::error::Failure;
use super::run;
use crate::analyze::nat::nat;
use crate::render;

/// Arguments of `nat`.
#[derive(Debug, Args)]
pub struct NatArgs {
    /// Which pod: see `podnet --help`
    pod: String,
    /// Its older sandboxes too
    #[arg(long)]
    all: bool,
}

/// What rewrites a pod's addresses.
pub fn run(global: &Global, args: &NatArgs) -> Result<u8, Failure> {
    let query = run::pod(global, &args.pod, args.all);
    run::answer_pod(global, "nat", |nodes| nat(nodes, &query), render::nat::write)
}
