//! The elements of a set, each in words, in nft's order.
//!
//! May import model only.

use std::cmp::Ordering;
use std::fmt::Write as _;

use super::Contents;
use super::value::{Part, number, seconds, span, value, values, verdict};
use crate::model::netfilter::expr::Data;
use crate::model::netfilter::set::{Element, Set};
use crate::model::netfilter::words::kind::Kind;

/// How the elements of one set are written.
pub(super) struct Listing<'a> {
    set: &'a Set,
    key: &'a [Part],
    data: &'a [Part],
    contents: &'a dyn Contents,
}

/// Elements in words.
pub(super) struct Listed {
    /// Each.
    pub texts: Vec<String>,
    /// Whether this is the order in which nft lists them; for some sets it is not to be known.
    pub ordered: bool,
}

/// An element and where its interval ends, included.
struct Item<'a> {
    element: &'a Element,
    end: Option<Vec<u8>>,
}

impl<'a> Listing<'a> {
    pub(super) fn new(set: &'a Set, key: &'a [Part], data: &'a [Part], contents: &'a dyn Contents) -> Self {
        Self { set, key, data, contents }
    }

    fn is_plain_interval(&self) -> bool {
        self.set.is(Set::INTERVAL) && self.key.len() == 1
    }

    /// All elements; `None` where one cannot be written.
    pub(super) fn all(&self, elements: &[Element]) -> Option<Listed> {
        let mut items = if self.is_plain_interval() { intervals(elements) } else { singles(elements) };
        let mut ordered = true;
        if self.set.is(Set::INTERVAL) && self.key.len() > 1 {
            // nft keeps the kernel's order here, which the model does not have.
            ordered = items.len() < 2;
        } else if !self.set.is(Set::INTERVAL) {
            items.sort_by(|one, other| self.order(one, other));
            let tie = |pair: &[Item<'_>]| match pair {
                [one, other] => self.order(one, other) == Ordering::Equal,
                _ => false,
            };
            ordered = !items.windows(2).any(tie);
        }
        let texts = items.iter().map(|item| self.item(item)).collect::<Option<Vec<_>>>()?;
        Some(Listed { texts, ordered })
    }

    /// One element on its own.
    pub(super) fn one(&self, element: &Element) -> Option<String> {
        self.item(&Item { element, end: None })
    }

    /// nft sorts numbers by value, and what it takes for host order by the last byte first.
    fn order(&self, one: &Item<'_>, other: &Item<'_>) -> Ordering {
        let catch_all = one.element.catch_all.cmp(&other.element.catch_all);
        let (left, right) = (&one.element.key.0, &other.element.key.0);
        catch_all.then_with(|| match self.key {
            [part] if part.kind.is_bits() => {
                let lowest = |key: &[u8]| number(key, part.host).map(u128::trailing_zeros);
                lowest(left).cmp(&lowest(right))
            }
            [part] if !part.host => left.cmp(right),
            _ => left.iter().rev().cmp(right.iter().rev()),
        })
    }

    fn item(&self, item: &Item<'_>) -> Option<String> {
        let element = item.element;
        let mut text = if element.catch_all { "*".to_owned() } else { self.key_text(item)? };
        for expr in &element.exprs {
            let _ = write!(text, " {}", super::action::stateful(expr, false)?);
        }
        if let Some(timeout) = element.timeout_ms.filter(|timeout| *timeout != 0) {
            let _ = write!(text, " timeout {}", seconds(timeout));
        }
        if let Some(expires) = element.expires_ms.filter(|expires| *expires != 0) {
            let _ = write!(text, " expires {}", seconds(expires));
        }
        if let Some(comment) = &element.comment {
            let _ = write!(text, " comment \"{comment}\"");
        }
        match (&element.data, &element.object) {
            (Some(data), _) => {
                let _ = write!(text, " : {}", self.data_text(data)?);
            }
            (None, Some(object)) => {
                let _ = write!(text, " : \"{object}\"");
            }
            (None, None) => {}
        }
        Some(text)
    }

