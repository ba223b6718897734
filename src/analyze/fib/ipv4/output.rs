//! A packet that this namespace sends: `ip_route_output_key_hash_rcu`.
//!
//! May import model only.

use std::net::{IpAddr, Ipv4Addr};

use crate::model::address::Scope;
use crate::model::ids::{IfIndex, TableId};
use crate::model::link::LinkKind;
use crate::model::route::{NextHop, Route, RouteKind};

use super::super::facts::{Facts, LOOPBACK, hop_flag, is_valid};
use super::super::flow::Flow;
use super::super::found::{Misses, Outcome, Source, Way, errno};
use super::super::rules::{Pick, Verdict};
use super::super::{Answer, refused};
use super::{decide, rules_are_the_first_ones, source, table};

/// Works the look-up out.
pub(in super::super) fn look_up(facts: &Facts<'_>, flow: &Flow, misses: &mut Misses) -> Answer {
    let IpAddr::V4(dst) = flow.dst else { return Answer::unknown("not an IPv4 destination".to_owned()) };
    let src = match flow.src {
        Some(IpAddr::V4(src)) if !src.is_unspecified() => Some(src),
        _ => None,
    };
    let everybody = dst.is_multicast() || dst.is_broadcast();
    if let Some(src) = src {
        if src.is_multicast() || src.is_broadcast() {
            return refused(errno::EINVAL, format!("{src} cannot be a source address"));
        }
        let holders = match local_devices(facts, src) {
            Ok(holders) => holders,
            Err(why) => return Answer::unknown(why),
        };
        if flow.oif.is_none() && everybody && holders.len() > 1 {
            let names: Vec<String> = holders.iter().map(|link| facts.link_name(*link)).collect();
            return Answer::unknown(format!(
                "it leaves by the link that holds the source {src}, and {} do",
                names.join(" and ")
            ));
        }
        let holder = match holders.first() {
            Some(holder) => Some(holder),
            None if flow.any_source => None,
            None => return refused(errno::ENETUNREACH, format!("the source {src} is no address of this namespace")),
        };
        if let Some(holder) = holder
            && flow.oif.is_none()
            && everybody
        {
            return on_link(facts, flow, *holder, dst, "to everybody on the link that holds the source address");
        }
    }
    if let Some(oif) = flow.oif {
        let Some(link) = facts.link(oif) else {
            return refused(errno::ENODEV, format!("there is no link {oif}"));
        };
        if !link.up {
            return refused(errno::ENETUNREACH, format!("{} is down", link.name));
        }
        let [a, b, c, _] = dst.octets();
        if (a, b, c) == (224, 0, 0) || dst.is_broadcast() || flow.protocol == Some(2) {
            return on_link(facts, flow, oif, dst, "to everybody on the link it is bound to");
        }
        if src.is_none() && dst.is_multicast() {
            return multicast(facts, flow, oif, dst, misses);
        }
    }
    if dst.is_unspecified() {
        return Answer::unknown("0.0.0.0 as a destination means this machine itself".to_owned());
    }
    routed(facts, flow, dst, misses)
}

/// A bound socket's multicast gets its source before it is routed.
fn multicast(facts: &Facts<'_>, flow: &Flow, oif: IfIndex, dst: Ipv4Addr, misses: &mut Misses) -> Answer {
    let source = source::select(facts, oif, None, Scope::Universe);
    let candidates = source.addresses();
    let flow = Flow { src: candidates.first().copied().or(flow.src), ..flow.clone() };
    let mut answer = routed(facts, &flow, dst, misses);
    if !candidates.is_empty() {
        for way in &mut answer.ways {
            way.source = source.clone();
        }
    }
    answer
}

