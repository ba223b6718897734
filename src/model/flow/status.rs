//! What conntrack has seen of a flow and done to it.
//!
//! Must not import anything from the crate.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `CTA_STATUS`: the bits of `enum ip_conntrack_status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Status(pub u32);

/// The kernel's names of the bits, from bit 0 on.
const NAMES: [&str; 16] = [
    "expected",
    "seen_reply",
    "assured",
    "confirmed",
    "src_nat",
    "dst_nat",
    "seq_adjust",
    "src_nat_done",
    "dst_nat_done",
    "dying",
    "fixed_timeout",
    "template",
    "nat_clash",
    "helper",
    "offload",
    "hw_offload",
];

impl Status {
    /// Another flow announced it.
    pub const EXPECTED: u32 = 1;
    /// Packets went both ways.
    pub const SEEN_REPLY: u32 = 1 << 1;
    /// Not thrown away early when the table is full.
    pub const ASSURED: u32 = 1 << 2;
    /// Its first packet left the node or reached a socket.
    pub const CONFIRMED: u32 = 1 << 3;
    /// Its source is translated.
    pub const SRC_NAT: u32 = 1 << 4;
    /// Its destination is translated.
    pub const DST_NAT: u32 = 1 << 5;
    /// Rules were asked for its source, or found to have nothing to say.
    pub const SRC_NAT_DONE: u32 = 1 << 7;
    /// The same of its destination.
    pub const DST_NAT_DONE: u32 = 1 << 8;
    /// It is being removed.
    pub const DYING: u32 = 1 << 9;
    /// A flow table forwards it, past the rules.
    pub const OFFLOAD: u32 = 1 << 14;
    /// Hardware forwards it, past the kernel.
    pub const HW_OFFLOAD: u32 = 1 << 15;

    /// Whether all of these bits are set.
    pub fn has(self, bits: u32) -> bool {
        self.0 & bits == bits
    }

    /// The names of the bits that are set, lowest first; bits without a name are left out.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        NAMES.into_iter().enumerate().filter(move |(bit, _)| self.0 & (1 << bit) != 0).map(|(_, name)| name)
    }
}
