use ipnet::IpNet;

use super::*;
use crate::model::address::Scope;
use crate::model::cni::{CniCacheEntry, CniFile, CniLease, CniNetwork, CniPlugin};
use crate::model::flow::expectation::Expectation;
use crate::model::flow::filter::FlowFilter;
use crate::model::flow::statistics::Statistics;
use crate::model::flow::status::Status;
use crate::model::flow::tuple::{Key, Tuple, Zone};
use crate::model::flow::{Flow, Helper, More, UnknownAttribute};
use crate::model::ids::{ContainerId, MacAddr};
use crate::model::issue::Level;
use crate::model::link::{BridgeInfo, BridgePort, LinkKind, OperState, PortState, RawAttr};
use crate::model::netns::PodCgroup;
use crate::model::route::{Family, NextHop, RouteKind, RuleAction};
use crate::model::sandbox::{CniInterface, Container, PodName, SandboxSource, SandboxState};
use crate::model::socket::{Peer, Queue, Socket};
use crate::model::sysctl;
use crate::model::text::{ByteText, Bytes};

const HOST: NetnsId = NetnsId { dev: 4, ino: 4_026_531_833 };
const POD: NetnsId = NetnsId { dev: 4, ino: 4_026_532_989 };
const UID: &str = "2e1c5739-f412-447c-93cc-47e6c9660c34";
const SANDBOX: &str = "7b15dcb5f793a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f607182930";
const NGINX: &str = "106da83d06a0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f607182931";
const NETNS_NAME: &str = "cni-0949584a-0cce-019c-6dd7-6868f0b761bb";

fn ok<T>(value: T) -> Section<T> {
    Read::ok(value).section()
}

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn mac(text: &str) -> MacAddr {
    text.parse().unwrap()
}

fn link(ifindex: u32, name: &str, kind: LinkKind, address: &str) -> Link {
    Link {
        up: true,
        lower_up: true,
        oper_state: OperState::Up,
        mtu: 1500,
        mac: mac(address),
        ..Link::new(IfIndex(ifindex), name, kind)
    }
}

fn address(ifindex: u32, text: &str) -> Address {
    Address {
        ifindex: IfIndex(ifindex),
        address: net(text),
        peer: None,
        broadcast: None,
        scope: Scope::Universe,
        flags: vec!["permanent".to_owned()],
        label: None,
        valid_s: None,
        preferred_s: None,
    }
}

fn route(dst: &str, ifindex: u32, gateway: Option<&str>) -> Route {
    Route {
        family: Family::Ipv4,
        table: crate::model::ids::TableId::MAIN,
        dst: net(dst),
        src: None,
        kind: RouteKind::Unicast,
        scope: if gateway.is_some() { Scope::Universe } else { Scope::Link },
        origin: "boot".to_owned(),
        tos: 0,
        metric: 0,
        source: None,
        nexthops: vec![NextHop {
            ifindex: Some(IfIndex(ifindex)),
            gateway: gateway.map(|text| text.parse().unwrap()),
            weight: 1,
            flags: Vec::new(),
            encap: None,
        }],
        nexthop_id: None,
        flags: Vec::new(),
        mtu: None,
        metrics: Vec::new(),
        preference: None,
        expires_s: None,
        unknown: Vec::new(),
    }
}

fn main_rule() -> Rule {
    Rule::new(Family::Ipv4, 32766, RuleAction::Lookup { table: crate::model::ids::TableId::MAIN })
}

fn sysctls(links: &[Link]) -> BTreeMap<String, Section<Option<String>>> {
    let mut all: BTreeMap<_, _> = sysctl::GLOBAL
        .iter()
        .chain(sysctl::CONNTRACK)
        .map(|name| ((*name).to_owned(), ok(Some("1".to_owned()))))
        .collect();
    for link in ["all".into(), "default".into()].iter().chain(links.iter().map(|link| &link.name)) {
        for (family, settings) in [("ipv4", sysctl::IPV4_LINK), ("ipv6", sysctl::IPV6_LINK)] {
            let names = settings.iter().filter_map(|setting| sysctl::of_link(family, link, setting));
            all.extend(names.map(|name| (name, ok(Some("0".to_owned())))));
        }
    }
    all
}

