//! The rules and tables of a namespace, or which route one packet takes and why the others lose.
//!
//! May import model only.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::model::ids::{NetnsId, TableId};
use crate::model::issue::{Issue, Why};
use crate::model::link::Link;
use crate::model::route::{Family, Route, RouteQuery, Rule, RuleAction};
use crate::model::text::ByteText;
use crate::model::view::NodeView;

use super::answer::{Answer, Gathered};
use super::fib::{Lookup, Outcome, lookup};
use super::naming::LinkRef;

/// The namespace that is asked about.
pub struct Subject<'a> {
    /// Its node.
    pub node: &'a dyn NodeView,
    /// Which.
    pub netns: NetnsId,
    /// How the answer names it: `default/nginx`, `host`.
    pub title: String,
}

impl Subject<'_> {
    /// The link of that name in the namespace, for `iif` and `oif` of a query.
    pub fn link(&self, name: &ByteText) -> Option<Link> {
        self.node.links(self.netns).value.iter().find(|link| link.name.is_called(name)).cloned()
    }
}

/// What `podnet routes` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Routes {
    /// The pod, or `host`.
    pub subject: String,
    /// Its namespace.
    pub netns: NetnsId,
    /// The links that rules and routes speak of, by ifindex.
    pub links: Vec<LinkRef>,
    /// Without a destination: all rules and tables.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listing: Option<Listing>,
    /// With one: what becomes of such a packet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lookup: Option<Lookup>,
}

/// All rules and tables.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Listing {
    /// The rules, IPv4 first, in the order in which they are asked.
    pub rules: Vec<Rule>,
    /// The tables that hold routes: by family, then in the order in which rules lead to them, those
    /// that no rule leads to last.
    pub tables: Vec<Table>,
}

/// One table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Table {
    /// Of which family.
    pub family: Family,
    /// Its number.
    pub table: TableId,
    /// The priorities of the rules that lead to it.
    pub rules: Vec<u32>,
    /// Its routes: longest prefix first, then as the kernel lists them.
    pub routes: Vec<Route>,
}

/// Answers `podnet routes`; with a query, for that packet alone.
pub fn routes(subject: &Subject<'_>, query: Option<&RouteQuery>) -> Answer<Routes> {
    let mut gathered = Gathered::default();
    let links = subject.node.links(subject.netns);
    let links = gathered.take(&links).iter().map(LinkRef::of).collect();
    let mut answer =
        Routes { subject: subject.title.clone(), netns: subject.netns, links, listing: None, lookup: None };
    if let Some(query) = query {
        let found = lookup(subject.node, subject.netns, query, &mut gathered);
        gathered.bad |= matches!(found.outcome, Outcome::Refused { .. });
        answer.lookup = Some(found);
    } else {
        answer.listing = Some(listing(subject, &mut gathered));
    }
    Answer::new(&[subject.node], answer, gathered)
}

fn listing(subject: &Subject<'_>, gathered: &mut Gathered) -> Listing {
    let rules = subject.node.rules(subject.netns);
    let rules: Vec<Rule> = gathered.take(&rules).clone();
    let routes = subject.node.routes(subject.netns);
    let mut by_table: BTreeMap<(Family, TableId), Vec<Route>> = BTreeMap::new();
    for route in gathered.take(&routes) {
        by_table.entry((route.family, route.table)).or_default().push(route.clone());
    }
    for rule in &rules {
        for attr in &rule.unknown {
            let detail = format!("selector {} of rule {}", attr.kind, rule.priority);
            gathered.issue(Issue::note("reading rules", Why::Unsupported { detail }));
        }
    }
    let mut tables: Vec<Table> = by_table
        .into_iter()
        .map(|((family, table), mut routes)| {
            routes.sort_by_key(|route| std::cmp::Reverse(route.dst.prefix_len()));
            Table { family, table, rules: leading_to(&rules, family, table), routes }
        })
        .collect();
    tables.sort_by_key(|table| (table.family, table.rules.first().copied().unwrap_or(u32::MAX), table.table));
    Listing { rules, tables }
}

fn leading_to(rules: &[Rule], family: Family, table: TableId) -> Vec<u32> {
    let leads = |rule: &&Rule| rule.family == family && rule.action == RuleAction::Lookup { table };
    rules.iter().filter(leads).map(|rule| rule.priority).collect()
}
