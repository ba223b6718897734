//! `services [NAME|IP[:PORT]|NODEPORT|POD]`: what a service really does on this node, from the rules that do it.
//!
//! Both modes of kube-proxy, every shape since 1.10, and both back ends become one thing first (a rule
//! that asks something and does something: `step`); chains are then read alike. The cost follows the
//! question: a service is looked up by what it begins with, and of its chains only those are read that it
//! leads to. May import model and its siblings only.

mod affinity;
mod chains;
mod doubt;
mod evidence;
mod exact;
mod finish;
mod foreign;
mod index;
mod interval;
mod iptables;
mod leftover;
mod listening;
pub mod lookup;
mod mode;
mod nftables;
pub(in crate::analyze) mod pods;
mod query;
mod select;
pub mod share;
mod source;
mod step;
pub mod types;

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

pub use self::query::{ServicesError, ServicesQuery};

use self::evidence::Words;
use self::finish::{Detail, Draft};
use self::index::{Does, IndexedSet, grouped};
use self::mode::{RuleSource, beside_rules, mixed, of_rules, rule_sets};
use self::pods::Pods;
use self::query::Asked;
use self::select::{Indexed, select};
use self::types::{AskedPod, Evidence, Listening, Mode, Proxy, Refusal, RuleSet, ServicePort, Services};
use super::answer::{Answer, Gathered, node_label};
use super::finding::{Code, Finding};
use super::identity::{FindError, PodQuery, find_pod};
use super::nat::words;
use super::netfilter::owners::both_back_ends;
use crate::model::kube_proxy::{Protocol, ServicePortName};
use crate::model::netfilter::chain::ChainRef;
use crate::model::netfilter::table::Family;
use crate::model::view::NodeView;

/// How many services' chains are held at a time where all are asked for.
const BATCH: usize = 256;

