//! Which socket of a namespace a packet is handed to that begins a conversation, or who refuses it.
//!
//! May import model and analyze's siblings only. Mirrors `inet_lookup_listener`, `inet6_lookup_listener`,
//! `__udp4_lib_lookup` and `__udp6_lib_lookup` with their `compute_score`: a socket at the very address comes
//! before one at all addresses, and among those the one that is bound to more. What a program of `sk_lookup`
//! would choose nobody looks at, which is told among what is taken for granted.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::Serialize;

use super::packet::{SCTP, TCP, Tuple, UDP};
use super::types::Stop;
use super::walk::{LOOPBACK, Walk};
use super::world::{Place, World};
use crate::model::ids::IfIndex;
use crate::model::link::Link;
use crate::model::socket::{Socket, protocol_name};

/// Flags of a TCP header that begins a connection.
const SYN: u8 = 0x02;

/// Who gets a packet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Listener {
    /// The socket; where several share the port, one of them.
    pub socket: Socket,
    /// How many share it (`SO_REUSEPORT`), this one counted.
    pub one_of: usize,
}

impl Walk<'_, '_> {
    /// The socket that the packet is for; `None` where it is no socket's that waits, or where that is taken for
    /// granted. A packet that no socket takes is refused.
    pub fn to_socket(&mut self, place: Place, link: &Link) -> Result<Option<Listener>, Stop> {
        let tuple = self.packet.tuple;
        let begins = !self.packet.is_answer && self.tcp_flags().is_none_or(|flags| flags == SYN);
        let (true, true, Some(port)) = (begins, tuple.has_ports(), tuple.destination_port) else { return Ok(None) };
        let section = self.world.view(place)?.sockets(place.netns);
        let sockets = match World::whole(section) {
            Ok(section) => section,
            Err(Stop::Unknown { because }) => {
                self.assume(format!("a program listens where it arrives ({because})"));
                return Ok(None);
            }
            Err(other) => return Err(other),
        };
        self.assume("no sk_lookup program of BPF chooses another socket where it arrives".to_owned());
        let by = self.as_seen_by_sockets(place, link)?;
        let fitting = best(&sockets.value, &tuple, by);
        let Some(first) = fitting.first() else { return Err(refused(&sockets.value, &tuple, port, link)) };
        if let Some(queue) = first.queue.filter(|queue| fitting.len() == 1 && queue.waiting > queue.limit) {
            return Err(Stop::dropped(format!(
                "{} connections wait for the program that listens there, and it lets {} wait",
                queue.waiting, queue.limit
            )));
        }
        Ok(Some(Listener { socket: (*first).clone(), one_of: fitting.len() }))
    }

    /// The link that a socket may be bound to in order to get the packet. IPv6 counts what a namespace sends to
    /// itself as coming by the link that has the address (`ip6_rcv_core`).
    fn as_seen_by_sockets(&self, place: Place, link: &Link) -> Result<IfIndex, Stop> {
        let destination = self.packet.tuple.destination;
        if link.ifindex != LOOPBACK || destination.is_ipv4() {
            return Ok(link.ifindex);
        }
        let addresses = self.world.addresses(place)?;
        let holder = addresses.value.iter().find(|held| held.address.addr() == destination);
        Ok(holder.map_or(LOOPBACK, |held| held.ifindex))
    }
}

/// The sockets that the kernel would choose, which have equal claims.
fn best<'s>(sockets: &'s [Socket], tuple: &Tuple, by: IfIndex) -> Vec<&'s Socket> {
    let mut found: Vec<(u8, &Socket)> = Vec::new();
    for socket in sockets.iter().filter(|socket| is_on_port(socket, tuple)) {
        let Some(score) = score(socket, tuple, by) else { continue };
        match found.first().map_or(std::cmp::Ordering::Greater, |(best, _)| score.cmp(best)) {
            std::cmp::Ordering::Less => {}
            std::cmp::Ordering::Equal => found.push((score, socket)),
            std::cmp::Ordering::Greater => found = vec![(score, socket)],
        }
    }
    found.into_iter().map(|(_, socket)| socket).collect()
}

fn is_on_port(socket: &Socket, tuple: &Tuple) -> bool {
    socket.protocol == tuple.protocol && Some(socket.port) == tuple.destination_port
}

/// How good a socket's claim is; `None`: it has none.
fn score(socket: &Socket, tuple: &Tuple, by: IfIndex) -> Option<u8> {
    let place = place(socket, tuple.destination)?;
    if socket.link.is_some_and(|link| link != by) {
        return None;
    }
    let is_bound = socket.link.is_some();
    let is_own_family = tuple.destination.is_ipv4() && socket.address.is_ipv4();
    let score = if socket.protocol == UDP {
        let connected = match socket.peer {
            Some(peer) if plain(peer.address) == tuple.source && Some(peer.port) == tuple.source_port => 8,
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

fn plain(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

/// What the sender hears where no socket takes the packet.
fn refused(sockets: &[Socket], tuple: &Tuple, port: u16, link: &Link) -> Stop {
    let name = protocol_name(tuple.protocol).unwrap_or("its protocol");
    let mut near: Vec<String> = sockets
        .iter()
        .filter(|socket| is_on_port(socket, tuple))
        .map(|socket| {
            let bound = socket
                .link
                .filter(|bound| *bound != link.ifindex)
                .map_or_else(String::new, |bound| format!(" on link {bound} alone"));
            let only = if socket.v6only == Some(true) && tuple.destination.is_ipv4() { " for IPv6 alone" } else { "" };
            let peer = socket.peer.map_or_else(String::new, |peer| format!(" for {} alone", plain(peer.address)));
            format!("{}{bound}{only}{peer}", plain(socket.address))
        })
        .collect();
    near.sort();
    near.dedup();
    let near = if near.is_empty() { String::new() } else { format!("; that port is open at {}", near.join(", ")) };
    let why =
        |says: &str| format!("nothing listens on {name} port {port} of {} there, {says}{near}", tuple.destination);
    match tuple.protocol {
        TCP => Stop::rejected("connection refused", why("and its kernel answers with a reset")),
        UDP => Stop::rejected("port unreachable", why("and its kernel says so by ICMP")),
        SCTP => Stop::rejected("abort", why("and its kernel aborts, or says by ICMP that it has no SCTP")),
        _ => Stop::unknown(why("whatever that means")),
    }
}

#[cfg(test)]
mod tests;
