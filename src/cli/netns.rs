//! `podnet netns [PID|INODE|NAME]`.
//!
//! May import analyze and render.

use clap::Args;

use super::args::Global;
use super::error::Failure;
use super::run;
use crate::analyze::netns::netns;
use crate::render;

/// Arguments of `netns`.
#[derive(Debug, Args)]
pub struct NetnsArgs {
    /// A pid in it, its inode, its name or the unique beginning of that, its path, or host
    #[arg(value_name = "PID|INODE|NAME")]
    which: Option<String>,
}

/// Every network namespace, or one.
pub fn run(global: &Global, args: &NetnsArgs) -> Result<u8, Failure> {
    run::answer(global, "netns", |nodes| Ok(netns(nodes, args.which.as_deref())?), render::netns::write)
}
