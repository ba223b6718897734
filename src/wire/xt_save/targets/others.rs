//! Targets of one or two options each.
//!
//! May import model only.

use super::super::args::{Args, Parsed, Unclear};
use super::super::names::{FLOW_EVENTS, REJECT, REJECT6};
use super::super::values::{address, bits, directions, number};
use crate::model::netfilter::table::Family;
use crate::model::netfilter::xt::matches::SetName;
use crate::model::netfilter::xt::targets::{Ct, SetChange, SetKey, Target, Tee, TtlChange};
use crate::model::text::ByteText;

pub(super) fn reject(args: &mut Args<'_, '_>) -> Parsed<Target> {
    let is_v6 = args.family == Family::Ip6;
    let names: &[(u32, &str)] = if is_v6 { &REJECT6 } else { &REJECT };
    // Port unreachable where nothing is said.
    let mut with = if is_v6 { 4 } else { 3 };
    while let Some(option) = args.option() {
        match option {
            "--reject-with" => {
                let known = |text: &str| names.iter().find(|(_, name)| *name == text).map(|(number, _)| *number);
                with = args.plain(known)?;
            }
            _ => return Err(Unclear),
        }
    }
    Ok(Target::Reject(with))
}

pub(super) fn tcpmss(args: &mut Args<'_, '_>) -> Parsed<Target> {
    match args.option() {
        Some("--set-mss") => args.plain(number).map(Target::Tcpmss),
        Some("--clamp-mss-to-pmtu") => args.yes().map(|_| Target::Tcpmss(u16::MAX)),
        _ => Err(Unclear),
    }
}

const CT_NOTRACK: u16 = 1;
const CT_ZONE_ORIGINAL: u16 = 4;
const CT_ZONE_REPLY: u16 = 8;
const CT_ZONE_MARK: u16 = 16;

pub(super) fn ct(args: &mut Args<'_, '_>) -> Parsed<Target> {
    let mut found = Ct::default();
    while let Some(option) = args.option() {
        match option {
            "--notrack" => {
                args.yes()?;
                found.flags |= CT_NOTRACK;
            }
            "--helper" => found.helper = args.name()?,
            "--timeout" => found.timeout = args.name()?,
            "--ctevents" => found.events = args.plain(|text| bits(text, &FLOW_EVENTS))?,
            "--expevents" => found.expectation_events = args.plain(|text| bits(text, &[(1, "new")]))?,
            "--zone" | "--zone-orig" | "--zone-reply" => {
                found.flags |= match option {
                    "--zone-orig" => CT_ZONE_ORIGINAL,
                    "--zone-reply" => CT_ZONE_REPLY,
                    _ => 0,
                };
                match args.plain(|text| if text == "mark" { Some(None) } else { number(text).map(Some) })? {
                    Some(zone) => found.zone = zone,
                    None => found.flags |= CT_ZONE_MARK,
                }
            }
            _ => return Err(Unclear),
        }
    }
    Ok(Target::Ct(Box::new(found)))
}

pub(super) fn set(args: &mut Args<'_, '_>) -> Parsed<Target> {
    let mut found = SetChange::default();
    while let Some(option) = args.option() {
        match option {
            "--add-set" => found.add = Some(key(args)?),
            "--del-set" => found.delete = Some(key(args)?),
            "--map-set" => found.map = Some(key(args)?),
            "--timeout" => found.timeout = Some(args.plain(number)?),
            "--exist" => found.exist = args.yes()?,
            "--map-mark" => found.map_mark = args.yes()?,
            "--map-prio" => found.map_priority = args.yes()?,
            "--map-queue" => found.map_queue = args.yes()?,
            _ => return Err(Unclear),
        }
    }
    Ok(Target::Set(Box::new(found)))
}

fn key(args: &mut Args<'_, '_>) -> Parsed<SetKey> {
    let set = SetName::Name(args.name()?);
    Ok(SetKey { set, from_source: args.plain(directions)? })
}

pub(super) fn classify(args: &mut Args<'_, '_>) -> Parsed<Target> {
    let half = |text: &str| u16::from_str_radix(text, 16).ok().filter(|_| !text.starts_with('+')).map(u32::from);
    match args.option() {
        Some("--set-class") => args.plain(|text| {
            let (major, minor) = text.split_once(':')?;
            Some(Target::Classify(half(major)? << 16 | half(minor)?))
        }),
        _ => Err(Unclear),
    }
}

pub(super) fn checksum(args: &mut Args<'_, '_>) -> Parsed<Target> {
    match args.option() {
        Some("--checksum-fill") => args.yes().map(|_| Target::Checksum(1)),
        _ => Err(Unclear),
    }
}

pub(super) fn tee(args: &mut Args<'_, '_>) -> Parsed<Target> {
    let (mut gateway, mut out_interface) = (None, ByteText::default());
    let family = args.family;
    while let Some(option) = args.option() {
        match option {
            "--gateway" => gateway = Some(args.plain(|text| address(text, family))?),
            "--oif" => out_interface = args.name()?,
            _ => return Err(Unclear),
        }
    }
    Ok(Target::Tee(Tee { gateway: gateway.ok_or(Unclear)?, out_interface }))
}

pub(super) fn ttl(args: &mut Args<'_, '_>) -> Parsed<Target> {
    let op = match args.option() {
        Some("--ttl-set" | "--hl-set") => 0,
        Some("--ttl-inc" | "--hl-inc") => 1,
        Some("--ttl-dec" | "--hl-dec") => 2,
        _ => return Err(Unclear),
    };
    Ok(Target::Ttl(TtlChange { op, value: args.plain(number)? }))
}
