//! How text may look: colour, width, and the escaping of text that others wrote.
//!
//! Must not import anything from the crate.

use std::fmt::Write as _;

/// What the output may use. The caller finds out; rendering never looks at the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Whether to colour.
    pub color: bool,
    /// Whether to show the columns of `-o wide`.
    pub wide: bool,
}

impl Style {
    /// No colour, the usual columns.
    pub const PLAIN: Self = Self { color: false, wide: false };

    /// Bold, for the word that a line is about.
    pub fn strong(self, text: &str) -> String {
        self.paint("1", text)
    }

    /// Dim, for evidence.
    pub fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }

    /// Green: as it should be.
    pub fn good(self, text: &str) -> String {
        self.paint("32", text)
    }

    /// Red: broken.
    pub fn bad(self, text: &str) -> String {
        self.paint("31", text)
    }

    /// Yellow: unknown, or worth a look.
    pub fn odd(self, text: &str) -> String {
        self.paint("33", text)
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.color { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// Text that others wrote, safe on a terminal: control characters, bidirectional overrides and
/// other invisible characters become `\xNN` or `\u{NNNN}`.
pub fn escape(text: &str) -> String {
    if text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return text.to_owned();
    }
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\u{0}'..='\u{1f}' | '\u{7f}' => {
                let _ = write!(safe, "\\x{:02x}", u32::from(character));
            }
            '\u{80}'..='\u{9f}'
            | '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}' => {
                let _ = write!(safe, "\\u{{{:x}}}", u32::from(character));
            }
            _ => safe.push(character),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_of_others_do_not_reach_the_terminal() {
        assert_eq!(escape("a\x1b[31mb\u{202e}c\u{9b}d\ne"), "a\\x1b[31mb\\u{202e}c\\u{9b}d\\x0ae");
    }

    #[test]
    fn ordinary_text_stays_as_it_is() {
        assert_eq!(escape("kube-system/kube-dns – ü"), "kube-system/kube-dns – ü");
    }
}
