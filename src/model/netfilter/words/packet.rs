//! Packet headers: where each field stands, and which header follows which.
//!
//! Must not import anything from the crate but its sibling model types.

use super::kind::Kind;
use crate::model::netfilter::expr::PayloadBase;

/// A header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Header {
    /// Ethernet.
    Ether,
    /// A VLAN tag, which begins where Ethernet's header ends.
    Vlan,
    /// ARP.
    Arp,
    /// IPv4.
    Ip,
    /// IPv6.
    Ip6,
    /// What TCP, UDP and their like have in common.
    Ports,
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// UDP-Lite.
    UdpLite,
    /// SCTP.
    Sctp,
    /// DCCP.
    Dccp,
    /// ICMP.
    Icmp,
    /// `ICMPv6`.
    Icmpv6,
    /// IGMP.
    Igmp,
    /// `IPsec`'s authentication header.
    Ah,
    /// `IPsec`'s payload header.
    Esp,
    /// IP compression.
    Comp,
}

/// A field of a header.
#[derive(Debug, PartialEq, Eq)]
pub struct Field {
    /// nft's name of it.
    pub name: &'static str,
    /// Where it begins in its header, bits.
    pub offset: u32,
    /// How long it is, bits.
    pub bits: u32,
    /// What it holds.
    pub kind: Kind,
    /// The ICMP type that alone has this field.
    pub only: Option<u8>,
}

const fn field(name: &'static str, offset: u32, bits: u32, kind: Kind) -> Field {
    Field { name, offset, bits, kind, only: None }
}

const fn only(name: &'static str, offset: u32, bits: u32, kind: Kind, of: u8) -> Field {
    Field { name, offset, bits, kind, only: Some(of) }
}

static ETHER: [Field; 3] =
    [field("daddr", 0, 48, Kind::Ether), field("saddr", 48, 48, Kind::Ether), field("type", 96, 16, Kind::EtherType)];
static VLAN: [Field; 4] = [
    field("pcp", 0, 3, Kind::Integer),
    field("dei", 3, 1, Kind::Integer),
    field("id", 4, 12, Kind::Integer),
    field("type", 16, 16, Kind::EtherType),
];
static ARP: [Field; 9] = [
    field("htype", 0, 16, Kind::Integer),
    field("ptype", 16, 16, Kind::EtherType),
    field("hlen", 32, 8, Kind::Integer),
    field("plen", 40, 8, Kind::Integer),
    field("operation", 48, 16, Kind::ArpOp),
    field("saddr ether", 64, 48, Kind::Ether),
    field("saddr ip", 112, 32, Kind::Ipv4),
    field("daddr ether", 144, 48, Kind::Ether),
    field("daddr ip", 192, 32, Kind::Ipv4),
];
static IP: [Field; 12] = [
    field("version", 0, 4, Kind::Integer),
    field("hdrlength", 4, 4, Kind::Integer),
    field("dscp", 8, 6, Kind::Dscp),
    field("ecn", 14, 2, Kind::Ecn),
    field("length", 16, 16, Kind::Integer),
    field("id", 32, 16, Kind::Integer),
    field("frag-off", 48, 16, Kind::Integer),
    field("ttl", 64, 8, Kind::Integer),
    field("protocol", 72, 8, Kind::Protocol),
    field("checksum", 80, 16, Kind::Integer),
    field("saddr", 96, 32, Kind::Ipv4),
    field("daddr", 128, 32, Kind::Ipv4),
];
static IP6: [Field; 9] = [
    field("version", 0, 4, Kind::Integer),
    field("dscp", 4, 6, Kind::Dscp),
    field("ecn", 10, 2, Kind::Ecn),
    field("flowlabel", 12, 20, Kind::Integer),
    field("length", 32, 16, Kind::Integer),
    field("nexthdr", 48, 8, Kind::Protocol),
    field("hoplimit", 56, 8, Kind::Integer),
    field("saddr", 64, 128, Kind::Ipv6),
    field("daddr", 192, 128, Kind::Ipv6),
];
static PORTS: [Field; 2] = [field("sport", 0, 16, Kind::Service), field("dport", 16, 16, Kind::Service)];
static TCP: [Field; 10] = [
    field("sport", 0, 16, Kind::Service),
    field("dport", 16, 16, Kind::Service),
    field("sequence", 32, 32, Kind::Integer),
    field("ackseq", 64, 32, Kind::Integer),
    field("doff", 96, 4, Kind::Integer),
    field("reserved", 100, 4, Kind::Integer),
    field("flags", 104, 8, Kind::TcpFlags),
    field("window", 112, 16, Kind::Integer),
    field("checksum", 128, 16, Kind::Integer),
    field("urgptr", 144, 16, Kind::Integer),
];
static UDP: [Field; 4] = [
    field("sport", 0, 16, Kind::Service),
    field("dport", 16, 16, Kind::Service),
    field("length", 32, 16, Kind::Integer),
    field("checksum", 48, 16, Kind::Integer),
];
static UDPLITE: [Field; 4] = [
    field("sport", 0, 16, Kind::Service),
    field("dport", 16, 16, Kind::Service),
    field("csumcov", 32, 16, Kind::Integer),
    field("checksum", 48, 16, Kind::Integer),
];
static SCTP: [Field; 4] = [
    field("sport", 0, 16, Kind::Service),
    field("dport", 16, 16, Kind::Service),
    field("vtag", 32, 32, Kind::Integer),
    field("checksum", 64, 32, Kind::Integer),
];
static DCCP: [Field; 3] =
    [field("sport", 0, 16, Kind::Service), field("dport", 16, 16, Kind::Service), field("type", 67, 4, Kind::DccpType)];
