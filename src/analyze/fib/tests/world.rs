//! A namespace from lines like those of `ip`.
//!
//! May import model and the module it tests.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::model::address::{Address, Scope};
use crate::model::ids::{IfIndex, Mark, NetnsId, TableId};
use crate::model::issue::{Read, Section};
use crate::model::link::{Link, LinkKind};
use crate::model::neigh::Neighbour;
use crate::model::node::NodeInfo;
use crate::model::route::{
    Encap, Family, NextHop, NexthopObject, Route, RouteKind, RoutePreference, RouteQuery, Rule, RuleAction,
};
use crate::model::snapshot::{FORMAT, NetnsSections, Snapshot};
use crate::model::text::ByteText;

pub const NETNS: NetnsId = NetnsId { dev: 4, ino: 7 };

/// The links of every world: lo 1, eth0 2, eth1 3, eth2 4, red 5 (a VRF of table 500), red0 6 (its port).
const LINKS: [&str; 6] = ["lo", "eth0", "eth1", "eth2", "red", "red0"];

pub fn index(name: &str) -> IfIndex {
    IfIndex(u32::try_from(LINKS.iter().position(|link| *link == name).expect(name) + 1).unwrap())
}

fn section<T>(value: T) -> Section<T> {
    Read::ok(value).section()
}

/// What a test fills.
#[derive(Default)]
pub struct World {
    pub rules: Vec<Rule>,
    pub routes: Vec<Route>,
    pub addresses: Vec<Address>,
    pub neighbours: Vec<Neighbour>,
    pub nexthops: Vec<NexthopObject>,
    pub sysctls: BTreeMap<String, String>,
    pub rules_failed: bool,
}

impl World {
    /// With the rules of a new namespace and a line for each route.
    pub fn new(routes: &[&str]) -> Self {
        let rules = ["0 table 255", "32766 table 254", "32767 table 253", "6 0 table 255", "6 32766 table 254"];
        Self {
            rules: rules.map(rule).into(),
            routes: routes.iter().map(|line| route(line)).collect(),
            ..Self::default()
        }
    }

    /// With other rules in place of the first ones.
    pub fn rules(mut self, rules: &[&str]) -> Self {
        self.rules = rules.iter().map(|line| rule(line)).collect();
        self
    }

    pub fn addresses(mut self, addresses: &[&str]) -> Self {
        self.addresses = addresses.iter().map(|line| address(line)).collect();
        self
    }

    pub fn neighbours(mut self, neighbours: &[(&str, &str, &str)]) -> Self {
        self.neighbours = neighbours
            .iter()
            .map(|(link, address, state)| Neighbour {
                ifindex: index(link),
                address: address.parse().unwrap(),
                mac: None,
                states: vec![(*state).to_owned()],
                flags: Vec::new(),
            })
            .collect();
        self
    }

    pub fn sysctl(mut self, name: &str, value: &str) -> Self {
        self.sysctls.insert(name.to_owned(), value.to_owned());
        self
    }

    pub fn node(self) -> Snapshot {
        let mut sysctls: BTreeMap<String, Section<Option<String>>> = BTreeMap::new();
        let defaults =
            ["rp_filter", "accept_local", "route_localnet", "send_redirects", "src_valid_mark", "forwarding"];
        for link in LINKS.iter().chain(&["all"]) {
            for name in defaults {
                let value = if name == "forwarding" { "1" } else { "0" };
                sysctls.insert(format!("ipv4.conf.{link}.{name}"), section(Some(value.to_owned())));
            }
            sysctls.insert(format!("ipv6.conf.{link}.use_tempaddr"), section(Some("0".to_owned())));
        }
        sysctls.insert("ipv6.conf.all.forwarding".to_owned(), section(Some("0".to_owned())));
        sysctls.insert("ipv4.fib_multipath_use_neigh".to_owned(), section(Some("0".to_owned())));
        for (name, value) in self.sysctls {
            sysctls.insert(name, section(Some(value)));
        }
        let rules = if self.rules_failed {
            let issue = crate::model::issue::Issue::incomplete(
                "reading rules",
                crate::model::issue::Why::Interrupted { detail: "3 times".to_owned() },
            );
            Read::with(self.rules, issue).section()
        } else {
            section(self.rules)
        };
        let netns = NetnsSections {
            learned_routes: None,
            id: NETNS,
            links: section(links()),
            addresses: section(self.addresses),
            neighbours: section(self.neighbours),
            fdb: section(Vec::new()),
            rules,
            routes: section(self.routes),
            nexthops: section(self.nexthops),
            link_bpf: BTreeMap::new(),
            sysctls,
            nsids: BTreeMap::new(),
            flows: None,
            sockets: None,
            netfilter: None,
        };
        Snapshot {
            format: FORMAT.to_owned(),
            written_by: "test".to_owned(),
            node: NodeInfo {
                name: "worker-0".to_owned(),
                source: "test".to_owned(),
                taken_at: "2026-01-01T00:00:00Z".parse().unwrap(),
                host_netns: NETNS,
            },
            runtime: Section::default(),
            sandboxes: Section::default(),
            pod_processes: BTreeMap::new(),
            processes: BTreeMap::new(),
            namespaces: Section::default(),
            netns_names: Section::default(),
            cgroup_bpf: BTreeMap::new(),
            cni: Section::default(),
            netns: vec![netns],
        }
    }
}

