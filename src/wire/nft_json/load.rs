//! What is asked for: fields, keys, calculations, concatenations, into registers.
//!
//! May import model only.

use serde_json::Value;

use super::compile::{Rule, register};
use super::value::{Part, count, only, value};
use crate::model::netfilter::expr::{BitwiseOp, Direction, Expr, PayloadBase};
use crate::model::netfilter::table::Family;
use crate::model::netfilter::words::kind::Kind;
use crate::model::netfilter::words::packet::{Field, Header};
use crate::model::netfilter::words::{key, option};
use crate::model::text::Bytes;

/// Where the bytes of a field are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub base: PayloadBase,
    /// The first byte.
    pub offset: u32,
    /// Bytes.
    pub length: u32,
    pub part: Part,
}

/// The header and field that a `payload` names.
pub(super) fn named_field(json: &Value) -> Option<(Header, &'static Field)> {
    let payload = only(json, "payload")?;
    let header = Header::named(payload.get("protocol")?.as_str()?)?;
    Some((header, header.field(payload.get("field")?.as_str()?)?))
}

/// Where a field is.
pub(super) fn place(header: Header, field: &Field) -> Place {
    let start = header.start() + field.offset;
    let length = (start % 8 + field.bits).div_ceil(8);
    let shift = length * 8 - start % 8 - field.bits;
    let part = Part { kind: field.kind, host: false, bits: field.bits, shift };
    Place { base: header.base(), offset: start / 8, length, part }
}

impl Place {
    /// The mask that leaves only the field of its bytes, where there is more in them.
    pub(super) fn mask(self) -> Option<Vec<u8>> {
        if self.part.bits == self.length * 8 {
            return None;
        }
        let ones = 1_u128.checked_shl(self.part.bits)?.checked_sub(1)?;
        let whole = Part { bits: self.length * 8, shift: 0, host: false, ..self.part };
        whole.number(ones.checked_shl(self.part.shift)?)
    }
}

fn raw_place(payload: &Value) -> Option<Place> {
    let base = match payload.get("base")?.as_str()? {
        "ll" => PayloadBase::Link,
        "nh" => PayloadBase::Network,
        "th" => PayloadBase::Transport,
        "ih" => PayloadBase::Inner,
        _ => return None,
    };
    let number = |name: &str| count(payload.get(name)).and_then(|bits| u32::try_from(bits).ok());
    let (offset, bits) = (number("offset")?, number("len")?);
    let whole = offset.is_multiple_of(8) && bits.is_multiple_of(8) && (8..=128).contains(&bits);
    let part = Part::new(Kind::Integer, false, bits);
    whole.then_some(Place { base, offset: offset / 8, length: bits / 8, part })
}

