//! Sentences: what podnet says itself stays, what it says of others is masked.
//!
//! Must not import anything from the crate but its sibling model types. A word is masked when it is an
//! address, an id, a path or the name of a file, when it was masked elsewhere, and when it is quoted:
//! podnet quotes what it found in a file.

use super::super::mask::Masks;
use super::{address, config, find_id, generic, with_ids};

/// Words with a slash that are no paths.
const NO_PATHS: [&str; 3] = ["Input/output", "I/O", "bit/s"];

/// What podnet quotes of its own: JSON members and values that it looks for.
const OWN_QUOTES: [&str; 5] = ["kind", "result", "plugins", "name", "cniCacheV1"];

/// Beginnings that a path follows, up to the end: it may hold spaces and quotes.
const BEFORE_PATHS: [&str; 3] = ["reading /", "reading the lease /", "opening /"];

/// Masks a sentence.
pub(super) fn text(text: &str, masks: &mut Masks<'_>) -> String {
    if let Some(before) = BEFORE_PATHS.iter().find(|before| text.starts_with(**before)) {
        let (words, path) = text.split_at(before.len() - 1);
        return format!("{words}{}", generic(path, masks));
    }
    let mut done = String::with_capacity(text.len());
    let mut rest = text;
    let mut assigned = false;
    while let Some(first) = rest.chars().next() {
        if let Some(length) = quoted(rest) {
            let inner = &rest[1..length - 1];
            done.push(first);
            done.push_str(&quote(inner, masks));
            done.push(first);
            rest = &rest[length..];
            assigned = false;
        } else if is_edge(first) {
            done.push(first);
            rest = &rest[first.len_utf8()..];
            assigned = first == '=';
        } else {
            let length = rest.find(is_edge).unwrap_or(rest.len());
            let part = &rest[..length];
            // `token=…`: whatever it is, it is not podnet's.
            done.push_str(&if assigned { generic(part, masks) } else { word(part, masks) });
            rest = &rest[length..];
            assigned = false;
        }
    }
    done
}

fn is_edge(next: char) -> bool {
    next.is_whitespace() || "\"'`(),;=[]{}<>".contains(next)
}

/// The length of a quotation that the text begins with, quotes included.
fn quoted(text: &str) -> Option<usize> {
    let quote = text.chars().next().filter(|first| matches!(first, '"' | '`'))?;
    let mut escaped = false;
    for (at, next) in text.char_indices().skip(1) {
        match next {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if next == quote => return Some(at + 1),
            _ => {}
        }
    }
    None
}

fn quote(inner: &str, masks: &mut Masks<'_>) -> String {
    if inner.starts_with("podnet ") {
        return text(inner, masks);
    }
    let no_word = !inner.contains(char::is_alphanumeric);
    if no_word || OWN_QUOTES.contains(&inner) || config::is_standard(inner) {
        return inner.to_owned();
    }
    generic(inner, masks)
}

fn word(word: &str, masks: &mut Masks<'_>) -> String {
    if let Some(masked) = known(word, masks) {
        return masked;
    }
    let trimmed = word.trim_end_matches([':', '.', '!', '?']);
    let tail = &word[trimmed.len()..];
    if let Some(masked) = known(trimmed, masks) {
        return masked + tail;
    }
    let is_file = [".conf", ".conflist", ".json", ".sock"].iter().any(|end| trimmed.ends_with(end));
    if (trimmed.contains('/') && !NO_PATHS.contains(&trimmed)) || is_file {
        return generic(trimmed, masks) + tail;
    }
    if trimmed.contains([':', '@', '.']) {
        let mut done = String::new();
        for part in trimmed.split_inclusive([':', '@', '.']) {
            let inner = part.trim_end_matches([':', '@', '.']);
            done.push_str(&known(inner, masks).unwrap_or_else(|| inner.to_owned()));
            done.push_str(&part[inner.len()..]);
        }
        return done + tail;
    }
    word.to_owned()
}

fn known(word: &str, masks: &mut Masks<'_>) -> Option<String> {
    if let Some(masked) = address(word, masks) {
        return Some(masked);
    }
    if let Some(mask) = masks.known(word) {
        return Some(mask.to_owned());
    }
    find_id(word).map(|_| with_ids(word, masks))
}
