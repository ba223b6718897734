//! One service port in full.
//!
//! May import model and analyze's answer types only.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::net::SocketAddr;

use crate::analyze::services::share::Share;
use crate::analyze::services::types::{
    Affinity, Behind, Endpoint, Evidence, FrontKind, Listening, Masqueraded, MasqueradedTo, NodePortOn, Policy,
    Refusal, ServicePort, Services,
};
use crate::model::netfilter::table::Family;
use crate::render::style::{Style, escape};
use crate::render::words::{UNKNOWN, count, span};

/// Writes it, with the words of who does it all behind its head.
pub(super) fn write(port: &ServicePort, proxy: &str, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let name = style.strong(&escape(&port.title));
    let protocol = port.protocol.map_or_else(|| UNKNOWN.to_owned(), |protocol| protocol.to_string());
    let cluster: Vec<String> = port
        .addresses
        .iter()
        .filter(|front| front.kind == FrontKind::ClusterIp)
        .map(|front| SocketAddr::new(front.address, front.port).to_string())
        .collect();
    let cluster = if cluster.is_empty() { String::new() } else { format!("{}  ", cluster.join(" ")) };
    let endpoints = match port.endpoints.len() {
        0 if !port.whole => format!("{UNKNOWN} endpoints"),
        0 => style.odd("no endpoints"),
        number => count(number, "endpoint", "endpoints"),
    };
    writeln!(out, "{name}  {protocol}  {cluster}→  {endpoints}    {}", style.dim(proxy))?;
    rows(port, style, out)?;
    for line in lines(port) {
        writeln!(out, "  {line}")?;
    }
    if style.wide {
        rules(port, style, out)?;
    }
    Ok(())
}

