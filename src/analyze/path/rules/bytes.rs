//! A packet's bytes, as far as they are known, and what `meta` and `ct` tell of it.
//!
//! May import model and analyze's siblings only.

use std::net::IpAddr;

use super::pieces::Part;
use super::register::Value;
use crate::analyze::path::frame::Layer;
use crate::analyze::path::packet::{ICMP, ICMPV6, Packet, SCTP, TCP, Tuple, UDP};
use crate::analyze::path::walk::{Crossing, Walk};
use crate::analyze::path::world::Link;
use crate::model::ids::MacAddr;
use crate::model::link::LinkKind;
use crate::model::netfilter::chain::Hook;
use crate::model::netfilter::expr::{Direction, PayloadBase};
use crate::model::netfilter::words::key;
use crate::model::route::Family;

/// `IP_DF` in the byte that bears it.
const DF: u8 = 0x40;

/// One byte of a header: `None` where it is not known, `Some(None)` never; the outer `None`: there is none.
fn network(packet: &Packet, at: usize) -> Option<u8> {
    let address = |address: IpAddr, at: usize| match address {
        IpAddr::V4(address) => address.octets().get(at).copied(),
        IpAddr::V6(address) => address.octets().get(at).copied(),
    };
    let length = |length: u32, at: usize| u16::try_from(length).ok().and_then(|all| all.to_be_bytes().get(at).copied());
    let tuple = &packet.tuple;
    match (packet.family(), at) {
        (Family::Ipv4, 0) => Some(0x45),
        (Family::Ipv4, 1) => Some(packet.tos),
        (Family::Ipv4, 2 | 3) => length(packet.length, at - 2),
        (Family::Ipv4, 8) | (Family::Ipv6, 7) => Some(packet.ttl),
        (Family::Ipv4, 9) | (Family::Ipv6, 6) => Some(tuple.protocol),
        (Family::Ipv4, 12..16) => address(tuple.source, at - 12),
        (Family::Ipv4, 16..20) => address(tuple.destination, at - 16),
        (Family::Ipv6, 0) => Some(0x60 | (packet.tos >> 4)),
        (Family::Ipv6, 4 | 5) => length(packet.length.saturating_sub(40), at - 4),
        (Family::Ipv6, 8..24) => address(tuple.source, at - 8),
        (Family::Ipv6, 24..40) => address(tuple.destination, at - 24),
        _ => None,
    }
}

/// The bytes of IPv4's header that tell a piece's place, without DF.
fn piece_of_ipv4(part: Part, at: usize) -> Option<u8> {
    let place = u16::try_from(part.at / 8).ok()?;
    (place | (u16::from(!part.is_last) << 13)).to_be_bytes().get(at.checked_sub(6)?).copied()
}

/// The same of a piece of it: its length, its place, and IPv6's header of a fragment.
fn piece(walk: &Walk<'_, '_>, part: Part, at: usize) -> Option<u8> {
    const FRAGMENT: u8 = 44;
    let packet = &walk.packet;
    let two = |word: u16, at: usize| word.to_be_bytes().get(at).copied();
    let place = u16::try_from(part.at / 8).ok()?;
    let more = u16::from(!part.is_last);
    match (packet.family(), at) {
        (Family::Ipv4, 2 | 3) => two(u16::try_from(part.length).ok()?, at - 2),
        (Family::Ipv4, 6 | 7) => piece_of_ipv4(part, at),
        (Family::Ipv6, 4 | 5) => two(u16::try_from(part.length.saturating_sub(40)).ok()?, at - 4),
        (Family::Ipv6, 6) => Some(FRAGMENT),
        (Family::Ipv6, 40) => Some(packet.tuple.protocol),
        (Family::Ipv6, 42 | 43) => two((place << 3) | more, at - 42),
        _ => network(packet, at),
    }
}

fn transport(packet: &Packet, flags: Option<u8>, code: u8, at: usize) -> Option<u8> {
    let port = |port: Option<u16>, at: usize| port.and_then(|port| port.to_be_bytes().get(at).copied());
    let tuple = &packet.tuple;
    match (tuple.protocol, at) {
        (TCP | UDP | SCTP, 0 | 1) => port(tuple.source_port, at),
        (TCP | UDP | SCTP, 2 | 3) => port(tuple.destination_port, at - 2),
        (TCP, 13) => flags,
        (UDP, 4 | 5) => {
            let length = packet.length.saturating_sub(packet.header_length());
            u16::try_from(length).ok().and_then(|length| length.to_be_bytes().get(at - 4).copied())
        }
        (ICMP | ICMPV6, 0) => packet.icmp,
        (ICMP | ICMPV6, 1) => Some(code),
        (ICMP | ICMPV6, 4 | 5) => port(tuple.source_port, at - 4),
        _ => None,
    }
}

