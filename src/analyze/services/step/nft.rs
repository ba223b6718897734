//! Rules of nftables mode: registers are followed from where they are filled to where they are used.
//!
//! May import model and its siblings only.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::{Step, Then, When};
use crate::model::kube_proxy::Protocol;
use crate::model::netfilter::expr::{BitwiseOp, Compare, Data, Expr, NatKind, PayloadBase, Register, Verdict};
use crate::model::netfilter::rule::Rule;
use crate::model::netfilter::table::{Counters, Family};
use crate::model::text::{ByteText, Bytes};

/// `NFT_META_MARK`, `NFT_META_L4PROTO`
const MARK: u32 = 3;
const L4PROTO: u32 = 16;
/// `NFT_CT_STATE`, `NFT_CT_STATUS`
const CT_STATE: u32 = 0;
const CT_STATUS: u32 = 2;
/// `NFT_FIB_RESULT_ADDRTYPE`, `NFTA_FIB_F_SADDR`, `NFTA_FIB_F_DADDR`, `RTN_LOCAL`
const ADDRESS_TYPE: u32 = 3;
const OF_SOURCE: u32 = 1;
const OF_DESTINATION: u32 = 2;
const LOCAL: u32 = 2;
/// `NF_CT_STATE_BIT(IP_CT_NEW)`; nft has `new` as bit 3.
const NEW: u32 = 8;
/// `IPS_DST_NAT`
const DST_NAT: u32 = 1 << 5;
/// Registers of four bytes that the sixteen of a register are made of.
const SLOTS: usize = 16;

/// What a register holds.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Held {
    Source,
    Destination,
    Protocol,
    Port,
    Mark,
    State,
    Status,
    SourceType,
    DestinationType,
    Drawn {
        modulus: u32,
        offset: u32,
    },
    /// What a map gave for a number that was drawn.
    FromMap {
        modulus: u32,
        offset: u32,
        map: ByteText,
    },
    Value(Vec<u8>),
    Masked(Box<Held>, Vec<u8>),
    Unknown,
}

/// What was learned of a rule so far.
struct Reading {
    family: Family,
    /// By slots of four bytes: what begins there.
    held: [Option<Held>; SLOTS],
    when: Vec<When>,
    then: Then,
    notes: Option<ByteText>,
    counters: Option<Counters>,
}

pub(super) fn read<'a>(rule: &'a Rule, exprs: &[Expr], family: Family) -> Step<'a> {
    let held = std::array::from_fn(|_| None);
    let mut reading = Reading { family, held, when: Vec::new(), then: Then::Nothing, notes: None, counters: None };
    for expr in exprs {
        reading.expr(expr);
    }
    let Reading { when, then, notes, counters, .. } = reading;
    Step { rule, when, then, notes, counters }
}

fn slot(register: Register) -> Option<usize> {
    register.offset().map(|offset| offset / 4)
}

impl Reading {
    fn set(&mut self, register: Register, held: Held) {
        if let Some(place) = slot(register).and_then(|slot| self.held.get_mut(slot)) {
            *place = Some(held);
        }
    }

    fn get(&self, register: Register) -> Held {
        let held = slot(register).and_then(|slot| self.held.get(slot)?.clone());
        held.unwrap_or(Held::Unknown)
    }

    /// The fields of a concatenated key, each padded to four bytes.
    fn key(&self, register: Register) -> Vec<Held> {
        let mut fields = Vec::new();
        let Some(mut at) = slot(register) else { return fields };
        while let Some(Some(held)) = self.held.get(at) {
            at += match held {
                Held::Source | Held::Destination if self.family == Family::Ip6 => 4,
                _ => 1,
            };
            fields.push(held.clone());
        }
        fields
    }

    /// Does one thing more: a rule that does two is not read, but for what comes before a verdict.
    fn does(&mut self, then: Then) {
        self.then = if self.then == Then::Nothing { then } else { Then::Other };
    }

