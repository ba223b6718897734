//! Random rules of one host, over all back ends: iptables of both kinds, and nft.

use std::fmt::Write as _;

use crate::net::{Net, Random};
use crate::plan::End;

/// The hooks of iptables' tables.
const TABLES: [(&str, &[&str]); 4] = [
    ("raw", &["PREROUTING", "OUTPUT"]),
    ("mangle", &["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"]),
    ("nat", &["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"]),
    ("filter", &["INPUT", "FORWARD", "OUTPUT"]),
];

pub fn random_rules(net: &Net, random: &mut Random, host: usize, ends: &[End]) -> String {
    let mut told = String::new();
    if random.percent(45) {
        return told;
    }
    // One back end mostly, two at times.
    let tool = *random.pick(&["nft", "legacy", "native"]);
    let second = if random.percent(15) { Some(*random.pick(&["nft", "legacy", "native"])) } else { None };
    for back_end in [Some(tool), second.filter(|second| *second != tool)].into_iter().flatten() {
        match back_end {
            "native" => {
                let script = nft(random, ends);
                let fine = net.feed(host, &["nft", "-f", "-"], &script, false);
                writeln!(told, "# h{host} nft ({fine})\n{script}").unwrap();
            }
            _ => {
                for six in [false, true] {
                    let script = save(random, ends, six);
                    let program = format!("ip{}tables-{back_end}-restore", if six { "6" } else { "" });
                    let fine = net.feed(host, &[&program], &script, false);
                    writeln!(told, "# h{host} {program} ({fine})\n{script}").unwrap();
                }
            }
        }
    }
    told
}

fn address(random: &mut Random, six: bool) -> String {
    let (net, host) = (1 + random.below(4), 1 + random.below(5));
    match (six, random.percent(50)) {
        (false, true) => format!("10.{net}.0.0/24"),
        (false, false) => format!("10.{net}.0.{host}"),
        (true, true) => format!("fd00:{net}::/64"),
        (true, false) => format!("fd00:{net}::{host}"),
    }
}

fn host_address(random: &mut Random, six: bool) -> String {
    let (net, host) = (1 + random.below(4), 1 + random.below(5));
    if six { format!("fd00:{net}::{host}") } else { format!("10.{net}.0.{host}") }
}

const PORTS: [&str; 4] = ["80", "443", "5300", "8080"];

/// A script of `iptables-restore`.
fn save(random: &mut Random, ends: &[End], six: bool) -> String {
    let mut text = String::new();
    for (table, hooks) in TABLES {
        if !random.percent(if matches!(table, "nat" | "filter") { 60 } else { 30 }) {
            continue;
        }
        writeln!(text, "*{table}").unwrap();
        for hook in hooks {
            let policy = if table == "filter" && random.percent(5) { "DROP" } else { "ACCEPT" };
            writeln!(text, ":{hook} {policy} [0:0]").unwrap();
        }
        writeln!(text, ":one - [0:0]\n:two - [0:0]").unwrap();
        let hook = *random.pick(hooks);
        for (chain, hook) in [("one", hook), ("two", hook)] {
            for _ in 0..=random.below(2) {
                xt_rule(random, ends, six, table, hook, chain, if chain == "one" { &["two"] } else { &[] }, &mut text);
            }
        }
        for _ in 0..=random.below(5) {
            let at = if random.percent(60) { hook } else { *random.pick(hooks) };
            let below: &[&str] = if at == hook { &["one", "two"] } else { &[] };
            xt_rule(random, ends, six, table, at, at, below, &mut text);
        }
        writeln!(text, "COMMIT").unwrap();
    }
    text
}

