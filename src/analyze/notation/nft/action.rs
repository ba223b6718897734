//! Statements that do something: count, limit, log, set, reject.
//!
//! May import model only.

use std::fmt::Write as _;

use super::left::Named;
use super::term::{Held, Term};
use super::value::{Part, bits, number, seconds, value};
use super::writer::Writer;
use super::{Bytes, key};
use crate::model::netfilter::expr::{Expr, Limit, ObjectMap, ObjectRef, PayloadBase, Quota, Register};
use crate::model::netfilter::table::Family;
use crate::model::netfilter::words::kind::Kind;
use crate::model::netfilter::words::symbol;
use crate::model::text::ByteText;

/// Expressions that set elements and `dynset` have as well; with `bare` without what they have counted.
pub(super) fn stateful(expr: &Expr, bare: bool) -> Option<String> {
    match expr {
        Expr::Counter(_) if bare => Some("counter".to_owned()),
        Expr::Counter(counters) => Some(format!("counter packets {} bytes {}", counters.packets, counters.bytes)),
        Expr::Limit(found) => limit(found).map(|text| format!("limit {text}")),
        Expr::Quota(found) => {
            let shown = if bare { Quota { used: 0, ..found.clone() } } else { found.clone() };
            Some(format!("quota {}", quota(&shown)))
        }
        Expr::Unknown { name, data } if *name == "connlimit" => connlimit(&data.0),
        _ => None,
    }
}

/// `NFTA_CONNLIMIT_COUNT` and `NFTA_CONNLIMIT_FLAGS`, as they came.
fn connlimit(data: &[u8]) -> Option<String> {
    let (mut count, mut over, mut rest) = (None, false, data);
    while let [8, 0, kind, 0, a, b, c, d, more @ ..] = rest {
        let number = u32::from_be_bytes([*a, *b, *c, *d]);
        match kind {
            1 => count = Some(number),
            2 => over = number & 1 != 0,
            _ => return None,
        }
        rest = more;
    }
    let count = count.filter(|_| rest.is_empty())?;
    Some(format!("ct count {}{count}", if over { "over " } else { "" }))
}

/// A number of bytes in the greatest unit that it is a multiple of, up to mega.
fn sized(bytes: u64) -> (u64, &'static str) {
    let (mut number, mut unit) = (bytes, 0);
    while number != 0 && number % 1024 == 0 && unit < 2 {
        number /= 1024;
        unit += 1;
    }
    (number, ["bytes", "kbytes", "mbytes"].get(unit).copied().unwrap_or("bytes"))
}

/// `rate …` of a limit.
fn limit(found: &Limit) -> Option<String> {
    let unit = match found.unit {
        1 => "second",
        60 => "minute",
        3600 => "hour",
        86_400 => "day",
        604_800 => "week",
        _ => return None,
    };
    let over = if found.over { "over " } else { "" };
    if found.bytes {
        let (rate, size) = sized(found.rate);
        let mut text = format!("rate {over}{rate} {size}/{unit}");
        if found.burst != 0 {
            let (burst, size) = sized(u64::from(found.burst));
            let _ = write!(text, " burst {burst} {size}");
        }
        return Some(text);
    }
    let mut text = format!("rate {over}{}/{unit}", found.rate);
    if !matches!(found.burst, 0 | 5) {
        let _ = write!(text, " burst {} packets", found.burst);
    }
    Some(text)
}

/// A quota.
fn quota(found: &Quota) -> String {
    let (bytes, unit) = sized(found.bytes);
    let over = if found.flags & 1 != 0 { "over " } else { "" };
    let mut text = format!("{over}{bytes} {unit}");
    if found.used != 0 {
        let (used, unit) = sized(found.used);
        let _ = write!(text, " used {used} {unit}");
    }
    text
}

