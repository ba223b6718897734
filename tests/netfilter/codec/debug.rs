//! Rules and elements as `nft --debug=netlink` writes them (libnftnl 1.2.4), for the comparison alone.

use std::fmt::Write as _;

use podnet::model::netfilter::expr::{
    BitwiseOp, Compare, Data, Direction, Expr, Limit, Nat, NatKind, PayloadBase, Quota, Register, RegisterRange,
    Verdict,
};
use podnet::model::netfilter::rule::{Body, Rule};
use podnet::model::netfilter::set::Element;
use podnet::model::text::{ByteText, Bytes};

const META: [&str; 35] = [
    "len",
    "protocol",
    "priority",
    "mark",
    "iif",
    "oif",
    "iifname",
    "oifname",
    "iiftype",
    "oiftype",
    "skuid",
    "skgid",
    "nftrace",
    "rtclassid",
    "secmark",
    "nfproto",
    "l4proto",
    "bri_iifname",
    "bri_oifname",
    "pkttype",
    "cpu",
    "iifgroup",
    "oifgroup",
    "cgroup",
    "prandom",
    "secpath",
    "iifkind",
    "oifkind",
    "bri_iifpvid",
    "bri_iifvproto",
    "time",
    "day",
    "hour",
    "sdif",
    "sdifname",
];
const CT: [&str; 24] = [
    "state",
    "direction",
    "status",
    "mark",
    "secmark",
    "expiration",
    "helper",
    "l3protocol",
    "src",
    "dst",
    "protocol",
    "proto_src",
    "proto_dst",
    "label",
    "packets",
    "bytes",
    "avgpkt",
    "zone",
    "event",
    "src_ip",
    "dst_ip",
    "src_ip6",
    "dst_ip6",
    "unknown",
];

/// The lines of one rule, user data included.
pub fn rule(rule: &Rule) -> Vec<String> {
    let Body::Nft(exprs) = &rule.body else { return vec!["an xtables rule".into()] };
    let mut lines: Vec<String> = exprs.iter().map(|one| format!("[ {} ]", expr(one))).collect();
    lines.extend(user_data(rule.comment.as_ref(), &rule.user_data));
    lines
}

/// One element.
pub fn element(element: &Element) -> String {
    let mut text = format!("element {}", spaced(&element.key));
    if let Some(end) = &element.key_end {
        let _ = write!(text, " - {}", spaced(end));
    }
    text.push_str(" : ");
    match &element.data {
        Some(Data::Value(bytes)) => text.push_str(&spaced(bytes)),
        Some(Data::Verdict(found)) => {
            let _ = write!(text, "{} ", verdict(found));
        }
        None => {}
    }
    let flags = u32::from(element.interval_end) + 2 * u32::from(element.catch_all);
    let _ = write!(text, "{flags} [end]");
    if let Some(data) = user_data(element.comment.as_ref(), &element.user_data) {
        let _ = write!(text, "  {data}");
    }
    text
}

fn user_data(comment: Option<&ByteText>, rest: &Bytes) -> Option<String> {
    let mut bytes = Vec::new();
    if let Some(comment) = comment {
        bytes.extend([0, u8::try_from(comment.as_bytes().len() + 1).unwrap()]);
        bytes.extend(comment.as_bytes());
        bytes.push(0);
    }
    bytes.extend(&rest.0);
    let shown: String = bytes
        .iter()
        .map(|byte| if (0x20..0x7f).contains(byte) { char::from(*byte).to_string() } else { format!("\\x{byte:02x}") })
        .collect();
    (!bytes.is_empty()).then(|| format!("userdata = {{ {shown} }}"))
}

fn words(bytes: &Bytes) -> impl Iterator<Item = u32> {
    bytes.0.chunks(4).map(|chunk| {
        let mut word = [0; 4];
        word[..chunk.len()].copy_from_slice(chunk);
        u32::from_ne_bytes(word)
    })
}

fn spaced(bytes: &Bytes) -> String {
    words(bytes).fold(String::new(), |text, word| format!("{text}{word:08x} "))
}