fn links() -> Vec<Link> {
    let link = |(at, name): (usize, &&str)| {
        let kind = match *name {
            "lo" => LinkKind::Loopback,
            "red" => LinkKind::Vrf { table: TableId(500) },
            _ => LinkKind::Veth,
        };
        Link {
            up: true,
            lower_up: true,
            oper_state: crate::model::link::OperState::Up,
            mtu: 1500,
            controller: (*name == "red0").then(|| index("red")),
            group: if *name == "eth1" { 7 } else { 0 },
            ..Link::new(IfIndex(u32::try_from(at + 1).unwrap()), *name, kind)
        }
    };
    LINKS.iter().enumerate().map(link).collect()
}

fn net(text: &str, like: Option<&str>) -> IpNet {
    match text {
        "default" if like.is_some_and(|like| like.contains(':')) => "::/0".parse().unwrap(),
        "default" => "0.0.0.0/0".parse().unwrap(),
        "default6" => "::/0".parse().unwrap(),
        text => text.parse().unwrap_or_else(|_| IpNet::from(text.parse::<IpAddr>().expect(text))),
    }
}

/// `[KIND] PREFIX [from P] [via G] [dev L] [FLAG…] [nexthop …]… [table N] [metric N] [tos N] [src A]
/// [scope link] [pref low] [expires N] [nhid N] [encap K] [by WHO]`
pub fn route(line: &str) -> Route {
    let mut words = line.split_whitespace().peekable();
    let kind = match *words.peek().unwrap() {
        "local" => RouteKind::Local,
        "broadcast" => RouteKind::Broadcast,
        "blackhole" => RouteKind::Blackhole,
        "unreachable" => RouteKind::Unreachable,
        "prohibit" => RouteKind::Prohibit,
        "throw" => RouteKind::Throw,
        _ => RouteKind::Unicast,
    };
    if kind != RouteKind::Unicast {
        words.next();
    }
    let dst = net(words.next().unwrap(), None);
    let family = Family::of(dst.addr());
    let mut route = Route {
        family,
        table: TableId::MAIN,
        dst,
        src: None,
        kind,
        scope: if kind == RouteKind::Local { Scope::Host } else { Scope::Universe },
        origin: "static".to_owned(),
        tos: 0,
        metric: if family == Family::Ipv6 { 1024 } else { 0 },
        source: None,
        nexthops: Vec::new(),
        nexthop_id: None,
        flags: Vec::new(),
        mtu: None,
        metrics: Vec::new(),
        preference: (family == Family::Ipv6).then_some(RoutePreference::Medium),
        expires_s: None,
        unknown: Vec::new(),
    };
    let fresh = || NextHop { ifindex: None, gateway: None, weight: 1, flags: Vec::new(), encap: None };
    while let Some(word) = words.next() {
        let mut next = || words.next().unwrap();
        match word {
            "nexthop" => route.nexthops.push(fresh()),
            "from" => route.src = Some(net(next(), Some(":"))),
            "table" => route.table = TableId(next().parse().unwrap()),
            "metric" => route.metric = next().parse().unwrap(),
            "tos" => route.tos = next().parse().unwrap(),
            "src" => route.source = Some(next().parse().unwrap()),
            "by" => next().clone_into(&mut route.origin),
            "scope" => route.scope = if next() == "link" { Scope::Link } else { Scope::Host },
            "expires" => route.expires_s = Some(next().parse().unwrap()),
            "nhid" => route.nexthop_id = Some(next().parse().unwrap()),
            "pref" => {
                route.preference = Some(match next() {
                    "low" => RoutePreference::Low,
                    "high" => RoutePreference::High,
                    _ => RoutePreference::Medium,
                });
            }
            word => {
                if route.nexthops.is_empty() {
                    route.nexthops.push(fresh());
                }
                let hop = route.nexthops.last_mut().unwrap();
                match word {
                    "via" => hop.gateway = Some(next().parse().unwrap()),
                    "dev" => hop.ifindex = Some(index(next())),
                    "weight" => hop.weight = next().parse().unwrap(),
                    "encap" => hop.encap = Some(Encap { kind: next().to_owned(), hex: String::new() }),
                    flag => hop.flags.push(flag.to_owned()),
                }
            }
        }
    }
    route
}

