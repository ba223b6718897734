//! `podnet pods`.
//!
//! May import analyze and render.

use clap::Args;

use super::args::{Global, Output};
use super::error::Failure;
use super::run;
use crate::analyze::pods::{PodsQuestion, pods};
use crate::render;

/// Arguments of `pods`.
#[derive(Debug, Args)]
pub struct PodsArgs {
    /// Every sandbox of a pod, not the ready (else newest) one alone
    #[arg(long)]
    all: bool,
}

/// One row a pod.
pub fn run(global: &Global, args: &PodsArgs) -> Result<u8, Failure> {
    let question = PodsQuestion {
        namespace: global.namespace.clone(),
        selector: global.selector.as_deref().map(str::parse).transpose()?,
        all: args.all,
        pids: global.output != Output::Table,
    };
    run::answer(global, "pods", |nodes| Ok(pods(nodes, &question)), render::pods::write)
}