fn sections(id: NetnsId, links: Vec<Link>, addresses: Vec<Address>, routes: Vec<Route>) -> NetnsSections {
    NetnsSections {
        id,
        addresses: ok(addresses),
        neighbours: ok(Vec::new()),
        fdb: ok(Vec::new()),
        rules: ok(vec![main_rule()]),
        routes: ok(routes),
        learned_routes: Some(ok(Vec::new())),
        nexthops: ok(Vec::new()),
        link_bpf: links.iter().map(|link| (link.ifindex, ok(Vec::new()))).collect(),
        sysctls: sysctls(&links),
        nsids: BTreeMap::new(),
        flows: Some(FlowSections::default()),
        sockets: Some(Section::default()),
        netfilter: Some(NetfilterSections::default()),
        links: ok(links),
    }
}

fn host() -> NetnsSections {
    let bridge = BridgeInfo {
        bridge_id: "8000.ae3c5a160fc0".to_owned(),
        nf_call_iptables: true,
        ageing_ms: 300_000,
        ..BridgeInfo::default()
    };
    let mut veth = link(34, "veth02e7367b", LinkKind::Veth, "5a:16:0f:c0:81:37");
    veth.link = Some(IfIndex(2));
    veth.link_nsid = Some(Nsid(0));
    veth.controller = Some(IfIndex(3));
    veth.port = Some(BridgePort {
        state: PortState::Forwarding,
        hairpin: false,
        isolated: false,
        learning: true,
        flood: true,
        mcast_flood: true,
        bcast_flood: true,
        guard: false,
        proxy_arp: false,
        neigh_suppress: false,
        port_no: 1,
        cost: 2,
        priority: 32,
    });
    veth.alias = Some("uplink of customer-a's nginx".into());
    veth.unknown = vec![RawAttr { kind: 999, hex: "0ac80020".to_owned() }];
    let mut odd = link(35, "", LinkKind::Wireguard, "");
    odd.name = ByteText::new(b"v\xff\x1b[31m");
    let mut host = sections(
        HOST,
        vec![
            link(1, "lo", LinkKind::Loopback, "00:00:00:00:00:00"),
            link(2, "eth0", LinkKind::Physical, "52:54:00:12:34:56"),
            link(3, "cnio0", LinkKind::Bridge(bridge), "ae:3c:5a:16:0f:c0"),
            veth,
            odd,
        ],
        vec![address(1, "127.0.0.1/8"), address(2, "10.240.0.20/24"), address(3, "10.200.0.1/24")],
        vec![
            route("0.0.0.0/0", 2, Some("10.240.0.1")),
            route("10.200.0.0/24", 3, None),
            route("10.240.0.0/24", 2, None),
        ],
    );
    host.flows = Some(flows());
    host.sockets = Some(ok(sockets()));
    host.neighbours = ok(vec![Neighbour {
        ifindex: IfIndex(3),
        address: "10.200.0.32".parse().unwrap(),
        mac: Some(mac("52:00:81:09:fd:42")),
        states: vec!["reachable".to_owned()],
        flags: Vec::new(),
    }]);
    host.fdb = ok(vec![FdbEntry {
        ifindex: IfIndex(34),
        bridge: Some(IfIndex(3)),
        mac: mac("52:00:81:09:fd:42"),
        vlan: None,
        remote: None,
        vni: None,
        port: None,
        via: None,
        nexthop: None,
        states: vec!["reachable".to_owned()],
        flags: vec!["master".to_owned()],
    }]);
    host.nsids.insert(Nsid(0), ok(Some(POD)));
    host
}

