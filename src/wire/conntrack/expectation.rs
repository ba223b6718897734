//! What a helper expects.
//!
//! May import model only.

use super::nest::Notes;
use super::tuple::tuple;
use crate::model::flow::expectation::Expectation;
use crate::model::flow::tuple::Tuple;
use crate::model::text::ByteText;
use crate::wire::netlink::attr::{Attr, AttrError};

/// `CTA_EXPECT_*`
mod expect {
    pub const MASTER: u16 = 1;
    pub const TUPLE: u16 = 2;
    pub const MASK: u16 = 3;
    pub const TIMEOUT: u16 = 4;
    pub const ID: u16 = 5;
    pub const HELP_NAME: u16 = 6;
    pub const ZONE: u16 = 7;
    pub const FLAGS: u16 = 8;
    pub const CLASS: u16 = 9;
    pub const NAT: u16 = 10;
    pub const FN: u16 = 11;
}

/// `CTA_EXPECT_NAT_*`
mod nat {
    pub const DIR: u16 = 1;
    pub const TUPLE: u16 = 2;
}

/// Reads a message of type [`super::EXPECTATION_NEW`].
pub fn expectation(payload: &[u8], errors: &mut Vec<AttrError>) -> Option<Expectation> {
    let mut notes = Notes::new(errors);
    let (mut master, mut expected, mut mask) = (None, None, None);
    let (mut timeout_s, mut id, mut zone, mut flags, mut class) = (None, None, 0, 0, 0);
    let (mut helper, mut function, mut translated) = (None, None, None);
    notes.message(payload, |notes, attr| match attr.kind {
        expect::MASTER => master = tuple(attr, notes),
        expect::TUPLE => expected = tuple(attr, notes),
        expect::MASK => mask = tuple(attr, notes),
        expect::TIMEOUT => timeout_s = notes.take(attr.be32()),
        expect::ID => id = notes.take(attr.be32()),
        expect::HELP_NAME => helper = Some(ByteText::from(attr.text())),
        expect::ZONE => zone = notes.take(attr.be16()).unwrap_or(zone),
        expect::FLAGS => flags = notes.take(attr.be32()).unwrap_or(flags),
        expect::CLASS => class = notes.take(attr.be32()).unwrap_or(class),
        expect::NAT => translated = nat_of(attr, notes),
        expect::FN => function = Some(ByteText::from(attr.text())),
        _ => notes.keep(&[], attr),
    });
    let (master, _) = notes.need(master, "CTA_EXPECT_MASTER")?;
    let (tuple, _) = notes.need(expected, "CTA_EXPECT_TUPLE")?;
    let (mask, _) = notes.need(mask, "CTA_EXPECT_MASK")?;
    let timeout_s = notes.need(timeout_s, "CTA_EXPECT_TIMEOUT")?;
    let id = notes.need(id, "CTA_EXPECT_ID")?;
    let unknown = notes.unknown;
    Some(Expectation {
        master,
        tuple,
        mask,
        timeout_s,
        id,
        zone,
        helper,
        flags,
        class,
        function,
        nat: translated,
        unknown,
    })
}

fn nat_of(nest: &Attr<'_>, notes: &mut Notes<'_>) -> Option<(u32, Tuple)> {
    let (mut direction, mut to) = (None, None);
    notes.nest(nest, |notes, attr| match attr.kind {
        nat::DIR => direction = notes.take(attr.be32()),
        nat::TUPLE => to = tuple(attr, notes),
        _ => notes.keep(&[nest.kind], attr),
    });
    let (to, _) = notes.need(to, "CTA_EXPECT_NAT_TUPLE")?;
    Some((notes.need(direction, "CTA_EXPECT_NAT_DIR")?, to))
}
