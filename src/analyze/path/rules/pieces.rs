//! A packet in pieces, where nothing puts it together before rules see it: each piece is asked for itself. The first
//! has the transport's header, the others do not.
//!
//! May import model and analyze's siblings only. Pieces are followed as one packet: where rules let some of them pass
//! and others not these go on, as far as to where they are put together.

use super::Ruling;
use crate::analyze::path::packet::Tuple;
use crate::analyze::path::types::Stop;
use crate::analyze::path::walk::{Crossing, Walk};
use crate::model::netfilter::chain::Chain;
use crate::model::route::Family;

/// No packet is longer.
const MOST_BYTES: u32 = 65_536;
/// A fragment's header of IPv6.
const HEADER6: u32 = 8;

/// A piece that rules are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::analyze::path) struct Part {
    /// Where its bytes stand in the payload of the whole.
    pub at: u32,
    /// Its length with the IP header.
    pub length: u32,
    /// Whether it is the last.
    pub is_last: bool,
}

impl Walk<'_, '_> {
    /// The pieces that rules see one by one; empty where they see the packet whole.
    fn parts(&self) -> Vec<Part> {
        let Some(longest) = self.piece.filter(|_| !self.joined) else { return Vec::new() };
        let own = self.packet.header_length();
        let header = match self.packet.family() {
            Family::Ipv4 => own,
            Family::Ipv6 => own + HEADER6,
        };
        let room = (longest.saturating_sub(header) / 8 * 8).max(8);
        let payload = self.packet.length.saturating_sub(own);
        let mut parts = Vec::new();
        let mut at = 0;
        while at < payload && at < MOST_BYTES {
            let bytes = room.min(payload - at);
            if !self.missing.contains(&at) {
                parts.push(Part { at, length: header + bytes, is_last: at + bytes == payload });
            }
            at += bytes;
        }
        parts
    }

    /// Addresses and ports as a capture shows them: later pieces have no ports.
    pub fn shown(&self) -> Tuple {
        let is_headless = self.piece.is_some() && self.missing.contains(&0);
        if is_headless {
            return Tuple { source_port: None, destination_port: None, ..self.packet.tuple };
        }
        self.packet.tuple
    }

    /// Whether rules are asked for a piece that has no transport's header.
    pub(super) fn is_later_piece(&self) -> bool {
        self.part.is_some_and(|part| part.at > 0)
    }

    /// A base chain decides about the packet, or about each of its pieces.
    pub fn base_chain(&mut self, at: &Crossing, base: &Chain) -> Result<Ruling, Stop> {
        let parts = self.parts();
        if parts.is_empty() {
            return self.decides(at, base);
        }
        let before = (self.packet.clone(), self.tracking, self.mac.clone(), self.frame.clone());
        let known = self.acted.len();
        let (mut ends, mut after) = (Vec::new(), Vec::new());
        for part in parts {
            (self.packet, self.tracking, self.mac, self.frame) = before.clone();
            self.part = Some(part);
            let ruling = self.decides(at, base);
            self.part = None;
            match ruling? {
                Ruling::Accept => {
                    after.push((self.packet.clone(), self.tracking, self.mac.clone(), self.frame.clone()));
                }
                Ruling::Ends(stop) => ends.push((part, stop)),
                Ruling::Maps(_) => return Err(Stop::unknown("a piece of a packet is translated")),
            }
        }
        // What they do is told once.
        let mut told = Vec::new();
        for acted in self.acted.split_off(known) {
            if !told.contains(&acted) {
                told.push(acted);
            }
        }
        self.acted.append(&mut told);
        if let Some(stop) = self.lose(ends, after.is_empty()) {
            return Ok(Ruling::Ends(stop));
        }
        if let Some(first) = after.first() {
            (self.packet, self.tracking, self.mac, self.frame) = first.clone();
        }
        if after.iter().any(|other| Some(other) != after.first()) {
            return Err(Stop::unknown(format!("{} does not change all pieces of the packet alike", base.id.name)));
        }
        Ok(Ruling::Accept)
    }
    /// How the packet ends when some of its pieces do, or all. Who rejects answers the first one alone.
    fn lose(&mut self, ends: Vec<(Part, Stop)>, are_all: bool) -> Option<Stop> {
        let of_it = if are_all { "" } else { " (one of its pieces)" };
        let mut last = None;
        for (part, stop) in ends {
            match stop {
                Stop::Rejected { with, why, by } if part.at == 0 => {
                    return Some(Stop::Rejected { with, why: format!("{why}{of_it}"), by });
                }
                Stop::Rejected { why, .. } | Stop::Dropped { why } => {
                    self.missing.push(part.at);
                    last = Some(why);
                }
                unknown @ Stop::Unknown { .. } => return Some(unknown),
            }
        }
        let why = last?;
        if are_all {
            return Some(Stop::dropped(self.lost.take().unwrap_or(why)));
        }
        self.lost.get_or_insert(format!("{why}: one of its pieces, and without it nobody can put it together"));
        None
    }
}
