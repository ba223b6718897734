//! Several requests that take effect together or not at all.
//!
//! May import wire's message framing and nothing else of the crate.

use std::io;

use super::{NetlinkError, NetlinkSocket};
use crate::wire::netlink::answer;
use crate::wire::netlink::frame::{self, FrameError};
use crate::wire::netlink::request::Request;

impl NetlinkSocket {
    /// Sends several requests in one datagram and waits for the acknowledgement of each that wants one; the first
    /// refusal is the answer.
    pub fn batch(&mut self, requests: &[Request]) -> Result<(), NetlinkError> {
        let mut bytes = Vec::new();
        let mut waiting = Vec::new();
        for request in requests {
            self.sequence = self.sequence.checked_add(1).unwrap_or(1);
            bytes.extend(request.bytes(self.sequence, self.port));
            if request.wants_acknowledgement() {
                waiting.push(self.sequence);
            }
        }
        let io = |source| NetlinkError::Io { operation: "sending a netlink request", source };
        if self.socket.send(&bytes, 0).map_err(io)? != bytes.len() {
            return Err(io(io::Error::new(io::ErrorKind::WriteZero, "the request was sent in part")));
        }
        while !waiting.is_empty() {
            let Some(length) = self.receive()? else { continue };
            for message in frame::messages(self.buffer.get(..length).unwrap_or_default()) {
                let message = message?;
                if message.port != self.port || message.kind != frame::ERROR {
                    continue;
                }
                match answer::refusal(&message) {
                    Some(refusal) if refusal.errno == 0 => waiting.retain(|wanted| *wanted != message.sequence),
                    Some(refusal) => return Err(NetlinkError::Refused(refusal)),
                    None => return Err(FrameError::Header { at: 0, left: message.payload.len() }.into()),
                }
            }
        }
        Ok(())
    }
}
