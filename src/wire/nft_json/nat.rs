//! Address translation.
//!
//! May import model only.

use serde_json::Value;

use super::action::words;
use super::compile::{Rule, register};
use super::value::{Part, ends, only, value};
use crate::model::netfilter::expr::{Data, Expr, Nat, NatKind, Register, RegisterRange};
use crate::model::netfilter::set::Set;
use crate::model::netfilter::table::Family;
use crate::model::netfilter::words::kind::Kind;
use crate::model::text::Bytes;

/// `NF_NAT_RANGE_MAP_IPS`
const ADDRESS: u32 = 1;
/// `NF_NAT_RANGE_PROTO_SPECIFIED`
const PORT: u32 = 2;

impl Rule<'_> {
    pub(super) fn nat(&mut self, name: &str, inner: &Value) -> Option<()> {
        let kind = match name {
            "snat" => NatKind::Snat,
            "dnat" => NatKind::Dnat,
            "masquerade" => NatKind::Masquerade,
            _ => NatKind::Redirect,
        };
        let mut nat =
            Nat { kind, family: None, address: RegisterRange::default(), port: RegisterRange::default(), flags: 0 };
        if matches!(kind, NatKind::Snat | NatKind::Dnat) {
            nat.family = Some(match (inner.get("family").and_then(Value::as_str), self.family) {
                (Some("ip"), _) | (None, Family::Ip) => 2,
                (Some("ip6"), _) | (None, Family::Ip6) => 10,
                (None, _) => 1,
                (Some(_), _) => return None,
            });
        }
        for word in words(inner.get("flags"))? {
            nat.flags |= match word {
                "random" => 4,
                "persistent" => 8,
                "fully-random" => 16,
                "netmap" => 64,
                _ => return None,
            };
        }
        let mut word = 0;
        if let Some(address) = inner.get("addr") {
            let part = Part::of(if nat.family == Some(10) { Kind::Ipv6 } else { Kind::Ipv4 });
            nat.flags |= ADDRESS;
            let (range, port) = self.nat_address(address, part, &mut word)?;
            nat.address = range;
            if let Some(port) = port {
                nat.flags |= PORT;
                nat.port = one(port);
            }
        }
        if let Some(port) = inner.get("port") {
            nat.flags |= PORT;
            nat.port = self.nat_range(port, Part::of(Kind::Service), &mut word)?;
        }
        self.out.push(Expr::Nat(nat));
        Some(())
    }

    /// The registers of the address, and that of the port where one map gives both.
    fn nat_address(&mut self, json: &Value, part: Part, word: &mut usize) -> Option<(RegisterRange, Option<Register>)> {
        let Some(map) = only(json, "map") else {
            return Some((self.nat_range(json, part, word)?, None));
        };
        let given = [part, Part::of(Kind::Service)];
        let with_port = match map.get("data")?.as_str().and_then(|name| name.strip_prefix('@')) {
            Some(name) => self.gives_port(name, part)?,
            None => gives_concatenation(map.get("data")?)?,
        };
        if with_port {
            self.depend_on_ports(map.get("key")?)?;
        }
        let length = self.map(map, if with_port { &given } else { given.get(..1)? })?;
        *word = 4;
        let behind = register(part.padded() / 4);
        if with_port {
            return Some((one(register(0)), Some(behind)));
        }
        let max = if length == part.padded() * 2 { behind } else { register(0) };
        Some((RegisterRange { min: Some(register(0)), max: Some(max) }, None))
    }

    fn gives_port(&self, name: &str, part: Part) -> Option<bool> {
        let set: &Set = self.known.get(&name.into())?;
        Some(set.data_type == Some(Kind::concatenated(&[part.kind, Kind::Service])))
    }

    /// A value or a range, each in a register of its own.
    fn nat_range(&mut self, json: &Value, part: Part, word: &mut usize) -> Option<RegisterRange> {
        if let Some(map) = only(json, "map") {
            if *word != 0 {
                return None;
            }
            self.map(map, &[part])?;
            *word = 4;
            return Some(one(register(0)));
        }
        let (min, max) = match value(part, json) {
            Some(bytes) => (bytes, None),
            None => ends(part, json).map(|(min, max)| (min, Some(max)))?,
        };
        let mut hold = |rule: &mut Self, bytes: Vec<u8>| {
            let to = register(*word);
            *word += 4;
            rule.out.push(Expr::Immediate { to, data: Data::Value(Bytes(bytes)) });
            to
        };
        let min = hold(self, min);
        let max = max.map_or(min, |max| hold(self, max));
        Some(RegisterRange { min: Some(min), max: Some(max) })
    }
}

fn one(register: Register) -> RegisterRange {
    RegisterRange { min: Some(register), max: Some(register) }
}

/// Whether a map's elements give an address and a port.
fn gives_concatenation(json: &Value) -> Option<bool> {
    let first = only(json, "set")?.as_array()?.first()?.as_array()?;
    Some(only(first.get(1)?, "concat").is_some())
}
