//! Who is there: the pods of a node, from the container runtime, from `/proc` alone, or from a lab.
//!
//! May import model, wire and sys. Types of the runtimes' client crates stay inside this folder.

mod containerd;
pub mod endpoint;
mod filter;
mod firsts;
mod from_proc;
pub mod lab;
mod resolve;
mod tasks;

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

use self::containerd::{CallError, Containerd, Listing};
use self::endpoint::EndpointError;
use self::firsts::Firsts;
use super::processes;
use super::root::HostRoot;
use crate::model::ids::{NetnsId, Pid};
use crate::model::issue::{Issue, Read, Why};
use crate::model::netns::Process;
use crate::model::sandbox::{RuntimeInfo, Sandbox, SandboxFilter, SandboxState};
use crate::wire::proc::cgroup::pod_path;

/// How the runtime is found and asked.
#[derive(Debug, Clone)]
pub struct RuntimeOptions {
    /// `--runtime-endpoint`.
    pub endpoint: Option<String>,
    /// The value of `CONTAINER_RUNTIME_ENDPOINT`.
    pub env_endpoint: Option<String>,
    /// The deadline of each call; the list of all tasks has 3 s more.
    pub timeout: Duration,
    /// The node's own namespace, by which a hostNetwork pod is known where only `/proc` can be read.
    /// `None`: the one that the pause process's parent is in.
    pub host_netns: Option<NetnsId>,
}

/// Who is asked for the pods.
#[derive(Debug)]
pub enum Runtime {
    /// containerd.
    Containerd(ContainerdNode),
    /// No runtime: `/proc`, cgroups and log folders.
    Proc(ProcNode),
}

/// A containerd that answered when it was connected to.
#[derive(Debug)]
pub struct ContainerdNode {
    client: Containerd,
    info: RuntimeInfo,
    endpoint: String,
    /// Set when it stopped answering: from then on `/proc` is read, without waiting again.
    lost: OnceCell<Issue>,
    host_netns: Option<NetnsId>,
}

/// A node without a runtime that answers.
#[derive(Debug)]
pub struct ProcNode {
    info: RuntimeInfo,
    why: Issue,
    host_netns: Option<NetnsId>,
}

impl Runtime {
    /// Finds the runtime and asks for its version.
    ///
    /// A socket that the user named has to be a containerd's, otherwise that is an error. A runtime
    /// that accepts and then does not answer is an issue, whoever named it: the pods are then read
    /// from `/proc`, and so they are where there is no runtime at all.
    pub fn connect(options: &RuntimeOptions, root: &HostRoot) -> Result<Self, EndpointError> {
        let found = endpoint::find(options.endpoint.as_deref(), options.env_endpoint.as_deref(), root)?;
        let host_netns = options.host_netns;
        let Some(endpoint) = found.endpoint else {
            let why = no_runtime(&found.looked_at);
            return Ok(Self::Proc(ProcNode { info: RuntimeInfo::default(), why, host_netns }));
        };
        let mut info = RuntimeInfo {
            name: None,
            version: None,
            endpoint: Some(endpoint.path.clone()),
            chosen_by: Some(endpoint.chosen_by.clone()),
        };
        match Containerd::connect(endpoint.socket, options.timeout) {
            Ok(client) => {
                info.name = Some("containerd".to_owned());
                info.version = Some(client.version.clone());
                let node = ContainerdNode { client, info, endpoint: endpoint.path, lost: OnceCell::new(), host_netns };
                Ok(Self::Containerd(node))
            }
            Err(error) if endpoint.explicit => match error {
                CallError::Timeout(_) => {
                    Ok(Self::Proc(ProcNode { info, why: unanswered(&endpoint.path, &error), host_netns }))
                }
                CallError::Refused(text) => Err(EndpointError::Unusable {
                    source_of_it: endpoint.chosen_by,
                    path: endpoint.path,
                    error: std::io::Error::other(text),
                }),
                CallError::Answer { .. } => Err(EndpointError::NotContainerd {
                    source_of_it: endpoint.chosen_by,
                    path: endpoint.path,
                    detail: format!("no containerd answers there ({error})"),
                }),
            },
            Err(error) => Ok(Self::Proc(ProcNode { info, why: unanswered(&endpoint.path, &error), host_netns })),
        }
    }

    /// Which runtime it is; the issue says why none was asked or none answered.
    pub fn info(&self) -> Read<RuntimeInfo> {
        match self {
            Self::Containerd(node) => {
                Read { value: node.info.clone(), issues: node.lost.get().cloned().into_iter().collect() }
            }
            Self::Proc(node) => Read::with(node.info.clone(), node.why.clone()),
        }
    }

    /// The sandboxes that a filter accepts, by namespace, name, attempt (newest first) and id.
    pub fn sandboxes(&self, root: &HostRoot, filter: &SandboxFilter) -> Read<Vec<Sandbox>> {
        match self {
            Self::Containerd(node) => node.sandboxes(root, filter),
            Self::Proc(node) => with_issue(from_proc::sandboxes(root, node.host_netns, filter), &node.why),
        }
    }

