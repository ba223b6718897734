//! Every target with the options people use, against both `iptables-save` programs.

use podnet::analyze::notation::save;
use podnet::model::netfilter::table::Family;
use podnet::model::text::unhex;
use podnet::wire::xt::xt_target;

use crate::compat::{BACK_ENDS, FAMILIES, compare, inside, restore};
use crate::testbed::Netns;

const CORPORA: [&str; 2] = [
    include_str!("../../fixtures/rules/xt/targets.ip.rules"),
    include_str!("../../fixtures/rules/xt/targets.ip6.rules"),
];

const OLDER: &str = include_str!("../../fixtures/rules/xt/targets-older.tsv");

fn with_sets(family: &str) -> Netns {
    let netns = Netns::new();
    let family = if family == "ip6tables" { "inet6" } else { "inet" };
    // The first is removed again: numbers and places in the list are not the same.
    let script = format!(
        "create gone hash:ip
create s1 hash:ip timeout 5 family {family}
create s2 hash:ip,port family {family}
create s3 hash:ip skbinfo family {family}
destroy gone
"
    );
    inside(&netns, &["ipset", "restore"], &script);
    netns
}

#[test]
fn targets_of_both_families_and_back_ends() {
    for (family, rules) in FAMILIES.into_iter().zip(CORPORA) {
        let wanted = rules.lines().filter(|line| line.starts_with('[')).count();
        for back_end in BACK_ENDS {
            let netns = with_sets(family.1);
            restore(&netns, family.1, back_end.1, rules);
            assert_eq!(compare(&netns, family, back_end), wanted);
        }
    }
}

#[test]
fn older_revisions_are_written_though_iptables_calls_them_unsupported() {
    for line in OLDER.lines() {
        let [family, text, found] = line.split('\t').collect::<Vec<_>>().try_into().unwrap();
        let [name, revision, data] = found.split('/').collect::<Vec<_>>().try_into().unwrap();
        let family = Family::named(family).unwrap();
        let target = xt_target(family, name.as_bytes(), revision.parse().unwrap(), &unhex(data).unwrap());
        assert_eq!(save::target(&target, family), text);
    }
    assert_eq!(OLDER.lines().count(), 30);
}

#[test]
fn what_is_not_decoded_looks_like_no_option() {
    let target = xt_target(Family::Ip, b"DSCP", 0, &[5, 0]);
    assert_eq!(save::target(&target, Family::Ip), "[-j DSCP rev 0 0x0500]");
}
