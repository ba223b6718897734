//! Statements that do something.
//!
//! May import model only.

use serde_json::Value;

use super::compile::{Rule, register};
use super::load::{named_field, place};
use super::sets::Shape;
use super::value::{Part, count, only, value};
use crate::model::netfilter::expr::{
    BitwiseOp, Data, Expr, Limit, ObjectMap, ObjectRef, PayloadBase, Quota, Register, Verdict,
};
use crate::model::netfilter::table::{Counters, Family};
use crate::model::netfilter::words::key;
use crate::model::netfilter::words::kind::Kind;
use crate::model::netfilter::words::packet::Header;
use crate::model::netfilter::words::symbol;
use crate::model::text::Bytes;

/// A verdict.
pub(super) fn verdict(json: &Value) -> Option<Verdict> {
    let (name, inner) = json.as_object().filter(|object| object.len() == 1)?.iter().next()?;
    let target = || inner.get("target")?.as_str();
    Some(match name.as_str() {
        "accept" => Verdict::Accept,
        "drop" => Verdict::Drop,
        "continue" => Verdict::Continue,
        "return" => Verdict::Return,
        "jump" => Verdict::Jump(target()?.into()),
        "goto" => Verdict::Goto(target()?.into()),
        _ => return None,
    })
}

/// A number of bytes in a unit.
fn sized(number: u64, unit: Option<&Value>) -> Option<u64> {
    match unit.and_then(Value::as_str) {
        None | Some("bytes") => Some(number),
        Some("kbytes") => number.checked_mul(1024),
        Some("mbytes") => number.checked_mul(1024 * 1024),
        Some(_) => None,
    }
}

fn is_true(json: Option<&Value>) -> bool {
    json.and_then(Value::as_bool).unwrap_or(false)
}

/// `counter`, `limit` and `quota` with what they say themselves.
pub(super) fn stateful(name: &str, inner: &Value) -> Option<Expr> {
    match name {
        "counter" => {
            let number = |name: &str| count(inner.get(name)).unwrap_or(0);
            Some(Expr::Counter(Counters { packets: number("packets"), bytes: number("bytes") }))
        }
        "limit" => limit(inner).map(Expr::Limit),
        "quota" => {
            let (bytes, used) = match count(inner.get("val")) {
                Some(number) => (
                    sized(number, inner.get("val_unit"))?,
                    sized(count(inner.get("used")).unwrap_or(0), inner.get("used_unit"))?,
                ),
                None => (count(inner.get("bytes"))?, count(inner.get("used")).unwrap_or(0)),
            };
            Some(Expr::Quota(Quota { bytes, used, flags: u32::from(is_true(inner.get("inv"))) }))
        }
        "ct count" => {
            // As the kernel tells it: an attribute for the number, one for the flags.
            let mut data = vec![8, 0, 1, 0];
            data.extend(u32::try_from(count(inner.get("val"))?).ok()?.to_be_bytes());
            if is_true(inner.get("inv")) {
                data.extend([8, 0, 2, 0, 0, 0, 0, 1]);
            }
            Some(Expr::Unknown { name: "connlimit".into(), data: Bytes(data) })
        }
        _ => None,
    }
}

/// A limit, in a rule or as an object.
pub(super) fn limit(inner: &Value) -> Option<Limit> {
    let unit = match inner.get("per")?.as_str()? {
        "second" => 1,
        "minute" => 60,
        "hour" => 3600,
        "day" => 86_400,
        "week" => 604_800,
        _ => return None,
    };
    let bytes = inner.get("rate_unit").is_some();
    let usual = if bytes { 0 } else { 5 };
    let burst = sized(count(inner.get("burst")).unwrap_or(usual), inner.get("burst_unit"))?;
    Some(Limit {
        rate: sized(count(inner.get("rate"))?, inner.get("rate_unit"))?,
        unit,
        burst: u32::try_from(burst).ok()?,
        bytes,
        over: is_true(inner.get("inv")),
    })
}

/// One word or a list of them.
pub(super) fn words(json: Option<&Value>) -> Option<Vec<&str>> {
    match json {
        None => Some(Vec::new()),
        Some(Value::String(word)) => Some(vec![word]),
        Some(Value::Array(list)) => list.iter().map(Value::as_str).collect(),
        Some(_) => None,
    }
}

