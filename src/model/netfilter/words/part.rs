//! One value of nf_tables: what it means, how long it is, and how the kernel keeps it.
//!
//! Must not import anything from the crate but its sibling model types.

use super::kind::Kind;

/// What one value is: its kind, how the kernel keeps it, and how far a mask has shifted it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// What it means.
    pub kind: Kind,
    /// Kept in host order.
    pub host: bool,
    /// How long it is, bits.
    pub bits: u32,
    /// How far left of its place it stands, bits.
    pub shift: u32,
}

impl Part {
    /// A value that stands where it should.
    pub fn new(kind: Kind, host: bool, bits: u32) -> Self {
        Self { kind, host, bits, shift: 0 }
    }

    /// A value of a kind that tells all by itself.
    pub fn of(kind: Kind) -> Self {
        Self::new(kind, kind.host_order(), kind.bits())
    }

    /// The same in network order, as ranges need it; text has its own.
    #[must_use]
    pub fn ordered(self) -> Self {
        Self { host: self.host && self.kind.is_text(), ..self }
    }

    /// How many bytes it takes.
    pub fn bytes(self) -> usize {
        usize::try_from(self.bits.saturating_add(self.shift).div_ceil(8)).unwrap_or(0)
    }

    /// How many bytes it takes in a concatenation.
    pub fn padded(self) -> usize {
        self.bytes().next_multiple_of(4)
    }

    /// A number in its place; `None` where it does not fit.
    pub fn number(self, number: u128) -> Option<Vec<u8>> {
        let length = self.bytes();
        let whole = number.checked_shl(self.shift)?;
        let big = whole.to_be_bytes();
        let (high, low) = big.split_at_checked(big.len().checked_sub(length)?)?;
        if high.iter().any(|byte| *byte != 0) {
            return None;
        }
        let mut bytes = low.to_vec();
        if self.host {
            bytes.reverse();
        }
        Some(bytes)
    }
}
