//! Sockets over `sock_diag` (`inet_diag`, version 2): the question for those that wait, and what the kernel tells.
//!
//! May import model only. Ports and addresses are in network order here, all else in the machine's.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::model::flow::UnknownAttribute;
use crate::model::ids::IfIndex;
use crate::model::socket::{Peer, Queue, Socket, UDP};
use crate::model::text::Bytes;
use crate::wire::netlink::attr::{Attr, AttrError, attrs};
use crate::wire::netlink::request::Request;

/// `SOCK_DIAG_BY_FAMILY`: question and answer alike.
pub const BY_FAMILY: u16 = 20;
/// `AF_INET`
pub const IPV4: u8 = 2;
/// `AF_INET6`
pub const IPV6: u8 = 10;

/// Bits of `idiag_states`: `1 << TCP_*`.
mod state {
    pub const ESTABLISHED: u32 = 1 << 1;
    pub const CLOSE: u32 = 1 << 7;
    pub const LISTEN: u32 = 1 << 10;
}

/// `INET_DIAG_*`
mod kind {
    pub const TOS: u16 = 5;
    pub const TCLASS: u16 = 6;
    pub const SHUTDOWN: u16 = 8;
    pub const PROTOCOL: u16 = 10;
    pub const SKV6ONLY: u16 = 11;
    pub const LOCALS: u16 = 12;
    pub const PEERS: u16 = 13;
    pub const PAD: u16 = 14;
    pub const MARK: u16 = 15;
    pub const CLASS_ID: u16 = 17;
    pub const CGROUP_ID: u16 = 21;
    pub const SOCKOPT: u16 = 22;
}

/// Length of `struct inet_diag_msg`.
const FIXED: usize = 72;
/// Length of `struct inet_diag_sockid`.
const SOCKID: usize = 48;
/// Length of `struct sockaddr_storage`, of which `INET_DIAG_LOCALS` is a list.
const STORAGE: usize = 128;

/// Asks for the sockets of a protocol and family that packets of new flows are handed to: those that
/// listen, and of UDP all that have a port. The kernel leaves the others out, and of TCP does not even
/// look at them.
pub fn request(family: u8, protocol: u8) -> Request {
    let states = if protocol == UDP { state::CLOSE | state::ESTABLISHED } else { state::LISTEN };
    let mut fixed = vec![family, protocol, 0, 0];
    fixed.extend(states.to_ne_bytes());
    fixed.resize(fixed.len() + SOCKID, 0);
    Request::dump(BY_FAMILY, &fixed)
}

/// Fields of the fixed part, one after the other.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*first)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_ne_bytes)
    }

    fn port(&mut self) -> Option<u16> {
        self.take().map(u16::from_be_bytes)
    }

    /// Sixteen bytes, of which IPv4 uses four.
    fn address(&mut self, family: u8) -> Option<IpAddr> {
        let bytes: [u8; 16] = self.take()?;
        match family {
            IPV4 => bytes.first_chunk::<4>().map(|four| Ipv4Addr::from(*four).into()),
            IPV6 => Some(Ipv6Addr::from(bytes).into()),
            _ => None,
        }
    }
}

/// `struct inet_diag_msg`; `None` where it is too short or of another family.
fn fixed(payload: &[u8], protocol: u8) -> Option<Socket> {
    let mut reader = Reader(payload);
    let [family, _state, _timer, _retransmits] = reader.take()?;
    let (port, peer_port) = (reader.port()?, reader.port()?);
    let (address, peer) = (reader.address(family)?, reader.address(family)?);
    let link = reader.u32()?;
    // Two halves, the lower one first.
    let (low, high) = (reader.u32()?, reader.u32()?);
    let (_expires, waiting, limit) = (reader.u32()?, reader.u32()?, reader.u32()?);
    let (uid, inode) = (reader.u32()?, reader.u32()?);
    Some(Socket {
        protocol,
        port,
        address,
        link: (link != 0).then_some(IfIndex(link)),
        peer: (peer_port != 0).then_some(Peer { address: peer, port: peer_port }),
        v6only: None,
        queue: (protocol != UDP).then_some(Queue { waiting, limit }),
        uid,
        inode,
        cgroup: None,
        mark: None,
        cookie: u64::from(high) << 32 | u64::from(low),
        addresses: Vec::new(),
        unknown: Vec::new(),
    })
}

/// Reads one answer to a question about `protocol`, which the kernel does not repeat in it.
pub fn socket(payload: &[u8], protocol: u8, errors: &mut Vec<AttrError>) -> Option<Socket> {
    if payload.len() < FIXED {
        errors.push(AttrError::Fixed { length: payload.len(), wanted: FIXED });
        return None;
    }
    let Some(mut socket) = fixed(payload, protocol) else {
        let family = payload.first().copied().unwrap_or_default();
        errors.push(AttrError::Value { kind: 0, detail: format!("a socket of the address family {family}") });
        return None;
    };
    for attr in attrs(payload.get(FIXED..).unwrap_or_default()) {
        match attr.and_then(|attr| fill(&mut socket, &attr)) {
            Ok(()) => {}
            Err(error) => errors.push(error),
        }
    }
    Some(socket)
}

fn fill(socket: &mut Socket, attr: &Attr<'_>) -> Result<(), AttrError> {
    match attr.kind {
        kind::SKV6ONLY => socket.v6only = Some(attr.u8()? != 0),
        kind::MARK => socket.mark = Some(attr.u32()?),
        kind::CGROUP_ID => socket.cgroup = Some(attr.u64()?),
        kind::LOCALS => socket.addresses = addresses(attr)?,
        // What it sends, and what no choice of a socket hangs on.
        kind::TOS
        | kind::TCLASS
        | kind::SHUTDOWN
        | kind::PROTOCOL
        | kind::PEERS
        | kind::PAD
        | kind::CLASS_ID
        | kind::SOCKOPT => {}
        _ => {
            socket.unknown.push(UnknownAttribute { path: vec![attr.kind], bytes: Bytes::from(attr.payload) });
        }
    }
    Ok(())
}

/// A row of `struct sockaddr_storage`.
fn addresses(attr: &Attr<'_>) -> Result<Vec<IpAddr>, AttrError> {
    let (rows, rest) = attr.payload.as_chunks::<STORAGE>();
    if !rest.is_empty() {
        let length = attr.payload.len();
        return Err(AttrError::Length { kind: attr.kind, length, wanted: "a multiple of 128" });
    }
    let read = |row: &[u8; STORAGE]| {
        let mut reader = Reader(row);
        let family = u16::from_ne_bytes(reader.take()?);
        let _port = reader.port()?;
        match u8::try_from(family).ok()? {
            IPV4 => reader.take::<4>().map(|four| IpAddr::from(Ipv4Addr::from(four))),
            IPV6 => {
                let _flow = reader.u32()?;
                reader.address(IPV6)
            }
            _ => None,
        }
    };
    let detail = || "an address of another family".to_owned();
    rows.iter().map(|row| read(row).ok_or_else(|| AttrError::Value { kind: attr.kind, detail: detail() })).collect()
}

#[cfg(test)]
mod tests;
