//! Verdicts and native statements, as the targets they stand for.
//!
//! May import model only.

use std::net::IpAddr;

use super::{META_MARK, META_NFTRACE, Registers, native_target};
use crate::model::netfilter::expr::{Data, Expr, Nat, NatKind, Register, RegisterRange, Verdict};
use crate::model::netfilter::table::Family;
use crate::model::netfilter::xt::XtTarget;
use crate::model::netfilter::xt::targets::{Log, NatRange, Nflog, SetMark, Target};
use crate::model::text::ByteText;

/// `NF_NAT_RANGE_*` that are understood here; the first two say what the registers say.
const MAP_IPS: u32 = 1;
const PROTO_SPECIFIED: u32 = 2;
const RANDOM: u32 = 4;
const PERSISTENT: u32 = 8;
const RANDOM_FULLY: u32 = 16;
/// `LOGLEVEL_WARNING`: what nf_tables logs at unless it is told otherwise.
const WARNING: u32 = 4;

/// What an expression does, where it is a target's whole work.
pub(super) fn read(family: Family, registers: &Registers, expr: Expr) -> Option<XtTarget> {
    match expr {
        Expr::Immediate { data: Data::Verdict(verdict), .. } => standard(verdict),
        Expr::XtTarget(target) => Some(target),
        Expr::MetaSet { from, key } => {
            let value = u32::from_ne_bytes(registers.value(from).and_then(four)?);
            match key {
                META_NFTRACE if value != 0 => Some(native_target("TRACE", Target::Trace)),
                META_MARK => Some(native_target("MARK", Target::Mark(SetMark { value, clear: u32::MAX }))),
                _ => None,
            }
        }
        Expr::Log { group, prefix, length, threshold, level, flags } => {
            let prefix = prefix.unwrap_or_default();
            match group {
                Some(group) => Some(nflog(group, prefix, length, threshold.unwrap_or_default())),
                None => log(prefix, level.unwrap_or(WARNING), flags.unwrap_or_default()),
            }
        }
        Expr::Reject { kind, code } => {
            let with = if family == Family::Ip6 { reject6(kind, code)? } else { reject4(kind, code)? };
            Some(native_target("REJECT", Target::Reject(with)))
        }
        Expr::Nat(nat) => translation(family, registers, &nat),
        _ => None,
    }
}

/// A register's value of one byte or four, as four.
fn four(value: &[u8]) -> Option<[u8; 4]> {
    match value {
        [byte] => Some(u32::from(*byte).to_ne_bytes()),
        _ => value.try_into().ok(),
    }
}

fn standard(verdict: Verdict) -> Option<XtTarget> {
    Some(native_target(
        "",
        match verdict {
            Verdict::Accept => Target::Accept,
            Verdict::Drop => Target::Drop,
            Verdict::Return => Target::Return,
            Verdict::Jump(chain) => Target::Jump(chain),
            Verdict::Goto(chain) => Target::Goto(chain),
            _ => return None,
        },
    ))
}

fn nflog(group: u16, prefix: ByteText, length: Option<u32>, threshold: u16) -> XtTarget {
    let nflog = Nflog { group, prefix, length: length.unwrap_or_default(), sized: length.is_some(), threshold };
    native_target("NFLOG", Target::Nflog(nflog))
}

fn log(prefix: ByteText, level: u32, flags: u32) -> Option<XtTarget> {
    let log = Log { level: u8::try_from(level).ok()?, flags: u8::try_from(flags).ok()?, prefix };
    Some(native_target("LOG", Target::Log(log)))
}

/// `IPT_*` of an ICMP code, a reset, or a code common to both families.
fn reject4(kind: u32, code: u8) -> Option<u32> {
    Some(match (kind, code) {
        (0 | 2, 0) => 0,
        (0, 1) | (2, 2) => 1,
        (0, 2) => 2,
        (0, 3) | (2, 1) => 3,
        (0, 9) => 5,
        (0, 10) => 6,
        (1, _) => 7,
        (0, 13) | (2, 3) => 8,
        _ => return None,
    })
}

/// `IP6T_*` likewise.
fn reject6(kind: u32, code: u8) -> Option<u32> {
    Some(match (kind, code) {
        (0 | 2, 0) => 0,
        (0, 1) | (2, 3) => 1,
        (0, 2) => 2,
        (0, 3) | (2, 2) => 3,
        (0, 4) | (2, 1) => 4,
        (1, _) => 6,
        (0, 5) => 7,
        (0, 6) => 8,
        _ => return None,
    })
}

fn translation(family: Family, registers: &Registers, nat: &Nat) -> Option<XtTarget> {
    let known = MAP_IPS | PROTO_SPECIFIED | RANDOM | PERSISTENT | RANDOM_FULLY;
    let own = if family == Family::Ip6 { 10 } else { 2 };
    if nat.flags & !known != 0 || nat.family.is_some_and(|family| family != own) {
        return None;
    }
    let address = |register: Register| {
        let value = registers.value(register)?;
        if family == Family::Ip6 {
            Some(IpAddr::from(<[u8; 16]>::try_from(value).ok()?))
        } else {
            Some(IpAddr::from(<[u8; 4]>::try_from(value).ok()?))
        }
    };
    let port = |register: Register| Some(u16::from_be_bytes(registers.value(register)?.try_into().ok()?));
    let mut range = NatRange {
        random: nat.flags & RANDOM != 0,
        random_fully: nat.flags & RANDOM_FULLY != 0,
        persistent: nat.flags & PERSISTENT != 0,
        ..NatRange::default()
    };
    both(nat.address, address, &mut range.addresses)?;
    both(nat.port, port, &mut range.ports)?;
    Some(match nat.kind {
        NatKind::Snat => native_target("SNAT", Target::Snat(range)),
        NatKind::Dnat => native_target("DNAT", Target::Dnat(range)),
        NatKind::Masquerade => native_target("MASQUERADE", Target::Masquerade(range)),
        NatKind::Redirect => native_target("REDIRECT", Target::Redirect(range)),
    })
}

/// Reads both ends of a range, where one is asked for; `None` where a register holds no value of this kind.
fn both<T: Copy>(
    registers: RegisterRange,
    read: impl Fn(Register) -> Option<T>,
    into: &mut Option<(T, T)>,
) -> Option<()> {
    let Some(min) = registers.min else { return Some(()) };
    let first = read(min)?;
    let last = match registers.max {
        Some(max) => read(max)?,
        None => first,
    };
    *into = Some((first, last));
    Some(())
}
