//! A netlink socket that listens: joined to groups, with a filter in the kernel, and honest about what was lost.
//!
//! May import wire's message framing and nothing else of the crate. It knows no protocol above netlink.

use std::io;
use std::mem::{self, MaybeUninit};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Duration;

use netlink_sys::Socket;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::sockopt::{RcvBuf, RcvBufForce};
use nix::sys::socket::{getsockopt, setsockopt};

use crate::wire::netlink::program::Instruction;

/// How many messages one system call may hand over.
const BATCH: usize = 64;
/// How long a message may be. An event of ctnetlink has some 300 bytes.
const LONGEST: usize = 8 * 1024;
/// `SK_MEMINFO_DROPS`: where the count of lost messages stands in what `SO_MEMINFO` tells.
const DROPS: usize = 8;

/// A socket that hears what the kernel tells the groups which it joined, in the namespace in which it was opened.
///
/// It never asks the kernel to wait for it (`NETLINK_BROADCAST_ERROR`): a slow watcher must not slow the traffic.
#[derive(Debug)]
pub struct EventSocket {
    socket: Socket,
    buffer: Vec<u8>,
    lost: u32,
}

/// What one reading found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// This many messages; there may be more.
    Some(usize),
    /// Nothing is in the queue.
    Nothing,
    /// The kernel had to drop messages. What the queue still holds is older than what is lost, and the kernel
    /// adds nothing before all of it was read.
    Overrun,
}

impl EventSocket {
    /// Opens a socket in the calling thread's network namespace and joins groups.
    ///
    /// `queue` is how many bytes may wait to be read, as the kernel counts them; without the right to go beyond
    /// `net.core.rmem_max` it may be less.
    pub fn open(protocol: isize, groups: &[u32], queue: usize, filter: Option<&[Instruction]>) -> io::Result<Self> {
        let mut socket = Socket::new(protocol)?;
        socket.set_non_blocking(true)?;
        socket.bind_auto()?;
        // The kernel doubles what it is given.
        let half = queue / 2;
        if setsockopt(&socket, RcvBufForce, &half).is_err() {
            setsockopt(&socket, RcvBuf, &half)?;
        }
        // Before the first group: nothing that was not asked for is ever queued.
        if let Some(program) = filter {
            attach(socket.as_fd(), program)?;
        }
        for group in groups {
            socket.add_membership(*group)?;
        }
        Ok(Self { socket, buffer: vec![0; BATCH * LONGEST], lost: 0 })
    }

    /// How many bytes may wait to be read.
    pub fn queue(&self) -> io::Result<usize> {
        getsockopt(&self.socket, RcvBuf).map_err(io::Error::from)
    }

    /// Reads what is there, without waiting; each datagram is handed to `each`, in order.
    ///
    /// A datagram that did not fit counts as lost. What did not come from the kernel is left out.
    pub fn read(&mut self, each: &mut dyn FnMut(&[u8])) -> io::Result<Heard> {
        let headers = match receive(self.socket.as_fd(), &mut self.buffer) {
            Ok(headers) => headers,
            Err(error) => {
                return match error.raw_os_error() {
                    Some(libc::EAGAIN | libc::EINTR) => Ok(Heard::Nothing),
                    Some(libc::ENOBUFS) => Ok(Heard::Overrun),
                    _ => Err(error),
                };
            }
        };
        let mut cut = false;
        for (received, datagram) in headers.iter().zip(self.buffer.chunks(LONGEST)) {
            if received.sender != 0 {
                continue;
            }
            if received.cut {
                cut = true;
                self.lost = self.lost.wrapping_add(1);
            } else if let Some(datagram) = datagram.get(..received.length) {
                each(datagram);
            }
        }
        Ok(if cut { Heard::Overrun } else { Heard::Some(headers.len()) })
    }

    /// How many messages were lost since the socket was opened; `None` where the kernel (before 4.12) does not say.
    /// The number wraps around.
    #[allow(unsafe_code)]
    pub fn lost(&self) -> Option<u32> {
        let mut told = [0u32; DROPS + 1];
        let mut length = libc::socklen_t::try_from(size_of_val(&told)).ok()?;
        // SAFETY: `told` and `length` are valid for writes of the sizes that are named.
        let status = unsafe {
            libc::getsockopt(
                self.socket.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_MEMINFO,
                told.as_mut_ptr().cast(),
                &raw mut length,
            )
        };
        (status == 0).then(|| told[DROPS].wrapping_add(self.lost))
    }
}

impl AsFd for EventSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Why [`wait`] came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Woken {
    /// One of the sockets has something to tell.
    pub events: bool,
    /// `stop` can be read.
    pub stop: bool,
    /// Nobody reads what is written to `output` any more.
    pub closed: bool,
}

