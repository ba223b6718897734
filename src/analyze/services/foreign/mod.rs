//! Rules that are not kube-proxy's, where packets to services pass before they meet its own: in other tables
//! and base chains of the same hook, and in kube-proxy's base chain before it leads to its rules.
//!
//! One walk a hook for packets of which little is known; what it finds is held against each service, and
//! only where that does not tell is a packet to the service itself walked. May import model and its
//! siblings only.

mod bases;
pub(super) mod behind;
pub mod types;

use std::cell::{Cell, OnceCell};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;

use self::bases::{Before, bases};
use self::behind::Behind;
use self::types::{Effect, Foreign, Met};
use super::index::IndexedSet;
use super::types::{Mode, NodePort, ServicePort};
use crate::analyze::answer::Gathered;
use crate::analyze::finding::{Code, Finding};
use crate::analyze::nat::words::{self, Subject};
use crate::analyze::netfilter::owners::is_of_services;
use crate::analyze::netfilter::text::RuleRef;
use crate::analyze::netfilter::walk::{End, Question, Touch, Walk};
use crate::analyze::netfilter::{Ask, Clause, Condition, Deed, Packet, Translation};
use crate::model::issue::{Issue, Why};
use crate::model::kube_proxy::Protocol;
use crate::model::netfilter::chain::{ChainKind, ChainRef, Hook};
use crate::model::netfilter::table;
use crate::model::route::{Family, RouteKind};
use crate::model::text::ByteText;
use crate::model::view::NodeView;

/// How many packets to a service itself are walked.
const MOST_WALKS: u32 = 256;
/// How many of the node's own addresses are held against node ports one by one.
const MOST_OWN: usize = 16;
/// `1 << RTN_UNICAST`
const UNICAST: u16 = 1 << 1;
/// `1 << RTN_LOCAL`
const LOCAL: u16 = 1 << 2;

/// A rule that may act, with the base chain that leads to it.
struct Found {
    hook: Hook,
    priority: i32,
    order_known: bool,
    touch: Touch,
}

/// What a walk found.
struct Walked {
    found: Vec<Found>,
    /// Whether that is not all.
    crowded: bool,
    issues: Vec<Issue>,
}

/// What makes two effects one.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Same {
    hook: Hook,
    priority: i32,
    path: Vec<(ChainRef, u32)>,
    effect: Effect,
    when: Vec<Clause>,
}

/// An address or node port, and packets to it.
struct Front {
    met: Met,
    packet: Packet,
}

/// One node's question.
struct Search<'a, 'g> {
    node: &'a dyn NodeView,
    gathered: &'g mut Gathered,
    /// The networks that the node takes for its own; `None` where its routes could not be read.
    own: OnceCell<Option<Vec<IpNet>>>,
    walks_left: u32,
}

