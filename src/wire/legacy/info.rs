//! What the kernel tells of a table before it is read: `struct ipt_getinfo`.
//!
//! May import model only.

use super::{Malformed, u32_at};
use crate::model::netfilter::chain::Hook;

/// `NF_INET_NUMHOOKS`, by number.
const HOOKS: [Hook; 5] = [Hook::Prerouting, Hook::Input, Hook::Forward, Hook::Output, Hook::Postrouting];
/// `XT_TABLE_MAXNAMELEN`
const NAME_LENGTH: usize = 32;

/// What the kernel tells of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info {
    /// The hooks it is called from, with the offset of the first entry and that of the policy's.
    pub hooks: Vec<(Hook, u32, u32)>,
    /// How many entries it has.
    pub entries: u32,
    /// How many bytes they take.
    pub size: u32,
}

impl Info {
    /// Reads `struct ipt_getinfo` or `struct ip6t_getinfo`.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        Self::read(bytes).ok_or(Malformed { at: bytes.len(), detail: "84 bytes of information about the table" })
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let number = |index: usize| u32_at(bytes, NAME_LENGTH + 4 * index);
        let valid = number(0)?;
        let mut hooks = Vec::new();
        for (index, hook) in HOOKS.into_iter().enumerate() {
            let (entry, underflow) = (number(1 + index)?, number(6 + index)?);
            if valid & (1 << index) != 0 {
                hooks.push((hook, entry, underflow));
            }
        }
        Some(Self { hooks, entries: number(11)?, size: number(12)? })
    }
}
