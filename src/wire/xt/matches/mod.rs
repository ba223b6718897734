//! Matches by name and revision.
//!
//! May import model only.

mod conntrack;
mod hashlimit;
mod packet;
mod ports;
mod seen;
mod set;
mod socket;

use super::blob::Blob;
use crate::model::ids::Mark;
use crate::model::netfilter::table::Family;
use crate::model::netfilter::xt::Test;
use crate::model::netfilter::xt::matches::{Match, Rate, Statistic};
use crate::model::text::Bytes;

/// What a match's data ask. Data of another size than the structure's, or with a bit that means
/// nothing to podnet, are kept whole: nothing is decoded by halves.
pub(super) fn decode(family: Family, name: &[u8], revision: u8, data: &[u8]) -> Match {
    // ebtables and arptables have matches of the same names and other layouts.
    let known = matches!(family, Family::Ip | Family::Ip6 | Family::Inet);
    let found = if known { by_name(family, name, revision, data) } else { None };
    found.unwrap_or_else(|| Match::Unknown(Bytes::from(data)))
}

fn by_name(family: Family, name: &[u8], revision: u8, data: &[u8]) -> Option<Match> {
    match (name, revision) {
        (b"comment", 0) => comment(data),
        (b"tcp", 0) => ports::tcp(data),
        (b"udp" | b"udplite", 0) => ports::udp(data),
        (b"sctp", 0) => ports::sctp(data),
        (b"multiport", 0) => ports::multiport(data),
        (b"multiport", 1) => ports::multiport1(data),
        (b"icmp", 0) => packet::icmp(data).map(Match::Icmp),
        (b"icmp6", 0) => packet::icmp(data).map(Match::Icmp6),
        (b"length", 0) => packet::length(data),
        (b"mac", 0) => packet::mac(data),
        (b"pkttype", 0) => packet::pkttype(data),
        (b"ttl" | b"hl", 0) => packet::ttl(data),
        (b"dscp", 0) => packet::dscp(data),
        (b"tcpmss", 0) => packet::tcpmss(data),
        (b"iprange", 0) => packet::iprange(data),
        (b"iprange", 1) => packet::iprange1(family, data),
        (b"physdev", 0) => packet::physdev(data),
        (b"mark", 0) => mark0(data).map(Match::Mark),
        (b"mark", 1) => mark1(data).map(Match::Mark),
        (b"connmark", 0) => mark0(data).map(Match::Connmark),
        (b"connmark", 1) => mark1(data).map(Match::Connmark),
        (b"conntrack", 1..=3) => conntrack::conntrack(family, revision, data),
        (b"state", 0) => conntrack::state(data),
        (b"statistic", 0) => statistic(data),
        (b"addrtype", 0) => socket::addrtype(data),
        (b"addrtype", 1) => socket::addrtype1(data),
        (b"rpfilter", 0) => socket::rpfilter(data),
        (b"owner", 0) => socket::owner0(family, data),
        (b"owner", 1) => socket::owner(data),
        (b"socket", 0..=3) => socket::socket(revision, data),
        (b"set", 0..=4) => set::set(revision, data),
        (b"recent", 0 | 1) => seen::recent(family, revision, data),
        (b"limit", 0) => limit(data),
        (b"hashlimit", 1..=3) => hashlimit::hashlimit(revision, data),
        (b"nfacct", 0 | 1) => nfacct(data),
        _ => None,
    }
}

/// `struct xt_comment_info`
fn comment(data: &[u8]) -> Option<Match> {
    Blob::sized(data, 256)?.text(0, 256).map(Match::Comment)
}

/// `struct xt_mark_info`, `struct xt_connmark_info`: of kernels before 2.6.37, words of 64 bits.
fn mark0(data: &[u8]) -> Option<Test<Mark>> {
    let blob = Blob::sized(data, 24)?;
    let value = u32::try_from(blob.u64(0)?).ok()?;
    // A mask that was not given was all ones, as wide as the word.
    let mask = match blob.u64(8)? {
        u64::MAX => u32::MAX,
        mask => u32::try_from(mask).ok()?,
    };
    Some(Test { not: blob.flag(16)?, value: Mark { value, mask } })
}

/// `struct xt_mark_mtinfo1`, `struct xt_connmark_mtinfo1`
fn mark1(data: &[u8]) -> Option<Test<Mark>> {
    let blob = Blob::sized(data, 12)?;
    Some(Test { not: blob.flag(8)?, value: Mark { value: blob.u32(0)?, mask: blob.u32(4)? } })
}

/// `struct xt_statistic_info`; `u.nth.count` is unused and `master` the kernel's own.
fn statistic(data: &[u8]) -> Option<Match> {
    let blob = Blob::sized(data, 24)?;
    let not = match blob.u16(2)? {
        0 => false,
        1 => true,
        _ => return None,
    };
    let value = match blob.u16(0)? {
        0 => Statistic::Random { n: blob.u32(4)? },
        1 => Statistic::Nth { every: blob.u32(4)?, first: blob.u32(8)? },
        _ => return None,
    };
    Some(Match::Statistic(Test { not, value }))
}

/// `struct xt_rateinfo`; what follows the burst is the kernel's own.
fn limit(data: &[u8]) -> Option<Match> {
    let blob = Blob::sized(data, 40)?;
    Some(Match::Limit(Rate { average: blob.u32(0)?, burst: blob.u32(4)? }))
}

/// `struct xt_nfacct_match_info`; the pointer is the kernel's own.
fn nfacct(data: &[u8]) -> Option<Match> {
    Blob::sized(data, 40)?.text(0, 32).map(Match::Nfacct)
}

#[cfg(test)]
mod tests;
