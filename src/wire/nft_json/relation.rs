//! Comparisons and look-ups.
//!
//! May import model only.

use serde_json::Value;

use super::compile::{Last, Rule, register};
use super::load::{named_field, place};
use super::sets::{Shape, is_interval};
use super::value::{Part, ends, mask, only, prefix, value};
use crate::model::netfilter::expr::{BitwiseOp, Compare, Expr, PayloadBase, Register};
use crate::model::netfilter::set::Set;
use crate::model::text::{ByteText, Bytes};

/// An operator; `None` of them for flags.
fn operator(name: &str) -> Option<Compare> {
    Some(match name {
        "==" => Compare::Eq,
        "!=" => Compare::Neq,
        "<" => Compare::Lt,
        "<=" => Compare::Lte,
        ">" => Compare::Gt,
        ">=" => Compare::Gte,
        _ => return None,
    })
}

impl Rule<'_> {
    /// `match`
    pub(super) fn comparison(&mut self, inner: &Value) -> Option<()> {
        let (name, left, right) = (inner.get("op")?.as_str()?, inner.get("left")?, inner.get("right")?);
        self.depend_on(left)?;
        if let (Value::Bool(_), Some(fib)) = (right, only(left, "fib")) {
            let part = self.load_fib(fib, 0, true)?;
            self.compare(register(0), operator(name)?, value(part, right)?);
            self.last = None;
            return Some(());
        }
        if is_set(right) {
            self.last = None;
            return self.is_in(name, left, right);
        }
        let Some(op) = operator(name) else {
            self.last = None;
            return self.has_flags(name, left, right);
        };
        if let (Some((header, field)), Compare::Eq | Compare::Neq) = (named_field(left), op) {
            let place = place(header, field);
            if place.mask().is_none() {
                return self.compare_field(left, op, right);
            }
        }
        self.last = None;
        let part = self.load_one(left, 0)?;
        self.compare_loaded(left, part, op, right)
    }

    fn compare_loaded(&mut self, left: &Value, part: Part, op: Compare, right: &Value) -> Option<()> {
        if let Some(range) = only(right, "range").and(ends(part.ordered(), right)) {
            return self.in_range(part, op, range);
        }
        if let Some((bytes, length)) = prefix(part, right) {
            return self.compare_prefix(op, &bytes, length);
        }
        if let Some(stem) = open_name(part, right) {
            self.compare(register(0), op, stem);
            return Some(());
        }
        let ordered = matches!(op, Compare::Lt | Compare::Lte | Compare::Gt | Compare::Gte);
        if ordered {
            self.order(register(0), part)?;
        }
        let bytes = value(if ordered { part.ordered() } else { part }, right)?;
        if op == Compare::Eq {
            self.learn_from(left, part, &bytes);
        }
        self.compare(register(0), op, bytes);
        Some(())
    }

    fn learn_from(&mut self, left: &Value, part: Part, bytes: &[u8]) {
        let add = |number: u32, byte: &u8| (number << 8) | u32::from(*byte);
        if bytes.len() <= 4 {
            let number = if part.host { bytes.iter().rev().fold(0, add) } else { bytes.iter().fold(0, add) };
            self.learn(left, number);
        }
    }

    /// A whole field and a value: joined to the question before where nft would, cut short for a prefix.
    fn compare_field(&mut self, left: &Value, op: Compare, right: &Value) -> Option<()> {
        let (header, field) = named_field(left)?;
        let found = place(header, field);
        let to = register(0);
        let before = self.last.take();
        let load = |length: u32| Expr::Payload { to, base: found.base, offset: found.offset, length };
        if let Some((bytes, length)) = prefix(found.part, right) {
            if length.is_multiple_of(8) && length > 0 {
                self.out.push(load(length / 8));
                let cut = bytes.get(..usize::try_from(length / 8).ok()?)?;
                self.compare(to, op, cut.to_vec());
            } else {
                self.out.push(load(found.length));
                self.compare_prefix(op, &bytes, length)?;
            }
            return Some(());
        }
        if let Some(range) = only(right, "range").and(ends(found.part, right)) {
            self.out.push(load(found.length));
            return self.in_range(found.part, op, range);
        }
        let bytes = value(found.part, right)?;
        if op == Compare::Eq {
            self.learn_from(left, found.part, &bytes);
            if let Some(before) = before.filter(|before| joins(before, found.base, found.offset, found.length))
                && self.join(before, &bytes)
            {
                return Some(());
            }
            let end = found.offset.checked_add(found.length)?;
            self.last = Some(Last { base: found.base, end, length: found.length });
        }
        self.out.push(load(found.length));
        self.compare(to, op, bytes);
        Some(())
    }

    /// Makes one question of two; says whether the one before was as expected.
    fn join(&mut self, before: Last, bytes: &[u8]) -> bool {
        let added = u32::try_from(bytes.len()).unwrap_or(0);
        match self.out.as_mut_slice() {
            [.., Expr::Payload { length, .. }, Expr::Cmp { value, .. }] => {
                *length += added;
                value.0.extend(bytes);
                self.last = Some(Last { end: before.end + added, length: before.length + added, ..before });
                true
            }
            _ => false,
        }
    }

    fn compare_prefix(&mut self, op: Compare, bytes: &[u8], length: u32) -> Option<()> {
        if length.is_multiple_of(8) && length > 0 {
            let cut = bytes.get(..usize::try_from(length / 8).ok()?)?;
            self.compare(register(0), op, cut.to_vec());
            return Some(());
        }
        self.and(mask(bytes.len(), length))?;
        self.compare(register(0), op, bytes.to_vec());
        Some(())
    }

    /// `register 1 & mask`
    fn and(&mut self, mask: Vec<u8>) -> Option<()> {
        let length = u32::try_from(mask.len()).ok()?;
        let xor = Bytes(vec![0; mask.len()]);
        let (from, to) = (register(0), register(0));
        self.out.push(Expr::Bitwise { from, to, length, op: BitwiseOp::MaskXor { mask: Bytes(mask), xor } });
        Some(())
    }

    fn in_range(&mut self, part: Part, op: Compare, (min, max): (Vec<u8>, Vec<u8>)) -> Option<()> {
        let from = register(0);
        self.order(from, part)?;
        match op {
            Compare::Eq => {
                self.compare(from, Compare::Gte, min);
                self.compare(from, Compare::Lte, max);
            }
            Compare::Neq => self.out.push(Expr::Range { from, not: true, min: Bytes(min), max: Bytes(max) }),
            _ => return None,
        }
        Some(())
    }

    /// Some of these bits, or none of them.
    fn has_flags(&mut self, name: &str, left: &Value, right: &Value) -> Option<()> {
        let op = match name {
            "in" => Compare::Neq,
            "!" => Compare::Eq,
            _ => return None,
        };
        let part = self.load_one(left, 0)?;
        if !part.kind.is_bits() {
            return None;
        }
        let bits = match right {
            // A label is the number of a bit.
            Value::Number(bit) if part.kind == crate::model::netfilter::words::kind::Kind::CtLabel => {
                part.number(1_u128.checked_shl(u32::try_from(bit.as_u64()?).ok()?)?)?
            }
            _ => value(part, right)?,
        };
        let nothing = vec![0; bits.len()];
        self.and(bits)?;
        self.compare(register(0), op, nothing);
        Some(())
    }

    fn is_in(&mut self, name: &str, left: &Value, right: &Value) -> Option<()> {
        let not = match name {
            "==" | "in" => false,
            "!=" => true,
            _ => return None,
        };
        let parts = self.load(left, 0)?;
        let set = self.set_of(right, Shape { key: parts, ..Shape::default() })?;
        self.out.push(Expr::Lookup { set, from: register(0), to: None, not });
        Some(())
    }

    /// The name of a set: as it is told, or that of a new one. Turns around what its keys need turned.
    pub(super) fn set_of(&mut self, json: &Value, mut shape: Shape) -> Option<ByteText> {
        let (name, interval) = match json.as_str().and_then(|text| text.strip_prefix('@')) {
            Some(name) => {
                let name = ByteText::from(name);
                let interval = self.known.get(&name)?.is(Set::INTERVAL);
                (Some(name), interval)
            }
            None => (None, only(json, "set")?.as_array()?.iter().any(is_interval)),
        };
        shape.interval = interval;
        if interval {
            let mut word = 0;
            for part in &shape.key {
                self.order(register(word), *part)?;
                word += part.padded() / 4;
            }
        }
        match name {
            Some(name) => Some(name),
            None => self.anonymous(only(json, "set")?.as_array()?, &shape),
        }
    }

    fn anonymous(&mut self, list: &[Value], shape: &Shape) -> Option<ByteText> {
        let ranged = |pair: &Value| pair.as_array().and_then(|pair| pair.get(1)).is_some_and(is_interval);
        let data_interval = shape.data.len() == 1 && list.iter().any(ranged);
        let shape = Shape { data_interval, ..shape.clone() };
        let (word, counter) = if shape.object.is_some() {
            ("__objmap", &mut self.names.2)
        } else if shape.verdicts || !shape.data.is_empty() {
            ("__map", &mut self.names.1)
        } else {
            ("__set", &mut self.names.0)
        };
        let name = ByteText::from(format!("{word}{counter}"));
        *counter += 1;
        let mut set = shape.set(self.table, name.clone(), Set::ANONYMOUS | Set::CONSTANT)?;
        let elements = shape.elements(list)?;
        // nft makes room for just those.
        set.size = u32::try_from(elements.len()).ok();
        self.sets.push((set, elements));
        Some(name)
    }

    /// `vmap`
    pub(super) fn verdict_map(&mut self, inner: &Value) -> Option<()> {
        let key = inner.get("key")?;
        self.depend_on(key)?;
        let parts = self.load(key, 0)?;
        let set = self.set_of(inner.get("data")?, Shape { key: parts, verdicts: true, ..Shape::default() })?;
        self.out.push(Expr::Lookup { set, from: register(0), to: Some(Register::VERDICT), not: false });
        Some(())
    }

    /// `map`: what it gives stands in register 1 then; says how many bytes.
    pub(super) fn map(&mut self, inner: &Value, data: &[Part]) -> Option<usize> {
        let key = inner.get("key")?;
        self.depend_on(key)?;
        let parts = self.load(key, 0)?;
        let shape = Shape { key: parts, data: data.to_vec(), ..Shape::default() };
        let set = self.set_of(inner.get("data")?, shape)?;
        let made = self.sets.iter().map(|(set, _)| set).find(|found| found.id.name == set);
        let length = made.or_else(|| self.known.get(&set))?.data_length?;
        self.out.push(Expr::Lookup { set, from: register(0), to: Some(register(0)), not: false });
        usize::try_from(length).ok()
    }
}

/// Whether nft would ask for both at once.
fn joins(before: &Last, base: PayloadBase, offset: u32, length: u32) -> bool {
    let most = if base == PayloadBase::Link { 16 } else { 4 };
    before.base == base && before.end == offset && before.length.saturating_add(length) <= most
}

fn is_set(json: &Value) -> bool {
    only(json, "set").is_some() || json.as_str().is_some_and(|text| text.starts_with('@'))
}

/// The beginning of a name that may go on in any way.
fn open_name(part: Part, json: &Value) -> Option<Vec<u8>> {
    let stem = json.as_str().filter(|_| part.kind.is_text())?.strip_suffix('*')?;
    (!stem.ends_with('\\') && !stem.is_empty() && stem.len() < part.bytes()).then(|| stem.as_bytes().to_vec())
}