fn rows(port: &ServicePort, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let rows: Vec<[String; 5]> = port
        .endpoints
        .iter()
        .map(|endpoint| {
            let chain = endpoint.chain.as_ref().map_or_else(String::new, |chain| escape(&chain.to_string()));
            [
                shares(endpoint),
                SocketAddr::new(endpoint.address, endpoint.port).to_string(),
                behind(&endpoint.behind),
                listening(&endpoint.listening).to_owned(),
                chain,
            ]
        })
        .collect();
    let width = |at: usize| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0);
    let widths = [width(0), width(1), width(2), width(3), width(4)];
    for (at, (row, endpoint)) in rows.iter().zip(&port.endpoints).enumerate() {
        let mut line = String::from("  ");
        for (cell, width) in row.iter().zip(widths).filter(|(_, width)| *width > 0) {
            line.push_str(cell);
            line.extend(std::iter::repeat_n(' ', width + 2 - cell.chars().count()));
        }
        match endpoint.first_packets {
            Some(packets) if at == 0 => line.push_str(&style.dim(&count_first(packets))),
            Some(packets) => line.push_str(&style.dim(&packets.to_string())),
            None => {}
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

fn count_first(packets: u64) -> String {
    format!("{packets} first {}", if packets == 1 { "packet" } else { "packets" })
}

/// `1/3`, and behind it how likely where only this node's endpoints are used.
pub(super) fn shares(endpoint: &Endpoint) -> String {
    match (endpoint.cluster, endpoint.local) {
        (Some(cluster), None) => share(cluster),
        (Some(cluster), Some(local)) => format!("{} (Local {})", share(cluster), share(local)),
        (None, Some(local)) => format!("Local {}", share(local)),
        (None, None) => UNKNOWN.to_owned(),
    }
}

fn share(share: Share) -> String {
    match share.fraction {
        Some(fraction) if fraction.denominator == 1 => fraction.numerator.to_string(),
        Some(fraction) if fraction.denominator <= 1_000_000 => {
            format!("{}/{}", fraction.numerator, fraction.denominator)
        }
        _ => format!("{:.6}", share.decimal),
    }
}

pub(super) fn is_here(endpoint: &Endpoint) -> bool {
    matches!(endpoint.behind, Behind::Pod { .. } | Behind::Node { .. })
}

fn behind(behind: &Behind) -> String {
    match behind {
        Behind::Pod { pod } => format!("{}  this node", escape(&pod.to_string())),
        Behind::Node { host_network_pods } if host_network_pods.is_empty() => "(this node itself)".to_owned(),
        Behind::Node { host_network_pods } => {
            let pods: Vec<String> = host_network_pods.iter().map(|pod| escape(&pod.to_string())).collect();
            format!("(this node itself, or a hostNetwork pod: {})", pods.join(", "))
        }
        Behind::NotHere => "(not on this node)".to_owned(),
        Behind::Unknown => format!("{UNKNOWN} (the pods of this node are not all known)"),
        Behind::NotAsked => String::new(),
    }
}

/// Whether a socket waits there.
fn listening(listening: &Listening) -> &'static str {
    match listening {
        Listening::Yes { .. } => "listens",
        Listening::No { .. } => "nothing listens",
        Listening::Unknown { .. } => "listens?",
        Listening::NotHere | Listening::NotAsked => "",
    }
}

/// Why that is unknown: the first reason, and how many more there are.
fn unsure(port: &ServicePort) -> Option<String> {
    let reasons: BTreeSet<&str> = port
        .endpoints
        .iter()
        .filter_map(|endpoint| match &endpoint.listening {
            Listening::Unknown { because } => Some(because.as_str()),
            _ => None,
        })
        .collect();
    let first = reasons.first()?;
    let more = match reasons.len() - 1 {
        0 => String::new(),
        more => format!(" (and {})", count(more, "reason more", "reasons more")),
    };
    Some(format!("whether a socket waits is unknown: {}{more}", escape(first)))
}

fn lines(port: &ServicePort) -> Vec<String> {
    let mut lines: Vec<String> = unsure(port).into_iter().collect();
    for front in &port.addresses {
        let at = SocketAddr::new(front.address, front.port);
        let kind = match front.kind {
            FrontKind::ClusterIp => "cluster IP",
            FrontKind::ExternalIp => "external IP",
            FrontKind::LoadBalancerIp => "load balancer",
            FrontKind::ExternalOrLoadBalancerIp => "external IP or load balancer",
            FrontKind::Unknown => "address",
        };
        let refused = refusals(&front.refusals);
        if front.kind != FrontKind::ClusterIp || !refused.is_empty() {
            lines.push(format!("{kind} {at}{refused}"));
        }
    }
    if let Some(node_port) = &port.node_port {
        let on: Vec<String> = node_port.on.iter().map(node_port_on).collect();
        lines.push(format!("node port {}{}{}", node_port.port, on.join(";"), refusals(&node_port.refusals)));
    }
    if let Some(check) = &port.health_check_node_port {
        lines.push(format!("health check on node port {}", check.port));
    }
    if !port.source_ranges.is_empty() {
        let ranges: Vec<String> = port.source_ranges.iter().map(|range| range.range.to_string()).collect();
        lines.push(format!("load balancer for clients of {} alone (the node port is not guarded)", ranges.join(", ")));
    }
    lines.extend(policy_lines(port));
    if !port.masquerades.is_empty() {
        lines.push(format!("masqueraded: {}", masqueraded(port)));
    }
    if let Some(affinity) = &port.affinity {
        lines.push(format!("affinity by client address, for {} after its last new flow", timeout(affinity)));
        for pinned in &affinity.clients {
            let left = pinned.expires_ms.map_or_else(
                || ", time left unknown".to_owned(),
                |left| format!(" for {} more", span(i64::try_from(left).unwrap_or(i64::MAX))),
            );
            lines.push(format!("  {} goes to {}{left}", pinned.client, pinned.endpoint));
        }
        if !affinity.complete {
            lines.push("  who is bound now could not all be read".to_owned());
        }
    }
    lines.push(chain_line(port));
    lines
}

fn refusals(refusals: &[Refusal]) -> String {
    let text = |refusal: &Refusal| {
        let place = refusal.evidence.first().map_or_else(String::new, |evidence| format!(" ({})", place(evidence)));
        format!("  {}{place}", refusal.words())
    };
    refusals.iter().map(text).collect()
}

fn node_port_on(on: &NodePortOn) -> String {
    let nets = |nets: &[ipnet::IpNet]| {
        let text = |net: &ipnet::IpNet| {
            let host = net.prefix_len() == net.max_prefix_len();
            if host { net.addr().to_string() } else { net.to_string() }
        };
        nets.iter().map(text).collect::<Vec<_>>().join(", ")
    };
    let mut text = if on.any_local {
        format!(" on every local {} address", if on.family.name() == "ip6" { "IPv6" } else { "IPv4" })
    } else {
        format!(" on {}", nets(&on.only))
    };
    if !on.except.is_empty() {
        text = text + " but " + &nets(&on.except);
    }
    match on.loopback {
        Some(true) => text.push_str(" (127.0.0.1 too)"),
        Some(false) if on.any_local => text.push_str(" (not on 127.0.0.1: route_localnet is 0)"),
        None if on.any_local && on.family.name() == "ip" => text.push_str(" (127.0.0.1: unknown)"),
        _ => {}
    }
    text
}

fn policy_lines(port: &ServicePort) -> impl Iterator<Item = String> {
    let internal = (port.internal_policy == Some(Policy::Local))
        .then(|| "internal traffic policy Local: its cluster IP leads to this node's endpoints alone".to_owned());
    let external = (port.external_policy == Some(Policy::Local)).then(|| {
        "external traffic policy Local: from outside to this node's endpoints alone; pods and the node itself reach all"
            .to_owned()
    });
    internal.into_iter().chain(external)
}

fn masqueraded(port: &ServicePort) -> String {
    let mut texts: Vec<String> = Vec::new();
    let mut hairpins = 0;
    for found in &port.masquerades {
        let to = match found.to {
            MasqueradedTo::External => " to external addresses",
            MasqueradedTo::ClusterIp | MasqueradedTo::Endpoint => "",
        };
        texts.push(match &found.who {
            Masqueraded::All => format!("everybody{to}"),
            Masqueraded::OutsideOf { range } => format!("clients outside {range}{to}"),
            Masqueraded::ThisNode => format!("this node itself{to}"),
            Masqueraded::Hairpin { .. } => {
                hairpins += 1;
                continue;
            }
            Masqueraded::Where { condition } => format!("{}{to}", escape(condition)),
        });
    }
    if hairpins > 0 {
        texts.push("a pod that reaches itself".to_owned());
    }
    texts.join("; ")
}

/// `10 min`.
pub(super) fn timeout(affinity: &Affinity) -> String {
    let milliseconds =
        affinity.timeout_s.map(|seconds| i64::try_from(seconds).unwrap_or(i64::MAX / 1000).saturating_mul(1000));
    milliseconds.map_or_else(|| UNKNOWN.to_owned(), span)
}

/// The way from where it begins to the chain, and what it has not.
fn chain_line(port: &ServicePort) -> String {
    let fronts = port.addresses.iter().filter(|front| front.kind == FrontKind::ClusterIp);
    let mut by_map = false;
    let mut texts: Vec<String> = fronts
        .filter_map(|front| {
            let chain = front.leads_to.as_ref()?;
            by_map |= matches!(front.evidence.last(), Some(Evidence::Element { .. }));
            let from = front.evidence.last().map_or_else(String::new, place);
            Some(format!("{from} → {}", escape(&chain.to_string())))
        })
        .collect();
    if texts.is_empty() {
        texts.extend(port.chains.first().map(|chain| escape(&chain.chain.name.to_string())));
    }
    let mut lacks = Vec::new();
    if port.partial {
        lacks.push("only what was asked for was looked up");
    } else {
        if port.node_port.is_none() {
            lacks.push("no node port");
        }
        if port.affinity.is_none() {
            lacks.push("no affinity");
        }
    }
    let chains = match texts.first() {
        None => "no chain".to_owned(),
        // nftables mode begins in a map, not in a chain.
        Some(_) if by_map => texts.join(", "),
        Some(_) => format!("chain {}", texts.join(", ")),
    };
    if lacks.is_empty() { chains } else { format!("{chains}; {}", lacks.join(", ")) }
}

/// `KUBE-SERVICES rule 14`.
fn place(evidence: &Evidence) -> String {
    let six = |family: Family| if family == Family::Ip6 { "ip6 " } else { "" };
    match evidence {
        Evidence::Rule { chain, number, .. } => {
            format!("{}{} rule {number}", six(chain.table.family), escape(&chain.name.to_string()))
        }
        Evidence::Element { set, .. } => format!("{}map {}", six(set.table.family), escape(&set.name.to_string())),
    }
}

/// Every rule and element that the answer rests on, each once.
fn rules(port: &ServicePort, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let mut all: Vec<&Evidence> = Vec::new();
    let fronts = port
        .addresses
        .iter()
        .flat_map(|front| front.evidence.iter().chain(front.refusals.iter().flat_map(|refusal| &refusal.evidence)));
    let node_port = port.node_port.iter().flat_map(|node_port| {
        node_port.evidence.iter().chain(node_port.refusals.iter().flat_map(|refusal| &refusal.evidence))
    });
    let rest = port.source_ranges.iter().flat_map(|range| &range.evidence);
    let rest = rest.chain(port.masquerades.iter().flat_map(|found| &found.evidence));
    let rest = rest.chain(port.endpoints.iter().flat_map(|endpoint| &endpoint.evidence));
    let rest = rest.chain(port.health_check_node_port.iter().flat_map(|check| &check.evidence));
    for evidence in fronts.chain(node_port).chain(rest) {
        if !all.contains(&evidence) {
            all.push(evidence);
        }
    }
    for evidence in all {
        writeln!(out, "    {}", style.dim(&told(evidence)))?;
    }
    Ok(())
}

/// The rules that masquerade what was marked.
pub(super) fn masquerading(data: &Services, style: Style, out: &mut dyn Write) -> io::Result<()> {
    for proxy in data.proxies.iter().filter(|proxy| !proxy.masquerading.is_empty()) {
        let node = proxy.node.as_ref().map_or_else(String::new, |node| format!(" on {}", escape(node)));
        writeln!(out, "what is marked is masqueraded{node} by")?;
        for evidence in &proxy.masquerading {
            writeln!(out, "    {}", style.dim(&told(evidence)))?;
        }
    }
    Ok(())
}

fn told(evidence: &Evidence) -> String {
    match evidence {
        Evidence::Rule { chain, number, handle, counters, text } => {
            let table = format!("{} {}", chain.table.family, escape(&chain.table.name.to_string()));
            let handle = handle.map_or_else(String::new, |handle| format!(" handle {handle}"));
            let counters =
                counters.map_or_else(String::new, |counted| format!("  [{}:{}]", counted.packets, counted.bytes));
            let chain = escape(&chain.name.to_string());
            format!("{table} {chain} rule {number}{handle}{counters}  {}", escape(text))
        }
        Evidence::Element { set, key, value } => {
            let table = format!("{} {}", set.table.family, escape(&set.table.name.to_string()));
            let value = value.as_ref().map_or_else(String::new, |value| format!(" : {}", escape(value)));
            format!("{table} @{} {{ {}{value} }}", escape(&set.name.to_string()), escape(key))
        }
    }
}
