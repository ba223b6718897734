//! How flows are tracked.
//!
//! May import model only.

use std::fmt::Write as _;

use crate::model::netfilter::xt::targets::Ct;

/// `IPCT_*`, by bit.
const EVENTS: [&str; 10] =
    ["new", "related", "destroy", "reply", "assured", "protoinfo", "helper", "mark", "natseqinfo", "secmark"];
/// `IPEXP_*`
const EXPECTATION_EVENTS: [&str; 1] = ["new"];

/// CT
pub(super) fn ct(out: &mut String, ct: &Ct) {
    if ct.flags & 1 != 0 {
        out.push_str(" --notrack");
    }
    for (option, name) in [("--helper", &ct.helper), ("--timeout", &ct.timeout)] {
        if !name.as_bytes().is_empty() {
            let _ = write!(out, " {option} {name}");
        }
    }
    for (option, names, bits) in
        [("--ctevents", &EVENTS[..], ct.events), ("--expevents", &EXPECTATION_EVENTS[..], ct.expectation_events)]
    {
        if bits != 0 {
            let names: Vec<&str> =
                names.iter().enumerate().filter(|(bit, _)| bits & (1 << bit) != 0).map(|(_, name)| *name).collect();
            let _ = write!(out, " {option} {}", names.join(","));
        }
    }
    let zone = match ct.flags & 0x0c {
        4 => "--zone-orig",
        8 => "--zone-reply",
        _ => "--zone",
    };
    if ct.flags & 16 != 0 {
        let _ = write!(out, " {zone} mark");
    } else if ct.zone != 0 {
        let _ = write!(out, " {zone} {}", ct.zone);
    }
}
