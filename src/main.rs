//! Parses the command line, runs it and turns the outcome into an exit code.
use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use podnet::cli::lab::{LabArgs, LabOutput, run};
use podnet::render::style::Style;

#[derive(Parser)]
#[command(name = "podnet", version)]
struct Cli {
    /// table, wide or json
    #[arg(short, long, global = true, default_value = "table")]
    output: String,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// A practice network on this machine.
    Lab(LabArgs),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let Command::Lab(args) = &cli.command;
    let style = Style { color: io::stdout().is_terminal(), wide: cli.output == "wide" };
    let output = LabOutput { json: cli.output == "json", style };
    match run(args, output, &mut io::stdout(), &mut io::stderr()) {
        Ok(code) => code.into(),
        Err(error) => {
            let _ = writeln!(io::stderr(), "podnet: {error:#}");
            2.into()
        }
    }
}
