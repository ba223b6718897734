//! The captured bytes under `fixtures/netlink`: what they mean to `ip`, and their whole meaning to podnet.
//!
//! With `PODNET_CAPTURE=1` they are captured anew from a namespace built for it.

use std::fs;
use std::path::{Path, PathBuf};

use podnet::model::bpf::BpfAttachment;
use podnet::model::ids::Nsid;
use podnet::sys::netlink::{NetlinkSocket, ROUTE};
use podnet::sys::netns::NsThread;
use podnet::wire::netlink::attr::AttrError;
use podnet::wire::netlink::frame;
use podnet::wire::netlink::request::Request;
use podnet::wire::rtnetlink::filter::Direction;
use podnet::wire::rtnetlink::{self as rt, address, filter, link, lookup, neigh, nexthop, nsid, route, rule};
use serde::Serialize;
use serde_json::{Value, json};

use crate::loader::{self, BpfFs};
use crate::oracle;
use crate::testbed::{Netns, same};
use crate::topology::Topology;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/netlink")
}

#[test]
fn captured_bytes_mean_what_ip_said_of_them() {
    if std::env::var_os("PODNET_CAPTURE").is_some() {
        capture();
    }
    let oracle = |name: &str| -> Value {
        serde_json::from_slice(&fs::read(folder().join(format!("{name}.ip.json"))).unwrap()).unwrap()
    };
    let links = decode("links", link::link);
    let names = oracle::names(&links);
    same(&oracle::link::links(&links, &names), &oracle::link::ip_links(&oracle("links")));

    let mut addresses = decode("addresses", address::address);
    addresses.sort_by_key(|address| address.ifindex);
    same(&oracle::link::addresses(&addresses), &oracle::link::ip_addresses(&oracle("addresses")));

    let neighbours = decode("neighbours", neigh::neighbour);
    let said = oracle("neighbours");
    same(&oracle::neigh::neighbours(&neighbours, &names), &oracle::neigh::ip_neighbours(&said[0], &said[1]));

    let fdb = decode("fdb", neigh::fdb);
    same(&oracle::neigh::fdb(&fdb, &names), &oracle::neigh::bridge_fdb(&oracle("fdb")));

    let rules = decode("rules", rule::rule);
    let said = oracle("rules");
    same(&oracle::rule::rules(&rules), &oracle::rule::ip_rules(&said[0], &said[1]));

    let mut routes = decode("routes", route::route);
    routes.sort_by_key(|route| (route.family, route.table));
    let said = oracle("routes");
    same(&oracle::route::routes(&routes, &names), &oracle::route::ip_routes(&said[0], &said[1]));

    let nexthops = decode("nexthops", nexthop::nexthop);
    same(&oracle::route::nexthops(&nexthops, &names), &oracle::route::ip_nexthops(&oracle("nexthops")));

    // The same route asked for plainly and with fib-match.
    let asked = decode("lookup", route::route);
    let said = oracle("lookup");
    assert_eq!(asked.len(), 2);
    assert_eq!(asked[0].source.map(|source| source.to_string()).as_deref(), said[0][0]["prefsrc"].as_str());
    same(&oracle::route::routes(&asked[1..], &names), &oracle::route::ip_routes(&said[1], &json!([])));

    let numbers = decode("nsids", |message, errors| Some(nsid::nsid(message, errors)));
    assert_eq!(numbers, [Some(Nsid(0)), None]);

    let programs = |name: &str, direction| {
        let lists = decode(name, |message, errors| Some(filter::programs(message, direction, errors)));
        lists.into_iter().flatten().collect::<Vec<BpfAttachment>>()
    };
    let ingress = programs("filters-ingress", Direction::Ingress);
    let said = oracle("filters-ingress");
    let said = said.as_array().unwrap().iter().find(|filter| filter["options"]["prog"].is_object()).unwrap();
    assert_eq!(ingress.len(), 1);
    assert_eq!(ingress[0].id.map(u64::from), said["options"]["prog"]["id"].as_u64());
    assert_eq!(ingress[0].detail.as_deref(), Some("pref 7 handle 0x3 chain 0"));
    let egress = programs("filters-egress", Direction::Egress);
    assert_eq!(egress.len(), 1);
    assert_eq!((egress[0].id, egress[0].detail.as_deref()), (None, Some("pref 9 handle 0x1 chain 2")));
}

/// Decodes the messages of a fixture, without a complaint, and compares all that they mean with what stands beside them.
fn decode<T: Serialize>(name: &str, decode: impl Fn(&[u8], &mut Vec<AttrError>) -> Option<T>) -> Vec<T> {
    let bytes = fs::read(folder().join(format!("{name}.bin"))).unwrap();
    let mut errors = Vec::new();
    let found: Vec<T> =
        frame::messages(&bytes).filter_map(|message| decode(message.unwrap().payload, &mut errors)).collect();
    assert_eq!(errors, [], "{name}");
    let meaning = folder().join(format!("{name}.model.json"));
    let told = serde_json::to_string_pretty(&found).unwrap() + "\n";
    if std::env::var_os("PODNET_CAPTURE").is_some() {
        fs::write(&meaning, &told).unwrap();
    }
    assert_eq!(told, fs::read_to_string(&meaning).unwrap(), "{name}");
    found
}

/// What a capture asks the kernel, and what it asks the oracle.
struct Take<'a> {
    name: &'a str,
    requests: Vec<Request>,
    oracle: &'a dyn Fn(&Netns) -> Value,
}

