//! Values of nft's JSON, as the bytes that the kernel is given.
//!
//! May import model only.

use std::net::{Ipv4Addr, Ipv6Addr};

use serde_json::Value;

use crate::model::netfilter::words::kind::Kind;
pub(super) use crate::model::netfilter::words::part::Part;
use crate::model::netfilter::words::symbol;

/// The bytes of one value; `None` for what is none of its kind.
pub(super) fn value(part: Part, json: &Value) -> Option<Vec<u8>> {
    match json {
        // Spans of time are told in seconds.
        Value::Number(number) if part.kind == Kind::Time => part.number(u128::from(number.as_u64()?) * 1000),
        Value::Number(number) => part.number(u128::from(number.as_u64()?)),
        Value::Bool(there) => part.number(u128::from(*there)),
        Value::String(text) => text_value(part, text),
        Value::Array(list) if part.kind.is_bits() => flags(part, list),
        Value::Object(object) => {
            let (operator, operands) = object.iter().next()?;
            match operator.as_str() {
                "|" if part.kind.is_bits() => flags(part, operands.as_array()?),
                _ => None,
            }
        }
        _ => None,
    }
}

fn flags(part: Part, list: &[Value]) -> Option<Vec<u8>> {
    let mut sum = vec![0_u8; part.bytes()];
    for flag in list {
        for (byte, more) in sum.iter_mut().zip(value(part, flag)?) {
            *byte |= more;
        }
    }
    Some(sum)
}

fn text_value(part: Part, text: &str) -> Option<Vec<u8>> {
    match part.kind {
        Kind::Ipv4 => Some(text.parse::<Ipv4Addr>().ok()?.octets().to_vec()),
        Kind::Ipv6 => Some(text.parse::<Ipv6Addr>().ok()?.octets().to_vec()),
        Kind::Ether | Kind::LinkAddress => text.split(':').map(|byte| u8::from_str_radix(byte, 16).ok()).collect(),
        Kind::String | Kind::LinkName => {
            let mut bytes = text.replace("\\*", "*").into_bytes();
            if bytes.len() > part.bytes() {
                return None;
            }
            bytes.resize(part.bytes(), 0);
            Some(bytes)
        }
        // This link, and no other, has the same index everywhere.
        Kind::LinkIndex if text == "lo" => part.number(1),
        Kind::ClassId => class(text).and_then(|number| part.number(number)),
        kind => {
            let number = symbol::value(kind, text).or_else(|| plain(text))?;
            part.number(u128::from(number))
        }
    }
}

fn plain(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

fn class(text: &str) -> Option<u128> {
    match text {
        "none" => Some(0),
        "root" => Some(0xffff_ffff),
        _ => {
            let (major, minor) = text.split_once(':')?;
            let number = |digits: &str| u16::from_str_radix(digits, 16).ok().map(u128::from);
            Some((number(major)? << 16) | number(minor)?)
        }
    }
}

/// The only member of an object, where it is called so.
pub(super) fn only<'a>(json: &'a Value, name: &str) -> Option<&'a Value> {
    let object = json.as_object()?;
    if object.len() == 1 { object.get(name) } else { None }
}

/// Both ends of a range, included, or of a prefix.
pub(super) fn ends(part: Part, json: &Value) -> Option<(Vec<u8>, Vec<u8>)> {
    if let Some(range) = only(json, "range") {
        let [min, max] = range.as_array()?.as_slice() else { return None };
        return Some((value(part, min)?, value(part, max)?));
    }
    let (bytes, length) = prefix(part, json)?;
    let mask = mask(bytes.len(), length);
    let min = bytes.iter().zip(&mask).map(|(byte, mask)| byte & mask).collect();
    let max = bytes.iter().zip(&mask).map(|(byte, mask)| byte | !mask).collect();
    Some((min, max))
}

/// An address and its prefix length.
pub(super) fn prefix(part: Part, json: &Value) -> Option<(Vec<u8>, u32)> {
    let prefix = only(json, "prefix")?;
    let length = u32::try_from(prefix.get("len")?.as_u64()?).ok().filter(|length| *length <= part.bits)?;
    Some((value(part, prefix.get("addr")?)?, length))
}

/// A mask of leading ones.
pub(super) fn mask(bytes: usize, length: u32) -> Vec<u8> {
    (0..bytes)
        .map(|at| {
            let before = u32::try_from(at).unwrap_or(u32::MAX).saturating_mul(8);
            let ones = length.saturating_sub(before).min(8);
            u8::try_from(0xff00_u32 >> ones & 0xff).unwrap_or(0)
        })
        .collect()
}

/// The number behind a text's or number's value.
pub(super) fn count(json: Option<&Value>) -> Option<u64> {
    json.and_then(Value::as_u64)
}
