//! A socket filter that takes the packets of a probe: the kernel queues none of the traffic beside it.
//!
//! May import model and netlink's own layer, whose programs these are. For sockets that see a packet from its IP
//! header on. What it lets through is looked at again.

use std::net::IpAddr;

use super::netlink::program::{Instruction, LONGEST};
use crate::model::probe::{Pattern, Token};

/// SYN and RST: of a connection only its beginning is watched.
const OPENING: u32 = 0x02 | 0x04;

/// A program for packets of one family and protocol, their answers (for UDP: those of the patterns) and ICMP errors.
pub fn program(ipv6: bool, protocol: u8, token: &Token, answers: &[Pattern]) -> Vec<Instruction> {
    let mut program = vec![Instruction::byte_at(0), Instruction::and(0xf0)];
    program.push(Instruction::equals(if ipv6 { 0x60 } else { 0x40 }, 1, 0));
    program.push(Instruction::end(false));
    let parts = match protocol {
        6 => vec![Part::of(ipv6, 6).any_bit(13, OPENING)],
        132 => [1, 2, 6].map(|chunk| Part::of(ipv6, 132).byte(12, chunk)).into(),
        17 => vec![Part::of(ipv6, 17).token(token)],
        _ if ipv6 => [128, 129].map(|kind| Part::of(true, 58).byte(0, kind).token(token)).into(),
        _ => [0, 8].map(|kind| Part::of(false, 1).byte(0, kind).token(token)).into(),
    };
    let errors: &[u32] = if ipv6 { &[1, 2, 3, 4] } else { &[3, 11, 12] };
    let icmp = if ipv6 { 58 } else { 1 };
    let errors = errors.iter().map(|kind| Part::of(ipv6, icmp).byte(0, *kind));
    let answers = answers.iter().filter(|_| protocol == 17);
    let answers = answers.map(|answer| Part::of(ipv6, 17).pattern(ipv6, answer));
    // A load beyond a packet's end drops it: what looks at the least comes first.
    for part in answers.chain(errors).chain(parts) {
        let part = part.closed();
        if program.len() + part.len() < LONGEST {
            program.extend(part);
        }
    }
    program.push(Instruction::end(false));
    program
}

/// Tests that all must hold; the first that does not leads behind the part.
struct Part {
    instructions: Vec<Instruction>,
    /// Which instructions lead to the part's end where they do not hold.
    tests: Vec<usize>,
}

impl Part {
    fn of(ipv6: bool, protocol: u32) -> Self {
        let mut part = Self { instructions: Vec::new(), tests: Vec::new() };
        part.instructions.push(Instruction::byte_at(if ipv6 { 6 } else { 9 }));
        part.must(Instruction::equals(protocol, 0, 0));
        // Where the header behind IP's begins.
        part.instructions.push(if ipv6 { Instruction::index(40) } else { Instruction::header_length(0) });
        part
    }

    fn must(&mut self, test: Instruction) {
        self.tests.push(self.instructions.len());
        self.instructions.push(test);
    }

    fn any_bit(mut self, at: u32, bits: u32) -> Self {
        self.instructions.push(Instruction::byte(at));
        self.must(Instruction::has_any(bits, 0, 0));
        self
    }

    fn byte(mut self, at: u32, is: u32) -> Self {
        self.instructions.push(Instruction::byte(at));
        self.must(Instruction::equals(is, 0, 0));
        self
    }

    fn token(mut self, token: &Token) -> Self {
        for (at, word) in (8u32..).step_by(4).zip(token.chunks_exact(4)) {
            if let Some(word) = word.first_chunk::<4>() {
                self.instructions.push(Instruction::four(at));
                self.must(Instruction::equals(u32::from_be_bytes(*word), 0, 0));
            }
        }
        self
    }

    fn pattern(mut self, ipv6: bool, pattern: &Pattern) -> Self {
        for (at, port) in [(0, pattern.source_port), (2, pattern.destination_port)] {
            if let Some(port) = port {
                self.instructions.push(Instruction::two(at));
                self.must(Instruction::equals(u32::from(port), 0, 0));
            }
        }
        let places = if ipv6 { [8, 24] } else { [12, 16] };
        for (at, address) in places.into_iter().zip([pattern.source, pattern.destination]) {
            let Some(address) = address else { continue };
            // From the packet's beginning again.
            self.instructions.push(Instruction::index(0));
            let words: Vec<u8> = match address {
                IpAddr::V4(address) => address.octets().into(),
                IpAddr::V6(address) => address.octets().into(),
            };
            for (at, word) in (at..).step_by(4).zip(words.chunks_exact(4)) {
                if let Some(word) = word.first_chunk::<4>() {
                    self.instructions.push(Instruction::four(at));
                    self.must(Instruction::equals(u32::from_be_bytes(*word), 0, 0));
                }
            }
        }
        self
    }

