//! Random rules of one host, over all back ends: iptables of both kinds, nft, and the ipsets that they ask.

mod frames;
mod nft;
mod save;

use std::fmt::Write as _;

use crate::net::Random;
use crate::plan::End;
use crate::script::Script;

/// What of the network a host's rules can name.
pub struct Around<'a> {
    pub host: usize,
    pub ends: &'a [End],
    /// The ports of its bridges.
    pub ports: &'a [String],
}

pub const PORTS: [&str; 4] = ["80", "443", "5300", "8080"];

/// The ipsets of a host, by name, with the words that ask them; those with a 6 are of IPv6.
const IPSETS: [(&str, &str, &str); 8] = [
    ("addr", "hash:ip", "src"),
    ("net", "hash:net", "dst"),
    ("pair", "hash:ip,port", "dst,dst"),
    ("triple", "hash:ip,port,ip", "src,dst,dst"),
    ("netport", "hash:net,port", "dst,dst"),
    ("via", "hash:net,iface", "src,src"),
    ("mixed", "hash:ip,port,net", "src,dst,dst"),
    ("all", "list:set", "src"),
];

pub fn random_rules(script: &mut Script, random: &mut Random, around: &Around<'_>) {
    script.add(around.host, "nft -f -", &frames::script(random, around));
    if random.percent(40) {
        return;
    }
    // One back end mostly, two at times.
    let tool = *random.pick(&["nft", "legacy", "native"]);
    let second = if random.percent(8) { Some(*random.pick(&["nft", "legacy", "native"])) } else { None };
    let tools: Vec<&str> = [Some(tool), second.filter(|second| *second != tool)].into_iter().flatten().collect();
    let has_sets = tools.iter().any(|tool| *tool != "native") && random.percent(40);
    if has_sets {
        script.add(around.host, "ipset restore", &ipsets(random, around));
    }
    for back_end in tools {
        if back_end == "native" {
            script.add(around.host, "nft -f -", &nft::script(random, around));
            continue;
        }
        for six in [false, true] {
            let text = save::script(random, around, six, has_sets);
            script.add(around.host, &format!("ip{}tables-{back_end}-restore", if six { "6" } else { "" }), &text);
        }
    }
}

fn ipsets(random: &mut Random, around: &Around<'_>) -> String {
    let mut text = String::new();
    for six in [false, true] {
        let end = if six { "6" } else { "" };
        for (name, kind, _) in IPSETS {
            let family = if kind == "list:set" {
                String::new()
            } else {
                format!(" family {}", if six { "inet6" } else { "inet" })
            };
            writeln!(text, "create {name}{end} {kind}{family}").unwrap();
            for _ in 0..3 {
                let address = host_address(random, six);
                let port = format!("{}:{}", random.pick(&["tcp", "udp"]), random.pick(&PORTS));
                let entry = match name {
                    "addr" => address,
                    "net" if random.percent(30) => format!("{address} nomatch"),
                    "net" => network(random, six),
                    "pair" => format!("{address},{port}"),
                    "triple" => format!("{address},{port},{}", host_address(random, six)),
                    "netport" => format!("{},{port}", network(random, six)),
                    "via" => format!("{},{}", network(random, six), random.pick(around.ends).link),
                    "mixed" => format!("{address},{port},{}", network(random, six)),
                    _ => format!("{}{end}", random.pick(&["addr", "net"])),
                };
                writeln!(text, "add {name}{end} {entry} -exist").unwrap();
            }
        }
    }
    writeln!(text, "create number bitmap:port range 0-65535\nadd number 80\nadd number 5000-5400").unwrap();
    text
}

pub fn network(random: &mut Random, six: bool) -> String {
    let net = 1 + random.below(4);
    if six { format!("fd00:{net}::/64") } else { format!("10.{net}.0.0/24") }
}

pub fn host_address(random: &mut Random, six: bool) -> String {
    let (net, host) = (1 + random.below(4), 1 + random.below(5));
    if six { format!("fd00:{net}::{host}") } else { format!("10.{net}.0.{host}") }
}

pub fn address(random: &mut Random, six: bool) -> String {
    if random.percent(50) { network(random, six) } else { host_address(random, six) }
}

/// The link-layer address of somebody.
pub fn mac(random: &mut Random) -> String {
    let (segment, host) = (1 + random.below(4), random.below(5));
    crate::plan::mac(segment, host)
}

/// One word in an address and a port, as nat's targets write it.
pub fn with_port(address: &str, port: &str) -> String {
    if address.contains(':') { format!("[{address}]:{port}") } else { format!("{address}:{port}") }
}
