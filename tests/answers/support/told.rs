//! An answer as it is written.

use std::fmt::Write as _;
use std::io;

use podnet::analyze::answer::Answer;
use podnet::render::style::Style;
use serde::Serialize;

pub const WIDE: Style = Style { color: false, wide: true };

type Write<T> = fn(&Answer<T>, Style, &mut dyn io::Write) -> io::Result<()>;

/// What stands on the terminal, with the exit code and the issues behind it.
pub fn text<T>(answer: &Answer<T>, write: Write<T>, style: Style) -> String {
    let mut out = Vec::new();
    write(answer, style, &mut out).unwrap();
    let mut text = String::from_utf8(out).unwrap();
    for line in text.lines() {
        assert_eq!(line.trim_end(), line, "blanks at the end of a line");
        assert!(!line.chars().any(char::is_control), "a control character in {line:?}");
    }
    writeln!(text, "exit {}", answer.exit_code()).unwrap();
    for issue in &answer.issues {
        writeln!(text, "{:?} {}: {}", issue.level, issue.what, issue.why.detail()).unwrap();
    }
    text
}

/// The data as JSON. No key stands twice in one object (two flattened structs may collide).
pub fn json<T: Serialize>(answer: &Answer<T>) -> String {
    let once = serde_json::to_string(&answer.data).unwrap();
    let again = serde_json::from_str::<serde_json::Value>(&once).unwrap().to_string();
    assert_eq!(once.len(), again.len(), "a key stands twice in {once}");
    serde_json::to_string_pretty(&answer.data).unwrap()
}
