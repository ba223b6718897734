//! The kernel's numbers by the names that answers use.
//!
//! Must not import anything from the crate.

/// The names of the bits that are set, sorted; a bit without a name is written in hex.
pub fn bits(value: u32, table: &[(u32, &str)]) -> Vec<String> {
    let mut names: Vec<String> =
        table.iter().filter(|(bit, _)| value & bit != 0).map(|(_, name)| (*name).to_owned()).collect();
    let known = table.iter().fold(0, |all, (bit, _)| all | bit);
    names.extend(
        (0..32).map(|shift| 1u32 << shift).filter(|bit| value & !known & bit != 0).map(|bit| format!("{bit:#x}")),
    );
    names.sort();
    names
}

/// `RTPROT_*`: who put a route, a rule or a nexthop object there; a number without a name as it is.
pub fn origin(protocol: u8) -> String {
    let name = match protocol {
        0 => "unspec",
        1 => "redirect",
        2 => "kernel",
        3 => "boot",
        4 => "static",
        8 => "gated",
        9 => "ra",
        10 => "mrt",
        11 => "zebra",
        12 => "bird",
        13 => "dnrouted",
        14 => "xorp",
        15 => "ntk",
        16 => "dhcp",
        17 => "mrouted",
        18 => "keepalived",
        42 => "babel",
        84 => "ovn",
        99 => "openr",
        186 => "bgp",
        187 => "isis",
        188 => "ospf",
        189 => "rip",
        192 => "eigrp",
        number => return number.to_string(),
    };
    name.to_owned()
}

/// `IFF_*` but `IFF_UP` and `IFF_LOWER_UP`.
pub const LINK_FLAGS: &[(u32, &str)] = &[
    (1 << 1, "broadcast"),
    (1 << 2, "debug"),
    (1 << 3, "loopback"),
    (1 << 4, "pointopoint"),
    (1 << 5, "notrailers"),
    (1 << 6, "running"),
    (1 << 7, "noarp"),
    (1 << 8, "promisc"),
    (1 << 9, "allmulti"),
    (1 << 10, "master"),
    (1 << 11, "slave"),
    (1 << 12, "multicast"),
    (1 << 13, "portsel"),
    (1 << 14, "automedia"),
    (1 << 15, "dynamic"),
    (1 << 17, "dormant"),
    (1 << 18, "echo"),
];

/// `IFA_F_*` but the first bit, which has two meanings.
pub const ADDRESS_FLAGS: &[(u32, &str)] = &[
    (0x02, "nodad"),
    (0x04, "optimistic"),
    (0x08, "dadfailed"),
    (0x10, "homeaddress"),
    (0x20, "deprecated"),
    (0x40, "tentative"),
    (0x80, "permanent"),
    (0x100, "managetempaddr"),
    (0x200, "noprefixroute"),
    (0x400, "mcautojoin"),
    (0x800, "stable_privacy"),
];

/// `NUD_*`.
pub const NEIGHBOUR_STATES: &[(u32, &str)] = &[
    (0x01, "incomplete"),
    (0x02, "reachable"),
    (0x04, "stale"),
    (0x08, "delay"),
    (0x10, "probe"),
    (0x20, "failed"),
    (0x40, "noarp"),
    (0x80, "permanent"),
];

/// `NTF_*`, and `NTF_EXT_*` shifted above them by eight bits.
pub const NEIGHBOUR_FLAGS: &[(u32, &str)] = &[
    (1 << 0, "use"),
    (1 << 1, "self"),
    (1 << 2, "master"),
    (1 << 3, "proxy"),
    (1 << 4, "extern_learn"),
    (1 << 5, "offload"),
    (1 << 6, "sticky"),
    (1 << 7, "router"),
    (1 << 8, "managed"),
    (1 << 9, "locked"),
    (1 << 10, "extern_valid"),
];

/// `RTNH_F_*`.
pub const NEXTHOP_FLAGS: &[(u32, &str)] =
    &[(1, "dead"), (2, "pervasive"), (4, "onlink"), (8, "offload"), (16, "linkdown"), (32, "unresolved"), (64, "trap")];

/// `RTM_F_*` of a table's entry.
pub const ROUTE_FLAGS: &[(u32, &str)] = &[
    (0x100, "notify"),
    (0x200, "cloned"),
    (0x400, "equalize"),
    (0x800, "prefix"),
    (0x1000, "lookup_table"),
    (0x2000, "fib_match"),
    (0x4000, "offload"),
    (0x8000, "trap"),
    (0x2000_0000, "offload_failed"),
];

/// `RTM_F_*` of the answer to a look-up, whose upper half holds `RTCF_*`.
pub const CLONED_ROUTE_FLAGS: &[(u32, &str)] = &[
    (0x100, "notify"),
    (0x200, "cloned"),
    (0x400, "equalize"),
    (0x800, "prefix"),
    (0x1000, "lookup_table"),
    (0x2000, "fib_match"),
    (0x1_0000, "notify"),
    (0x2_0000, "directdst"),
    (0x4_0000, "redirected"),
    (0x8_0000, "tproxy"),
    (0x20_0000, "fast"),
    (0x40_0000, "masq"),
    (0x80_0000, "snat"),
    (0x100_0000, "doredirect"),
    (0x400_0000, "directsrc"),
    (0x800_0000, "dnat"),
    (0x1000_0000, "broadcast"),
    (0x2000_0000, "multicast"),
    (0x4000_0000, "reject"),
    (0x8000_0000, "local"),
];

/// `RTAX_*` but `RTAX_MTU`; `None` for a number without a name.
pub fn metric(number: u16) -> Option<&'static str> {
    Some(match number {
        1 => "lock",
        3 => "window",
        4 => "rtt",
        5 => "rttvar",
        6 => "ssthresh",
        7 => "cwnd",
        8 => "advmss",
        9 => "reordering",
        10 => "hoplimit",
        11 => "initcwnd",
        12 => "features",
        13 => "rto_min",
        14 => "initrwnd",
        15 => "quickack",
        17 => "fastopen_no_cookie",
        _ => return None,
    })
}

/// `LWTUNNEL_ENCAP_*`; a number without a name as it is.
pub fn encap(number: u16) -> String {
    let name = match number {
        1 => "mpls",
        2 => "ip",
        3 => "ila",
        4 => "ip6",
        5 => "seg6",
        6 => "bpf",
        7 => "seg6local",
        8 => "rpl",
        9 => "ioam6",
        10 => "xfrm",
        number => return number.to_string(),
    };
    name.to_owned()
}
