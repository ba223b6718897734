//! A pod's interfaces as a tree: the pod's end, the other end, what that is plugged into.
//!
//! May import model and analyze's answer types only.

use std::io::{self, Write};

use crate::analyze::answer::Answer;
use crate::analyze::naming::{NetnsRef, NetnsRole};
use crate::analyze::peer::Agreement;
use crate::analyze::veth::plugged::{BridgePlug, LearnedMac, Plugged, RoutedPlug};
use crate::analyze::veth::{End, Interface, ParentEnd, PeerEnd, Veth};
use crate::model::bpf::BpfAttachment;
use crate::model::ids::Nsid;
use crate::model::link::{Link, LinkKind};
use crate::render::style::{Style, escape};
use crate::render::words::{
    self, ABSENT, UNKNOWN, count, link_kind, link_state, or_unknown, place, port_state, sandbox_state, switch,
};

/// Writes one tree an interface, then what was found.
pub fn write(answer: &Answer<Veth>, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let Veth { pod, interfaces, left_out, findings } = &answer.data;
    let name = style.strong(&words::pod(pod));
    if pod.host_network {
        writeln!(out, "{name}  uses the node's own network; the node's interfaces are:")?;
    } else if interfaces.is_empty() {
        writeln!(out, "{name}  {}  sandbox {}", sandbox_state(pod.state), escape(pod.sandbox.short()))?;
    }
    for interface in interfaces {
        let head = if pod.host_network { String::new() } else { format!("{name}  ") };
        one(interface, &head, style, out)?;
    }
    if let Some(left_out) = left_out.filter(|some| *some > 0) {
        writeln!(out, "and {} of other pods", count(left_out, "host end", "host ends"))?;
    }
    for older in &pod.older {
        let state = sandbox_state(older.state);
        writeln!(out, "attempt {}  sandbox {}  {state}", older.attempt, escape(older.sandbox.short()))?;
    }
    for finding in findings {
        writeln!(out, "{}", words::finding(finding, style))?;
    }
    Ok(())
}

fn one(interface: &Interface, head: &str, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let Interface { link, addresses, programs, other_end } = interface;
    let mut parts = vec![format!("{} ifindex {}", escape(&link.name.to_string()), link.ifindex)];
    if !matches!(link.kind, LinkKind::Veth | LinkKind::Physical) {
        parts.push(link_kind(&link.kind));
    }
    parts.extend(mac(link));
    parts.extend(words::addresses(addresses));
    parts.extend(mtu_and_state(link, style));
    writeln!(out, "{head}{}", parts.join("  "))?;
    counters(link, "      ", style, out)?;
    write_programs(programs, "      ", out)?;
    match other_end {
        End::Peer(peer) => peer_end(link, peer, style, out),
        End::Parent(parent) => parent_end(link, parent, style, out),
        End::Device { device } => {
            let device = device.as_deref().map_or_else(String::new, |device| format!(" ({})", escape(device)));
            writeln!(out, "  └─ a device of the machine{device}: no other end on this node")
        }
        End::Nowhere => Ok(()),
        End::Lost(lost) => writeln!(out, "  └─ {} {}", style.odd("other end unknown:"), escape(&lost.words())),
    }
}

fn mac(link: &Link) -> Option<String> {
    (!link.mac.0.is_empty()).then(|| link.mac.to_string())
}

fn mtu_and_state(link: &Link, style: Style) -> [String; 2] {
    [format!("mtu {}", link.mtu), link_state(link, style)]
}

fn counters(link: &Link, margin: &str, style: Style, out: &mut dyn Write) -> io::Result<()> {
    if !style.wide {
        return Ok(());
    }
    let stats = &link.stats;
    writeln!(
        out,
        "{margin}received {} packets {} bytes {} errors {} dropped; sent {} packets {} bytes {} errors {} dropped",
        stats.rx_packets,
        stats.rx_bytes,
        stats.rx_errors,
        stats.rx_dropped,
        stats.tx_packets,
        stats.tx_bytes,
        stats.tx_errors,
        stats.tx_dropped
    )
}

fn write_programs(programs: &[BpfAttachment], margin: &str, out: &mut dyn Write) -> io::Result<()> {
    for program in programs {
        writeln!(out, "{margin}program {}", words::program(program))?;
    }
    Ok(())
}

/// Where the other link is, and the number that the pod's namespace uses for that namespace.
fn place_and_number(netns: &NetnsRef, nsid: Option<Nsid>) -> String {
    match (netns.role, nsid) {
        (NetnsRole::Pod, _) | (_, None) => place(netns),
        (_, Some(Nsid(..=-1))) => format!("{} ({})", place(netns), netns.id),
        (_, Some(nsid)) => format!("{} (nsid {nsid} there is {})", place(netns), netns.id),
    }
}

