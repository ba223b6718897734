//! Which route of a table wins, and why the others lose.
//!
//! May import model and the module it tests.

use super::world::World;
use super::{check, look, losers, words};

#[test]
fn ipv4_takes_the_longest_prefix_then_tos_then_the_lowest_metric() {
    let world = || {
        World::new(&[
            "default via 10.0.0.1 dev eth0",
            "10.1.0.0/16 dev eth1",
            "10.1.2.0/24 dev eth2 metric 5",
            "10.1.2.0/24 dev eth0 metric 20",
            "10.1.2.0/24 dev eth1 tos 8 metric 90",
            "10.1.3.0/24 dev eth0 linkdown dead",
        ])
    };
    check(
        world,
        &[
            ("no prefix but the default", "8.8.8.8", "rule 32766 table 254 0.0.0.0/0 dev eth0 via 10.0.0.1"),
            ("a longer prefix", "10.1.9.9", "rule 32766 table 254 10.1.0.0/16 dev eth1"),
            ("the lower metric", "10.1.2.3", "rule 32766 table 254 10.1.2.0/24 dev eth2"),
            ("tos before metric", "10.1.2.3 tos 8", "rule 32766 table 254 10.1.2.0/24 dev eth1"),
            ("a dead one is passed over", "10.1.3.3", "rule 32766 table 254 10.1.0.0/16 dev eth1"),
            ("a bound socket", "10.1.2.3 oif eth0", "rule 32766 table 254 10.1.2.0/24 dev eth0"),
        ],
    );
    let (found, _) = look(world(), "10.1.2.3");
    assert_eq!(
        losers(&found),
        [
            "rule 0: NothingFound",
            "table 254 10.1.2.0/24 metric 90: Tos",
            "table 254 10.1.2.0/24 metric 20: HigherMetric",
            "table 254 10.1.0.0/16 metric 0: ShorterPrefix",
            "table 254 0.0.0.0/0 metric 0: ShorterPrefix",
        ]
    );
    let (found, _) = look(world(), "10.1.3.3");
    assert_eq!(losers(&found)[1], "table 254 10.1.3.0/24 metric 0: Dead");
    assert_eq!(found.near_misses[1].why, "eth0 has no carrier, and routes over such links are ignored");
    let (found, _) = look(world(), "10.1.2.3 oif eth0");
    assert_eq!(losers(&found)[2], "table 254 10.1.2.0/24 metric 5: OtherLink");
}

#[test]
fn kinds_that_refuse() {
    let world = || {
        World::new(&["default dev eth0", "blackhole 10.1.0.0/16", "unreachable 10.2.0.0/16", "prohibit 10.3.0.0/16"])
    };
    check(
        world,
        &[
            ("blackhole", "10.1.0.1", "rule 32766 refused EINVAL"),
            ("unreachable", "10.2.0.1", "rule 32766 refused EHOSTUNREACH"),
            ("prohibit", "10.3.0.1", "rule 32766 refused EACCES"),
            ("a bound socket overrides it", "10.1.0.1 oif eth1", "no rule dev eth1"),
        ],
    );
    check(|| World::new(&[]), &[("nothing at all", "10.1.0.1", "no rule refused ENETUNREACH")]);
    check(|| World::new(&[]), &[("nothing at all, IPv6", "2001:db8::1", "no rule refused ENETUNREACH")]);
}

#[test]
fn throw_goes_on_with_the_next_rule() {
    let world = || {
        World::new(&["throw 10.1.0.0/16 table 100", "default dev eth1 table 100", "default dev eth0"])
            .rules(&["10 table 100", "32766 table 254"])
    };
    check(world, &[("throw", "10.1.0.1", "rule 32766 table 254 0.0.0.0/0 dev eth0")]);
    let (found, _) = look(world(), "10.1.0.1");
    assert_eq!(losers(&found)[0], "table 100 10.1.0.0/16 metric 0: Throw");
}

#[test]
fn routes_in_tables_that_are_not_reached_are_told() {
    let world = World::new(&["default dev eth0", "10.1.0.0/16 dev eth1 table 100"]);
    let (found, _) = look(world, "10.1.0.1");
    assert_eq!(losers(&found), ["rule 0: NothingFound", "table 100 10.1.0.0/16 metric 0: TableNotReached"]);
    assert_eq!(found.near_misses[1].why, "no rule led to table 100 before rule 32766 decided");
}

