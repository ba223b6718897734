//! The flows that a watch knows, in little memory: what is needed to see by a dump what no event told.
//!
//! May import model only.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};

use crate::model::flow::Flow;
use crate::model::flow::event::{FlowEvent, Happened, Stood};
use crate::model::flow::protocol::{DccpState, ProtocolState, SctpState, TcpState};
use crate::model::flow::status::Status;
use crate::model::flow::tuple::{Key, Tuple, Zone};

/// How many flows that a comparison found are kept whole until it ends; of more only what [`Known`] keeps is told.
const KEPT_WHOLE: usize = 16_384;

/// The flows that are known, 56 bytes each for IPv4.
#[derive(Debug)]
pub(super) struct Known {
    flows: HashMap<Identity, Last>,
    limit: usize,
    /// Which comparison a flow was last seen in, by turns.
    turn: bool,
    /// What the comparison that goes on has found so far. An event that is still in the queue may tell it yet.
    found: HashMap<Identity, Found>,
    /// How many flows are not remembered since the last comparison began, for there are too many.
    left_out: u64,
}

/// What makes two flows one: zone, original tuple and id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Identity {
    original: Packed,
    zone: Zone,
    id: u32,
}

/// How a flow was last told.
#[derive(Debug, Clone)]
struct Last {
    reply: Packed,
    status: Status,
    stage: Stage,
    turn: bool,
}

/// A tuple; that of IPv4 in 16 bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Packed {
    V4 { src: Ipv4Addr, dst: Ipv4Addr, protocol: u8, key: Key },
    Other(Box<Tuple>),
}

/// A [`ProtocolState`] without what does not tell how a flow stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    None,
    Tcp(TcpState),
    Sctp(SctpState),
    Dccp(DccpState),
}

/// What a dump told and no event did.
#[derive(Debug)]
struct Found {
    happened: Happened,
    whole: Option<Box<Flow>>,
    before: Option<Stood>,
}

/// What a comparison found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Compared {
    /// Flows that began unseen.
    pub began: u64,
    /// Flows that changed unseen.
    pub changed: u64,
    /// Flows that ended unseen.
    pub ended: u64,
    /// Flows that are not remembered, for there are too many: how they end is told only where an event tells it.
    pub left_out: u64,
}

/// Takes what happened.
pub(super) type Each<'a> = dyn FnMut(FlowEvent) + 'a;

impl Known {
    /// Of at most `limit` flows.
    pub(super) fn new(limit: usize) -> Self {
        Self { flows: HashMap::new(), limit, turn: false, found: HashMap::new(), left_out: 0 }
    }

    /// An event of the kernel. `accepted` says whether the filters accept the flow as it is told now: one that they
    /// do not accept any more is forgotten.
    pub(super) fn event(&mut self, happened: Happened, flow: Flow, accepted: bool, each: &mut Each<'_>) {
        let identity = Identity::of(&flow);
        let before = self.settle(&identity, happened, each);
        // The dump may have told it already.
        let before = before.filter(|_| happened != Happened::New);
        if accepted && happened != Happened::Destroyed {
            self.remember(identity, &flow);
        } else {
            self.flows.remove(&identity);
        }
        if accepted || (happened == Happened::Destroyed && before.is_some()) {
            each(FlowEvent { happened, flow, resynced: false, before });
        }
    }

    /// What a comparison found of a flow is told before an event that can only come after it, and not at all
    /// where the event tells the same. Gives how the flow stood before the event.
    fn settle(&mut self, identity: &Identity, happened: Happened, each: &mut Each<'_>) -> Option<Stood> {
        let stood = self.flows.get(identity);
        if self.found.is_empty() {
            return stood.map(Last::stood);
        }
        let Some(found) = self.found.remove(identity) else { return stood.map(Last::stood) };
        if found.happened != Happened::New || happened == Happened::New {
            return found.before;
        }
        let whole = found.whole.map(|flow| *flow);
        if let Some(flow) = whole.or_else(|| stood.map(|last| last.flow(identity))) {
            each(FlowEvent { happened: found.happened, flow, resynced: true, before: found.before });
        }
        stood.map(Last::stood)
    }

    fn remember(&mut self, identity: Identity, flow: &Flow) {
        let stage = Stage::of(flow.state);
        let full = self.flows.len() >= self.limit;
        match self.flows.get_mut(&identity) {
            Some(last) => {
                last.status = flow.status;
                last.turn = self.turn;
                // An update tells the protocol's state only where that is what changed.
                if stage != Stage::None {
                    last.stage = stage;
                }
            }
            None if full => self.left_out += 1,
            None => {
                let last = Last { reply: Packed::of(&flow.reply), status: flow.status, stage, turn: self.turn };
                self.flows.insert(identity, last);
            }
        }
    }

    /// A comparison with a fresh dump begins.
    pub(super) fn begin(&mut self) {
        self.turn = !self.turn;
        self.left_out = 0;
    }

