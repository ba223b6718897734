//! Scripts of `nft`.

use std::fmt::Write as _;

use super::{Around, PORTS, address, host_address, mac, network, with_port};
use crate::net::Random;

/// Where a base chain stands: its type, hook and priority.
const BASES: [(&str, &str, &str); 19] = [
    ("filter", "prerouting", "-300"),
    ("filter", "prerouting", "-150"),
    ("filter", "prerouting", "-50"),
    ("filter", "input", "0"),
    ("filter", "input", "-5"),
    ("filter", "forward", "0"),
    ("filter", "forward", "-10"),
    ("filter", "output", "0"),
    ("filter", "output", "-300"),
    ("route", "output", "-150"),
    ("filter", "postrouting", "150"),
    ("filter", "postrouting", "-10"),
    ("nat", "prerouting", "-100"),
    ("nat", "prerouting", "-90"),
    ("nat", "output", "-100"),
    ("nat", "postrouting", "100"),
    ("nat", "postrouting", "100"),
    ("nat", "postrouting", "110"),
    ("nat", "input", "100"),
];
const CHAINS: [&str; 5] = ["one", "two", "three", "four", "five"];

struct Maker<'a> {
    random: &'a mut Random,
    around: &'a Around<'a>,
    /// The table's family; `None`: both.
    family: Option<bool>,
    /// The rule's.
    six: bool,
    kind: &'static str,
    hook: &'static str,
    protocol: &'static str,
}

pub fn script(random: &mut Random, around: &Around<'_>) -> String {
    let mut maker = Maker { random, around, family: None, six: false, kind: "", hook: "", protocol: "" };
    let mut text = String::new();
    for family in ["ip", "ip6", "inet"] {
        if !maker.random.percent(60) {
            continue;
        }
        maker.family = match family {
            "ip" => Some(false),
            "ip6" => Some(true),
            _ => None,
        };
        maker.table(family, &mut text);
    }
    text
}

