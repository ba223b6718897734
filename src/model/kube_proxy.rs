//! How kube-proxy names what it writes: service ports, and the chains and sets that it makes for them.
//!
//! The names are no secret: they are hashes over the service port, so they can be worked out from its
//! name, and a name can be checked against the chain that is said to be its. Must not import anything
//! from the crate.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// A port of a service: `default/web:http`, and `default/web` where the port has no name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct ServicePortName {
    /// The service's namespace.
    pub namespace: String,
    /// The service's name.
    pub name: String,
    /// The port's name; `None` where it has none (a service of one port may leave it out).
    pub port: Option<String>,
}

impl ServicePortName {
    /// Reads `NAMESPACE/NAME`, `NAMESPACE/NAME:` (as 1.10 wrote an unnamed port) or `NAMESPACE/NAME:PORT`.
    pub fn parse(text: &str) -> Option<Self> {
        let (namespace, rest) = text.split_once('/')?;
        let (name, port) = rest.split_once(':').map_or((rest, None), |(name, port)| (name, Some(port)));
        let is_label = |text: &str| !text.is_empty() && text.bytes().all(is_name_byte);
        let port = port.filter(|port| !port.is_empty());
        if !is_label(namespace) || !is_label(name) || port.is_some_and(|port| !is_label(port)) {
            return None;
        }
        Some(Self { namespace: namespace.to_owned(), name: name.to_owned(), port: port.map(str::to_owned) })
    }

    /// As kube-proxy hashed it.
    fn hashed(&self, form: HashForm) -> String {
        match form {
            HashForm::Colon => {
                format!("{}/{}:{}", self.namespace, self.name, self.port.as_deref().unwrap_or_default())
            }
            HashForm::Plain => self.to_string(),
        }
    }
}

/// What names of Kubernetes are made of; dots are allowed in old objects.
fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.')
}

impl fmt::Display for ServicePortName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)?;
        self.port.as_ref().map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

/// The protocols that a service port can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

impl Protocol {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Tcp, Self::Udp, Self::Sctp];

    /// As it stands in chain names.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        }
    }

    /// The number in an IP header.
    pub fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
            Self::Sctp => 132,
        }
    }

    /// The protocol with that number.
    pub fn numbered(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|protocol| protocol.number() == number)
    }

    /// The protocol that is written so.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|protocol| protocol.name() == name)
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What goes into the hash of a service port in iptables mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum HashForm {
    /// As long as 1.10 wrote it: the colon stays where the port has no name.
    Colon,
    /// As it is written today.
    Plain,
}

impl HashForm {
    /// Both, today's first.
    pub const ALL: [Self; 2] = [Self::Plain, Self::Colon];
}

/// What a chain of kube-proxy's is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChainRole {
    /// All endpoints: traffic policy Cluster. `KUBE-SVC-`, `service-`
    Cluster,
    /// The endpoints of this node: traffic policy Local. `KUBE-SVL-`, `local-`
    Local,
    /// What comes from outside: masquerade or not, then on to one of the above. `KUBE-EXT-`, `external-`
    External,
    /// The same as it was up to 1.23, for policy Local alone, with the endpoints in it. `KUBE-XLB-`
    ExternalLocal,
    /// Who may use a load balancer's address. `KUBE-FW-`, `firewall-`
    Firewall,
    /// One endpoint. `KUBE-SEP-`, `endpoint-`
    Endpoint,
}

impl ChainRole {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Cluster, Self::Local, Self::External, Self::ExternalLocal, Self::Firewall, Self::Endpoint];

    /// How its chains begin in iptables mode.
    pub fn iptables_prefix(self) -> &'static str {
        match self {
            Self::Cluster => "KUBE-SVC-",
            Self::Local => "KUBE-SVL-",
            Self::External => "KUBE-EXT-",
            Self::ExternalLocal => "KUBE-XLB-",
            Self::Firewall => "KUBE-FW-",
            Self::Endpoint => "KUBE-SEP-",
        }
    }

    /// How its chains begin in nftables mode; `None` where that mode never had it.
    pub fn nftables_prefix(self) -> Option<&'static str> {
        match self {
            Self::Cluster => Some("service-"),
            Self::Local => Some("local-"),
            Self::External => Some("external-"),
            Self::ExternalLocal => None,
            Self::Firewall => Some("firewall-"),
            Self::Endpoint => Some("endpoint-"),
        }
    }
}

/// The longest name that kube-proxy gives a chain in nftables mode, without its prefix.
const BASE_MAX: usize = 240;

/// The 16 characters behind `KUBE-SVC-` and its kin for a service port.
pub fn service_hash(name: &ServicePortName, protocol: Protocol, form: HashForm) -> String {
    encoded(&format!("{}{protocol}", name.hashed(form)), 16)
}

/// The 16 characters behind `KUBE-SEP-` for an endpoint of a service port.
pub fn endpoint_hash(name: &ServicePortName, protocol: Protocol, endpoint: SocketAddr, form: HashForm) -> String {
    encoded(&format!("{}{protocol}{endpoint}", name.hashed(form)), 16)
}

/// A chain of a service port in iptables mode.
pub fn iptables_chain(role: ChainRole, name: &ServicePortName, protocol: Protocol, form: HashForm) -> String {
    format!("{}{}", role.iptables_prefix(), service_hash(name, protocol, form))
}

/// The chain of an endpoint in iptables mode, which is also the name of its `recent` list.
pub fn iptables_endpoint_chain(
    name: &ServicePortName,
    protocol: Protocol,
    endpoint: SocketAddr,
    form: HashForm,
) -> String {
    format!("{}{}", ChainRole::Endpoint.iptables_prefix(), endpoint_hash(name, protocol, endpoint, form))
}

