//! Packets in pieces, where rules meet each of them and where conntrack puts them together first: each frame and every
//! rule's counter compared with the kernel.

use std::fmt::Write as _;

use crate::bridged::{WAYS, compared};
use crate::wire::Shot;

/// Too long for any link here: two pieces each. First a short one, that finds the neighbours.
fn shots() -> Vec<Shot> {
    let mut shots = Vec::new();
    for more in [0, 1600, 1600] {
        for (from, four, six) in WAYS {
            for protocol in [17, 1] {
                for destination in [four, six] {
                    let port = 20_000 + shots.len();
                    let six = destination.contains(':');
                    let protocol = if protocol == 1 && six { 58 } else { protocol };
                    let to = if protocol == 17 { 5300 } else { port };
                    let source = if six { "::" } else { "0.0.0.0" };
                    shots.push(format!("{from} {protocol} {source} {port} {destination} {to} 0 0 0 {more}"));
                }
            }
        }
    }
    shots.iter().map(|line| line.parse().unwrap()).collect()
}

fn both(rules: &str, least_exact: usize) -> Vec<&'static str> {
    let mut verdicts = Vec::new();
    for on in [0, 1] {
        let nf = format!("@h1 sysctl\nbridge/bridge-nf-call-iptables={on}\nbridge/bridge-nf-call-ip6tables={on}\n");
        verdicts.extend(compared(&format!("bridge-nf {on}"), &(nf + rules), &shots(), least_exact));
    }
    verdicts
}

const ASKED: &str = "    udp dport 5300 counter
    udp sport 5300 counter
    meta l4proto udp counter
    meta l4proto icmp counter
    meta l4proto ipv6-icmp counter
    icmp type echo-request counter
    icmpv6 type echo-reply counter
    ip frag-off & 0x1fff != 0 counter
    ip frag-off & 0x2000 != 0 counter
    ip frag-off 0x2000 counter
    ip length 1500 counter
    ip length < 1500 counter
    ip6 nexthdr 44 counter
    ip6 nexthdr udp counter
    ip6 length 1456 counter
    meta length 1500 counter
    meta length > 1500 counter
    meta length 28-1499 counter
    ip protocol udp counter
    meta mark set 0x3 counter
";

fn frames() -> String {
    let mut text = "@h1 nft -f -\ntable bridge t {\n".to_owned();
    for (hook, priority) in [("prerouting", -300), ("prerouting", 50), ("input", 0), ("forward", 50), ("output", 0)] {
        write!(text, "  chain {hook}{} {{\n    type filter hook {hook} priority {priority};\n", priority + 300)
            .unwrap();
        text += ASKED;
        text += "  }\n";
    }
    text += "  chain last {\n    type filter hook postrouting priority 0;\n";
    text += ASKED;
    text += "  }\n}\ntable netdev t {\n";
    for (hook, link) in [("ingress", "p0"), ("egress", "p2"), ("egress", "v1"), ("ingress", "v1"), ("egress", "br0")] {
        write!(text, "  chain {hook}_{link} {{\n    type filter hook {hook} device {link} priority 0;\n").unwrap();
        text += ASKED;
        text += "  }\n";
    }
    text + "}\n"
}

fn of_ip(more: &str) -> String {
    let mut text = String::new();
    for host in [0, 1] {
        write!(text, "@h{host} nft -f -\ntable inet t {{\n").unwrap();
        for (hook, priority) in [
            ("prerouting", -450),
            ("prerouting", 0),
            ("input", 0),
            ("forward", 0),
            ("output", -450),
            ("output", 0),
            ("postrouting", 0),
        ] {
            write!(text, "  chain {hook}{} {{\n    type filter hook {hook} priority {priority};\n", priority + 450)
                .unwrap();
            text += ASKED;
            if hook == "forward" {
                text += more;
            }
            text += "  }\n";
        }
        text += "}\n";
    }
    text
}

#[test]
fn rules_of_frames_meet_each_piece() {
    let verdicts = both(&frames(), 40);
    assert!(verdicts.iter().all(|verdict| *verdict == "answered"), "{verdicts:?}");
}

#[test]
fn rules_of_ip_meet_each_piece_where_nothing_puts_them_together() {
    let verdicts = both(&of_ip(""), 40);
    assert!(verdicts.iter().all(|verdict| *verdict == "answered"), "{verdicts:?}");
}

#[test]
fn rules_of_ip_meet_them_together_where_conntrack_looks() {
    let verdicts = both(&(of_ip("    ct state new counter\n") + &frames()), 40);
    assert!(verdicts.iter().all(|verdict| *verdict == "answered"), "{verdicts:?}");
}

/// One piece is enough to lose all; who asks iptables for pieces gets the later ones.
#[test]
fn a_piece_that_is_dropped_loses_the_packet() {
    for (program, four, six) in [
        ("nft", "-f", ""),
        ("legacy", "-f", ""),
        ("nft", "-p udp --dport 5300", "-p udp --dport 5300"),
        ("legacy", "-p udp -m length --length 1000:1500", "-p udp -m length --length 0:300"),
    ] {
        let mut rules = String::new();
        for (end, test) in [("", four), ("6", six)] {
            let drop = if test.is_empty() { String::new() } else { format!("-A FORWARD {test} -j DROP\n") };
            write!(rules, "@h1 ip{end}tables-{program}-restore\n*filter\n:FORWARD ACCEPT [0:0]\n{drop}COMMIT\n")
                .unwrap();
        }
        let verdicts = both(&rules, 10);
        assert!(verdicts.contains(&"dropped") && verdicts.contains(&"answered"), "{verdicts:?}");
    }
}
