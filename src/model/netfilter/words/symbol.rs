//! Values that `nft` has words for, where it is not told to write numbers.
//!
//! Must not import anything from the crate.

use super::kind::Kind;

type Words = &'static [(&'static str, u64)];

const NF_PROTO: Words = &[("ipv4", 2), ("ipv6", 10)];
const ETHER_TYPE: Words =
    &[("ip", 0x0800), ("arp", 0x0806), ("ip6", 0x86dd), ("8021q", 0x8100), ("8021ad", 0x88a8), ("vlan", 0x8100)];
const ARP_OP: Words =
    &[("request", 1), ("reply", 2), ("rrequest", 3), ("rreply", 4), ("inrequest", 8), ("inreply", 9), ("nak", 10)];
/// The names that `/etc/protocols` has for them everywhere.
const PROTOCOL: Words = &[
    ("ip", 0),
    ("icmp", 1),
    ("igmp", 2),
    ("ggp", 3),
    ("ipencap", 4),
    ("st", 5),
    ("tcp", 6),
    ("egp", 8),
    ("igp", 9),
    ("pup", 12),
    ("udp", 17),
    ("hmp", 20),
    ("dccp", 33),
    ("ipv6", 41),
    ("ipv6-route", 43),
    ("ipv6-frag", 44),
    ("rsvp", 46),
    ("gre", 47),
    ("esp", 50),
    ("ah", 51),
    ("ipv6-icmp", 58),
    ("icmpv6", 58),
    ("ipv6-nonxt", 59),
    ("ipv6-opts", 60),
    ("eigrp", 88),
    ("ospf", 89),
    ("ipip", 94),
    ("etherip", 97),
    ("encap", 98),
    ("pim", 103),
    ("ipcomp", 108),
    ("comp", 108),
    ("vrrp", 112),
    ("l2tp", 115),
    ("sctp", 132),
    ("udplite", 136),
    ("mpls-in-ip", 137),
];
const ICMP_TYPE: Words = &[
    ("echo-reply", 0),
    ("destination-unreachable", 3),
    ("source-quench", 4),
    ("redirect", 5),
    ("echo-request", 8),
    ("router-advertisement", 9),
    ("router-solicitation", 10),
    ("time-exceeded", 11),
    ("parameter-problem", 12),
    ("timestamp-request", 13),
    ("timestamp-reply", 14),
    ("info-request", 15),
    ("info-reply", 16),
    ("address-mask-request", 17),
    ("address-mask-reply", 18),
];
const ICMPV6_TYPE: Words = &[
    ("destination-unreachable", 1),
    ("packet-too-big", 2),
    ("time-exceeded", 3),
    ("parameter-problem", 4),
    ("echo-request", 128),
    ("echo-reply", 129),
    ("mld-listener-query", 130),
    ("mld-listener-report", 131),
    ("mld-listener-done", 132),
    ("mld-listener-reduction", 132),
    ("nd-router-solicit", 133),
    ("nd-router-advert", 134),
    ("nd-neighbor-solicit", 135),
    ("nd-neighbor-advert", 136),
    ("nd-redirect", 137),
    ("router-renumbering", 138),
    ("ind-neighbor-solicit", 141),
    ("ind-neighbor-advert", 142),
    ("mld2-listener-report", 143),
];
const ICMP_CODE: Words = &[
    ("net-unreachable", 0),
    ("host-unreachable", 1),
    ("prot-unreachable", 2),
    ("port-unreachable", 3),
    ("net-prohibited", 9),
    ("host-prohibited", 10),
    ("admin-prohibited", 13),
    ("frag-needed", 4),
];
const ICMPV6_CODE: Words = &[
    ("no-route", 0),
    ("admin-prohibited", 1),
    ("addr-unreachable", 3),
    ("port-unreachable", 4),
    ("policy-fail", 5),
    ("reject-route", 6),
];
const ICMPX_CODE: Words = &[("port-unreachable", 1), ("admin-prohibited", 3), ("no-route", 0), ("host-unreachable", 2)];
const IGMP_TYPE: Words = &[
    ("membership-query", 17),
    ("membership-report-v1", 18),
    ("membership-report-v2", 22),
    ("membership-report-v3", 34),
    ("leave-group", 23),
];
const CT_STATE: Words = &[("invalid", 1), ("new", 8), ("established", 2), ("related", 4), ("untracked", 64)];
const CT_STATUS: Words =
    &[("expected", 1), ("seen-reply", 2), ("assured", 4), ("confirmed", 8), ("snat", 16), ("dnat", 32), ("dying", 512)];
