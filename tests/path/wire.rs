//! Real packets: what is sent, who answers, and what each link of the network sees of it.

use std::collections::BTreeMap;
use std::fmt;
use std::io::IoSliceMut;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, TcpListener};
use std::os::fd::{AsRawFd, OwnedFd};
use std::str::FromStr;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType,
    SockaddrIn, SockaddrIn6, SockaddrStorage, bind, connect, recv, recvfrom, recvmsg, send, sendmsg, setsockopt,
    socket, sockopt,
};
use nix::unistd::{Uid, setfsuid};

use podnet::analyze::path::Tuple;
use podnet::collect::live::LiveNode;
use podnet::model::ids::NetnsId;
use podnet::model::link::LinkKind;
use podnet::model::view::NodeView as _;

use crate::net::Net;

/// Ports on which every host answers.
pub const PORTS: [u16; 4] = [80, 443, 5300, 8080];
/// Ports that are asked: on the last one nobody listens.
pub const ASKED: [u16; 9] = [80, 443, 5300, 8080, 80, 443, 5300, 8080, 7];
/// How long nothing has to happen before a packet counts as lost.
const QUIET: Duration = Duration::from_millis(60);
/// And how long one packet may take in all.
const LONGEST: Duration = Duration::from_secs(3);

/// What a host's tap holds until it is read: more than the longest way of one packet with all its frames.
const TAP_BYTES: usize = 32 << 20;
/// How many frames of one host are read before the next host's.
const MOST_AT_ONCE: usize = 5000;

/// No program that is started meanwhile holds a socket open: a SYN whose sender is gone is not sent again.
const FLAGS: SockFlag = SockFlag::SOCK_NONBLOCK.union(SockFlag::SOCK_CLOEXEC);

/// A packet as a link saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seen {
    pub host: usize,
    pub ifindex: u32,
    pub out: bool,
    pub tuple: Tuple,
}

/// What the sender saw.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Heard {
    Answer,
    Error(Errno),
    #[default]
    Nothing,
}

/// What is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shot {
    pub from: usize,
    pub tuple: Tuple,
    pub mark: u32,
    pub tos: u8,
    /// The user that it is sent by.
    pub uid: u32,
    /// Bytes behind the header of UDP or of an echo, more than eight.
    pub more: usize,
}

impl Shot {
    /// The same from another port.
    pub fn again(&self) -> Self {
        let mut tuple = self.tuple;
        let other = tuple.source_port.map(|port| port + 500);
        tuple.source_port = other;
        if tuple.is_echo() {
            tuple.destination_port = other;
        }
        Self { tuple, ..*self }
    }

    fn payload(&self) -> Vec<u8> {
        let mut bytes = b"question".to_vec();
        bytes.resize(8 + self.more, b'.');
        bytes
    }

    /// With all headers.
    pub fn length(&self) -> u32 {
        let header = if self.tuple.destination.is_ipv6() { 40 } else { 20 };
        let body = if self.tuple.protocol == 6 { 40 } else { 16 + self.more };
        header + u32::try_from(body).unwrap()
    }
}

impl fmt::Display for Shot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, tuple, mark, tos, uid, more } = self;
        let Tuple { source, destination, protocol, source_port, destination_port } = tuple;
        let (source_port, destination_port) = (source_port.unwrap(), destination_port.unwrap());
        write!(f, "{from} {protocol} {source} {source_port} {destination} {destination_port} {mark} {tos} {uid} {more}")
    }
}

impl FromStr for Shot {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let words: Vec<&str> = text.split(' ').collect();
        let [from, protocol, source, source_port, destination, destination_port, mark, tos, uid, more] = words[..]
        else {
            return Err(text.to_owned());
        };
        let tuple = Tuple {
            source: source.parse().unwrap(),
            destination: destination.parse().unwrap(),
            protocol: protocol.parse().unwrap(),
            source_port: source_port.parse().ok(),
            destination_port: destination_port.parse().ok(),
        };
        Ok(Self {
            from: from.parse().unwrap(),
            tuple,
            mark: mark.parse().unwrap(),
            tos: tos.parse().unwrap(),
            uid: uid.parse().unwrap(),
            more: more.parse().unwrap(),
        })
    }
}

