//! What the matches of xtables rules ask, one type a match, named as `iptables -m` names them.
//!
//! Must not import anything from the crate but its sibling model types.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{MaskedAddress, Test};
use crate::model::ids::Mark;
use crate::model::text::{ByteText, Bytes};

/// What a match asks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Match {
    /// Asks nothing: words for people.
    Comment(ByteText),
    /// Ports, flags and an option of TCP.
    Tcp(Tcp),
    /// Ports of UDP (and, as `udplite`, of UDP-Lite).
    Udp(Ports),
    /// Ports and chunks of SCTP.
    Sctp(Sctp),
    /// An ICMP type and codes.
    Icmp(Test<Icmp>),
    /// An ICMPv6 type and codes.
    Icmp6(Test<Icmp>),
    /// Up to 15 ports and ranges.
    Multiport(Test<Multiport>),
    /// The packet's mark.
    Mark(Test<Mark>),
    /// The flow's mark.
    Connmark(Test<Mark>),
    /// The flow.
    Conntrack(Box<Conntrack>),
    /// The flow's state, the old way (today an alias of `conntrack`): bits as in [`Conntrack::STATES`].
    State(Test<u32>),
    /// Chance, or every n-th packet.
    Statistic(Test<Statistic>),
    /// What kind of address the routes say it is.
    Addrtype(Addrtype),
    /// Whether a set has it.
    Set(Box<Test<SetTest>>),
    /// Whether the source (or destination) was seen lately; may note or forget it.
    Recent(Test<Recent>),
    /// The bridge ports that a frame uses.
    Physdev(Physdev),
    /// Within a rate.
    Limit(Rate),
    /// Within a rate for each key.
    Hashlimit(Box<Hashlimit>),
    /// Who owns the packet's socket.
    Owner(Owner),
    /// Address ranges.
    Iprange(Iprange),
    /// The source's MAC.
    Mac(Test<[u8; 6]>),
    /// The packet's length, bytes, ends included.
    Length(Test<Range>),
    /// Whether the way back leaves by the link it came in by.
    Rpfilter(Rpfilter),
    /// `PACKET_*`: 0 unicast, 1 broadcast, 2 multicast.
    Pkttype(Test<u16>),
    /// The TTL (IPv4) or hop limit (IPv6).
    Ttl(TtlTest),
    /// The DSCP field.
    Dscp(Test<u8>),
    /// The MSS option of a SYN.
    Tcpmss(Test<Range>),
    /// Whether a socket of this node would take it.
    Socket(SocketTest),
    /// Counts into a named object, and always holds.
    Nfacct(ByteText),
    /// A match this podnet does not decode: its data as it came (or, from text, its arguments).
    Unknown(Bytes),
}

/// Two numbers, ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Range {
    /// The first.
    pub min: u16,
    /// The last.
    pub max: u16,
}

/// Ports; `None` asks nothing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema)]
pub struct Ports {
    /// `--sport`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Test<Range>>,
    /// `--dport`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination: Option<Test<Range>>,
}

/// `-m tcp`
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema)]
pub struct Tcp {
    /// Ports.
    #[serde(flatten)]
    pub ports: Ports,
    /// `--tcp-flags MASK COMPARE`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flags: Option<Test<TcpFlags>>,
    /// `--tcp-option`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub option: Option<Test<u8>>,
}

/// TCP flags, as the header's byte has them: 1 FIN, 2 SYN, 4 RST, 8 PSH, 16 ACK, 32 URG.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct TcpFlags {
    /// The flags that are looked at.
    pub mask: u8,
    /// Those of them that must be set.
    pub set: u8,
}

/// `-m sctp`
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema)]
pub struct Sctp {
    /// Ports.
    #[serde(flatten)]
    pub ports: Ports,
    /// `--chunk-types`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chunks: Option<Test<SctpChunks>>,
}

/// Chunks of an SCTP packet.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct SctpChunks {
    /// `SCTP_CHUNK_MATCH_*`: 1 any, 2 all, 4 only.
    pub kind: u32,
    /// The types, ascending.
    pub types: Vec<u8>,
    /// Flags that some types ask for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<SctpChunkFlags>,
}

/// Flags of one chunk type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct SctpChunkFlags {
    /// The type.
    pub kind: u8,
    /// The flags that must be set (or, of those in the mask, must not).
    pub set: u8,
    /// The flags that are looked at.
    pub mask: u8,
}

