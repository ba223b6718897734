//! What rules of iptables ask.
//!
//! May import model and analyze's siblings only.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Effect;
use crate::analyze::notation::save;
use crate::analyze::path::flow::{Flow, Tracking};
use crate::analyze::path::packet::{ICMP, ICMPV6, SCTP, TCP, Tuple, UDP};
use crate::analyze::path::types::{FlowState, Stop};
use crate::analyze::path::walk::{Crossing, LOOPBACK, Walk};
use crate::analyze::path::world::Link;
use crate::model::ids::Mark;
use crate::model::netfilter::chain::ChainRef;
use crate::model::netfilter::rule::Rule;
use crate::model::netfilter::table::Family;
use crate::model::netfilter::xt::matches::{
    Conntrack, Icmp, Match, Owner, Physdev, Ports, Range, Statistic, Tcp, TtlTest,
};
use crate::model::netfilter::xt::{Header, MaskedAddress, Test, XtMatch, XtRule};
use crate::model::text::{ByteText, Bytes};

/// One in 2^31, the unit of `statistic`.
const HALF_RANGE: f64 = 2_147_483_648.0;
/// Bits of `XT_CONNTRACK_STATE_*`.
pub(super) const INVALID: u32 = 1;
const SNAT: u32 = 1 << 6;
const DNAT: u32 = 1 << 7;

fn is<T>(test: &Test<T>, holds: bool) -> bool {
    test.not != holds
}

/// Where nothing is asked, all is well.
fn asked<T>(test: Option<&Test<T>>, holds: impl FnOnce(&T) -> bool) -> bool {
    test.is_none_or(|test| is(test, holds(&test.value)))
}

/// Whether an address agrees in the bits of a mask.
pub(super) fn agrees(asked: &MaskedAddress, address: IpAddr) -> bool {
    match (asked.address, asked.mask, address) {
        (IpAddr::V4(held), IpAddr::V4(mask), IpAddr::V4(is)) => {
            held.to_bits() & mask.to_bits() == is.to_bits() & mask.to_bits()
        }
        (IpAddr::V6(held), IpAddr::V6(mask), IpAddr::V6(is)) => {
            held.to_bits() & mask.to_bits() == is.to_bits() & mask.to_bits()
        }
        _ => false,
    }
}

fn is_link(name: &ByteText, link: Option<&Link>) -> bool {
    let Some(link) = link else { return false };
    match name.as_bytes().split_last() {
        Some((b'+', beginning)) => link.name.as_bytes().starts_with(beginning),
        _ => link.name == *name,
    }
}

impl Walk<'_, '_> {
    pub(super) fn xt_rule(
        &mut self,
        at: &Crossing,
        chain: &ChainRef,
        own: &Rule,
        rule: &XtRule,
    ) -> Result<Effect, Stop> {
        if !self.xt_header(at, &rule.header) {
            return Ok(Effect::Next);
        }
        for found in &rule.matches {
            if !self.xt_holds(at, found, chain.table.family)? {
                return Ok(Effect::Next);
            }
        }
        self.count(at, chain, own);
        self.xt_target(at, &rule.target)
    }

    fn xt_header(&mut self, at: &Crossing, header: &Header) -> bool {
        let Header { source, destination, in_interface, out_interface, protocol, fragment, unknown } = header;
        let tuple = self.packet.tuple;
        asked(source.as_ref(), |net| agrees(net, tuple.source))
            && asked(destination.as_ref(), |net| agrees(net, tuple.destination))
            && asked(in_interface.as_ref(), |name| is_link(name, at.input.as_ref()))
            && asked(out_interface.as_ref(), |name| is_link(name, at.output.as_ref()))
            && asked(protocol.as_ref(), |number| *number == u16::from(tuple.protocol))
            && asked(fragment.as_ref(), |()| self.is_later_piece())
            && (*unknown == Bytes::default() || self.open("bits of a rule's head that are not decoded"))
    }