struct Listeners {
    taps: OwnedFd,
    /// Held open: they answer by themselves.
    _tcp: Vec<TcpListener>,
    udp: Vec<(OwnedFd, bool)>,
}

/// The sockets of all hosts.
pub struct Wire {
    hosts: Vec<Listeners>,
    /// Whether a link is a port of a bridge: its frames are for others.
    ports: BTreeMap<(usize, u32), bool>,
    pub bridges: Vec<(usize, u32)>,
}

/// Whether a link of a host has frames for others.
type Ports = BTreeMap<(usize, u32), bool>;

/// The links whose frames are for others: ports of bridges, and what macvlans lie on; and the bridges.
pub fn for_others(node: &LiveNode, ids: &[NetnsId]) -> (Ports, Vec<(usize, u32)>) {
    let (mut ports, mut bridges) = (BTreeMap::new(), Vec::new());
    let at = |id: NetnsId| ids.iter().position(|own| *own == id);
    for (host, id) in ids.iter().enumerate() {
        for link in &node.links(*id).value {
            *ports.entry((host, link.ifindex.0)).or_default() |= link.controller.is_some();
            if matches!(link.kind, LinkKind::Bridge(_)) {
                bridges.push((host, link.ifindex.0));
            }
            if let (LinkKind::Macvlan { .. }, Some(lower)) = (&link.kind, link.link) {
                let there = link.link_nsid.map_or(Some(*id), |nsid| node.resolve_nsid(*id, nsid).value);
                if let Some(there) = there.and_then(at) {
                    ports.insert((there, lower.0), true);
                }
            }
        }
    }
    (ports, bridges)
}

fn udp_server(port: u16, six: bool) -> OwnedFd {
    let family = if six { AddressFamily::Inet6 } else { AddressFamily::Inet };
    let fd = socket(family, SockType::Datagram, FLAGS, None).unwrap();
    if six {
        setsockopt(&fd, sockopt::Ipv6V6Only, &true).unwrap();
        setsockopt(&fd, sockopt::Ipv6RecvPacketInfo, &true).unwrap();
        bind(fd.as_raw_fd(), &SockaddrIn6::from(SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, port, 0, 0))).unwrap();
    } else {
        setsockopt(&fd, sockopt::Ipv4PacketInfo, &true).unwrap();
        bind(fd.as_raw_fd(), &SockaddrIn::from(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port))).unwrap();
    }
    fd
}

