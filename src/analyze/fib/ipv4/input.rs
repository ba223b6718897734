//! A packet that comes in by a link: `ip_route_input_slow`, with the checks of its source.
//!
//! May import model only.

use std::net::{IpAddr, Ipv4Addr};

use crate::model::ids::IfIndex;
use crate::model::route::{Family, Route, RouteKind, Rule};

use super::super::facts::{Facts, LOOPBACK};
use super::super::flow::Flow;
use super::super::found::{Misses, Outcome, Source, Way, errno};
use super::super::rules::Verdict;
use super::super::{Answer, refused};
use super::output::{drop_local_gateways, narrow};
use super::{decide, source};

/// Works the look-up out.
pub(in super::super) fn look_up(facts: &Facts<'_>, flow: &Flow, misses: &mut Misses) -> Answer {
    let IpAddr::V4(dst) = flow.dst else { return Answer::unknown("not an IPv4 destination".to_owned()) };
    let src = match flow.src {
        Some(IpAddr::V4(src)) => src,
        _ => Ipv4Addr::UNSPECIFIED,
    };
    let Some(link) = facts.link(flow.iif) else {
        return refused(errno::ENODEV, format!("there is no link {}", flow.iif));
    };
    let name = link.name.to_string();
    if dst.is_multicast() {
        return Answer::unknown(format!(
            "a multicast packet that comes in by {name}: podnet does not read which groups are joined"
        ));
    }
    if src.is_multicast() || src.is_broadcast() {
        return refused(errno::EINVAL, format!("a packet cannot come from {src}"));
    }
    if dst.is_broadcast() || (src.is_unspecified() && dst.is_unspecified()) {
        return broadcast(facts, flow, src, dst, None);
    }
    if src.is_unspecified() {
        return refused(errno::EINVAL, format!("a packet that comes in needs a source, and {src} is none"));
    }
    if dst.is_unspecified() {
        return refused(errno::EINVAL, format!("a packet cannot go to {dst}"));
    }
    for (address, word) in [(dst, "to"), (src, "from")] {
        if address.is_loopback() {
            if !source::route_localnet(facts, flow.iif) {
                let why = format!("{name} takes no packets {word} {address}: route_localnet is off");
                return refused(errno::EINVAL, why);
            }
            break;
        }
    }
    routed(facts, flow, src, dst, misses)
}

fn routed(facts: &Facts<'_>, flow: &Flow, src: Ipv4Addr, dst: Ipv4Addr, misses: &mut Misses) -> Answer {
    let name = facts.link_name(flow.iif);
    let forwarding = facts.link_sysctl("ipv4", flow.iif, "forwarding");
    // What a socket is bound to does not exist yet.
    let decision = decide(facts, &Flow { oif: None, ..flow.clone() }, misses);
    let mut answer = Answer { rule: decision.rule, table: decision.table, ..Answer::default() };
    let (at, hop) = match decision.verdict {
        Verdict::Unknown(why) => return Answer { outcome: Outcome::Unknown { why }, ..answer },
        Verdict::Refused { at, errno: found, why } => {
            let (found, why) = match forwarding {
                Some(1..) => (found, why),
                Some(_) => (errno::EHOSTUNREACH, format!("{why}; and {name} does not forward")),
                None => return Answer::unknown(format!("whether {name} forwards could not be read")),
            };
            answer.route = at.map(|at| facts.routes()[at].clone());
            answer.kind = answer.route.as_ref().map(|route| route.kind);
            answer.outcome = Outcome::Refused { errno: found, name: errno::name(found), why };
            return answer;
        }
        Verdict::Route { at, hop } => (at, hop),
    };
    let route = &facts.routes()[at];
    answer.table = Some(route.table);
    answer.route = Some(route.clone());
    answer.kind = Some(route.kind);
    match route.kind {
        RouteKind::Broadcast => {
            let found = broadcast(facts, flow, src, dst, Some(route));
            return Answer { rule: answer.rule, table: answer.table, route: answer.route, ..found };
        }
        RouteKind::Local => {
            if let Some(problem) = source_problem(facts, flow, src, None) {
                return problem.onto(answer);
            }
            answer.outcome = Outcome::Delivered;
            answer.ways = route.nexthops.first().map(|hop| given(flow, facts.way(hop))).into_iter().collect();
            return answer;
        }
        _ => {}
    }
    match forwarding {
        Some(1..) => {}
        Some(_) => {
            let why =
                format!("it is not for this namespace, and {name} does not forward (ipv4.conf.{name}.forwarding is 0)");
            answer.outcome =
                Outcome::Refused { errno: errno::EHOSTUNREACH, name: errno::name(errno::EHOSTUNREACH), why };
            return answer;
        }
        None => return Answer::unknown(format!("whether {name} forwards could not be read")),
    }
    if route.kind != RouteKind::Unicast {
        let why = format!("a route of kind {:?} is not for packets that come in", route.kind).to_lowercase();
        answer.outcome = Outcome::Refused { errno: errno::EINVAL, name: errno::name(errno::EINVAL), why };
        return answer;
    }
    if route.nexthops.len() > 1 {
        answer.ways = route.nexthops.iter().map(|hop| given(flow, facts.way(hop))).collect();
        narrow(facts, &Flow { src: None, ..flow.clone() }, route, &mut answer.ways);
    } else {
        answer.ways = route.nexthops.get(hop).map(|hop| given(flow, facts.way(hop))).into_iter().collect();
    }
    drop_local_gateways(facts, route.table, &mut answer);
    let out: Vec<IfIndex> =
        answer.ways.iter().filter(|way| way.unusable.is_none()).filter_map(|way| way.ifindex).collect();
    let problems: Vec<Option<Problem>> = out.iter().map(|out| source_problem(facts, flow, src, Some(*out))).collect();
    match problems.into_iter().find_map(|problem| problem) {
        Some(problem) => problem.onto(answer),
        None => Answer { outcome: Outcome::Sent, ..answer },
    }
}

