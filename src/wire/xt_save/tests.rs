use super::*;
use crate::model::netfilter::chain::{Chain, ChainKind, Hook, Policy};
use crate::model::netfilter::rule::{Body, Rule};
use crate::model::netfilter::table::Counters;
use crate::model::netfilter::xt::matches::{
    Conntrack, Hashlimit, Icmp, Match, Range, Rate, Recent, RecentOp, SetName, Statistic, TcpFlags,
};
use crate::model::netfilter::xt::targets::{Connmark, NatRange, SetMark, Target};
use crate::model::netfilter::xt::{MaskedAddress, Test, XtRule};

const NFT: &str = include_str!("../../../fixtures/rules/save/iptables-nft-save-c.txt");
const NFT6: &str = include_str!("../../../fixtures/rules/save/ip6tables-nft-save-c.txt");
const LEGACY: &str = include_str!("../../../fixtures/rules/save/iptables-legacy-save-c.txt");
const LEGACY6: &str = include_str!("../../../fixtures/rules/save/ip6tables-legacy-save-c.txt");
const CORPUS: &str = include_str!("../../../fixtures/rules/save/corpus.v4.rules");
const CORPUS6: &str = include_str!("../../../fixtures/rules/save/corpus.v6.rules");
const WORKER: [&str; 4] = [
    include_str!("../../../fixtures/rules/save/worker-0/iptables-nft-save-c.txt"),
    include_str!("../../../fixtures/rules/save/worker-0/ip6tables-nft-save-c.txt"),
    include_str!("../../../fixtures/rules/save/worker-0/1.30-iptables-nft-save-c.txt"),
    include_str!("../../../fixtures/rules/save/worker-0/1.30-ip6tables-nft-save-c.txt"),
];

fn rules(tables: &[TableSections]) -> Vec<(String, &Rule)> {
    let chains = tables.iter().flat_map(|table| &table.chains.value);
    let all = chains.flat_map(|chain| {
        let name = format!("{} {}", chain.chain.id.table.name, chain.chain.id.name);
        chain.rules.iter().map(move |rule| (name.clone(), rule))
    });
    all.collect()
}

fn is_unknown(rule: &Rule) -> bool {
    let rule = rule.xt().unwrap();
    !rule.header.unknown.is_empty()
        || matches!(rule.target.does, Target::Unknown(_))
        || rule.matches.iter().any(|found| matches!(found.is, Match::Unknown(_)))
}

/// The rule that a line is, in a table that has the chains C and D.
fn rule(line: &str, family: Family) -> XtRule {
    let text = format!("*filter\n:C - [0:0]\n:D - [0:0]\n-A C {line}\nCOMMIT\n");
    let read = parse(text.as_bytes(), Some(family));
    assert_eq!(read.issues, [], "{line}");
    let all = rules(&read.value);
    let [(_, rule)] = all.as_slice() else { panic!("{line}: {all:?}") };
    rule.xt().unwrap().clone()
}

fn only_match(line: &str) -> Match {
    let rule = rule(line, Family::Ip);
    let [found] = rule.matches.as_slice() else { panic!("{line}: {rule:?}") };
    assert_eq!(found.revision, 0);
    found.is.clone()
}

fn target(line: &str) -> Target {
    rule(line, Family::Ip).target.does
}

#[test]
fn all_that_the_programs_save_is_understood() {
    for (text, tables) in
        [(NFT, 4), (NFT6, 4), (LEGACY, 4), (LEGACY6, 4)].into_iter().chain(WORKER.map(|text| (text, 3)))
    {
        let read = parse(text.as_bytes(), None);
        assert_eq!(read.issues, []);
        assert_eq!(read.value.len(), tables);
        let all = rules(&read.value);
        for (chain, rule) in &all {
            assert!(!is_unknown(rule), "{chain}: {rule:?}");
        }
        let lines = text.lines().filter(|line| line.contains("] -A ")).count();
        assert_eq!(all.len(), lines);
        let chains: usize = read.value.iter().map(|table| table.chains.value.len()).sum();
        assert_eq!(chains, text.lines().filter(|line| line.starts_with(':')).count());
    }
}

