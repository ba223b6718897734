//! A pod as the runtime knows it.
//!
//! Must not import anything from the crate but its sibling model types.

use std::collections::BTreeMap;
use std::net::IpAddr;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ids::{ContainerId, MacAddr, NetnsId, Pid, SandboxId};
use super::issue::Issue;

/// One sandbox: one attempt to run one pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Sandbox {
    /// The runtime's id.
    pub id: SandboxId,
    /// Which pod it is. Without a runtime: from the kubelet's log folders, a bundle, or its hostname (then an issue says so).
    pub pod: PodName,
    /// How often a sandbox was made for this pod before. CRI `PodSandboxMetadata.attempt`.
    pub attempt: u32,
    /// Whether it runs.
    pub state: SandboxState,
    /// When it was made; `None` where only `/proc` was read.
    #[schemars(with = "Option<String>")]
    pub created_at: Option<Timestamp>,
    /// The pod's labels; `None` where only the runtime would know them.
    pub labels: Option<BTreeMap<String, String>>,
    /// Its pause process; `None` when it has none (stopped, or a shim sandboxer).
    pub pid: Option<Pid>,
    /// The namespace that `pid` is in, or that `netns_path` leads to; `None` when gone or unreadable.
    pub netns: Option<NetnsId>,
    /// Where the runtime bound the namespace; `None` for hostNetwork and where unknown.
    pub netns_path: Option<String>,
    /// Whether the pod uses the node's own namespace.
    pub host_network: bool,
    /// The addresses the runtime remembers, the first one first; `None` where only the runtime would know.
    pub ips: Option<Vec<IpAddr>>,
    /// The interfaces of the stored CNI result: a second witness for names and MACs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cni_interfaces: Vec<CniInterface>,
    /// Its containers without the pause container, sorted by name then id; `None` where not asked for or unknown.
    pub containers: Option<Vec<Container>>,
    /// The cgroup its pause process is in, as `/proc/PID/cgroup` has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cgroup: Option<String>,
    /// Who told of it.
    pub source: SandboxSource,
    /// What could not be read of this one pod.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub issues: Vec<Issue>,
}

/// A pod's names.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct PodName {
    /// `None` where only the UTS name was found.
    pub namespace: Option<String>,
    /// `None` for a hostNetwork pod known from `/proc` alone and without a log directory.
    pub name: Option<String>,
    /// The pod's uid.
    pub uid: Option<String>,
}

impl std::fmt::Display for PodName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let namespace = self.namespace.as_deref().unwrap_or("?");
        match (&self.name, &self.uid) {
            (Some(name), _) => write!(f, "{namespace}/{name}"),
            (None, Some(uid)) => write!(f, "{namespace}/? (uid {uid})"),
            (None, None) => write!(f, "{namespace}/?"),
        }
    }
}

/// Whether a sandbox runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SandboxState {
    /// Its pause process lives.
    Ready,
    /// It was stopped, or its pause process ended.
    NotReady,
    /// The runtime could not tell.
    Unknown,
}

/// Who told of a sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SandboxSource {
    /// The container runtime.
    Runtime,
    /// `/proc` alone.
    Proc,
    /// The lab's state file.
    Lab,
}

/// An interface of the CNI result.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct CniInterface {
    /// Its name.
    pub name: String,
    /// Its address, where the plugin told.
    pub mac: Option<MacAddr>,
    /// The namespace path; `None` (or empty) is the host.
    pub sandbox: Option<String>,
}

/// A container of a pod.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Container {
    /// The runtime's id.
    pub id: ContainerId,
    /// Its name in the pod; `None` where neither a runtime, a log link nor a bundle tells it.
    pub name: Option<String>,
    /// Its first process; `None` when it does not run.
    pub pid: Option<Pid>,
    /// The image as the runtime names it.
    pub image: Option<String>,
}

/// Which sandboxes are asked for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum SandboxFilter {
    /// All of them, ready or not.
    All,
    /// Those whose pod has exactly this name.
    PodName(String),
}

impl SandboxFilter {
    /// Whether a sandbox is asked for.
    pub fn accepts(&self, sandbox: &Sandbox) -> bool {
        match self {
            Self::All => true,
            Self::PodName(name) => sandbox.pod.name.as_deref() == Some(name),
        }
    }
}

/// The runtime that was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Default)]
pub struct RuntimeInfo {
    /// `containerd`, `lab`; `None` when only `/proc` was read.
    pub name: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// The socket.
    pub endpoint: Option<String>,
    /// What named the socket: `--runtime-endpoint`, `CONTAINER_RUNTIME_ENDPOINT`, the path of crictl's file, `known place`.
    pub chosen_by: Option<String>,
}
