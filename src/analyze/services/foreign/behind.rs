//! Filters that packets meet behind kube-proxy's translation, on their way to an endpoint.
//!
//! Told are those that drop whatever is sent to an endpoint; of those that may drop some of it only that they are
//! there, for whose packets is a path's question (`trace`). May import model and its siblings only.

use std::cell::LazyCell;
use std::collections::BTreeSet;
use std::net::IpAddr;

use super::bases::{self, at_hook};
use super::types::{Effect, Foreign, Met};
use super::{LOCAL, Search, UNICAST};
use crate::analyze::nat::words::{self, Subject};
use crate::analyze::netfilter::owners::is_of_services;
use crate::analyze::netfilter::text::RuleRef;
use crate::analyze::netfilter::walk::{Question, Touch, Walk};
use crate::analyze::netfilter::{Deed, Packet};
use crate::analyze::services::types::{Endpoint, ServicePort};
use crate::model::kube_proxy::Protocol;
use crate::model::netfilter::chain::{Chain, ChainKind, ChainRef, Hook, Policy};
use crate::model::netfilter::table;
use crate::model::route::Family;

/// How many endpoints a packet is walked for; others are held against what any packet may meet.
const MOST_WALKS: usize = 64;

/// What base chains do to what is sent to endpoints.
#[derive(Default)]
pub(in crate::analyze::services) struct Behind {
    /// Those that drop it whoever sends it.
    pub(in crate::analyze::services) drops: Vec<Foreign>,
    /// Those that may drop some of it.
    pub(in crate::analyze::services) may: BTreeSet<ChainRef>,
}

/// What a base chain does to packets to one endpoint.
enum Fate {
    Passes,
    /// Not known, or not to all of them alike.
    May,
    /// By a rule, or else by its policy.
    Dropped(Option<Box<Touch>>),
}

/// An endpoint, and the title of a service port that leads there; sorted.
type Ends<'p> = Vec<(End, &'p str)>;

/// Where packets to an endpoint go.
type End = (IpAddr, u16, Option<Protocol>);

impl Search<'_, '_> {
    pub(super) fn behind(
        &mut self,
        families: &BTreeSet<table::Family>,
        ports: &[ServicePort],
        label: Option<&String>,
        is_whole: bool,
    ) -> Behind {
        let mut behind = Behind::default();
        let ends = LazyCell::new(|| ends(ports));
        for family in families.iter().copied() {
            let of_family = |end: &Endpoint| end.address.is_ipv6() == (family == table::Family::Ip6);
            if !ports.iter().flat_map(|port| &port.endpoints).any(of_family) {
                continue;
            }
            for hook in [Hook::Forward, Hook::Input, Hook::Postrouting] {
                for chain in at_hook(self.node, family, hook, is_whole, self.gathered) {
                    self.chain(&chain, family, &ends, label, &mut behind);
                }
            }
        }
        behind
    }

