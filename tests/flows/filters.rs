//! What filters take out of a table, against `conntrack`'s own and against the whole table.

use std::net::IpAddr;
use std::ops::ControlFlow;

use podnet::model::flow::Flow;
use podnet::model::flow::filter::{FlowFilter, TupleFilter};
use podnet::model::flow::tuple::ZoneDirection;

use crate::oracle::{conntrack, listed, put, words};
use crate::random::{Random, flows};
use crate::table::{open, read};
use crate::testbed::Netns;

fn ids(flows: &[Flow]) -> Vec<String> {
    let mut ids: Vec<_> = flows.iter().map(|flow| words(flow).0["id"].clone()).collect();
    ids.sort();
    ids
}

fn listed_ids(netns: &Netns, args: &[&str]) -> Vec<String> {
    let mut ids: Vec<_> = listed(netns, args).into_iter().map(|(words, _)| words["id"].clone()).collect();
    ids.sort();
    ids
}

#[test]
fn a_filter_takes_what_conntrack_takes() {
    let netns = Netns::new();
    put(&netns, &flows(4_000, &mut Random(0xfeed_beef_1234_5678)));
    let namespace = open(&netns);
    let all = read(&namespace, &[FlowFilter::default()]);
    let samples: Vec<&Flow> = all.iter().step_by(all.len() / 9).collect();
    for flow in &samples {
        let [src, dst] = [flow.original.src, flow.original.dst].map(|address| address.to_string());
        let [back_src, back_dst] = [flow.reply.src, flow.reply.dst].map(|address| address.to_string());
        let places = |address: IpAddr| FlowFilter::places_of(address);
        for (filter, args) in [
            (places(flow.original.src)[0].clone(), ["-s", src.as_str()]),
            (places(flow.original.dst)[1].clone(), ["-d", dst.as_str()]),
            (places(flow.reply.src)[2].clone(), ["-r", back_src.as_str()]),
            (places(flow.reply.dst)[3].clone(), ["-q", back_dst.as_str()]),
        ] {
            let family = if src.contains(':') { "ipv6" } else { "ipv4" };
            assert_eq!(
                ids(&read(&namespace, &[filter])),
                listed_ids(&netns, &[&args[..], &["-f", family]].concat()),
                "{args:?}"
            );
        }
        let mark = flow.mark.unwrap();
        let low = format!("{}/255", mark & 255);
        for (mask, args) in [(u32::MAX, mark.to_string()), (255, low)] {
            let filter = FlowFilter { mark: Some((mark, mask)), ..FlowFilter::default() };
            assert_eq!(ids(&read(&namespace, &[filter])), listed_ids(&netns, &["-m", &args]), "{args:?}");
        }
    }
    for (ipv6, name) in [(true, "ipv6"), (false, "ipv4")] {
        let filter = FlowFilter { ipv6: Some(ipv6), ..FlowFilter::default() };
        assert_eq!(ids(&read(&namespace, &[filter])), listed_ids(&netns, &["-f", name]));
    }
    for protocol in [6_u8, 17, 132, 1, 47] {
        let of_all = FlowFilter { protocol: Some(protocol), ..FlowFilter::default() };
        assert_eq!(ids(&read(&namespace, &[of_all])), listed_ids(&netns, &["-p", &protocol.to_string()]), "{protocol}");
    }
    let assured = FlowFilter { status: Some((4, 4)), ..FlowFilter::default() };
    assert_eq!(ids(&read(&namespace, &[assured])), listed_ids(&netns, &["-u", "ASSURED"]));
}

/// Each field alone and all of them together: the kernel's check and podnet's agree with the whole table.
#[test]
fn every_filter_takes_out_of_the_table_what_it_accepts() {
    let netns = Netns::new();
    put(&netns, &flows(4_000, &mut Random(0xabcd_ef01_2345_6789)));
    let namespace = open(&netns);
    let all = read(&namespace, &[FlowFilter::default()]);
    let mut filters = vec![FlowFilter { zone: Some(0), ..FlowFilter::default() }];
    // The kernel's order is another one each time: what has a zone of one direction is asked for by itself.
    let one_sided = |flow: &&Flow| flow.zone.direction != ZoneDirection::Both;
    let zoned = all.iter().filter(one_sided).count();
    assert!(zoned > 500, "zones of one direction are among them: {zoned}");
    let samples = all.iter().step_by(all.len() / 40).chain(all.iter().filter(one_sided).step_by(zoned / 8));
    for flow in samples {
        let tuple = |tuple: &podnet::model::flow::tuple::Tuple| TupleFilter {
            src: Some(tuple.src),
            dst: Some(tuple.dst),
            src_port: tuple.src_port(),
            dst_port: tuple.dst_port(),
        };
        let whole = FlowFilter {
            ipv6: Some(flow.original.src.is_ipv6()),
            protocol: Some(flow.original.protocol),
            original: tuple(&flow.original),
            reply: tuple(&flow.reply),
            mark: Some((flow.mark.unwrap(), u32::MAX)),
            zone: Some(flow.zone.id),
            status: Some((flow.status.0, u32::MAX)),
        };
        let plain = FlowFilter::default();
        filters.extend([
            FlowFilter { zone: Some(flow.zone.id), ..plain.clone() },
            FlowFilter { status: whole.status, ..plain.clone() },
            FlowFilter { original: whole.original, ..plain.clone() },
            FlowFilter { reply: whole.reply, protocol: whole.protocol, ..plain.clone() },
            FlowFilter {
                original: TupleFilter { dst_port: whole.original.dst_port, ..TupleFilter::default() },
                protocol: whole.protocol,
                ipv6: whole.ipv6,
                ..plain.clone()
            },
            FlowFilter { mark: Some((!0, 0)), status: Some((!0, 0)), ..plain },
            whole,
        ]);
    }
    for filter in &filters {
        let mut expected: Vec<Flow> = all.iter().filter(|flow| filter.accepts(flow)).cloned().collect();
        let mut found = read(&namespace, std::slice::from_ref(filter));
        for flow in expected.iter_mut().chain(&mut found) {
            flow.timeout_s = None;
        }
        assert!(found == expected, "{filter:?}: {} and {}", found.len(), expected.len());
    }
    // All of them at once: what any accepts, each once.
    let mut expected: Vec<Flow> =
        all.iter().filter(|flow| filters.iter().any(|filter| filter.accepts(flow))).cloned().collect();
    let mut found = read(&namespace, &filters);
    let order = |flow: &Flow| (flow.id, flow.original, flow.zone);
    expected.sort_by_key(order);
    found.sort_by_key(order);
    assert_eq!(found.len(), expected.len());
    assert_eq!(ids(&found), ids(&expected));
}

