//! Chains of the bridge family: their places around IP's own hooks, and all that they can ask, for frames of IP, ARP
//! and neighbour discovery; each frame on each link and every rule's counter compared with the kernel.

use std::fmt::Write as _;

use crate::compare::run;
use crate::counters::Oracle;
use crate::script::Script;
use crate::wire::Shot;

/// h0 and h2 are on the bridge of h1, which leads on to h3.
pub const NET: &str = "hosts 4
@h1 ip
link add br0 address 02:00:00:00:01:01 type bridge
link set br0 up
addr add 10.1.0.1/24 dev br0
addr add fd00:1::1/64 dev br0 nodad
link add p0 address 02:00:00:00:01:f0 type veth peer name e0 address 02:00:00:00:01:02 netns @h0
link set p0 master br0 up
link add p2 address 02:00:00:00:01:f2 type veth peer name e2 address 02:00:00:00:01:03 netns @h2
link set p2 master br0 up
link add v1 address 02:00:00:00:02:01 type veth peer name v3 address 02:00:00:00:02:02 netns @h3
link set v1 up
addr add 10.2.0.1/24 dev v1
addr add fd00:2::1/64 dev v1 nodad
@h0 ip
link set e0 up
addr add 10.1.0.2/24 dev e0
addr add fd00:1::2/64 dev e0 nodad
route add default via 10.1.0.1
route add default via fd00:1::1
@h2 ip
link set e2 up
addr add 10.1.0.3/24 dev e2
addr add fd00:1::3/64 dev e2 nodad
route add default via 10.1.0.1
route add default via fd00:1::1
@h3 ip
link set v3 up
addr add 10.2.0.2/24 dev v3
addr add fd00:2::2/64 dev v3 nodad
route add default via 10.2.0.1
route add default via fd00:2::1
@h1 sysctl
ipv4/ip_forward=1
ipv6/conf/all/forwarding=1
";

/// From each host to each: through the bridge, up, out, and routed to it and from it.
pub const WAYS: [(usize, &str, &str); 7] = [
    (0, "10.1.0.3", "fd00:1::3"),
    (2, "10.1.0.2", "fd00:1::2"),
    (0, "10.1.0.1", "fd00:1::1"),
    (1, "10.1.0.2", "fd00:1::2"),
    (0, "10.2.0.2", "fd00:2::2"),
    (3, "10.1.0.3", "fd00:1::3"),
    (1, "10.2.0.2", "fd00:2::2"),
];

fn shots(again: usize) -> Vec<Shot> {
    let mut shots = Vec::new();
    for round in 0..again {
        for (from, four, six) in WAYS {
            for (protocol, to) in [(17, 5300), (6, 80), (1, 0)] {
                for destination in [four, six] {
                    let port = 20_000 + shots.len();
                    let protocol = if protocol == 1 && destination.contains(':') { 58 } else { protocol };
                    let source = if destination.contains(':') { "::" } else { "0.0.0.0" };
                    let to = if to == 0 { port } else { to + round * usize::from(protocol == 6) * 363 };
                    shots.push(format!("{from} {protocol} {source} {port} {destination} {to} 0 0 0 0"));
                }
            }
        }
    }
    shots.iter().map(|line| line.parse().unwrap()).collect()
}

/// What is compared: every packet agrees, none is unknown, and of all that found their neighbours known before, every
/// counter agrees to the last packet.
pub fn agrees(name: &str, more: &str, least_exact: usize) -> Vec<&'static str> {
    compared(name, more, &shots(2), least_exact)
}

