//! One table of the text: its chains first, its rules when all chains are known.
//!
//! May import model only.

use std::collections::{BTreeMap, BTreeSet};

use super::rule::{self, Around, Wrong};
use super::values::number;
use super::words::{Line, Word};
use super::{Remarks, base};
use crate::model::issue::Read;
use crate::model::netfilter::chain::{Chain, Policy, Rules};
use crate::model::netfilter::rule::{Body, Rule};
use crate::model::netfilter::table::{BackEnd, Counters, Family, TableRef};
use crate::model::netfilter::xt::targets::Target;
use crate::model::netfilter::xt::{Header, XtRule, XtTarget};
use crate::model::snapshot::TableSections;
use crate::model::text::Bytes;

/// No table has more chains than this.
const CHAIN_LIMIT: usize = 1_000_000;
/// No table has more rules than this.
const RULE_LIMIT: usize = 4_000_000;

/// A rule whose words are not read yet.
#[derive(Debug)]
struct Pending<'a> {
    line: Line<'a>,
    chain: Vec<u8>,
    counters: Option<Counters>,
    /// How many words come before the rule's own; `None`: they could not be told.
    skip: Option<usize>,
}

/// A chain as its line tells it.
#[derive(Debug, Clone, Copy)]
struct Told {
    policy: Option<Policy>,
    counters: Option<Counters>,
}

/// A table whose text is not read to its end.
#[derive(Debug)]
pub(super) struct Draft<'a> {
    /// Its name.
    pub name: &'a [u8],
    /// As the program that wrote it tells.
    pub back_end: BackEnd,
    /// Likewise.
    pub family: Option<Family>,
    /// Where it begins.
    pub line: usize,
    chains: BTreeMap<Vec<u8>, Told>,
    rules: Vec<Pending<'a>>,
}

impl<'a> Draft<'a> {
    /// A table without anything in it.
    pub fn new(name: &'a [u8], back_end: BackEnd, family: Option<Family>, line: usize) -> Self {
        Self { name, back_end, family, line, chains: BTreeMap::new(), rules: Vec::new() }
    }

    /// Takes a line within the table.
    pub fn line(&mut self, line: Line<'a>) -> Result<(), Wrong> {
        if line.text.first() == Some(&b':') {
            return self.chain(&line);
        }
        let words = line.words.as_deref().unwrap_or_default();
        let (counters, at) = match words.first() {
            Some(word) if word.text.first() == Some(&b'[') => {
                (Some(counters(word).ok_or((word.start, "[PACKETS:BYTES] expected"))?), 1)
            }
            _ => (None, 0),
        };
        let [verb, chain, ..] = words.get(at..).unwrap_or_default() else {
            return Err((0, "-A CHAIN expected"));
        };
        if !verb.is("-A") && !verb.is("--append") {
            return Err((verb.start, "-A CHAIN expected"));
        }
        if self.rules.len() >= RULE_LIMIT {
            return Err((0, "too many rules"));
        }
        let chain = chain.text.to_vec();
        self.rules.push(Pending { line, chain, counters, skip: Some(at + 2) });
        Ok(())
    }

    /// Keeps the place of a rule whose words cannot be told.
    pub fn broken(&mut self, line: &Line<'a>) {
        let mut words = line.text.split(|byte| *byte == b' ');
        if let (Some(b"-A"), Some(chain)) = (words.find(|word| !word.starts_with(b"[")), words.next())
            && self.rules.len() < RULE_LIMIT
        {
            let chain = chain.to_vec();
            self.rules.push(Pending { line: line.clone(), chain, counters: None, skip: None });
        }
    }

    /// `:KUBE-SERVICES - [0:0]`
    fn chain(&mut self, line: &Line<'a>) -> Result<(), Wrong> {
        let words = line.words.as_deref().unwrap_or_default();
        let (Some(name), Some(policy)) = (words.first(), words.get(1)) else {
            return Err((0, ":CHAIN POLICY expected"));
        };
        let text = name.text.get(1..).unwrap_or_default().to_vec();
        let policy = match &*policy.text {
            b"ACCEPT" => Some(Policy::Accept),
            b"DROP" => Some(Policy::Drop),
            b"-" => None,
            _ => return Err((policy.start, "ACCEPT, DROP or - expected")),
        };
        let counters = match words.get(2) {
            Some(word) => Some(counters(word).ok_or((word.start, "[PACKETS:BYTES] expected"))?),
            None => None,
        };
        if self.chains.len() >= CHAIN_LIMIT {
            return Err((0, "too many chains"));
        }
        match self.chains.insert(text, Told { policy, counters }) {
            None => Ok(()),
            Some(_) => Err((0, "the chain stands in the table twice")),
        }
    }

