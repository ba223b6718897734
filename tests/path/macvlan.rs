//! Packets between macvlans, the link that they lie on, and what is beyond it: each frame on each link against the kernel.

use std::fmt::Write as _;

use crate::tunnel::differences;

/// The macvlans of h1 and h2 lie on a link of h0 that leads to a bridge of h3.
fn network(one: &str, other: &str, hairpin: &str) -> String {
    let mut text = "hosts 4
@h3 ip
link add br0 address 02:00:00:00:0b:03 type bridge
link set br0 up
addr add 10.7.0.3/24 dev br0
addr add fd00:7::3/64 dev br0 nodad
link add p0 type veth peer name e0 address 02:00:00:00:0b:00 netns @h0
"
    .to_owned();
    write!(text, "link set p0 master br0 up\nlink set p0 type bridge_slave hairpin {hairpin}\n").unwrap();
    text += "@h0 ip\nlink set e0 up\naddr add 10.7.0.100/24 dev e0\naddr add fd00:7::100/64 dev e0 nodad\n";
    for (host, mode) in [(1, one), (2, other)] {
        if !mode.is_empty() {
            write!(
                text,
                "link add link e0 name m{host} address 02:00:00:00:0b:a{host} type macvlan mode {mode}
link set m{host} netns @h{host}
@h{host} ip
link set m{host} up
addr add 10.7.0.{host}/24 dev m{host}
addr add fd00:7::{host}/64 dev m{host} nodad
@h0 ip
"
            )
            .unwrap();
        }
    }
    text + "addr show\n"
}

const COUNTERS: &str = "nft -f -\ntable inet t {
    chain a {\n        type filter hook prerouting priority 0;\n        counter\n    }
    chain b {\n        type filter hook input priority 0;\n        counter\n    }
    chain c {\n        type filter hook output priority 0;\n        counter\n        ct state new counter\n    }
    chain d {\n        type filter hook forward priority 0;\n        counter\n    }
    chain e {\n        type filter hook postrouting priority 0;\n        counter\n    }
}
";

