//! A pod's road as a story of indented steps.
//!
//! May import model and analyze's answer types only.

use std::io::{self, Write};

use crate::analyze::answer::Answer;
use crate::analyze::finding::{Code, Finding};
use crate::analyze::naming::{NetnsRef, NetnsRole};
use crate::analyze::peer::Agreement;
use crate::analyze::trace::{
    BridgeStep, FlowsStep, Gateway, HostStep, InterfaceStep, NatStep, OwnerKind, PodStep, Step, StepKind, Trace,
    VethStep, WireStep,
};
use crate::analyze::veth::ParentEnd;
use crate::analyze::veth::plugged::{RoutedPlug, WayToPod};
use crate::model::bpf::BpfAttachment;
use crate::model::link::{Link, LinkKind};
use crate::model::neigh::Neighbour;
use crate::render::conntrack;
use crate::render::nat::path;
use crate::render::story::Story;
use crate::render::style::{Style, escape};
use crate::render::words::{
    self, UNKNOWN, count, link_kind, link_name, link_ref, link_state, or_unknown, port_state, sandbox_state, switch,
};

/// How many processes are told one by one unless the wide form is asked for.
const FEW: usize = 8;

/// Writes the sentence, then the steps.
pub fn write(answer: &Answer<Trace>, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let Trace { headline, steps, pod } = &answer.data;
    writeln!(out, "{}\n", style.strong(&escape(headline)))?;
    let mut story = Story::default();
    let host_told = steps.iter().any(|step| matches!(step.what, StepKind::Host(_)));
    for step in steps {
        tell(step, host_told, style, &mut story);
        for finding in step.findings.iter().filter(|finding| !told_in_its_line(finding)) {
            story.step(1, "", words::finding(finding, style), "");
        }
    }
    for older in &pod.older {
        let text = format!("attempt {}  {}", older.attempt, sandbox_state(older.state));
        story.step(0, "older", escape(older.sandbox.short()) + "  " + &text, "");
    }
    story.write(style, out)
}

/// The bridge's line ends with what the bridge does to a call to itself.
fn told_in_its_line(finding: &Finding) -> bool {
    finding.code == Code::Hairpin
}

fn tell(step: &Step, host_told: bool, style: Style, story: &mut Story) {
    match &step.what {
        StepKind::Pod(pod) => tell_pod(pod, style, story),
        StepKind::Interface(interface) => tell_interface(interface, style, story),
        StepKind::Veth(veth) => tell_veth(veth, style, story),
        StepKind::Parent(parent) => tell_parent(parent, style, story),
        StepKind::Device { device } => {
            let device = device.as_deref().map_or_else(String::new, |device| format!(" {}", escape(device)));
            story.step(0, "device", format!("a device of the machine{device}: no other end on this node"), "");
        }
        StepKind::Lost(lost) => {
            let text = format!("{} {}", style.odd("other end unknown:"), escape(&lost.words()));
            story.step(0, "veth", text, "");
        }
        StepKind::Bridge(bridge) => tell_bridge(bridge, &step.findings, style, story),
        StepKind::Routed(plug) => tell_routed(plug, host_told, style, story),
        StepKind::Controller { controller, controller_kind } => {
            let name = or_unknown(controller.as_ref().map(|controller| &controller.name));
            story.step(0, "under", format!("{name} ({})", escape(controller_kind)), "");
        }
        StepKind::Host(host) => tell_host(host, style, story),
        StepKind::Nat(nat) => tell_nat(nat, style, story),
        StepKind::Wire(wire) => tell_wire(wire, style, story),
        StepKind::Flows(flows) => tell_flows(flows, story),
    }
}

fn tell_flows(step: &FlowsStep, story: &mut Story) {
    let of_node = if step.of_node { " of the whole node, whose addresses the pod shares" } else { "" };
    let states: Vec<String> = step.states.iter().map(|(state, count)| format!("{count} {}", state.words())).collect();
    story.step(0, "flows", conntrack::counts(&step.kinds) + of_node, states.join(", "));
}

