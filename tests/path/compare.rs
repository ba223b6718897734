//! One network, packet by packet: what podnet predicts, what the kernel does, and whether they agree.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use podnet::analyze::path::{Course, Packet, Path, Place, Question, StepKind, Stop, Tuple, Verdict, packet, path};
use podnet::model::ids::NetnsId;

use crate::counters::{Counts, Oracle, grown, predicted};
use crate::net::Net;
use crate::script::Script;
use crate::wire::{Heard, Seen, Shot, Watched, Wire};

/// The source ports of a network's packets, one each, begin here.
pub const FIRST_PORT: u16 = 20_000;

/// What came out of one packet.
#[derive(Default)]
pub struct Told {
    pub verdict: &'static str,
    /// Why it could not be told.
    pub unknown: Option<String>,
    /// How it differed the first time, where it agreed when it was sent again.
    pub again: Option<String>,
    pub wrong: Option<String>,
    /// Whether the counters were compared exactly; `None` where they could not be.
    pub exact: Option<bool>,
    /// Whether it may still be going round: what is sent next needs a network of its own.
    is_endless: bool,
}

/// What the links saw, without those that podnet does not tell of.
type Frame = (usize, u32, bool, Tuple);
/// They, as each host saw them one after the other.
type Frames = Vec<Frame>;

/// What podnet says of a packet.
pub fn predict(net: &Net, shot: &Shot, ids: &[NetnsId]) -> Result<Path, String> {
    let node = net.live();
    let tuple = shot.tuple;
    let packet = Packet {
        tuple,
        is_answer: false,
        icmp: packet::echo(tuple.protocol, false),
        mark: shot.mark,
        tos: shot.tos,
        ttl: 64,
        length: shot.length(),
        uid: Some(shot.uid),
    };
    let from = Place { node: 0, netns: ids[shot.from] };
    let (found, issues) = path(&[&node], &Question::new(from, packet));
    if issues.is_empty() { Ok(found) } else { Err(format!("{issues:?}")) }
}

fn frames_of(course: &Course, path: &Path, ids: &[NetnsId]) -> Frames {
    let mut frames = Vec::new();
    let is_split = course.there.iter().any(|step| matches!(step.what, StepKind::Split { .. }));
    for step in course.there.iter().chain(&course.back) {
        let host = ids.iter().position(|id| *id == path.places[step.place].netns).unwrap();
        match &step.what {
            // Later pieces alone are not looked at.
            StepKind::Out { tuple, .. } | StepKind::In { tuple, .. } if is_split && is_headless(*tuple) => {}
            StepKind::Out { link, tuple } => frames.push((host, link.ifindex.0, true, *tuple)),
            StepKind::In { link, tuple } => frames.push((host, link.ifindex.0, false, *tuple)),
            _ => {}
        }
    }
    frames
}

fn is_headless(tuple: Tuple) -> bool {
    tuple.has_ports() && tuple.source_port.is_none() && tuple.destination_port.is_none()
}

/// Whether a packet goes round and round: then the kernel's rounds are more than those that are told, until it finds
/// no port for one more flow.
fn is_endless(course: &Course) -> bool {
    let (Verdict::Dropped { why } | Verdict::Unanswered { why }) = &course.verdict else { return false };
    why.contains("a circle without an end")
}

fn agree(one: &Frame, other: &Frame) -> bool {
    let any = |one: Option<u16>, other: Option<u16>| one.is_none() || one == other;
    (one.0, one.1, one.2) == (other.0, other.1, other.2)
        && (one.3.source, one.3.destination, one.3.protocol) == (other.3.source, other.3.destination, other.3.protocol)
        && any(one.3.source_port, other.3.source_port)
        && any(one.3.destination_port, other.3.destination_port)
}

