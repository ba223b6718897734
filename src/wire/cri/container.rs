//! The JSON that containerd keeps as a container's extension `io.cri-containerd.container.metadata`.
//!
//! May import model only.

use serde::Deserialize;

use super::sandbox::Versioned;

/// What is used of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ContainerMetadata {
    /// The sandbox that it belongs to.
    pub sandbox: Option<String>,
    /// Its name in the pod.
    pub name: Option<String>,
}

/// Parses the extension's bytes.
pub fn parse(json: &[u8]) -> Result<ContainerMetadata, serde_json::Error> {
    let metadata = serde_json::from_slice::<Versioned<Metadata>>(json)?.metadata.unwrap_or_default();
    Ok(ContainerMetadata {
        sandbox: metadata.sandbox_id.filter(|id| !id.is_empty()),
        name: metadata.config.and_then(|config| config.metadata).and_then(|names| names.name),
    })
}

#[derive(Deserialize, Default)]
struct Metadata {
    #[serde(rename = "SandboxID")]
    sandbox_id: Option<String>,
    #[serde(rename = "Config")]
    config: Option<Config>,
}

#[derive(Deserialize)]
struct Config {
    metadata: Option<Names>,
}

#[derive(Deserialize)]
struct Names {
    name: Option<String>,
}
