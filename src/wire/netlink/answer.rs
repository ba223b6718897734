//! What the kernel says besides data: a refusal, or the end of a dump.
//!
//! Must not import anything from the crate but its sibling files.

use thiserror::Error;

use super::attr::attrs;
use super::frame::{FLAG_ACK_TLVS, FLAG_CAPPED, HEADER_LENGTH, Message};

const NLMSGERR_ATTR_MSG: u16 = 1;
const NLMSGERR_ATTR_OFFS: u16 = 2;

/// The kernel's refusal of a request, or of the rest of a dump.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{}{}", std::io::Error::from_raw_os_error(*errno), message.as_deref().map(|text| format!(" ({text})")).unwrap_or_default())]
pub struct Refusal {
    /// The error number, positive; 0 is an acknowledgement.
    pub errno: i32,
    /// The kernel's own words. `NLMSGERR_ATTR_MSG`.
    pub message: Option<String>,
    /// The offset in the request of the attribute it complains of. `NLMSGERR_ATTR_OFFS`.
    pub offset: Option<u32>,
}

/// Reads an `NLMSG_ERROR` message; `None` when it is too short to be one.
pub fn refusal(message: &Message<'_>) -> Option<Refusal> {
    let (errno, rest) = message.payload.split_first_chunk::<4>()?;
    let (echoed, _) = rest.split_first_chunk::<4>()?;
    // The request follows: its header alone when the message is capped or an acknowledgement.
    let errno = i32::from_ne_bytes(*errno);
    let echoed = usize::try_from(u32::from_ne_bytes(*echoed)).ok()?;
    let skip = if message.flags & FLAG_CAPPED == 0 && errno != 0 { echoed } else { HEADER_LENGTH };
    let tail = rest.get(skip.checked_next_multiple_of(4)?..).unwrap_or_default();
    Some(with_tail(errno, message, tail))
}

/// Reads an `NLMSG_DONE` message: how the dump ended. Without a status it ended well.
pub fn done(message: &Message<'_>) -> Refusal {
    match message.payload.split_first_chunk::<4>() {
        Some((errno, tail)) => with_tail(i32::from_ne_bytes(*errno), message, tail),
        None => with_tail(0, message, &[]),
    }
}

fn with_tail(errno: i32, message: &Message<'_>, tail: &[u8]) -> Refusal {
    let mut refusal = Refusal { errno: errno.checked_neg().unwrap_or(i32::MAX).max(0), message: None, offset: None };
    if message.flags & FLAG_ACK_TLVS != 0 {
        for attr in attrs(tail).flatten() {
            match attr.kind {
                NLMSGERR_ATTR_MSG => refusal.message = Some(String::from_utf8_lossy(attr.text()).into_owned()),
                NLMSGERR_ATTR_OFFS => refusal.offset = attr.u32().ok(),
                _ => {}
            }
        }
    }
    refusal
}
