//! `podnet services [NAME|IP[:PORT]|NODEPORT|POD]`.
//!
//! May import analyze and render.
#![allow(clippy::doc_markdown)] // doc comments here are the help text, which has no markup

use clap::Args;

use super::args::{Global, Output};
use super::error::Failure;
use super::run;
use crate::analyze::services::{ServicesQuery, services};
use crate::render;

/// Arguments of `services`.
#[derive(Debug, Args)]
pub struct ServicesArgs {
    /// A service (web, default/web, default/web:http, or the beginning of a name), an address (10.32.0.10,
    /// 10.32.0.10:53, [fd00::1]:53), a node port, or a pod; svc:, ip:, port: and pod: in front force one meaning
    what: Option<String>,
    /// Only the endpoints and how likely each is; for NAMESPACE/NAME:PORT nothing else is read
    #[arg(long, requires = "what")]
    endpoints: bool,
}

/// What services do on this node, from the rules that do it.
pub fn run(global: &Global, args: &ServicesArgs) -> Result<u8, Failure> {
    let query = ServicesQuery {
        text: args.what.clone(),
        namespace: global.namespace.clone(),
        endpoints_only: args.endpoints,
        brief: global.output != Output::Json,
    };
    let table = if args.what.is_some() { render::services::write } else { render::services::list };
    run::answer(global, "services", |nodes| Ok(services(nodes, &query)?), table)
}
