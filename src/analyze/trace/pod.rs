//! The first step: the pod, its sandbox and its processes.
//!
//! May import model and its siblings only.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::analyze::answer::Gathered;
use crate::analyze::finding::{Code, Finding};
use crate::analyze::identity::Found;
use crate::analyze::naming::{NetnsNames, NetnsRef, NetnsRole};
use crate::model::ids::{ContainerId, NetnsId, Pid, SandboxId};
use crate::model::netns::Process;
use crate::model::sandbox::{PodName, RuntimeInfo, SandboxState};
use crate::model::text::ByteText;

/// The pod and its processes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PodStep {
    /// Its names.
    #[serde(flatten)]
    pub name: PodName,
    /// Whether it runs.
    pub state: SandboxState,
    /// When its sandbox was made; `None` where unknown.
    #[schemars(with = "Option<String>")]
    pub created_at: Option<Timestamp>,
    /// How old the sandbox was when the node was read, in milliseconds; `None` where unknown.
    pub age_ms: Option<i64>,
    /// The sandbox.
    pub sandbox: SandboxId,
    /// Who told of it.
    pub runtime: RuntimeInfo,
    /// Its pause process.
    pub pause_pid: Option<Pid>,
    /// Its network namespace; `None` when gone or unreadable.
    pub netns: Option<NetnsRef>,
    /// Its other processes, ascending by pid.
    pub others: Vec<OtherProcess>,
    /// Its labels; `None` where only the runtime would know.
    pub labels: Option<BTreeMap<String, String>>,
}

/// A process of the pod that is not the pause process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct OtherProcess {
    /// Its number.
    pub pid: Pid,
    /// Its `comm`; any process may set its own.
    pub comm: ByteText,
    /// Its container, from its cgroup; `None` where that does not tell.
    pub container: Option<ContainerId>,
    /// The container's name; `None` where only the runtime would know.
    pub container_name: Option<String>,
    /// The namespace it is in, where that is not the pod's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub elsewhere: Option<NetnsId>,
}

/// The step, and what is to be said of it.
pub(super) fn step(found: &Found<'_>, names: &NetnsNames, gathered: &mut Gathered) -> (PodStep, Vec<Finding>) {
    let node = found.node;
    let sandbox = &found.sandbox;
    let info = node.node();
    let runtime = node.runtime();
    let processes = node.pod_processes(sandbox);
    let processes: &Vec<Process> = gathered.take(&processes);
    let own = if sandbox.host_network { Some(info.host_netns) } else { sandbox.netns };
    let others = processes
        .iter()
        .filter(|process| Some(process.pid) != sandbox.pid)
        .map(|process| {
            let container = process.pod.as_ref().and_then(|pod| pod.container.clone());
            let known = sandbox.containers.iter().flatten().find(|known| Some(&known.id) == container.as_ref());
            OtherProcess {
                pid: process.pid,
                comm: process.comm.clone(),
                container_name: known.and_then(|known| known.name.clone()),
                container,
                elsewhere: process.netns.filter(|netns| Some(*netns) != own),
            }
        })
        .collect();
    let mut findings = Vec::new();
    if sandbox.state == SandboxState::NotReady {
        findings.push(Finding::bad(Code::NotReady, "the sandbox is not ready: the pod does not run"));
    } else if own.is_none() {
        findings.push(Finding::bad(Code::NetnsGone, "the pod's network namespace is gone or cannot be read"));
    }
    let role = if sandbox.host_network { NetnsRole::Host } else { NetnsRole::Pod };
    let step = PodStep {
        name: sandbox.pod.clone(),
        state: sandbox.state,
        created_at: sandbox.created_at,
        age_ms: sandbox.created_at.map(|created| info.taken_at.as_millisecond() - created.as_millisecond()),
        sandbox: sandbox.id.clone(),
        runtime: gathered.take(&runtime).clone(),
        pause_pid: sandbox.pid,
        netns: own.map(|id| NetnsRef { id, role, name: names.of(id) }),
        others,
        labels: sandbox.labels.clone(),
    };
    (step, findings)
}
