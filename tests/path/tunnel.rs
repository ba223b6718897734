//! Packets through vxlan tunnels: each frame on each link, the outer ones too, and each counter, against the kernel.

use std::fmt::Write as _;

use crate::compare::run;
use crate::script::Script;
use crate::wire::Shot;

/// h1 and h2 are nodes with a router h3 between them; h0 is a pod of h1, and h4 one of h2.
pub const NODES: &str = "hosts 5
@h1 ip
link add ul type veth peer name r1 netns @h3
link set ul up
addr add 192.0.2.1/24 dev ul
addr add fd01::1/64 dev ul nodad
@h2 ip
link add ul type veth peer name r2 netns @h3
link set ul up
addr add 198.51.100.2/24 dev ul
addr add fd02::2/64 dev ul nodad
route add default via 198.51.100.254
route add default via fd02::fe
@h1 ip
route add default via 192.0.2.254
route add default via fd01::fe
@h3 ip
link set r1 up
link set r2 up
addr add 192.0.2.254/24 dev r1
addr add fd01::fe/64 dev r1 nodad
addr add 198.51.100.254/24 dev r2
addr add fd02::fe/64 dev r2 nodad
@h3 sysctl
ipv4/ip_forward=1
ipv6/conf/all/forwarding=1
@h1 sysctl
ipv4/ip_forward=1
ipv6/conf/all/forwarding=1
@h2 sysctl
ipv4/ip_forward=1
ipv6/conf/all/forwarding=1
";

/// Pods behind routers, as flannel has them: one vxlan a node, with fixed neighbours and forwarding entries.
pub const ROUTED: &str = "@h1 ip
link add p0 type veth peer name eth0 netns @h0
link set p0 up
addr add 10.1.0.254/24 dev p0
addr add fd00:1::fe/64 dev p0 nodad
@h0 ip
link set eth0 up
addr add 10.1.0.1/24 dev eth0
addr add fd00:1::1/64 dev eth0 nodad
route add default via 10.1.0.254
route add default via fd00:1::fe
@h2 ip
link add p4 type veth peer name eth0 netns @h4
link set p4 up
addr add 10.2.0.254/24 dev p4
addr add fd00:2::fe/64 dev p4 nodad
@h4 ip
link set eth0 up
addr add 10.2.0.4/24 dev eth0
addr add fd00:2::4/64 dev eth0 nodad
route add default via 10.2.0.254
route add default via fd00:2::fe
";

/// The tunnel's links of both nodes with their settings, and what is behind the other.
pub fn flannel(six: bool, one: &str, other: &str) -> String {
    let (a, b) = if six { ("fd01::1", "fd02::2") } else { ("192.0.2.1", "198.51.100.2") };
    let mut text = String::new();
    for (host, own, far, net, mac, away, settings) in [
        (1, a, b, 2, "02:00:00:00:00:f1", "02:00:00:00:00:f2", one),
        (2, b, a, 1, "02:00:00:00:00:f2", "02:00:00:00:00:f1", other),
    ] {
        write!(
            text,
            "@h{host} ip
link add flannel.1 address {mac} type vxlan id 1 local {own} dev ul dstport 8472 nolearning {settings}
link set flannel.1 up
addr add 10.{host}.255.1/32 dev flannel.1
addr add fd00:{host}:ff::1/128 dev flannel.1 nodad
neigh add 10.{net}.255.1 lladdr {away} dev flannel.1 nud permanent
neigh add fd00:{net}:ff::1 lladdr {away} dev flannel.1 nud permanent
route add 10.{net}.0.0/16 via 10.{net}.255.1 dev flannel.1 onlink
route add fd00:{net}::/48 via fd00:{net}:ff::1 dev flannel.1 onlink
@h{host} bridge -batch -
fdb append {away} dev flannel.1 dst {far}
"
        )
        .unwrap();
    }
    text
}

