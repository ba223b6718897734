//! The base chains of a hook, in the order in which the kernel runs them as far as it can be known.
//!
//! May import model and its siblings only.

use schemars::JsonSchema;
use serde::Serialize;

use super::listing::{ChainListing, notation, one};
use crate::analyze::answer::Gathered;
use crate::analyze::netfilter::hooks::nat_place;
use crate::model::netfilter::chain::{Chain, ChainKind, Hook};
use crate::model::netfilter::hook::HookEntry;
use crate::model::netfilter::table::{Family, Table, TableRef};
use crate::model::view::NodeView;

/// What a packet of one kind meets at a hook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct HookListing {
    /// Its node; only where several were asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// The packet's family: inet's chains are among those of ip and ip6.
    pub family: Family,
    /// The hook.
    pub hook: Hook,
    /// Chains that run at one priority, in order.
    pub places: Vec<HookPlace>,
}

/// Chains that run at one priority; of nat, whose chains all run at its own place, those of one priority of their own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct HookPlace {
    /// The priority; of nat chains that of nat's own place.
    pub priority: i32,
    /// Whether the chains stand in the order in which they run; else nobody knows it.
    pub order_known: bool,
    /// They.
    pub chains: Vec<HookChain>,
}

/// A base chain at its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct HookChain {
    /// Its table.
    pub table: TableRef,
    /// Its table is dormant: it does not run.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub dormant: bool,
    /// The chain, with its rules.
    #[serde(flatten)]
    pub chain: ChainListing,
}

/// The chains of a hook, for each kind of packet that meets any.
pub(super) fn listings(
    node: &dyn NodeView,
    label: Option<&String>,
    hook: Hook,
    family: Option<Family>,
    tables: &[Table],
    gathered: &mut Gathered,
) -> Vec<HookListing> {
    let host = node.node().host_netns;
    let section = node.netfilter().base_chains(host);
    let all: Vec<&Chain> = gathered
        .take(&section)
        .iter()
        .filter(|chain| chain.base.as_ref().is_some_and(|base| base.hook == hook))
        .collect();
    let packets = [Family::Ip, Family::Ip6, Family::Arp, Family::Bridge, Family::Netdev];
    let asked = |of: &Family| match family {
        None => true,
        Some(Family::Inet) => matches!(of, Family::Ip | Family::Ip6),
        Some(family) => family == *of,
    };
    let mut found = Vec::new();
    for of in packets.into_iter().filter(asked) {
        let sees = |chain: &&&Chain| {
            let family = chain.id.table.family;
            let is_link = matches!(hook, Hook::Ingress | Hook::Egress);
            match of {
                Family::Ip | Family::Ip6 => family == of || (family == Family::Inet && !is_link),
                Family::Netdev => family == of || (family == Family::Inet && is_link),
                _ => family == of,
            }
        };
        let chains: Vec<&Chain> = all.iter().filter(sees).copied().collect();
        if chains.is_empty() {
            continue;
        }
        let section = node.netfilter().hooks(host, of, hook);
        let order = gathered.take(&section).clone().unwrap_or_default();
        let places = places(node, hook, chains, &order, tables, gathered);
        found.push(HookListing { node: label.cloned(), family: of, hook, places });
    }
    found
}

fn places(
    node: &dyn NodeView,
    hook: Hook,
    mut chains: Vec<&Chain>,
    order: &[HookEntry],
    tables: &[Table],
    gathered: &mut Gathered,
) -> Vec<HookPlace> {
    let is_nat = |chain: &Chain| chain.base.as_ref().is_some_and(|base| base.kind == ChainKind::Nat);
    let own = |chain: &Chain| chain.base.as_ref().map_or(0, |base| base.priority);
    let place = |chain: &Chain| if is_nat(chain) { nat_place(hook) } else { own(chain) };
    let listed = |chain: &Chain| order.iter().position(|entry| entry.chain.as_ref() == Some(&chain.id));
    let dormant = |chain: &Chain| tables.iter().any(|table| table.id == chain.id.table && table.dormant);
    chains.sort_by_key(|chain| (place(chain), is_nat(chain), own(chain), listed(chain), chain.id.clone()));
    let mut places: Vec<HookPlace> = Vec::new();
    // Where a chain that filters runs at nat's own place, nobody knows whether before or after all of nat.
    let is_mixed = |at: i32| {
        let mut there = chains.iter().filter(|chain| place(chain) == at && !dormant(chain));
        there.clone().any(|chain| is_nat(chain)) && there.any(|chain| !is_nat(chain))
    };
    let together =
        |one: &&Chain, other: &&Chain| place(one) == place(other) && (own(one) == own(other) || is_mixed(place(one)));
    for group in chains.chunk_by(together) {
        let running: Vec<&Chain> = group.iter().filter(|chain| !dormant(chain)).copied().collect();
        let all_listed = running.iter().all(|chain| listed(chain).is_some());
        let order_known = running.len() < 2 || all_listed;
        let mut held = Vec::new();
        for chain in group {
            let section = node.netfilter().chain(node.node().host_netns, &chain.id);
            let Some(rules) = gathered.take(&section) else { continue };
            let listing = one(node, rules, notation(&chain.id.table));
            held.push(HookChain { table: chain.id.table.clone(), dormant: dormant(chain), chain: listing });
        }
        places.push(HookPlace { priority: group.first().map_or(0, |chain| place(chain)), order_known, chains: held });
    }
    places
}
