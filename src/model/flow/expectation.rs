//! Flows that a helper expects.
//!
//! Must not import anything from the crate but its sibling model types.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::UnknownAttribute;
use super::tuple::Tuple;
use crate::model::text::ByteText;

/// One expectation. Source: `IPCTNL_MSG_EXP_NEW`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Expectation {
    /// The flow that announced it. `CTA_EXPECT_MASTER`
    pub master: Tuple,
    /// What is expected. `CTA_EXPECT_TUPLE`
    pub tuple: Tuple,
    /// Which parts of it must agree. `CTA_EXPECT_MASK`
    pub mask: Tuple,
    /// Seconds until it is forgotten. `CTA_EXPECT_TIMEOUT`
    pub timeout_s: u32,
    /// `CTA_EXPECT_ID`
    pub id: u32,
    /// `CTA_EXPECT_ZONE`
    #[serde(default)]
    pub zone: u16,
    /// `CTA_EXPECT_HELP_NAME`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub helper: Option<ByteText>,
    /// `CTA_EXPECT_FLAGS`: 1 stays after its first use, 2 inactive, 4 made from user space.
    #[serde(default)]
    pub flags: u32,
    /// `CTA_EXPECT_CLASS`
    #[serde(default)]
    pub class: u32,
    /// `CTA_EXPECT_FN`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function: Option<ByteText>,
    /// The NAT of what is expected: 0 original, 1 reply, and its tuple. `CTA_EXPECT_NAT`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nat: Option<(u32, Tuple)>,
    /// Attributes that podnet does not know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<UnknownAttribute>,
}