/// Both pods are on one wire: a bridge in each node, with a vxlan as a port.
pub fn bridged(settings: [&str; 2]) -> String {
    let mut text = String::new();
    for (node, pod, own, far, settings) in
        [(1, 0, "192.0.2.1", "198.51.100.2", settings[0]), (2, 4, "198.51.100.2", "192.0.2.1", settings[1])]
    {
        write!(
            text,
            "@h{node} ip
link add br0 address 02:00:00:00:0b:0{node} type bridge
link set br0 up
link add p{pod} type veth peer name eth0 netns @h{pod}
link set p{pod} master br0 up
link add vx0 type vxlan id 7 local {own} dev ul dstport 4789 {settings}
link set vx0 master br0 up
@h{node} bridge -batch -
fdb append 00:00:00:00:00:00 dev vx0 dst {far}
@h{pod} ip
link set eth0 up
addr add 10.5.0.1{pod}/24 dev eth0
addr add fd00:5::1{pod}/64 dev eth0 nodad
"
        )
        .unwrap();
    }
    text
}

const COUNTERS: &str = "nft -f -\ntable inet t {
    chain a {\n        type filter hook prerouting priority -150;\n        udp dport { 4789, 8472 } counter\n        ct state new counter\n        ct state established counter\n    }
    chain b {\n        type filter hook input priority 0;\n        udp dport { 4789, 8472 } counter\n        ct state new counter\n    }
    chain c {\n        type filter hook output priority 0;\n        udp dport { 4789, 8472 } counter\n        ct state new counter\n        meta skuid 0 counter\n    }
    chain d {\n        type filter hook forward priority 0;\n        counter\n        ct state new counter\n    }
    chain e {\n        type filter hook postrouting priority 0;\n        udp dport { 4789, 8472 } counter\n        counter\n    }
}
";

fn counters() -> String {
    [1, 2, 3].iter().fold(String::new(), |text, host| text + &format!("@h{host} {COUNTERS}"))
}

/// Each line: a packet and its verdict. All of them as the kernel has them, and none unknown but where that is asked for.
pub fn differences(name: &str, text: &str, shots: &[(&str, &str)]) -> String {
    let (script, _) = Script::parse(text);
    let lines: Vec<Shot> = shots.iter().map(|(line, _)| line.parse().unwrap()).collect();
    let told = run(&script, &lines);
    let mut wrong = String::new();
    for (told, (line, verdict)) in told.iter().zip(shots) {
        if let Some(differs) = &told.wrong {
            writeln!(wrong, "{name}: {differs}").unwrap();
        }
        let again =
            told.again.as_ref().map_or_else(String::new, |again| format!(" (agreed only when sent again: {again})"));
        if told.verdict != *verdict || !again.is_empty() {
            writeln!(wrong, "{name}: {line}: {} and not {verdict}: {:?}{again}", told.verdict, told.unknown).unwrap();
        }
    }
    assert_eq!(told.len(), shots.len());
    wrong
}

fn check(name: &str, text: &str, shots: &[(&str, &str)]) {
    let wrong = differences(name, text, shots);
    assert!(wrong.is_empty(), "{wrong}");
}

const FLANNEL: [(&str, &str); 8] = [
    ("0 17 0.0.0.0 20000 10.2.0.4 80 0 0 0 0", "answered"),
    ("0 17 :: 20001 fd00:2::4 80 0 0 0 0", "answered"),
    ("0 6 0.0.0.0 20002 10.2.0.4 80 0 0 0 0", "answered"),
    ("0 6 :: 20003 fd00:2::4 443 0 0 0 0", "answered"),
    ("0 1 0.0.0.0 20004 10.2.0.4 20004 0 0 0 0", "answered"),
    ("4 58 :: 20005 fd00:1::1 20005 0 0 0 0", "answered"),
    ("1 17 0.0.0.0 20006 10.2.0.4 80 0 0 0 0", "answered"),
    ("2 17 0.0.0.0 20007 10.1.0.1 80 0 0 0 0", "answered"),
];

