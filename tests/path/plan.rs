//! Random networks: hosts, segments, addresses, routes, settings, rules.

use std::fmt::Write as _;
use std::net::IpAddr;

use crate::net::Random;
use crate::script::Script;

/// What a network is made of besides its links.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "none hangs on another")]
pub struct Taste {
    pub faults: bool,
    pub rules: bool,
    pub policy: bool,
    /// Vxlan tunnels in place of some pairs, and macvlans.
    pub tunnels: bool,
}

/// One end of a segment.
#[derive(Debug, Clone)]
pub struct End {
    pub host: usize,
    pub link: String,
    pub v4: IpAddr,
    pub v6: IpAddr,
}

/// Hosts on one broadcast domain.
#[derive(Debug, Clone)]
pub struct Segment {
    pub number: usize,
    pub ends: Vec<End>,
}

/// A network that is not built yet.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    pub script: Script,
    pub segments: Vec<Segment>,
}

impl Plan {
    pub fn addresses(&self) -> Vec<(usize, IpAddr)> {
        let ends = self.segments.iter().flat_map(|segment| &segment.ends);
        ends.flat_map(|end| [(end.host, end.v4), (end.host, end.v6)]).collect()
    }
}

fn end(segment: usize, host: usize, link: String) -> End {
    let v4 = format!("10.{segment}.0.{}", host + 1).parse().unwrap();
    let v6 = format!("fd00:{segment}::{}", host + 1).parse().unwrap();
    End { host, link, v4, v6 }
}

/// The address of the link by which a host is on a segment.
pub fn mac(segment: usize, host: usize) -> String {
    format!("02:00:00:00:{segment:02x}:{:02x}", host + 1)
}

/// Plans a network.
pub fn plan(random: &mut Random, taste: Taste) -> Plan {
    let count = 2 + random.below(4);
    let mut plan = Plan::default();
    plan.script.hosts = count;
    // A tree of segments, and sometimes one more.
    let mut joined = vec![0];
    let mut left: Vec<usize> = (1..count).collect();
    let mut number = 1;
    while !left.is_empty() {
        let known = *random.pick(&joined);
        let more = 1 + random.below(left.len().min(3));
        let mut members = vec![known];
        members.extend(left.drain(..more));
        joined.extend(&members[1..]);
        segment(&mut plan, random, number, &members, taste);
        number += 1;
    }
    if count > 2 && random.percent(40) {
        let one = random.below(count);
        let other = (one + 1 + random.below(count - 1)) % count;
        segment(&mut plan, random, number, &[one, other], taste);
    }
    for host in 0..count {
        configure(&mut plan, random, host, taste);
    }
    plan
}

/// One end of a cable: the host, the link's name, and its address where it is not any.
type Plug<'p> = (usize, &'p str, Option<&'p str>);

/// A pair between two links, or a vxlan tunnel over a pair of its own. The number is the tunnel's alone.
fn cable(plan: &mut Plan, random: &mut Random, number: usize, one: Plug<'_>, other: Plug<'_>, taste: Taste) {
    let address = |plug: Plug<'_>| plug.2.map_or_else(String::new, |mac| format!("address {mac}"));
    if !(taste.tunnels && random.percent(45)) {
        let line = format!(
            "link add {} {} type veth peer name {} {} netns @h{}\n",
            one.1,
            address(one),
            other.1,
            address(other),
            other.0
        );
        plan.script.add(one.0, "ip", &line);
        return;
    }
    let (under, six) = (format!("u{number}"), random.percent(40));
    plan.script.add(one.0, "ip", &format!("link add {under} type veth peer name {under} netns @h{}\n", other.0));
    let own = |end: usize| if six { format!("fd99:{number}::{end}") } else { format!("192.168.{number}.{end}") };
    let learning = *random.pick(&["learning", "nolearning"]);
    for (plug, end, far) in [(one, 1, 2), (other, 2, 1)] {
        let (bits, nodad) = if six { (64, "nodad") } else { (24, "") };
        let (near, far) = (own(end), own(far));
        let set =
            *random.pick(&["", "", "", "tos inherit", "ttl inherit", "df set", "df inherit", "srcport 7000 7001"]);
        let lines = format!(
            "link set {under} up\naddr add {near}/{bits} dev {under} {nodad}\n\
             link add {} {} type vxlan id {number} local {near} remote {far} dstport 4789 {learning} {set}\n",
            plug.1,
            address(plug)
        );
        plan.script.add(plug.0, "ip", &lines);
    }
}

/// Macvlans on one end of a pair: of the first host and all but the second, which has the other end.
fn stacked(plan: &mut Plan, number: usize, members: &[usize]) -> Vec<End> {
    let (lower, far) = (format!("v{number}a"), format!("v{number}b"));
    let (center, second) = (members[0], members[1]);
    let mut lines = format!(
        "link add {lower} type veth peer name {far} address {} netns @h{second}\nlink set {lower} up\n",
        mac(number, second)
    );
    let mut ends = vec![end(number, second, far)];
    // That of the first host has its name last, when those of the same name are gone.
    for host in members[2..].iter().chain([&center]) {
        let link = format!("m{number}");
        let address = mac(number, *host);
        writeln!(lines, "link add link {lower} name {link} address {address} type macvlan mode bridge").unwrap();
        if *host != center {
            writeln!(lines, "link set {link} netns @h{host}").unwrap();
        }
        ends.push(end(number, *host, link));
    }
    plan.script.add(center, "ip", &lines);
    ends
}

