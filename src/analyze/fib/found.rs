//! What a look-up answers.
//!
//! May import model only.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::Serialize;

use crate::model::ids::{IfIndex, TableId};
use crate::model::route::{Encap, Route, RouteKind, RouteQuery, RouteWitness, Rule};
use crate::model::text::ByteText;

/// A route look-up, worked out as the kernel does it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Lookup {
    /// What was asked.
    pub query: RouteQuery,
    /// How it ends.
    pub outcome: Outcome,
    /// The rule that decided; `None` where no rule did (no rule led to a route, or none was asked).
    pub rule: Option<Rule>,
    /// The table in which the route was found.
    pub table: Option<TableId>,
    /// The route that won, as the kernel has it; `None` where the kernel needs none (a bound
    /// socket's destination that no route leads to counts as on the link).
    pub route: Option<Route>,
    /// What the destination is; mostly the route's own kind.
    pub kind: Option<RouteKind>,
    /// Where it leads, in the kernel's order. More than one usable way: a hash of the flow chooses.
    pub ways: Vec<Way>,
    /// What else came into question and why it lost: rules and routes in the order in which they
    /// were asked, then routes of tables that were not reached.
    pub near_misses: Vec<NearMiss>,
    /// How many more there were than `near_misses` lists.
    pub near_misses_left_out: u32,
    /// What else is worth knowing of this answer.
    pub notes: Vec<String>,
    /// What the kernel itself says; live only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub witness: Option<Witness>,
}

impl Lookup {
    /// The ways that may be chosen.
    pub fn usable(&self) -> impl Iterator<Item = &Way> {
        self.ways.iter().filter(|way| way.unusable.is_none())
    }

    /// The one way that is taken; `None` when there is none or a hash of the flow chooses.
    pub fn way(&self) -> Option<&Way> {
        let mut usable = self.usable();
        let first = usable.next()?;
        usable.next().is_none().then_some(first)
    }

    /// The source address; `None` when there is none, or when it hangs on what is not known.
    pub fn source(&self) -> Option<IpAddr> {
        let mut usable = self.usable();
        let first = usable.next()?.source.address()?;
        usable.all(|way| way.source.address() == Some(first)).then_some(first)
    }
}

/// How a look-up ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Outcome {
    /// It leaves by a link.
    Sent,
    /// It is for this namespace itself.
    Delivered,
    /// The kernel refuses it.
    Refused {
        /// The error a sender gets.
        errno: i32,
        /// That error's name.
        name: String,
        /// Who says so.
        why: String,
    },
    /// It cannot be told.
    Unknown {
        /// Why not.
        why: String,
    },
}

/// One way a route leads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Way {
    /// The link it leaves by; for what is delivered here, the link that the local route names (the
    /// one with the address), though the kernel hands such a packet over by the loopback or VRF device.
    pub ifindex: Option<IfIndex>,
    /// That link's name; `None` when the namespace has no such link.
    pub link: Option<ByteText>,
    /// The next router; `None`: the destination itself is asked for on the link.
    pub gateway: Option<IpAddr>,
    /// Its share among the others.
    pub weight: u16,
    /// Whether the gateway is taken to be on the link, whatever its address.
    pub onlink: bool,
    /// What is wrapped around the packet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encap: Option<Encap>,
    /// Why it is not taken; `None`: it may be.
    pub unusable: Option<String>,
    /// The source address of a packet that has none yet.
    pub source: Source,
}

/// A source address and why it is that one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Source {
    /// The packet has one already.
    Given {
        /// It.
        address: IpAddr,
    },
    /// This one is chosen.
    Chosen {
        /// It.
        address: IpAddr,
        /// By which rule.
        why: String,
    },
    /// One of these; which hangs on something the kernel does not tell.
    OneOf {
        /// All that may be chosen.
        addresses: Vec<IpAddr>,
        /// What it hangs on.
        why: String,
    },
    /// No address fits, or none is asked for.
    None {
        /// Why.
        why: String,
    },
    /// It cannot be told.
    Unknown {
        /// Why not.
        why: String,
    },
}