fn routed(facts: &Facts<'_>, flow: &Flow, dst: Ipv4Addr, misses: &mut Misses) -> Answer {
    let decision = decide(facts, flow, misses);
    let mut answer = Answer { rule: decision.rule, table: decision.table, ..Answer::default() };
    match decision.verdict {
        Verdict::Unknown(why) => {
            answer.outcome = Outcome::Unknown { why };
            answer
        }
        Verdict::Refused { at, errno, why } => {
            if let Some(oif) = flow.oif
                && (dst.is_multicast() || flow.with_l3mdev(facts).l3mdev.is_none())
            {
                return on_link(
                    facts,
                    flow,
                    oif,
                    dst,
                    "no route leads there; a bound socket's destination then counts as on the link",
                );
            }
            answer.route = at.map(|at| facts.routes()[at].clone());
            answer.kind = answer.route.as_ref().map(|route| route.kind);
            answer.outcome = Outcome::Refused { errno, name: errno::name(errno), why };
            answer
        }
        Verdict::Route { at, hop } => {
            let route = &facts.routes()[at];
            answer.table = Some(route.table);
            answer.route = Some(route.clone());
            answer.kind = Some(kind(route.kind, dst));
            if route.kind == RouteKind::Local {
                return delivered(facts, flow, route, answer);
            }
            answer.ways = ways(facts, flow, at, hop, &mut answer);
            answer.outcome = Outcome::Sent;
            // Such packets go to the link, whatever gateway the route names.
            if dst.is_broadcast() || (dst.is_multicast() && route.dst.prefix_len() < 4) {
                for way in &mut answer.ways {
                    way.gateway = None;
                }
            }
            drop_local_gateways(facts, route.table, &mut answer);
            if dst.is_unspecified() {
                return Answer {
                    rule: answer.rule,
                    table: answer.table,
                    ..refused(errno::EINVAL, format!("{dst} cannot be a destination"))
                };
            }
            check_source(facts, &mut answer);
            answer
        }
    }
}

/// A gateway that is not itself on the link (the namespace's own address, mostly) is not used: the
/// destination then counts as on the link. Mirrors `fib_check_nh_v4_gw` and `rt_set_nexthop`; the
/// kernel found out when the route was made, podnet looks at what is there now.
pub(super) fn drop_local_gateways(facts: &Facts<'_>, table: TableId, answer: &mut Answer) {
    for way in &mut answer.ways {
        let (Some(gateway @ IpAddr::V4(_)), Some(link), false) = (way.gateway, way.ifindex, way.onlink) else {
            continue;
        };
        let query = crate::model::route::RouteQuery { oif: Some(link), ..crate::model::route::RouteQuery::to(gateway) };
        let flow = Flow { scope: Scope::Link, any_link_state: true, ..Flow::of(&query) };
        let mut unseen = Misses::default();
        let own = if table == TableId::MAIN { Pick::Nothing } else { table::pick(facts, &[table], &flow, &mut unseen) };
        let at = match own {
            Pick::Route { at, .. } => Some(at),
            _ => match decide(facts, &flow, &mut unseen).verdict {
                Verdict::Route { at, .. } => Some(at),
                _ => None,
            },
        };
        if at.is_some_and(|at| facts.routes()[at].scope.number() > Scope::Link.number()) {
            way.gateway = None;
            answer
                .notes
                .push(format!("the gateway {gateway} is this namespace's own: the destination counts as on the link"));
        }
    }
}

/// Mirrors the type that `__mkroute_output` gives.
fn kind(found: RouteKind, dst: Ipv4Addr) -> RouteKind {
    if dst.is_broadcast() {
        RouteKind::Broadcast
    } else if dst.is_multicast() {
        RouteKind::Multicast
    } else {
        found
    }
}

/// An address of 127.0.0.0/8 leaves by loopback alone.
fn check_source(facts: &Facts<'_>, answer: &mut Answer) {
    let mut usable = answer.ways.iter().filter(|way| way.unusable.is_none());
    let (Some(way), None) = (usable.next(), usable.next()) else { return };
    let (Some(IpAddr::V4(src)), Some(link)) = (way.source.address(), way.ifindex) else { return };
    if !src.is_loopback() || source::route_localnet(facts, link) {
        return;
    }
    let leaves = facts.link(link).is_some_and(|link| !matches!(link.kind, LinkKind::Loopback | LinkKind::Vrf { .. }));
    if leaves {
        let why = format!("the source {src} may not leave by {}", facts.link_name(link));
        answer.outcome = Outcome::Refused { errno: errno::EINVAL, name: errno::name(errno::EINVAL), why };
    }
}

fn delivered(facts: &Facts<'_>, flow: &Flow, route: &Route, mut answer: Answer) -> Answer {
    let hop = route.nexthops.first().cloned().unwrap_or(NextHop {
        ifindex: Some(LOOPBACK),
        gateway: None,
        weight: 1,
        flags: Vec::new(),
        encap: None,
    });
    let source = match (flow.src.filter(|_| flow.has_source()), route.source) {
        (Some(address), _) => Source::Given { address },
        (None, Some(address)) => Source::Chosen { address, why: "the local route names it".to_owned() },
        (None, None) => Source::Chosen { address: flow.dst, why: "the destination itself".to_owned() },
    };
    answer.ways = vec![Way { source, ..facts.way(&hop) }];
    answer.outcome = Outcome::Delivered;
    answer
}

