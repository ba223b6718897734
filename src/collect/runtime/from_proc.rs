//! Pods without a runtime: from cgroups, the runtime's shims and bundles, and the kubelet's log folders.
//!
//! May import model, wire and sys. Follows no path into a container's own files.
//!
//! A pod's processes are known by their cgroup. Which of its containers is the sandbox is told, in
//! this order, by: the shim above it (containerd runs one for a pod, in the folder of the sandbox's
//! bundle), the annotations of a bundle, the log links (every container has one, a sandbox has none),
//! the name `pause`, and the age: the pause process is the oldest.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::firsts;
use crate::collect::processes::cgroups::{self, ContainerCgroup};
use crate::collect::processes::{netns_id_of, process, started, status, sweep};
use crate::collect::root::HostRoot;
use crate::model::ids::{ContainerId, NetnsId, Pid, SandboxId};
use crate::model::issue::{Issue, Read, Why};
use crate::model::netns::Process;
use crate::model::sandbox::{Container, PodName, Sandbox, SandboxFilter, SandboxSource, SandboxState};
use crate::sys;
use crate::wire::cri::bundle::{self, Bundle};
use crate::wire::cri::log_name::{self, ContainerLog};

/// Where runtimes keep their bundles, by the container's id; a containerd of another place is found by its shim.
const BUNDLES: [(&str, &str); 5] = [
    ("/run/containerd/io.containerd.runtime.v2.task/k8s.io", ""),
    ("/run/k3s/containerd/io.containerd.runtime.v2.task/k8s.io", ""),
    ("/run/k0s/containerd/io.containerd.runtime.v2.task/k8s.io", ""),
    ("/var/snap/microk8s/common/run/containerd/io.containerd.runtime.v2.task/k8s.io", ""),
    ("/run/containers/storage/overlay-containers", "userdata"),
];
const BUNDLE_LIMIT: u64 = 4 * 1024 * 1024;

/// The pods whose processes run, as far as `/proc` and files tell, in the order of `NodeView::sandboxes`.
///
/// `host` is the node's own namespace; where it is not known, a pod is hostNetwork when its pause
/// process shares the namespace of its parent, the runtime's shim.
pub(super) fn sandboxes(root: &HostRoot, host: Option<NetnsId>, filter: &SandboxFilter) -> Read<Vec<Sandbox>> {
    let mut read = each(root, host, filter);
    read.issues.extend(together(&mut read.value));
    read.issues.sort();
    read.issues.dedup();
    read
}

/// The same, with what is not known of a pod told at that pod.
fn each(root: &HostRoot, host: Option<NetnsId>, filter: &SandboxFilter) -> Read<Vec<Sandbox>> {
    let mut issues = Vec::new();
    let logs = Logs::read(root);
    let mut pods: BTreeMap<PodKey, Vec<Member>> = BTreeMap::new();
    // What the logs name otherwise needs no look at its processes.
    let wanted = |uid: Option<&str>| match (filter, uid.and_then(|uid| logs.pods.get(uid))) {
        (SandboxFilter::PodName(name), Some(pod)) => pod.name.as_deref() == Some(name),
        _ => true,
    };
    for member in members(root, &wanted, &mut issues) {
        let key = match (&member.uid, &member.shims_sandbox) {
            (uid, Some(sandbox)) => PodKey { uid: uid.clone(), sandbox: Some(sandbox.clone()) },
            (Some(uid), None) => PodKey { uid: Some(uid.clone()), sandbox: None },
            (None, None) => PodKey { uid: None, sandbox: Some(member.id.clone()) },
        };
        pods.entry(key).or_default().push(member);
    }
    join_shimless(&mut pods);
    let node = Node { root, host, logs };
    let mut value: Vec<_> = pods.into_iter().filter_map(|(key, members)| node.sandbox(&key, members)).collect();
    value.retain(|sandbox| filter.accepts(sandbox));
    super::resolve::sort(&mut value);
    Read { value, issues }
}

