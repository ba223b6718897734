//! The short words that several answers are written with: links, addresses, times, states.
//!
//! May import model and analyze's answer types only. Everything that others named comes out escaped.

use std::fmt::Display;

use crate::analyze::finding::{Finding, Weight};
use crate::analyze::naming::{LinkRef, NetnsRef, NetnsRole, PodHead};
use crate::analyze::trace::uplink::{Chosen, Way};
use crate::model::address::{Address, Scope};
use crate::model::bpf::BpfAttachment;
use crate::model::ids::TableId;
use crate::model::link::{Link, LinkKind, OperState, PortState};
use crate::model::route::{NextHop, Route, RouteKind, Rule};
use crate::model::sandbox::SandboxState;
use crate::render::style::{Style, escape};

/// For what is not there.
pub const ABSENT: &str = "–";
/// For what is not known.
pub const UNKNOWN: &str = "?";

/// The text of something, or the mark for what is not there.
pub fn or_absent(value: Option<impl Display>) -> String {
    value.map_or_else(|| ABSENT.to_owned(), |value| escape(&value.to_string()))
}

/// The text of something, or the mark for what is not known.
pub fn or_unknown(value: Option<impl Display>) -> String {
    value.map_or_else(|| UNKNOWN.to_owned(), |value| escape(&value.to_string()))
}

/// `eth0@if34`: behind the @ the other end's ifindex in the other end's namespace.
pub fn link_ref(link: &LinkRef) -> String {
    let name = escape(&link.name.to_string());
    link.link.map_or_else(|| name.clone(), |ifindex| format!("{name}@if{ifindex}"))
}

/// The same of a whole link.
pub fn link_name(link: &Link) -> String {
    link_ref(&LinkRef::of(link))
}

/// `up`, `down`, `up, no carrier`.
pub fn link_state(link: &Link, style: Style) -> String {
    let dead = matches!(link.oper_state, OperState::Down | OperState::LowerLayerDown | OperState::NotPresent);
    if !link.up {
        style.bad("down")
    } else if !link.lower_up || dead {
        style.bad("up, no carrier")
    } else {
        style.good("up")
    }
}

/// What a link is, where its name does not tell: `macvlan bridge`, `vlan 5`.
pub fn link_kind(kind: &LinkKind) -> String {
    match kind {
        LinkKind::Macvlan { mode } | LinkKind::Macvtap { mode } => format!("{} {}", kind.name(), escape(mode)),
        LinkKind::Ipvlan { mode, flags } => format!("ipvlan {} {}", escape(mode), escape(flags)),
        LinkKind::Vlan { id, protocol } => format!("vlan {id} {}", escape(protocol)),
        LinkKind::Vrf { table } => format!("vrf, table {}", table_name(*table)),
        LinkKind::Vxlan(vxlan) => format!("vxlan {}, port {}", vxlan.vni, vxlan.port),
        LinkKind::Bond { mode } => format!("bond {}", escape(mode)),
        LinkKind::Netkit { mode, policy, primary } => {
            format!("netkit {} {} {}", escape(mode), escape(policy), if *primary { "primary" } else { "peer" })
        }
        _ => escape(kind.name()),
    }
}

/// The name of a pod, with its node where several were asked.
pub fn pod(head: &PodHead) -> String {
    let name = escape(&head.pod.to_string());
    head.node.as_ref().map_or_else(|| name.clone(), |node| format!("{name} on {}", escape(node)))
}

/// `ready`, `not ready`, `unknown`.
pub fn sandbox_state(state: SandboxState) -> &'static str {
    match state {
        SandboxState::Ready => "ready",
        SandboxState::NotReady => "not ready",
        SandboxState::Unknown => "state unknown",
    }
}

/// The state of a bridge port.
pub fn port_state(state: PortState, style: Style) -> String {
    match state {
        PortState::Forwarding => "forwarding".to_owned(),
        PortState::Disabled => style.bad("disabled"),
        PortState::Listening => style.bad("listening"),
        PortState::Learning => style.bad("learning"),
        PortState::Blocking => style.bad("blocking"),
    }
}

