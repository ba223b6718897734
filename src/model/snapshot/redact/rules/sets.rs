//! Sets, maps and their elements, and ipsets.
//!
//! Must not import anything from the crate but its sibling model types.

use std::net::IpAddr;

use ipnet::IpNet;

use super::exprs::{self, Context};
use super::values::{What, address, from_number, number, octets};
use super::{RuleMasks, blank};
use crate::model::ids::MacAddr;
use crate::model::netfilter::expr::{Data, Verdict};
use crate::model::netfilter::ipset::{IpSet, IpSetMember};
use crate::model::netfilter::set::{Element, Set};
use crate::model::netfilter::words::kind::Kind;
use crate::model::text::{ByteText, Bytes};

/// One part of a key: what it is, and where its bytes are.
type Part = (What, std::ops::Range<usize>);

/// The parts of a key or of data of nft's type `number`, `length` bytes in all.
pub(super) fn parts(number: u32, fields: &[u32], length: usize) -> Vec<Part> {
    let whole = || vec![(What::Opaque, 0..length)];
    let Some(kinds) = Kind::parts(number) else { return whole() };
    if let [kind] = kinds.as_slice() {
        return vec![(What::Kind(*kind), 0..length)];
    }
    let mut at = 0;
    let mut parts = Vec::new();
    for (place, kind) in kinds.into_iter().enumerate() {
        let own = match fields.get(place) {
            Some(bytes) => *bytes,
            None => kind.bytes(),
        };
        let own = usize::try_from(own).unwrap_or(usize::MAX);
        let end = at + own.min(length.saturating_sub(at));
        if own == 0 || end > length {
            return whole();
        }
        parts.push((What::Kind(kind), at..end));
        at = end.next_multiple_of(4);
    }
    if at < length { whole() } else { parts }
}

fn key_parts(set: Option<&Set>, length: usize) -> Vec<Part> {
    match set {
        Some(set) => parts(set.key_type, &set.fields, length),
        None => vec![(What::Opaque, 0..length)],
    }
}

pub(super) fn set(masks: &mut RuleMasks<'_, '_>, set: &mut Set, context: &Context) {
    let Set {
        id,
        handle: _,
        flags: _,
        key_type: _,
        key_length: _,
        fields: _,
        data_type: _,
        data_length: _,
        object_kind: _,
        timeout_ms: _,
        gc_interval_ms: _,
        size: _,
        policy: _,
        exprs: row,
        comment,
        user_data,
    } = set;
    masks.table_ref(&mut id.table);
    masks.set_name(&mut id.name);
    exprs::mask(masks, row, context);
    masks.comment(comment);
    types_only(user_data);
}

/// Of a set's user data nft's own words for its types stay, all else becomes zeros.
fn types_only(user_data: &mut Bytes) {
    // NFTNL_UDATA_SET_KEYBYTEORDER … NFTNL_UDATA_SET_DATA_INTERVAL; what follows is a comment.
    const LAST_TYPE: u8 = 6;
    let mut rest = user_data.0.as_mut_slice();
    while let [kind, length, tail @ ..] = rest {
        let length = usize::from(*length).min(tail.len());
        let (value, next) = tail.split_at_mut(length);
        if *kind > LAST_TYPE {
            value.fill(0);
        }
        rest = next;
    }
    rest.fill(0);
}

/// Masks the elements of a set, and sorts them again.
pub(super) fn elements(masks: &mut RuleMasks<'_, '_>, elements: &mut [Element], set: Option<&Set>, context: &Context) {
    let is_interval = set.is_some_and(|set| set.is(Set::INTERVAL)) && elements.iter().all(|one| one.key_end.is_none());
    if is_interval {
        intervals(masks, elements, set);
    }
    for element in elements.iter_mut() {
        let Element {
            key,
            key_end,
            interval_end: _,
            catch_all: _,
            data,
            object,
            timeout_ms: _,
            expires_ms: _,
            exprs: row,
            comment,
            user_data,
        } = element;
        match key_end {
            Some(end) => ranges(masks, key, end, set),
            None if is_interval => {}
            None => whole(masks, key, &key_parts(set, key.0.len())),
        }
        match data {
            Some(Data::Value(bytes)) => {
                let number = set.and_then(|set| set.data_type).unwrap_or(0);
                let parts = parts(number, &[], bytes.0.len());
                whole(masks, bytes, &parts);
            }
            Some(Data::Verdict(Verdict::Jump(chain) | Verdict::Goto(chain))) => masks.chain_name(chain),
            Some(Data::Verdict(_)) | None => {}
        }
        if let Some(object) = object {
            masks.other_name(object);
        }
        exprs::mask(masks, row, context);
        masks.comment(comment);
        blank(user_data);
    }
    elements.sort_by(|one, other| {
        (&one.key, &one.key_end, !one.interval_end).cmp(&(&other.key, &other.key_end, !other.interval_end))
    });
}

fn whole(masks: &mut RuleMasks<'_, '_>, bytes: &mut Bytes, parts: &[Part]) {
    for (what, place) in parts {
        if let Some(part) = bytes.0.get(place.clone()) {
            let masked = masks.value(*what, part);
            replace(bytes, place, &masked);
        }
    }
}

