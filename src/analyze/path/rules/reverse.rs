//! Where the routes lead that a rule asks: the way back to the source (`rpfilter`, `fib saddr . iif oif`), or on.
//!
//! May import model and analyze's siblings only.

use std::net::IpAddr;

use super::register::Value;
use crate::analyze::fib::Outcome;
use crate::analyze::path::types::Stop;
use crate::analyze::path::walk::{Crossing, LOOPBACK, Walk};
use crate::analyze::path::world::Link;
use crate::model::ids::IfIndex;
use crate::model::netfilter::chain::Hook;
use crate::model::netfilter::xt::matches::Rpfilter;
use crate::model::route::{Family, RouteKind, RouteQuery};

/// `NFT_FIB_RESULT_OIF`
const OIF: u32 = 1;
/// `NFTA_FIB_F_SADDR` and its like.
const SOURCE: u32 = 1;
pub(super) const MARK: u32 = 4;
const BY_INPUT: u32 = 8;
const BY_OUTPUT: u32 = 16;
const PRESENT: u32 = 32;
/// `IFNAMSIZ`
const NAME: usize = 16;

/// What a look-up for a rule found.
enum Leads {
    Nowhere,
    /// To this namespace itself.
    Here(Vec<IfIndex>),
    /// By one of these links.
    By(Vec<IfIndex>),
    Unknown,
}

fn is_unicast(address: IpAddr) -> bool {
    let is_everybody = matches!(address, IpAddr::V4(own) if own.is_broadcast() || own.octets()[0] == 0);
    !address.is_multicast() && !address.is_unspecified() && !is_everybody
}

fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(own) if own.is_unicast_link_local())
}

impl Walk<'_, '_> {
    /// The question of a rule that asks for routes: in the packet's class, of a protocol (0: none), never of ports.
    /// Mirrors `nft_fib4_eval` and `nft_fib6_flowi_init`.
    pub(super) fn rule_query(&self, (to, from): (IpAddr, IpAddr), mark: u32, protocol: u8) -> RouteQuery {
        RouteQuery {
            src: Some(from).filter(|from| is_unicast(*from)),
            mark,
            tos: self.packet.tos,
            protocol: Some(protocol),
            source_port: Some(0),
            destination_port: Some(0),
            any_source: true,
            ..RouteQuery::to(to)
        }
    }

    /// What `fib_lookup` and `ip6_route_lookup` tell a rule: the routes alone, whoever has the source.
    fn leads(
        &self,
        at: &Crossing,
        (to, from): (IpAddr, IpAddr),
        mark: u32,
        oif: Option<IfIndex>,
        protocol: u8,
    ) -> Result<Leads, Stop> {
        let query = RouteQuery { oif, ..self.rule_query((to, from), mark, protocol) };
        let found = self.world.route(at.place, &query)?;
        let links = || -> Vec<IfIndex> {
            match &found.route {
                // Of several routes of IPv6 a hash picks one; of a route's ways IPv4 counts all.
                Some(route) if to.is_ipv4() => route.nexthops.iter().filter_map(|hop| hop.ifindex).collect(),
                _ => found.usable().filter_map(|way| way.ifindex).collect(),
            }
        };
        Ok(match (&found.outcome, found.kind) {
            (Outcome::Unknown { .. }, _) => Leads::Unknown,
            (Outcome::Refused { .. }, _) | (_, Some(RouteKind::Anycast)) => Leads::Nowhere,
            (Outcome::Delivered, _) | (_, Some(RouteKind::Local)) => Leads::Here(links()),
            (Outcome::Sent, _) => Leads::By(links()),
        })
    }

