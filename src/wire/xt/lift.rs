//! What iptables-nft wrote as nf_tables expressions, read back as the xtables rule it stands for.
//!
//! May import model only. A rule is lifted whole or not at all: what iptables-nft would not write, and
//! what would mean something else as an xtables rule, stays a row of expressions. Expressions are as
//! versions from 1.8.0 on write them; newer ones use native expressions where older ones use compat matches.

mod header;
mod targets;
mod transport;

#[cfg(test)]
mod tests;

use crate::model::ids::Mark;
use crate::model::netfilter::expr::{BitwiseOp, Compare, Data, Expr, Limit, PayloadBase, Register};
use crate::model::netfilter::table::{Counters, Family};
use crate::model::netfilter::xt::matches::{Match, Rate};
use crate::model::netfilter::xt::targets::Target;
use crate::model::netfilter::xt::{Header, Test, XtMatch, XtRule, XtTarget};
use crate::model::text::{ByteText, Bytes};

// `NFT_META_*`
const META_MARK: u32 = 3;
const META_IIFNAME: u32 = 6;
const META_OIFNAME: u32 = 7;
const META_NFTRACE: u32 = 12;
const META_L4PROTO: u32 = 16;
const META_PKTTYPE: u32 = 19;
/// `NFT_CT_MARK`
const CT_MARK: u32 = 3;
/// `XT_LIMIT_SCALE`
const LIMIT_SCALE: u64 = 10_000;

/// Reads a rule's expressions as an xtables rule; `None` where they are none, and then what is left of them was
/// not asked for. A comment in the rule's user data is for the caller to add: [`add_comment`].
///
/// Expressions are taken one by one, and what they hold is moved, not copied: of the hundred thousand rules of
/// a large node nearly all are lifted.
pub fn lift(family: Family, exprs: impl IntoIterator<Item = Expr>) -> Option<XtRule> {
    let mut lifting = Lifting::new(family)?;
    let mut registers = Registers::default();
    for expr in exprs {
        lifting.one(expr, &mut registers)?;
    }
    Some(lifting.done())
}

/// Adds what newer versions write into the rule's user data instead of a match: it is its last match.
pub fn add_comment(rule: &mut XtRule, comment: ByteText) {
    rule.matches.push(native("comment", Match::Comment(comment)));
}

/// A match that no blob told of.
fn native(name: &'static str, is: Match) -> XtMatch {
    XtMatch { name: ByteText::fixed(name), revision: 0, is }
}

/// A target that no blob told of.
fn native_target(name: &'static str, does: Target) -> XtTarget {
    XtTarget { name: ByteText::fixed(name), revision: 0, does }
}

/// What a register holds.
#[derive(Debug)]
enum Held {
    Payload { base: PayloadBase, offset: u32, length: u32 },
    Meta(u32),
    CtMark,
    Value(Bytes),
}

impl Held {
    /// How many bytes of the registers it takes.
    fn length(&self) -> usize {
        match self {
            Self::Payload { length, .. } => usize::try_from(*length).unwrap_or(usize::MAX),
            Self::Meta(META_IIFNAME | META_OIFNAME) => 16,
            Self::Meta(_) | Self::CtMark => 4,
            Self::Value(value) => value.0.len(),
        }
    }
}

/// What a register holds, and the bits of it that are left.
#[derive(Debug)]
struct Loaded {
    held: Held,
    mask: Option<Bytes>,
}

/// What the registers hold, by offset.
#[derive(Debug, Default)]
struct Registers(Vec<(usize, Loaded)>);

impl Registers {
    fn load(&mut self, to: Register, held: Held) -> Option<()> {
        self.put(to, Loaded { held, mask: None })
    }

    fn put(&mut self, to: Register, loaded: Loaded) -> Option<()> {
        let at = to.offset()?;
        let end = at.saturating_add(loaded.held.length());
        self.0.retain(|(other, old)| *other >= end || other.saturating_add(old.held.length()) <= at);
        self.0.push((at, loaded));
        Some(())
    }

