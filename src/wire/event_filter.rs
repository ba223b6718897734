//! Flow filters as a program for a socket's filter, so that events nobody asked for are not even queued.
//!
//! May import model and netlink's own layer. It takes only what never changes in a flow (family, protocol,
//! addresses, ports): a flow whose mark or state changes has to be followed to be told rightly. What it lets
//! through is checked again.

use std::net::IpAddr;

use super::netlink::program::{Instruction, LONGEST};
use crate::model::flow::filter::{FlowFilter, TupleFilter};

/// `struct nlmsghdr` and `struct nfgenmsg` stand before the attributes.
const FAMILY_AT: u32 = 16;
const ATTRIBUTES_AT: u32 = 20;
/// An attribute's payload stands behind its length and type.
const PAYLOAD: u32 = 4;

const CTA_TUPLE_ORIG: u32 = 1;
const CTA_TUPLE_REPLY: u32 = 2;
const CTA_TUPLE_IP: u32 = 1;
const CTA_TUPLE_PROTO: u32 = 2;
const CTA_IP_V4_SRC: u32 = 1;
const CTA_IP_V4_DST: u32 = 2;
const CTA_IP_V6_SRC: u32 = 3;
const CTA_IP_V6_DST: u32 = 4;
const CTA_PROTO_NUM: u32 = 1;
const CTA_PROTO_SRC_PORT: u32 = 2;
const CTA_PROTO_DST_PORT: u32 = 3;

const AF_INET: u32 = 2;
const AF_INET6: u32 = 10;

/// A program that takes the messages of flows which at least one of the filters may accept; `None` where that is
/// all of them, or where the program would be longer than the kernel takes.
pub fn program(filters: &[FlowFilter]) -> Option<Vec<Instruction>> {
    let mut program = Vec::new();
    for filter in filters {
        let part = Part::of(filter)?;
        program.extend(part);
        if program.len() >= LONGEST {
            return None;
        }
    }
    if program.is_empty() {
        return None;
    }
    program.push(Instruction::end(false));
    Some(program)
}

/// The instructions of one filter: its last takes the message, and each test that fails leads behind it.
#[derive(Default)]
struct Part {
    instructions: Vec<Instruction>,
    /// Which instructions skip to the end of the part, and on which outcome.
    leave: Vec<(usize, bool)>,
}

impl Part {
    /// `None`: it would take everything, or is too long to be skipped.
    fn of(filter: &FlowFilter) -> Option<Vec<Instruction>> {
        let mut part = Self::default();
        if let Some(ipv6) = filter.ipv6 {
            part.instructions.push(Instruction::byte_at(FAMILY_AT));
            part.must_equal(if ipv6 { AF_INET6 } else { AF_INET });
        }
        if let Some(protocol) = filter.protocol {
            part.seek([CTA_TUPLE_ORIG, CTA_TUPLE_PROTO, CTA_PROTO_NUM]);
            part.instructions.push(Instruction::byte(PAYLOAD));
            part.must_equal(u32::from(protocol));
        }
        part.tuple(CTA_TUPLE_ORIG, &filter.original);
        part.tuple(CTA_TUPLE_REPLY, &filter.reply);
        if part.instructions.is_empty() {
            return None;
        }
        part.instructions.push(Instruction::end(true));
        part.closed()
    }

    fn tuple(&mut self, tuple: u32, filter: &TupleFilter) {
        let addresses = [(filter.src, CTA_IP_V4_SRC, CTA_IP_V6_SRC), (filter.dst, CTA_IP_V4_DST, CTA_IP_V6_DST)];
        for (address, v4, v6) in addresses {
            match address {
                None => {}
                Some(IpAddr::V4(address)) => {
                    self.seek([tuple, CTA_TUPLE_IP, v4]);
                    self.words(&[address.to_bits()]);
                }
                Some(IpAddr::V6(address)) => {
                    self.seek([tuple, CTA_TUPLE_IP, v6]);
                    let bits = address.to_bits();
                    #[expect(clippy::cast_possible_truncation, reason = "four words of one number")]
                    self.words(&[96, 64, 32, 0].map(|shift| (bits >> shift) as u32));
                }
            }
        }
        for (port, kind) in [(filter.src_port, CTA_PROTO_SRC_PORT), (filter.dst_port, CTA_PROTO_DST_PORT)] {
            if let Some(port) = port {
                self.seek([tuple, CTA_TUPLE_PROTO, kind]);
                self.instructions.push(Instruction::two(PAYLOAD));
                self.must_equal(u32::from(port));
            }
        }
    }

