//! Packets that do not arrive, and the errors about them: each frame of an error on each link, and what the sender's
//! program sees, against the kernel.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, LinkAddr, SockFlag, SockProtocol, SockType, recvfrom, setsockopt, socket, sockopt,
};
use podnet::analyze::path::{Course, Packet, Path, Place, Question, StepKind, Tuple, Verdict, packet, path};
use podnet::collect::handle::NetnsHandle;
use podnet::model::ids::NetnsId;
use podnet::model::probe::Kind;
use podnet::wire::packet::packet as decoded;

use crate::heard::{hears, named};
use crate::net::Net;
use crate::script::Script;
use crate::wire::{Shot, Wire};

/// An error's frame: the host, the link, whether it leaves, from whom and to whom.
type Frames = BTreeSet<(usize, u32, bool, IpAddr, IpAddr)>;

/// h0 to h3 in a row, h1 and h2 route.
pub fn row() -> String {
    let mut text = "hosts 4\n".to_owned();
    for host in 0..3 {
        let (net, next) = (host + 1, host + 1);
        writeln!(
            text,
            "@h{host} ip\nlink add d{host} type veth peer name u{next} netns @h{next}\nlink set d{host} up\n\
             addr add 10.{net}.0.1/24 dev d{host}\naddr add fd00:{net}::1/64 dev d{host} nodad\n\
             @h{next} ip\nlink set u{next} up\naddr add 10.{net}.0.2/24 dev u{next}\n\
             addr add fd00:{net}::2/64 dev u{next} nodad"
        )
        .unwrap();
    }
    for (host, net, by) in
        [(0, 2, "1::2"), (0, 3, "1::2"), (1, 3, "2::2"), (2, 1, "2::1"), (3, 1, "3::1"), (3, 2, "3::1")]
    {
        let four = by.replace("::", ".0.");
        writeln!(text, "@h{host} ip\nroute add 10.{net}.0.0/24 via 10.{four}\nroute add fd00:{net}::/64 via fd00:{by}")
            .unwrap();
    }
    for host in 1..3 {
        writeln!(text, "@h{host} sysctl\nipv4/ip_forward=1\nipv6/conf/all/forwarding=1").unwrap();
    }
    text
}

pub struct Case {
    pub name: &'static str,
    /// What is added to the row of hosts.
    pub more: &'static str,
    /// `PROTOCOL DESTINATION PORT LENGTH`, the verdict, and the error that the program sees (`-`: none, `?`: not known).
    pub shots: &'static [(&'static str, &'static str, &'static str)],
}

struct Real {
    net: Net,
    ids: Vec<NetnsId>,
    taps: Vec<OwnedFd>,
    wire: Wire,
}

impl Real {
    fn build(text: &str) -> Self {
        let (script, _) = Script::parse(text);
        let net = script.build();
        let node = net.live();
        let ids: Vec<NetnsId> =
            (0..net.hosts.len()).map(|host| NetnsHandle::open(net.path(host).as_ref()).unwrap().id).collect();
        let (ports, bridges) = crate::wire::for_others(&node, &ids);
        let taps = (0..net.hosts.len())
            .map(|host| {
                net.within(host, || {
                    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
                    let all = SockProtocol::EthAll;
                    let tap = socket(AddressFamily::Packet, SockType::Datagram, flags, all).unwrap();
                    setsockopt(&tap, sockopt::RcvBuf, &4_000_000).unwrap();
                    tap
                })
            })
            .collect();
        let wire = Wire::open(&net, ports, bridges);
        Self { net, ids, taps, wire }
    }

    fn predict(&self, shot: &Shot) -> Path {
        let node = self.net.live();
        let packet = Packet {
            tuple: shot.tuple,
            is_answer: false,
            icmp: packet::echo(shot.tuple.protocol, false),
            mark: 0,
            tos: 0,
            ttl: 64,
            length: shot.length(),
            uid: Some(0),
        };
        let (found, issues) = path(&[&node], &Question::new(Place { node: 0, netns: self.ids[0] }, packet));
        assert_eq!(issues, []);
        found
    }

