//! Which of a host's sockets gets a packet: random sockets on one port, and the kernel's choice among them.

use std::ffi::OsString;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, Backlog, MsgFlags, SockFlag, SockType, SockaddrStorage, accept, bind, connect, listen, recv, send,
    setsockopt, socket, sockopt,
};
use podnet::analyze::path::{Packet, Place, Question, StepKind, Tuple, Verdict, path};
use podnet::collect::handle::NetnsHandle;
use podnet::collect::live::LiveNode;
use podnet::model::ids::NetnsId;
use podnet::model::socket::Socket;
use podnet::model::view::NodeView;

use crate::net::{Net, Random};

const PORT: u16 = 5000;
/// No program that another test starts meanwhile holds them open.
const FLAGS: SockFlag = SockFlag::SOCK_NONBLOCK.union(SockFlag::SOCK_CLOEXEC);

/// A random socket on [`PORT`]; `None` where the kernel refuses it beside the others.
fn server(random: &mut Random, udp: bool) -> Option<OwnedFd> {
    let addresses =
        ["0.0.0.0", "0.0.0.0", "10.1.0.2", "10.1.0.3", "127.0.0.1", "::", "::", "fd00:1::2", "::1", "::ffff:10.1.0.2"];
    let address: IpAddr = random.pick(&addresses).parse().unwrap();
    let family = if address.is_ipv6() { AddressFamily::Inet6 } else { AddressFamily::Inet };
    let kind = if udp { SockType::Datagram } else { SockType::Stream };
    let fd = socket(family, kind, FLAGS, None).unwrap();
    if address.is_ipv6() {
        setsockopt(&fd, sockopt::Ipv6V6Only, &random.percent(40)).unwrap();
    }
    if random.percent(30) {
        setsockopt(&fd, sockopt::BindToDevice, &OsString::from(*random.pick(&["v1", "v2", "lo"]))).unwrap();
    }
    // Equal claims would be a draw.
    if udp && random.percent(50) {
        setsockopt(&fd, sockopt::ReuseAddr, &true).unwrap();
    }
    bind(fd.as_raw_fd(), &SockaddrStorage::from(SocketAddr::new(address, PORT))).ok()?;
    if udp {
        if random.percent(15) && !address.is_loopback() {
            let peer = if address.is_ipv6() { "[fd00:1::1]:4000" } else { "10.1.0.1:4000" };
            let _ = connect(fd.as_raw_fd(), &SockaddrStorage::from(peer.parse::<SocketAddr>().unwrap()));
        }
    } else {
        listen(&fd, Backlog::new(8).unwrap()).ok()?;
    }
    Some(fd)
}

fn inode(fd: &OwnedFd) -> u64 {
    nix::sys::stat::fstat(fd).unwrap().st_ino
}

fn number() -> Option<u16> {
    std::env::var("PODNET_SOCKET_ROUNDS").ok().map(|text| text.parse().expect("a number"))
}

/// What the kernel does with one packet: the inode of the socket that gets it, or the error of the sender.
#[derive(Debug, PartialEq, Eq)]
enum Real {
    To(u64),
    Refused,
    Nothing,
}

fn shoot(net: &Net, from: usize, tuple: &Tuple, servers: &[OwnedFd]) -> Real {
    let at = |address: IpAddr, port: Option<u16>| SockaddrStorage::from(SocketAddr::new(address, port.unwrap()));
    let udp = tuple.protocol == 17;
    let client = net.within(from, || {
        let family = if tuple.destination.is_ipv6() { AddressFamily::Inet6 } else { AddressFamily::Inet };
        let kind = if udp { SockType::Datagram } else { SockType::Stream };
        let fd = socket(family, kind, FLAGS, None).unwrap();
        setsockopt(&fd, sockopt::ReuseAddr, &true).unwrap();
        bind(fd.as_raw_fd(), &at(tuple.source, tuple.source_port)).unwrap();
        let _ = connect(fd.as_raw_fd(), &at(tuple.destination, tuple.destination_port));
        if udp {
            send(fd.as_raw_fd(), b"question", MsgFlags::empty()).unwrap();
        }
        fd
    });
    let deadline = Instant::now() + Duration::from_secs(2);
    while Instant::now() < deadline {
        for server in servers {
            let mut buffer = [0; 16];
            let got = if udp {
                recv(server.as_raw_fd(), &mut buffer, MsgFlags::empty()).is_ok()
            } else {
                // The connection's descriptor is closed with its number.
                accept(server.as_raw_fd()).is_ok_and(|fd| nix::unistd::close(fd).is_ok())
            };
            if got {
                return Real::To(inode(server));
            }
        }
        let refused = if udp {
            recv(client.as_raw_fd(), &mut [0; 16], MsgFlags::empty()) == Err(Errno::ECONNREFUSED)
        } else {
            nix::sys::socket::getsockopt(&client, sockopt::SocketError) == Ok(Errno::ECONNREFUSED as i32)
        };
        if refused {
            return Real::Refused;
        }
        let _ =
            poll(&mut [PollFd::new(std::os::fd::AsFd::as_fd(&client), PollFlags::POLLPRI)], PollTimeout::from(1_u8));
    }
    Real::Nothing
}

