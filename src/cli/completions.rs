//! `podnet completions SHELL`.
//!
//! Must not import any other layer.

use clap::{Args, CommandFactory as _, ValueEnum};

use super::args::Cli;
use super::error::Failure;
use super::output;

/// Arguments of `completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// Which shell
    #[arg(value_enum)]
    shell: Shell,
}

/// The shells whose completions are kept under `completions/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// GNU bash
    Bash,
    /// The Z shell
    Zsh,
    /// The friendly interactive shell
    Fish,
}

impl Shell {
    /// All of them, with the file name that each looks for.
    pub const FILES: [(Self, &'static str); 3] =
        [(Self::Bash, "podnet.bash"), (Self::Zsh, "_podnet"), (Self::Fish, "podnet.fish")];
}

/// Prints the completions.
pub fn run(args: &CompletionsArgs) -> Result<u8, Failure> {
    output::text(&script(args.shell))
}

/// The completions of one shell.
pub fn script(shell: Shell) -> String {
    let shell = match shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Zsh => clap_complete::Shell::Zsh,
        Shell::Fish => clap_complete::Shell::Fish,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "podnet", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}
