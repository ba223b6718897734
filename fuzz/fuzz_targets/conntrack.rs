//! Any bytes as messages of ctnetlink: flows, expectations and statistics, or complaints. A flow's addresses can be asked for.
#![no_main]

use libfuzzer_sys::fuzz_target;
use podnet::model::flow::filter::FlowFilter;
use podnet::model::flow::statistics::Statistics;
use podnet::wire::conntrack::{self, request};
use podnet::wire::netlink::frame;

fuzz_target!(|datagram: &[u8]| {
    let errors = &mut Vec::new();
    let mut totals = Statistics::default();
    for message in frame::messages(datagram).flatten() {
        if let Some(flow) = conntrack::flow(message.payload, errors) {
            for filter in FlowFilter::places_of(flow.original.src) {
                let _ = request::flows(&request::kernel_part(&filter));
            }
        }
        let _ = conntrack::expectation(message.payload, errors);
        let _ = conntrack::cpu_statistics(message.payload, errors);
        conntrack::fill_totals(message.payload, &mut totals, errors);
    }
});
