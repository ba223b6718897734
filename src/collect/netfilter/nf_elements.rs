//! Elements of nf_tables sets, live: of one set, of many at a time, or the one that a key falls to.
//!
//! May import model, wire and sys. Judges nothing.

use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use super::nf_tables::{dump, generation};
use crate::collect::kernel::Namespace;
use crate::model::issue::Read;
use crate::model::netfilter::set::{Element, Set, SetRef};
use crate::model::netfilter::table::TableRef;
use crate::model::text::{ByteText, Bytes};
use crate::sys::netlink::{NetlinkError, NetlinkSocket};
use crate::wire::netlink::attr::AttrError;
use crate::wire::nf_tables::{self as nf, request};

/// Up to how many elements are asked for by number: all of the answers wait in the socket's queue.
const MOST_NUMBERED: u32 = 64;
/// From how many sets on a second thread is worth its start.
const WORTH_A_THREAD: usize = 8;

type Outcome = Result<(), NetlinkError>;

/// What is kept of one table's sets while its generation lasts.
#[derive(Debug, Default)]
pub(in crate::collect) struct SetMemory(Mutex<Option<Arc<Numbered>>>);

/// The sets of a table whose keys may be the numbers from 0, with how many elements fit into each.
#[derive(Debug)]
struct Numbered {
    generation: Option<u32>,
    table: TableRef,
    sizes: BTreeMap<ByteText, u32>,
}

impl Namespace {
    /// The elements of a set, by key.
    pub fn elements(&self, set: &SetRef) -> Read<Vec<Element>> {
        self.nf_read("the elements of a set", |socket, found: &mut Vec<Element>, complaints| {
            all(socket, set, found, complaints)
        })
    }

    /// The elements of some sets, in the order of their names; none for a set that is not there.
    ///
    /// The kernel looks a set up by going through all of them, once for a question and twice more for a dump:
    /// among 10,000 that is where the time goes. So sets that look like maps from a drawn number are asked for their
    /// numbers, and two threads with a socket each share the work.
    pub fn elements_in(&self, table: &TableRef, sets: &[ByteText]) -> Read<Vec<Vec<Element>>> {
        self.nf_read("the elements of sets", |socket, found: &mut Vec<Vec<Element>>, complaints| {
            let numbered = self.numbered(socket, table)?;
            if sets.len() < WORTH_A_THREAD {
                return each(socket, &numbered, sets, found, complaints);
            }
            let (own, others) = sets.split_at(sets.len() / 2);
            thread::scope(|scope| {
                let helping = || {
                    let mut read = (Vec::new(), Vec::new());
                    let outcome =
                        self.beside_netfilter(|socket| each(socket, &numbered, others, &mut read.0, &mut read.1));
                    (read, outcome)
                };
                let helper = thread::Builder::new().spawn_scoped(scope, helping);
                let outcome = each(socket, &numbered, own, found, complaints);
                // What could not be read must not shift the others.
                found.resize_with(own.len(), Vec::new);
                let Ok(helper) = helper else {
                    return outcome.and_then(|()| each(socket, &numbered, others, found, complaints));
                };
                let ((mut rest, mut errors), others_outcome) =
                    helper.join().unwrap_or_else(|panic| resume_unwind(panic));
                found.append(&mut rest);
                complaints.append(&mut errors);
                outcome.and(others_outcome)
            })
        })
    }

    /// The element that a key falls to.
    pub fn element(&self, set: &SetRef, key: &Bytes) -> Read<Option<Element>> {
        self.nf_read("an element of a set", |socket, found, complaints| {
            // The kernel looks among the keys first and then takes the catch-all; asked for a key, it does not.
            for question in [request::element(set, &key.0), request::catch_all(set)] {
                let reply = match socket.ask(&question) {
                    Err(NetlinkError::Refused(refusal)) if refusal.errno == libc::ENOENT => continue,
                    reply => reply?,
                };
                let mut elements = Vec::new();
                if let Some(reply) = reply {
                    nf::element::elements(&reply.payload, &mut elements, complaints);
                }
                *found = elements.into_iter().next();
                return Ok(());
            }
            Ok(())
        })
    }