    pub(super) fn xt_holds(&mut self, at: &Crossing, found: &XtMatch, family: Family) -> Result<bool, Stop> {
        let tuple = self.packet.tuple;
        let in_words = || save::matching(found, family);
        // What asks the transport's header finds none there.
        let asks_transport = matches!(
            found.is,
            Match::Tcp(_) | Match::Udp(_) | Match::Sctp(_) | Match::Icmp(_) | Match::Icmp6(_) | Match::Multiport(_)
        );
        if asks_transport && self.is_later_piece() {
            return Ok(false);
        }
        Ok(match &found.is {
            // They ask nothing.
            Match::Comment(_) | Match::Nfacct(_) => true,
            Match::Tcp(tcp) => tuple.protocol == TCP && self.xt_tcp(tcp, &in_words),
            Match::Udp(ports) => matches!(tuple.protocol, UDP | 136) && self.xt_ports(ports),
            Match::Sctp(sctp) => {
                tuple.protocol == SCTP && self.xt_ports(&sctp.ports) && (sctp.chunks.is_none() || self.open(in_words()))
            }
            Match::Icmp(test) => tuple.protocol == ICMP && is(test, self.xt_icmp(test.value, true)),
            Match::Icmp6(test) => tuple.protocol == ICMPV6 && is(test, self.xt_icmp(test.value, false)),
            Match::Multiport(test) => {
                if !tuple.has_ports() {
                    return Ok(false);
                }
                let within = |walk: &mut Self, port| test.value.ports.iter().any(|range| walk.port_in(port, *range));
                let holds = match test.value.which {
                    0 => within(self, tuple.source_port),
                    1 => within(self, tuple.destination_port),
                    _ => within(self, tuple.source_port) || within(self, tuple.destination_port),
                };
                is(test, holds)
            }
            Match::Mark(test) => is(test, has_bits(self.packet.mark, test.value)),
            Match::Connmark(test) => {
                let template = || (self.tracking == Tracking::Zoned).then_some(0);
                let mark = self.flow().map(|flow| flow.mark).or_else(template);
                mark.is_some_and(|mark| is(test, has_bits(mark, test.value)))
            }
            Match::Conntrack(asked) => self.xt_conntrack(asked, &in_words),
            Match::State(test) => is(test, self.state_bits() & test.value != 0),
            Match::Statistic(test) => {
                let probability = match test.value {
                    Statistic::Random { n } => f64::from(n) / HALF_RANGE,
                    // Which packet's turn it is nothing tells.
                    Statistic::Nth { every, .. } => 1.0 / (f64::from(every) + 1.0),
                };
                let probability = if test.not { 1.0 - probability } else { probability };
                self.drawn.push(at.place);
                self.chance.holds(&in_words(), Some(probability))
            }
            Match::Addrtype(asked) => self.xt_addrtype(at, asked)?,
            Match::Set(_) if self.is_later_piece() => self.open(in_words()),
            Match::Set(test) => {
                let holds = self.in_ipset(at, &test.value)?;
                is(test, holds)
            }
            Match::Recent(test) => {
                let holds = self.seen_lately(at, &test.value)?;
                is(test, holds)
            }
            Match::Physdev(asked) => xt_physdev(at, asked),
            Match::Owner(owner) => self.xt_owner(owner, &in_words),
            Match::Iprange(range) => {
                let within = |address: IpAddr, min: IpAddr, max: IpAddr| {
                    address.is_ipv4() == min.is_ipv4() && min <= address && address <= max
                };
                asked(range.source.as_ref(), |range| within(tuple.source, range.min, range.max))
                    && asked(range.destination.as_ref(), |range| within(tuple.destination, range.min, range.max))
            }
            // Only of what came in by a link that has such addresses.
            Match::Mac(test) => {
                let has_one = at.input.as_ref().is_some_and(|link| link.ifindex != LOOPBACK);
                let own = self.mac.as_ref().filter(|_| has_one);
                own.is_some_and(|own| is(test, own.0 == test.value))
            }
            Match::Length(test) => {
                // ip6tables counts what follows the header, with extension headers.
                let length = self.part.map_or(self.packet.length, |part| part.length);
                is(test, u32::from(test.value.min) <= length && length <= u32::from(test.value.max))
            }
            Match::Pkttype(test) => is(test, test.value == self.packet_type(at)),
            Match::Ttl(test) => xt_ttl(*test, self.packet.ttl),
            Match::Dscp(test) => is(test, self.packet.tos >> 2 == test.value),
            Match::Rpfilter(asked) => match self.believes_source(at, *asked)? {
                Some(holds) => holds,
                None => self.open(in_words()),
            },
            // What hangs on a rate, or on what a simulated packet does not have.
            Match::Limit(_) | Match::Hashlimit(_) | Match::Tcpmss(_) | Match::Socket(_) => self.open(in_words()),
            Match::Unknown(_) => self.open(format!("the undecoded match {} (revision {})", found.name, found.revision)),
        })
    }

