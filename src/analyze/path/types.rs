//! What an answer about a packet's way is made of.
//!
//! May import model and analyze's siblings only.

use std::net::{IpAddr, SocketAddr};

use schemars::JsonSchema;
use serde::Serialize;

use super::chance::Choice;
use super::packet::{Packet, Tuple};
use super::refusal::{Refusal, Sees};
use super::socket::Listener;
use super::table::KnownFlow;
use crate::analyze::naming::LinkRef;
use crate::analyze::netfilter::text::RuleRef;
use crate::model::ids::{MacAddr, NetnsId, TableId};
use crate::model::netfilter::chain::{ChainRef, Hook};
use crate::model::route::Route;

/// The way of a packet, and of its answer.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Path {
    /// The packet as its sender makes it.
    pub packet: Packet,
    /// How it ends, over all courses.
    pub verdict: Verdict,
    /// What the sender's program sees of it, where that is known and the same in all courses; `None` of an answer too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sees: Option<Sees>,
    /// The ways that chance, or what nobody can tell, leads it; the likeliest first. One where nothing forks.
    pub courses: Vec<Course>,
    /// The namespaces that it crosses, in their order.
    pub places: Vec<PlaceRef>,
    /// What this rests on without having been looked at.
    pub assumed: Vec<String>,
    /// The endpoint that was asked for; the courses are then those that lead there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<Endpoint>,
}

/// One of the places that chance may lead a packet to.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Endpoint {
    /// Its address.
    pub address: IpAddr,
    /// Its port, where one was asked for.
    pub port: Option<u16>,
    /// How likely a packet is led there; `None` where that cannot be told.
    pub probability: Option<f64>,
    /// Where the other courses lead.
    pub others: Vec<String>,
}

/// An address, with its port where it has one.
pub(super) fn end(address: IpAddr, port: Option<u16>) -> String {
    port.map_or_else(|| address.to_string(), |port| SocketAddr::new(address, port).to_string())
}

/// A namespace of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PlaceRef {
    /// The node.
    pub node: String,
    /// The namespace.
    pub netns: NetnsId,
    /// What it is called: the pod's name, `host`, the name it is bound to, or `net:[N]`.
    pub name: String,
}

/// How a packet's way ends.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Verdict {
    /// The packet reaches its destination's IP stack, and the answer comes back to who asked.
    Answered,
    /// The packet arrives, and its answer does not come back as one.
    Unanswered {
        /// Why not.
        why: String,
    },
    /// The packet does not arrive, and nobody tells the sender.
    Dropped {
        /// Where and why.
        why: String,
    },
    /// The packet does not arrive, and an error goes to the sender.
    Rejected {
        /// Which error.
        with: String,
        /// Where and why.
        why: String,
    },
    /// Chance decides.
    Varies {
        /// How likely it is to be answered.
        answered: f64,
        /// What becomes of the rest.
        why: String,
        /// How likely it is answered at the first SYN, at the second, a second later, and so on: what is dropped
        /// leaves no flow, so that each SYN draws again. Empty where it stays as it was drawn.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        tries: Vec<f64>,
    },
    /// It cannot be told.
    Unknown {
        /// Why not.
        because: String,
    },
}

/// One course of a packet and its answer.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Course {
    /// How likely it is; `None` where that cannot be told.
    pub probability: Option<f64>,
    /// What was chosen where it forks.
    pub choices: Vec<Choice>,
    /// How it ends.
    pub verdict: Verdict,
    /// The way there.
    pub there: Vec<Step>,
    /// The way back of the answer; empty where none is sent.
    pub back: Vec<Step>,
    /// The way back of the error that its sender is told by; empty where none is sent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub error: Vec<Step>,
    /// What the sender's program sees of a packet that does not arrive; `None` where that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sees: Option<Sees>,
    /// Who gets the packet; `None` where nobody does, or where that is beyond what was asked.
    pub arrived: Option<Arrival>,
    /// The rules whose counters it makes grow, each as often as it does, in the order of the way; several such
    /// lists where courses that differ in nothing else were taken together.
    #[serde(skip)]
    pub counted: Vec<Vec<Counted>>,
    /// Where it leaves what can be seen; `None` where it does not. The way back is then that of an answer that comes
    /// in there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leaves: Option<Leaving>,
}