/// Where several pods lack the same (all of them, where there is no log folder), that is told once,
/// with their number. Which pods they are shows in their names: the namespace is missing.
fn together(sandboxes: &mut [Sandbox]) -> Vec<Issue> {
    let mut by_reason: BTreeMap<Why, Vec<(usize, Issue)>> = BTreeMap::new();
    for (at, sandbox) in sandboxes.iter_mut().enumerate() {
        for issue in sandbox.issues.drain(..) {
            by_reason.entry(issue.why.clone()).or_default().push((at, issue));
        }
    }
    let mut issues = Vec::new();
    for (why, mut same) in by_reason {
        if same.len() > 1 {
            issues.push(Issue::incomplete(format!("names of {} pods", same.len()), why));
        } else if let Some((at, issue)) = same.pop()
            && let Some(sandbox) = sandboxes.get_mut(at)
        {
            sandbox.issues.push(issue);
        }
    }
    issues
}

/// What groups containers to a sandbox.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct PodKey {
    uid: Option<String>,
    sandbox: Option<String>,
}

/// Puts containers whose shim could not be seen (it ended, or another took them over) to the others of their pod.
fn join_shimless(pods: &mut BTreeMap<PodKey, Vec<Member>>) {
    let shimless: Vec<_> = pods.keys().filter(|key| key.uid.is_some() && key.sandbox.is_none()).cloned().collect();
    for key in shimless {
        let Some(other) = pods.keys().find(|other| other.uid == key.uid && other.sandbox.is_some()).cloned() else {
            continue;
        };
        let members = pods.remove(&key).unwrap_or_default();
        pods.entry(other).or_default().extend(members);
    }
}

/// A running container, sandbox or not.
#[derive(Debug)]
struct Member {
    id: String,
    uid: Option<String>,
    /// Its oldest process.
    first: Process,
    parent: Option<Pid>,
    /// Where the parent works: the bundle's folder, if it is a shim.
    shim_folder: Option<PathBuf>,
    /// The sandbox that the folder belongs to, if it is containerd's for Kubernetes.
    shims_sandbox: Option<String>,
}

fn members(root: &HostRoot, wanted: &dyn Fn(Option<&str>) -> bool, issues: &mut Vec<Issue>) -> Vec<Member> {
    let mut read = cgroups::containers(root);
    if read.value.is_empty() {
        // No hierarchy that can be seen holds containers: the processes themselves know their cgroups.
        read = containers_of_processes(root);
    }
    issues.append(&mut read.issues);
    let mut by_id: BTreeMap<String, Member> = BTreeMap::new();
    for cgroup in read.value {
        let Some(ContainerId(id)) = cgroup.pod.container else { continue };
        let uid = cgroup.pod.pod_uid;
        if !wanted(uid.as_deref()) {
            continue;
        }
        let Some(found) = oldest(root, &cgroup.pids, issues) else { continue };
        let age = (found.start_ticks, found.pid);
        if by_id.get(&id).is_some_and(|known| (known.first.start_ticks, known.first.pid) <= age) {
            continue;
        }
        let member = Member { id: id.clone(), uid, first: found, parent: None, shim_folder: None, shims_sandbox: None };
        by_id.insert(id, member);
    }
    let mut members: Vec<_> = by_id.into_values().filter(|member| !firsts::is_being_made(&member.first)).collect();
    for member in &mut members {
        member.parent = status(root, member.first.pid).ok().and_then(|status| status.parent);
        let parents_folder = member.parent.map(|parent| root.proc().join(parent.to_string()).join("cwd"));
        member.shim_folder = parents_folder.and_then(|link| fs::read_link(link).ok());
        member.shims_sandbox = member.shim_folder.as_deref().and_then(shims_sandbox);
    }
    members
}

/// The process that has run longest: of the others no more than the age is read.
fn oldest(root: &HostRoot, pids: &[Pid], issues: &mut Vec<Issue>) -> Option<Process> {
    let mut by_age: Vec<_> = pids.iter().filter_map(|pid| Some((started(root, *pid)?, *pid))).collect();
    by_age.sort_unstable();
    by_age.into_iter().find_map(|(_, pid)| {
        let mut read = process(root, pid);
        let found = read.value?;
        // A zombie is in no namespace any more.
        if found.netns.is_none() && read.issues.is_empty() {
            return None;
        }
        issues.append(&mut read.issues);
        Some(found)
    })
}