fn replace(bytes: &mut Bytes, place: &std::ops::Range<usize>, with: &[u8]) {
    if let Some(part) = bytes.0.get_mut(place.clone()).filter(|part| part.len() == with.len()) {
        part.copy_from_slice(with);
    } else if let Some(part) = bytes.0.get_mut(place.clone()) {
        part.fill(0);
    }
}

fn is_address(what: What) -> bool {
    matches!(what, What::Kind(Kind::Ipv4 | Kind::Ipv6) | What::Address)
}

/// Ranges in each part of a concatenated key, ends included.
fn ranges(masks: &mut RuleMasks<'_, '_>, key: &mut Bytes, end: &mut Bytes, set: Option<&Set>) {
    for (what, place) in key_parts(set, key.0.len()) {
        let (Some(low), Some(high)) = (key.0.get(place.clone()), end.0.get(place.clone())) else {
            blank(end);
            continue;
        };
        let (low, high) = match (address(low), address(high)) {
            (Some(low), Some(high)) if is_address(what) => {
                let (low, high) = masks.range(low, high);
                (octets(low), octets(high))
            }
            _ => (masks.value(what, low), masks.value(what, high)),
        };
        replace(key, &place, &low);
        replace(end, &place, &high);
    }
}

/// Intervals of a set with one part: an element begins one, the next may be where it ends.
fn intervals(masks: &mut RuleMasks<'_, '_>, elements: &mut [Element], set: Option<&Set>) {
    let mut at = 0;
    while let Some(element) = elements.get(at) {
        let parts = key_parts(set, element.key.0.len());
        let first = match parts.as_slice() {
            [(what, _)] if is_address(*what) => address(&element.key.0),
            _ => None,
        };
        let end = elements.get(at + 1).filter(|next| next.interval_end && !element.interval_end);
        let past = end.and_then(|end| address(&end.key.0));
        if let (Some(first), Some(past)) = (first, past)
            && number(past) > number(first)
        {
            let last = from_number(number(past) - 1, past.is_ipv6());
            let (low, high) = masks.range(first, last);
            elements[at].key = Bytes(octets(low));
            elements[at + 1].key = Bytes(after(high));
            at += 2;
            continue;
        }
        let mut key = elements[at].key.clone();
        // The very first key of an interval set closes what is below the first interval: it is 0.
        if key.0.iter().any(|byte| *byte != 0) {
            whole(masks, &mut key, &parts);
        }
        elements[at].key = key;
        at += 1;
    }
}

/// The address after one; of the last one 0, as nft leaves its end out.
fn after(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => u32::from(address).wrapping_add(1).to_be_bytes().to_vec(),
        IpAddr::V6(address) => u128::from(address).wrapping_add(1).to_be_bytes().to_vec(),
    }
}

impl RuleMasks<'_, '_> {
    pub(super) fn ipset(&mut self, set: &mut IpSet) {
        let IpSet { name, index: _, type_name: _, revision: _, family: _, options, elements: _, references: _ } = set;
        self.set_name(name);
        let mut before = "";
        let words: Vec<String> = options
            .split(' ')
            .map(|word| {
                let masked = match word.split_once('-') {
                    Some((low, high)) if before == "range" => match (low.parse(), high.parse()) {
                        (Ok(low), Ok(high)) => {
                            let (low, high) = self.range(low, high);
                            format!("{low}-{high}")
                        }
                        _ => word.to_owned(),
                    },
                    _ => word.to_owned(),
                };
                before = word;
                masked
            })
            .collect();
        *options = words.join(" ");
    }

    /// A member, part by part as the set's type names them.
    pub(super) fn member(&mut self, type_name: Option<&ByteText>, member: &mut IpSetMember) {
        let IpSetMember { entry, nomatch: _, timeout_ms: _, counters: _, comment, skb: _ } = member;
        let parts = type_name.and_then(ByteText::as_str).and_then(|name| name.split_once(':')).map(|(_, parts)| parts);
        let mut parts = parts.unwrap_or_default().split(',');
        let words: Vec<String> = entry.split(',').map(|word| self.part(parts.next(), word)).collect();
        *entry = words.join(",");
        self.comment(comment);
    }

    fn part(&mut self, part: Option<&str>, word: &str) -> String {
        let mut named = |text: &str, mask: fn(&mut Self, &mut ByteText)| {
            let mut name = ByteText::from(text);
            mask(self, &mut name);
            name.to_string()
        };
        match part {
            Some("port" | "mark") => word.to_owned(),
            Some("set") => named(word, Self::set_name),
            Some("iface") => {
                let (physdev, rest) = match word.strip_prefix("physdev:") {
                    Some(rest) => ("physdev:", rest),
                    None => ("", word),
                };
                let (link, wildcard) = match rest.strip_suffix(" wildcard") {
                    Some(link) => (link, " wildcard"),
                    None => (rest, ""),
                };
                format!("{physdev}{}{wildcard}", named(link, Self::link_name))
            }
            _ => {
                if let Ok(address) = word.parse::<IpAddr>() {
                    self.masks.address(address).to_string()
                } else if let Ok(net) = word.parse::<IpNet>() {
                    self.masks.net(net).to_string()
                } else if let Ok(mac) = word.parse::<MacAddr>() {
                    self.masks.mac(&mac).to_string().to_ascii_uppercase()
                } else {
                    self.masks.name(word)
                }
            }
        }
    }
}