/// Old spellings, names instead of numbers, and options in another order mean what the program writes.
#[test]
fn what_people_write_means_what_the_program_makes_of_it() {
    for (written, saved) in [(CORPUS, LEGACY), (CORPUS6, LEGACY6)] {
        // Nothing in it names the program: its addresses tell the family.
        let written = parse(written.as_bytes(), None);
        let saved = parse(saved.as_bytes(), None);
        assert_eq!(written.issues, []);
        let (written, saved) = (rules(&written.value), rules(&saved.value));
        for ((chain, one), (_, other)) in written.iter().zip(&saved) {
            let (mut one, other) = (one.xt().unwrap().clone(), other.xt().unwrap());
            one.counters = other.counters;
            for found in &mut one.matches {
                if let Match::Recent(recent) = &mut found.is {
                    // Without a mask the program takes all bits.
                    recent.value.mask = recent.value.mask.or(Some("255.255.255.255".parse().unwrap()));
                }
            }
            assert_eq!(&one, other, "{chain}");
        }
        assert_eq!(written.len(), saved.len());
    }
}

#[test]
fn both_programs_say_the_same_of_the_same_rules() {
    for (one, other) in [(NFT, LEGACY), (NFT6, LEGACY6)] {
        let (one, other) = (parse(one.as_bytes(), None), parse(other.as_bytes(), None));
        let (one, other) = (rules(&one.value), rules(&other.value));
        let differ = one.iter().zip(&other).filter(|(one, other)| one != other).count();
        // iptables-nft turns a negated port range around, and forgets --nflog-range.
        assert!(differ <= 2, "{differ}");
        assert_eq!(one.len(), other.len());
    }
}

#[test]
fn base_chains_are_hooked_in_where_the_kernel_has_them() {
    let read = parse(LEGACY.as_bytes(), None);
    let chain = |table: &str, name: &str| -> Chain {
        let table = read.value.iter().find(|found| found.table == TableRef::legacy(Family::Ip, table)).unwrap();
        table.chains.value.iter().find(|found| found.chain.id.name == name).unwrap().chain.clone()
    };
    let place = |table, name| {
        let base = chain(table, name).base.unwrap();
        (base.hook, base.priority, base.kind, base.policy)
    };
    assert_eq!(place("filter", "FORWARD"), (Hook::Forward, 0, ChainKind::Filter, Policy::Drop));
    assert_eq!(place("nat", "PREROUTING"), (Hook::Prerouting, -100, ChainKind::Nat, Policy::Accept));
    assert_eq!(place("nat", "INPUT"), (Hook::Input, 100, ChainKind::Nat, Policy::Accept));
    assert_eq!(place("nat", "OUTPUT"), (Hook::Output, -100, ChainKind::Nat, Policy::Accept));
    assert_eq!(place("nat", "POSTROUTING"), (Hook::Postrouting, 100, ChainKind::Nat, Policy::Accept));
    assert_eq!(place("raw", "OUTPUT"), (Hook::Output, -300, ChainKind::Filter, Policy::Accept));
    assert_eq!(place("mangle", "OUTPUT"), (Hook::Output, -150, ChainKind::Route, Policy::Accept));
    assert_eq!(place("mangle", "INPUT"), (Hook::Input, -150, ChainKind::Filter, Policy::Drop));
    assert_eq!(chain("filter", "INPUT").counters, Some(Counters { packets: 7, bytes: 420 }));
    assert_eq!(chain("filter", "OUTPUT").counters, Some(Counters::default()));
    assert_eq!(chain("filter", "A-CHAIN").base, None);
    assert_eq!(chain("filter", "A-CHAIN").counters, None);
}

