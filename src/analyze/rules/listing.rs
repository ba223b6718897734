//! A table or a chain with its rules, line by line.
//!
//! May import model and its siblings only.

use schemars::JsonSchema;
use serde::Serialize;

use crate::analyze::answer::Gathered;
use crate::analyze::netfilter::text::{InTable, counters};
use crate::analyze::notation::{nft, save};
use crate::model::netfilter::chain::{Base, Rules};
use crate::model::netfilter::rule::{Body, Rule};
use crate::model::netfilter::set::{Element, Set};
use crate::model::netfilter::table::{BackEnd, Counters, Family, TableRef, XTABLES};
use crate::model::text::ByteText;
use crate::model::view::NodeView;

/// A table, or one chain of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct TableListing {
    /// Its node; only where several were asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Which.
    pub table: TableRef,
    /// In whose words.
    pub notation: Notation,
    /// Its sets with their elements; empty where one chain was asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sets: Vec<SetListing>,
    /// Its chains: base chains first in iptables' words, else by name.
    pub chains: Vec<ChainListing>,
}

/// Whose words rules are in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Notation {
    /// `iptables-save -c`
    IptablesSave,
    /// `nft -nn -a list`
    Nft,
}

/// A set with its elements.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SetListing {
    /// Its name.
    pub name: ByteText,
    /// As `nft` writes it, with line ends.
    pub text: String,
}

/// A chain with its rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ChainListing {
    /// Its name.
    pub name: ByteText,
    /// Its handle; legacy chains have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handle: Option<u64>,
    /// Where it is hooked in; `None` for a chain that is only jumped to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<Base>,
    /// What fell off its end, where it counts that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counters: Option<Counters>,
    /// Its own line or lines.
    pub text: String,
    /// Its rules, in their order.
    pub rules: Vec<RuleListing>,
}

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RuleListing {
    /// Its place in its chain, from 1.
    pub number: u32,
    /// Its handle; legacy rules have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handle: Option<u64>,
    /// What it counted; `None` where it counts nothing.
    pub counters: Option<Counters>,
    /// Its comment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<ByteText>,
    /// The rule: with counters in `iptables-save`'s words, without handle and indentation in nft's.
    pub text: String,
}

/// Lists a table, or of it one chain; `None` where it has no such chain.
pub(super) fn of(
    node: &dyn NodeView,
    label: Option<&String>,
    table: &TableRef,
    chain: Option<&ByteText>,
    gathered: &mut Gathered,
) -> Option<TableListing> {
    let host = node.node().host_netns;
    let view = node.netfilter();
    let notation = notation(table);
    let mut sets = Vec::new();
    let chains = if let Some(name) = chain {
        let section = view.chain(host, &table.chain(name.clone()));
        vec![one(node, gathered.take(&section).as_ref()?, notation)]
    } else {
        if notation == Notation::Nft {
            sets = listed_sets(node, table, gathered);
        }
        let section = view.rules_of(host, table);
        let mut all: Vec<&Rules> = gathered.take(&section).iter().collect();
        if notation == Notation::IptablesSave {
            all.sort_by_key(|rules| {
                let base = rules.chain.base.as_ref();
                (base.is_none(), base.map(|base| (base.hook, base.priority)))
            });
        }
        all.into_iter().map(|rules| one(node, rules, notation)).collect()
    };
    Some(TableListing { node: label.cloned(), table: table.clone(), notation, sets, chains })
}

/// iptables writes five tables of two families, and all legacy ones.
pub(super) fn notation(table: &TableRef) -> Notation {
    let of_iptables = table.back_end == BackEnd::Legacy
        || (matches!(table.family, Family::Ip | Family::Ip6) && XTABLES.iter().any(|name| table.name == **name));
    if of_iptables { Notation::IptablesSave } else { Notation::Nft }
}

fn listed_sets(node: &dyn NodeView, table: &TableRef, gathered: &mut Gathered) -> Vec<SetListing> {
    let host = node.node().host_netns;
    let contents = InTable { node, netns: host, table };
    let section = node.netfilter().sets(host, table);
    let named = gathered.take(&section).iter().filter(|set| !set.is(Set::ANONYMOUS)).collect::<Vec<_>>();
    named
        .into_iter()
        .map(|set| {
            let elements = node.netfilter().elements(host, &set.id);
            let elements: &Vec<Element> = gathered.take(&elements);
            SetListing { name: set.id.name.clone(), text: nft::set(set, elements, &contents).text }
        })
        .collect()
}

pub(super) fn one(node: &dyn NodeView, held: &Rules, notation: Notation) -> ChainListing {
    let chain = &held.chain;
    let text = match notation {
        Notation::IptablesSave => save::declaration(chain),
        Notation::Nft => nft::chain_head(chain).text,
    };
    ChainListing {
        name: chain.id.name.clone(),
        handle: chain.handle,
        base: chain.base.clone(),
        counters: chain.counters,
        text,
        rules: held.rules.iter().map(|rule| listed(node, held, rule, notation)).collect(),
    }
}

fn listed(node: &dyn NodeView, held: &Rules, rule: &Rule, notation: Notation) -> RuleListing {
    let table = &held.chain.id.table;
    let contents = InTable { node, netns: node.node().host_netns, table };
    let text = match (&rule.body, notation) {
        (Body::Xt(xt), _) => save::line(&held.chain.id.name, xt, table.family),
        (Body::Nft(_), Notation::Nft) => nft::rule(rule, table.family, &contents).text,
        // iptables leaves such a rule out; podnet does not.
        (Body::Nft(_), Notation::IptablesSave) => {
            format!("# {}: not iptables': {}", held.chain.id.name, nft::rule(rule, table.family, &contents).text)
        }
    };
    RuleListing {
        number: rule.number,
        handle: rule.handle,
        counters: counters(rule),
        comment: rule.comment().cloned(),
        text,
    }
}
