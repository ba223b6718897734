//! One course: the way there, and the answer's way back.
//!
//! May import model and analyze's siblings only.

use std::net::IpAddr;

use super::chance::Chance;
use super::error::Heard;
use super::flow::{Flow, Tracking};
use super::packet::{self, ICMPV6, Packet, Tuple};
use super::table::Ct;
use super::types::{Arrival, Course, Leaving, PlaceRef, Step, StepKind, Stop, Verdict};
use super::walk::{End, LOOPBACK, Walk};
use super::world::{Link, Place, World};
use super::{Begun, Question, judge};
use crate::model::ids::IfIndex;

/// How many endpoints one of them is looked for among.
const MOST_ENDPOINTS: u32 = 2048;

/// A course with what it rests on.
pub(super) struct Walked {
    pub course: Course,
    pub assumed: Vec<String>,
    /// Where the way there leads, as far as it does.
    pub led: Tuple,
    /// Whether a translation chose that.
    pub is_chosen: bool,
    /// Whether the same packet, sent again, would draw again: it was dropped before its flow was kept.
    pub draws_again: bool,
}

/// How a course is walked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Walking {
    /// Whether its steps are noted.
    pub is_told: bool,
    /// Whether the packet is a later one of its conversation.
    pub later: bool,
}

/// Walks the course that chance gives next.
pub(super) fn walked(
    world: &World<'_>,
    question: &Question,
    how: Walking,
    chance: &mut Chance,
    places: &mut Vec<(Place, PlaceRef)>,
) -> Result<Walked, Begun> {
    let mut walk = Walk::new(world, chance, places, question.packet.clone());
    set_up(&mut walk, question, how);
    let first = walk.course(question)?;
    if how.later || question.ct != Ct::Established || !is_right(&first.course.verdict, first.course.leaves.is_some()) {
        return Ok(first);
    }
    // What its first packet and the answer to it made is there when a later one comes.
    let flows = walk.flows.into_iter().map(|(place, flow)| (place, Flow { answered: !flow.one_way, ..flow })).collect();
    let learned = walk.learned;
    let mut walk = Walk::new(world, chance, places, question.packet.clone());
    set_up(&mut walk, question, Walking { later: true, ..how });
    walk.flows = flows;
    walk.learned = learned;
    walk.course(question)
}

fn set_up(walk: &mut Walk<'_, '_>, question: &Question, how: Walking) {
    walk.is_told = how.is_told;
    walk.later = how.later;
    walk.ct = question.ct;
    walk.tells_rules = question.tells_rules;
    if question.endpoint.is_some() {
        walk.most_draws = MOST_ENDPOINTS;
    }
}

/// Whether a conversation can begin, as far as can be seen.
fn is_right(verdict: &Verdict, leaves: bool) -> bool {
    matches!(verdict, Verdict::Answered) || (leaves && matches!(verdict, Verdict::Unknown { .. }))
}

impl Walk<'_, '_> {
    fn course(&mut self, question: &Question) -> Result<Walked, Begun> {
        self.number(question.from);
        let went = match question.enters {
            Some(link) => self.enter(question.from, link, true),
            None => self.send(question.from, question.bound_to),
        };
        let went = went.and_then(|now| self.carry(now));
        if self.joins {
            return Err(Begun);
        }
        let led = self.packet.tuple;
        let is_chosen = question.packet.tuple.destination != led.destination
            || question.packet.tuple.destination_port != led.destination_port;
        let draws_again = matches!(went, Err(Stop::Dropped { .. })) && self.draws_again();
        let there = std::mem::take(&mut self.steps);
        let sent = if question.enters.is_some() { Some(question.packet.tuple) } else { self.sent };
        let course = match went {
            Err(stop) => {
                self.steps = there;
                self.end(&stop);
                let there = std::mem::take(&mut self.steps);
                let Heard { verdict, sees, steps } = self.told_back(question, sent, stop);
                Course { error: steps, sees, ..self.told(verdict, there, None, None) }
            }
            Ok(End::Arrived(place)) => {
                let arrived = Arrival { place: self.number(place), seen_as: self.packet.tuple };
                self.answer(place);
                let bound_to = self.answers_by();
                let came = self.send(place, bound_to).and_then(|now| self.carry(now));
                let verdict = self.came_back(question, sent, came);
                self.told(verdict, there, Some(arrived), None)
            }
            Ok(End::Outside { place, link }) => {
                let (leaves, verdict) = self.left(question, sent, place, &link);
                self.told(verdict, there, None, Some(leaves))
            }
        };
        Ok(Walked { course, assumed: std::mem::take(&mut self.assumed), led, is_chosen, draws_again })
    }

    /// A flow that was not kept is made anew by the SYN that is sent again, and with it all that chance decided here.
    fn draws_again(&self) -> bool {
        let Some(at) = self.steps.last().map(|step| step.place) else { return false };
        let is_here = |place: &Place| self.places.get(at).is_some_and(|(last, _)| last == place);
        let by_chance = self.chance.choices.iter().filter(|choice| choice.probability.is_some()).count();
        self.packet.tuple.protocol == packet::TCP
            && !self.later
            && !self.drawn.is_empty()
            && self.drawn.len() == by_chance
            && self.drawn.iter().all(is_here)
            && self.flow().is_some_and(|flow| !flow.confirmed)
    }