    /// The errors that links saw since the last look.
    fn errors(&self) -> Frames {
        let mut frames = Frames::new();
        let mut buffer = [0u8; 4096];
        for (host, tap) in self.taps.iter().enumerate() {
            while let Ok((length, Some(from))) = recvfrom::<LinkAddr>(tap.as_raw_fd(), &mut buffer) {
                let Some(packet) = decoded(&buffer[..length]) else { continue };
                let is_error = match packet.kind {
                    Kind::Error { .. } => true,
                    Kind::Tcp { flags, .. } => flags & 4 != 0,
                    _ => false,
                };
                if is_error {
                    let ifindex = u32::try_from(from.ifindex()).unwrap();
                    let ends = packet.ends;
                    // What an error quotes gives its ports; its addresses are its own.
                    frames.insert((host, ifindex, from.pkttype() == 4, ends.source, ends.destination));
                }
            }
        }
        frames
    }

    fn predicted(&self, found: &Path, course: &Course) -> Frames {
        let at = |place: usize| self.ids.iter().position(|id| *id == found.places[place].netns).unwrap();
        let frames = course.error.iter().filter_map(|step| match &step.what {
            StepKind::Out { link, tuple } => {
                Some((at(step.place), link.ifindex.0, true, tuple.source, tuple.destination))
            }
            StepKind::In { link, tuple } => {
                Some((at(step.place), link.ifindex.0, false, tuple.source, tuple.destination))
            }
            _ => None,
        });
        frames.collect()
    }
}

fn shot(text: &str, port: u16) -> Shot {
    let words: Vec<&str> = text.split(' ').collect();
    let [protocol, destination, to, length] = words[..] else { panic!("{text}") };
    let destination: IpAddr = destination.parse().unwrap();
    let length: usize = length.parse().unwrap();
    let six = destination.is_ipv6();
    let protocol = match protocol {
        "tcp" => 6,
        "udp" => 17,
        _ if six => 58,
        _ => 1,
    };
    let to: u16 = if protocol == 6 || protocol == 17 { to.parse().unwrap() } else { port };
    let source = if six { "::" } else { "0.0.0.0" }.parse().unwrap();
    let tuple = Tuple { source, destination, protocol, source_port: Some(port), destination_port: Some(to) };
    Shot { from: 0, tuple, mark: 0, tos: 0, uid: 0, more: length.saturating_sub(if six { 56 } else { 36 }) }
}

fn verdict(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Answered => "answered",
        Verdict::Unanswered { .. } => "unanswered",
        Verdict::Dropped { .. } => "dropped",
        Verdict::Rejected { .. } => "rejected",
        Verdict::Varies { .. } => "varies",
        Verdict::Unknown { .. } => "unknown",
    }
}

/// A connection that is really made: TCP hears of some errors only at its second SYN.
fn connects(net: &Net, to: SocketAddr) -> Result<(), Errno> {
    let wait = Duration::from_millis(2600);
    net.within(0, || match TcpStream::connect_timeout(&to, wait) {
        Ok(_) => Ok(()),
        Err(error) => Err(error.raw_os_error().map_or(Errno::ETIMEDOUT, Errno::from_raw)),
    })
}

fn run(cases: &[Case]) {
    run_on(&row(), cases);
}