#[expect(clippy::too_many_arguments, reason = "all of it shapes one line")]
fn xt_rule(
    random: &mut Random,
    ends: &[End],
    six: bool,
    table: &str,
    hook: &str,
    chain: &str,
    below: &[&str],
    text: &mut String,
) {
    let mut rule = format!("-A {chain}");
    let mut protocol = "";
    for _ in 0..random.below(3) {
        let not = if random.percent(15) { "! " } else { "" };
        let clause = match random.below(16) {
            0 => format!("{not}-s {}", address(random, six)),
            1 => format!("{not}-d {}", address(random, six)),
            2 if matches!(hook, "PREROUTING" | "INPUT" | "FORWARD") => {
                format!("{not}-i {}", random.pick(ends).link)
            }
            3 if matches!(hook, "POSTROUTING" | "OUTPUT" | "FORWARD") => {
                format!("{not}-o {}", random.pick(ends).link)
            }
            4 | 5 if protocol.is_empty() => {
                protocol = *random.pick(&["tcp", "udp"]);
                let port = if random.percent(70) {
                    format!(" -m {protocol} {not}--dport {}", random.pick(&PORTS))
                } else {
                    String::new()
                };
                format!("-p {protocol}{port}")
            }
            6 if protocol.is_empty() => {
                protocol = "tcp";
                format!("-p tcp -m multiport {not}--dports 80,5000:5400")
            }
            7 => format!("-m mark {not}--mark {}", random.pick(&["0x1", "0x2", "0x10/0xf0", "0x0/0xf"])),
            8 if table != "raw" => {
                format!(
                    "-m conntrack {not}--ctstate {}",
                    random.pick(&["NEW", "ESTABLISHED", "RELATED,ESTABLISHED", "INVALID", "DNAT", "SNAT"])
                )
            }
            9 => format!("-m addrtype {not}--dst-type {}", random.pick(&["LOCAL", "UNICAST"])),
            10 if !six => format!("-m iprange {not}--src-range 10.1.0.2-10.3.0.3"),
            11 if protocol.is_empty() => {
                protocol = "icmp";
                if six {
                    "-p ipv6-icmp -m icmp6 --icmpv6-type 128".to_owned()
                } else {
                    "-p icmp -m icmp --icmp-type 8".to_owned()
                }
            }
            12 if protocol.is_empty() => {
                protocol = "tcp";
                "-p tcp -m tcp --tcp-flags SYN,ACK SYN".to_owned()
            }
            13 => format!("-m {} 63", if six { "hl --hl-eq" } else { "ttl --ttl-eq" }),
            14 => format!("-m dscp {not}--dscp 4"),
            15 if table != "raw" => format!("-m conntrack {not}--ctdir {}", random.pick(&["ORIGINAL", "REPLY"])),
            _ => continue,
        };
        write!(rule, " {clause}").unwrap();
    }
    let target = match table {
        _ if !below.is_empty() && random.percent(30) => {
            format!("{} {}", random.pick(&["-j", "-j", "-g"]), random.pick(below))
        }
        _ if random.percent(8) => "-j RETURN".to_owned(),
        _ if random.percent(8) => "-j ACCEPT".to_owned(),
        "nat" => nat_target(random, six, hook, &mut rule, protocol),
        "raw" => {
            if random.percent(60) {
                "-j CT --notrack".to_owned()
            } else {
                "-j MARK --set-xmark 0x1/0xffffffff".to_owned()
            }
        }
        "mangle" => match random.below(7) {
            0 | 1 => {
                format!("-j MARK --set-xmark {}", random.pick(&["0x1/0xffffffff", "0x2/0xf", "0x10/0x0", "0x0/0xff"]))
            }
            2 => "-j CONNMARK --save-mark".to_owned(),
            3 => "-j CONNMARK --restore-mark".to_owned(),
            4 => "-j CONNMARK --set-xmark 0x2/0xffffffff".to_owned(),
            5 => {
                if six {
                    "-j HL --hl-dec 1".to_owned()
                } else {
                    "-j TTL --ttl-dec 1".to_owned()
                }
            }
            _ => "-j DROP".to_owned(),
        },
        _ => match random.below(4) {
            0 => "-j DROP".to_owned(),
            1 => "-j REJECT".to_owned(),
            _ => "-j ACCEPT".to_owned(),
        },
    };
    writeln!(text, "{rule} {target}").unwrap();
}

