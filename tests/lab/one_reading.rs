//! One reading of a node answers the same, asked live and from the snapshot that was made of it.

use std::net::IpAddr;

use jiff::Timestamp;
use podnet::analyze::answer::Answer;
use podnet::analyze::identity::PodQuery;
use podnet::analyze::routes::Subject;
use podnet::analyze::rules::RulesQuery;
use podnet::analyze::{bridge, cni, nat, netns, pods, routes, rules, trace, veth};
use podnet::collect::live::{LabOptions, LiveNode};
use podnet::model::netfilter::chain::Hook;
use podnet::model::route::RouteQuery;
use podnet::model::sandbox::SandboxFilter;
use podnet::model::snapshot::Snapshot;
use podnet::model::view::NodeView;
use serde::Serialize;
use serde_json::Value;

use crate::harness::Lab;

#[test]
fn every_command_answers_the_same_live_and_from_the_snapshot_of_that_reading() {
    let lab = Lab::up(&["--workers", "2", "--pods", "5"]);
    let options = LabOptions { lab: lab.name.clone(), worker: None, now: Timestamp::UNIX_EPOCH };
    // The kernel gives an address that it still probes no part in what the witness says a moment later.
    lab.settle();
    let nodes = LiveNode::open_lab(&options).expect("the lab opens");
    assert_eq!(nodes.len(), 2);
    for node in &nodes {
        let snapshot = Snapshot::take(node, "test", &mut |_, _| {});
        // By way of its file, so that nothing is lost in writing either.
        let file = serde_json::to_vec(&snapshot).expect("writes");
        let snapshot: Snapshot = serde_json::from_slice(&file).expect("reads");
        let live = answers(node);
        let written = answers(&snapshot);
        assert!(live.len() > 12, "{}", live.len());
        assert_eq!(live.len(), written.len());
        for ((question, live), (_, written)) in live.into_iter().zip(written) {
            assert_eq!(live, written, "{question} on {}", node.node().name);
        }
    }
}

/// What each command says of a node, by question.
fn answers(node: &dyn NodeView) -> Vec<(String, Value)> {
    let nodes = [node];
    let mut all = vec![
        ("pods".to_owned(), told(&pods::pods(&nodes, &pods::PodsQuestion { pids: true, ..Default::default() }))),
        ("netns".to_owned(), told(&netns::netns(&nodes, None).expect("netns answers"))),
        ("bridge".to_owned(), told(&bridge::bridge(&nodes, None).expect("bridge answers"))),
        ("cni".to_owned(), told(&cni::cni(&nodes))),
    ];
    let mut subjects = vec![Subject { node, netns: node.node().host_netns, title: "host".to_owned() }];
    for sandbox in &node.sandboxes(&SandboxFilter::All).value {
        let pod = sandbox.pod.to_string();
        let query = PodQuery::new(pod.clone());
        all.push((format!("veth {pod}"), told(&veth::veth(&nodes, &query).expect("veth answers"))));
        all.push((format!("nat {pod}"), told(&nat::nat(&nodes, &query).expect("nat answers"))));
        all.push((format!("trace {pod}"), told(&trace::trace(&nodes, &query).expect("trace answers"))));
        subjects.push(Subject { node, netns: sandbox.netns.expect("a namespace"), title: pod });
    }
    let named = RulesQuery::of_words(&["ip".into(), "nat".into()], None, None).expect("a table");
    let questions = [RulesQuery::default(), named].into_iter().map(|query| (format!("{query:?}"), query));
    let hooks = Hook::ALL.map(|hook| (hook.to_string(), RulesQuery { hook: Some(hook), ..RulesQuery::default() }));
    for (words, query) in questions.chain(hooks) {
        all.push((format!("rules {words}"), told(&rules::rules(&nodes, &query).expect("rules answers"))));
    }
    for subject in &subjects {
        all.push((format!("routes {}", subject.title), told(&routes::routes(subject, None))));
        for destination in
            ["10.200.0.2", "10.200.1.2", "10.240.0.1", "198.51.100.10", "127.0.0.1", "fe80::1", "ff02::1"]
        {
            let query = RouteQuery::to(destination.parse::<IpAddr>().expect("an address"));
            let answer = routes::routes(subject, Some(&query));
            all.push((format!("routes {} {destination}", subject.title), told(&answer)));
        }
    }
    all
}

/// The answer's data and exit code, without what only a live node has.
fn told<T: Serialize>(answer: &Answer<T>) -> Value {
    let mut data = serde_json::to_value(&answer.data).expect("serialises");
    without_witness(&mut data);
    serde_json::json!({ "data": data, "exit": answer.exit_code(), "issues": answer.issues })
}

fn without_witness(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.remove("witness");
            fields.values_mut().for_each(without_witness);
        }
        Value::Array(items) => items.iter_mut().for_each(without_witness),
        _ => {}
    }
}
