//! Translations: which address and port a rule of nat gives a flow.
//!
//! May import model and analyze's siblings only. A port is kept where the rule lets it be and no flow
//! that can be looked up stands in its way.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::flow::{Side, Tracking};
use super::packet::Tuple;
use super::types::Stop;
use super::walk::{Crossing, Walk};
use super::world::Place;
use crate::analyze::fib::{self, Source};
use crate::analyze::netfilter::deed::TranslationKind;
use crate::model::netfilter::chain::Hook;
use crate::model::netfilter::xt::targets::NatRange;
use crate::model::route::Family;

/// What a rule of nat asks for.
#[derive(Debug, Clone)]
pub(super) struct Mapping {
    pub kind: TranslationKind,
    pub to: NatRange,
}

impl Walk<'_, '_> {
    /// Gives the flow what a rule asks for. Mirrors `nf_nat_setup_info`.
    pub fn map(&mut self, at: &Crossing, side: Side, mapping: &Mapping) -> Result<(), Stop> {
        let Some(flow) = self.flow() else { return Ok(()) };
        // What the packet would be without a change of this side.
        let current = flow.reply.inverted();
        let zone = flow.zone;
        let (own_address, own_port) = match side {
            Side::Source => (current.source, current.source_port),
            Side::Destination => (current.destination, current.destination_port),
        };
        let range = &mapping.to;
        if side == Side::Source && self.keeps_source(at.place, current, range, zone)? {
            return Ok(());
        }
        let address = match mapping.kind {
            TranslationKind::Masquerade => self.masquerade(at)?,
            TranslationKind::Redirect => self.redirect(at)?,
            TranslationKind::Netmap => netmap(own_address, range)?,
            TranslationKind::Snat | TranslationKind::Dnat => match range.addresses {
                None => own_address,
                Some((min, max)) if min == max => min,
                Some((min, max)) => picked((min, max), (current.source, current.destination), zone, range.persistent)?,
            },
        };
        let port = port(own_port, range, side, self.packet.tuple);
        let is_echo = self.packet.tuple.is_echo();
        let Some(flow) = self.flow_mut() else { return Ok(()) };
        let (to_address, to_port) = match side {
            Side::Source => (&mut flow.reply.destination, &mut flow.reply.destination_port),
            Side::Destination => (&mut flow.reply.source, &mut flow.reply.source_port),
        };
        *to_address = address;
        let is_changed = own_address != address || own_port != port;
        *to_port = port;
        if is_changed {
            match side {
                Side::Source => flow.changed.source = true,
                Side::Destination => flow.changed.destination = true,
            }
        }
        if is_echo {
            flow.reply.source_port = port;
            flow.reply.destination_port = port;
        }
        Ok(())
    }

    /// A source within the range is kept as it is, unless a port by chance is asked for, or another flow stands in its
    /// way. Mirrors `get_unique_tuple`.
    fn keeps_source(&self, place: Place, current: Tuple, range: &NatRange, zone: u16) -> Result<bool, Stop> {
        let Some((min, max)) = range.addresses else { return Ok(false) };
        let draws = range.random || range.random_fully;
        let has_port = |(min, max): (u16, u16)| current.source_port.is_some_and(|port| min <= port && port <= max);
        if draws || min == max || !(min <= current.source && current.source <= max) {
            return Ok(false);
        }
        if range.ports.is_some_and(|ports| !has_port(ports)) {
            return Ok(false);
        }
        Ok(!self.stands_in_the_way(place, current.inverted(), zone)?)
    }

    /// Whether another flow has a tuple that a new flow's answers would have.
    fn stands_in_the_way(&self, place: Place, reply: Tuple, zone: u16) -> Result<bool, Stop> {
        let own = if let Tracking::Of { flow, .. } = self.tracking { Some(flow) } else { None };
        // In another zone the same addresses and ports are another flow's.
        let here = self.flows.iter().enumerate().any(|(index, (at, other))| {
            Some(index) != own
                && *at == place
                && other.zone == zone
                && (other.reply == reply || other.original == reply)
        });
        Ok(here || self.is_taken(place, reply)?)
    }

