//! `podnet bridge [NAME]`.
//!
//! May import analyze, model and render.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;

use clap::Args;

use super::args::Global;
use super::error::Failure;
use super::run;
use crate::analyze::bridge::bridge;
use crate::model::text::ByteText;
use crate::render;

/// Arguments of `bridge`.
#[derive(Debug, Args)]
pub struct BridgeArgs {
    /// Only the bridge of that name; one that is no UTF-8 as it is, or as it is shown (\xff)
    name: Option<OsString>,
}

/// The ports of the host's bridges, with the pod behind each.
pub fn run(global: &Global, args: &BridgeArgs) -> Result<u8, Failure> {
    let name = args.name.as_ref().map(|name| ByteText::new(name.as_bytes()));
    run::answer(global, "bridge", |nodes| Ok(bridge(nodes, name.as_ref())?), render::bridge::write)
}
