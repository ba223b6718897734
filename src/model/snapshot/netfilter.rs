//! Rules in a snapshot: all tables of a namespace, their chains with rules, their sets with elements.
//!
//! Must not import anything from the crate but its sibling model types.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Snapshot, drop_hints, not_recorded};
use crate::model::ids::NetnsId;
use crate::model::issue::{Issue, Read, Section};
use crate::model::netfilter::chain::{Chain, ChainRef, Hook, Rules};
use crate::model::netfilter::hook::HookEntry;
use crate::model::netfilter::ipset::{IpSet, IpSetMember};
use crate::model::netfilter::object::Object;
use crate::model::netfilter::recent::RecentList;
use crate::model::netfilter::rule::Rule;
use crate::model::netfilter::set::{Element, Set, SetRef};
use crate::model::netfilter::table::{Family, Table, TableRef};
use crate::model::netfilter::view::NetfilterView;
use crate::model::netfilter::xt::matches::Match;
use crate::model::text::{ByteText, Bytes};

/// How many sets are read at a time.
const TOGETHER: usize = 256;

/// The rules of one namespace.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct NetfilterSections {
    /// Its tables.
    pub tables: Section<Vec<Table>>,
    /// What each table holds, in the same order.
    pub contents: Vec<TableSections>,
    /// Its base chains, of all tables.
    pub base_chains: Section<Vec<Chain>>,
    /// Its ipsets.
    pub ipsets: Section<Vec<IpSet>>,
    /// Their members, in the same order.
    pub ipset_members: Vec<IpSetSections>,
    /// The lists of the `recent` match that rules name.
    pub recent: Vec<(ByteText, Section<Option<RecentList>>)>,
    /// What runs at the hooks of its base chains; empty in snapshots of before this was asked.
    #[serde(default)]
    pub hooks: Vec<HookSections>,
    /// See [`NetfilterView::ipvs_services`].
    pub ipvs_services: Section<Option<u32>>,
}

/// What one table holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TableSections {
    /// Which.
    pub table: TableRef,
    /// Its chains with their rules.
    pub chains: Section<Vec<Rules>>,
    /// Its sets and maps.
    pub sets: Section<Vec<Set>>,
    /// Their elements.
    pub elements: Vec<SetSections>,
    /// Its named objects.
    pub objects: Section<Vec<Object>>,
}

/// The elements of one set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SetSections {
    /// The set's name.
    pub set: ByteText,
    /// Its elements.
    pub elements: Section<Vec<Element>>,
}

/// What runs at one hook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HookSections {
    /// The packets' family.
    pub family: Family,
    /// The hook.
    pub hook: Hook,
    /// See [`NetfilterView::hooks`].
    pub entries: Section<Option<Vec<HookEntry>>>,
}

/// The members of one ipset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct IpSetSections {
    /// The set's name.
    pub set: ByteText,
    /// Its members.
    pub members: Section<Option<Vec<IpSetMember>>>,
}

impl NetfilterSections {
    /// Reads all rules of a namespace.
    pub fn take(node: &dyn NetfilterView, netns: NetnsId) -> Self {
        let tables = node.tables(netns);
        let contents: Vec<_> = tables.value.iter().map(|table| TableSections::take(node, netns, &table.id)).collect();
        let lists: BTreeSet<ByteText> = contents.iter().flat_map(TableSections::recent_lists).collect();
        let ipsets = node.ipsets(netns);
        let base_chains = node.base_chains(netns);
        Self {
            hooks: hooks_of(&base_chains.value)
                .into_iter()
                .map(|(family, hook)| HookSections { family, hook, entries: node.hooks(netns, family, hook) })
                .collect(),
            base_chains,
            ipset_members: ipsets
                .value
                .iter()
                .map(|set| IpSetSections { set: set.name.clone(), members: node.ipset_members(netns, &set.name) })
                .collect(),
            recent: lists
                .into_iter()
                .map(|list| {
                    let entries = node.recent(netns, &list);
                    (list, entries)
                })
                .collect(),
            ipvs_services: node.ipvs_services(netns),
            tables,
            contents,
            ipsets,
        }
    }

    /// The issues of all sections, in no order.
    pub(super) fn issues(&self) -> impl Iterator<Item = &Issue> {
        let contents = self.contents.iter().flat_map(|table| {
            let elements = table.elements.iter().flat_map(|set| &set.elements.issues);
            table.chains.issues.iter().chain(&table.sets.issues).chain(&table.objects.issues).chain(elements)
        });
        let own = [&self.tables.issues, &self.base_chains.issues, &self.ipsets.issues, &self.ipvs_services.issues];
        let members = self.ipset_members.iter().flat_map(|set| &set.members.issues);
        let recent = self.recent.iter().flat_map(|(_, list)| &list.issues);
        let hooks = self.hooks.iter().flat_map(|hook| &hook.entries.issues);
        own.into_iter().flatten().chain(contents).chain(members).chain(recent).chain(hooks)
    }

