//! Where chains are taken from: one by one as they are asked for, or, of a whole table, those of some services at a time.
//!
//! May import model only.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use super::step::Step;
use crate::analyze::answer::Gathered;
use crate::model::ids::NetnsId;
use crate::model::issue::{Issue, Level, Read, Section};
use crate::model::kube_proxy::ChainName;
use crate::model::netfilter::chain::{Chain, ChainRef, Rules};
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

/// All chains of a table, of which the rules of a few are held at a time: a table of 10,000 services has
/// 110,000 rules.
struct Whole {
    chains: Section<Vec<Chain>>,
    names: HashSet<ByteText>,
    batch: RefCell<Option<Batch>>,
}

/// Chains that were read together, by name.
type Batch = Section<Vec<(ByteText, Vec<Rule>)>>;

impl Whole {
    fn has(&self, name: &ByteText) -> bool {
        self.names.contains(name)
    }

    fn those_there(&self, names: BTreeSet<ByteText>) -> Vec<ByteText> {
        names.into_iter().filter(|name| self.has(name)).collect()
    }

    /// A chain of those that are held.
    fn held(&self, name: &ByteText) -> Option<From> {
        let batch = self.batch.borrow();
        let batch = batch.as_ref()?;
        let at = batch.value.binary_search_by(|(held, _)| held.cmp(name)).ok()?;
        Some(From::Batch(Arc::clone(batch), at))
    }
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
    Batch(Batch, usize),
}

impl Held {
    fn rules(&self) -> &[Rule] {
        match &self.from {
            From::One(section) => section.value.as_ref().map(|held| held.rules.as_slice()),
            From::Batch(section, at) => section.value.get(*at).map(|(_, rules)| rules.as_slice()),
        }
        .unwrap_or_default()
    }

    /// The chain itself, where it was read by name.
    pub(super) fn chain(&self) -> Option<&Chain> {
        match &self.from {
            From::One(section) => section.value.as_ref().map(|held| &held.chain),
            From::Batch(..) => None,
        }
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

/// Whether a chain is one of a service's: what others do is read when it is asked for.
fn is_of_a_service(chain: &ByteText) -> bool {
    chain.as_str().and_then(ChainName::parse).is_some()
}

impl<'a> Source<'a> {
    /// A table of which chains are read as they are asked for.
    pub(super) fn new(view: &'a dyn NetfilterView, netns: NetnsId, table: TableRef) -> Self {
        Self { view, netns, table, whole: None, issues: RefCell::default() }
    }

    /// Reads which chains there are: for questions about all services.
    pub(super) fn read_whole(&mut self) {
        let chains = self.view.chains(self.netns, &self.table);
        self.note(&chains);
        let names = chains.value.iter().map(|chain| chain.id.name.clone()).collect();
        self.whole = Some(Whole { chains, names, batch: RefCell::default() });
    }

    /// Reads the chains of some services together, those that they lead to included, and lets go of those read
    /// so before. Of use only where the whole table is asked about.
    pub(super) fn read_batch(&self, starts: BTreeSet<ByteText>) {
        if let Some(whole) = &self.whole {
            let starts = whole.those_there(starts);
            let read = self.view.rules_from(self.netns, &self.table, &starts, is_of_a_service);
            self.note(&read);
            whole.batch.replace(Some(read));
        }
    }

    /// Says which are read next.
    pub(super) fn expect_batch(&self, starts: BTreeSet<ByteText>) {
        if let Some(whole) = &self.whole {
            self.view.expect_rules_from(self.netns, &self.table, &whole.those_there(starts), is_of_a_service);
        }
    }

    fn note<T>(&self, read: &Read<T>) {
        read.issues.iter().for_each(|issue| self.issue(issue.clone()));
    }

    /// Whether something could not be read or told, so that what was not found may be there.
    pub(super) fn is_unsure(&self) -> bool {
        self.issues.borrow().iter().any(|issue| issue.level == Level::Incomplete)
    }

    /// Hands over what could not be read.
    pub(super) fn issues(&self, gathered: &mut Gathered) {
        gathered.issues.append(&mut self.issues.borrow_mut());
    }

    /// One chain; `None` where there is none of that name.
    pub(super) fn chain(&self, name: &ByteText) -> Option<Held> {
        let id = Arc::new(self.table.chain(name.clone()));
        if let Some(whole) = &self.whole {
            if let Some(from) = whole.held(name) {
                return Some(Held { from, id });
            }
            if !whole.has(name) {
                return None;
            }
        }
        let section = self.view.chain(self.netns, &id);
        self.note(&section);
        section.value.is_some().then(|| Held { from: From::One(Arc::clone(&section)), id })
    }

    /// The names of all chains of a table that is asked about as a whole.
    pub(super) fn all_names(&self) -> impl Iterator<Item = &ByteText> {
        self.whole.iter().flat_map(|whole| &whole.chains.value).map(|chain| &chain.id.name)
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