    fn chain<'p>(
        &mut self,
        chain: &Chain,
        family: table::Family,
        ends: &LazyCell<Ends<'p>, impl FnOnce() -> Ends<'p>>,
        label: Option<&String>,
        behind: &mut Behind,
    ) {
        let Some(base) = chain.base.as_ref().filter(|base| base.kind == ChainKind::Filter) else { return };
        if bases::is_kube_proxys(&chain.id) {
            return;
        }
        let (family, hook) = (if family == table::Family::Ip6 { Family::Ipv6 } else { Family::Ipv4 }, base.hook);
        let any = self.touches(&chain.id, &sent_on(family, hook));
        let is_strict = base.policy == Policy::Drop;
        if !is_strict && any.iter().all(|touch| touch.deed == Deed::Accept) {
            return;
        }
        let mut walks = 0;
        for services in ends.chunk_by(|(one, _), (next, _)| one == next) {
            let Some(((address, port, protocol), _)) = services.first() else { continue };
            if Family::of(*address) != family {
                continue;
            }
            let kind = self.kind(*address);
            // What is for the node itself is not sent on, and the other way round.
            if kind.is_some_and(|kind| (kind == LOCAL) != (hook == Hook::Input)) {
                continue;
            }
            let mut packet = sent_on(family, hook);
            packet.destination = Some(*address);
            packet.destination_port = Some(*port);
            packet.protocol = protocol.map(Protocol::number);
            walks += 1;
            let fate = if walks > MOST_WALKS {
                fate(&any, &packet, is_strict)
            } else {
                fate(&self.touches(&chain.id, &packet), &packet, is_strict)
            };
            match fate {
                Fate::Passes => {}
                Fate::May => drop(behind.may.insert(chain.id.clone())),
                // Where the route leads is not known: it may be the node's own.
                Fate::Dropped(_) if kind.is_none() => drop(behind.may.insert(chain.id.clone())),
                Fate::Dropped(touch) => {
                    self.gathered.bad = true;
                    let met = |(_, service): &(End, &str)| Met {
                        service: (*service).to_owned(),
                        address: Some(*address),
                        port: *port,
                        protocol: *protocol,
                    };
                    let path = touch.map(|touch| touch.path).unwrap_or_default();
                    let rules: Vec<RuleRef> = path.iter().map(|place| RuleRef::of(self.node, place)).collect();
                    let services = services.iter().map(met);
                    let subject = if hook == Hook::Input { Subject::Reaching } else { Subject::SentOn };
                    let policy = format!("is dropped by the policy of {}", words::chain(&chain.id));
                    let does = if rules.is_empty() { policy.as_str() } else { "is dropped or rejected" };
                    let says = words::sentence(subject, &[], does);
                    let same = |one: &&mut Foreign| one.hook == hook && one.says == says && one.rules == rules;
                    if let Some(known) = behind.drops.iter_mut().find(same) {
                        known.services.extend(services);
                        continue;
                    }
                    behind.drops.push(Foreign {
                        node: label.cloned(),
                        hook,
                        priority: base.priority,
                        order_known: true,
                        effect: Effect::Drops,
                        certain: true,
                        translation: None,
                        services: services.collect(),
                        says,
                        when: Vec::new(),
                        unknown: None,
                        rules,
                    });
                }
            }
        }
    }

    /// The rules of a base chain that may end the way of a packet, or let it pass.
    fn touches(&mut self, chain: &ChainRef, packet: &Packet) -> Vec<Touch> {
        let tells =
            |deed: &Deed| matches!(deed, Deed::Accept | Deed::Drop | Deed::Queue | Deed::Socket | Deed::Undecoded(_));
        // What load balancers refuse is told with them.
        let enters = |chain: &ChainRef| !is_of_services(chain) && chain.name != *"KUBE-PROXY-FIREWALL";
        let host = self.node.node().host_netns;
        let mut walk = Walk::new(self.node.netfilter(), host, Question { tells: &tells, enters: &enters });
        walk.base_chain(chain, &mut packet.clone());
        self.gathered.issues.append(&mut walk.issues);
        walk.touches
    }
}

fn ends(ports: &[ServicePort]) -> Ends<'_> {
    let mut ends: Ends<'_> = ports
        .iter()
        .flat_map(|port| {
            let title = port.title.as_str();
            port.endpoints.iter().map(move |end| ((end.address, end.port, port.protocol), title))
        })
        .collect();
    ends.sort_unstable();
    ends.dedup();
    ends
}

/// What is known of any packet on its way to an endpoint: the first of its flow, whose destination was translated.
fn sent_on(family: Family, hook: Hook) -> Packet {
    let mut packet = Packet::of(family);
    packet.is_first = Some(true);
    packet.translated = Some(true);
    packet.destination_kind = Some(if hook == Hook::Input { LOCAL } else { UNICAST });
    if hook == Hook::Input {
        packet.out_link = Some(None);
    }
    packet
}

fn fate(touches: &[Touch], packet: &Packet, is_strict: bool) -> Fate {
    let (mut may_drop, mut may_pass) = (false, false);
    for touch in touches {
        let holds: Vec<Option<bool>> = touch.when.iter().map(|clause| clause.holds(packet)).collect();
        if holds.contains(&Some(false)) {
            continue;
        }
        let is_certain = holds.iter().all(Option::is_some);
        match touch.deed {
            Deed::Accept | Deed::Socket if is_certain => return if may_drop { Fate::May } else { Fate::Passes },
            Deed::Accept | Deed::Socket => may_pass = true,
            Deed::Drop if is_certain => {
                return if may_pass { Fate::May } else { Fate::Dropped(Some(Box::new(touch.clone()))) };
            }
            _ => may_drop = true,
        }
    }
    match (is_strict, may_pass, may_drop) {
        (true, false, false) => Fate::Dropped(None),
        (true, ..) | (_, _, true) => Fate::May,
        _ => Fate::Passes,
    }
}