fn tuple(src: &str, dst: &str, ports: (u16, u16)) -> Tuple {
    let (src, dst) = (src.parse().unwrap(), dst.parse().unwrap());
    Tuple { src, dst, protocol: 6, key: Key::Ports { src: ports.0, dst: ports.1 } }
}

/// A server of the node's own and a client of a pod's.
fn sockets() -> Vec<Socket> {
    let server = Socket {
        protocol: 6,
        port: 10250,
        address: "::".parse().unwrap(),
        link: None,
        peer: None,
        v6only: Some(false),
        queue: Some(Queue { waiting: 0, limit: 4096 }),
        uid: 0,
        inode: 777,
        cgroup: Some(99),
        mark: Some(0),
        cookie: 1,
        addresses: Vec::new(),
        unknown: vec![UnknownAttribute { path: vec![99], bytes: Bytes(vec![0x0a, 0xc8, 0x00, 0x20]) }],
    };
    let client = Socket {
        protocol: 17,
        port: 44312,
        address: "10.240.0.20".parse().unwrap(),
        link: Some(IfIndex(2)),
        peer: Some(Peer { address: "10.200.0.32".parse().unwrap(), port: 53 }),
        v6only: None,
        queue: None,
        unknown: Vec::new(),
        ..server.clone()
    };
    vec![server, client]
}

/// A pod's masqueraded conversation with FTP, all of whose rare fields are there.
fn flows() -> FlowSections {
    let secret = || Bytes(vec![0x0a, 0xc8, 0x00, 0x20]);
    let unknown = || vec![UnknownAttribute { path: vec![1, 9], bytes: secret() }];
    let master = tuple("10.200.0.32", "198.51.100.7", (44312, 21));
    let flow = Flow {
        original: tuple("10.200.0.32", "198.51.100.7", (44312, 21)),
        reply: tuple("198.51.100.7", "10.240.0.20", (21, 44312)),
        zone: Zone::default(),
        status: Status(Status::SEEN_REPLY | Status::SRC_NAT),
        timeout_s: Some(86_399),
        mark: Some(0x4000),
        id: 7,
        uses: Some(1),
        state: None,
        counters: None,
        timestamps: None,
        more: Some(Box::new(More {
            labels: Some(secret()),
            helper: Some(Helper { name: "customer-a".into(), info: Some(secret()) }),
            master: Some(master),
            security_context: Some("system_u:customer-a".into()),
            unknown: unknown(),
            ..More::default()
        })),
    };
    let expectation = Expectation {
        master,
        tuple: tuple("198.51.100.7", "10.200.0.32", (20, 40_000)),
        mask: tuple("255.255.255.255", "255.255.255.255", (0, 65_535)),
        timeout_s: 299,
        id: 9,
        zone: 0,
        helper: Some("ftp".into()),
        flags: 0,
        class: 0,
        function: Some("nat-follow-master".into()),
        nat: Some((1, tuple("10.200.0.32", "0.0.0.0", (40_000, 0)))),
        unknown: unknown(),
    };
    FlowSections {
        flows: Read {
            value: vec![flow],
            issues: vec![Issue::note("reading flows of 10.200.0.32", Why::Timeout { detail: "2 s".to_owned() })],
        }
        .section(),
        left_out: Some(3),
        expectations: ok(vec![expectation]),
        statistics: ok(Statistics { entries: Some(4), ..Statistics::default() }),
    }
}

fn pod() -> NetnsSections {
    let mut eth0 = link(2, "eth0", LinkKind::Veth, "52:00:81:09:fd:42");
    eth0.link = Some(IfIndex(34));
    eth0.link_nsid = Some(Nsid(0));
    let mut pod = sections(
        POD,
        vec![link(1, "lo", LinkKind::Loopback, "00:00:00:00:00:00"), eth0],
        vec![address(1, "127.0.0.1/8"), address(2, "10.200.0.32/24"), address(2, "fe80::5000:81ff:fe09:fd42/64")],
        vec![route("0.0.0.0/0", 2, Some("10.200.0.1")), route("10.200.0.0/24", 2, None)],
    );
    pod.nsids.insert(Nsid(0), ok(Some(HOST)));
    pod
}

