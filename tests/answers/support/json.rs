//! From what `ip -j` and `bridge -j` print to the model.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use podnet::model::address::{Address, Scope};
use podnet::model::ids::{IfIndex, Nsid, TableId};
use podnet::model::link::{BridgeInfo, BridgePort, Link, LinkKind, LinkStats, OperState, PortState};
use podnet::model::neigh::{FdbEntry, Neighbour};
use podnet::model::route::{Family, NextHop, Route, RouteKind, RoutePreference, Rule, RuleAction};
use serde_json::Value;

/// The ifindexes of a namespace's links by name.
pub type Names = BTreeMap<String, IfIndex>;

fn text<'v>(value: &'v Value, key: &str) -> Option<&'v str> {
    value[key].as_str()
}

fn number<T: TryFrom<u64>>(value: &Value, key: &str) -> Option<T> {
    value[key].as_u64().and_then(|number| T::try_from(number).ok())
}

fn lower(value: &Value) -> Vec<String> {
    let mut words: Vec<_> =
        value.as_array().into_iter().flatten().map(|word| word.as_str().unwrap().to_lowercase()).collect();
    words.sort();
    words
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

pub fn names(links: &Value) -> Names {
    list(links)
        .iter()
        .map(|link| (text(link, "ifname").unwrap().to_owned(), IfIndex(number(link, "ifindex").unwrap())))
        .collect()
}

pub fn links(links: &Value) -> Vec<Link> {
    let names = names(links);
    let mut found: Vec<_> = list(links).iter().map(|link| one_link(link, &names)).collect();
    found.sort_by_key(|link| link.ifindex);
    found
}

fn one_link(link: &Value, names: &Names) -> Link {
    let mut flags = lower(&link["flags"]);
    let mut take = |flag: &str| {
        let had = flags.iter().any(|other| other == flag);
        flags.retain(|other| other != flag);
        had
    };
    let (up, lower_up) = (take("up"), take("lower_up"));
    let info = &link["linkinfo"];
    let stats = |way: &str, what: &str| link["stats64"][way][what].as_u64().unwrap();
    let kind = match text(info, "info_kind") {
        None if text(link, "link_type") == Some("loopback") => LinkKind::Loopback,
        None => LinkKind::Physical,
        Some("veth") => LinkKind::Veth,
        Some("bridge") => LinkKind::Bridge(bridge(&info["info_data"])),
        Some(other) => panic!("no reading of kind {other}"),
    };
    Link {
        up,
        lower_up,
        flags,
        oper_state: match text(link, "operstate").unwrap() {
            "UP" => OperState::Up,
            "UNKNOWN" => OperState::Unknown,
            "DOWN" => OperState::Down,
            other => panic!("no reading of operstate {other}"),
        },
        mtu: number(link, "mtu").unwrap(),
        mac: text(link, "address").unwrap().parse().unwrap(),
        link: number(link, "link_index").map(IfIndex),
        link_nsid: link["link_netnsid"].as_i64().map(|nsid| Nsid(nsid.try_into().unwrap())),
        controller: text(link, "master").map(|name| names[name]),
        port: (text(info, "info_slave_kind") == Some("bridge")).then(|| port(&info["info_slave_data"])),
        stats: LinkStats {
            rx_packets: stats("rx", "packets"),
            rx_bytes: stats("rx", "bytes"),
            rx_errors: stats("rx", "errors"),
            rx_dropped: stats("rx", "dropped"),
            tx_packets: stats("tx", "packets"),
            tx_bytes: stats("tx", "bytes"),
            tx_errors: stats("tx", "errors"),
            tx_dropped: stats("tx", "dropped"),
        },
        promiscuity: number(link, "promiscuity").unwrap(),
        ..Link::new(IfIndex(number(link, "ifindex").unwrap()), text(link, "ifname").unwrap(), kind)
    }
}

fn bridge(data: &Value) -> BridgeInfo {
    let (priority, address) = text(data, "bridge_id").unwrap().split_once('.').unwrap();
    // `ip` leaves out leading zeros of each byte, `brctl show` does not.
    let mut whole = String::new();
    for byte in address.split(':') {
        write!(whole, "{byte:0>2}").unwrap();
    }
    let on = |key: &str| data[key].as_u64() == Some(1);
    BridgeInfo {
        bridge_id: format!("{priority}.{whole}"),
        stp_state: number(data, "stp_state").unwrap(),
        vlan_filtering: on("vlan_filtering"),
        default_pvid: number(data, "vlan_default_pvid"),
        nf_call_iptables: on("nf_call_iptables"),
        nf_call_ip6tables: on("nf_call_ip6tables"),
        nf_call_arptables: on("nf_call_arptables"),
        ageing_ms: number::<u64>(data, "ageing_time").unwrap() * 10,
        mcast_snooping: on("mcast_snooping"),
    }
}

fn port(data: &Value) -> BridgePort {
    let on = |key: &str| data[key].as_bool().unwrap();
    BridgePort {
        state: match text(data, "state").unwrap() {
            "forwarding" => PortState::Forwarding,
            other => panic!("no reading of port state {other}"),
        },
        hairpin: on("hairpin"),
        isolated: on("isolated"),
        learning: on("learning"),
        flood: on("flood"),
        mcast_flood: on("mcast_flood"),
        bcast_flood: on("bcast_flood"),
        guard: on("guard"),
        proxy_arp: on("proxy_arp"),
        neigh_suppress: on("neigh_suppress"),
        port_no: u16::from_str_radix(text(data, "no").unwrap().trim_start_matches("0x"), 16).unwrap(),
        cost: number(data, "cost").unwrap(),
        priority: number(data, "priority").unwrap(),
    }
}

fn scope(value: &Value) -> Scope {
    match value["scope"].as_str() {
        None | Some("global") => Scope::Universe,
        Some("link") => Scope::Link,
        Some("host") => Scope::Host,
        Some(other) => panic!("no reading of scope {other}"),
    }
}

pub fn addresses(links: &Value) -> Vec<Address> {
    let lifetime = |info: &Value, key: &str| number(info, key).filter(|seconds| *seconds != u32::MAX);
    let mut found: Vec<Address> = Vec::new();
    for link in list(links) {
        for info in list(&link["addr_info"]) {
            let address: IpAddr = text(info, "local").unwrap().parse().unwrap();
            let mut flags: Vec<_> = ["nodad", "tentative", "deprecated", "secondary"]
                .into_iter()
                .filter(|flag| info[flag].as_bool() == Some(true))
                .map(ToOwned::to_owned)
                .collect();
            let valid_s = lifetime(info, "valid_life_time");
            if valid_s.is_none() {
                flags.push("permanent".to_owned());
            }
            flags.sort();
            found.push(Address {
                ifindex: IfIndex(number(link, "ifindex").unwrap()),
                address: IpNet::new(address, number(info, "prefixlen").unwrap()).unwrap(),
                peer: None,
                broadcast: text(info, "broadcast").map(|address| address.parse().unwrap()),
                scope: scope(info),
                flags,
                label: text(info, "label").map(Into::into),
                valid_s,
                preferred_s: lifetime(info, "preferred_life_time"),
            });
        }
    }
    found.sort_by_key(|address| address.ifindex);
    found
}

pub fn neighbours(entries: &Value, names: &Names) -> Vec<Neighbour> {
    let mut found: Vec<_> = list(entries)
        .iter()
        .map(|entry| Neighbour {
            ifindex: names[text(entry, "dev").unwrap()],
            address: text(entry, "dst").unwrap().parse().unwrap(),
            mac: text(entry, "lladdr").map(|mac| mac.parse().unwrap()),
            states: lower(&entry["state"]),
            flags: Vec::new(),
        })
        .collect();
    found.sort();
    found
}

pub fn fdb(entries: &Value, names: &Names) -> Vec<FdbEntry> {
    let mut found: Vec<_> = list(entries)
        .iter()
        .map(|entry| FdbEntry {
            ifindex: names[text(entry, "ifname").unwrap()],
            bridge: text(entry, "master").map(|name| names[name]),
            mac: text(entry, "mac").unwrap().parse().unwrap(),
            vlan: number(entry, "vlan"),
            remote: None,
            vni: None,
            port: None,
            // `bridge` prints nothing for a reachable (a learned and fresh) entry.
            via: None,
            nexthop: None,
            states: vec![match text(entry, "state").unwrap() {
                "" => "reachable".to_owned(),
                state => state.to_owned(),
            }],
            flags: lower(&entry["flags"]),
        })
        .collect();
    found.sort_by(|a, b| (a.bridge, a.ifindex, &a.mac).cmp(&(b.bridge, b.ifindex, &b.mac)));
    found
}

fn table(value: &Value) -> TableId {
    match text(value, "table") {
        None | Some("main") => TableId::MAIN,
        Some("local") => TableId::LOCAL,
        Some("default") => TableId::DEFAULT,
        Some(number) => TableId(number.parse().unwrap()),
    }
}

/// IPv4 rules alone: `ip rule` lists one family.
pub fn rules(entries: &Value) -> Vec<Rule> {
    list(entries)
        .iter()
        .map(|entry| {
            let lookup = RuleAction::Lookup { table: table(entry) };
            let src = match text(entry, "src").unwrap() {
                "all" => None,
                net => Some(net.parse().unwrap()),
            };
            Rule { src, ..Rule::new(Family::Ipv4, number(entry, "priority").unwrap(), lookup) }
        })
        .collect()
}

pub fn routes(entries: &Value, names: &Names) -> Vec<Route> {
    list(entries).iter().map(|entry| route(entry, names)).collect()
}

fn route(entry: &Value, names: &Names) -> Route {
    let gateway: Option<IpAddr> = text(entry, "gateway").map(|gateway| gateway.parse().unwrap());
    let dst = text(entry, "dst").unwrap();
    let v6 = dst.contains(':') || gateway.is_some_and(|gateway| gateway.is_ipv6());
    let dst: IpNet = match dst {
        "default" if v6 => IpNet::new(Ipv6Addr::UNSPECIFIED.into(), 0).unwrap(),
        "default" => IpNet::new(Ipv4Addr::UNSPECIFIED.into(), 0).unwrap(),
        net if net.contains('/') => net.parse().unwrap(),
        address => IpNet::from(address.parse::<IpAddr>().unwrap()),
    };
    let hop = NextHop {
        ifindex: text(entry, "dev").map(|name| names[name]),
        gateway,
        weight: 1,
        flags: Vec::new(),
        encap: None,
    };
    Route {
        family: if v6 { Family::Ipv6 } else { Family::Ipv4 },
        table: table(entry),
        dst,
        src: None,
        kind: match text(entry, "type") {
            None => RouteKind::Unicast,
            Some("local") => RouteKind::Local,
            Some("broadcast") => RouteKind::Broadcast,
            Some("anycast") => RouteKind::Anycast,
            Some("multicast") => RouteKind::Multicast,
            Some(other) => panic!("no reading of route type {other}"),
        },
        scope: scope(entry),
        // `ip` leaves the protocol out where it is `boot`.
        origin: text(entry, "protocol").unwrap_or("boot").to_owned(),
        tos: 0,
        metric: number(entry, "metric").unwrap_or(0),
        source: text(entry, "prefsrc").map(|address| address.parse().unwrap()),
        nexthops: vec![hop],
        nexthop_id: None,
        flags: Vec::new(),
        mtu: None,
        metrics: Vec::new(),
        preference: text(entry, "pref").map(|_| RoutePreference::Medium),
        expires_s: None,
        unknown: Vec::new(),
    }
}
