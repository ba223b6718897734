//! Neighbours as `ip -j -d neigh` and forwarding entries as `bridge -j -d fdb` write them.

use podnet::model::neigh::{FdbEntry, Neighbour};
use serde_json::{Map, Value};

use super::{Names, flag, name, set, sorted, unordered};

pub fn neighbours(neighbours: &[Neighbour], names: &Names) -> Vec<Value> {
    let objects = neighbours.iter().map(|neighbour| {
        let mut out = Map::new();
        set(&mut out, "dst", Some(neighbour.address.to_string()));
        set(&mut out, "dev", Some(name(names, neighbour.ifindex)));
        set(&mut out, "lladdr", neighbour.mac.as_ref().map(ToString::to_string));
        let states: Vec<String> = neighbour.states.iter().map(|state| state.to_uppercase()).collect();
        set(&mut out, "state", Some(states).filter(|states| !states.is_empty()));
        for key in &neighbour.flags {
            flag(&mut out, key, true);
        }
        out.into()
    });
    unordered(objects.collect())
}

/// All fields of the two listings.
pub fn ip_neighbours(cache: &Value, proxies: &Value) -> Vec<Value> {
    unordered([cache, proxies].into_iter().flat_map(|list| list.as_array().unwrap()).cloned().collect())
}

pub fn fdb(entries: &[FdbEntry], names: &Names) -> Vec<Value> {
    let objects = entries.iter().map(|entry| {
        let mut out = Map::new();
        set(&mut out, "mac", Some(entry.mac.to_string()));
        set(&mut out, "ifname", Some(name(names, entry.ifindex)));
        set(&mut out, "master", entry.bridge.map(|index| name(names, index)));
        set(&mut out, "vlan", entry.vlan);
        set(&mut out, "dst", entry.remote.map(|remote| remote.to_string()));
        set(&mut out, "vni", entry.vni);
        set(&mut out, "port", entry.port);
        set(&mut out, "viaIf", entry.via.map(|index| name(names, index)));
        set(&mut out, "flags", Some(entry.flags.clone()));
        // `bridge` shows one state of several.
        let shown = [("permanent", "permanent"), ("noarp", "static"), ("stale", "stale"), ("reachable", "")];
        let has = |state: &str| entry.states.iter().any(|own| own == state);
        let state = shown.iter().find(|(own, _)| has(own)).map_or("unexpected", |(_, theirs)| *theirs);
        set(&mut out, "state", Some(state));
        out.into()
    });
    unordered(objects.collect())
}

/// All fields.
pub fn bridge_fdb(oracle: &Value) -> Vec<Value> {
    let objects = oracle.as_array().unwrap().iter().map(|entry| {
        let mut out = entry.as_object().unwrap().clone();
        out.insert("flags".to_owned(), sorted(entry.get("flags")));
        out.into()
    });
    unordered(objects.collect())
}
