//! Which route of an IPv6 table wins: `fib6_table_lookup` and `rt6_select`.
//!
//! May import model only.

use std::cmp::Reverse;

use crate::model::ids::{IfIndex, TableId};
use crate::model::route::{Family, NextHop, Route, RouteKind, RoutePreference};

use super::super::facts::{Facts, LOOPBACK, hop_flag, is_valid};
use super::super::flow::Flow;
use super::super::found::{Misses, Reason, errno};
use super::super::rules::Pick;

/// What a look-up asks of next hops.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Search {
    /// The link that counts more: the one bound to, or the one it comes in by.
    pub link: Option<IfIndex>,
    /// No other link will do (`RT6_LOOKUP_F_IFACE`).
    pub only_that_link: bool,
    /// Routers whose neighbour entry failed are passed over: on hosts, not on routers. `None`: not known.
    pub routers_must_answer: Option<bool>,
}

/// Routes of one table that share destination and source prefix, in the kernel's order.
struct Group {
    dst_length: u8,
    src_length: u8,
    routes: Vec<usize>,
}

/// Looks a destination up in one table.
pub(in super::super) fn pick(
    facts: &Facts<'_>,
    table: TableId,
    flow: &Flow,
    search: &Search,
    misses: &mut Misses,
) -> Pick {
    let groups = groups(facts, table, flow, misses);
    // Where forwarding could not be read, whether routers must answer matters only if one has failed.
    let strict = search.routers_must_answer.unwrap_or(false);
    let mut passes = vec![strict];
    if strict {
        passes.push(false);
    }
    for strict in passes {
        let mut lost: Vec<(usize, Reason, String)> = Vec::new();
        for (at, group) in groups.iter().enumerate() {
            let Some(found) = select(facts, group, search, strict, &mut lost) else { continue };
            for (at, reason, why) in lost {
                misses.route(&facts.routes()[at], reason, why);
            }
            tell_shorter(facts, found.0, &groups[at + 1..], misses);
            return ending(facts, found);
        }
        if !strict {
            for (at, reason, why) in lost {
                misses.route(&facts.routes()[at], reason, why);
            }
        }
    }
    Pick::Nothing
}

fn ending(facts: &Facts<'_>, (at, hop): (usize, usize)) -> Pick {
    let route = &facts.routes()[at];
    let blackhole = route.nexthop_id.is_some_and(|id| facts.nexthop_is_blackhole(id));
    match route.kind {
        _ if blackhole => Pick::Refused { at, errno: errno::EINVAL },
        RouteKind::Blackhole | RouteKind::Nat => Pick::Refused { at, errno: errno::EINVAL },
        RouteKind::Unreachable => Pick::Refused { at, errno: errno::EHOSTUNREACH },
        RouteKind::Prohibit => Pick::Refused { at, errno: errno::EACCES },
        RouteKind::Throw => Pick::Throw,
        _ => Pick::Route { at, hop },
    }
}

fn tell_shorter(facts: &Facts<'_>, winner: usize, rest: &[Group], misses: &mut Misses) {
    let length = facts.routes()[winner].dst.prefix_len();
    for group in rest {
        for at in &group.routes {
            let why = if group.dst_length == length {
                "another route is for a narrower source".to_owned()
            } else {
                format!("its prefix length is {}, and the winner's is {length}", group.dst_length)
            };
            misses.route(&facts.routes()[*at], Reason::ShorterPrefix, why);
        }
    }
}

