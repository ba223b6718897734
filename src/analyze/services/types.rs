//! The answer to `services`.
//!
//! May import model and its siblings only.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::Serialize;

pub use super::foreign::types::{Effect, Foreign, Met};
use super::share::Share;
use crate::analyze::finding::Finding;
use crate::model::kube_proxy::{ChainRole, Protocol, ServicePortName};
use crate::model::netfilter::chain::ChainRef;
use crate::model::netfilter::set::SetRef;
use crate::model::netfilter::table::{BackEnd, Counters, Family};
use crate::model::sandbox::PodName;
use crate::model::text::ByteText;

/// What the services of the nodes do, as the rules of each say.
#[derive(Debug, Clone, PartialEq, Default, Serialize, JsonSchema)]
pub struct Services {
    /// Who turns services into endpoints, a row a node.
    pub proxies: Vec<Proxy>,
    /// The pod that was asked for; `None` where the question was about services.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod: Option<AskedPod>,
    /// By node, name and protocol; those whose name the rules do not tell come last, by chain.
    pub services: Vec<ServicePort>,
    /// Chains of services to which no rule leads, by node and name; only where all services were listed.
    pub leftovers: Vec<Leftover>,
    /// Rules of others that act on packets to these services before kube-proxy's are asked, by hook and priority.
    /// Not looked for where only endpoints were asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub foreign: Vec<Foreign>,
    /// What was found, sorted by weight.
    pub findings: Vec<Finding>,
}

/// A pod that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct AskedPod {
    /// Its node; only where several were asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Which.
    #[serde(flatten)]
    pub pod: PodName,
    /// Its addresses.
    pub ips: Vec<IpAddr>,
    /// Whether it uses the node's own namespace: then its address is the node's.
    pub host_network: bool,
}

/// Who turns services into endpoints on a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Proxy {
    /// The node; only where several were asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// How, as the rules tell.
    pub mode: Mode,
    /// Each set of rules of kube-proxy's that is hooked in, in the order of tables.
    pub rules: Vec<RuleSet>,
    /// What takes the mark and masquerades, in order; empty where only endpoints were asked for.
    pub masquerading: Vec<Evidence>,
}

/// How services are turned into endpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// kube-proxy's iptables mode.
    Iptables,
    /// kube-proxy's nftables mode.
    Nftables,
    /// Several sets of rules are hooked in: two modes, or two back ends of one.
    Mixed,
    /// kube-proxy's IPVS mode, which this podnet does not answer for.
    Ipvs,
    /// BPF programs (Cilium's), which this podnet does not read.
    Bpf,
    /// Nothing that podnet knows of.
    None,
}

/// One set of rules of kube-proxy's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
pub struct RuleSet {
    /// How it is written.
    pub mode: Mode,
    /// Who holds it: legacy tables or nf_tables.
    pub back_end: BackEnd,
    /// For which addresses.
    pub family: Family,
}

/// Where a statement comes from: a rule, or an element of a map.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Evidence {
    /// A rule.
    Rule {
        /// Its chain.
        chain: Arc<ChainRef>,
        /// Its place in the chain, from 1.
        number: u32,
        /// Its handle; legacy rules have none.
        #[serde(skip_serializing_if = "Option::is_none")]
        handle: Option<u64>,
        /// What it counted: first packets of flows, and those sent again until the flow is confirmed.
        /// `None` where the rule counts nothing (nftables mode).
        counters: Option<Counters>,
        /// The rule in its own tool's words.
        text: String,
    },
    /// An element of a set or map.
    Element {
        /// The set.
        set: Arc<SetRef>,
        /// Its key, in the words of `nft`.
        key: String,
        /// What it leads to, in the words of `nft`; `None` for a plain set.
        #[serde(skip_serializing_if = "Option::is_none")]
        value: Option<String>,
    },
}

/// How a service port's name is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KnownBy {
    /// Its hash is the one in its chains' names.
    Hash,
    /// Rules say so in a comment; there is no chain to check it against, or its hash is another.
    Comment,
    /// It is not known: the chain's name stands for it.
    Chain,
}

