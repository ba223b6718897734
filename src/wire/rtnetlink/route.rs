//! Routes (`RTM_NEWROUTE`) and route look-ups.
//!
//! Must not import anything from the crate but model and sibling wire files.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use crate::model::address::Scope;
use crate::model::ids::{IfIndex, TableId};
use crate::model::link::RawAttr;
use crate::model::route::{Encap, Family, NextHop, Route, RouteKind, RoutePreference};
use crate::model::text::hex;
use crate::wire::netlink::attr::{self, Attr, AttrError, attrs};

use super::{AF_INET, AF_INET6, Known, fill, fixed, good, names, put, walk};

const RTA_DST: u16 = 1;
const RTA_SRC: u16 = 2;
const RTA_IIF: u16 = 3;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PRIORITY: u16 = 6;
const RTA_PREFSRC: u16 = 7;
const RTA_METRICS: u16 = 8;
const RTA_MULTIPATH: u16 = 9;
const RTA_FLOW: u16 = 11;
const RTA_CACHEINFO: u16 = 12;
const RTA_TABLE: u16 = 15;
const RTA_MARK: u16 = 16;
const RTA_VIA: u16 = 18;
const RTA_PREF: u16 = 20;
const RTA_ENCAP_TYPE: u16 = 21;
const RTA_ENCAP: u16 = 22;
const RTA_PAD: u16 = 24;
const RTA_UID: u16 = 25;
const RTA_NH_ID: u16 = 30;

const RTAX_MTU: u16 = 2;
const RTM_F_CLONED: u32 = 0x200;
/// `USER_HZ`, in which the kernel gives times to user space.
const TICKS_PER_SECOND: i32 = 100;

/// Reads one route of either IP family.
pub fn route(message: &[u8], errors: &mut Vec<AttrError>) -> Option<Route> {
    let (&[family, dst_len, src_len, tos, table, protocol, scope, kind, flags @ ..], rest) =
        fixed::<12>(message, errors)?;
    let family = match family {
        AF_INET => Family::Ipv4,
        AF_INET6 => Family::Ipv6,
        _ => return None,
    };
    let mut draft = Draft { table: u32::from(table), ..Draft::default() };
    let flags = u32::from_ne_bytes(flags);
    let mut unknown = walk(attrs(rest), errors, |attr, errors| draft.attr(&attr, errors));
    unknown.append(&mut draft.unknown_metrics);
    unknown.sort();
    let dst = prefix(draft.dst, dst_len, family, errors)?;
    let src = if src_len == 0 { None } else { Some(prefix(draft.src, src_len, family, errors)?) };
    let own_flags = if flags & RTM_F_CLONED == 0 { names::ROUTE_FLAGS } else { names::CLONED_ROUTE_FLAGS };
    draft.metrics.sort();
    Some(Route {
        family,
        table: TableId(draft.table),
        dst,
        src,
        kind: route_kind(kind),
        scope: Scope::from_number(scope),
        origin: names::origin(protocol),
        tos,
        metric: draft.metric,
        source: draft.source,
        nexthops: draft.ways.finish(flags),
        nexthop_id: draft.nexthop_id,
        flags: names::bits(flags & !0xff, own_flags),
        mtu: draft.mtu,
        metrics: draft.metrics,
        preference: draft.preference,
        expires_s: draft.expires_s,
        unknown,
    })
}

#[derive(Default)]
struct Draft {
    table: u32,
    dst: Option<IpAddr>,
    src: Option<IpAddr>,
    metric: u32,
    source: Option<IpAddr>,
    ways: Ways,
    nexthop_id: Option<u32>,
    mtu: Option<u32>,
    metrics: Vec<(String, u32)>,
    unknown_metrics: Vec<RawAttr>,
    preference: Option<RoutePreference>,
    expires_s: Option<i32>,
}

impl Draft {
    fn attr(&mut self, attr: &Attr<'_>, errors: &mut Vec<AttrError>) -> Known {
        match attr.kind {
            RTA_DST => fill(&mut self.dst, attr.address(), errors),
            RTA_SRC => fill(&mut self.src, attr.address(), errors),
            RTA_PRIORITY => put(&mut self.metric, attr.u32(), errors),
            RTA_PREFSRC => fill(&mut self.source, attr.address(), errors),
            RTA_METRICS => self.metrics(attr, errors),
            RTA_MULTIPATH => fill(&mut self.ways.several, several(attr.payload, errors), errors),
            RTA_CACHEINFO => put(&mut self.expires_s, expires(attr), errors),
            RTA_TABLE => put(&mut self.table, attr.u32(), errors),
            RTA_PREF => fill(&mut self.preference, attr.u8().map(preference), errors),
            RTA_NH_ID => fill(&mut self.nexthop_id, attr.u32(), errors),
            RTA_IIF | RTA_FLOW | RTA_MARK | RTA_PAD | RTA_UID => {}
            _ => return self.ways.one.attr(attr, errors),
        }
        Known::Yes
    }

    fn metrics(&mut self, nest: &Attr<'_>, errors: &mut Vec<AttrError>) {
        for attr in nest.nested() {
            let Some(attr) = good(attr, errors) else { return };
            match (attr.kind, names::metric(attr.kind)) {
                (RTAX_MTU, _) => fill(&mut self.mtu, attr.u32(), errors),
                (_, Some(name)) => {
                    if let Some(value) = good(attr.u32(), errors) {
                        self.metrics.push((name.to_owned(), value));
                    }
                }
                // `RTAX_CC_ALGO` is a text; the whole nest is kept.
                (_, None) => self.unknown_metrics = vec![RawAttr { kind: nest.kind, hex: hex(nest.payload) }],
            }
        }
    }
}

