//! A flow as it is told: who asked for what, who served it, and under which address.
//!
//! May import model and its siblings only.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use jiff::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::ser::SerializeStruct as _;
use serde::{Serialize, Serializer};

use super::state::StateWord;
use crate::analyze::services::types::{FrontKind, ServicePort};
use crate::model::flow::protocol::ProtocolState;
use crate::model::flow::status::Status;
use crate::model::flow::tuple::Zone;
use crate::model::flow::{BothWays, Counted, More};
use crate::model::netfilter::xt::protocols;
use crate::model::sandbox::PodName;

/// One flow, with its NAT undone. What the kernel does not tell is `None`, never 0.
///
/// The four parties are the flow's two tuples: client and what it asked for are source and destination of the
/// original tuple, who served it and what it saw the client as are source and destination of the reply tuple.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct FlowRow {
    /// The node; only where several were asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<Arc<str>>,
    /// The same number on rows of one conversation: a node's masquerade is the client on the next node. Only
    /// where several nodes were asked and the flow goes on elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conversation: Option<u64>,
    /// The IP protocol.
    pub protocol: L4,
    /// Who asked.
    pub client: Party,
    /// What it asked for, before any DNAT.
    pub asked_for: Asked,
    /// Where it went.
    pub served_by: Party,
    /// The source that the server saw.
    pub seen_as: Party,
    /// What was translated.
    pub nat: NatKind,
    /// Of icmp and icmpv6, what tells conversations apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub icmp: Option<Echo>,
    /// How it stands, in a word.
    pub state: StateWord,
    /// How it stands, as the kernel has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol_state: Option<ProtocolState>,
    /// What conntrack has seen and done.
    pub status: StatusBits,
    /// Until it is forgotten.
    pub left_ms: Option<u64>,
    /// Since the last packet either way: the full timeout less what is left. `None` where the full timeout is
    /// not known.
    pub last_packet_ms: Option<u64>,
    /// Packets and bytes each way; `None` where they are not recorded.
    pub counted: Option<BothWays<Counted>>,
    /// When it began; `None` where that is not recorded.
    #[schemars(with = "Option<String>")]
    pub began_at: Option<Timestamp>,
    /// How long ago that was when the node was read.
    pub age_ms: Option<u64>,
    /// Its mark; `None` where the kernel sends none.
    pub mark: Option<u32>,
    /// Its zone; left out for the default one.
    #[serde(skip_serializing_if = "Zone::is_default")]
    pub zone: Zone,
    /// The kernel's hash of it, which repeats.
    pub id: u32,
    /// What rewrites the source of such a flow now; left out where the source was kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_rule: Option<WouldMatch>,
    /// What few flows have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub more: Option<Box<More>>,
}

/// One end of a flow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Party {
    /// Its address.
    pub address: IpAddr,
    /// Its port, where the protocol has ports.
    pub port: Option<u16>,
    /// Whose address it is.
    pub who: Who,
    /// Who is behind it on another node that was asked; only where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub behind: Option<Box<Behind>>,
}

/// What a client asked for.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Asked {
    /// The address.
    pub address: IpAddr,
    /// The port, where the protocol has ports.
    pub port: Option<u16>,
    /// Whose address it is; a service's is nobody's.
    pub who: Who,
    /// The service that answers there now.
    #[serde(flatten)]
    pub service: ServiceHere,
}

/// The service that an address and port are of, as the rules are now: a flow does not remember its rule.
#[derive(Debug, Clone, PartialEq)]
pub enum ServiceHere {
    /// No service has them.
    None,
    /// This one; the answer's `services` tell it whole, with its rules.
    Some {
        /// Its name, or what stands for it.
        service: Arc<Served>,
        /// What of it was asked for.
        front: AskedFront,
        /// Whether the rules would still send new flows to where this one went; `None` where that is not known.
        endpoint: Option<bool>,
    },
    /// A hostPort: the rule is at this place of the answer's `rules`.
    HostPort(WouldMatch),
    /// It is not known.
    Unknown(Arc<str>),
}

/// Which address of a service was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AskedFront {
    /// Its cluster IP.
    ClusterIp,
    /// One of its external or load balancer's IPs.
    ExternalIp,
    /// Its node port.
    NodePort,
    /// The rules do not tell.
    Unknown,
}

impl AskedFront {
    /// From what the rules say of the address.
    pub fn of(kind: FrontKind) -> Self {
        match kind {
            FrontKind::ClusterIp => Self::ClusterIp,
            FrontKind::ExternalIp | FrontKind::LoadBalancerIp | FrontKind::ExternalOrLoadBalancerIp => Self::ExternalIp,
            FrontKind::Unknown => Self::Unknown,
        }
    }
}

/// A service that flows refer to.
#[derive(Debug, PartialEq)]
pub struct Served {
    /// `default/web:http`.
    pub title: Arc<str>,
    /// All that its rules say; `None` where they were not read, for the flows ask for too many services.
    pub port: Option<Box<ServicePort>>,
}

