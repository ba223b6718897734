//! The clap types (the one source of help, man and completions) and one thin file a subcommand.
//!
//! May import every layer. Parses no kernel data and analyses nothing.
#![allow(clippy::print_stdout, clippy::print_stderr)]

pub mod args;
pub mod bridge;
pub mod check;
pub mod cni;
pub mod completions;
pub mod conntrack;
mod conntrack_lines;
mod conntrack_stats;
pub mod conntrack_watch;
pub mod enter;
pub mod error;
pub mod lab;
mod lab_service;
pub mod man;
pub mod nat;
pub mod netns;
pub mod output;
pub mod pods;
pub mod probe;
pub mod progress;
pub mod routes;
pub mod rules;
pub mod run;
pub mod schema;
pub mod services;
pub mod snapshot;
pub mod trace;
pub mod veth;

use std::process::ExitCode;

use clap::Parser as _;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use args::{Cli, Command};
use error::Failure;

use crate::sys::limits;

/// Runs the command line of this process and says how it went: 0 answered, 1 the answer is bad,
/// 2 wrong usage or failure, 3 the answer is incomplete.
pub fn main() -> ExitCode {
    limits::grow_heap_in_large_steps();
    let outcome = match Cli::try_parse() {
        Ok(cli) => match check::check(&cli) {
            Ok(()) => {
                start_log(cli.global.verbose);
                dispatch(&cli)
            }
            Err(error) => error::usage(&error),
        },
        Err(error) => error::usage(&error),
    };
    match outcome {
        Ok(code) => ExitCode::from(code),
        // Whoever reads went away: nothing is wrong, and nobody is there to be told.
        Err(failure) if failure.is_closed_pipe() => ExitCode::SUCCESS,
        Err(failure) => {
            failure.tell();
            ExitCode::from(2)
        }
    }
}

fn dispatch(cli: &Cli) -> Result<u8, Failure> {
    let global = &cli.global;
    match &cli.command {
        Command::Pods(args) => pods::run(global, args),
        Command::Netns(args) => netns::run(global, args),
        Command::Bridge(args) => bridge::run(global, args),
        Command::Routes(args) => routes::run(global, args),
        Command::Cni => cni::run(global),
        Command::Rules(args) => rules::run(global, args),
        Command::Services(args) => services::run(global, args),
        Command::Nat(args) => nat::run(global, args),
        Command::Conntrack(args) => conntrack::run(global, args),
        Command::Trace(args) => trace::run(global, args),
        Command::Veth(args) => veth::run(global, args),
        Command::Enter(args) => enter::run(global, args),
        Command::Lab(args) => output::lab(global, args),
        Command::Snapshot(args) => snapshot::run(global, args),
        Command::Completions(args) => completions::run(args),
        Command::Man(args) => man::run(args),
        Command::Schema(args) => schema::run(args),
    }
}

/// Words about what podnet does, on stderr: `-v` what it reads, `-vv` each request.
fn start_log(verbose: u8) {
    let level = match verbose {
        0 => return,
        1 => tracing::Level::DEBUG,
        _ => tracing::Level::TRACE,
    };
    let log = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_target(false)
        .without_time()
        .finish();
    // What the libraries below say of each frame is not what podnet does.
    let own = filter_fn(|event| event.target().split("::").next() == Some("podnet"));
    // Fails only where a log was started before, which is as good.
    let _ = log.with(own).try_init();
}
