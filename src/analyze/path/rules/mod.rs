//! Rules, held against one packet of which all is known: what each asks, in order, and what it does.
//!
//! The walk in [`crate::analyze::netfilter`] tells which rules may act on packets of a kind; this one
//! decides for one packet. A condition that cannot be decided (a rate, bytes that nothing tells)
//! forks the course. May import model and analyze's siblings only.

mod bytes;
mod kinds;
mod nft;
mod pieces;
mod register;
mod reverse;
mod sets;
mod target;
mod write;
mod xt;

pub(super) use self::pieces::Part;
pub(super) use self::sets::Noted;
use super::nat::Mapping;
use super::refusal::Refusal;
use super::types::{Counted, Stop};
use super::walk::{Crossing, Walk};
use crate::model::issue::Section;
use crate::model::netfilter::chain::{Chain, ChainRef, Policy, Rules};
use crate::model::netfilter::rule::{Body, Rule};
use crate::model::text::ByteText;

/// How deep chains may lead into one another; the kernel has 16 for nf_tables, and more for xtables.
const DEEPEST: usize = 64;
/// How many rules one base chain may ask.
const MOST_RULES: u32 = 250_000;

/// What a base chain decides.
pub(super) enum Ruling {
    /// The packet goes on.
    Accept,
    /// It ends here.
    Ends(Stop),
    /// Its flow is translated.
    Maps(Mapping),
}

/// What one rule does when it matches.
pub(super) enum Effect {
    /// The rule did not match, or the next one is asked all the same.
    Next,
    /// Something in the packet or its flow changed; the next rule is asked.
    Did(String),
    Accept,
    Drop,
    Reject(String, Refusal),
    Return,
    Jump(ByteText),
    Goto(ByteText),
    Map(Mapping),
}

struct Frame {
    chain: ChainRef,
    rules: Section<Option<Rules>>,
    next: usize,
}

impl Walk<'_, '_> {
    /// A base chain decides about one packet, or one piece.
    fn decides(&mut self, at: &Crossing, base: &Chain) -> Result<Ruling, Stop> {
        let mut stack = vec![self.opened(at, base.id.clone())?];
        let mut left = MOST_RULES;
        while let Some(frame) = stack.last_mut() {
            let rules = Section::clone(&frame.rules);
            let Some(rule) = rules.value.as_ref().and_then(|rules| rules.rules.get(frame.next)) else {
                stack.pop();
                continue;
            };
            frame.next += 1;
            left = left.checked_sub(1).ok_or_else(|| Stop::unknown(format!("{} has too many rules", base.id.name)))?;
            let chain = frame.chain.clone();
            let effect = match &rule.body {
                Body::Xt(xt) => self.xt_rule(at, &chain, rule, xt)?,
                Body::Nft(exprs) => self.nft_rule(at, &chain, rule, exprs)?,
            };
            let told = |walk: &mut Self, did: String| walk.act(at, &base.id, &chain, Some(rule), did);
            match effect {
                Effect::Next => self.try_rule(at, &chain, rule),
                Effect::Did(did) => told(self, did),
                Effect::Accept => {
                    told(self, "accepts it".to_owned());
                    return Ok(Ruling::Accept);
                }
                Effect::Drop => {
                    told(self, "drops it".to_owned());
                    return Ok(Ruling::Ends(Stop::dropped(by(&chain, rule, "drops it"))));
                }
                Effect::Reject(with, by_what) => {
                    told(self, format!("rejects it with {with}"));
                    return Ok(Ruling::Ends(Stop::rejected(with, by_what, by(&chain, rule, "rejects it"))));
                }
                Effect::Return => {
                    stack.pop();
                }
                Effect::Jump(name) => {
                    told(self, format!("to {name}"));
                    if stack.len() >= DEEPEST {
                        return Err(Stop::unknown(format!("chains lead into one another {DEEPEST} deep")));
                    }
                    stack.push(self.opened(at, chain.table.chain(name))?);
                }
                Effect::Goto(name) => {
                    told(self, format!("to {name}"));
                    stack.pop();
                    stack.push(self.opened(at, chain.table.chain(name))?);
                }
                Effect::Map(mapping) => {
                    told(self, "translates it".to_owned());
                    return Ok(Ruling::Maps(mapping));
                }
            }
        }
        match base.base.as_ref().map(|base| base.policy) {
            Some(Policy::Drop) => {
                self.act(at, &base.id, &base.id, None, "its policy drops it".to_owned());
                let table = &base.id.table;
                let why = format!("the policy of {} in {} {} drops it", base.id.name, table.family, table.name);
                Ok(Ruling::Ends(Stop::dropped(why)))
            }
            _ => Ok(Ruling::Accept),
        }
    }

    /// A rule's counter grows.
    fn count(&mut self, at: &Crossing, chain: &ChainRef, rule: &Rule) {
        if !self.is_told {
            return;
        }
        let netns = at.place.netns;
        self.counted.push(Counted {
            netns,
            chain: chain.clone(),
            number: rule.number,
            handle: rule.handle,
            is_sure: true,
        });
    }

    fn opened(&self, at: &Crossing, chain: ChainRef) -> Result<Frame, Stop> {
        let rules = self.world.chain(at.place, &chain)?;
        if rules.value.is_none() {
            return Err(Stop::unknown(format!("a rule leads to the chain {}, which is not there", chain.name)));
        }
        Ok(Frame { chain, rules, next: 0 })
    }

    /// Something that nobody can tell: both ways are walked.
    fn open(&mut self, what: impl Into<String>) -> bool {
        self.chance.holds(&what.into(), None)
    }
}

fn by(chain: &ChainRef, rule: &Rule, does: &str) -> String {
    format!("rule {} of {} in {} {} {does}", rule.number, chain.name, chain.table.family, chain.table.name)
}
