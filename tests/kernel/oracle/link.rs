//! Links and addresses, as `ip -s -j -d addr` writes both.

use podnet::model::address::{Address, Scope};
use podnet::model::link::{BridgePort, Link, LinkKind, LinkStats, OperState, PortState, VxlanDf};
use serde_json::{Map, Value, json};

use super::{Names, name, only, set, sorted};

pub fn links(links: &[Link], names: &Names) -> Vec<Value> {
    links.iter().map(|link| ours(link, names).into()).collect()
}

fn ours(link: &Link, names: &Names) -> Map<String, Value> {
    let mut out = Map::new();
    set(&mut out, "ifindex", Some(link.ifindex.0));
    set(&mut out, "ifname", Some(link.name.to_string()));
    set(&mut out, "flags", Some(flags(link)));
    set(&mut out, "mtu", Some(link.mtu));
    set(&mut out, "operstate", Some(oper_state(link.oper_state)));
    set(&mut out, "promiscuity", Some(link.promiscuity));
    set(&mut out, "address", Some(link.mac.to_string()).filter(|mac| !mac.is_empty()));
    set(&mut out, "master", link.controller.map(|index| name(names, index)));
    // `ip` names a link of this namespace and gives the number of one elsewhere.
    match link.link_nsid {
        Some(nsid) => {
            set(&mut out, "link_netnsid", Some(nsid.0));
            set(&mut out, "link_index", link.link.map(|index| index.0));
        }
        None => set(&mut out, "link", link.link.map(|index| name(names, index))),
    }
    let alt: Vec<String> = link.alt_names.iter().map(ToString::to_string).collect();
    set(&mut out, "altnames", Some(alt).filter(|alt| !alt.is_empty()));
    set(&mut out, "ifalias", link.alias.as_ref().map(ToString::to_string));
    set(&mut out, "stats64", Some(stats(link.stats)));
    let mut info = Map::new();
    let (kind, data) = kind(&link.kind, names);
    set(&mut info, "info_kind", kind);
    set(&mut info, "info_data", Some(data).filter(|data| !data.is_empty()));
    if let Some(port) = &link.port {
        set(&mut info, "info_slave_kind", Some("bridge"));
        set(&mut info, "info_slave_data", Some(slave_data(port)));
    }
    set(&mut out, "linkinfo", Some(info).filter(|info| !info.is_empty()));
    out
}

/// `ip` leaves RUNNING out and tells its absence.
fn flags(link: &Link) -> Value {
    let mut all: Vec<String> =
        link.flags.iter().filter(|flag| *flag != "running").map(|flag| flag.to_uppercase()).collect();
    if link.up {
        all.push("UP".to_owned());
        if !link.flags.iter().any(|flag| flag == "running") {
            all.push("NO-CARRIER".to_owned());
        }
    }
    if link.lower_up {
        all.push("LOWER_UP".to_owned());
    }
    all.sort();
    all.into()
}

fn oper_state(state: OperState) -> &'static str {
    match state {
        OperState::Unknown => "UNKNOWN",
        OperState::NotPresent => "NOTPRESENT",
        OperState::Down => "DOWN",
        OperState::LowerLayerDown => "LOWERLAYERDOWN",
        OperState::Testing => "TESTING",
        OperState::Dormant => "DORMANT",
        OperState::Up => "UP",
    }
}

fn stats(stats: LinkStats) -> Value {
    json!({
        "rx": {"bytes": stats.rx_bytes, "packets": stats.rx_packets, "errors": stats.rx_errors, "dropped": stats.rx_dropped},
        "tx": {"bytes": stats.tx_bytes, "packets": stats.tx_packets, "errors": stats.tx_errors, "dropped": stats.tx_dropped},
    })
}

