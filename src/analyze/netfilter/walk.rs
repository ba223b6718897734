//! A walk through the chains that a packet of which not all is known may meet.
//!
//! Reads the chains that it reaches, one by one, never a table whole. Bounded: no chain is entered
//! from within itself, and the number of rules and of told conditions has a limit. May import model
//! and its siblings only.

use std::collections::{BTreeSet, VecDeque};

use super::condition::{Ask, Clause, Condition};
use super::deed::{Deed, MarkChange};
use super::facts::{KnownMark, Packet};
use super::read::{Reading, Sets};
use crate::model::ids::NetnsId;
use crate::model::issue::{Issue, Section, Why};
use crate::model::netfilter::chain::{ChainRef, Rules};
use crate::model::netfilter::rule::Rule;
use crate::model::netfilter::set::{Element, Set};
use crate::model::netfilter::table::TableRef;
use crate::model::netfilter::view::NetfilterView;
use crate::model::text::{ByteText, Bytes};

/// How many rules one walk looks at.
const MOST_RULES: u32 = 250_000;
/// How many rules that may have taken the packet away are told before what follows is unknown.
const MOST_CLAUSES: usize = 1024;
/// How many rules that act are told.
const MOST_TOUCHES: usize = 1024;

/// A rule that may act on the packet.
#[derive(Debug, Clone)]
pub struct Touch {
    /// The rules that lead there, from the base chain's on; the last is the one that acts.
    pub path: Vec<Place>,
    /// What must hold; empty where it applies to each such packet.
    pub when: Vec<Clause>,
    /// What it does.
    pub deed: Deed,
}

/// A rule and where it stands.
#[derive(Debug, Clone)]
pub struct Place {
    /// Its chain.
    pub chain: ChainRef,
    /// The rule.
    pub rule: Rule,
}

/// What becomes of the packet at the end of a base chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Some of it, or all, goes on to the next base chain.
    GoesOn,
    /// Its address is translated in any case: no other nat chain is asked.
    Translated,
}

/// What a walk is about.
pub struct Question<'q> {
    /// The deeds that are told.
    pub tells: &'q dyn Fn(&Deed) -> bool,
    /// The chains that are entered.
    pub enters: &'q dyn Fn(&ChainRef) -> bool,
}

/// What walks: over one or several base chains.
pub struct Walk<'w> {
    view: &'w dyn NetfilterView,
    netns: NetnsId,
    question: Question<'w>,
    rules_left: u32,
    /// The rules that may act, in order.
    pub touches: Vec<Touch>,
    /// The rules that may change the mark, with the bits that they change, in order.
    pub marked: Vec<(Place, u32)>,
    /// The chains that were led to and not entered.
    pub left_out: BTreeSet<ChainRef>,
    /// What could not be read or told.
    pub issues: Vec<Issue>,
    /// Whether more rules may act than are told.
    pub crowded: bool,
}

struct Frame {
    chain: ChainRef,
    rules: Section<Option<Rules>>,
    /// The rule to look at next.
    next: usize,
    /// What the rule before it may still do.
    pending: VecDeque<(Vec<Clause>, Deed)>,
    /// How many clauses held as it was entered.
    clauses: usize,
    /// The mark of packets that were not led here.
    beside: Option<KnownMark>,
    /// The mark of packets that have left already.
    returned: Option<KnownMark>,
    /// Led here by a goto: the caller ends where this ends, for all packets or under a condition.
    ends_caller: bool,
    /// What holds of the packets that go on in the caller.
    then: Option<Clause>,
}

impl Frame {
    /// The rule that was looked at last.
    fn place(&self) -> Option<Place> {
        let rule = self.rules.value.as_ref()?.rules.get(self.next.checked_sub(1)?)?;
        Some(Place { chain: self.chain.clone(), rule: rule.clone() })
    }
}

/// What the steps of one base chain share.
struct State {
    stack: Vec<Frame>,
    /// What holds here, in the order in which it was asked.
    clauses: Vec<Clause>,
    /// What holds of packets that are still in this base chain.
    still_here: Vec<Clause>,
}

/// How the walk goes on.
enum Next {
    Rule,
    Leave,
    End(End),
}

struct TableSets<'t> {
    view: &'t dyn NetfilterView,
    netns: NetnsId,
    table: &'t TableRef,
}

impl Sets for TableSets<'_> {
    fn element(&self, set: &ByteText, key: &Bytes) -> Section<Option<Element>> {
        self.view.element(self.netns, &self.table.set(set.clone()), key)
    }

    fn set(&self, name: &ByteText) -> Option<Set> {
        self.view.set(self.netns, &self.table.set(name.clone())).value.clone()
    }

    fn elements(&self, name: &ByteText) -> Section<Vec<Element>> {
        self.view.elements(self.netns, &self.table.set(name.clone()))
    }
}