#[test]
fn routed_over_ipv4() {
    check("flannel", &(NODES.to_owned() + ROUTED + &flannel(false, "", "") + &counters()), &FLANNEL);
}

#[test]
fn routed_over_ipv6() {
    check("flannel over IPv6", &(NODES.to_owned() + ROUTED + &flannel(true, "", "") + &counters()), &FLANNEL);
}

#[test]
fn one_wire_through_a_tunnel() {
    let shots = [
        ("0 17 0.0.0.0 20000 10.5.0.14 80 0 0 0 0", "answered"),
        ("0 17 :: 20001 fd00:5::14 80 0 0 0 0", "answered"),
        ("4 6 0.0.0.0 20002 10.5.0.10 80 0 0 0 0", "answered"),
        ("4 58 :: 20003 fd00:5::10 20003 0 0 0 0", "answered"),
        ("0 17 0.0.0.0 20004 10.5.0.9 80 0 0 0 0", "rejected"),
        ("0 17 :: 20005 fd00:5::9 80 0 0 0 0", "rejected"),
    ];
    for settings in [["", ""], ["nolearning", "nolearning"], ["", "nolearning"]] {
        check(&format!("bridged {settings:?}"), &(NODES.to_owned() + &bridged(settings) + &counters()), &shots);
    }
}

/// What becomes of packets whose outer packets rules, tables and settings stop or change.
#[test]
fn outer_packets_that_are_lost_or_changed() {
    let first = |verdict| [(FLANNEL[0].0, verdict), (FLANNEL[3].0, verdict)];
    let nat = "nft -f -\ntable ip t {
    chain a {\n        type nat hook postrouting priority 100;\n        udp dport { 4789, 8472 } counter masquerade\n    }\n}\n";
    let dnat = "@h2 nft -f -\ntable ip t {
    chain a {\n        type nat hook prerouting priority -100;\n        udp dport 9999 counter dnat to 198.51.100.2:8472\n    }\n}\n";
    let rule = |host: usize, hook: &str, rule: &str| {
        format!(
            "@h{host} nft -f -\ntable inet t {{\n    chain x {{\n        type filter hook {hook} priority 0;\n        {rule}\n    }}\n}}\n"
        )
    };
    let marked = "@h1 nft -f -\ntable inet t {
    chain a {\n        type filter hook forward priority 0;\n        counter meta mark set 7\n    }
    chain b {\n        type filter hook output priority 0;\n        meta mark 7 udp dport 8472 counter\n        ip dscp cs1 counter\n    }\n}