fn nat_target(random: &mut Random, six: bool, hook: &str, rule: &mut String, protocol: &str) -> String {
    let bracket =
        |address: String, port: &str| if six { format!("[{address}]:{port}") } else { format!("{address}:{port}") };
    let has_port = matches!(protocol, "tcp" | "udp");
    if protocol.is_empty() && random.percent(60) {
        rule.push_str(" -p tcp -m tcp");
        return nat_target(random, six, hook, rule, "tcp");
    }
    match hook {
        "PREROUTING" | "OUTPUT" => match random.below(6) {
            0 if has_port => format!("-j REDIRECT --to-ports {}", random.pick(&PORTS)),
            1 => "-j REDIRECT".to_owned(),
            2 if !six => format!("-j NETMAP --to 10.{}.0.0/24", 1 + random.below(4)),
            3 if !six => format!("-j DNAT --to-destination 10.{}.0.1-10.{}.0.4", 2, 2),
            _ => {
                let to = host_address(random, six);
                let to = if has_port && random.percent(60) { bracket(to, PORTS[random.below(4)]) } else { to };
                format!("-j DNAT --to-destination {to}")
            }
        },
        "POSTROUTING" => match random.below(6) {
            0 if has_port => "-j MASQUERADE --to-ports 30000-30010".to_owned(),
            1 if !six => format!("-j NETMAP --to 10.{}.0.0/24", 1 + random.below(4)),
            2 => format!("-j SNAT --to-source {}", host_address(random, six)),
            3 => "-j MASQUERADE --random".to_owned(),
            _ => "-j MASQUERADE".to_owned(),
        },
        _ => format!("-j SNAT --to-source {}", host_address(random, six)),
    }
}

/// A script of `nft`.
fn nft(random: &mut Random, ends: &[End]) -> String {
    let mut text = String::new();
    for family in ["ip", "ip6", "inet"] {
        if !random.percent(60) {
            continue;
        }
        let six = match family {
            "ip" => Some(false),
            "ip6" => Some(true),
            _ => None,
        };
        writeln!(text, "table {family} t {{").unwrap();
        writeln!(text, "  set ports {{ type inet_service; flags interval; elements = {{ 80, 5000-5400 }} }}").unwrap();
        writeln!(text, "  map verdicts {{ type inet_proto . inet_service : verdict; elements = {{ tcp . 80 : jump sub, udp . 5300 : drop, tcp . 443 : accept }} }}").unwrap();
        writeln!(text, "  chain sub {{").unwrap();
        for _ in 0..=random.below(2) {
            nft_rule(random, ends, six, "filter", "", &mut text, false);
        }
        writeln!(text, "  }}").unwrap();
        let chains = 1 + random.below(3);
        for chain in 0..chains {
            let (kind, hook, priority) = *random.pick(&[
                ("filter", "prerouting", "-300"),
                ("filter", "prerouting", "-150"),
                ("filter", "input", "0"),
                ("filter", "forward", "0"),
                ("filter", "forward", "-10"),
                ("filter", "output", "0"),
                ("route", "output", "-150"),
                ("filter", "postrouting", "150"),
                ("nat", "prerouting", "-100"),
                ("nat", "prerouting", "-90"),
                ("nat", "output", "-100"),
                ("nat", "postrouting", "100"),
                ("nat", "postrouting", "100"),
                ("nat", "input", "100"),
            ]);
            let policy = if kind == "filter" && random.percent(6) { "drop" } else { "accept" };
            writeln!(text, "  chain c{chain} {{\n    type {kind} hook {hook} priority {priority}; policy {policy};")
                .unwrap();
            for _ in 0..=random.below(4) {
                nft_rule(random, ends, six, kind, hook, &mut text, true);
            }
            writeln!(text, "  }}").unwrap();
        }
        writeln!(text, "}}").unwrap();
    }
    text
}

