//! Sets and maps with their elements, named and anonymous.
//!
//! May import model only.

use std::collections::BTreeMap;

use serde_json::Value;

use super::action::{stateful, verdict};
use super::value::{Part, count, ends, only, value};
use crate::model::netfilter::expr::Data;
use crate::model::netfilter::set::{Element, Set};
use crate::model::netfilter::table::TableRef;
use crate::model::netfilter::words::kind::Kind;
use crate::model::netfilter::words::symbol;
use crate::model::text::{ByteText, Bytes};

/// The named sets of a table.
pub(super) type Known = BTreeMap<ByteText, Set>;

/// A set that a rule has for itself.
pub(super) type Anonymous = (Set, Vec<Element>);

/// What the keys and the data of a set are made of.
#[derive(Debug, Clone, Default)]
pub(super) struct Shape {
    pub key: Vec<Part>,
    pub data: Vec<Part>,
    pub verdicts: bool,
    pub object: Option<u32>,
    pub interval: bool,
    /// Data are ranges of addresses.
    pub data_interval: bool,
}

/// `NFT_SET_EXPR`: each element has several expressions.
const EXPRS: u32 = 0x100;

fn length(parts: &[Part]) -> Option<u32> {
    let bytes = match parts {
        [part] => part.bytes(),
        parts => parts.iter().map(|part| part.padded()).sum(),
    };
    u32::try_from(bytes).ok()
}

fn kinds(parts: &[Part]) -> u32 {
    Kind::concatenated(&parts.iter().map(|part| part.kind).collect::<Vec<_>>())
}

impl Shape {
    /// A set of this shape without a name or handle.
    pub(super) fn set(&self, table: &TableRef, name: ByteText, flags: u32) -> Option<Set> {
        let mut flags = flags;
        let several = self.key.len() > 1;
        for (has, flag) in [
            (self.interval, Set::INTERVAL),
            (self.verdicts || !self.data.is_empty(), Set::MAP),
            (self.object.is_some(), Set::OBJECT),
            (several && self.interval, Set::CONCAT),
        ] {
            flags |= if has { flag } else { 0 };
        }
        let (data_type, data_length) = match (self.verdicts, self.data.as_slice()) {
            (true, _) => (Some(Set::VERDICT), Some(16)),
            (false, []) => (None, None),
            (false, parts) => {
                let twice = if self.data_interval { 2 } else { 1 };
                (Some(kinds(parts)), Some(length(parts)?.checked_mul(twice)?))
            }
        };
        let fields = |parts: &[Part]| parts.iter().map(|part| u32::try_from(part.bytes()).unwrap_or(0)).collect();
        Some(Set {
            id: table.set(name),
            handle: None,
            flags,
            key_type: kinds(&self.key),
            key_length: length(&self.key)?,
            // Only where ranges of them are kept.
            fields: if several && self.interval { fields(&self.key) } else { Vec::new() },
            data_type,
            data_length,
            object_kind: self.object,
            timeout_ms: None,
            gc_interval_ms: None,
            size: None,
            policy: None,
            exprs: Vec::new(),
            comment: None,
            user_data: Bytes::default(),
        })
    }

    /// The elements of a list.
    pub(super) fn elements(&self, list: &[Value]) -> Option<Vec<Element>> {
        let mut found = Vec::new();
        for json in list {
            self.element(json, &mut found)?;
        }
        if self.interval && self.key.len() == 1 {
            self.close_first(&mut found);
        }
        found.sort_by(|one, other| {
            let key = |element: &Element| (element.key.clone(), element.key_end.clone(), !element.interval_end);
            key(one).cmp(&key(other))
        });
        // The end of one interval is left out where the next begins there, unless both give something.
        found.dedup_by(|next, before| next.interval_end && before.interval_end && next.key == before.key);
        Some(found)
    }

    /// What is below the first interval is told to be none.
    fn close_first(&self, found: &mut Vec<Element>) {
        let zero = Bytes(vec![0; self.key.first().map_or(0, |part| part.bytes())]);
        let plain = || found.iter().filter(|element| !element.catch_all);
        if plain().next().is_some() && plain().all(|element| element.key != zero) {
            found.push(Element { interval_end: true, ..bare(zero) });
        }
    }

