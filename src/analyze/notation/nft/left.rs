//! What a term is called.
//!
//! May import model only.

use std::fmt::Write as _;

use super::protocols::{Known, Layer, layer};
use super::term::Term;
use super::value::{Part, number, value};
use super::writer::Writer;
use crate::model::netfilter::expr::{Direction, PayloadBase};
use crate::model::netfilter::words::key;
use crate::model::netfilter::words::kind::Kind;
use crate::model::netfilter::words::packet::{Field, Header};
use crate::model::text::Bytes;

/// A term in words.
#[derive(Debug, Clone)]
pub(super) struct Named {
    /// How it is written.
    pub text: String,
    /// What its value is made of.
    pub parts: Vec<Part>,
    /// Whether it is a calculation, behind which `==` is written.
    pub calculated: bool,
}

impl Named {
    fn plain(text: impl Into<String>, part: Part) -> Self {
        Self { text: text.into(), parts: vec![part], calculated: false }
    }

    /// Its value, where it is one.
    pub(super) fn part(&self) -> Option<Part> {
        match self.parts.as_slice() {
            [part] => Some(*part),
            _ => None,
        }
    }
}

/// `and`, `xor` and `or` as nft takes a mask apart.
pub(super) struct Bits {
    pub and: Option<Vec<u8>>,
    pub xor: Option<Vec<u8>>,
    pub or: Option<Vec<u8>>,
}

impl Bits {
    pub(super) fn of(mask: &Bytes, flip: &Bytes) -> Self {
        let pairs = || mask.0.iter().zip(&flip.0);
        let or: Vec<u8> = pairs().map(|(mask, flip)| !mask & flip).collect();
        let xor: Vec<u8> = pairs().map(|(mask, flip)| mask & flip).collect();
        let and: Vec<u8> = mask.0.iter().zip(&or).map(|(mask, or)| mask | or).collect();
        let some = |bytes: Vec<u8>, nothing: u8| bytes.iter().any(|byte| *byte != nothing).then_some(bytes);
        Self { and: some(and, 0xff), xor: some(xor, 0), or: some(or, 0) }
    }
}

