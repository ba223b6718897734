//! Small nodes built by hand, for the cases that a recorded one does not show.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use podnet::model::address::{Address, Scope};
use podnet::model::bpf::BpfAttachment;
use podnet::model::cni::CniState;
use podnet::model::ids::{ContainerId, IfIndex, NetnsId, Nsid, Pid, SandboxId, TableId};
use podnet::model::issue::{Issue, Read, Section};
use podnet::model::link::{BridgeInfo, BridgePort, Link, LinkKind, OperState, PortState};
use podnet::model::neigh::{FdbEntry, Neighbour};
use podnet::model::netns::{Netns, NetnsName, PodCgroup, Process};
use podnet::model::node::NodeInfo;
use podnet::model::route::{Family, NextHop, Route, RouteKind, Rule, RuleAction};
use podnet::model::sandbox::{Container, PodName, RuntimeInfo, Sandbox, SandboxSource, SandboxState};
use podnet::model::snapshot::{FORMAT, NetfilterSections, NetnsSections, Snapshot};

pub const HOST: u64 = 1000;

pub fn id(ino: u64) -> NetnsId {
    NetnsId { dev: 4, ino }
}

fn edit<T: Clone>(section: &mut Section<T>) -> &mut T {
    &mut Arc::make_mut(section).value
}

fn ok<T>(value: T) -> Section<T> {
    Read::ok(value).section()
}

/// A node in the making; its host namespace has `lo` and `eth0` (10.240.0.20/24) with a default route.
pub struct Node {
    snapshot: Snapshot,
}

impl Node {
    pub fn new(name: &str) -> Self {
        let mut node = Self {
            snapshot: Snapshot {
                format: FORMAT.to_owned(),
                written_by: "tests/answers".to_owned(),
                node: NodeInfo {
                    name: name.to_owned(),
                    source: "built".to_owned(),
                    taken_at: "2026-11-22T12:00:00Z".parse().unwrap(),
                    host_netns: id(HOST),
                },
                runtime: ok(RuntimeInfo { name: Some("containerd".to_owned()), ..RuntimeInfo::default() }),
                sandboxes: ok(Vec::new()),
                pod_processes: BTreeMap::new(),
                processes: BTreeMap::new(),
                namespaces: ok(Vec::new()),
                netns_names: ok(Vec::new()),
                cgroup_bpf: BTreeMap::new(),
                cni: ok(CniState::default()),
                netns: Vec::new(),
            },
        };
        node.netns(HOST, None);
        node.add(HOST, link(2, "eth0", LinkKind::Physical));
        node.address(HOST, 2, "10.240.0.20/24");
        node.route(HOST, TableId::MAIN, "0.0.0.0/0", Some("10.240.0.1"), 2);
        node.route(HOST, TableId::MAIN, "10.240.0.0/24", None, 2);
        for (name, value) in [("ipv4.ip_forward", "1"), ("bridge.bridge-nf-call-iptables", "1")] {
            node.sysctl(name, Some(value));
        }
        node
    }

    pub fn sections(&mut self, ino: u64) -> &mut NetnsSections {
        self.snapshot.netns.iter_mut().find(|sections| sections.id == id(ino)).unwrap()
    }

    /// A namespace with `lo` and the rules that the kernel makes.
    pub fn netns(&mut self, ino: u64, name: Option<&str>) {
        let mut sections = NetnsSections {
            id: id(ino),
            links: ok(Vec::new()),
            addresses: ok(Vec::new()),
            neighbours: ok(Vec::new()),
            fdb: ok(Vec::new()),
            rules: ok(Vec::new()),
            routes: ok(Vec::new()),
            learned_routes: None,
            nexthops: ok(Vec::new()),
            link_bpf: BTreeMap::new(),
            sysctls: BTreeMap::new(),
            nsids: BTreeMap::new(),
            flows: None,
            sockets: None,
            netfilter: Some(NetfilterSections::default()),
        };
        for family in Family::ALL {
            for (priority, table) in [(0, TableId::LOCAL), (32766, TableId::MAIN)] {
                edit(&mut sections.rules).push(rule(family, priority, table));
            }
        }
        self.snapshot.netns.push(sections);
        let mut lo = link(1, "lo", LinkKind::Loopback);
        lo.mtu = 65536;
        self.add(ino, lo);
        let names: Vec<_> = name.into_iter().map(|name| netns_name(ino, name)).collect();
        edit(&mut self.snapshot.netns_names).extend(names.clone());
        edit(&mut self.snapshot.namespaces).push(Netns {
            id: id(ino),
            names,
            nsid: None,
            cookie: None,
            pids: Vec::new(),
        });
    }

