//! The lab's state file as one more container runtime.
//!
//! May import model, wire and sys. Never the lab: what both know is `model::lab`.

use std::fs::OpenOptions;
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::collect::handle::NetnsHandle;
use crate::model::ids::Pid;
use crate::model::issue::{Issue, Read, Why};
use crate::model::lab::{LabPod, LabProcess, LabState, LabWorker, STATE_FILE, STATE_ROOT, check_name};
use crate::model::sandbox::{Container, PodName, RuntimeInfo, Sandbox, SandboxSource, SandboxState};
use crate::wire::proc::stat;

/// The largest state file that is read.
const STATE_BYTES: u64 = 16 * 1024 * 1024;

/// Reads the state of the lab of that name; the error says in words what to do.
pub fn load(name: &str) -> Result<LabState, Issue> {
    let path = Path::new(STATE_ROOT).join(name).join(STATE_FILE);
    let what = format!("reading {}", path.display());
    check_name(name).map_err(|detail| Issue::incomplete("naming the lab", Why::Malformed { detail }))?;
    let text = read(&path).map_err(|error| {
        let issue = Issue::incomplete(what.clone(), Why::from_io(&error));
        if error.kind() == io::ErrorKind::NotFound {
            issue.hint("no such lab is up; `podnet lab up` makes it")
        } else {
            issue
        }
    })?;
    let folder = path.parent().unwrap_or(&path).to_string_lossy();
    LabState::parse(&text, &folder)
        .map_err(|error| Issue::incomplete(what, Why::Malformed { detail: error.to_string() }))
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    // Never hangs at a FIFO.
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path)?;
    let found = file.metadata()?;
    if !found.is_file() || found.uid() != nix::unistd::geteuid().as_raw() || found.mode() & 0o022 != 0 {
        return Err(io::Error::other("not a regular file that only this user can write"));
    }
    let mut text = Vec::new();
    file.take(STATE_BYTES + 1).read_to_end(&mut text)?;
    if text.len() as u64 > STATE_BYTES {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("larger than {STATE_BYTES} bytes")));
    }
    Ok(text)
}

/// What the answer says of the runtime that was asked.
pub fn runtime(state: &LabState) -> RuntimeInfo {
    RuntimeInfo {
        name: Some("lab".to_owned()),
        version: Some(state.written_by.clone()),
        endpoint: Some(format!("{}/{STATE_FILE}", state.folder)),
        chosen_by: Some("--lab".to_owned()),
    }
}

/// The paths of the namespaces that are this worker's: its own first, then its pods' by address.
///
/// A worker's answers hold these and no others of the machine.
pub fn netns_paths(state: &LabState, worker: &str) -> Vec<PathBuf> {
    let Some(worker) = state.worker(worker) else { return Vec::new() };
    std::iter::once(&worker.netns).chain(worker.pods.iter().map(|pod| &pod.netns)).map(PathBuf::from).collect()
}

/// The sandboxes of one worker, sorted by namespace, name, id.
///
/// A pid is told only while the process that the lab started has it: number and start time agree.
pub fn sandboxes(state: &LabState, worker: &str) -> Read<Vec<Sandbox>> {
    sandboxes_in(state, worker, Path::new("/proc"))
}

/// The same with another `/proc`.
pub fn sandboxes_in(state: &LabState, worker: &str, proc: &Path) -> Read<Vec<Sandbox>> {
    let Some(worker) = state.worker(worker) else {
        let workers = state.workers.iter().map(|worker| worker.name.as_str()).collect::<Vec<_>>().join(", ");
        return Read::with(
            Vec::new(),
            Issue::incomplete(
                format!("asking the lab {} for its worker {worker}", state.name),
                Why::Gone { detail: "it has no such worker".to_owned() },
            )
            .hint(format!("it has {workers}")),
        );
    };
    let mut sandboxes: Vec<Sandbox> = worker.pods.iter().map(|pod| sandbox(state, worker, pod, proc)).collect();
    sandboxes.sort_by(|a, b| (&a.pod, &a.id).cmp(&(&b.pod, &b.id)));
    Read::ok(sandboxes)
}

fn sandbox(state: &LabState, worker: &LabWorker, pod: &LabPod, proc: &Path) -> Sandbox {
    let mut issues = Vec::new();
    let name = format!("{}/{}", pod.namespace, pod.name);
    let mut process = |process: Option<LabProcess>, what: &str| {
        let process = process?;
        match alive(process, proc) {
            Ok(alive) => alive.then_some(process.pid),
            Err(error) => {
                let read = format!("looking for the {what} of {name}, pid {}", process.pid);
                issues.push(Issue::incomplete(read, Why::from_io(&error)));
                None
            }
        }
    };
    let pid = process(pod.pause, "pause process");
    let container_pid = process(pod.container.process, "application");
    let netns = match NetnsHandle::open(Path::new(&pod.netns)) {
        Ok(handle) => Some(handle.id),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => {
            issues.push(Issue::incomplete(format!("opening {}", pod.netns), Why::from_io(&error)));
            None
        }
    };
    Sandbox {
        id: pod.sandbox.clone(),
        pod: PodName {
            namespace: Some(pod.namespace.clone()),
            name: Some(pod.name.clone()),
            uid: Some(pod.uid.clone()),
        },
        attempt: 0,
        state: if pid.is_some() { SandboxState::Ready } else { SandboxState::NotReady },
        created_at: Some(state.created_at),
        labels: Some(pod.labels.clone()),
        pid,
        netns,
        netns_path: Some(pod.netns.clone()),
        host_network: false,
        ips: Some(
            [Some(pod.address.addr()), pod.address_v6.map(|six| six.addr().into())].into_iter().flatten().collect(),
        ),
        cni_interfaces: pod.interfaces.clone(),
        containers: Some(vec![Container {
            id: pod.container.id.clone(),
            name: Some(pod.container.name.clone()),
            pid: container_pid,
            image: Some(pod.container.image.clone()),
        }]),
        cgroup: state.cgroup.as_ref().map(|cgroup| cgroup.container_path(worker, pod, &pod.sandbox.0)),
        source: SandboxSource::Lab,
        issues,
    }
}

/// Whether the process that has this number is the one that the lab started.
fn alive(process: LabProcess, proc: &Path) -> io::Result<bool> {
    let Pid(pid) = process.pid;
    match std::fs::read(proc.join(pid.to_string()).join("stat")) {
        Ok(line) => Ok(stat::parse(&line).is_ok_and(|stat| stat.alive() && stat.start_ticks == process.start_ticks)),
        // ESRCH: it ended between opening and reading.
        Err(error) if error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(libc::ESRCH) => Ok(false),
        Err(error) => Err(error),
    }
}