    fn element(&self, json: &Value, found: &mut Vec<Element>) -> Option<()> {
        let (key, data) = match json {
            Value::Array(pair) => {
                let [key, data] = pair.as_slice() else { return None };
                (key, Some(data))
            }
            key => (key, None),
        };
        let (key, more) = match only(key, "elem") {
            Some(more) => (more.get("val")?, Some(more)),
            None => (key, None),
        };
        let mut element = bare(Bytes::default());
        if key.as_str() == Some("*") {
            element.catch_all = true;
        } else if self.key.len() > 1 {
            let (min, max) = self.concatenated(key)?;
            element.key = Bytes(min);
            element.key_end = self.interval.then_some(Bytes(max));
        } else {
            let part = *self.key.first()?;
            if self.interval {
                let (min, max) = interval(part.ordered(), key)?;
                element.key = Bytes(min);
                if let Some(next) = following(&max) {
                    found.push(Element { interval_end: true, ..bare(Bytes(next)) });
                }
            } else {
                element.key = Bytes(value(part, key)?);
            }
        }
        match (data, self.object) {
            (Some(data), Some(_)) => element.object = Some(data.as_str()?.into()),
            (Some(data), None) => element.data = Some(self.given(data)?),
            (None, _) => {}
        }
        if let Some(more) = more {
            details(&mut element, more)?;
        }
        found.push(element);
        Some(())
    }

    fn concatenated(&self, json: &Value) -> Option<(Vec<u8>, Vec<u8>)> {
        let list = only(json, "concat")?.as_array().filter(|list| list.len() == self.key.len())?;
        let (mut min, mut max) = (Vec::new(), Vec::new());
        for (part, json) in self.key.iter().zip(list) {
            let part = if self.interval { part.ordered() } else { *part };
            let (from, to) = match value(part, json) {
                Some(bytes) => (bytes.clone(), bytes),
                None => ends(part, json)?,
            };
            for (all, bytes) in [(&mut min, from), (&mut max, to)] {
                all.extend(bytes);
                all.resize(all.len().next_multiple_of(4), 0);
            }
        }
        Some((min, max))
    }

    /// What a map gives.
    fn given(&self, json: &Value) -> Option<Data> {
        if self.verdicts {
            return verdict(json).map(Data::Verdict);
        }
        if let [part] = self.data.as_slice() {
            if self.data_interval {
                let (mut bytes, max) = match value(*part, json) {
                    Some(bytes) => (bytes.clone(), bytes),
                    None => ends(*part, json)?,
                };
                bytes.extend(max);
                return Some(Data::Value(Bytes(bytes)));
            }
            return value(*part, json).map(|bytes| Data::Value(Bytes(bytes)));
        }
        let list = only(json, "concat")?.as_array().filter(|list| list.len() == self.data.len())?;
        let mut all = Vec::new();
        for (part, json) in self.data.iter().zip(list) {
            all.extend(value(*part, json)?);
            all.resize(all.len().next_multiple_of(4), 0);
        }
        Some(Data::Value(Bytes(all)))
    }
}

fn bare(key: Bytes) -> Element {
    Element {
        key,
        key_end: None,
        interval_end: false,
        catch_all: false,
        data: None,
        object: None,
        timeout_ms: None,
        expires_ms: None,
        exprs: Vec::new(),
        comment: None,
        user_data: Bytes::default(),
    }
}

/// Whether a key is more than one value.
pub(super) fn is_interval(json: &Value) -> bool {
    let key = match json {
        Value::Array(pair) => pair.first().unwrap_or(json),
        key => key,
    };
    let key = only(key, "elem").and_then(|more| more.get("val")).unwrap_or(key);
    let open = |text: &str| text.len() > 1 && text.ends_with('*') && !text.ends_with("\\*");
    match only(key, "concat").and_then(Value::as_array) {
        Some(list) => list.iter().any(is_interval),
        None => only(key, "range").or(only(key, "prefix")).is_some() || key.as_str().is_some_and(open),
    }
}

fn interval(part: Part, json: &Value) -> Option<(Vec<u8>, Vec<u8>)> {
    match json.as_str().and_then(|text| text.strip_suffix('*')) {
        Some(stem) if part.kind.is_text() && !stem.ends_with('\\') => {
            let min = value(part, &Value::String(stem.to_owned()))?;
            let max = min.iter().enumerate().map(|(at, byte)| if at < stem.len() { *byte } else { 0xff }).collect();
            Some((min, max))
        }
        _ => match value(part, json) {
            Some(bytes) => Some((bytes.clone(), bytes)),
            None => ends(part, json),
        },
    }
}

