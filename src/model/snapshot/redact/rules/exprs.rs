//! Rows of nf_tables expressions: what a register holds tells what the values are that it is compared
//! with or given.
//!
//! Must not import anything from the crate but its sibling model types.

use std::collections::BTreeMap;

use super::sets::parts;
use super::values::What;
use super::{RuleMasks, blank};
use crate::model::netfilter::expr::{BitwiseOp, Data, Expr, ObjectMap, ObjectRef, PayloadBase, Register, Verdict};
use crate::model::netfilter::set::Set;
use crate::model::netfilter::table::Family;
use crate::model::netfilter::words::key;
use crate::model::netfilter::words::kind::Kind;
use crate::model::text::ByteText;

/// What is known around a row.
pub(super) struct Context {
    family: Family,
    /// The types of keys and data of the table's sets, with the data's length.
    sets: BTreeMap<ByteText, (Option<u32>, usize)>,
}

impl Context {
    pub(super) fn new(family: Family, sets: &[Set]) -> Self {
        let data = |set: &Set| usize::try_from(set.data_length.unwrap_or(0)).unwrap_or(0);
        let sets = sets.iter().map(|set| (set.id.name.clone(), (set.data_type, data(set)))).collect();
        Self { family, sets }
    }

    /// What bytes of a packet are.
    fn payload(&self, base: PayloadBase, offset: u32, length: u32) -> What {
        let end = offset.saturating_add(length);
        match base {
            PayloadBase::Network => network(self.family, offset, length, end),
            PayloadBase::Link if (offset == 0 || offset == 6) && length == 6 => What::Kind(Kind::Ether),
            // Types and tags.
            PayloadBase::Link if offset >= 12 && length <= 2 => What::Plain,
            // Ports, types, flags, sequence numbers.
            PayloadBase::Transport if end <= 20 && length <= 4 => What::Plain,
            PayloadBase::Link | PayloadBase::Transport | PayloadBase::Inner | PayloadBase::Tunnel => What::Opaque,
        }
    }
}

fn network(family: Family, offset: u32, length: u32, end: u32) -> What {
    let (v4, v6) = (What::Kind(Kind::Ipv4), What::Kind(Kind::Ipv6));
    let is_v4 = matches!((offset, length), (12 | 16, 1..=4) | (12, 8));
    let is_v6 = matches!((offset, length), (8 | 24, 1..=16) | (8, 32));
    match family {
        Family::Arp => match (offset, length) {
            (14 | 24, 4) => v4,
            (8 | 18, 6) => What::Kind(Kind::Ether),
            _ if end <= 8 => What::Plain,
            _ => What::Opaque,
        },
        Family::Ip if is_v4 => v4,
        Family::Ip if end <= 12 => What::Plain,
        Family::Ip6 if is_v6 => v6,
        Family::Ip6 if end <= 8 => What::Plain,
        Family::Ip | Family::Ip6 => What::Opaque,
        Family::Inet | Family::Bridge | Family::Netdev => {
            if end <= 12 && length <= 2 {
                What::Plain
            } else if is_v4 {
                v4
            } else if is_v6 {
                v6
            } else {
                What::Opaque
            }
        }
    }
}

/// What the registers hold.
#[derive(Default)]
struct Registers(BTreeMap<usize, What>);

impl Registers {
    fn put(&mut self, register: Register, what: What) {
        if let Some(offset) = register.offset() {
            self.0.insert(offset, what);
        }
    }

    fn get(&self, register: Register) -> What {
        register.offset().and_then(|offset| self.0.get(&offset)).copied().unwrap_or(What::Opaque)
    }
}

fn of_key(found: Option<&key::Key>) -> What {
    found.map_or(What::Opaque, |key| What::Kind(key.kind))
}

fn of_meta(number: u32) -> What {
    match of_key(key::meta(number)) {
        // Numbers of the kernel's own.
        What::Kind(Kind::Integer | Kind::Bitmask) => What::Plain,
        other => other,
    }
}

fn of_ct(number: u32) -> What {
    match (number, of_key(key::ct(number))) {
        (8 | 9, _) => What::Address,
        (_, What::Kind(Kind::Integer | Kind::Bitmask)) => What::Plain,
        (_, other) => other,
    }
}

/// Masks a row.
pub(super) fn mask(masks: &mut RuleMasks<'_, '_>, row: &mut [Expr], context: &Context) {
    let mut registers = Registers::default();
    for at in 0..row.len() {
        let (now, later) = row.split_at_mut(at + 1);
        if let [.., expr] = now {
            one(masks, expr, later, context, &mut registers);
        }
    }
}

