//! Remembers what was read, for the length of one command.
//!
//! May import model only.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::issue::{Read, Section};

/// Sections by key, each read at most once.
#[derive(Debug)]
pub struct Memo<K, T>(RefCell<BTreeMap<K, Section<T>>>);

impl<K, T> Default for Memo<K, T> {
    fn default() -> Self {
        Self(RefCell::new(BTreeMap::new()))
    }
}

impl<K: Ord, T> Memo<K, T> {
    /// The section under `key`, reading it the first time it is asked for.
    ///
    /// `read` may ask other memos, and this one for other keys.
    pub fn get(&self, key: K, read: impl FnOnce() -> Read<T>) -> Section<T> {
        if let Some(found) = self.0.borrow().get(&key) {
            return Arc::clone(found);
        }
        let section = read().section();
        self.0.borrow_mut().insert(key, Arc::clone(&section));
        section
    }

    /// The section under `key`, where it was read already.
    pub fn known(&self, key: &K) -> Option<Section<T>> {
        self.0.borrow().get(key).map(Arc::clone)
    }

    /// How many were read.
    pub fn count(&self) -> usize {
        self.0.borrow().len()
    }

    /// Lets go of the section under `key`, and gives it.
    pub fn forget(&self, key: &K) -> Option<Section<T>> {
        self.0.borrow_mut().remove(key)
    }

    /// Puts a section there that was read along with another.
    pub fn put(&self, key: K, read: Read<T>) {
        self.0.borrow_mut().entry(key).or_insert_with(|| read.section());
    }
}
