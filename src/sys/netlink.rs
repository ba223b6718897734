//! A blocking netlink socket: sends a request, checks that each answer is meant for it, hands messages on.
//!
//! May import wire's message framing and nothing else of the crate. It knows no protocol above netlink.

mod ahead;
mod batch;

use std::io;
use std::ops::ControlFlow;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use netlink_sys::{Socket, SocketAddr};
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::ReceiveTimeout;
use nix::sys::time::TimeVal;
use thiserror::Error;

use crate::wire::netlink::answer::{self, Refusal};
use crate::wire::netlink::frame::{self, FLAG_DUMP_INTERRUPTED, FrameError, Message};
use crate::wire::netlink::request::Request;

/// The kernel fills at most 32 KiB of a dump at a time; single messages may be longer.
const BUFFER: usize = 64 * 1024;
/// No message of any protocol read here comes near this.
const BUFFER_LIMIT: usize = 4 * 1024 * 1024;
/// How long the kernel may take for one datagram: it answers while it holds the rtnl lock.
const TIMEOUT: Duration = Duration::from_secs(5);

/// How many datagrams of a dump are read before a thread is worth its while: most dumps have one or two.
const ALONE: usize = 3;

/// `NETLINK_ROUTE`
pub const ROUTE: isize = 0;
/// `NETLINK_SOCK_DIAG`
pub const SOCK_DIAG: isize = 4;
/// `NETLINK_NETFILTER`
pub const NETFILTER: isize = 12;

/// What went wrong with a request, by what can be done about it.
#[derive(Debug, Error)]
pub enum NetlinkError {
    /// It is incomplete or inconsistent, and may succeed when it is asked again.
    #[error("{0}")]
    Disturbed(Disturbance),
    /// The kernel refused.
    #[error("{0}")]
    Refused(Refusal),
    /// No answer in time.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// The kernel's bytes are no messages.
    #[error("{0}")]
    Frame(#[from] FrameError),
    /// The socket failed.
    #[error("{operation}: {source}")]
    Io {
        /// What was tried.
        operation: &'static str,
        /// Why it failed.
        source: io::Error,
    },
}

/// Why a dump is not one whole state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Disturbance {
    /// `NLM_F_DUMP_INTR`: what is dumped changed meanwhile.
    #[error("it changed while it was dumped")]
    Changed,
    /// `ENOBUFS` or `NLMSG_OVERRUN`: the kernel dropped messages.
    #[error("the kernel dropped messages of the dump")]
    Overrun,
    /// A datagram was longer than the buffer, which has grown since.
    #[error("a message was longer than the buffer")]
    Truncated,
    /// The kernel is still busy with an earlier dump on this socket.
    #[error("an earlier dump on this socket has not ended")]
    Busy,
}

/// One answer to a request for one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// `nlmsg_type`.
    pub kind: u16,
    /// What follows the header.
    pub payload: Vec<u8>,
}

/// A socket of the network namespace in which it was opened, wherever it is used.
#[derive(Debug)]
pub struct NetlinkSocket {
    socket: Socket,
    port: u32,
    sequence: u32,
    buffer: Vec<u8>,
    timeout: Duration,
}

/// How far a datagram leads.
enum Walked {
    /// More of the dump follows.
    On,
    /// The dump ends here.
    End,
    /// Who reads it wants no more.
    Broken,
}

impl NetlinkSocket {
    /// Opens a socket of a protocol ([`ROUTE`], [`NETFILTER`], [`SOCK_DIAG`]) in the calling thread's network namespace.
    ///
    /// Strict checking and extended acknowledgements are switched on where the kernel knows them (4.20, 4.12).
    pub fn open(protocol: isize) -> io::Result<Self> {
        let mut socket = Socket::new(protocol)?;
        let port = socket.bind_auto()?.port_number();
        socket.connect(&SocketAddr::new(0, 0))?;
        let _ = socket.set_ext_ack(true);
        let _ = socket.set_netlink_get_strict_chk(true);
        let mut opened = Self { socket, port, sequence: 0, buffer: vec![0; BUFFER], timeout: TIMEOUT };
        opened.set_timeout(TIMEOUT)?;
        Ok(opened)
    }

