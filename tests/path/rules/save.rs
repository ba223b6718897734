//! Scripts of `iptables-restore`.

use std::fmt::Write as _;

use super::{Around, IPSETS, PORTS, address, host_address, mac, network, with_port};
use crate::net::Random;

/// The hooks of iptables' tables.
const TABLES: [(&str, &[&str]); 4] = [
    ("raw", &["PREROUTING", "OUTPUT"]),
    ("mangle", &["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"]),
    ("nat", &["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"]),
    ("filter", &["INPUT", "FORWARD", "OUTPUT"]),
];
/// Chains that lead into one another, the first from a hook.
const CHAINS: [&str; 5] = ["one", "two", "three", "four", "five"];

struct Maker<'a> {
    random: &'a mut Random,
    around: &'a Around<'a>,
    six: bool,
    has_sets: bool,
    table: &'static str,
    hook: &'static str,
    protocol: &'static str,
}

pub fn script(random: &mut Random, around: &Around<'_>, six: bool, has_sets: bool) -> String {
    let mut maker = Maker { random, around, six, has_sets, table: "", hook: "", protocol: "" };
    let mut text = String::new();
    for (table, hooks) in TABLES {
        if !maker.random.percent(if matches!(table, "nat" | "filter") { 60 } else { 35 }) {
            continue;
        }
        maker.table = table;
        writeln!(text, "*{table}").unwrap();
        for hook in hooks {
            let policy = if table == "filter" && maker.random.percent(5) { "DROP" } else { "ACCEPT" };
            writeln!(text, ":{hook} {policy} [0:0]").unwrap();
        }
        for chain in CHAINS {
            writeln!(text, ":{chain} - [0:0]").unwrap();
        }
        let hook = *maker.random.pick(hooks);
        maker.hook = hook;
        for (depth, chain) in CHAINS.iter().enumerate() {
            for _ in 0..=maker.random.below(2) {
                maker.rule(chain, &CHAINS[depth + 1..], &mut text);
            }
        }
        for _ in 0..=maker.random.below(6) {
            let at = if maker.random.percent(60) { hook } else { *maker.random.pick(hooks) };
            maker.hook = at;
            // Those of the user's chains were made for one hook.
            let below: &[&str] = if at == hook { &CHAINS[..2] } else { &[] };
            maker.rule(at, below, &mut text);
        }
        writeln!(text, "COMMIT").unwrap();
    }
    text
}

