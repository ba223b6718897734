//! The files of CNI: every parser takes any bytes under any name.
#![no_main]

use libfuzzer_sys::fuzz_target;
use podnet::wire::cni::{cache, conf, lease};

fuzz_target!(|bytes: &[u8]| {
    let _ = conf::network("10-a.conf", bytes);
    let _ = conf::network("10-a.conflist", bytes);
    let _ = cache::entry("/var/lib/cni/results/bridge-7b15dcb5-eth0", bytes);
    let _ = lease::lease("/var/lib/cni/networks/bridge", "bridge", "10.200.0.32", bytes);
    if let Ok(name) = std::str::from_utf8(bytes) {
        let _ = conf::is_configuration(name);
        let _ = cache::entry(name, b"{}");
        let _ = lease::lease("/l", "n", name, b"id\r\neth0");
    }
});