impl<'w> Walk<'w> {
    /// A walk that has not begun.
    pub fn new(view: &'w dyn NetfilterView, netns: NetnsId, question: Question<'w>) -> Self {
        Self {
            view,
            netns,
            question,
            rules_left: MOST_RULES,
            touches: Vec::new(),
            marked: Vec::new(),
            left_out: BTreeSet::new(),
            issues: Vec::new(),
            crowded: false,
        }
    }

    /// Walks a base chain. The packet's mark is afterwards what is known of it.
    pub fn base_chain(&mut self, base: &ChainRef, packet: &mut Packet) -> End {
        let mut state = State { stack: Vec::new(), clauses: Vec::new(), still_here: Vec::new() };
        self.enter(&mut state, base.clone());
        while let Some(frame) = state.stack.last_mut() {
            let next = if let Some((open, deed)) = frame.pending.pop_front() {
                self.act(&mut state, packet, open, deed)
            } else if let Some(rule) = frame.rules.value.as_ref().and_then(|rules| rules.rules.get(frame.next)) {
                if self.rules_left == 0 {
                    self.unknown(format!("more than {MOST_RULES} rules lie on the way"));
                    return End::GoesOn;
                }
                self.rules_left -= 1;
                frame.next += 1;
                let sets = TableSets { view: self.view, netns: self.netns, table: &frame.chain.table };
                let reading = Reading::of(rule, frame.chain.table.family, packet, &sets);
                self.rule(&mut state, packet, reading)
            } else {
                Next::Leave
            };
            match next {
                Next::Rule => {}
                Next::Leave => leave(&mut state, packet),
                Next::End(end) => return end,
            }
        }
        End::GoesOn
    }

    fn unknown(&mut self, detail: String) {
        self.issues.push(Issue::incomplete("following the rules", Why::Unsupported { detail }));
    }

    /// Enters a chain; false where it cannot be.
    fn enter(&mut self, state: &mut State, chain: ChainRef) -> bool {
        if state.stack.iter().any(|frame| frame.chain == chain) {
            self.unknown(format!("the chain {} leads to itself", chain.name));
            return false;
        }
        let rules = self.view.chain(self.netns, &chain);
        self.issues.extend(rules.issues.iter().cloned());
        if rules.value.is_none() && rules.issues.is_empty() {
            self.unknown(format!("a rule leads to the chain {}, which is not there", chain.name));
        }
        state.stack.push(Frame {
            chain,
            rules,
            next: 0,
            pending: VecDeque::new(),
            clauses: state.clauses.len(),
            beside: None,
            returned: None,
            ends_caller: false,
            then: None,
        });
        true
    }

    fn rule(&mut self, state: &mut State, packet: &mut Packet, reading: Reading) -> Next {
        let mut open = Vec::new();
        for condition in reading.when {
            match condition.holds(packet) {
                Some(true) => {}
                Some(false) => return Next::Rule,
                None => open.push(Clause::Is(condition)),
            }
        }
        for change in reading.marks {
            self.mark(state, change);
            let changed = match change {
                MarkChange::Known { keep, xor } => packet.mark.changed(keep, xor),
                MarkChange::Unknown => KnownMark::default(),
            };
            packet.mark = if open.is_empty() { changed } else { packet.mark.or(changed) };
        }
        if reading.untracks {
            self.act(state, packet, open.clone(), Deed::Notrack);
        }
        self.act(state, packet, open, reading.deed)
    }

    fn act(&mut self, state: &mut State, packet: &Packet, open: Vec<Clause>, deed: Deed) -> Next {
        let told = (self.question.tells)(&deed);
        if told {
            self.tell(state, &open, deed.clone());
        }
        let is_certain = open.is_empty();
        match deed {
            Deed::Accept | Deed::Drop | Deed::Socket => stop(state, open),
            Deed::Return => {
                if is_certain {
                    return Next::Leave;
                }
                state.hold(Clause::unless(open));
                if let Some(frame) = state.stack.last_mut() {
                    frame.returned = Some(frame.returned.map_or(packet.mark, |mark| mark.or(packet.mark)));
                }
                Next::Rule
            }
            Deed::Jump(name) => {
                self.lead(state, packet, open, name);
                Next::Rule
            }
            Deed::Goto(name) => {
                let then = (!is_certain).then(|| Clause::unless(open.clone()));
                if self.lead(state, packet, open, name) {
                    if let Some(frame) = state.stack.last_mut() {
                        frame.ends_caller = is_certain;
                        frame.then = then;
                    }
                    Next::Rule
                } else if is_certain {
                    Next::Leave
                } else {
                    state.clauses.extend(then);
                    Next::Rule
                }
            }
            Deed::Translate(_) if is_certain && state.clauses.is_empty() && state.still_here.is_empty() => {
                Next::End(End::Translated)
            }
            Deed::Translate(_) if is_certain => Next::Leave,
            // Where a translation may have acted no later rule acts: that the first of them counts is told once.
            Deed::Nothing | Deed::Notrack | Deed::Translate(_) => Next::Rule,
            Deed::Choose(branches) => {
                if let Some(frame) = state.stack.last_mut() {
                    for (conditions, deed) in branches {
                        let holds: Vec<_> = conditions.iter().map(|condition| condition.holds(packet)).collect();
                        if holds.contains(&Some(false)) {
                            continue;
                        }
                        let conditions = conditions.into_iter().zip(holds).filter(|(_, holds)| holds.is_none());
                        let when = open.iter().cloned().chain(conditions.map(|(one, _)| Clause::Is(one)));
                        frame.pending.push_back((when.collect(), deed));
                    }
                }
                Next::Rule
            }
            Deed::Queue => {
                let why = "a program that gets the packet decides".to_owned();
                state.undecoded(why);
                Next::Rule
            }
            Deed::Undecoded(why) => {
                state.undecoded(why);
                Next::Rule
            }
        }
    }

