//! The services of a lab: what was asked for, as it stands in the state file, and the answer to `lab service list`.
//!
//! Must not import anything from the crate but its sibling model types. What is here is written into
//! rules: `check` lets through only what Kubernetes would.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::kube_proxy::{Protocol, ServicePortName};

/// The addresses of a lab's services: 10.32.0.0/24.
pub const SERVICE_CIDR: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(10, 32, 0, 0), 24);

/// The IPv6 addresses of a dual-stack lab's services: `fd00:32::/112`.
pub const SERVICE_CIDR_V6: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0xfd00, 0x32, 0, 0, 0, 0, 0, 0), 112);

/// The ports that node ports are taken from, first and last.
pub const NODE_PORTS: (u16, u16) = (30_000, 32_767);

/// The longest affinity that Kubernetes allows, in seconds: one day.
const LONGEST_AFFINITY: u32 = 86_400;

/// What programs a lab's services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LabProxy {
    /// kube-proxy's mode iptables, through `iptables-restore`, whichever back end that has.
    #[default]
    Iptables,
    /// The same through `iptables-legacy-restore`.
    IptablesLegacy,
    /// kube-proxy's mode nftables.
    Nftables,
}

impl std::fmt::Display for LabProxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Iptables => "iptables",
            Self::IptablesLegacy => "iptables-legacy",
            Self::Nftables => "nftables",
        })
    }
}

/// Which endpoints a service's traffic may go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TrafficPolicy {
    /// All of them.
    #[default]
    Cluster,
    /// Those of the node that the traffic is on.
    Local,
}

/// A service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LabService {
    /// Its Kubernetes namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its address, within [`SERVICE_CIDR`].
    pub cluster_ip: Ipv4Addr,
    /// Its IPv6 address, within [`SERVICE_CIDR_V6`]; only in a dual-stack lab.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_ip_v6: Option<Ipv6Addr>,
    /// Further addresses that it answers on.
    pub external_ips: Vec<IpAddr>,
    /// Load balancers' addresses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub load_balancer_ips: Vec<IpAddr>,
    /// Who may use those; everyone where it is empty.
    #[schemars(with = "Vec<String>")]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub source_ranges: Vec<IpNet>,
    /// Where traffic to the cluster IP may go.
    pub internal_policy: TrafficPolicy,
    /// Where traffic to node ports and external addresses may go.
    pub external_policy: TrafficPolicy,
    /// How long a client stays with its endpoint, in seconds; `None` without affinity.
    pub affinity: Option<u32>,
    /// The labels of the pods behind it; none where its endpoints are named, or there are none.
    pub selector: BTreeMap<String, String>,
    /// Its ports.
    pub ports: Vec<LabServicePort>,
}

/// A port of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LabServicePort {
    /// Its name; a service's only port needs none.
    pub name: Option<String>,
    /// Its protocol.
    pub protocol: Protocol,
    /// Its number at the service's addresses.
    pub port: u16,
    /// The pods' port.
    pub target_port: u16,
    /// Its number at every node.
    pub node_port: Option<u16>,
    /// Endpoints that were named; they take the place of the selector's.
    #[schemars(with = "Vec<String>")]
    pub endpoints: Vec<SocketAddr>,
}

impl LabService {
    /// `default/web:http`.
    pub fn port_name(&self, port: &LabServicePort) -> ServicePortName {
        ServicePortName { namespace: self.namespace.clone(), name: self.name.clone(), port: port.name.clone() }
    }

    /// Its addresses within the cluster, IPv4's first.
    pub fn cluster_ips(&self) -> impl Iterator<Item = IpAddr> {
        std::iter::once(IpAddr::V4(self.cluster_ip)).chain(self.cluster_ip_v6.map(IpAddr::V6))
    }

    /// Its external and load balancer addresses.
    pub fn outer_ips(&self) -> impl Iterator<Item = &IpAddr> {
        self.external_ips.iter().chain(&self.load_balancer_ips)
    }