#[test]
fn equal_tuples_in_other_zones_are_other_flows_and_no_flow_comes_twice() {
    let netns = Netns::new();
    let udp = "-A -t 600 -u UNSET -s 10.0.0.1 -d 10.0.0.2 -p udp --sport 5 --dport 53";
    // From an address to itself: all four places at once.
    let own = "-A -t 600 -u UNSET -s 10.0.0.1 -d 10.0.0.1 -p udp --sport 5 --dport 6";
    // What has no zone in one direction may not meet the first one there.
    let other_reply = "-r 10.0.0.2 -q 10.0.0.7 --reply-port-src 53 --reply-port-dst 5";
    let other_port = udp.replace("--sport 5", "--sport 9");
    put(&netns, &format!("{udp}\n{udp} -w 3\n{udp} {other_reply} --orig-zone 4\n{other_port} --reply-zone 5\n{own}\n"));
    let namespace = open(&netns);
    let places = FlowFilter::places_of("10.0.0.1".parse().unwrap());
    // Their seconds go on between two readings.
    let untimed = |filters: &[FlowFilter]| {
        let mut flows = read(&namespace, filters);
        for flow in &mut flows {
            flow.timeout_s = None;
        }
        flows
    };
    let found = untimed(&places);
    assert_eq!(found.len(), 5);
    assert_eq!(ids(&found), listed_ids(&netns, &[]));
    let again = read(&namespace, &[places.to_vec(), places.to_vec(), vec![FlowFilter::default()]].concat());
    assert_eq!(ids(&again), ids(&found));
    assert_eq!(untimed(&places), found, "the same order each time");
    assert_eq!(read(&namespace, &[]), []);
    let none = FlowFilter::places_of("10.0.0.9".parse().unwrap());
    assert_eq!(read(&namespace, &none), []);
}

#[test]
fn who_wants_no_more_gets_no_more() {
    let netns = Netns::new();
    put(&netns, &flows(3_000, &mut Random(7)));
    let namespace = open(&netns);
    let all = [FlowFilter::default()];
    for limit in [1, 7, 500] {
        let mut seen = Vec::new();
        let outcome = namespace.flows(&all, &mut |flow| {
            seen.push(flow.clone());
            if seen.len() == limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert_eq!((seen.len(), outcome.issues), (limit, Vec::new()));
    }
    assert_eq!(read(&namespace, &all).len(), 3_000);
    conntrack(&netns, &["-F"]);
    assert_eq!(read(&namespace, &all), []);
}

/// Each of a table's flows is found by either of its tuples, in its zone and in no other.
#[test]
fn a_look_up_finds_the_flow_of_a_packet() {
    let netns = Netns::new();
    put(&netns, &flows(4_000, &mut Random(0x1234_5678_9abc_def1)));
    let namespace = open(&netns);
    let all = read(&namespace, &[FlowFilter::default()]);
    let mut found = 0;
    for flow in all.iter().step_by(7) {
        for (tuple, direction) in [(&flow.original, ZoneDirection::Original), (&flow.reply, ZoneDirection::Reply)] {
            let zone = flow.zone.of(direction);
            let read = namespace.flow_of(tuple, zone);
            assert_eq!(read.issues, [], "{flow:?}");
            let one = read.value.unwrap_or_else(|| panic!("{tuple:?} in zone {zone}"));
            assert_eq!((one.id, one.original, one.reply, one.zone), (flow.id, flow.original, flow.reply, flow.zone));
            assert_eq!((one.status, one.mark, one.state), (flow.status, flow.mark, flow.state));
            found += 1;
            // What is there of another zone is another flow.
            let other = namespace.flow_of(tuple, zone ^ 0x4000).value;
            assert!(other.is_none_or(|other| other.id != flow.id), "{flow:?}");
        }
    }
    assert!(found > 1_000, "{found}");
    let mut absent = all[0].original;
    absent.dst = absent.src;
    assert_eq!((namespace.flow_of(&absent, 0).value, namespace.flow_of(&absent, 0).issues), (None, vec![]));
}
