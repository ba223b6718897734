//! Where services begin in iptables mode: a handful of chains, each with a rule for each address or port.
//!
//! May import model and its siblings only.

use std::sync::Arc;

use super::chains::{condition, masqueraded};
use super::doubt;
use super::evidence::of_rule;
use super::index::{Begun, Does, Entry, Found, Place};
use super::source::{Held, Source};
use super::step::{Step, Then, When};
use super::types::{FrontKind, Masqueraded, NodePortOn, RefusalReason, RefusalVerdict};
use crate::model::keyed::Keyed;
use crate::model::kube_proxy::{ChainName, ChainRole, Protocol, ServicePortName};
use crate::model::netfilter::table::Family;
use crate::model::text::ByteText;

/// The chains where services begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Beginning {
    /// nat: addresses.
    Services,
    /// nat: node ports.
    NodePorts,
    /// filter: addresses without endpoints.
    Refused,
    /// filter: the same from outside, and node ports.
    RefusedOutside,
    /// filter: the ports of health checks.
    HealthChecks,
    /// filter: load balancers' addresses whose clients are limited.
    Firewall,
}

/// Those of them, of table nat, that have a rule for every address or port.
pub(super) const LONG: [&str; 2] = [SERVICES, NODE_PORTS];
const SERVICES: &str = "KUBE-SERVICES";
const NODE_PORTS: &str = "KUBE-NODEPORTS";

const BEGINNINGS: [(Beginning, &str); 6] = [
    (Beginning::Services, SERVICES),
    (Beginning::NodePorts, NODE_PORTS),
    (Beginning::Refused, SERVICES),
    (Beginning::RefusedOutside, "KUBE-EXTERNAL-SERVICES"),
    (Beginning::HealthChecks, NODE_PORTS),
    (Beginning::Firewall, "KUBE-PROXY-FIREWALL"),
];

/// Reads the chains where services begin.
pub(super) fn begin(nat: &Source<'_>, filter: &Source<'_>) -> Begun {
    let mut begun = Begun::default();
    for (beginning, name) in BEGINNINGS {
        let is_filter = !matches!(beginning, Beginning::Services | Beginning::NodePorts);
        let source = if is_filter { filter } else { nat };
        let Some(held) = source.chain(&name.into()) else { continue };
        let chain = begun.chains.len();
        let mut entries = Vec::new();
        let mut led = Led::default();
        for (place, step) in held.steps().enumerate() {
            let found = Found::Rule { chain, at: place, filter: is_filter };
            if let Some(on) = leads_to_node_ports(&step, source.table.family) {
                let known = begun.node_ports_on.get_or_insert_with(|| NodePortOn {
                    any_local: false,
                    only: Vec::new(),
                    except: Vec::new(),
                    ..on.clone()
                });
                known.any_local |= on.any_local;
                known.only.extend(on.only);
                known.except.extend(on.except);
                if !step.beyond_service().all(|when| {
                    matches!(when, When::DestinationLocal { not: false } | When::Destination { not: true, .. })
                }) {
                    doubt::among(source, &held, place);
                }
            } else if let Some(entry) = entry(beginning, &held, &step, source, found) {
                if !is_usual(&step, &entry) {
                    doubt::among(source, &held, place);
                }
                twice(&mut led, &entries, &entry, &held, source);
                entries.push(entry);
            } else if doubt::decides(source, &step) {
                doubt::among(source, &held, place);
            }
        }
        // Nearly all of them come from the first chain.
        if begun.entries.is_empty() {
            begun.entries = entries;
        } else {
            begun.entries.append(&mut entries);
        }
        begun.chains.push(held);
    }
    begun
}

/// Whether a rule asks no more than kube-proxy's do, of the versions that are known.
fn is_usual(step: &Step<'_>, entry: &Entry) -> bool {
    if matches!(entry.does, Does::Masquerade(_)) {
        return true;
    }
    let loopback = |net: &ipnet::IpNet| net.addr().is_loopback();
    // Up to 1.23, the packets of an external address that no pod's link brought in.
    let is_external = matches!(entry.place, Place::Address(FrontKind::ExternalIp, ..));
    step.beyond_service().all(|when| match when {
        When::SourceLocal { .. } | When::DestinationLocal { .. } => true,
        When::Source { net, not: false } => matches!(entry.place, Place::NodePort(_)) && loopback(net),
        When::Other => is_external,
        _ => false,
    })
}

/// Which entry leads packets to an address or port: the first one decides.
type Led = Keyed<(Option<Protocol>, Option<std::net::IpAddr>, u16), usize>;

/// Says when two services have one address and port. `entries` are those before this one.
fn twice(led: &mut Led, entries: &[Entry], entry: &Entry, held: &Held, source: &Source<'_>) {
    let Does::LeadsTo(chain) = &entry.does else { return };
    let at = match entry.place {
        Place::Address(_, address, port) => (entry.protocol, Some(address), port),
        Place::NodePort(port) => (entry.protocol, None, port),
        Place::HealthCheck(_) => return,
    };
    let first = entries.get(*led.get_or_insert_with(at, || entries.len()));
    if let Some(Does::LeadsTo(first)) = first.map(|entry| &entry.does)
        && first != chain
    {
        let detail = format!("two rules are for the same address and port: {first} gets what is said to go to {chain}");
        doubt::unsure(source, held, detail);
    }
}

