//! Matches that ask the node: its routes, its sockets and who owns them.
//!
//! May import model only.

use std::fmt::Write as _;

use super::words::{names, not};
use crate::model::netfilter::xt::Test;
use crate::model::netfilter::xt::matches::{Addrtype, IdRange, Owner, Rpfilter, SocketTest};

/// Address types by bit: `RTN_*`.
const TYPES: [&str; 12] = [
    "UNSPEC",
    "UNICAST",
    "LOCAL",
    "BROADCAST",
    "ANYCAST",
    "MULTICAST",
    "BLACKHOLE",
    "UNREACHABLE",
    "PROHIBIT",
    "THROW",
    "NAT",
    "XRESOLVE",
];

pub(super) fn addrtype(out: &mut String, asked: &Addrtype) {
    for (option, test) in [("--src-type", &asked.source), ("--dst-type", &asked.destination)] {
        if let Some(test) = test {
            let _ = write!(out, "{} {option} ", not(test));
            names(out, TYPES.into_iter().enumerate().map(|(bit, name)| (test.value & (1 << bit) != 0, name)));
        }
    }
    options(out, &[(asked.limit_in, "--limit-iface-in"), (asked.limit_out, "--limit-iface-out")]);
}

pub(super) fn owner(out: &mut String, asked: &Owner) {
    if let Some(exists) = asked.socket {
        let _ = write!(out, "{} --socket-exists", if exists { "" } else { " !" });
    }
    ids(out, "--uid-owner", asked.user.as_ref());
    ids(out, "--gid-owner", asked.group.as_ref());
    options(out, &[(asked.supplementary, "--suppl-groups")]);
}

fn ids(out: &mut String, option: &str, test: Option<&Test<IdRange>>) {
    let Some(test) = test else { return };
    let IdRange { min, max } = test.value;
    let _ = write!(out, "{} {option} {min}", not(test));
    if min != max {
        let _ = write!(out, "-{max}");
    }
}

pub(super) fn rpfilter(out: &mut String, asked: Rpfilter) {
    options(
        out,
        &[
            (asked.loose, "--loose"),
            (asked.validmark, "--validmark"),
            (asked.accept_local, "--accept-local"),
            (asked.invert, "--invert"),
        ],
    );
}

pub(super) fn socket(out: &mut String, asked: SocketTest) {
    options(
        out,
        &[
            (asked.transparent, "--transparent"),
            (asked.nowildcard, "--nowildcard"),
            (asked.restore_mark, "--restore-skmark"),
        ],
    );
}

fn options(out: &mut String, options: &[(bool, &str)]) {
    for (_, option) in options.iter().filter(|(asked, _)| *asked) {
        let _ = write!(out, " {option}");
    }
}
