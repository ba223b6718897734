//! Kinds of values, as nft numbers them in `NFTA_SET_KEY_TYPE` and names them in `type …`.
//!
//! Must not import anything from the crate.

/// What a value means, and so how it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A verdict.
    Verdict,
    /// `NFPROTO_*`
    NfProto,
    /// Bits without names.
    Bitmask,
    /// A number.
    Integer,
    /// A number written in hex: packet bytes without a name. Not one of nft's own numbers.
    Hex,
    /// Text.
    String,
    /// A link-layer address.
    LinkAddress,
    /// An IPv4 address.
    Ipv4,
    /// An IPv6 address.
    Ipv6,
    /// A MAC address.
    Ether,
    /// `ETH_P_*`
    EtherType,
    /// ARP's operation.
    ArpOp,
    /// `IPPROTO_*`
    Protocol,
    /// A port.
    Service,
    /// ICMP's type.
    IcmpType,
    /// TCP's flags.
    TcpFlags,
    /// DCCP's packet type.
    DccpType,
    /// The type of a mobility header.
    MobilityType,
    /// A time span, milliseconds.
    Time,
    /// A packet's or flow's mark.
    Mark,
    /// A link by its index.
    LinkIndex,
    /// `ARPHRD_*`
    LinkType,
    /// A routing realm.
    Realm,
    /// A traffic class, `major:minor`.
    ClassId,
    /// A user.
    User,
    /// A group.
    Group,
    /// The state of a flow, bits.
    CtState,
    /// A direction of a flow.
    CtDirection,
    /// The status of a flow, bits.
    CtStatus,
    /// `ICMPv6`'s type.
    Icmpv6Type,
    /// Labels of a flow, bits.
    CtLabel,
    /// `PACKET_*`
    PacketType,
    /// ICMP's code.
    IcmpCode,
    /// `ICMPv6`'s code.
    Icmpv6Code,
    /// `NFT_REJECT_ICMPX_*`
    IcmpxCode,
    /// A group of links.
    LinkGroup,
    /// DSCP.
    Dscp,
    /// ECN.
    Ecn,
    /// `RTN_*`
    FibType,
    /// There, or not.
    Boolean,
    /// Events of a flow, bits.
    CtEvent,
    /// A link by its name.
    LinkName,
    /// IGMP's type.
    IgmpType,
    /// A date.
    Date,
    /// A time of day.
    Hour,
    /// A day of the week.
    Day,
    /// A cgroup, by id.
    Cgroup2,
}

/// Kind, nft's number, name, bits (0: any), whether the kernel keeps it in host order.
const KINDS: [(Kind, u32, &str, u32, bool); 46] = [
    (Kind::Verdict, 1, "verdict", 0, true),
    (Kind::NfProto, 2, "nf_proto", 8, true),
    (Kind::Bitmask, 3, "bitmask", 0, true),
    (Kind::Integer, 4, "integer", 0, false),
    (Kind::String, 5, "string", 0, true),
    (Kind::LinkAddress, 6, "ll_addr", 0, false),
    (Kind::Ipv4, 7, "ipv4_addr", 32, false),
    (Kind::Ipv6, 8, "ipv6_addr", 128, false),
    (Kind::Ether, 9, "ether_addr", 48, false),
    (Kind::EtherType, 10, "ether_type", 16, false),
    (Kind::ArpOp, 11, "arp_op", 16, false),
    (Kind::Protocol, 12, "inet_proto", 8, false),
    (Kind::Service, 13, "inet_service", 16, false),
    (Kind::IcmpType, 14, "icmp_type", 8, false),
    (Kind::TcpFlags, 15, "tcp_flag", 8, false),
    (Kind::DccpType, 16, "dccp_pkttype", 4, false),
    (Kind::MobilityType, 17, "mh_type", 8, false),
    (Kind::Time, 18, "time", 64, true),
    (Kind::Mark, 19, "mark", 32, true),
    (Kind::LinkIndex, 20, "iface_index", 32, true),
    (Kind::LinkType, 21, "iface_type", 16, true),
    (Kind::Realm, 22, "realm", 32, true),
    (Kind::ClassId, 23, "classid", 32, true),
    (Kind::User, 24, "uid", 32, true),
    (Kind::Group, 25, "gid", 32, true),
    (Kind::CtState, 26, "ct_state", 32, true),
    (Kind::CtDirection, 27, "ct_dir", 8, true),
    (Kind::CtStatus, 28, "ct_status", 32, true),
    (Kind::Icmpv6Type, 29, "icmpv6_type", 8, false),
    (Kind::CtLabel, 30, "ct_label", 128, true),
    (Kind::PacketType, 31, "pkt_type", 8, true),
    (Kind::IcmpCode, 32, "icmp_code", 8, false),
    (Kind::Icmpv6Code, 33, "icmpv6_code", 8, false),
    (Kind::IcmpxCode, 34, "icmpx_code", 8, false),
    (Kind::LinkGroup, 35, "devgroup", 32, true),
    (Kind::Dscp, 36, "dscp", 6, false),
    (Kind::Ecn, 37, "ecn", 2, false),
    (Kind::FibType, 38, "fib_addrtype", 32, true),
    (Kind::Boolean, 39, "boolean", 8, true),
    (Kind::CtEvent, 40, "ct_event", 32, true),
    (Kind::LinkName, 41, "ifname", 128, true),
    (Kind::IgmpType, 42, "igmp_type", 8, false),
    (Kind::Date, 43, "time", 64, true),
    (Kind::Hour, 44, "hour", 32, true),
    (Kind::Day, 45, "day", 8, true),
    (Kind::Cgroup2, 46, "cgroupsv2", 64, true),
];

