//! Targets that translate addresses.
//!
//! May import model only.

use super::super::args::{Args, Parsed, Unclear};
use super::super::values::{address, last, masked, number};
use crate::model::netfilter::table::Family;
use crate::model::netfilter::xt::targets::{NatRange, Target};

pub(super) fn dnat(args: &mut Args<'_, '_>) -> Parsed<Target> {
    range(args, &["--to-destination"], true).map(Target::Dnat)
}

pub(super) fn snat(args: &mut Args<'_, '_>) -> Parsed<Target> {
    range(args, &["--to-source"], true).map(Target::Snat)
}

pub(super) fn masquerade(args: &mut Args<'_, '_>) -> Parsed<Target> {
    range(args, &["--to-ports"], false).map(Target::Masquerade)
}

pub(super) fn redirect(args: &mut Args<'_, '_>) -> Parsed<Target> {
    range(args, &["--to-ports", "--to-port"], false).map(Target::Redirect)
}

/// The options that all of them have; `addressed`: what is given may have an address before the port.
fn range(args: &mut Args<'_, '_>, to: &[&str], addressed: bool) -> Parsed<NatRange> {
    let mut range = NatRange::default();
    let mut given = false;
    let family = args.family;
    while let Some(option) = args.option() {
        match option {
            "--random" => range.random = args.yes()?,
            "--random-fully" => range.random_fully = args.yes()?,
            "--persistent" => range.persistent = args.yes()?,
            // Kernels before 2.6.11 had several.
            option if to.contains(&option) && !given => {
                given = true;
                args.plain(|text| {
                    if addressed { addresses_and_ports(text, family, &mut range) } else { ports(text, &mut range) }
                })?;
            }
            _ => return Err(Unclear),
        }
    }
    Ok(range)
}

/// `10.0.0.1`, `10.0.0.1-10.0.0.9:80-90/8000`, `:80`, `[fd00::1]:80`.
fn addresses_and_ports(text: &str, family: Family, range: &mut NatRange) -> Option<()> {
    let (addresses, after) = if let Some(inner) = text.strip_prefix('[') {
        let (inner, after) = inner.split_once(']')?;
        // Both `[a-b]:port` and `[a]-[b]:port` have been written.
        match after.strip_prefix("-[").and_then(|other| other.split_once(']')) {
            Some((other, after)) => (format!("{inner}-{other}"), after.strip_prefix(':')),
            None if after.is_empty() => (inner.to_owned(), None),
            None => (inner.to_owned(), Some(after.strip_prefix(':')?)),
        }
    } else if family == Family::Ip6 && !text.starts_with(':') {
        (text.to_owned(), None)
    } else if let Some(after) = text.strip_prefix(':').filter(|after| !after.contains(':')) {
        (String::new(), Some(after))
    } else {
        match text.split_once(':') {
            Some((addresses, after)) if family == Family::Ip => (addresses.to_owned(), Some(after)),
            _ => (text.to_owned(), None),
        }
    };
    if !addresses.is_empty() {
        let found = super::super::values::addresses(&addresses, family)?;
        range.addresses = Some((found.min, found.max));
    }
    match after {
        Some(after) => ports(after, range),
        None => Some(()),
    }
}

/// `80`, `80-90`, `80-90/8000`.
fn ports(text: &str, range: &mut NatRange) -> Option<()> {
    let (ports, base) = match text.split_once('/') {
        Some((ports, base)) => (ports, Some(number(base)?)),
        None => (text, None),
    };
    let (min, max) = ports.split_once('-').unwrap_or((ports, ports));
    range.ports = Some((number(min)?, number(max)?));
    range.base_port = base;
    Some(())
}

pub(super) fn netmap(args: &mut Args<'_, '_>) -> Parsed<Target> {
    let family = args.family;
    let net = match args.option() {
        Some("--to") => args.plain(|text| match text.split_once('/') {
            Some(_) => masked(text, family).map(|net| (net.address, last(net))),
            None => address(text, family).map(|only| (only, only)),
        })?,
        _ => return Err(Unclear),
    };
    Ok(Target::Netmap(NatRange { addresses: Some(net), ..NatRange::default() }))
}