    /// How long to wait for each datagram.
    pub fn set_timeout(&mut self, timeout: Duration) -> io::Result<()> {
        let seconds = i64::try_from(timeout.as_secs()).map_err(io::Error::other)?;
        let value = TimeVal::new(seconds, i64::from(timeout.subsec_micros()));
        setsockopt(&self.socket, ReceiveTimeout, &value)?;
        self.timeout = timeout;
        Ok(())
    }

    /// Asks for one thing. `None`: the kernel acknowledged without data.
    pub fn ask(&mut self, request: &Request) -> Result<Option<Reply>, NetlinkError> {
        let sequence = self.send(request)?;
        loop {
            let length = self.receive()?;
            let Some(length) = length else { return Err(NetlinkError::Disturbed(Disturbance::Truncated)) };
            for message in frame::messages(self.buffer.get(..length).unwrap_or_default()) {
                let message = message?;
                if message.sequence != sequence || message.port != self.port {
                    continue;
                }
                return match message.kind {
                    frame::NOOP => continue,
                    frame::ERROR => match answer::refusal(&message) {
                        Some(refusal) if refusal.errno == 0 => Ok(None),
                        Some(refusal) => Err(NetlinkError::Refused(refusal)),
                        None => Err(FrameError::Header { at: 0, left: message.payload.len() }.into()),
                    },
                    kind => Ok(Some(Reply { kind, payload: message.payload.to_vec() })),
                };
            }
        }
    }

    /// Asks for all, once: each message of the dump is handed to `each`. Likewise for a request for several things
    /// which wants to be acknowledged (`NLM_F_ACK`): that ends the answer.
    ///
    /// A dump that goes on is read by a thread of its own while `each` is busy with what came before: the kernel
    /// makes each datagram as it is asked for, in time that would be waited for otherwise.
    ///
    /// On [`NetlinkError::Disturbed`] the dump has been read to its end all the same, so that
    /// what `each` saw is the best that this attempt could give.
    pub fn dump(&mut self, request: &Request, each: &mut dyn FnMut(&Message<'_>)) -> Result<(), NetlinkError> {
        let mut all = |message: &Message<'_>| {
            each(message);
            ControlFlow::Continue(())
        };
        self.dump_while(request, &mut all).map(|_| ())
    }

