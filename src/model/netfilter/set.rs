//! Sets and maps of nf_tables, and their elements.
//!
//! Must not import anything from the crate but its sibling model types.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::expr::{Data, Expr};
use super::table::TableRef;
use crate::model::text::{ByteText, Bytes};

/// Names one set or map of a namespace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct SetRef {
    /// Its table; always of nf_tables.
    pub table: TableRef,
    /// Its name; an anonymous one is called `__set0` or `__map0`.
    pub name: ByteText,
}

/// A set or map without its elements. Sorted by table and name. Source: `NFT_MSG_NEWSET`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Set {
    /// Which.
    pub id: SetRef,
    /// `NFTA_SET_HANDLE`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handle: Option<u64>,
    /// `NFTA_SET_FLAGS`: see the functions below.
    pub flags: u32,
    /// `NFTA_SET_KEY_TYPE`: nft's number of the key's type; concatenations have six bits for each part.
    pub key_type: u32,
    /// `NFTA_SET_KEY_LEN`, bytes.
    pub key_length: u32,
    /// The lengths of a concatenated key's parts, bytes, where the set tells them (`NFTA_SET_DESC_CONCAT`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<u32>,
    /// `NFTA_SET_DATA_TYPE` of a map; 0xffffff00 is a verdict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_type: Option<u32>,
    /// `NFTA_SET_DATA_LEN`, bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_length: Option<u32>,
    /// `NFTA_SET_OBJ_TYPE` of a map of objects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object_kind: Option<u32>,
    /// `NFTA_SET_TIMEOUT`: how long an element lives when it does not say, milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// `NFTA_SET_GC_INTERVAL`, milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gc_interval_ms: Option<u32>,
    /// `NFTA_SET_DESC_SIZE`: how many elements fit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u32>,
    /// `NFTA_SET_POLICY`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<u32>,
    /// The expressions that each element gets. `NFTA_SET_EXPR`, `NFTA_SET_EXPRESSIONS`
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exprs: Vec<Expr>,
    /// The comment in its user data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<ByteText>,
    /// All of its user data: nft keeps the byte order and the types (`typeof`) there. `NFTA_SET_USERDATA`
    #[serde(default, skip_serializing_if = "Bytes::is_empty")]
    pub user_data: Bytes,
}

impl Set {
    /// `NFT_SET_ANONYMOUS`
    pub const ANONYMOUS: u32 = 0x1;
    /// `NFT_SET_CONSTANT`
    pub const CONSTANT: u32 = 0x2;
    /// `NFT_SET_INTERVAL`
    pub const INTERVAL: u32 = 0x4;
    /// `NFT_SET_MAP`
    pub const MAP: u32 = 0x8;
    /// `NFT_SET_TIMEOUT`
    pub const TIMEOUT: u32 = 0x10;
    /// `NFT_SET_EVAL`
    pub const DYNAMIC: u32 = 0x20;
    /// `NFT_SET_OBJECT`
    pub const OBJECT: u32 = 0x40;
    /// `NFT_SET_CONCAT`
    pub const CONCAT: u32 = 0x80;
    /// The data type of a map of verdicts. `NFT_DATA_VERDICT`
    pub const VERDICT: u32 = 0xffff_ff00;

    /// Whether a flag is set.
    pub fn is(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }

    /// Whether its data are verdicts.
    pub fn is_verdict_map(&self) -> bool {
        self.is(Self::MAP) && self.data_type == Some(Self::VERDICT)
    }
}

/// An element of a set. Sorted by key, then end. Source: `NFTA_SET_ELEM_*`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Element {
    /// `NFTA_SET_ELEM_KEY`; empty for the catch-all element.
    pub key: Bytes,
    /// `NFTA_SET_ELEM_KEY_END`: the end of an interval of a concatenated key, included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_end: Option<Bytes>,
    /// `NFT_SET_ELEM_INTERVAL_END`: the key is the first that is no longer in the interval before.
    #[serde(default)]
    pub interval_end: bool,
    /// `NFT_SET_ELEM_CATCHALL`
    #[serde(default)]
    pub catch_all: bool,
    /// What a map gives for it. `NFTA_SET_ELEM_DATA`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Data>,
    /// The object it stands for. `NFTA_SET_ELEM_OBJREF`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<ByteText>,
    /// `NFTA_SET_ELEM_TIMEOUT`, milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// `NFTA_SET_ELEM_EXPIRATION`: what is left, milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_ms: Option<u64>,
    /// Its counters and limits. `NFTA_SET_ELEM_EXPR`, `NFTA_SET_ELEM_EXPRESSIONS`
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exprs: Vec<Expr>,
    /// The comment in its user data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<ByteText>,
    /// User data that is no comment.
    #[serde(default, skip_serializing_if = "Bytes::is_empty")]
    pub user_data: Bytes,
}

impl Set {
    /// The element that a key falls to, among all elements of this set, sorted by key: by equality,
    /// by interval (an `interval_end` closes what stands before it), field by field for
    /// concatenated ranges, else the catch-all.
    pub fn find<'a>(&self, elements: &'a [Element], key: &Bytes) -> Option<&'a Element> {
        let catch_all = || elements.iter().find(|element| element.catch_all);
        let plain = elements.iter().filter(|element| !element.catch_all);
        let found = if !self.is(Self::INTERVAL) {
            plain.into_iter().find(|element| element.key == *key)
        } else if self.is(Self::CONCAT) || elements.iter().any(|element| element.key_end.is_some()) {
            plain.into_iter().find(|element| self.within(element, key))
        } else {
            // Of equal keys the one that opens an interval counts, not the one that closes another.
            let before = plain.filter(|element| element.key <= *key);
            before.max_by_key(|element| (&element.key, !element.interval_end)).filter(|element| !element.interval_end)
        };
        found.or_else(catch_all)
    }

    /// Whether a key is within an element, field by field.
    fn within(&self, element: &Element, key: &Bytes) -> bool {
        let end = element.key_end.as_ref().unwrap_or(&element.key);
        let whole = [self.key_length];
        let fields: &[u32] = if self.fields.is_empty() { &whole } else { &self.fields };
        let mut at = 0usize;
        fields.iter().all(|length| {
            let length = usize::try_from(*length).unwrap_or(usize::MAX);
            let range = at..at.saturating_add(length);
            at = at.saturating_add(length.next_multiple_of(4));
            match (key.0.get(range.clone()), element.key.0.get(range.clone()), end.0.get(range)) {
                (Some(asked), Some(min), Some(max)) => min <= asked && asked <= max,
                _ => false,
            }
        })
    }
}
