//! rtnetlink: links, addresses, neighbours, rules, routes, nexthop objects, nsids, tc filters.
//!
//! The objects are decoded here by hand, attribute by attribute, and not by the message types of
//! `netlink-packet-route`: those lose the whole object when one attribute is not what they expect
//! (a link name that is no UTF-8 is enough), drop the raw bytes of what they cannot read, and know no
//! nexthop objects. That crate does decode the data of each kind of link, one attribute at a time
//! (`kind`), and in the tests it is the second opinion on the objects it knows.
//!
//! Every decoder takes the message after its netlink header and a list to put complaints into. It
//! gives `None` for what is not of its sort (another address family) or means nothing without a
//! missing part; a broken attribute costs only itself. Must not import anything from the crate but
//! model and `wire::netlink`.

pub mod address;
pub mod filter;
pub mod kind;
pub mod link;
pub mod lookup;
mod names;
pub mod neigh;
pub mod nexthop;
pub mod nsid;
pub mod route;
pub mod rule;
pub mod vlan;

#[cfg(test)]
mod tests;

use crate::model::link::RawAttr;
use crate::model::text::hex;

use super::netlink::attr::{Attr, AttrError, Attrs};

/// `RTM_NEWLINK`
pub const NEWLINK: u16 = 16;
/// `RTM_GETLINK`
pub const GETLINK: u16 = 18;
/// `RTM_NEWADDR`
pub const NEWADDR: u16 = 20;
/// `RTM_GETADDR`
pub const GETADDR: u16 = 22;
/// `RTM_NEWROUTE`
pub const NEWROUTE: u16 = 24;
/// `RTM_GETROUTE`
pub const GETROUTE: u16 = 26;
/// `RTM_NEWNEIGH`
pub const NEWNEIGH: u16 = 28;
/// `RTM_GETNEIGH`
pub const GETNEIGH: u16 = 30;
/// `RTM_NEWRULE`
pub const NEWRULE: u16 = 32;
/// `RTM_GETRULE`
pub const GETRULE: u16 = 34;
/// `RTM_NEWTFILTER`
pub const NEWTFILTER: u16 = 44;
/// `RTM_GETTFILTER`
pub const GETTFILTER: u16 = 46;
/// `RTM_NEWNSID`
pub const NEWNSID: u16 = 88;
/// `RTM_GETNSID`
pub const GETNSID: u16 = 90;
/// `RTM_NEWNEXTHOP`
pub const NEWNEXTHOP: u16 = 104;
/// `RTM_GETNEXTHOP`
pub const GETNEXTHOP: u16 = 106;

/// `AF_INET`
pub const AF_INET: u8 = 2;
/// `AF_BRIDGE`
pub const AF_BRIDGE: u8 = 7;
/// `AF_INET6`
pub const AF_INET6: u8 = 10;

/// Splits a message into its fixed part and its attributes.
fn fixed<'a, const N: usize>(message: &'a [u8], errors: &mut Vec<AttrError>) -> Option<(&'a [u8; N], &'a [u8])> {
    let split = message.split_first_chunk::<N>();
    if split.is_none() {
        errors.push(AttrError::Fixed { length: message.len(), wanted: N });
    }
    split
}

/// The value, or `None` and a complaint.
fn good<T>(value: Result<T, AttrError>, errors: &mut Vec<AttrError>) -> Option<T> {
    match value {
        Ok(value) => Some(value),
        Err(error) => {
            errors.push(error);
            None
        }
    }
}

/// Puts the value in its place, or leaves the place as it is and complains.
fn put<T>(place: &mut T, value: Result<T, AttrError>, errors: &mut Vec<AttrError>) {
    if let Some(value) = good(value, errors) {
        *place = value;
    }
}

/// The same for a place that may stay empty.
fn fill<T>(place: &mut Option<T>, value: Result<T, AttrError>, errors: &mut Vec<AttrError>) {
    if let Some(value) = good(value, errors) {
        *place = Some(value);
    }
}

/// Hands each attribute to `each`; those it complains of, or says it does not know, are kept as they came.
fn walk<'a>(
    attrs: Attrs<'a>,
    errors: &mut Vec<AttrError>,
    mut each: impl FnMut(Attr<'a>, &mut Vec<AttrError>) -> Known,
) -> Vec<RawAttr> {
    let mut unknown = Vec::new();
    for attr in attrs {
        let Some(attr) = good(attr, errors) else { break };
        let before = errors.len();
        let known = each(attr, errors);
        if known == Known::No || errors.len() > before {
            unknown.push(RawAttr { kind: attr.kind, hex: hex(attr.payload) });
        }
    }
    unknown
}

/// Whether a decoder knows an attribute's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    Yes,
    No,
}
