//! The answer to `lab status`: which labs are there, and whether what they are made of still is.
//!
//! Must not import anything from the crate but its sibling model types.

use std::net::{IpAddr, Ipv6Addr};

use ipnet::{IpNet, Ipv6Net};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ids::{ContainerId, NetnsId, Pid, SandboxId};
use super::lab::{LabOptions, LabPhase};

/// All labs that were asked for, by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LabStatus {
    /// The labs.
    pub labs: Vec<LabReport>,
}

/// One lab.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LabReport {
    /// Its name.
    pub name: String,
    /// How far it got.
    pub phase: LabPhase,
    /// When it was planned.
    #[schemars(with = "String")]
    pub created_at: Timestamp,
    /// The version of podnet that made it.
    pub written_by: String,
    /// Its own folder.
    pub folder: String,
    /// What was asked for.
    pub options: LabOptions,
    /// `gateway` and `outside`.
    pub hosts: Vec<LabHostReport>,
    /// The workers, by number.
    pub workers: Vec<LabWorkerReport>,
    /// What was left out as it was made.
    pub notes: Vec<String>,
    /// What should be there and is not; empty for a lab in order.
    pub broken: Vec<String>,
}

/// A machine that is no worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LabHostReport {
    /// Its name, as `lab exec` takes it.
    pub name: String,
    /// Its address.
    pub address: IpAddr,
    /// Its IPv6 address, in a dual-stack lab.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address_v6: Option<Ipv6Addr>,
    /// Where its namespace is bound.
    pub netns_path: String,
    /// Its namespace; `None` when it is gone.
    pub netns: Option<NetnsId>,
    /// Its server, while it runs.
    pub pid: Option<Pid>,
}

/// A worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LabWorkerReport {
    /// Its name, as `--lab` and `lab exec` take it.
    pub name: String,
    /// Its address in the VPC.
    #[schemars(with = "String")]
    pub address: IpNet,
    /// Its pods' addresses.
    #[schemars(with = "String")]
    pub pod_cidr: IpNet,
    /// Its IPv6 address in the VPC, in a dual-stack lab.
    #[schemars(with = "Option<String>")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address_v6: Option<Ipv6Net>,
    /// Its pods' IPv6 addresses, in a dual-stack lab.
    #[schemars(with = "Option<String>")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_cidr_v6: Option<Ipv6Net>,
    /// The bridge of its pods.
    pub bridge: String,
    /// Where its namespace is bound.
    pub netns_path: String,
    /// Its namespace; `None` when it is gone.
    pub netns: Option<NetnsId>,
    /// The folder that plays its `/`.
    pub root: String,
    /// Its pods, by address.
    pub pods: Vec<LabPodReport>,
}

/// A pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LabPodReport {
    /// Its Kubernetes namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// Its sandbox.
    pub sandbox: SandboxId,
    /// Its container.
    pub container: ContainerId,
    /// Its address.
    pub address: IpAddr,
    /// Its IPv6 address, in a dual-stack lab.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address_v6: Option<Ipv6Addr>,
    /// Where its namespace is bound.
    pub netns_path: String,
    /// Its namespace; `None` when it is gone.
    pub netns: Option<NetnsId>,
    /// The host end of its veth pair.
    pub host_link: String,
    /// Its pause process, while it runs.
    pub pause: Option<Pid>,
    /// Its application's process, while it runs.
    pub app: Option<Pid>,
}