#[allow(clippy::too_many_lines)] // one arm an expression, so that none is forgotten
fn one(masks: &mut RuleMasks<'_, '_>, expr: &mut Expr, later: &[Expr], context: &Context, registers: &mut Registers) {
    match expr {
        Expr::Immediate { to, data } => match data {
            Data::Value(value) => {
                let what = used_as(*to, later, context);
                value.0 = masks.value(what, &value.0);
                registers.put(*to, what);
            }
            Data::Verdict(Verdict::Jump(chain) | Verdict::Goto(chain)) => masks.chain_name(chain),
            Data::Verdict(_) => {}
        },
        Expr::Cmp { from, op: _, value } => value.0 = masks.value(registers.get(*from), &value.0),
        Expr::Range { from, not: _, min, max } => {
            let what = registers.get(*from);
            let ends = (super::values::address(&min.0), super::values::address(&max.0));
            if let (What::Kind(Kind::Ipv4 | Kind::Ipv6) | What::Address, (Some(low), Some(high))) = (what, ends) {
                let (low, high) = masks.range(low, high);
                (min.0, max.0) = (super::values::octets(low), super::values::octets(high));
            } else {
                (min.0, max.0) = (masks.value(what, &min.0), masks.value(what, &max.0));
            }
        }
        Expr::Bitwise { from, to, length: _, op } => {
            let what = registers.get(*from);
            if let BitwiseOp::MaskXor { mask, xor } = op {
                let is_plain = match what {
                    What::Plain => true,
                    What::Kind(kind) => !matches!(
                        kind,
                        Kind::Ipv4 | Kind::Ipv6 | Kind::Ether | Kind::LinkAddress | Kind::String | Kind::LinkName
                    ),
                    What::Address | What::Opaque => false,
                };
                // Which bits of an address count is no secret; what they are XORed with may be one.
                if !is_plain {
                    blank(xor);
                }
                if what == What::Opaque {
                    blank(mask);
                }
            }
            registers.put(*to, what);
        }
        Expr::Byteorder { from, to, to_network: _, length: _, size: _ } => registers.put(*to, registers.get(*from)),
        Expr::Payload { to, base, offset, length } => registers.put(*to, context.payload(*base, *offset, *length)),
        Expr::Meta { to, key } => registers.put(*to, of_meta(*key)),
        Expr::Ct { to, key, direction: _ } => registers.put(*to, of_ct(*key)),
        Expr::Fib { to, result, flags: _ } => {
            registers.put(*to, if *result == 2 { What::Kind(Kind::LinkName) } else { What::Plain });
        }
        Expr::Rt { to, key } => registers.put(*to, of_key(key::rt(*key))),
        Expr::Socket { to, key, level: _ } => registers.put(*to, of_key(key::socket(*key))),
        Expr::Lookup { set, from: _, to, not: _ } => {
            if let Some(to) = to {
                looked_up(*to, set, context, registers);
            }
            masks.set_name(set);
        }
        Expr::Dynset { set, op: _, key: _, data: _, timeout_ms: _, not: _, exprs } => {
            masks.set_name(set);
            mask(masks, exprs, context);
        }
        Expr::Numgen { to, .. } | Expr::Hash { to, .. } => registers.put(*to, What::Plain),
        Expr::Log { group: _, prefix, length: _, threshold: _, level: _, flags: _ } => {
            if let Some(prefix) = prefix {
                masks.words(prefix);
            }
        }
        Expr::Objref { object, map } => {
            if let Some(ObjectRef { kind: _, name }) = object {
                masks.other_name(name);
            }
            if let Some(ObjectMap { set, from: _ }) = map {
                masks.set_name(set);
            }
        }
        Expr::Exthdr { to, from: _, kind: _, offset: _, length, flags: _, op: _ } => {
            if let Some(to) = to {
                registers.put(*to, if *length <= 2 { What::Plain } else { What::Opaque });
            }
        }
        Expr::XtMatch(found) => masks.xt_match(found),
        Expr::XtTarget(target) => masks.xt_target(target),
        Expr::Unknown { name: _, data } => blank(data),
        Expr::PayloadSet { .. }
        | Expr::MetaSet { .. }
        | Expr::CtSet { .. }
        | Expr::Counter(_)
        | Expr::Limit(_)
        | Expr::Quota(_)
        | Expr::Nat(_)
        | Expr::Reject { .. }
        | Expr::Notrack
        | Expr::Queue { .. }
        | Expr::Tproxy { .. } => {}
    }
}

/// What a map gives: its data's parts, each from a register of its own on.
fn looked_up(to: Register, set: &ByteText, context: &Context, registers: &mut Registers) {
    let Some(offset) = to.offset() else { return };
    let (kind, length) = context.sets.get(set).copied().unwrap_or_default();
    for (what, place) in parts(kind.unwrap_or(0), &[], length) {
        registers.0.insert(offset + place.start, what);
    }
}

/// What a value in a register is for: the first that uses the register tells.
fn used_as(register: Register, later: &[Expr], context: &Context) -> What {
    let is = |other: &Register| *other == register;
    let is_one = |other: &Option<Register>| other.as_ref().is_some_and(is);
    for expr in later {
        match expr {
            Expr::Nat(nat) => {
                if is_one(&nat.address.min) || is_one(&nat.address.max) {
                    return What::Address;
                }
                if is_one(&nat.port.min) || is_one(&nat.port.max) {
                    return What::Plain;
                }
            }
            Expr::Tproxy { family: _, address, port } => {
                if is_one(address) {
                    return What::Address;
                }
                if is_one(port) {
                    return What::Plain;
                }
            }
            Expr::MetaSet { from, key } if is(from) => return of_meta(*key),
            Expr::CtSet { from, key, .. } if is(from) => return of_ct(*key),
            Expr::PayloadSet { from, base, offset, length, .. } if is(from) => {
                return context.payload(*base, *offset, *length);
            }
            Expr::Queue { from, .. } if is_one(from) => return What::Plain,
            _ => {}
        }
    }
    What::Opaque
}