    /// Drops the hints of all sections.
    pub(super) fn drop_hints(&mut self) {
        drop_hints(&mut self.tables);
        drop_hints(&mut self.base_chains);
        drop_hints(&mut self.ipsets);
        drop_hints(&mut self.ipvs_services);
        for table in &mut self.contents {
            drop_hints(&mut table.chains);
            drop_hints(&mut table.sets);
            drop_hints(&mut table.objects);
            table.elements.iter_mut().for_each(|set| drop_hints(&mut set.elements));
        }
        self.ipset_members.iter_mut().for_each(|set| drop_hints(&mut set.members));
        self.recent.iter_mut().for_each(|(_, list)| drop_hints(list));
        self.hooks.iter_mut().for_each(|hook| drop_hints(&mut hook.entries));
    }

    fn table(&self, table: &TableRef) -> Option<&TableSections> {
        self.contents.iter().find(|contents| contents.table == *table)
    }

    fn set(&self, set: &SetRef) -> Option<&SetSections> {
        self.table(&set.table)?.elements.iter().find(|found| found.set == set.name)
    }
}

/// The hooks that these chains stand at, by the families whose packets pass them: inet's are those of ip and ip6.
fn hooks_of(chains: &[Chain]) -> BTreeSet<(Family, Hook)> {
    let mut hooks = BTreeSet::new();
    for chain in chains {
        let Some(base) = &chain.base else { continue };
        let families: &[Family] = match &chain.id.table.family {
            Family::Inet => &[Family::Ip, Family::Ip6],
            one => std::slice::from_ref(one),
        };
        hooks.extend(families.iter().map(|family| (*family, base.hook)));
    }
    hooks
}

impl TableSections {
    fn take(node: &dyn NetfilterView, netns: NetnsId, table: &TableRef) -> Self {
        let sets = node.sets(netns, table);
        Self {
            table: table.clone(),
            chains: node.rules_of(netns, table),
            elements: SetSections::take(node, netns, table, &sets.value),
            sets,
            objects: node.objects(netns, table),
        }
    }

    pub(super) fn recent_lists(&self) -> impl Iterator<Item = ByteText> {
        let rules = self.chains.value.iter().flat_map(|chain| &chain.rules);
        let matches = rules.filter_map(Rule::xt).flat_map(|rule| &rule.matches);
        matches.filter_map(|found| match &found.is {
            Match::Recent(recent) => Some(recent.value.name.clone()),
            _ => None,
        })
    }
}

impl SetSections {
    /// Reads the elements of all sets of a table. Those without a name, of which a table of 10,000 services has as
    /// many, never change: they are read together. What does change is read as every answer reads it: once.
    fn take(node: &dyn NetfilterView, netns: NetnsId, table: &TableRef, sets: &[Set]) -> Vec<Self> {
        let is_fixed = |set: &&Set| set.is(Set::ANONYMOUS) && set.is(Set::CONSTANT);
        let nameless: Vec<ByteText> = sets.iter().filter(is_fixed).map(|set| set.id.name.clone()).collect();
        let mut together = BTreeMap::new();
        for names in nameless.chunks(TOGETHER) {
            let read = node.elements_in(netns, table, names);
            // Of which of them an issue tells is not known: those are read again, one by one.
            if read.issues.is_empty() && read.value.len() == names.len() {
                together.extend(names.iter().zip(&read.value).map(|(name, elements)| (name, elements.clone())));
            }
        }
        let elements = |set: &Set| match together.remove(&set.id.name) {
            Some(elements) => Read::ok(elements).section(),
            None => node.elements(netns, &set.id),
        };
        let names = sets.iter().map(|set| set.id.name.clone());
        names.zip(sets.iter().map(elements)).map(|(set, elements)| Self { set, elements }).collect()
    }
}

impl Snapshot {
    fn of<T: Default>(
        &self,
        netns: NetnsId,
        what: &str,
        pick: impl FnOnce(&NetfilterSections) -> Section<T>,
    ) -> Section<T> {
        match self.netns(netns).and_then(|sections| sections.netfilter.as_ref()) {
            Some(found) => pick(found),
            None => not_recorded(&format!("{what} of {netns}")),
        }
    }
}

/// A part of a section, which bears the section's issues.
fn part<T, U>(section: &Section<T>, value: U) -> Section<U> {
    Read { value, issues: section.issues.clone() }.section()
}

