//! Requests.
//!
//! Must not import anything from the crate but model and the message framing.

use super::{GETCHAIN, GETGEN, GETOBJ, GETRULE, GETSET, GETSETELEM, GETTABLE, element, nfta, number};
use crate::model::netfilter::chain::ChainRef;
use crate::model::netfilter::set::SetRef;
use crate::model::netfilter::table::{Family, TableRef};
use crate::wire::netlink::frame::{FLAG_ACK, FLAG_REQUEST};
use crate::wire::netlink::request::Request;

/// All families. `NFPROTO_UNSPEC`
const ANY: u8 = 0;

/// `struct nfgenmsg`.
pub(super) fn fixed(family: u8) -> [u8; super::HEADER_LENGTH] {
    [family, 0, 0, 0]
}

pub(super) fn text(bytes: &[u8]) -> Vec<u8> {
    [bytes, &[0]].concat()
}

pub(super) fn nest(kind: u16, inner: &[u8]) -> Vec<u8> {
    const NESTED: u16 = 0x8000;
    let length = u16::try_from(inner.len() + 4).unwrap_or(u16::MAX);
    let mut bytes = [&length.to_ne_bytes()[..], &(kind | NESTED).to_ne_bytes(), inner].concat();
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// The generation.
pub fn generation() -> Request {
    Request::get(GETGEN, &fixed(ANY))
}

/// All tables of all families.
pub fn tables() -> Request {
    Request::dump(GETTABLE, &fixed(ANY))
}

/// All chains of a family, of all its tables: the kernel lets none be chosen.
pub fn chains(family: Family) -> Request {
    Request::dump(GETCHAIN, &fixed(number(family)))
}

/// One chain without its rules.
pub fn chain(chain: &ChainRef) -> Request {
    Request::get(GETCHAIN, &fixed(number(chain.table.family)))
        .attr(nfta::CHAIN_TABLE, &text(chain.table.name.as_bytes()))
        .attr(nfta::CHAIN_NAME, &text(chain.name.as_bytes()))
}

/// The rules of a table, chain after chain.
pub fn rules_of(table: &TableRef) -> Request {
    Request::dump(GETRULE, &fixed(number(table.family))).attr(nfta::RULE_TABLE, &text(table.name.as_bytes()))
}

/// The rules of a chain.
pub fn rules(chain: &ChainRef) -> Request {
    rules_of(&chain.table).attr(nfta::RULE_CHAIN, &text(chain.name.as_bytes()))
}

/// The sets of a table.
pub fn sets(table: &TableRef) -> Request {
    Request::dump(GETSET, &fixed(number(table.family))).attr(nfta::SET_TABLE, &text(table.name.as_bytes()))
}

/// One set without its elements.
pub fn set(set: &SetRef) -> Request {
    Request::get(GETSET, &fixed(number(set.table.family)))
        .attr(nfta::SET_TABLE, &text(set.table.name.as_bytes()))
        .attr(nfta::SET_NAME, &text(set.name.as_bytes()))
}

fn of_set(request: Request, set: &SetRef) -> Request {
    request
        .attr(nfta::SET_ELEM_LIST_TABLE, &text(set.table.name.as_bytes()))
        .attr(nfta::SET_ELEM_LIST_SET, &text(set.name.as_bytes()))
}

/// All elements of a set.
pub fn elements(set: &SetRef) -> Request {
    of_set(Request::dump(GETSETELEM, &fixed(number(set.table.family))), set)
}

/// The element that a key falls to. The catch-all is not among those it finds.
pub fn element(set: &SetRef, key: &[u8]) -> Request {
    of_set(Request::get(GETSETELEM, &fixed(number(set.table.family))), set)
        .attr(LIST, &nest(nfta::LIST_ELEM, &of_key(key)))
}

/// The catch-all of a set.
pub fn catch_all(set: &SetRef) -> Request {
    of_set(Request::get(GETSETELEM, &fixed(number(set.table.family))), set)
        .attr(LIST, &nest(nfta::LIST_ELEM, &of_catch_all()))
}

/// The elements of which the keys are the first numbers in four bytes of the machine's order, and then the
/// catch-all. Each comes in a message of its own up to the first that is not there, for which the kernel refuses;
/// where none is missing it acknowledges.
pub fn numbered(set: &SetRef, count: u32) -> Request {
    let keys = (0..count).map(|number| of_key(&number.to_ne_bytes()));
    let list: Vec<u8> = keys.chain([of_catch_all()]).flat_map(|one| nest(nfta::LIST_ELEM, &one)).collect();
    let family = fixed(number(set.table.family));
    of_set(Request::with_flags(GETSETELEM, FLAG_REQUEST | FLAG_ACK, &family), set).attr(LIST, &list)
}

/// `NFTA_SET_ELEM_LIST_ELEMENTS` with `NLA_F_NESTED`.
const LIST: u16 = nfta::SET_ELEM_LIST_ELEMENTS | 0x8000;

fn of_key(key: &[u8]) -> Vec<u8> {
    let mut value = u16::try_from(key.len() + 4).unwrap_or(u16::MAX).to_ne_bytes().to_vec();
    value.extend_from_slice(&nfta::DATA_VALUE.to_ne_bytes());
    value.extend_from_slice(key);
    value.resize(value.len().next_multiple_of(4), 0);
    nest(nfta::SET_ELEM_KEY, &value)
}

fn of_catch_all() -> Vec<u8> {
    let mut flags = 8u16.to_ne_bytes().to_vec();
    flags.extend_from_slice(&nfta::SET_ELEM_FLAGS.to_ne_bytes());
    flags.extend_from_slice(&element::CATCH_ALL.to_be_bytes());
    flags
}

/// The named objects of a table.
pub fn objects(table: &TableRef) -> Request {
    Request::dump(GETOBJ, &fixed(number(table.family))).attr(nfta::OBJ_TABLE, &text(table.name.as_bytes()))
}
