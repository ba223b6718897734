//! `nat POD`: the masquerade, SNAT and hostPort rules that can touch a pod, in words, with the rules behind.
//!
//! A walk through nat's base chains with what is known: the pod's address as the source (what leaves it),
//! as the destination (what is sent on to it), and as what a DNAT leads to (its hostPorts). The chains
//! in which kube-proxy looks services up are not entered: `services POD` tells those. May import model
//! and its siblings only.

mod marks;
pub mod words;

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use schemars::JsonSchema;
use serde::Serialize;

use super::answer::{Answer, Gathered};
use super::finding::{Code, Finding};
use super::identity::{FindError, Found, PodQuery, find_pod};
use super::naming::{NetnsNames, PodHead};
use super::netfilter::deed::TranslationKind;
use super::netfilter::facts::KnownMark;
use super::netfilter::hooks::nat_chains;
use super::netfilter::owners::is_of_services;
use super::netfilter::text::RuleRef;
use super::netfilter::walk::{End, Question, Touch, Walk};
use super::netfilter::{Ask, Clause, Condition, Deed, Packet, Translation};
use crate::model::address::{Address, Scope};
use crate::model::issue::{Issue, Why};
use crate::model::netfilter::chain::{Chain, ChainRef, Hook};
use crate::model::route::Family;
use crate::model::view::NodeView;
use marks::Marks;
use words::Subject;

/// `1 << RTN_UNICAST`
const UNICAST: u16 = 1 << 1;
/// `1 << RTN_LOCAL`
const LOCAL: u16 = 1 << 2;

/// The rules that translate a pod's addresses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Nat {
    /// Which pod; `None` where an address was asked for, of rules alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod: Option<PodHead>,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// What rewrites the source of what leaves it, by address, then in the order in which the rules
    /// are asked: the first that applies counts.
    pub leaving: Vec<NatRule>,
    /// What leads to it from ports of this node, likewise.
    pub host_ports: Vec<NatRule>,
    /// What rewrites the source of what is sent on to it, likewise.
    pub arriving: Vec<NatRule>,
    /// Chains that were led to and not entered: services are looked up there.
    pub left_out: Vec<ChainRef>,
    /// What was found, sorted by weight.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
}

/// A rule that may translate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct NatRule {
    /// The pod's address that it is about.
    pub address: IpAddr,
    /// The rule in words. Names in it are as the node has them, not escaped.
    pub says: String,
    /// Where it is asked.
    pub hook: Hook,
    /// What it does; `None` where that is not decoded.
    pub translation: Option<Translation>,
    /// What must hold for it to act; empty where it acts on all.
    pub when: Vec<Clause>,
    /// Why it is not known whether or how it acts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unknown: Option<String>,
    /// The rules that lead to it, from the base chain's on; it is the last.
    pub rules: Vec<RuleRef>,
    /// The rules that may have set the mark that it asks for, in the order in which they are asked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub marked_by: Vec<RuleRef>,
}

/// What leaves a pod, as `trace` tells it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, JsonSchema)]
pub struct Leaving {
    /// The rules, in their order; `None` where the node's rules could not be read.
    pub rules: Option<Vec<NatRule>>,
    /// Why they could not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unknown: Option<String>,
}

/// Answers `nat POD`.
pub fn nat(nodes: &[&dyn NodeView], query: &PodQuery) -> Result<Answer<Nat>, FindError> {
    let mut gathered = Gathered::default();
    let found = find_pod(nodes, query, &mut gathered)?;
    let names = NetnsNames::read(found.node, &mut gathered);
    let pod = PodHead::of(nodes, &found, &names, &mut gathered);
    let addresses = addresses(&found, &mut gathered);
    if addresses.is_empty() {
        let detail = "the pod has no address that is known".to_owned();
        gathered.issue(Issue::incomplete("telling the pod's translations", Why::Gone { detail }));
    }
    let data = told(found.node, Some(pod), addresses, &mut gathered);
    Ok(Answer::new(nodes, data, gathered))
}

/// The same of an address, on a node of which the rules alone are known: taken for a pod's with a namespace of its own.
pub fn nat_of(node: &dyn NodeView, address: IpAddr) -> Answer<Nat> {
    let mut gathered = Gathered::default();
    let data = told(node, None, vec![address], &mut gathered);
    Answer::new(&[node], data, gathered)
}

