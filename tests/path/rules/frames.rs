//! Rules of frames: a bridge's chains, and those of single links.

use std::fmt::Write as _;

use super::{Around, PORTS, address, host_address, mac};
use crate::net::Random;

const CHAINS: [&str; 2] = ["one", "two"];

/// A script of `nft`; empty where the host is to have none.
pub fn script(random: &mut Random, around: &Around<'_>) -> String {
    let mut text = String::new();
    if !around.ports.is_empty() && random.percent(55) {
        let hooks = ["prerouting", "input", "forward", "output", "postrouting"];
        let mut maker = Maker { random, around, hook: "", is_bridge: true };
        writeln!(text, "table bridge t {{").unwrap();
        maker.inner(&mut text);
        for chain in 0..=maker.random.below(4) {
            let hook = *maker.random.pick(&hooks);
            // At 0 nothing tells whether IP's hooks are before it.
            let priority =
                if maker.random.percent(4) { "0" } else { *maker.random.pick(&["-300", "-150", "50", "300"]) };
            maker.chain(&format!("c{chain}"), hook, &format!("{hook} priority {priority}"), &mut text);
        }
        writeln!(text, "}}").unwrap();
    }
    if random.percent(40) {
        let mut links: Vec<String> = around.ends.iter().map(|end| end.link.clone()).collect();
        links.extend(around.ports.iter().cloned());
        links.push("lo".to_owned());
        let mut maker = Maker { random, around, hook: "", is_bridge: false };
        writeln!(text, "table netdev t {{").unwrap();
        maker.inner(&mut text);
        for chain in 0..=maker.random.below(3) {
            let hook = *maker.random.pick(&["ingress", "egress"]);
            let link = maker.random.pick(&links).clone();
            let place = format!("{hook} device \"{link}\" priority {}", chain * 10);
            maker.chain(&format!("c{chain}"), hook, &place, &mut text);
        }
        writeln!(text, "}}").unwrap();
    }
    text
}

struct Maker<'a, 'r> {
    random: &'r mut Random,
    around: &'a Around<'a>,
    hook: &'static str,
    is_bridge: bool,
}

