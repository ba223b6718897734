//! Random flows of every kind, as lines for `conntrack -R`.

use std::fmt::Write as _;

/// A generator that gives the same numbers for the same seed (xorshift).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn pick<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[usize::try_from(self.below(words.len() as u64)).unwrap()]
    }
}

const TCP: [&str; 9] =
    ["SYN_SENT", "SYN_RECV", "ESTABLISHED", "FIN_WAIT", "CLOSE_WAIT", "LAST_ACK", "TIME_WAIT", "CLOSE", "SYN_SENT2"];
// `conntrack` 1.4.7 crashes on `HEARTBEAT_SENT`.
const SCTP: [&str; 7] =
    ["CLOSED", "COOKIE_WAIT", "COOKIE_ECHOED", "ESTABLISHED", "SHUTDOWN_SENT", "SHUTDOWN_RECD", "SHUTDOWN_ACK_SENT"];

/// So many different flows.
pub fn flows(count: u32, random: &mut Random) -> String {
    let mut lines = String::new();
    for number in 0..count {
        let line = flow(number, random);
        lines.push_str(&line);
        lines.push('\n');
    }
    lines
}

/// The number makes its tuples different from those of all others, in either direction.
fn flow(number: u32, random: &mut Random) -> String {
    let ipv6 = random.below(3) == 0;
    let [_, high, mid, low] = number.to_be_bytes();
    let address = |net: u32| {
        if ipv6 { format!("fd00:{net}::{high:x}:{mid:x}{low:02x}") } else { format!("10.{net}.{mid}.{low}") }
    };
    // The upper bits of the number stand in the other address.
    let net = random.below(20) * 8 + u64::from(high);
    let (src, dst) = (address(u32::try_from(net).unwrap()), address(200 + u32::from(high)));
    let (sport, dport) = (random.below(65_536), random.below(65_536));
    let mut line = format!("-A -t {} -s {src} -d {dst}", 1000 + random.below(400_000));
    let status = random.pick(&["UNSET", "SEEN_REPLY", "SEEN_REPLY,ASSURED", "ASSURED", "SEEN_REPLY,FIXED_TIMEOUT"]);
    let _ = write!(line, " -u {status}");
    let (back_src, back_dst) = (address(210), address(220));
    // The source, the destination, both or neither are translated.
    let (reply_src, reply_dst) = match random.below(4) {
        0 => (dst.clone(), src.clone()),
        1 => (dst.clone(), back_dst),
        2 => (back_src, src.clone()),
        _ => (back_src, back_dst),
    };
    let reply = format!(" -r {reply_src} -q {reply_dst}");
    let ports = format!(" --sport {sport} --dport {dport} --reply-port-src {dport} --reply-port-dst {sport}");
    let _ = match random.below(8) {
        0 | 1 => write!(line, "{reply} -p tcp{ports} --state {}", random.pick(&TCP)),
        2 => write!(line, "{reply} -p udp{ports}"),
        3 => write!(line, "{reply} -p udplite{ports}"),
        4 => {
            let (state, tags) = (random.pick(&SCTP), (random.next() >> 33, random.next() >> 33));
            write!(line, "{reply} -p sctp{ports} --state {state} --orig-vtag {} --reply-vtag {}", tags.0, tags.1)
        }
        5 if ipv6 => write!(line, " -p icmpv6 --icmpv6-type 128 --icmpv6-code 0 --icmpv6-id {sport}"),
        5 => {
            let kind = random.pick(&["8", "13", "15", "17"]);
            write!(line, " -p icmp --icmp-type {kind} --icmp-code {} --icmp-id {sport}", random.below(256))
        }
        6 => write!(line, " -p gre --srckey {sport:#x} --dstkey {dport:#x}"),
        _ => write!(line, "{reply} -p {}", random.pick(&["50", "51", "4", "99", "253"])),
    };
    if random.below(2) == 0 {
        let _ = write!(line, " -m {}", random.next() & 0xffff_ffff);
    }
    let zone = 1 + random.below(65_535);
    let _ = match random.below(8) {
        0 => write!(line, " -w {zone}"),
        1 => write!(line, " --orig-zone {zone}"),
        2 => write!(line, " --reply-zone {zone}"),
        _ => Ok(()),
    };
    line
}
