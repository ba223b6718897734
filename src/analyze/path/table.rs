//! The flows that are in the kernel's table already, and what one of them decides for the packet.
//!
//! May import model and analyze's siblings only. A flow is looked up by the packet's whole tuple, so that
//! it costs the same whatever the table holds; a tuple of which a part is not known is of a new flow.

use schemars::JsonSchema;
use serde::Serialize;

use super::flow::{Flow, Settled};
use super::packet::{self, SCTP, TCP, Tuple};
use super::types::Stop;
use super::walk::Walk;
use super::world::Place;
use crate::analyze::flows::state::StateWord;
use crate::model::flow::protocol::{ProtocolState, SctpState, TcpState};
use crate::model::flow::status::Status;
use crate::model::flow::tuple::{Key, Tuple as TableTuple, ZoneDirection};
use crate::model::flow::{self as model};

/// What is asked of the tables of flows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ct {
    /// A flow with the packet's tuple decides; where there is none, the packet begins one.
    #[default]
    Table,
    /// The packet begins a new flow, and no table is read.
    New,
    /// The packet belongs to a flow that has been answered: one of the table, or the one that the rules would make now.
    Established,
}

/// A flow that the kernel knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct KnownFlow {
    /// `CTA_ID`
    pub id: u32,
    /// The zone that its original tuple is in.
    pub zone: u16,
    /// As its first packet came in.
    pub original: Tuple,
    /// As its answers come in.
    pub reply: Tuple,
    /// How it stands.
    pub state: StateWord,
    /// Its mark.
    pub mark: u32,
    /// What conntrack has seen of it and done to it.
    pub status: Status,
}

impl Tuple {
    /// The same of a flow.
    pub(super) fn of_flow(tuple: &TableTuple) -> Self {
        let (source_port, destination_port) = match tuple.key {
            Key::Ports { src, dst } => (Some(src), Some(dst)),
            Key::Icmp { id, .. } => (Some(id), Some(id)),
            Key::None => (None, None),
        };
        Self { source: tuple.src, destination: tuple.dst, protocol: tuple.protocol, source_port, destination_port }
    }

    /// As conntrack has it; `None` where a part of it is not known.
    fn for_table(self, icmp: Option<u8>) -> Option<TableTuple> {
        let (src, dst) = (self.source_port?, self.destination_port?);
        let key = match icmp.filter(|_| self.is_echo()) {
            Some(kind) => Key::Icmp { kind, code: 0, id: src },
            None if self.has_ports() => Key::Ports { src, dst },
            None => return None,
        };
        Some(TableTuple { src: self.source, dst: self.destination, protocol: self.protocol, key })
    }
}

impl Walk<'_, '_> {
    /// The flow of the table that the packet belongs to, and whether it runs in the direction of its answers.
    pub fn flow_in_table(&mut self, place: Place) -> Result<Option<(Flow, bool)>, Stop> {
        self.flow_of_tuple(place, self.packet.tuple, self.packet.icmp)
    }

    /// The same of any tuple.
    pub fn flow_of_tuple(
        &mut self,
        place: Place,
        tuple: Tuple,
        icmp: Option<u8>,
    ) -> Result<Option<(Flow, bool)>, Stop> {
        if self.ct == Ct::New {
            return Ok(None);
        }
        let Some(tuple) = tuple.for_table(icmp) else { return Ok(None) };
        let Some(found) = self.listed(place, &tuple)? else { return Ok(None) };
        let is_reply = found.original != tuple;
        if found.status.0 & (Status::OFFLOAD | Status::HW_OFFLOAD) != 0 {
            let id = found.id;
            return Err(Stop::unknown(format!("a flow table forwards the flow {id}, past the rules")));
        }
        if !is_reply && is_over(&found) && !self.later {
            self.assume(format!("the flow {} has its tuple and is over: a first packet begins a new one", found.id));
            return Ok(None);
        }
        let zone = found.zone.of(if is_reply { ZoneDirection::Reply } else { ZoneDirection::Original });
        let flow = Flow {
            original: Tuple::of_flow(&found.original),
            reply: Tuple::of_flow(&found.reply),
            zone,
            mark: found.mark.unwrap_or(0),
            changed: Settled {
                source: found.status.has(Status::SRC_NAT),
                destination: found.status.has(Status::DST_NAT),
            },
            // One that is older than nat's rules has no translation, and they are asked until an answer is seen.
            settled: Settled {
                source: found.status.has(Status::SRC_NAT_DONE),
                destination: found.status.has(Status::DST_NAT_DONE),
            },
            answered: found.status.has(Status::SEEN_REPLY),
            confirmed: true,
            one_way: false,
            known: Some(Box::new(KnownFlow {
                id: found.id,
                zone: found.zone.id,
                original: Tuple::of_flow(&found.original),
                reply: Tuple::of_flow(&found.reply),
                state: StateWord::of(&found),
                mark: found.mark.unwrap_or(0),
                status: found.status,
            })),
        };
        Ok(Some((flow, is_reply)))
    }

    /// Whether another flow of the table has the tuple of a new flow's answers.
    pub fn is_taken(&self, place: Place, reply: Tuple) -> Result<bool, Stop> {
        if self.ct == Ct::New {
            return Ok(false);
        }
        let icmp = packet::echo(reply.protocol, true);
        match reply.for_table(icmp) {
            Some(tuple) => Ok(self.listed(place, &tuple)?.is_some_and(|flow| !is_over(&flow))),
            None => Ok(false),
        }
    }

    fn listed(&self, place: Place, tuple: &TableTuple) -> Result<Option<model::Flow>, Stop> {
        let read = self.world.view(place)?.conntrack().flow_of(place.netns, tuple, self.zone);
        match (read.value, read.issues.first()) {
            (Some(flow), _) => Ok(Some(flow).filter(|flow| !flow.status.has(Status::DYING))),
            (None, None) => Ok(None),
            (None, Some(issue)) => Err(Stop::unknown(format!(
                "whether a flow has its tuple: {} failed: {} (--ct new: it begins one)",
                issue.what,
                issue.why.detail()
            ))),
        }
    }

    /// Whether a packet that belongs to no flow may begin one in the middle of a conversation. Mirrors `tcp_new`.
    pub fn begins_anywhere(&self, place: Place) -> Result<bool, Stop> {
        match self.packet.tuple.protocol {
            TCP => Ok(self.world.sysctl(place, "netfilter.nf_conntrack_tcp_loose")? != 0),
            SCTP => Err(Stop::unknown("whether an SCTP packet without a flow begins one")),
            _ => Ok(true),
        }
    }
}

/// Whether a first packet begins a new flow in its place. Mirrors what `nf_conntrack_tcp_packet` does with a SYN.
fn is_over(flow: &model::Flow) -> bool {
    matches!(
        flow.state,
        Some(
            ProtocolState::Tcp { state: TcpState::TimeWait | TcpState::Close, .. }
                | ProtocolState::Sctp { state: SctpState::Closed, .. }
        )
    )
}
