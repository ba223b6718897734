//! Tables of cases, each named in words. The kernel itself is the oracle of `tests/fib`; these hold
//! what it cannot be made to show here, and the reasons that losers get.
//!
//! May import model and the module it tests.

mod choices;
mod rules;
mod sources;
mod witness;
mod world;

use crate::analyze::answer::Gathered;
use crate::analyze::fib::{Candidate, Lookup, Outcome, Source, lookup};
use crate::model::route::RouteKind;

use world::{NETNS, World, query};

fn look(world: World, line: &str) -> (Lookup, Gathered) {
    let mut gathered = Gathered::default();
    let found = lookup(&world.node(), NETNS, &query(line), &mut gathered);
    (found, gathered)
}

/// `rule 100 table 100 10.0.0.0/8 dev eth0 via 10.0.0.1 src 10.0.0.2`, `refused EACCES`, `unknown`.
fn words(found: &Lookup) -> String {
    let rule = found.rule.as_ref().map_or_else(|| "no rule".to_owned(), |rule| format!("rule {}", rule.priority));
    match &found.outcome {
        Outcome::Refused { name, .. } => return format!("{rule} refused {name}"),
        Outcome::Unknown { .. } => return "unknown".to_owned(),
        Outcome::Sent | Outcome::Delivered => {}
    }
    let mut words = vec![rule];
    if let Some(route) = &found.route {
        words.push(format!("table {} {}", route.table, route.dst));
    }
    if found.outcome == Outcome::Delivered {
        words.push("delivered".to_owned());
    } else if found.kind != Some(RouteKind::Unicast) {
        words.push(format!("{:?}", found.kind.unwrap()).to_lowercase());
    }
    for way in found.usable() {
        let link = way.link.as_ref().map(ToString::to_string).unwrap_or_default();
        words.push(format!("dev {link}"));
        words.extend(way.gateway.map(|gateway| format!("via {gateway}")));
        match &way.source {
            Source::Chosen { address, .. } => words.push(format!("src {address}")),
            Source::OneOf { addresses, .. } => words.push(format!("src one of {addresses:?}")),
            Source::Given { .. } | Source::None { .. } | Source::Unknown { .. } => {}
        }
    }
    words.join(" ")
}

/// `10.0.0.0/8 metric 5: HigherMetric`, `rule 10: Selector`.
fn losers(found: &Lookup) -> Vec<String> {
    let line = |miss: &super::NearMiss| {
        let candidate = match &miss.candidate {
            Candidate::Rule(rule) => format!("rule {}", rule.priority),
            Candidate::Route(route) => format!("table {} {} metric {}", route.table, route.dst, route.metric),
        };
        format!("{candidate}: {:?}", miss.reason)
    };
    found.near_misses.iter().map(line).collect()
}

/// Checks a table of cases: what is asked, and what comes of it.
fn check(world: impl Fn() -> World, cases: &[(&str, &str, &str)]) {
    for (name, asked, expected) in cases {
        let (found, _) = look(world(), asked);
        assert_eq!(words(&found), *expected, "{name}: {asked}\n{found:#?}");
    }
}