/// `on` or `off`.
pub fn switch(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

/// `in the host namespace`.
pub fn place(netns: &NetnsRef) -> String {
    let name = netns.name.as_ref().map_or_else(|| netns.id.to_string(), |name| escape(&name.to_string()));
    match netns.role {
        NetnsRole::Host => "in the host namespace".to_owned(),
        NetnsRole::Pod => "in the pod's own namespace".to_owned(),
        NetnsRole::Third => format!("in a third namespace, {name}"),
    }
}

/// An address as `ip` writes it, without what is usual.
pub fn address(address: &Address) -> String {
    let mut text = address.address.to_string();
    if let Some(peer) = address.peer {
        text = format!("{} peer {peer}", address.address.addr());
    }
    for flag in ["tentative", "dadfailed", "deprecated"] {
        if address.has_flag(flag) {
            text = format!("{text} ({flag})");
        }
    }
    text
}

/// Addresses in a row; those of global scope first.
pub fn addresses(addresses: &[Address]) -> Vec<String> {
    let (global, rest): (Vec<_>, Vec<_>) = addresses.iter().partition(|address| address.scope == Scope::Universe);
    global.into_iter().chain(rest).map(address).collect()
}

/// A table's name, else its number.
pub fn table_name(table: TableId) -> String {
    match table {
        TableId::LOCAL => "local".to_owned(),
        TableId::MAIN => "main".to_owned(),
        TableId::DEFAULT => "default".to_owned(),
        TableId(number) => number.to_string(),
    }
}

/// The evidence behind a route: `table main, rule 32766`.
pub fn table_and_rule(chosen: &Chosen) -> String {
    format!("table {}, rule {}", table_name(chosen.route.table), chosen.rule.priority)
}

/// A route as `ip route` writes it, as far as it tells the way.
pub fn route(chosen: &Chosen) -> String {
    let Route { dst, kind, nexthops, source, .. } = &chosen.route;
    let mut text = match kind {
        RouteKind::Unicast => String::new(),
        RouteKind::Other(number) => format!("type {number} "),
        other => format!("{} ", format!("{other:?}").to_lowercase()),
    };
    if dst.prefix_len() == 0 {
        text.push_str("default");
    } else if dst.prefix_len() == dst.max_prefix_len() {
        text.push_str(&dst.addr().to_string());
    } else {
        text.push_str(&dst.to_string());
    }
    let many = nexthops.len() > 1;
    for hop in nexthops {
        let hop = next_hop(hop, chosen);
        text = if many { format!("{text} [{}]", hop.trim()) } else { text + &hop };
    }
    if let Some(source) = source {
        text = format!("{text} src {source}");
    }
    text
}

fn next_hop(hop: &NextHop, chosen: &Chosen) -> String {
    let mut text = String::new();
    if let Some(gateway) = hop.gateway {
        text = format!("{text} via {gateway}");
    }
    if let Some(ifindex) = hop.ifindex {
        let link = chosen.links.iter().find(|link| link.ifindex == ifindex);
        let name = link.map_or_else(|| format!("if{ifindex}"), |link| escape(&link.name.to_string()));
        text = format!("{text} dev {name}");
    }
    if chosen.route.nexthops.len() > 1 {
        text = format!("{text} weight {}", hop.weight);
    }
    for flag in hop.flags.iter().filter(|flag| matches!(flag.as_str(), "onlink" | "linkdown" | "dead")) {
        text = format!("{text} {flag}");
    }
    text
}

/// What a look-up came to, and the evidence behind it.
pub fn way(way: &Way, style: Style) -> (String, String) {
    match way {
        Way::Route(chosen) => (route(chosen), table_and_rule(chosen)),
        Way::Refused { rule } => (style.bad("refused by a rule"), rule_words(rule)),
        Way::Rejected { why, route } => {
            (style.bad(&format!("refused: {}", escape(why))), route.as_deref().map_or_else(String::new, table_and_rule))
        }
        Way::None => (style.bad("no route"), String::new()),
        Way::Unknown { why } => (style.odd(&format!("unknown: {}", escape(why))), String::new()),
    }
}

fn rule_words(rule: &Rule) -> String {
    format!("rule {}", rule.priority)
}

/// A program: `tc_ingress cil_from_container (id 812)`.
pub fn program(program: &BpfAttachment) -> String {
    let name = program.name.as_deref().map_or_else(|| "(no name)".to_owned(), escape);
    let id = program.id.map_or_else(String::new, |id| format!(" (id {id})"));
    let detail = program.detail.as_deref().map_or_else(String::new, |detail| format!(" {}", escape(detail)));
    format!("{} {name}{id}{detail}", escape(&program.hook))
}

/// A finding on a line of its own.
pub fn finding(finding: &Finding, style: Style) -> String {
    let text = escape(&finding.text);
    match finding.weight {
        Weight::Bad => format!("{} {text}", style.bad("bad:")),
        Weight::Odd => format!("{} {text}", style.odd("odd:")),
        Weight::Note => format!("note: {text}"),
    }
}

/// A span of time in its largest whole unit: `26 min`, `3 h`, `12 d`.
pub fn span(milliseconds: i64) -> String {
    let seconds = milliseconds / 1000;
    match seconds {
        ..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..86400 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86400),
    }
}

/// A count with its noun: `1 pod`, `2 pods`.
pub fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// A long name with its middle left out, and an ellipsis to say so.
pub fn shortened(name: &str) -> String {
    let characters: Vec<char> = name.chars().collect();
    if characters.len() <= 20 {
        return name.to_owned();
    }
    let head: String = characters[..12].iter().collect();
    let tail: String = characters[characters.len() - 5..].iter().collect();
    format!("{head}…{tail}")
}
