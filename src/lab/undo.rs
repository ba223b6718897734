//! Undoes a lab in reverse: what its state names and nothing else; what is gone already is fine.
//!
//! May import model and sys.

use std::path::Path;
use std::time::Instant;

use super::error::LabError;
use super::state::Folder;
use super::{cgroup, netns, process, remove};
use crate::model::lab::{LabState, LabStepKind};

/// Removes a lab; `false` when there was none.
pub fn down(name: &str) -> Result<bool, LabError> {
    let Some(folder) = Folder::open(name)? else { return Ok(false) };
    if let Some(state) = folder.read()? {
        let left = undo(&state);
        if !left.is_empty() {
            return Err(LabError::Left { name: name.to_owned(), left });
        }
    }
    folder.remove()?;
    Ok(true)
}

/// Undoes every step, done, half done or not begun; gives in words what could not be undone.
pub fn undo(state: &LabState) -> Vec<String> {
    let mut left = Vec::new();
    // Numbers of processes mean nothing after a restart of the machine.
    if boot_id().is_none_or(|boot_id| boot_id == state.boot_id) {
        left.extend(process::end(&state.processes(), &state.name));
    }
    // One for all: what holds one cgroup holds those above it as well.
    let deadline = Instant::now() + cgroup::BUSY;
    let cgroup = state.cgroup.as_ref().filter(|cgroup| match cgroup::check_mount(Path::new(&cgroup.mount)) {
        Ok(()) => true,
        Err(error) => {
            left.push(format!("{}: {error}", cgroup.mount));
            false
        }
    });
    for step in state.steps.iter().rev() {
        for made in step.makes.iter().rev() {
            let path = Path::new(made);
            let outcome = match step.kind {
                LabStepKind::Netns => netns::remove(state, made),
                LabStepKind::Cgroups if cgroup.is_none() || step_shares(state, made) => Ok(()),
                LabStepKind::Cgroups => cgroup::remove(path, deadline),
                LabStepKind::Files | LabStepKind::CniResults => remove::remove(Path::new(&state.folder), path),
                // They went with their processes and namespaces.
                _ => Ok(()),
            };
            if let Err(error) = outcome {
                left.push(format!("{made}: {error}"));
            }
        }
    }
    if let Some(cgroup) = cgroup {
        let top = format!("{}/{}", cgroup.mount, cgroup.subtree);
        if let Err(error) = cgroup::remove(Path::new(&top), deadline) {
            left.push(format!("{top}: {error}"));
        }
    }
    left
}

/// Whether a cgroup is the whole lab's: each worker's step names it, and it goes last.
fn step_shares(state: &LabState, path: &str) -> bool {
    state.cgroup.as_ref().is_some_and(|cgroup| path == format!("{}/{}", cgroup.mount, cgroup.subtree))
}

/// Which start of the machine this is.
pub fn boot_id() -> Option<String> {
    Some(std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?.trim().to_owned())
}
