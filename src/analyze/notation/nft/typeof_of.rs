//! What a set was declared the `typeof`, from nft's own notes in its user data.
//!
//! May import model only.

use super::set::user_data;
use super::value::Part;
use crate::model::netfilter::words::key::{self, Key};
use crate::model::netfilter::words::packet::Header;

/// An expression that a key is the type of.
pub(super) struct TypeOf {
    /// As nft writes it.
    pub text: String,
    /// What its values are made of.
    pub parts: Vec<Part>,
}

/// nft's numbers of kinds of expressions, `EXPR_*`.
const PAYLOAD: u32 = 7;
const META: u32 = 9;
const CT: u32 = 12;
const CONCAT: u32 = 13;

/// nft's numbers of headers, `PROTO_DESC_*`.
const HEADERS: [(u32, Header); 16] = [
    (1, Header::Ah),
    (2, Header::Esp),
    (3, Header::Comp),
    (4, Header::Icmp),
    (5, Header::Igmp),
    (6, Header::Udp),
    (7, Header::UdpLite),
    (8, Header::Tcp),
    (9, Header::Dccp),
    (10, Header::Sctp),
    (11, Header::Ports),
    (12, Header::Ip),
    (13, Header::Ip6),
    (14, Header::Icmpv6),
    (16, Header::Vlan),
    (17, Header::Ether),
];

fn number(bytes: Option<&[u8]>) -> Option<u32> {
    Some(u32::from_le_bytes(bytes?.try_into().ok()?))
}

/// The expression in a row of user data; `None` where podnet does not know its kind.
pub(super) fn typeof_of(told: &[u8]) -> Option<TypeOf> {
    let (kind, data) = (number(user_data(told, 0))?, user_data(told, 1)?);
    let keyed = |words: &str, key: &Key| {
        let parts = vec![Part::new(key.kind, key.host, key.bits)];
        (key.bits != 0).then(|| TypeOf { text: format!("{words}{}", key.name), parts })
    };
    match kind {
        PAYLOAD => {
            let number_of_header = number(user_data(data, 0))?;
            let at = usize::try_from(number(user_data(data, 1))?).ok()?.checked_sub(1)?;
            let (_, header) = HEADERS.iter().find(|row| row.0 == number_of_header)?;
            // nft counts the CFI bit by two names.
            let at = if *header == Header::Vlan && at > 1 { at - 1 } else { at };
            let field = header.fields().get(at)?;
            let parts = vec![Part::new(field.kind, false, field.bits)];
            Some(TypeOf { text: format!("{} {}", header.name(), field.name), parts })
        }
        META => {
            let found = key::meta(number(user_data(data, 0))?)?;
            keyed(if key::is_bare(found.number) { "" } else { "meta " }, found)
        }
        CT => {
            let found = key::ct(number(user_data(data, 0))?)?;
            let way = match number(user_data(data, 1)) {
                Some(0) => "ct original ",
                Some(1) => "ct reply ",
                _ => "ct ",
            };
            keyed(way, found)
        }
        CONCAT => {
            let mut parts = Vec::new();
            for at in 0..16 {
                match user_data(data, at) {
                    Some(part) if user_data(part, 0).and_then(|kind| number(Some(kind))) != Some(CONCAT) => {
                        parts.push(typeof_of(part)?);
                    }
                    Some(_) => return None,
                    None => break,
                }
            }
            Some(TypeOf {
                text: parts.iter().map(|part| part.text.as_str()).collect::<Vec<_>>().join(" . "),
                parts: parts.into_iter().flat_map(|part| part.parts).collect(),
            })
        }
        _ => None,
    }
}
