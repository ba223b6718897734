//! Where each namespace can be opened.
//!
//! May import model, wire and sys. An opened handle is trusted only if its identity is the one asked for.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::collect::handle::NetnsHandle;
use crate::collect::root::HostRoot;
use crate::model::ids::{NetnsId, Pid};

/// A way to open a namespace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The namespace of that process.
    Process(Pid),
    /// A file below the node's root.
    Bound(PathBuf),
}

/// Every place in which a namespace was seen so far, and the handles that were opened.
#[derive(Debug, Default)]
pub struct Places {
    seen: RefCell<BTreeMap<NetnsId, BTreeSet<Place>>>,
    opened: RefCell<Vec<NetnsHandle>>,
}

impl Places {
    /// Notes a place.
    pub fn note(&self, id: NetnsId, place: Place) {
        self.seen.borrow_mut().entry(id).or_default().insert(place);
    }

    /// Keeps an open handle.
    pub fn keep(&self, handle: &NetnsHandle) {
        self.opened.borrow_mut().push(handle.clone());
    }

    /// What has been opened so far, in that order.
    pub fn opened(&self) -> Vec<NetnsHandle> {
        self.opened.borrow().clone()
    }

    /// Every namespace that was seen.
    pub fn ids(&self) -> Vec<NetnsId> {
        self.seen.borrow().keys().copied().collect()
    }

    /// Opens a namespace through the first place that still leads to it.
    pub fn open(&self, id: NetnsId, root: &HostRoot) -> Option<NetnsHandle> {
        if let Some(handle) = self.opened.borrow().iter().find(|handle| handle.id == id) {
            return Some(handle.clone());
        }
        let places: Vec<Place> = self.seen.borrow().get(&id)?.iter().cloned().collect();
        let handle = places.iter().find_map(|place| {
            let opened = match place {
                Place::Process(pid) => NetnsHandle::open(&ns_file(root.proc(), *pid)),
                Place::Bound(path) => root.file(path).and_then(NetnsHandle::from_file),
            };
            opened.ok().filter(|handle| handle.id == id)
        })?;
        self.keep(&handle);
        Some(handle)
    }
}

fn ns_file(proc: &Path, pid: Pid) -> PathBuf {
    proc.join(pid.to_string()).join("ns/net")
}
