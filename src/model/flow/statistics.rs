//! How full the table of flows is, and what the kernel counts about it.
//!
//! Must not import anything from the crate.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The table of one namespace.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Statistics {
    /// Flows now. `CTA_STATS_GLOBAL_ENTRIES`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entries: Option<u64>,
    /// The most that the table takes; 0 is no limit. `CTA_STATS_GLOBAL_MAX_ENTRIES` (4.20), else `nf_conntrack_max`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// Hash buckets, which all namespaces share. `nf_conntrack_buckets`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub buckets: Option<u64>,
    /// Expectations now; `None` where they are not counted. `nf_conntrack_expect_max` bounds them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expectations_limit: Option<u64>,
    /// What each CPU counted since the namespace began, by CPU. `IPCTNL_MSG_CT_GET_STATS_CPU`
    pub cpus: Vec<CpuStatistics>,
}

/// What one CPU counted.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct CpuStatistics {
    /// Which CPU.
    pub cpu: u16,
    /// `CTA_STATS_FOUND`
    pub found: u64,
    /// Packets that belong to no flow and begin none. `CTA_STATS_INVALID`
    pub invalid: u64,
    /// Flows put in by programs, not by packets; kernels before 4.6 counted both. `CTA_STATS_INSERT`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub insert: Option<u64>,
    /// First packets that were dropped, for another flow with the same tuple was put in meanwhile. `CTA_STATS_INSERT_FAILED`
    pub insert_failed: u64,
    /// First packets that were dropped, for the table was full or no memory left. `CTA_STATS_DROP`
    pub drop: u64,
    /// Flows thrown away to make room in a full table. `CTA_STATS_EARLY_DROP`
    pub early_drop: u64,
    /// ICMP errors that could not be tracked. `CTA_STATS_ERROR`
    pub error: u64,
    /// Look-ups that began anew since the table was resized or a flow moved. `CTA_STATS_SEARCH_RESTART`
    pub search_restart: u64,
    /// Clashes of two first packets that were resolved. `CTA_STATS_CLASH_RESOLVE`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clash_resolve: Option<u64>,
    /// First packets that were dropped, for a bucket's chain was too long. `CTA_STATS_CHAIN_TOOLONG`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain_too_long: Option<u64>,
    /// `CTA_STATS_IGNORE` and counters that podnet does not know, by attribute type.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub other: BTreeMap<u16, u64>,
}