    /// Whether a port is in a range; one that is drawn may be.
    fn port_in(&mut self, port: Option<u16>, range: Range) -> bool {
        match port {
            Some(port) => range.min <= port && port <= range.max,
            None => self.open(format!("a port that is drawn is in {}-{}", range.min, range.max)),
        }
    }

    fn xt_ports(&mut self, ports: &Ports) -> bool {
        let tuple = self.packet.tuple;
        for (test, port) in [(&ports.source, tuple.source_port), (&ports.destination, tuple.destination_port)] {
            if let Some(test) = test
                && !is(test, self.port_in(port, test.value))
            {
                return false;
            }
        }
        true
    }

    fn xt_tcp(&mut self, tcp: &Tcp, in_words: &dyn Fn() -> String) -> bool {
        let flags = self.tcp_flags().unwrap_or(0);
        self.xt_ports(&tcp.ports)
            && asked(tcp.flags.as_ref(), |wanted| flags & wanted.mask == wanted.set)
            && (tcp.option.is_none() || self.open(in_words()))
    }

    fn xt_icmp(&self, wanted: Icmp, has_any: bool) -> bool {
        let code = (wanted.code_min..=wanted.code_max).contains(&self.icmp_code());
        (has_any && wanted.kind == 255) || (self.packet.icmp == Some(wanted.kind) && code)
    }

    /// Bits of `XT_CONNTRACK_STATE_*` that hold of the packet.
    pub(super) fn state_bits(&self) -> u32 {
        let state = match self.tracking {
            Tracking::Not | Tracking::Invalid => return INVALID,
            Tracking::Untracked => return 1 << 8,
            Tracking::Of { .. } if self.is_related() => 1 << 2,
            Tracking::Zoned => return 1 << 3,
            Tracking::Of { is_reply: true, .. } => 1 << 1,
            Tracking::Of { is_reply: false, .. } => match self.flow().map(Flow::state) {
                Some(FlowState::Established) => 1 << 1,
                Some(FlowState::Related) => 1 << 2,
                _ => 1 << 3,
            },
        };
        let Some(flow) = self.flow() else { return state };
        let translated = |holds: bool, bit: u32| if holds { bit } else { 0 };
        state | translated(flow.source_translated(), SNAT) | translated(flow.destination_translated(), DNAT)
    }

    fn xt_conntrack(&mut self, wanted: &Conntrack, in_words: &dyn Fn() -> String) -> bool {
        let state = self.state_bits();
        if !asked(wanted.states.as_ref(), |bits| state & bits != 0) {
            return false;
        }
        let flow = match self.flow() {
            Some(flow) => flow.clone(),
            None if self.tracking == Tracking::Zoned => self.template(),
            // What else is asked of a packet without a flow is not looked at, or nothing holds.
            None => return wanted.states.is_some(),
        };
        let (original, reply) = (flow.original, flow.reply);
        let address = |test: &Option<Test<MaskedAddress>>, is: IpAddr| asked(test.as_ref(), |net| agrees(net, is));
        let fits = asked(wanted.protocol.as_ref(), |number| *number == u16::from(original.protocol))
            && address(&wanted.original_source, original.source)
            && address(&wanted.original_destination, original.destination)
            && address(&wanted.reply_source, reply.source)
            && address(&wanted.reply_destination, reply.destination)
            && wanted.reply.is_none_or(|wants| wants == self.is_reply());
        if !fits {
            return false;
        }
        let ports = [
            (wanted.original_source_port, original.source_port),
            (wanted.original_destination_port, original.destination_port),
            (wanted.reply_source_port, reply.source_port),
            (wanted.reply_destination_port, reply.destination_port),
        ];
        for (test, port) in ports {
            if let Some(test) = test
                && !is(&test, self.port_in(port, test.value))
            {
                return false;
            }
        }
        (wanted.status.is_none() || self.xt_status(wanted.status.as_ref(), in_words))
            && (wanted.expires.is_none() || self.open(in_words()))
    }

    /// What stands for a flow until conntrack looks, where a rule has chosen a zone: all of it is 0. xtables takes it
    /// for a flow; nf_tables but for its state does not (measured on 6.18).
    fn template(&self) -> Flow {
        let none: IpAddr = if self.packet.tuple.source.is_ipv4() {
            Ipv4Addr::UNSPECIFIED.into()
        } else {
            Ipv6Addr::UNSPECIFIED.into()
        };
        let port = Some(0);
        let tuple = Tuple { source: none, destination: none, protocol: 0, source_port: port, destination_port: port };
        Flow::new(tuple, self.zone)
    }

