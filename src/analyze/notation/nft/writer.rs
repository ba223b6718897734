//! Walks the expressions of a rule, keeps what each register holds, and writes a piece for each statement.
//!
//! May import model only.

use super::Contents;
use super::protocols::Protocols;
use super::raw;
use super::term::{Held, Registers, Term};
use crate::model::netfilter::expr::{BitwiseOp, Data, Expr, Register};
use crate::model::netfilter::set::Set;
use crate::model::netfilter::table::Family;

/// More expressions than any rule of the kernel's has (`NFT_RULE_MAXEXPRS` is 128): no calculation nests deeper.
const MOST: usize = 256;

/// The lower end of what may turn out to be a range.
#[derive(Debug, Clone)]
pub(super) struct Half {
    /// What is compared.
    pub left: String,
    /// With what.
    pub right: String,
}

/// The state at one place of a rule.
pub(super) struct Writer<'a> {
    pub(super) family: Family,
    pub(super) contents: &'a dyn Contents,
    pub(super) protocols: Protocols,
    /// The question before, where it asks for a lower end.
    pub(super) half: Option<(usize, Half)>,
    pieces: Vec<Option<String>>,
    registers: Registers,
    used: Vec<usize>,
    exact: bool,
}

impl<'a> Writer<'a> {
    pub(super) fn new(family: Family, contents: &'a dyn Contents) -> Self {
        Self {
            family,
            contents,
            protocols: Protocols::new(family),
            half: None,
            pieces: Vec::new(),
            registers: Registers::default(),
            used: Vec::new(),
            exact: true,
        }
    }

    /// All expressions of a rule.
    pub(super) fn walk(mut self, exprs: &[Expr]) -> (String, bool) {
        if exprs.len() > MOST {
            return (exprs.iter().map(raw::expr).collect::<Vec<_>>().join(" "), false);
        }
        for (place, expr) in exprs.iter().enumerate() {
            self.step(place, expr, exprs);
        }
        let pieces: Vec<String> = self.pieces.into_iter().flatten().collect();
        (pieces.join(" "), self.exact)
    }

    /// Adds a piece; gives its place.
    pub(super) fn push(&mut self, text: String) -> usize {
        self.pieces.push(Some(text));
        self.pieces.len() - 1
    }

    /// Takes a piece out.
    pub(super) fn remove(&mut self, piece: usize) {
        self.replace_with(piece, None);
    }

    /// Puts another piece in its place.
    pub(super) fn replace(&mut self, piece: usize, text: String) {
        self.replace_with(piece, Some(text));
    }

    fn replace_with(&mut self, piece: usize, text: Option<String>) {
        if let Some(place) = self.pieces.get_mut(piece) {
            *place = text;
        }
    }

    /// How many pieces there were.
    pub(super) fn pieces(&self) -> usize {
        self.pieces.len()
    }

    /// Adds a statement that is no question: what stands before it is not implied by what follows.
    pub(super) fn act(&mut self, text: String) {
        self.push(text);
        self.protocols.forget_questions();
    }

    /// What a register holds, as a term of at least `length` bytes.
    pub(super) fn get(&mut self, register: Register, length: usize) -> Option<Held> {
        let held = self.registers.get(register, length)?;
        self.used.extend(&held.from);
        Some(held)
    }

    /// The term that begins at a register.
    pub(super) fn at(&mut self, register: Register) -> Option<Held> {
        let held = self.registers.at(register)?;
        self.used.extend(&held.from);
        Some(held)
    }

    fn put(&mut self, to: Register, place: usize, mut from: Vec<usize>, length: u32, term: Term) -> Option<()> {
        from.push(place);
        from.sort_unstable();
        from.dedup();
        self.registers.put(to, Held { term, length: usize::try_from(length).ok()?, from })
    }

    /// One expression; what cannot be written as nft would is written as the kernel has it.
    fn step(&mut self, place: usize, expr: &Expr, exprs: &[Expr]) {
        let before = (self.pieces.clone(), self.protocols.clone(), self.half.clone());
        self.used.clear();
        if self.load(place, expr).or_else(|| self.state(expr)).is_some() {
            return;
        }
        (self.pieces, self.protocols, self.half) = before;
        let mut used = std::mem::take(&mut self.used);
        used.push(place);
        used.sort_unstable();
        used.dedup();
        for place in used {
            if let Some(expr) = exprs.get(place) {
                self.push(raw::expr(expr));
            }
        }
        // It may have written to any register, and may have any effect.
        self.registers = Registers::default();
        self.protocols.forget_questions();
        self.half = None;
        self.exact = false;
    }