#[test]
fn a_packet_gets_to_the_socket_that_the_kernel_chooses() {
    let net = Net::new(2);
    let quiet = "ipv4/icmp_ratelimit=0\nipv6/icmp/ratelimit=0\nipv6/conf/default/accept_dad=0";
    for host in 0..2 {
        net.sysctls(host, quiet);
        net.ip(host, "link set lo up\n");
    }
    net.ip(0, &format!("link add v0 type veth peer name v1 netns {}\nlink set v0 up\n", net.hosts[1]));
    net.ip(0, "addr add 10.1.0.1/24 dev v0\naddr add fd00:1::1/64 dev v0 nodad\n");
    net.ip(1, "link set v1 up\nlink add v2 type veth peer name v3\nlink set v2 up\nlink set v3 up\n");
    net.ip(1, "addr add 10.1.0.2/24 dev v1\naddr add 10.1.0.3/24 dev v1\naddr add fd00:1::2/64 dev v1 nodad\n");
    let id = |host| NetnsHandle::open(net.path(host).as_ref()).unwrap().id;
    let ids = [id(0), id(1)];
    let mut random = Random::new(7);
    let (mut refused, mut delivered) = (0, 0);
    for round in 0..number().unwrap_or(120) {
        let udp = round % 2 == 0;
        let servers: Vec<OwnedFd> =
            net.within(1, || (0..=random.below(5)).filter_map(|_| server(&mut random, udp)).collect());
        let node = settled(&net, ids, &servers);
        let ways = [
            (0, "10.1.0.1", "10.1.0.2"),
            (0, "10.1.0.1", "10.1.0.3"),
            (0, "fd00:1::1", "fd00:1::2"),
            (1, "10.1.0.2", "10.1.0.2"),
            (1, "127.0.0.1", "127.0.0.1"),
            (1, "fd00:1::2", "fd00:1::2"),
            (1, "::1", "::1"),
        ];
        for (number, (from, source, destination)) in ways.into_iter().enumerate() {
            let source_port = if random.percent(30) && from == 0 && udp {
                4000
            } else {
                20_000 + 10 * (round % 3000) + u16::try_from(number).unwrap()
            };
            let protocol = if udp { 17 } else { 6 };
            let (source, destination) = (source.parse().unwrap(), destination.parse().unwrap());
            let tuple =
                Tuple { source, destination, protocol, source_port: Some(source_port), destination_port: Some(PORT) };
            let packet =
                Packet { tuple, is_answer: false, icmp: None, mark: 0, tos: 0, ttl: 64, length: 60, uid: Some(0) };
            let place = Place { node: 0, netns: ids[from] };
            let (found, issues) = path(&[&node], &Question::new(place, packet));
            assert_eq!(issues, []);
            let course = &found.courses[0];
            let real = shoot(&net, from, &tuple, &servers);
            let told = || {
                format!("round {round} {tuple:?}: {real:?}, {:?}\n{:#?}", course.verdict, node_sockets(&node, ids[1]))
            };
            match &course.verdict {
                Verdict::Answered => {
                    let listener = course.there.iter().find_map(|step| match &step.what {
                        StepKind::Delivered { listener, .. } => listener.as_ref(),
                        _ => None,
                    });
                    let listener = listener.unwrap();
                    let own = u64::from(listener.socket.inode);
                    assert!(matches!(real, Real::To(other) if own == other || listener.one_of > 1), "{}", told());
                    delivered += 1;
                }
                Verdict::Rejected { .. } => {
                    assert_eq!(real, Real::Refused, "{}", told());
                    refused += 1;
                }
                _ => panic!("{}", told()),
            }
        }
    }
    assert!(refused > 50 && delivered > 100, "{refused} {delivered}");
}

/// The node, once no socket is there but these: a program that another test starts holds all that are open until
/// it runs.
fn settled(net: &Net, [host, netns]: [NetnsId; 2], servers: &[OwnedFd]) -> LiveNode {
    let mut wanted: Vec<u64> = servers.iter().map(inode).collect();
    wanted.sort_unstable();
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let node = net.live();
        let mut found: Vec<u64> = node_sockets(&node, netns).iter().map(|socket| u64::from(socket.inode)).collect();
        found.sort_unstable();
        // IPv6 gets its routes a moment after its links.
        let is_up = |id, own: &str| {
            let own: IpAddr = own.parse().unwrap();
            let routes = node.routes(id);
            routes.value.iter().filter(|route| route.dst.contains(&own)).count() >= 2
        };
        if found == wanted && is_up(host, "fd00:1::1") && is_up(netns, "fd00:1::2") {
            return node;
        }
        assert!(Instant::now() < deadline, "{found:?} {wanted:?}");
        std::thread::yield_now();
    }
}

fn node_sockets(node: &LiveNode, netns: NetnsId) -> Vec<Socket> {
    node.sockets(netns).value.clone()
}