    fn expr(&mut self, expr: &Expr) {
        match expr {
            Expr::Payload { to, base, offset, length } => {
                let held = self.payload(*base, *offset, *length);
                self.set(*to, held);
            }
            Expr::Meta { to, key } => self.set(
                *to,
                match *key {
                    MARK => Held::Mark,
                    L4PROTO => Held::Protocol,
                    _ => Held::Unknown,
                },
            ),
            Expr::Ct { to, key, direction: None } => self.set(
                *to,
                match *key {
                    CT_STATE => Held::State,
                    CT_STATUS => Held::Status,
                    _ => Held::Unknown,
                },
            ),
            Expr::Fib { to, result: ADDRESS_TYPE, flags } => self.set(
                *to,
                match *flags {
                    OF_SOURCE => Held::SourceType,
                    OF_DESTINATION => Held::DestinationType,
                    _ => Held::Unknown,
                },
            ),
            Expr::Numgen { to, modulus, random: true, offset } => {
                self.set(*to, Held::Drawn { modulus: *modulus, offset: *offset });
            }
            Expr::Bitwise { from, to, op: BitwiseOp::MaskXor { mask, xor }, .. } => {
                let held = match self.get(*from) {
                    // The mark, changed: what it becomes counts only when it is written back.
                    Held::Mark => Held::Masked(Box::new(Held::Mark), mask.0.clone()),
                    held if xor.0.iter().all(|byte| *byte == 0) => Held::Masked(Box::new(held), mask.0.clone()),
                    _ => Held::Unknown,
                };
                self.set(*to, held);
            }
            Expr::Cmp { from, op, value } => {
                let when = self.compared(&self.get(*from), *op, value);
                self.when.push(when);
            }
            Expr::Lookup { set, from, to, not } => self.lookup(set, *from, *to, *not),
            Expr::Immediate { to: Register::VERDICT, data: Data::Verdict(verdict) } => {
                let then = verdict_does(verdict);
                self.does(then);
            }
            Expr::Immediate { to, data: Data::Value(value) } => self.set(*to, Held::Value(value.0.clone())),
            Expr::MetaSet { from, key: MARK } if matches!(self.get(*from), Held::Masked(held, _) if *held == Held::Mark) =>
            {
                self.does(Then::Mark);
            }
            Expr::Nat(nat) => self.nat(nat.kind, nat.address.min, nat.port.min),
            Expr::Dynset { set, op: 0 | 1, key, not: false, .. } if self.get(*key) == Held::Source => {
                self.notes = Some(set.clone());
            }
            Expr::Counter(counters) => self.counters = Some(*counters),
            Expr::Reject { .. } => self.does(Then::Reject),
            // They change nothing of where a packet goes.
            Expr::Log { .. } => {}
            Expr::Limit(_) | Expr::Quota(_) => self.when.push(When::Other),
            _ => self.unread(expr),
        }
    }

    /// An expression that is not read may ask or do anything.
    fn unread(&mut self, expr: &Expr) {
        match expr {
            Expr::Meta { to, .. }
            | Expr::Ct { to, .. }
            | Expr::Fib { to, .. }
            | Expr::Rt { to, .. }
            | Expr::Bitwise { to, .. }
            | Expr::Byteorder { to, .. }
            | Expr::Numgen { to, .. }
            | Expr::Hash { to, .. } => self.set(*to, Held::Unknown),
            Expr::Range { .. } | Expr::XtMatch(_) => self.when.push(When::Other),
            _ => self.then = Then::Other,
        }
    }

    fn payload(&self, base: PayloadBase, offset: u32, length: u32) -> Held {
        let address = if self.family == Family::Ip6 { 16 } else { 4 };
        let (source, destination) = if self.family == Family::Ip6 { (8, 24) } else { (12, 16) };
        match base {
            PayloadBase::Network if offset == source && length <= address => Held::Source,
            PayloadBase::Network if offset == destination && length <= address => Held::Destination,
            PayloadBase::Transport if (offset, length) == (2, 2) => Held::Port,
            _ => Held::Unknown,
        }
    }

    /// What a comparison asks.
    fn compared(&self, held: &Held, op: Compare, value: &Bytes) -> When {
        let not = match op {
            Compare::Eq => false,
            Compare::Neq => true,
            _ => return When::Other,
        };
        let bytes = value.0.as_slice();
        let number = host_number(bytes);
        match held {
            Held::Source | Held::Destination => self.network(held, bytes, bytes.len() * 8, not),
            Held::Masked(inner, mask) => match inner.as_ref() {
                Held::Source | Held::Destination => match prefix_length(mask) {
                    Some(length) => self.network(inner, bytes, length, not),
                    None => When::Other,
                },
                // `ct state new`, `ct status dnat`: the bit is not 0.
                Held::State if not && number == Some(0) && host_number(mask) == Some(NEW) => When::New,
                Held::Status if not && number == Some(0) && host_number(mask) == Some(DST_NAT) => When::Translated,
                _ => When::Other,
            },
            Held::Protocol if !not => match bytes {
                [number] => Protocol::numbered(*number).map_or(When::Other, When::Protocol),
                _ => When::Other,
            },
            Held::Port if !not => match bytes {
                [high, low] => When::Port(u16::from_be_bytes([*high, *low])),
                _ => When::Other,
            },
            Held::SourceType if number == Some(LOCAL) => When::SourceLocal { not },
            Held::DestinationType if number == Some(LOCAL) => When::DestinationLocal { not },
            _ => When::Other,
        }
    }