/// One port of a service.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ServicePort {
    /// The node; only where several were asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// `default/web:http`, or the hash in its chains' names.
    pub title: String,
    /// Its name; `None` where the rules do not tell it.
    pub name: Option<ServicePortName>,
    /// How the name is known.
    pub known_by: KnownBy,
    /// `None` where no rule tells.
    pub protocol: Option<Protocol>,
    /// Which set of rules this was read from; with two, a service stands twice.
    pub mode: Mode,
    /// The addresses it answers on: cluster IPs first, then by address.
    pub addresses: Vec<Front>,
    /// Its node port; `None` where it has none, or where [`ServicePort::partial`].
    pub node_port: Option<NodePort>,
    /// Whether only what the question named was looked up: there may be more addresses and a node port.
    pub partial: bool,
    /// Whether its chains could be read to their ends: if not, it may have endpoints that are not told.
    pub whole: bool,
    /// Which endpoints pods and the node reach through its cluster IPs; `None` where the rules do not tell
    /// (they look alike while it has no endpoints at all).
    pub internal_policy: Option<Policy>,
    /// Which endpoints others reach from outside; `None` where nothing leads there from outside, or where
    /// the rules do not tell.
    pub external_policy: Option<Policy>,
    /// Who may use its load balancer's addresses (not its node port); empty: everybody.
    pub source_ranges: Vec<SourceRange>,
    /// Whether a client stays with its endpoint; `None` where it does not.
    pub affinity: Option<Affinity>,
    /// Its endpoints as this node's rules have them, by address.
    pub endpoints: Vec<Endpoint>,
    /// Who is seen by the endpoint under another address, and why.
    pub masquerades: Vec<Masquerade>,
    /// The port on which kube-proxy tells load balancers whether this node has endpoints of its own.
    pub health_check_node_port: Option<HealthCheck>,
    /// The chains it was read from, by name.
    pub chains: Vec<ServiceChain>,
}

/// A chain of a service.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct ServiceChain {
    /// Which.
    pub chain: Arc<ChainRef>,
    /// What it is for.
    pub role: ChainRole,
}

/// A traffic policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    /// All endpoints.
    Cluster,
    /// The endpoints of this node.
    Local,
}

/// One address of a service.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct Front {
    /// What it is.
    pub kind: FrontKind,
    /// The address.
    pub address: IpAddr,
    /// The port there.
    pub port: u16,
    /// The chain that a packet to it is sent to; `None` where there is none.
    pub leads_to: Option<ByteText>,
    /// What keeps packets from getting there, or sends them back.
    pub refusals: Vec<Refusal>,
    /// The rules or elements that say so.
    pub evidence: Vec<Evidence>,
}

/// What an address of a service is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FrontKind {
    /// The cluster's own.
    ClusterIp,
    /// One of the service's `externalIPs`.
    ExternalIp,
    /// A load balancer's.
    LoadBalancerIp,
    /// One of the two: the rules of nftables mode do not tell them apart.
    ExternalOrLoadBalancerIp,
    /// The rules do not tell.
    Unknown,
}

/// What becomes of packets that get to no endpoint.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct Refusal {
    /// Whether they get an answer.
    pub verdict: RefusalVerdict,
    /// Why.
    pub why: RefusalReason,
    /// The rules or elements that say so.
    pub evidence: Vec<Evidence>,
}

/// How packets are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RefusalVerdict {
    /// With an ICMP error.
    Reject,
    /// Without an answer.
    Drop,
}

/// Why packets are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RefusalReason {
    /// The service has no endpoints anywhere.
    NoEndpoints,
    /// It has none on this node, and its policy is Local.
    NoLocalEndpoints,
    /// The client is in none of its source ranges.
    SourceRanges,
}

impl Refusal {
    /// What becomes of a packet, in words.
    pub fn words(&self) -> &'static str {
        match (self.verdict, self.why) {
            (RefusalVerdict::Reject, RefusalReason::NoEndpoints) => "no endpoints: rejected",
            (RefusalVerdict::Drop, RefusalReason::NoEndpoints) => "no endpoints: dropped",
            (RefusalVerdict::Reject, RefusalReason::NoLocalEndpoints) => "no local endpoints: rejected",
            (RefusalVerdict::Drop, RefusalReason::NoLocalEndpoints) => "no local endpoints: dropped",
            (RefusalVerdict::Reject, RefusalReason::SourceRanges) => "other sources: rejected",
            (RefusalVerdict::Drop, RefusalReason::SourceRanges) => "other sources: dropped",
        }
    }
}

/// The node port of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct NodePort {
    /// The port.
    pub port: u16,
    /// On which of the node's addresses it answers, IPv4 first.
    pub on: Vec<NodePortOn>,
    /// What keeps packets from getting to an endpoint.
    pub refusals: Vec<Refusal>,
    /// The rules or elements that say so.
    pub evidence: Vec<Evidence>,
}

/// The addresses on which node ports answer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct NodePortOn {
    /// Of which family.
    pub family: Family,
    /// Every local address, a bridge's too.
    pub any_local: bool,
    /// These alone; empty where every local address answers.
    #[schemars(with = "Vec<String>")]
    pub only: Vec<IpNet>,
    /// But not these.
    #[schemars(with = "Vec<String>")]
    pub except: Vec<IpNet>,
    /// Whether it answers on 127.0.0.1, which needs the sysctl `route_localnet`; `None` where that is not known,
    /// and for IPv6, where the kernel has no such thing.
    pub loopback: Option<bool>,
}

