//! Which flows were handed on already, in bounded memory.
//!
//! May import model. The kernel hands a flow out twice where the one at which it stopped is gone when it goes
//! on (it begins that bucket anew), where several walks meet it, and where a walk is done again.

use std::collections::HashSet;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};

use crate::model::flow::Flow;

/// How many flows are known at least, and half as many as are known at most: 14 MiB at the very most.
const GENERATION: usize = 458_752;

/// Fingerprints of flows: the newest and those before them.
#[derive(Default)]
pub(super) struct Seen {
    /// Keyed anew each time, so that nobody can make flows that look alike.
    keyed: RandomState,
    newest: HashSet<u64, BuildHasherDefault<Fingerprint>>,
    before: HashSet<u64, BuildHasherDefault<Fingerprint>>,
    forgotten: bool,
}

impl Seen {
    /// Whether the flow was not seen yet: zone, original tuple and id make it the same.
    pub fn is_new(&mut self, flow: &Flow) -> bool {
        let print = self.keyed.hash_one((flow.id, flow.zone, flow.original));
        if self.before.contains(&print) || !self.newest.insert(print) {
            return false;
        }
        if self.newest.len() >= GENERATION {
            self.forgotten |= !self.before.is_empty();
            self.before = std::mem::take(&mut self.newest);
        }
        true
    }

    /// Whether there were more flows than are remembered: then nothing may be read again.
    pub fn has_forgotten(&self) -> bool {
        self.forgotten
    }
}

/// A fingerprint is a hash already.
#[derive(Default)]
struct Fingerprint(u64);

impl Hasher for Fingerprint {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}
