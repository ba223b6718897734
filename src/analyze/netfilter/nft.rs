//! Reading rows of nf_tables expressions: a register machine whose registers hold what is asked for,
//! not values.
//!
//! May import model and its siblings only.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::rc::Rc;

use super::condition::{Ask, Condition};
use super::deed::{Deed, MarkChange, Translation, TranslationKind};
use super::facts::Packet;
use super::read::{Reading, Sets};

mod branch;
mod compare;
mod field;

use self::branch::Branch;
use self::field::{Field, Held, Part};
use crate::model::netfilter::expr::{BitwiseOp, Data, Expr, Nat, NatKind, Register, Verdict};
use crate::model::netfilter::set::Set;
use crate::model::netfilter::xt::targets::NatRange;
use crate::model::route::Family;
use crate::model::text::{ByteText, Bytes};

/// `NFT_META_MARK`
const META_MARK: u32 = 3;

pub(super) fn read(exprs: &[Expr], packet: &Packet, sets: &dyn Sets) -> Reading {
    let mut machine = Machine {
        packet,
        sets,
        registers: BTreeMap::new(),
        reading: Reading { when: Vec::new(), marks: Vec::new(), untracks: false, deed: Deed::Nothing },
        in_map: None,
    };
    for expr in exprs {
        machine.step(expr);
        if machine.reading.deed != Deed::Nothing {
            break;
        }
    }
    machine.reading
}

struct Machine<'m> {
    packet: &'m Packet,
    sets: &'m dyn Sets,
    /// By where they begin in the 64 bytes of data registers.
    registers: BTreeMap<usize, Held>,
    reading: Reading,
    /// Which condition says that a map has the key that gave what it chose.
    in_map: Option<usize>,
}

