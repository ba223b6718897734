//! What was seen of a packet that podnet sent itself.
//!
//! Must not import anything from the crate but its sibling model types.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::Serialize;

use super::flow::Flow;
use super::flow::event::Happened;
use super::ids::{IfIndex, NetnsId};
use super::netfilter::chain::{ChainRef, Hook};

/// Addresses and ports of a packet. An echo's id stands in place of both ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
pub struct Ends {
    /// Where it comes from.
    pub source: IpAddr,
    /// Where it goes.
    pub destination: IpAddr,
    /// `IPPROTO_*`
    pub protocol: u8,
    /// The source port.
    pub source_port: u16,
    /// The destination port.
    pub destination_port: u16,
}

impl Ends {
    /// Those of the answer.
    #[must_use]
    pub fn inverted(self) -> Self {
        Self {
            source: self.destination,
            destination: self.source,
            protocol: self.protocol,
            source_port: self.destination_port,
            destination_port: self.source_port,
        }
    }
}

/// Which packets are meant: what is `None` may be any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
pub struct Pattern {
    /// Where they come from.
    pub source: Option<IpAddr>,
    /// Where they go.
    pub destination: Option<IpAddr>,
    /// Whether they are of IPv6.
    pub ipv6: bool,
    /// `IPPROTO_*`
    pub protocol: u8,
    /// The source port, or the id of an echo.
    pub source_port: Option<u16>,
    /// The destination port, or the id of an echo.
    pub destination_port: Option<u16>,
}

/// The bytes that the probe's payload begins with: what it is told by wherever it comes.
pub type Token = [u8; 12];

/// A packet as a link or the rule trace showed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// Addresses and ports.
    pub ends: Ends,
    /// What else tells whose it is.
    pub kind: Kind,
}

/// What tells a packet from others with its addresses and ports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// TCP.
    Tcp {
        /// Its flags.
        flags: u8,
        /// Its sequence number, which no NAT changes.
        sequence: u32,
        /// What it acknowledges.
        acknowledged: u32,
    },
    /// SCTP.
    Sctp {
        /// The type of its first chunk.
        chunk: u8,
        /// The verification tag: that which its receiver chose.
        tag: u32,
        /// The tag that its sender chooses, where it opens.
        initiate: Option<u32>,
    },
    /// UDP, with the beginning of what it carries.
    Udp {
        /// Its first bytes, where there are as many.
        token: Option<Token>,
    },
    /// An echo.
    Echo {
        /// Whether it is the reply.
        reply: bool,
        /// Its first bytes, where there are as many.
        token: Option<Token>,
    },
    /// An ICMP error.
    Error {
        /// Its type.
        icmp: u8,
        /// Its code.
        code: u8,
        /// The packet that it is about, as far as it is quoted.
        about: Box<Packet>,
    },
}

/// What a packet is to the probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// What was sent.
    Question,
    /// What the receiver answers.
    Answer,
    /// The receiver's refusal: a TCP reset, an SCTP abort.
    Refusal,
    /// An ICMP error about what was sent, or about its answer.
    Error,
}

/// A frame on a link.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct Frame {
    /// Microseconds since the probe was sent; less than 0 never.
    pub after_us: u64,
    /// The link's namespace.
    pub netns: NetnsId,
    /// The link.
    pub ifindex: IfIndex,
    /// Whether it left by the link, else it came in.
    pub out: bool,
    /// What it is.
    pub role: Role,
    /// Addresses and ports; of an error its own addresses, and the ports of what it is about.
    pub ends: Ends,
}

/// A hook that a packet crossed, and what its rules did: the kernel's own trace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Crossing {
    /// The namespace.
    pub netns: NetnsId,
    /// The hook; `None` where the beginning of the trace is missing.
    pub hook: Option<Hook>,
    /// What the packet is.
    pub role: Role,
    /// Addresses and ports as it came to the hook.
    pub ends: Ends,
    /// The rules and policies that were hit, in order.
    pub hits: Vec<Hit>,
}

/// A rule or a policy of nf_tables that a packet hit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct Hit {
    /// The chain.
    pub chain: ChainRef,
    /// The rule; `None`: the chain's policy.
    pub handle: Option<u64>,
    /// What it decided.
    pub verdict: HitVerdict,
}

/// What a rule decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HitVerdict {
    /// The next rule is asked.
    Continue,
    /// To another chain, and back.
    Jump,
    /// To another chain.
    Goto,
    /// Back to the chain before.
    Return,
    /// The base chain lets it pass.
    Accept,
    /// It is dropped; a rule that rejects does so too.
    Drop,
    /// Something else, such as a queue.
    Other,
}

/// A flow of the probe, as conntrack told it last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SeenFlow {
    /// The namespace.
    pub netns: NetnsId,
    /// What was told of it last.
    pub happened: Happened,
    /// The flow.
    pub flow: Flow,
}

/// How often a rule of ip_tables had matched, before and after.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct Counted {
    /// The namespace.
    pub netns: NetnsId,
    /// Its chain.
    pub chain: ChainRef,
    /// Its place there, from 1.
    pub number: u32,
    /// Packets before the probe.
    pub before: u64,
    /// Packets after it. Other traffic counts as well.
    pub after: u64,
}

/// What the sender heard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Heard {
    /// An answer.
    Answer,
    /// An error.
    Error {
        /// The system's words.
        error: String,
    },
    /// The kernel did not let it be sent.
    NotSent {
        /// The system's words.
        error: String,
    },
    /// Nothing while it was waited for.
    Nothing,
}

/// By which means something is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Means {
    /// Packet sockets.
    Frames,
    /// The trace of rules.
    Rules,
    /// Conntrack's events.
    Flows,
}

/// What was not watched.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct Unwatched {
    /// The namespace.
    pub netns: NetnsId,
    /// What.
    pub means: Means,
    /// Why not.
    pub why: String,
}

/// All that was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Observed {
    /// What the sender heard.
    pub heard: Heard,
    /// Microseconds until it did; `None` where it heard nothing.
    pub heard_after_us: Option<u64>,
    /// Frames, by time.
    pub frames: Vec<Frame>,
    /// Hooks, by namespace in the order of the kernel's messages.
    pub crossings: Vec<Crossing>,
    /// Flows, by namespace.
    pub flows: Vec<SeenFlow>,
    /// Counters of rules that the kernel traces nothing of.
    pub counters: Vec<Counted>,
    /// What was not watched.
    pub unwatched: Vec<Unwatched>,
}