impl Writer<'_> {
    /// The name of a term; `None` where podnet has none for it.
    pub(super) fn name(&mut self, term: &Term) -> Option<Named> {
        match term {
            Term::Payload { base, offset, bits } => Some(self.payload(*base, *offset, *bits)),
            Term::Meta(number) => {
                let key = key::meta(*number)?;
                let bare = if key::is_bare(*number) { "" } else { "meta " };
                Some(Named::plain(format!("{bare}{}", key.name), Part::new(key.kind, key.host, key.bits)))
            }
            Term::Ct { key, direction } => self.ct(*key, *direction),
            Term::Fib { result, flags } => fib(*result, *flags),
            Term::Rt(number) => {
                let key = key::rt(*number)?;
                Some(Named::plain(format!("rt {}", key.name), Part::new(key.kind, key.host, key.bits)))
            }
            Term::Socket(number) => {
                let key = key::socket(*number)?;
                Some(Named::plain(format!("socket {}", key.name), Part::new(key.kind, key.host, key.bits)))
            }
            Term::Exthdr { kind, offset, length, flags, op } => self.exthdr(*kind, *offset, *length, *flags, *op),
            Term::Numgen { modulus, random, offset } => {
                let mut text = format!("numgen {} mod {modulus}", if *random { "random" } else { "inc" });
                more(&mut text, " offset ", *offset);
                Some(Named::plain(text, Part::new(Kind::Integer, true, 32)))
            }
            Term::Hash { of, modulus, seed, offset } => {
                let mut text = match of {
                    Some(of) => format!("jhash {} mod {modulus}", self.name(of)?.text),
                    None => format!("symhash mod {modulus}"),
                };
                if let Some(seed) = seed.filter(|seed| *seed != 0) {
                    let _ = write!(text, " seed 0x{seed:x}");
                }
                more(&mut text, " offset ", *offset);
                Some(Named::plain(text, Part::new(Kind::Integer, true, 32)))
            }
            Term::Masked { of, and, xor } => self.masked(of, and, xor),
            Term::Shifted { of, left, by } => {
                let inner = self.name(of)?;
                let text = if inner.calculated { format!("({})", inner.text) } else { inner.text };
                let arrow = if *left { "<<" } else { ">>" };
                Some(Named { text: format!("{text} {arrow} {by}"), parts: inner.parts, calculated: true })
            }
            Term::Swapped(of) => {
                let mut named = self.name(of)?;
                for part in &mut named.parts {
                    part.host = !part.host;
                }
                named.calculated = false;
                Some(named)
            }
            Term::Concat(terms) => {
                let named = terms.iter().map(|term| self.name(term)).collect::<Option<Vec<_>>>()?;
                Some(Named {
                    text: named.iter().map(|part| part.text.as_str()).collect::<Vec<_>>().join(" . "),
                    parts: named.into_iter().flat_map(|part| part.parts).collect(),
                    calculated: false,
                })
            }
            Term::Value(_) | Term::Map { .. } => None,
        }
    }

    /// A field by its place, or the place itself; what the question implies is left out.
    fn payload(&mut self, base: PayloadBase, offset: u32, bits: u32) -> Named {
        if let Some((header, field)) = self.whole_field(base, offset, bits) {
            self.implied_by_field(header, field);
            return field_named(header, field);
        }
        raw(base, offset, bits)
    }

    /// The field that is exactly there.
    pub(super) fn whole_field(&self, base: PayloadBase, offset: u32, bits: u32) -> Option<(Header, &'static Field)> {
        let (header, at) = self.protocols.header(base, offset)?;
        let fits = |field: &&Field| field.offset == at && field.bits == bits && self.protocols.has(field);
        header.fields().iter().find(fits).map(|field| (header, field))
    }

    /// Takes out the question that one about this field implies.
    pub(super) fn implied_by_field(&mut self, header: Header, field: &Field) {
        if let Some(piece) = self.protocols.field(header, field) {
            self.remove(piece);
        }
    }

    fn ct(&mut self, number: u32, direction: Option<Direction>) -> Option<Named> {
        let key = key::ct(number)?;
        let (name, kind, bits) = match (number, self.protocols.network()) {
            // The old form, whose length depends on the family.
            (8, Known::Is(Header::Ip)) => ("ip saddr", Kind::Ipv4, 32),
            (9, Known::Is(Header::Ip)) => ("ip daddr", Kind::Ipv4, 32),
            (8, Known::Is(Header::Ip6)) => ("ip6 saddr", Kind::Ipv6, 128),
            (9, Known::Is(Header::Ip6)) => ("ip6 daddr", Kind::Ipv6, 128),
            (8 | 9, _) => return None,
            _ => (key.name, key.kind, key.bits),
        };
        let way = match direction {
            None => "",
            Some(Direction::Original) => "original ",
            Some(Direction::Reply) => "reply ",
        };
        Some(Named::plain(format!("ct {way}{name}"), Part::new(kind, key.host, bits)))
    }

    fn exthdr(&mut self, kind: u8, offset: u32, length: u32, flags: u32, op: u32) -> Option<Named> {
        let there = flags & 1 != 0;
        let name = super::option::name(kind, offset.checked_mul(8)?, length.checked_mul(8)?, there, op)?;
        let layer = match op {
            1 => Some(Layer::Transport),
            0 | 2 => Some(Layer::Network),
            _ => None,
        };
        if let Some(piece) = layer.and_then(|layer| self.protocols.option(layer)) {
            self.remove(piece);
        }
        let part = if there { Part::of(Kind::Boolean) } else { Part::new(name.1, false, length * 8) };
        Some(Named::plain(name.0, part))
    }

    /// A masked term: a field shorter than a byte, or a calculation.
    fn masked(&mut self, of: &Term, and: &Bytes, xor: &Bytes) -> Option<Named> {
        let bits = Bits::of(and, xor);
        if let (Term::Payload { base, offset, bits: length }, Some(mask), None, None) =
            (of, &bits.and, &bits.xor, &bits.or)
            && let Some((header, field, shift)) = self.trimmed(*base, *offset, *length, mask)
        {
            self.implied_by_field(header, field);
            let mut named = field_named(header, field);
            for part in &mut named.parts {
                part.shift = shift;
            }
            return Some(named);
        }
        let inner = self.name(of)?;
        let part = inner.part().filter(|part| part.kind != Kind::Hex)?;
        let mut text = if inner.calculated { format!("({})", inner.text) } else { inner.text };
        for (sign, bytes) in [("&", &bits.and), ("^", &bits.xor), ("|", &bits.or)] {
            if let Some(bytes) = bytes {
                let _ = write!(text, " {sign} {}", self.operand(part, bytes)?);
            }
        }
        Some(Named { text, parts: vec![part], calculated: true })
    }

    /// A constant in a calculation.
    fn operand(&self, part: Part, bytes: &[u8]) -> Option<String> {
        let text = value(part, bytes, self.contents)?;
        Some(if text.contains(" | ") { format!("({text})") } else { text })
    }

    /// The field that a mask leaves of some packet bytes, and how far left it stands.
    pub(super) fn trimmed(
        &self,
        base: PayloadBase,
        offset: u32,
        bits: u32,
        mask: &[u8],
    ) -> Option<(Header, &'static Field, u32)> {
        let mask = number(mask, false)?;
        let shift = mask.trailing_zeros();
        let width = mask.checked_shr(shift)?.trailing_ones();
        if mask == 0 || mask.checked_shr(shift + width).unwrap_or(0) != 0 || width == bits {
            return None;
        }
        let at = offset.checked_add(bits.checked_sub(shift + width)?)?;
        let (header, field) = self.whole_field(base, at, width)?;
        Some((header, field, shift))
    }
}

