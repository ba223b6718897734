//! Matches that look at a packet's own fields.
//!
//! May import model only.

use std::fmt::Write as _;

use super::words::{address, not, range};
use crate::model::netfilter::xt::Test;
use crate::model::netfilter::xt::matches::{Icmp, Iprange, Physdev, Range, TtlTest};

/// Types by number; a code where not all are meant. A range of codes cannot be given to the
/// program: it stands here as `8/1-3`, which the program does not read.
pub(super) fn icmp(out: &mut String, protocol: &str, asked: Test<Icmp>) {
    let Icmp { kind, code_min, code_max } = asked.value;
    let _ = write!(out, "{} --{protocol}-type ", not(&asked));
    if protocol == "icmp" && kind == u8::MAX {
        out.push_str("any");
        return;
    }
    let _ = write!(out, "{kind}");
    let _ = match (code_min, code_max) {
        (0, u8::MAX) => Ok(()),
        (min, max) if min == max => write!(out, "/{min}"),
        (min, max) => write!(out, "/{min}-{max}"),
    };
}

pub(super) fn length(out: &mut String, asked: Test<Range>) {
    let _ = write!(out, "{} --length {}", not(&asked), range(asked.value));
}

pub(super) fn mac(out: &mut String, asked: Test<[u8; 6]>) {
    let _ = write!(out, "{} --mac-source ", not(&asked));
    for (place, byte) in asked.value.iter().enumerate() {
        let _ = write!(out, "{}{byte:02x}", if place > 0 { ":" } else { "" });
    }
}

pub(super) fn pkttype(out: &mut String, asked: Test<u16>) {
    let _ = write!(out, "{} --pkt-type ", not(&asked));
    let _ = match asked.value {
        0 => write!(out, "unicast"),
        1 => write!(out, "broadcast"),
        2 => write!(out, "multicast"),
        other => write!(out, "{other}"),
    };
}

pub(super) fn ttl(out: &mut String, field: &str, asked: TtlTest) {
    let (not, op) = match asked.op {
        0 => ("", "eq"),
        1 => (" !", "eq"),
        2 => ("", "lt"),
        _ => ("", "gt"),
    };
    let _ = write!(out, "{not} --{field}-{op} {}", asked.value);
}

pub(super) fn iprange(out: &mut String, asked: &Iprange) {
    for (option, test) in [("--src-range", &asked.source), ("--dst-range", &asked.destination)] {
        if let Some(test) = test {
            let (min, max) = (address(test.value.min), address(test.value.max));
            let _ = write!(out, "{} {option} {min}-{max}", not(test));
        }
    }
}

pub(super) fn physdev(out: &mut String, asked: &Physdev) {
    let whether = |out: &mut String, option: &str, asked: Option<bool>| {
        if let Some(is) = asked {
            let _ = write!(out, "{} {option}", if is { "" } else { " !" });
        }
    };
    whether(out, "--physdev-is-in", asked.is_in);
    if let Some(test) = &asked.input {
        let _ = write!(out, "{} --physdev-in {}", not(test), test.value);
    }
    whether(out, "--physdev-is-out", asked.is_out);
    if let Some(test) = &asked.output {
        let _ = write!(out, "{} --physdev-out {}", not(test), test.value);
    }
    whether(out, "--physdev-is-bridged", asked.is_bridged);
}
