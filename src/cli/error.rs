//! How a failure is told: on stderr, `podnet: what: why; hint`, with the text of others escaped.
//!
//! May import render's escaping.

use std::fmt::Display;
use std::io::{self, Write as _};

use crate::model::issue::Issue;
use crate::render::style::escape;

/// A command that could not be answered: exit code 2.
#[derive(Debug)]
pub struct Failure {
    error: anyhow::Error,
    hint: Option<String>,
    /// What could not be read on the way, which may be the reason.
    issues: Vec<Issue>,
}

impl Failure {
    /// A failure told in words.
    pub fn new(message: impl Display) -> Self {
        Self::from(anyhow::anyhow!("{message}"))
    }

    /// The same with what can be done about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same with what could not be read on the way.
    #[must_use]
    pub fn after(mut self, issues: Vec<Issue>) -> Self {
        self.issues = issues;
        self
    }

    /// Whether it is only that the reader of the output went away.
    pub fn is_closed_pipe(&self) -> bool {
        self.error.chain().any(|cause| {
            cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
        })
    }

    /// Writes it to stderr.
    pub fn tell(&self) {
        tell_issues(&self.issues);
        // Errors of this crate name their causes themselves.
        tell(&self.error.to_string(), self.hint.as_deref());
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self { error: error.into(), hint: None, issues: Vec::new() }
    }
}

/// Writes what could not be read or told to stderr, a line each, where the answer itself is a table.
pub fn tell_issues(issues: &[Issue]) {
    for issue in issues {
        tell(&format!("{}: {}", issue.what, issue.why.detail()), issue.hint.as_deref());
    }
}

/// Writes a word about what was done to stderr.
pub fn say(message: &str) {
    tell(message, None);
}

fn tell(message: &str, hint: Option<&str>) {
    let hint = hint.map(|hint| format!("; {}", escape(hint))).unwrap_or_default();
    // Nobody can be told that stderr is closed.
    let _ = writeln!(io::stderr().lock(), "podnet: {}{hint}", escape(message));
}

/// What clap has to say: help and version are answers, all else is wrong usage.
pub fn usage(error: &clap::Error) -> Result<u8, Failure> {
    if !error.use_stderr() {
        // Colours only where clap's own detection allows them.
        error.print()?;
        return Ok(0);
    }
    let text = error.render().to_string();
    let mut err = io::stderr().lock();
    for (at, line) in text.lines().enumerate() {
        let line = escape(line);
        let line = if at == 0 { line.replacen("error: ", "podnet: ", 1) } else { line };
        let _ = writeln!(err, "{line}");
    }
    Ok(2)
}
