//! Building a request.
//!
//! Must not import anything from the crate but its sibling files.

use super::frame::{FLAG_ACK, FLAG_DUMP, FLAG_REQUEST, HEADER_LENGTH};

/// A request without its sequence number and port, which the socket fills in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    kind: u16,
    flags: u16,
    body: Vec<u8>,
}

impl Request {
    /// Asks for one thing. `fixed` is the protocol's fixed part, padded here to four bytes.
    pub fn get(kind: u16, fixed: &[u8]) -> Self {
        Self::with_flags(kind, FLAG_REQUEST, fixed)
    }

    /// Asks for all.
    pub fn dump(kind: u16, fixed: &[u8]) -> Self {
        Self::with_flags(kind, FLAG_REQUEST | FLAG_DUMP, fixed)
    }

    /// With flags of the caller's choice (`NLM_F_REQUEST` included).
    pub fn with_flags(kind: u16, flags: u16, fixed: &[u8]) -> Self {
        let mut body = fixed.to_vec();
        pad(&mut body);
        Self { kind, flags, body }
    }

    /// Adds an attribute. A payload over 65,531 bytes does not fit into one, and is left out.
    #[must_use]
    pub fn attr(mut self, kind: u16, payload: &[u8]) -> Self {
        if let Ok(length) = u16::try_from(payload.len() + 4) {
            self.body.extend_from_slice(&length.to_ne_bytes());
            self.body.extend_from_slice(&kind.to_ne_bytes());
            self.body.extend_from_slice(payload);
            pad(&mut self.body);
        }
        self
    }

    /// Whether a dump is asked for.
    pub fn is_dump(&self) -> bool {
        self.flags & FLAG_DUMP == FLAG_DUMP
    }

    /// Whether an acknowledgement is asked for.
    pub fn wants_acknowledgement(&self) -> bool {
        self.flags & FLAG_ACK != 0
    }

    /// The message as it is sent.
    pub fn bytes(&self, sequence: u32, port: u32) -> Vec<u8> {
        let length = u32::try_from(HEADER_LENGTH + self.body.len()).unwrap_or(u32::MAX);
        let mut message = Vec::with_capacity(HEADER_LENGTH + self.body.len());
        message.extend_from_slice(&length.to_ne_bytes());
        message.extend_from_slice(&self.kind.to_ne_bytes());
        message.extend_from_slice(&self.flags.to_ne_bytes());
        message.extend_from_slice(&sequence.to_ne_bytes());
        message.extend_from_slice(&port.to_ne_bytes());
        message.extend_from_slice(&self.body);
        message
    }
}

fn pad(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}
