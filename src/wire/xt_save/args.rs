//! A cursor over the words of a rule: options with `!` before them (or, as old programs write it,
//! behind them), and their values.
//!
//! May import model only.

use super::words::Word;
use crate::model::netfilter::table::Family;
use crate::model::netfilter::xt::Test;
use crate::model::text::ByteText;

/// An option or value that this podnet does not know: what it belongs to is kept as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unclear;

/// What the reader of an option gives.
pub(super) type Parsed<T> = Result<T, Unclear>;

/// Long options of a rule's head, which end a match's or target's options.
const HEAD: [&str; 16] = [
    "--source",
    "--src",
    "--destination",
    "--dst",
    "--in-interface",
    "--out-interface",
    "--protocol",
    "--proto",
    "--fragment",
    "--fragments",
    "--match",
    "--jump",
    "--goto",
    "--set-counters",
    "--ipv4",
    "--ipv6",
];

/// The cursor.
#[derive(Debug)]
pub(super) struct Args<'a, 'w> {
    words: &'w [Word<'a>],
    at: usize,
    /// Whether a `!` belongs to the option that was read last.
    not: bool,
    /// The family of the rule.
    pub family: Family,
}

impl<'a, 'w> Args<'a, 'w> {
    /// At the first word.
    pub fn new(words: &'w [Word<'a>], family: Family) -> Self {
        Self { words, at: 0, not: false, family }
    }

    /// How many words were read.
    pub fn at(&self) -> usize {
        self.at
    }

    /// Back to where [`Self::at`] was.
    pub fn go_to(&mut self, at: usize) {
        self.at = at;
    }

    /// The next word, not read yet.
    pub fn peek(&self) -> Option<&'w Word<'a>> {
        self.words.get(self.at)
    }

    /// The next word.
    pub fn next(&mut self) -> Option<&'w Word<'a>> {
        let word = self.peek()?;
        self.at += 1;
        Some(word)
    }

    /// A `!` that stands here.
    pub fn bang(&mut self) -> bool {
        let is = self.peek().is_some_and(|word| word.is("!"));
        if is {
            self.at += 1;
        }
        is
    }

    /// The next option of a match or target; `None` before anything else.
    pub fn option(&mut self) -> Option<&'w str> {
        let start = self.at;
        let not = self.bang();
        let name = self.peek().filter(|word| !word.quoted).and_then(Word::str);
        let name = name.filter(|name| name.starts_with("--") && !HEAD.contains(name));
        if name.is_some() {
            self.at += 1;
            self.not = not;
        } else {
            self.at = start;
        }
        name
    }

    /// Whether the words here begin something of the rule itself: its head, a match, a target, or its end.
    pub fn is_structure(&self) -> bool {
        let bang = usize::from(self.peek().is_some_and(|word| word.is("!")));
        let Some(word) = self.words.get(self.at + bang) else { return bang == 0 };
        let short = matches!(&*word.text, [b'-', letter] if b"sdiopfmjgc46".contains(letter));
        !word.quoted && (short || word.str().is_some_and(|text| HEAD.contains(&text)))
    }

    /// The option's value, as it is.
    pub fn bytes(&mut self) -> Parsed<&'w [u8]> {
        if !self.not {
            self.not = self.bang();
        }
        self.next().map(|word| &*word.text).ok_or(Unclear)
    }

    /// The option's value, read.
    pub fn value<T>(&mut self, read: impl FnOnce(&str) -> Option<T>) -> Parsed<T> {
        let text = std::str::from_utf8(self.bytes()?).map_err(|_| Unclear)?;
        read(text).ok_or(Unclear)
    }

    /// A value that may be turned around.
    pub fn test<T>(&mut self, read: impl FnOnce(&str) -> Option<T>) -> Parsed<Test<T>> {
        let value = self.value(read)?;
        Ok(Test { not: self.not, value })
    }

    /// A value that may not.
    pub fn plain<T>(&mut self, read: impl FnOnce(&str) -> Option<T>) -> Parsed<T> {
        let value = self.value(read)?;
        self.yes().map(|_| value)
    }

    /// A name that may be turned around.
    pub fn test_name(&mut self) -> Parsed<Test<ByteText>> {
        let value = ByteText::from(self.bytes()?);
        Ok(Test { not: self.not, value })
    }

    /// A name that may not.
    pub fn name(&mut self) -> Parsed<ByteText> {
        let value = ByteText::from(self.bytes()?);
        self.yes().map(|_| value)
    }

    /// An option without a value that may be turned around: whether it is.
    pub fn turned(&self) -> bool {
        self.not
    }

    /// An option without a value that may not be turned around.
    pub fn yes(&self) -> Parsed<bool> {
        if self.not { Err(Unclear) } else { Ok(true) }
    }
}