/// The number behind, as bytes; `None` behind the last.
fn following(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut out = bytes.to_vec();
    for byte in out.iter_mut().rev() {
        let (more, carry) = byte.overflowing_add(1);
        *byte = more;
        if !carry {
            return Some(out);
        }
    }
    None
}

fn details(element: &mut Element, more: &Value) -> Option<()> {
    let ms = |name: &str| count(more.get(name)).map(|seconds| seconds.saturating_mul(1000));
    element.timeout_ms = ms("timeout");
    element.expires_ms = ms("expires");
    element.comment = more.get("comment").and_then(Value::as_str).map(ByteText::from);
    for name in ["counter", "limit", "quota"] {
        if let Some(inner) = more.get(name) {
            element.exprs.push(stateful(name, inner)?);
        }
    }
    Some(())
}

/// The kinds in `type` or `map`: a name, a list of names, or names with dots between them.
fn named_kinds(json: &Value) -> Option<Vec<Part>> {
    let names: Vec<&str> = match json {
        Value::String(text) => text.split(" . ").collect(),
        Value::Array(list) => list.iter().map(Value::as_str).collect::<Option<_>>()?,
        _ => return None,
    };
    names.into_iter().map(|name| Kind::named(name.trim()).map(Part::of)).collect()
}

/// A named set or map with its elements.
pub(super) fn named(table: &TableRef, json: &Value, is_map: bool) -> Option<(Set, Vec<Element>)> {
    let mut shape = Shape { key: named_kinds(json.get("type")?)?, ..Shape::default() };
    let mut flags = 0;
    let listed = match json.get("flags") {
        Some(Value::Array(list)) => list.iter().map(Value::as_str).collect::<Option<Vec<_>>>()?,
        Some(Value::String(flag)) => vec![flag.as_str()],
        _ => Vec::new(),
    };
    for flag in listed {
        match flag {
            "interval" => shape.interval = true,
            "constant" => flags |= Set::CONSTANT,
            "timeout" => flags |= Set::TIMEOUT,
            "dynamic" => flags |= Set::DYNAMIC,
            _ => return None,
        }
    }
    if is_map {
        let gives = json.get("map")?;
        let object = symbol::OBJECTS.iter().find(|row| gives.as_str() == Some(row.2));
        match (gives.as_str(), object) {
            (Some("verdict"), _) => shape.verdicts = true,
            (_, Some(row)) => shape.object = Some(row.0),
            (_, None) => shape.data = named_kinds(gives)?,
        }
    }
    // A kind that has no length of its own is not told by the file.
    if shape.key.iter().chain(&shape.data).any(|part| part.bits == 0) {
        return None;
    }
    let list = json.get("elem").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let ranged = |pair: &Value| pair.as_array().and_then(|pair| pair.get(1)).is_some_and(is_interval);
    shape.data_interval = shape.data.len() == 1 && list.iter().any(ranged);
    let mut set = shape.set(table, json.get("name")?.as_str()?.into(), flags)?;
    set.handle = count(json.get("handle"));
    set.comment = json.get("comment").and_then(Value::as_str).map(ByteText::from);
    set.timeout_ms = count(json.get("timeout")).map(|seconds| seconds.saturating_mul(1000));
    set.gc_interval_ms =
        count(json.get("gc-interval")).and_then(|seconds| u32::try_from(seconds.saturating_mul(1000)).ok());
    set.size = count(json.get("size")).and_then(|size| u32::try_from(size).ok());
    if json.get("policy").and_then(Value::as_str) == Some("memory") {
        set.policy = Some(1);
    }
    for statement in json.get("stmt").and_then(Value::as_array).into_iter().flatten() {
        let (name, inner) = statement.as_object()?.iter().next()?;
        set.exprs.push(stateful(name, inner)?);
    }
    if set.exprs.len() > 1 {
        set.flags |= EXPRS;
    }
    let elements = shape.elements(list)?;
    if set.is(Set::CONSTANT) && set.size.is_none() {
        // nft makes room for just those.
        set.size = u32::try_from(elements.len()).ok();
    }
    Some((set, elements))
}
