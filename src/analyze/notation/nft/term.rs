//! What a register holds, as a tree of where it came from.
//!
//! May import model only.

use crate::model::netfilter::expr::{Direction, PayloadBase, Register};
use crate::model::text::{ByteText, Bytes};

/// What a register holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Term {
    /// Packet bytes; offset and length in bits.
    Payload { base: PayloadBase, offset: u32, bits: u32 },
    /// What the kernel knows of the packet.
    Meta(u32),
    /// What it knows of the flow.
    Ct { key: u32, direction: Option<Direction> },
    /// What the routes say.
    Fib { result: u32, flags: u32 },
    /// What the packet's route says.
    Rt(u32),
    /// What its socket says.
    Socket(u32),
    /// An option or extension header.
    Exthdr { kind: u8, offset: u32, length: u32, flags: u32, op: u32 },
    /// A number, made.
    Numgen { modulus: u32, random: bool, offset: u32 },
    /// A number, made from something.
    Hash { of: Option<Box<Term>>, modulus: u32, seed: Option<u32>, offset: u32 },
    /// A constant.
    Value(Bytes),
    /// `(of & and) ^ xor`
    Masked { of: Box<Term>, and: Bytes, xor: Bytes },
    /// `of << by` or `of >> by`
    Shifted { of: Box<Term>, left: bool, by: u32 },
    /// Turned around.
    Swapped(Box<Term>),
    /// What a map gives.
    Map { key: Box<Term>, set: ByteText },
    /// Several, one behind the other.
    Concat(Vec<Term>),
}

/// A term, how long it is, and which expressions of the rule made it.
#[derive(Debug, Clone)]
pub(super) struct Held {
    /// The term.
    pub term: Term,
    /// Bytes.
    pub length: usize,
    /// Places in the rule.
    pub from: Vec<usize>,
}

/// The registers: sixteen of four bytes each.
#[derive(Debug, Clone, Default)]
pub(super) struct Registers {
    slots: [Option<Held>; 16],
}

/// Which four bytes a register begins with.
fn slot(register: Register) -> Option<usize> {
    register.offset().map(|offset| offset / 4)
}

impl Registers {
    /// Puts a term into a register; what it overwrites is gone.
    pub(super) fn put(&mut self, register: Register, held: Held) -> Option<()> {
        let first = slot(register)?;
        let words = held.length.div_ceil(4).max(1);
        for (at, place) in self.slots.iter_mut().enumerate() {
            let ends = place.as_ref().map_or(at, |old| at + old.length.div_ceil(4).max(1));
            if at < first + words && first < ends {
                *place = None;
            }
        }
        *self.slots.get_mut(first)? = Some(held);
        Some(())
    }

    /// What a register holds, at least `length` bytes: where the first term is shorter, with those behind it.
    pub(super) fn get(&self, register: Register, length: usize) -> Option<Held> {
        let mut at = slot(register)?;
        let first = self.slots.get(at)?.as_ref()?;
        if first.length.next_multiple_of(4) >= length {
            return Some(first.clone());
        }
        let (mut parts, mut from, mut have) = (Vec::new(), Vec::new(), 0);
        while have < length {
            let next = self.slots.get(at)?.as_ref()?;
            let size = next.length.next_multiple_of(4).max(4);
            at += size / 4;
            have += size;
            from.extend(&next.from);
            match &next.term {
                Term::Concat(inner) => parts.extend(inner.iter().cloned()),
                term => parts.push(term.clone()),
            }
        }
        Some(Held { term: Term::Concat(parts), length: have, from })
    }

    /// The term that begins at a register.
    pub(super) fn at(&self, register: Register) -> Option<Held> {
        self.get(register, 0)
    }
}