/// Bytes of a packet; `None` where it is too short to have them, which ends a rule.
pub(super) fn payload(walk: &Walk<'_, '_>, base: PayloadBase, offset: u32, length: u32) -> Option<Value> {
    let packet = &walk.packet;
    let (from, count) = (usize::try_from(offset).ok()?, usize::try_from(length).ok()?.min(64));
    let all = from..from.saturating_add(count);
    let size = usize::try_from(walk.part.map_or(packet.length, |part| part.length)).ok()?;
    if base == PayloadBase::Link {
        return Some(Value::partly(all.map(|at| frame(walk, at))));
    }
    if let Some(arp) = &walk.frame.arp {
        let body = arp.bytes();
        let whole = (base == PayloadBase::Network).then(|| body.get(all)).flatten();
        return whole.map(|bytes| Value::of(bytes.to_vec()));
    }
    // A piece of IPv6 has a header of its own before the transport's.
    let own = if walk.part.is_some() && packet.family() == Family::Ipv6 { 8 } else { 0 };
    let header = usize::try_from(packet.header_length() + own).ok()?;
    match base {
        PayloadBase::Network if all.end <= size => {
            let byte = |at| walk.part.map_or_else(|| network(packet, at), |part| piece(walk, part, at));
            let mut value = Value::partly(all.clone().map(byte));
            // The traffic class ends in the middle of a byte; what the rest is, the flow label, nothing tells.
            let at = 1usize.checked_sub(from).filter(|_| packet.family() == Family::Ipv6);
            if let Some((byte, known)) = at.and_then(|at| Some((value.bytes.get_mut(at)?, value.known.get_mut(at)?))) {
                (*byte, *known) = (packet.tos << 4, 0xf0);
            }
            // What is whole is no piece; whether it may become some (DF) nothing tells.
            if packet.family() == Family::Ipv4 && (walk.part.is_none() || walk.whole) {
                let is_later = |at| walk.part.map_or(Some(0), |part| piece_of_ipv4(part, at));
                for at in 6..8usize {
                    let index = at.checked_sub(from);
                    let place = index.and_then(|at| Some((value.bytes.get_mut(at)?, value.known.get_mut(at)?)));
                    if let (Some((byte, known)), Some(is)) = (place, is_later(at)) {
                        (*byte, *known) = (is, if at == 6 { !DF } else { 0xff });
                    }
                }
            }
            Some(value)
        }
        PayloadBase::Transport if walk.part.is_some_and(|part| part.at > 0) => None,
        PayloadBase::Transport if all.end.saturating_add(header) <= size => {
            Some(Value::partly(all.map(|at| transport(packet, walk.tcp_flags(), walk.icmp_code(), at))))
        }
        PayloadBase::Network | PayloadBase::Transport => None,
        PayloadBase::Inner | PayloadBase::Tunnel | PayloadBase::Link => Some(Value::unknown(count)),
    }
}

/// Bytes of an Ethernet header.
fn frame(walk: &Walk<'_, '_>, at: usize) -> Option<u8> {
    let byte = |mac: &Option<MacAddr>, at: usize| mac.as_ref().and_then(|mac| mac.0.get(at).copied());
    match at {
        // What IP's own hooks see as it is sent is not told.
        0..6 if walk.frame.layer != Layer::Ip => byte(&walk.frame.to, at),
        6..12 => byte(&walk.mac, at - 6),
        12 | 13 => ether_type(walk).get(at - 12).copied(),
        _ => None,
    }
}

/// `ETH_P_*`
fn ether_type(walk: &Walk<'_, '_>) -> [u8; 2] {
    match (&walk.frame.arp, walk.packet.family()) {
        (Some(_), _) => [0x08, 0x06],
        (None, Family::Ipv4) => [0x08, 0x00],
        (None, Family::Ipv6) => [0x86, 0xdd],
    }
}

fn name(link: Option<&Link>) -> Value {
    let mut bytes = link.map_or_else(Vec::new, |link| link.name.as_bytes().to_vec());
    bytes.resize(16, 0);
    Value::of(bytes)
}

fn index(link: Option<&Link>) -> Value {
    Value::of(link.map_or(0, |link| link.ifindex.0).to_ne_bytes())
}

/// `ARPHRD_*`
fn hardware(link: &Link) -> Option<u16> {
    match link.kind {
        LinkKind::Loopback => Some(772),
        LinkKind::Veth | LinkKind::Bridge(_) | LinkKind::Macvlan { .. } | LinkKind::Vxlan(_) => Some(1),
        _ => None,
    }
}

fn family_number(family: Family) -> u8 {
    match family {
        Family::Ipv4 => 2,
        Family::Ipv6 => 10,
    }
}

impl Walk<'_, '_> {
    /// `PACKET_*`: what a bridge hands to IP's hooks counts as for this host, and what is sent here does too, whomever
    /// it is for.
    pub(super) fn packet_type(&self, at: &Crossing) -> u16 {
        const HOST: u16 = 0;
        const MULTICAST: u16 = 2;
        if self.frame.layer != Layer::Ip {
            return self.frame.kind;
        }
        let came_in = at.in_bridge || matches!(at.hook, Hook::Prerouting | Hook::Input | Hook::Forward);
        if came_in && self.packet.tuple.destination.is_multicast() { MULTICAST } else { HOST }
    }

