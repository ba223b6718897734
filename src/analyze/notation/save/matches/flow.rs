//! Matches that remember: conntrack, sets, recent.
//!
//! May import model only.

use std::fmt::Write as _;

use super::words::{address, masked, names, not, range};
use crate::model::netfilter::xt::Test;
use crate::model::netfilter::xt::matches::{Conntrack, CounterTest, Recent, RecentOp, SetName, SetTest};

/// In the program's order, which is not that of the bits.
const STATES: [&str; 7] = ["INVALID", "NEW", "RELATED", "ESTABLISHED", "UNTRACKED", "SNAT", "DNAT"];
/// `IPS_*`, by bit.
const STATUSES: [&str; 4] = ["EXPECTED", "SEEN_REPLY", "ASSURED", "CONFIRMED"];

pub(super) fn state(out: &mut String, asked: Test<u32>) {
    let _ = write!(out, "{} --state ", not(&asked));
    states(out, asked.value);
}

fn states(out: &mut String, bits: u32) {
    let is_set = |name: &str| Conntrack::STATES.iter().any(|(bit, known)| *known == name && bits & bit != 0);
    names(out, STATES.map(|name| (is_set(name), name)));
}

pub(super) fn conntrack(out: &mut String, asked: &Conntrack) {
    if let Some(test) = &asked.states {
        let _ = write!(out, "{} --ctstate ", not(test));
        states(out, test.value);
    }
    if let Some(test) = &asked.protocol {
        let _ = write!(out, "{} --ctproto {}", not(test), test.value);
    }
    let addresses = [
        ("--ctorigsrc", &asked.original_source),
        ("--ctorigdst", &asked.original_destination),
        ("--ctreplsrc", &asked.reply_source),
        ("--ctrepldst", &asked.reply_destination),
    ];
    for (option, test) in addresses {
        if let Some(test) = test {
            let _ = write!(out, "{} {option} ", not(test));
            masked(out, &test.value);
        }
    }
    let ports = [
        ("--ctorigsrcport", &asked.original_source_port),
        ("--ctorigdstport", &asked.original_destination_port),
        ("--ctreplsrcport", &asked.reply_source_port),
        ("--ctrepldstport", &asked.reply_destination_port),
    ];
    for (option, test) in ports {
        if let Some(test) = test {
            let _ = write!(out, "{} {option} {}", not(test), range(test.value));
        }
    }
    if let Some(test) = &asked.status {
        let _ = write!(out, "{} --ctstatus ", not(test));
        if test.value == 0 {
            out.push_str("NONE");
        }
        names(out, STATUSES.into_iter().enumerate().map(|(bit, name)| (test.value & (1 << bit) != 0, name)));
    }
    if let Some(test) = &asked.expires {
        let (min, max) = (test.value.min, test.value.max);
        let _ = write!(out, "{} --ctexpire {min}", not(test));
        if min != max {
            let _ = write!(out, ":{max}");
        }
    }
    if let Some(reply) = asked.reply {
        out.push_str(if reply { " --ctdir REPLY" } else { " --ctdir ORIGINAL" });
    }
}

/// A set whose name is not known is `[set 7]`, which the program does not read.
pub(super) fn set(out: &mut String, asked: &Test<SetTest>) {
    let test = &asked.value;
    let _ = write!(out, "{} --match-set ", not(asked));
    let _ = match &test.set {
        SetName::Name(name) => write!(out, "{name}"),
        SetName::Index(number) => write!(out, "[set {number}]"),
    };
    for (place, source) in test.from_source.iter().enumerate() {
        out.push(if place == 0 { ' ' } else { ',' });
        out.push_str(if *source { "src" } else { "dst" });
    }
    if test.return_nomatch {
        out.push_str(" --return-nomatch");
    }
    if test.keep_counters {
        out.push_str(" ! --update-counters");
    }
    if test.keep_subcounters {
        out.push_str(" ! --update-subcounters");
    }
    counter(out, "packets", test.packets);
    counter(out, "bytes", test.bytes);
}

fn counter(out: &mut String, what: &str, test: Option<CounterTest>) {
    let Some(CounterTest { op, value }) = test else { return };
    let (not, op) = match op {
        1 => ("", "eq"),
        2 => (" !", "eq"),
        3 => ("", "lt"),
        _ => ("", "gt"),
    };
    let _ = write!(out, "{not} --{what}-{op} {value}");
}

pub(super) fn recent(out: &mut String, asked: &Test<Recent>) {
    let recent = &asked.value;
    let op = match recent.op {
        RecentOp::Set => "--set",
        RecentOp::Check => "--rcheck",
        RecentOp::Update => "--update",
        RecentOp::Remove => "--remove",
    };
    let _ = write!(out, "{} {op}", not(asked));
    if recent.seconds != 0 {
        let _ = write!(out, " --seconds {}", recent.seconds);
    }
    if recent.reap {
        out.push_str(" --reap");
    }
    if recent.hitcount != 0 {
        let _ = write!(out, " --hitcount {}", recent.hitcount);
    }
    if recent.ttl {
        out.push_str(" --rttl");
    }
    let _ = write!(out, " --name {}", recent.name);
    if let Some(mask) = recent.mask {
        let _ = write!(out, " --mask {}", address(mask));
    }
    out.push_str(if recent.destination { " --rdest" } else { " --rsource" });
}