    pub fn add(&mut self, ino: u64, link: Link) {
        let sections = self.sections(ino);
        sections.link_bpf.entry(link.ifindex).or_insert_with(|| ok(Vec::new()));
        let name = link.name.to_string();
        edit(&mut sections.links).push(link);
        if ino == HOST {
            let settings = [
                ("forwarding", "1"),
                ("rp_filter", "0"),
                ("proxy_arp", "0"),
                ("accept_local", "0"),
                ("send_redirects", "0"),
                ("src_valid_mark", "0"),
                ("route_localnet", "0"),
            ];
            for (setting, value) in settings {
                for link in [name.as_str(), "all"] {
                    self.sysctl(&format!("ipv4.conf.{link}.{setting}"), Some(value));
                }
            }
        }
    }

    pub fn link(&mut self, ino: u64, ifindex: u32) -> &mut Link {
        let links = edit(&mut self.sections(ino).links);
        links.iter_mut().find(|link| link.ifindex == IfIndex(ifindex)).unwrap()
    }

    pub fn sysctl(&mut self, name: &str, value: Option<&str>) {
        let value = ok(value.map(ToOwned::to_owned));
        self.sections(HOST).sysctls.insert(name.to_owned(), value);
    }

    pub fn address(&mut self, ino: u64, ifindex: u32, net: &str) {
        let net: IpNet = net.parse().unwrap();
        let link_local = net.addr().to_string().starts_with("fe80");
        edit(&mut self.sections(ino).addresses).push(Address {
            ifindex: IfIndex(ifindex),
            address: net,
            peer: None,
            broadcast: None,
            scope: if link_local { Scope::Link } else { Scope::Universe },
            flags: vec!["permanent".to_owned()],
            label: None,
            valid_s: None,
            preferred_s: None,
        });
    }

    pub fn route(&mut self, ino: u64, table: TableId, dst: &str, gateway: Option<&str>, ifindex: u32) -> &mut Route {
        let dst: IpNet = dst.parse().unwrap();
        let gateway: Option<IpAddr> = gateway.map(|gateway| gateway.parse().unwrap());
        let routes = edit(&mut self.sections(ino).routes);
        let hop = NextHop { ifindex: Some(IfIndex(ifindex)), gateway, weight: 1, flags: Vec::new(), encap: None };
        routes.push(Route {
            family: Family::of(dst.addr()),
            table,
            dst,
            src: None,
            kind: RouteKind::Unicast,
            scope: Scope::Universe,
            origin: "boot".to_owned(),
            tos: 0,
            metric: 0,
            source: None,
            nexthops: vec![hop],
            nexthop_id: None,
            flags: Vec::new(),
            mtu: None,
            metrics: Vec::new(),
            preference: None,
            expires_s: None,
            unknown: Vec::new(),
        });
        routes.last_mut().unwrap()
    }

    pub fn rules(&mut self, ino: u64) -> &mut Vec<Rule> {
        edit(&mut self.sections(ino).rules)
    }

    pub fn routes(&mut self, ino: u64) -> &mut Vec<Route> {
        edit(&mut self.sections(ino).routes)
    }

    pub fn neighbour(&mut self, ino: u64, ifindex: u32, address: &str, mac: Option<&str>, state: &str) {
        edit(&mut self.sections(ino).neighbours).push(Neighbour {
            ifindex: IfIndex(ifindex),
            address: address.parse().unwrap(),
            mac: mac.map(|mac| mac.parse().unwrap()),
            states: vec![state.to_owned()],
            flags: Vec::new(),
        });
    }

    pub fn learned(&mut self, bridge: u32, port: u32, mac: &str, vlan: Option<u16>) {
        edit(&mut self.sections(HOST).fdb).push(FdbEntry {
            ifindex: IfIndex(port),
            bridge: Some(IfIndex(bridge)),
            mac: mac.parse().unwrap(),
            vlan,
            remote: None,
            vni: None,
            port: None,
            via: None,
            nexthop: None,
            states: vec!["reachable".to_owned()],
            flags: Vec::new(),
        });
    }

    pub fn program(&mut self, ino: u64, ifindex: u32, hook: &str, name: &str, number: u32) {
        let program =
            BpfAttachment { hook: hook.to_owned(), id: Some(number), name: Some(name.to_owned()), detail: None };
        edit(self.sections(ino).link_bpf.get_mut(&IfIndex(ifindex)).unwrap()).push(program);
    }

