//! Names that xtables programs write for numbers.
//!
//! Must not import anything from the crate.

/// Types of ICMP with their first and last code.
pub(in crate::wire) const ICMP: [(&str, u8, u8, u8); 40] = [
    ("any", 255, 0, 255),
    ("echo-reply", 0, 0, 255),
    ("pong", 0, 0, 255),
    ("destination-unreachable", 3, 0, 255),
    ("network-unreachable", 3, 0, 0),
    ("host-unreachable", 3, 1, 1),
    ("protocol-unreachable", 3, 2, 2),
    ("port-unreachable", 3, 3, 3),
    ("fragmentation-needed", 3, 4, 4),
    ("source-route-failed", 3, 5, 5),
    ("network-unknown", 3, 6, 6),
    ("host-unknown", 3, 7, 7),
    ("network-prohibited", 3, 9, 9),
    ("host-prohibited", 3, 10, 10),
    ("TOS-network-unreachable", 3, 11, 11),
    ("TOS-host-unreachable", 3, 12, 12),
    ("communication-prohibited", 3, 13, 13),
    ("host-precedence-violation", 3, 14, 14),
    ("precedence-cutoff", 3, 15, 15),
    ("source-quench", 4, 0, 255),
    ("redirect", 5, 0, 255),
    ("network-redirect", 5, 0, 0),
    ("host-redirect", 5, 1, 1),
    ("TOS-network-redirect", 5, 2, 2),
    ("TOS-host-redirect", 5, 3, 3),
    ("echo-request", 8, 0, 255),
    ("ping", 8, 0, 255),
    ("router-advertisement", 9, 0, 255),
    ("router-solicitation", 10, 0, 255),
    ("time-exceeded", 11, 0, 255),
    ("ttl-exceeded", 11, 0, 255),
    ("ttl-zero-during-transit", 11, 0, 0),
    ("ttl-zero-during-reassembly", 11, 1, 1),
    ("parameter-problem", 12, 0, 255),
    ("ip-header-bad", 12, 0, 0),
    ("required-option-missing", 12, 1, 1),
    ("timestamp-request", 13, 0, 255),
    ("timestamp-reply", 14, 0, 255),
    ("address-mask-request", 17, 0, 255),
    ("address-mask-reply", 18, 0, 255),
];

/// Types of `ICMPv6` with their first and last code.
pub(in crate::wire) const ICMP6: [(&str, u8, u8, u8); 28] = [
    ("destination-unreachable", 1, 0, 255),
    ("no-route", 1, 0, 0),
    ("communication-prohibited", 1, 1, 1),
    ("beyond-scope", 1, 2, 2),
    ("address-unreachable", 1, 3, 3),
    ("port-unreachable", 1, 4, 4),
    ("failed-policy", 1, 5, 5),
    ("reject-route", 1, 6, 6),
    ("packet-too-big", 2, 0, 255),
    ("time-exceeded", 3, 0, 255),
    ("ttl-exceeded", 3, 0, 255),
    ("ttl-zero-during-transit", 3, 0, 0),
    ("ttl-zero-during-reassembly", 3, 1, 1),
    ("parameter-problem", 4, 0, 255),
    ("bad-header", 4, 0, 0),
    ("unknown-header-type", 4, 1, 1),
    ("unknown-option", 4, 2, 2),
    ("echo-request", 128, 0, 255),
    ("ping", 128, 0, 255),
    ("echo-reply", 129, 0, 255),
    ("pong", 129, 0, 255),
    ("router-solicitation", 133, 0, 255),
    ("router-advertisement", 134, 0, 255),
    ("neighbour-solicitation", 135, 0, 255),
    ("neighbor-solicitation", 135, 0, 255),
    ("neighbour-advertisement", 136, 0, 255),
    ("neighbor-advertisement", 136, 0, 255),
    ("redirect", 137, 0, 255),
];

/// Chunks of SCTP, with the letters of their flags from the highest bit down.
pub(in crate::wire) const CHUNKS: [(u8, &str, &str); 22] = [
    (0, "DATA", "----IUBE"),
    (1, "INIT", "--------"),
    (2, "INIT_ACK", "--------"),
    (3, "SACK", "--------"),
    (4, "HEARTBEAT", "--------"),
    (5, "HEARTBEAT_ACK", "--------"),
    (6, "ABORT", "-------T"),
    (7, "SHUTDOWN", "--------"),
    (8, "SHUTDOWN_ACK", "--------"),
    (9, "ERROR", "--------"),
    (10, "COOKIE_ECHO", "--------"),
    (11, "COOKIE_ACK", "--------"),
    (12, "ECN_ECNE", "--------"),
    (13, "ECN_CWR", "--------"),
    (14, "SHUTDOWN_COMPLETE", "-------T"),
    (64, "I_DATA", "----IUBE"),
    (128, "ASCONF_ACK", "--------"),
    (130, "RE_CONFIG", "--------"),
    (132, "PAD", "--------"),
    (192, "FORWARD_TSN", "--------"),
    (193, "ASCONF", "--------"),
    (194, "I_FORWARD_TSN", "--------"),
];

