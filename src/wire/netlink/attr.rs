//! Attributes in a message (`struct nlattr`), in any depth.
//!
//! Own code rather than `netlink-packet-core`'s iterator, whose values borrow from the iterator's
//! items and which tells neither the offset of a broken attribute nor what is left. Must not
//! import anything from the crate.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use thiserror::Error;

const FLAG_NESTED: u16 = 0x8000;
const FLAG_NETWORK_ORDER: u16 = 0x4000;

/// An attribute as it is sent: header, payload, and zeros up to the next four bytes. `kind` with its flag bits.
pub fn attribute(kind: u16, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len() + 4).unwrap_or(u16::MAX);
    let mut bytes = [&length.to_ne_bytes()[..], &kind.to_ne_bytes(), payload].concat();
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// One attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attr<'a> {
    /// Its number, without the flag bits.
    pub kind: u16,
    /// Its payload.
    pub payload: &'a [u8],
    /// Header and payload as they came.
    pub raw: &'a [u8],
}

/// An attribute that is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AttrError {
    /// The header's length is shorter than the header or longer than what is left.
    #[error("an attribute at byte {at} does not fit into the {left} bytes left")]
    Frame {
        /// Where among its siblings.
        at: usize,
        /// How many bytes are left there.
        left: usize,
    },
    /// Its payload has another length than its type.
    #[error("attribute {kind} has {length} bytes, {wanted} wanted")]
    Length {
        /// The attribute's number.
        kind: u16,
        /// The payload's length.
        length: usize,
        /// What it should be.
        wanted: &'static str,
    },
    /// Its value has no meaning.
    #[error("attribute {kind}: {detail}")]
    Value {
        /// The attribute's number.
        kind: u16,
        /// What is wrong with it.
        detail: String,
    },
    /// The message is shorter than its fixed part.
    #[error("a message of {length} bytes, its fixed part has {wanted}")]
    Fixed {
        /// The message's length.
        length: usize,
        /// The fixed part's.
        wanted: usize,
    },
    /// An attribute without which the object means nothing is missing.
    #[error("no {name}")]
    Missing {
        /// The attribute's name.
        name: &'static str,
    },
}

/// The attributes of a message or of a nest; after an error there are no more.
#[derive(Debug, Clone)]
pub struct Attrs<'a> {
    left: &'a [u8],
    at: usize,
}

/// Walks over attributes.
pub fn attrs(bytes: &[u8]) -> Attrs<'_> {
    Attrs { left: bytes, at: 0 }
}

impl<'a> Iterator for Attrs<'a> {
    type Item = Result<Attr<'a>, AttrError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left.is_empty() {
            return None;
        }
        let Some((attr, used)) = cut(self.left) else {
            let error = AttrError::Frame { at: self.at, left: self.left.len() };
            self.left = &[];
            return Some(Err(error));
        };
        self.left = self.left.get(used..).unwrap_or_default();
        self.at += used;
        Some(Ok(attr))
    }
}

fn cut(left: &[u8]) -> Option<(Attr<'_>, usize)> {
    let (length, rest) = left.split_first_chunk::<2>()?;
    let (kind, _) = rest.split_first_chunk::<2>()?;
    let length = usize::from(u16::from_ne_bytes(*length));
    let payload = left.get(4..length)?;
    let raw = left.get(..length)?;
    let kind = u16::from_ne_bytes(*kind) & !(FLAG_NESTED | FLAG_NETWORK_ORDER);
    Some((Attr { kind, payload, raw }, length.next_multiple_of(4)))
}

impl<'a> Attr<'a> {
    fn array<const N: usize>(&self, wanted: &'static str) -> Result<[u8; N], AttrError> {
        self.payload.try_into().map_err(|_| AttrError::Length { kind: self.kind, length: self.payload.len(), wanted })
    }

    /// One byte.
    pub fn u8(&self) -> Result<u8, AttrError> {
        self.array::<1>("1").map(u8::from_ne_bytes)
    }

    /// Two bytes in the machine's order.
    pub fn u16(&self) -> Result<u16, AttrError> {
        self.array("2").map(u16::from_ne_bytes)
    }

    /// Two bytes in network order.
    pub fn be16(&self) -> Result<u16, AttrError> {
        self.array("2").map(u16::from_be_bytes)
    }

    /// Four bytes in the machine's order.
    pub fn u32(&self) -> Result<u32, AttrError> {
        self.array("4").map(u32::from_ne_bytes)
    }

    /// Four bytes in network order.
    pub fn be32(&self) -> Result<u32, AttrError> {
        self.array("4").map(u32::from_be_bytes)
    }

    /// Four signed bytes in the machine's order.
    pub fn i32(&self) -> Result<i32, AttrError> {
        self.array("4").map(i32::from_ne_bytes)
    }

    /// Eight bytes in the machine's order.
    pub fn u64(&self) -> Result<u64, AttrError> {
        self.array("8").map(u64::from_ne_bytes)
    }

    /// Eight bytes in network order.
    pub fn be64(&self) -> Result<u64, AttrError> {
        self.array("8").map(u64::from_be_bytes)
    }

    /// Four or sixteen bytes as an address.
    pub fn address(&self) -> Result<IpAddr, AttrError> {
        address(self.payload).ok_or(AttrError::Length {
            kind: self.kind,
            length: self.payload.len(),
            wanted: "4 or 16",
        })
    }

    /// The bytes up to the first NUL.
    pub fn text(&self) -> &'a [u8] {
        self.payload.split(|byte| *byte == 0).next().unwrap_or_default()
    }

    /// The attributes within.
    pub fn nested(&self) -> Attrs<'a> {
        attrs(self.payload)
    }
}

/// Four or sixteen bytes as an address.
pub fn address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return Some(IpAddr::V4(Ipv4Addr::from(four)));
    }
    <[u8; 16]>::try_from(bytes).ok().map(|sixteen| IpAddr::V6(Ipv6Addr::from(sixteen)))
}