/// `…/io.containerd.runtime.v2.task/k8s.io/ID`
fn shims_sandbox(folder: &Path) -> Option<String> {
    let id = folder.file_name()?.to_str()?;
    let namespace = folder.parent()?;
    let tasks = namespace.parent()?;
    (namespace.file_name()? == "k8s.io" && tasks.file_name()? == "io.containerd.runtime.v2.task").then(|| id.to_owned())
}

fn containers_of_processes(root: &HostRoot) -> Read<Vec<ContainerCgroup>> {
    let swept = sweep(root);
    let value = swept
        .value
        .into_values()
        .flatten()
        .filter_map(|pid| {
            let pod = process(root, pid).value?.pod.filter(|pod| pod.container.is_some())?;
            Some(ContainerCgroup { pod, pids: vec![pid] })
        })
        .collect();
    Read { value, issues: swept.issues }
}

/// The kubelet's logs: names by pod uid, and by container id.
struct Logs {
    pods: BTreeMap<String, PodName>,
    containers: BTreeMap<String, ContainerLog>,
}

impl Logs {
    /// Folders that are not there are no issue: other things name the pods then.
    fn read(root: &HostRoot) -> Self {
        let names = |folder: &str| {
            let names = root.names(Path::new(folder)).unwrap_or_default();
            names.into_iter().filter_map(|name| name.into_string().ok())
        };
        Self {
            pods: names("/var/log/pods")
                .filter_map(|name| log_name::pod_folder(&name))
                .filter_map(|pod| Some((pod.uid.clone()?, pod)))
                .collect(),
            containers: names("/var/log/containers")
                .filter_map(|name| log_name::container_link(&name))
                .map(|log| (log.id.clone(), log))
                .collect(),
        }
    }
}

struct Node<'a> {
    root: &'a HostRoot,
    host: Option<NetnsId>,
    logs: Logs,
}

