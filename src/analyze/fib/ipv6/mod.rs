//! IPv6: how the kernel looks a packet up, sent or coming in.
//!
//! May import model only.

pub(super) mod source;
pub(super) mod table;

use std::net::{IpAddr, Ipv6Addr};

use crate::model::ids::IfIndex;
use crate::model::route::{Route, RouteKind};

use super::Answer;
use super::facts::{Facts, hop_flag, is_valid};
use super::flow::Flow;
use super::found::{Misses, Outcome, Source, Way, errno};
use super::rules::{Verdict, walk};
use table::Search;

/// Works the look-up out: `ip6_route_output_flags` or `ip6_route_input_lookup`.
pub(super) fn look_up(facts: &Facts<'_>, flow: &Flow, comes_in: bool, misses: &mut Misses) -> Answer {
    let IpAddr::V6(dst) = flow.dst else { return Answer::unknown("not an IPv6 destination".to_owned()) };
    if comes_in && facts.link(flow.iif).is_none() {
        return super::refused(errno::ENODEV, format!("there is no link {}", flow.iif));
    }
    let on_that_link = dst.is_multicast() || dst.is_unicast_link_local() || dst.is_loopback();
    let search = Search {
        link: if comes_in { Some(flow.iif) } else { flow.oif },
        only_that_link: on_that_link || (!comes_in && flow.oif.is_some() && !flow.has_source()),
        routers_must_answer: facts.sysctl("ipv6.conf.all.forwarding").map(|forwarding| forwarding == 0),
    };
    let asked = if comes_in { Flow { oif: None, ..flow.clone() } } else { flow.clone() };
    let decision = walk(
        facts,
        &asked.with_l3mdev(facts),
        &|table, flow: &Flow, misses: &mut Misses| table::pick(facts, table, flow, &search, misses),
        misses,
    );
    let mut answer = Answer { rule: decision.rule, table: decision.table, ..Answer::default() };
    match decision.verdict {
        Verdict::Unknown(why) => answer.outcome = Outcome::Unknown { why },
        Verdict::Refused { at, errno, why } => {
            answer.route = at.map(|at| facts.routes()[at].clone());
            answer.kind = answer.route.as_ref().map(|route| route.kind);
            answer.outcome = Outcome::Refused { errno, name: errno::name(errno), why };
        }
        Verdict::Route { at, hop } => {
            let route = &facts.routes()[at];
            answer.route = Some(route.clone());
            answer.kind = Some(route.kind);
            answer.ways = ways(facts, flow, &search, route, hop, comes_in);
            let here = matches!(route.kind, RouteKind::Local | RouteKind::Anycast);
            answer.outcome = if here { Outcome::Delivered } else { Outcome::Sent };
            if comes_in && !here && facts.sysctl("ipv6.conf.all.forwarding") == Some(0) {
                answer.notes.push("ipv6.conf.all.forwarding is 0: this namespace forwards no IPv6 packet".to_owned());
            }
        }
    }
    answer
}

/// Mirrors `fib6_select_path`.
fn ways(facts: &Facts<'_>, flow: &Flow, search: &Search, route: &Route, taken: usize, comes_in: bool) -> Vec<Way> {
    let several = route.nexthops.len() > 1;
    let listed = route.nexthops.iter().enumerate().filter(|(at, _)| several || *at == taken);
    let mut ways: Vec<Way> = Vec::new();
    for (_, hop) in listed {
        let mut way = facts.way(hop);
        way.source = source_of(facts, flow, route, hop.ifindex, comes_in);
        if several {
            let fails = route.nexthop_id.is_some()
                && hop
                    .ifindex
                    .zip(hop.gateway)
                    .and_then(|(link, gateway)| facts.neighbour(link, gateway))
                    .is_some_and(|entry| !is_valid(entry));
            if hop_flag(route, hop, "dead") {
                way.unusable = Some("it is dead, or its link has no carrier".to_owned());
            } else if fails {
                way.unusable = Some("its router does not answer".to_owned());
            } else if route.nexthop_id.is_none()
                && let Err((_, why)) = table::score(facts, route, hop, search, search.routers_must_answer == Some(true))
            {
                way.unusable = Some(why);
            }
        }
        ways.push(way);
    }
    if ways.iter().all(|way| way.unusable.is_some())
        && let Some(first) = ways.get_mut(if route.nexthop_id.is_some() { 0 } else { taken })
    {
        first.unusable = None;
    }
    ways
}

fn source_of(facts: &Facts<'_>, flow: &Flow, route: &Route, link: Option<IfIndex>, comes_in: bool) -> Source {
    if let Some(address) = flow.src.filter(|_| flow.has_source()) {
        return Source::Given { address };
    }
    if comes_in {
        return Source::None { why: "a packet that comes in keeps its source".to_owned() };
    }
    if let Some(address) = route.source {
        return Source::Chosen { address, why: "the route names it".to_owned() };
    }
    match (link, flow.dst) {
        (Some(link), IpAddr::V6(dst)) => source::select(facts, Some(link), dst),
        _ => Source::None { why: "the route has no link".to_owned() },
    }
}

/// The address as IPv6, `::` where there is none: what the kernel compares with.
fn or_unspecified(address: Option<IpAddr>) -> IpAddr {
    address.unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED))
}
