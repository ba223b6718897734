//! Namespaces with random links, addresses, rules, routes and neighbours.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// xorshift64*: the same worlds for the same seed, everywhere.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    pub fn one_in(&mut self, chance: u64) -> bool {
        self.below(chance) == 0
    }

    pub fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[usize::try_from(self.below(all.len() as u64)).expect("small")]
    }
}

/// A namespace that is removed when this is dropped.
pub struct World {
    pub name: String,
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.name]).stderr(Stdio::null()).status();
    }
}

pub const LINKS: [&str; 5] = ["d0", "d1", "d2", "d3", "d4"];
const TABLES: [&str; 6] = ["main", "main", "main", "100", "101", "102"];

impl World {
    pub fn new(tag: &str) -> Self {
        let name = format!("pnt-fib-{}-{tag}", std::process::id());
        let made = Command::new("ip").args(["netns", "add", &name]).status().expect("ip runs");
        assert!(made.success(), "needs root and iproute2");
        Self { name }
    }

    /// Runs `ip` with those lines; lines that the kernel refuses are left out.
    pub fn ip(&self, lines: &str) {
        let mut child = Command::new("ip")
            .args(["-n", &self.name, "-force", "-batch", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("ip runs");
        child.stdin.take().expect("piped").write_all(lines.as_bytes()).expect("written");
        child.wait().expect("it ends");
    }

    /// What `ip -j` answers to each line, in their order.
    pub fn ip_json(&self, six: bool, lines: &str) -> Vec<serde_json::Value> {
        let mut child = Command::new("ip")
            .args([if six { "-6" } else { "-4" }, "-j", "-n", &self.name, "-force", "-batch", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("ip runs");
        child.stdin.take().expect("piped").write_all(lines.as_bytes()).expect("written");
        let done = child.wait_with_output().expect("it ends");
        serde_json::Deserializer::from_slice(&done.stdout).into_iter().map(|value| value.expect("JSON")).collect()
    }

    pub fn shell(&self, script: &str) -> String {
        let done =
            Command::new("ip").args(["netns", "exec", &self.name, "sh", "-c", script]).output().expect("ip runs");
        String::from_utf8_lossy(&done.stdout).into_owned()
    }

    /// Waits until no address is tentative any more.
    pub fn settle(&self) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while !self.shell("ip -6 addr show tentative").trim().is_empty() {
            assert!(Instant::now() < deadline, "addresses of {} stay tentative", self.name);
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Links of which some are down, and some are without carrier.
    pub fn links(&self, random: &mut Random) {
        self.shell(
            "echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad; echo 0 > /proc/sys/net/ipv6/conf/all/accept_dad",
        );
        let mut lines = String::from("link set lo up\n");
        for (at, link) in LINKS.iter().enumerate() {
            let _ = writeln!(lines, "link add {link} type veth peer name q{at}");
            let _ =
                writeln!(lines, "link set {link} up\nlink set q{at} {}", if random.one_in(6) { "down" } else { "up" });
            if random.one_in(3) {
                let _ = writeln!(lines, "link set {link} group {}", 1 + random.below(2));
            }
        }
        self.ip(&lines);
        let settings = [
            ("ipv4/conf/d0/ignore_routes_with_linkdown", 2),
            ("ipv4/conf/all/ignore_routes_with_linkdown", 2),
            ("ipv6/conf/all/ignore_routes_with_linkdown", 2),
            ("ipv6/conf/d1/ignore_routes_with_linkdown", 2),
            ("ipv4/fib_multipath_use_neigh", 2),
            ("ipv6/conf/all/forwarding", 2),
            ("ipv4/ip_forward", 2),
            ("ipv4/conf/d2/forwarding", 2),
            ("ipv4/conf/all/rp_filter", 3),
            ("ipv4/conf/d0/rp_filter", 3),
            ("ipv4/conf/d3/rp_filter", 3),
            ("ipv4/conf/d1/accept_local", 2),
            ("ipv4/conf/d2/route_localnet", 2),
            ("ipv4/conf/all/send_redirects", 2),
            ("ipv6/conf/d0/use_tempaddr", 3),
        ];
        let mut script = String::new();
        for (file, values) in settings {
            if random.one_in(2) {
                let _ = writeln!(script, "echo {} > /proc/sys/net/{file}", random.below(values));
            }
        }
        self.shell(&script);
    }

    pub fn addresses(&self, random: &mut Random) {
        let mut lines = String::new();
        for (at, link) in LINKS.iter().enumerate() {
            for _ in 0..random.below(4) {
                let net = if random.one_in(4) { random.below(5) } else { at as u64 };
                let length = random.pick(&[24, 24, 24, 16, 32, 28]);
                let scope = random.pick(&["", "", "", "", " scope link", " scope host"]);
                let _ = writeln!(
                    lines,
                    "addr add 10.{net}.{}.{}/{length} dev {link}{scope}",
                    random.below(2),
                    1 + random.below(9)
                );
            }
            if random.one_in(4) {
                let _ = writeln!(lines, "addr add 10.{at}.0.77 peer 10.9.{at}.1/24 dev {link}");
            }
            for _ in 0..random.below(4) {
                let net = if random.one_in(4) { random.below(5) } else { at as u64 };
                let length = random.pick(&[64, 64, 128, 48]);
                let flags = random.pick(&["", "", " preferred_lft 0", " home", " mngtmpaddr"]);
                let prefix = random.pick(&["2001:db8", "2001:db8", "fd00", "2002"]);
                let _ = writeln!(
                    lines,
                    "-6 addr add {prefix}:{net}::{}/{length} dev {link} nodad{flags}",
                    1 + random.below(9)
                );
            }
        }
        for line in lines.lines() {
            self.one(line);
        }
    }

    /// One line, with the family that `-batch` cannot change.
    fn one(&self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let _ = Command::new("ip")
            .args(["-n", &self.name])
            .args(words)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
    }

    pub fn ip6(&self, lines: &str) {
        let mut child = Command::new("ip")
            .args(["-6", "-n", &self.name, "-force", "-batch", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("ip runs");
        child.stdin.take().expect("piped").write_all(lines.as_bytes()).expect("written");
        child.wait().expect("it ends");
    }

    pub fn routes4(&self, random: &mut Random, count: u64) {
        let mut lines = String::new();
        for _ in 0..count {
            let dst = prefix4(random);
            let table = match random.below(20) {
                0 => "local",
                1 => "default",
                _ => *random.pick(&TABLES),
            };
            let verb = random.pick(&["add", "add", "append", "prepend"]);
            let mut line = format!("route {verb} ");
            let kind = if random.one_in(6) {
                *random.pick(&["blackhole", "unreachable", "prohibit", "throw", "local", "broadcast"])
            } else {
                ""
            };
            let _ = write!(line, "{kind} {dst} ");
            if matches!(kind, "" | "local" | "broadcast") {
                line.push_str(&ways4(random, kind.is_empty()));
            }
            let _ = write!(line, " table {table}");
            if random.one_in(3) {
                let _ = write!(line, " metric {}", random.pick(&[5, 10, 10, 200]));
            }
            if random.one_in(6) {
                let _ = write!(line, " tos {}", random.pick(&["0x04", "0x08", "0x10"]));
            }
            if random.one_in(8) {
                let _ = write!(line, " src 10.{}.{}.{}", random.below(5), random.below(2), 1 + random.below(9));
            }
            let _ = writeln!(lines, "{line}");
        }
        self.ip(&lines);
    }

    pub fn routes6(&self, random: &mut Random, count: u64) {
        let mut lines = String::new();
        for _ in 0..count {
            let dst = prefix6(random);
            let table = if random.one_in(20) { "local" } else { *random.pick(&TABLES) };
            let verb = random.pick(&["add", "add", "append", "prepend"]);
            let kind = if random.one_in(8) {
                *random.pick(&["blackhole", "unreachable", "prohibit", "throw", "local"])
            } else {
                ""
            };
            let mut line = format!("route {verb} {kind} {dst} ");
            if random.one_in(10) {
                let _ = write!(line, "from {} ", prefix6(random));
            }
            if kind.is_empty() || kind == "local" {
                line.push_str(&ways6(random, kind.is_empty()));
            }
            let _ = write!(line, " table {table}");
            if random.one_in(3) {
                let _ = write!(line, " metric {}", random.pick(&[5, 10, 10, 2000]));
            }
            if random.one_in(4) {
                let _ = write!(line, " pref {}", random.pick(&["low", "medium", "high"]));
            }
            if random.one_in(10) {
                line.push_str(" expires 3000");
            }
            if random.one_in(10) {
                let _ = write!(line, " src 2001:db8:{}::{}", random.below(5), 1 + random.below(9));
            }
            let _ = writeln!(lines, "{line}");
        }
        self.ip6(&lines);
    }

    pub fn nexthops(&self, random: &mut Random) {
        let mut lines = String::new();
        for id in 1..7 {
            let link = random.pick(&LINKS);
            let _ = match random.below(5) {
                0 => writeln!(lines, "nexthop add id {id} blackhole"),
                1 => writeln!(lines, "nexthop add id {id} dev {link}"),
                _ => writeln!(
                    lines,
                    "nexthop add id {id} via 10.{}.0.{} dev {link} onlink",
                    random.below(5),
                    1 + random.below(9)
                ),
            };
        }
        lines.push_str("nexthop add id 10 group 1,3/2,4,5\nnexthop add id 11 group 2/6\n");
        for id in 1..12 {
            let _ = writeln!(lines, "route add {} nhid {id} table {}", prefix4(random), random.pick(&TABLES));
        }
        self.ip(&lines);
        let mut lines = String::new();
        for id in 21..25 {
            let _ = writeln!(lines, "nexthop add id {id} via fe80::{id} dev {}", random.pick(&LINKS));
        }
        lines.push_str("nexthop add id 30 group 21/22,3/23\n");
        for id in [21, 22, 23, 24, 30, 30] {
            let _ = writeln!(lines, "route add {} nhid {id} table {}", prefix6(random), random.pick(&TABLES));
        }
        self.ip6(&lines);
    }

    pub fn rules(&self, random: &mut Random, count: u64, six: bool) {
        let mut lines = String::new();
        let mut priorities: Vec<u64> = (0..count).map(|_| 1 + random.below(400) * 80).collect();
        priorities.sort_unstable();
        for priority in &priorities {
            let mut line = format!("rule add {}priority {priority}", if random.one_in(8) { "not " } else { "" });
            for _ in 0..random.below(3) {
                let selector = match random.below(10) {
                    0 => format!("from {}", if six { prefix6(random) } else { prefix4(random) }),
                    1 | 2 => format!("to {}", if six { prefix6(random) } else { prefix4(random) }),
                    3 => format!("iif {}", random.pick(&["lo", "d0", "d1", "gone"])),
                    4 => format!("oif {}", random.pick(&["d0", "d1", "d2"])),
                    5 => format!("fwmark {}", random.pick(&["1", "2/0xf", "0x10/0xf0", "0/1"])),
                    6 => format!("tos {}", random.pick(&["0x04", "0x08", "0x10"])),
                    7 => format!("ipproto {}", random.pick(&["tcp", "udp"])),
                    8 => format!("{} {}", random.pick(&["sport", "dport"]), random.pick(&["80", "1000-2000"])),
                    _ => format!("uidrange {}", random.pick(&["0-0", "1000-2000"])),
                };
                let _ = write!(line, " {selector}");
            }
            let action = match random.below(12) {
                0 => "blackhole".to_owned(),
                1 => "unreachable".to_owned(),
                2 => "prohibit".to_owned(),
                3 => "nop".to_owned(),
                4 => format!("goto {}", random.pick(&priorities)),
                _ => {
                    let mut action = format!("table {}", random.pick(&TABLES));
                    if random.one_in(3) {
                        let _ = write!(action, " suppress_prefixlength {}", random.pick(&[0, 8, 16]));
                    }
                    if random.one_in(4) {
                        let _ = write!(action, " suppress_ifgroup {}", 1 + random.below(2));
                    }
                    action
                }
            };
            let _ = writeln!(lines, "{line} {action}");
        }
        if six { self.ip6(&lines) } else { self.ip(&lines) }
    }

    pub fn neighbours(&self, random: &mut Random) {
        let mut lines = String::new();
        for link in LINKS {
            for _ in 0..6 {
                let state = random.pick(&["stale", "failed", "permanent", "failed"]);
                let mac = if *state == "failed" { "" } else { " lladdr 02:00:00:00:00:01" };
                let address = if random.one_in(2) {
                    format!("10.{}.{}.{}", random.below(5), random.below(2), 1 + random.below(9))
                } else {
                    format!("2001:db8:{}::{}", random.below(5), 1 + random.below(9))
                };
                let _ = writeln!(lines, "neigh add {address} dev {link} nud {state}{mac}");
            }
            for id in 21..25 {
                let _ = writeln!(
                    lines,
                    "neigh add fe80::{id} dev {link} nud {}",
                    random.pick(&["failed", "permanent lladdr 02:00:00:00:00:01"])
                );
            }
        }
        self.ip(&lines);
    }
}

fn gateway4(random: &mut Random) -> String {
    let onlink = if random.one_in(2) { " onlink" } else { "" };
    format!(
        "via 10.{}.{}.{} dev {}{onlink}",
        random.below(5),
        random.below(2),
        1 + random.below(9),
        random.pick(&LINKS)
    )
}

fn ways4(random: &mut Random, routed: bool) -> String {
    if routed && random.one_in(6) {
        let mut line = String::new();
        for _ in 0..2 + random.below(3) {
            let _ = write!(line, " nexthop {} weight {}", gateway4(random), 1 + random.below(3));
        }
        line
    } else if routed && random.one_in(2) {
        gateway4(random)
    } else if routed && random.one_in(12) {
        format!("via inet6 fe80::21 dev {}", random.pick(&LINKS))
    } else {
        // Not "scope host": a gateway that is reached by such a route is ignored, which no dump tells.
        let scope = if routed { *random.pick(&["", "", " scope link", " scope global"]) } else { "" };
        format!("dev {}{scope}", random.pick(&LINKS))
    }
}

fn gateway6(random: &mut Random) -> String {
    let link = random.pick(&LINKS);
    if random.one_in(3) {
        format!("via fe80::{} dev {link}", 21 + random.below(4))
    } else {
        format!("via 2001:db8:{}::{} dev {link} onlink", random.below(5), 1 + random.below(9))
    }
}

fn ways6(random: &mut Random, routed: bool) -> String {
    if routed && random.one_in(6) {
        let mut line = String::new();
        for _ in 0..2 + random.below(3) {
            let _ = write!(line, " nexthop {} weight {}", gateway6(random), 1 + random.below(3));
        }
        line
    } else if routed && random.one_in(2) {
        gateway6(random)
    } else {
        format!("dev {}", random.pick(&LINKS))
    }
}

pub fn prefix4(random: &mut Random) -> String {
    let (a, b, c) = (random.below(6), random.below(3), random.below(9));
    match random.below(9) {
        0 => "default".to_owned(),
        1 => "10.0.0.0/8".to_owned(),
        2 => "0.0.0.0/1".to_owned(),
        3 | 4 => format!("10.{a}.0.0/16"),
        5 | 6 => format!("10.{a}.{b}.0/24"),
        7 => format!("10.{a}.{b}.{}/30", c & 4),
        _ => format!("10.{a}.{b}.{c}"),
    }
}

pub fn prefix6(random: &mut Random) -> String {
    let (a, b) = (random.below(6), random.below(9));
    match random.below(8) {
        0 => "default".to_owned(),
        1 => "2001:db8::/32".to_owned(),
        2 => "2000::/3".to_owned(),
        3 | 4 => format!("2001:db8:{a}::/48"),
        5 => format!("2001:db8:{a}::/64"),
        6 => format!("fd00:{a}::/32"),
        _ => format!("2001:db8:{a}::{b}/128"),
    }
}
