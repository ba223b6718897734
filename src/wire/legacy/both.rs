//! Two pieces of work on the same bytes, done at once.
//!
//! Must not import anything from the crate. What comes of it is what comes of one after the other.

use std::panic::resume_unwind;
use std::thread;

/// Does both, the first by a thread of its own where the machine gives one.
pub(super) fn both<A: Send, B>(one: impl Fn() -> A + Sync, other: impl FnOnce() -> B) -> (A, B) {
    thread::scope(|scope| {
        let helper = thread::Builder::new().spawn_scoped(scope, &one);
        let other = other();
        let one = match helper {
            Ok(helper) => helper.join().unwrap_or_else(|panic| resume_unwind(panic)),
            Err(_) => one(),
        };
        (one, other)
    })
}
