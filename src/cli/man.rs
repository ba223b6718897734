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
    /// The command it is about, such as trace or lab-up; without one, podnet itself
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

/// Every page with its file name, sorted: podnet's own and one for each command and what is below it.
pub fn pages() -> io::Result<Vec<(String, String)>> {
    let mut cli = Cli::command();
    cli.build();
    let mut pages = Vec::new();
    add(&cli, "podnet", &mut pages)?;
    pages.sort();
    Ok(pages)
}

fn add(command: &clap::Command, name: &str, pages: &mut Vec<(String, String)>) -> io::Result<()> {
    pages.push((format!("{name}.1"), page(&command.clone().display_name(name))?));
    for inner in command.get_subcommands().filter(|inner| inner.get_name() != "help" && !inner.is_hide_set()) {
        add(inner, &format!("{name}-{}", inner.get_name()), pages)?;
    }
    Ok(())
}

fn page(command: &clap::Command) -> io::Result<String> {
    let mut page = Vec::new();
    // Without a date: the page changes only when the command line does.
    clap_mangen::Man::new(command.clone()).manual("podnet").render(&mut page)?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}
