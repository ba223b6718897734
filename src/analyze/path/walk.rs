//! One course of a packet: from its sender to where it ends, namespace by namespace.
//!
//! May import model and analyze's siblings only. The state of the walk is here; what happens at each
//! stage is in the siblings: [`super::output`] sends, [`super::input`] receives and forwards,
//! [`super::wire`] carries frames, [`super::hooks`] passes netfilter.

use std::net::IpAddr;

use super::chance::Chance;
use super::error::{Here, Tells};
use super::flow::{Flow, Tracking};
use super::frame::Frame;
use super::neighbour::Learned;
use super::packet::{Packet, Tuple};
use super::rules::{Noted, Part};
use super::table::Ct;
use super::tunnel::{Bounced, LearnedVtep};
use super::types::{Acted, Counted, FlowState, PlaceRef, Step, StepKind, Stop, Tried};
use super::world::{Link, Place, World};
use crate::analyze::naming::LinkRef;
use crate::model::ids::{IfIndex, MacAddr};
use crate::model::netfilter::chain::Hook;
use crate::model::text::ByteText;

/// How many links a packet may cross before it counts as lost; its TTL ends it as a rule long before.
const MOST_LINKS: u32 = 600;
/// How many values of a number drawn by chance are told apart.
const MOST_DRAWS: u32 = 128;
/// The loopback link has this index in every namespace.
pub(super) const LOOPBACK: IfIndex = IfIndex(1);

/// Where the packet is.
pub(super) enum Now {
    /// IP has done with it, and hands it to a link.
    Leaving { place: Place, egress: Egress },
    /// A frame comes in by a link; without an address where the link has none.
    Frame { place: Place, link: Link, mac: Option<MacAddr> },
    /// It goes up to IP.
    Up {
        place: Place,
        link: Link,
        /// The port of a bridge whose frames go through IP's hooks: prerouting is behind it.
        crossed: Option<LinkRef>,
    },
    /// It is with the programs of a namespace.
    Arrived(Place),
    /// It has left by a link to where nothing can be seen.
    Outside { place: Place, link: Link },
}

/// How far a way leads.
pub(super) enum End {
    /// To the programs of a namespace.
    Arrived(Place),
    /// Out by a link to where nothing can be seen.
    Outside { place: Place, link: Link },
}

/// Which way it leaves IP.
#[derive(Debug, Clone)]
pub(super) struct Egress {
    /// By this link; loopback for what stays.
    pub link: Link,
    /// To whom; `None` over loopback.
    pub next_hop: Option<IpAddr>,
    /// The MTU of the route, where it has one of its own.
    pub mtu: Option<u32>,
    /// Whether that one is locked: what a path's MTU is learned to be does not count.
    pub locked: bool,
    /// What the kernel says that the path's MTU has been learned to be.
    pub learned: Option<u32>,
}

/// A place at which rules are hooked in, as the packet crosses it.
#[derive(Debug, Clone)]
pub(super) struct Crossing {
    pub place: Place,
    pub hook: Hook,
    pub input: Option<Link>,
    pub output: Option<Link>,
    /// The bridge ports of a frame within a bridge.
    pub port_in: Option<LinkRef>,
    pub port_out: Option<LinkRef>,
    pub in_bridge: bool,
}

impl Crossing {
    /// One of the namespace's own, in no bridge.
    pub fn new(place: Place, hook: Hook, input: Option<&Link>, output: Option<&Link>) -> Self {
        Self {
            place,
            hook,
            input: input.cloned(),
            output: output.cloned(),
            port_in: None,
            port_out: None,
            in_bridge: false,
        }
    }
}

/// What was forwarded, where, and from which link.
pub(super) type Forwarded = (Place, IfIndex, Packet);

