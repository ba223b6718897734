//! The runtime's records checked against `/proc`: pids, namespaces, cgroups.
//!
//! May import model, wire and sys. A pid is believed only if the process is in the sandbox's cgroup or
//! namespace: the runtime may number processes in another pid namespace than the reader.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use super::containerd::{ContainerRecord, Listing, SandboxRecord};
use super::tasks::Task;
use crate::collect::processes::cgroups::{self, ContainerCgroup};
use crate::collect::processes::{netns_id_of, process, status};
use crate::collect::root::HostRoot;
use crate::model::ids::{ContainerId, NetnsId, Pid, SandboxId};
use crate::model::issue::{Issue, Read, Why};
use crate::model::netns::Process;
use crate::model::sandbox::{Container, PodName, Sandbox, SandboxSource, SandboxState};
use crate::wire::cri::sandbox::SandboxMetadata;

/// The sandboxes of a listing, in the order that `NodeView::sandboxes` promises.
pub(super) fn sandboxes(root: &HostRoot, endpoint: &str, listing: Listing) -> Read<Vec<Sandbox>> {
    let known = Known { root, cgroups: OnceCell::new() };
    let mut containers: BTreeMap<String, Vec<ContainerRecord>> = BTreeMap::new();
    for (_, container) in listing.containers {
        if let Some(sandbox) = &container.metadata.sandbox {
            containers.entry(sandbox.clone()).or_default().push(container);
        }
    }
    let issues = listing
        .failed
        .iter()
        .map(|(what, error)| Issue::incomplete(format!("{what} of containerd at {endpoint}"), error.why()))
        .collect();
    let mut value: Vec<_> = listing
        .sandboxes
        .into_values()
        .map(|record| {
            let containers = containers.remove(&record.id).unwrap_or_default();
            known.sandbox(record, containers)
        })
        .collect();
    sort(&mut value);
    Read { value, issues }
}

/// By namespace, name, attempt (newest first) and id.
pub(super) fn sort(sandboxes: &mut [Sandbox]) {
    sandboxes.sort_by(|a, b| {
        (&a.pod.namespace, &a.pod.name, b.attempt, &a.id).cmp(&(&b.pod.namespace, &b.pod.name, a.attempt, &b.id))
    });
}

fn unanswered(why: Why, pod: &PodName, found: bool) -> Issue {
    let why = if found { why.and("its pid is from /proc") } else { why };
    Issue::incomplete(format!("containerd's task of {pod}"), why)
}

/// `/proc`, and the cgroups once they are needed.
struct Known<'a> {
    root: &'a HostRoot,
    cgroups: OnceCell<Vec<ContainerCgroup>>,
}