/// A rule that matched, and so counted the packet.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Counted {
    /// The namespace.
    pub netns: NetnsId,
    /// Its chain.
    pub chain: ChainRef,
    /// Its place in the chain, from 1.
    pub number: u32,
    /// Its handle, where its table gives rules any.
    pub handle: Option<u64>,
    /// Whether it counts for certain. What nat does with a tunnel's outer packet it does once for many: those whose
    /// source port, a hash of what they carry, is the same.
    pub is_sure: bool,
}

/// Where a packet leaves what can be seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Leaving {
    /// The namespace, as an index into the places.
    pub place: usize,
    /// The link.
    pub link: LinkRef,
    /// Addresses and ports as it leaves.
    pub seen_as: Tuple,
}

/// Where a packet arrives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Arrival {
    /// The namespace, as an index into the places.
    pub place: usize,
    /// Addresses and ports as the receiver sees them.
    pub seen_as: Tuple,
}

/// One step of a way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Step {
    /// The namespace, as an index into the places.
    pub place: usize,
    /// What happens.
    #[serde(flatten)]
    pub what: StepKind,
    /// What changed in the packet, in words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<String>,
    /// Whether it happens to the outer packet that carries it through a tunnel.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_outer: bool,
}

/// What happens in a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum StepKind {
    /// A program of the namespace sends it.
    Sent {
        /// Addresses and ports as sent.
        tuple: Tuple,
        /// Why it has that source.
        source: String,
    },
    /// It comes from where nothing can be seen.
    FromOutside {
        /// Addresses and ports as it comes.
        tuple: Tuple,
        /// Why it comes.
        how: String,
    },
    /// It leaves to where nothing can be seen.
    ToOutside {
        /// By which link.
        link: LinkRef,
    },
    /// A route is looked up.
    Routed {
        /// Which route won; `None` where the kernel needs none.
        route: Option<Box<Route>>,
        /// The table it is in.
        table: Option<TableId>,
        /// The priority of the rule that led there.
        rule: Option<u32>,
        /// The link it leads to; `None` for this namespace itself.
        link: Option<LinkRef>,
        /// The next router; `None`: the destination is on the link.
        gateway: Option<IpAddr>,
    },
    /// It passes what is hooked in at a place of its way.
    Hooked {
        /// Where.
        hook: Hook,
        /// Within a bridge that hands its frames to IP's hooks.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        in_bridge: bool,
        /// Whose rules these are where they are not IP's.
        #[serde(skip_serializing_if = "Option::is_none")]
        beneath: Option<Beneath>,
        /// What conntrack says of it there.
        #[serde(skip_serializing_if = "Option::is_none")]
        state: Option<FlowState>,
        /// The rules that matched and did something, in order.
        rules: Vec<Acted>,
        /// The rules that were asked and did nothing; empty unless they were asked for.
        #[serde(skip_serializing_if = "Tried::is_empty")]
        tried: Tried,
    },
    /// Conntrack has its flow already, which decides all of nat for it.
    Tracked {
        /// Which.
        flow: Box<KnownFlow>,
        /// Whether it runs in the direction of answers.
        is_reply: bool,
    },
    /// The link-layer address of the next hop is found.
    Neighbour {
        /// Whose.
        address: IpAddr,
        /// What it is.
        mac: MacAddr,
        /// How it is known.
        how: String,
    },
    /// It leaves by a link.
    Out {
        /// Which.
        link: LinkRef,
        /// Addresses and ports as a capture on it shows them.
        tuple: Tuple,
    },
    /// It comes in by a link.
    In {
        /// Which.
        link: LinkRef,
        /// Addresses and ports as a capture on it shows them.
        tuple: Tuple,
    },
    /// It crosses the network between two nodes.
    Crossed {
        /// How it is known where to.
        how: String,
    },
    /// A bridge hands it on.
    Bridged {
        /// The bridge.
        bridge: LinkRef,
        /// The port it came in by; `None`: from the namespace itself.
        from: Option<LinkRef>,
        /// The port it leaves by; `None`: up to the namespace itself.
        to: Option<LinkRef>,
        /// How that is known.
        how: String,
    },
    /// A tunnel packs it into a packet of its own, which is followed until it is unpacked.
    Encapsulated {
        /// The tunnel's link.
        link: LinkRef,
        /// The network that it belongs to.
        vni: u32,
        /// Addresses and ports of the outer packet.
        tuple: Tuple,
        /// Bytes of the outer packet with its IP header.
        length: u32,
        /// Why it goes there.
        how: String,
    },
    /// It is unpacked, and comes in by the tunnel's link.
    Decapsulated {
        /// The tunnel's link.
        link: LinkRef,
        /// The network that it belongs to.
        vni: u32,
    },
    /// It is sent on, with its TTL one lower.
    Forwarded {
        /// What is left.
        ttl: u8,
    },
    /// It is too long for its way, and goes on in pieces, which are followed as one.
    Split {
        /// How long a piece may be.
        mtu: u32,
        /// How many there are.
        pieces: u32,
    },
    /// It is handed to the namespace's own programs.
    Delivered {
        /// Addresses and ports as the receiver sees them.
        tuple: Tuple,
        /// The socket that waits for it; `None` of an answer, of an echo, and where sockets were not read.
        #[serde(skip_serializing_if = "Option::is_none")]
        listener: Option<Box<Listener>>,
    },
    /// It ends here.
    Ended {
        /// How.
        verdict: Stop,
    },
}

