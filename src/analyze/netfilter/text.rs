//! A rule in its own tool's words.
//!
//! May import model and its siblings only.

use schemars::JsonSchema;
use serde::Serialize;

use super::walk::Place;
use crate::analyze::notation::nft::Contents;
use crate::analyze::notation::{nft, save};
use crate::model::ids::{IfIndex, NetnsId};
use crate::model::issue::Section;
use crate::model::netfilter::chain::ChainRef;
use crate::model::netfilter::expr::Expr;
use crate::model::netfilter::rule::{Body, Rule};
use crate::model::netfilter::set::{Element, Set};
use crate::model::netfilter::table::{Counters, TableRef};
use crate::model::text::ByteText;
use crate::model::view::NodeView;

/// A rule as evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RuleRef {
    /// Its chain.
    pub chain: ChainRef,
    /// Its place in the chain, from 1.
    pub number: u32,
    /// Its handle; legacy rules have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handle: Option<u64>,
    /// What it counted; `None` where it counts nothing.
    pub counters: Option<Counters>,
    /// As `iptables-save` or `nft` writes it, without counters of xtables.
    pub text: String,
}

impl RuleRef {
    /// A rule of the host's namespace.
    pub fn of(node: &dyn NodeView, place: &Place) -> Self {
        let Place { chain, rule } = place;
        Self {
            chain: chain.clone(),
            number: rule.number,
            handle: rule.handle,
            counters: counters(rule),
            text: text(node, chain, rule),
        }
    }
}

/// What a rule counted.
pub fn counters(rule: &Rule) -> Option<Counters> {
    match &rule.body {
        Body::Xt(xt) => xt.counters,
        Body::Nft(exprs) => exprs.iter().find_map(|expr| match expr {
            Expr::Counter(counters) => Some(*counters),
            _ => None,
        }),
    }
}

/// A rule of the host's namespace as `iptables-save` or `nft` writes it.
pub fn text(node: &dyn NodeView, chain: &ChainRef, rule: &Rule) -> String {
    text_within(node, node.node().host_netns, chain, rule)
}

/// The same of any namespace.
pub fn text_within(node: &dyn NodeView, netns: NetnsId, chain: &ChainRef, rule: &Rule) -> String {
    match &rule.body {
        Body::Xt(xt) => format!("-A {} {}", chain.name, save::rule(xt, chain.table.family)).trim_end().to_owned(),
        Body::Nft(_) => {
            let contents = InTable { node, netns, table: &chain.table };
            nft::rule(rule, chain.table.family, &contents).text
        }
    }
}

/// What a rule of a table refers to, read as it is asked for.
pub struct InTable<'t> {
    /// The node.
    pub node: &'t dyn NodeView,
    /// The namespace.
    pub netns: NetnsId,
    /// The table.
    pub table: &'t TableRef,
}

impl Contents for InTable<'_> {
    fn set(&self, name: &ByteText) -> Option<Set> {
        self.node.netfilter().set(self.netns, &self.table.set(name.clone())).value.clone()
    }

    fn elements(&self, name: &ByteText) -> Section<Vec<Element>> {
        self.node.netfilter().elements(self.netns, &self.table.set(name.clone()))
    }

    fn link_name(&self, index: u32) -> nft::LinkName {
        let links = self.node.links(self.netns);
        match links.value.iter().find(|link| link.ifindex == IfIndex(index)) {
            Some(link) => nft::LinkName::Is(link.name.clone()),
            None if links.issues.is_empty() => nft::LinkName::Gone,
            None => nft::LinkName::Unknown,
        }
    }
}
