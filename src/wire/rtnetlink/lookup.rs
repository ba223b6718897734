//! Asking the kernel for the route of one packet (`RTM_GETROUTE` without a dump).
//!
//! Must not import anything from the crate but model and sibling wire files.

use std::net::IpAddr;

use crate::model::route::RouteQuery;
use crate::wire::netlink::request::Request;

use super::{AF_INET, AF_INET6, GETROUTE};

const RTA_DST: u16 = 1;
const RTA_SRC: u16 = 2;
const RTA_IIF: u16 = 3;
const RTA_OIF: u16 = 4;
const RTA_MARK: u16 = 16;
const RTA_UID: u16 = 25;
const RTA_IP_PROTO: u16 = 27;
const RTA_SPORT: u16 = 28;
const RTA_DPORT: u16 = 29;

const RTM_F_LOOKUP_TABLE: u32 = 0x1000;
const RTM_F_FIB_MATCH: u32 = 0x2000;

/// The request. With `fib_match` the kernel answers with the table's entry, else with the resolved route.
pub fn query(query: &RouteQuery, fib_match: bool) -> Request {
    let family = if query.dst.is_ipv4() { AF_INET } else { AF_INET6 };
    let host = if query.dst.is_ipv4() { 32 } else { 128 };
    let src_len = if query.src.is_some() { host } else { 0 };
    // IPv4 tells the table only on request; IPv6 always does, and refuses to be asked.
    let table = if query.dst.is_ipv4() { RTM_F_LOOKUP_TABLE } else { 0 };
    let flags = table | if fib_match { RTM_F_FIB_MATCH } else { 0 };
    let mut fixed = vec![family, host, src_len, query.tos, 0, 0, 0, 0];
    fixed.extend_from_slice(&flags.to_ne_bytes());
    let mut request = Request::get(GETROUTE, &fixed).attr(RTA_DST, &octets(query.dst));
    if let Some(src) = query.src {
        request = request.attr(RTA_SRC, &octets(src));
    }
    if let Some(link) = query.iif {
        request = request.attr(RTA_IIF, &link.0.to_ne_bytes());
    }
    if let Some(link) = query.oif {
        request = request.attr(RTA_OIF, &link.0.to_ne_bytes());
    }
    if query.mark != 0 {
        request = request.attr(RTA_MARK, &query.mark.to_ne_bytes());
    }
    if let Some(uid) = query.uid {
        request = request.attr(RTA_UID, &uid.to_ne_bytes());
    }
    // It refuses a protocol or a port of 0, which are what it takes for one that is not named.
    let named = |port: Option<u16>| port.filter(|port| *port != 0);
    if let Some(protocol) = query.protocol.filter(|protocol| *protocol != 0) {
        request = request.attr(RTA_IP_PROTO, &[protocol]);
    }
    if let Some(port) = named(query.source_port) {
        request = request.attr(RTA_SPORT, &port.to_be_bytes());
    }
    if let Some(port) = named(query.destination_port) {
        request = request.attr(RTA_DPORT, &port.to_be_bytes());
    }
    request
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}