    fn key_text(&self, item: &Item<'_>) -> Option<String> {
        let key = &item.element.key.0;
        if let ([part], Some(end)) = (self.key, &item.end) {
            return if part.kind.is_text() {
                open_text(*part, key, end, self.contents)
            } else {
                self.span(*part, key, end)
            };
        }
        match &item.element.key_end {
            Some(end) if end.0 != *key => {
                let (mut words, mut at) = (Vec::new(), 0);
                for part in self.key {
                    let range = at..at + part.bytes();
                    words.push(span(*part, key.get(range.clone())?, end.0.get(range)?, self.contents)?);
                    at += part.padded();
                }
                Some(words.join(" . "))
            }
            _ => values(self.key, key, self.contents),
        }
    }

    fn span(&self, part: Part, min: &[u8], max: &[u8]) -> Option<String> {
        // What a mask left standing has no form as an interval.
        (part.shift == 0 || min == max).then(|| span(part, min, max, self.contents))?
    }

    fn data_text(&self, data: &Data) -> Option<String> {
        let bytes = match data {
            Data::Verdict(given) => return verdict(given),
            Data::Value(bytes) => &bytes.0,
        };
        if let [part] = self.data
            && bytes.len() == 2 * part.padded()
        {
            let (min, max) = bytes.split_at(part.padded());
            return span(*part, min.get(..part.bytes())?, max.get(..part.bytes())?, self.contents);
        }
        if self.data.is_empty() { None } else { values(self.data, bytes, self.contents) }
    }
}

fn singles(elements: &[Element]) -> Vec<Item<'_>> {
    elements.iter().filter(|element| !element.interval_end).map(|element| Item { element, end: None }).collect()
}

/// Puts each start together with the end behind it.
fn intervals(elements: &[Element]) -> Vec<Item<'_>> {
    let mut sorted: Vec<&Element> = elements.iter().collect();
    // Of equal keys the end of the interval before comes first.
    sorted.sort_by(|one, other| {
        let key = |element: &Element| (element.catch_all, element.key.clone(), !element.interval_end);
        key(one).cmp(&key(other))
    });
    let starts = sorted.iter().enumerate().filter(|(_, element)| !element.interval_end);
    starts
        .map(|(at, element)| {
            let next = sorted.iter().skip(at + 1).find(|next| !next.catch_all);
            let end = match &element.key_end {
                Some(end) => Some(end.0.clone()),
                None if element.catch_all => None,
                None => Some(next.map_or_else(|| vec![0xff; element.key.0.len()], |next| before(&next.key.0))),
            };
            Item { element, end }
        })
        .collect()
}

/// The number before, as bytes.
fn before(bytes: &[u8]) -> Vec<u8> {
    let mut out = bytes.to_vec();
    for byte in out.iter_mut().rev() {
        let (less, borrow) = byte.overflowing_sub(1);
        *byte = less;
        if !borrow {
            break;
        }
    }
    out
}

/// Names with one beginning: `"eth*"`.
fn open_text(part: Part, min: &[u8], max: &[u8], contents: &dyn Contents) -> Option<String> {
    if min == max {
        return value(part, min, contents);
    }
    let stem = min.iter().position(|byte| *byte == 0)?;
    let fits = min.get(..stem) == max.get(..stem)
        && min.get(stem..)?.iter().all(|byte| *byte == 0)
        && max.get(stem..)?.iter().all(|byte| *byte == 0xff);
    fits.then(|| value(part, min.get(..stem)?, contents))?
}

/// How many elements nft puts on a line for this kind of key.
pub(super) fn on_a_line(key: &[Part]) -> usize {
    match key {
        [part] => match part.kind {
            Kind::Ipv4 | Kind::CtState | Kind::PacketType => 2,
            Kind::Integer
            | Kind::NfProto
            | Kind::ArpOp
            | Kind::Protocol
            | Kind::Service
            | Kind::TcpFlags
            | Kind::DccpType
            | Kind::Mark
            | Kind::LinkIndex
            | Kind::ClassId
            | Kind::User
            | Kind::Group
            | Kind::CtDirection
            | Kind::CtStatus
            | Kind::CtLabel => 5,
            _ => 1,
        },
        _ => 1,
    }
}
