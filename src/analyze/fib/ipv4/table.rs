//! Which route of an IPv4 table wins: `fib_table_lookup`.
//!
//! May import model only.

use std::cmp::Reverse;

use crate::model::ids::TableId;
use crate::model::route::{Family, NextHop, Route, RouteKind};

use super::super::facts::{Facts, hop_flag};
use super::super::flow::Flow;
use super::super::found::{Misses, Reason, errno};
use super::super::rules::Pick;

/// Looks a destination up in one table, or in several that the kernel keeps as one.
pub(in super::super) fn pick(facts: &Facts<'_>, tables: &[TableId], flow: &Flow, misses: &mut Misses) -> Pick {
    let candidates = candidates(facts, tables, flow);
    let mut winner: Option<(usize, Pick)> = None;
    for at in candidates {
        let route = &facts.routes()[at];
        if let Some((best, _)) = winner {
            let (reason, why) = lost_to(&facts.routes()[best], route);
            misses.route(route, reason, why);
            continue;
        }
        match judge(facts, route, flow) {
            Ok(hop) => winner = Some((at, Pick::Route { at, hop })),
            Err(Refusal::Loses(reason, why)) => misses.route(route, reason, why),
            Err(Refusal::Ends(errno::EAGAIN)) => {
                misses.route(route, Reason::Throw, format!("it ends the search in table {}", route.table));
                return Pick::Throw;
            }
            Err(Refusal::Ends(errno)) => winner = Some((at, Pick::Refused { at, errno })),
        }
    }
    winner.map_or(Pick::Nothing, |(_, pick)| pick)
}

/// The places of all routes whose prefix holds the destination, in the order in which the kernel tries them.
pub(super) fn candidates(facts: &Facts<'_>, tables: &[TableId], flow: &Flow) -> Vec<usize> {
    let routes = facts.routes();
    let mut found: Vec<usize> = routes
        .iter()
        .enumerate()
        .filter(|(_, route)| {
            route.family == Family::Ipv4 && tables.contains(&route.table) && route.dst.contains(&flow.dst)
        })
        .map(|(at, _)| at)
        .collect();
    found.sort_by_key(|at| {
        let route = &routes[*at];
        (Reverse(route.dst.prefix_len()), Reverse(route.table), Reverse(route.tos), route.metric)
    });
    found
}

enum Refusal {
    /// The search goes on.
    Loses(Reason, String),
    /// The search ends with that error.
    Ends(i32),
}

fn judge(facts: &Facts<'_>, route: &Route, flow: &Flow) -> Result<usize, Refusal> {
    if route.tos != 0 && !tos_fits(route.tos, flow.tos) {
        let why = format!("it is for tos {:#x}, and the packet's is {:#x}", route.tos, flow.tos);
        return Err(Refusal::Loses(Reason::Tos, why));
    }
    if route.scope.number() < flow.scope.number() {
        let why = format!("its scope {:?} is wider than {:?}, which is asked for", route.scope, flow.scope);
        return Err(Refusal::Loses(Reason::Scope, why.to_lowercase()));
    }
    if let Some(errno) = error_of(route.kind) {
        return Err(Refusal::Ends(errno));
    }
    if route.nexthop_id.is_some_and(|id| facts.nexthop_is_blackhole(id)) {
        return Err(Refusal::Ends(errno::EINVAL));
    }
    let mut last = (Reason::Dead, "it has no next hop".to_owned());
    for (at, hop) in route.nexthops.iter().enumerate() {
        match hop_refusal(facts, route, hop, flow) {
            None => return Ok(at),
            Some(refusal) => last = refusal,
        }
    }
    Err(Refusal::Loses(last.0, last.1))
}

/// Mirrors `fib_dscp_masked_match`: an IPv4 route looks at the old tos bits alone.
pub(super) fn tos_fits(wanted: u8, found: u8) -> bool {
    wanted == found & 0x1c
}

/// Mirrors `fib_props`.
fn error_of(kind: RouteKind) -> Option<i32> {
    match kind {
        RouteKind::Blackhole | RouteKind::Nat => Some(errno::EINVAL),
        RouteKind::Unreachable => Some(errno::EHOSTUNREACH),
        RouteKind::Prohibit => Some(errno::EACCES),
        RouteKind::Throw => Some(errno::EAGAIN),
        RouteKind::Unicast
        | RouteKind::Local
        | RouteKind::Broadcast
        | RouteKind::Anycast
        | RouteKind::Multicast
        | RouteKind::Other(_) => None,
    }
}

/// Mirrors `fib_lookup_good_nhc`. The kernel reports a next hop as dead also where its link has no
/// carrier and `ignore_routes_with_linkdown` is on.
fn hop_refusal(facts: &Facts<'_>, route: &Route, hop: &NextHop, flow: &Flow) -> Option<(Reason, String)> {
    let link = hop.ifindex.map_or_else(|| "no link".to_owned(), |ifindex| facts.link_name(ifindex));
    if hop_flag(route, hop, "dead") {
        let linkdown = hop_flag(route, hop, "linkdown");
        if linkdown && flow.any_link_state {
            // The second look of the reverse path filter takes it all the same.
        } else if linkdown {
            return Some((Reason::Dead, format!("{link} has no carrier, and routes over such links are ignored")));
        } else {
            return Some((Reason::Dead, format!("its next hop over {link} is dead")));
        }
    }
    if let Some(oif) = flow.oif
        && hop.ifindex != Some(oif)
    {
        return Some((Reason::OtherLink, format!("it leaves by {link}, and {} is asked for", facts.link_name(oif))));
    }
    None
}

/// Why a route lost to the one that won before it.
fn lost_to(winner: &Route, loser: &Route) -> (Reason, String) {
    let (long, short) = (winner.dst.prefix_len(), loser.dst.prefix_len());
    if short < long {
        (Reason::ShorterPrefix, format!("its prefix length is {short}, and the winner's is {long}"))
    } else if loser.table != winner.table {
        (Reason::TableNotReached, format!("table {} is asked first", winner.table))
    } else if loser.tos != winner.tos {
        (Reason::Tos, format!("the winner names tos {:#x}", winner.tos))
    } else if loser.metric > winner.metric {
        (Reason::HigherMetric, format!("its metric is {}, and the winner's is {}", loser.metric, winner.metric))
    } else {
        (Reason::Later, "it comes after the winner, with the same prefix and metric".to_owned())
    }
}
