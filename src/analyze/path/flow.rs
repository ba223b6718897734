//! The flow that a packet makes in the conntrack table of a namespace, and that its answer belongs to.
//!
//! May import model and its siblings only.

use super::packet::Tuple;
use super::table::KnownFlow;
use super::types::FlowState;
use crate::model::flow::status::Status;

/// A flow of one namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Flow {
    /// As its first packet came in.
    pub original: Tuple,
    /// As its answers come in.
    pub reply: Tuple,
    /// The zone that its lookups happen in.
    pub zone: u16,
    /// The flow's mark.
    pub mark: u32,
    /// Of an echo, whose one id stands for both sides: which side's rules changed it.
    pub changed: Settled,
    /// What nat has settled (also when it settled on no change).
    pub settled: Settled,
    /// Whether packets went both ways before this one.
    pub answered: bool,
    /// Whether the table has kept it: its first packet has left the namespace, or reached it.
    pub confirmed: bool,
    /// Whether no answer ever comes: of an outer packet, for tunnels send each from a port of its own.
    pub one_way: bool,
    /// What the kernel's table says, where it has it.
    pub known: Option<Box<KnownFlow>>,
}

/// Which sides of a flow nat has settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Settled {
    /// Its source.
    pub source: bool,
    /// Its destination.
    pub destination: bool,
}

/// Which address of a packet is changed: `enum nf_nat_manip_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// The source: at postrouting and input.
    Source,
    /// The destination: at prerouting and output.
    Destination,
}

impl Flow {
    pub fn new(original: Tuple, zone: u16) -> Self {
        let reply = original.inverted();
        Self {
            original,
            reply,
            zone,
            mark: 0,
            changed: Settled::default(),
            settled: Settled::default(),
            answered: false,
            confirmed: false,
            one_way: false,
            known: None,
        }
    }

    /// Whether nat changed the source of its packets.
    pub fn source_translated(&self) -> bool {
        if self.original.is_echo() && self.reply.destination == self.original.source {
            return self.changed.source;
        }
        self.reply.destination != self.original.source || self.reply.destination_port != self.original.source_port
    }

    /// Whether nat changed the destination of its packets.
    pub fn destination_translated(&self) -> bool {
        if self.original.is_echo() && self.reply.source == self.original.destination {
            return self.changed.destination;
        }
        self.reply.source != self.original.destination || self.reply.source_port != self.original.destination_port
    }

    pub fn is_settled(&self, side: Side) -> bool {
        match side {
            Side::Source => self.settled.source,
            Side::Destination => self.settled.destination,
        }
    }

    pub fn settle(&mut self, side: Side) {
        match side {
            Side::Source => self.settled.source = true,
            Side::Destination => self.settled.destination = true,
        }
    }

    /// What becomes of one side of a packet that runs in a direction. Mirrors `nf_nat_packet`.
    pub fn translate(&self, packet: &mut Tuple, side: Side, is_reply: bool) {
        // An answer's source is what the question's destination was.
        let is_changed =
            if (side == Side::Source) == is_reply { self.destination_translated() } else { self.source_translated() };
        if packet.is_echo() && !is_changed {
            return;
        }
        // What the packet is to look like is the other direction's tuple, turned around.
        let target = if is_reply { self.original } else { self.reply }.inverted();
        match side {
            Side::Source => {
                packet.source = target.source;
                packet.source_port = target.source_port;
            }
            Side::Destination => {
                packet.destination = target.destination;
                packet.destination_port = target.destination_port;
            }
        }
        if packet.is_echo() {
            // One id stands for both ports.
            let id = if side == Side::Source { packet.source_port } else { packet.destination_port };
            packet.source_port = id;
            packet.destination_port = id;
        }
    }
}

/// What conntrack knows of the packet where it is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tracking {
    /// It has not been looked up.
    Not,
    /// Nor has it here, but a rule has said in which zone it is to be: what it bears until then (a template) counts as
    /// a flow, and rules that would keep conntrack away, or choose another zone, do nothing.
    Zoned,
    /// A rule keeps conntrack away.
    Untracked,
    /// It cannot begin a flow, and belongs to none.
    Invalid,
    /// It belongs to a flow.
    Of {
        /// Which, in the walk's list.
        flow: usize,
        /// Whether it runs in the direction of answers.
        is_reply: bool,
    },
}

impl Flow {
    /// What conntrack says of a packet in its original direction.
    pub fn state(&self) -> FlowState {
        let is_expected = self.known.as_ref().is_some_and(|known| known.status.has(Status::EXPECTED));
        match (self.answered, is_expected) {
            (true, _) => FlowState::Established,
            (false, true) => FlowState::Related,
            (false, false) => FlowState::New,
        }
    }
}