#[test]
fn a_rule_is_read_whole() {
    let text = "*filter\n:C - [0:0]\n:D - [0:0]\n[3:180] -A C ! -s 10.0.0.0/255.0.255.0 -d 10.0.0.1/32 ! -i eth+ -p tcp -m comment --comment \"a b\" -m tcp --dport 80:90 -j D\nCOMMIT\n";
    let read = parse(text.as_bytes(), None);
    let address = |text: &str| text.parse().unwrap();
    let rule = XtRule {
        header: crate::model::netfilter::xt::Header {
            source: Some(Test {
                not: true,
                value: MaskedAddress { address: address("10.0.0.0"), mask: address("255.0.255.0") },
            }),
            destination: Some(Test::is(MaskedAddress {
                address: address("10.0.0.1"),
                mask: address("255.255.255.255"),
            })),
            in_interface: Some(Test { not: true, value: "eth+".into() }),
            protocol: Some(Test::is(6)),
            ..Default::default()
        },
        matches: vec![
            crate::model::netfilter::xt::XtMatch {
                name: "comment".into(),
                revision: 0,
                is: Match::Comment("a b".into()),
            },
            crate::model::netfilter::xt::XtMatch {
                name: "tcp".into(),
                revision: 0,
                is: Match::Tcp(crate::model::netfilter::xt::matches::Tcp {
                    ports: crate::model::netfilter::xt::matches::Ports {
                        source: None,
                        destination: Some(Test::is(Range { min: 80, max: 90 })),
                    },
                    ..Default::default()
                }),
            },
        ],
        target: crate::model::netfilter::xt::XtTarget { name: "".into(), revision: 0, does: Target::Jump("D".into()) },
        counters: Some(Counters { packets: 3, bytes: 180 }),
    };
    assert_eq!(rules(&read.value)[0].1.body, Body::Xt(Box::new(rule)));
    assert_eq!(rules(&read.value)[0].1.number, 1);
}

#[test]
fn matches_are_read_with_their_options() {
    assert_eq!(
        only_match("-m statistic --mode random --probability 0.33333333349"),
        Match::Statistic(Test::is(Statistic::Random { n: 715_827_883 }))
    );
    assert_eq!(
        only_match("-m statistic --mode nth ! --every 3 --packet 1"),
        Match::Statistic(Test { not: true, value: Statistic::Nth { every: 2, first: 1 } })
    );
    assert_eq!(only_match("-m limit --limit 5/min"), Match::Limit(Rate { average: 120_000, burst: 5 }));
    assert_eq!(
        only_match("-m icmp --icmp-type host-unreachable"),
        Match::Icmp(Test::is(Icmp { kind: 3, code_min: 1, code_max: 1 }))
    );
    assert_eq!(
        only_match("-m conntrack ! --ctstate NEW,DNAT"),
        Match::Conntrack(Box::new(Conntrack {
            states: Some(Test { not: true, value: 8 | 128 }),
            ..Conntrack::default()
        }))
    );
    assert_eq!(
        only_match("-m recent --rcheck --seconds 10800 --reap --name X --mask 255.255.255.255 --rsource"),
        Match::Recent(Test::is(Recent {
            name: "X".into(),
            op: RecentOp::Check,
            seconds: 10800,
            hitcount: 0,
            reap: true,
            ttl: false,
            destination: false,
            mask: Some("255.255.255.255".parse().unwrap()),
        }))
    );
    let Match::Tcp(tcp) = only_match("-p tcp ! --syn") else { panic!() };
    assert_eq!(tcp.flags, Some(Test { not: true, value: TcpFlags { mask: 0x17, set: 2 } }));
    let Match::Set(set) = only_match("-m set ! --match-set s src,dst ! --update-counters") else { panic!() };
    assert_eq!((set.not, set.value.set, set.value.from_source), (true, SetName::Name("s".into()), vec![true, false]));
    let Match::Hashlimit(limit) = only_match(
        "-m hashlimit --hashlimit-above 512kb/s --hashlimit-burst 1mb --hashlimit-mode dstip --hashlimit-name h",
    ) else {
        panic!()
    };
    assert_eq!(
        *limit,
        Hashlimit {
            name: "h".into(),
            above: true,
            mode: 1 | 16 | 32,
            average: 131_068,
            burst: 2,
            scale: 1_000_000,
            size: 0,
            max: 0,
            gc_interval_ms: 1000,
            expire_ms: 60_000,
            interval: 0,
            source_prefix: 32,
            destination_prefix: 32,
        }
    );
    assert_eq!(only_match("-m nfacct --nfacct-name acct"), Match::Nfacct("acct".into()));
}