    /// The family that the addresses and names of its rules tell.
    pub fn family_of_content(&self) -> Option<Family> {
        self.rules.iter().find_map(|rule| {
            let words = rule.line.words.as_deref().ok()?;
            words.iter().zip(words.iter().skip(1)).find_map(|(option, value)| {
                let value = value.str()?;
                match option.str()? {
                    "-s" | "-d" | "--to-destination" | "--to-source" | "--mask" | "--on-ip" | "--gateway" => {
                        let colons = value.bytes().filter(|byte| *byte == b':').count();
                        Some(if colons > 1 { Family::Ip6 } else { Family::Ip }).filter(|_| !value.starts_with(':'))
                    }
                    "-m" if value == "icmp6" || value == "hl" => Some(Family::Ip6),
                    "-m" if value == "icmp" || value == "ttl" => Some(Family::Ip),
                    _ => None,
                }
            })
        })
    }

    /// Reads its rules.
    pub fn finish(self, table: TableRef, remarks: &mut Remarks) -> TableSections {
        let names: BTreeSet<Vec<u8>> = self.chains.keys().cloned().collect();
        let mut chains: BTreeMap<Vec<u8>, Rules> = BTreeMap::new();
        for (name, told) in self.chains {
            if told.policy.is_some() && base::base(self.name, &name, Policy::Accept).is_none() {
                remarks.error(self.line, 0, "a base chain that xtables has not in this table: its hook is not known");
            }
            let chain = chain(&table, self.name, &name, told);
            chains.insert(name, Rules { chain, rules: Vec::new() });
        }
        for pending in self.rules {
            let around = Around { line: pending.line.text, chains: &names, family: table.family };
            let body = match body(&pending, around) {
                Ok(body) => body,
                Err((at, what)) => {
                    // Where the words cannot be told, that was said already.
                    if pending.skip.is_some() {
                        remarks.error(pending.line.number, at, what);
                    }
                    not_understood(pending.line.text)
                }
            };
            let rules = chains.entry(pending.chain).or_insert_with_key(|name| {
                remarks.error(pending.line.number, 0, "a rule of a chain that the table does not have");
                let told = Told { policy: None, counters: None };
                Rules { chain: chain(&table, self.name, name, told), rules: Vec::new() }
            });
            let number = u32::try_from(rules.rules.len()).unwrap_or(u32::MAX).saturating_add(1);
            let body = Body::Xt(Box::new(XtRule { counters: body.counters.or(pending.counters), ..body }));
            rules.rules.push(Rule { number, handle: None, body, comment: None, user_data: Bytes::default() });
        }
        let chains = Read::ok(chains.into_values().collect()).section();
        TableSections {
            table,
            chains,
            sets: Read::ok(Vec::new()).section(),
            elements: Vec::new(),
            objects: Read::ok(Vec::new()).section(),
        }
    }
}

fn body(pending: &Pending<'_>, around: Around<'_>) -> Result<XtRule, Wrong> {
    let words = pending.line.words.as_deref().map_err(|(at, what)| (*at, *what))?;
    let skip = pending.skip.unwrap_or(usize::MAX);
    rule::read(words.get(skip..).unwrap_or_default(), around)
}

/// A rule that must not be taken for one that asks nothing, nor be missing.
fn not_understood(line: &[u8]) -> XtRule {
    XtRule {
        header: Header { unknown: Bytes::from(line), ..Header::default() },
        matches: Vec::new(),
        target: XtTarget { name: "".into(), revision: 0, does: Target::Unknown(Bytes::from(line)) },
        counters: None,
    }
}

fn chain(table: &TableRef, table_name: &[u8], name: &[u8], told: Told) -> Chain {
    let base = told.policy.and_then(|policy| base::base(table_name, name, policy));
    let counters = told.counters.filter(|counters| {
        // Chains that do not count are written with zeros.
        base.is_some() && (table.back_end == BackEnd::Legacy || *counters != Counters::default())
    });
    Chain {
        id: table.chain(name),
        handle: None,
        base,
        counters,
        uses: None,
        flags: 0,
        comment: None,
        user_data: Bytes::default(),
    }
}

/// `[12:720]`
fn counters(word: &Word<'_>) -> Option<Counters> {
    let (packets, bytes) = word.str()?.strip_prefix('[')?.strip_suffix(']')?.split_once(':')?;
    Some(Counters { packets: number(packets)?, bytes: number(bytes)? })
}