/// Answers `services`.
pub fn services(nodes: &[&dyn NodeView], query: &ServicesQuery) -> Result<Answer<Services>, ServicesError> {
    let asked = Asked::read(query)?;
    let mut gathered = Gathered::default();
    if let (Asked::Name(form), true) = (&asked, query.endpoints_only)
        && let Some(data) = exact::services(nodes, form, &mut gathered)
    {
        return Ok(Answer::new(nodes, data, gathered));
    }
    let (asked, pod) = match asked {
        Asked::Pod(text) => {
            let pod = asked_pod(nodes, &text, query, &mut gathered)?;
            (Asked::Pod(text), Some(pod))
        }
        asked => (asked, None),
    };
    let mut indexed = index(nodes, &asked, &mut gathered);
    let (selected, asked, pod) = match select(&indexed, &asked, query) {
        Ok(selected) => (selected, asked, pod),
        // What IPVS or BPF does with it is unknown, and was said to be.
        Err(ServicesError::NotFound { .. }) if indexed.iter().any(|node| is_beyond(node.mode)) => {
            (Vec::new(), asked, pod)
        }
        Err(error @ ServicesError::NotFound { .. }) => {
            match as_pod(nodes, &asked, query, &mut gathered) {
                Some((text, pod)) => {
                    let asked = Asked::Pod(text);
                    indexed = index(nodes, &asked, &mut gathered);
                    (select(&indexed, &asked, query)?, asked, Some(pod))
                }
                // A rule or element that is not read may be its.
                None if is_unsure(&indexed) => (Vec::new(), asked, pod),
                None => return Err(error),
            }
        }
        Err(error) => return Err(error),
    };
    let is_whole = matches!(asked, Asked::All | Asked::Pod(_));
    let words = if matches!(asked, Asked::All) && query.brief { Words::Left } else { Words::Told };
    let mut data = Services { pod: pod.clone(), ..Services::default() };
    for (at, node) in indexed.iter().enumerate() {
        let label = node_label(nodes, node.node);
        let wanted: Vec<usize> = selected.iter().filter(|(of, _)| *of == at).map(|(_, group)| *group).collect();
        let pods = (!query.endpoints_only && !wanted.is_empty()).then(|| Pods::read(node.node, &mut gathered));
        let mut ports = Vec::with_capacity(wanted.len());
        let mut batches = wanted.chunks(BATCH).peekable();
        while let Some(batch) = batches.next() {
            if is_whole {
                read_batch(node, batch, batches.peek().copied());
            }
            for place in batch.iter().copied() {
                let group = &node.groups[place];
                let partial = !is_whole && group.set.mode == Mode::Nftables && is_looked_up(&asked);
                let mut draft = Draft::new(group, Detail { words, partial });
                for (of_set, set) in node.sets.iter().enumerate() {
                    let entries: Vec<_> =
                        node.entries(place).filter(|(of, _)| *of == of_set).map(|(_, entry)| entry).collect();
                    if !entries.is_empty() {
                        draft.add(set, &entries);
                    }
                }
                let mut port = draft.done(pods.as_ref());
                port.node.clone_from(&label);
                if let Some(pods) = pods.as_ref().filter(|_| !matches!(asked, Asked::All)) {
                    listening::look(node.node, pods, &mut port, &mut gathered);
                }
                ports.push(port);
            }
        }
        if matches!(asked, Asked::All) && query.namespace.is_none() {
            data.leftovers.extend(leftover::of(&node.sets, label.as_ref()));
        }
        if let Some(pod) = pod.as_ref() {
            ports.retain(|port| has_endpoint(port, pod));
        }
        if !query.endpoints_only {
            let (before, behind) =
                foreign::find(node.node, label.as_ref(), &node.sets, &ports, is_whole, &mut gathered);
            data.foreign.extend(before);
            data.foreign.extend(behind.drops);
            data.findings.extend(may_drop(&behind.may));
            data.findings.extend(foreign::not_looked_for(node.node, &node.sets, is_whole));
        }
        if data.services.is_empty() {
            data.services = ports;
        } else {
            data.services.append(&mut ports);
        }
        let masquerading = if query.endpoints_only { Vec::new() } else { masquerading(&node.sets) };
        let rules = node.sets.iter().map(|set| set.set.clone()).collect();
        data.proxies.push(Proxy { node: label, mode: node.mode, rules, masquerading });
        for set in &node.sets {
            set.source.issues(&mut gathered);
        }
    }
    data.services.sort_by(|one, other| order(one).cmp(&order(other)));
    data.leftovers.sort();
    find(&mut data, is_whole);
    Ok(Answer::new(nodes, data, gathered))
}

/// Reads the chains that some services lead to, and has those of the next ones read meanwhile.
fn read_batch(node: &Indexed<'_>, batch: &[usize], next: Option<&[usize]>) {
    for (place, set) in node.sets.iter().enumerate() {
        let starts = |batch: &[usize]| {
            let entries = batch.iter().flat_map(|group| node.entries(*group)).filter(|(of, _)| *of == place);
            let starts = entries.filter_map(|(_, entry)| match &entry.does {
                Does::LeadsTo(chain) => Some(chain.clone()),
                _ => None,
            });
            starts.collect()
        };
        set.source.nat().read_batch(starts(batch));
        if let Some(next) = next {
            set.source.nat().expect_batch(starts(next));
        }
    }
}

/// Named services first.
fn order(port: &ServicePort) -> (Option<&String>, bool, Option<&ServicePortName>, Option<u8>, &String, Mode) {
    let protocol = port.protocol.map(Protocol::number);
    (port.node.as_ref(), port.name.is_none(), port.name.as_ref(), protocol, &port.title, port.mode)
}

/// Modes whose services are not in the rules.
fn is_beyond(mode: Mode) -> bool {
    matches!(mode, Mode::Ipvs | Mode::Bpf)
}

