//! Which rule decides.
//!
//! May import model and the module it tests.

use super::world::World;
use super::{check, look, losers, words};

fn marked(line: &'static str) -> impl Fn() -> World {
    move || {
        World::new(&[
            "default dev eth0",
            "default dev eth1 table 100",
            "default6 dev eth0",
            "default6 dev eth1 table 100",
        ])
        .rules(&["0 table 255", line, "32766 table 254", "6 0 table 255", "6 32766 table 254"])
    }
}

const TAKEN: &str = "rule 10 table 100 0.0.0.0/0 dev eth1";
const PASSED: &str = "rule 32766 table 254 0.0.0.0/0 dev eth0";

#[test]
fn each_selector_matches_and_does_not() {
    let cases: &[(&str, &str, &str, &str)] = &[
        ("source", "10 from 10.1.0.0/16 table 100", "8.8.8.8 from 10.1.0.1 iif eth2", "8.8.8.8 from 10.2.0.1 iif eth2"),
        ("destination", "10 to 8.8.0.0/16 table 100", "8.8.8.8", "9.9.9.9"),
        ("incoming link", "10 iif eth2 table 100", "8.8.8.8 from 10.1.0.1 iif eth2", "8.8.8.8"),
        ("own packets", "10 iif lo table 100", "8.8.8.8", "8.8.8.8 from 10.1.0.1 iif eth2"),
        ("a link that is gone", "10 not iif gone table 100", "8.8.8.8", "unused"),
        ("mark with mask", "10 mark 2/15 table 100", "8.8.8.8 mark 18", "8.8.8.8 mark 3"),
        ("tos ignores the upper bits", "10 tos 8 table 100", "8.8.8.8 tos 72", "8.8.8.8 tos 4"),
        ("dscp does not", "10 dscp 8 table 100", "8.8.8.8 tos 8", "8.8.8.8 tos 72"),
        ("protocol", "10 proto 6 table 100", "8.8.8.8 proto 6", "8.8.8.8 proto 17"),
        ("source ports", "10 sport 1000-2000 table 100", "8.8.8.8 proto 6 sport 2000", "8.8.8.8 proto 6 sport 2001"),
        ("destination port", "10 dport 80 table 100", "8.8.8.8 proto 6 dport 80", "8.8.8.8 proto 6 dport 81"),
        ("icmp has no ports", "10 not dport 80 table 100", "8.8.8.8 proto 1", "8.8.8.8 proto 6 dport 80"),
        ("user", "10 uid 1000-2000 table 100", "8.8.8.8 uid 1000", "8.8.8.8"),
        ("inverted", "10 not to 9.0.0.0/8 table 100", "8.8.8.8", "9.9.9.9"),
        ("tunnel", "10 not tunnel 7 table 100", "8.8.8.8", "unused"),
    ];
    for (name, rule, yes, no) in cases {
        check(marked(rule), &[(name, yes, TAKEN)]);
        if *no != "unused" {
            check(marked(rule), &[(name, no, PASSED)]);
        }
    }
}

#[test]
fn a_bound_socket_matches_by_its_link() {
    check(
        marked("10 oif eth1 table 100"),
        &[("bound", "8.8.8.8 oif eth1", TAKEN), ("bound elsewhere", "8.8.8.8 oif eth0", PASSED)],
    );
}

#[test]
fn what_every_packet_has_but_the_look_up_does_not_name_makes_it_unknown() {
    check(
        marked("10 proto 6 dport 80 table 100"),
        &[
            ("no protocol", "8.8.8.8", "unknown"),
            ("no port", "8.8.8.8 proto 6", "unknown"),
            ("a look-up that names none", "8.8.8.8 proto 0", PASSED),
            ("another protocol", "8.8.8.8 proto 17", PASSED),
            ("a protocol without ports", "8.8.8.8 proto 1", PASSED),
            ("another destination port", "8.8.8.8 dport 81", PASSED),
        ],
    );
    let (_, gathered) = look(marked("10 proto 6 table 100")(), "8.8.8.8");
    let issue = &gathered.issues[0];
    assert_eq!(issue.why.detail(), "rule 10 selects by ip protocol, which the look-up does not name");
}

#[test]
fn a_selector_podnet_does_not_know_makes_it_unknown_unless_another_one_decides() {
    check(marked("10 unknown 40 table 100"), &[("unknown", "8.8.8.8", "unknown")]);
    check(marked("10 to 9.0.0.0/8 unknown 40 table 100"), &[("decided by another", "8.8.8.8", PASSED)]);
    check(marked("10 not to 9.0.0.0/8 unknown 40 table 100"), &[("inverted", "8.8.8.8", TAKEN)]);
    check(marked("10 unknown 11 table 100"), &[("a realm is no selector", "8.8.8.8", TAKEN)]);
}

#[test]
fn actions_end_the_search_or_go_on() {
    for (action, expected) in [
        ("10 blackhole", "rule 10 refused EINVAL"),
        ("10 unreachable", "rule 10 refused ENETUNREACH"),
        ("10 prohibit", "rule 10 refused EACCES"),
        ("10 nop", PASSED),
        ("10 goto 32766", PASSED),
        ("10 goto 500", PASSED),
        ("10 table 77", PASSED),
    ] {
        check(marked(action), &[(action, "8.8.8.8", expected)]);
    }
}