impl Serialize for ServiceHere {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("ServiceHere", 3)?;
        match self {
            Self::None => fields.serialize_field("service", &None::<&str>)?,
            Self::Some { service, front, endpoint } => {
                fields.serialize_field("service", &*service.title)?;
                fields.serialize_field("front", front)?;
                fields.serialize_field("would_go_there", endpoint)?;
            }
            Self::HostPort(rule) => {
                fields.serialize_field("service", &None::<&str>)?;
                fields.serialize_field("host_port_rule", rule)?;
            }
            Self::Unknown(why) => {
                fields.serialize_field("service", &None::<&str>)?;
                fields.serialize_field("service_unknown", &**why)?;
            }
        }
        fields.end()
    }
}

/// How [`ServiceHere`] is written.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "its schema is all that is wanted")]
struct ServiceFields {
    /// The service that has this address and port now, by its title in `services`; null where none has, or where
    /// it is not known.
    service: Option<String>,
    /// What of the service was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    front: Option<AskedFront>,
    /// Whether the rules may still send new flows of this client to where this one went; null where that is not
    /// known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    would_go_there: Option<bool>,
    /// The hostPort rule that would match now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    host_port_rule: Option<WouldMatch>,
    /// Why it is not known which service has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    service_unknown: Option<String>,
}

impl JsonSchema for ServiceHere {
    fn schema_name() -> Cow<'static, str> {
        "ServiceHere".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        ServiceFields::json_schema(generator)
    }
}

/// Whose an address is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Who {
    /// A pod's.
    Pod {
        /// Its node, where that is not the row's.
        #[serde(skip_serializing_if = "Option::is_none")]
        on: Option<Arc<str>>,
        /// Which.
        #[serde(flatten)]
        pod: Arc<PodName>,
    },
    /// A node's: it, or one of its hostNetwork pods, which no address tells apart.
    Node {
        /// Which, where that is not the row's.
        #[serde(skip_serializing_if = "Option::is_none")]
        on: Option<Arc<str>>,
    },
    /// None of the pods' and nodes' that were asked: another node's, one of its pods', or outside.
    Elsewhere {
        /// Whether a route of this node leads there without a gateway by the link it leaves by: it may be a
        /// node, and a pod behind it, which this node cannot see.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        neighbour: bool,
    },
    /// The pods could not all be read.
    Unknown,
}

/// Who is behind a node's address, as another node tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Behind {
    /// The node that tells it.
    pub node: Arc<str>,
    /// The party, as that node saw it.
    #[serde(flatten)]
    pub party: Party,
}

/// What was translated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NatKind {
    /// Nothing.
    None,
    /// The source.
    Snat,
    /// The destination.
    Dnat,
    /// Both.
    SnatAndDnat,
    /// The destination, back to the client itself; mostly the source with it.
    Hairpin,
}

/// What tells echoes apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Echo {
    /// The message's type.
    #[serde(rename = "type")]
    pub kind: u8,
    /// Its code.
    pub code: u8,
    /// The identifier that the client chose.
    pub id: u16,
    /// The one that the server saw.
    pub seen_id: u16,
}

/// Which rule such a flow would match now. A flow does not remember its rule, nor SNAT from MASQUERADE.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WouldMatch {
    /// The rule at this place of the answer's `rules`, from 0.
    Rule(usize),
    /// None: the rules have changed, or another program did it.
    None,
    /// It is not known, because of this.
    Unknown(Arc<str>),
}

/// An IP protocol, by name where it has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct L4(pub u8);

impl L4 {
    /// Its name as `conntrack` writes it; `None` where it has none.
    pub fn name(self) -> Option<&'static str> {
        match self.0 {
            6 => Some("tcp"),
            17 => Some("udp"),
            58 => Some("icmpv6"),
            number => protocols::name(number.into()),
        }
    }

    /// The protocol that is called so, or has this number.
    pub fn named(text: &str) -> Option<Self> {
        let number = text.parse().ok().or_else(|| protocols::number(text)?.try_into().ok())?;
        Some(Self(number))
    }
}

impl std::fmt::Display for L4 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.name() {
            Some(name) => f.pad(name),
            None => self.0.fmt(f),
        }
    }
}

impl Serialize for L4 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.name() {
            Some(name) => serializer.serialize_str(name),
            None => serializer.collect_str(&self.0),
        }
    }
}

impl JsonSchema for L4 {
    fn schema_name() -> Cow<'static, str> {
        "L4".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "description": "An IP protocol: its name, else its number." })
    }
}

/// Status bits, raw and by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatusBits(pub Status);

impl Serialize for StatusBits {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("StatusBits", 2)?;
        fields.serialize_field("bits", &self.0)?;
        fields.serialize_field("names", &Names(self.0))?;
        fields.end()
    }
}

struct Names(Status);

impl Serialize for Names {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.names())
    }
}

/// How [`StatusBits`] are written.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "its schema is all that is wanted")]
struct StatusFields {
    /// As the kernel has them.
    bits: u32,
    /// The names of those that are set, lowest first.
    names: Vec<String>,
}

impl JsonSchema for StatusBits {
    fn schema_name() -> Cow<'static, str> {
        "StatusBits".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        StatusFields::json_schema(generator)
    }
}
