//! The JSON that containerd keeps as a sandbox's extension `io.cri-containerd.sandbox.metadata`.
//!
//! May import model only. Source: `Metadata` in containerd's store/sandbox, which holds CRI's `PodSandboxConfig`.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Deserialize;

use crate::model::sandbox::{CniInterface, PodName};

/// What is used of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SandboxMetadata {
    /// The sandbox's id; `None` when the text does not say.
    pub id: Option<String>,
    /// The pod.
    pub pod: PodName,
    /// How often a sandbox was made for this pod before.
    pub attempt: u32,
    /// The pod's labels.
    pub labels: BTreeMap<String, String>,
    /// Whether CRI was asked for the node's own network namespace.
    pub host_network: bool,
    /// Where the namespace is bound; `None` for hostNetwork.
    pub netns_path: Option<String>,
    /// The addresses, the first one first. What is no address is left out.
    pub ips: Vec<IpAddr>,
    /// The interfaces of the CNI result, by name.
    pub interfaces: Vec<CniInterface>,
}

/// Parses the extension's bytes.
pub fn parse(json: &[u8]) -> Result<SandboxMetadata, serde_json::Error> {
    let metadata = serde_json::from_slice::<Versioned<Metadata>>(json)?.metadata.unwrap_or_default();
    let config = metadata.config.unwrap_or_default();
    let names = config.metadata.unwrap_or_default();
    let network = config
        .linux
        .and_then(|linux| linux.security_context)
        .and_then(|context| context.namespace_options)
        .and_then(|options| options.network);
    let ips = metadata.ip.into_iter().chain(metadata.additional_ips.unwrap_or_default().into_iter().flatten());
    Ok(SandboxMetadata {
        id: metadata.id.filter(|id| !id.is_empty()),
        pod: PodName {
            namespace: names.namespace.filter(|text| !text.is_empty()),
            name: names.name.filter(|text| !text.is_empty()),
            uid: names.uid.filter(|text| !text.is_empty()),
        },
        attempt: names.attempt.unwrap_or_default(),
        labels: config.labels.unwrap_or_default(),
        // NamespaceMode.NODE
        host_network: network == Some(2),
        netns_path: metadata.netns_path.filter(|path| !path.is_empty()),
        ips: ips.filter_map(|ip| ip.parse().ok()).collect(),
        interfaces: metadata.cni_result.map(interfaces).unwrap_or_default(),
    })
}

fn interfaces(result: CniResult) -> Vec<CniInterface> {
    result
        .interfaces
        .unwrap_or_default()
        .into_iter()
        .map(|(name, interface)| {
            let interface = interface.unwrap_or_default();
            CniInterface {
                name,
                mac: interface.mac.filter(|mac| !mac.is_empty()).and_then(|mac| mac.parse().ok()),
                sandbox: interface.sandbox.filter(|path| !path.is_empty()),
            }
        })
        .collect()
}

/// The envelope around both kinds of metadata.
#[derive(Deserialize)]
pub(super) struct Versioned<T> {
    #[serde(rename = "Metadata")]
    pub(super) metadata: Option<T>,
}

#[derive(Deserialize, Default)]
struct Metadata {
    #[serde(rename = "ID")]
    id: Option<String>,
    #[serde(rename = "Config")]
    config: Option<Config>,
    #[serde(rename = "NetNSPath")]
    netns_path: Option<String>,
    #[serde(rename = "IP")]
    ip: Option<String>,
    #[serde(rename = "AdditionalIPs")]
    additional_ips: Option<Vec<Option<String>>>,
    #[serde(rename = "CNIResult")]
    cni_result: Option<CniResult>,
}

#[derive(Deserialize, Default)]
struct Config {
    metadata: Option<Names>,
    labels: Option<BTreeMap<String, String>>,
    linux: Option<Linux>,
}

#[derive(Deserialize, Default)]
struct Names {
    name: Option<String>,
    namespace: Option<String>,
    uid: Option<String>,
    attempt: Option<u32>,
}

#[derive(Deserialize)]
struct Linux {
    security_context: Option<SecurityContext>,
}

#[derive(Deserialize)]
struct SecurityContext {
    namespace_options: Option<NamespaceOptions>,
}

#[derive(Deserialize)]
struct NamespaceOptions {
    network: Option<i64>,
}

#[derive(Deserialize)]
struct CniResult {
    #[serde(rename = "Interfaces")]
    interfaces: Option<BTreeMap<String, Option<Interface>>>,
}

#[derive(Deserialize, Default)]
struct Interface {
    #[serde(rename = "Mac")]
    mac: Option<String>,
    #[serde(rename = "Sandbox")]
    sandbox: Option<String>,
}