    /// A flow whose answers would look like another flow's gets a port by chance. Mirrors `nf_nat_used_tuple`.
    pub fn make_room(&mut self, place: Place, side: Side) -> Result<(), Stop> {
        let Some((reply, zone)) = self.flow().map(|flow| (flow.reply, flow.zone)) else { return Ok(()) };
        let taken = self.stands_in_the_way(place, reply, zone)?;
        if taken && let Some(flow) = self.flow_mut() {
            flow.reply.destination_port = None;
            match side {
                Side::Source => flow.changed.source = true,
                Side::Destination => flow.changed.destination = true,
            }
            if reply.is_echo() {
                flow.reply.source_port = None;
            }
        }
        Ok(())
    }

    fn masquerade(&mut self, at: &Crossing) -> Result<IpAddr, Stop> {
        let link = at.output.as_ref().ok_or_else(|| Stop::unknown("masquerading without a link to leave by"))?;
        let destination = self.packet.tuple.destination;
        let near = match Family::of(destination) {
            Family::Ipv4 => self.next_hop.unwrap_or(destination),
            Family::Ipv6 => destination,
        };
        let view = self.world.view(at.place)?;
        match fib::masquerade_source(view, at.place.netns, link.ifindex, near) {
            Source::Chosen { address, .. } | Source::Given { address } => Ok(address),
            Source::None { why } => Err(Stop::dropped(format!("masquerading finds no address: {why}"))),
            Source::OneOf { addresses, why } => {
                let words: Vec<_> = addresses.iter().map(|address| (address.to_string(), None)).collect();
                let taken = self.chance.fork(&format!("the address to masquerade with: {why}"), &words);
                addresses.get(taken).copied().ok_or_else(|| Stop::unknown(why))
            }
            Source::Unknown { why } => Err(Stop::unknown(format!("masquerading: {why}"))),
        }
    }

    /// Mirrors `nf_nat_redirect_ipv4` and `nf_nat_redirect_ipv6`.
    fn redirect(&self, at: &Crossing) -> Result<IpAddr, Stop> {
        let family = self.packet.family();
        if at.hook == Hook::Output {
            return Ok(match family {
                Family::Ipv4 => Ipv4Addr::LOCALHOST.into(),
                Family::Ipv6 => Ipv6Addr::LOCALHOST.into(),
            });
        }
        let link = at.input.as_ref().ok_or_else(|| Stop::unknown("a redirection without a link it came in by"))?;
        let addresses = self.world.addresses(at.place)?;
        let link_local = |address: IpAddr| matches!(address, IpAddr::V6(own) if own.is_unicast_link_local());
        let own = addresses.value.iter().find(|held| {
            let address = held.address.addr();
            held.ifindex == link.ifindex
                && Family::of(address) == family
                && !held.has_flag("tentative")
                && !held.has_flag("dadfailed")
                && (family == Family::Ipv4 || link_local(address) == link_local(self.packet.tuple.destination))
        });
        match own {
            Some(own) => Ok(own.address.addr()),
            None => Err(Stop::dropped(format!("a redirection to {}, which has no address that fits", link.name))),
        }
    }
}

/// The network part of the first address, the rest of the own one.
fn netmap(own: IpAddr, range: &NatRange) -> Result<IpAddr, Stop> {
    match (own, range.addresses) {
        (IpAddr::V4(own), Some((IpAddr::V4(min), IpAddr::V4(max)))) => {
            let mask = !(min.to_bits() ^ max.to_bits());
            Ok(Ipv4Addr::from_bits((own.to_bits() & !mask) | (min.to_bits() & mask)).into())
        }
        (IpAddr::V6(own), Some((IpAddr::V6(min), IpAddr::V6(max)))) => {
            let mask = !(min.to_bits() ^ max.to_bits());
            Ok(Ipv6Addr::from_bits((own.to_bits() & !mask) | (min.to_bits() & mask)).into())
        }
        _ => Err(Stop::unknown("a network map of another family")),
    }
}

/// Which port, where it is not kept. Mirrors `get_unique_tuple` and `nf_nat_l4proto_unique_tuple`.
fn port(own: Option<u16>, range: &NatRange, side: Side, tuple: Tuple) -> Option<u16> {
    let draws = range.random || range.random_fully;
    match range.ports {
        Some((min, max)) if tuple.has_ports() => match (own, range.base_port) {
            (Some(own), Some(base)) => {
                let size = u32::from(max - min) + 1;
                let off = u32::from(own.wrapping_sub(base)) % size;
                u16::try_from(u32::from(min) + off).ok()
            }
            _ if min == max => Some(min),
            (Some(own), None) if !draws && min <= own && own <= max => Some(own),
            // Of a range of destination ports the first is taken, of source ports one by chance.
            _ if side == Side::Destination && !draws => Some(min),
            _ => None,
        },
        // A destination's port stays where none is asked for; an echo has one id for both sides.
        _ if draws && (side == Side::Source || tuple.is_echo()) => None,
        _ => own,
    }
}