@h2 nft -f -\ntable inet t {
    chain a {\n        type filter hook input priority 0;\n        udp dport 8472 counter meta mark set 9\n    }
    chain b {\n        type filter hook forward priority 0;\n        meta mark 9 counter\n    }\n}\n";
    let routes = "@h1 ip\nrule add fwmark 7 lookup 100\nroute add blackhole default table 100\nroute add 192.0.2.254 dev ul table 100\n";
    let cases: Vec<(&str, String, &str)> = vec![
        ("masqueraded", flannel(false, "", "") + "@h1 " + nat + "@h2 " + nat, "answered"),
        ("dropped at output", flannel(false, "", "") + &rule(1, "output", "udp dport 8472 counter drop"), "dropped"),
        ("rejected at output", flannel(false, "", "") + &rule(1, "output", "udp dport 8472 counter reject"), "dropped"),
        ("dropped by a router", flannel(false, "", "") + &rule(3, "forward", "udp dport 8472 counter drop"), "dropped"),
        (
            "rejected by a router",
            flannel(true, "", "") + &rule(3, "forward", "udp dport 8472 counter reject"),
            "dropped",
        ),
        ("dropped at input", flannel(true, "", "") + &rule(2, "input", "udp dport 8472 counter drop"), "dropped"),
        (
            "only known flows at input",
            flannel(false, "", "")
                + &rule(
                    1,
                    "input",
                    "meta l4proto icmpv6 accept\n        ct state established,related counter accept\n        counter drop",
                ),
            "unanswered",
        ),
        ("no route to the VTEP", flannel(false, "", "") + "@h1 ip\nroute del default via 192.0.2.254\n", "dropped"),
        ("another VNI", flannel(false, "", "").replacen("id 1 local 198", "id 2 local 198", 1), "dropped"),
        ("another port", flannel(false, "", "").replacen("ul dstport 8472", "ul dstport 4789", 1), "dropped"),
        (
            "no forwarding entry",
            flannel(false, "", "") + "@h1 bridge -batch -\nfdb del 02:00:00:00:00:f2 dev flannel.1 dst 198.51.100.2\n",
            "dropped",
        ),
        (
            "an entry with a port of its own",
            flannel(false, "", "")
                + "@h1 bridge -batch -\nfdb replace 02:00:00:00:00:f2 dev flannel.1 dst 198.51.100.2 port 9999\n"
                + dnat,
            "answered",
        ),
        (
            "an entry with a VNI of its own",
            flannel(false, "", "")
                + "@h1 bridge -batch -\nfdb replace 02:00:00:00:00:f2 dev flannel.1 dst 198.51.100.2 vni 9\n",
            "dropped",
        ),
        (
            "an entry by a link",
            flannel(false, "", "")
                + "@h1 bridge -batch -\nfdb replace 02:00:00:00:00:f2 dev flannel.1 dst 198.51.100.2 via ul\n",
            "answered",
        ),
        ("marks", flannel(false, "tos inherit", "") + marked, "answered"),
        ("a route by the inner mark", flannel(false, "", "") + marked + routes, "dropped"),
        ("the vxlan there is down", flannel(true, "", "") + "@h2 ip\nlink set flannel.1 down\n", "dropped"),
        ("a TTL that ends on the way", flannel(true, "ttl 1", ""), "dropped"),
        ("a TTL that suffices", flannel(true, "ttl 2", "ttl inherit"), "answered"),
        ("fixed source ports", flannel(false, "srcport 5000 5001", "srcport 6000 6010"), "answered"),
        ("without checksums", flannel(true, "udp6zerocsumtx", ""), "dropped"),
        ("without checksums that are asked for", flannel(true, "udp6zerocsumtx", "udp6zerocsumrx"), "answered"),
        (
            "its own entry for another VTEP, and it learns",
            flannel(false, "", "").replace("nolearning", "learning")
                + "@h2 bridge -batch -\nfdb replace 02:00:00:00:00:f1 dev flannel.1 dst 192.0.2.9\n",
            "dropped",
        ),
    ];
    let all: String = cases
        .into_iter()
        .map(|(name, text, verdict)| {
            differences(name, &(NODES.to_owned() + ROUTED + &text + &counters_of(&text)), &first(verdict))
        })
        .collect();
    assert!(all.is_empty(), "{all}");
}

/// The counters, where nothing else is in the hosts' table.
fn counters_of(text: &str) -> String {
    [1, 2, 3].iter().fold(String::new(), |all, host| {
        if text.contains(&format!("@h{host} nft")) { all } else { all + &format!("@h{host} {COUNTERS}") }
    })
}