    /// Leads into a chain under conditions; false where it is not entered.
    fn lead(&mut self, state: &mut State, packet: &Packet, open: Vec<Clause>, name: ByteText) -> bool {
        let Some(frame) = state.stack.last() else { return false };
        let chain = frame.chain.table.chain(name);
        if !(self.question.enters)(&chain) {
            self.left_out.insert(chain);
            return false;
        }
        let beside = (!open.is_empty()).then_some(packet.mark);
        let before = state.clauses.len();
        if !self.enter(state, chain) {
            return false;
        }
        for clause in open {
            state.hold(clause);
        }
        if let Some(frame) = state.stack.last_mut() {
            frame.clauses = before;
            frame.beside = beside;
        }
        true
    }

    fn mark(&mut self, state: &State, change: MarkChange) {
        let bits = match change {
            MarkChange::Known { keep, xor } => !keep | xor,
            MarkChange::Unknown => u32::MAX,
        };
        let Some(place) = state.stack.last().and_then(Frame::place).filter(|_| self.marked.len() < MOST_TOUCHES) else {
            return;
        };
        self.marked.push((place, bits));
    }

    fn tell(&mut self, state: &State, open: &[Clause], deed: Deed) {
        if self.touches.len() == MOST_TOUCHES {
            self.crowded = true;
            return self.unknown(format!("more than {MOST_TOUCHES} rules may act"));
        }
        let path = state.stack.iter().filter_map(Frame::place);
        let here: Vec<&Clause> = state.clauses.iter().chain(open).collect();
        let mut when: Vec<Clause> = state.still_here.iter().map(|clause| beyond(clause, &here)).collect();
        when.extend(here.into_iter().cloned());
        let mut seen = BTreeSet::new();
        when.retain(|clause| seen.insert(clause.clone()));
        self.touches.push(Touch { path: path.collect(), when, deed });
    }
}

/// A clause about packets of which some things are known already: without those.
fn beyond(clause: &Clause, known: &[&Clause]) -> Clause {
    match clause {
        Clause::Unless(all) => Clause::unless(all.iter().filter(|one| !known.contains(one)).cloned().collect()),
        clause @ Clause::Is(_) => clause.clone(),
    }
}

impl State {
    fn hold(&mut self, clause: Clause) {
        if self.clauses.len() < MOST_CLAUSES {
            self.clauses.push(clause);
        } else if self.clauses.len() == MOST_CLAUSES {
            self.clauses.push(crowded());
        }
    }

    fn undecoded(&mut self, why: String) {
        let clause = Clause::Is(Condition::is(Ask::Undecoded { why }));
        if self.still_here.len() < MOST_CLAUSES && !self.still_here.contains(&clause) {
            self.still_here.push(clause);
        }
    }
}

fn crowded() -> Clause {
    let why = format!("more than {MOST_CLAUSES} rules before it decide");
    Clause::Is(Condition::is(Ask::Undecoded { why }))
}

/// The packet leaves this base chain, where these hold.
fn stop(state: &mut State, open: Vec<Clause>) -> Next {
    let is_certain = open.is_empty();
    if is_certain && state.clauses.is_empty() {
        return Next::End(End::GoesOn);
    }
    let all: Vec<Clause> = state.clauses.iter().cloned().chain(open).collect();
    if state.still_here.len() < MOST_CLAUSES {
        state.still_here.push(Clause::unless(all));
    } else if state.still_here.len() == MOST_CLAUSES {
        state.still_here.push(crowded());
    }
    if is_certain { Next::Leave } else { Next::Rule }
}

/// Back to the calling chain.
fn leave(state: &mut State, packet: &mut Packet) {
    while let Some(frame) = state.stack.pop() {
        state.clauses.truncate(frame.clauses);
        for mark in frame.returned.iter().chain(&frame.beside) {
            packet.mark = packet.mark.or(*mark);
        }
        if let Some(clause) = frame.then {
            state.hold(clause);
        }
        if !frame.ends_caller {
            break;
        }
    }
}