    /// The same until `each` breaks. Then the socket is of no more use: the rest of the dump is still to come.
    pub fn dump_while(
        &mut self,
        request: &Request,
        each: &mut dyn FnMut(&Message<'_>) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, NetlinkError> {
        let sequence = self.send(request)?;
        let mut dump = Dump { sequence, port: self.port, disturbed: None };
        for _ in 0..ALONE {
            let received = self.receive();
            match dump.take(received, &self.buffer, each)? {
                Walked::On => {}
                Walked::End => return dump.outcome(),
                Walked::Broken => return Ok(ControlFlow::Break(())),
            }
        }
        match ahead::read(&self.socket, self.timeout, &mut self.buffer, &mut dump, each)? {
            ControlFlow::Continue(()) => dump.outcome(),
            broken @ ControlFlow::Break(()) => Ok(broken),
        }
    }

    fn send(&mut self, request: &Request) -> Result<u32, NetlinkError> {
        // 0 is what notifications bear.
        self.sequence = self.sequence.checked_add(1).unwrap_or(1);
        let bytes = request.bytes(self.sequence, self.port);
        let sent = self
            .socket
            .send(&bytes, 0)
            .map_err(|source| NetlinkError::Io { operation: "sending a netlink request", source })?;
        if sent == bytes.len() {
            return Ok(self.sequence);
        }
        let source = io::Error::new(io::ErrorKind::WriteZero, "the request was sent in part");
        Err(NetlinkError::Io { operation: "sending a netlink request", source })
    }

    /// Reads one datagram that came from the kernel. `None`: it was longer than the buffer, which has grown.
    fn receive(&mut self) -> Result<Option<usize>, NetlinkError> {
        receive(&self.socket, self.timeout, &mut self.buffer)
    }
}

/// Reads one datagram that came from the kernel. `None`: it was longer than the buffer, which has grown.
fn receive(socket: &Socket, timeout: Duration, buffer: &mut Vec<u8>) -> Result<Option<usize>, NetlinkError> {
    loop {
        let mut space: &mut [u8] = buffer;
        match socket.recv_from(&mut space, libc::MSG_TRUNC) {
            Ok((_, sender)) if sender.port_number() != 0 => {}
            Ok((length, _)) if length > buffer.len() => {
                buffer.resize(length.next_multiple_of(BUFFER).min(BUFFER_LIMIT), 0);
                return Ok(None);
            }
            Ok((length, _)) => return Ok(Some(length)),
            Err(error) => match error.raw_os_error() {
                Some(libc::EINTR) => {}
                Some(libc::EAGAIN) => return Err(NetlinkError::Timeout(timeout)),
                Some(libc::ENOBUFS) => return Err(NetlinkError::Disturbed(Disturbance::Overrun)),
                _ => return Err(NetlinkError::Io { operation: "reading a netlink answer", source: error }),
            },
        }
    }
}

/// A dump that is being read.
#[derive(Debug)]
struct Dump {
    /// What its messages bear.
    sequence: u32,
    port: u32,
    disturbed: Option<Disturbance>,
}

impl Dump {
    /// Takes what came of one reading.
    fn take(
        &mut self,
        received: Result<Option<usize>, NetlinkError>,
        buffer: &[u8],
        each: &mut dyn FnMut(&Message<'_>) -> ControlFlow<()>,
    ) -> Result<Walked, NetlinkError> {
        match received {
            Ok(Some(length)) => self.walk(buffer.get(..length).unwrap_or_default(), each),
            Ok(None) => {
                self.disturbed = Some(Disturbance::Truncated);
                Ok(Walked::On)
            }
            Err(NetlinkError::Disturbed(why)) => {
                self.disturbed = Some(why);
                Ok(Walked::On)
            }
            // After lost messages the end may be lost too: then the loss is what to tell.
            Err(NetlinkError::Timeout(_)) if self.disturbed.is_some() => Ok(Walked::End),
            Err(other) => Err(other),
        }
    }

    /// Whether a message is of this dump.
    fn has(&self, message: &Message<'_>) -> bool {
        message.sequence == self.sequence && message.port == self.port
    }

    /// Hands one datagram's messages on.
    fn walk(
        &mut self,
        datagram: &[u8],
        each: &mut dyn FnMut(&Message<'_>) -> ControlFlow<()>,
    ) -> Result<Walked, NetlinkError> {
        for message in frame::messages(datagram) {
            let message = message?;
            if !self.has(&message) {
                continue;
            }
            if message.flags & FLAG_DUMP_INTERRUPTED != 0 {
                self.disturbed.get_or_insert(Disturbance::Changed);
            }
            let refusal = match message.kind {
                frame::NOOP => continue,
                frame::OVERRUN => {
                    self.disturbed = Some(Disturbance::Overrun);
                    continue;
                }
                frame::DONE => answer::done(&message),
                frame::ERROR => {
                    answer::refusal(&message).ok_or(FrameError::Header { at: 0, left: message.payload.len() })?
                }
                _ if each(&message).is_break() => return Ok(Walked::Broken),
                _ => continue,
            };
            return match refusal.errno {
                0 => Ok(Walked::End),
                libc::EBUSY => Err(NetlinkError::Disturbed(Disturbance::Busy)),
                // Some dumps answer so when the thing they walk over went away: the same as a change.
                libc::EINTR | libc::EAGAIN => Err(NetlinkError::Disturbed(Disturbance::Changed)),
                _ => Err(NetlinkError::Refused(refusal)),
            };
        }
        Ok(Walked::On)
    }

    fn outcome(self) -> Result<ControlFlow<()>, NetlinkError> {
        self.disturbed.map_or(Ok(ControlFlow::Continue(())), |why| Err(NetlinkError::Disturbed(why)))
    }
}

impl AsFd for NetlinkSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GETLINK: u16 = 18;
    const GETRULE: u16 = 34;

    #[test]
    fn a_dump_that_does_not_fit_is_told_and_fits_the_next_time() {
        let mut socket = NetlinkSocket::open(ROUTE).unwrap();
        socket.buffer.truncate(200);
        let request = Request::dump(GETLINK, &[0; 16]);
        let mut seen = 0;
        let outcome = socket.dump(&request, &mut |_| seen += 1);
        assert!(matches!(outcome, Err(NetlinkError::Disturbed(Disturbance::Truncated))), "{outcome:?}");
        let lost = seen;
        socket.dump(&request, &mut |_| seen += 1).unwrap();
        assert!(seen > lost);
    }

    /// Asks, and reads all of the answer in a thread.
    fn dump_ahead(socket: &mut NetlinkSocket, request: &Request) -> (Vec<Vec<u8>>, Result<(), NetlinkError>) {
        let sequence = socket.send(request).unwrap();
        let mut dump = Dump { sequence, port: socket.port, disturbed: None };
        let mut seen = Vec::new();
        let mut each = |message: &Message<'_>| {
            seen.push(message.payload.to_vec());
            ControlFlow::Continue(())
        };
        let read = ahead::read(&socket.socket, socket.timeout, &mut socket.buffer, &mut dump, &mut each);
        (seen, read.and_then(|_| dump.outcome()).map(|_| ()))
    }