/// The same of some packets.
pub fn compared(name: &str, more: &str, shots: &[Shot], least_exact: usize) -> Vec<&'static str> {
    let (script, _) = Script::parse(&(NET.to_owned() + more));
    // The kernel takes every rule: one that it refuses is left out, and would agree with all.
    let rules = more.lines().filter(|line| line.starts_with("-A") || line.contains(" counter")).count();
    assert_eq!(Oracle::of(&script).read(&script.build()).len(), rules, "{name}");
    let told = run(&script, shots);
    let wrong: Vec<_> = told.iter().filter_map(|told| told.wrong.clone()).collect();
    let unknown: Vec<_> = told.iter().filter_map(|told| told.unknown.clone()).collect();
    assert!(wrong.is_empty(), "{name}: {} wrong\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(unknown, Vec::<String>::new(), "{name}");
    let exact = told.iter().filter(|told| told.exact == Some(true)).count();
    assert!(exact >= least_exact, "{name}: {exact} exact");
    told.iter().map(|told| told.verdict).collect()
}

pub fn both(rules: &str, least_exact: usize) -> Vec<&'static str> {
    let mut verdicts = Vec::new();
    for on in [0, 1] {
        let nf = format!("@h1 sysctl\nbridge/bridge-nf-call-iptables={on}\nbridge/bridge-nf-call-ip6tables={on}\n");
        verdicts.extend(agrees(&format!("bridge-nf {on}"), &(nf + rules), least_exact));
    }
    verdicts
}

/// What every hook of a bridge asks, at places before and behind IP's.
fn asking() -> String {
    let mut text = "@h1 nft -f -\ntable bridge t {\n".to_owned();
    for hook in ["prerouting", "input", "forward", "output", "postrouting"] {
        for (name, priority) in [("early", -300), ("late", 150)] {
            write!(text, "  chain {name}_{hook} {{\n    type filter hook {hook} priority {priority};\n").unwrap();
            text += ASKED;
            text += "  }\n";
        }
    }
    text += "}\n";
    text += "table inet t {\n";
    for hook in ["prerouting", "input", "forward", "output", "postrouting"] {
        write!(text, "  chain {hook} {{\n    type filter hook {hook} priority 0;\n").unwrap();
        text += "    meta mark 0x0 counter\n    meta mark 0x1 counter\n    meta mark 0x2 counter\n";
        text += "    meta mark set meta mark xor 0x1 counter\n    meta pkttype host counter\n  }\n";
    }
    text + "}\n"
}

pub const ASKED: &str = "    ether saddr 02:00:00:00:01:02 counter
    ether daddr 02:00:00:00:01:03 counter
    ether daddr 02:00:00:00:01:01 counter
    ether type ip counter
    ether type ip6 counter
    ether type arp counter
    ether type vlan counter
    iifname \"p0\" counter
    iifname \"p2\" counter
    iifname != \"p*\" counter
    oifname \"p0\" counter
    oifname \"p2\" counter
    oifname != \"p*\" counter
    meta pkttype host counter
    meta pkttype other counter
    meta pkttype broadcast counter
    meta pkttype multicast counter
    meta length 44 counter
    meta length 60 counter
    meta length 28 counter
    meta protocol ip counter
    meta l4proto udp counter
    meta skuid 0 counter
    ip saddr 10.1.0.2 counter
    ip daddr 10.1.0.3 tcp dport 80 counter
    ip6 daddr fd00:1::3 udp dport 5300 counter
    ip ttl 63 counter
    ip6 hoplimit 63 counter
    icmpv6 type nd-neighbor-solicit counter
    icmp type echo-request counter
    arp operation request counter
    meta mark 0x0 counter
    meta mark 0x1 counter
    meta mark 0x2 counter
    meta mark 0x3 counter
    meta mark set meta mark xor 0x2 counter
";

#[test]
fn what_a_bridge_asks_at_all_its_places() {
    let verdicts = both(&asking(), 40);
    assert!(verdicts.iter().all(|verdict| *verdict == "answered"), "{verdicts:?}");
}

