//! Flows that go where nothing is any more: a block for each, with the command that would remove it on a line of
//! its own, so that it can be copied.
//!
//! May import model and analyze's answer types only.

use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};

use crate::analyze::answer::Answer;
use crate::analyze::flows::stale::types::{Stale, StaleFlow};
use crate::analyze::flows::types::Who;
use crate::render::style::{Style, escape};
use crate::render::words;

/// Of so many connections that drain the table tells; `-o wide` tells all.
const MOST_DRAINING: usize = 10;

/// Writes the flows by kind, then those that drain, then the sums.
pub fn write(answer: &Answer<Stale>, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let Stale { flows, not_told, draining, draining_not_told, over, judged, newer, unknown } = &answer.data;
    for flow in flows {
        one(flow, &style.bad(flow.kind.words()), style, out)?;
        if let Some(command) = &flow.command {
            writeln!(out, "  {command}")?;
        }
    }
    if *not_told > 0 {
        writeln!(out, "and {not_told} more")?;
    }
    let told = if style.wide { draining.len() } else { draining.len().min(MOST_DRAINING) };
    if !flows.is_empty() && told > 0 {
        writeln!(out)?;
    }
    for flow in &draining[..told] {
        one(flow, flow.kind.words(), style, out)?;
    }
    let rest = *draining_not_told + (draining.len() - told) as u64;
    if rest > 0 {
        let wide = if style.wide { "" } else { " (-o wide)" };
        writeln!(out, "and {rest} more that are draining{wide}")?;
    }
    if !flows.is_empty() || !draining.is_empty() {
        writeln!(out)?;
    }
    let stale = flows.len() as u64 + not_told;
    let mut sums = vec![
        if stale == 0 { style.good("no stale flow") } else { style.bad(&count(stale, "stale flow", "stale flows")) },
        format!("{} draining", draining.len() as u64 + draining_not_told),
    ];
    if *over > 0 {
        sums.push(format!("{over} over, which the kernel forgets by itself"));
    }
    if *unknown > 0 {
        sums.push(style.odd(&format!("{unknown} not known")));
    }
    if *newer > 0 {
        sums.push(format!("{newer} that began meanwhile"));
    }
    writeln!(out, "{}; of {} of tcp, udp and sctp", sums.join(", "), count(*judged, "flow", "flows"))?;
    if stale > 0 {
        writeln!(out, "nothing was removed: each command removes its flow and no other, on the node that it is of")?;
    }
    Ok(())
}

fn one(flow: &StaleFlow, kind: &str, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let node = flow.node.as_ref().map_or_else(String::new, |node| format!("{}  ", escape(node)));
    let left = flow.left_ms.and_then(|left| i64::try_from(left).ok());
    let left = left.map_or_else(String::new, |left| format!(", {} left", words::span(left)));
    let asked = at(flow.asked_for.address, flow.asked_for.port);
    let went = at(flow.served_by.address, flow.served_by.port);
    let went = if went == asked { String::new() } else { format!(" → {}{went}", name(&flow.served_by.who)) };
    let zone = if flow.zone.is_default() { String::new() } else { format!(", zone {}", flow.zone.id) };
    writeln!(
        out,
        "{node}{kind}  {} {}{} → {asked}{went}  {}{left}{zone}",
        flow.protocol,
        name(&flow.client.who),
        style.strong(&at(flow.client.address, flow.client.port)),
        flow.state.words(),
    )?;
    writeln!(out, "  {}", escape(&flow.reason))
}

/// `kube-system/coredns-a `, where a pod of this node has the address.
fn name(who: &Who) -> String {
    match who {
        Who::Pod { pod, .. } => format!("{} ", escape(&pod.to_string())),
        _ => String::new(),
    }
}

fn at(address: IpAddr, port: Option<u16>) -> String {
    port.map_or_else(|| address.to_string(), |port| SocketAddr::new(address, port).to_string())
}

fn count(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}