const CT_EVENT: Words = &[
    ("new", 1),
    ("related", 2),
    ("destroy", 4),
    ("reply", 8),
    ("assured", 16),
    ("protoinfo", 32),
    ("helper", 64),
    ("mark", 128),
    ("seqadj", 256),
    ("secmark", 512),
    ("label", 1024),
];
const CT_DIRECTION: Words = &[("original", 0), ("reply", 1)];
const TCP_FLAGS: Words =
    &[("fin", 1), ("syn", 2), ("rst", 4), ("psh", 8), ("ack", 16), ("urg", 32), ("ecn", 64), ("cwr", 128)];
const DSCP: Words = &[
    ("cs0", 0x00),
    ("cs1", 0x08),
    ("cs2", 0x10),
    ("cs3", 0x18),
    ("cs4", 0x20),
    ("cs5", 0x28),
    ("cs6", 0x30),
    ("cs7", 0x38),
    ("df", 0x00),
    ("be", 0x00),
    ("lephb", 0x01),
    ("af11", 0x0a),
    ("af12", 0x0c),
    ("af13", 0x0e),
    ("af21", 0x12),
    ("af22", 0x14),
    ("af23", 0x16),
    ("af31", 0x1a),
    ("af32", 0x1c),
    ("af33", 0x1e),
    ("af41", 0x22),
    ("af42", 0x24),
    ("af43", 0x26),
    ("va", 0x2c),
    ("ef", 0x2e),
];
const ECN: Words = &[("not-ect", 0), ("ect1", 1), ("ect0", 2), ("ce", 3)];
const PACKET_TYPE: Words = &[("host", 0), ("unicast", 0), ("broadcast", 1), ("multicast", 2), ("other", 3)];
const FIB_TYPE: Words = &[
    ("unspec", 0),
    ("unicast", 1),
    ("local", 2),
    ("broadcast", 3),
    ("anycast", 4),
    ("multicast", 5),
    ("blackhole", 6),
    ("unreachable", 7),
    ("prohibit", 8),
];
const LINK_TYPE: Words =
    &[("ether", 1), ("ppp", 512), ("ipip", 768), ("ipip6", 769), ("loopback", 772), ("sit", 776), ("ipgre", 778)];
const BOOLEAN: Words = &[("exists", 1), ("missing", 0)];
const LINK_GROUP: Words = &[("default", 0)];
const DAY: Words =
    &[("Sunday", 0), ("Monday", 1), ("Tuesday", 2), ("Wednesday", 3), ("Thursday", 4), ("Friday", 5), ("Saturday", 6)];
const DCCP_TYPE: Words = &[
    ("request", 0),
    ("response", 1),
    ("data", 2),
    ("ack", 3),
    ("dataack", 4),
    ("closereq", 5),
    ("close", 6),
    ("reset", 7),
    ("sync", 8),
    ("syncack", 9),
];

/// The number that a word stands for where a value of this kind is written.
pub fn value(kind: Kind, word: &str) -> Option<u64> {
    let words: Words = match kind {
        Kind::NfProto => NF_PROTO,
        Kind::EtherType => ETHER_TYPE,
        Kind::ArpOp => ARP_OP,
        Kind::Protocol => PROTOCOL,
        Kind::IcmpType => ICMP_TYPE,
        Kind::Icmpv6Type => ICMPV6_TYPE,
        Kind::IcmpCode => ICMP_CODE,
        Kind::Icmpv6Code => ICMPV6_CODE,
        Kind::IcmpxCode => ICMPX_CODE,
        Kind::IgmpType => IGMP_TYPE,
        Kind::CtState => CT_STATE,
        Kind::CtStatus => CT_STATUS,
        Kind::CtEvent => CT_EVENT,
        Kind::CtDirection => CT_DIRECTION,
        Kind::TcpFlags => TCP_FLAGS,
        Kind::Dscp => DSCP,
        Kind::Ecn => ECN,
        Kind::PacketType => PACKET_TYPE,
        Kind::FibType => FIB_TYPE,
        Kind::LinkType => LINK_TYPE,
        Kind::Boolean => BOOLEAN,
        Kind::LinkGroup => LINK_GROUP,
        Kind::Day => DAY,
        Kind::DccpType => DCCP_TYPE,
        _ => &[],
    };
    words.iter().find(|(name, _)| *name == word).map(|(_, number)| *number)
}

/// The kernel's log levels, by number.
pub const LOG_LEVELS: [&str; 9] = ["emerg", "alert", "crit", "err", "warn", "notice", "info", "debug", "audit"];

/// Names of the kinds of objects, by `NFT_OBJECT_*`: as a rule names it, as a map's type does.
pub const OBJECTS: [(u32, &str, &str); 8] = [
    (1, "counter name", "counter"),
    (2, "quota name", "quota"),
    (3, "ct helper set", "ct helper"),
    (4, "limit name", "limit"),
    (7, "ct timeout set", "ct timeout"),
    (8, "meta secmark set", "secmark"),
    (9, "ct expectation set", "ct expectation"),
    (10, "synproxy name", "synproxy"),
];