    #[test]
    fn a_dump_that_is_read_ahead_is_the_same_and_fits_the_next_time() {
        let mut socket = NetlinkSocket::open(ROUTE).unwrap();
        let request = Request::dump(GETRULE, &[2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        let mut plain = Vec::new();
        socket.dump(&request, &mut |message| plain.push(message.payload.to_vec())).unwrap();
        assert!(plain.len() >= 3);
        socket.buffer.truncate(60);
        let (_, outcome) = dump_ahead(&mut socket, &request);
        assert!(matches!(outcome, Err(NetlinkError::Disturbed(Disturbance::Truncated))), "{outcome:?}");
        let (seen, outcome) = dump_ahead(&mut socket, &request);
        outcome.unwrap();
        assert_eq!(seen, plain);
    }

    #[test]
    fn what_goes_wrong_is_told_from_ahead_too() {
        let mut socket = NetlinkSocket::open(ROUTE).unwrap();
        let (_, outcome) = dump_ahead(&mut socket, &Request::dump(GETRULE, &[2, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9]));
        assert!(matches!(outcome, Err(NetlinkError::Refused(_))), "{outcome:?}");
        socket.set_timeout(Duration::from_millis(10)).unwrap();
        let mut dump = Dump { sequence: 1, port: socket.port, disturbed: None };
        let read = ahead::read(&socket.socket, socket.timeout, &mut socket.buffer, &mut dump, &mut |_| {
            ControlFlow::Continue(())
        });
        assert!(matches!(read, Err(NetlinkError::Timeout(_))), "{read:?}");
    }

    #[test]
    fn no_answer_is_a_timeout() {
        let mut socket = NetlinkSocket::open(ROUTE).unwrap();
        socket.set_timeout(Duration::from_millis(10)).unwrap();
        assert!(matches!(socket.receive(), Err(NetlinkError::Timeout(_))));
    }

    #[test]
    fn the_kernel_is_strict_and_says_what_it_refuses() {
        let mut socket = NetlinkSocket::open(ROUTE).unwrap();
        // A header for one link in a request for all rules: the fields that mean nothing are not zero.
        let outcome = socket.dump(&Request::dump(GETRULE, &[2, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9]), &mut |_| {});
        let Err(NetlinkError::Refused(refusal)) = outcome else { panic!("{outcome:?}") };
        assert_eq!(refusal.errno, libc::EINVAL);
        assert_eq!(refusal.message.as_deref(), Some("Invalid values in header for fib rule dump request"));
        // The socket is of use all the same.
        socket.dump(&Request::dump(GETLINK, &[0; 16]), &mut |_| {}).unwrap();
    }

    #[test]
    fn an_answer_to_an_earlier_question_is_not_taken() {
        let mut socket = NetlinkSocket::open(ROUTE).unwrap();
        let lo = |flags: u8| Request::get(GETLINK, &[0, 0, 0, 0, flags, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        // Asked and not waited for: its answer is still in the queue.
        socket.send(&lo(1)).unwrap();
        let outcome = socket.ask(&Request::get(GETLINK, &[0, 0, 0, 0, 255, 255, 255, 127, 0, 0, 0, 0, 0, 0, 0, 0]));
        let Err(NetlinkError::Refused(refusal)) = outcome else { panic!("{outcome:?}") };
        assert_eq!(refusal.errno, libc::ENODEV);
    }
}