impl Writer<'_> {
    /// A statement that is no question.
    pub(super) fn action(&mut self, expr: &Expr) -> Option<()> {
        let text = match expr {
            Expr::Counter(_) | Expr::Limit(_) | Expr::Quota(_) | Expr::Unknown { .. } => stateful(expr, false)?,
            Expr::Notrack => "notrack".to_owned(),
            Expr::Nat(nat) => self.nat(nat)?,
            Expr::Tproxy { family, address, port } => self.tproxy(*family, *address, *port)?,
            Expr::Reject { kind, code } => return self.reject(*kind, *code),
            Expr::Log { group, prefix, length, threshold, level, flags } => {
                log(*group, prefix.as_ref(), *length, *threshold, *level, *flags)?
            }
            Expr::Queue { number, total, flags, from: None } => queue(*number, *total, *flags)?,
            Expr::MetaSet { from, key } => {
                let key = key::meta(*key)?;
                let part = Part::new(key.kind, key.host, key.bits);
                let held = self.at(*from)?;
                format!("meta {} set {}", key.name, self.source(&held, part)?)
            }
            Expr::CtSet { from, key, direction: None } => {
                let key = key::ct(*key)?;
                let part = Part::new(key.kind, key.host, key.bits);
                let held = self.at(*from)?;
                format!("ct {} set {}", key.name, self.source(&held, part)?)
            }
            Expr::PayloadSet { from, base, offset, length, .. } => {
                let held = self.at(*from)?;
                self.set_field(*base, offset.checked_mul(8)?, length.checked_mul(8)?, &held)?
            }
            Expr::Exthdr { to: None, from: Some(from), kind, offset, length, op: 1, .. } => {
                let (name, kind) =
                    super::option::name(*kind, offset.checked_mul(8)?, length.checked_mul(8)?, false, 1)?;
                let held = self.at(*from)?;
                format!("{name} set {}", self.source(&held, Part::new(kind, false, *length * 8))?)
            }
            Expr::Objref { object, map } => self.object(object.as_ref(), map.as_ref())?,
            Expr::Dynset { set, op, key, data, timeout_ms, not: false, exprs } => {
                self.dynset(set, *op, (*key, *data), *timeout_ms, exprs)?
            }
            _ => return None,
        };
        self.act(text);
        Some(())
    }

    /// What a statement is given: a constant, a map's answer or a calculation.
    pub(super) fn source(&mut self, held: &Held, part: Part) -> Option<String> {
        match &held.term {
            Term::Value(bytes) if part.kind == Kind::CtEvent => {
                Some(bits(part.kind, number(&bytes.0, part.host)?).join(","))
            }
            Term::Value(bytes) => (part.bytes() == bytes.0.len()).then(|| value(part, &bytes.0, self.contents))?,
            Term::Map { key, set } => self.map(key, set, &[part]),
            term => Some(self.name(term)?.text),
        }
    }

    /// `KEY map SET`
    pub(super) fn map(&mut self, key: &Term, set: &ByteText, data: &[Part]) -> Option<String> {
        let named = self.name(key)?;
        Some(format!("{} map {}", named.text, self.set_text(set, &named, data)?))
    }

    fn set_field(&mut self, base: PayloadBase, offset: u32, length: u32, held: &Held) -> Option<String> {
        if let Term::Masked { of, and, xor } = &held.term
            && **of == (Term::Payload { base, offset, bits: length })
        {
            return self.set_bits(base, offset, length, (and, xor));
        }
        let named = self.name(&Term::Payload { base, offset, bits: length })?;
        let given = self.source(held, named.part()?)?;
        Some(format!("{} set {given}", named.text))
    }

    /// Sets a field that is shorter than what the kernel writes.
    fn set_bits(&mut self, base: PayloadBase, offset: u32, length: u32, how: (&Bytes, &Bytes)) -> Option<String> {
        let changed: Vec<u8> = how.0.0.iter().map(|byte| !byte).collect();
        let (header, field, shift) = self.trimmed(base, offset, length, &changed)?;
        let xor = number(&how.1.0, false)?;
        if xor & !number(&changed, false)? != 0 {
            return None;
        }
        let named = super::left::field_named(header, field);
        let part = Part { host: false, ..named.part()? };
        let bytes = (xor >> shift).to_be_bytes();
        let given = value(part, bytes.get(16_usize.checked_sub(part.bytes())?..)?, self.contents)?;
        self.implied_by_field(header, field);
        Some(format!("{} set {given}", named.text))
    }

    fn reject(&mut self, kind: u32, code: u8) -> Option<()> {
        let text = match (kind, self.family) {
            (1, _) => "reject with tcp reset".to_owned(),
            (2, _) if code == 1 => "reject".to_owned(),
            (2, _) => format!("reject with icmpx {code}"),
            (0, Family::Ip) if code == 3 => "reject".to_owned(),
            (0, Family::Ip6) if code == 4 => "reject".to_owned(),
            (0, Family::Ip) => format!("reject with icmp {code}"),
            (0, Family::Ip6) => format!("reject with icmpv6 {code}"),
            (0, _) => match self.protocols.network() {
                super::protocols::Known::Is(super::Header::Ip) => format!("reject with icmp {code}"),
                super::protocols::Known::Is(super::Header::Ip6) => format!("reject with icmpv6 {code}"),
                _ => return None,
            },
            _ => return None,
        };
        if let Some(piece) = self.protocols.reject(kind) {
            self.remove(piece);
        }
        self.act(text);
        Some(())
    }

    fn object(&mut self, object: Option<&ObjectRef>, map: Option<&ObjectMap>) -> Option<String> {
        let word = |kind: u32| symbol::OBJECTS.iter().find(|row| row.0 == kind).map(|row| row.1);
        match (object, map) {
            (Some(object), None) => Some(format!("{} \"{}\"", word(object.kind)?, object.name)),
            (None, Some(map)) => {
                let set = self.contents.set(&map.set)?;
                let held = self.get(map.from, usize::try_from(set.key_length).ok()?)?;
                Some(format!("{} {}", word(set.object_kind?)?, self.map(&held.term, &map.set, &[])?))
            }
            _ => None,
        }
    }

    fn dynset(
        &mut self,
        set: &ByteText,
        op: u32,
        registers: (Register, Option<Register>),
        timeout: Option<u64>,
        exprs: &[Expr],
    ) -> Option<String> {
        let found = self.contents.set(set)?;
        let verb = ["add", "update", "delete"].get(usize::try_from(op).ok()?)?;
        let held = self.get(registers.0, usize::try_from(found.key_length).ok()?)?;
        let Named { mut text, .. } = self.name(&held.term)?;
        if let Some(timeout) = timeout.filter(|timeout| *timeout != 0) {
            let _ = write!(text, " timeout {}", seconds(timeout));
        }
        for expr in exprs {
            let _ = write!(text, " {}", stateful(expr, true)?);
        }
        if let Some(data) = registers.1 {
            let given = self.get(data, usize::try_from(found.data_length?).ok()?)?;
            let part = Kind::numbered(found.data_type?).map(Part::of)?;
            let _ = write!(text, " : {}", self.source(&given, part)?);
        }
        Some(format!("{verb} @{set} {{ {text} }}"))
    }
}