/// What rules of others do to packets to these services before kube-proxy's are asked.
pub(super) fn find(
    node: &dyn NodeView,
    label: Option<&String>,
    sets: &[IndexedSet<'_>],
    ports: &[ServicePort],
    is_whole: bool,
    gathered: &mut Gathered,
) -> (Vec<Foreign>, Behind) {
    let mut found: BTreeMap<Same, Foreign> = BTreeMap::new();
    let mut search = Search { node, gathered, own: OnceCell::new(), walks_left: MOST_WALKS };
    for set in sets {
        let family = match set.set.family {
            table::Family::Ip6 => Family::Ipv6,
            _ => Family::Ipv4,
        };
        let mut fronts: Option<Vec<Front>> = None;
        for hook in [Hook::Prerouting, Hook::Output] {
            let chains = bases(node, set, hook, is_whole, search.gathered);
            let may = search.walk(set, &chains, &packet(family, hook));
            if may.found.is_empty() && !may.crowded {
                search.gathered.issues.extend(may.issues);
                continue;
            }
            let fronts = fronts.get_or_insert_with(|| {
                let ports = ports.iter().filter(|port| port.mode == set.set.mode);
                ports.flat_map(|port| search.fronts(port, family)).collect()
            });
            for front in fronts.iter() {
                for (one, when) in search.meets(set, &chains, &may, front, hook) {
                    search.note(&one, when, front, label, &mut found);
                }
            }
        }
    }
    let found: Vec<Foreign> = found.into_values().collect();
    for one in &found {
        search.weigh(one);
    }
    let families = sets.iter().map(|set| set.set.family).collect();
    let behind = search.behind(&families, ports, label, is_whole);
    (found, behind)
}

/// That base chains which bear none of the usual names were not looked for, where the kernel does not list what is
/// hooked in and the tables are too full to be looked through for one service.
pub(super) fn not_looked_for(node: &dyn NodeView, sets: &[IndexedSet<'_>], is_whole: bool) -> Option<Finding> {
    let families: BTreeSet<table::Family> = sets.iter().map(|set| set.set.family).collect();
    if is_whole || !families.into_iter().any(|family| bases::are_unseen(node, family)) {
        return None;
    }
    let text = "base chains of unusual names within kube-proxy's tables were not looked for: `podnet services` without \
                a name does";
    Some(Finding::note(Code::FiltersBehind, text))
}

/// What is known of any packet at a hook.
fn packet(family: Family, hook: Hook) -> Packet {
    let mut packet = Packet::of(family);
    packet.is_first = Some(true);
    packet.translated = Some(false);
    if hook == Hook::Output {
        packet.in_link = Some(None);
        packet.source_kind = Some(LOCAL);
    } else {
        packet.out_link = Some(None);
    }
    packet
}

impl Search<'_, '_> {
    /// Where packets to a service port go; a node port at each of the node's own addresses.
    fn fronts(&mut self, port: &ServicePort, family: Family) -> Vec<Front> {
        let addresses = port.addresses.iter().filter(|front| Family::of(front.address) == family);
        let mut places: Vec<(Option<IpAddr>, u16)> = addresses.map(|front| (Some(front.address), front.port)).collect();
        if let Some(node_port) = &port.node_port {
            places.extend(self.node_port_at(node_port, family).into_iter().map(|at| (at, node_port.port)));
        }
        let front = |(address, number): (Option<IpAddr>, u16)| {
            let mut packet = Packet::of(family);
            packet.destination = address;
            packet.destination_port = Some(number);
            packet.protocol = port.protocol.map(Protocol::number);
            packet.destination_kind = match address {
                Some(address) => self.kind(address),
                None => Some(LOCAL),
            };
            let met = Met { service: port.title.clone(), address, port: number, protocol: port.protocol };
            Front { met, packet }
        };
        places.into_iter().map(front).collect()
    }

    /// The node's own addresses at which a node port answers; `None` stands for those that are not told one by one.
    fn node_port_at(&mut self, node_port: &NodePort, family: Family) -> Vec<Option<IpAddr>> {
        let is_of = |of: table::Family| (of == table::Family::Ip6) == (family == Family::Ipv6);
        let Some(on) = node_port.on.iter().find(|on| is_of(on.family)) else {
            return if node_port.on.is_empty() { vec![None] } else { Vec::new() };
        };
        let Some(own) = self.own() else { return vec![None] };
        let single = |net: &&IpNet| net.prefix_len() == net.max_prefix_len();
        let own = own.iter().filter(single).map(IpNet::addr).filter(|own| Family::of(*own) == family);
        let answers = |own: &IpAddr| {
            (on.any_local || on.only.iter().any(|net| net.contains(own)))
                && !on.except.iter().any(|net| net.contains(own))
        };
        let own: Vec<_> = own.filter(|own| !own.is_loopback()).filter(answers).map(Some).collect();
        if own.is_empty() || own.len() > MOST_OWN { vec![None] } else { own }
    }

    /// The networks that the node takes for its own, each once; `None` where that could not be read.
    fn own(&self) -> Option<&[IpNet]> {
        let own = self.own.get_or_init(|| {
            let host = self.node.node().host_netns;
            let (addresses, routes) = (self.node.addresses(host), self.node.routes(host));
            let held = addresses.value.iter().map(|address| IpNet::from(address.address.addr()));
            let locals = routes.value.iter().filter(|route| route.kind == RouteKind::Local).map(|route| route.dst);
            let all: BTreeSet<IpNet> = held.chain(locals).collect();
            (addresses.issues.is_empty() && routes.issues.is_empty()).then(|| all.into_iter().collect())
        });
        own.as_deref()
    }

    /// What an address is to this node's routes: its own, or another's.
    fn kind(&self, address: IpAddr) -> Option<u16> {
        self.own().map(|own| if own.iter().any(|net| net.contains(&address)) { LOCAL } else { UNICAST })
    }

    /// What rules may do to a packet, in the order in which they are asked.
    fn walk(&self, set: &IndexedSet<'_>, chains: &[Before], packet: &Packet) -> Walked {
        let goal = set.source.nat().table.chain(goal(set.set.mode));
        let is_own = Cell::new(false);
        let is_reached = Cell::new(false);
        let tells = |deed: &Deed| !is_reached.get() && bears(deed, is_own.get());
        let enters = |chain: &ChainRef| {
            if *chain == goal {
                is_reached.set(true);
            }
            !is_of_services(chain)
        };
        let mut walk =
            Walk::new(self.node.netfilter(), self.node.node().host_netns, Question { tells: &tells, enters: &enters });
        let mut packet = packet.clone();
        let mut found = Vec::new();
        for before in chains {
            is_own.set(before.is_own);
            let Some(base) = &before.chain.base else { continue };
            let end = walk.base_chain(&before.chain.id, &mut packet);
            let touches = std::mem::take(&mut walk.touches).into_iter();
            // To leave another chain than the base chain itself leads nowhere.
            let counts = |touch: &Touch| match &touch.deed {
                Deed::Return => touch.path.len() == 1,
                Deed::Goto(to) => touch.path.len() == 1 && *to != goal.name,
                _ => true,
            };
            let by_link = by_link(&base.devices);
            found.extend(touches.filter(counts).map(|mut touch| {
                touch.when.extend(by_link.clone());
                Found { hook: base.hook, priority: base.priority, order_known: before.order_known, touch }
            }));
            if end == End::Translated && base.kind == ChainKind::Nat && before.order_known {
                break;
            }
        }
        Walked { found, crowded: walk.crowded, issues: walk.issues }
    }

    /// Those of them that packets to a service may meet, each with what must hold beside.
    fn meets(
        &mut self,
        set: &IndexedSet<'_>,
        chains: &[Before],
        may: &Walked,
        front: &Front,
        hook: Hook,
    ) -> Vec<(Found, Vec<Clause>)> {
        let mut packet = packet(front.packet.family, hook);
        packet.destination = front.packet.destination;
        packet.destination_port = front.packet.destination_port;
        packet.destination_kind = front.packet.destination_kind;
        packet.protocol = front.packet.protocol;
        let open = |found: &Found| -> Option<Vec<Clause>> {
            let mut open = Vec::new();
            for clause in &found.touch.when {
                match clause.holds(&packet) {
                    Some(true) => {}
                    Some(false) => return None,
                    None => open.push(left(clause, &packet)),
                }
            }
            Some(open)
        };
        let met: Vec<_> = may.found.iter().filter_map(|found| Some((found, open(found)?))).collect();
        let is_vague = may.crowded
            || met.iter().any(|(found, open)| {
                matches!(found.touch.deed, Deed::Undecoded(_))
                    || matches!(&found.touch.deed, Deed::Translate(Translation { unknown: Some(_), .. }))
                    || open.iter().any(is_vague)
            });
        if is_vague && self.walks_left > 0 {
            self.walks_left -= 1;
            let walked = self.walk(set, chains, &packet);
            self.gathered.issues.extend(walked.issues);
            return walked.found.into_iter().filter_map(|found| open(&found).map(|open| (found, open))).collect();
        }
        self.gathered.issues.extend(may.issues.iter().cloned());
        met.into_iter().map(|(found, open)| (found.again(), open)).collect()
    }

    fn note(
        &mut self,
        found: &Found,
        when: Vec<Clause>,
        front: &Front,
        label: Option<&String>,
        all: &mut BTreeMap<Same, Foreign>,
    ) {
        let Found { hook, priority, order_known, touch } = found;
        let (effect, does) = effect(&touch.deed);
        let path = touch.path.iter().map(|place| (place.chain.clone(), place.rule.number)).collect();
        let same = Same { hook: *hook, priority: *priority, path, effect, when };
        if let Some(known) = all.get_mut(&same) {
            if !known.services.contains(&front.met) {
                known.services.push(front.met.clone());
            }
            return;
        }
        let subject = if *hook == Hook::Output { Subject::SentItself } else { Subject::Reaching };
        let undecoded = same.when.iter().find_map(Clause::undecoded).map(ToOwned::to_owned);
        let of_deed = matches!(effect, Effect::ToSocket | Effect::Queues | Effect::Unknown).then(|| does.clone());
        let foreign = Foreign {
            node: label.cloned(),
            hook: *hook,
            priority: *priority,
            order_known: *order_known,
            effect,
            certain: same.when.is_empty(),
            translation: match &touch.deed {
                Deed::Translate(translation) => Some(translation.clone()),
                _ => None,
            },
            services: vec![front.met.clone()],
            says: words::sentence(subject, &same.when, &does),
            when: same.when.clone(),
            unknown: of_deed.or(undecoded),
            rules: touch.path.iter().map(|place| RuleRef::of(self.node, place)).collect(),
        };
        all.insert(same, foreign);
    }

    /// What an effect makes of the whole answer.
    fn weigh(&mut self, one: &Foreign) {
        let Some(rule) = one.rules.last() else { return };
        let is_harm = matches!(one.effect, Effect::Translates | Effect::Drops | Effect::LeadsPast);
        let place = format!("rule {} of {}", rule.number, words::chain(&rule.chain));
        let why = match (&one.unknown, one.order_known) {
            (Some(why), _) => format!("{place} is asked before kube-proxy's rules: {why}"),
            (None, false) => format!(
                "{place} is asked at the priority of kube-proxy's own chain ({}): which of the two runs first is not known",
                one.priority
            ),
            (None, true) => {
                self.gathered.bad |= one.certain && is_harm;
                return;
            }
        };
        let services = some_of(&one.services);
        let what = format!("telling what becomes of packets to {services}");
        self.gathered.issue(Issue::incomplete(what, Why::Unsupported { detail: why }));
    }
}

/// `default/web:http`, `default/web:http, default/nginx and 7 more`.
fn some_of(services: &[Met]) -> String {
    const FEW: usize = 3;
    let mut names: Vec<&str> = services.iter().map(|met| met.service.as_str()).collect();
    names.dedup();
    let more = names.len().saturating_sub(FEW);
    names.truncate(FEW);
    let names = names.join(", ");
    if more == 0 { names } else { format!("{names} and {more} more") }
}

impl Found {
    fn again(&self) -> Self {
        Self { touch: self.touch.clone(), ..*self }
    }
}

/// The chain where kube-proxy looks services up.
fn goal(mode: Mode) -> &'static str {
    if mode == Mode::Nftables { "services" } else { "KUBE-SERVICES" }
}

/// What a base chain of links asks of itself.
fn by_link(devices: &[ByteText]) -> Option<Clause> {
    let ask = match devices {
        [] => return None,
        [name] => Ask::InLink { name: name.clone() },
        many => {
            let names = many.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            Ask::Other { text: format!("it comes in by one of {names}") }
        }
    };
    Some(Clause::Is(Condition::is(ask)))
}

/// Whether a deed bears on whether kube-proxy's rules are asked. In its own base chain what ends the chain does.
fn bears(deed: &Deed, is_own: bool) -> bool {
    match deed {
        Deed::Drop | Deed::Socket | Deed::Notrack | Deed::Queue | Deed::Translate(_) | Deed::Undecoded(_) => true,
        Deed::Accept | Deed::Return | Deed::Goto(_) => is_own,
        Deed::Nothing | Deed::Jump(_) | Deed::Choose(_) => false,
    }
}

fn effect(deed: &Deed) -> (Effect, String) {
    let (effect, words) = match deed {
        Deed::Translate(translation) => return (Effect::Translates, words::does(translation)),
        Deed::Undecoded(why) => return (Effect::Unknown, format!("meets what is unknown: {why}")),
        Deed::Drop => (Effect::Drops, "is dropped or rejected"),
        Deed::Notrack => (Effect::Untracks, "is not tracked, so that no rule of nat is asked for it"),
        Deed::Socket => (Effect::ToSocket, "may be given to a socket of this node, whatever its address"),
        Deed::Queue => (Effect::Queues, "is handed to a program, which decides"),
        _ => (Effect::LeadsPast, "is led past kube-proxy's rules"),
    };
    (effect, words.to_owned())
}

/// What of a clause is left where some of it holds anyway.
fn left(clause: &Clause, packet: &Packet) -> Clause {
    match clause {
        Clause::Unless(all) => {
            let open = all.iter().filter(|one| one.holds(packet).is_none());
            Clause::unless(open.map(|one| left(one, packet)).collect())
        }
        clause @ Clause::Is(_) => clause.clone(),
    }
}

/// Whether a walk with the packet itself may tell more.
fn is_vague(clause: &Clause) -> bool {
    match clause {
        Clause::Is(Condition { ask, .. }) => matches!(ask, Ask::Other { .. } | Ask::Undecoded { .. }),
        Clause::Unless(all) => all.iter().any(is_vague),
    }
}
