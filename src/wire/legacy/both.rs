//! Two pieces of work on the same bytes, which the caller may have done at once.
//!
//! Must not import anything from the crate. What comes of it is what comes of one after the other.

use std::sync::Mutex;

/// How two pieces of work are done: each is to be run once. Who reads a table may have a thread for the first.
pub type AtOnce = fn(&(dyn Fn() + Sync), &mut dyn FnMut());

/// One after the other.
pub fn in_turn(one: &(dyn Fn() + Sync), other: &mut dyn FnMut()) {
    one();
    other();
}

/// Does both. A piece that was not run is done here.
pub(super) fn both<A: Send, B>(at_once: AtOnce, one: impl Fn() -> A + Sync, other: impl Fn() -> B) -> (A, B) {
    let (first, mut second) = (Mutex::new(None), None);
    let run_one = || {
        let done = one();
        if let Ok(mut first) = first.lock() {
            *first = Some(done);
        }
    };
    at_once(&run_one, &mut || second = Some(other()));
    let first = first.into_inner().ok().flatten();
    (first.unwrap_or_else(one), second.unwrap_or_else(other))
}
