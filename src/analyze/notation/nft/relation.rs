//! Comparisons, ranges and look-ups.
//!
//! May import model only.

use super::left::{Named, field_named, raw};
use super::protocols::layer;
use super::term::{Held, Term};
use super::value::{Part, bits, mask_length, number, value};
use super::writer::{Half, Writer};
use crate::model::netfilter::expr::{Compare, PayloadBase};
use crate::model::netfilter::set::Set;
use crate::model::netfilter::words::kind::Kind;
use crate::model::netfilter::words::packet::Header;
use crate::model::text::ByteText;

/// An operator as it is written; equality only where nft does so.
fn sign(op: Compare, equals: bool) -> &'static str {
    match op {
        Compare::Eq if equals => "== ",
        Compare::Eq => "",
        Compare::Neq => "!= ",
        Compare::Lt => "< ",
        Compare::Lte => "<= ",
        Compare::Gt => "> ",
        Compare::Gte => ">= ",
    }
}

impl Writer<'_> {
    /// `cmp`
    pub(super) fn compare(&mut self, held: &Held, op: Compare, bytes: &[u8]) -> Option<()> {
        match (&held.term, op) {
            (Term::Payload { base, offset, bits }, Compare::Eq | Compare::Neq) => {
                return self.compare_fields(*base, *offset, *bits, op, bytes);
            }
            (Term::Masked { of, and, xor }, Compare::Eq | Compare::Neq)
                if xor.0.iter().all(|byte| *byte == 0) && self.compare_masked(of, &and.0, op, bytes)? =>
            {
                return Some(());
            }
            _ => {}
        }
        let named = self.name(&held.term)?;
        let part = named.part()?;
        let right = match bytes.len() {
            length if part.kind.is_text() || length == part.bytes() => value(part, bytes, self.contents)?,
            // An address is compared as far as its prefix goes.
            length if part.kind.has_prefixes() && length < part.bytes() && matches!(op, Compare::Eq | Compare::Neq) => {
                let mut whole = bytes.to_vec();
                whole.resize(part.bytes(), 0);
                format!("{}/{}", value(part, &whole, self.contents)?, length * 8)
            }
            _ => return None,
        };
        match op {
            Compare::Gte => {
                let half = Half { left: named.text.clone(), right: right.clone() };
                let piece = self.push(format!("{} >= {right}", named.text));
                self.half = Some((piece, half));
                return Some(());
            }
            Compare::Lte => {
                if let Some((piece, half)) = self.half.take()
                    && half.left == named.text
                    && piece + 1 == self.pieces()
                {
                    self.replace(piece, format!("{} {}-{right}", named.text, half.right));
                    return Some(());
                }
            }
            _ => {}
        }
        // More bits than one are a calculation to nft, and speak for themselves.
        let equals = named.calculated || (part.kind.is_bits() && !right.contains(" | "));
        let piece = self.push(format!("{} {}{right}", named.text, sign(op, equals)));
        if let (Term::Meta(key), Compare::Eq) = (&held.term, op)
            // Names, which are longer, imply nothing.
            && let Some(wants) = number(bytes, part.host).and_then(|wants| u32::try_from(wants).ok())
            && let Some(implied) = self.protocols.meta(*key, wants, piece)
        {
            self.remove(implied);
        }
        Some(())
    }

    /// Packet bytes and a number: one question for each field that is in them.
    fn compare_fields(&mut self, base: PayloadBase, offset: u32, length: u32, op: Compare, bytes: &[u8]) -> Option<()> {
        if bytes.len() * 8 != usize::try_from(length).ok()? {
            return None;
        }
        let whole = number(bytes, false)?;
        let (mut at, mut rest) = (offset, length);
        let mut found = Vec::new();
        if let Some((header, start)) = self.protocols.header(base, offset) {
            let mut place = start;
            for field in header.fields() {
                if rest == 0 {
                    break;
                }
                if field.offset == place && self.protocols.has(field) {
                    let taken = field.bits.min(rest);
                    let wanted = low(whole >> (rest - taken), taken) << (field.bits - taken);
                    found.push((header, field, wanted, taken));
                    place += taken;
                    at += taken;
                    rest -= taken;
                }
            }
        }
        if found.len() + usize::from(rest > 0) > 1 && op != Compare::Eq {
            return None;
        }
        for (header, field, wanted, taken) in found {
            self.compare_field(header, field, wanted, taken, op)?;
        }
        if rest > 0 {
            let named = raw(base, at, rest);
            let right = self.wanted(named.part()?, low(whole, rest))?;
            self.push(format!("{} {}{right}", named.text, sign(op, false)));
        }
        Some(())
    }

    fn compare_field(
        &mut self,
        header: Header,
        field: &'static super::Field,
        wanted: u128,
        taken: u32,
        op: Compare,
    ) -> Option<()> {
        let named = field_named(header, field);
        let part = named.part()?;
        let mut right = if field.kind.is_bits() { format!("0x{wanted:x}") } else { self.wanted(part, wanted)? };
        if taken < field.bits {
            if !field.kind.has_prefixes() {
                return None;
            }
            right = format!("{right}/{taken}");
        }
        self.implied_by_field(header, field);
        let piece = self.push(format!("{} {}{right}", named.text, sign(op, field.kind.is_bits())));
        if op == Compare::Eq {
            self.protocols.field_is(header, field, u32::try_from(wanted & 0xffff_ffff).ok()?, piece);
        }
        Some(())
    }

    /// A number in the form of its kind.
    fn wanted(&self, part: Part, wanted: u128) -> Option<String> {
        let length = usize::try_from(part.bits.div_ceil(8)).ok()?;
        let bytes = wanted.to_be_bytes();
        value(Part { host: false, ..part }, bytes.get(16_usize.checked_sub(length)?..)?, self.contents)
    }

    /// `left & mask` and a number, where nft has a form of its own for it; says whether it has.
    fn compare_masked(&mut self, of: &Term, mask: &[u8], op: Compare, bytes: &[u8]) -> Option<bool> {
        let named = match of {
            Term::Payload { base, offset, bits } => match self.whole_field(*base, *offset, *bits) {
                Some((header, field)) => field_named(header, field),
                None => return self.compare_trimmed(*base, *offset, *bits, mask, op, bytes),
            },
            Term::Meta(_) | Term::Ct { .. } => self.name(of)?,
            _ => return Some(false),
        };
        let part = named.part()?;
        if part.bytes() != bytes.len() || mask.len() != bytes.len() {
            return None;
        }
        if !part.kind.is_bits() && !part.kind.has_prefixes() {
            return Some(false);
        }
        let (wanted, set) = (number(bytes, part.host)?, number(mask, part.host)?);
        let text = if part.kind.is_bits() {
            let list = |number: u128| bits(part.kind, number).join(",");
            match (wanted, op) {
                (0, Compare::Neq) => format!("{} {}", named.text, list(set)),
                (0, _) => format!("{} ! {}", named.text, list(set)),
                _ if wanted == set && set.is_power_of_two() => return Some(false),
                _ => format!("{} {}{} / {}", named.text, sign(op, false), list(wanted), list(set)),
            }
        } else {
            let Some(length) = mask_length(mask) else { return Some(false) };
            format!("{} {}{}/{length}", named.text, sign(op, false), value(part, bytes, self.contents)?)
        };
        if let Term::Payload { base, offset, bits } = of {
            let (header, field) = self.whole_field(*base, *offset, *bits)?;
            self.implied_by_field(header, field);
        }
        self.push(text);
        Some(true)
    }

    /// A field shorter than its bytes.
    fn compare_trimmed(
        &mut self,
        base: PayloadBase,
        offset: u32,
        length: u32,
        mask: &[u8],
        op: Compare,
        bytes: &[u8],
    ) -> Option<bool> {
        let Some((header, field, shift)) = self.trimmed(base, offset, length, mask) else { return Some(false) };
        let wanted = number(bytes, false)?;
        if bytes.len() != mask.len() || wanted & !number(mask, false)? != 0 {
            return None;
        }
        self.compare_field(header, field, wanted >> shift, field.bits, op)?;
        Some(true)
    }

    /// `range`
    pub(super) fn in_range(&mut self, held: &Held, not: bool, min: &[u8], max: &[u8]) -> Option<()> {
        let named = self.name(&held.term)?;
        let part = named.part()?;
        if part.bytes() != min.len() || min.len() != max.len() {
            return None;
        }
        let ends = [min, max].map(|end| value(part, end, self.contents));
        let [Some(min), Some(max)] = ends else { return None };
        let sign = if not { "!= " } else { "" };
        self.push(format!("{} {sign}{min}-{max}", named.text));
        Some(())
    }

    /// `lookup` that only asks whether a key is there.
    pub(super) fn is_in(&mut self, held: &Held, set: &ByteText, not: bool) -> Option<()> {
        let named = self.name(&held.term)?;
        let listed = self.set_text(set, &named, &[])?;
        self.remember_message(held, set, &named);
        let sign = match (not, named.calculated) {
            (true, _) => "!= ",
            (false, true) => "== ",
            (false, false) => "",
        };
        self.push(format!("{} {sign}{listed}", named.text));
        Some(())
    }

    /// nft takes the first of some ICMP types for the one whose fields follow.
    fn remember_message(&mut self, held: &Held, set: &ByteText, named: &Named) {
        let is_type = named.part().is_some_and(|part| matches!(part.kind, Kind::IcmpType | Kind::Icmpv6Type));
        let Term::Payload { base, .. } = &held.term else { return };
        if !is_type || layer(*base).is_none() {
            return;
        }
        if let Some(set) = self.contents.set(set).filter(|set| set.is(Set::ANONYMOUS)) {
            let elements = self.contents.elements(&set.id.name);
            if let Some(first) = elements.value.first().and_then(|element| element.key.0.first()) {
                self.protocols.message_in(*first);
            }
        }
    }
}

/// The lowest bits of a number.
fn low(number: u128, bits: u32) -> u128 {
    if bits >= 128 { number } else { number & ((1 << bits) - 1) }
}