#[test]
fn a_list_of_losers_is_bounded() {
    let routes: Vec<String> = (0..100).map(|metric| format!("default dev eth0 metric {metric}")).collect();
    let (found, _) = look(World::new(&routes.iter().map(String::as_str).collect::<Vec<_>>()), "8.8.8.8");
    assert_eq!((found.near_misses.len(), found.near_misses_left_out), (48, 52));
}

#[test]
fn several_next_hops_are_all_told_with_their_weight() {
    let world = || {
        World::new(&["default nexthop via 10.0.0.1 dev eth0 weight 3 nexthop via 10.1.0.1 dev eth1 nexthop via 10.2.0.1 dev eth2 dead"])
            .addresses(&["10.0.0.2/24 dev eth0", "10.1.0.2/24 dev eth1", "10.2.0.2/24 dev eth2"])
    };
    check(
        world,
        &[
            (
                "a hash chooses among the living",
                "8.8.8.8",
                "rule 32766 table 254 0.0.0.0/0 dev eth0 via 10.0.0.1 src 10.0.0.2 dev eth1 via 10.1.0.1 src 10.1.0.2",
            ),
            ("a given source draws", "8.8.8.8 from 10.1.0.2", "rule 32766 table 254 0.0.0.0/0 dev eth1 via 10.1.0.1"),
            (
                "a bound link decides",
                "8.8.8.8 oif eth1",
                "rule 32766 table 254 0.0.0.0/0 dev eth1 via 10.1.0.1 src 10.1.0.2",
            ),
        ],
    );
    let (found, _) = look(world(), "8.8.8.8");
    assert_eq!(found.way(), None);
    assert_eq!(found.source(), None);
    assert_eq!(found.ways.iter().map(|way| way.weight).collect::<Vec<_>>(), [3, 1, 1]);
    assert_eq!(found.ways[2].unusable.as_deref(), Some("it is dead, or its link has no carrier"));
}

#[test]
fn failed_routers_count_where_the_sysctl_says_so() {
    let world = |on: &str| {
        World::new(&["default nexthop via 10.0.0.1 dev eth0 nexthop via 10.1.0.1 dev eth1"])
            .neighbours(&[("eth0", "10.0.0.1", "failed")])
            .sysctl("ipv4.fib_multipath_use_neigh", on)
    };
    let usable = |on| look(world(on), "8.8.8.8").0.usable().count();
    assert_eq!((usable("0"), usable("1")), (2, 1));
}

#[test]
fn the_second_of_two_equal_defaults_is_taken_when_the_first_router_failed() {
    let world = |state: &'static str| {
        move || {
            World::new(&["default via 10.0.0.1 dev eth0", "default via 10.1.0.1 dev eth1"])
                .neighbours(&[("eth0", "10.0.0.1", state), ("eth1", "10.1.0.1", "reachable")])
        }
    };
    check(world("reachable"), &[("alive", "8.8.8.8", "rule 32766 table 254 0.0.0.0/0 dev eth0 via 10.0.0.1")]);
    check(world("incomplete"), &[("being asked", "8.8.8.8", "rule 32766 table 254 0.0.0.0/0 dev eth1 via 10.1.0.1")]);
    check(world("failed"), &[("failed", "8.8.8.8", "rule 32766 table 254 0.0.0.0/0 dev eth1 via 10.1.0.1")]);
    check(world("stale"), &[("hangs on the last choice", "8.8.8.8", "unknown")]);
}

#[test]
fn nexthop_objects_that_are_blackholes_refuse() {
    let mut world = World::new(&["default dev lo nhid 9", "default6 dev lo nhid 9"]);
    let object = crate::model::route::NexthopObject {
        id: 9,
        nexthop: None,
        group: Vec::new(),
        blackhole: true,
        fdb: false,
        origin: "static".to_owned(),
    };
    world.nexthops.push(object.clone());
    assert_eq!(words(&look(world, "8.8.8.8").0), "rule 32766 refused EINVAL");
    let mut world = World::new(&["default6 dev lo nhid 9"]);
    world.nexthops.push(object);
    assert_eq!(words(&look(world, "2001:db8::1").0), "rule 32766 refused EINVAL");
}

