//! What the targets of xtables rules do, one type a target, named as `iptables -j` names them.
//!
//! Must not import anything from the crate but its sibling model types.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::matches::SetName;
use crate::model::text::{ByteText, Bytes};

/// What a target does.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// Nothing: the rule counts, and the next one is asked.
    Nothing,
    /// Ends this table's base chain: the packet goes on.
    Accept,
    /// Ends the packet.
    Drop,
    /// Back to the calling chain; of a base chain, its policy.
    Return,
    /// To a program (queue 0).
    Queue,
    /// `-j CHAIN`: to a chain, and back.
    Jump(ByteText),
    /// `-g CHAIN`: to a chain, and back to where the last jump came from.
    Goto(ByteText),
    /// Changes the destination.
    Dnat(NatRange),
    /// Changes the source.
    Snat(NatRange),
    /// Changes the source to the address of the link it leaves by.
    Masquerade(NatRange),
    /// Changes the destination to this node.
    Redirect(NatRange),
    /// Changes the network part of the address, one to one.
    Netmap(NatRange),
    /// Changes the packet's mark: `(mark & !clear) ^ value`.
    Mark(SetMark),
    /// Changes the flow's mark, or copies between it and the packet's.
    Connmark(Connmark),
    /// Ends the packet with an answer: `IPT_ICMP_*` or `IP6T_*`, by the rule's family.
    Reject(u32),
    /// Writes to the kernel's log.
    Log(Log),
    /// Hands a copy to a logging program.
    Nflog(Nflog),
    /// Changes the MSS option of a SYN; 65535 is `--clamp-mss-to-pmtu`.
    Tcpmss(u16),
    /// Says how the flow is tracked.
    Ct(Box<Ct>),
    /// Keeps conntrack away.
    Notrack,
    /// Hands the packet to a socket of this node.
    Tproxy(Tproxy),
    /// Has the kernel tell which rules this packet meets.
    Trace,
    /// Adds to or removes from sets.
    Set(Box<SetChange>),
    /// Sets the packet's class (`skb->priority`).
    Classify(u32),
    /// Fills the checksum in.
    Checksum(u8),
    /// Hands the packet to a program.
    Nfqueue(Nfqueue),
    /// Sends a copy by way of a gateway.
    Tee(Tee),
    /// Changes the TTL (IPv4) or the hop limit (IPv6).
    Ttl(TtlChange),
    /// A target this podnet does not decode: its data as it came (or, from text, its arguments).
    Unknown(Bytes),
}

/// The range that an address or port is taken from. Source: `struct nf_nat_range2` and its elders.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema)]
pub struct NatRange {
    /// First and last address; `None` where none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub addresses: Option<(IpAddr, IpAddr)>,
    /// First and last port; `None` where none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ports: Option<(u16, u16)>,
    /// The port that the first of the range stands for (shifted port maps).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_port: Option<u16>,
    /// `--random`
    #[serde(default)]
    pub random: bool,
    /// `--random-fully`
    #[serde(default)]
    pub random_fully: bool,
    /// `--persistent`
    #[serde(default)]
    pub persistent: bool,
}

/// `-j MARK --set-xmark VALUE/CLEAR`: the one form the kernel has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct SetMark {
    /// The bits that are turned around then.
    pub value: u32,
    /// The bits that are cleared first.
    pub clear: u32,
}

/// `-j CONNMARK`. Source: `struct xt_connmark_tginfo1`, `…2`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Connmark {
    /// 0 set, 1 save (packet to flow), 2 restore (flow to packet). `XT_CONNMARK_*`
    pub op: u8,
    /// `ctmark`
    pub flow_mark: u32,
    /// `ctmask`
    pub flow_mask: u32,
    /// `nfmask`
    pub packet_mask: u32,
    /// Shifted right, else left (revision 2).
    #[serde(default)]
    pub shift_right: bool,
    /// By how many bits (revision 2).
    #[serde(default)]
    pub shift: u8,
}

/// `-j LOG`
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Log {
    /// `--log-level`
    pub level: u8,
    /// `IPT_LOG_*`: 1 TCP sequence, 2 TCP options, 4 IP options, 8 uid, 32 MAC header.
    pub flags: u8,
    /// `--log-prefix`
    pub prefix: ByteText,
}

/// `-j NFLOG`
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Nflog {
    /// `--nflog-group`
    pub group: u16,
    /// `--nflog-prefix`
    pub prefix: ByteText,
    /// `--nflog-range` or, where `sized`, `--nflog-size`: bytes of the packet.
    pub length: u32,
    /// `XT_NFLOG_F_COPY_LEN`: the length counts.
    pub sized: bool,
    /// `--nflog-threshold`
    pub threshold: u16,
}

/// `-j CT`. Source: `struct xt_ct_target_info_v1`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema)]
pub struct Ct {
    /// `XT_CT_*`: 1 notrack, 2 notrack alias, 4 zone of the original direction, 8 of the reply, 16 zone from the mark.
    pub flags: u16,
    /// `--zone`
    pub zone: u16,
    /// `--ctevents`, bits of `IPCT_*`; 0 all.
    pub events: u32,
    /// `--expevents`
    pub expectation_events: u32,
    /// `--helper`
    pub helper: ByteText,
    /// `--timeout`: a policy's name.
    pub timeout: ByteText,
}

/// `-j TPROXY`
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Tproxy {
    /// `--on-ip`; unspecified: the packet's own link's address.
    pub address: IpAddr,
    /// `--on-port`; 0: the packet's own.
    pub port: u16,
    /// `--tproxy-mark VALUE/MASK`
    pub mark: SetMark,
}

/// `-j SET`. Source: `struct xt_set_info_target_v3` and its elders.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own on the command line and in the kernel")]
pub struct SetChange {
    /// `--add-set`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub add: Option<SetKey>,
    /// `--del-set`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete: Option<SetKey>,
    /// `--map-set`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub map: Option<SetKey>,
    /// `--timeout`, seconds; `None` where the set's own counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u32>,
    /// `--exist`
    #[serde(default)]
    pub exist: bool,
    /// `--map-mark`
    #[serde(default)]
    pub map_mark: bool,
    /// `--map-prio`
    #[serde(default)]
    pub map_priority: bool,
    /// `--map-queue`
    #[serde(default)]
    pub map_queue: bool,
}

/// A set and what makes up the key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct SetKey {
    /// The set.
    pub set: SetName,
    /// In order: true is the source.
    pub from_source: Vec<bool>,
}

/// `-j NFQUEUE`
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Nfqueue {
    /// The first queue.
    pub number: u16,
    /// How many queues share the packets.
    pub total: u16,
    /// `--queue-bypass`
    pub bypass: bool,
    /// `--queue-cpu-fanout`
    pub cpu_fanout: bool,
}

/// `-j TEE`
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Tee {
    /// `--gateway`
    pub gateway: IpAddr,
    /// `--oif`
    pub out_interface: ByteText,
}

/// `-j TTL` and `-j HL`
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct TtlChange {
    /// 0 set, 1 increase, 2 decrease.
    pub op: u8,
    /// By or to what.
    pub value: u8,
}