/// Of a circle: each host saw the predicted frames one after the other, and then no others than those.
fn same_circle(predicted: &Frames, seen: &Frames, bridges: &[(usize, u32)]) -> bool {
    let hosts: BTreeSet<usize> = predicted.iter().chain(seen).map(|frame| frame.0).collect();
    hosts.into_iter().all(|host| {
        let own: Vec<&Frame> = predicted.iter().filter(|frame| frame.0 == host).collect();
        let mut next = own.iter().peekable();
        let fits = seen.iter().filter(|frame| frame.0 == host).all(|frame| match next.peek() {
            Some(wanted) if agree(wanted, frame) => next.next().is_some(),
            Some(_) => frame.2 && bridges.contains(&(frame.0, frame.1)),
            None => own.iter().any(|wanted| agree(wanted, frame)),
        });
        fits && next.peek().is_none()
    })
}

/// Each predicted frame was seen, and no other: a port that is drawn may be any.
fn same(predicted: &Frames, seen: &Frames, bridges: &[(usize, u32)]) -> bool {
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
    crate::heard::hears(course, heard)
        && match &course.verdict {
            Verdict::Answered => *heard == Heard::Answer,
            // A socket for echos looks at the id alone, not at who answers.
            Verdict::Unanswered { why } if why.starts_with("the answer comes from") => {
                *heard != Heard::Answer
                    || matches!(course.there[0].what, StepKind::Sent { tuple, .. } if tuple.is_echo())
            }
            Verdict::Rejected { .. } | Verdict::Unanswered { .. } | Verdict::Dropped { .. } => *heard != Heard::Answer,
            Verdict::Varies { .. } | Verdict::Unknown { .. } => false,
        }
}

/// Whether all that crossed rules is the packet and its answer, so that counters can be told to the last one.
fn is_alone(course: &Course, watched: &Watched, asks_frames: bool) -> bool {
    // Errors and resets cross rules too, and may end in them before a link sees them.
    let is_quiet = match &course.verdict {
        // So do questions for neighbours on an error's way.
        Verdict::Dropped { why } if why.contains("does not reach its sender: nobody on") => false,
        Verdict::Answered | Verdict::Dropped { .. } => true,
        Verdict::Unanswered { why } => !why.starts_with("the answer"),
        _ => false,
    };
    // IPv6 asks for neighbours by packets that cross rules; where rules ask frames ARP's cross them too.
    let mut steps = course.there.iter().chain(&course.back);
    let asks = steps.any(|step| match &step.what {
        StepKind::Neighbour { address, how, .. } => {
            (asks_frames || address.is_ipv6()) && !how.starts_with("the neighbour table")
        }
        // Whom nobody answers is asked too.
        StepKind::Ended { verdict: Stop::Dropped { why } | Stop::Rejected { why, .. } } => {
            asks_frames && why.contains("answers for")
        }
        _ => false,
    });
    is_quiet && !asks && watched.others == 0
}

/// The rules that matched are those that podnet named; whether that was to the last one.
fn counters_fit(course: &Course, watched: &Watched, ids: &[NetnsId], grew: &Counts, asks_frames: bool) -> (bool, bool) {
    let alone = is_alone(course, watched, asks_frames) && !is_endless(course);
    // IPv4 sends a sender so many errors of routes, and then one a second: what they count may not have been.
    let is_four = matches!(course.there.first().map(|step| &step.what), Some(StepKind::Sent { tuple, .. }) if tuple.source.is_ipv4());
    let may_be_untold = is_four && watched.heard == Heard::Nothing && crate::heard::is_by_route(course);
    let fits = course.counted.iter().any(|counted| {
        let (wanted, may_be) = (predicted(counted, ids, true), predicted(counted, ids, false));
        let most = |rule: &crate::counters::Rule| {
            wanted.get(rule).copied().unwrap_or(0) + may_be.get(rule).copied().unwrap_or(0)
        };
        // Then the rules matched that stand before where it would have begun, and no others.
        let is_untold = || (0..counted.len()).any(|told| predicted(&counted[..told], ids, true) == *grew);
        if may_be_untold && is_untold() {
            true
        } else if alone {
            let within = |(rule, count): (&crate::counters::Rule, &u64)| {
                (wanted.get(rule).copied().unwrap_or(0)..=most(rule)).contains(count)
            };
            grew.iter().all(within) && wanted.keys().all(|rule| grew.contains_key(rule))
        } else {
            wanted.iter().all(|(rule, count)| grew.get(rule).is_some_and(|grew| grew >= count))
        }
    });
    (fits, alone)
}

