//! The way of one packet, and of its answer: worked out as the kernel does it, namespace by namespace.
//!
//! May import model and analyze's siblings only. The walk (`walk`) is one straight line over what the
//! node told: where chance decides, or where nobody can tell, `chance` has it walked once for each
//! course. What is not followed ends a course as unknown, with the reason; nothing is guessed.

mod ask;
mod between;
mod bridge;
mod chance;
mod course;
mod error;
mod flow;
mod frame;
mod hooks;
mod input;
mod judge;
mod macvlan;
mod memory;
mod mtu;
mod nat;
mod neighbour;
mod outer;
mod output;
mod outside;
pub mod packet;
pub mod probe;
mod refusal;
mod reject;
mod rules;
mod segment;
mod simulate;
mod socket;
mod solicit;
mod table;
mod taker;
mod tracked;
mod tunnel;
mod types;
mod walk;
mod wire;
mod world;

pub use ask::{AskError, Asked, AskedCt, Target, ask, target};
pub use chance::Choice;
pub use packet::{Packet, Tuple};
pub use refusal::{Refusal, Sees};
pub use simulate::Simulator;
pub use socket::Listener;
pub use table::{Ct, KnownFlow};
pub use types::{
    Acted, Arrival, Beneath, Counted, Course, Endpoint, FlowState, Leaving, Path, PlaceRef, Step, StepKind, Stop,
    Tried, Verdict,
};
pub use world::Place;

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::model::ids::IfIndex;
use crate::model::issue::Issue;
use crate::model::view::NodeView;
use chance::Chance;
use course::{Walked, Walking, walked};
use world::World;

/// A packet and who sends it.
#[derive(Debug, Clone)]
pub struct Question {
    /// The namespace that sends it, or that it comes into from outside.
    pub from: Place,
    /// It; with an unspecified source the kernel chooses one.
    pub packet: Packet,
    /// The link that the sending socket is bound to.
    pub bound_to: Option<IfIndex>,
    /// It comes from outside, by this link of the namespace.
    pub enters: Option<IfIndex>,
    /// What is asked of the tables of flows.
    pub ct: Ct,
    /// Only the courses that lead to this address and port.
    pub endpoint: Option<(IpAddr, Option<u16>)>,
    /// Whether each rule that is asked is told, and not those alone that act.
    pub tells_rules: bool,
}

impl Question {
    /// Of a packet that a namespace sends.
    pub fn new(from: Place, packet: Packet) -> Self {
        Self { from, packet, bound_to: None, enters: None, ct: Ct::default(), endpoint: None, tells_rules: false }
    }
}

/// Works a packet's way out, and its answer's. What was read badly on the way is told beside.
pub fn path(nodes: &[&dyn NodeView], question: &Question) -> (Path, Vec<Issue>) {
    let world = World::new(nodes);
    let mut places = Vec::new();
    let (mut courses, is_unfinished) = all_courses(&world, question, &mut places, true);
    let mut assumed = assumed(question);
    for walked in &mut courses {
        assumed.append(&mut walked.assumed);
    }
    let mut seen = BTreeSet::new();
    assumed.retain(|one| seen.insert(one.clone()));
    if !is_unfinished {
        courses = judge::settled(courses);
    }
    let endpoint = question.endpoint.map(|wanted| leading_to(wanted, &mut courses));
    let (verdict, courses) = judge::judge(courses, is_unfinished);
    let places = places.into_iter().map(|(_, named)| named).collect();
    let sees = judge::sees(&courses);
    let path = Path { packet: question.packet.clone(), verdict, sees, courses, places, assumed, endpoint };
    let mut issues = world.issues();
    issues.sort();
    issues.dedup();
    (path, issues)
}

/// Keeps the courses that lead to an endpoint, and those that end before one is chosen.
fn leading_to((address, port): (IpAddr, Option<u16>), courses: &mut Vec<Walked>) -> Endpoint {
    let leads = |walked: &Walked| {
        walked.led.destination == address && port.is_none_or(|port| walked.led.destination_port == Some(port))
    };
    let mut probability = None;
    let mut others = BTreeSet::new();
    courses.retain(|walked| {
        let ends_before = !walked.is_chosen && walked.course.arrived.is_none() && walked.course.leaves.is_none();
        if leads(walked) {
            probability = Some(probability.unwrap_or(Some(0.0)).zip(walked.course.probability).map(|(a, b)| a + b));
        } else if !ends_before {
            let port = walked.led.destination_port.filter(|_| walked.led.has_ports());
            others.insert((walked.led.destination, port));
        }
        leads(walked) || ends_before
    });
    let others = others.into_iter().map(|(address, port)| types::end(address, port)).collect();
    Endpoint { address, port, probability: probability.flatten(), others }
}

/// A table has the packet's conversation, and it has begun.
struct Begun;

/// All courses, with their steps or without, and whether there are more.
fn all_courses(
    world: &World<'_>,
    question: &Question,
    places: &mut Vec<(Place, PlaceRef)>,
    is_told: bool,
) -> (Vec<Walked>, bool) {
    let known = places.len();
    let how = Walking { is_told, later: false };
    let walked = courses_of(world, question, how, places).or_else(|Begun| {
        // It turned out to belong to a conversation that has begun: not its first packet is asked for.
        places.truncate(known);
        courses_of(world, question, Walking { later: true, ..how }, places)
    });
    walked.unwrap_or_default()
}

fn courses_of(
    world: &World<'_>,
    question: &Question,
    how: Walking,
    places: &mut Vec<(Place, PlaceRef)>,
) -> Result<(Vec<Walked>, bool), Begun> {
    let mut chance = if question.endpoint.is_some() { Chance::for_endpoint() } else { Chance::default() };
    let mut courses = Vec::new();
    loop {
        courses.push(walked(world, question, how, &mut chance, places)?);
        if !chance.next() {
            return Ok((courses, chance.is_unfinished()));
        }
    }
}

/// What is taken for granted.
fn assumed(question: &Question) -> Vec<String> {
    let mut assumed = Vec::new();
    let packet = &question.packet;
    match question.ct {
        Ct::Established => {
            assumed.push("its conversation has begun: where no table has its flow, it is as rules would make it now");
        }
        Ct::Table if packet.tuple.source_port.is_some() => {}
        _ => assumed.push("it is the first packet of a new flow, and no other flow has its addresses and ports"),
    }
    assumed.push(if question.enters.is_some() {
        "no IPsec policy and, but for BPF, no filter of tc is on its way"
    } else {
        "its sender is root; no IPsec policy and, but for BPF, no filter of tc is on its way"
    });
    if packet.tuple.is_echo() {
        assumed.push("the receiver answers echos");
    }
    assumed.into_iter().map(str::to_owned).collect()
}
