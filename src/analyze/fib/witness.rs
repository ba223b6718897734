//! The kernel's own answer, compared with podnet's.
//!
//! May import model only.

use crate::model::ids::TableId;
use crate::model::issue::{Issue, Why};
use crate::model::route::{Family, NextHop, Route, RouteKind, RouteWitness};

use super::super::answer::Gathered;
use super::found::{Lookup, Outcome, Source, Way, Witness, errno};

/// Compares the two; what podnet does not know is not a difference.
pub(super) fn compare(found: &Lookup, answer: Option<RouteWitness>) -> Witness {
    let Some(witness) = answer else { return Witness { answer: None, agrees: None, differences: Vec::new() } };
    if matches!(found.outcome, Outcome::Unknown { .. }) {
        return Witness { answer: Some(witness), agrees: None, differences: Vec::new() };
    }
    // The answer did not fit (IPv6 multicast that comes in goes to the multicast router, which has none).
    if witness == (RouteWitness::Refused { errno: errno::EMSGSIZE }) {
        return Witness { answer: Some(witness), agrees: None, differences: Vec::new() };
    }
    let mut differences = Vec::new();
    match (&found.outcome, &witness) {
        (Outcome::Refused { errno: ours, name, .. }, RouteWitness::Refused { errno: theirs }) => {
            if !same_error(*ours, *theirs) {
                differences.push(format!("podnet says {name}, the kernel {}", errno::name(*theirs)));
            }
        }
        (Outcome::Refused { name, .. }, RouteWitness::Found { .. }) => {
            differences.push(format!("podnet says {name}, the kernel finds a route"));
        }
        (_, RouteWitness::Refused { errno: theirs }) => {
            differences.push(format!("podnet finds a route, the kernel says {}", errno::name(*theirs)));
        }
        (_, RouteWitness::Found { resolved, matched }) => {
            if let (Some(ours), Some(theirs)) = (&found.route, matched) {
                compare_route(found.kind, ours, theirs, &mut differences);
            }
            compare_way(found, resolved, &mut differences);
        }
    }
    Witness { answer: Some(witness), agrees: Some(differences.is_empty()), differences }
}

/// Newer kernels say EINVAL for every source they do not believe, older ones also EXDEV.
fn same_error(ours: i32, theirs: i32) -> bool {
    ours == theirs || (ours == errno::EXDEV && theirs == errno::EINVAL)
}

fn compare_route(kind: Option<RouteKind>, ours: &Route, theirs: &Route, differences: &mut Vec<String>) {
    let mut tell = |what: &str, ours: String, theirs: String| {
        if ours != theirs {
            differences.push(format!("the route's {what}: podnet {ours}, the kernel {theirs}"));
        }
    };
    tell("destination", ours.dst.to_string(), theirs.dst.to_string());
    // As long as nobody touched the IPv4 rules, local and main are one, and it is called main.
    let one = ours.family == Family::Ipv4 && ours.table == TableId::LOCAL && theirs.table == TableId::MAIN;
    if !one {
        tell("table", ours.table.to_string(), theirs.table.to_string());
    }
    // The kernel tells what the destination is, which may be narrower than what the route is.
    tell("kind", kind.unwrap_or(ours.kind).to_string(), theirs.kind.to_string());
    tell("tos", ours.tos.to_string(), theirs.tos.to_string());
    tell("metric", ours.metric.to_string(), theirs.metric.to_string());
    tell("next hops", hops(ours), hops(theirs));
}

/// In an order of their own: the kernel lists the one it took first.
fn hops(route: &Route) -> String {
    let word = |hop: &NextHop| {
        let link = hop.ifindex.map_or_else(String::new, |link| format!("link {link}"));
        hop.gateway.map_or_else(|| link.clone(), |gateway| format!("{link} via {gateway}"))
    };
    let mut words: Vec<String> = route.nexthops.iter().map(word).collect();
    words.sort();
    words.join(", ")
}

fn compare_way(found: &Lookup, resolved: &Route, differences: &mut Vec<String>) {
    if found.outcome == Outcome::Delivered {
        return;
    }
    let Some(theirs) = resolved.nexthops.first() else { return };
    let usable: Vec<&Way> = found.usable().collect();
    let ours = usable.iter().find(|way| way.ifindex == theirs.ifindex && way.gateway == theirs.gateway);
    let Some(ours) = ours else {
        let words = |ifindex: Option<_>, gateway: Option<_>| {
            format!(
                "link {} gateway {}",
                ifindex.map_or_else(|| "none".to_owned(), |link: crate::model::ids::IfIndex| link.to_string()),
                gateway.map_or_else(|| "none".to_owned(), |gateway: std::net::IpAddr| gateway.to_string())
            )
        };
        let mine: Vec<String> = usable.iter().map(|way| words(way.ifindex, way.gateway)).collect();
        differences.push(format!(
            "the way: podnet {}, the kernel {}",
            mine.join(" or "),
            words(theirs.ifindex, theirs.gateway)
        ));
        return;
    };
    // A route's own source is told for packets that come in too; they keep theirs.
    let agrees = match (&ours.source, resolved.source) {
        _ if found.query.iif.is_some() => true,
        (Source::Chosen { address, .. }, Some(theirs)) => *address == theirs,
        (Source::OneOf { addresses, .. }, Some(theirs)) => addresses.contains(&theirs),
        (Source::None { .. }, Some(_)) => false,
        _ => true,
    };
    if !agrees {
        let theirs = resolved.source.map_or_else(|| "none".to_owned(), |theirs| theirs.to_string());
        differences.push(format!("the source address: podnet {}, the kernel {theirs}", source_words(&ours.source)));
    }
}

fn source_words(source: &Source) -> String {
    match source {
        Source::Given { address } | Source::Chosen { address, .. } => address.to_string(),
        Source::OneOf { addresses, .. } => addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or "),
        Source::None { .. } => "none".to_owned(),
        Source::Unknown { .. } => "unknown".to_owned(),
    }
}

/// What is not known and what disagrees become issues of the answer.
pub(super) fn tell(found: &Lookup, gathered: &mut Gathered) {
    let what = format!("looking {} up", found.query.dst);
    if let Outcome::Unknown { why } = &found.outcome {
        gathered.issue(Issue::incomplete(what.clone(), Why::Unsupported { detail: why.clone() }));
    }
    for way in found.usable() {
        if let Source::OneOf { why, .. } | Source::Unknown { why } = &way.source {
            gathered.issue(Issue::incomplete(
                format!("choosing the source address to {}", found.query.dst),
                Why::Unsupported { detail: why.clone() },
            ));
        }
    }
    let Some(witness) = &found.witness else { return };
    if witness.agrees == Some(false) {
        let detail = witness.differences.join("; ");
        gathered.issue(
            Issue::incomplete(what, Why::Disagreement { detail })
                .hint("ask again: the node may have changed in between; if it stays, this is a bug of podnet: please report it with podnet snapshot"),
        );
    }
}