fn kind(kind: &LinkKind, names: &Names) -> (Option<String>, Map<String, Value>) {
    let mut data = Map::new();
    match kind {
        LinkKind::Loopback | LinkKind::Physical => return (None, data),
        LinkKind::Bridge(bridge) => {
            let (priority, mac) = bridge.bridge_id.split_once('.').unwrap();
            // `ip` writes each number without leading zeros.
            let bare = |digits: &str| format!("{:x}", u16::from_str_radix(digits, 16).unwrap());
            let mac: Vec<String> = (0..6).map(|at| bare(&mac[2 * at..2 * at + 2])).collect();
            set(&mut data, "bridge_id", Some(format!("{}.{}", bare(priority), mac.join(":"))));
            set(&mut data, "stp_state", Some(bridge.stp_state));
            set(&mut data, "ageing_time", Some(bridge.ageing_ms / 10));
            for (key, on) in [
                ("vlan_filtering", bridge.vlan_filtering),
                ("nf_call_iptables", bridge.nf_call_iptables),
                ("nf_call_ip6tables", bridge.nf_call_ip6tables),
                ("nf_call_arptables", bridge.nf_call_arptables),
                ("mcast_snooping", bridge.mcast_snooping),
            ] {
                set(&mut data, key, Some(u8::from(on)));
            }
        }
        LinkKind::Vxlan(vxlan) => {
            set(&mut data, "id", Some(vxlan.vni));
            for (key, address) in [("local", vxlan.local), ("remote", vxlan.remote)] {
                if let Some(address) = address {
                    let six = if address.is_ipv6() { "6" } else { "" };
                    set(&mut data, &format!("{key}{six}"), Some(address.to_string()));
                }
            }
            set(&mut data, "port", Some(vxlan.port));
            let (low, high) = vxlan.source_ports.unwrap_or((0, 0));
            set(&mut data, "port_range", Some(serde_json::json!({ "low": low, "high": high })));
            set(&mut data, "learning", Some(vxlan.learning));
            set(&mut data, "external", Some(true).filter(|_| vxlan.external));
            set(&mut data, "link", vxlan.lower.map(|index| name(names, index)));
            // `ip` writes none that is the inner packet's.
            set(&mut data, "ttl", Some(vxlan.ttl).filter(|_| !vxlan.ttl_inherit));
            set(&mut data, "tos", Some(vxlan.tos).filter(|tos| *tos != 0).map(|tos| format!("{tos:#x}")));
            let df = match vxlan.df {
                VxlanDf::Unset => "unset",
                VxlanDf::Set => "set",
                VxlanDf::Inherit => "inherit",
            };
            set(&mut data, "df", Some(df));
            for (key, on) in [("proxy", vxlan.proxy), ("rsc", vxlan.rsc)] {
                set(&mut data, key, Some(true).filter(|_| on));
            }
            for (key, on) in
                [("udp_zero_csum6_tx", vxlan.zero_checksum6_tx), ("udp_zero_csum6_rx", vxlan.zero_checksum6_rx)]
            {
                set(&mut data, key, Some(on));
            }
            for key in &vxlan.extensions {
                set(&mut data, key, Some(true));
            }
        }
        LinkKind::Macvlan { mode } | LinkKind::Macvtap { mode } => set(&mut data, "mode", Some(mode.clone())),
        LinkKind::Tun { mode } => set(&mut data, "type", mode.clone()),
        _ => {}
    }
    (Some(kind.name().to_owned()), data)
}

const PORT_KEYS: &[&str] = &[
    "state",
    "hairpin",
    "isolated",
    "learning",
    "flood",
    "mcast_flood",
    "bcast_flood",
    "guard",
    "proxy_arp",
    "neigh_suppress",
    "no",
    "cost",
    "priority",
];

fn slave_data(port: &BridgePort) -> Value {
    let state = match port.state {
        PortState::Disabled => "disabled",
        PortState::Listening => "listening",
        PortState::Learning => "learning",
        PortState::Forwarding => "forwarding",
        PortState::Blocking => "blocking",
    };
    json!({
        "state": state, "hairpin": port.hairpin, "isolated": port.isolated, "learning": port.learning,
        "flood": port.flood, "mcast_flood": port.mcast_flood, "bcast_flood": port.bcast_flood, "guard": port.guard,
        "proxy_arp": port.proxy_arp, "neigh_suppress": port.neigh_suppress, "no": format!("{:#x}", port.port_no),
        "cost": port.cost, "priority": port.priority,
    })
}

const DATA_KEYS: &[&str] = &[
    "bridge_id",
    "stp_state",
    "ageing_time",
    "vlan_filtering",
    "nf_call_iptables",
    "nf_call_ip6tables",
    "nf_call_arptables",
    "mcast_snooping",
    "id",
    "local",
    "local6",
    "remote",
    "remote6",
    "port",
    "learning",
    "external",
    "port_range",
    "link",
    "ttl",
    "tos",
    "df",
    "proxy",
    "rsc",
    "udp_zero_csum6_tx",
    "udp_zero_csum6_rx",
    "gbp",
    "gpe",
    "vnifilter",
    "mode",
    "type",
];