/// The state of one walk.
#[expect(clippy::struct_excessive_bools, reason = "what is told, and where the packet stands: none hangs on another")]
pub(super) struct Walk<'w, 'n> {
    pub world: &'w World<'n>,
    pub chance: &'w mut Chance,
    pub packet: Packet,
    pub flows: Vec<(Place, Flow)>,
    pub tracking: Tracking,
    /// The zone that a rule chose before conntrack looks.
    pub zone: u16,
    /// What rules did at the hook that is being crossed.
    pub acted: Vec<Acted>,
    /// The rules that counted the packet.
    pub counted: Vec<Counted>,
    /// What rules were asked there and did nothing.
    pub tried: Tried,
    pub places: &'w mut Vec<(Place, PlaceRef)>,
    pub steps: Vec<Step>,
    /// Whether steps are noted at all.
    pub is_told: bool,
    /// What the program that asks sent.
    pub sent: Option<Tuple>,
    pub links: u32,
    /// What was forwarded, where, and from which link.
    pub forwarded: Vec<Forwarded>,
    /// What the way taught neighbour tables.
    pub learned: Vec<Learned>,
    /// What the packet itself, or its answer, changed in lists of `recent`.
    pub noted: Vec<Noted>,
    /// The sets that its rules changed: what they hold from then on is not followed.
    pub changed: Vec<(Place, ByteText)>,
    /// What was taken for granted on the way.
    pub assumed: Vec<String>,
    /// Whom IP hands it to next, as postrouting sees it.
    pub next_hop: Option<IpAddr>,
    /// The link-layer address that the frame bears as its source.
    pub mac: Option<MacAddr>,
    /// What else is told of the frame.
    pub frame: Frame,
    /// Whether the packet waited until its next hop's address was found, so that its sender's call was over.
    pub waited: bool,
    /// Whether the first link's own rules dropped it as its sender's call sent it.
    pub refused_by_link: bool,
    /// Whether a socket of the namespace that it is in sends it.
    pub is_own: bool,
    /// The link by which the packet came to where it arrived.
    pub came_by: Option<Link>,
    /// The user whose socket answers there, where that is known.
    pub answerer: Option<u32>,
    /// What is asked of the tables of flows.
    pub ct: Ct,
    /// Whether it is a later packet of its conversation.
    pub later: bool,
    /// Where chance decided what it decides anew for each packet without a flow.
    pub drawn: Vec<Place>,
    /// How many values of a number that is drawn are told apart.
    pub most_draws: u32,
    /// Whether each rule that is asked is told.
    pub tells_rules: bool,
    /// Whether a table has it in a conversation that has begun, though it was taken for a first packet.
    pub joins: bool,
    /// The error that is walked in place of the packet.
    pub error: Option<Tells>,
    /// Whether what is walked was given its flow as it was made.
    pub attached: bool,
    /// Where in a namespace it is.
    pub here: Option<Here>,
    /// Whether no router may split it (IPv4's DF).
    pub whole: bool,
    /// The length of the longest piece, where it goes in pieces.
    pub piece: Option<u32>,
    /// Whether its pieces are together for rules all the same, and go apart again as it leaves.
    pub joined: bool,
    /// Where those of its pieces stood that rules let not pass, and why not.
    pub missing: Vec<u32>,
    pub lost: Option<String>,
    /// The piece that rules are asked for.
    pub part: Option<Part>,
    /// How many tunnels it is the outer packet of; 0: it is the packet itself.
    pub outer: u8,
    /// What the way taught vxlans.
    pub vteps: Vec<LearnedVtep>,
    /// The vxlan of a bridge that has sent it back as an error.
    pub bounced: Option<Bounced>,
    /// Whose frame has left to where nothing can be seen, where it is not that link's own.
    pub left_as: Option<MacAddr>,
}

