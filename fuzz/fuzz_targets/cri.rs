//! What container runtimes and the kubelet leave as text: every parser takes any bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use podnet::wire::cri::{bundle, container, crictl, log_name, sandbox};

fuzz_target!(|bytes: &[u8]| {
    let _ = sandbox::parse(bytes);
    let _ = container::parse(bytes);
    let _ = bundle::parse(bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = crictl::parse(text);
        let _ = log_name::pod_folder(text);
        let _ = log_name::container_link(text);
    }
});