/// The same of another network; its packets are sent by h0.
pub fn run_on(network: &str, cases: &[Case]) {
    let mut wrong = String::new();
    for Case { name, more, shots } in cases {
        let real = Real::build(&(network.to_owned() + more));
        // The first packets find out who is on the links.
        for (number, (text, ..)) in shots.iter().enumerate() {
            let short = format!("{} 60", text.rsplit_once(' ').unwrap().0);
            real.wire.shoot(&real.net, &shot(&short, 30_000 + u16::try_from(number).unwrap()), usize::MAX);
        }
        for (number, (text, expected, sees)) in shots.iter().enumerate() {
            let shot = shot(text, 20_000 + u16::try_from(number).unwrap());
            let found = real.predict(&shot);
            real.errors();
            let watched = real.wire.shoot(&real.net, &shot, usize::MAX);
            let mut told = String::new();
            let course = &found.courses[0];
            if verdict(&found.verdict) != *expected || found.courses.len() != 1 {
                writeln!(told, "  not {expected}: {:?} ({} courses)", found.verdict, found.courses.len()).unwrap();
            }
            let error = course.sees.as_ref().map_or("?", |sees| sees.error.as_deref().unwrap_or("-"));
            if *sees != "*" && error != *sees {
                writeln!(told, "  sees {error} and not {sees}").unwrap();
            }
            if !hears(course, &watched.heard) {
                writeln!(told, "  heard {:?}, podnet {:?}", watched.heard, course.sees).unwrap();
            }
            let (seen, wanted) = (real.errors(), real.predicted(&found, course));
            // An error about the answer goes to whom it came from, and is not followed.
            if seen != wanted && *expected != "unanswered" {
                writeln!(told, "  errors: predicted {wanted:?}\n  seen {seen:?}").unwrap();
            }
            if shot.tuple.protocol == 6 {
                let to = SocketAddr::new(shot.tuple.destination, shot.tuple.destination_port.unwrap());
                let real = connects(&real.net, to);
                let fits = match (error, real) {
                    ("?", real) => real.is_ok() == (*expected == "answered"),
                    ("-" | "ETIMEDOUT", real) => real == Err(Errno::ETIMEDOUT),
                    (name, real) => real == Err(named(name)),
                };
                if !fits {
                    writeln!(told, "  connect: {real:?}, podnet {error}").unwrap();
                }
            }
            if !told.is_empty() {
                writeln!(wrong, "{name}: {text}\n{told}  {:?}", found.verdict).unwrap();
                for step in course.there.iter().chain(&course.error) {
                    writeln!(
                        wrong,
                        "    {} {}",
                        found.places[step.place].name,
                        serde_json::to_string(&step.what).unwrap()
                    )
                    .unwrap();
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn what_is_too_long_for_its_way() {
    run(&[
        Case {
            name: "a link behind a router",
            more: "@h1 ip\nlink set d1 mtu 1300\n@h2 ip\nlink set u2 mtu 1300\n",
            shots: &[
                ("udp 10.3.0.2 80 1400", "rejected", "EMSGSIZE"),
                ("udp fd00:3::2 80 1400", "rejected", "EMSGSIZE"),
                ("echo fd00:2::2 0 1400", "rejected", "-"),
                ("udp 10.2.0.2 80 1300", "answered", "?"),
                ("tcp 10.3.0.2 80 60", "answered", "?"),
                // What it has learned: it splits what it sends, and the answers are too long for their way.
                ("udp 10.3.0.2 80 1400", "unanswered", "?"),
                ("udp fd00:3::2 80 1400", "unanswered", "?"),
                // By a router's error of the answer its sender learns too.
                ("udp 10.3.0.2 80 1400", "answered", "?"),
                ("udp fd00:3::2 80 1400", "answered", "?"),
            ],
        },
        Case {
            name: "a route's MTU",
            more: "@h1 ip\nroute replace 10.3.0.0/24 via 10.2.0.2 mtu 1250\n\
                   route replace fd00:3::/64 via fd00:2::2 mtu 1290\n",
            shots: &[
                ("udp 10.3.0.2 80 1260", "rejected", "EMSGSIZE"),
                ("udp fd00:3::2 80 1400", "rejected", "EMSGSIZE"),
            ],
        },
        Case {
            name: "a route's locked MTU",
            more: "@h1 ip\nroute replace 10.3.0.0/24 via 10.2.0.2 mtu lock 1250\n\
                   route replace fd00:3::/64 via fd00:2::2 mtu lock 1290\n",
            shots: &[
                ("udp 10.3.0.2 80 1260", "rejected", "EMSGSIZE"),
                ("udp fd00:3::2 80 1400", "rejected", "EMSGSIZE"),
            ],
        },
        Case {
            name: "without DF",
            more: "@h0 sysctl\nipv4/ip_no_pmtu_disc=1\n@h3 sysctl\nipv4/ip_no_pmtu_disc=1\n\
                   @h1 ip\nlink set d1 mtu 1300\n@h2 ip\nlink set u2 mtu 1300\n",
            shots: &[("udp 10.3.0.2 80 1400", "answered", "?"), ("echo 10.3.0.2 0 1400", "answered", "?")],
        },
        Case {
            name: "a pair of which one end takes less",
            more: "@h1 ip\nlink set u1 mtu 1400\n",
            shots: &[
                ("udp 10.1.0.2 80 1405", "dropped", "-"),
                ("udp fd00:1::2 80 1405", "dropped", "-"),
                ("udp 10.3.0.2 80 1404", "unanswered", "?"),
            ],
        },
        Case {
            name: "the sender's own link",
            more: "@h0 ip\nlink set d0 mtu 1300\n@h1 ip\nlink set u1 mtu 1300\n",
            shots: &[("udp 10.2.0.1 80 1400", "answered", "?"), ("udp fd00:2::1 80 1400", "answered", "?")],
        },
    ]);
}

#[test]
fn errors_on_their_way_back() {
    run(&[
        Case {
            name: "refused by routes and sockets",
            more: "@h1 ip\nroute add unreachable 10.7.0.0/24\nroute add prohibit 10.8.0.0/24\n\
                   route add unreachable fd00:7::/64\nroute add prohibit fd00:8::/64\n\
                   @h0 ip\nroute add default via 10.1.0.2\nroute add default via fd00:1::2\n",
            shots: &[
                ("udp 10.3.0.2 7 60", "rejected", "ECONNREFUSED"),
                ("udp fd00:3::2 7 80", "rejected", "ECONNREFUSED"),
                ("tcp 10.3.0.2 7 60", "rejected", "ECONNREFUSED"),
                ("tcp fd00:3::2 7 80", "rejected", "ECONNREFUSED"),
                ("udp 10.8.0.1 80 60", "rejected", "EHOSTUNREACH"),
                ("udp fd00:8::1 80 80", "rejected", "EACCES"),
                ("udp 10.7.0.1 80 60", "rejected", "-"),
                ("udp fd00:7::1 80 80", "rejected", "-"),
                ("tcp fd00:9::1 80 80", "rejected", "ENETUNREACH"),
            ],
        },
        Case {
            name: "rejected behind a router that masquerades and one that translates",
            more: "@h1 iptables-nft-restore\n*nat\n-A POSTROUTING -o d1 -j MASQUERADE\n\
                   -A PREROUTING -d 10.9.0.1 -j DNAT --to-destination 10.3.0.2\nCOMMIT\n\
                   @h1 ip6tables-nft-restore\n*nat\n-A POSTROUTING -o d1 -j MASQUERADE\n\
                   -A PREROUTING -d fd00:9::1 -j DNAT --to-destination fd00:3::2\nCOMMIT\n\
                   @h0 ip\nroute add default via 10.1.0.2\nroute add default via fd00:1::2\n\
                   @h2 iptables-nft-restore\n*filter\n-A FORWARD -p udp --dport 443 -j REJECT --reject-with icmp-host-prohibited\n\
                   -A FORWARD -p tcp --dport 443 -j REJECT --reject-with tcp-reset\n\
                   -A FORWARD -p tcp --dport 8080 -j REJECT --reject-with icmp-admin-prohibited\n\
                   -A FORWARD -p icmp -m icmp --icmp-type 8 -j REJECT --reject-with icmp-net-prohibited\nCOMMIT\n\
                   @h2 ip6tables-nft-restore\n*filter\n-A FORWARD -p udp --dport 443 -j REJECT --reject-with icmp6-adm-prohibited\n\
                   -A FORWARD -p tcp --dport 443 -j REJECT --reject-with tcp-reset\nCOMMIT\n",
            shots: &[
                ("udp 10.3.0.2 443 60", "rejected", "EHOSTUNREACH"),
                ("udp 10.9.0.1 443 60", "rejected", "EHOSTUNREACH"),
                ("udp fd00:9::1 443 80", "rejected", "EACCES"),
                ("tcp 10.9.0.1 443 60", "rejected", "ECONNREFUSED"),
                ("tcp fd00:9::1 443 80", "rejected", "ECONNREFUSED"),
                ("tcp 10.9.0.1 8080 60", "rejected", "EHOSTUNREACH"),
                ("echo 10.9.0.1 0 60", "rejected", "ENETUNREACH"),
                ("udp 10.9.0.1 7 60", "rejected", "ECONNREFUSED"),
                ("udp 10.3.0.77 80 60", "rejected", "-"),
                ("tcp 10.3.0.77 80 60", "rejected", "EHOSTUNREACH"),
                ("udp fd00:3::77 80 80", "rejected", "-"),
                ("tcp 10.9.0.1 80 60", "answered", "?"),
            ],
        },
        Case {
            name: "rejected before it is translated, by the router itself",
            more: "@h1 nft -f -\ntable inet t {\n    chain before {\n        type nat hook prerouting priority dstnat;\n\
                   \x20       ip daddr 10.9.0.1 dnat ip to 10.3.0.2\n    }\n    chain behind {\n\
                   \x20       type nat hook postrouting priority srcnat;\n        oifname \"d1\" masquerade\n    }\n\
                   \x20   chain f {\n        type filter hook forward priority 0;\n\
                   \x20       udp dport 443 reject with icmpx port-unreachable\n\
                   \x20       tcp dport 443 reject with tcp reset\n        tcp dport 80 reject with icmpx host-unreachable\n    }\n}\n\
                   @h0 ip\nroute add default via 10.1.0.2\n",
            shots: &[
                ("udp 10.9.0.1 443 60", "rejected", "ECONNREFUSED"),
                ("tcp 10.9.0.1 443 60", "rejected", "ECONNREFUSED"),
                ("tcp 10.9.0.1 80 60", "rejected", "EHOSTUNREACH"),
                ("udp fd00:3::2 443 80", "rejected", "ECONNREFUSED"),
            ],
        },
    ]);
}

#[test]
fn errors_that_do_not_come_back_or_at_once() {
    run(&[
        Case {
            name: "errors that get lost",
            more: "@h1 iptables-nft-restore\n*filter\n-A FORWARD -p icmp -m conntrack --ctstate RELATED -j DROP\n\
                   -A FORWARD -p tcp --tcp-flags RST RST -j DROP\nCOMMIT\n\
                   @h1 ip6tables-nft-restore\n*filter\n-A FORWARD -p ipv6-icmp --icmpv6-type destination-unreachable -j DROP\nCOMMIT\n\
                   @h2 ip\nroute add prohibit 10.8.0.0/24\n\
                   @h1 ip\nroute add 10.8.0.0/24 via 10.2.0.2\n@h0 ip\nroute add default via 10.1.0.2\n",
            shots: &[
                ("udp 10.3.0.2 7 60", "dropped", "-"),
                ("udp fd00:3::2 7 80", "dropped", "-"),
                ("tcp 10.3.0.2 7 60", "dropped", "ETIMEDOUT"),
                ("udp 10.8.0.2 7 60", "dropped", "-"),
                ("udp 10.1.0.2 7 60", "rejected", "ECONNREFUSED"),
            ],
        },
        Case {
            name: "without a way back",
            more: "@h2 ip\nroute del 10.1.0.0/24\nroute del fd00:1::/64\n@h1 ip\nlink set d1 mtu 1400\n@h2 ip\nlink set u2 mtu 1300\n",
            shots: &[
                ("udp 10.2.0.2 7 60", "dropped", "-"),
                ("udp fd00:2::2 7 80", "dropped", "-"),
                ("udp 10.2.0.2 80 1350", "dropped", "-"),
            ],
        },
        Case {
            name: "what is sent is rejected at once",
            more: "@h0 iptables-nft-restore\n*filter\n-A OUTPUT -p udp --dport 443 -j REJECT\n-A OUTPUT -p udp --dport 80 -j DROP\n\
                   -A OUTPUT -p tcp --dport 443 -j REJECT\n-A OUTPUT -p tcp --dport 80 -j REJECT --reject-with tcp-reset\nCOMMIT\n\
                   @h0 ip6tables-nft-restore\n*filter\n-A OUTPUT -p udp --dport 443 -j REJECT\n-A OUTPUT -p udp --dport 80 -j DROP\nCOMMIT\n",
            shots: &[
                ("udp 10.3.0.2 443 60", "rejected", "EPERM"),
                ("udp 10.3.0.2 80 60", "dropped", "EPERM"),
                ("udp fd00:3::2 443 80", "rejected", "EPERM"),
                ("udp fd00:3::2 80 80", "dropped", "EPERM"),
                ("tcp 10.3.0.2 443 60", "rejected", "ECONNREFUSED"),
                ("tcp 10.3.0.2 80 60", "rejected", "ECONNREFUSED"),
                ("udp 10.5.0.2 80 60", "rejected", "ENETUNREACH"),
                ("udp 10.1.0.77 5300 60", "rejected", "-"),
            ],
        },
        Case {
            name: "rejected within a bridge",
            more: "@h1 ip\nlink add br0 type bridge\nlink set br0 up\nlink set u1 master br0\nlink set d1 master br0\n\
                   addr flush dev u1\naddr flush dev d1\naddr add 10.1.0.9/24 dev br0\n\
                   @h2 ip\nroute del 10.1.0.0/24\naddr add 10.1.0.3/24 dev u2\n@h1 sysctl\nbridge/bridge-nf-call-iptables=1\n\
                   @h1 iptables-nft-restore\n*filter\n-A FORWARD -p udp --dport 443 -j REJECT\n\
                   -A FORWARD -p tcp --dport 443 -j REJECT --reject-with tcp-reset\n\
                   -A FORWARD -p tcp --dport 80 -j REJECT\n-A OUTPUT -j ACCEPT\nCOMMIT\n",
            shots: &[
                ("udp 10.1.0.3 443 60", "rejected", "ECONNREFUSED"),
                ("tcp 10.1.0.3 443 60", "rejected", "ECONNREFUSED"),
                ("tcp 10.1.0.3 80 60", "rejected", "ECONNREFUSED"),
                ("udp 10.1.0.3 7 60", "rejected", "ECONNREFUSED"),
            ],
        },
    ]);
}
