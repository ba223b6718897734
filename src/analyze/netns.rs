//! `netns [PID|INODE|NAME]`: every network namespace, who is in it, and what it is called.
//!
//! May import model and its siblings only.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use thiserror::Error;

use super::answer::{Answer, Gathered, node_label};
use super::identity::{newest, pod_key};
use crate::model::ids::{NetnsId, Nsid, Pid, SandboxId};
use crate::model::issue::{Issue, Level, Read, Why};
use crate::model::netns::{Netns, NetnsName, Process};
use crate::model::sandbox::{PodName, Sandbox, SandboxFilter, SandboxSource, SandboxState};
use crate::model::text::ByteText;
use crate::model::view::NodeView;

/// The network namespaces of the nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Namespaces {
    /// By node; the host's first, then by id.
    pub namespaces: Vec<NetnsRow>,
    /// The sandboxes whose namespace is gone, by node, namespace, name, attempt; empty where one namespace was asked for.
    pub gone: Vec<GoneRow>,
}

/// One namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct NetnsRow {
    /// Its node; only where several were asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Its identity.
    #[serde(flatten)]
    pub id: NetnsId,
    /// What it is bound to, by path.
    pub names: Vec<NetnsName>,
    /// The number the host namespace uses for it; `None` when it has none.
    pub nsid: Option<Nsid>,
    /// The kernel's cookie; `None` where it could not be asked.
    pub cookie: Option<u64>,
    /// How many processes are in it.
    pub process_count: usize,
    /// They, ascending.
    pub pids: Vec<Pid>,
    /// The names of the processes, by pid; only where one namespace was asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub processes: Vec<ProcessName>,
    /// The pods it belongs to, by name; more than one only when sandboxes share it. Not those of
    /// the host's namespace.
    pub pods: Vec<PodOf>,
    /// What is to be said of it, in this order: host, nameless, leaked or perhaps so.
    pub marks: Vec<Mark>,
    /// Why it cannot be told whether it is leaked; only with that mark.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leak_unknown: Option<String>,
}

/// A process by number and name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ProcessName {
    /// Its number.
    pub pid: Pid,
    /// Its `comm`; any process may set its own.
    pub comm: ByteText,
    /// Whether it is a pod's pause process.
    pub pause: bool,
}

/// A pod in a namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PodOf {
    /// Which.
    #[serde(flatten)]
    pub pod: PodName,
    /// Its sandbox.
    pub sandbox: SandboxId,
    /// Its pause process.
    pub pause_pid: Option<Pid>,
}

/// What is to be said of a namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// The node's own.
    Host,
    /// Bound to no name: it lives as long as its processes (and open files) do.
    Nameless,
    /// Named, but no process is in it and no sandbox has it: nobody will remove it.
    Leaked,
    /// Bound to a name, and no process is in it; whether a sandbox has it is unknown.
    LeakUnknown,
}

/// A sandbox whose namespace is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct GoneRow {
    /// Its node; only where several were asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// The pod.
    #[serde(flatten)]
    pub pod: PodName,
    /// The sandbox.
    pub sandbox: SandboxId,
    /// Which attempt.
    pub attempt: u32,
    /// Whether the runtime believes that it runs: with `ready` this is a fault.
    pub state: SandboxState,
    /// Where the runtime had bound it.
    pub netns_path: Option<String>,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NetnsError {
    /// Nothing is called so.
    #[error("{asked:?} is no process, inode or name of a network namespace on {nodes}")]
    NotFound {
        /// What was typed.
        asked: String,
        /// The nodes that were searched.
        nodes: String,
    },
    /// Several begin so.
    #[error("{asked:?} is ambiguous: {}", candidates.join(", "))]
    Ambiguous {
        /// What was typed.
        asked: String,
        /// Their names or inodes.
        candidates: Vec<String>,
    },
}