/// An ICMP type and its codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Icmp {
    /// The type; 255 is any (IPv4).
    pub kind: u8,
    /// The first code.
    pub code_min: u8,
    /// The last code.
    pub code_max: u8,
}

/// `-m multiport`
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Multiport {
    /// Which ports: 0 source, 1 destination, 2 either.
    pub which: u8,
    /// The ports and ranges.
    pub ports: Vec<Range>,
    /// Bits of those that are written as ranges though they have one port (`5:5`), the first the lowest.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub spans: u16,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(bits: &u16) -> bool {
    *bits == 0
}

/// `-m conntrack`
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema)]
pub struct Conntrack {
    /// `--ctstate`: bits as in [`Conntrack::STATES`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub states: Option<Test<u32>>,
    /// `--ctproto`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Test<u16>>,
    /// `--ctorigsrc`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original_source: Option<Test<MaskedAddress>>,
    /// `--ctorigdst`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original_destination: Option<Test<MaskedAddress>>,
    /// `--ctreplsrc`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_source: Option<Test<MaskedAddress>>,
    /// `--ctrepldst`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_destination: Option<Test<MaskedAddress>>,
    /// `--ctorigsrcport`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original_source_port: Option<Test<Range>>,
    /// `--ctorigdstport`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original_destination_port: Option<Test<Range>>,
    /// `--ctreplsrcport`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_source_port: Option<Test<Range>>,
    /// `--ctrepldstport`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_destination_port: Option<Test<Range>>,
    /// `--ctstatus`: `IPS_*` bits; 0 is NONE.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Test<u32>>,
    /// `--ctexpire`, seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Test<Expires>>,
    /// `--ctdir`: the reply direction, else the original one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<bool>,
}

impl Conntrack {
    /// The states, by bit: `XT_CONNTRACK_STATE_*`.
    pub const STATES: [(u32, &'static str); 7] = [
        (1 << 0, "INVALID"),
        (1 << 1, "ESTABLISHED"),
        (1 << 2, "RELATED"),
        (1 << 3, "NEW"),
        (1 << 6, "SNAT"),
        (1 << 7, "DNAT"),
        (1 << 8, "UNTRACKED"),
    ];
}

/// Seconds, ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Expires {
    /// The fewest.
    pub min: u32,
    /// The most.
    pub max: u32,
}

/// `-m statistic`
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Statistic {
    /// Holds with a probability of `n` in 2^31.
    Random {
        /// `u.random.probability`
        n: u32,
    },
    /// Holds for each `every + 1`-th packet, counted from `first`.
    Nth {
        /// `u.nth.every`: one less than what was asked for.
        every: u32,
        /// `u.nth.packet`
        first: u32,
    },
}

/// `-m addrtype`: bits of `XT_ADDRTYPE_*` (1 unspec, 2 unicast, 4 local, 8 broadcast, 16 anycast,
/// 32 multicast, 64 blackhole, 128 unreachable, 256 prohibit, 512 throw, 1024 nat, 2048 xresolve).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema)]
pub struct Addrtype {
    /// `--src-type`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Test<u16>>,
    /// `--dst-type`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination: Option<Test<u16>>,
    /// `--limit-iface-in`
    #[serde(default)]
    pub limit_in: bool,
    /// `--limit-iface-out`
    #[serde(default)]
    pub limit_out: bool,
}

/// `-m set`
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct SetTest {
    /// The set.
    pub set: SetName,
    /// What makes up the key, in order: true is the source.
    pub from_source: Vec<bool>,
    /// `--return-nomatch`
    #[serde(default)]
    pub return_nomatch: bool,
    /// `! --update-counters`
    #[serde(default)]
    pub keep_counters: bool,
    /// `! --update-subcounters`
    #[serde(default)]
    pub keep_subcounters: bool,
    /// `--packets-eq` and its kin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packets: Option<CounterTest>,
    /// `--bytes-eq` and its kin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<CounterTest>,
}

/// An ipset as a rule knows it: by number in the kernel, by name in text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SetName {
    /// `ip_set_id_t`; the list of sets says which it is.
    Index(u16),
    /// Its name.
    Name(ByteText),
}

/// A counter compared: 1 equal, 2 not equal, 3 less, 4 greater (`IPSET_COUNTER_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct CounterTest {
    /// The operator.
    pub op: u8,
    /// With what.
    pub value: u64,
}