/// A field in words.
pub(super) fn field_named(header: Header, field: &Field) -> Named {
    Named::plain(format!("{} {}", header.name(), field.name), Part::new(field.kind, false, field.bits))
}

/// Packet bytes that have no name.
pub(super) fn raw(base: PayloadBase, offset: u32, bits: u32) -> Named {
    if layer(base) == Some(Layer::Transport) && bits == 16 && matches!(offset, 0 | 16) {
        let name = if offset == 0 { "th sport" } else { "th dport" };
        return Named::plain(name, Part::new(Kind::Service, false, 16));
    }
    let base = match base {
        PayloadBase::Link => "ll",
        PayloadBase::Network => "nh",
        PayloadBase::Transport => "th",
        PayloadBase::Inner => "ih",
        PayloadBase::Tunnel => "tun",
    };
    Named::plain(format!("@{base},{offset},{bits}"), Part::new(Kind::Hex, false, bits))
}

fn fib(result: u32, flags: u32) -> Option<Named> {
    let there = flags & key::FIB_PRESENT != 0;
    let asked = flags & !key::FIB_PRESENT;
    if key::FIB_FLAGS.iter().fold(asked, |rest, (bit, _)| rest & !bit) != 0 {
        return None;
    }
    let (_, name, kind) = key::FIB_RESULTS.iter().find(|row| row.0 == result)?;
    let what: Vec<&str> = key::FIB_FLAGS.iter().filter(|(bit, _)| asked & bit != 0).map(|(_, name)| *name).collect();
    let part = if there { Part::new(Kind::Boolean, true, 32) } else { Part::of(*kind) };
    Some(Named::plain(format!("fib {} {name}", what.join(" . ")), part))
}

fn more(text: &mut String, word: &str, number: u32) {
    if number != 0 {
        let _ = write!(text, "{word}{number}");
    }
}
