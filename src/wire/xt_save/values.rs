//! Values of options: numbers, ranges, addresses, marks, lists.
//!
//! May import model only.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::model::ids::Mark;
use crate::model::netfilter::table::Family;
use crate::model::netfilter::xt::matches::{AddressRange, Range};
use crate::model::netfilter::xt::{MaskedAddress, protocols};

/// A decimal number, or a hexadecimal one with `0x`. One with a leading 0 would be octal to xtables.
pub(super) fn number<T: TryFrom<u64>>(text: &str) -> Option<T> {
    let value = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) if digits.bytes().all(|digit| digit.is_ascii_hexdigit()) => {
            u64::from_str_radix(digits, 16).ok()?
        }
        None if text.bytes().all(|digit| digit.is_ascii_digit()) && (text == "0" || !text.starts_with('0')) => {
            text.parse().ok()?
        }
        _ => return None,
    };
    T::try_from(value).ok()
}

/// `80`, `80:90`, `:90`, `80:`; with another sign between for other ranges.
pub(super) fn range_with(text: &str, sign: char) -> Option<Range> {
    let (min, max) = pair(text, sign, 0, u16::MAX)?;
    Some(Range { min, max })
}

/// `80`, `80:90`, `:90`, `80:`.
pub(super) fn range(text: &str) -> Option<Range> {
    range_with(text, ':')
}

/// Two numbers with a sign between, or one that is both.
pub(super) fn pair<T: TryFrom<u64> + Copy>(text: &str, sign: char, least: T, most: T) -> Option<(T, T)> {
    let Some((min, max)) = text.split_once(sign) else {
        let only = number(text)?;
        return Some((only, only));
    };
    let or = |text: &str, default| if text.is_empty() { Some(default) } else { number(text) };
    Some((or(min, least)?, or(max, most)?))
}

/// `0x1` or `0x1/0xff`.
pub(super) fn mark(text: &str) -> Option<Mark> {
    match text.split_once('/') {
        Some((value, mask)) => Some(Mark { value: number(value)?, mask: number(mask)? }),
        None => Some(Mark { value: number(text)?, mask: u32::MAX }),
    }
}

/// An address of a family.
pub(super) fn address(text: &str, family: Family) -> Option<IpAddr> {
    text.parse().ok().filter(|address: &IpAddr| address.is_ipv6() == (family == Family::Ip6))
}

/// `10.0.0.0/8`, `10.0.0.0/255.0.0.0`, `10.0.0.1`.
pub(super) fn masked(text: &str, family: Family) -> Option<MaskedAddress> {
    let (first, mask) = match text.split_once('/') {
        Some((first, mask)) => (first, Some(mask)),
        None => (text, None),
    };
    let address = address(first, family)?;
    let most: u8 = if family == Family::Ip6 { 128 } else { 32 };
    let mask = match mask {
        None => prefix(most, family),
        Some(mask) => match number::<u8>(mask) {
            Some(length) if length <= most => prefix(length, family),
            Some(_) => return None,
            None => self::address(mask, family)?,
        },
    };
    Some(MaskedAddress { address, mask })
}

/// The mask of a prefix.
pub(super) fn prefix(length: u8, family: Family) -> IpAddr {
    if family == Family::Ip6 {
        let bits = u128::MAX.checked_shl(128 - u32::from(length.min(128))).unwrap_or(0);
        IpAddr::V6(Ipv6Addr::from(bits))
    } else {
        let bits = u32::MAX.checked_shl(32 - u32::from(length.min(32))).unwrap_or(0);
        IpAddr::V4(Ipv4Addr::from(bits))
    }
}

/// The last address that has the masked bits of the first.
pub(super) fn last(of: MaskedAddress) -> IpAddr {
    match (of.address, of.mask) {
        (IpAddr::V4(address), IpAddr::V4(mask)) => Ipv4Addr::from(u32::from(address) | !u32::from(mask)).into(),
        (IpAddr::V6(address), IpAddr::V6(mask)) => Ipv6Addr::from(u128::from(address) | !u128::from(mask)).into(),
        (other, _) => other,
    }
}

/// `10.0.0.1-10.0.0.9` or `10.0.0.1`.
pub(super) fn addresses(text: &str, family: Family) -> Option<AddressRange> {
    let (min, max) = text.split_once('-').unwrap_or((text, text));
    Some(AddressRange { min: address(min, family)?, max: address(max, family)? })
}

/// `src,dst`: true is the source.
pub(super) fn directions(text: &str) -> Option<Vec<bool>> {
    let each = text.split(',').map(|part| match part {
        "src" => Some(true),
        "dst" => Some(false),
        _ => None,
    });
    // IPSET_DIM_MAX
    each.collect::<Option<Vec<_>>>().filter(|found| found.len() <= 6)
}

/// Bits of the names in a list; names are told apart without their case.
pub(super) fn bits(text: &str, names: &[(u32, &str)]) -> Option<u32> {
    text.split(',').try_fold(0, |bits, part| {
        let (bit, _) = names.iter().find(|(_, name)| name.eq_ignore_ascii_case(part))?;
        Some(bits | bit)
    })
}

/// The number that a name stands for in a list, or the number itself.
pub(super) fn named<T: TryFrom<u64> + Copy>(text: &str, names: &[(T, &str)]) -> Option<T> {
    let known = names.iter().find(|(_, name)| name.eq_ignore_ascii_case(text));
    known.map(|(value, _)| *value).or_else(|| number(text))
}

/// A protocol by name or number.
pub(super) fn protocol(text: &str) -> Option<u16> {
    protocols::number(text).or_else(|| number(text))
}

/// How many of something a second, in parts of which a second has `scale`, and the unit's seconds.
pub(super) fn rate(text: &str, scale: u64) -> Option<(u64, u64)> {
    let (count, unit) = text.split_once('/').unwrap_or((text, "second"));
    let units = [("second", 1), ("minute", 60), ("hour", 3600), ("day", 86400)];
    // Any beginning of the word will do, as for xtables.
    let begins = |word: &str| !unit.is_empty() && word.starts_with(&unit.to_ascii_lowercase());
    let (_, seconds) = units.into_iter().find(|(word, _)| begins(word))?;
    let count: u64 = number(count)?;
    let period = scale.checked_mul(seconds)?.checked_div(count)?;
    (period > 0).then_some((period, seconds))
}
