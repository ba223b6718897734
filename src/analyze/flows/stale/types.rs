//! The answer to `conntrack --stale`.
//!
//! May import model and its siblings only.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::Serialize;

use crate::analyze::flows::state::StateWord;
use crate::analyze::flows::types::{L4, Party};
use crate::model::flow::tuple::Zone;

/// Flows that go where nothing is any more.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, JsonSchema)]
pub struct Stale {
    /// Those that are in the way of what the rules say now, by node, kind and tuples.
    pub flows: Vec<StaleFlow>,
    /// How many more there are; left out where all are told.
    #[serde(skip_serializing_if = "is_zero")]
    pub not_told: u64,
    /// Connections that live on though new ones go elsewhere: nothing is wrong with them.
    pub draining: Vec<StaleFlow>,
    /// How many more there are; left out where all are told.
    #[serde(skip_serializing_if = "is_zero")]
    pub draining_not_told: u64,
    /// Connections that are over and would be told else: the kernel forgets them within minutes.
    pub over: u64,
    /// Flows that were looked at.
    pub judged: u64,
    /// Flows that began while the rules were read: they are not judged.
    pub newer: u64,
    /// Flows of which it is not known; the issues say why.
    pub unknown: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// One flow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct StaleFlow {
    /// The node; only where several were asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// What is the matter with it.
    pub kind: StaleKind,
    /// The protocol.
    pub protocol: L4,
    /// Who asked.
    pub client: Party,
    /// What it asked for, before any DNAT.
    pub asked_for: AskedFor,
    /// Where it goes.
    pub served_by: Party,
    /// The source that is seen there.
    pub seen_as: Party,
    /// How it stands.
    pub state: StateWord,
    /// Until it is forgotten, if no packet comes.
    pub left_ms: Option<u64>,
    /// Its zone; left out for the default one.
    #[serde(skip_serializing_if = "Zone::is_default")]
    pub zone: Zone,
    /// The kernel's hash of it, which repeats.
    pub id: u32,
    /// Why it is told. Names in it are as the node has them, not escaped.
    pub reason: String,
    /// What would remove this flow and no other, on its node; `None` where nothing should.
    pub command: Option<String>,
}

/// What a client asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct AskedFor {
    /// The address.
    pub address: IpAddr,
    /// The port.
    pub port: Option<u16>,
}

/// What is the matter with a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StaleKind {
    /// UDP: the service has another endpoint, or none, and the flow keeps its old one.
    EndpointGone,
    /// UDP: no rule is about what it asked for any more.
    ServiceGone,
    /// TCP, SCTP: it goes to an address of this node's pod range that no namespace has.
    AddressGone,
    /// It goes to a cluster IP as it is, for it began before the rules were there.
    NotTranslated,
    /// It asked for a port that the service's address has no more.
    OldPort,
    /// It asked for a node port that is no more.
    OldNodePort,
    /// TCP, SCTP: its endpoint is gone from the rules and may live on.
    Draining,
}

impl StaleKind {
    /// In a few words, as a heading.
    pub fn words(self) -> &'static str {
        match self {
            Self::EndpointGone => "endpoint gone",
            Self::ServiceGone => "service gone",
            Self::AddressGone => "address gone",
            Self::NotTranslated => "not translated",
            Self::OldPort => "old port",
            Self::OldNodePort => "old node port",
            Self::Draining => "draining",
        }
    }
}
