//! Predictions and observations put together by hand: each kind of parting is found where it is.

use super::*;
use crate::analyze::naming::LinkRef;
use crate::analyze::netfilter::text::RuleRef;
use crate::analyze::path::packet::{Packet, Tuple};
use crate::analyze::path::types::{Acted, Arrival, Course, PlaceRef, Step, StepKind, Stop, Tried, Verdict};
use crate::model::ids::{IfIndex, NetnsId};
use crate::model::netfilter::chain::Hook;
use crate::model::netfilter::table::{Family, TableRef};
use crate::model::probe::{Crossing, Ends, Frame, Heard, Hit, HitVerdict, Means, Role, Unwatched};

const POD: NetnsId = NetnsId { dev: 4, ino: 1 };
const HOST: NetnsId = NetnsId { dev: 4, ino: 2 };

fn tuple() -> Tuple {
    Tuple {
        source: "10.200.0.3".parse().unwrap(),
        destination: "10.200.0.4".parse().unwrap(),
        protocol: 17,
        source_port: Some(1000),
        destination_port: Some(7),
    }
}

fn ends(tuple: Tuple) -> Ends {
    Ends {
        source: tuple.source,
        destination: tuple.destination,
        protocol: tuple.protocol,
        source_port: tuple.source_port.unwrap(),
        destination_port: tuple.destination_port.unwrap(),
    }
}

fn link(ifindex: u32) -> LinkRef {
    LinkRef { ifindex: IfIndex(ifindex), name: format!("link{ifindex}").as_str().into(), link: None }
}

fn step(place: usize, what: StepKind) -> Step {
    Step { place, what, changed: Vec::new(), is_outer: false }
}

fn forward() -> TableRef {
    TableRef::nf(Family::Ip, "filter")
}

fn rule(handle: u64, did: &str) -> Acted {
    let chain = forward().chain("FORWARD");
    let text = String::new();
    let rule = RuleRef { chain: chain.clone(), number: 1, handle: Some(handle), counters: None, text };
    Acted { rule: Some(rule), base: chain, did: did.to_owned() }
}

/// Sent in the pod, forwarded by the host where a rule accepts it, and gone from there.
fn course(verdict: Verdict) -> Course {
    let hooked = StepKind::Hooked {
        hook: Hook::Forward,
        in_bridge: false,
        beneath: None,
        state: None,
        rules: vec![rule(9, "accepts it")],
        tried: Tried::default(),
    };
    let neighbour = StepKind::Neighbour {
        address: tuple().destination,
        mac: crate::model::ids::MacAddr(vec![0; 6]),
        how: String::new(),
    };
    let there = vec![
        step(0, StepKind::Sent { tuple: tuple(), source: String::new() }),
        step(0, StepKind::Out { link: link(2), tuple: tuple() }),
        step(1, StepKind::In { link: link(5), tuple: tuple() }),
        step(1, hooked),
        step(1, neighbour),
        step(1, StepKind::Out { link: link(6), tuple: tuple() }),
    ];
    let arrived = Some(Arrival { place: 1, seen_as: tuple() });
    Course {
        error: Vec::new(),
        sees: None,
        probability: Some(1.0),
        choices: Vec::new(),
        verdict,
        there,
        back: Vec::new(),
        arrived,
        counted: Vec::new(),
        leaves: None,
    }
}

fn path(course: Course) -> Path {
    let place = |netns, name: &str| PlaceRef { node: "node".to_owned(), netns, name: name.to_owned() };
    let packet =
        Packet { tuple: tuple(), is_answer: false, icmp: None, mark: 0, tos: 0, ttl: 64, length: 60, uid: Some(0) };
    let (verdict, places) = (course.verdict.clone(), vec![place(POD, "default/pod"), place(HOST, "host")]);
    Path { packet, verdict, courses: vec![course], places, assumed: Vec::new(), endpoint: None, sees: None }
}

fn frame(netns: NetnsId, ifindex: u32, out: bool) -> Frame {
    Frame { after_us: 0, netns, ifindex: IfIndex(ifindex), out, role: Role::Question, ends: ends(tuple()) }
}

fn hit(handle: u64, verdict: HitVerdict) -> Hit {
    Hit { chain: forward().chain("FORWARD"), handle: Some(handle), verdict }
}

