//! Values as `nft -nn` writes them: numbers, not words.
//!
//! May import model only.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::Contents;
use crate::model::netfilter::expr::Verdict;
use crate::model::netfilter::words::kind::Kind;
pub(super) use crate::model::netfilter::words::part::Part;
use crate::model::text::ByteText;

/// The number in some bytes; `None` where they are more than fit.
pub(super) fn number(bytes: &[u8], host: bool) -> Option<u128> {
    if bytes.len() > 16 {
        return None;
    }
    let add = |number: u128, byte: &u8| (number << 8) | u128::from(*byte);
    // All machines that podnet runs on, and all bundles it reads, are little-endian.
    Some(if host { bytes.iter().rev().fold(0, add) } else { bytes.iter().fold(0, add) })
}

/// One value; `None` where nft's form of it is not known.
pub(super) fn value(part: Part, bytes: &[u8], contents: &dyn Contents) -> Option<String> {
    match part.kind {
        Kind::Ipv4 => Some(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?).to_string()),
        Kind::Ipv6 => Some(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).to_string()),
        Kind::Ether | Kind::LinkAddress => {
            Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":"))
        }
        Kind::String | Kind::LinkName => text(bytes),
        _ => {
            let whole = number(bytes, part.host)?;
            number_text(part, whole >> part.shift.min(127), contents)
        }
    }
}

/// A number of some kind.
fn number_text(part: Part, number: u128, contents: &dyn Contents) -> Option<String> {
    Some(match part.kind {
        Kind::Mark => format!("0x{number:08x}"),
        Kind::EtherType => format!("0x{number:04x}"),
        Kind::Dscp => format!("0x{number:02x}"),
        Kind::Ecn | Kind::Hex => format!("0x{number:x}"),
        Kind::LinkIndex if number == 0 => "0".to_owned(),
        Kind::LinkIndex => contents.link(u32::try_from(number).ok()?)?,
        Kind::ClassId if number == 0 => "none".to_owned(),
        Kind::ClassId if number == 0xffff_ffff => "root".to_owned(),
        Kind::ClassId => format!("{:x}:{:x}", number >> 16, number & 0xffff),
        Kind::Time => seconds(u64::try_from(number).ok()?),
        // These depend on the time zone of the one who reads.
        Kind::Date | Kind::Hour | Kind::Cgroup2 | Kind::Verdict => return None,
        kind if kind.is_bits() => bits(kind, number).join(" | "),
        _ => number.to_string(),
    })
}

/// A row of bits, one by one.
pub(super) fn bits(kind: Kind, number: u128) -> Vec<String> {
    if number == 0 {
        return vec!["0x0".to_owned()];
    }
    let set = (0..128).filter(|bit| number & (1 << bit) != 0);
    set.map(|bit| if kind == Kind::CtLabel { bit.to_string() } else { format!("0x{:x}", 1_u128 << bit) }).collect()
}

/// Text up to its end; shorter than its place, it goes on in any way.
fn text(bytes: &[u8]) -> Option<String> {
    let ends = bytes.iter().position(|byte| *byte == 0);
    let (name, open) = match ends {
        Some(end) => (bytes.get(..end)?, false),
        None => (bytes, true),
    };
    let mut out = String::from("\"");
    let shown = ByteText::from(name).to_string();
    match shown.strip_suffix('*') {
        Some(stem) if !open => {
            let _ = write!(out, "{stem}\\*");
        }
        _ => out.push_str(&shown),
    }
    out.push_str(if open { "*\"" } else { "\"" });
    Some(out)
}

/// A time span: nft drops what is less than a second where it writes numbers.
pub(super) fn seconds(ms: u64) -> String {
    format!("{}s", ms / 1000)
}

/// The values of a concatenation.
pub(super) fn values(parts: &[Part], bytes: &[u8], contents: &dyn Contents) -> Option<String> {
    if let [part] = parts {
        return value(*part, bytes, contents);
    }
    let mut words = Vec::new();
    let mut at = 0;
    for part in parts {
        words.push(value(*part, bytes.get(at..at + part.bytes())?, contents)?);
        at += part.padded();
    }
    // The last part's padding may be there or not.
    (bytes.len() <= at).then(|| words.join(" . "))
}

/// Both ends of a range, as one value, a prefix or a range.
pub(super) fn span(part: Part, min: &[u8], max: &[u8], contents: &dyn Contents) -> Option<String> {
    if min == max {
        return value(part, min, contents);
    }
    match prefix(part, min, max) {
        Some(length) => Some(format!("{}/{length}", value(part, min, contents)?)),
        None => Some(format!("{}-{}", value(part, min, contents)?, value(part, max, contents)?)),
    }
}

/// The prefix length that a range is, where its kind has prefixes.
fn prefix(part: Part, min: &[u8], max: &[u8]) -> Option<u32> {
    if !part.kind.has_prefixes() || min.len() != max.len() {
        return None;
    }
    let (min, max) = (number(min, false)?, number(max, false)?);
    let host = (min ^ max).checked_add(1)?;
    let fits = host.is_power_of_two() && min & (host - 1) == 0 && max & (host - 1) == host - 1;
    if fits { part.bits.checked_sub(host.trailing_zeros()) } else { None }
}

/// How many leading bits a mask has set, where it has no others.
pub(super) fn mask_length(mask: &[u8]) -> Option<u32> {
    let length: u32 = mask.iter().map(|byte| byte.count_ones()).sum();
    let leading: u32 = {
        let full = mask.iter().take_while(|byte| **byte == 0xff).count();
        let next = mask.get(full).map_or(0, |byte| byte.leading_ones());
        u32::try_from(full).ok()? * 8 + next
    };
    (length == leading).then_some(length)
}

/// A verdict.
pub(super) fn verdict(verdict: &Verdict) -> Option<String> {
    Some(match verdict {
        Verdict::Accept => "accept".to_owned(),
        Verdict::Drop => "drop".to_owned(),
        Verdict::Continue => "continue".to_owned(),
        Verdict::Return => "return".to_owned(),
        Verdict::Jump(chain) => format!("jump {chain}"),
        Verdict::Goto(chain) => format!("goto {chain}"),
        Verdict::Break => "break".to_owned(),
        Verdict::Queue(_) | Verdict::Other(_) => return None,
    })
}