    /// `/proc` alone, because the runtime that was found cannot be used.
    pub fn without(options: &RuntimeOptions, why: String) -> Self {
        let why = Issue::incomplete("container runtime", Why::Io { detail: why }.and(FROM_PROC));
        Self::Proc(ProcNode { info: RuntimeInfo::default(), why, host_netns: options.host_netns })
    }
}

/// The processes of a pod, its pause process included, ascending by pid.
///
/// They are those of the pod's cgroup, where its path names the pod; else those of the cgroups of
/// its pause process and its containers; else, for a pod with a namespace of its own, those in it.
pub fn pod_processes(root: &HostRoot, sandbox: &Sandbox) -> Read<Vec<Process>> {
    if sandbox.state == SandboxState::NotReady && sandbox.pid.is_none() {
        return Read::ok(Vec::new());
    }
    let mut issues = Vec::new();
    let containers = sandbox.containers.iter().flatten();
    let firsts: BTreeSet<Pid> =
        sandbox.pid.into_iter().chain(containers.filter_map(|container| container.pid)).collect();
    let mut pids = firsts.clone();
    if let Some(path) = sandbox.cgroup.as_deref().and_then(pod_path) {
        let read = processes::in_cgroup(root, path);
        pids.extend(read.value);
        issues.extend(read.issues);
    } else {
        for pid in &firsts {
            let pod = processes::process(root, *pid).value.and_then(|process| process.pod);
            let Some(path) = pod.filter(|pod| pod.container.is_some()).map(|pod| pod.path) else { continue };
            let read = processes::in_cgroup(root, &path);
            pids.extend(read.value);
            issues.extend(read.issues);
        }
    }
    if let Some(netns) = sandbox.netns.filter(|_| pids == firsts && !sandbox.host_network && sandbox.cgroup.is_none()) {
        let mut swept = processes::sweep(root);
        pids.extend(swept.value.remove(&netns).unwrap_or_default());
        issues.append(&mut swept.issues);
    }
    let mut value = Vec::new();
    for pid in pids {
        let read = processes::process(root, pid);
        value.extend(read.value);
        issues.extend(read.issues);
    }
    issues.sort();
    issues.dedup();
    Read { value, issues }
}

impl ContainerdNode {
    fn sandboxes(&self, root: &HostRoot, filter: &SandboxFilter) -> Read<Vec<Sandbox>> {
        let lost = match self.lost.get() {
            Some(lost) => lost,
            None => match self.listing(root, filter) {
                Ok(listing) => return resolve::sandboxes(root, &self.endpoint, listing),
                Err(error) => self.lost.get_or_init(|| unanswered(&self.endpoint, &error)),
            },
        };
        with_issue(from_proc::sandboxes(root, self.host_netns, filter), lost)
    }

    /// Sandboxes and containers with their tasks. Where all are asked for, containerd is asked only for
    /// the tasks that cannot be proved without it.
    fn listing(&self, root: &HostRoot, filter: &SandboxFilter) -> Result<Listing, CallError> {
        let socket = self.endpoint.as_str();
        let (listing, firsts) = match filter {
            SandboxFilter::PodName(_) => (self.client.list(filter), Firsts::default()),
            SandboxFilter::All => thread::scope(|scope| {
                let firsts = scope.spawn(|| Firsts::read(root, socket));
                (self.client.list(filter), firsts.join().unwrap_or_default())
            }),
        };
        let mut listing = listing?;
        listing.look_up_namespaces(root);
        let open = firsts.tell(&mut listing, self.host_netns);
        self.client.ask_tasks(&mut listing, open);
        Ok(listing)
    }
}

fn with_issue<T>(mut read: Read<T>, issue: &Issue) -> Read<T> {
    read.issues.push(issue.clone());
    read.issues.sort();
    read
}

/// What is then not known, and what a name may be made of.
const FROM_PROC: &str =
    "pods are read from /proc alone (names from log folders, else from each pod's hostname; labels unknown)";

fn unanswered(path: &str, error: &CallError) -> Issue {
    let issue = Issue::incomplete(format!("containerd at {path}"), error.why().and(FROM_PROC));
    match issue.why {
        Why::Permission { .. } => issue.hint("run as root"),
        _ => issue,
    }
}

fn no_runtime(looked_at: &[(String, std::io::Error)]) -> Issue {
    let telling = looked_at.iter().find(|(_, error)| error.kind() != std::io::ErrorKind::NotFound);
    let issue = if let Some((path, error)) = telling {
        Issue::incomplete(format!("container runtime at {path}"), Why::from_io(error).and(FROM_PROC))
    } else {
        let places: Vec<_> = looked_at.iter().map(|(path, _)| path.as_str()).collect();
        let detail = format!("none of its known sockets is here: {}", places.join(", "));
        Issue::incomplete("container runtime", Why::Unsupported { detail }.and(FROM_PROC))
    };
    issue.hint("name it with --runtime-endpoint")
}

#[cfg(test)]
mod tests;
