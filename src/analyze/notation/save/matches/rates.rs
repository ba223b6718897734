//! Matches that count how often.
//!
//! May import model only. The programs divide in integers, so a rate may be written another than it
//! was given: `999/sec` is kept as ten ten-thousandths of a second, and written `1000/sec`.

use std::fmt::Write as _;

use crate::model::netfilter::table::Family;
use crate::model::netfilter::xt::matches::{Hashlimit, Rate};

pub(super) fn limit(out: &mut String, asked: Rate) {
    out.push_str(" --limit ");
    rate(out, asked.average.into(), 10_000);
    // The program leaves its default out.
    if asked.burst != 5 {
        let _ = write!(out, " --limit-burst {}", asked.burst);
    }
}

/// Writes how often one packet in `period` parts of a second is, in the largest unit that loses
/// little; gives the unit in seconds.
fn rate(out: &mut String, period: u64, scale: u64) -> u64 {
    const UNITS: [(&str, u64); 4] = [("day", 86_400), ("hour", 3_600), ("min", 60), ("sec", 1)];
    if period == 0 {
        out.push_str("inf");
        return 0;
    }
    let mut chosen = UNITS[0];
    for unit in &UNITS[1..] {
        let length = unit.1 * scale;
        if period > length || length / period < length % period {
            break;
        }
        chosen = *unit;
    }
    let _ = write!(out, "{}/{}", chosen.1 * scale / period, chosen.0);
    chosen.1
}

/// `XT_HASHLIMIT_BYTES`
const BYTES: u32 = 1 << 5;
/// `XT_HASHLIMIT_RATE_MATCH`
const RATE_MATCH: u32 = 1 << 6;

pub(super) fn hashlimit(out: &mut String, family: Family, asked: &Hashlimit) {
    out.push_str(if asked.above { " --hashlimit-above " } else { " --hashlimit-upto " });
    let usual_expiry = if asked.mode & BYTES != 0 {
        bytes(out, asked)
    } else {
        // The interval is left out of the account, as iptables 1.8.9 does.
        let unit = rate(out, asked.average, asked.scale.into());
        let _ = write!(out, " --hashlimit-burst {}", asked.burst);
        unit
    };
    keys(out, asked.mode);
    let _ = write!(out, " --hashlimit-name {}", asked.name);
    let host = if family == Family::Ip6 { 128 } else { 32 };
    let others = [
        ("htable-size", asked.size, 0),
        ("htable-max", asked.max, 0),
        ("htable-gcinterval", asked.gc_interval_ms, 1_000),
        ("htable-expire", asked.expire_ms, u32::try_from(usual_expiry * 1_000).unwrap_or_default()),
        ("srcmask", asked.source_prefix.into(), host),
        ("dstmask", asked.destination_prefix.into(), host),
    ];
    for (option, value, usual) in others {
        if value != usual {
            let _ = write!(out, " --hashlimit-{option} {value}");
        }
    }
    if asked.mode & RATE_MATCH != 0 {
        out.push_str(" --hashlimit-rate-match");
        if asked.interval != 1 {
            let _ = write!(out, " --hashlimit-rate-interval {}", asked.interval);
        }
    }
}

fn keys(out: &mut String, mode: u32) {
    const KEYS: [(u32, &str); 4] = [(4, "srcip"), (8, "srcport"), (1, "dstip"), (2, "dstport")];
    let mut before = " --hashlimit-mode ";
    for (_, name) in KEYS.iter().filter(|(bit, _)| mode & bit != 0) {
        out.push_str(before);
        out.push_str(name);
        before = ",";
    }
}

/// Bytes a second, and the burst where one is given; gives how long an entry usually lives, seconds.
fn bytes(out: &mut String, asked: &Hashlimit) -> u64 {
    const UNITS: [(&str, u32); 3] = [("m", 1 << 20), ("k", 1 << 10), ("", 1)];
    let each = cost_to_bytes(asked.average);
    let unit = |fits: &dyn Fn(u32) -> bool| {
        let (name, size) = UNITS.into_iter().find(|(_, size)| fits(*size)).unwrap_or(UNITS[2]);
        (name, u64::from(size))
    };
    // The mask has 32 bits, as in the program.
    let exact = |size: u32| each >= size.into() && bytes_to_cost(each & u64::from(!(size - 1))) == asked.average;
    let (name, size) = unit(&exact);
    let _ = write!(out, "{}{name}b/s", each / size);
    if asked.burst == 0 {
        return 15;
    }
    let burst = each.wrapping_mul(asked.burst);
    let (name, size) = unit(&|size| burst >= size.into());
    let _ = write!(out, " --hashlimit-burst {}{name}b", burst / size);
    60
}

/// Rates of bytes are kept as the cost of 16 of them.
fn cost_to_bytes(cost: u64) -> u64 {
    let per_cost = u64::from(u32::MAX).checked_div(cost).unwrap_or(u64::from(u32::MAX));
    per_cost.wrapping_sub(1).wrapping_shl(4)
}

fn bytes_to_cost(bytes: u64) -> u64 {
    // In 32 bits, as the program has it.
    let steps = (bytes >> 4) & u64::from(u32::MAX);
    u64::from(u32::MAX) / ((steps + 1) & u64::from(u32::MAX)).max(1)
}
