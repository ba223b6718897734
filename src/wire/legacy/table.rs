//! The index over a table's bytes: which chain is where.
//!
//! May import model, and wire's own matches and targets.

use std::iter;
use std::ops::Range;

use super::both::{AtOnce, both, in_turn};
use super::entry::{Entry, verdict};
use super::{Info, Malformed, rule, text};
use crate::model::netfilter::chain::{Base, Chain, ChainKind, Hook, Policy, Rules};
use crate::model::netfilter::rule::{Body, Rule};
use crate::model::netfilter::table::{Counters, Family, TableRef};
use crate::model::text::{ByteText, Bytes};

/// `sizeof(struct xt_error_target)`, which the kernel holds each of them to.
const ERROR_LENGTH: usize = 64;

/// From this many bytes on a table, or a chain, is read in two halves, which the caller may have done at once.
const LONG: usize = 1 << 20;

/// Where a chain is.
#[derive(Debug)]
struct Span {
    name: ByteText,
    /// Its rules, without the one that ends it.
    rules: Range<usize>,
    /// Few have it.
    base: Option<Box<(Base, Counters)>>,
}

/// What going from entry to entry found.
#[derive(Debug)]
struct Walk {
    found: Vec<Span>,
    counted: u32,
    /// Where it ended.
    at: usize,
    outcome: Result<(), Malformed>,
}

/// A table: its bytes once, and an index over them.
#[derive(Debug)]
pub struct LegacyTable {
    id: TableRef,
    at_once: AtOnce,
    bytes: Vec<u8>,
    /// Where the entries begin in `bytes`.
    offset: usize,
    /// As they stand there.
    spans: Vec<Span>,
    /// Which of them has a name.
    by_name: Vec<(Key, usize)>,
    /// Where rules begin, and which chain does so there: for jumps.
    starts: Vec<(usize, usize)>,
    problems: Vec<Malformed>,
}

impl LegacyTable {
    /// Makes the index. `bytes` hold the entries from `offset` on. What cannot be read is told by
    /// [`Self::problems`]; what stands before it is there all the same.
    pub fn new(id: TableRef, info: &Info, bytes: Vec<u8>, offset: usize) -> Self {
        Self::read(id, info, bytes, offset, in_turn)
    }

    /// [`Self::new`], with two pieces of long work done as the caller likes.
    pub fn read(id: TableRef, info: &Info, bytes: Vec<u8>, offset: usize, at_once: AtOnce) -> Self {
        let mut table = Self {
            id,
            at_once,
            bytes,
            offset,
            spans: Vec::new(),
            by_name: Vec::new(),
            starts: Vec::new(),
            problems: Vec::new(),
        };
        if table.entries().len() != usize::try_from(info.size).unwrap_or(usize::MAX) {
            table.problems.push(Malformed { at: table.entries().len(), detail: "as many bytes as the kernel told of" });
        }
        table.find_base_chains(info);
        table.find_user_chains(info);
        table.by_name = table.spans.iter().enumerate().map(|(index, span)| (key(&span.name), index)).collect();
        // All but the base chains stand in this order already, which a stable sort makes use of.
        table.by_name.sort_unstable();
        table.starts = table.spans.iter().enumerate().map(|(index, span)| (span.rules.start, index)).collect();
        table.starts.sort_unstable();
        table
    }

    /// What was wrong with the table as a whole.
    pub fn problems(&self) -> &[Malformed] {
        &self.problems
    }

    /// Its chains without their rules, by name.
    pub fn chains(&self) -> Vec<Chain> {
        self.sorted(|_| true).into_iter().map(|span| self.chain_of(span)).collect()
    }

    /// The names of its chains, sorted.
    pub fn names(&self) -> Vec<ByteText> {
        self.sorted(|_| true).into_iter().map(|span| span.name.clone()).collect()
    }

