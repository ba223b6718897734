//! Names of TCP options, IP options and IPv6 extension headers, and of their fields.
//!
//! Must not import anything from the crate but its sibling model types.

use super::kind::Kind;

/// Option's number, its name.
const TCP: [(u8, &str); 10] = [
    (0, "eol"),
    (1, "nop"),
    (2, "maxseg"),
    (3, "window"),
    (4, "sack-perm"),
    (5, "sack"),
    (8, "timestamp"),
    (19, "md5sig"),
    (30, "mptcp"),
    (34, "fastopen"),
];

/// Option's number, field's name, offset and length in bits.
const TCP_FIELDS: [(u8, &str, u32, u32); 4] =
    [(2, "size", 16, 16), (3, "count", 16, 8), (8, "tsval", 16, 32), (8, "tsecr", 48, 32)];

const SCTP: [(u8, &str); 15] = [
    (0, "data"),
    (1, "init"),
    (2, "init-ack"),
    (3, "sack"),
    (4, "heartbeat"),
    (5, "heartbeat-ack"),
    (6, "abort"),
    (7, "shutdown"),
    (8, "shutdown-ack"),
    (9, "error"),
    (10, "cookie-echo"),
    (11, "cookie-ack"),
    (12, "ecne"),
    (13, "cwr"),
    (14, "shutdown-complete"),
];

const IPV4: [(u8, &str); 4] = [(7, "rr"), (131, "lsrr"), (137, "ssrr"), (148, "ra")];

const IPV6: [(u8, &str); 5] = [(0, "hbh"), (43, "rt"), (44, "frag"), (60, "dst"), (135, "mh")];

/// Header's number, field's name, offset, length, kind.
const IPV6_FIELDS: [(u8, &str, u32, u32, Kind); 10] = [
    (0, "nexthdr", 0, 8, Kind::Protocol),
    (0, "hdrlength", 8, 8, Kind::Integer),
    (43, "nexthdr", 0, 8, Kind::Protocol),
    (43, "hdrlength", 8, 8, Kind::Integer),
    (43, "type", 16, 8, Kind::Integer),
    (43, "seg-left", 24, 8, Kind::Integer),
    (44, "nexthdr", 0, 8, Kind::Protocol),
    (44, "id", 32, 32, Kind::Integer),
    (60, "nexthdr", 0, 8, Kind::Protocol),
    (60, "hdrlength", 8, 8, Kind::Integer),
];

/// How an option or a field of it is written, and what it holds; `None` for what podnet does not know.
pub fn name(option: u8, offset: u32, bits: u32, there: bool, op: u32) -> Option<(String, Kind)> {
    let of = |names: &[(u8, &'static str)]| names.iter().find(|row| row.0 == option).map(|row| row.1);
    match (op, there) {
        (0, true) => Some((format!("exthdr {}", of(&IPV6)?), Kind::Boolean)),
        (0, false) => {
            let field = IPV6_FIELDS.iter().find(|row| (row.0, row.2, row.3) == (option, offset, bits))?;
            Some((format!("{} {}", of(&IPV6)?, field.1), field.4))
        }
        (1, true) => Some((format!("tcp option {}", of(&TCP)?), Kind::Boolean)),
        (1, false) => {
            let name = of(&TCP)?;
            let field = TCP_FIELDS.iter().find(|row| (row.0, row.2, row.3) == (option, offset, bits))?;
            Some((format!("tcp option {name} {}", field.1), Kind::Integer))
        }
        (2, true) => Some((format!("ip option {}", of(&IPV4)?), Kind::Boolean)),
        (3, true) => Some((format!("sctp chunk {}", of(&SCTP)?), Kind::Boolean)),
        _ => None,
    }
}

/// Where something of an option or extension header stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The option's or header's number.
    pub option: u8,
    /// `NFT_EXTHDR_OP_*`
    pub op: u32,
    /// Where the field begins, bits.
    pub offset: u32,
    /// How long it is, bits; 8 where only the option's being there is asked.
    pub bits: u32,
    /// What it holds.
    pub kind: Kind,
}

/// The place of a field, or of the option itself, by the names that nft's JSON has for them.
pub fn place(family: &str, option: &str, field: Option<&str>) -> Option<Place> {
    let of = |names: &[(u8, &'static str)]| names.iter().find(|row| row.1 == option).map(|row| row.0);
    let (op, option) = match family {
        "exthdr" => (0, of(&IPV6)?),
        "tcp option" => (1, of(&TCP)?),
        "ip option" => (2, of(&IPV4)?),
        "sctp chunk" => (3, of(&SCTP)?),
        _ => return None,
    };
    let Some(field) = field else {
        return Some(Place { option, op, offset: 0, bits: 8, kind: Kind::Boolean });
    };
    let (offset, bits, kind) = match op {
        0 => {
            let row = IPV6_FIELDS.iter().find(|row| (row.0, row.1) == (option, field))?;
            (row.2, row.3, row.4)
        }
        1 => {
            let row = TCP_FIELDS.iter().find(|row| (row.0, row.1) == (option, field))?;
            (row.2, row.3, Kind::Integer)
        }
        _ => return None,
    };
    Some(Place { option, op, offset, bits, kind })
}
