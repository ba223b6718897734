//! The number one namespace uses for another (`RTM_NEWNSID`).
//!
//! Must not import anything from the crate but model and sibling wire files.

use crate::model::ids::Nsid;
use crate::wire::netlink::attr::{AttrError, attrs};
use crate::wire::netlink::request::Request;

use super::{GETNSID, Known, fill, fixed, walk};

const NETNSA_NSID: u16 = 1;
const NETNSA_FD: u16 = 3;

/// `NETNSA_NSID_NOT_ASSIGNED`
const NOT_ASSIGNED: i32 = -1;

/// Asks which number the socket's namespace uses for the one that `fd` is open on.
pub fn query(fd: i32) -> Request {
    Request::get(GETNSID, &[0]).attr(NETNSA_FD, &fd.to_ne_bytes())
}

/// Reads the answer; `None` when it has no number yet.
pub fn nsid(message: &[u8], errors: &mut Vec<AttrError>) -> Option<Nsid> {
    // `struct rtgenmsg` is one byte, padded.
    let (_, rest) = fixed::<4>(message, errors)?;
    let mut found = None;
    walk(attrs(rest), errors, |attr, errors| {
        if attr.kind == NETNSA_NSID {
            fill(&mut found, attr.i32(), errors);
        }
        Known::Yes
    });
    found.filter(|number| *number != NOT_ASSIGNED).map(Nsid)
}
