//! Rules, routes and nexthop objects.
//!
//! Must not import anything from the crate but its sibling model types.

use std::net::IpAddr;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::address::Scope;
use super::ids::{IfIndex, Mark, TableId};
use super::link::RawAttr;
use super::text::ByteText;

/// An address family that is routed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// `AF_INET`
    Ipv4,
    /// `AF_INET6`
    Ipv6,
}

impl Family {
    /// Both, in the order in which answers list them.
    pub const ALL: [Self; 2] = [Self::Ipv4, Self::Ipv6];

    /// The family of an address.
    pub fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::Ipv4 } else { Self::Ipv6 }
    }
}

/// A policy rule. Source: `RTM_NEWRULE`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Rule {
    /// Which family's packets it looks at.
    pub family: Family,
    /// `FRA_PRIORITY`; lower is asked first, equal ones in the order of the dump.
    pub priority: u32,
    /// `FIB_RULE_INVERT`: applies to packets that do *not* match.
    #[serde(default)]
    pub invert: bool,
    /// `FRA_SRC`; `None` matches all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub src: Option<IpNet>,
    /// `FRA_DST`; `None` matches all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub dst: Option<IpNet>,
    /// `FRA_IIFNAME`; `lo` means packets of this namespace itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iif: Option<ByteText>,
    /// `FRA_OIFNAME`: only sockets bound to that link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oif: Option<ByteText>,
    /// `FRA_FWMARK` and `FRA_FWMASK`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<Mark>,
    /// `tos` of the header, or `FRA_DSCP` shifted to its place; `None` matches all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tos: Option<u8>,
    /// Whether `tos` came as `FRA_DSCP`, which compares all six bits; the header's own compares the
    /// old tos bits alone in IPv4.
    #[serde(default)]
    pub tos_is_dscp: bool,
    /// `FRA_IP_PROTO`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<u8>,
    /// `FRA_SPORT_RANGE`, both ends included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_ports: Option<(u16, u16)>,
    /// `FRA_DPORT_RANGE`, both ends included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination_ports: Option<(u16, u16)>,
    /// `FRA_UID_RANGE`, both ends included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uids: Option<(u32, u32)>,
    /// `FRA_L3MDEV`: only packets of a VRF's links, and then that VRF's table.
    #[serde(default)]
    pub l3mdev: bool,
    /// `FRA_TUN_ID`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tunnel_id: Option<u64>,
    /// `FRA_SUPPRESS_PREFIXLEN`: a found route with a prefix this long or shorter does not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suppress_prefix_length: Option<u32>,
    /// `FRA_SUPPRESS_IFGROUP`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suppress_interface_group: Option<u32>,
    /// What is done with a packet that matches.
    pub action: RuleAction,
    /// `FRA_PROTOCOL`: who put it there (`kernel`, `boot`, `static`, a number).
    pub origin: String,
    /// Selectors podnet does not know: a rule that bears one makes the answer unknown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<RawAttr>,
}

impl Rule {
    /// A rule of the kernel's own that every packet of the family matches.
    pub fn new(family: Family, priority: u32, action: RuleAction) -> Self {
        Self {
            family,
            priority,
            invert: false,
            src: None,
            dst: None,
            iif: None,
            oif: None,
            mark: None,
            tos: None,
            tos_is_dscp: false,
            protocol: None,
            source_ports: None,
            destination_ports: None,
            uids: None,
            l3mdev: false,
            tunnel_id: None,
            suppress_prefix_length: None,
            suppress_interface_group: None,
            action,
            origin: "kernel".to_owned(),
            unknown: Vec::new(),
        }
    }
}

/// `FR_ACT_*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum RuleAction {
    /// Look the destination up in a table; go on with the next rule when nothing is found.
    Lookup {
        /// `FRA_TABLE`; 0 with `l3mdev`.
        table: TableId,
    },
    /// Go on with the first rule of that priority.
    Goto {
        /// `FRA_GOTO`.
        priority: u32,
    },
    /// Go on with the next rule.
    Nop,
    /// Drop without a word.
    Blackhole,
    /// Drop with "network unreachable".
    Unreachable,
    /// Drop with "administratively prohibited".
    Prohibit,
    /// A number without a name.
    Other {
        /// That number.
        number: u8,
    },
}

/// A route. Source: `RTM_NEWROUTE`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Route {
    /// Which family.
    pub family: Family,
    /// `RTA_TABLE`.
    pub table: TableId,
    /// `RTA_DST`; the default route is `0.0.0.0/0` or `::/0`.
    #[schemars(with = "String")]
    pub dst: IpNet,
    /// `RTA_SRC` of a source-specific IPv6 route.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub src: Option<IpNet>,
    /// `rtm_type`.
    pub kind: RouteKind,
    /// `rtm_scope`.
    pub scope: Scope,
    /// `rtm_protocol`: who put it there (`kernel`, `boot`, `static`, `ra`, `bird`, a number).
    pub origin: String,
    /// `rtm_tos`, or `RTA_DSCP` shifted to its place; 0 matches all.
    #[serde(default)]
    pub tos: u8,
    /// `RTA_PRIORITY`; lower wins among equal prefixes.
    #[serde(default)]
    pub metric: u32,
    /// `RTA_PREFSRC`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<IpAddr>,
    /// Where it leads; several for multipath, none for `blackhole` and its like.
    pub nexthops: Vec<NextHop>,
    /// `RTA_NH_ID`: the nexthop object that `nexthops` was filled from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nexthop_id: Option<u32>,
    /// `RTM_F_*` of the route itself by lower-case name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<String>,
    /// `RTA_METRICS` / `RTAX_MTU`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
    /// The other `RTAX_*` by lower-case name, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub metrics: Vec<(String, u32)>,
    /// `RTA_PREF` of an IPv6 route.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preference: Option<RoutePreference>,
    /// Seconds until an IPv6 route expires; `None` for never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_s: Option<i32>,
    /// Attributes podnet does not know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<RawAttr>,
}

