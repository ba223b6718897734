//! What is asked: a service by name, an address, a node port or a pod.
//!
//! May import its siblings only.

use std::net::{IpAddr, SocketAddr};

use thiserror::Error;

/// The question.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServicesQuery {
    /// `web`, `default/web`, `default/web:http`, `10.32.0.10`, `10.32.0.10:53`, `[fd00::1]:53`, `31088`, or a
    /// pod; forced by `svc:`, `ip:`, `port:`, `pod:`. `None` asks for all services.
    pub text: Option<String>,
    /// Only services of this Kubernetes namespace. A namespace within `text` goes before it.
    pub namespace: Option<String>,
    /// Only endpoints and how likely each is: with a whole name nothing else is read.
    pub endpoints_only: bool,
    /// Whether it is left out what statements rest on, and which chain is each endpoint's, where all services are
    /// asked for: a table does not show it, and to write it takes longer than all else.
    pub brief: bool,
}

/// Why there is no answer.
///
/// The text bears names as the node has them: escape it before a terminal sees it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ServicesError {
    /// The text itself is wrong.
    #[error("{asked:?} is no service, address, node port or pod: {why}")]
    Malformed {
        /// What was typed.
        asked: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Several services answer to it.
    #[error("{asked:?} is ambiguous: {}", candidates.join(", "))]
    Ambiguous {
        /// What was typed.
        asked: String,
        /// The services, sorted.
        candidates: Vec<String>,
    },
    /// None answers to it.
    #[error("no service {asked:?} on {nodes}{because}")]
    NotFound {
        /// What was typed.
        asked: String,
        /// The nodes that were searched.
        nodes: String,
        /// What may explain it, in words that follow on; may be empty.
        because: String,
    },
    /// The pod that was asked for cannot be told.
    #[error(transparent)]
    Pod(#[from] crate::analyze::identity::FindError),
}

/// What the words of a question mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Asked {
    All,
    Name(NameForm),
    Address(IpAddr, Option<u16>),
    NodePort(u16),
    Pod(String),
}

/// A name as somebody types it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NameForm {
    pub(super) namespace: Option<String>,
    pub(super) name: String,
    /// `Some("")`: the port that has no name.
    pub(super) port: Option<String>,
    /// Whether only a service may be meant.
    pub(super) forced: bool,
}

impl Asked {
    pub(super) fn read(query: &ServicesQuery) -> Result<Self, ServicesError> {
        let Some(text) = &query.text else { return Ok(Self::All) };
        let wrong = |why| ServicesError::Malformed { asked: text.clone(), why };
        if text.trim().is_empty() {
            return Err(wrong("it is empty"));
        }
        if let Some(pod) = text.strip_prefix("pod:") {
            return Ok(Self::Pod(pod.to_owned()));
        }
        if let Some(name) = text.strip_prefix("svc:") {
            return Self::name(name, query, true)
                .ok_or_else(|| wrong("a name is NAME, NAMESPACE/NAME or NAMESPACE/NAME:PORT"));
        }
        if let Some(port) = text.strip_prefix("port:") {
            return Self::node_port(port).ok_or_else(|| wrong("a node port is a number from 1 to 65535"));
        }
        if let Some(address) = text.strip_prefix("ip:") {
            return Self::address(address).ok_or_else(|| wrong("an address is IP, IP:PORT or [IPv6]:PORT"));
        }
        if let Some(asked) = Self::address(text) {
            return Ok(asked);
        }
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Self::node_port(text).ok_or_else(|| wrong("a node port is a number from 1 to 65535"));
        }
        Self::name(text, query, false).ok_or_else(|| wrong("a name is NAME, NAMESPACE/NAME or NAMESPACE/NAME:PORT"))
    }

    fn address(text: &str) -> Option<Self> {
        if let Ok(both) = text.parse::<SocketAddr>() {
            return Some(Self::Address(both.ip(), Some(both.port())));
        }
        let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
        Some(Self::Address(bare.parse().ok()?, None))
    }

    fn node_port(text: &str) -> Option<Self> {
        text.parse().ok().filter(|port| *port != 0).map(Self::NodePort)
    }

    fn name(text: &str, query: &ServicesQuery, forced: bool) -> Option<Self> {
        let (namespace, rest) = text.split_once('/').map_or((None, text), |(space, rest)| (Some(space), rest));
        let (name, port) = rest.split_once(':').map_or((rest, None), |(name, port)| (name, Some(port)));
        let is_empty = name.is_empty() || namespace.is_some_and(str::is_empty);
        (!is_empty && !rest.contains('/') && !port.is_some_and(|port| port.contains(':'))).then(|| {
            Self::Name(NameForm {
                namespace: namespace.map(str::to_owned).or_else(|| query.namespace.clone()),
                name: name.to_owned(),
                port: port.map(str::to_owned),
                forced,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Asked, ServicesError> {
        Asked::read(&ServicesQuery { text: Some(text.to_owned()), ..ServicesQuery::default() })
    }

    fn name(namespace: Option<&str>, name: &str, port: Option<&str>) -> Asked {
        Asked::Name(NameForm {
            namespace: namespace.map(str::to_owned),
            name: name.to_owned(),
            port: port.map(str::to_owned),
            forced: false,
        })
    }

    #[test]
    fn each_form_is_told_from_the_others() {
        let address = |text: &str, port| Asked::Address(text.parse().unwrap(), port);
        let cases = [
            ("web", name(None, "web", None)),
            ("default/web", name(Some("default"), "web", None)),
            ("default/web:http", name(Some("default"), "web", Some("http"))),
            ("web:http", name(None, "web", Some("http"))),
            ("default/web:", name(Some("default"), "web", Some(""))),
            ("10.32.0.10", address("10.32.0.10", None)),
            ("10.32.0.10:53", address("10.32.0.10", Some(53))),
            ("fd00::1", address("fd00::1", None)),
            ("[fd00::1]", address("fd00::1", None)),
            ("[fd00::1]:53", address("fd00::1", Some(53))),
            ("31088", Asked::NodePort(31088)),
            ("port:80", Asked::NodePort(80)),
            ("pod:web-0", Asked::Pod("web-0".to_owned())),
            ("ip:10.32.0.10:53", address("10.32.0.10", Some(53))),
        ];
        for (text, expected) in cases {
            assert_eq!(read(text), Ok(expected), "{text:?}");
        }
    }

    #[test]
    fn what_is_none_of_them_is_refused() {
        for text in ["", " ", "0", "65536", "/web", "a/", "a/b/c", "a:b:c", "ip:web", "port:x", "port:0"] {
            assert!(matches!(read(text), Err(ServicesError::Malformed { .. })), "{text:?}");
        }
    }
}