/// Answers `netns`; `which` is a pid, an inode, a name or its unique prefix, a path, or `host`.
pub fn netns(nodes: &[&dyn NodeView], which: Option<&str>) -> Result<Answer<Namespaces>, NetnsError> {
    let mut gathered = Gathered::default();
    let mut answer = Namespaces { namespaces: Vec::new(), gone: Vec::new() };
    let mut views = Vec::new();
    for node in nodes {
        let all = node.namespaces();
        let sandboxes = node.sandboxes(&SandboxFilter::All);
        let known: &Vec<Sandbox> = gathered.take(&sandboxes);
        let namespaces: &Vec<Netns> = gathered.take(&all);
        let label = node_label(nodes, *node);
        let host = node.node().host_netns;
        let gap = gap(&all, &sandboxes);
        for namespace in namespaces {
            let mut row = row(namespace, known, host, gap);
            row.node.clone_from(&label);
            views.push(*node);
            answer.namespaces.push(row);
        }
        answer.gone.extend(gone(known, namespaces, host).map(|sandbox| GoneRow {
            node: label.clone(),
            pod: sandbox.pod.clone(),
            sandbox: sandbox.id.clone(),
            attempt: sandbox.attempt,
            state: sandbox.state,
            netns_path: sandbox.netns_path.clone(),
        }));
    }
    if let Some(which) = which {
        let at = select(nodes, &answer.namespaces, &views, which, &mut gathered)?;
        let mut row = answer.namespaces.swap_remove(at);
        row.processes = processes(views[at], &row, &mut gathered);
        answer = Namespaces { namespaces: vec![row], gone: Vec::new() };
    }
    Ok(Answer::new(nodes, answer, gathered))
}

/// Why an empty namespace need not be leaked: a process or a sandbox may have it that was not seen.
///
/// `/proc` does not know sandboxes without a process: those that stopped, and those that a shim holds.
fn gap(namespaces: &Read<Vec<Netns>>, sandboxes: &Read<Vec<Sandbox>>) -> Option<&'static str> {
    let incomplete = |issues: &[Issue]| issues.iter().any(|issue| issue.level == Level::Incomplete);
    let from_proc = sandboxes.value.iter().any(|sandbox| sandbox.source == SandboxSource::Proc);
    // A sandbox of which neither the namespace nor its path could be read may have any of them.
    let astray = |sandbox: &Sandbox| {
        !sandbox.host_network && sandbox.netns.is_none() && sandbox.netns_path.is_none() && incomplete(&sandbox.issues)
    };
    if incomplete(&sandboxes.issues) || from_proc {
        Some("not all sandboxes are known")
    } else if sandboxes.value.iter().any(astray) {
        Some("not every sandbox's namespace could be read")
    } else if incomplete(&namespaces.issues) {
        Some("not every process could be looked at")
    } else {
        None
    }
}

fn row(namespace: &Netns, sandboxes: &[Sandbox], host: NetnsId, gap: Option<&str>) -> NetnsRow {
    let is_host = namespace.id == host;
    let mut pods: BTreeMap<String, &Sandbox> = BTreeMap::new();
    for sandbox in sandboxes.iter().filter(|sandbox| !is_host && sandbox.netns == Some(namespace.id)) {
        let kept = pods.entry(pod_key(sandbox)).or_insert(sandbox);
        if newest(sandbox) > newest(kept) {
            *kept = sandbox;
        }
    }
    let mut marks = Vec::new();
    if is_host {
        marks.push(Mark::Host);
    } else if namespace.names.is_empty() {
        marks.push(Mark::Nameless);
    } else if namespace.pids.is_empty() && pods.is_empty() {
        marks.push(if gap.is_some() { Mark::LeakUnknown } else { Mark::Leaked });
    }
    let leak_unknown = gap.filter(|_| marks.contains(&Mark::LeakUnknown)).map(str::to_owned);
    NetnsRow {
        node: None,
        id: namespace.id,
        names: namespace.names.clone(),
        nsid: namespace.nsid,
        cookie: namespace.cookie,
        process_count: namespace.pids.len(),
        pids: namespace.pids.clone(),
        processes: Vec::new(),
        pods: pods
            .into_values()
            .map(|sandbox| PodOf { pod: sandbox.pod.clone(), sandbox: sandbox.id.clone(), pause_pid: sandbox.pid })
            .collect(),
        marks,
        leak_unknown,
    }
}