/// Waits until a socket has something, `stop` can be read, the other end of `output` is closed, or the time is over.
pub fn wait(
    sockets: &[BorrowedFd<'_>],
    stop: Option<BorrowedFd<'_>>,
    output: Option<BorrowedFd<'_>>,
    time: Duration,
) -> io::Result<Woken> {
    let wanted = sockets.iter().map(|socket| (*socket, PollFlags::POLLIN));
    let wanted = wanted.chain(stop.map(|fd| (fd, PollFlags::POLLIN)));
    // Of these poll tells errors and hang-ups, whatever is asked for.
    let wanted = wanted.chain(output.map(|fd| (fd, PollFlags::empty())));
    let mut fds: Vec<PollFd<'_>> = wanted.map(|(fd, flags)| PollFd::new(fd, flags)).collect();
    // Rounded up, so that a wait of less than a millisecond does not become a busy loop.
    let millis = i32::try_from(time.as_micros().div_ceil(1000)).unwrap_or(i32::MAX);
    match poll(&mut fds, PollTimeout::try_from(millis).unwrap_or(PollTimeout::MAX)) {
        Ok(_) | Err(nix::errno::Errno::EINTR) => {}
        Err(error) => return Err(error.into()),
    }
    let told = |fd: &PollFd<'_>| fd.revents().is_some_and(|flags| !flags.is_empty());
    let (events, rest) = fds.split_at(sockets.len());
    let (stops, outputs) = rest.split_at(usize::from(stop.is_some()));
    Ok(Woken { events: events.iter().any(told), stop: stops.iter().any(told), closed: outputs.iter().any(told) })
}

/// Lets the kernel queue only what a program takes.
#[allow(unsafe_code)]
pub(super) fn attach(socket: BorrowedFd<'_>, program: &[Instruction]) -> io::Result<()> {
    let mut instructions: Vec<libc::sock_filter> = program
        .iter()
        .map(|one| libc::sock_filter { code: one.code, jt: one.yes, jf: one.no, k: one.operand })
        .collect();
    let length = u16::try_from(instructions.len()).map_err(io::Error::other)?;
    let program = libc::sock_fprog { len: length, filter: instructions.as_mut_ptr() };
    let size = libc::socklen_t::try_from(size_of_val(&program)).map_err(io::Error::other)?;
    // SAFETY: the kernel copies `length` instructions from where `program` points, which live until it returns.
    let status = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_FILTER,
            (&raw const program).cast(),
            size,
        )
    };
    if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// One datagram that was read.
struct Received {
    length: usize,
    /// `nl_pid`: 0 is the kernel.
    sender: u32,
    cut: bool,
}

/// Reads up to [`BATCH`] datagrams in one call, each into its own [`LONGEST`] bytes of the buffer.
#[allow(unsafe_code)]
fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<Vec<Received>> {
    let mut senders = [const { MaybeUninit::<libc::sockaddr_nl>::zeroed() }; BATCH];
    let mut parts: Vec<libc::iovec> = buffer
        .chunks_mut(LONGEST)
        .map(|chunk| libc::iovec { iov_base: chunk.as_mut_ptr().cast(), iov_len: chunk.len() })
        .collect();
    let mut headers: Vec<libc::mmsghdr> = parts
        .iter_mut()
        .zip(&mut senders)
        .map(|(part, sender)| {
            // SAFETY: all zeroes is a valid header: null pointers with lengths of zero.
            let mut header: libc::mmsghdr = unsafe { mem::zeroed() };
            header.msg_hdr.msg_name = sender.as_mut_ptr().cast();
            header.msg_hdr.msg_namelen = u32::try_from(size_of::<libc::sockaddr_nl>()).unwrap_or_default();
            header.msg_hdr.msg_iov = part;
            header.msg_hdr.msg_iovlen = 1;
            header
        })
        .collect();
    let count = libc::c_uint::try_from(headers.len()).map_err(io::Error::other)?;
    // SAFETY: each header points to one address and one part of the buffer, of the lengths that it names; all of
    // them outlive the call, and nothing else refers to them meanwhile.
    let read = unsafe {
        libc::recvmmsg(socket.as_raw_fd(), headers.as_mut_ptr(), count, libc::MSG_DONTWAIT, std::ptr::null_mut())
    };
    let read = usize::try_from(read).map_err(|_| io::Error::last_os_error())?;
    let received = headers.iter().zip(&senders).take(read).map(|(header, sender)| {
        // SAFETY: it began as zeroes, which are a valid address, and the kernel wrote one over them.
        let sender = unsafe { sender.assume_init_ref() }.nl_pid;
        let cut = header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0;
        Received { length: usize::try_from(header.msg_len).unwrap_or_default(), sender, cut }
    });
    Ok(received.collect())
}
