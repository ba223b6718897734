//! What a rule does, in one vocabulary for both languages.
//!
//! May import model and its siblings only.

use schemars::JsonSchema;
use serde::Serialize;

use super::condition::Condition;
use crate::model::netfilter::xt::targets::NatRange;
use crate::model::text::ByteText;

/// What a rule does when all that it asks holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    /// The next rule is asked.
    Nothing,
    /// Ends this base chain.
    Accept,
    /// Ends the packet: drop, reject.
    Drop,
    /// Ends this base chain; a socket of this node gets the packet, whatever its address.
    Socket,
    /// The packet belongs to no flow: nothing translates it. The next rule is asked.
    Notrack,
    /// Hands the packet to a program, which may do anything.
    Queue,
    /// Back to the calling chain.
    Return,
    /// To a chain, and back.
    Jump(ByteText),
    /// To a chain, and back to where the last jump came from.
    Goto(ByteText),
    /// Translates an address; ends all of nat for this flow's side.
    Translate(Translation),
    /// To one of several deeds, by a map's elements: all of what stands with one must hold.
    Choose(Vec<(Vec<Condition>, Deed)>),
    /// What it does is not decoded, and why.
    Undecoded(String),
}

/// A translation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Translation {
    /// Of which address, and to what kind of one.
    pub kind: TranslationKind,
    /// To which addresses and ports, where the rule itself says so.
    pub to: NatRange,
    /// Why the new address is not known, where a register held it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unknown: Option<String>,
}

/// The kinds of translation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TranslationKind {
    /// The source, to the address of the link the packet leaves by.
    Masquerade,
    /// The source.
    Snat,
    /// The destination.
    Dnat,
    /// The destination, to this node.
    Redirect,
    /// The network part of an address: the source's after routing, else the destination's.
    Netmap,
}

/// A change of the packet's mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MarkChange {
    /// `(mark & keep) ^ xor`
    Known {
        /// Kept.
        keep: u32,
        /// Turned over.
        xor: u32,
    },
    /// To something that is not known.
    Unknown,
}
