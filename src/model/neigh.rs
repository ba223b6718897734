//! Neighbours (ARP, NDP) and bridge forwarding entries.
//!
//! Must not import anything from the crate but its sibling model types.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ids::{IfIndex, MacAddr};

/// One neighbour. Source: `RTM_NEWNEIGH` of `AF_INET` and `AF_INET6`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Neighbour {
    /// The link it is behind.
    pub ifindex: IfIndex,
    /// Its address. `NDA_DST`.
    pub address: IpAddr,
    /// Its link-layer address; `None` while unresolved. `NDA_LLADDR`.
    pub mac: Option<MacAddr>,
    /// `NUD_*` by lower-case name: `reachable`, `stale`, `failed`, `permanent`, `noarp`, … Empty is `none`.
    pub states: Vec<String>,
    /// `NTF_*` by lower-case name: `proxy`, `router`, `extern_learn`, …
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<String>,
}

/// One forwarding entry of a bridge or a vxlan. Source: `RTM_NEWNEIGH` of `AF_BRIDGE`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct FdbEntry {
    /// The port (or the vxlan link) the frame leaves by; for `self` entries of a bridge, the bridge.
    pub ifindex: IfIndex,
    /// The bridge, for entries of a bridge's table. `NDA_MASTER`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bridge: Option<IfIndex>,
    /// The address that is looked up. `NDA_LLADDR`.
    pub mac: MacAddr,
    /// `NDA_VLAN`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vlan: Option<u16>,
    /// The remote VTEP of a vxlan entry. `NDA_DST`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote: Option<IpAddr>,
    /// `NDA_VNI`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vni: Option<u32>,
    /// `NDA_PORT`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// The link by which outer packets of a vxlan entry leave, in the namespace that they are sent in. `NDA_IFINDEX`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub via: Option<IfIndex>,
    /// The nexthop object that has the remote VTEPs of a vxlan entry. `NDA_NH_ID`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nexthop: Option<u32>,
    /// `NUD_*` by lower-case name; `permanent` entries are the bridge's or port's own, learned ones are `reachable` or `stale`.
    pub states: Vec<String>,
    /// `NTF_*` by lower-case name: `self`, `master`, `extern_learn`, `sticky`, …
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<String>,
}
