//! Any bytes as the data of a match and of a target, whatever its name, revision and family.
//!
//! The first three bytes choose those; what follows is the data.
#![no_main]

use libfuzzer_sys::fuzz_target;
use podnet::model::netfilter::table::Family;
use podnet::wire::xt::{xt_match, xt_target};

const MATCHES: [&str; 33] = [
    "comment",
    "tcp",
    "udp",
    "udplite",
    "sctp",
    "icmp",
    "icmp6",
    "multiport",
    "mark",
    "connmark",
    "conntrack",
    "state",
    "statistic",
    "addrtype",
    "set",
    "recent",
    "physdev",
    "limit",
    "hashlimit",
    "owner",
    "iprange",
    "mac",
    "length",
    "rpfilter",
    "pkttype",
    "ttl",
    "hl",
    "dscp",
    "tcpmss",
    "socket",
    "nfacct",
    "bpf",
    "",
];

const TARGETS: [&str; 23] = [
    "DNAT",
    "SNAT",
    "MASQUERADE",
    "REDIRECT",
    "NETMAP",
    "MARK",
    "CONNMARK",
    "REJECT",
    "LOG",
    "NFLOG",
    "TCPMSS",
    "CT",
    "NOTRACK",
    "TPROXY",
    "TRACE",
    "SET",
    "CLASSIFY",
    "CHECKSUM",
    "NFQUEUE",
    "TEE",
    "TTL",
    "HL",
    "",
];

fuzz_target!(|input: &[u8]| {
    let [name, revision, family, data @ ..] = input else { return };
    let family = Family::ALL[usize::from(*family) % Family::ALL.len()];
    let called = MATCHES[usize::from(*name) % MATCHES.len()];
    let _ = xt_match(family, called.as_bytes(), revision % 6, data);
    let called = TARGETS[usize::from(*name) % TARGETS.len()];
    let _ = xt_target(family, called.as_bytes(), revision % 6, data);
});
