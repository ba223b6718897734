//! Steps, tuples and hits in words, for where prediction and kernel part.
//!
//! May import model and analyze's siblings only.

use std::net::IpAddr;

use crate::analyze::path::packet::Tuple;
use crate::analyze::path::types::{StepKind, Stop, Verdict};
use crate::model::probe::{Ends, Heard, Hit, HitVerdict};

pub(super) fn ends(ends: Ends) -> String {
    let has_ports = matches!(ends.protocol, 6 | 17 | 132);
    let of = |address, port| end(address, Some(port), has_ports);
    format!("{} → {}", of(ends.source, ends.source_port), of(ends.destination, ends.destination_port))
}

pub(super) fn tuple(tuple: Tuple) -> String {
    let of = |address, port| end(address, port, tuple.has_ports());
    format!("{} → {}", of(tuple.source, tuple.source_port), of(tuple.destination, tuple.destination_port))
}

fn end(address: IpAddr, port: Option<u16>, has_ports: bool) -> String {
    if !has_ports {
        return address.to_string();
    }
    let port = port.map_or_else(|| "*".to_owned(), |port| port.to_string());
    if address.is_ipv6() { format!("[{address}]:{port}") } else { format!("{address}:{port}") }
}

/// A step as it was predicted.
pub(super) fn step(step: &StepKind) -> String {
    match step {
        StepKind::Sent { tuple, .. } => format!("sends {}", self::tuple(*tuple)),
        StepKind::Routed { link: Some(link), .. } => format!("is routed to {}", link.name),
        StepKind::Routed { .. } => "is routed to the namespace itself".to_owned(),
        StepKind::Hooked { hook, rules, .. } => {
            let named = rules.iter().filter_map(|acted| {
                let rule = acted.rule.as_ref()?;
                Some(format!("rule {} of {} ({})", rule.number, rule.chain.name, acted.did))
            });
            let policies = rules.iter().filter(|acted| acted.rule.is_none());
            let policies = policies.map(|acted| format!("{}: {}", acted.base.name, acted.did));
            let all: Vec<String> = named.chain(policies).collect();
            if all.is_empty() { format!("crosses {hook}") } else { format!("crosses {hook}: {}", all.join(", ")) }
        }
        StepKind::Neighbour { address, .. } => format!("the neighbour {address} is found"),
        StepKind::Out { link, tuple } => format!("leaves by {} as {}", link.name, self::tuple(*tuple)),
        StepKind::In { link, tuple } => format!("comes in by {} as {}", link.name, self::tuple(*tuple)),
        StepKind::Crossed { .. } => "crosses the network between the nodes".to_owned(),
        StepKind::Bridged { bridge, .. } => format!("goes through the bridge {}", bridge.name),
        StepKind::Encapsulated { link, tuple, .. } => {
            format!("is packed by {} into {}", link.name, self::tuple(*tuple))
        }
        StepKind::Decapsulated { link, .. } => format!("is unpacked by {}", link.name),
        StepKind::Forwarded { .. } => "is forwarded".to_owned(),
        StepKind::Split { .. } => "goes on in pieces".to_owned(),
        StepKind::Tracked { .. } => "is of a flow that the table has".to_owned(),
        StepKind::FromOutside { tuple, .. } => format!("comes from outside as {}", self::tuple(*tuple)),
        StepKind::ToOutside { .. } => "goes to where nothing can be seen".to_owned(),
        StepKind::Delivered { tuple, .. } => format!("arrives as {}", self::tuple(*tuple)),
        StepKind::Ended { verdict } => match verdict {
            Stop::Dropped { why } => format!("is dropped: {why}"),
            Stop::Rejected { with, why, .. } => format!("is rejected ({with}): {why}"),
            Stop::Unknown { because } => format!("unknown from here: {because}"),
        },
    }
}

/// How a course ends.
pub(super) fn verdict(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Answered => "an answer comes back".to_owned(),
        Verdict::Unanswered { why } => format!("no answer comes back: {why}"),
        Verdict::Dropped { why } => format!("it is dropped: {why}"),
        Verdict::Rejected { with, why } => format!("it is rejected ({with}): {why}"),
        Verdict::Varies { why, .. } => format!("it varies: {why}"),
        Verdict::Unknown { because } => format!("unknown: {because}"),
    }
}

pub(super) fn heard(heard: &Heard) -> String {
    match heard {
        Heard::Answer => "the sender got an answer".to_owned(),
        Heard::Error { error } => format!("the sender heard: {error}"),
        Heard::NotSent { error } => format!("the kernel refused to send it: {error}"),
        Heard::Nothing => "the sender heard nothing".to_owned(),
    }
}

pub(super) fn hit(hit: &Hit) -> String {
    let chain = format!("{} of {} {}", hit.chain.name, hit.chain.table.family, hit.chain.table.name);
    let did = match hit.verdict {
        HitVerdict::Drop => "drops it",
        HitVerdict::Accept => "accepts it",
        HitVerdict::Jump | HitVerdict::Goto => "leads it elsewhere",
        HitVerdict::Return => "returns",
        HitVerdict::Continue => "lets it go on",
        HitVerdict::Other => "decides otherwise",
    };
    match hit.handle {
        Some(handle) => format!("the rule with handle {handle} in {chain} {did}"),
        None => format!("the policy of {chain} {did}"),
    }
}