/// TCP flags.
pub(in crate::wire) const TCP_FLAGS: [(u32, &str); 8] =
    [(1, "FIN"), (2, "SYN"), (4, "RST"), (8, "PSH"), (16, "ACK"), (32, "URG"), (63, "ALL"), (0, "NONE")];

/// `XT_ADDRTYPE_*`
pub(in crate::wire) const ADDRESS_TYPES: [(u32, &str); 12] = [
    (1, "UNSPEC"),
    (2, "UNICAST"),
    (4, "LOCAL"),
    (8, "BROADCAST"),
    (16, "ANYCAST"),
    (32, "MULTICAST"),
    (64, "BLACKHOLE"),
    (128, "UNREACHABLE"),
    (256, "PROHIBIT"),
    (512, "THROW"),
    (1024, "NAT"),
    (2048, "XRESOLVE"),
];

/// `IPS_*`
pub(in crate::wire) const FLOW_STATUS: [(u32, &str); 5] =
    [(0, "NONE"), (1, "EXPECTED"), (2, "SEEN_REPLY"), (4, "ASSURED"), (8, "CONFIRMED")];

/// `IPCT_*`
pub(in crate::wire) const FLOW_EVENTS: [(u32, &str); 10] = [
    (1 << 0, "new"),
    (1 << 1, "related"),
    (1 << 2, "destroy"),
    (1 << 3, "reply"),
    (1 << 4, "assured"),
    (1 << 5, "protoinfo"),
    (1 << 6, "helper"),
    (1 << 7, "mark"),
    (1 << 8, "natseqinfo"),
    (1 << 9, "secmark"),
];

/// Classes of DSCP.
pub(in crate::wire) const DSCP: [(u8, &str); 23] = [
    (0x00, "CS0"),
    (0x08, "CS1"),
    (0x10, "CS2"),
    (0x18, "CS3"),
    (0x20, "CS4"),
    (0x28, "CS5"),
    (0x30, "CS6"),
    (0x38, "CS7"),
    (0x00, "BE"),
    (0x0a, "AF11"),
    (0x0c, "AF12"),
    (0x0e, "AF13"),
    (0x12, "AF21"),
    (0x14, "AF22"),
    (0x16, "AF23"),
    (0x1a, "AF31"),
    (0x1c, "AF32"),
    (0x1e, "AF33"),
    (0x22, "AF41"),
    (0x24, "AF42"),
    (0x26, "AF43"),
    (0x2e, "EF"),
    (0x2c, "VA"),
];

/// Levels of the kernel's log.
pub(in crate::wire) const LOG_LEVELS: [(u8, &str); 11] = [
    (0, "emerg"),
    (0, "panic"),
    (1, "alert"),
    (2, "crit"),
    (3, "err"),
    (3, "error"),
    (4, "warning"),
    (4, "warn"),
    (5, "notice"),
    (6, "info"),
    (7, "debug"),
];

/// `IPT_ICMP_*`
pub(in crate::wire) const REJECT: [(u32, &str); 16] = [
    (0, "icmp-net-unreachable"),
    (0, "net-unreach"),
    (1, "icmp-host-unreachable"),
    (1, "host-unreach"),
    (2, "icmp-proto-unreachable"),
    (2, "proto-unreach"),
    (3, "icmp-port-unreachable"),
    (3, "port-unreach"),
    (5, "icmp-net-prohibited"),
    (5, "net-prohib"),
    (6, "icmp-host-prohibited"),
    (6, "host-prohib"),
    (7, "tcp-reset"),
    (7, "tcp-rst"),
    (8, "icmp-admin-prohibited"),
    (8, "admin-prohib"),
];

/// `IP6T_*`
pub(in crate::wire) const REJECT6: [(u32, &str); 13] = [
    (0, "icmp6-no-route"),
    (0, "no-route"),
    (1, "icmp6-adm-prohibited"),
    (1, "adm-prohibited"),
    (3, "icmp6-addr-unreachable"),
    (3, "addr-unreach"),
    (4, "icmp6-port-unreachable"),
    (4, "port-unreach"),
    (6, "tcp-reset"),
    (7, "icmp6-policy-fail"),
    (7, "policy-fail"),
    (8, "icmp6-reject-route"),
    (8, "reject-route"),
];