/// One way a route leads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NextHop {
    /// `RTA_OIF`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ifindex: Option<IfIndex>,
    /// `RTA_GATEWAY` or `RTA_VIA` (which may be of the other family); `None`: the destination is on the link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<IpAddr>,
    /// Its share among the others: `rtnh_hops` + 1.
    pub weight: u16,
    /// `RTNH_F_*` by lower-case name: `onlink`, `linkdown`, `dead`, `pervasive`, `offload`, …
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<String>,
    /// `RTA_ENCAP`, kept by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encap: Option<Encap>,
}

/// A lightweight tunnel of a route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Encap {
    /// `mpls`, `ip`, `ila`, `ip6`, `seg6`, `bpf`, `seg6local`, `rpl`, `ioam6`, `xfrm`, or a number.
    pub kind: String,
    /// `RTA_ENCAP` in hex.
    pub hex: String,
}

/// `RTN_*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RouteKind {
    /// Forward or send.
    Unicast,
    /// An address of this namespace.
    Local,
    /// A broadcast address of this namespace.
    Broadcast,
    /// An anycast address of this namespace.
    Anycast,
    /// A multicast destination.
    Multicast,
    /// Drop without a word.
    Blackhole,
    /// Drop with "host unreachable".
    Unreachable,
    /// Drop with "administratively prohibited".
    Prohibit,
    /// Stop looking in this table; go on with the next rule.
    Throw,
    /// Translate (not used by the kernel any more).
    Nat,
    /// A number without a name.
    Other(u8),
}

impl std::fmt::Display for RouteKind {
    /// As `ip route` names it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Unicast => "unicast",
            Self::Local => "local",
            Self::Broadcast => "broadcast",
            Self::Anycast => "anycast",
            Self::Multicast => "multicast",
            Self::Blackhole => "blackhole",
            Self::Unreachable => "unreachable",
            Self::Prohibit => "prohibit",
            Self::Throw => "throw",
            Self::Nat => "nat",
            Self::Other(number) => return write!(f, "{number}"),
        })
    }
}

/// `ICMPV6_ROUTER_PREF_*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RoutePreference {
    /// Less than medium.
    Low,
    /// The usual.
    Medium,
    /// More than medium.
    High,
    /// Counts as medium.
    Invalid,
}

/// A nexthop object. Source: `RTM_NEWNEXTHOP`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NexthopObject {
    /// `NHA_ID`.
    pub id: u32,
    /// Where it leads, unless it is a group or a blackhole.
    pub nexthop: Option<NextHop>,
    /// `NHA_GROUP`: the ids of the members with their weights.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub group: Vec<(u32, u16)>,
    /// `NHA_BLACKHOLE`.
    #[serde(default)]
    pub blackhole: bool,
    /// `NHA_FDB`: for bridge forwarding entries, not for routes.
    #[serde(default)]
    pub fdb: bool,
    /// Who put it there.
    pub origin: String,
}

/// What a route look-up is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct RouteQuery {
    /// The destination.
    pub dst: IpAddr,
    /// The source, where it is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub src: Option<IpAddr>,
    /// The link it comes in by; `None`: sent by this namespace itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iif: Option<IfIndex>,
    /// The link the socket is bound to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oif: Option<IfIndex>,
    /// The packet's mark.
    #[serde(default)]
    pub mark: u32,
    /// The type of service byte.
    #[serde(default)]
    pub tos: u8,
    /// The IP protocol, where it is given; 0: the look-up is one of the kernel's own that names none (of ARP, say).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<u8>,
    /// The source port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_port: Option<u16>,
    /// The destination port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination_port: Option<u16>,
    /// The user id of the socket; `None` is root's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// Whether the source may be any address, as of a packet that rules have changed (`FLOWI_FLAG_ANYSRC`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub any_source: bool,
}

impl RouteQuery {
    /// A look-up of that destination by this namespace itself.
    pub fn to(dst: IpAddr) -> Self {
        Self {
            dst,
            src: None,
            iif: None,
            oif: None,
            mark: 0,
            tos: 0,
            protocol: None,
            source_port: None,
            destination_port: None,
            uid: None,
            any_source: false,
        }
    }
}

/// What the kernel itself answers to a look-up. Source: `RTM_GETROUTE`, asked once plainly (for
/// the source address and the way) and once with `RTM_F_FIB_MATCH` (for the entry that matched).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RouteWitness {
    /// It found a route.
    #[serde(rename = "route")]
    Found {
        /// The resolved answer: destination as a host prefix, chosen nexthop and source.
        resolved: Box<Route>,
        /// The entry of the table that matched; `None` on kernels without fib-match.
        matched: Option<Box<Route>>,
    },
    /// It refused, with that errno: `ENETUNREACH`, `EHOSTUNREACH`, `EACCES`, `EINVAL`.
    #[serde(rename = "error")]
    Refused {
        /// The number.
        errno: i32,
    },
}
