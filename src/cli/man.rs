//! `podnet man [COMMAND]`.
//!
//! Must not import any other layer.

use std::io;

use clap::{Args, CommandFactory as _};

use super::args::Cli;
use super::error::Failure;
use super::output;

/// Arguments of `man`.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// The command it is about; without one, podnet itself
    command: Option<String>,
}

/// Prints the page: `podnet man trace | man -l -`.
pub fn run(args: &ManArgs) -> Result<u8, Failure> {
    let wanted = match &args.command {
        None => "podnet.1".to_owned(),
        Some(command) => format!("podnet-{command}.1"),
    };
    match pages()?.into_iter().find(|(file, _)| *file == wanted) {
        Some((_, page)) => output::text(&page),
        None => Err(Failure::new(format!("{wanted}: no such page")).hint("`podnet --help` lists the commands")),
    }
}

/// Every page with its file name, sorted: podnet's own and one for each command.
pub fn pages() -> io::Result<Vec<(String, String)>> {
    let mut cli = Cli::command();
    cli.build();
    let mut pages = vec![("podnet.1".to_owned(), page(&cli)?)];
    for command in cli.get_subcommands().filter(|command| command.get_name() != "help") {
        let name = format!("podnet-{}", command.get_name());
        // The page's title is the file's name; leaked once a page, in a command that then ends.
        let titled = command.clone().display_name(name.clone());
        pages.push((format!("{name}.1"), page(&titled)?));
    }
    pages.sort();
    Ok(pages)
}

fn page(command: &clap::Command) -> io::Result<String> {
    let mut page = Vec::new();
    // Without a date: the page changes only when the command line does.
    clap_mangen::Man::new(command.clone()).manual("podnet").render(&mut page)?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}
