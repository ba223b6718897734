//! Rules that change while they are read: an answer without an issue is one whole state.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use podnet::model::issue::Why;
use podnet::model::netfilter::chain::Rules;
use podnet::model::netfilter::table::{Family, TableRef};

use super::{nft, open};
use crate::testbed::Netns;

/// A whole state: the table anew, chains that tell which state they are of, each with as many rules.
fn state(name: &str, chains: usize, rules: usize) -> String {
    let mut text = String::from("table ip t\nflush table ip t\ndelete table ip t\ntable ip t {\n");
    for chain in 0..chains {
        let _ = writeln!(text, "chain {name}{chain:03} {{");
        for rule in 0..rules {
            let _ = writeln!(text, "ip saddr 10.0.{chain}.{rule} counter drop comment \"{name}\"");
        }
        text.push_str("}\n");
    }
    text + "}\n"
}

/// Which chains there are, how many rules each has, and what their comments say.
fn shape(read: &[Rules]) -> BTreeSet<(String, usize, BTreeSet<String>)> {
    read.iter()
        .map(|found| {
            let comments = found.rules.iter().map(|rule| rule.comment.as_ref().unwrap().to_string()).collect();
            (found.chain.id.name.to_string(), found.rules.len(), comments)
        })
        .collect()
}

#[test]
fn an_answer_without_issue_is_one_whole_state() {
    let netns = Netns::new();
    let states = [state("a", 30, 7), state("b", 41, 3)];
    let table = TableRef::nf(Family::Ip, "t");
    let namespace = open(&netns);
    let wanted = states.each_ref().map(|state| {
        nft(&netns, &["-f", "-"], state);
        let read = namespace.rules_of(&table);
        assert_eq!(read.issues, []);
        shape(&read.value)
    });
    assert_eq!(wanted.each_ref().map(BTreeSet::len), [30, 41]);
    let done = AtomicBool::new(false);
    let mut seen = [0; 2];
    let mut interrupted = 0;
    thread::scope(|scope| {
        scope.spawn(|| {
            for state in states.iter().cycle() {
                if done.load(Ordering::Relaxed) {
                    break;
                }
                nft(&netns, &["-f", "-"], state);
            }
        });
        for _ in 0..200 {
            let read = namespace.rules_of(&table);
            if read.issues.is_empty() {
                let found = shape(&read.value);
                match wanted.iter().position(|state| *state == found) {
                    Some(state) => seen[state] += 1,
                    None => panic_after(&done, &format!("neither state: {found:?}")),
                }
            } else {
                assert!(read.issues.iter().all(|issue| matches!(issue.why, Why::Interrupted { .. })), "{read:?}");
                interrupted += 1;
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    assert!(seen[0] > 0 && seen[1] > 0, "{seen:?}, {interrupted} interrupted");
}

/// Ends the writer first: a scope waits for its threads.
fn panic_after(done: &AtomicBool, words: &str) -> ! {
    done.store(true, Ordering::Relaxed);
    panic!("{words}");
}
