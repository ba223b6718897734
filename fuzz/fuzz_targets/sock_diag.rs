//! Any bytes as messages of sock_diag: sockets, or complaints.
#![no_main]

use libfuzzer_sys::fuzz_target;
use podnet::wire::netlink::frame;
use podnet::wire::sock_diag;

fuzz_target!(|datagram: &[u8]| {
    let errors = &mut Vec::new();
    for message in frame::messages(datagram).flatten() {
        for protocol in [6, 17, 132] {
            let _ = sock_diag::socket(message.payload, protocol, errors);
        }
    }
});