fn value(bytes: &Bytes) -> String {
    words(bytes).map(|word| format!("{word:#010x}")).collect::<Vec<_>>().join(" ")
}

fn verdict(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Accept => "accept".into(),
        Verdict::Drop => "drop".into(),
        Verdict::Continue => "continue".into(),
        Verdict::Break => "break".into(),
        Verdict::Return => "return".into(),
        Verdict::Jump(chain) => format!("jump -> {chain}"),
        Verdict::Goto(chain) => format!("goto -> {chain}"),
        Verdict::Queue(_) => "queue".into(),
        Verdict::Other(code) => format!("unknown {code}"),
    }
}

fn base(base: PayloadBase) -> &'static str {
    match base {
        PayloadBase::Link => "link",
        PayloadBase::Network => "network",
        PayloadBase::Transport => "transport",
        PayloadBase::Inner => "inner",
        PayloadBase::Tunnel => "tunnel",
    }
}

fn compare(op: Compare) -> &'static str {
    match op {
        Compare::Eq => "eq",
        Compare::Neq => "neq",
        Compare::Lt => "lt",
        Compare::Lte => "lte",
        Compare::Gt => "gt",
        Compare::Gte => "gte",
    }
}

fn eq(not: bool) -> &'static str {
    if not { "neq" } else { "eq" }
}

/// ` name N` for what is there.
fn maybe(name: &str, register: Option<Register>) -> String {
    register.map(|register| format!(" {name} {}", register.0)).unwrap_or_default()
}

fn range(name: &str, range: RegisterRange) -> String {
    maybe(&format!("{name}_min reg"), range.min) + &maybe(&format!("{name}_max reg"), range.max)
}

/// ` name V` for what is not zero.
fn set(name: &str, value: u32) -> String {
    if value == 0 { String::new() } else { format!(" {name} {value}") }
}

fn flags(value: u32) -> String {
    if value == 0 { String::new() } else { format!(" flags {value:#x}") }
}

fn direction(direction: Option<Direction>) -> &'static str {
    match direction {
        None => "",
        Some(Direction::Original) => " , dir original",
        Some(Direction::Reply) => " , dir reply",
    }
}

fn limit(limit: &Limit) -> String {
    let unit = match limit.unit {
        1 => "second",
        60 => "minute",
        3600 => "hour",
        86_400 => "day",
        604_800 => "week",
        other => panic!("a unit of {other}"),
    };
    let kind = if limit.bytes { "bytes" } else { "packets" };
    let over = u32::from(limit.over);
    format!("limit rate {}/{unit} burst {} type {kind} flags {over:#x}", limit.rate, limit.burst)
}

fn quota(quota: &Quota) -> String {
    format!("quota bytes {} consumed {} flags {}", quota.bytes, quota.used, quota.flags)
}

fn nat(nat: &Nat) -> String {
    let family = match nat.family {
        Some(2) => " ip",
        Some(10) => " ip6",
        _ => "",
    };
    let name = match nat.kind {
        NatKind::Snat => "nat snat",
        NatKind::Dnat => "nat dnat",
        NatKind::Masquerade => "masq",
        NatKind::Redirect => "redir",
    };
    format!("{name}{family}{}{}{}", range("addr", nat.address), range("proto", nat.port), flags(nat.flags))
}

fn fib(result: u32, bits: u32) -> String {
    let names = ["saddr", "daddr", "mark", "iif", "oif"];
    let asked: Vec<&str> = (0..5).filter(|bit| bits & (1 << bit) != 0).map(|bit| names[bit]).collect();
    let result = ["", "oif", "oifname", "type"][usize::try_from(result).unwrap()];
    let present = if bits & 32 != 0 { " present" } else { "" };
    format!("fib {} {result}{present}", asked.join(" . "))
}

