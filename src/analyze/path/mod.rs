//! The way of one packet, and of its answer: worked out as the kernel does it, namespace by namespace.
//!
//! May import model and analyze's siblings only. The walk (`walk`) is one straight line over what the
//! node told: where chance decides, or where nobody can tell, `chance` has it walked once for each
//! course. What is not followed ends a course as unknown, with the reason; nothing is guessed.

mod ask;
mod between;
mod bridge;
mod chance;
mod flow;
mod hooks;
mod input;
mod judge;
mod memory;
mod nat;
mod neighbour;
mod output;
pub mod packet;
mod rules;
mod segment;
mod simulate;
mod solicit;
mod types;
mod walk;
mod wire;
mod world;

pub use ask::{AskError, Asked, Target, ask, target};
pub use chance::Choice;
pub use packet::{Packet, Tuple};
pub use simulate::Simulator;
pub use types::{Acted, Arrival, Counted, Course, FlowState, Path, PlaceRef, Step, StepKind, Stop, Verdict};
pub use world::Place;

use std::net::IpAddr;

use crate::model::ids::IfIndex;
use crate::model::issue::Issue;
use crate::model::view::NodeView;
use chance::Chance;
use flow::Tracking;
use packet::ICMPV6;
use walk::{LOOPBACK, Walk};
use world::World;

/// A packet and who sends it.
#[derive(Debug, Clone)]
pub struct Question {
    /// The namespace that sends it.
    pub from: Place,
    /// It; with an unspecified source the kernel chooses one.
    pub packet: Packet,
    /// The link that the sending socket is bound to.
    pub bound_to: Option<IfIndex>,
}

/// Works a packet's way out, and its answer's. What was read badly on the way is told beside.
pub fn path(nodes: &[&dyn NodeView], question: &Question) -> (Path, Vec<Issue>) {
    let world = World::new(nodes);
    let mut chance = Chance::default();
    let mut places = Vec::new();
    let mut courses = Vec::new();
    let mut assumed = assumed(question);
    loop {
        let (course, taken) = course(&world, question, &mut chance, &mut places, true);
        assumed.extend(taken);
        courses.push(course);
        if !chance.next() {
            break;
        }
    }
    let (verdict, courses) = judge::judge(courses, chance.is_unfinished());
    let mut seen = std::collections::BTreeSet::new();
    assumed.retain(|one| seen.insert(one.clone()));
    let places = places.into_iter().map(|(_, named)| named).collect();
    let path = Path { packet: question.packet.clone(), verdict, courses, places, assumed };
    let mut issues = world.issues();
    issues.sort();
    issues.dedup();
    (path, issues)
}

/// What is taken for granted.
fn assumed(question: &Question) -> Vec<String> {
    let mut assumed =
        vec!["it is the first packet of a new flow, and no other flow has its addresses and ports".to_owned()];
    assumed.push("its sender is root; no IPsec policy and, but for BPF, no filter of tc is on its way".to_owned());
    if question.packet.tuple.is_echo() {
        assumed.push("the receiver answers echos".to_owned());
    } else {
        assumed.push("a program listens where it arrives".to_owned());
    }
    assumed
}

fn course(
    world: &World<'_>,
    question: &Question,
    chance: &mut Chance,
    places: &mut Vec<(Place, PlaceRef)>,
    is_told: bool,
) -> (Course, Vec<String>) {
    let mut walk = Walk::new(world, chance, places, question.packet.clone());
    walk.is_told = is_told;
    walk.number(question.from);
    let went = walk.send(question.from, question.bound_to).and_then(|now| walk.carry(now));
    let place = match went {
        Ok(place) => place,
        Err(stop) => {
            walk.end(&stop);
            let assumed = std::mem::take(&mut walk.assumed);
            return (walk.into_course(judge::there(stop), None, Vec::new()), assumed);
        }
    };
    let arrived = Arrival { place: walk.number(place), seen_as: walk.packet.tuple };
    let there = std::mem::take(&mut walk.steps);
    let sent = walk.sent;
    walk.answer(place);
    let bound_to = walk.answers_by();
    let came = walk.send(place, bound_to).and_then(|now| walk.carry(now));
    let verdict = match came {
        Err(stop) => {
            walk.end(&stop);
            judge::back(stop)
        }
        Ok(back_at) => judge::came_back(back_at == question.from, sent.map(Tuple::inverted), walk.packet.tuple),
    };
    let assumed = std::mem::take(&mut walk.assumed);
    (walk.into_course(verdict, Some(arrived), there), assumed)
}

impl Walk<'_, '_> {
    /// The packet becomes the answer that its receiver sends.
    fn answer(&mut self, place: Place) {
        let tuple = self.packet.tuple.inverted();
        let tos = if tuple.is_echo() { self.packet.tos } else { 0 };
        let ttl = self.default_ttl(place, tuple.destination);
        let length = self.packet.length;
        let icmp = packet::echo(tuple.protocol, true);
        self.packet = Packet { tuple, is_answer: true, icmp, mark: 0, tos, ttl, length, uid: None };
        self.tracking = Tracking::Not;
    }

    fn default_ttl(&self, place: Place, towards: IpAddr) -> u8 {
        let read = if towards.is_ipv4() { self.world.sysctl(place, "ipv4.ip_default_ttl") } else { Ok(64) };
        read.ok().and_then(|ttl| u8::try_from(ttl).ok()).filter(|ttl| *ttl > 0).unwrap_or(64)
    }

    /// The kernel answers an IPv6 echo by the link that it came by. Mirrors `icmpv6_echo_reply`.
    fn answers_by(&self) -> Option<IfIndex> {
        let link = self.came_by.as_ref().filter(|_| self.packet.tuple.protocol == ICMPV6)?;
        Some(link.ifindex).filter(|link| *link != LOOPBACK)
    }

    /// The last step of a way that ends early.
    fn end(&mut self, stop: &Stop) {
        if !self.is_told {
            return;
        }
        let place = self.steps.last().map_or(0, |step| step.place);
        self.steps.push(Step { place, what: StepKind::Ended { verdict: stop.clone() }, changed: Vec::new() });
    }

    fn into_course(self, verdict: Verdict, arrived: Option<Arrival>, there: Vec<Step>) -> Course {
        let choices = self.chance.choices.clone();
        let probability = choices.iter().try_fold(1.0, |product, choice| Some(product * choice.probability?));
        let (there, back) = if arrived.is_some() { (there, self.steps) } else { (self.steps, Vec::new()) };
        Course { probability, choices, verdict, there, back, arrived, counted: vec![self.counted] }
    }
}
