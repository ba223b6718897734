//! Each bridge with its settings, and the table of its ports.
//!
//! May import model and analyze's answer types only.

use std::io::{self, Write};

use crate::analyze::answer::Answer;
use crate::analyze::bridge::{Behind, BridgeRow, Bridges, PortRow};
use crate::analyze::veth::plugged::BridgeNetfilter;
use crate::model::link::VlanRange;
use crate::render::style::{Style, escape};
use crate::render::table::Table;
use crate::render::veth::learned_mac;
use crate::render::words::{self, ABSENT, UNKNOWN, count, link_ref, or_unknown, port_state, switch};

/// Writes the bridges one after another, then what was found.
pub fn write(answer: &Answer<Bridges>, style: Style, out: &mut dyn Write) -> io::Result<()> {
    if answer.data.bridges.is_empty() {
        writeln!(out, "no bridge in the host namespace")?;
    }
    for (at, bridge) in answer.data.bridges.iter().enumerate() {
        if at > 0 {
            writeln!(out)?;
        }
        head(bridge, style, out)?;
        ports(bridge, style, out)?;
    }
    for finding in &answer.data.findings {
        writeln!(out, "{}", words::finding(finding, style))?;
    }
    Ok(())
}

fn head(bridge: &BridgeRow, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let name = style.strong(&link_ref(&bridge.link));
    let node = bridge.node.as_ref().map_or_else(String::new, |node| format!(" on {}", escape(node)));
    let mut parts = vec![format!("{name}{node} ifindex {}", bridge.link.ifindex), bridge.mac.to_string()];
    parts.extend(words::addresses(&bridge.addresses));
    parts.push(format!("mtu {}", bridge.mtu));
    parts.push(match (bridge.up, bridge.lower_up) {
        (false, _) => style.bad("down"),
        (true, false) => style.odd("up, no carrier"),
        (true, true) => style.good("up"),
    });
    writeln!(out, "{}", parts.join("  "))?;
    let settings = &bridge.settings;
    let stp = match settings.stp_state {
        0 => "off".to_owned(),
        1 => "on".to_owned(),
        2 => "in user space".to_owned(),
        other => other.to_string(),
    };
    let vlan = match (settings.vlan_filtering, settings.default_pvid) {
        (false, _) => "off".to_owned(),
        (true, pvid) => format!("on, default pvid {}", or_unknown(pvid)),
    };
    writeln!(
        out,
        "  bridge id {}  stp {stp}  vlan filtering {vlan}  addresses age out after {}",
        escape(&settings.bridge_id),
        words::span(i64::try_from(settings.ageing_ms).unwrap_or(i64::MAX)),
    )?;
    if style.wide && settings.vlan_filtering {
        writeln!(out, "  vlans of the bridge itself: {}", vlans(bridge.vlans.as_deref()))?;
    }
    writeln!(out, "  bridge-nf (IPv4) {}", netfilter(&bridge.netfilter))
}

/// `1 pvid untagged, 10-20`, as `bridge vlan` tells them.
fn vlans(vlans: Option<&[VlanRange]>) -> String {
    let Some(vlans) = vlans else { return UNKNOWN.to_owned() };
    let one = |vlan: &VlanRange| {
        let run = if vlan.last == vlan.first { String::new() } else { format!("-{}", vlan.last) };
        let pvid = if vlan.pvid { " pvid" } else { "" };
        let untagged = if vlan.untagged { " untagged" } else { "" };
        format!("{}{run}{pvid}{untagged}", vlan.first)
    };
    if vlans.is_empty() { "none".to_owned() } else { vlans.iter().map(one).collect::<Vec<_>>().join(", ") }
}

/// Whether IPv4 frames cross the IP hooks, and which of the two switches says so.
pub fn netfilter(netfilter: &BridgeNetfilter) -> String {
    let sysctl = match &netfilter.sysctl {
        Some(value) => format!("bridge-nf-call-iptables {}", escape(value.trim())),
        None if netfilter.effective.is_none() => format!("bridge-nf-call-iptables {UNKNOWN}"),
        None => "br_netfilter not loaded".to_owned(),
    };
    let effective = netfilter.effective.map_or(UNKNOWN, switch);
    format!("{effective}  ({sysctl}, the bridge's own nf_call_iptables {})", u8::from(netfilter.bridge))
}

fn ports(bridge: &BridgeRow, style: Style, out: &mut dyn Write) -> io::Result<()> {
    if bridge.ports.is_empty() {
        return writeln!(out, "  no ports");
    }
    let mut headings = vec!["PORT", "POD", "INTERFACE", "HAIRPIN", "ISOLATED", "LEARNED"];
    if style.wide {
        headings.extend(["IFINDEX", "PORT NO", "LEARNING", "FLOOD", "COST", "PRIORITY", "NETNS"]);
        headings.extend(bridge.settings.vlan_filtering.then_some("VLANS"));
    }
    headings.push("STATE");
    let mut table = Table::new(&headings);
    for port in &bridge.ports {
        table.row(cells(port, bridge.settings.vlan_filtering, style));
    }
    table.write(style, out)?;
    writeln!(out, "{}", count(bridge.ports.len(), "port", "ports"))
}

fn cells(port: &PortRow, filters: bool, style: Style) -> Vec<String> {
    let (pod, interface, netns) = match &port.behind {
        Behind::Pod { pod, interface, netns } => (escape(&pod.to_string()), link_ref(interface), netns.ino.to_string()),
        Behind::Netns { interface, netns } => (format!("({netns})"), link_ref(interface), netns.ino.to_string()),
        Behind::Link => (format!("({})", escape(&port.kind)), ABSENT.to_owned(), ABSENT.to_owned()),
        Behind::Lost(_) => (UNKNOWN.to_owned(), UNKNOWN.to_owned(), UNKNOWN.to_owned()),
    };
    let settings = port.port.as_ref();
    let on = |value: Option<bool>| value.map_or(UNKNOWN, switch).to_owned();
    let learned: Vec<_> = port.learned.iter().map(learned_mac).collect();
    let mut cells = vec![
        link_ref(&port.link),
        pod,
        interface,
        on(settings.map(|port| port.hairpin)),
        settings.map_or(UNKNOWN, |port| if port.isolated { "yes" } else { "no" }).to_owned(),
        if learned.is_empty() { ABSENT.to_owned() } else { learned.join(", ") },
    ];
    if style.wide {
        cells.extend([
            port.link.ifindex.to_string(),
            or_unknown(settings.map(|port| port.port_no)),
            on(settings.map(|port| port.learning)),
            on(settings.map(|port| port.flood)),
            or_unknown(settings.map(|port| port.cost)),
            or_unknown(settings.map(|port| port.priority)),
            netns,
        ]);
        cells.extend(filters.then(|| vlans(port.vlans.as_deref())));
    }
    cells.push(match settings {
        _ if !port.up => style.bad("down"),
        _ if !port.lower_up => style.bad("no carrier"),
        Some(port) => port_state(port.state, style),
        None => UNKNOWN.to_owned(),
    });
    cells
}