impl Machine<'_> {
    fn load(&mut self, to: Register, held: Held) {
        let Some(at) = to.offset() else { return };
        let end = at + held.length().max(1);
        self.registers.retain(|begin, old| *begin >= end || *begin + old.length() <= at);
        self.registers.insert(at, held);
    }

    fn held(&self, from: Register) -> Held {
        let Some(at) = from.offset() else { return Held::nothing() };
        match self.registers.range(..=at).next_back() {
            Some((begin, held)) if *begin == at => held.clone(),
            // A map may give an address and a port, one behind the other.
            Some((begin, held)) if at < *begin + held.length() => held.from(at - begin),
            _ => Held::nothing(),
        }
    }

    fn when(&mut self, condition: Condition) {
        self.reading.when.push(condition);
    }

    fn undecoded(&mut self, why: impl Into<String>) {
        self.when(Condition::is(Ask::Undecoded { why: why.into() }));
    }

    fn step(&mut self, expr: &Expr) {
        match expr {
            Expr::Immediate { data: Data::Verdict(verdict), .. } => self.reading.deed = deed_of(verdict),
            Expr::Immediate { to, data: Data::Value(value) } => self.load(*to, Held::Constant(value.0.clone())),
            Expr::Cmp { from, op, value } => {
                let asked = compare::cmp(&self.held(*from), *op, value, self.packet);
                self.reading.when.extend(asked);
            }
            Expr::Range { from, not, min, max } => {
                let asked = compare::range(&self.held(*from), *not, min, max, self.packet);
                self.reading.when.push(asked);
            }
            Expr::Bitwise { from, to, length, op } => {
                let held = match op {
                    BitwiseOp::MaskXor { mask, xor } => self.held(*from).masked(&mask.0, &xor.0),
                    BitwiseOp::ShiftLeft(by) => self.held(*from).shifted(*by, true, self.packet),
                    BitwiseOp::ShiftRight(by) => self.held(*from).shifted(*by, false, self.packet),
                    BitwiseOp::Registers { .. } => self.held(*from).blurred(*length, "changed by another register"),
                };
                self.load(*to, held);
            }
            Expr::Byteorder { from, to, length, size, .. } => {
                let held = self.held(*from).swapped(*size, *length, self.packet);
                self.load(*to, held);
            }
            Expr::Payload { to, base, offset, length } => {
                self.load(*to, Held::of(Field::Payload(*base, *offset), *length));
            }
            Expr::Meta { to, key } => self.load(*to, Held::of(Field::Meta(*key), field::meta_length(*key))),
            Expr::Ct { to, key, direction } => {
                self.load(*to, Held::of(Field::Ct(*key, *direction), field::ct_length(*key, self.packet.family)));
            }
            Expr::Fib { to, result, flags } => self.load(*to, Held::of(Field::Fib(*result, *flags), 4)),
            Expr::Rt { to, key } => self.load(*to, Held::of(Field::Rt(*key), field::rt_length(*key))),
            Expr::Socket { to, key, .. } => self.load(*to, Held::of(Field::Named("socket", *key), 4)),
            Expr::Numgen { to, .. } => self.load(*to, Held::of(Field::Named("numgen", 0), 4)),
            Expr::Hash { to, .. } => self.load(*to, Held::of(Field::Named("hash", 0), 4)),
            Expr::Exthdr { to: Some(to), kind, length, .. } => {
                self.load(*to, Held::of(Field::Named("exthdr", u32::from(*kind)), *length));
            }
            Expr::MetaSet { from, key: META_MARK } => {
                let change = mark_change(&self.held(*from));
                self.reading.marks.push(change);
            }
            Expr::Lookup { set, from, to, not } => self.lookup(set, *from, *to, *not),
            Expr::Nat(nat) => self.reading.deed = self.translate(nat),
            Expr::Reject { .. } => self.reading.deed = Deed::Drop,
            Expr::Queue { .. } => self.reading.deed = Deed::Queue,
            Expr::Tproxy { .. } => {
                self.reading.marks.push(MarkChange::Unknown);
                self.reading.deed = Deed::Socket;
            }
            Expr::Notrack => self.reading.untracks = true,
            Expr::Limit(_) => self.when(Condition::is(Ask::Other { text: "limit rate".to_owned() })),
            Expr::Quota(_) => self.when(Condition::is(Ask::Other { text: "quota".to_owned() })),
            Expr::Dynset { set, op: 0 | 1, .. } => {
                self.when(Condition::is(Ask::Other { text: format!("an entry fits into @{set}") }));
            }
            // Limits and quotas among them may end the rule.
            Expr::Objref { .. } => self.when(Condition::is(Ask::Other { text: "a named object".to_owned() })),
            Expr::XtMatch(found) => {
                self.undecoded(format!("the match {} stands among expressions that are not iptables'", found.name));
            }
            Expr::XtTarget(target) => {
                self.reading.deed = Deed::Undecoded(format!(
                    "the target {} stands among expressions that are not iptables'",
                    target.name
                ));
            }
            Expr::Unknown { name, .. } => self.undecoded(format!("the expression {name} is not decoded")),
            // They change what nothing here asks for.
            Expr::MetaSet { .. }
            | Expr::CtSet { .. }
            | Expr::Counter(_)
            | Expr::Log { .. }
            | Expr::Dynset { .. }
            | Expr::Exthdr { .. } => {}
            Expr::PayloadSet { base, offset, length, .. }
                if field::is_of_no_flow(*base, *offset, *length, self.packet.family) => {}
            Expr::PayloadSet { .. } => {
                self.reading.deed = Deed::Undecoded("it writes to the packet, which podnet does not follow".to_owned());
            }
        }
    }

    /// The fields that a key of this length is put together from, each padded to four bytes.
    fn key(&self, from: Register, set: Option<&Set>) -> Option<Vec<Held>> {
        let mut at = from.offset()?;
        let length = usize::try_from(set?.key_length).ok()?;
        let end = at + length;
        let mut parts = Vec::new();
        while at < end {
            let held = self.registers.get(&at)?.clone();
            at += held.length().max(1).next_multiple_of(4);
            parts.push(held);
        }
        Some(parts)
    }

    fn lookup(&mut self, name: &ByteText, from: Register, to: Option<Register>, not: bool) {
        let set = self.sets.set(name);
        let Some(parts) = self.key(from, set.as_ref()) else {
            return self.undecoded(format!("the key that is looked up in {name} is not decoded"));
        };
        let known: Option<Vec<Vec<u8>>> = parts.iter().map(|part| part.value(self.packet)).collect();
        if let Some(values) = known {
            let mut key = Vec::new();
            for value in values {
                let padded = value.len().next_multiple_of(4);
                key.extend(value);
                if parts.len() > 1 {
                    key.resize(key.len().next_multiple_of(4).max(padded), 0);
                }
            }
            return self.found(name, &Bytes(key), to, not);
        }
        let words: Vec<String> = parts.iter().map(|part| part.words(self.packet.family)).collect();
        let words = words.join(" . ");
        match to {
            None => self.asked_of(name, set.as_ref(), &parts, not, &words),
            Some(Register::VERDICT) => self.choose(name, set.as_ref(), &parts, &words),
            Some(to) => {
                let text = format!("{words} map {}", called(name));
                let value = |data: &Data| match data {
                    Data::Value(value) => Some(value.0.clone()),
                    Data::Verdict(_) => None,
                };
                self.in_map = Some(self.reading.when.len());
                self.when(Condition::is(Ask::Other { text: format!("{words} is in {}", called(name)) }));
                if let Some(branches) = self.branches(name, set.as_ref(), &parts, &words, value) {
                    let length = branches.iter().map(|(_, value)| value.len()).max().unwrap_or(4);
                    return self.load(to, Held::Chosen { length, branches: branches.into(), why: text });
                }
                self.load(to, Held::Blurred { length: 4, why: text });
            }
        }
    }

    /// The elements of a map of which each may be the one; `None` where they are not followed.
    fn branches<T>(
        &self,
        name: &ByteText,
        set: Option<&Set>,
        parts: &[Held],
        words: &str,
        pick: impl Fn(&Data) -> Option<T>,
    ) -> Option<Vec<Branch<T>>> {
        // kube-proxy's have an element for each service.
        let set = set.filter(|set| set.is(Set::ANONYMOUS) || set.id.table.name != *"kube-proxy")?;
        let elements = self.sets.elements(name);
        if !elements.issues.is_empty() {
            return None;
        }
        branch::branches(set, &elements.value, parts, words, self.packet, pick)
    }

    /// A key that is known.
    fn found(&mut self, name: &ByteText, key: &Bytes, to: Option<Register>, not: bool) {
        let section = self.sets.element(name, key);
        if !section.issues.is_empty() {
            return self.undecoded(format!("the set {name} could not be read"));
        }
        let element = section.value.as_ref();
        let holds = element.is_some() != not;
        self.when(Condition { not: !holds, ask: Ask::Always });
        match (to, element.and_then(|element| element.data.as_ref())) {
            (Some(Register::VERDICT), Some(Data::Verdict(verdict))) => self.reading.deed = deed_of(verdict),
            (Some(to), Some(Data::Value(value))) => self.load(to, Held::Constant(value.0.clone())),
            _ => {}
        }
    }

    /// A set without a name is told by what is in it, where that is one field's values.
    fn asked_of(&mut self, name: &ByteText, set: Option<&Set>, parts: &[Held], not: bool, words: &str) {
        if let (Some(set), [part]) = (set.filter(|set| set.is(Set::ANONYMOUS)), parts) {
            let elements = self.sets.elements(name);
            if elements.issues.is_empty()
                && let Some(ask) = compare::one_of(part, set, &elements.value, self.packet)
            {
                return self.when(Condition { not, ask });
            }
        }
        self.when(Condition { not, ask: Ask::Other { text: format!("{words} is in {}", called(name)) } });
    }

    /// A verdict map whose key is not known: each of its elements may be the one.
    fn choose(&mut self, name: &ByteText, set: Option<&Set>, parts: &[Held], words: &str) {
        let verdict = |data: &Data| match data {
            Data::Verdict(verdict) => Some(deed_of(verdict)),
            Data::Value(_) => None,
        };
        self.reading.deed = match self.branches(name, set, parts, words, verdict) {
            Some(branches) => Deed::Choose(branches),
            None => Deed::Undecoded(format!("{words} decides by way of the map {}", called(name))),
        };
    }

    /// A translation, or one of several where a map gives its address.
    fn translate(&mut self, nat: &Nat) -> Deed {
        let registers = [nat.address.min, nat.address.max, nat.port.min, nat.port.max];
        let chosen = registers.into_iter().flatten().find_map(|register| {
            let at = register.offset()?;
            let (begin, held) = self.registers.range(..=at).next_back()?;
            match held {
                Held::Chosen { length, branches, .. } if at < begin + length => Some((*begin, Rc::clone(branches))),
                _ => None,
            }
        });
        let Some((begin, branches)) = chosen else { return Deed::Translate(self.translation(nat)) };
        // Each element says that for itself.
        if let Some(at) = self.in_map.take() {
            self.reading.when.remove(at);
        }
        let mut all = Vec::new();
        for (when, value) in branches.iter() {
            self.registers.insert(begin, Held::Constant(value.clone()));
            all.push((when.clone(), Deed::Translate(self.translation(nat))));
        }
        Deed::Choose(all)
    }

    fn translation(&self, nat: &Nat) -> Translation {
        let kind = match nat.kind {
            NatKind::Snat => TranslationKind::Snat,
            NatKind::Dnat => TranslationKind::Dnat,
            NatKind::Masquerade => TranslationKind::Masquerade,
            NatKind::Redirect => TranslationKind::Redirect,
        };
        let mut unknown = None;
        let mut constant = |register: Option<Register>| {
            let held = self.held(register?);
            let Held::Constant(value) = held else {
                unknown = Some(held.words(self.packet.family));
                return None;
            };
            Some(value)
        };
        // Behind the address there may be its port.
        let address = |value: Vec<u8>| match self.packet.family {
            Family::Ipv4 => value.first_chunk::<4>().map(|bytes| IpAddr::from(Ipv4Addr::from(*bytes))),
            Family::Ipv6 => value.first_chunk::<16>().map(|bytes| IpAddr::from(Ipv6Addr::from(*bytes))),
        };
        let port = |value: Vec<u8>| Some(u16::from_be_bytes([*value.first()?, *value.get(1)?]));
        let first = constant(nat.address.min).and_then(address);
        let last = constant(nat.address.max).and_then(address).or(first);
        let from = constant(nat.port.min).and_then(port);
        let to = constant(nat.port.max).and_then(port).or(from);
        let range = NatRange {
            addresses: first.zip(last),
            ports: from.zip(to),
            base_port: None,
            random: nat.flags & 4 != 0,
            random_fully: nat.flags & 16 != 0,
            persistent: nat.flags & 8 != 0,
        };
        Translation { kind, to: range, unknown }
    }
}

