//! Which route a namespace takes: to a known destination by [`fib`], to none in particular by a
//! walk over the rules that looks for default routes alone.
//!
//! May import model and its siblings only. In the walk a rule that asks for more than addresses and
//! the link a packet comes in by is skipped when a plain packet would not meet it, and makes the
//! answer unknown when it bears selectors that podnet does not know.

use std::net::IpAddr;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::Serialize;

use crate::analyze::answer::Gathered;
use crate::analyze::fib::{self, Outcome};
use crate::analyze::naming::LinkRef;
use crate::model::ids::{NetnsId, TableId};
use crate::model::issue::Why;
use crate::model::route::{Family, Route, RouteKind, RouteQuery, Rule, RuleAction};
use crate::model::text::ByteText;
use crate::model::view::NodeView;

/// What is looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lookup<'a> {
    /// Where to, for a packet of the namespace's own; `None` asks for the default route alone.
    pub dst: Option<IpAddr>,
    /// Which family, for the default route.
    pub family: Family,
    /// The source of a packet that takes the default route, where it is known.
    pub src: Option<IpAddr>,
    /// The link that packet comes in by; `None`: sent by the namespace itself.
    pub iif: Option<&'a ByteText>,
}

/// The route that a look-up ends at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Chosen {
    /// The rule that named the table.
    pub rule: Rule,
    /// The route.
    pub route: Route,
    /// The links it leads to, in the order of its nexthops.
    pub links: Vec<LinkRef>,
}

/// What a look-up comes to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum Way {
    /// This route.
    Route(Box<Chosen>),
    /// This rule drops the packet.
    Refused {
        /// The rule.
        rule: Box<Rule>,
    },
    /// No rule leads to a route.
    None,
    /// It cannot be told.
    Unknown {
        /// Why not.
        why: String,
    },
}

impl Way {
    /// The route, where there is one that passes packets on.
    pub fn route(&self) -> Option<&Chosen> {
        match self {
            Self::Route(chosen) => Some(chosen),
            _ => None,
        }
    }

    /// Whether the packet is dropped by the route or rule it ends at.
    pub fn drops(&self) -> bool {
        match self {
            Self::Route(chosen) => {
                matches!(chosen.route.kind, RouteKind::Blackhole | RouteKind::Unreachable | RouteKind::Prohibit)
            }
            Self::Refused { .. } => true,
            Self::None | Self::Unknown { .. } => false,
        }
    }
}

/// Looks a way up in a namespace.
pub fn way(node: &dyn NodeView, netns: NetnsId, lookup: &Lookup<'_>, gathered: &mut Gathered) -> Way {
    match lookup.dst {
        Some(dst) => to(node, netns, dst, gathered),
        None => default(node, netns, lookup, gathered),
    }
}

fn to(node: &dyn NodeView, netns: NetnsId, dst: IpAddr, gathered: &mut Gathered) -> Way {
    // What is unknown of the source address, which nobody asks for here, is no issue of this answer.
    let mut own = Gathered::default();
    let found = fib::lookup(node, netns, &RouteQuery::to(dst), &mut own);
    let (rules, routes) = (node.rules(netns), node.routes(netns));
    gathered.take(&rules);
    gathered.take(&routes);
    gathered.issues.extend(own.issues.into_iter().filter(|issue| matches!(issue.why, Why::Disagreement { .. })));
    match (found.outcome, found.rule, found.route) {
        (Outcome::Unknown { why }, _, _) => Way::Unknown { why },
        (_, Some(rule), Some(route)) => Way::Route(Box::new(chosen(node, netns, &rule, &route, gathered))),
        (Outcome::Refused { .. }, Some(rule), None) => Way::Refused { rule: Box::new(rule) },
        _ => Way::None,
    }
}

