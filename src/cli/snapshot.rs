//! `podnet snapshot [FILE]`.
//!
//! May import collect, model and render.

use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;

use super::args::Global;
use super::error::{self, Failure};
use super::run;
use crate::collect::snapshot::write::{self, WriteError};
use crate::model::issue::Level;
use crate::model::snapshot::{FLOWS, Snapshot};

/// Arguments of `snapshot`.
#[derive(Debug, Args)]
pub struct SnapshotArgs {
    /// Where to write it, as gzip when the name ends in .gz; - is stdout. Without one, NODE-TIME.json.gz in this folder
    file: Option<PathBuf>,
    /// Replace the file if it exists
    #[arg(long)]
    force: bool,
    /// How many flows it holds at most, the host's first; it says how many it left out
    #[arg(long, value_name = "N", default_value_t = FLOWS, value_parser = flows)]
    flows: usize,
    /// Mask names, labels and addresses: equal ones alike, and those of one subnet stay in one subnet
    #[arg(long)]
    redact: bool,
}

/// How many of the things that could not be read are told on stderr.
const TOLD: usize = 5;

/// Writes the node.
pub fn run(global: &Global, args: &SnapshotArgs) -> Result<u8, Failure> {
    let progress = run::progress(global, "reading the node");
    let nodes = run::open(global)?;
    let [node] = nodes.as_slice() else {
        return Err(Failure::new("a snapshot holds one node").hint("name one worker: --lab=WORKER"));
    };
    let snapshot = Snapshot::take_with(node.view(), env!("CARGO_PKG_VERSION"), args.flows, &mut |done, total| {
        if let Some(progress) = &progress {
            progress.say(format!("reading the node: {done} of {total} namespaces"));
        }
    });
    drop(progress);
    let incomplete = snapshot.issues().into_iter().filter(|issue| issue.level == Level::Incomplete).collect::<Vec<_>>();
    let left_out: Option<u64> =
        snapshot.netns.iter().filter_map(|netns| netns.flows.as_ref()?.left_out).reduce(|sum, more| sum + more);
    let snapshot = if args.redact { snapshot.redacted(&mut random)? } else { snapshot };

    match &args.file {
        Some(file) if file == Path::new("-") => {
            let mut out = BufWriter::new(io::stdout().lock());
            write::document(&snapshot, &mut out)?;
            out.flush()?;
        }
        file => {
            let file = file.clone().unwrap_or_else(|| default_name(&snapshot));
            write::save(&snapshot, &file, args.force).map_err(told)?;
            error::say(&format!("wrote {}", file.display()));
        }
    }
    if let Some(left_out) = left_out.filter(|_| args.flows > 0) {
        error::say(&format!("{left_out} flows are left out: --flows {} holds no more", args.flows));
    }
    // A node that cannot be read says so in hundreds of places; all of them are in the file.
    error::tell_issues(incomplete.get(..TOLD).unwrap_or(&incomplete));
    if incomplete.len() > TOLD {
        error::say(&format!(
            "and {} more that could not be read; the snapshot tells them all",
            incomplete.len() - TOLD
        ));
    }
    Ok(if incomplete.is_empty() { 0 } else { 3 })
}

/// Files with more are more than podnet reads again.
const FLOWS_LIMIT: usize = 50_000;

fn flows(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count) if count <= FLOWS_LIMIT => Ok(count),
        _ => Err(format!("a number up to {FLOWS_LIMIT}")),
    }
}

/// 64 bits that nobody can foresee: of a random uuid's 128, those that are not fixed.
fn random() -> u64 {
    let (high, low) = uuid::Uuid::new_v4().as_u64_pair();
    (high & 0xffff_ffff_0000_0000) | (low & 0xffff_ffff)
}

fn told(error: WriteError) -> Failure {
    match error {
        WriteError::Exists(_) => Failure::from(error).hint("--force replaces it"),
        _ => Failure::from(error),
    }
}

fn default_name(snapshot: &Snapshot) -> PathBuf {
    let node: String = snapshot
        .node
        .name
        .chars()
        .map(|character| if character.is_ascii_alphanumeric() || "-_.".contains(character) { character } else { '_' })
        .collect();
    let time = snapshot.node.taken_at.strftime("%Y%m%dT%H%M%SZ");
    PathBuf::from(format!("{}-{time}.json.gz", node.trim_start_matches('.')))
}
