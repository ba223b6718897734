//! The lists of the `recent` match: kube-proxy's session affinity in iptables mode.
//!
//! Must not import anything from the crate.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One list. Source: `/proc/thread-self/net/xt_recent/NAME`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct RecentList {
    /// Its entries, by address. Expired ones stay until the kernel reaps them.
    pub entries: Vec<RecentEntry>,
}

/// One client.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct RecentEntry {
    /// Who.
    pub address: IpAddr,
    /// The TTL of its last packet.
    pub ttl: u8,
    /// How long before the reading its last packet came; `None` where the kernel's clock could not
    /// be told (jiffies now, and how many make a second).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age_ms: Option<u64>,
    /// The kernel's own stamp of its last packet.
    pub last_seen_jiffies: u64,
    /// How many stamps are kept.
    pub stamps: u32,
}
