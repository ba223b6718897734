//! Routes as `ip -j -d route` and nexthop objects as `ip -j -d nexthop` write them.

use ipnet::IpNet;
use podnet::model::route::{Family, NextHop, NexthopObject, Route, RouteKind, RoutePreference};
use serde_json::{Map, Value, json};

use super::{Names, flag, name, set, sorted, table};

pub fn routes(routes: &[Route], names: &Names) -> Vec<Value> {
    routes.iter().map(|route| one(route, names).into()).collect()
}

fn one(route: &Route, names: &Names) -> Map<String, Value> {
    let mut out = Map::new();
    set(&mut out, "type", Some(kind(route.kind)));
    set(&mut out, "dst", Some(net(route.dst)));
    set(&mut out, "from", route.src.map(net));
    set(&mut out, "tos", Some(format!("{:#x}", route.tos)).filter(|_| route.tos != 0));
    set(&mut out, "table", Some(table(route.table)));
    set(&mut out, "protocol", Some(route.origin.clone()));
    set(&mut out, "scope", Some(super::link::scope(route.scope)));
    set(&mut out, "prefsrc", route.source.map(|source| source.to_string()));
    // `ip` always tells the metric of an IPv6 route.
    set(&mut out, "metric", Some(route.metric).filter(|metric| *metric != 0 || route.family == Family::Ipv6));
    set(&mut out, "nhid", route.nexthop_id);
    set(&mut out, "expires", route.expires_s);
    set(&mut out, "pref", route.preference.map(preference));
    let mut metrics: Map<String, Value> = route
        .metrics
        .iter()
        .filter(|(name, _)| name != "lock")
        .map(|(name, value)| (name.clone(), (*value).into()))
        .collect();
    set(&mut metrics, "mtu", route.mtu);
    set(&mut out, "metrics", Some(json!([metrics])).filter(|_| !metrics.is_empty()));
    let mut flags = route.flags.clone();
    match route.nexthops.as_slice() {
        [] => {}
        [only] => {
            flags.extend(only.flags.iter().cloned());
            way(&mut out, only, route.family, names);
        }
        several => {
            let ways = several.iter().map(|hop| {
                let mut out = Map::new();
                way(&mut out, hop, route.family, names);
                set(&mut out, "weight", Some(hop.weight));
                set(&mut out, "flags", Some(hop.flags.clone()));
                out
            });
            set(&mut out, "nexthops", Some(ways.collect::<Vec<_>>()));
        }
    }
    flags.sort();
    set(&mut out, "flags", Some(flags));
    out
}

fn way(out: &mut Map<String, Value>, hop: &NextHop, family: Family, names: &Names) {
    set(out, "dev", hop.ifindex.map(|index| name(names, index)));
    match hop.gateway {
        Some(gateway) if Family::of(gateway) == family => set(out, "gateway", Some(gateway.to_string())),
        Some(gateway) => set(out, "via", Some(json!({"family": "inet6", "host": gateway.to_string()}))),
        None => {}
    }
    set(out, "encap", hop.encap.as_ref().map(|encap| encap.kind.clone()));
}

/// Every field but those of the nexthop object behind, of a congestion algorithm (which the model keeps raw) and of
/// a tunnel (which it keeps in bytes); in the order by family and table, else as listed.
pub fn ip_routes(four: &Value, six: &Value) -> Vec<Value> {
    let mut all: Vec<(u8, u32, Value)> = Vec::new();
    for (family, list) in [(4, four), (6, six)] {
        for route in list.as_array().unwrap() {
            let mut out = route.as_object().unwrap().clone();
            for key in ["nh_info", "mode", "segs"] {
                out.remove(key);
            }
            if let Some(metrics) = out.get_mut("metrics") {
                metrics[0].as_object_mut().unwrap().remove("congestion");
            }
            out.insert("flags".to_owned(), sorted(route.get("flags")));
            all.push((family, number(route["table"].as_str().unwrap()), out.into()));
        }
    }
    all.sort_by_key(|(family, table, _)| (*family, *table));
    all.into_iter().map(|(_, _, route)| route).collect()
}

fn number(table: &str) -> u32 {
    match table {
        "default" => 253,
        "main" => 254,
        "local" => 255,
        other => other.parse().unwrap(),
    }
}

fn net(net: IpNet) -> String {
    if net.prefix_len() == 0 {
        "default".to_owned()
    } else if net.prefix_len() == net.max_prefix_len() {
        net.addr().to_string()
    } else {
        net.to_string()
    }
}

fn kind(kind: RouteKind) -> &'static str {
    match kind {
        RouteKind::Unicast => "unicast",
        RouteKind::Local => "local",
        RouteKind::Broadcast => "broadcast",
        RouteKind::Anycast => "anycast",
        RouteKind::Multicast => "multicast",
        RouteKind::Blackhole => "blackhole",
        RouteKind::Unreachable => "unreachable",
        RouteKind::Prohibit => "prohibit",
        RouteKind::Throw => "throw",
        RouteKind::Nat => "nat",
        RouteKind::Other(_) => "other",
    }
}

fn preference(preference: RoutePreference) -> &'static str {
    match preference {
        RoutePreference::Low => "low",
        RoutePreference::Medium => "medium",
        RoutePreference::High => "high",
        RoutePreference::Invalid => "invalid",
    }
}

pub fn nexthops(objects: &[NexthopObject], names: &Names) -> Vec<Value> {
    objects
        .iter()
        .map(|object| {
            let mut out = Map::new();
            set(&mut out, "id", Some(object.id));
            let group: Vec<Value> =
                object.group.iter().map(|(id, weight)| json!({"id": id, "weight": weight})).collect();
            set(&mut out, "group", Some(group).filter(|group| !group.is_empty()));
            flag(&mut out, "blackhole", object.blackhole);
            flag(&mut out, "fdb", object.fdb);
            set(&mut out, "protocol", Some(object.origin.clone()));
            set(&mut out, "flags", Some(object.nexthop.as_ref().map(|hop| hop.flags.clone()).unwrap_or_default()));
            if let Some(hop) = &object.nexthop {
                set(&mut out, "dev", hop.ifindex.map(|index| name(names, index)));
                set(&mut out, "gateway", hop.gateway.map(|gateway| gateway.to_string()));
                set(&mut out, "encap", hop.encap.as_ref().map(|encap| encap.kind.clone()));
            }
            out.into()
        })
        .collect()
}

/// Every field but the scope, which the model leaves to the routes, and a tunnel's.
pub fn ip_nexthops(oracle: &Value) -> Vec<Value> {
    oracle
        .as_array()
        .unwrap()
        .iter()
        .map(|object| {
            let mut out = object.as_object().unwrap().clone();
            for key in ["scope", "mode", "segs"] {
                out.remove(key);
            }
            out.into()
        })
        .collect()
}