/// All as predicted.
fn observed(hits: Vec<Hit>) -> Observed {
    let crossing = Crossing { netns: HOST, hook: Some(Hook::Forward), role: Role::Question, ends: ends(tuple()), hits };
    Observed {
        heard: Heard::Answer,
        heard_after_us: Some(5),
        frames: vec![frame(POD, 2, true), frame(HOST, 5, false), frame(HOST, 6, true)],
        crossings: vec![crossing],
        flows: Vec::new(),
        counters: Vec::new(),
        unwatched: Vec::new(),
    }
}

fn compared(course: Course, observed: Observed) -> crate::analyze::answer::Answer<Probe> {
    let path = path(course);
    let limits = Limits { wait_ms: 100, table: "t".to_owned() };
    let plan = plan(&[], &path, limits).unwrap();
    compare(&[], plan, path, Vec::new(), observed)
}

fn marks(probe: &Probe) -> String {
    let sign = |marked: &Marked| match marked.mark {
        Mark::Seen => '+',
        Mark::NotSeen => '-',
        Mark::Differs => '/',
        Mark::NotWatched => '?',
    };
    probe.there.iter().chain(std::iter::once(&probe.end)).map(sign).collect()
}

#[test]
fn all_is_seen_and_what_nothing_shows_is_seen_by_what_follows() {
    let answer = compared(course(Verdict::Answered), observed(vec![hit(9, HitVerdict::Accept)]));
    assert_eq!(marks(&answer.data), "+++++++");
    assert_eq!((answer.data.outcome, answer.data.difference), (Outcome::AsPredicted, None));
    assert_eq!((answer.bad, answer.issues), (false, Vec::new()));
}

/// The kernel traces no frame before IP has had it: what is beneath is seen by what follows, and is not missed.
#[test]
fn rules_beneath_ip_are_not_missed_where_nothing_traces_them() {
    let beneath = |did: &str| {
        let chain = TableRef::nf(Family::Bridge, "t").chain("c");
        let text = String::new();
        let rule = RuleRef { chain: chain.clone(), number: 1, handle: Some(4), counters: None, text };
        StepKind::Hooked {
            hook: Hook::Prerouting,
            in_bridge: false,
            beneath: Some(crate::analyze::path::Beneath::Bridge { link: link(7) }),
            state: None,
            rules: vec![Acted { rule: Some(rule), base: chain, did: did.to_owned() }],
            tried: Tried::default(),
        }
    };
    let mut way = course(Verdict::Answered);
    way.there.insert(3, step(1, beneath("marks it 0x1")));
    let answer = compared(way, observed(vec![hit(9, HitVerdict::Accept)]));
    assert_eq!((marks(&answer.data).as_str(), answer.data.outcome), ("++++++++", Outcome::AsPredicted));
    // Where it is the last that is told nothing shows it.
    let mut way = course(Verdict::Dropped { why: "it says so".to_owned() });
    way.there.truncate(3);
    way.there.push(step(1, beneath("drops it")));
    way.arrived = None;
    let mut seen = observed(Vec::new());
    seen.crossings.clear();
    seen.frames.truncate(2);
    seen.heard = Heard::Nothing;
    let answer = compared(way, seen);
    assert_eq!((marks(&answer.data).as_str(), answer.data.outcome), ("+++?+", Outcome::AsPredicted));
}

#[test]
fn a_rule_that_was_not_predicted_and_drops_it_is_where_they_part() {
    let mut seen = observed(vec![hit(12, HitVerdict::Drop)]);
    seen.frames.pop();
    seen.heard = Heard::Nothing;
    let answer = compared(course(Verdict::Answered), seen);
    assert_eq!(marks(&answer.data), "+++/?-/");
    let found = answer.data.difference.unwrap();
    assert_eq!((found.way, found.step, found.place.as_str()), (Way::There, Some(3), "host"));
    assert_eq!(found.predicted, "crosses forward: rule 1 of FORWARD (accepts it)");
    assert_eq!(found.shown, "rule 1 of FORWARD was not hit; the rule with handle 12 in FORWARD of ip filter drops it");
    assert!(answer.bad);
}

