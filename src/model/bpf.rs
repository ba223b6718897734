//! Programs attached where packets pass. Names and ids only: podnet does not read their code.
//!
//! Must not import anything from the crate.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One attached program.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct BpfAttachment {
    /// Where: `xdp_driver`, `xdp_generic`, `xdp_offload`, `tc_ingress`, `tc_egress`, `tcx_ingress`,
    /// `tcx_egress`, `netkit_primary`, `netkit_peer`, `cgroup_inet4_connect`, …
    pub hook: String,
    /// The program's id; `None` where the kernel does not tell it (tc filters before 4.x).
    pub id: Option<u32>,
    /// The program's name (`bpf_prog_info.name`, at most 15 bytes); `None` when it has none.
    pub name: Option<String>,
    /// For tc: the filter's preference, handle and chain as `tc filter show` writes them. For a
    /// cgroup program: the cgroup it is attached to. `None` else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}