    /// What `within` means by a number; `None`: nothing that can be seen.
    pub fn nsid(&mut self, within: u64, nsid: i32, to: Option<u64>) {
        self.sections(within).nsids.insert(Nsid(nsid), ok(to.map(id)));
        if within == HOST
            && let Some(to) = to
        {
            let namespaces = edit(&mut self.snapshot.namespaces);
            namespaces.iter_mut().find(|namespace| namespace.id == id(to)).unwrap().nsid = Some(Nsid(nsid));
        }
    }

    /// Both ends of a pair, each with the number that its namespace uses for the other's.
    pub fn pair(&mut self, kind: &LinkKind, a: (u64, u32, &str, i32), b: (u64, u32, &str, i32)) {
        for ((ino, ifindex, name, nsid), (other, other_ifindex, _, _)) in [(a, b), (b, a)] {
            let mut end = link(ifindex, name, kind.clone());
            end.link = Some(IfIndex(other_ifindex));
            if ino != other {
                end.link_nsid = Some(Nsid(nsid));
                self.nsid(ino, nsid, Some(other));
            }
            self.add(ino, end);
        }
    }

    pub fn bridge(&mut self, ifindex: u32, name: &str, net: &str) {
        let info = BridgeInfo {
            bridge_id: "8000.020000000003".to_owned(),
            ageing_ms: 300_000,
            mcast_snooping: true,
            ..BridgeInfo::default()
        };
        self.add(HOST, link(ifindex, name, LinkKind::Bridge(info)));
        self.address(HOST, ifindex, net);
        let net: IpNet = net.parse().unwrap();
        let dst = net.trunc().to_string();
        self.route(HOST, TableId::MAIN, &dst, None, ifindex);
    }

    pub fn plug(&mut self, ifindex: u32, bridge: u32) {
        let link = self.link(HOST, ifindex);
        link.controller = Some(IfIndex(bridge));
        link.port = Some(port());
    }

    /// A sandbox with its pause process and one container; `number` makes ids and pids.
    pub fn sandbox(&mut self, name: &str, number: u32, ino: u64, ips: &[&str]) -> &mut Sandbox {
        let (namespace, name) = name.split_once('/').unwrap();
        let uid = format!("00000000-0000-0000-0000-{number:012}");
        let sandbox_id = format!("{number:04}{:060x}", 0x005a_5a5a_5a5a_u64 + u64::from(number));
        let container = ContainerId(format!("c{number:03}{:060x}", 0x00c0_c0c0_u64 + u64::from(number)));
        let (pause, main) = (Pid(number * 10), Pid(number * 10 + 1));
        let path =
            self.snapshot.netns_names.value.iter().find(|name| name.id == id(ino)).map(|name| name.path.to_string());
        let processes: Vec<Process> = [(pause, "pause", sandbox_id.clone()), (main, "app", container.0.clone())]
            .into_iter()
            .map(|(pid, comm, container)| Process {
                pid,
                start_ticks: 0,
                comm: comm.into(),
                netns: Some(id(ino)),
                pod: Some(PodCgroup {
                    pod_uid: Some(uid.clone()),
                    path: format!("/kubepods/pod{uid}/{container}"),
                    container: Some(ContainerId(container)),
                }),
            })
            .collect();
        for process in &processes {
            self.snapshot.processes.insert(process.pid, ok(Some(process.clone())));
        }
        if let Some(namespace) = edit(&mut self.snapshot.namespaces).iter_mut().find(|other| other.id == id(ino)) {
            namespace.pids.extend([pause, main]);
        }
        let sandbox = Sandbox {
            id: SandboxId(sandbox_id),
            pod: PodName { namespace: Some(namespace.to_owned()), name: Some(name.to_owned()), uid: Some(uid) },
            attempt: 0,
            state: SandboxState::Ready,
            created_at: Some("2026-11-22T11:00:00Z".parse().unwrap()),
            labels: Some(BTreeMap::from([("app".to_owned(), name.to_owned())])),
            pid: Some(pause),
            netns: Some(id(ino)),
            netns_path: path,
            host_network: ino == HOST,
            ips: Some(ips.iter().map(|ip| ip.parse().unwrap()).collect()),
            cni_interfaces: Vec::new(),
            containers: Some(vec![Container {
                id: container,
                name: Some("app".to_owned()),
                pid: Some(main),
                image: None,
            }]),
            cgroup: None,
            source: SandboxSource::Runtime,
            issues: Vec::new(),
        };
        self.snapshot.pod_processes.insert(sandbox.id.clone(), ok(processes));
        self.snapshot.cgroup_bpf.insert(sandbox.id.clone(), ok(Vec::new()));
        let sandboxes = edit(&mut self.snapshot.sandboxes);
        sandboxes.push(sandbox);
        sandboxes.last_mut().unwrap()
    }

