//! Where chains are taken from: one by one as they are asked for, or from a table that was read whole.
//!
//! May import model only.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::step::Step;
use crate::analyze::answer::Gathered;
use crate::model::ids::NetnsId;
use crate::model::issue::{Issue, Read, Section};
use crate::model::netfilter::chain::{ChainRef, Rules};
use crate::model::netfilter::recent::RecentList;
use crate::model::netfilter::rule::Rule;
use crate::model::netfilter::set::{Element, Set, SetRef};
use crate::model::netfilter::table::TableRef;
use crate::model::netfilter::view::NetfilterView;
use crate::model::text::{ByteText, Bytes};

/// One table.
pub(super) struct Source<'a> {
    view: &'a dyn NetfilterView,
    netns: NetnsId,
    pub(super) table: TableRef,
    whole: Option<Whole>,
    issues: RefCell<Vec<Issue>>,
}

struct Whole {
    rules: Section<Vec<Rules>>,
    places: BTreeMap<ByteText, usize>,
}

/// A chain that was read.
#[derive(Clone)]
pub(super) struct Held {
    from: From,
    /// What evidence names it by.
    pub(super) id: Arc<ChainRef>,
}

#[derive(Clone)]
enum From {
    One(Section<Option<Rules>>),
    Whole(Section<Vec<Rules>>, usize),
}

impl Held {
    fn rules(&self) -> &[Rule] {
        let held = match &self.from {
            From::One(section) => section.value.as_ref(),
            From::Whole(section, at) => section.value.get(*at),
        };
        held.map(|held| held.rules.as_slice()).unwrap_or_default()
    }

    /// Its rules, read.
    pub(super) fn steps(&self) -> impl Iterator<Item = Step<'_>> {
        let family = self.id.table.family;
        self.rules().iter().map(move |rule| Step::of(rule, family))
    }

    /// The rule at a place, counted from 0.
    pub(super) fn step(&self, at: usize) -> Option<Step<'_>> {
        self.rules().get(at).map(|rule| Step::of(rule, self.id.table.family))
    }
}

impl<'a> Source<'a> {
    /// A table of which chains are read as they are asked for.
    pub(super) fn new(view: &'a dyn NetfilterView, netns: NetnsId, table: TableRef) -> Self {
        Self { view, netns, table, whole: None, issues: RefCell::default() }
    }

    /// Reads the whole table at once: for questions about all services.
    pub(super) fn read_whole(&mut self) {
        let rules = self.view.rules_of(self.netns, &self.table);
        self.note(&rules);
        let names = rules.value.iter().enumerate().map(|(at, held)| (held.chain.id.name.clone(), at));
        self.whole = Some(Whole { places: names.collect(), rules: Arc::clone(&rules) });
    }

    fn note<T>(&self, read: &Read<T>) {
        read.issues.iter().for_each(|issue| self.issue(issue.clone()));
    }

    /// Hands over what could not be read.
    pub(super) fn issues(&self, gathered: &mut Gathered) {
        gathered.issues.append(&mut self.issues.borrow_mut());
    }

    /// One chain; `None` where there is none of that name.
    pub(super) fn chain(&self, name: &ByteText) -> Option<Held> {
        let id = || Arc::new(self.table.chain(name.clone()));
        if let Some(whole) = &self.whole {
            let at = *whole.places.get(name)?;
            return Some(Held { from: From::Whole(Arc::clone(&whole.rules), at), id: id() });
        }
        let id = id();
        let section = self.view.chain(self.netns, &id);
        self.note(&section);
        section.value.is_some().then(|| Held { from: From::One(Arc::clone(&section)), id })
    }

    /// The rules of all chains of a table that was read whole.
    pub(super) fn all_held(&self) -> impl Iterator<Item = Held> + '_ {
        let whole = self.whole.as_ref();
        whole.into_iter().flat_map(|whole| {
            whole.rules.value.iter().enumerate().map(|(at, held)| Held {
                from: From::Whole(Arc::clone(&whole.rules), at),
                id: Arc::new(held.chain.id.clone()),
            })
        })
    }

    /// A set of this table.
    pub(super) fn set(&self, name: &ByteText) -> Arc<SetRef> {
        Arc::new(self.table.set(name.clone()))
    }

    /// All elements of a set.
    pub(super) fn elements(&self, set: &SetRef) -> Section<Vec<Element>> {
        let section = self.view.elements(self.netns, set);
        self.note(&section);
        section
    }

    /// The element that a key falls to.
    pub(super) fn element(&self, set: &SetRef, key: &Bytes) -> Option<Element> {
        let section = self.view.element(self.netns, set, key);
        self.note(&section);
        section.value.clone()
    }

    /// The sets of the table, without their elements.
    pub(super) fn sets(&self) -> Section<Vec<Set>> {
        let section = self.view.sets(self.netns, &self.table);
        self.note(&section);
        section
    }

    /// The list of a `recent` match.
    pub(super) fn recent(&self, list: &ByteText) -> Section<Option<RecentList>> {
        let section = self.view.recent(self.netns, list);
        self.note(&section);
        section
    }

    /// Notes something that the analysis itself could not tell.
    pub(super) fn issue(&self, issue: Issue) {
        let mut issues = self.issues.borrow_mut();
        if !issues.contains(&issue) {
            issues.push(issue);
        }
    }
}
