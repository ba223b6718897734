//! The first processes of containers by the kernel's word, so that no shim need be asked for them.
//!
//! May import model, wire and sys. containerd makes its list of tasks from the answers of one shim a
//! pod: on a node of hundreds of pods that takes longer than all else together, and a shim that is
//! stopped holds it up. The cgroups tell the same in a few system calls a container. A process is
//! taken only where nothing else can be meant; the rest is left open, for containerd to tell.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::containerd::Listing;
use super::tasks::Task;
use crate::collect::netns_names::namespace_at;
use crate::collect::processes::cgroups::{self, ContainerCgroup};
use crate::collect::processes::{numbered_as_here, status_and_netns};
use crate::collect::root::HostRoot;
use crate::model::ids::{NetnsId, Pid};

/// How many processes of one container are looked at: of most the lowest number is the first one's.
const LOOKS: usize = 16;

/// The first process of each running container, by the container's id.
#[derive(Debug, Default)]
pub(super) struct Firsts(BTreeMap<String, First>);

/// A first process, and the network namespace it is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct First {
    pid: Pid,
    netns: NetnsId,
}

/// The cgroups of one container, as one.
#[derive(Debug, Default)]
struct Members {
    /// The container's own cgroup; it may have others below.
    top: String,
    pids: BTreeSet<Pid>,
    /// Whether it cannot be told who is in it.
    unclear: bool,
}

impl Firsts {
    /// Reads the cgroups. Where the kernel's numbers of processes are not those of the node's `/proc`
    /// (of another pid namespace), nothing is known.
    pub(super) fn read(root: &HostRoot) -> Self {
        if !numbered_as_here(root) {
            return Self::default();
        }
        let mut containers: BTreeMap<String, Members> = BTreeMap::new();
        for ContainerCgroup { pod, pids, outsiders } in cgroups::containers(root).value {
            let Some(id) = pod.container else { continue };
            let top = top(&pod.path, &id.0);
            let members =
                containers.entry(id.0).or_insert_with(|| Members { top: top.to_owned(), ..Members::default() });
            // Who may make cgroups may name one after another's container.
            members.unclear |= outsiders || members.top != top;
            members.pids.extend(pids);
        }
        containers.retain(|_, members| !members.unclear);
        Self(containers.into_iter().filter_map(|(id, members)| Some((id, first(root, &members.pids)?))).collect())
    }

    /// Sets the tasks that are proved: the process is in the network namespace that the runtime
    /// remembers for the sandbox. Gives the ids that are left open.
    pub(super) fn tell(&self, listing: &mut Listing, root: &HostRoot, host: Option<NetnsId>) -> BTreeSet<String> {
        let mut open = BTreeSet::new();
        let mut namespaces: BTreeMap<&str, NetnsId> = BTreeMap::new();
        for (id, sandbox) in &mut listing.sandboxes {
            let netns = sandbox.metadata.as_ref().ok().and_then(|metadata| match &metadata.netns_path {
                _ if metadata.host_network => host,
                Some(path) => namespace_at(root, Path::new(path)).ok().flatten(),
                None => None,
            });
            if let Some(netns) = netns {
                namespaces.insert(id, netns);
            }
            match self.pid(id, netns).filter(|_| sandbox.by_runc) {
                Some(pid) => sandbox.task = Task::Running(pid.0),
                None => _ = open.insert(id.clone()),
            }
        }
        for (id, container) in &mut listing.containers {
            let sandbox = container.metadata.sandbox.as_deref();
            let netns = sandbox.and_then(|sandbox| namespaces.get(sandbox)).copied();
            match self.pid(id, netns).filter(|_| container.by_runc) {
                Some(pid) => container.task = Task::Running(pid.0),
                None => _ = open.insert(id.clone()),
            }
        }
        open
    }

    fn pid(&self, id: &str, netns: Option<NetnsId>) -> Option<Pid> {
        self.0.get(id).filter(|first| Some(first.netns) == netns).map(|first| first.pid)
    }
}

/// A cgroup's path up to the component that a container's id was read from.
fn top<'a>(path: &'a str, id: &str) -> &'a str {
    let end = path.rfind(id).map_or(path.len(), |at| at.saturating_add(id.len()));
    path.get(..end).unwrap_or(path)
}

/// The process of a container that is 1 of a pid namespace of its own and has its parent, the shim,
/// outside: what `exec` brings in has another number, and what the container itself makes a parent inside.
///
/// `None` where there is no such process (the container shares a pid namespace), where it is only
/// being made, or where it is not among the first that are looked at.
fn first(root: &HostRoot, members: &BTreeSet<Pid>) -> Option<First> {
    let mut seen = BTreeSet::new();
    for pid in members {
        let mut at = *pid;
        // Upwards: most processes of a container descend from the first.
        while seen.len() < LOOKS && seen.insert(at) {
            let Ok((status, netns)) = status_and_netns(root, at) else { break };
            match status.parent {
                Some(parent) if members.contains(&parent) => at = parent,
                Some(_) if status.numbers.len() > 1 && status.numbers.last() == Some(&Pid(1)) => {
                    return (!is_being_made(&status.name)).then_some(First { pid: at, netns });
                }
                _ => break,
            }
        }
    }
    None
}

/// runc's and crun's own first steps: in the cgroup already, but not yet in the namespaces, or not yet
/// told to start the container's program.
pub(super) fn is_being_made(comm: &[u8]) -> bool {
    comm.starts_with(b"runc:[") || comm == b"runc" || comm == b"crun"
}

#[cfg(test)]
mod tests;
