//! Flows: what conntrack remembers of a conversation.
//!
//! Must not import anything from the crate but its sibling model types.

pub mod event;
pub mod expectation;
pub mod filter;
pub mod protocol;
pub mod statistics;
pub mod status;
pub mod tuple;
pub mod view;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::protocol::ProtocolState;
use self::status::Status;
use self::tuple::{Tuple, Zone};
use super::text::{ByteText, Bytes};

/// One flow. Two of them are the same only if zone, original tuple and id agree: the id is a hash and repeats.
///
/// Source: `IPCTNL_MSG_CT_NEW` of ctnetlink, whose attributes are named with each field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Flow {
    /// The conversation as its first packet asked for it. `CTA_TUPLE_ORIG`
    pub original: Tuple,
    /// What an answer looks like when it arrives, before NAT is undone. `CTA_TUPLE_REPLY`
    pub reply: Tuple,
    /// `CTA_ZONE`, and the zone within a tuple where only one direction has it.
    #[serde(default, skip_serializing_if = "Zone::is_default")]
    pub zone: Zone,
    /// `CTA_STATUS`
    pub status: Status,
    /// Seconds until it is forgotten; `None` where the kernel does not say (offloaded, dying or already gone). `CTA_TIMEOUT`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_s: Option<u32>,
    /// `CTA_MARK`; the kernel sends it only where it is built with marks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<u32>,
    /// `CTA_ID`
    pub id: u32,
    /// How many hold on to it. `CTA_USE`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uses: Option<u32>,
    /// Where its protocol stands. `CTA_PROTOINFO`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<ProtocolState>,
    /// Packets and bytes each way; `None` where they are not recorded (`nf_conntrack_acct` was off when it began).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counters: Option<BothWays<Counted>>,
    /// When it began and ended; `None` where that is not recorded (`nf_conntrack_timestamp` was off when it began). `CTA_TIMESTAMP`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamps: Option<Timestamps>,
    /// What few flows have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub more: Option<Box<More>>,
}

/// What few flows have.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct More {
    /// The labels that are set, as the kernel's bit field has them. `CTA_LABELS`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<Bytes>,
    /// `CTA_HELP`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub helper: Option<Helper>,
    /// `CTA_SEQ_ADJ_ORIG` and `CTA_SEQ_ADJ_REPLY`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence_adjustment: Option<BothWays<Option<SequenceAdjustment>>>,
    /// `CTA_SYNPROXY`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub synproxy: Option<Synproxy>,
    /// The flow that made this one expected. `CTA_TUPLE_MASTER`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub master: Option<Tuple>,
    /// `CTA_SECCTX_NAME`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security_context: Option<ByteText>,
    /// Attributes that podnet does not know, by type, in the kernel's order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<UnknownAttribute>,
}

/// Something that each direction has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct BothWays<T> {
    /// Of the direction of the first packet.
    pub original: T,
    /// Of the answers.
    pub reply: T,
}

/// What went one way. `CTA_COUNTERS_*`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Counted {
    /// `CTA_COUNTERS_PACKETS`
    pub packets: u64,
    /// `CTA_COUNTERS_BYTES`, from the IP header on.
    pub bytes: u64,
}

/// Wall-clock times in nanoseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Timestamps {
    /// `CTA_TIMESTAMP_START`
    pub start_ns: u64,
    /// `CTA_TIMESTAMP_STOP`: of flows that have ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_ns: Option<u64>,
}

/// What reads the conversation to expect others.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Helper {
    /// `CTA_HELP_NAME`: `ftp`, `sip`, …
    pub name: ByteText,
    /// `CTA_HELP_INFO`, in the helper's own layout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub info: Option<Bytes>,
}

/// How sequence numbers are moved in one direction, since a helper changed a packet's length. `CTA_SEQADJ_*`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct SequenceAdjustment {
    /// `CTA_SEQADJ_CORRECTION_POS`
    pub position: u32,
    /// `CTA_SEQADJ_OFFSET_BEFORE`
    pub before: i32,
    /// `CTA_SEQADJ_OFFSET_AFTER`
    pub after: i32,
}

/// `CTA_SYNPROXY_*`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Synproxy {
    /// `CTA_SYNPROXY_ISN`
    pub isn: u32,
    /// `CTA_SYNPROXY_ITS`
    pub its: u32,
    /// `CTA_SYNPROXY_TSOFF`
    pub timestamp_offset: u32,
}

/// An attribute that podnet does not know.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct UnknownAttribute {
    /// Its type, and those of the attributes that it stands in, outermost first.
    pub path: Vec<u16>,
    /// Its payload.
    pub bytes: Bytes,
}