    /// The packet leaves what can be seen: how that is, and what would become of an answer.
    fn left(&mut self, question: &Question, sent: Option<Tuple>, place: Place, link: &Link) -> (Leaving, Verdict) {
        let leaves = Leaving {
            place: self.number(place),
            link: crate::analyze::naming::LinkRef::of(link),
            seen_as: self.packet.tuple,
        };
        let node = self.world.view(place).map_or_else(|_| String::new(), |view| view.node().name);
        let words =
            format!("it leaves {node} by {} as {}, and what is beyond was not asked", link.name, leaves.seen_as);
        self.answer(place);
        let came = self.enter(place, link.ifindex, false).and_then(|now| self.carry(now));
        let verdict = match self.came_back(question, sent, came) {
            Verdict::Answered => Verdict::Unknown {
                because: format!(
                    "{words}; as far as this node goes it is right: an answer that comes in there is taken back"
                ),
            },
            Verdict::Unanswered { why } => {
                self.assume(format!("the answer of {} comes in by {}", leaves.seen_as.destination, link.name));
                Verdict::Unanswered { why: format!("{words}; but whatever is there: {why}") }
            }
            Verdict::Unknown { because } => Verdict::Unknown { because: format!("{words}; {because}") },
            other => other,
        };
        (leaves, verdict)
    }

    fn came_back(&mut self, question: &Question, sent: Option<Tuple>, came: Result<End, Stop>) -> Verdict {
        match came {
            Err(stop) => {
                self.end(&stop);
                judge::back(stop)
            }
            Ok(End::Arrived(back_at)) => {
                let is_home = back_at == question.from && question.enters.is_none();
                judge::came_back(is_home, sent.map(Tuple::inverted), self.packet.tuple)
            }
            Ok(End::Outside { link, .. }) => {
                let to = self.packet.tuple.destination;
                if question.enters.is_some() && sent.is_some_and(|sent| sent.source == to) {
                    self.assume(format!("the network beyond {} takes the answer to {to}", link.name));
                    return judge::came_back(true, sent.map(Tuple::inverted), self.packet.tuple);
                }
                let stop = Stop::unknown(format!(
                    "it leaves by {} for {to}, and what is beyond was not asked (another node's --from file would tell)",
                    link.name
                ));
                self.end(&stop);
                judge::back(stop)
            }
        }
    }

    /// The packet becomes the answer that its receiver sends.
    fn answer(&mut self, place: Place) {
        let tuple = self.packet.tuple.inverted();
        // The kernel answers echos itself, in their class and, where it is told to, with their mark.
        let (tos, mark) = if tuple.is_echo() { (self.packet.tos, self.reflected_mark(place)) } else { (0, 0) };
        let ttl = self.default_ttl(place, tuple.destination);
        let length = self.packet.length;
        let icmp = packet::echo(tuple.protocol, true);
        self.packet = Packet { tuple, is_answer: true, icmp, mark, tos, ttl, length, uid: self.answerer.take() };
        self.tracking = Tracking::Not;
    }

    pub(super) fn default_ttl(&self, place: Place, towards: IpAddr) -> u8 {
        let read = if towards.is_ipv4() { self.world.sysctl(place, "ipv4.ip_default_ttl") } else { Ok(64) };
        read.ok().and_then(|ttl| u8::try_from(ttl).ok()).filter(|ttl| *ttl > 0).unwrap_or(64)
    }

    /// The kernel answers an IPv6 echo by the link that it came by. Mirrors `icmpv6_echo_reply`.
    fn answers_by(&self) -> Option<IfIndex> {
        let link = self.came_by.as_ref().filter(|_| self.packet.tuple.protocol == ICMPV6)?;
        Some(link.ifindex).filter(|link| *link != LOOPBACK)
    }

    /// The last step of a way that ends early.
    pub(super) fn end(&mut self, stop: &Stop) {
        if !self.is_told {
            return;
        }
        let place = self.steps.last().map_or(0, |step| step.place);
        self.steps.push(Step {
            place,
            what: StepKind::Ended { verdict: stop.clone() },
            changed: Vec::new(),
            is_outer: false,
        });
    }

    fn told(
        &mut self,
        verdict: Verdict,
        there: Vec<Step>,
        arrived: Option<Arrival>,
        leaves: Option<Leaving>,
    ) -> Course {
        let choices = self.chance.choices.clone();
        let probability = choices.iter().try_fold(1.0, |product, choice| Some(product * choice.probability?));
        let back = std::mem::take(&mut self.steps);
        let counted = vec![std::mem::take(&mut self.counted)];
        let (error, sees) = (Vec::new(), None);
        Course { probability, choices, verdict, there, back, error, sees, arrived, counted, leaves }
    }
}
