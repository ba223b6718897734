//! Rules of nf_tables: a register machine over what is known of the packet.
//!
//! May import model and analyze's siblings only.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Effect;
use super::bytes::payload;
use super::register::{Registers, Value};
use super::reverse;
use crate::analyze::netfilter::deed::TranslationKind;
use crate::analyze::path::flow::Tracking;
use crate::analyze::path::frame::Layer;
use crate::analyze::path::nat::Mapping;
use crate::analyze::path::refusal::Refusal;
use crate::analyze::path::types::Stop;
use crate::analyze::path::walk::{Crossing, Walk};
use crate::analyze::path::world::World;
use crate::model::netfilter::chain::ChainRef;
use crate::model::netfilter::expr::{BitwiseOp, Compare, Data, Expr, Nat, NatKind, Register, Verdict};
use crate::model::netfilter::rule::Rule;
use crate::model::netfilter::set::Set;
use crate::model::netfilter::words::key;
use crate::model::netfilter::xt::targets::NatRange;
use crate::model::route::Family;
use crate::model::text::{ByteText, Bytes};

/// `NFT_EXTHDR_OP_TCPOPT`
const TCP_OPTION: u32 = 1;
/// `NFT_CT_MARK`
const CT_MARK: u32 = 3;
/// `NFT_META_PKTTYPE`
const META_PKTTYPE: u32 = 19;
/// `NFT_CT_ZONE`
const CT_ZONE: u32 = 17;

/// How a rule goes on behind an expression.
enum Step {
    On,
    /// The rule does not match.
    Break,
    Does(Effect),
}

fn length(bytes: u32) -> usize {
    usize::try_from(bytes).unwrap_or(64).min(64)
}

impl Walk<'_, '_> {
    pub(super) fn nft_rule(
        &mut self,
        at: &Crossing,
        chain: &ChainRef,
        rule: &Rule,
        exprs: &[Expr],
    ) -> Result<Effect, Stop> {
        let mut registers = Registers::default();
        let mut did: Option<String> = None;
        for expr in exprs {
            if let Expr::Counter(_) = expr {
                self.count(at, chain, rule);
                continue;
            }
            match self.nft_step(at, chain, &mut registers, expr)? {
                Step::On => {}
                Step::Break => break,
                Step::Does(Effect::Next) => return Ok(did.map_or(Effect::Next, Effect::Did)),
                Step::Does(Effect::Did(words)) => did = Some(words),
                Step::Does(effect) => return Ok(effect),
            }
        }
        Ok(did.map_or(Effect::Next, Effect::Did))
    }

    fn condition(&mut self, holds: Option<bool>, what: impl FnOnce() -> String) -> Step {
        let holds = holds.unwrap_or_else(|| self.open(what()));
        if holds { Step::On } else { Step::Break }
    }