/// Whether something in the rules was not read, so that what was not found may be there.
fn is_unsure(indexed: &[Indexed<'_>]) -> bool {
    indexed.iter().flat_map(|node| &node.sets).any(|set| set.source.is_unsure())
}

/// Whether nftables mode can answer with one element.
fn is_looked_up(asked: &Asked) -> bool {
    matches!(asked, Asked::Address(_, Some(_)) | Asked::NodePort(_))
}

/// Reads where services begin, on all nodes.
fn index<'a>(nodes: &[&'a dyn NodeView], asked: &Asked, gathered: &mut Gathered) -> Vec<Indexed<'a>> {
    let known: Vec<ServicePortName> = match asked {
        Asked::Name(form) => form
            .namespace
            .iter()
            .map(|namespace| ServicePortName {
                namespace: namespace.clone(),
                name: form.name.clone(),
                port: form.port.clone().filter(|port| !port.is_empty()),
            })
            .collect(),
        _ => Vec::new(),
    };
    let mut all = Vec::new();
    for node in nodes {
        let found = rule_sets(*node, gathered);
        let by_rules = of_rules(found.iter().map(|(set, _)| set));
        let mode = beside_rules(*node, by_rules, gathered);
        both_back_ends(*node, gathered);
        mixed(found.iter().map(|(set, _)| set), gathered);
        let found = if mode == Mode::Ipvs { Vec::new() } else { found };
        if matches!(asked, Asked::All | Asked::Pod(_)) && !found.is_empty() {
            lookup::expect(*node);
        }
        let mut sets = Vec::new();
        for (set, source) in found {
            sets.push(indexed_set(*node, set, source, asked, gathered));
        }
        let groups = grouped(&sets, &known);
        all.push(Indexed { node: *node, mode, sets, groups });
    }
    all
}

fn indexed_set<'a>(
    node: &'a dyn NodeView,
    set: RuleSet,
    mut source: RuleSource<'a>,
    asked: &Asked,
    gathered: &mut Gathered,
) -> IndexedSet<'a> {
    if matches!(asked, Asked::All | Asked::Pod(_)) {
        source.read_whole();
    }
    let mut begun = if set.mode == Mode::Nftables {
        let wanted = match asked {
            Asked::Address(address, Some(port)) => nftables::Wanted::Address(*address, *port),
            Asked::NodePort(port) => nftables::Wanted::NodePort(*port),
            _ => nftables::Wanted::All,
        };
        nftables::begin(source.nat(), wanted)
    } else {
        iptables::begin(source.nat(), source.filter())
    };
    if let Some(on) = begun.node_ports_on.as_mut().filter(|on| on.family == Family::Ip) {
        let localnet = node.sysctl(node.node().host_netns, "ipv4.conf.all.route_localnet");
        let routed = gathered.take(&localnet).as_ref().map(|value| value.trim() == "1");
        let loopback = IpAddr::from([127, 0, 0, 1]);
        let answers = (on.any_local || on.only.iter().any(|net| net.contains(&loopback)))
            && !on.except.iter().any(|net| net.contains(&loopback));
        on.loopback = if answers { routed } else { Some(false) };
    }
    IndexedSet { set, source, begun }
}

/// The pod that was asked for.
fn asked_pod(
    nodes: &[&dyn NodeView],
    text: &str,
    query: &ServicesQuery,
    gathered: &mut Gathered,
) -> Result<AskedPod, FindError> {
    let query = PodQuery { text: text.to_owned(), namespace: query.namespace.clone(), all: false };
    let found = find_pod(nodes, &query, gathered)?;
    let sandbox = &found.sandbox;
    let mut ips: Vec<IpAddr> = sandbox.ips.clone().unwrap_or_default();
    if ips.is_empty() {
        let netns = if sandbox.host_network { Some(found.node.node().host_netns) } else { sandbox.netns };
        if let Some(netns) = netns {
            let held = found.node.addresses(netns);
            let held = gathered.take(&held).iter().map(|address| address.address.addr());
            ips.extend(held.filter(|address| !address.is_loopback()));
        }
    }
    Ok(AskedPod {
        node: node_label(nodes, found.node),
        pod: sandbox.pod.clone(),
        ips,
        host_network: sandbox.host_network,
    })
}

