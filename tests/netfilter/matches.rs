//! Every match that podnet decodes, as both `iptables-save` programs write it.

use podnet::analyze::notation::save;
use podnet::model::netfilter::table::Family;
use podnet::model::netfilter::xt::matches::{Match, SetName};
use podnet::model::netfilter::xt::{Test, XtMatch};
use podnet::model::text::{Bytes, unhex};
use podnet::wire::xt::xt_match;

const CAPTURED: &str = include_str!("../../fixtures/rules/xt/matches.tsv");
const OLDER: &str = include_str!("../../fixtures/rules/xt/matches-older.tsv");

/// The sets of the capture, by number.
const SETS: [&str; 6] = ["one", "one6", "two", "two6", "three", "three6"];

fn read(family: Family, found: &str, name_sets: bool) -> XtMatch {
    let [name, revision, data] = found.split('/').collect::<Vec<_>>().try_into().unwrap();
    let mut read = xt_match(family, name.as_bytes(), revision.parse().unwrap(), &unhex(data).unwrap());
    if let (Match::Set(test), true) = (&mut read.is, name_sets)
        && let SetName::Index(number) = test.value.set
    {
        test.value.set = SetName::Name(SETS[usize::from(number)].into());
    }
    read
}

fn written(line: &str, name_sets: bool) -> (String, String) {
    let mut fields = line.split('\t');
    let family = Family::named(fields.next().unwrap()).unwrap();
    let text = fields.next().unwrap().trim_start().to_owned();
    let ours = fields.map(|found| save::matching(&read(family, found, name_sets), family)).collect::<Vec<_>>();
    (ours.join(" "), text)
}

#[test]
fn recorded_blobs_are_written_as_iptables_legacy_save_wrote_them() {
    let mut count = 0;
    for line in CAPTURED.lines() {
        let (ours, theirs) = written(line, true);
        // The program hides that the rule never holds.
        if ours == "-m tcp ! --sport 0:65535" {
            assert_eq!(theirs, "-m tcp");
        } else {
            assert_eq!(ours, theirs);
        }
        count += 1;
    }
    assert_eq!(count, 298);
}

#[test]
fn older_revisions_are_written_though_iptables_calls_them_unsupported() {
    for line in OLDER.lines() {
        let (ours, ours_by_hand) = written(line, false);
        assert_eq!(ours, ours_by_hand);
    }
    assert_eq!(OLDER.lines().count(), 37);
}

#[test]
fn what_is_not_decoded_looks_like_no_option() {
    let unknown = |name: &str, revision, bytes: &[u8]| {
        save::matching(&XtMatch { name: name.into(), revision, is: Match::Unknown(Bytes::from(bytes)) }, Family::Ip)
    };
    assert_eq!(unknown("bpf", 1, b"\x01\xff--dport 80"), "[-m bpf rev 1 0x01ff2d2d64706f7274203830]");
    assert_eq!(unknown("bpf", 0, b""), "[-m bpf rev 0]");
}

#[test]
fn comments_that_are_no_utf8_are_told_from_those_that_look_alike() {
    let comment = |text: &[u8]| {
        let is = Match::Comment(text.into());
        save::matching(&XtMatch { name: "comment".into(), revision: 0, is }, Family::Ip)
    };
    assert_eq!(comment(b"v\xff"), r#"-m comment --comment "v\xff""#);
    assert_eq!(comment(br"v\xff"), r#"-m comment --comment "v\\xff""#);
    let state = XtMatch { name: "conntrack".into(), revision: 3, is: Match::State(Test::is(8)) };
    assert_eq!(save::matching(&state, Family::Ip), "-m state --state NEW");
}
