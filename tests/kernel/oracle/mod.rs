//! The model's objects written as `ip -j -d` and `bridge -j -d` write them, and those programs' own
//! output cut to the fields that podnet knows too: the two are then compared whole.

pub mod link;
pub mod neigh;
pub mod route;
pub mod rule;

use std::collections::BTreeMap;

use podnet::model::ids::{IfIndex, TableId};
use podnet::model::link::Link;
use serde_json::{Map, Value};

/// The names of links by index.
pub type Names = BTreeMap<IfIndex, String>;

pub fn names(links: &[Link]) -> Names {
    links.iter().map(|link| (link.ifindex, link.name.to_string())).collect()
}

pub fn name(names: &Names, index: IfIndex) -> Value {
    names.get(&index).cloned().unwrap_or_else(|| format!("if{index}")).into()
}

/// Only these keys of an object.
pub fn only(object: &Value, keys: &[&str]) -> Map<String, Value> {
    let all = object.as_object().unwrap();
    keys.iter().filter_map(|key| Some(((*key).to_owned(), all.get(*key)?.clone()))).collect()
}

/// Puts a value in, unless there is none.
pub fn set(object: &mut Map<String, Value>, key: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        object.insert(key.to_owned(), value.into());
    }
}

/// Puts a key without a value in, as `ip` writes flags.
pub fn flag(object: &mut Map<String, Value>, key: &str, on: bool) {
    if on {
        object.insert(key.to_owned(), Value::Null);
    }
}

/// Sorts the texts of a list.
pub fn sorted(list: Option<&Value>) -> Value {
    let mut texts: Vec<String> =
        list.and_then(Value::as_array).into_iter().flatten().map(|text| text.as_str().unwrap().to_owned()).collect();
    texts.sort();
    texts.into()
}

pub fn table(table: TableId) -> String {
    match table {
        TableId::DEFAULT => "default".to_owned(),
        TableId::MAIN => "main".to_owned(),
        TableId::LOCAL => "local".to_owned(),
        other => other.to_string(),
    }
}

/// The objects of an array, in the order of their texts.
pub fn unordered(mut objects: Vec<Value>) -> Vec<Value> {
    objects.sort_by_key(ToString::to_string);
    objects
}
