//! Indented steps: a word, what it is, and behind it the evidence.
//!
//! Must not import anything from the crate but its sibling style. Texts arrive escaped.

use std::io::{self, Write};

use unicode_width::UnicodeWidthStr;

use crate::render::style::Style;

/// Where the text begins at the least: behind the indented word.
const TEXT_COLUMN: usize = 12;
/// Where it begins at the most: a longer word moves its own line alone.
const LAST_TEXT_COLUMN: usize = 15;
/// The evidence stands in one column, unless a text is longer than this.
const EVIDENCE_COLUMN: usize = 84;

/// A story, told line by line.
#[derive(Debug, Default)]
pub struct Story {
    lines: Vec<Line>,
    /// What the next lines bear in front; `None`: the story has no such column.
    mark: Option<String>,
}

#[derive(Debug)]
struct Line {
    mark: Option<String>,
    depth: usize,
    word: String,
    text: String,
    evidence: String,
}

impl Story {
    /// Adds a step: its word in the margin, its text, and its evidence (may be empty).
    pub fn step(&mut self, depth: usize, word: &str, text: impl Into<String>, evidence: impl Into<String>) {
        let (word, text, evidence) = (word.to_owned(), text.into(), evidence.into());
        self.lines.push(Line { mark: self.mark.clone(), depth, word, text, evidence });
    }

    /// Gives the lines that follow a sign of one column in front.
    pub fn mark(&mut self, sign: impl Into<String>) {
        self.mark = Some(sign.into());
    }

    /// Writes it. The evidence is dim.
    pub fn write(&self, style: Style, out: &mut dyn Write) -> io::Result<()> {
        let with_evidence = self.lines.iter().filter(|line| !line.evidence.is_empty());
        let word_ends = self.lines.iter().map(|line| 2 + 2 * line.depth + width(&line.word));
        let text_column =
            word_ends.filter(|end| *end <= LAST_TEXT_COLUMN).max().map_or(TEXT_COLUMN, |end| end.max(TEXT_COLUMN));
        let widest =
            with_evidence.map(|line| text_column + width(&line.text)).filter(|end| *end <= EVIDENCE_COLUMN).max();
        let column = widest.unwrap_or(text_column) + 2;
        for line in &self.lines {
            let margin = 1 + 2 * line.depth;
            let gap = text_column.saturating_sub(margin + width(&line.word)).max(1);
            let word = if line.depth == 0 { style.strong(&line.word) } else { line.word.clone() };
            let mut text = format!("{:margin$}{word}{:gap$}{}", "", "", line.text);
            if !line.evidence.is_empty() {
                let end = margin + width(&line.word) + gap + width(&line.text);
                let gap = column.saturating_sub(end).max(2);
                text = format!("{text}{:gap$}{}", "", style.dim(&line.evidence));
            }
            let mark = line.mark.as_ref().map_or_else(String::new, |mark| format!(" {mark}"));
            writeln!(out, "{}", format!("{mark}{text}").trim_end())?;
        }
        Ok(())
    }
}

/// The width on the screen, without the colours.
fn width(text: &str) -> usize {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("\x1b[") {
        plain.push_str(&rest[..at]);
        rest = rest[at..].find('m').map_or("", |end| &rest[at + end + 1..]);
    }
    plain.push_str(rest);
    plain.width()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(style: Style) -> String {
        let mut story = Story::default();
        story.step(0, "pod", "default/nginx", "");
        story.step(1, "pause", style.good("pid 7"), "net:[12]");
        story.step(1, "others", "pid 12345", "net:[12]");
        story.step(0, "averyverylongword", "x".repeat(90), "far");
        let mut out = Vec::new();
        story.write(style, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn texts_and_evidence_stand_in_columns() {
        let expected = format!(
            " pod        default/nginx\n   pause    pid 7      net:[12]\n   others   pid 12345  net:[12]\n averyverylongword {}  far\n",
            "x".repeat(90)
        );
        assert_eq!(told(Style::PLAIN), expected);
    }

    #[test]
    fn longer_words_move_the_texts_of_all_lines() {
        let mut story = Story::default();
        story.step(0, "in", "host", "on worker-0");
        story.step(1, "postrouting", "crossed", "flow new");
        let mut out = Vec::new();
        story.write(Style::PLAIN, &mut out).unwrap();
        let expected = " in            host     on worker-0\n   postrouting crossed  flow new\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn colours_do_not_move_the_columns() {
        let colored = told(Style { color: true, wide: false });
        assert!(colored.contains("   pause    \x1b[32mpid 7\x1b[0m      \x1b[2mnet:[12]\x1b[0m\n"), "{colored}");
    }
}
