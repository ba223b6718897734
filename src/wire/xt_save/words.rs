//! Lines and words as xtables programs write them: words between blanks, strings in double quotes.
//!
//! May import model only. A quoted string may hold line breaks: a comment with one in it must not be
//! taken for a rule of its own.

use std::borrow::Cow;

/// No line that `iptables-restore` takes is longer than 10 KiB.
pub(super) const LINE_LIMIT: usize = 64 << 10;
/// No line has more words than this.
const WORD_LIMIT: usize = 4096;

/// One word of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word<'a> {
    /// Its bytes, quotes and escapes taken away.
    pub text: Cow<'a, [u8]>,
    /// Whether it stood in quotes: then it is never an option.
    pub quoted: bool,
    /// Where it begins in the line, quotes included.
    pub start: usize,
    /// Where it ends in the line.
    pub end: usize,
}

impl Word<'_> {
    /// Its text, where it is UTF-8.
    pub fn str(&self) -> Option<&str> {
        std::str::from_utf8(&self.text).ok()
    }

    /// Whether it is exactly this, without quotes.
    pub fn is(&self, text: &str) -> bool {
        !self.quoted && *self.text == *text.as_bytes()
    }
}

/// A line of the text: more than one where quotes hold a line break.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// Its number, from 1.
    pub number: usize,
    /// All of it, without the line break.
    pub text: &'a [u8],
    /// Its words, or where they cannot be told: byte, and what is wrong there.
    pub words: Result<Vec<Word<'a>>, (usize, &'static str)>,
}

/// Walks over the lines of a text.
#[derive(Debug, Clone)]
pub(super) struct Lines<'a> {
    left: &'a [u8],
    number: usize,
    /// How many quotes may still be looked for beyond their own line, and not be closed: each costs
    /// a walk of [`LINE_LIMIT`].
    patience: u32,
}

/// The lines of a text.
pub(super) fn lines(text: &[u8]) -> Lines<'_> {
    Lines { left: text, number: 1, patience: 64 }
}

impl<'a> Iterator for Lines<'a> {
    type Item = Line<'a>;

    fn next(&mut self) -> Option<Line<'a>> {
        if self.left.is_empty() {
            return None;
        }
        let physical = self.left.iter().position(|byte| *byte == b'\n').unwrap_or(self.left.len());
        // Remarks of people and programs have no words that count.
        let (words, length) = if self.left.first() == Some(&b'#') {
            (Ok(Vec::new()), physical)
        } else {
            let within = if self.patience > 0 { self.left } else { self.left.get(..physical).unwrap_or_default() };
            match split(within) {
                Ok((words, length)) => (Ok(words), length),
                Err(wrong) => {
                    self.patience = self.patience.saturating_sub(1);
                    (Err(wrong), physical)
                }
            }
        };
        let text = self.left.get(..length).unwrap_or_default();
        let line = Line { number: self.number, text: text.strip_suffix(b"\r").unwrap_or(text), words };
        self.number += text.split(|byte| *byte == b'\n').count();
        self.left = self.left.get(length.saturating_add(1)..).unwrap_or_default();
        Some(line)
    }
}

/// The words of the first line, and its length.
fn split(text: &[u8]) -> Result<(Vec<Word<'_>>, usize), (usize, &'static str)> {
    let mut words = Vec::new();
    let mut at = 0;
    loop {
        match text.get(at) {
            None | Some(b'\n') => return Ok((words, at)),
            Some(b' ' | b'\t' | b'\r') => at += 1,
            Some(_) => {
                let word = word(text, at)?;
                at = word.end;
                words.push(word);
            }
        }
        if at > LINE_LIMIT {
            return Err((LINE_LIMIT, "the line is too long"));
        }
        if words.len() > WORD_LIMIT {
            return Err((at, "the line has too many words"));
        }
    }
}

fn word(text: &[u8], start: usize) -> Result<Word<'_>, (usize, &'static str)> {
    let rest = text.get(start..).unwrap_or_default();
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
    // Only at a word's beginning: names of links and chains are written raw, and may hold a quote.
    if rest.first() != Some(&b'"') {
        let length = rest.iter().take(LINE_LIMIT + 1).position(is_blank).unwrap_or(rest.len().min(LINE_LIMIT + 1));
        let text = Cow::Borrowed(rest.get(..length).unwrap_or_default());
        return Ok(Word { text, quoted: false, start, end: start + length });
    }
    let mut plain = Vec::new();
    let mut escaped = false;
    for (at, byte) in rest.iter().enumerate().skip(1).take(LINE_LIMIT) {
        match byte {
            _ if escaped => {
                plain.push(*byte);
                escaped = false;
            }
            b'\\' => escaped = true,
            b'"' => return Ok(Word { text: Cow::Owned(plain), quoted: true, start, end: start + at + 1 }),
            _ => plain.push(*byte),
        }
    }
    Err((start, "a quote that is not closed"))
}
