//! Changes of ipsets.
//!
//! May import model only.

use std::fmt::Write as _;

use crate::model::netfilter::xt::matches::SetName;
use crate::model::netfilter::xt::targets::{SetChange, SetKey};

/// SET
pub(super) fn change(out: &mut String, change: &SetChange) {
    key(out, "--add-set", change.add.as_ref());
    if change.exist {
        out.push_str(" --exist");
    }
    if let Some(timeout) = change.timeout {
        let _ = write!(out, " --timeout {timeout}");
    }
    key(out, "--del-set", change.delete.as_ref());
    key(out, "--map-set", change.map.as_ref());
    for (set, word) in
        [(change.map_mark, " --map-mark"), (change.map_priority, " --map-prio"), (change.map_queue, " --map-queue")]
    {
        if set {
            out.push_str(word);
        }
    }
}

fn key(out: &mut String, option: &str, key: Option<&SetKey>) {
    let Some(key) = key else { return };
    let name = match &key.set {
        SetName::Name(name) => name.to_string(),
        SetName::Index(index) => format!("[set {index}]"),
    };
    let sides: Vec<&str> = key.from_source.iter().map(|source| if *source { "src" } else { "dst" }).collect();
    let _ = write!(out, " {option} {name} {}", sides.join(","));
}
