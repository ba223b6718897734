//! What the routes say that an address is, and whether the way back is the way it came.
//!
//! May import model and analyze's siblings only.

use std::net::IpAddr;

use crate::analyze::fib::Outcome;
use crate::analyze::path::types::Stop;
use crate::analyze::path::walk::{Crossing, Walk};
use crate::analyze::path::world::{Place, World};
use crate::model::ids::{IfIndex, TableId};
use crate::model::netfilter::xt::matches::{Addrtype, Rpfilter};
use crate::model::route::{Family, RouteKind, RouteQuery};

/// Numbers of `RTN_*`.
const UNICAST: u32 = 1;
const LOCAL: u32 = 2;
const BROADCAST: u32 = 3;
const ANYCAST: u32 = 4;
const MULTICAST: u32 = 5;
const UNREACHABLE: u32 = 7;

impl Walk<'_, '_> {
    /// The number of `RTN_*` that an address is, on one link or anywhere. Mirrors `inet_dev_addr_type`, and
    /// for IPv6 what nf_tables and xtables have in its place.
    pub(super) fn address_kind(&self, place: Place, address: IpAddr, link: Option<IfIndex>) -> Result<u32, Stop> {
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
                if own.is_multicast() {
                    return Ok(MULTICAST);
                }
                if link.is_some() {
                    return Err(Stop::unknown("what kind of address an IPv6 address is on one link"));
                }
                let found = self.world.route(place, &RouteQuery::to(address))?;
                match (&found.outcome, found.kind) {
                    (Outcome::Unknown { why }, _) => Err(Stop::unknown(why.clone())),
                    (Outcome::Refused { .. }, _) => Ok(UNREACHABLE),
                    (_, Some(RouteKind::Local)) => Ok(LOCAL),
                    (_, Some(RouteKind::Anycast)) => Ok(ANYCAST),
                    _ => Ok(UNICAST),
                }
            }
        }
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
            let kind = self.address_kind(at.place, address, link)?;
            if (test.value & (1u16 << kind) != 0) == test.not {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether the way back to the source leaves by the link it came in by. Only the plain question is followed.
    pub(super) fn xt_rpfilter(&mut self, at: &Crossing, asked: &Rpfilter) -> Result<bool, Stop> {
        let text = "the match rpfilter";
        let _ = at;
        let holds = self.open(text);
        Ok(holds != asked.invert)
    }
}
