//! xtables rules as `iptables-save -c` 1.8.9 writes them, byte for byte.
//!
//! May import model only. Both back ends write alike; where they do not, the rule itself tells. The names of
//! protocols are those of Debian's `/etc/protocols`: the programs look them up, podnet must not.

mod matches;
mod targets;
mod words;

#[cfg(test)]
mod tests;

use std::fmt::Write as _;
use std::net::IpAddr;

use self::words::{address, not};
use crate::model::netfilter::chain::{Chain, Policy, Rules};
use crate::model::netfilter::rule::Body;
use crate::model::netfilter::table::{Counters, Family};
use crate::model::netfilter::xt::{Header, MaskedAddress, XtMatch, XtRule, XtTarget, protocols};
use crate::model::text::ByteText;

/// A rule as one line, with its counters: `[0:0] -A CHAIN … -j TARGET`.
pub fn line(chain: &ByteText, rule: &XtRule, family: Family) -> String {
    let mut out = String::new();
    write_counters(&mut out, rule.counters.unwrap_or_default());
    let _ = write!(out, " -A {chain}");
    write_rule(&mut out, rule, family);
    out
}

/// What a rule asks and does, as [`line()`] writes it, without counters and chain.
pub fn rule(rule: &XtRule, family: Family) -> String {
    let mut out = String::new();
    write_rule(&mut out, rule, family);
    out.trim_start().to_owned()
}

/// A match's name and arguments: `-m tcp --dport 80`.
pub fn matching(found: &XtMatch, family: Family) -> String {
    let mut out = String::new();
    matches::write(&mut out, family, found);
    out.trim_start().to_owned()
}

/// A target's name and arguments: `-j MARK --set-xmark 0x4000/0x4000`; empty where there is none.
pub fn target(target: &XtTarget, family: Family) -> String {
    let mut out = String::new();
    targets::write(&mut out, family, target);
    out.trim_start().to_owned()
}

/// A whole table, from `*NAME` to `COMMIT`, each line with its newline: first base chains in the order
/// of their hooks, then the others as they are given. Empty where there are no chains; rules that are
/// none of xtables are left out, as the programs leave them out.
pub fn table(chains: &[Rules]) -> String {
    let mut ordered: Vec<&Rules> = chains.iter().collect();
    ordered.sort_by_key(|rules| {
        (rules.chain.base.is_none(), rules.chain.base.as_ref().map(|base| (base.hook, base.priority)))
    });
    let mut out = String::new();
    let Some(first) = ordered.first() else { return out };
    let _ = writeln!(out, "*{}", first.chain.id.table.name);
    for rules in &ordered {
        out.push_str(&declaration(&rules.chain));
        out.push('\n');
    }
    for rules in ordered {
        let id = &rules.chain.id;
        for one in &rules.rules {
            if let Body::Xt(rule) = &one.body {
                out.push_str(&line(&id.name, rule, id.table.family));
                out.push('\n');
            }
        }
    }
    out.push_str("COMMIT\n");
    out
}

/// A chain's own line: `:FORWARD DROP [0:0]`.
pub fn declaration(chain: &Chain) -> String {
    let policy = match chain.base.as_ref().map(|base| base.policy) {
        Some(Policy::Accept) => "ACCEPT",
        Some(Policy::Drop) => "DROP",
        None => "-",
    };
    let mut out = format!(":{} {policy} ", chain.id.name);
    write_counters(&mut out, chain.counters.unwrap_or_default());
    out
}

fn write_counters(out: &mut String, counters: Counters) {
    let _ = write!(out, "[{}:{}]", counters.packets, counters.bytes);
}

fn write_rule(out: &mut String, rule: &XtRule, family: Family) {
    write_header(out, &rule.header);
    for found in &rule.matches {
        matches::write(out, family, found);
    }
    targets::write(out, family, &rule.target);
}

fn write_header(out: &mut String, header: &Header) {
    for (option, test) in [("-s", &header.source), ("-d", &header.destination)] {
        if let Some(test) = test {
            let _ = write!(out, "{} {option} {}", not(test), masked(&test.value));
        }
    }
    for (option, test) in [("-i", &header.in_interface), ("-o", &header.out_interface)] {
        if let Some(test) = test {
            let _ = write!(out, "{} {option} {}", not(test), test.value);
        }
    }
    if let Some(test) = &header.protocol {
        let name = protocols::name(test.value).map_or_else(|| test.value.to_string(), str::to_owned);
        let _ = write!(out, "{} -p {name}", not(test));
    }
    if let Some(test) = &header.fragment {
        let _ = write!(out, "{} -f", not(test));
    }
}

/// `10.0.0.0/8`, or with the mask written out where it is no prefix.
fn masked(value: &MaskedAddress) -> String {
    let (ones, zeros, width) = match value.mask {
        IpAddr::V4(mask) => (mask.to_bits().leading_ones(), mask.to_bits().trailing_zeros(), 32),
        IpAddr::V6(mask) => (mask.to_bits().leading_ones(), mask.to_bits().trailing_zeros(), 128),
    };
    if ones + zeros == width {
        format!("{}/{ones}", address(value.address))
    } else {
        format!("{}/{}", address(value.address), address(value.mask))
    }
}
