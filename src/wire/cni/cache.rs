//! An entry of libcni's results cache: what was asked for one interface, and what the plugins answered.
//!
//! May import model and sibling wire files only.

use ipnet::IpNet;
use serde_json::Value;

use super::{json, list, sort_of, text};
use crate::model::cni::CniCacheEntry;
use crate::model::ids::ContainerId;
use crate::model::sandbox::{CniInterface, PodName};

/// The one format there is.
const KIND: &str = "cniCacheV1";

/// Reads one entry. What is wrong stands in its `error`, beside what could be read; where the
/// content tells nothing, the file's name `NETWORK-CONTAINER-INTERFACE` tells the rest.
pub fn entry(path: &str, bytes: &[u8]) -> CniCacheEntry {
    let name = path.rsplit('/').next().unwrap_or(path);
    let mut entry = from_name(path, name);
    match json(bytes) {
        Err(error) => entry.error = Some(error),
        Ok(value) if !value.is_object() => {
            entry.error = Some(format!("the file holds {}, and not an object", sort_of(&value)));
        }
        Ok(value) => fill(&mut entry, &value),
    }
    entry
}

fn from_name(path: &str, name: &str) -> CniCacheEntry {
    // A network's name may hold dashes, an id and an interface mostly do not: split from the end.
    let (rest, interface) = name.rsplit_once('-').unwrap_or((name, ""));
    let (network, container) = rest.rsplit_once('-').unwrap_or(("", rest));
    CniCacheEntry {
        path: path.to_owned(),
        container: ContainerId(container.to_owned()),
        network: network.to_owned(),
        interface: interface.to_owned(),
        pod: PodName { namespace: None, name: None, uid: None },
        interfaces: Vec::new(),
        addresses: Vec::new(),
        error: None,
    }
}

fn fill(entry: &mut CniCacheEntry, value: &Value) {
    let mut wrong = Vec::new();
    match text(value, "kind") {
        Some(KIND) => {}
        Some(other) => wrong.push(format!("\"kind\" is {other:?}, and not {KIND:?}")),
        None => wrong.push(format!("there is no \"kind\": {KIND:?}")),
    }
    if let Some(container) = text(value, "containerId") {
        entry.container = ContainerId(container.to_owned());
    }
    if let Some(network) = text(value, "networkName") {
        network.clone_into(&mut entry.network);
    }
    if let Some(interface) = text(value, "ifName") {
        interface.clone_into(&mut entry.interface);
    }
    entry.pod = pod(value);
    match value.get("result") {
        Some(result @ Value::Object(_)) => fill_result(entry, result, &mut wrong),
        Some(other) => wrong.push(format!("\"result\" is {}, and not an object", sort_of(other))),
        None => wrong.push("there is no \"result\"".to_owned()),
    }
    if !wrong.is_empty() {
        entry.error = Some(wrong.join("; "));
    }
}

/// `cniArgs` is a list of pairs.
fn pod(value: &Value) -> PodName {
    let argument = |wanted: &str| {
        list(value, "cniArgs")
            .filter_map(Value::as_array)
            .filter_map(|pair| match pair.as_slice() {
                [key, value] => Some((key.as_str()?, value.as_str()?)),
                _ => None,
            })
            .find(|(key, _)| *key == wanted)
            .map(|(_, value)| value.to_owned())
    };
    PodName { namespace: argument("K8S_POD_NAMESPACE"), name: argument("K8S_POD_NAME"), uid: argument("K8S_POD_UID") }
}

fn fill_result(entry: &mut CniCacheEntry, result: &Value, wrong: &mut Vec<String>) {
    for interface in list(result, "interfaces") {
        let mac = match text(interface, "mac").map(str::parse) {
            Some(Ok(mac)) => Some(mac),
            Some(Err(error)) => {
                wrong.push(error);
                None
            }
            None => None,
        };
        entry.interfaces.push(CniInterface {
            name: text(interface, "name").unwrap_or_default().to_owned(),
            mac,
            sandbox: text(interface, "sandbox").map(str::to_owned),
        });
    }
    // From version 0.3.0 a list; before that, one address of each family.
    let listed = list(result, "ips").filter_map(|ip| text(ip, "address"));
    let single = ["ip4", "ip6"].into_iter().filter_map(|key| result.get(key)).filter_map(|ip| text(ip, "ip"));
    for address in listed.chain(single) {
        match address.parse::<IpNet>() {
            Ok(address) => entry.addresses.push(address),
            Err(_) => wrong.push(format!("{address:?} is no address with a prefix length")),
        }
    }
}
