//! How answers name a link, a namespace and a pod.
//!
//! May import model only.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::answer::{Gathered, node_label};
use super::identity::Found;
use crate::model::ids::{IfIndex, NetnsId, SandboxId};
use crate::model::link::Link;
use crate::model::sandbox::{PodName, Sandbox, SandboxState};
use crate::model::text::ByteText;
use crate::model::view::NodeView;

/// A link by name and number.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct LinkRef {
    /// Its index in its namespace.
    pub ifindex: IfIndex,
    /// Its name there.
    pub name: ByteText,
    /// The number that `ip link` writes behind it, as in `eth0@if34`: the peer's or parent's
    /// ifindex in the peer's or parent's namespace; `None` where the kernel gives none.
    pub link: Option<IfIndex>,
}

impl LinkRef {
    /// The short form of a link.
    pub fn of(link: &Link) -> Self {
        Self { ifindex: link.ifindex, name: link.name.clone(), link: link.link }
    }
}

/// A namespace, and what it is to the answer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct NetnsRef {
    /// Its identity.
    pub id: NetnsId,
    /// What it is to the answer.
    pub role: NetnsRole,
    /// The first name it is bound to; `None` when it has none.
    pub name: Option<ByteText>,
}

/// What a namespace is to an answer about a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NetnsRole {
    /// The node's own.
    Host,
    /// The pod's own.
    Pod,
    /// Neither.
    Third,
}

/// The bound names of a node's namespaces, by namespace.
#[derive(Debug, Default)]
pub struct NetnsNames(BTreeMap<NetnsId, ByteText>);

impl NetnsNames {
    /// Reads the bound names, which costs no sweep of the processes.
    pub fn read(node: &dyn NodeView, gathered: &mut Gathered) -> Self {
        let section = node.netns_names();
        let mut names = BTreeMap::new();
        for name in gathered.take(&section) {
            names.entry(name.id).or_insert_with(|| name.name.clone());
        }
        Self(names)
    }

    /// The first name of a namespace.
    pub fn of(&self, id: NetnsId) -> Option<ByteText> {
        self.0.get(&id).cloned()
    }
}

/// The head of an answer about one pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PodHead {
    /// Its node; only where several were asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Namespace, name and uid.
    #[serde(flatten)]
    pub pod: PodName,
    /// The sandbox that was looked at.
    pub sandbox: SandboxId,
    /// Which attempt it is.
    pub attempt: u32,
    /// Whether it runs.
    pub state: SandboxState,
    /// Its network namespace; `None` when it is gone or unreadable.
    pub netns: Option<NetnsId>,
    /// The first name that namespace is bound to.
    pub netns_name: Option<ByteText>,
    /// Whether it uses the node's own namespace.
    pub host_network: bool,
    /// The pod's other attempts, newest first; empty unless asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub older: Vec<Attempt>,
}

/// Another sandbox of the same pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Attempt {
    /// The sandbox.
    pub sandbox: SandboxId,
    /// Which attempt it is.
    pub attempt: u32,
    /// Whether it runs.
    pub state: SandboxState,
}

impl PodHead {
    /// The head for a pod that was found. The pod's own issues become the answer's.
    pub fn of(nodes: &[&dyn NodeView], found: &Found<'_>, names: &NetnsNames, gathered: &mut Gathered) -> Self {
        gathered.issues.extend(found.sandbox.issues.iter().cloned());
        let Sandbox { id, pod, attempt, state, netns, host_network, .. } = &found.sandbox;
        Self {
            node: node_label(nodes, found.node),
            pod: pod.clone(),
            sandbox: id.clone(),
            attempt: *attempt,
            state: *state,
            netns: *netns,
            netns_name: netns.and_then(|id| names.of(id)),
            host_network: *host_network,
            older: found
                .older
                .iter()
                .map(|older| Attempt { sandbox: older.id.clone(), attempt: older.attempt, state: older.state })
                .collect(),
        }
    }
}