/// What stands behind `service-` and its kin in nftables mode: `2ETI3MDI-default/nginx/tcp/http`.
pub fn nftables_base(name: &ServicePortName, protocol: Protocol) -> String {
    hashed_base(&plain_base(name, protocol))
}

/// What stands behind `endpoint-` and `affinity-` in nftables mode.
pub fn nftables_endpoint_base(name: &ServicePortName, protocol: Protocol, endpoint: SocketAddr) -> String {
    let address = endpoint.ip().to_string().replace(':', ".");
    hashed_base(&format!("{}__{address}/{}", plain_base(name, protocol), endpoint.port()))
}

/// A chain of a service port in nftables mode; `None` where that mode never had such a chain.
pub fn nftables_chain(role: ChainRole, name: &ServicePortName, protocol: Protocol) -> Option<String> {
    Some(format!("{}{}", role.nftables_prefix()?, nftables_base(name, protocol)))
}

/// The chain of an endpoint in nftables mode.
pub fn nftables_endpoint_chain(name: &ServicePortName, protocol: Protocol, endpoint: SocketAddr) -> String {
    format!("endpoint-{}", nftables_endpoint_base(name, protocol, endpoint))
}

/// The set of the clients that are bound to an endpoint in nftables mode.
pub fn nftables_affinity_set(name: &ServicePortName, protocol: Protocol, endpoint: SocketAddr) -> String {
    format!("affinity-{}", nftables_endpoint_base(name, protocol, endpoint))
}

fn plain_base(name: &ServicePortName, protocol: Protocol) -> String {
    format!("{}/{}/{protocol}/{}", name.namespace, name.name, name.port.as_deref().unwrap_or_default())
}

fn hashed_base(plain: &str) -> String {
    let mut base = format!("{}-{plain}", encoded(plain, 8));
    if base.len() > BASE_MAX {
        base.truncate(BASE_MAX - 3);
        base.push_str("...");
    }
    base
}

/// The first characters of the base32 of the SHA-256 of a text. `length` is a multiple of 8, at most 48.
fn encoded(text: &str, length: usize) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let digest = Sha256::digest(text.as_bytes());
    let mut code = String::with_capacity(length);
    for five in digest.chunks_exact(5).take(length / 8) {
        let bits = five.iter().fold(0u64, |bits, byte| bits << 8 | u64::from(*byte));
        code.extend((0..8).rev().map(|place| char::from(ALPHABET[(bits >> (place * 5) & 31) as usize])));
    }
    code
}

/// What the name of a chain of kube-proxy's tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainName {
    /// What it is for.
    pub role: ChainRole,
    /// Its hash: 16 characters in iptables mode, 8 in nftables mode.
    pub hash: String,
    /// The service port that the name spells out (nftables mode), where the hash agrees with it.
    pub service: Option<(ServicePortName, Protocol)>,
    /// The endpoint that the name spells out.
    pub endpoint: Option<SocketAddr>,
}

impl ChainName {
    /// Reads a name; `None` for what kube-proxy does not name so.
    pub fn parse(name: &str) -> Option<Self> {
        ChainRole::ALL.into_iter().find_map(|role| {
            if let Some(hash) = name.strip_prefix(role.iptables_prefix()) {
                let whole = hash.len() == 16 && hash.bytes().all(is_base32);
                return whole.then(|| Self { role, hash: hash.to_owned(), service: None, endpoint: None });
            }
            Self::spelled(role, name.strip_prefix(role.nftables_prefix()?)?)
        })
    }

    fn spelled(role: ChainRole, base: &str) -> Option<Self> {
        let (hash, plain) = base.split_once('-')?;
        if hash.len() != 8 || !hash.bytes().all(is_base32) || !plain.contains('/') {
            return None;
        }
        let (service, endpoint) = plain.split_once("__").map_or((plain, None), |(service, end)| (service, Some(end)));
        let endpoint = endpoint.and_then(spelled_endpoint);
        let agrees = encoded(plain, 8) == hash;
        let service = spelled_service(service).filter(|_| agrees);
        Some(Self { role, hash: hash.to_owned(), service, endpoint })
    }

    /// Whether this is a chain of that service port's (or, for an endpoint's chain, of that endpoint's).
    pub fn is_of(&self, name: &ServicePortName, protocol: Protocol, endpoint: Option<SocketAddr>) -> bool {
        if let Some((service, its)) = &self.service {
            return service == name && *its == protocol && (endpoint.is_none() || endpoint == self.endpoint);
        }
        HashForm::ALL.into_iter().any(|form| match endpoint.filter(|_| self.role == ChainRole::Endpoint) {
            Some(endpoint) => endpoint_hash(name, protocol, endpoint, form) == self.hash,
            None => service_hash(name, protocol, form) == self.hash,
        })
    }
}

fn is_base32(byte: u8) -> bool {
    byte.is_ascii_uppercase() || (b'2'..=b'7').contains(&byte)
}

/// `default/web/tcp/http`, and `default/web/tcp/` where the port has no name.
fn spelled_service(text: &str) -> Option<(ServicePortName, Protocol)> {
    let mut parts = text.splitn(4, '/');
    let (namespace, name, protocol, port) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let name = ServicePortName::parse(&format!("{namespace}/{name}:{port}"))?;
    Some((name, Protocol::named(protocol)?))
}

/// `10.200.0.33/80`; the colons of an IPv6 address are dots.
fn spelled_endpoint(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.rsplit_once('/')?;
    let address = address.parse().or_else(|_| address.replace('.', ":").parse::<IpAddr>()).ok()?;
    Some(SocketAddr::new(address, port.parse().ok()?))
}

#[cfg(test)]
mod tests;
