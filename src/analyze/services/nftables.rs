//! Where services begin in nftables mode: maps from address, protocol and port to a chain.
//!
//! May import model and its siblings only.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use super::chains::{condition, masqueraded};
use super::doubt;
use super::evidence::{of_element, of_rule};
use super::index::{Begun, Does, Entry, Found, Place};
use super::interval::{address_key, addresses, port_key, read_port_key, read_service_key, service_key};
use super::source::Source;
use super::step::{Then, When, verdict};
use super::types::{Evidence, FrontKind, NodePortOn, RefusalReason, RefusalVerdict};
use crate::model::issue::{Issue, Why};
use crate::model::kube_proxy::{ChainName, Protocol, ServicePortName};
use crate::model::netfilter::set::{Element, SetRef};
use crate::model::netfilter::table::Family;
use crate::model::text::{ByteText, Bytes};

const SERVICE_IPS: &str = "service-ips";
const SERVICE_NODE_PORTS: &str = "service-nodeports";
const NO_ENDPOINT_SERVICES: &str = "no-endpoint-services";
const NO_ENDPOINT_NODE_PORTS: &str = "no-endpoint-nodeports";
const FIREWALL_IPS: &str = "firewall-ips";
const CLUSTER_IPS: &str = "cluster-ips";

/// What is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// All of it: the maps are read.
    All,
    /// One address and port: one element of each map.
    Address(IpAddr, u16),
    /// One node port: likewise.
    NodePort(u16),
}

/// Reads the maps, or looks one key up in them.
pub(super) fn begin(source: &Source<'_>, wanted: Wanted) -> Begun {
    let mut begun = Begun::default();
    // The kernel refuses a key of the other family: it is of another length.
    if matches!(wanted, Wanted::Address(address, _) if !is_of(source, address)) {
        return begun;
    }
    let maps = Maps { source, wanted, cluster_ips: cluster_ips(source, wanted) };
    begun.entries.extend(maps.addresses(FIREWALL_IPS));
    let limited: BTreeSet<IpAddr> = begun
        .entries
        .iter()
        .filter_map(|entry| match entry.place {
            Place::Address(_, address, _) => Some(address),
            _ => None,
        })
        .collect();
    for map in [SERVICE_IPS, NO_ENDPOINT_SERVICES] {
        begun.entries.extend(maps.addresses(map));
    }
    for entry in &mut begun.entries {
        if let Place::Address(kind @ FrontKind::ExternalOrLoadBalancerIp, address, _) = &mut entry.place
            && limited.contains(address)
        {
            *kind = FrontKind::LoadBalancerIp;
        }
    }
    for map in [SERVICE_NODE_PORTS, NO_ENDPOINT_NODE_PORTS] {
        begun.entries.extend(maps.ports(map));
    }
    common(source, &mut begun);
    begun
}

/// The cluster IPs; where one address is asked for, whether it is one.
fn cluster_ips(source: &Source<'_>, wanted: Wanted) -> BTreeSet<IpAddr> {
    let set = source.set(&CLUSTER_IPS.into());
    match wanted {
        Wanted::All => addresses(source.table.family, &source.elements(&set)).into_iter().collect(),
        Wanted::Address(address, _) => {
            source.element(&set, &address_key(address)).map(|_| address).into_iter().collect()
        }
        Wanted::NodePort(_) => BTreeSet::new(),
    }
}

struct Maps<'s, 'a> {
    source: &'s Source<'a>,
    wanted: Wanted,
    cluster_ips: BTreeSet<IpAddr>,
}

impl Maps<'_, '_> {
    /// The elements of a map that the question needs.
    fn elements(&self, set: &SetRef, key: impl Fn(Protocol) -> Option<Bytes>) -> Vec<Element> {
        if self.wanted == Wanted::All {
            return self.source.elements(set).to_vec();
        }
        let keys = Protocol::ALL.into_iter().filter_map(key);
        keys.filter_map(|key| self.source.element(set, &key)).collect()
    }