/// The groups in the order in which the kernel tries them. Mirrors `fib6_node_lookup` and `fib6_backtrack`.
fn groups(facts: &Facts<'_>, table: TableId, flow: &Flow, misses: &mut Misses) -> Vec<Group> {
    let routes = facts.routes();
    let src = super::or_unspecified(flow.src);
    let src_length = |route: &Route| route.src.map_or(0, |src| src.prefix_len());
    let mut found: Vec<usize> = routes
        .iter()
        .enumerate()
        .filter(|(_, route)| route.family == Family::Ipv6 && route.table == table && route.dst.contains(&flow.dst))
        .filter(|(_, route)| !route.flags.iter().any(|flag| flag == "cloned"))
        .map(|(at, _)| at)
        .collect();
    found.sort_by_key(|at| {
        (Reverse(routes[*at].dst.prefix_len()), Reverse(src_length(&routes[*at])), routes[*at].metric)
    });
    let mut groups: Vec<Group> = Vec::new();
    let mut started = false;
    for node in found.chunk_by(|a, b| routes[*a].dst == routes[*b].dst) {
        let (fits, differs): (Vec<usize>, Vec<usize>) =
            node.iter().partition(|at| routes[**at].src.is_none_or(|net| net.contains(&src)));
        for at in &differs {
            let wanted = routes[*at].src.map(|net| net.to_string()).unwrap_or_default();
            let given = if flow.has_source() {
                format!("this one is from {src}")
            } else {
                "this one has no source yet".to_owned()
            };
            misses.route(&routes[*at], Reason::OtherSource, format!("it is for packets from {wanted}, and {given}"));
        }
        let narrow = fits.iter().any(|at| src_length(&routes[*at]) > 0);
        let top = node.first().is_some_and(|at| routes[*at].dst.prefix_len() == 0);
        // A prefix with routes for some sources, none of them this one, is passed over as a whole.
        if !started && !differs.is_empty() && !narrow && !top {
            for at in fits {
                misses.route(
                    &routes[at],
                    Reason::OtherSource,
                    "the kernel passes its prefix over, for it has routes for other sources only",
                );
            }
            continue;
        }
        started = started || !fits.is_empty();
        for group in fits.chunk_by(|a, b| src_length(&routes[*a]) == src_length(&routes[*b])) {
            let Some(first) = group.first().map(|at| &routes[*at]) else { continue };
            groups.push(Group {
                dst_length: first.dst.prefix_len(),
                src_length: src_length(first),
                routes: group.to_vec(),
            });
        }
    }
    debug_assert!(groups.is_sorted_by_key(|group| (Reverse(group.dst_length), Reverse(group.src_length))));
    groups
}

/// The best of one group with its next hop. Mirrors `find_rr_leaf`: the routes of the lowest metric
/// first; if none of them will do, all others at once.
fn select(
    facts: &Facts<'_>,
    group: &Group,
    search: &Search,
    strict: bool,
    lost: &mut Vec<(usize, Reason, String)>,
) -> Option<(usize, usize)> {
    let metric = facts.routes()[*group.routes.first()?].metric;
    let (lowest, others): (Vec<usize>, Vec<usize>) =
        group.routes.iter().partition(|at| facts.routes()[**at].metric == metric);
    let (tried, untried) = match best(facts, &lowest, search, strict, lost) {
        Some(found) => (found, others),
        None => (best(facts, &others, search, strict, lost)?, Vec::new()),
    };
    let winner = &facts.routes()[tried.0];
    for at in untried {
        let why = format!("its metric is {}, and the winner's is {}", facts.routes()[at].metric, winner.metric);
        lost.push((at, Reason::HigherMetric, why));
    }
    Some(tried)
}

fn best(
    facts: &Facts<'_>,
    routes: &[usize],
    search: &Search,
    strict: bool,
    lost: &mut Vec<(usize, Reason, String)>,
) -> Option<(usize, usize)> {
    let mut best: Option<(i32, usize, usize)> = None;
    let mut beaten: Vec<usize> = Vec::new();
    for at in routes {
        let route = &facts.routes()[*at];
        match best_hop(facts, route, search, strict) {
            Err((reason, why)) => lost.push((*at, reason, why)),
            Ok((score, hop)) if best.is_none_or(|(highest, ..)| score > highest) => {
                beaten.extend(best.map(|(_, at, _)| at));
                best = Some((score, *at, hop));
            }
            Ok(_) => beaten.push(*at),
        }
    }
    let (_, winner, hop) = best?;
    for at in beaten {
        let (reason, why) = beaten_by(facts, &facts.routes()[winner], &facts.routes()[at]);
        lost.push((at, reason, why));
    }
    Some((winner, hop))
}

