//! Address translation.
//!
//! May import model only.

use std::fmt::Write as _;

use super::term::{Held, Term};
use super::value::{Part, span, value};
use super::writer::Writer;
use crate::model::netfilter::expr::{Nat, NatKind, Register, RegisterRange};
use crate::model::netfilter::table::Family;
use crate::model::netfilter::words::kind::Kind;
use crate::model::text::Bytes;

/// `NF_NAT_RANGE_NETMAP`
const PREFIX: u32 = 64;

/// The bits that `nft` writes words for, and those that follow from what else there is.
const KNOWN: u32 = 1 | 2 | 4 | 8 | 16 | PREFIX;

/// The two ends of a range of constants.
struct Ends {
    min: Bytes,
    max: Bytes,
}

impl Writer<'_> {
    pub(super) fn nat(&mut self, nat: &Nat) -> Option<String> {
        if nat.flags & !KNOWN != 0 {
            return None;
        }
        let verb = match nat.kind {
            NatKind::Snat => "snat",
            NatKind::Dnat => "dnat",
            NatKind::Masquerade => "masquerade",
            NatKind::Redirect => "redirect",
        };
        let (family, address) = match nat.family {
            Some(2) => (" ip", Part::of(Kind::Ipv4)),
            Some(10) => (" ip6", Part::of(Kind::Ipv6)),
            _ => ("", Part::of(Kind::Integer)),
        };
        let mut text = verb.to_owned();
        let concatenated = self.is_concatenated(nat, address);
        let names_family = matches!(self.family, Family::Inet | Family::Bridge | Family::Netdev) || concatenated;
        if names_family && nat.address.min.is_some() {
            text.push_str(family);
        }
        if nat.flags & PREFIX != 0 {
            text.push_str(" prefix");
        }
        if nat.address.min.is_some() || nat.port.min.is_some() {
            text.push_str(" to ");
        }
        if nat.address.min.is_some() {
            let with_port = !concatenated && nat.port.min.is_some();
            text.push_str(&self.nat_address(nat.address, address, concatenated, with_port)?);
        }
        if nat.port.min.is_some() && !concatenated {
            // nft takes the port to be a statement of its own.
            self.protocols.forget_questions();
            let _ = write!(text, ":{}", self.nat_port(nat.port)?);
        }
        let words: Vec<&str> = [(4, "random"), (16, "fully-random"), (8, "persistent")]
            .iter()
            .filter(|(bit, _)| nat.flags & bit != 0)
            .map(|(_, word)| *word)
            .collect();
        if !words.is_empty() {
            let _ = write!(text, " {}", words.join(","));
        }
        Some(text)
    }

    /// Whether one map gives the address and the port.
    fn is_concatenated(&mut self, nat: &Nat, address: Part) -> bool {
        let (Some(first), Some(port)) = (nat.address.min, nat.port.min) else { return false };
        let behind = |register: Register| register.offset().map(|at| at + address.padded());
        let held = self.at(first);
        let is_map =
            held.is_some_and(|held| matches!(held.term, Term::Map { .. }) && held.length == address.padded() + 4);
        is_map && behind(first) == port.offset()
    }

    fn nat_address(&mut self, range: RegisterRange, part: Part, concatenated: bool, with_port: bool) -> Option<String> {
        let min = self.at(range.min?)?;
        match &min.term {
            Term::Map { key, set } => {
                let parts = [part, Part::of(Kind::Service)];
                self.map(key, set, if concatenated { &parts } else { &parts[..1] })
            }
            Term::Value(_) => {
                let ends = self.ends(&min, range)?;
                let text = if ends.min == ends.max {
                    value(part, &ends.min.0, self.contents)?
                } else {
                    span(part, &ends.min.0, &ends.max.0, self.contents)?
                };
                Some(if with_port && part.kind == Kind::Ipv6 { bracketed(&text) } else { text })
            }
            term => Some(self.name(term)?.text),
        }
    }

    fn nat_port(&mut self, range: RegisterRange) -> Option<String> {
        let part = Part::of(Kind::Service);
        let min = self.at(range.min?)?;
        match &min.term {
            Term::Value(_) => {
                let ends = self.ends(&min, range)?;
                span(part, &ends.min.0, &ends.max.0, self.contents)
            }
            _ => self.source(&min, part),
        }
    }

    fn ends(&mut self, min: &Held, range: RegisterRange) -> Option<Ends> {
        let max = self.at(range.max.or(range.min)?)?;
        match (&min.term, &max.term) {
            (Term::Value(min), Term::Value(max)) => Some(Ends { min: min.clone(), max: max.clone() }),
            _ => None,
        }
    }

    pub(super) fn tproxy(&mut self, family: u32, address: Option<Register>, port: Option<Register>) -> Option<String> {
        let (word, part) = match family {
            2 => (" ip", Part::of(Kind::Ipv4)),
            10 => (" ip6", Part::of(Kind::Ipv6)),
            _ => ("", Part::of(Kind::Integer)),
        };
        let mut text = String::from("tproxy");
        let own = matches!((self.family, family), (Family::Ip, 2) | (Family::Ip6, 10));
        if !own {
            text.push_str(word);
        }
        text.push_str(" to");
        if let Some(address) = address {
            let held = self.at(address)?;
            let given = self.source(&held, part)?;
            let brackets = part.kind == Kind::Ipv6 && matches!(held.term, Term::Value(_));
            let _ = write!(text, " {}", if brackets { bracketed(&given) } else { given });
        }
        if let Some(port) = port {
            self.protocols.forget_questions();
            let held = self.at(port)?;
            let given = self.source(&held, Part::of(Kind::Service))?;
            let _ = write!(text, "{}:{given}", if address.is_some() { "" } else { " " });
        }
        Some(text)
    }
}

fn bracketed(text: &str) -> String {
    match text.split_once('-') {
        Some((min, max)) => format!("[{min}]-[{max}]"),
        None => format!("[{text}]"),
    }
}
