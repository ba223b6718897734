//! Sockets that wait, against what `ss` says of them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::process::Command;
use std::thread;

use nix::sched::{CloneFlags, setns};
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrStorage, bind, connect, listen, setsockopt, socket, sockopt,
};
use podnet::collect::kernel::Namespace;
use podnet::model::ids::IfIndex;
use podnet::model::issue::Read;
use podnet::model::socket::Socket;
use serde_json::{Value, json};

use crate::testbed::Netns;

/// One socket of a test.
#[derive(Debug, Clone, Copy)]
struct Wanted {
    udp: bool,
    address: &'static str,
    v6only: bool,
    device: Option<&'static str>,
    reuse: bool,
    mark: u32,
    uid: u32,
    connected: Option<&'static str>,
}

const NONE: Wanted = Wanted {
    udp: false,
    address: "0.0.0.0:0",
    v6only: false,
    device: None,
    reuse: false,
    mark: 0,
    uid: 0,
    connected: None,
};

fn open(wanted: &Wanted) -> OwnedFd {
    let to: SocketAddr = wanted.address.parse().unwrap();
    let family = if to.is_ipv6() { AddressFamily::Inet6 } else { AddressFamily::Inet };
    let kind = if wanted.udp { SockType::Datagram } else { SockType::Stream };
    let fd = socket(family, kind, SockFlag::SOCK_NONBLOCK, None).unwrap();
    if to.is_ipv6() {
        setsockopt(&fd, sockopt::Ipv6V6Only, &wanted.v6only).unwrap();
    }
    if let Some(device) = wanted.device {
        setsockopt(&fd, sockopt::BindToDevice, &OsString::from(device)).unwrap();
    }
    if wanted.reuse {
        setsockopt(&fd, sockopt::ReusePort, &true).unwrap();
    }
    if wanted.mark != 0 {
        setsockopt(&fd, sockopt::Mark, &wanted.mark).unwrap();
    }
    if wanted.uid != 0 {
        nix::unistd::fchown(&fd, Some(wanted.uid.into()), None).unwrap();
    }
    bind(fd.as_raw_fd(), &SockaddrStorage::from(to)).unwrap_or_else(|error| panic!("{wanted:?}: {error}"));
    if let Some(peer) = wanted.connected {
        connect(fd.as_raw_fd(), &SockaddrStorage::from(peer.parse::<SocketAddr>().unwrap())).unwrap();
    }
    if !wanted.udp {
        listen(&fd, Backlog::new(5 + i32::from(to.port() % 7)).unwrap()).unwrap();
    }
    fd
}

/// Opens sockets within a namespace.
fn within(netns: &Netns, all: &[Wanted]) -> Vec<OwnedFd> {
    let file = File::open(netns.path()).unwrap();
    thread::scope(|scope| {
        let opened = scope.spawn(|| {
            setns(file, CloneFlags::CLONE_NEWNET).unwrap();
            all.iter().map(open).collect()
        });
        opened.join().unwrap()
    })
}

/// What `ss` says, one object a socket.
fn told(netns: &Netns) -> Value {
    let mut command = Command::new("ss");
    let output = command.args(["-N", &netns.name, "-H", "-n", "-a", "-t", "-u", "-e"]).output().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    let mut rows: Vec<Value> = text.lines().map(row).collect();
    rows.sort_by_key(|row| row["sk"].as_str().unwrap().to_owned());
    rows.into()
}

fn row(line: &str) -> Value {
    let words: Vec<&str> = line.split_whitespace().collect();
    let mut more: BTreeMap<&str, &str> = words[6..].iter().filter_map(|word| word.split_once(':')).collect();
    // A path below the hierarchy's mount is an id by its folder's inode.
    let cgroup = more.remove("cgroup").map(|group| match group.strip_prefix("unreachable:") {
        Some(id) => u64::from_str_radix(id, 16).unwrap(),
        None => std::fs::metadata(format!("/sys/fs/cgroup{group}")).unwrap().ino(),
    });
    json!({
        "protocol": words[0], "queue": [words[2], words[3]], "local": words[4], "peer": words[5],
        "ino": more["ino"], "sk": more["sk"], "uid": more.get("uid"), "mark": more.get("fwmark"),
        "v6only": more.get("v6only"), "cgroup": cgroup,
    })
}