    /// A flow of the first dump, with which everything begins.
    pub(super) fn first(&mut self, flow: &Flow) {
        self.remember(Identity::of(flow), flow);
    }

    /// A flow of the dump that the filters accept.
    pub(super) fn dumped(&mut self, flow: &Flow) {
        let identity = Identity::of(flow);
        let before = self.flows.get(&identity).map(Last::stood);
        let happened = match before {
            None if self.flows.len() >= self.limit => {
                self.left_out += 1;
                return;
            }
            None => Happened::New,
            Some(before) if before == Stood::of(flow) => {
                if let Some(last) = self.flows.get_mut(&identity) {
                    last.turn = self.turn;
                }
                return;
            }
            Some(_) => Happened::Updated,
        };
        self.remember(identity.clone(), flow);
        let whole = (self.found.len() < KEPT_WHOLE).then(|| Box::new(flow.clone()));
        self.found.insert(identity, Found { happened, whole, before });
    }

    /// The dump has ended, and the events that were in the queue meanwhile were handed in: tells what is left, by
    /// original tuple, zone and id. What a dump that is not `complete` did not tell may be there all the same.
    pub(super) fn end(&mut self, complete: bool, each: &mut Each<'_>) -> Compared {
        let turn = self.turn;
        let mut ended: Vec<Identity> = Vec::new();
        for (identity, last) in &mut self.flows {
            if !complete {
                last.turn = turn;
            } else if last.turn != turn {
                ended.push(identity.clone());
            }
        }
        ended.sort_unstable();
        let mut compared = Compared { left_out: self.left_out, ..Compared::default() };
        for identity in ended {
            let Some(last) = self.flows.remove(&identity) else { continue };
            compared.ended += 1;
            let before = Some(last.stood());
            each(FlowEvent { happened: Happened::Destroyed, flow: last.flow(&identity), resynced: true, before });
        }
        let mut found: Vec<(Identity, Found)> = std::mem::take(&mut self.found).into_iter().collect();
        found.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        for (identity, found) in found {
            let whole = found.whole.map(|flow| *flow);
            let Some(flow) = whole.or_else(|| self.flows.get(&identity).map(|last| last.flow(&identity))) else {
                continue;
            };
            match found.happened {
                Happened::New => compared.began += 1,
                _ => compared.changed += 1,
            }
            each(FlowEvent { happened: found.happened, flow, resynced: true, before: found.before });
        }
        compared
    }

    /// How many flows are known.
    pub(super) fn len(&self) -> usize {
        self.flows.len()
    }
}

impl Identity {
    fn of(flow: &Flow) -> Self {
        Self { original: Packed::of(&flow.original), zone: flow.zone, id: flow.id }
    }
}

impl Last {
    fn stood(&self) -> Stood {
        Stood { status: self.status, state: self.stage.state() }
    }

    fn flow(&self, identity: &Identity) -> Flow {
        Flow {
            original: identity.original.tuple(),
            reply: self.reply.tuple(),
            zone: identity.zone,
            status: self.status,
            timeout_s: None,
            mark: None,
            id: identity.id,
            uses: None,
            state: self.stage.state(),
            counters: None,
            timestamps: None,
            more: None,
        }
    }
}

impl Packed {
    fn of(tuple: &Tuple) -> Self {
        match (tuple.src, tuple.dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => Self::V4 { src, dst, protocol: tuple.protocol, key: tuple.key },
            _ => Self::Other(Box::new(*tuple)),
        }
    }

    fn tuple(&self) -> Tuple {
        match self {
            Self::V4 { src, dst, protocol, key } => {
                Tuple { src: IpAddr::V4(*src), dst: IpAddr::V4(*dst), protocol: *protocol, key: *key }
            }
            Self::Other(tuple) => **tuple,
        }
    }
}

impl Stage {
    fn of(state: Option<ProtocolState>) -> Self {
        match state {
            None => Self::None,
            Some(ProtocolState::Tcp { state, .. }) => Self::Tcp(state),
            Some(ProtocolState::Sctp { state, .. }) => Self::Sctp(state),
            Some(ProtocolState::Dccp { state, .. }) => Self::Dccp(state),
        }
    }

    fn state(self) -> Option<ProtocolState> {
        match self {
            Self::None => None,
            Self::Tcp(state) => Some(ProtocolState::Tcp { state, window_scale: None, flags: None }),
            Self::Sctp(state) => Some(ProtocolState::Sctp { state, verification_tag: None }),
            Self::Dccp(state) => Some(ProtocolState::Dccp { state, role: None, handshake_sequence: None }),
        }
    }
}

impl Stood {
    fn of(flow: &Flow) -> Self {
        Self { status: flow.status, state: Stage::of(flow.state).state() }
    }
}

#[cfg(test)]
#[path = "known_tests.rs"]
mod tests;
