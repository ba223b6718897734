//! Strings that pods and programs choose reach a terminal escaped, and JSON whole.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use crate::check::row;
use crate::support::{CniConf, PodSpec, Worker};

const LABEL: &str = "\x1b]0;owned\x07\x1b[31m\u{202e}red";

#[test]
fn a_label_with_escape_sequences() {
    let worker = Worker::start(&CniConf::bridge());
    let pod = worker.run_pod(&PodSpec::new("default", "web-0").label("evil", LABEL));
    let named = worker.run_pod(&PodSpec::new("default", "\x1b[2Jweb\u{202e}").by_hand());

    let json = worker.podnet_json(&["pods"]);
    let told = row(json.data(&[0]), &pod);
    assert_eq!(told["labels"]["evil"], LABEL, "{told:#}");
    row(json.data(&[0]), &named);
    for arguments in
        [&["pods"][..], &["pods", "-o", "wide"], &["trace", &named.sandbox], &["trace", "web-0"], &["netns"]]
    {
        let table = worker.podnet(arguments);
        table.expect(&[0]);
        assert_clean(&table.stdout);
    }
}

#[test]
fn an_interface_name_with_bytes_that_are_no_text() {
    let worker = Worker::start(&CniConf::bridge());
    let pod = worker.run_pod(&PodSpec::new("default", "web-0"));
    let pid = worker.pause_pid(&pod).to_string();
    let evil = OsStr::from_bytes(b"v\xff\x1b[31m");
    let pair = ["nsenter", "--net", "--target", &pid, "ip", "link", "add", "name"].map(OsStr::new);
    let kind = ["type", "veth", "peer", "name", "plain"].map(OsStr::new);
    let argv: Vec<&OsStr> = pair.into_iter().chain([evil]).chain(kind).collect();
    worker.exec(&argv);

    let json = worker.podnet_json(&["veth", "web-0"]);
    let interfaces = json.data(&[0, 1])["interfaces"].as_array().expect("interfaces");
    let name = &interfaces.last().expect("the evil one")["link"]["name"];
    assert_eq!(*name, serde_json::json!({ "text": "v\\xff\u{1b}[31m", "hex": "76ff1b5b33316d" }));
    for arguments in [&["veth", "web-0"][..], &["trace", "web-0"], &["pods"], &["routes", "web-0"]] {
        let table = worker.podnet(arguments);
        table.expect(&[0, 1]);
        assert_clean(&table.stdout);
    }
}

/// No control character but the end of a line, and none that turns the text's direction.
fn assert_clean(bytes: &[u8]) {
    let text = std::str::from_utf8(bytes).expect("UTF-8");
    let bad: Vec<char> =
        text.chars().filter(|c| (c.is_control() && *c != '\n') || ('\u{202a}'..='\u{202e}').contains(c)).collect();
    assert!(bad.is_empty(), "{bad:?} in {text:?}");
}
