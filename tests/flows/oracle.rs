//! What `conntrack` tells of flows, and the same of what podnet read, as words by name.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::process::Command;

use podnet::model::flow::Flow;
use podnet::model::flow::protocol::{ProtocolState, SctpState, TcpState};
use podnet::model::flow::status::Status;
use podnet::model::flow::tuple::{Key, Tuple, ZoneDirection};

use crate::testbed::Netns;

/// Words of one flow by name; those of a direction begin with `orig.` or `reply.`.
pub type Words = BTreeMap<String, String>;

/// Runs `conntrack` in a namespace.
pub fn conntrack(netns: &Netns, args: &[&str]) -> String {
    let output = Command::new("ip").args(["netns", "exec", &netns.name, "conntrack"]).args(args).output().unwrap();
    assert!(output.status.success(), "conntrack {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Puts flows in, one a line, as `conntrack -R` takes them.
pub fn put(netns: &Netns, lines: &str) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), lines).unwrap();
    conntrack(netns, &["-R", file.path().to_str().unwrap()]);
}

/// All flows as `conntrack -L -o extended,id` tells them, sorted; seconds left apart.
pub fn listed(netns: &Netns, more: &[&str]) -> Vec<(Words, Option<u32>)> {
    let text = conntrack(netns, &[&["-L", "-o", "extended,id"], more].concat());
    let mut flows: Vec<_> = text.lines().map(words_of_line).collect();
    flows.sort();
    flows
}

fn words_of_line(line: &str) -> (Words, Option<u32>) {
    let mut words = Words::new();
    let mut rest = line.split_whitespace().peekable();
    words.insert("family".to_owned(), rest.next().unwrap().to_owned());
    rest.next();
    words.insert("name".to_owned(), rest.next().unwrap().to_owned());
    words.insert("protocol".to_owned(), rest.next().unwrap().to_owned());
    let timeout = rest.peek().and_then(|word| word.parse().ok());
    if timeout.is_some() {
        rest.next();
    }
    if rest.peek().is_some_and(|word| !word.contains('=')) {
        words.insert("state".to_owned(), rest.next().unwrap().to_owned());
    }
    let mut direction = "";
    for word in rest {
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        // ICMP has an id too: the flow's own comes after its uses.
        let own = match name {
            "mark" | "use" | "zone" | "zone-orig" | "zone-reply" | "helper" | "secctx" => true,
            "id" => words.contains_key("use"),
            _ => value.is_empty(),
        };
        if name == "src" {
            direction = if direction.is_empty() { "orig" } else { "reply" };
        }
        words.insert(if own { name.to_owned() } else { format!("{direction}.{name}") }, value.to_owned());
    }
    (words, timeout)
}

/// The same words of what podnet read.
pub fn words(flow: &Flow) -> (Words, Option<u32>) {
    let mut words = Words::new();
    let mut put = |name: &str, value: String| words.insert(name.to_owned(), value);
    put("family", if flow.original.src.is_ipv6() { "ipv6" } else { "ipv4" }.to_owned());
    put("name", name_of(flow.original.protocol).to_owned());
    put("protocol", flow.original.protocol.to_string());
    put("mark", flow.mark.expect("this kernel has marks").to_string());
    put("use", flow.uses.expect("a dump tells it").to_string());
    put("id", flow.id.to_string());
    if !flow.zone.is_default() {
        let name = match flow.zone.direction {
            ZoneDirection::Both => "zone",
            ZoneDirection::Original => "zone-orig",
            ZoneDirection::Reply => "zone-reply",
        };
        put(name, flow.zone.id.to_string());
    }
    if !flow.status.has(Status::SEEN_REPLY) {
        put("[UNREPLIED]", String::new());
    }
    if flow.status.has(Status::OFFLOAD) {
        put("[OFFLOAD]", String::new());
    } else if flow.status.has(Status::ASSURED) {
        put("[ASSURED]", String::new());
    }
    if let Some(state) = &flow.state {
        put("state", state_name(state));
    }
    if let Some(helper) = flow.more.as_ref().and_then(|more| more.helper.as_ref()) {
        put("helper", helper.name.to_string());
    }
    for (direction, tuple) in [("orig", &flow.original), ("reply", &flow.reply)] {
        for (name, value) in tuple_words(tuple) {
            put(&format!("{direction}.{name}"), value);
        }
        if let Some(counters) = flow.counters {
            let counted = if direction == "orig" { counters.original } else { counters.reply };
            put(&format!("{direction}.packets"), counted.packets.to_string());
            put(&format!("{direction}.bytes"), counted.bytes.to_string());
        }
    }
    (words, flow.timeout_s)
}

fn tuple_words(tuple: &Tuple) -> Vec<(&'static str, String)> {
    let mut words = vec![("src", address(tuple.src)), ("dst", address(tuple.dst))];
    match tuple.key {
        Key::Ports { src, dst } if tuple.protocol == 47 => {
            words.extend([("srckey", format!("{src:#x}")), ("dstkey", format!("{dst:#x}"))]);
        }
        Key::Ports { src, dst } => words.extend([("sport", src.to_string()), ("dport", dst.to_string())]),
        Key::Icmp { kind, code, id } => {
            words.extend([("type", kind.to_string()), ("code", code.to_string()), ("id", id.to_string())]);
        }
        // The program prints ports of every protocol it knows, also where the kernel tells none.
        Key::None if tuple.protocol == 33 => {
            words.extend([("sport", "0".to_owned()), ("dport", "0".to_owned())]);
        }
        Key::None => {}
    }
    words
}

fn address(address: IpAddr) -> String {
    address.to_string()
}

fn name_of(protocol: u8) -> &'static str {
    match protocol {
        1 => "icmp",
        6 => "tcp",
        17 => "udp",
        33 => "dccp",
        47 => "gre",
        58 => "icmpv6",
        132 => "sctp",
        136 => "udplite",
        _ => "unknown",
    }
}

fn state_name(state: &ProtocolState) -> String {
    let name = match state {
        ProtocolState::Tcp { state, .. } => match state {
            TcpState::None => "NONE",
            TcpState::SynSent => "SYN_SENT",
            TcpState::SynRecv => "SYN_RECV",
            TcpState::Established => "ESTABLISHED",
            TcpState::FinWait => "FIN_WAIT",
            TcpState::CloseWait => "CLOSE_WAIT",
            TcpState::LastAck => "LAST_ACK",
            TcpState::TimeWait => "TIME_WAIT",
            TcpState::Close => "CLOSE",
            TcpState::SynSent2 => "SYN_SENT2",
            TcpState::Other(number) => return number.to_string(),
        },
        ProtocolState::Sctp { state, .. } => match state {
            SctpState::None => "NONE",
            SctpState::Closed => "CLOSED",
            SctpState::CookieWait => "COOKIE_WAIT",
            SctpState::CookieEchoed => "COOKIE_ECHOED",
            SctpState::Established => "ESTABLISHED",
            SctpState::ShutdownSent => "SHUTDOWN_SENT",
            SctpState::ShutdownReceived => "SHUTDOWN_RECD",
            SctpState::ShutdownAckSent => "SHUTDOWN_ACK_SENT",
            SctpState::HeartbeatSent => "HEARTBEAT_SENT",
            SctpState::HeartbeatAcked => "HEARTBEAT_ACKED",
            SctpState::Other(number) => return number.to_string(),
        },
        ProtocolState::Dccp { .. } => "DCCP",
    };
    name.to_owned()
}
