//! Rules, sets and lists: masked by their types, so that a new field of the model is no forgotten one.
//!
//! Must not import anything from the crate but its sibling model types. What is opaque (bytes that
//! podnet does not decode) becomes zeros: it may hold addresses or words.

mod exprs;
mod hashes;
mod names;
mod sets;
mod values;
mod xt;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::mask::Masks;
use super::super::{HookSections, IpSetSections, NetfilterSections, TableSections};
use super::free;
use crate::model::issue::{Issue, Read, Section, Why};
use crate::model::netfilter::chain::{Base, Chain, ChainRef, Rules};
use crate::model::netfilter::object::{Object, ObjectState};
use crate::model::netfilter::rule::{Body, Rule};
use crate::model::netfilter::table::{Table, TableRef};
use crate::model::text::{ByteText, Bytes};

/// Masks for rules.
pub(super) struct RuleMasks<'a, 'r> {
    masks: &'a mut Masks<'r>,
    /// The names of chains whose hashes could be worked out anew from what is masked.
    chains: BTreeMap<String, String>,
}

/// Bytes that nobody can read.
fn blank(bytes: &mut Bytes) {
    bytes.0.fill(0);
}

fn change<T: Clone>(section: &mut Section<T>) -> &mut T {
    &mut Arc::make_mut(section).value
}

impl<'a, 'r> RuleMasks<'a, 'r> {
    /// Masks the rules of a namespace, all but the sentences of issues.
    pub(super) fn mask(masks: &'a mut Masks<'r>, netfilter: &mut NetfilterSections) {
        let mut this = Self { masks, chains: BTreeMap::new() };
        this.learn_hashes(netfilter);
        this.sections(netfilter);
    }

    fn sections(&mut self, netfilter: &mut NetfilterSections) {
        let NetfilterSections { tables, contents, base_chains, ipsets, ipset_members, recent, hooks, ipvs_services: _ } =
            netfilter;
        for table in change(tables) {
            self.table(table);
        }
        change(tables).sort();
        for held in contents.iter_mut() {
            self.contents(held);
        }
        contents.sort_by(|one, other| one.table.cmp(&other.table));
        for chain in change(base_chains) {
            self.chain(chain);
        }
        change(base_chains).sort_by_cached_key(|chain| {
            (chain.id.table.family, chain.base.as_ref().map(|base| (base.hook, base.priority)), chain.id.clone())
        });
        for IpSetSections { set, members } in ipset_members.iter_mut() {
            let kind = ipsets.value.iter().find(|known| known.name == *set).map(|known| known.type_name.clone());
            self.set_name(set);
            if let Some(members) = change(members) {
                for member in members.iter_mut() {
                    self.member(kind.as_ref(), member);
                }
                members.sort();
            }
        }
        ipset_members.sort_by(|one, other| one.set.cmp(&other.set));
        for set in change(ipsets) {
            self.ipset(set);
        }
        change(ipsets).sort();
        for (list, entries) in recent.iter_mut() {
            self.chain_name(list);
            if let Some(list) = change(entries) {
                for entry in &mut list.entries {
                    entry.address = self.masks.address(entry.address);
                }
                list.entries.sort();
            }
        }
        recent.sort_by(|one, other| one.0.cmp(&other.0));
        for HookSections { family: _, hook: _, entries } in hooks {
            // The order is the kernel's. Functions and modules are the kernel's own words.
            for entry in change(entries).iter_mut().flatten() {
                if let Some(chain) = &mut entry.chain {
                    self.chain_ref(chain);
                }
            }
        }
    }

    fn table(&mut self, table: &mut Table) {
        let Table { id, handle: _, dormant: _, owner: _, flags: _, objects: _, comment, user_data } = table;
        self.table_ref(id);
        self.comment(comment);
        blank(user_data);
    }