fn tell_pod(pod: &PodStep, style: Style, story: &mut Story) {
    let mut parts = vec![escape(&pod.name.to_string())];
    parts.extend(pod.name.uid.as_ref().map(|uid| format!("uid {}", escape(uid))));
    let age = pod.age_ms.map_or_else(String::new, |age| format!(" {}", words::span(age)));
    parts.push(format!("{}{age}", sandbox_state(pod.state)));
    story.step(0, "pod", parts.join("  "), "");
    if style.wide
        && let Some(labels) = &pod.labels
    {
        let labels: Vec<_> = labels.iter().map(|(key, value)| escape(&format!("{key}={value}"))).collect();
        story.step(1, "labels", labels.join(" "), "");
    }
    let runtime = match (&pod.runtime.name, &pod.runtime.version) {
        (Some(name), Some(version)) => format!("{} {}", escape(name), escape(version)),
        (Some(name), None) => escape(name),
        (None, _) => "from /proc alone".to_owned(),
    };
    story.step(1, "sandbox", escape(pod.sandbox.short()), runtime);
    let netns = pod.netns.as_ref().map_or_else(|| "namespace unknown".to_owned(), namespace);
    let pause = pod.pause_pid.map_or_else(|| "none".to_owned(), |pid| format!("pid {pid}"));
    story.step(1, "pause", pause, netns);
    let shown = if style.wide { pod.others.len() } else { pod.others.len().min(FEW) };
    for (at, process) in pod.others.iter().take(shown).enumerate() {
        let container = match (&process.container_name, &process.container) {
            (Some(name), Some(id)) => format!(" (container {} {})", escape(name), escape(id.short())),
            (None, Some(id)) => format!(" (container {})", escape(id.short())),
            _ => String::new(),
        };
        let text = format!("pid {} {}{container}", process.pid, escape(&process.comm.to_string()));
        let elsewhere = process.elsewhere.map_or_else(String::new, |netns| format!("in {netns}, not the pod's"));
        story.step(1, if at == 0 { "others" } else { "" }, text, elsewhere);
    }
    if pod.others.len() > shown {
        story.step(1, "", format!("and {} more", pod.others.len() - shown), "");
    }
}

/// `net:[4026532989] = cni-0949584a-…`
fn namespace(netns: &NetnsRef) -> String {
    match (&netns.name, netns.role) {
        (_, NetnsRole::Host) => format!("{} = the node's own", netns.id),
        (Some(name), _) => format!("{} = {}", netns.id, escape(&name.to_string())),
        (None, _) => format!("{}, nameless", netns.id),
    }
}

fn tell_interface(step: &InterfaceStep, style: Style, story: &mut Story) {
    let InterfaceStep { link, addresses, programs, routes, gateways } = step;
    let mut parts = words::addresses(addresses);
    if !matches!(link.kind, LinkKind::Veth | LinkKind::Physical) {
        parts.insert(0, link_kind(&link.kind));
    }
    parts.extend(common(link, style));
    story.step(0, &escape(&link.name.to_string()), parts.join("  "), "");
    counters(link, style, story);
    tell_programs(programs, story);
    if routes.is_empty() {
        story.step(1, "route", "no default route leaves by it", "");
    }
    for out in routes {
        let (text, evidence) = words::way(&out.way, style);
        story.step(1, "route", text, evidence);
    }
    for gateway in gateways {
        story.step(1, "gateway", tell_gateway(gateway), "");
    }
}

/// Link-layer address, MTU and, where it is not up, the state.
fn common(link: &Link, style: Style) -> Vec<String> {
    let mut parts = Vec::new();
    if !link.mac.0.is_empty() {
        parts.push(link.mac.to_string());
    }
    parts.push(format!("mtu {}", link.mtu));
    let state = link_state(link, style);
    if state != style.good("up") {
        parts.push(state);
    }
    parts
}

fn counters(link: &Link, style: Style, story: &mut Story) {
    if !style.wide {
        return;
    }
    let stats = &link.stats;
    let text = format!(
        "received {} packets {} bytes {} dropped; sent {} packets {} bytes {} dropped",
        stats.rx_packets, stats.rx_bytes, stats.rx_dropped, stats.tx_packets, stats.tx_bytes, stats.tx_dropped
    );
    story.step(1, "counters", text, "");
}