impl<'w, 'n> Walk<'w, 'n> {
    pub fn new(
        world: &'w World<'n>,
        chance: &'w mut Chance,
        places: &'w mut Vec<(Place, PlaceRef)>,
        packet: Packet,
    ) -> Self {
        Self {
            world,
            chance,
            packet,
            flows: Vec::new(),
            tracking: Tracking::Not,
            zone: 0,
            acted: Vec::new(),
            counted: Vec::new(),
            tried: Tried::default(),
            places,
            steps: Vec::new(),
            is_told: true,
            sent: None,
            links: 0,
            forwarded: Vec::new(),
            learned: Vec::new(),
            noted: Vec::new(),
            changed: Vec::new(),
            assumed: Vec::new(),
            next_hop: None,
            mac: None,
            frame: Frame::default(),
            waited: false,
            refused_by_link: false,
            is_own: false,
            came_by: None,
            answerer: None,
            ct: Ct::default(),
            later: false,
            drawn: Vec::new(),
            most_draws: MOST_DRAWS,
            tells_rules: false,
            joins: false,
            error: None,
            attached: false,
            here: None,
            whole: true,
            piece: None,
            joined: false,
            missing: Vec::new(),
            lost: None,
            part: None,
            outer: 0,
            vteps: Vec::new(),
            bounced: None,
            left_as: None,
        }
    }

    /// The number of a place in the answer.
    pub fn number(&mut self, place: Place) -> usize {
        if let Some(at) = self.places.iter().position(|(known, _)| *known == place) {
            return at;
        }
        let node = self.world.view(place).map_or_else(|_| String::new(), |view| view.node().name);
        let name = self.world.name(place);
        self.places.push((place, PlaceRef { node, netns: place.netns, name }));
        self.places.len() - 1
    }

    pub fn step(&mut self, place: Place, what: StepKind, before: Option<&Packet>) {
        if !self.is_told {
            return;
        }
        let changed = before.map_or_else(Vec::new, |before| changes(before, &self.packet));
        let place = self.number(place);
        self.steps.push(Step { place, what, changed, is_outer: self.outer > 0 });
    }

    /// Carries the packet on until it arrives.
    pub fn carry(&mut self, mut now: Now) -> Result<End, Stop> {
        loop {
            now = match now {
                Now::Leaving { place, egress } => self.leave(place, egress)?,
                Now::Frame { place, link, mac } => self.frame(place, link, mac)?,
                Now::Up { place, link, crossed } => self.receive(place, link, crossed)?,
                Now::Arrived(place) => return Ok(End::Arrived(place)),
                Now::Outside { place, link } => return Ok(End::Outside { place, link }),
            };
        }
    }

    /// Whether no link has been crossed.
    pub fn has_left_nothing(&self) -> bool {
        self.links == 0
    }

    /// Whether it leaves by the first of its links.
    pub fn is_first_link(&self) -> bool {
        self.links == 1
    }

    /// A number of sysctl; where it was not recorded it is taken to be what the kernel sets it to.
    pub fn setting(&mut self, place: Place, name: &str, default: i64) -> i64 {
        self.world.sysctl(place, name).unwrap_or_else(|_| {
            self.assume(format!("net.{name} is {default}, as the kernel sets it"));
            default
        })
    }

    /// A packet that is forwarded just as it was twice before runs in a circle that its TTL does not end: a rule sets
    /// it anew. The kernel carries it round, often thousands of times, until a new flow finds no port or the table of
    /// flows is full (measured: `insert_failed` and `drop` of `conntrack -S`).
    pub fn no_circle(&mut self, place: Place, link: IfIndex) -> Result<(), Stop> {
        let now = (place, link, self.packet.clone());
        if self.forwarded.iter().filter(|before| **before == now).count() >= 2 {
            return Err(Stop::dropped(format!(
                "it runs in a circle without an end: {} is to forward it with the TTL of {} that it had here before",
                self.world.name(place),
                self.packet.ttl
            )));
        }
        self.forwarded.push(now);
        Ok(())
    }

