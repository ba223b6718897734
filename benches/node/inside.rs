//! The half of the bench that runs on the worker, so that no `nsenter` stands in the measured time.
//!
//! Runs one shell script and one podnet command in turns, and writes the times to stdout as JSON.

use std::process::{Command, Stdio};
use std::time::Instant;

use nix::sys::resource::{UsageWho, getrusage};
use serde::{Deserialize, Serialize};

/// What is run in turns.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Duel {
    /// The shell's side: a script with its arguments.
    pub shell: Vec<String>,
    /// Our side.
    pub podnet: Vec<String>,
    /// Exit codes of ours that count as an answer.
    pub good: Vec<i32>,
    /// Exit codes of the other side that do.
    pub shell_good: Vec<i32>,
    /// How many pairs are timed, after one of each that is not.
    pub pairs: usize,
}

/// What came of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Outcome {
    /// Milliseconds of each shell run.
    pub shell_ms: Vec<f64>,
    /// Milliseconds of our run right after it.
    pub podnet_ms: Vec<f64>,
    /// The greatest resident set of any of our runs, in KiB. Source: `ru_maxrss` of the waited-for children.
    pub podnet_peak_kib: i64,
}

/// Fights it out; panics when either side fails, for a failure is fast.
pub fn run(duel: &Duel) -> Outcome {
    // Ours alone first: from then on the children's peak is the shell's too.
    timed(&duel.podnet, &duel.good);
    let podnet_peak_kib = getrusage(UsageWho::RUSAGE_CHILDREN).expect("the children's usage").max_rss();
    // A single pair is of something too slow to be run twice.
    if duel.pairs > 1 {
        timed(&duel.shell, &duel.shell_good);
    }
    let mut outcome = Outcome { shell_ms: Vec::new(), podnet_ms: Vec::new(), podnet_peak_kib };
    for _ in 0..duel.pairs {
        outcome.shell_ms.push(timed(&duel.shell, &duel.shell_good));
        outcome.podnet_ms.push(timed(&duel.podnet, &duel.good));
    }
    outcome
}

fn timed(argv: &[String], good: &[i32]) -> f64 {
    let (program, arguments) = argv.split_first().expect("a program");
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let start = Instant::now();
    let output = command.output().unwrap_or_else(|error| panic!("{argv:?}: {error}"));
    let took = start.elapsed();
    assert!(
        output.status.code().is_some_and(|code| good.contains(&code)) && !output.stdout.is_empty(),
        "{argv:?}: {}\n{}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    took.as_secs_f64() * 1000.0
}
