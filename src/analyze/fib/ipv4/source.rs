//! Which IPv4 source address is chosen: `fib_result_prefsrc` and `inet_select_addr`.
//!
//! May import model only.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};

use crate::model::address::{Address, Scope};
use crate::model::ids::IfIndex;
use crate::model::route::{NextHop, Route};

use super::super::facts::Facts;
use super::super::found::Source;

/// The source that a route gives a packet which leaves by one of its next hops.
pub(super) fn of_route(facts: &Facts<'_>, route: &Route, hop: &NextHop) -> Source {
    if let Some(address) = route.source {
        return Source::Chosen { address, why: "the route names it".to_owned() };
    }
    let Some(link) = hop.ifindex else { return Source::None { why: "the route has no link".to_owned() } };
    // The kernel reads the first four bytes of a gateway of the other family.
    let gateway = match hop.gateway {
        Some(IpAddr::V4(gateway)) => Some(gateway),
        Some(IpAddr::V6(gateway)) => {
            let [a, b, c, d, ..] = gateway.octets();
            Some(Ipv4Addr::new(a, b, c, d)).filter(|first| !first.is_unspecified())
        }
        None => None,
    };
    select(facts, link, gateway, route.scope)
}

/// Mirrors `inet_select_addr`.
pub(in super::super) fn select(facts: &Facts<'_>, link: IfIndex, near: Option<Ipv4Addr>, scope: Scope) -> Source {
    if let Some(why) = facts.address_gap() {
        return Source::Unknown { why };
    }
    let local_scope = if route_localnet(facts, link) { Scope::Link } else { Scope::Host }.number();
    let fits = |address: &&Address| {
        address.address.addr().is_ipv4()
            && !address.has_flag("secondary")
            && address.scope.number().min(local_scope) <= scope.number()
    };
    let own: Vec<&Address> = facts.addresses_of(link).filter(fits).collect();
    if let Some(near) = near
        && let Some(found) = own.iter().find(|address| subnet_holds(address, near))
    {
        let address = found.address.addr();
        return Source::Chosen {
            address,
            why: format!("the address of {} in the gateway's subnet", facts.link_name(link)),
        };
    }
    if let Some(found) = own.first() {
        let why = format!("the first primary address of {} with a fitting scope", facts.link_name(link));
        return Source::Chosen { address: found.address.addr(), why };
    }
    of_other_links(facts, link, scope)
}

/// The link has no address that fits: those of its VRF, then of any link of the same VRF (or of none).
fn of_other_links(facts: &Facts<'_>, link: IfIndex, scope: Scope) -> Source {
    let vrf = facts.l3_master(link);
    if let Some(vrf) = vrf
        && let Some(address) = first_wide(facts, vrf, scope)
    {
        return Source::Chosen { address, why: format!("an address of the VRF {}", facts.link_name(vrf)) };
    }
    let mut found: Vec<(IfIndex, IpAddr)> = facts
        .links()
        .iter()
        .filter(|other| facts.l3_master(other.ifindex) == vrf)
        .filter_map(|other| first_wide(facts, other.ifindex, scope).map(|address| (other.ifindex, address)))
        .collect();
    let name = facts.link_name(link);
    match found.as_slice() {
        [] => Source::None { why: format!("neither {name} nor another link has an address with a fitting scope") },
        [(other, address)] => Source::Chosen {
            address: *address,
            why: format!("{name} has none that fits; it is the address of {}", facts.link_name(*other)),
        },
        [(IfIndex(1), address), ..] => {
            Source::Chosen { address: *address, why: format!("{name} has none that fits; loopback's come first") }
        }
        _ => {
            found.sort();
            let mut addresses: Vec<IpAddr> = found.into_iter().map(|(_, address)| address).collect();
            addresses.dedup();
            let why = format!(
                "{name} has none that fits; the kernel takes that of the link that was registered first, which it does not tell"
            );
            Source::OneOf { addresses, why }
        }
    }
}

/// Mirrors `in_dev_select_addr`.
fn first_wide(facts: &Facts<'_>, link: IfIndex, scope: Scope) -> Option<IpAddr> {
    facts
        .addresses_of(link)
        .find(|address| {
            address.address.addr().is_ipv4()
                && !address.has_flag("secondary")
                && address.scope != Scope::Link
                && address.scope.number() <= scope.number()
        })
        .map(|address| address.address.addr())
}

/// Mirrors `inet_ifa_match`: the subnet is that of the other end, where there is one.
fn subnet_holds(address: &Address, wanted: Ipv4Addr) -> bool {
    let IpNet::V4(own) = address.address else { return false };
    let base = match address.peer {
        Some(IpAddr::V4(peer)) => Ipv4Net::new(peer, own.prefix_len()).unwrap_or(own),
        _ => own,
    };
    base.contains(&wanted)
}

/// Whether addresses of 127.0.0.0/8 may be used on that link.
pub(super) fn route_localnet(facts: &Facts<'_>, link: IfIndex) -> bool {
    facts.sysctl("ipv4.conf.all.route_localnet") == Some(1)
        || facts.link_sysctl("ipv4", link, "route_localnet") == Some(1)
}