fn told(node: &dyn NodeView, pod: Option<PodHead>, addresses: Vec<IpAddr>, gathered: &mut Gathered) -> Nat {
    let is_host = pod.as_ref().is_some_and(|pod| pod.host_network);
    let mut data = Nat {
        pod,
        addresses,
        leaving: Vec::new(),
        host_ports: Vec::new(),
        arriving: Vec::new(),
        left_out: Vec::new(),
        findings: Vec::new(),
    };
    if let Err(issue) = readable(node) {
        gathered.issue(issue);
        return data;
    }
    super::netfilter::owners::both_back_ends(node, gathered);
    let mut asked = Asked::of(node, is_host, gathered);
    for address in data.addresses.clone() {
        data.leaving.extend(asked.leaving(address));
        data.host_ports.extend(asked.host_ports(address));
        if !is_host {
            data.arriving.extend(asked.arriving(address));
        }
    }
    let Asked { left_out, mut findings, .. } = asked;
    data.left_out = left_out.into_iter().collect();
    findings.sort();
    findings.dedup();
    data.findings = findings;
    data
}

/// What rewrites the source of what a pod sends by way of its host.
pub fn leaving(found: &Found<'_>, addresses: &[IpAddr], gathered: &mut Gathered) -> Leaving {
    if let Err(issue) = readable(found.node) {
        let unknown = Some(issue.why.detail().to_owned());
        gathered.issue(issue);
        return Leaving { rules: None, unknown };
    }
    let mut asked = Asked::of(found.node, found.sandbox.host_network, gathered);
    let rules = addresses.iter().flat_map(|address| asked.leaving(*address)).collect();
    Leaving { rules: Some(rules), unknown: None }
}

/// What rewrites the source of what this node sends on from a source, or from any where none is named; of
/// itself, with `is_host`. The rules' `address` is the source, or the unspecified one.
pub fn sources(
    node: &dyn NodeView,
    family: Family,
    source: Option<IpAddr>,
    is_host: bool,
    gathered: &mut Gathered,
) -> Result<Vec<NatRule>, Issue> {
    readable(node)?;
    let mut asked = Asked { node, is_host, gathered, left_out: BTreeSet::new(), findings: Vec::new() };
    Ok(match source {
        Some(source) => asked.leaving(source),
        None => asked.sent_on(family),
    })
}

/// What leads to an address from ports of this node.
pub fn host_ports(node: &dyn NodeView, address: IpAddr, gathered: &mut Gathered) -> Result<Vec<NatRule>, Issue> {
    readable(node)?;
    let mut asked = Asked { node, is_host: false, gathered, left_out: BTreeSet::new(), findings: Vec::new() };
    Ok(asked.host_ports(address))
}

/// Whether the rules of the host can be read at all; else the one issue that says why not.
fn readable(node: &dyn NodeView) -> Result<(), Issue> {
    let host = node.node().host_netns;
    let section = node.netfilter().base_chains(host);
    match section.issues.first() {
        Some(first) if section.value.is_empty() => {
            Err(Issue { what: "reading the node's NAT rules".to_owned(), ..first.clone() })
        }
        _ => Ok(()),
    }
}

/// The pod's addresses of global scope: those that its namespace has, else those that the runtime tells.
pub(in crate::analyze) fn addresses(found: &Found<'_>, gathered: &mut Gathered) -> Vec<IpAddr> {
    let node = found.node;
    let sandbox = &found.sandbox;
    let mut all = BTreeSet::new();
    if sandbox.host_network {
        all.extend(sandbox.ips.iter().flatten().copied());
        if all.is_empty() {
            let section = node.addresses(node.node().host_netns);
            let held: &Vec<Address> = gathered.take(&section);
            all.extend(global(held));
        }
        return all.into_iter().collect();
    }
    if let Some(netns) = sandbox.netns {
        let section = node.addresses(netns);
        let held: &Vec<Address> = gathered.take(&section);
        all.extend(global(held));
    }
    if all.is_empty() {
        all.extend(sandbox.ips.iter().flatten().copied());
    }
    all.into_iter().collect()
}

fn global(addresses: &[Address]) -> impl Iterator<Item = IpAddr> + '_ {
    addresses.iter().filter(|address| address.scope == Scope::Universe).map(|address| address.address.addr())
}

