//! The way of a packet as podnet works it out, against what the kernel does with a real one: random
//! networks in namespaces of their own, every frame on every link compared.
//!
//! Needs root. `PODNET_PATH_SEED` for one network (with `PODNET_PATH_KEEP` to look into it),
//! `PODNET_PATH_NETS` for more, `PODNET_PATH_FROM` to begin elsewhere.

mod directed;
mod net;
mod plan;
mod rules;
mod wire;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use podnet::analyze::path::{Course, Packet, Path, Place, Question, StepKind, Tuple, Verdict, packet, path};
use podnet::collect::live::{LiveNode, LiveOptions};
use podnet::model::ids::NetnsId;
use podnet::model::link::LinkKind;
use podnet::model::view::NodeView;

use net::Random;
use plan::{Plan, Taste};
use wire::{ASKED, Heard, Seen, Shot, Wire};

/// The source ports of a network's packets, one each, begin here.
const FIRST_PORT: u16 = 20_000;

fn live(plan: &Plan) -> LiveNode {
    LiveNode::open(&LiveOptions {
        proc_root: "/proc".into(),
        host_netns: Some(plan.net.path(0).into()),
        endpoint: None,
        env_endpoint: None,
        timeout: Duration::from_secs(1),
        now: "2026-01-01T00:00:00Z".parse().unwrap(),
    })
    .unwrap()
}

fn ids(plan: &Plan) -> Vec<NetnsId> {
    let id = |host| podnet::collect::handle::NetnsHandle::open(plan.net.path(host).as_ref()).unwrap().id;
    (0..plan.net.hosts.len()).map(id).collect()
}

fn shot(random: &mut Random, plan: &Plan, number: usize) -> Shot {
    let all = plan.addresses();
    let from = random.below(plan.net.hosts.len());
    let (_, mut destination) = *random.pick(&all);
    if random.percent(8) {
        let net = 1 + random.below(5);
        destination = if random.percent(50) {
            format!("10.{net}.0.{}", random.pick(&[9, 77, 100, 101, 102, 150, 151])).parse().unwrap()
        } else {
            format!("fd00:{net}::{}", 7 + random.below(4)).parse().unwrap()
        };
    }
    let six = destination.is_ipv6();
    let protocol = *random.pick(&[6, 17, 17, if six { 58 } else { 1 }]);
    let port = FIRST_PORT + u16::try_from(number).unwrap();
    let is_echo = matches!(protocol, 1 | 58);
    let destination_port = Some(if is_echo { port } else { *random.pick(&ASKED) });
    let unspecified: IpAddr = if six { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
    let own: Vec<IpAddr> =
        all.iter().filter(|(host, own)| *host == from && own.is_ipv6() == six).map(|(_, own)| *own).collect();
    let source = if random.percent(25) && !own.is_empty() { *random.pick(&own) } else { unspecified };
    let tuple = Tuple { source, destination, protocol, source_port: Some(port), destination_port };
    Shot {
        from,
        tuple,
        mark: if random.percent(15) { *random.pick(&[1, 2, 0x10, 0x20]) } else { 0 },
        tos: if random.percent(10) { 0x10 } else { 0 },
    }
}

/// What the links saw, without those that podnet does not tell of.
type Frames = Vec<(usize, u32, bool, Tuple)>;

fn predicted(course: &Course, path: &Path, ids: &[NetnsId]) -> Frames {
    let mut frames = Vec::new();
    for step in course.there.iter().chain(&course.back) {
        let host = ids.iter().position(|id| *id == path.places[step.place].netns).unwrap();
        match &step.what {
            StepKind::Out { link, tuple } => frames.push((host, link.ifindex.0, true, *tuple)),
            StepKind::In { link, tuple } => frames.push((host, link.ifindex.0, false, *tuple)),
            _ => {}
        }
    }
    frames.sort();
    frames
}

/// Each predicted frame was seen, and no other: a port that is drawn may be any.
fn same(predicted: &Frames, seen: &Frames, bridges: &[(usize, u32)]) -> bool {
    let agree = |one: &(usize, u32, bool, Tuple), other: &(usize, u32, bool, Tuple)| {
        let any = |one: Option<u16>, other: Option<u16>| one.is_none() || one == other;
        (one.0, one.1, one.2) == (other.0, other.1, other.2)
            && (one.3.source, one.3.destination, one.3.protocol)
                == (other.3.source, other.3.destination, other.3.protocol)
            && any(one.3.source_port, other.3.source_port)
            && any(one.3.destination_port, other.3.destination_port)
    };
    let mut left = seen.clone();
    let mut predicted: Vec<_> = predicted.iter().collect();
    predicted.sort_by_key(|frame| frame.3.source_port.is_none() || frame.3.destination_port.is_none());
    for one in predicted {
        match left.iter().position(|other| agree(one, other)) {
            Some(at) => drop(left.remove(at)),
            None => return false,
        }
    }
    // A translated frame within a bridge shows on the bridge itself while its new neighbour is being asked for.
    left.iter().all(|frame| frame.2 && bridges.contains(&(frame.0, frame.1)))
}

fn fits(course: &Course, heard: &Heard) -> bool {
    match &course.verdict {
        Verdict::Answered => *heard == Heard::Answer,
        // A socket for echos looks at the id alone, not at who answers.
        Verdict::Unanswered { why } if why.starts_with("the answer comes from") => {
            *heard != Heard::Answer || matches!(course.there[0].what, StepKind::Sent { tuple, .. } if tuple.is_echo())
        }
        Verdict::Rejected { .. } | Verdict::Unanswered { .. } | Verdict::Dropped { .. } => *heard != Heard::Answer,
        Verdict::Varies { .. } | Verdict::Unknown { .. } => false,
    }
}

/// One packet of one network.
#[derive(Clone, Copy)]
struct Round<'r> {
    seed: u64,
    number: usize,
    plan: &'r Plan,
    wire: &'r Wire,
    ids: &'r [NetnsId],
}