impl Wire {
    pub fn open(net: &Net, ports: BTreeMap<(usize, u32), bool>, bridges: Vec<(usize, u32)>) -> Self {
        let hosts = (0..net.hosts.len())
            .map(|host| {
                net.within(host, || {
                    let taps = socket(AddressFamily::Packet, SockType::Datagram, FLAGS, SockProtocol::EthAll).unwrap();
                    setsockopt(&taps, sockopt::RcvBufForce, &TAP_BYTES).unwrap();
                    let tcp = PORTS.map(|port| {
                        let listener = TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).unwrap();
                        listener.set_nonblocking(true).unwrap();
                        listener
                    });
                    let both = PORTS.iter().flat_map(|port| [(*port, false), (*port, true)]);
                    let udp = both.map(|(port, six)| (udp_server(port, six), six)).collect();
                    Listeners { taps, _tcp: tcp.into(), udp }
                })
            })
            .collect();
        Self { hosts, ports, bridges }
    }

    /// Sends one packet and waits for what becomes of it, or until so many frames were seen.
    pub fn shoot(&self, net: &Net, shot: &Shot, enough: usize) -> Watched {
        self.drain(&mut Watched::default());
        let mut seen = Watched::default();
        let client = match net.within(shot.from, || client(shot)) {
            Ok(client) => client,
            Err(error) => {
                self.drain(&mut seen);
                return Watched { heard: Heard::Error(error), ..seen };
            }
        };
        let begun = Instant::now();
        let mut last = Instant::now();
        let mut heard = Heard::Nothing;
        while begun.elapsed() < LONGEST && seen.frames.len() < enough {
            if self.drain(&mut seen) || self.serve() {
                last = Instant::now();
                continue;
            }
            if heard == Heard::Nothing {
                heard = client.heard();
                if heard != Heard::Nothing {
                    last = Instant::now();
                }
            }
            let quiet = if heard == Heard::Nothing { QUIET } else { Duration::from_millis(2) };
            if last.elapsed() > quiet {
                break;
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        Watched { heard, ..seen }
    }

    fn drain(&self, seen: &mut Watched) -> bool {
        let mut any = false;
        let mut buffer = [0u8; 2048];
        for (host, listeners) in self.hosts.iter().enumerate() {
            // What goes round in a circle may come as fast as it is read.
            for _ in 0..MOST_AT_ONCE {
                let Ok((length, Some(from))) = recvfrom::<LinkAddr>(listeners.taps.as_raw_fd(), &mut buffer) else {
                    break;
                };
                any = true;
                let ifindex = u32::try_from(from.ifindex()).unwrap();
                let kind = from.pkttype();
                let is_port = self.ports.get(&(host, ifindex)).copied().unwrap_or(false);
                // PACKET_OTHERHOST on a link that is no port: a flooded frame for somebody else.
                if kind == 3 && !is_port {
                    continue;
                }
                match tuple(&buffer[..length]) {
                    Some(tuple) => seen.frames.push(Seen { host, ifindex, out: kind == 4, tuple }),
                    None => seen.others += usize::from(is_ip(&buffer[..length]) && !is_later_piece(&buffer[..length])),
                }
            }
        }
        any
    }

    /// UDP servers answer from the address that they were asked at.
    fn serve(&self) -> bool {
        let mut any = false;
        for (fd, _) in self.hosts.iter().flat_map(|listeners| &listeners.udp) {
            let mut buffer = [0u8; 2048];
            let mut space = nix::cmsg_space!([u8; 64]);
            let mut parts = [IoSliceMut::new(&mut buffer)];
            let Ok(message) =
                recvmsg::<SockaddrStorage>(fd.as_raw_fd(), &mut parts, Some(&mut space), MsgFlags::empty())
            else {
                continue;
            };
            any = true;
            let buffer_is_answer = message.iovs().next().is_some_and(|bytes| bytes.first() == Some(&b'!'));
            let Some(from) = message.address else { continue };
            // As long as the question; an answer that went astray is not answered.
            if buffer_is_answer {
                continue;
            }
            let bytes = vec![b'!'; message.bytes];
            let answer = [std::io::IoSlice::new(&bytes)];
            for control in message.cmsgs().unwrap() {
                let sent = match control {
                    ControlMessageOwned::Ipv4PacketInfo(info) => {
                        let mut own = info;
                        own.ipi_ifindex = 0;
                        own.ipi_spec_dst = info.ipi_addr;
                        let control = [ControlMessage::Ipv4PacketInfo(&own)];
                        sendmsg(fd.as_raw_fd(), &answer, &control, MsgFlags::empty(), Some(&from))
                    }
                    ControlMessageOwned::Ipv6PacketInfo(info) => {
                        let mut own = info;
                        own.ipi6_ifindex = 0;
                        let control = [ControlMessage::Ipv6PacketInfo(&own)];
                        sendmsg(fd.as_raw_fd(), &answer, &control, MsgFlags::empty(), Some(&from))
                    }
                    _ => continue,
                };
                let _ = sent;
            }
        }
        any
    }
}

/// What became of a packet.
#[derive(Debug, Default)]
pub struct Watched {
    pub heard: Heard,
    pub frames: Vec<Seen>,
    /// Frames of IP that are not the packet's: errors, solicitations, resets.
    pub others: usize,
}

struct Client {
    fd: OwnedFd,
    to: SockaddrStorage,
    is_tcp: bool,
}

/// A client of TCP lets the SYN-ACK come as far as its socket, and no further: what would follow it (an ACK, a
/// FIN) is not predicted, and would count in rules. A reset goes through.
#[expect(unsafe_code, reason = "nix has neither of these two options")]
mod held_back {
    use std::os::fd::{AsRawFd, OwnedFd};

    fn step(code: u16, jt: u8, jf: u8, k: u32) -> libc::sock_filter {
        libc::sock_filter { code, jt, jf, k }
    }

    pub fn hold(fd: &OwnedFd) {
        // The 14th byte of TCP's header has the flags; of those 4 is RST.
        let mut program = [step(0x30, 0, 0, 13), step(0x45, 0, 1, 4), step(0x06, 0, 0, u32::MAX), step(0x06, 0, 0, 0)];
        let filter = libc::sock_fprog { len: 4, filter: program.as_mut_ptr() };
        let length = libc::socklen_t::try_from(size_of::<libc::sock_fprog>()).unwrap();
        // SAFETY: the kernel copies the program, which lives until the call is over.
        let done = unsafe {
            libc::setsockopt(
                fd.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_ATTACH_FILTER,
                (&raw const filter).cast(),
                length,
            )
        };
        assert_eq!(done, 0);
    }

    /// How many packets were held back.
    pub fn count(fd: &OwnedFd) -> u32 {
        const SO_MEMINFO: libc::c_int = 55;
        let mut info = [0u32; 9];
        let mut length = libc::socklen_t::try_from(size_of_val(&info)).unwrap();
        // SAFETY: the kernel writes no more than `length` bytes, which `info` has.
        let done = unsafe {
            libc::getsockopt(fd.as_raw_fd(), libc::SOL_SOCKET, SO_MEMINFO, info.as_mut_ptr().cast(), &raw mut length)
        };
        assert_eq!(done, 0);
        info[8]
    }
}

fn client(shot: &Shot) -> Result<Client, Errno> {
    let tuple = shot.tuple;
    let six = tuple.destination.is_ipv6();
    let family = if six { AddressFamily::Inet6 } else { AddressFamily::Inet };
    let (kind, protocol) = match (tuple.protocol, six) {
        (6, _) => (SockType::Stream, None),
        (17, _) => (SockType::Datagram, None),
        (_, false) => (SockType::Datagram, Some(SockProtocol::Icmp)),
        (_, true) => (SockType::Datagram, Some(SockProtocol::IcmpV6)),
    };
    // Of this thread alone, which ends with this.
    setfsuid(Uid::from_raw(shot.uid));
    let fd = socket(family, kind, FLAGS, protocol)?;
    if tuple.protocol == 6 {
        held_back::hold(&fd);
    }
    if shot.mark != 0 {
        setsockopt(&fd, sockopt::Mark, &shot.mark)?;
    }
    if shot.tos != 0 {
        if six {
            setsockopt(&fd, sockopt::Ipv6TClass, &i32::from(shot.tos))?;
        } else {
            setsockopt(&fd, sockopt::Ipv4Tos, &i32::from(shot.tos))?;
        }
    }
    let storage = |address: IpAddr, port: u16| SockaddrStorage::from(SocketAddr::new(address, port));
    bind(fd.as_raw_fd(), &storage(tuple.source, tuple.source_port.unwrap_or(0)))?;
    let is_tcp = tuple.protocol == 6;
    let to =
        storage(tuple.destination, if matches!(tuple.protocol, 6 | 17) { tuple.destination_port.unwrap() } else { 0 });
    match connect(fd.as_raw_fd(), &to) {
        Ok(()) | Err(Errno::EINPROGRESS) => {}
        Err(error) => return Err(error),
    }
    let mut echo = vec![if six { 128 } else { 8 }, 0, 0, 0, 0, 0, 0, 1];
    echo.extend(shot.payload());
    match tuple.protocol {
        6 => {}
        17 => {
            send(fd.as_raw_fd(), &shot.payload(), MsgFlags::empty())?;
        }
        _ => {
            send(fd.as_raw_fd(), &echo, MsgFlags::empty())?;
        }
    }
    Ok(Client { fd, to, is_tcp })
}

impl Client {
    fn heard(&self) -> Heard {
        if self.is_tcp {
            if held_back::count(&self.fd) > 0 {
                return Heard::Answer;
            }
            return match connect(self.fd.as_raw_fd(), &self.to) {
                Ok(()) | Err(Errno::EISCONN) => Heard::Answer,
                Err(Errno::EALREADY | Errno::EINPROGRESS) => Heard::Nothing,
                Err(error) => Heard::Error(error),
            };
        }
        let mut buffer = [0u8; 2048];
        match recv(self.fd.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
            Ok(_) => Heard::Answer,
            Err(Errno::EAGAIN) => Heard::Nothing,
            Err(error) => Heard::Error(error),
        }
    }
}

fn is_ip(bytes: &[u8]) -> bool {
    // ARP's first byte is 0.
    bytes.first().is_some_and(|byte| matches!(byte >> 4, 4 | 6))
}

/// Whether it is a piece of a packet, and not the first.
fn is_later_piece(bytes: &[u8]) -> bool {
    match bytes.first().map(|first| first >> 4) {
        Some(4) => bytes.get(6..8).is_some_and(|place| (place[0] & 0x1f, place[1]) != (0, 0)),
        Some(6) => {
            bytes.get(6) == Some(&44) && bytes.get(42..44).is_some_and(|place| (place[0], place[1] & 0xf8) != (0, 0))
        }
        _ => false,
    }
}

/// Addresses and ports of a packet that is looked at: SYN and SYN-ACK, UDP, echos and their replies.
fn tuple(bytes: &[u8]) -> Option<Tuple> {
    if is_later_piece(bytes) {
        return None;
    }
    let (source, destination, protocol, rest): (IpAddr, IpAddr, u8, &[u8]) = match bytes.first()? >> 4 {
        4 => {
            let header = usize::from(bytes[0] & 0xf) * 4;
            let four = |at: usize| <[u8; 4]>::try_from(bytes.get(at..at + 4)?).ok().map(IpAddr::from);
            (four(12)?, four(16)?, *bytes.get(9)?, bytes.get(header..)?)
        }
        6 => {
            let sixteen = |at: usize| <[u8; 16]>::try_from(bytes.get(at..at + 16)?).ok().map(IpAddr::from);
            match *bytes.get(6)? {
                // The first piece of one.
                44 => (sixteen(8)?, sixteen(24)?, *bytes.get(40)?, bytes.get(48..)?),
                protocol => (sixteen(8)?, sixteen(24)?, protocol, bytes.get(40..)?),
            }
        }
        _ => return None,
    };
    let two = |at: usize| Some(u16::from_be_bytes([*rest.get(at)?, *rest.get(at + 1)?]));
    // What a tunnel carries is what it is looked at for: not questions for neighbours, nor what else nobody follows.
    if protocol == 17 && rest.get(8..12) == Some(&[8, 0, 0, 0]) && rest.len() >= 30 {
        let is_ip = matches!(rest.get(28..30)?, [0x08, 0x00] | [0x86, 0xdd]);
        tuple(rest.get(30..).filter(|_| is_ip)?)?;
    }
    let ports = match (protocol, *rest.first()?) {
        (6, _) if rest.get(13)? & 0x06 == 0x02 => (two(0), two(2)),
        (17, _) => (two(0), two(2)),
        (1, 0 | 8) | (58, 128 | 129) => (two(4), two(4)),
        _ => return None,
    };
    Some(Tuple { source, destination, protocol, source_port: ports.0, destination_port: ports.1 })
}