    fn nft_step(
        &mut self,
        at: &Crossing,
        chain: &ChainRef,
        registers: &mut Registers,
        expr: &Expr,
    ) -> Result<Step, Stop> {
        let what = || format!("a condition of a rule in {}", chain.name);
        let mut load = |to: Register, value: Option<Value>| match value {
            Some(value) => {
                registers.set(to, &value);
                Step::On
            }
            None => Step::Break,
        };
        Ok(match expr {
            Expr::Immediate { data: Data::Verdict(verdict), .. } => verdict_step(verdict)?,
            Expr::Immediate { to, data: Data::Value(value) } => load(*to, Some(Value::of(value.0.clone()))),
            Expr::Cmp { from, op, value } => {
                let holds = registers.get(*from, value.0.len()).compares(*op, &value.0);
                self.condition(holds, what)
            }
            Expr::Range { from, not, min, max } => {
                let held = registers.get(*from, min.0.len());
                let holds = held
                    .compares(Compare::Gte, &min.0)
                    .zip(held.compares(Compare::Lte, &max.0))
                    .map(|(above, below)| (above && below) != *not);
                self.condition(holds, what)
            }
            Expr::Bitwise { from, to, length: count, op } => {
                let held = registers.get(*from, length(*count));
                let value = match op {
                    BitwiseOp::MaskXor { mask, xor } => held.masked(&mask.0, &xor.0),
                    BitwiseOp::ShiftLeft(by) => held.shifted(true, *by),
                    BitwiseOp::ShiftRight(by) => held.shifted(false, *by),
                    BitwiseOp::Registers { op, other } => two(&held, &registers.get(*other, length(*count)), *op),
                };
                registers.set(*to, &value);
                Step::On
            }
            Expr::Byteorder { from, to, length: count, size, .. } => {
                let held = registers.get(*from, length(*count));
                let value = if cfg!(target_endian = "little") { held.swapped(length(*size)) } else { held };
                registers.set(*to, &value);
                Step::On
            }
            Expr::Payload { to, base, offset, length } => load(*to, payload(self, *base, *offset, *length)),
            Expr::Meta { to, key } => load(*to, self.meta(at, *key)),
            Expr::Ct { .. } if self.frame.layer == Layer::Bridge => {
                return Err(Stop::unknown(
                    "conntrack in a bridge (nf_conntrack_bridge), which is not followed (unproven)",
                ));
            }
            Expr::Ct { to, key, direction } => load(*to, self.ct(*key, *direction)),
            Expr::Fib { .. } if self.frame.arp.is_some() => Step::Break,
            Expr::Fib { to, result, flags } => {
                let value = self.fib(at, *result, *flags)?;
                registers.set(*to, &value);
                Step::On
            }
            Expr::Numgen { to, modulus, random, offset } => {
                let how = if *random { "random" } else { "inc" };
                let value = self.drawn(&format!("numgen {how} mod {modulus}"), *modulus, *offset);
                self.drawn.push(at.place);
                registers.set(*to, &value);
                Step::On
            }
            Expr::Hash { to, modulus, offset, .. } => {
                let value = self.drawn(&format!("a hash of the flow mod {modulus}"), *modulus, *offset);
                registers.set(*to, &value);
                Step::On
            }
            Expr::Rt { to, key } => {
                let bits = key::rt(*key).map_or(32, |key| key.bits);
                registers.set(*to, &Value::unknown(length(bits.div_ceil(8))));
                Step::On
            }
            Expr::Socket { to, .. } => {
                if !self.open(what()) {
                    return Ok(Step::Break);
                }
                registers.set(*to, &Value::unknown(4));
                Step::On
            }
            Expr::Exthdr { to: Some(to), length: count, .. } => {
                if !self.open(what()) {
                    return Ok(Step::Break);
                }
                registers.set(*to, &Value::unknown(length(*count).max(4)));
                Step::On
            }
            _ => return self.nft_deed(at, chain, registers, expr),
        })
    }

