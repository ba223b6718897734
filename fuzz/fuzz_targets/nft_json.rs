//! nft's JSON: any text is read or refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use podnet::analyze::notation::nft;
use podnet::wire::nft_json;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let read = nft_json::ruleset(text);
    // What was read can be written, whatever it is.
    for table in &read.value.contents {
        for rules in &table.chains.value {
            let _ = nft::chain_head(&rules.chain);
            for rule in &rules.rules {
                let _ = nft::rule_line(rule, table.table.family, table);
            }
        }
        for (set, held) in table.sets.value.iter().zip(&table.elements) {
            let _ = nft::set(set, &held.elements.value, table);
        }
    }
});
