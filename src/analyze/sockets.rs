//! Which of a namespace's sockets the kernel hands a packet to that begins a conversation.
//!
//! May import model only. Mirrors `inet_lookup_listener`, `inet6_lookup_listener`, `__udp4_lib_lookup` and
//! `__udp6_lib_lookup` with their `compute_score`: a socket at the very address comes before one at all
//! addresses, and among those the one that is bound to more.

use std::net::IpAddr;

use crate::model::ids::IfIndex;
use crate::model::socket::{Socket, UDP};

/// A packet, as far as the choice hangs on it.
#[derive(Debug, Clone, Copy)]
pub(in crate::analyze) struct Sought {
    /// `IPPROTO_*`
    pub protocol: u8,
    /// Where it goes.
    pub destination: IpAddr,
    /// To which port.
    pub port: u16,
    /// Where it comes from, and from which port; `None`: from whomever no socket is connected to.
    pub source: Option<(IpAddr, u16)>,
    /// By which link; `None`: by one that no socket is bound to.
    pub by: Option<IfIndex>,
}

/// The sockets that the kernel would choose, which have equal claims.
pub(in crate::analyze) fn best<'s>(sockets: &'s [Socket], sought: &Sought) -> Vec<&'s Socket> {
    let mut found: Vec<(u8, &Socket)> = Vec::new();
    for socket in sockets.iter().filter(|socket| is_on_port(socket, sought)) {
        let Some(score) = score(socket, sought) else { continue };
        match found.first().map_or(std::cmp::Ordering::Greater, |(best, _)| score.cmp(best)) {
            std::cmp::Ordering::Less => {}
            std::cmp::Ordering::Equal => found.push((score, socket)),
            std::cmp::Ordering::Greater => found = vec![(score, socket)],
        }
    }
    found.into_iter().map(|(_, socket)| socket).collect()
}

fn is_on_port(socket: &Socket, sought: &Sought) -> bool {
    socket.protocol == sought.protocol && socket.port == sought.port
}

/// How good a socket's claim is; `None`: it has none.
fn score(socket: &Socket, sought: &Sought) -> Option<u8> {
    let place = place(socket, sought.destination)?;
    if socket.link.is_some_and(|link| Some(link) != sought.by) {
        return None;
    }
    let is_bound = socket.link.is_some();
    let is_own_family = sought.destination.is_ipv4() && socket.address.is_ipv4();
    let score = if socket.protocol == UDP {
        let connected = match socket.peer {
            Some(peer) if Some((peer.address.to_canonical(), peer.port)) == sought.source => 8,
            Some(_) => return None,
            None => 0,
        };
        connected + if is_bound { 4 } else { 0 } + u8::from(is_own_family)
    } else {
        u8::from(is_bound) + u8::from(is_own_family)
    };
    Some(score + if place == At::Address { 32 } else { 0 })
}

/// Where a socket waits, as seen from an address.
#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    Address,
    All,
}

fn place(socket: &Socket, destination: IpAddr) -> Option<At> {
    if socket.addresses.contains(&destination) {
        return Some(At::Address);
    }
    match (socket.address, destination) {
        (IpAddr::V4(own), IpAddr::V4(to)) if own == to => Some(At::Address),
        (IpAddr::V4(own), IpAddr::V4(_)) if own.is_unspecified() => Some(At::All),
        (IpAddr::V6(own), IpAddr::V6(to)) if own == to => Some(At::Address),
        (IpAddr::V6(own), IpAddr::V6(_)) if own.is_unspecified() => Some(At::All),
        (IpAddr::V6(own), IpAddr::V4(to)) if socket.v6only != Some(true) => match own.to_ipv4_mapped() {
            Some(own) if own == to => Some(At::Address),
            Some(own) if own.is_unspecified() => Some(At::All),
            None if own.is_unspecified() => Some(At::All),
            _ => None,
        },
        _ => None,
    }
}

/// Where a port is open that nothing of what is sought gets to, in words; empty where it is open nowhere.
pub(in crate::analyze) fn elsewhere(sockets: &[Socket], sought: &Sought) -> String {
    let mut near: Vec<String> = sockets
        .iter()
        .filter(|socket| is_on_port(socket, sought))
        .map(|socket| {
            let bound = socket.link.filter(|bound| Some(*bound) != sought.by);
            let bound = bound.map_or_else(String::new, |bound| format!(" on link {bound} alone"));
            let only = if socket.v6only == Some(true) && sought.destination.is_ipv4() { " for IPv6 alone" } else { "" };
            let peer =
                socket.peer.map_or_else(String::new, |peer| format!(" for {} alone", peer.address.to_canonical()));
            format!("{}{bound}{only}{peer}", socket.address.to_canonical())
        })
        .collect();
    near.sort();
    near.dedup();
    if near.is_empty() { String::new() } else { format!("that port is open at {}", near.join(", ")) }
}

#[cfg(test)]
mod tests;
