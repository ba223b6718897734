//! An address of a link.
//!
//! Must not import anything from the crate but its sibling model types.

use std::net::IpAddr;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ids::IfIndex;
use super::text::ByteText;

/// One address. Source: `RTM_NEWADDR`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Address {
    /// The link that holds it.
    pub ifindex: IfIndex,
    /// The local address with its prefix length: `IFA_LOCAL`, else `IFA_ADDRESS`.
    #[schemars(with = "String")]
    pub address: IpNet,
    /// The other end of a point-to-point address: `IFA_ADDRESS` where it differs from `IFA_LOCAL`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<IpAddr>,
    /// `IFA_BROADCAST`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broadcast: Option<IpAddr>,
    /// `ifa_scope`.
    pub scope: Scope,
    /// `IFA_F_*` by their lower-case names without the prefix, sorted: `permanent`, `secondary`, `tentative`, …
    pub flags: Vec<String>,
    /// `IFA_LABEL`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<ByteText>,
    /// Seconds left as a valid address; `None` for ever. `IFA_CACHEINFO`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_s: Option<u32>,
    /// Seconds left as a preferred source; `None` for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preferred_s: Option<u32>,
}

impl Address {
    /// Whether a flag is set, by its name in `flags`.
    pub fn has_flag(&self, name: &str) -> bool {
        self.flags.iter().any(|flag| flag == name)
    }
}

/// `RT_SCOPE_*`, of addresses and routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Anywhere.
    Universe,
    /// Within the site.
    Site,
    /// On this link.
    Link,
    /// On this machine.
    Host,
    /// Nowhere.
    Nowhere,
    /// A number without a name.
    Other(u8),
}

impl Scope {
    /// The number the kernel uses; larger is narrower.
    pub fn number(self) -> u8 {
        match self {
            Self::Universe => 0,
            Self::Site => 200,
            Self::Link => 253,
            Self::Host => 254,
            Self::Nowhere => 255,
            Self::Other(number) => number,
        }
    }

    /// The scope with that number.
    pub fn from_number(number: u8) -> Self {
        match number {
            0 => Self::Universe,
            200 => Self::Site,
            253 => Self::Link,
            254 => Self::Host,
            255 => Self::Nowhere,
            other => Self::Other(other),
        }
    }
}