impl Maker<'_, '_> {
    fn pick(&mut self, all: &[&'static str]) -> &'static str {
        self.random.pick::<&'static str>(all)
    }

    /// Sets, and chains that are led to.
    fn inner(&mut self, text: &mut String) {
        let (a, b) = (mac(self.random), mac(self.random));
        writeln!(text, "  set stations {{\n    type ether_addr\n    elements = {{ {a}, {b} }}\n  }}").unwrap();
        let at = *self.random.pick(&PORTS);
        writeln!(text, "  map ways {{\n    type ether_type : verdict\n    elements = {{ arp : accept, ip : jump two, ip6 : continue }}\n  }}").unwrap();
        writeln!(text, "  set ports {{\n    type inet_service\n    elements = {{ {at}, 5300 }}\n  }}").unwrap();
        writeln!(text, "  chain two {{\n  }}\n  chain one {{").unwrap();
        self.hook = "";
        self.rule(&["two"], text);
        writeln!(text, "  }}\n  chain two {{").unwrap();
        self.rule(&[], text);
        self.rule(&[], text);
        writeln!(text, "  }}").unwrap();
    }

    fn chain(&mut self, name: &str, hook: &'static str, place: &str, text: &mut String) {
        self.hook = hook;
        let policy = if self.random.percent(3) { "drop" } else { "accept" };
        writeln!(text, "  chain {name} {{\n    type filter hook {place}; policy {policy};").unwrap();
        for _ in 0..=self.random.below(5) {
            self.rule(&CHAINS, text);
        }
        writeln!(text, "  }}").unwrap();
    }

    fn rule(&mut self, below: &[&'static str], text: &mut String) {
        let mut clauses = Vec::new();
        for _ in 0..self.random.below(4) {
            clauses.extend(self.clause(clauses.is_empty()));
        }
        let action = self.action(below, !clauses.is_empty());
        let clauses = clauses.join(" ");
        let (needs, action) = action.split_once('|').map_or(("", action.as_str()), |(needs, action)| (needs, action));
        writeln!(text, "    {clauses} {needs} counter {action}").unwrap();
    }

    /// One that speaks of a protocol comes first, and alone.
    fn clause(&mut self, is_first: bool) -> Option<String> {
        let six = self.random.percent(50);
        let ip = if six { "ip6" } else { "ip" };
        let not = if self.random.percent(15) { "!= " } else { "" };
        Some(match self.random.below(18) {
            0 => format!("ether saddr {not}{}", mac(self.random)),
            1 => format!("ether daddr {not}{}", mac(self.random)),
            2 => format!("ether saddr {not}@stations"),
            3 if is_first => format!("ether type {not}{}", self.pick(&["ip", "ip6", "arp"])),
            4 if is_first => format!("{ip} saddr {not}{}", address(self.random, six)),
            5 if is_first => format!("{ip} daddr {not}{}", host_address(self.random, six)),
            6 if is_first => {
                format!("{} dport {not}{}", self.pick(&["tcp", "udp"]), self.pick(&["80", "5300", "{ 80, 443 }"]))
            }
            7 if is_first => format!("{} sport {}", self.pick(&["tcp", "udp"]), self.pick(&["80", "20000-20009"])),
            8 if is_first => format!("icmp type {}", self.pick(&["echo-request", "echo-reply"])),
            9 if is_first => {
                format!("icmpv6 type {}", self.pick(&["echo-request", "nd-neighbor-solicit", "nd-neighbor-advert"]))
            }
            10 => format!("meta mark {not}{}", self.pick(&["0x0", "0x1", "0x4"])),
            11 => format!("meta pkttype {not}{}", self.pick(&["host", "other", "broadcast", "multicast"])),
            12 => format!("iifname {not}{}", self.link()),
            13 => format!("oifname {not}{}", self.link()),
            14 => format!("meta length {not}{}", self.pick(&["60", "44", "58", "0-100"])),
            15 if is_first => format!("{ip} {} {}", if six { "hoplimit" } else { "ttl" }, self.pick(&["63", "64"])),
            16 => format!("meta l4proto {not}{}", self.pick(&["tcp", "udp", "ipv6-icmp"])),
            17 if is_first => format!("meta l4proto {{ tcp, udp }} th dport {not}@ports"),
            _ => return None,
        })
    }

    fn link(&mut self) -> String {
        if !self.around.ports.is_empty() && self.random.percent(60) {
            return format!("\"{}\"", self.random.pick(self.around.ports));
        }
        format!("\"{}\"", self.random.pick(self.around.ends).link)
    }

    fn action(&mut self, below: &[&'static str], is_asked: bool) -> String {
        let ingress = self.hook == "ingress";
        match self.random.below(20) {
            // What drops all is rare.
            0 if is_asked || self.random.percent(20) => "drop".to_owned(),
            1 | 2 => "accept".to_owned(),
            3 if !below.is_empty() => format!("jump {}", self.random.pick(below)),
            4 if !below.is_empty() => format!("goto {}", self.random.pick(below)),
            5 if below.len() > 1 => "|ether type vmap @ways".to_owned(),
            6 | 7 => format!("meta mark set {}", self.pick(&["0x1", "0x2", "0x4", "0x0"])),
            8 => "meta mark set meta mark xor 0x1".to_owned(),
            9 => "return".to_owned(),
            10 if !is_asked => "|ip dscp set cs1".to_owned(),
            11 if !is_asked => "|ip6 hoplimit set 60".to_owned(),
            12 if !is_asked => "|ip ttl set 60".to_owned(),
            13 if ingress => "notrack".to_owned(),
            14 if ingress && !self.is_bridge && is_asked => "reject".to_owned(),
            _ => String::new(),
        }
    }
}
