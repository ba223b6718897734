//! Rules that somebody wrote to mislead who reads them: names and comments that move the cursor, chains of a
//! hundred thousand rules.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use podnet::analyze::identity::PodQuery;
use podnet::analyze::nat::nat;
use podnet::analyze::rules::{RulesQuery, rules};
use podnet::model::netfilter::chain::Hook;
use podnet::model::view::NodeView;
use podnet::render;
use podnet::render::style::Style;

use crate::asked::worker;
use crate::restored::{feed, live};
use crate::testbed::Netns;

const WIDE: Style = Style { wide: true, ..Style::PLAIN };

/// Clears the screen, turns the writing round, and hides what follows.
const EVIL: &str = "A\u{1b}[2J\u{202e}\u{9b}8m";

fn evil_rules() -> String {
    format!(
        "*nat\n:PREROUTING ACCEPT\n:INPUT ACCEPT\n:OUTPUT ACCEPT\n:POSTROUTING ACCEPT\n:{EVIL} -\n\
         -A POSTROUTING -s 10.200.0.30 -m comment --comment \"{EVIL}\" -j {EVIL}\n\
         -A {EVIL} -o e{EVIL} -j MASQUERADE\nCOMMIT\n"
    )
}

#[track_caller]
fn assert_safe(text: &str, about: &str) {
    assert!(!text.chars().any(|found| found.is_control() && found != '\n' && found != '\t'), "{about}: {text:?}");
    assert!(!text.contains('\u{202e}') && text.contains("\\x1b[2J\\u{202e}"), "{about}: {text:?}");
}

#[test]
fn names_and_comments_cannot_move_the_cursor() {
    for back_end in ["nft", "legacy"] {
        let netns = Netns::new();
        feed(&netns, &[&format!("iptables-{back_end}-restore")], &evil_rules());
        feed(
            &netns,
            &["nft", "-f", "-"],
            &format!(
                "table inet t {{ comment \"{EVIL}\"; chain c {{ comment \"{EVIL}\"; type filter hook postrouting priority 5; accept comment \"{EVIL}\"; }}; }}"
            ),
        );
        let node = worker(&netns);
        let nodes = [&node as &dyn NodeView];
        let mut asked = vec![RulesQuery { hook: Some(Hook::Postrouting), ..RulesQuery::default() }];
        for words in [vec!["ip", "nat"], vec!["ip", "nat", EVIL], vec!["inet", "t"]] {
            let words: Vec<_> = words.into_iter().map(Into::into).collect();
            asked.push(RulesQuery::of_words(&words, None, None).unwrap());
        }
        for query in asked {
            let answer = rules(&nodes, &query).unwrap();
            let mut out = Vec::new();
            render::rules::write(&answer, WIDE, &mut out).unwrap();
            assert_safe(&String::from_utf8(out).unwrap(), &format!("{back_end} {query:?}"));
        }
        let answer = nat(&nodes, &PodQuery::new("default/p")).unwrap();
        assert_eq!(answer.data.leaving.len(), 1, "{back_end}: {:#?}", answer.data);
        let mut out = Vec::new();
        render::nat::write(&answer, WIDE, &mut out).unwrap();
        assert_safe(&String::from_utf8(out).unwrap(), back_end);
    }
}

/// A chain of 100,000 rules and a thousand chains that lead on to each other: listed, counted and walked in bounded time.
#[test]
fn a_chain_of_a_hundred_thousand_rules_is_listed_in_bounded_time() {
    const LIMIT: Duration = Duration::from_secs(240);
    let mut text = "*nat\n:PREROUTING ACCEPT\n:INPUT ACCEPT\n:OUTPUT ACCEPT\n:POSTROUTING ACCEPT\n".to_owned();
    for number in 0..1000 {
        let _ = writeln!(text, ":C{number} -");
    }
    text.push_str("-A POSTROUTING -s 10.200.0.0/24 -j C0\n");
    for number in 0..999 {
        let _ = writeln!(text, "-A C{number} -s 10.200.0.0/24 -j C{}", number + 1);
    }
    for number in 0..100_000u32 {
        let _ =
            writeln!(text, "-A C999 -d 10.{}.{}.{} -j RETURN", 64 + number / 65_536, number / 256 % 256, number % 256);
    }
    text.push_str("-A C999 -j MASQUERADE\nCOMMIT\n");
    // Legacy refuses so deep a jump; nf_tables looks at it when a base chain leads there.
    let netns = Netns::new();
    let text = text.replace("-A POSTROUTING -s 10.200.0.0/24 -j C0\n", "-A POSTROUTING -s 10.200.0.0/24 -j C990\n");
    feed(&netns, &["iptables-nft-restore"], &text);
    let node = live(&netns);
    let nodes = [&node as &dyn NodeView];
    let begun = Instant::now();
    let all = rules(&nodes, &RulesQuery::default()).unwrap();
    assert_eq!((all.data.tables[0].chains, all.data.tables[0].rules), (1004, 101_001), "{:?}", all.data.tables[0]);
    let query = RulesQuery::of_words(&["nat".into(), "C999".into()], None, None).unwrap();
    let answer = rules(&nodes, &query).unwrap();
    let mut out = Vec::new();
    render::rules::write(&answer, Style::PLAIN, &mut out).unwrap();
    let lines = out.split(|byte| *byte == b'\n').filter(|line| line.starts_with(b"[0:0] -A C999")).count();
    assert_eq!(lines, 100_001);
    assert!(begun.elapsed() < LIMIT, "{:?}", begun.elapsed());

    let begun = Instant::now();
    let node = worker(&netns);
    let answer = nat(&[&node as &dyn NodeView], &PodQuery::new("default/p")).unwrap();
    assert!(begun.elapsed() < LIMIT, "{:?}", begun.elapsed());
    let [masquerade] = answer.data.leaving.as_slice() else { panic!("{}", answer.data.leaving.len()) };
    assert!(masquerade.unknown.is_some(), "so many exceptions are not told: it is unknown");
    assert_eq!(answer.exit_code(), 3);
}
