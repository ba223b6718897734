//! A set or map, whole.
//!
//! May import model only.

use std::fmt::Write as _;

use super::elements::{Listing, on_a_line};
use super::typeof_of;
use super::value::{Part, seconds};
use super::{Contents, Text};
use crate::model::netfilter::set::{Element, Set};
use crate::model::netfilter::words::kind::Kind;
use crate::model::netfilter::words::symbol;

/// `NFTNL_UDATA_SET_*`
const KEY_TYPEOF: u8 = 3;
const DATA_TYPEOF: u8 = 4;
const DATA_INTERVAL: u8 = 6;
const MERGE: u8 = 2;

/// How the keys and the data of a set are to be understood.
struct Types {
    key: Vec<Part>,
    data: Vec<Part>,
    /// The line that tells it.
    line: String,
}

/// The values of one type of user data.
pub(super) fn user_data(bytes: &[u8], wanted: u8) -> Option<&[u8]> {
    let mut rest = bytes;
    while let [kind, length, more @ ..] = rest {
        let length = usize::from(*length);
        let value = more.get(..length)?;
        if *kind == wanted {
            return Some(value);
        }
        rest = more.get(length..)?;
    }
    None
}

fn number(bytes: Option<&[u8]>) -> Option<u32> {
    Some(u32::from_le_bytes(bytes?.try_into().ok()?))
}

fn named(parts: &[Kind]) -> String {
    parts.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(" . ")
}

fn types(set: &Set) -> Option<Types> {
    let (data_type, is_map) = (set.data_type.unwrap_or(0), set.is(Set::MAP));
    let verdicts = set.is_verdict_map();
    // An empty note is none.
    let told = user_data(&set.user_data.0, KEY_TYPEOF).map(typeof_of::typeof_of);
    if let Some(key) = told.filter(|key| key.as_ref().is_none_or(|key| !key.parts.is_empty())) {
        let key = key?;
        let mut line = format!("typeof {}", key.text);
        let mut data = Vec::new();
        if verdicts {
            line.push_str(" : verdict");
        } else if is_map {
            let given = typeof_of::typeof_of(user_data(&set.user_data.0, DATA_TYPEOF)?)?;
            let _ = write!(line, " : {}{}", interval(set), given.text);
            data = given.parts;
        } else if let Some(object) = set.object_kind.filter(|_| set.is(Set::OBJECT)) {
            let _ = write!(line, " : {}", object_name(object)?);
        }
        return Some(Types { key: key.parts, data, line });
    }
    let key = Kind::parts(set.key_type)?;
    let mut line = format!("type {}", named(&key));
    let mut data = Vec::new();
    if verdicts {
        line.push_str(" : verdict");
    } else if is_map {
        data = Kind::parts(data_type)?;
        let _ = write!(line, " : {}{}", interval(set), named(&data));
    } else if let Some(object) = set.object_kind.filter(|_| set.is(Set::OBJECT)) {
        let _ = write!(line, " : {}", object_name(object)?);
    }
    let part = |kind: &Kind| Part::of(*kind);
    let mut key: Vec<Part> = key.iter().map(part).collect();
    // Keys of intervals are in network order, or there were no order between them.
    if set.is(Set::INTERVAL) {
        for part in &mut key {
            part.host = false;
        }
    }
    if key.iter().any(|part| part.bits == 0) && key.len() > 1 {
        return None;
    }
    if let [only] = key.as_mut_slice() {
        only.bits = if only.bits == 0 { set.key_length.checked_mul(8)? } else { only.bits };
    }
    Some(Types { key, data: data.iter().map(part).collect(), line })
}

fn interval(set: &Set) -> &'static str {
    let told = number(user_data(&set.user_data.0, DATA_INTERVAL)).unwrap_or(0);
    if told != 0 { "interval " } else { "" }
}

fn object_name(kind: u32) -> Option<&'static str> {
    symbol::OBJECTS.iter().find(|row| row.0 == kind).map(|row| row.2)
}

