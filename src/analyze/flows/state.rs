//! How a flow stands, in a word, and how long ago its last packet was.
//!
//! May import model and its siblings only.

use schemars::JsonSchema;
use serde::Serialize;

use crate::model::flow::Flow;
use crate::model::flow::protocol::{DccpState, ProtocolState, SctpState, TcpState};
use crate::model::flow::status::Status;

/// How a flow stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StateWord {
    /// The handshake is not finished.
    HalfOpen,
    /// Packets went one way only.
    NoAnswer,
    /// Packets went both ways (protocols without a handshake).
    Answered,
    /// Both ways, and for longer than a moment: conntrack calls it assured.
    Assured,
    /// The handshake is finished.
    Established,
    /// One side is done, or both are, and not all is acknowledged.
    Closing,
    /// Over: it is only kept for packets that come late.
    Closed,
    /// A flow table forwards it, past the rules.
    Offloaded,
    /// It is being removed.
    Dying,
    /// A state that podnet does not know.
    Unknown,
}

impl StateWord {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::HalfOpen,
        Self::NoAnswer,
        Self::Answered,
        Self::Assured,
        Self::Established,
        Self::Closing,
        Self::Closed,
        Self::Offloaded,
        Self::Dying,
        Self::Unknown,
    ];

    /// As it is written in tables and typed after `--state`.
    pub fn words(self) -> &'static str {
        match self {
            Self::HalfOpen => "half open",
            Self::NoAnswer => "no answer",
            Self::Answered => "answered",
            Self::Assured => "assured",
            Self::Established => "established",
            Self::Closing => "closing",
            Self::Closed => "closed",
            Self::Offloaded => "offloaded",
            Self::Dying => "dying",
            Self::Unknown => "unknown",
        }
    }

    /// Of a flow.
    pub fn of(flow: &Flow) -> Self {
        let status = flow.status;
        if status.has(Status::DYING) {
            return Self::Dying;
        }
        if status.has(Status::OFFLOAD) || status.has(Status::HW_OFFLOAD) {
            return Self::Offloaded;
        }
        match flow.state {
            Some(ProtocolState::Tcp { state, .. }) => match state {
                TcpState::SynSent | TcpState::SynRecv | TcpState::SynSent2 => Self::HalfOpen,
                // Picked up in its middle, and only one side is heard.
                TcpState::Established if !status.has(Status::SEEN_REPLY) => Self::NoAnswer,
                TcpState::Established => Self::Established,
                TcpState::FinWait | TcpState::CloseWait | TcpState::LastAck => Self::Closing,
                TcpState::TimeWait | TcpState::Close => Self::Closed,
                TcpState::None | TcpState::Other(_) => Self::Unknown,
            },
            Some(ProtocolState::Sctp { state, .. }) => match state {
                SctpState::CookieWait | SctpState::CookieEchoed => Self::HalfOpen,
                SctpState::Established | SctpState::HeartbeatAcked => Self::Established,
                SctpState::HeartbeatSent => Self::NoAnswer,
                SctpState::ShutdownSent | SctpState::ShutdownReceived | SctpState::ShutdownAckSent => Self::Closing,
                SctpState::Closed => Self::Closed,
                SctpState::None | SctpState::Other(_) => Self::Unknown,
            },
            Some(ProtocolState::Dccp { state, .. }) => match state {
                DccpState::Request | DccpState::Respond | DccpState::PartOpen => Self::HalfOpen,
                DccpState::Open => Self::Established,
                DccpState::CloseReq | DccpState::Closing => Self::Closing,
                DccpState::TimeWait => Self::Closed,
                DccpState::None | DccpState::Ignore | DccpState::Invalid | DccpState::Other(_) => Self::Unknown,
            },
            None if !status.has(Status::SEEN_REPLY) => Self::NoAnswer,
            None if status.has(Status::ASSURED) => Self::Assured,
            None => Self::Answered,
        }
    }
}

/// The kernel's names of states, of all protocols.
pub const KERNEL_NAMES: [&str; 26] = [
    "NONE",
    "SYN_SENT",
    "SYN_RECV",
    "ESTABLISHED",
    "FIN_WAIT",
    "CLOSE_WAIT",
    "LAST_ACK",
    "TIME_WAIT",
    "CLOSE",
    "SYN_SENT2",
    "CLOSED",
    "COOKIE_WAIT",
    "COOKIE_ECHOED",
    "SHUTDOWN_SENT",
    "SHUTDOWN_RECD",
    "SHUTDOWN_ACK_SENT",
    "HEARTBEAT_SENT",
    "HEARTBEAT_ACKED",
    "REQUEST",
    "RESPOND",
    "PARTOPEN",
    "OPEN",
    "CLOSEREQ",
    "CLOSING",
    "IGNORE",
    "INVALID",
];

/// The kernel's name of a protocol's state.
pub fn kernel_name(state: ProtocolState) -> &'static str {
    match state {
        ProtocolState::Tcp { state, .. } => match state {
            TcpState::None => "NONE",
            TcpState::SynSent => "SYN_SENT",
            TcpState::SynRecv => "SYN_RECV",
            TcpState::Established => "ESTABLISHED",
            TcpState::FinWait => "FIN_WAIT",
            TcpState::CloseWait => "CLOSE_WAIT",
            TcpState::LastAck => "LAST_ACK",
            TcpState::TimeWait => "TIME_WAIT",
            TcpState::Close => "CLOSE",
            TcpState::SynSent2 => "SYN_SENT2",
            TcpState::Other(_) => "UNKNOWN",
        },
        ProtocolState::Sctp { state, .. } => match state {
            SctpState::None => "NONE",
            SctpState::Closed => "CLOSED",
            SctpState::CookieWait => "COOKIE_WAIT",
            SctpState::CookieEchoed => "COOKIE_ECHOED",
            SctpState::Established => "ESTABLISHED",
            SctpState::ShutdownSent => "SHUTDOWN_SENT",
            SctpState::ShutdownReceived => "SHUTDOWN_RECD",
            SctpState::ShutdownAckSent => "SHUTDOWN_ACK_SENT",
            SctpState::HeartbeatSent => "HEARTBEAT_SENT",
            SctpState::HeartbeatAcked => "HEARTBEAT_ACKED",
            SctpState::Other(_) => "UNKNOWN",
        },
        ProtocolState::Dccp { state, .. } => match state {
            DccpState::None => "NONE",
            DccpState::Request => "REQUEST",
            DccpState::Respond => "RESPOND",
            DccpState::PartOpen => "PARTOPEN",
            DccpState::Open => "OPEN",
            DccpState::CloseReq => "CLOSEREQ",
            DccpState::Closing => "CLOSING",
            DccpState::TimeWait => "TIME_WAIT",
            DccpState::Ignore => "IGNORE",
            DccpState::Invalid => "INVALID",
            DccpState::Other(_) => "UNKNOWN",
        },
    }
}
