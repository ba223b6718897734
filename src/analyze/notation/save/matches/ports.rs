//! Matches that look at ports.
//!
//! May import model only.

use std::fmt::Write as _;

use super::words::{names, not, range};
use crate::model::netfilter::xt::Test;
use crate::model::netfilter::xt::matches::{Multiport, Ports, Sctp, SctpChunks, Tcp};

pub(super) fn ports(out: &mut String, asked: &Ports) {
    for (option, test) in [("--sport", &asked.source), ("--dport", &asked.destination)] {
        if let Some(test) = test {
            let _ = write!(out, "{} {option} {}", not(test), range(test.value));
        }
    }
}

pub(super) fn tcp(out: &mut String, asked: &Tcp) {
    ports(out, &asked.ports);
    if let Some(test) = &asked.option {
        let _ = write!(out, "{} --tcp-option {}", not(test), test.value);
    }
    if let Some(test) = &asked.flags {
        let _ = write!(out, "{} --tcp-flags ", not(test));
        flags(out, test.value.mask);
        out.push(' ');
        flags(out, test.value.set);
    }
}

fn flags(out: &mut String, bits: u8) {
    const NAMES: [&str; 6] = ["FIN", "SYN", "RST", "PSH", "ACK", "URG"];
    if bits == 0 {
        out.push_str("NONE");
    }
    names(out, NAMES.into_iter().enumerate().map(|(bit, name)| (bits & (1 << bit) != 0, name)));
}

pub(super) fn sctp(out: &mut String, asked: &Sctp) {
    ports(out, &asked.ports);
    if let Some(test) = &asked.chunks {
        let _ = write!(out, "{} --chunk-types", not(test));
        chunks(out, &test.value);
    }
}

/// Chunk types with a name, and the letters of their flags from bit 7 down.
const CHUNKS: [(u8, &str, [u8; 8]); 18] = [
    (0, "DATA", *b"----IUBE"),
    (1, "INIT", NO_FLAGS),
    (2, "INIT_ACK", NO_FLAGS),
    (3, "SACK", NO_FLAGS),
    (4, "HEARTBEAT", NO_FLAGS),
    (5, "HEARTBEAT_ACK", NO_FLAGS),
    (6, "ABORT", *b"-------T"),
    (7, "SHUTDOWN", NO_FLAGS),
    (8, "SHUTDOWN_ACK", NO_FLAGS),
    (9, "ERROR", NO_FLAGS),
    (10, "COOKIE_ECHO", NO_FLAGS),
    (11, "COOKIE_ACK", NO_FLAGS),
    (12, "ECN_ECNE", NO_FLAGS),
    (13, "ECN_CWR", NO_FLAGS),
    (14, "SHUTDOWN_COMPLETE", *b"-------T"),
    (128, "ASCONF_ACK", NO_FLAGS),
    (192, "FORWARD_TSN", NO_FLAGS),
    (193, "ASCONF", NO_FLAGS),
];
const NO_FLAGS: [u8; 8] = *b"--------";

fn chunks(out: &mut String, asked: &SctpChunks) {
    out.push_str(match asked.kind {
        1 => " any",
        2 => " all",
        _ => " only",
    });
    match asked.types.len() {
        0 => out.push_str(" NONE"),
        256 => out.push_str(" ALL"),
        _ => out.push(' '),
    }
    if asked.types.len() == 256 {
        return;
    }
    for (place, kind) in asked.types.iter().enumerate() {
        if place > 0 {
            out.push(',');
        }
        let known = CHUNKS.iter().find(|(number, ..)| number == kind);
        match known {
            Some((_, name, _)) => out.push_str(name),
            // The program can neither write nor read these.
            None => {
                let _ = write!(out, "{kind}");
            }
        }
        let letters = known.map_or(NO_FLAGS, |(_, _, letters)| *letters);
        for flags in asked.flags.iter().filter(|flags| flags.kind == *kind && flags.mask != 0) {
            out.push(':');
            for (letter, bit) in letters.into_iter().zip((0..8).rev()).filter(|(_, bit)| flags.mask & (1 << bit) != 0) {
                let set = flags.set & (1 << bit) != 0;
                out.push(char::from(if set { letter } else { letter.to_ascii_lowercase() }));
            }
        }
    }
}

pub(super) fn multiport(out: &mut String, asked: &Test<Multiport>) {
    let option = match asked.value.which {
        0 => "--sports",
        1 => "--dports",
        _ => "--ports",
    };
    let _ = write!(out, "{} {option} ", not(asked));
    for (place, ports) in asked.value.ports.iter().enumerate() {
        let comma = if place > 0 { "," } else { "" };
        let _ = match asked.value.spans & 1_u16.checked_shl(u32::try_from(place).unwrap_or(u32::MAX)).unwrap_or(0) {
            0 => write!(out, "{comma}{}", range(*ports)),
            _ => write!(out, "{comma}{}:{}", ports.min, ports.max),
        };
    }
}
