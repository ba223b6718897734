//! Words that several matches and targets write.
//!
//! May import model only.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};

use crate::model::netfilter::xt::matches::Range;
use crate::model::netfilter::xt::{MaskedAddress, Test};
use crate::model::text::ByteText;

/// ` !` where a test is turned around.
pub(super) fn not<T>(test: &Test<T>) -> &'static str {
    if test.not { " !" } else { "" }
}

/// A space and the text, in quotes where it has other characters than letters, digits, `-` and `_`.
/// Mirrors `xtables_save_string`.
pub(super) fn quoted(out: &mut String, text: &ByteText) {
    let bytes = text.as_bytes();
    let plain = bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    if plain && !bytes.is_empty() {
        let _ = write!(out, " {text}");
        return;
    }
    out.push_str(" \"");
    for chunk in bytes.utf8_chunks() {
        for letter in chunk.valid().chars() {
            if matches!(letter, '"' | '\\' | '\'') {
                out.push('\\');
            }
            out.push(letter);
        }
        // A backslash of the text itself is doubled, so that this one is told from it.
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out.push('"');
}

/// `MIN:MAX`, or one number where both are the same.
pub(super) fn range(range: Range) -> String {
    let Range { min, max } = range;
    if min == max { min.to_string() } else { format!("{min}:{max}") }
}

/// The names whose bits are set, with commas.
pub(super) fn names<'a>(out: &mut String, names: impl IntoIterator<Item = (bool, &'a str)>) {
    let mut comma = "";
    for (_, name) in names.into_iter().filter(|(set, _)| *set) {
        out.push_str(comma);
        out.push_str(name);
        comma = ",";
    }
}

/// An address with its mask: nothing for a host, its length for a prefix.
pub(super) fn masked(out: &mut String, value: &MaskedAddress) {
    let (ones, zeros, width) = match value.mask {
        IpAddr::V4(mask) => (mask.to_bits().leading_ones(), mask.to_bits().trailing_zeros(), 32),
        IpAddr::V6(mask) => (mask.to_bits().leading_ones(), mask.to_bits().trailing_zeros(), 128),
    };
    let address = address(value.address);
    let _ = if ones == width {
        write!(out, "{address}")
    } else if ones + zeros == width {
        write!(out, "{address}/{ones}")
    } else {
        write!(out, "{address}/{}", self::address(value.mask))
    };
}

/// An address as the C library writes it: the last words of `::1.2.3.4` stay dotted.
pub(super) fn address(address: IpAddr) -> String {
    match address {
        IpAddr::V6(v6) => match v6.segments() {
            [0, 0, 0, 0, 0, 0, high, low] if high != 0 => {
                format!("::{}", Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)))
            }
            _ => v6.to_string(),
        },
        IpAddr::V4(v4) => v4.to_string(),
    }
}