    fn loaded(&self, from: Register) -> Option<&Loaded> {
        let at = from.offset()?;
        self.0.iter().find(|(other, _)| *other == at).map(|(_, loaded)| loaded)
    }

    /// The value a register was given; `None` where it holds what only a packet has.
    fn value(&self, from: Register) -> Option<&[u8]> {
        match self.loaded(from)? {
            Loaded { held: Held::Value(value), mask: None } => Some(&value.0),
            _ => None,
        }
    }

    /// Leaves only some bits of what a register holds.
    fn narrow(&mut self, from: Register, to: Register, mask: Bytes, xor: &Bytes) -> Option<()> {
        let loaded = self.loaded(from)?;
        if loaded.mask.is_some() || xor.0.iter().any(|byte| *byte != 0) {
            return None;
        }
        let held = match loaded.held {
            Held::Payload { base, offset, length } => Held::Payload { base, offset, length },
            Held::Meta(key) => Held::Meta(key),
            Held::CtMark => Held::CtMark,
            Held::Value(_) => return None,
        };
        self.put(to, Loaded { held, mask: Some(mask) })
    }
}

/// What is compared with what.
#[derive(Debug, Clone, Copy)]
struct Comparison<'a> {
    mask: Option<&'a [u8]>,
    op: Compare,
    value: &'a [u8],
}

impl Comparison<'_> {
    /// Whether it is turned around; `None` where it is no question of equality.
    fn not(&self) -> Option<bool> {
        match self.op {
            Compare::Eq => Some(false),
            Compare::Neq => Some(true),
            _ => None,
        }
    }

    /// One number of four bytes and its mask, in the machine's byte order: a mark.
    fn mark(&self) -> Option<Test<Mark>> {
        let number = |bytes: &[u8]| Some(u32::from_ne_bytes(bytes.try_into().ok()?));
        let mask = self.mask.map_or(Some(u32::MAX), number)?;
        Some(Test { not: self.not()?, value: Mark { value: number(self.value)?, mask } })
    }

    /// One byte, all of whose bits count.
    fn byte(&self) -> Option<u8> {
        match (self.value, self.mask) {
            ([byte], None) => Some(*byte),
            _ => None,
        }
    }
}

/// A rule as far as it is read. Each step is `None` where the expression has no place in such a rule.
#[derive(Debug)]
struct Lifting {
    family: Family,
    header: Header,
    matches: Vec<XtMatch>,
    target: Option<XtTarget>,
    counters: Option<Counters>,
}

impl Lifting {
    fn new(family: Family) -> Option<Self> {
        matches!(family, Family::Ip | Family::Ip6).then(|| Self {
            family,
            header: Header::default(),
            // A list that grows makes room for four, and most rules have a match or two.
            matches: Vec::with_capacity(2),
            target: None,
            counters: None,
        })
    }

    fn done(mut self) -> XtRule {
        self.matches.shrink_to_fit();
        let nothing = || XtTarget { name: ByteText::default(), revision: 0, does: Target::Nothing };
        XtRule {
            header: self.header,
            matches: self.matches,
            target: self.target.unwrap_or_else(nothing),
            counters: self.counters,
        }
    }