impl Source {
    /// The address, where it is known.
    pub fn address(&self) -> Option<IpAddr> {
        match self {
            Self::Given { address } | Self::Chosen { address, .. } => Some(*address),
            Self::OneOf { .. } | Self::None { .. } | Self::Unknown { .. } => None,
        }
    }

    /// All addresses it may be.
    pub fn addresses(&self) -> Vec<IpAddr> {
        match self {
            Self::OneOf { addresses, .. } => addresses.clone(),
            _ => self.address().into_iter().collect(),
        }
    }
}

/// A rule or a route that came into question and lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct NearMiss {
    /// Which.
    pub candidate: Candidate,
    /// Why it lost.
    pub reason: Reason,
    /// The same in words, with the values that decided.
    pub why: String,
}

/// What can lose a look-up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Candidate {
    /// A rule.
    Rule(Box<Rule>),
    /// A route.
    Route(Box<Route>),
}

/// Why a candidate lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// A selector of the rule does not match.
    Selector,
    /// The rule leads to a rule that does not exist.
    MissingTarget,
    /// The rule's table holds no route that fits.
    NothingFound,
    /// The rule does not count a route it found.
    Suppressed,
    /// Another route's prefix is longer.
    ShorterPrefix,
    /// Another route's metric is lower.
    HigherMetric,
    /// The type of service differs, or another route names it and this one does not.
    Tos,
    /// Its scope is wider than the one asked for.
    Scope,
    /// The next hop is dead, or its link is down.
    Dead,
    /// It leaves by another link than asked for.
    OtherLink,
    /// It is for another source.
    OtherSource,
    /// It has expired.
    Expired,
    /// Its router's neighbour entry has failed.
    RouterUnreachable,
    /// Another router is preferred.
    LowerPreference,
    /// All else being equal, an earlier one is taken.
    Later,
    /// It ends the search in its table, and in no other.
    Throw,
    /// No rule that was asked leads to its table.
    TableNotReached,
}

/// The kernel's own answer beside podnet's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Witness {
    /// What it said; `None` when it could not be asked.
    pub answer: Option<RouteWitness>,
    /// Whether both agree; `None` when there is nothing to compare.
    pub agrees: Option<bool>,
    /// Each thing in which they differ.
    pub differences: Vec<String>,
}

/// The near misses so far: bounded.
#[derive(Debug, Default)]
pub(super) struct Misses {
    pub list: Vec<NearMiss>,
    pub left_out: u32,
}

impl Misses {
    /// How many an answer lists.
    const LIMIT: usize = 48;

    pub fn rule(&mut self, rule: &Rule, reason: Reason, why: impl Into<String>) {
        self.push(NearMiss { candidate: Candidate::Rule(Box::new(rule.clone())), reason, why: why.into() });
    }

    pub fn route(&mut self, route: &Route, reason: Reason, why: impl Into<String>) {
        self.push(NearMiss { candidate: Candidate::Route(Box::new(route.clone())), reason, why: why.into() });
    }

    fn push(&mut self, miss: NearMiss) {
        if self.list.len() < Self::LIMIT {
            self.list.push(miss);
        } else {
            self.left_out = self.left_out.saturating_add(1);
        }
    }
}

/// Linux' numbers of the errors a look-up can end with.
pub(super) mod errno {
    pub const EAGAIN: i32 = 11;
    pub const EACCES: i32 = 13;
    pub const EXDEV: i32 = 18;
    pub const ENODEV: i32 = 19;
    pub const EINVAL: i32 = 22;
    pub const EMSGSIZE: i32 = 90;
    pub const ENETUNREACH: i32 = 101;
    pub const EHOSTUNREACH: i32 = 113;

    /// The name of one of them.
    pub fn name(number: i32) -> String {
        match number {
            EAGAIN => "EAGAIN".to_owned(),
            EACCES => "EACCES".to_owned(),
            EXDEV => "EXDEV".to_owned(),
            ENODEV => "ENODEV".to_owned(),
            EINVAL => "EINVAL".to_owned(),
            EMSGSIZE => "EMSGSIZE".to_owned(),
            ENETUNREACH => "ENETUNREACH".to_owned(),
            EHOSTUNREACH => "EHOSTUNREACH".to_owned(),
            other => format!("errno {other}"),
        }
    }
}
