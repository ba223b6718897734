//! Named objects that rules and set elements refer to: counters, quotas, limits.
//!
//! Must not import anything from the crate but its sibling model types.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::expr::{Limit, Quota};
use super::table::{Counters, TableRef};
use crate::model::text::{ByteText, Bytes};

/// A named object. Sorted by table, kind and name. Source: `NFT_MSG_NEWOBJ`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Object {
    /// Its table.
    pub table: TableRef,
    /// `NFTA_OBJ_TYPE`, as rules name it.
    pub kind: u32,
    /// Its name.
    pub name: ByteText,
    /// `NFTA_OBJ_HANDLE`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handle: Option<u64>,
    /// `NFTA_OBJ_USE`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uses: Option<u32>,
    /// What it holds.
    pub state: ObjectState,
    /// The comment in its user data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<ByteText>,
}

/// What an object holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ObjectState {
    /// `NFT_OBJECT_COUNTER`
    Counter(Counters),
    /// `NFT_OBJECT_QUOTA`
    Quota(Quota),
    /// `NFT_OBJECT_LIMIT`
    Limit(Limit),
    /// Any other kind: its attributes as they came. `NFTA_OBJ_DATA`
    Other(Bytes),
}
