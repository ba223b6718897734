//! Flows put in by messages built here, byte by byte, for what `conntrack` cannot set.

use std::net::Ipv4Addr;

use netlink_sys::{Socket, SocketAddr};
use podnet::sys::netlink::{NETFILTER, NetlinkSocket};
use podnet::sys::netns::NsThread;
use podnet::wire::netlink::frame::{FLAG_ACK, FLAG_REQUEST};
use podnet::wire::netlink::request::Request;

use crate::testbed::Netns;

const NEW: u16 = 0x100;
const DELETE: u16 = 0x102;
/// `NLM_F_CREATE | NLM_F_EXCL`
const CREATE: u16 = 0x600;
const NESTED: u16 = 0x8000;
/// Answered, assured and confirmed: the kernel puts nothing in that is not confirmed.
pub const CONFIRMED: u32 = 0x0e;

/// An address and a port.
pub type End = (Ipv4Addr, u16);

pub fn attr(kind: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = u16::try_from(payload.len() + 4).unwrap().to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(payload);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

pub fn nest(kind: u16, inner: &[Vec<u8>]) -> Vec<u8> {
    attr(kind | NESTED, &inner.concat())
}

pub fn be32(kind: u16, value: u32) -> Vec<u8> {
    attr(kind, &value.to_be_bytes())
}

/// `CTA_TUPLE_*` of TCP.
pub fn tuple(kind: u16, src: End, dst: End) -> Vec<u8> {
    let addresses = nest(1, &[attr(1, &src.0.octets()), attr(2, &dst.0.octets())]);
    let ports = nest(2, &[attr(1, &[6]), attr(2, &src.1.to_be_bytes()), attr(3, &dst.1.to_be_bytes())]);
    nest(kind, &[addresses, ports])
}

/// Both tuples of a conversation, nothing translated.
pub fn tuples(src: End, dst: End) -> Vec<u8> {
    [tuple(1, src, dst), tuple(2, dst, src)].concat()
}

/// Puts one in; `attributes` begin with both tuples.
pub fn create(netns: &Netns, attributes: &[Vec<u8>]) {
    let mut socket = NsThread::spawn().unwrap().within(netns.handle().file, || NetlinkSocket::open(NETFILTER)).unwrap();
    let fixed = [&[2, 0, 0, 0], attributes.concat().as_slice()].concat();
    let request = Request::with_flags(NEW, FLAG_REQUEST | FLAG_ACK | CREATE, &fixed);
    assert_eq!(socket.ask(&request).unwrap(), None);
}

/// A socket in a namespace for many changes, whose answers nobody waits for.
pub fn changer(netns: &Netns) -> Socket {
    let open = || {
        let mut socket = Socket::new(NETFILTER)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        Ok(socket)
    };
    NsThread::spawn().unwrap().within(netns.handle().file, open).unwrap()
}

/// Messages that put flows in and take them out again, one after the other in one row of bytes.
pub fn in_and_out(conversations: &[(End, End)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (src, dst) in conversations {
        let state = nest(4, &[nest(1, &[attr(1, &[3])])]);
        let body = [vec![2, 0, 0, 0], tuples(*src, *dst), be32(7, 600), be32(3, CONFIRMED), state].concat();
        bytes.extend(Request::with_flags(NEW, FLAG_REQUEST | CREATE, &body).bytes(1, 0));
    }
    for (src, dst) in conversations {
        let body = [vec![2, 0, 0, 0], tuple(1, *src, *dst)].concat();
        bytes.extend(Request::with_flags(DELETE, FLAG_REQUEST, &body).bytes(1, 0));
    }
    bytes
}
