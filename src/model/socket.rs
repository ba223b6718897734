//! Sockets that wait for whoever comes: what a packet that arrives is handed to.
//!
//! Must not import anything from the crate but its sibling model types.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::flow::UnknownAttribute;
use super::ids::IfIndex;

/// `IPPROTO_TCP`
pub const TCP: u8 = 6;
/// `IPPROTO_UDP`
pub const UDP: u8 = 17;
/// `IPPROTO_SCTP`
pub const SCTP: u8 = 132;

/// A socket that listens (TCP, SCTP), or any with a port (UDP). Source: `sock_diag`, `struct inet_diag_msg`.
///
/// Sorted by protocol, port, address, link, peer and so on. Sockets of the kernel's own are among them (a vxlan's).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Socket {
    /// `IPPROTO_*`
    pub protocol: u8,
    /// The port it is bound to. `idiag_sport`
    pub port: u16,
    /// The address it is bound to: `0.0.0.0` or `::` for all; its family is the socket's, and an IPv6 socket that is
    /// bound to an IPv4 address has it mapped (`::ffff:10.0.0.1`). `idiag_src`
    pub address: IpAddr,
    /// The link it is bound to; `None`: any. `idiag_if`
    pub link: Option<IfIndex>,
    /// Whom it is connected to (UDP alone): it gets packets of that one only. `idiag_dst`, `idiag_dport`
    pub peer: Option<Peer>,
    /// Whether it leaves IPv4 to others; `None` of an IPv4 socket. `INET_DIAG_SKV6ONLY`
    pub v6only: Option<bool>,
    /// Connections that wait to be accepted; `None` of UDP.
    pub queue: Option<Queue>,
    /// Who owns it, as the reader's user namespace numbers users.
    pub uid: u32,
    /// The socket's inode, which `/proc/PID/fd` leads to, where a process has it. `idiag_inode`
    pub inode: u32,
    /// The cgroup v2 in which it was made, by its id (an inode of cgroupfs); `None` where the kernel does not tell.
    /// `INET_DIAG_CGROUP_ID`
    pub cgroup: Option<u64>,
    /// The mark of what it sends; `None` where the reader may not know it. `INET_DIAG_MARK`
    pub mark: Option<u32>,
    /// The kernel's own number for it, never used twice while the machine runs. `idiag_cookie`
    pub cookie: u64,
    /// All its addresses, where it may have several (SCTP). `INET_DIAG_LOCALS`
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<IpAddr>,
    /// Attributes that podnet does not know, by type, in the kernel's order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<UnknownAttribute>,
}

/// The other end of a socket that is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Peer {
    /// Its address.
    pub address: IpAddr,
    /// Its port.
    pub port: u16,
}

/// Connections that wait for the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Queue {
    /// How many wait. `idiag_rqueue`
    pub waiting: u32,
    /// How many may: with more than that the kernel drops whoever comes. `idiag_wqueue`
    pub limit: u32,
}

/// What a protocol is called.
pub fn protocol_name(protocol: u8) -> Option<&'static str> {
    match protocol {
        TCP => Some("TCP"),
        UDP => Some("UDP"),
        SCTP => Some("SCTP"),
        _ => None,
    }
}