/// Whose rules are asked beneath IP.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(tag = "family", rename_all = "snake_case")]
pub enum Beneath {
    /// Those of a bridge.
    Bridge {
        /// Which.
        link: LinkRef,
    },
    /// Those of one link: of the family netdev, and inet's at ingress.
    Netdev {
        /// Which.
        link: LinkRef,
    },
}

/// How one way ends before it arrives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Stop {
    /// Nobody tells the sender.
    Dropped {
        /// Why.
        why: String,
    },
    /// An error goes to the sender.
    Rejected {
        /// Which.
        with: String,
        /// Why.
        why: String,
        /// The same for the walk.
        #[serde(skip)]
        by: Refusal,
    },
    /// It cannot be told how it goes on.
    Unknown {
        /// Why not.
        because: String,
    },
}

impl Stop {
    pub(super) fn dropped(why: impl Into<String>) -> Self {
        Self::Dropped { why: why.into() }
    }

    pub(super) fn rejected(with: impl Into<String>, by: Refusal, why: impl Into<String>) -> Self {
        Self::Rejected { with: with.into(), why: why.into(), by }
    }

    pub(super) fn unknown(because: impl Into<String>) -> Self {
        Self::Unknown { because: because.into() }
    }
}

/// A rule that matched and what it did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Acted {
    /// The rule; `None` for a chain's policy.
    pub rule: Option<RuleRef>,
    /// The base chain it was reached from.
    pub base: ChainRef,
    /// What it did, in words.
    pub did: String,
}

/// The rules that were asked and did nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, JsonSchema)]
pub struct Tried {
    /// The first of them, each with how many rules had acted before.
    pub rules: Vec<(usize, RuleRef)>,
    /// How many more there were.
    pub more: usize,
}

impl Tried {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty() && self.more == 0
    }
}

/// What conntrack says of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FlowState {
    /// The first of its flow.
    New,
    /// Its flow has been answered, or it is an answer.
    Established,
    /// Of no flow, by a rule.
    Untracked,
    /// The first of a flow that another one announced.
    Related,
    /// An answer to what this namespace has not seen.
    Invalid,
}
