//! IPv4: how the kernel looks a packet up that is sent, or that comes in.
//!
//! May import model only.

pub(super) mod input;
pub(super) mod output;
pub(super) mod source;
pub(super) mod table;

use crate::model::ids::TableId;
use crate::model::route::{Family, RuleAction};

use super::facts::Facts;
use super::flow::Flow;
use super::found::{Misses, Reason, errno};
use super::rules::{Decision, Pick, Verdict, walk};

/// `fib_lookup`: all rules, or the short cut that the kernel takes as long as nobody touched them.
pub(super) fn decide(facts: &Facts<'_>, flow: &Flow, misses: &mut Misses) -> Decision {
    let in_order = walk(
        facts,
        &flow.with_l3mdev(facts),
        &|table, flow: &Flow, misses: &mut Misses| table::pick(facts, &[table], flow, misses),
        misses,
    );
    if !rules_are_the_first_ones(facts) {
        return in_order;
    }
    let merged = merged(facts, flow);
    if outcome(&merged.verdict) == outcome(&in_order.verdict) {
        return in_order;
    }
    let why = format!(
        "the rules are those of a new namespace. If they were never changed, the kernel searches the tables local and main as one and {}; \
         if they were, {}. The kernel does not tell which",
        words(facts, &merged.verdict),
        words(facts, &in_order.verdict)
    );
    for verdict in [&merged.verdict, &in_order.verdict] {
        if let Verdict::Route { at, .. } = verdict {
            misses.route(&facts.routes()[*at], Reason::Later, "one of the two that may win");
        }
    }
    Decision { rule: None, table: None, verdict: Verdict::Unknown(why) }
}

fn outcome(verdict: &Verdict) -> (Option<usize>, Option<i32>) {
    match verdict {
        Verdict::Route { at, .. } => (Some(*at), None),
        Verdict::Refused { errno, .. } => (None, Some(*errno)),
        Verdict::Unknown(_) => (None, None),
    }
}

fn words(facts: &Facts<'_>, verdict: &Verdict) -> String {
    match verdict {
        Verdict::Route { at, .. } => {
            let route = &facts.routes()[*at];
            format!("the route {} of table {} wins", route.dst, route.table)
        }
        Verdict::Refused { errno, .. } => format!("it refuses with {}", errno::name(*errno)),
        Verdict::Unknown(why) => why.clone(),
    }
}

/// Whether the IPv4 rules are the three of a new namespace.
fn rules_are_the_first_ones(facts: &Facts<'_>) -> bool {
    let first = [(0, TableId::LOCAL), (32766, TableId::MAIN), (32767, TableId::DEFAULT)];
    let rules: Vec<_> = facts.rules().iter().filter(|rule| rule.family == Family::Ipv4).collect();
    rules.len() == first.len()
        && rules.iter().zip(first).all(|(rule, (priority, table))| {
            rule.priority == priority
                && rule.action == RuleAction::Lookup { table }
                && !rule.invert
                && !rule.l3mdev
                && rule.unknown.is_empty()
                && rule.suppress_prefix_length.is_none()
                && rule.suppress_interface_group.is_none()
                && rule.protocol.is_none()
                && (rule.src.is_none() && rule.dst.is_none() && rule.iif.is_none() && rule.oif.is_none())
                && (rule.mark.is_none() && rule.tos.is_none() && rule.uids.is_none() && rule.tunnel_id.is_none())
                && (rule.source_ports.is_none() && rule.destination_ports.is_none())
        })
}

/// The kernel's short cut in `fib_lookup`: local and main are one trie until a rule is added.
fn merged(facts: &Facts<'_>, flow: &Flow) -> Decision {
    let mut unseen = Misses::default();
    let mut last = errno::ENETUNREACH;
    for tables in [&[TableId::LOCAL, TableId::MAIN][..], &[TableId::DEFAULT][..]] {
        let exists = facts.routes().iter().any(|route| route.family == Family::Ipv4 && tables.contains(&route.table));
        if !exists {
            continue;
        }
        match table::pick(facts, tables, flow, &mut unseen) {
            Pick::Route { at, hop } => {
                return Decision {
                    rule: None,
                    table: Some(facts.routes()[at].table),
                    verdict: Verdict::Route { at, hop },
                };
            }
            Pick::Refused { errno, .. } => last = errno,
            Pick::Throw | Pick::Nothing => last = errno::ENETUNREACH,
        }
    }
    Decision {
        rule: None,
        table: None,
        verdict: Verdict::Refused { at: None, errno: last, why: "no route fits".to_owned() },
    }
}