#[derive(Default)]
struct Tally {
    sent: usize,
    verdicts: BTreeMap<String, usize>,
    unknown: BTreeMap<String, usize>,
    wrong: Vec<String>,
    /// Packets that agreed only when one like it was sent again: something else had not come to rest.
    again: usize,
}

impl Tally {
    /// Sends it for real; false where it differs and is to be tried once more.
    fn shoot(&mut self, round: &Round<'_>, shot: &Shot, found: &Path, last: bool) -> bool {
        let Round { seed, number, plan, wire, ids } = *round;
        let (heard, seen) = wire.shoot(&plan.net, shot);
        // What another packet's sender or receiver still sends is not this one's.
        let own = shot.tuple.source_port;
        let is_others = |port: Option<u16>| (FIRST_PORT..FIRST_PORT + 1000).contains(&port.unwrap_or(0)) && port != own;
        let mut frames: Frames = seen
            .iter()
            .filter(|seen| !is_others(seen.tuple.source_port) && !is_others(seen.tuple.destination_port))
            .map(|Seen { host, ifindex, out, tuple }| (*host, *ifindex, *out, *tuple))
            .collect();
        frames.sort();
        let name = match &found.verdict {
            Verdict::Answered => "answered",
            Verdict::Unanswered { .. } => "unanswered",
            Verdict::Dropped { .. } => "dropped",
            Verdict::Rejected { .. } => "rejected",
            Verdict::Varies { .. } => "varies",
            Verdict::Unknown { because } => {
                let key: String = because.chars().filter(|c| !c.is_ascii_digit()).take(60).collect();
                *self.unknown.entry(key).or_default() += 1;
                "unknown"
            }
        };
        let fits = found.courses.iter().any(|course| {
            matches!(course.verdict, Verdict::Unknown { .. })
                || (fits(course, &heard) && same(&predicted(course, found, ids), &frames, &wire.bridges))
        });
        if !fits && !last {
            return false;
        }
        self.sent += 1;
        *self.verdicts.entry(name.to_owned()).or_default() += 1;
        if !fits {
            let course = &found.courses[0];
            let told = |frames: &Frames| -> String {
                let lines = frames.iter().map(|(host, link, out, tuple)| {
                    let way = if *out { "out" } else { "in" };
                    let Tuple { source, destination, protocol, source_port, destination_port } = tuple;
                    format!("      h{host} link {link} {way} {source}:{source_port:?} > {destination}:{destination_port:?} proto {protocol}")
                });
                lines.collect::<Vec<_>>().join("\n")
            };
            let steps: String = if self.wrong.len() > 1 {
                String::new()
            } else {
                let lines = course.there.iter().chain(&course.back).map(|step| {
                    let what = serde_json::to_string(&step.what).unwrap();
                    format!("      {} {what}", found.places[step.place].name)
                });
                lines.collect::<Vec<_>>().join("\n")
            };
            self.wrong.push(format!(
                "seed {seed} packet {number} {shot:?}\n    heard {heard:?}\n    podnet {:?} ({} courses)\n    predicted\n{}\n    seen\n{}\n    steps\n{steps}",
                course.verdict,
                found.courses.len(),
                told(&predicted(course, found, ids)),
                told(&frames),
            ));
        }
        true
    }
}

