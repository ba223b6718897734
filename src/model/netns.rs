//! Network namespaces and the processes in them.
//!
//! Must not import anything from the crate but its sibling model types.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ids::{ContainerId, NetnsId, Nsid, Pid};
use super::text::ByteText;

/// A network namespace that exists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Netns {
    /// Its identity.
    pub id: NetnsId,
    /// Where it is bound, sorted by path.
    pub names: Vec<NetnsName>,
    /// The number the host namespace uses for it; `None` when it has none yet. Source: `RTM_GETNSID`.
    pub nsid: Option<Nsid>,
    /// `SO_NETNS_COOKIE`, never used twice while the machine runs; `None` before Linux 5.14 or when it could not be entered.
    pub cookie: Option<u64>,
    /// The processes in it, ascending. Threads that differ from their process are not seen.
    pub pids: Vec<Pid>,
}

/// A file that a namespace is bound to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct NetnsName {
    /// The namespace.
    pub id: NetnsId,
    /// The last part of the path.
    pub name: ByteText,
    /// The path as the node knows it, `/run/netns/cni-…`.
    pub path: ByteText,
}

/// A process. Sources: `/proc/PID/stat`, `/proc/PID/ns/net`, `/proc/PID/cgroup`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Process {
    /// Its id as the reader's `/proc` numbers it.
    pub pid: Pid,
    /// Clock ticks from boot to its start: with `pid` its identity.
    pub start_ticks: u64,
    /// `comm`, at most 15 bytes; any process may set its own.
    pub comm: ByteText,
    /// Its network namespace; `None` when that could not be read.
    pub netns: Option<NetnsId>,
    /// What its cgroup path says of the pod it belongs to; `None` outside pods.
    pub pod: Option<PodCgroup>,
}

/// What a cgroup path tells of a pod, whatever the driver and the runtime.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct PodCgroup {
    /// The pod's uid with dashes: `2e1c5739-f412-447c-93cc-47e6c9660c34`, or 32 hex digits of a static pod.
    pub pod_uid: Option<String>,
    /// The container's (or sandbox's) id.
    pub container: Option<ContainerId>,
    /// The path within the hierarchy, as `/proc/PID/cgroup` has it.
    pub path: String,
}