    /// Entries of a map from addresses.
    fn addresses(&self, map: &str) -> Vec<Entry> {
        let family = self.source.table.family;
        let set = self.source.set(&map.into());
        let key = |protocol| match self.wanted {
            Wanted::Address(address, port) => Some(service_key(address, protocol, port)),
            _ => None,
        };
        let entry = |element: Element| {
            let (address, protocol, port) = read_service_key(family, &element.key)?;
            let is_cluster_ip = self.cluster_ips.contains(&address);
            let kind = if is_cluster_ip { FrontKind::ClusterIp } else { FrontKind::ExternalOrLoadBalancerIp };
            let text = format!("{address} . {protocol} . {port}");
            self.entry(&set, Place::Address(kind, address, port), protocol, text, &element)
        };
        self.elements(&set, key)
            .into_iter()
            .filter_map(|element| entry(element).or_else(|| self.unread(&set)))
            .collect()
    }

    /// Entries of a map from ports.
    fn ports(&self, map: &str) -> Vec<Entry> {
        let set = self.source.set(&map.into());
        let key = |protocol| match self.wanted {
            Wanted::NodePort(port) => Some(port_key(protocol, port)),
            _ => None,
        };
        let entry = |element: Element| {
            let (protocol, port) = read_port_key(&element.key)?;
            self.entry(&set, Place::NodePort(port), protocol, format!("{protocol} . {port}"), &element)
        };
        self.elements(&set, key)
            .into_iter()
            .filter_map(|element| entry(element).or_else(|| self.unread(&set)))
            .collect()
    }

    /// Says that an element is not kube-proxy's.
    fn unread(&self, set: &SetRef) -> Option<Entry> {
        let what = format!("{} of table {} {}", set.name, set.table.family, set.table.name);
        let detail = "it has an element that podnet does not read: what becomes of its packets is unknown";
        self.source.issue(Issue::incomplete(what, Why::Unsupported { detail: detail.to_owned() }));
        None
    }

    fn entry(
        &self,
        set: &Arc<SetRef>,
        place: Place,
        protocol: Protocol,
        key: String,
        element: &Element,
    ) -> Option<Entry> {
        let does = verdict(element.data.as_ref());
        let value = match &does {
            Then::To(chain) => format!("goto {chain}"),
            Then::Drop => "drop".to_owned(),
            Then::Reject => "reject".to_owned(),
            _ => return None,
        };
        let mut name = element.comment.as_ref().and_then(ByteText::as_str).and_then(ServicePortName::parse);
        let does = match does {
            Then::To(chain) => match chain.as_str().and_then(ChainName::parse) {
                Some(known) => {
                    name = known.service.map(|(name, _)| name).or(name);
                    Does::LeadsTo(chain)
                }
                None => self.helper(&chain)?,
            },
            Then::Drop => Does::Refuse(RefusalVerdict::Drop, RefusalReason::NoLocalEndpoints),
            Then::Reject => Does::Refuse(RefusalVerdict::Reject, RefusalReason::NoEndpoints),
            _ => return None,
        };
        let found = Found::Element(Box::new(of_element(set, key, Some(value))));
        Some(Entry { place, name: name.map(Arc::new), protocol: Some(protocol), does, found })
    }

    /// `reject-chain`: a map can only lead to a chain that rejects.
    fn helper(&self, chain: &ByteText) -> Option<Does> {
        let held = self.source.chain(chain)?;
        held.steps().find_map(|step| match step.then {
            Then::Reject => Some(Does::Refuse(RefusalVerdict::Reject, RefusalReason::NoEndpoints)),
            Then::Drop => Some(Does::Refuse(RefusalVerdict::Drop, RefusalReason::NoLocalEndpoints)),
            _ => None,
        })
    }
}