static ICMP: [Field; 7] = [
    field("type", 0, 8, Kind::IcmpType),
    field("code", 8, 8, Kind::IcmpCode),
    field("checksum", 16, 16, Kind::Integer),
    only("id", 32, 16, Kind::Integer, 8),
    only("sequence", 48, 16, Kind::Integer, 8),
    only("gateway", 32, 32, Kind::Integer, 5),
    only("mtu", 48, 16, Kind::Integer, 3),
];
static ICMPV6: [Field; 8] = [
    field("type", 0, 8, Kind::Icmpv6Type),
    field("code", 8, 8, Kind::Icmpv6Code),
    field("checksum", 16, 16, Kind::Integer),
    only("parameter-problem", 32, 32, Kind::Integer, 4),
    only("mtu", 32, 32, Kind::Integer, 2),
    only("id", 32, 16, Kind::Integer, 128),
    only("sequence", 48, 16, Kind::Integer, 128),
    only("max-delay", 32, 16, Kind::Integer, 130),
];
static IGMP: [Field; 4] = [
    field("type", 0, 8, Kind::IgmpType),
    field("mrt", 8, 8, Kind::Integer),
    field("checksum", 16, 16, Kind::Integer),
    field("group", 32, 32, Kind::Ipv4),
];
static AH: [Field; 5] = [
    field("nexthdr", 0, 8, Kind::Protocol),
    field("hdrlength", 8, 8, Kind::Integer),
    field("reserved", 16, 16, Kind::Integer),
    field("spi", 32, 32, Kind::Integer),
    field("sequence", 64, 32, Kind::Integer),
];
static ESP: [Field; 2] = [field("spi", 0, 32, Kind::Integer), field("sequence", 32, 32, Kind::Integer)];
static COMP: [Field; 3] =
    [field("nexthdr", 0, 8, Kind::Protocol), field("flags", 8, 8, Kind::Integer), field("cpi", 16, 16, Kind::Integer)];

/// Header, nft's name, its number in the header below (IP protocol or `EtherType`).
const HEADERS: [(Header, &str, u32); 17] = [
    (Header::Ether, "ether", 0),
    (Header::Vlan, "vlan", 0x8100),
    (Header::Arp, "arp", 0x0806),
    (Header::Ip, "ip", 0x0800),
    (Header::Ip6, "ip6", 0x86dd),
    (Header::Ports, "th", 0),
    (Header::Tcp, "tcp", 6),
    (Header::Udp, "udp", 17),
    (Header::UdpLite, "udplite", 136),
    (Header::Sctp, "sctp", 132),
    (Header::Dccp, "dccp", 33),
    (Header::Icmp, "icmp", 1),
    (Header::Icmpv6, "icmpv6", 58),
    (Header::Igmp, "igmp", 2),
    (Header::Ah, "ah", 51),
    (Header::Esp, "esp", 50),
    (Header::Comp, "comp", 108),
];

impl Header {
    /// nft's name of it.
    pub fn name(self) -> &'static str {
        HEADERS.iter().find(|row| row.0 == self).map_or("", |row| row.1)
    }

    /// The header that nft names so.
    pub fn named(name: &str) -> Option<Self> {
        HEADERS.iter().find(|row| row.1 == name).map(|row| row.0)
    }

    /// Its number in the header below: an IP protocol, or an `EtherType`; 0 for none.
    pub fn number(self) -> u32 {
        HEADERS.iter().find(|row| row.0 == self).map_or(0, |row| row.2)
    }

    /// What the kernel counts its offsets from.
    pub fn base(self) -> PayloadBase {
        match self {
            Self::Ether | Self::Vlan => PayloadBase::Link,
            Self::Arp | Self::Ip | Self::Ip6 => PayloadBase::Network,
            _ => PayloadBase::Transport,
        }
    }

    /// Where it begins, counted from its base, bits.
    pub fn start(self) -> u32 {
        if self == Self::Vlan { 112 } else { 0 }
    }

    /// Its fields, in their order.
    pub fn fields(self) -> &'static [Field] {
        match self {
            Self::Ether => &ETHER,
            Self::Vlan => &VLAN,
            Self::Arp => &ARP,
            Self::Ip => &IP,
            Self::Ip6 => &IP6,
            Self::Ports => &PORTS,
            Self::Tcp => &TCP,
            Self::Udp => &UDP,
            Self::UdpLite => &UDPLITE,
            Self::Sctp => &SCTP,
            Self::Dccp => &DCCP,
            Self::Icmp => &ICMP,
            Self::Icmpv6 => &ICMPV6,
            Self::Igmp => &IGMP,
            Self::Ah => &AH,
            Self::Esp => &ESP,
            Self::Comp => &COMP,
        }
    }

    /// A field by its name.
    pub fn field(self, name: &str) -> Option<&'static Field> {
        self.fields().iter().find(|field| field.name == name)
    }

    /// Whether a field tells which header follows, or how the rest of this one is to be read.
    pub fn is_key(self, field: &Field) -> bool {
        matches!(
            (self, field.name),
            (Self::Ether | Self::Vlan | Self::Icmp | Self::Icmpv6, "type")
                | (Self::Ip, "protocol")
                | (Self::Ip6, "nexthdr")
        )
    }

    /// The header that an IP protocol number stands for.
    pub fn of_protocol(number: u32) -> Option<Self> {
        HEADERS
            .iter()
            .find(|row| row.0.base() == PayloadBase::Transport && row.0 != Self::Ports && row.2 == number)
            .map(|row| row.0)
    }

    /// The header that an `EtherType` stands for.
    pub fn of_ether_type(number: u32) -> Option<Self> {
        match number {
            0x88a8 => Some(Self::Vlan),
            _ => [Self::Ip, Self::Ip6, Self::Arp, Self::Vlan].into_iter().find(|header| header.number() == number),
        }
    }
}
