//! What the routes say that an address is.
//!
//! May import model and analyze's siblings only.

use std::net::{IpAddr, Ipv6Addr};

use crate::analyze::fib::Outcome;
use crate::analyze::path::types::Stop;
use crate::analyze::path::walk::{Crossing, Walk};
use crate::analyze::path::world::{Place, World};
use crate::model::address::Address;
use crate::model::ids::{IfIndex, TableId};
use crate::model::netfilter::xt::matches::Addrtype;
use crate::model::route::{Family, Route, RouteKind, RouteQuery};

/// Numbers of `RTN_*`.
const UNICAST: u32 = 1;
const LOCAL: u32 = 2;
const BROADCAST: u32 = 3;
const ANYCAST: u32 = 4;
const MULTICAST: u32 = 5;
const BLACKHOLE: u32 = 6;
const UNREACHABLE: u32 = 7;
const PROHIBIT: u32 = 8;
/// `EACCES`
const EACCES: i32 = 13;
/// `EINVAL`
const EINVAL: i32 = 22;

impl Walk<'_, '_> {
    /// The number of `RTN_*` that an address is, on one link or anywhere. Mirrors `inet_dev_addr_type`, and
    /// for IPv6, of which the routes are asked in full, what nf_tables and xtables have in its place.
    pub(super) fn address_kind(&self, place: Place, query: &RouteQuery, link: Option<IfIndex>) -> Result<u32, Stop> {
        let address = query.dst;
        match address {
            IpAddr::V4(own) => {
                if own.octets()[0] == 0 || own.is_broadcast() {
                    return Ok(BROADCAST);
                }
                if own.is_multicast() {
                    return Ok(MULTICAST);
                }
                let routes = World::whole(self.world.view(place)?.routes(place.netns))?;
                let best = routes
                    .value
                    .iter()
                    .filter(|route| route.family == Family::Ipv4 && route.table == TableId::LOCAL)
                    .filter(|route| route.dst.contains(&address))
                    .max_by_key(|route| route.dst.prefix_len());
                let Some(best) = best else { return Ok(UNICAST) };
                let on_it = link.is_none() || best.nexthops.first().is_some_and(|hop| hop.ifindex == link);
                Ok(match best.kind {
                    _ if !on_it => UNICAST,
                    RouteKind::Local => LOCAL,
                    RouteKind::Broadcast => BROADCAST,
                    RouteKind::Anycast => ANYCAST,
                    _ => UNICAST,
                })
            }
            IpAddr::V6(own) => {
                // Every link that is up has a route for them, in a table that is asked before any other rule.
                if own.is_multicast() && self.has_multicast(place)? {
                    return Ok(MULTICAST);
                }
                let is_on_link = match link {
                    Some(link) => self.holds6(place, link, own)?,
                    None => false,
                };
                let oif = link.filter(|_| own.is_unicast_link_local());
                let found = self.world.route(place, &RouteQuery { oif, ..query.clone() })?;
                match (&found.outcome, found.kind) {
                    (Outcome::Unknown { why }, _) => Err(Stop::unknown(why.clone())),
                    (Outcome::Refused { errno: EINVAL, .. }, _) => Ok(BLACKHOLE),
                    (Outcome::Refused { errno: EACCES, .. }, _) => Ok(PROHIBIT),
                    (Outcome::Refused { .. }, _) => Ok(UNREACHABLE),
                    (_, Some(RouteKind::Anycast)) => Ok(ANYCAST),
                    (_, Some(RouteKind::Local)) if link.is_none() => Ok(LOCAL),
                    _ if is_on_link => Ok(LOCAL),
                    _ if own.is_multicast() => Ok(MULTICAST),
                    _ => Ok(UNICAST),
                }
            }
        }
    }

    /// Whether a link has an address. Mirrors `ipv6_chk_addr` where it is strict.
    fn holds6(&self, place: Place, link: IfIndex, own: Ipv6Addr) -> Result<bool, Stop> {
        let addresses = self.world.addresses(place)?;
        let holds = |held: &Address| held.ifindex == link && held.address.addr() == own && !held.has_flag("tentative");
        Ok(addresses.value.iter().any(holds))
    }

    fn has_multicast(&self, place: Place) -> Result<bool, Stop> {
        let routes = World::whole(self.world.view(place)?.routes(place.netns))?;
        let is_for_it = |route: &Route| route.table == TableId::LOCAL && route.kind == RouteKind::Multicast;
        Ok(routes.value.iter().any(|route| route.family == Family::Ipv6 && is_for_it(route)))
    }

    pub(super) fn xt_addrtype(&self, at: &Crossing, asked: &Addrtype) -> Result<bool, Stop> {
        let link = match (asked.limit_in, asked.limit_out) {
            (true, _) => at.input.as_ref(),
            (_, true) => at.output.as_ref(),
            _ => None,
        };
        let link = link.map(|link| link.ifindex);
        let tuple = self.packet.tuple;
        for (test, address) in [(asked.source, tuple.source), (asked.destination, tuple.destination)] {
            let Some(test) = test else { continue };
            let holds = match address {
                IpAddr::V4(_) => test.value & (1u16 << self.address_kind(at.place, &nameless(address), link)?) != 0,
                IpAddr::V6(own) => self.is_of_kind6(at.place, own, test.value, link)?,
            };
            if holds == test.not {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// xtables asks IPv6 addresses otherwise than nf_tables does: a local one is unicast too. Mirrors `match_type6`.
    fn is_of_kind6(&self, place: Place, own: Ipv6Addr, kinds: u16, link: Option<IfIndex>) -> Result<bool, Stop> {
        const ROUTED: u16 = (1 << LOCAL) | (1 << ANYCAST) | (1 << UNREACHABLE);
        let asks = |kind: u32| kinds & (1 << kind) != 0;
        let is_unicast = !own.is_multicast() && !own.is_unspecified();
        if (asks(MULTICAST) && !own.is_multicast()) || (asks(UNICAST) && !is_unicast) {
            return Ok(false);
        }
        if kinds & 1 != 0 && !own.is_unspecified() {
            return Ok(false);
        }
        if kinds & ROUTED == 0 {
            return Ok(true);
        }
        let kind = match self.xt_kind6(place, own, link)? {
            BLACKHOLE | PROHIBIT => UNREACHABLE,
            kind => kind,
        };
        Ok(kinds & ROUTED & (1 << kind) != 0)
    }

    /// It also prefers a route by the link that it is asked for. Mirrors `match_lookup_rt6`.
    fn xt_kind6(&self, place: Place, own: Ipv6Addr, link: Option<IfIndex>) -> Result<u32, Stop> {
        let Some(link) = link.filter(|_| !own.is_multicast()) else {
            return self.address_kind(place, &nameless(own.into()), link);
        };
        let found = self.world.route(place, &RouteQuery { oif: Some(link), ..nameless(own.into()) })?;
        Ok(match (&found.outcome, found.kind) {
            (Outcome::Unknown { why }, _) => return Err(Stop::unknown(why.clone())),
            (Outcome::Refused { .. }, _) => UNREACHABLE,
            (_, Some(RouteKind::Anycast)) => ANYCAST,
            _ if self.holds6(place, link, own)? => LOCAL,
            _ => UNICAST,
        })
    }
}

/// xtables asks for the address and nothing else. Mirrors `match_lookup_rt6`.
fn nameless(address: IpAddr) -> RouteQuery {
    RouteQuery { protocol: Some(0), ..RouteQuery::to(address) }
}