    /// What does something, or asks for what hangs on more than the packet.
    fn nft_deed(
        &mut self,
        at: &Crossing,
        chain: &ChainRef,
        registers: &mut Registers,
        expr: &Expr,
    ) -> Result<Step, Stop> {
        let what = || format!("a condition of a rule in {}", chain.name);
        Ok(match expr {
            Expr::MetaSet { from, key: key::META_MARK } => {
                let mark = registers.get(*from, 4).number();
                self.packet.mark = mark.ok_or_else(|| Stop::unknown("a mark that nothing tells"))?;
                Step::Does(Effect::Did(format!("marks it {:#x}", self.packet.mark)))
            }
            Expr::MetaSet { from, key: META_PKTTYPE } => {
                let kind = registers.get(*from, 1);
                match (kind.is_known(), kind.bytes.first()) {
                    (true, Some(kind)) if u16::from(*kind) == self.packet_type(at) => Step::On,
                    // Of what is for everybody or for many it does nothing; which frames are then taken is not followed.
                    _ => return Err(Stop::unknown("a rule changes for whom the packet is taken (meta pkttype set)")),
                }
            }
            Expr::CtSet { key: CT_ZONE, direction: Some(_), .. } => {
                return Err(Stop::unknown(
                    "a zone of one direction only (ct original zone set), which is not followed",
                ));
            }
            Expr::CtSet { from, key, .. } => self.ct_set(*key, &registers.get(*from, 4))?,
            Expr::Notrack => Step::Does(self.keep_untracked_or_on()),
            Expr::Lookup { set, from, to, not } => self.lookup(at, chain, registers, (set, *from, *to, *not))?,
            // In a table of both families: packets of the other one pass it by.
            Expr::Nat(Nat { family: Some(family @ (2 | 10)), .. })
                if (*family == 2) != (self.packet.family() == Family::Ipv4) =>
            {
                Step::On
            }
            Expr::Nat(nat) => Step::Does(Effect::Map(mapping(nat, registers)?)),
            Expr::Reject { .. } if self.frame.layer == Layer::DeviceInet => {
                return Err(Stop::unknown("inet's ingress that rejects, which is not followed (unproven)"));
            }
            Expr::Reject { .. } if self.frame.layer == Layer::Bridge => {
                return Err(Stop::unknown("a bridge that rejects, which is not followed (unproven)"));
            }
            Expr::Reject { kind, code } => {
                let family = self.packet.family();
                let words = reject_words(*kind, *code, family).to_owned();
                Step::Does(Effect::Reject(words, Refusal::of_nft(*kind, *code, family)))
            }
            Expr::XtMatch(found) => {
                let holds = self.xt_holds(at, found, chain.table.family)?;
                self.condition(Some(holds), what)
            }
            Expr::XtTarget(target) => Step::Does(self.xt_target(at, target)?),
            Expr::Limit(_) => self.condition(None, || "limit rate".to_owned()),
            Expr::Quota(_) => self.condition(None, || "quota".to_owned()),
            Expr::Objref { object: Some(object), .. } if !matches!(object.kind, 2 | 4 | 5) => Step::On,
            Expr::Objref { .. } => self.condition(None, || "a named limit, quota or map of them".to_owned()),
            Expr::Dynset { op, set, exprs, not: false, .. } if *op == 2 || exprs.is_empty() => {
                self.changed.push((at.place, set.clone()));
                Step::On
            }
            Expr::Dynset { op: 0 | 1, set, .. } => self.condition(None, || format!("an entry of @{set}")),
            Expr::Queue { .. } => return Err(Stop::unknown("a program that gets the packet by a queue decides")),
            Expr::Tproxy { .. } => return Err(Stop::unknown("tproxy hands it to a socket, which is not followed")),
            Expr::PayloadSet { from, base, offset, length: count, checksum, checksum_offset, checksum_flags } => {
                let value = registers.get(*from, length(*count));
                let checksum = (*checksum, *checksum_offset, *checksum_flags);
                let did = self.write(super::write::Place { base: *base, offset: *offset, checksum }, &value)?;
                Step::Does(Effect::Did(did))
            }
            // A segment size of TCP: nothing that the way hangs on.
            Expr::Exthdr { to: None, op: TCP_OPTION, .. } => Step::On,
            Expr::Exthdr { to: None, .. } => {
                return Err(Stop::unknown(format!(
                    "a rule of {} writes to the packet, which is not followed",
                    chain.name
                )));
            }
            // A copy of it goes elsewhere.
            Expr::Unknown { name, .. } if name.as_bytes() == b"dup" => Step::On,
            Expr::Unknown { name, .. } if name.as_bytes() == b"fwd" => {
                return Err(Stop::unknown(format!(
                    "a rule of {} hands it to another link (fwd), which is not followed",
                    chain.name
                )));
            }
            Expr::Unknown { name, .. } => {
                return Err(Stop::unknown(format!("the expression {name} in {}, which is not decoded", chain.name)));
            }
            // Counters, logs, classes: nothing that the way hangs on.
            _ => Step::On,
        })
    }

    /// Whether any element agrees with what is known of a key.
    fn may_hold(&self, at: &Crossing, chain: &ChainRef, set: &Set, held: &Value) -> Result<bool, Stop> {
        if set.is(Set::INTERVAL) {
            return Ok(true);
        }
        let netfilter = self.world.view(at.place)?.netfilter();
        let elements = World::whole(netfilter.elements(at.place.netns, &chain.table.set(set.id.name.clone())))?;
        Ok(elements
            .value
            .iter()
            .any(|element| element.catch_all || held.compares(Compare::Eq, &element.key.0) != Some(false)))
    }

    fn keep_untracked_or_on(&mut self) -> Effect {
        match self.keep_untracked() {
            Effect::Next => Effect::Did("finds it tracked already".to_owned()),
            did => did,
        }
    }

