//! Route look-ups, each compared with what the kernel itself answers in a namespace of its own.
//!
//! Needs root. The oracle is `RTM_GETROUTE`, plain and with fib-match.

mod live;
mod world;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use podnet::analyze::answer::Gathered;
use podnet::analyze::fib::{Lookup, Outcome, lookup};
use podnet::model::ids::IfIndex;
use podnet::model::route::RouteQuery;
use podnet::model::view::NodeView;

use live::Live;
use world::{Random, World};

fn query4(random: &mut Random) -> RouteQuery {
    let inside = |random: &mut Random| {
        let [a, b, c] = [6, 3, 10].map(|limit| u8::try_from(random.below(limit)).unwrap());
        IpAddr::V4(Ipv4Addr::new(10, a, b, c))
    };
    let odd: [Ipv4Addr; 9] = [
        [127, 0, 0, 1],
        [127, 1, 2, 3],
        [192, 0, 2, 1],
        [10, 0, 0, 255],
        [255, 255, 255, 255],
        [224, 0, 0, 5],
        [239, 1, 1, 1],
        [0, 0, 0, 7],
        [10, 9, 1, 1],
    ]
    .map(Ipv4Addr::from);
    let dst = if random.one_in(5) { IpAddr::V4(*random.pick(&odd)) } else { inside(random) };
    let mut query = RouteQuery::to(dst);
    if random.one_in(2) {
        query.src = Some(if random.one_in(8) { IpAddr::V4(*random.pick(&odd)) } else { inside(random) });
    }
    common(random, &mut query);
    query
}

fn query6(random: &mut Random) -> RouteQuery {
    let inside = |random: &mut Random| {
        let net = u16::try_from(random.below(6)).unwrap();
        let host = u16::try_from(random.below(10)).unwrap();
        let first = *random.pick(&[0x2001, 0x2001, 0x2001, 0xfd00, 0x2002]);
        let parts =
            if first == 0x2001 { [first, 0xdb8, net, 0, 0, 0, 0, host] } else { [first, net, 0, 0, 0, 0, 0, host] };
        IpAddr::V6(Ipv6Addr::from(parts))
    };
    let odd: Vec<IpAddr> =
        ["::", "::1", "fe80::21", "fe80::99", "ff02::1", "ff05::2", "2003::1", "fec0::1", "::ffff:1.2.3.4"]
            .iter()
            .map(|text| text.parse().unwrap())
            .collect();
    let dst = if random.one_in(5) { *random.pick(&odd) } else { inside(random) };
    let mut query = RouteQuery::to(dst);
    if random.one_in(3) {
        query.src = Some(inside(random));
    }
    common(random, &mut query);
    query
}

fn common(random: &mut Random, query: &mut RouteQuery) {
    // Without a user id the kernel takes the asker's, or with `iif` none at all.
    query.uid = Some(if random.one_in(3) { 1500 } else { 0 });
    // Loopback is 1; the veth pairs follow, five of them with their peers.
    let link = |random: &mut Random| Some(IfIndex(u32::try_from(2 + random.below(10)).unwrap()));
    match random.below(6) {
        0 | 1 => {
            query.iif = link(random);
            query.uid = Some(0);
        }
        2 => query.oif = link(random),
        _ => {}
    }
    if random.one_in(3) {
        query.mark = u32::try_from(random.below(20)).unwrap();
    }
    if random.one_in(4) {
        query.tos = *random.pick(&[0x04, 0x08, 0x10, 0x44, 0xe0]);
    }
    if !random.one_in(4) {
        query.protocol = Some(*random.pick(&[6, 17]));
        query.source_port = Some(*random.pick(&[80, 1500, 40000]));
        query.destination_port = Some(*random.pick(&[80, 1500, 40000]));
    }
}

#[derive(Default)]
struct Tally {
    asked: usize,
    agreed: usize,
    unknown: BTreeMap<String, usize>,
    wrong: Vec<String>,
}