fn nft_rule(
    random: &mut Random,
    ends: &[End],
    six: Option<bool>,
    kind: &str,
    hook: &str,
    text: &mut String,
    jumps: bool,
) {
    let mut rule = String::new();
    let which = six.unwrap_or_else(|| random.percent(50));
    let ip = if which { "ip6" } else { "ip" };
    let mut has_port = false;
    for _ in 0..random.below(3) {
        let not = if random.percent(15) { "!= " } else { "" };
        let clause = match random.below(15) {
            0 => format!("{ip} saddr {not}{}", address(random, which)),
            1 => format!("{ip} daddr {not}{}", address(random, which)),
            2 => format!("iifname {not}{}", random.pick(ends).link),
            3 => format!("oifname {not}{}", random.pick(ends).link),
            4 | 5 => {
                has_port = true;
                format!(
                    "{} dport {not}{}",
                    random.pick(&["tcp", "udp"]),
                    random.pick(&["80", "443", "@ports", "{ 80, 8080 }", "5000-6000"])
                )
            }
            6 => format!("meta mark {not}{}", random.pick(&["0x1", "0x2", "0-5"])),
            7 => format!(
                "ct state {}",
                random.pick(&["new", "established", "established,related", "invalid", "untracked"])
            ),
            8 => format!("fib daddr type {not}{}", random.pick(&["local", "unicast"])),
            9 => format!("meta l4proto {not}{}", random.pick(&["tcp", "udp", "{ tcp, udp }"])),
            10 => format!("ct status {}", random.pick(&["dnat", "snat"])),
            11 => format!("ct direction {}", random.pick(&["original", "reply"])),
            12 => "tcp flags syn / syn,ack".to_owned(),
            13 => format!("{ip} {} {not}63", if which { "hoplimit" } else { "ttl" }),
            _ => format!("{ip} dscp {not}0x04"),
        };
        write!(rule, " {clause}").unwrap();
    }
    let action = match kind {
        _ if jumps && random.percent(15) && kind != "nat" => "jump sub".to_owned(),
        _ if jumps && random.percent(10) && kind != "nat" => "meta l4proto . th dport vmap @verdicts".to_owned(),
        _ if random.percent(8) => "return".to_owned(),
        "nat" => {
            let to = host_address(random, which);
            let family = if six.is_none() { format!("{ip} ") } else { String::new() };
            let to_port = |to: &str, port: &str| if which { format!("[{to}]:{port}") } else { format!("{to}:{port}") };
            match hook {
                "prerouting" | "output" => {
                    let port = *random.pick(&PORTS);
                    match random.below(5) {
                        0 => "meta l4proto tcp redirect to :8080".to_owned(),
                        1 => format!("meta l4proto {{ tcp, udp }} dnat {family}to {}", to_port(&to, port)),
                        2 => format!(
                            "dnat {family}to tcp dport map {{ 80 : {to}, 443 : {} }}",
                            host_address(random, which)
                        ),
                        _ => format!("dnat {family}to {to}"),
                    }
                }
                "postrouting" => match random.below(4) {
                    0 => format!("snat {family}to {to}"),
                    1 => "masquerade random".to_owned(),
                    2 => "meta l4proto tcp masquerade to :40000-40010".to_owned(),
                    _ => "masquerade".to_owned(),
                },
                _ => format!("snat {family}to {to}"),
            }
        }
        _ => match random.below(10) {
            0 => "drop".to_owned(),
            1 => "reject".to_owned(),
            2 | 3 => "accept".to_owned(),
            4 => "meta mark set 0x1".to_owned(),
            5 => "meta mark set meta mark or 0x10".to_owned(),
            6 => "ct mark set meta mark".to_owned(),
            7 => "meta mark set ct mark".to_owned(),
            8 if hook == "prerouting" => "notrack".to_owned(),
            _ => "counter".to_owned(),
        },
    };
    let _ = has_port;
    writeln!(text, "    {rule} {action}").unwrap();
}