    fn ct_set(&mut self, key: u32, value: &Value) -> Result<Step, Stop> {
        match key {
            CT_MARK => {
                let mark = value.number().ok_or_else(|| Stop::unknown("a mark that nothing tells"))?;
                let Some(flow) = self.flow_mut() else { return Ok(Step::On) };
                flow.mark = mark;
                Ok(Step::Does(Effect::Did(format!("marks the flow {mark:#x}"))))
            }
            CT_ZONE => {
                let bytes = value.bytes.get(..2).and_then(|bytes| <[u8; 2]>::try_from(bytes).ok());
                // It even takes back what kept conntrack away (`nft_ct_set_zone_eval`).
                if matches!(self.tracking, Tracking::Not | Tracking::Untracked) {
                    self.zone =
                        bytes.map(u16::from_ne_bytes).ok_or_else(|| Stop::unknown("a zone that nothing tells"))?;
                    self.tracking = Tracking::Zoned;
                }
                Ok(Step::Does(Effect::Did(format!("tracks it in zone {}", self.zone))))
            }
            _ => Ok(Step::On),
        }
    }

    /// A number that chance draws.
    fn drawn(&mut self, what: &str, modulus: u32, offset: u32) -> Value {
        if modulus == 0 || modulus > self.most_draws {
            return Value::unknown(4);
        }
        let share = 1.0 / f64::from(modulus);
        let ways: Vec<_> = (0..modulus).map(|number| (number.to_string(), Some(share))).collect();
        let taken = u32::try_from(self.chance.fork(what, &ways)).unwrap_or(0);
        Value::of(taken.wrapping_add(offset).to_ne_bytes())
    }

    /// `fib`. Which link a route leads to is not followed.
    fn fib(&mut self, at: &Crossing, result: u32, flags: u32) -> Result<Value, Stop> {
        const TYPE: u32 = 3;
        let (source, iif, oif) = (flags & 1 != 0, flags & 8 != 0, flags & 16 != 0);
        if result != TYPE {
            return self.fib_link(at, result, flags);
        }
        let tuple = self.packet.tuple;
        let ends = if source { (tuple.source, tuple.destination) } else { (tuple.destination, tuple.source) };
        let mark = if flags & reverse::MARK == 0 { 0 } else { self.packet.mark };
        let query = self.rule_query(ends, mark, tuple.protocol);
        let link = match (iif, oif) {
            (true, _) => at.input.as_ref(),
            (_, true) => at.output.as_ref(),
            _ => None,
        };
        let kind = self.address_kind(at.place, &query, link.map(|link| link.ifindex))?;
        Ok(Value::of(kind.to_ne_bytes()))
    }

    fn lookup(
        &mut self,
        at: &Crossing,
        chain: &ChainRef,
        registers: &mut Registers,
        (name, from, to, not): (&ByteText, Register, Option<Register>, bool),
    ) -> Result<Step, Stop> {
        let Some(known) = self.world.set(at.place, &chain.table, name)? else {
            return Err(Stop::unknown(format!("the set {name} is not there")));
        };
        let set = &known.set;
        let held = registers.get(from, length(set.key_length));
        let has_changed = self.has_changed(at.place, name);
        if has_changed && to.is_none() {
            return Ok(self.condition(None, || format!("the set {name}, which a rule has changed for this packet")));
        }
        if has_changed {
            return Err(Stop::unknown(format!("a rule has changed {name} for this packet, which is not followed")));
        }
        if !held.is_known() && !self.may_hold(at, chain, set, &held)? {
            return Ok(if not { Step::On } else { Step::Break });
        }
        if !held.is_known() {
            return match to {
                None => Ok(self.condition(None, || format!("the key that is looked up in {name}"))),
                Some(_) => Err(Stop::unknown(format!("the key that is looked up in {name} is not known"))),
            };
        }
        let Some(element) = self.world.element(at.place, &known, &Bytes(held.bytes))? else {
            return Ok(if not { Step::On } else { Step::Break });
        };
        if not {
            return Ok(Step::Break);
        }
        match (to, &element.data) {
            (Some(Register::VERDICT), Some(Data::Verdict(verdict))) => verdict_step(verdict),
            (Some(to), Some(Data::Value(value))) => {
                registers.set(to, &Value::of(value.0.clone()));
                Ok(Step::On)
            }
            _ => Ok(Step::On),
        }
    }
}