    /// Its base chains, by name.
    pub fn base_chains(&self) -> Vec<Chain> {
        self.sorted(|span| span.base.is_some()).into_iter().map(|span| self.chain_of(span)).collect()
    }

    /// A chain with its rules, up to the first that cannot be read; `None` where there is none of this name.
    pub fn rules(&self, name: &ByteText) -> Option<(Rules, Option<Malformed>)> {
        self.named(name).map(|span| self.whole(span))
    }

    /// The rules of a chain alone.
    pub fn rules_in(&self, name: &ByteText) -> Option<(Vec<Rule>, Option<Malformed>)> {
        self.named(name).map(|span| self.rules_of(span))
    }

    /// All chains with their rules, by name, one at a time.
    pub fn all_rules(&self) -> impl Iterator<Item = (Rules, Option<Malformed>)> {
        self.sorted(|_| true).into_iter().map(|span| self.whole(span))
    }

    fn named(&self, name: &ByteText) -> Option<&Span> {
        let wanted = key(name);
        let first = self.by_name.partition_point(|(key, _)| *key < wanted);
        let alike = self.by_name.iter().skip(first).take_while(|(key, _)| *key == wanted);
        alike.filter_map(|(_, index)| self.spans.get(*index)).find(|span| span.name == *name)
    }

    /// Some of the chains, by name.
    fn sorted(&self, wanted: impl Fn(&Span) -> bool) -> Vec<&Span> {
        let by_name = self.by_name.iter().filter_map(|(_, index)| self.spans.get(*index));
        by_name.filter(|span| wanted(span)).collect()
    }

    /// The name of the chain whose first rule is at an offset: where jumps lead to.
    pub(super) fn chain_at(&self, at: usize) -> Option<&ByteText> {
        let found = self.starts.partition_point(|(start, _)| *start < at);
        let (start, index) = *self.starts.get(found)?;
        self.spans.get(index).filter(|_| start == at).map(|span| &span.name)
    }

    fn entries(&self) -> &[u8] {
        self.bytes.get(self.offset..).unwrap_or_default()
    }

    fn family(&self) -> Family {
        self.id.family
    }

    fn chain_of(&self, span: &Span) -> Chain {
        Chain {
            id: self.id.chain(span.name.clone()),
            handle: None,
            base: span.base.as_ref().map(|base| base.0.clone()),
            counters: span.base.as_ref().map(|base| base.1),
            uses: None,
            flags: 0,
            comment: None,
            user_data: Bytes::default(),
        }
    }

    fn whole(&self, span: &Span) -> (Rules, Option<Malformed>) {
        let (rules, problem) = self.rules_of(span);
        (Rules { chain: self.chain_of(span), rules }, problem)
    }

    fn rules_of(&self, span: &Span) -> (Vec<Rule>, Option<Malformed>) {
        let Range { start, end } = span.rules;
        if end.saturating_sub(start) < LONG {
            return self.decoded(start, end, 0);
        }
        // Half of the rules, wherever that is.
        let half = self.count(start, end) / 2;
        let middle = self.offsets(start).nth(half).unwrap_or(end).min(end);
        let ((mut rules, problem), (mut others, other_problem)) =
            both(self.at_once, || self.decoded(start, middle, 0), || self.decoded(middle, end, half));
        if problem.is_none() {
            rules.append(&mut others);
        }
        (rules, problem.or(other_problem))
    }

    /// The rules from one entry up to another, `before` of which stand before them.
    fn decoded(&self, start: usize, end: usize, before: usize) -> (Vec<Rule>, Option<Malformed>) {
        // Counted before: most chains have a rule or two, and a vector that grows makes room for four.
        let mut rules = Vec::with_capacity(self.count(start, end));
        let mut problem = None;
        let mut at = start;
        while at < end {
            let read = Entry::at(self.family(), self.entries(), at)
                .and_then(|entry| Ok((rule::decode(self, self.family(), &entry)?, entry.end())));
            match read {
                Ok((body, next)) => {
                    let number = u32::try_from(before + rules.len() + 1).unwrap_or(u32::MAX);
                    let body = Body::Xt(Box::new(body));
                    rules.push(Rule { number, handle: None, body, comment: None, user_data: Bytes::default() });
                    at = next;
                }
                Err(error) => {
                    problem = Some(error);
                    break;
                }
            }
        }
        (rules, problem)
    }