    fn one(&mut self, expr: Expr, registers: &mut Registers) -> Option<()> {
        match expr {
            Expr::Counter(counters) => header::set(&mut self.counters, counters),
            Expr::Payload { to, base, offset, length } => registers.load(to, Held::Payload { base, offset, length }),
            Expr::Meta { to, key } => registers.load(to, Held::Meta(key)),
            Expr::Ct { to, key: CT_MARK, direction: None } => registers.load(to, Held::CtMark),
            Expr::Immediate { to, data: Data::Value(value) } => registers.load(to, Held::Value(value)),
            Expr::Bitwise { from, to, op: BitwiseOp::MaskXor { mask, xor }, .. } => {
                registers.narrow(from, to, mask, &xor)
            }
            Expr::Cmp { from, op, value } => {
                let Loaded { held, mask } = registers.loaded(from)?;
                let mask = mask.as_ref().map(|mask| mask.0.as_slice());
                self.compare(held, Comparison { mask, op, value: &value.0 })
            }
            Expr::Range { from, not, min, max } => {
                self.ask()?;
                self.port_range(registers.loaded(from)?, not, &min.0, &max.0)
            }
            Expr::XtMatch(found) => {
                self.ask()?;
                self.matches.push(found);
                Some(())
            }
            Expr::Limit(limit) => {
                self.ask()?;
                self.matches.push(native("limit", Match::Limit(rate(&limit)?)));
                Some(())
            }
            // Nothing comes after a target.
            expr => header::set(&mut self.target, targets::read(self.family, registers, expr)?),
        }
    }

    /// Before a further condition: neither counter nor target may stand before it, for in an xtables
    /// rule they do not.
    fn ask(&self) -> Option<()> {
        (self.counters.is_none() && self.target.is_none()).then_some(())
    }

    /// Before a condition of the rule's head: a match that notes what it sees must not stand before it.
    fn ask_head(&self) -> Option<()> {
        let harmless = |found: &XtMatch| {
            matches!(
                found.is,
                Match::Comment(_)
                    | Match::Tcp(_)
                    | Match::Udp(_)
                    | Match::Icmp(_)
                    | Match::Icmp6(_)
                    | Match::Mark(_)
                    | Match::Connmark(_)
                    | Match::Pkttype(_)
                    | Match::Ttl(_)
            )
        };
        self.matches.iter().all(harmless).then_some(())
    }

    fn compare(&mut self, held: &Held, asked: Comparison<'_>) -> Option<()> {
        self.ask()?;
        match held {
            Held::Payload { base: PayloadBase::Network, offset, length } => {
                self.network(*offset, usize::try_from(*length).ok()?, asked)
            }
            Held::Payload { base: PayloadBase::Transport, offset, length } => {
                self.transport(*offset, usize::try_from(*length).ok()?, asked)
            }
            Held::Meta(META_IIFNAME | META_OIFNAME) if asked.mask.is_some() => None,
            Held::Meta(META_IIFNAME) => {
                self.ask_head()?;
                header::set(&mut self.header.in_interface, header::interface(asked)?)
            }
            Held::Meta(META_OIFNAME) => {
                self.ask_head()?;
                header::set(&mut self.header.out_interface, header::interface(asked)?)
            }
            Held::Meta(META_L4PROTO) => self.protocol(asked),
            Held::Meta(META_MARK) => {
                self.matches.push(native("mark", Match::Mark(asked.mark()?)));
                Some(())
            }
            Held::Meta(META_PKTTYPE) => {
                let test = Test { not: asked.not()?, value: u16::from(asked.byte()?) };
                self.matches.push(native("pkttype", Match::Pkttype(test)));
                Some(())
            }
            Held::CtMark => {
                self.matches.push(native("connmark", Match::Connmark(asked.mark()?)));
                Some(())
            }
            _ => None,
        }
    }

    fn protocol(&mut self, asked: Comparison<'_>) -> Option<()> {
        self.ask_head()?;
        let test = Test { not: asked.not()?, value: u16::from(asked.byte()?) };
        header::set(&mut self.header.protocol, test)
    }
}

/// A rate as `-m limit` keeps it.
fn rate(limit: &Limit) -> Option<Rate> {
    if limit.bytes || limit.over {
        return None;
    }
    let average = limit.unit.checked_mul(LIMIT_SCALE)?.checked_div(limit.rate)?;
    Some(Rate { average: u32::try_from(average).ok()?, burst: limit.burst })
}
