//! What is told of rules that are not kube-proxy's and act on packets to services before its own do.
//!
//! May import model and analysis only.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::Serialize;

use crate::analyze::netfilter::text::RuleRef;
use crate::analyze::netfilter::{Clause, Translation};
use crate::model::kube_proxy::Protocol;
use crate::model::netfilter::chain::Hook;

/// A rule of somebody else's that acts, or may act, on packets to services before kube-proxy's rules are asked, or
/// drops them behind the translation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Foreign {
    /// The node; only where several were asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Where: `prerouting` for packets of others, `output` for this node's own, `ingress` at a link; behind the
    /// translation `forward`, `input` or `postrouting`, and the services' addresses are then their endpoints.
    pub hook: Hook,
    /// The priority of the base chain that leads to it.
    pub priority: i32,
    /// Whether it is known to run before kube-proxy's: at equal priorities it is not.
    pub order_known: bool,
    /// What it does.
    pub effect: Effect,
    /// Whether it acts on every packet to those services that comes to that hook.
    pub certain: bool,
    /// To which address it translates, where it does and that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub translation: Option<Translation>,
    /// On packets to which services.
    pub services: Vec<Met>,
    /// The same in words. Names in it are as the node has them, not escaped.
    pub says: String,
    /// What must hold of a packet beside that it goes there.
    pub when: Vec<Clause>,
    /// Why it is not known whether or how it acts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unknown: Option<String>,
    /// The rules that lead to it, from the base chain's on; it is the last. None where a chain's policy drops.
    pub rules: Vec<RuleRef>,
}

/// An address or node port of a service.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct Met {
    /// The service port's title.
    pub service: String,
    /// The address; `None`: its node port.
    pub address: Option<IpAddr>,
    /// The port.
    pub port: u16,
    /// `None` where no rule tells it.
    pub protocol: Option<Protocol>,
}

/// What a rule does to a packet on its way to a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Sends it elsewhere: no rule of kube-proxy's is asked.
    Translates,
    /// Drops or rejects it.
    Drops,
    /// Leads it past kube-proxy's rules: it stays as it is.
    LeadsPast,
    /// Takes it out of conntrack's hands: no rule of nat is asked.
    Untracks,
    /// Gives it to a socket of this node, whatever its address.
    ToSocket,
    /// Hands it to a program, which decides.
    Queues,
    /// Nobody knows: it is not decoded.
    Unknown,
}
