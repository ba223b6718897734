//! The text of `iptables-save` read back, against the kernel that it was saved from.

use podnet::model::netfilter::chain::Rules;
use podnet::model::netfilter::rule::Body;
use podnet::model::netfilter::table::{BackEnd, Counters, Family};
use podnet::wire::xt_save;

use crate::compat::{BACK_ENDS, FAMILIES, inside, opened, restore};
use crate::testbed::Netns;

/// What text does not tell: handles, revisions, users, flags; and, of iptables-nft, counters of chains that are zero.
fn told_by_text(mut rules: Rules) -> Rules {
    let chain = &mut rules.chain;
    (chain.handle, chain.uses, chain.flags) = (None, None, 0);
    if chain.id.table.back_end == BackEnd::NfTables {
        chain.counters = chain.counters.filter(|counters| *counters != Counters::default());
    }
    for rule in &mut rules.rules {
        rule.handle = None;
        if let Body::Xt(rule) = &mut rule.body {
            rule.target.revision = 0;
            for found in &mut rule.matches {
                found.revision = 0;
            }
        }
    }
    rules
}

/// Restores rules, saves them, reads the text and the kernel; gives how many rules were compared.
fn compare(netns: &Netns, text: &str, family: (Family, &str), back_end: (BackEnd, &str)) -> usize {
    restore(netns, family.1, back_end.1, text);
    let saved = inside(netns, &[&format!("{}-{}-save", family.1, back_end.1), "-c"], "");
    let read = xt_save::parse(saved.as_bytes(), None);
    assert_eq!(read.issues, [], "{saved}");
    let namespace = opened(netns);
    let tables = namespace.tables();
    assert_eq!(tables.issues, []);
    let tables: Vec<_> = tables
        .value
        .into_iter()
        .map(|table| table.id)
        .filter(|table| table.family == family.0 && table.back_end == back_end.0)
        .collect();
    assert_eq!(read.value.iter().map(|table| table.table.clone()).collect::<Vec<_>>(), tables);
    let mut compared = 0;
    for ours in read.value {
        let theirs = namespace.rules_of(&ours.table);
        assert_eq!(theirs.issues, []);
        assert_eq!(ours.chains.value.len(), theirs.value.len());
        for (text, kernel) in ours.chains.value.iter().zip(theirs.value) {
            let kernel = told_by_text(kernel);
            assert_eq!(text.chain, kernel.chain);
            for (one, other) in text.rules.iter().zip(&kernel.rules) {
                assert_eq!(
                    one, other,
                    "{}: the text, then the kernel ({} {})",
                    text.chain.id.name, family.1, back_end.1
                );
            }
            assert_eq!(text.rules.len(), kernel.rules.len());
            compared += kernel.rules.len();
        }
    }
    compared
}

const CORPUS: &str = include_str!("../../fixtures/rules/save/corpus.v4.rules");
const CORPUS6: &str = include_str!("../../fixtures/rules/save/corpus.v6.rules");

fn make_sets(netns: &Netns, family: Family) {
    let family = if family == Family::Ip6 { "inet6" } else { "inet" };
    inside(
        netns,
        &["ipset", "restore"],
        &format!(
            "create ips hash:ip family {family} counters timeout 0\ncreate ipport hash:ip,port family {family}\n\
             create skb hash:ip family {family} skbinfo\n"
        ),
    );
}

#[test]
fn the_text_of_every_match_and_target_reads_as_the_kernel_does() {
    for family in FAMILIES {
        for back_end in BACK_ENDS {
            let netns = Netns::new();
            make_sets(&netns, family.0);
            let corpus = if family.0 == Family::Ip6 { CORPUS6 } else { CORPUS };
            let compared = compare(&netns, corpus, family, back_end);
            assert_eq!(compared, corpus.lines().filter(|line| line.contains("-A ")).count());
        }
    }
}

#[test]
fn the_recordings_of_a_worker_read_as_the_kernel_does() {
    for (family, texts) in FAMILIES.into_iter().zip([
        [
            include_str!("../../fixtures/rules/save/worker-0/iptables-nft-save-c.txt"),
            include_str!("../../fixtures/rules/save/worker-0/1.30-iptables-nft-save-c.txt"),
        ],
        [
            include_str!("../../fixtures/rules/save/worker-0/ip6tables-nft-save-c.txt"),
            include_str!("../../fixtures/rules/save/worker-0/1.30-ip6tables-nft-save-c.txt"),
        ],
    ]) {
        for back_end in BACK_ENDS {
            for text in texts {
                // The objects that nfacct counts into do not exist here.
                let text: String =
                    text.lines().filter(|line| !line.contains("-m nfacct")).flat_map(|line| [line, "\n"]).collect();
                let compared = compare(&Netns::new(), &text, family, back_end);
                assert_eq!(compared, text.lines().filter(|line| line.contains("] -A ")).count());
            }
        }
    }
}
