//! The files of CNI: network configurations, libcni's results cache, host-local's leases.
//!
//! May import model only. No IO; any bytes give a value or an error, and lists are bounded.

pub mod cache;
pub mod conf;
pub mod lease;

#[cfg(test)]
mod tests;

use serde_json::Value;

/// How many entries of one list within a file are taken.
const LIST_LIMIT: usize = 1024;

/// Parses JSON; an error names line and column.
fn json(bytes: &[u8]) -> Result<Value, String> {
    serde_json::from_slice(bytes).map_err(|error| error.to_string())
}

/// A string member that is not empty.
fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// The members of a list, none where there is no list.
fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value.get(key).and_then(Value::as_array).into_iter().flatten().take(LIST_LIMIT)
}

/// What a value is, for error messages.
fn sort_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