    /// How many entries begin between two offsets, up to one that cannot be read.
    fn count(&self, start: usize, end: usize) -> usize {
        self.offsets(start).take_while(|at| *at < end).count()
    }

    /// Where entries begin, from one on.
    fn offsets(&self, start: usize) -> impl Iterator<Item = usize> {
        let next = |at: &usize| Entry::at(self.family(), self.entries(), *at).ok().map(|entry| entry.end());
        iter::successors(Some(start), next)
    }

    /// Those that hooks lead to.
    fn find_base_chains(&mut self, info: &Info) {
        for (hook, entry, underflow) in &info.hooks {
            let rules = to_usize(*entry)..to_usize(*underflow);
            let read = Entry::at(self.family(), self.entries(), rules.end).and_then(|entry| {
                let target = entry.target()?;
                let policy = match verdict(target.data).filter(|_| target.name.is_empty()) {
                    Some(rule::ACCEPT) => Policy::Accept,
                    Some(rule::DROP) => Policy::Drop,
                    _ => return Err(Malformed { at: entry.at, detail: "a policy" }),
                };
                Ok((policy, entry.counters()))
            });
            match read {
                Ok((policy, counters)) => {
                    let base = place(&self.id.name, *hook).map(|(priority, kind)| {
                        let base = Base { hook: *hook, priority, kind, policy, devices: Vec::new() };
                        Box::new((base, counters))
                    });
                    if base.is_none() {
                        let detail = "the priority of this table, which podnet does not know";
                        self.problems.push(Malformed { at: rules.end, detail });
                    }
                    let name = ByteText::from(hook.name().to_ascii_uppercase());
                    self.spans.push(Span { name, rules, base });
                }
                Err(error) => self.problems.push(error),
            }
        }
    }

    /// Those that begin with an entry whose target is `ERROR` and says their name.
    fn find_user_chains(&mut self, info: &Info) {
        let length = self.entries().len();
        let (walk, rest) = self.walked_by_two().unwrap_or_else(|| (self.walk(0, length), Vec::new()));
        if walk.outcome.is_ok() && walk.counted != info.entries {
            self.problems.push(Malformed { at: walk.at, detail: "as many entries as the kernel told of" });
        }
        self.problems.extend(walk.outcome.err());
        // At once: a table of 10,000 services has 40,000.
        self.spans = std::mem::take(&mut self.spans).into_iter().chain(walk.found).chain(rest).collect();
    }

    /// What two walks find at once: one up to the middle, one from there, and what the second found besides. `None`
    /// where the first does not come by where the second began, so that what that one took for entries may be none.
    fn walked_by_two(&self) -> Option<(Walk, Vec<Span>)> {
        let length = self.entries().len();
        let middle = if length < LONG { None } else { self.chain_after(length / 2) }?;
        let (first, second) = both(self.at_once, || self.walk(0, middle), || self.walk(middle, length));
        (first.outcome.is_ok() && first.at == middle).then(|| {
            let counted = first.counted.saturating_add(second.counted);
            (Walk { found: first.found, counted, ..second }, second.found)
        })
    }

    /// Where, past an offset, something stands that looks like the head of a chain.
    fn chain_after(&self, offset: usize) -> Option<usize> {
        let places = (offset.next_multiple_of(8)..self.entries().len()).step_by(8);
        places.into_iter().find(|at| Entry::heads_chain(self.family(), self.entries(), *at, ERROR_LENGTH))
    }

