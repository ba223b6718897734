//! Which way a packet takes out of a namespace: rule, table, route, next hop and source address, as
//! the kernel picks them, with the reason why each other candidate lost.
//!
//! May import model only. It works on what the node told; the kernel's own answer, where there is
//! one, is compared with it and never used in its place. Not visible, and so not part of an answer:
//! exceptions that the kernel learned (redirects, path MTU), a changed `ip addrlabel` table,
//! `use_oif_addrs_only`, and gateways that were themselves resolved by a route of scope host.

mod facts;
mod flow;
mod found;
mod ipv4;
mod ipv6;
mod rules;
mod witness;

#[cfg(test)]
mod tests;

pub use found::{Candidate, Lookup, NearMiss, Outcome, Reason, Source, Way, Witness};

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::model::address::Scope;
use crate::model::ids::{IfIndex, NetnsId, TableId};
use crate::model::issue::{Issue, Why};
use crate::model::route::{Family, Route, RouteKind, RouteQuery, Rule};
use crate::model::view::NodeView;

use super::answer::Gathered;
use facts::Facts;
use flow::Flow;
use found::{Misses, errno};

/// The error of a look-up that no route fits: `ENETUNREACH`.
pub const NO_ROUTE: i32 = errno::ENETUNREACH;

/// What the families' look-ups give; [`lookup`] makes a [`Lookup`] of it.
#[derive(Debug)]
struct Answer {
    outcome: Outcome,
    rule: Option<Rule>,
    table: Option<TableId>,
    route: Option<Route>,
    kind: Option<RouteKind>,
    ways: Vec<Way>,
    notes: Vec<String>,
    /// Set where the route is only the likely one.
    unknown: Option<String>,
}

impl Default for Answer {
    fn default() -> Self {
        Self {
            outcome: Outcome::Unknown { why: String::new() },
            rule: None,
            table: None,
            route: None,
            kind: None,
            ways: Vec::new(),
            notes: Vec::new(),
            unknown: None,
        }
    }
}

impl Answer {
    fn unknown(why: String) -> Self {
        Self { outcome: Outcome::Unknown { why }, ..Self::default() }
    }
}

fn refused(errno: i32, why: String) -> Answer {
    Answer { outcome: Outcome::Refused { errno, name: errno::name(errno), why }, ..Answer::default() }
}

/// Looks a destination up in a namespace, as the kernel does for what `query` says of the packet.
///
/// Without `iif` the packet is one that the namespace itself sends; with it, one that comes in by
/// that link (and is then delivered, forwarded or refused). What `query` leaves out the packet does
/// not have: a rule that selects it does not match, as with `ip route get`.
pub fn lookup(node: &dyn NodeView, netns: NetnsId, query: &RouteQuery, gathered: &mut Gathered) -> Lookup {
    let facts = Facts::read(node, netns);
    let mut misses = Misses::default();
    let flow = Flow::of(query);
    let mixed = query.src.is_some_and(|src| src.is_ipv4() != query.dst.is_ipv4());
    let mut answer = if mixed {
        refused(errno::EINVAL, "source and destination are of different families".to_owned())
    } else {
        match (flow.family, query.iif) {
            (Family::Ipv4, None) => ipv4::output::look_up(&facts, &flow, &mut misses),
            (Family::Ipv4, Some(_)) => ipv4::input::look_up(&facts, &flow, &mut misses),
            (Family::Ipv6, iif) => ipv6::look_up(&facts, &flow, iif.is_some(), &mut misses),
        }
    };
    tell_unreached(&facts, &answer, query.dst, &mut misses);
    tell_passed_over(&facts, &flow, &mut answer);
    if let Some(why) = answer.unknown.take().or_else(|| facts.gap()) {
        answer.outcome = Outcome::Unknown { why };
    }
    tell_encap(&answer, gathered);
    // The kernel is asked as a program asks, which has a source of its own.
    let is_foreign = query.any_source && query.src.is_some_and(|src| facts.holders(src).is_empty());
    // And of what comes in it takes UDP where no protocol is named.
    let is_nameless = query.protocol == Some(0) && query.iif.is_some();
    let witness = if is_foreign || is_nameless { None } else { node.route_witness(netns, query) };
    let witness = witness.map(|witness| gathered.take(&witness).clone());
    gathered.issues.extend(facts.issues());
    let mut found = Lookup {
        query: query.clone(),
        outcome: answer.outcome,
        rule: answer.rule,
        table: answer.table,
        route: answer.route,
        kind: answer.kind,
        ways: answer.ways,
        near_misses: misses.list,
        near_misses_left_out: misses.left_out,
        notes: answer.notes,
        witness: None,
    };
    found.witness = witness.map(|answer| witness::compare(&found, answer));
    witness::tell(&found, gathered);
    found
}