fn peer_end(near: &Link, peer: &PeerEnd, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let PeerEnd { netns, nsid, link, agreement, programs, plugged, .. } = peer;
    let mut parts = vec![format!("peer {} ifindex {}", escape(&link.name.to_string()), link.ifindex)];
    if link.kind.name() != near.kind.name() || matches!(link.kind, LinkKind::Netkit { .. }) {
        parts.push(link_kind(&link.kind));
    }
    parts.push(place_and_number(netns, *nsid));
    parts.extend(mtu_and_state(link, style));
    let agreement = match agreement {
        Agreement::Both => style.good("[both ends agree]"),
        Agreement::OneSide { why } => style.odd(&format!("[one end checked: {}]", escape(why))),
        Agreement::Disagree { why } => style.bad(&format!("[the ends disagree: {}]", escape(why))),
    };
    writeln!(out, "  └─ {}   {agreement}", parts.join("  "))?;
    counters(link, "       ", style, out)?;
    write_programs(programs, "       ", out)?;
    match plugged {
        None => Ok(()),
        Some(Plugged::Bridge(plug)) => bridge(plug, style, out),
        Some(Plugged::Controller { controller, controller_kind }) => {
            let name = or_unknown(controller.as_ref().map(|controller| &controller.name));
            writeln!(out, "       └─ under {name} ({})", escape(controller_kind))
        }
        Some(Plugged::Routed(plug)) => routed(plug, netns, style, out),
    }
}

fn parent_end(near: &Link, parent: &ParentEnd, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let ParentEnd { netns, nsid, link, programs, controller } = parent;
    let mut parts = vec![format!("on {} ifindex {}", escape(&link.name.to_string()), link.ifindex)];
    if !matches!(link.kind, LinkKind::Veth | LinkKind::Physical) {
        parts.push(link_kind(&link.kind));
    }
    parts.push(place_and_number(netns, *nsid));
    parts.extend(mac(link));
    parts.extend(mtu_and_state(link, style));
    writeln!(out, "  └─ {}", parts.join("  "))?;
    counters(link, "       ", style, out)?;
    write_programs(programs, "       ", out)?;
    if let Some(controller) = controller {
        writeln!(out, "       └─ under {}", escape(&controller.name.to_string()))?;
    }
    if matches!(near.kind, LinkKind::Macvlan { .. } | LinkKind::Macvtap { .. } | LinkKind::Ipvlan { .. }) {
        writeln!(out, "       its frames leave by that link; the host's bridges and routes do not see them")?;
    }
    Ok(())
}

fn bridge(plug: &BridgePlug, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let name = escape(&plug.bridge.name.to_string());
    let mut parts = vec![format!("port of {name}")];
    match &plug.port {
        Some(port) => {
            parts.push(port_state(port.state, style));
            parts.push(format!("hairpin {}", switch(port.hairpin)));
            if port.isolated {
                parts.push("isolated".to_owned());
            }
            if !port.learning {
                parts.push("learning off".to_owned());
            }
        }
        None => parts.push(format!("settings {UNKNOWN}")),
    }
    parts.push(count(plug.other_ports, "other port", "other ports"));
    if !plug.bridge_up {
        parts.push(style.bad("the bridge is down"));
    }
    writeln!(out, "       └─ {}", parts.join("  "))?;
    let learned: Vec<_> = plug.learned.iter().map(learned_mac).collect();
    let learned = if learned.is_empty() { "nothing".to_owned() } else { learned.join("  ") };
    writeln!(out, "            learned {learned}")
}

/// A learned address with its vlan.
pub fn learned_mac(learned: &LearnedMac) -> String {
    learned.vlan.map_or_else(|| learned.mac.to_string(), |vlan| format!("{} vlan {vlan}", learned.mac))
}

fn routed(plug: &RoutedPlug, netns: &NetnsRef, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let arp = match plug.proxy_arp {
        Some(on) => format!("proxy ARP {}", switch(on)),
        None => format!("proxy ARP {UNKNOWN}"),
    };
    writeln!(out, "       └─ port of no bridge: routed  {arp}")?;
    if plug.ways.is_empty() {
        return writeln!(out, "            no address of the pod to route to: {ABSENT}");
    }
    let who = if netns.role == NetnsRole::Host { "the host's" } else { "that namespace's" };
    for way in &plug.ways {
        let (text, evidence) = words::way(&way.way, style);
        let here = match way.leads_here {
            Some(true) => "leads here",
            Some(false) => "does not lead here",
            None => "may lead here or not",
        };
        let evidence = if evidence.is_empty() { String::new() } else { format!("  {}", style.dim(&evidence)) };
        writeln!(out, "            {who} way to {}: {text}  ({here}){evidence}", way.address)?;
    }
    Ok(())
}