#[test]
fn goto_skips_rules_and_lands_on_the_first_of_its_target() {
    let world = || {
        World::new(&["default dev eth0 table 100", "default dev eth1 table 101"]).rules(&[
            "10 goto 30",
            "20 blackhole",
            "30 to 9.0.0.0/8 table 100",
            "30 table 101",
        ])
    };
    check(
        world,
        &[
            ("the first of two", "9.9.9.9", "rule 30 table 100 0.0.0.0/0 dev eth0"),
            ("then the next", "8.8.8.8", "rule 30 table 101 0.0.0.0/0 dev eth1"),
        ],
    );
}

#[test]
fn a_missing_target_and_an_empty_table_are_told() {
    let (found, _) = look(marked("10 goto 500")(), "8.8.8.8");
    assert_eq!(losers(&found)[..2], ["rule 0: NothingFound", "rule 10: MissingTarget"]);
}

#[test]
fn suppression_by_prefix_length_and_by_group() {
    check(
        || {
            World::new(&["default dev eth0", "10.0.0.0/8 dev eth2 table 100", "default dev eth2 table 100"])
                .rules(&["10 suppress 0 table 100", "32766 table 254"])
        },
        &[
            ("the default does not count", "8.8.8.8", "rule 32766 table 254 0.0.0.0/0 dev eth0"),
            ("a longer one does", "10.1.1.1", "rule 10 table 100 10.0.0.0/8 dev eth2"),
        ],
    );
    // eth1 is in group 7.
    check(marked("10 suppressgroup 7 table 100"), &[("of that group", "8.8.8.8", PASSED)]);
    check(marked("10 suppressgroup 8 table 100"), &[("of another group", "8.8.8.8", TAKEN)]);
    let (found, _) = look(marked("10 suppress 0 table 100")(), "8.8.8.8");
    assert_eq!(losers(&found)[1], "table 100 0.0.0.0/0 metric 0: Suppressed");
}

#[test]
fn a_refusing_route_is_not_suppressed() {
    let world = || {
        World::new(&["default dev eth0", "blackhole default table 100"])
            .rules(&["10 suppress 0 table 100", "20 table 254"])
    };
    check(world, &[("blackhole", "8.8.8.8", "rule 10 refused EINVAL")]);
}

#[test]
fn ports_of_a_vrf_take_its_table() {
    let world = || {
        World::new(&["default dev eth0", "default dev red0 table 500"])
            .rules(&["0 table 255", "1000 l3mdev", "32766 table 254"])
            .addresses(&["10.5.0.1/24 dev red"])
    };
    check(
        world,
        &[
            ("in by a port", "8.8.8.8 from 10.5.0.9 iif red0", "rule 1000 table 500 0.0.0.0/0 dev red0"),
            ("bound to the VRF", "8.8.8.8 oif red", "rule 1000 table 500 0.0.0.0/0 dev red0 src 10.5.0.1"),
            ("in by another link", "8.8.8.8 from 10.5.0.9 iif eth0", "rule 32766 table 254 0.0.0.0/0 dev eth0"),
        ],
    );
}

#[test]
fn rules_of_the_other_family_do_not_count() {
    check(marked("10 blackhole"), &[("IPv6", "2001:db8::1", "rule 32766 table 254 ::/0 dev eth0")]);
}

#[test]
fn a_rule_by_source_is_told_where_the_packet_has_none_yet() {
    let (found, _) = look(marked("10 from 10.1.0.0/16 table 100")(), "8.8.8.8");
    assert_eq!(words(&found), PASSED);
    assert_eq!(
        found.notes,
        ["rule 10 selects by source: a socket asks again once it has one, so ask with that source too"]
    );
    assert_eq!(found.near_misses[1].why, "it wants packets from 10.1.0.0/16, and the packet has no source yet");
}

#[test]
fn rules_that_were_not_all_read_make_it_unknown() {
    let (found, gathered) = look(World { rules_failed: true, ..World::new(&["default dev eth0"]) }, "8.8.8.8");
    assert_eq!(words(&found), "unknown");
    assert_eq!(gathered.issues.len(), 2, "{:?}", gathered.issues);
}

#[test]
fn local_and_main_are_one_until_a_rule_is_added() {
    let routes = ["local 10.0.0.0/24 dev lo table 255", "10.0.0.5/32 dev eth0"];
    check(|| World::new(&routes), &[("either way may be true", "10.0.0.5", "unknown")]);
    check(
        || World::new(&routes),
        &[("both say the same", "10.0.0.6", "rule 0 table 255 10.0.0.0/24 delivered dev lo src 10.0.0.6")],
    );
    let split = || World::new(&routes).rules(&["0 table 255", "5 nop", "32766 table 254"]);
    check(split, &[("local first", "10.0.0.5", "rule 0 table 255 10.0.0.0/24 delivered dev lo src 10.0.0.5")]);
}