impl Node<'_> {
    fn sandbox(&self, key: &PodKey, mut members: Vec<Member>) -> Option<Sandbox> {
        members.sort_by_key(|member| (member.first.start_ticks, member.first.pid));
        let from_shim = members.iter().find_map(|member| member.shims_sandbox.clone());
        let named = key.uid.as_ref().and_then(|uid| self.logs.pods.get(uid));
        let mut bundles = BTreeMap::new();
        if named.is_none() || from_shim.is_none() {
            for member in &members {
                if let Some(bundle) = self.bundle(member) {
                    bundles.insert(member.id.clone(), bundle);
                }
            }
        }
        let from_bundle = members.iter().find_map(|member| {
            let bundle = bundles.get(&member.id)?;
            if bundle.is_sandbox == Some(true) { Some(member.id.clone()) } else { bundle.sandbox.clone() }
        });
        // A container that is in no pod: docker's own, or a node that is itself a container.
        if key.uid.is_none() && from_shim.is_none() && from_bundle.is_none() {
            return None;
        }
        let id = from_shim.or(from_bundle).or_else(|| self.likely_sandbox(&members).map(|member| member.id.clone()))?;
        let pause = members.iter().position(|member| member.id == id).map(|at| members.remove(at));
        let anyone = pause.as_ref().or_else(|| members.first())?;
        let netns = anyone.first.netns;
        let host = self.host.or_else(|| anyone.parent.and_then(|parent| netns_id_of(self.root, parent).ok()));
        let host_network = netns.is_some() && netns == host;
        let mut issues = Vec::new();
        let pod = named.cloned().unwrap_or_else(|| {
            let told = self.name_from(key, &id, &members, &bundles);
            if told.name.is_none() && !host_network { self.name_from_hostname(told, anyone, &mut issues) } else { told }
        });
        if pod.name.is_none() {
            let detail = "no log folder, no bundle and no hostname of its own tells it".to_owned();
            issues.push(Issue::incomplete(format!("name of {pod}"), Why::Unsupported { detail }));
        }
        let bundle = bundles.get(&id);
        let mut containers: Vec<_> = members
            .iter()
            .map(|member| Container {
                id: ContainerId(member.id.clone()),
                name: self.container_name(member, &bundles),
                pid: Some(member.first.pid),
                image: bundles.get(&member.id).and_then(|bundle| bundle.image.clone()),
            })
            .collect();
        containers.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
        Some(Sandbox {
            pod,
            attempt: 0,
            state: if pause.is_some() { SandboxState::Ready } else { SandboxState::NotReady },
            created_at: None,
            labels: None,
            pid: pause.as_ref().map(|pause| pause.first.pid),
            netns,
            netns_path: bundle.and_then(|bundle| bundle.netns_path.clone()),
            host_network,
            ips: None,
            cni_interfaces: Vec::new(),
            containers: Some(containers),
            cgroup: pause.and_then(|pause| pause.first.pod).map(|pod| pod.path),
            source: SandboxSource::Proc,
            issues,
            id: SandboxId(id),
        })
    }

    /// The one that looks most like a pause container; `members` has the oldest first.
    fn likely_sandbox<'m>(&self, members: &'m [Member]) -> Option<&'m Member> {
        let logless = |member: &&Member| !self.logs.containers.contains_key(&member.id);
        let paused = |member: &&Member| member.first.comm == *"pause";
        let mut candidates = members.iter().filter(logless).filter(paused);
        candidates.next().or_else(|| members.iter().find(logless)).or_else(|| members.first())
    }

    fn name_from(&self, key: &PodKey, id: &str, members: &[Member], bundles: &BTreeMap<String, Bundle>) -> PodName {
        let ids = || std::iter::once(id).chain(members.iter().map(|member| member.id.as_str()));
        let from_bundle = ids().find_map(|id| bundles.get(id)).map(|bundle| bundle.pod.clone()).unwrap_or_default();
        let from_link =
            ids().find_map(|id| self.logs.containers.get(id)).map(|log| log.pod.clone()).unwrap_or_default();
        PodName {
            namespace: from_bundle.namespace.or(from_link.namespace),
            name: from_bundle.name.or(from_link.name),
            uid: key.uid.clone().or(from_bundle.uid),
        }
    }

    /// The hostname, unless it is the node's: the shim's.
    fn name_from_hostname(&self, told: PodName, member: &Member, issues: &mut Vec<Issue>) -> PodName {
        let uts = |pid: Pid| self.root.proc().join(pid.to_string()).join("ns/uts");
        let own = fs::read_link(uts(member.first.pid)).ok();
        let above = member.parent.and_then(|parent| fs::read_link(uts(parent)).ok());
        if own.is_none() || own == above {
            return told;
        }
        let what = format!("name of the pod of process {}", member.first.pid);
        match fs::File::open(uts(member.first.pid)).and_then(sys::uts::hostname) {
            Ok(name) => {
                let detail =
                    "taken from its hostname, which need not be the pod's name; its namespace is not known".to_owned();
                issues.push(Issue::incomplete(what, Why::Unsupported { detail }));
                PodName { name: Some(String::from_utf8_lossy(name.as_bytes()).into_owned()), ..told }
            }
            Err(error) => {
                issues.push(Issue::incomplete(what, Why::from_io(&error)));
                told
            }
        }
    }

    fn container_name(&self, member: &Member, bundles: &BTreeMap<String, Bundle>) -> Option<String> {
        let from_link = self.logs.containers.get(&member.id).map(|log| log.container.clone());
        from_link.or_else(|| bundles.get(&member.id).and_then(|bundle| bundle.container.clone()))
    }

    /// A container's bundle: beside the one its shim works in, else where runtimes are known to keep them.
    fn bundle(&self, member: &Member) -> Option<Bundle> {
        let beside = member.shim_folder.as_deref().and_then(Path::parent).map(|folder| folder.join(&member.id));
        let known = BUNDLES.iter().map(|(folder, below)| Path::new(folder).join(&member.id).join(below));
        // An id is one component, and no way up.
        if member.id.contains('/') || member.id.starts_with('.') {
            return None;
        }
        beside.into_iter().chain(known).find_map(|folder| {
            let json = self.root.read(&folder.join("config.json"), BUNDLE_LIMIT).ok()?;
            bundle::parse(&json).ok()
        })
    }
}

#[cfg(test)]
mod tests;
