//! What the labs of this machine are made of, and whether it still is there.
//!
//! May import model and sys.

use super::netns::{Found, look};
use super::process::alive;
use crate::model::ids::{NetnsId, Pid};
use crate::model::lab::{LabHost, LabPhase, LabPod, LabProcess, LabState, LabWorker};
use crate::model::lab_status::{LabHostReport, LabPodReport, LabReport, LabWorkerReport};

/// Looks whether all that a lab's state names is there.
pub fn status(state: &LabState) -> LabReport {
    let mut look = Look { state, broken: Vec::new(), up: state.phase == LabPhase::Up };
    if !look.up {
        look.broken.push("it is half made: `lab up` was ended before it was done".to_owned());
    }
    if state.services_due {
        look.broken.push(
            "its services changed, and not every worker has their rules; `lab service add` or `remove` writes them"
                .to_owned(),
        );
    }
    LabReport {
        name: state.name.clone(),
        phase: state.phase,
        created_at: state.created_at,
        written_by: state.written_by.clone(),
        folder: state.folder.clone(),
        options: state.options,
        hosts: [&state.gateway, &state.outside].map(|host| look.host(host)).into(),
        workers: state.workers.iter().map(|worker| look.worker(worker)).collect(),
        notes: state.notes.clone(),
        broken: look.broken,
    }
}

struct Look<'a> {
    state: &'a LabState,
    broken: Vec<String>,
    /// Only a lab that was whole can miss something.
    up: bool,
}

impl Look<'_> {
    fn host(&mut self, host: &LabHost) -> LabHostReport {
        LabHostReport {
            name: host.name.clone(),
            address: host.address,
            address_v6: host.address_v6,
            netns_path: host.netns.clone(),
            netns: self.netns(&host.netns, &host.name),
            pid: host.app.and_then(|process| self.process(Some(process), &format!("the server of {}", host.name))),
        }
    }

    fn worker(&mut self, worker: &LabWorker) -> LabWorkerReport {
        LabWorkerReport {
            name: worker.name.clone(),
            address: worker.address,
            pod_cidr: worker.pod_cidr,
            address_v6: worker.v6.map(|v6| v6.address),
            pod_cidr_v6: worker.v6.map(|v6| v6.pod_cidr),
            bridge: worker.bridge.clone(),
            netns_path: worker.netns.clone(),
            netns: self.netns(&worker.netns, &worker.name),
            root: worker.root.clone(),
            pods: worker.pods.iter().map(|pod| self.pod(pod)).collect(),
        }
    }

    fn pod(&mut self, pod: &LabPod) -> LabPodReport {
        let name = format!("{}/{}", pod.namespace, pod.name);
        LabPodReport {
            namespace: pod.namespace.clone(),
            name: pod.name.clone(),
            uid: pod.uid.clone(),
            sandbox: pod.sandbox.clone(),
            container: pod.container.id.clone(),
            address: pod.address.addr(),
            address_v6: pod.address_v6.map(|address| address.addr()),
            netns_path: pod.netns.clone(),
            netns: self.netns(&pod.netns, &name),
            host_link: pod.host_link.clone(),
            pause: self.process(pod.pause, &format!("the pause process of {name}")),
            app: self.process(pod.container.process, &format!("the application of {name}")),
        }
    }

    fn process(&mut self, process: Option<LabProcess>, what: &str) -> Option<Pid> {
        let found = process.filter(|process| alive(*process)).map(|process| process.pid);
        if found.is_none() && self.up {
            self.broken.push(format!("{what} has ended"));
        }
        found
    }

    fn netns(&mut self, path: &str, what: &str) -> Option<NetnsId> {
        match look(self.state, path) {
            Ok(Found::Own(own)) => return Some(NetnsId { dev: own.dev, ino: own.ino }),
            // Whatever the lab was to be, this one is in its way.
            Ok(Found::Other) => {
                self.broken.push(format!("what is at {path} is not the lab's any more: not the namespace of {what}"));
            }
            Ok(Found::Nothing | Found::Unbound) if self.up => {
                self.broken.push(format!("the namespace of {what} is not bound at {path}"));
            }
            Ok(Found::Nothing | Found::Unbound) => {}
            Err(error) => self.broken.push(format!("looking at {path}, the namespace of {what}: {error}")),
        }
        None
    }
}