fn given(flow: &Flow, way: Way) -> Way {
    let source = match flow.src.filter(|_| flow.has_source()) {
        Some(address) => Source::Given { address },
        None => Source::None { why: "a packet that comes in keeps its source".to_owned() },
    };
    Way { source, ..way }
}

fn broadcast(facts: &Facts<'_>, flow: &Flow, src: Ipv4Addr, dst: Ipv4Addr, route: Option<&Route>) -> Answer {
    let mut answer = Answer { kind: Some(RouteKind::Broadcast), ..Answer::default() };
    if !src.is_unspecified()
        && let Some(problem) = source_problem(facts, flow, src, None)
    {
        return problem.onto(answer);
    }
    answer.outcome = Outcome::Delivered;
    answer.ways =
        route.and_then(|route| route.nexthops.first()).map(|hop| given(flow, facts.way(hop))).into_iter().collect();
    if !dst.is_broadcast() {
        answer.notes.push("where bc_forwarding is on, such a packet is forwarded instead".to_owned());
    }
    answer
}

/// Why a source is not believed.
#[derive(PartialEq)]
struct Problem {
    outcome: Outcome,
}

impl Problem {
    fn new(errno: i32, why: String) -> Self {
        Self { outcome: Outcome::Refused { errno, name: errno::name(errno), why } }
    }

    fn onto(self, answer: Answer) -> Answer {
        Answer { outcome: self.outcome, ways: Vec::new(), ..answer }
    }
}

/// Mirrors `fib_validate_source`. `out` is the link it would be forwarded by.
fn source_problem(facts: &Facts<'_>, flow: &Flow, src: Ipv4Addr, out: Option<IfIndex>) -> Option<Problem> {
    let link = flow.iif;
    let name = facts.link_name(link);
    let either = |setting: &str| -> Option<bool> {
        let all = facts.sysctl(&format!("ipv4.conf.all.{setting}"))?;
        let own = facts.link_sysctl("ipv4", link, setting)?;
        Some(all != 0 || own != 0)
    };
    let all = facts.sysctl("ipv4.conf.all.rp_filter");
    let own = facts.link_sysctl("ipv4", link, "rp_filter");
    let Some(filter) = all.zip(own).map(|(all, own)| all.max(own)) else {
        let why = format!("whether {name} believes the source could not be read (rp_filter)");
        return Some(Problem { outcome: Outcome::Unknown { why } });
    };
    let redirects = out == Some(link) && either("send_redirects") == Some(true);
    let mark = if either("src_valid_mark") == Some(true) { flow.mark } else { 0 };
    let judged = |accept_local| judge_source(facts, flow, src, out, (filter, accept_local, redirects, mark));
    match either("accept_local") {
        Some(accept_local) => judged(accept_local),
        // It matters only where the source is an address of this namespace.
        None => match (judged(true), judged(false)) {
            (None, None) => None,
            (Some(problem), Some(_)) => Some(problem),
            _ => {
                let why = format!("whether {name} believes the source could not be read (accept_local)");
                Some(Problem { outcome: Outcome::Unknown { why } })
            }
        },
    }
}

fn judge_source(
    facts: &Facts<'_>,
    flow: &Flow,
    src: Ipv4Addr,
    out: Option<IfIndex>,
    (filter, accept_local, redirects, mark): (i64, bool, bool, u32),
) -> Option<Problem> {
    if filter == 0 && !redirects {
        if accept_local {
            return None;
        }
        if !local_routes_were_added(facts) && !rules_were_added(facts) {
            return facts.holders(IpAddr::V4(src)).first().map(|holder| {
                let why = format!(
                    "the source {src} is this namespace's own (on {}), and accept_local is off",
                    facts.link_name(*holder)
                );
                Problem::new(errno::EINVAL, why)
            });
        }
    }
    let back = way_back(facts, flow, src, out, mark);
    let judged = |back: &Flow| reverse(facts, flow.iif, src, back, filter, accept_local);
    // A port that is drawn does not matter where all that rules tell apart come to the same.
    let mut all = possible(facts, back.source_port, |rule| rule.source_ports).into_iter().flat_map(|source_port| {
        let ports = possible(facts, back.destination_port, |rule| rule.destination_ports);
        ports.into_iter().map(move |destination_port| (source_port, destination_port))
    });
    let with = |(source_port, destination_port)| judged(&Flow { source_port, destination_port, ..back.clone() });
    let first = all.next().and_then(with);
    if all.all(|ports| with(ports) == first) { first } else { judged(&back) }
}