#[test]
fn a_frame_with_other_addresses_differs_and_one_that_left_elsewhere_is_told() {
    let hits = || vec![hit(9, HitVerdict::Accept)];
    let mut seen = observed(hits());
    seen.frames[2].ends.destination_port = 8080;
    let answer = compared(course(Verdict::Answered), seen);
    assert_eq!(marks(&answer.data), "+++++/+");
    assert_eq!(answer.data.difference.unwrap().shown, "there it is 10.200.0.3:1000 → 10.200.0.4:8080");
    let mut seen = observed(hits());
    seen.frames[2].ifindex = IfIndex(77);
    let answer = compared(course(Verdict::Answered), seen);
    let shown = answer.data.difference.unwrap().shown;
    assert_eq!(
        shown,
        "it was seen elsewhere: leaving by link 77 in host as 10.200.0.3:1000 → 10.200.0.4:7; the sender got an answer"
    );
}

#[test]
fn a_predicted_drop_that_the_kernel_does_not_make_differs_at_the_end_of_the_way() {
    let why = || "a rule".to_owned();
    let mut dropped = course(Verdict::Dropped { why: why() });
    dropped.there.truncate(3);
    dropped.there.push(step(1, StepKind::Ended { verdict: Stop::Dropped { why: why() } }));
    let answer = compared(dropped.clone(), observed(Vec::new()));
    assert_eq!(marks(&answer.data), "+++//");
    let shown = answer.data.difference.unwrap().shown;
    assert_eq!(shown, "it went on: leaving by link 6 in host as 10.200.0.3:1000 → 10.200.0.4:7");
    // And one that it does make is as predicted, though the packet is lost.
    let mut seen = observed(Vec::new());
    seen.frames.pop();
    seen.heard = Heard::Nothing;
    let answer = compared(dropped, seen);
    assert_eq!((marks(&answer.data).as_str(), answer.data.outcome), ("+++++", Outcome::AsPredicted));
    assert!(answer.bad, "it was not answered");
}

#[test]
fn what_could_not_be_watched_is_no_difference_and_is_told() {
    let mut seen = observed(Vec::new());
    seen.crossings.clear();
    let why = "the kernel refuses".to_owned();
    seen.unwatched.push(Unwatched { netns: HOST, means: Means::Rules, why });
    let answer = compared(course(Verdict::Answered), seen);
    assert_eq!(marks(&answer.data), "+++?+++");
    assert_eq!(answer.data.outcome, Outcome::AsPredicted);
    assert_eq!((answer.bad, answer.issues.len(), answer.exit_code()), (false, 1, 3));
}

#[test]
fn of_several_courses_that_is_told_which_the_kernel_took() {
    let mut other = course(Verdict::Answered);
    other.there.truncate(5);
    other.there.push(step(1, StepKind::Out { link: link(8), tuple: tuple() }));
    let mut path = path(other);
    path.courses.push(course(Verdict::Answered));
    let plan = plan(&[], &path, Limits { wait_ms: 1, table: "t".to_owned() }).unwrap();
    let answer = compare(&[], plan, path, Vec::new(), observed(vec![hit(9, HitVerdict::Accept)]));
    assert_eq!((answer.data.course, answer.data.outcome), (1, Outcome::AsPredicted));
}

#[test]
fn the_plan_names_the_packet_where_it_is_sent_and_where_it_comes_in() {
    let path = path(course(Verdict::Answered));
    let plan = plan(&[], &path, Limits { wait_ms: 1, table: "t".to_owned() }).unwrap();
    assert_eq!((plan.sends, plan.from), (tuple(), POD));
    let [pod, host] = plan.watched.as_slice() else { panic!("{plan:?}") };
    let whole = |pattern: &&crate::model::probe::Pattern| pattern.source_port == Some(1000);
    assert_eq!(pod.output.iter().filter(whole).count(), 1);
    assert_eq!(pod.prerouting.iter().filter(whole).count(), 0, "only its answers come in there");
    assert_eq!((host.output.len(), host.prerouting.iter().filter(whole).count()), (0, 1));
    let answers: Vec<_> = host.prerouting.iter().filter(|one| one.destination_port == Some(1000)).collect();
    assert_eq!(answers.len(), 1);
    assert_eq!((answers[0].source, answers[0].destination), (None, Some(tuple().source)));
}
