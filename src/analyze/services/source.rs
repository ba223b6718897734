//! Where chains are taken from: one by one as they are asked for, or, of a whole table, those of some services at a time.
//!
//! May import model only.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;
use std::sync::Arc;

use super::step::{Step, Then};
use crate::analyze::answer::Gathered;
use crate::model::ids::NetnsId;
use crate::model::issue::{Issue, Level, Read, Section};
use crate::model::keyed::Keyed;
use crate::model::kube_proxy::ChainName;
use crate::model::netfilter::chain::{Chain, ChainRef, Rules};
use crate::model::netfilter::recent::RecentList;
use crate::model::netfilter::rule::{Body, Rule};
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
    /// What was read together last. Of a whole table no more is held at a time: one of 10,000 services has 110,000
    /// rules.
    batch: RefCell<Batch>,
    issues: RefCell<Vec<Issue>>,
}

/// All chains of a table.
struct Whole {
    chains: Section<Vec<ByteText>>,
    /// Where each stands among them.
    names: Keyed<ByteText, usize>,
    /// Which of them were asked for: those that something leads to.
    reached: RefCell<Vec<bool>>,
    /// Sets that were asked for one key after the other, all of their elements.
    sets: RefCell<BTreeMap<ByteText, WholeSet>>,
}

/// What was read for some services.
#[derive(Default)]
struct Batch {
    chains: Chains,
    /// Where each stands among them.
    places: Keyed<ByteText, usize>,
    /// The maps that their rules draw from.
    maps: Keyed<ByteText, Place<Element>>,
}

/// Chains that were read together, by name.
type Chains = Section<Vec<(ByteText, Vec<Rule>)>>;

/// What was read along with others, and its place there.
type Place<T> = (Section<Vec<Vec<T>>>, usize);

/// The elements of a set, and whether a key falls to an element only by being its key.
type WholeSet = (Section<Vec<Element>>, bool);

impl Whole {
    fn reach(&self, chains: &Chains) {
        let mut reached = self.reached.borrow_mut();
        for (name, _) in &chains.value {
            if let Some(reached) = self.names.get(name).and_then(|at| reached.get_mut(*at)) {
                *reached = true;
            }
        }
    }
}

impl Batch {
    /// A chain of those that are held.
    fn held(&self, name: &ByteText) -> Option<From> {
        self.places.get(name).map(|at| From::Batch(Arc::clone(&self.chains), *at))
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
    Batch(Chains, usize),
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
    pub(super) fn rule(&self, at: usize) -> Option<&Rule> {
        self.rules().get(at)
    }

    /// How many rules it has.
    pub(super) fn length(&self) -> usize {
        self.rules().len()
    }
}

/// The elements of a set.
pub(super) enum Elements {
    One(Section<Vec<Element>>),
    Batch(Section<Vec<Vec<Element>>>, usize),
}

impl Deref for Elements {
    type Target = [Element];

    fn deref(&self) -> &[Element] {
        match self {
            Self::One(section) => &section.value,
            Self::Batch(section, at) => section.value.get(*at).map(Vec::as_slice).unwrap_or_default(),
        }
    }
}

impl Elements {
    /// As they are handed to those who write rules.
    pub(super) fn section(self) -> Section<Vec<Element>> {
        match self {
            Self::One(section) => section,
            Self::Batch(ref section, _) => Read { value: self.to_vec(), issues: section.issues.clone() }.section(),
        }
    }
}

/// Whether a chain is one of a service's: what others do is read when it is asked for.
fn is_of_a_service(chain: &ByteText) -> bool {
    chain.as_str().and_then(ChainName::parse).is_some()
}

impl<'a> Source<'a> {
    /// A table of which chains are read as they are asked for.
    pub(super) fn new(view: &'a dyn NetfilterView, netns: NetnsId, table: TableRef) -> Self {
        Self { view, netns, table, whole: None, batch: RefCell::default(), issues: RefCell::default() }
    }

    /// Reads which chains there are: for questions about all services.
    pub(super) fn read_whole(&mut self) {
        let chains = self.view.chain_names(self.netns, &self.table);
        self.note(&chains);
        let names = chains.value.iter().enumerate().map(|(at, chain)| (chain.clone(), at)).collect();
        let reached = RefCell::new(vec![false; chains.value.len()]);
        self.whole = Some(Whole { chains, names, reached, sets: RefCell::default() });
    }

