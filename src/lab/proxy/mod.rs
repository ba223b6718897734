//! What kube-proxy 1.36 writes for services, from a node's point of view.
//!
//! May import model. Pure: what is on the node already comes in as an argument. The generators are
//! public so that a test can hold them against what the real program wrote.

pub mod iptables;
pub mod nftables;

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use crate::model::kube_proxy::{Protocol, ServicePortName};
use crate::model::lab_service::TrafficPolicy;

/// What the rules say of the node and the cluster, in one address family.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// All pods of the cluster: what does not come from there is masqueraded. Its family is the rules'.
    pub pods: IpNet,
    /// The addresses that services are given.
    pub services: IpNet,
    /// The node's addresses that take node ports in nftables mode.
    pub addresses: Vec<IpAddr>,
    /// Whether rules may count with nfacct objects.
    pub accounting: bool,
}

impl Node {
    /// Whether the rules are IPv6's.
    pub fn is_v6(&self) -> bool {
        matches!(self.pods, IpNet::V6(_))
    }

    /// `ip` or `ip6`, as nft has it.
    pub fn family(&self) -> &'static str {
        if self.is_v6() { "ip6" } else { "ip" }
    }
}

/// A port of a service, and what is behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServicePort {
    /// Its name.
    pub name: ServicePortName,
    /// Its protocol.
    pub protocol: Protocol,
    /// The service's address.
    pub cluster_ip: IpAddr,
    /// Its number there.
    pub port: u16,
    /// Its number at every node.
    pub node_port: Option<u16>,
    /// External addresses.
    pub external_ips: Vec<IpAddr>,
    /// Load balancers' addresses.
    pub load_balancer_ips: Vec<IpAddr>,
    /// Who may use those; everyone where it is empty.
    pub source_ranges: Vec<IpNet>,
    /// Where load balancers ask whether the node has endpoints.
    pub health_check_node_port: Option<u16>,
    /// Where traffic to the cluster IP may go.
    pub internal: TrafficPolicy,
    /// Where traffic from outside may go.
    pub external: TrafficPolicy,
    /// Session affinity, in seconds.
    pub affinity: Option<u32>,
    /// Its endpoints, in kube-proxy's order: by text.
    pub endpoints: Vec<Endpoint>,
}

/// An endpoint, as a node sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Endpoint {
    /// Where it is.
    pub address: SocketAddr,
    /// Whether it is on this node.
    pub local: bool,
}

/// What becomes of traffic that has nowhere to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    /// No endpoints at all: the client is told.
    Reject,
    /// None that the policy allows: silence.
    Drop,
}

impl ServicePort {
    fn cluster(&self) -> &[Endpoint] {
        &self.endpoints
    }

    fn local(&self) -> Vec<Endpoint> {
        self.endpoints.iter().filter(|endpoint| endpoint.local).copied().collect()
    }

    /// Whether it can be reached by more than its cluster IP.
    fn has_outside(&self) -> bool {
        self.node_port.is_some() || !self.external_ips.is_empty() || !self.load_balancer_ips.is_empty()
    }

    fn refusal(&self, policy: TrafficPolicy) -> Option<Refusal> {
        match policy {
            _ if self.endpoints.is_empty() => Some(Refusal::Reject),
            TrafficPolicy::Local if self.local().is_empty() => Some(Refusal::Drop),
            _ => None,
        }
    }

    fn internal_refusal(&self) -> Option<Refusal> {
        self.refusal(self.internal)
    }

    fn external_refusal(&self) -> Option<Refusal> {
        self.refusal(self.external)
    }

    /// Whether there is a chain of all endpoints: also where outside traffic is Local, for pods and the node itself.
    fn uses_cluster(&self) -> bool {
        !self.endpoints.is_empty() && (self.internal == TrafficPolicy::Cluster || self.has_outside())
    }

    fn uses_local(&self) -> bool {
        let asked =
            self.internal == TrafficPolicy::Local || (self.external == TrafficPolicy::Local && self.has_outside());
        asked && self.endpoints.iter().any(|endpoint| endpoint.local)
    }

    fn uses_external(&self) -> bool {
        !self.endpoints.is_empty() && self.has_outside()
    }

    fn uses_firewall(&self) -> bool {
        !self.endpoints.is_empty() && !self.load_balancer_ips.is_empty() && !self.source_ranges.is_empty()
    }

    /// The endpoints that have chains of their own.
    fn reachable(&self) -> Vec<Endpoint> {
        if self.uses_cluster() {
            self.endpoints.clone()
        } else if self.uses_local() {
            self.local()
        } else {
            Vec::new()
        }
    }
}
