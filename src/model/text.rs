//! Byte strings from the kernel: those that are nearly always UTF-8 (link names, file names), and raw ones.
//!
//! Must not import anything from the crate.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Bytes that are nearly always text.
///
/// In JSON a plain string when the bytes are UTF-8, else `{"text": "v\\xff", "hex": "76ff"}`: the
/// readable form with `\xNN` for each byte that is no UTF-8, and the raw bytes beside it.
/// `Display` writes the readable form; it does *not* escape control characters (rendering does).
///
/// Copies share the bytes: a node of 10,000 services names 40,000 chains, each in several places.
#[derive(Debug, Clone)]
pub struct ByteText(Held);

/// Where the bytes are.
#[derive(Debug, Clone)]
enum Held {
    /// In the program.
    Fixed(&'static [u8]),
    Shared(Arc<[u8]>),
}

impl ByteText {
    /// Takes the bytes as they are.
    pub fn new(bytes: impl AsRef<[u8]>) -> Self {
        Self(Held::Shared(bytes.as_ref().into()))
    }

    /// A name that the program knows: it is nowhere copied.
    pub const fn fixed(text: &'static str) -> Self {
        Self(Held::Fixed(text.as_bytes()))
    }

    /// The raw bytes.
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Held::Fixed(bytes) => bytes,
            Held::Shared(bytes) => bytes,
        }
    }

    /// Whether somebody who typed `typed` means this: the bytes themselves, or the readable form
    /// that `Display` writes where they are no UTF-8.
    pub fn is_called(&self, typed: &Self) -> bool {
        // The readable form of plain text is that text: only what is no UTF-8 has two.
        self == typed || (self.as_str().is_none() && self.to_string().as_bytes() == typed.as_bytes())
    }

    /// The text, when the bytes are UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(self.as_bytes()).ok()
    }
}

impl Default for ByteText {
    fn default() -> Self {
        Self::fixed("")
    }
}

impl PartialEq for ByteText {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for ByteText {}

impl PartialOrd for ByteText {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ByteText {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl Hash for ByteText {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl fmt::Display for ByteText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut readable = String::with_capacity(self.as_bytes().len());
        for chunk in self.as_bytes().utf8_chunks() {
            readable.push_str(chunk.valid());
            for byte in chunk.invalid() {
                use fmt::Write as _;
                let _ = write!(readable, "\\x{byte:02x}");
            }
        }
        f.pad(&readable)
    }
}

impl From<&str> for ByteText {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<&[u8]> for ByteText {
    fn from(bytes: &[u8]) -> Self {
        Self::new(bytes)
    }
}

impl From<String> for ByteText {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl PartialEq<str> for ByteText {
    fn eq(&self, other: &str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl PartialEq<&str> for ByteText {
    fn eq(&self, other: &&str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

/// Lower-case hex digits of some bytes.
pub fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The bytes that `text` spells in hex digits; `None` when it is not hex.
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    digits
        .chunks(2)
        .map(|pair| {
            let text = std::str::from_utf8(pair).ok()?;
            u8::from_str_radix(text, 16).ok()
        })
        .collect()
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
enum Wire {
    Plain(String),
    Raw { text: String, hex: String },
}

impl Serialize for ByteText {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.as_str() {
            Some(text) => serializer.serialize_str(text),
            None => Wire::Raw { text: self.to_string(), hex: hex(self.as_bytes()) }.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for ByteText {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Wire::deserialize(deserializer)? {
            Wire::Plain(text) => Ok(Self::from(text)),
            Wire::Raw { hex, .. } => {
                unhex(&hex).map(Self::new).ok_or_else(|| serde::de::Error::custom(format!("{hex:?} is not hex")))
            }
        }
    }
}

impl JsonSchema for ByteText {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ByteText".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        Wire::json_schema(generator)
    }
}

/// Raw bytes, hex digits in JSON. Source: whatever the kernel gave that is no text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Bytes(pub Vec<u8>);

impl Bytes {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<&[u8]> for Bytes {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}

impl Serialize for Bytes {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex(&self.0))
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let digits = String::deserialize(deserializer)?;
        unhex(&digits).map(Self).ok_or_else(|| serde::de::Error::custom("an odd number of hex digits, or none of them"))
    }
}

impl JsonSchema for Bytes {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Bytes".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        String::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_utf8_keep_their_hex_beside_the_text() {
        let name = ByteText::new(b"v\xff\x1b[31m");
        let json = serde_json::to_string(&name).unwrap();
        assert_eq!(json, r#"{"text":"v\\xff\u001b[31m","hex":"76ff1b5b33316d"}"#);
        assert_eq!(serde_json::from_str::<ByteText>(&json).unwrap(), name);
    }

    #[test]
    fn a_name_that_is_no_utf8_can_be_typed_as_it_is_and_as_it_is_shown() {
        let name = ByteText::new(b"v\xff");
        assert!(name.is_called(&name));
        assert!(name.is_called(&r"v\xff".into()));
        assert!(!name.is_called(&"v".into()));
        assert!(!ByteText::from("vx").is_called(&r"v\x78".into()));
    }

    #[test]
    fn plain_text_is_a_plain_string() {
        assert_eq!(serde_json::to_string(&ByteText::from("eth0")).unwrap(), r#""eth0""#);
    }
}
