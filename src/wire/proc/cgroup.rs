//! `/proc/PID/cgroup`, and what a cgroup's path tells of the pod it belongs to.
//!
//! May import model only.

use crate::model::ids::ContainerId;
use crate::model::netns::PodCgroup;

/// One line: the process's place in one hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// The controllers of a v1 hierarchy, `name=systemd` among them; empty for the unified one.
    pub controllers: Vec<String>,
    /// The path below the hierarchy's root, as the reader's cgroup namespace sees it.
    pub path: String,
}

/// The lines of the file; a line that has no such form, or is no UTF-8, is left out.
pub fn parse(bytes: &[u8]) -> Vec<Membership> {
    bytes
        .split(|&byte| byte == b'\n')
        .filter_map(|line| {
            let mut fields = std::str::from_utf8(line).ok()?.splitn(3, ':');
            fields.next()?.parse::<u32>().ok()?;
            let controllers = fields.next()?;
            let path = fields.next()?;
            Some(Membership {
                controllers: controllers.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect(),
                path: path.strip_suffix(" (deleted)").unwrap_or(path).to_owned(),
            })
        })
        .collect()
}

/// The pod of a process by its memberships: the one that tells most, for on a node that mixes v1
/// and v2 some hierarchies may hold everything at their root.
pub fn pod_of(memberships: &[Membership]) -> Option<PodCgroup> {
    let told = |pod: &PodCgroup| (pod.container.is_some(), pod.pod_uid.is_some());
    let mut best: Option<PodCgroup> = None;
    for pod in memberships.iter().filter_map(|line| pod_cgroup(&line.path)) {
        if best.as_ref().is_none_or(|best| told(&pod) > told(best)) {
            best = Some(pod);
        }
    }
    best
}

/// What one path tells, whatever the driver and the runtime; `None` when it speaks of no container and no pod.
///
/// The *last* component that names a pod counts (a node that is itself a container, as kind's, has
/// others above it), and the container is the component below it (what a container makes below
/// itself is still that container). Without a pod the last component that can only be a
/// container's counts: containers that were made by hand.
pub fn pod_cgroup(path: &str) -> Option<PodCgroup> {
    let components: Vec<&str> = path.split('/').filter(|component| !component.is_empty()).collect();
    let whole = path.to_owned();
    let mut above = "";
    let mut found = None;
    for (at, component) in components.iter().enumerate() {
        if let Some((uid, container)) = slice_and_container(component) {
            found = Some((uid, Some(container)));
        } else if let Some(uid) = pod_component(component, above) {
            let below = components.get(at.saturating_add(1));
            found = Some((uid, below.and_then(|name| container_component(name))));
        }
        above = component;
    }
    if let Some((uid, container)) = found {
        return Some(PodCgroup { pod_uid: Some(uid), container: container.map(ContainerId), path: whole });
    }
    let container = components.iter().rev().find_map(|name| container_component(name).filter(|id| is_long_hex(id)))?;
    Some(PodCgroup { pod_uid: None, container: Some(ContainerId(container)), path: whole })
}

/// The path of the pod's own cgroup: `path` up to the component that names the pod.
/// `None` when no component does.
pub fn pod_path(path: &str) -> Option<&str> {
    let mut above = "";
    let mut end = None;
    let mut at = 0;
    for component in path.split('/') {
        at += component.len();
        if pod_component(component, above).is_some() {
            end = Some(at);
        }
        if !component.is_empty() {
            above = component;
        }
        at += 1;
    }
    path.get(..end?)
}

/// `podUID` (cgroupfs driver), `kubepods-burstable-podUID.slice` with underscores (systemd driver).
fn pod_component(component: &str, above: &str) -> Option<String> {
    if let Some(slice) = component.strip_suffix(".slice") {
        let (kubepods, uid) = slice.split_once("-pod")?;
        return (kubepods.ends_with("kubepods") || kubepods.contains("kubepods-")) // kubelet-kubepods-burstable in kind
            .then(|| plain_uid(uid))
            .filter(|uid| !uid.is_empty());
    }
    let uid = component.strip_prefix("pod")?;
    // A uid of another shape is believed only where the kubelet puts pods: `podman` is none.
    let kubelets = matches!(above, "kubepods" | "burstable" | "besteffort");
    (is_uid(uid) || (kubelets && !uid.is_empty())).then(|| uid.to_owned())
}

/// `kubepods-burstable-podUID.slice:cri-containerd:ID`: a systemd path in the hands of the cgroupfs driver.
fn slice_and_container(component: &str) -> Option<(String, String)> {
    let mut parts = component.splitn(3, ':');
    let (slice, _runtime, container) = (parts.next()?, parts.next()?, parts.next()?);
    let uid = pod_component(slice, "")?;
    (!container.is_empty()).then(|| (uid, container.to_owned()))
}

/// `ID`, `cri-containerd-ID.scope`, `crio-ID.scope`, `docker-ID.scope`, `crio-ID`; not CRI-O's monitor.
fn container_component(component: &str) -> Option<String> {
    let scope = component.strip_suffix(".scope");
    let name = scope.unwrap_or(component);
    if name.starts_with("crio-conmon-") || name.starts_with("libpod-conmon-") {
        return None;
    }
    let id = ["cri-containerd-", "crio-", "docker-", "libpod-", "containerd-"]
        .iter()
        .find_map(|prefix| name.strip_prefix(prefix))
        .unwrap_or(name);
    // A scope without a runtime's prefix is systemd's own (`init.scope`).
    let own_scope = scope.is_some() && id.len() == name.len();
    (!own_scope && !id.is_empty() && !id.contains(':')).then(|| id.to_owned())
}

fn plain_uid(uid: &str) -> String {
    let dashes = uid.replace('_', "-");
    if is_uid(&dashes) { dashes } else { uid.to_owned() }
}

/// A uuid, or the 32 hex digits that the kubelet gives to a pod from a file.
fn is_uid(text: &str) -> bool {
    let hex = |part: &str, length| part.len() == length && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    hex(text, 32)
        || (text.split('-').count() == 5
            && text.split('-').zip([8, 4, 4, 4, 12]).all(|(part, length)| hex(part, length)))
}

fn is_long_hex(id: &str) -> bool {
    id.len() >= 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit())
}
