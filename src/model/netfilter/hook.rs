//! What runs at a hook, in the kernel's own order.
//!
//! Must not import anything from the crate but its sibling model types.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::chain::ChainRef;
use crate::model::text::ByteText;

/// One function at a hook. Source: `NFNL_MSG_HOOK_GET` (`linux/netfilter/nfnetlink_hook.h`), Linux 5.14.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct HookEntry {
    /// `NFNLA_HOOK_PRIORITY`
    pub priority: i32,
    /// The kernel's function: `ipt_do_table` (`iptable_filter_hook` of older kernels) for a legacy table. `NFNLA_HOOK_FUNCTION_NAME`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function: Option<ByteText>,
    /// The module it is in: `iptable_nat`, `nf_conntrack`. `NFNLA_HOOK_MODULE_NAME`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub module: Option<ByteText>,
    /// The base chain that it runs, where it is one of nf_tables. `NFNLA_HOOK_INFO_DESC`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain: Option<ChainRef>,
    /// The BPF program that it runs, where it is one. `NFNLA_HOOK_BPF_ID`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<u32>,
}
