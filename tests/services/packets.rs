//! What the kernel does with packets to a service in its rules, and what podnet says of them: SCTP, and load
//! balancers whose clients are limited beside a node port.

use std::time::{Duration, Instant};

use podnet::analyze::services::types::ServicePort;
use podnet::analyze::services::{ServicesQuery, services};

use crate::line::Line;
use crate::restored::{feed, live};

const LIMITED: &str = "\
*nat
:KUBE-SERVICES - [0:0]
:KUBE-NODEPORTS - [0:0]
:KUBE-MARK-MASQ - [0:0]
:KUBE-SVC-AAAAAAAAAAAAAAAA - [0:0]
:KUBE-EXT-AAAAAAAAAAAAAAAA - [0:0]
:KUBE-FW-AAAAAAAAAAAAAAAA - [0:0]
:KUBE-SEP-AAAAAAAAAAAAAAAA - [0:0]
-A PREROUTING -m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES
-A OUTPUT -m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES
-A KUBE-SERVICES -d 10.32.0.95/32 -p PROTO -m comment --comment \"default/limited cluster IP\" -m PROTO --dport 7777 -j KUBE-SVC-AAAAAAAAAAAAAAAA
-A KUBE-SERVICES -d 198.51.100.7/32 -p PROTO -m comment --comment \"default/limited loadbalancer IP\" -m PROTO --dport 7777 -j KUBE-FW-AAAAAAAAAAAAAAAA
-A KUBE-SERVICES -m comment --comment \"kubernetes service nodeports; NOTE: this must be the last rule in this chain\" -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS
-A KUBE-NODEPORTS -p PROTO -m comment --comment \"default/limited\" -m PROTO --dport 30777 -j KUBE-EXT-AAAAAAAAAAAAAAAA
-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000
-A KUBE-EXT-AAAAAAAAAAAAAAAA -m comment --comment \"masquerade traffic for default/limited external destinations\" -j KUBE-MARK-MASQ
-A KUBE-EXT-AAAAAAAAAAAAAAAA -j KUBE-SVC-AAAAAAAAAAAAAAAA
-A KUBE-FW-AAAAAAAAAAAAAAAA -s 192.0.2.1/32 -m comment --comment \"default/limited loadbalancer IP\" -j KUBE-EXT-AAAAAAAAAAAAAAAA
-A KUBE-FW-AAAAAAAAAAAAAAAA -m comment --comment \"other traffic to default/limited will be dropped by KUBE-PROXY-FIREWALL\"
-A KUBE-SVC-AAAAAAAAAAAAAAAA -m comment --comment \"default/limited -> 10.200.0.34:7777\" -j KUBE-SEP-AAAAAAAAAAAAAAAA
-A KUBE-SEP-AAAAAAAAAAAAAAAA -s 10.200.0.34/32 -m comment --comment \"default/limited\" -j KUBE-MARK-MASQ
-A KUBE-SEP-AAAAAAAAAAAAAAAA -p PROTO -m comment --comment \"default/limited\" -m PROTO -j DNAT --to-destination 10.200.0.34:7777
COMMIT
*filter
:KUBE-PROXY-FIREWALL - [0:0]
-A INPUT -m conntrack --ctstate NEW -m comment --comment \"kubernetes load balancer firewall\" -j KUBE-PROXY-FIREWALL
-A FORWARD -m conntrack --ctstate NEW -m comment --comment \"kubernetes load balancer firewall\" -j KUBE-PROXY-FIREWALL
-A OUTPUT -m conntrack --ctstate NEW -m comment --comment \"kubernetes load balancer firewall\" -j KUBE-PROXY-FIREWALL
-A KUBE-PROXY-FIREWALL -d 198.51.100.7/32 -p PROTO -m comment --comment \"default/limited traffic not accepted by KUBE-FW-AAAAAAAAAAAAAAAA\" -m PROTO --dport 7777 -j DROP
COMMIT
";

impl Line {
    fn limited(back_end: &str, protocol: &str) -> Self {
        let line = Self::new();
        let node = &line.node;
        let rules = LIMITED.replace("PROTO", protocol);
        feed(node, &[&format!("iptables-{back_end}-restore")], &rules);
        line
    }

