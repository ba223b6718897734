//! An expression as the kernel has it, much as `nft --debug=netlink` writes it: for what has no other form.
//!
//! May import model only.

use std::fmt::Write as _;

use crate::model::netfilter::expr::{BitwiseOp, Compare, Data, Expr, PayloadBase, Register};
use crate::model::text::{Bytes, hex};

/// One expression in brackets.
pub(super) fn expr(expr: &Expr) -> String {
    format!("[ {} ]", inner(expr))
}

fn words(bytes: &Bytes) -> String {
    format!("0x{}", hex(&bytes.0))
}

fn compare(op: Compare) -> &'static str {
    match op {
        Compare::Eq => "eq",
        Compare::Neq => "neq",
        Compare::Lt => "lt",
        Compare::Lte => "lte",
        Compare::Gt => "gt",
        Compare::Gte => "gte",
    }
}

fn base(base: PayloadBase) -> &'static str {
    match base {
        PayloadBase::Link => "link",
        PayloadBase::Network => "network",
        PayloadBase::Transport => "transport",
        PayloadBase::Inner => "inner",
        PayloadBase::Tunnel => "tunnel",
    }
}

fn reg(register: Register) -> String {
    format!("reg {}", register.0)
}

fn data(data: &Data) -> String {
    match data {
        Data::Value(bytes) => words(bytes),
        Data::Verdict(verdict) => super::value::verdict(verdict).unwrap_or_else(|| format!("{verdict:?}")),
    }
}

fn inner(expr: &Expr) -> String {
    match expr {
        Expr::Immediate { to, data: given } => format!("immediate {} {}", reg(*to), data(given)),
        Expr::Cmp { from, op, value } => format!("cmp {} {} {}", compare(*op), reg(*from), words(value)),
        Expr::Range { from, not, min, max } => {
            format!("range {} {} {} {}", if *not { "neq" } else { "eq" }, reg(*from), words(min), words(max))
        }
        Expr::Bitwise { from, to, op, .. } => {
            let (from, to) = (reg(*from), reg(*to));
            match op {
                BitwiseOp::MaskXor { mask, xor } => {
                    format!("bitwise {to} = ( {from} & {} ) ^ {}", words(mask), words(xor))
                }
                BitwiseOp::ShiftLeft(by) => format!("bitwise {to} = ( {from} << {by} )"),
                BitwiseOp::ShiftRight(by) => format!("bitwise {to} = ( {from} >> {by} )"),
                BitwiseOp::Registers { op, other } => format!("bitwise {to} = ( {from} op {op} {} )", reg(*other)),
            }
        }
        Expr::Byteorder { from, to, to_network, length, size } => {
            let way = if *to_network { "hton" } else { "ntoh" };
            format!("byteorder {} = {way}({}, {size}, {length})", reg(*to), reg(*from))
        }
        Expr::Payload { to, base: from, offset, length } => {
            format!("payload load {length}b @ {} header + {offset} => {}", base(*from), reg(*to))
        }
        Expr::PayloadSet { from, base: to, offset, length, checksum, checksum_offset, checksum_flags } => format!(
            "payload write {} => {length}b @ {} header + {offset} csum_type {checksum} csum_off {checksum_offset} \
             csum_flags {checksum_flags:#x}",
            reg(*from),
            base(*to)
        ),
        Expr::Meta { to, key } => format!("meta load key {key} => {}", reg(*to)),
        Expr::MetaSet { from, key } => format!("meta set key {key} with {}", reg(*from)),
        Expr::Ct { to, key, direction } => match direction {
            Some(way) => format!("ct load key {key} => {} , dir {way:?}", reg(*to)),
            None => format!("ct load key {key} => {}", reg(*to)),
        },
        Expr::CtSet { from, key, .. } => format!("ct set key {key} with {}", reg(*from)),
        Expr::Fib { to, result, flags } => format!("fib flags {flags:#x} result {result} => {}", reg(*to)),
        Expr::Rt { to, key } => format!("rt load key {key} => {}", reg(*to)),
        Expr::Lookup { set, from, to, not } => {
            let to = to.map_or_else(String::new, |to| format!(" d{}", reg(to)));
            format!("lookup {} set {set}{to} {:#x}", reg(*from), u8::from(*not))
        }
        Expr::Numgen { to, modulus, random, offset } => {
            let kind = if *random { "random" } else { "inc" };
            format!("numgen {} = {kind} mod {modulus} offset {offset}", reg(*to))
        }
        _ => rest(expr),
    }
}

fn rest(expr: &Expr) -> String {
    match expr {
        Expr::Dynset { set, op, key, .. } => {
            let name = usize::try_from(*op).ok().and_then(|op| ["add", "update", "delete"].get(op));
            format!("dynset {} reg_key {} set {set}", name.unwrap_or(&"?"), key.0)
        }
        Expr::Hash { from, to, length, modulus, seed, offset } => {
            let of = from.map_or_else(|| "symhash()".to_owned(), |from| format!("jhash({}, {length})", reg(from)));
            format!("hash {} = {of} seed {seed:?} mod {modulus} offset {offset}", reg(*to))
        }
        Expr::Exthdr { to, from, kind, offset, length, op, .. } => {
            let end = match (to, from) {
                (Some(to), _) => format!("load => {}", reg(*to)),
                (None, Some(from)) => format!("write {}", reg(*from)),
                (None, None) => "reset".to_owned(),
            };
            format!("exthdr op {op} {length}b @ {kind} + {offset} {end}")
        }
        Expr::Socket { to, key, level } => format!("socket load key {key} level {level:?} => {}", reg(*to)),
        Expr::Nat(nat) => {
            let mut text = format!("nat {:?}", nat.kind).to_lowercase();
            for (name, register) in [
                ("addr_min", nat.address.min),
                ("addr_max", nat.address.max),
                ("proto_min", nat.port.min),
                ("proto_max", nat.port.max),
            ] {
                if let Some(register) = register {
                    let _ = write!(text, " {name} {}", reg(register));
                }
            }
            let _ = write!(text, " flags {:#x}", nat.flags);
            text
        }
        Expr::Reject { kind, code } => format!("reject type {kind} code {code}"),
        Expr::Limit(limit) => {
            format!(
                "limit rate {} per {} s burst {} bytes {} over {}",
                limit.rate, limit.unit, limit.burst, limit.bytes, limit.over
            )
        }
        Expr::Objref { object, map } => match (object, map) {
            (Some(object), _) => format!("objref type {} name {}", object.kind, object.name),
            (None, Some(map)) => format!("objref s{} set {}", reg(map.from), map.set),
            (None, None) => "objref".to_owned(),
        },
        Expr::XtMatch(found) => format!("match name {} rev {}", found.name, found.revision),
        Expr::XtTarget(found) => format!("target name {} rev {}", found.name, found.revision),
        Expr::Unknown { name, data } => format!("{name} {}", words(data)),
        Expr::Log { group, prefix, level, .. } => format!("log group {group:?} prefix {prefix:?} level {level:?}"),
        Expr::Queue { number, total, flags, from } => {
            format!("queue num {number:?} total {total:?} flags {flags:#x} from {from:?}")
        }
        Expr::Tproxy { family, address, port } => format!("tproxy family {family} addr {address:?} port {port:?}"),
        Expr::Counter(_) => "counter".to_owned(),
        Expr::Quota(quota) => format!("quota bytes {} consumed {} flags {}", quota.bytes, quota.used, quota.flags),
        Expr::Notrack => "notrack".to_owned(),
        // All others are written above.
        other => format!("{other:?}"),
    }
}