/// Tunnels between pods whose vxlans were made in their nodes and then given away.
#[test]
fn a_tunnel_within_a_pod() {
    let moved = |six: bool| {
        let (a, b) = if six { ("fd01::1", "fd02::2") } else { ("192.0.2.1", "198.51.100.2") };
        [(1, 0, a, b), (2, 4, b, a)].iter().fold(String::new(), |text, (node, pod, own, far)| {
            text + &format!(
                "@h{node} ip\nlink add vx0 type vxlan id 7 local {own} dstport 4789 remote {far}\nlink set vx0 netns @h{pod}\n\
                 @h{pod} ip\nlink set vx0 up\naddr add 10.5.0.1{pod}/24 dev vx0\naddr add fd00:5::1{pod}/64 dev vx0 nodad\n"
            )
        })
    };
    let marks = "@h0 nft -f -\ntable inet t {\n    chain a {\n        type filter hook output priority 0;\n        counter meta mark set 5\n    }\n}
@h1 nft -f -\ntable inet t {\n    chain a {\n        type filter hook output priority 0;\n        meta mark 5 counter drop\n        counter\n    }\n}\n";
    let shots = [
        ("0 17 0.0.0.0 20000 10.5.0.14 80 0 0 0 0", "answered"),
        ("4 6 :: 20001 fd00:5::10 80 0 0 0 0", "answered"),
        ("4 1 0.0.0.0 20002 10.5.0.10 20002 0 0 0 0", "answered"),
    ];
    let mut all = String::new();
    for six in [false, true] {
        all += &differences("moved", &(NODES.to_owned() + &moved(six) + &counters()), &shots);
        all += &differences("moved, with marks", &(NODES.to_owned() + &moved(six) + marks), &shots);
    }
    assert!(all.is_empty(), "{all}");
}

/// One wire over three nodes: who is asked by all hears of it by default entries for each.
#[test]
fn several_tunnels_and_those_who_answer_for_others() {
    let third = "@h3 ip
link add br0 address 02:00:00:00:0b:03 type bridge
link set br0 up
addr add 10.5.0.3/24 dev br0
addr add fd00:5::3/64 dev br0 nodad
link add vx0 type vxlan id 7 local 192.0.2.254 dstport 4789
link set vx0 master br0 up
@h3 bridge -batch -
fdb append 00:00:00:00:00:00 dev vx0 dst 192.0.2.1
fdb append 00:00:00:00:00:00 dev vx0 dst 198.51.100.2
@h1 bridge -batch -
fdb append 00:00:00:00:00:00 dev vx0 dst 192.0.2.254
@h2 bridge -batch -
fdb append 00:00:00:00:00:00 dev vx0 dst 192.0.2.254
";
    let shots = [
        ("0 17 0.0.0.0 20000 10.5.0.14 80 0 0 0 0", "answered"),
        ("0 17 :: 20001 fd00:5::14 80 0 0 0 0", "answered"),
        ("0 6 0.0.0.0 20002 10.5.0.3 80 0 0 0 0", "answered"),
        ("3 58 :: 20003 fd00:5::14 20003 0 0 0 0", "answered"),
        ("3 17 0.0.0.0 20004 10.5.0.9 80 0 0 0 0", "rejected"),
    ];
    let mut all = differences("three nodes", &(NODES.to_owned() + &bridged(["", ""]) + third + &counters()), &shots);
    let proxy = "@h4 ip\nlink set eth0 address 02:00:00:00:00:e4\n@h0 ip\nlink set eth0 address 02:00:00:00:00:e0
@h1 ip\nneigh add 10.5.0.14 lladdr 02:00:00:00:00:e4 dev vx0 nud permanent\nneigh add fd00:5::14 lladdr 02:00:00:00:00:e4 dev vx0 nud permanent
@h2 ip\nneigh add 10.5.0.10 lladdr 02:00:00:00:00:e0 dev vx0 nud permanent
";
    let shots = [
        ("0 17 0.0.0.0 20000 10.5.0.14 80 0 0 0 0", "answered"),
        ("0 17 0.0.0.0 20001 10.5.0.9 80 0 0 0 0", "rejected"),
        // Who asks is not heard of there, and nobody answers there for it.
        ("0 17 :: 20002 fd00:5::14 80 0 0 0 0", "unanswered"),
    ];
    all += &differences("proxies", &(NODES.to_owned() + &bridged(["proxy", "proxy"]) + proxy), &shots);
    assert!(all.is_empty(), "{all}");
}