impl Known<'_> {
    fn sandbox(&self, record: SandboxRecord, containers: Vec<ContainerRecord>) -> Sandbox {
        let mut issues = Vec::new();
        let SandboxRecord { id, created_at, metadata, mut labels, task, has_container, bound, by_runc: _ } = record;
        let label = |name: &str| labels.get(name).cloned();
        let from_labels = PodName {
            namespace: label("io.kubernetes.pod.namespace"),
            name: label("io.kubernetes.pod.name"),
            uid: label("io.kubernetes.pod.uid"),
        };
        let known = metadata.is_ok();
        let metadata = metadata.unwrap_or_else(|error| {
            issues.push(Issue::incomplete(format!("sandbox {id}"), Why::Malformed { detail: error }));
            SandboxMetadata::default()
        });
        labels.retain(|key, _| !key.starts_with("io.cri-containerd."));
        let pod = PodName {
            namespace: metadata.pod.namespace.or(from_labels.namespace),
            name: metadata.pod.name.or(from_labels.name),
            uid: metadata.pod.uid.or(from_labels.uid),
        };
        let (pause, state) = match &task {
            Task::None | Task::Stopped if has_container => (None, SandboxState::NotReady),
            Task::None | Task::Stopped => {
                (None, if bound.is_some() { SandboxState::Ready } else { SandboxState::Unknown })
            }
            Task::Proved(process) => (Some(process.clone()), SandboxState::Ready),
            Task::Running(pid) => {
                let pause = self.believed(&id, *pid, bound, &pod, &mut issues);
                let state = if pause.is_some() { SandboxState::Ready } else { SandboxState::Unknown };
                (pause, state)
            }
            Task::Unanswered(why) => {
                let pause = self.first_process(&id, None).and_then(|pid| self.process(pid, &mut issues));
                issues.push(unanswered(why.clone(), &pod, pause.is_some()));
                let state = if pause.is_some() { SandboxState::Ready } else { SandboxState::Unknown };
                (pause, state)
            }
        };
        let entered = pause.as_ref().and_then(|pause| pause.netns);
        if let (Some(entered), Some(bound), Some(path), Some(pause)) = (entered, bound, &metadata.netns_path, &pause)
            && entered != bound
        {
            let detail = format!("pause process {} is in {entered}, {path} leads to {bound}", pause.pid);
            issues.push(Issue::incomplete(format!("network namespace of {pod}"), Why::Disagreement { detail }));
        }
        let netns = entered.or(bound);
        let shared = netns.filter(|_| !metadata.host_network);
        let mut containers: Vec<_> =
            containers.into_iter().map(|record| self.container(record, shared, &pod, &mut issues)).collect();
        containers.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
        issues.sort();
        issues.dedup();
        Sandbox {
            id: SandboxId(id),
            pod,
            attempt: metadata.attempt,
            state,
            created_at,
            labels: Some(if known { metadata.labels } else { labels }),
            pid: pause.as_ref().map(|pause| pause.pid),
            netns,
            netns_path: metadata.netns_path,
            host_network: metadata.host_network,
            ips: known.then_some(metadata.ips),
            cni_interfaces: metadata.interfaces,
            containers: Some(containers),
            cgroup: pause.and_then(|pause| pause.pod).map(|pod| pod.path),
            source: SandboxSource::Runtime,
            issues,
        }
    }

    fn container(
        &self,
        record: ContainerRecord,
        shared: Option<NetnsId>,
        pod: &PodName,
        issues: &mut Vec<Issue>,
    ) -> Container {
        let pid = match record.task {
            Task::None | Task::Stopped => None,
            Task::Proved(process) => Some(process.pid),
            // The namespace alone is one system call; the cgroup is asked where that does not tell.
            Task::Running(pid) if shared.is_some() && netns_id_of(self.root, Pid(pid)).ok() == shared => Some(Pid(pid)),
            Task::Running(pid) => self.believed(&record.id, pid, None, pod, issues).map(|process| process.pid),
            Task::Unanswered(why) => {
                let pid = self.first_process(&record.id, None);
                issues.push(unanswered(why, pod, pid.is_some()));
                pid
            }
        };
        let image = Some(record.image).filter(|image| !image.is_empty());
        Container { id: ContainerId(record.id), name: record.metadata.name, pid, image }
    }

    /// The process that the runtime means by `pid`: the one with that number if it is where it should
    /// be, else the one in the container's cgroup that has this number in a nested pid namespace.
    fn believed(
        &self,
        id: &str,
        pid: u32,
        bound: Option<NetnsId>,
        pod: &PodName,
        issues: &mut Vec<Issue>,
    ) -> Option<Process> {
        let named = self.process(Pid(pid), issues);
        let in_place = |process: &Process| {
            let container = process.pod.as_ref().and_then(|pod| pod.container.as_ref());
            container.is_some_and(|container| container.0 == id) || (bound.is_some() && process.netns == bound)
        };
        let was_there = named.is_some();
        if let Some(process) = named.filter(in_place) {
            return Some(process);
        }
        if let Some(process) = self.first_process(id, Some(pid)).and_then(|pid| self.process(pid, issues)) {
            return Some(process);
        }
        let what = format!("process {pid} of {pod}, as containerd numbers it");
        issues.push(if was_there {
            let detail = "that process is neither in its cgroup nor in its network namespace".to_owned();
            Issue::incomplete(what, Why::Disagreement { detail })
                .hint("where the runtime has a pid namespace of its own, read its node with --proc-root")
        } else {
            Issue::note(what, Why::Gone { detail: "it ended meanwhile".to_owned() })
        });
        None
    }

    /// The first process of a container by its cgroup: the one with that number in some pid namespace, else the oldest.
    fn first_process(&self, id: &str, number: Option<u32>) -> Option<Pid> {
        let cgroups = self.cgroups.get_or_init(|| cgroups::containers(self.root).value);
        let pids = cgroups
            .iter()
            .filter(|cgroup| cgroup.pod.container.as_ref().is_some_and(|container| container.0 == id))
            .flat_map(|cgroup| cgroup.pids.iter().copied());
        if let Some(number) = number {
            return pids
                .filter(|pid| status(self.root, *pid).is_ok_and(|status| status.numbers.contains(&Pid(number))))
                .min();
        }
        pids.filter_map(|pid| process(self.root, pid).value)
            .min_by_key(|process| (process.start_ticks, process.pid))
            .map(|process| process.pid)
    }

    fn process(&self, pid: Pid, issues: &mut Vec<Issue>) -> Option<Process> {
        let read = process(self.root, pid);
        issues.extend(read.issues);
        read.value
    }
}

#[cfg(test)]
mod tests;
