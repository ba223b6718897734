//! The error that goes back to a sender whose packet did not arrive: it is a packet of its own, is routed, passes
//! rules and is translated as all are, and may get lost.
//!
//! May import model and analyze's siblings only.

use std::net::IpAddr;
use std::rc::Rc;

use super::Question;
use super::flow::{Flow, Side, Tracking};
use super::outer::ECN;
use super::packet::{self, ICMP, ICMPV6, Packet, TCP, Tuple};
use super::refusal::{Refusal, Sees};
use super::types::{Step, StepKind, Stop, Verdict};
use super::walk::{Crossing, End, Now, Walk};
use super::world::Place;
use crate::analyze::fib::{self, Lookup, Outcome, Source};
use crate::model::ids::IfIndex;
use crate::model::netfilter::chain::Hook;
use crate::model::route::{Family, RouteQuery};

/// An ICMP error of IPv4 quotes as much as makes it this long (RFC 1812), of IPv6 this (RFC 4443).
const LONGEST: u32 = 576;
const LONGEST6: u32 = 1280;

/// What is walked in place of a packet that did not arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tells {
    /// An ICMP error.
    Icmp {
        /// The packet that it is about, as it stands in the error.
        about: Tuple,
        /// That one's ICMP type.
        echo: Option<u8>,
        /// The error's code.
        code: u8,
    },
    /// A RST of TCP.
    Reset,
}

/// Where the packet is within a namespace.
#[derive(Debug, Clone, Copy)]
pub(super) struct Here {
    pub place: Place,
    /// The hook whose rules are asked; `None` between hooks.
    pub hook: Option<Hook>,
    /// The link that it came in by.
    pub input: Option<IfIndex>,
    /// The port of a bridge that handed it to IP's hooks.
    pub port: Option<IfIndex>,
    /// Whether its destination is this namespace's own.
    pub is_local: bool,
}

/// What becomes of the error.
pub(super) struct Heard {
    pub verdict: Verdict,
    pub sees: Option<Sees>,
    pub steps: Vec<Step>,
}

/// How far an error gets.
enum Reach {
    Sender,
    Lost(String),
    Unknown(String),
}

impl Walk<'_, '_> {
    /// A packet ended on its way there: what its sender hears of that.
    pub fn told_back(&mut self, question: &Question, sent: Option<Tuple>, stop: Stop) -> Heard {
        let (protocol, family) = (self.packet.tuple.protocol, self.packet.family());
        let later = self.later;
        let silence = Sees::silence(protocol, later);
        let heard = |verdict, sees, steps| Heard { verdict, sees, steps };
        match stop {
            Stop::Unknown { because } => heard(Verdict::Unknown { because }, None, Vec::new()),
            Stop::Dropped { why } => {
                let sees = if self.is_being_sent(question) {
                    Sees::dropped_while_sent(protocol, later)
                } else if self.refused_by_link && question.enters.is_none() {
                    Sees::dropped_by_link(protocol, later)
                } else {
                    silence
                };
                heard(Verdict::Dropped { why }, Some(sees), Vec::new())
            }
            // The call that connects does not look at how sending the SYN went.
            Stop::Rejected { why, by: Refusal::Errno, .. } if protocol == TCP && self.is_being_sent(question) => {
                heard(Verdict::Dropped { why }, Some(silence), Vec::new())
            }
            Stop::Rejected { with, why, by: Refusal::Errno } => {
                let sees = Some(Sees::refused(&with));
                heard(Verdict::Rejected { with, why }, sees, Vec::new())
            }
            Stop::Rejected { with, why, by: Refusal::Other } => {
                heard(Verdict::Rejected { with, why }, None, Vec::new())
            }
            Stop::Rejected { with, why, by } => {
                let being_sent = self.is_being_sent(question) && !matches!(protocol, TCP | ICMPV6);
                let reach = self.tell_sender(question, sent, by);
                let steps = std::mem::take(&mut self.steps);
                match reach {
                    // Rules that reject what is being sent fail the call as well.
                    _ if being_sent => {
                        let sees = Some(Sees::dropped_while_sent(protocol, later));
                        heard(Verdict::Rejected { with, why }, sees, steps)
                    }
                    Reach::Sender => {
                        heard(Verdict::Rejected { with, why }, Sees::of(by, protocol, family, later), steps)
                    }
                    Reach::Lost(lost) => {
                        let why = format!("{why}; but the error ({with}) does not reach its sender: {lost}");
                        heard(Verdict::Dropped { why }, Some(silence), steps)
                    }
                    Reach::Unknown(because) => {
                        let why = format!("{why}; whether its sender hears of that is unknown: {because}");
                        heard(Verdict::Rejected { with, why }, None, steps)
                    }
                }
            }
        }
    }