/// A pair between two hosts, or a bridge in the first with the others plugged in.
fn segment(plan: &mut Plan, random: &mut Random, number: usize, members: &[usize], taste: Taste) {
    let mut ends = Vec::new();
    let mut lines = String::new();
    if taste.tunnels && random.percent(30) {
        let ends = stacked(plan, number, members);
        address(plan, random, number, ends);
        return;
    }
    let bridged = members.len() > 2 || random.percent(40);
    let center = members[0];
    if bridged {
        let bridge = format!("br{number}");
        writeln!(lines, "link add {bridge} address {} type bridge", mac(number, center)).unwrap();
        writeln!(lines, "link set {bridge} up").unwrap();
        ends.push(end(number, center, bridge.clone()));
        plan.script.add(center, "ip", &lines);
        for host in &members[1..] {
            let (port, link) = (format!("p{number}h{host}"), format!("e{number}"));
            let own = mac(number, *host);
            cable(plan, random, 10 * number + host, (center, &port, None), (*host, &link, Some(&own)), taste);
            plan.script.add(center, "ip", &format!("link set {port} master {bridge} up\n"));
            ends.push(end(number, *host, link));
        }
    } else {
        let (one, other) = (format!("v{number}a"), format!("v{number}b"));
        let (own, far) = (mac(number, center), mac(number, members[1]));
        let (near, away) =
            ((center, one.as_str(), Some(own.as_str())), (members[1], other.as_str(), Some(far.as_str())));
        cable(plan, random, 10 * number + members[1], near, away, taste);
        ends.push(end(number, center, one));
        ends.push(end(number, members[1], other));
    }
    address(plan, random, number, ends);
}

/// Sets the ends of a segment up, and gives them addresses.
fn address(plan: &mut Plan, random: &mut Random, number: usize, ends: Vec<End>) {
    for end in &ends {
        let mut lines = format!("link set {} up\naddr add {}/24 dev {}\n", end.link, end.v4, end.link);
        writeln!(lines, "addr add {}/64 dev {} nodad", end.v6, end.link).unwrap();
        if random.percent(20) {
            writeln!(lines, "addr add 10.{number}.0.{}/24 dev {}", 100 + end.host, end.link).unwrap();
        }
        if random.percent(15) {
            writeln!(lines, "addr add 10.{number}.0.{}/32 dev lo", 150 + end.host).unwrap();
        }
        plan.script.add(end.host, "ip", &lines);
    }
    plan.segments.push(Segment { number, ends });
}

/// The first hop from a host to each segment that it is not on: breadth first.
fn next_hops(plan: &Plan, from: usize) -> Vec<(usize, End, End)> {
    let mut found = Vec::new();
    let mut seen = vec![false; plan.script.hosts];
    seen[from] = true;
    // Host reached, and the first hop (own end, neighbour's end) there.
    let mut queue: Vec<(usize, Option<(End, End)>)> = vec![(from, None)];
    let mut reached: Vec<usize> = Vec::new();
    let mut at = 0;
    while at < queue.len() {
        let (host, first) = queue[at].clone();
        at += 1;
        for segment in &plan.segments {
            let Some(own) = segment.ends.iter().find(|end| end.host == host) else { continue };
            if let Some((out, gateway)) = &first
                && !reached.contains(&segment.number)
                && !segment.ends.iter().any(|end| end.host == from)
            {
                reached.push(segment.number);
                found.push((segment.number, out.clone(), gateway.clone()));
            }
            for end in &segment.ends {
                if !seen[end.host] {
                    seen[end.host] = true;
                    queue.push((end.host, Some(first.clone().unwrap_or((own.clone(), end.clone())))));
                }
            }
        }
    }
    found
}

