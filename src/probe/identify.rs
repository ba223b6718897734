//! Whose a packet is: the probe's, its answer, an error about it, or somebody else's.
//!
//! May import model only. By what no translation changes: the token of a datagram or an echo, the sequence number of
//! a SYN and what its answer acknowledges, the tags of SCTP. An answer of UDP is told by its addresses: they are
//! those of the probe, turned around, as some link has shown it.

use std::collections::BTreeSet;

use crate::analyze::path::Tuple;
use crate::model::probe::{Ends, Kind, Packet, Role, Token};

/// `SYN`, `RST`, `ACK`
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;
/// `INIT`, `INIT ACK`, `ABORT`
const INIT: u8 = 1;
const INIT_ACK: u8 = 2;
const ABORT: u8 = 6;

/// What the probe is told by.
#[derive(Debug)]
pub(super) struct Identity {
    token: Token,
    /// The sequence number of its SYN, or the tag of its INIT.
    number: Option<u32>,
    /// All addresses and ports that it was seen with.
    shapes: BTreeSet<Ends>,
}

impl Identity {
    /// Learns it from all that was seen, by time; `own` are the packets of the sender's namespace.
    pub fn learn<'p>(
        token: Token,
        sends: Tuple,
        own: impl Iterator<Item = &'p Packet>,
        all: impl Iterator<Item = &'p Packet>,
    ) -> Self {
        let mut identity = Self { token, number: None, shapes: BTreeSet::new() };
        let is_sent = |ends: Ends| {
            (ends.source_port, ends.destination, Some(ends.destination_port))
                == (sends.source_port.unwrap_or(0), sends.destination, sends.destination_port)
        };
        identity.number = own.filter(|packet| is_sent(packet.ends)).find_map(|packet| match packet.kind {
            Kind::Tcp { flags, sequence, .. } if flags & (SYN | ACK | RST) == SYN => Some(sequence),
            Kind::Sctp { chunk: INIT, initiate, .. } => initiate,
            _ => None,
        });
        // In their order: a server that sends back what it gets sends the token too.
        for packet in all {
            if identity.is_question(packet) {
                identity.shapes.insert(packet.ends);
            }
        }
        identity
    }

    fn is_question(&self, packet: &Packet) -> bool {
        match &packet.kind {
            Kind::Tcp { flags, sequence, .. } => flags & (SYN | ACK | RST) == SYN && Some(*sequence) == self.number,
            Kind::Sctp { chunk, initiate, .. } => *chunk == INIT && initiate.is_some() && *initiate == self.number,
            Kind::Udp { token } => *token == Some(self.token) && !self.shapes.contains(&packet.ends.inverted()),
            Kind::Echo { reply, token } => !reply && *token == Some(self.token),
            Kind::Error { .. } => false,
        }
    }

    /// What a packet is; `None`: somebody else's.
    pub fn role(&self, packet: &Packet) -> Option<Role> {
        if self.is_question(packet) {
            return Some(Role::Question);
        }
        let next = self.number.map(|number| number.wrapping_add(1));
        match &packet.kind {
            Kind::Tcp { flags, acknowledged, .. } if flags & ACK != 0 && Some(*acknowledged) == next => {
                match (flags & SYN != 0, flags & RST != 0) {
                    (_, true) => Some(Role::Refusal),
                    (true, _) => Some(Role::Answer),
                    _ => None,
                }
            }
            Kind::Sctp { chunk, tag, .. } if Some(*tag) == self.number => match *chunk {
                INIT_ACK => Some(Role::Answer),
                ABORT => Some(Role::Refusal),
                _ => None,
            },
            Kind::Udp { .. } => self.shapes.contains(&packet.ends.inverted()).then_some(Role::Answer),
            Kind::Echo { reply: true, token } => (*token == Some(self.token)).then_some(Role::Answer),
            Kind::Error { about, .. } => self.is_about(about).then_some(Role::Error),
            _ => None,
        }
    }

    /// Whether an error quotes the probe or its answer.
    fn is_about(&self, about: &Packet) -> bool {
        match &about.kind {
            Kind::Tcp { sequence, acknowledged, .. } => {
                let next = self.number.map(|number| number.wrapping_add(1));
                self.number.is_some() && (Some(*sequence) == self.number || Some(*acknowledged) == next)
            }
            Kind::Udp { token: Some(token) } | Kind::Echo { token: Some(token), .. } if *token == self.token => true,
            _ => self.shapes.contains(&about.ends) || self.shapes.contains(&about.ends.inverted()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(source_port: u16, destination_port: u16, protocol: u8) -> Ends {
        let (source, destination) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
        Ends { source, destination, protocol, source_port, destination_port }
    }

    fn tcp(ends: Ends, flags: u8, sequence: u32, acknowledged: u32) -> Packet {
        Packet { ends, kind: Kind::Tcp { flags, sequence, acknowledged } }
    }

    fn sends(protocol: u8) -> Tuple {
        Tuple {
            source: "10.0.0.1".parse().unwrap(),
            destination: "10.0.0.2".parse().unwrap(),
            protocol,
            source_port: Some(1000),
            destination_port: Some(80),
        }
    }

    #[test]
    fn a_connection_is_told_by_its_first_number_whatever_its_ports_become() {
        let own = [tcp(ends(1, 80, 6), SYN, 5, 0), tcp(ends(1000, 80, 6), SYN, 7, 0)];
        let identity = Identity::learn(*b"podnABCDEFGH", sends(6), own.iter(), own.iter());
        let role = |flags, sequence, acknowledged| identity.role(&tcp(ends(9, 9, 6), flags, sequence, acknowledged));
        assert_eq!(role(SYN, 7, 0), Some(Role::Question));
        assert_eq!(role(SYN, 5, 0), None, "another client's");
        assert_eq!(role(SYN | ACK, 99, 8), Some(Role::Answer));
        assert_eq!(role(RST | ACK, 0, 8), Some(Role::Refusal));
        assert_eq!(role(RST, 8, 0), None, "the sender's own end");
        assert_eq!(role(ACK, 8, 100), None);
    }

    #[test]
    fn an_answer_of_udp_is_a_shape_of_the_probe_turned_around() {
        let udp = |ends, token| Packet { ends, kind: Kind::Udp { token } };
        let own = [udp(ends(1000, 80, 17), Some(*b"podnABCDEFGH")), udp(ends(1001, 80, 17), Some(*b"podnABCDEFGX"))];
        let identity = Identity::learn(*b"podnABCDEFGH", sends(17), own.iter(), own.iter());
        assert_eq!(identity.role(&own[0]), Some(Role::Question));
        assert_eq!(identity.role(&own[1]), None);
        assert_eq!(identity.role(&udp(own[0].ends.inverted(), None)), Some(Role::Answer));
        // A server that sends back what it gets.
        let echoed = udp(own[0].ends.inverted(), Some(*b"podnABCDEFGH"));
        assert_eq!(identity.role(&echoed), Some(Role::Answer));
        assert_eq!(identity.role(&udp(own[1].ends.inverted(), None)), None);
    }
}
