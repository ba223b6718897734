//! Rules, sets and objects of nf_tables, read through nfnetlink; the generation is checked.
//!
//! May import model, wire and sys. Judges nothing.

use crate::collect::kernel::Namespace;
use crate::model::issue::Read;
use crate::model::netfilter::chain::{Chain, ChainRef, Rules};
use crate::model::netfilter::object::Object;
use crate::model::netfilter::set::{Element, Set, SetRef};
use crate::model::netfilter::table::{Table, TableRef};
use crate::model::text::Bytes;

impl Namespace {
    /// The tables of nf_tables.
    pub(super) fn nf_tables(&self) -> Read<Vec<Table>> {
        Read::default()
    }

    /// Their base chains.
    pub(super) fn nf_base_chains(&self) -> Read<Vec<Chain>> {
        Read::default()
    }

    /// The chains of a table.
    pub(super) fn nf_chains(&self, _table: &TableRef) -> Read<Vec<Chain>> {
        Read::default()
    }

    /// One chain.
    pub(super) fn nf_chain(&self, _chain: &ChainRef) -> Read<Option<Rules>> {
        Read::default()
    }

    /// All chains of a table.
    pub(super) fn nf_rules_of(&self, _table: &TableRef) -> Read<Vec<Rules>> {
        Read::default()
    }

    /// The sets of a table.
    pub fn sets(&self, _table: &TableRef) -> Read<Vec<Set>> {
        Read::default()
    }

    /// The elements of a set, by key.
    pub fn elements(&self, _set: &SetRef) -> Read<Vec<Element>> {
        Read::default()
    }

    /// The element that a key falls to.
    pub fn element(&self, _set: &SetRef, _key: &Bytes) -> Read<Option<Element>> {
        Read::default()
    }

    /// The named objects of a table.
    pub fn objects(&self, _table: &TableRef) -> Read<Vec<Object>> {
        Read::default()
    }
}