/// The question for the way back to a source.
fn way_back(facts: &Facts<'_>, flow: &Flow, src: Ipv4Addr, out: Option<IfIndex>, mark: u32) -> Flow {
    let is_read = facts.rules().iter().any(dissects);
    let read = |port: Option<u16>| if is_read { port } else { Some(0) };
    Flow {
        dst: IpAddr::V4(src),
        src: Some(flow.dst),
        iif: out.unwrap_or(LOOPBACK),
        oif: None,
        l3mdev: facts.l3_master(flow.iif),
        mark,
        protocol: if is_read { flow.protocol } else { Some(0) },
        source_port: read(flow.destination_port),
        destination_port: read(flow.source_port),
        ..flow.clone()
    }
}

/// The ports that one may be which was not told, as far as rules tell them apart: the first of each stretch of ports
/// that are in the same ranges. Of too many none is taken.
fn possible(facts: &Facts<'_>, port: Option<u16>, range: impl Fn(&Rule) -> Option<(u16, u16)>) -> Vec<Option<u16>> {
    const MOST: usize = 32;
    if port.is_some() {
        return vec![port];
    }
    let ranges = facts.rules().iter().filter(|rule| rule.family == Family::Ipv4).filter_map(range);
    let mut ports: Vec<Option<u16>> = ranges.flat_map(|(first, last)| [Some(first), last.checked_add(1)]).collect();
    ports.push(Some(0));
    ports.retain(Option::is_some);
    ports.sort_unstable();
    ports.dedup();
    if ports.len() > MOST { vec![None] } else { ports }
}

/// Mirrors `__fib_validate_source`: the way back to the source.
fn reverse(
    facts: &Facts<'_>,
    link: IfIndex,
    src: Ipv4Addr,
    back: &Flow,
    filter: i64,
    accept_local: bool,
) -> Option<Problem> {
    let name = facts.link_name(link);
    let not_believed = |why: String| (filter != 0).then(|| Problem::new(errno::EXDEV, why));
    let at = match decide(facts, back, &mut Misses::default()).verdict {
        Verdict::Unknown(why) => return Some(Problem { outcome: Outcome::Unknown { why } }),
        Verdict::Refused { .. } => {
            return not_believed(format!("rp_filter is {filter} on {name}, and no route leads back to {src}"));
        }
        Verdict::Route { at, .. } => at,
    };
    let route = &facts.routes()[at];
    match route.kind {
        RouteKind::Unicast => {}
        RouteKind::Local if accept_local => {}
        RouteKind::Local => {
            return Some(Problem::new(
                errno::EINVAL,
                format!("the source {src} is this namespace's own, and accept_local is off"),
            ));
        }
        other => {
            let why = format!("the source {src} is an address of kind {other:?}").to_lowercase();
            return Some(Problem::new(errno::EINVAL, why));
        }
    }
    let leads_back = route
        .nexthops
        .iter()
        .filter_map(|hop| hop.ifindex)
        .any(|hop| hop == link || facts.l3_master(hop) == Some(link));
    if leads_back || (route.kind == RouteKind::Local && link == LOOPBACK) {
        return None;
    }
    let has_address = facts.addresses_of(link).any(|address| address.address.addr().is_ipv4());
    if !has_address {
        return not_believed(format!(
            "rp_filter is {filter} on {name}, which has no address, and the way back to {src} is another"
        ));
    }
    if filter == 1 {
        let why = format!("rp_filter is 1 (strict) on {name}, and the way back to {src} is by another link");
        return Some(Problem::new(errno::EXDEV, why));
    }
    None
}

/// Whether the kernel reads a packet's protocol and ports for the sake of a rule. Mirrors
/// `fib_rule_requires_fldissect`.
fn dissects(rule: &Rule) -> bool {
    let is_of_own = rule.iif.as_ref().is_some_and(|name| name.as_bytes() == b"lo");
    let selects = rule.protocol.is_some() || rule.source_ports.is_some() || rule.destination_ports.is_some();
    rule.family == Family::Ipv4 && selects && !is_of_own
}

fn rules_were_added(facts: &Facts<'_>) -> bool {
    facts.rules().iter().filter(|rule| rule.family == Family::Ipv4).count() != 3
}

fn local_routes_were_added(facts: &Facts<'_>) -> bool {
    facts
        .routes()
        .iter()
        .any(|route| route.family == Family::Ipv4 && route.kind == RouteKind::Local && route.origin != "kernel")
}