#[test]
fn a_gateway_that_is_its_own_address_counts_as_on_the_link() {
    let world = || {
        World::new(&["default via 10.0.0.1 dev eth0", "local 10.0.0.1 dev eth0 table 255"])
            .addresses(&["10.0.0.1/24 dev eth0"])
    };
    check(world, &[("own gateway", "8.8.8.8", "rule 32766 table 254 0.0.0.0/0 dev eth0 src 10.0.0.1")]);
    let (found, _) = look(world(), "8.8.8.8");
    assert_eq!(found.notes, ["the gateway 10.0.0.1 is this namespace's own: the destination counts as on the link"]);
}

#[test]
fn packets_that_come_in() {
    let world = || {
        World::new(&[
            "local 10.0.0.1 dev eth0 table 255",
            "10.0.0.0/24 dev eth0 scope link",
            "10.1.0.0/24 dev eth1 scope link",
        ])
        .addresses(&["10.0.0.1/24 dev eth0", "10.1.0.1/24 dev eth1"])
    };
    check(
        world,
        &[
            ("forwarded", "10.1.0.9 from 10.0.0.9 iif eth0", "rule 32766 table 254 10.1.0.0/24 dev eth1"),
            (
                "for this namespace",
                "10.0.0.1 from 10.0.0.9 iif eth0",
                "rule 0 table 255 10.0.0.1/32 delivered dev eth0",
            ),
            ("its own address as the source", "10.1.0.9 from 10.0.0.1 iif eth0", "rule 32766 refused EINVAL"),
            ("no source", "10.1.0.9 iif eth0", "no rule refused EINVAL"),
            ("loopback from outside", "127.0.0.1 from 10.0.0.9 iif eth0", "no rule refused EINVAL"),
            ("multicast", "224.0.0.5 from 10.0.0.9 iif eth0", "unknown"),
        ],
    );
    let strict = || world().sysctl("ipv4.conf.all.rp_filter", "1");
    check(
        strict,
        &[
            (
                "the way back is the same",
                "10.1.0.9 from 10.0.0.9 iif eth0",
                "rule 32766 table 254 10.1.0.0/24 dev eth1",
            ),
            ("the way back is another", "10.1.0.9 from 10.0.0.9 iif eth1", "rule 32766 refused EXDEV"),
        ],
    );
    // The way back is asked for with the ports turned around; one that was not told may be any.
    let by_port =
        || strict().rules(&["0 table 255", "10 proto 17 dport 5300 table 100", "32766 table 254", "32767 table 253"]);
    let led = || {
        let rules = ["0 table 255", "10 proto 17 dport 5300 blackhole", "32766 table 254", "32767 table 253"];
        strict().rules(&rules)
    };
    let forwarded = "rule 32766 table 254 10.1.0.0/24 dev eth1";
    check(by_port, &[("no port decides", "10.1.0.9 from 10.0.0.9 iif eth0 proto 17 dport 80", forwarded)]);
    check(
        led,
        &[
            ("a port may decide", "10.1.0.9 from 10.0.0.9 iif eth0 proto 17 dport 80", "unknown"),
            ("another port", "10.1.0.9 from 10.0.0.9 iif eth0 proto 17 sport 81 dport 80", forwarded),
            ("that port", "10.1.0.9 from 10.0.0.9 iif eth0 proto 17 sport 5300 dport 80", "rule 32766 refused EXDEV"),
        ],
    );
    let host = || world().sysctl("ipv4.conf.eth0.forwarding", "0");
    check(host, &[("a host does not forward", "10.1.0.9 from 10.0.0.9 iif eth0", "rule 32766 refused EHOSTUNREACH")]);
}