/// `-m recent`
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Recent {
    /// The list's name.
    pub name: ByteText,
    /// What is asked or done.
    pub op: RecentOp,
    /// `--seconds`; 0 asks nothing.
    #[serde(default)]
    pub seconds: u32,
    /// `--hitcount`; 0 asks nothing.
    #[serde(default)]
    pub hitcount: u32,
    /// `--reap`
    #[serde(default)]
    pub reap: bool,
    /// `--rttl`
    #[serde(default)]
    pub ttl: bool,
    /// `--rdest`, else `--rsource`.
    #[serde(default)]
    pub destination: bool,
    /// `--mask`; `None` in the oldest revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mask: Option<IpAddr>,
}

/// What `-m recent` does. Source: `XT_RECENT_*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RecentOp {
    /// Notes the address.
    Set,
    /// Asks for it.
    Check,
    /// Asks for it, and notes it anew where it is there.
    Update,
    /// Asks for it, and forgets it.
    Remove,
}

/// `-m physdev`
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema)]
pub struct Physdev {
    /// `--physdev-in`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Test<ByteText>>,
    /// `--physdev-out`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Test<ByteText>>,
    /// `--physdev-is-in`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_in: Option<bool>,
    /// `--physdev-is-out`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_out: Option<bool>,
    /// `--physdev-is-bridged`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_bridged: Option<bool>,
}

/// `-m limit`
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Rate {
    /// How long one packet takes, in ten-thousandths of a second.
    pub average: u32,
    /// How many at once.
    pub burst: u32,
}

/// `-m hashlimit`. Source: `struct xt_hashlimit_mtinfo3` and its elders.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Hashlimit {
    /// The table's name.
    pub name: ByteText,
    /// `--hashlimit-above`, else `--hashlimit-upto`.
    pub above: bool,
    /// `mode`, whole: 1 destination, 2 destination port, 4 source, 8 source port, 16 inverted, 32 bytes, 64 rate match.
    pub mode: u32,
    /// How long one packet takes, in units of [`Self::scale`] parts of a second; for bytes how many.
    pub average: u64,
    /// How many at once.
    pub burst: u64,
    /// 10,000 up to revision 1, 1,000,000 since.
    pub scale: u32,
    /// `--hashlimit-htable-size`
    pub size: u32,
    /// `--hashlimit-htable-max`
    pub max: u32,
    /// `--hashlimit-htable-gcinterval`, milliseconds.
    pub gc_interval_ms: u32,
    /// `--hashlimit-htable-expire`, milliseconds.
    pub expire_ms: u32,
    /// `--hashlimit-rate-interval`, seconds.
    #[serde(default)]
    pub interval: u32,
    /// `--hashlimit-srcmask`, bits.
    pub source_prefix: u8,
    /// `--hashlimit-dstmask`, bits.
    pub destination_prefix: u8,
}

/// `-m owner`
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema)]
pub struct Owner {
    /// `--uid-owner`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Test<IdRange>>,
    /// `--gid-owner`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Test<IdRange>>,
    /// `--suppl-groups`
    #[serde(default)]
    pub supplementary: bool,
    /// `--socket-exists`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub socket: Option<bool>,
}

/// User or group ids, ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct IdRange {
    /// The first.
    pub min: u32,
    /// The last.
    pub max: u32,
}

/// `-m iprange`
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema)]
pub struct Iprange {
    /// `--src-range`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Test<AddressRange>>,
    /// `--dst-range`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination: Option<Test<AddressRange>>,
}

/// Addresses, ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct AddressRange {
    /// The first.
    pub min: IpAddr,
    /// The last.
    pub max: IpAddr,
}

/// `-m rpfilter`
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own on the command line and in the kernel")]
pub struct Rpfilter {
    /// `--loose`
    #[serde(default)]
    pub loose: bool,
    /// `--validmark`
    #[serde(default)]
    pub validmark: bool,
    /// `--accept-local`
    #[serde(default)]
    pub accept_local: bool,
    /// `--invert`
    #[serde(default)]
    pub invert: bool,
}

/// `-m ttl` and `-m hl`
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct TtlTest {
    /// `IPT_TTL_*`: 0 equal, 1 not equal, 2 less, 3 greater.
    pub op: u8,
    /// With what.
    pub value: u8,
}

/// `-m socket`
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema)]
pub struct SocketTest {
    /// `--transparent`
    #[serde(default)]
    pub transparent: bool,
    /// `--nowildcard`
    #[serde(default)]
    pub nowildcard: bool,
    /// `--restore-skmark`
    #[serde(default)]
    pub restore_mark: bool,
}