/// The sandboxes that had a namespace and have none of those that exist. One whose namespace
/// could not be read is not among them: that is unknown, and its issue says so.
fn gone<'s>(sandboxes: &'s [Sandbox], namespaces: &[Netns], host: NetnsId) -> impl Iterator<Item = &'s Sandbox> {
    let ids: Vec<NetnsId> = namespaces.iter().map(|namespace| namespace.id).collect();
    sandboxes.iter().filter(move |sandbox| {
        let unreadable = sandbox.issues.iter().any(|issue| !matches!(issue.why, Why::Gone { .. }));
        !sandbox.host_network
            && match sandbox.netns {
                Some(id) => id != host && !ids.contains(&id),
                None => !unreadable && (sandbox.netns_path.is_some() || sandbox.state == SandboxState::NotReady),
            }
    })
}

/// Which of the rows is meant: a pid before an inode before a name, exact before prefix.
fn select(
    nodes: &[&dyn NodeView],
    rows: &[NetnsRow],
    views: &[&dyn NodeView],
    which: &str,
    gathered: &mut Gathered,
) -> Result<usize, NetnsError> {
    let which = which.trim();
    let text = which.strip_prefix("netns:").unwrap_or(which);
    let digits = text.strip_prefix("net:[").and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let matching = |wanted: &dyn Fn(&NetnsRow) -> bool| -> Vec<usize> {
        rows.iter().enumerate().filter(|(_, row)| wanted(row)).map(|(at, _)| at).collect()
    };
    let pid_text = which.strip_prefix("pid:").unwrap_or(which);
    let mut tiers: Vec<Vec<usize>> = Vec::new();
    if let Ok(pid) = pid_text.parse().map(Pid) {
        tiers.push(matching(&|row| row.pids.contains(&pid)));
        // A process that the sweep did not see (it may have come since) still tells its namespace.
        let asked: Vec<(String, NetnsId)> = nodes
            .iter()
            .filter_map(|node| {
                let section = node.process(pid);
                let process: &Option<Process> = gathered.take(&section);
                Some((node.node().name, process.as_ref()?.netns?))
            })
            .collect();
        tiers.push(
            (0..rows.len())
                .filter(|at| asked.iter().any(|(node, id)| *id == rows[*at].id && *node == views[*at].node().name))
                .collect(),
        );
    }
    if let Ok(inode) = digits.parse::<u64>() {
        tiers.push(matching(&|row| row.id.ino == inode));
    }
    if text == "host" {
        tiers.push(matching(&|row| row.marks.contains(&Mark::Host)));
    }
    if !text.is_empty() {
        let named = |row: &NetnsRow, wanted: &dyn Fn(&NetnsName) -> bool| row.names.iter().any(wanted);
        tiers.push(matching(&|row| named(row, &|name| name.name == *text || name.path == *text)));
        tiers.push(matching(&|row| named(row, &|name| name.name.to_string().starts_with(text))));
    }
    match tiers.into_iter().find(|tier| !tier.is_empty()).unwrap_or_default().as_slice() {
        [] => Err(NetnsError::NotFound {
            asked: which.to_owned(),
            nodes: nodes.iter().map(|node| node.node().name).collect::<Vec<_>>().join(", "),
        }),
        [one] => Ok(*one),
        several => {
            let name = |row: &NetnsRow| {
                let name = row.names.first().map_or_else(|| row.id.to_string(), |name| name.name.to_string());
                row.node.as_ref().map_or_else(|| name.clone(), |node| format!("{name} on {node}"))
            };
            let mut candidates: Vec<String> = several.iter().map(|at| name(&rows[*at])).collect();
            candidates.sort();
            Err(NetnsError::Ambiguous { asked: which.to_owned(), candidates })
        }
    }
}

/// The names of a namespace's processes; those that ended meanwhile are left out.
fn processes(node: &dyn NodeView, row: &NetnsRow, gathered: &mut Gathered) -> Vec<ProcessName> {
    row.pids
        .iter()
        .filter_map(|pid| {
            let section = node.process(*pid);
            let process: &Option<Process> = gathered.take(&section);
            let process = process.as_ref().filter(|process| process.netns.is_none_or(|netns| netns == row.id))?;
            let pause = row.pods.iter().any(|pod| pod.pause_pid == Some(*pid));
            Some(ProcessName { pid: *pid, comm: process.comm.clone(), pause })
        })
        .collect()
}
