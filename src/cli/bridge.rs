//! `podnet bridge [NAME]`.
//!
//! May import analyze and render.

use clap::Args;

use super::args::Global;
use super::error::Failure;
use super::run;
use crate::analyze::bridge::bridge;
use crate::render;

/// Arguments of `bridge`.
#[derive(Debug, Args)]
pub struct BridgeArgs {
    /// Only the bridge of that name
    name: Option<String>,
}

/// The ports of the host's bridges, with the pod behind each.
pub fn run(global: &Global, args: &BridgeArgs) -> Result<u8, Failure> {
    run::answer(global, "bridge", |nodes| Ok(bridge(nodes, args.name.as_deref())?), render::bridge::write)
}
