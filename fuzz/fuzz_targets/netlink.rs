//! Any bytes as a datagram: framing, attributes, refusals.
#![no_main]

use libfuzzer_sys::fuzz_target;
use podnet::wire::netlink::{answer, attr, frame};

fuzz_target!(|datagram: &[u8]| {
    for message in frame::messages(datagram).flatten() {
        let _ = answer::refusal(&message);
        let _ = answer::done(&message);
        for found in attr::attrs(message.payload).flatten() {
            let _ = (found.u8(), found.u16(), found.be16(), found.u32(), found.i32(), found.u64(), found.be64());
            let _ = (found.address(), found.text(), found.nested().count());
        }
    }
});