struct Round {
    net: Net,
    wire: Wire,
    ids: Vec<NetnsId>,
    oracle: Oracle,
    /// Whether rules ask frames: those of ARP cross them.
    asks_frames: bool,
}

impl Round {
    fn open(script: &Script) -> Self {
        let net = script.build();
        let node = net.live();
        let id = |host| podnet::collect::handle::NetnsHandle::open(net.path(host).as_ref()).unwrap().id;
        let ids: Vec<NetnsId> = (0..net.hosts.len()).map(id).collect();
        let (ports, bridges) = crate::wire::for_others(&node, &ids);
        let wire = Wire::open(&net, ports, bridges);
        let is_of_frames = |line: &String| line.starts_with("table bridge") || line.starts_with("table netdev");
        let asks_frames = script.steps.iter().any(|step| step.lines.iter().any(is_of_frames));
        Self { net, wire, ids, oracle: Oracle::of(script), asks_frames }
    }

    /// Sends a packet for real. How it differs; else whether its counters were compared exactly.
    fn shoot(&self, shot: &Shot, found: &Path, counts: &mut Counts) -> Result<Option<bool>, String> {
        *counts = self.oracle.read(&self.net);
        let is_endless = found.courses.iter().any(is_endless);
        let longest = found.courses.iter().map(|course| frames_of(course, found, &self.ids).len()).max().unwrap_or(0);
        let enough = if is_endless { longest.saturating_mul(4) } else { usize::MAX };
        let watched = self.wire.shoot(&self.net, shot, enough);
        let after = self.oracle.read(&self.net);
        let grew = grown(counts, &after);
        *counts = after;
        // What another packet's sender or receiver still sends is not this one's.
        let own = shot.tuple.source_port;
        let is_others = |port: Option<u16>| {
            let of = |first: u16, port: u16| (first..first + 20).contains(&port);
            port != own && port.is_some_and(|port| of(FIRST_PORT, port) || of(FIRST_PORT + 500, port))
        };
        let frames: Frames = watched
            .frames
            .iter()
            .filter(|seen| {
                // Of a circle each round's port is drawn, and any may be.
                is_endless || (!is_others(seen.tuple.source_port) && !is_others(seen.tuple.destination_port))
            })
            .map(|Seen { host, ifindex, out, tuple }| (*host, *ifindex, *out, *tuple))
            .collect();
        let mut exact = None;
        let mut counters_differ = None;
        for course in &found.courses {
            if matches!(course.verdict, Verdict::Unknown { .. }) {
                return Ok(None);
            }
            let compare = if self::is_endless(course) { same_circle } else { same };
            if fits(course, &watched.heard)
                && compare(&frames_of(course, found, &self.ids), &frames, &self.wire.bridges)
            {
                let (fit, alone) = counters_fit(course, &watched, &self.ids, &grew, self.asks_frames);
                if fit {
                    exact = Some(alone);
                    break;
                }
                counters_differ.get_or_insert(course);
            }
        }
        // Where not all of its courses were walked the right one may be among the others: it counts as unknown.
        let is_unfinished =
            matches!(&found.verdict, Verdict::Unknown { because } if because.starts_with("its way forks"));
        if exact.is_some() || is_unfinished {
            return Ok(exact);
        }
        let course = counters_differ.unwrap_or(&found.courses[0]);
        let mut text = format!(
            "{shot}\n    heard {:?}\n    podnet {:?} ({} courses)\n",
            watched.heard,
            course.verdict,
            found.courses.len()
        );
        if counters_differ.is_some() {
            let wanted: Vec<Counts> =
                course.counted.iter().map(|counted| predicted(counted, &self.ids, true)).collect();
            writeln!(
                text,
                "    counters: predicted {wanted:?}\n    grew {grew:?} (alone: {})",
                is_alone(course, &watched, self.asks_frames)
            )
            .unwrap();
        } else {
            writeln!(text, "    predicted\n{}    seen\n{}", told(&frames_of(course, found, &self.ids)), told(&frames))
                .unwrap();
        }
        for step in course.there.iter().chain(&course.back) {
            writeln!(text, "      {} {}", found.places[step.place].name, words(&step.what)).unwrap();
        }
        Err(text)
    }

