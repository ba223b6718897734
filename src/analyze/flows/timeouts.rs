//! The full timeout of a flow, which tells with what is left of it when its last packet was.
//!
//! May import model only. A timeout policy of a rule, a helper or somebody's `conntrack -U` can give a flow another
//! one: where what is left does not fit, nothing is told.

use std::cell::RefCell;

use crate::analyze::answer::Gathered;
use crate::model::flow::Flow;
use crate::model::flow::protocol::{DccpState, ProtocolState, SctpState, TcpState};
use crate::model::flow::status::Status;
use crate::model::ids::NetnsId;
use crate::model::issue::{Issue, Level};
use crate::model::view::NodeView;

/// The sysctls below `netfilter.nf_conntrack_`.
const NAMES: [&str; 31] = [
    "generic_timeout",
    "udp_timeout",
    "udp_timeout_stream",
    "icmp_timeout",
    "icmpv6_timeout",
    "gre_timeout",
    "gre_timeout_stream",
    "tcp_timeout_syn_sent",
    "tcp_timeout_syn_recv",
    "tcp_timeout_established",
    "tcp_timeout_fin_wait",
    "tcp_timeout_close_wait",
    "tcp_timeout_last_ack",
    "tcp_timeout_time_wait",
    "tcp_timeout_close",
    "tcp_timeout_max_retrans",
    "tcp_timeout_unacknowledged",
    "sctp_timeout_closed",
    "sctp_timeout_cookie_wait",
    "sctp_timeout_cookie_echoed",
    "sctp_timeout_established",
    "sctp_timeout_shutdown_sent",
    "sctp_timeout_shutdown_recd",
    "sctp_timeout_shutdown_ack_sent",
    "sctp_timeout_heartbeat_sent",
    "dccp_timeout_request",
    "dccp_timeout_respond",
    "dccp_timeout_partopen",
    "dccp_timeout_open",
    "dccp_timeout_closereq",
    "dccp_timeout_timewait",
];

const MAX_RETRANS: usize = 15;
const UNACKNOWLEDGED: usize = 16;

#[derive(Clone, Copy)]
enum Known {
    NotYet,
    Seconds(u32),
    Unreadable,
}

/// The timeouts of one namespace, read as they are asked for.
pub struct Timeouts<'a> {
    node: &'a dyn NodeView,
    netns: NetnsId,
    known: RefCell<[Known; NAMES.len()]>,
    issues: RefCell<Vec<Issue>>,
}

impl<'a> Timeouts<'a> {
    /// Those of a namespace.
    pub fn new(node: &'a dyn NodeView, netns: NetnsId) -> Self {
        Self { node, netns, known: RefCell::new([Known::NotYet; NAMES.len()]), issues: RefCell::default() }
    }

    /// Hands over what could not be read: worth a word, for the flows themselves are told whole.
    pub fn issues(self, gathered: &mut Gathered) {
        gathered.issues.append(&mut self.issues.into_inner());
    }

    fn seconds(&self, at: usize) -> Option<u32> {
        let known = self.known.borrow()[at];
        match known {
            Known::Seconds(seconds) => return Some(seconds),
            Known::Unreadable => return None,
            Known::NotYet => {}
        }
        let section = self.node.sysctl(self.netns, &format!("netfilter.nf_conntrack_{}", NAMES[at]));
        let notes = section.issues.iter().cloned().map(|issue| Issue { level: Level::Note, ..issue });
        self.issues.borrow_mut().extend(notes);
        let seconds = section.value.as_ref().and_then(|text| text.trim().parse().ok());
        self.known.borrow_mut()[at] = seconds.map_or(Known::Unreadable, Known::Seconds);
        seconds
    }

    /// How many milliseconds ago a flow's last packet was; `None` where that cannot be told.
    pub fn since_last_packet(&self, flow: &Flow) -> Option<u64> {
        const FIXED: u32 = 1 << 10;
        let left = flow.timeout_s?;
        if flow.status.0 & (FIXED | Status::OFFLOAD | Status::HW_OFFLOAD | Status::DYING) != 0 {
            return None;
        }
        let full = self.full(flow, left)?;
        full.checked_sub(left).map(|seconds| u64::from(seconds) * 1000)
    }

    fn full(&self, flow: &Flow, left: u32) -> Option<u32> {
        let status = flow.status;
        let at = match (flow.original.protocol, flow.state) {
            (6, Some(ProtocolState::Tcp { state, .. })) => return self.tcp(state, left),
            (132, Some(ProtocolState::Sctp { state, .. })) => sctp(state)?,
            (33, Some(ProtocolState::Dccp { state, .. })) => dccp(state)?,
            (6 | 132 | 33, _) => return None,
            // A stream is what conntrack calls assured; a clash of NAT never is, and then what is left does not fit.
            (17 | 136, _) => 1 + usize::from(status.has(Status::ASSURED)),
            (1, _) => 3,
            (58, _) => 4,
            (47, _) => 5 + usize::from(status.has(Status::ASSURED)),
            _ => 0,
        };
        self.seconds(at)
    }

    /// After packets that were sent again, or that nobody acknowledged, TCP's timeouts are shorter than the
    /// state's: what is left must be more than those for the state's to be known.
    fn tcp(&self, state: TcpState, left: u32) -> Option<u32> {
        let at = match state {
            TcpState::SynSent | TcpState::SynSent2 => 7,
            TcpState::SynRecv => 8,
            TcpState::Established => 9,
            TcpState::FinWait => 10,
            TcpState::CloseWait => 11,
            TcpState::LastAck => 12,
            TcpState::TimeWait => 13,
            TcpState::Close => 14,
            TcpState::None | TcpState::Other(_) => return None,
        };
        let full = self.seconds(at)?;
        let shorter = self.seconds(MAX_RETRANS)?.max(self.seconds(UNACKNOWLEDGED)?);
        (full <= self.seconds(MAX_RETRANS)?.min(self.seconds(UNACKNOWLEDGED)?) || left > shorter).then_some(full)
    }
}

fn sctp(state: SctpState) -> Option<usize> {
    Some(match state {
        SctpState::Closed => 17,
        SctpState::CookieWait => 18,
        SctpState::CookieEchoed => 19,
        SctpState::Established => 20,
        SctpState::ShutdownSent => 21,
        SctpState::ShutdownReceived => 22,
        SctpState::ShutdownAckSent => 23,
        SctpState::HeartbeatSent => 24,
        SctpState::None | SctpState::HeartbeatAcked | SctpState::Other(_) => return None,
    })
}

fn dccp(state: DccpState) -> Option<usize> {
    Some(match state {
        DccpState::Request => 25,
        DccpState::Respond => 26,
        DccpState::PartOpen => 27,
        DccpState::Open => 28,
        DccpState::CloseReq => 29,
        DccpState::TimeWait => 30,
        _ => return None,
    })
}
