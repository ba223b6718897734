//! What a listing and a look-up look like.

use super::write;
use crate::analyze::answer::{Answer, Gathered};
use crate::analyze::fib::{Candidate, Lookup, NearMiss, Outcome, Reason, Source, Way, Witness};
use crate::analyze::naming::LinkRef;
use crate::analyze::routes::{Listing, Routes, Table};
use crate::model::address::Scope;
use crate::model::ids::{IfIndex, NetnsId, TableId};
use crate::model::route::{Family, NextHop, Route, RouteKind, RouteQuery, Rule, RuleAction};
use crate::model::text::ByteText;
use crate::render::style::Style;

fn rule(priority: u32, table: TableId) -> Rule {
    Rule::new(Family::Ipv4, priority, RuleAction::Lookup { table })
}

fn hop(gateway: Option<&str>, weight: u16) -> NextHop {
    NextHop {
        ifindex: Some(IfIndex(2)),
        gateway: gateway.map(|gateway| gateway.parse().unwrap()),
        weight,
        flags: Vec::new(),
        encap: None,
    }
}

fn route(dst: &str, kind: RouteKind, nexthops: Vec<NextHop>) -> Route {
    Route {
        family: Family::Ipv4,
        table: TableId::MAIN,
        dst: dst.parse().unwrap(),
        src: None,
        kind,
        scope: Scope::Universe,
        origin: "boot".to_owned(),
        tos: 0,
        metric: 0,
        source: None,
        nexthops,
        nexthop_id: None,
        flags: Vec::new(),
        mtu: None,
        metrics: Vec::new(),
        preference: None,
        expires_s: None,
        unknown: Vec::new(),
    }
}

fn told(listing: Option<Listing>, lookup: Option<Lookup>, style: Style) -> String {
    let links = vec![
        LinkRef { ifindex: IfIndex(1), name: ByteText::from("lo"), link: None },
        LinkRef { ifindex: IfIndex(2), name: ByteText::new(b"e\x1b[1m"), link: Some(IfIndex(34)) },
    ];
    let data = Routes {
        subject: "default/nginx".to_owned(),
        netns: NetnsId { dev: 4, ino: 4_026_532_989 },
        links,
        listing,
        lookup,
    };
    let mut out = Vec::new();
    write(&Answer::new(&[], data, Gathered::default()), style, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn rules_and_tables() {
    let local = Route { table: TableId::LOCAL, ..route("10.200.0.32/32", RouteKind::Local, vec![hop(None, 1)]) };
    let mut odd = rule(100, TableId(77));
    odd.invert = true;
    odd.src = Some("10.1.0.0/16".parse().unwrap());
    odd.suppress_prefix_length = Some(0);
    let listing = Listing {
        rules: vec![rule(0, TableId::LOCAL), odd, rule(32766, TableId::MAIN)],
        tables: vec![
            Table { family: Family::Ipv4, table: TableId::LOCAL, rules: vec![0], routes: vec![local] },
            Table {
                family: Family::Ipv4,
                table: TableId::MAIN,
                rules: vec![32766],
                routes: vec![
                    route("10.200.0.0/24", RouteKind::Unicast, vec![hop(None, 1)]),
                    route("10.9.0.0/16", RouteKind::Blackhole, Vec::new()),
                    route(
                        "0.0.0.0/0",
                        RouteKind::Unicast,
                        vec![hop(Some("10.200.0.1"), 1), hop(Some("10.200.0.2"), 3)],
                    ),
                ],
            },
            Table {
                family: Family::Ipv4,
                table: TableId(9),
                rules: Vec::new(),
                routes: vec![route("0.0.0.0/0", RouteKind::Unicast, vec![hop(None, 1)])],
            },
        ],
    };
    assert_eq!(
        told(Some(listing), None, Style::PLAIN),
        "\
default/nginx  net:[4026532989]

IPv4
RULE   PACKETS                    THEN
0      all                        table local
100    all but: from 10.1.0.0/16  table 77, but no route of prefix length 0 or less
32766  all                        table main

table local  rule 0  1 route to this namespace's own addresses (-o wide lists them)

table main  rule 32766
DESTINATION            WAY                                   SOURCE  METRIC  MADE BY
10.200.0.0/24          dev e\\x1b[1m                          –       –       boot
blackhole 10.9.0.0/16  dropped without a word                –       –       boot
default                via 10.200.0.1 dev e\\x1b[1m weight 1  –       –       boot
                       via 10.200.0.2 dev e\\x1b[1m weight 3

table 9  no rule leads here
DESTINATION  WAY           SOURCE  METRIC  MADE BY
default      dev e\\x1b[1m  –       –       boot
"
    );
}

#[test]
fn a_look_up_with_its_losers() {
    let winner = route("0.0.0.0/0", RouteKind::Unicast, vec![hop(Some("10.200.0.1"), 1)]);
    let way = Way {
        ifindex: Some(IfIndex(2)),
        link: Some(ByteText::from("eth0")),
        gateway: Some("10.200.0.1".parse().unwrap()),
        weight: 1,
        onlink: false,
        encap: None,
        unusable: None,
        source: Source::Chosen {
            address: "10.200.0.32".parse().unwrap(),
            why: "the address of eth0 in the gateway's subnet".to_owned(),
        },
    };
    let lookup = Lookup {
        query: RouteQuery::to("8.8.8.8".parse().unwrap()),
        outcome: Outcome::Sent,
        rule: Some(rule(32766, TableId::MAIN)),
        table: Some(TableId::MAIN),
        route: Some(winner),
        kind: Some(RouteKind::Unicast),
        ways: vec![way],
        near_misses: vec![NearMiss {
            candidate: Candidate::Rule(Box::new(rule(0, TableId::LOCAL))),
            reason: Reason::NothingFound,
            why: "table 255 has no route for 8.8.8.8 that fits".to_owned(),
        }],
        near_misses_left_out: 2,
        notes: vec!["ask again".to_owned()],
        witness: Some(Witness { answer: None, agrees: Some(true), differences: Vec::new() }),
    };
    assert_eq!(
        told(None, Some(lookup.clone()), Style::PLAIN),
        "\
default/nginx to 8.8.8.8: leaves by eth0 via 10.200.0.1, source 10.200.0.32
 rule       32766  all → table main
 route      default via 10.200.0.1 dev e\\x1b[1m  table main, made by boot
 way        via 10.200.0.1 dev eth0
   source   10.200.0.32                          the address of eth0 in the gateway's subnet
 note       ask again
 kernel     says the same                        RTM_GETROUTE
 lost
            rule 0  all → table local            table 255 has no route for 8.8.8.8 that fits
            and 2 more
"
    );
    let refused = Lookup {
        outcome: Outcome::Refused { errno: 13, name: "EACCES".to_owned(), why: "rule 5 says prohibit".to_owned() },
        rule: None,
        route: None,
        ways: Vec::new(),
        near_misses: Vec::new(),
        near_misses_left_out: 0,
        notes: Vec::new(),
        witness: Some(Witness {
            answer: None,
            agrees: Some(false),
            differences: vec!["podnet says EACCES, the kernel finds a route".to_owned()],
        }),
        ..lookup
    };
    assert_eq!(
        told(None, Some(refused), Style::PLAIN),
        "default/nginx to 8.8.8.8: refused (EACCES): rule 5 says prohibit\n \
         kernel     disagrees: podnet says EACCES, the kernel finds a route  RTM_GETROUTE\n"
    );
}