    /// Puts the offset of an attribute into the index register.
    fn seek(&mut self, [outer, middle, inner]: [u32; 3]) {
        self.instructions.extend([Instruction::index(outer), Instruction::number(ATTRIBUTES_AT), Instruction::find()]);
        self.must_be_there();
        for kind in [middle, inner] {
            self.instructions.extend([Instruction::index(kind), Instruction::find_within()]);
            self.must_be_there();
        }
        self.instructions.push(Instruction::into_index());
    }

    fn words(&mut self, words: &[u32]) {
        let mut offset = PAYLOAD;
        for word in words {
            self.instructions.push(Instruction::four(offset));
            self.must_equal(*word);
            offset += 4;
        }
    }

    fn must_be_there(&mut self) {
        self.leave.push((self.instructions.len(), true));
        self.instructions.push(Instruction::equals(0, 0, 0));
    }

    fn must_equal(&mut self, number: u32) {
        self.leave.push((self.instructions.len(), false));
        self.instructions.push(Instruction::equals(number, 0, 0));
    }

    /// Fills in how far to skip.
    fn closed(mut self) -> Option<Vec<Instruction>> {
        let end = self.instructions.len();
        for (at, on_equal) in self.leave {
            let skip = u8::try_from(end.checked_sub(at + 1)?).ok()?;
            let instruction = self.instructions.get_mut(at)?;
            *(if on_equal { &mut instruction.yes } else { &mut instruction.no }) = skip;
        }
        Some(self.instructions)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_never_changes_is_tested_and_nothing_else() {
        let any = FlowFilter::default();
        assert_eq!(program(&[]), None, "no filter takes everything");
        assert_eq!(program(std::slice::from_ref(&any)), None);
        let marked = FlowFilter { mark: Some((1, 1)), zone: Some(3), status: Some((2, 2)), ..any.clone() };
        assert_eq!(program(std::slice::from_ref(&marked)), None, "these change, or are left out where they are 0");
        let pod = FlowFilter::places_of("10.200.0.4".parse().unwrap());
        assert!(program(&pod).is_some());
        assert_eq!(program(&[pod[0].clone(), marked]), None, "one of them takes everything");
    }

    #[test]
    fn a_program_for_one_family_is_as_written_down_here() {
        let filter = FlowFilter { ipv6: Some(true), ..FlowFilter::default() };
        let expected = [
            Instruction { code: 0x30, yes: 0, no: 0, operand: 16 },
            Instruction { code: 0x15, yes: 0, no: 1, operand: 10 },
            Instruction { code: 0x06, yes: 0, no: 0, operand: u32::MAX },
            Instruction { code: 0x06, yes: 0, no: 0, operand: 0 },
        ];
        assert_eq!(program(&[filter]).unwrap(), expected);
    }

    #[test]
    fn every_skip_stays_within_the_program() {
        let full = TupleFilter {
            src: Some("2001:db8::1".parse().unwrap()),
            dst: Some("2001:db8::2".parse().unwrap()),
            src_port: Some(1),
            dst_port: Some(2),
        };
        let filter =
            FlowFilter { ipv6: Some(true), protocol: Some(6), original: full, reply: full, ..FlowFilter::default() };
        let program = program(&[filter.clone(), filter]).unwrap();
        for (at, instruction) in program.iter().enumerate().filter(|(_, instruction)| instruction.code == 0x15) {
            assert!(at + 1 + usize::from(instruction.yes.max(instruction.no)) < program.len(), "{at}");
        }
    }

    #[test]
    fn a_program_that_the_kernel_would_refuse_is_not_made() {
        let one = FlowFilter::places_of("10.200.0.4".parse().unwrap());
        let many: Vec<FlowFilter> = one.iter().cycle().take(400).cloned().collect();
        assert_eq!(program(&many), None);
    }
}
