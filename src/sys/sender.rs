//! A socket that sends one packet of a chosen tuple, and hears what comes back.
//!
//! Must not import anything from the crate. It knows of protocols only what a socket needs.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrLike as _, SockaddrStorage,
    bind, connect, getsockname, recv, recvmsg, send, setsockopt, socket, sockopt,
};

/// `IPPROTO_*`
const TCP: u8 = 6;
const UDP: u8 = 17;
const SCTP: u8 = 132;
/// How many foreign packets of ICMP are passed over in one look.
const MOST: usize = 64;

/// What a socket sends with.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// `IPPROTO_*`: TCP, UDP, SCTP, or an echo of either family.
    pub protocol: u8,
    /// Whether it is of IPv6.
    pub ipv6: bool,
    /// The source address; `None`: the kernel's choice.
    pub source: Option<IpAddr>,
    /// The source port; `None`: one that is free. An echo's id is given.
    pub port: Option<u16>,
    /// The mark of its packets.
    pub mark: u32,
    /// The type of service byte.
    pub tos: u8,
}

/// An open socket that has sent nothing yet, or that waits for an answer.
#[derive(Debug)]
pub struct Sender {
    fd: OwnedFd,
    wanted: Wanted,
    port: u16,
    to: Option<SockaddrStorage>,
}

/// What came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Back {
    /// An answer.
    Answer,
    /// An error, as errno.
    Error(i32),
    /// Nothing yet.
    Nothing,
}