impl Rule<'_> {
    /// Asks for all that an expression depends on, before any of it is loaded.
    pub(super) fn depend_on(&mut self, json: &Value) -> Option<()> {
        match json {
            Value::Object(object) => {
                if let Some((header, field)) = named_field(json) {
                    self.depend(header)?;
                    self.depend_message(field);
                    return Some(());
                }
                for (name, inner) in object {
                    match name.as_str() {
                        "exthdr" => self.depend_network(Header::Ip6)?,
                        "ip option" => self.depend_network(Header::Ip)?,
                        _ => {}
                    }
                    // What is in a set depends on nothing.
                    if name != "set" && name != "data" {
                        self.depend_on(inner)?;
                    }
                }
                Some(())
            }
            Value::Array(list) => list.iter().try_for_each(|inner| self.depend_on(inner)),
            _ => Some(()),
        }
    }

    /// The same for ports alone: nft wants them asked for before they are given.
    pub(super) fn depend_on_ports(&mut self, json: &Value) -> Option<()> {
        let parts = only(json, "concat").and_then(Value::as_array).map_or(std::slice::from_ref(json), Vec::as_slice);
        let headers = parts.iter().filter_map(named_field).map(|(header, _)| header);
        let mut transport = headers.filter(|header| header.base() == PayloadBase::Transport);
        transport.try_for_each(|header| self.depend(header))
    }

    /// Loads an expression to a register; gives what its value is made of. At most 64 bytes fit.
    pub(super) fn load(&mut self, json: &Value, word: usize) -> Option<Vec<Part>> {
        if word >= 16 {
            return None;
        }
        if let Some(list) = only(json, "concat") {
            let mut parts = Vec::new();
            let mut at = word;
            for inner in list.as_array()? {
                let loaded = self.load_one(inner, at)?;
                at += loaded.padded() / 4;
                parts.push(loaded);
            }
            return (at <= 16 && !parts.is_empty()).then_some(parts);
        }
        Some(vec![self.load_one(json, word)?])
    }

    /// Loads one value.
    pub(super) fn load_one(&mut self, json: &Value, word: usize) -> Option<Part> {
        let object = json.as_object().filter(|object| object.len() == 1)?;
        let (name, inner) = object.iter().next()?;
        let to = register(word);
        match name.as_str() {
            "payload" => {
                let found = match named_field(json) {
                    Some((header, field)) => place(header, field),
                    None => raw_place(inner)?,
                };
                self.out.push(Expr::Payload { to, base: found.base, offset: found.offset, length: found.length });
                if let Some(mask) = found.mask() {
                    self.mask(word, mask, None)?;
                }
                Some(found.part)
            }
            "meta" => {
                let key = key::meta_named(inner.get("key")?.as_str()?)?;
                self.out.push(Expr::Meta { to, key: key.number });
                Some(Part::new(key.kind, key.host, key.bits))
            }
            "ct" => self.load_ct(inner, word),
            "rt" => {
                let name = match (inner.get("family").and_then(Value::as_str), inner.get("key")?.as_str()?) {
                    (Some(family), name) => format!("{family} {name}"),
                    (None, name) => name.to_owned(),
                };
                let key = key::rt_named(&name)?;
                self.out.push(Expr::Rt { to, key: key.number });
                Some(Part::new(key.kind, key.host, key.bits))
            }
            "socket" => {
                let key = key::socket_named(inner.get("key")?.as_str()?)?;
                self.out.push(Expr::Socket { to, key: key.number, level: None });
                Some(Part::new(key.kind, key.host, key.bits))
            }
            "fib" => self.load_fib(inner, word, false),
            "exthdr" | "tcp option" | "ip option" | "sctp chunk" => {
                let field = inner.get("field").and_then(Value::as_str);
                let found = option::place(name, inner.get("name")?.as_str()?, field)?;
                let there = u32::from(field.is_none());
                let (offset, length) = (found.offset / 8, found.bits / 8);
                self.out.push(Expr::Exthdr {
                    to: Some(to),
                    from: None,
                    kind: found.option,
                    offset,
                    length,
                    flags: there,
                    op: found.op,
                });
                Some(Part::new(found.kind, there != 0, found.bits))
            }
            "numgen" => {
                let number = |name: &str| count(inner.get(name)).and_then(|number| u32::try_from(number).ok());
                let random = match inner.get("mode")?.as_str()? {
                    "random" => true,
                    "inc" => false,
                    _ => return None,
                };
                let offset = number("offset").unwrap_or(0);
                self.out.push(Expr::Numgen { to, modulus: number("mod")?, random, offset });
                Some(Part::new(Kind::Integer, true, 32))
            }
            "symhash" | "jhash" => self.load_hash(inner, name == "jhash", word),
            "&" | "|" | "^" | "<<" | ">>" => self.calculate(json, word),
            _ => None,
        }
    }

    fn load_ct(&mut self, inner: &Value, word: usize) -> Option<Part> {
        let key = key::ct_named(inner.get("key")?.as_str()?)?;
        let direction = match inner.get("dir").and_then(Value::as_str) {
            None => None,
            Some("original") => Some(Direction::Original),
            Some("reply") => Some(Direction::Reply),
            Some(_) => return None,
        };
        self.out.push(Expr::Ct { to: register(word), key: key.number, direction });
        match (key.bits, self.family) {
            // The old keys of addresses, which mean the family's own.
            (0, Family::Ip) => Some(Part::of(Kind::Ipv4)),
            (0, Family::Ip6) => Some(Part::of(Kind::Ipv6)),
            (0, _) => None,
            (bits, _) => Some(Part::new(key.kind, key.host, bits)),
        }
    }

    /// `fib`; with `there` only whether there is a route.
    pub(super) fn load_fib(&mut self, inner: &Value, word: usize, there: bool) -> Option<Part> {
        let name = inner.get("result")?.as_str()?;
        let (result, _, kind) = key::FIB_RESULTS.iter().find(|row| row.1 == name)?;
        let listed = match inner.get("flags")? {
            Value::Array(list) => list.iter().map(Value::as_str).collect::<Option<Vec<_>>>()?,
            Value::String(flag) => vec![flag.as_str()],
            _ => return None,
        };
        let mut flags = if there { key::FIB_PRESENT } else { 0 };
        for flag in listed {
            flags |= key::FIB_FLAGS.iter().find(|row| row.1 == flag)?.0;
        }
        self.out.push(Expr::Fib { to: register(word), result: *result, flags });
        Some(if there { Part::new(Kind::Boolean, true, 32) } else { Part::of(*kind) })
    }

    fn load_hash(&mut self, inner: &Value, of_something: bool, word: usize) -> Option<Part> {
        let number = |name: &str| count(inner.get(name)).and_then(|number| u32::try_from(number).ok());
        let (modulus, offset) = (number("mod")?, number("offset").unwrap_or(0));
        let to = register(word);
        let (from, length, seed) = if of_something {
            let at = word + 4;
            let parts = self.load(inner.get("expr")?, at)?;
            let length = parts.iter().map(|part| part.padded()).sum::<usize>();
            (Some(register(at)), u32::try_from(length).ok()?, number("seed"))
        } else {
            (None, 0, None)
        };
        self.out.push(Expr::Hash { from, to, length, modulus, seed, offset });
        Some(Part::new(Kind::Integer, true, 32))
    }

    /// `value & mask ^ xor` in a register.
    fn mask(&mut self, word: usize, mask: Vec<u8>, xor: Option<Vec<u8>>) -> Option<()> {
        let length = u32::try_from(mask.len()).ok()?;
        let xor = xor.unwrap_or_else(|| vec![0; mask.len()]);
        let (from, to) = (register(word), register(word));
        self.out.push(Expr::Bitwise {
            from,
            to,
            length,
            op: BitwiseOp::MaskXor { mask: Bytes(mask), xor: Bytes(xor) },
        });
        Some(())
    }

    /// A calculation: `&`, `|` and `^` behind one another are one expression, each shift is one of its own.
    fn calculate(&mut self, json: &Value, word: usize) -> Option<Part> {
        let mut steps = Vec::new();
        let mut inner = json;
        while let Some((sign, operands)) = inner.as_object().filter(|found| found.len() == 1)?.iter().next() {
            if !matches!(sign.as_str(), "&" | "|" | "^" | "<<" | ">>") || steps.len() > 16 {
                break;
            }
            let [of, with] = operands.as_array()?.as_slice() else { return None };
            steps.push((sign.as_str(), with));
            inner = of;
        }
        let part = self.load_one(inner, word)?;
        if part.shift != 0 {
            return None;
        }
        let length = part.bytes();
        let nothing = || (vec![0xff_u8; length], vec![0_u8; length]);
        let (mut and, mut xor) = nothing();
        let mut pending = false;
        for (sign, with) in steps.into_iter().rev() {
            if let "<<" | ">>" = sign {
                if std::mem::take(&mut pending) {
                    self.mask(word, and, Some(xor))?;
                    (and, xor) = nothing();
                }
                let by = u32::try_from(with.as_u64()?).ok()?;
                let op = if sign == "<<" { BitwiseOp::ShiftLeft(by) } else { BitwiseOp::ShiftRight(by) };
                let (from, to) = (register(word), register(word));
                self.out.push(Expr::Bitwise { from, to, length: u32::try_from(length).ok()?, op });
                continue;
            }
            pending = true;
            for ((and, xor), bits) in and.iter_mut().zip(xor.iter_mut()).zip(value(part, with)?) {
                match sign {
                    "&" => {
                        *and &= bits;
                        *xor &= bits;
                    }
                    "|" => {
                        *and &= !bits;
                        *xor = (*xor & !bits) | bits;
                    }
                    _ => *xor ^= bits,
                }
            }
        }
        if pending {
            self.mask(word, and, Some(xor))?;
        }
        Some(part)
    }
}
