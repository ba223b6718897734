//! Which way a packet takes out of a namespace, as [`fib`] tells it: the one look-up, so that `trace`,
//! `veth`, `pods` and `routes` cannot disagree.
//!
//! May import model and its siblings only.
//!
//! The road to the wire has no destination of its own. It is asked for with a real one: a root name
//! server, the first that no route but a default one leads to (`far_away`).

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::Serialize;

use crate::analyze::answer::Gathered;
use crate::analyze::fib::{self, Outcome};
use crate::analyze::naming::LinkRef;
use crate::model::ids::{IfIndex, NetnsId};
use crate::model::issue::Why;
use crate::model::route::{Family, Route, RouteKind, RouteQuery, Rule};
use crate::model::view::NodeView;

/// Root name servers (a, c, d, k, m) in unlike networks: public addresses that stay what they are.
const FAR_V4: [[u8; 4]; 5] =
    [[198, 41, 0, 4], [192, 33, 4, 12], [199, 7, 91, 13], [193, 0, 14, 129], [202, 12, 27, 33]];
const FAR_V6: [[u16; 8]; 5] = [
    [0x2001, 0x503, 0xba3e, 0, 0, 0, 2, 0x30],
    [0x2001, 0x500, 2, 0, 0, 0, 0, 0xc],
    [0x2001, 0x500, 0x2d, 0, 0, 0, 0, 0xd],
    [0x2001, 0x7fd, 0, 0, 0, 0, 0, 1],
    [0x2001, 0xdc3, 0, 0, 0, 0, 0, 0x35],
];

/// A destination that stands for the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::analyze) struct Far {
    pub family: Family,
    pub destination: IpAddr,
}

/// A destination that stands for the world: of a few public addresses the first that in those
/// namespaces only default routes lead to, and no rule names; where routes name all of them (a tunnel
/// that takes 0.0.0.0/1 and 128.0.0.0/1), the first.
pub(in crate::analyze) fn far_away(node: &dyn NodeView, namespaces: &[NetnsId], family: Family) -> Far {
    let all: Vec<IpAddr> = match family {
        Family::Ipv4 => FAR_V4.map(IpAddr::from).to_vec(),
        Family::Ipv6 => FAR_V6.map(IpAddr::from).to_vec(),
    };
    let named = |address: &IpAddr| {
        namespaces.iter().any(|netns| {
            let by_route = |route: &Route| route.dst.prefix_len() > 0 && route.dst.contains(address);
            let by_rule = |rule: &Rule| rule.dst.is_some_and(|dst| dst.prefix_len() > 0 && dst.contains(address));
            node.routes(*netns).value.iter().any(by_route) || node.rules(*netns).value.iter().any(by_rule)
        })
    };
    let destination = all.iter().find(|address| !named(address)).copied().unwrap_or(all[0]);
    Far { family, destination }
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
    /// Those of them that a packet may really leave by: not those of next hops that are dead.
    pub leaves_by: Vec<IfIndex>,
}

impl Chosen {
    /// Whether packets may leave by that link.
    pub fn leads_to(&self, link: IfIndex) -> bool {
        self.leaves_by.contains(&link)
    }
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
    /// The kernel takes no such packet here, whatever route there is: its link does not forward, or
    /// the source is not believed.
    Rejected {
        /// Why not.
        why: String,
        /// The route that would have been taken; `None` where it does not come to that.
        route: Option<Box<Chosen>>,
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
            Self::Route(chosen) => drops(chosen.route.kind),
            Self::Refused { .. } | Self::Rejected { .. } => true,
            Self::None | Self::Unknown { .. } => false,
        }
    }
}

/// Looks a way up in a namespace.
pub fn way(node: &dyn NodeView, netns: NetnsId, query: &RouteQuery, gathered: &mut Gathered) -> Way {
    // What is unknown of the source address, which nobody asks for here, is no issue of this answer.
    let mut own = Gathered::default();
    let found = fib::lookup(node, netns, query, &mut own);
    let (rules, routes) = (node.rules(netns), node.routes(netns));
    gathered.take(&rules);
    gathered.take(&routes);
    gathered.issues.extend(own.issues.into_iter().filter(|issue| matches!(issue.why, Why::Disagreement { .. })));
    let chosen = found.rule.as_ref().zip(found.route.as_ref());
    let chosen = chosen.map(|(rule, route)| Box::new(chosen_of(node, netns, rule, route, &found, gathered)));
    match (found.outcome, chosen, found.rule) {
        (Outcome::Unknown { why }, _, _) => Way::Unknown { why },
        (Outcome::Sent | Outcome::Delivered, Some(chosen), _) => Way::Route(chosen),
        (Outcome::Refused { .. }, Some(chosen), _) if drops(chosen.route.kind) => Way::Route(chosen),
        (Outcome::Refused { .. }, None, Some(rule)) => Way::Refused { rule: Box::new(rule) },
        (Outcome::Refused { why, .. }, route @ Some(_), _) => Way::Rejected { why, route },
        (Outcome::Refused { errno, why, .. }, None, None) if errno != fib::NO_ROUTE => {
            Way::Rejected { why, route: None }
        }
        _ => Way::None,
    }
}

fn drops(kind: RouteKind) -> bool {
    matches!(kind, RouteKind::Blackhole | RouteKind::Unreachable | RouteKind::Prohibit)
}

fn chosen_of(
    node: &dyn NodeView,
    netns: NetnsId,
    rule: &Rule,
    route: &Route,
    found: &fib::Lookup,
    gathered: &mut Gathered,
) -> Chosen {
    let links = node.links(netns);
    let links = gathered.take(&links);
    let of_hop = |ifindex| links.iter().find(|link| Some(link.ifindex) == ifindex).map(LinkRef::of);
    Chosen {
        rule: rule.clone(),
        route: route.clone(),
        links: route.nexthops.iter().filter_map(|hop| of_hop(hop.ifindex)).collect(),
        leaves_by: found.usable().filter_map(|way| way.ifindex).collect(),
    }
}
