//! Where a packet comes from and goes to: kinds of address, ranges, ports of a bridge, owners, sockets.
//!
//! May import model only.

use super::super::args::{Args, Parsed, Unclear};
use super::super::names::ADDRESS_TYPES;
use super::super::values::{addresses, bits, pair};
use super::only;
use crate::model::netfilter::xt::matches::{Addrtype, IdRange, Iprange, Match, Owner, Physdev, Rpfilter, SocketTest};
use crate::model::text::unhex;

pub(super) fn addrtype(args: &mut Args<'_, '_>) -> Parsed<Match> {
    let mut found = Addrtype::default();
    let types = |text: &str| bits(text, &ADDRESS_TYPES).and_then(|bits| u16::try_from(bits).ok());
    while let Some(option) = args.option() {
        match option {
            "--src-type" => found.source = Some(args.test(types)?),
            "--dst-type" => found.destination = Some(args.test(types)?),
            "--limit-iface-in" => found.limit_in = args.yes()?,
            "--limit-iface-out" => found.limit_out = args.yes()?,
            _ => return Err(Unclear),
        }
    }
    Ok(Match::Addrtype(found))
}

pub(super) fn physdev(args: &mut Args<'_, '_>) -> Parsed<Match> {
    let mut found = Physdev::default();
    while let Some(option) = args.option() {
        match option {
            "--physdev-in" => found.input = Some(args.test_name()?),
            "--physdev-out" => found.output = Some(args.test_name()?),
            "--physdev-is-in" => found.is_in = Some(!args.turned()),
            "--physdev-is-out" => found.is_out = Some(!args.turned()),
            "--physdev-is-bridged" => found.is_bridged = Some(!args.turned()),
            _ => return Err(Unclear),
        }
    }
    Ok(Match::Physdev(found))
}

pub(super) fn iprange(args: &mut Args<'_, '_>) -> Parsed<Match> {
    let mut found = Iprange::default();
    let family = args.family;
    while let Some(option) = args.option() {
        match option {
            "--src-range" => found.source = Some(args.test(|text| addresses(text, family))?),
            "--dst-range" => found.destination = Some(args.test(|text| addresses(text, family))?),
            _ => return Err(Unclear),
        }
    }
    Ok(Match::Iprange(found))
}

pub(super) fn mac(args: &mut Args<'_, '_>) -> Parsed<Match> {
    let address = |text: &str| {
        let bytes = text.split(':').map(|byte| match unhex(byte).as_deref() {
            Some([byte]) => Some(*byte),
            _ => None,
        });
        bytes.collect::<Option<Vec<u8>>>()?.try_into().ok()
    };
    only(args, &["--mac-source"])?;
    args.test(address).map(Match::Mac)
}

pub(super) fn owner(args: &mut Args<'_, '_>) -> Parsed<Match> {
    let mut found = Owner::default();
    let range = |text: &str| pair(text, '-', 0, u32::MAX).map(|(min, max)| IdRange { min, max });
    while let Some(option) = args.option() {
        match option {
            "--uid-owner" => found.user = Some(args.test(range)?),
            "--gid-owner" => found.group = Some(args.test(range)?),
            "--suppl-groups" => found.supplementary = args.yes()?,
            "--socket-exists" => found.socket = Some(!args.turned()),
            _ => return Err(Unclear),
        }
    }
    Ok(Match::Owner(found))
}

pub(super) fn rpfilter(args: &mut Args<'_, '_>) -> Parsed<Match> {
    let mut found = Rpfilter::default();
    while let Some(option) = args.option() {
        match option {
            "--loose" => found.loose = args.yes()?,
            "--validmark" => found.validmark = args.yes()?,
            "--accept-local" => found.accept_local = args.yes()?,
            "--invert" => found.invert = args.yes()?,
            _ => return Err(Unclear),
        }
    }
    Ok(Match::Rpfilter(found))
}

pub(super) fn socket(args: &mut Args<'_, '_>) -> Parsed<Match> {
    let mut found = SocketTest::default();
    while let Some(option) = args.option() {
        match option {
            "--transparent" => found.transparent = args.yes()?,
            "--nowildcard" => found.nowildcard = args.yes()?,
            "--restore-skmark" => found.restore_mark = args.yes()?,
            _ => return Err(Unclear),
        }
    }
    Ok(Match::Socket(found))
}
