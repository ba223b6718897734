//! IP sets, which xtables rules ask through `-m set` and fill through `-j SET`.
//!
//! Must not import anything from the crate but its sibling model types.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::table::Counters;
use crate::model::text::{ByteText, Bytes};

/// A set without its members. Sorted by name. Source: `IPSET_CMD_LIST` / `IPSET_CMD_HEADER`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct IpSet {
    /// Its name.
    pub name: ByteText,
    /// The number that rules know it by. `IPSET_ATTR_INDEX`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u16>,
    /// `hash:ip,port`
    pub type_name: ByteText,
    /// `IPSET_ATTR_REVISION`
    pub revision: u8,
    /// Its family: 2 IPv4, 10 IPv6, 0 either.
    pub family: u8,
    /// The header's options as `ipset save` writes them after the type: `family inet hashsize 1024 …`.
    pub options: String,
    /// How many members it says it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elements: Option<u32>,
    /// How many rules and sets refer to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub references: Option<u32>,
}

/// A member of a set, in the set's own order made stable: sorted by text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct IpSetMember {
    /// As `ipset save` writes it after the set's name, without the extensions: `10.0.0.1,tcp:80`.
    pub entry: String,
    /// `nomatch`: an exception.
    #[serde(default)]
    pub nomatch: bool,
    /// What is left of its time, milliseconds; `None` where it has no end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// Counted, where the set counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counters: Option<Counters>,
    /// Its comment, where the set has comments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<ByteText>,
    /// `skbinfo`: mark and mask, priority, queue, as the kernel gives them.
    #[serde(default, skip_serializing_if = "Bytes::is_empty")]
    pub skb: Bytes,
}
