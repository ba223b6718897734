//! Counters that rules name, in the namespace: rules that name one cannot be loaded before it is there.
//!
//! May import wire and sys.

use std::fs::File;
use std::io;

use crate::sys::netlink::{NETFILTER, NetlinkError, NetlinkSocket};
use crate::sys::netns::NsThread;
use crate::wire::netlink::request::Request;

/// `NFNL_SUBSYS_ACCT << 8 | NFNL_MSG_ACCT_NEW`
const NEW: u16 = 7 << 8;
/// `NLM_F_REQUEST | NLM_F_ACK | NLM_F_EXCL | NLM_F_CREATE`
const FLAGS: u16 = 0x01 | 0x04 | 0x200 | 0x400;
/// `NFACCT_NAME`, a string with its zero byte.
const NAME: u16 = 1;

/// Makes the counters that are not there yet.
pub fn make(thread: &NsThread, netns: &File, names: &[&str]) -> io::Result<()> {
    let mut socket = thread.within(netns, || NetlinkSocket::open(NETFILTER))?;
    for name in names {
        // `struct nfgenmsg`: any family, version 0, no resource.
        let request = Request::with_flags(NEW, FLAGS, &[0; 4]).attr(NAME, format!("{name}\0").as_bytes());
        match socket.ask(&request) {
            Err(NetlinkError::Refused(refusal)) if refusal.errno == libc::EEXIST || refusal.errno == libc::EBUSY => {}
            Err(error) => return Err(io::Error::other(error)),
            Ok(_) => {}
        }
    }
    Ok(())
}