#[test]
fn targets_are_read_with_their_options() {
    assert_eq!(target("-j MARK --set-mark 0x7/0xf0"), Target::Mark(SetMark { value: 7, clear: 0xf7 }));
    assert_eq!(target("-j MARK --and-mark 0xff"), Target::Mark(SetMark { value: 0, clear: 0xffff_ff00 }));
    assert_eq!(target("-j MARK --or-mark 0x4000"), Target::Mark(SetMark { value: 0x4000, clear: 0x4000 }));
    assert_eq!(target("-j MARK --set-xmark 0x4000/0x0"), Target::Mark(SetMark { value: 0x4000, clear: 0 }));
    assert_eq!(
        target("-j CONNMARK --restore-mark --nfmask 0xff --ctmask 0xff00"),
        Target::Connmark(Connmark {
            op: 2,
            flow_mark: 0,
            flow_mask: 0xff00,
            packet_mask: 0xff,
            shift_right: false,
            shift: 0
        })
    );
    let range = |line: &str, family| match rule(line, family).target.does {
        Target::Dnat(range) => range,
        other => panic!("{line}: {other:?}"),
    };
    let address = |text: &str| text.parse().unwrap();
    for (text, family, addresses, ports, base_port) in [
        ("10.0.0.1", Family::Ip, Some(("10.0.0.1", "10.0.0.1")), None, None),
        (":80", Family::Ip, None, Some((80, 80)), None),
        ("10.0.0.1-10.0.0.9:80-90/70", Family::Ip, Some(("10.0.0.1", "10.0.0.9")), Some((80, 90)), Some(70)),
        ("fd00::1", Family::Ip6, Some(("fd00::1", "fd00::1")), None, None),
        ("fd00::1-fd00::9", Family::Ip6, Some(("fd00::1", "fd00::9")), None, None),
        ("[fd00::1]:80", Family::Ip6, Some(("fd00::1", "fd00::1")), Some((80, 80)), None),
        ("[fd00::1-fd00::9]:80-90", Family::Ip6, Some(("fd00::1", "fd00::9")), Some((80, 90)), None),
        ("[fd00::1]-[fd00::9]:80-90", Family::Ip6, Some(("fd00::1", "fd00::9")), Some((80, 90)), None),
        (":80", Family::Ip6, None, Some((80, 80)), None),
        ("::1", Family::Ip6, Some(("::1", "::1")), None, None),
    ] {
        let found = range(&format!("-j DNAT --to-destination {text}"), family);
        let addresses = addresses.map(|(min, max)| (address(min), address(max)));
        assert_eq!(found, NatRange { addresses, ports, base_port, ..NatRange::default() }, "{text}");
    }
    assert_eq!(rule("-j REJECT", Family::Ip6).target.does, Target::Reject(4));
    assert_eq!(target("-g D"), Target::Goto("D".into()));
    assert_eq!(target(""), Target::Nothing);
}

#[test]
fn what_is_not_known_stays_as_text() {
    let bytes = |text: &str| crate::model::text::Bytes::from(text.as_bytes());
    let found = rule("-m frob ! --frob \"a b\" -m tcp --frobs 3 -s 10.0.0.1 -j FROB --with x", Family::Ip);
    assert_eq!(found.matches[0].name, "frob");
    assert_eq!(found.matches[0].is, Match::Unknown(bytes("! --frob \"a b\"")));
    assert_eq!(found.matches[1].is, Match::Unknown(bytes("--frobs 3")));
    assert!(found.header.source.is_some());
    assert_eq!(found.target.name, "FROB");
    assert_eq!(found.target.does, Target::Unknown(bytes("--with x")));
    for line in [
        "-m mark --mark zebra",
        "-m mark --mark 0x1ffffffff",
        "-m mark",
        "-m tcp --dport 80 81",
        "-m limit --limit 0/sec",
        "-m limit --limit 99999999/sec",
        "-m statistic --mode random --probability 1.5",
        "-m owner --uid-owner root",
        "-m length --length 99999",
        "-m multiport --dports 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16",
        "-m conntrack --ctstate NEW,FROB",
    ] {
        assert!(matches!(only_match(line), Match::Unknown(_)), "{line}");
    }
    for line in [
        "-j REJECT --reject-with frob",
        "-j MARK",
        "-j DNAT --to-destination 1.2.3",
        "-j NOWHERE",
        "-j MARK ! --set-mark 1",
    ] {
        assert!(matches!(target(line), Target::Unknown(_)), "{line}");
    }
}

