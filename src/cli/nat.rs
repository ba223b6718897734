//! `podnet nat POD`.
//!
//! May import analyze, model and render.

use clap::Args;

use super::args::Global;
use super::error::Failure;
use super::run;
use crate::analyze::nat::{nat, nat_of};
use crate::model::view::NodeView;
use crate::render;

/// Arguments of `nat`.
#[derive(Debug, Args)]
pub struct NatArgs {
    /// Which pod: see `podnet --help`; with --rules its address
    pod: String,
    /// Its older sandboxes too
    #[arg(long)]
    all: bool,
}

/// What rewrites a pod's addresses.
pub fn run(global: &Global, args: &NatArgs) -> Result<u8, Failure> {
    if !global.rules.is_empty() {
        let text = args.pod.strip_prefix("ip:").unwrap_or(&args.pod);
        let Ok(address) = text.parse() else {
            let message = format!("{:?} is no address, and files of rules tell of no pods", args.pod);
            return Err(Failure::new(message).hint("name the pod by its address: podnet --rules FILE nat 10.200.0.30"));
        };
        let ask = |nodes: &[&dyn NodeView]| match nodes {
            [node] => Ok(nat_of(*node, address)),
            _ => Err(Failure::new("files of rules are one machine")),
        };
        return run::answer(global, "nat", ask, render::nat::write);
    }
    let query = run::pod(global, &args.pod, args.all);
    run::answer_pod(global, "nat", |nodes| nat(nodes, &query), render::nat::write)
}