impl NetfilterView for Snapshot {
    fn tables(&self, netns: NetnsId) -> Section<Vec<Table>> {
        self.of(netns, "tables", |found| Arc::clone(&found.tables))
    }

    fn base_chains(&self, netns: NetnsId) -> Section<Vec<Chain>> {
        self.of(netns, "base chains", |found| Arc::clone(&found.base_chains))
    }

    fn chains(&self, netns: NetnsId, table: &TableRef) -> Section<Vec<Chain>> {
        self.of(netns, "chains", |found| match found.table(table) {
            Some(held) => part(&held.chains, held.chains.value.iter().map(|rules| rules.chain.clone()).collect()),
            None => part(&found.tables, Vec::new()),
        })
    }

    fn chain(&self, netns: NetnsId, chain: &ChainRef) -> Section<Option<Rules>> {
        self.of(netns, "rules", |found| match found.table(&chain.table) {
            Some(held) => {
                part(&held.chains, held.chains.value.iter().find(|rules| rules.chain.id.name == chain.name).cloned())
            }
            None => part(&found.tables, None),
        })
    }

    fn rules_of(&self, netns: NetnsId, table: &TableRef) -> Section<Vec<Rules>> {
        self.of(netns, "rules", |found| match found.table(table) {
            Some(held) => Arc::clone(&held.chains),
            None => part(&found.tables, Vec::new()),
        })
    }

    fn sets(&self, netns: NetnsId, table: &TableRef) -> Section<Vec<Set>> {
        self.of(netns, "sets", |found| match found.table(table) {
            Some(held) => Arc::clone(&held.sets),
            None => part(&found.tables, Vec::new()),
        })
    }

    fn elements(&self, netns: NetnsId, set: &SetRef) -> Section<Vec<Element>> {
        self.of(netns, "set elements", |found| match found.set(set) {
            Some(held) => Arc::clone(&held.elements),
            None => part(&found.tables, Vec::new()),
        })
    }

    fn element(&self, netns: NetnsId, set: &SetRef, key: &Bytes) -> Section<Option<Element>> {
        self.of(netns, "set elements", |found| {
            let kind = found.table(&set.table).and_then(|held| held.sets.value.iter().find(|known| known.id == *set));
            match (found.set(set), kind) {
                (Some(held), Some(kind)) => part(&held.elements, kind.find(&held.elements.value, key).cloned()),
                _ => part(&found.tables, None),
            }
        })
    }

    fn objects(&self, netns: NetnsId, table: &TableRef) -> Section<Vec<Object>> {
        self.of(netns, "objects", |found| match found.table(table) {
            Some(held) => Arc::clone(&held.objects),
            None => part(&found.tables, Vec::new()),
        })
    }

    fn ipsets(&self, netns: NetnsId) -> Section<Vec<IpSet>> {
        self.of(netns, "ipsets", |found| Arc::clone(&found.ipsets))
    }

    fn ipset_members(&self, netns: NetnsId, set: &ByteText) -> Section<Option<Vec<IpSetMember>>> {
        self.of(netns, "ipset members", |found| match found.ipset_members.iter().find(|held| held.set == *set) {
            Some(held) => Arc::clone(&held.members),
            None => part(&found.ipsets, None),
        })
    }

    fn ipset_has(&self, netns: NetnsId, set: &ByteText, member: &str) -> Section<Option<bool>> {
        let members = self.ipset_members(netns, set);
        // An entry that stands there in the same words is in it; whether another one covers it only the kernel could tell.
        let there =
            |held: &Vec<IpSetMember>| held.iter().find(|found| found.entry == member).map(|found| !found.nomatch);
        part(&members, members.value.as_ref().and_then(there))
    }

    fn recent(&self, netns: NetnsId, list: &ByteText) -> Section<Option<RecentList>> {
        self.of(netns, "recent lists", |found| match found.recent.iter().find(|(name, _)| name == list) {
            Some((_, held)) => Arc::clone(held),
            None => Read::ok(None).section(),
        })
    }

    fn hooks(&self, netns: NetnsId, family: Family, hook: Hook) -> Section<Option<Vec<HookEntry>>> {
        let held = |found: &&HookSections| (found.family, found.hook) == (family, hook);
        self.of(netns, "what runs at hooks", |found| match found.hooks.iter().find(held) {
            Some(held) => Arc::clone(&held.entries),
            None => Read::ok(None).section(),
        })
    }

    fn ipvs_services(&self, netns: NetnsId) -> Section<Option<u32>> {
        self.of(netns, "IPVS services", |found| Arc::clone(&found.ipvs_services))
    }
}