/// From whom to whom, and the verdict.
type Row = (usize, usize, &'static str);

fn shots(rows: &[Row]) -> Vec<(String, &'static str)> {
    let mut number = 20_000;
    let mut all = Vec::new();
    for (from, to, verdict) in rows {
        let to = if *to == 0 { 100 } else { *to };
        for line in [
            format!("{from} 17 0.0.0.0 {number} 10.7.0.{to} 80 0 0 0 0"),
            format!("{from} 6 :: {} fd00:7::{to} 80 0 0 0 0", number + 1),
            format!("{from} 1 0.0.0.0 {0} 10.7.0.{to} {0} 0 0 0 0", number + 2),
        ] {
            all.push((line, *verdict));
        }
        number += 3;
    }
    all
}

#[test]
fn modes() {
    let (yes, no) = ("answered", "rejected");
    let cases: Vec<(&str, &str, &str, &str, Vec<Row>)> = vec![
        ("both bridge", "bridge", "bridge", "off", vec![(1, 2, yes), (1, 3, yes), (3, 2, yes), (1, 0, no), (0, 1, no)]),
        (
            "both private",
            "private",
            "private",
            "off",
            vec![(1, 2, no), (1, 3, yes), (3, 2, yes), (1, 0, no), (0, 2, no)],
        ),
        ("both private, reflected", "private", "private", "on", vec![(1, 2, no), (2, 3, yes), (1, 0, no)]),
        ("both vepa", "vepa", "vepa", "off", vec![(1, 2, no), (1, 3, yes), (3, 2, yes), (1, 0, no)]),
        ("both vepa, reflected", "vepa", "vepa", "on", vec![(1, 2, yes), (2, 3, yes), (1, 0, yes), (0, 1, yes)]),
        ("bridge and vepa", "bridge", "vepa", "off", vec![(1, 2, no), (2, 1, no), (1, 3, yes), (3, 2, yes)]),
        ("bridge and vepa, reflected", "bridge", "vepa", "on", vec![(1, 2, yes), (2, 1, yes)]),
        ("bridge and private", "bridge", "private", "on", vec![(1, 2, no), (2, 1, no), (3, 1, yes)]),
        ("passthru", "passthru", "", "off", vec![(1, 3, yes), (3, 1, yes), (1, 0, no)]),
    ];
    let mut all = String::new();
    for (name, one, other, hairpin, rows) in cases {
        let lines = shots(&rows);
        let lines: Vec<(&str, &str)> = lines.iter().map(|(line, verdict)| (line.as_str(), *verdict)).collect();
        let counters: String = (0..4).fold(String::new(), |text, host| text + &format!("@h{host} {COUNTERS}"));
        all += &differences(name, &(network(one, other, hairpin) + &counters), &lines);
    }
    assert!(all.is_empty(), "{all}");
}

#[test]
fn neighbours_that_are_known_and_marks() {
    let known = "@h1 ip
neigh add 10.7.0.2 lladdr 02:00:00:00:0b:a2 dev m1 nud permanent
neigh add fd00:7::2 lladdr 02:00:00:00:0b:a2 dev m1 nud permanent
@h2 ip
neigh add 10.7.0.1 lladdr 02:00:00:00:0b:a1 dev m2 nud permanent
neigh add fd00:7::1 lladdr 02:00:00:00:0b:a1 dev m2 nud permanent
";
    let down = "@h3 ip
neigh add 10.7.0.2 lladdr 02:00:00:00:0b:a2 dev br0 nud permanent
neigh add fd00:7::2 lladdr 02:00:00:00:0b:a2 dev br0 nud permanent
@h3 bridge -batch -
fdb replace 02:00:00:00:0b:a2 dev p0 master static
@h2 ip
link set m2 down
";
    let beside = "@h0 ip
link add link e0 name m0 type macvlan mode bridge
link set m0 up
addr add 10.7.0.50/24 dev m0
addr add fd00:7::50/64 dev m0 nodad
addr del 10.7.0.100/24 dev e0
addr del fd00:7::100/64 dev e0
@h0 nft -f -
table inet t {\n    chain a {\n        type filter hook output priority 0;\n        counter meta mark set 7\n    }\n}
@h1 nft -f -
table inet t {\n    chain a {\n        type filter hook prerouting priority 0;\n        meta mark 7 counter\n        meta mark 0 counter\n    }\n}
@h3 nft -f -
table inet t {\n    chain a {\n        type filter hook prerouting priority 0;\n        meta mark 7 counter\n        meta mark 0 counter\n    }\n}
";
    let source = "@h1 ip\nneigh add 10.7.0.3 lladdr 02:00:00:00:0b:03 dev m1 nud permanent\n";
    let dropped = vec![(1, 2, "dropped")];
    let cases: Vec<(&str, String, Vec<Row>)> = vec![
        ("private, and known", network("private", "private", "off") + known, dropped.clone()),
        ("private, known and reflected", network("private", "private", "on") + known, vec![(1, 2, "answered")]),
        ("bridge to private, known", network("bridge", "private", "off") + known, dropped),
        ("one that is down", network("bridge", "bridge", "off") + down, vec![(3, 2, "dropped")]),
        (
            "in the namespace of the link below",
            network("bridge", "bridge", "off") + beside,
            vec![(0, 1, "answered"), (0, 3, "answered")],
        ),
    ];
    let mut all = String::new();
    for (name, text, rows) in cases {
        let lines = shots(&rows);
        let lines: Vec<(&str, &str)> = lines.iter().map(|(line, verdict)| (line.as_str(), *verdict)).collect();
        all += &differences(name, &text, &lines);
    }
    let unknown = [("1 17 0.0.0.0 20000 10.7.0.3 80 0 0 0 0", "unknown")];
    all += &differences("mode source", &(network("source", "bridge", "off") + source), &unknown);
    assert!(all.is_empty(), "{all}");
}