    /// `-m rpfilter`. Mirrors `rpfilter_mt` of both families; `None` where that cannot be told.
    pub(super) fn believes_source(&self, at: &Crossing, asked: Rpfilter) -> Result<Option<bool>, Stop> {
        let Some(input) = &at.input else { return Ok(None) };
        let (from, to) = (self.packet.tuple.source, self.packet.tuple.destination);
        if input.ifindex == LOOPBACK || (from.is_unspecified() && (from.is_ipv6() || !is_unicast(to))) {
            return Ok(Some(!asked.invert));
        }
        let mark = if asked.validmark { self.packet.mark } else { 0 };
        let is_bound = from.is_ipv6() && (!asked.loose || is_link_local(from));
        let oif = Some(input.ifindex).filter(|_| is_bound);
        let protocol = if from.is_ipv6() { self.packet.tuple.protocol } else { 0 };
        let holds = match (self.leads(at, (from, to), mark, oif, protocol)?, from) {
            (Leads::Unknown, _) => return Ok(None),
            (Leads::Nowhere, _) => false,
            (Leads::Here(_), IpAddr::V6(_)) => asked.accept_local,
            (Leads::Here(links), IpAddr::V4(_)) => {
                asked.accept_local && (asked.loose || links.contains(&input.ifindex))
            }
            (Leads::By(_), _) if asked.loose => true,
            (Leads::By(links), IpAddr::V6(_)) if is_open(&links, input) => return Ok(None),
            (Leads::By(links), _) => links.contains(&input.ifindex),
        };
        Ok(Some(holds != asked.invert))
    }

    /// `fib … oif` and `fib … oifname`. Mirrors `nft_fib4_eval` and `nft_fib6_eval`.
    pub(super) fn fib_link(&self, at: &Crossing, result: u32, flags: u32) -> Result<Value, Stop> {
        let stored = |link: Option<&Link>| match (flags & PRESENT != 0, result) {
            (true, _) => Value::of([u8::from(link.is_some())]),
            (false, OIF) => Value::of(link.map_or(0, |link| link.ifindex.0).to_ne_bytes()),
            _ => {
                let mut name = link.map_or_else(Vec::new, |link| link.name.as_bytes().to_vec());
                name.resize(NAME, 0);
                Value::of(name)
            }
        };
        let unknown = || {
            Value::unknown(match (flags & PRESENT != 0, result) {
                (true, _) => 1,
                (false, OIF) => 4,
                _ => NAME,
            })
        };
        let (source, destination) = (self.packet.tuple.source, self.packet.tuple.destination);
        let looks_at_input = matches!(at.hook, Hook::Prerouting | Hook::Input | Hook::Ingress);
        let input = at.input.as_ref();
        if looks_at_input && input.is_some_and(|link| link.ifindex == LOOPBACK) {
            return Ok(stored(input));
        }
        if source.is_ipv4() && source.is_unspecified() && !is_unicast(destination) {
            return Ok(stored(input));
        }
        let by = match (flags & BY_INPUT != 0, flags & BY_OUTPUT != 0) {
            (false, false) => None,
            (true, _) => input,
            (_, true) => at.output.as_ref(),
        };
        let backwards = flags & SOURCE != 0;
        if backwards && at.hook == Hook::Forward && flags & BY_INPUT != 0 && self.rules_ask_for_links(at)? {
            // The kernel then looks up as if the packet came in by the link that it leaves by.
            return Ok(unknown());
        }
        let ends = if backwards { (source, destination) } else { (destination, source) };
        let mark = if flags & MARK == 0 { 0 } else { self.packet.mark };
        let oif = by.or(input).map(|link| link.ifindex).filter(|_| is_link_local(ends.0));
        let links = match self.leads(at, ends, mark, oif, self.packet.tuple.protocol)? {
            Leads::Unknown => return Ok(unknown()),
            Leads::Nowhere | Leads::Here(_) => return Ok(stored(None)),
            Leads::By(links) => links,
        };
        match (by, links.as_slice()) {
            (Some(by), links) if source.is_ipv6() && is_open(links, by) => Ok(unknown()),
            (Some(by), links) => Ok(stored(Some(by).filter(|by| links.contains(&by.ifindex)))),
            (None, [one]) => Ok(stored(Some(&self.world.link(at.place, *one)?))),
            (None, _) => Ok(unknown()),
        }
    }

    fn rules_ask_for_links(&self, at: &Crossing) -> Result<bool, Stop> {
        let family = if self.packet.tuple.source.is_ipv4() { Family::Ipv4 } else { Family::Ipv6 };
        let rules = crate::analyze::path::world::World::whole(self.world.view(at.place)?.rules(at.place.netns))?;
        Ok(rules.value.iter().any(|rule| rule.family == family && rule.iif.is_some()))
    }
}

/// Whether a hash decides if a link is the one.
fn is_open(links: &[IfIndex], link: &Link) -> bool {
    links.len() > 1 && links.contains(&link.ifindex) && links.iter().any(|other| *other != link.ifindex)
}