/// One address of a range, by a hash of the flow's addresses. Mirrors `find_best_ips_proto`.
fn picked(
    (min, max): (IpAddr, IpAddr),
    (source, destination): (IpAddr, IpAddr),
    zone: u16,
    persistent: bool,
) -> Result<IpAddr, Stop> {
    // The kernel hashes the addresses as they stand in memory, IPv4 in the first of four words.
    let words = |address: IpAddr| -> [u32; 4] {
        match address {
            IpAddr::V4(own) => [u32::from_ne_bytes(own.octets()), 0, 0, 0],
            IpAddr::V6(own) => own
                .to_bits()
                .to_be_bytes()
                .as_chunks::<4>()
                .0
                .try_into()
                .map_or([0; 4], |words: [[u8; 4]; 4]| words.map(u32::from_ne_bytes)),
        }
    };
    let four = min.is_ipv4();
    if [max, source, destination].iter().any(|other| other.is_ipv4() != four) {
        return Err(Stop::unknown("a range of addresses of another family"));
    }
    let last = if four { 0 } else { 3 };
    let (min, max, source, destination) = (words(min), words(max), words(source), words(destination));
    let seed = if persistent { 0 } else { destination.get(last).copied().unwrap_or(0) ^ u32::from(zone) };
    let mut hash = jhash2(source, seed);
    let mut found = [0u32; 4];
    // Behind a word that is less than the last address's any value is within the range.
    let mut is_free = false;
    let all = found.iter_mut().zip(min).zip(max).zip(destination).take(last + 1);
    for (((found, min), max), destination) in all {
        let (low, count) = if is_free {
            (0, u32::MAX)
        } else {
            (u32::from_be(min), u32::from_be(max).wrapping_sub(u32::from_be(min)).wrapping_add(1))
        };
        let off = u32::try_from((u64::from(hash) * u64::from(count)) >> 32).unwrap_or(0);
        *found = low.wrapping_add(off).to_be();
        is_free |= *found != max;
        if !persistent {
            hash ^= destination;
        }
    }
    let bytes = found.map(u32::to_ne_bytes);
    Ok(if four {
        IpAddr::from(bytes[0])
    } else {
        IpAddr::V6(Ipv6Addr::from_bits(u128::from_be_bytes(*bytes.as_flattened().first_chunk().unwrap_or(&[0; 16]))))
    })
}

/// `jhash2` of four words. Source: `linux/jhash.h`.
fn jhash2(words: [u32; 4], seed: u32) -> u32 {
    const BEGIN: u32 = 0xdead_beef;
    let start = BEGIN.wrapping_add(4 << 2).wrapping_add(seed);
    let mut a = start.wrapping_add(words[0]);
    let mut b = start.wrapping_add(words[1]);
    let mut c = start.wrapping_add(words[2]);
    a = a.wrapping_sub(c) ^ c.rotate_left(4);
    c = c.wrapping_add(b);
    b = b.wrapping_sub(a) ^ a.rotate_left(6);
    a = a.wrapping_add(c);
    c = c.wrapping_sub(b) ^ b.rotate_left(8);
    b = b.wrapping_add(a);
    a = a.wrapping_sub(c) ^ c.rotate_left(16);
    c = c.wrapping_add(b);
    b = b.wrapping_sub(a) ^ a.rotate_left(19);
    a = a.wrapping_add(c);
    c = c.wrapping_sub(b) ^ b.rotate_left(4);
    b = b.wrapping_add(a);
    a = a.wrapping_add(words[3]);
    c ^= b;
    c = c.wrapping_sub(b.rotate_left(14));
    a ^= c;
    a = a.wrapping_sub(c.rotate_left(11));
    b ^= a;
    b = b.wrapping_sub(a.rotate_left(25));
    c ^= b;
    c = c.wrapping_sub(b.rotate_left(16));
    a ^= c;
    a = a.wrapping_sub(c.rotate_left(4));
    b ^= a;
    b = b.wrapping_sub(a.rotate_left(14));
    c ^= b;
    c.wrapping_sub(b.rotate_left(24))
}
