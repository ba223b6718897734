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
use crate::model::text::ByteText;

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

/// Reads a rule's expressions as an xtables rule, or gives them back. A comment in the rule's user
/// data is for the caller to add: [`add_comment`].
pub fn lift(family: Family, exprs: Vec<Expr>) -> Result<XtRule, Vec<Expr>> {
    match Lifting::new(family).and_then(|lifting| lifting.all(&exprs)) {
        Some(rule) => Ok(rule),
        None => Err(exprs),
    }
}

/// Adds what newer versions write into the rule's user data instead of a match: it is its last match.
pub fn add_comment(rule: &mut XtRule, comment: ByteText) {
    rule.matches.push(native("comment", Match::Comment(comment)));
}

/// A match that no blob told of.
fn native(name: &str, is: Match) -> XtMatch {
    XtMatch { name: name.into(), revision: 0, is }
}

/// A target that no blob told of.
fn native_target(name: &str, does: Target) -> XtTarget {
    XtTarget { name: name.into(), revision: 0, does }
}

/// What a register holds.
#[derive(Debug, Clone)]
enum Held {
    Payload { base: PayloadBase, offset: u32, length: u32 },
    Meta(u32),
    CtMark,
    Value(Vec<u8>),
}

impl Held {
    /// How many bytes of the registers it takes.
    fn length(&self) -> usize {
        match self {
            Self::Payload { length, .. } => usize::try_from(*length).unwrap_or(usize::MAX),
            Self::Meta(META_IIFNAME | META_OIFNAME) => 16,
            Self::Meta(_) | Self::CtMark => 4,
            Self::Value(value) => value.len(),
        }
    }
}

/// What a register holds, and the bits of it that are left.
#[derive(Debug, Clone)]
struct Loaded {
    held: Held,
    mask: Option<Vec<u8>>,
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
    /// By offset in the data registers.
    registers: Vec<(usize, Loaded)>,
    header: Header,
    matches: Vec<XtMatch>,
    target: Option<XtTarget>,
    counters: Option<Counters>,
}

impl Lifting {
    fn new(family: Family) -> Option<Self> {
        matches!(family, Family::Ip | Family::Ip6).then(|| Self {
            family,
            registers: Vec::new(),
            header: Header::default(),
            matches: Vec::new(),
            target: None,
            counters: None,
        })
    }

    fn all(mut self, exprs: &[Expr]) -> Option<XtRule> {
        // Counted first: a list that grows makes room for four, and most rules have a match or two.
        self.matches.reserve_exact(exprs.iter().filter(|expr| matches!(expr, Expr::XtMatch(_))).count());
        for expr in exprs {
            self.one(expr)?;
        }
        let nothing = XtTarget { name: ByteText::default(), revision: 0, does: Target::Nothing };
        Some(XtRule {
            header: self.header,
            matches: self.matches,
            target: self.target.unwrap_or(nothing),
            counters: self.counters,
        })
    }

    fn one(&mut self, expr: &Expr) -> Option<()> {
        match expr {
            Expr::Counter(counters) => match self.counters.replace(*counters) {
                None => Some(()),
                Some(_) => None,
            },
            Expr::Payload { to, base, offset, length } => {
                self.load(*to, Held::Payload { base: *base, offset: *offset, length: *length })
            }
            Expr::Meta { to, key } => self.load(*to, Held::Meta(*key)),
            Expr::Ct { to, key: CT_MARK, direction: None } => self.load(*to, Held::CtMark),
            Expr::Immediate { to, data: Data::Value(value) } => self.load(*to, Held::Value(value.0.clone())),
            Expr::Bitwise { from, to, op: BitwiseOp::MaskXor { mask, xor }, .. } => {
                self.narrow(*from, *to, &mask.0, &xor.0)
            }
            Expr::Cmp { from, op, value } => {
                let loaded = self.loaded(*from)?.clone();
                self.compare(&loaded.held, Comparison { mask: loaded.mask.as_deref(), op: *op, value: &value.0 })
            }
            Expr::Range { from, not, min, max } => {
                self.ask()?;
                let loaded = self.loaded(*from)?.clone();
                self.port_range(&loaded, *not, &min.0, &max.0)
            }
            Expr::XtMatch(found) => {
                self.ask()?;
                self.matches.push(found.clone());
                Some(())
            }
            Expr::Limit(limit) => {
                self.ask()?;
                self.matches.push(native("limit", Match::Limit(rate(limit)?)));
                Some(())
            }
            _ => {
                let target = targets::read(self, expr)?;
                match self.target.replace(target) {
                    None => Some(()),
                    // Nothing comes after a target.
                    Some(_) => None,
                }
            }
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

    fn load(&mut self, to: Register, held: Held) -> Option<()> {
        self.put(to, Loaded { held, mask: None })
    }

    fn put(&mut self, to: Register, loaded: Loaded) -> Option<()> {
        let at = to.offset()?;
        let end = at.saturating_add(loaded.held.length());
        self.registers.retain(|(other, old)| *other >= end || other.saturating_add(old.held.length()) <= at);
        self.registers.push((at, loaded));
        Some(())
    }

    fn loaded(&self, from: Register) -> Option<&Loaded> {
        let at = from.offset()?;
        self.registers.iter().find(|(other, _)| *other == at).map(|(_, loaded)| loaded)
    }

    /// The value a register was given; `None` where it holds what only a packet has.
    fn value(&self, from: Register) -> Option<&[u8]> {
        match self.loaded(from)? {
            Loaded { held: Held::Value(value), mask: None } => Some(value),
            _ => None,
        }
    }

    fn narrow(&mut self, from: Register, to: Register, mask: &[u8], xor: &[u8]) -> Option<()> {
        let mut loaded = self.loaded(from)?.clone();
        if loaded.mask.is_some() || xor.iter().any(|byte| *byte != 0) || matches!(loaded.held, Held::Value(_)) {
            return None;
        }
        loaded.mask = Some(mask.to_vec());
        self.put(to, loaded)
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