impl Rule<'_> {
    /// A statement that is no question.
    pub(super) fn action(&mut self, name: &str, inner: &Value) -> Option<()> {
        match name {
            "accept" | "drop" | "continue" | "return" | "jump" | "goto" => {
                let mut object = serde_json::Map::new();
                object.insert(name.to_owned(), inner.clone());
                let data = Data::Verdict(verdict(&Value::Object(object))?);
                self.out.push(Expr::Immediate { to: Register::VERDICT, data });
            }
            "counter" | "quota" | "limit" if inner.is_string() => self.object(name, inner)?,
            "counter" | "quota" | "limit" if inner.get("map").is_some() => self.object(name, inner)?,
            "ct helper" | "ct timeout" | "ct expectation" => self.object(name, inner)?,
            "counter" | "quota" | "limit" | "ct count" => self.out.push(stateful(name, inner)?),
            "notrack" => self.out.push(Expr::Notrack),
            "mangle" => self.mangle(inner)?,
            "snat" | "dnat" | "masquerade" | "redirect" => self.nat(name, inner)?,
            "reject" => self.reject(inner)?,
            "log" => self.out.push(log(inner)?),
            "queue" => self.out.push(queue(inner)?),
            "set" => self.change_set(inner)?,
            _ => return None,
        }
        Some(())
    }

    fn object(&mut self, name: &str, inner: &Value) -> Option<()> {
        let (kind, ..) = symbol::OBJECTS.iter().find(|row| row.2 == name)?;
        if let Some(object) = inner.as_str() {
            let object = Some(ObjectRef { kind: *kind, name: object.into() });
            self.out.push(Expr::Objref { object, map: None });
            return Some(());
        }
        let map = inner.get("map")?;
        let asked = map.get("key")?;
        self.depend_on(asked)?;
        let parts = self.load(asked, 0)?;
        let set = self.set_of(map.get("data")?, Shape { key: parts, object: Some(*kind), ..Shape::default() })?;
        self.out.push(Expr::Objref { object: None, map: Some(ObjectMap { set, from: register(0) }) });
        Some(())
    }

    /// Puts a value into register 1.
    pub(super) fn give(&mut self, json: &Value, part: Part) -> Option<()> {
        if let Some(map) = only(json, "map") {
            self.map(map, &[part])?;
            return Some(());
        }
        let label = || part.number(1_u128.checked_shl(u32::try_from(json.as_u64()?).ok()?)?);
        let given = if part.kind == Kind::CtLabel { label() } else { value(part, json) };
        if let Some(bytes) = given {
            self.out.push(Expr::Immediate { to: register(0), data: Data::Value(Bytes(bytes)) });
            return Some(());
        }
        self.depend_on(json)?;
        let loaded = self.load_one(json, 0)?;
        (loaded.shift == 0).then_some(())
    }

    fn mangle(&mut self, inner: &Value) -> Option<()> {
        let (target, given) = (inner.get("key")?, inner.get("value")?);
        if let Some(meta) = only(target, "meta") {
            let key = key::meta_named(meta.get("key")?.as_str()?)?;
            self.give(given, Part::new(key.kind, key.host, key.bits))?;
            self.out.push(Expr::MetaSet { from: register(0), key: key.number });
        } else if let Some(ct) = only(target, "ct").filter(|ct| ct.get("dir").is_none()) {
            let key = key::ct_named(ct.get("key")?.as_str()?)?;
            self.give(given, Part::new(key.kind, key.host, key.bits))?;
            self.out.push(Expr::CtSet { from: register(0), key: key.number, direction: None });
        } else if let Some(option) = only(target, "tcp option") {
            self.set_size(option, given)?;
        } else {
            self.set_field(target, given)?;
        }
        Some(())
    }

    /// `tcp option maxseg size set …`
    fn set_size(&mut self, option: &Value, given: &Value) -> Option<()> {
        if (option.get("name")?.as_str()?, option.get("field")?.as_str()?) != ("maxseg", "size") {
            return None;
        }
        self.give(given, Part::new(Kind::Integer, false, 16))?;
        if only(given, "rt").is_some() {
            let at = register(0);
            self.out.push(Expr::Byteorder { from: at, to: at, to_network: true, length: 2, size: 2 });
        }
        self.out.push(Expr::Exthdr {
            to: None,
            from: Some(register(0)),
            kind: 2,
            offset: 2,
            length: 2,
            flags: 0,
            op: 1,
        });
        Some(())
    }

    fn set_field(&mut self, target: &Value, given: &Value) -> Option<()> {
        let (header, field) = named_field(target)?;
        self.depend(header)?;
        let found = place(header, field);
        let (checksum, checksum_offset) = match header {
            Header::Ip => (1, 10),
            Header::Tcp => (1, 16),
            Header::Udp => (1, 6),
            Header::Icmp | Header::Icmpv6 => (1, 2),
            Header::Ip6 | Header::Ether => (0, 0),
            _ => return None,
        };
        let address = matches!((header, field.name), (Header::Ip | Header::Ip6, "saddr" | "daddr"));
        let (mut offset, mut length, mut shift) = (found.offset, found.length, found.part.shift);
        // A checksum is made over pairs of bytes.
        if checksum == 1 {
            let behind = offset % 2 + length;
            length = behind.next_multiple_of(2);
            shift += (length - behind) * 8;
            offset -= offset % 2;
        }
        if length == found.length && found.mask().is_none() {
            self.give(given, Part::new(field.kind, false, field.bits))?;
        } else {
            let whole = Part::new(Kind::Integer, false, length * 8);
            let ones = 1_u128.checked_shl(field.bits)?.checked_sub(1)?.checked_shl(shift)?;
            let mask = whole.number(ones)?.iter().map(|byte| !byte).collect();
            let xor = value(Part { shift, bits: length * 8 - shift, ..found.part }, given)?;
            self.out.push(Expr::Payload { to: register(0), base: found.base, offset, length });
            let op = BitwiseOp::MaskXor { mask: Bytes(mask), xor: Bytes(xor) };
            self.out.push(Expr::Bitwise { from: register(0), to: register(0), length, op });
        }
        self.out.push(Expr::PayloadSet {
            from: register(0),
            base: found.base,
            offset,
            length,
            checksum,
            checksum_offset,
            checksum_flags: u32::from(address && found.base == PayloadBase::Network),
        });
        Some(())
    }

    fn reject(&mut self, inner: &Value) -> Option<()> {
        let kind = inner.get("type").and_then(Value::as_str);
        let code = |kind: Kind| match inner.get("expr") {
            Some(Value::String(word)) => symbol::value(kind, word),
            Some(json) => json.as_u64(),
            None => None,
        };
        let usual = match self.family {
            Family::Ip => (0, 3),
            Family::Ip6 => (0, 4),
            _ => (2, 1),
        };
        let (kind, code) = match kind {
            None => usual,
            Some("tcp reset") => {
                self.depend(Header::Tcp)?;
                (1, 0)
            }
            Some("icmpx") => (2, code(Kind::IcmpxCode)?),
            Some("icmp") => {
                self.depend_network(Header::Ip)?;
                (0, code(Kind::IcmpCode)?)
            }
            Some("icmpv6") => {
                self.depend_network(Header::Ip6)?;
                (0, code(Kind::Icmpv6Code)?)
            }
            Some(_) => return None,
        };
        self.out.push(Expr::Reject { kind, code: u8::try_from(code).ok()? });
        Some(())
    }

    /// `add`, `update` and `delete`
    fn change_set(&mut self, inner: &Value) -> Option<()> {
        let op = match inner.get("op")?.as_str()? {
            "add" => 0,
            "update" => 1,
            "delete" => 2,
            _ => return None,
        };
        let set = inner.get("set")?.as_str()?.strip_prefix('@')?;
        let element = inner.get("elem")?;
        let (asked, timeout) = match only(element, "elem") {
            Some(more) => (more.get("val")?, count(more.get("timeout"))),
            None => (element, None),
        };
        self.depend_on(asked)?;
        self.load(asked, 0)?;
        let mut exprs = Vec::new();
        for statement in inner.get("stmt").and_then(Value::as_array).into_iter().flatten() {
            let (name, inner) = statement.as_object()?.iter().next()?;
            exprs.push(stateful(name, inner)?);
        }
        self.out.push(Expr::Dynset {
            set: set.into(),
            op,
            key: register(0),
            data: None,
            // The kernel tells one that is not set as well.
            timeout_ms: Some(timeout.unwrap_or(0).saturating_mul(1000)),
            not: false,
            exprs,
        });
        Some(())
    }
}

