//! Requests.
//!
//! Must not import anything from the crate but model and the message framing.

use super::{GETCHAIN, GETGEN, GETOBJ, GETRULE, GETSET, GETSETELEM, GETTABLE, element, nfta, number};
use crate::model::netfilter::chain::ChainRef;
use crate::model::netfilter::set::SetRef;
use crate::model::netfilter::table::{Family, TableRef};
use crate::wire::netlink::request::Request;

/// All families. `NFPROTO_UNSPEC`
const ANY: u8 = 0;

/// `struct nfgenmsg`.
fn fixed(family: u8) -> [u8; super::HEADER_LENGTH] {
    [family, 0, 0, 0]
}

fn text(bytes: &[u8]) -> Vec<u8> {
    [bytes, &[0]].concat()
}

fn nest(kind: u16, inner: &[u8]) -> Vec<u8> {
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
    let mut value = u16::try_from(key.len() + 4).unwrap_or(u16::MAX).to_ne_bytes().to_vec();
    value.extend_from_slice(&nfta::DATA_VALUE.to_ne_bytes());
    value.extend_from_slice(key);
    value.resize(value.len().next_multiple_of(4), 0);
    one(set, &nest(nfta::SET_ELEM_KEY, &value))
}

/// The catch-all of a set.
pub fn catch_all(set: &SetRef) -> Request {
    let mut flags = 8u16.to_ne_bytes().to_vec();
    flags.extend_from_slice(&nfta::SET_ELEM_FLAGS.to_ne_bytes());
    flags.extend_from_slice(&element::CATCH_ALL.to_be_bytes());
    one(set, &flags)
}

fn one(set: &SetRef, attrs: &[u8]) -> Request {
    const NESTED: u16 = 0x8000;
    of_set(Request::get(GETSETELEM, &fixed(number(set.table.family))), set)
        .attr(nfta::SET_ELEM_LIST_ELEMENTS | NESTED, &nest(nfta::LIST_ELEM, attrs))
}

/// The named objects of a table.
pub fn objects(table: &TableRef) -> Request {
    Request::dump(GETOBJ, &fixed(number(table.family))).attr(nfta::OBJ_TABLE, &text(table.name.as_bytes()))
}