    /// Goes from entry to entry, up to one that begins at `until` or past it.
    fn walk(&self, from: usize, until: usize) -> Walk {
        let mut open: Option<(ByteText, usize)> = None;
        let (mut at, mut last, mut counted) = (from, from, 0_u32);
        let mut found = Vec::new();
        let length = self.entries().len();
        let outcome = loop {
            if at >= until {
                break Ok(());
            }
            let entry = match Entry::at(self.family(), self.entries(), at) {
                Ok(entry) => entry,
                Err(error) => break Err(error),
            };
            counted += 1;
            match entry.target_that_is_long(ERROR_LENGTH) {
                Err(error) => break Err(error),
                Ok(Some(target)) if target.name == b"ERROR" => {
                    if let Some((name, start)) = open.take() {
                        found.push(Span { name, rules: start..self.end_of_rules(start, last, at), base: None });
                    }
                    // The last one ends the table.
                    if entry.end() < length {
                        open = Some((ByteText::from(text(target.data)), entry.end()));
                    }
                }
                Ok(_) => {}
            }
            last = at;
            at = entry.end();
        };
        if let Some((name, start)) = open {
            // Another chain begins where this walk was to end; at the end of a table there should be none.
            let end = if outcome.is_ok() && until < length { self.end_of_rules(start, last, at) } else { at };
            found.push(Span { name, rules: start..end, base: None });
        }
        Walk { found, counted, at, outcome }
    }

    /// A user chain ends with a RETURN of its own, which is no rule of it.
    fn end_of_rules(&self, start: usize, last: usize, end: usize) -> usize {
        let is_return = Entry::at(self.family(), self.entries(), last).is_ok_and(|entry| {
            let returns =
                |target: super::entry::Part<'_>| target.name.is_empty() && verdict(target.data) == Some(rule::RETURN);
            entry.asks_nothing() && entry.target().is_ok_and(returns)
        });
        if last >= start && is_return { last } else { end }
    }
}

/// The beginning of a name, which is all of it (`XT_FUNCTION_MAXNAMELEN`): sorted and found where it stands, not
/// wherever the name is.
type Key = [u64; 4];

fn key(name: &ByteText) -> Key {
    let mut bytes = name.as_bytes().iter().copied().chain(iter::repeat(0));
    // A number orders as its bytes do, and takes no call to be compared.
    [(); 4].map(|()| bytes.by_ref().take(8).fold(0, |number, byte| (number << 8) | u64::from(byte)))
}

