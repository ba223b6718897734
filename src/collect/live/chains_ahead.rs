//! Chains that are going to be asked for, read by a thread while those before them are looked at.
//!
//! May import model, wire and sys. Judges nothing: what is read ahead is what would be read later.

use std::cell::RefCell;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use crate::collect::kernel::Namespace;
use crate::model::ids::NetnsId;
use crate::model::issue::{Read, Section};
use crate::model::netfilter::chain::{Chain, ChainRef, Rules};
use crate::model::netfilter::rule::Rule;
use crate::model::netfilter::table::TableRef;
use crate::model::text::ByteText;

type Chains = Read<Vec<(ByteText, Vec<Rule>)>>;

/// What is being read: one question for each table that has one, as a rule, and long chains that are asked for by
/// name.
#[derive(Debug, Default)]
pub(super) struct ChainsAhead {
    readings: RefCell<Vec<Reading>>,
    chains: RefCell<Vec<One>>,
    base_chains: RefCell<Vec<BaseChains>>,
    /// What was given last, and what before that, of which nobody has need any more: the next thread takes it apart.
    given: RefCell<(Option<Given>, Option<Given>)>,
}

/// Whose base chains are being read, and by whom.
type BaseChains = (NetnsId, JoinHandle<Read<Vec<Chain>>>);

type Given = Section<Vec<(ByteText, Vec<Rule>)>>;

#[derive(Debug)]
struct Reading {
    netns: NetnsId,
    table: TableRef,
    starts: Vec<ByteText>,
    thread: JoinHandle<Chains>,
}

/// One chain that is being read.
#[derive(Debug)]
struct One {
    netns: NetnsId,
    chain: ChainRef,
    thread: JoinHandle<Read<Option<Rules>>>,
}

impl ChainsAhead {
    /// Begins to read the base chains, on a socket of its own: the kernel tells all chains of a node for them. Where
    /// the machine gives no thread, they are read when they are asked for.
    pub(super) fn begin_base_chains(&self, namespace: Arc<Namespace>) {
        let netns = namespace.id();
        let mut begun = self.base_chains.borrow_mut();
        if begun.iter().any(|(of, _)| *of == netns) {
            return;
        }
        let thread = Builder::new().name("base chains".to_owned());
        if let Ok(thread) = thread.spawn(move || namespace.base_chains_beside()) {
            begun.push((netns, thread));
        }
    }

    /// The base chains, where they were begun; waits for them.
    pub(super) fn take_base_chains(&self, netns: NetnsId) -> Option<Read<Vec<Chain>>> {
        let mut begun = self.base_chains.borrow_mut();
        let at = begun.iter().position(|(of, _)| *of == netns)?;
        begun.swap_remove(at).1.join().ok()
    }

    /// Begins to read one chain, on a socket of its own. Where the machine gives no thread, it is read when it is
    /// asked for.
    pub(super) fn begin_chain(&self, namespace: Arc<Namespace>, chain: &ChainRef) {
        let (netns, own) = (namespace.id(), chain.clone());
        let mut chains = self.chains.borrow_mut();
        if chains.iter().any(|one| (one.netns, &one.chain) == (netns, chain)) {
            return;
        }
        let thread = Builder::new().name("chain".to_owned());
        if let Ok(thread) = thread.spawn(move || namespace.chain_beside(&own)) {
            chains.push(One { netns, chain: chain.clone(), thread });
        }
    }

    /// One chain, where it was begun; waits for it.
    pub(super) fn take_chain(&self, netns: NetnsId, chain: &ChainRef) -> Option<Read<Option<Rules>>> {
        let mut chains = self.chains.borrow_mut();
        let at = chains.iter().position(|one| (one.netns, &one.chain) == (netns, chain))?;
        chains.swap_remove(at).thread.join().ok()
    }

    /// Begins to read. Where the machine gives no thread, they are read when they are asked for.
    pub(super) fn begin(
        &self,
        namespace: Arc<Namespace>,
        table: &TableRef,
        starts: &[ByteText],
        follow: fn(&ByteText) -> bool,
    ) {
        let (netns, own, names) = (namespace.id(), table.clone(), starts.to_vec());
        let thread = Builder::new().name("chains".to_owned());
        let old = self.given.borrow_mut().1.take();
        let work = move || {
            drop(old);
            namespace.rules_from(&own, &names, follow)
        };
        if let Ok(thread) = thread.spawn(work) {
            let mut readings = self.readings.borrow_mut();
            // Nobody asked for what was expected before.
            readings.retain(|old| (old.netns, &old.table) != (netns, table));
            readings.push(Reading { netns, table: table.clone(), starts: starts.to_vec(), thread });
        }
    }

    /// What was read, where it was begun; waits for it.
    pub(super) fn take(&self, netns: NetnsId, table: &TableRef, starts: &[ByteText]) -> Option<Chains> {
        let mut readings = self.readings.borrow_mut();
        let meant = |one: &Reading| one.netns == netns && one.table == *table && one.starts == *starts;
        let at = readings.iter().position(meant)?;
        readings.swap_remove(at).thread.join().ok()
    }

    /// Notes what was given, which is a large part of a table.
    pub(super) fn gave(&self, chains: &Given) {
        let mut given = self.given.borrow_mut();
        given.1 = given.0.replace(Arc::clone(chains));
    }
}
