//! Reads what happens to flows: what is asked for, in whose names, and when those names are too old.
//!
//! May import model and its siblings only.

use std::collections::BTreeSet;
use std::net::IpAddr;

use jiff::Timestamp;

use super::query::Wanted;
use super::reader::Reader;
use super::state::StateWord;
use super::types::{FlowRow, NatKind, ServiceHere, Who};
use super::watch::FlowLine;
use crate::model::flow::Flow;
use crate::model::flow::event::{FlowEvent, Happened, Stood};

/// How many addresses are remembered of which a fresh reading did not tell more.
const STRANGERS: usize = 4096;

/// Addresses and ports of which a fresh reading of the node did not tell more either.
#[derive(Debug, Default)]
pub struct Strangers(BTreeSet<(IpAddr, Option<u16>)>);

impl Strangers {
    /// Whether a row names something that may be newer than what was read of the node: a pod of a network that
    /// begins at this node, or a service. Each is asked about once.
    pub fn meets(&mut self, row: &FlowRow) -> bool {
        let mut new = false;
        for party in [&row.client, &row.served_by] {
            if matches!(party.who, Who::Elsewhere { neighbour: true }) {
                new |= self.add(party.address, None);
            }
        }
        let translated = matches!(row.nat, NatKind::Dnat | NatKind::SnatAndDnat | NatKind::Hairpin);
        if translated && row.asked_for.service == ServiceHere::None {
            new |= self.add(row.asked_for.address, row.asked_for.port);
        }
        new
    }

    fn add(&mut self, address: IpAddr, port: Option<u16>) -> bool {
        self.0.len() < STRANGERS && self.0.insert((address, port))
    }

    /// Names were read anew because it was time, of those that are known here as well: where there is no more room
    /// for others, they are forgotten.
    pub fn refreshed(&mut self) {
        if self.0.len() >= STRANGERS {
            self.0.clear();
        }
    }
}

/// What is told of an event; `None` where it was not asked for. `at` is when it was heard.
///
/// A flow that ends was asked for if it was as it stood last: as it ends it is in no state that one would ask for.
pub fn line(event: &FlowEvent, at: Timestamp, wanted: &Wanted<'_>, reader: &mut Reader<'_>) -> Option<FlowLine> {
    let FlowEvent { happened, flow, resynced, before } = event;
    let stood = before.map(|before| as_it_stood(flow, before));
    let ended = *happened == Happened::Destroyed;
    if !wanted.accepts(flow) && !stood.as_ref().is_some_and(|stood| ended && wanted.accepts(stood)) {
        return None;
    }
    let mut row = reader.read(flow);
    if !wanted.accepts_row(&row) {
        return None;
    }
    // The node was read some time ago.
    row.age_ms =
        row.began_at.map(|began| u64::try_from(at.as_millisecond() - began.as_millisecond()).unwrap_or_default());
    let before = stood.as_ref().map(StateWord::of);
    Some(FlowLine { event: *happened, at, resynced: *resynced, before, flow: row })
}

fn as_it_stood(flow: &Flow, before: Stood) -> Flow {
    Flow { status: before.status, state: before.state, ..flow.clone() }
}
