//! Chains, and where the kernel runs them.
//!
//! Must not import anything from the crate but its sibling model types.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rule::Rule;
use super::table::{Counters, TableRef};
use crate::model::text::{ByteText, Bytes};

/// Names one chain of a namespace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct ChainRef {
    /// Its table.
    pub table: TableRef,
    /// Its name.
    pub name: ByteText,
}

/// Where packets pass. Source: `NF_INET_*`, `NF_BR_*`, `NF_ARP_*`, `NF_NETDEV_*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Hook {
    /// As a frame comes in from a link, before all else.
    Ingress,
    /// Before routing.
    Prerouting,
    /// To a socket of this namespace.
    Input,
    /// Through this namespace.
    Forward,
    /// From a socket of this namespace.
    Output,
    /// After routing.
    Postrouting,
    /// As a frame leaves by a link.
    Egress,
}

impl Hook {
    /// All, in the order in which a packet passes them.
    pub const ALL: [Self; 7] =
        [Self::Ingress, Self::Prerouting, Self::Input, Self::Forward, Self::Output, Self::Postrouting, Self::Egress];

    /// As `nft` writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ingress => "ingress",
            Self::Prerouting => "prerouting",
            Self::Input => "input",
            Self::Forward => "forward",
            Self::Output => "output",
            Self::Postrouting => "postrouting",
            Self::Egress => "egress",
        }
    }

    /// The hook that `nft` or, in capitals, `iptables` writes so.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|hook| hook.name().eq_ignore_ascii_case(name))
    }
}

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What a base chain is for. Source: `NFTA_CHAIN_TYPE`; of a legacy table its name tells.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChainKind {
    /// Verdicts.
    Filter,
    /// Address translation: the first packet of a flow alone, and all of its chains at nat's own place.
    Nat,
    /// Verdicts; a changed mark is routed again (output).
    Route,
    /// A kind this podnet does not know.
    #[serde(untagged)]
    Other(ByteText),
}

/// What becomes of a packet that falls off the end of a base chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    /// It goes on to the next base chain.
    Accept,
    /// It is dropped.
    Drop,
}

/// What makes a chain a base chain. Source: `NFTA_CHAIN_HOOK`; of a legacy table `hook_entry`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Base {
    /// Where packets enter it.
    pub hook: Hook,
    /// `NFTA_HOOK_PRIORITY`: lower runs first; of equal ones the later registered.
    pub priority: i32,
    /// What it is for.
    pub kind: ChainKind,
    /// What becomes of packets at its end.
    pub policy: Policy,
    /// The links it is bound to (netdev, and inet's ingress); a name may end in `*`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<ByteText>,
}

/// A chain without its rules. Sorted by table and name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Chain {
    /// Which.
    pub id: ChainRef,
    /// `NFTA_CHAIN_HANDLE`; legacy chains have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handle: Option<u64>,
    /// Where it is hooked in; `None` for a chain that is only jumped to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Base>,
    /// Packets that fell off its end. Legacy base chains always count, others may (`NFTA_CHAIN_COUNTERS`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counters: Option<Counters>,
    /// `NFTA_CHAIN_USE`: how many rules and jumps to it there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uses: Option<u32>,
    /// `NFTA_CHAIN_FLAGS`
    #[serde(default)]
    pub flags: u32,
    /// The comment in its user data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<ByteText>,
    /// User data that is no comment.
    #[serde(default, skip_serializing_if = "Bytes::is_empty")]
    pub user_data: Bytes,
}

/// A chain with its rules, in their order.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Rules {
    /// The chain.
    pub chain: Chain,
    /// Its rules.
    pub rules: Vec<Rule>,
}
