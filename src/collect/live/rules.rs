//! [`NetfilterView`] for the live node: each part is read once.
//!
//! May import model, wire and sys. Judges nothing.

use super::LiveNode;
use super::chains_ahead::ChainsAhead;
use super::memo::Memo;
use crate::collect::kernel::Namespace;
use crate::model::ids::NetnsId;
use crate::model::issue::{Read, Section};
use crate::model::netfilter::chain::{Chain, ChainRef, Hook, Rules};
use crate::model::netfilter::hook::HookEntry;
use crate::model::netfilter::ipset::{IpSet, IpSetMember};
use crate::model::netfilter::object::Object;
use crate::model::netfilter::recent::RecentList;
use crate::model::netfilter::rule::Rule;
use crate::model::netfilter::set::{Element, Set, SetRef};
use crate::model::netfilter::table::{BackEnd, Family, Table, TableRef};
use crate::model::netfilter::view::NetfilterView;
use crate::model::text::{ByteText, Bytes};
use crate::sys::limits;

/// The rules of a longer chain take so much memory that it is given back with them.
const LONG: usize = 1000;

/// How many sets are asked for one by one: for each the kernel goes through all that the table has.
const FEW_SETS: usize = 64;

/// What was read of the node's rules.
#[derive(Debug, Default)]
pub(super) struct RuleMemory {
    tables: Memo<NetnsId, Vec<Table>>,
    base_chains: Memo<NetnsId, Vec<Chain>>,
    chains: Memo<(NetnsId, TableRef), Vec<Chain>>,
    chain: Memo<(NetnsId, ChainRef), Option<Rules>>,
    rules_of: Memo<(NetnsId, TableRef), Vec<Rules>>,
    sets: Memo<(NetnsId, TableRef), Vec<Set>>,
    set: Memo<(NetnsId, SetRef), Option<Set>>,
    elements: Memo<(NetnsId, SetRef), Vec<Element>>,
    element: Memo<(NetnsId, SetRef, Bytes), Option<Element>>,
    objects: Memo<(NetnsId, TableRef), Vec<Object>>,
    ipsets: Memo<NetnsId, Vec<IpSet>>,
    ipset_members: Memo<(NetnsId, ByteText), Option<Vec<IpSetMember>>>,
    ipset_has: Memo<(NetnsId, ByteText, String), Option<bool>>,
    recent: Memo<(NetnsId, ByteText), Option<RecentList>>,
    hooks: Memo<(NetnsId, Family, Hook), Option<Vec<HookEntry>>>,
    ipvs_services: Memo<NetnsId, Option<u32>>,
    ahead: ChainsAhead,
}

/// A part of a section, which bears the section's issues.
fn part<T, U>(section: &Section<T>, value: U) -> Read<U> {
    Read { value, issues: section.issues.clone() }
}

impl NetfilterView for LiveNode {
    fn tables(&self, netns: NetnsId) -> Section<Vec<Table>> {
        self.memory.netfilter.tables.get(netns, || self.within(netns, "tables", Namespace::tables))
    }

    fn base_chains(&self, netns: NetnsId) -> Section<Vec<Chain>> {
        let netfilter = &self.memory.netfilter;
        let read = || {
            let begun = netfilter.ahead.take_base_chains(netns);
            begun.unwrap_or_else(|| self.within(netns, "base chains", Namespace::base_chains))
        };
        netfilter.base_chains.get(netns, read)
    }

    fn expect_base_chains(&self, netns: NetnsId) {
        let netfilter = &self.memory.netfilter;
        if netfilter.base_chains.known(&netns).is_none()
            && let Some(namespace) = self.namespace(netns).value
        {
            netfilter.ahead.begin_base_chains(namespace);
        }
    }

    fn chains(&self, netns: NetnsId, table: &TableRef) -> Section<Vec<Chain>> {
        let key = (netns, table.clone());
        let read = || match self.memory.netfilter.rules_of.known(&key) {
            Some(all) => part(&all, all.value.iter().map(|rules| rules.chain.clone()).collect()),
            None => self.within(netns, "chains", |namespace| namespace.chains(table)),
        };
        self.memory.netfilter.chains.get(key.clone(), read)
    }

    fn chain_names(&self, netns: NetnsId, table: &TableRef) -> Section<Vec<ByteText>> {
        // Of nf_tables the chains are told whole.
        if table.back_end == BackEnd::NfTables {
            let chains = self.chains(netns, table);
            return part(&chains, chains.value.iter().map(|chain| chain.id.name.clone()).collect()).section();
        }
        self.within(netns, "chains", |namespace| namespace.legacy_chain_names(table)).section()
    }

    fn chain(&self, netns: NetnsId, chain: &ChainRef) -> Section<Option<Rules>> {
        let key = (netns, chain.clone());
        // Of a table that was read whole nothing is read again: its counters would have moved meanwhile.
        let read = || {
            let netfilter = &self.memory.netfilter;
            if let Some(all) = netfilter.rules_of.known(&(netns, chain.table.clone())) {
                return part(&all, all.value.iter().find(|rules| rules.chain.id == *chain).cloned());
            }
            let begun = netfilter.ahead.take_chain(netns, chain);
            begun.unwrap_or_else(|| self.within(netns, "a chain", |namespace| namespace.chain(chain)))
        };
        self.memory.netfilter.chain.get(key, read)
    }

