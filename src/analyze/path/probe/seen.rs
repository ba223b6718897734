//! What was seen, sorted for the questions that a comparison asks.
//!
//! May import model and analyze's siblings only.

use super::Way;
use crate::analyze::path::packet::Tuple;
use crate::model::ids::{IfIndex, NetnsId};
use crate::model::netfilter::chain::Hook;
use crate::model::probe::{Crossing, Ends, Frame, HitVerdict, Means, Observed, Role};

/// The observations of one way.
#[derive(Clone, Copy)]
pub(super) struct Of<'o> {
    pub observed: &'o Observed,
    pub way: Way,
}

impl<'o> Of<'o> {
    fn is_own(self, role: Role) -> bool {
        match self.way {
            Way::There => role == Role::Question,
            _ => matches!(role, Role::Answer | Role::Refusal),
        }
    }

    /// All frames of this way, by time.
    pub fn frames(self) -> impl Iterator<Item = &'o Frame> {
        self.observed.frames.iter().filter(move |frame| self.is_own(frame.role))
    }

    /// The frames on one link in one direction.
    pub fn at(self, netns: NetnsId, ifindex: IfIndex, out: bool) -> impl Iterator<Item = &'o Frame> {
        self.frames().filter(move |frame| (frame.netns, frame.ifindex, frame.out) == (netns, ifindex, out))
    }

    /// All crossings of this way.
    pub fn crossings(self) -> impl Iterator<Item = &'o Crossing> {
        self.observed.crossings.iter().filter(move |crossing| self.is_own(crossing.role))
    }

    /// The crossings of one hook.
    pub fn hooks(self, netns: NetnsId, hook: Hook) -> impl Iterator<Item = &'o Crossing> {
        self.crossings().filter(move |crossing| crossing.netns == netns && crossing.hook == Some(hook))
    }

    /// Where a rule or policy dropped it, by the kernel's own word.
    pub fn dropped(self) -> Option<(&'o Crossing, &'o crate::model::probe::Hit)> {
        self.crossings().find_map(|crossing| {
            let hit = crossing.hits.iter().find(|hit| hit.verdict == HitVerdict::Drop)?;
            Some((crossing, hit))
        })
    }

    /// Why something was not watched in a namespace.
    pub fn unwatched(self, netns: NetnsId, means: Means) -> Option<&'o str> {
        let found = self.observed.unwatched.iter().find(|one| one.netns == netns && one.means == means);
        found.map(|one| one.why.as_str())
    }
}

/// Whether a packet is as predicted; a port that is drawn may be any.
pub(super) fn fits(predicted: Tuple, seen: Ends) -> bool {
    let port = |predicted: Option<u16>, seen: u16| predicted.is_none_or(|port| port == seen);
    (predicted.source, predicted.destination, predicted.protocol) == (seen.source, seen.destination, seen.protocol)
        && port(predicted.source_port, seen.source_port)
        && port(predicted.destination_port, seen.destination_port)
}