/// One pod's questions to one node.
struct Asked<'a, 'g> {
    node: &'a dyn NodeView,
    is_host: bool,
    gathered: &'g mut Gathered,
    left_out: BTreeSet<ChainRef>,
    findings: Vec<Finding>,
}

impl<'a, 'g> Asked<'a, 'g> {
    fn of(node: &'a dyn NodeView, is_host: bool, gathered: &'g mut Gathered) -> Self {
        Self { node, is_host, gathered, left_out: BTreeSet::new(), findings: Vec::new() }
    }

    fn leaving(&mut self, address: IpAddr) -> Vec<NatRule> {
        let mut packet = Packet::of(Family::of(address));
        packet.source = Some(address);
        packet.source_kind = Some(if self.is_host { LOCAL } else { UNICAST });
        packet.is_first = Some(true);
        if self.is_host {
            packet.in_link = Some(None);
        }
        let subject = if self.is_host { Subject::Sent } else { Subject::RoutedOn };
        let before = if self.is_host {
            // A socket may mark what it sends.
            Marks::of(
                self.node,
                KnownMark::default(),
                &on_its_way([Hook::Output, Hook::Postrouting], &packet),
                self.gathered,
            )
        } else {
            let way = on_its_way([Hook::Prerouting, Hook::Forward, Hook::Postrouting], &packet);
            Marks::of(self.node, KnownMark::NONE, &way, self.gathered)
        };
        packet.mark = before.mark;
        let rules = self.walk(Hook::Postrouting, &packet, &changes_source);
        rules.into_iter().map(|(chain, touch)| self.rule(address, subject, &chain, touch, &before)).collect()
    }

    fn sent_on(&mut self, family: Family) -> Vec<NatRule> {
        let mut packet = Packet::of(family);
        packet.source_kind = Some(UNICAST);
        packet.is_first = Some(true);
        let any: IpAddr = match family {
            Family::Ipv4 => Ipv4Addr::UNSPECIFIED.into(),
            Family::Ipv6 => Ipv6Addr::UNSPECIFIED.into(),
        };
        let way = on_its_way([Hook::Prerouting, Hook::Forward, Hook::Postrouting], &packet);
        let before = Marks::of(self.node, KnownMark::NONE, &way, self.gathered);
        packet.mark = before.mark;
        let rules = self.walk(Hook::Postrouting, &packet, &changes_source);
        rules.into_iter().map(|(chain, touch)| self.rule(any, Subject::RoutedOn, &chain, touch, &before)).collect()
    }

    fn arriving(&mut self, address: IpAddr) -> Vec<NatRule> {
        let mut packet = Packet::of(Family::of(address));
        packet.destination = Some(address);
        packet.destination_kind = Some(UNICAST);
        packet.is_first = Some(true);
        // What the pod sends itself is among what leaves it.
        let from_itself = |clause: &Clause| matches!(clause, Clause::Is(Condition { not: false, ask: Ask::Source { addresses } }) if addresses.contain(address));
        // It comes from others or from this node, and its address may be a service's before it is translated.
        let unknown = Packet { destination: None, destination_kind: None, ..packet.clone() };
        let mut way = on_its_way([Hook::Prerouting], &unknown);
        way.extend(on_its_way([Hook::Forward], &packet));
        way.extend(on_its_way([Hook::Output], &unknown));
        way.extend(on_its_way([Hook::Postrouting], &packet));
        let before = Marks::of(self.node, KnownMark::default(), &way, self.gathered);
        packet.mark = before.mark;
        let rules = self.walk(Hook::Postrouting, &packet, &changes_source);
        rules
            .into_iter()
            .filter(|(_, touch)| !touch.when.iter().any(from_itself))
            .map(|(chain, touch)| self.rule(address, Subject::Arriving, &chain, touch, &before))
            .collect()
    }

