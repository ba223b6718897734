//! What is wrong, or worth a word, with an interface and where it leads.
//!
//! May import model and its siblings only.

use super::{End, Interface, PeerEnd};
use crate::analyze::finding::{Code, Finding};
use crate::analyze::naming::NetnsRole;
use crate::analyze::peer::Agreement;
use crate::analyze::veth::plugged::Plugged;
use crate::model::link::{Link, OperState, PortState};

/// The findings of one interface, outwards from the pod.
pub fn interface(interface: &Interface) -> Vec<Finding> {
    let mut findings = near(interface);
    findings.extend(far(interface));
    findings
}

/// Those of the pod's own end.
pub fn near(interface: &Interface) -> Vec<Finding> {
    let mut findings: Vec<Finding> = link_state(&interface.link, "").into_iter().collect();
    if interface.addresses.is_empty() && interface.link.controller.is_none() {
        findings.push(Finding::odd(Code::NoAddress, format!("{} has no address", interface.link.name)));
    }
    findings
}

/// Those of the other end and what it is plugged into.
pub fn far(interface: &Interface) -> Vec<Finding> {
    let mut findings = Vec::new();
    match &interface.other_end {
        End::Peer(peer) => peer_end(interface, peer, &mut findings),
        End::Parent(parent) => findings.extend(link_state(&parent.link, ", the link below,")),
        End::Device { .. } | End::Nowhere | End::Lost(_) => {}
    }
    findings
}

/// Whether a link is down, in one sentence.
pub fn link_state(link: &Link, which: &str) -> Option<Finding> {
    let name = &link.name;
    if !link.up {
        return Some(Finding::bad(Code::LinkDown, format!("{name}{which} is down")));
    }
    let dead = !link.lower_up
        || matches!(link.oper_state, OperState::Down | OperState::LowerLayerDown | OperState::NotPresent);
    dead.then(|| Finding::bad(Code::NoCarrier, format!("{name}{which} is up but has no carrier")))
}

fn peer_end(interface: &Interface, peer: &PeerEnd, findings: &mut Vec<Finding>) {
    let (here, there) = (&interface.link, &peer.link);
    match &peer.agreement {
        Agreement::Disagree { why } => {
            findings.push(Finding::bad(Code::EndsDisagree, format!("the ends of {} do not agree: {why}", here.name)));
        }
        Agreement::Both | Agreement::OneSide { .. } => {}
    }
    findings.extend(link_state(there, ", the other end,"));
    if here.mtu != there.mtu {
        let text = format!("{} has mtu {}, its other end {} has {}", here.name, here.mtu, there.name, there.mtu);
        findings.push(Finding::odd(Code::MtuMismatch, text));
    }
    match peer.netns.role {
        NetnsRole::Pod => {
            let text = format!("both ends of {} are in the pod's own namespace: it leads nowhere", here.name);
            findings.push(Finding::odd(Code::BothEndsInOneNetns, text));
            return;
        }
        NetnsRole::Third => {
            let text = format!("the other end of {} is in a third namespace, {}", here.name, peer.netns.id);
            findings.push(Finding::odd(Code::ThirdNetns, text));
        }
        NetnsRole::Host => {}
    }
    match &peer.plugged {
        Some(Plugged::Bridge(plug)) => {
            if !plug.bridge_up {
                findings.push(Finding::bad(Code::BridgeDown, format!("the bridge {} is down", plug.bridge.name)));
            }
            if let Some(port) = plug.port.as_ref().filter(|port| port.state != PortState::Forwarding) {
                let state = format!("{:?}", port.state).to_lowercase();
                let text = format!("port {} of {} is {state}, not forwarding", there.name, plug.bridge.name);
                findings.push(Finding::bad(Code::PortNotForwarding, text));
            }
        }
        Some(Plugged::Routed(plug)) => {
            for way in plug.ways.iter().filter(|way| way.leads_here == Some(false)) {
                let text = format!("no route to {} leads to {}", way.address, there.name);
                // A program on the link may do without a route.
                findings.push(if !peer.programs.is_empty() || !interface.programs.is_empty() {
                    Finding::note(Code::NotPlugged, format!("{text}; a program may redirect its packets"))
                } else if peer.programs_incomplete {
                    Finding::odd(Code::NotPlugged, format!("{text}, unless a program that could not be asked for does"))
                } else {
                    Finding::bad(Code::NotPlugged, text)
                });
            }
        }
        Some(Plugged::Controller { .. }) | None => {}
    }
}
