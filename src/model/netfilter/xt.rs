//! An xtables rule: what its header asks, its matches in order, its target.
//!
//! Must not import anything from the crate but its sibling model types.

pub mod matches;
pub mod protocols;
pub mod targets;

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::matches::Match;
use self::targets::Target;
use super::table::Counters;
use crate::model::text::{ByteText, Bytes};

/// A condition that may be turned around with `!`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Test<T> {
    /// Holds where the value does *not* apply.
    #[serde(default)]
    pub not: bool,
    /// What is compared with.
    pub value: T,
}

impl<T> Test<T> {
    /// Holds where the value applies.
    pub fn is(value: T) -> Self {
        Self { not: false, value }
    }
}

/// An address and the bits of it that count; the mask need not be a prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct MaskedAddress {
    /// The address.
    pub address: IpAddr,
    /// Its mask, of the same family.
    pub mask: IpAddr,
}

/// A rule of `iptables` or `ip6tables`, of either back end.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct XtRule {
    /// What the rule's head asks.
    pub header: Header,
    /// Its matches, in the order in which they are asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub matches: Vec<XtMatch>,
    /// What it does.
    pub target: XtTarget,
    /// What it counted; `None` where the rule has no counter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counters: Option<Counters>,
}

impl XtRule {
    /// The text of its first `comment` match.
    pub fn comment(&self) -> Option<&ByteText> {
        self.matches.iter().find_map(|found| match &found.is {
            Match::Comment(text) => Some(text),
            _ => None,
        })
    }
}

/// The head of an xtables rule. Source: `struct ipt_ip`, `struct ip6t_ip6`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema)]
pub struct Header {
    /// `-s`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Test<MaskedAddress>>,
    /// `-d`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination: Option<Test<MaskedAddress>>,
    /// `-i`; ends in `+` where only a prefix is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_interface: Option<Test<ByteText>>,
    /// `-o`; likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub out_interface: Option<Test<ByteText>>,
    /// `-p`, by number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Test<u16>>,
    /// `-f`: second and further fragments (IPv4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fragment: Option<Test<()>>,
    /// Bits of the header that mean nothing to this podnet: flags, inversions, TOS.
    #[serde(default, skip_serializing_if = "Bytes::is_empty")]
    pub unknown: Bytes,
}

/// A match of an xtables rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct XtMatch {
    /// As the kernel calls it: `tcp`, `conntrack`.
    pub name: ByteText,
    /// The layout of its data; 0 where it was read from text or from native expressions.
    pub revision: u8,
    /// What it asks.
    pub is: Match,
}

/// A target of an xtables rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct XtTarget {
    /// As the kernel calls it: `DNAT`; empty for verdicts and jumps.
    pub name: ByteText,
    /// The layout of its data; 0 where it was read from text or from native expressions.
    pub revision: u8,
    /// What it does.
    pub does: Target,
}
