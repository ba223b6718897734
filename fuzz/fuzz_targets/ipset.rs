//! Any bytes as messages of a listing of ipsets: sets and members, or complaints. What is told of a member can be asked.
#![no_main]

use libfuzzer_sys::fuzz_target;
use podnet::wire::ipset::{self, request};
use podnet::wire::netlink::frame;

fuzz_target!(|datagram: &[u8]| {
    let (mut found, errors) = (Vec::new(), &mut Vec::new());
    for message in frame::messages(datagram).flatten() {
        ipset::listed(message.payload, &mut found, errors);
        let _ = ipset::header(message.payload, errors);
    }
    for listed in &found {
        for member in &listed.members {
            let _ = request::test(request::PROTOCOLS[0], &listed.set, &member.entry);
        }
    }
});
