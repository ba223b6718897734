//! What the node does to the source address of what it routes on for the pod.
//!
//! May import model and its siblings only.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::Serialize;

use super::HostStep;
use crate::analyze::answer::Gathered;
use crate::analyze::identity::Found;
use crate::analyze::nat::{Leaving, NatRule, leaving};
use crate::analyze::netfilter::deed::TranslationKind;
use crate::analyze::netfilter::{Ask, Clause, Condition};
use crate::model::address::{Address, Scope};
use crate::model::ids::IfIndex;
use crate::model::route::Family;
use crate::model::view::NodeView;

/// What rewrites the source address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct NatStep {
    /// The rules.
    #[serde(flatten)]
    pub leaving: Leaving,
    /// What becomes of what is sent to the world by each of the pod's families, where that is known.
    pub takes: Vec<Taken>,
}

/// The address that packets to the world take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Taken {
    /// Instead of this one.
    pub instead_of: IpAddr,
    /// The address.
    pub address: IpAddr,
    /// The destinations for which they do not.
    pub outside: Vec<String>,
}

/// The step. `addresses` are the pod's, of global scope.
pub(super) fn step(found: &Found<'_>, addresses: &[Address], host: &HostStep, gathered: &mut Gathered) -> NatStep {
    let own: Vec<IpAddr> = addresses.iter().map(|address| address.address.addr()).collect();
    let leaving = leaving(found, &own, gathered);
    let mut takes = Vec::new();
    for address in own {
        let of_it = |rule: &&NatRule| rule.address == address;
        let rules: Vec<&NatRule> = leaving.rules.iter().flatten().filter(of_it).collect();
        takes.extend(taken(found.node, address, &rules, host, gathered));
    }
    NatStep { leaving, takes }
}

/// The address that packets to the world take: of the first rule that no mark or other matter decides
/// about. Those before it may give others to what they apply to.
fn taken(
    node: &dyn NodeView,
    address: IpAddr,
    rules: &[&NatRule],
    host: &HostStep,
    gathered: &mut Gathered,
) -> Option<Taken> {
    let family = Family::of(address);
    let out = host.routes.iter().find(|out| out.family == family)?;
    let chosen = out.way.route()?;
    let [link] = chosen.leaves_by.as_slice() else { return None };
    let name = chosen.links.iter().find(|found| found.ifindex == *link).map(|found| &found.name);
    for rule in rules {
        if rule.unknown.is_some() {
            return None;
        }
        let mut outside = Vec::new();
        let is_plain = rule.when.iter().all(|clause| match clause {
            Clause::Is(Condition { not: true, ask: Ask::Destination { addresses } }) => {
                if !addresses.are_multicast() {
                    outside.push(addresses.words());
                }
                !addresses.contain(out.destination)
            }
            Clause::Is(Condition { not, ask: Ask::OutLink { name: asked } }) => {
                name.is_some_and(|name| (name == asked) != *not)
            }
            _ => false,
        });
        if !is_plain {
            continue;
        }
        let translation = rule.translation.as_ref()?;
        let taken = match translation.kind {
            TranslationKind::Masquerade => {
                let gateway = chosen.route.nexthops.iter().find(|hop| hop.ifindex == Some(*link))?.gateway;
                address_of(node, *link, family, gateway, gathered)?
            }
            _ => translation.to.addresses.filter(|(min, max)| min == max)?.0,
        };
        return Some(Taken { instead_of: address, address: taken, outside });
    }
    None
}

/// The address that a masquerade takes: as the kernel chooses one for a link (`inet_select_addr` with
/// the gateway: the first primary one of its subnet, else the first; of IPv6 only where there is one).
fn address_of(
    node: &dyn NodeView,
    link: IfIndex,
    family: Family,
    gateway: Option<IpAddr>,
    gathered: &mut Gathered,
) -> Option<IpAddr> {
    let section = node.addresses(node.node().host_netns);
    let addresses: &Vec<Address> = gathered.take(&section);
    let usable = |address: &&Address| {
        address.ifindex == link
            && Family::of(address.address.addr()) == family
            && address.scope == Scope::Universe
            && !address.has_flag("secondary")
    };
    let usable: Vec<&Address> = addresses.iter().filter(usable).collect();
    let near = usable.iter().find(|address| gateway.is_some_and(|gateway| address.address.contains(&gateway)));
    match (family, near, usable.as_slice()) {
        (Family::Ipv4, Some(near), _) => Some(near.address.addr()),
        (Family::Ipv4, None, [first, ..]) => Some(first.address.addr()),
        (Family::Ipv6, _, [only]) => Some(only.address.addr()),
        _ => None,
    }
}