    /// A hook is crossed.
    pub fn stands_at(&mut self, at: &Crossing) {
        self.here = Some(Here {
            place: at.place,
            hook: Some(at.hook),
            input: at.input.as_ref().map(|link| link.ifindex),
            port: at.port_in.as_ref().map(|port| port.ifindex),
            is_local: self.here.is_some_and(|here| here.place == at.place && here.is_local),
        });
    }

    /// Whether rules of the sender's own namespace end it, while its program still waits in the call that sends.
    fn is_being_sent(&self, question: &Question) -> bool {
        question.enters.is_none()
            && self.has_left_nothing()
            && self.here.is_some_and(|here| {
                here.place == question.from && matches!(here.hook, Some(Hook::Output | Hook::Postrouting))
            })
    }

    fn tell_sender(&mut self, question: &Question, sent: Option<Tuple>, by: Refusal) -> Reach {
        let told = self.tell(by).and_then(|now| self.carry(now));
        match told {
            Ok(End::Arrived(place)) if place == question.from && question.enters.is_none() => {
                if self.is_about(sent) {
                    Reach::Sender
                } else {
                    Reach::Lost("it arrives, but speaks of a packet that no socket there has sent".to_owned())
                }
            }
            Ok(End::Arrived(place)) => {
                Reach::Lost(format!("it arrives at {}, which sent nothing of the kind", self.world.name(place)))
            }
            Ok(End::Outside { link, .. }) => {
                let to = self.packet.tuple.destination;
                if question.enters.is_some() && sent.is_some_and(|sent| sent.source == to) && self.is_about(sent) {
                    self.assume(format!("the network beyond {} takes the error to {to}", link.name));
                    return Reach::Sender;
                }
                Reach::Unknown(format!("it leaves by {} for {to}, and what is beyond was not asked", link.name))
            }
            Err(stop) => {
                self.end(&stop);
                match stop {
                    Stop::Dropped { why } | Stop::Rejected { why, .. } => Reach::Lost(why),
                    Stop::Unknown { because } => Reach::Unknown(because),
                }
            }
        }
    }

    /// Whether the error that arrived is about what was sent: a socket is looked up by what it quotes.
    fn is_about(&self, sent: Option<Tuple>) -> bool {
        let about = match self.error {
            Some(Tells::Icmp { about, .. }) => about,
            Some(Tells::Reset) => self.packet.tuple.inverted(),
            None => return false,
        };
        sent == Some(about)
    }

    /// The packet becomes the error about it, and is sent.
    fn tell(&mut self, by: Refusal) -> Result<Now, Stop> {
        let here = self.here.ok_or_else(|| Stop::unknown("where it ended"))?;
        let before = self.packet.tuple;
        if let Some(link) = self.frame.rejected_on.take() {
            return self.reject_on(here.place, link, by);
        }
        match by {
            Refusal::Reset if before.protocol != TCP => {
                Err(Stop::dropped("a reset answers packets of TCP alone, and the rule drops all others in silence"))
            }
            Refusal::Reset => self.reset(here),
            Refusal::Icmp { kind, code, .. } => self.icmp(here, kind, code),
            Refusal::Errno | Refusal::Other => Err(Stop::unknown("what goes to its sender")),
        }
    }

    /// The mark that the kernel's own answers get.
    pub(super) fn reflected_mark(&mut self, place: Place) -> u32 {
        let name = match self.packet.family() {
            Family::Ipv4 => "ipv4.fwmark_reflect",
            Family::Ipv6 => "ipv6.fwmark_reflect",
        };
        if self.packet.mark != 0 && self.setting(place, name, 0) != 0 { self.packet.mark } else { 0 }
    }

    /// What the kernel sends because of a packet belongs to that one's flow, whose first packet may never be kept.
    /// Mirrors `nf_ct_attach`.
    fn attach(&mut self) {
        self.tracking = match self.tracking {
            Tracking::Of { flow, is_reply } => {
                self.attached = true;
                Tracking::Of { flow, is_reply: !is_reply }
            }
            _ => Tracking::Not,
        };
    }

    pub(super) fn begin(&mut self, tells: Tells, packet: Packet) {
        self.packet = packet;
        self.error = Some(tells);
        self.is_own = false;
        self.piece = None;
        self.lost = None;
        self.whole = false;
        self.next_hop = None;
    }

    pub(super) fn told_sent(&mut self, place: Place, source: String) {
        let tuple = self.packet.tuple;
        self.step(place, StepKind::Sent { tuple, source }, None);
    }