/// Where a route leads: one way in the route's own attributes, or several in `RTA_MULTIPATH`.
#[derive(Default)]
struct Ways {
    one: Way,
    several: Option<Vec<NextHop>>,
}

impl Ways {
    fn finish(self, flags: u32) -> Vec<NextHop> {
        match self.several {
            Some(several) => several,
            None if self.one.is_empty() => Vec::new(),
            None => vec![self.one.finish(flags & 0xff, 1)],
        }
    }
}

#[derive(Default)]
struct Way {
    ifindex: Option<IfIndex>,
    gateway: Option<IpAddr>,
    encap: EncapParts,
}

impl Way {
    fn attr(&mut self, attr: &Attr<'_>, errors: &mut Vec<AttrError>) -> Known {
        match attr.kind {
            RTA_OIF => fill(&mut self.ifindex, attr.u32().map(IfIndex), errors),
            RTA_GATEWAY => fill(&mut self.gateway, attr.address(), errors),
            RTA_VIA => fill(&mut self.gateway, via(attr), errors),
            RTA_ENCAP_TYPE => self.encap.kind(attr, errors),
            RTA_ENCAP => self.encap.data(attr),
            _ => return Known::No,
        }
        Known::Yes
    }

    fn is_empty(&self) -> bool {
        self.ifindex.is_none() && self.gateway.is_none() && self.encap.kind.is_none()
    }

    fn finish(self, flags: u32, weight: u16) -> NextHop {
        NextHop {
            ifindex: self.ifindex,
            gateway: self.gateway,
            weight,
            flags: names::bits(flags, names::NEXTHOP_FLAGS),
            encap: self.encap.finish(),
        }
    }
}

/// The two attributes that tell of a lightweight tunnel, in whichever order they come.
#[derive(Debug, Default)]
pub(super) struct EncapParts {
    kind: Option<u16>,
    hex: String,
}

impl EncapParts {
    pub(super) fn kind(&mut self, attr: &Attr<'_>, errors: &mut Vec<AttrError>) {
        fill(&mut self.kind, attr.u16(), errors);
    }

    pub(super) fn data(&mut self, attr: &Attr<'_>) {
        self.hex = hex(attr.payload);
    }

    pub(super) fn finish(self) -> Option<Encap> {
        let kind = self.kind.filter(|kind| *kind != 0)?;
        Some(Encap { kind: names::encap(kind), hex: self.hex })
    }
}

/// The array of `struct rtnexthop` in `RTA_MULTIPATH`, each followed by attributes of its own.
fn several(mut left: &[u8], errors: &mut Vec<AttrError>) -> Result<Vec<NextHop>, AttrError> {
    let mut found = Vec::new();
    let wrong = |left: &[u8]| AttrError::Length { kind: RTA_MULTIPATH, length: left.len(), wanted: "whole nexthops" };
    while !left.is_empty() {
        let (&[l0, l1, flags, hops, index @ ..], _) = left.split_first_chunk::<8>().ok_or_else(|| wrong(left))?;
        let length = usize::from(u16::from_ne_bytes([l0, l1]));
        let inner = left.get(8..length).ok_or_else(|| wrong(left))?;
        let mut way = Way::default();
        for attr in attrs(inner) {
            let Some(attr) = good(attr, errors) else { break };
            way.attr(&attr, errors);
        }
        way.ifindex = Some(IfIndex(u32::from_ne_bytes(index))).filter(|index| index.0 != 0);
        found.push(way.finish(u32::from(flags), u16::from(hops) + 1));
        left = left.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(found)
}

/// `struct rtvia`: a family and an address of it.
fn via(attr: &Attr<'_>) -> Result<IpAddr, AttrError> {
    attr.payload.split_first_chunk::<2>().and_then(|(_, bytes)| attr::address(bytes)).ok_or(AttrError::Length {
        kind: attr.kind,
        length: attr.payload.len(),
        wanted: "6 or 18",
    })
}

/// `rta_expires` of `struct rta_cacheinfo`; 0 is never.
fn expires(attr: &Attr<'_>) -> Result<Option<i32>, AttrError> {
    let ticks = attr.payload.get(8..).and_then(<[u8]>::first_chunk::<4>);
    let ticks = ticks.ok_or(AttrError::Length { kind: attr.kind, length: attr.payload.len(), wanted: "32" })?;
    let ticks = i32::from_ne_bytes(*ticks);
    Ok((ticks != 0).then_some(ticks / TICKS_PER_SECOND))
}

fn prefix(address: Option<IpAddr>, length: u8, family: Family, errors: &mut Vec<AttrError>) -> Option<IpNet> {
    let zero = match family {
        Family::Ipv4 => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        Family::Ipv6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let address = address.unwrap_or(zero);
    if Family::of(address) == family
        && let Ok(net) = IpNet::new(address, length)
    {
        return Some(net);
    }
    errors.push(AttrError::Value { kind: RTA_DST, detail: format!("{address}/{length} is no {family:?} prefix") });
    None
}

fn preference(number: u8) -> RoutePreference {
    match number {
        0 => RoutePreference::Medium,
        1 => RoutePreference::High,
        3 => RoutePreference::Low,
        _ => RoutePreference::Invalid,
    }
}

fn route_kind(number: u8) -> RouteKind {
    match number {
        1 => RouteKind::Unicast,
        2 => RouteKind::Local,
        3 => RouteKind::Broadcast,
        4 => RouteKind::Anycast,
        5 => RouteKind::Multicast,
        6 => RouteKind::Blackhole,
        7 => RouteKind::Unreachable,
        8 => RouteKind::Prohibit,
        9 => RouteKind::Throw,
        10 => RouteKind::Nat,
        other => RouteKind::Other(other),
    }
}
