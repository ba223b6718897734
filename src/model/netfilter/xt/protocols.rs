//! Protocols by number, as Debian 12's `/etc/protocols` names them, and the names that xtables adds.
//!
//! Must not import anything from the crate.

/// By number. Of several names the file's first.
const NAMES: [(u16, &str); 56] = [
    (0, "ip"),
    (1, "icmp"),
    (2, "igmp"),
    (3, "ggp"),
    (4, "ipencap"),
    (5, "st"),
    (6, "tcp"),
    (8, "egp"),
    (9, "igp"),
    (12, "pup"),
    (17, "udp"),
    (20, "hmp"),
    (22, "xns-idp"),
    (27, "rdp"),
    (29, "iso-tp4"),
    (33, "dccp"),
    (36, "xtp"),
    (37, "ddp"),
    (38, "idpr-cmtp"),
    (41, "ipv6"),
    (43, "ipv6-route"),
    (44, "ipv6-frag"),
    (45, "idrp"),
    (46, "rsvp"),
    (47, "gre"),
    (50, "esp"),
    (51, "ah"),
    (57, "skip"),
    (58, "ipv6-icmp"),
    (59, "ipv6-nonxt"),
    (60, "ipv6-opts"),
    (73, "rspf"),
    (81, "vmtp"),
    (88, "eigrp"),
    (89, "ospf"),
    (93, "ax.25"),
    (94, "ipip"),
    (97, "etherip"),
    (98, "encap"),
    (103, "pim"),
    (108, "ipcomp"),
    (112, "vrrp"),
    (115, "l2tp"),
    (124, "isis"),
    (132, "sctp"),
    (133, "fc"),
    (135, "mobility-header"),
    (136, "udplite"),
    (137, "mpls-in-ip"),
    (138, "manet"),
    (139, "hip"),
    (140, "shim6"),
    (141, "wesp"),
    (142, "rohc"),
    (143, "ethernet"),
    (262, "mptcp"),
];

/// Names that are read and never written: xtables' own, and the file's further ones.
const ALIASES: [(u16, &str); 5] = [(0, "all"), (0, "hopopt"), (58, "icmpv6"), (135, "ipv6-mh"), (135, "mh")];

/// A protocol's name; `None` where it has none.
pub fn name(number: u16) -> Option<&'static str> {
    let at = NAMES.binary_search_by_key(&number, |(number, _)| *number).ok()?;
    NAMES.get(at).map(|(_, name)| *name)
}

/// The protocol that is called so, in letters of either case.
pub fn number(name: &str) -> Option<u16> {
    let called = |known: &&(u16, &str)| known.1.eq_ignore_ascii_case(name);
    NAMES.iter().chain(&ALIASES).find(called).map(|(number, _)| *number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_and_lead_back() {
        assert!(NAMES.is_sorted_by_key(|(number, _)| *number));
        assert_eq!([name(6), name(132), name(200)], [Some("tcp"), Some("sctp"), None]);
        assert_eq!([number("TCP"), number("icmpv6"), number("all"), number("no")], [Some(6), Some(58), Some(0), None]);
    }
}