/// No table is asked: the destination is taken to be on that link.
fn on_link(facts: &Facts<'_>, flow: &Flow, link: IfIndex, dst: Ipv4Addr, why: &str) -> Answer {
    let hop = NextHop { ifindex: Some(link), gateway: None, weight: 1, flags: Vec::new(), encap: None };
    let source = match flow.src.filter(|_| flow.has_source()) {
        Some(address) => Source::Given { address },
        None => source::select(facts, link, None, Scope::Link),
    };
    let mut answer = Answer {
        outcome: Outcome::Sent,
        kind: Some(kind(RouteKind::Unicast, dst)),
        ways: vec![Way { source, ..facts.way(&hop) }],
        notes: vec![why.to_owned()],
        ..Answer::default()
    };
    check_source(facts, &mut answer);
    answer
}

/// Mirrors `__ip_dev_find`: the links of an address, else that of a local route that holds it. An
/// error says why it cannot be told.
fn local_devices(facts: &Facts<'_>, address: Ipv4Addr) -> Result<Vec<IfIndex>, String> {
    let holders = facts.holders(IpAddr::V4(address));
    if !holders.is_empty() {
        return Ok(holders);
    }
    let query = crate::model::route::RouteQuery::to(IpAddr::V4(address));
    let by_route = |tables: &[TableId]| match table::pick(facts, tables, &Flow::of(&query), &mut Misses::default()) {
        Pick::Route { at, hop } if facts.routes()[at].kind == RouteKind::Local => {
            facts.routes()[at].nexthops.get(hop).and_then(|hop| hop.ifindex).or(Some(LOOPBACK))
        }
        _ => None,
    };
    let apart = by_route(&[TableId::LOCAL]);
    if rules_are_the_first_ones(facts) && by_route(&[TableId::LOCAL, TableId::MAIN]) != apart {
        return Err(format!(
            "whether {address} counts as an address of this namespace hangs on whether its rules were ever changed"
        ));
    }
    Ok(apart.into_iter().collect())
}

/// Mirrors `fib_select_path`.
fn ways(facts: &Facts<'_>, flow: &Flow, at: usize, hop: usize, answer: &mut Answer) -> Vec<Way> {
    let route = &facts.routes()[at];
    let sourced = |route: &Route, hop: &NextHop| {
        let source = match flow.src.filter(|_| flow.has_source()) {
            Some(address) => Source::Given { address },
            None => chosen_source(facts, flow, route, hop),
        };
        Way { source, ..facts.way(hop) }
    };
    if flow.oif.is_some() {
        return route.nexthops.get(hop).map(|hop| sourced(route, hop)).into_iter().collect();
    }
    if route.nexthops.len() > 1 {
        let mut ways: Vec<Way> = route.nexthops.iter().map(|hop| sourced(route, hop)).collect();
        narrow(facts, flow, route, &mut ways);
        return ways;
    }
    if route.dst.prefix_len() == 0 && route.kind == RouteKind::Unicast {
        match alive_default(facts, flow, at) {
            Ok(other) if other != at => {
                let taken = &facts.routes()[other];
                answer.notes.push(format!(
                    "of several default routes of metric {} the first has a router that does not answer; this is the next one that may",
                    taken.metric
                ));
                answer.route = Some(taken.clone());
                return taken.nexthops.first().map(|hop| sourced(taken, hop)).into_iter().collect();
            }
            Ok(_) => {}
            Err(why) => {
                answer.notes.push(why.clone());
                answer.unknown = Some(why);
            }
        }
    }
    route.nexthops.first().map(|hop| sourced(route, hop)).into_iter().collect()
}

/// Mirrors the end of `fib_select_path`: in a VRF that the next hop is not part of, the VRF's own address.
fn chosen_source(facts: &Facts<'_>, flow: &Flow, route: &Route, hop: &NextHop) -> Source {
    let vrf = flow.with_l3mdev(facts).l3mdev;
    match vrf {
        Some(vrf) if hop.ifindex.and_then(|link| facts.l3_master(link)) != Some(vrf) => {
            source::select(facts, vrf, None, Scope::Link)
        }
        _ => source::of_route(facts, route, hop),
    }
}

