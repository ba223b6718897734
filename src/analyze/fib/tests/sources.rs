//! Which source address is chosen.
//!
//! May import model and the module it tests.

use super::check;
use super::world::World;

#[test]
fn ipv4_sources() {
    let world =
        |route: &'static str, addresses: &'static [&'static str]| move || World::new(&[route]).addresses(addresses);
    let cases: &[(&str, &'static str, &'static [&'static str], &str)] = &[
        ("the route names it", "default via 10.0.0.1 dev eth0 src 10.9.9.9", &["10.0.0.2/24 dev eth0"], "src 10.9.9.9"),
        (
            "the address in the gateway's subnet, not the first",
            "default via 10.0.0.1 dev eth0",
            &["10.7.0.2/24 dev eth0", "10.0.0.2/24 dev eth0"],
            "src 10.0.0.2",
        ),
        (
            "the first one where none is in the gateway's subnet",
            "default via 10.0.0.1 dev eth0 onlink",
            &["10.7.0.2/24 dev eth0", "10.8.0.2/24 dev eth0"],
            "src 10.7.0.2",
        ),
        (
            "a secondary one is not chosen",
            "default via 10.0.0.1 dev eth0",
            &["10.0.0.3/24 dev eth0 secondary", "10.0.0.2/24 dev eth0"],
            "src 10.0.0.2",
        ),
        (
            "one of narrower scope is not chosen",
            "default via 10.0.0.1 dev eth0",
            &["10.0.0.3/24 dev eth0 scope link", "10.0.0.2/24 dev eth0"],
            "src 10.0.0.2",
        ),
        (
            "for a route of scope link it is",
            "default dev eth0 scope link",
            &["169.254.0.3/16 dev eth0 scope link", "10.0.0.2/24 dev eth0"],
            "src 169.254.0.3",
        ),
        (
            "the subnet of a point-to-point address is its peer's",
            "default via 10.5.0.1 dev eth0",
            &["10.7.0.2/24 dev eth0", "10.4.0.2/32 dev eth0 peer 10.5.0.1"],
            "src 10.4.0.2",
        ),
        ("an unnumbered link borrows", "default dev eth0", &["10.1.0.2/24 dev eth1"], "src 10.1.0.2"),
        (
            "an unnumbered link may borrow from several",
            "default dev eth0",
            &["10.1.0.2/24 dev eth1", "10.2.0.2/24 dev eth2"],
            "src one of [10.1.0.2, 10.2.0.2]",
        ),
        ("there is none", "default dev eth0", &[], ""),
    ];
    for (name, route, addresses, expected) in cases {
        let via = route
            .split("via ")
            .nth(1)
            .map(|rest| format!(" via {}", rest.split(' ').next().unwrap()))
            .unwrap_or_default();
        let expected = format!("rule 32766 table 254 0.0.0.0/0 dev eth0{via} {expected}");
        check(world(route, addresses), &[(name, "8.8.8.8", expected.trim_end())]);
    }
}

#[test]
fn loopback_addresses_do_not_leave() {
    let world = || World::new(&["default dev eth0 scope host"]).addresses(&["127.0.0.1/8 dev lo scope host"]);
    check(world, &[("refused", "8.8.8.8", "rule 32766 refused EINVAL")]);
    let allowed = || world().sysctl("ipv4.conf.eth0.route_localnet", "1");
    check(allowed, &[("allowed", "8.8.8.8", "rule 32766 table 254 0.0.0.0/0 dev eth0 src 127.0.0.1")]);
}

#[test]
fn foreign_sources_are_refused() {
    let world = || World::new(&["default dev eth0"]).addresses(&["10.0.0.2/24 dev eth0"]);
    check(
        world,
        &[
            ("not an address of this namespace", "8.8.8.8 from 10.0.0.9", "no rule refused ENETUNREACH"),
            ("its own", "8.8.8.8 from 10.0.0.2", "rule 32766 table 254 0.0.0.0/0 dev eth0"),
            ("multicast", "8.8.8.8 from 224.0.0.1", "no rule refused EINVAL"),
        ],
    );
}

#[test]
fn ipv6_sources_by_rfc_6724() {
    let cases: &[(&str, &str, &'static [&'static str], &str)] = &[
        ("the only one", "2001:db8:9::1", &["2001:db8::2/64 dev eth0"], "2001:db8::2"),
        (
            "scope: global for a global destination",
            "2001:db8:9::1",
            &["fe80::2/64 dev eth0 scope link", "2001:db8::2/64 dev eth0"],
            "2001:db8::2",
        ),
        (
            "deprecated ones are avoided",
            "2001:db8:9::1",
            &["2001:db8:9::2/64 dev eth0 deprecated", "2001:db8::2/64 dev eth0"],
            "2001:db8::2",
        ),
        (
            "the outgoing link before the longest match",
            "2001:db8:9::1",
            &["2001:db8:9::2/64 dev eth1", "2001:db8::2/64 dev eth0"],
            "2001:db8::2",
        ),
        (
            "label: no unique local address for a global destination",
            "2001:db8:9::1",
            &["fd00::2/64 dev eth0", "2001:db8::2/64 dev eth0"],
            "2001:db8::2",
        ),
        (
            "label: but for a unique local one",
            "fd00:9::1",
            &["2001:db8::2/64 dev eth0", "fd00::2/64 dev eth0"],
            "fd00::2",
        ),
        (
            "temporary ones only where the link prefers them",
            "2001:db8:9::1",
            &["2001:db8:9::2/64 dev eth0 temporary", "2001:db8::2/64 dev eth0"],
            "2001:db8::2",
        ),
        (
            "the longest match",
            "2001:db8:9::1",
            &["2001:db8::2/64 dev eth0", "2001:db8:9::2/64 dev eth0"],
            "2001:db8:9::2",
        ),
        (
            "tentative ones are none",
            "2001:db8:9::1",
            &["2001:db8:9::2/64 dev eth0 tentative", "2001:db8::2/64 dev eth0"],
            "2001:db8::2",
        ),
        (
            "the unspecified destination is of the narrowest scope",
            "::",
            &["2001:db8::2/64 dev eth0", "fe80::2/64 dev eth0 scope link"],
            "fe80::2",
        ),
        ("from another link where this one has none", "2001:db8:9::1", &["2001:db8::2/64 dev eth1"], "2001:db8::2"),
    ];
    for (name, asked, addresses, expected) in cases {
        let world = || World::new(&["default6 via fe80::1 dev eth0"]).addresses(addresses);
        check(world, &[(name, asked, &format!("rule 32766 table 254 ::/0 dev eth0 via fe80::1 src {expected}"))]);
    }
}

#[test]
fn ipv6_ties_between_links_are_not_decided() {
    let world = || {
        World::new(&["default6 via fe80::1 dev eth0"])
            .addresses(&["2001:db8::2/64 dev eth1", "2001:db8::3/64 dev eth2"])
    };
    check(
        world,
        &[(
            "the order of links is not told",
            "2001:db9::1",
            "rule 32766 table 254 ::/0 dev eth0 via fe80::1 src one of [2001:db8::2, 2001:db8::3]",
        )],
    );
}

#[test]
fn ipv6_link_local_destinations_take_the_links_own() {
    let world = || {
        World::new(&["fe80::/64 dev eth0 metric 256", "fe80::/64 dev eth1 metric 256"])
            .addresses(&["2001:db8::2/64 dev eth1", "fe80::2/64 dev eth1 scope link"])
    };
    check(world, &[("bound to eth1", "fe80::9 oif eth1", "rule 32766 table 254 fe80::/64 dev eth1 src fe80::2")]);
}