impl Tally {
    fn ask(&mut self, live: &mut Live, world: &World, query: &RouteQuery, seed: u64) {
        self.asked += 1;
        let mut gathered = Gathered::default();
        let mut found = lookup(live, live.id(), query, &mut gathered);
        if found.witness.as_ref().is_some_and(|witness| witness.agrees == Some(false)) {
            // IPv6 makes local and anycast routes a while after their address: what was read may be old.
            *live = Live::open(&world.name);
            found = lookup(live, live.id(), query, &mut gathered);
        }
        let witness = found.witness.as_ref().expect("the kernel was asked");
        assert!(witness.answer.is_some(), "{:?}", gathered.issues);
        match witness.agrees {
            Some(true) => self.agreed += 1,
            Some(false) => self.wrong.push(describe(&found, seed)),
            None if query.dst.is_multicast() => *self.unknown.entry("multicast".to_owned()).or_default() += 1,
            None => {
                let Outcome::Unknown { why } = &found.outcome else { panic!("{found:?}") };
                let key: String = why.split(|c: char| c.is_ascii_digit()).next().unwrap_or_default().to_owned();
                *self.unknown.entry(key).or_default() += 1;
            }
        }
    }

    fn finish(self, name: &str) {
        let told: Vec<&str> = self.wrong.iter().take(6).map(String::as_str).collect();
        assert!(
            self.wrong.is_empty(),
            "{name}: {} of {} look-ups differ\n{}",
            self.wrong.len(),
            self.asked,
            told.join("\n")
        );
        let unknown: usize =
            self.unknown.iter().filter(|(why, _)| !why.starts_with("rule ")).map(|(_, count)| count).sum();
        assert!(unknown * 20 < self.asked, "{name}: {unknown} of {} are unknown: {:?}", self.asked, self.unknown);
        assert!(self.agreed * 4 > self.asked * 3, "{name}: only {} of {} are known", self.agreed, self.asked);
    }
}

fn describe(found: &Lookup, seed: u64) -> String {
    let witness = found.witness.as_ref().unwrap();
    format!(
        "seed {seed}\n  query {}\n  podnet {:?}\n    rule {:?}\n    route {}\n    ways {}\n  differences {:#?}\n  kernel {}",
        serde_json::to_string(&found.query).unwrap(),
        found.outcome,
        found.rule.as_ref().map(|rule| rule.priority),
        serde_json::to_string(&found.route).unwrap(),
        serde_json::to_string(&found.ways).unwrap(),
        witness.differences,
        serde_json::to_string(&witness.answer).unwrap(),
    )
}

/// `PODNET_FIB_SEED` for one world (with `PODNET_FIB_KEEP` to look into it), `PODNET_FIB_WORLDS` for more.
fn seeds() -> Vec<u64> {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    number("PODNET_FIB_SEED")
        .map_or_else(|| (1..=number("PODNET_FIB_WORLDS").unwrap_or(12)).collect(), |seed| vec![seed])
}

fn world(seed: u64, tag: &str, custom_rules: bool) -> (World, Random) {
    let world = World::new(&format!("{tag}{seed}"));
    let mut random = Random::new(seed);
    world.links(&mut random);
    world.addresses(&mut random);
    world.routes4(&mut random, 40);
    world.routes6(&mut random, 40);
    world.nexthops(&mut random);
    if custom_rules {
        world.rules(&mut random, 8, false);
        world.rules(&mut random, 8, true);
    }
    world.neighbours(&mut random);
    world.settle();
    (world, random)
}

