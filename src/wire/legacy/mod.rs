//! Whole tables of `ip_tables` and `ip6_tables`, as `getsockopt` gives them: an index over the bytes,
//! and chains decoded on demand, for a node with 10,000 services has 66 MB of them.
//!
//! May import model, and wire's own matches and targets. Numbers are in the byte order of the machine;
//! the layout is that of 64-bit machines.

mod both;
mod entry;
mod info;
mod rule;
mod table;

#[cfg(test)]
mod tests;

pub use both::AtOnce;
pub use info::Info;
pub use table::LegacyTable;

use thiserror::Error;

/// A table that is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("at byte {at} of the table: {detail}")]
pub struct Malformed {
    /// Where, from the first entry.
    pub at: usize,
    /// What was expected.
    pub detail: &'static str,
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().copied().map(u16::from_ne_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().copied().map(u32::from_ne_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().copied().map(u64::from_ne_bytes)
}

/// What stands before the first NUL.
fn text(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == 0).next().unwrap_or_default()
}
