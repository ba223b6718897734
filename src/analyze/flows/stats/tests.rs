//! What is counted of flows as they pass.

use std::net::{IpAddr, Ipv4Addr};

use super::counters::counters;
use super::ports::{Ports, Towards};
use super::tally::{Holders, OfProtocol, Part, Tally};
use crate::model::flow::Flow;
use crate::model::flow::statistics::{CpuStatistics, Statistics};
use crate::model::flow::status::Status;
use crate::model::flow::tuple::{Key, Tuple, Zone};

const POD: &str = "10.200.0.4";
const OTHER_POD: &str = "10.200.0.5";
const NODE: &str = "10.240.0.20";
const WORLD: &str = "198.51.100.9";

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// `[client, port, asked for, port, server, port, seen as, port]`
fn tcp(ends: [(&str, u16); 4], status: u32) -> Flow {
    let [client, asked, server, seen] = ends;
    let tuple = |src: (&str, u16), dst: (&str, u16)| Tuple {
        src: ip(src.0),
        dst: ip(dst.0),
        protocol: 6,
        key: Key::Ports { src: src.1, dst: dst.1 },
    };
    Flow {
        original: tuple(client, asked),
        reply: tuple(server, seen),
        zone: Zone::default(),
        status: Status(status),
        timeout_s: None,
        mark: None,
        id: 0,
        uses: None,
        state: None,
        counters: None,
        timestamps: None,
        more: None,
    }
}

fn holders() -> Holders {
    let mut holders = Holders { loopback: Some(0), ..Holders::default() };
    holders.node.insert(ip(NODE), 0);
    holders.pods.insert(ip(POD), 1);
    holders.pods.insert(ip(OTHER_POD), 2);
    holders
}

const BOTH_WAYS: u32 = Status::SEEN_REPLY | Status::ASSURED;
const MASQUERADED: u32 = BOTH_WAYS | Status::SRC_NAT;

#[test]
fn a_flow_counts_for_each_end_that_is_here_and_once() {
    let holders = holders();
    let mut tally = Tally::new(&holders);
    let plain = |client: (&'static str, u16), server: (&'static str, u16)| tcp([client, server, server, client], 0);
    tally.count(&tcp([(POD, 1), ("10.32.0.10", 53), (OTHER_POD, 53), (POD, 1)], BOTH_WAYS | Status::DST_NAT));
    tally.count(&tcp([(POD, 2), ("10.32.0.10", 53), (POD, 53), (NODE, 2)], MASQUERADED | Status::DST_NAT));
    tally.count(&plain((WORLD, 3), (POD, 80)));
    tally.count(&plain((NODE, 4), (WORLD, 80)));
    tally.count(&plain(("127.0.0.1", 5), ("127.0.0.53", 80)));
    tally.count(&plain((WORLD, 6), ("203.0.113.7", 80)));
    let part = |flows, begun, served| Part { flows, begun, served };
    let expected =
        [(None, part(1, 0, 0)), (Some(0), part(2, 2, 1)), (Some(1), part(3, 2, 2)), (Some(2), part(1, 0, 1))];
    assert_eq!(tally.parts.into_iter().collect::<Vec<_>>(), expected);
    assert_eq!(tally.flows, 6);
    let all = OfProtocol { flows: 6, unanswered: 4, assured: 2 };
    assert_eq!(tally.protocols.into_iter().collect::<Vec<_>>(), [(6, all)]);
}

#[test]
fn ports_are_taken_by_masqueraded_flows_and_by_the_nodes_own_to_the_same_place() {
    let mut ports = Ports::default();
    let (place, elsewhere) = ((WORLD, 443), (WORLD, 444));
    for port in [2000, 2001, 2002] {
        ports.count(&tcp([(POD, port), place, place, (NODE, port)], MASQUERADED), Some(1), false);
    }
    ports.count(&tcp([(OTHER_POD, 2000), place, place, (NODE, 40_000)], MASQUERADED), Some(2), false);
    // The port of a service is not the one that counts: where it went is.
    let front = ("10.32.0.7", 9);
    ports.count(&tcp([(POD, 7), front, place, (NODE, 7000)], MASQUERADED | Status::DST_NAT), Some(1), false);
    // The node's own, to the same place and to another to which nothing is masqueraded.
    ports.count(&tcp([(NODE, 50_000), place, place, (NODE, 50_000)], BOTH_WAYS), Some(0), true);
    ports.count(&tcp([(NODE, 50_000), elsewhere, elsewhere, (NODE, 50_000)], BOTH_WAYS), Some(0), true);
    // A source port below 1024 stays below it.
    ports.count(&tcp([(POD, 600), place, place, (NODE, 601)], MASQUERADED), Some(1), false);
    // A port that was moved under the same address takes none of the address's.
    ports.count(&tcp([(POD, 9), elsewhere, elsewhere, (POD, 3000)], MASQUERADED), Some(1), false);
    let done = ports.done();
    let [(towards, taken)] = done.as_slice() else { panic!("{done:?}") };
    let expected = Towards { protocol: 6, address: ip(NODE), destination: ip(WORLD), port: Some(443) };
    assert_eq!(*towards, expected);
    assert_eq!((taken.masqueraded, taken.own, taken.privileged), (5, 1, 1));
    assert_eq!(taken.shares, [(Some(1), 4), (Some(2), 1)]);
}

#[test]
fn a_table_of_a_million_destinations_does_not_hide_the_one_that_is_full() {
    let mut ports = Ports::default();
    let flow = |destination: u32, port: u16| {
        let there = Ipv4Addr::from(destination).to_string();
        let place = (there.as_str(), 443);
        tcp([(POD, port), place, place, (NODE, port)], MASQUERADED)
    };
    let busy = 0xc633_6409;
    for at in 0..300_000_u32 {
        ports.count(&flow(0x0100_0000 + at, 5000), Some(1), false);
        if at % 10 == 0 {
            ports.count(&flow(busy, u16::try_from(1024 + at / 10).unwrap()), Some(1), false);
        }
    }
    let short_by = ports.short_by;
    let done = ports.done();
    assert!(done.len() <= 65_536);
    assert_eq!(done[0].0.destination, IpAddr::from(Ipv4Addr::from(busy)));
    assert!(done[0].1.masqueraded <= 30_000 && done[0].1.masqueraded + short_by >= 30_000, "{:?}", done[0]);
}

#[test]
fn counters_are_summed_and_those_that_no_cpu_has_are_not_zero() {
    let cpu = |cpu, found, clash| CpuStatistics {
        cpu,
        found,
        clash_resolve: clash,
        other: [(99, 7)].into(),
        ..CpuStatistics::default()
    };
    let statistics = Statistics { cpus: vec![cpu(0, u64::MAX, Some(3)), cpu(1, 2, None)], ..Statistics::default() };
    let all = counters(&statistics);
    let told: Vec<(&str, Option<u64>)> = all.iter().map(|counter| (counter.name.as_str(), counter.total)).collect();
    let expected = [
        ("found", Some(u64::MAX)),
        ("invalid", Some(0)),
        ("insert", None),
        ("insert_failed", Some(0)),
        ("drop", Some(0)),
        ("early_drop", Some(0)),
        ("error", Some(0)),
        ("search_restart", Some(0)),
        ("clash_resolve", Some(3)),
        ("chaintoolong", None),
        ("99", Some(14)),
    ];
    assert_eq!(told, expected);
    assert!(counters(&Statistics::default()).iter().all(|counter| counter.total.is_none() && counter.cpus.is_empty()));
}