    /// Counts a link that is crossed.
    pub fn count_link(&mut self) -> Result<(), Stop> {
        self.links += 1;
        if self.links > MOST_LINKS {
            return Err(Stop::dropped(format!("it runs in a circle: {MOST_LINKS} links have not led it anywhere")));
        }
        Ok(())
    }

    /// Nothing of the namespace before is known of it in the next one.
    pub fn scrub(&mut self, from: Place, to: Place) {
        self.tracking = Tracking::Not;
        self.attached = false;
        self.zone = 0;
        self.packet.uid = None;
        self.is_own = false;
        if from != to {
            self.packet.mark = 0;
        }
    }

    /// The flow that the packet belongs to here.
    pub fn flow(&self) -> Option<&Flow> {
        match self.tracking {
            Tracking::Of { flow, .. } => self.flows.get(flow).map(|(_, flow)| flow),
            _ => None,
        }
    }

    /// The same, to be changed.
    pub fn flow_mut(&mut self) -> Option<&mut Flow> {
        match self.tracking {
            Tracking::Of { flow, .. } => self.flows.get_mut(flow).map(|(_, flow)| flow),
            _ => None,
        }
    }

    /// What conntrack says of the packet here; `None` where it has not looked.
    pub fn flow_state(&self) -> Option<FlowState> {
        Some(match self.tracking {
            Tracking::Not | Tracking::Zoned => return None,
            Tracking::Untracked => FlowState::Untracked,
            Tracking::Invalid => FlowState::Invalid,
            Tracking::Of { .. } if self.is_related() => FlowState::Related,
            Tracking::Of { is_reply: true, .. } => FlowState::Established,
            Tracking::Of { is_reply: false, .. } => self.flow().map_or(FlowState::New, Flow::state),
        })
    }

    /// The flags of its TCP header: of a SYN or of what answers one, or of data.
    pub fn tcp_flags(&self) -> Option<u8> {
        const ACK: u8 = 0x10;
        const RST: u8 = 0x04;
        if self.error == Some(Tells::Reset) {
            return Some(if self.later { RST } else { RST | ACK });
        }
        self.packet.tcp_flags().map(|flags| if self.later { ACK } else { flags })
    }

    /// Notes what is taken for granted.
    pub fn assume(&mut self, words: String) {
        if !self.assumed.contains(&words) {
            self.assumed.push(words);
        }
    }

    /// Whether it runs in the direction of answers here.
    pub fn is_reply(&self) -> bool {
        matches!(self.tracking, Tracking::Of { is_reply: true, .. })
    }
}

/// What differs between a packet before and after, in words.
fn changes(before: &Packet, after: &Packet) -> Vec<String> {
    let mut words = Vec::new();
    let end = |address: IpAddr, port: Option<u16>, packet: &Packet| {
        if !packet.tuple.has_ports() {
            return address.to_string();
        }
        let port = port.map_or_else(|| "a port that is drawn".to_owned(), |port| port.to_string());
        if address.is_ipv6() { format!("[{address}]:{port}") } else { format!("{address}:{port}") }
    };
    let (old, new) = (&before.tuple, &after.tuple);
    if (old.source, old.source_port) != (new.source, new.source_port) {
        words.push(format!("source is now {}", end(new.source, new.source_port, after)));
    }
    if (old.destination, old.destination_port) != (new.destination, new.destination_port) && !is_same_echo(old, new) {
        words.push(format!("destination is now {}", end(new.destination, new.destination_port, after)));
    }
    if before.mark != after.mark {
        words.push(format!("mark is now {:#x}", after.mark));
    }
    if before.tos != after.tos {
        words.push(format!("tos is now {:#x}", after.tos));
    }
    if before.ttl != after.ttl {
        words.push(format!("ttl is now {}", after.ttl));
    }
    words
}

/// One id stands for both ports of an echo: its change is told once.
fn is_same_echo(old: &Tuple, new: &Tuple) -> bool {
    new.is_echo() && old.destination == new.destination
}