fn log(expr: &Expr) -> String {
    let Expr::Log { group, prefix, length, threshold, level, flags: bits } = expr else { panic!("{expr:?}") };
    let mut text = String::from("log");
    if let Some(prefix) = prefix {
        let _ = write!(text, " prefix {prefix}");
    }
    if let Some(group) = group {
        let _ = write!(text, " group {group} snaplen {}", length.unwrap_or_default());
        let _ = write!(text, " qthreshold {}", threshold.unwrap_or_default());
        return text;
    }
    let _ = write!(text, " level {}", level.unwrap_or_default());
    let names = ["tcpseq", "tcpopt", "ipopt", "uid", "nflog", "macdecode"];
    for (bit, name) in names.iter().enumerate() {
        if bits.unwrap_or_default() & (1 << bit) != 0 {
            let _ = write!(text, " {name}");
        }
    }
    text
}

fn number(table: &[&'static str], key: u32) -> &'static str {
    table[usize::try_from(key).unwrap()]
}

fn exthdr(to: Option<Register>, from: Option<Register>, parts: (u8, u32, u32, u32, u32)) -> String {
    let (kind, offset, length, bits, op) = parts;
    // libnftnl 1.2.4 has no name for SCTP's chunks and DCCP's options.
    let sort = [" ipv6", " tcpopt", " ipv4", "", ""][usize::try_from(op).unwrap()];
    let present = if bits & 1 != 0 { " present" } else { "" };
    match (to, from) {
        (Some(to), _) => format!("exthdr load{sort} {length}b @ {kind} + {offset}{present} => reg {}", to.0),
        (None, Some(from)) => format!("exthdr write{sort} reg {} => {length}b @ {kind} + {offset}", from.0),
        (None, None) => format!("exthdr reset{sort} {kind}"),
    }
}

fn bitwise(from: Register, to: Register, op: &BitwiseOp) -> String {
    let inner = match op {
        BitwiseOp::MaskXor { mask, xor } => {
            return format!("bitwise reg {} = ( reg {} & {} ) ^ {}", to.0, from.0, value(mask), value(xor));
        }
        BitwiseOp::ShiftLeft(bits) => format!("<< {bits:#010x}"),
        BitwiseOp::ShiftRight(bits) => format!(">> {bits:#010x}"),
        BitwiseOp::Registers { op, other } => format!("{op} reg {}", other.0),
    };
    format!("bitwise reg {} = ( reg {} {inner} )", to.0, from.0)
}

/// What stands between the brackets; of an expression that is not decoded its name.
#[allow(clippy::too_many_lines, reason = "one line an expression")]
pub fn expr(expr: &Expr) -> String {
    match expr {
        Expr::Immediate { to, data: Data::Value(bytes) } => format!("immediate reg {} {}", to.0, value(bytes)),
        Expr::Immediate { to, data: Data::Verdict(found) } => format!("immediate reg {} {}", to.0, verdict(found)),
        Expr::Cmp { from, op, value: bytes } => format!("cmp {} reg {} {}", compare(*op), from.0, value(bytes)),
        Expr::Range { from, not, min, max } => {
            format!("range {} reg {} {} {}", eq(*not), from.0, value(min), value(max))
        }
        Expr::Bitwise { from, to, length: _, op } => bitwise(*from, *to, op),
        Expr::Byteorder { from, to, to_network, length, size } => {
            let op = if *to_network { "hton" } else { "ntoh" };
            format!("byteorder reg {} = {op}(reg {}, {size}, {length})", to.0, from.0)
        }
        Expr::Payload { to, base: at, offset, length } => {
            format!("payload load {length}b @ {} header + {offset} => reg {}", base(*at), to.0)
        }
        Expr::PayloadSet { from, base: at, offset, length, checksum, checksum_offset, checksum_flags } => format!(
            "payload write reg {} => {length}b @ {} header + {offset} csum_type {checksum} csum_off {checksum_offset} csum_flags {checksum_flags:#x}",
            from.0,
            base(*at)
        ),
        Expr::Meta { to, key } => format!("meta load {} => reg {}", number(&META, *key), to.0),
        Expr::MetaSet { from, key } => format!("meta set {} with reg {}", number(&META, *key), from.0),
        Expr::Ct { to, key, direction: asked } => {
            format!("ct load {} => reg {}{}", number(&CT, *key), to.0, direction(*asked))
        }
        Expr::CtSet { from, key, direction: asked } => {
            format!("ct set {} with reg {}{}", number(&CT, *key), from.0, direction(*asked))
        }
        Expr::Fib { to, result, flags } => format!("{} => reg {}", fib(*result, *flags), to.0),
        Expr::Rt { to, key } => {
            let name = number(&["classid", "nexthop4", "nexthop6", "tcpmss", "ipsec"], *key);
            format!("rt load {name} => reg {}", to.0)
        }
        Expr::Lookup { set, from, to, not } => {
            format!("lookup reg {} set {set}{} {:#x}", from.0, maybe("dreg", *to), u32::from(*not))
        }
        Expr::Dynset { set, op, key, data, timeout_ms, not: _, exprs } => {
            let op = ["add", "update", "delete"][usize::try_from(*op).unwrap()];
            let inner =
                exprs.iter().fold(String::new(), |text, inner| format!("{text} expr [ {} ]", self::expr(inner)));
            let timeout = timeout_ms.unwrap_or_default();
            format!("dynset {op} reg_key {} set {set}{} timeout {timeout}ms{inner}", key.0, maybe("sreg_data", *data))
        }
        Expr::Numgen { to, modulus, random, offset } => {
            let kind = if *random { "random" } else { "inc" };
            format!("numgen reg {} = {kind} mod {modulus}{}", to.0, set("offset", *offset))
        }
        Expr::Hash { from, to, length, modulus, seed, offset } => {
            let what = match from {
                Some(from) => format!("jhash(reg {}, {length}, {:#x})", from.0, seed.unwrap_or_default()),
                None => "symhash()".into(),
            };
            format!("hash reg {} = {what} % mod {modulus}{}", to.0, set("offset", *offset))
        }
        Expr::Counter(counters) => format!("counter pkts {} bytes {}", counters.packets, counters.bytes),
        Expr::Limit(found) => limit(found),
        Expr::Quota(found) => quota(found),
        Expr::Nat(found) => nat(found),
        Expr::Reject { kind, code } => format!("reject type {kind} code {code}"),
        Expr::Log { .. } => log(expr),
        Expr::Notrack => "notrack".into(),
        Expr::Queue { number, total, flags, from } => {
            let first = number.unwrap_or_default();
            let mut text = match (from, total) {
                (Some(from), _) => format!("queue sreg_qnum {}", from.0),
                (None, Some(total)) if *total > 1 => format!("queue num {first}-{}", first + total - 1),
                (None, _) => format!("queue num {first}"),
            };
            for (bit, name) in [(1, " bypass"), (2, " fanout")] {
                text.push_str(if flags & bit != 0 { name } else { "" });
            }
            text
        }
        Expr::Objref { object: Some(object), map: _ } => format!("objref type {} name {}", object.kind, object.name),
        Expr::Objref { object: None, map: Some(map) } => format!("objref sreg {} set {}", map.from.0, map.set),
        Expr::Objref { object: None, map: None } => "objref".into(),
        Expr::Tproxy { family, address, port } => {
            let family = match family {
                2 => " ip",
                10 => " ip6",
                _ => "",
            };
            format!("tproxy{family}{}{}", maybe("addr reg", *address), maybe("port reg", *port))
        }
        Expr::Socket { to, key, level: _ } => {
            format!("socket load {} => reg {}", number(&["transparent", "mark", "wildcard", "cgroupv2"], *key), to.0)
        }
        Expr::Exthdr { to, from, kind, offset, length, flags, op } => {
            exthdr(*to, *from, (*kind, *offset, *length, *flags, *op))
        }
        Expr::XtMatch(found) => format!("match name {} rev {}", found.name, found.revision),
        Expr::XtTarget(found) => format!("target name {} rev {}", found.name, found.revision),
        Expr::Unknown { name, data: _ } => name.to_string(),
    }
}
