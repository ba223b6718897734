//! Where answers go: stdout, buffered, coloured when a person looks at it.
//!
//! May import analyze's answer types and render.

use std::io::{self, BufWriter, IsTerminal as _, Write};

use serde::Serialize;

use super::args::{Color, Global, Output};
use super::error::{self, Failure};
use super::lab::{LabArgs, LabOutput};
use crate::analyze::answer::Answer;
use crate::render::json;
use crate::render::style::Style;

/// Writes an answer as was asked, its issues with it, and gives the exit code.
pub fn write<T: Serialize>(
    global: &Global,
    command: &str,
    answer: &Answer<T>,
    table: impl FnOnce(&Answer<T>, Style, &mut dyn Write) -> io::Result<()>,
) -> Result<u8, Failure> {
    let mut out = BufWriter::new(io::stdout().lock());
    match global.output {
        Output::Json => json::write(command, answer, &mut out)?,
        Output::Table | Output::Wide => table(answer, style(global), &mut out)?,
    }
    out.flush()?;
    drop(out);
    if global.output != Output::Json {
        error::tell_issues(&answer.issues);
    }
    Ok(answer.exit_code())
}

/// `podnet lab`, which writes for itself.
pub fn lab(global: &Global, args: &LabArgs) -> Result<u8, Failure> {
    let output = LabOutput {
        json: global.output == Output::Json,
        style: style(global),
        namespace: global.namespace.as_deref(),
        selector: global.selector.as_deref(),
    };
    let mut out = BufWriter::new(io::stdout().lock());
    let code = super::lab::run(args, output, &mut out, &mut io::stderr())?;
    out.flush()?;
    Ok(code)
}

/// Writes text as it is.
pub fn text(text: &str) -> Result<u8, Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(0)
}

/// What the output may use.
pub fn style(global: &Global) -> Style {
    let color = match global.color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => io::stdout().is_terminal() && !said("NO_COLOR") && !is_dumb(),
    };
    Style { color, wide: global.output == Output::Wide }
}

/// <https://no-color.org>: set to anything but nothing.
fn said(variable: &str) -> bool {
    std::env::var_os(variable).is_some_and(|value| !value.is_empty())
}

fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}
