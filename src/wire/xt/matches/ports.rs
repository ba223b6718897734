//! Matches that look at ports.
//!
//! May import model only.

use super::super::blob::{Blob, only};
use crate::model::netfilter::xt::Test;
use crate::model::netfilter::xt::matches::{
    Match, Multiport, Ports, Range, Sctp, SctpChunkFlags, SctpChunks, Tcp, TcpFlags,
};

/// `XT_TCP_INV_SRCPT`, and `XT_UDP_INV_SRCPT`.
const NOT_SOURCE: u8 = 1;
/// `XT_TCP_INV_DSTPT`, and `XT_UDP_INV_DSTPT`.
const NOT_DESTINATION: u8 = 2;
/// `XT_TCP_INV_FLAGS`
const NOT_FLAGS: u8 = 4;
/// `XT_TCP_INV_OPTION`
const NOT_OPTION: u8 = 8;

/// `struct xt_tcp`
pub(super) fn tcp(data: &[u8]) -> Option<Match> {
    let blob = Blob::sized(data, 12)?;
    let inverted = blob.u8(11)?;
    only(inverted.into(), 15)?;
    let flags = TcpFlags { mask: blob.u8(9)?, set: blob.u8(10)? };
    let not_flags = inverted & NOT_FLAGS != 0;
    // The two bits above URG (ECE and CWR) are compared too, but iptables has no names for them.
    only((flags.mask | flags.set).into(), 0x3f)?;
    let asks_flags = not_flags || flags.mask != 0 || flags.set != 0;
    let option = blob.u8(8)?;
    let not_option = inverted & NOT_OPTION != 0;
    Some(Match::Tcp(Tcp {
        ports: ports(blob, inverted)?,
        flags: asks_flags.then_some(Test { not: not_flags, value: flags }),
        option: (not_option || option != 0).then_some(Test { not: not_option, value: option }),
    }))
}

/// `struct xt_udp`
pub(super) fn udp(data: &[u8]) -> Option<Match> {
    let blob = Blob::sized(data, 10)?;
    let inverted = blob.u8(8)?;
    only(inverted.into(), 3)?;
    ports(blob, inverted).map(Match::Udp)
}

/// All ports are asked for where none are; *not* all of them is a rule that never holds, and stays.
fn ports(blob: Blob<'_>, inverted: u8) -> Option<Ports> {
    let one = |at: usize, bit: u8| {
        let range = range(blob, at)?;
        let test = Test { not: inverted & bit != 0, value: range };
        Some((test.not || range != ALL).then_some(test))
    };
    Some(Ports { source: one(0, NOT_SOURCE)?, destination: one(4, NOT_DESTINATION)? })
}

const ALL: Range = Range { min: 0, max: u16::MAX };

fn range(blob: Blob<'_>, at: usize) -> Option<Range> {
    Some(Range { min: blob.u16(at)?, max: blob.u16(at + 2)? })
}

/// How many words the map of chunk types has; the last 56 mean nothing.
const MAP_WORDS: usize = 64;

/// `struct xt_sctp_info`
pub(super) fn sctp(data: &[u8]) -> Option<Match> {
    let blob = Blob::sized(data, 292)?;
    let (asked, inverted) = (blob.u32(284)?, blob.u32(288)?);
    only(asked, 7)?;
    only(inverted, asked)?;
    let port = |at: usize, bit: u32| {
        let test = Test { not: inverted & bit != 0, value: range(blob, at)? };
        Some((asked & bit != 0).then_some(test))
    };
    let chunks = match asked & 4 {
        0 => None,
        _ => Some(Test { not: inverted & 4 != 0, value: chunks(blob)? }),
    };
    // The destination's range comes first.
    Some(Match::Sctp(Sctp { ports: Ports { source: port(4, 1)?, destination: port(0, 2)? }, chunks }))
}

fn chunks(blob: Blob<'_>) -> Option<SctpChunks> {
    let kind = blob.u32(264)?;
    if !matches!(kind, 1 | 2 | 4) {
        return None;
    }
    let words = (0..MAP_WORDS).map(|word| blob.u32(8 + 4 * word)).collect::<Option<Vec<u32>>>()?;
    let (map, rest) = words.split_at_checked(8)?;
    let all = map.iter().all(|word| *word == u32::MAX);
    if rest.iter().any(|word| *word != if all { u32::MAX } else { 0 }) {
        return None;
    }
    let types = (0..=u8::MAX).filter(|kind| {
        let word = map.get(usize::from(kind / 32)).copied().unwrap_or_default();
        word & (1 << (kind % 32)) != 0
    });
    let count = usize::try_from(blob.u32(280)?).ok().filter(|count| *count <= 4)?;
    let flags = (0..count).map(|number| {
        let [kind, set, mask] = blob.array(268 + 3 * number)?;
        Some(SctpChunkFlags { kind, set, mask })
    });
    Some(SctpChunks { kind, types: types.collect(), flags: flags.collect::<Option<_>>()? })
}

/// `struct xt_multiport`
pub(super) fn multiport(data: &[u8]) -> Option<Match> {
    let blob = Blob::sized(data, 32)?;
    let (which, ports) = listed(blob)?;
    let ports = ports.into_iter().map(|port| Range { min: port, max: port }).collect();
    Some(Match::Multiport(Test::is(Multiport { which, ports, spans: 0 })))
}

/// `struct xt_multiport_v1`: a port with its flag set is the first of a range that ends at the next one.
pub(super) fn multiport1(data: &[u8]) -> Option<Match> {
    let blob = Blob::sized(data, 48)?;
    let (which, numbers) = listed(blob)?;
    let mut ports = Vec::with_capacity(numbers.len());
    let mut spans = 0;
    let mut numbers = numbers.into_iter().enumerate();
    while let Some((place, min)) = numbers.next() {
        let is_range = blob.flag(32 + place)?;
        let max = if is_range { numbers.next()?.1 } else { min };
        if is_range && min == max {
            spans |= 1 << ports.len();
        }
        ports.push(Range { min, max });
    }
    Some(Match::Multiport(Test { not: blob.flag(47)?, value: Multiport { which, ports, spans } }))
}

fn listed(blob: Blob<'_>) -> Option<(u8, Vec<u16>)> {
    let (which, count) = (blob.u8(0)?, usize::from(blob.u8(1)?));
    let valid = which <= 2 && count <= 15;
    let ports = (0..count.min(15)).map(|place| blob.u16(2 + 2 * place)).collect::<Option<_>>()?;
    valid.then_some((which, ports))
}