fn compare(name: &str, custom_rules: bool, make: fn(&mut Random) -> RouteQuery) {
    let mut tally = Tally::default();
    for seed in seeds() {
        let (world, mut random) = world(seed, name, custom_rules);
        let mut live = Live::open(&world.name);
        assert!(!live.routes(live.id()).value.is_empty());
        for _ in 0..400 {
            let query = make(&mut random);
            tally.ask(&mut live, &world, &query, seed);
        }
        if !tally.wrong.is_empty() && std::env::var_os("PODNET_FIB_KEEP").is_some() {
            tally.wrong.push(format!("kept: {}", world.name));
            std::mem::forget(world);
            break;
        }
    }
    tally.finish(name);
}

#[test]
fn ipv4_with_the_rules_of_a_new_namespace() {
    compare("four", false, query4);
}

#[test]
fn ipv4_with_random_rules() {
    compare("fourr", true, query4);
}

#[test]
fn ipv6_with_the_rules_of_a_new_namespace() {
    compare("six", false, query6);
}

#[test]
fn ipv6_with_random_rules() {
    compare("sixr", true, query6);
}

/// One route as `ip -j` writes it: its destination and, sorted, the links and gateways it leads to.
fn as_ip_writes(route: &serde_json::Value) -> (String, Vec<(String, String)>) {
    let text = |value: &serde_json::Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
    let way = |hop: &serde_json::Value| {
        let gateway = if hop["via"].is_object() { text(&hop["via"], "host") } else { text(hop, "gateway") };
        (text(hop, "dev"), gateway)
    };
    let mut ways: Vec<_> = match route["nexthops"].as_array() {
        Some(hops) => hops.iter().map(way).collect(),
        None => vec![way(route)],
    };
    ways.sort();
    (text(route, "dst"), ways)
}

/// The same of the route that podnet found.
fn as_podnet_found(live: &Live, found: &Lookup) -> (String, Vec<(String, String)>) {
    let route = found.route.as_ref().expect("a route");
    let dst = match route.dst.prefix_len() {
        0 => "default".to_owned(),
        length if length == route.dst.max_prefix_len() => route.dst.addr().to_string(),
        _ => route.dst.to_string(),
    };
    let links = live.links(live.id());
    let name =
        |ifindex| links.value.iter().find(|link| Some(link.ifindex) == ifindex).map(|link| link.name.to_string());
    let gateway = |hop: &podnet::model::route::NextHop| hop.gateway.map(|gateway| gateway.to_string());
    let way =
        |hop: &podnet::model::route::NextHop| (name(hop.ifindex).unwrap_or_default(), gateway(hop).unwrap_or_default());
    let mut ways: Vec<_> = route.nexthops.iter().map(way).collect();
    ways.sort();
    (dst, ways)
}

/// A second oracle, with a decoder that podnet did not write: `ip -j route get fibmatch`.
#[test]
fn the_route_is_the_one_that_ip_shows() {
    for (six, make) in [(false, query4 as fn(&mut Random) -> RouteQuery), (true, query6)] {
        let (world, mut random) = world(77, if six { "ip6" } else { "ip4" }, true);
        let live = Live::open(&world.name);
        let mut asked = String::new();
        let mut expected = Vec::new();
        while expected.len() < 150 {
            let plain = make(&mut random);
            let query = RouteQuery { mark: plain.mark, tos: plain.tos, uid: Some(0), ..RouteQuery::to(plain.dst) };
            let found = lookup(&live, live.id(), &query, &mut Gathered::default());
            let refused = matches!(found.outcome, Outcome::Refused { .. } | Outcome::Unknown { .. });
            if refused || found.route.is_none() || query.dst.is_multicast() {
                continue;
            }
            let line = format!("route get fibmatch {} mark {} tos {:#x} uid 0\n", query.dst, query.mark, query.tos);
            asked.push_str(&line);
            expected.push((line, as_podnet_found(&live, &found)));
        }
        let answers = world.ip_json(six, &asked);
        assert_eq!(answers.len(), expected.len(), "ip refused some");
        for (answer, (line, expected)) in answers.iter().zip(&expected) {
            assert_eq!(as_ip_writes(&answer[0]), *expected, "{line}{answer}");
        }
    }
}