fn default(node: &dyn NodeView, netns: NetnsId, lookup: &Lookup<'_>, gathered: &mut Gathered) -> Way {
    let (rules, routes) = (node.rules(netns), node.routes(netns));
    let rules = gathered.take(&rules);
    let routes = gathered.take(&routes);
    let mut go_to = None;
    for rule in rules.iter().filter(|rule| rule.family == lookup.family) {
        if go_to.is_some_and(|priority| rule.priority < priority) {
            continue;
        }
        if !rule.unknown.is_empty() {
            return Way::Unknown { why: format!("rule {} has selectors podnet does not know", rule.priority) };
        }
        if !meets(rule, lookup) {
            continue;
        }
        match rule.action {
            RuleAction::Lookup { table } => {
                if let Some(route) = best(routes, table, rule, lookup) {
                    return Way::Route(Box::new(chosen(node, netns, rule, route, gathered)));
                }
            }
            RuleAction::Goto { priority } => go_to = Some(priority),
            RuleAction::Nop => {}
            RuleAction::Blackhole | RuleAction::Unreachable | RuleAction::Prohibit => {
                return Way::Refused { rule: Box::new(rule.clone()) };
            }
            RuleAction::Other { number } => {
                return Way::Unknown { why: format!("rule {} has the unknown action {number}", rule.priority) };
            }
        }
    }
    if rules.iter().any(|rule| rule.family == lookup.family) {
        return Way::None;
    }
    // A namespace always has the rules that the kernel made, unless the family is missing altogether.
    Way::Unknown { why: "no rules of that family were read".to_owned() }
}

fn chosen(node: &dyn NodeView, netns: NetnsId, rule: &Rule, route: &Route, gathered: &mut Gathered) -> Chosen {
    let links = node.links(netns);
    let links = gathered.take(&links);
    let of_hop = |ifindex| links.iter().find(|link| Some(link.ifindex) == ifindex).map(LinkRef::of);
    Chosen {
        rule: rule.clone(),
        route: route.clone(),
        links: route.nexthops.iter().filter_map(|hop| of_hop(hop.ifindex)).collect(),
    }
}

/// Whether a plain packet (no mark, no port, root's) meets a rule. Mirrors `fib_rule_match`.
fn meets(rule: &Rule, lookup: &Lookup<'_>) -> bool {
    let within = |net: Option<IpNet>, address: Option<IpAddr>| match (net, address) {
        (None, _) => true,
        (Some(net), None) => net.prefix_len() == 0,
        (Some(net), Some(address)) => net.contains(&address),
    };
    let iif = match (&rule.iif, lookup.iif) {
        (None, _) => true,
        // Packets of the namespace itself have loopback as the link they come in by.
        (Some(wanted), None) => *wanted == "lo",
        (Some(wanted), Some(iif)) => wanted == iif,
    };
    let plain = rule.oif.is_none()
        && rule.mark.is_none_or(|mark| mark.value == 0)
        && rule.tos.is_none_or(|tos| tos == 0)
        && rule.protocol.is_none()
        && rule.source_ports.is_none()
        && rule.destination_ports.is_none()
        && rule.uids.is_none_or(|(first, _)| first == 0)
        && rule.tunnel_id.is_none()
        && !rule.l3mdev;
    let met = iif && plain && within(rule.src, lookup.src) && within(rule.dst, None);
    met != rule.invert
}

/// The default route of a table that wins: lowest metric, then the kernel's order. `None` when
/// there is none, when it says `throw`, and when the rule suppresses it.
fn best<'r>(routes: &'r [Route], table: TableId, rule: &Rule, lookup: &Lookup<'_>) -> Option<&'r Route> {
    let matches = |route: &&Route| {
        route.family == lookup.family
            && route.table == table
            && route.tos == 0
            && route.src.is_none_or(|net| lookup.src.is_some_and(|src| net.contains(&src)))
            && route.dst.prefix_len() == 0
            && (route.nexthops.is_empty()
                || route.nexthops.iter().any(|hop| !hop.flags.iter().any(|flag| flag == "dead")))
    };
    let winner = routes.iter().filter(matches).min_by_key(|route| route.metric)?;
    let suppressed = rule.suppress_prefix_length.is_some();
    (winner.kind != RouteKind::Throw && !suppressed).then_some(winner)
}