    /// How long it is to a rule: as it leaves by a link, with the frame's header.
    fn seen_length(&self, at: &Crossing) -> u32 {
        const HEADER: u32 = 14;
        let own = match (&self.frame.arp, self.part) {
            (Some(arp), _) => u32::try_from(arp.bytes().len()).unwrap_or(self.packet.length),
            (None, Some(part)) => part.length,
            (None, None) => self.packet.length,
        };
        if at.hook == Hook::Egress { own + HEADER } else { own }
    }

    /// `meta`; `None` ends the rule.
    pub(super) fn meta(&self, at: &Crossing, number: u32) -> Option<Value> {
        let (input, output) = (at.input.as_ref(), at.output.as_ref());
        let length = key::meta(number).map_or(4, |key| key.bits.div_ceil(8));
        let unknown = || Value::unknown(usize::try_from(length).unwrap_or(4));
        let packet = &self.packet;
        let kind = |link: Option<&Link>| -> Option<Value> {
            let link = link?;
            Some(hardware(link).map_or_else(|| Value::unknown(2), |kind| Value::of(kind.to_ne_bytes())))
        };
        Some(match number {
            0 => Value::of(self.seen_length(at).to_ne_bytes()),
            1 => Value::of(ether_type(self)),
            key::META_MARK => Value::of(packet.mark.to_ne_bytes()),
            4 => index(input),
            5 => index(output),
            6 => name(input),
            7 => name(output),
            // Of the link that it is at, since 5.17 (`NFT_META_IFTYPE`).
            8 => match at.hook {
                Hook::Postrouting | Hook::Egress => kind(output)?,
                Hook::Output if self.frame.layer == Layer::Bridge => kind(output)?,
                _ => kind(input)?,
            },
            9 => kind(output)?,
            // Whose the socket is that answers, nothing tells; what is not sent here has none.
            10 => match packet.uid {
                Some(uid) => Value::of(uid.to_ne_bytes()),
                None if self.is_own => unknown(),
                None => return None,
            },
            key::META_NFPROTO => Value::of([match self.frame.layer {
                Layer::Ip | Layer::DeviceInet => family_number(packet.family()),
                Layer::Device => 5,
                Layer::Bridge => 7,
            }]),
            key::META_L4PROTO if self.frame.arp.is_some() => return None,
            key::META_L4PROTO => Value::of([packet.tuple.protocol]),
            19 => {
                let kind = self.packet_type(at).to_ne_bytes();
                Value::of(if cfg!(target_endian = "little") { [kind[0]] } else { [kind[1]] })
            }
            21 => Value::of(input?.group.to_ne_bytes()),
            22 => Value::of(output?.group.to_ne_bytes()),
            _ => unknown(),
        })
    }

    /// `ct`; `None` ends the rule: the packet is of no flow.
    pub(super) fn ct(&self, number: u32, direction: Option<Direction>) -> Option<Value> {
        if number == 0 {
            return Some(Value::of(nft_state(self.state_bits()).to_ne_bytes()));
        }
        let flow = self.flow()?;
        let wanted = match direction {
            None | Some(Direction::Original) => flow.original,
            Some(Direction::Reply) => flow.reply,
        };
        let family = Family::of(wanted.source);
        let address = |address: IpAddr| match address {
            IpAddr::V4(own) => Value::of(own.octets()),
            IpAddr::V6(own) => Value::of(own.octets()),
        };
        let port = |port: Option<u16>| port.map_or_else(|| Value::unknown(2), |port| Value::of(port.to_be_bytes()));
        let ports = |tuple: Tuple| (port(tuple.source_port), port(tuple.destination_port));
        Some(match number {
            1 => Value::of([u8::from(self.is_reply())]),
            2 => {
                let (bits, known) = self.status_bits();
                Value { bytes: bits.to_ne_bytes().to_vec(), known: known.to_ne_bytes().to_vec() }
            }
            3 => Value::of(flow.mark.to_ne_bytes()),
            7 => Value::of([family_number(family)]),
            8 => address(wanted.source),
            9 => address(wanted.destination),
            10 => Value::of([wanted.protocol]),
            11 if wanted.has_ports() => ports(wanted).0,
            12 if wanted.has_ports() => ports(wanted).1,
            17 => Value::of(flow.zone.to_ne_bytes()),
            19 if family == Family::Ipv4 => address(wanted.source),
            20 if family == Family::Ipv4 => address(wanted.destination),
            21 if family == Family::Ipv6 => address(wanted.source),
            22 if family == Family::Ipv6 => address(wanted.destination),
            19..=22 => return None,
            _ => {
                let bits = key::ct(number).map_or(32, |key| key.bits);
                Value::unknown(usize::try_from(bits.div_ceil(8)).unwrap_or(4).clamp(1, 64))
            }
        })
    }
}

/// Bits of `XT_CONNTRACK_STATE_*` as `NF_CT_STATE_*`: only untracked differs, and nat has none.
fn nft_state(bits: u32) -> u32 {
    (bits & 0xf) | if bits & (1 << 8) == 0 { 0 } else { 1 << 6 }
}
