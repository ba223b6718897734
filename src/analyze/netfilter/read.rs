//! A rule of either language as conditions and a deed.
//!
//! May import model and its siblings only.

use super::condition::Condition;
use super::deed::{Deed, MarkChange};
use super::{nft, xt};
use crate::model::issue::Section;
use crate::model::netfilter::rule::{Body, Rule};
use crate::model::netfilter::set::{Element, Set};
use crate::model::netfilter::table;
use crate::model::route::Family;
use crate::model::text::{ByteText, Bytes};

/// What a rule asks and does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// All of it must hold.
    pub when: Vec<Condition>,
    /// What it does to the mark, in order.
    pub marks: Vec<MarkChange>,
    /// Whether it takes the packet out of conntrack's hands, whatever else it does.
    pub untracks: bool,
    /// What it does in the end.
    pub deed: Deed,
}

/// The sets that the rules of a table look keys up in.
pub trait Sets {
    /// The element that a key falls to.
    fn element(&self, set: &ByteText, key: &Bytes) -> Section<Option<Element>>;

    /// A set, without its elements.
    fn set(&self, name: &ByteText) -> Option<Set>;

    /// The elements of a set.
    fn elements(&self, name: &ByteText) -> Section<Vec<Element>>;
}

impl Reading {
    /// Reads a rule of a table, as a packet meets it.
    pub fn of(rule: &Rule, table: table::Family, packet: &super::Packet, sets: &dyn Sets) -> Self {
        match &rule.body {
            Body::Xt(rule) => xt::read(rule, table),
            Body::Nft(exprs) => nft::read(exprs, packet, sets),
        }
    }
}

/// `AF_INET` or `AF_INET6` as nf_tables numbers it (`NFPROTO_*`).
pub(super) fn number(family: Family) -> u8 {
    match family {
        Family::Ipv4 => 2,
        Family::Ipv6 => 10,
    }
}
