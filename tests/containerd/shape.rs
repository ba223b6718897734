//! Links and routes in one shape, so that what `ip -j` and what podnet says can be compared whole.
//!
//! Only what both tell is kept; where iproute2 names a link, the shape has its ifindex.

use std::collections::BTreeSet;

use serde_json::{Value, json};

/// The links of `ip -j -d link`, by ifindex, in the shape of [`podnet_link`].
pub fn ip_links(listing: &Value) -> Vec<Value> {
    let listing = listing.as_array().expect("a list of links");
    let by_name = |name: &Value| listing.iter().find(|link| link["ifname"] == *name).map(|link| &link["ifindex"]);
    let mut links: Vec<Value> = listing.iter().map(|link| ip_link(link, &by_name)).collect();
    links.sort_by_key(|link| link["ifindex"].as_u64());
    links
}

fn ip_link<'a>(link: &'a Value, by_name: &dyn Fn(&Value) -> Option<&'a Value>) -> Value {
    let flag = |name: &str| link["flags"].as_array().is_some_and(|flags| flags.iter().any(|flag| flag == name));
    let kind = match (&link["linkinfo"]["info_kind"], &link["link_type"]) {
        (Value::String(kind), _) => kind.as_str(),
        (_, link_type) if link_type == "loopback" => "loopback",
        _ => "physical",
    };
    let port = &link["linkinfo"]["info_slave_data"];
    json!({
        "ifindex": link["ifindex"],
        "name": link["ifname"],
        "kind": kind,
        "up": flag("UP"),
        "lower_up": flag("LOWER_UP"),
        "mtu": link["mtu"],
        "mac": link["address"],
        // iproute2 gives a number when the other namespace has an nsid, and a name when it is this one.
        "link": if link["link"].is_string() { by_name(&link["link"]) } else { link.get("link_index") },
        "link_nsid": link.get("link_netnsid"),
        "controller": by_name(&link["master"]),
        "port": port.is_object().then(|| json!({
            "state": port["state"], "hairpin": port["hairpin"], "isolated": port["isolated"],
            "learning": port["learning"], "flood": port["flood"], "port_no": number(&port["no"]),
            "cost": port["cost"], "priority": port["priority"],
        })),
    })
}

/// A link as podnet's answers hold it.
pub fn podnet_link(link: &Value) -> Value {
    let port = link.get("port");
    json!({
        "ifindex": link["ifindex"],
        "name": link["name"],
        "kind": link["kind"]["type"],
        "up": link["up"],
        "lower_up": link["lower_up"],
        "mtu": link["mtu"],
        "mac": link["mac"],
        "link": link.get("link"),
        "link_nsid": link.get("link_nsid"),
        "controller": link.get("controller"),
        "port": port.map(|port| json!({
            "state": port["state"], "hairpin": port["hairpin"], "isolated": port["isolated"],
            "learning": port["learning"], "flood": port["flood"], "port_no": port["port_no"],
            "cost": port["cost"], "priority": port["priority"],
        })),
    })
}

/// The routes of `ip -j -d route show table all`, as a set; `links` is what `ip -j link` says there.
pub fn ip_routes(listing: &Value, links: &Value) -> BTreeSet<String> {
    let index = |name: &Value| {
        let links = links.as_array().expect("a list of links");
        links.iter().find(|link| link["ifname"] == *name).map(|link| link["ifindex"].clone())
    };
    let hop = |hop: &Value| {
        json!({
            "ifindex": index(&hop["dev"]),
            "gateway": hop.get("gateway").or_else(|| hop["via"].get("host")),
            "weight": hop.get("weight").cloned().unwrap_or(json!(1)),
        })
    };
    let listing = listing.as_array().expect("a list of routes");
    listing
        .iter()
        .map(|route| {
            let hops: Vec<Value> = match route["nexthops"].as_array() {
                Some(hops) => hops.iter().map(hop).collect(),
                None if route.get("dev").is_some() => vec![hop(route)],
                None => Vec::new(),
            };
            let dst = prefix(route["dst"].as_str().expect("a destination"), route);
            json!({
                "table": table(&route["table"]),
                "dst": dst,
                "kind": route["type"],
                "scope": route["scope"].as_str().map(|scope| if scope == "global" { "universe" } else { scope }),
                "origin": route["protocol"],
                "metric": route.get("metric").cloned().unwrap_or(json!(0)),
                "source": route.get("prefsrc"),
                "nexthops": hops,
            })
            .to_string()
        })
        .collect()
}

/// All routes anywhere in an answer of podnet, as a set.
pub fn podnet_routes(answer: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    walk(answer, &mut |object| {
        if object.get("dst").is_some() && object.get("nexthops").is_some() && object.get("table").is_some() {
            found.insert(podnet_route(object).to_string());
        }
    });
    found
}

fn podnet_route(route: &Value) -> Value {
    let hops: Vec<Value> = route["nexthops"]
        .as_array()
        .expect("nexthops")
        .iter()
        .map(|hop| json!({ "ifindex": hop.get("ifindex"), "gateway": hop.get("gateway"), "weight": hop["weight"] }))
        .collect();
    json!({
        "table": route["table"],
        "dst": route["dst"],
        "kind": route["kind"],
        "scope": route["scope"],
        "origin": route["origin"],
        "metric": route["metric"],
        "source": route.get("source"),
        "nexthops": hops,
    })
}

/// Calls `visit` with every object in a document.
pub fn walk(value: &Value, visit: &mut dyn FnMut(&Value)) {
    match value {
        Value::Object(fields) => {
            visit(value);
            fields.values().for_each(|field| walk(field, visit));
        }
        Value::Array(items) => items.iter().for_each(|item| walk(item, visit)),
        _ => {}
    }
}

/// iproute2 writes a host's address without its length, and the default route as a word.
fn prefix(dst: &str, route: &Value) -> String {
    let six = dst.contains(':') || route.get("pref").is_some();
    match dst {
        "default" if six => "::/0".to_owned(),
        "default" => "0.0.0.0/0".to_owned(),
        dst if dst.contains('/') => dst.to_owned(),
        dst if six => format!("{dst}/128"),
        dst => format!("{dst}/32"),
    }
}

fn table(name: &Value) -> Value {
    match name.as_str() {
        Some("main") => json!(254),
        Some("local") => json!(255),
        Some("default") => json!(253),
        Some(number) => json!(number.parse::<u32>().expect("a table's number")),
        None => name.clone(),
    }
}

/// iproute2 writes a port's number as `"0x1"`.
fn number(text: &Value) -> Value {
    match text.as_str().and_then(|text| text.strip_prefix("0x")) {
        Some(hex) => json!(u64::from_str_radix(hex, 16).expect("a number")),
        None => text.clone(),
    }
}
