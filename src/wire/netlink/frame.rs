//! Messages in a datagram (`struct nlmsghdr`).
//!
//! Must not import anything from the crate.

use thiserror::Error;

/// Length of `struct nlmsghdr`.
pub const HEADER_LENGTH: usize = 16;

/// `NLMSG_NOOP`: to be skipped.
pub const NOOP: u16 = 1;
/// `NLMSG_ERROR`: a refusal, or with errno 0 an acknowledgement.
pub const ERROR: u16 = 2;
/// `NLMSG_DONE`: the end of a dump.
pub const DONE: u16 = 3;
/// `NLMSG_OVERRUN`: data was lost.
pub const OVERRUN: u16 = 4;

/// `NLM_F_REQUEST`
pub const FLAG_REQUEST: u16 = 0x01;
/// `NLM_F_MULTI`: part of a dump, which `DONE` ends.
pub const FLAG_MULTI: u16 = 0x02;
/// `NLM_F_ACK`
pub const FLAG_ACK: u16 = 0x04;
/// `NLM_F_DUMP_INTR`: what is dumped changed meanwhile.
pub const FLAG_DUMP_INTERRUPTED: u16 = 0x10;
/// `NLM_F_DUMP`
pub const FLAG_DUMP: u16 = 0x300;
/// `NLM_F_CAPPED`: an error message holds only the header of the request.
pub const FLAG_CAPPED: u16 = 0x100;
/// `NLM_F_ACK_TLVS`: an error or done message ends in extended-ack attributes.
pub const FLAG_ACK_TLVS: u16 = 0x200;

/// One message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    /// `nlmsg_type`.
    pub kind: u16,
    /// `nlmsg_flags`.
    pub flags: u16,
    /// `nlmsg_seq`: that of the request it answers; 0 for notifications.
    pub sequence: u32,
    /// `nlmsg_pid`: the port of the socket it answers.
    pub port: u32,
    /// What follows the header.
    pub payload: &'a [u8],
}

/// A datagram that is no row of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum FrameError {
    /// Fewer bytes than a header.
    #[error("at byte {at}: {left} bytes left, a message header has 16")]
    Header {
        /// Where in the datagram.
        at: usize,
        /// How many bytes are left there.
        left: usize,
    },
    /// The header's length is shorter than the header or longer than what is left.
    #[error("at byte {at}: a message says that it has {length} bytes, {left} are left")]
    Length {
        /// Where in the datagram.
        at: usize,
        /// `nlmsg_len`.
        length: usize,
        /// How many bytes are left there.
        left: usize,
    },
}

/// The messages of a datagram; after an error there are no more.
#[derive(Debug, Clone)]
pub struct Messages<'a> {
    left: &'a [u8],
    at: usize,
}

/// Walks over the messages of a datagram.
pub fn messages(datagram: &[u8]) -> Messages<'_> {
    Messages { left: datagram, at: 0 }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Result<Message<'a>, FrameError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left.is_empty() {
            return None;
        }
        let step = cut(self.left, self.at);
        match step {
            Ok((message, used)) => {
                self.left = self.left.get(used..).unwrap_or_default();
                self.at += used;
                Some(Ok(message))
            }
            Err(error) => {
                self.left = &[];
                Some(Err(error))
            }
        }
    }
}

fn cut(left: &[u8], at: usize) -> Result<(Message<'_>, usize), FrameError> {
    let short = FrameError::Header { at, left: left.len() };
    let (length, rest) = left.split_first_chunk::<4>().ok_or(short)?;
    let (kind, rest) = rest.split_first_chunk::<2>().ok_or(short)?;
    let (flags, rest) = rest.split_first_chunk::<2>().ok_or(short)?;
    let (sequence, rest) = rest.split_first_chunk::<4>().ok_or(short)?;
    let (port, rest) = rest.split_first_chunk::<4>().ok_or(short)?;
    let length = usize::try_from(u32::from_ne_bytes(*length)).unwrap_or(usize::MAX);
    let payload = length
        .checked_sub(HEADER_LENGTH)
        .and_then(|wanted| rest.get(..wanted))
        .ok_or(FrameError::Length { at, length, left: left.len() })?;
    let message = Message {
        kind: u16::from_ne_bytes(*kind),
        flags: u16::from_ne_bytes(*flags),
        sequence: u32::from_ne_bytes(*sequence),
        port: u32::from_ne_bytes(*port),
        payload,
    };
    Ok((message, length.next_multiple_of(4).min(left.len())))
}