/// One element of a set.
pub(super) fn element(set: &Set, element: &Element, contents: &dyn Contents) -> Option<String> {
    let types = types(set)?;
    Listing::new(set, &types.key, &types.data, contents).one(element)
}

/// A set with its elements, as it stands in its table.
pub(super) fn set(set: &Set, elements: &[Element], contents: &dyn Contents) -> Text {
    let word = if set.is(Set::MAP) || set.is(Set::OBJECT) { "map" } else { "set" };
    let mut text = format!("\t{word} {} {{", set.id.name);
    if let Some(handle) = set.handle {
        let _ = write!(text, " # handle {handle}");
    }
    text.push('\n');
    let mut exact = true;
    let types = types(set);
    if let Some(types) = &types {
        let _ = writeln!(text, "\t\t{}", types.line);
    } else {
        exact = false;
        let _ = writeln!(text, "\t\t[ type {:#x} : {:#x?} ]", set.key_type, set.data_type);
    }
    exact &= properties(&mut text, set);
    if !elements.is_empty() {
        let listed = types.as_ref().and_then(|types| {
            let listing = Listing::new(set, &types.key, &types.data, contents);
            listing.all(elements).map(|listed| (listed, on_a_line(&types.key)))
        });
        if let Some((listed, on_line)) = listed {
            exact &= listed.ordered;
            let _ = writeln!(text, "\t\telements = {{ {} }}", wrapped(&listed.texts, on_line));
        } else {
            exact = false;
            let _ = writeln!(text, "\t\t[ {} elements ]", elements.len());
        }
    }
    text.push_str("\t}\n");
    Text { text, exact }
}

fn properties(text: &mut String, set: &Set) -> bool {
    if !set.is(Set::CONSTANT) {
        if set.policy == Some(1) {
            text.push_str("\t\tpolicy memory\n");
        }
        if let Some(size) = set.size.filter(|size| *size != 0) {
            let _ = writeln!(text, "\t\tsize {size}");
        }
    }
    let flags: Vec<&str> = [
        (Set::CONSTANT, "constant"),
        (Set::DYNAMIC, "dynamic"),
        (Set::INTERVAL, "interval"),
        (Set::TIMEOUT, "timeout"),
    ]
    .iter()
    // A default timeout speaks for the flag, unless elements may also be added by rules.
    .filter(|(flag, _)| {
        set.is(*flag)
            && (*flag != Set::TIMEOUT || set.timeout_ms.is_none() || set.is(Set::DYNAMIC) || set.is(Set::INTERVAL))
    })
    .map(|(_, word)| *word)
    .collect();
    if !flags.is_empty() {
        let _ = writeln!(text, "\t\tflags {}", flags.join(","));
    }
    let given = set.exprs.iter().map(|expr| super::action::stateful(expr, true)).collect::<Option<Vec<_>>>();
    match given.as_deref() {
        Some([]) => {}
        Some(given) => {
            let _ = writeln!(text, "\t\t{}", given.join(" "));
        }
        None => text.push_str("\t\t[ statements ]\n"),
    }
    if number(user_data(&set.user_data.0, MERGE)).is_some_and(|merge| merge != 0) {
        text.push_str("\t\tauto-merge\n");
    }
    if let Some(timeout) = set.timeout_ms.filter(|timeout| *timeout != 0) {
        let _ = writeln!(text, "\t\ttimeout {}", seconds(timeout));
    }
    if let Some(interval) = set.gc_interval_ms.filter(|interval| *interval != 0) {
        let _ = writeln!(text, "\t\tgc-interval {}", seconds(u64::from(interval)));
    }
    if let Some(comment) = &set.comment {
        let _ = writeln!(text, "\t\tcomment \"{comment}\"");
    }
    given.is_some()
}

/// Elements behind one another, some on a line.
fn wrapped(texts: &[String], on_line: usize) -> String {
    let lines: Vec<String> = texts.chunks(on_line.max(1)).map(|line| line.join(", ")).collect();
    lines.join(",\n\t\t\t     ")
}
