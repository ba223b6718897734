//! Flows over nfnetlink (ctnetlink): what the kernel tells of them, and the questions.
//!
//! May import model only. Numbers are in network order here, and attributes that podnet does not know are kept.

mod expectation;
mod flow;
mod nest;
mod protocol;
pub mod request;
mod statistics;
mod tuple;

pub use self::expectation::expectation;
pub use self::flow::flow;
pub use self::statistics::{cpu_statistics, fill_totals};

/// `NFNL_SUBSYS_CTNETLINK`, in the upper half of a message's type.
const FLOWS: u16 = 1 << 8;
/// `NFNL_SUBSYS_CTNETLINK_EXP`
const EXPECTATIONS: u16 = 2 << 8;

/// `IPCTNL_MSG_CT_NEW`: a flow. As an event it is new with `NLM_F_CREATE`, else it has changed.
pub const NEW: u16 = FLOWS;
/// `IPCTNL_MSG_CT_GET`
const GET: u16 = FLOWS | 1;
/// `IPCTNL_MSG_CT_DELETE`: a flow that is gone.
pub const DELETE: u16 = FLOWS | 2;
/// `IPCTNL_MSG_CT_GET_STATS_CPU`: question and answer alike.
pub const STATISTICS_CPU: u16 = FLOWS | 4;
/// `IPCTNL_MSG_CT_GET_STATS`: question and answer alike.
pub const STATISTICS: u16 = FLOWS | 5;
/// `IPCTNL_MSG_EXP_NEW`: an expectation.
pub const EXPECTATION_NEW: u16 = EXPECTATIONS;
/// `IPCTNL_MSG_EXP_GET`
const EXPECTATION_GET: u16 = EXPECTATIONS | 1;

/// `NFPROTO_IPV4`
const IPV4: u8 = 2;
/// `NFPROTO_IPV6`
const IPV6: u8 = 10;

/// `CTA_*` of a flow.
mod top {
    pub const TUPLE_ORIG: u16 = 1;
    pub const TUPLE_REPLY: u16 = 2;
    pub const STATUS: u16 = 3;
    pub const PROTOINFO: u16 = 4;
    pub const HELP: u16 = 5;
    pub const TIMEOUT: u16 = 7;
    pub const MARK: u16 = 8;
    pub const COUNTERS_ORIG: u16 = 9;
    pub const COUNTERS_REPLY: u16 = 10;
    pub const USE: u16 = 11;
    pub const ID: u16 = 12;
    pub const TUPLE_MASTER: u16 = 14;
    pub const SEQ_ADJ_ORIG: u16 = 15;
    pub const SEQ_ADJ_REPLY: u16 = 16;
    pub const ZONE: u16 = 18;
    pub const SECCTX: u16 = 19;
    pub const TIMESTAMP: u16 = 20;
    pub const MARK_MASK: u16 = 21;
    pub const LABELS: u16 = 22;
    pub const SYNPROXY: u16 = 24;
    pub const FILTER: u16 = 25;
    pub const STATUS_MASK: u16 = 26;
}

/// `CTA_TUPLE_*`, `CTA_IP_*` and `CTA_PROTO_*`: what a tuple is made of.
mod part {
    pub const IP: u16 = 1;
    pub const PROTO: u16 = 2;
    pub const ZONE: u16 = 3;

    pub const V4_SRC: u16 = 1;
    pub const V4_DST: u16 = 2;
    pub const V6_SRC: u16 = 3;
    pub const V6_DST: u16 = 4;

    pub const NUM: u16 = 1;
    pub const SRC_PORT: u16 = 2;
    pub const DST_PORT: u16 = 3;
    pub const ICMP_ID: u16 = 4;
    pub const ICMP_TYPE: u16 = 5;
    pub const ICMP_CODE: u16 = 6;
    pub const ICMPV6_ID: u16 = 7;
    pub const ICMPV6_TYPE: u16 = 8;
    pub const ICMPV6_CODE: u16 = 9;
}

#[cfg(test)]
mod tests;
