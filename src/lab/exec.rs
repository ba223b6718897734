//! Runs a program in a machine or pod of the lab, in place of podnet: its exit code is podnet's.
//!
//! May import model and sys.

use std::convert::Infallible;
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::os::fd::AsFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use nix::sched::{CloneFlags, setns, unshare};

use super::error::{Context, LabError};
use super::process::alive;
use crate::model::lab::{LabPod, LabState};
use crate::sys;

/// Where a program is to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Where its network namespace is bound.
    pub netns: String,
    /// The host name it sees there.
    pub hostname: String,
    /// The pause process whose UTS and IPC namespaces it joins; `None` for a machine.
    pub pause: Option<u32>,
}

/// Finds a worker, `gateway`, `outside`, or a pod by `namespace/name`, name, or a prefix of the name that fits one pod alone.
pub fn target(state: &LabState, wanted: &str) -> Result<Target, LabError> {
    let machines = [&state.gateway, &state.outside]
        .map(|host| (&host.name, &host.netns))
        .into_iter()
        .chain(state.workers.iter().map(|worker| (&worker.name, &worker.netns)));
    for (name, netns) in machines {
        if name == wanted {
            return Ok(Target { netns: netns.clone(), hostname: name.clone(), pause: None });
        }
    }
    let pods: Vec<&LabPod> = state.workers.iter().flat_map(|worker| &worker.pods).collect();
    let full = |pod: &LabPod| format!("{}/{}", pod.namespace, pod.name);
    let exact: Vec<&&LabPod> = pods.iter().filter(|pod| pod.name == wanted || full(pod) == wanted).collect();
    let found = if exact.is_empty() {
        pods.iter().filter(|pod| pod.name.starts_with(wanted) || full(pod).starts_with(wanted)).collect()
    } else {
        exact
    };
    match found.as_slice() {
        [pod] => Ok(Target {
            netns: pod.netns.clone(),
            hostname: pod.name.clone(),
            pause: pod.pause.filter(|pause| alive(*pause)).map(|pause| pause.pid.0),
        }),
        [] => {
            let workers = state.workers.iter().map(|worker| worker.name.as_str()).collect::<Vec<_>>().join(", ");
            Err(LabError::Usage(format!(
                "the lab {:?} has no {wanted:?}; there are {workers}, gateway, outside and the pods of `podnet lab status`",
                state.name
            )))
        }
        several => {
            let names = several.iter().take(10).map(|pod| full(pod)).collect::<Vec<_>>().join(", ");
            let more = if several.len() > 10 { ", …" } else { "" };
            Err(LabError::Usage(format!("{wanted:?} is ambiguous: {names}{more}")))
        }
    }
}

/// Becomes the program. Returns only when it cannot be started.
pub fn exec(target: &Target, command: &[OsString]) -> Result<Infallible, LabError> {
    let Some((program, arguments)) = command.split_first() else {
        return Err(LabError::Usage("no program to run".to_owned()));
    };
    // Where a FIFO took its place, this must not wait for a writer.
    let netns = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(&target.netns);
    let netns = netns.context(|| format!("opening {}", target.netns))?;
    if let Some(pid) = target.pause {
        for (name, kind) in [("uts", CloneFlags::CLONE_NEWUTS), ("ipc", CloneFlags::CLONE_NEWIPC)] {
            let path = format!("/proc/{pid}/ns/{name}");
            let file = File::open(&path).context(|| format!("opening {path}"))?;
            setns(file, kind).context(|| format!("entering {path}"))?;
        }
    } else {
        unshare(CloneFlags::CLONE_NEWUTS).context(|| "making a UTS namespace".to_owned())?;
        nix::unistd::sethostname(&target.hostname).context(|| "setting the host name".to_owned())?;
    }
    sys::netns::enter(netns.as_fd()).context(|| format!("entering {}", target.netns))?;
    let error = Command::new(program).args(arguments).exec();
    Err(LabError::Io { what: format!("running {}", program.to_string_lossy().escape_debug()), why: error })
}