fn process(pid: u32, comm: &str, container: &str) -> Process {
    Process {
        pid: Pid(pid),
        start_ticks: 1000 + u64::from(pid),
        comm: comm.into(),
        netns: Some(POD),
        pod: Some(PodCgroup {
            pod_uid: Some(UID.to_owned()),
            container: Some(ContainerId(container.to_owned())),
            path: format!(
                "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod{}.slice/cri-containerd-{container}.scope",
                UID.replace('-', "_")
            ),
        }),
    }
}

fn sandbox() -> Sandbox {
    Sandbox {
        id: SandboxId(SANDBOX.to_owned()),
        pod: PodName {
            namespace: Some("customer-a".to_owned()),
            name: Some("nginx".to_owned()),
            uid: Some(UID.to_owned()),
        },
        attempt: 0,
        state: SandboxState::Ready,
        created_at: Some("2026-01-02T02:38:05Z".parse().unwrap()),
        labels: Some(BTreeMap::from([
            ("app".to_owned(), "nginx".to_owned()),
            ("tier".to_owned(), "\u{1b}[31mred".to_owned()),
        ])),
        pid: Some(Pid(25570)),
        netns: Some(POD),
        netns_path: Some(format!("/run/netns/{NETNS_NAME}")),
        host_network: false,
        ips: Some(vec!["10.200.0.32".parse().unwrap()]),
        cni_interfaces: vec![
            CniInterface { name: "cnio0".to_owned(), mac: Some(mac("ae:3c:5a:16:0f:c0")), sandbox: None },
            CniInterface {
                name: "eth0".to_owned(),
                mac: Some(mac("52:00:81:09:fd:42")),
                sandbox: Some(format!("/var/run/netns/{NETNS_NAME}")),
            },
        ],
        containers: Some(vec![Container {
            id: ContainerId(NGINX.to_owned()),
            name: Some("nginx".to_owned()),
            pid: Some(Pid(25603)),
            image: Some("registry.customer-a.example/nginx:1.27".to_owned()),
        }]),
        cgroup: process(25570, "pause", SANDBOX).pod.map(|pod| pod.path),
        source: SandboxSource::Runtime,
        issues: Vec::new(),
    }
}

fn cni() -> CniState {
    let config = serde_json::json!({
        "type": "bridge", "bridge": "cnio0", "isGateway": true, "ipMasq": true,
        "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.200.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]},
    });
    let container = ContainerId(SANDBOX.to_owned());
    CniState {
        conf_dir: "/etc/cni/net.d".to_owned(),
        files: vec![CniFile {
            path: "/etc/cni/net.d/10-bridge.conf".to_owned(),
            network: Some(CniNetwork {
                name: "customer-a-net".to_owned(),
                cni_version: Some("0.4.0".to_owned()),
                plugins: vec![CniPlugin { kind: "bridge".to_owned(), config }],
            }),
            error: None,
            unread: false,
        }],
        cache: vec![CniCacheEntry {
            path: format!("/var/lib/cni/results/customer-a-net-{SANDBOX}-eth0"),
            container: container.clone(),
            network: "customer-a-net".to_owned(),
            interface: "eth0".to_owned(),
            pod: sandbox().pod,
            interfaces: sandbox().cni_interfaces,
            addresses: vec![net("10.200.0.32/24")],
            error: None,
        }],
        leases: vec![CniLease {
            path: "/var/lib/cni/networks/customer-a-net/10.200.0.32".to_owned(),
            network: "customer-a-net".to_owned(),
            address: "10.200.0.32".parse().unwrap(),
            container,
            interface: Some("eth0".to_owned()),
        }],
    }
}