/// The last rule of KUBE-SERVICES (or several, where node ports answer on some addresses alone).
fn leads_to_node_ports(step: &Step<'_>, family: Family) -> Option<NodePortOn> {
    if step.then != Then::To("KUBE-NODEPORTS".into()) {
        return None;
    }
    let mut on = NodePortOn { family, any_local: true, only: Vec::new(), except: Vec::new(), loopback: None };
    for when in &step.when {
        match when {
            When::Destination { net, not: false } => {
                on.only.push(*net);
                on.any_local = false;
            }
            When::Destination { net, not: true } => on.except.push(*net),
            _ => {}
        }
    }
    Some(on)
}

fn entry(beginning: Beginning, held: &Held, step: &Step<'_>, source: &Source<'_>, found: Found) -> Option<Entry> {
    let port = step.port()?;
    let said = step.rule.comment().and_then(ByteText::as_str).map(Comment::read).unwrap_or_default();
    let address = step.destination();
    let does = match &step.then {
        // Its own bytes: the rule may be let go before it.
        Then::To(chain) => Does::LeadsTo(ByteText::new(chain.as_bytes())),
        Then::Mark => {
            // Its words, where nothing else says what it asks: they cost more than all else here.
            let words = || condition(&of_rule(&held.id, step.rule, source));
            Does::Masquerade(Box::new(masqueraded(step, words)))
        }
        Then::Reject => Does::Refuse(RefusalVerdict::Reject, said.why.unwrap_or(RefusalReason::NoEndpoints)),
        Then::Drop if beginning == Beginning::Firewall => {
            Does::Refuse(RefusalVerdict::Drop, RefusalReason::SourceRanges)
        }
        Then::Drop => Does::Refuse(RefusalVerdict::Drop, said.why.unwrap_or(RefusalReason::NoLocalEndpoints)),
        Then::Leave if beginning == Beginning::HealthChecks => Does::LetIn,
        _ => return None,
    };
    let place = match (beginning, address) {
        (Beginning::HealthChecks, _) => Place::HealthCheck(port),
        (Beginning::NodePorts, _) | (Beginning::RefusedOutside, None) => Place::NodePort(port),
        (_, Some(address)) => Place::Address(kind(beginning, said.kind, &does), address, port),
        (_, None) => return None,
    };
    Some(Entry { place, name: said.name.map(Arc::new), protocol: step.protocol(), does, found })
}

/// What an address is: the comment says it, else where its packets are sent.
fn kind(beginning: Beginning, said: Option<FrontKind>, does: &Does) -> FrontKind {
    if let Some(said) = said {
        return said;
    }
    let role = match does {
        Does::LeadsTo(chain) => chain.as_str().and_then(ChainName::parse).map(|name| name.role),
        _ => None,
    };
    match (beginning, role, does) {
        (Beginning::Refused, ..) | (_, Some(ChainRole::Cluster | ChainRole::Local), _) => FrontKind::ClusterIp,
        (Beginning::Firewall, ..) | (_, Some(ChainRole::Firewall), _) => FrontKind::LoadBalancerIp,
        (Beginning::RefusedOutside, ..) | (_, Some(ChainRole::External | ChainRole::ExternalLocal), _) => {
            FrontKind::ExternalOrLoadBalancerIp
        }
        (_, _, Does::Masquerade(who)) if **who == Masqueraded::All => FrontKind::ExternalOrLoadBalancerIp,
        _ => FrontKind::Unknown,
    }
}

/// What a comment of kube-proxy's says.
#[derive(Debug, Default, PartialEq, Eq)]
struct Comment {
    name: Option<ServicePortName>,
    kind: Option<FrontKind>,
    why: Option<RefusalReason>,
}

impl Comment {
    fn read(text: &str) -> Self {
        let (name, rest) = text.split_once(' ').unwrap_or((text, ""));
        let Some(name) = ServicePortName::parse(name) else { return Self::default() };
        let kind = match rest {
            "cluster IP" => Some(FrontKind::ClusterIp),
            "external IP" => Some(FrontKind::ExternalIp),
            "loadbalancer IP" => Some(FrontKind::LoadBalancerIp),
            _ => None,
        };
        let why = match rest {
            "has no endpoints" => Some(RefusalReason::NoEndpoints),
            "has no local endpoints" => Some(RefusalReason::NoLocalEndpoints),
            _ => None,
        };
        Self { name: Some(name), kind, why }
    }
}

/// The service port that a comment names.
pub(super) fn comment_name(text: &str) -> Option<ServicePortName> {
    Comment::read(text).name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_of_all_versions_are_read() {
        let name = |text: &str| ServicePortName::parse(text);
        let plain = |text: &str| Comment { name: name(text), ..Comment::default() };
        let cases = [
            ("default/web:http cluster IP", Comment { kind: Some(FrontKind::ClusterIp), ..plain("default/web:http") }),
            ("default/nginx:", plain("default/nginx")),
            ("a/b loadbalancer IP", Comment { kind: Some(FrontKind::LoadBalancerIp), ..plain("a/b") }),
            ("a/b:c has no endpoints", Comment { why: Some(RefusalReason::NoEndpoints), ..plain("a/b:c") }),
            ("a/b:c has no local endpoints", Comment { why: Some(RefusalReason::NoLocalEndpoints), ..plain("a/b:c") }),
            ("a/b:c traffic not accepted by KUBE-FW-QQNROL5V7PXTXB4C", plain("a/b:c")),
            ("kubernetes service nodeports; NOTE: this must be the last rule in this chain", Comment::default()),
            ("", Comment::default()),
        ];
        for (text, expected) in cases {
            assert_eq!(Comment::read(text), expected, "{text:?}");
        }
    }
}
