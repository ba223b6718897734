//! Any bytes as the text of `iptables-save`: tables or issues, the same ones each time.
#![no_main]

use libfuzzer_sys::fuzz_target;
use podnet::wire::xt_save;

fuzz_target!(|bytes: &[u8]| {
    let _ = xt_save::is_save(bytes);
    let read = xt_save::parse(bytes, None);
    assert_eq!(read, xt_save::parse(bytes, None));
});
