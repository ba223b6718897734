//! A bundle's `config.json` (OCI runtime specification): the annotations by which a runtime marks a pod's containers.
//!
//! May import model only.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::model::sandbox::PodName;

/// What is used of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    /// Whether it is the pod's sandbox (`Some(true)`) or one of its containers; `None` when neither is said.
    pub is_sandbox: Option<bool>,
    /// The sandbox that it is or belongs to.
    pub sandbox: Option<String>,
    /// The pod, as far as the annotations name it.
    pub pod: PodName,
    /// The container's name in the pod; `None` for a sandbox.
    pub container: Option<String>,
    /// The image, where the runtime notes it.
    pub image: Option<String>,
    /// The network namespace it was told to join; `None` for the node's own or a new one.
    pub netns_path: Option<String>,
    /// Whether it joins or makes a network namespace at all: a sandbox that does neither is hostNetwork.
    pub own_network: bool,
}

/// Parses a `config.json`.
pub fn parse(json: &[u8]) -> Result<Bundle, serde_json::Error> {
    let config: Config = serde_json::from_slice(json)?;
    let mut annotations = config.annotations.unwrap_or_default();
    // containerd's names first, then CRI-O's.
    let mut take =
        |names: &[&str]| names.iter().find_map(|name| annotations.remove(*name)).filter(|text| !text.is_empty());
    let kind = take(&["io.kubernetes.cri.container-type", "io.kubernetes.cri-o.ContainerType"]);
    let is_sandbox = match kind.as_deref() {
        Some("sandbox") => Some(true),
        Some("container") => Some(false),
        _ => None,
    };
    let container = take(&["io.kubernetes.cri.container-name", "io.kubernetes.container.name"]);
    let network = config
        .linux
        .and_then(|linux| linux.namespaces)
        .unwrap_or_default()
        .into_iter()
        .find(|namespace| namespace.kind == "network");
    Ok(Bundle {
        is_sandbox,
        sandbox: take(&["io.kubernetes.cri.sandbox-id", "io.kubernetes.cri-o.SandboxID"]),
        pod: PodName {
            namespace: take(&["io.kubernetes.cri.sandbox-namespace", "io.kubernetes.pod.namespace"]),
            name: take(&["io.kubernetes.cri.sandbox-name", "io.kubernetes.pod.name"]),
            uid: take(&["io.kubernetes.cri.sandbox-uid", "io.kubernetes.pod.uid"]),
        },
        // CRI-O calls a sandbox the container POD.
        container: container.filter(|_| is_sandbox != Some(true)),
        image: take(&["io.kubernetes.cri.image-name", "io.kubernetes.cri-o.ImageName"])
            .filter(|_| is_sandbox != Some(true)),
        own_network: network.is_some(),
        netns_path: network.and_then(|namespace| namespace.path).filter(|path| !path.is_empty()),
    })
}

#[derive(Deserialize)]
struct Config {
    annotations: Option<BTreeMap<String, String>>,
    linux: Option<Linux>,
}

#[derive(Deserialize)]
struct Linux {
    namespaces: Option<Vec<Namespace>>,
}

#[derive(Deserialize)]
struct Namespace {
    #[serde(rename = "type")]
    kind: String,
    path: Option<String>,
}
