//! Where answers go, and that they are the same each time.

use std::io::pipe;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::{NODE, QUESTIONS, is_answer, podnet, run};

#[test]
fn json_is_one_enveloped_document_and_the_same_bytes_each_time() {
    for question in QUESTIONS {
        let ask = || run(podnet(&["--from", NODE, "-o", "json"]).args(question));
        let first = ask();
        assert!(is_answer(&first), "{question:?}: {}", first.err);
        assert_eq!(first.out, ask().out, "{question:?}");
        assert!(first.out.ends_with("}\n"), "{question:?}");

        let document: Value = serde_json::from_str(&first.out).unwrap();
        let keys: Vec<&String> = document.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["data", "issues", "nodes", "schema"], "{question:?}");
        assert_eq!(document["schema"], format!("podnet/{}/v1", question[0]));
        assert_eq!(document["nodes"][0]["name"], "worker-0", "{question:?}");
        assert_eq!(document["nodes"][0]["source"], NODE, "{question:?}");
    }
}

#[test]
fn tables_are_the_same_each_time_and_plain_when_nobody_looks() {
    for question in QUESTIONS {
        for format in ["table", "wide"] {
            let ask = || run(podnet(&["--from", NODE, "-o", format]).args(question));
            let first = ask();
            assert!(is_answer(&first), "{question:?}: {}", first.err);
            assert!(!first.out.is_empty() && first.out.ends_with('\n'), "{question:?}");
            assert!(!first.out.contains('\x1b'), "{question:?} colours a pipe");
            assert_eq!(first.out, ask().out, "{question:?}");
        }
    }
}

#[test]
fn colour_is_always_or_never_when_that_is_asked_for() {
    let ask = |when: &str| run(podnet(&["--from", NODE, "--color", when, "pods"]).env("NO_COLOR", "1")).out;
    assert!(ask("always").contains('\x1b'));
    assert!(!ask("never").contains('\x1b'));
}

#[test]
fn two_files_are_two_nodes() {
    let ran = run(&mut podnet(&["--from", NODE, "--from", NODE, "-o", "json", "pods"]));
    let document: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(document["nodes"].as_array().unwrap().len(), 2);
}

#[test]
fn a_closed_pipe_is_not_an_error() {
    let others: [&[&str]; 5] =
        [&["--help"], &["man"], &["completions", "bash"], &["schema", "pods"], &["snapshot", "-"]];
    for question in QUESTIONS.iter().chain(&others) {
        let node = if matches!(question[0], "man" | "completions" | "schema") { &[][..] } else { &["--from", NODE] };
        for format in ["table", "json"] {
            let (reader, writer) = pipe().unwrap();
            drop(reader);
            let output = Command::new(env!("CARGO_BIN_EXE_podnet"))
                .args(node)
                .args(["-o", format])
                .args(*question)
                .stdout(writer)
                .stderr(Stdio::piped())
                .output()
                .unwrap();
            let err = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!((output.status.code(), err.as_str()), (Some(0), ""), "{question:?} {format}");
        }
    }
}

#[test]
fn a_snapshot_of_a_snapshot_answers_the_same() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["again.json", "again.json.gz"] {
        let copy = folder.path().join(name);
        let copy = copy.to_str().unwrap();
        let wrote = run(&mut podnet(&["--from", NODE, "snapshot", copy]));
        // 3: the recording has no sysctls of links, and the copy says so.
        assert_eq!((wrote.code, wrote.out.as_str()), (3, ""), "{}", wrote.err);
        assert!(wrote.err.starts_with(&format!("podnet: wrote {copy}\n")), "{}", wrote.err);
        for question in QUESTIONS {
            let ask = |file: &str| {
                let ran = run(podnet(&["--from", file, "-o", "json"]).args(question));
                let document: Value = serde_json::from_str(&ran.out).unwrap();
                (document["data"].clone(), document["issues"].clone(), ran.code)
            };
            assert_eq!(ask(NODE), ask(copy), "{question:?}");
        }
        let again = run(&mut podnet(&["--from", NODE, "snapshot", copy]));
        assert_eq!(again.code, 2);
        assert!(again.err.contains("exists; --force replaces it"), "{}", again.err);
        assert_eq!(run(&mut podnet(&["--from", NODE, "snapshot", "--force", copy])).code, 3);
    }
}

#[test]
fn a_masked_snapshot_answers_every_question_and_names_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let masked = folder.path().join("masked.json");
    let masked = masked.to_str().unwrap();
    assert_eq!(run(&mut podnet(&["--from", NODE, "snapshot", "--redact", masked])).code, 3);
    let text = std::fs::read_to_string(masked).unwrap();
    for secret in
        ["nginx", "coredns-a", "worker-0", "two-containers", "10.200.0.", "10.240.0.", "2e1c5739", "7b15dcb5f793"]
    {
        assert!(!text.contains(secret), "{secret} is still in it");
    }
    let pids = |file: &str| -> Vec<u64> {
        let ran = run(&mut podnet(&["--from", file, "-o", "json", "pods"]));
        let answer: Value = serde_json::from_str(&ran.out).unwrap();
        let pods = answer["data"]["pods"].as_array().unwrap();
        let mut pids: Vec<u64> = pods.iter().map(|pod| pod["pause_pid"].as_u64().unwrap()).collect();
        pids.sort_unstable();
        pids
    };
    assert_eq!(pids(masked), pids(NODE));
    for pid in pids(NODE) {
        for command in ["veth", "trace"] {
            let shape = |file: &str| {
                let ran = run(&mut podnet(&["--from", file, command, &format!("pid:{pid}")]));
                (ran.code, ran.out.lines().count(), ran.err.lines().count())
            };
            assert_eq!(shape(masked), shape(NODE), "{command} {pid}");
        }
    }
}

#[test]
fn what_a_command_needs_a_live_node_for_is_said() {
    super::assert_refused(&["--from", NODE, "enter", "nginx", "--", "true"], "a snapshot cannot be entered");
    super::assert_refused(&["--from", NODE, "--from", NODE, "snapshot", "-"], "a snapshot holds one node");
    super::assert_refused(&["--from", NODE, "veth", "nope"], "\"nope\" names no pod on worker-0");
}
