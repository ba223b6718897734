//! Any bytes as a datagram of nf_tables messages: each decoder gives a value or a complaint. The trace of rules bears
//! the headers of packets, so any bytes are a packet too.
#![no_main]

use libfuzzer_sys::fuzz_target;
use podnet::wire::netlink::frame;
use podnet::wire::nf_tables::{chain, element, generation, hook, object, rule, set, table, trace};
use podnet::wire::packet;

fuzz_target!(|datagram: &[u8]| {
    let _ = packet::packet(datagram);
    for message in frame::messages(datagram).flatten() {
        let errors = &mut Vec::new();
        let _ = table::table(message.payload, errors);
        let _ = chain::chain(message.payload, errors);
        let _ = rule::rule(message.payload, errors);
        let _ = set::set(message.payload, errors);
        element::elements(message.payload, &mut Vec::new(), errors);
        let _ = object::object(message.payload, errors);
        let _ = hook::entry(message.payload, errors);
        let _ = generation::generation(message.payload, errors);
        let traced = trace::traced(message.payload, errors);
        let _ = traced.and_then(|traced| packet::packet(&traced.headers?));
    }
});