    fn rules_from(
        &self,
        netns: NetnsId,
        table: &TableRef,
        starts: &[ByteText],
        follow: fn(&ByteText) -> bool,
    ) -> Section<Vec<(ByteText, Vec<Rule>)>> {
        let ahead = &self.memory.netfilter.ahead;
        let read = ahead.take(netns, table, starts);
        let read = read
            .unwrap_or_else(|| self.within(netns, "chains", |namespace| namespace.rules_from(table, starts, follow)))
            .section();
        ahead.gave(&read);
        read
    }

    fn expect_rules_from(&self, netns: NetnsId, table: &TableRef, starts: &[ByteText], follow: fn(&ByteText) -> bool) {
        if let Some(namespace) = self.namespace(netns).value {
            self.memory.netfilter.ahead.begin(namespace, table, starts, follow);
        }
    }

    fn expect_chain(&self, netns: NetnsId, chain: &ChainRef) {
        let netfilter = &self.memory.netfilter;
        let known = netfilter.chain.known(&(netns, chain.clone())).is_some()
            || netfilter.rules_of.known(&(netns, chain.table.clone())).is_some();
        if !known && let Some(namespace) = self.namespace(netns).value {
            netfilter.ahead.begin_chain(namespace, chain);
        }
    }

    fn forget_chain(&self, netns: NetnsId, chain: &ChainRef) {
        let held = self.memory.netfilter.chain.forget(&(netns, chain.clone()));
        let rules = held.as_ref().and_then(|held| held.value.as_ref()).map_or(0, |held| held.rules.len());
        drop(held);
        if rules >= LONG {
            limits::give_memory_back();
        }
    }

    fn rules_of(&self, netns: NetnsId, table: &TableRef) -> Section<Vec<Rules>> {
        let key = (netns, table.clone());
        let read = || self.within(netns, "the rules of a table", |namespace| namespace.rules_of(table));
        self.memory.netfilter.rules_of.get(key, read)
    }

    fn sets(&self, netns: NetnsId, table: &TableRef) -> Section<Vec<Set>> {
        let key = (netns, table.clone());
        self.memory.netfilter.sets.get(key, || self.within(netns, "sets", |namespace| namespace.sets(table)))
    }

    fn set(&self, netns: NetnsId, set: &SetRef) -> Section<Option<Set>> {
        let memory = &self.memory.netfilter;
        let key = (netns, set.clone());
        let is_listed = memory.sets.known(&(netns, set.table.clone())).is_some();
        if memory.set.known(&key).is_none() && (is_listed || memory.set.count() >= FEW_SETS) {
            let sets = self.sets(netns, &set.table);
            let found = sets.value.iter().find(|one| one.id.name == set.name).cloned();
            memory.set.put(key.clone(), Read { value: found, issues: sets.issues.clone() });
        }
        memory.set.get(key, || self.within(netns, "a set", |namespace| namespace.set(set)))
    }

    fn elements(&self, netns: NetnsId, set: &SetRef) -> Section<Vec<Element>> {
        let key = (netns, set.clone());
        let read = || self.within(netns, "the elements of a set", |namespace| namespace.elements(set));
        self.memory.netfilter.elements.get(key, read)
    }

    fn elements_in(&self, netns: NetnsId, table: &TableRef, sets: &[ByteText]) -> Section<Vec<Vec<Element>>> {
        self.within(netns, "the elements of sets", |namespace| namespace.elements_in(table, sets)).section()
    }

    fn element(&self, netns: NetnsId, set: &SetRef, element: &Bytes) -> Section<Option<Element>> {
        let key = (netns, set.clone(), element.clone());
        let read = || self.within(netns, "an element of a set", |namespace| namespace.element(set, element));
        self.memory.netfilter.element.get(key, read)
    }

    fn objects(&self, netns: NetnsId, table: &TableRef) -> Section<Vec<Object>> {
        let key = (netns, table.clone());
        self.memory.netfilter.objects.get(key, || self.within(netns, "objects", |namespace| namespace.objects(table)))
    }

    fn ipsets(&self, netns: NetnsId) -> Section<Vec<IpSet>> {
        self.memory.netfilter.ipsets.get(netns, || self.within(netns, "ipsets", Namespace::ipsets))
    }

    fn ipset_members(&self, netns: NetnsId, set: &ByteText) -> Section<Option<Vec<IpSetMember>>> {
        let key = (netns, set.clone());
        let read = || self.within(netns, "the members of an ipset", |namespace| namespace.ipset_members(set));
        self.memory.netfilter.ipset_members.get(key, read)
    }

    fn ipset_has(&self, netns: NetnsId, set: &ByteText, member: &str) -> Section<Option<bool>> {
        let key = (netns, set.clone(), member.to_owned());
        let read = || self.within(netns, "a member of an ipset", |namespace| namespace.ipset_has(set, member));
        self.memory.netfilter.ipset_has.get(key, read)
    }

    fn recent(&self, netns: NetnsId, list: &ByteText) -> Section<Option<RecentList>> {
        let key = (netns, list.clone());
        self.memory
            .netfilter
            .recent
            .get(key, || self.within(netns, "a recent list", |namespace| namespace.recent(list)))
    }

    fn hooks(&self, netns: NetnsId, family: Family, hook: Hook) -> Section<Option<Vec<HookEntry>>> {
        let read = || self.within(netns, "what runs at a hook", |namespace| namespace.hooks(family, hook));
        self.memory.netfilter.hooks.get((netns, family, hook), read)
    }

    fn ipvs_services(&self, netns: NetnsId) -> Section<Option<u32>> {
        let read = || self.within(netns, "IPVS services", Namespace::ipvs_services);
        self.memory.netfilter.ipvs_services.get(netns, read)
    }
}