    /// Mirrors `nf_send_reset` and `tcp_v4_send_reset`.
    fn reset(&mut self, here: Here) -> Result<Now, Stop> {
        let place = here.place;
        let mark = self.reflected_mark(place);
        let tuple = self.packet.tuple.inverted();
        let length = self.packet.header_length() + 20;
        let ttl = self.default_ttl(place, tuple.destination);
        let to = self.mac.take();
        self.mac = self.frame.to.take();
        let mut tos = 0;
        if here.hook.is_some() {
            self.attach();
        } else {
            self.tracking = Tracking::Not;
            // TCP itself answers in the packet's class; IPv6 asks for the way without (`tcp_v6_send_response`).
            tos = self.packet.tos & !ECN;
        }
        let packet = Packet { tuple, is_answer: true, icmp: None, mark, tos, ttl, length, uid: None };
        self.begin(Tells::Reset, packet);
        self.told_sent(place, "a reset in the name of whom it was for".to_owned());
        if let (Some(_), Some(port)) = (here.hook, here.port) {
            // What came through a bridge goes straight out by its port again, past all hooks.
            let port = self.world.link(place, port)?;
            self.tracking = Tracking::Not;
            return self.transmit(place, &port, to);
        }
        let query = self.route_query(None, None);
        let tos = if tuple.destination.is_ipv6() { 0 } else { tos };
        let query = RouteQuery { any_source: here.hook.is_some(), tos, ..query };
        let found = self.world.route(place, &query)?;
        self.send_error(place, &found)
    }

    /// Mirrors `__icmp_send` and `icmp6_send`.
    fn icmp(&mut self, here: Here, kind: u8, code: u8) -> Result<Now, Stop> {
        if let Some(bounced) = self.bounced.take() {
            return Ok(self.bounce(bounced, kind, code));
        }
        let place = here.place;
        let about = self.packet.clone();
        let family = about.family();
        let mark = self.reflected_mark(place);
        let (protocol, longest, head, tos) = match family {
            Family::Ipv4 => (ICMP, LONGEST, 28, (about.tos & 0x1e) | 0xc0),
            Family::Ipv6 => (ICMPV6, LONGEST6, 48, 0),
        };
        let destination = about.tuple.source;
        let ttl = self.default_ttl(place, destination);
        let length = about.length.saturating_add(head).min(longest);
        self.attach();
        let source = about.tuple.destination;
        let mut tuple = Tuple { source, destination, protocol, source_port: None, destination_port: None };
        let packet = Packet { tuple, is_answer: true, icmp: Some(kind), mark, tos, ttl, length, uid: None };
        let quoted = Tells::Icmp { about: about.tuple, echo: about.icmp, code };
        self.begin(quoted, packet);
        self.rate(place);
        let query = self.route_query(None, None);
        let found = if here.is_local {
            self.world.route(place, &query)?
        } else {
            let (source, found) = self.error_source(here, &RouteQuery { src: None, ..query })?;
            tuple.source = source;
            self.packet.tuple = tuple;
            match found {
                Some(found) => found,
                None => self.world.route(place, &self.route_query(None, None))?,
            }
        };
        self.told_sent(place, format!("an ICMP error (type {kind}, code {code}) about {}", about.tuple));
        self.send_error(place, &found)
    }

    fn send_error(&mut self, place: Place, found: &Lookup) -> Result<Now, Stop> {
        routed(found)?;
        self.send_by(place, found)
    }

    /// In whose name a router speaks, and the route that it takes where that is found already.
    fn error_source(&mut self, here: Here, query: &RouteQuery) -> Result<(IpAddr, Option<Rc<Lookup>>), Stop> {
        let place = here.place;
        let source = match query.dst {
            IpAddr::V4(to) => {
                let uses = self.setting(place, "ipv4.icmp_errors_use_inbound_ifaddr", 0) != 0;
                let Some(input) = here.input.filter(|_| uses) else {
                    let found = self.world.route(place, query)?;
                    routed(&found)?;
                    return Ok((self.chosen_source(&found)?.0, Some(found)));
                };
                fib::source_near(self.world.view(place)?, place.netns, input, to)
            }
            IpAddr::V6(to) => {
                // Where no route names a source, one of the link that the packet came in by. The first look-up is for
                // that alone: it has no mark yet, and may fail. Mirrors `icmpv6_rt_has_prefsrc`.
                let named = self.world.route(place, &RouteQuery { mark: 0, ..query.clone() })?;
                let is_named = match &named.outcome {
                    Outcome::Sent | Outcome::Delivered => {
                        named.route.as_ref().is_some_and(|route| route.source.is_some())
                    }
                    Outcome::Refused { .. } => false,
                    Outcome::Unknown { why } => return Err(Stop::unknown(why.clone())),
                };
                let Some(input) = here.input.filter(|_| !is_named) else {
                    let found = self.world.route(place, query)?;
                    let (source, _, is_kept) = self.source6(place, None, to, &found)?;
                    return Ok((source, is_kept.then_some(found)));
                };
                fib::masquerade_source(self.world.view(place)?, place.netns, input, query.dst)
            }
        };
        let source = match source {
            Source::Chosen { address, .. } | Source::Given { address } => Ok(address),
            Source::OneOf { addresses, why } => {
                let words: Vec<_> = addresses.iter().map(|address| (address.to_string(), None)).collect();
                let taken = self.chance.fork(&format!("the error's source address: {why}"), &words);
                addresses.get(taken).copied().ok_or_else(|| Stop::unknown(why))
            }
            Source::None { why } => Err(Stop::dropped(format!("the error would have no source address: {why}"))),
            Source::Unknown { why } => Err(Stop::unknown(format!("the error's source address: {why}"))),
        };
        Ok((source?, None))
    }