fn log(
    group: Option<u16>,
    prefix: Option<&ByteText>,
    length: Option<u32>,
    threshold: Option<u16>,
    level: Option<u32>,
    flags: Option<u32>,
) -> Option<String> {
    let mut text = String::from("log");
    if let Some(prefix) = prefix.filter(|prefix| !prefix.as_bytes().is_empty()) {
        let _ = write!(text, " prefix \"{prefix}\"");
    }
    if let Some(group) = group {
        let _ = write!(text, " group {group}");
    }
    if let Some(length) = length.filter(|length| group.is_some() && *length != 0) {
        let _ = write!(text, " snaplen {length}");
    }
    if let Some(threshold) = threshold.filter(|threshold| group.is_some() && *threshold != 0) {
        let _ = write!(text, " queue-threshold {threshold}");
    }
    if let Some(level) = level.filter(|level| group.is_none() && *level != 4) {
        let _ = write!(text, " level {}", symbol::LOG_LEVELS.get(usize::try_from(level).ok()?)?);
    }
    match flags.unwrap_or(0) {
        0 => {}
        0x2f => text.push_str(" flags all"),
        flags => {
            text.push_str(match flags & 3 {
                1 => " flags tcp sequence",
                2 => " flags tcp options",
                3 => " flags tcp sequence,options",
                _ => "",
            });
            for (bit, word) in [(4, " flags ip options"), (8, " flags skuid"), (0x20, " flags ether")] {
                text.push_str(if flags & bit != 0 { word } else { "" });
            }
        }
    }
    Some(text)
}

fn queue(first: Option<u16>, total: Option<u16>, flags: u16) -> Option<String> {
    let words: Vec<&str> =
        [(1, "bypass"), (2, "fanout")].iter().filter(|(bit, _)| flags & bit != 0).map(|(_, word)| *word).collect();
    let mut text = String::from("queue");
    if !words.is_empty() {
        let _ = write!(text, " flags {}", words.join(","));
    }
    let first = first?;
    let _ = match total.unwrap_or(1) {
        0 | 1 => write!(text, " to {first}"),
        total => write!(text, " to {first}-{}", first.checked_add(total - 1)?),
    };
    Some(text)
}
