//! Tables of ip_tables: any bytes make a table, whose every chain can be asked.
#![no_main]

use libfuzzer_sys::fuzz_target;
use podnet::model::netfilter::table::{Family, TableRef};
use podnet::wire::legacy::{Info, LegacyTable};

/// `sizeof(struct ipt_getinfo)`
const INFO: usize = 84;

fuzz_target!(|bytes: &[u8]| {
    let Some(info) = bytes.get(..INFO).and_then(|bytes| Info::parse(bytes).ok()) else { return };
    for family in [Family::Ip, Family::Ip6] {
        let table = LegacyTable::new(TableRef::legacy(family, "nat"), &info, bytes.to_vec(), INFO);
        for chain in table.chains() {
            assert!(table.rules(&chain.id.name).is_some());
        }
        assert_eq!(table.all_rules().count(), table.chains().len());
    }
});
