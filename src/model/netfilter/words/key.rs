//! What `meta`, `ct`, `rt`, `socket` and `fib` can be asked for.
//!
//! Must not import anything from the crate.

use super::kind::Kind;

/// A key: its number in the kernel, nft's name, what it holds.
#[derive(Debug, PartialEq, Eq)]
pub struct Key {
    /// `NFT_META_*`, `NFT_CT_*`, `NFT_RT_*`, `NFT_SOCKET_*`
    pub number: u32,
    /// nft's name of it.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// How long it is, bits.
    pub bits: u32,
    /// Whether the kernel keeps it in host order.
    pub host: bool,
}

const fn host(number: u32, name: &'static str, kind: Kind, bits: u32) -> Key {
    Key { number, name, kind, bits, host: true }
}

const fn net(number: u32, name: &'static str, kind: Kind, bits: u32) -> Key {
    Key { number, name, kind, bits, host: false }
}

static META: [Key; 34] = [
    host(0, "length", Kind::Integer, 32),
    net(1, "protocol", Kind::EtherType, 16),
    host(2, "priority", Kind::ClassId, 32),
    host(3, "mark", Kind::Mark, 32),
    host(4, "iif", Kind::LinkIndex, 32),
    host(5, "oif", Kind::LinkIndex, 32),
    host(6, "iifname", Kind::LinkName, 128),
    host(7, "oifname", Kind::LinkName, 128),
    host(8, "iiftype", Kind::LinkType, 16),
    host(9, "oiftype", Kind::LinkType, 16),
    host(10, "skuid", Kind::User, 32),
    host(11, "skgid", Kind::Group, 32),
    host(12, "nftrace", Kind::Integer, 1),
    host(13, "rtclassid", Kind::Realm, 32),
    host(14, "secmark", Kind::Integer, 32),
    host(15, "nfproto", Kind::NfProto, 8),
    net(16, "l4proto", Kind::Protocol, 8),
    host(17, "ibrname", Kind::LinkName, 128),
    host(18, "obrname", Kind::LinkName, 128),
    host(19, "pkttype", Kind::PacketType, 8),
    host(20, "cpu", Kind::Integer, 32),
    host(21, "iifgroup", Kind::LinkGroup, 32),
    host(22, "oifgroup", Kind::LinkGroup, 32),
    host(23, "cgroup", Kind::Integer, 32),
    net(24, "random", Kind::Integer, 32),
    host(25, "ipsec", Kind::Boolean, 8),
    host(26, "iifkind", Kind::LinkName, 128),
    host(27, "oifkind", Kind::LinkName, 128),
    host(28, "ibrpvid", Kind::Integer, 16),
    net(29, "ibrvproto", Kind::EtherType, 16),
    host(31, "day", Kind::Day, 8),
    host(32, "hour", Kind::Hour, 32),
    host(33, "sdif", Kind::LinkIndex, 32),
    host(34, "sdifname", Kind::LinkName, 128),
];

static CT: [Key; 23] = [
    host(0, "state", Kind::CtState, 32),
    host(1, "direction", Kind::CtDirection, 8),
    host(2, "status", Kind::CtStatus, 32),
    host(3, "mark", Kind::Mark, 32),
    host(4, "secmark", Kind::Integer, 32),
    host(5, "expiration", Kind::Time, 32),
    host(6, "helper", Kind::String, 128),
    net(7, "l3proto", Kind::NfProto, 8),
    net(8, "saddr", Kind::Integer, 0),
    net(9, "daddr", Kind::Integer, 0),
    net(10, "protocol", Kind::Protocol, 8),
    net(11, "proto-src", Kind::Service, 16),
    net(12, "proto-dst", Kind::Service, 16),
    host(13, "label", Kind::CtLabel, 128),
    host(14, "packets", Kind::Integer, 64),
    host(15, "bytes", Kind::Integer, 64),
    host(16, "avgpkt", Kind::Integer, 64),
    host(17, "zone", Kind::Integer, 16),
    host(18, "event", Kind::CtEvent, 32),
    net(19, "ip saddr", Kind::Ipv4, 32),
    net(20, "ip daddr", Kind::Ipv4, 32),
    net(21, "ip6 saddr", Kind::Ipv6, 128),
    net(22, "ip6 daddr", Kind::Ipv6, 128),
];

static CT_ID: Key = net(23, "id", Kind::Integer, 32);

static RT: [Key; 5] = [
    host(0, "classid", Kind::Realm, 32),
    net(1, "ip nexthop", Kind::Ipv4, 32),
    net(2, "ip6 nexthop", Kind::Ipv6, 128),
    host(3, "mtu", Kind::Integer, 16),
    host(4, "ipsec", Kind::Boolean, 8),
];

static SOCKET: [Key; 3] =
    [host(0, "transparent", Kind::Boolean, 8), host(1, "mark", Kind::Mark, 32), host(2, "wildcard", Kind::Boolean, 8)];

/// `NFT_META_PROTOCOL`
pub const META_PROTOCOL: u32 = 1;
/// `NFT_META_MARK`
pub const META_MARK: u32 = 3;
/// `NFT_META_IIFTYPE`
pub const META_IIFTYPE: u32 = 8;
/// `NFT_META_NFPROTO`
pub const META_NFPROTO: u32 = 15;
/// `NFT_META_L4PROTO`
pub const META_L4PROTO: u32 = 16;

/// A key of `meta` by its number.
pub fn meta(number: u32) -> Option<&'static Key> {
    META.iter().find(|key| key.number == number)
}

/// A key of `meta` by its name.
pub fn meta_named(name: &str) -> Option<&'static Key> {
    META.iter().find(|key| key.name == name)
}

/// Whether a key of `meta` is written without the word `meta`.
pub fn is_bare(number: u32) -> bool {
    matches!(number, 4..=7 | 21 | 22)
}

/// A key of `ct` by its number.
pub fn ct(number: u32) -> Option<&'static Key> {
    CT.iter().chain([&CT_ID]).find(|key| key.number == number)
}

/// A key of `ct` by its name.
pub fn ct_named(name: &str) -> Option<&'static Key> {
    CT.iter().chain([&CT_ID]).find(|key| key.name == name)
}

/// A key of `rt` by its number.
pub fn rt(number: u32) -> Option<&'static Key> {
    RT.iter().find(|key| key.number == number)
}

/// A key of `rt` by its name.
pub fn rt_named(name: &str) -> Option<&'static Key> {
    RT.iter().find(|key| key.name == name)
}

/// A key of `socket` by its number.
pub fn socket(number: u32) -> Option<&'static Key> {
    SOCKET.iter().find(|key| key.number == number)
}

/// A key of `socket` by its name.
pub fn socket_named(name: &str) -> Option<&'static Key> {
    SOCKET.iter().find(|key| key.name == name)
}

/// `fib`'s flags, in the order in which nft writes them: bit, name.
pub const FIB_FLAGS: [(u32, &str); 5] = [(1, "saddr"), (2, "daddr"), (4, "mark"), (8, "iif"), (16, "oif")];

/// `NFTA_FIB_F_PRESENT`: asks only whether there is a route.
pub const FIB_PRESENT: u32 = 32;

/// `fib`'s results: number, name, kind.
pub const FIB_RESULTS: [(u32, &str, Kind); 3] =
    [(1, "oif", Kind::LinkIndex), (2, "oifname", Kind::LinkName), (3, "type", Kind::FibType)];