/// The same of what podnet reads.
fn ours(sockets: &[Socket], links: &BTreeMap<IfIndex, String>) -> Value {
    let mut rows: Vec<Value> = sockets
        .iter()
        .map(|socket| {
            // `ss` writes `*` for all addresses of both families.
            let place = |address: IpAddr, port: Option<u16>| {
                let port = port.map_or_else(|| "*".to_owned(), |port| port.to_string());
                let link = socket.link.map_or_else(String::new, |link| format!("%{}", links[&link]));
                match address {
                    IpAddr::V6(any) if any.is_unspecified() && socket.v6only == Some(false) => {
                        ("*".to_owned(), link, port)
                    }
                    IpAddr::V6(v6) => (format!("[{v6}]"), link, port),
                    IpAddr::V4(v4) => (v4.to_string(), link, port),
                }
            };
            let (local, link, port) = place(socket.address, Some(socket.port));
            let local = format!("{local}{link}:{port}");
            let peer = match socket.peer {
                Some(peer) => place(peer.address, Some(peer.port)),
                None if socket.address.is_ipv4() => place([0; 4].into(), None),
                None => place([0_u16; 8].into(), None),
            };
            let queue = socket.queue.map_or([0, 0], |queue| [queue.waiting, queue.limit]);
            let hex = |mark: u32| format!("0x{mark:x}");
            json!({
                "protocol": if socket.protocol == 6 { "tcp" } else { "udp" },
                "queue": queue.map(|number| number.to_string()),
                "local": local, "peer": format!("{}:{}", peer.0, peer.2),
                "ino": socket.inode.to_string(), "sk": format!("{:x}", socket.cookie),
                "uid": Some(socket.uid).filter(|uid| *uid != 0).map(|uid| uid.to_string()),
                "mark": socket.mark.filter(|mark| *mark != 0).map(hex),
                "v6only": socket.v6only.map(|only| u8::from(only).to_string()),
                "cgroup": socket.cgroup,
            })
        })
        .collect();
    rows.sort_by_key(|row| row["sk"].as_str().unwrap().to_owned());
    rows.into()
}

fn compare(netns: &Netns) -> Vec<Socket> {
    let read = |namespace: &Namespace| {
        let names = namespace.links().value.iter().map(|link| (link.ifindex, link.name.to_string())).collect();
        (namespace.sockets(), names)
    };
    let ((Read { value, issues }, names), theirs) = netns.both(read, told);
    assert_eq!(issues, []);
    assert!(value.is_sorted());
    assert_eq!(ours(&value, &names), theirs);
    value
}

#[test]
fn sockets_are_those_that_ss_lists() {
    let netns = Netns::new();
    netns.ip("link add dum0 type veth peer name dum1\nlink set dum0 up\naddr add 10.1.0.1/24 dev dum0\naddr add fd00:1::1/64 dev dum0 nodad\n");
    let mut all = Vec::new();
    let addresses = [
        ("0.0.0.0:", true),
        ("127.0.0.1:", true),
        ("10.1.0.1:", true),
        ("[::]:", true),
        ("[::]:", false),
        ("[::1]:", true),
        ("[fd00:1::1]:", false),
        ("[::ffff:10.1.0.1]:", false),
    ];
    let mut port = 1000;
    for (address, v6only) in addresses {
        for udp in [false, true] {
            for device in [None, Some("dum0")].into_iter().take(if address == "[::1]:" { 1 } else { 2 }) {
                for (mark, uid) in [(0, 0), (7, 1234)] {
                    port += 1;
                    let address: &'static str = Box::leak(format!("{address}{port}").into_boxed_str());
                    all.push(Wanted { udp, address, v6only, device, mark, uid, ..NONE });
                }
            }
        }
    }
    // Several on one port.
    for udp in [false, true] {
        all.extend([Wanted { udp, address: "0.0.0.0:80", reuse: true, ..NONE }; 3]);
        all.push(Wanted { udp, address: "[::]:80", v6only: true, reuse: true, ..NONE });
    }
    all.push(Wanted { udp: true, address: "10.1.0.1:81", connected: Some("10.1.0.7:53"), ..NONE });
    all.push(Wanted { udp: true, address: "[::]:82", connected: Some("[fd00:1::7]:53"), v6only: true, ..NONE });
    let opened = within(&netns, &all);
    let sockets = compare(&netns);
    assert_eq!(sockets.len(), all.len());
    drop(opened);
}

#[test]
fn connections_are_no_sockets_that_wait_and_the_kernels_own_are() {
    let netns = Netns::new();
    netns.ip("link add vx0 type vxlan id 7 dstport 8472\nlink set vx0 up\n");
    let listener = within(&netns, &[Wanted { address: "127.0.0.1:80", ..NONE }]);
    let file = File::open(netns.path()).unwrap();
    let client = thread::spawn(move || {
        setns(file, CloneFlags::CLONE_NEWNET).unwrap();
        std::net::TcpStream::connect("127.0.0.1:80").unwrap()
    });
    let client = client.join().unwrap();
    let kernel = podnet::collect::kernel::Kernel::new().unwrap();
    let read = kernel.open(&netns.handle()).sockets();
    assert_eq!(read.issues, []);
    let told: Vec<_> = read.value.iter().map(|one| (one.protocol, one.port)).collect();
    assert_eq!(told, [(6, 80), (17, 8472)]);
    assert_eq!(read.value[0].queue.unwrap().waiting, 1);
    drop((listener, client));
}

#[test]
fn a_namespace_without_sockets_has_none() {
    assert_eq!(Netns::new().both(Namespace::sockets, |_| json!(null)).0, Read::ok(Vec::new()));
}
