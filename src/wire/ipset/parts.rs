//! What a set's type says that its members are made of, and the words for protocols and ICMP types.
//!
//! May import model only.

use crate::model::netfilter::xt::protocols;
use crate::wire::xt_save::names::{ICMP, ICMP6};

/// One part of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Ip,
    Net,
    Mac,
    /// Without a protocol where the set is a bitmap.
    Port {
        protocol: bool,
    },
    Mark,
    Iface,
    Set,
}

/// The parts of a type's members, in order; `None` for a type that has others.
pub(super) fn of(type_name: &[u8]) -> Option<Vec<Part>> {
    let (method, parts) = std::str::from_utf8(type_name).ok()?.split_once(':')?;
    let part = |part| match part {
        "ip" => Some(Part::Ip),
        "net" => Some(Part::Net),
        "mac" => Some(Part::Mac),
        "port" => Some(Part::Port { protocol: method == "hash" }),
        "mark" => Some(Part::Mark),
        "iface" => Some(Part::Iface),
        "set" => Some(Part::Set),
        _ => None,
    };
    parts.split(',').map(part).collect()
}

/// ICMPv6 types that `ipset` has no name for.
const NO_ICMP6_NAMES: [&str; 3] = ["beyond-scope", "failed-policy", "reject-route"];

const PROTOCOL_ICMP: u8 = 1;
const PROTOCOL_ICMP6: u8 = 58;

/// `tcp:80`, `icmp:echo-request`.
pub(super) fn port(protocol: u8, port: u16) -> String {
    let name = protocols::name(u16::from(protocol)).map_or_else(|| protocol.to_string(), str::to_owned);
    let [kind, code] = port.to_be_bytes();
    let types: &[_] = match protocol {
        PROTOCOL_ICMP => &ICMP,
        PROTOCOL_ICMP6 => &ICMP6,
        _ => return format!("{name}:{port}"),
    };
    let named = |wanted: (u8, u8)| {
        types.iter().find(|(name, of, min, max)| {
            (*of, *min, *max) == (kind, wanted.0, wanted.1) && *name != "any" && !NO_ICMP6_NAMES.contains(name)
        })
    };
    // A type without codes of its own is named at code 0.
    let found = named((code, code)).or_else(|| if code == 0 { named((0, u8::MAX)) } else { None });
    match found {
        Some((word, ..)) => format!("{name}:{word}"),
        None => format!("{name}:{kind}/{code}"),
    }
}

/// The protocol and port of `tcp:80`, `80`, `icmp:8/0`, `icmp:echo-request`.
pub(super) fn parse_port(text: &str) -> Option<(u8, u16)> {
    let (protocol, port) = text.split_once(':').unwrap_or(("tcp", text));
    let protocol: u8 = match protocols::number(protocol) {
        Some(number) => u8::try_from(number).ok()?,
        None => protocol.parse().ok()?,
    };
    let types: &[_] = match protocol {
        PROTOCOL_ICMP => &ICMP,
        PROTOCOL_ICMP6 => &ICMP6,
        _ => return Some((protocol, port.parse().ok()?)),
    };
    let named = types.iter().find(|(name, ..)| name.eq_ignore_ascii_case(port));
    let (kind, code) = if let Some((_, kind, code, _)) = named {
        (*kind, *code)
    } else {
        let (kind, code) = port.split_once('/')?;
        (kind.parse().ok()?, code.parse().ok()?)
    };
    Some((protocol, u16::from_be_bytes([kind, code])))
}
