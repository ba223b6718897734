//! What a typed text can mean.
//!
//! Must not import anything but the parent's query and error.

use std::net::IpAddr;

use super::{FindError, PodQuery};
use crate::model::ids::Pid;

/// Fewest characters of an id, or of a namespace's name, that count as its prefix when nothing
/// forces them to: with fewer, every short pod name would be ambiguous by chance.
pub(super) const MIN_ID_PREFIX: usize = 3;

/// The readings of a text, in the order in which they are tried.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Form {
    /// As a process id.
    pub pid: Option<Pid>,
    /// As an inode of a namespace.
    pub inode: Option<u64>,
    /// As an address.
    pub ip: Option<IpAddr>,
    /// As a pod's name.
    pub name: Option<Name>,
    /// As a namespace's name.
    pub netns: Option<String>,
    /// As an id.
    pub id: Option<String>,
    /// Fewest characters of an id's or namespace name's prefix.
    pub min_prefix: usize,
}

/// A pod's name with the Kubernetes namespace it counts in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name {
    pub namespace: Option<String>,
    pub name: String,
}

impl Form {
    pub(super) fn parse(query: &PodQuery) -> Result<Self, FindError> {
        let text = query.text.trim();
        let malformed = |expected| FindError::Malformed { asked: query.text.clone(), expected };
        if text.is_empty() {
            return Err(malformed("the name of a pod"));
        }
        let forced = |prefix: &str| text.strip_prefix(prefix).map(str::trim);
        if let Some(pid) = forced("pid:") {
            let pid = pid.parse().map(Pid).map_err(|_| malformed("a process id: pid:NUMBER"))?;
            return Ok(Self { pid: Some(pid), ..Self::default() });
        }
        if let Some(ip) = forced("ip:") {
            let ip = ip.parse().map_err(|_| malformed("an address: ip:ADDRESS"))?;
            return Ok(Self { ip: Some(ip), ..Self::default() });
        }
        if let Some(id) = forced("id:") {
            if !is_hex(id) {
                return Err(malformed("a sandbox or container id: id:HEXDIGITS"));
            }
            return Ok(Self { id: Some(id.to_lowercase()), min_prefix: 1, ..Self::default() });
        }
        if let Some(netns) = forced("netns:") {
            if netns.is_empty() {
                return Err(malformed("a network namespace: netns:NAME or netns:INODE"));
            }
            return Ok(Self { inode: inode(netns), netns: Some(netns.to_owned()), min_prefix: 1, ..Self::default() });
        }
        if let Some(name) = forced("pod:") {
            let name =
                pod_name(name, query).ok_or_else(|| malformed("a pod's name: pod:NAME or pod:NAMESPACE/NAME"))?;
            return Ok(Self { name: Some(name), ..Self::default() });
        }
        if text.starts_with('/') {
            return Ok(Self { netns: Some(text.to_owned()), min_prefix: usize::MAX, ..Self::default() });
        }
        let name = pod_name(text, query).ok_or_else(|| malformed("a pod's name, or NAMESPACE/NAME"))?;
        let bare = !text.contains('/');
        Ok(Self {
            pid: text.parse().ok().map(Pid),
            inode: inode(text),
            ip: text.parse().ok(),
            name: Some(name),
            netns: bare.then(|| text.to_owned()),
            id: (bare && is_hex(text)).then(|| text.to_lowercase()),
            min_prefix: MIN_ID_PREFIX,
        })
    }
}

fn pod_name(text: &str, query: &PodQuery) -> Option<Name> {
    let (namespace, name) = match text.split_once('/') {
        Some((namespace, name)) => (Some(namespace.to_owned()), name),
        None => (query.namespace.clone(), text),
    };
    let whole = !name.is_empty() && !name.contains('/') && namespace.as_deref() != Some("");
    whole.then(|| Name { namespace, name: name.to_owned() })
}

/// An inode, bare or as `net:[N]`.
fn inode(text: &str) -> Option<u64> {
    let digits = text.strip_prefix("net:[").and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    digits.parse().ok()
}

fn is_hex(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