fn configure(plan: &mut Plan, random: &mut Random, host: usize, taste: Taste) {
    let mut lines = String::new();
    let ends: Vec<End> =
        plan.segments.iter().flat_map(|segment| &segment.ends).filter(|end| end.host == host).cloned().collect();
    for (number, out, gateway) in next_hops(plan, host) {
        if random.percent(if taste.faults { 88 } else { 100 }) {
            writeln!(lines, "route add 10.{number}.0.0/24 via {} dev {}", gateway.v4, out.link).unwrap();
        }
        if random.percent(if taste.faults { 88 } else { 100 }) {
            writeln!(lines, "route add fd00:{number}::/64 via {} dev {}", gateway.v6, out.link).unwrap();
        }
    }
    if taste.faults && random.percent(40) {
        let kind = random.pick(&["blackhole", "unreachable", "prohibit", "throw"]);
        writeln!(lines, "route add {kind} 10.{}.0.{}/32", 1 + random.below(4), 1 + random.below(5)).unwrap();
    }
    if taste.faults && random.percent(30) {
        let kind = random.pick(&["blackhole", "unreachable", "prohibit"]);
        writeln!(lines, "route add {kind} fd00:{}::{}/128", 1 + random.below(4), 1 + random.below(5)).unwrap();
    }
    let others = |random: &mut Random| -> Option<(End, End)> {
        let own = random.pick(&ends).clone();
        let segment = plan
            .segments
            .iter()
            .find(|segment| segment.ends.iter().any(|end| end.link == own.link && end.host == host))?;
        let far: Vec<&End> = segment.ends.iter().filter(|end| end.host != host).collect();
        Some((own, (*random.pick(&far)).clone()))
    };
    if random.percent(50)
        && let Some((own, far)) = others(random)
    {
        writeln!(lines, "route add default via {} dev {}", far.v4, own.link).unwrap();
        writeln!(lines, "route add default via {} dev {}", far.v6, own.link).unwrap();
    }
    if taste.policy && random.percent(50) {
        policy(random, &mut lines, &others);
    }
    let mut settings = Vec::new();
    let forwards = random.percent(if taste.faults { 85 } else { 100 });
    settings.push(format!("ipv4/ip_forward={}", u8::from(forwards)));
    settings.push(format!("ipv6/conf/all/forwarding={}", u8::from(forwards)));
    if taste.faults {
        for end in &ends {
            let link = &end.link;
            let mut set = |random: &mut Random, percent: usize, name: &str, values: &[&str]| {
                if random.percent(percent) {
                    settings.push(format!("{}={}", name.replace('@', link), random.pick(values)));
                }
            };
            set(random, 40, "ipv4/conf/@/rp_filter", &["1", "2"]);
            set(random, 8, "ipv4/conf/@/forwarding", &["0", "1"]);
            set(random, 10, "ipv4/conf/@/accept_local", &["1"]);
            set(random, 15, "ipv4/conf/@/proxy_arp", &["1"]);
            set(random, 10, "ipv4/conf/@/arp_ignore", &["1"]);
            set(random, 10, "ipv4/conf/@/arp_announce", &["2"]);
        }
        if random.percent(10) {
            settings.push(format!("ipv4/conf/all/rp_filter={}", random.pick(&["1", "2"])));
        }
        if random.percent(20) {
            settings.push("bridge/bridge-nf-call-iptables=0".to_owned());
        }
        if random.percent(20) {
            settings.push("bridge/bridge-nf-call-ip6tables=0".to_owned());
        }
        for segment in &plan.segments {
            for end in &segment.ends {
                let port = format!("p{}h{}", segment.number, end.host);
                if random.percent(10) {
                    let change = random.pick(&["isolated on", "hairpin on", "isolated on", "flood off"]);
                    writeln!(lines, "link set {port} type bridge_slave {change}").unwrap();
                }
            }
        }
        for end in &ends {
            if random.percent(4) {
                writeln!(lines, "link set {} down", end.link).unwrap();
            }
        }
    }
    plan.script.add(host, "ip", &lines);
    plan.script.add(host, "sysctl", &settings.join("\n"));
    if taste.rules {
        let ports: Vec<String> = plan
            .segments
            .iter()
            .flat_map(|segment| segment.ends.iter().map(|end| (segment.number, end)))
            .filter(|(number, _)| ends.iter().any(|end| end.link == format!("br{number}")))
            .filter(|(_, end)| end.host != host)
            .map(|(number, end)| format!("p{number}h{}", end.host))
            .collect();
        crate::rules::random_rules(
            &mut plan.script,
            random,
            &crate::rules::Around { host, ends: &ends, ports: &ports },
        );
    }
}

fn policy(random: &mut Random, lines: &mut String, others: &dyn Fn(&mut Random) -> Option<(End, End)>) {
    for table in [100, 101] {
        if let Some((own, far)) = others(random) {
            writeln!(lines, "route add default via {} dev {} table {table}", far.v4, own.link).unwrap();
            writeln!(lines, "route add default via {} dev {} table {table}", far.v6, own.link).unwrap();
        }
    }
    for family in ["-4", "-6"] {
        for _ in 0..=random.below(3) {
            let net = 1 + random.below(4);
            let selector = match random.below(6) {
                0 if family == "-4" => format!("from 10.{net}.0.0/24"),
                1 if family == "-4" => format!("to 10.{net}.0.0/24"),
                0 => format!("from fd00:{net}::/64"),
                1 => format!("to fd00:{net}::/64"),
                2 => format!("fwmark {}", random.pick(&["1", "2", "0x10/0xf0"])),
                3 => "ipproto udp dport 5300".to_owned(),
                4 => "tos 0x10".to_owned(),
                _ => "ipproto tcp".to_owned(),
            };
            let action = match random.below(10) {
                0 => "blackhole".to_owned(),
                1 => "prohibit".to_owned(),
                _ => format!("table {}", random.pick(&[100, 101])),
            };
            writeln!(lines, "{family} rule add priority {} {selector} {action}", 100 + random.below(1000)).unwrap();
        }
    }
}
