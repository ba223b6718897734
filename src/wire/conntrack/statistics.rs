//! How full the table is, and what was counted about it.
//!
//! May import model only.

use std::collections::BTreeMap;

use super::nest::Notes;
use crate::model::flow::statistics::{CpuStatistics, Statistics};
use crate::wire::netlink::attr::AttrError;

/// `CTA_STATS_*`
mod cpu {
    pub const FOUND: u16 = 2;
    pub const INVALID: u16 = 4;
    pub const INSERT: u16 = 8;
    pub const INSERT_FAILED: u16 = 9;
    pub const DROP: u16 = 10;
    pub const EARLY_DROP: u16 = 11;
    pub const ERROR: u16 = 12;
    pub const SEARCH_RESTART: u16 = 13;
    pub const CLASH_RESOLVE: u16 = 14;
    pub const CHAIN_TOOLONG: u16 = 15;
}

/// `CTA_STATS_GLOBAL_*`
mod global {
    pub const ENTRIES: u16 = 1;
    pub const MAX_ENTRIES: u16 = 2;
}

/// Reads a message of type [`super::STATISTICS_CPU`].
pub fn cpu_statistics(payload: &[u8], errors: &mut Vec<AttrError>) -> Option<CpuStatistics> {
    let mut notes = Notes::new(errors);
    let mut counts = BTreeMap::new();
    notes.message(payload, |notes, attr| {
        if let Some(count) = notes.take(attr.be32()) {
            counts.insert(attr.kind, u64::from(count));
        }
    });
    // `res_id` of `struct nfgenmsg` is the CPU.
    let cpu = payload.get(2..4).and_then(|bytes| bytes.try_into().ok()).map(u16::from_be_bytes)?;
    let mut need = |kind, name| notes.need(counts.remove(&kind), name);
    Some(CpuStatistics {
        cpu,
        found: need(cpu::FOUND, "CTA_STATS_FOUND")?,
        invalid: need(cpu::INVALID, "CTA_STATS_INVALID")?,
        insert_failed: need(cpu::INSERT_FAILED, "CTA_STATS_INSERT_FAILED")?,
        drop: need(cpu::DROP, "CTA_STATS_DROP")?,
        early_drop: need(cpu::EARLY_DROP, "CTA_STATS_EARLY_DROP")?,
        error: need(cpu::ERROR, "CTA_STATS_ERROR")?,
        search_restart: need(cpu::SEARCH_RESTART, "CTA_STATS_SEARCH_RESTART")?,
        insert: counts.remove(&cpu::INSERT),
        clash_resolve: counts.remove(&cpu::CLASH_RESOLVE),
        chain_too_long: counts.remove(&cpu::CHAIN_TOOLONG),
        other: counts,
    })
}

/// Takes the number of flows and the limit out of a message of type [`super::STATISTICS`].
pub fn fill_totals(payload: &[u8], into: &mut Statistics, errors: &mut Vec<AttrError>) {
    Notes::new(errors).message(payload, |notes, attr| match attr.kind {
        global::ENTRIES => into.entries = notes.take(attr.be32()).map(u64::from),
        global::MAX_ENTRIES => into.limit = notes.take(attr.be32()).map(u64::from),
        // Kernels say more one day; there is nowhere to show it.
        _ => {}
    });
}
