//! The same question live and on the snapshot gives the same data.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::{CniConf, PodSpec, Worker};

#[test]
fn a_snapshot_answers_as_the_node_did() {
    let worker = Worker::start(&CniConf::bridge());
    worker.run_pod(&PodSpec::new("default", "web-0").label("app", "web").container("nginx", 1));
    worker.run_pod(&PodSpec::new("default", "hostnet").host_network());
    let two = worker.run_pod(&PodSpec::new("kube-system", "two"));
    worker.attach(&two, worker.pause_pid(&two), &CniConf::second_bridge(), "net1");
    worker.await_addresses();
    worker.podnet(&["snapshot", "/run/node.podnet"]).expect(&[0]);
    let mode = worker.exec(&["stat", "-c", "%a", "/run/node.podnet"]);
    assert_eq!(mode, "600\n");

    for question in [
        &["pods"][..],
        &["netns"],
        &["bridge"],
        &["cni"],
        &["veth", "web-0"],
        &["veth", "two"],
        &["veth", "hostnet"],
        &["routes", "host"],
        &["routes", "web-0"],
        &["routes", "web-0", "1.1.1.1"],
        &["routes", "host", "10.200.0.2"],
        &["trace", "web-0"],
        &["trace", "hostnet"],
    ] {
        let live = worker.podnet_json(question);
        let mut again = vec!["--from", "/run/node.podnet"];
        again.extend(question);
        let recorded = worker.podnet_json(&again);
        assert_eq!(live.code, recorded.code, "{question:?}\n{}\n{}", live.stderr, recorded.stderr);
        let mut sides = [live.json["data"].clone(), recorded.json["data"].clone()];
        // The looking processes themselves are among those looked at, and gone since.
        let alive = worker.exec(&["ls", "/proc"]);
        let alive: BTreeSet<u64> = alive.lines().filter_map(|name| name.parse().ok()).collect();
        for side in &mut sides {
            without_what_moves(side, &alive);
        }
        assert_ne!(sides[0], Value::Null, "{question:?}: {}", live.stderr);
        let mut differences = Vec::new();
        compare(&sides[0], &sides[1], "data", &mut differences);
        assert_eq!(differences, Vec::<String>::new(), "{question:?}");
    }
}

/// Takes out what differs between two looks at one node, whoever looks: counters, ages, the
/// processes of the looking itself, and the witness, which only a live node has.
fn without_what_moves(value: &mut Value, alive: &BTreeSet<u64>) {
    match value {
        Value::Object(fields) => {
            for name in ["stats", "witness", "age_ms", "valid_s", "preferred_s"] {
                fields.remove(name);
            }
            if let Some(Value::Array(pids)) = fields.get_mut("pids") {
                pids.retain(|pid| pid.as_u64().is_some_and(|pid| alive.contains(&pid)));
            }
            fields.values_mut().for_each(|field| without_what_moves(field, alive));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| without_what_moves(item, alive)),
        _ => {}
    }
}

/// The places where two documents differ, with both values.
fn compare(one: &Value, two: &Value, place: &str, differences: &mut Vec<String>) {
    match (one, two) {
        (Value::Object(fields), Value::Object(others)) if fields.keys().eq(others.keys()) => {
            for (name, field) in fields {
                compare(field, &others[name], &format!("{place}.{name}"), differences);
            }
        }
        (Value::Array(items), Value::Array(others)) if items.len() == others.len() => {
            for (at, (item, other)) in items.iter().zip(others).enumerate() {
                compare(item, other, &format!("{place}[{at}]"), differences);
            }
        }
        _ if one == two => {}
        _ => differences.push(format!("{place}: {one} is not {two}")),
    }
}