    /// The kernel sends so many errors a second and no more.
    fn rate(&mut self, place: Place) {
        let name = match self.packet.family() {
            Family::Ipv4 => "ipv4.icmp_ratelimit",
            Family::Ipv6 => "ipv6.icmp.ratelimit",
        };
        if self.world.sysctl(place, name).is_ok_and(|limit| limit > 0) {
            self.assume("not so many ICMP errors are sent that their rate is limited (icmp_ratelimit)".to_owned());
        }
    }

    /// Conntrack looks an error up by the packet that it quotes, among the flows that are kept. Mirrors
    /// `nf_conntrack_inet_error`.
    pub fn track_error(&mut self, place: Place, about: Tuple, echo: Option<u8>) -> Result<(), Stop> {
        let wanted = about.inverted();
        let here = |(at, flow): &(Place, Flow)| *at == place && flow.zone == self.zone && flow.confirmed;
        let by = |is_it: &dyn Fn(&Flow) -> bool| self.flows.iter().position(|one| here(one) && is_it(&one.1));
        let found = by(&|flow| flow.reply == wanted)
            .map(|at| (at, true))
            .or_else(|| by(&|flow| flow.original == wanted).map(|at| (at, false)));
        let found = match found {
            Some(found) => Some(found),
            None => match self.flow_of_tuple(place, wanted, packet::inverse(echo))? {
                Some((flow, is_reply)) => {
                    self.flows.push((place, flow));
                    Some((self.flows.len() - 1, is_reply))
                }
                None => None,
            },
        };
        self.tracking = match found {
            Some((flow, is_reply)) if self.goes_to(flow, is_reply) => Tracking::Of { flow, is_reply },
            _ => Tracking::Invalid,
        };
        Ok(())
    }

    /// Whether the error goes where the flow's packets of that direction go.
    fn goes_to(&self, flow: usize, is_reply: bool) -> bool {
        self.flows.get(flow).is_some_and(|(_, flow)| {
            let tuple = if is_reply { flow.reply } else { flow.original };
            tuple.destination == self.packet.tuple.destination
        })
    }

    /// nat changes an error and what it quotes as the flow says. Mirrors `nf_nat_icmp_reply_translation`.
    pub fn translate_error(&mut self, side: Side) {
        let Tracking::Of { is_reply, .. } = self.tracking else { return };
        let Some(flow) = self.flow() else { return };
        let is_changed =
            if (side == Side::Source) == is_reply { flow.destination_translated() } else { flow.source_translated() };
        let other = if is_reply { flow.original } else { flow.reply };
        let Some(Tells::Icmp { about, .. }) = &mut self.error else { return };
        if !is_changed {
            return;
        }
        // What is quoted is turned around: its other side changes.
        match side {
            Side::Source => {
                about.destination = other.destination;
                about.destination_port = other.destination_port;
                self.packet.tuple.source = other.destination;
            }
            Side::Destination => {
                about.source = other.source;
                about.source_port = other.source_port;
                self.packet.tuple.destination = other.source;
            }
        }
        if about.is_echo() {
            let id = if side == Side::Source { about.destination_port } else { about.source_port };
            about.source_port = id;
            about.destination_port = id;
        }
    }

    /// The code in its ICMP header; 0 of all that is no error.
    pub fn icmp_code(&self) -> u8 {
        match self.error {
            Some(Tells::Icmp { code, .. }) => code,
            _ => 0,
        }
    }

    /// Whether it counts as related to its flow, and not as a packet of it.
    pub fn is_related(&self) -> bool {
        self.attached || matches!(self.error, Some(Tells::Icmp { .. }))
    }
}

/// There is a way back.
fn routed(found: &Lookup) -> Result<(), Stop> {
    super::output::single(found)?;
    match &found.outcome {
        Outcome::Sent | Outcome::Delivered => Ok(()),
        Outcome::Refused { why, .. } => Err(Stop::dropped(format!("no route leads back to its sender: {why}"))),
        Outcome::Unknown { why } => Err(Stop::unknown(why.clone())),
    }
}
