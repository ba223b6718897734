//! Rules of somebody else's that packets meet before kube-proxy's: what each does to which service.

use podnet::analyze::answer::Answer;
use podnet::analyze::services::types::{Effect, Foreign, Services};
use podnet::analyze::services::{ServicesQuery, services};
use podnet::model::issue::{Level, Read};
use podnet::model::netfilter::chain::Hook;
use podnet::model::netfilter::hook::HookEntry;
use podnet::model::netfilter::table::{BackEnd, Family, TableRef};
use podnet::model::snapshot::Snapshot;
use podnet::model::view::NodeView;

use crate::testbed::Netns;
use crate::world::{NFTABLES, TODAY, feed, iptables, worker};

fn ask(node: &Snapshot, text: &str) -> Answer<Services> {
    let query = ServicesQuery { text: Some(text.to_owned()), ..ServicesQuery::default() };
    services(&[node as &dyn NodeView], &query).unwrap()
}

/// Where packets to it go, the effect, and the sentence.
fn told(found: &Foreign) -> (Hook, Vec<String>, Effect, bool, &str) {
    let place = |met: &podnet::analyze::services::types::Met| match met.address {
        Some(address) => format!("{} {address}:{}", met.service, met.port),
        None => format!("{} node port {}", met.service, met.port),
    };
    (found.hook, found.services.iter().map(place).collect(), found.effect, found.certain, &found.says)
}

fn unsure(answer: &Answer<Services>) -> Vec<String> {
    let unsure = answer.issues.iter().filter(|issue| issue.level == Level::Incomplete);
    unsure.map(|issue| format!("{}: {}", issue.what, issue.why.detail())).collect()
}

fn nft(netns: &Netns, script: &str) {
    feed(netns, &["nft", "-f", "-"], script);
}

/// In which kind of rules kube-proxy's stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Nft,
    Legacy,
    Nftables,
}

/// The recorded worker, and a script for nft.
fn with(mode: Mode, script: &str) -> Snapshot {
    worker(&|netns| {
        match mode {
            Mode::Nft => iptables(netns, "nft", TODAY),
            Mode::Legacy => iptables(netns, "legacy", TODAY),
            Mode::Nftables => nft(netns, NFTABLES),
        }
        nft(netns, script);
    })
}

const MODES: [Mode; 3] = [Mode::Nft, Mode::Legacy, Mode::Nftables];

#[test]
fn a_translation_in_another_table_before_kube_proxys_takes_packets_away() {
    let script = "table ip foreign {
        chain pre {
            type nat hook prerouting priority -110
            ip daddr 10.32.0.205 tcp dport 80 counter dnat to 192.0.2.9:81
            ip daddr 10.32.0.205 tcp dport 81 dnat to 192.0.2.9
            ip daddr 10.32.0.206 dnat to 192.0.2.9
        }
        chain after {
            type nat hook prerouting priority -90
            ip daddr 10.32.0.205 dnat to 192.0.2.10
        }
    }";
    for mode in MODES {
        let answer = ask(&with(mode, script), "10.32.0.205:80");
        let [found] = answer.data.foreign.as_slice() else { panic!("{mode:?}: {:#?}", answer.data.foreign) };
        let at = vec!["default/web:http 10.32.0.205:80".to_owned()];
        let says = "what reaches this node goes to 192.0.2.9:81";
        assert_eq!(told(found), (Hook::Prerouting, at, Effect::Translates, true, says), "{mode:?}");
        assert_eq!((found.priority, found.order_known), (-110, true));
        let rule = found.rules.last().unwrap();
        assert_eq!(
            (rule.chain.name.to_string(), rule.number, rule.text.as_str()),
            ("pre".to_owned(), 1, "ip daddr 10.32.0.205 tcp dport 80 counter packets 0 bytes 0 dnat to 192.0.2.9:81")
        );
        assert_eq!((answer.exit_code(), unsure(&answer)), (1, Vec::new()), "{mode:?}");
        // Another service is not touched by it.
        let other = ask(&with(mode, script), "10.32.0.10:53");
        assert_eq!((other.data.foreign.len(), other.exit_code()), (0, 0), "{mode:?}");
    }
}

