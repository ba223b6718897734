//! Fields that only packets fill: counters, times, helpers, zones and marks of rules, expected flows, statistics.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::{Command, Stdio};

use podnet::model::flow::filter::FlowFilter;
use podnet::model::flow::status::Status;
use podnet::model::flow::tuple::{Tuple, Zone, ZoneDirection};
use podnet::sys::netns::NsThread;

use crate::fields::compare;
use crate::oracle::{conntrack, listed};
use crate::table::{open, read, told};
use crate::testbed::Netns;

const RULES: &str = "table inet t {
  ct helper f { type \"ftp\" protocol tcp; }
  chain raw { type filter hook output priority -300; udp dport 99 ct zone set 5; udp dport 98 ct original zone set 6; }
  chain out { type filter hook output priority 0; tcp dport 21 ct helper set \"f\"; ct mark set 7; ct label set 5; }
}
table ip n {
  chain post { type nat hook postrouting priority 100; ip saddr 10.99.99.100 snat to 10.9.0.1; }
}
";

const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 99, 99, 100);
const MASQUERADE: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 2);

fn netns() -> Netns {
    let netns = Netns::new();
    // Who connects to the server comes from the client's address, and the server's data from its own.
    netns.ip("addr add 10.9.0.1/32 dev lo
addr add 10.9.0.2/32 dev lo
addr add 10.99.99.100/32 dev lo
route replace local 10.9.0.2 dev lo table local proto kernel scope host src 10.99.99.100
route replace local 10.9.0.1 dev lo table local proto kernel scope host src 10.9.0.2
");
    netns.exec("sysctl", &["-qw", "net.netfilter.nf_conntrack_acct=1", "net.netfilter.nf_conntrack_timestamp=1"]);
    let mut nft = Command::new("ip")
        .args(["netns", "exec", &netns.name, "nft", "-f", "-"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    nft.stdin.take().unwrap().write_all(RULES.as_bytes()).unwrap();
    assert!(nft.wait().unwrap().success());
    netns
}

fn within<T: Send + 'static>(netns: &Netns, open: impl FnOnce() -> std::io::Result<T> + Send + 'static) -> T {
    NsThread::spawn().unwrap().within(netns.handle().file, open).unwrap()
}

fn line(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    while text.last() != Some(&b'\n') {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        text.push(byte[0]);
    }
    String::from_utf8(text).unwrap()
}

/// A conversation with FTP through a NAT that changes the length of what is said.
#[test]
fn what_packets_leave_in_a_flow() {
    let netns = netns();
    let listener = within(&netns, || TcpListener::bind((SERVER, 21)));
    let mut client = within(&netns, || TcpStream::connect((SERVER, 21)));
    let (mut server, peer) = listener.accept().unwrap();
    assert_eq!(peer.ip(), MASQUERADE);
    client.write_all(b"USER x\r\n").unwrap();
    line(&mut server);
    client.write_all(b"PORT 10,99,99,100,200,10\r\n").unwrap();
    assert_eq!(line(&mut server), "PORT 10,9,0,1,200,10\r\n", "the kernel's helper reads along");

    // What is expected now.
    let namespace = open(&netns);
    let expected = namespace.expectations();
    assert_eq!(expected.issues, []);
    let [expectation] = expected.value.as_slice() else { panic!("{expected:?}") };
    let said = conntrack(&netns, &["-L", "expect"]);
    let tell = |tuple: &Tuple| {
        let (src, dst) = (tuple.src_port().unwrap(), tuple.dst_port().unwrap());
        format!("src={} dst={} sport={src} dport={dst}", tuple.src, tuple.dst)
    };
    let port = client.local_addr().unwrap().port();
    assert!(said.contains(&tell(&expectation.tuple)), "{said} {expectation:?}");
    assert!(said.contains(&format!("mask-src={} mask-dst={}", expectation.mask.src, expectation.mask.dst)), "{said}");
    assert!(said.contains(&format!("master-{}", tell(&expectation.master).replace(" dst", " master-dst"))), "{said}");
    assert_eq!(tell(&expectation.master), format!("src={CLIENT} dst={SERVER} sport={port} dport=21"));
    assert!(said.contains("helper=ftp") && said.contains("class=0"), "{said}");
    assert_eq!(expectation.helper.as_ref().and_then(|name| name.as_str()), Some("ftp"));
    assert_eq!(expectation.function.as_ref().and_then(|name| name.as_str()), Some("nat-follow-master"));
    assert!(expectation.timeout_s <= 300 && expectation.timeout_s > 200);
    let (direction, to) = expectation.nat.expect("its NAT");
    // The helper keeps the port that was asked for; what it is translated to is found when the flow comes.
    assert_eq!((direction, to.src_port()), (1, Some(200 * 256 + 10)));
    assert_eq!(expectation.unknown, []);

    // And comes.
    let data = within(&netns, || TcpListener::bind((CLIENT, 200 * 256 + 10)));
    let mut sent = within(&netns, || TcpStream::connect((MASQUERADE, 200 * 256 + 10)));
    let (mut received, _) = data.accept().unwrap();
    sent.write_all(&[1; 500]).unwrap();
    received.read_exact(&mut [0; 500]).unwrap();
    let udp = within(&netns, || UdpSocket::bind((SERVER, 0)));
    for port in [99, 98] {
        udp.send_to(b"x", SocketAddr::from((SERVER, port))).unwrap();
    }

    let flows = read(&namespace, &[FlowFilter::default()]);
    let before: Vec<_> = listed(&netns, &[]).into_iter().map(|(words, _)| without_time(words)).collect();
    let ours: Vec<_> = told(&flows).into_iter().map(|(words, _)| without_time(words)).collect();
    assert_eq!(ours, before);
    let compared = compare(&netns);
    assert_eq!(compared.len(), 4);

    let find = |port| flows.iter().find(|flow| flow.original.dst_port() == Some(port)).unwrap();
    let control = find(21);
    let more = control.more.as_ref().unwrap();
    let moved = more.sequence_adjustment.unwrap();
    // Four characters fewer.
    assert_eq!((moved.original.unwrap().before, moved.original.unwrap().after), (0, -4));
    assert_eq!(more.helper.as_ref().unwrap().name.as_str(), Some("ftp"));
    assert_eq!(more.labels.as_ref().unwrap().0.iter().map(|byte| byte.count_ones()).sum::<u32>(), 1);
    let child = find(200 * 256 + 10);
    assert!(child.status.has(Status::EXPECTED | Status::DST_NAT));
    assert_eq!(child.more.as_ref().unwrap().master, Some(control.original));
    assert_eq!(find(99).zone, Zone { id: 5, direction: ZoneDirection::Both });
    assert_eq!(find(98).zone, Zone { id: 6, direction: ZoneDirection::Original });
    assert_eq!(find(98).counters.unwrap().original.packets, 1);
}

fn without_time(mut words: crate::oracle::Words) -> crate::oracle::Words {
    words.retain(|name, _| !name.ends_with("delta-time"));
    words
}

#[test]
fn statistics_are_the_kernels() {
    let netns = netns();
    let namespace = open(&netns);
    let udp = within(&netns, || UdpSocket::bind((SERVER, 0)));
    for port in 1000..1100 {
        udp.send_to(b"x", SocketAddr::from((SERVER, port))).unwrap();
    }
    let read = namespace.flow_statistics();
    assert_eq!(read.issues, []);
    let ours = read.value;
    let mut said = Vec::new();
    for line in conntrack(&netns, &["-S"]).lines() {
        let counts = line.split_whitespace().map(|word| word.split_once('=').unwrap());
        said.push(counts.map(|(name, count)| (name.to_owned(), count.parse::<u64>().unwrap())).collect::<Vec<_>>());
    }
    let told: Vec<Vec<(String, u64)>> = ours
        .cpus
        .iter()
        .map(|cpu| {
            [
                ("cpu", u64::from(cpu.cpu)),
                ("found", cpu.found),
                ("invalid", cpu.invalid),
                ("insert", cpu.insert.unwrap()),
                ("insert_failed", cpu.insert_failed),
                ("drop", cpu.drop),
                ("early_drop", cpu.early_drop),
                ("error", cpu.error),
                ("search_restart", cpu.search_restart),
                ("clash_resolve", cpu.clash_resolve.unwrap()),
                ("chaintoolong", cpu.chain_too_long.unwrap()),
            ]
            .map(|(name, count)| (name.to_owned(), count))
            .to_vec()
        })
        .collect();
    assert_eq!(told, said);
    assert_eq!(ours.entries, Some(100));
    assert_eq!(conntrack(&netns, &["-C"]).trim(), "100");
    let sysctl = |name: &str| {
        let output = Command::new("ip")
            .args(["netns", "exec", &netns.name, "cat", &format!("/proc/sys/net/netfilter/{name}")])
            .output()
            .unwrap();
        Some(String::from_utf8(output.stdout).unwrap().trim().parse::<u64>().unwrap())
    };
    assert_eq!(ours.limit, sysctl("nf_conntrack_max"));
    assert_eq!(ours.buckets, sysctl("nf_conntrack_buckets"));
    assert_eq!(ours.expectations_limit, sysctl("nf_conntrack_expect_max"));
}