    /// Bits of `IPS_*`. NONE (0) never holds, for no bit of it is ever set (`conntrack_mt`).
    fn xt_status(&mut self, test: Option<&Test<u32>>, in_words: &dyn Fn() -> String) -> bool {
        let Some(test) = test else { return true };
        let (bits, known) = self.status_bits();
        if bits & test.value != 0 {
            return is(test, true);
        }
        if test.value & !known == 0 { is(test, false) } else { self.open(in_words()) }
    }

    /// `IPS_*`, and which of them are known: all but whether somebody expected the flow.
    pub(super) fn status_bits(&self) -> (u32, u32) {
        const EXPECTED: u32 = 1 << 0;
        const SEEN_REPLY: u32 = 1 << 1;
        const CONFIRMED: u32 = 1 << 3;
        const SRC_NAT: u32 = 1 << 4;
        const DST_NAT: u32 = 1 << 5;
        const SRC_NAT_DONE: u32 = 1 << 7;
        const DST_NAT_DONE: u32 = 1 << 8;
        const TEMPLATE: u32 = 1 << 11;
        /// A helper, and whether it is offloaded, hang on rules that may have set them.
        const SET_BY_RULES: u32 = 1 << 13 | 1 << 14;
        if self.tracking == Tracking::Zoned {
            return (CONFIRMED | TEMPLATE, u32::MAX);
        }
        let Some(flow) = self.flow() else { return (0, 0) };
        let bit = |holds: bool, bit: u32| if holds { bit } else { 0 };
        let bits = bit(flow.source_translated(), SRC_NAT)
            | bit(flow.destination_translated(), DST_NAT)
            | bit(flow.settled.source, SRC_NAT_DONE)
            | bit(flow.settled.destination, DST_NAT_DONE)
            | bit(flow.confirmed, CONFIRMED)
            | bit((self.is_reply() && !self.is_related()) || flow.answered, SEEN_REPLY);
        match &flow.known {
            Some(known) => (bits | known.status.0, u32::MAX),
            None => (bits, !(EXPECTED | SET_BY_RULES)),
        }
    }

    fn xt_owner(&mut self, owner: &Owner, in_words: &dyn Fn() -> String) -> bool {
        let Some(uid) = self.packet.uid else {
            // Whose the socket is that answers, nothing tells.
            if self.is_own {
                return self.open(in_words());
            }
            // Without a socket only what is turned around holds.
            return owner.user.is_none_or(|test| test.not)
                && owner.group.is_none_or(|test| test.not)
                && owner.socket.is_none_or(|exists| !exists);
        };
        if owner.group.is_some() || owner.supplementary {
            return self.open(in_words());
        }
        owner.socket.is_none_or(|exists| exists)
            && asked(owner.user.as_ref(), |range| range.min <= uid && uid <= range.max)
    }
}

fn has_bits(mark: u32, wanted: Mark) -> bool {
    mark & wanted.mask == wanted.value
}

fn xt_ttl(test: TtlTest, ttl: u8) -> bool {
    match test.op {
        0 => ttl == test.value,
        1 => ttl != test.value,
        2 => ttl < test.value,
        _ => ttl > test.value,
    }
}

/// Mirrors `physdev_mt`: without a bridge that hands its frames to IP all of it is as if no port were known.
fn xt_physdev(at: &Crossing, wanted: &Physdev) -> bool {
    let named = |test: &Option<Test<ByteText>>, port: Option<&ByteText>| {
        asked(test.as_ref(), |name| match (name.as_bytes().split_last(), port) {
            (Some((b'+', beginning)), Some(port)) => port.as_bytes().starts_with(beginning),
            (_, Some(port)) => port == name,
            (_, None) => false,
        })
    };
    let input = at.port_in.as_ref().map(|port| &port.name);
    let output = at.port_out.as_ref().map(|port| &port.name);
    wanted.is_bridged.is_none_or(|wants| wants == (at.in_bridge && output.is_some()))
        && wanted.is_in.is_none_or(|wants| wants == input.is_some())
        && wanted.is_out.is_none_or(|wants| wants == output.is_some())
        && named(&wanted.input, input)
        && named(&wanted.output, output)
}
