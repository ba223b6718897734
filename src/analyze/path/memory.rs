//! What was looked up on the nodes, kept for all courses of a packet and, where packets are asked in bulk, for all
//! of them: links, chains by name, sets with an index of their elements, routes, sysctls, the other ends of pairs.
//!
//! May import model and analyze's siblings only. Nothing in here ever changes: a node is looked at as it was at
//! the first look.

use std::cell::{OnceCell, RefCell};
use std::net::IpAddr;
use std::rc::Rc;

use super::hooks::Op;
use super::macvlan::Children;
use super::types::Stop;
use super::world::{Link, Place, World};
use crate::analyze::fib::Lookup;
use crate::model::ids::IfIndex;
use crate::model::issue::Section;
use crate::model::keyed::Keyed;
use crate::model::netfilter::chain::{ChainRef, Hook, Rules};
use crate::model::netfilter::set::{Element, Set, SetRef};
use crate::model::netfilter::table::TableRef;
use crate::model::route::{Family, RouteQuery};
use crate::model::text::{ByteText, Bytes};

type Of<K, V> = RefCell<Keyed<(Place, K), V>>;

/// All that is kept.
#[derive(Default)]
pub(super) struct Memory {
    pub hooks: Of<(Hook, Family), Rc<Vec<Op>>>,
    pub chains: Of<ChainRef, Section<Option<Rules>>>,
    pub sets: Of<SetRef, Option<Rc<Held>>>,
    pub routes: Of<RouteQuery, Rc<Lookup>>,
    /// Whether any route delivers packets for an address here.
    pub local: Of<IpAddr, bool>,
    pub numbers: Of<String, i64>,
    /// Whether conntrack looks at packets of a family.
    pub tracks: Of<Family, bool>,
    pub links: Of<IfIndex, Link>,
    pub peers: Of<IfIndex, (Place, Link)>,
    /// Whether any chain is hooked in beneath IP.
    pub beneath: Of<(), bool>,
    /// The links that lie on a link.
    pub children: Of<IfIndex, Children>,
    /// Whether routes are chosen by more than addresses, the links and the mark.
    pub by_ports: Of<(), bool>,
}

/// A set, and its elements once they were asked for all together.
pub(super) struct Held {
    pub set: Set,
    index: OnceCell<Index>,
}

struct Index {
    elements: Section<Vec<Element>>,
    by_key: Keyed<Bytes, usize>,
    catch_all: Option<usize>,
}

impl World<'_> {
    /// A chain with its rules.
    pub fn chain(&self, place: Place, chain: &ChainRef) -> Result<Section<Option<Rules>>, Stop> {
        let key = (place, chain.clone());
        if let Some(known) = self.memory.chains.borrow().get(&key) {
            return Ok(Section::clone(known));
        }
        let read = Self::whole(self.view(place)?.netfilter().chain(place.netns, chain))?;
        self.memory.chains.borrow_mut().insert(key, Section::clone(&read));
        Ok(read)
    }

    /// A set of a table.
    pub fn set(&self, place: Place, table: &TableRef, name: &ByteText) -> Result<Option<Rc<Held>>, Stop> {
        let key = (place, table.set(name.clone()));
        if let Some(known) = self.memory.sets.borrow().get(&key) {
            return Ok(known.clone());
        }
        let read = Self::whole(self.view(place)?.netfilter().set(place.netns, &key.1))?;
        let held = read.value.clone().map(|set| Rc::new(Held { set, index: OnceCell::new() }));
        self.memory.sets.borrow_mut().insert(key, held.clone());
        Ok(held)
    }

    /// The element that a key finds in a set. One is read from a live node; of a node that is loaded anyway all are
    /// put in order once.
    pub fn element(&self, place: Place, held: &Held, key: &Bytes) -> Result<Option<Element>, Stop> {
        let netfilter = self.view(place)?.netfilter();
        if !self.is_loaded || held.set.is(Set::INTERVAL) {
            let read = Self::whole(netfilter.element(place.netns, &held.set.id, key))?;
            return Ok(read.value.clone());
        }
        if held.index.get().is_none() {
            let elements = Self::whole(netfilter.elements(place.netns, &held.set.id))?;
            let mut by_key = Keyed::default();
            let mut catch_all = None;
            for (at, element) in elements.value.iter().enumerate() {
                if element.catch_all {
                    catch_all = Some(at);
                } else {
                    by_key.get_or_insert_with(element.key.clone(), || at);
                }
            }
            // Nobody else fills it: there is one thread.
            let _ = held.index.set(Index { elements, by_key, catch_all });
        }
        let found = held.index.get().and_then(|index| {
            let at = index.by_key.get(key).copied().or(index.catch_all)?;
            index.elements.value.get(at)
        });
        Ok(found.cloned())
    }

    /// The query without what no rule of the namespace asks, so that one answer serves many packets.
    pub(super) fn plain(&self, place: Place, query: &RouteQuery) -> Result<RouteQuery, Stop> {
        let key = (place, ());
        let known = self.memory.by_ports.borrow().get(&key).copied();
        let by_ports = if let Some(known) = known {
            known
        } else {
            let rules = Self::whole(self.view(place)?.rules(place.netns))?;
            let asks = rules
                .value
                .iter()
                .any(|rule| rule.source_ports.is_some() || rule.destination_ports.is_some() || rule.protocol.is_some());
            self.memory.by_ports.borrow_mut().insert(key, asks);
            asks
        };
        let mut plain = query.clone();
        if !by_ports {
            (plain.protocol, plain.source_port, plain.destination_port) = (None, None, None);
        }
        Ok(plain)
    }
}
