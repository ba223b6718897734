//! Rules of both languages as one: what a rule asks, and what it does, as far as services need it.
//!
//! What is not read is kept as [`When::Other`] or [`Then::Other`], so that nobody takes a rule for one
//! that asks or does less. May import model only.

mod nft;
mod xt;

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use crate::model::kube_proxy::Protocol;
use crate::model::netfilter::expr::{Data, Expr};
use crate::model::netfilter::rule::{Body, Rule};
use crate::model::netfilter::table::{Counters, Family};
use crate::model::text::ByteText;

/// A rule, read.
#[derive(Debug, Clone)]
pub(super) struct Step<'a> {
    pub(super) rule: &'a Rule,
    /// All of it must hold.
    pub(super) when: Vec<When>,
    pub(super) then: Then,
    /// The list or set that notes the packet's source as it passes.
    pub(super) notes: Option<ByteText>,
    /// `None` where the rule counts nothing.
    pub(super) counters: Option<Counters>,
}

/// One thing that a rule asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum When {
    Source {
        net: IpNet,
        not: bool,
    },
    Destination {
        net: IpNet,
        not: bool,
    },
    SourceSet {
        set: ByteText,
        not: bool,
    },
    DestinationSet {
        set: ByteText,
        not: bool,
    },
    SourceLocal {
        not: bool,
    },
    DestinationLocal {
        not: bool,
    },
    Protocol(Protocol),
    /// The destination's.
    Port(u16),
    /// Of 2^31.
    Chance(u32),
    /// The source stands in a `recent` list, no older than this.
    Lately {
        list: ByteText,
        seconds: u32,
    },
    /// The first packet of a flow: nat rules see no other.
    New,
    /// Source, destination, protocol and port stand in a set (nftables mode's hairpin connections).
    Flow {
        set: ByteText,
    },
    /// A connection whose destination was translated.
    Translated,
    /// What is not read.
    Other,
}

/// What a rule does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Then {
    /// The next rule is asked.
    Nothing,
    /// Marks the packet for masquerade.
    Mark,
    /// To a chain.
    To(ByteText),
    /// To an endpoint; `None` keeps the port.
    Dnat(IpAddr, Option<u16>),
    /// To one of several endpoints, by a number that is drawn.
    Draw {
        modulus: u32,
        offset: u32,
        map: ByteText,
    },
    /// To what a map says for the packet's destination, or for its port alone.
    Map {
        set: ByteText,
        by_address: bool,
    },
    Reject,
    Drop,
    /// Ends the chain.
    Leave,
    Masquerade,
    /// What is not read.
    Other,
}

/// What kube-proxy calls the chain that marks for masquerade: iptables mode, and nftables mode up to 1.32.
const MARK_CHAINS: [&str; 2] = ["KUBE-MARK-MASQ", "mark-for-masquerade"];
/// The chain that marks for being dropped, up to 1.25.
const DROP_CHAIN: &str = "KUBE-MARK-DROP";

impl Then {
    /// A jump or goto: kube-proxy's marking chains are what they do.
    fn to(chain: &ByteText) -> Self {
        if MARK_CHAINS.iter().any(|mark| *chain == *mark) {
            Self::Mark
        } else if *chain == DROP_CHAIN {
            Self::Drop
        } else {
            Self::To(chain.clone())
        }
    }
}

impl<'a> Step<'a> {
    /// Reads a rule of a table of that family.
    pub(super) fn of(rule: &'a Rule, family: Family) -> Self {
        match &rule.body {
            Body::Xt(xt) => xt::read(rule, xt),
            Body::Nft(exprs) => nft::read(rule, exprs, family),
        }
    }

    /// The one address that it asks for as the destination.
    pub(super) fn destination(&self) -> Option<IpAddr> {
        self.when.iter().find_map(|when| match when {
            When::Destination { net, not: false } if net.prefix_len() == net.max_prefix_len() => Some(net.addr()),
            _ => None,
        })
    }

    /// The destination port that it asks for.
    pub(super) fn port(&self) -> Option<u16> {
        self.when.iter().find_map(|when| match when {
            When::Port(port) => Some(*port),
            _ => None,
        })
    }

    /// The protocol that it asks for.
    pub(super) fn protocol(&self) -> Option<Protocol> {
        self.when.iter().find_map(|when| match when {
            When::Protocol(protocol) => Some(*protocol),
            _ => None,
        })
    }

    /// Whether it holds for every first packet of the service's protocol.
    pub(super) fn asks_protocol_alone(&self) -> bool {
        self.when.iter().all(|when| matches!(when, When::Protocol(_) | When::New))
    }

    /// What it asks beyond which service port is meant: source, chance, lists.
    pub(super) fn beyond_service(&self) -> impl Iterator<Item = &When> {
        self.when.iter().filter(|when| {
            !matches!(
                when,
                When::Destination { not: false, .. }
                    | When::DestinationSet { not: false, .. }
                    | When::Protocol(_)
                    | When::Port(_)
                    | When::New
            )
        })
    }
}

/// What a rule counted; `None` where it counts nothing.
pub(super) fn counters(rule: &Rule) -> Option<Counters> {
    match &rule.body {
        Body::Xt(xt) => xt.counters,
        Body::Nft(exprs) => exprs.iter().rev().find_map(|expr| match expr {
            Expr::Counter(counters) => Some(*counters),
            _ => None,
        }),
    }
}

/// An address and a port, where a rule gives both.
pub(super) fn endpoint(address: IpAddr, port: Option<u16>, otherwise: Option<u16>) -> Option<SocketAddr> {
    Some(SocketAddr::new(address, port.or(otherwise)?))
}

pub(super) use nft::{address, host_number};

/// What a map gives for a number that was drawn: an address and, padded to four bytes, a port.
pub(super) fn address_and_port(family: Family, data: &[u8]) -> Option<(IpAddr, u16)> {
    let length = if family == Family::Ip6 { 16 } else { 4 };
    let port = data.get(length..length + 2)?;
    Some((address(family, data.get(..length)?)?, u16::from_be_bytes([port[0], port[1]])))
}

/// What an element of a verdict map does.
pub(super) fn verdict(data: Option<&Data>) -> Then {
    match data {
        Some(Data::Verdict(verdict)) => nft::verdict_does(verdict),
        _ => Then::Other,
    }
}

#[cfg(test)]
mod tests;