fn tell_programs(programs: &[BpfAttachment], story: &mut Story) {
    for program in programs {
        story.step(1, "program", words::program(program), "");
    }
}

fn neighbour(neighbour: &Neighbour) -> String {
    let mac = neighbour.mac.as_ref().map_or_else(|| "not resolved".to_owned(), |mac| format!("is at {mac}"));
    let states = if neighbour.states.is_empty() { "none".to_owned() } else { neighbour.states.join(", ") };
    format!("{} {mac} ({})", neighbour.address, escape(&states))
}

fn tell_gateway(gateway: &Gateway) -> String {
    let known = match &gateway.neighbour {
        Some(known) => neighbour(known),
        None => format!("{} (the pod has not asked for it yet)", gateway.address),
    };
    match &gateway.owner {
        None => known,
        Some(owner) => {
            let link = escape(&owner.link.name.to_string());
            match owner.kind {
                OwnerKind::Address => format!("{known} = {link} of this node"),
                OwnerKind::Mac => format!("{known} = {link} of this node, which answers for it"),
                OwnerKind::LearnedOnPort => format!("{known}, beyond port {link} of the bridge"),
            }
        }
    }
}

fn tell_veth(step: &VethStep, style: Style, story: &mut Story) {
    let VethStep { near, far, netns, nsid, agreement, programs } = step;
    let place = match netns.role {
        NetnsRole::Host => "of the host".to_owned(),
        _ => words::place(netns),
    };
    let number = nsid.map_or_else(|| "same namespace".to_owned(), |nsid| format!("nsid {nsid}"));
    let checked = match agreement {
        Agreement::Both => "checked from both ends".to_owned(),
        Agreement::OneSide { why } => format!("checked from one end: {}", escape(why)),
        Agreement::Disagree { .. } => "the ends disagree".to_owned(),
    };
    let text = format!("{}  ⇄  {} {place}", link_ref(near), link_name(far));
    story.step(0, far.kind.name(), text, format!("{number}, {checked}"));
    counters(far, style, story);
    tell_programs(programs, story);
}

fn tell_parent(parent: &ParentEnd, style: Style, story: &mut Story) {
    let ParentEnd { netns, nsid, link, programs, controller } = parent;
    let mut parts = vec![format!("{} {}", link_name(link), words::place(netns))];
    parts.extend(common(link, style));
    parts.extend(controller.as_ref().map(|above| format!("under {}", escape(&above.name.to_string()))));
    let evidence = nsid.map_or_else(String::new, |nsid| format!("nsid {nsid}"));
    story.step(0, "on", parts.join("  "), evidence);
    tell_programs(programs, story);
}

fn tell_bridge(step: &BridgeStep, findings: &[Finding], style: Style, story: &mut Story) {
    let plug = &step.plug;
    let state = plug.port.as_ref().map_or_else(|| UNKNOWN.to_owned(), |port| port_state(port.state, style));
    let bridge = escape(&plug.bridge.name.to_string());
    let mut text = format!("{bridge}  port {} {state}", escape(&step.port_link.name.to_string()));
    let hairpin = findings.iter().find(|finding| finding.code == Code::Hairpin);
    match (hairpin, &plug.port) {
        (Some(finding), _) => text = format!("{text}; {}", escape(&finding.text)),
        (None, Some(port)) => text = format!("{text}; hairpin {}", switch(port.hairpin)),
        (None, None) => {}
    }
    if plug.port.as_ref().is_some_and(|port| port.isolated) {
        text.push_str("; isolated");
    }
    story.step(0, "bridge", text, "");
    if style.wide {
        let learned: Vec<_> = plug.learned.iter().map(super::veth::learned_mac).collect();
        let learned = if learned.is_empty() { "nothing".to_owned() } else { learned.join(" ") };
        story.step(1, "learned", learned, "");
        story.step(1, "ports", count(plug.other_ports, "other port", "other ports"), "");
    }
}