#[test]
fn ipv6_takes_preference_reachability_and_expiry_into_account() {
    let world = |more: &'static [&'static str]| {
        move || World::new(more).neighbours(&[("eth0", "fe80::1", "failed"), ("eth1", "fe80::2", "stale")])
    };
    check(
        world(&["default6 via fe80::1 dev eth0", "default6 via fe80::2 dev eth1"]),
        &[("a failed router on a host", "2001:db8::1", "rule 32766 table 254 ::/0 dev eth1 via fe80::2")],
    );
    check(
        move || {
            world(&["default6 via fe80::1 dev eth0", "default6 via fe80::2 dev eth1"])()
                .sysctl("ipv6.conf.all.forwarding", "1")
        },
        &[("a router does not look", "2001:db8::1", "rule 32766 table 254 ::/0 dev eth0 via fe80::1")],
    );
    check(
        world(&["default6 via fe80::1 dev eth0"]),
        &[("the only one, failed or not", "2001:db8::1", "rule 32766 table 254 ::/0 dev eth0 via fe80::1")],
    );
    check(
        world(&["default6 via fe80::3 dev eth0", "default6 via fe80::2 dev eth1 pref high"]),
        &[("the preferred router", "2001:db8::1", "rule 32766 table 254 ::/0 dev eth1 via fe80::2")],
    );
    check(
        world(&["default6 via fe80::3 dev eth0 metric 10 pref low", "default6 via fe80::2 dev eth1 pref high"]),
        &[("metric before preference", "2001:db8::1", "rule 32766 table 254 ::/0 dev eth0 via fe80::3")],
    );
    check(
        world(&["2001:db8::/32 via fe80::3 dev eth0 expires -5", "default6 via fe80::2 dev eth1"]),
        &[("expired", "2001:db8::1", "rule 32766 table 254 ::/0 dev eth1 via fe80::2")],
    );
    let (found, _) = look(
        world(&[
            "default6 via fe80::1 dev eth0 metric 5",
            "default6 via fe80::2 dev eth1",
            "2001:db8::/32 dev eth2 expires -5",
        ])(),
        "2001:db8::1",
    );
    assert_eq!(
        losers(&found),
        [
            "rule 0: NothingFound",
            "table 254 2001:db8::/32 metric 1024: Expired",
            "table 254 ::/0 metric 5: RouterUnreachable"
        ]
    );
}

#[test]
fn ipv6_refusing_routes_are_on_loopback_and_lose_to_a_bound_link() {
    let world = || World::new(&["unreachable default6 dev lo metric 5", "default6 via fe80::2 dev eth1"]);
    check(
        world,
        &[
            ("refused", "2001:db8::1", "rule 32766 refused EHOSTUNREACH"),
            ("bound", "2001:db8::1 oif eth1", "rule 32766 table 254 ::/0 dev eth1 via fe80::2"),
        ],
    );
}

#[test]
fn ipv6_routes_for_a_source_hide_those_of_the_same_prefix() {
    // Seen on Linux 6.18: a prefix with routes for other sources only is passed over as a whole.
    let world = || {
        World::new(&[
            "2001:db8:1::/48 via fe80::1 dev eth0",
            "2001:db8:1::/48 from 2001:db8:f::/48 via fe80::2 dev eth1",
            "2001:db8::/32 via fe80::3 dev eth2",
            "default6 via fe80::4 dev eth0",
            "default6 from 2001:db8:f::/48 via fe80::5 dev eth1",
        ])
    };
    check(
        world,
        &[
            ("no source", "2001:db8:1::1", "rule 32766 table 254 2001:db8::/32 dev eth2 via fe80::3"),
            (
                "that source",
                "2001:db8:1::1 from 2001:db8:f::1",
                "rule 32766 table 254 2001:db8:1::/48 dev eth1 via fe80::2",
            ),
            (
                "another source",
                "2001:db8:1::1 from 2001:db8:e::1",
                "rule 32766 table 254 2001:db8::/32 dev eth2 via fe80::3",
            ),
            (
                "the default is not hidden",
                "2003::1 from 2001:db8:e::1",
                "rule 32766 table 254 ::/0 dev eth0 via fe80::4",
            ),
            (
                "the default for that source",
                "2003::1 from 2001:db8:f::1",
                "rule 32766 table 254 ::/0 dev eth1 via fe80::5",
            ),
        ],
    );
}

#[test]
fn an_encapsulation_is_told_and_leaves_the_answer_incomplete() {
    let (found, gathered) = look(World::new(&["default via 10.0.0.1 dev eth0 encap mpls"]), "8.8.8.8");
    assert_eq!(found.ways[0].encap.as_ref().map(|encap| encap.kind.as_str()), Some("mpls"));
    assert_eq!(gathered.issues[0].why.detail(), "what the encapsulation mpls does to the packet");
}