#[test]
fn what_filters_before_nat_is_told_with_its_condition() {
    let script = "table inet fw {
        set shut { type ipv4_addr . inet_service; elements = { 10.32.0.205 . 80 }; }
        chain raw {
            type filter hook prerouting priority -300
            ip daddr . th dport @shut ip saddr 203.0.113.0/24 drop
            ip dscp set cs1
            udp dport 53 ip daddr 10.32.0.10 notrack
        }
        chain own {
            type filter hook output priority -200
            ip daddr 10.32.0.205 meta skuid 1000 reject
        }
        chain later {
            type filter hook prerouting priority 10
            ip daddr 10.32.0.205 drop
        }
    }";
    for mode in MODES {
        let node = with(mode, script);
        let answer = ask(&node, "default/web:http");
        let all: Vec<_> = answer.data.foreign.iter().map(told).collect();
        let at = || vec!["default/web:http 10.32.0.205:80".to_owned()];
        let [dropped, rejected] =
            ["reaches this node, and comes from 203.0.113.0/24,", "this node itself sends, and fits \"meta skuid\","]
                .map(|which| format!("what {which} is dropped or rejected"));
        assert_eq!(all[0], (Hook::Prerouting, at(), Effect::Drops, false, dropped.as_str()), "{mode:?}");
        assert_eq!((all[1].0, &all[1].1, all[1].2, all[1].3), (Hook::Output, &at(), Effect::Drops, false), "{mode:?}");
        assert!(all[1].4.starts_with("what this node itself sends, and "), "{mode:?}: {} {rejected}", all[1].4);
        assert_eq!(all.len(), 2, "{mode:?}: {all:#?}");
        assert_eq!((answer.exit_code(), unsure(&answer)), (0, Vec::new()), "{mode:?}");

        let dns = ask(&node, "10.32.0.10:53");
        let all: Vec<_> = dns.data.foreign.iter().map(told).collect();
        let says = "what reaches this node is not tracked, so that no rule of nat is asked for it";
        let [(Hook::Prerouting, at, Effect::Untracks, true, said)] = all.as_slice() else { panic!("{all:#?}") };
        assert_eq!((at.len(), *said), (1, says), "{mode:?}: of udp and tcp the first alone");
    }
}

/// What stands before the jump in kube-proxy's own base chain.
#[test]
fn in_kube_proxys_own_base_chain_what_ends_it_counts() {
    let jump = TODAY[0].lines().find(|line| line.contains("-A PREROUTING ")).unwrap();
    let with = |rules: &str, back_end: &str| {
        let text = TODAY[0].replacen(jump, &format!("{rules}\n{jump}"), 1);
        worker(&|netns| iptables(netns, back_end, [&text, TODAY[1]]))
    };
    let at = || vec!["default/web:http 10.32.0.205:80".to_owned()];
    let cases = [
        (
            "[0:0] -A PREROUTING -d 10.32.0.205/32 -j ACCEPT",
            Effect::LeadsPast,
            true,
            "what reaches this node is led past kube-proxy's rules",
        ),
        (
            "[0:0] -A PREROUTING -d 10.32.0.0/16 -p tcp -j RETURN",
            Effect::LeadsPast,
            true,
            "what reaches this node is led past kube-proxy's rules",
        ),
        (
            "[0:0] -A PREROUTING -s 10.9.0.0/16 -p tcp -m tcp --dport 80 -j DNAT --to-destination 192.0.2.9",
            Effect::Translates,
            false,
            "what reaches this node, and comes from 10.9.0.0/16, goes to 192.0.2.9",
        ),
        (
            "[0:0] -A PREROUTING -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 15001",
            Effect::Translates,
            true,
            "what reaches this node goes to this node itself, port 15001",
        ),
    ];
    for (rules, effect, certain, says) in cases {
        for back_end in ["nft", "legacy"] {
            let answer = ask(&with(rules, back_end), "10.32.0.205:80");
            let all: Vec<_> = answer.data.foreign.iter().map(told).collect();
            assert_eq!(all, [(Hook::Prerouting, at(), effect, certain, says)], "{back_end} {rules}");
            assert_eq!((answer.exit_code(), unsure(&answer)), (u8::from(certain), Vec::new()), "{back_end} {rules}");
        }
    }
    // What is about the node's own addresses, or other ports, leaves a cluster IP alone.
    for rules in [
        "[0:0] -A PREROUTING -m addrtype --dst-type LOCAL -j DNAT --to-destination 192.0.2.9",
        "[0:0] -A PREROUTING -p tcp -m tcp --dport 81 -j ACCEPT",
        "[0:0] -A PREROUTING -p udp -j RETURN",
        "[0:0] -A PREROUTING ! -d 10.32.0.0/16 -j ACCEPT",
    ] {
        let answer = ask(&with(rules, "nft"), "10.32.0.205:80");
        assert_eq!((answer.data.foreign.len(), answer.exit_code()), (0, 0), "{rules}: {:#?}", answer.data.foreign);
    }
}

#[test]
fn what_cannot_be_decided_is_unknown_and_names_the_rule() {
    let cases = [
        (
            "table ip f { chain c { type nat hook prerouting priority -100; ip daddr 10.32.0.205 dnat to 192.0.2.9\n }\n }",
            "rule 1 of c of ip f is asked at the priority of kube-proxy's own chain (-100): which of the two runs first is not known",
        ),
        (
            "table ip f { chain c { type filter hook prerouting priority -150; ip daddr set 10.9.9.9\n }\n }",
            "rule 1 of c of ip f is asked before kube-proxy's rules: meets what is unknown: it writes to the packet, which podnet does not follow",
        ),
    ];
    for (script, why) in cases {
        let answer = ask(&with(Mode::Nft, script), "10.32.0.205:80");
        let expected = format!("telling what becomes of packets to default/web:http: {why}");
        assert_eq!((unsure(&answer), answer.exit_code()), (vec![expected], 3), "{script}");
    }
}

