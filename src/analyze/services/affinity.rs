//! Session affinity: which clients are bound to which endpoint, and how long still.
//!
//! May import model and its siblings only.

use std::net::SocketAddr;

use super::source::Source;
use super::step::address;
use super::types::{Affinity, Pinned};
use crate::model::text::ByteText;

/// The clients of one endpoint.
pub(super) struct Bound {
    pub(super) list: ByteText,
    /// `None` where it could not be read.
    timeout_s: Option<u64>,
    clients: Vec<Pinned>,
    complete: bool,
}

/// Reads the list that binds clients to an endpoint: of the `recent` match where the rule tells the time, else
/// a set that forgets by itself.
pub(super) fn bound(source: &Source<'_>, endpoint: SocketAddr, list: ByteText, seconds: Option<u32>) -> Bound {
    match seconds {
        Some(seconds) => recent(source, endpoint, list, seconds),
        None => set(source, endpoint, list),
    }
}

fn recent(source: &Source<'_>, endpoint: SocketAddr, list: ByteText, seconds: u32) -> Bound {
    let section = source.recent(&list);
    let lasts = u64::from(seconds) * 1000;
    let mut clients = Vec::new();
    let mut complete = section.value.is_some() && section.issues.is_empty();
    for entry in section.value.iter().flat_map(|list| &list.entries) {
        complete &= entry.age_ms.is_some();
        // The kernel lists what is over until somebody asks again and it is reaped.
        let expires_ms = match entry.age_ms.map(|age| lasts.checked_sub(age)) {
            Some(None | Some(0)) => continue,
            Some(left) => left,
            None => None,
        };
        clients.push(Pinned { endpoint, client: entry.address, expires_ms });
    }
    Bound { list, timeout_s: Some(u64::from(seconds)), clients, complete }
}

fn set(source: &Source<'_>, endpoint: SocketAddr, list: ByteText) -> Bound {
    let id = source.set(&list);
    let timeout_ms = source.known_set(&id).value.as_ref().and_then(|set| set.timeout_ms);
    let elements = source.elements(&id).section();
    let clients = elements.value.iter().filter_map(|element| {
        let client = address(source.table.family, &element.key.0)?;
        Some(Pinned { endpoint, client, expires_ms: element.expires_ms })
    });
    let clients: Vec<Pinned> = clients.collect();
    let complete = elements.issues.is_empty() && timeout_ms.is_some();
    Bound { list, timeout_s: timeout_ms.map(|time| time / 1000), clients, complete }
}

/// The affinity of a service whose endpoints have those lists; `None` where there is no list.
pub(super) fn of(bound: Vec<Bound>) -> Option<Affinity> {
    let timeout_s = bound.iter().filter_map(|list| list.timeout_s).max();
    let complete = bound.iter().all(|list| list.complete);
    let any = !bound.is_empty();
    let mut clients: Vec<Pinned> = bound.into_iter().flat_map(|list| list.clients).collect();
    clients.sort();
    any.then_some(Affinity { timeout_s, clients, complete })
}
