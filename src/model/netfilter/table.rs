//! Tables: what holds chains, sets and objects.
//!
//! Must not import anything from the crate but its sibling model types.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::text::{ByteText, Bytes};

/// The tables of iptables.
pub const XTABLES: [&str; 5] = ["filter", "nat", "mangle", "raw", "security"];

/// Which packets a table sees. Source: `NFPROTO_*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// IPv4. `NFPROTO_IPV4`
    Ip,
    /// IPv6. `NFPROTO_IPV6`
    Ip6,
    /// Both. `NFPROTO_INET`
    Inet,
    /// ARP. `NFPROTO_ARP`
    Arp,
    /// Frames that a bridge forwards. `NFPROTO_BRIDGE`
    Bridge,
    /// Frames of one link. `NFPROTO_NETDEV`
    Netdev,
}

impl Family {
    /// All, in the order in which answers list them.
    pub const ALL: [Self; 6] = [Self::Ip, Self::Ip6, Self::Inet, Self::Arp, Self::Bridge, Self::Netdev];

    /// As `nft` writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ip => "ip",
            Self::Ip6 => "ip6",
            Self::Inet => "inet",
            Self::Arp => "arp",
            Self::Bridge => "bridge",
            Self::Netdev => "netdev",
        }
    }

    /// The family that `nft` writes so.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|family| family.name() == name)
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Which part of the kernel holds a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BackEnd {
    /// `nf_tables`: written through `nft` or `iptables-nft`.
    NfTables,
    /// `ip_tables` and `ip6_tables`: written through `iptables-legacy`.
    Legacy,
}

/// Names one table of a namespace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct TableRef {
    /// Who holds it.
    pub back_end: BackEnd,
    /// Which packets it sees.
    pub family: Family,
    /// Its name: `nat`, `kube-proxy`.
    pub name: ByteText,
}

impl TableRef {
    /// A table of nf_tables.
    pub fn nf(family: Family, name: impl Into<ByteText>) -> Self {
        Self { back_end: BackEnd::NfTables, family, name: name.into() }
    }

    /// A table of ip_tables or ip6_tables.
    pub fn legacy(family: Family, name: impl Into<ByteText>) -> Self {
        Self { back_end: BackEnd::Legacy, family, name: name.into() }
    }

    /// A chain of it.
    pub fn chain(&self, name: impl Into<ByteText>) -> super::chain::ChainRef {
        super::chain::ChainRef { table: self.clone(), name: name.into() }
    }

    /// A set of it.
    pub fn set(&self, name: impl Into<ByteText>) -> super::set::SetRef {
        super::set::SetRef { table: self.clone(), name: name.into() }
    }
}

/// A table. Sorted by back end, family and name.
///
/// Source: `NFT_MSG_NEWTABLE`, or `/proc/thread-self/net/ip(6)_tables_names`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Table {
    /// Which.
    pub id: TableRef,
    /// `NFTA_TABLE_HANDLE`; legacy tables have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handle: Option<u64>,
    /// `NFT_TABLE_F_DORMANT`: its chains are not hooked in.
    #[serde(default)]
    pub dormant: bool,
    /// `NFTA_TABLE_OWNER`: the netlink port of the program that owns it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<u32>,
    /// `NFTA_TABLE_FLAGS`, whole.
    #[serde(default)]
    pub flags: u32,
    /// `NFTA_TABLE_USE`: how many chains, sets, objects and flow tables it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objects: Option<u32>,
    /// The comment in its user data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<ByteText>,
    /// User data that is no comment.
    #[serde(default, skip_serializing_if = "Bytes::is_empty")]
    pub user_data: Bytes,
}

/// Packets and bytes counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema)]
pub struct Counters {
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
}
