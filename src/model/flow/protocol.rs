//! Where a flow's protocol stands: TCP, SCTP, DCCP.
//!
//! Must not import anything from the crate.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::BothWays;

/// `CTA_PROTOINFO`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProtocolState {
    /// `CTA_PROTOINFO_TCP`
    Tcp {
        /// `CTA_PROTOINFO_TCP_STATE`
        state: TcpState,
        /// `CTA_PROTOINFO_TCP_WSCALE_*`; the kernel leaves it out of events that tell of an end.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        window_scale: Option<BothWays<u8>>,
        /// `CTA_PROTOINFO_TCP_FLAGS_*`
        #[serde(default, skip_serializing_if = "Option::is_none")]
        flags: Option<BothWays<TcpFlags>>,
    },
    /// `CTA_PROTOINFO_SCTP`
    Sctp {
        /// `CTA_PROTOINFO_SCTP_STATE`
        state: SctpState,
        /// `CTA_PROTOINFO_SCTP_VTAG_*`
        #[serde(default, skip_serializing_if = "Option::is_none")]
        verification_tag: Option<BothWays<u32>>,
    },
    /// `CTA_PROTOINFO_DCCP`
    Dccp {
        /// `CTA_PROTOINFO_DCCP_STATE`
        state: DccpState,
        /// `CTA_PROTOINFO_DCCP_ROLE`: 0 where the original direction is the client's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        role: Option<u8>,
        /// `CTA_PROTOINFO_DCCP_HANDSHAKE_SEQ`
        #[serde(default, skip_serializing_if = "Option::is_none")]
        handshake_sequence: Option<u64>,
    },
}

/// `enum tcp_conntrack`
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "they are named as in the kernel and in RFC 9293")]
pub enum TcpState {
    None,
    SynSent,
    SynRecv,
    Established,
    FinWait,
    CloseWait,
    LastAck,
    TimeWait,
    Close,
    /// A SYN in both directions.
    SynSent2,
    /// A number that podnet does not know.
    Other(u8),
}

/// `enum sctp_conntrack`
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "they are named as in the kernel and in RFC 9260")]
pub enum SctpState {
    None,
    Closed,
    CookieWait,
    CookieEchoed,
    Established,
    ShutdownSent,
    ShutdownReceived,
    ShutdownAckSent,
    HeartbeatSent,
    HeartbeatAcked,
    /// A number that podnet does not know.
    Other(u8),
}

/// `enum ct_dccp_states`
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "they are named as in the kernel and in RFC 4340")]
pub enum DccpState {
    None,
    Request,
    Respond,
    PartOpen,
    Open,
    CloseReq,
    Closing,
    TimeWait,
    Ignore,
    Invalid,
    /// A number that podnet does not know.
    Other(u8),
}

/// `struct nf_ct_tcp_flags`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct TcpFlags {
    /// The bits that are set: 1 window scaling, 2 SACK permitted, 4 closed at the beginning, 8 liberal,
    /// 16 data unacknowledged, 32 maximum acknowledgement seen, 64 a challenge acknowledged, 128 simultaneous open.
    pub flags: u8,
    /// The bits that it tells of.
    pub mask: u8,
}
