//! Tables, chains, sets and objects against `nft -j list …`.

use podnet::model::netfilter::chain::{Chain, ChainKind, Policy};
use podnet::model::netfilter::object::{Object, ObjectState};
use podnet::model::netfilter::set::Set;
use podnet::model::netfilter::table::{Table, TableRef};
use serde_json::{Map, Value, json};

use super::{corpus, nft, open};
use crate::testbed::Netns;

/// The objects of a sort that nft lists, sorted by their text.
fn listed(netns: &Netns, what: &str, sort: &str) -> Vec<Value> {
    let said: Value = serde_json::from_str(&nft(netns, &["-j", "list", what], "")).unwrap();
    let objects = said["nftables"].as_array().unwrap();
    sorted(objects.iter().filter_map(|object| object.get(sort).cloned()).collect())
}

fn sorted(mut values: Vec<Value>) -> Vec<Value> {
    values.sort_by_key(ToString::to_string);
    values
}

/// Without what is not there.
fn object(parts: &[(&str, Value)]) -> Value {
    let kept = parts.iter().filter(|(_, value)| !value.is_null());
    Value::Object(kept.map(|(key, value)| ((*key).to_owned(), value.clone())).collect::<Map<_, _>>())
}

fn place(table: &TableRef) -> [(&'static str, Value); 2] {
    [("family", json!(table.family.name())), ("table", json!(table.name))]
}

fn table(table: &Table) -> Value {
    let name = ("name", json!(table.id.name));
    object(&[("family", json!(table.id.family.name())), name, ("handle", json!(table.handle))])
}

fn chain(chain: &Chain) -> Value {
    let mut parts = place(&chain.id.table).to_vec();
    parts.extend([("name", json!(chain.id.name)), ("handle", json!(chain.handle))]);
    if let Some(base) = &chain.base {
        let kind = match &base.kind {
            ChainKind::Filter => json!("filter"),
            ChainKind::Nat => json!("nat"),
            ChainKind::Route => json!("route"),
            ChainKind::Other(name) => json!(name),
        };
        let policy = if base.policy == Policy::Accept { "accept" } else { "drop" };
        parts.extend([("type", kind), ("hook", json!(base.hook.name())), ("prio", json!(base.priority))]);
        parts.push(("policy", json!(policy)));
    }
    object(&parts)
}

/// nft's names of its types, by number.
fn type_name(number: u32) -> Value {
    let name = |number: u32| match number {
        0 => "verdict",
        4 => "integer",
        7 => "ipv4_addr",
        8 => "ipv6_addr",
        12 => "inet_proto",
        13 => "inet_service",
        19 => "mark",
        other => panic!("type {other}"),
    };
    let mut parts = Vec::new();
    let mut left = number;
    while left > 0 {
        parts.insert(0, name(left & 0x3f));
        left >>= 6;
    }
    if parts.len() == 1 { json!(parts[0]) } else { json!(parts) }
}

fn set(set: &Set) -> Value {
    let flags: Vec<&str> = [(Set::CONSTANT, "constant"), (Set::INTERVAL, "interval"), (Set::TIMEOUT, "timeout")]
        .iter()
        .filter(|(flag, _)| set.is(*flag))
        .map(|(_, name)| *name)
        .collect();
    let data = match (set.is_verdict_map(), set.object_kind, set.data_type) {
        (true, ..) => json!("verdict"),
        (_, Some(1), _) => json!("counter"),
        (_, _, Some(kind)) => match type_name(kind) {
            Value::Array(parts) => {
                json!(parts.iter().map(|part| part.as_str().unwrap()).collect::<Vec<_>>().join(" . "))
            }
            one => one,
        },
        _ => Value::Null,
    };
    let mut parts = place(&set.id.table).to_vec();
    parts.extend([("name", json!(set.id.name)), ("handle", json!(set.handle)), ("type", type_name(set.key_type))]);
    parts.extend([("map", data), ("size", json!(set.size)), ("comment", json!(set.comment))]);
    parts.push(("flags", if flags.is_empty() { Value::Null } else { json!(flags) }));
    parts.push(("timeout", json!(set.timeout_ms.map(|time| time / 1000))));
    parts.push(("gc-interval", json!(set.gc_interval_ms.map(|time| time / 1000))));
    object(&parts)
}

fn named(found: &Object) -> Value {
    let mut parts = place(&found.table).to_vec();
    parts.extend([("name", json!(found.name)), ("handle", json!(found.handle)), ("comment", json!(found.comment))]);
    match &found.state {
        ObjectState::Counter(counters) => {
            parts.extend([("packets", json!(counters.packets)), ("bytes", json!(counters.bytes))]);
        }
        ObjectState::Quota(quota) => {
            let over = if quota.flags & 1 != 0 { json!(true) } else { Value::Null };
            parts.extend([("bytes", json!(quota.bytes)), ("used", json!(quota.used)), ("inv", over)]);
        }
        ObjectState::Limit(limit) => {
            let unit = if limit.unit == 60 { "minute" } else { "other" };
            parts.extend([("rate", json!(limit.rate)), ("per", json!(unit)), ("burst", json!(limit.burst))]);
        }
        ObjectState::Other(_) => {}
    }
    object(&parts)
}

#[test]
fn tables_chains_sets_and_objects_are_what_nft_lists() {
    let netns = corpus();
    let namespace = open(&netns);
    let tables = namespace.tables().value;
    let mut theirs = listed(&netns, "tables", "table");
    for told in &mut theirs {
        // nft 1.0.6 writes a table's flags from beside the string: another table's name.
        told.as_object_mut().unwrap().remove("flags");
    }
    assert_eq!(sorted(tables.iter().map(table).collect()), theirs);
    let t4 = &tables[0];
    assert_eq!(
        (t4.dormant, t4.flags, t4.comment.as_ref().map(ToString::to_string)),
        (true, 1, Some("first table".into()))
    );
    assert!(tables[1..].iter().all(|table| !table.dormant && table.comment.is_none()));
    assert!(nft(&netns, &["list", "table", "ip", "t4"], "").contains("flags dormant"));

    let all = |read: &dyn Fn(&TableRef) -> Vec<Value>| -> Vec<Value> {
        sorted(tables.iter().flat_map(|table| read(&table.id)).collect())
    };
    let chains = all(&|table| namespace.chains(table).value.iter().map(chain).collect());
    let theirs = listed(&netns, "chains", "chain");
    assert_eq!(chains, theirs);
    let base_chains: Vec<Value> = namespace.base_chains().value.iter().map(chain).collect();
    let theirs: Vec<Value> = theirs.into_iter().filter(|chain| chain["hook"].is_string()).collect();
    assert_eq!(sorted(base_chains), theirs);
    let base = namespace.base_chains().value;
    let key = |chain: &Chain| {
        let base = chain.base.clone().unwrap();
        (chain.id.table.family, base.hook, base.priority, chain.id.clone())
    };
    assert!(base.is_sorted_by_key(key), "{base:?}");
    let other = namespace.chain(&t4.id.chain("other")).value.unwrap().chain;
    assert_eq!(other.comment.unwrap(), "only jumped to");

    // nft 1.0.6 leaves devices out of its JSON.
    let devices = |family: &str, name: &str| {
        let found = base.iter().find(|chain| chain.id.table.family.name() == family && chain.id.name == name).unwrap();
        let mut devices: Vec<String> = found.base.as_ref().unwrap().devices.iter().map(ToString::to_string).collect();
        devices.sort();
        devices
    };
    let text = nft(&netns, &["list", "chains"], "");
    assert!(text.contains("ingress devices = { lo, v1 } priority -500"), "{text}");
    assert_eq!(devices("netdev", "in"), ["lo", "v1"]);
    assert!(text.contains("egress device \"lo\" priority filter + 5"), "{text}");
    assert_eq!(devices("netdev", "out"), ["lo"]);
    assert!(text.contains("ingress device \"lo\" priority filter;"), "{text}");
    assert_eq!(devices("inet", "in"), ["lo"]);
    assert_eq!(devices("ip", "base"), [""; 0]);

    let sets = all(&|table| {
        let sets = namespace.sets(table).value;
        sets.iter().filter(|found| !found.is(Set::ANONYMOUS)).map(set).collect()
    });
    let mut theirs = [listed(&netns, "sets", "set"), listed(&netns, "maps", "map")].concat();
    for told in &mut theirs {
        let told = told.as_object_mut().unwrap();
        told.remove("elem");
        told.remove("stmt");
    }
    assert_eq!(sets, sorted(theirs));

    let objects =
        all(&|table| namespace.objects(table).value.iter().filter(|object| object.kind != 3).map(named).collect());
    let sorts = [("counters", "counter"), ("quotas", "quota"), ("limits", "limit")];
    let theirs = sorts.iter().flat_map(|(what, sort)| listed(&netns, what, sort)).collect();
    assert_eq!(objects, sorted(theirs));
    let helper = namespace.objects(&t4.id).value.into_iter().find(|object| object.kind == 3).unwrap();
    assert_eq!(helper.name, "ftp-std");
    assert!(matches!(helper.state, ObjectState::Other(_)));
}
