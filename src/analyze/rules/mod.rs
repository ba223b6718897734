//! `rules [TABLE [CHAIN]]` and `rules --hook H`: rules in their own tools' words, with counters and
//! handles, and the base chains of a hook in the order in which the kernel runs them.
//!
//! Without a table the tables are told, with how many rules they have and who writes their chains; their
//! rules are read some at a time for that, and not kept. May import model and its siblings only.

pub mod hook;
pub mod listing;
pub mod query;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use self::hook::HookListing;
use self::listing::TableListing;
pub use self::query::{RulesError, RulesQuery};
use super::answer::{Answer, Gathered, node_label};
use super::netfilter::owners::{both_back_ends, owner};
use crate::model::issue::Level;
use crate::model::netfilter::chain::{Base, Chain};
use crate::model::netfilter::table::{BackEnd, Table, TableRef};
use crate::model::text::ByteText;
use crate::model::view::NodeView;

/// How many chains' rules are held at a time where they are only counted.
const SOME: usize = 256;

/// Rules, tables or a hook, as was asked.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, JsonSchema)]
pub struct Rules {
    /// The tables, where nothing was named; by node, back end, family and name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<TableSummary>,
    /// The tables or chains that were named, with their rules.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub listings: Vec<TableListing>,
    /// The base chains of the hook that was named, by node and kind of packet.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hooks: Vec<HookListing>,
}

/// A table without its rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct TableSummary {
    /// Its node; only where several were asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Which.
    pub table: TableRef,
    /// Its chains are not hooked in.
    pub dormant: bool,
    /// How many chains it has.
    pub chains: usize,
    /// How many rules these have together.
    pub rules: usize,
    /// Those of them that are hooked in, by name.
    pub base_chains: Vec<BaseSummary>,
    /// How many chains each writer has, as far as their names tell; by name.
    pub owners: BTreeMap<String, usize>,
}

/// A base chain's place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct BaseSummary {
    /// Its name.
    pub name: ByteText,
    /// Where it is hooked in.
    #[serde(flatten)]
    pub base: Base,
}

/// Answers `rules`.
pub fn rules(nodes: &[&dyn NodeView], query: &RulesQuery) -> Result<Answer<Rules>, RulesError> {
    let mut gathered = Gathered::default();
    let mut data = Rules::default();
    let mut known = Vec::new();
    for node in nodes {
        let host = node.node().host_netns;
        let section = node.netfilter().tables(host);
        known.push(gathered.take(&section).clone());
    }
    let wanted = query.choose(&known)?;
    for ((node, tables), wanted) in nodes.iter().zip(&known).zip(wanted) {
        let label = node_label(nodes, *node);
        both_back_ends(*node, &mut gathered);
        if let Some(hook) = query.hook {
            data.hooks.extend(hook::listings(*node, label.as_ref(), hook, query.family, tables, &mut gathered));
            continue;
        }
        if query.table.is_none() {
            let of_family = |table: &&Table| query.family.is_none_or(|family| family == table.id.family);
            let tables = tables.iter().filter(of_family);
            data.tables.extend(tables.map(|table| summary(*node, label.as_ref(), table, &mut gathered)));
            continue;
        }
        for table in wanted {
            data.listings.extend(listing::of(*node, label.as_ref(), &table, query.chain.as_ref(), &mut gathered));
        }
    }
    // What could not be read may be the chain.
    let is_sure = !gathered.issues.iter().any(|issue| issue.level == Level::Incomplete);
    if let (Some(chain), true) = (&query.chain, data.listings.is_empty() && is_sure) {
        return Err(RulesError::NoChain { chain: chain.to_string() });
    }
    Ok(Answer::new(nodes, data, gathered))
}

fn summary(node: &dyn NodeView, label: Option<&String>, table: &Table, gathered: &mut Gathered) -> TableSummary {
    let section = node.netfilter().chains(node.node().host_netns, &table.id);
    let chains: &Vec<Chain> = gathered.take(&section);
    let mut owners: BTreeMap<String, usize> = BTreeMap::new();
    for chain in chains.iter().filter(|chain| chain.base.is_none() || owner(&chain.id).is_some()) {
        *owners.entry(owner(&chain.id).unwrap_or("unknown").to_owned()).or_default() += 1;
    }
    let base = |chain: &Chain| Some(BaseSummary { name: chain.id.name.clone(), base: chain.base.clone()? });
    TableSummary {
        node: label.cloned(),
        table: table.id.clone(),
        dormant: table.dormant,
        chains: chains.len(),
        rules: rules_of(node, &table.id, chains, gathered),
        base_chains: chains.iter().filter_map(base).collect(),
        owners,
    }
}

/// How many rules the chains of a table have.
fn rules_of(node: &dyn NodeView, table: &TableRef, chains: &[Chain], gathered: &mut Gathered) -> usize {
    // A legacy table is read whole each time.
    let at_once = if table.back_end == BackEnd::Legacy { chains.len().max(1) } else { SOME };
    let names: Vec<ByteText> = chains.iter().map(|chain| chain.id.name.clone()).collect();
    let mut count = 0;
    for some in names.chunks(at_once) {
        let read = node.netfilter().rules_from(node.node().host_netns, table, some, |_| false);
        count += gathered.take(&read).iter().map(|(_, rules)| rules.len()).sum::<usize>();
    }
    count
}
