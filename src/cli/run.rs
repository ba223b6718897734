//! Opens the nodes that a question is about and asks it.
//!
//! May import every layer.

use std::io::{self, Write};

use serde::Serialize;

use super::args::Global;
use super::error::Failure;
use super::output;
use super::progress::Progress;
use crate::analyze::answer::Answer;
use crate::collect::snapshot::{self, SnapshotError};
use crate::model::view::NodeView;
use crate::render::style::Style;

/// Opens what `--from`, `--lab` or the lack of both names, in that order.
pub fn open(global: &Global) -> Result<Vec<Box<dyn NodeView>>, Failure> {
    if !global.from.is_empty() {
        return global.from.iter().map(|path| snapshot::open(path).map_err(told).map(boxed)).collect();
    }
    Err(Failure::new("reading a live node is not built yet").hint("--from FILE reads a snapshot"))
}

/// Asks a question of those nodes and writes the answer; gives the exit code.
pub fn answer<T: Serialize>(
    global: &Global,
    command: &str,
    ask: impl FnOnce(&[&dyn NodeView]) -> Result<Answer<T>, Failure>,
    table: impl FnOnce(&Answer<T>, Style, &mut dyn Write) -> io::Result<()>,
) -> Result<u8, Failure> {
    let nodes = open(global)?;
    let nodes: Vec<&dyn NodeView> = nodes.iter().map(AsRef::as_ref).collect();
    let progress = global.from.is_empty().then(|| Progress::start("reading the node"));
    let answer = ask(&nodes);
    drop(progress);
    output::write(global, command, &answer?, table)
}

fn boxed(node: impl NodeView + 'static) -> Box<dyn NodeView> {
    Box::new(node)
}

fn told(error: SnapshotError) -> Failure {
    let hint = error.hint();
    let failure = Failure::from(error);
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}