    /// Whether Kubernetes would let it be; else why not.
    pub fn check(&self) -> Result<(), String> {
        for (what, text) in [("namespace", &self.namespace), ("name", &self.name)] {
            label(text, 63).map_err(|why| format!("the service's {what} {text:?} {why}"))?;
        }
        if !SERVICE_CIDR.hosts().any(|host| host == self.cluster_ip) {
            return Err(format!("the cluster IP {} is not within {SERVICE_CIDR}", self.cluster_ip));
        }
        if let Some(ip) = self.cluster_ip_v6.filter(|ip| {
            !SERVICE_CIDR_V6.contains(ip) || *ip == SERVICE_CIDR_V6.network() || *ip == SERVICE_CIDR_V6.broadcast()
        }) {
            return Err(format!("the cluster IP {ip} is not within {SERVICE_CIDR_V6}"));
        }
        if let Some(ip) = self.outer_ips().find(|ip| unusable(**ip) || is_cluster_ip(**ip)) {
            return Err(format!("{ip} cannot be an external address of a service"));
        }
        if !self.source_ranges.is_empty() && self.load_balancer_ips.is_empty() {
            return Err("source ranges limit load balancer IPs, and it has none".to_owned());
        }
        if self.affinity.is_some_and(|seconds| !(1..=LONGEST_AFFINITY).contains(&seconds)) {
            return Err(format!("session affinity lasts 1 to {LONGEST_AFFINITY} seconds"));
        }
        if self.ports.is_empty() {
            return Err(format!("the service {}/{} has no port", self.namespace, self.name));
        }
        if self.ports.len() > 1 && self.ports.iter().any(|port| port.name.is_none()) {
            return Err("each of several ports needs a name: NAME:PORTNAME".to_owned());
        }
        let mut names = BTreeSet::new();
        let mut numbers = BTreeSet::new();
        for port in &self.ports {
            port.check()?;
            if !names.insert(&port.name) {
                return Err(format!("the service has the port {} already", self.port_name(port)));
            }
            if !numbers.insert((port.protocol, port.port)) {
                return Err(format!("the service has the port {}/{} already", port.port, port.protocol));
            }
        }
        Ok(())
    }
}

impl LabServicePort {
    fn check(&self) -> Result<(), String> {
        if let Some(name) = &self.name {
            label(name, 15).map_err(|why| format!("the port's name {name:?} {why}"))?;
        }
        if self.port == 0 || self.target_port == 0 || self.endpoints.iter().any(|endpoint| endpoint.port() == 0) {
            return Err("a port is 1 to 65535".to_owned());
        }
        let (first, last) = NODE_PORTS;
        if self.node_port.is_some_and(|port| !(first..=last).contains(&port)) {
            return Err(format!("a node port is {first} to {last}"));
        }
        match self.endpoints.iter().find(|endpoint| unusable(endpoint.ip())) {
            Some(endpoint) => Err(format!("{endpoint} cannot be an endpoint")),
            None => Ok(()),
        }
    }
}

/// Addresses that Kubernetes takes neither for endpoints nor for external addresses.
fn unusable(ip: IpAddr) -> bool {
    let of_family = match ip {
        IpAddr::V4(ip) => ip.is_link_local() || ip.is_broadcast(),
        IpAddr::V6(ip) => ip.is_unicast_link_local() || ip.to_ipv4_mapped().is_some(),
    };
    of_family || ip.is_unspecified() || ip.is_loopback() || ip.is_multicast()
}

fn is_cluster_ip(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => SERVICE_CIDR.contains(&ip),
        IpAddr::V6(ip) => SERVICE_CIDR_V6.contains(&ip),
    }
}

/// Whether it is a DNS label of at most `longest` bytes.
fn label(text: &str, longest: usize) -> Result<(), String> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let fits = (1..=longest).contains(&text.len())
        && text.bytes().all(plain)
        && !text.starts_with('-')
        && !text.ends_with('-');
    if fits { Ok(()) } else { Err(format!("is not 1 to {longest} of a-z, 0-9 and - (not at its ends)")) }
}

/// Whether services can stand side by side; else why not.
pub fn check_services(services: &[LabService]) -> Result<(), String> {
    let (mut names, mut addresses, mut node_ports) = (BTreeSet::new(), BTreeMap::new(), BTreeMap::new());
    let mut outer = BTreeMap::new();
    for service in services {
        service.check()?;
        let full = format!("{}/{}", service.namespace, service.name);
        for ip in service.cluster_ips() {
            if let Some(other) = addresses.insert(ip, full.clone()) {
                return Err(format!("the cluster IP {ip} is {other}'s"));
            }
        }
        for port in &service.ports {
            let node_port = port.node_port.and_then(|number| {
                let other = node_ports.insert((port.protocol, number), full.clone());
                other.map(|other| (number, other))
            });
            if let Some((number, other)) = node_port {
                return Err(format!("the node port {number}/{} is {other}'s", port.protocol));
            }
            for ip in service.outer_ips() {
                if let Some(other) = outer.insert((*ip, port.protocol, port.port), full.clone()) {
                    return Err(format!("{ip}:{}/{} is {other}'s", port.port, port.protocol));
                }
            }
        }
        if !names.insert(full.clone()) {
            return Err(format!("there is a service {full} already"));
        }
    }
    Ok(())
}

/// The answer to `lab service list`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LabServices {
    /// The lab's name.
    pub lab: String,
    /// What programs them.
    pub proxy: LabProxy,
    /// The services, by namespace and name.
    pub services: Vec<LabServiceReport>,
}

