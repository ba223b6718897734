//! Chains that no kernel would take, from files: a thousand deep, in circles, leading nowhere, with rules by the
//! hundred thousand. `services` ends, in bounded time, and does not take what it could not follow for known.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use podnet::analyze::answer::Answer;
use podnet::analyze::nat::nat_of;
use podnet::analyze::services::types::{Effect, Services};
use podnet::analyze::services::{ServicesQuery, services};
use podnet::collect::rules;
use podnet::model::issue::Level;
use podnet::model::snapshot::Snapshot;
use podnet::model::view::NodeView;

const LIMIT: Duration = Duration::from_secs(120);

/// `*nat` with these chains and rules; kube-proxy's rules are hooked in.
fn node(chains: &str, rules: &str) -> Snapshot {
    let text = format!(
        "*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n\
         :KUBE-SERVICES - [0:0]\n:KUBE-NODEPORTS - [0:0]\n{chains}{rules}-A PREROUTING -j KUBE-SERVICES\n\
         -A OUTPUT -j KUBE-SERVICES\nCOMMIT\n"
    );
    let mut file = tempfile::Builder::new().prefix("iptables-").tempfile().unwrap();
    std::io::Write::write_all(&mut file, text.as_bytes()).unwrap();
    rules::open(&[file.path().to_owned()]).unwrap()
}

#[track_caller]
fn ask(node: &Snapshot, text: Option<&str>) -> Answer<Services> {
    let begun = Instant::now();
    let query = ServicesQuery { text: text.map(str::to_owned), ..ServicesQuery::default() };
    let answer = services(&[node as &dyn NodeView], &query).unwrap();
    assert!(begun.elapsed() < LIMIT, "{:?}", begun.elapsed());
    answer
}

fn doubts(answer: &Answer<Services>) -> Vec<&str> {
    let unsure = answer.issues.iter().filter(|issue| issue.level == Level::Incomplete);
    unsure.map(|issue| issue.why.detail()).collect()
}

const BEGIN: &str =
    "-A KUBE-SERVICES -d 10.32.0.9/32 -p tcp -m comment --comment \"default/deep cluster IP\" -m tcp --dport 80 -j ";

/// `KUBE-SVC-` and a number as the hash would be written.
fn chain(number: usize) -> String {
    let digits = number.to_string().bytes().map(|digit| char::from(b'A' + digit - b'0')).collect::<String>();
    format!("KUBE-SVC-{digits:A>16}")
}

#[test]
fn a_thousand_chains_deep_the_endpoint_is_found() {
    let names: Vec<String> = (0..1000).map(chain).collect();
    let chains: String = names.iter().fold(String::new(), |text, name| text + ":" + name + " - [0:0]\n");
    let mut rules = format!("{BEGIN}{}\n", names[0]);
    for pair in names.windows(2) {
        let _ = writeln!(rules, "-A {} -j {}", pair[0], pair[1]);
    }
    let _ = writeln!(rules, "-A {} -p tcp -m tcp -j DNAT --to-destination 10.200.0.7:80", names[999]);
    let node = node(&chains, &rules);
    for text in [Some("10.32.0.9:80"), None] {
        let answer = ask(&node, text);
        let [port] = answer.data.services.as_slice() else { panic!("{:?}", answer.data.services.len()) };
        let found: Vec<_> = port.endpoints.iter().map(|endpoint| endpoint.address.to_string()).collect();
        assert!(found == ["10.200.0.7"] || !port.whole, "{found:?}");
    }
}

#[test]
fn circles_and_chains_that_are_not_there_are_no_endpoints_and_no_end() {
    let (one, two, three) = (chain(1), chain(2), chain(3));
    let chains = format!(":{one} - [0:0]\n:{two} - [0:0]\n");
    for rules in [
        format!("{BEGIN}{one}\n-A {one} -j {two}\n-A {two} -j {one}\n"),
        format!("{BEGIN}{one}\n-A {one} -j {one}\n"),
        format!(
            "{BEGIN}{one}\n-A {one} -m statistic --mode random --probability 0.5 -j {two}\n-A {one} -j {one}\n-A {two} -j {two}\n"
        ),
        format!("{BEGIN}{three}\n"),
        format!("{BEGIN}{one}\n-A {one} -j {three}\n"),
    ] {
        let node = node(&chains, &rules);
        for text in [Some("10.32.0.9:80"), Some("default/deep"), None] {
            let answer = ask(&node, text);
            // A file's jump to a chain that it has not is no jump: the line is told as unread.
            let found: Vec<_> = answer.data.services.iter().map(|port| (port.endpoints.len(), port.whole)).collect();
            assert!(found.is_empty() || found == [(0, false)], "{text:?} {rules}: {found:?}");
            assert!(answer.exit_code() == 3, "{text:?} {rules}: {:#?}", answer.issues);
        }
    }
}

/// What stands before kube-proxy's jump leads a thousand deep, or in a circle.
#[test]
fn deep_foreign_chains_before_the_jump_are_followed_or_unknown() {
    let service = format!("{BEGIN}{}\n-A {} -p tcp -j DNAT --to-destination 10.200.0.7:80\n", chain(1), chain(1));
    let mut chains = format!(":{} - [0:0]\n", chain(1));
    let mut rules = "-A PREROUTING -j F0\n".to_owned();
    for number in 0..1000 {
        let _ = writeln!(chains, ":F{number} - [0:0]");
        if number > 0 {
            let _ = writeln!(rules, "-A F{} -j F{number}", number - 1);
        }
    }
    let deep = node(&chains, &format!("{rules}-A F999 -d 10.32.0.9/32 -j ACCEPT\n{service}"));
    let answer = ask(&deep, Some("10.32.0.9:80"));
    let effects: Vec<_> = answer.data.foreign.iter().map(|one| (one.effect, one.certain)).collect();
    assert_eq!(effects, [(Effect::LeadsPast, true)], "{:?}", answer.issues);

    let circle = node(&chains, &format!("{rules}-A F999 -j F0\n{service}"));
    let answer = ask(&circle, Some("10.32.0.9:80"));
    assert!(doubts(&answer).iter().any(|doubt| doubt.contains("leads to itself")), "{:?}", answer.issues);
    assert_eq!(answer.exit_code(), 3);
    let begun = Instant::now();
    let nat = nat_of(&circle, "10.200.0.7".parse().unwrap());
    assert!(begun.elapsed() < LIMIT && nat.exit_code() == 3);
}

#[test]
fn a_hundred_thousand_rules_in_one_chain_of_services_are_read_in_bounded_time() {
    let mut rules = String::new();
    for number in 0..100_000u32 {
        let (high, low) = (number / 256, number % 256);
        let _ = writeln!(
            rules,
            "-A KUBE-SERVICES -d 10.{}.{}.{low}/32 -p tcp -m comment --comment \"default/s{number} cluster IP\" -m tcp --dport 80 -j {}",
            64 + high / 256,
            high % 256,
            chain(1)
        );
    }
    let chains = format!(":{} - [0:0]\n", chain(1));
    let node = node(&chains, &format!("{rules}-A {} -p tcp -j DNAT --to-destination 10.200.0.7:80\n", chain(1)));
    let answer = ask(&node, Some("10.64.0.7:80"));
    assert_eq!(answer.data.services[0].title, "default/s7");
    assert_eq!(answer.data.services.len(), 1);
}