impl Maker<'_> {
    fn pick(&mut self, all: &[&'static str]) -> &'static str {
        let all: &[&'static str] = all;
        self.random.pick::<&'static str>(all)
    }

    fn rule(&mut self, chain: &str, below: &[&str], text: &mut String) {
        let mut rule = format!("-A {chain}");
        self.protocol = "";
        for _ in 0..self.random.below(4) {
            if let Some(clause) = self.clause() {
                // Each is asked once.
                let what = clause.trim_start_matches("! ").split(' ').take(2).collect::<Vec<_>>();
                let is_module = what[0] == "-m";
                if rule.contains(&if is_module { format!("-m {} ", what[1]) } else { format!(" {} ", what[0]) }) {
                    continue;
                }
                write!(rule, " {clause}").unwrap();
            }
        }
        let target = match self.table {
            _ if !below.is_empty() && self.random.percent(35) => {
                format!(" {} {}", self.pick(&["-j", "-j", "-g"]), self.random.pick(below))
            }
            _ if self.random.percent(8) => " -j RETURN".to_owned(),
            _ if self.random.percent(8) => " -j ACCEPT".to_owned(),
            // It counts, and no more.
            _ if self.random.percent(6) => String::new(),
            "nat" => format!(" {}", self.nat_target(&mut rule)),
            "raw" => format!(" {}", self.raw_target()),
            "mangle" => format!(" {}", self.mangle_target()),
            _ => format!(" {}", self.filter_target(&mut rule)),
        };
        writeln!(text, "{rule}{target}").unwrap();
    }

    #[expect(clippy::too_many_lines, reason = "one arm a kind of clause")]
    fn clause(&mut self) -> Option<String> {
        let six = self.six;
        let not = if self.random.percent(20) { "! " } else { "" };
        let is_in = matches!(self.hook, "PREROUTING" | "INPUT" | "FORWARD");
        let is_out = matches!(self.hook, "POSTROUTING" | "OUTPUT" | "FORWARD");
        let tracks = self.table != "raw";
        Some(match self.random.below(34) {
            0 => format!("{not}-s {}", address(self.random, six)),
            1 => format!("{not}-d {}", address(self.random, six)),
            2 if is_in => format!("{not}-i {}", self.link()),
            3 if is_out => format!("{not}-o {}", self.link()),
            4..=6 => self.ports(not)?,
            7 => {
                self.protocol(&["tcp", "udp"])?;
                let which = self.pick(&["--sports", "--dports", "--ports", "--dports"]);
                let ports = self.pick(&["80,5000:5400", "443,8080", "20000:20009", "1:79,81:65535"]);
                format!("-p {} -m multiport {not}{which} {ports}", self.protocol)
            }
            8 => format!("-m mark {not}--mark {}", self.pick(&["0x1", "0x2", "0x10/0xf0", "0x0/0xf", "0x0"])),
            9 if tracks => format!("-m connmark {not}--mark {}", self.pick(&["0x1", "0x2/0x3", "0x0", "0x0/0xf"])),
            10 | 11 if tracks => {
                let state = self.pick(&[
                    "NEW",
                    "ESTABLISHED",
                    "RELATED,ESTABLISHED",
                    "INVALID",
                    "DNAT",
                    "SNAT",
                    "UNTRACKED",
                    "NEW,DNAT",
                    "INVALID,UNTRACKED",
                ]);
                format!("-m conntrack {not}--ctstate {state}")
            }
            12 if tracks => self.flow(not),
            13 => self.kind_of_address(not),
            14 => {
                let which = self.pick(&["src", "dst"]);
                if six {
                    format!("-m iprange {not}--{which}-range fd00:1::2-fd00:3::3")
                } else {
                    format!("-m iprange {not}--{which}-range 10.1.0.2-10.3.0.3")
                }
            }
            15 => {
                format!(
                    "-m length {not}--length {}",
                    self.pick(&["0:60", "36", "100:1500", "60", "20", "40:200", "56"])
                )
            }
            16 if is_in && self.hook != "FORWARD" => format!("-m mac {not}--mac-source {}", mac(self.random)),
            17 => {
                let (name, option) = if six { ("hl", "hl") } else { ("ttl", "ttl") };
                match self.random.below(4) {
                    0 if six => format!("-m hl {not}--hl-eq 63"),
                    0 => format!("-m ttl {not}--ttl-eq 63"),
                    1 => format!("-m {name} --{option}-lt 64"),
                    2 => format!("-m {name} --{option}-gt 62"),
                    _ => format!("-m {name} --{option}-eq 64"),
                }
            }
            18 => format!("-m dscp {not}--dscp {}", self.pick(&["4", "0", "46"])),
            19 => {
                self.protocol(&["tcp"])?;
                let test = match self.random.below(5) {
                    0 => format!("{not}--syn"),
                    1 => format!("{not}--tcp-flags SYN,ACK SYN"),
                    2 => format!("{not}--tcp-flags SYN,ACK SYN,ACK"),
                    3 => format!("{not}--tcp-flags ALL NONE"),
                    _ => format!("{not}--tcp-flags FIN,SYN,RST,ACK SYN"),
                };
                format!("-p tcp -m tcp {test}")
            }
            20 => {
                self.protocol(&["icmp"])?;
                if six {
                    format!("-p ipv6-icmp -m icmp6 {not}--icmpv6-type {}", self.pick(&["128", "129", "1/4"]))
                } else {
                    format!("-p icmp -m icmp {not}--icmp-type {}", self.pick(&["8", "0", "8/0", "3/3", "any"]))
                }
            }
            21 | 22 if self.has_sets => self.set(not),
            23 if !self.around.ports.is_empty() => self.physdev(not)?,
            24 if matches!(self.hook, "OUTPUT" | "POSTROUTING") => {
                format!("-m owner {not}{}", self.pick(&["--uid-owner 0", "--uid-owner 1000", "--uid-owner 500-1500"]))
            }
            25 => format!("-m pkttype {not}--pkt-type {}", self.pick(&["unicast", "unicast", "broadcast"])),
            26 if tracks => format!("-m state {not}--state {}", self.pick(&["NEW", "ESTABLISHED", "INVALID"])),
            27 if self.random.percent(60) => self.chance(not),
            28 => self.recent(not),
            29 if self.random.percent(25) => "-m limit --limit 1000/sec".to_owned(),
            30 => {
                self.protocol(&["udp", "tcp", "icmp"])?;
                let protocol = if self.protocol == "icmp" && six { "ipv6-icmp" } else { self.protocol };
                if not.is_empty() {
                    format!("-p {protocol}")
                } else {
                    self.protocol = "none";
                    format!("! -p {protocol}")
                }
            }
            31 => "-m comment --comment \"words; for people\"".to_owned(),
            _ => return None,
        })
    }

    /// The rule's protocol becomes one of these, if it has none yet.
    fn protocol(&mut self, all: &[&'static str]) -> Option<()> {
        if !self.protocol.is_empty() {
            return None;
        }
        self.protocol = self.pick(all);
        Some(())
    }

    fn link(&mut self) -> String {
        match self.random.below(8) {
            0 => "br+".to_owned(),
            1 => "e+".to_owned(),
            2 => "lo".to_owned(),
            _ => self.random.pick(self.around.ends).link.clone(),
        }
    }

    fn ports(&mut self, not: &str) -> Option<String> {
        self.protocol(&["tcp", "udp"])?;
        let test = match self.random.below(6) {
            0 => String::new(),
            1 => format!("{not}--sport {}", self.pick(&["20000:20009", "1024:65535", "80"])),
            2 => format!("{not}--dport {}", self.pick(&["80:443", "5000:6000", ":1023"])),
            _ => format!("{not}--dport {}", *self.random.pick(&PORTS)),
        };
        Some(format!("-p {} -m {} {test}", self.protocol, self.protocol))
    }

    fn flow(&mut self, not: &str) -> String {
        let six = self.six;
        let test = match self.random.below(10) {
            0 => format!("{not}--ctorigdst {}", address(self.random, six)),
            1 => format!("{not}--ctorigsrc {}", address(self.random, six)),
            2 => format!("{not}--ctreplsrc {}", address(self.random, six)),
            3 => format!("{not}--ctrepldst {}", address(self.random, six)),
            4 => format!("{not}--ctproto {}", self.pick(&["6", "17"])),
            5 => format!("{not}--ctorigdstport {}", self.pick(&["80", "80:443", "5300"])),
            6 => format!("{not}--ctreplsrcport {}", self.pick(&["80", "8080"])),
            7 => format!(
                "{not}--ctstatus {}",
                self.pick(&["CONFIRMED", "SEEN_REPLY", "EXPECTED", "NONE", "CONFIRMED,SEEN_REPLY", "ASSURED"])
            ),
            8 => format!("{not}--ctorigsrcport {}", self.pick(&["20000:20009", "80"])),
            _ => format!("--ctdir {}", self.pick(&["ORIGINAL", "REPLY"])),
        };
        format!("-m conntrack {test}")
    }

    fn kind_of_address(&mut self, not: &str) -> String {
        let which = self.pick(&["--dst-type", "--src-type", "--dst-type"]);
        let kind = self.pick(&["LOCAL", "UNICAST", "LOCAL,BROADCAST", "MULTICAST", "UNICAST,LOCAL"]);
        let limit = match (self.hook, self.random.below(5)) {
            ("PREROUTING" | "INPUT", 0) => " --limit-iface-in",
            ("POSTROUTING" | "OUTPUT", 0) => " --limit-iface-out",
            _ => "",
        };
        format!("-m addrtype {not}{which} {kind}{limit}")
    }

    fn set(&mut self, not: &str) -> String {
        if self.random.percent(10) && matches!(self.protocol, "tcp" | "udp") {
            return format!("-m set {not}--match-set number dst");
        }
        let (name, _, words) = *self.random.pick(&IPSETS);
        // Other words than those that it was made for ask it too.
        let words = match (words, self.random.below(4)) {
            ("src", 0) => "dst",
            ("dst", 0) => "src",
            ("src,src", _) if matches!(self.hook, "OUTPUT" | "POSTROUTING") => "dst,dst",
            _ => words,
        };
        let end = if self.six { "6" } else { "" };
        format!("-m set {not}--match-set {name}{end} {words}")
    }

    fn physdev(&mut self, not: &str) -> Option<String> {
        let port = self.random.pick(self.around.ports).clone();
        let is_routed = !matches!(self.hook, "FORWARD" | "POSTROUTING");
        Some(match self.random.below(5) {
            0 if self.hook != "OUTPUT" => format!("-m physdev {not}--physdev-in {port}"),
            1 if !is_routed => format!("-m physdev {not}--physdev-out {port}"),
            2 => format!("-m physdev {not}--physdev-is-in"),
            3 if !is_routed => format!("-m physdev {not}--physdev-is-bridged"),
            4 => format!("-m physdev {not}--physdev-in p+"),
            _ => return None,
        })
    }

    fn chance(&mut self, not: &str) -> String {
        match self.random.below(3) {
            0 => format!("-m statistic --mode nth {not}--every {} --packet 0", 1 + self.random.below(3)),
            _ => {
                format!("-m statistic --mode random {not}--probability {}", self.pick(&["0.5", "0.333", "0.1", "1.0"]))
            }
        }
    }

    fn recent(&mut self, not: &str) -> String {
        let list = self.pick(&["seen", "other"]);
        let end = if self.six { "6" } else { "" };
        let which = self.pick(&["--rsource", "--rdest"]);
        let does = match self.random.below(6) {
            0 | 1 => "--set",
            2 => "--rcheck",
            3 => "--update --seconds 600",
            4 => "--remove",
            _ => "--rcheck --seconds 600 --reap",
        };
        format!("-m recent {not}{does} --name {list}{end} {which}")
    }

    fn filter_target(&mut self, rule: &mut String) -> String {
        match self.random.below(8) {
            0 => "-j DROP".to_owned(),
            1 | 2 => {
                let tells = self.random.below(6);
                if tells == 0 && (self.protocol.is_empty() || self.protocol == "tcp") {
                    if self.protocol.is_empty() {
                        rule.push_str(" -p tcp");
                    }
                    return "-j REJECT --reject-with tcp-reset".to_owned();
                }
                let kind = if self.six {
                    self.pick(&[
                        "icmp6-port-unreachable",
                        "icmp6-no-route",
                        "icmp6-adm-prohibited",
                        "icmp6-addr-unreachable",
                    ])
                } else {
                    self.pick(&[
                        "icmp-port-unreachable",
                        "icmp-host-unreachable",
                        "icmp-net-unreachable",
                        "icmp-admin-prohibited",
                        "icmp-proto-unreachable",
                        "icmp-host-prohibited",
                    ])
                };
                format!("-j REJECT --reject-with {kind}")
            }
            3 => "-j LOG --log-level 7".to_owned(),
            _ => "-j ACCEPT".to_owned(),
        }
    }

    fn raw_target(&mut self) -> String {
        match self.random.below(6) {
            0..=2 => "-j CT --notrack".to_owned(),
            3 => format!("-j CT --zone {}", 1 + self.random.below(2)),
            4 => "-j MARK --set-xmark 0x1/0xffffffff".to_owned(),
            _ => "-j ACCEPT".to_owned(),
        }
    }

    fn mangle_target(&mut self) -> String {
        match self.random.below(12) {
            0..=2 => {
                let to = self.pick(&["0x1/0xffffffff", "0x2/0xf", "0x10/0x0", "0x0/0xff", "0x3/0x1"]);
                format!("-j MARK --set-xmark {to}")
            }
            3 => format!(
                "-j CONNMARK --save-mark{}",
                self.pick(&["", " --nfmask 0xff --ctmask 0xff", " --nfmask 0xf --ctmask 0xffff"])
            ),
            4 => format!(
                "-j CONNMARK --restore-mark{}",
                self.pick(&["", " --nfmask 0xff --ctmask 0xff", " --nfmask 0xf --ctmask 0x2"])
            ),
            5 => format!("-j CONNMARK --set-xmark {}", self.pick(&["0x2/0xffffffff", "0x1/0x0", "0x4/0x6"])),
            6 | 7 => {
                let (target, option) = if self.six { ("HL", "hl") } else { ("TTL", "ttl") };
                let change = self.pick(&["dec 1", "inc 2", "set 10", "set 63", "dec 3"]);
                format!("-j {target} --{option}-{change}")
            }
            8 => "-j CLASSIFY --set-class 1:1".to_owned(),
            9 => "-j CHECKSUM --checksum-fill".to_owned(),
            10 => "-j ACCEPT".to_owned(),
            _ => "-j DROP".to_owned(),
        }
    }

    fn nat_target(&mut self, rule: &mut String) -> String {
        let six = self.six;
        let has_port = matches!(self.protocol, "tcp" | "udp");
        if self.protocol.is_empty() && self.random.percent(60) {
            self.protocol = self.pick(&["tcp", "udp"]);
            write!(rule, " -p {}", self.protocol).unwrap();
            return self.nat_target(rule);
        }
        let to = host_address(self.random, six);
        let last = if six { "fd00:2::4" } else { "10.2.0.4" };
        let first = if six { "fd00:2::1" } else { "10.2.0.1" };
        let port = *self.random.pick(&PORTS);
        let how = self.pick(&["", "", "", " --random", " --persistent"]);
        match self.hook {
            "PREROUTING" | "OUTPUT" => match self.random.below(10) {
                0 if has_port => format!("-j REDIRECT --to-ports {port}"),
                1 if has_port => "-j REDIRECT --to-ports 8080-8083".to_owned(),
                2 => "-j REDIRECT".to_owned(),
                3 => format!("-j NETMAP --to {}", network(self.random, six)),
                4 => format!("-j DNAT --to-destination {first}-{last}{how}"),
                5 if has_port => format!("-j DNAT --to-destination {}", with_port(&to, "80-83")),
                6 if has_port => format!("-j DNAT --to-destination {}{how}", with_port(&to, port)),
                7 if has_port && !six => format!("-j DNAT --to-destination :{port}"),
                _ => format!("-j DNAT --to-destination {to}{how}"),
            },
            "POSTROUTING" => match self.random.below(10) {
                0 if has_port => "-j MASQUERADE --to-ports 30000-30010".to_owned(),
                1 => format!("-j NETMAP --to {}", network(self.random, six)),
                2 => format!("-j SNAT --to-source {to}{how}"),
                3 => "-j MASQUERADE --random".to_owned(),
                4 => "-j MASQUERADE --random-fully".to_owned(),
                5 => format!("-j SNAT --to-source {first}-{last}{how}"),
                6 if has_port => format!("-j SNAT --to-source {}", with_port(&to, "40000-40100")),
                7 if has_port => format!("-j SNAT --to-source {}", with_port(&to, "25000-25009")),
                _ => "-j MASQUERADE".to_owned(),
            },
            _ => format!("-j SNAT --to-source {to}"),
        }
    }
}