fn verdict_step(verdict: &Verdict) -> Result<Step, Stop> {
    Ok(match verdict {
        Verdict::Accept => Step::Does(Effect::Accept),
        Verdict::Drop => Step::Does(Effect::Drop),
        Verdict::Continue => Step::On,
        Verdict::Break => Step::Break,
        Verdict::Return => Step::Does(Effect::Return),
        Verdict::Jump(chain) => Step::Does(Effect::Jump(chain.clone())),
        Verdict::Goto(chain) => Step::Does(Effect::Goto(chain.clone())),
        Verdict::Queue(_) => return Err(Stop::unknown("a program that gets the packet by a queue decides")),
        Verdict::Other(code) => return Err(Stop::unknown(format!("the verdict {code} is not decoded"))),
    })
}

/// `and`, `or` and `xor` of two registers.
fn two(one: &Value, other: &Value, op: u32) -> Value {
    if !one.is_known() || !other.is_known() {
        return Value::unknown(one.bytes.len());
    }
    let bytes: Vec<u8> = one
        .bytes
        .iter()
        .zip(&other.bytes)
        .map(|(one, other)| match op {
            3 => one & other,
            4 => one | other,
            _ => one ^ other,
        })
        .collect();
    if matches!(op, 3..=5) { Value::of(bytes) } else { Value::unknown(bytes.len()) }
}

fn mapping(nat: &Nat, registers: &Registers) -> Result<Mapping, Stop> {
    const NETMAP: u32 = 64;
    let kind = match nat.kind {
        _ if nat.flags & NETMAP != 0 => TranslationKind::Netmap,
        NatKind::Snat => TranslationKind::Snat,
        NatKind::Dnat => TranslationKind::Dnat,
        NatKind::Masquerade => TranslationKind::Masquerade,
        NatKind::Redirect => TranslationKind::Redirect,
    };
    let unknown = || Stop::unknown("the address or port that a rule translates to is not known");
    let width = if nat.family == Some(10) { 16 } else { 4 };
    let address = |register: Option<Register>| -> Result<Option<IpAddr>, Stop> {
        let Some(register) = register else { return Ok(None) };
        let held = registers.get(register, width);
        let octets = held.is_known().then_some(held.bytes).ok_or_else(unknown)?;
        Ok(match width {
            4 => <[u8; 4]>::try_from(octets).ok().map(|octets| Ipv4Addr::from(octets).into()),
            _ => <[u8; 16]>::try_from(octets).ok().map(|octets| Ipv6Addr::from(octets).into()),
        })
    };
    let port = |register: Option<Register>| -> Result<Option<u16>, Stop> {
        let Some(register) = register else { return Ok(None) };
        let held = registers.get(register, 2);
        let octets = held.is_known().then_some(held.bytes).ok_or_else(unknown)?;
        Ok(<[u8; 2]>::try_from(octets).ok().map(u16::from_be_bytes))
    };
    let first = address(nat.address.min)?;
    let last = address(nat.address.max)?.or(first);
    let from = port(nat.port.min)?;
    let to = port(nat.port.max)?.or(from);
    let to = NatRange {
        addresses: first.zip(last),
        ports: from.zip(to),
        base_port: None,
        random: nat.flags & 4 != 0,
        random_fully: nat.flags & 16 != 0,
        persistent: nat.flags & 8 != 0,
    };
    Ok(Mapping { kind, to })
}

/// What the sender sees of `reject`.
fn reject_words(kind: u32, code: u8, family: Family) -> &'static str {
    match (kind, family, code) {
        (1, ..) => "TCP reset",
        (0 | 2, Family::Ipv4, 0) => "network unreachable",
        (0 | 2, Family::Ipv6, 0) => "no route",
        (2, _, 1) | (0, Family::Ipv4, 3) | (0, Family::Ipv6, 4) => "port unreachable",
        (2 | 0, Family::Ipv4, 2 | 1) if kind == 2 || code == 1 => "host unreachable",
        (2, Family::Ipv6, 2) | (0, Family::Ipv6, 3) => "address unreachable",
        (0, Family::Ipv4, 2) => "protocol unreachable",
        (0, Family::Ipv4, 9) => "network prohibited",
        (0, Family::Ipv4, 10) => "host prohibited",
        (2, _, 3) | (0, Family::Ipv4, 13) | (0, Family::Ipv6, 1) => "administratively prohibited",
        _ => "an error",
    }
}
