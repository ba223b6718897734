//! The registers of nf_tables, with which of their bits are known.
//!
//! May import model only.

use crate::model::netfilter::expr::{Compare, Register};

/// How many bytes all registers have.
const SIZE: usize = 64;

/// Bytes of which some bits are known.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Value {
    pub bytes: Vec<u8>,
    /// A bit is set where the same bit of `bytes` is known; `bytes` is 0 elsewhere.
    pub known: Vec<u8>,
}

impl Value {
    pub fn of(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        let known = vec![0xff; bytes.len()];
        Self { bytes, known }
    }

    pub fn unknown(length: usize) -> Self {
        Self { bytes: vec![0; length], known: vec![0; length] }
    }

    /// Bytes each of which is known or not.
    pub fn partly(bytes: impl Iterator<Item = Option<u8>>) -> Self {
        let mut value = Self::default();
        for byte in bytes {
            value.bytes.push(byte.unwrap_or(0));
            value.known.push(if byte.is_some() { 0xff } else { 0 });
        }
        value
    }

    pub fn is_known(&self) -> bool {
        self.known.iter().all(|known| *known == 0xff)
    }

    /// `(this & mask) ^ xor`
    pub fn masked(&self, mask: &[u8], xor: &[u8]) -> Self {
        let mut value = Self::default();
        for (at, byte) in self.bytes.iter().enumerate() {
            let mask = mask.get(at).copied().unwrap_or(0xff);
            let xor = xor.get(at).copied().unwrap_or(0);
            let known = self.known.get(at).copied().unwrap_or(0) | !mask;
            value.bytes.push(((byte & mask) ^ xor) & known);
            value.known.push(known);
        }
        value
    }

    /// Each number of `size` bytes turned around.
    pub fn swapped(&self, size: usize) -> Self {
        let turn = |bytes: &[u8]| bytes.chunks(size.max(1)).flat_map(|one| one.iter().rev().copied()).collect();
        Self { bytes: turn(&self.bytes), known: turn(&self.known) }
    }

    /// Shifted as numbers of four bytes in the machine's order, the first the highest.
    pub fn shifted(&self, left: bool, by: u32) -> Self {
        if !self.is_known() || by >= 32 {
            return Self::unknown(self.bytes.len());
        }
        let mut words: Vec<u32> = self
            .bytes
            .chunks(4)
            .map(|word| {
                let mut whole = [0; 4];
                for (to, from) in whole.iter_mut().zip(word) {
                    *to = *from;
                }
                u32::from_ne_bytes(whole)
            })
            .collect();
        let mut carry = 0;
        let over = |word: u32, left: bool| {
            let rest = 32 - by;
            if left { word.checked_shr(rest) } else { word.checked_shl(rest) }.unwrap_or(0)
        };
        let mut step = |word: &mut u32| {
            let moved = if left { *word << by } else { *word >> by } | carry;
            carry = over(*word, left);
            *word = moved;
        };
        if left {
            words.iter_mut().rev().for_each(&mut step);
        } else {
            words.iter_mut().for_each(&mut step);
        }
        let bytes: Vec<u8> = words.into_iter().flat_map(u32::to_ne_bytes).take(self.bytes.len()).collect();
        Self::of(bytes)
    }

    /// Whether it compares so with a value; `None` where what is known does not tell.
    pub fn compares(&self, op: Compare, with: &[u8]) -> Option<bool> {
        let own = self.bytes.get(..with.len())?;
        let known = self.known.get(..with.len())?;
        if known.iter().all(|known| *known == 0xff) {
            let ordering = own.cmp(with);
            return Some(match op {
                Compare::Eq => ordering.is_eq(),
                Compare::Neq => ordering.is_ne(),
                Compare::Lt => ordering.is_lt(),
                Compare::Lte => ordering.is_le(),
                Compare::Gt => ordering.is_gt(),
                Compare::Gte => ordering.is_ge(),
            });
        }
        let differs = own.iter().zip(with).zip(known).any(|((own, with), known)| (own ^ with) & known != 0);
        match op {
            Compare::Eq if differs => Some(false),
            Compare::Neq if differs => Some(true),
            _ => None,
        }
    }

    pub fn number(&self) -> Option<u32> {
        let bytes = <[u8; 4]>::try_from(self.bytes.get(..4)?).ok()?;
        self.known.get(..4)?.iter().all(|known| *known == 0xff).then(|| u32::from_ne_bytes(bytes))
    }
}

/// All registers of one rule.
pub(super) struct Registers {
    bytes: [u8; SIZE],
    known: [u8; SIZE],
}

impl Default for Registers {
    fn default() -> Self {
        Self { bytes: [0; SIZE], known: [0; SIZE] }
    }
}

impl Registers {
    /// Fills registers from one on; what is left of the last four bytes is 0.
    pub fn set(&mut self, to: Register, value: &Value) {
        let Some(at) = to.offset() else { return };
        let padded = value.bytes.len().next_multiple_of(4);
        for index in 0..padded {
            if let (Some(byte), Some(known)) = (self.bytes.get_mut(at + index), self.known.get_mut(at + index)) {
                *byte = value.bytes.get(index).copied().unwrap_or(0);
                *known = value.known.get(index).copied().unwrap_or(0xff);
            }
        }
    }

    pub fn get(&self, from: Register, length: usize) -> Value {
        let Some(at) = from.offset() else { return Value::unknown(length) };
        let end = at.saturating_add(length).min(SIZE);
        let mut value = Value {
            bytes: self.bytes.get(at..end).unwrap_or_default().to_vec(),
            known: self.known.get(at..end).unwrap_or_default().to_vec(),
        };
        value.bytes.resize(length.min(SIZE), 0);
        value.known.resize(length.min(SIZE), 0);
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_known_bit_that_differs_decides() {
        let value = Value { bytes: vec![0x40], known: vec![0x40] };
        assert_eq!(value.compares(Compare::Eq, &[0]), Some(false));
        assert_eq!(value.compares(Compare::Neq, &[0]), Some(true));
        assert_eq!(value.compares(Compare::Eq, &[0x41]), None);
        assert_eq!(value.compares(Compare::Lt, &[0x41]), None);
        // What is masked away is known.
        assert_eq!(value.masked(&[0x40], &[0]).compares(Compare::Eq, &[0x40]), Some(true));
    }

    #[test]
    fn shifts_carry_from_word_to_word() {
        let value = Value::of([1u32, 0x8000_0000].into_iter().flat_map(u32::to_ne_bytes).collect::<Vec<_>>());
        let words = |value: &Value| -> Vec<u32> {
            value.bytes.chunks(4).map(|word| u32::from_ne_bytes(word.try_into().unwrap())).collect()
        };
        assert_eq!(words(&value.shifted(true, 1)), [3, 0]);
        assert_eq!(words(&value.shifted(false, 1)), [0, 0xc000_0000]);
        assert_eq!(words(&value.shifted(true, 0)), [1, 0x8000_0000]);
    }

    #[test]
    fn short_values_are_padded_with_zeros() {
        let mut registers = Registers::default();
        registers.set(Register(8), &Value::of([1, 2]));
        registers.set(Register(9), &Value::of([3, 4, 5, 6]));
        assert_eq!(registers.get(Register(1), 8), Value::of([1, 2, 0, 0, 3, 4, 5, 6]));
    }
}
