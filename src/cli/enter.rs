//! `podnet enter POD -- CMD`.
//!
//! May import analyze, collect and sys.

use std::ffi::OsString;
use std::os::fd::AsFd as _;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use clap::Args;

use super::args::Global;
use super::error::Failure;
use super::run::{self, Node};
use crate::analyze::answer::Gathered;
use crate::analyze::identity::find_pod;
use crate::collect::handle::NetnsHandle;
use crate::model::view::NodeView;
use crate::sys;

/// Arguments of `enter`.
#[derive(Debug, Args)]
pub struct EnterArgs {
    /// Which pod: see `podnet --help`
    pod: String,
    /// The program and its arguments; started as it is, without a shell
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<OsString>,
}

/// Becomes a program of the node in the pod's network namespace; returns only when that fails.
///
/// The exit code is the program's own, for it takes this process's place.
pub fn run(global: &Global, args: &EnterArgs) -> Result<u8, Failure> {
    let Some((program, arguments)) = args.command.split_first() else {
        return Err(Failure::new("no program was named"));
    };
    if !global.from.is_empty() {
        return Err(Failure::new("a snapshot cannot be entered").hint("leave --from out on the node itself"));
    }
    let netns = find(global, &args.pod)?;
    // The main thread, with nothing left to do but to become the program.
    sys::netns::enter(netns.file.as_fd()).map_err(|error| {
        Failure::new(format!("entering {}: {error}", netns.id)).hint("run as root, or with CAP_SYS_ADMIN")
    })?;
    sys::limits::restore_open_files()
        .map_err(|error| Failure::new(format!("setting the limit of open files back: {error}")))?;
    let error = Command::new(program).args(arguments).exec();
    Err(Failure::new(format!("starting {}: {error}", program.display())))
}

fn find(global: &Global, pod: &str) -> Result<NetnsHandle, Failure> {
    let nodes = run::open(global)?;
    let views: Vec<&dyn NodeView> = nodes.iter().map(Node::view).collect();
    let query = run::pod(global, pod, false);
    let found = find_pod(&views, &query, &mut Gathered::default()).map_err(|error| run::not_found(error, &views))?;
    let name = &found.sandbox.pod;
    let id = match found.sandbox.netns {
        Some(id) => id,
        None if found.sandbox.host_network => found.node.node().host_netns,
        None => return Err(Failure::new(format!("{name} has no network namespace (any more)"))),
    };
    let live = nodes.iter().find_map(|node| match node {
        Node::Live(live) if std::ptr::addr_eq(node.view(), found.node) => Some(live),
        _ => None,
    });
    let live = live.ok_or_else(|| Failure::new(format!("{name} is on no live node")))?;
    live.open_netns(id).map_err(|issue| Failure::new(format!("{}: {}", issue.what, issue.why.detail())))
}
