//! The rules of one network namespace, live: each back end in a file of its own, one face over them.
//!
//! May import model, wire and sys. Judges nothing.

mod halves;
mod ipset;
mod ipvs;
mod legacy;
mod nf_elements;
mod nf_tables;
mod recent;
mod set_names;

use std::iter::repeat_with;

pub(in crate::collect) use legacy::LegacyMemory;
pub(in crate::collect) use nf_elements::SetMemory;

use crate::collect::kernel::Namespace;
use crate::model::issue::Read;
use crate::model::keyed::Keyed;
use crate::model::netfilter::chain::{Chain, ChainRef, Rules};
use crate::model::netfilter::rule::Rule;
use crate::model::netfilter::table::{BackEnd, Table, TableRef};
use crate::model::text::ByteText;

impl Namespace {
    /// The tables of both back ends, by back end, family and name.
    pub fn tables(&self) -> Read<Vec<Table>> {
        let mut read = self.nf_tables();
        let legacy = self.legacy_tables();
        read.value.extend(legacy.value);
        read.issues.extend(legacy.issues);
        read.value.sort();
        read
    }

    /// The base chains of both back ends, by family, hook, priority, table and name.
    pub fn base_chains(&self) -> Read<Vec<Chain>> {
        self.with_legacy(self.nf_base_chains())
    }

    /// The same on a socket of its own.
    pub fn base_chains_beside(&self) -> Read<Vec<Chain>> {
        self.with_legacy(self.nf_base_chains_beside())
    }

    fn with_legacy(&self, mut read: Read<Vec<Chain>>) -> Read<Vec<Chain>> {
        let legacy = self.legacy_base_chains();
        read.value.extend(legacy.value);
        read.issues.extend(legacy.issues);
        read.value.sort_by(|one, other| {
            let key = |chain: &Chain| {
                (chain.id.table.family, chain.base.as_ref().map(|base| (base.hook, base.priority)), chain.id.clone())
            };
            key(one).cmp(&key(other))
        });
        read
    }

    /// The chains of a table without their rules, by name.
    pub fn chains(&self, table: &TableRef) -> Read<Vec<Chain>> {
        match table.back_end {
            BackEnd::NfTables => self.nf_chains(table),
            BackEnd::Legacy => self.legacy_chains(table),
        }
    }

    /// One chain with its rules.
    pub fn chain(&self, chain: &ChainRef) -> Read<Option<Rules>> {
        let mut read = match chain.table.back_end {
            BackEnd::NfTables => self.nf_chain(chain),
            BackEnd::Legacy => self.legacy_chain(chain),
        };
        read.issues.extend(self.name_sets(read.value.iter_mut().flat_map(|chain| &mut chain.rules)));
        read
    }

    /// The same on a socket of its own: a long chain may be read while other questions are asked.
    pub fn chain_beside(&self, chain: &ChainRef) -> Read<Option<Rules>> {
        let mut read = match chain.table.back_end {
            BackEnd::NfTables => self.nf_chain_beside(chain),
            BackEnd::Legacy => self.legacy_chain(chain),
        };
        read.issues.extend(self.name_sets(read.value.iter_mut().flat_map(|chain| &mut chain.rules)));
        read
    }

    /// The rules of some chains and of all that they lead to as far as `follow` says, by name.
    pub fn rules_from(
        &self,
        table: &TableRef,
        starts: &[ByteText],
        follow: fn(&ByteText) -> bool,
    ) -> Read<Vec<(ByteText, Vec<Rule>)>> {
        let mut issues = Vec::new();
        let mut found: Vec<(ByteText, Vec<Rule>)> = Vec::new();
        let mut asked: Keyed<ByteText, ()> = Keyed::default();
        let mut names = starts.to_vec();
        names.sort();
        names.dedup();
        while !names.is_empty() {
            let read = self.rules_in(table, &names);
            issues.extend(read.issues);
            asked.extend(names.iter().map(|name| (name.clone(), ())));
            let led = read.value.iter().flatten().filter_map(Rule::leads_to);
            let mut next: Vec<ByteText> = led.filter(|name| follow(name) && !asked.contains(*name)).cloned().collect();
            next.sort();
            next.dedup();
            // What could not be read has no rules, and is not asked for again.
            found.extend(names.into_iter().zip(read.value.into_iter().chain(repeat_with(Vec::new))));
            names = next;
        }
        // By name, as each row of them is already.
        found.sort_by(|(one, _), (other, _)| one.cmp(other));
        issues.sort();
        issues.dedup();
        Read { value: found, issues }
    }

    /// The rules of some chains, in the order of their names; none for a chain that is not there.
    fn rules_in(&self, table: &TableRef, chains: &[ByteText]) -> Read<Vec<Vec<Rule>>> {
        let mut read = match table.back_end {
            BackEnd::NfTables => self.nf_rules_in(table, chains),
            BackEnd::Legacy => self.legacy_rules_in(table, chains),
        };
        read.issues.extend(self.name_sets(read.value.iter_mut().flatten()));
        read
    }

    /// All chains of a table with their rules, by name.
    pub fn rules_of(&self, table: &TableRef) -> Read<Vec<Rules>> {
        let mut read = match table.back_end {
            BackEnd::NfTables => self.nf_rules_of(table),
            BackEnd::Legacy => self.legacy_rules_of(table),
        };
        read.issues.extend(self.name_sets(read.value.iter_mut().flat_map(|chain| &mut chain.rules)));
        read
    }
}
