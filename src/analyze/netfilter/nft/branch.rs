//! Maps whose key is not known: each of their elements may be the one.
//!
//! May import model and its siblings only.

use super::compare;
use super::field::Held;
use crate::analyze::netfilter::condition::{Ask, Condition};
use crate::analyze::netfilter::facts::Packet;
use crate::model::netfilter::expr::{Compare, Data};
use crate::model::netfilter::set::{Element, Set};
use crate::model::text::{Bytes, hex};

/// How many elements of a map are followed where the key is not known.
const MOST: usize = 256;

/// What must hold for an element to be the one, and what it says.
pub type Branch<T> = (Vec<Condition>, T);

/// The elements of a map that may be the one; `None` where they are too many. `words` names the key.
pub fn branches<T>(
    set: &Set,
    elements: &[Element],
    parts: &[Held],
    words: &str,
    packet: &Packet,
    pick: impl Fn(&Data) -> Option<T>,
) -> Option<Vec<Branch<T>>> {
    if elements.len() > MOST {
        return None;
    }
    let mut found = Vec::new();
    for (at, element) in elements.iter().enumerate() {
        let Some(picked) = element.data.as_ref().filter(|_| !element.interval_end).and_then(&pick) else { continue };
        let end = elements.get(at + 1).filter(|next| next.interval_end);
        let when = if element.catch_all {
            vec![Condition::is(Ask::Other { text: format!("{words} is none of the others in its map") })]
        } else {
            keyed(set, element, end, parts, packet).unwrap_or_else(|| {
                vec![Condition::is(Ask::Other { text: format!("{words} is 0x{}", hex(&element.key.0)) })]
            })
        };
        if when.iter().all(|condition| condition.holds(packet) != Some(false)) {
            found.push((when, picked));
        }
    }
    Some(found)
}

/// What must hold for a key to fall to an element.
fn keyed(
    set: &Set,
    element: &Element,
    end: Option<&Element>,
    parts: &[Held],
    packet: &Packet,
) -> Option<Vec<Condition>> {
    if let [part] = parts {
        let both: Vec<Element> = [Some(element), end].into_iter().flatten().cloned().collect();
        if let Some(ask) = compare::one_of(part, set, &both, packet) {
            return Some(vec![Condition::is(ask)]);
        }
        if set.is(Set::INTERVAL) {
            return None;
        }
    }
    let mut at = 0;
    let mut all = Vec::new();
    for part in parts {
        let length = part.length();
        let piece = |key: &Bytes| key.0.get(at..at + length).map(|bytes| Bytes(bytes.to_vec()));
        let first = piece(&element.key)?;
        match element.key_end.as_ref().map(piece) {
            Some(last) if last.as_ref() != Some(&first) => {
                all.push(compare::range(part, false, &first, &last?, packet));
            }
            _ => all.extend(compare::cmp(part, Compare::Eq, &first, packet)),
        }
        at += length.max(1).next_multiple_of(4);
    }
    Some(all)
}
