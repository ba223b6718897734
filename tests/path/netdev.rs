//! Chains of single links, as frames come in and leave: of the family netdev, and of inet at ingress; on pairs, ports,
//! bridges and loopback, each frame and every rule's counter compared with the kernel.

use std::fmt::Write as _;

use crate::bridged::{ASKED, both};

/// On all links of the bridge's host, and on the one of a host beside it.
fn asking(inet: bool) -> String {
    let mut text = String::new();
    for (host, links) in [(1, "p0, p2, br0, v1, lo"), (0, "e0, lo")] {
        writeln!(text, "@h{host} nft -f -").unwrap();
        let family = if inet { "inet" } else { "netdev" };
        let own = if inet { "    meta nfproto ipv4 counter\n" } else { "    arp operation request counter\n" };
        writeln!(text, "table {family} t {{").unwrap();
        for link in links.split(", ") {
            for hook in ["ingress", "egress"] {
                if inet && hook == "egress" {
                    continue;
                }
                write!(text, "  chain {hook}_{link} {{\n    type filter hook {hook} device {link} priority 0;\n")
                    .unwrap();
                text += &ASKED.replace("    arp operation request counter\n", own);
                text += "  }\n";
            }
        }
        text += "}\n";
        text += "table ip m {\n  chain c {\n    type filter hook prerouting priority 0;\n  }\n}\n";
    }
    text
}

#[test]
fn what_links_ask_at_both_ends() {
    for inet in [false, true] {
        let verdicts = both(&asking(inet), 40);
        assert!(verdicts.iter().all(|verdict| *verdict == "answered"), "{verdicts:?}");
    }
}

#[test]
fn what_links_drop_and_change() {
    let rules = "@h1 nft -f -
table netdev t {
  chain in {
    type filter hook ingress devices = { p0, v1 } priority -10;
    iifname \"p0\" udp dport 5300 ip daddr 10.1.0.3 counter drop
    iifname \"p0\" ip6 daddr fd00:1::3 tcp dport 80 counter ip6 hoplimit set 7
    iifname \"p0\" icmp type echo-request counter meta mark set 0x5
    iifname \"v1\" udp sport 5300 counter ip dscp set cs1
    counter
  }
  chain later {
    type filter hook ingress device \"p0\" priority 10; policy accept;
    ip6 hoplimit 7 counter
    meta mark 0x5 counter
    ip daddr 10.1.0.1 tcp dport 443 ip daddr set 10.1.0.3 ether daddr set 02:00:00:00:01:03 counter
    counter
  }
  chain out {
    type filter hook egress device \"p2\" priority 0; policy accept;
    meta mark 0x5 counter
    ip6 hoplimit 7 counter
    ip6 hoplimit 7 ip6 hoplimit set 9 counter
    icmpv6 type echo-request counter drop
    ip dscp cs1 counter
    counter
  }
  chain of_bridge {
    type filter hook egress device \"br0\" priority 0; policy accept;
    ip saddr 10.2.0.2 tcp sport 80 counter drop
    counter
  }
  chain up {
    type filter hook ingress device \"br0\" priority 0; policy accept;
    ip6 nexthdr icmpv6 icmpv6 type echo-request ip6 daddr fd00:1::1 counter drop
    meta mark 0x5 counter
    counter
  }
}
table inet t {
  chain before {
    type filter hook ingress device \"p2\" priority 5; policy accept;
    tcp sport 80 counter
    meta mark set 0x6 counter
  }
  chain pre {
    type filter hook prerouting priority -300;
    meta mark 0x5 counter
    meta mark 0x6 counter
    ip6 hoplimit 7 counter
    ip dscp cs1 counter
  }
}
@h2 nft -f -
table netdev t {
  chain in {
    type filter hook ingress device \"e2\" priority 0; policy accept;
    ip6 hoplimit 9 counter
    ip dscp cs1 counter
    meta mark 0x0 counter
    tcp dport 443 ip saddr 10.1.0.2 counter drop
  }
}
@h0 nft -f -
table netdev t {
  chain out {
    type filter hook egress device \"e0\" priority 0; policy accept;
    ip daddr 10.2.0.2 meta l4proto != tcp counter drop
    ip6 daddr fd00:2::2 counter drop
    tcp dport 80 ip daddr 10.1.0.1 counter drop
  }
}
";
    let verdicts = both(rules, 20);
    for wanted in ["answered", "unanswered", "dropped"] {
        assert!(verdicts.contains(&wanted), "{verdicts:?}");
    }
}

/// Rules at ingress reject by the link that the packet came by, in the name of whom it was for.
#[test]
fn what_links_reject() {
    let rules = "@h1 nft -f -
table netdev t {
  chain in {
    type filter hook ingress devices = { p0, v1 } priority 0; policy accept;
    ip daddr 10.1.0.3 udp dport 5300 counter reject
    ip6 daddr fd00:1::3 udp dport 5300 counter reject with icmpv6 type admin-prohibited
    ip daddr 10.2.0.2 meta l4proto tcp counter reject with tcp reset
    ip6 daddr fd00:2::2 meta l4proto tcp counter reject with tcp reset
    ip daddr 10.1.0.1 icmp type echo-request counter reject with icmp type host-prohibited
    ip saddr 10.2.0.2 tcp dport 80 counter reject with icmp type port-unreachable
    counter
  }
}
";
    let verdicts = both(rules, 10);
    for wanted in ["answered", "rejected"] {
        assert!(verdicts.contains(&wanted), "{verdicts:?}");
    }
}
