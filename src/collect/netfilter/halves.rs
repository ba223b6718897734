//! Work on many chains, done by two threads.
//!
//! Must not import anything from the crate. Two and no more: podnet is a guest on the node it asks.

use std::panic::resume_unwind;
use std::thread;

/// How many chains are worth a thread.
const MANY: usize = 16;

/// Does a piece of work on both halves of a list, at once where there are many; gives what came of both, in order.
pub(super) fn halves<T: Sync, U: Send>(all: &[T], work: impl Fn(&[T]) -> Vec<U> + Sync) -> Vec<U> {
    let (own, others) = all.split_at(all.len().div_ceil(2));
    if others.len() < MANY {
        return work(all);
    }
    thread::scope(|scope| {
        let helper = thread::Builder::new().spawn_scoped(scope, || work(others));
        let mut done = work(own);
        done.append(&mut match helper {
            Ok(helper) => helper.join().unwrap_or_else(|panic| resume_unwind(panic)),
            // The machine gives no thread.
            Err(_) => work(others),
        });
        done
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_halves_are_done_once_and_in_order() {
        for length in [0, 1, 2, 31, 32, 33, 1000] {
            let all: Vec<usize> = (0..length).collect();
            assert_eq!(
                halves(&all, |part| part.iter().map(|number| number * 2).collect()),
                (0..length).map(|number| number * 2).collect::<Vec<_>>()
            );
        }
    }
}