    fn closed(mut self) -> Vec<Instruction> {
        self.instructions.push(Instruction::end(true));
        let end = self.instructions.len();
        for at in self.tests {
            if let (Some(test), Ok(skip)) = (self.instructions.get_mut(at), u8::try_from(end - at - 1)) {
                test.no = skip;
            }
        }
        self.instructions
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a program as the kernel does, as far as these programs go.
    fn takes(program: &[Instruction], packet: &[u8]) -> bool {
        let (mut a, mut x, mut at) = (0u32, 0u32, 0usize);
        loop {
            let Instruction { code, yes, no, operand } = program[at];
            at += 1;
            let load = |from: u32, length: usize| {
                let from = usize::try_from(from).unwrap();
                let bytes = packet.get(from..from + length)?;
                Some(bytes.iter().fold(0u32, |sum, byte| sum << 8 | u32::from(*byte)))
            };
            let loaded = match code {
                0x30 => load(operand, 1),
                0x50 => load(x + operand, 1),
                0x48 => load(x + operand, 2),
                0x40 => load(x + operand, 4),
                0x54 => Some(a & operand),
                0x01 => {
                    x = operand;
                    Some(a)
                }
                0xb1 => {
                    x = (u32::from(packet[usize::try_from(operand).unwrap()]) & 0xf) * 4;
                    Some(a)
                }
                0x15 | 0x45 => {
                    let holds = if code == 0x15 { a == operand } else { a & operand != 0 };
                    at += usize::from(if holds { yes } else { no });
                    Some(a)
                }
                0x06 => return operand != 0,
                other => panic!("{other:#x}"),
            };
            // A load beyond the packet's end drops it.
            match loaded {
                Some(value) => a = value,
                None => return false,
            }
        }
    }

    fn four(protocol: u8, body: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
        bytes.extend_from_slice(body);
        bytes
    }

    const TOKEN: Token = *b"podnABCDEFGH";

    #[test]
    fn the_token_and_the_answers_are_taken_and_what_runs_beside_is_not() {
        let answer = Pattern {
            source: Some("10.0.0.1".parse().unwrap()),
            destination: None,
            ipv6: false,
            protocol: 17,
            source_port: Some(53),
            destination_port: Some(777),
        };
        let program = program(false, 17, &TOKEN, &[answer]);
        let datagram = |ports: [u8; 4], payload: &[u8]| four(17, &[&ports[..], &[0; 4], payload].concat());
        assert!(takes(&program, &datagram([0, 1, 0, 2], &TOKEN)));
        assert!(!takes(&program, &datagram([0, 1, 0, 2], b"podnABCDEFGX")));
        assert!(takes(&program, &datagram([0, 53, 3, 9], b"anything else")));
        assert!(takes(&program, &datagram([0, 53, 3, 9], b"")), "an answer may be shorter than the token");
        assert!(!takes(&program, &datagram([0, 53, 3, 8], b"anything else")));
        assert!(takes(&program, &four(1, &[3, 3, 0, 0, 0, 0, 0, 0])), "an error");
        assert!(!takes(&program, &four(1, &[8, 0, 0, 0, 0, 0, 0, 0])), "somebody's echo");
        assert!(!takes(&program, &four(6, &[0; 20])));
        assert!(!takes(&program, &[0x60; 60]));
    }

    #[test]
    fn of_tcp_only_what_opens_or_resets_is_taken() {
        let program = program(false, 6, &TOKEN, &[]);
        let segment = |flags: u8| {
            let mut body = [0u8; 20];
            body[13] = flags;
            four(6, &body)
        };
        let taken: Vec<bool> =
            [0x02, 0x12, 0x14, 0x10, 0x18, 0x11].map(|flags| takes(&program, &segment(flags))).into();
        assert_eq!(taken, [true, true, true, false, false, false]);
    }

    #[test]
    fn echos_of_ipv6_are_told_by_their_token() {
        let program = program(true, 58, &TOKEN, &[]);
        let echo = |token: &[u8]| {
            let mut bytes = vec![0x60, 0, 0, 0, 0, 20, 58, 64];
            bytes.extend([0; 32]);
            bytes.extend([129, 0, 0, 0, 0, 1, 0, 1]);
            bytes.extend_from_slice(token);
            bytes
        };
        assert!(takes(&program, &echo(&TOKEN)));
        assert!(!takes(&program, &echo(b"podnABCDEFGI")));
    }
}