impl Sender {
    /// Opens and binds it in the calling thread's network namespace.
    pub fn open(wanted: Wanted) -> io::Result<Self> {
        let family = if wanted.ipv6 { AddressFamily::Inet6 } else { AddressFamily::Inet };
        let (kind, protocol) = match wanted.protocol {
            TCP => (SockType::Stream, None),
            UDP => (SockType::Datagram, None),
            SCTP => (SockType::Stream, Some(SockProtocol::Sctp)),
            _ if wanted.ipv6 => (SockType::Raw, Some(SockProtocol::IcmpV6)),
            // A ping socket may be forbidden (ping_group_range).
            _ => (SockType::Raw, Some(SockProtocol::Icmp)),
        };
        let fd = socket(family, kind, SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC, protocol)?;
        if wanted.mark != 0 {
            setsockopt(&fd, sockopt::Mark, &wanted.mark)?;
        }
        if wanted.ipv6 {
            setsockopt(&fd, sockopt::Ipv6RecvErr, &true)?;
            setsockopt(&fd, sockopt::Ipv6TClass, &i32::from(wanted.tos))?;
        } else {
            setsockopt(&fd, sockopt::Ipv4RecvErr, &true)?;
            setsockopt(&fd, sockopt::Ipv4Tos, &i32::from(wanted.tos))?;
        }
        if wanted.protocol == TCP {
            // Closed with a reset: it leaves no connection waiting on either side.
            setsockopt(&fd, sockopt::Linger, &libc::linger { l_onoff: 1, l_linger: 0 })?;
        }
        let any: IpAddr = if wanted.ipv6 { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
        let source = wanted.source.unwrap_or(any);
        let has_ports = matches!(wanted.protocol, TCP | UDP | SCTP);
        let port = if has_ports {
            let own = SockaddrStorage::from(SocketAddr::new(source, wanted.port.unwrap_or(0)));
            bind(fd.as_raw_fd(), &own)?;
            let bound: SockaddrStorage = getsockname(fd.as_raw_fd())?;
            let four = bound.as_sockaddr_in().map(nix::sys::socket::SockaddrIn::port);
            let six = bound.as_sockaddr_in6().map(nix::sys::socket::SockaddrIn6::port);
            four.or(six).unwrap_or(0)
        } else {
            if wanted.source.is_some() {
                bind(fd.as_raw_fd(), &SockaddrStorage::from(SocketAddr::new(source, 0)))?;
            }
            wanted.port.unwrap_or(0)
        };
        Ok(Self { fd, wanted, port, to: None })
    }

    /// The source port, or the id of its echo.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Sends: opens a connection, or sends a datagram or an echo with this payload.
    pub fn send(&mut self, to: IpAddr, port: u16, payload: &[u8]) -> io::Result<()> {
        let has_ports = matches!(self.wanted.protocol, TCP | UDP | SCTP);
        let to = SockaddrStorage::from(SocketAddr::new(to, if has_ports { port } else { 0 }));
        debug_assert!(to.len() > 0);
        self.to = Some(to);
        match connect(self.fd.as_raw_fd(), &to) {
            Ok(()) | Err(Errno::EINPROGRESS) => {}
            Err(error) => return Err(error.into()),
        }
        match self.wanted.protocol {
            TCP | SCTP => {}
            UDP => {
                send(self.fd.as_raw_fd(), payload, MsgFlags::empty())?;
            }
            _ => {
                send(self.fd.as_raw_fd(), &self.echo(payload), MsgFlags::empty())?;
            }
        }
        Ok(())
    }

    /// An echo request; of IPv6 the kernel fills the checksum in.
    fn echo(&self, payload: &[u8]) -> Vec<u8> {
        let id = self.port.to_be_bytes();
        let kind = if self.wanted.ipv6 { 128 } else { 8 };
        let mut bytes = vec![kind, 0, 0, 0, id[0], id[1], 0, 1];
        bytes.extend_from_slice(payload);
        if !self.wanted.ipv6 {
            let sum = checksum(&bytes).to_be_bytes();
            bytes[2..4].copy_from_slice(&sum);
        }
        bytes
    }

    /// What has come back by now.
    pub fn heard(&self) -> Back {
        let fd = self.fd.as_raw_fd();
        if matches!(self.wanted.protocol, TCP | SCTP) {
            let Some(to) = &self.to else { return Back::Nothing };
            return match connect(fd, to) {
                Ok(()) | Err(Errno::EISCONN) => Back::Answer,
                Err(Errno::EALREADY | Errno::EINPROGRESS | Errno::EINTR) => self.queued_error(),
                Err(error) => Back::Error(error as i32),
            };
        }
        let mut buffer = [0u8; 2048];
        for _ in 0..MOST {
            match recv(fd, &mut buffer, MsgFlags::MSG_DONTWAIT) {
                Ok(length) if self.wanted.protocol == UDP || self.is_own(buffer.get(..length).unwrap_or(&[])) => {
                    return Back::Answer;
                }
                // A raw socket gets all of ICMP that comes from there.
                Ok(_) => {}
                Err(Errno::EAGAIN | Errno::EINTR) => return Back::Nothing,
                Err(error) => return Back::Error(error as i32),
            }
        }
        Back::Nothing
    }

    /// An ICMP error that came while the call that connects still held the socket: the connection itself hears of it
    /// only when its packet is sent again, a second later.
    fn queued_error(&self) -> Back {
        let mut space = nix::cmsg_space!(libc::sock_extended_err, libc::sockaddr_in6);
        let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
        let Ok(message) = recvmsg::<SockaddrStorage>(self.fd.as_raw_fd(), &mut [], Some(&mut space), flags) else {
            return Back::Nothing;
        };
        let Ok(mut queued) = message.cmsgs() else { return Back::Nothing };
        let errno = queued.find_map(|one| match one {
            ControlMessageOwned::Ipv4RecvErr(error, _) | ControlMessageOwned::Ipv6RecvErr(error, _) => {
                i32::try_from(error.ee_errno).ok()
            }
            _ => None,
        });
        errno.map_or(Back::Nothing, Back::Error)
    }

    fn is_own(&self, bytes: &[u8]) -> bool {
        let (icmp, reply) = if self.wanted.ipv6 {
            (bytes, 129)
        } else {
            let header = bytes.first().map_or(20, |byte| usize::from(byte & 0xf) * 4);
            (bytes.get(header..).unwrap_or_default(), 0)
        };
        icmp.first() == Some(&reply) && icmp.get(4..6) == Some(&self.port.to_be_bytes()[..])
    }
}

impl AsFd for Sender {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// The Internet checksum (RFC 1071).
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0)));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_the_rfc() {
        assert_eq!(checksum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), !0xddf2);
        assert_eq!(checksum(&[1]), !0x0100);
    }
}
