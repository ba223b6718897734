//! The command on a snapshot file: the same answer as JSON, that fits its schema, and its exit code.

use std::process::Command;

use serde_json::Value;

use crate::oracle::expected;
use crate::world::Rules;

/// Runs `podnet --from FILE services …` on the recorded worker.
fn run(rules: Rules, arguments: &[&str]) -> (i32, String, String) {
    let file = tempfile::NamedTempFile::new().unwrap();
    serde_json::to_writer(&file, &rules.node()).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_podnet"))
        .arg("--from")
        .arg(file.path())
        .arg("services")
        .args(arguments)
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn all_services_as_json_name_each_one_and_say_what_the_schema_says() {
    let output = Command::new(env!("CARGO_BIN_EXE_podnet")).args(["schema", "services"]).output().unwrap();
    let schema: Value = serde_json::from_slice(&output.stdout).unwrap();
    for rules in Rules::RECORDED {
        let (code, out, told) = run(rules, &["-o", "json"]);
        let document: Value = serde_json::from_str(&out).unwrap();
        assert_eq!((code, document["issues"].as_array().unwrap().len()), (0, 0), "{told}{}", document["issues"]);
        assert_eq!(document["schema"], "podnet/services/v1");
        let names: Vec<&Value> =
            document["data"]["services"].as_array().unwrap().iter().map(|port| &port["title"]).collect();
        let wanted = expected(rules);
        assert_eq!(names, wanted.iter().map(|port| &port["name"]).collect::<Vec<_>>());
        let mut unknown = Vec::new();
        fields(&schema, &schema, &document, "", &mut unknown);
        assert_eq!(unknown, Vec::<String>::new());
    }
}

/// Fields that the schema does not know, through references and unions.
fn fields(root: &Value, schema: &Value, value: &Value, place: &str, unknown: &mut Vec<String>) {
    if let Some(items) = value.as_array() {
        let parts = all(root, schema, &|schema| schema.get("items").cloned());
        for item in items {
            let one = Value::Object([("anyOf".to_owned(), Value::Array(parts.clone()))].into_iter().collect());
            fields(root, &one, item, place, unknown);
        }
    }
    for (name, field) in value.as_object().into_iter().flatten() {
        let known = all(root, schema, &|schema| schema["properties"].get(name).cloned());
        let place = format!("{place}.{name}");
        if known.is_empty() {
            unknown.push(place);
            continue;
        }
        let one = Value::Object([("anyOf".to_owned(), Value::Array(known))].into_iter().collect());
        fields(root, &one, field, &place, unknown);
    }
}

fn all(root: &Value, schema: &Value, pick: &dyn Fn(&Value) -> Option<Value>) -> Vec<Value> {
    let mut found: Vec<Value> = pick(schema).into_iter().collect();
    if let Some(target) = schema["$ref"].as_str().and_then(|target| root.pointer(target.trim_start_matches('#'))) {
        found.extend(all(root, target, pick));
    }
    for choice in ["anyOf", "oneOf", "allOf"].iter().filter_map(|union| schema[union].as_array()).flatten() {
        found.extend(all(root, choice, pick));
    }
    found
}

#[test]
fn the_exit_code_and_the_words_of_an_error() {
    let (code, out, told) = run(Rules::Iptables, &["kube"]);
    assert_eq!((code, out.as_str()), (2, ""));
    assert_eq!(told, "podnet: \"kube\" is ambiguous: default/kubernetes, kube-system/kube-dns\n");
    let (code, out, told) = run(Rules::Nftables, &["default/web:http", "--endpoints"]);
    assert_eq!((code, told.as_str()), (0, ""));
    assert_eq!(
        out,
        "default/web:http  tcp  →  3 endpoints    kube-proxy, nftables\n  1/3  10.200.0.33:80\n  1/3  10.200.0.34:80\n  \
         1/3  10.200.1.25:80\n  chain service-SUSTUHLJ-default/web/tcp/http; only what was asked for was looked up\n"
    );
    assert_eq!(run(Rules::Iptables, &["--endpoints"]).0, 2);
}

#[test]
fn the_same_question_gives_the_same_bytes() {
    for rules in [Rules::Iptables, Rules::Nftables130] {
        // All but the name of the file.
        let ask = || run(rules, &["-o", "json"]).1.split_once("\"data\"").unwrap().1.to_owned();
        assert!(ask() == ask());
    }
}