fn log(inner: &Value) -> Option<Expr> {
    let group = match inner.get("group") {
        Some(group) => Some(u16::try_from(group.as_u64()?).ok()?),
        None => None,
    };
    let level = match inner.get("level").and_then(Value::as_str) {
        Some(name) => symbol::LOG_LEVELS.iter().position(|level| *level == name)?,
        None => 4,
    };
    let mut flags = 0;
    for word in words(inner.get("flags"))? {
        flags |= match word {
            "tcp sequence" => 1,
            "tcp options" => 2,
            "ip options" => 4,
            "skuid" => 8,
            "ether" => 0x20,
            "all" => 0x2f,
            _ => return None,
        };
    }
    Some(Expr::Log {
        group,
        prefix: inner.get("prefix").and_then(Value::as_str).map(Into::into),
        length: count(inner.get("snaplen")).and_then(|number| u32::try_from(number).ok()),
        threshold: count(inner.get("queue-threshold")).and_then(|number| u16::try_from(number).ok()),
        level: if group.is_none() { u32::try_from(level).ok() } else { None },
        flags: (flags != 0).then_some(flags),
    })
}

fn queue(inner: &Value) -> Option<Expr> {
    let number = |json: &Value| json.as_u64().and_then(|number| u16::try_from(number).ok());
    let (first, last) = match inner.get("num") {
        None => (0, 0),
        Some(json) => match only(json, "range").and_then(Value::as_array).map(Vec::as_slice) {
            Some([first, last]) => (number(first)?, number(last)?),
            _ => (number(json)?, number(json)?),
        },
    };
    let mut flags = 0;
    for word in words(inner.get("flags"))? {
        flags |= match word {
            "bypass" => 1,
            "fanout" => 2,
            _ => return None,
        };
    }
    let total = last.checked_sub(first)?.checked_add(1)?;
    Some(Expr::Queue { number: Some(first), total: Some(total), flags, from: None })
}
