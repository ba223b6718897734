//! nf_tables over nfnetlink: requests, and tables, chains, rules, sets, elements and objects as answered.
//!
//! Every decoder takes the message after its netlink header and a list to put complaints into. It
//! gives `None` for what is of no family that podnet knows, or means nothing without a missing part; a
//! broken attribute costs only itself, or the one expression it stands in. May import model only, the
//! message framing beside it, and the xtables blobs for compat expressions.

pub mod chain;
pub mod element;
mod expr;
mod fields;
pub mod generation;
pub mod hook;
mod nfta;
pub mod object;
pub mod request;
pub mod rule;
pub mod set;
pub mod table;
pub mod trace;
pub mod tracing;
mod user_data;

#[cfg(test)]
mod tests;

use crate::model::netfilter::table::{Family, TableRef};

use super::netlink::attr::{Attr, AttrError, attrs};

/// `NFNL_SUBSYS_NFTABLES`, in the upper half of each message's type.
const SUBSYSTEM: u16 = 10 << 8;

/// `NFT_MSG_NEWTABLE`
pub const NEWTABLE: u16 = SUBSYSTEM;
/// `NFT_MSG_GETTABLE`
pub const GETTABLE: u16 = SUBSYSTEM + 1;
/// `NFT_MSG_NEWCHAIN`
pub const NEWCHAIN: u16 = SUBSYSTEM + 3;
/// `NFT_MSG_GETCHAIN`
pub const GETCHAIN: u16 = SUBSYSTEM + 4;
/// `NFT_MSG_NEWRULE`
pub const NEWRULE: u16 = SUBSYSTEM + 6;
/// `NFT_MSG_GETRULE`
pub const GETRULE: u16 = SUBSYSTEM + 7;
/// `NFT_MSG_NEWSET`
pub const NEWSET: u16 = SUBSYSTEM + 9;
/// `NFT_MSG_GETSET`
pub const GETSET: u16 = SUBSYSTEM + 10;
/// `NFT_MSG_NEWSETELEM`
pub const NEWSETELEM: u16 = SUBSYSTEM + 12;
/// `NFT_MSG_GETSETELEM`
pub const GETSETELEM: u16 = SUBSYSTEM + 13;
/// `NFT_MSG_NEWGEN`
pub const NEWGEN: u16 = SUBSYSTEM + 15;
/// `NFT_MSG_GETGEN`
pub const GETGEN: u16 = SUBSYSTEM + 16;
/// `NFT_MSG_TRACE`
pub const TRACE: u16 = SUBSYSTEM + 17;
/// `NFT_MSG_NEWOBJ`
pub const NEWOBJ: u16 = SUBSYSTEM + 18;
/// `NFT_MSG_GETOBJ`
pub const GETOBJ: u16 = SUBSYSTEM + 19;

/// Length of `struct nfgenmsg`: family, version, and in network order the lower half of the generation.
const HEADER_LENGTH: usize = 4;

/// `NFPROTO_*` of a family.
pub fn number(family: Family) -> u8 {
    match family {
        Family::Inet => 1,
        Family::Ip => 2,
        Family::Arp => 3,
        Family::Netdev => 5,
        Family::Bridge => 7,
        Family::Ip6 => 10,
    }
}

/// The family that a message is about, and its attributes; `None` for a family that podnet does not know.
fn split<'a>(message: &'a [u8], errors: &mut Vec<AttrError>) -> Option<(Family, &'a [u8])> {
    let Some(([family, ..], rest)) = message.split_first_chunk::<HEADER_LENGTH>() else {
        errors.push(AttrError::Fixed { length: message.len(), wanted: HEADER_LENGTH });
        return None;
    };
    let family = Family::ALL.into_iter().find(|known| number(*known) == *family)?;
    Some((family, rest))
}

/// The attributes of a message of any family.
fn split_any<'a>(message: &'a [u8], errors: &mut Vec<AttrError>) -> Option<&'a [u8]> {
    let rest = message.get(HEADER_LENGTH..);
    if rest.is_none() {
        errors.push(AttrError::Fixed { length: message.len(), wanted: HEADER_LENGTH });
    }
    rest
}

/// Whether a message is of this table, whose name stands in the attribute `kind`.
fn is_of(message: &[u8], table: &TableRef, kind: u16) -> bool {
    let Some((family, rest)) = message.split_first() else { return false };
    let Some(rest) = rest.get(HEADER_LENGTH - 1..) else { return false };
    let named = |attr: &Attr<'_>| attr.kind == kind && attr.text() == table.name.as_bytes();
    *family == number(table.family) && attrs(rest).flatten().any(|attr| named(&attr))
}