/// Which of several next hops a hash may choose. Mirrors `fib_select_multipath` and, for nexthop
/// objects, `nexthop_select_path`.
pub(super) fn narrow(facts: &Facts<'_>, flow: &Flow, route: &Route, ways: &mut [Way]) {
    let by_neighbour = route.nexthop_id.is_some() || facts.sysctl("ipv4.fib_multipath_use_neigh") == Some(1);
    for (way, hop) in ways.iter_mut().zip(&route.nexthops) {
        if hop_flag(route, hop, "dead") {
            way.unusable = Some("it is dead, or its link has no carrier".to_owned());
        } else if by_neighbour
            && let (Some(link), Some(gateway)) = (hop.ifindex, hop.gateway)
            && facts.neighbour(link, gateway).is_some_and(|entry| !is_valid(entry))
        {
            way.unusable = Some(format!("its router {gateway} does not answer"));
        }
    }
    if route.nexthop_id.is_some() {
        revive(ways);
        return;
    }
    // A given source draws the packet to the next hops whose own source it is.
    let own = |hop: &NextHop| {
        let plain = Route { source: None, ..route.clone() };
        flow.has_source() && source::of_route(facts, &plain, hop).address() == flow.src
    };
    let drawn: Vec<bool> = route.nexthops.iter().map(own).collect();
    if ways.iter().zip(&drawn).any(|(way, drawn)| *drawn && way.unusable.is_none()) {
        for (way, _) in ways.iter_mut().zip(&drawn).filter(|(way, drawn)| !**drawn && way.unusable.is_none()) {
            way.unusable = Some("another next hop's own source is the packet's".to_owned());
        }
    }
    revive(ways);
}

/// Where none is good the kernel keeps the first.
fn revive(ways: &mut [Way]) {
    if ways.iter().all(|way| way.unusable.is_some())
        && let Some(first) = ways.first_mut()
    {
        first.unusable = None;
    }
}

/// Which of several equal default routes is taken. Mirrors `fib_select_default`; what it remembers of
/// the last choice is not told, so each value is tried. An error where they differ.
fn alive_default(facts: &Facts<'_>, flow: &Flow, at: usize) -> Result<usize, String> {
    let Some(equal) = equal_defaults(facts, flow, at) else { return Ok(at) };
    let last = i64::try_from(equal.len()).unwrap_or(i64::MAX);
    let mut results: Vec<usize> = (-1..last).map(|remembered| alive_among(facts, &equal, remembered)).collect();
    results.sort_unstable();
    results.dedup();
    match results.as_slice() {
        [one] => Ok(*one),
        _ => Err(format!(
            "{} default routes of equal metric; which one is taken hangs on which router the kernel last found alive",
            equal.len()
        )),
    }
}

fn equal_defaults(facts: &Facts<'_>, flow: &Flow, at: usize) -> Option<Vec<usize>> {
    let routes = facts.routes();
    let found = &routes[at];
    let mut metric = found.metric;
    let mut tos = 0;
    let mut equal: Vec<usize> = Vec::new();
    for other in table::candidates(facts, &[found.table], flow) {
        let route = &routes[other];
        if route.dst.prefix_len() != 0 || (route.tos != 0 && !table::tos_fits(route.tos, flow.tos)) {
            continue;
        }
        if route.metric > metric && route.tos == tos {
            if tos != 0 {
                continue;
            }
            break;
        }
        let dead = route.nexthops.iter().all(|hop| hop_flag(route, hop, "dead") && !hop_flag(route, hop, "linkdown"));
        if dead {
            continue;
        }
        tos = route.tos;
        metric = route.metric;
        let routed = route.nexthops.first().is_some_and(|hop| hop.gateway.is_some());
        if route.scope != found.scope || route.kind != RouteKind::Unicast || !routed {
            continue;
        }
        if equal.is_empty() && other != at {
            return None;
        }
        equal.push(other);
    }
    (equal.len() > 1).then_some(equal)
}

fn alive_among(facts: &Facts<'_>, equal: &[usize], remembered: i64) -> usize {
    let mut last_resort: Option<usize> = None;
    for (order, at) in equal.iter().enumerate() {
        let order = i64::try_from(order).unwrap_or(i64::MAX);
        let hop = facts.routes()[*at].nexthops.first();
        let entry = hop.and_then(|hop| facts.neighbour(hop.ifindex?, hop.gateway?));
        let Some(entry) = entry else { return *at };
        let is = |name: &str| entry.states.iter().any(|state| state == name);
        if is("reachable") || (is_valid(entry) && order != remembered) {
            return *at;
        }
        if is_valid(entry) || (last_resort.is_none() && order > remembered && !is("incomplete")) {
            last_resort = Some(*at);
        }
    }
    last_resort.or_else(|| equal.first().copied()).unwrap_or_default()
}
