//! nf_tables rules, chains and sets as `nft -nn -a list` (1.0.6) writes them.
//!
//! A register machine: each expression fills a register or is a statement about what one holds. What
//! has no form of nft's own is written in brackets, as the kernel has it, and the text says that it
//! is not nft's. May import model only.

mod action;
mod elements;
mod left;
mod nat;
mod protocols;
mod raw;
mod relation;
mod set;
mod term;
#[cfg(test)]
mod tests;
mod typeof_of;
mod value;
mod writer;

use std::fmt::Write as _;

use crate::model::ids::NetnsId;
use crate::model::issue::Section;
use crate::model::netfilter::chain::{Chain, ChainKind, Policy};
use crate::model::netfilter::rule::{Body, Rule};
use crate::model::netfilter::set::{Element, Set};
use crate::model::netfilter::table::{Family, TableRef};
use crate::model::netfilter::view::NetfilterView;
use crate::model::netfilter::words::packet::{Field, Header};
use crate::model::netfilter::words::{key, option};
use crate::model::snapshot::TableSections;
use crate::model::text::{ByteText, Bytes};

/// Words about a rule, a chain or a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// The words, without indentation, handle and line end where it is a rule.
    pub text: String,
    /// Whether they are nft's own. Where not, brackets hold what podnet could not write as nft
    /// would, or elements stand in an order that only the kernel knows. What is said is true all the same.
    pub exact: bool,
}

/// A link's name, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkName {
    /// It is called so.
    Is(ByteText),
    /// There is no link with this index: nft writes the index.
    Gone,
    /// Nobody here knows.
    Unknown,
}

/// What the rules of a table refer to.
pub trait Contents {
    /// A set or map of the table, anonymous ones included.
    fn set(&self, name: &ByteText) -> Option<Set>;

    /// Its elements, by key; with an issue where they could not be read.
    fn elements(&self, name: &ByteText) -> Section<Vec<Element>>;

    /// The name of the link with an index.
    fn link_name(&self, _index: u32) -> LinkName {
        LinkName::Unknown
    }
}

impl dyn Contents + '_ {
    /// How a link is written between quotes; `None` where its name is not known.
    fn link(&self, index: u32) -> Option<String> {
        match self.link_name(index) {
            LinkName::Is(name) => Some(format!("\"{name}\"")),
            LinkName::Gone => Some(index.to_string()),
            LinkName::Unknown => None,
        }
    }
}

/// What a node's table has, read as it is asked for.
pub struct InTable<'a> {
    /// The node.
    pub node: &'a dyn NetfilterView,
    /// The namespace.
    pub netns: NetnsId,
    /// The table.
    pub table: &'a TableRef,
}

impl Contents for InTable<'_> {
    fn set(&self, name: &ByteText) -> Option<Set> {
        self.node.set(self.netns, &self.table.set(name.clone())).value.clone()
    }

    fn elements(&self, name: &ByteText) -> Section<Vec<Element>> {
        self.node.elements(self.netns, &self.table.set(name.clone()))
    }
}

impl Contents for TableSections {
    fn set(&self, name: &ByteText) -> Option<Set> {
        self.sets.value.iter().find(|set| set.id.name == *name).cloned()
    }

    fn elements(&self, name: &ByteText) -> Section<Vec<Element>> {
        self.elements
            .iter()
            .find(|held| held.set == *name)
            .map(|held| Section::clone(&held.elements))
            .unwrap_or_default()
    }
}

/// A rule: its statements, then its comment. An xtables rule is not nft's to write.
pub fn rule(rule: &Rule, family: Family, contents: &dyn Contents) -> Text {
    let (mut text, exact) = match &rule.body {
        Body::Nft(exprs) => writer::Writer::new(family, contents).walk(exprs),
        Body::Xt(_) => ("[ xtables ]".to_owned(), false),
    };
    if let Some(comment) = &rule.comment {
        let gap = if text.is_empty() { "" } else { " " };
        let _ = write!(text, "{gap}comment \"{comment}\"");
    }
    Text { text, exact }
}

/// A rule as it stands in a listing: two tabs before it, its handle behind it, a line end.
pub fn rule_line(found: &Rule, family: Family, contents: &dyn Contents) -> Text {
    let Text { text, exact } = rule(found, family, contents);
    let handle = found.handle.map(|handle| format!(" # handle {handle}")).unwrap_or_default();
    Text { text: format!("\t\t{text}{handle}\n"), exact }
}

/// A chain up to its first rule: its name, comment, and where it is hooked in.
pub fn chain_head(chain: &Chain) -> Text {
    let mut text = format!("\tchain {} {{", chain.id.name);
    if let Some(handle) = chain.handle {
        let _ = write!(text, " # handle {handle}");
    }
    text.push('\n');
    if let Some(comment) = &chain.comment {
        let _ = writeln!(text, "\t\tcomment \"{comment}\"");
    }
    if let Some(base) = &chain.base {
        let kind = match &base.kind {
            ChainKind::Filter => "filter".to_owned(),
            ChainKind::Nat => "nat".to_owned(),
            ChainKind::Route => "route".to_owned(),
            ChainKind::Other(name) => name.to_string(),
        };
        let _ = write!(text, "\t\ttype {kind} hook {}", base.hook);
        match base.devices.as_slice() {
            [] => {}
            [device] => {
                let _ = write!(text, " device \"{device}\"");
            }
            devices => {
                let names: Vec<String> = devices.iter().map(ToString::to_string).collect();
                let _ = write!(text, " devices = {{ {} }}", names.join(", "));
            }
        }
        let policy = match base.policy {
            Policy::Accept => "accept",
            Policy::Drop => "drop",
        };
        let _ = writeln!(text, " priority {}; policy {policy};", base.priority);
    }
    Text { text, exact: true }
}

/// A set or map with its elements, as it stands in its table.
pub fn set(found: &Set, elements: &[Element], contents: &dyn Contents) -> Text {
    set::set(found, elements, contents)
}

/// One element of a set. Of an interval this is where it begins.
pub fn element(found: &Set, element: &Element, contents: &dyn Contents) -> Text {
    match set::element(found, element, contents) {
        Some(text) => Text { text, exact: !(found.is(Set::INTERVAL) && element.key_end.is_none()) },
        None => Text { text: format!("[ 0x{} ]", crate::model::text::hex(&element.key.0)), exact: false },
    }
}