/// The same fields of `ip -s -j -d addr`.
pub fn ip_links(oracle: &Value) -> Vec<Value> {
    let keys = [
        "ifindex",
        "ifname",
        "mtu",
        "operstate",
        "promiscuity",
        "address",
        "master",
        "link_netnsid",
        "link_index",
        "link",
        "altnames",
        "ifalias",
    ];
    oracle
        .as_array()
        .unwrap()
        .iter()
        .map(|link| {
            let mut out = only(link, &keys);
            out.insert("flags".to_owned(), sorted(link.get("flags")));
            let counters = ["bytes", "packets", "errors", "dropped"];
            let stats = &link["stats64"];
            set(
                &mut out,
                "stats64",
                Some(json!({"rx": only(&stats["rx"], &counters), "tx": only(&stats["tx"], &counters)})),
            );
            if let Some(info) = link.get("linkinfo") {
                let mut kept = only(info, &["info_kind", "info_slave_kind"]);
                if let Some(data) = info.get("info_data") {
                    set(&mut kept, "info_data", Some(only(data, DATA_KEYS)));
                }
                if let Some(data) = info.get("info_slave_data") {
                    set(&mut kept, "info_slave_data", Some(only(data, PORT_KEYS)));
                }
                out.insert("linkinfo".to_owned(), kept.into());
            }
            out.into()
        })
        .collect()
}

pub fn addresses(addresses: &[Address]) -> Vec<Value> {
    addresses
        .iter()
        .map(|address| {
            let mut out = Map::new();
            let v4 = address.address.addr().is_ipv4();
            set(&mut out, "ifindex", Some(address.ifindex.0));
            set(&mut out, "family", Some(if v4 { "inet" } else { "inet6" }));
            set(&mut out, "local", Some(address.address.addr().to_string()));
            set(&mut out, "address", address.peer.map(|peer| peer.to_string()));
            set(&mut out, "prefixlen", Some(address.address.prefix_len()));
            set(&mut out, "broadcast", address.broadcast.map(|broadcast| broadcast.to_string()));
            set(&mut out, "scope", Some(scope(address.scope)));
            set(&mut out, "label", address.label.as_ref().map(ToString::to_string));
            set(&mut out, "valid_life_time", Some(address.valid_s.unwrap_or(u32::MAX)));
            set(&mut out, "preferred_life_time", Some(address.preferred_s.unwrap_or(u32::MAX)));
            for (theirs, own) in ADDRESS_FLAGS {
                if address.has_flag(own) {
                    set(&mut out, theirs, Some(true));
                }
            }
            if !address.has_flag("permanent") {
                set(&mut out, "dynamic", Some(true));
            }
            out.into()
        })
        .collect()
}

const ADDRESS_FLAGS: &[(&str, &str)] = &[
    ("secondary", "secondary"),
    ("temporary", "temporary"),
    ("tentative", "tentative"),
    ("deprecated", "deprecated"),
    ("nodad", "nodad"),
    ("home", "homeaddress"),
    ("mngtmpaddr", "managetempaddr"),
    ("noprefixroute", "noprefixroute"),
    ("autojoin", "mcautojoin"),
    ("dadfailed", "dadfailed"),
    ("optimistic", "optimistic"),
    ("stable-privacy", "stable_privacy"),
];

/// Every field of `ip -j -d addr`, each address with its link's index.
pub fn ip_addresses(oracle: &Value) -> Vec<Value> {
    let mut found = Vec::new();
    for link in oracle.as_array().unwrap() {
        for address in link["addr_info"].as_array().unwrap() {
            let mut out = address.as_object().unwrap().clone();
            out.insert("ifindex".to_owned(), link["ifindex"].clone());
            found.push(out.into());
        }
    }
    found
}

pub fn scope(scope: Scope) -> String {
    match scope {
        Scope::Universe => "global".to_owned(),
        Scope::Site => "site".to_owned(),
        Scope::Link => "link".to_owned(),
        Scope::Host => "host".to_owned(),
        Scope::Nowhere => "nowhere".to_owned(),
        Scope::Other(number) => number.to_string(),
    }
}
