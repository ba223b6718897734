//! The first processes of containers without a question to any shim: what runc wrote down when it made
//! them, proved by the kernel.
//!
//! May import model, wire and sys. containerd makes its list of tasks from the answers of one shim a
//! pod: on a node of hundreds of pods that takes longer than all else together, and a shim that is
//! stopped holds it up. The number that a shim would tell is in the container's bundle. It is taken
//! only where a process of that number is in the container's cgroup and in the pod's network
//! namespace; the rest (ended, only being made, numbered in another pid namespace, run by something
//! else than runc) is left open, for containerd to tell.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use super::containerd::Listing;
use super::tasks::Task;
use crate::collect::processes::{self, process};
use crate::collect::root::HostRoot;
use crate::model::ids::NetnsId;
use crate::model::netns::Process;

/// Below containerd's folder: a folder for each container of Kubernetes.
const BUNDLES: &str = "io.containerd.runtime.v2.task/k8s.io";

/// The process of each container whose bundle names one, by the container's id.
#[derive(Debug, Default)]
pub(super) struct Firsts(BTreeMap<String, Process>);

impl Firsts {
    /// Reads the bundles of the containerd that listens at `socket`: they are in the folder of its
    /// socket, unless its configuration puts them elsewhere. Then nothing is known.
    pub(super) fn read(root: &HostRoot, socket: &str) -> Self {
        let folder: PathBuf = Path::new(socket).parent().unwrap_or(Path::new("/")).join(BUNDLES);
        let names = root.names(&folder).unwrap_or_default();
        let Ok(bundles) = root.handle(&folder) else { return Self::default() };
        let ids = names.into_iter().filter_map(|name| name.into_string().ok());
        Self(ids.filter_map(|id| Some((first(root, &bundles, &id)?, id))).map(|(first, id)| (id, first)).collect())
    }

    /// Sets the tasks of those that are in the network namespace that the runtime remembers for their
    /// sandbox (`host`, for one that has none of its own). Gives the ids that are left open.
    pub(super) fn tell(mut self, listing: &mut Listing, host: Option<NetnsId>) -> BTreeSet<String> {
        let mut open = BTreeSet::new();
        let mut namespaces: BTreeMap<&str, NetnsId> = BTreeMap::new();
        for (id, sandbox) in &mut listing.sandboxes {
            let of_host = sandbox.metadata.as_ref().is_ok_and(|metadata| metadata.host_network);
            let netns = if of_host { host } else { sandbox.bound };
            namespaces.extend(netns.map(|netns| (id.as_str(), netns)));
            match self.take(id, netns).filter(|_| sandbox.by_runc) {
                Some(process) => sandbox.task = Task::Proved(process),
                None => _ = open.insert(id.clone()),
            }
        }
        for (id, container) in &mut listing.containers {
            let sandbox = container.metadata.sandbox.as_deref();
            let netns = sandbox.and_then(|sandbox| namespaces.get(sandbox)).copied();
            match self.take(id, netns).filter(|_| container.by_runc) {
                Some(process) => container.task = Task::Proved(process),
                None => _ = open.insert(id.clone()),
            }
        }
        open
    }

    fn take(&mut self, id: &str, netns: Option<NetnsId>) -> Option<Process> {
        self.0.remove(id).filter(|process| process.netns.is_some() && process.netns == netns)
    }
}

/// The process that a bundle names, if it is in the cgroup of that container.
fn first(root: &HostRoot, bundles: &impl AsFd, id: &str) -> Option<Process> {
    let pid = processes::pid_in(bundles, &Path::new(id).join("init.pid"))?;
    let found = process(root, pid).value?;
    let container = found.pod.as_ref()?.container.as_ref()?;
    (container.0 == id && !is_being_made(&found)).then_some(found)
}

/// runc's and crun's own first steps: in the cgroup already, but not yet in the namespaces, or not yet
/// told to start the container's program.
pub(super) fn is_being_made(first: &Process) -> bool {
    let comm = first.comm.as_bytes();
    comm.starts_with(b"runc:[") || comm == b"runc" || comm == b"crun"
}

#[cfg(test)]
mod tests;
