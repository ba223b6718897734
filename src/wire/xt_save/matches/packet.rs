//! What a packet's own header says.
//!
//! May import model only.

use super::super::args::{Args, Parsed, Unclear};
use super::super::names::{DSCP, ICMP, ICMP6};
use super::super::values::{named, number, range};
use super::only;
use crate::model::netfilter::xt::matches::{Icmp, Match, TtlTest};

pub(super) fn icmp(args: &mut Args<'_, '_>) -> Parsed<Match> {
    only(args, &["--icmp-type"])?;
    args.test(|text| icmp_type(text, &ICMP)).map(Match::Icmp)
}

pub(super) fn icmp6(args: &mut Args<'_, '_>) -> Parsed<Match> {
    only(args, &["--icmpv6-type"])?;
    args.test(|text| icmp_type(text, &ICMP6)).map(Match::Icmp6)
}

/// `8`, `3/1` or a name.
fn icmp_type(text: &str, names: &[(&str, u8, u8, u8)]) -> Option<Icmp> {
    if let Some((_, kind, min, max)) = names.iter().find(|(name, ..)| name.eq_ignore_ascii_case(text)) {
        return Some(Icmp { kind: *kind, code_min: *min, code_max: *max });
    }
    match text.split_once('/') {
        Some((kind, code)) => {
            let code = number(code)?;
            Some(Icmp { kind: number(kind)?, code_min: code, code_max: code })
        }
        None => Some(Icmp { kind: number(text)?, code_min: 0, code_max: u8::MAX }),
    }
}

pub(super) fn length(args: &mut Args<'_, '_>) -> Parsed<Match> {
    only(args, &["--length"])?;
    args.test(range).map(Match::Length)
}

pub(super) fn tcpmss(args: &mut Args<'_, '_>) -> Parsed<Match> {
    only(args, &["--mss"])?;
    args.test(range).map(Match::Tcpmss)
}

pub(super) fn pkttype(args: &mut Args<'_, '_>) -> Parsed<Match> {
    let names =
        [(0, "unicast"), (0, "host"), (1, "broadcast"), (1, "bcast"), (2, "multicast"), (2, "mcast"), (0, "me")];
    only(args, &["--pkt-type"])?;
    args.test(|text| named(text, &names)).map(Match::Pkttype)
}

pub(super) fn ttl(args: &mut Args<'_, '_>) -> Parsed<Match> {
    // 0 equal, 1 not equal, 2 less, 3 greater
    let op = match args.option() {
        Some("--ttl" | "--ttl-eq" | "--hl-eq") => 0,
        Some("--ttl-lt" | "--hl-lt") => 2,
        Some("--ttl-gt" | "--hl-gt") => 3,
        _ => return Err(Unclear),
    };
    let value = args.test(number)?;
    let op = match (op, value.not) {
        (op, false) => op,
        (0, true) => 1,
        (_, true) => return Err(Unclear),
    };
    Ok(Match::Ttl(TtlTest { op, value: value.value }))
}

pub(super) fn dscp(args: &mut Args<'_, '_>) -> Parsed<Match> {
    only(args, &["--dscp", "--dscp-class"])?;
    args.test(|text| named(text, &DSCP)).map(Match::Dscp)
}
