//! The link by which a packet leaves the node, where its destination alone decides that.
//!
//! May import model and its siblings only.

use std::net::IpAddr;

use crate::analyze::answer::Gathered;
use crate::analyze::fib::{Outcome, lookup};
use crate::model::issue::Level;
use crate::model::keyed::Keyed;
use crate::model::route::{Family, RouteQuery, Rule};
use crate::model::text::ByteText;
use crate::model::view::NodeView;

/// Of how many destinations the link is worked out.
const MOST: usize = 4096;

/// Links by destination, worked out as they are asked for.
pub(super) struct OutLinks<'a> {
    node: &'a dyn NodeView,
    known: Keyed<IpAddr, Option<ByteText>>,
    /// Whether in a family the destination alone decides; what was not asked yet is `None`.
    plain: [Option<bool>; 2],
}

impl<'a> OutLinks<'a> {
    /// Those of a node.
    pub(super) fn new(node: &'a dyn NodeView) -> Self {
        Self { node, known: Keyed::default(), plain: [None; 2] }
    }

    /// The link by which any packet to there leaves; `None` where more than the destination decides, or it stays.
    pub(super) fn of(&mut self, to: IpAddr) -> Option<ByteText> {
        if let Some(known) = self.known.get(&to) {
            return known.clone();
        }
        if self.known.len() >= MOST || !self.is_plain(Family::of(to)) {
            return None;
        }
        let host = self.node.node().host_netns;
        let mut gathered = Gathered::default();
        let found = lookup(self.node, host, &RouteQuery::to(to), &mut gathered);
        let sure =
            found.outcome == Outcome::Sent && !gathered.issues.iter().any(|issue| issue.level == Level::Incomplete);
        let link = found.way().filter(|_| sure).and_then(|way| way.link.clone());
        self.known.insert(to, link.clone());
        link
    }

    /// Whether every rule is asked of every packet, and no route asks more than a destination.
    fn is_plain(&mut self, family: Family) -> bool {
        let place = usize::from(family == Family::Ipv6);
        if let Some(known) = self.plain[place] {
            return known;
        }
        let host = self.node.node().host_netns;
        let (rules, routes) = (self.node.rules(host), self.node.routes(host));
        let is_plain = rules.issues.is_empty()
            && routes.issues.is_empty()
            && rules.value.iter().filter(|rule| rule.family == family).all(asks_nothing)
            && routes.value.iter().filter(|route| route.family == family).all(|one| one.tos == 0 && one.src.is_none());
        self.plain[place] = Some(is_plain);
        is_plain
    }
}

/// Whether a rule is one that every packet matches.
fn asks_nothing(rule: &Rule) -> bool {
    let plain = Rule::new(rule.family, rule.priority, rule.action);
    Rule { origin: plain.origin.clone(), ..rule.clone() } == plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::TableId;
    use crate::model::route::RuleAction;

    #[test]
    fn the_kernels_own_rules_ask_nothing() {
        let main = Rule::new(Family::Ipv4, 32_766, RuleAction::Lookup { table: TableId(254) });
        assert!(asks_nothing(&main));
        assert!(asks_nothing(&Rule { origin: "static".to_owned(), ..main.clone() }));
        assert!(!asks_nothing(&Rule { src: Some("10.0.0.0/8".parse().unwrap()), ..main.clone() }));
        assert!(!asks_nothing(&Rule { invert: true, ..main.clone() }));
        assert!(!asks_nothing(&Rule { l3mdev: true, ..main }));
    }
}
