//! Native comparisons of transport headers, as the matches that iptables-nft made them from.
//!
//! May import model only.

use super::{Comparison, Held, Lifting, Loaded, native};
use crate::model::netfilter::expr::{Compare, PayloadBase};
use crate::model::netfilter::table::Family;
use crate::model::netfilter::xt::Test;
use crate::model::netfilter::xt::matches::{Icmp, Match, Ports, Range, Tcp, TcpFlags};

const ICMP: u16 = 1;
const TCP: u16 = 6;
const UDP: u16 = 17;
const ICMP6: u16 = 58;
/// Where TCP's flags are.
const TCP_FLAGS: u32 = 13;
/// Where the destination port is.
const DESTINATION: u32 = 2;

impl Lifting {
    /// A comparison of bytes of the transport header, which the rule's head names.
    pub(super) fn transport(&mut self, offset: u32, length: usize, asked: Comparison<'_>) -> Option<()> {
        if asked.value.len() != length {
            return None;
        }
        let protocol = self.transport_protocol()?;
        match (protocol, offset, asked.value) {
            (ICMP | ICMP6, _, _) => self.icmp(protocol, offset, asked),
            (TCP, TCP_FLAGS, [set]) => {
                let mask = match asked.mask {
                    None => 0xff,
                    Some([mask]) => *mask,
                    Some(_) => return None,
                };
                let test = Test { not: asked.not()?, value: TcpFlags { mask, set: *set } };
                self.tcp(|tcp| super::header::set(&mut tcp.flags, test))
            }
            (TCP | UDP, 0 | DESTINATION, [high, low]) if asked.mask.is_none() => {
                let test = ports(asked.op, u16::from_be_bytes([*high, *low]))?;
                self.port(protocol, offset == DESTINATION, test)
            }
            // Both ports at once.
            (TCP | UDP, 0, [one, two, three, four]) if asked.mask.is_none() && asked.op == Compare::Eq => {
                self.port(protocol, false, ports(asked.op, u16::from_be_bytes([*one, *two]))?)?;
                self.port(protocol, true, ports(asked.op, u16::from_be_bytes([*three, *four]))?)
            }
            _ => None,
        }
    }

    /// A range of ports.
    pub(super) fn port_range(&mut self, loaded: &Loaded, not: bool, min: &[u8], max: &[u8]) -> Option<()> {
        let Loaded { held: Held::Payload { base: PayloadBase::Transport, offset, length: 2 }, mask: None } = loaded
        else {
            return None;
        };
        let protocol = self.transport_protocol()?;
        if !matches!(protocol, TCP | UDP) || !matches!(*offset, 0 | DESTINATION) {
            return None;
        }
        let number = |bytes: &[u8]| Some(u16::from_be_bytes(bytes.try_into().ok()?));
        let test = Test { not, value: Range { min: number(min)?, max: number(max)? } };
        self.port(protocol, *offset == DESTINATION, test)
    }

    fn transport_protocol(&self) -> Option<u16> {
        self.header.protocol.as_ref().filter(|test| !test.not).map(|test| test.value)
    }

    fn port(&mut self, protocol: u16, destination: bool, test: Test<Range>) -> Option<()> {
        let fill = |ports: &mut Ports| {
            super::header::set(if destination { &mut ports.destination } else { &mut ports.source }, test)
        };
        if protocol == TCP { self.tcp(|tcp| fill(&mut tcp.ports)) } else { self.udp(fill) }
    }

    /// Adds to the last `tcp` match, or to a new one where that has such a part already.
    fn tcp(&mut self, fill: impl Fn(&mut Tcp) -> Option<()>) -> Option<()> {
        for found in &mut self.matches {
            if let Match::Tcp(tcp) = &mut found.is {
                let mut filled = tcp.clone();
                if fill(&mut filled).is_some() {
                    *tcp = filled;
                    return Some(());
                }
            }
        }
        let mut tcp = Tcp::default();
        fill(&mut tcp)?;
        self.matches.push(native("tcp", Match::Tcp(tcp)));
        Some(())
    }

    /// The same for `udp`.
    fn udp(&mut self, fill: impl Fn(&mut Ports) -> Option<()>) -> Option<()> {
        for found in &mut self.matches {
            if let Match::Udp(ports) = &mut found.is {
                let mut filled = ports.clone();
                if fill(&mut filled).is_some() {
                    *ports = filled;
                    return Some(());
                }
            }
        }
        let mut ports = Ports::default();
        fill(&mut ports)?;
        self.matches.push(native("udp", Match::Udp(ports)));
        Some(())
    }

    /// A type, or a type and its one code.
    fn icmp(&mut self, protocol: u16, offset: u32, asked: Comparison<'_>) -> Option<()> {
        let (kind, code_min, code_max) = match (offset, asked.value, asked.mask) {
            (0, [kind], None) => (*kind, 0, 255),
            (0, [kind, code], None) => (*kind, *code, *code),
            _ => return None,
        };
        let test = Test { not: asked.not()?, value: Icmp { kind, code_min, code_max } };
        match (self.family, protocol) {
            (Family::Ip, ICMP) => self.matches.push(native("icmp", Match::Icmp(test))),
            (Family::Ip6, ICMP6) => self.matches.push(native("icmp6", Match::Icmp6(test))),
            _ => return None,
        }
        Some(())
    }
}

/// The ports that compare so with one.
fn ports(op: Compare, port: u16) -> Option<Test<Range>> {
    let is = |min, max| Some(Test::is(Range { min, max }));
    match op {
        Compare::Eq => is(port, port),
        Compare::Neq => Some(Test { not: true, value: Range { min: port, max: port } }),
        Compare::Lt => is(0, port.checked_sub(1)?),
        Compare::Lte => is(0, port),
        Compare::Gt => is(port.checked_add(1)?, u16::MAX),
        Compare::Gte => is(port, u16::MAX),
    }
}