    /// Which sets of a table may be asked by number, as of the generation that is in force.
    fn numbered(&self, socket: &mut NetlinkSocket, table: &TableRef) -> Result<Arc<Numbered>, NetlinkError> {
        let generation = generation(socket)?;
        let mut known = self.sets.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.as_ref().filter(|known| known.generation == generation && known.table == *table) {
            return Ok(Arc::clone(known));
        }
        let mut sizes = BTreeMap::new();
        dump(socket, &request::sets(table), nf::NEWSET, &mut |message| {
            // What is wrong with a set is told where the sets are asked for.
            let Some(set) = nf::set::set(message, &mut Vec::new()).filter(|set| set.id.table == *table) else { return };
            if let Some(size) = numbers_of(&set) {
                sizes.insert(set.id.name, size);
            }
        })?;
        Ok(Arc::clone(known.insert(Arc::new(Numbered { generation, table: table.clone(), sizes }))))
    }
}

/// How many elements fit into a set which packets do not change and whose keys may be numbers from 0.
fn numbers_of(set: &Set) -> Option<u32> {
    let is_fixed = set.is(Set::CONSTANT) && !set.is(Set::INTERVAL) && !set.is(Set::CONCAT) && set.key_length == 4;
    set.size.filter(|size| is_fixed && (1..=MOST_NUMBERED).contains(size))
}

/// The elements of sets of one table.
fn each(
    socket: &mut NetlinkSocket,
    numbered: &Numbered,
    sets: &[ByteText],
    found: &mut Vec<Vec<Element>>,
    complaints: &mut Vec<AttrError>,
) -> Outcome {
    for name in sets {
        let set = numbered.table.set(name.clone());
        let mut elements = Vec::new();
        let size = numbered.sizes.get(name);
        let is_read = size.is_some_and(|size| by_number(socket, &set, *size, &mut elements));
        let outcome = if is_read { Ok(()) } else { all(socket, &set, &mut elements, complaints) };
        found.push(elements);
        match outcome {
            Err(NetlinkError::Refused(refusal)) if refusal.errno == libc::ENOENT => {}
            outcome => outcome?,
        }
    }
    Ok(())
}

/// Asks for the numbers from 0 and for the catch-all. True where that was all there is: as many elements as fit in.
fn by_number(socket: &mut NetlinkSocket, set: &SetRef, size: u32, found: &mut Vec<Element>) -> bool {
    let mut complaints = Vec::new();
    let outcome = dump(socket, &request::numbered(set, size), nf::NEWSETELEM, &mut |message| {
        nf::element::elements(message, found, &mut complaints);
    });
    let is_end = match &outcome {
        // With a catch-all.
        Ok(()) => true,
        Err(NetlinkError::Refused(refusal)) => refusal.errno == libc::ENOENT,
        Err(_) => false,
    };
    let plain = found.iter().filter(|element| !element.catch_all).count();
    let is_all = is_end && complaints.is_empty() && u32::try_from(plain).is_ok_and(|plain| plain == size);
    if is_all {
        found.sort_by(|one, other| key(one).cmp(&key(other)));
    } else {
        found.clear();
    }
    is_all
}

/// All elements of a set, by key.
fn all(socket: &mut NetlinkSocket, set: &SetRef, found: &mut Vec<Element>, complaints: &mut Vec<AttrError>) -> Outcome {
    dump(socket, &request::elements(set), nf::NEWSETELEM, &mut |message| {
        nf::element::elements(message, found, complaints);
    })?;
    found.sort_by(|one, other| key(one).cmp(&key(other)));
    Ok(())
}

/// By key, then end; of equal keys the one that closes an interval first.
fn key(element: &Element) -> (&Bytes, &Option<Bytes>, bool) {
    (&element.key, &element.key_end, !element.interval_end)
}