fn to_usize(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// Where a table's chains run. Source: `enum nf_ip_hook_priorities`, `iptable_*.c`.
fn place(table: &ByteText, hook: Hook) -> Option<(i32, ChainKind)> {
    Some(match table.as_bytes() {
        b"raw" => (-300, ChainKind::Filter),
        // `ipt_mangle_out` routes again where the mark, an address or the TOS was changed.
        b"mangle" if hook == Hook::Output => (-150, ChainKind::Route),
        b"mangle" => (-150, ChainKind::Filter),
        b"nat" if matches!(hook, Hook::Prerouting | Hook::Output) => (-100, ChainKind::Nat),
        b"nat" => (100, ChainKind::Nat),
        b"filter" => (0, ChainKind::Filter),
        b"security" => (50, ChainKind::Filter),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of an IPv4 entry without matches.
    const HEAD: usize = 112;

    /// An entry that asks nothing but what may stand in its source address: head, target, name.
    fn entry(bytes: &mut Vec<u8>, source: u32, name: &[u8], data: &[u8]) {
        let at = bytes.len();
        bytes.resize(at + HEAD + 32, 0);
        bytes.extend(data);
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        let length = u16::try_from(bytes.len() - at).unwrap();
        bytes[at..at + 4].copy_from_slice(&source.to_be_bytes());
        bytes[at + 88..at + 90].copy_from_slice(&u16::try_from(HEAD).unwrap().to_ne_bytes());
        bytes[at + 90..at + 92].copy_from_slice(&length.to_ne_bytes());
        bytes[at + HEAD..at + HEAD + 2].copy_from_slice(&(length - u16::try_from(HEAD).unwrap()).to_ne_bytes());
        bytes[at + HEAD + 2..at + HEAD + 2 + name.len()].copy_from_slice(name);
    }

    fn head(bytes: &mut Vec<u8>, name: &str) {
        let mut data = name.as_bytes().to_vec();
        data.resize(32, 0);
        entry(bytes, 0, b"ERROR", &data);
    }

    fn verdict(bytes: &mut Vec<u8>, source: u32, verdict: i32) {
        entry(bytes, source, b"", &verdict.to_ne_bytes());
    }

    /// Chains of so many rules each.
    fn chains(count: usize, rules: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        for chain in 0..count {
            head(&mut bytes, &format!("KUBE-SEP-{chain:016}"));
            (1..=rules).for_each(|rule| verdict(&mut bytes, rule, rule::ACCEPT));
            verdict(&mut bytes, 0, rule::RETURN);
        }
        head(&mut bytes, "ERROR");
        bytes
    }

    fn table(bytes: Vec<u8>) -> LegacyTable {
        let info = Info { hooks: Vec::new(), entries: 0, size: u32::try_from(bytes.len()).unwrap() };
        LegacyTable::new(TableRef::legacy(Family::Ip, "nat"), &info, bytes, 0)
    }

    fn found(walk: &Walk) -> Vec<(String, Range<usize>)> {
        walk.found.iter().map(|span| (span.name.to_string(), span.rules.clone())).collect()
    }

    #[test]
    fn two_walks_find_what_one_finds() {
        let table = table(chains(5000, 1));
        let whole = table.walk(0, table.entries().len());
        let (mut by_two, rest) = table.walked_by_two().expect("two walks that meet");
        by_two.found.extend(rest);
        assert_eq!(found(&by_two), found(&whole));
        assert_eq!((by_two.counted, by_two.at, by_two.outcome), (whole.counted, whole.at, whole.outcome));
        assert_eq!((whole.counted, whole.found.len()), (15_001, 5000));
        assert_eq!(table.rules(&"KUBE-SEP-0000000000004999".into()).unwrap().0.rules.len(), 1);
    }

    #[test]
    fn a_second_walk_that_begins_where_no_entry_does_is_not_believed() {
        // In the middle, a target of some other kind whose data are an entry before a chain to the last byte.
        let mut decoy = Vec::new();
        head(&mut decoy, "DECOY");
        let mut bytes = chains(2500, 1);
        bytes.truncate(bytes.len() - HEAD - ERROR_LENGTH);
        let half = bytes.len();
        for _ in 0..8 {
            entry(&mut bytes, 1, b"OTHER", &decoy);
        }
        verdict(&mut bytes, 0, rule::RETURN);
        bytes.extend(chains(2500, 1));
        let table = table(bytes);
        assert_eq!(table.chain_after(half), Some(half + HEAD + 32));
        let middle = table.chain_after(table.entries().len() / 2).unwrap();
        assert!((half..half + 8 * (HEAD + 32 + 176)).contains(&middle), "{middle} is not in the middle, at {half}");
        assert!(table.walked_by_two().is_none());
        assert_eq!(table.spans.len(), 5000);
    }

    #[test]
    fn the_rules_of_a_long_chain_are_numbered_through() {
        let table = table(chains(1, 10_001));
        let Range { start, end } = table.spans[0].rules;
        assert!(end - start >= LONG);
        let (rules, problem) = table.rules_in(&table.spans[0].name).unwrap();
        assert_eq!((rules.len(), problem), (10_001, None));
        assert_eq!(rules, table.decoded(start, end, 0).0);
        assert_eq!(rules.last().map(|rule| rule.number), Some(10_001));
    }
}
