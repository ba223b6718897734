//! Every match that podnet decodes, as both `iptables-save` programs write it.

use std::fs::File;
use std::os::fd::AsFd as _;

use podnet::analyze::notation::save;
use podnet::model::netfilter::rule::Body;
use podnet::model::netfilter::table::{BackEnd, Family, TableRef};
use podnet::model::netfilter::xt::matches::{Match, SetName};
use podnet::model::netfilter::xt::{Test, XtMatch};
use podnet::model::text::{Bytes, unhex};
use podnet::sys::netlink::NetlinkSocket;
use podnet::sys::netns::enter;
use podnet::wire::netlink::request::Request;
use podnet::wire::xt::xt_match;

use crate::compat::{BACK_ENDS, FAMILIES, inside, opened, restore, saved};
use crate::testbed::Netns;

const CAPTURED: &str = include_str!("../../fixtures/rules/xt/matches.tsv");
const OLDER: &str = include_str!("../../fixtures/rules/xt/matches-older.tsv");

/// The sets of the capture, by number.
const SETS: [&str; 6] = ["one", "one6", "two", "two6", "three", "three6"];

fn read(family: Family, found: &str, name_sets: bool) -> XtMatch {
    let [name, revision, data] = found.split('/').collect::<Vec<_>>().try_into().unwrap();
    let mut read = xt_match(family, name.as_bytes(), revision.parse().unwrap(), &unhex(data).unwrap());
    if name_sets {
        name_set(&mut read);
    }
    read
}

fn name_set(found: &mut XtMatch) {
    if let Match::Set(test) = &mut found.is
        && let SetName::Index(number) = test.value.set
    {
        test.value.set = SetName::Name(SETS[usize::from(number)].into());
    }
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

const CORPUS: [&str; 2] = [
    include_str!("../../fixtures/rules/xt/matches.ip.rules"),
    include_str!("../../fixtures/rules/xt/matches.ip6.rules"),
];

/// A namespace with the sets and the counting object that the corpus names.
fn furnished() -> Netns {
    let netns = Netns::new();
    let sets = "create one hash:net family inet counters
create one6 hash:net family inet6 counters
create two hash:net,port family inet
create two6 hash:net,port family inet6
create three hash:ip,port,ip family inet
create three6 hash:ip,port,ip family inet6
";
    inside(&netns, &["ipset", "restore"], sets);
    counting_object(&netns, "ct_state_invalid_dropped_pkts");
    netns
}

/// Makes what `nfacct add NAME` makes; that program is not everywhere.
fn counting_object(netns: &Netns, name: &str) {
    const NFNL_MSG_ACCT_NEW: u16 = 7 << 8;
    const NFACCT_NAME: u16 = 1;
    const NLM_F_REQUEST_ACK_CREATE: u16 = 0x405;
    let request = Request::with_flags(NFNL_MSG_ACCT_NEW, NLM_F_REQUEST_ACK_CREATE, &[0; 4])
        .attr(NFACCT_NAME, format!("{name}\0").as_bytes());
    let handle = File::open(netns.path()).unwrap();
    let thread = std::thread::spawn(move || {
        enter(handle.as_fd()).unwrap();
        NetlinkSocket::open(libc::NETLINK_NETFILTER as isize).unwrap().ask(&request).unwrap();
    });
    thread.join().unwrap();
}

/// As [`save::table`] writes what podnet reads of a table, with the sets' names.
fn ours(netns: &Netns, family: Family, back_end: BackEnd) -> String {
    let table = TableRef { back_end, family, name: "mangle".into() };
    let mut rules = opened(netns).rules_of(&table);
    assert_eq!(rules.issues, []);
    for rule in rules.value.iter_mut().flat_map(|chain| &mut chain.rules) {
        let Body::Xt(rule) = &mut rule.body else { panic!("not lifted: {rule:?}") };
        for found in &mut rule.matches {
            assert!(!matches!(found.is, Match::Unknown(_)), "{found:?}");
            name_set(found);
        }
    }
    save::table(&rules.value)
}

fn corpus(family: usize, back_end: usize) {
    let ((family, program), (back_end, variant)) = (FAMILIES[family], BACK_ENDS[back_end]);
    let netns = furnished();
    let rules = CORPUS[usize::from(family == Family::Ip6)];
    restore(&netns, program, variant, rules);
    let (ours, theirs) = (ours(&netns, family, back_end), saved(&netns, program, variant, "mangle"));
    for (one, other) in ours.lines().zip(theirs.lines()) {
        assert_eq!(one, other, "podnet, then {program}-{variant}-save");
    }
    assert_eq!(ours, theirs);
    let count = |text: &str| text.lines().filter(|line| line.contains("-A ")).count();
    assert_eq!(count(&ours), count(rules));
    assert!(count(&ours) > 140);
}

#[test]
fn every_match_of_iptables_legacy() {
    corpus(0, 0);
}

#[test]
fn every_match_of_ip6tables_legacy() {
    corpus(1, 0);
}

#[test]
fn every_match_of_iptables_nft() {
    corpus(0, 1);
}

#[test]
fn every_match_of_ip6tables_nft() {
    corpus(1, 1);
}

#[test]
fn a_legacy_rule_that_never_holds_is_told_though_the_program_hides_it() {
    let line = |text: &str| text.lines().find(|line| line.contains("-A ")).map(str::to_owned);
    let rules = "*mangle\n-A INPUT -p tcp -m tcp ! --sport 0:65535 -j DROP\nCOMMIT\n";
    let asked = "[0:0] -A INPUT -p tcp -m tcp ! --sport 0:65535 -j DROP";
    let netns = Netns::new();
    restore(&netns, "iptables", "legacy", rules);
    let hidden = "[0:0] -A INPUT -p tcp -m tcp -j DROP";
    assert_eq!(line(&saved(&netns, "iptables", "legacy", "mangle")).as_deref(), Some(hidden));
    assert_eq!(line(&ours(&netns, Family::Ip, BackEnd::Legacy)).as_deref(), Some(asked));
    // iptables-nft drops the condition before the kernel sees it: this rule holds for all of TCP.
    restore(&netns, "iptables", "nft", rules);
    let lost = "[0:0] -A INPUT -p tcp -j DROP";
    assert_eq!(line(&saved(&netns, "iptables", "nft", "mangle")).as_deref(), Some(lost));
    assert_eq!(line(&ours(&netns, Family::Ip, BackEnd::NfTables)).as_deref(), Some(lost));
}
