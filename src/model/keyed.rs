//! A map to look things up in, and nothing else.
//!
//! Must not import anything from the crate.

use std::borrow::Borrow;
use std::hash::Hash;

use foldhash::{HashMap, HashMapExt as _};

/// Values by key. It cannot be walked: no answer can depend on the order in which it holds them, which differs
/// from run to run. Its hashes are fast, and seeded at random, so that nobody can choose keys that make it slow.
#[derive(Debug, Clone)]
pub struct Keyed<K, V>(HashMap<K, V>);

impl<K, V> Default for Keyed<K, V> {
    fn default() -> Self {
        Self(HashMap::default())
    }
}

impl<K: Eq + Hash, V> Keyed<K, V> {
    /// Empty, with room for so many values.
    pub fn with_room(count: usize) -> Self {
        Self(HashMap::with_capacity(count))
    }

    /// The value of a key.
    pub fn get<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.0.get(key)
    }

    /// The value of a key, to be changed.
    pub fn get_mut<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        self.0.get_mut(key)
    }

    /// The value of a key, made if there is none.
    pub fn get_or_insert_with(&mut self, key: K, make: impl FnOnce() -> V) -> &mut V {
        self.0.entry(key).or_insert_with(make)
    }

    /// Whether there is a value.
    pub fn contains<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.0.contains_key(key)
    }

    /// Puts a value there, in place of the one that may be there.
    pub fn insert(&mut self, key: K, value: V) {
        self.0.insert(key, value);
    }

    /// How many values it holds.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<K: Eq + Hash, V> Extend<(K, V)> for Keyed<K, V> {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, pairs: I) {
        self.0.extend(pairs);
    }
}

impl<K: Eq + Hash, V> FromIterator<(K, V)> for Keyed<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        Self(pairs.into_iter().collect())
    }
}

impl<K: Eq + Hash> FromIterator<K> for Keyed<K, ()> {
    fn from_iter<I: IntoIterator<Item = K>>(keys: I) -> Self {
        keys.into_iter().map(|key| (key, ())).collect()
    }
}
