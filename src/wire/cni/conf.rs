//! A network configuration: one plugin (`.conf`, `.json`) or a chain of them (`.conflist`).
//!
//! May import model and sibling wire files only. The rules are those of libcni.

use serde_json::Value;

use super::{json, list, sort_of, text};
use crate::model::cni::{CniNetwork, CniPlugin};

/// Whether a runtime looks at a file of that name.
pub fn is_configuration(name: &str) -> bool {
    matches!(name.rsplit_once('.'), Some((_, "conf" | "conflist" | "json")))
}

/// Reads one file; the name decides whether it holds a chain. An error says what is wrong, with line
/// and column where the text is no JSON.
pub fn network(name: &str, bytes: &[u8]) -> Result<CniNetwork, String> {
    let value = json(bytes)?;
    if !value.is_object() {
        return Err(format!("the file holds {}, and not an object", sort_of(&value)));
    }
    let cni_version = match value.get("cniVersion") {
        None => None,
        Some(Value::String(version)) => Some(version.clone()),
        Some(other) => return Err(format!("\"cniVersion\" is {}, and not a string", sort_of(other))),
    };
    let network = match value.get("name") {
        Some(Value::String(network)) if !network.is_empty() => network.clone(),
        Some(Value::String(_)) => return Err("\"name\" is empty".to_owned()),
        Some(other) => return Err(format!("\"name\" is {}, and not a string", sort_of(other))),
        None => return Err("there is no \"name\"".to_owned()),
    };
    let plugins = if name.ends_with(".conflist") { chain(&value)? } else { vec![single(value)?] };
    Ok(CniNetwork { name: network, cni_version, plugins })
}

fn chain(value: &Value) -> Result<Vec<CniPlugin>, String> {
    match value.get("plugins") {
        None => return Err("there is no \"plugins\" list".to_owned()),
        Some(Value::Array(plugins)) if plugins.is_empty() => return Err("the \"plugins\" list is empty".to_owned()),
        Some(Value::Array(_)) => {}
        Some(other) => return Err(format!("\"plugins\" is {}, and not a list", sort_of(other))),
    }
    let plugin = |(at, config): (usize, &Value)| {
        plugin(config.clone()).map_err(|wrong| format!("plugin {} of the list: {wrong}", at + 1))
    };
    list(value, "plugins").enumerate().map(plugin).collect()
}

fn single(value: Value) -> Result<CniPlugin, String> {
    if value.get("plugins").is_some() && value.get("type").is_none() {
        return Err("there is no \"type\", but a \"plugins\" list: such a file has to be named .conflist".to_owned());
    }
    plugin(value)
}

fn plugin(config: Value) -> Result<CniPlugin, String> {
    if !config.is_object() {
        return Err(format!("it is {}, and not an object", sort_of(&config)));
    }
    let kind = text(&config, "type").ok_or("there is no \"type\", which names the program")?.to_owned();
    Ok(CniPlugin { kind, config })
}