    pub fn sandbox_named(&mut self, name: &str) -> &mut Sandbox {
        let sandboxes = edit(&mut self.snapshot.sandboxes);
        sandboxes.iter_mut().find(|sandbox| sandbox.pod.to_string() == name).unwrap()
    }

    /// A pod on `cnio0` as the bridge plugin makes it: `eth0` has ifindex 3 in every pod.
    pub fn bridged_pod(&mut self, name: &str, number: u32, host_ifindex: u32) -> u64 {
        let ino = 2000 + u64::from(number);
        let ip = format!("10.200.0.{number}");
        self.netns(ino, Some(&format!("cni-{number:04}")));
        let nsid = i32::try_from(number).unwrap();
        let host_link = format!("veth{number}");
        self.pair(&LinkKind::Veth, (ino, 3, "eth0", 0), (HOST, host_ifindex, &host_link, nsid));
        self.plug(host_ifindex, 20);
        self.address(ino, 3, &format!("{ip}/24"));
        self.route(ino, TableId::MAIN, "0.0.0.0/0", Some("10.200.0.1"), 3);
        self.route(ino, TableId::MAIN, "10.200.0.0/24", None, 3);
        let (gateway, own) = (mac(20).to_string(), mac(3).to_string());
        self.neighbour(ino, 3, "10.200.0.1", Some(&gateway), "reachable");
        self.learned(20, host_ifindex, &own, None);
        self.sandbox(name, number, ino, &[&ip]);
        ino
    }

    /// Nobody told of the pods but `/proc`.
    pub fn without_a_runtime(&mut self, issue: Issue) {
        self.snapshot.runtime = Read::with(RuntimeInfo::default(), issue.clone()).section();
        let sandboxes = Arc::make_mut(&mut self.snapshot.sandboxes);
        sandboxes.issues.push(issue);
        for sandbox in &mut sandboxes.value {
            sandbox.labels = None;
            sandbox.ips = None;
            sandbox.created_at = None;
            sandbox.source = SandboxSource::Proc;
            for container in sandbox.containers.iter_mut().flatten() {
                container.name = None;
            }
        }
    }

    /// The sandbox's namespace ended between the listing and the look into it.
    pub fn gone(&mut self, ino: u64, issue: &Issue) {
        let sections = self.sections(ino);
        sections.links = Read::failed(issue.clone()).section();
        sections.addresses = Read::failed(issue.clone()).section();
    }

    pub fn process(&mut self, pid: u32, comm: &str, ino: u64) {
        let process = Process { pid: Pid(pid), start_ticks: 0, comm: comm.into(), netns: Some(id(ino)), pod: None };
        self.snapshot.processes.insert(Pid(pid), ok(Some(process)));
        let namespaces = edit(&mut self.snapshot.namespaces);
        if let Some(namespace) = namespaces.iter_mut().find(|other| other.id == id(ino)) {
            namespace.pids.push(Pid(pid));
        }
    }

    pub fn done(mut self) -> Snapshot {
        let snapshot = &mut self.snapshot;
        edit(&mut snapshot.sandboxes).sort_by(|a, b| {
            (&a.pod.namespace, &a.pod.name, b.attempt, &a.id).cmp(&(&b.pod.namespace, &b.pod.name, a.attempt, &b.id))
        });
        edit(&mut snapshot.netns_names).sort_by(|a, b| a.path.cmp(&b.path));
        edit(&mut snapshot.namespaces).sort_by_key(|namespace| (namespace.id != id(HOST), namespace.id));
        for sections in &mut snapshot.netns {
            edit(&mut sections.links).sort_by_key(|link| link.ifindex);
            edit(&mut sections.addresses).sort_by_key(|address| address.ifindex);
            edit(&mut sections.rules).sort_by_key(|rule| (rule.family, rule.priority));
        }
        self.snapshot
    }
}

fn netns_name(ino: u64, name: &str) -> NetnsName {
    NetnsName { id: id(ino), name: name.into(), path: format!("/run/netns/{name}").into() }
}

pub fn mac(number: u32) -> podnet::model::ids::MacAddr {
    format!("02:00:00:00:00:{number:02x}").parse().unwrap()
}

pub fn rule(family: Family, priority: u32, table: TableId) -> Rule {
    Rule::new(family, priority, RuleAction::Lookup { table })
}

/// A link that is up.
pub fn link(ifindex: u32, name: &str, kind: LinkKind) -> Link {
    Link {
        up: true,
        lower_up: true,
        oper_state: OperState::Up,
        mtu: 1500,
        mac: mac(ifindex),
        ..Link::new(IfIndex(ifindex), name, kind)
    }
}

fn port() -> BridgePort {
    BridgePort {
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
    }
}