/// Clients that may use a load balancer's addresses.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct SourceRange {
    /// Their addresses.
    #[schemars(with = "String")]
    pub range: IpNet,
    /// The rules that say so.
    pub evidence: Vec<Evidence>,
}

/// How a client stays with its endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Affinity {
    /// How long after its last new flow, seconds; `None` where it could not be read.
    pub timeout_s: Option<u64>,
    /// The clients that are bound now, by endpoint and address: as they come, before any masquerade.
    pub clients: Vec<Pinned>,
    /// Whether all lists could be read, and the clients' time in them.
    pub complete: bool,
}

/// A client that is bound to an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct Pinned {
    /// The endpoint.
    pub endpoint: SocketAddr,
    /// Its own address, before any masquerade.
    pub client: IpAddr,
    /// How long it still is, if it sends nothing more; `None` where that is not known.
    pub expires_ms: Option<u64>,
}

/// One endpoint.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Endpoint {
    /// Its address.
    pub address: IpAddr,
    /// Its port.
    pub port: u16,
    /// What answers there.
    pub behind: Behind,
    /// Whether a socket waits there.
    pub listening: Listening,
    /// How likely a new client gets it where all endpoints are used (policy Cluster, and for pods and the node
    /// itself always on external addresses); `None` where it has no part in that, or where a rule before it is not
    /// read (an issue says so).
    pub cluster: Option<Share>,
    /// How likely where only this node's endpoints are used (policy Local); `None` likewise.
    pub local: Option<Share>,
    /// Its chain; `None` where it has none (nftables mode since 1.33, without affinity).
    pub chain: Option<ByteText>,
    /// Packets that were sent to it first: those of new flows, and repeated ones. `None` where nothing counts.
    pub first_packets: Option<u64>,
    /// The rules or elements that say so, in order.
    pub evidence: Vec<Evidence>,
}

/// What is behind an endpoint's address.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Behind {
    /// A pod of this node.
    Pod {
        /// Which.
        #[serde(flatten)]
        pod: PodName,
    },
    /// This node itself. Which of its hostNetwork pods it is, if any, no address tells.
    Node {
        /// Its hostNetwork pods, sorted.
        host_network_pods: Vec<PodName>,
    },
    /// Nothing on this node.
    NotHere,
    /// The pods of this node could not all be read.
    Unknown,
    /// It was not asked for.
    NotAsked,
}

/// Whether a socket takes what is sent to an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Listening {
    /// One does.
    Yes {
        /// Its inode, which `/proc/PID/fd` leads to.
        inode: u32,
        /// Its owner.
        uid: u32,
        /// How many share the port (`SO_REUSEPORT`), this one counted.
        sockets: usize,
    },
    /// None does: who connects is refused.
    No {
        /// Where that port is open instead (`that port is open at 127.0.0.1`); `None`: nowhere.
        elsewhere: Option<String>,
    },
    /// It cannot be told.
    Unknown {
        /// Why not.
        because: String,
    },
    /// The endpoint is not on this node.
    NotHere,
    /// It was not asked for: all services are listed, or endpoints alone.
    NotAsked,
}

/// Who is seen under another address.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct Masquerade {
    /// Whose packets.
    pub who: Masqueraded,
    /// Those to which addresses.
    pub to: MasqueradedTo,
    /// The rules or elements that say so.
    pub evidence: Vec<Evidence>,
}

/// Whose packets are masqueraded.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Masqueraded {
    /// Everybody's.
    All,
    /// Clients outside the pods' addresses.
    OutsideOf {
        /// The pods' addresses.
        #[schemars(with = "String")]
        range: IpNet,
    },
    /// This node's own.
    ThisNode,
    /// A pod that is sent to itself.
    Hairpin {
        /// The endpoint.
        endpoint: IpAddr,
    },
    /// Told by something else; the words of the rule.
    Where {
        /// What the rule asks.
        condition: String,
    },
}

/// Which packets a masquerade is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MasqueradedTo {
    /// To a cluster IP.
    ClusterIp,
    /// To an external or load balancer's IP, or a node port.
    External,
    /// To an endpoint, whatever address was asked for.
    Endpoint,
}

/// A health check's port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct HealthCheck {
    /// The port.
    pub port: u16,
    /// The rules that let it in.
    pub evidence: Vec<Evidence>,
}

/// A chain of a service to which no rule leads.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct Leftover {
    /// The node; only where several were asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// The chain.
    pub chain: Arc<ChainRef>,
    /// The service port it was for, where it can be told.
    pub name: Option<ServicePortName>,
    /// How many rules it still has.
    pub rules: usize,
}