/// What is no service may be a pod.
fn as_pod(
    nodes: &[&dyn NodeView],
    asked: &Asked,
    query: &ServicesQuery,
    gathered: &mut Gathered,
) -> Option<(String, AskedPod)> {
    let text = match asked {
        Asked::Name(form) if !form.forced && form.port.is_none() => query.text.clone()?,
        Asked::Address(address, None) => address.to_string(),
        _ => return None,
    };
    let mut own = Gathered::default();
    let pod = asked_pod(nodes, &text, query, &mut own).ok()?;
    gathered.issues.append(&mut own.issues);
    Some((text, pod))
}

fn has_endpoint(port: &ServicePort, pod: &AskedPod) -> bool {
    let here = pod.node.is_none() || pod.node == port.node || !pod.host_network;
    here && port.endpoints.iter().any(|endpoint| pod.ips.contains(&endpoint.address))
}

/// The rules that masquerade what was marked.
fn masquerading(sets: &[IndexedSet<'_>]) -> Vec<Evidence> {
    let mut rules = Vec::new();
    for set in sets {
        let name = if set.set.mode == Mode::Nftables { "masquerading" } else { "KUBE-POSTROUTING" };
        let source = set.source.nat();
        let Some(held) = source.chain(&name.into()) else { continue };
        rules.extend(held.steps().map(|step| evidence::of_rule(&held.id, step.rule, source)));
    }
    rules
}

/// That a path decides.
fn may_drop(chains: &BTreeSet<ChainRef>) -> Option<Finding> {
    let first = chains.first()?;
    let more = chains.len() - 1;
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    let text = format!(
        "behind the translation the rules of {}{more} may drop what is sent on to endpoints: `podnet trace POD \
         ADDRESS:PORT` tells whose",
        words::chain(first)
    );
    Some(Finding::note(Code::FiltersBehind, text))
}

/// What is worth saying.
fn find(data: &mut Services, is_whole: bool) {
    if data.services.iter().any(|port| port.mode == Mode::Nftables) {
        let text = "kube-proxy's rules in nftables mode count nothing: there are no counters to tell";
        data.findings.push(Finding::note(Code::NoCounters, text));
    }
    for port in data.services.iter().filter(|port| port.endpoints.is_empty() && !port.partial && port.whole) {
        let refused: BTreeSet<&str> = port
            .addresses
            .iter()
            .flat_map(|front| &front.refusals)
            .chain(port.node_port.iter().flat_map(|node_port| &node_port.refusals))
            .map(Refusal::words)
            .collect();
        if !refused.is_empty() {
            let refused = refused.into_iter().collect::<Vec<_>>().join("; ");
            data.findings.push(Finding::odd(Code::NoEndpoints, format!("{}: {refused}", port.title)));
        }
    }
    for port in &data.services {
        for endpoint in &port.endpoints {
            let Listening::No { elsewhere } = &endpoint.listening else { continue };
            let elsewhere = elsewhere.as_ref().map_or_else(String::new, |at| format!(" ({at})"));
            let at = SocketAddr::new(endpoint.address, endpoint.port);
            let text = format!("{}: no socket waits at its endpoint {at}{elsewhere}", port.title);
            data.findings.push(Finding::odd(Code::NoListener, text));
        }
    }
    if data.pod.is_some() {
        let text = "as this node's rules see it: selectors, headless and ExternalName services, and endpoints that are \
                    not ready leave nothing in the kernel";
        data.findings.push(Finding::note(Code::NotInKernel, text));
    }
    if data.pod.as_ref().is_some_and(|pod| pod.host_network) {
        let text = "a hostNetwork pod has its node's address: these are the services with an endpoint there, whichever pod serves it";
        data.findings.push(Finding::note(Code::NotInKernel, text));
    }
    if !data.leftovers.is_empty() && is_whole {
        let count = data.leftovers.len();
        let text = format!(
            "no rule leads to {count} of the chains of services: on clusters over 1,000 endpoints kube-proxy removes \
             them late, which is normal"
        );
        data.findings.push(Finding::note(Code::Leftover, text));
    }
    if data.services.iter().any(|port| port.name.is_none()) {
        let text = "some rules bear no comment and their hash is of no name that is known here: the chain's hash stands for the service";
        data.findings.push(Finding::note(Code::NameUnknown, text));
    }
    data.findings.sort();
}
