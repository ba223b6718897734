//! A whole table, and what filters take out of it.

use std::ops::ControlFlow;

use podnet::collect::kernel::{Kernel, Namespace};
use podnet::model::flow::Flow;
use podnet::model::flow::filter::FlowFilter;

use crate::oracle::{Words, listed, put, words};
use crate::random::{Random, flows};
use crate::testbed::Netns;

pub fn open(netns: &Netns) -> Namespace {
    Kernel::new().unwrap().open(&netns.handle())
}

/// What podnet reads with these filters, in the order in which it comes.
pub fn read(namespace: &Namespace, filters: &[FlowFilter]) -> Vec<Flow> {
    let mut flows = Vec::new();
    let read = namespace.flows(filters, &mut |flow| {
        flows.push(flow.clone());
        ControlFlow::Continue(())
    });
    assert_eq!(read.issues, []);
    flows
}

/// The words of flows, sorted, seconds left apart.
pub fn told(flows: &[Flow]) -> Vec<(Words, Option<u32>)> {
    let mut told: Vec<_> = flows.iter().map(words).collect();
    told.sort();
    told
}

#[test]
fn every_field_of_fifty_thousand_random_flows_is_as_conntrack_tells_it() {
    let netns = Netns::new();
    put(&netns, &flows(50_000, &mut Random(0x9e37_79b9_7f4a_7c15)));
    let namespace = open(&netns);
    let before = listed(&netns, &[]);
    let ours = told(&read(&namespace, &[FlowFilter::default()]));
    let after = listed(&netns, &[]);
    assert_eq!(before.len(), 50_000);
    for ((ours, before), after) in ours.iter().zip(&before).zip(&after) {
        assert_eq!((&ours.0, &ours.0), (&before.0, &after.0));
        assert!(before.1 >= ours.1 && ours.1 >= after.1, "{before:?} {ours:?} {after:?}");
    }
    assert_eq!((ours.len(), after.len()), (before.len(), before.len()));
}