    /// nft compares as many bytes as the prefix has, where it has whole ones.
    fn network(&self, held: &Held, bytes: &[u8], length: usize, not: bool) -> When {
        let address = address(self.family, bytes);
        let net = address.zip(u8::try_from(length).ok()).and_then(|(address, length)| IpNet::new(address, length).ok());
        match (net, held) {
            (Some(net), Held::Source) => When::Source { net, not },
            (Some(net), _) => When::Destination { net, not },
            (None, _) => When::Other,
        }
    }

    fn lookup(&mut self, set: &ByteText, from: Register, to: Option<Register>, not: bool) {
        let key = self.key(from);
        let set = set.clone();
        match (to, key.as_slice()) {
            (None, [Held::Source, Held::Destination, Held::Protocol, Held::Port, ..]) if !not => {
                self.when.push(When::Flow { set });
            }
            (None, [Held::Source, ..]) => self.when.push(When::SourceSet { set, not }),
            (None, [Held::Destination, ..]) => self.when.push(When::DestinationSet { set, not }),
            (None, _) => self.when.push(When::Other),
            (Some(Register::VERDICT), [Held::Destination, Held::Protocol, Held::Port, ..]) => {
                self.does(Then::Map { set, by_address: true });
            }
            (Some(Register::VERDICT), [Held::Protocol, Held::Port, ..]) => {
                self.does(Then::Map { set, by_address: false });
            }
            (Some(Register::VERDICT), [Held::Drawn { modulus, offset }, ..]) => {
                let (modulus, offset) = (*modulus, *offset);
                self.does(Then::Draw { modulus, offset, map: set });
            }
            (Some(Register::VERDICT), _) => self.then = Then::Other,
            (Some(register), [Held::Drawn { modulus, offset }, ..]) => {
                let held = Held::FromMap { modulus: *modulus, offset: *offset, map: set };
                self.set(register, held);
            }
            (Some(register), _) => self.set(register, Held::Unknown),
        }
    }

    fn nat(&mut self, kind: NatKind, from: Option<Register>, port: Option<Register>) {
        let then = match (kind, from.map(|register| self.get(register))) {
            (NatKind::Masquerade, _) => {
                // `masquerading` takes the mark away and masquerades in one rule.
                if matches!(self.then, Then::Nothing | Then::Mark) {
                    self.then = Then::Masquerade;
                    return;
                }
                Then::Other
            }
            (NatKind::Dnat, Some(Held::FromMap { modulus, offset, map })) => Then::Draw { modulus, offset, map },
            (NatKind::Dnat, Some(Held::Value(bytes))) => {
                let port = port.map(|register| self.get(register));
                let port = match port {
                    Some(Held::Value(bytes)) => bytes.get(..2).map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]])),
                    _ => None,
                };
                address(self.family, &bytes).map_or(Then::Other, |address| Then::Dnat(address, port))
            }
            _ => Then::Other,
        };
        self.does(then);
    }
}

pub(super) fn verdict_does(verdict: &Verdict) -> Then {
    match verdict {
        Verdict::Jump(chain) | Verdict::Goto(chain) => Then::to(chain),
        Verdict::Drop => Then::Drop,
        Verdict::Accept | Verdict::Return => Then::Leave,
        Verdict::Continue | Verdict::Break => Then::Nothing,
        Verdict::Queue(_) | Verdict::Other(_) => Then::Other,
    }
}

/// An address of which the first bytes are given; the rest is 0.
pub(in crate::analyze::services) fn address(family: Family, bytes: &[u8]) -> Option<IpAddr> {
    if family == Family::Ip6 {
        let mut whole = [0; 16];
        whole.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(Ipv6Addr::from(whole).into())
    } else {
        let mut whole = [0; 4];
        whole.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(Ipv4Addr::from(whole).into())
    }
}

/// A number of the kernel's own byte order.
pub(in crate::analyze::services) fn host_number(bytes: &[u8]) -> Option<u32> {
    match bytes {
        [one] => Some(u32::from(*one)),
        [a, b, c, d] => Some(u32::from_ne_bytes([*a, *b, *c, *d])),
        _ => None,
    }
}

/// How many bits of a mask are set; `None` where they are not the first ones.
fn prefix_length(mask: &[u8]) -> Option<usize> {
    let ones = mask.iter().take_while(|byte| **byte == 0xff).count();
    let partial = mask.get(ones).copied().unwrap_or(0);
    let bits = usize::try_from(partial.leading_ones()).ok()?;
    let rest = mask.get(ones + 1..).unwrap_or_default();
    let clean = partial.count_ones() == partial.leading_ones() && rest.iter().all(|byte| *byte == 0);
    clean.then_some(ones * 8 + bits)
}