    fn host_ports(&mut self, address: IpAddr) -> Vec<NatRule> {
        let leads_here = |deed: &Deed| match deed {
            Deed::Translate(Translation { kind: TranslationKind::Dnat, to, unknown }) => {
                let within = |(min, max): (IpAddr, IpAddr)| min <= address && address <= max;
                to.addresses.map_or(unknown.is_some(), within)
            }
            Deed::Undecoded(_) => true,
            _ => false,
        };
        let mut all = Vec::new();
        for (hook, subject) in [(Hook::Prerouting, Subject::Reaching), (Hook::Output, Subject::SentItself)] {
            let mut packet = Packet::of(Family::of(address));
            packet.is_first = Some(true);
            packet.translated = Some(false);
            if hook == Hook::Output {
                packet.in_link = Some(None);
                packet.source_kind = Some(LOCAL);
            }
            let before = Marks::default();
            let rules = self.walk(hook, &packet, &leads_here);
            all.extend(rules.into_iter().map(|(chain, touch)| self.rule(address, subject, &chain, touch, &before)));
        }
        all
    }

    /// Walks all nat chains of a hook.
    fn walk(&mut self, hook: Hook, packet: &Packet, tells: &dyn Fn(&Deed) -> bool) -> Vec<(Chain, Touch)> {
        let host = self.node.node().host_netns;
        let view = self.node.netfilter();
        let chains = nat_chains(view, host, hook, packet, self.gathered);
        let question = Question { tells, enters: &|chain| !is_of_services(chain) };
        let mut walk = Walk::new(view, host, question);
        let mut packet = packet.clone();
        let mut found = Vec::new();
        for chain in &chains {
            let end = walk.base_chain(&chain.id, &mut packet);
            found.extend(std::mem::take(&mut walk.touches).into_iter().map(|touch| (chain.clone(), touch)));
            if end == End::Translated {
                break;
            }
        }
        self.gathered.issues.append(&mut walk.issues);
        self.left_out.append(&mut walk.left_out);
        self.equal_priorities(hook, &found);
        found
    }

    /// Of chains with equal priorities that both may act, nobody knows which runs first.
    fn equal_priorities(&mut self, hook: Hook, found: &[(Chain, Touch)]) {
        for pair in found.windows(2) {
            let [(one, _), (other, _)] = pair else { continue };
            let priority = |chain: &Chain| chain.base.as_ref().map(|base| base.priority);
            if one.id != other.id && priority(one) == priority(other) {
                let name = |chain: &Chain| words::chain(&chain.id);
                let text = format!(
                    "{} and {} are both asked at {hook}, in an order that is not known: the first of them whose rule applies counts",
                    name(one),
                    name(other)
                );
                self.findings.push(Finding::note(Code::EqualPriority, text));
            }
        }
    }

    fn rule(&mut self, address: IpAddr, subject: Subject, chain: &Chain, touch: Touch, before: &Marks) -> NatRule {
        let Touch { path, when, deed } = touch;
        let rules = path.iter().map(|place| RuleRef::of(self.node, place)).collect();
        let undecoded = when.iter().find_map(Clause::undecoded).map(ToOwned::to_owned);
        let (translation, of_deed) = match deed {
            Deed::Translate(translation) => (Some(translation), None),
            Deed::Undecoded(why) => (None, Some(why)),
            _ => (None, None),
        };
        let by_register = translation.as_ref().and_then(|translation| translation.unknown.clone());
        let unknown = of_deed.or(undecoded).or(by_register.map(|words| format!("{words} tells the address")));
        if let Some(why) = &unknown {
            let what = format!("telling what a rule of {} does to {address}", words::chain(&chain.id));
            self.gathered.issue(Issue::incomplete(what, Why::Unsupported { detail: why.clone() }));
        }
        NatRule {
            address,
            says: words::says(subject, &when, translation.as_ref(), unknown.as_deref()),
            hook: chain.base.as_ref().map_or(Hook::Postrouting, |base| base.hook),
            translation,
            marked_by: before.setters(&when).map(|place| RuleRef::of(self.node, place)).collect(),
            when,
            unknown,
            rules,
        }
    }
}

/// A packet at each of some hooks.
fn on_its_way<const N: usize>(hooks: [Hook; N], packet: &Packet) -> Vec<(Hook, Packet)> {
    hooks.map(|hook| (hook, packet.clone())).to_vec()
}

/// Whether a deed may rewrite the source.
fn changes_source(deed: &Deed) -> bool {
    match deed {
        Deed::Translate(translation) => {
            matches!(translation.kind, TranslationKind::Masquerade | TranslationKind::Snat | TranslationKind::Netmap)
        }
        Deed::Undecoded(_) => true,
        _ => false,
    }
}