fn predict(node: &LiveNode, shot: &Shot, ids: &[NetnsId], seed: u64) -> Path {
    let tuple = shot.tuple;
    let header = if tuple.destination.is_ipv6() { 40 } else { 20 };
    let body = if tuple.protocol == 6 { 40 } else { 16 };
    let packet = Packet {
        tuple,
        is_answer: false,
        icmp: packet::echo(tuple.protocol, false),
        mark: shot.mark,
        tos: shot.tos,
        ttl: 64,
        length: header + body,
        uid: Some(0),
    };
    let from = Place { node: 0, netns: ids[shot.from] };
    let (found, issues) = path(&[node], &Question { from, packet, bound_to: None });
    let told = || serde_json::to_string_pretty(&found.courses[0]).unwrap();
    assert!(issues.is_empty(), "seed {seed} {shot:?}: {issues:?}\n{}", told());
    found
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

fn compare(taste: Taste, nets: u64, packets: usize) {
    let from = number("PODNET_PATH_FROM").unwrap_or(1);
    let all = from..from + number("PODNET_PATH_NETS").unwrap_or(nets);
    let seeds: Vec<u64> = number("PODNET_PATH_SEED").map_or_else(|| all.collect(), |seed| vec![seed]);
    let mut tally = Tally::default();
    for seed in seeds {
        let mut random = Random::new(seed);
        let plan = plan::build(&mut random, taste);
        let node = live(&plan);
        let ids = ids(&plan);
        let mut ports = BTreeMap::new();
        let mut bridges = Vec::new();
        for (host, id) in ids.iter().enumerate() {
            for link in &node.links(*id).value {
                ports.insert((host, link.ifindex.0), link.controller.is_some());
                if matches!(link.kind, LinkKind::Bridge(_)) {
                    bridges.push((host, link.ifindex.0));
                }
            }
        }
        let wire = Wire::open(&plan.net, ports, bridges);
        let shots: Vec<Shot> = (0..packets).map(|number| shot(&mut random, &plan, number)).collect();
        let before = tally.wrong.len();
        for (number, shot) in shots.iter().enumerate() {
            // What packets before it taught the neighbour tables counts.
            let node = live(&plan);
            let found = predict(&node, shot, &ids, seed);
            let round = Round { seed, number, plan: &plan, wire: &wire, ids: &ids };
            if !tally.shoot(&round, shot, &found, false) {
                tally.again += 1;
                let shot = shot.again();
                let found = predict(&live(&plan), &shot, &ids, seed);
                tally.shoot(&round, &shot, &found, true);
            }
        }
        if tally.wrong.len() > before && std::env::var_os("PODNET_PATH_KEEP").is_some() {
            tally.wrong.push(format!("kept: {:?}\n{}", plan.net.hosts, plan.log));
            std::mem::forget(plan);
            break;
        }
    }
    let told: Vec<&str> = tally.wrong.iter().take(60).map(String::as_str).collect();
    assert!(
        tally.wrong.is_empty(),
        "{} of {} packets differ {:?} {:#?}\n{}",
        tally.wrong.len(),
        tally.sent,
        tally.verdicts,
        tally.unknown,
        told.join("\n")
    );
    assert!(tally.again * 200 <= tally.sent, "{} of {} packets agreed only when sent again", tally.again, tally.sent);
    let unknown = tally.verdicts.get("unknown").copied().unwrap_or(0);
    assert!(unknown * 50 <= tally.sent, "{unknown} of {} are unknown: {:#?}", tally.sent, tally.unknown);
    assert!(
        std::env::var_os("PODNET_PATH_TELL").is_none(),
        "{} packets, all agree ({} again): {:?} {:#?}",
        tally.sent,
        tally.again,
        tally.verdicts,
        tally.unknown
    );
}

#[test]
fn routes_and_bridges() {
    compare(Taste { faults: true, rules: false, policy: false }, 25, 20);
}

#[test]
fn policy_rules_and_marks() {
    compare(Taste { faults: true, rules: false, policy: true }, 25, 20);
}

#[test]
fn rules_of_all_back_ends() {
    compare(Taste { faults: false, rules: true, policy: false }, 25, 20);
}

#[test]
fn all_at_once() {
    compare(Taste { faults: true, rules: true, policy: true }, 25, 20);
}
