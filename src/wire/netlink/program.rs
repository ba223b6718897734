//! Programs of socket filters (`struct sock_filter`): which messages the kernel puts into a socket's queue.
//!
//! Must not import anything from the crate.

/// The longest program that the kernel takes. `BPF_MAXINSNS`
pub const LONGEST: usize = 4096;

/// One instruction of classic BPF.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instruction {
    /// What it does. `code`
    pub code: u16,
    /// How many instructions to skip where a comparison holds. `jt`
    pub yes: u8,
    /// How many to skip where it does not. `jf`
    pub no: u8,
    /// Its operand. `k`
    pub operand: u32,
}

impl Instruction {
    /// Loads a number into the accumulator.
    pub const fn number(number: u32) -> Self {
        Self::plain(0x00, number)
    }

    /// Loads a number into the index register.
    pub const fn index(number: u32) -> Self {
        Self::plain(0x01, number)
    }

    /// Copies the accumulator into the index register.
    pub const fn into_index() -> Self {
        Self::plain(0x07, 0)
    }

    /// Loads the byte at an offset of the message.
    pub const fn byte_at(offset: u32) -> Self {
        Self::plain(0x30, offset)
    }

    /// Loads the byte at the index register plus an offset.
    pub const fn byte(offset: u32) -> Self {
        Self::plain(0x50, offset)
    }

    /// Loads two bytes in network order at the index register plus an offset.
    pub const fn two(offset: u32) -> Self {
        Self::plain(0x48, offset)
    }

    /// Loads four bytes in network order at the index register plus an offset.
    pub const fn four(offset: u32) -> Self {
        Self::plain(0x40, offset)
    }

    /// From the attributes that begin at the accumulator's offset, finds that of the index register's type:
    /// its offset, or 0. `SKF_AD_NLATTR`
    pub const fn find() -> Self {
        Self::plain(0x20, ANCILLARY + 12)
    }

    /// The same among the attributes within the one at the accumulator's offset. `SKF_AD_NLATTR_NEST`
    pub const fn find_within() -> Self {
        Self::plain(0x20, ANCILLARY + 16)
    }

    /// Compares the accumulator with a number, and skips.
    pub const fn equals(number: u32, yes: u8, no: u8) -> Self {
        Self { code: 0x15, yes, no, operand: number }
    }

    /// Compares the accumulator's bits with some, of which one must be there, and skips. `BPF_JSET`
    pub const fn has_any(bits: u32, yes: u8, no: u8) -> Self {
        Self { code: 0x45, yes, no, operand: bits }
    }

    /// Keeps only some bits of the accumulator.
    pub const fn and(bits: u32) -> Self {
        Self::plain(0x54, bits)
    }

    /// Loads four times the lower half of the byte at an offset into the index register: where the header behind an
    /// IPv4 header begins. `BPF_MSH`
    pub const fn header_length(offset: u32) -> Self {
        Self::plain(0xb1, offset)
    }

    /// Ends: the message is taken whole, or not at all.
    pub const fn end(take: bool) -> Self {
        Self::plain(0x06, if take { u32::MAX } else { 0 })
    }

    const fn plain(code: u16, operand: u32) -> Self {
        Self { code, yes: 0, no: 0, operand }
    }
}

/// `SKF_AD_OFF`, which is -0x1000.
const ANCILLARY: u32 = 0xffff_f000;
