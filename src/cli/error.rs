//! How a failure is told: on stderr, `podnet: what: why; hint`, with the text of others escaped.
//!
//! May import render's escaping.

use std::collections::BTreeMap;
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

    /// What went wrong, in words.
    pub fn words(&self) -> String {
        self.error.to_string()
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
///
/// What went wrong alike for many things (a file of each process) is told once, with their number.
pub fn tell_issues(issues: &[Issue]) {
    for (issue, others) in grouped(issues) {
        let others = if others == 0 { String::new() } else { format!(" (and {others} more like it)") };
        tell(&format!("{}{others}: {}", issue.what, issue.why.detail()), issue.hint.as_deref());
    }
}

/// The first issue of each kind, with how many follow that differ from it in numbers alone.
fn grouped(issues: &[Issue]) -> Vec<(&Issue, usize)> {
    let shape = |text: &str| text.replace(|digit: char| digit.is_ascii_digit(), "");
    let mut groups: Vec<(&Issue, usize)> = Vec::new();
    let mut places = BTreeMap::new();
    for issue in issues {
        let key = (shape(&issue.what), shape(issue.why.detail()), issue.hint.as_deref(), issue.level);
        if let Some(at) = places.get(&key) {
            let (_, others): &mut (&Issue, usize) = &mut groups[*at];
            *others += 1;
        } else {
            places.insert(key, groups.len());
            groups.push((issue, 0));
        }
    }
    groups
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::issue::Why;

    #[test]
    fn what_differs_in_numbers_alone_is_told_once() {
        let refused = || Why::Permission { detail: "Permission denied (os error 13)".to_owned() };
        let issue = |what: &str| Issue::incomplete(what, refused());
        let issues = [
            issue("reading /proc/1/ns/net"),
            issue("reading /proc/27/ns/net"),
            issue("reading x"),
            issue("reading /proc/3/ns/net"),
        ];
        let told: Vec<(&str, usize)> =
            grouped(&issues).into_iter().map(|(issue, others)| (issue.what.as_str(), others)).collect();
        assert_eq!(told, [("reading /proc/1/ns/net", 2), ("reading x", 0)]);
    }
}