/// A worker with one pod on a bridge, small and complete.
pub(crate) fn example() -> Snapshot {
    let names = vec![NetnsName { id: POD, name: NETNS_NAME.into(), path: format!("/run/netns/{NETNS_NAME}").into() }];
    let pause = process(25570, "pause", SANDBOX);
    let nginx = process(25603, "nginx", NGINX);
    let id = SandboxId(SANDBOX.to_owned());
    Snapshot {
        format: FORMAT.to_owned(),
        written_by: "0.1.0".to_owned(),
        node: NodeInfo {
            name: "worker-0".to_owned(),
            source: "live".to_owned(),
            taken_at: "2026-01-02T03:04:05Z".parse().unwrap(),
            host_netns: HOST,
        },
        runtime: Read::with(
            RuntimeInfo {
                name: Some("containerd".to_owned()),
                version: Some("1.6.20".to_owned()),
                endpoint: Some("/run/containerd/containerd.sock".to_owned()),
                chosen_by: Some("known place".to_owned()),
            },
            Issue::note("reading nginx of customer-a at 10.200.0.32", Why::Timeout { detail: "2 s".to_owned() }),
        )
        .section(),
        sandboxes: ok(vec![sandbox()]),
        pod_processes: BTreeMap::from([(id.clone(), ok(vec![pause.clone(), nginx.clone()]))]),
        processes: BTreeMap::from([(pause.pid, ok(Some(pause))), (nginx.pid, ok(Some(nginx)))]),
        namespaces: ok(vec![
            Netns { id: HOST, names: Vec::new(), nsid: None, cookie: Some(1), pids: vec![Pid(1)] },
            Netns {
                id: POD,
                names: names.clone(),
                nsid: Some(Nsid(0)),
                cookie: Some(77),
                pids: vec![Pid(25570), Pid(25603)],
            },
        ]),
        netns_names: ok(names),
        cgroup_bpf: BTreeMap::from([(id, ok(Vec::new()))]),
        cni: ok(cni()),
        netns: vec![host(), pod()],
    }
}

#[test]
fn a_snapshot_of_a_snapshot_is_that_snapshot() {
    let mut told = Vec::new();
    let again = Snapshot::take(&example(), "0.1.0", &mut |done, total| told.push((done, total)));
    assert_eq!(again, example());
    assert_eq!(told, [(0, 2), (1, 2), (2, 2)]);
}

#[test]
fn a_snapshot_holds_so_many_flows_and_says_how_many_it_left_out() {
    let cut = Snapshot::take_with(&example(), "0.1.0", 0, &mut |_, _| {});
    let sections = cut.netns[0].flows.as_ref().unwrap();
    assert_eq!((sections.flows.value.len(), sections.left_out), (0, Some(7)));
    assert_eq!(sections.expectations, flows().expectations);
    let whole = example();
    let mut seen = Vec::new();
    let read = whole.conntrack().flows(HOST, &[FlowFilter::default()], &mut |flow| {
        seen.push(flow.clone());
        std::ops::ControlFlow::Continue(())
    });
    assert_eq!(seen, flows().flows.value);
    let said = "it holds 1 of them and left out 3 (--flows)";
    assert!(read.issues.iter().any(|issue| issue.why.detail() == said && issue.level == Level::Incomplete));
    assert_eq!(whole.conntrack().flows_left_out(HOST), Some(3));
}

#[test]
fn json_keeps_every_section() {
    let text = serde_json::to_string(&example()).unwrap();
    assert_eq!(serde_json::from_str::<Snapshot>(&text).unwrap(), example());
}

#[test]
fn what_a_snapshot_does_not_hold_is_said_not_guessed() {
    let elsewhere = NetnsId { dev: 4, ino: 1 };
    let links = example().links(elsewhere);
    assert_eq!(links.value, []);
    assert_eq!(links.issues.len(), 1);
    assert!(matches!(&links.issues[0].why, Why::NotRecorded { .. }));
}
