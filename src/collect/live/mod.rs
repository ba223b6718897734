//! The live node: reads the kernel and the runtime on demand and remembers what it read.
//!
//! May import model, wire and sys. Opens what a question needs and no more; judges nothing.

mod ahead;
mod chains_ahead;
mod flows;
mod flows_ahead;
mod memo;
mod open;
mod places;
mod pods;
mod rules;
mod view;
mod watch;

use std::sync::Arc;

pub use self::open::{LabOptions, LiveOptions, OpenError};

use self::memo::Memo;
use self::places::Places;
use self::pods::Pods;
use super::handle::NetnsHandle;
use super::kernel::{Kernel, Namespace};
use super::root::HostRoot;
use crate::model::address::Address;
use crate::model::bpf::BpfAttachment;
use crate::model::cni::CniState;
use crate::model::ids::{IfIndex, NetnsId, Nsid, Pid, SandboxId};
use crate::model::issue::{Issue, Read, Why};
use crate::model::link::Link;
use crate::model::neigh::{FdbEntry, Neighbour};
use crate::model::netns::{Netns, NetnsName, Process};
use crate::model::node::NodeInfo;
use crate::model::route::{NexthopObject, Route, Rule};
use crate::model::sandbox::{RuntimeInfo, Sandbox, SandboxFilter};
use crate::model::socket::Socket;

/// One node as it is now, seen through `/proc`, netlink and the container runtime.
#[derive(Debug)]
pub struct LiveNode {
    info: NodeInfo,
    /// The node's files.
    root: HostRoot,
    /// Where namespaces are bound: the same, but for a lab worker, whose files are in a folder of its own.
    bound: HostRoot,
    kernel: Kernel,
    pods: Pods,
    host: NetnsHandle,
    /// What was already odd when the node was opened.
    opened_with: Vec<Issue>,
    /// Where each namespace that was seen can be opened.
    places: Places,
    /// `Some` for a lab worker: the namespaces that are its own, and no others are seen.
    scope: Option<Vec<NetnsName>>,
    memory: Memory,
}

/// All that was read so far.
#[derive(Debug, Default)]
struct Memory {
    runtime: Memo<(), RuntimeInfo>,
    sandboxes: Memo<SandboxFilter, Vec<Sandbox>>,
    pod_processes: Memo<SandboxId, Vec<Process>>,
    processes: Memo<Pid, Option<Process>>,
    sweep: Memo<(), std::collections::BTreeMap<NetnsId, Vec<Pid>>>,
    namespaces: Memo<(), Vec<Netns>>,
    netns_names: Memo<(), Vec<NetnsName>>,
    open: Memo<NetnsId, Option<Arc<Namespace>>>,
    links: Memo<NetnsId, Vec<Link>>,
    addresses: Memo<NetnsId, Vec<Address>>,
    neighbours: Memo<NetnsId, Vec<Neighbour>>,
    fdb: Memo<NetnsId, Vec<FdbEntry>>,
    rules: Memo<NetnsId, Vec<Rule>>,
    routes: Memo<NetnsId, Vec<Route>>,
    learned_routes: Memo<NetnsId, Vec<Route>>,
    nexthops: Memo<NetnsId, Vec<NexthopObject>>,
    link_bpf: Memo<(NetnsId, IfIndex), Vec<BpfAttachment>>,
    cgroup_bpf: Memo<SandboxId, Vec<BpfAttachment>>,
    sockets: Memo<NetnsId, Vec<Socket>>,
    sysctls: Memo<(NetnsId, String), Option<String>>,
    nsids: Memo<(NetnsId, Nsid), Option<NetnsId>>,
    /// The nsid that one namespace uses for another.
    nsid_of: Memo<(NetnsId, NetnsId), Option<Nsid>>,
    cni: Memo<(), CniState>,
    netfilter: rules::RuleMemory,
    flows: flows::FlowMemory,
}

impl LiveNode {
    /// The namespace, opened once; `None` and an issue when it is gone or cannot be entered.
    fn namespace(&self, id: NetnsId) -> Read<Option<Arc<Namespace>>> {
        let section = self.memory.open.get(id, || match self.find(id) {
            Ok(handle) => Read::ok(Some(Arc::new(self.kernel.open(&handle)))),
            Err(issue) => Read::failed(*issue),
        });
        Read { value: section.value.clone(), issues: section.issues.clone() }
    }

    /// Reads one section of a namespace, or says why the namespace could not be opened.
    fn within<T: Default>(&self, id: NetnsId, what: &str, read: impl FnOnce(&Namespace) -> Read<T>) -> Read<T> {
        tracing::debug!("reading {what} of {id}");
        let opened = self.namespace(id);
        match opened.value {
            Some(namespace) => read(&namespace),
            None => Read { value: T::default(), issues: opened.issues },
        }
    }

    /// Opens a namespace that was seen while something was asked, for a program to run in it.
    pub fn open_netns(&self, id: NetnsId) -> Result<NetnsHandle, Box<Issue>> {
        self.find(id)
    }

    /// Opens a namespace wherever it was seen: cheap places first, a sweep of all processes last.
    fn find(&self, id: NetnsId) -> Result<NetnsHandle, Box<Issue>> {
        if id == self.host.id {
            return Ok(self.host.clone());
        }
        if let Some(handle) = self.places.open(id, &self.bound) {
            return Ok(handle);
        }
        let _ = self.bound_names();
        if let Some(handle) = self.places.open(id, &self.bound) {
            return Ok(handle);
        }
        let _ = self.swept();
        self.places.open(id, &self.bound).ok_or_else(|| {
            let detail = "no process and no bound name leads to it".to_owned();
            Box::new(Issue::incomplete(format!("opening {id}"), Why::Gone { detail }))
        })
    }
}