fn capture() {
    let topology = Topology::build();
    let host = &topology.host;
    let dump = |kind: u16, length: usize, families: &[u8]| -> Vec<Request> {
        families
            .iter()
            .map(|family| {
                let mut fixed = vec![0; length];
                fixed[0] = *family;
                Request::dump(kind, &fixed)
            })
            .collect()
    };
    let both = [rt::AF_INET, rt::AF_INET6];
    let mut neighbours = dump(rt::GETNEIGH, 12, &both);
    for family in both {
        neighbours.push(Request::dump(rt::GETNEIGH, &[family, 0, 0, 0, 0, 0, 0, 0, 0, 0, neigh::NTF_PROXY, 0]));
    }
    let query = podnet::model::route::RouteQuery::to("10.51.1.1".parse().unwrap());
    let known = fs::File::open(topology.pod.path()).unwrap();
    let stranger = Netns::new();
    let stranger_file = fs::File::open(stranger.path()).unwrap();
    let fd = |file: &fs::File| std::os::fd::AsRawFd::as_raw_fd(file);

    let pins = BpfFs::mount();
    let program = pins.pin(&loader::load(loader::SCHED_CLS, "tc_in", 0, 0), "tc_in");
    host.batch(
        "tc",
        &format!(
            "qdisc add dev h2p clsact\n\
             filter add dev h2p ingress pref 7 handle 3 bpf da object-pinned {}\n\
             filter add dev h2p egress pref 9 protocol ip chain 2 bpf bytecode '1,6 0 0 4294967295,'\n",
            program.display(),
        ),
    );
    let h2p = u32::try_from(host.json("ip", "link show dev h2p")[0]["ifindex"].as_u64().unwrap()).unwrap();

    let takes = [
        Take { name: "links", requests: dump(rt::GETLINK, 16, &[0]), oracle: &|host| host.json("ip", "-s addr") },
        Take { name: "addresses", requests: dump(rt::GETADDR, 8, &both), oracle: &|host| host.json("ip", "addr") },
        Take {
            name: "neighbours",
            requests: neighbours,
            oracle: &|host| json!([host.json("ip", "neigh show nud all"), host.json("ip", "neigh show proxy")]),
        },
        Take {
            name: "fdb",
            requests: dump(rt::GETNEIGH, 12, &[rt::AF_BRIDGE]),
            oracle: &|host| host.json("bridge", "fdb show"),
        },
        Take {
            name: "rules",
            requests: dump(rt::GETRULE, 12, &both),
            oracle: &|host| json!([host.json("ip", "rule"), host.json("ip", "-6 rule")]),
        },
        Take {
            name: "routes",
            requests: dump(rt::GETROUTE, 12, &both),
            oracle: &|host| {
                json!([host.json("ip", "-4 route show table all"), host.json("ip", "-6 route show table all")])
            },
        },
        Take { name: "nexthops", requests: dump(rt::GETNEXTHOP, 8, &[0]), oracle: &|host| host.json("ip", "nexthop") },
        Take {
            name: "lookup",
            requests: vec![lookup::query(&query, false), lookup::query(&query, true)],
            oracle: &|host| {
                json!([host.json("ip", "route get 10.51.1.1"), host.json("ip", "route get fibmatch 10.51.1.1")])
            },
        },
        Take {
            name: "nsids",
            requests: vec![nsid::query(fd(&known)), nsid::query(fd(&stranger_file))],
            oracle: &|host| host.json("ip", "netns list-id"),
        },
        Take {
            name: "filters-ingress",
            requests: vec![filter::query(h2p, Direction::Ingress)],
            oracle: &|host| host.json("tc", "filter show dev h2p ingress"),
        },
        Take {
            name: "filters-egress",
            requests: vec![filter::query(h2p, Direction::Egress)],
            oracle: &|host| host.json("tc", "filter show dev h2p egress"),
        },
    ];
    for take in takes {
        let (bytes, said) = host.both(|_| record(host, &take.requests), take.oracle);
        fs::write(folder().join(format!("{}.bin", take.name)), bytes).unwrap();
        let said = serde_json::to_string_pretty(&said).unwrap() + "\n";
        fs::write(folder().join(format!("{}.ip.json", take.name)), said).unwrap();
    }
}

/// The messages that answer some requests, each with its header, as they came.
fn record(netns: &Netns, requests: &[Request]) -> Vec<u8> {
    let thread = NsThread::spawn().unwrap();
    let mut socket = thread.within(&*netns.handle().file, || NetlinkSocket::open(ROUTE)).unwrap();
    let mut bytes = Vec::new();
    let mut keep = |kind: u16, flags: u16, payload: &[u8]| {
        bytes.extend_from_slice(&u32::try_from(frame::HEADER_LENGTH + payload.len()).unwrap().to_ne_bytes());
        bytes.extend_from_slice(&kind.to_ne_bytes());
        bytes.extend_from_slice(&flags.to_ne_bytes());
        // Sequence and port are this socket's own.
        bytes.extend_from_slice(&[0; 8]);
        bytes.extend_from_slice(payload);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    };
    for request in requests {
        if request.is_dump() {
            socket.dump(request, &mut |message| keep(message.kind, message.flags, message.payload)).unwrap();
        } else {
            let reply = socket.ask(request).unwrap().unwrap();
            keep(reply.kind, 0, &reply.payload);
        }
    }
    bytes
}
