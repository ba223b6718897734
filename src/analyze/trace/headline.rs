//! The answer in one sentence.
//!
//! May import its siblings only.

use super::{Step, StepKind};
use crate::analyze::finding::Weight;
use crate::analyze::naming::{NetnsRole, PodHead};

/// The sentence for a road of these steps.
pub(super) fn headline(pod: &PodHead, node: &str, steps: &[Step]) -> String {
    let name = &pod.pod;
    let bad = steps.iter().flat_map(|step| &step.findings).find(|finding| finding.weight == Weight::Bad);
    if let Some(finding) = bad {
        return format!("{name} does not reach the wire: {}", finding.text);
    }
    let wires: Vec<String> = steps
        .iter()
        .filter_map(|step| match &step.what {
            StepKind::Wire(wire) => Some(wire.link.name.to_string()),
            _ => None,
        })
        .collect();
    let wire = wires.join(" and ");
    if pod.host_network {
        return if wires.is_empty() {
            format!("{name} uses the network of {node}; its way to the wire is unknown")
        } else {
            format!("{name} uses the network of {node} and reaches the wire through {wire}{}", towards(steps))
        };
    }
    if wires.is_empty() && steps.iter().any(|step| matches!(step.what, StepKind::Device { .. })) {
        return format!("{name} reaches the wire through a device of its own; {node} does not see its packets");
    }
    let mut by: Vec<String> = Vec::new();
    for link in steps.iter().filter_map(passes) {
        if !by.contains(&link) {
            by.push(link);
        }
    }
    match (by.is_empty(), wires.is_empty()) {
        (true, false) => format!("{name} reaches the wire through {wire} of {node}{}{}", towards(steps), takes(steps)),
        (false, false) => {
            let by = by.join(" and ");
            format!("{name} reaches the wire through {by} and {wire} of {node}{}{}", towards(steps), takes(steps))
        }
        (false, true) => format!("{name} reaches {} of {node}; its way on is unknown", by.join(" and ")),
        (true, true) => format!("{name}: its way to the wire is unknown"),
    }
}

/// What the node does to the source address on the way.
fn takes(steps: &[Step]) -> String {
    let all = steps.iter().filter_map(|step| match &step.what {
        StepKind::Nat(nat) => Some(&nat.takes),
        _ => None,
    });
    let words = all.flatten().map(|taken| {
        let outside = taken.outside.join(" and ");
        let outside = if outside.is_empty() { String::new() } else { format!(", outside {outside},") };
        format!("; what this node sends on for it{outside} takes {}", taken.address)
    });
    words.collect()
}

/// What was looked up to say so: the way to the world is that to some address of it.
fn towards(steps: &[Step]) -> String {
    let mut asked: Vec<String> = Vec::new();
    let routes = steps.iter().flat_map(|step| match &step.what {
        StepKind::Interface(interface) => interface.routes.as_slice(),
        StepKind::Host(host) => host.routes.as_slice(),
        _ => &[],
    });
    for out in routes.filter(|out| out.way.route().is_some()) {
        let destination = out.destination.to_string();
        if !asked.contains(&destination) {
            asked.push(destination);
        }
    }
    if asked.is_empty() { String::new() } else { format!(" (looked up for {})", asked.join(" and ")) }
}

/// The link of the host that a step passes, in words.
fn passes(step: &Step) -> Option<String> {
    match &step.what {
        StepKind::Bridge(bridge) => Some(bridge.plug.bridge.name.to_string()),
        StepKind::Controller { controller: Some(controller), .. } => Some(controller.name.to_string()),
        StepKind::Host(host) => host.comes_in_by.as_ref().map(|into| into.name.to_string()),
        StepKind::Veth(veth) if veth.netns.role == NetnsRole::Third => {
            Some(format!("{} in a third namespace", veth.far.name))
        }
        _ => None,
    }
}