    /// Reads the chains of some services together, with those that they lead to and the maps that they draw from,
    /// and lets go of what was read so before.
    pub(super) fn read_batch(&self, starts: BTreeSet<ByteText>) {
        let chains = self.view.rules_from(self.netns, &self.table, &self.those_there(starts), is_of_a_service);
        self.note(&chains);
        if let Some(whole) = &self.whole {
            whole.reach(&chains);
        }
        let rules = chains.value.iter().flat_map(|(_, rules)| rules);
        let maps: BTreeSet<ByteText> = rules.filter_map(|rule| self.draws_from(rule)).collect();
        // One without rules may not be there at all.
        let held = chains.value.iter().enumerate().filter(|(_, (_, rules))| self.whole.is_some() || !rules.is_empty());
        let places = held.map(|(at, (name, _))| (name.clone(), at)).collect();
        let mut batch = Batch { chains, places, maps: Keyed::default() };
        if !maps.is_empty() {
            let names: Vec<ByteText> = maps.into_iter().collect();
            let read = self.view.elements_in(self.netns, &self.table, &names);
            self.note(&read);
            batch.maps.extend(placed(names, &read));
        }
        self.batch.replace(batch);
    }

    /// Says which are read next.
    pub(super) fn expect_batch(&self, starts: BTreeSet<ByteText>) {
        self.view.expect_rules_from(self.netns, &self.table, &self.those_there(starts), is_of_a_service);
    }

    /// Those of some chains that there are, as far as that is known.
    fn those_there(&self, names: BTreeSet<ByteText>) -> Vec<ByteText> {
        names.into_iter().filter(|name| self.whole.as_ref().is_none_or(|whole| whole.names.contains(name))).collect()
    }

    /// The map that a rule draws from.
    fn draws_from(&self, rule: &Rule) -> Option<ByteText> {
        let Body::Nft(_) = &rule.body else { return None };
        match Step::of(rule, self.table.family).then {
            Then::Draw { map, .. } => Some(map),
            _ => None,
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
        if let Some(from) = self.batch.borrow().held(name) {
            return Some(Held { from, id });
        }
        if let Some(whole) = &self.whole {
            let at = *whole.names.get(name)?;
            // By an element of a map, which no batch follows.
            if let Some(reached) = whole.reached.borrow_mut().get_mut(at) {
                *reached = true;
            }
        }
        let section = self.view.chain(self.netns, &id);
        self.note(&section);
        section.value.is_some().then(|| Held { from: From::One(Arc::clone(&section)), id })
    }

    /// The chains, of a table that is asked about as a whole, to which nothing led.
    pub(super) fn unreached(&self) -> Vec<&ByteText> {
        let Some(whole) = &self.whole else { return Vec::new() };
        let reached = whole.reached.borrow();
        let unreached = whole.chains.value.iter().zip(reached.iter()).filter(|(_, reached)| !**reached);
        unreached.map(|(chain, _)| chain).collect()
    }

    /// A set of this table.
    pub(super) fn set(&self, name: &ByteText) -> Arc<SetRef> {
        Arc::new(self.table.set(name.clone()))
    }

    /// All elements of a set.
    pub(super) fn elements(&self, set: &SetRef) -> Elements {
        if let Some((section, at)) = self.batch.borrow().maps.get(&set.name) {
            return Elements::Batch(Arc::clone(section), *at);
        }
        Elements::One(self.all_of(set))
    }

    fn all_of(&self, set: &SetRef) -> Section<Vec<Element>> {
        let section = self.view.elements(self.netns, set);
        self.note(&section);
        section
    }

    /// The element that a key falls to.
    pub(super) fn element(&self, set: &SetRef, key: &Bytes) -> Option<Element> {
        if let Some(whole) = &self.whole {
            let mut sets = whole.sets.borrow_mut();
            let (section, is_plain) = sets.entry(set.name.clone()).or_insert_with(|| {
                let section = self.all_of(set);
                let is_plain = section.value.iter().all(is_plain) && section.value.is_sorted_by_key(|one| &one.key);
                (section, is_plain)
            });
            if *is_plain {
                let at = section.value.binary_search_by(|element| element.key.cmp(key));
                return at.ok().and_then(|at| section.value.get(at)).cloned();
            }
        }
        let section = self.view.element(self.netns, set, key);
        self.note(&section);
        section.value.clone()
    }

    /// A set of the table, without its elements.
    pub(super) fn known_set(&self, set: &SetRef) -> Section<Option<Set>> {
        let section = self.view.set(self.netns, set);
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

/// Each of what was read together, by name.
fn placed<T>(names: Vec<ByteText>, read: &Section<Vec<Vec<T>>>) -> impl Iterator<Item = (ByteText, Place<T>)> {
    names.into_iter().enumerate().map(|(at, name)| (name, (Arc::clone(read), at)))
}

/// Whether only its own key falls to an element.
fn is_plain(element: &Element) -> bool {
    !element.catch_all && !element.interval_end && element.key_end.is_none()
}