    /// Expressions that fill a register.
    fn load(&mut self, place: usize, expr: &Expr) -> Option<()> {
        match expr {
            Expr::Immediate { to, data: Data::Value(bytes) } => {
                let length = u32::try_from(bytes.0.len()).ok()?;
                self.put(*to, place, Vec::new(), length, Term::Value(bytes.clone()))
            }
            Expr::Payload { to, base, offset, length } => {
                let term = Term::Payload { base: *base, offset: offset.checked_mul(8)?, bits: length.checked_mul(8)? };
                self.put(*to, place, Vec::new(), *length, term)
            }
            Expr::Meta { to, key } => {
                let bits = super::key::meta(*key)?.bits;
                self.put(*to, place, Vec::new(), bits.div_ceil(8), Term::Meta(*key))
            }
            Expr::Ct { to, key, direction } => {
                let bits = match super::key::ct(*key)?.bits {
                    0 if self.family == Family::Ip6 => 128,
                    0 => 32,
                    bits => bits,
                };
                let term = Term::Ct { key: *key, direction: *direction };
                self.put(*to, place, Vec::new(), bits.div_ceil(8), term)
            }
            Expr::Fib { to, result, flags } => {
                let length = if *result == 2 && flags & super::key::FIB_PRESENT == 0 { 16 } else { 4 };
                self.put(*to, place, Vec::new(), length, Term::Fib { result: *result, flags: *flags })
            }
            Expr::Rt { to, key } => {
                let bits = super::key::rt(*key)?.bits;
                self.put(*to, place, Vec::new(), bits.div_ceil(8), Term::Rt(*key))
            }
            Expr::Socket { to, key, level: None | Some(0) } => {
                let bits = super::key::socket(*key)?.bits;
                self.put(*to, place, Vec::new(), bits.div_ceil(8), Term::Socket(*key))
            }
            Expr::Exthdr { to: Some(to), from: None, kind, offset, length, flags, op } => {
                let term = Term::Exthdr { kind: *kind, offset: *offset, length: *length, flags: *flags, op: *op };
                self.put(*to, place, Vec::new(), *length, term)
            }
            Expr::Numgen { to, modulus, random, offset } => {
                let term = Term::Numgen { modulus: *modulus, random: *random, offset: *offset };
                self.put(*to, place, Vec::new(), 4, term)
            }
            _ => self.change(place, expr),
        }
    }

    /// Expressions that fill a register from another.
    fn change(&mut self, place: usize, expr: &Expr) -> Option<()> {
        match expr {
            Expr::Hash { from, to, length, modulus, seed, offset } => {
                let held = match from {
                    Some(from) => Some(self.get(*from, usize::try_from(*length).ok()?)?),
                    None => None,
                };
                let (of, made) = held.map_or((None, Vec::new()), |held| (Some(Box::new(held.term)), held.from));
                let term = Term::Hash { of, modulus: *modulus, seed: *seed, offset: *offset };
                self.put(*to, place, made, 4, term)
            }
            Expr::Bitwise { from, to, length, op } => {
                let held = self.get(*from, usize::try_from(*length).ok()?)?;
                let of = Box::new(held.term);
                let term = match op {
                    BitwiseOp::MaskXor { mask, xor } if mask.0.len() == xor.0.len() => {
                        Term::Masked { of, and: mask.clone(), xor: xor.clone() }
                    }
                    BitwiseOp::ShiftLeft(by) => Term::Shifted { of, left: true, by: *by },
                    BitwiseOp::ShiftRight(by) => Term::Shifted { of, left: false, by: *by },
                    _ => return None,
                };
                self.put(*to, place, held.from, *length, term)
            }
            Expr::Byteorder { from, to, length, .. } => {
                let held = self.get(*from, usize::try_from(*length).ok()?)?;
                self.put(*to, place, held.from, *length, Term::Swapped(Box::new(held.term)))
            }
            Expr::Lookup { set, from, to: Some(to), not: false } if *to != Register::VERDICT => {
                let found = self.contents.set(set)?;
                let held = self.get(*from, usize::try_from(found.key_length).ok()?)?;
                let term = Term::Map { key: Box::new(held.term), set: set.clone() };
                self.put(*to, place, held.from, found.data_length?, term)
            }
            _ => None,
        }
    }

    /// Expressions that are a statement.
    fn state(&mut self, expr: &Expr) -> Option<()> {
        let half = self.half.take();
        match expr {
            Expr::Immediate { to, data: Data::Verdict(verdict) } if *to == Register::VERDICT => {
                let text = super::value::verdict(verdict)?;
                self.push(text);
                Some(())
            }
            Expr::Cmp { from, op, value } => {
                let held = self.get(*from, 0)?;
                self.half = half;
                self.compare(&held, *op, &value.0)
            }
            Expr::Range { from, not, min, max } => {
                let held = self.get(*from, 0)?;
                self.in_range(&held, *not, &min.0, &max.0)
            }
            Expr::Lookup { set, from, to, not } => {
                // Even where the set is not there, it is known what was to be looked up.
                self.at(*from)?;
                let found = self.contents.set(set)?;
                let held = self.get(*from, usize::try_from(found.key_length).ok()?)?;
                match to {
                    None => self.is_in(&held, set, *not),
                    Some(Register::VERDICT) => {
                        let named = self.name(&held.term)?;
                        let listed = self.set_text(set, &named, &[])?;
                        self.push(format!("{} vmap {listed}", named.text));
                        Some(())
                    }
                    Some(_) => None,
                }
            }
            _ => self.action(expr),
        }
    }

    /// A set by its name, or, where it has none, by what is in it. `data`: what a map gives.
    pub(super) fn set_text(
        &mut self,
        name: &crate::model::text::ByteText,
        key: &super::left::Named,
        data: &[super::value::Part],
    ) -> Option<String> {
        let set = self.contents.set(name)?;
        if !set.is(Set::ANONYMOUS) {
            return Some(format!("@{name}"));
        }
        let elements = self.contents.elements(name);
        if !elements.issues.is_empty() {
            return None;
        }
        let listed = super::elements::Listing::new(&set, &key.parts, data, self.contents).all(&elements.value)?;
        self.exact &= listed.ordered;
        Some(format!("{{ {} }}", listed.texts.join(", ")))
    }
}
