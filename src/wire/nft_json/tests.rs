//! Hostile files: bounded, no panic, and what is wrong is told by item.

use serde_json::{Value, json};

use super::*;
use crate::model::netfilter::expr::Expr;

const KUBE_PROXY: &str = include_str!("../../../fixtures/rules/nft/kube-proxy-1.36.json");

fn details(text: &str) -> Vec<String> {
    ruleset(text).issues.iter().map(|issue| issue.why.detail().to_owned()).collect()
}

/// The expressions of one rule in `table ip t`.
fn rule(statements: &Value) -> Vec<Expr> {
    let items = json!({ "nftables": [
        { "chain": { "family": "ip", "table": "t", "name": "c" } },
        { "rule": { "family": "ip", "table": "t", "chain": "c", "handle": 1, "expr": statements } },
    ] });
    let read = parse(&items.to_string());
    assert_eq!(read.issues, []);
    let Body::Nft(exprs) = &read.value[0].chains.value[0].rules[0].body else { panic!("not nft") };
    exprs.clone()
}

fn is_unknown(expr: &Expr, wanted: &str) -> bool {
    matches!(expr, Expr::Unknown { name, .. } if *name == wanted)
}

#[test]
fn what_is_no_ruleset_is_told_with_its_place() {
    assert_eq!(details("{\n  nonsense"), ["key must be a string at line 2 column 3"]);
    assert_eq!(details("{}"), ["no list \"nftables\" in it"]);
    assert_eq!(details(&"[".repeat(100_000)), ["recursion limit exceeded at line 1 column 128"]);
}

#[test]
fn an_item_that_cannot_be_read_is_told_and_the_others_are_read() {
    let items = json!({ "nftables": [
        1,
        { "flowtable": { "family": "ip", "table": "t", "name": "f" } },
        { "table": { "family": "ip", "name": "t", "handle": 1 } },
        { "rule": { "family": "ip", "table": "t", "chain": "gone", "handle": 2, "expr": [ { "drop": null } ] } },
    ] });
    let read = ruleset(&items.to_string());
    let told: Vec<&str> = read.issues.iter().map(|issue| issue.why.detail()).collect();
    assert_eq!(
        told,
        [
            "item 0 of \"nftables\": not an object",
            "item 1 of \"nftables\": the flowtable \"f\" cannot be read back",
            "item 3 of \"nftables\": a rule of the chain gone, which is not in the file",
        ]
    );
    assert_eq!(read.value.tables.len(), 1);
    assert_eq!(read.value.contents[0].chains.value[0].rules.len(), 1);
}

#[test]
fn complaints_are_bounded() {
    let items = json!({ "nftables": vec![1; 10_000] });
    assert_eq!(details(&items.to_string()).len(), COMPLAINTS);
}

#[test]
fn a_statement_that_podnet_does_not_know_stays_as_it_stands() {
    let exprs = rule(
        &json!([{ "synproxy": { "mss": 1460 } }, { "accept": null }, { "xt": { "type": "match", "name": "recent" } }]),
    );
    assert_eq!(exprs.len(), 3);
    assert!(is_unknown(&exprs[0], "synproxy") && is_unknown(&exprs[2], "recent"), "{exprs:?}");
    let Expr::Unknown { data, .. } = &exprs[0] else { panic!("known") };
    assert_eq!(data.0, br#"{"synproxy":{"mss":1460}}"#);
}

#[test]
fn half_a_statement_leaves_nothing_behind() {
    let left = json!({ "payload": { "protocol": "tcp", "field": "dport" } });
    for right in [
        json!("https-or-so"),
        json!(65536),
        json!(-1),
        json!({ "range": [1] }),
        json!("@gone"),
        json!([1]),
        json!({ "prefix": { "addr": 1, "len": 99 } }),
    ] {
        let exprs = rule(&json!([{ "match": { "op": "==", "left": left, "right": right } }]));
        assert!(exprs.len() == 1 && is_unknown(&exprs[0], "match"), "{right}: {exprs:?}");
    }
}

#[test]
fn absurd_lengths_fit_no_register() {
    let many = vec![json!({ "payload": { "protocol": "ip6", "field": "saddr" } }); 1000];
    let exprs = rule(&json!([{ "match": { "op": "==", "left": { "concat": many }, "right": "@s" } }]));
    assert!(is_unknown(&exprs[0], "match"));
    let raw = json!({ "payload": { "base": "nh", "offset": u32::MAX, "len": u32::MAX } });
    assert!(is_unknown(&rule(&json!([{ "match": { "op": "==", "left": raw, "right": 1 } }]))[0], "match"));
    let label = json!([{ "match": { "op": "in", "left": { "ct": { "key": "label" } }, "right": u64::MAX } }]);
    assert!(is_unknown(&rule(&label)[0], "match"));
}

#[test]
fn no_cut_of_a_real_file_panics() {
    for at in (0..KUBE_PROXY.len()).step_by(997) {
        let _ = ruleset(&KUBE_PROXY[..at]);
    }
}

#[test]
fn no_member_less_of_a_real_file_panics() {
    fn without(json: &Value, skip: &mut i64) -> Value {
        match json {
            Value::Array(list) => Value::Array(list.iter().map(|inner| without(inner, skip)).collect()),
            Value::Object(object) => {
                let mut kept = serde_json::Map::new();
                for (name, inner) in object {
                    *skip -= 1;
                    if *skip != 0 {
                        kept.insert(name.clone(), without(inner, skip));
                    }
                }
                Value::Object(kept)
            }
            other => other.clone(),
        }
    }
    let whole: Value = serde_json::from_str(KUBE_PROXY).unwrap();
    for at in (1..3000).step_by(37) {
        let _ = ruleset(&without(&whole, &mut at.clone()).to_string());
    }
}

#[test]
fn the_recording_of_a_real_cluster_is_read_whole() {
    let read = ruleset(KUBE_PROXY);
    assert_eq!(read.issues, []);
    let unknown = |table: &TableSections| {
        let rules = table.chains.value.iter().flat_map(|rules| &rules.rules);
        rules
            .filter_map(|rule| match &rule.body {
                Body::Nft(exprs) => Some(exprs),
                Body::Xt(_) => None,
            })
            .flatten()
            .any(|expr| matches!(expr, Expr::Unknown { .. }))
    };
    let proxies: Vec<&TableSections> =
        read.value.contents.iter().filter(|table| table.table.name == "kube-proxy").collect();
    assert_eq!(proxies.len(), 2);
    assert!(!proxies.into_iter().any(unknown));
}
