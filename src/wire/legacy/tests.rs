use super::*;
use crate::model::netfilter::table::{Family, TableRef};

const INFO: usize = 84;
const IP: &[u8] = include_bytes!("../../../fixtures/rules/legacy/filter.ip.bin");
const IP6: &[u8] = include_bytes!("../../../fixtures/rules/legacy/filter.ip6.bin");

fn table(family: Family, bytes: &[u8]) -> Option<LegacyTable> {
    let info = Info::parse(bytes.get(..INFO)?).ok()?;
    Some(LegacyTable::new(TableRef::legacy(family, "filter"), &info, bytes.to_vec(), INFO))
}

/// Everything there is to be asked.
fn ask(table: &LegacyTable) -> usize {
    let chains = table.chains();
    let one_by_one: Vec<_> = chains.iter().map(|chain| table.rules(&chain.id.name).unwrap()).collect();
    let all: Vec<_> = table.all_rules().collect();
    assert_eq!(one_by_one.len(), all.len());
    assert!(table.base_chains().len() <= chains.len());
    all.iter().map(|(rules, _)| rules.rules.len()).sum()
}

#[test]
fn whole_tables_have_no_problems() {
    for (family, bytes) in [(Family::Ip, IP), (Family::Ip6, IP6)] {
        let table = table(family, bytes).unwrap();
        assert_eq!(table.problems(), []);
        assert_eq!(ask(&table), 7);
        assert!(table.all_rules().all(|(_, problem)| problem.is_none()));
        let names: Vec<String> = table.chains().iter().map(|chain| chain.id.name.to_string()).collect();
        assert_eq!(names, ["FORWARD", "INPUT", "OUTPUT", "one", "two"]);
    }
}

#[test]
fn a_table_cut_short_is_told_as_such() {
    for (family, bytes) in [(Family::Ip, IP), (Family::Ip6, IP6)] {
        for length in INFO..bytes.len() {
            let table = table(family, &bytes[..length]).unwrap();
            assert_ne!(table.problems(), []);
            ask(&table);
        }
    }
}

#[test]
fn flipped_bits_are_read_without_a_panic() {
    for (family, bytes) in [(Family::Ip, IP), (Family::Ip6, IP6)] {
        // One bit of each byte, each time another: all of them take long.
        for byte in 0..bytes.len() {
            let mut flipped = bytes.to_vec();
            flipped[byte] ^= 1 << (byte * 5 % 8);
            ask(&table(family, &flipped).unwrap());
        }
    }
}

#[test]
fn a_table_read_as_the_other_family_is_bounded() {
    for (family, bytes) in [(Family::Ip6, IP), (Family::Ip, IP6)] {
        ask(&table(family, bytes).unwrap());
    }
}

#[test]
fn a_jump_to_nowhere_stays_unknown() {
    use crate::model::netfilter::rule::Body;
    use crate::model::netfilter::xt::targets::Target;
    // The first rule's jump: its verdict is the last four bytes but four of its entry.
    let mut bytes = IP.to_vec();
    let next = usize::from(u16_at(&bytes, INFO + 90).unwrap());
    let place = INFO + next - 8;
    bytes[place..place + 4].copy_from_slice(&3_u32.to_ne_bytes());
    let table = table(Family::Ip, &bytes).unwrap();
    let (input, _) = table.rules(&"INPUT".into()).unwrap();
    let Body::Xt(rule) = &input.rules[0].body else { panic!() };
    assert!(matches!(rule.target.does, Target::Unknown(_)));
}