#[test]
fn what_a_bridge_drops() {
    let rules = "@h1 nft -f -
table bridge t {
  set banned {
    type ether_addr . inet_service
    elements = { 02:00:00:00:01:02 . 443 }
  }
  map ways {
    type ifname : verdict
    elements = { \"p0\" : jump from_zero, \"p2\" : goto from_two }
  }
  chain from_zero {
    ip daddr 10.1.0.3 udp dport 5300 counter drop
    ether type ip6 meta l4proto tcp counter return
    counter
  }
  chain from_two {
    icmp type echo-request counter drop
    counter accept
    counter
  }
  chain forward {
    type filter hook forward priority 0; policy accept;
    iifname vmap @ways
    counter
  }
  chain input {
    type filter hook input priority -200; policy accept;
    icmpv6 type echo-request counter drop
    meta l4proto tcp ether saddr . th dport @banned counter drop
  }
  chain output {
    type filter hook output priority 0; policy drop;
    ether type arp counter accept
    meta l4proto { tcp, ipv6-icmp } counter accept
    ip saddr 10.2.0.2 counter accept
    counter
  }
  chain postrouting {
    type filter hook postrouting priority 300;
    oifname \"p0\" ip6 saddr fd00:2::2 udp sport 5300 counter drop
    counter
  }
}
";
    let verdicts = both(rules, 20);
    for wanted in ["answered", "unanswered", "dropped"] {
        assert!(verdicts.contains(&wanted), "{verdicts:?}");
    }
}

/// Neither ARP nor neighbour discovery finds anybody: whoever has to ask hears that nobody answers.
#[test]
fn who_asks_for_a_neighbour_crosses_them_too() {
    for rule in ["ether type arp arp operation reply counter drop", "ether type arp counter drop"] {
        let rules = format!(
            "@h1 nft -f -\ntable bridge t {{\n  chain c {{\n    type filter hook prerouting priority -300;\n    {rule}
    icmpv6 type nd-neighbor-advert counter drop\n  }}\n}}\n"
        );
        let verdicts = both(&rules, 0);
        assert!(verdicts.contains(&"rejected"), "{verdicts:?}");
    }
}

/// A changed destination: of the frame before the bridge looks, of the packet by IP's hooks in it.
#[test]
fn where_rules_send_a_frame() {
    let rules = "@h1 nft -f -
table bridge t {
  chain early {
    type filter hook prerouting priority -300;
    iifname \"p0\" udp dport 5300 ip daddr 10.1.0.1 ether daddr set 02:00:00:00:01:03 counter
    iifname \"p0\" tcp dport 80 ip daddr 10.1.0.3 ether saddr set 02:00:00:00:01:77 counter
    iifname \"p0\" ip6 daddr fd00:1::3 tcp dport 80 meta mark set 0x7 counter
  }
  chain late {
    type filter hook prerouting priority 10;
    ether daddr 02:00:00:00:01:01 counter
    ether daddr 02:00:00:00:01:03 counter
    ip daddr 10.1.0.3 counter
    meta pkttype host counter
    meta pkttype other counter
    ip saddr 10.2.0.2 counter
  }
  chain forward {
    type filter hook forward priority 10;
    ether daddr 02:00:00:00:01:03 counter
    ether saddr 02:00:00:00:01:77 counter
    ether saddr 02:00:00:00:01:02 counter
    ip daddr 10.1.0.3 counter
    meta mark 0x7 counter
    meta mark 0x8 counter
    meta pkttype other counter
    meta pkttype host counter
  }
  chain input {
    type filter hook input priority 10;
    meta pkttype host counter
    meta pkttype other counter
    ether daddr 02:00:00:00:01:01 counter
  }
}
table inet t {
  chain nat {
    type nat hook prerouting priority -100;
    ip daddr 10.2.0.2 tcp dport 80 iifname \"br0\" dnat ip to 10.1.0.3
    ip6 daddr fd00:2::2 tcp dport 80 iifname \"br0\" dnat ip6 to fd00:1::3
    ip daddr 10.1.0.1 tcp dport 80 dnat ip to 10.2.0.2
  }
  chain forward {
    type filter hook forward priority 0;
    meta mark 0x7 meta mark set 0x8 counter
    meta pkttype host counter
    ct state new counter
  }
}
";
    let verdicts = both(rules, 10);
    assert!(verdicts.contains(&"answered"), "{verdicts:?}");
}