    fn contents(&mut self, held: &mut TableSections) {
        let TableSections { table, chains, sets, elements, objects } = held;
        self.table_ref(table);
        let context = exprs::Context::new(table.family, &sets.value);
        for Rules { chain, rules } in change(chains) {
            self.chain(chain);
            for rule in rules.iter_mut() {
                self.rule(rule, &context);
            }
        }
        change(chains).sort_by(|one, other| one.chain.id.cmp(&other.chain.id));
        for held in elements.iter_mut() {
            let set = sets.value.iter().find(|set| set.id.name == held.set);
            let elements: &mut Vec<_> = change(&mut held.elements);
            sets::elements(self, elements, set, &context);
            self.set_name(&mut held.set);
        }
        elements.sort_by(|one, other| one.set.cmp(&other.set));
        for set in change(sets) {
            sets::set(self, set, &context);
        }
        change(sets).sort_by(|one, other| one.id.cmp(&other.id));
        for object in change(objects) {
            self.object(object);
        }
        change(objects).sort();
    }

    fn chain(&mut self, chain: &mut Chain) {
        let Chain { id, handle: _, base, counters: _, uses: _, flags: _, comment, user_data } = chain;
        self.chain_ref(id);
        if let Some(Base { hook: _, priority: _, kind: _, policy: _, devices }) = base {
            for device in devices.iter_mut() {
                self.link_name(device);
            }
        }
        self.comment(comment);
        blank(user_data);
    }

    fn chain_ref(&mut self, chain: &mut ChainRef) {
        let ChainRef { table, name } = chain;
        self.table_ref(table);
        self.chain_name(name);
    }

    fn table_ref(&mut self, table: &mut TableRef) {
        let TableRef { back_end: _, family: _, name } = table;
        self.table_name(name);
    }

    fn rule(&mut self, rule: &mut Rule, context: &exprs::Context) {
        let Rule { number: _, handle: _, body, comment, user_data } = rule;
        match body {
            Body::Xt(rule) => self.xt_rule(rule),
            Body::Nft(row) => exprs::mask(self, row, context),
        }
        self.comment(comment);
        blank(user_data);
    }

    fn object(&mut self, object: &mut Object) {
        let Object { table, kind: _, name, handle: _, uses: _, state, comment } = object;
        self.table_ref(table);
        self.other_name(name);
        match state {
            ObjectState::Counter(_) | ObjectState::Quota(_) | ObjectState::Limit(_) => {}
            ObjectState::Other(bytes) => blank(bytes),
        }
        self.comment(comment);
    }

    fn comment(&mut self, comment: &mut Option<ByteText>) {
        if let Some(comment) = comment {
            self.words(comment);
        }
    }
}

/// Masks the sentences of the issues: after all else, for what they may not tell is known by then.
pub(super) fn issues(masks: &mut Masks<'_>, netfilter: &mut NetfilterSections) {
    let NetfilterSections { tables, contents, base_chains, ipsets, ipset_members, recent, hooks, ipvs_services } =
        netfilter;
    of(masks, tables);
    of(masks, base_chains);
    of(masks, ipsets);
    of(masks, ipvs_services);
    for TableSections { table: _, chains, sets, elements, objects } in contents {
        of(masks, chains);
        of(masks, sets);
        of(masks, objects);
        for held in elements.iter_mut() {
            of(masks, &mut held.elements);
        }
    }
    for held in ipset_members.iter_mut() {
        of(masks, &mut held.members);
    }
    for (_, list) in recent.iter_mut() {
        of(masks, list);
    }
    for hook in hooks.iter_mut() {
        of(masks, &mut hook.entries);
    }
}

/// Masks the sentences of one section's issues.
pub(super) fn of<T: Clone>(masks: &mut Masks<'_>, section: &mut Section<T>) {
    if section.issues.is_empty() {
        return;
    }
    let Read { value: _, issues } = Arc::make_mut(section);
    for Issue { level: _, what, why, hint } in issues {
        *what = free::text(what, masks);
        if let Some(hint) = hint {
            *hint = free::text(hint, masks);
        }
        match why {
            Why::Permission { detail }
            | Why::Gone { detail }
            | Why::Unsupported { detail }
            | Why::Malformed { detail }
            | Why::Interrupted { detail }
            | Why::Timeout { detail }
            | Why::NotRecorded { detail }
            | Why::Disagreement { detail }
            | Why::Io { detail } => *detail = free::text(detail, masks),
        }
    }
}

#[cfg(test)]
mod tests;
