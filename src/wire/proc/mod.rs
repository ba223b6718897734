//! Text of `/proc`: a process's stat, status and cgroup files, mountinfo, lists of `recent`, IPVS, the kernel's clock.
//!
//! May import model only. No IO, no panic; no length or order of the text is taken for granted.

pub mod cgroup;
pub mod ip_vs;
pub mod jiffies;
pub mod mountinfo;
pub mod recent;
pub mod stat;
pub mod status;

/// A line of text that is not what its file promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {item}: expected {expected}")]
pub struct TextError {
    /// Counted from 1.
    pub line: usize,
    /// Which field.
    pub item: &'static str,
    /// What it should have been.
    pub expected: &'static str,
}

#[cfg(test)]
mod tests;