/// The way to the pod is the way back of the host's step, where there is one.
fn tell_routed(plug: &RoutedPlug, host_told: bool, style: Style, story: &mut Story) {
    let arp = plug.proxy_arp.map_or(UNKNOWN, switch);
    story.step(0, "routed", format!("port of no bridge; proxy ARP {arp}"), "");
    for way in plug.ways.iter().filter(|_| !host_told) {
        tell_way_back(way, "to pod", style, story);
    }
}

fn tell_way_back(way: &WayToPod, word: &str, style: Style, story: &mut Story) {
    let (text, evidence) = words::way(&way.way, style);
    story.step(1, word, format!("{}: {text}", way.address), evidence);
}

fn tell_host(step: &HostStep, style: Style, story: &mut Story) {
    let value = |name: &str| {
        let known = step.sysctls.iter().find(|sysctl| sysctl.name == name)?;
        Some(or_unknown(known.value.as_ref()))
    };
    let mut parts = Vec::new();
    parts.extend(value("ipv4.ip_forward").map(|value| format!("ip_forward {value}")));
    parts.extend(value("ipv6.conf.all.forwarding").map(|value| format!("IPv6 forwarding {value}")));
    parts.extend(step.rp_filter.map(|value| match value {
        0 => "rp_filter 0".to_owned(),
        1 => "rp_filter 1 (strict)".to_owned(),
        2 => "rp_filter 2 (loose)".to_owned(),
        other => format!("rp_filter {other}"),
    }));
    if let Some(netfilter) = &step.bridge_netfilter {
        parts.push(match (&netfilter.sysctl, netfilter.effective) {
            (Some(value), _) if netfilter.bridge => {
                format!("bridge-nf-call-iptables {}, on for the bridge itself", escape(value.trim()))
            }
            (Some(value), _) => format!("bridge-nf-call-iptables {}", escape(value.trim())),
            (None, None) => format!("bridge-nf {UNKNOWN}"),
            (None, Some(_)) => "bridge-nf off (br_netfilter not loaded)".to_owned(),
        });
    }
    let text =
        if step.comes_in_by.is_none() { "the pod's packets are the node's own".to_owned() } else { parts.join(", ") };
    story.step(0, "host", text, "");
    if style.wide {
        for sysctl in &step.sysctls {
            story.step(
                1,
                "sysctl",
                format!("net.{} = {}", escape(&sysctl.name), or_unknown(sysctl.value.as_ref())),
                "",
            );
        }
    }
    for out in &step.routes {
        let (text, evidence) = words::way(&out.way, style);
        story.step(1, "route", text, evidence);
    }
    for way in &step.back {
        tell_way_back(way, "back", style, story);
    }
}

fn tell_nat(step: &NatStep, style: Style, story: &mut Story) {
    let Some(rules) = &step.leaving.rules else {
        let why = step.leaving.unknown.as_deref().map_or_else(String::new, |why| format!(": {}", escape(why)));
        return story.step(1, "nat", style.odd(&format!("unknown{why}")), "");
    };
    if rules.is_empty() {
        return story.step(1, "nat", "no rule rewrites the source of what is routed on", "");
    }
    for rule in rules {
        let Some((last, before)) = rule.rules.split_last() else { continue };
        let says = escape(&rule.says);
        let says = if rule.unknown.is_some() { style.odd(&says) } else { says };
        let evidence = last.handle.map_or_else(String::new, |handle| format!(", handle {handle}"));
        story.step(1, "nat", format!("{}: {says}", path(before, last)), format!("rule {}{evidence}", last.number));
    }
    story.step(1, "", "(not what is delivered to this node itself; the first rule that applies counts)", "");
}

fn tell_wire(step: &WireStep, style: Style, story: &mut Story) {
    let WireStep { link, addresses, programs, gateways } = step;
    let mut parts = vec![link_name(link)];
    if !matches!(link.kind, LinkKind::Veth | LinkKind::Physical) {
        parts.push(link_kind(&link.kind));
    }
    parts.extend(words::addresses(addresses));
    parts.extend(common(link, style));
    let device = link.device.as_deref().map_or_else(String::new, escape);
    story.step(0, "wire", parts.join("  "), device);
    counters(link, style, story);
    tell_programs(programs, story);
    for gateway in gateways {
        story.step(1, "gateway", neighbour(gateway), "");
    }
}