impl Maker<'_> {
    fn pick(&mut self, all: &[&'static str]) -> &'static str {
        let all: &[&'static str] = all;
        self.random.pick::<&'static str>(all)
    }

    fn table(&mut self, family: &str, text: &mut String) {
        writeln!(text, "table {family} t {{").unwrap();
        self.sets(text);
        // Chains are named before the first rule leads to one.
        for chain in CHAINS {
            writeln!(text, "  chain {chain} {{\n  }}").unwrap();
        }
        let links: Vec<&str> = self.around.ends.iter().map(|end| end.link.as_str()).collect();
        let (first, last) = (links[0], links[links.len() - 1]);
        writeln!(text, "  map verdicts {{ type inet_proto . inet_service : verdict; elements = {{ tcp . 80 : jump one, udp . 5300 : jump two, tcp . 443 : accept, udp . 8080 : goto three }} }}").unwrap();
        writeln!(text, "  map ranges {{ type mark : verdict; flags interval; elements = {{ 0x0-0x1 : jump two, 0x2-0xf : continue, 0x10 : return, * : jump four }} }}").unwrap();
        writeln!(text, "  map links {{ type ifname : verdict; elements = {{ \"{first}\" : jump two, \"lo\" : jump three, \"{last}x\" : drop }} }}").unwrap();
        (self.kind, self.hook) = ("filter", "");
        for (depth, chain) in CHAINS.iter().enumerate() {
            writeln!(text, "  chain {chain} {{").unwrap();
            for _ in 0..=self.random.below(2) {
                self.rule(&CHAINS[depth + 1..], text);
            }
            writeln!(text, "  }}").unwrap();
        }
        let mut used = Vec::new();
        for chain in 0..=self.random.below(4) {
            let (kind, hook, priority) = *self.random.pick(&BASES);
            // Of two at one place nothing tells which is first: no two of them, but now and then.
            if used.contains(&(hook, priority)) && !self.random.percent(10) {
                continue;
            }
            used.push((hook, priority));
            let later =
                if self.random.percent(5) { 0 } else { i32::from(family == "ip6") + 2 * i32::from(family == "inet") };
            let priority = priority.parse::<i32>().unwrap() + later;
            (self.kind, self.hook) = (kind, hook);
            let policy = if kind == "filter" && self.random.percent(5) { "drop" } else { "accept" };
            writeln!(text, "  chain c{chain} {{\n    type {kind} hook {hook} priority {priority}; policy {policy};")
                .unwrap();
            for _ in 0..=self.random.below(5) {
                self.rule(&CHAINS[..2], text);
            }
            writeln!(text, "  }}").unwrap();
        }
        writeln!(text, "}}").unwrap();
    }

    fn sets(&mut self, text: &mut String) {
        let six = self.family.unwrap_or(false);
        let kind = if six { "ipv6_addr" } else { "ipv4_addr" };
        let address = |maker: &mut Self| host_address(maker.random, six);
        let (a, b, c) = (address(self), address(self), address(self));
        let (net, other) = (network(self.random, six), network(self.random, six));
        writeln!(text, "  set ports {{ type inet_service; flags interval; elements = {{ 80, 5000-5400 }} }}").unwrap();
        writeln!(text, "  set addresses {{ type {kind}; elements = {{ {a}, {b} }} }}").unwrap();
        writeln!(text, "  set networks {{ type {kind}; flags interval; elements = {{ {net} }} }}").unwrap();
        writeln!(text, "  set pairs {{ type {kind} . inet_proto . inet_service; elements = {{ {a} . tcp . 80, {c} . udp . 5300 }} }}").unwrap();
        writeln!(
            text,
            "  set spans {{ type {kind} . inet_service; flags interval; elements = {{ {net} . 80-443, {other} . 5300 }} }}"
        )
        .unwrap();
        writeln!(text, "  map marks {{ type inet_service : mark; elements = {{ 80 : 0x1, 443 : 0x2, 8080 : 0x10 }} }}")
            .unwrap();
        writeln!(text, "  map targets {{ type inet_service : {kind}; elements = {{ 80 : {a}, 443 : {b} }} }}").unwrap();
        writeln!(text, "  map chosen {{ type mark : {kind}; elements = {{ 0x0 : {a}, 0x1 : {b}, 0x2 : {c} }} }}")
            .unwrap();
        writeln!(text, "  map ends {{ type {kind} . inet_service : {kind} . inet_service; elements = {{ {a} . 80 : {b} . 8080, {b} . 443 : {c} . 80 }} }}").unwrap();
    }

    fn ip(&self) -> &'static str {
        if self.six { "ip6" } else { "ip" }
    }

    fn rule(&mut self, below: &[&str], text: &mut String) {
        self.six = self.family.unwrap_or_else(|| self.random.percent(50));
        self.protocol = "";
        let mut rule = String::new();
        let action = self.action(below);
        // One rule speaks of one protocol.
        if ["l4proto", "dport map", "tcp reset"].iter().any(|word| action.contains(word)) {
            self.protocol = "taken";
        }
        for _ in 0..self.random.below(4) {
            if let Some(clause) = self.clause() {
                write!(rule, " {clause}").unwrap();
            }
        }
        // nft writes what a target needs to know of the protocol before it; the counter stands right before it.
        let (needs, action) = action.split_once('|').map_or(("", action.as_str()), |(needs, action)| (needs, action));
        writeln!(text, "   {rule} {needs} counter {action}").unwrap();
    }

    #[expect(clippy::too_many_lines, reason = "one arm a kind of clause")]
    fn clause(&mut self) -> Option<String> {
        let ip = self.ip();
        let six = self.six;
        let not = if self.random.percent(20) { "!= " } else { "" };
        // Sets of a table of both families hold IPv4 addresses.
        let has_sets = self.family.is_some() || !six;
        Some(match self.random.below(36) {
            0 => format!("{ip} saddr {not}{}", address(self.random, six)),
            1 => format!("{ip} daddr {not}{}", address(self.random, six)),
            2 => format!("iifname {not}{}", self.link()),
            3 => format!("oifname {not}{}", self.link()),
            4..=6 => {
                self.protocol()?;
                let protocol = self.pick(&["tcp", "udp"]);
                let which = self.pick(&["dport", "dport", "sport"]);
                let ports = match which {
                    "sport" => self.pick(&["20000-20009", "80", "{ 80, 20000-20005 }"]),
                    _ => self.pick(&["80", "443", "@ports", "{ 80, 8080 }", "5000-6000", "> 500", "<= 443"]),
                };
                let not = if ports.starts_with(['>', '<']) { "" } else { not };
                format!("{protocol} {which} {not}{ports}")
            }
            7 => format!("meta mark {not}{}", self.pick(&["0x1", "0x2", "0-5", "{ 0x1, 0x10 }", "0x0"])),
            8 => format!("meta mark & 0xf0 {} 0x10", self.pick(&["==", "!="])),
            9 | 10 => format!(
                "ct state {not}{}",
                self.pick(&[
                    "new",
                    "established",
                    "established,related",
                    "invalid",
                    "untracked",
                    "{ new, established }"
                ])
            ),
            11 => format!(
                "fib {} type {not}{}",
                self.pick(&["daddr", "saddr", "daddr"]),
                self.pick(&["local", "unicast", "{ local, broadcast }"])
            ),
            12 => {
                self.protocol()?;
                format!("meta l4proto {not}{}", self.pick(&["tcp", "udp", "{ tcp, udp }", "17-58"]))
            }
            13 => format!(
                "ct status {not}{}",
                self.pick(&["dnat", "snat", "confirmed", "seen-reply", "dnat,snat", "assured"])
            ),
            14 => format!("ct direction {}", self.pick(&["original", "reply"])),
            15 => {
                self.protocol()?;
                let flags = self.pick(&["syn / syn,ack", "syn", "& (syn|ack) == syn|ack", "!= syn / fin,syn,rst,ack"]);
                format!("tcp flags {flags}")
            }
            16 => format!("{ip} {} {not}{}", if six { "hoplimit" } else { "ttl" }, self.pick(&["63", "64", "62-63"])),
            17 => format!("{ip} dscp {not}0x04"),
            18 => format!("meta length {not}{}", self.pick(&["60", "100-1500", "36"])),
            19 if self.protocol().is_some() => {
                format!("{ip} {} {not}{}", if six { "nexthdr" } else { "protocol" }, self.pick(&["tcp", "udp"]))
            }
            20 if has_sets => {
                format!("{ip} {} {not}@{}", self.pick(&["saddr", "daddr"]), self.pick(&["addresses", "networks"]))
            }
            21 if has_sets && self.protocol().is_some() => {
                format!("meta l4proto {{ tcp, udp }} {ip} daddr . meta l4proto . th dport {not}@pairs")
            }
            22 if has_sets && self.protocol().is_some() => {
                format!("meta l4proto {{ tcp, udp }} {ip} {} . th dport {not}@spans", self.pick(&["saddr", "daddr"]))
            }
            23 => format!("ct mark {not}{}", self.pick(&["0x1", "0x0", "0x1-0x2"])),
            24 => {
                let (way, end) = (self.pick(&["original", "reply"]), self.pick(&["saddr", "daddr"]));
                format!("ct {way} {ip} {end} {not}{}", address(self.random, six))
            }
            25 => {
                self.protocol()?;
                let protocol = self.pick(&["tcp", "udp"]);
                let (way, port) = (self.pick(&["original", "reply"]), self.pick(&["80", "443"]));
                format!("meta l4proto {protocol} ct {way} proto-dst {not}{port}")
            }
            26 => {
                self.protocol()?;
                if six {
                    format!(
                        "icmpv6 type {not}{}",
                        self.pick(&["echo-request", "echo-reply", "{ echo-request, nd-neighbor-solicit }"])
                    )
                } else {
                    format!(
                        "icmp type {not}{}",
                        self.pick(&["echo-request", "echo-reply", "{ echo-request, echo-reply }"])
                    )
                }
            }
            27 => format!("meta pkttype {not}{}", self.pick(&["unicast", "unicast", "host", "broadcast"])),
            28 if matches!(self.hook, "output" | "postrouting") => {
                format!("meta skuid {not}{}", self.pick(&["0", "1000", "500-1500"]))
            }
            29 if self.random.percent(60) => format!(
                "numgen {} mod {} {}",
                self.pick(&["random", "inc"]),
                2 + self.random.below(2),
                self.pick(&["0", "!= 0", "< 1"])
            ),
            30 if self.hook == "prerouting" => format!("ether saddr {not}{}", mac(self.random)),
            31 if self.family.is_none() => format!("meta nfproto {}", if six { "ipv6" } else { "ipv4" }),
            32 if self.protocol().is_some() => {
                format!("meta l4proto {{ tcp, udp }} th dport {not}{}", self.pick(&["80", "{ 443, 5300 }"]))
            }
            33 => match self.random.below(3) {
                0 => format!("jhash {ip} saddr mod 2 0"),
                1 => "symhash mod 2 0".to_owned(),
                _ if self.random.percent(25) => "limit rate 1000/second".to_owned(),
                _ => return None,
            },
            _ => return None,
        })
    }

    /// The rule speaks of a protocol, if it does not yet.
    fn protocol(&mut self) -> Option<()> {
        if !self.protocol.is_empty() {
            return None;
        }
        self.protocol = "taken";
        Some(())
    }

    fn link(&mut self) -> String {
        match self.random.below(8) {
            0 => "\"br*\"".to_owned(),
            1 => "\"lo\"".to_owned(),
            2 => format!("{{ \"lo\", \"{}\" }}", self.random.pick(self.around.ends).link),
            _ => self.random.pick(self.around.ends).link.clone(),
        }
    }

    fn action(&mut self, below: &[&str]) -> String {
        if !below.is_empty() && self.random.percent(25) {
            // Chains that nat leads to are of no use to others, and the other way around: they do what is common.
            return match self.random.below(8) {
                0 => "meta l4proto { tcp, udp } |meta l4proto . th dport vmap @verdicts".to_owned(),
                1 => "meta mark vmap @ranges".to_owned(),
                2 if !matches!(self.hook, "output" | "postrouting" | "") => "iifname vmap @links".to_owned(),
                3 => format!("numgen random mod 2 vmap {{ 0 : jump {}, 1 : continue }}", self.random.pick(below)),
                4 => format!("goto {}", self.random.pick(below)),
                _ => format!("jump {}", self.random.pick(below)),
            }
            .pipe_if_chains(self.hook.is_empty(), below);
        }
        if self.random.percent(8) {
            return "return".to_owned();
        }
        if self.kind == "nat" {
            return self.nat();
        }
        let six = self.six;
        match self.random.below(19) {
            0 => "drop".to_owned(),
            1 | 2 if self.hook.is_empty() || matches!(self.hook, "input" | "forward" | "output") => self.reject(),
            3..=5 => "accept".to_owned(),
            6 => format!("meta mark set {}", self.pick(&["0x1", "0x2", "0x0"])),
            7 => format!("meta mark set meta mark {}", self.pick(&["or 0x10", "and 0xf", "xor 0x3"])),
            8 => "ct mark set meta mark".to_owned(),
            9 => "meta mark set ct mark".to_owned(),
            10 => "meta mark set ct mark and 0xff".to_owned(),
            11 => "ct mark set 0x2".to_owned(),
            12 if self.hook == "prerouting" || self.hook == "output" => "notrack".to_owned(),
            13 => "meta l4proto { tcp, udp }|meta mark set th dport map @marks".to_owned(),
            14 => format!(
                "meta mark set {}",
                self.pick(&["numgen random mod 2 offset 1", "symhash mod 2", "numgen inc mod 3"])
            ),
            15 if self.hook == "prerouting" => "ct zone set 1".to_owned(),
            16 if !six && self.hook != "postrouting" && self.random.percent(30) => "log level debug".to_owned(),
            _ => String::new(),
        }
    }

    fn reject(&mut self) -> String {
        match (self.random.below(5), self.six) {
            (0, _) => "meta l4proto tcp |reject with tcp reset".to_owned(),
            (1, _) => "reject".to_owned(),
            (2, false) => format!(
                "meta nfproto ipv4 |reject with icmp type {}",
                self.pick(&["host-unreachable", "net-prohibited", "admin-prohibited"])
            ),
            (2, true) => format!(
                "meta nfproto ipv6 |reject with icmpv6 type {}",
                self.pick(&["no-route", "addr-unreachable", "admin-prohibited"])
            ),
            _ if self.family.is_none() => format!(
                "reject with icmpx type {}",
                self.pick(&["port-unreachable", "host-unreachable", "no-route", "admin-prohibited"])
            ),
            _ => "reject".to_owned(),
        }
    }

    fn nat(&mut self) -> String {
        let six = self.six;
        let to = host_address(self.random, six);
        let ip = self.ip();
        let family = if self.family.is_none() { format!("{ip} ") } else { String::new() };
        // In a table of both families a rule of one of them says so first.
        let own = if self.family.is_none() {
            format!("meta nfproto {} ", if six { "ipv6" } else { "ipv4" })
        } else {
            String::new()
        };
        let has_sets = self.family.is_some() || !six;
        let how = self.pick(&["", "", "", " random", " persistent"]);
        let (first, last) = if six { ("fd00:2::1", "fd00:2::4") } else { ("10.2.0.1", "10.2.0.4") };
        let protocol = self.pick(&["tcp", "udp", "{ tcp, udp }"]);
        match self.hook {
            "prerouting" | "output" => {
                let port = *self.random.pick(&PORTS);
                match self.random.below(12) {
                    0 => "meta l4proto tcp |redirect to :8080".to_owned(),
                    1 => "|redirect".to_owned(),
                    2 => format!("{own}meta l4proto {protocol} |dnat {family}to {}{how}", with_port(&to, port)),
                    3 => format!(
                        "{own}|dnat {family}to tcp dport map {{ 80 : {to}, 443 : {} }}",
                        host_address(self.random, six)
                    ),
                    4 if has_sets => format!("{own}meta l4proto {{ tcp, udp }} |dnat {family}to th dport map @targets"),
                    5 if has_sets => format!("{own}|dnat {family}to meta mark map @chosen"),
                    6 => format!(
                        "{own}|dnat {family}to numgen random mod 2 map {{ 0 : {to}, 1 : {} }}",
                        host_address(self.random, six)
                    ),
                    7 => format!("{own}|dnat {family}to {first}-{last}{how}"),
                    8 if has_sets => {
                        format!(
                            "{own}meta l4proto {protocol} |dnat {family}addr . port to {ip} daddr . th dport map @ends"
                        )
                    }
                    9 => format!("{own}meta l4proto {protocol} |dnat {family}to {}", with_port(&to, "80-83")),
                    10 => format!(
                        "{own}|dnat {family}prefix to {ip} daddr map {{ {} : {} }}",
                        network(self.random, six),
                        network(self.random, six)
                    ),
                    _ => format!("{own}|dnat {family}to {to}{how}"),
                }
            }
            "postrouting" => match self.random.below(9) {
                0 | 1 => format!("{own}|snat {family}to {to}{how}"),
                2 => "|masquerade random".to_owned(),
                3 => "meta l4proto tcp |masquerade to :40000-40010".to_owned(),
                4 => "|masquerade fully-random".to_owned(),
                5 => format!("{own}|snat {family}to {first}-{last}{how}"),
                6 => format!(
                    "{own}|snat {family}prefix to {ip} saddr map {{ {} : {} }}",
                    network(self.random, six),
                    network(self.random, six)
                ),
                _ => "|masquerade".to_owned(),
            },
            _ => format!("{own}|snat {family}to {to}"),
        }
    }
}

trait Chains {
    fn pipe_if_chains(self, within: bool, below: &[&str]) -> String;
}

impl Chains for String {
    /// Maps of verdicts lead to the first chains, which further ones must not: it would be a loop.
    fn pipe_if_chains(self, within: bool, below: &[&str]) -> String {
        if within && self.contains('@') { format!("jump {}", below[0]) } else { self }
    }
}