/// `@name`, or for a set without a name what it is.
fn called(name: &ByteText) -> String {
    let text = name.to_string();
    if text.starts_with("__") { "the rule's own set".to_owned() } else { format!("@{text}") }
}

/// What a verdict does.
pub fn deed_of(verdict: &Verdict) -> Deed {
    match verdict {
        Verdict::Accept => Deed::Accept,
        Verdict::Drop => Deed::Drop,
        Verdict::Queue(_) => Deed::Queue,
        Verdict::Continue | Verdict::Break => Deed::Nothing,
        Verdict::Return => Deed::Return,
        Verdict::Jump(chain) => Deed::Jump(chain.clone()),
        Verdict::Goto(chain) => Deed::Goto(chain.clone()),
        Verdict::Other(code) => Deed::Undecoded(format!("the verdict {code} is not decoded")),
    }
}

fn mark_change(held: &Held) -> MarkChange {
    let number = |bytes: &[u8]| <[u8; 4]>::try_from(bytes).ok().map(u32::from_ne_bytes);
    let known = match held {
        Held::Constant(value) => number(value).map(|value| (0, value)),
        Held::Field(Part { field: Field::Meta(META_MARK), mask, xor, .. }) => number(mask).zip(number(xor)),
        _ => None,
    };
    known.map_or(MarkChange::Unknown, |(keep, xor)| MarkChange::Known { keep, xor })
}