    fn one(&self, shot: &Shot, counts: &mut Counts) -> Told {
        let found = match predict(&self.net, shot, &self.ids) {
            Ok(found) => found,
            Err(issues) => return Told { wrong: Some(issues), ..Told::default() },
        };
        let is_endless = found.courses.iter().any(is_endless);
        let mut outcome = Told { verdict: name(&found.verdict), is_endless, ..Told::default() };
        if let Verdict::Unknown { because } = &found.verdict {
            outcome.unknown = Some(because.clone());
        }
        match self.shoot(shot, &found, counts) {
            Ok(exact) => outcome.exact = exact,
            Err(wrong) if is_endless => outcome.wrong = Some(wrong),
            Err(wrong) => {
                // Once more: then all that the first one began has ended.
                let shot = shot.again();
                match predict(&self.net, &shot, &self.ids) {
                    Ok(found) => match self.shoot(&shot, &found, counts) {
                        Ok(_) => outcome.again = Some(wrong),
                        Err(second) => outcome.wrong = Some(if second.len() > wrong.len() { second } else { wrong }),
                    },
                    Err(issues) => outcome.wrong = Some(issues),
                }
            }
        }
        outcome
    }
}

fn told(frames: &Frames) -> String {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for (host, link, out, tuple) in frames {
        let way = if *out { "out" } else { "in" };
        let Tuple { source, destination, protocol, source_port, destination_port } = tuple;
        let port = |port: Option<u16>| port.map_or_else(|| "?".to_owned(), |port| port.to_string());
        let (from, to) = (port(*source_port), port(*destination_port));
        let line = format!("h{host} link {link} {way} {source} {from} > {destination} {to} protocol {protocol}");
        *counts.entry(line).or_default() += 1;
    }
    counts.iter().fold(String::new(), |text, (line, count)| text + &format!("      {count} {line}\n"))
}

fn words(step: &StepKind) -> String {
    match step {
        StepKind::Hooked { hook, in_bridge, state, rules, .. } => {
            let rules: Vec<String> = rules
                .iter()
                .map(|acted| {
                    let text = acted.rule.as_ref().map_or_else(String::new, |rule| rule.text.clone());
                    format!("[{} {}: {text} -> {}]", acted.base.table.name, acted.base.name, acted.did)
                })
                .collect();
            format!("{hook} (in bridge: {in_bridge}) {state:?} {}", rules.join(" "))
        }
        StepKind::Routed { link, gateway, .. } => {
            format!("routed by {:?} to {gateway:?}", link.as_ref().map(|link| &link.name))
        }
        StepKind::Out { link, .. } => format!("out {}", link.name),
        StepKind::In { link, .. } => format!("in {}", link.name),
        other => serde_json::to_string(other).unwrap(),
    }
}

fn name(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Answered => "answered",
        Verdict::Unanswered { .. } => "unanswered",
        Verdict::Dropped { .. } => "dropped",
        Verdict::Rejected { .. } => "rejected",
        Verdict::Varies { .. } => "varies",
        Verdict::Unknown { .. } => "unknown",
    }
}

/// The verdicts, where all agreed and none was unknown.
pub fn agreed(told: &[Told]) -> Vec<&'static str> {
    let unknown: Vec<_> = told.iter().filter_map(|told| told.unknown.clone()).collect();
    let wrong: Vec<_> = told.iter().filter_map(|told| told.wrong.clone()).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(unknown, Vec::<String>::new());
    told.iter().map(|told| told.verdict).collect()
}

/// Builds a network and sends packets through it, each when what is left of the one before has been looked at.
pub fn run(script: &Script, shots: &[Shot]) -> Vec<Told> {
    let mut round = Round::open(script);
    let mut counts = round.oracle.read(&round.net);
    let mut all = Vec::new();
    for shot in shots {
        let told = round.one(shot, &mut counts);
        if told.is_endless {
            drop(round);
            round = Round::open(script);
            counts = round.oracle.read(&round.net);
        }
        all.push(told);
    }
    all
}
