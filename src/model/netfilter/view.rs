//! The part of the seam that tells a namespace's rules.
//!
//! Must not import anything from the crate but its sibling model types.

use std::collections::BTreeMap;

use super::chain::{Chain, ChainRef, Hook, Rules};
use super::hook::HookEntry;
use super::ipset::{IpSet, IpSetMember};
use super::object::Object;
use super::recent::RecentList;
use super::rule::Rule;
use super::set::{Element, Set, SetRef};
use super::table::{Family, Table, TableRef};
use crate::model::ids::NetnsId;
use crate::model::issue::{Read, Section};
use crate::model::text::{ByteText, Bytes};

/// The rules of one node's namespaces. Each method reads what it names and no more, at most once for
/// the length of one command: a node with 10,000 services costs what the question needs. What changed
/// while it was read, again and again, bears an issue.
pub trait NetfilterView {
    /// The tables of both back ends, by back end, family and name. Legacy ones are those that exist
    /// already: asking for another would make it.
    fn tables(&self, netns: NetnsId) -> Section<Vec<Table>>;

    /// The base chains of all tables, by family, hook, priority, table and name.
    fn base_chains(&self, netns: NetnsId) -> Section<Vec<Chain>>;

    /// The chains of a table without their rules, by name. Empty where there is no such table.
    fn chains(&self, netns: NetnsId, table: &TableRef) -> Section<Vec<Chain>>;

    /// The names of the chains of a table, sorted. Empty where there is no such table.
    fn chain_names(&self, netns: NetnsId, table: &TableRef) -> Section<Vec<ByteText>> {
        let chains = self.chains(netns, table);
        let names = chains.value.iter().map(|chain| chain.id.name.clone()).collect();
        Read { value: names, issues: chains.issues.clone() }.section()
    }

    /// One chain with its rules; `None` where there is none of this name.
    fn chain(&self, netns: NetnsId, chain: &ChainRef) -> Section<Option<Rules>>;

    /// The rules of some chains and of all that they lead to as far as `follow` says, by name: none for a chain
    /// that is not there. Read together and not kept: for questions about so many that nobody could keep all.
    fn rules_from(
        &self,
        netns: NetnsId,
        table: &TableRef,
        starts: &[ByteText],
        follow: fn(&ByteText) -> bool,
    ) -> Section<Vec<(ByteText, Vec<Rule>)>> {
        let mut issues = Vec::new();
        let mut found: BTreeMap<ByteText, Vec<Rule>> = BTreeMap::new();
        let mut waiting = starts.to_vec();
        while let Some(name) = waiting.pop() {
            if found.contains_key(&name) {
                continue;
            }
            let chain = self.chain(netns, &table.chain(name.clone()));
            issues.extend(chain.issues.iter().cloned());
            let rules = chain.value.as_ref().map(|chain| chain.rules.clone()).unwrap_or_default();
            waiting.extend(rules.iter().filter_map(Rule::leads_to).filter(|name| follow(name)).cloned());
            found.insert(name, rules);
        }
        Read { value: found.into_iter().collect(), issues }.section()
    }

    /// Says that [`Self::rules_from`] is going to be asked so after what is asked now. A live node may then read
    /// them meanwhile; it changes no answer.
    fn expect_rules_from(
        &self,
        _netns: NetnsId,
        _table: &TableRef,
        _starts: &[ByteText],
        _follow: fn(&ByteText) -> bool,
    ) {
    }

    /// Says that [`Self::base_chains`] is going to be asked so after what is asked now; the same holds.
    fn expect_base_chains(&self, _netns: NetnsId) {}

    /// Says that [`Self::chain`] is going to be asked so after what is asked now; the same holds.
    fn expect_chain(&self, _netns: NetnsId, _chain: &ChainRef) {}

    /// Says that a chain is not going to be asked for any more: what was read of it need not be kept.
    fn forget_chain(&self, _netns: NetnsId, _chain: &ChainRef) {}

    /// All chains of a table with their rules, by name: for questions about the whole table.
    fn rules_of(&self, netns: NetnsId, table: &TableRef) -> Section<Vec<Rules>>;

    /// The sets and maps of a table without their elements, by name, anonymous ones included.
    fn sets(&self, netns: NetnsId, table: &TableRef) -> Section<Vec<Set>>;

    /// One of them; `None` where there is none of this name. A table of 10,000 services has as many.
    fn set(&self, netns: NetnsId, set: &SetRef) -> Section<Option<Set>> {
        let sets = self.sets(netns, &set.table);
        let at = sets.value.binary_search_by(|one| one.id.name.cmp(&set.name)).ok();
        Read { value: at.and_then(|at| sets.value.get(at)).cloned(), issues: sets.issues.clone() }.section()
    }

    /// All elements of a set, by key.
    fn elements(&self, netns: NetnsId, set: &SetRef) -> Section<Vec<Element>>;

    /// The elements of some sets, in the order of their names: none for a set that is not there. Read together
    /// and not kept, as [`Self::rules_from`] does: a node of 10,000 services has as many maps without a name.
    fn elements_in(&self, netns: NetnsId, table: &TableRef, sets: &[ByteText]) -> Section<Vec<Vec<Element>>> {
        let mut read = Read::ok(Vec::with_capacity(sets.len()));
        for name in sets {
            let elements = self.elements(netns, &table.set(name.clone()));
            read.value.push(elements.value.clone());
            read.issues.extend(elements.issues.iter().cloned());
        }
        read.section()
    }

    /// The element that a key falls to; `None` where there is none. `key` is as the registers would have it.
    fn element(&self, netns: NetnsId, set: &SetRef, key: &Bytes) -> Section<Option<Element>>;

    /// The named objects of a table, by kind and name.
    fn objects(&self, netns: NetnsId, table: &TableRef) -> Section<Vec<Object>>;

    /// The ipsets, by name.
    fn ipsets(&self, netns: NetnsId) -> Section<Vec<IpSet>>;

    /// The members of an ipset, by text; `None` where there is no such set.
    fn ipset_members(&self, netns: NetnsId, set: &ByteText) -> Section<Option<Vec<IpSetMember>>>;

    /// Whether an ipset has a member, written as `ipset test` takes it (`10.0.0.1,tcp:80`); `None`
    /// where there is no such set, or where only the kernel could tell and none is there to ask.
    fn ipset_has(&self, netns: NetnsId, set: &ByteText, member: &str) -> Section<Option<bool>>;

    /// A list of the `recent` match; `None` where no rule made one of this name.
    fn recent(&self, netns: NetnsId, list: &ByteText) -> Section<Option<RecentList>>;

    /// What runs at a hook of ip, ip6, arp or bridge, in the kernel's order, chains of inet included; `None`
    /// where the kernel cannot tell (before Linux 5.14, or without `nfnetlink_hook`), and for any other
    /// family and hook.
    fn hooks(&self, netns: NetnsId, family: Family, hook: Hook) -> Section<Option<Vec<HookEntry>>>;

    /// How many virtual services IPVS has; `None` where the kernel has no IPVS.
    fn ipvs_services(&self, netns: NetnsId) -> Section<Option<u32>>;
}