fn beaten_by(facts: &Facts<'_>, winner: &Route, loser: &Route) -> (Reason, String) {
    let rank = |route: &Route| preference_score(route.preference);
    if rank(loser) < rank(winner) {
        (Reason::LowerPreference, "the winner's router is preferred (router preference)".to_owned())
    } else if loser.metric > winner.metric {
        (Reason::HigherMetric, format!("its metric is {}, and the winner's is {}", loser.metric, winner.metric))
    } else if loser.nexthops.first().map(|hop| hop.ifindex) == winner.nexthops.first().map(|hop| hop.ifindex) {
        (Reason::Later, "it comes after the winner, with the same prefix and metric".to_owned())
    } else {
        let link =
            loser.nexthops.first().and_then(|hop| hop.ifindex).map_or_else(String::new, |link| facts.link_name(link));
        (
            Reason::Later,
            format!("it leaves by {link}, which counts less or comes later, with the same prefix and metric"),
        )
    }
}

/// The first of a route's next hops with the highest score. Mirrors `find_match`.
fn best_hop(facts: &Facts<'_>, route: &Route, search: &Search, strict: bool) -> Result<(i32, usize), (Reason, String)> {
    if route.expires_s.is_some_and(|left| left <= 0) {
        return Err((Reason::Expired, "it has expired".to_owned()));
    }
    if route.nexthop_id.is_some_and(|id| facts.nexthop_is_blackhole(id)) {
        return Ok((i32::MAX, 0));
    }
    let reject = [NextHop { ifindex: Some(LOOPBACK), gateway: None, weight: 1, flags: Vec::new(), encap: None }];
    let hops: &[NextHop] = if route.nexthops.is_empty() { &reject } else { &route.nexthops };
    let mut best: Option<(i32, usize)> = None;
    let mut last = (Reason::Dead, "it has no next hop".to_owned());
    for (at, hop) in hops.iter().enumerate() {
        match score(facts, route, hop, search, strict) {
            Ok(score) if best.is_none_or(|(highest, _)| score > highest) => {
                best = Some((score, at));
                // Of a nexthop object the first that will do is taken.
                if route.nexthop_id.is_some() {
                    break;
                }
            }
            Ok(_) => {}
            Err(why) => last = why,
        }
    }
    best.ok_or(last)
}

/// How much a next hop counts. Mirrors `rt6_score_route` on a kernel with router preferences.
pub(super) fn score(
    facts: &Facts<'_>,
    route: &Route,
    hop: &NextHop,
    search: &Search,
    strict: bool,
) -> Result<i32, (Reason, String)> {
    let link = hop.ifindex.unwrap_or(LOOPBACK);
    if hop_flag(route, hop, "dead") {
        return Err((
            Reason::Dead,
            format!("its next hop over {} is dead, or that link has no carrier", facts.link_name(link)),
        ));
    }
    let fits = search.link.is_none_or(|wanted| wanted == link);
    if !fits && search.only_that_link {
        let wanted = search.link.map_or_else(String::new, |link| facts.link_name(link));
        return Err((Reason::OtherLink, format!("it leaves by {}, and {wanted} is asked for", facts.link_name(link))));
    }
    if strict
        && let Some(gateway) = hop.gateway
        && let Some(entry) = facts.neighbour(link, gateway)
        && !is_valid(entry)
        && entry.states.iter().any(|state| state == "failed")
    {
        return Err((Reason::RouterUnreachable, format!("its router {gateway} does not answer")));
    }
    Ok(if fits { 2 } else { 0 } | (preference_score(route.preference) << 2))
}

/// Mirrors `IPV6_DECODE_PREF`.
fn preference_score(preference: Option<RoutePreference>) -> i32 {
    match preference {
        Some(RoutePreference::High) => 3,
        Some(RoutePreference::Medium) | None => 2,
        Some(RoutePreference::Low) => 1,
        Some(RoutePreference::Invalid) => 0,
    }
}
