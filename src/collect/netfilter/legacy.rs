//! Tables of ip_tables and ip6_tables, read whole through `getsockopt`, never one that is not there yet.
//!
//! May import model, wire and sys. Judges nothing.

use crate::collect::kernel::Namespace;
use crate::model::issue::Read;
use crate::model::netfilter::chain::{Chain, ChainRef, Rules};
use crate::model::netfilter::table::{Table, TableRef};

impl Namespace {
    /// The tables that exist.
    pub(super) fn legacy_tables(&self) -> Read<Vec<Table>> {
        Read::default()
    }

    /// Their base chains.
    pub(super) fn legacy_base_chains(&self) -> Read<Vec<Chain>> {
        Read::default()
    }

    /// The chains of a table.
    pub(super) fn legacy_chains(&self, _table: &TableRef) -> Read<Vec<Chain>> {
        Read::default()
    }

    /// One chain.
    pub(super) fn legacy_chain(&self, _chain: &ChainRef) -> Read<Option<Rules>> {
        Read::default()
    }

    /// All chains of a table.
    pub(super) fn legacy_rules_of(&self, _table: &TableRef) -> Read<Vec<Rules>> {
        Read::default()
    }
}