    /// Which endpoint gets what the client sends from an address: `10.200.0.34:7777`, or nothing.
    fn gets(&self, protocol: &str, from: &str, to: &str) -> Option<String> {
        let deadline = Instant::now() + Duration::from_secs(20);
        let listening = std::process::Command::new("ip")
            .args(["netns", "exec", &self.endpoint.name, "python3", "-c", LISTEN, protocol])
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let pid = listening.id();
        let is_open = || {
            let path = format!("/proc/{pid}/net/raw");
            std::fs::read_to_string(path).is_ok_and(|text| text.lines().count() > 1)
        };
        while !is_open() {
            assert!(Instant::now() < deadline, "nobody listens");
            std::thread::yield_now();
        }
        feed(&self.client, &["python3", "-c", SEND, protocol, from, to], "");
        let output = listening.wait_with_output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().next().map(str::to_owned)
    }

    fn told_of_limited(&self) -> ServicePort {
        let query = ServicesQuery { text: Some("default/limited".to_owned()), ..ServicesQuery::default() };
        let mut answer = services(&[&live(&self.node)], &query).unwrap();
        assert_eq!(answer.data.services.len(), 1);
        answer.data.services.remove(0)
    }
}

/// Says to which address and port the first packet of a client's came; nothing after a second without.
const LISTEN: &str = r#"
import socket, struct, sys
line = socket.socket(socket.AF_INET, socket.SOCK_RAW, {"sctp": 132, "udp": 17}[sys.argv[1]])
line.settimeout(1.5)
try:
    packet = line.recv(2000)
    head = (packet[0] & 15) * 4
    print("%s:%d" % (socket.inet_ntoa(packet[16:20]), struct.unpack_from("!H", packet, head + 2)[0]))
except TimeoutError:
    pass
"#;

/// Sends an INIT, or a datagram.
const SEND: &str = r#"
import socket, struct, sys
protocol, source, to = sys.argv[1:]
address, port = to.split(":")
def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff
if protocol == "udp":
    line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    line.bind((source, 0))
    line.sendto(b"hello", (address, int(port)))
else:
    line = socket.socket(socket.AF_INET, socket.SOCK_RAW, 132)
    line.bind((source, 0))
    chunk = struct.pack("!BBHIIHHI", 1, 0, 20, 7, 65536, 1, 1, 1)
    head = lambda check: struct.pack("!HHI", 40000, int(port), 0) + check
    packet = head(b"")+ b"\0\0\0\0" + chunk
    check = struct.pack("<I", crc32c(packet))
    line.sendto(head(check) + chunk, (address, 0))
"#;

#[test]
fn limited_load_balancers_sctp_and_node_ports_are_as_packets_meet_them() {
    for (back_end, protocol) in [("nft", "udp"), ("nft", "sctp"), ("legacy", "udp"), ("legacy", "sctp")] {
        let line = Line::limited(back_end, protocol);
        let what = format!("{back_end}, {protocol}");
        let gets = |from: &str, to: &str| line.gets(protocol, from, to);
        let endpoint = Some("10.200.0.34:7777".to_owned());
        for (from, to, expected) in [
            ("192.0.2.1", "10.32.0.95:7777", &endpoint),
            // The limit is the load balancer's alone: a node port is open to everybody.
            ("192.0.2.1", "198.51.100.7:7777", &endpoint),
            ("192.0.2.2", "198.51.100.7:7777", &None),
            ("192.0.2.2", "192.0.2.254:30777", &endpoint),
        ] {
            assert_eq!(gets(from, to), *expected, "{what}: {from} to {to}");
        }
        let port = line.told_of_limited();
        let words = |addresses: Vec<String>| addresses.join(" ");
        assert_eq!(port.protocol.map(|protocol| protocol.to_string()).as_deref(), Some(protocol));
        assert_eq!(
            words(port.endpoints.iter().map(|one| format!("{}:{}", one.address, one.port)).collect()),
            "10.200.0.34:7777",
            "{what}"
        );
        assert_eq!(
            words(port.source_ranges.iter().map(|range| range.range.to_string()).collect()),
            "192.0.2.1/32",
            "{what}"
        );
        assert_eq!(port.node_port.as_ref().map(|node_port| node_port.port), Some(30777), "{what}");
        assert!(port.node_port.as_ref().is_some_and(|node_port| node_port.refusals.is_empty()), "{what}");
        assert!(port.whole, "{what}");
        // Three first packets came by, as the kernel counted them.
        assert_eq!(port.endpoints.first().and_then(|one| one.first_packets), Some(3), "{what}");
    }
}
