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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::flow::tuple::{Key, Tuple, Zone};
    use crate::model::issue::Read;
    use crate::model::snapshot::{Snapshot, example};

    fn node() -> Snapshot {
        let mut node = example();
        let host = node.node.host_netns;
        let sections = node.netns.iter_mut().find(|sections| sections.id == host).unwrap();
        sections.sysctls.retain(|name, _| !name.starts_with("netfilter."));
        for (name, seconds) in [
            ("udp_timeout", 30),
            ("udp_timeout_stream", 120),
            ("tcp_timeout_established", 432_000),
            ("tcp_timeout_syn_sent", 120),
            ("tcp_timeout_max_retrans", 300),
            ("tcp_timeout_unacknowledged", 300),
        ] {
            let value = Read::ok(Some(format!("{seconds}\n"))).section();
            sections.sysctls.insert(format!("netfilter.nf_conntrack_{name}"), value);
        }
        node
    }

    fn flow(protocol: u8, state: Option<TcpState>, status: u32, left: u32) -> Flow {
        let tuple = |src: &str, dst: &str| Tuple {
            src: src.parse().unwrap(),
            dst: dst.parse().unwrap(),
            protocol,
            key: Key::Ports { src: 1, dst: 2 },
        };
        Flow {
            original: tuple("10.0.0.1", "10.0.0.2"),
            reply: tuple("10.0.0.2", "10.0.0.1"),
            zone: Zone::default(),
            status: Status(status),
            timeout_s: Some(left),
            mark: None,
            id: 0,
            uses: None,
            state: state.map(|state| ProtocolState::Tcp { state, window_scale: None, flags: None }),
            counters: None,
            timestamps: None,
            more: None,
        }
    }

    #[test]
    fn the_last_packet_is_told_only_where_the_full_timeout_is_sure() {
        const BOTH: u32 = Status::SEEN_REPLY;
        const STREAM: u32 = Status::SEEN_REPLY | Status::ASSURED;
        let node = node();
        let timeouts = Timeouts::new(&node, node.node.host_netns);
        let since = |flow: &Flow| timeouts.since_last_packet(flow);
        let cases = [
            (flow(17, None, 0, 25), Some(5)),
            (flow(17, None, BOTH, 30), Some(0)),
            (flow(17, None, STREAM, 20), Some(100)),
            // A clash of NAT: a stream that is never assured.
            (flow(17, None, BOTH, 100), None),
            (flow(6, Some(TcpState::SynSent), 0, 100), Some(20)),
            (flow(6, Some(TcpState::Established), STREAM, 431_000), Some(1000)),
            // It may be what was sent again, and its timeout five minutes.
            (flow(6, Some(TcpState::Established), STREAM, 299), None),
            (flow(6, Some(TcpState::Other(77)), STREAM, 1), None),
            (flow(6, None, STREAM, 1), None),
            (flow(17, None, BOTH | 1 << 10, 5), None),
        ];
        for (flow, expected) in cases {
            assert_eq!(since(&flow), expected.map(|seconds: u64| seconds * 1000), "{flow:?}");
        }
        // The generic timeout is not recorded: that is told once, and leaves the answer whole.
        assert_eq!(
            (since(&flow(47, None, 0, 5)), since(&flow(2, None, 0, 5)), since(&flow(2, None, 0, 5))),
            (None, None, None)
        );
        let mut gathered = Gathered::default();
        timeouts.issues(&mut gathered);
        assert_eq!(gathered.issues.len(), 2, "{:?}", gathered.issues);
        assert!(gathered.issues.iter().all(|issue| issue.level == Level::Note));
    }
}