/// A service, and what is behind it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LabServiceReport {
    /// What was asked for.
    #[serde(flatten)]
    pub service: LabService,
    /// The endpoints of each port, in the order of its ports.
    pub behind: Vec<Vec<LabEndpoint>>,
}

/// An endpoint of a service's port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LabEndpoint {
    /// Its address and port.
    #[schemars(with = "String")]
    pub address: SocketAddr,
    /// The worker that it is on; `None` for what is not in the lab.
    pub worker: Option<String>,
    /// `namespace/name` of the pod that has the address.
    pub pod: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(name: &str, last: u8) -> LabService {
        let port = LabServicePort {
            name: None,
            protocol: Protocol::Tcp,
            port: 80,
            target_port: 80,
            node_port: Some(30_000 + u16::from(last)),
            endpoints: vec!["10.200.0.4:80".parse().expect("an endpoint")],
        };
        LabService {
            namespace: "default".to_owned(),
            name: name.to_owned(),
            cluster_ip: Ipv4Addr::new(10, 32, 0, last),
            cluster_ip_v6: Some(Ipv6Addr::new(0xfd00, 0x32, 0, 0, 0, 0, 0, u16::from(last))),
            external_ips: vec![IpAddr::from([192, 0, 2, last])],
            load_balancer_ips: vec![IpAddr::from([203, 0, 113, last])],
            source_ranges: vec!["198.51.100.0/24".parse().expect("a range")],
            internal_policy: TrafficPolicy::Cluster,
            external_policy: TrafficPolicy::Cluster,
            affinity: Some(600),
            selector: BTreeMap::new(),
            ports: vec![port],
        }
    }

    #[test]
    fn what_kubernetes_refuses_is_refused() {
        type Spoil = fn(&mut LabService);
        let spoilers: [Spoil; 18] = [
            |service| service.name = "two\nlines".to_owned(),
            |service| service.name = "Web".to_owned(),
            |service| service.namespace = "-a".to_owned(),
            |service| service.ports[0].name = Some("a-name-too-long-for-it".to_owned()),
            |service| service.cluster_ip = Ipv4Addr::new(10, 32, 1, 1),
            |service| service.cluster_ip = Ipv4Addr::new(10, 32, 0, 0),
            |service| service.cluster_ip_v6 = Some("fd00:33::1".parse().expect("an address")),
            |service| service.cluster_ip_v6 = Some("fd00:32::".parse().expect("an address")),
            |service| service.external_ips = vec![IpAddr::V4(Ipv4Addr::LOCALHOST)],
            |service| service.external_ips = vec![IpAddr::from([10, 32, 0, 9])],
            |service| service.load_balancer_ips = vec!["fe80::1".parse().expect("an address")],
            |service| service.load_balancer_ips.clear(),
            |service| service.affinity = Some(0),
            |service| service.ports[0].port = 0,
            |service| service.ports[0].node_port = Some(80),
            |service| service.ports[0].endpoints = vec!["127.0.0.1:80".parse().expect("an endpoint")],
            |service| service.ports.clear(),
            |service| service.ports.push(service.ports[0].clone()),
        ];
        assert_eq!(service("web", 7).check(), Ok(()));
        for (at, spoil) in spoilers.into_iter().enumerate() {
            let mut service = service("web", 7);
            spoil(&mut service);
            assert!(service.check().is_err(), "{at}: {service:?}");
        }
    }

    #[test]
    fn two_services_share_neither_name_nor_address_nor_port() {
        let one = service("web", 7);
        assert_eq!(check_services(&[one.clone(), service("other", 8)]), Ok(()));
        let other = |spoil: fn(&mut LabService)| {
            let mut other = service("other", 8);
            spoil(&mut other);
            check_services(&[one.clone(), other])
        };
        assert_eq!(
            other(|other| other.name = "web".to_owned()),
            Err("there is a service default/web already".to_owned())
        );
        assert_eq!(
            other(|other| other.cluster_ip = Ipv4Addr::new(10, 32, 0, 7)),
            Err("the cluster IP 10.32.0.7 is default/web's".to_owned())
        );
        assert_eq!(
            other(|other| other.ports[0].node_port = Some(30_007)),
            Err("the node port 30007/tcp is default/web's".to_owned())
        );
        assert_eq!(
            other(|other| other.external_ips = vec![IpAddr::from([192, 0, 2, 7])]),
            Err("192.0.2.7:80/tcp is default/web's".to_owned())
        );
        assert_eq!(
            other(|other| other.load_balancer_ips = vec![IpAddr::from([192, 0, 2, 7])]),
            Err("192.0.2.7:80/tcp is default/web's".to_owned())
        );
        assert_eq!(
            other(|other| other.cluster_ip_v6 = Some("fd00:32::7".parse().expect("an address"))),
            Err("the cluster IP fd00:32::7 is default/web's".to_owned())
        );
    }
}
