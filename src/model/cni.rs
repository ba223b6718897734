//! CNI files as they stand on the node.
//!
//! Must not import anything from the crate but its sibling model types.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ids::ContainerId;
use super::sandbox::{CniInterface, PodName};

/// All that the node's CNI folders tell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Default)]
pub struct CniState {
    /// The folder that was read, `/etc/cni/net.d` unless the runtime names another.
    pub conf_dir: String,
    /// Its files, sorted by name: the order in which the runtime takes the first that is valid.
    pub files: Vec<CniFile>,
    /// The results cache (`/var/lib/cni/results`), sorted by container then interface.
    pub cache: Vec<CniCacheEntry>,
    /// host-local's leases (`/var/lib/cni/networks/NETWORK/ADDRESS`), sorted by network then address.
    pub leases: Vec<CniLease>,
}

/// A `.conf`, `.conflist` or `.json` file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CniFile {
    /// Its full path.
    pub path: String,
    /// The network it describes; `None` when it could not be parsed.
    pub network: Option<CniNetwork>,
    /// What is wrong with it, with line and column; or why it was not read.
    pub error: Option<String>,
    /// Whether podnet did not read it (too large, no permission): a runtime may well, and find it valid.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unread: bool,
}

/// A network configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CniNetwork {
    /// `name`.
    pub name: String,
    /// `cniVersion`.
    pub cni_version: Option<String>,
    /// The chain, in order; one for a `.conf`.
    pub plugins: Vec<CniPlugin>,
}

/// One plugin of a chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CniPlugin {
    /// `type`: the program's name.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its configuration as it stands in the file.
    pub config: serde_json::Value,
}

/// One entry of the results cache.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CniCacheEntry {
    /// Its full path.
    pub path: String,
    /// `containerId`: the sandbox.
    pub container: ContainerId,
    /// `networkName`.
    pub network: String,
    /// `ifName`: the interface within the pod.
    pub interface: String,
    /// The pod, from `cniArgs` (`K8S_POD_NAME` and its like).
    pub pod: PodName,
    /// `result.interfaces`.
    pub interfaces: Vec<CniInterface>,
    /// `result.ips[].address`.
    #[schemars(with = "Vec<String>")]
    pub addresses: Vec<ipnet::IpNet>,
    /// What is wrong with it.
    pub error: Option<String>,
}

/// One lease of host-local.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CniLease {
    /// Its full path.
    pub path: String,
    /// The network (the folder's name).
    pub network: String,
    /// The address (the file's name).
    pub address: IpAddr,
    /// The first line: who holds it.
    pub container: ContainerId,
    /// The second line; `None` in files of old versions.
    pub interface: Option<String>,
}