/// At equal priority it is the kernel's list that tells which runs first, where it has one.
#[test]
fn at_equal_priority_the_kernels_own_order_decides() {
    let script =
        "table ip f { chain c { type nat hook prerouting priority -100; ip daddr 10.32.0.205 dnat to 192.0.2.9\n }\n }";
    let node = with(Mode::Nft, script);
    let in_order = |chains: [(&str, &str); 2]| {
        let entry = |(table, chain): (&str, &str)| HookEntry {
            priority: -100,
            function: None,
            module: None,
            chain: Some(TableRef { back_end: BackEnd::NfTables, family: Family::Ip, name: table.into() }.chain(chain)),
            program: None,
        };
        let mut node = node.clone();
        let hooks = node.netns.iter_mut().filter_map(|netns| netns.netfilter.as_mut()).flat_map(|all| &mut all.hooks);
        for hook in hooks.filter(|hooks| (hooks.family, hooks.hook) == (Family::Ip, Hook::Prerouting)) {
            hook.entries = Read { value: Some(chains.map(entry).into()), issues: Vec::new() }.section();
        }
        ask(&node, "10.32.0.205:80")
    };
    let before = in_order([("f", "c"), ("nat", "PREROUTING")]);
    let effects: Vec<_> = before.data.foreign.iter().map(|one| (one.effect, one.order_known)).collect();
    assert_eq!((effects, before.exit_code()), (vec![(Effect::Translates, true)], 1));
    let after = in_order([("nat", "PREROUTING"), ("f", "c")]);
    assert_eq!((after.data.foreign.len(), after.exit_code(), unsure(&after)), (0, 0, Vec::new()));
}

/// A program that gets the packet decides.
#[test]
fn a_queue_is_unknown_and_a_socket_too() {
    let cases = [
        ("-d 10.32.0.205 -j NFQUEUE --queue-num 1", "is handed to a program, which decides"),
        (
            "-p tcp -d 10.32.0.205 -j TPROXY --on-port 15006",
            "may be given to a socket of this node, whatever its address",
        ),
    ];
    for (rule, why) in cases {
        for back_end in ["nft", "legacy"] {
            let node = worker(&|netns| {
                iptables(netns, back_end, TODAY);
                let rules = format!("*mangle\n-A PREROUTING {rule}\nCOMMIT\n");
                feed(netns, &[&format!("iptables-{back_end}-restore"), "--noflush"], &rules);
            });
            let answer = ask(&node, "10.32.0.205:80");
            let legacy = if back_end == "legacy" { "legacy " } else { "" };
            let tail = format!("PREROUTING of {legacy}ip mangle is asked before kube-proxy's rules: {why}");
            let all = unsure(&answer);
            assert!(all.len() == 1 && all[0].ends_with(&tail), "{all:?}");
            assert_eq!(answer.exit_code(), 3);
        }
    }
}

/// A map with 10,000 addresses, and as many rules: each service is told by its own element, in bounded time.
#[test]
fn many_services_and_many_rules_are_held_against_each_other() {
    use std::fmt::Write as _;
    let mut script = "table ip f {\n map away { type ipv4_addr : ipv4_addr; elements = { ".to_owned();
    for number in 0..10_000u32 {
        let _ = write!(script, "10.33.{}.{} : 192.0.2.1, ", number / 256, number % 256);
    }
    script.push_str("10.32.0.205 : 192.0.2.7 }; }\n chain c {\n type nat hook prerouting priority -110\n");
    for number in 0..10_000u32 {
        let _ = writeln!(script, "ip daddr 10.34.{}.{} dnat to 192.0.2.2", number / 256, number % 256);
    }
    script.push_str("dnat to ip daddr map @away\n}\n}\n");
    let node = with(Mode::Nft, &script);
    let begun = std::time::Instant::now();
    let answer = services(&[&node as &dyn NodeView], &ServicesQuery::default()).unwrap();
    assert!(begun.elapsed() < std::time::Duration::from_secs(120), "{:?}", begun.elapsed());
    assert_eq!(unsure(&answer), Vec::<String>::new());
    let found: Vec<_> = answer.data.foreign.iter().map(told).collect();
    let at = vec!["default/web:http 10.32.0.205:80".to_owned()];
    assert_eq!(found, [(Hook::Prerouting, at, Effect::Translates, true, "what reaches this node goes to 192.0.2.7")]);
}