/// `[6] PRIORITY [not] [SELECTOR VALUE]… [suppress N] [suppressgroup N] ACTION`
pub fn rule(line: &str) -> Rule {
    let mut words = line.split_whitespace().peekable();
    let family = if *words.peek().unwrap() == "6" { Family::Ipv6 } else { Family::Ipv4 };
    if family == Family::Ipv6 {
        words.next();
    }
    let mut rule = Rule {
        origin: "static".to_owned(),
        ..Rule::new(family, words.next().unwrap().parse().unwrap(), RuleAction::Nop)
    };
    while let Some(word) = words.next() {
        let mut next = || words.next().unwrap();
        match word {
            "not" => rule.invert = true,
            "from" => rule.src = Some(net(next(), None)),
            "to" => rule.dst = Some(net(next(), None)),
            "iif" => rule.iif = Some(ByteText::from(next())),
            "oif" => rule.oif = Some(ByteText::from(next())),
            "mark" => {
                let (value, mask) = next().split_once('/').unwrap();
                rule.mark = Some(Mark { value: value.parse().unwrap(), mask: mask.parse().unwrap() });
            }
            "tos" => rule.tos = Some(next().parse().unwrap()),
            "dscp" => {
                rule.tos = Some(next().parse().unwrap());
                rule.tos_is_dscp = true;
            }
            "proto" => rule.protocol = Some(next().parse().unwrap()),
            "sport" => rule.source_ports = Some(span(next())),
            "dport" => rule.destination_ports = Some(span(next())),
            "uid" => rule.uids = Some(span(next())),
            "tunnel" => rule.tunnel_id = Some(next().parse().unwrap()),
            "l3mdev" => {
                rule.l3mdev = true;
                rule.action = RuleAction::Lookup { table: TableId(0) };
            }
            "suppress" => rule.suppress_prefix_length = Some(next().parse().unwrap()),
            "suppressgroup" => rule.suppress_interface_group = Some(next().parse().unwrap()),
            "unknown" => {
                rule.unknown.push(crate::model::link::RawAttr { kind: next().parse().unwrap(), hex: "01".to_owned() });
            }
            "table" => rule.action = RuleAction::Lookup { table: TableId(next().parse().unwrap()) },
            "goto" => rule.action = RuleAction::Goto { priority: next().parse().unwrap() },
            "nop" => rule.action = RuleAction::Nop,
            "blackhole" => rule.action = RuleAction::Blackhole,
            "unreachable" => rule.action = RuleAction::Unreachable,
            "prohibit" => rule.action = RuleAction::Prohibit,
            other => panic!("{other}"),
        }
    }
    rule
}

fn span<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> (T, T) {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    (first.parse().unwrap(), last.parse().unwrap())
}

/// `ADDRESS/LENGTH dev L [scope link|host] [peer A] [FLAG…]`
pub fn address(line: &str) -> Address {
    let mut words = line.split_whitespace();
    let mut address = Address {
        ifindex: IfIndex(0),
        address: words.next().unwrap().parse().unwrap(),
        peer: None,
        broadcast: None,
        scope: Scope::Universe,
        flags: Vec::new(),
        label: None,
        valid_s: None,
        preferred_s: None,
    };
    while let Some(word) = words.next() {
        match word {
            "dev" => address.ifindex = index(words.next().unwrap()),
            "scope" => address.scope = if words.next().unwrap() == "link" { Scope::Link } else { Scope::Host },
            "peer" => address.peer = Some(words.next().unwrap().parse().unwrap()),
            flag => address.flags.push(flag.to_owned()),
        }
    }
    address
}

/// `DST [from A] [iif L] [oif L] [mark N] [tos N] [proto N] [sport N] [dport N] [uid N]`
pub fn query(line: &str) -> RouteQuery {
    let mut words = line.split_whitespace();
    let mut query = RouteQuery::to(words.next().unwrap().parse().unwrap());
    while let Some(word) = words.next() {
        let value = words.next().unwrap();
        match word {
            "from" => query.src = Some(value.parse().unwrap()),
            "iif" => query.iif = Some(index(value)),
            "oif" => query.oif = Some(index(value)),
            "mark" => query.mark = value.parse().unwrap(),
            "tos" => query.tos = value.parse().unwrap(),
            "proto" => query.protocol = Some(value.parse().unwrap()),
            "sport" => query.source_port = Some(value.parse().unwrap()),
            "dport" => query.destination_port = Some(value.parse().unwrap()),
            "uid" => query.uid = Some(value.parse().unwrap()),
            other => panic!("{other}"),
        }
    }
    query
}
