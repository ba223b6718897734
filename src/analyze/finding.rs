//! What an answer found worth saying: a code for programs, a sentence for people.
//!
//! Must not import anything from the crate.

use schemars::JsonSchema;
use serde::Serialize;

/// One thing found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct Finding {
    /// How much it weighs.
    pub weight: Weight,
    /// Which kind it is, for programs.
    pub code: Code,
    /// The sentence, without a full stop. Names in it are as the node has them, not escaped.
    pub text: String,
}

/// How much a finding weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Weight {
    /// Packets do not pass: exit code 1.
    Bad,
    /// Unusual, and often the cause of trouble.
    Odd,
    /// How it is meant to be; good to know.
    Note,
}

/// The kinds of findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// Nobody set the link up.
    LinkDown,
    /// The link is up but has no carrier.
    NoCarrier,
    /// The pod has no interface but loopback.
    NoInterface,
    /// The interface has no address.
    NoAddress,
    /// The two ends of a pair do not name each other.
    EndsDisagree,
    /// The two ends of a pair have different MTUs.
    MtuMismatch,
    /// Both ends of a pair are in one namespace.
    BothEndsInOneNetns,
    /// The other end is neither in the pod's nor in the host's namespace.
    ThirdNetns,
    /// The bridge that the other end is a port of is down.
    BridgeDown,
    /// A bridge port that passes no frames.
    PortNotForwarding,
    /// The other end is plugged into nothing and no route leads to it.
    NotPlugged,
    /// No default route.
    NoDefaultRoute,
    /// The route that would be taken drops.
    RouteDrops,
    /// The gateway does not answer, or another machine answers for it.
    Gateway,
    /// The node does not forward.
    ForwardingOff,
    /// The node's route back to the pod leads elsewhere.
    ReturnElsewhere,
    /// Strict reverse path filtering where the way back differs.
    ReversePath,
    /// What hairpin and bridge-nf do to a pod's call to itself.
    Hairpin,
    /// What bridge-nf does to answers within the bridge.
    BridgeNetfilter,
    /// A program is attached on the way.
    Program,
    /// Two chains are asked in an order that is not known.
    EqualPriority,
    /// The sandbox is not ready.
    NotReady,
    /// The sandbox's namespace is gone.
    NetnsGone,
    /// A service that has no endpoints, or none that may be used.
    NoEndpoints,
    /// An endpoint on this node at which no socket waits.
    NoListener,
    /// Filters that a packet to a service meets behind the translation, and base chains that were not looked for.
    FiltersBehind,
    /// Rules that count nothing.
    NoCounters,
    /// What the kernel does not hold.
    NotInKernel,
    /// Chains to which no rule leads.
    Leftover,
    /// A service whose name the rules do not tell.
    NameUnknown,
    /// A list that was not read at one instant.
    NotOneInstant,
    /// Rules as they are now, of which a flow remembers none.
    WouldMatchNow,
    /// What the kernel was not told to record.
    NotRecorded,
    /// A list that a limit ended.
    Limited,
    /// Clients that may be nodes with pods behind them.
    BehindOtherNode,
    /// Flows of a node's addresses, which its hostNetwork pods share.
    HostNetworkFlows,
    /// A table of flows that is full, or nearly so.
    TableFull,
    /// A counter of the table of flows that tells of something lost.
    Lost,
    /// Ports of a masquerade address that are nearly all taken.
    PortsTaken,
    /// What an answer does not tell apart.
    NotToldApart,
}

impl Finding {
    /// Packets do not pass.
    pub fn bad(code: Code, text: impl Into<String>) -> Self {
        Self { weight: Weight::Bad, code, text: text.into() }
    }

    /// Unusual.
    pub fn odd(code: Code, text: impl Into<String>) -> Self {
        Self { weight: Weight::Odd, code, text: text.into() }
    }

    /// Good to know.
    pub fn note(code: Code, text: impl Into<String>) -> Self {
        Self { weight: Weight::Note, code, text: text.into() }
    }
}