impl Kind {
    fn row(self) -> Option<&'static (Kind, u32, &'static str, u32, bool)> {
        KINDS.iter().find(|row| row.0 == self)
    }

    /// nft's number of it; 0 for what it has none for.
    pub fn number(self) -> u32 {
        self.row().map_or(0, |row| row.1)
    }

    /// As `type …` writes it.
    pub fn name(self) -> &'static str {
        self.row().map_or("integer", |row| row.2)
    }

    /// How many bits it has; 0 where that depends on what it belongs to.
    pub fn bits(self) -> u32 {
        self.row().map_or(0, |row| row.3)
    }

    /// How many bytes it takes; 0 where that depends on what it belongs to.
    pub fn bytes(self) -> u32 {
        self.bits().div_ceil(8)
    }

    /// Whether the kernel keeps it in host order, where it is a key of its own.
    pub fn host_order(self) -> bool {
        self.row().is_some_and(|row| row.4)
    }

    /// Whether it is a row of bits, each with a meaning of its own.
    pub fn is_bits(self) -> bool {
        matches!(self, Self::Bitmask | Self::TcpFlags | Self::CtState | Self::CtStatus | Self::CtLabel | Self::CtEvent)
    }

    /// Whether it is written in quotes.
    pub fn is_text(self) -> bool {
        matches!(self, Self::String | Self::LinkName)
    }

    /// Whether a mask of leading ones is written as a prefix length.
    pub fn has_prefixes(self) -> bool {
        matches!(self, Self::Ipv4 | Self::Ipv6)
    }

    /// The kind that nft has this number for.
    pub fn numbered(number: u32) -> Option<Self> {
        KINDS.iter().find(|row| row.1 == number).map(|row| row.0)
    }

    /// The kind that `type …` names so.
    pub fn named(name: &str) -> Option<Self> {
        KINDS.iter().find(|row| row.2 == name).map(|row| row.0)
    }

    /// The kinds of a concatenation's parts, six bits each, in order; `None` where one is not known.
    pub fn parts(number: u32) -> Option<Vec<Self>> {
        let mut parts = Vec::new();
        let mut rest = number;
        while rest != 0 {
            parts.push(Self::numbered(rest & 0x3f)?);
            rest >>= 6;
        }
        parts.reverse();
        (!parts.is_empty()).then_some(parts)
    }

    /// The number of a concatenation of these kinds.
    pub fn concatenated(parts: &[Self]) -> u32 {
        parts.iter().fold(0, |number, part| (number << 6) | part.number())
    }
}
