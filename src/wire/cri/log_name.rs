//! Names that the kubelet gives to log folders and files; they name pods without any runtime.
//!
//! May import model only.

use crate::model::sandbox::PodName;

/// `NAMESPACE_NAME_UID`, a folder of `/var/log/pods`. None of the three can hold an underscore.
pub fn pod_folder(name: &str) -> Option<PodName> {
    let mut parts = name.split('_');
    let (namespace, pod, uid) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || namespace.is_empty() || pod.is_empty() || uid.is_empty() {
        return None;
    }
    Some(PodName { namespace: Some(namespace.to_owned()), name: Some(pod.to_owned()), uid: Some(uid.to_owned()) })
}

/// What the name of a link in `/var/log/containers` tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerLog {
    /// The pod, without its uid.
    pub pod: PodName,
    /// The container's name in the pod.
    pub container: String,
    /// The container's id.
    pub id: String,
}

/// `POD_NAMESPACE_CONTAINER-ID.log`, a link in `/var/log/containers`. The sandbox has none.
pub fn container_link(name: &str) -> Option<ContainerLog> {
    let mut parts = name.strip_suffix(".log")?.split('_');
    let (pod, namespace, rest) = (parts.next()?, parts.next()?, parts.next()?);
    let (container, id) = rest.rsplit_once('-')?;
    if parts.next().is_some() || pod.is_empty() || namespace.is_empty() || container.is_empty() || id.is_empty() {
        return None;
    }
    Some(ContainerLog {
        pod: PodName { namespace: Some(namespace.to_owned()), name: Some(pod.to_owned()), uid: None },
        container: container.to_owned(),
        id: id.to_owned(),
    })
}