/// The source that a namespace takes in its own name on a link, near an address: for ARP's questions
/// (`inet_select_addr` with the scope of a link).
pub fn source_near(node: &dyn NodeView, netns: NetnsId, link: IfIndex, near: Ipv4Addr) -> Source {
    ipv4::source::select(&Facts::read(node, netns), link, Some(near), Scope::Link)
}

/// The source that masquerading gives a packet which leaves by a link for a next hop.
pub fn masquerade_source(node: &dyn NodeView, netns: NetnsId, link: IfIndex, next_hop: IpAddr) -> Source {
    let facts = Facts::read(node, netns);
    match next_hop {
        IpAddr::V4(next_hop) => ipv4::source::select(&facts, link, Some(next_hop), Scope::Universe),
        IpAddr::V6(destination) => ipv6::source::select(&facts, Some(link), destination),
    }
}

/// The source of an IPv6 socket that asked for a route without having one and got none: then the kernel chooses among
/// the addresses of all links, and asks again with that. Mirrors `ip6_dst_lookup_tail`.
pub fn source_without_route(node: &dyn NodeView, netns: NetnsId, bound_to: Option<IfIndex>, to: Ipv6Addr) -> Source {
    let facts = Facts::read(node, netns);
    let vrf = bound_to.and_then(|link| facts.l3_master(link));
    ipv6::source::select(&facts, vrf, to)
}

/// Routes that would fit, in tables that no rule led to.
fn tell_unreached(facts: &Facts<'_>, answer: &Answer, dst: IpAddr, misses: &mut Misses) {
    let told: Vec<Route> = misses
        .list
        .iter()
        .filter_map(|miss| match &miss.candidate {
            Candidate::Route(route) => Some((**route).clone()),
            Candidate::Rule(_) => None,
        })
        .collect();
    let asked: Vec<TableId> = told.iter().map(|route| route.table).chain(answer.table).collect();
    let mut unreached: Vec<&Route> = facts
        .routes()
        .iter()
        .filter(|route| route.dst.contains(&dst) && !asked.contains(&route.table))
        .filter(|route| Some(*route) != answer.route.as_ref())
        .collect();
    unreached.sort_by_key(|route| (route.table, std::cmp::Reverse(route.dst.prefix_len())));
    for route in unreached {
        let why = match &answer.rule {
            Some(rule) => format!("no rule led to table {} before rule {} decided", route.table, rule.priority),
            None => format!("no rule that matches leads to table {}", route.table),
        };
        misses.route(route, Reason::TableNotReached, why);
    }
}

/// A socket without a source asks twice: the second time with the source it was given.
fn tell_passed_over(facts: &Facts<'_>, flow: &Flow, answer: &mut Answer) {
    if flow.has_source() || flow.iif != facts::LOOPBACK {
        return;
    }
    let by_source = facts
        .rules()
        .iter()
        .find(|rule| rule.family == flow.family && rule.src.is_some_and(|src| src.prefix_len() > 0));
    if let Some(rule) = by_source {
        answer.notes.push(format!(
            "rule {} selects by source: a socket asks again once it has one, so ask with that source too",
            rule.priority
        ));
    }
}

/// What an encapsulation does to the packet is not told.
fn tell_encap(answer: &Answer, gathered: &mut Gathered) {
    for way in &answer.ways {
        if let Some(encap) = &way.encap {
            let detail = format!("what the encapsulation {} does to the packet", encap.kind);
            gathered.issue(Issue::incomplete("following the route", Why::Unsupported { detail }));
        }
    }
    let Some(route) = &answer.route else { return };
    for attr in &route.unknown {
        let detail = format!("attribute {} of the route {}", attr.kind, route.dst);
        gathered.issue(Issue::note("reading the route", Why::Unsupported { detail }));
    }
}