#[test]
fn strings_are_read_as_the_programs_quote_them() {
    for (written, meant) in [
        ("plain", "plain"),
        ("-j", "-j"),
        (r#""-j""#, "-j"),
        (r#""a b""#, "a b"),
        (r#""""#, ""),
        (r#""with \"quotes\", \'apostrophes\' and a back\\slash""#, r#"with "quotes", 'apostrophes' and a back\slash"#),
        ("\"a\nb\"", "a\nb"),
        ("\"a\nCOMMIT\n*filter\n-A C -j ACCEPT\"", "a\nCOMMIT\n*filter\n-A C -j ACCEPT"),
        (r#"a"b"#, r#"a"b"#),
    ] {
        let found = rule(&format!("-m comment --comment {written} -j ACCEPT"), Family::Ip);
        assert_eq!(found.comment().map(ToString::to_string).as_deref(), Some(meant), "{written}");
        assert_eq!(found.target.does, Target::Accept, "{written}");
    }
}

#[test]
fn bad_lines_are_told_with_their_place_and_the_rest_is_read() {
    let text = "-A C -j ACCEPT\n*filter\n:C - [0:0]\n:C - [0:0]\n:D FROB\n[x] -A C -j DROP\n-I C -j DROP\n-A C -s nowhere -j DROP\n-A C -m comment --comment \"open -j DROP\n-A C -j ACCEPT\n-A E -j ACCEPT\nCOMMIT\nCOMMIT\n*nat\n:PREROUTING ACCEPT [0:0]\n";
    let read = parse(text.as_bytes(), Some(Family::Ip));
    let told: Vec<&str> = read.issues.iter().map(|issue| issue.why.detail()).collect();
    for expected in [
        "line 1, column 1: *TABLE expected",
        "line 4, column 1: the chain stands in the table twice",
        "line 5, column 4: ACCEPT, DROP or - expected",
        "line 6, column 1: [PACKETS:BYTES] expected",
        "line 7, column 1: -A CHAIN expected",
        "line 8, column 6: an option of a rule and its value",
        "line 9, column 27: a quote that is not closed",
        "line 11, column 1: a rule of a chain that the table does not have",
        "and 2 more",
    ] {
        assert!(told.contains(&expected), "{expected}: {told:#?}");
    }
    let all = rules(&read.value);
    let told: Vec<(&str, u32, bool)> =
        all.iter().map(|(chain, rule)| (chain.as_str(), rule.number, is_unknown(rule))).collect();
    // A rule that is not understood keeps its place, and asks something unknown.
    assert_eq!(
        told,
        [("filter C", 1, true), ("filter C", 2, true), ("filter C", 3, false), ("filter E", 1, false)],
        "{all:#?}"
    );
}

#[test]
fn the_family_and_the_back_end_are_told_by_the_text() {
    let only = |text: &str, family| {
        let read = parse(text.as_bytes(), family);
        (read.value[0].table.clone(), read.issues.len())
    };
    let table = "*filter\n:INPUT ACCEPT [0:0]\n";
    for (head, rule, caller, expected, issues) in [
        ("# Generated by iptables-save v1.8.9 on Mon\n", "", None, TableRef::legacy(Family::Ip, "filter"), 0),
        ("# Generated by ip6tables-save v1.6.1 on Mon\n", "", None, TableRef::legacy(Family::Ip6, "filter"), 0),
        (
            "# Generated by iptables-nft-save v1.8.9 (nf_tables) on Mon\n",
            "",
            None,
            TableRef::nf(Family::Ip, "filter"),
            0,
        ),
        (
            "# Generated by xtables-save v1.8.2 on Mon\n",
            "",
            Some(Family::Ip6),
            TableRef::legacy(Family::Ip6, "filter"),
            0,
        ),
        ("# Generated by ip6tables-save v1.8.7 (nf_tables) on Mon\n", "", None, TableRef::nf(Family::Ip6, "filter"), 0),
        ("", "-A INPUT -s fd00::1 -j DROP\n", Some(Family::Ip), TableRef::legacy(Family::Ip6, "filter"), 0),
        ("", "-A INPUT -s 10.0.0.1 -j DROP\n", Some(Family::Ip6), TableRef::legacy(Family::Ip, "filter"), 0),
        ("", "", Some(Family::Ip6), TableRef::legacy(Family::Ip6, "filter"), 0),
        ("", "", None, TableRef::legacy(Family::Ip, "filter"), 1),
    ] {
        assert_eq!(only(&format!("{head}{table}{rule}COMMIT\n"), caller), (expected, issues), "{head}{rule}");
    }
    let both = format!("{NFT}{NFT6}{LEGACY}");
    let read = parse(both.as_bytes(), None);
    assert_eq!((read.value.len(), read.issues.len()), (12, 0));
    let twice = parse(format!("{NFT}{NFT}").as_bytes(), None);
    assert_eq!((twice.value.len(), twice.issues.len()), (4, 4));
}

#[test]
fn what_the_text_says_that_it_lacks_is_an_issue() {
    for text in [
        "# Table `nat' is incompatible, use 'nft' tool.\n",
        "# Warning: iptables-legacy tables present, use iptables-legacy-save to see them\n",
    ] {
        let read = parse(text.as_bytes(), None);
        assert_eq!(read.issues.len(), 1, "{text}");
    }
}

#[test]
fn a_save_is_told_from_other_text() {
    assert!(is_save(NFT.as_bytes()));
    assert!(is_save(b"\n\n*filter\nCOMMIT\n"));
    assert!(is_save(b"# Generated by iptables-save v1.8.9 on Mon\n"));
    for text in ["", "{\"nftables\": []}", "table ip nat {\n}", "# hello\n"] {
        assert!(!is_save(text.as_bytes()), "{text}");
    }
}

#[test]
fn any_beginning_and_any_changed_byte_is_read_without_a_panic() {
    for text in [NFT, NFT6, WORKER[0]] {
        let bytes = text.as_bytes();
        for length in (0..bytes.len()).step_by(41) {
            let read = parse(&bytes[..length], None);
            let last = |what: &[u8]| bytes[..length].windows(what.len()).rposition(|part| part == what);
            let open = last(b"\n*") > last(b"COMMIT\n") && !bytes[..length].ends_with(b"COMMIT");
            assert!(!open || !read.issues.is_empty(), "cut at {length}");
        }
        let mut changed = bytes.to_vec();
        for at in (0..changed.len()).step_by(11) {
            for byte in [b'"', b'\n', b' ', 0xff, b'-', b'9'] {
                let old = std::mem::replace(&mut changed[at], byte);
                if at % 1331 == 0 {
                    let _ = parse(&changed, None);
                } else {
                    // The line alone: the whole text each time takes minutes.
                    let start = changed[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
                    let end =
                        changed[at..].iter().position(|byte| *byte == b'\n').map_or(changed.len(), |end| at + end);
                    let _ = parse(&[b"*filter\n", &changed[start..end], b"\nCOMMIT\n"].concat(), None);
                }
                changed[at] = old;
            }
        }
    }
}

#[test]
fn long_text_is_bounded() {
    let long =
        format!("*filter\n:C - [0:0]\n-A C -m comment --comment {}\n-A C -j ACCEPT\nCOMMIT\n", "x".repeat(1 << 20));
    let read = parse(long.as_bytes(), Some(Family::Ip));
    assert!(read.issues[0].why.detail().contains("too long"), "{:?}", read.issues);
    assert_eq!(rules(&read.value).len(), 2);
    let words = format!("*filter\n:C - [0:0]\n-A C{}\nCOMMIT\n", " -f".repeat(10_000));
    assert_eq!(parse(words.as_bytes(), Some(Family::Ip)).issues.len(), 1);
    // Many quotes that are not closed: each is looked for no further than a line may be long.
    let quotes = format!("*filter\n{}COMMIT\n", "-A C \"x\\\n".repeat(20_000));
    let read = parse(quotes.as_bytes(), Some(Family::Ip));
    assert!(!read.issues.is_empty());
}
