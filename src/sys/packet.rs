//! A packet socket: sees the frames of all links of a namespace, as far as its filter takes them.
//!
//! May import wire's message framing and nothing else of the crate.

use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::sockopt::{RcvBuf, RcvBufForce, ReceiveTimestampns};
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, LinkAddr, MsgFlags, SockFlag, SockType, recvmsg, setsockopt, socket,
};

use super::events::attach;
use crate::wire::netlink::program::Instruction;

/// How much of a packet is read.
const LONGEST: usize = 512;
/// How many bytes of frames may wait in the kernel.
const QUEUE: usize = 8 * 1024 * 1024;
/// `ETH_P_ALL` in network order.
const ALL: u16 = 0x0003_u16.to_be();

/// A socket that sees what all links of the namespace carry in which it was opened.
#[derive(Debug)]
pub struct PacketSocket {
    fd: OwnedFd,
}

/// A frame that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Captured {
    /// The link.
    pub ifindex: u32,
    /// Whether it leaves by the link.
    pub out: bool,
    /// When, since 1970.
    pub at: Duration,
    /// The packet from its network header on.
    pub bytes: Vec<u8>,
}

impl PacketSocket {
    /// Opens a socket in the calling thread's network namespace. No frame that the filter does not take is queued:
    /// it is there before the socket sees the first.
    pub fn open(filter: &[Instruction]) -> io::Result<Self> {
        // Without a protocol it sees nothing yet.
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let fd = socket(AddressFamily::Packet, SockType::Datagram, flags, None)?;
        attach(fd.as_fd(), filter)?;
        setsockopt(&fd, ReceiveTimestampns, &true)?;
        let half = QUEUE / 2;
        if setsockopt(&fd, RcvBufForce, &half).is_err() {
            setsockopt(&fd, RcvBuf, &half)?;
        }
        bind_to_all(fd.as_fd())?;
        Ok(Self { fd })
    }

    /// The next frame, without waiting.
    pub fn read(&self) -> io::Result<Option<Captured>> {
        let mut buffer = [0u8; LONGEST];
        let mut control = nix::cmsg_space!(nix::sys::time::TimeSpec);
        let mut parts = [IoSliceMut::new(&mut buffer)];
        let flags = MsgFlags::MSG_DONTWAIT;
        let (length, from, at) = match recvmsg::<LinkAddr>(self.fd.as_raw_fd(), &mut parts, Some(&mut control), flags) {
            // Or a link went down.
            Err(Errno::EAGAIN | Errno::EINTR | Errno::ENETDOWN) => return Ok(None),
            Err(error) => return Err(error.into()),
            Ok(message) => {
                let at = message.cmsgs()?.find_map(|one| match one {
                    ControlMessageOwned::ScmTimestampns(at) => Some(Duration::from(at)),
                    _ => None,
                });
                (message.bytes, message.address, at.unwrap_or_default())
            }
        };
        let Some(from) = from else { return Ok(None) };
        let ifindex = u32::try_from(from.ifindex()).map_err(io::Error::other)?;
        let out = from.pkttype() == libc::PACKET_OUTGOING;
        let bytes = buffer.get(..length).unwrap_or(&buffer).to_vec();
        Ok(Some(Captured { ifindex, out, at, bytes }))
    }
}

impl AsFd for PacketSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[allow(unsafe_code)]
fn bind_to_all(fd: BorrowedFd<'_>) -> io::Result<()> {
    let family = u16::try_from(libc::AF_PACKET).map_err(io::Error::other)?;
    let address = libc::sockaddr_ll {
        sll_family: family,
        sll_protocol: ALL,
        sll_ifindex: 0,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    };
    let length = libc::socklen_t::try_from(size_of_val(&address)).map_err(io::Error::other)?;
    // SAFETY: `address` is a whole `sockaddr_ll`, of the length that is named, and lives until the call returns.
    let status = unsafe { libc::bind(fd.as_raw_fd(), (&raw const address).cast(), length) };
    if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