/// What is written once for all services: where node ports answer, who is masqueraded on cluster IPs, hairpins.
fn common(source: &Source<'_>, begun: &mut Begun) {
    if let Some(held) = source.chain(&"services".into()) {
        let mut asks_addresses = false;
        for (at, step) in held.steps().enumerate() {
            let evidence = || of_rule(&held.id, step.rule, source);
            let cluster_ips =
                |when: &When| matches!(when, When::DestinationSet { set, not: false } if *set == CLUSTER_IPS);
            match &step.then {
                Then::Mark if step.when.iter().any(cluster_ips) => {
                    let evidence = evidence();
                    begun.cluster_ips.push((masqueraded(&step, || condition(&evidence)), evidence));
                }
                Then::Map { by_address: false, set } if *set == SERVICE_NODE_PORTS => {
                    begun.node_ports_on = Some(node_ports_on(source, &step.when));
                }
                Then::Map { by_address: true, set } if *set == SERVICE_IPS && step.when.is_empty() => {
                    asks_addresses = true;
                }
                _ if doubt::decides(source, &step) => doubt::among(source, &held, at),
                _ => {}
            }
        }
        if !asks_addresses {
            let detail =
                format!("no rule looks every packet up in {SERVICE_IPS}: which get to their service is unknown");
            doubt::unsure(source, &held, detail);
        }
    }
    for name in ["filter-prerouting-pre-dnat", "filter-output-pre-dnat", "firewall-check"] {
        let Some(held) = source.chain(&name.into()) else { continue };
        for (at, step) in held.steps().enumerate() {
            let is_usual = match &step.then {
                Then::To(chain) => *chain == *"firewall-check",
                Then::Map { set, .. } => *set == FIREWALL_IPS,
                _ => false,
            };
            if !is_usual && doubt::decides(source, &step) {
                doubt::among(source, &held, at);
            }
        }
    }
    if let Some(held) = source.chain(&"masquerading".into()) {
        for step in held.steps().filter(|step| step.then == Then::Masquerade) {
            let flow = step.when.iter().find_map(|when| match when {
                When::Flow { set } => Some(set.clone()),
                _ => None,
            });
            if let Some(set) = flow {
                begun.hairpins = Some((set, of_rule(&held.id, step.rule, source)));
            }
        }
    }
}

fn node_ports_on(source: &Source<'_>, when: &[When]) -> NodePortOn {
    let family = source.table.family;
    let mut on = NodePortOn { family, any_local: false, only: Vec::new(), except: Vec::new(), loopback: None };
    for when in when {
        match when {
            When::DestinationLocal { not: false } => on.any_local = true,
            When::Destination { net, not: false } => on.only.push(*net),
            When::Destination { net, not: true } => on.except.push(*net),
            When::DestinationSet { set, not: false } => {
                let elements = source.elements(&source.set(set));
                on.only.extend(super::interval::networks(family, &elements));
            }
            _ => {}
        }
    }
    on
}

/// Whether an address is of a table's family.
fn is_of(source: &Source<'_>, address: IpAddr) -> bool {
    address.is_ipv6() == (source.table.family == Family::Ip6)
}

/// What becomes of a packet to a cluster IP on a port that no service has.
pub(super) fn wrong_port(source: &Source<'_>, address: IpAddr) -> Option<(bool, Evidence)> {
    let held = source.chain(&"cluster-ips-check".into()).filter(|_| is_of(source, address))?;
    held.steps().find_map(|step| {
        let meets = step.when.iter().all(|when| match when {
            When::DestinationSet { set, not } => {
                let there = source.element(&source.set(set), &address_key(address)).is_some();
                there != *not
            }
            When::Destination { net, not } => net.contains(&address) != *not,
            _ => false,
        });
        let reject = match step.then {
            Then::Reject => true,
            Then::Drop => false,
            _ => return None,
        };
        meets.then(|| (reject, of_rule(&held.id, step.rule, source)))
    })
}
